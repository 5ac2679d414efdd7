// The loops of decoding run lengths, one table per instruction level.
//
// The way of encoding backwards: the transitions of a mask are set as bits of tiles whose words are columns; tiles with
// any are transposed into rows, and each row is the one above it, changed by its transitions. What the rows begin with
// is the state in which each column begins.
#pragma once

#include <cstdint>

#include "rapidmask/rle.hpp"

namespace rapidmask {

// The transitions of one mask within a crop. `rle_decode_rows().toggle` finds all of this zero, and what reads it
// leaves it so.
struct Transitions {
  std::uint64_t* tiles;  // 64 words for each tile, row of tiles after row of tiles, and for one that is never read
  std::uint8_t* active;  // whether each tile has any transition; the one that is never read is last
  std::uint8_t* parity;  // of column x: whether the state changes an odd number of times from the start of column x - 1
  std::int64_t words;    // tiles in a row of them
};

struct RleDecodeRows {
  // Sets the transitions between `count` runs of a mask of h rows.
  void (*toggle)(const std::uint32_t* counts, std::int64_t count, std::int64_t h, const Crop& crop,
                 const Transitions& transitions);
  // The states in which w columns begin, as bits of a row.
  void (*starts)(std::uint8_t* parity, std::int64_t w, std::uint64_t* row);
  // Transposes a tile into one column of words of `count` rows, and clears it.
  void (*tile_rows)(std::uint64_t* tile, std::int64_t count, std::int64_t words, std::uint64_t* rows);
  // Turns `count` rows of transitions into rows of pixels; `row` is the row above them and becomes their last.
  void (*accumulate)(std::uint64_t* row, std::uint64_t* rows, std::int64_t count, std::int64_t words);
  // The pixels [begin, end) of `count` rows of words, as bytes of rows of w. `begin` is a multiple of 64. `streamed`
  // leaves the cache alone.
  void (*unpack)(const std::uint64_t* rows, std::int64_t count, std::int64_t words, std::int64_t begin,
                 std::int64_t end, std::int64_t w, bool streamed, std::uint8_t* bytes);
};

const RleDecodeRows& rle_decode_rows();

}  // namespace rapidmask
