// Areas, boxes and strings of run lengths on a device, each mask by a block.

#include "rle_runs.cuh"

namespace rapidmask::cuda {
namespace {

constexpr int kScanThreads = 1024;

__global__ void run_areas_kernel(DeviceRuns runs, std::int64_t* areas) {
  for (std::int64_t i = blockIdx.x; i < runs.n; i += gridDim.x) {
    std::int64_t area = 0;
    const std::int64_t first = runs.begin(i), end = runs.end(i);
    for (std::int64_t k = first + 1 + 2 * static_cast<std::int64_t>(threadIdx.x); k < end; k += 2 * kThreads) {
      area += runs.counts[k];
    }
    area = block_sum(area);
    if (threadIdx.x == 0) areas[i] = area;
  }
}

__global__ void run_boxes_kernel(DeviceRuns runs, std::int64_t h, std::int64_t w, std::int64_t* boxes) {
  __shared__ long long box[4];
  for (std::int64_t i = blockIdx.x; i < runs.n; i += gridDim.x) {
    if (threadIdx.x == 0) {
      box[0] = w;
      box[1] = h;
      box[2] = box[3] = 0;
    }
    __syncthreads();
    for_each_run(runs, i, [&](std::int64_t k, std::int64_t begin, std::int64_t length) {
      if (k < 0 || k % 2 == 0 || length == 0) return;
      const std::int64_t x0 = begin / h, x1 = (begin + length - 1) / h, y0 = begin % h;
      atomicMin(&box[0], static_cast<long long>(x0));
      atomicMax(&box[2], static_cast<long long>(x1 + 1));
      // A run that goes on in the next column holds the last row of its own and the first of that.
      atomicMin(&box[1], static_cast<long long>(x0 == x1 ? y0 : 0));
      atomicMax(&box[3], static_cast<long long>(x0 == x1 ? y0 + length : h));
    });
    __syncthreads();
    if (threadIdx.x < 4) boxes[4 * i + threadIdx.x] = box[3] == 0 ? 0 : box[threadIdx.x];
    __syncthreads();
  }
}

// What run k of a mask is written as, and in how many characters.
__device__ __forceinline__ std::int64_t written_number(const std::uint32_t* counts, std::int64_t k) {
  const std::int64_t count = counts[k];
  return k > 2 ? count - static_cast<std::int64_t>(counts[k - 2]) : count;
}
__device__ __forceinline__ int characters_of(std::int64_t x) {
  int characters = 1;
  for (; x < -16 || x > 15; x >>= 5) ++characters;
  return characters;
}

__global__ void measure_strings_kernel(DeviceRuns runs, std::int64_t* lengths) {
  for (std::int64_t i = blockIdx.x; i < runs.n; i += gridDim.x) {
    const std::int64_t first = runs.begin(i), count = runs.end(i) - first;
    std::int64_t length = 0;
    for (std::int64_t k = threadIdx.x; k < count; k += kThreads) {
      length += characters_of(written_number(runs.counts + first, k));
    }
    length = block_sum(length);
    if (threadIdx.x == 0) lengths[i] = length;
  }
}

// One block.
__global__ void __launch_bounds__(kScanThreads, 1)
    add_strings_kernel(const std::int64_t* lengths, std::int64_t n, std::int64_t* ends) {
  std::int64_t sum = 0;
  for (std::int64_t first = 0; first <= n; first += kScanThreads) {
    const std::int64_t i = first + threadIdx.x;
    std::int64_t total;
    const std::int64_t before = block_exclusive_scan(i < n ? lengths[i] : std::int64_t{0}, total);
    if (i <= n) ends[i] = sum + before;
    sum += total;
  }
}

__global__ void write_strings_kernel(DeviceRuns runs, const std::int64_t* ends, std::uint8_t* text) {
  for (std::int64_t i = blockIdx.x; i < runs.n; i += gridDim.x) {
    const std::int64_t first = runs.begin(i), count = runs.end(i) - first;
    std::int64_t place = ends[i];
    for (std::int64_t chunk = 0; chunk < count; chunk += kThreads) {
      const std::int64_t k = chunk + threadIdx.x;
      std::int64_t x = k < count ? written_number(runs.counts + first, k) : 0;
      const int characters = k < count ? characters_of(x) : 0;
      int total;
      std::uint8_t* to = text + place + block_exclusive_scan(characters, total);
      for (int c = 0; c < characters; ++c, x >>= 5) {
        to[c] = static_cast<std::uint8_t>(48 + (x & 31) + (c + 1 < characters ? 32 : 0));
      }
      place += total;
    }
  }
}

}  // namespace

void rle_areas(const Context& context, const ConstRunLengths& runs, std::int64_t count, std::int64_t* areas) {
  RM_LAUNCH(run_areas_kernel, bounded_grid(runs.n), kThreads, 0, context.stream,
            DeviceRuns{runs.counts, runs.offsets, runs.n, count}, areas);
}

void rle_boxes(const Context& context, const ConstRunLengths& runs, std::int64_t count, std::int64_t* boxes) {
  RM_LAUNCH(run_boxes_kernel, bounded_grid(runs.n), kThreads, 0, context.stream,
            DeviceRuns{runs.counts, runs.offsets, runs.n, count}, runs.h, runs.w, boxes);
}

void rle_strings(const Context& context, const ConstRunLengths& runs, std::int64_t count, const MakeText& make_text) {
  const DeviceRuns device_runs{runs.counts, runs.offsets, runs.n, count};
  auto* lengths = context.scratch<std::int64_t>(runs.n);
  auto* ends = context.scratch<std::int64_t>(runs.n + 1);
  RM_LAUNCH(measure_strings_kernel, bounded_grid(runs.n), kThreads, 0, context.stream, device_runs, lengths);
  RM_LAUNCH(add_strings_kernel, 1, kScanThreads, 0, context.stream, lengths, runs.n, ends);
  const std::int64_t characters = context.to_host(ends + runs.n, 1).front();
  const Strings strings = make_text(characters);
  check(cudaMemcpyAsync(strings.ends, ends, static_cast<std::size_t>(runs.n + 1) * sizeof *ends,
                        cudaMemcpyDeviceToDevice, context.stream),
        "cudaMemcpyAsync");
  RM_LAUNCH(write_strings_kernel, bounded_grid(runs.n), kThreads, 0, context.stream, device_runs, ends, strings.text);
}

}  // namespace rapidmask::cuda
