// Filters of components on the CPU: what is known of each component decides which runs are cleared. No label image is
// ever written. Filling clears components of the background.

#include <algorithm>
#include <numeric>
#include <vector>

#include "component_masks.hpp"
#include "rapidmask/components.hpp"

namespace rapidmask::cpu {
namespace {

enum class Of : bool { foreground, background };

struct Workspace {
  PaddedBits bits, strong;
  MaskComponents components;
  std::vector<std::int64_t> areas;
  std::vector<std::uint8_t> stays;  // components, by their labels
  std::vector<std::int32_t> order;
};

// Clears the components of workspace.bits that choose() gives up: of `stays` of each component, which is 1 before,
// another value.
template <class Choose>
void sieve(Workspace& workspace, int connectivity, bool parallel, const Choose& choose) {
  workspace.components.build(workspace.bits, connectivity, parallel);
  auto& stays = workspace.stays;
  stays.assign(static_cast<std::size_t>(workspace.components.components()) + 1, 1);
  choose();
  if (std::find(stays.begin() + 1, stays.end(), 0) == stays.end()) return;
  workspace.components.for_each_run(parallel, [&](const Run& run, std::int64_t z, std::int64_t y) {
    if (stays[static_cast<std::size_t>(run.label)] == 0) clear_run(workspace.bits.row(z, y), run);
  });
}

// Keeps some of the components of the foreground, or of the background: choose(workspace, i) gives `stays` for mask i.
template <class Choose>
void filter(const Masks& masks, Of of, int connectivity, const MutableMasks& result, const Choose& choose) {
  const bool background = of == Of::background;
  for_each_mask<Workspace>(masks.n, masks.d * masks.h, masks.pixels(),
                           [&](std::int64_t i, Workspace& workspace, bool parallel) {
                             workspace.bits.load(masks, i, background, parallel);
                             sieve(workspace, connectivity, parallel, [&] { choose(workspace, i); });
                             workspace.bits.store(result, i, background, parallel);
                           });
}

// By label; that of label 0 is 0.
const std::vector<std::int64_t>& measure_areas(Workspace& workspace) {
  auto& areas = workspace.areas;
  areas.assign(static_cast<std::size_t>(workspace.components.components()) + 1, 0);
  workspace.components.for_each_run(false, [&](const Run& run, std::int64_t, std::int64_t) {
    areas[static_cast<std::size_t>(run.label)] += run.end - run.begin;
  });
  return areas;
}

// The components of at least `min_area` pixels stay.
void choose_large(Workspace& workspace, std::int64_t min_area) {
  const auto& areas = measure_areas(workspace);
  std::transform(areas.begin() + 1, areas.end(), workspace.stays.begin() + 1,
                 [&](std::int64_t area) { return static_cast<std::uint8_t>(area >= min_area); });
}

void choose_at_border(Workspace& workspace, int connectivity, std::uint8_t stays) {
  workspace.components.for_each_at_border(
      is_volume(connectivity), [&](std::int32_t label) { workspace.stays[static_cast<std::size_t>(label)] = stays; });
}

}  // namespace

void remove_small_objects(const Context&, const Masks& masks, std::int64_t min_area, int connectivity,
                          const MutableMasks& result) {
  filter(masks, Of::foreground, connectivity, result,
         [&](Workspace& workspace, std::int64_t) { choose_large(workspace, min_area); });
}

void remove_small_holes(const Context&, const Masks& masks, std::int64_t min_area, int connectivity,
                        bool border_is_hole, const MutableMasks& result) {
  filter(masks, Of::background, connectivity, result, [&](Workspace& workspace, std::int64_t) {
    choose_large(workspace, min_area);
    if (!border_is_hole) choose_at_border(workspace, connectivity, 1);
  });
}

// In one go, while the bits are in the caches.
void remove_small_regions(const Context&, const Masks& masks, std::int64_t min_area, int connectivity,
                          const MutableMasks& result) {
  for_each_mask<Workspace>(masks.n, masks.d * masks.h, masks.pixels(),
                           [&](std::int64_t i, Workspace& workspace, bool parallel) {
                             workspace.bits.load(masks, i, true, parallel);
                             sieve(workspace, connectivity, parallel, [&] { choose_large(workspace, min_area); });
                             workspace.bits.invert(parallel);
                             sieve(workspace, connectivity, parallel, [&] { choose_large(workspace, min_area); });
                             workspace.bits.store(result, i, false, parallel);
                           });
}

bool remove_small_of(const Masks& mask, std::int64_t min_area, bool holes, int connectivity,
                     const MutableMasks& result) {
  bool any = false;
  for_each_mask<Workspace>(
      mask.n, mask.d * mask.h, mask.pixels(), [&](std::int64_t i, Workspace& workspace, bool parallel) {
        workspace.bits.load(mask, i, holes, parallel);
        sieve(workspace, connectivity, parallel, [&] {
          choose_large(workspace, min_area);
          auto& stays = workspace.stays;
          const auto small = std::count(stays.begin() + 1, stays.end(), 0);
          any = small > 0;
          if (holes || !any || small + 1 < static_cast<std::ptrdiff_t>(stays.size())) return;
          const auto largest = std::max_element(workspace.areas.begin() + 1, workspace.areas.end());
          stays[static_cast<std::size_t>(largest - workspace.areas.begin())] = 1;
        });
        if (any) workspace.bits.store(result, i, holes, parallel);
      });
  return any;
}

void fill_holes(const Context&, const Masks& masks, int connectivity, const MutableMasks& result) {
  const int around = dual_connectivity(connectivity);
  filter(masks, Of::background, around, result, [&](Workspace& workspace, std::int64_t) {
    std::fill(workspace.stays.begin(), workspace.stays.end(), std::uint8_t{0});
    choose_at_border(workspace, around, 1);
  });
}

void keep_largest(const Context&, const Masks& masks, std::int64_t k, int connectivity, const MutableMasks& result) {
  filter(masks, Of::foreground, connectivity, result, [&](Workspace& workspace, std::int64_t) {
    const auto& areas = measure_areas(workspace);
    auto& order = workspace.order;
    order.resize(areas.size() - 1);
    std::iota(order.begin(), order.end(), 1);
    const auto kept = order.begin() + std::min(k, static_cast<std::int64_t>(order.size()));
    std::nth_element(order.begin(), kept, order.end(), [&](std::int32_t a, std::int32_t b) {
      const std::int64_t area_a = areas[static_cast<std::size_t>(a)], area_b = areas[static_cast<std::size_t>(b)];
      return area_a != area_b ? area_a > area_b : a < b;
    });
    std::for_each(kept, order.end(), [&](std::int32_t label) { workspace.stays[static_cast<std::size_t>(label)] = 0; });
  });
}

void clear_border(const Context&, const Masks& masks, int connectivity, const MutableMasks& result) {
  filter(masks, Of::foreground, connectivity, result,
         [&](Workspace& workspace, std::int64_t) { choose_at_border(workspace, connectivity, 0); });
}

void hysteresis(const Context&, const Masks& weak, const Masks& strong, int connectivity, const MutableMasks& result) {
  filter(weak, Of::foreground, connectivity, result, [&](Workspace& workspace, std::int64_t i) {
    workspace.strong.load(strong, i, false, false);
    std::fill(workspace.stays.begin(), workspace.stays.end(), std::uint8_t{0});
    workspace.components.for_each_run(false, [&](const Run& run, std::int64_t z, std::int64_t y) {
      if (any_in_run(workspace.strong.row(z, y), run)) workspace.stays[static_cast<std::size_t>(run.label)] = 1;
    });
  });
}

}  // namespace rapidmask::cpu
