// Makes the tables of the taps of one axis, and what the bands need into which an interpolated image is cut.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "isa/class_bands.hpp"
#include "line_vector.hpp"

namespace rapidmask {

class AxisTable {
 public:
  AxisTable(std::int64_t in, std::int64_t out) : size_(out) {
    const auto padded = static_cast<std::size_t>(out + kTapPadding);
    first_.resize(padded);
    second_.resize(padded);
    first_weight_.resize(padded);
    second_weight_.resize(padded);
    for (std::int64_t i = 0; i < out + kTapPadding; ++i) {
      const BilinearTap tap = bilinear_tap(std::min(i, out - 1), in, out);
      const auto at = static_cast<std::size_t>(i);
      first_[at] = static_cast<std::int32_t>(tap.first);
      second_[at] = static_cast<std::int32_t>(tap.second);
      first_weight_[at] = tap.first_weight;
      second_weight_[at] = tap.second_weight;
    }
  }
  AxisTaps taps() const { return {first_.data(), second_.data(), first_weight_.data(), second_weight_.data()}; }
  // The first output whose first pixel is not before `in`.
  std::int64_t output_at(std::int64_t in) const {
    const auto end = first_.begin() + size_;
    return std::lower_bound(first_.begin(), end, in) - first_.begin();
  }

 private:
  std::int64_t size_;
  LineVector<std::int32_t> first_, second_;
  LineVector<float> first_weight_, second_weight_;
};

// How many rows of the input one band takes, at most `most`, so that it makes some `made` rows of the output.
inline std::int64_t band_rows(std::int64_t in, std::int64_t out, std::int64_t made, std::int64_t most) {
  return std::clamp<std::int64_t>((made * in + out / 2) / out, 1, most);
}

// Scratch for the bands that one thread makes.
struct BandMemory {
  LineVector<float> bounds, leading, rows, along;
  LineVector<std::int32_t> leader;
  std::vector<std::int32_t> possible, contest;
  std::vector<std::uint32_t> columns;
  BandScratch scratch{};

  BandMemory(std::int64_t classes, std::int64_t w) {
    const std::int64_t stride = (w + 15) / 16 * 16;
    const auto each = static_cast<std::size_t>(classes), row = static_cast<std::size_t>(stride);
    bounds.resize(each * row);
    leading.resize(row);
    leader.resize(row);
    possible.resize(each + 1);
    contest.resize(each + 1);
    columns.resize(each + 1);
    rows.resize(each * static_cast<std::size_t>(kTileRows));
    along.resize(each * static_cast<std::size_t>(kAlong));
    scratch = {bounds.data(),  stride,         leading.data(), leader.data(), possible.data(),
               columns.data(), contest.data(), rows.data(),    along.data()};
  }
};

}  // namespace rapidmask
