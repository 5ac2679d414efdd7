// The watershed transform: an image is flooded from markers, which share its pixels out among themselves.
//
// A pixel of the mask whose marker is not 0 begins with that as its label. A queue holds pixels by their level and
// their age. It begins with the marker pixels in raster order, at the level of their own value, all of age 0. Then,
// until the queue is empty, the first pixel leaves it and gives its label to each neighbour that lies in the mask and
// has none. These enter the queue, each at the greater of its own value and the level of the pixel that it was reached
// from, and one step of age after the one before. Neighbours come nearest first, and in raster order among those
// equally near.
//
// The lowest level leaves first and, within a level, the lowest age. Marker pixels of one level have the same age; what
// decides between them is how the queue is kept, which therefore belongs to the definition: a binary heap in an array,
// where item i has the children 2i + 1 and 2i + 2. A new item rises from the end while it is less than its parent. When
// the first item has left, the last one takes its place and sinks below its lesser child, the left one of two equals,
// while that is less than itself. These are the labels of skimage.segmentation.watershed, version 0.26.
//
// Values are compared as float64 holds them, which rounds 64-bit integers beyond 2^53. NaN is above all numbers and
// equal to itself; scikit-image's order of NaN depends on what else is in the heap.
//
// P. Soille, M. Ansoult, Automated basin delineation from digital elevation models using mathematical morphology,
// Signal Processing 20(2), 1990; F. Meyer, Un algorithme optimal de ligne de partage des eaux, RFIA 1991.
#pragma once

#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>

#include "rapidmask/context.hpp"
#include "rapidmask/types.hpp"

namespace rapidmask {

// Images or, with a connectivity of 6, 18 or 26, volumes of `depth` consecutive slices. Markers are integers of any
// type; they and the mask, whose data may be null for everything, have the shape of the image.
struct WatershedInput {
  Image image, markers;
  Masks mask;
  std::int64_t depth;
  int connectivity;
};

inline void check_watershed_size(std::int64_t depth, std::int64_t h, std::int64_t w) {
  constexpr std::int64_t kMax = std::numeric_limits<std::int32_t>::max();
  const std::int64_t pixels = (depth == 1 ? 1 : depth + 2) * (h + 2) * (w + 2);
  if (depth * h * w != 0 && pixels > kMax) {
    throw std::invalid_argument("watershed: an image must have at most 2147483647 pixels with a border of one, got " +
                                std::to_string(pixels));
  }
}

namespace cpu {
// Throws std::invalid_argument for markers that int32 does not hold.
void watershed(const Context&, const WatershedInput& input, std::int32_t* labels);
}  // namespace cpu

}  // namespace rapidmask
