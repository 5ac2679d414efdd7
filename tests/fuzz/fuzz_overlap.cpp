// Overlaps of masks and what is made of them: suppression, decay and merging by their definitions.

#include <algorithm>
#include <cmath>

#include "input.hpp"
#include "rapidmask/overlap.hpp"

namespace rapidmask::fuzz {
namespace {

struct Set {
  std::int64_t n, h, w;
  bool packed;
  Bytes pixels;
  MaskArray masks;

  bool at(std::int64_t i, std::int64_t k) const { return pixels[static_cast<std::size_t>(i * h * w + k)] != 0; }
};

// Rectangles and noise, so that some overlap.
Set any_set(Input& input, std::int64_t h, std::int64_t w) {
  const std::int64_t n = input.below(input.byte() % 8 != 0 ? 12 : 70);
  const bool packed = input.flag();
  const std::uint8_t foreground = foreground_byte(input);
  Bytes pixels(static_cast<std::size_t>(n * h * w));
  Noise noise(input);
  const std::int64_t density = input.byte(), copies = input.between(1, 4);
  for (std::int64_t i = 0; i < n && h * w > 0; ++i) {
    if (i > 0 && noise.below(copies + 4) >= 4) {  // the mask before, but for a pixel
      std::copy_n(pixels.begin() + (i - 1) * h * w, h * w, pixels.begin() + i * h * w);
      pixels[static_cast<std::size_t>(i * h * w + noise.below(h * w))] ^= 1;
      continue;
    }
    const std::int64_t y0 = noise.below(h), x0 = noise.below(w), y1 = y0 + noise.below(h - y0 + 1);
    const std::int64_t x1 = x0 + noise.below(w - x0 + 1);
    for (std::int64_t y = y0; y < y1; ++y)
      for (std::int64_t x = x0; x < x1; ++x)
        pixels[static_cast<std::size_t>((i * h + y) * w + x)] = noise.below(256) <= density;
  }
  MaskArray masks(pixels, packed, n, 1, h, w, foreground);
  return {n, h, w, packed, std::move(pixels), std::move(masks)};
}

double overlap(std::int64_t both, std::int64_t a, std::int64_t b, OverlapMetric metric, bool crowd) {
  const std::int64_t whole = crowd || metric == OverlapMetric::iof ? a
                             : metric == OverlapMetric::ios        ? std::min(a, b)
                                                                   : a + b - both;
  return whole == 0 ? 0 : static_cast<double>(both) / static_cast<double>(whole);
}

struct Kept {
  std::vector<std::int64_t> indices;
  std::vector<double> scores;

  bool operator==(const Kept&) const = default;
};

// Takes what an algorithm keeps, in arrays of exactly that size.
class Keeper {
 public:
  explicit Keeper(bool with_scores) : with_scores_(with_scores) {}
  MakeKept make() {
    return [this](std::int64_t count) {
      expect(indices_ == nullptr, "made room once");
      indices_ = std::make_unique<Array<std::int64_t>>(count);
      scores_ = std::make_unique<Array<double>>(with_scores_ ? count : 0);
      return KeptMasks{indices_->data(), with_scores_ ? scores_->data() : nullptr};
    };
  }
  Kept kept() const {
    expect(indices_ != nullptr, "made room");
    return {{indices_->begin(), indices_->end()}, {scores_->begin(), scores_->end()}};
  }

 private:
  bool with_scores_;
  std::unique_ptr<Array<std::int64_t>> indices_;
  std::unique_ptr<Array<double>> scores_;
};

std::vector<std::int64_t> order_of(const Array<double>& scores) {
  std::vector<std::int64_t> order;
  for (std::int64_t i = 0; i < scores.size(); ++i) order.push_back(i);
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t i, std::int64_t j) {
    if (std::isnan(scores[i]) || std::isnan(scores[j])) return !std::isnan(scores[i]) && std::isnan(scores[j]);
    return scores[i] > scores[j];
  });
  return order;
}

}  // namespace

void run(Input& input) {
  const auto part = input.below(6);
  const auto metric = static_cast<OverlapMetric>(input.below(3));
  const double threshold = input.flag() ? static_cast<double>(input.below(17)) / 16 : input.number();
  const std::int64_t h = input.extent(60), w = input.extent_beside(h, 260, 1500);
  const Set a = any_set(input, h, w);
  const std::int64_t n = a.n;
  Array<double> scores(n);
  for (double& score : scores) score = static_cast<double>(input.byte() % 16) / 16;
  if (part != 4 && input.flag() && n > 0) scores[input.below(n)] = input.number();
  Array<std::int64_t> own_labels(n);
  for (auto& label : own_labels) label = input.byte() % 3;
  const std::int64_t* labels = input.flag() ? own_labels.data() : nullptr;
  const auto same_label = [&](std::int64_t i, std::int64_t j) { return labels == nullptr || labels[i] == labels[j]; };

  if (part == 0) {
    const bool itself = input.flag();
    const Set other = itself ? Set{0, h, w, a.packed, {}, MaskArray(a.packed, 0, 1, h, w)} : any_set(input, h, w);
    const Set& b = itself ? a : other;
    // Both sides have one form.
    const MaskArray of_b(b.pixels, a.packed, b.n, 1, h, w);
    const Masks view = of_b.view();
    Array<std::uint8_t> crowds(b.n);
    for (auto& crowd : crowds) crowd = input.flag();
    const bool has_crowds = input.flag();
    at_every_level("overlaps", [&] {
      Array<std::int64_t> shared(n * b.n), areas_a(n), areas_b(b.n);
      Array<double> overlaps(n * b.n);
      cpu::mask_intersections({}, a.masks.view(), itself ? nullptr : &view, shared.data(), areas_a.data(),
                              itself ? nullptr : areas_b.data());
      cpu::mask_iou({}, a.masks.view(), itself ? nullptr : &view, metric, has_crowds ? crowds.data() : nullptr,
                    overlaps.data());
      for (std::int64_t i = 0; i < n; ++i) {
        for (std::int64_t j = 0; j < b.n; ++j) {
          std::int64_t both = 0, area_a = 0, area_b = 0;
          for (std::int64_t k = 0; k < h * w; ++k)
            both += a.at(i, k) && b.at(j, k), area_a += a.at(i, k), area_b += b.at(j, k);
          expect(shared[i * b.n + j] == both && areas_a[i] == area_a, "pixels that are shared");
          if (!itself) expect(areas_b[j] == area_b, "areas of the other side");
          expect(overlaps[i * b.n + j] == overlap(both, area_a, area_b, metric, has_crowds && crowds[j] != 0),
                 "an overlap");
        }
      }
      return true;
    });
    return;
  }

  std::vector<std::vector<double>> overlaps(static_cast<std::size_t>(n),
                                            std::vector<double>(static_cast<std::size_t>(n)));
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      std::int64_t both = 0, area_a = 0, area_b = 0;
      for (std::int64_t k = 0; k < h * w; ++k)
        both += a.at(i, k) && a.at(j, k), area_a += a.at(i, k), area_b += a.at(j, k);
      overlaps[static_cast<std::size_t>(i)][static_cast<std::size_t>(j)] =
          overlap(both, area_a, area_b, part == 4 ? OverlapMetric::iou : metric, false);
    }
  }
  const auto of = [&](std::int64_t i, std::int64_t j) {
    return overlaps[static_cast<std::size_t>(i)][static_cast<std::size_t>(j)];
  };
  const std::vector<std::int64_t> order = order_of(scores);

  if (part == 1 || part == 2) {
    std::vector<std::int64_t> wanted;
    for (const std::int64_t j : order) {
      const bool suppressed = std::any_of(wanted.begin(), wanted.end(),
                                          [&](std::int64_t i) { return same_label(i, j) && of(i, j) > threshold; });
      if (!suppressed) wanted.push_back(j);
    }
    Array<double> matrix(n * n);
    for (std::int64_t k = 0; k < n * n; ++k) matrix[k] = of(k / n, k % n);
    at_every_level("suppression", [&] {
      Keeper keeper(false);
      if (part == 1) cpu::mask_nms({}, a.masks.view(), scores.data(), labels, threshold, metric, keeper.make());
      if (part == 2) {
        cpu::nms_from_iou({}, {matrix.data(), DType::float64, 1, n, n}, scores.data(), labels, threshold,
                          keeper.make());
      }
      expect(keeper.kept().indices == wanted, "what suppression keeps");
      return true;
    });
  } else if (part == 3) {
    const Decay kernel = input.flag() ? Decay::gaussian : Decay::linear;
    const double drawn = std::abs(input.number()), sigma = drawn >= 0 ? drawn + 1e-3 : 1;  // it may not be NaN
    const SoftSuppression soft{kernel, sigma, threshold, static_cast<double>(input.below(9)) / 16, metric};
    const Kept kept = at_every_level("soft suppression", [&] {
      Keeper keeper(true);
      cpu::soft_nms({}, a.masks.view(), scores.data(), labels, soft, keeper.make());
      return keeper.kept();
    });
    std::vector<double> own(scores.begin(), scores.end());
    std::vector<std::int64_t> left = order;
    Kept wanted;
    for (;;) {
      std::erase_if(left, [&](std::int64_t i) { return !(own[static_cast<std::size_t>(i)] > soft.score_threshold); });
      if (left.empty()) break;
      const auto best = *std::min_element(left.begin(), left.end(), [&](std::int64_t i, std::int64_t j) {
        const double p = own[static_cast<std::size_t>(i)], q = own[static_cast<std::size_t>(j)];
        return p != q ? p > q : i < j;
      });
      wanted.indices.push_back(best);
      wanted.scores.push_back(own[static_cast<std::size_t>(best)]);
      std::erase(left, best);
      for (const std::int64_t j : left)
        if (same_label(best, j)) own[static_cast<std::size_t>(j)] *= soft_decay(soft, of(best, j));
    }
    expect(kept == wanted, "what soft suppression keeps");
  } else if (part == 4) {
    const Decay kernel = input.flag() ? Decay::gaussian : Decay::linear;
    const double sigma = std::abs(static_cast<double>(input.byte())) / 16;
    const auto decayed = at_every_level("matrix suppression", [&] {
      Array<double> own(n);
      cpu::matrix_nms({}, a.masks.view(), scores.data(), labels, kernel, sigma, own.data());
      return own;
    });
    std::vector<double> highest(static_cast<std::size_t>(n));
    for (std::size_t r = 0; r < order.size(); ++r) {
      const std::int64_t j = order[r];
      MatrixDecay decay(kernel, sigma);
      for (std::size_t k = 0; k < r; ++k) {
        const std::int64_t i = order[k];
        if (!same_label(i, j)) continue;
        decay.add(of(i, j), highest[static_cast<std::size_t>(i)]);
        auto& most = highest[static_cast<std::size_t>(j)];
        most = std::max(most, of(i, j));
      }
      expect(same(decayed[j], scores[j] * decay.factor()), "a score decayed by all before it");
    }
  } else {
    std::vector<std::int64_t> left = order, wanted, offsets{0};
    while (!left.empty()) {
      const std::int64_t first = left.front();
      left.erase(left.begin());
      wanted.push_back(first);
      Bytes whole(a.pixels.begin() + first * h * w, a.pixels.begin() + (first + 1) * h * w);
      for (bool joins = true; joins;) {
        std::vector<std::int64_t> joining;
        for (const std::int64_t j : left) {
          std::int64_t both = 0, area = 0, area_whole = 0;
          for (std::int64_t k = 0; k < h * w; ++k) {
            const bool in_whole = whole[static_cast<std::size_t>(k)] != 0;
            both += in_whole && a.at(j, k), area += a.at(j, k), area_whole += in_whole;
          }
          if (same_label(first, j) && overlap(both, area, area_whole, metric, false) >= threshold) joining.push_back(j);
        }
        for (const std::int64_t j : joining) {
          for (std::int64_t k = 0; k < h * w; ++k) whole[static_cast<std::size_t>(k)] |= a.at(j, k);
          std::erase(left, j);
          wanted.push_back(j);
        }
        joins = !joining.empty();
      }
      offsets.push_back(static_cast<std::int64_t>(wanted.size()));
    }
    at_every_level("merging", [&] {
      Array<std::int64_t> indices(n);
      std::unique_ptr<Array<std::int64_t>> own_offsets;
      cpu::mask_nmm({}, a.masks.view(), scores.data(), labels, threshold, metric, [&](std::int64_t groups) {
        own_offsets = std::make_unique<Array<std::int64_t>>(groups + 1);
        return MaskGroups{indices.data(), own_offsets->data()};
      });
      expect(indices == Array<std::int64_t>(wanted) && *own_offsets == Array<std::int64_t>(offsets), "merged groups");
      return true;
    });
  }
}

}  // namespace rapidmask::fuzz
