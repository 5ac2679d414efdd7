// How the rows of a mask lie in the lanes of a warp, and how pixels become words there and words pixels.
//
// A lane holds one word, 64 pixels of a row. A row of up to 32 words takes as many lanes as the next power of two, so
// that a warp holds 32 / lanes rows; a longer one is cut into strips of 32 words. Strips are numbered in raster order.
// Every function that takes a Place is called by all lanes of a warp.
#pragma once

#include <cstdint>

#include "pixel_bytes.cuh"
#include "port.cuh"
#include "rapidmask/types.hpp"

namespace rapidmask::cuda {

struct Layout {
  std::int32_t d, h, w;  // of a mask, whose pixels are counted in 31 bits
  std::int32_t words;    // of a row
  std::int32_t lanes;    // of a strip
  std::int32_t strips;   // of a row
  std::uint32_t slots;   // of a row, for the runs that can begin in it: one for two pixels

  RM_HOST_DEVICE std::uint32_t rows() const { return static_cast<std::uint32_t>(d) * static_cast<std::uint32_t>(h); }
  RM_HOST_DEVICE std::int64_t pixels() const { return static_cast<std::int64_t>(rows()) * w; }
  RM_HOST_DEVICE std::uint32_t all_strips() const { return rows() * static_cast<std::uint32_t>(strips); }
  RM_HOST_DEVICE std::uint32_t strips_per_warp() const { return static_cast<std::uint32_t>(kWarpSize / lanes); }
  RM_HOST_DEVICE std::int64_t mask_words() const { return static_cast<std::int64_t>(rows()) * words; }
  RM_HOST_DEVICE std::int64_t nodes() const { return 1 + static_cast<std::int64_t>(rows()) * slots; }
  // Warps that hold a mask.
  RM_HOST_DEVICE std::int64_t warps() const {
    return (static_cast<std::int64_t>(all_strips()) + strips_per_warp() - 1) / strips_per_warp();
  }
};

inline Layout layout_of(std::int64_t d, std::int64_t h, std::int64_t w) {
  const std::int64_t words = (w + 63) / 64;
  std::int32_t lanes = 1;
  while (lanes < words && lanes < kWarpSize) lanes *= 2;
  return {static_cast<std::int32_t>(d),
          static_cast<std::int32_t>(h),
          static_cast<std::int32_t>(w),
          static_cast<std::int32_t>(words),
          lanes,
          static_cast<std::int32_t>((words + kWarpSize - 1) / kWarpSize),
          static_cast<std::uint32_t>((w + 1) / 2)};
}

// Where a lane's word is.
struct Place {
  std::uint32_t row;  // of the mask
  std::int32_t k;     // word of the row
  bool inside;

  __device__ std::uint32_t pixel(const Layout& layout) const {
    return row * static_cast<std::uint32_t>(layout.w) + 64 * static_cast<std::uint32_t>(k);
  }
  __device__ std::int32_t pixels(const Layout& layout) const { return inside ? min(64, layout.w - 64 * k) : 0; }
  __device__ std::size_t word(const Layout& layout) const {
    return static_cast<std::size_t>(row) * static_cast<std::size_t>(layout.words) + static_cast<std::size_t>(k);
  }
};

__device__ __forceinline__ Place place_in(const Layout& layout, std::uint32_t strip) {
  const auto strips = static_cast<std::uint32_t>(layout.strips);
  const std::int32_t k = static_cast<std::int32_t>(strip % strips) * kWarpSize + lane_id() % layout.lanes;
  return {strip / strips, k, strip < layout.all_strips() && k < layout.words};
}
// The lane's place when `first` is the first strip of the warp.
__device__ __forceinline__ Place place_of_lane(const Layout& layout, std::uint32_t first) {
  return place_in(layout, first + static_cast<std::uint32_t>(lane_id() / layout.lanes));
}

// Calls body(place) with the strips of a mask, spread over the warps of a block.
template <class Body>
__device__ __forceinline__ void for_each_place(const Layout& layout, const Body& body) {
  const std::uint32_t step = layout.strips_per_warp();
  const std::uint32_t stride = step * (blockDim.x / kWarpSize);
  for (std::uint32_t first = step * static_cast<std::uint32_t>(warp_id()); first < layout.all_strips();
       first += stride) {
    body(place_of_lane(layout, first));
  }
}

__device__ __forceinline__ std::uint64_t valid_bits(const Layout& layout, std::int32_t k) {
  return k + 1 == layout.words ? tail_mask(layout.w) : ~std::uint64_t{0};
}
__device__ __forceinline__ int lowest_bit(std::uint64_t x) { return __ffsll(static_cast<long long>(x)) - 1; }
__device__ __forceinline__ int highest_bit(std::uint64_t x) { return 63 - __clzll(static_cast<long long>(x)); }

// Calls body(i, j, pixel, pixels) for the lanes i + j that hold pixels, with their first pixel and how many there are;
// then after(i), for each four lanes from i on. What body() loads for four lanes is under way at a time.
inline constexpr int kLanesAtOnce = 4;
template <class Body, class After>
__device__ __forceinline__ void for_each_lane(const Layout& layout, const Place& place, const Body& body,
                                              const After& after) {
  const std::uint32_t pixel = place.pixel(layout);
  const std::int32_t pixels = place.pixels(layout);
  const unsigned filled = __ballot_sync(kFullWarp, pixels > 0);
  for (int i = 0; i < kWarpSize; i += kLanesAtOnce) {
    if ((filled >> i & ((1u << kLanesAtOnce) - 1)) == 0) continue;
    for (int j = 0; j < kLanesAtOnce; ++j) {
      body(i, j, __shfl_sync(kFullWarp, pixel, i + j), __shfl_sync(kFullWarp, pixels, i + j));
    }
    after(i);
  }
}

// The words of pixels p for which test(p) holds; a warp reads 32 pixels of a row at a time.
template <class Test>
__device__ __forceinline__ std::uint64_t gather_bits(const Layout& layout, const Place& place, const Test& test) {
  const int lane = lane_id();
  bool low[kLanesAtOnce], high[kLanesAtOnce];
  std::uint64_t word = 0;
  for_each_lane(
      layout, place,
      [&](int, int j, std::uint32_t pixel, std::int32_t pixels) {
        const std::uint32_t p = pixel + static_cast<std::uint32_t>(lane);
        low[j] = lane < pixels && test(p);
        high[j] = lane + kWarpSize < pixels && test(p + kWarpSize);
      },
      [&](int i) {
        for (int j = 0; j < kLanesAtOnce; ++j) {
          const std::uint64_t bits = __ballot_sync(kFullWarp, low[j]);
          const std::uint64_t more = __ballot_sync(kFullWarp, high[j]);
          if (lane == i + j) word = more << kWarpSize | bits;
        }
      });
  return word;
}

// The pixels at a place of a mask in either form; `data` is the mask's.
__device__ __forceinline__ std::uint64_t read_word(const Layout& layout, const Place& place, const std::uint8_t* data,
                                                   bool packed) {
  if (packed) return place.inside ? reinterpret_cast<const std::uint64_t*>(data)[place.word(layout)] : 0;
  if (layout.w % 16 != 0 || reinterpret_cast<std::uintptr_t>(data) % 16 != 0) {
    return gather_bits(layout, place, [&](std::uint32_t p) { return data[p] != 0; });
  }
  // A lane reads its own 64 bytes: every second read of a sector comes from the cache.
  const std::int32_t pixels = place.pixels(layout);
  uint4 bytes[4];
  for (int j = 0; j < 4; ++j) {
    bytes[j] = {0, 0, 0, 0};
    if (16 * j < pixels) bytes[j] = *reinterpret_cast<const uint4*>(data + place.pixel(layout) + 16 * j);
  }
  std::uint64_t word = 0;
  for (int j = 0; j < 4; ++j) word |= static_cast<std::uint64_t>(nonzero_bytes(bytes[j])) << 16 * j;
  return word;
}

// Writes the pixels at a place of a mask in either form.
__device__ __forceinline__ void write_word(const Layout& layout, const Place& place, std::uint64_t word,
                                           std::uint8_t* data, bool packed) {
  if (packed) {
    if (place.inside) reinterpret_cast<std::uint64_t*>(data)[place.word(layout)] = word;
    return;
  }
  const std::uint32_t pixel = place.pixel(layout);
  const std::int32_t pixels = place.pixels(layout);
  const int lane = lane_id();
  if (layout.w % 4 == 0 && reinterpret_cast<std::uintptr_t>(data) % 4 == 0) {
    const int x = lane % 16 * 4;
    for (int i = 0; i < kWarpSize; i += 2) {
      const int from = i + lane / 16;
      const std::int32_t count = __shfl_sync(kFullWarp, pixels, from);
      const std::uint32_t p = __shfl_sync(kFullWarp, pixel, from) + static_cast<std::uint32_t>(x);
      const auto bits = static_cast<std::uint32_t>(__shfl_sync(kFullWarp, word, from) >> x) & 15u;
      if (x < count) *reinterpret_cast<std::uint32_t*>(data + p) = four_bytes(bits);
    }
    return;
  }
  for (int i = 0; i < kWarpSize; ++i) {
    const std::int32_t count = __shfl_sync(kFullWarp, pixels, i);
    if (count == 0) continue;
    const std::uint32_t p = __shfl_sync(kFullWarp, pixel, i) + static_cast<std::uint32_t>(lane);
    const std::uint64_t bits = __shfl_sync(kFullWarp, word, i) >> lane;
    if (lane < count) data[p] = static_cast<std::uint8_t>(bits & 1);
    if (lane + kWarpSize < count) data[p + 32] = static_cast<std::uint8_t>(bits >> 32 & 1);
  }
}

}  // namespace rapidmask::cuda
