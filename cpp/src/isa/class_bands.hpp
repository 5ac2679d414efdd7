// Bands of an interpolated map of classes, as row loops take them.
//
// An interpolated map is made band by band: a band is some rows of the logits' cells and the rows of the output that
// lie in them. A cell (y, x) is the four pixels from (y, x) to (y + 1, x + 1); every output pixel lies in one. In a
// band each class has, for each column of cells, an upper bound, its highest value there; the lowest value that the
// leading class has there bounds the winner from below. Where an upper bound is less than this, by a margin for what
// interpolation rounds, the class cannot win, and where one class is left, it is the winner.
#pragma once

#include <cstdint>

#include "isa/axis_taps.hpp"

namespace rapidmask {

inline constexpr std::int64_t kMostBandRows = 8;  // of cells

// Rows of a class as wide as the widest vector, and as those of a tile and the column behind it.
inline constexpr std::int64_t kAlong = (kMostBandRows + 1) * kTapPadding, kTileRows = 2 * kAlong;

// The planes of one image.
struct ClassPlanes {
  const void* data;
  std::int64_t h, w;
};

// Memory for a band: bounds of each class that may win, and the highest of them, for each column.
struct BandScratch {
  float* bounds;           // a row of `stride` for each class
  std::int64_t stride;     // at least w, a multiple of 16
  float* leading;          // stride
  std::int32_t* leader;    // stride: the class that it is of
  std::int32_t* possible;  // classes left in a tile
  std::uint32_t* columns;  // in which columns of the tile they are
  std::int32_t* contest;   // classes left in a few pixels, as indices among those of the tile
  float* rows;             // rows of the classes left in a tile: kTileRows for each
  float* along;            // rows of the classes left in a few pixels, mixed along: kAlong for each
};

}  // namespace rapidmask
