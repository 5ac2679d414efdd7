// How a filter of components chooses among them, and the choice of the largest.
#pragma once

#include <cstdint>
#include <limits>

#include "component_batch.cuh"
#include "component_small.cuh"

namespace rapidmask::cuda {

inline constexpr std::int64_t kAnyArea = std::numeric_limits<std::int64_t>::max();

// Larger components have larger keys, of equal ones the first in raster order.
__device__ __forceinline__ std::uint64_t key_of(std::uint32_t area, std::uint32_t root) {
  return static_cast<std::uint64_t>(area) << 32 | ~root;
}

// The components whose runs are chosen: those joined with the outside if `marked`; of the others those with areas from
// `least` to `most` (areas are 0 unless `by_area`) and a key of at least a mask's limit.
struct Choice {
  bool marked, by_area;
  std::int64_t least, most;

  template <class Nodes>
  __device__ bool chooses(const Nodes& nodes, std::uint32_t root, std::uint64_t limit) const {
    if (root == kOutside) return marked;
    const std::uint32_t area = payload(nodes, root);
    return area >= least && area <= most && key_of(area, root) >= limit;
  }
};

// Writes what a filter makes of masks: the chosen runs or, where those are of the background, the foreground with them.
// `limits` may be null.
void write_filtered(const Context& context, const Forests& forests, const Choice& choice, const std::uint64_t* limits,
                    const MutableMasks& result);

// The key of the k-th largest component of each mask, 0 where there are fewer. Payloads are areas.
const std::uint64_t* limits_of_largest(const Context& context, const Forests& forests, std::int64_t k);

// Eight bits at a time, areas are narrowed down from the top to that of the k-th largest component: `area` holds the
// digits found, `rest` how many of the largest are still to be found among those that share them.
constexpr int kDigits = 256;
struct Selection {
  std::uint32_t area, rest;
};

// The shift of the first digit that an area can have.
RM_HOST_DEVICE int top_digit(const Layout& layout) {
  int shift = 24;
  while (shift > 0 && layout.pixels() >> shift == 0) shift -= 8;
  return shift;
}

// Takes the next digit from how many components that share the former ones have each; called by one warp. A `rest` of
// 0 tells that there are too few.
__device__ __forceinline__ Selection next_digit(Selection selection, const std::uint32_t* counts) {
  constexpr int kOfLane = kDigits / kWarpSize;
  const int top = kDigits - 1 - kOfLane * lane_id();  // the lane's first digit, from the largest on
  std::uint32_t own = 0;
  for (int j = 0; j < kOfLane; ++j) own += counts[top - j];
  const std::uint32_t upto = warp_inclusive_scan(own);
  const unsigned enough = __ballot_sync(kFullWarp, upto >= selection.rest);
  if (enough == 0 || selection.rest == 0) return {0, 0};
  const int lane = __ffs(static_cast<int>(enough)) - 1;
  std::uint32_t rest = selection.rest - (upto - own);
  int digit = top;
  if (lane_id() == lane) {
    while (rest > counts[digit]) rest -= counts[digit--];
  }
  return {selection.area << 8 | static_cast<std::uint32_t>(__shfl_sync(kFullWarp, digit, lane)),
          __shfl_sync(kFullWarp, rest, lane)};
}

// The same of a mask in shared memory; the whole block calls it.
__device__ __forceinline__ std::uint64_t limit_of_largest(const SmallMask& mask, std::int64_t k) {
  __shared__ std::uint32_t counts[kDigits];
  __shared__ Selection found;
  __shared__ std::uint64_t limit;
  const std::int64_t nodes = mask.layout.nodes();
  Selection selection{0, static_cast<std::uint32_t>(k < nodes ? k : nodes)};
  for (int shift = top_digit(mask.layout); shift >= 0; shift -= 8) {
    for (unsigned d = threadIdx.x; d < kDigits; d += blockDim.x) counts[d] = 0;
    __syncthreads();
    for_each_place(mask.layout, [&](const Place& place) {
      const Runs runs = mask.runs(place);
      for (std::uint64_t rest = runs.starts; rest != 0; rest &= rest - 1) {
        const std::uint32_t value = mask.nodes.load(runs.node_of(lowest_bit(rest)));
        const std::uint32_t area = value & ~kRoot;
        if (value >= kRoot && area >> shift >> 8 == selection.area) atomicAdd(counts + (area >> shift & 255), 1u);
      }
    });
    __syncthreads();
    if (warp_id() == 0) {
      const Selection next = next_digit(selection, counts);
      if (lane_id() == 0) found = next;
    }
    __syncthreads();
    selection = found;
  }
  if (selection.rest == 0) return 0;
  rank_small(
      mask, [&](std::uint32_t node) { return payload(mask.nodes, node) == selection.area; },
      [&](std::uint32_t node, std::uint32_t rank) {
        if (rank + 1 == selection.rest) limit = key_of(selection.area, node);
      });
  return limit;
}

}  // namespace rapidmask::cuda
