// The row loops of distance transforms, one table per instruction level.
//
// A plane is transformed row by row from its bits. Two counters per column hold the rows to the background above and
// below; the nearer one, squared, is the column's site in the row, and a pixel's square is the least over the sites of
// site + (distance along the row)². Most pixels find it in a window around them, which need not go on where the
// distance's square alone passes what was found. Where that is too far, divide and conquer over the row bounds the
// work: the best site never moves back as the pixel moves on. Volumes repeat this along their third axis.
#pragma once

#include <cstdint>

#include "rapidmask/distance.hpp"

namespace rapidmask {

// Squares of 32 bits go with counts of 16, float64 with float64.
template <class Square>
struct DistanceCount;
template <>
struct DistanceCount<std::int32_t> {
  using type = std::int16_t;
};
template <>
struct DistanceCount<double> {
  using type = double;
};

template <class Square>
inline constexpr typename DistanceCount<Square>::type kFarCount = std::numeric_limits<double>::infinity();
template <>
inline constexpr std::int16_t kFarCount<std::int32_t> = 32767;  // as is, after counting down, all beyond 16383

// To the windows of a row, a column without background near enough. Narrow windows reach less than 128 columns.
template <class Square>
inline constexpr typename DistanceCount<Square>::type kFarSite = std::numeric_limits<double>::infinity();
template <>
inline constexpr std::int16_t kFarSite<std::int32_t> = 128 * 128;

inline constexpr std::int64_t kDistancePad = 128;  // numbers that windows and vectors may touch beyond either end
inline constexpr std::int64_t kStripPad = 48;      // slices that windows may touch

// A band of rows of a plane, and what its loops work with.
template <class Square>
struct DistanceBand {
  using Count = typename DistanceCount<Square>::type;

  const std::uint64_t* bits;  // of the rows, tail bits zero
  std::int64_t rows, w;
  DistanceRule rule;

  // Of each column, in whole words: rows to the background above the band and below its first row.
  Count* above;
  Count* below;
  const Count* starts;  // behind the last of those that count_below wrote

  // Scratch for one row in whole words, with kDistancePad numbers around `near`, far ones, and after `sites` and
  // `line`.
  Count* near;
  Square* sites;
  Square* line;
  std::int64_t* nearest;     // w / 2 + 2 of them
  std::uint64_t* unsettled;  // a bit per pixel
  std::uint8_t* deep;        // a flag per word, false at first: whether windows did not do in the row above

  float* distances;  // of the rows, or
  Square* squares;   // where this is not null, the bare squares
};

// Up to 64 adjacent lines along the third axis of a volume.
template <class Square>
struct DistanceStrip {
  const Square* squares;        // of the first pixel in the first plane
  std::int64_t squares_stride;  // from plane to plane
  float* distances;
  std::int64_t distances_stride;
  std::int64_t d, lines;
  DistanceRule rule;

  Square* near;           // scratch: 64 (d + 2 kStripPad), of which the pads are far
  Square* results;        // 64 d
  Square* sites;          // d + kDistancePad
  Square* line;           // d + kDistancePad
  std::int64_t* nearest;  // d / 2 + 2
  bool* deep;             // false at first: whether windows did not do in the strip before
};

template <class Square>
struct DistanceTable {
  using Count = typename DistanceCount<Square>::type;
  // Walks up rows of `words` words, `stride` apart, and leaves in `below` the rows to the background below the first
  // one, from those below the last one. Where `starts` is not null, writes there the count at the head of every
  // vertical run of foreground that begins after the first row, the last one first, and returns how many.
  std::int64_t (*count_below)(const std::uint64_t* bits, std::int64_t stride, std::int64_t rows, std::int64_t words,
                              Count* below, Count* starts);
  // Walks down them and leaves in `above` the rows to the background above the row after the last one.
  void (*count_above)(const std::uint64_t* bits, std::int64_t stride, std::int64_t rows, std::int64_t words,
                      Count* above);
  void (*transform_band)(const DistanceBand<Square>& band);
  void (*transform_strip)(const DistanceStrip<Square>& strip);
};

struct DistanceRows {
  DistanceTable<std::int32_t> narrow;
  DistanceTable<double> wide;
};

const DistanceRows& distance_rows();

}  // namespace rapidmask
