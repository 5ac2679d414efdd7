// The loops of resampling into masks, one table per instruction level.
//
// Output columns are taken in blocks of as many as a vector has lanes, output rows in bands that mix the same input
// rows. First it is found, per input row and block, whether all that the block mixes is surely foreground or surely
// background (`sure_bounds`); where that holds in all rows of a band, the block's bits are known, and only the others
// are interpolated: on smooth logits, those that an outline crosses. Where little of a band is known, as in noise, its
// rows are interpolated whole.
#pragma once

#include <cstdint>

#include "rapidmask/upsample.hpp"

namespace rapidmask {

inline constexpr int kMaxBandRows = 32;                   // output rows of a band
inline constexpr int kMaxBandInputs = 4;                  // input rows of a band
inline constexpr int kMaxBandMiddles = 2 * kMaxBandRows;  // rows between the two resizings
inline constexpr std::int64_t kLineSlack = 8;             // words
inline constexpr std::int64_t kRowPadding = 64;           // floats that may be read before and after an input row

// A row as a mixture of two others, given by their places in a list.
struct RowTap {
  std::int32_t first, second;
  float first_weight, second_weight;
};

struct RowBand {
  std::int64_t begin, end;  // output rows
  std::int64_t inputs[kMaxBandInputs];
  std::int32_t input_count;
  bool plain;                               // every row mixes the two inputs, neither with a weight of 0
  std::int32_t middle_begin, middle_count;  // of the plan's `middles`, none where rows are resized once
};

// Per block of output columns. Input columns count from `window`, the first that a vector is loaded from.
struct ColumnBlocks {
  const std::int32_t* window;
  const std::int32_t* begin;  // the input columns that are mixed: [begin, end)
  const std::int32_t* end;
  const std::int64_t* places;   // of its indices
  const std::int64_t* weighed;  // of its weights
  const std::int32_t* indices;  // vectors of first and second columns; where columns are resized twice, two of each
  const float* weights;         // vectors of second weights of these; at last, of the two middle columns
  bool in_window;               // every block's columns are within one vector from its window
  std::int64_t period;          // so many blocks farther, most have the same indices
};

struct ResamplePlanView {
  ColumnBlocks columns;
  ColumnBlocks to_middle, to_out;  // each of two resizings by itself
  std::int64_t first_middle;       // where the middle columns begin that are kept
  std::int64_t out_columns;
  const RowBand* bands;
  const RowTap* middles;            // of input rows of the band
  const std::int64_t* middle_rows;  // their numbers
  const RowTap* rows;               // per output row: of middle rows of the band, or of its input rows
  bool twice;
  bool whole_rows;          // rows may be interpolated whole
  bool fourfold;            // columns are four times as many
  std::int64_t row_floats;  // of one such row

  std::int64_t row_count() const { return twice ? 5 : 2; }
};

// What is known of whole blocks, per input row: `words` words of one bit per block.
struct SureBlocks {
  std::uint64_t* foreground;
  std::uint64_t* background;
  std::int64_t first_row, words;
};

struct ResampleCounts {
  std::int64_t area, above_high, above_low;
  std::int64_t y0, y1;     // rows with foreground
  std::uint64_t* columns;  // words of one bit per column, set where it has foreground
};

// Rows [y_begin, y_end) and columns [x_begin, x_end) of one mask.
struct ResampleTask {
  const float* input;  // row r begins at input + r * stride; kRowPadding floats around it are readable
  std::int64_t stride;
  std::int64_t band_begin, band_end, y_begin, y_end, x_begin, x_end;
  Foreground foreground;
  SureBlocks sure;
  std::uint64_t* packed;   // the mask's words, or null
  std::uint8_t* dense;     // the mask's pixels, or null
  bool streams;            // pixels go past the caches, in whole rows
  std::uint64_t* line;     // scratch: kMaxBandRows + 1 rows of words, and kLineSlack
  float* rows;             // scratch: as many whole rows as the plan tells
  ResampleCounts* counts;  // or null
};

struct ResampleRows {
  std::int64_t block;  // columns
  // n values as float32, through the activation.
  void (*values)(const void* from, DType dtype, std::int64_t n, Activation activation, float* to);
  // One bit for each block in [first, last) of an input row. `bits` is scratch: two rows of words of input columns, of
  // 16 words more than they need.
  void (*sure_blocks)(const float* row, const SureBounds& bounds, const ColumnBlocks& columns, std::int64_t first,
                      std::int64_t last, std::uint64_t* bits, std::int64_t bit_words, std::uint64_t* foreground,
                      std::uint64_t* background);
  void (*resample)(const ResamplePlanView& plan, const ResampleTask& task);
  // Copies bytes past the caches; zeros where `from` is null.
  void (*stream_bytes)(const std::uint8_t* from, std::int64_t count, std::uint8_t* to);
};

// Dense masks of so many bytes go past the caches, which they would only empty.
inline constexpr std::int64_t kStreamedBytes = 16 << 20;

const ResampleRows& resample_rows();

}  // namespace rapidmask
