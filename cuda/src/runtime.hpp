// The CUDA runtime's host interface, or the emulator's, and its errors as exceptions. No kernel syntax: bindings
// include it.
#pragma once

#ifdef RM_EMULATE
#include "emulator.hpp"
#else
#include <cuda_runtime.h>
#endif

#include <string>

#include "rapidmask/errors.hpp"

namespace rapidmask::cuda {

using Stream = cudaStream_t;

// Throws CudaError("<what>: <CUDA's text> (<CUDA's name>)") unless `status` is success.
inline void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  static_cast<void>(cudaGetLastError());  // else the next launch would be told this error
  throw CudaError(std::string(what) + ": " + cudaGetErrorString(status) + " (" + cudaGetErrorName(status) + ")");
}

}  // namespace rapidmask::cuda
