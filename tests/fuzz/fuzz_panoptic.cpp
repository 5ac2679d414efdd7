// Masks as one map: panoptic merging, painting, and scores that do not overlap, by their definitions.

#include <algorithm>
#include <cmath>

#include "decoded.hpp"
#include "rapidmask/panoptic.hpp"

namespace rapidmask::fuzz {
namespace {

template <class T>
void compare_merge(Input& input, DType dtype) {
  const std::int64_t q = input.below(input.flag() ? 6 : 30), in_h = input.between(1, 20), in_w = input.between(1, 40);
  const bool same_size = input.byte() % 4 == 0;
  const std::int64_t h = same_size ? in_h : input.extent(60), w = same_size ? in_w : input.extent_beside(h, 300, 1500);
  PanopticRule rule{};
  rule.activated = input.flag();
  rule.activated_late = rule.activated && input.flag();
  rule.weighted = input.flag(), rule.inner = input.flag(), rule.keeps_equal = input.flag();
  rule.numbering = static_cast<Numbering>(input.below(3));
  rule.mask_threshold = input.flag() ? 0.5f : as_value<float>(input.number());
  rule.overlap_threshold = static_cast<double>(input.below(11)) / 10;
  rule.first_id = input.below(3), rule.step = 1000, rule.void_id = input.pick({0, -1, 255});
  Array<float> scores(q);
  for (float& score : scores)
    score = input.byte() % 8 == 0 ? as_value<float>(input.number()) : static_cast<float>(input.below(65)) / 64;
  Array<std::int64_t> labels(q), fused(input.below(4));
  for (auto& label : labels) label = input.below(5);
  for (auto& label : fused) label = input.below(5);
  const auto planes = values<T>(input, q * in_h * in_w, in_w);

  Array<float> staged(q * in_h * in_w);
  for (std::int64_t k = 0; k < staged.size(); ++k) {
    const float x = widened(planes[k]);
    staged[k] = rule.activated && !rule.activated_late ? portable_sigmoid(x) : x;
  }
  std::vector<QueryPixels> pixels(static_cast<std::size_t>(q));
  std::vector<std::int32_t> codes;
  for (std::int64_t k = 0; k < h * w; ++k) {
    const BilinearTap by_y = bilinear_tap(k / w, in_h, h), by_x = bilinear_tap(k % w, in_w, w);
    ChosenQuery chosen;
    for (std::int64_t i = 0; i < q; ++i) {
      const QueryValue value =
          query_value(rule, scores[i], bilinear_value(staged.data() + i * in_h * in_w, in_w, by_y, by_x));
      pixels[static_cast<std::size_t>(i)].own += value.owned;
      chosen.take(value.weight, static_cast<std::int32_t>(2 * i + (value.owned ? 1 : 0)));
    }
    codes.push_back(chosen.code);
    if (chosen.code < 0) continue;
    QueryPixels& own = pixels[static_cast<std::size_t>(chosen.code / 2)];
    ++(chosen.code % 2 != 0 ? own.inner : own.outer);
  }
  Array<double> table(q * kQueryColumns);
  number_segments(rule, q, pixels.data(), scores.data(), labels.data(), fused.data(), fused.size(), table.data());
  Array<std::int32_t> map(h * w);
  for (std::int64_t k = 0; k < h * w; ++k) map[k] = id_of_code(rule, table.data(), codes[static_cast<std::size_t>(k)]);
  at_every_level("panoptic segments", [&] {
    Array<std::int32_t> own(h * w);
    Array<double> own_table(q * kQueryColumns);
    cpu::panoptic_merge({}, {planes.data(), dtype, q, in_h, in_w}, scores.data(), labels.data(), fused.data(),
                        fused.size(), rule, {own.data(), 1, h, w}, own_table.data());
    expect(own_table == table, "the table of queries");
    expect(own == map, "a map of segments");
    return true;
  });
}

void compare_painting(Input& input) {
  const std::int64_t n = input.below(input.flag() ? 6 : 40), h = input.extent(60),
                     w = input.extent_beside(h, 300, 2000);
  const bool packed = input.flag();
  const std::uint8_t foreground = foreground_byte(input);
  PaintRule rule{};
  const bool scored = input.flag();
  rule.by_score = scored && input.flag(), rule.over = input.byte() % 4 == 0, rule.by_visible = input.flag();
  rule.limit = static_cast<double>(input.below(11)) / 10;
  rule.least_score =
      scored && input.flag() ? static_cast<double>(input.below(9)) / 8 : -std::numeric_limits<double>::infinity();
  rule.leaves_out_empty = input.flag();
  Array<double> scores(n);
  for (double& score : scores) score = input.byte() % 8 == 0 ? input.number() : static_cast<double>(input.below(9)) / 8;
  const Bytes pixels = mask_pixels(input, n, h, w);
  const MaskArray masks(pixels, packed, n, 1, h, w, foreground);

  std::vector<std::int64_t> order;
  for (std::int64_t i = 0; i < n; ++i) order.push_back(i);
  if (rule.by_score) {
    std::stable_sort(order.begin(), order.end(), [&](std::int64_t i, std::int64_t j) {
      if (std::isnan(scores[i]) || std::isnan(scores[j])) return !std::isnan(scores[i]) && std::isnan(scores[j]);
      return scores[i] > scores[j];
    });
  }
  Array<std::int32_t> map(h * w, 0);
  Array<std::uint8_t> painted(n, 0);
  Array<std::int64_t> visible(n, 0);
  for (const std::int64_t i : order) {
    if (!takes_part(rule, scored ? scores.data() : nullptr, i)) continue;
    std::int64_t area = 0, left = 0;
    for (std::int64_t k = 0; k < h * w; ++k) {
      const bool set = pixels[static_cast<std::size_t>(i * h * w + k)] != 0;
      area += set, left += set && map[k] == 0;
    }
    if (rule.over ? area == 0 && rule.leaves_out_empty : !is_painted(rule, area, left)) continue;
    painted[i] = 1;
    for (std::int64_t k = 0; k < h * w; ++k) {
      if (pixels[static_cast<std::size_t>(i * h * w + k)] != 0 && (rule.over || map[k] == 0))
        map[k] = static_cast<std::int32_t>(i + 1);
    }
  }
  for (std::int64_t k = 0; k < h * w; ++k)
    if (map[k] != 0) ++visible[map[k] - 1];
  at_every_level("painted masks", [&] {
    Array<std::int32_t> own(h * w);
    Array<std::uint8_t> own_painted(n);
    Array<std::int64_t> own_visible(n);
    cpu::paint_masks({}, masks.view(), scored ? scores.data() : nullptr, rule,
                     {own.data(), own_painted.data(), own_visible.data()});
    expect(own == map, "a map of masks");
    expect(own_painted == painted, "which masks are painted");
    expect(own_visible == visible, "pixels that masks have in the map");
    return true;
  });

  const std::int64_t count = input.between(0, 20);
  const bool has_classes = input.flag();
  Array<std::int32_t> ids(n + 1), class_ids(count), classes(h * w);
  Noise noise(input);
  for (auto& id : ids) id = static_cast<std::int32_t>(noise.next());
  for (auto& id : class_ids) id = static_cast<std::int32_t>(noise.next());
  for (auto& c : classes) c = static_cast<std::int32_t>(noise.below(count + 3) - 1);
  Array<std::int64_t> unpainted(count, 0);
  Array<std::int32_t> numbered(h * w);
  for (std::int64_t k = 0; k < h * w; ++k) {
    const bool known = classes[k] >= 0 && classes[k] < count;
    if (map[k] == 0 && known) ++unpainted[classes[k]];
    numbered[k] = map[k] == 0 && known && has_classes ? class_ids[classes[k]] : ids[map[k]];
  }
  at_every_level("numbered paintings", [&] {
    Array<std::int64_t> own(count);
    cpu::count_unpainted({}, {map.data(), 1, h, w}, classes.data(), count, own.data());
    expect(own == unpainted, "unpainted pixels of classes");
    Array<std::int32_t> own_map(h * w);
    std::copy(map.begin(), map.end(), own_map.begin());
    cpu::number_painting({}, {own_map.data(), 1, h, w}, ids.data(), has_classes ? classes.data() : nullptr,
                         class_ids.data(), count);
    expect(own_map == numbered, "a numbered map");
    return true;
  });
}

template <class T>
void compare_non_overlapping(Input& input, DType dtype) {
  const std::int64_t n = input.below(8), pixels = input.below(input.flag() ? 300 : 5000);
  const bool objects = input.flag(), in_place = input.flag();
  const auto background = as_value<float>(input.flag() ? -10.0 : input.number());
  Array<float> object_scores(n);
  for (float& score : object_scores) score = as_value<float>(input.number());
  const auto scores = values<T>(input, n * pixels, std::max<std::int64_t>(1, pixels));
  const float limit = widened(as_value<T>(background));
  Array<T> wanted(n * pixels);
  for (std::int64_t k = 0; k < pixels; ++k) {
    std::int64_t winner = -1;
    float best = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      float score = widened(scores[i * pixels + k]);
      if (objects) score = score > 0 && object_scores[i] > 0 ? object_scores[i] : std::nanf("");
      if (std::isnan(score) || (winner >= 0 && !(score > best))) continue;
      winner = i, best = score;
    }
    for (std::int64_t i = 0; i < n; ++i) {
      const T score = scores[i * pixels + k];
      wanted[i * pixels + k] = i != winner && widened(score) > limit ? as_value<T>(background) : score;
    }
  }
  at_every_level("scores that do not overlap", [&] {
    Array<T> own(n * pixels);
    if (in_place) std::copy(scores.begin(), scores.end(), own.begin());
    cpu::non_overlapping({}, {in_place ? own.data() : scores.data(), dtype, n, 1, pixels},
                         objects ? object_scores.data() : nullptr, background, own.data());
    for (std::int64_t k = 0; k < n * pixels; ++k)
      expect(same(own[k], wanted[k]) || same(widened(own[k]), widened(wanted[k])), "a score that does not overlap");
    return true;
  });
}

}  // namespace

void run(Input& input) {
  const auto part = input.below(4);
  if (part == 0) return compare_painting(input);
  const bool merges = part <= 2;
  switch (input.below(4)) {
    case 0:
      return merges ? compare_merge<Half>(input, DType::float16) : compare_non_overlapping<Half>(input, DType::float16);
    case 1:
      return merges ? compare_merge<BFloat16>(input, DType::bfloat16)
                    : compare_non_overlapping<BFloat16>(input, DType::bfloat16);
    default:
      return merges ? compare_merge<float>(input, DType::float32)
                    : compare_non_overlapping<float>(input, DType::float32);
  }
}

}  // namespace rapidmask::fuzz
