// Masks cut to their bounding boxes, for the overlaps of few pairs.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

#include "isa/overlap_rows.hpp"
#include "isa/pack_rows.hpp"
#include "parallel.hpp"
#include "rapidmask/overlap.hpp"
#include "rapidmask/types.hpp"

namespace rapidmask::cpu {

// The words [k0, k1) of the rows [y0, y1), which hold all of a mask, and how many pixels that are. Rows begin `stride`
// words apart, the first at `words`.
struct Crop {
  const std::uint64_t* words = nullptr;
  std::int64_t stride = 0, k0 = 0, y0 = 0, k1 = 0, y1 = 0, area = 0;

  const std::uint64_t* at(std::int64_t y, std::int64_t k) const { return words + (y - y0) * stride + (k - k0); }
};

// The most pixels that two masks may share, as far as their crops tell.
inline std::int64_t most_shared(const Crop& a, const Crop& b) {
  const std::int64_t rows = std::min(a.y1, b.y1) - std::max(a.y0, b.y0);
  const std::int64_t words = std::min(a.k1, b.k1) - std::max(a.k0, b.k0);
  return rows <= 0 || words <= 0 ? 0 : std::min({a.area, b.area, 64 * rows * words});
}

inline std::int64_t shared(const Crop& a, const Crop& b) {
  const std::int64_t y0 = std::max(a.y0, b.y0), y1 = std::min(a.y1, b.y1);
  const std::int64_t k0 = std::max(a.k0, b.k0), k1 = std::min(a.k1, b.k1);
  if (y0 >= y1 || k0 >= k1) return 0;
  return overlap_rows().count_shared(a.at(y0, k0), a.stride, b.at(y0, k0), b.stride, y1 - y0, k1 - k0);
}

inline double overlap(OverlapMetric metric, const Crop& a, const Crop& b) {
  return overlap_of(metric, shared(a, b), a.area, b.area);
}

// How many overlaps with a mask are work for another thread, some 50 µs.
inline std::int64_t overlap_grain(const Crop& crop) {
  constexpr std::int64_t kGrainWords = 1 << 17;
  return std::max<std::int64_t>(1, kGrainWords / std::max<std::int64_t>(1, (crop.y1 - crop.y0) * (crop.k1 - crop.k0)));
}

// Crops of all masks of a batch: of packed ones in place, of dense ones packed.
class Crops {
 public:
  explicit Crops(const Masks& masks);
  const Crop& operator[](std::int64_t i) const { return crops_[static_cast<std::size_t>(i)]; }

 private:
  std::vector<Crop> crops_;
  std::vector<std::vector<std::uint64_t>> packed_;
};

}  // namespace rapidmask::cpu
