// The borders of masks, from the sides of their runs.
//
// A run, a horizontal stretch of foreground, has a left and a right side, and each side lies on one border. Where a
// border goes after a side follows from the runs of two rows alone: down from a left side it comes to
// - the left side of a run of the row below, straight, diagonally or along the top or bottom of either run;
// - the right side of the run before, where a run below closes the gap between the two; or
// - the right side of the same run, along its bottom;
// and up from a right side likewise, turned by half. So one pass over the rows links all sides into rings, and a walk
// along these gives the borders at the cost of a side, not of a pixel: OpenCV's algorithm looks at the neighbours of
// every pixel of a border and writes its marks into a copy of the mask.

#include <algorithm>
#include <utility>
#include <vector>

#include "isa/pack_rows.hpp"
#include "parallel.hpp"
#include "rapidmask/components.hpp"
#include "rapidmask/polygon.hpp"

namespace rapidmask::cpu {
namespace {

constexpr std::int64_t kGrainPixels = 1 << 18;  // some 50 µs of smooth masks

// The sides of the runs of one mask in raster order: side 2r is the left one of run r, 2r + 1 its right one.
struct Sides {
  std::vector<std::int32_t> x;     // of the run's first or last pixel
  std::vector<std::int32_t> next;  // the side that follows on the border
  std::vector<std::int32_t> rows;  // first run of each row, and the number of runs

  std::int32_t left(std::int32_t run) const { return x[static_cast<std::size_t>(2 * run)]; }
  std::int32_t right(std::int32_t run) const { return x[static_cast<std::size_t>(2 * run + 1)]; }
};

void append_runs(const std::uint64_t* row, std::int64_t words, std::vector<std::int32_t>& x) {
  std::uint64_t before = 0;  // the pixel before the word
  for (std::int64_t j = 0; j < words; ++j) {
    const std::uint64_t word = row[j];
    std::uint64_t edges = word ^ (word << 1 | before);
    before = word >> 63;
    while (edges != 0) {
      const auto at = static_cast<std::int32_t>(64 * j + __builtin_ctzll(edges));
      x.push_back(x.size() % 2 == 0 ? at : at - 1);
      edges &= edges - 1;
    }
  }
  if (x.size() % 2 != 0) x.push_back(static_cast<std::int32_t>(64 * words - 1));
}

void find_sides(const Masks& masks, std::int64_t i, std::vector<std::uint64_t>& row, Sides& sides) {
  const auto pack = pack_rows().pack;
  const std::int64_t words = masks.words();
  row.resize(static_cast<std::size_t>(words));
  sides.x.clear();
  sides.rows.clear();
  for (std::int64_t y = 0; y < masks.h; ++y) {
    sides.rows.push_back(static_cast<std::int32_t>(sides.x.size() / 2));
    const std::uint64_t* bits = row.data();
    if (masks.packed) {
      bits = reinterpret_cast<const std::uint64_t*>(masks.mask(i)) + y * words;
    } else {
      pack(masks.mask(i) + y * masks.w, 1, masks.w, row.data());
    }
    append_runs(bits, words, sides.x);
  }
  sides.rows.push_back(static_cast<std::int32_t>(sides.x.size() / 2));
}

// Links the left sides of runs [begin, end) to what follows below, where the runs [below, below_end) lie.
void link_down(Sides& sides, std::int32_t begin, std::int32_t end, std::int32_t below, std::int32_t below_end) {
  for (std::int32_t r = begin; r < end; ++r) {
    const std::int32_t x = sides.left(r);
    while (below < below_end && sides.right(below) < x - 1) ++below;
    std::int32_t next = 2 * r + 1;
    if (below < below_end && sides.left(below) < x) {
      const bool closes_gap = r > begin && sides.left(below) <= sides.right(r - 1) + 1;
      next = closes_gap ? 2 * r - 1 : 2 * below;
    } else if (below < below_end && sides.left(below) <= sides.right(r) + 1) {
      next = 2 * below;
    }
    sides.next[static_cast<std::size_t>(2 * r)] = next;
  }
}

// Links the right sides of runs [begin, end) to what follows above, where the runs [above, above_end) lie.
void link_up(Sides& sides, std::int32_t begin, std::int32_t end, std::int32_t above, std::int32_t above_end) {
  for (std::int32_t r = begin; r < end; ++r) {
    const std::int32_t x = sides.right(r);
    while (above + 1 < above_end && sides.left(above + 1) <= x + 1) ++above;
    std::int32_t next = 2 * r;
    if (above < above_end && sides.left(above) <= x + 1) {
      if (sides.right(above) > x) {
        const bool closes_gap = r + 1 < end && sides.right(above) >= sides.left(r + 1) - 1;
        next = closes_gap ? 2 * r + 2 : 2 * above + 1;
      } else if (sides.right(above) >= sides.left(r) - 1) {
        next = 2 * above + 1;
      }
    }
    sides.next[static_cast<std::size_t>(2 * r + 1)] = next;
  }
}

void link(Sides& sides) {
  sides.next.resize(sides.x.size());
  const std::size_t rows = sides.rows.size() - 1;
  const auto first = [&](std::size_t y) { return sides.rows[std::min(y, rows)]; };
  for (std::size_t y = 0; y < rows; ++y) {
    link_down(sides, first(y), first(y + 1), first(y + 1), first(y + 2));
    link_up(sides, first(y), first(y + 1), y == 0 ? first(0) : first(y - 1), first(y));
  }
}

// Steps to a neighbour: east, then counter-clockwise as one sees it.
enum Direction : std::int8_t {
  kNone = -1,
  kEast,
  kNorthEast,
  kNorth,
  kNorthWest,
  kWest,
  kSouthWest,
  kSouth,
  kSouthEast
};

// Writes the points of a border while it goes.
class Pen {
 public:
  Pen(std::vector<std::int32_t>& points, std::int32_t x, std::int32_t y, bool simplify)
      : points_(points), begin_(points.size()), x_(x), y_(y), simplify_(simplify) {}

  void go(Direction direction, std::int32_t steps) {
    constexpr std::int32_t kDx[] = {1, 1, 0, -1, -1, -1, 0, 1}, kDy[] = {0, -1, -1, -1, 0, 1, 1, 1};
    if (steps <= 0) return;
    if (simplify_) {
      if (direction != last_) write();
    } else {
      write();
      for (std::int32_t i = 1; i < steps; ++i) {
        x_ += kDx[direction];
        write();
      }
      steps = 1;
    }
    if (first_ == kNone) first_ = direction;
    last_ = direction;
    x_ += steps * kDx[direction];
    y_ += steps * kDy[direction];
  }

  // Ends where the border began, and returns where its points begin.
  std::size_t close() {
    if (first_ == kNone) write();
    const bool passes_straight = simplify_ && first_ != kNone && first_ == last_;
    return begin_ + (passes_straight ? 2 : 0);
  }

 private:
  void write() {
    points_.push_back(x_);
    points_.push_back(y_);
  }

  std::vector<std::int32_t>& points_;
  std::size_t begin_;
  std::int32_t x_, y_;
  bool simplify_;
  Direction first_ = kNone, last_ = kNone;
};

// Goes from a left side at x to the next one at `to`.
void go_down(Pen& pen, std::int32_t side, std::int32_t x, std::int32_t next, std::int32_t to) {
  if (next == side + 1) {  // along the bottom
    pen.go(kEast, to - x);
    return;
  }
  if (next == side - 1) {  // through the gap to the run before
    pen.go(kSouthWest, 1);
    pen.go(kWest, x - to - 2);
    pen.go(kNorthWest, 1);
    return;
  }
  if (to == x) {
    pen.go(kSouth, 1);
  } else if (to < x) {
    pen.go(kSouthWest, 1);
    pen.go(kWest, x - to - 1);
  } else {
    pen.go(kEast, to - x - 1);
    pen.go(kSouthEast, 1);
  }
}

// The same from a right side.
void go_up(Pen& pen, std::int32_t side, std::int32_t x, std::int32_t next, std::int32_t to) {
  if (next == side - 1) {  // along the top
    pen.go(kWest, x - to);
    return;
  }
  if (next == side + 1) {  // through the gap to the run after
    pen.go(kNorthEast, 1);
    pen.go(kEast, to - x - 2);
    pen.go(kSouthEast, 1);
    return;
  }
  if (to == x) {
    pen.go(kNorth, 1);
  } else if (to > x) {
    pen.go(kNorthEast, 1);
    pen.go(kEast, to - x - 1);
  } else {
    pen.go(kWest, x - to - 1);
    pen.go(kNorthWest, 1);
  }
}

// Traces the borders of one mask.
class Tracer {
 public:
  void trace(const Masks& masks, std::int64_t i, bool tree, bool simplify, Borders& found) {
    find_sides(masks, i, row_, sides_);
    link(sides_);
    border_.assign(sides_.x.size(), -1);
    parents_.clear();
    const auto first = static_cast<std::int64_t>(found.begins.size());
    for (std::int64_t y = 0; y < masks.h; ++y) {
      const std::int32_t begin = sides_.rows[static_cast<std::size_t>(y)];
      const std::int32_t end = sides_.rows[static_cast<std::size_t>(y) + 1];
      bool inside = false;  // an external border
      for (std::int32_t r = begin; r < end; ++r) {
        const std::int32_t left = 2 * r, right = 2 * r + 1;
        if (of(left) < 0 && !inside) {
          const std::int32_t outer = tree && r > begin ? around(of(left - 1), true) : -1;
          walk(left, static_cast<std::int32_t>(y), outer, simplify, found);
        }
        if (tree) {
          if (of(right) < 0) walk(right, static_cast<std::int32_t>(y), around(of(left), false), simplify, found);
        } else {
          inside = (inside || of(left) >= 0) && of(right) < 0;
        }
      }
    }
    put_in_order(first, tree, found);
  }

 private:
  std::int32_t& of(std::int32_t side) { return border_[static_cast<std::size_t>(side)]; }

  // The parent of an outer border (or a hole's) that begins right after a side of this border.
  std::int32_t around(std::int32_t border, bool outer) const {
    const auto i = static_cast<std::size_t>(border);
    return is_hole_[i] == outer ? border : parents_[i];
  }

  void walk(std::int32_t start, std::int32_t y, std::int32_t parent, bool simplify, Borders& found) {
    const auto number = static_cast<std::int32_t>(parents_.size());
    parents_.push_back(parent);
    is_hole_.resize(parents_.size());
    is_hole_.back() = start % 2 == 1;
    std::int32_t x = sides_.x[static_cast<std::size_t>(start)];
    Pen pen(found.points, x, y, simplify);
    std::int32_t side = start;
    do {
      of(side) = number;
      const std::int32_t next = sides_.next[static_cast<std::size_t>(side)],
                         to = sides_.x[static_cast<std::size_t>(next)];
      if (side % 2 == 0) {
        go_down(pen, side, x, next, to);
      } else {
        go_up(pen, side, x, next, to);
      }
      side = next;
      x = to;
    } while (side != start);
    found.begins.push_back(static_cast<std::int64_t>(pen.close() / 2));
    found.ends.push_back(static_cast<std::int64_t>(found.points.size() / 2));
  }

  // Puts the borders from `first` on, which are in the order of their beginnings, in that of the tree.
  void put_in_order(std::int64_t first, bool tree, Borders& found) {
    const auto begins = found.begins.begin() + first, ends = found.ends.begin() + first;
    if (!tree) {
      std::reverse(begins, found.begins.end());
      std::reverse(ends, found.ends.end());
      return;
    }
    const std::size_t count = parents_.size();
    // Children of each border and, last, those without a parent: a later one comes before.
    std::vector<std::int32_t> children(count + 1, -1), siblings(count, -1), order, place(count);
    const auto children_of = [&](std::int32_t border) -> std::int32_t& {
      return children[border < 0 ? count : static_cast<std::size_t>(border)];
    };
    for (std::size_t i = 0; i < count; ++i) {
      siblings[i] = children_of(parents_[i]);
      children_of(parents_[i]) = static_cast<std::int32_t>(i);
    }
    order.reserve(count);
    for (std::int32_t border = children[count]; border >= 0;) {
      place[static_cast<std::size_t>(border)] = static_cast<std::int32_t>(order.size());
      order.push_back(border);
      std::int32_t following = children_of(border);
      while (following < 0 && border >= 0) {
        following = siblings[static_cast<std::size_t>(border)];
        border = parents_[static_cast<std::size_t>(border)];
      }
      border = following;
    }
    const auto placed = [&](std::int32_t border) { return border < 0 ? -1 : place[static_cast<std::size_t>(border)]; };
    const std::vector<std::int64_t> old_begins(begins, found.begins.end()), old_ends(ends, found.ends.end());
    const std::size_t tree_begin = found.tree.size();
    found.tree.resize(tree_begin + 4 * count, -1);
    std::int32_t* const entries = found.tree.data() + tree_begin;
    for (std::size_t k = 0; k < count; ++k) {
      const auto border = static_cast<std::size_t>(order[k]);
      begins[static_cast<std::ptrdiff_t>(k)] = old_begins[border];
      ends[static_cast<std::ptrdiff_t>(k)] = old_ends[border];
      const std::int32_t next = placed(siblings[border]);
      entries[4 * k] = next;
      if (next >= 0) entries[4 * next + 1] = static_cast<std::int32_t>(k);
      entries[4 * k + 2] = placed(children[border]);
      entries[4 * k + 3] = placed(parents_[border]);
    }
  }

  std::vector<std::uint64_t> row_;
  Sides sides_;
  std::vector<std::int32_t> border_;   // that each side lies on, or -1
  std::vector<std::int32_t> parents_;  // of each border
  std::vector<bool> is_hole_;
};

}  // namespace

Borders trace_borders(const Context&, const Masks& masks, bool tree, bool simplify) {
  check_mask_size("masks_to_polygons", masks.pixels());
  std::vector<Borders> parts(static_cast<std::size_t>(masks.n));
  if (masks.pixels() > 0) {
    const std::int64_t grain = std::max<std::int64_t>(1, kGrainPixels / masks.pixels());
    parallel_for(masks.n, grain, [&](std::int64_t begin, std::int64_t end) {
      Tracer tracer;
      for (std::int64_t i = begin; i < end; ++i) {
        tracer.trace(masks, i, tree, simplify, parts[static_cast<std::size_t>(i)]);
      }
    });
  }
  if (masks.n == 1) {
    parts[0].masks.push_back(static_cast<std::int64_t>(parts[0].begins.size()));
    return std::move(parts[0]);
  }
  Borders all;
  std::size_t points = 0;
  for (const Borders& part : parts) points += part.points.size();
  all.points.reserve(points);
  for (Borders& part : parts) {
    const auto before = static_cast<std::int64_t>(all.points.size() / 2);
    for (const std::int64_t begin : part.begins) all.begins.push_back(before + begin);
    for (const std::int64_t end : part.ends) all.ends.push_back(before + end);
    all.points.insert(all.points.end(), part.points.begin(), part.points.end());
    all.tree.insert(all.tree.end(), part.tree.begin(), part.tree.end());
    all.masks.push_back(static_cast<std::int64_t>(all.begins.size()));
    part = {};
  }
  return all;
}

}  // namespace rapidmask::cpu
