// Connected components of masks.
//
// Two foreground pixels of a mask belong together when a path of foreground pixels joins them, each step to one of the
// 4 or 8 neighbours in the image, or of the 6, 18 or 26 in the volume. Components are numbered from 1 in the raster
// order of their first pixels, 0 is background: the labels that scipy.ndimage.label gives.
//
// Masks come dense or packed; images have a depth of 1 and a connectivity of 4 or 8, volumes one of 6, 18 or 26.
// Filters give masks of the form that came. Areas are pixels.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <stdexcept>
#include <string>

#include "rapidmask/context.hpp"
#include "rapidmask/threshold.hpp"
#include "rapidmask/types.hpp"

namespace rapidmask {

// Pixels are counted in 32 bits within a mask, as labels are.
inline void check_mask_size(const char* function, std::int64_t pixels) {
  constexpr std::int64_t kMax = std::numeric_limits<std::int32_t>::max();
  if (pixels > kMax) {
    throw std::invalid_argument(std::string(function) + ": a mask must have at most 2147483647 pixels, got " +
                                std::to_string(pixels));
  }
}

// Whether a connectivity is of volumes. Their border is their six faces: a volume of depth 1 is all border.
RM_HOST_DEVICE bool is_volume(int connectivity) { return connectivity != 4 && connectivity != 8; }

// The neighbours of a pixel in the rows around its own: how far to the side they reach, or kNone.
struct Neighbourhood {
  static constexpr int kNone = -1;

  int same_slice;   // row y - 1 of slice z (and y + 1)
  int above_slice;  // row y of slice z - 1 (and z + 1)
  int diagonal;     // rows y - 1 and y + 1 of slice z - 1 (and z + 1)
};
RM_HOST_DEVICE Neighbourhood neighbourhood(int connectivity) {
  constexpr int kNone = Neighbourhood::kNone;
  switch (connectivity) {
    case 4: return {0, kNone, kNone};
    case 8: return {1, kNone, kNone};
    case 6: return {0, 0, kNone};
    case 18: return {1, 1, 0};
    default: return {1, 1, 1};
  }
}

// The connectivity of what is around components of this one, so that no path of the one crosses one of the other.
RM_HOST_DEVICE int dual_connectivity(int connectivity) {
  switch (connectivity) {
    case 4: return 8;
    case 8: return 4;
    case 6: return 26;
    case 18: return 6;
    default: return 6;
  }
}

// Where the measures of the components of a batch are written, one component after the other: areas (count),
// boxes (count, 4) of x0, y0, x1, y1 or (count, 6) of x0, y0, z0, x1, y1, z1, half-open, and centroids (count, 2) of
// y, x or (count, 3) of z, y, x in pixel centres.
struct ComponentTable {
  std::int64_t* areas;
  std::int64_t* boxes;
  double* centroids;
};
// Makes a table for so many components, whose number is known only in the middle of the work. Called once, also for
// none, on the thread that called the algorithm.
using MakeComponentTable = std::function<ComponentTable(std::int64_t count)>;

// A centroid's coordinate from the sum of the coordinates of `area` pixels. Sums are exact; there is one rounding.
RM_HOST_DEVICE double centroid(std::int64_t sum, std::int64_t area) {
  return static_cast<double>(sum) / static_cast<double>(area);
}

// The cleaning of scores. A hole is a component of scores <= threshold of at most max_hole_area pixels and becomes
// hole_value; a sprinkle is one of scores > threshold of at most max_sprinkle_area pixels and becomes sprinkle_value.
// NaN belongs to neither. An area of 0 or less leaves that kind alone.
struct ScoreCleaning {
  double threshold;
  std::int64_t max_hole_area, max_sprinkle_area;
  double hole_value, sprinkle_value;  // rounded to the scores' type by nearest<T>
  // Sprinkles are looked for among the scores with holes filled (SAM 3), not among the original ones (SAM 2).
  bool sprinkles_after_holes;
  // No sprinkle is larger than half of the foreground, rounded down, that it is looked for in (SAM 3).
  bool keep_half;
};

namespace cpu {
// Writes the labels and the number of components of each mask.
void label(const Context&, const Masks& masks, int connectivity, std::int32_t* labels, std::int64_t* counts);
// The same for neighbours of equal value, 0 being background: `values` holds volumes of `depth` images.
void label_values(const Context&, const Image& values, std::int64_t depth, int connectivity, std::int32_t* labels,
                  std::int64_t* counts);
// Writes labels (unless null), where the components of each mask begin among all (n + 1 offsets), and their measures.
void connected_components(const Context&, const Masks& masks, int connectivity, std::int32_t* labels,
                          std::int64_t* offsets, const MakeComponentTable& make_table);
// Writes to each pixel the area of its component, 0 to background.
void component_areas(const Context&, const Masks& masks, int connectivity, std::int32_t* areas);
// Keeps the components of at least `min_area` pixels.
void remove_small_objects(const Context&, const Masks& masks, std::int64_t min_area, int connectivity,
                          const MutableMasks& result);
// Fills the components of background of less than `min_area` pixels; `connectivity` is that of the background. Those
// that touch the border are filled only where `border_is_hole`.
void remove_small_holes(const Context&, const Masks& masks, std::int64_t min_area, int connectivity,
                        bool border_is_hole, const MutableMasks& result);
// Fills the components of background of less than `min_area` pixels, and then keeps the components of at least as many.
void remove_small_regions(const Context&, const Masks& masks, std::int64_t min_area, int connectivity,
                          const MutableMasks& result);
// One mask, as segment-anything cleans it: fills small `holes`, or removes small components, but for the largest where
// all are small. Returns whether there were any; without, nothing is written. Of the CPU alone.
bool remove_small_of(const Masks& mask, std::int64_t min_area, bool holes, int connectivity,
                     const MutableMasks& result);
// Fills the background that no path of background pixels joins to the border. `connectivity` is that of the foreground,
// whose dual the background has.
void fill_holes(const Context&, const Masks& masks, int connectivity, const MutableMasks& result);
// Keeps the k largest components of each mask; of equal ones the first in raster order.
void keep_largest(const Context&, const Masks& masks, std::int64_t k, int connectivity, const MutableMasks& result);
// Removes the components that touch the border of the image or volume.
void clear_border(const Context&, const Masks& masks, int connectivity, const MutableMasks& result);
// Keeps the components of `weak` that hold a pixel of `strong`, which has the same form.
void hysteresis(const Context&, const Masks& weak, const Masks& strong, int connectivity, const MutableMasks& result);
// `result` is of the type of the scores, and may be their own memory.
void clean_scores(const Context&, const Image& scores, const ScoreCleaning& cleaning, int connectivity, void* result);
}  // namespace cpu

namespace cuda {
void label(const Context&, const Masks& masks, int connectivity, std::int32_t* labels, std::int64_t* counts);
void label_values(const Context&, const Image& values, std::int64_t depth, int connectivity, std::int32_t* labels,
                  std::int64_t* counts);
// Waits for the stream once: the number of components is data.
void connected_components(const Context&, const Masks& masks, int connectivity, std::int32_t* labels,
                          std::int64_t* offsets, const MakeComponentTable& make_table);
void component_areas(const Context&, const Masks& masks, int connectivity, std::int32_t* areas);
void remove_small_objects(const Context&, const Masks& masks, std::int64_t min_area, int connectivity,
                          const MutableMasks& result);
void remove_small_holes(const Context&, const Masks& masks, std::int64_t min_area, int connectivity,
                        bool border_is_hole, const MutableMasks& result);
void remove_small_regions(const Context&, const Masks& masks, std::int64_t min_area, int connectivity,
                          const MutableMasks& result);
void fill_holes(const Context&, const Masks& masks, int connectivity, const MutableMasks& result);
void keep_largest(const Context&, const Masks& masks, std::int64_t k, int connectivity, const MutableMasks& result);
void clear_border(const Context&, const Masks& masks, int connectivity, const MutableMasks& result);
void hysteresis(const Context&, const Masks& weak, const Masks& strong, int connectivity, const MutableMasks& result);
void clean_scores(const Context&, const Image& scores, const ScoreCleaning& cleaning, int connectivity, void* result);
}  // namespace cuda

}  // namespace rapidmask
