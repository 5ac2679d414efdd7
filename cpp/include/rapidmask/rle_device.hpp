// Run lengths on a device: the functions of rle.hpp that have kernels.
//
// They take other arguments than those of the host. The number of runs must reach the host before there is memory for
// them, for which `rle_encode` and `rle_strings` wait once. Runs are not checked, for which all others would have to
// wait: whatever they hold, nothing outside of their `count` counts and of the masks is read or written.
#pragma once

#include <cstdint>
#include <functional>

#include "rapidmask/rle.hpp"

namespace rapidmask {

namespace cuda {
// Gives memory for so many counts, or characters.
using MakeCounts = std::function<std::uint32_t*(std::int64_t count)>;
using MakeText = std::function<std::uint8_t*(std::int64_t count)>;

void rle_encode(const Context&, const Masks& masks, std::int64_t* offsets, const MakeCounts& make_counts);
void rle_decode(const Context&, const ConstRunLengths& runs, std::int64_t count, const Crop& crop, std::uint8_t* masks);
void rle_decode(const Context&, const ConstRunLengths& runs, std::int64_t count, const Crop& crop,
                const PackedMasks& masks);
void rle_areas(const Context&, const ConstRunLengths& runs, std::int64_t count, std::int64_t* areas);
void rle_boxes(const Context&, const ConstRunLengths& runs, std::int64_t count, std::int64_t* boxes);
// COCO's strings of all masks, one after the other: that of mask i is ends[i] to ends[i + 1].
void rle_strings(const Context&, const ConstRunLengths& runs, std::int64_t count, std::int64_t* ends,
                 const MakeText& make_text);
}  // namespace cuda

}  // namespace rapidmask
