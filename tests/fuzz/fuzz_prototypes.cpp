// Masks of prototypes: the whole grid combined, activated, cropped and resized by the contract's arithmetic.

#include "decoded.hpp"
#include "rapidmask/prototypes.hpp"

namespace rapidmask::fuzz {
namespace {

float any_corner(Input& input, std::int64_t extent) {
  switch (input.below(6)) {
    case 0: return as_value<float>(input.number());
    case 1: return static_cast<float>(input.between(-extent, 2 * extent)) / 2;
    default: return static_cast<float>(input.below(65536)) / 65536 * static_cast<float>(extent + 2) - 1;
  }
}

template <class T>
void compare(Input& input, DType dtype) {
  const std::int64_t images = input.between(1, 3), channels = input.between(1, input.flag() ? 4 : 33);
  const std::int64_t h = input.between(1, 30), w = input.between(1, 60), n = input.below(input.flag() ? 4 : 9);
  const std::int64_t out_h = input.extent(100), out_w = input.extent_beside(out_h, 300, 4000);
  std::int64_t factor = input.pick<std::int64_t>({0, 1, 1, 1, 2, 4});
  const bool letterboxed = factor == 0 || input.flag();
  const Letterbox letterbox{input.between(1, 300), input.between(1, 300)};
  if (factor == 0) factor = automatic_pre_upsample(letterbox, out_h, out_w);
  PrototypeDecoding decoding{};
  decoding.channels = channels;
  decoding.rows = {h, factor * h, 0, factor * h, out_h};
  decoding.columns = {w, factor * w, 0, factor * w, out_w};
  if (letterboxed) cut_letterbox({factor * h, factor * w}, decoding.rows, decoding.columns);
  decoding.activation = input.byte() % 4 == 0 ? Activation::sigmoid : Activation::none;
  decoding.foreground = any_foreground(input);
  decoding.crop_before = input.flag();
  decoding.row_scale = decoding.column_scale = 1;
  if (decoding.crop_before && out_h > 0 && out_w > 0) {
    decoding.row_scale = static_cast<float>(static_cast<double>(h) / static_cast<double>(out_h));
    decoding.column_scale = static_cast<float>(static_cast<double>(w) / static_cast<double>(out_w));
  }
  const bool with_statistics = input.flag(), is_zero = input.flag();
  const bool several = images > 1 || input.flag();
  Array<float> boxes(4 * n);
  for (std::int64_t k = 0; k < 4 * n; ++k) boxes[k] = any_corner(input, k % 2 == 0 ? out_w : out_h);
  Array<std::int64_t> image_of(n);
  for (auto& image : image_of) image = input.below(images);
  const auto coefficients = values<float>(input, n * channels, channels);
  const auto prototypes = values<T>(input, images * channels * h * w, w);

  constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
  std::vector<std::unique_ptr<Array<float>>> grids;
  for (std::int64_t i = 0; i < n; ++i) {
    grids.push_back(std::make_unique<Array<float>>(h * w));
    const float* box = boxes.data() + 4 * i;
    const T* planes = prototypes.data() + (several ? image_of[i] : 0) * channels * h * w;
    for (std::int64_t k = 0; k < h * w; ++k) {
      float x = coefficients[i * channels] * widened(planes[k]);
      for (std::int64_t c = 1; c < channels; ++c) x += coefficients[i * channels + c] * widened(planes[c * h * w + k]);
      x = activated(x, decoding.activation);
      const auto column = static_cast<float>(k % w), row = static_cast<float>(k / w);
      const bool inside = column >= box[0] * decoding.column_scale && column < box[2] * decoding.column_scale &&
                          row >= box[1] * decoding.row_scale && row < box[3] * decoding.row_scale;
      (*grids.back())[k] = decoding.crop_before && !inside ? 0 : x;
    }
  }
  const Resized resized(decoding.rows, decoding.columns);
  const Decoded wanted(n, out_h, out_w, decoding.foreground, [&](std::int64_t i, std::int64_t y, std::int64_t x) {
    const float* box = boxes.data() + 4 * i;
    const auto column = static_cast<float>(x), row = static_cast<float>(y);
    const bool inside = column >= box[0] && column < box[2] && row >= box[1] && row < box[3];
    if (!decoding.crop_before && !inside) return kNaN;
    return resized(grids[static_cast<std::size_t>(i)]->data(), y, x);
  });
  const Image image{prototypes.data(), dtype, images * channels, h, w};
  const Detections detections{coefficients.data(), boxes.data(), several ? image_of.data() : nullptr, n};
  wanted.expect_of(
      with_statistics, with_statistics, is_zero,
      [&](const MaskOutput& output, const MaskStatistics& statistics, bool zero) {
        cpu::decode_prototypes({}, image, detections, decoding, output, zero, statistics);
      },
      [&](const MaskStatistics& statistics) {
        return cpu::decode_prototype_runs({}, image, detections, decoding, statistics);
      });
}

}  // namespace

void run(Input& input) {
  switch (input.below(4)) {
    case 0: return compare<Half>(input, DType::float16);
    case 1: return compare<BFloat16>(input, DType::bfloat16);
    default: return compare<float>(input, DType::float32);
  }
}

}  // namespace rapidmask::fuzz
