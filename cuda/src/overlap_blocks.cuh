// Masks cut to blocks, and the pixels that two of them share.
//
// A block is 16 rows of 4 words: 256×16 pixels, two words for each lane of a warp, and whole sectors of memory. With
// its number of pixels known, nothing of a block is read again that is empty or full in either mask; of masks as they
// are that leaves some twentieth of what pairs of whole masks would read.
#pragma once

#include <cstdint>

#include "port.cuh"
#include "rapidmask/overlap.hpp"
#include "tiles.cuh"

namespace rapidmask::cuda {

inline constexpr std::int64_t kBlockRows = 16;
inline constexpr std::int64_t kBlockWords = 4;

struct BlockedMasks {
  ConstPackedMasks masks;
  const std::uint16_t* counts;  // of the pixels of each block, positions() for a mask
  const std::int64_t* areas;

  RM_HOST_DEVICE std::int64_t columns() const { return (masks.words() + kBlockWords - 1) / kBlockWords; }
  RM_HOST_DEVICE std::int64_t positions() const { return (masks.h + kBlockRows - 1) / kBlockRows * columns(); }
  __device__ std::int64_t count(std::int64_t i, std::int64_t p) const { return counts[i * positions() + p]; }
  __device__ std::int64_t pixels(std::int64_t p) const {
    const std::int64_t rows = min(kBlockRows, masks.h - p / columns() * kBlockRows);
    return rows * min(64 * kBlockWords, masks.w - p % columns() * 64 * kBlockWords);
  }
};

// Calls visit(offset) for the words of a block that are this lane's, at most two, with their offset in the mask.
template <class Visit>
__device__ __forceinline__ void for_lane_words(const BlockedMasks& blocks, std::int64_t p, const Visit& visit) {
  const std::int64_t words = blocks.masks.words(), columns = blocks.columns();
  const std::int64_t row = p / columns * kBlockRows + lane_id() / 2;
  const std::int64_t first = p % columns * kBlockWords + 2 * (lane_id() % 2);
  if (row >= blocks.masks.h) return;
  for (std::int64_t k = first; k < first + 2 && k < words; ++k) visit(row * words + k);
}

// The pixels that mask i of a and mask j of b share in the blocks [begin, end), in every lane of the warp.
__device__ __forceinline__ std::int64_t shared_pixels(const BlockedMasks& a, std::int64_t i, const BlockedMasks& b,
                                                      std::int64_t j, std::int64_t begin, std::int64_t end) {
  const std::uint64_t* bits_a = a.masks.image(i);
  const std::uint64_t* bits_b = b.masks.image(j);
  std::int64_t sum = 0;
  for (std::int64_t p0 = begin; p0 < end; p0 += kWarpSize) {
    const std::int64_t p = p0 + lane_id();
    const std::int64_t count_a = p < end ? a.count(i, p) : 0, count_b = p < end ? b.count(j, p) : 0;
    bool mixed = false;
    if (count_a != 0 && count_b != 0) {
      const std::int64_t pixels = a.pixels(p);
      mixed = count_a != pixels && count_b != pixels;
      if (!mixed) sum += min(count_a, count_b);
    }
    for (unsigned rest = __ballot_sync(kFullWarp, mixed); rest != 0; rest &= rest - 1) {
      for_lane_words(a, p0 + __ffs(static_cast<int>(rest)) - 1,
                     [&](std::int64_t offset) { sum += __popcll(bits_a[offset] & bits_b[offset]); });
    }
  }
  return warp_sum(sum);
}

// Cuts masks to blocks, in scratch; dense ones are packed first.
BlockedMasks cut_to_blocks(const Context& context, const Masks& masks);

// Writes the pixels that each mask of a shares with each of b, row by row; with `symmetric` b is a, and only those
// above the diagonal are other than 0.
void share_pixels(const Context& context, const BlockedMasks& a, const BlockedMasks& b, bool symmetric,
                  std::int64_t* sums);

}  // namespace rapidmask::cuda
