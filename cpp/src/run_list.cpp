#include "run_list.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

#include "rapidmask/components.hpp"
#include "union_find.hpp"

namespace rapidmask::cpu {
namespace {

// Beyond one edge for so many pixels, planes of words are faster.
constexpr std::int64_t kPixelsPerEdge = 64;

}  // namespace

bool RunList::build(const PaddedBits& bits, int connectivity) {
  const Extent& extent = bits.extent();
  const std::int64_t row_pixels = 64 * bits.stride();
  if (extent.d != 1 || 64 * bits.plane_words() + 2 * row_pixels > std::numeric_limits<std::int32_t>::max())
    return false;
  const std::int64_t capacity = extent.h * extent.w / kPixelsPerEdge + 4 * extent.h;
  std::int32_t* edges = edges_.reserve(capacity + kEdgeSlack);
  const std::int64_t count =
      component_rows().list_edges(bits.plane(0), 1, 1 + extent.h * bits.stride(), capacity, edges);
  if (count > capacity) return false;
  size_ = count / 2;
  join(connectivity, static_cast<std::int32_t>(row_pixels));
  components_ = component_rows().number(parents_.data(), size_, labels_.reserve(size_));
  component_rows().place_runs(edges, size_, bits.stride(), labels_.data(), runs_.reserve(size_));
  return true;
}

// Rows are farther apart than runs reach, so that the list can be merged with itself, a row later, in one loop: of two
// runs each goes on where the next one of the other side is out of its reach. Natural masks have run below run, so that
// mostly both do.
void RunList::join(int connectivity, std::int32_t row_pixels) {
  std::uint32_t* parents = parents_.reserve(size_);
  std::iota(parents, parents + size_, 0u);
  const std::int32_t reach = neighbourhood(connectivity).same_slice;
  std::int32_t* edges = edges_.data();
  edges[2 * size_] = std::numeric_limits<std::int32_t>::max() - row_pixels;  // out of reach of all
  std::uint32_t above = 0, below = 0;
  while (below < size_) {
    const std::int32_t above_begin = edges[2 * above] + row_pixels, above_end = edges[2 * above + 1] + row_pixels;
    const std::int32_t below_begin = edges[2 * below], below_end = edges[2 * below + 1];
    if (above_begin < below_end + reach && below_begin < above_end + reach) unite(parents, above, below);
    const std::int32_t next_above = edges[2 * above + 2] + row_pixels, next_below = edges[2 * below + 2];
    above += next_below >= above_end + reach;
    below += next_above >= below_end + reach;
  }
}

void RunList::paint(const std::int32_t* values, std::int64_t y0, std::int64_t y1, std::int64_t w,
                    std::int32_t* pixels) const {
  const auto run_of = [&](std::int64_t y) {
    return std::partition_point(begin(), end(), [&](const Run& run) { return run.row < y; });
  };
  const Run* const first = run_of(y0);
  component_rows().paint_runs(first, run_of(y1) - first, values + (first - begin()), w, y0, y1, pixels);
}

}  // namespace rapidmask::cpu
