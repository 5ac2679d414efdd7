// What the two rules of filling share: the bits of a part of a mask that a polygon is drawn into.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "rapidmask/polygon.hpp"

namespace rapidmask::cpu {

// The vertices of one ring.
using Ring = std::span<const double>;

// The rings of one mask.
class MaskRings {
 public:
  MaskRings(const PolygonRings& polygons, std::int64_t mask)
      : polygons_(polygons),
        begin_(polygons.masks[static_cast<std::size_t>(mask)]),
        end_(polygons.masks[static_cast<std::size_t>(mask) + 1]) {}

  std::int64_t count() const { return end_ - begin_; }
  Ring ring(std::int64_t k) const {
    const auto i = static_cast<std::size_t>(begin_ + k);
    const auto first = static_cast<std::size_t>(polygons_.rings[i]),
               last = static_cast<std::size_t>(polygons_.rings[i + 1]);
    return Ring(polygons_.vertices).subspan(2 * first, 2 * (last - first));
  }

 private:
  const PolygonRings& polygons_;
  std::int64_t begin_, end_;
};

// Pixels [x0, x1) of rows [y0, y1).
struct Box {
  std::int64_t x0, y0, x1, y1;

  bool empty() const { return x0 >= x1 || y0 >= y1; }
};

// A part of a mask as bits: rows of whole words, of which the first begins at a column that is a multiple of 64.
class Canvas {
 public:
  // Clears a canvas for a box within the mask.
  void reset(const Box& box) {
    x0_ = box.x0 / 64 * 64;
    y0_ = box.y0;
    words_ = (box.x1 - x0_ + 63) / 64;
    height_ = box.y1 - box.y0;
    bits_.assign(static_cast<std::size_t>(words_ * height_), 0);
  }

  std::int64_t x0() const { return x0_; }
  std::int64_t y0() const { return y0_; }
  std::int64_t words() const { return words_; }
  std::int64_t height() const { return height_; }
  std::uint64_t* row(std::int64_t y) { return bits_.data() + (y - y0_) * words_; }  // of the mask's row y

  void set(std::int64_t x, std::int64_t y) { row(y)[(x - x0_) / 64] |= bit(x); }
  void toggle(std::int64_t x, std::int64_t y) { row(y)[(x - x0_) / 64] ^= bit(x); }

 private:
  static std::uint64_t bit(std::int64_t x) { return std::uint64_t{1} << (x % 64); }

  std::vector<std::uint64_t> bits_;
  std::int64_t x0_ = 0, y0_ = 0, words_ = 0, height_ = 0;
};

// Pixels [begin, end) of a mask, counted column by column.
struct Span {
  std::int64_t begin, end;
};

// A thread's memory, which the next mask uses again.
struct FillMemory {
  Canvas covered, toggles;
  std::vector<std::int32_t> grid;       // vertices of a ring on the grid of the rule
  std::vector<std::int32_t> edges;      // of a ring
  std::vector<std::int32_t> cursors;    // of each column
  std::vector<std::int32_t> crossings;  // rows
  std::vector<Span> spans;
  std::vector<std::uint32_t> counts;  // of a mask
  std::string text;                   // the same as COCO's string
};

namespace coco {
// Sets the pixels of `canvas` that the rings cover, and returns false where they cover none.
bool fill(const MaskRings& rings, std::int64_t h, std::int64_t w, FillMemory& memory);
// Appends the run lengths of the mask.
void fill_rle(const MaskRings& rings, std::int64_t h, std::int64_t w, FillMemory& memory,
              std::vector<std::uint32_t>& counts);
}  // namespace coco

namespace opencv {
// As of coco, with all rows of the mask where `whole_columns`.
bool fill(const MaskRings& rings, std::int64_t h, std::int64_t w, bool whole_columns, FillMemory& memory);
}  // namespace opencv

}  // namespace rapidmask::cpu
