// Masks as COCO's API has them: run lengths, each of its own size.
//
// The overlap of a detection with a ground truth is I / (A + B - I), or I / A for a crowd, with A the pixels of the
// detection; 0 / 0 is 0. It is 0 where the boxes are apart, and -1 where they meet but the masks are of different
// sizes.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "rapidmask/rle.hpp"

namespace rapidmask {

// A mask as its dictionary has it.
struct CocoText {
  std::string_view counts;
  std::int64_t h, w;
};

struct CocoMask {
  const std::uint32_t* counts;
  std::int64_t count, h, w;
  std::int64_t area;  // once the mask is checked
};

// The runs of masks, read from their strings. Throws std::invalid_argument where these are none.
class CocoMasks {
 public:
  CocoMasks(const char* function, std::span<const CocoText> texts);

  const std::vector<CocoMask>& masks() const { return masks_; }

  // Makes sure that the runs of each mask make up its size, or that of the first, and makes them canonical.
  void check(bool size_of_first = false);

 private:
  std::vector<std::uint32_t> counts_;
  std::vector<CocoMask> masks_;
};

// x, y, width and height of a checked mask, all 0 without pixels.
void coco_box(const CocoMask& mask, double* box);

// Detections, ground truths, which of these are crowds, and a place for the overlaps: those of all detections with the
// first ground truth first.
struct CocoPairs {
  std::span<const CocoText> detections, truths;
  std::span<const std::uint8_t> iscrowd;
  double* overlaps;
};

namespace cpu {
// Of checked masks.
void coco_iou(const std::vector<CocoMask>& detections, const std::vector<CocoMask>& truths,
              std::span<const std::uint8_t> iscrowd, double* overlaps);

// The same, and areas and boxes, of many strings at once, which are checked; on all threads.
void coco_ious(const char* function, std::span<const CocoPairs> pairs);
void coco_measure(const char* function, std::span<const CocoText> texts, std::uint32_t* areas, double* boxes);
}  // namespace cpu

}  // namespace rapidmask
