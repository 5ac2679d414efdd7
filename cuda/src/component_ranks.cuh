// Ranks of roots in raster order, by one launch for all masks of a batch: a scan over blocks with decoupled look-back
// (D. Merrill, M. Garland, Single-pass Parallel Prefix Scan with Decoupled Look-back, 2016).
//
// Blocks take chunks of a mask in order, by ticket, so that whoever waits for another chunk waits for a block that
// runs. A chunk first publishes how many it counts, then how many there are up to its end; the word that says so
// carries the number with it, so nothing else needs to be ordered.
#pragma once

#include <cstdint>

#include "component_batch.cuh"

namespace rapidmask::cuda {

// A chunk's state: 0 while nothing is known.
inline constexpr std::uint64_t kChunkCount = std::uint64_t{1} << 62;  // and the count of the chunk
inline constexpr std::uint64_t kChunkEnd = std::uint64_t{2} << 62;    // and the count of the mask up to its end

// The candidates for roots that one thread looks at, in raster order: bit b is of node first + (b >> shift).
struct Candidates {
  std::uint64_t bits;
  std::uint32_t first;
  int shift;
  __device__ std::uint32_t lowest() const { return first + (static_cast<std::uint32_t>(lowest_bit(bits)) >> shift); }
};

// The first pixels of runs: one word for a thread.
struct RunCandidates {
  Forests forests;

  RM_HOST_DEVICE std::int64_t of_mask() const { return forests.layout.mask_words(); }
  __device__ Candidates operator()(std::int64_t i, std::int64_t index) const {
    const Layout& layout = forests.layout;
    const RunWords words = forests.run_words(i);
    const Place place{static_cast<std::uint32_t>(index / layout.words), static_cast<std::int32_t>(index % layout.words),
                      true};
    const std::uint64_t word = words(layout, place);
    const bool joined = place.k % kWarpSize != 0 && words(layout, {place.row, place.k - 1, true}) >> 63 != 0;
    return {word & ~(word << 1 | static_cast<std::uint64_t>(joined)), first_node(layout, place), 1};
  }
};

// How many are counted in the chunks of the mask before `chunk`, its `begin`-th; called by one warp.
__device__ __forceinline__ std::uint32_t look_back(std::uint64_t* states, std::int64_t chunk, std::int64_t begin) {
  std::uint32_t before = 0;
  for (std::int64_t last = chunk - 1; last >= begin; last -= kWarpSize) {
    const std::int64_t mine = last - lane_id();
    std::uint64_t state = mine >= begin ? ld_relaxed(states + mine) : kChunkEnd;
    while (__any_sync(kFullWarp, state == 0)) {
      if (state == 0) state = ld_relaxed(states + mine);
    }
    const unsigned ends = __ballot_sync(kFullWarp, state >= kChunkEnd);
    const int stop = ends != 0 ? __ffs(static_cast<int>(ends)) - 1 : kWarpSize - 1;
    before += warp_sum(lane_id() <= stop ? static_cast<std::uint32_t>(state) : 0u);
    if (ends != 0) break;
  }
  return before;
}

// Calls ranking.assign(i, node, rank) for the candidates for which ranking.counts(i, node) holds, with their ranks from
// 0, and ranking.finish(i, count) once for each mask. `states` are zero: one for each chunk and a ticket.
template <class Source, class Ranking>
__global__ void __launch_bounds__(kThreads, 1)
    rank_roots_kernel(Source source, Ranking ranking, std::int64_t n, std::int64_t chunks, std::uint64_t* states) {
  __shared__ std::int64_t taken;
  __shared__ std::uint32_t base;
  for (;;) {
    if (threadIdx.x == 0) {
      taken = static_cast<std::int64_t>(atomicAdd(reinterpret_cast<unsigned long long*>(states + n * chunks), 1ull));
    }
    __syncthreads();
    const std::int64_t chunk = taken;
    if (chunk >= n * chunks) return;
    const std::int64_t i = chunk / chunks, begin = i * chunks;
    const std::int64_t index = (chunk - begin) * kThreads + threadIdx.x;
    Candidates roots = index < source.of_mask() ? source(i, index) : Candidates{0, 0, 0};
    for (Candidates rest = roots; rest.bits != 0; rest.bits &= rest.bits - 1) {
      if (!ranking.counts(i, rest.lowest())) roots.bits &= ~(rest.bits & (~rest.bits + 1));
    }
    std::uint32_t count;
    std::uint32_t rank = block_exclusive_scan(static_cast<std::uint32_t>(__popcll(roots.bits)), count);
    if (warp_id() == 0) {
      std::uint64_t* state = states + chunk;
      if (lane_id() == 0 && chunk > begin) st_relaxed(state, kChunkCount | count);
      const std::uint32_t before = look_back(states, chunk, begin);
      if (lane_id() == 0) {
        st_relaxed(state, kChunkEnd | (before + count));
        base = before;
        if (chunk + 1 == begin + chunks) ranking.finish(i, before + count);
      }
    }
    __syncthreads();
    rank += base;
    for (; roots.bits != 0; roots.bits &= roots.bits - 1) ranking.assign(i, roots.lowest(), rank++);
  }
}

template <class Source, class Ranking>
void rank_roots(const Context& context, const Source& source, const Ranking& ranking, std::int64_t n) {
  const std::int64_t chunks = (source.of_mask() + kThreads - 1) / kThreads;
  const std::int64_t count = n * chunks + 1;
  auto* states = context.scratch<std::uint64_t>(count);
  check(cudaMemsetAsync(states, 0, static_cast<std::size_t>(count) * sizeof *states, context.stream),
        "cudaMemsetAsync");
  RM_LAUNCH((rank_roots_kernel<Source, Ranking>), bounded_grid(n * chunks), kThreads, 0, context.stream, source,
            ranking, n, chunks, states);
}

// Makes the number of each component in its mask, from 1, the payload of its root.
struct NumberRoots {
  std::uint32_t* nodes;
  std::int64_t mask_nodes;
  std::int64_t* counts_of_masks;

  __device__ bool counts(std::int64_t i, std::uint32_t node) const {
    const GlobalNodes of_mask{nodes + i * mask_nodes};
    const std::uint32_t root = find_root(of_mask, node);
    if (root != node) of_mask.store(node, root);
    return root == node;
  }
  __device__ void assign(std::int64_t i, std::uint32_t node, std::uint32_t rank) const {
    GlobalNodes{nodes + i * mask_nodes}.store(node, kRoot | (rank + 1));
  }
  __device__ void finish(std::int64_t i, std::uint32_t count) const { counts_of_masks[i] = count; }
};

}  // namespace rapidmask::cuda
