// Counting of the pixels that masks share, one table per instruction level.
//
// A block is 64 rows of one word: 64×64 pixels whose rows lie one after the other, so that the pixels that two blocks
// share are counted by whole vectors.
#pragma once

#include <cstdint>

namespace rapidmask {

inline constexpr std::int64_t kBlockRows = 64;
inline constexpr std::int64_t kMaxBlockColumns = 64;

struct OverlapRows {
  // Packs `rows` rows of w bytes, which begin `stride` bytes apart, to rows of ceil(w / 64) words, which are zero
  // before, and tells whether any byte is not zero.
  bool (*pack)(const std::uint8_t* pixels, std::int64_t stride, std::int64_t rows, std::int64_t w,
               std::uint64_t* words);
  // Bit k of the result tells whether word k of any of `rows` rows is not zero. Rows have `columns` words, at most 64,
  // and begin `stride` words apart.
  std::uint64_t (*busy_columns)(const std::uint64_t* words, std::int64_t stride, std::int64_t rows,
                                std::int64_t columns);
  // Gathers one word of each of `rows` rows, at most 64, to a block, with zeros after them, and counts its bits.
  std::int64_t (*take_block)(const std::uint64_t* words, std::int64_t stride, std::int64_t rows, std::uint64_t* block);
  // Adds to sums[masks[t]], for each t below `count`, the number of bits that `block` shares with the block in slot
  // slots[t] of `blocks`.
  void (*add_shared)(const std::uint64_t* block, const std::uint64_t* blocks, const std::uint32_t* slots,
                     const std::uint32_t* masks, std::int64_t count, std::int64_t* sums);
  // The number of bits that `rows` rows of `words` words share, which begin `stride_a` and `stride_b` words apart.
  std::int64_t (*count_shared)(const std::uint64_t* a, std::int64_t stride_a, const std::uint64_t* b,
                               std::int64_t stride_b, std::int64_t rows, std::int64_t words);
};

const OverlapRows& overlap_rows();

}  // namespace rapidmask
