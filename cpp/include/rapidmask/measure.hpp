// Areas, bounding boxes and centroids of masks, and the stability of logits that are to become masks.
//
// A box is (x0, y0, x1, y1), half-open, in pixels; that of an empty mask is all zeros. A centroid is (y, x), the mean
// of the pixels' coordinates: their sums are exact integers, divided in float64; NaN for an empty mask.
//
// The stability of logits v is #(v > threshold + offset) / #(v > threshold - offset) in float32 (Kirillov et al.,
// "Segment Anything", 2023): the intersection over union of the masks at two thresholds. 0 / 0 is NaN. NaN is above
// nothing.
#pragma once

#include "rapidmask/context.hpp"
#include "rapidmask/types.hpp"

namespace rapidmask {

// Sums over the pixels of a mask.
struct Moments {
  std::int64_t area, y, x;

  RM_HOST_DEVICE void centroid(double* result) const {
    const auto count = static_cast<double>(area);
    result[0] = static_cast<double>(y) / count;
    result[1] = static_cast<double>(x) / count;
  }
};

// The sum of the positions of a word's set bits.
template <class Popcount>
RM_HOST_DEVICE int bit_positions_sum(std::uint64_t word, const Popcount& popcount) {
  return popcount(word & 0xaaaaaaaaaaaaaaaau) + 2 * popcount(word & 0xccccccccccccccccu) +
         4 * popcount(word & 0xf0f0f0f0f0f0f0f0u) + 8 * popcount(word & 0xff00ff00ff00ff00u) +
         16 * popcount(word & 0xffff0000ffff0000u) + 32 * popcount(word & 0xffffffff00000000u);
}

RM_HOST_DEVICE float stability(std::int64_t above_high, std::int64_t above_low) {
  return static_cast<float>(above_high) / static_cast<float>(above_low);
}

namespace cpu {
void mask_areas(const Context&, const View<const std::uint8_t>& masks, std::int64_t* areas);
void mask_areas(const Context&, const ConstPackedMasks& masks, std::int64_t* areas);
void masks_to_boxes(const Context&, const View<const std::uint8_t>& masks, std::int64_t* boxes);
void masks_to_boxes(const Context&, const ConstPackedMasks& masks, std::int64_t* boxes);
void mask_centroids(const Context&, const View<const std::uint8_t>& masks, double* centroids);
void mask_centroids(const Context&, const ConstPackedMasks& masks, double* centroids);
// `logits` are float32, float16 or bfloat16; `high` and `low` are the two thresholds.
void stability_score(const Context&, const Image& logits, float high, float low, float* scores);
}  // namespace cpu

namespace cuda {
void mask_areas(const Context&, const View<const std::uint8_t>& masks, std::int64_t* areas);
void mask_areas(const Context&, const ConstPackedMasks& masks, std::int64_t* areas);
void masks_to_boxes(const Context&, const View<const std::uint8_t>& masks, std::int64_t* boxes);
void masks_to_boxes(const Context&, const ConstPackedMasks& masks, std::int64_t* boxes);
void mask_centroids(const Context&, const View<const std::uint8_t>& masks, double* centroids);
void mask_centroids(const Context&, const ConstPackedMasks& masks, double* centroids);
void stability_score(const Context&, const Image& logits, float high, float low, float* scores);
}  // namespace cuda

}  // namespace rapidmask
