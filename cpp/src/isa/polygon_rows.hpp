// The loop of the polygon family over packed rows, one table per instruction level.
#pragma once

#include <cstdint>

namespace rapidmask {

inline constexpr std::int64_t kSidesSlack = 64;

struct PolygonRows {
  // The first and the last pixel of each run of rows of `stride` words, of which the last and the one before the first
  // are zero; kSidesSlack words after words[end] may be read. Adds the runs of each row to `runs` and returns those of
  // all. `x` has room for 64 numbers a word.
  std::int64_t (*list_sides)(const std::uint64_t* words, std::int64_t end, std::int64_t stride, std::int32_t* x,
                             std::int32_t* runs);
};

const PolygonRows& polygon_rows();

}  // namespace rapidmask
