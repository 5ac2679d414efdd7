// The pixel loops of `threshold`, one table per instruction level.
#pragma once

#include <cstdint>

#include "rapidmask/threshold.hpp"
#include "rapidmask/types.hpp"

namespace rapidmask {

// Loops over `rows` rows of w pixels of one image. `bound` points to the Bound<T> of the image's type.
using ThresholdDense = void (*)(const void* x, const void* bound, std::int64_t count, std::uint8_t* mask);
using ThresholdPacked = void (*)(const void* x, const void* bound, std::int64_t rows, std::int64_t w,
                                 std::uint64_t* words);
// Against a surface of `count` values.
using ThresholdSurface = void (*)(const void* x, const void* surface, bool strict, std::int64_t count,
                                  std::uint8_t* mask);

struct ThresholdRows {
  static constexpr int kTypes = 13;  // indexed by DType
  ThresholdDense dense[kTypes];
  ThresholdPacked packed[kTypes];
  ThresholdSurface surface[kTypes][4];  // float32, float64, int64, uint64

  static std::size_t surface_index(DType dtype) {
    return dtype == DType::float32 ? 0 : dtype == DType::float64 ? 1 : dtype == DType::int64 ? 2 : 3;
  }
};

const ThresholdRows& threshold_rows();

}  // namespace rapidmask
