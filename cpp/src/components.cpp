// Connected components on the CPU, mask by mask over the pool.

#include "rapidmask/components.hpp"

#include <algorithm>

#include "parallel.hpp"
#include "rapidmask/threshold.hpp"
#include "runs.hpp"

namespace rapidmask::cpu {
namespace {

constexpr std::int64_t kGrainPixels = 1 << 16;

// Writes value(run, component) over the pixels of each run of an image that was cleared before.
template <class T, class Value>
void paint_runs(const RunComponents& components, std::int64_t w, T* image, const Value& value) {
  const auto& runs = components.runs();
  for (std::size_t r = 0; r < runs.size(); ++r) {
    T* row = image + runs[r].y * w;
    std::fill(row + runs[r].begin, row + runs[r].end, value(components.component()[r]));
  }
}

void write_labels(const RunComponents& components, const View<const std::uint8_t>& masks, std::int64_t i,
                  std::int32_t* labels) {
  std::int32_t* image = labels + i * masks.image_size();
  std::fill_n(image, masks.image_size(), 0);
  paint_runs(components, masks.w, image, [](std::int32_t component) { return component + 1; });
}

// Writes a mask of the components for which `keep` is not zero.
void write_kept(const RunComponents& components, const View<const std::uint8_t>& masks, std::int64_t i,
                const std::vector<std::uint8_t>& keep, std::uint8_t* result) {
  std::uint8_t* image = result + i * masks.image_size();
  std::fill_n(image, masks.image_size(), std::uint8_t{0});
  paint_runs(components, masks.w, image,
             [&](std::int32_t component) { return keep[static_cast<std::size_t>(component)]; });
}

std::vector<std::int64_t> areas_of(const RunComponents& components) {
  std::vector<std::int64_t> areas(static_cast<std::size_t>(components.count()));
  for (std::size_t r = 0; r < components.runs().size(); ++r) {
    const Run& run = components.runs()[r];
    areas[static_cast<std::size_t>(components.component()[r])] += run.end - run.begin;
  }
  return areas;
}

// Measures of one mask's components.
ComponentTable measure(const RunComponents& components) {
  const auto count = static_cast<std::size_t>(components.count());
  ComponentTable table{{}, areas_of(components), std::vector<std::int64_t>(4 * count), std::vector<double>(2 * count)};
  std::vector<std::int64_t> sums(2 * count);
  std::vector<std::uint8_t> seen(count);
  for (std::size_t r = 0; r < components.runs().size(); ++r) {
    const Run& run = components.runs()[r];
    const auto c = static_cast<std::size_t>(components.component()[r]);
    std::int64_t* box = &table.boxes[4 * c];
    if (seen[c] == 0) {
      seen[c] = 1;
      box[0] = run.begin;
      box[1] = run.y;
      box[2] = run.end;
    }
    box[0] = std::min<std::int64_t>(box[0], run.begin);
    box[2] = std::max<std::int64_t>(box[2], run.end);
    box[3] = run.y + 1;  // runs come in raster order
    const std::int64_t length = run.end - run.begin;
    sums[2 * c] += length * run.y;
    sums[2 * c + 1] += length * (std::int64_t{run.begin} + run.end - 1);  // twice the sum of x
  }
  for (std::size_t c = 0; c < count; ++c) {
    const auto area = static_cast<double>(table.areas[c]);
    table.centroids[2 * c] = static_cast<double>(sums[2 * c]) / area;
    table.centroids[2 * c + 1] = static_cast<double>(sums[2 * c + 1]) / (2 * area);
  }
  return table;
}

}  // namespace

void label(const Context&, const View<const std::uint8_t>& masks, int connectivity, std::int32_t* labels,
           std::int64_t* counts) {
  parallel_for_each(masks.n, masks.image_size(), kGrainPixels, [&](std::int64_t i) {
    const RunComponents components(masks.image(i), masks.h, masks.w, connectivity);
    counts[i] = components.count();
    if (labels != nullptr) write_labels(components, masks, i, labels);
  });
}

ComponentTable connected_components(const Context&, const View<const std::uint8_t>& masks, int connectivity,
                                    std::int32_t* labels) {
  std::vector<ComponentTable> tables(static_cast<std::size_t>(masks.n));
  parallel_for_each(masks.n, masks.image_size(), kGrainPixels, [&](std::int64_t i) {
    const RunComponents components(masks.image(i), masks.h, masks.w, connectivity);
    tables[static_cast<std::size_t>(i)] = measure(components);
    if (labels != nullptr) write_labels(components, masks, i, labels);
  });
  ComponentTable all;
  all.offsets.push_back(0);
  for (const ComponentTable& table : tables) {
    all.areas.insert(all.areas.end(), table.areas.begin(), table.areas.end());
    all.boxes.insert(all.boxes.end(), table.boxes.begin(), table.boxes.end());
    all.centroids.insert(all.centroids.end(), table.centroids.begin(), table.centroids.end());
    all.offsets.push_back(static_cast<std::int64_t>(all.areas.size()));
  }
  return all;
}

void remove_small_objects(const Context&, const View<const std::uint8_t>& masks, std::int64_t min_area,
                          int connectivity, std::uint8_t* result) {
  parallel_for_each(masks.n, masks.image_size(), kGrainPixels, [&](std::int64_t i) {
    const RunComponents components(masks.image(i), masks.h, masks.w, connectivity);
    const std::vector<std::int64_t> areas = areas_of(components);
    std::vector<std::uint8_t> keep(areas.size());
    for (std::size_t c = 0; c < areas.size(); ++c) keep[c] = areas[c] >= min_area;
    write_kept(components, masks, i, keep, result);
  });
}

void fill_holes(const Context&, const View<const std::uint8_t>& masks, int connectivity, std::uint8_t* result) {
  parallel_for_each(masks.n, masks.image_size(), kGrainPixels, [&](std::int64_t i) {
    const RunComponents background(masks.image(i), masks.h, masks.w, connectivity == 8 ? 4 : 8, true);
    std::vector<std::uint8_t> open(static_cast<std::size_t>(background.count()));
    for (std::size_t r = 0; r < background.runs().size(); ++r) {
      const Run& run = background.runs()[r];
      const bool at_border = run.y == 0 || run.y == masks.h - 1 || run.begin == 0 || run.end == masks.w;
      if (at_border) open[static_cast<std::size_t>(background.component()[r])] = 1;
    }
    std::uint8_t* image = result + i * masks.image_size();
    std::fill_n(image, masks.image_size(), std::uint8_t{1});
    paint_runs(background, masks.w, image, [&](std::int32_t component) {
      return static_cast<std::uint8_t>(open[static_cast<std::size_t>(component)] == 0);
    });
  });
}

void hysteresis(const Context&, const View<const std::uint8_t>& weak, const std::uint8_t* strong, int connectivity,
                std::uint8_t* masks) {
  parallel_for_each(weak.n, weak.image_size(), kGrainPixels, [&](std::int64_t i) {
    const RunComponents components(weak.image(i), weak.h, weak.w, connectivity);
    const std::uint8_t* seeds = strong + i * weak.image_size();
    std::vector<std::uint8_t> keep(static_cast<std::size_t>(components.count()));
    for (std::size_t r = 0; r < components.runs().size(); ++r) {
      const Run& run = components.runs()[r];
      const std::uint8_t* row = seeds + run.y * weak.w;
      if (std::any_of(row + run.begin, row + run.end, [](std::uint8_t x) { return x != 0; })) {
        keep[static_cast<std::size_t>(components.component()[r])] = 1;
      }
    }
    write_kept(components, weak, i, keep, masks);
  });
}

}  // namespace rapidmask::cpu
