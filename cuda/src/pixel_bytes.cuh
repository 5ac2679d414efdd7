// 32 pixels of a byte each, between memory and the bits of a word: a thread moves them sixteen bytes at a time where
// they are aligned, and else four, with single bytes at the ends alone. Every second access of its warp to a sector is
// served by the cache.
#pragma once

#include <cstdint>

#include "port.cuh"

namespace rapidmask::cuda {

inline constexpr int kWordPixels = 32;

// Bit i of the result tells whether byte i of four is not zero.
__device__ __forceinline__ std::uint32_t nonzero_bytes(std::uint32_t bytes) {
  const std::uint32_t tops = (((bytes & 0x7f7f7f7fu) + 0x7f7f7f7fu) | bytes) & 0x80808080u;
  return (tops >> 7) * 0x01020408u >> 24;
}
__device__ __forceinline__ std::uint32_t nonzero_bytes(const uint4& bytes) {
  return nonzero_bytes(bytes.x) | nonzero_bytes(bytes.y) << 4 | nonzero_bytes(bytes.z) << 8 |
         nonzero_bytes(bytes.w) << 12;
}

// Bytes of 0 and 1 from the four lowest bits, and from sixteen.
__device__ __forceinline__ std::uint32_t four_bytes(std::uint32_t bits) {
  return (bits & 15u) * 0x00204081u & 0x01010101u;
}
__device__ __forceinline__ uint4 sixteen_bytes(std::uint32_t bits) {
  return make_uint4(four_bytes(bits), four_bytes(bits >> 4), four_bytes(bits >> 8), four_bytes(bits >> 12));
}

__device__ __forceinline__ bool is_aligned(const void* address, unsigned bytes) {
  return reinterpret_cast<std::uintptr_t>(address) % bytes == 0;
}

// How pixels that begin anywhere lie in words of four bytes of memory.
struct ByteSpan {
  int before;  // bytes of the first such word that are not of the span
  int count;

  __device__ ByteSpan(const void* first, int count)
      : before(static_cast<int>(reinterpret_cast<std::uintptr_t>(first) % 4)), count(count) {}
  // Whether all of word j is of the span, and the pixel with which it begins.
  __device__ bool has(int j) const { return begin(j) >= 0 && begin(j) + 4 <= count; }
  __device__ int begin(int j) const { return 4 * j - before; }
  // Pixels before the first whole word, and the first one after the last.
  __device__ int head() const { return min((4 - before) % 4, count); }
  __device__ int tail() const { return max(head(), (before + count) / 4 * 4 - before); }
};

// Bit i of the result is pixel i, of up to 32 that are there.
__device__ __forceinline__ std::uint32_t read_pixels(const std::uint8_t* pixels, std::int64_t there) {
  const int count = static_cast<int>(min(there, std::int64_t{kWordPixels}));
  if (count == kWordPixels && is_aligned(pixels, sizeof(uint4))) {
    const auto* sixteen = reinterpret_cast<const uint4*>(pixels);
    const uint4 low = sixteen[0], high = sixteen[1];
    return nonzero_bytes(low) | nonzero_bytes(high) << 16;
  }
  if (count <= 0) return 0;
  const ByteSpan span(pixels, count);
  std::uint32_t bits = 0;
  for (int j = 0; j <= kWordPixels / 4; ++j) {
    if (!span.has(j)) continue;
    bits |= nonzero_bytes(*reinterpret_cast<const std::uint32_t*>(pixels + span.begin(j))) << span.begin(j);
  }
  for (int k = 0; k < 3; ++k) {
    if (k < span.head()) bits |= static_cast<std::uint32_t>(pixels[k] != 0) << k;
    if (const int x = span.tail() + k; x < count) bits |= static_cast<std::uint32_t>(pixels[x] != 0) << x;
  }
  return bits;
}

// Writes bit i to pixel i, of up to 32 that are there, as 0 or 1.
__device__ __forceinline__ void write_pixels(std::uint32_t bits, std::uint8_t* pixels, std::int64_t there) {
  const int count = static_cast<int>(min(there, std::int64_t{kWordPixels}));
  if (count == kWordPixels && is_aligned(pixels, sizeof(uint4))) {
    auto* sixteen = reinterpret_cast<uint4*>(pixels);
    sixteen[0] = sixteen_bytes(bits);
    sixteen[1] = sixteen_bytes(bits >> 16);
    return;
  }
  if (count <= 0) return;
  const ByteSpan span(pixels, count);
  for (int j = 0; j <= kWordPixels / 4; ++j) {
    if (!span.has(j)) continue;
    *reinterpret_cast<std::uint32_t*>(pixels + span.begin(j)) = four_bytes(bits >> span.begin(j));
  }
  for (int k = 0; k < 3; ++k) {
    if (k < span.head()) pixels[k] = static_cast<std::uint8_t>(bits >> k & 1u);
    if (const int x = span.tail() + k; x < count) pixels[x] = static_cast<std::uint8_t>(bits >> x & 1u);
  }
}

}  // namespace rapidmask::cuda
