// Merging of masks on a device: one block of threads forms one group after the other, a warp comparing a mask with the
// group's union. Of that, which is cut to blocks like the masks, each round counts the pixels anew.

#include "overlap_blocks.cuh"
#include "overlap_rivals.cuh"

namespace rapidmask::cuda {
namespace {

constexpr int kMergeThreads = 512;  // with 1024 registers are spilled
constexpr int kMergeWarps = kMergeThreads / kWarpSize;

enum State : std::uint8_t { kLeft, kJoining, kTaken };

// What the block works with: the union of a group, and the state of each rank.
struct Merging {
  BlockedMasks masks;
  std::uint64_t* bits;
  std::uint16_t* counts;
  std::int64_t* area;
  State* states;
  std::int64_t* members;
  std::int64_t* offsets;  // of n + 1 groups; after them their number

  RM_HOST_DEVICE BlockedMasks group() const { return {{bits, 1, masks.masks.h, masks.masks.w}, counts, area}; }
};

// Whether any mask that is left overlaps mask `i` of `group` enough to join it; those that do are marked. Called by the
// block, for the group of the mask `leader` of a rank before `first`.
__device__ bool find_joining(const Merging& merging, const Rivals& rivals, const BlockedMasks& group, std::int64_t i,
                             std::int64_t leader, std::int64_t first, OverlapMetric metric, double threshold) {
  bool any = false;
  for (std::int64_t s = first + warp_id(); s < rivals.n; s += kMergeWarps) {
    const std::int64_t j = rivals.order[s];
    if (merging.states[s] != kLeft || !rivals.compete(leader, j)) continue;
    const std::int64_t area_j = merging.masks.areas[j], area_i = group.areas[i];
    if (!(overlap_of(metric, min(area_j, area_i), area_j, area_i) >= threshold)) continue;
    const std::int64_t shared = shared_pixels(merging.masks, j, group, i, 0, group.positions());
    if (!(overlap_of(metric, shared, area_j, area_i) >= threshold)) continue;
    any = true;
    __syncwarp();  // all lanes have read the state
    if (lane_id() == 0) merging.states[s] = kJoining;
  }
  return __syncthreads_or(any) != 0;
}

// Appends those marked to the members, in order; returns how many members there are. Called by the block.
__device__ std::int64_t take_joining(const Merging& merging, const Rivals& rivals, std::int64_t first,
                                     std::int64_t count) {
  for (std::int64_t s0 = first; s0 < rivals.n; s0 += kMergeThreads) {
    const std::int64_t s = s0 + threadIdx.x;
    const bool joins = s < rivals.n && merging.states[s] == kJoining;
    int total;
    const int before = block_exclusive_scan(joins ? 1 : 0, total);
    if (joins) {
      merging.members[count + before] = rivals.order[s];
      merging.states[s] = kTaken;
    }
    count += total;
  }
  __syncthreads();
  return count;
}

// Adds the members [begin, end) to the union, which is empty before if `anew`. Called by the block.
__device__ void unite(const Merging& merging, std::int64_t begin, std::int64_t end, bool anew) {
  const BlockedMasks group = merging.group();
  const std::int64_t words = merging.masks.masks.h * merging.masks.masks.words();
  for (std::int64_t t = threadIdx.x; t < words; t += kMergeThreads) {
    std::uint64_t word = anew ? 0 : merging.bits[t];
    for (std::int64_t k = begin; k < end; ++k) word |= merging.masks.masks.image(merging.members[k])[t];
    merging.bits[t] = word;
  }
  __syncthreads();
  std::int64_t area = 0;
  for (std::int64_t p = warp_id(); p < group.positions(); p += kMergeWarps) {
    int count = 0;
    for_lane_words(group, p, [&](std::int64_t offset) { count += __popcll(merging.bits[offset]); });
    area += count;
    count = warp_sum(count);
    if (lane_id() == 0) merging.counts[p] = static_cast<std::uint16_t>(count);
  }
  area = block_sum(area);
  if (threadIdx.x == 0) *merging.area = area;
  __syncthreads();
}

// All masks are left before.
__global__ void __launch_bounds__(kMergeThreads, 1)
    merge_masks_kernel(Merging merging, Rivals rivals, OverlapMetric metric, double threshold) {
  std::int64_t count = 0, groups = 0;
  for (std::int64_t r = 0; r < rivals.n; ++r) {
    if (merging.states[r] == kTaken) continue;
    const std::int64_t leader = rivals.order[r];
    if (threadIdx.x == 0) {
      merging.offsets[groups] = count;
      merging.members[count] = leader;
    }
    ++groups;
    std::int64_t united = count++;
    bool alone = true;  // the group is its leader, of which no union is needed
    while (find_joining(merging, rivals, alone ? merging.masks : merging.group(), alone ? leader : 0, leader, r + 1,
                        metric, threshold)) {
      count = take_joining(merging, rivals, r + 1, count);
      unite(merging, united, count, alone);
      united = count;
      alone = false;
    }
  }
  if (threadIdx.x == 0) {
    merging.offsets[groups] = count;
    merging.offsets[rivals.n + 1] = groups;
  }
}

__global__ void give_groups_kernel(Merging merging, std::int64_t n, std::int64_t groups, MaskGroups result) {
  for (std::int64_t k = first_thread(); k < n; k += thread_stride()) result.indices[k] = merging.members[k];
  for (std::int64_t k = first_thread(); k <= groups; k += thread_stride()) result.offsets[k] = merging.offsets[k];
}

}  // namespace

void mask_nmm(const Context& context, const Masks& masks, const double* scores, const std::int64_t* labels,
              double threshold, OverlapMetric metric, const MakeGroups& make_groups) {
  if (masks.n == 0) {
    check(cudaMemsetAsync(make_groups(0).offsets, 0, sizeof(std::int64_t), context.stream), "cudaMemsetAsync");
    return;
  }
  const Rivals rivals = rank_rivals(context, scores, labels, masks.n);
  const BlockedMasks blocks = cut_to_blocks(context, masks);
  const Merging merging{blocks,
                        context.scratch<std::uint64_t>(masks.mask_words()),
                        context.scratch<std::uint16_t>(blocks.positions()),
                        context.scratch<std::int64_t>(1),
                        context.scratch<State>(masks.n),
                        context.scratch<std::int64_t>(masks.n),
                        context.scratch<std::int64_t>(masks.n + 2)};
  check(cudaMemsetAsync(merging.states, kLeft, static_cast<std::size_t>(masks.n), context.stream), "cudaMemsetAsync");
  RM_LAUNCH(merge_masks_kernel, 1, kMergeThreads, 0, context.stream, merging, rivals, metric, threshold);
  const std::int64_t groups = context.to_host(merging.offsets + masks.n + 1, 1).front();
  RM_LAUNCH(give_groups_kernel, grid_of_threads(masks.n + 1), kThreads, 0, context.stream, merging, masks.n, groups,
            make_groups(groups));
}

}  // namespace rapidmask::cuda
