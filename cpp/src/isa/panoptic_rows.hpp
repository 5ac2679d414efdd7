// Panoptic merging and painting, one table per instruction level.
#pragma once

#include <cstdint>

#include "isa/class_bands.hpp"
#include "rapidmask/panoptic.hpp"

namespace rapidmask {

// Rows of all queries, from the first of a band on.
struct QueryPlanes {
  const void* data;
  std::int64_t plane;  // elements from one query to the next
  std::int64_t w, rows;
};

// A band of the map of codes, of `queries` planes. Pixels of each query are added to `pixels`.
struct PanopticBand {
  QueryPlanes planes;
  std::int64_t queries;
  const float* scores;
  const PanopticRule* rule;
  AxisTaps down, across;
  std::int64_t row;          // of the cells, the first
  std::int64_t top, bottom;  // of the output
  std::int64_t width;
  std::int32_t* codes;  // of the map
  QueryPixels* pixels;
  BandScratch scratch;
  std::uint32_t* own;       // as scratch.columns: where a query may own pixels
  std::uint32_t* owns_all;  // where it owns all
  std::uint8_t* counts;     // whether it counts its own pixels in a unit
  std::int32_t* competing;  // as scratch.contest
  std::int32_t* whole;      // queries that own all pixels of a tile and compete for none
};

template <class T>
struct QueryRows {
  void (*merge_band)(const PanopticBand& band);
  void (*activate)(const T* logits, std::int64_t count, float* probabilities);
  // Of `count` pixels, kObjectPixels at most, of objects that lie `plane` apart.
  void (*non_overlapping)(const T* scores, std::int64_t objects, std::int64_t plane, const float* object_scores,
                          float background, std::int64_t count, T* result);
};

inline constexpr std::int64_t kObjectPixels = 1024;

struct PanopticRows {
  QueryRows<Half> half;
  QueryRows<BFloat16> bfloat16;
  QueryRows<float> float32;
  // Replaces each code by ids[code + 1].
  void (*number)(std::int32_t* codes, std::int64_t count, const std::int32_t* ids);
  // Writes `label` where a row of a mask has pixels that `taken` has not, and adds them to that.
  void (*paint)(const std::uint64_t* mask, std::uint64_t* taken, std::int64_t w, std::int32_t label, std::int32_t* map);

  template <class T>
  const QueryRows<T>& of() const {
    if constexpr (std::is_same_v<T, Half>) {
      return half;
    } else if constexpr (std::is_same_v<T, BFloat16>) {
      return bfloat16;
    } else {
      return float32;
    }
  }
};

const PanopticRows& panoptic_rows();

}  // namespace rapidmask
