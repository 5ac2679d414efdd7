// Components of masks that are cut into chunks.
//
// A chunk is labelled by itself; its components are numbered from 1 in raster order, through all images of a batch.
// Only those that touch a face of the chunk can go on beyond it. They are told by the runs that they have on the faces,
// which are joined across the seams between chunks; whatever lies within a chunk never leaves it.
//
// The faces of a volume are those before and behind (0, 1), above and below (2, 3), left and right (4, 5); images have
// the last four. A face has lines along its last axis: (y, x), (z, x) and (z, y), with the image in place of z.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "rapidmask/components.hpp"
#include "rapidmask/types.hpp"

namespace rapidmask {

// Pixels [begin, end) of a line of a face, which belong to one component.
struct FaceRun {
  std::int32_t face, line, begin, end, label;
};

struct ChunkSummary {
  std::vector<std::int64_t> offsets;   // labels before each image, and after the last
  std::vector<std::int64_t> areas;     // pixels, by label less 1
  std::vector<std::int32_t> numbered;  // after each row: how many labels have begun
  std::vector<FaceRun> faces;
};

// A run of a seam's side: [begin, end) on a line on which all lines of all seams lie one after the other, with gaps.
struct SeamRun {
  std::int64_t begin, end, part;
};

namespace cpu {

// What a chunk's components, or those of its background, tell to others.
ChunkSummary summarize_chunk(const Masks& masks, int connectivity, bool background);

// Writes table[label] to each pixel, 0 to background; `offsets` are those of the summary.
void paint_chunk(const Masks& masks, int connectivity, const std::int64_t* offsets, const std::int32_t* table,
                 std::int32_t* pixels);

// Clears the components, or those of the background, whose keep[label] is 0.
void sift_chunk(const Masks& masks, int connectivity, bool background, const std::int64_t* offsets,
                const std::uint8_t* keep, const MutableMasks& result);

// Joins parts whose runs overlap, or come within `reach` of that: those of `a`, moved by `shift`, with those of `b`.
// Both are sorted, and runs of one side do not overlap. Linear in the runs.
void unite_seams(std::uint32_t* parents, std::span<const SeamRun> a, std::span<const SeamRun> b, std::int64_t shift,
                 std::int64_t reach);

// Makes each part's parent the first part that it is joined with.
void flatten_parts(std::span<std::uint32_t> parents);

}  // namespace cpu
}  // namespace rapidmask
