// An exponential with the same bits on every machine.
#pragma once

#include <cstdint>

#include "rapidmask/portable.hpp"

namespace rapidmask {
namespace detail {

RM_HOST_DEVICE double power_of_two(std::int64_t exponent) {  // from 2^-1022 to 2^1023
  const std::uint64_t bits = static_cast<std::uint64_t>(exponent + 1023) << 52;
  double value;
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}

}  // namespace detail

// e^x within one unit in the last place, since C libraries and CUDA differ in the last bit; exactly 1 at 0. With x =
// k·log 2 + r, |r| <= log(2) / 2, it is 2^k times the series of e^r up to r^13. About 35 operations, none fused.
RM_HOST_DEVICE double portable_exp(double x) {
  if (x != x) return x;
  if (x > 709.79) return __builtin_huge_val();
  if (x < -745.14) return 0;
  const double scaled = x * 0x1.71547652b82fep+0;  // x / log 2
  const auto k = static_cast<std::int64_t>(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
  const auto whole = static_cast<double>(k);
  // log 2 in two parts, the first an exact multiple of 2^-42, so that its product with k is exact.
  const double r = (x - whole * 0x1.62e42fefa3800p-1) - whole * 0x1.ef35793c76730p-45;
  constexpr double kInverseFactorials[] = {1.0 / 2,       1.0 / 6,        1.0 / 24,        1.0 / 120,
                                           1.0 / 720,     1.0 / 5040,     1.0 / 40320,     1.0 / 362880,
                                           1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800};
  double series = kInverseFactorials[11];
  for (int i = 10; i >= 0; --i) series = series * r + kInverseFactorials[i];
  const double power = 1 + (r + r * r * series);
  const std::int64_t half = k / 2;  // two factors, since 2^k itself may be no number
  return power * detail::power_of_two(half) * detail::power_of_two(k - half);
}

}  // namespace rapidmask
