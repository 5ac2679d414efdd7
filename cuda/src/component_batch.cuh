// The forests of a batch of masks in global memory, for masks that are too large for one block.
//
// Three launches make them, whatever the batch: tiles of 256 words join their runs in shared memory, so that global
// memory sees no more than the first run of each component of a tile as a root; the borders of tiles are joined; areas
// are added where they are wanted. What follows reads the forests once more.
//
// The nodes take two bytes of memory for a pixel (component_forest.cuh), of which only those of runs are touched; dense
// masks take an eighth of a byte more for their words.
#pragma once

#include <cstdint>

#include "component_forest.cuh"
#include "tiles.cuh"

namespace rapidmask::cuda {

// Which pixels join their runs with the outside.
struct Marks {
  enum class Kind : std::uint8_t { none, border, pixels };
  Kind kind;
  Masks pixels;

  // All lanes of the warp call this.
  __device__ std::uint64_t operator()(const Layout& layout, const Place& place, bool volume, std::int64_t i) const {
    if (kind == Kind::border) return border_bits(layout, place, volume);
    return kind == Kind::pixels ? read_word(layout, place, pixels.mask(i), pixels.packed) : 0;
  }
};
inline constexpr Marks kNoMarks{Marks::Kind::none, {}};
inline constexpr Marks kBorder{Marks::Kind::border, {}};

// What components are of and how they connect.
struct Connection {
  int connectivity;
  bool inverted;  // components of the background
  Marks marks;
};

struct Forests {
  Layout layout;
  std::int64_t n;
  const std::uint64_t* words;
  bool inverted;
  std::uint32_t* nodes;

  __device__ RunWords run_words(std::int64_t i) const { return {words + i * layout.mask_words(), inverted}; }
  __device__ GlobalNodes nodes_of(std::int64_t i) const { return {nodes + i * layout.nodes()}; }
};

// Calls body(i, place) with all strips of all masks, spread over the warps of a grid of grid_of_strips(forests).
template <class Body>
__device__ __forceinline__ void for_each_strip(const Layout& layout, std::int64_t n, const Body& body) {
  const std::int64_t warps = layout.warps();
  for (std::int64_t k = first_warp(); k < n * warps; k += warp_stride()) {
    const std::int64_t i = k / warps;
    body(i, place_of_lane(layout, static_cast<std::uint32_t>(k - i * warps) * layout.strips_per_warp()));
  }
}
inline int grid_of_strips(const Layout& layout, std::int64_t n) { return grid_of_warps(n * layout.warps()); }

// Of masks that have pixels. `nodes` is memory of forests of this size that are no longer needed, or null.
Forests join_runs(const Context& context, const Masks& masks, const Connection& connection,
                  std::uint32_t* nodes = nullptr);
// Adds up the areas of components as payloads; and, unless null, the foreground of each mask in `foregrounds`.
void add_areas(const Context& context, const Forests& forests, std::int32_t* foregrounds = nullptr);
// Writes payloads to the pixels of their components, 0 to others.
void write_payloads(const Context& context, const Forests& forests, std::int64_t pixels, std::int32_t* images);

}  // namespace rapidmask::cuda
