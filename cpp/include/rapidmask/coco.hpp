// Masks as COCO's API has them: run lengths, each of its own size.
//
// The overlap of a detection with a ground truth is I / (A + B - I), or I / A for a crowd, with A the pixels of the
// detection; 0 / 0 is 0. It is 0 where the boxes are apart, and -1 where they meet but the masks are of different
// sizes.
#pragma once

#include <cstdint>
#include <vector>

#include "rapidmask/rle.hpp"

namespace rapidmask {

// Canonical counts that add up to h·w.
struct CocoMask {
  const std::uint32_t* counts;
  std::int64_t count, h, w;
};

namespace cpu {
// Column by column: `overlaps` holds those of all detections with the first ground truth first.
void coco_iou(const std::vector<CocoMask>& detections, const std::vector<CocoMask>& truths,
              const std::vector<std::uint8_t>& iscrowd, double* overlaps);
}  // namespace cpu

}  // namespace rapidmask
