// The arithmetic of local thresholds that decides a result, once for every backend and instruction level.
//
// A window sum over `count` values cuts them into runs whose lengths are the binary digits of `count`, the longest run
// first. A run is summed by halves, and the runs are added from the shortest to the longest. That tree depends neither
// on the position of the window nor on how the work was split, it can be evaluated for all windows of a row by doubling
// (log2(count) additions per pixel), and its error grows with log2(count) rather than with count. A window of an image
// is summed along its rows first, then over them.
#pragma once

#include <cstdint>

#include "rapidmask/portable.hpp"

namespace rapidmask {

// Reflection about the edge between pixels, repeated: d c b a | a b c d | d c b a ("reflect" in SciPy).
RM_HOST_DEVICE std::int64_t symmetric_index(std::int64_t i, std::int64_t n) {
  if (i >= 0 && i < n) return i;
  const std::int64_t period = 2 * n;
  const std::int64_t phase = (i % period + period) % period;
  return phase < n ? phase : period - 1 - phase;
}

// Reflection about the centre of the edge pixel, repeated: d c b | a b c d | c b a ("reflect" in NumPy). One pixel
// repeats itself.
RM_HOST_DEVICE std::int64_t mirrored_index(std::int64_t i, std::int64_t n) {
  if (i >= 0 && i < n) return i;
  if (n == 1) return 0;
  const std::int64_t period = 2 * (n - 1);
  const std::int64_t phase = (i % period + period) % period;
  return phase < n ? phase : period - phase;
}

enum class Reflection : std::uint8_t { symmetric, mirrored };

RM_HOST_DEVICE std::int64_t reflected_index(std::int64_t i, std::int64_t n, Reflection reflection) {
  return reflection == Reflection::symmetric ? symmetric_index(i, n) : mirrored_index(i, n);
}

namespace detail {

RM_HOST_DEVICE double fused_multiply_add(double a, double b, double c) {
#if defined(__CUDA_ARCH__)
  return __fma_rn(a, b, c);
#else
  return __builtin_fma(a, b, c);
#endif
}

}  // namespace detail

// area² times the variance of `area` values with this sum and this sum of squares. Products are carried in two doubles,
// so that the difference is exact when both sums are exact integers below 2^53 and area is below 2^21. Rounded sums can
// leave a small negative difference, which is 0; NaN stays NaN.
RM_HOST_DEVICE double scaled_variance(double sum, double squares, double area) {
  const double product = area * squares;
  const double product_rest = detail::fused_multiply_add(area, squares, -product);
  const double square = sum * sum;
  const double square_rest = detail::fused_multiply_add(sum, sum, -square);
  const double difference = (product - square) + (product_rest - square_rest);
  return difference < 0 ? 0.0 : difference;
}

RM_HOST_DEVICE double standard_deviation(double sum, double squares, double area) {
  return square_root(scaled_variance(sum, squares, area)) / area;
}

RM_HOST_DEVICE double mean_surface(double sum, double area, double offset) { return sum / area - offset; }

RM_HOST_DEVICE double niblack_surface(double sum, double squares, double area, double k) {
  return sum / area - k * standard_deviation(sum, squares, area);
}

RM_HOST_DEVICE double sauvola_surface(double sum, double squares, double area, double k, double r) {
  return sum / area * (1.0 + k * (standard_deviation(sum, squares, area) / r - 1.0));
}

}  // namespace rapidmask
