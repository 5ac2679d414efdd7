// Overlaps of pairs of masks, and the suppression and merging of masks by them.
//
// With I the number of pixels in both of two masks and A, B those of each, the overlap of a with b is
//   iou   I / (A + B - I)   intersection over union
//   ios   I / min(A, B)     over the smaller
//   iof   I / A             over the first, the foreground
// and, where b is a crowd (COCO's iscrowd), I / A whatever the metric. 0 / 0 is 0. Counts are exact; an overlap is one
// division of doubles.
//
// Masks compete in the order of their scores, highest first, of equal ones the lower index first, NaN last. Only those
// of the same label do; without labels all are of one.
//
//   Non-maximum suppression: in that order, a mask that is not suppressed is kept and suppresses those after it whose
//   overlap (of the kept one with them) is above the threshold.
//   Soft suppression (N. Bodla, B. Singh, R. Chellappa, L. Davis, Soft-NMS, ICCV 2017): the mask of the highest current
//   score is kept and the scores of the others decay by their overlap with it, until none is above the threshold.
//   Matrix suppression (X. Wang et al., SOLOv2, NeurIPS 2020): the score of each mask decays by its overlap with those
//   before it, all at once.
//   Non-maximum merging: in that order, a mask takes in those whose overlap (of them with it) is at or above the
//   threshold, then those whose overlap with the union is, until none joins; then the next that is left begins a group.
#pragma once

#include <cstdint>
#include <functional>
#include <type_traits>

#include "rapidmask/context.hpp"
#include "rapidmask/portable_exp.hpp"
#include "rapidmask/rle.hpp"
#include "rapidmask/types.hpp"

namespace rapidmask {

enum class OverlapMetric : std::uint8_t { iou, ios, iof };
enum class Decay : std::uint8_t { gaussian, linear };

template <class T>
RM_HOST_DEVICE double as_double(T x) {
  if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) {
    return static_cast<double>(to_float(x));
  } else {
    return static_cast<double>(x);
  }
}

// Rises with the intersection, so that a bound of that is one of the overlap.
RM_HOST_DEVICE double overlap_of(OverlapMetric metric, std::int64_t intersection, std::int64_t area_a,
                                 std::int64_t area_b, bool crowd = false) {
  std::int64_t whole = area_a;
  if (!crowd && metric == OverlapMetric::iou) whole = area_a + area_b - intersection;
  if (!crowd && metric == OverlapMetric::ios) whole = area_a < area_b ? area_a : area_b;
  return whole == 0 ? 0.0 : static_cast<double>(intersection) / static_cast<double>(whole);
}

// Whether mask i comes before mask j.
RM_HOST_DEVICE bool scores_before(double score_i, std::int64_t i, double score_j, std::int64_t j) {
  const bool nan_i = score_i != score_i, nan_j = score_j != score_j;
  if (nan_i != nan_j) return nan_j;
  if (!nan_i && score_i != score_j) return score_i > score_j;
  return i < j;
}

// What soft suppression does: `sigma` is of the gaussian decay, exp(-overlap² / sigma), `overlap_threshold` of the
// linear one, which multiplies by 1 - overlap where the overlap is above it.
struct SoftSuppression {
  Decay decay;
  double sigma, overlap_threshold, score_threshold;
  OverlapMetric metric;
};

RM_HOST_DEVICE double soft_decay(const SoftSuppression& soft, double overlap) {
  if (soft.decay == Decay::gaussian) return portable_exp(-(overlap * overlap) / soft.sigma);
  return overlap > soft.overlap_threshold ? 1 - overlap : 1.0;
}

// Matrix suppression multiplies the score of mask j by the least f(iou(i, j)) / f(c(i)) over the masks i before it, or
// by 1, with c(i) the highest IoU of i with those before it and f(u) = exp(-sigma·u²) or 1 - u. The gaussian quotient
// is exp(-sigma·x) with x the greatest iou(i, j)² - c(i)², or 0; a linear one of 0 / 0 is 0.
struct MatrixDecay {
  Decay kernel;
  double sigma;
  double worst;  // the greatest exponent or the least quotient so far

  RM_HOST_DEVICE MatrixDecay(Decay kernel_, double sigma_)
      : kernel(kernel_), sigma(sigma_), worst(kernel_ == Decay::gaussian ? 0.0 : 1.0) {}
  RM_HOST_DEVICE void add(double iou, double highest_before) {
    worst = worse(worst, kernel == Decay::gaussian ? iou * iou - highest_before * highest_before
                         : iou == 1                ? 0.0
                                                   : (1 - iou) / (1 - highest_before));
  }
  RM_HOST_DEVICE double worse(double a, double b) const { return (kernel == Decay::gaussian) == (b > a) ? b : a; }
  RM_HOST_DEVICE double factor() const { return kernel == Decay::gaussian ? portable_exp(-sigma * worst) : worst; }
};

// Makes room for so many indices, in the order in which they are kept; called once, also for none, on the thread that
// called the algorithm. Soft suppression writes the decayed scores beside them.
struct KeptMasks {
  std::int64_t* indices;
  double* scores;
};
using MakeKept = std::function<KeptMasks(std::int64_t count)>;

// Makes room for so many groups of all masks: `indices` has their members, one group after the other, those of group g
// from offsets[g] to offsets[g + 1]. Called as MakeKept is.
struct MaskGroups {
  std::int64_t* indices;
  std::int64_t* offsets;
};
using MakeGroups = std::function<MaskGroups(std::int64_t groups)>;

// In all of these `b` is null for a against itself, `labels` is null for one label, and `iscrowd` (of each mask of b)
// is null for none. Matrices have a row for each mask of a and a column for each of b.
namespace cpu {
// Exact intersections, and the areas of both sides (areas_b may be null).
void mask_intersections(const Context&, const Masks& a, const Masks* b, std::int64_t* intersections,
                        std::int64_t* areas_a, std::int64_t* areas_b);
void mask_iou(const Context&, const Masks& a, const Masks* b, OverlapMetric metric, const std::uint8_t* iscrowd,
              double* overlaps);
void rle_iou(const Context&, const ConstRunLengths& a, const ConstRunLengths* b, OverlapMetric metric,
             const std::uint8_t* iscrowd, double* overlaps);
void mask_nms(const Context&, const Masks& masks, const double* scores, const std::int64_t* labels, double threshold,
              OverlapMetric metric, const MakeKept& make_kept);
// `iou` is one square matrix of any floating type; NaN suppresses nothing.
void nms_from_iou(const Context&, const Image& iou, const double* scores, const std::int64_t* labels, double threshold,
                  const MakeKept& make_kept);
void soft_nms(const Context&, const Masks& masks, const double* scores, const std::int64_t* labels,
              const SoftSuppression& soft, const MakeKept& make_kept);
void matrix_nms(const Context&, const Masks& masks, const double* scores, const std::int64_t* labels, Decay kernel,
                double sigma, double* decayed);
void mask_nmm(const Context&, const Masks& masks, const double* scores, const std::int64_t* labels, double threshold,
              OverlapMetric metric, const MakeGroups& make_groups);
}  // namespace cpu

// Those that make room for what is kept or grouped wait for the stream once; overlap_device.hpp has twins that do not.
namespace cuda {
void mask_iou(const Context&, const Masks& a, const Masks* b, OverlapMetric metric, const std::uint8_t* iscrowd,
              double* overlaps);
void mask_nms(const Context&, const Masks& masks, const double* scores, const std::int64_t* labels, double threshold,
              OverlapMetric metric, const MakeKept& make_kept);
void nms_from_iou(const Context&, const Image& iou, const double* scores, const std::int64_t* labels, double threshold,
                  const MakeKept& make_kept);
void soft_nms(const Context&, const Masks& masks, const double* scores, const std::int64_t* labels,
              const SoftSuppression& soft, const MakeKept& make_kept);
void matrix_nms(const Context&, const Masks& masks, const double* scores, const std::int64_t* labels, Decay kernel,
                double sigma, double* decayed);
void mask_nmm(const Context&, const Masks& masks, const double* scores, const std::int64_t* labels, double threshold,
              OverlapMetric metric, const MakeGroups& make_groups);
}  // namespace cuda

}  // namespace rapidmask
