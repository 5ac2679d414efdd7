// Global threshold values: one number (or classes − 1 numbers) per image, as scikit-image 0.26 computes them by
// default.
//
// otsu, yen, isodata, triangle, minimum and multiotsu are read off the image's histogram (threshold_bins.hpp has the
// bins, threshold_rules.hpp and threshold_multiotsu.hpp the methods): one bin per integer between the smallest and the
// largest pixel, 256 equal bins for floats. li iterates on the histogram of integers and on the pixels of floats. mean
// is the mean.
//
// Equality with scikit-image: exact for integers, and to 10^-6 of the range for floats, with these exceptions.
//   - float16 and bfloat16 are computed as float32, where scikit-image has float16 edges and moments.
//   - li on signed integers whose range exceeds their type: scikit-image overflows when it subtracts the minimum. On
//     others the last bits of the result are those of the logarithm. For uint64 above 2^63 it wraps the bin centres.
//   - yen compares logarithms in float32: where several bins share the largest one but for its last bits, which happens
//     with thousands of bins, scikit-image's choice among them depends on the platform's logarithm.
//   - mean and li sum floats in float64 in a fixed shape, where scikit-image sums float32 in float32.
//   - NaN and infinity are refused, where scikit-image's li drops them.
//   - RuntimeError (minimum) and IndexError (isodata) are ValueError here.
// An image of one value gives that value (yen on floats the lowest bin's centre, half below it; multiotsu, minimum,
// and isodata on floats refuse it).
//
// Cost: one pass over integers of 8 or 16 bits, two over others (range, histogram); li on floats adds a pass per
// iteration, some ten. Memory: 8 bytes per bin.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "rapidmask/context.hpp"
#include "rapidmask/threshold_multiotsu.hpp"
#include "rapidmask/threshold_rules.hpp"
#include "rapidmask/types.hpp"

namespace rapidmask {

enum class ThresholdMethod { otsu, li, yen, isodata, triangle, mean, minimum };

inline const char* threshold_function(ThresholdMethod method) {
  switch (method) {
    case ThresholdMethod::otsu: return "threshold_otsu";
    case ThresholdMethod::li: return "threshold_li";
    case ThresholdMethod::yen: return "threshold_yen";
    case ThresholdMethod::isodata: return "threshold_isodata";
    case ThresholdMethod::triangle: return "threshold_triangle";
    case ThresholdMethod::mean: return "threshold_mean";
    case ThresholdMethod::minimum: break;
  }
  return "threshold_minimum";
}

// The value of a method that reads a histogram. Otsu, li and triangle take an image of one value as such beforehand
// when it is of floats, as its bins do not show that.
template <class Centers>
RM_HOST_DEVICE ThresholdResult histogram_threshold(ThresholdMethod method, const std::int64_t* counts,
                                                   std::int64_t bins, Centers center, double* scratch) {
  switch (method) {
    case ThresholdMethod::otsu: return otsu_threshold(counts, bins, center, scratch);
    case ThresholdMethod::li: return li_threshold(counts, bins, center);
    case ThresholdMethod::yen: return yen_threshold(counts, bins, center, scratch);
    case ThresholdMethod::isodata: return isodata_threshold(counts, bins, center);
    case ThresholdMethod::triangle: return triangle_threshold(counts, bins, center);
    case ThresholdMethod::minimum: return minimum_threshold(counts, bins, center, scratch);
    case ThresholdMethod::mean: break;
  }
  return {0.0, ThresholdStatus::found};
}

// What float images must be for a method, from their smallest and largest pixel.
template <class F>
RM_HOST_DEVICE ThresholdStatus check_float_range(F smallest, F largest, bool needs_range, bool needs_bins) {
  if (!is_finite(smallest) || !is_finite(largest)) return ThresholdStatus::not_finite;
  const FloatBins<F> bins = FloatBins<F>::between(smallest, largest);
  if ((needs_range || needs_bins) && !bins.representable()) return ThresholdStatus::range_too_large;
  if (needs_bins && !bins.distinct()) return ThresholdStatus::range_too_small;
  return ThresholdStatus::found;
}

inline bool answers_constant_floats(ThresholdMethod method) {
  return method == ThresholdMethod::otsu || method == ThresholdMethod::li || method == ThresholdMethod::triangle;
}

// --- What both backends refuse. ---

inline void check_threshold_image(const char* function, const Image& image) {
  if (image.n > 0 && image.image_size() == 0) {
    throw std::invalid_argument(std::string(function) + ": image must have at least one pixel, got height " +
                                std::to_string(image.h) + " and width " + std::to_string(image.w));
  }
}

inline void check_threshold_classes(int classes) {
  if (classes < 2) {
    throw std::invalid_argument("threshold_multiotsu: classes must be at least 2, got " + std::to_string(classes));
  }
}

// Throws for the first image that has no value.
inline void check_threshold_statuses(const char* function, const std::vector<ThresholdStatus>& statuses,
                                     int classes = 0) {
  for (std::size_t i = 0; i < statuses.size(); ++i) {
    std::string what;
    switch (statuses[i]) {
      case ThresholdStatus::found: continue;
      case ThresholdStatus::not_finite: what = "be finite, got NaN or infinity"; break;
      case ThresholdStatus::range_too_large: what = "have a range that its type can hold, got an overflow"; break;
      case ThresholdStatus::range_too_small:
        what = "span a range that 256 bins of its type can divide, got a narrower one";
        break;
      case ThresholdStatus::no_fixed_point:
        what = "have a bin halfway between the means below and above it, got none";
        break;
      case ThresholdStatus::no_two_maxima:
        what = "have a histogram that smooths to two maxima, got another number";
        break;
      case ThresholdStatus::too_many_bins:
        what = "span at most " + std::to_string(kMaxIntegerBins) + " integers, got more";
        break;
      case ThresholdStatus::too_few_values:
        what = "have at least " + std::to_string(classes) + " distinct values after binning, got fewer";
        break;
      case ThresholdStatus::too_many_steps:
        what = "span few enough integers for " + std::to_string(classes) + " classes, got too many";
        break;
    }
    throw std::invalid_argument(std::string(function) + ": image must " + what + " in image " + std::to_string(i));
  }
}

// What an image that has no value is given where that is not an error.
RM_HOST_DEVICE double no_threshold() { return __builtin_nan(""); }

// --- The twins: `values` has n numbers, or n × (classes − 1). ---
//
// `checks`: throw std::invalid_argument for the first image that has no value; else it is NaN, but for integers of too
// wide a span, which are refused in any case.

namespace cpu {
void threshold_value(const Context& context, ThresholdMethod method, const Image& image, bool checks, double* values);
void threshold_multiotsu(const Context& context, const Image& image, int classes, bool checks, double* values);
}  // namespace cpu

// image.data and `values` are on the device. With `checks` both wait for the stream at the end, to read which images
// have no value; integers of 32 and 64 bits wait for their range first, and li on floats after every eight iterations.
namespace cuda {
void threshold_value(const Context& context, ThresholdMethod method, const Image& image, bool checks, double* values);
void threshold_multiotsu(const Context& context, const Image& image, int classes, bool checks, double* values);
}  // namespace cuda

}  // namespace rapidmask
