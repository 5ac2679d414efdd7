// Pasting on a device: zeros everywhere, then the pixels that each mask covers.
//
// A first kernel finds which pixels these are. In the second a block takes some covered rows of one mask, and a warp 32
// columns of them, whose votes are the words of the rows. Blocks whose rows no mask covers end at once.

#include "rapidmask/paste.hpp"

#include "port.cuh"
#include "rapidmask/measure.hpp"
#include "resample.cuh"
#include "tiles.cuh"

namespace rapidmask::cuda {
namespace {

constexpr int kRowsPerBlock = 16;
static_assert(kRowsPerBlock <= kWarpSize);

__device__ __forceinline__ float as_float(float x) { return x; }
__device__ __forceinline__ float as_float(Half x) { return to_float(x); }
__device__ __forceinline__ float as_float(BFloat16 x) { return to_float(x); }

// Two axes for each mask: its columns, its rows.
__global__ void place_masks_kernel(const float* boxes, PasteRule rule, std::int64_t n, std::int64_t mask_h,
                                   std::int64_t mask_w, std::int64_t h, std::int64_t w, PasteAxis* axes) {
  for (std::int64_t k = first_thread(); k < 2 * n; k += thread_stride()) {
    const float* box = boxes + k / 2 * 4;
    axes[k] = k % 2 == 0 ? paste_axis(rule, box[0], box[2], mask_w, w) : paste_axis(rule, box[1], box[3], mask_h, h);
  }
}

// A mask within its padding.
template <class T>
struct PaddedMask {
  const T* values;
  std::int64_t h, w, padding;
  __device__ float operator()(std::int64_t y, std::int64_t x) const {
    y -= padding;
    x -= padding;
    return y >= 0 && y < h && x >= 0 && x < w ? as_float(values[y * w + x]) : 0.0f;
  }
};

template <class T>
__global__ void paste_masks_kernel(View<const T> masks, const PasteAxis* axes, PasteRule rule, WordOutput output) {
  const std::int64_t bands = (output.h + kRowsPerBlock - 1) / kRowsPerBlock;
  for (std::int64_t item = blockIdx.x; item < masks.n * bands; item += gridDim.x) {
    const std::int64_t i = item / bands;
    const PasteAxis columns = axes[2 * i], rows = axes[2 * i + 1];
    const std::int64_t top = rows.begin + item % bands * kRowsPerBlock;
    const std::int64_t bottom = min(top + kRowsPerBlock, rows.end);
    if (top >= bottom || columns.begin >= columns.end) continue;
    const PaddedMask<T> mask{masks.image(i), masks.h, masks.w, rule.padding};
    const std::int64_t first = columns.begin / 32, across = (columns.end - 1) / 32 + 1 - first;
    for (std::int64_t word = first + warp_id(); word < first + across; word += kThreads / kWarpSize) {
      const std::int64_t x = 32 * word + lane_id();
      const bool covered = x >= columns.begin && x < columns.end;
      const BilinearTap along = columns.tap(covered ? x : columns.begin);
      std::uint32_t own = 0;  // bits of the lane's row
      for (std::int64_t y = top; y < bottom; ++y) {
        bool foreground = false;
        if (covered) {
          const BilinearTap down = rows.tap(y);
          const float upper = bilinear_mix(along, mask(down.first, along.first), mask(down.first, along.second));
          const float lower = bilinear_mix(along, mask(down.second, along.first), mask(down.second, along.second));
          foreground = rule(bilinear_mix(down, upper, lower));
        }
        const std::uint32_t bits = __ballot_sync(kFullWarp, foreground);
        if (lane_id() == y - top) own = bits;
      }
      output.store(i, top, bottom, word, own);
    }
  }
}

template <class T>
void paste(const Context& context, const Image& masks, const PasteAxis* axes, const PasteRule& rule, std::int64_t h,
           std::int64_t w, const MaskOutput& output) {
  const std::int64_t bands = (h + kRowsPerBlock - 1) / kRowsPerBlock;
  RM_LAUNCH(paste_masks_kernel<T>, bounded_grid(masks.n * bands), kThreads, 0, context.stream, masks.as<T>(), axes,
            rule, WordOutput{output.dense, reinterpret_cast<std::uint32_t*>(output.packed), h, w});
}

}  // namespace

void paste_masks(const Context& context, const Image& masks, const float* boxes, const PasteRule& rule, std::int64_t h,
                 std::int64_t w, const MaskOutput& output, bool output_is_zero, const PasteStatistics& statistics) {
  const std::int64_t words = masks.n * h * ((w + 63) / 64);
  if (words > 0) {
    if (!output_is_zero) {
      void* const data = output.packed != nullptr ? static_cast<void*>(output.packed) : output.dense;
      const std::int64_t bytes = output.packed != nullptr ? 8 * words : masks.n * h * w;
      check(cudaMemsetAsync(data, 0, static_cast<std::size_t>(bytes), context.stream), "cudaMemsetAsync");
    }
    auto* axes = context.scratch<PasteAxis>(2 * masks.n);
    RM_LAUNCH(place_masks_kernel, grid_of_threads(2 * masks.n), kThreads, 0, context.stream, boxes, rule, masks.n,
              masks.h, masks.w, h, w, axes);
    switch (masks.dtype) {
      case DType::float16: paste<Half>(context, masks, axes, rule, h, w, output); break;
      case DType::bfloat16: paste<BFloat16>(context, masks, axes, rule, h, w, output); break;
      default: paste<float>(context, masks, axes, rule, h, w, output);
    }
  }
  if (statistics.areas == nullptr) return;
  if (output.packed != nullptr) {
    const ConstPackedMasks pasted{output.packed, masks.n, h, w};
    mask_areas(context, pasted, statistics.areas);
    masks_to_boxes(context, pasted, statistics.boxes);
  } else {
    const View<const std::uint8_t> pasted{output.dense, masks.n, h, w};
    mask_areas(context, pasted, statistics.areas);
    masks_to_boxes(context, pasted, statistics.boxes);
  }
}

}  // namespace rapidmask::cuda
