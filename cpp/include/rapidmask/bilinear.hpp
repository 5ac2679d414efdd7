// Half-pixel bilinear interpolation: "bilinear" with align_corners=False in torch, INTER_LINEAR of floats in OpenCV.
//
// Pixel i of `out` along an axis lies at (i + 0.5) · in / out - 0.5 of the input's pixels, no less than 0, and mixes
// the two pixels around it; outside the input its edge repeats. An image is mixed along its rows first, then across
// them. That is torch's arithmetic in torch's order, in float32, but for rounding: torch's compilers fuse some
// multiplications with their sums, here each operation is rounded by itself, so that CPU, emulator and GPU agree
// whatever they have.
#pragma once

#include <cstdint>

#include "rapidmask/portable.hpp"

namespace rapidmask {

// What one output pixel mixes along one axis: first_weight · x[first] + second_weight · x[second].
struct BilinearTap {
  std::int64_t first, second;
  float first_weight, second_weight;
};

// The tap of a position in the input's pixels, where 0 is the centre of the first one.
RM_HOST_DEVICE BilinearTap bilinear_tap_at(float position, std::int64_t in) {
  const float clamped = position < 0 ? 0.0f : position;
  auto first = static_cast<std::int64_t>(clamped);
  if (first > in - 1) first = in - 1;
  const float beyond = clamped - static_cast<float>(first);
  const float second_weight = beyond > 1 ? 1.0f : beyond;
  return {first, first + (first < in - 1 ? 1 : 0), 1.0f - second_weight, second_weight};
}

// The tap of pixel i of `out`, from `in` pixels (at least 1). Equal sizes leave every value as it is.
RM_HOST_DEVICE BilinearTap bilinear_tap(std::int64_t i, std::int64_t in, std::int64_t out) {
  if (in == out) return {i, i, 1.0f, 0.0f};
  const float scale = static_cast<float>(in) / static_cast<float>(out);
  return bilinear_tap_at(scale * (static_cast<float>(i) + 0.5f) - 0.5f, in);
}

// Equal sizes give the value itself, whatever the other is: 0 · infinity would be NaN.
RM_HOST_DEVICE float bilinear_mix(const BilinearTap& tap, float first, float second) {
  return tap.second_weight == 0 ? first : tap.first_weight * first + tap.second_weight * second;
}

}  // namespace rapidmask
