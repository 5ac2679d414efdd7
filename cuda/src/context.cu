// Copies between host and device on the caller's stream.

#include "rapidmask/context.hpp"

#include <algorithm>
#include <cstring>

#include "tiles.cuh"

namespace rapidmask::cuda {
namespace {

// What a launch can carry beside its other arguments: CUDA has 4 KiB for them all.
constexpr std::size_t kTableWords = 960;
struct Table {
  std::uint32_t words[kTableWords];
};

__global__ void write_table_kernel(const __grid_constant__ Table table, int count, std::uint32_t* to) {
  for (int k = static_cast<int>(threadIdx.x); k < count; k += kThreads) to[k] = table.words[k];
}

}  // namespace

// As arguments of launches, which a graph keeps: a copy from memory that is not page-locked could not be captured.
void Context::write_table(void* device, const void* table, std::size_t bytes) const {
  for (std::size_t begin = 0; begin < bytes; begin += sizeof(Table)) {
    Table part{};
    const std::size_t size = std::min(sizeof part, bytes - begin);
    std::memcpy(&part, static_cast<const std::byte*>(table) + begin, size);
    RM_LAUNCH(write_table_kernel, 1, kThreads, 0, stream, part, static_cast<int>(size / sizeof(std::uint32_t)),
              reinterpret_cast<std::uint32_t*>(static_cast<std::byte*>(device) + begin));
  }
}

void Context::to_host(void* host, const void* device, std::size_t bytes) const {
  check(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, stream), "cudaMemcpyAsync to the host");
  check(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
}

}  // namespace rapidmask::cuda
