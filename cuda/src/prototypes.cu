// Decoding of prototypes on a device: one launch for all detections, and one more for statistics.
//
// A warp that is outside of its detection's box writes zeros; the others compute the logits of the cells that their
// pixels mix, each once for all the rows that are made of it.

#include "rapidmask/prototypes.hpp"

#include "port.cuh"
#include "resample.cuh"
#include "tiles.cuh"

namespace rapidmask::cuda {
namespace {

// The logits of one detection.
template <class T>
struct Combination {
  const T* planes;
  const float* coefficients;
  std::int64_t channels, h, w;
  Activation activation;
  KeptRange rows, columns;  // of cells that are not 0

  __device__ float value(std::int64_t row, std::int64_t column) const {
    if (row < rows.begin || row >= rows.end || column < columns.begin || column >= columns.end) return 0;
    const T* cell = planes + row * w + column;
    float sum = coefficients[0] * widened(cell[0]);
    for (std::int64_t k = 1; k < channels; ++k) sum = sum + coefficients[k] * widened(cell[k * h * w]);
    return activated(sum, activation);
  }
};

template <class T, bool kTwice>
__global__ void decode_prototypes_kernel(const T* prototypes, std::int64_t images, Detections detections,
                                         PrototypeDecoding decoding, Strips strips, WordOutput output, Tally tally) {
  __shared__ ResizeTap rows[kStripRows];
  const std::int64_t h = decoding.rows.in, w = decoding.columns.in;
  for (std::int64_t item = blockIdx.x; item < strips.count(); item += gridDim.x) {
    const std::int64_t i = item / (strips.down() * strips.across());
    const std::int64_t y_begin = item / strips.across() % strips.down() * kStripRows;
    const std::int64_t word = item % strips.across() * kStripWords + warp_id();
    const std::int64_t y_end = min(y_begin + kStripRows, strips.h);
    if (threadIdx.x < y_end - y_begin) rows[threadIdx.x] = resize_tap(y_begin + threadIdx.x, decoding.rows);
    __syncthreads();
    if (word < strips.words()) {
      const float* box = detections.boxes + 4 * i;
      const bool before = decoding.crop_before;
      const KeptRange across = kept_range(box[0], box[2], decoding.column_scale, before ? w : strips.w);
      const KeptRange down = kept_range(box[1], box[3], decoding.row_scale, before ? h : strips.h);
      const KeptRange pixels_across = before ? KeptRange{0, strips.w} : across;
      const KeptRange pixels_down = before ? KeptRange{0, strips.h} : down;
      std::int64_t image = detections.images == nullptr ? 0 : detections.images[i];
      const bool exists = image >= 0 && image < images;
      if (!exists) image = 0;
      const std::int64_t x = word * kWarpSize + lane_id();
      const bool inside = exists && x < strips.w && x >= pixels_across.begin && x < pixels_across.end;
      const ResizeTap tap = resize_tap(x < strips.w ? x : strips.w - 1, decoding.columns);
      const Combination<T> cells{prototypes + image * decoding.channels * h * w,
                                 detections.coefficients + i * decoding.channels,
                                 decoding.channels,
                                 h,
                                 w,
                                 decoding.activation,
                                 before ? down : KeptRange{0, h},
                                 before ? across : KeptRange{0, w}};
      ResampledColumn<Combination<T>, kTwice> column(cells, tap);
      const Foreground& foreground = decoding.foreground;
      const bool busy = __any_sync(kFullWarp, inside);
      WarpTally counts;
      std::uint32_t own = 0;  // bits of the lane's row
      for (std::int64_t y = y_begin; y < y_end; ++y) {
        std::uint32_t bits = 0;
        if (busy && y >= pixels_down.begin && y < pixels_down.end) {
          const float value = column.value(rows[y - y_begin]);
          bits = __ballot_sync(kFullWarp, inside && foreground(value));
          if (tally.fields != nullptr) {
            const std::uint32_t high = __ballot_sync(kFullWarp, inside && foreground.above(value, foreground.high));
            const std::uint32_t low = __ballot_sync(kFullWarp, inside && foreground.above(value, foreground.low));
            counts.add(y, bits, high, low);
          }
        }
        if (lane_id() == y - y_begin) own = bits;
      }
      output.store(i, y_begin, y_end, word, own);
      if (tally.fields != nullptr) counts.give(tally, i, word, strips.h, strips.w);
    }
    __syncthreads();  // the next strip's taps
  }
}

template <class T>
void decode(const Context& context, const Image& prototypes, const Detections& detections,
            const PrototypeDecoding& decoding, const Strips& strips, const WordOutput& output, const Tally& tally) {
  const auto* planes = static_cast<const T*>(prototypes.data);
  const std::int64_t images = prototypes.n / decoding.channels;
  const int grid = bounded_grid(strips.count());
  if (decoding.rows.once() && decoding.columns.once()) {
    RM_LAUNCH((decode_prototypes_kernel<T, false>), grid, kThreads, 0, context.stream, planes, images, detections,
              decoding, strips, output, tally);
  } else {
    RM_LAUNCH((decode_prototypes_kernel<T, true>), grid, kThreads, 0, context.stream, planes, images, detections,
              decoding, strips, output, tally);
  }
}

}  // namespace

void decode_prototypes(const Context& context, const Image& prototypes, const Detections& detections,
                       const PrototypeDecoding& decoding, const MaskOutput& masks, bool,
                       const MaskStatistics& statistics) {
  const Strips strips{detections.n, decoding.rows.out, decoding.columns.out};
  const WordOutput output{masks.dense, reinterpret_cast<std::uint32_t*>(masks.packed), strips.h, strips.w};
  const Tally tally = start_tally(context, detections.n, statistics);
  const auto run = [&](auto type) {
    decode<decltype(type)>(context, prototypes, detections, decoding, strips, output, tally);
  };
  if (prototypes.dtype == DType::float32) run(float{});
  if (prototypes.dtype == DType::float16) run(Half{});
  if (prototypes.dtype == DType::bfloat16) run(BFloat16{});
  finish_tally(context, tally, detections.n, strips.h, strips.w, statistics);
}

}  // namespace rapidmask::cuda
