// COCO's run-length encoding.
//
// The pixels of a mask are read column by column; counts[0] is the length of the first run of background (0 when the
// first pixel is foreground), counts[1] that of the foreground after it, and so on. Counts are canonical: no run but
// the first has length 0, and the last is that which ends the mask. A mask without pixels has no counts. A mask has at
// most 2^32 - 1 pixels, so that every count and every position fits 32 bits.
//
// The string form (pycocotools' `rleToString`) writes x = counts[i], less counts[i - 2] where i > 2, in groups of five
// bits, lowest first, each in a character 48 + group, with 32 added where more follow; bit 16 of the last group is the
// sign. A number has as few groups as hold it: one to seven.
#pragma once

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "rapidmask/context.hpp"
#include "rapidmask/types.hpp"

namespace rapidmask {

// Runs of all masks of a batch, one after the other: those of mask i are offsets[i] to offsets[i + 1].
struct ConstRunLengths {
  const std::uint32_t* counts;
  const std::int64_t* offsets;
  std::int64_t n, h, w;
};

struct RunLengths {
  std::vector<std::uint32_t> counts;
  std::vector<std::int64_t> offsets;
};

// Runs that were found, before there is an array for them: `offsets` tells how many they are.
class FoundRuns {
 public:
  struct Mask {
    std::int64_t i, runs;
  };
  // Positions at which the runs of some masks end, one mask after the other.
  struct Part {
    std::vector<Mask> masks;
    std::unique_ptr<std::uint32_t[]> ends;
  };

  FoundRuns(std::int64_t n, std::vector<Part> parts);
  const std::vector<std::int64_t>& offsets() const { return offsets_; }
  void write(std::uint32_t* counts) const;

 private:
  std::vector<Part> parts_;
  std::vector<std::int64_t> offsets_;
};

// Dense masks as they lie: pixel (y, x) of mask i is the byte masks[i][y·stride + x], or masks[i][x·stride + y].
struct StridedMasks {
  std::vector<const std::uint8_t*> masks;
  std::int64_t h, w;
  bool by_columns;
  std::int64_t stride;  // of rows, or of columns
};

// The pixels of an image that are decoded: columns [x0, x1) of rows [y0, y1), within the image.
struct Crop {
  std::int64_t x0, y0, x1, y1;
  std::int64_t h() const { return y1 - y0; }
  std::int64_t w() const { return x1 - x0; }
};

enum class SetOperation : std::uint8_t { intersection, union_, symmetric_difference, difference };

// Whether offsets ascend from 0 to `count` and the runs of every mask add up to h·w; throws std::invalid_argument where
// they do not. The result tells whether all runs are canonical, which the functions below but `rle_canonical` need.
bool check_run_lengths(const char* function, const ConstRunLengths& runs, std::int64_t count);
// Throws std::invalid_argument for a size of more than 2^32 - 1 pixels.
inline void check_run_size(const char* function, std::int64_t h, std::int64_t w) {
  constexpr std::int64_t kMax = 0xffffffff;
  if (h < 0 || w < 0 || (h > 0 && w > kMax / h)) {
    throw std::invalid_argument(std::string(function) + ": size must be (H, W) of at most 2^32 - 1 pixels, got (" +
                                std::to_string(h) + ", " + std::to_string(w) + ")");
  }
}

// How many characters counts take at most, and their number, written to `text`.
inline constexpr std::int64_t kRunCharacters = 7;
inline constexpr std::int64_t kRunSlack = 8;  // characters that may be written past the last
std::int64_t rle_to_string(const std::uint32_t* counts, std::int64_t count, char* text);
// Writes the counts, of which there are no more than characters, and returns their number. Throws std::invalid_argument
// where the text is no list of counts of 0 to 2^32 - 1.
std::int64_t rle_from_string(const char* function, std::string_view text, std::uint32_t* counts);

namespace cpu {
FoundRuns rle_encode(const Context&, const StridedMasks& masks);
FoundRuns rle_encode(const Context&, const ConstPackedMasks& masks);
// The same as COCO's strings, mask by mask.
std::vector<std::string> rle_encode_strings(const Context&, const StridedMasks& masks);

// The masks of all values but 0 of label maps (n, h, w), in ascending order of map and value.
struct FoundLabels {
  std::vector<std::uint32_t> counts;
  std::vector<std::int64_t> offsets;
  std::vector<std::int64_t> values;  // those of uint64 as their bits
  std::vector<std::int64_t> maps;
};
FoundLabels rle_encode_labels(const Context&, const Image& labels);

// `is_zero`: the masks are zero already, so that nothing need be written but foreground.
void rle_decode(const Context&, const ConstRunLengths& runs, const Crop& crop, std::uint8_t* masks, bool is_zero);
void rle_decode(const Context&, const ConstRunLengths& runs, const Crop& crop, const PackedMasks& masks);
// The same masks in canonical form.
FoundRuns rle_canonical(const Context&, const ConstRunLengths& runs);
// Mask by mask; a batch of one mask on either side serves every mask of the other.
FoundRuns rle_combine(const Context&, const ConstRunLengths& a, const ConstRunLengths& b, SetOperation operation);
// One mask: the union or the intersection of all, both empty where there is none.
FoundRuns rle_merge(const Context&, const ConstRunLengths& runs, bool intersect);
void rle_areas(const Context&, const ConstRunLengths& runs, std::int64_t* areas);
void rle_boxes(const Context&, const ConstRunLengths& runs, std::int64_t* boxes);
// As mask_centroids (measure.hpp) of the same masks.
void rle_centroids(const Context&, const ConstRunLengths& runs, double* centroids);
}  // namespace cpu

}  // namespace rapidmask
