// Overlapping masks as one map: panoptic segments of queries, masks painted by their scores, scores that do not
// overlap.
//
// Panoptic merging (MaskFormer, B. Cheng, A. Schwing, A. Kirillov, NeurIPS 2021). With v[k] query k's plane after
// bilinear interpolation (bilinear.hpp), its probability is p[k] = v[k], or the logistic function of v[k] where the
// planes are logits that are activated after interpolation, and its weight s[k]·p[k]. A pixel is chosen by the query of
// the highest weight, of equal ones the lowest; NaN is never chosen. A query owns the pixels where its weight (or its
// probability) is at least the mask threshold; those that are chosen and owned are its inner pixels. It becomes a
// segment if it has chosen and own pixels (and inner ones, where only these are painted) and chosen / own is above the
// overlap threshold (or equal to it). Queries of a label that is fused share one segment.
//
// Painting: masks come in an order, and each takes the pixels that none before it has. A mask that has too small a
// share of its area left takes none.
//
// Non-overlapping scores (SAM 2's `_apply_non_overlapping_constraints`): in each pixel the object of the highest score
// keeps it, of equal ones the lowest, and those of the others are at most `background`.
#pragma once

#include <cstdint>

#include "rapidmask/bilinear_value.hpp"
#include "rapidmask/context.hpp"
#include "rapidmask/portable_expf.hpp"
#include "rapidmask/types.hpp"

namespace rapidmask {

// Which ids segments get.
enum class Numbering : std::uint8_t {
  consecutive,  // each segment the next
  restarting,   // as transformers 5 does: after a query that joins a segment, the count goes on from that one's
  by_label,     // label + step · instance, with instance 0 for labels that are fused and else counted from 1
};

struct PanopticRule {
  bool activated;       // planes are logits
  bool activated_late;  // after interpolation
  bool weighted;        // own pixels are those of a high weight, else of a high probability
  bool inner;           // only inner pixels are painted
  bool keeps_equal;     // of chosen / own and the overlap threshold
  Numbering numbering;
  float mask_threshold;
  double overlap_threshold;
  std::int64_t first_id, step;
  std::int32_t void_id;
};

// Pixels of one query.
struct QueryPixels {
  std::int64_t own, outer, inner;  // owned; chosen but not owned; chosen and owned
};

// A row of the table of queries; as doubles, so that one array has it all.
inline constexpr int kQueryColumns = 5;  // whether it is part of a segment, its id, painted pixels, label, score

RM_HOST_DEVICE bool is_segment(const PanopticRule& rule, const QueryPixels& pixels) {
  const std::int64_t chosen = pixels.outer + pixels.inner;
  if (chosen == 0 || pixels.own == 0 || (rule.inner && pixels.inner == 0)) return false;
  // Torch divides counts in float32, and Python, where the comparison is the other way round, in float64.
  if (rule.keeps_equal) {
    return static_cast<double>(chosen) / static_cast<double>(pixels.own) >= rule.overlap_threshold;
  }
  return static_cast<double>(static_cast<float>(chosen) / static_cast<float>(pixels.own)) > rule.overlap_threshold;
}

// Writes the table of all queries.
RM_HOST_DEVICE void number_segments(const PanopticRule& rule, std::int64_t q, const QueryPixels* pixels,
                                    const float* scores, const std::int64_t* labels, const std::int64_t* fused,
                                    std::int64_t fused_count, double* table) {
  std::int64_t next = rule.first_id, instance = 1;
  for (std::int64_t k = 0; k < q; ++k) {
    double* row = table + k * kQueryColumns;
    row[0] = row[1] = 0;
    row[2] = static_cast<double>(pixels[k].inner + (rule.inner ? 0 : pixels[k].outer));
    row[3] = static_cast<double>(labels[k]);
    row[4] = static_cast<double>(scores[k]);
    if (!is_segment(rule, pixels[k])) continue;
    bool fuses = false;
    for (std::int64_t i = 0; i < fused_count; ++i) fuses = fuses || fused[i] == labels[k];
    std::int64_t same = -1;  // the query that began the segment
    for (std::int64_t i = 0; fuses && same < 0 && i < k; ++i) {
      if (table[i * kQueryColumns] != 0 && labels[i] == labels[k]) same = i;
    }
    row[0] = 1;
    if (rule.numbering == Numbering::by_label) {
      row[1] = static_cast<double>(labels[k] + (fuses ? 0 : rule.step * instance++));
    } else if (same >= 0) {
      row[1] = table[same * kQueryColumns + 1];
      if (rule.numbering == Numbering::restarting) next = static_cast<std::int64_t>(row[1]) + 1;
    } else {
      row[1] = static_cast<double>(next++);
    }
  }
}

// While they are made, maps hold codes: 2·k for an outer pixel of query k, 2·k + 1 for an inner one, -1 for none.
RM_HOST_DEVICE std::int32_t id_of_code(const PanopticRule& rule, const double* table, std::int32_t code) {
  if (code < 0 || (rule.inner && code % 2 == 0)) return rule.void_id;
  const double* row = table + code / 2 * kQueryColumns;
  return row[0] != 0 ? static_cast<std::int32_t>(row[1]) : rule.void_id;
}

// The query chosen so far.
struct ChosenQuery {
  float weight = 0;
  std::int32_t code = -1;

  RM_HOST_DEVICE void take(float other, std::int32_t code_of_other) {
    if (code < 0 ? other != other : !(other > weight)) return;
    weight = other;
    code = code_of_other;
  }
};

// What an interpolated value is to query k.
struct QueryValue {
  float weight;
  bool owned;
};
RM_HOST_DEVICE QueryValue query_value(const PanopticRule& rule, float score, float value) {
  const float probability = rule.activated_late ? portable_sigmoid(value) : value;
  const float weight = probability * score;
  return {weight, (rule.weighted ? weight : probability) >= rule.mask_threshold};
}

// Which masks are painted.
struct PaintRule {
  bool by_score;          // in the order of scores, highest first, else in that of the masks
  bool over;              // each over those before it, in place of under them; then there is no limit
  bool by_visible;        // the limit is on the share that is left, which must not be below it
  double limit;           // else on the share that is covered, which must not be above it
  double least_score;     // masks of lower ones and of NaN are left out, unless it is -infinity
  bool leaves_out_empty;  // masks without pixels are not painted
};

RM_HOST_DEVICE bool takes_part(const PaintRule& rule, const double* scores, std::int64_t i) {
  return scores == nullptr || rule.least_score == -__builtin_huge_val() || scores[i] >= rule.least_score;
}

RM_HOST_DEVICE bool is_painted(const PaintRule& rule, std::int64_t area, std::int64_t visible) {
  if (area == 0) return !rule.leaves_out_empty;
  const auto whole = static_cast<double>(area);
  if (rule.by_visible) return !(static_cast<double>(visible) / whole < rule.limit);
  return !(static_cast<double>(area - visible) / whole > rule.limit);
}

// Masks become index + 1 in `map`, 0 is where none is. `painted` and `visible` have a value for each mask: whether it
// is painted, and its pixels in the map.
struct Painting {
  std::int32_t* map;
  std::uint8_t* painted;
  std::int64_t* visible;
};

// What a painted pixel becomes.
RM_HOST_DEVICE std::int32_t painted_id(std::int32_t painted, std::int32_t c, const std::int32_t* ids,
                                       const std::int32_t* class_ids, std::int64_t count) {
  if (painted != 0 || c < 0 || c >= count) return ids[painted];
  return class_ids[c];
}

// Planes and scores are float16, bfloat16 or float32; `labels` int64.
namespace cpu {
void panoptic_merge(const Context&, const Image& planes, const float* scores, const std::int64_t* labels,
                    const std::int64_t* fused, std::int64_t fused_count, const PanopticRule& rule,
                    const View<std::int32_t>& map, double* table);
// `scores` may be null where masks are not ordered by them and none is left out.
void paint_masks(const Context&, const Masks& masks, const double* scores, const PaintRule& rule,
                 const Painting& painting);
// Counts the pixels of each of `count` classes where nothing is painted; other classes are not counted.
void count_unpainted(const Context&, const View<const std::int32_t>& map, const std::int32_t* classes,
                     std::int64_t count, std::int64_t* pixels);
// Replaces index + 1 by ids[index + 1] and 0 by the id of the pixel's class, or by ids[0] where it has none. `classes`
// may be null.
void number_painting(const Context&, const View<std::int32_t>& map, const std::int32_t* ids,
                     const std::int32_t* classes, const std::int32_t* class_ids, std::int64_t count);
// `object_scores` is null where the scores compete themselves; `result` may be `scores`' memory.
void non_overlapping(const Context&, const Image& scores, const float* object_scores, float background, void* result);
}  // namespace cpu

namespace cuda {
void panoptic_merge(const Context&, const Image& planes, const float* scores, const std::int64_t* labels,
                    const std::int64_t* fused, std::int64_t fused_count, const PanopticRule& rule,
                    const View<std::int32_t>& map, double* table);
void paint_masks(const Context&, const Masks& masks, const double* scores, const PaintRule& rule,
                 const Painting& painting);
void count_unpainted(const Context&, const View<const std::int32_t>& map, const std::int32_t* classes,
                     std::int64_t count, std::int64_t* pixels);
void number_painting(const Context&, const View<std::int32_t>& map, const std::int32_t* ids,
                     const std::int32_t* classes, const std::int32_t* class_ids, std::int64_t count);
void non_overlapping(const Context&, const Image& scores, const float* object_scores, float background, void* result);
}  // namespace cuda

}  // namespace rapidmask
