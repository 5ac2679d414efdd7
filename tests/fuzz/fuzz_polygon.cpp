// Polygons: COCO's rule against its walk over a fine grid, every form of the result by both rules, and borders followed
// back: each pixel of an external border is foreground, and what the borders of a tree enclose is the mask.

#include <algorithm>
#include <cmath>

#include "rapidmask/polygon.hpp"
#include "runs.hpp"

namespace rapidmask::fuzz {
namespace {

double any_coordinate(Input& input, std::int64_t extent) {
  switch (input.below(8)) {
    case 0: return input.pick({0.0, -0.0, -0.1, 0.1, 0.3, 0.5, -0.5, 0.7, 1e-300, kMaxCoordinate, -kMaxCoordinate});
    case 1: return static_cast<double>(extent) + input.pick({0.0, -1.0, -0.5, 0.5, 1.0, -0.1, 0.1});
    case 2: return static_cast<double>(input.between(-3 * extent, 4 * extent)) / 2;
    case 3: return static_cast<double>(static_cast<std::int32_t>(input.bits(4))) / 64 / 4;
    default: return static_cast<double>(input.below(65536)) / 65536 * static_cast<double>(extent + 2) - 1;
  }
}

// Wherever the walk crosses the centre of a column, it toggles the column from some row on.
Bytes fill_literally(const PolygonRings& polygons, std::int64_t h, std::int64_t w) {
  const auto n = static_cast<std::size_t>(polygons.count());
  Bytes masks(n * static_cast<std::size_t>(h * w));
  for (std::size_t i = 0; i < n; ++i) {
    for (auto ring = polygons.masks[i]; ring < polygons.masks[i + 1]; ++ring) {
      const std::int64_t begin = polygons.rings[static_cast<std::size_t>(ring)],
                         end = polygons.rings[static_cast<std::size_t>(ring) + 1];
      if (end - begin < 3) continue;
      const auto fine = [&](std::int64_t vertex, int axis) {
        return static_cast<std::int64_t>(5 * polygons.vertices[static_cast<std::size_t>(2 * vertex + axis)] + 0.5);
      };
      Bytes covered(static_cast<std::size_t>(h * w));
      std::int64_t u_before = 0, v_before = 0;
      bool begun = false;
      const auto visit = [&](std::int64_t u, std::int64_t v) {
        const std::int64_t twice = std::min(u, u_before) - 2;
        if (begun && u != u_before && twice % 5 == 0 && twice / 5 >= 0 && twice / 5 < w) {
          const auto row = static_cast<std::int64_t>(std::ceil(static_cast<double>(std::min(v, v_before) - 2) / 5));
          for (std::int64_t y = std::max<std::int64_t>(0, row); y < h; ++y)
            covered[static_cast<std::size_t>(y * w + twice / 5)] ^= 1;
        }
        begun = true, u_before = u, v_before = v;
      };
      for (std::int64_t a = begin; a < end; ++a) {
        const std::int64_t b = a + 1 == end ? begin : a + 1;
        std::int64_t u0 = fine(a, 0), v0 = fine(a, 1), u1 = fine(b, 0), v1 = fine(b, 1);
        const std::int64_t du = std::abs(u1 - u0), dv = std::abs(v1 - v0), steps = std::max(du, dv);
        const bool flat = du >= dv, turned = flat ? u0 > u1 : v0 > v1;
        if (turned) std::swap(u0, u1), std::swap(v0, v1);
        const double slope =
            steps == 0 ? 0 : static_cast<double>(flat ? v1 - v0 : u1 - u0) / static_cast<double>(steps);
        for (std::int64_t k = 0; k <= steps; ++k) {
          const std::int64_t t = turned ? steps - k : k;
          const auto aside = [&](std::int64_t from) {
            return static_cast<std::int64_t>(static_cast<double>(from) + slope * static_cast<double>(t) + 0.5);
          };
          flat ? visit(u0 + t, aside(v0)) : visit(aside(u0), v0 + t);
        }
      }
      for (std::size_t k = 0; k < covered.size(); ++k) masks[i * covered.size() + k] |= covered[k];
    }
  }
  return masks;
}

void fill(Input& input) {
  const FillRule rule = input.flag() ? FillRule::coco : FillRule::opencv;
  const std::int64_t h = input.extent(120), w = input.extent_beside(h, 260, 8000);
  const bool huge = input.byte() % 8 == 0;
  PolygonRings given;
  for (std::int64_t n = input.below(4); n > 0; --n) {
    for (std::int64_t rings = input.flag() ? 1 : input.below(5); rings > 0; --rings) {
      for (std::int64_t count = input.below(input.flag() ? 8 : 40); count > 0; --count) {
        for (const std::int64_t extent : {w, h}) {
          double x = any_coordinate(input, extent);
          if (!huge) x = std::fmod(x, 3000.0);
          given.vertices.push_back(x);
        }
      }
      given.rings.push_back(static_cast<std::int64_t>(given.vertices.size() / 2));
    }
    given.masks.push_back(static_cast<std::int64_t>(given.rings.size()) - 1);
  }
  given.vertices.shrink_to_fit(), given.rings.shrink_to_fit(), given.masks.shrink_to_fit();
  const std::int64_t n = given.count();
  const auto drawn = at_every_level("filled polygons", [&] {
    MaskArray own(false, n, 1, h, w);
    std::fill(own.dense.begin(), own.dense.end(), std::uint8_t{0});
    cpu::fill_polygons({}, given, rule, own.result());
    return own;
  });
  const Bytes pixels(drawn.dense.begin(), drawn.dense.end());
  expect(std::all_of(pixels.begin(), pixels.end(), [](std::uint8_t x) { return x < 2; }), "pixels of 0 and 1");
  if (rule == FillRule::coco && !huge) expect(pixels == fill_literally(given, h, w), "pixels by COCO's rule");
  const Runs wanted = runs_of(pixels, n, h, w);
  at_every_level("filled bits", [&] {
    MaskArray own(true, n, 1, h, w);
    std::fill(own.words.begin(), own.words.end(), std::uint64_t{0});
    cpu::fill_polygons({}, given, rule, own.result());
    expect(own.is(pixels), "packed polygons");
    expect(found(cpu::fill_polygons_rle({}, given, rule, h, w)) == wanted, "runs of polygons");
    const auto texts = cpu::fill_polygons_strings({}, given, rule, h, w);
    expect(static_cast<std::int64_t>(texts.size()) == n, "as many strings as polygons");
    for (std::size_t i = 0; i < texts.size(); ++i) {
      Array<std::uint32_t> counts(static_cast<std::int64_t>(texts[i].size()));
      const std::int64_t count = rle_from_string("fuzz", texts[i], counts.data());
      const Counts own_counts(counts.data(), counts.data() + count);
      const Counts expected(wanted.counts.begin() + wanted.offsets[i], wanted.counts.begin() + wanted.offsets[i + 1]);
      expect(own_counts == expected, "strings of polygons");
    }
    return true;
  });
}

struct FoundBorders {
  Borders borders;

  bool operator==(const FoundBorders& other) const {
    const Borders &a = borders, &b = other.borders;
    if (a.masks != b.masks || a.tree != b.tree || a.begins.size() != b.begins.size()) return false;
    for (std::size_t k = 0; k < a.begins.size(); ++k) {
      const auto *first = a.points.data() + 2 * a.begins[k], *last = a.points.data() + 2 * a.ends[k];
      if (!std::equal(first, last, b.points.data() + 2 * b.begins[k], b.points.data() + 2 * b.ends[k])) return false;
    }
    return true;
  }
};

void trace(Input& input) {
  const bool packed = input.flag();
  const std::uint8_t foreground = foreground_byte(input);
  const std::int64_t n = input.below(3), h = input.extent(90), w = input.extent_beside(h, 260, 6000);
  const Bytes pixels = mask_pixels(input, n, h, w);
  const MaskArray masks(pixels, packed, n, 1, h, w, foreground);
  for (const bool tree : {false, true}) {
    for (const bool simplify : {false, true}) {
      const auto [found] =
          at_every_level("borders", [&] { return FoundBorders{cpu::trace_borders({}, masks.view(), tree, simplify)}; });
      expect(static_cast<std::int64_t>(found.masks.size()) == n + 1 && found.masks[0] == 0, "offsets of masks");
      expect(found.masks.back() == static_cast<std::int64_t>(found.begins.size()), "as many borders as are said");
      Bytes touched(pixels.size());
      for (std::int64_t i = 0; i < n; ++i) {
        for (auto k = found.masks[static_cast<std::size_t>(i)]; k < found.masks[static_cast<std::size_t>(i) + 1]; ++k) {
          const std::int64_t begin = found.begins[static_cast<std::size_t>(k)],
                             end = found.ends[static_cast<std::size_t>(k)];
          expect(begin < end && end <= static_cast<std::int64_t>(found.points.size() / 2), "points of a border");
          for (std::int64_t p = begin; p < end; ++p) {
            const std::int64_t x = found.points[static_cast<std::size_t>(2 * p)],
                               y = found.points[static_cast<std::size_t>(2 * p + 1)];
            expect(x >= 0 && x < w && y >= 0 && y < h, "a point in the image");
            const auto at = static_cast<std::size_t>((i * h + y) * w + x);
            expect(pixels[at] != 0, "a point on the foreground");
            touched[at] = 1;
            const std::int64_t q = p + 1 == end ? begin : p + 1;
            const std::int64_t dx = std::abs(found.points[static_cast<std::size_t>(2 * q)] - x),
                               dy = std::abs(found.points[static_cast<std::size_t>(2 * q + 1)] - y);
            expect(simplify ? dx == dy || dx == 0 || dy == 0 : dx <= 1 && dy <= 1, "a step from pixel to pixel");
          }
        }
      }
      if (!tree || simplify) continue;
      // Every foreground pixel with a neighbour (of 4) that is background, or outside, is on a border.
      for (std::int64_t k = 0; k < n * h * w; ++k) {
        const std::int64_t y = k / w % h, x = k % w;
        const auto at = static_cast<std::size_t>(k), row = static_cast<std::size_t>(w);
        const bool inner = y > 0 && y + 1 < h && x > 0 && x + 1 < w && pixels[at - 1] != 0 && pixels[at + 1] != 0 &&
                           pixels[at - row] != 0 && pixels[at + row] != 0;
        if (pixels[at] != 0) expect(touched[at] == !inner || inner, "a pixel at the edge on a border");
      }
      PolygonRings rings;
      for (std::size_t i = 0; i + 1 < found.masks.size(); ++i) {
        for (auto k = found.masks[i]; k < found.masks[i + 1]; ++k) {
          for (auto p = 2 * found.begins[static_cast<std::size_t>(k)]; p < 2 * found.ends[static_cast<std::size_t>(k)];
               ++p)
            rings.vertices.push_back(found.points[static_cast<std::size_t>(p)]);
          rings.rings.push_back(static_cast<std::int64_t>(rings.vertices.size() / 2));
        }
        rings.masks.push_back(static_cast<std::int64_t>(rings.rings.size()) - 1);
      }
      MaskArray again(packed, n, 1, h, w);
      std::fill(again.dense.begin(), again.dense.end(), std::uint8_t{0});
      std::fill(again.words.begin(), again.words.end(), std::uint64_t{0});
      cpu::fill_polygons({}, rings, FillRule::opencv, again.result());
      expect(again.is(pixels), "what the borders enclose");
    }
  }
}

}  // namespace

void run(Input& input) { input.flag() ? fill(input) : trace(input); }

}  // namespace rapidmask::fuzz
