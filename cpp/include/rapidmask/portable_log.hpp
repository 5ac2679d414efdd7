// A natural logarithm with the same bits on every machine.
#pragma once

#include <cstdint>

#include "rapidmask/portable.hpp"

namespace rapidmask {
namespace detail {

RM_HOST_DEVICE double exact_fma(double a, double b, double c) {
#if defined(__CUDA_ARCH__)
  return ::fma(a, b, c);
#else
  return __builtin_fma(a, b, c);
#endif
}

// A number as an unevaluated sum, |low| at most half a unit in the last place of high.
struct TwoDoubles {
  double high, low;
};

RM_HOST_DEVICE TwoDoubles fast_two_sum(double large, double small) {
  const double high = large + small;
  return {high, small - (high - large)};
}

RM_HOST_DEVICE TwoDoubles add(TwoDoubles a, TwoDoubles b) {  // |a| >= |b|
  const TwoDoubles sum = fast_two_sum(a.high, b.high);
  return fast_two_sum(sum.high, sum.low + (a.low + b.low));
}

RM_HOST_DEVICE TwoDoubles multiply(TwoDoubles a, TwoDoubles b) {
  const double high = a.high * b.high;
  const double low = exact_fma(a.high, b.high, -high) + (a.high * b.low + a.low * b.high);
  return fast_two_sum(high, low);
}

}  // namespace detail

// The natural logarithm, rounded correctly but for some 1 in 10^5 arguments, since C libraries and CUDA differ in the
// last bit. x = 2^e · m with m in [√½, √2); log m = 2 artanh s with s = (m − 1) / (m + 1), a series in z = s² < 0.03
// whose first terms are added in pairs of doubles. About 60 operations.
RM_HOST_DEVICE double portable_log(double x) {
  constexpr double kInfinity = __builtin_huge_val();
  if (!(x > 0)) return x == 0 ? -kInfinity : kInfinity - kInfinity;
  if (x == kInfinity) return x;
  std::int64_t exponent = 0;
  if (x < 0x1p-1022) {
    x *= 0x1p54;
    exponent = -54;
  }
  std::uint64_t bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  exponent += static_cast<std::int64_t>(bits >> 52) - 1023;
  bits = (bits & 0x000fffffffffffffu) | 0x3ff0000000000000u;
  double m;
  __builtin_memcpy(&m, &bits, sizeof m);
  if (m > 0x1.6a09e667f3bcdp+0) {
    m *= 0.5;
    exponent += 1;
  }
  using detail::TwoDoubles;
  const double numerator = m - 1;
  const TwoDoubles denominator = detail::fast_two_sum(1.0, m);
  const double quotient = numerator / denominator.high;
  const double rest = detail::exact_fma(-quotient, denominator.high, numerator) - quotient * denominator.low;
  const TwoDoubles s = detail::fast_two_sum(quotient, rest / denominator.high);
  const TwoDoubles z = detail::multiply(s, s);
  double tail = 0;  // 1/7 + z/9 + … + z^11/29
  for (int k = 29; k >= 7; k -= 2) tail = tail * z.high + 1.0 / k;
  constexpr TwoDoubles kThird = {0x1.5555555555555p-2, 0x1.5555555555555p-56};
  constexpr TwoDoubles kFifth = {0x1.999999999999ap-3, -0x1.999999999999ap-57};
  constexpr TwoDoubles kLog2 = {0x1.62e42fefa3800p-1, 0x1.ef35793c76730p-45};  // high: an exact multiple of 2^-42
  const TwoDoubles fifth = detail::add(kFifth, detail::fast_two_sum(z.high * tail, 0.0));
  const TwoDoubles third = detail::add(kThird, detail::multiply(z, fifth));
  const TwoDoubles series = detail::add({1.0, 0.0}, detail::multiply(z, third));
  const TwoDoubles half_log = detail::multiply(s, series);
  const double e = static_cast<double>(exponent);
  const TwoDoubles log_m = {2 * half_log.high, 2 * half_log.low};
  if (exponent == 0) return log_m.high + log_m.low;
  const TwoDoubles sum = detail::fast_two_sum(e * kLog2.high, log_m.high);
  return sum.high + (sum.low + (log_m.low + e * kLog2.low));
}

}  // namespace rapidmask
