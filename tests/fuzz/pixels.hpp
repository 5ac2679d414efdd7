// Pixels of any type for the harnesses of thresholds, and what they are as real numbers.
#pragma once

#include "input.hpp"

namespace rapidmask::fuzz {

// Holds every number of every type, 64-bit integers included.
template <class T>
long double real(T x) {
  if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) {
    return to_float(x);
  } else {
    return x;
  }
}
static_assert(std::numeric_limits<long double>::digits >= 64);

inline bool above(long double x, long double value, bool strict) { return strict ? x > value : x >= value; }

// Numbers of an integer type near the ends of its range, or few; else floats.
template <class T>
Array<T> any_values(Input& input, std::int64_t count, std::int64_t w) {
  if constexpr (std::is_integral_v<T>) {
    const auto kind = input.below(4);
    if (kind != 0) {
      Array<T> result(count);
      Noise noise(input);
      const std::int64_t distinct = input.between(1, 300);
      const auto offset =
          static_cast<T>(input.pick<std::int64_t>({0, -1, -3, std::numeric_limits<std::int64_t>::min()}));
      for (T& x : result)
        x = kind == 1 ? static_cast<T>(noise.next()) : static_cast<T>(offset + static_cast<T>(noise.below(distinct)));
      return result;
    }
  }
  return values<T>(input, count, w);
}

}  // namespace rapidmask::fuzz
