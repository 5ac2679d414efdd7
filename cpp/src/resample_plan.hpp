// What all masks of one resampling share: the taps of their columns, by block, and of their rows, by band.
#pragma once

#include <memory>
#include <vector>

#include "isa/resample_rows.hpp"
#include "line_vector.hpp"

namespace rapidmask {

// The taps of columns.
class ColumnTable {
 public:
  ColumnTable() = default;
  // `block` is ResampleRows::block.
  ColumnTable(const ResizeAxis& axis, bool twice, std::int64_t block);

  ColumnBlocks view() const;
  std::int64_t blocks() const { return static_cast<std::int64_t>(window_.size()); }
  // The input columns that blocks [first, last) mix: [begin, end).
  std::int64_t begin(std::int64_t first) const { return begin_[static_cast<std::size_t>(first)]; }
  std::int64_t end(std::int64_t last) const { return end_[static_cast<std::size_t>(last - 1)]; }
  bool in_window() const { return in_window_; }
  bool sound() const { return sound_; }  // as ResamplePlan::sound

 private:
  bool in_window_ = true, sound_ = true;
  std::int64_t period_ = 1;
  std::vector<std::int32_t> window_, begin_, end_;
  std::vector<std::int64_t> places_, weighed_;
  LineVector<std::int32_t> indices_;
  LineVector<float> weights_;
};

class ResamplePlan {
 public:
  // `block` is ResampleRows::block.
  ResamplePlan(const ResizeAxis& rows, const ResizeAxis& columns, std::int64_t block);

  ResamplePlanView view() const;
  const std::vector<RowBand>& bands() const { return bands_; }
  std::int64_t band_of(std::int64_t y) const { return band_of_[static_cast<std::size_t>(y)]; }
  // The input rows that a range of bands mixes: [begin, end).
  struct Range {
    std::int64_t begin, end;
  };
  Range input_rows(std::int64_t band_begin, std::int64_t band_end) const;
  // The input columns that output columns [x_begin, x_end) mix, with those of the same blocks.
  Range input_columns(std::int64_t x_begin, std::int64_t x_end) const;
  // Whether what is surely foreground may be told by its neighbourhood: else a weight is 0 where it counts.
  bool sound() const { return sound_; }
  std::int64_t blocks() const { return columns_.blocks(); }

 private:
  void add_rows(const ResizeAxis& axis);

  bool twice_, fourfold_, sound_ = true;
  std::int64_t block_, out_columns_, first_middle_, row_floats_;
  ColumnTable columns_, to_middle_, to_out_;
  std::vector<RowBand> bands_;
  std::vector<RowTap> middles_, rows_;
  std::vector<std::int64_t> middle_rows_;
  std::vector<std::int32_t> band_of_;
};

// Memory of one thread for the rows that it resamples.
class ResampleScratch {
 public:
  // For so many input rows of `columns` values at most; `copied` where they are not read as they lie.
  ResampleScratch(const ResamplePlan& plan, const ResamplePlanView& view, std::int64_t rows, std::int64_t columns,
                  bool copied);

  std::int64_t stride() const { return stride_; }
  float* values() { return values_.get() + kRowPadding; }
  // Finds what is sure of input rows [begin, end), in the blocks of columns [x_begin, x_end).
  void find_sure(const ResamplePlanView& view, const SureBounds& bounds, const float* input, std::int64_t stride,
                 std::int64_t begin, std::int64_t end, std::int64_t x_begin, std::int64_t x_end);
  SureBlocks sure(std::int64_t first_row) { return {foreground_.get(), background_.get(), first_row, words_}; }
  std::uint64_t* line() { return line_.get(); }
  float* rows() { return rows_.data(); }
  std::uint64_t* columns() { return columns_.get(); }  // of output words, for ResampleCounts

 private:
  std::int64_t agreeing_blocks(std::int64_t row, std::int64_t first, std::int64_t last) const;

  std::int64_t stride_, words_, bit_words_;
  std::unique_ptr<float[]> values_;
  LineVector<float> rows_;
  std::unique_ptr<std::uint64_t[]> bits_, foreground_, background_, line_, columns_;
};

}  // namespace rapidmask
