// Suppression on a device without waiting for the number of what is kept: the functions of overlap.hpp with memory for
// a number that is given.
#pragma once

#include <cstdint>

#include "rapidmask/overlap.hpp"

namespace rapidmask::cuda {

// Memory for the first `most` of what is kept. Indices past the last are -1, scores 0; `count` becomes the number of
// all that is kept, also where that is more.
struct KeptMost {
  KeptMasks to;
  std::int64_t most;
  std::int64_t* count;
};

void mask_nms(const Context&, const Masks& masks, const double* scores, const std::int64_t* labels, double threshold,
              OverlapMetric metric, const KeptMost& kept);
void nms_from_iou(const Context&, const Image& iou, const double* scores, const std::int64_t* labels, double threshold,
                  const KeptMost& kept);
void soft_nms(const Context&, const Masks& masks, const double* scores, const std::int64_t* labels,
              const SoftSuppression& soft, const KeptMost& kept);

}  // namespace rapidmask::cuda
