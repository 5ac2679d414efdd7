// Connected components on the CPU, mask by mask over the pool: union-find over pixels.

#include "rapidmask/components.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <vector>

#include "parallel.hpp"

namespace rapidmask::cpu {
namespace {

constexpr std::int64_t kGrainPixels = 1 << 16;

struct Grid {
  std::int64_t d, h, w;
  bool is_volume;
  std::int64_t size() const { return d * h * w; }
};

Grid grid_of(const Masks& masks, int connectivity) { return {masks.d, masks.h, masks.w, is_volume(connectivity)}; }

// The components of the pixels of which joins(p, q) tells neighbours that belong together.
struct Found {
  std::vector<std::int32_t> labels;  // from 1
  std::int32_t count = 0;
};

template <class Value>
Found find_components(const std::vector<Value>& values, const Grid& grid, int connectivity) {
  const Neighbourhood around = neighbourhood(connectivity);
  std::vector<std::int32_t> parent(values.size());
  const auto find = [&](std::int32_t i) {
    while (parent[static_cast<std::size_t>(i)] != i) {
      auto& up = parent[static_cast<std::size_t>(i)];
      up = parent[static_cast<std::size_t>(up)];
      i = up;
    }
    return i;
  };
  for (std::int64_t p = 0; p < grid.size(); ++p) {
    parent[static_cast<std::size_t>(p)] = static_cast<std::int32_t>(p);
    if (values[static_cast<std::size_t>(p)] == Value{}) continue;
    const std::int64_t z = p / (grid.h * grid.w), y = p / grid.w % grid.h, x = p % grid.w;
    const auto join_row = [&](std::int64_t nz, std::int64_t ny, std::int64_t from, std::int64_t to) {
      if (nz < 0 || ny < 0 || ny >= grid.h) return;
      for (std::int64_t nx = std::max<std::int64_t>(0, from); nx <= std::min(grid.w - 1, to); ++nx) {
        const std::int64_t q = (nz * grid.h + ny) * grid.w + nx;
        if (values[static_cast<std::size_t>(q)] != values[static_cast<std::size_t>(p)]) continue;
        const std::int32_t a = find(static_cast<std::int32_t>(p)), b = find(static_cast<std::int32_t>(q));
        parent[static_cast<std::size_t>(std::max(a, b))] = std::min(a, b);
      }
    };
    join_row(z, y, x - 1, x - 1);
    join_row(z, y - 1, x - around.same_slice, x + around.same_slice);
    if (around.above_slice >= 0) join_row(z - 1, y, x - around.above_slice, x + around.above_slice);
    if (around.diagonal >= 0) {
      join_row(z - 1, y - 1, x - around.diagonal, x + around.diagonal);
      join_row(z - 1, y + 1, x - around.diagonal, x + around.diagonal);
    }
  }
  Found found;
  found.labels.resize(values.size());
  for (std::size_t p = 0; p < values.size(); ++p) {
    if (values[p] == Value{}) continue;
    const auto up = static_cast<std::size_t>(parent[p]);
    found.labels[p] = up == p ? ++found.count : found.labels[up];
  }
  return found;
}

std::vector<std::uint8_t> bytes_of(const Masks& masks, std::int64_t i, bool inverted = false) {
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(masks.pixels()));
  for (std::int64_t row = 0; row < masks.d * masks.h; ++row) {
    for (std::int64_t x = 0; x < masks.w; ++x) {
      const std::uint8_t* from = masks.mask(i);
      const bool set =
          masks.packed ? (from[row * 8 * masks.words() + x / 8] >> (x % 8) & 1) != 0 : from[row * masks.w + x] != 0;
      bytes[static_cast<std::size_t>(row * masks.w + x)] = set != inverted;
    }
  }
  return bytes;
}

void write(const std::vector<std::uint8_t>& bytes, const MutableMasks& result, std::int64_t i) {
  std::uint8_t* to = result.mask(i);
  if (result.packed) std::memset(to, 0, static_cast<std::size_t>(result.mask_bytes()));
  for (std::int64_t row = 0; row < result.d * result.h; ++row) {
    for (std::int64_t x = 0; x < result.w; ++x) {
      const std::uint8_t set = bytes[static_cast<std::size_t>(row * result.w + x)];
      if (result.packed) {
        to[row * 8 * result.words() + x / 8] |= static_cast<std::uint8_t>(set << (x % 8));
      } else {
        to[row * result.w + x] = set;
      }
    }
  }
}

std::vector<std::int64_t> areas_of(const Found& found) {
  std::vector<std::int64_t> areas(static_cast<std::size_t>(found.count) + 1);
  for (const std::int32_t label : found.labels) ++areas[static_cast<std::size_t>(label)];
  return areas;
}

template <class Visit>
void for_border(const Grid& grid, const Visit& visit) {
  for (std::int64_t p = 0; p < grid.size(); ++p) {
    const std::int64_t z = p / (grid.h * grid.w), y = p / grid.w % grid.h, x = p % grid.w;
    const bool deep = grid.is_volume && (z == 0 || z == grid.d - 1);
    if (deep || y == 0 || y == grid.h - 1 || x == 0 || x == grid.w - 1) visit(static_cast<std::size_t>(p));
  }
}

// chosen(label) for labels from 1 decides what becomes `inside`; the rest becomes the other.
template <class Make>
void filter(const Masks& masks, int connectivity, bool inverted, const MutableMasks& result, const Make& make) {
  parallel_for_each(masks.n, masks.pixels(), kGrainPixels, [&](std::int64_t i) {
    const Found found = find_components(bytes_of(masks, i, inverted), grid_of(masks, connectivity), connectivity);
    std::vector<std::uint8_t> keep = make(found, i);
    keep[0] = 0;
    std::vector<std::uint8_t> bytes(found.labels.size());
    for (std::size_t p = 0; p < bytes.size(); ++p) {
      const auto label = static_cast<std::size_t>(found.labels[p]);
      bytes[p] = inverted ? label == 0 || keep[label] == 0 : keep[label];
    }
    write(bytes, result, i);
  });
}

std::vector<std::uint8_t> at_border(const Found& found, const Grid& grid) {
  std::vector<std::uint8_t> open(static_cast<std::size_t>(found.count) + 1);
  for_border(grid, [&](std::size_t p) { open[static_cast<std::size_t>(found.labels[p])] = 1; });
  return open;
}

}  // namespace

void label(const Context&, const Masks& masks, int connectivity, std::int32_t* labels, std::int64_t* counts) {
  parallel_for_each(masks.n, masks.pixels(), kGrainPixels, [&](std::int64_t i) {
    const Found found = find_components(bytes_of(masks, i), grid_of(masks, connectivity), connectivity);
    counts[i] = found.count;
    std::copy(found.labels.begin(), found.labels.end(), labels + i * masks.pixels());
  });
}

void label_values(const Context&, const Image& values, std::int64_t depth, int connectivity, std::int32_t* labels,
                  std::int64_t* counts) {
  const Grid grid{depth, values.h, values.w, is_volume(connectivity)};
  const std::int64_t n = depth == 0 ? 0 : values.n / depth;
  visit_dtype(values.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    if constexpr (std::is_integral_v<T>) {
      for (std::int64_t i = 0; i < n; ++i) {
        const T* from = static_cast<const T*>(values.data) + i * grid.size();
        const Found found = find_components(std::vector<T>(from, from + grid.size()), grid, connectivity);
        counts[i] = found.count;
        std::copy(found.labels.begin(), found.labels.end(), labels + i * grid.size());
      }
    }
  });
}

void connected_components(const Context&, const Masks& masks, int connectivity, std::int32_t* labels,
                          std::int64_t* offsets, const MakeComponentTable& make_table) {
  std::vector<Found> all;
  offsets[0] = 0;
  for (std::int64_t i = 0; i < masks.n; ++i) {
    all.push_back(find_components(bytes_of(masks, i), grid_of(masks, connectivity), connectivity));
    offsets[i + 1] = offsets[i] + all.back().count;
    if (labels != nullptr) std::copy(all.back().labels.begin(), all.back().labels.end(), labels + i * masks.pixels());
  }
  const ComponentTable table = make_table(offsets[masks.n]);
  const std::int64_t axes = is_volume(connectivity) ? 3 : 2;
  std::vector<std::int64_t> sums(static_cast<std::size_t>(axes * offsets[masks.n]));
  std::fill_n(table.areas, offsets[masks.n], 0);
  for (std::int64_t i = 0; i < masks.n; ++i) {
    for (std::int64_t p = 0; p < masks.pixels(); ++p) {
      const std::int32_t label = all[static_cast<std::size_t>(i)].labels[static_cast<std::size_t>(p)];
      if (label == 0) continue;
      const std::int64_t c = offsets[i] + label - 1;
      const std::int64_t z = p / (masks.h * masks.w), y = p / masks.w % masks.h, x = p % masks.w;
      const std::int64_t at[3] = {x, y, z};
      std::int64_t* box = table.boxes + 2 * axes * c;
      for (std::int64_t a = 0; a < axes; ++a) {
        if (table.areas[c] == 0) box[a] = box[axes + a] = at[a];
        box[a] = std::min(box[a], at[a]);
        box[axes + a] = std::max(box[axes + a], at[a] + 1);
        sums[static_cast<std::size_t>(axes * c + axes - 1 - a)] += at[a];
      }
      ++table.areas[c];
    }
  }
  for (std::int64_t c = 0; c < offsets[masks.n]; ++c) {
    for (std::int64_t a = 0; a < axes; ++a) {
      table.centroids[axes * c + a] = centroid(sums[static_cast<std::size_t>(axes * c + a)], table.areas[c]);
    }
  }
}

void component_areas(const Context&, const Masks& masks, int connectivity, std::int32_t* areas) {
  parallel_for_each(masks.n, masks.pixels(), kGrainPixels, [&](std::int64_t i) {
    const Found found = find_components(bytes_of(masks, i), grid_of(masks, connectivity), connectivity);
    std::vector<std::int64_t> of = areas_of(found);
    of[0] = 0;
    for (std::size_t p = 0; p < found.labels.size(); ++p) {
      areas[i * masks.pixels() + static_cast<std::int64_t>(p)] =
          static_cast<std::int32_t>(of[static_cast<std::size_t>(found.labels[p])]);
    }
  });
}

void remove_small_objects(const Context&, const Masks& masks, std::int64_t min_area, int connectivity,
                          const MutableMasks& result) {
  filter(masks, connectivity, false, result, [&](const Found& found, std::int64_t) {
    const std::vector<std::int64_t> areas = areas_of(found);
    std::vector<std::uint8_t> keep(areas.size());
    for (std::size_t c = 0; c < areas.size(); ++c) keep[c] = areas[c] >= min_area;
    return keep;
  });
}

void remove_small_holes(const Context&, const Masks& masks, std::int64_t min_area, int connectivity,
                        bool border_is_hole, const MutableMasks& result) {
  filter(masks, connectivity, true, result, [&](const Found& found, std::int64_t) {
    const std::vector<std::int64_t> areas = areas_of(found);
    const std::vector<std::uint8_t> open = at_border(found, grid_of(masks, connectivity));
    std::vector<std::uint8_t> keep(areas.size());
    for (std::size_t c = 0; c < areas.size(); ++c) {
      keep[c] = areas[c] >= min_area || (open[c] != 0 && !border_is_hole);
    }
    return keep;
  });
}

void fill_holes(const Context&, const Masks& masks, int connectivity, const MutableMasks& result) {
  filter(masks, dual_connectivity(connectivity), true, result,
         [&](const Found& found, std::int64_t) { return at_border(found, grid_of(masks, connectivity)); });
}

void keep_largest(const Context&, const Masks& masks, std::int64_t k, int connectivity, const MutableMasks& result) {
  filter(masks, connectivity, false, result, [&](const Found& found, std::int64_t) {
    const std::vector<std::int64_t> areas = areas_of(found);
    std::vector<std::size_t> order(static_cast<std::size_t>(found.count));
    std::iota(order.begin(), order.end(), std::size_t{1});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return areas[a] > areas[b]; });
    std::vector<std::uint8_t> keep(areas.size());
    for (std::size_t c = 0; c < order.size() && static_cast<std::int64_t>(c) < k; ++c) keep[order[c]] = 1;
    return keep;
  });
}

void clear_border(const Context&, const Masks& masks, int connectivity, const MutableMasks& result) {
  filter(masks, connectivity, false, result, [&](const Found& found, std::int64_t) {
    std::vector<std::uint8_t> keep = at_border(found, grid_of(masks, connectivity));
    for (std::uint8_t& k : keep) k = k == 0;
    return keep;
  });
}

void hysteresis(const Context&, const Masks& weak, const Masks& strong, int connectivity, const MutableMasks& result) {
  filter(weak, connectivity, false, result, [&](const Found& found, std::int64_t i) {
    const std::vector<std::uint8_t> seeds = bytes_of(strong, i);
    std::vector<std::uint8_t> keep(static_cast<std::size_t>(found.count) + 1);
    for (std::size_t p = 0; p < seeds.size(); ++p) keep[static_cast<std::size_t>(found.labels[p])] |= seeds[p];
    return keep;
  });
}

namespace {

double widen(double x) { return x; }
double widen(float x) { return x; }
double widen(Half x) { return to_float(x); }
double widen(BFloat16 x) { return to_float(x); }

template <class T>
void clean(const T* scores, const Grid& grid, const ScoreCleaning& cleaning, int connectivity, T* result) {
  const auto size = static_cast<std::size_t>(grid.size());
  const Bound<T> above = make_bound<T>(cleaning.threshold, true);
  std::vector<std::uint8_t> background(size), foreground(size);
  for (std::size_t p = 0; p < size; ++p) {
    foreground[p] = above(scores[p]);
    background[p] = !above(scores[p]) && widen(scores[p]) <= cleaning.threshold;
  }
  std::vector<T> cleaned(scores, scores + size);
  const auto replace = [&](const std::vector<std::uint8_t>& where, std::int64_t limit, double value, bool half) {
    const Found found = find_components(where, grid, connectivity);
    const std::vector<std::int64_t> areas = areas_of(found);
    if (half) limit = std::min(limit, (static_cast<std::int64_t>(size) - areas[0]) / 2);
    const T with = nearest<T>(value);
    for (std::size_t p = 0; p < size; ++p) {
      const std::int32_t label = found.labels[p];
      if (label != 0 && areas[static_cast<std::size_t>(label)] <= limit) cleaned[p] = with;
    }
  };
  if (cleaning.max_hole_area > 0) replace(background, cleaning.max_hole_area, cleaning.hole_value, false);
  if (cleaning.max_sprinkle_area > 0) {
    if (cleaning.sprinkles_after_holes) {
      for (std::size_t p = 0; p < size; ++p) foreground[p] = above(cleaned[p]);
    }
    replace(foreground, cleaning.max_sprinkle_area, cleaning.sprinkle_value, cleaning.keep_half);
  }
  std::copy(cleaned.begin(), cleaned.end(), result);
}

}  // namespace

void clean_scores(const Context&, const Image& scores, const ScoreCleaning& cleaning, int connectivity, void* result) {
  const Grid grid{1, scores.h, scores.w, false};
  visit_dtype(scores.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    if constexpr (!std::is_integral_v<T>) {
      for (std::int64_t i = 0; i < scores.n; ++i) {
        clean(static_cast<const T*>(scores.data) + i * grid.size(), grid, cleaning, connectivity,
              static_cast<T*>(result) + i * grid.size());
      }
    }
  });
}

}  // namespace rapidmask::cpu
