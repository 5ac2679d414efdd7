// Filters of components: forests, a choice by what their roots hold, and the words of the chosen runs. No labels.

#include "component_filters.cuh"

#include "component_small.cuh"

namespace rapidmask::cuda {
namespace {

// The words of a filter's result.
template <class Nodes>
__device__ __forceinline__ std::uint64_t filtered_word(const Nodes& nodes, const RunWords& words, const Layout& layout,
                                                       const Place& place, const Choice& choice, std::uint64_t limit) {
  const Runs runs = runs_at(layout, words, place);
  const std::uint64_t chosen =
      chosen_runs(runs, [&](std::uint32_t node) { return choice.chooses(nodes, find_root(nodes, node), limit); });
  const std::uint64_t others = words.inverted && place.inside ? words.words[place.word(layout)] : 0;
  return chosen | others;
}

__global__ void __launch_bounds__(kThreads, 4)
    write_filtered_kernel(Forests forests, Choice choice, const std::uint64_t* limits, MutableMasks result) {
  for_each_strip(forests.layout, forests.n, [&](std::int64_t i, const Place& place) {
    const std::uint64_t limit = limits != nullptr ? limits[i] : 0;
    const std::uint64_t word =
        filtered_word(forests.nodes_of(i), forests.run_words(i), forests.layout, place, choice, limit);
    write_word(forests.layout, place, word, result.mask(i), result.packed);
  });
}

__global__ void __launch_bounds__(kSmallThreads, 1)
    filter_small_kernel(Masks masks, Layout layout, Connection connection, Choice choice, std::int64_t largest,
                        MutableMasks result) {
  RM_DYNAMIC_SHARED(std::uint64_t, memory);
  const SmallMask mask = small_mask(layout, connection, memory, layout.mask_words());
  for (std::int64_t i = blockIdx.x; i < masks.n; i += gridDim.x) {
    join_small(mask, i, [&](const Place& place) { return read_word(layout, place, masks.mask(i), masks.packed); });
    if (choice.by_area) add_small_areas(mask);
    const std::uint64_t limit = largest > 0 ? limit_of_largest(mask, largest) : 0;
    for_each_place(layout, [&](const Place& place) {
      const std::uint64_t word = filtered_word(mask.nodes, mask.run_words(), layout, place, choice, limit);
      write_word(layout, place, word, result.mask(i), result.packed);
    });
    __syncthreads();  // the next mask takes the memory
  }
}

// Keeps the `largest` components where that is not 0.
void filter(const Context& context, const Masks& masks, const Connection& connection, const Choice& choice,
            const MutableMasks& result, std::int64_t largest = 0) {
  if (masks.pixels() == 0 || masks.n == 0) return;
  const Layout layout = layout_of(masks.d, masks.h, masks.w);
  const std::int64_t bytes = small_bytes(layout);
  if (is_small(bytes)) {
    const SmallLaunch small = small_launch(masks.n, layout, bytes);
    RM_LAUNCH(filter_small_kernel, small.grid, small.threads, small.bytes, context.stream, masks, layout, connection,
              choice, largest, result);
    return;
  }
  const Forests forests = join_runs(context, masks, connection);
  if (choice.by_area) add_areas(context, forests);
  const std::uint64_t* limits = largest > 0 ? limits_of_largest(context, forests, largest) : nullptr;
  write_filtered(context, forests, choice, limits, result);
}

Choice by_area(std::int64_t least, std::int64_t most) { return {false, true, least, most}; }
constexpr Choice by_mark(bool marked) { return {marked, false, marked ? 1 : 0, 0}; }

}  // namespace

void write_filtered(const Context& context, const Forests& forests, const Choice& choice, const std::uint64_t* limits,
                    const MutableMasks& result) {
  RM_LAUNCH(write_filtered_kernel, grid_of_strips(forests.layout, forests.n), kThreads, 0, context.stream, forests,
            choice, limits, result);
}

void remove_small_objects(const Context& context, const Masks& masks, std::int64_t min_area, int connectivity,
                          const MutableMasks& result) {
  filter(context, masks, {connectivity, false, kNoMarks}, by_area(min_area, kAnyArea), result);
}

void remove_small_holes(const Context& context, const Masks& masks, std::int64_t min_area, int connectivity,
                        bool border_is_hole, const MutableMasks& result) {
  const Marks marks = border_is_hole ? kNoMarks : kBorder;
  filter(context, masks, {connectivity, true, marks}, by_area(0, min_area > 0 ? min_area - 1 : -1), result);
}

void remove_small_regions(const Context& context, const Masks& masks, std::int64_t min_area, int connectivity,
                          const MutableMasks& result) {
  MutableMasks filled = result;
  filled.data = context.scratch<std::uint8_t>(masks.n * masks.mask_bytes());
  remove_small_holes(context, masks, min_area, connectivity, true, filled);
  remove_small_objects(context, {filled.data, masks.packed, masks.n, masks.d, masks.h, masks.w}, min_area, connectivity,
                       result);
}

void fill_holes(const Context& context, const Masks& masks, int connectivity, const MutableMasks& result) {
  filter(context, masks, {dual_connectivity(connectivity), true, kBorder}, by_mark(false), result);
}

void keep_largest(const Context& context, const Masks& masks, std::int64_t k, int connectivity,
                  const MutableMasks& result) {
  filter(context, masks, {connectivity, false, kNoMarks}, by_area(0, k > 0 ? kAnyArea : -1), result, k > 0 ? k : 0);
}

void clear_border(const Context& context, const Masks& masks, int connectivity, const MutableMasks& result) {
  filter(context, masks, {connectivity, false, kBorder}, by_mark(false), result);
}

void hysteresis(const Context& context, const Masks& weak, const Masks& strong, int connectivity,
                const MutableMasks& result) {
  filter(context, weak, {connectivity, false, {Marks::Kind::pixels, strong}}, by_mark(true), result);
}

}  // namespace rapidmask::cuda
