// The exponential and the logistic function in float32, with the same bits on every machine.
//
// Without branches and without a call of the C library, so that a compiler turns a loop over them into vectors: the
// bits are then those of one number after the other.
#pragma once

#include <cstdint>

#include "rapidmask/types.hpp"

namespace rapidmask {
namespace detail {

RM_HOST_DEVICE std::uint32_t bits_of(float x) {
  std::uint32_t bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  return bits;
}

RM_HOST_DEVICE float float_power_of_two(std::int32_t exponent) {  // from 2^-126 to 2^127
  return float_from_bits(static_cast<std::uint32_t>(exponent + 127) << 23);
}

}  // namespace detail

// e^x within 1.1 units in the last place (`portable_exp` of a double is the same for float64); exactly 1 at 0, infinite
// above 88.7228, 0 below -103.9721, NaN of NaN. With x = k·log 2 + r, |r| <= log(2) / 2, it is 2^k times the series of
// e^r up to r^7. About 25 operations, none fused.
RM_HOST_DEVICE float portable_exp(float x) {
  // Beyond ±105 the result is 0 or infinite, and 2^k would be none. As integers, since comparisons of floats make
  // compilers write branches, which they do not turn into vectors.
  const std::uint32_t bits = detail::bits_of(x);
  constexpr std::uint32_t kSign = 0x80000000u, kInfinity = 0x7f800000u, kLimit = 0x42d20000u;  // 105
  const std::uint32_t magnitude = bits & ~kSign;
  const float bounded = detail::float_from_bits((bits & kSign) | (magnitude < kLimit ? magnitude : kLimit));
  // Adding 1.5·2^23 rounds to an integer, which then is the lowest bits.
  constexpr float kRounder = 12582912.0f;
  const float shifted = bounded * 0x1.715476p+0f + kRounder;  // x / log 2
  const float whole = shifted - kRounder;
  const auto k = static_cast<std::int32_t>(detail::bits_of(shifted) - detail::bits_of(kRounder));
  // log 2 in two parts, the first of 9 bits, so that its product with k is exact.
  const float r = (bounded - whole * 0x1.63p-1f) - whole * -0x1.bd0106p-13f;
  float series = 1.0f / 5040;
  series = series * r + 1.0f / 720;
  series = series * r + 1.0f / 120;
  series = series * r + 1.0f / 24;
  series = series * r + 1.0f / 6;
  series = series * r + 0.5f;
  const float power = 1.0f + (r + r * r * series);
  const std::int32_t half = k >> 1;  // two factors, since 2^k itself may be no number
  const float result = power * detail::float_power_of_two(half) * detail::float_power_of_two(k - half);
  const std::uint32_t nan = magnitude > kInfinity ? ~0u : 0u;
  return detail::float_from_bits(detail::bits_of(result) | nan);
}

// 1 / (1 + e^-x), within 2.5 units in the last place; 0 below -88.7228.
RM_HOST_DEVICE float portable_sigmoid(float x) { return 1.0f / (1.0f + portable_exp(-x)); }

}  // namespace rapidmask
