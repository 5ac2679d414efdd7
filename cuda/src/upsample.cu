// Upsampling on a device: one launch for the batch, and one more for statistics.

#include "rapidmask/upsample.hpp"

#include "port.cuh"
#include "resample.cuh"
#include "tiles.cuh"

namespace rapidmask::cuda {
namespace {

template <class T>
struct Logits {
  const T* values;  // of one image
  std::int64_t w;
  Activation activation;

  __device__ float value(std::int64_t row, std::int64_t column) const {
    return activated(widened(values[row * w + column]), activation);
  }
};

template <class T, bool kTwice>
__global__ void upsample_masks_kernel(const T* logits, Upsampling upsampling, Strips strips, WordOutput output,
                                      Tally tally) {
  __shared__ ResizeTap rows[kStripRows];
  const std::int64_t image = upsampling.rows.in * upsampling.columns.in;
  for (std::int64_t item = blockIdx.x; item < strips.count(); item += gridDim.x) {
    const std::int64_t i = item / (strips.down() * strips.across());
    const std::int64_t y_begin = item / strips.across() % strips.down() * kStripRows;
    const std::int64_t word = item % strips.across() * kStripWords + warp_id();
    const std::int64_t y_end = min(y_begin + kStripRows, strips.h);
    if (threadIdx.x < y_end - y_begin) rows[threadIdx.x] = resize_tap(y_begin + threadIdx.x, upsampling.rows);
    __syncthreads();
    if (word < strips.words()) {
      const std::int64_t x = word * kWarpSize + lane_id();
      const bool inside = x < strips.w;
      const ResizeTap tap = resize_tap(inside ? x : strips.w - 1, upsampling.columns);
      ResampledColumn<Logits<T>, kTwice> column({logits + i * image, upsampling.columns.in, upsampling.activation},
                                                tap);
      const Foreground& foreground = upsampling.foreground;
      WarpTally counts;
      std::uint32_t own = 0;  // bits of the lane's row
      for (std::int64_t y = y_begin; y < y_end; ++y) {
        const float value = column.value(rows[y - y_begin]);
        const std::uint32_t bits = __ballot_sync(kFullWarp, inside && foreground(value));
        if (lane_id() == y - y_begin) own = bits;
        if (tally.fields != nullptr) {
          const std::uint32_t high = __ballot_sync(kFullWarp, inside && foreground.above(value, foreground.high));
          const std::uint32_t low = __ballot_sync(kFullWarp, inside && foreground.above(value, foreground.low));
          counts.add(y, bits, high, low);
        }
      }
      output.store(i, y_begin, y_end, word, own);
      if (tally.fields != nullptr) counts.give(tally, i, word, strips.h, strips.w);
    }
    __syncthreads();  // the next strip's taps
  }
}

__global__ void finish_tally_kernel(Tally tally, std::int64_t n, std::int64_t h, std::int64_t w,
                                    MaskStatistics statistics) {
  for (std::int64_t i = first_thread(); i < n; i += thread_stride()) {
    const unsigned long long* fields = tally.fields + i * Tally::kFields;
    const auto field = [&](int k) { return static_cast<std::int64_t>(fields[k]); };
    const bool empty = field(0) == 0;
    statistics.areas[i] = field(0);
    statistics.boxes[4 * i] = empty ? 0 : w - field(3);
    statistics.boxes[4 * i + 1] = empty ? 0 : h - field(4);
    statistics.boxes[4 * i + 2] = field(5);
    statistics.boxes[4 * i + 3] = field(6);
    statistics.stability[i] = stability_of(field(1), field(2));
  }
}

template <class T>
void upsample(const Context& context, const Image& logits, const Upsampling& upsampling, const Strips& strips,
              const WordOutput& output, const Tally& tally) {
  const auto* values = static_cast<const T*>(logits.data);
  const int grid = bounded_grid(strips.count());
  if (upsampling.rows.once() && upsampling.columns.once()) {
    RM_LAUNCH((upsample_masks_kernel<T, false>), grid, kThreads, 0, context.stream, values, upsampling, strips, output,
              tally);
  } else {
    RM_LAUNCH((upsample_masks_kernel<T, true>), grid, kThreads, 0, context.stream, values, upsampling, strips, output,
              tally);
  }
}

}  // namespace

Tally start_tally(const Context& context, std::int64_t n, const MaskStatistics& statistics) {
  if (statistics.areas == nullptr) return {nullptr};
  const Tally tally{context.scratch<unsigned long long>(n * Tally::kFields)};
  check(cudaMemsetAsync(tally.fields, 0, static_cast<std::size_t>(n) * Tally::kFields * sizeof *tally.fields,
                        context.stream),
        "cudaMemsetAsync");
  return tally;
}

void finish_tally(const Context& context, const Tally& tally, std::int64_t n, std::int64_t h, std::int64_t w,
                  const MaskStatistics& statistics) {
  if (tally.fields == nullptr) return;
  RM_LAUNCH(finish_tally_kernel, grid_of_threads(n), kThreads, 0, context.stream, tally, n, h, w, statistics);
}

void upsample_masks(const Context& context, const Image& logits, const Upsampling& upsampling, const MaskOutput& masks,
                    const MaskStatistics& statistics) {
  const Strips strips{logits.n, upsampling.rows.out, upsampling.columns.out};
  const WordOutput output{masks.dense, reinterpret_cast<std::uint32_t*>(masks.packed), strips.h, strips.w};
  const Tally tally = start_tally(context, logits.n, statistics);
  if (logits.dtype == DType::float32) upsample<float>(context, logits, upsampling, strips, output, tally);
  if (logits.dtype == DType::float16) upsample<Half>(context, logits, upsampling, strips, output, tally);
  if (logits.dtype == DType::bfloat16) upsample<BFloat16>(context, logits, upsampling, strips, output, tally);
  finish_tally(context, tally, logits.n, strips.h, strips.w, statistics);
}

}  // namespace rapidmask::cuda
