// Polygons on the CPU: mask by mask over the pool, from the bits that a rule gives to the form that was asked for.

#include "rapidmask/polygon.hpp"

#include <cstring>

#include "isa/pack_rows.hpp"
#include "parallel.hpp"
#include "polygon_fill.hpp"

namespace rapidmask::cpu {
namespace {

constexpr std::int64_t kGrainVertices = 1 << 12;  // some 50 µs of edges

// Calls body(i, memory) for each mask.
template <class Body>
void for_each_polygon(const PolygonRings& polygons, const Body& body) {
  const std::int64_t n = polygons.count();
  const std::int64_t vertices = polygons.rings.back() + 1;
  parallel_for(n, std::max<std::int64_t>(1, kGrainVertices * n / vertices), [&](std::int64_t begin, std::int64_t end) {
    FillMemory memory;
    for (std::int64_t i = begin; i < end; ++i) body(i, memory);
  });
}

void copy_out(Canvas& canvas, const MutableMasks& masks, std::int64_t i) {
  const std::int64_t x0 = canvas.x0(), words = canvas.words(), y1 = canvas.y0() + canvas.height();
  if (masks.packed) {
    std::uint64_t* const mask = masks.bits().image(i);
    for (std::int64_t y = canvas.y0(); y < y1; ++y) {
      std::memcpy(mask + y * masks.words() + x0 / 64, canvas.row(y), static_cast<std::size_t>(8 * words));
    }
    return;
  }
  const auto unpack = pack_rows().unpack;
  const std::int64_t width = std::min(64 * words, masks.w - x0);
  for (std::int64_t y = canvas.y0(); y < y1; ++y) unpack(canvas.row(y), 1, width, masks.mask(i) + y * masks.w + x0);
}

// The runs of a canvas that has all rows of a mask of h·w pixels, with the background around it.
void append_runs(const Context& context, Canvas& canvas, std::int64_t h, std::int64_t w,
                 std::vector<std::uint32_t>& counts) {
  const std::int64_t columns = std::min(64 * canvas.words(), w - canvas.x0());
  const FoundRuns runs = rle_encode(context, ConstPackedMasks{canvas.row(0), 1, h, columns});
  counts.resize(static_cast<std::size_t>(runs.offsets().back()));
  runs.write(counts.data());
  const std::int64_t after = (w - canvas.x0() - columns) * h;
  counts[0] += static_cast<std::uint32_t>(canvas.x0() * h);
  if (after == 0) return;
  if (counts.size() % 2 == 0) counts.push_back(0);
  counts.back() += static_cast<std::uint32_t>(after);
}

// Appends the runs of a mask to `counts`, which are empty.
void fill_runs(const Context& context, const MaskRings& rings, FillRule rule, std::int64_t h, std::int64_t w,
               FillMemory& memory, std::vector<std::uint32_t>& counts) {
  if (h * w == 0) return;
  if (rule == FillRule::coco) {
    coco::fill_rle(rings, h, w, memory, counts);
  } else if (opencv::fill(rings, h, w, true, memory)) {
    append_runs(context, memory.covered, h, w, counts);
  } else {
    counts.push_back(static_cast<std::uint32_t>(h * w));
  }
}

}  // namespace

void fill_polygons(const Context&, const PolygonRings& polygons, FillRule rule, const MutableMasks& masks) {
  if (masks.pixels() == 0) return;
  for_each_polygon(polygons, [&](std::int64_t i, FillMemory& memory) {
    const MaskRings rings(polygons, i);
    const bool covers = rule == FillRule::coco ? coco::fill(rings, masks.h, masks.w, memory)
                                               : opencv::fill(rings, masks.h, masks.w, false, memory);
    if (covers) copy_out(memory.covered, masks, i);
  });
}

RunLengths fill_polygons_rle(const Context& context, const PolygonRings& polygons, FillRule rule, std::int64_t h,
                             std::int64_t w) {
  std::vector<std::vector<std::uint32_t>> masks(static_cast<std::size_t>(polygons.count()));
  for_each_polygon(polygons, [&](std::int64_t i, FillMemory& memory) {
    fill_runs(context, MaskRings(polygons, i), rule, h, w, memory, masks[static_cast<std::size_t>(i)]);
  });
  RunLengths all;
  all.offsets.reserve(masks.size() + 1);
  all.offsets.push_back(0);
  for (const auto& counts : masks) all.offsets.push_back(all.offsets.back() + static_cast<std::int64_t>(counts.size()));
  all.counts.reserve(static_cast<std::size_t>(all.offsets.back()));
  for (const auto& counts : masks) all.counts.insert(all.counts.end(), counts.begin(), counts.end());
  return all;
}

std::vector<std::string> fill_polygons_strings(const Context& context, const PolygonRings& polygons, FillRule rule,
                                               std::int64_t h, std::int64_t w) {
  std::vector<std::string> strings(static_cast<std::size_t>(polygons.count()));
  for_each_polygon(polygons, [&](std::int64_t i, FillMemory& memory) {
    std::vector<std::uint32_t>& counts = memory.counts;
    counts.clear();
    fill_runs(context, MaskRings(polygons, i), rule, h, w, memory, counts);
    const auto count = static_cast<std::int64_t>(counts.size());
    memory.text.resize(std::max(memory.text.size(), static_cast<std::size_t>(kRunCharacters * count + kRunSlack)));
    const std::int64_t length = rle_to_string(counts.data(), count, memory.text.data());
    strings[static_cast<std::size_t>(i)].assign(memory.text.data(), static_cast<std::size_t>(length));
  });
  return strings;
}

}  // namespace rapidmask::cpu
