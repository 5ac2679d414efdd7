// The row loops of the components family, one table per instruction level.
//
// Rows are padded: each is followed by a word of zeros, the first is also preceded by one, and kRowSlack words after
// the last row may be read.
#pragma once

#include <cstdint>

namespace rapidmask {

inline constexpr std::int64_t kRowSlack = 8;
inline constexpr std::int64_t kLabelSlack = 8;

// One row or, where pixels connect by 8 within their slice, two: there any pixels in adjacent columns of two rows
// touch, so that the runs of the rows' union are connected and half as many rows are left to join.
struct Band {
  const std::uint64_t* top;      // row that meets the band before
  const std::uint64_t* bottom;   // row that meets the band after
  const std::uint64_t* support;  // union of the rows
  const std::uint64_t* starts;   // first pixels of the runs of the union
  const std::uint32_t* rank;     // runs of this band that start before each word
  std::uint32_t first_run;       // number of its first run among those of the mask
};

struct Run {
  std::int32_t begin, end;  // pixels [begin, end) of a row
  std::int32_t label;
};

struct ComponentRows {
  // The union of two rows (`bottom` may be null: then `support` is not written), its starts and ranks. Returns the
  // runs.
  std::uint32_t (*read_band)(const std::uint64_t* top, const std::uint64_t* bottom, std::int64_t words,
                             std::uint64_t* support, std::uint64_t* starts, std::uint32_t* rank);
  // The ranks alone, from the starts.
  std::uint32_t (*rank_starts)(const std::uint64_t* starts, std::int64_t words, std::uint32_t* rank);
  // Joins the runs of two bands whose rows `upper` and `lower` touch straight (reach 0) or diagonally too (reach 1).
  void (*link)(const Band& above, const std::uint64_t* upper, const Band& below, const std::uint64_t* lower,
               std::int64_t words, int reach, std::uint32_t* parents);
  // Joins runs of equal values; contacts[0] has the pixels of `below` that equal the one straight above, contacts[1]
  // and contacts[2] those that equal the one above to the left and to the right (null for reach 0).
  void (*link_values)(const Band& above, const Band& below, const std::uint64_t* const contacts[3], std::int64_t words,
                      std::uint32_t* parents);
  // The runs of a row, which is one of a band's: its pixels and the label of what it is part of, from `labels` of the
  // band's runs. Returns their number, at most half of the pixels, rounded up.
  std::int64_t (*list_runs)(const std::uint64_t* row, const std::uint64_t* starts, const std::uint32_t* rank,
                            const std::int32_t* labels, std::int64_t words, Run* runs);
  // The band's runs, by number within it, that the runs of one of its rows are part of. Returns the number of the
  // latter.
  std::int64_t (*list_bearers)(const std::uint64_t* row, const std::uint64_t* starts, const std::uint32_t* rank,
                               std::int64_t words, std::uint32_t* runs);
  // Labels of w pixels of `row`, which is one of the band's: those of its runs from `labels`, or 0. labels[-1] and
  // kLabelSlack labels after the last run may be read.
  void (*paint)(const std::uint64_t* row, const std::uint64_t* starts, const std::uint32_t* rank,
                const std::int32_t* labels, std::int64_t w, std::int32_t* pixels);
};

const ComponentRows& component_rows();

}  // namespace rapidmask
