// Polygons by OpenCV's rule: outlines, and the parity of the crossings in each row.

#include <cmath>
#include <cstdlib>

#include "polygon_fill.hpp"

namespace rapidmask::cpu::opencv {
namespace {

constexpr int kFraction = 16;  // bits of a crossing's place
constexpr std::int64_t kOne = std::int64_t{1} << kFraction;

struct Point {
  std::int64_t x, y;
};

struct Extent {
  std::int64_t h, w;

  bool holds(const Point& p) const { return p.x >= 0 && p.x < w && p.y >= 0 && p.y < h; }
};

int side(std::int64_t value, std::int64_t extent) { return value < 0 ? -1 : value >= extent ? 1 : 0; }

// Moves an end along the line to the next row of the image, or by columns with the axes changed.
void move_end(std::int64_t& across, std::int64_t& along, std::int64_t extent, std::int64_t d_across,
              std::int64_t d_along) {
  const std::int64_t target = across < 0 ? 0 : extent - 1;
  along += static_cast<std::int64_t>(static_cast<double>(target - across) * static_cast<double>(d_along) /
                                     static_cast<double>(d_across));
  across = target;
}

// Cuts the line from a to b to the image, and returns whether any of it is left: first by rows, then by columns, a
// before b, which is then cut along what is left. A line that turns out to miss the image stays as far as it was cut.
bool clip_line(Point& a, Point& b, const Extent& image) {
  const auto misses = [](int one, int other) { return one != 0 && one == other; };
  int ax = side(a.x, image.w), bx = side(b.x, image.w);
  const int ay = side(a.y, image.h), by = side(b.y, image.h);
  if (misses(ax, bx) || misses(ay, by)) return false;
  if (ay != 0) {
    move_end(a.y, a.x, image.h, b.y - a.y, b.x - a.x);
    ax = side(a.x, image.w);
  }
  if (by != 0) {
    move_end(b.y, b.x, image.h, b.y - a.y, b.x - a.x);
    bx = side(b.x, image.w);
  }
  if (misses(ax, bx)) return false;
  if (ax != 0) move_end(a.x, a.y, image.w, b.x - a.x, b.y - a.y);
  if (bx != 0) move_end(b.x, b.y, image.w, b.x - a.x, b.y - a.y);
  return true;
}

void set_pixels(std::uint64_t* row, std::int64_t begin, std::int64_t last) {
  const std::int64_t first_word = begin / 64, last_word = last / 64;
  const std::uint64_t head = ~std::uint64_t{0} << (begin % 64), tail = ~std::uint64_t{0} >> (63 - last % 64);
  if (first_word == last_word) {
    row[first_word] |= head & tail;
    return;
  }
  row[first_word] |= head;
  for (std::int64_t j = first_word + 1; j < last_word; ++j) row[j] = ~std::uint64_t{0};
  row[last_word] |= tail;
}

// Bresenham's line within the image, from left to right; halves stay behind.
void draw_line(Point a, Point b, Canvas& canvas) {
  if (b.x < a.x) std::swap(a, b);
  const std::int64_t dx = b.x - a.x, dy = std::abs(b.y - a.y), down = b.y < a.y ? -1 : 1;
  if (dy == 0) return set_pixels(canvas.row(a.y), a.x - canvas.x0(), b.x - canvas.x0());
  const std::int64_t steps = std::max(dx, dy), minor = std::min(dx, dy);
  std::int64_t error = 2 * minor - steps;
  for (std::int64_t i = 0; i <= steps; ++i) {
    canvas.set(a.x, a.y);
    const bool aside = error > 0;
    error += 2 * minor - (aside ? 2 * steps : 0);
    a.x += dx > dy || aside ? 1 : 0;
    a.y += dy >= dx || aside ? down : 0;
  }
}

// The outline of an edge, and where it crosses rows.
void draw_edge(const Point& a, const Point& b, const Extent& image, FillMemory& memory) {
  Point start = a, end = b;
  const bool inside = image.holds(a) && image.holds(b);
  if (inside || clip_line(start, end, image)) draw_line(start, end, memory.covered);
  if (a.y == b.y) return;
  if (!inside && start.y == end.y) {
    start.y = a.y;
    end.y = b.y;
  }
  const std::int64_t slope = ((end.x - start.x) * kOne) / (end.y - start.y);
  const Point& upper = a.y < b.y ? start : end;
  const std::int64_t first = std::max<std::int64_t>(std::min(a.y, b.y), 0),
                     stop = std::min(std::max(a.y, b.y), image.h);
  std::int64_t place = upper.x * kOne + (first - upper.y) * slope;
  for (std::int64_t y = first; y < stop; ++y, place += slope) {
    const std::int64_t x = (place + kOne - 1) >> kFraction;
    if (x >= image.w) continue;
    if (x >= 0 && place % kOne == 0) memory.covered.set(x, y);
    memory.toggles.toggle(std::max(x, memory.toggles.x0()), y);
  }
}

// Sets in `row` the pixels with an odd number of toggles at or before them.
void add_odd(const std::uint64_t* toggles, std::int64_t words, std::uint64_t* row) {
  std::uint64_t open = 0;  // all ones after an odd number of toggles
  for (std::int64_t j = 0; j < words; ++j) {
    std::uint64_t parity = toggles[j];
    for (int step = 1; step < 64; step *= 2) parity ^= parity << step;
    parity ^= open;
    row[j] |= parity;
    open = std::uint64_t{0} - (parity >> 63);
  }
}

Point pixel(Ring ring, std::size_t i) {
  return {static_cast<std::int64_t>(std::nearbyint(ring[2 * i])),
          static_cast<std::int64_t>(std::nearbyint(ring[2 * i + 1]))};
}

}  // namespace

bool fill(const MaskRings& rings, std::int64_t h, std::int64_t w, bool whole_columns, FillMemory& memory) {
  const Extent image{h, w};
  Box box{INT64_MAX, INT64_MAX, INT64_MIN, INT64_MIN};
  for (std::int64_t k = 0; k < rings.count(); ++k) {
    const Ring ring = rings.ring(k);
    for (std::size_t i = 0; i < ring.size() / 2; ++i) {
      const Point p = pixel(ring, i);
      box = {std::min(box.x0, p.x), std::min(box.y0, p.y), std::max(box.x1, p.x + 1), std::max(box.y1, p.y + 1)};
    }
  }
  // Crossings of an edge that leaves the image may lie beside its ends.
  const bool inside = box.x0 >= 0 && box.y0 >= 0 && box.x1 <= w && box.y1 <= h;
  if (!inside) box = {0, std::max<std::int64_t>(box.y0, 0), w, std::min(box.y1, h)};
  if (box.empty()) return false;
  if (whole_columns) box = {box.x0, 0, box.x1, h};
  memory.covered.reset(box);
  memory.toggles.reset(box);
  for (std::int64_t k = 0; k < rings.count(); ++k) {
    const Ring ring = rings.ring(k);
    const std::size_t count = ring.size() / 2;
    if (count == 0) continue;
    Point before = pixel(ring, count - 1);
    for (std::size_t i = 0; i < count; ++i) {
      const Point p = pixel(ring, i);
      draw_edge(before, p, image, memory);
      before = p;
    }
  }
  Canvas& covered = memory.covered;
  const std::int64_t words = covered.words();
  const bool has_tail = covered.x0() + 64 * words > w;
  for (std::int64_t y = box.y0; y < box.y1; ++y) {
    std::uint64_t* const row = covered.row(y);
    add_odd(memory.toggles.row(y), words, row);
    if (has_tail) row[words - 1] &= tail_mask(w);
  }
  return true;
}

}  // namespace rapidmask::cpu::opencv
