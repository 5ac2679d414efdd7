// Packing and unpacking on a device: one thread for a pixel, one ballot for 32 of them.
//
// A warp takes 32 consecutive pixels of a row, so that reads coalesce and the vote is the packed word. Rows of odd
// width leave the last warp partly idle: its lanes vote zero, which is what the tail bits must be.

#include "rapidmask/pack.hpp"

#include "port.cuh"
#include "tiles.cuh"

namespace rapidmask::cuda {
namespace {

__global__ void pack_masks_kernel(const std::uint8_t* masks, std::int64_t rows, std::int64_t w, std::uint32_t* words) {
  const std::int64_t words32 = 2 * ((w + 63) / 64);
  for (std::int64_t i = first_warp(); i < rows * words32; i += warp_stride()) {
    const std::int64_t y = i / words32;
    const std::int64_t x = i % words32 * 32 + lane_id();
    const bool foreground = x < w && masks[y * w + x] != 0;
    const unsigned word = __ballot_sync(kFullWarp, foreground);
    if (lane_id() == 0) words[i] = word;
  }
}

__global__ void unpack_masks_kernel(const std::uint32_t* words, std::int64_t rows, std::int64_t w,
                                    std::uint8_t* masks) {
  const std::int64_t words32 = 2 * ((w + 63) / 64);
  for (std::int64_t i = first_warp(); i < rows * words32; i += warp_stride()) {
    const std::int64_t y = i / words32;
    const std::int64_t x = i % words32 * 32 + lane_id();
    if (x < w) masks[y * w + x] = static_cast<std::uint8_t>(words[i] >> lane_id() & 1u);
  }
}

}  // namespace

void pack(const Context& context, const View<const std::uint8_t>& masks, const PackedMasks& packed) {
  const std::int64_t rows = masks.n * masks.h;
  RM_LAUNCH(pack_masks_kernel, grid_of_warps(rows * 2 * packed.words()), kThreads, 0, context.stream, masks.data, rows,
            masks.w, reinterpret_cast<std::uint32_t*>(packed.data));
}

void unpack(const Context& context, const ConstPackedMasks& packed, std::uint8_t* masks) {
  const std::int64_t rows = packed.n * packed.h;
  RM_LAUNCH(unpack_masks_kernel, grid_of_warps(rows * 2 * packed.words()), kThreads, 0, context.stream,
            reinterpret_cast<const std::uint32_t*>(packed.data), rows, packed.w, masks);
}

}  // namespace rapidmask::cuda
