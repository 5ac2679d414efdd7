// What is counted of a mask, or of a part of it.
#pragma once

#include <algorithm>

#include "isa/resample_rows.hpp"

namespace rapidmask {

struct MaskPart {
  std::int64_t area = 0, above_high = 0, above_low = 0, x0 = 0, y0 = 0, x1 = 0, y1 = 0;

  MaskPart() = default;
  MaskPart(const ResampleCounts& counts, std::int64_t words)
      : area(counts.area), above_high(counts.above_high), above_low(counts.above_low) {
    if (area == 0) return;
    std::int64_t first = 0, last = words - 1;
    while (counts.columns[first] == 0) ++first;
    while (counts.columns[last] == 0) --last;
    x0 = 64 * first + __builtin_ctzll(counts.columns[first]);
    x1 = 64 * (last + 1) - __builtin_clzll(counts.columns[last]);
    y0 = counts.y0;
    y1 = counts.y1;
  }

  void join(const MaskPart& other) {
    above_high += other.above_high;
    above_low += other.above_low;
    if (other.area == 0) return;
    x0 = area == 0 ? other.x0 : std::min(x0, other.x0);
    y0 = area == 0 ? other.y0 : std::min(y0, other.y0);
    x1 = std::max(x1, other.x1);
    y1 = std::max(y1, other.y1);
    area += other.area;
  }

  void give(const MaskStatistics& statistics, std::int64_t i) const {
    if (statistics.areas == nullptr) return;
    statistics.areas[i] = area;
    std::int64_t* box = statistics.boxes + 4 * i;
    box[0] = x0;
    box[1] = y0;
    box[2] = x1;
    box[3] = y1;
    statistics.stability[i] = stability_of(above_high, above_low);
  }
};

}  // namespace rapidmask
