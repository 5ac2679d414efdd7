// The row loops of morphology on packed rows, one table per instruction level.
#pragma once

#include <cstdint>

namespace rapidmask {

// Output row j joins rows[first + j] to rows[first + j + length - 1].
struct MorphologySpan {
  std::int64_t first, length;
};

// What a block of rows goes through at once: out = moved(x joined with the rows of the spans), joined with what `out`
// holds where the step accumulates. Row j of `x`, which may be null, begins at x + j * x_stride. Distances are split
// into whole words and bits. Steps over whole words take their rows from `x` alone, which has words of what lies
// outside of the mask before and after each row, as far as they reach.
struct MorphologyStep {
  enum Kind : std::uint8_t {
    join,       // moves nothing
    widen,      // joins x(i - left), x(i) and x(i + right), both less than 64 pixels away
    left,       // x(i - left), less than 64 pixels away
    right,      // x(i + right), less than 64 pixels away
    widen_far,  // as widen, over any distance
    right_far,  // x(i + right), where whole words may be negative
  };
  Kind kind;
  std::int64_t left_words, left_bits, right_words, right_bits;
  const std::uint64_t* x;
  std::int64_t x_stride;
  const std::uint64_t* const* rows;
  const MorphologySpan* spans;
  std::int64_t span_count;
  std::uint64_t* const* out;
  std::int64_t count, words;  // of rows, and of words of each: both at least 1
  std::uint64_t tail;         // the valid bits of the last word
  std::uint64_t outside;      // 0 or ones
  bool ends;                  // bits past the width become 0 in `out`, and those of what lies outside if not
  bool accumulates;
};

struct MorphologyRows {
  void (*dilate)(const MorphologyStep& step);
  void (*erode)(const MorphologyStep& step);
  void (*subtract)(const std::uint64_t* a, const std::uint64_t* b, std::int64_t words, std::uint64_t* out);  // a & ~b
};

const MorphologyRows& morphology_rows();

}  // namespace rapidmask
