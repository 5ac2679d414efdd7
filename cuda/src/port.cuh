// What every kernel file includes: one source that nvcc compiles for a GPU and g++ (with RM_EMULATE) for the emulator.
//
// Rules that keep a kernel valid on both, and its faults visible:
//   - launch with RM_LAUNCH, take dynamic shared memory with RM_DYNAMIC_SHARED, never `extern __shared__`;
//   - every location that threads race on goes through ld_relaxed, st_relaxed or an atomic;
//   - a warp collective is executed by all lanes of its mask, none of which has returned; a barrier by all threads;
//   - no __activemask, no cooperative groups, no reliance on lanes running in step: __syncwarp() orders memory within
//     a warp, votes and shuffles do not;
//   - inline assembly stays in leaf functions with an emulated twin;
//   - explicit fmaf / fma where a product feeds a sum, so that CPU, emulator and GPU round alike.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "runtime.hpp"

namespace rapidmask::cuda {

inline constexpr unsigned kFullWarp = 0xffffffffu;
inline constexpr int kWarpSize = 32;
inline constexpr int kMaxBlockThreads = 1024;

// The extent of a grid or block, from a dim3 or any integer. An integer that dim3 cannot hold (negative, or beyond 32
// bits) becomes one that CUDA refuses, where plain dim3 would wrap it into a smaller launch.
struct Extent {
  dim3 value;
  Extent(dim3 extent) : value(extent) {}
  template <class Int, class = std::enable_if_t<std::is_integral_v<Int>>>
  Extent(Int x) : value(static_cast<unsigned long long>(x) < kMax ? static_cast<unsigned>(x) : kMax) {}

  bool empty() const { return value.x == 0 || value.y == 0 || value.z == 0; }

 private:
  static constexpr unsigned kMax = 0xffffffffu;
};

// Without asking, a block has 48 KiB of shared memory. The static memory of its kernel is part of it, of which a kernel
// that takes dynamic memory has at most kStaticShared (tests/test_compiled_kernels.py).
inline constexpr std::size_t kStaticShared = 2 << 10;
inline constexpr std::size_t kSharedUnasked = (48 << 10) - kStaticShared;

// The dynamic shared memory that a block may have on the current device.
inline std::size_t most_dynamic_shared() {
  int device = 0, bytes = 0;
  check(cudaGetDevice(&device), "cudaGetDevice");
  check(cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device), "cudaDeviceGetAttribute");
  const auto all = static_cast<std::size_t>(bytes);
  return all > kStaticShared ? all - kStaticShared : 0;
}

// Launches `kernel`, asynchronously on `stream`; an empty grid launches nothing. Use through RM_LAUNCH.
template <class... Params, class... Args>
void launch(const char* name, void (*kernel)(Params...), Extent grid, Extent block, std::size_t shared_bytes,
            Stream stream, Args&&... args) {
  static_assert(sizeof...(Params) == sizeof...(Args), "RM_LAUNCH: the kernel takes another number of arguments");
  if (grid.empty()) return;
  if (shared_bytes > kSharedUnasked) {
    // The same for every call: the limit is the process's, and another thread may set it before this launch.
    const auto most = static_cast<int>(most_dynamic_shared());
    check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, most), name);
  }
#ifdef RM_EMULATE
  check(emu::note("launch", name, stream), name);
  const std::tuple<Params...> params(static_cast<Params>(args)...);
  emu::launch(reinterpret_cast<const void*>(kernel), name, grid.value, block.value, shared_bytes,
              [&] { std::apply(kernel, params); });
#else
  kernel<<<grid.value, block.value, shared_bytes, stream>>>(static_cast<Params>(args)...);
#endif
  check(cudaGetLastError(), name);
}

// A load that other threads' atomics may race with: never cached in a register or L1. It is served by L2, so it belongs
// in find loops and look-backs, not in pixel reads. 32- and 64-bit integers.
template <class T>
__device__ __forceinline__ T ld_relaxed(const T* address) {
  static_assert(std::is_integral_v<T> && (sizeof(T) == 4 || sizeof(T) == 8), "ld_relaxed: 32- and 64-bit integers");
#ifdef RM_EMULATE
  return emu::ld_relaxed(address);
#else
  if constexpr (sizeof(T) == 4) {
    unsigned value;
    asm volatile("ld.relaxed.gpu.b32 %0, [%1];" : "=r"(value) : "l"(address) : "memory");
    return static_cast<T>(value);
  } else {
    unsigned long long value;
    asm volatile("ld.relaxed.gpu.b64 %0, [%1];" : "=l"(value) : "l"(address) : "memory");
    return static_cast<T>(value);
  }
#endif
}

// The store that goes with ld_relaxed, where an atomic is not needed.
template <class T>
__device__ __forceinline__ void st_relaxed(T* address, std::type_identity_t<T> value) {
  static_assert(std::is_integral_v<T> && (sizeof(T) == 4 || sizeof(T) == 8), "st_relaxed: 32- and 64-bit integers");
#ifdef RM_EMULATE
  emu::st_relaxed(address, value);
#else
  if constexpr (sizeof(T) == 4) {
    asm volatile("st.relaxed.gpu.b32 [%0], %1;" ::"l"(address), "r"(static_cast<unsigned>(value)) : "memory");
  } else {
    asm volatile("st.relaxed.gpu.b64 [%0], %1;" ::"l"(address), "l"(static_cast<unsigned long long>(value)) : "memory");
  }
#endif
}

// The same two for 32-bit integers in shared memory, which is not served by L2.
template <class T>
__device__ __forceinline__ T ld_relaxed_shared(const T* address) {
  static_assert(std::is_integral_v<T> && sizeof(T) == 4, "ld_relaxed_shared: 32-bit integers");
#ifdef RM_EMULATE
  return emu::ld_relaxed(address);
#else
  unsigned value;
  const auto offset = static_cast<unsigned>(__cvta_generic_to_shared(address));
  asm volatile("ld.relaxed.cta.shared.b32 %0, [%1];" : "=r"(value) : "r"(offset) : "memory");
  return static_cast<T>(value);
#endif
}
template <class T>
__device__ __forceinline__ void st_relaxed_shared(T* address, std::type_identity_t<T> value) {
  static_assert(std::is_integral_v<T> && sizeof(T) == 4, "st_relaxed_shared: 32-bit integers");
#ifdef RM_EMULATE
  emu::st_relaxed(address, value);
#else
  const auto offset = static_cast<unsigned>(__cvta_generic_to_shared(address));
  asm volatile("st.relaxed.cta.shared.b32 [%0], %1;" ::"r"(offset), "r"(static_cast<unsigned>(value)) : "memory");
#endif
}

// The helpers below hold for one-dimensional blocks of a multiple of 32 threads, at most 1024, with every thread of the
// warp (or block) calling. T is a 32- or 64-bit integer: the results do not depend on the order of addition.

__device__ __forceinline__ int lane_id() { return static_cast<int>(threadIdx.x % kWarpSize); }
__device__ __forceinline__ int warp_id() { return static_cast<int>(threadIdx.x / kWarpSize); }

// The sum over the warp, in every lane.
template <class T>
__device__ __forceinline__ T warp_sum(T value) {
  static_assert(std::is_integral_v<T> && (sizeof(T) == 4 || sizeof(T) == 8), "warp_sum: 32- and 64-bit integers");
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
  constexpr bool has_reduction = false;
#else
  constexpr bool has_reduction = sizeof(T) == 4;
#endif
  if constexpr (has_reduction) {
    return static_cast<T>(__reduce_add_sync(kFullWarp, value));
  } else {
    for (int offset = kWarpSize / 2; offset > 0; offset /= 2) value += __shfl_xor_sync(kFullWarp, value, offset);
    return value;
  }
}

// The sum of the values of this lane and the lanes before it.
template <class T>
__device__ __forceinline__ T warp_inclusive_scan(T value) {
  static_assert(std::is_integral_v<T> && (sizeof(T) == 4 || sizeof(T) == 8), "warp scan: 32- and 64-bit integers");
  for (int offset = 1; offset < kWarpSize; offset *= 2) {
    const T before = __shfl_up_sync(kFullWarp, value, static_cast<unsigned>(offset));
    if (lane_id() >= offset) value += before;
  }
  return value;
}

// The sum over the block, in every thread. Two barriers: shared memory written before the call is visible after it.
template <class T>
__device__ __forceinline__ T block_sum(T value) {
  __shared__ T of_warp[kMaxBlockThreads / kWarpSize];
  value = warp_sum(value);
  if (lane_id() == 0) of_warp[warp_id()] = value;
  __syncthreads();
  const int warps = static_cast<int>(blockDim.x) / kWarpSize;
  const T total = warp_sum(lane_id() < warps ? of_warp[lane_id()] : T{0});
  __syncthreads();  // the next call may write of_warp
  return total;
}

// The sum of the values of the threads before this one; `total`, the sum over the block, in every thread. Two barriers.
template <class T>
__device__ __forceinline__ T block_exclusive_scan(T value, T& total) {
  __shared__ T of_warp[kMaxBlockThreads / kWarpSize];
  const T inclusive = warp_inclusive_scan(value);
  if (lane_id() == kWarpSize - 1) of_warp[warp_id()] = inclusive;
  __syncthreads();
  const int warps = static_cast<int>(blockDim.x) / kWarpSize;
  // Every warp scans the warps' sums for itself, which costs no more than one doing it and saves a barrier.
  const T ends = warp_inclusive_scan(lane_id() < warps ? of_warp[lane_id()] : T{0});
  total = __shfl_sync(kFullWarp, ends, kWarpSize - 1);
  const T before = __shfl_sync(kFullWarp, ends, warp_id() == 0 ? 0 : warp_id() - 1);
  __syncthreads();  // the next call may write of_warp
  return (warp_id() == 0 ? T{0} : before) + inclusive - value;
}

template <class T>
__device__ __forceinline__ T block_exclusive_scan(T value) {
  T total;
  return block_exclusive_scan(value, total);
}

}  // namespace rapidmask::cuda

// RM_LAUNCH(kernel, grid, block, shared_bytes, stream, args...): throws CudaError with the kernel's name when CUDA
// refuses the launch. A kernel expression with commas goes in parentheses: RM_LAUNCH((fill_kernel<int, 4>), ...).
#define RM_LAUNCH(kernel, grid, block, shared_bytes, stream, ...) \
  ::rapidmask::cuda::launch(#kernel, kernel, grid, block, shared_bytes, stream __VA_OPT__(, ) __VA_ARGS__)

// RM_DYNAMIC_SHARED(type, name): declares `type* name`, the block's dynamic shared memory, aligned to 16 bytes.
#ifdef RM_EMULATE
#define RM_DYNAMIC_SHARED(type, name) type* name = static_cast<type*>(::rapidmask::emu::dynamic_shared())
#else
#define RM_DYNAMIC_SHARED(type, name)                                \
  extern __shared__ __align__(16) unsigned char rm_dynamic_shared[]; \
  type* name = reinterpret_cast<type*>(rm_dynamic_shared)
#endif
