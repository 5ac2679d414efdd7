#include "resample_plan.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

namespace rapidmask {
namespace {

// The places of values in a short list, which keeps the order in which they came.
template <std::size_t kCount>
struct ShortList {
  std::array<std::int64_t, kCount> values;
  std::int32_t count = 0;

  std::int64_t& operator[](std::int32_t i) { return values[static_cast<std::size_t>(i)]; }

  std::int32_t place(std::int64_t value) {
    for (std::int32_t i = 0; i < count; ++i) {
      if (values[static_cast<std::size_t>(i)] == value) return i;
    }
    values[static_cast<std::size_t>(count)] = value;
    return count++;
  }
};

using Inputs = ShortList<kMaxBandInputs>;

void add_inputs(const BilinearTap& tap, Inputs& inputs) {
  inputs.place(tap.first);
  if (tap.second_weight != 0) inputs.place(tap.second);
}

// The input rows of one output row, in ascending order.
Inputs inputs_of(const ResizeTap& tap) {
  Inputs inputs;
  add_inputs(tap.inputs[0], inputs);
  if (tap.middle.second_weight != 0) add_inputs(tap.inputs[1], inputs);
  for (std::int32_t i = 1; i < inputs.count; ++i) {
    for (std::int32_t k = i; k > 0 && inputs[k] < inputs[k - 1]; --k) std::swap(inputs[k], inputs[k - 1]);
  }
  return inputs;
}

// Whether a row joins a band of so many rows, whose inputs then are those of both. Rows that are resized twice mix two
// or three inputs by turns: bands of one kind would be short and mix the same inputs again and again (51 instead of 39
// µs for one of SAM's masks).
bool joins(const Inputs& needed, std::int64_t rows, bool twice, Inputs& inputs) {
  constexpr std::int64_t kMostRows = 8;
  constexpr std::int32_t kMostInputs = 3;
  Inputs added;
  for (std::int32_t i = 0; i < needed.count; ++i) {
    const std::int64_t value = needed.values[static_cast<std::size_t>(i)];
    const auto end = inputs.values.begin() + inputs.count;
    if (std::find(inputs.values.begin(), end, value) == end) added.place(value);
  }
  if (rows == kMaxBandRows) return false;
  if (added.count == 0 && needed.count == inputs.count) return true;
  if (!twice || rows >= kMostRows || inputs.count + added.count > kMostInputs) return false;
  if (added.count > 0 && added[0] < inputs[inputs.count - 1]) return false;  // inputs ascend
  for (std::int32_t i = 0; i < added.count; ++i) inputs.place(added[i]);
  return true;
}

// Columns whose positions are exact in float32 if they are enlarged fourfold.
constexpr std::int64_t kMostFourfold = 1 << 22;

// As many patterns of indices as a resizing by 5 / 4 takes by turns.
constexpr std::ptrdiff_t kPlaces = 5;

// Where a list is in the last of equally long ones, to which it is added if it is not there.
template <class T>
std::int64_t place_of(const std::vector<T>& list, LineVector<T>& lists) {
  const std::ptrdiff_t size = std::ssize(list), end = std::ssize(lists);
  for (std::ptrdiff_t place = end - size; place >= std::max<std::ptrdiff_t>(0, end - kPlaces * size); place -= size) {
    if (std::equal(list.begin(), list.end(), lists.begin() + place)) return place;
  }
  lists.insert(lists.end(), list.begin(), list.end());
  return end;
}

bool keeps_order(const BilinearTap& tap) { return tap.first_weight > 0; }

}  // namespace

SureBounds sure_bounds(const Foreground& foreground, bool with_stability) {
  const double low =
      with_stability ? std::min({foreground.threshold, foreground.high, foreground.low}) : foreground.threshold;
  const double high =
      with_stability ? std::max({foreground.threshold, foreground.high, foreground.low}) : foreground.threshold;
  if (!std::isfinite(low) || !std::isfinite(high)) return {false, 0, 0};
  constexpr double kRelative = 0x1p-18, kAbsolute = 0x1p-130;
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const double above = high + std::abs(high) * kRelative + kAbsolute;
  const double below = low - std::abs(low) * kRelative - kAbsolute;
  SureBounds bounds{true, std::nextafter(static_cast<float>(above), kInfinity),
                    std::nextafter(static_cast<float>(below), -kInfinity)};
  // No sum of products of like signs has another, so that 0 needs no margin on its own side.
  if (low == 0 && foreground.strict) bounds.background = 0;
  if (high == 0 && !foreground.strict) bounds.foreground = -std::numeric_limits<float>::denorm_min();
  return bounds;
}

ColumnTable::ColumnTable(const ResizeAxis& axis, bool twice, std::int64_t block) {
  const std::int64_t blocks = (axis.out + block - 1) / block;
  const auto at = [](std::int64_t i) { return static_cast<std::size_t>(i); };
  std::vector<std::int32_t> indices(at((twice ? 4 : 2) * block));
  std::vector<float> weights(at((twice ? 3 : 1) * block));
  for (std::int64_t b = 0; b < blocks; ++b) {
    std::int64_t begin = axis.in, end = 0;
    const auto use = [&](std::int64_t place, std::int64_t lane, const BilinearTap& tap) {
      const std::int64_t second = tap.second_weight != 0 ? tap.second : tap.first;
      indices[at(2 * place * block + lane)] = static_cast<std::int32_t>(tap.first);
      indices[at((2 * place + 1) * block + lane)] = static_cast<std::int32_t>(second);
      weights[at(place * block + lane)] = tap.second_weight;
      begin = std::min({begin, tap.first, second});
      end = std::max({end, tap.first + 1, second + 1});
      sound_ = sound_ && keeps_order(tap);
    };
    for (std::int64_t lane = 0; lane < block; ++lane) {
      const ResizeTap tap = resize_tap(std::min(b * block + lane, axis.out - 1), axis);
      if (twice) {
        const bool mixed = tap.middle.second_weight != 0;
        use(0, lane, tap.inputs[0]);
        use(1, lane, mixed ? tap.inputs[1] : tap.inputs[0]);
        weights[at(2 * block + lane)] = tap.middle.second_weight;
        sound_ = sound_ && keeps_order(tap.middle);
      } else {
        use(0, lane, tap.middle);
      }
    }
    // A vector from the window ends with the row at the latest.
    const std::int64_t window = std::max<std::int64_t>(0, std::min(begin, axis.in - block));
    in_window_ = in_window_ && end - window <= block;
    begin_.push_back(static_cast<std::int32_t>(begin));
    end_.push_back(static_cast<std::int32_t>(end));
    for (std::int32_t& index : indices) index -= static_cast<std::int32_t>(window);
    window_.push_back(static_cast<std::int32_t>(window));
    places_.push_back(place_of(indices, indices_));
    weighed_.push_back(place_of(weights, weights_));
  }
  std::ptrdiff_t most = 0;
  for (std::ptrdiff_t period = 1; period <= kPlaces && period < std::ssize(places_); ++period) {
    std::ptrdiff_t same = 0;
    for (auto place = places_.begin(); place + period != places_.end(); ++place) same += *place == place[period];
    if (same <= most) continue;
    most = same;
    period_ = period;
  }
  for (std::int64_t i = 0; i < block; ++i) {  // the row loops load whole vectors of these
    begin_.push_back(begin_.back());
    end_.push_back(end_.back());
  }
}

ColumnBlocks ColumnTable::view() const {
  return {window_.data(),  begin_.data(),   end_.data(), places_.data(), weighed_.data(),
          indices_.data(), weights_.data(), in_window_,  period_};
}

ResamplePlan::ResamplePlan(const ResizeAxis& rows, const ResizeAxis& columns, std::int64_t block)
    : twice_(!rows.once() || !columns.once()),
      fourfold_(!twice_ && columns.kept == columns.in && columns.out == 4 * columns.in && columns.out <= kMostFourfold),
      block_(block),
      out_columns_(columns.out),
      first_middle_(columns.first),
      row_floats_((std::max(columns.out, columns.middle) + 63) / 64 * 64 + kRowPadding) {
  if (rows.out == 0 || columns.out == 0) return;
  columns_ = ColumnTable(columns, twice_, block);
  if (twice_) {
    to_middle_ = ColumnTable({columns.in, columns.in, 0, columns.in, columns.middle}, false, block);
    to_out_ = ColumnTable({columns.kept, columns.kept, 0, columns.kept, columns.out}, false, block);
  }
  sound_ = columns_.sound();
  add_rows(rows);
}

void ResamplePlan::add_rows(const ResizeAxis& axis) {
  Inputs inputs;
  ShortList<kMaxBandMiddles> middles;
  const auto in_list = [](auto& list, const BilinearTap& tap) {
    const std::int32_t first = list.place(tap.first);
    return RowTap{first, tap.second_weight != 0 ? list.place(tap.second) : first, tap.first_weight, tap.second_weight};
  };
  rows_.reserve(static_cast<std::size_t>(axis.out));
  band_of_.reserve(static_cast<std::size_t>(axis.out));
  for (std::int64_t y = 0; y < axis.out; ++y) {
    const ResizeTap tap = resize_tap(y, axis);
    sound_ = sound_ && keeps_order(tap.middle) && keeps_order(tap.inputs[0]) && keeps_order(tap.inputs[1]);
    const Inputs needed = inputs_of(tap);
    if (bands_.empty() || !joins(needed, y - bands_.back().begin, twice_, inputs)) {
      inputs = needed;
      middles = {};
      bands_.push_back({y, y, {}, 0, inputs.count == 2, static_cast<std::int32_t>(middles_.size()), 0});
    }
    RowBand& band = bands_.back();
    band.end = y + 1;
    band.input_count = inputs.count;
    std::copy_n(inputs.values.begin(), inputs.count, band.inputs);
    band_of_.push_back(static_cast<std::int32_t>(bands_.size() - 1));
    if (!twice_) {
      rows_.push_back(in_list(inputs, tap.middle));
      const RowTap& row = rows_.back();
      band.plain = band.plain && row.first == 0 && row.second == 1 && row.second_weight != 0;
      continue;
    }
    const std::int32_t known = middles.count;
    rows_.push_back(in_list(middles, tap.middle));
    for (std::int32_t i = known; i < middles.count; ++i) {
      const bool first = middles[i] == tap.middle.first;
      middles_.push_back(in_list(inputs, tap.inputs[first ? 0 : 1]));
      middle_rows_.push_back(middles[i]);
      ++band.middle_count;
    }
  }
}

ResamplePlanView ResamplePlan::view() const {
  return {columns_.view(),
          to_middle_.view(),
          to_out_.view(),
          first_middle_,
          out_columns_,
          bands_.data(),
          middles_.data(),
          middle_rows_.data(),
          rows_.data(),
          twice_,
          !twice_ || to_middle_.in_window(),  // else a block of middle columns may have inputs that nobody asked for
          fourfold_,
          row_floats_};
}

ResamplePlan::Range ResamplePlan::input_rows(std::int64_t band_begin, std::int64_t band_end) const {
  Range range{std::numeric_limits<std::int64_t>::max(), 0};
  for (std::int64_t b = band_begin; b < band_end; ++b) {
    const RowBand& band = bands_[static_cast<std::size_t>(b)];
    range.begin = std::min(range.begin, band.inputs[0]);
    range.end = std::max(range.end, band.inputs[band.input_count - 1] + 1);
  }
  return range;
}

ResamplePlan::Range ResamplePlan::input_columns(std::int64_t x_begin, std::int64_t x_end) const {
  return {columns_.begin(x_begin / block_), columns_.end((x_end - 1) / block_ + 1)};
}

ResampleScratch::ResampleScratch(const ResamplePlan& plan, const ResamplePlanView& view, std::int64_t rows,
                                 std::int64_t columns, bool copied)
    : stride_(columns + kRowPadding), words_((plan.blocks() + 63) / 64), bit_words_((columns + 63) / 64 + 16) {
  const auto words = [](std::int64_t count) {
    return std::make_unique<std::uint64_t[]>(static_cast<std::size_t>(count));
  };
  const std::int64_t line = (view.out_columns + 63) / 64;
  if (copied) values_ = std::make_unique<float[]>(static_cast<std::size_t>(rows * stride_ + 2 * kRowPadding));
  bits_ = words(2 * bit_words_);
  foreground_ = words(rows * words_);
  background_ = words(rows * words_);
  line_ = words((kMaxBandRows + 1) * line + kLineSlack);
  rows_.resize(static_cast<std::size_t>(view.row_count() * view.row_floats));
  columns_ = words(line);
}

// Of how many blocks [first, last) the same is sure in a row as in the one before it.
std::int64_t ResampleScratch::agreeing_blocks(std::int64_t row, std::int64_t first, std::int64_t last) const {
  std::int64_t count = 0;
  for (std::int64_t k = first / 64; 64 * k < last; ++k) {
    const std::uint64_t *foreground = foreground_.get() + row * words_ + k,
                        *background = background_.get() + row * words_ + k;
    count += std::popcount((*foreground & foreground[-words_]) | (*background & background[-words_]));
  }
  return count;
}

void ResampleScratch::find_sure(const ResamplePlanView& view, const SureBounds& bounds, const float* input,
                                std::int64_t stride, std::int64_t begin, std::int64_t end, std::int64_t x_begin,
                                std::int64_t x_end) {
  const ResampleRows& loops = resample_rows();
  if (!bounds.any) {
    std::fill_n(foreground_.get(), (end - begin) * words_, 0);
    std::fill_n(background_.get(), (end - begin) * words_, 0);
    return;
  }
  const std::int64_t first = x_begin / loops.block, last = (x_end + loops.block - 1) / loops.block;
  std::uint64_t* foreground = foreground_.get();
  std::uint64_t* background = background_.get();
  const auto find = [&](std::int64_t y) {
    loops.sure_blocks(input + y * stride, bounds, view.columns, first, last, bits_.get(), bit_words_,
                      foreground + (y - begin) * words_, background + (y - begin) * words_);
  };
  // Where little is sure of two rows, as in noise, nothing is asked of those that follow.
  constexpr std::int64_t kRows = 16;
  for (std::int64_t y = begin; y < end; ++y) {
    find(y);
    if ((y - begin) % kRows != 1) continue;
    if (2 * agreeing_blocks(y - begin, first, last) > last - first) continue;
    const std::int64_t stop = std::min(end, y + kRows - 1);
    std::fill(foreground + (y + 1 - begin) * words_, foreground + (stop - begin) * words_, 0);
    std::fill(background + (y + 1 - begin) * words_, background + (stop - begin) * words_, 0);
    y = stop - 1;
  }
}

}  // namespace rapidmask
