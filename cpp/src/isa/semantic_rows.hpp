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
  // Writes `rows` rows of `width` pixels of a plane of w columns at another size; `buffer` has room for two of them, of
  // whole vectors.
  void (*resize)(const T* plane, std::int64_t w, const AxisTaps& down, const AxisTaps& across, std::int64_t rows,
                 std::int64_t width, float* buffer, float* resized);
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
