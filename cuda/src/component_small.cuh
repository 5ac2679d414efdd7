// A mask that fits in the shared memory of one block, with the nodes of its runs: what one launch does with it.
#pragma once

#include <cstdint>

#include "component_batch.cuh"

namespace rapidmask::cuda {

inline constexpr int kSmallThreads = 512;

// The bytes that a mask with its nodes takes, and `more_words` words beside; 136 for 64 pixels.
inline std::int64_t small_bytes(const Layout& layout, std::int64_t words_per_word = 1) {
  return 8 * words_per_word * layout.mask_words() + 4 * layout.nodes();
}
inline bool is_small(std::int64_t bytes) { return static_cast<std::size_t>(bytes) <= most_dynamic_shared(); }

// A block for each mask, of no more warps than its strips need.
struct SmallLaunch {
  int grid, threads;
  std::size_t bytes;
};
inline SmallLaunch small_launch(std::int64_t n, const Layout& layout, std::int64_t bytes) {
  const std::int64_t threads = kWarpSize * layout.warps();
  return {bounded_grid(n), static_cast<int>(threads < kSmallThreads ? threads : kSmallThreads),
          static_cast<std::size_t>(bytes)};
}

struct SmallMask {
  Layout layout;
  Connection connection;
  std::uint64_t* words;
  SharedNodes nodes;

  __device__ RunWords run_words() const { return {words, connection.inverted}; }
  __device__ Runs runs(const Place& place) const { return runs_at(layout, run_words(), place); }
};

// In memory of small_bytes(layout, words_per_word).
__device__ __forceinline__ SmallMask small_mask(const Layout& layout, const Connection& connection,
                                                std::uint64_t* memory, std::int64_t words) {
  return {layout, connection, memory, {reinterpret_cast<std::uint32_t*>(memory + words)}};
}

// Makes the forest of a mask whose words read(place) gives. Ends with a barrier.
template <class Read>
__device__ __forceinline__ void join_small(const SmallMask& mask, std::int64_t i, const Read& read) {
  const Layout& layout = mask.layout;
  for_each_place(layout, [&](const Place& place) {
    std::uint64_t word = read(place);
    if (place.inside) mask.words[place.word(layout)] = word;
    if (mask.connection.inverted) word = place.inside ? ~word & valid_bits(layout, place.k) : 0;
    plant_roots(mask.nodes, runs_of(layout, word, first_node(layout, place), false));
  });
  if (threadIdx.x == 0) mask.nodes.nodes[kOutside] = kRoot;
  __syncthreads();
  const Neighbourhood around = neighbourhood(mask.connection.connectivity);
  const bool volume = is_volume(mask.connection.connectivity);
  for_each_place(layout, [&](const Place& place) {
    unite_place(mask.nodes, mask.run_words(), layout, place, around, 1);
    if (mask.connection.marks.kind == Marks::Kind::none) return;
    unite_marked(mask.nodes, mask.runs(place), mask.connection.marks(layout, place, volume, i));
  });
  __syncthreads();
}

// Adds areas to the roots. Ends with a barrier.
__device__ __forceinline__ void add_small_areas(const SmallMask& mask) {
  for_each_place(mask.layout, [&](const Place& place) { add_areas(mask.nodes, mask.layout, mask.runs(place)); });
  __syncthreads();
}

// Calls assign(node, rank) for the roots for which counts(node) holds, with their ranks from 0 in raster order, and
// returns how many there are. Ends with a barrier.
template <class Counts, class Assign>
__device__ __forceinline__ std::uint32_t rank_small(const SmallMask& mask, const Counts& counts, const Assign& assign) {
  const Layout& layout = mask.layout;
  const std::uint32_t stride = layout.strips_per_warp() * (blockDim.x / kWarpSize);
  std::uint32_t ranked = 0;
  for (std::uint32_t first = 0; first < layout.all_strips(); first += stride) {
    const auto strip = first + layout.strips_per_warp() * static_cast<std::uint32_t>(warp_id());
    const Runs runs = mask.runs(place_of_lane(layout, strip));
    std::uint64_t roots = runs.starts;
    for (std::uint64_t rest = roots; rest != 0; rest &= rest - 1) {
      const std::uint32_t node = runs.node_of(lowest_bit(rest));
      if (mask.nodes.load(node) < kRoot || !counts(node)) roots &= ~(rest & (~rest + 1));
    }
    std::uint32_t total;
    std::uint32_t rank = ranked + block_exclusive_scan(static_cast<std::uint32_t>(__popcll(roots)), total);
    for (; roots != 0; roots &= roots - 1) assign(runs.node_of(lowest_bit(roots)), rank++);
    ranked += total;
  }
  __syncthreads();
  return ranked;
}

}  // namespace rapidmask::cuda
