// How kernels that treat every pixel or every word alike are spread over a grid.
//
// Grids are one-dimensional and bounded; threads stride over what is left, with 64-bit indices, so that no batch is too
// large for a launch.
#pragma once

#include <cstdint>

#include "port.cuh"

namespace rapidmask::cuda {

inline constexpr int kThreads = 256;
inline constexpr std::int64_t kMaxBlocks = 1 << 16;  // many waves on any device; the rest by striding

inline int bounded_grid(std::int64_t blocks) { return static_cast<int>(blocks < kMaxBlocks ? blocks : kMaxBlocks); }
inline int grid_of_threads(std::int64_t items) { return bounded_grid((items + kThreads - 1) / kThreads); }
inline int grid_of_warps(std::int64_t items) { return grid_of_threads(items * kWarpSize); }

__device__ __forceinline__ std::int64_t first_thread() {
  return static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
}
__device__ __forceinline__ std::int64_t thread_stride() { return static_cast<std::int64_t>(gridDim.x) * kThreads; }
__device__ __forceinline__ std::int64_t first_warp() { return first_thread() / kWarpSize; }
__device__ __forceinline__ std::int64_t warp_stride() { return thread_stride() / kWarpSize; }

}  // namespace rapidmask::cuda
