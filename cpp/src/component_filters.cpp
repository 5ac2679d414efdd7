// Filters of components on the CPU: what is known of each component decides which runs are set or cleared. No label
// image is ever written.

#include <algorithm>
#include <numeric>
#include <vector>

#include "component_masks.hpp"
#include "rapidmask/components.hpp"

namespace rapidmask::cpu {
namespace {

struct Workspace {
  PaddedBits bits, others;  // `others` is what is not in the mask, or a second mask
  ComponentForest forest;
  std::vector<std::int64_t> areas;
  std::vector<std::uint8_t> chosen;  // components
  std::vector<std::int32_t> order;
};

std::vector<std::int64_t>& measure_areas(Workspace& workspace) {
  auto& areas = workspace.areas;
  areas.assign(static_cast<std::size_t>(workspace.forest.components()), 0);
  workspace.forest.for_each_run(false, [&](const Run& run, std::int64_t, std::int64_t) {
    areas[static_cast<std::size_t>(run.label - 1)] += run.end - run.begin;
  });
  return areas;
}

// Gives `value` to the components that touch the border of the image, or of the volume.
void choose_at_border(Workspace& workspace, bool volumes, std::uint8_t value) {
  const Extent& extent = workspace.bits.extent();
  workspace.forest.for_each_run(false, [&](const Run& run, std::int64_t z, std::int64_t y) {
    const bool at_border = run.begin == 0 || run.end == extent.w || y == 0 || y == extent.h - 1 ||
                           (volumes && (z == 0 || z == extent.d - 1));
    if (at_border) workspace.chosen[static_cast<std::size_t>(run.label - 1)] = value;
  });
}

// Calls change(row of the mask, run) for the runs of the components for which `chosen` is `value`.
template <class Change>
void change_runs(Workspace& workspace, std::uint8_t value, bool parallel, const Change& change) {
  const auto& chosen = workspace.chosen;
  if (std::find(chosen.begin(), chosen.end(), value) == chosen.end()) return;
  workspace.forest.for_each_run(parallel, [&](const Run& run, std::int64_t z, std::int64_t y) {
    if (chosen[static_cast<std::size_t>(run.label - 1)] == value) change(workspace.bits.row(z, y), run);
  });
}

// Removes components: choose(workspace, i) marks those of mask i that stay.
template <class Choose>
void keep_components(const Masks& masks, int connectivity, const MutableMasks& result, const Choose& choose) {
  for_each_mask<Workspace>(masks.n, masks.pixels(), [&](std::int64_t i, Workspace& workspace, bool parallel) {
    workspace.bits.load(masks, i, connectivity, parallel);
    workspace.forest.build(workspace.bits, connectivity, parallel);
    workspace.chosen.assign(static_cast<std::size_t>(workspace.forest.components()), 0);
    choose(workspace, i);
    change_runs(workspace, 0, parallel, clear_run);
    workspace.bits.store(result, i, parallel);
  });
}

// Fills components of the background: choose(workspace) marks those that become foreground.
template <class Choose>
void fill_components(const Masks& masks, int connectivity, const MutableMasks& result, const Choose& choose) {
  for_each_mask<Workspace>(masks.n, masks.pixels(), [&](std::int64_t i, Workspace& workspace, bool parallel) {
    workspace.bits.load(masks, i, connectivity, parallel);
    workspace.others.load_complement(workspace.bits, connectivity, parallel);
    workspace.forest.build(workspace.others, connectivity, parallel);
    workspace.chosen.assign(static_cast<std::size_t>(workspace.forest.components()), 0);
    choose(workspace);
    change_runs(workspace, 1, parallel, set_run);
    workspace.bits.store(result, i, parallel);
  });
}

}  // namespace

void remove_small_objects(const Context&, const Masks& masks, std::int64_t min_area, int connectivity,
                          const MutableMasks& result) {
  keep_components(masks, connectivity, result, [&](Workspace& workspace, std::int64_t) {
    const auto& areas = measure_areas(workspace);
    std::transform(areas.begin(), areas.end(), workspace.chosen.begin(),
                   [&](std::int64_t area) { return static_cast<std::uint8_t>(area >= min_area); });
  });
}

void remove_small_holes(const Context&, const Masks& masks, std::int64_t min_area, int connectivity,
                        bool border_is_hole, const MutableMasks& result) {
  fill_components(masks, connectivity, result, [&](Workspace& workspace) {
    const auto& areas = measure_areas(workspace);
    std::transform(areas.begin(), areas.end(), workspace.chosen.begin(),
                   [&](std::int64_t area) { return static_cast<std::uint8_t>(area < min_area); });
    if (!border_is_hole) choose_at_border(workspace, is_volume(connectivity), 0);
  });
}

void fill_holes(const Context&, const Masks& masks, int connectivity, const MutableMasks& result) {
  fill_components(masks, dual_connectivity(connectivity), result, [&](Workspace& workspace) {
    std::fill(workspace.chosen.begin(), workspace.chosen.end(), std::uint8_t{1});
    choose_at_border(workspace, is_volume(connectivity), 0);
  });
}

void keep_largest(const Context&, const Masks& masks, std::int64_t k, int connectivity, const MutableMasks& result) {
  keep_components(masks, connectivity, result, [&](Workspace& workspace, std::int64_t) {
    const auto& areas = measure_areas(workspace);
    auto& order = workspace.order;
    order.resize(areas.size());
    std::iota(order.begin(), order.end(), 0);
    const auto kept = std::min(k, static_cast<std::int64_t>(order.size()));
    std::nth_element(order.begin(), order.begin() + kept, order.end(), [&](std::int32_t a, std::int32_t b) {
      const std::int64_t area_a = areas[static_cast<std::size_t>(a)], area_b = areas[static_cast<std::size_t>(b)];
      return area_a != area_b ? area_a > area_b : a < b;
    });
    std::for_each(order.begin(), order.begin() + kept,
                  [&](std::int32_t component) { workspace.chosen[static_cast<std::size_t>(component)] = 1; });
  });
}

void clear_border(const Context&, const Masks& masks, int connectivity, const MutableMasks& result) {
  keep_components(masks, connectivity, result, [&](Workspace& workspace, std::int64_t) {
    std::fill(workspace.chosen.begin(), workspace.chosen.end(), std::uint8_t{1});
    choose_at_border(workspace, is_volume(connectivity), 0);
  });
}

void hysteresis(const Context&, const Masks& weak, const Masks& strong, int connectivity, const MutableMasks& result) {
  keep_components(weak, connectivity, result, [&](Workspace& workspace, std::int64_t i) {
    workspace.others.load(strong, i, connectivity, false);
    workspace.forest.for_each_run(false, [&](const Run& run, std::int64_t z, std::int64_t y) {
      if (any_in_run(workspace.others.row(z, y), run)) workspace.chosen[static_cast<std::size_t>(run.label - 1)] = 1;
    });
  });
}

}  // namespace rapidmask::cpu
