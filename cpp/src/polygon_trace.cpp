// The borders of masks, from the sides of their runs.
//
// A run, a horizontal stretch of foreground, has a left and a right side, and each side lies on one border. Where a
// border goes after a side follows from the runs of two rows alone: down from a left side it comes to
// - the left side of a run of the row below, straight, diagonally or along the top or bottom of either run;
// - the right side of the run before, where a run below closes the gap between the two; or
// - the right side of the same run, along its bottom;
// and up from a right side likewise, turned by half. So a walk from side to side gives a border at the cost of a side,
// not of a pixel: OpenCV's algorithm looks at the neighbours of every pixel of a border and writes its marks into a
// copy of the mask.

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "component_masks.hpp"
#include "isa/pack_rows.hpp"
#include "isa/polygon_rows.hpp"
#include "rapidmask/components.hpp"
#include "rapidmask/polygon.hpp"

namespace rapidmask::cpu {
namespace {

// The runs of one mask in raster order. Side 2r is the left one of run r, 2r + 1 its right one.
class Runs {
 public:
  void find(const Masks& masks, std::int64_t i);

  std::int32_t left(std::int32_t run) const { return runs_[static_cast<std::size_t>(run)].x[0]; }
  std::int32_t right(std::int32_t run) const { return runs_[static_cast<std::size_t>(run)].x[1]; }
  // The border that a side lies on, or -1.
  std::int32_t& border(std::int32_t side) { return runs_[static_cast<std::size_t>(side / 2)].border[side % 2]; }
  // The first run of row y, from -1 to h + 1; there are none in rows -1 and h.
  std::int32_t first(std::int64_t y) const { return rows_[static_cast<std::size_t>(y + 1)]; }
  // The first run of row y that ends after x, and the first that begins after x; that of the next row if none does.
  std::int32_t first_ending_after(std::int64_t y, std::int32_t x) { return find_after<1>(y, x); }
  std::int32_t first_beginning_after(std::int64_t y, std::int32_t x) { return find_after<0>(y, x); }

 private:
  // The first run of row y of which a side lies after x.
  template <int kSide>
  std::int32_t find_after(std::int64_t y, std::int32_t x) {
    const auto is_after = [&](std::int32_t run) { return runs_[static_cast<std::size_t>(run)].x[kSide] > x; };
    std::int32_t& near = near_[kSide][static_cast<std::size_t>(y + 1)];
    const std::int32_t begin = first(y), end = first(y + 1);
    if ((near == end || is_after(near)) && (near == begin || !is_after(near - 1))) return near;
    return near = search(kSide, near, begin, end, x);
  }
  std::int32_t search(int side, std::int32_t near, std::int32_t begin, std::int32_t end, std::int32_t x) const;

  std::vector<std::uint64_t> band_;  // rows of words, with a word of zeros before and after each
  std::vector<std::int32_t> edges_;
  std::vector<BorderRun> runs_;  // and memory for more
  std::vector<std::int32_t> rows_;
  std::vector<std::int32_t> near_[2];  // what was found last in each row: along a border, that or the next one is found
};

void Runs::find(const Masks& masks, std::int64_t i) {
  constexpr std::int64_t kBandWords = 256;
  const auto pack = pack_rows().pack;
  const auto list_runs = polygon_rows().list_runs;
  const std::int64_t words = masks.words(), stride = words + 1;
  const std::int64_t band_rows = std::clamp<std::int64_t>(kBandWords / stride, 1, masks.h);
  band_.assign(static_cast<std::size_t>(1 + band_rows * stride + kSidesSlack), 0);
  rows_.assign(static_cast<std::size_t>(masks.h + 3), 0);
  edges_.resize(static_cast<std::size_t>(64 * band_rows * stride));
  std::size_t runs = 0;
  for (std::int64_t y = 0; y < masks.h; y += band_rows) {
    const std::int64_t rows = std::min(band_rows, masks.h - y);
    for (std::int64_t k = 0; k < rows; ++k) {
      std::uint64_t* const row = band_.data() + 1 + k * stride;
      if (masks.packed) {
        std::memcpy(row, masks.mask(i) + 8 * (y + k) * words, static_cast<std::size_t>(8 * words));
      } else {
        pack(masks.mask(i) + (y + k) * masks.w, 1, masks.w, row);
      }
    }
    const std::size_t most = runs + edges_.size() / 2;
    if (runs_.size() < most) runs_.resize(std::max(most, runs_.size() + runs_.size() / 2));
    runs += static_cast<std::size_t>(
        list_runs(band_.data() + 1, rows * stride, stride, edges_.data(), runs_.data() + runs, rows_.data() + y + 2));
  }
  for (std::size_t k = 1; k < rows_.size(); ++k) rows_[k] += rows_[k - 1];
  near_[1] = rows_;
  near_[0].assign(rows_.begin() + 1, rows_.end());
}

[[gnu::noinline]] std::int32_t Runs::search(int side, std::int32_t near, std::int32_t begin, std::int32_t end,
                                            std::int32_t x) const {
  constexpr int kPatience = 8;
  const auto is_after = [&](std::int32_t run) { return runs_[static_cast<std::size_t>(run)].x[side] > x; };
  if (near < end && !is_after(near)) {
    begin = near + 1;
    for (int i = 0; i < kPatience; ++i, ++begin) {
      if (begin == end || is_after(begin)) return begin;
    }
  } else {
    end = near;
    for (int i = 0; i < kPatience; ++i, --end) {
      if (end == begin || !is_after(end - 1)) return end;
    }
  }
  while (begin < end) {
    const std::int32_t middle = begin + (end - begin) / 2;
    if (is_after(middle)) {
      end = middle;
    } else {
      begin = middle + 1;
    }
  }
  return begin;
}

// Steps to a neighbour: east, then counter-clockwise as one sees it.
enum Direction : int { kEast, kNorthEast, kNorth, kNorthWest, kWest, kSouthWest, kSouth, kSouthEast, kNone };

// Writes the points of a border while it goes.
template <bool kSimplify>
class Pen {
 public:
  Pen(std::vector<std::int32_t>& points, std::size_t begin, std::int32_t x, std::int32_t y)
      : points_(points), begin_(begin), at_(begin), x_(x), y_(y) {}

  std::int32_t x() const { return x_; }
  std::int32_t y() const { return y_; }

  // One row down (1) or up (-1), and aside by -1, 0 or 1.
  void step(std::int32_t aside, std::int32_t down) {
    write(down > 0 ? kSouth + aside : kNorth - aside);
    x_ += aside;
    y_ += down;
  }

  void go_to(std::int32_t x) {
    if (x == x_) return;
    const std::int32_t aside = x > x_ ? 1 : -1;
    if (kSimplify) {
      write(aside > 0 ? kEast : kWest);
      x_ = x;
    }
    for (; x_ != x; x_ += aside) write(kNone);
  }

  // Ends where the border began: its points are those from begin() to end().
  void close() {
    if (at_ == begin_) {  // a single pixel
      last_ = kEast;
      write(kNone);
    }
    if (kSimplify && first_ == last_ && at_ > begin_ + 2) begin_ += 2;
  }
  std::size_t begin() const { return begin_; }
  std::size_t end() const { return at_; }

 private:
  // Without branches on the direction, which would be mispredicted.
  void write(int direction) {
    if (at_ + 2 > points_.size()) points_.resize(2 * at_ + 1024);
    points_[at_] = x_;
    points_[at_ + 1] = y_;
    at_ += !kSimplify || direction != last_ ? 2 : 0;
    first_ = first_ == kNone ? direction : first_;
    last_ = direction;
  }

  std::vector<std::int32_t>& points_;
  std::size_t begin_, at_;
  std::int32_t x_, y_;
  int first_ = kNone, last_ = kNone;
};

// Goes from the left side of a run to the next side, and returns that. Mostly it is one row down and one pixel aside:
// that way has no branch on where.
template <class SomePen>
inline std::int32_t go_down(Runs& runs, std::int32_t run, SomePen& pen) {
  const std::int32_t x = pen.x(), y = pen.y();
  const std::int32_t below = runs.first_ending_after(y + 1, x - 2);
  const std::int32_t to = below < runs.first(y + 2) ? runs.left(below) : INT32_MAX;
  if (to > runs.right(run) + 1) {  // along the bottom
    pen.go_to(runs.right(run));
    return 2 * run + 1;
  }
  if (run > runs.first(y) && to <= runs.right(run - 1) + 1) {  // the gap to the run before is closed
    pen.step(-1, 1);
    pen.go_to(runs.right(run - 1) + 1);
    pen.step(-1, -1);
    return 2 * run - 1;
  }
  if (to > x + 1) pen.go_to(to - 1);
  pen.step(std::clamp(to - pen.x(), -1, 1), 1);
  if (to < x - 1) pen.go_to(to);
  return 2 * below;
}

// The same from a right side.
template <class SomePen>
inline std::int32_t go_up(Runs& runs, std::int32_t run, SomePen& pen) {
  const std::int32_t x = pen.x(), y = pen.y();
  const std::int32_t above = runs.first_beginning_after(y - 1, x + 1) - 1;
  const std::int32_t to = above >= runs.first(y - 1) ? runs.right(above) : INT32_MIN;
  if (to < runs.left(run) - 1) {  // along the top
    pen.go_to(runs.left(run));
    return 2 * run;
  }
  if (run + 1 < runs.first(y + 1) && to >= runs.left(run + 1) - 1) {  // the gap to the next run is closed
    pen.step(1, -1);
    pen.go_to(runs.left(run + 1) - 1);
    pen.step(1, 1);
    return 2 * run + 2;
  }
  if (to < x - 1) pen.go_to(to + 1);
  pen.step(std::clamp(to - pen.x(), -1, 1), -1);
  if (to > x + 1) pen.go_to(to);
  return 2 * above + 1;
}

// Traces the borders of one mask after the other.
class Tracer {
 public:
  void trace(const Masks& masks, std::int64_t i, bool tree, bool simplify, Borders& found) {
    runs_.find(masks, i);
    parents_.clear();
    is_hole_.clear();
    used_ = 0;
    for (std::int64_t y = 0; y < masks.h; ++y) {
      const std::int32_t begin = runs_.first(y), end = runs_.first(y + 1);
      bool inside = false;  // an external border
      for (std::int32_t r = begin; r < end; ++r) {
        const std::int32_t left = 2 * r, right = 2 * r + 1;
        if (runs_.border(left) < 0 && !inside) {
          const std::int32_t parent = tree && r > begin ? around(runs_.border(left - 1), true) : -1;
          start(left, static_cast<std::int32_t>(y), parent, simplify, found);
        }
        if (tree) {
          if (runs_.border(right) < 0)
            start(right, static_cast<std::int32_t>(y), around(runs_.border(left), false), simplify, found);
        } else {
          inside = (inside || runs_.border(left) >= 0) && runs_.border(right) < 0;
        }
      }
    }
    found.points.assign(points_.begin(), points_.begin() + static_cast<std::ptrdiff_t>(used_));
    put_in_order(tree, found);
  }

 private:
  // The parent of an outer border, or of a hole's, that begins right after a side of this border.
  std::int32_t around(std::int32_t border, bool outer) const {
    const auto i = static_cast<std::size_t>(border);
    return (is_hole_[i] != 0) == outer ? border : parents_[i];
  }

  void start(std::int32_t side, std::int32_t y, std::int32_t parent, bool simplify, Borders& found) {
    simplify ? walk<true>(side, y, found) : walk<false>(side, y, found);
    parents_.push_back(parent);
    is_hole_.push_back(side % 2);
  }

  template <bool kSimplify>
  void walk(std::int32_t first, std::int32_t y, Borders& found) {
    const auto number = static_cast<std::int32_t>(parents_.size());
    Pen<kSimplify> pen(points_, used_, first % 2 == 0 ? runs_.left(first / 2) : runs_.right(first / 2), y);
    std::int32_t side = first;
    do {
      runs_.border(side) = number;
      side = side % 2 == 0 ? go_down(runs_, side / 2, pen) : go_up(runs_, side / 2, pen);
    } while (side != first);
    pen.close();
    used_ = pen.end();
    found.begins.push_back(static_cast<std::int64_t>(pen.begin() / 2));
    found.ends.push_back(static_cast<std::int64_t>(pen.end() / 2));
  }

  // Puts the borders which are in the order of their beginnings, in that of the tree.
  void put_in_order(bool tree, Borders& found) {
    const auto begins = found.begins.begin(), ends = found.ends.begin();
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

  Runs runs_;
  std::vector<std::int32_t> parents_;  // of each border
  std::vector<std::uint8_t> is_hole_;
  std::vector<std::int32_t> points_;
  std::size_t used_ = 0;  // of the points
};

}  // namespace

Borders trace_borders(const Context&, const Masks& masks, bool tree, bool simplify) {
  // Sides are counted in 32 bits, and a row of an odd width may have one run more than half of its pixels.
  check_mask_size("masks_to_polygons", masks.h * (masks.w + masks.w % 2));
  std::vector<Borders> parts(static_cast<std::size_t>(masks.n));
  // Behind a pointer: of an object that is a thread's own, the compiler would ask the system for the address at every
  // side, which was a tenth of the time.
  using Kept = std::unique_ptr<Tracer>;
  for_each_mask<Kept>(masks.n, masks.d * masks.h, masks.pixels(), [&](std::int64_t i, Kept& tracer, bool) {
    if (!tracer) tracer = std::make_unique<Tracer>();
    tracer->trace(masks, i, tree, simplify, parts[static_cast<std::size_t>(i)]);
  });
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
