// Masks to run lengths on a device.
//
// Tiles of 32×32 pixels are transposed by ballots into columns; pixels that differ from the one before them are then
// counted by chunks of words, the chunks added up, and their positions written, whose differences are the runs. The
// last run of a mask ends with it, so that a mask has one run more than transitions.

#include "pixel_bytes.cuh"
#include "rle_runs.cuh"

namespace rapidmask::cuda {
namespace {

constexpr int kScanThreads = 1024;
constexpr int kChunkWords = kThreads;  // a word for each thread of a block

// 32 pixels of a row from x on.
struct ByteRows {
  const std::uint8_t* masks;
  std::int64_t w;
  __device__ unsigned load(std::int64_t row, std::int64_t x, bool is_inside) const {
    return is_inside ? read_pixels(masks + row * w + x, w - x) : 0;
  }
};
struct BitRows {
  const std::uint32_t* words;
  std::int64_t w;
  __device__ unsigned load(std::int64_t row, std::int64_t x, bool is_inside) const {
    return is_inside ? words[row * 2 * ((w + 63) / 64) + x / 32] : 0;
  }
};

template <class Rows>
__global__ void transpose_masks_kernel(Rows rows, Columns columns) {
  const std::int64_t across = (columns.w + 31) / 32, down = columns.words(), tiles = columns.n * across * down;
  for (std::int64_t tile = first_warp(); tile < tiles; tile += warp_stride()) {
    const std::int64_t i = tile / (across * down), x = tile % across * 32, j = tile / across % down;
    const std::int64_t y = 32 * j + lane_id();
    const unsigned word = transposed(rows.load(i * columns.h + y, x, y < columns.h));
    if (x + lane_id() < columns.w) {
      columns.bits[i * columns.mask_words() + (x + lane_id()) * down + j] = word;
    }
  }
}

// The transitions within word k of a mask's columns: the pixel before the first of a column is the last of the column
// before, that before the first of all is background.
__device__ __forceinline__ unsigned transitions(const Columns& columns, const std::uint32_t* mask, std::int64_t k) {
  if (k >= columns.mask_words()) return 0;
  const std::int64_t words = columns.words();
  const bool is_top = k % words == 0, is_last = k % words == words - 1;
  const int rest = static_cast<int>(columns.h % 32);  // rows in the last word of a column, 0 for all
  unsigned before = 0;
  if (k > 0) before = mask[k - 1] >> (is_top && rest != 0 ? rest - 1 : 31) & 1u;
  const unsigned word = mask[k];
  const unsigned valid = is_last && rest != 0 ? (1u << rest) - 1 : ~0u;
  return (word ^ (word << 1 | before)) & valid;
}

__global__ void count_transitions_kernel(Columns columns, std::int64_t chunks, std::int64_t* counts) {
  for (std::int64_t c = blockIdx.x; c < columns.n * chunks; c += gridDim.x) {
    const std::uint32_t* mask = columns.bits + c / chunks * columns.mask_words();
    const int count = __popc(transitions(columns, mask, c % chunks * kChunkWords + threadIdx.x));
    const int total = block_sum(count);
    if (threadIdx.x == 0) counts[c] = total;
  }
}

// A block for a mask. Counts become the numbers of transitions in the mask before each chunk.
__global__ void __launch_bounds__(kScanThreads, 1)
    add_chunks_kernel(std::int64_t* counts, std::int64_t n, std::int64_t chunks, std::int64_t* totals) {
  for (std::int64_t i = blockIdx.x; i < n; i += gridDim.x) {
    std::int64_t* mask = counts + i * chunks;
    std::int64_t sum = 0;
    for (std::int64_t first = 0; first < chunks; first += kScanThreads) {
      const std::int64_t c = first + threadIdx.x;
      std::int64_t total;
      const std::int64_t before = sum + block_exclusive_scan(c < chunks ? mask[c] : std::int64_t{0}, total);
      if (c < chunks) mask[c] = before;
      sum += total;
    }
    if (threadIdx.x == 0) totals[i] = sum;
  }
}

// One block. The offsets of the runs of each mask, of which there is one more than transitions.
__global__ void __launch_bounds__(kScanThreads, 1)
    add_masks_kernel(const std::int64_t* totals, std::int64_t n, std::int64_t* offsets) {
  std::int64_t sum = 0;
  for (std::int64_t first = 0; first <= n; first += kScanThreads) {
    const std::int64_t i = first + threadIdx.x;
    std::int64_t total;
    const std::int64_t before = sum + block_exclusive_scan(i < n ? totals[i] + 1 : std::int64_t{0}, total);
    if (i <= n) offsets[i] = before;
    sum += total;
  }
}

__global__ void write_ends_kernel(Columns columns, std::int64_t chunks, const std::int64_t* before,
                                  const std::int64_t* offsets, std::int64_t capacity, std::uint32_t* ends) {
  const std::int64_t words = columns.words();
  for (std::int64_t c = blockIdx.x; c < columns.n * chunks; c += gridDim.x) {
    const std::int64_t i = c / chunks, k = c % chunks * kChunkWords + threadIdx.x;
    unsigned changed = transitions(columns, columns.bits + i * columns.mask_words(), k);
    std::int64_t place = offsets[i] + before[c] + block_exclusive_scan(__popc(changed));
    const std::int64_t first = k / words * columns.h + k % words * 32;
    for (; changed != 0 && place < capacity; changed &= changed - 1) {
      ends[place++] = static_cast<std::uint32_t>(first + __ffs(static_cast<int>(changed)) - 1);
    }
    if (c % chunks == 0 && threadIdx.x == 0 && offsets[i + 1] <= capacity) {
      ends[offsets[i + 1] - 1] = static_cast<std::uint32_t>(columns.h * columns.w);
    }
  }
}

// Only the last run of a mask ends where the mask does. Counts past the last run are 0.
__global__ void subtract_ends_kernel(const std::uint32_t* ends, const std::int64_t* total, std::int64_t capacity,
                                     std::uint32_t pixels, std::uint32_t* counts) {
  const std::int64_t count = *total;
  for (std::int64_t k = first_thread(); k < capacity; k += thread_stride()) {
    std::uint32_t length = 0;
    if (k < count) length = ends[k] - (k == 0 || ends[k - 1] == pixels ? 0 : ends[k - 1]);
    counts[k] = length;
  }
}

// Masks as columns, and where their runs belong.
struct CountedRuns {
  Columns columns;
  std::int64_t chunks;
  std::int64_t* before;
};

// `masks` have pixels.
CountedRuns count_runs(const Context& context, const Masks& masks, std::int64_t* offsets) {
  Columns columns{nullptr, masks.n, masks.h, masks.w};
  columns.bits = context.scratch<std::uint32_t>(masks.n * columns.mask_words());
  const std::int64_t tiles = masks.n * columns.words() * ((masks.w + 31) / 32);
  if (masks.packed) {
    const BitRows rows{reinterpret_cast<const std::uint32_t*>(masks.data), masks.w};
    RM_LAUNCH(transpose_masks_kernel<BitRows>, grid_of_warps(tiles), kThreads, 0, context.stream, rows, columns);
  } else {
    RM_LAUNCH(transpose_masks_kernel<ByteRows>, grid_of_warps(tiles), kThreads, 0, context.stream,
              ByteRows{masks.data, masks.w}, columns);
  }
  const std::int64_t chunks = (columns.mask_words() + kChunkWords - 1) / kChunkWords;
  auto* before = context.scratch<std::int64_t>(masks.n * chunks);
  auto* totals = context.scratch<std::int64_t>(masks.n);
  RM_LAUNCH(count_transitions_kernel, bounded_grid(masks.n * chunks), kThreads, 0, context.stream, columns, chunks,
            before);
  RM_LAUNCH(add_chunks_kernel, bounded_grid(masks.n), kScanThreads, 0, context.stream, before, masks.n, chunks, totals);
  RM_LAUNCH(add_masks_kernel, 1, kScanThreads, 0, context.stream, totals, masks.n, offsets);
  return {columns, chunks, before};
}

void write_runs(const Context& context, const CountedRuns& runs, const std::int64_t* offsets, std::uint32_t* counts,
                std::int64_t capacity) {
  const Columns& columns = runs.columns;
  auto* ends = context.scratch<std::uint32_t>(capacity);
  RM_LAUNCH(write_ends_kernel, bounded_grid(columns.n * runs.chunks), kThreads, 0, context.stream, columns, runs.chunks,
            runs.before, offsets, capacity, ends);
  RM_LAUNCH(subtract_ends_kernel, grid_of_threads(capacity), kThreads, 0, context.stream, ends, offsets + columns.n,
            capacity, static_cast<std::uint32_t>(columns.h * columns.w), counts);
}

// Whether masks have no pixels and so no runs.
bool give_no_runs(const Context& context, const Masks& masks, std::int64_t* offsets) {
  if (masks.pixels() != 0 && masks.n != 0) return false;
  check(cudaMemsetAsync(offsets, 0, static_cast<std::size_t>(masks.n + 1) * sizeof *offsets, context.stream),
        "cudaMemsetAsync");
  return true;
}

}  // namespace

void rle_encode(const Context& context, const Masks& masks, std::int64_t* offsets, const MakeCounts& make_counts) {
  if (give_no_runs(context, masks, offsets)) {
    make_counts(0);
    return;
  }
  const CountedRuns runs = count_runs(context, masks, offsets);
  const std::int64_t count = context.to_host(offsets + masks.n, 1).front();
  write_runs(context, runs, offsets, make_counts(count), count);
}

void rle_encode_within(const Context& context, const Masks& masks, std::int64_t* offsets, std::uint32_t* counts,
                       std::int64_t capacity) {
  if (give_no_runs(context, masks, offsets)) {
    if (capacity > 0) {
      check(cudaMemsetAsync(counts, 0, static_cast<std::size_t>(capacity) * sizeof *counts, context.stream),
            "cudaMemsetAsync");
    }
    return;
  }
  write_runs(context, count_runs(context, masks, offsets), offsets, counts, capacity);
}

}  // namespace rapidmask::cuda
