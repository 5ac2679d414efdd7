// One interpolated value of a plane, from the values around it.
#pragma once

#include <cstdint>
#include <type_traits>

#include "rapidmask/bilinear.hpp"
#include "rapidmask/types.hpp"

namespace rapidmask {

// The interpolated value of a plane of w columns.
template <class T>
RM_HOST_DEVICE float bilinear_value(const T* plane, std::int64_t w, const BilinearTap& y, const BilinearTap& x) {
  const auto at = [&](std::int64_t row, std::int64_t column) {
    if constexpr (std::is_same_v<T, float>) {
      return plane[row * w + column];
    } else {
      return to_float(plane[row * w + column]);
    }
  };
  const float first = bilinear_mix(x, at(y.first, x.first), at(y.first, x.second));
  if (y.second_weight == 0) return first;
  return bilinear_mix(y, first, bilinear_mix(x, at(y.second, x.first), at(y.second, x.second)));
}

}  // namespace rapidmask
