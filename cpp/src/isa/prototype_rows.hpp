// The row loops of prototypes, one table per instruction level.
#pragma once

#include <cstdint>

#include "rapidmask/upsample.hpp"

namespace rapidmask {

// So many floats more than asked for are read of planes and written, at most.
inline constexpr std::int64_t kPrototypeSlack = 16;
// The rows of one call at most: with two vectors of columns each they keep the processor's adders busy.
inline constexpr std::int64_t kPrototypeRows = 2;

struct PrototypeRows {
  // Values [0, n) of the sum over k of coefficients[k] · planes[k · stride], of `rows` rows, which lie `channels` ·
  // stride apart, and as far as `to_stride` in the result. Writes whole vectors.
  void (*combine)(const float* planes, std::int64_t stride, const float* coefficients, std::int64_t channels,
                  std::int64_t rows, std::int64_t n, float* to, std::int64_t to_stride);
  // The logistic function of n values, in place.
  void (*sigmoid)(float* values, std::int64_t n);
};

const PrototypeRows& prototype_rows();

}  // namespace rapidmask
