// Connected components of masks.
//
// Two foreground pixels of a mask belong together when a path of foreground pixels joins them, each step to one of the
// 4 or 8 neighbours. Components are numbered from 1 in the raster order of their first pixels, 0 is background: the
// labels that scipy.ndimage.label gives.
#pragma once

#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "rapidmask/context.hpp"
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

// Measures of the components of all masks of a batch, one after the other; those of mask i are offsets[i] to
// offsets[i + 1]. Boxes are (x0, y0, x1, y1), half-open; centroids (y, x) in pixel centres.
struct ComponentTable {
  std::vector<std::int64_t> offsets;
  std::vector<std::int64_t> areas;
  std::vector<std::int64_t> boxes;
  std::vector<double> centroids;
};

namespace cpu {
// Writes labels where `labels` is not null and the number of components of each mask to `counts`.
void label(const Context&, const View<const std::uint8_t>& masks, int connectivity, std::int32_t* labels,
           std::int64_t* counts);
ComponentTable connected_components(const Context&, const View<const std::uint8_t>& masks, int connectivity,
                                    std::int32_t* labels);
// Keeps the components of at least `min_area` pixels.
void remove_small_objects(const Context&, const View<const std::uint8_t>& masks, std::int64_t min_area,
                          int connectivity, std::uint8_t* result);
// Fills the background that no path of background pixels joins to the border. `connectivity` is that of the foreground:
// background pixels connect by 4 when it is 8, by 8 when it is 4.
void fill_holes(const Context&, const View<const std::uint8_t>& masks, int connectivity, std::uint8_t* result);
}  // namespace cpu

namespace cuda {
void label(const Context&, const View<const std::uint8_t>& masks, int connectivity, std::int32_t* labels,
           std::int64_t* counts);
void remove_small_objects(const Context&, const View<const std::uint8_t>& masks, std::int64_t min_area,
                          int connectivity, std::uint8_t* result);
void fill_holes(const Context&, const View<const std::uint8_t>& masks, int connectivity, std::uint8_t* result);
}  // namespace cuda

}  // namespace rapidmask
