// Cleaning of scores on the CPU: holes and sprinkles are found on the bits of comparisons, and only their pixels are
// written.

#include <algorithm>
#include <cstring>
#include <limits>
#include <vector>

#include "component_masks.hpp"
#include "isa/pack_rows.hpp"
#include "isa/threshold_rows.hpp"
#include "rapidmask/components.hpp"
#include "rapidmask/threshold.hpp"

namespace rapidmask::cpu {
namespace {

struct Workspace {
  PaddedBits foreground, background;
  MaskComponents components;
  std::vector<std::int64_t> areas;
};

template <class T>
void compare_rows(const T* scores, DType dtype, const Bound<T>& bound, PaddedBits& bits, bool parallel) {
  const auto compare_row = threshold_rows().packed[static_cast<std::size_t>(dtype)];
  const std::int64_t w = bits.extent().w;
  bits.for_each_row(parallel,
                    [&](std::int64_t, std::int64_t y) { compare_row(scores + y * w, &bound, 1, w, bits.row(0, y)); });
}

// The pixels of comparable scores that are not foreground: NaN belongs to neither.
template <class T>
void find_background(const T* scores, DType dtype, Workspace& workspace, bool parallel) {
  const Bound<T> comparable = make_bound<T>(-std::numeric_limits<double>::infinity(), false);
  compare_rows(scores, dtype, comparable, workspace.background, parallel);
  const std::int64_t words = workspace.background.extent().words();
  workspace.background.for_each_row(parallel, [&](std::int64_t, std::int64_t y) {
    std::uint64_t* row = workspace.background.row(0, y);
    const std::uint64_t* other = workspace.foreground.row(0, y);
    for (std::int64_t j = 0; j < words; ++j) row[j] &= ~other[j];
  });
}

std::int64_t count_pixels(const PaddedBits& bits) {
  const auto count_bits = pack_rows().count_bits;
  std::int64_t count = 0;
  bits.for_each_row(false,
                    [&](std::int64_t, std::int64_t y) { count += count_bits(bits.row(0, y), bits.extent().words()); });
  return count;
}

// Calls change(run, y) for the runs of the components of at most `limit` pixels.
template <class Change>
void for_small_components(Workspace& workspace, const PaddedBits& bits, int connectivity, std::int64_t limit,
                          bool parallel, const Change& change) {
  MaskComponents& components = workspace.components;
  components.build(bits, connectivity, parallel);
  auto& areas = workspace.areas;
  areas.assign(static_cast<std::size_t>(components.components()), 0);
  components.for_each_run(false, [&](const Run& run, std::int64_t, std::int64_t) {
    areas[static_cast<std::size_t>(run.label - 1)] += run.end - run.begin;
  });
  if (std::none_of(areas.begin(), areas.end(), [&](std::int64_t area) { return area <= limit; })) return;
  components.for_each_run(parallel, [&](const Run& run, std::int64_t, std::int64_t y) {
    if (areas[static_cast<std::size_t>(run.label - 1)] <= limit) change(run, y);
  });
}

template <class T>
void clean(const T* scores, DType dtype, const ScoreCleaning& cleaning, int connectivity, Workspace& workspace,
           bool parallel, T* result) {
  PaddedBits& foreground = workspace.foreground;
  const std::int64_t w = foreground.extent().w;
  const Bound<T> above = make_bound<T>(cleaning.threshold, true);
  compare_rows(scores, dtype, above, foreground, parallel);
  const bool fills = cleaning.max_hole_area > 0, removes = cleaning.max_sprinkle_area > 0;
  if (fills) find_background(scores, dtype, workspace, parallel);
  if (result != scores) {
    foreground.for_each_row(parallel, [&](std::int64_t, std::int64_t y) {
      std::memcpy(result + y * w, scores + y * w, static_cast<std::size_t>(w) * sizeof(T));
    });
  }
  const auto paint = [&](const Run& run, std::int64_t y, T value) {
    std::fill(result + y * w + run.begin, result + y * w + run.end, value);
  };
  if (fills) {
    const T value = nearest<T>(cleaning.hole_value);
    const bool joins = removes && cleaning.sprinkles_after_holes && above(value);
    for_small_components(workspace, workspace.background, connectivity, cleaning.max_hole_area, parallel,
                         [&](const Run& run, std::int64_t y) {
                           paint(run, y, value);
                           if (joins) set_run(foreground.row(0, y), run);
                         });
  }
  if (removes) {
    const T value = nearest<T>(cleaning.sprinkle_value);
    std::int64_t limit = cleaning.max_sprinkle_area;
    if (cleaning.keep_half) limit = std::min(limit, count_pixels(foreground) / 2);
    for_small_components(workspace, foreground, connectivity, limit, parallel,
                         [&](const Run& run, std::int64_t y) { paint(run, y, value); });
  }
}

}  // namespace

void clean_scores(const Context&, const Image& scores, const ScoreCleaning& cleaning, int connectivity, void* result) {
  visit_dtype(scores.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    if constexpr (!std::is_integral_v<T>) {
      const View<const T> images = scores.as<T>();
      for_each_mask<Workspace>(scores.n, scores.h, scores.image_size(),
                               [&](std::int64_t i, Workspace& workspace, bool parallel) {
                                 const Extent extent{1, scores.h, scores.w};
                                 workspace.foreground.resize(extent);
                                 workspace.background.resize(extent);
                                 clean(images.image(i), scores.dtype, cleaning, connectivity, workspace, parallel,
                                       static_cast<T*>(result) + i * scores.image_size());
                               });
    }
  });
}

}  // namespace rapidmask::cpu
