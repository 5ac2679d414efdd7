// Masks of boxes, pasted into an image: each is stretched to its box and compared with a threshold there.
//
// Only pixels that a mask's samples reach are computed; all others are background, whatever the threshold. Values are
// mixed by bilinear.hpp, along a row first, then across; NaN is no foreground. The two methods differ in where samples
// lie:
//
// grid_sample (detectron2, mmdet): pixel x of the image lies at g = (x + 0.5 - x0) / (x1 - x0) · 2 - 1 of a box from x0
// to x1, which is pixel ((g + 1) · w - 1) / 2 of a mask w wide; the mask is surrounded by zeros. Reached are the pixels
// whose sample lies within one pixel of the mask's centres: a mask spills over its box by half of one of its own
// pixels.
//
// interpolate (torchvision): the mask is padded by zeros, the box grows about its centre by the same share and its
// corners are truncated to whole pixels x0 and x1; the padded mask is resized to x1 - x0 + 1 pixels, which begin at x0.
//
// A box that is not finite, or no wider or higher than nothing, has no pixels. Everything is float32, each operation
// rounded by itself, as torch rounds them but for the products that its compilers fuse with sums.
#pragma once

#include "rapidmask/bilinear.hpp"
#include "rapidmask/context.hpp"
#include "rapidmask/rle.hpp"
#include "rapidmask/threshold.hpp"
#include "rapidmask/types.hpp"

namespace rapidmask {

enum class PasteMethod : std::uint8_t { grid_sample, interpolate };

// Sides of masks, padding included, and of images.
inline constexpr std::int64_t kMostPasteExtent = 0x7fffffff;

struct PasteRule {
  PasteMethod method;
  std::int64_t padding;  // zeros around a mask; 1 for grid_sample
  float threshold;
  bool strict;  // value > threshold rather than >=

  RM_HOST_DEVICE bool operator()(float value) const { return strict ? value > threshold : value >= threshold; }
};

// Where one axis of a padded mask goes: to pixels [begin, end) of the image.
struct PasteAxis {
  std::int64_t in;  // with its padding
  std::int64_t begin, end;
  PasteMethod method;
  float low, extent;          // grid_sample: of the box
  std::int64_t origin, size;  // interpolate: of the resized mask

  // grid_sample's position of a pixel in the mask's own pixels. It never falls where x grows.
  RM_HOST_DEVICE float position(std::int64_t x) const { return position_at(static_cast<float>(x)); }
  RM_HOST_DEVICE float position_at(float x) const {
    const float g = (x + 0.5f - low) / extent * 2.0f - 1.0f;
    return (g + 1.0f) * (static_cast<float>(in - 2) * 0.5f) - 0.5f;
  }
  // What a covered pixel mixes of the padded mask.
  RM_HOST_DEVICE BilinearTap tap(std::int64_t x) const {
    if (method == PasteMethod::interpolate) return bilinear_tap(x - origin, in, size);
    const float shifted = position(x);
    auto first = static_cast<std::int64_t>(shifted);
    if (static_cast<float>(first) > shifted) --first;  // between -1 and 0
    const float second_weight = shifted - static_cast<float>(first);
    return {first + 1, first + 2, 1.0f - second_weight, second_weight};
  }
};

namespace detail {
// The first of `count` pixels whose sample is past `limit`, or at it where `at`.
RM_HOST_DEVICE std::int64_t first_past(const PasteAxis& axis, std::int64_t count, float limit, bool at) {
  std::int64_t low = 0, high = count;
  while (low < high) {
    const std::int64_t middle = low + (high - low) / 2;
    const float position = axis.position(middle);
    if (position > limit || (at && position == limit)) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}
}  // namespace detail

// The axis of a mask of `in` pixels whose box goes from `low` to `high` of an image of `out` pixels.
RM_HOST_DEVICE PasteAxis paste_axis(const PasteRule& rule, float low, float high, std::int64_t in, std::int64_t out) {
  PasteAxis axis{in + 2 * rule.padding, 0, 0, rule.method, low, high - low, 0, 0};
  constexpr float kLargest = 3.4028234663852886e38f;
  if (in == 0 || out == 0 || !(low >= -kLargest && high <= kLargest)) return axis;
  if (rule.method == PasteMethod::grid_sample) {
    if (!(axis.extent > 0 && axis.extent <= kLargest)) return axis;
    axis.begin = detail::first_past(axis, out, -1.0f, false);
    axis.end = detail::first_past(axis, out, static_cast<float>(in), true);
    return axis;
  }
  const auto scale = static_cast<float>(static_cast<double>(axis.in) / static_cast<double>(in));
  const float centre = (high + low) * 0.5f, half = (high - low) * 0.5f * scale;
  constexpr float kFar = 1e18f;                             // of what int64 holds
  const float first = centre - half, last = centre + half;  // the other way round where high < low
  if (!(first > -kFar && first < kFar && last > -kFar && last < kFar)) return axis;
  axis.origin = static_cast<std::int64_t>(first);
  axis.size = static_cast<std::int64_t>(last) - axis.origin + 1;
  if (axis.size < 1 || axis.origin >= out || axis.origin + axis.size <= 0) return axis;
  axis.begin = axis.origin > 0 ? axis.origin : 0;
  axis.end = axis.origin + axis.size < out ? axis.origin + axis.size : out;
  return axis;
}

// Of each mask, where neither is null: its number of pixels, and its box (x0, y0, x1, y1), half-open, zeros if it has
// none.
struct PasteStatistics {
  std::int64_t* areas;
  std::int64_t* boxes;
};

namespace cpu {
// `masks` are float32, float16 or bfloat16, `boxes` (n, 4) as (x0, y0, x1, y1); the image is h by w. Where
// `output_is_zero`, zeros need not be written.
void paste_masks(const Context&, const Image& masks, const float* boxes, const PasteRule& rule, std::int64_t h,
                 std::int64_t w, const MaskOutput& output, bool output_is_zero, const PasteStatistics& statistics);
// The same as run lengths, mask by mask.
RunLengths paste_runs(const Context&, const Image& masks, const float* boxes, const PasteRule& rule, std::int64_t h,
                      std::int64_t w, const PasteStatistics& statistics);
}  // namespace cpu

namespace cuda {
void paste_masks(const Context&, const Image& masks, const float* boxes, const PasteRule& rule, std::int64_t h,
                 std::int64_t w, const MaskOutput& output, bool output_is_zero, const PasteStatistics& statistics);
}  // namespace cuda

}  // namespace rapidmask
