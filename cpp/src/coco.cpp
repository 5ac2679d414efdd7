// COCO's overlaps of run lengths, for the many calls with few masks that an evaluation makes: nothing is decoded.

#include "rapidmask/coco.hpp"

#include <algorithm>

#include "rapidmask/overlap.hpp"

namespace rapidmask::cpu {
namespace {

// By one walk over both: what ends first goes on.
std::int64_t intersection(const CocoMask& a, const CocoMask& b) {
  std::int64_t common = 0, position = 0, end_a = 0, end_b = 0;
  std::int64_t i = 0, j = 0;
  const std::int64_t pixels = a.h * a.w;
  while (position < pixels) {
    while (end_a <= position) end_a += a.counts[i++];
    while (end_b <= position) end_b += b.counts[j++];
    const std::int64_t stop = std::min(end_a, end_b);
    // Run k, counted from 1, is of foreground where k is even.
    common += (i & j & 1) == 0 && ((i | j) & 1) == 0 ? stop - position : 0;
    position = stop;
  }
  return common;
}

struct Measured {
  std::int64_t x0, y0, x1, y1, area;

  bool meets(const Measured& other) const { return x0 < other.x1 && other.x0 < x1 && y0 < other.y1 && other.y0 < y1; }
};

std::vector<Measured> measure(const std::vector<CocoMask>& masks) {
  std::vector<Measured> measured;
  measured.reserve(masks.size());
  for (const CocoMask& mask : masks) {
    const std::int64_t offsets[2]{0, mask.count};
    const ConstRunLengths runs{mask.counts, offsets, 1, mask.h, mask.w};
    std::int64_t box[4], area;
    rle_boxes({}, runs, box);
    rle_areas({}, runs, &area);
    measured.push_back({box[0], box[1], box[2], box[3], area});
  }
  return measured;
}

}  // namespace

void coco_iou(const std::vector<CocoMask>& detections, const std::vector<CocoMask>& truths,
              const std::vector<std::uint8_t>& iscrowd, double* overlaps) {
  const std::vector<Measured> measured = measure(detections), expected = measure(truths);
  for (std::size_t j = 0; j < truths.size(); ++j) {
    const CocoMask& truth = truths[j];
    for (std::size_t i = 0; i < detections.size(); ++i) {
      const CocoMask& detection = detections[i];
      double& overlap = *overlaps++;
      overlap = 0;
      if (!measured[i].meets(expected[j])) continue;
      overlap = detection.h != truth.h || detection.w != truth.w
                    ? -1
                    : overlap_of(OverlapMetric::iou, intersection(detection, truth), measured[i].area, expected[j].area,
                                 iscrowd[j] != 0);
    }
  }
}

}  // namespace rapidmask::cpu
