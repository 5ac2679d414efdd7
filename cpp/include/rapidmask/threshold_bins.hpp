// From a pixel to a histogram bin, and the fixed shape in which floats are summed: what CPU rows and kernels share.
//
// Integers: one bin per integer from the image's minimum to its maximum; a bin's centre is the integer.
//
// Floats: numpy.histogram's 256 bins of equal width between the image's minimum and maximum, in the image's own type
// (float16 and bfloat16 as float32). edge(k) = k · step + first with step = (last − first) / 256, each operation
// rounded; edge(256) is `last` itself. A value's bin is first guessed as trunc((x − first) / (last − first) · 256) and
// then moved by one where that contradicts the edges. Bins are closed below and open above, the last is closed.
//
// Sums of floats have one shape on every thread count, instruction level and device, so that they have one result:
// lane j of 64 adds the items j, j + 64, j + 128, … in this order, starting from 0; then lanes are added in pairs, j
// and j + 32, then j and j + 16, … The sum of an image is the sum, in this shape, of the sums of its chunks of 4096
// consecutive pixels. Items are doubles.
#pragma once

#include <cstdint>

#include "rapidmask/portable.hpp"
#include "rapidmask/types.hpp"

namespace rapidmask {

inline constexpr std::int64_t kFloatBins = 256;
inline constexpr std::int64_t kMaxIntegerBins = std::int64_t{1} << 24;
inline constexpr std::int64_t kSumLanes = 64;
inline constexpr std::int64_t kSumChunk = 4096;

// The type a pixel is computed in: its own, float for the half-width types.
RM_HOST_DEVICE float widen(Half x) { return to_float(x); }
RM_HOST_DEVICE float widen(BFloat16 x) { return to_float(x); }
RM_HOST_DEVICE float widen(float x) { return x; }
RM_HOST_DEVICE double widen(double x) { return x; }

template <class T>
struct Widened {
  using type = T;
};
template <>
struct Widened<Half> {
  using type = float;
};
template <>
struct Widened<BFloat16> {
  using type = float;
};
template <class T>
using WidenedType = typename Widened<T>::type;

template <class F>
RM_HOST_DEVICE bool is_finite(F x) {
  return x - x == F{0};
}

// The 256 bins between two finite floats. Equal ends are moved apart by one half each, as numpy.histogram does.
template <class F>
struct FloatBins {
  F first, last, range, step;

  RM_HOST_DEVICE static FloatBins between(F smallest, F largest) {
    const F pad = smallest == largest ? F(0.5) : F(0);
    const F first = smallest - pad, last = largest + pad;
    return {first, last, last - first, (last - first) / F(kFloatBins)};
  }

  RM_HOST_DEVICE F edge(std::int32_t k) const { return k == kFloatBins ? last : static_cast<F>(k) * step + first; }

  // Whether the range is a finite number of this type and the edges increase strictly.
  RM_HOST_DEVICE bool representable() const { return is_finite(range); }
  RM_HOST_DEVICE bool distinct() const {
    bool increasing = true;
    for (std::int32_t k = 0; k < kFloatBins; ++k) increasing = increasing && edge(k) < edge(k + 1);
    return increasing;
  }

  // The bin of x, first <= x <= last. Written without branches: it is vectorised.
  RM_HOST_DEVICE std::int32_t index(F x) const {
    const std::int32_t top = static_cast<std::int32_t>(kFloatBins) - 1;
    const std::int32_t guess = static_cast<std::int32_t>((x - first) / range * F(kFloatBins));
    std::int32_t k = guess > top ? top : guess;
    k -= static_cast<std::int32_t>(x < static_cast<F>(k) * step + first);
    k += static_cast<std::int32_t>(k != top) & static_cast<std::int32_t>(x >= static_cast<F>(k + 1) * step + first);
    return k;
  }
};

// Centres of float bins: the mean of two edges, in the image's type.
template <class F>
struct FloatCenters {
  using type = F;
  FloatBins<F> bins;
  RM_HOST_DEVICE F operator()(std::int64_t k) const {
    return (bins.edge(static_cast<std::int32_t>(k)) + bins.edge(static_cast<std::int32_t>(k) + 1)) / F(2);
  }
};

// Centres of integer bins. `origin` is the smallest value, as 64 bits of two's complement.
struct IntegerCenters {
  using type = double;
  std::uint64_t origin;
  bool is_signed;
  RM_HOST_DEVICE double operator()(std::int64_t k) const {
    const std::uint64_t value = origin + static_cast<std::uint64_t>(k);
    return is_signed ? static_cast<double>(static_cast<std::int64_t>(value)) : static_cast<double>(value);
  }
};

// The exact sum of integers up to 64 bits wide, in two parts that do not overflow below 2^31 pixels.
struct IntegerSum {
  std::int64_t high, low;  // the sum is high · 2^32 + low
  template <class T>
  RM_HOST_DEVICE void add(T x) {
    if constexpr (sizeof(T) == 8) {
      high += static_cast<std::int64_t>(x >> 32);
      low += static_cast<std::int64_t>(static_cast<std::uint64_t>(x) & 0xffffffffu);
    } else {
      low += static_cast<std::int64_t>(x);
    }
  }
  RM_HOST_DEVICE double mean(std::int64_t count) const {
    const std::int64_t carried = high + (low >> 32);
    const double upper = static_cast<double>(carried) * 0x1p32;  // exact for sums below 2^85
    return (upper + static_cast<double>(low & 0xffffffff)) / static_cast<double>(count);
  }
};

// Sums of a pass of Li's iteration over some pixels, each less the image's minimum.
struct SplitSums {
  double above, below, count_above;
};

// Adds the 64 lanes in pairs; the sum is then in lane 0.
RM_HOST_DEVICE void fold_lanes(double* lanes) {
  for (std::int64_t width = kSumLanes / 2; width > 0; width /= 2)
    for (std::int64_t j = 0; j < width; ++j) lanes[j] += lanes[j + width];
}

// The sum of `count` doubles that lie `stride` apart, in the fixed shape.
RM_HOST_DEVICE double fixed_sum(const double* items, std::int64_t count, std::int64_t stride) {
  double lanes[kSumLanes] = {};
  for (std::int64_t i = 0; i < count; i += kSumLanes) {
    const std::int64_t width = count - i < kSumLanes ? count - i : kSumLanes;
    for (std::int64_t j = 0; j < width; ++j) lanes[j] += items[(i + j) * stride];
  }
  fold_lanes(lanes);
  return lanes[0];
}

}  // namespace rapidmask
