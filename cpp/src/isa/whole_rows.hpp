// Resampling of rows of which little is known, for finite limits: an input row is mixed along whole, once for all
// output rows that it is part of, and output rows are mixed across and compared by words.
//
// Only for sources that are compiled once per level: everything is in an anonymous namespace.
#pragma once

#include "isa/fourfold_rows.hpp"
#include "isa/mixed_rows.hpp"
#include "isa/resample_rows.hpp"

namespace rapidmask {
namespace {

// Blocks with the same indices one after the other, which stay in registers: loads are what this waits for. Takes
// `columns` by value: through a reference, the compiler would load its pointers again after each store.
template <bool kInWindow>
void mix_along_as(const ColumnBlocks columns, std::int64_t first, std::int64_t last, const float* from, float* to) {
  std::int64_t places = columns.places[first], weighed = columns.weighed[first];
  Mixture mixture(columns.indices + places, columns.weights + weighed);
  for (std::int64_t head = first; head < first + columns.period; ++head) {
    for (std::int64_t block = head; block < last; block += columns.period) {
      if (columns.places[block] != places) {
        places = columns.places[block];
        mixture.choose(columns.indices + places);
      }
      if (columns.weighed[block] != weighed) {
        weighed = columns.weighed[block];
        mixture.weigh(columns.weights + weighed);
      }
      store_block(to + block * kBlock, without_nan(mixture.of<kInWindow>(from + columns.window[block])));
    }
  }
}

// Blocks [first, last) of a row of columns, without NaN.
inline void mix_along(const ColumnBlocks& columns, std::int64_t first, std::int64_t last, const float* from,
                      float* to) {
  if (columns.in_window) return mix_along_as<true>(columns, first, last, from, to);
  mix_along_as<false>(columns, first, last, from, to);
}

// The rows that output rows mix, one after the other.
class WholeRows {
 public:
  WholeRows(const ResamplePlanView& plan, const ResampleTask& task)
      : plan_(plan),
        task_(task),
        stride_(plan.row_floats),
        inputs_{{task.rows, task.rows + stride_}, {-1, -1}},
        middles_{{task.rows + 2 * stride_, task.rows + 3 * stride_}, {-1, -1}},
        middle_(task.rows + (plan.row_count() - 1) * stride_),
        first_(task.x_begin / kBlock),
        last_((task.x_end + kBlock - 1) / kBlock),
        first_input_(first_),
        last_input_(last_) {
    if (!plan.twice) return;
    first_middle_ = plan.to_out.begin[first_] + plan.first_middle;
    last_middle_ = plan.to_out.end[last_ - 1] + plan.first_middle;
    first_input_ = first_middle_ / kBlock;
    last_input_ = (last_middle_ + kBlock - 1) / kBlock;
  }

  // How the values of rows lie.
  bool fourfold() const { return kHasFourfold && plan_.fourfold; }

  // The two rows that an output row of a band mixes.
  struct Two {
    const float *first, *second;
  };
  Two mixed_by(const RowBand& band, const RowTap& tap) {
    if (plan_.twice) return {middle(band, tap.first, tap.second), middle(band, tap.second, tap.first)};
    return {input(band, tap.first, tap.second), input(band, tap.second, tap.first)};
  }

 private:
  // Rows of the band by their places, of which row `other` stays.
  const float* input(const RowBand& band, std::int32_t place, std::int32_t other) {
    const std::int64_t number = band.inputs[place];
    return row_of(inputs_, number, band.inputs[other], [&](float* to) {
      const float* from = task_.input + number * task_.stride;
      prefetch(from + 2 * task_.stride);
      if (fourfold()) {
        const std::int64_t first = task_.x_begin / 64, last = (task_.x_end + 63) / 64;
        return mix_fourfold(from, plan_.out_columns / 4, first, last, to);
      }
      const ColumnBlocks& columns = plan_.twice ? plan_.to_middle : plan_.columns;
      mix_along(columns, first_input_, last_input_, from, to);
    });
  }
  // A row comes from memory while those before it are mixed.
  void prefetch(const float* row) const {
    const ColumnBlocks& columns = plan_.twice ? plan_.to_middle : plan_.columns;
    for (std::int64_t x = columns.begin[first_input_]; x < columns.end[last_input_ - 1]; x += 16) {
      __builtin_prefetch(row + x);
    }
  }
  const float* middle(const RowBand& band, std::int32_t place, std::int32_t other) {
    const std::int64_t* numbers = plan_.middle_rows + band.middle_begin;
    return row_of(middles_, numbers[place], numbers[other], [&](float* to) {
      const RowTap& tap = plan_.middles[band.middle_begin + place];
      const float* first = input(band, tap.first, tap.second);
      if (tap.second_weight != 0) {
        const float* second = input(band, tap.second, tap.first);
        mix_across(first, second, tap.first_weight, tap.second_weight, first_middle_, last_middle_, middle_);
        first = middle_;
      }
      mix_along(plan_.to_out, first_, last_, first + plan_.first_middle, to);
    });
  }

  const ResamplePlanView& plan_;
  const ResampleTask& task_;
  std::int64_t stride_;
  RowPair inputs_, middles_;
  float* middle_;                          // a row between the two resizings, before it is mixed along
  std::int64_t first_, last_;              // blocks of output columns
  std::int64_t first_input_, last_input_;  // blocks of columns that inputs are mixed to
  std::int64_t first_middle_ = 0, last_middle_ = 0;
};

}  // namespace
}  // namespace rapidmask
