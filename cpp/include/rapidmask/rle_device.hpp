// Run lengths on a device: the functions of rle.hpp that have kernels.
//
// They take other arguments than those of the host. The number of runs must reach the host before there is memory for
// them, for which `rle_encode` and `rle_strings` wait once; `rle_encode_within` is given the memory. Runs are not
// checked, for which all others would have to wait: whatever they hold, nothing outside of their `count` counts and of
// the masks is read or written.
#pragma once

#include <cstdint>
#include <functional>

#include "rapidmask/rle.hpp"

namespace rapidmask {

namespace cuda {
// COCO's strings of all masks, one after the other: that of mask i is ends[i] to ends[i + 1].
struct Strings {
  std::int64_t* ends;
  std::uint8_t* text;
};
// Gives memory for so many counts, or characters.
using MakeCounts = std::function<std::uint32_t*(std::int64_t count)>;
using MakeText = std::function<Strings(std::int64_t count)>;

void rle_encode(const Context&, const Masks& masks, std::int64_t* offsets, const MakeCounts& make_counts);
// The same to memory for `capacity` counts, without waiting. Offsets are those of all runs, also where these are more:
// then the last of them are left out. Counts past the last run are 0.
void rle_encode_within(const Context&, const Masks& masks, std::int64_t* offsets, std::uint32_t* counts,
                       std::int64_t capacity);
void rle_decode(const Context&, const ConstRunLengths& runs, std::int64_t count, const Crop& crop, std::uint8_t* masks);
void rle_decode(const Context&, const ConstRunLengths& runs, std::int64_t count, const Crop& crop,
                const PackedMasks& masks);
void rle_areas(const Context&, const ConstRunLengths& runs, std::int64_t count, std::int64_t* areas);
void rle_boxes(const Context&, const ConstRunLengths& runs, std::int64_t count, std::int64_t* boxes);
void rle_strings(const Context&, const ConstRunLengths& runs, std::int64_t count, const MakeText& make_text);
}  // namespace cuda

}  // namespace rapidmask
