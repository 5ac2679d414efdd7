// Class maps: the first highest of resized scores, of logits and of queries, pixel by pixel.

#include <algorithm>
#include <cmath>

#include "decoded.hpp"
#include "rapidmask/semantic.hpp"

namespace rapidmask::fuzz {
namespace {

struct Rule {
  Array<std::int32_t> classes;
  ClassRule view;

  Rule(Input& input, std::int64_t count) : classes(chosen(input, count)) {
    view = {classes.data(), classes.size(),
            input.flag() ? -std::numeric_limits<float>::infinity() : as_value<float>(input.number()),
            static_cast<std::int32_t>(input.pick({0, 255, 7}))};
  }
  static Array<std::int32_t> chosen(Input& input, std::int64_t count) {
    std::vector<std::int32_t> classes;
    const bool all = input.flag();
    for (std::int64_t c = 0; c < count; ++c) {
      if (all || c == 0 || input.byte() % 4 != 0) classes.push_back(static_cast<std::int32_t>(c));
    }
    return Array<std::int32_t>(classes);
  }
};

struct LabelArray {
  DType dtype;
  Array<std::uint8_t> small;
  Array<std::int16_t> shorts;
  Array<std::int32_t> ints;
  Array<std::int64_t> longs;

  LabelArray(DType type, std::int64_t count)
      : dtype(type),
        small(type == DType::uint8 ? count : 0),
        shorts(type == DType::int16 ? count : 0),
        ints(type == DType::int32 ? count : 0),
        longs(type == DType::int64 ? count : 0) {}
  void* data() {
    switch (dtype) {
      case DType::uint8: return small.data();
      case DType::int16: return shorts.data();
      case DType::int32: return ints.data();
      default: return longs.data();
    }
  }
  std::int64_t at(std::int64_t i) const {
    switch (dtype) {
      case DType::uint8: return small[i];
      case DType::int16: return shorts[i];
      case DType::int32: return ints[i];
      default: return longs[i];
    }
  }
};

// The class of each pixel of scores (n, classes, h, w) at another size.
template <class Score>
void expect_labels(const LabelArray& labels, std::int64_t n, std::int64_t h, std::int64_t w, const ClassRule& rule,
                   const Score& score) {
  for (std::int64_t k = 0; k < n * h * w; ++k) {
    std::int32_t label = rule.void_label;
    float highest = std::nanf("");
    for (std::int64_t j = 0; j < rule.count; ++j) {
      const float value = score(k / (h * w), rule.classes[j], k / w % h, k % w);
      if (std::isnan(value) || value <= highest) continue;
      highest = value;
      label = rule.classes[j];
    }
    if (std::isnan(highest) || highest < rule.least) label = rule.void_label;
    expect(labels.at(k) == label, "the class of a pixel");
  }
}

template <class T>
void compare_argmax(Input& input, DType dtype) {
  const DType type = input.pick({DType::uint8, DType::int16, DType::int32, DType::int64});
  const std::int64_t n = input.below(3), classes = input.between(1, input.flag() ? 5 : 40);
  const std::int64_t in_h = input.between(1, 24), in_w = input.between(1, 40);
  const bool same_size = input.byte() % 4 == 0;
  const std::int64_t h = same_size ? in_h : input.extent(64),
                     w = same_size ? in_w : input.extent_beside(h, 300, 20000 / classes);
  const Rule rule(input, classes);
  const auto logits = values<T>(input, n * classes * in_h * in_w, in_w);
  const Image image{logits.data(), dtype, n * classes, in_h, in_w};
  at_every_level("classes", [&] {
    LabelArray own(type, n * h * w);
    cpu::semantic_argmax({}, image, classes, rule.view, {own.data(), type, n, h, w});
    expect_labels(own, n, h, w, rule.view, [&](std::int64_t i, std::int64_t c, std::int64_t y, std::int64_t x) {
      return bilinear_value(logits.data() + (i * classes + c) * in_h * in_w, in_w, bilinear_tap(y, in_h, h),
                            bilinear_tap(x, in_w, w));
    });
    return true;
  });
}

template <class T>
void compare_queries(Input& input, DType dtype) {
  const DType type = input.pick({DType::int32, DType::uint8});
  const std::int64_t n = input.below(3), queries = input.between(1, input.flag() ? 5 : 40);
  const std::int64_t classes = input.between(1, input.flag() ? 4 : 30);
  const std::int64_t in_h = input.between(1, 20), in_w = input.between(1, 40);
  Staging stage{in_h, in_w, in_h, in_w};
  if (input.flag()) {
    stage.height = input.between(1, 40), stage.width = input.between(1, 60);
    stage.rows = input.between(1, stage.height), stage.columns = input.between(1, stage.width);
  }
  const bool same_size = input.byte() % 4 == 0;
  const std::int64_t h = same_size ? stage.rows : input.extent(48),
                     w = same_size ? stage.columns : input.extent_beside(h, 200, 20000 / (classes * 4));
  const Rule rule(input, classes);
  const auto class_logits = values<T>(input, n * queries * (classes + 1), classes + 1);
  const auto masks = values<T>(input, n * queries * in_h * in_w, in_w);
  const Image rows{class_logits.data(), dtype, n, queries, classes + 1},
      planes{masks.data(), dtype, n * queries, in_h, in_w};

  const std::int64_t staged = stage.rows * stage.columns;
  const auto resized = at_every_level("resized planes", [&] {
    Array<float> own(n * queries * staged);
    cpu::resize_planes({}, planes, stage.height, stage.width, {own.data(), n * queries, stage.rows, stage.columns});
    return own;
  });
  for (std::int64_t k = 0; k < resized.size(); ++k) {
    const float value = bilinear_value(masks.data() + k / staged * in_h * in_w, in_w,
                                       bilinear_tap(k / stage.columns % stage.rows, in_h, stage.height),
                                       bilinear_tap(k % stage.columns, in_w, stage.width));
    expect(same(resized[k], value), "a resized value");
  }
  const Image staged_planes{resized.data(), DType::float32, n * queries, stage.rows, stage.columns};
  const auto scores = at_every_level("scores of queries", [&] {
    Array<float> own(n * classes * staged);
    cpu::semantic_scores({}, rows, staged_planes, own.data());
    return own;
  });
  Array<float> probabilities(n * queries * classes);
  for (std::int64_t q = 0; q < n * queries; ++q)
    object_probabilities(class_logits.data() + q * (classes + 1), classes, probabilities.data() + q * classes);
  for (std::int64_t k = 0; k < scores.size(); ++k) {
    const std::int64_t i = k / (classes * staged), c = k / staged % classes, at = k % staged;
    float score = 0;
    for (std::int64_t q = 0; q < queries; ++q) {
      const float term =
          probabilities[(i * queries + q) * classes + c] * portable_sigmoid(resized[(i * queries + q) * staged + at]);
      score = q == 0 ? term : score + term;
    }
    expect(same(scores[k], score), "a score of queries");
  }
  at_every_level("classes of queries", [&] {
    LabelArray own(type, n * h * w);
    cpu::semantic_queries({}, rows, planes, stage, rule.view, {own.data(), type, n, h, w});
    expect_labels(own, n, h, w, rule.view, [&](std::int64_t i, std::int64_t c, std::int64_t y, std::int64_t x) {
      return bilinear_value(scores.data() + (i * classes + c) * staged, stage.columns, bilinear_tap(y, stage.rows, h),
                            bilinear_tap(x, stage.columns, w));
    });
    return true;
  });
}

}  // namespace

void run(Input& input) {
  const bool queries = input.flag();
  switch (input.below(4)) {
    case 0: return queries ? compare_queries<Half>(input, DType::float16) : compare_argmax<Half>(input, DType::float16);
    case 1:
      return queries ? compare_queries<BFloat16>(input, DType::bfloat16)
                     : compare_argmax<BFloat16>(input, DType::bfloat16);
    default:
      return queries ? compare_queries<float>(input, DType::float32) : compare_argmax<float>(input, DType::float32);
  }
}

}  // namespace rapidmask::fuzz
