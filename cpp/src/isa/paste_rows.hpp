// The pixel loops of pasting, one table per instruction level.
#pragma once

#include <cstdint>

#include "isa/row_pair.hpp"
#include "rapidmask/paste.hpp"

namespace rapidmask {

// A comparison with a threshold, and the bounds beyond which it is sure for every mixture of values: where all of them
// are at least `sure` it holds, where all are below `never` it does not.
struct PasteBounds {
  float threshold, sure, never;
  bool strict;
};

// Where a padded mask's columns and rows go. Cell j lies between columns j and j + 1.
struct PasteGrid {
  std::int64_t cells;                                   // in a row of the padded mask
  const std::int64_t* starts;                           // (cells + 1) the first pixel of each cell, then the end
  const std::int32_t* firsts;                           // the cell of pixel starts[0] + k, and of kMostLanes more
  const float *first_weights, *second_weights;          // likewise
  const float *first_row_weights, *second_row_weights;  // of each row of a band
  RowPair* mixed;  // rows mixed along: memory for the pixels of the words that `paste` writes, and kMostLanes more

  static constexpr int kMostLanes = 16;
};

// The rows of pixels between two rows of a padded mask.
struct PasteBand {
  std::int64_t top_number, bottom_number;
  const float *top, *bottom;  // (cells + 1) values: the last column is there twice; kMostLanes more are readable
  const std::uint64_t *top_sure, *bottom_sure;  // as `classify` gives them
  const std::uint64_t *top_never, *bottom_never;
  std::int64_t first_row, rows;  // in the grid's weights of rows
};

struct PasteRows {
  // The taps of the pixels that an axis covers: indices of the first of two values, and the weights of both.
  void (*place)(const PasteAxis& axis, std::int32_t* firsts, float* first_weights, float* second_weights);
  // Which of `count` values are sure, and which are never above, in words with a spare one behind.
  void (*classify)(const float* values, std::int64_t count, const PasteBounds& bounds, std::uint64_t* sure,
                   std::uint64_t* never);
  // Writes the words from that of pixel starts[0], which `words` points to in the first row, to that of pixel
  // starts[cells] - 1, in each of the band's rows, which lie `stride` words apart.
  void (*paste)(const PasteGrid& grid, const PasteBand& band, const PasteBounds& bounds, std::uint64_t* words,
                std::int64_t stride);
  // Past the caches: each bit to a byte, 64 of them for each of some words, to where 64 divides the address; or zeros.
  void (*stream_bits)(const std::uint64_t* words, std::int64_t count, std::uint8_t* to);
  void (*stream_zeros)(std::uint8_t* to, std::int64_t count);
};

const PasteRows& paste_rows();

}  // namespace rapidmask
