// Suppression of masks on the CPU. Where some of the overlaps decide, these alone are computed, and not where areas and
// bounding boxes tell enough; where all do, they are counted together.

#include <algorithm>
#include <numeric>
#include <vector>

#include "overlap_crops.hpp"
#include "parallel.hpp"
#include "rapidmask/overlap.hpp"

namespace rapidmask::cpu {
namespace {

std::vector<std::int64_t> by_score(std::int64_t n, const double* scores) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::int64_t i, std::int64_t j) { return scores_before(scores[i], i, scores[j], j); });
  return order;
}

bool compete(const std::int64_t* labels, std::int64_t i, std::int64_t j) {
  return labels == nullptr || labels[i] == labels[j];
}

void give(const std::vector<std::int64_t>& kept, const MakeKept& make_kept) {
  std::copy(kept.begin(), kept.end(), make_kept(static_cast<std::int64_t>(kept.size())).indices);
}

// The pixels that all pairs of masks share.
class SharedPixels {
 public:
  SharedPixels(const Context& context, const Masks& masks)
      : n_(masks.n), sums_(static_cast<std::size_t>(n_ * n_)), areas_(static_cast<std::size_t>(n_)) {
    mask_intersections(context, masks, nullptr, sums_.data(), areas_.data(), nullptr);
  }
  double overlap(OverlapMetric metric, std::int64_t i, std::int64_t j) const {
    const std::int64_t sum = sums_[static_cast<std::size_t>(i * n_ + j)];
    if (sum == 0) return 0;
    return overlap_of(metric, sum, areas_[static_cast<std::size_t>(i)], areas_[static_cast<std::size_t>(j)]);
  }

 private:
  std::int64_t n_;
  std::vector<std::int64_t> sums_, areas_;
};

}  // namespace

void mask_nms(const Context&, const Masks& masks, const double* scores, const std::int64_t* labels, double threshold,
              OverlapMetric metric, const MakeKept& make_kept) {
  const Crops crops(masks);
  const std::vector<std::int64_t> order = by_score(masks.n, scores);
  std::vector<std::uint8_t> gone(order.size());
  std::vector<std::int64_t> kept, near;
  for (const std::int64_t i : order) {
    if (gone[static_cast<std::size_t>(i)] != 0) continue;
    kept.push_back(i);
    gone[static_cast<std::size_t>(i)] = 1;
    near.clear();
    for (std::int64_t j = 0; j < masks.n; ++j) {
      if (gone[static_cast<std::size_t>(j)] != 0 || !compete(labels, i, j)) continue;
      const double bound = overlap_of(metric, most_shared(crops[i], crops[j]), crops[i].area, crops[j].area);
      if (bound > threshold) near.push_back(j);
    }
    parallel_for(static_cast<std::int64_t>(near.size()), overlap_grain(crops[i]),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t k = begin; k < end; ++k) {
                     const std::int64_t j = near[static_cast<std::size_t>(k)];
                     gone[static_cast<std::size_t>(j)] = overlap(metric, crops[i], crops[j]) > threshold;
                   }
                 });
  }
  give(kept, make_kept);
}

void nms_from_iou(const Context&, const Image& iou, const double* scores, const std::int64_t* labels, double threshold,
                  const MakeKept& make_kept) {
  const std::vector<std::int64_t> order = by_score(iou.h, scores);
  std::vector<std::uint8_t> gone(order.size());
  std::vector<std::int64_t> kept;
  visit_dtype(iou.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    for (const std::int64_t i : order) {
      if (gone[static_cast<std::size_t>(i)] != 0) continue;
      kept.push_back(i);
      gone[static_cast<std::size_t>(i)] = 1;
      const T* row = static_cast<const T*>(iou.data) + i * iou.w;
      for (std::int64_t j = 0; j < iou.w; ++j) {
        gone[static_cast<std::size_t>(j)] |= compete(labels, i, j) && as_double(row[j]) > threshold;
      }
    }
  });
  give(kept, make_kept);
}

void soft_nms(const Context& context, const Masks& masks, const double* scores, const std::int64_t* labels,
              const SoftSuppression& soft, const MakeKept& make_kept) {
  const SharedPixels shared(context, masks);
  std::vector<double> decayed(scores, scores + masks.n);
  double* current = decayed.data();
  std::vector<std::int64_t> left(static_cast<std::size_t>(masks.n)), kept;
  std::iota(left.begin(), left.end(), std::int64_t{0});
  for (;;) {
    std::erase_if(left, [&](std::int64_t i) { return !(current[i] > soft.score_threshold); });
    if (left.empty()) break;
    const auto best = std::min_element(left.begin(), left.end(), [&](std::int64_t i, std::int64_t j) {
      return scores_before(current[i], i, current[j], j);
    });
    const std::int64_t i = *best;
    kept.push_back(i);
    left.erase(best);
    for (const std::int64_t j : left) {
      const double found = compete(labels, i, j) ? shared.overlap(soft.metric, i, j) : 0;
      if (found != 0) current[j] *= soft_decay(soft, found);
    }
  }
  KeptMasks result = make_kept(static_cast<std::int64_t>(kept.size()));
  for (const std::int64_t i : kept) {
    *result.indices++ = i;
    *result.scores++ = current[i];
  }
}

void matrix_nms(const Context& context, const Masks& masks, const double* scores, const std::int64_t* labels,
                Decay kernel, double sigma, double* decayed) {
  const SharedPixels shared(context, masks);
  const std::vector<std::int64_t> order = by_score(masks.n, scores);
  std::vector<double> highest(order.size());  // IoU of each of them with those before
  for (std::size_t r = 0; r < order.size(); ++r) {
    const std::int64_t j = order[r];
    MatrixDecay decay(kernel, sigma);
    for (std::size_t s = 0; s < r; ++s) {
      const double found = compete(labels, order[s], j) ? shared.overlap(OverlapMetric::iou, order[s], j) : 0;
      if (found == 0) continue;
      highest[r] = std::max(highest[r], found);
      decay.add(found, highest[s]);
    }
    decayed[j] = scores[j] * decay.factor();
  }
}

}  // namespace rapidmask::cpu
