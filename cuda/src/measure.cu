// Areas and boxes on a device: blocks of rows reduce in shared memory, then meet in integer atomics, whose order does
// not show in the result.

#include "rapidmask/measure.hpp"

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
    const std::uint8_t* pixels = masks + row * w;
    unsigned bits = 0;
    for (std::int64_t x = 32 * k; x < 32 * k + 32 && x < w; ++x)
      bits |= static_cast<unsigned>(pixels[x] != 0) << (x % 32);
    return bits;
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
  for (std::int64_t k = threadIdx.x; k < count * words; k += kThreads) {
    const std::int64_t y = first + k / words, column = k % words;
    const unsigned word = rows.word(i * rows.h + y, column);
    if (word == 0) continue;
    atomicMin(&box[0], static_cast<long long>(32 * column + __ffs(static_cast<int>(word)) - 1));
    atomicMin(&box[1], static_cast<long long>(y));
    atomicMax(&box[2], static_cast<long long>(32 * column + 32 - __clz(static_cast<int>(word))));
    atomicMax(&box[3], static_cast<long long>(y + 1));
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

}  // namespace rapidmask::cuda
