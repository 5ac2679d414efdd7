// What run lengths tell without decoding, one table per instruction level.
#pragma once

#include <cstdint>

namespace rapidmask {

struct RunSums {
  std::int64_t background, foreground;
  bool canonical;  // no run but the first is empty
};

struct RunRows {
  std::int64_t y0, y1;
};

struct RleMeasureRows {
  RunSums (*sums)(const std::uint32_t* counts, std::int64_t count);
  // The rows [y0, y1) that hold the foreground of canonical runs of a mask of h rows, which has some.
  RunRows (*rows)(const std::uint32_t* counts, std::int64_t count, std::int64_t h);
};

const RleMeasureRows& rle_measure_rows();

}  // namespace rapidmask
