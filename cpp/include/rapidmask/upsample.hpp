// Logits to masks of another size: bilinear interpolation and a comparison, without an image of interpolated values.
//
// Logits (n, in rows, in columns) are resized to `middle` rows and columns; the part [first, first + kept) of these is
// resized to `out` and compared with a threshold: foreground where value > threshold (or >=). Each of the two resizings
// is that of bilinear.hpp, which leaves everything as it is where sizes agree: so the first is none where middle equals
// in. They are two roundings and two neighbourhoods, not one: SAM's masks go from 256² to 1024², lose their padding and
// go to the picture's size, and differ from those that go there at once.
//
// Within a resizing an image is mixed along its rows first, then across; all in float32, each operation rounded by
// itself. A logistic function (portable_expf.hpp), where there is one, comes before everything. NaN is no foreground.
//
// Statistics of interpolated values v: the number of v > threshold and their box (x0, y0, x1, y1), half-open, zeros for
// an empty mask; stability, #(v > high) / #(v > low) in float32, which is NaN for 0 / 0 as in SAM.
#pragma once

#include "rapidmask/bilinear.hpp"
#include "rapidmask/context.hpp"
#include "rapidmask/portable_expf.hpp"
#include "rapidmask/threshold.hpp"
#include "rapidmask/types.hpp"

namespace rapidmask {

class FoundRuns;  // rle.hpp

enum class Activation : std::uint8_t { none, sigmoid };

RM_HOST_DEVICE float activated(float x, Activation activation) {
  return activation == Activation::sigmoid ? portable_sigmoid(x) : x;
}

// What is resized along one axis: first + kept <= middle, and no pixel of `out` is made of none.
struct ResizeAxis {
  std::int64_t in, middle, first, kept, out;

  RM_HOST_DEVICE bool once() const { return in == middle; }
};

// What output pixel i mixes along one axis: two middle pixels, each of two of the input.
struct ResizeTap {
  BilinearTap middle;     // indices of middle pixels
  BilinearTap inputs[2];  // of each of these
};

RM_HOST_DEVICE ResizeTap resize_tap(std::int64_t i, const ResizeAxis& axis) {
  ResizeTap tap;
  tap.middle = bilinear_tap(i, axis.kept, axis.out);
  tap.middle.first += axis.first;
  tap.middle.second += axis.first;
  tap.inputs[0] = bilinear_tap(tap.middle.first, axis.in, axis.middle);
  tap.inputs[1] = bilinear_tap(tap.middle.second, axis.in, axis.middle);
  return tap;
}

// Which value is foreground. `high` and `low` are those of the stability score.
struct Foreground {
  float threshold, high, low;
  bool strict;

  RM_HOST_DEVICE bool above(float value, float limit) const { return strict ? value > limit : value >= limit; }
  RM_HOST_DEVICE bool operator()(float value) const { return above(value, threshold); }
};

RM_HOST_DEVICE float stability_of(std::int64_t above_high, std::int64_t above_low) {
  return static_cast<float>(above_high) / static_cast<float>(above_low);
}

// Where a whole neighbourhood of values exceeds `foreground`, or none of it exceeds `background` (NaN does not), every
// mixture of them is foreground, or background. Sums and products are monotonic when rounded; each of four mixtures of
// equal values is within 2^-22 of them and 2^-147.
struct SureBounds {
  bool any;  // else nothing is sure
  float foreground, background;
};
SureBounds sure_bounds(const Foreground& foreground, bool with_stability);

struct Upsampling {
  ResizeAxis rows, columns;
  Activation activation;
  Foreground foreground;
};

// For each mask: all of these, or none where they are null.
struct MaskStatistics {
  std::int64_t* areas;
  std::int64_t* boxes;
  float* stability;
};

namespace cpu {
// `logits` are float32, float16 or bfloat16.
void upsample_masks(const Context&, const Image& logits, const Upsampling& upsampling, const MaskOutput& masks,
                    const MaskStatistics& statistics);
FoundRuns upsample_runs(const Context&, const Image& logits, const Upsampling& upsampling,
                        const MaskStatistics& statistics);
}  // namespace cpu

namespace cuda {
void upsample_masks(const Context&, const Image& logits, const Upsampling& upsampling, const MaskOutput& masks,
                    const MaskStatistics& statistics);
}  // namespace cuda

}  // namespace rapidmask
