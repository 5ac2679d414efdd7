// Copies between host and device on the caller's stream.

#include "rapidmask/context.hpp"

#include "runtime.hpp"

namespace rapidmask::cuda {

// Host memory that is not page-locked is staged before the call returns.
void Context::to_device(void* device, const void* host, std::size_t bytes) const {
  check(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, stream), "cudaMemcpyAsync to the device");
}

void Context::to_host(void* host, const void* device, std::size_t bytes) const {
  check(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, stream), "cudaMemcpyAsync to the host");
  check(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
}

}  // namespace rapidmask::cuda
