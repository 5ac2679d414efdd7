// Exact Euclidean distance of every foreground pixel to the nearest background pixel of its mask, 0 on background:
//
//   distance(p) = min over background q of sqrt(Σ over axes (spacing (p − q))²),
//
// +inf where the mask has no background. An image has the axes y and x, a volume z too. What is outside the mask is
// neither foreground nor background.
//
// The squares are minimised one axis after the other: y, x, z. Where the spacings are equal they stay out of the
// squares, which are whole numbers then, and scale the root. Whole squares are kept in 32 bits where no extent passes
// kNarrowExtent, all others in float64. One rounding leads from the square to the float32 result.
//
// Every backend takes the minimum of the same numbers, so results agree bit for bit. Divide and conquer over the axis,
// which bounds the work, relies on the order that real parabolas have; rounding keeps that order while the longest
// distance is below 2^24 of the smallest spacing. Beyond, a square may be one that differs in its last bits.
#pragma once

#include <cstdint>
#include <cstdio>
#include <limits>
#include <stdexcept>
#include <string>

#include "rapidmask/context.hpp"
#include "rapidmask/types.hpp"

namespace rapidmask {

struct Spacing {
  double z, y, x;
};

inline constexpr std::int64_t kNarrowExtent = 16384;
inline constexpr std::int32_t kFarSquare = 1 << 30;     // of no background at all: beyond 3 kNarrowExtent²
inline constexpr std::int32_t kExactSquares = 1 << 24;  // float32 holds all whole squares to this

// How squares are made and what becomes of them.
struct DistanceRule {
  double z, y, x;  // weights of the squared steps along the axes
  double scale;    // of the root
  bool narrow;     // whether 32 bits hold all squares; weights are 1 then
  bool exact;      // whether float32 holds all squares, unscaled
  bool squared;    // whether the squares are the result
};

// Within float32's normal numbers, so that no square overflows or vanishes.
inline void check_spacing(const Spacing& spacing) {
  for (const double step : {spacing.z, spacing.y, spacing.x}) {
    if (step >= double{std::numeric_limits<float>::min()} && step <= double{std::numeric_limits<float>::max()})
      continue;
    char text[32];
    std::snprintf(text, sizeof text, "%g", step);
    throw std::invalid_argument("distance_transform: spacing must be positive and within float32's normal range, got " +
                                std::string(text));
  }
}

inline DistanceRule distance_rule(const Masks& masks, const Spacing& spacing, bool squared) {
  for (const std::int64_t extent : {masks.d, masks.h, masks.w}) {
    if (extent <= std::numeric_limits<std::int32_t>::max()) continue;
    throw std::invalid_argument("distance_transform: a mask must extend over at most 2147483647 pixels, got " +
                                std::to_string(extent));
  }
  const bool equal = spacing.y == spacing.x && (masks.d == 1 || spacing.z == spacing.x);
  const bool small = masks.d <= kNarrowExtent && masks.h <= kNarrowExtent && masks.w <= kNarrowExtent;
  if (!equal) return {spacing.z * spacing.z, spacing.y * spacing.y, spacing.x * spacing.x, 1, false, false, squared};
  const std::int64_t most = small ? masks.d * masks.d + masks.h * masks.h + masks.w * masks.w : kFarSquare;
  return {1, 1, 1, spacing.x, small, spacing.x == 1 && most <= kExactSquares, squared};
}

RM_HOST_DEVICE double weighted_square(double weight, double steps) { return weight * (steps * steps); }

RM_HOST_DEVICE float distance_result(const DistanceRule& rule, double square) {
  if (rule.squared) return static_cast<float>(rule.scale * rule.scale * square);
#if defined(__CUDA_ARCH__)
  return static_cast<float>(rule.scale * __dsqrt_rn(square));
#else
  return static_cast<float>(rule.scale * __builtin_sqrt(square));
#endif
}

// The same of a square that float32 holds exactly, unscaled: the root in float64 rounds to the root in float32.
RM_HOST_DEVICE float exact_distance_result(const DistanceRule& rule, std::int32_t square) {
  const auto value = static_cast<float>(square);
  if (rule.squared) return value;
#if defined(__CUDA_ARCH__)
  return __fsqrt_rn(value);
#else
  return __builtin_sqrtf(value);
#endif
}

namespace cpu {
void distance_transform(const Context&, const Masks& masks, const Spacing& spacing, bool squared, float* distances);
}  // namespace cpu

namespace cuda {
void distance_transform(const Context&, const Masks& masks, const Spacing& spacing, bool squared, float* distances);
}  // namespace cuda

}  // namespace rapidmask
