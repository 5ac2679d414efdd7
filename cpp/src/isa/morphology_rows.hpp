// The row loops of morphology on packed rows, one table per instruction level.
#pragma once

#include <cstdint>

namespace rapidmask {

// Output row j of a block joins rows[first + j] to rows[first + j + length - 1].
struct MorphologySpan {
  std::int64_t first, length;
};

// A step of a footprint's plan, for a block of rows. Row j of `x` begins at x + j * x_stride and has words of what lies
// outside before and after it, as many as the shifts reach.
struct MorphologyStep {
  enum Kind : std::uint8_t { start, move, widen };
  Kind kind;
  // Distances in whole words and bits: x(i - left) and x(i + right).
  std::int64_t left_words, left_bits, right_words, right_bits;
  const std::uint64_t* x;
  std::int64_t x_stride;
  const std::uint64_t* const* rows;
  const MorphologySpan* spans;
  std::int64_t span_count;
  std::uint64_t* const* out;
  std::int64_t words;        // of a row, at least 1
  std::uint64_t keep, fill;  // the last word becomes (word & keep) | fill
};

struct MorphologyRows {
  int block;  // output rows of the first pair of functions; the second does one row
  void (*dilate_block)(const MorphologyStep& step);
  void (*erode_block)(const MorphologyStep& step);
  void (*dilate_row)(const MorphologyStep& step);
  void (*erode_row)(const MorphologyStep& step);
  void (*subtract)(const std::uint64_t* a, const std::uint64_t* b, std::int64_t words, std::uint64_t* out);  // a & ~b
};

inline constexpr int kMaxMorphologyBlock = 8;

const MorphologyRows& morphology_rows();

}  // namespace rapidmask
