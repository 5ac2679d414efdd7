// Overlaps of all pairs of masks on a device: a pass that counts the pixels of blocks, a warp for each pair of masks,
// and the division.

#include "rapidmask/overlap.hpp"

#include <algorithm>

#include "overlap_blocks.cuh"
#include "rapidmask/pack.hpp"

namespace rapidmask::cuda {
namespace {

constexpr std::int64_t kEnoughWarps = 1 << 13;  // to fill any device; fewer pairs are split among more warps

__global__ void count_blocks_kernel(BlockedMasks blocks, std::uint16_t* counts, unsigned long long* areas) {
  const std::int64_t positions = blocks.positions();
  for (std::int64_t t = first_warp(); t < blocks.masks.n * positions; t += warp_stride()) {
    const std::uint64_t* bits = blocks.masks.image(t / positions);
    int count = 0;
    for_lane_words(blocks, t % positions, [&](std::int64_t offset) { count += __popcll(bits[offset]); });
    count = warp_sum(count);
    if (lane_id() != 0) continue;
    counts[t] = static_cast<std::uint16_t>(count);
    if (count != 0) atomicAdd(areas + t / positions, static_cast<unsigned long long>(count));
  }
}

// One warp for each part of each pair.
__global__ void share_pixels_kernel(BlockedMasks a, BlockedMasks b, bool symmetric, std::int64_t parts,
                                    unsigned long long* sums) {
  const std::int64_t m = b.masks.n, positions = a.positions();
  const std::int64_t part = (positions + parts - 1) / parts;
  for (std::int64_t t = first_warp(); t < a.masks.n * m * parts; t += warp_stride()) {
    const std::int64_t pair = t / parts, i = pair / m, j = pair % m;
    if (symmetric && j <= i) continue;
    const std::int64_t begin = t % parts * part;
    const std::int64_t sum = shared_pixels(a, i, b, j, begin, min(begin + part, positions));
    if (lane_id() == 0 && sum != 0) atomicAdd(sums + pair, static_cast<unsigned long long>(sum));
  }
}

// Turns the sums, which lie where the overlaps are to be, into these.
__global__ void divide_overlaps_kernel(BlockedMasks a, BlockedMasks b, bool symmetric, OverlapMetric metric,
                                       const std::uint8_t* iscrowd, std::int64_t* sums, double* overlaps) {
  const std::int64_t m = b.masks.n;
  const auto overlap = [&](std::int64_t i, std::int64_t j, std::int64_t shared) {
    return overlap_of(metric, shared, a.areas[i], b.areas[j], iscrowd != nullptr && iscrowd[j] != 0);
  };
  for (std::int64_t t = first_thread(); t < a.masks.n * m; t += thread_stride()) {
    const std::int64_t i = t / m, j = t % m;
    if (symmetric && j < i) continue;
    const std::int64_t shared = symmetric && i == j ? a.areas[i] : sums[t];
    overlaps[t] = overlap(i, j, shared);
    if (symmetric && i != j) overlaps[j * m + i] = overlap(j, i, shared);
  }
}

}  // namespace

BlockedMasks cut_to_blocks(const Context& context, const Masks& masks) {
  ConstPackedMasks bits = masks.bits();
  if (!masks.packed) {
    auto* packed = context.scratch<std::uint64_t>(masks.n * masks.mask_words());
    pack(context, masks.bytes(), {packed, masks.n, masks.h, masks.w});
    bits = {packed, masks.n, masks.h, masks.w};
  }
  auto* areas = context.scratch<std::int64_t>(masks.n);
  BlockedMasks blocks{bits, nullptr, areas};
  auto* counts = context.scratch<std::uint16_t>(masks.n * blocks.positions());
  blocks.counts = counts;
  check(cudaMemsetAsync(areas, 0, static_cast<std::size_t>(masks.n) * sizeof *areas, context.stream),
        "cudaMemsetAsync");
  RM_LAUNCH(count_blocks_kernel, grid_of_warps(masks.n * blocks.positions()), kThreads, 0, context.stream, blocks,
            counts, reinterpret_cast<unsigned long long*>(areas));
  return blocks;
}

void share_pixels(const Context& context, const BlockedMasks& a, const BlockedMasks& b, bool symmetric,
                  std::int64_t* sums) {
  const std::int64_t pairs = a.masks.n * b.masks.n, most = (a.positions() + kWarpSize - 1) / kWarpSize;
  if (pairs == 0) return;
  check(cudaMemsetAsync(sums, 0, static_cast<std::size_t>(pairs) * sizeof *sums, context.stream), "cudaMemsetAsync");
  const std::int64_t parts = std::min(most, std::max<std::int64_t>(1, kEnoughWarps / pairs));
  RM_LAUNCH(share_pixels_kernel, grid_of_warps(pairs * parts), kThreads, 0, context.stream, a, b, symmetric, parts,
            reinterpret_cast<unsigned long long*>(sums));
}

void mask_iou(const Context& context, const Masks& a, const Masks* b, OverlapMetric metric, const std::uint8_t* iscrowd,
              double* overlaps) {
  if (a.n == 0 || (b != nullptr && b->n == 0)) return;
  const BlockedMasks first = cut_to_blocks(context, a);
  const BlockedMasks second = b != nullptr ? cut_to_blocks(context, *b) : first;
  auto* sums = reinterpret_cast<std::int64_t*>(overlaps);
  share_pixels(context, first, second, b == nullptr, sums);
  RM_LAUNCH(divide_overlaps_kernel, grid_of_threads(a.n * second.masks.n), kThreads, 0, context.stream, first, second,
            b == nullptr, metric, iscrowd, sums, overlaps);
}

}  // namespace rapidmask::cuda
