// The loop of the polygon family over packed rows, one table per instruction level.
#pragma once

#include <cstdint>

namespace rapidmask {

inline constexpr std::int64_t kSidesSlack = 64;

// A run, a horizontal stretch of foreground: its first and its last pixel, and the border that each of its sides lies
// on, or -1. They stand together, since a walk along a border that goes up or down finds nothing of a row in the cache.
struct BorderRun {
  std::int32_t x[2];
  std::int32_t border[2];
};

struct PolygonRows {
  // The runs of rows of `stride` words, of which the last and the one before the first are zero, without borders;
  // kSidesSlack words after words[end] may be read. Adds the runs of each row to `counts` and returns those of all.
  // `edges` has room for 64 numbers a word, `runs` for half as many runs.
  std::int64_t (*list_runs)(const std::uint64_t* words, std::int64_t end, std::int64_t stride, std::int32_t* edges,
                            BorderRun* runs, std::int32_t* counts);
};

const PolygonRows& polygon_rows();

}  // namespace rapidmask
