// Masks pasted into boxes, of which no number is too odd: every pixel by the contract's arithmetic.

#include "decoded.hpp"
#include "rapidmask/paste.hpp"

namespace rapidmask::fuzz {
namespace {

float any_corner(Input& input, std::int64_t extent) {
  switch (input.below(6)) {
    case 0: return as_value<float>(input.number());
    case 1: return static_cast<float>(input.between(-2 * extent, 4 * extent)) / 2;
    case 2: return static_cast<float>(static_cast<std::int32_t>(input.bits(4)));
    default: return static_cast<float>(input.below(65536)) / 65536 * static_cast<float>(extent + 4) - 2;
  }
}

template <class T>
void compare(Input& input, DType dtype) {
  const std::int64_t n = input.below(input.flag() ? 4 : 2), in_h = input.below(32), in_w = input.below(40);
  const std::int64_t h = input.extent(120), w = input.extent_beside(h, 300, 5000);
  const PasteMethod method = input.flag() ? PasteMethod::grid_sample : PasteMethod::interpolate;
  const std::int64_t padding = method == PasteMethod::grid_sample ? 1 : input.pick<std::int64_t>({1, 0, 2, 9});
  const PasteRule rule{method, padding, input.flag() ? 0.5f : as_value<float>(input.number()), input.flag()};
  const bool with_statistics = input.flag(), is_zero = input.flag();
  Array<float> boxes(4 * n);
  for (std::int64_t k = 0; k < 4 * n; ++k) boxes[k] = any_corner(input, k % 2 == 0 ? w : h);
  const auto masks = values<T>(input, n * in_h * in_w, std::max<std::int64_t>(1, in_w));

  // Surrounded by zeros.
  const std::int64_t padded_h = in_h + 2 * padding, padded_w = in_w + 2 * padding;
  Array<float> padded(n * padded_h * padded_w, 0);
  for (std::int64_t k = 0; k < n * in_h * in_w; ++k) {
    const std::int64_t i = k / (in_h * in_w), y = k / in_w % in_h, x = k % in_w;
    padded[(i * padded_h + y + padding) * padded_w + x + padding] = widened(masks[k]);
  }
  const Foreground foreground{rule.threshold, 0, 0, rule.strict};
  const Decoded wanted(n, h, w, foreground, [&](std::int64_t i, std::int64_t y, std::int64_t x) {
    const float* box = boxes.data() + 4 * i;
    const PasteAxis columns = paste_axis(rule, box[0], box[2], in_w, w),
                    rows = paste_axis(rule, box[1], box[3], in_h, h);
    const bool reached = y >= rows.begin && y < rows.end && x >= columns.begin && x < columns.end;
    if (!reached) return std::numeric_limits<float>::quiet_NaN();
    const BilinearTap by_y = rows.tap(y), by_x = columns.tap(x);
    for (const auto& [tap, in] : {std::pair{by_y, padded_h}, std::pair{by_x, padded_w}})
      expect(tap.first >= 0 && tap.second >= 0 && tap.first < in && tap.second < in, "a tap within the padded mask");
    return bilinear_value(padded.data() + i * padded_h * padded_w, padded_w, by_y, by_x);
  });
  const Image image{masks.data(), dtype, n, in_h, in_w};
  wanted.expect_of(
      with_statistics, false, is_zero,
      [&](const MaskOutput& output, const MaskStatistics& statistics, bool zero) {
        cpu::paste_masks({}, image, boxes.data(), rule, h, w, output, zero, {statistics.areas, statistics.boxes});
      },
      [&](const MaskStatistics& statistics) {
        return cpu::paste_runs({}, image, boxes.data(), rule, h, w, {statistics.areas, statistics.boxes});
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
