// The loops of the components family over packed rows, one table per instruction level.
//
// Rows lie in planes: arrays of words in which each row is followed by a word of zeros, the first is also preceded by
// one, and kPlaneSlack words may be read after the last. Loops run over ranges of a plane's words whatever their rows:
// with one or two runs in a row, a loop that ends with it would be mispredicted more often than not.
#pragma once

#include <cstdint>

namespace rapidmask {

inline constexpr std::int64_t kPlaneSlack = 72;
inline constexpr std::int64_t kLabelSlack = 8;
inline constexpr std::int64_t kEdgeSlack = 1 << 14;

// A band is one row or, where pixels connect by 8 within their slice, two: there any pixels in adjacent columns of two
// rows touch, so that the runs of the rows' union are connected and half as many rows are left to join.
struct BandPlanes {
  const std::uint64_t* top;      // rows that meet the band before
  const std::uint64_t* bottom;   // rows that meet the band after
  const std::uint64_t* support;  // unions of the rows
  const std::uint64_t* starts;   // first pixels of the runs of the unions
  const std::uint32_t* rank;     // runs of the mask that start before each word
};

// A stretch of pixels [begin, end) of a row of a plane, and the label of the run that it is part of.
struct Run {
  std::int32_t row, begin, end, label;
};

struct ComponentRows {
  // Words [begin, end) of `starts` and, where `bottom` is not `top`, of `support`.
  void (*find_starts)(const std::uint64_t* top, const std::uint64_t* bottom, std::int64_t begin, std::int64_t end,
                      std::uint64_t* support, std::uint64_t* starts);
  // Words [begin, end) of `rank`, counted from the first. Returns the number of runs.
  std::int64_t (*rank_starts)(const std::uint64_t* starts, std::int64_t begin, std::int64_t end, std::uint32_t* rank);
  // Joins the runs at words [begin, end) of `lower`, a plane of the bands, to those `back` words before in `upper`,
  // which touch straight (reach 0) or diagonally too (reach 1).
  void (*link)(const BandPlanes& bands, const std::uint64_t* upper, const std::uint64_t* lower, std::int64_t begin,
               std::int64_t end, std::int64_t back, int reach, std::uint32_t* parents);
  // Joins runs of equal values of a row and one above; contacts[0] has the pixels of the row that equal the one
  // straight above, contacts[1] and contacts[2] those that equal the one above to the left and to the right (null for
  // reach 0).
  void (*link_values)(const std::uint64_t* starts_above, const std::uint32_t* rank_above, const std::uint64_t* starts,
                      const std::uint32_t* rank, const std::uint64_t* const contacts[3], std::int64_t words,
                      std::uint32_t* parents);
  // Labels of `count` runs in the order of their roots, each of which stands before the runs that point to it, directly
  // or by another run. Returns the number of roots.
  std::int32_t (*number)(const std::uint32_t* parents, std::int64_t count, std::int32_t* labels);
  // The pixels at words [begin, end), whole rows of fewer than 2^31 pixels together, that differ from the one before,
  // counted from word 0: by turns the first of a run and the first after it. Returns their number, and stops where it
  // is above `capacity`; `edges` has room for kEdgeSlack more.
  std::int64_t (*list_edges)(const std::uint64_t* plane, std::int64_t begin, std::int64_t end, std::int64_t capacity,
                             std::int32_t* edges);
  // The runs between `count` pairs of edges of a plane whose first row begins at word 1.
  void (*place_runs)(const std::int32_t* edges, std::int64_t count, std::int64_t stride, const std::int32_t* labels,
                     Run* runs);
  // The runs at words [begin, end), whole rows of fewer than 2^31 pixels together, of one of the bands' planes, whose
  // first row begins at word 1; `labels` are those of the bands' runs. Returns their number, at most half of the pixels
  // and one for each row. `edges` has room for twice as many.
  std::int64_t (*list_runs)(const std::uint64_t* plane, const std::uint64_t* starts, const std::uint32_t* rank,
                            const std::int32_t* labels, std::int64_t begin, std::int64_t end, std::int64_t stride,
                            std::int32_t* edges, Run* runs);
  // The bands' runs that the runs at words [begin, end) of a plane are part of. Returns the number of the latter.
  std::int64_t (*list_bearers)(const std::uint64_t* plane, const std::uint64_t* starts, const std::uint32_t* rank,
                               std::int64_t begin, std::int64_t end, std::uint32_t* bearers);
  // Labels of w pixels of a row, which is one of a band's: those of its runs from `labels`, or 0. labels[-1] and
  // kLabelSlack labels after the last run may be read.
  void (*paint)(const std::uint64_t* row, const std::uint64_t* starts, const std::uint32_t* rank,
                const std::int32_t* labels, std::int64_t w, std::int32_t* pixels);
  // Rows [y0, y1) of w pixels: values[i] over the pixels of runs[i], of which there are `count`, and 0 elsewhere.
  void (*paint_runs)(const Run* runs, std::int64_t count, const std::int32_t* values, std::int64_t w, std::int64_t y0,
                     std::int64_t y1, std::int32_t* pixels);
};

const ComponentRows& component_rows();

}  // namespace rapidmask
