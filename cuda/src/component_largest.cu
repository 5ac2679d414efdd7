// The largest components of masks of any size, from areas at the roots of forests.

#include "component_filters.cuh"
#include "component_ranks.cuh"

namespace rapidmask::cuda {
namespace {

// Calls visit(root, area) for the roots that begin at a place.
template <class Visit>
__device__ __forceinline__ void for_each_root(const Forests& forests, std::int64_t i, const Place& place,
                                              const Visit& visit) {
  const Runs runs = runs_at(forests.layout, forests.run_words(i), place);
  const GlobalNodes nodes = forests.nodes_of(i);
  for (std::uint64_t rest = runs.starts; rest != 0; rest &= rest - 1) {
    const std::uint32_t node = runs.node_of(lowest_bit(rest)), value = nodes.load(node);
    if (value >= kRoot) visit(node, value & ~kRoot);
  }
}

__global__ void __launch_bounds__(kThreads, 1) find_largest_kernel(Forests forests, std::uint64_t* keys) {
  for_each_strip(forests.layout, forests.n, [&](std::int64_t i, const Place& place) {
    auto* largest = reinterpret_cast<unsigned long long*>(keys + i);
    for_each_root(forests, i, place, [&](std::uint32_t root, std::uint32_t area) {
      const unsigned long long key = key_of(area, root);
      if (key > ld_relaxed(largest)) atomicMax(largest, key);
    });
  });
}

__global__ void start_selections_kernel(std::int64_t n, std::uint32_t k, Selection* selections) {
  for (std::int64_t i = first_thread(); i < n; i += thread_stride()) selections[i] = {0, k};
}

// Counts the components that share the digits found, by the digit at `shift`.
__global__ void __launch_bounds__(kThreads, 1)
    count_digits_kernel(Forests forests, int shift, const Selection* selections, std::uint32_t* counts) {
  for_each_strip(forests.layout, forests.n, [&](std::int64_t i, const Place& place) {
    const Selection selection = selections[i];
    for_each_root(forests, i, place, [&](std::uint32_t, std::uint32_t area) {
      if (area >> shift >> 8 == selection.area) atomicAdd(counts + i * kDigits + (area >> shift & 255), 1u);
    });
  });
}

// A warp for a mask; leaves its counts zero.
__global__ void __launch_bounds__(kThreads, 1)
    choose_digits_kernel(std::int64_t n, Selection* selections, std::uint32_t* counts) {
  for (std::int64_t i = first_warp(); i < n; i += warp_stride()) {
    std::uint32_t* of_mask = counts + i * kDigits;
    const Selection next = next_digit(selections[i], of_mask);
    __syncwarp();
    for (int d = lane_id(); d < kDigits; d += kWarpSize) of_mask[d] = 0;
    if (lane_id() == 0) selections[i] = next;
  }
}

// Ranks the components that have the area of the k-th largest; the last of them that is among the k gives the limit.
struct LimitTies {
  Forests forests;
  const Selection* selections;
  std::uint64_t* limits;

  __device__ bool counts(std::int64_t i, std::uint32_t node) const {
    return forests.nodes_of(i).load(node) == (kRoot | selections[i].area);
  }
  __device__ void assign(std::int64_t i, std::uint32_t node, std::uint32_t rank) const {
    if (rank + 1 == selections[i].rest) limits[i] = key_of(selections[i].area, node);
  }
  __device__ void finish(std::int64_t, std::uint32_t) const {}
};

template <class T>
T* zeros(const Context& context, std::int64_t count) {
  T* values = context.scratch<T>(count);
  check(cudaMemsetAsync(values, 0, static_cast<std::size_t>(count) * sizeof(T), context.stream), "cudaMemsetAsync");
  return values;
}

}  // namespace

const std::uint64_t* limits_of_largest(const Context& context, const Forests& forests, std::int64_t k) {
  const int grid = grid_of_strips(forests.layout, forests.n);
  auto* limits = zeros<std::uint64_t>(context, forests.n);
  if (k == 1) {
    RM_LAUNCH(find_largest_kernel, grid, kThreads, 0, context.stream, forests, limits);
    return limits;
  }
  auto* selections = context.scratch<Selection>(forests.n);
  auto* counts = zeros<std::uint32_t>(context, forests.n * kDigits);
  const std::int64_t nodes = forests.layout.nodes();  // there are fewer components
  RM_LAUNCH(start_selections_kernel, grid_of_threads(forests.n), kThreads, 0, context.stream, forests.n,
            k < nodes ? k : nodes, selections);
  for (int shift = top_digit(forests.layout); shift >= 0; shift -= 8) {
    RM_LAUNCH(count_digits_kernel, grid, kThreads, 0, context.stream, forests, shift, selections, counts);
    RM_LAUNCH(choose_digits_kernel, grid_of_warps(forests.n), kThreads, 0, context.stream, forests.n, selections,
              counts);
  }
  rank_roots(context, RunCandidates{forests}, LimitTies{forests, selections, limits}, forests.n);
  return limits;
}

}  // namespace rapidmask::cuda
