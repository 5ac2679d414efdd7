// The row loop of prototypes, one table per instruction level.
#pragma once

#include <cstdint>

#include "rapidmask/upsample.hpp"

namespace rapidmask {

struct PrototypeRows {
  // Values [0, n) of the sum over k of coefficients[k] · planes[k · stride], through the activation. Up to
  // kPrototypePadding more are read of every plane and written.
  void (*combine)(const float* planes, std::int64_t stride, const float* coefficients, std::int64_t channels,
                  std::int64_t n, Activation activation, float* to);
};
inline constexpr std::int64_t kPrototypePadding = 64;

const PrototypeRows& prototype_rows();

}  // namespace rapidmask
