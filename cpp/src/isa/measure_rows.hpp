// The loops of measures, one table per instruction level.
#pragma once

#include <cstdint>

#include "rapidmask/types.hpp"

namespace rapidmask {

struct MeasureRows {
  // The first of `count` bytes, or words, that is not zero, else `count`; and one past the last, else 0.
  std::int64_t (*first_byte)(const std::uint8_t* bytes, std::int64_t count);
  std::int64_t (*end_byte)(const std::uint8_t* bytes, std::int64_t count);
  std::int64_t (*first_word)(const std::uint64_t* words, std::int64_t count);
  std::int64_t (*end_word)(const std::uint64_t* words, std::int64_t count);

  // Moves x0 down to the first column, and x1 up to the end of the last, in which any of `rows` rows of w bytes is not
  // zero.
  void (*widen_columns)(const std::uint8_t* mask, std::int64_t rows, std::int64_t w, std::int64_t* x0,
                        std::int64_t* x1);

  // Of a row of w pixels: their number and the sum of their columns, added to `area` and `x`.
  void (*add_bytes)(const std::uint8_t* row, std::int64_t w, std::int64_t* area, std::int64_t* x);
  void (*add_words)(const std::uint64_t* row, std::int64_t words, std::int64_t* area, std::int64_t* x);

  // How many of `count` values are above `high` and above `low`, added to the two.
  void (*count_above)(const float* values, std::int64_t count, float high, float low, std::int64_t* above_high,
                      std::int64_t* above_low);
  void (*count_above_half)(const Half* values, std::int64_t count, float high, float low, std::int64_t* above_high,
                           std::int64_t* above_low);
  void (*count_above_bfloat)(const BFloat16* values, std::int64_t count, float high, float low,
                             std::int64_t* above_high, std::int64_t* above_low);
};

const MeasureRows& measure_rows();

}  // namespace rapidmask
