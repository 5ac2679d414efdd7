// Labels and measures of connected components on the CPU.

#include "rapidmask/components.hpp"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "component_masks.hpp"

namespace rapidmask::cpu {
namespace {

struct Workspace {
  PaddedBits bits;
  MaskComponents components;
};

// What is summed over the runs of one component.
struct Measure {
  std::int64_t area, sum_x, sum_y, sum_z;
  std::int32_t x0, y0, z0, x1, y1, z1;
};

std::vector<Measure> measure(const MaskComponents& components) {
  constexpr std::int32_t kMax = std::numeric_limits<std::int32_t>::max();
  std::vector<Measure> measures(static_cast<std::size_t>(components.components()),
                                {0, 0, 0, 0, kMax, kMax, kMax, 0, 0, 0});
  components.for_each_run(false, [&](const Run& run, std::int64_t z, std::int64_t y) {
    Measure& m = measures[static_cast<std::size_t>(run.label - 1)];
    const std::int64_t length = run.end - run.begin;
    m.area += length;
    m.sum_x += length * (std::int64_t{run.begin} + run.end - 1) / 2;
    m.sum_y += length * y;
    m.sum_z += length * z;
    m.x0 = std::min(m.x0, run.begin);
    m.x1 = std::max(m.x1, run.end);
    // Runs come in raster order, but the rows of a later slice may lie above.
    m.y0 = std::min(m.y0, static_cast<std::int32_t>(y));
    m.y1 = std::max(m.y1, static_cast<std::int32_t>(y + 1));
    m.z0 = std::min(m.z0, static_cast<std::int32_t>(z));
    m.z1 = std::max(m.z1, static_cast<std::int32_t>(z + 1));
  });
  return measures;
}

void write_measures(const std::vector<Measure>& measures, bool volumes, std::int64_t first,
                    const ComponentTable& table) {
  const std::int64_t axes = volumes ? 3 : 2;
  std::int64_t* area = table.areas + first;
  std::int64_t* box = table.boxes + 2 * axes * first;
  double* center = table.centroids + axes * first;
  for (const Measure& m : measures) {
    *area++ = m.area;
    *box++ = m.x0;
    *box++ = m.y0;
    if (volumes) *box++ = m.z0;
    *box++ = m.x1;
    *box++ = m.y1;
    if (volumes) *box++ = m.z1;
    if (volumes) *center++ = centroid(m.sum_z, m.area);
    *center++ = centroid(m.sum_y, m.area);
    *center++ = centroid(m.sum_x, m.area);
  }
}

}  // namespace

void label(const Context&, const Masks& masks, int connectivity, std::int32_t* labels, std::int64_t* counts) {
  std::fill_n(counts, masks.n, 0);
  for_each_mask<Workspace>(masks.n, masks.d * masks.h, masks.pixels(),
                           [&](std::int64_t i, Workspace& workspace, bool parallel) {
                             MaskComponents& components = workspace.components;
                             workspace.bits.load(masks, i, false, parallel);
                             components.build(workspace.bits, connectivity, parallel);
                             counts[i] = components.components();
                             components.paint(components.labels(), parallel, labels + i * masks.pixels());
                           });
}

void label_values(const Context&, const Image& values, std::int64_t depth, int connectivity, std::int32_t* labels,
                  std::int64_t* counts) {
  const std::int64_t pixels = depth * values.image_size();
  const std::size_t item = item_size(values.dtype);
  const std::int64_t n = depth == 0 ? 0 : values.n / depth;
  std::fill_n(counts, n, 0);
  for_each_mask<Workspace>(
      depth == 0 ? 0 : values.n / depth, depth * values.h, pixels,
      [&](std::int64_t i, Workspace& workspace, bool parallel) {
        const auto* mask = static_cast<const std::byte*>(values.data) + static_cast<std::size_t>(i * pixels) * item;
        MaskComponents& components = workspace.components;
        components.build_values(mask, item, workspace.bits, {depth, values.h, values.w}, connectivity, parallel);
        counts[i] = components.components();
        components.paint(components.labels(), parallel, labels + i * pixels);
      });
}

void connected_components(const Context&, const Masks& masks, int connectivity, std::int32_t* labels,
                          std::int64_t* offsets, const MakeComponentTable& make_table) {
  std::vector<std::vector<Measure>> measures(static_cast<std::size_t>(masks.n));
  for_each_mask<Workspace>(masks.n, masks.d * masks.h, masks.pixels(),
                           [&](std::int64_t i, Workspace& workspace, bool parallel) {
                             MaskComponents& components = workspace.components;
                             workspace.bits.load(masks, i, false, parallel);
                             components.build(workspace.bits, connectivity, parallel);
                             measures[static_cast<std::size_t>(i)] = measure(components);
                             if (labels != nullptr)
                               components.paint(components.labels(), parallel, labels + i * masks.pixels());
                           });
  offsets[0] = 0;
  for (std::int64_t i = 0; i < masks.n; ++i) {
    offsets[i + 1] = offsets[i] + static_cast<std::int64_t>(measures[static_cast<std::size_t>(i)].size());
  }
  const ComponentTable table = make_table(offsets[masks.n]);
  const bool volumes = neighbourhood(connectivity).above_slice != Neighbourhood::kNone;
  for (std::int64_t i = 0; i < masks.n; ++i) {
    write_measures(measures[static_cast<std::size_t>(i)], volumes, offsets[i], table);
  }
}

void component_areas(const Context&, const Masks& masks, int connectivity, std::int32_t* areas) {
  struct WithAreas : Workspace {
    std::vector<std::int32_t> of_component, of_run;
  };
  for_each_mask<WithAreas>(
      masks.n, masks.d * masks.h, masks.pixels(), [&](std::int64_t i, WithAreas& workspace, bool parallel) {
        MaskComponents& components = workspace.components;
        workspace.bits.load(masks, i, false, parallel);
        components.build(workspace.bits, connectivity, parallel);
        auto& of_component = workspace.of_component;
        of_component.assign(static_cast<std::size_t>(components.components()), 0);
        components.for_each_run(false, [&](const Run& run, std::int64_t, std::int64_t) {
          of_component[static_cast<std::size_t>(run.label - 1)] += run.end - run.begin;
        });
        auto& of_run = workspace.of_run;
        of_run.assign(static_cast<std::size_t>(1 + components.runs() + kLabelSlack), 0);
        for (std::int64_t r = 0; r < components.runs(); ++r) {
          of_run[static_cast<std::size_t>(1 + r)] = of_component[static_cast<std::size_t>(components.labels()[r] - 1)];
        }
        components.paint(of_run.data() + 1, parallel, areas + i * masks.pixels());
      });
}

}  // namespace rapidmask::cpu
