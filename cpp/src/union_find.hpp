// Union-find over runs, for the loops of every level.
#pragma once

#include <cstdint>

#include "rapidmask/types.hpp"

namespace rapidmask {
namespace {

// After Rem: roots are the smallest runs, and both paths are spliced on the way up.
[[maybe_unused]] inline void unite(std::uint32_t* parents, std::uint32_t a, std::uint32_t b) {
  for (;;) {
    const std::uint32_t above_a = parents[a], above_b = parents[b];
    if (above_a == above_b) return;
    if (above_a < above_b) {
      parents[b] = above_a;
      if (above_b == b) return;
      b = above_b;
    } else {
      parents[a] = above_b;
      if (above_a == a) return;
      a = above_a;
    }
  }
}

}  // namespace
}  // namespace rapidmask
