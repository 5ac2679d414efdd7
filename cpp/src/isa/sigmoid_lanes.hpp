// The logistic function of vectors of float32, with the bits of portable_sigmoid.
//
// Only for sources that are compiled once per level: everything is in an anonymous namespace.
#pragma once

#include "isa/float_lanes.hpp"
#include "rapidmask/portable_expf.hpp"

namespace rapidmask {
namespace {

// The steps of portable_exp(-x), but for powers of two that are no normal numbers: below e^-87 the sum with 1 is 1, and
// above e^89 the quotient is 0. All vectors take each step together, since each waits for the one before.
template <int n>
inline void activate_vectors(Floats (&x)[n]) {
  Floats shifted[n], r[n], series[n];
  const auto each = [](const auto& step) {
#pragma GCC unroll 4
    for (int i = 0; i < n; ++i) step(i);
  };
  constexpr float kRounder = 12582912;  // 1.5·2^23, whose lowest 9 bits are zero
  each([&](int i) { r[i] = greater(lesser(-x[i], splat_float(89)), splat_float(-87)); });
  each([&](int i) { shifted[i] = r[i] * 0x1.715476p+0f + kRounder; });
  each([&](int i) {
    const Floats whole = shifted[i] - kRounder;
    r[i] = (r[i] - whole * 0x1.63p-1f) - whole * -0x1.bd0106p-13f;
  });
  each([&](int i) { series[i] = r[i] * (1.0f / 5040) + 1.0f / 720; });
  each([&](int i) { series[i] = series[i] * r[i] + 1.0f / 120; });
  each([&](int i) { series[i] = series[i] * r[i] + 1.0f / 24; });
  each([&](int i) { series[i] = series[i] * r[i] + 1.0f / 6; });
  each([&](int i) { series[i] = series[i] * r[i] + 0.5f; });
  each([&](int i) { series[i] = 1.0f + (r[i] + r[i] * r[i] * series[i]); });
  each([&](int i) {
    const Ints infinity = splat_int(0x7f800000), scaled = (Ints)series[i] + ((Ints)shifted[i] << 23);
    const Ints finite = scaled < infinity ? scaled : infinity;
    x[i] = 1.0f / (1.0f + (Floats)choose(at_least(x[i], x[i]), finite, splat_int(-1)));  // NaN of NaN
  });
}
inline Floats sigmoid_of(Floats x) {
  Floats one[] = {x};
  activate_vectors(one);
  return one[0];
}

// portable_sigmoid of `count` numbers, which may be where the results go.
template <class T>
inline void activate_values(const T* from, std::int64_t count, float* to) {
  constexpr int kVectors = 4;
  std::int64_t i = 0;
  for (; i + kVectors * kFloats <= count; i += kVectors * kFloats) {
    Floats x[kVectors];
    for (int v = 0; v < kVectors; ++v) x[v] = load_floats(from + i + v * kFloats);
    activate_vectors(x);
    for (int v = 0; v < kVectors; ++v) store_floats(to + i + v * kFloats, x[v]);
  }
  for (; i + kFloats <= count; i += kFloats) store_floats(to + i, sigmoid_of(load_floats(from + i)));
  for (; i < count; ++i) to[i] = portable_sigmoid(as_float(from[i]));
}

}  // namespace
}  // namespace rapidmask
