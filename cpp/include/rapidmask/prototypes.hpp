// Masks that are linear combinations of prototypes, each within its box: YOLACT's masks, and YOLO's.
//
// The logit of detection i in a cell of the grid is the sum over channels k of coefficients[i, k] · prototypes[k],
// added up in ascending order from the first product, in float32, each operation rounded by itself. Logits may go
// through a logistic function. They are resized as in upsample.hpp: by `pre_upsample` first, then the part without the
// letterbox's padding to the masks' size; and compared with a threshold.
//
// A box (x0, y0, x1, y1) keeps pixels by their index, not by their centre: column x where x0 <= x < x1, in float32,
// unrounded. `after`: what is outside the box is background. `before`: boxes are scaled to the grid, and cells outside
// are 0, after a logistic function, before anything is resized; so that foreground may reach a cell beyond the box.
#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>

#include "rapidmask/upsample.hpp"

namespace rapidmask {

struct PrototypeDecoding {
  std::int64_t channels;
  ResizeAxis rows, columns;
  Activation activation;
  Foreground foreground;
  bool crop_before;
  float row_scale, column_scale;  // from boxes to what is cropped
};

// `images` tells which image's prototypes each of n detections has; null where there is one image.
struct Detections {
  const float* coefficients;  // (n, channels)
  const float* boxes;         // (n, 4)
  const std::int64_t* images;
  std::int64_t n;
};

// The padded model input, and what is resized for it.
struct Letterbox {
  std::int64_t h, w;
};

// The indices of 0, …, size - 1 that lie in [low, high): [begin, end). NaN keeps nothing.
struct KeptRange {
  std::int64_t begin, end;
};
RM_HOST_DEVICE KeptRange kept_range(float low, float high, float scale, std::int64_t size) {
  // The least integer that is no less.
  const auto least = [size](float x) {
    if (!(x > 0)) return std::int64_t{0};
    if (x >= static_cast<float>(size)) return size;
    const auto whole = static_cast<std::int64_t>(x);
    return whole + (static_cast<float>(whole) < x ? 1 : 0);
  };
  low *= scale;
  high *= scale;
  if (!(low < high)) return {0, 0};
  return {least(low), least(high)};
}

namespace detail {
// A size scaled as Python does it, which rounds ties to even.
inline std::int64_t scaled_extent(std::int64_t size, double gain) {
  const auto scaled = static_cast<std::int64_t>(std::nearbyint(static_cast<double>(size) * gain));
  return scaled > 1 ? scaled : 1;
}
inline double letterbox_gain(const Letterbox& letterbox, std::int64_t h, std::int64_t w) {
  return std::min(static_cast<double>(letterbox.h) / static_cast<double>(h),
                  static_cast<double>(letterbox.w) / static_cast<double>(w));
}
}  // namespace detail

// What ultralytics 8.4 cuts from the values of an image that was letterboxed, for masks of size H × W: with gain =
// min(h / H, w / W), max(round(H · gain), 1) rows are left, and of the others round(half of them - 0.1) lie before.
inline void cut_letterbox(const Letterbox& values, ResizeAxis& rows, ResizeAxis& columns) {
  if (rows.out == 0 || columns.out == 0) return;
  const double gain = detail::letterbox_gain(values, rows.out, columns.out);
  const auto cut = [gain](std::int64_t size, ResizeAxis& axis) {
    axis.kept = std::min(size, detail::scaled_extent(axis.out, gain));
    axis.first = static_cast<std::int64_t>(std::nearbyint(static_cast<double>(size - axis.kept) / 2 - 0.1));
  };
  cut(values.h, rows);
  cut(values.w, columns);
}

// By how much ultralytics 8.4 resizes prototypes first, so that the padding is a whole number of values: 1, 2 or 4.
inline std::int64_t automatic_pre_upsample(const Letterbox& letterbox, std::int64_t h, std::int64_t w) {
  if (h == 0 || w == 0) return 1;
  const double gain = detail::letterbox_gain(letterbox, h, w);
  const std::int64_t padding =
      (letterbox.h - detail::scaled_extent(h, gain)) | (letterbox.w - detail::scaled_extent(w, gain));
  return 4 / std::gcd<std::int64_t>(4, padding | padding / 2);
}

namespace cpu {
// `prototypes` are float32, float16 or bfloat16: channels of one image after the other. `is_zero`: the masks are zero
// already.
void decode_prototypes(const Context&, const Image& prototypes, const Detections& detections,
                       const PrototypeDecoding& decoding, const MaskOutput& masks, bool is_zero,
                       const MaskStatistics& statistics);
FoundRuns decode_prototype_runs(const Context&, const Image& prototypes, const Detections& detections,
                                const PrototypeDecoding& decoding, const MaskStatistics& statistics);
}  // namespace cpu

namespace cuda {
// A detection of an image that there is none of has an empty mask.
void decode_prototypes(const Context&, const Image& prototypes, const Detections& detections,
                       const PrototypeDecoding& decoding, const MaskOutput& masks, bool is_zero,
                       const MaskStatistics& statistics);
}  // namespace cuda

}  // namespace rapidmask
