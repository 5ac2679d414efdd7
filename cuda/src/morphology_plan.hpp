// What the morphology kernels are told of a footprint: its horizontal runs as windows, in the order they are made.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "rapidmask/morphology.hpp"

namespace rapidmask::cuda {

// A window of 1 << level pixels, moved by `first` and by `last`, is a run of elements at the offset (z, y).
struct FootprintPart {
  std::int32_t z, level, first, last, y;

  bool operator<(const FootprintPart& other) const {
    return z != other.z ? z < other.z : level != other.level ? level < other.level : y < other.y;
  }
};

// Offsets, inclusive.
struct FootprintBounds {
  std::int64_t z0, z1, y0, y1, x0, x1;
};

struct FootprintPlan {
  std::vector<FootprintPart> parts;  // in order
  FootprintBounds bounds{0, 0, 0, 0, 0, 0};
  bool is_box = false;  // every offset within the bounds, which hold the anchor
};

inline void add_run(FootprintPlan& plan, std::int64_t z, std::int64_t y, std::int64_t first, std::int64_t last) {
  const int level = 63 - __builtin_clzll(static_cast<unsigned long long>(last - first + 1));
  plan.parts.push_back({static_cast<std::int32_t>(z), level, static_cast<std::int32_t>(first),
                        static_cast<std::int32_t>(last + 1 - (std::int64_t{1} << level)),
                        static_cast<std::int32_t>(y)});
}

inline FootprintPlan plan_of_box(const FootprintBounds& b) {
  FootprintPlan plan;
  plan.bounds = b;
  plan.is_box = true;
  for (std::int64_t z = b.z0; z <= b.z1; ++z) {
    for (std::int64_t y = b.y0; y <= b.y1; ++y) add_run(plan, z, y, b.x0, b.x1);
  }
  return plan;
}

// The plan of a dilation, or of the dilation of the background that an erosion is: by the footprint turned around.
inline FootprintPlan plan_of(const Footprint& footprint, bool reflected) {
  FootprintPlan plan;
  std::int64_t elements = 0;
  FootprintBounds& b = plan.bounds;
  for (std::int64_t k = 0; k < footprint.d * footprint.h; ++k) {
    const std::uint8_t* row = footprint.elements + k * footprint.w;
    for (std::int64_t x = 0; x < footprint.w;) {
      if (row[x] == 0) {
        ++x;
        continue;
      }
      std::int64_t end = x;
      while (end < footprint.w && row[end] != 0) ++end;
      std::int64_t z = k / footprint.h - footprint.d / 2, y = k % footprint.h - footprint.h / 2;
      std::int64_t first = x - footprint.w / 2, last = end - 1 - footprint.w / 2;
      if (reflected) {
        z = -z;
        y = -y;
        std::swap(first, last);
        first = -first;
        last = -last;
      }
      add_run(plan, z, y, first, last);
      if (elements == 0) b = {z, z, y, y, first, last};
      b = {std::min(b.z0, z), std::max(b.z1, z),     std::min(b.y0, y),
           std::max(b.y1, y), std::min(b.x0, first), std::max(b.x1, last)};
      elements += end - x;
      x = end;
    }
  }
  plan.is_box = elements > 0 && elements == (b.z1 - b.z0 + 1) * (b.y1 - b.y0 + 1) * (b.x1 - b.x0 + 1) && b.z0 <= 0 &&
                b.z1 >= 0 && b.y0 <= 0 && b.y1 >= 0 && b.x0 <= 0 && b.x1 >= 0;
  std::sort(plan.parts.begin(), plan.parts.end());
  return plan;
}

// The plans that, one after the other, are `iterations` times one. A box is repeated as a larger one, in as few pieces
// as kernels can do: from a pixel to any that the large box reaches there is a way in steps of the small one that never
// turns back, and so does not leave the image.
inline std::vector<FootprintPlan> repeated(const FootprintPlan& plan, std::int64_t iterations, const Masks& masks) {
  if (!plan.is_box) return {static_cast<std::size_t>(iterations), plan};
  constexpr std::int64_t kLongest = kMaxFootprint / 2;
  const auto reach = [&](std::int64_t offset, std::int64_t extent) {  // no further than out of the image
    const std::int64_t times = std::min(iterations, extent);
    return std::clamp(offset * times, -extent, extent);
  };
  FootprintBounds left{reach(plan.bounds.z0, masks.d), reach(plan.bounds.z1, masks.d), reach(plan.bounds.y0, masks.h),
                       reach(plan.bounds.y1, masks.h), reach(plan.bounds.x0, masks.w), reach(plan.bounds.x1, masks.w)};
  std::vector<FootprintPlan> plans;
  const auto take = [&](std::int64_t& offset) {
    const std::int64_t piece = std::clamp(offset, -kLongest, kLongest);
    offset -= piece;
    return piece;
  };
  do {
    plans.push_back(
        plan_of_box({take(left.z0), take(left.z1), take(left.y0), take(left.y1), take(left.x0), take(left.x1)}));
  } while (left.z0 != 0 || left.z1 != 0 || left.y0 != 0 || left.y1 != 0 || left.x0 != 0 || left.x1 != 0);
  return plans;
}

}  // namespace rapidmask::cuda
