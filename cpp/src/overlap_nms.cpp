// Suppression and merging of masks on the CPU. Overlaps are computed when they are asked for, and not where areas and
// bounding boxes tell enough.

#include <algorithm>
#include <limits>
#include <numeric>
#include <vector>

#include "overlap_crops.hpp"
#include "parallel.hpp"
#include "rapidmask/overlap.hpp"

namespace rapidmask::cpu {
namespace {

constexpr std::int64_t kGrainOverlaps = 128;  // at some 0.5 µs

std::vector<std::int64_t> by_score(std::int64_t n, const double* scores) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::int64_t i, std::int64_t j) { return scores_before(scores[i], i, scores[j], j); });
  return order;
}

// Masks that compete: crops, labels and the overlaps of pairs.
struct Rivals {
  Crops crops;
  const std::int64_t* labels;
  OverlapMetric metric;

  bool compete(std::int64_t i, std::int64_t j) const { return labels == nullptr || labels[i] == labels[j]; }
  double overlap_with(std::int64_t i, std::int64_t j) const { return overlap(metric, crops[i], crops[j]); }
  // At least overlap_with(i, j).
  double bound(std::int64_t i, std::int64_t j) const {
    return overlap_of(metric, most_shared(crops[i], crops[j]), crops[i].area, crops[j].area);
  }
};

void give(const std::vector<std::int64_t>& kept, const MakeKept& make_kept) {
  std::copy(kept.begin(), kept.end(), make_kept(static_cast<std::int64_t>(kept.size())).indices);
}

// The masks that none before them suppresses, in their order: suppresses(i, j) is asked where i is kept.
template <class Suppresses>
std::vector<std::int64_t> unsuppressed(const std::vector<std::int64_t>& order, std::int64_t grain,
                                       const Suppresses& suppresses) {
  const auto n = static_cast<std::int64_t>(order.size());
  std::vector<std::uint8_t> gone(order.size());
  std::vector<std::int64_t> kept;
  for (std::int64_t r = 0; r < n; ++r) {
    if (gone[static_cast<std::size_t>(r)] != 0) continue;
    const std::int64_t i = order[static_cast<std::size_t>(r)];
    kept.push_back(i);
    parallel_for(n - r - 1, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t s = r + 1 + begin; s < r + 1 + end; ++s) {
        auto& is_gone = gone[static_cast<std::size_t>(s)];
        if (is_gone == 0 && suppresses(i, order[static_cast<std::size_t>(s)])) is_gone = 1;
      }
    });
  }
  return kept;
}

}  // namespace

void mask_nms(const Context&, const Masks& masks, const double* scores, const std::int64_t* labels, double threshold,
              OverlapMetric metric, const MakeKept& make_kept) {
  const Rivals rivals{Crops(masks), labels, metric};
  give(unsuppressed(by_score(masks.n, scores), kGrainOverlaps,
                    [&](std::int64_t i, std::int64_t j) {
                      return rivals.compete(i, j) && rivals.bound(i, j) > threshold &&
                             rivals.overlap_with(i, j) > threshold;
                    }),
       make_kept);
}

void nms_from_iou(const Context&, const Image& iou, const double* scores, const std::int64_t* labels, double threshold,
                  const MakeKept& make_kept) {
  visit_dtype(iou.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    const T* overlaps = static_cast<const T*>(iou.data);
    give(unsuppressed(by_score(iou.h, scores), 1 << 15,
                      [&](std::int64_t i, std::int64_t j) {
                        return (labels == nullptr || labels[i] == labels[j]) &&
                               as_double(overlaps[i * iou.w + j]) > threshold;
                      }),
         make_kept);
  });
}

void soft_nms(const Context&, const Masks& masks, const double* scores, const std::int64_t* labels,
              const SoftSuppression& soft, const MakeKept& make_kept) {
  const Rivals rivals{Crops(masks), labels, soft.metric};
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
    parallel_for(static_cast<std::int64_t>(left.size()), kGrainOverlaps, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t s = begin; s < end; ++s) {
        const std::int64_t j = left[static_cast<std::size_t>(s)];
        if (rivals.compete(i, j) && rivals.bound(i, j) > 0) {
          current[j] *= soft_decay(soft, rivals.overlap_with(i, j));
        }
      }
    });
  }
  KeptMasks result = make_kept(static_cast<std::int64_t>(kept.size()));
  for (const std::int64_t i : kept) {
    *result.indices++ = i;
    *result.scores++ = current[i];
  }
}

void matrix_nms(const Context&, const Masks& masks, const double* scores, const std::int64_t* labels, Decay kernel,
                double sigma, double* decayed) {
  const Rivals rivals{Crops(masks), labels, OverlapMetric::iou};
  const std::vector<std::int64_t> order = by_score(masks.n, scores);
  std::vector<double> iou(order.size()), highest(order.size());  // of the masks in order: with the mask at hand, before
  for (std::int64_t r = 0; r < masks.n; ++r) {
    const std::int64_t j = order[static_cast<std::size_t>(r)];
    parallel_for(r, kGrainOverlaps, [&](std::int64_t begin, std::int64_t end) {
      for (auto s = static_cast<std::size_t>(begin); s < static_cast<std::size_t>(end); ++s) {
        const bool any = rivals.compete(order[s], j) && rivals.bound(order[s], j) > 0;
        iou[s] = any ? rivals.overlap_with(order[s], j) : 0.0;
      }
    });
    MatrixDecay decay(kernel, sigma);
    double& highest_before = highest[static_cast<std::size_t>(r)];
    for (std::size_t s = 0; s < static_cast<std::size_t>(r); ++s) {
      if (iou[s] == 0) continue;
      highest_before = std::max(highest_before, iou[s]);
      decay.add(iou[s], highest[s]);
    }
    decayed[j] = scores[j] * decay.factor();
  }
}

}  // namespace rapidmask::cpu
