// COCO's run-length encoding.
//
// The pixels of a mask are read column by column; counts[0] is the length of the first run of background (0 when the
// first pixel is foreground), counts[1] that of the foreground after it, and so on. Counts are canonical: no run but
// the first has length 0, and the last is that which ends the mask. A mask without pixels has no counts.
//
// The string form (pycocotools' `rleToString`) writes x = counts[i], less counts[i - 2] where i > 2, in groups of five
// bits, lowest first, each in a character 48 + group, with 32 added where more follow; bit 16 of the last group is the
// sign.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "rapidmask/context.hpp"
#include "rapidmask/types.hpp"

namespace rapidmask {

// Runs of all masks of a batch, one after the other: those of mask i are offsets[i] to offsets[i + 1].
struct RunLengths {
  std::vector<std::uint32_t> counts;
  std::vector<std::int64_t> offsets;
};

struct ConstRunLengths {
  const std::uint32_t* counts;
  const std::int64_t* offsets;
  std::int64_t n, h, w;
};

enum class SetOperation : std::uint8_t { intersection, union_, symmetric_difference, difference };

// Throws std::invalid_argument unless offsets ascend from 0 to `count` and the runs of every mask add up to h·w.
void check_run_lengths(const char* function, const ConstRunLengths& runs, std::int64_t count);

std::string rle_to_string(const std::uint32_t* counts, std::int64_t count);
// Throws std::invalid_argument where the text is no list of counts of 0 to 2^32 - 1.
std::vector<std::uint32_t> rle_from_string(std::string_view text);

namespace cpu {
RunLengths rle_encode(const Context&, const View<const std::uint8_t>& masks);
RunLengths rle_encode(const Context&, const ConstPackedMasks& masks);
void rle_decode(const Context&, const ConstRunLengths& runs, std::uint8_t* masks);
// The same masks in canonical form.
RunLengths rle_canonical(const Context&, const ConstRunLengths& runs);
// Mask by mask; a batch of one mask on either side serves every mask of the other.
RunLengths rle_combine(const Context&, const ConstRunLengths& a, const ConstRunLengths& b, SetOperation operation);
void rle_areas(const Context&, const ConstRunLengths& runs, std::int64_t* areas);
void rle_boxes(const Context&, const ConstRunLengths& runs, std::int64_t* boxes);
}  // namespace cpu

}  // namespace rapidmask
