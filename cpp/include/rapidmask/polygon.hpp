// Polygons to masks, and the borders of masks as polygons.
//
// A mask may be drawn by one of two rules. Vertices are (x, y); ring k of the batch closes from its last vertex to its
// first. No coordinate is larger than kMaxCoordinate, and none is NaN.
//
// COCO's rule (pycocotools 2.0.11, `frPyObjects` and `merge`). A mask is the union of its rings. Vertices are put on a
// grid five times as fine, u = trunc(5x + 0.5), and the ring walks over that grid from vertex to vertex, along the
// longer axis in steps of one. Wherever it steps between u = 5c + 2 and 5c + 3, it crosses the centre of
// column c: the lower of the two v there, rounded up to a whole pixel, (v + 2) / 5 cut to [0, h], toggles the pixels of
// the column from that row on. A ring of fewer than three vertices covers nothing.
//
// OpenCV's rule (`fillPoly` of 4.14 and 5.0, of all rings of a mask at once, 8-connected, no fraction bits). Vertices
// are pixels: those between them are rounded half to even. A mask is what the rings enclose an odd number of times, and
// the rings themselves:
// - Each edge is drawn as a line of 8-connected pixels, cut to the image first (`clip_line` of polygon_opencv.cpp).
// - In row y, an edge from row y0 to y1 > y0 lies at x = x0 + (y - y0)·slope for y0 <= y < y1, in units of 2^-16 with
//   the slope rounded towards zero. With the crossings of a row in order, the pixels whose centres are from the first
//   to the second, from the third to the fourth and so on are covered, ends included: those with an odd number of
//   crossings at or before them, and those that a crossing meets.
// - Where an end is outside of the image, x and slope are those of the line through the ends of what `clip_line` left:
//   an upright one through their columns where both are in one row.
//
// Borders are those of Suzuki and Abe, Topological structural analysis of digitized binary images by border following
// (1985), as OpenCV's `findContours` gives them. Foreground connects by 8, background by 4. A border runs between a
// component and a component of the background around it (outer border) or inside it (hole border), over the pixels of
// the component: with the foreground on the left as one sees it, down along left sides and up along right sides, so
// that outer borders turn counter-clockwise. An outer border begins with its first pixel in raster order, a hole border
// with the pixel to the left of the hole's first. A pixel appears once for every time that the border passes through
// it. A simplified border keeps those where its direction changes, and a single pixel.
//
// The parent of a border is the next one around it: the outer border of the component for a hole, the hole that the
// component lies in for an outer border. Borders come in the order in which a walk through the tree meets them, parents
// before children, siblings last one first in the raster order of their beginnings; the external ones are the outer
// borders without a parent, in that order.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "rapidmask/context.hpp"
#include "rapidmask/rle.hpp"
#include "rapidmask/types.hpp"

namespace rapidmask {

// COCO's rule computes with five times a coordinate's differences in 32 bits.
inline constexpr double kMaxCoordinate = 1 << 27;

enum class FillRule : std::uint8_t { coco, opencv };

// Rings of n masks: those of mask i are rings masks[i] to masks[i + 1], ring k has the vertices rings[k] to
// rings[k + 1], each of two coordinates.
struct PolygonRings {
  std::vector<double> vertices;
  std::vector<std::int64_t> rings{0};
  std::vector<std::int64_t> masks{0};

  std::int64_t count() const { return static_cast<std::int64_t>(masks.size()) - 1; }
};

// Borders of n masks: those of mask i are borders masks[i] to masks[i + 1] in the order above, border k has the points
// begins[k] to ends[k] of x and y. `tree` has four indices for each border, within its mask: the next and the previous
// sibling, the first child and the parent, or -1; none where only external borders were asked for.
struct Borders {
  std::vector<std::int32_t> points;
  std::vector<std::int64_t> begins, ends;
  std::vector<std::int64_t> masks{0};
  std::vector<std::int32_t> tree;
};

namespace cpu {
// Draws into masks of zeros; `masks.n` is the number of masks.
void fill_polygons(const Context&, const PolygonRings& polygons, FillRule rule, const MutableMasks& masks);
RunLengths fill_polygons_rle(const Context&, const PolygonRings& polygons, FillRule rule, std::int64_t h,
                             std::int64_t w);
// The same as COCO's strings, mask by mask.
std::vector<std::string> fill_polygons_strings(const Context&, const PolygonRings& polygons, FillRule rule,
                                               std::int64_t h, std::int64_t w);
Borders trace_borders(const Context&, const Masks& masks, bool tree, bool simplify);
}  // namespace cpu

}  // namespace rapidmask
