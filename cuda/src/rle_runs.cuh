// What the run-length kernels share: the runs of a mask for a block, and masks as columns of 32-bit words.
#pragma once

#include "port.cuh"
#include "rapidmask/rle_device.hpp"
#include "tiles.cuh"

namespace rapidmask::cuda {

// Bits of n masks column by column: column x of mask i is words (i·w + x)·words() to the next, row y the bit y % 32 of
// word y / 32. Bits past the last row are zero.
struct Columns {
  std::uint32_t* bits;
  std::int64_t n, h, w;

  RM_HOST_DEVICE std::int64_t words() const { return (h + 31) / 32; }
  RM_HOST_DEVICE std::int64_t mask_words() const { return w * words(); }
};

// Runs whose offsets may be anything: those of a mask lie within the counts.
struct DeviceRuns {
  const std::uint32_t* counts;
  const std::int64_t* offsets;
  std::int64_t n, count;

  __device__ std::int64_t clamped(std::int64_t k) const { return k < 0 ? 0 : k < count ? k : count; }
  __device__ std::int64_t begin(std::int64_t i) const { return clamped(offsets[i]); }
  __device__ std::int64_t end(std::int64_t i) const { return clamped(offsets[i + 1]); }
};

// Calls visit(k, begin, length) for each run k of mask i, by the threads of a block together; those past the last run
// have length 0 and k < 0.
template <class Visit>
__device__ __forceinline__ void for_each_run(const DeviceRuns& runs, std::int64_t i, const Visit& visit) {
  const std::int64_t first = runs.begin(i), end = runs.end(i);
  std::int64_t position = 0;
  for (std::int64_t chunk = first; chunk < end; chunk += kThreads) {
    const std::int64_t k = chunk + threadIdx.x;
    const std::int64_t length = k < end ? runs.counts[k] : 0;
    std::int64_t total;
    const std::int64_t begin = position + block_exclusive_scan(length, total);
    visit(k < end ? k - first : std::int64_t{-1}, begin, length);
    position += total;
  }
}

// Lane c gets bit c of every lane's word: a transposed tile.
__device__ __forceinline__ unsigned transposed(unsigned word) {
  unsigned result = 0;
  for (int c = 0; c < kWarpSize; ++c) {
    const unsigned column = __ballot_sync(kFullWarp, (word >> c & 1u) != 0);
    if (lane_id() == c) result = column;
  }
  return result;
}

}  // namespace rapidmask::cuda
