// Union-find over runs of packed words (component_runs.cuh): only the first pixel of a run has a node, so that what is
// touched grows with the runs, of which natural masks have one for 30 to 100 pixels.
//
// The root of a tree is its smallest node. Node 0 stands for what is outside of the mask: joined with it are the
// components that touch the border, or that are marked. A node holds its parent, a smaller node; or, with the tag
// kRoot, a payload of its component: its area or its number.
//
// Parents change by atomicMin where roots are linked and by stores where a path is halved. Such a store may undo a link
// that another thread made meanwhile, but not lose it: a thread that links a to b where a had a parent already goes on
// to join that parent with b. So the outcome depends on no order.
#pragma once

#include <cstdint>

#include "component_runs.cuh"
#include "rapidmask/components.hpp"

namespace rapidmask::cuda {

inline constexpr std::uint32_t kRoot = 0x80000000u;
inline constexpr std::uint32_t kOutside = 0;  // the node

// Nodes of a mask in global memory, and in that of a block.
struct GlobalNodes {
  std::uint32_t* nodes;
  __device__ std::uint32_t load(std::uint32_t node) const { return ld_relaxed(nodes + node); }
  __device__ void store(std::uint32_t node, std::uint32_t value) const { st_relaxed(nodes + node, value); }
  __device__ std::uint32_t lower(std::uint32_t node, std::uint32_t value) const {
    return atomicMin(nodes + node, value);
  }
  __device__ void add(std::uint32_t node, std::uint32_t value) const { atomicAdd(nodes + node, value); }
};
struct SharedNodes {
  std::uint32_t* nodes;
  __device__ std::uint32_t load(std::uint32_t node) const { return ld_relaxed_shared(nodes + node); }
  __device__ void store(std::uint32_t node, std::uint32_t value) const { st_relaxed_shared(nodes + node, value); }
  __device__ std::uint32_t lower(std::uint32_t node, std::uint32_t value) const {
    return atomicMin(nodes + node, value);
  }
  __device__ void add(std::uint32_t node, std::uint32_t value) const { atomicAdd(nodes + node, value); }
};

template <class Nodes>
__device__ __forceinline__ std::uint32_t find_root(const Nodes& nodes, std::uint32_t node) {
  for (;;) {
    const std::uint32_t parent = nodes.load(node);
    if (parent >= kRoot) return node;
    const std::uint32_t above = nodes.load(parent);
    if (above >= kRoot) return parent;
    nodes.store(node, above);
    node = above;
  }
}

template <class Nodes>
__device__ __forceinline__ std::uint32_t payload(const Nodes& nodes, std::uint32_t root) {
  return nodes.load(root) & ~kRoot;
}

// While payloads are zero.
template <class Nodes>
__device__ __forceinline__ void unite(const Nodes& nodes, std::uint32_t a, std::uint32_t b) {
  for (;;) {
    a = find_root(nodes, a);
    b = find_root(nodes, b);
    if (a == b) return;
    const std::uint32_t high = max(a, b);
    b = min(a, b);
    a = nodes.lower(high, b);
    if (a == kRoot) return;  // else another thread was first: join with what it put there
  }
}

// Makes each run that begins in a lane's word a tree; no other thread knows of it yet.
template <class Nodes>
__device__ __forceinline__ void plant_roots(const Nodes& nodes, const Runs& runs) {
  for (std::uint64_t rest = runs.starts; rest != 0; rest &= rest - 1)
    nodes.nodes[runs.node_of(lowest_bit(rest))] = kRoot;
}

// Joins the runs of two rows that touch: where their overlap begins, if `overlaps`; and, with a reach of 1, where only
// corners touch, at the last pixels of runs that `corners` has.
template <class Nodes>
__device__ __forceinline__ void unite_rows(const Nodes& nodes, const Runs& a, const Runs& b, int reach, bool overlaps,
                                           std::uint64_t corners) {
  const std::uint64_t both = a.word & b.word;
  const std::uint64_t begins = both & ~(both << 1 | static_cast<std::uint64_t>(a.joined && b.joined));
  for (std::uint64_t rest = overlaps ? begins : 0; rest != 0; rest &= rest - 1) {
    const int bit = lowest_bit(rest);
    unite(nodes, a.run_of(bit), b.run_of(bit));
  }
  if (reach < 1) return;
  const auto unite_corners = [&](const Runs& left, const Runs& right) {
    const std::uint64_t after = right.word >> 1 | static_cast<std::uint64_t>(right.next) << 63;
    for (std::uint64_t rest = left.ends() & after & ~right.word & corners; rest != 0; rest &= rest - 1) {
      const int bit = lowest_bit(rest);
      unite(nodes, left.run_of(bit), right.node_of(bit + 1));
    }
  };
  unite_corners(a, b);
  unite_corners(b, a);
}

// Joins the runs of a word that hold a marked pixel with the outside.
template <class Nodes>
__device__ __forceinline__ void unite_marked(const Nodes& nodes, const Runs& runs, std::uint64_t marks) {
  for (std::uint64_t rest = runs.word & marks; rest != 0;) {
    const int bit = lowest_bit(rest);
    unite(nodes, runs.run_of(bit), kOutside);
    const std::uint64_t after = ~(runs.word >> bit);  // its lowest bit is where the run ends
    if (after == 0) return;
    rest &= ~std::uint64_t{0} << bit << lowest_bit(after);
  }
}

// Joins the runs at a place with those of the rows around that come before it, within the mask. What lies within one
// tile of rows, of one strip each, is joined already.
template <class Nodes>
__device__ __forceinline__ void unite_place(const Nodes& nodes, const RunWords& words, const Layout& layout,
                                            const Place& place, const Neighbourhood& around, std::uint32_t tile_rows) {
  const Runs runs = runs_at(layout, words, place);
  const bool cut = layout.strips > 1 && lane_id() == kWarpSize - 1 && runs.next;
  if (cut && runs.word >> 63 != 0) unite(nodes, runs.run_of(63), runs.node_of(64));
  const auto h = static_cast<std::uint32_t>(layout.h);
  const std::uint32_t y = place.row % h;
  // With the row `back` rows before, where it is in the mask.
  const auto unite_with = [&](std::uint32_t back, bool there, int reach, bool overlaps, std::uint64_t corners) {
    const Runs other = runs_at(layout, words, {place.row - back, place.k, place.inside && there});
    unite_rows(nodes, runs, other, reach, overlaps, corners);
  };
  constexpr std::uint64_t kAll = ~std::uint64_t{0};
  const bool tile_begins = place.row % tile_rows == 0;
  const std::uint64_t corner = layout.strips > 1 && lane_id() == kWarpSize - 1 ? std::uint64_t{1} << 63 : 0;
  unite_with(1, y > 0, around.same_slice, tile_begins, tile_begins ? kAll : corner);
  if (around.above_slice == Neighbourhood::kNone) return;
  unite_with(h, place.row >= h, around.above_slice, true, kAll);
  if (around.diagonal == Neighbourhood::kNone) return;
  unite_with(h + 1, place.row >= h && y > 0, around.diagonal, true, kAll);
  unite_with(h - 1, place.row >= h && y + 1 < h, around.diagonal, true, kAll);
}

// Adds the lengths of the runs that begin at a place to the payloads of their roots. Runs outside are not counted.
// Paths are flattened on the way.
template <class Nodes>
__device__ __forceinline__ void add_areas(const Nodes& nodes, const Layout& layout, const Runs& runs) {
  constexpr int kSums = 2;  // components whose runs in the warp are added by one atomic at a time
  const int last = last_length(layout, runs);
  std::uint64_t rest = runs.starts;
  while (__any_sync(kFullWarp, rest != 0)) {
    std::uint32_t root = kOutside, length = 0;
    if (rest != 0) {
      const int bit = lowest_bit(rest);
      rest &= rest - 1;
      length = static_cast<std::uint32_t>(rest == 0 ? last : lowest_bit(~(runs.word >> bit)));
      root = find_root(nodes, runs.node_of(bit));
      if (root != runs.node_of(bit)) nodes.store(runs.node_of(bit), root);
    }
    unsigned left = __ballot_sync(kFullWarp, root != kOutside);
    for (int i = 0; i < kSums && left != 0; ++i) {
      const int first = __ffs(static_cast<int>(left)) - 1;
      const bool alike = root == __shfl_sync(kFullWarp, root, first);
      const std::uint32_t sum = warp_sum(alike ? length : 0u);
      if (lane_id() == first) nodes.add(root, sum);
      left &= ~__ballot_sync(kFullWarp, alike);
    }
    if ((left >> lane_id() & 1) != 0) nodes.add(root, length);
  }
}

}  // namespace rapidmask::cuda
