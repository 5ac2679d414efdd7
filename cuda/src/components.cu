// Labels and areas of components as images: the payload of each component, written to its pixels.

#include "component_batch.cuh"
#include "component_ranks.cuh"
#include "component_small.cuh"

namespace rapidmask::cuda {
namespace {

constexpr Connection connection_of(int connectivity) { return {connectivity, false, kNoMarks}; }

template <class Nodes>
__device__ __forceinline__ void write_payloads(const Nodes& nodes, const Layout& layout, const Place& place,
                                               const Runs& runs, std::int32_t* image) {
  const auto value = [&](std::uint32_t node) {
    return static_cast<std::int32_t>(payload(nodes, find_root(nodes, node)));
  };
  write_values(layout, place, runs, value, image);
}

__global__ void __launch_bounds__(kThreads, 1)
    write_payloads_kernel(Forests forests, std::int64_t pixels, std::int32_t* images) {
  for_each_strip(forests.layout, forests.n, [&](std::int64_t i, const Place& place) {
    const Runs runs = runs_at(forests.layout, forests.run_words(i), place);
    write_payloads(forests.nodes_of(i), forests.layout, place, runs, images + i * pixels);
  });
}

// `counts` is null where areas are wanted.
__global__ void __launch_bounds__(kSmallThreads, 1)
    write_small_kernel(Masks masks, Layout layout, Connection connection, std::int32_t* images, std::int64_t* counts) {
  RM_DYNAMIC_SHARED(std::uint64_t, memory);
  const SmallMask mask = small_mask(layout, connection, memory, layout.mask_words());
  for (std::int64_t i = blockIdx.x; i < masks.n; i += gridDim.x) {
    join_small(mask, i, [&](const Place& place) { return read_word(layout, place, masks.mask(i), masks.packed); });
    if (counts == nullptr) {
      add_small_areas(mask);
    } else {
      const std::uint32_t count = rank_small(
          mask, [](std::uint32_t) { return true; },
          [&](std::uint32_t node, std::uint32_t rank) { mask.nodes.store(node, kRoot | (rank + 1)); });
      if (threadIdx.x == 0) counts[i] = count;
    }
    for_each_place(layout, [&](const Place& place) {
      write_payloads(mask.nodes, layout, place, mask.runs(place), images + i * masks.pixels());
    });
    __syncthreads();  // the next mask takes the memory
  }
}

// Writes labels and counts or, where `counts` is null, areas in one launch; false where masks are too large for that.
bool write_small(const Context& context, const Masks& masks, int connectivity, std::int32_t* images,
                 std::int64_t* counts) {
  const Layout layout = layout_of(masks.d, masks.h, masks.w);
  const std::int64_t bytes = small_bytes(layout);
  if (!is_small(bytes)) return false;
  const SmallLaunch small = small_launch(masks.n, layout, bytes);
  RM_LAUNCH(write_small_kernel, small.grid, small.threads, small.bytes, context.stream, masks, layout,
            connection_of(connectivity), images, counts);
  return true;
}

void no_components(const Context& context, std::int64_t* counts, std::int64_t n) {
  check(cudaMemsetAsync(counts, 0, static_cast<std::size_t>(n) * sizeof *counts, context.stream), "cudaMemsetAsync");
}

}  // namespace

void write_payloads(const Context& context, const Forests& forests, std::int64_t pixels, std::int32_t* images) {
  RM_LAUNCH(write_payloads_kernel, grid_of_strips(forests.layout, forests.n), kThreads, 0, context.stream, forests,
            pixels, images);
}

void label(const Context& context, const Masks& masks, int connectivity, std::int32_t* labels, std::int64_t* counts) {
  if (masks.pixels() == 0) return no_components(context, counts, masks.n);
  if (write_small(context, masks, connectivity, labels, counts)) return;
  const Forests forests = join_runs(context, masks, connection_of(connectivity));
  rank_roots(context, RunCandidates{forests}, NumberRoots{forests.nodes, forests.layout.nodes(), counts}, masks.n);
  write_payloads(context, forests, masks.pixels(), labels);
}

void component_areas(const Context& context, const Masks& masks, int connectivity, std::int32_t* areas) {
  if (masks.pixels() == 0 || write_small(context, masks, connectivity, areas, nullptr)) return;
  const Forests forests = join_runs(context, masks, connection_of(connectivity));
  add_areas(context, forests);
  write_payloads(context, forests, masks.pixels(), areas);
}

}  // namespace rapidmask::cuda
