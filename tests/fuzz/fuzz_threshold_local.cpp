// Threshold surfaces, the same at every level and by their definition where that is exact, and the masks they make.

#include <algorithm>
#include <cmath>

#include "pixels.hpp"
#include "rapidmask/threshold.hpp"
#include "rapidmask/threshold_local.hpp"

namespace rapidmask::fuzz {
namespace {

template <class T, class Surface = double>
void compare(Input& input, DType dtype) {
  const std::int64_t n = input.below(3), h = input.extent(40), w = input.extent_beside(h, 300, 1500);
  const auto kind = input.below(5);
  const std::int64_t most = input.pick<std::int64_t>({1, 3, 15, 99});
  const LocalWindow window{input.below(most + 1) | 1, input.below(most + 1) | 1};
  const double offset = input.flag() ? static_cast<double>(input.between(-80, 80)) / 8 : input.number();
  const bool strict = input.flag();
  const auto pixels = any_values<T>(input, n * h * w, std::max<std::int64_t>(1, w));
  const Image image{pixels.data(), dtype, n, h, w};
  const auto surface = at_every_level("a surface", [&] {
    Array<Surface> own(n * h * w);
    if (kind < 3) {
      cpu::threshold_local({}, image, window, static_cast<LocalMethod>(kind), offset, own.data());
    } else if (kind == 3) {
      cpu::threshold_niblack({}, image, window, offset, own.data());
    } else {
      cpu::threshold_sauvola({}, image, window, offset, default_dynamic_range(dtype), own.data());
    }
    return own;
  });
  if (kind >= 3) return;
  Bytes wanted;
  for (std::int64_t k = 0; k < n * h * w; ++k) wanted.push_back(above(real(pixels[k]), real(surface[k]), strict));
  at_every_level("a mask of a surface", [&] {
    MaskArray dense(false, n, 1, h, w), packed(true, n, 1, h, w);
    cpu::adaptive_threshold({}, image, window, static_cast<LocalMethod>(kind), offset, strict, dense.dense.data(),
                            packed.result().bits());
    expect(dense.is(wanted) && packed.is(wanted), "a mask of a surface");
    return true;
  });
  if (!std::is_integral_v<T> || sizeof(T) > 2 || kind == 0 || window.area() * n * h * w > 50000) return;
  for (std::int64_t k = 0; k < n * h * w; ++k) {
    std::vector<double> inside;
    for (std::int64_t j = 0; j < window.area(); ++j) {
      const std::int64_t y = symmetric_index(k / w % h + j / window.w - window.h / 2, h);
      const std::int64_t x = symmetric_index(k % w + j % window.w - window.w / 2, w);
      inside.push_back(static_cast<double>(real(pixels[k / (h * w) * h * w + y * w + x])));
    }
    double sum = 0;
    for (const double x : inside) sum += x;
    const auto middle = inside.begin() + static_cast<std::ptrdiff_t>(inside.size() / 2);
    std::nth_element(inside.begin(), middle, inside.end());
    const double value = kind == 1 ? sum / static_cast<double>(window.area()) - offset : *middle - offset;
    expect(same(surface[k], static_cast<Surface>(value)), "the surface at a pixel");
  }
}

}  // namespace

void run(Input& input) {
  switch (input.below(12)) {
    case 0: return compare<std::int8_t>(input, DType::int8);
    case 1: return compare<std::uint16_t>(input, DType::uint16);
    case 2: return compare<std::int16_t>(input, DType::int16);
    case 3: return compare<std::uint32_t>(input, DType::uint32);
    case 4: return compare<std::int32_t>(input, DType::int32);
    case 5: return compare<std::uint64_t>(input, DType::uint64);
    case 6: return compare<std::int64_t>(input, DType::int64);
    case 7: return compare<Half, float>(input, DType::float16);
    case 8: return compare<BFloat16, float>(input, DType::bfloat16);
    case 9: return compare<float, float>(input, DType::float32);
    case 10: return compare<double>(input, DType::float64);
    default: return compare<std::uint8_t>(input, DType::uint8);
  }
}

}  // namespace rapidmask::fuzz
