// Measures on a device: blocks of rows reduce in shared memory, then meet in integer atomics, whose order does
// not show in the result.

#include "rapidmask/measure.hpp"

#include "pixel_bytes.cuh"
#include "port.cuh"
#include "tiles.cuh"

namespace rapidmask::cuda {
namespace {

constexpr int kRowsPerBlock = 64;

// 32 pixels of a row as bits, whichever form the masks have.
struct DenseRow {
  const std::uint8_t* masks;
  std::int64_t h, w;
  __device__ unsigned word(std::int64_t row, std::int64_t k) const {
    return read_pixels(masks + row * w + kWordPixels * k, w - kWordPixels * k);
  }
};
struct PackedRow {
  const std::uint32_t* words;
  std::int64_t h, w;
  __device__ unsigned word(std::int64_t row, std::int64_t k) const { return words[row * 2 * ((w + 63) / 64) + k]; }
};

template <class Row>
__global__ void mask_areas_kernel(Row rows, std::int64_t bands, std::int64_t* areas) {
  const std::int64_t i = blockIdx.x / bands, first = blockIdx.x % bands * kRowsPerBlock;
  const std::int64_t count = min(static_cast<std::int64_t>(kRowsPerBlock), rows.h - first);
  const std::int64_t words = (rows.w + 31) / 32;
  std::int64_t area = 0;
  for (std::int64_t k = threadIdx.x; k < count * words; k += kThreads) {
    area += __popc(rows.word(i * rows.h + first + k / words, k % words));
  }
  area = block_sum(area);
  if (threadIdx.x == 0)
    atomicAdd(reinterpret_cast<unsigned long long*>(areas + i), static_cast<unsigned long long>(area));
}

// Boxes while they grow: x0 and y0 count down from the size, x1 and y1 up from 0.
__global__ void start_boxes_kernel(std::int64_t n, std::int64_t h, std::int64_t w, std::int64_t* boxes) {
  for (std::int64_t i = first_thread(); i < n; i += thread_stride()) {
    boxes[4 * i] = w;
    boxes[4 * i + 1] = h;
    boxes[4 * i + 2] = boxes[4 * i + 3] = 0;
  }
}

template <class Row>
__global__ void grow_boxes_kernel(Row rows, std::int64_t bands, std::int64_t* boxes) {
  __shared__ long long box[4];
  if (threadIdx.x == 0) {
    box[0] = rows.w;
    box[1] = rows.h;
    box[2] = box[3] = 0;
  }
  __syncthreads();
  const std::int64_t i = blockIdx.x / bands, first = blockIdx.x % bands * kRowsPerBlock;
  const std::int64_t count = min(static_cast<std::int64_t>(kRowsPerBlock), rows.h - first);
  const std::int64_t words = (rows.w + 31) / 32;
  long long x0 = rows.w, y0 = rows.h, x1 = 0, y1 = 0;  // of this thread's words
  for (std::int64_t k = threadIdx.x; k < count * words; k += kThreads) {
    const std::int64_t y = first + k / words, column = k % words;
    const unsigned word = rows.word(i * rows.h + y, column);
    if (word == 0) continue;
    x0 = min(x0, static_cast<long long>(32 * column + __ffs(static_cast<int>(word)) - 1));
    y0 = min(y0, static_cast<long long>(y));
    x1 = max(x1, static_cast<long long>(32 * column + 32 - __clz(static_cast<int>(word))));
    y1 = static_cast<long long>(y + 1);  // rows only grow
  }
  for (int step = kWarpSize / 2; step > 0; step /= 2) {
    x0 = min(x0, __shfl_xor_sync(kFullWarp, x0, step));
    y0 = min(y0, __shfl_xor_sync(kFullWarp, y0, step));
    x1 = max(x1, __shfl_xor_sync(kFullWarp, x1, step));
    y1 = max(y1, __shfl_xor_sync(kFullWarp, y1, step));
  }
  if (lane_id() == 0 && y1 != 0) {
    atomicMin(&box[0], x0);
    atomicMin(&box[1], y0);
    atomicMax(&box[2], x1);
    atomicMax(&box[3], y1);
  }
  __syncthreads();
  if (threadIdx.x == 0 && box[3] != 0) {
    auto* result = reinterpret_cast<long long*>(boxes + 4 * i);
    atomicMin(result, box[0]);
    atomicMin(result + 1, box[1]);
    atomicMax(result + 2, box[2]);
    atomicMax(result + 3, box[3]);
  }
}

__global__ void empty_boxes_kernel(std::int64_t n, std::int64_t* boxes) {
  for (std::int64_t i = first_thread(); i < n; i += thread_stride()) {
    if (boxes[4 * i + 3] == 0) boxes[4 * i] = boxes[4 * i + 1] = 0;
  }
}

using Count = unsigned long long;

__device__ __forceinline__ void add_to(std::int64_t* sum, std::int64_t value) {
  if (value != 0) atomicAdd(reinterpret_cast<Count*>(sum), static_cast<Count>(value));
}

template <class Row>
__global__ void sum_moments_kernel(Row rows, std::int64_t bands, Moments* moments) {
  const std::int64_t i = blockIdx.x / bands, first = blockIdx.x % bands * kRowsPerBlock;
  const std::int64_t count = min(static_cast<std::int64_t>(kRowsPerBlock), rows.h - first);
  const std::int64_t words = (rows.w + 31) / 32;
  const auto popcount = [](std::uint64_t bits) { return __popcll(bits); };
  Moments sums{};
  for (std::int64_t k = threadIdx.x; k < count * words; k += kThreads) {
    const std::int64_t y = first + k / words, column = k % words;
    const unsigned word = rows.word(i * rows.h + y, column);
    const int pixels = __popc(word);
    sums.area += pixels;
    sums.y += y * pixels;
    sums.x += 32 * column * pixels + bit_positions_sum(word, popcount);
  }
  sums.area = block_sum(sums.area);
  sums.y = block_sum(sums.y);
  sums.x = block_sum(sums.x);
  if (threadIdx.x == 0) {
    add_to(&moments[i].area, sums.area);
    add_to(&moments[i].y, sums.y);
    add_to(&moments[i].x, sums.x);
  }
}

__global__ void divide_moments_kernel(const Moments* moments, std::int64_t n, double* centroids) {
  for (std::int64_t i = first_thread(); i < n; i += thread_stride()) moments[i].centroid(centroids + 2 * i);
}

constexpr std::int64_t kValuesPerBlock = 1 << 15;

// Two counts for each image: of values above `high` and above `low`.
template <class T>
__global__ void count_above_kernel(const T* logits, std::int64_t n, std::int64_t size, float high, float low,
                                   std::int64_t* counts) {
  const std::int64_t bands = (size + kValuesPerBlock - 1) / kValuesPerBlock;
  for (std::int64_t item = blockIdx.x; item < n * bands; item += gridDim.x) {
    const std::int64_t i = item / bands, begin = item % bands * kValuesPerBlock;
    const std::int64_t end = min(begin + kValuesPerBlock, size);
    std::int64_t highs = 0, lows = 0;
    for (std::int64_t k = begin + threadIdx.x; k < end; k += kThreads) {
      float value;
      if constexpr (std::is_same_v<T, float>) {
        value = logits[i * size + k];
      } else {
        value = to_float(logits[i * size + k]);
      }
      highs += value > high;
      lows += value > low;
    }
    highs = block_sum(highs);
    lows = block_sum(lows);
    if (threadIdx.x == 0) {
      add_to(counts + 2 * i, highs);
      add_to(counts + 2 * i + 1, lows);
    }
  }
}

__global__ void divide_counts_kernel(const std::int64_t* counts, std::int64_t n, float* scores) {
  for (std::int64_t i = first_thread(); i < n; i += thread_stride()) {
    scores[i] = stability(counts[2 * i], counts[2 * i + 1]);
  }
}

std::int64_t bands_of(std::int64_t h) { return (h + kRowsPerBlock - 1) / kRowsPerBlock; }

template <class Row>
void areas_of(const Context& context, const Row& rows, std::int64_t n, std::int64_t* areas) {
  check(cudaMemsetAsync(areas, 0, static_cast<std::size_t>(n) * sizeof *areas, context.stream), "cudaMemsetAsync");
  RM_LAUNCH(mask_areas_kernel<Row>, n * bands_of(rows.h), kThreads, 0, context.stream, rows, bands_of(rows.h), areas);
}

template <class Row>
void boxes_of(const Context& context, const Row& rows, std::int64_t n, std::int64_t* boxes) {
  RM_LAUNCH(start_boxes_kernel, grid_of_threads(n), kThreads, 0, context.stream, n, rows.h, rows.w, boxes);
  RM_LAUNCH(grow_boxes_kernel<Row>, n * bands_of(rows.h), kThreads, 0, context.stream, rows, bands_of(rows.h), boxes);
  RM_LAUNCH(empty_boxes_kernel, grid_of_threads(n), kThreads, 0, context.stream, n, boxes);
}

template <class Row>
void centroids_of(const Context& context, const Row& rows, std::int64_t n, double* centroids) {
  if (n == 0) return;
  auto* moments = context.scratch<Moments>(n);
  check(cudaMemsetAsync(moments, 0, static_cast<std::size_t>(n) * sizeof *moments, context.stream), "cudaMemsetAsync");
  RM_LAUNCH(sum_moments_kernel<Row>, n * bands_of(rows.h), kThreads, 0, context.stream, rows, bands_of(rows.h),
            moments);
  RM_LAUNCH(divide_moments_kernel, grid_of_threads(n), kThreads, 0, context.stream, moments, n, centroids);
}

template <class T>
void count_above(const Context& context, const Image& logits, float high, float low, std::int64_t* counts) {
  const std::int64_t bands = (logits.image_size() + kValuesPerBlock - 1) / kValuesPerBlock;
  RM_LAUNCH(count_above_kernel<T>, bounded_grid(logits.n * bands), kThreads, 0, context.stream,
            static_cast<const T*>(logits.data), logits.n, logits.image_size(), high, low, counts);
}

PackedRow packed_rows(const ConstPackedMasks& masks) {
  return {reinterpret_cast<const std::uint32_t*>(masks.data), masks.h, masks.w};
}

}  // namespace

void mask_areas(const Context& context, const View<const std::uint8_t>& masks, std::int64_t* areas) {
  areas_of(context, DenseRow{masks.data, masks.h, masks.w}, masks.n, areas);
}

void mask_areas(const Context& context, const ConstPackedMasks& masks, std::int64_t* areas) {
  areas_of(context, packed_rows(masks), masks.n, areas);
}

void masks_to_boxes(const Context& context, const View<const std::uint8_t>& masks, std::int64_t* boxes) {
  boxes_of(context, DenseRow{masks.data, masks.h, masks.w}, masks.n, boxes);
}

void masks_to_boxes(const Context& context, const ConstPackedMasks& masks, std::int64_t* boxes) {
  boxes_of(context, packed_rows(masks), masks.n, boxes);
}

void mask_centroids(const Context& context, const View<const std::uint8_t>& masks, double* centroids) {
  centroids_of(context, DenseRow{masks.data, masks.h, masks.w}, masks.n, centroids);
}

void mask_centroids(const Context& context, const ConstPackedMasks& masks, double* centroids) {
  centroids_of(context, packed_rows(masks), masks.n, centroids);
}

void stability_score(const Context& context, const Image& logits, float high, float low, float* scores) {
  if (logits.n == 0) return;
  auto* counts = context.scratch<std::int64_t>(2 * logits.n);
  check(cudaMemsetAsync(counts, 0, static_cast<std::size_t>(2 * logits.n) * sizeof *counts, context.stream),
        "cudaMemsetAsync");
  switch (logits.dtype) {
    case DType::float16: count_above<Half>(context, logits, high, low, counts); break;
    case DType::bfloat16: count_above<BFloat16>(context, logits, high, low, counts); break;
    default: count_above<float>(context, logits, high, low, counts);
  }
  RM_LAUNCH(divide_counts_kernel, grid_of_threads(logits.n), kThreads, 0, context.stream, counts, logits.n, scores);
}

}  // namespace rapidmask::cuda
