// The taps of one axis as tables, as row loops take them.
#pragma once

#include <cstdint>

#include "rapidmask/bilinear.hpp"

namespace rapidmask {

inline constexpr std::int64_t kTapPadding = 16;  // copies of the last tap behind it, for whole vectors

struct AxisTaps {
  const std::int32_t* first;
  const std::int32_t* second;
  const float* first_weight;
  const float* second_weight;

  BilinearTap tap(std::int64_t i) const { return {first[i], second[i], first_weight[i], second_weight[i]}; }
};

}  // namespace rapidmask
