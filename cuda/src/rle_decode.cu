// Run lengths to masks on a device.
//
// A block for each mask sets the transitions as bits of columns; a column's pixels are the running sums of its
// transitions, from the state in which the column before ends; tiles of 32×32 are then transposed into rows.

#include "pixel_bytes.cuh"
#include "rle_runs.cuh"

namespace rapidmask::cuda {
namespace {

__global__ void toggle_columns_kernel(DeviceRuns runs, Columns columns) {
  const std::int64_t pixels = columns.h * columns.w;
  for (std::int64_t i = blockIdx.x; i < runs.n; i += gridDim.x) {
    std::uint32_t* mask = columns.bits + i * columns.mask_words();
    for_each_run(runs, i, [&](std::int64_t k, std::int64_t begin, std::int64_t) {
      if (k <= 0 || begin >= pixels) return;  // the first run begins with the mask, which is no transition
      const std::int64_t x = begin / columns.h, y = begin % columns.h;
      atomicXor(mask + x * columns.words() + y / 32, 1u << (y % 32));
    });
  }
}

// Whether each pixel of a word is preceded by an odd number of transitions, or is one.
__device__ __forceinline__ unsigned running_parity(unsigned word) {
  for (int shift = 1; shift < 32; shift *= 2) word ^= word << shift;
  return word;
}

__global__ void fill_columns_kernel(Columns columns) {
  const std::int64_t words = columns.words();
  for (std::int64_t i = blockIdx.x; i < columns.n; i += gridDim.x) {
    unsigned state = 0;  // in which the columns before these end
    for (std::int64_t x0 = 0; x0 < columns.w; x0 += kThreads) {
      const std::int64_t x = x0 + threadIdx.x;
      std::uint32_t* column = columns.bits + i * columns.mask_words() + x * words;
      unsigned parity = 0;
      for (std::int64_t j = 0; x < columns.w && j < words; ++j) parity ^= column[j];
      int total;
      const int before = block_exclusive_scan(__popc(parity) & 1, total);
      unsigned above = 0u - ((state + static_cast<unsigned>(before)) & 1u);  // all bits of it
      for (std::int64_t j = 0; x < columns.w && j < words; ++j) {
        const unsigned word = running_parity(column[j]) ^ above;
        above = 0u - (word >> 31);
        column[j] = word;
      }
      state += static_cast<unsigned>(total);
    }
  }
}

// 32 rows from y on of a column, which ends with row `end`.
__device__ __forceinline__ unsigned rows_of(const std::uint32_t* column, std::int64_t words, std::int64_t y,
                                            std::int64_t end) {
  const std::int64_t j = y / 32;
  const int shift = static_cast<int>(y % 32);
  unsigned word = column[j] >> shift;
  if (shift != 0 && j + 1 < words) word |= column[j + 1] << (32 - shift);
  return end - y < 32 ? word & ((1u << (end - y)) - 1) : word;
}

template <bool kPacked>
__global__ void write_rows_kernel(Columns columns, Crop crop, std::uint8_t* masks) {
  const std::int64_t h = crop.y1 - crop.y0, w = crop.x1 - crop.x0, words32 = 2 * ((w + 63) / 64);
  const std::int64_t across = kPacked ? words32 : (w + 31) / 32, down = (h + 31) / 32;
  for (std::int64_t tile = first_warp(); tile < columns.n * across * down; tile += warp_stride()) {
    const std::int64_t i = tile / (across * down), k = tile % across, y0 = tile / across % down * 32;
    const std::int64_t x = 32 * k + lane_id();
    const std::uint32_t* column = columns.bits + i * columns.mask_words() + (crop.x0 + x) * columns.words();
    const unsigned rows = transposed(x < w ? rows_of(column, columns.words(), crop.y0 + y0, crop.y1) : 0);
    if constexpr (kPacked) {
      if (y0 + lane_id() < h) reinterpret_cast<std::uint32_t*>(masks)[(i * h + y0 + lane_id()) * words32 + k] = rows;
    } else {
      if (y0 + lane_id() < h) write_pixels(rows, masks + (i * h + y0 + lane_id()) * w + 32 * k, w - 32 * k);
    }
  }
}

template <bool kPacked>
void decode(const Context& context, const ConstRunLengths& runs, std::int64_t count, const Crop& crop,
            std::uint8_t* masks) {
  if (runs.n == 0 || crop.h() == 0 || crop.w() == 0) return;
  Columns columns{nullptr, runs.n, runs.h, runs.w};
  const std::int64_t words = runs.n * columns.mask_words();
  columns.bits = context.scratch<std::uint32_t>(words);
  check(cudaMemsetAsync(columns.bits, 0, static_cast<std::size_t>(words) * sizeof(std::uint32_t), context.stream),
        "cudaMemsetAsync");
  RM_LAUNCH(toggle_columns_kernel, bounded_grid(runs.n), kThreads, 0, context.stream,
            DeviceRuns{runs.counts, runs.offsets, runs.n, count}, columns);
  RM_LAUNCH(fill_columns_kernel, bounded_grid(runs.n), kThreads, 0, context.stream, columns);
  const std::int64_t tiles = runs.n * ((crop.h() + 31) / 32) * 2 * ((crop.w() + 63) / 64);
  RM_LAUNCH(write_rows_kernel<kPacked>, grid_of_warps(tiles), kThreads, 0, context.stream, columns, crop, masks);
}

}  // namespace

void rle_decode(const Context& context, const ConstRunLengths& runs, std::int64_t count, const Crop& crop,
                std::uint8_t* masks) {
  decode<false>(context, runs, count, crop, masks);
}

void rle_decode(const Context& context, const ConstRunLengths& runs, std::int64_t count, const Crop& crop,
                const PackedMasks& masks) {
  decode<true>(context, runs, count, crop, reinterpret_cast<std::uint8_t*>(masks.data));
}

}  // namespace rapidmask::cuda
