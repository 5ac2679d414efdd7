// Resized logits as masks: every pixel by the contract's arithmetic, in dense, packed and run-length form.

#include "decoded.hpp"

namespace rapidmask::fuzz {
namespace {

ResizeAxis any_axis(Input& input, std::int64_t most) {
  ResizeAxis axis{};
  axis.in = input.between(1, input.pick<std::int64_t>({1, 3, 20, 70}));
  axis.middle = input.byte() % 4 == 0 ? input.between(1, 100) : axis.in;
  axis.kept = input.byte() % 4 == 0 ? input.between(1, axis.middle) : axis.middle;
  axis.first = axis.kept < axis.middle && input.flag() ? input.below(axis.middle - axis.kept + 1) : 0;
  switch (input.below(6)) {
    case 0: axis.out = axis.kept; break;
    case 1: axis.out = 2 * axis.kept; break;
    case 2: axis.out = 4 * axis.kept; break;
    case 3: axis.out = 8 * axis.kept; break;
    default: axis.out = input.extent(most);
  }
  axis.out = std::min(axis.out, most);
  return axis;
}

template <class T>
void compare(Input& input, DType dtype) {
  Upsampling up{};
  up.rows = any_axis(input, 150), up.columns = any_axis(input, std::min<std::int64_t>(600, 6000 / (up.rows.out + 1)));
  up.activation = input.byte() % 4 == 0 ? Activation::sigmoid : Activation::none;
  up.foreground = any_foreground(input);
  const std::int64_t n = input.below(input.flag() ? 4 : 2);
  const bool with_statistics = input.flag();
  const std::int64_t size = up.rows.in * up.columns.in;
  const auto logits = values<T>(input, n * size, up.columns.in);
  const Image image{logits.data(), dtype, n, up.rows.in, up.columns.in};
  Array<float> planes(n * size);
  for (std::int64_t k = 0; k < n * size; ++k) planes[k] = activated(widened(logits[k]), up.activation);
  const Resized resized(up.rows, up.columns);
  const Decoded wanted(
      n, up.rows.out, up.columns.out, up.foreground,
      [&](std::int64_t i, std::int64_t y, std::int64_t x) { return resized(planes.data() + i * size, y, x); });
  wanted.expect_of(
      with_statistics, with_statistics, false,
      [&](const MaskOutput& output, const MaskStatistics& statistics, bool) {
        cpu::upsample_masks({}, image, up, output, statistics);
      },
      [&](const MaskStatistics& statistics) { return cpu::upsample_runs({}, image, up, statistics); });
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
