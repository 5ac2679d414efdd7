// Local thresholds: a threshold for every pixel from the window around it, and masks decided by it.
//
// With m and s the mean and the standard deviation of the window of `window.h` by `window.w` pixels centred on a pixel:
//   mean      m - offset
//   gaussian  weighted mean - offset, weights exp(-d²/2σ²) / sum along each axis, σ = (size - 1) / 6, cut off at
//             |d| <= int(4σ + 0.5), which is beyond the window
//   median    the middle value of the window - offset
//   niblack   m - k s                      (W. Niblack, An Introduction to Digital Image Processing, 1986)
//   sauvola   m (1 + k (s / r - 1))        (J. Sauvola, M. Pietikäinen, Pattern Recognition 33(2), 2000)
// as scikit-image 0.26 defines them in threshold_local, threshold_niblack and threshold_sauvola with its default
// arguments. Beyond the image, the first three see it reflected about the edge between pixels and the last two about
// the centre of the edge pixel, repeated as often as the window needs; this too is scikit-image's choice.
//
// Surfaces are float32 for float16, bfloat16 and float32 images and float64 for all others. Everything is computed in
// float64 and rounded once; 64-bit integers are rounded to float64 first. Sums of integers are exact while they are
// below 2^53, which 16-bit images (and squares of them) reach with windows of 2^21 pixels.
//
// A mask is what `threshold` gives with the surface: the two are compared exactly. NaN in a window makes the
// surface NaN there, and a comparison with NaN is false. Boolean images are 0 and 1.
#pragma once

#include <cmath>
#include <cstdint>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "rapidmask/context.hpp"
#include "rapidmask/local_window.hpp"
#include "rapidmask/portable_exp.hpp"
#include "rapidmask/types.hpp"

namespace rapidmask {

enum class LocalMethod : std::uint8_t { gaussian, mean, median };

struct LocalWindow {
  std::int64_t h, w;

  RM_HOST_DEVICE std::int64_t area() const { return h * w; }
};

inline DType surface_dtype(DType image) {
  const bool single = image == DType::float16 || image == DType::bfloat16 || image == DType::float32;
  return single ? DType::float32 : DType::float64;
}

inline LocalMethod local_method(const char* function, const std::string& name) {
  if (name == "gaussian") return LocalMethod::gaussian;
  if (name == "mean") return LocalMethod::mean;
  if (name == "median") return LocalMethod::median;
  throw std::invalid_argument(std::string(function) + ": method must be 'gaussian', 'mean' or 'median', got '" + name +
                              "'");
}

// `argument` is what the caller called the window: block_size or window_size. The limit keeps areas below 2^48.
inline void check_local_window(const char* function, const char* argument, LocalWindow window) {
  constexpr std::int64_t kMaximum = (std::int64_t{1} << 24) - 1;
  const auto fits = [](std::int64_t size) { return size % 2 == 1 && size >= 1 && size <= kMaximum; };
  if (fits(window.h) && fits(window.w)) return;
  const bool too_large = window.h > kMaximum || window.w > kMaximum;
  std::ostringstream text;
  text << function << ": " << argument << " must be odd and at " << (too_large ? "most " : "least ")
       << (too_large ? kMaximum : 1) << ", got ";
  if (window.h == window.w) {
    text << window.h;
  } else {
    text << '(' << window.h << ", " << window.w << ')';
  }
  throw std::invalid_argument(text.str());
}

inline void check_dynamic_range(double r) {
  if (r > 0) return;
  std::ostringstream text;
  text << "threshold_sauvola: r must be positive, got " << r;
  throw std::invalid_argument(text.str());
}

// The r that threshold_sauvola takes when it is given none: half the range of the type, where floats span [-1, 1].
inline double default_dynamic_range(DType dtype) {
  if (dtype == DType::boolean) return 0.5;
  if (is_floating(dtype)) return 1.0;
  return 0.5 * (std::ldexp(1.0, static_cast<int>(8 * item_size(dtype))) - 1.0);
}

// The weight of the centre and of one side of the Gaussian window: weights[d] for the distance d. Computed on the host.
inline std::vector<double> gaussian_weights(std::int64_t size) {
  const double sigma = static_cast<double>(size - 1) / 6.0;
  const auto radius = static_cast<std::int64_t>(4.0 * sigma + 0.5);
  std::vector<double> weights(static_cast<std::size_t>(radius) + 1, 1.0);
  double total = 1.0;
  for (std::int64_t d = 1; d <= radius; ++d) {
    double& weight = weights[static_cast<std::size_t>(d)];
    weight = portable_exp(-0.5 / (sigma * sigma) * static_cast<double>(d * d));
    total += 2.0 * weight;
  }
  for (double& weight : weights) weight /= total;
  return weights;
}

// How 8-bit images are compared with their local mean in integers: a pixel is foreground exactly if
// sum < pixel * area + bias. `exact` is false where no bias says the same as the comparison with the float64 surface.
struct IntegerMeanRule {
  bool exact;
  std::int64_t area, bias;
};

// The float64 surface rises with the sum, so a pixel of value v is foreground up to some sum, and the rule is exact if
// for every v the comparison is true at the sum v * area + bias - 1 and false at v * area + bias, where such sums can
// be. An integral offset gives bias = offset * area; others fail only where rounding decides differently for different
// pixels.
inline IntegerMeanRule integer_mean_rule(DType dtype, LocalWindow window, double offset, bool strict) {
  const bool is_signed = dtype == DType::int8;
  const std::int64_t area = window.area();
  IntegerMeanRule rule{false, area, 0};
  const bool one_byte = dtype == DType::uint8 || dtype == DType::int8 || dtype == DType::boolean;
  if (!one_byte || area >= (std::int64_t{1} << 21) || !(offset == offset)) return rule;
  const std::int64_t low = is_signed ? -128 : 0;
  const std::int64_t high = low + 255;
  const auto foreground = [&](std::int64_t value, std::int64_t sum) {
    const double surface = mean_surface(static_cast<double>(sum), static_cast<double>(area), offset);
    return strict ? static_cast<double>(value) > surface : static_cast<double>(value) >= surface;
  };
  const auto says_the_same = [&](std::int64_t bias) {
    for (std::int64_t value = low; value <= high; ++value) {
      const std::int64_t first = value * area + bias;  // the first sum that is background
      if (first > low * area && !foreground(value, first - 1 < high * area ? first - 1 : high * area)) return false;
      if (first <= high * area && foreground(value, first > low * area ? first : low * area)) return false;
    }
    return true;
  };
  const double limited = offset > 300.0 ? 300.0 : offset < -300.0 ? -300.0 : offset;
  const std::int64_t nearest = std::llround(limited * static_cast<double>(area));
  for (std::int64_t bias = nearest - 1; bias <= nearest + 1 && !rule.exact; ++bias) {
    if (says_the_same(bias)) rule = {true, area, bias};
  }
  return rule;
}

// `surface` has the image's shape and the type surface_dtype(image.dtype). `mask` (bytes 0 and 1) and `packed` are
// both optional (null data): what is given is written. `strict` chooses > over >=.
namespace cpu {

// Cost per pixel: mean O(log(h w)), gaussian O(h + w), median O(1) for 8-bit images (O(h) where windows have more than
// 255 rows or 65535 pixels) and O(h w) for others.
void threshold_local(const Context&, const Image& image, LocalWindow window, LocalMethod method, double offset,
                     void* surface);
void threshold_niblack(const Context&, const Image& image, LocalWindow window, double k, void* surface);
void threshold_sauvola(const Context&, const Image& image, LocalWindow window, double k, double r, void* surface);

// Never holds more of the surface than a few rows. The mean of 8-bit images is decided in integers.
void adaptive_threshold(const Context&, const Image& image, LocalWindow window, LocalMethod method, double offset,
                        bool strict, std::uint8_t* mask, PackedMasks packed);

}  // namespace cpu

namespace cuda {

// Pointers are on the device. One or two launches for the whole batch; scratch of 8 bytes per pixel (16 for niblack and
// sauvola, none for the median and for adaptive_threshold's integer mean).
void threshold_local(const Context&, const Image& image, LocalWindow window, LocalMethod method, double offset,
                     void* surface);
void threshold_niblack(const Context&, const Image& image, LocalWindow window, double k, void* surface);
void threshold_sauvola(const Context&, const Image& image, LocalWindow window, double k, double r, void* surface);
void adaptive_threshold(const Context&, const Image& image, LocalWindow window, LocalMethod method, double offset,
                        bool strict, std::uint8_t* mask, PackedMasks packed);

}  // namespace cuda
}  // namespace rapidmask
