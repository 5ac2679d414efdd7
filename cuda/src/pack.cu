// Packing and unpacking on a device: one thread for 32 pixels of a row, which are a word.

#include "rapidmask/pack.hpp"

#include "pixel_bytes.cuh"
#include "port.cuh"
#include "tiles.cuh"

namespace rapidmask::cuda {
namespace {

__global__ void pack_masks_kernel(const std::uint8_t* masks, std::int64_t rows, std::int64_t w, std::uint32_t* words) {
  const std::int64_t words32 = 2 * ((w + 63) / 64);
  for (std::int64_t i = first_thread(); i < rows * words32; i += thread_stride()) {
    const std::int64_t y = i / words32, x = (i - y * words32) * kWordPixels;
    words[i] = read_pixels(masks + y * w + x, w - x);
  }
}

__global__ void unpack_masks_kernel(const std::uint32_t* words, std::int64_t rows, std::int64_t w,
                                    std::uint8_t* masks) {
  const std::int64_t words32 = 2 * ((w + 63) / 64);
  for (std::int64_t i = first_thread(); i < rows * words32; i += thread_stride()) {
    const std::int64_t y = i / words32, x = (i - y * words32) * kWordPixels;
    write_pixels(words[i], masks + y * w + x, w - x);
  }
}

}  // namespace

void pack(const Context& context, const View<const std::uint8_t>& masks, const PackedMasks& packed) {
  const std::int64_t rows = masks.n * masks.h;
  RM_LAUNCH(pack_masks_kernel, grid_of_threads(rows * 2 * packed.words()), kThreads, 0, context.stream, masks.data,
            rows, masks.w, reinterpret_cast<std::uint32_t*>(packed.data));
}

void unpack(const Context& context, const ConstPackedMasks& packed, std::uint8_t* masks) {
  const std::int64_t rows = packed.n * packed.h;
  RM_LAUNCH(unpack_masks_kernel, grid_of_threads(rows * 2 * packed.words()), kThreads, 0, context.stream,
            reinterpret_cast<const std::uint32_t*>(packed.data), rows, packed.w, masks);
}

}  // namespace rapidmask::cuda
