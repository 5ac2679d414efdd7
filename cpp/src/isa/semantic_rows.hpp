// Class maps, one table per instruction level.
//
// An interpolated map is made band by band: a band is some rows of the logits' cells and the rows of the output that
// lie in them. A cell (y, x) is the four pixels from (y, x) to (y + 1, x + 1); every output pixel lies in one. In a
// band each class has, for each column of cells, an upper bound, its highest value there; the lowest value that the
// leading class has there bounds the winner from below. Where an upper bound is less than this, by a margin for what
// interpolation rounds, the class cannot win, and where one class is left, it is the winner.
#pragma once

#include <cstdint>

#include "isa/axis_taps.hpp"
#include "rapidmask/semantic.hpp"

namespace rapidmask {

inline constexpr std::int64_t kMostBandRows = 8;  // of cells

// The planes of one image.
struct ClassPlanes {
  const void* data;
  std::int64_t h, w;
};

// Memory for a band: bounds of each class that may win, and of the leading one, for each column.
struct BandScratch {
  float* bounds;           // rule.count rows of `stride`
  std::int64_t stride;     // at least w, a multiple of 16
  float* leading;          // stride
  std::int32_t* leader;    // stride
  std::int32_t* possible;  // rule.count: classes left in a tile, as indices among those that may win
  std::uint32_t* columns;  // rule.count: in which columns of the tile
  std::int32_t* contest;   // rule.count: classes left in a few pixels
};

struct SemanticBand {
  ClassPlanes planes;
  const ClassRule* rule;
  AxisTaps down, across;
  std::int64_t row, rows;    // of cells, at most kMostBandRows
  std::int64_t top, bottom;  // of the output
  std::int64_t width;
  void* labels;  // of the image
  std::int64_t label_bytes;
  BandScratch scratch;
};

template <class T>
struct ClassRows {
  void (*argmax_band)(const SemanticBand& band);
  // Of `count` pixels from `begin` on, without interpolation.
  void (*argmax_pixels)(const ClassPlanes& planes, const ClassRule& rule, std::int64_t begin, std::int64_t count,
                        void* labels, std::int64_t label_bytes);
  // Writes, from pixel `begin` on, kScorePixels or fewer pixels of the planes of scores of one image: `probabilities`
  // has q rows of `classes`, `buffer` room for q · kScorePixels.
  void (*scores)(const T* masks, std::int64_t q, std::int64_t plane, const float* probabilities, std::int64_t classes,
                 std::int64_t begin, std::int64_t count, float* buffer, float* scores);
};

inline constexpr std::int64_t kScorePixels = 64;

struct SemanticRows {
  ClassRows<Half> half;
  ClassRows<BFloat16> bfloat16;
  ClassRows<float> float32;

  template <class T>
  const ClassRows<T>& of() const {
    if constexpr (std::is_same_v<T, Half>) {
      return half;
    } else if constexpr (std::is_same_v<T, BFloat16>) {
      return bfloat16;
    } else {
      return float32;
    }
  }
};

const SemanticRows& semantic_rows();

}  // namespace rapidmask
