// Connected components, their measures and filters against a search from pixel to pixel.

#include <algorithm>
#include <array>
#include <cmath>

#include "input.hpp"
#include "rapidmask/components.hpp"

namespace rapidmask::fuzz {
namespace {

struct Extents {
  std::int64_t n, d, h, w;

  std::int64_t pixels() const { return d * h * w; }
};

// Components of one mask or volume of values, numbered from 1 in raster order, 0 where the value is 0.
struct Labels {
  std::vector<std::int32_t> of;
  std::vector<std::int64_t> areas{0};  // by label
  std::vector<bool> at_border{false};

  std::int32_t count() const { return static_cast<std::int32_t>(areas.size()) - 1; }
};

template <class Value>
Labels label_literally(const std::vector<Value>& values, const Extents& e, int connectivity) {
  const int most = connectivity == 4 || connectivity == 6 ? 1 : connectivity == 26 ? 3 : 2;
  const bool volume = connectivity != 4 && connectivity != 8;
  Labels labels;
  labels.of.assign(values.size(), 0);
  std::vector<std::int64_t> waiting;
  for (std::int64_t first = 0; first < e.pixels(); ++first) {
    const Value value = values[static_cast<std::size_t>(first)];
    if (value == 0 || labels.of[static_cast<std::size_t>(first)] != 0) continue;
    labels.areas.push_back(0);
    labels.at_border.push_back(false);
    const std::int32_t label = labels.count();
    labels.of[static_cast<std::size_t>(first)] = label;
    waiting.push_back(first);
    while (!waiting.empty()) {
      const std::int64_t p = waiting.back();
      waiting.pop_back();
      ++labels.areas.back();
      const std::int64_t z = p / (e.h * e.w), y = p / e.w % e.h, x = p % e.w;
      if (y == 0 || x == 0 || y == e.h - 1 || x == e.w - 1 || (volume && (z == 0 || z == e.d - 1)))
        labels.at_border.back() = true;
      for (int k = 0; k < 27; ++k) {
        const int dz = k / 9 - 1, dy = k / 3 % 3 - 1, dx = k % 3 - 1;
        if ((!volume && dz != 0) || std::abs(dz) + std::abs(dy) + std::abs(dx) > most) continue;
        const std::int64_t a = z + dz, b = y + dy, c = x + dx;
        if (a < 0 || a >= e.d || b < 0 || b >= e.h || c < 0 || c >= e.w) continue;
        const auto q = static_cast<std::size_t>((a * e.h + b) * e.w + c);
        if (labels.of[q] != 0 || values[q] != value) continue;
        labels.of[q] = label;
        waiting.push_back(static_cast<std::int64_t>(q));
      }
    }
  }
  return labels;
}

Bytes part_of(const Bytes& pixels, std::int64_t i, const Extents& e) {
  return {pixels.begin() + i * e.pixels(), pixels.begin() + (i + 1) * e.pixels()};
}
Bytes inverse(Bytes mask) {
  for (auto& pixel : mask) pixel = pixel == 0;
  return mask;
}

// Keeps the pixels of some components.
template <class Keep>
Bytes kept(const Labels& labels, const Keep& keep) {
  Bytes mask(labels.of.size());
  for (std::size_t i = 0; i < mask.size(); ++i) mask[i] = labels.of[i] != 0 && keep(labels.of[i]);
  return mask;
}
// Fills those of the background.
template <class Fill>
Bytes filled(const Bytes& mask, const Extents& e, int connectivity, const Fill& fills) {
  const Labels holes = label_literally(inverse(mask), e, connectivity);
  Bytes result = mask;
  for (std::size_t i = 0; i < mask.size(); ++i) result[i] = mask[i] != 0 || fills(holes, holes.of[i]);
  return result;
}

void compare_labels(const Bytes& pixels, const Extents& e, int connectivity, bool packed, std::uint8_t foreground) {
  const MaskArray masks(pixels, packed, e.n, e.d, e.h, e.w, foreground);
  const bool volume = is_volume(connectivity);
  const int axes = volume ? 3 : 2;
  Array<std::int32_t> wanted(e.n * e.pixels()), areas(e.n * e.pixels());
  Array<std::int64_t> counts(e.n), offsets(e.n + 1, 0);
  std::vector<std::int64_t> all_areas, boxes;
  std::vector<double> centroids;
  for (std::int64_t i = 0; i < e.n; ++i) {
    const Labels labels = label_literally(part_of(pixels, i, e), e, connectivity);
    counts[i] = labels.count();
    offsets[i + 1] = offsets[i] + counts[i];
    for (std::int32_t label = 1; label <= labels.count(); ++label) {
      std::array<std::int64_t, 3> low{e.d, e.h, e.w}, high{}, sums{};
      for (std::int64_t p = 0; p < e.pixels(); ++p) {
        if (labels.of[static_cast<std::size_t>(p)] != label) continue;
        const std::array<std::int64_t, 3> at{p / (e.h * e.w), p / e.w % e.h, p % e.w};
        for (std::size_t k = 0; k < 3; ++k) {
          low[k] = std::min(low[k], at[k]), high[k] = std::max(high[k], at[k] + 1), sums[k] += at[k];
        }
      }
      const std::int64_t area = labels.areas[static_cast<std::size_t>(label)];
      all_areas.push_back(area);
      for (int k = 0; k < axes; ++k) boxes.push_back(low[static_cast<std::size_t>(2 - k)]);
      for (int k = 0; k < axes; ++k) boxes.push_back(high[static_cast<std::size_t>(2 - k)]);
      for (int k = 3 - axes; k < 3; ++k)
        centroids.push_back(static_cast<double>(sums[static_cast<std::size_t>(k)]) / static_cast<double>(area));
      if (all_areas.size() > 300) return;  // the search above is slow
    }
    for (std::int64_t p = 0; p < e.pixels(); ++p) {
      const std::int32_t label = labels.of[static_cast<std::size_t>(p)];
      wanted[i * e.pixels() + p] = label;
      areas[i * e.pixels() + p] = static_cast<std::int32_t>(labels.areas[static_cast<std::size_t>(label)]);
    }
  }
  at_every_level("components", [&] {
    Array<std::int32_t> own(wanted.size()), own_again(wanted.size()), own_areas(wanted.size());
    Array<std::int64_t> own_counts(e.n), own_offsets(e.n + 1);
    cpu::label({}, masks.view(), connectivity, own.data(), own_counts.data());
    expect(own == wanted, "labels");
    expect(own_counts == counts, "numbers of components");
    std::unique_ptr<Array<std::int64_t>> table_areas, table_boxes;
    std::unique_ptr<Array<double>> table_centroids;
    cpu::connected_components(
        {}, masks.view(), connectivity, own_again.data(), own_offsets.data(), [&](std::int64_t count) {
          table_areas = std::make_unique<Array<std::int64_t>>(count);
          table_boxes = std::make_unique<Array<std::int64_t>>(2 * axes * count);
          table_centroids = std::make_unique<Array<double>>(axes * count);
          return ComponentTable{table_areas->data(), table_boxes->data(), table_centroids->data()};
        });
    expect(own_again == wanted && own_offsets == offsets, "labels with measures");
    expect(*table_areas == Array<std::int64_t>(all_areas), "areas of components");
    expect(*table_boxes == Array<std::int64_t>(boxes), "boxes of components");
    expect(*table_centroids == Array<double>(centroids), "centroids of components");
    cpu::component_areas({}, masks.view(), connectivity, own_areas.data());
    expect(own_areas == areas, "areas at pixels");
    return true;
  });
}

template <class T>
void compare_values(Input& input, DType dtype, const Extents& e, int connectivity) {
  const auto given = values<T>(input, e.n * e.pixels(), std::max<std::int64_t>(1, e.w));
  Array<std::int32_t> wanted(given.size());
  for (std::int64_t i = 0; i < e.n; ++i) {
    const std::vector<T> own(given.begin() + i * e.pixels(), given.begin() + (i + 1) * e.pixels());
    const Labels labels = label_literally(own, e, connectivity);
    std::copy(labels.of.begin(), labels.of.end(), wanted.data() + i * e.pixels());
  }
  at_every_level("labels of values", [&] {
    Array<std::int32_t> own(wanted.size());
    Array<std::int64_t> counts(e.n);
    cpu::label_values({}, {given.data(), dtype, e.n * e.d, e.h, e.w}, e.d, connectivity, own.data(), counts.data());
    expect(own == wanted, "labels of values");
    return true;
  });
}

void compare_filters(Input& input, const Bytes& pixels, const Bytes& strong, const Extents& e, int connectivity,
                     bool packed, std::uint8_t foreground) {
  const MaskArray masks(pixels, packed, e.n, e.d, e.h, e.w, foreground);
  const MaskArray seeds(strong, packed, e.n, e.d, e.h, e.w);
  const std::int64_t filter = input.below(8);
  const std::int64_t min_area = input.flag() ? input.between(-1, 6) : input.below(3000);
  const bool border_is_hole = input.flag();
  Bytes wanted;
  for (std::int64_t i = 0; i < e.n; ++i) {
    const Bytes mask = part_of(pixels, i, e);
    const auto large = [&](const Labels& labels, std::int32_t label) {
      return labels.areas[static_cast<std::size_t>(label)] >= min_area;
    };
    const auto small_hole = [&](const Labels& holes, std::int32_t hole) {
      return hole != 0 && !large(holes, hole) && (border_is_hole || !holes.at_border[static_cast<std::size_t>(hole)]);
    };
    const auto any_small = [&](const Labels& holes, std::int32_t hole) { return hole != 0 && !large(holes, hole); };
    const Labels labels = label_literally(mask, e, connectivity);
    Bytes result;
    if (filter == 0) {
      result = kept(labels, [&](std::int32_t label) { return large(labels, label); });
    } else if (filter == 1) {
      result = filled(mask, e, connectivity, small_hole);
    } else if (filter == 2) {
      const Bytes whole = filled(mask, e, connectivity, any_small);
      const Labels after = label_literally(whole, e, connectivity);
      result = kept(after, [&](std::int32_t label) { return large(after, label); });
    } else if (filter == 3) {
      result = filled(mask, e, dual_connectivity(connectivity), [](const Labels& holes, std::int32_t hole) {
        return hole != 0 && !holes.at_border[static_cast<std::size_t>(hole)];
      });
    } else if (filter == 4) {
      std::vector<std::int32_t> order;
      for (std::int32_t label = 1; label <= labels.count(); ++label) order.push_back(label);
      std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
        return labels.areas[static_cast<std::size_t>(a)] > labels.areas[static_cast<std::size_t>(b)];
      });
      const auto k = static_cast<std::size_t>(std::max<std::int64_t>(0, min_area % 5));
      order.resize(std::min(order.size(), k));
      result = kept(labels, [&](std::int32_t label) { return std::count(order.begin(), order.end(), label) != 0; });
    } else if (filter == 5) {
      result = kept(labels, [&](std::int32_t label) { return !labels.at_border[static_cast<std::size_t>(label)]; });
    } else {
      const Bytes own_seeds = part_of(strong, i, e);
      std::vector<bool> seeded(labels.areas.size());
      for (std::size_t p = 0; p < mask.size(); ++p) {
        if (own_seeds[p] != 0) seeded[static_cast<std::size_t>(labels.of[p])] = true;
      }
      result = kept(labels, [&](std::int32_t label) { return seeded[static_cast<std::size_t>(label)]; });
    }
    wanted.insert(wanted.end(), result.begin(), result.end());
  }
  at_every_level("a filter of components", [&] {
    MaskArray own(packed, e.n, e.d, e.h, e.w);
    const Masks view = masks.view();
    const MutableMasks result = own.result();
    switch (filter) {
      case 0: cpu::remove_small_objects({}, view, min_area, connectivity, result); break;
      case 1: cpu::remove_small_holes({}, view, min_area, connectivity, border_is_hole, result); break;
      case 2: cpu::remove_small_regions({}, view, min_area, connectivity, result); break;
      case 3: cpu::fill_holes({}, view, connectivity, result); break;
      case 4: cpu::keep_largest({}, view, std::max<std::int64_t>(0, min_area % 5), connectivity, result); break;
      case 5: cpu::clear_border({}, view, connectivity, result); break;
      default: cpu::hysteresis({}, view, seeds.view(), connectivity, result);
    }
    if (!own.is(wanted)) differ("filter " + std::to_string(filter) + " at " + current_level());
    return true;
  });
}

template <class T>
double widened(T x) {
  if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double>) {
    return x;
  } else {
    return to_float(x);
  }
}

template <class T>
void compare_cleaning(Input& input, DType dtype, const Extents& e, int connectivity) {
  ScoreCleaning cleaning{};
  cleaning.threshold = round_to(dtype, input.flag() ? 0.0 : input.number());
  cleaning.max_hole_area = input.between(-1, 20), cleaning.max_sprinkle_area = input.between(-1, 20);
  cleaning.hole_value = input.number(), cleaning.sprinkle_value = input.number();
  cleaning.sprinkles_after_holes = input.flag(), cleaning.keep_half = input.flag();
  const bool in_place = input.flag();
  const auto scores = values<T>(input, e.n * e.pixels(), std::max<std::int64_t>(1, e.w));
  const auto cleaned = at_every_level("cleaned scores", [&] {
    Array<T> own(scores.size());
    if (in_place) std::copy(scores.begin(), scores.end(), own.begin());
    cpu::clean_scores({}, {in_place ? own.data() : scores.data(), dtype, e.n, e.h, e.w}, cleaning, connectivity,
                      own.data());
    return own;
  });
  for (std::int64_t i = 0; i < e.n; ++i) {
    Bytes above(static_cast<std::size_t>(e.pixels())), below(above.size());
    std::int64_t foreground = 0;
    const auto take = [&](const auto& value_at) {
      foreground = 0;
      for (std::size_t p = 0; p < above.size(); ++p) {
        const double x = value_at(p);
        above[p] = x > cleaning.threshold, below[p] = x <= cleaning.threshold;
        foreground += above[p];
      }
    };
    Array<T> wanted(e.pixels());
    const T* own = scores.data() + i * e.pixels();
    std::copy(own, own + e.pixels(), wanted.begin());
    take([&](std::size_t p) { return widened(own[p]); });
    const Labels holes = label_literally(below, e, connectivity);
    for (std::size_t p = 0; p < above.size(); ++p) {
      const std::int32_t hole = holes.of[p];
      if (hole != 0 && holes.areas[static_cast<std::size_t>(hole)] <= cleaning.max_hole_area)
        wanted[static_cast<std::int64_t>(p)] = nearest<T>(cleaning.hole_value);
    }
    if (cleaning.sprinkles_after_holes)
      take([&](std::size_t p) { return widened(wanted[static_cast<std::int64_t>(p)]); });
    const Labels sprinkles = label_literally(above, e, connectivity);
    const std::int64_t most =
        cleaning.keep_half ? std::min(cleaning.max_sprinkle_area, foreground / 2) : cleaning.max_sprinkle_area;
    for (std::size_t p = 0; p < above.size(); ++p) {
      const std::int32_t sprinkle = sprinkles.of[p];
      if (sprinkle != 0 && sprinkles.areas[static_cast<std::size_t>(sprinkle)] <= most)
        wanted[static_cast<std::int64_t>(p)] = nearest<T>(cleaning.sprinkle_value);
    }
    for (std::int64_t p = 0; p < e.pixels(); ++p)
      expect(same(cleaned[i * e.pixels() + p], wanted[p]), "a cleaned score");
  }
}

}  // namespace

void run(Input& input) {
  const auto part = input.below(8);
  const bool volume = part != 7 && input.below(4) == 0;
  const int connectivity = volume ? input.pick({6, 18, 26}) : input.pick({4, 8});
  const std::int64_t n = input.below(input.flag() ? 4 : 2), d = volume ? input.below(6) : 1;
  const std::int64_t h = input.extent(70), w = input.extent_beside(h * d, 260, 4000);
  const Extents e{n, d, h, w};
  const bool packed = input.flag();
  const std::uint8_t foreground = foreground_byte(input);
  if (part < 2) {
    compare_labels(mask_pixels(input, n * d, e.h, e.w), e, connectivity, packed, foreground);
  } else if (part < 6) {
    Bytes parameters;
    for (int i = 0; i < 8; ++i) parameters.push_back(input.byte());
    Input settings(parameters.data(), parameters.size());
    const Bytes strong = mask_pixels(settings, n * d, e.h, e.w);
    Bytes weak = mask_pixels(input, n * d, e.h, e.w);
    Input choices(parameters.data(), parameters.size());
    compare_filters(choices, weak, strong, e, connectivity, packed, foreground);
  } else if (part == 6) {
    switch (input.below(4)) {
      case 0: return compare_values<std::uint8_t>(input, DType::uint8, e, connectivity);
      case 1: return compare_values<std::int16_t>(input, DType::int16, e, connectivity);
      case 2: return compare_values<std::int64_t>(input, DType::int64, e, connectivity);
      default: return compare_values<std::uint32_t>(input, DType::uint32, e, connectivity);
    }
  } else {
    switch (input.below(4)) {
      case 0: return compare_cleaning<Half>(input, DType::float16, e, connectivity);
      case 1: return compare_cleaning<BFloat16>(input, DType::bfloat16, e, connectivity);
      case 2: return compare_cleaning<double>(input, DType::float64, e, connectivity);
      default: return compare_cleaning<float>(input, DType::float32, e, connectivity);
    }
  }
}

}  // namespace rapidmask::fuzz
