// Class maps, one table per instruction level.
#pragma once

#include <cstdint>

#include "isa/class_bands.hpp"
#include "rapidmask/semantic.hpp"

namespace rapidmask {

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
  // Writes `rows` rows of `width` pixels, `stride` apart, of a plane of w columns at another size; `buffer` has room
  // for two of them, of whole vectors.
  void (*resize)(const T* plane, std::int64_t w, const AxisTaps& down, const AxisTaps& across, std::int64_t rows,
                 std::int64_t width, std::int64_t stride, float* buffer, float* resized);
};

// Rows of the masks of queries, and the scores that are made of them.
//
// A tile is kQueryTile columns. The cells whose left columns are a tile's lie in it and in the first column behind it;
// there each query has a highest and a lowest probability, and sums of these bound a class from above and from below:
// rounding keeps the order. A class whose upper bound is less than the greatest lower one, by a margin for what
// interpolation rounds, cannot win in these cells, and only where it can in cells around a pixel its score is made.
inline constexpr std::int64_t kQueryTile = 16;

struct QueryBand {
  float* masks;  // q planes of `rows` rows of `stride` logits, which become probabilities
  std::int64_t q, rows;
  std::int64_t stride;         // a multiple of kQueryTile; behind the last column stands its value again
  const float* probabilities;  // q rows of `classes`
  std::int64_t classes;
  const ClassRule* rule;
  float* scores;  // planes as those of masks, one for each class
  // Scratch.
  float* tile;             // q times the pixels of a tile
  float* bounds;           // 2 · classes
  std::uint8_t* possible;  // for each tile and class of the rule, whether it may win
  std::int32_t* left;      // the classes that may win somewhere
};

inline constexpr std::int64_t kScorePixels = 64;

struct SemanticRows {
  ClassRows<Half> half;
  ClassRows<BFloat16> bfloat16;
  ClassRows<float> float32;
  // Makes the scores of classes that may win, which are left in band.left, and returns how many these are.
  std::int64_t (*query_scores)(const QueryBand& band);

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
