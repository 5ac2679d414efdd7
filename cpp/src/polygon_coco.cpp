// Polygons by COCO's rule: the rows at which a ring crosses the centres of columns.
//
// The walk over the fine grid is never made: an edge's crossings are computed from the edge, one for each column, so
// that rings far outside of the image cost nothing. What is computed for each is what the walk computes there, in the
// same order of operations in double precision.

#include <algorithm>
#include <cstdlib>

#include "polygon_fill.hpp"

namespace rapidmask::cpu::coco {
namespace {

constexpr double kFiner = 5;                      // how much the grid is
constexpr std::int64_t kMostCrossings = 1 << 20;  // held at a time, unless a column has more

// Column c lies between u = 5c + 2 and 5c + 3. Divisions are of 32 bits without a sign, the cheapest.
std::int64_t first_column(std::int32_t smallest_u) {
  return static_cast<std::uint32_t>(std::max(smallest_u, 0) + 2) / 5;
}
std::int64_t end_column(std::int32_t largest_u, std::int64_t w) {
  return std::min<std::int64_t>(static_cast<std::uint32_t>(std::max(largest_u, 0) + 2) / 5, w);
}
std::int64_t row_of(std::int32_t v, std::int64_t h) {
  return std::min<std::int64_t>(static_cast<std::uint32_t>(std::max(v, -2) + 2) / 5, h);
}

// An edge of the walk, in whichever direction.
class Edge {
 public:
  Edge(const std::int32_t* a, const std::int32_t* b) {
    const std::int32_t dx = std::abs(a[0] - b[0]), dy = std::abs(a[1] - b[1]);
    flat_ = dx >= dy;
    if (flat_ ? a[0] > b[0] : a[1] > b[1]) std::swap(a, b);
    u_ = a[0];
    v_ = a[1];
    steps_ = flat_ ? dx : dy;
    slope_ = static_cast<double>(flat_ ? b[1] - v_ : b[0] - u_) / static_cast<double>(steps_);
  }

  // The lower v of the two on either side of the centre of column c, which the edge crosses.
  std::int32_t crossing(std::int64_t c) const {
    const auto u = static_cast<std::int32_t>(5 * c + 2);
    if (flat_) {
      const std::int32_t step = u - u_ + (slope_ < 0 ? 1 : 0);
      return static_cast<std::int32_t>(static_cast<double>(v_) + slope_ * static_cast<double>(step) + 0.5);
    }
    // The first step that has come to the other side: about where the line meets u + 0.5, give or take a rounding.
    const double guess = (static_cast<double>(u - u_) + 0.5) / slope_;
    std::int32_t step = std::clamp(static_cast<std::int32_t>(guess) + 1, 1, steps_);
    while (step > 1 && is_beyond(step - 1, u)) --step;
    while (step < steps_ && !is_beyond(step, u)) ++step;
    return v_ + step - 1;
  }

 private:
  bool is_beyond(std::int32_t step, std::int32_t u) const {
    const double at = static_cast<double>(u_) + slope_ * static_cast<double>(step) + 0.5;
    return (at >= static_cast<double>(u + 1)) == (slope_ > 0);
  }

  bool flat_;
  std::int32_t u_, v_, steps_;
  double slope_;
};

// A ring's vertices on the grid, the first one again at the end, and their extremes.
struct Grid {
  const std::int32_t* vertices = nullptr;
  std::int64_t edges = 0;
  std::int32_t min_u = 0, max_u = 0, min_v = 0, max_v = 0;
};

Grid to_grid(Ring ring, std::vector<std::int32_t>& memory) {
  const auto count = ring.size() / 2;
  if (count < 3) return {};
  memory.resize(2 * count + 2);
  std::int32_t low[2], high[2];
  for (std::size_t axis = 0; axis < 2; ++axis) {
    std::int32_t smallest = INT32_MAX, largest = INT32_MIN;
    for (std::size_t i = axis; i < 2 * count; i += 2) {
      const auto value = static_cast<std::int32_t>(kFiner * ring[i] + 0.5);
      memory[i] = value;
      smallest = std::min(smallest, value);
      largest = std::max(largest, value);
    }
    low[axis] = smallest;
    high[axis] = largest;
    memory[2 * count + axis] = memory[axis];
  }
  return {memory.data(), static_cast<std::int64_t>(count), low[0], high[0], low[1], high[1]};
}

// The pixels that a ring may cover.
Box box_of(const Grid& grid, std::int64_t h, std::int64_t w) {
  return {first_column(grid.min_u), row_of(grid.min_v, h), end_column(grid.max_u, w), row_of(grid.max_v, h)};
}

// Calls visit(column, row) for every crossing of columns [begin, end) by an edge.
template <class Visit>
void visit_crossings(const std::int32_t* edge, std::int64_t begin, std::int64_t end, std::int64_t h,
                     const Visit& visit) {
  const std::int64_t first = std::max(first_column(std::min(edge[0], edge[2])), begin);
  const std::int64_t last = end_column(std::max(edge[0], edge[2]), end);
  if (first >= last) return;
  const Edge line(edge, edge + 2);
  for (std::int64_t c = first; c < last; ++c) visit(c, row_of(line.crossing(c), h));
}

// Appends the pixels that a ring covers.
void append_spans(const Grid& grid, std::int64_t h, std::int64_t w, FillMemory& memory, std::vector<Span>& spans) {
  const Box box = box_of(grid, h, w);
  if (grid.edges == 0 || box.empty()) return;
  const auto columns = static_cast<std::size_t>(box.x1 - box.x0);
  std::vector<std::int32_t>& cursors = memory.cursors;
  cursors.assign(columns + 1, 0);
  // Many edges are too short to cross a column, and which ones is hard to predict: they are left out without a branch.
  std::vector<std::int32_t>& edges = memory.edges;
  edges.resize(static_cast<std::size_t>(grid.edges));
  std::size_t crossing = 0;
  for (std::int64_t i = 0; i < grid.edges; ++i) {
    const std::int32_t a = grid.vertices[2 * i], b = grid.vertices[2 * i + 2];
    const std::int64_t first = std::min(first_column(std::min(a, b)), box.x1);
    const std::int64_t end = std::max(end_column(std::max(a, b), w), first);
    edges[crossing] = static_cast<std::int32_t>(i);
    crossing += first < end ? 1 : 0;
    ++cursors[static_cast<std::size_t>(first - box.x0)];
    --cursors[static_cast<std::size_t>(end - box.x0)];
  }
  edges.resize(crossing);
  for (std::size_t c = 1; c < columns; ++c) cursors[c] += cursors[c - 1];

  const std::size_t ring_begin = spans.size();
  for (std::size_t begin = 0; begin < columns;) {
    // As many columns as fit; their counts become the places of their first crossings, then the places after the last.
    std::int64_t total = 0;
    std::size_t end = begin;
    while (end < columns && (end == begin || total + cursors[end] <= kMostCrossings)) {
      const std::int32_t count = cursors[end];
      cursors[end++] = static_cast<std::int32_t>(total);
      total += count;
    }
    memory.crossings.resize(static_cast<std::size_t>(total));
    std::int32_t* const crossings = memory.crossings.data();
    const auto x0 = box.x0 + static_cast<std::int64_t>(begin), x1 = box.x0 + static_cast<std::int64_t>(end);
    for (const std::int32_t edge : edges) {
      visit_crossings(grid.vertices + 2 * std::int64_t{edge}, x0, x1, h, [&](std::int64_t c, std::int64_t row) {
        crossings[cursors[static_cast<std::size_t>(c - box.x0)]++] = static_cast<std::int32_t>(row);
      });
    }
    std::int32_t* at = crossings;
    for (std::size_t c = begin; c < end; ++c) {
      std::int32_t* const stop = crossings + cursors[c];
      if (stop - at == 2) {
        if (at[0] > at[1]) std::swap(at[0], at[1]);
      } else {
        std::sort(at, stop);
      }
      const std::int64_t top = (box.x0 + static_cast<std::int64_t>(c)) * h;
      for (; at < stop; at += 2) {
        if (at[0] == at[1]) continue;
        if (spans.size() > ring_begin && spans.back().end == top + at[0]) {
          spans.back().end = top + at[1];
        } else {
          spans.push_back({top + at[0], top + at[1]});
        }
      }
    }
    begin = end;
  }
}

// Puts spans in order and joins those that meet.
void unite(std::vector<Span>& spans) {
  std::sort(spans.begin(), spans.end(), [](const Span& a, const Span& b) { return a.begin < b.begin; });
  std::size_t kept = 0;
  for (const Span& span : spans) {
    if (kept > 0 && span.begin <= spans[kept - 1].end) {
      spans[kept - 1].end = std::max(spans[kept - 1].end, span.end);
    } else {
      spans[kept++] = span;
    }
  }
  spans.resize(kept);
}

// Draws one ring: crossings become bits, and each row those of the rows above that are still open.
void fill_ring(const Grid& grid, std::int64_t h, std::int64_t w, FillMemory& memory) {
  const Box box = box_of(grid, h, w);
  if (grid.edges == 0 || box.empty()) return;
  Canvas& toggles = memory.toggles;
  Canvas& covered = memory.covered;
  toggles.reset(box);
  for (std::int64_t i = 0; i < grid.edges; ++i) {
    visit_crossings(grid.vertices + 2 * i, box.x0, box.x1, h, [&](std::int64_t c, std::int64_t row) {
      if (row < box.y1) toggles.toggle(c, row);
    });
  }
  const std::int64_t words = toggles.words(), shift = (toggles.x0() - covered.x0()) / 64;
  for (std::int64_t y = box.y0; y < box.y1; ++y) {
    std::uint64_t* const row = toggles.row(y);
    const std::uint64_t* const above = y == box.y0 ? nullptr : row - words;
    std::uint64_t* const out = covered.row(y) + shift;
    for (std::int64_t j = 0; j < words; ++j) {
      if (above != nullptr) row[j] ^= above[j];
      out[j] |= row[j];
    }
  }
}

}  // namespace

bool fill(const MaskRings& rings, std::int64_t h, std::int64_t w, FillMemory& memory) {
  Box all{w, h, 0, 0};
  for (std::int64_t k = 0; k < rings.count(); ++k) {
    const Grid grid = to_grid(rings.ring(k), memory.grid);
    const Box box = box_of(grid, h, w);
    if (grid.edges == 0 || box.empty()) continue;
    all = {std::min(all.x0, box.x0), std::min(all.y0, box.y0), std::max(all.x1, box.x1), std::max(all.y1, box.y1)};
  }
  if (all.empty()) return false;
  memory.covered.reset(all);
  for (std::int64_t k = 0; k < rings.count(); ++k) fill_ring(to_grid(rings.ring(k), memory.grid), h, w, memory);
  return true;
}

void fill_rle(const MaskRings& rings, std::int64_t h, std::int64_t w, FillMemory& memory,
              std::vector<std::uint32_t>& counts) {
  if (h * w == 0) return;
  std::vector<Span>& spans = memory.spans;
  spans.clear();
  for (std::int64_t k = 0; k < rings.count(); ++k) {
    append_spans(to_grid(rings.ring(k), memory.grid), h, w, memory, spans);
  }
  if (rings.count() > 1) unite(spans);
  const std::int64_t end = h * w, last = spans.empty() ? 0 : spans.back().end;
  counts.resize(2 * spans.size() + (last < end ? 1 : 0));
  std::int64_t position = 0;
  for (std::size_t i = 0; i < spans.size(); ++i) {
    counts[2 * i] = static_cast<std::uint32_t>(spans[i].begin - position);
    counts[2 * i + 1] = static_cast<std::uint32_t>(spans[i].end - spans[i].begin);
    position = spans[i].end;
  }
  if (last < end) counts.back() = static_cast<std::uint32_t>(end - last);
}

}  // namespace rapidmask::cpu::coco
