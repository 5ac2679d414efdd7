// Areas and bounding boxes of masks.
//
// A box is (x0, y0, x1, y1), half-open, in pixels; that of an empty mask is all zeros.
#pragma once

#include "rapidmask/context.hpp"
#include "rapidmask/types.hpp"

namespace rapidmask {

namespace cpu {
void mask_areas(const Context&, const View<const std::uint8_t>& masks, std::int64_t* areas);
void mask_areas(const Context&, const ConstPackedMasks& masks, std::int64_t* areas);
void masks_to_boxes(const Context&, const View<const std::uint8_t>& masks, std::int64_t* boxes);
void masks_to_boxes(const Context&, const ConstPackedMasks& masks, std::int64_t* boxes);
}  // namespace cpu

namespace cuda {
void mask_areas(const Context&, const View<const std::uint8_t>& masks, std::int64_t* areas);
void mask_areas(const Context&, const ConstPackedMasks& masks, std::int64_t* areas);
void masks_to_boxes(const Context&, const View<const std::uint8_t>& masks, std::int64_t* boxes);
void masks_to_boxes(const Context&, const ConstPackedMasks& masks, std::int64_t* boxes);
}  // namespace cuda

}  // namespace rapidmask
