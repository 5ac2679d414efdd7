// The row loops of the pack family and of measures on packed words, one table per instruction level.
#pragma once

#include <cstdint>

namespace rapidmask {

struct PackRows {
  // `rows` rows of w bytes to rows of ceil(w / 64) words, and back.
  void (*pack)(const std::uint8_t* mask, std::int64_t rows, std::int64_t w, std::uint64_t* words);
  void (*unpack)(const std::uint64_t* words, std::int64_t rows, std::int64_t w, std::uint8_t* mask);
  // The same for rows that lie `stride` words apart; where `invert`, of the pixels that are not in the masks.
  void (*pack_strided)(const std::uint8_t* mask, std::int64_t rows, std::int64_t w, bool invert, std::uint64_t* words,
                       std::int64_t stride);
  void (*unpack_strided)(const std::uint64_t* words, std::int64_t stride, std::int64_t rows, std::int64_t w,
                         bool invert, std::uint8_t* mask);
  // Copies `rows` rows of w pixels from one layout to another, `from_stride` and `to_stride` words apart, or to where
  // they lie; where `invert`, the pixels that are not in them.
  void (*copy)(const std::uint64_t* from, std::int64_t from_stride, std::int64_t rows, std::int64_t w, bool invert,
               std::uint64_t* to, std::int64_t to_stride);
  // The number of bits set in `count` words.
  std::int64_t (*count_bits)(const std::uint64_t* words, std::int64_t count);
  std::int64_t (*count_bytes)(const std::uint8_t* mask, std::int64_t count);  // of non-zero bytes
};

const PackRows& pack_rows();

}  // namespace rapidmask
