// Planes of logits on a device: their types, their values as float32, and rows of the output that share theirs.
#pragma once

#include "port.cuh"
#include "rapidmask/bilinear.hpp"
#include "rapidmask/portable_expf.hpp"
#include "rapidmask/types.hpp"
#include "tiles.cuh"

namespace rapidmask::cuda {

template <class T>
inline constexpr bool kIsLogit = std::is_same_v<T, Half> || std::is_same_v<T, BFloat16> || std::is_same_v<T, float>;

template <class Visitor>
void visit_logits(DType dtype, const Visitor& visit) {
  visit_dtype(dtype, [&](auto type) {
    if constexpr (kIsLogit<typename decltype(type)::type>) visit(type);
  });
}

__device__ __forceinline__ float as_float(float x) { return x; }
__device__ __forceinline__ float as_float(Half x) { return to_float(x); }
__device__ __forceinline__ float as_float(BFloat16 x) { return to_float(x); }

// One column of kRows rows of the output, for which each row of a plane is mixed once.
template <int kRows>
struct OutputColumn {
  std::int64_t w;  // of a plane
  BilinearTap across;
  BilinearTap down[kRows];

  // From row `top` on; rows behind the last are the last.
  __device__ OutputColumn(std::int64_t h, std::int64_t w_, std::int64_t out_h, std::int64_t out_w, std::int64_t x,
                          std::int64_t top)
      : w(w_), across(bilinear_tap(x, w_, out_w)) {
    for (int r = 0; r < kRows; ++r) {
      const std::int64_t y = top + r < out_h ? top + r : out_h - 1;
      down[r] = bilinear_tap(y, h, out_h);
    }
  }

  // Calls take(r, value) with the interpolated values of a plane. The branches are alike in all threads of a row.
  template <class T, class Take>
  __device__ __forceinline__ void for_each(const T* plane, const Take& take) const {
    const auto along = [&](std::int64_t row) {
      const T* from = plane + row * w;
      return bilinear_mix(across, as_float(from[across.first]), as_float(from[across.second]));
    };
    std::int64_t first = -1, second = -1;
    float above = 0, below = 0;
    for (int r = 0; r < kRows; ++r) {
      if (down[r].first != first) above = down[r].first == second ? below : along(down[r].first);
      first = down[r].first;
      if (down[r].second != second) below = down[r].second == first ? above : along(down[r].second);
      second = down[r].second;
      take(r, bilinear_mix(down[r], above, below));
    }
  }
};

template <class T>
__global__ void mask_probabilities_kernel(const T* logits, std::int64_t size, float* probabilities) {
  for (std::int64_t i = first_thread(); i < size; i += thread_stride()) {
    probabilities[i] = portable_sigmoid(as_float(logits[i]));
  }
}

}  // namespace rapidmask::cuda
