// What lets one definition serve the C++ compiler, every instruction level and the CUDA compiler.
//
// Arithmetic that decides a result is written once, in a contract header, as an RM_HOST_DEVICE function. Such functions
// are always inlined: sources compiled for one instruction level must not leave a copy that the linker could pick for
// another.
#pragma once

#if defined(__CUDACC__)
#define RM_HOST_DEVICE __host__ __device__ __forceinline__
#else
#define RM_HOST_DEVICE inline __attribute__((always_inline))
#endif

namespace rapidmask {

// Rounded to the nearest number everywhere.
RM_HOST_DEVICE double square_root(double x) {
#if defined(__CUDA_ARCH__)
  return __dsqrt_rn(x);
#else
  return __builtin_sqrt(x);
#endif
}

}  // namespace rapidmask
