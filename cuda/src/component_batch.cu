// Forests of masks of any size: runs are joined within tiles, then across their borders.

#include "component_batch.cuh"

namespace rapidmask::cuda {
namespace {

// A tile is 256 words, one for a thread: one strip of as many rows as fit. Its nodes take 32 KiB of shared memory.
constexpr int kTileNodes = 1 + 32 * kThreads;

std::int64_t tile_rows(const Layout& layout) { return kThreads / layout.lanes; }
std::int64_t tiles_of(const Layout& layout) {
  return (layout.rows() + tile_rows(layout) - 1) / tile_rows(layout) * layout.strips;
}

// `words` is null where masks are packed.
__global__ void __launch_bounds__(kThreads, 4)
    join_tiles_kernel(Masks masks, Layout layout, Connection connection, std::int64_t tiles, std::uint64_t* words,
                      std::uint32_t* all_nodes) {
  __shared__ std::uint64_t tile_words[kThreads];
  __shared__ std::uint32_t tile_nodes[kTileNodes];
  const SharedNodes nodes{tile_nodes};
  const auto thread = threadIdx.x;
  const auto rows = kThreads / static_cast<std::uint32_t>(layout.lanes);
  const auto strips = static_cast<std::uint32_t>(layout.strips);
  for (std::int64_t t = blockIdx.x; t < masks.n * tiles; t += gridDim.x) {
    const std::int64_t i = t / tiles;
    const auto tile = static_cast<std::uint32_t>(t - i * tiles);
    const std::uint32_t first = tile / strips * rows;  // row
    const std::uint32_t row = thread / static_cast<std::uint32_t>(layout.lanes);
    Place place = place_in(layout, (first + row) * strips + tile % strips);
    std::uint64_t word = read_word(layout, place, masks.mask(i), masks.packed);
    if (words != nullptr && place.inside)
      words[i * layout.mask_words() + static_cast<std::int64_t>(place.word(layout))] = word;
    if (connection.inverted) word = place.inside ? ~word & valid_bits(layout, place.k) : 0;
    const Runs runs = runs_of(layout, word, 1 + 32 * thread, false);
    tile_words[thread] = word;
    plant_roots(nodes, runs);
    if (thread == 0) tile_nodes[kOutside] = kRoot;
    __syncthreads();

    const bool above = row > 0 && place.row % static_cast<std::uint32_t>(layout.h) != 0;
    const auto lanes = static_cast<std::uint32_t>(layout.lanes);
    const Runs other = runs_of(layout, above ? tile_words[thread - lanes] : 0, 1 + 32 * (thread - lanes), false);
    unite_rows(nodes, runs, other, neighbourhood(connection.connectivity).same_slice, true, ~std::uint64_t{0});
    unite_marked(nodes, runs, connection.marks(layout, place, is_volume(connection.connectivity), i));
    __syncthreads();

    const auto of_mask = [&](std::uint32_t node) {
      if (node == kOutside) return kOutside;
      const std::uint32_t owner = (node - 1) / 32;
      const Place there{first + owner / lanes,
                        place.k - static_cast<std::int32_t>(thread % lanes) + static_cast<std::int32_t>(owner % lanes),
                        true};
      return first_node(layout, there) + (node - 1) % 32;
    };
    std::uint32_t* out = all_nodes + i * layout.nodes();
    for (std::uint64_t rest = runs.starts; rest != 0; rest &= rest - 1) {
      const std::uint32_t node = runs.node_of(lowest_bit(rest)), root = find_root(nodes, node);
      out[of_mask(node)] = root == node ? kRoot : of_mask(root);
    }
    if (tile == 0 && thread == 0) out[kOutside] = kRoot;
    __syncthreads();  // the next tile takes the memory
  }
}

// Where only rows between tiles have anything to join, `step` is the rows of a tile, and otherwise 1.
__global__ void __launch_bounds__(kThreads, 4)
    join_borders_kernel(Forests forests, Neighbourhood around, std::uint32_t rows_of_tile, std::uint32_t step) {
  const Layout& layout = forests.layout;
  Layout stepped = layout;  // of the rows that are visited
  stepped.d = 1;
  stepped.h = static_cast<std::int32_t>((layout.rows() - 1) / step + 1);
  for_each_strip(stepped, forests.n, [&](std::int64_t i, Place place) {
    place.row *= step;
    unite_place(forests.nodes_of(i), forests.run_words(i), layout, place, around, rows_of_tile);
  });
}

__global__ void __launch_bounds__(kThreads, 1) add_areas_kernel(Forests forests, std::int32_t* foregrounds) {
  for_each_strip(forests.layout, forests.n, [&](std::int64_t i, const Place& place) {
    const Runs runs = runs_at(forests.layout, forests.run_words(i), place);
    add_areas(forests.nodes_of(i), forests.layout, runs);
    if (foregrounds == nullptr) return;
    const int pixels = warp_sum(__popcll(runs.word));
    if (lane_id() == 0) atomicAdd(foregrounds + i, pixels);
  });
}

}  // namespace

Forests join_runs(const Context& context, const Masks& masks, const Connection& connection, std::uint32_t* nodes) {
  const Layout layout = layout_of(masks.d, masks.h, masks.w);
  std::uint64_t* words = masks.packed ? nullptr : context.scratch<std::uint64_t>(masks.n * masks.mask_words());
  if (nodes == nullptr) nodes = context.scratch<std::uint32_t>(masks.n * layout.nodes());
  const std::int64_t tiles = tiles_of(layout);
  RM_LAUNCH(join_tiles_kernel, bounded_grid(masks.n * tiles), kThreads, 0, context.stream, masks, layout, connection,
            tiles, words, nodes);
  const Forests forests{layout, masks.n, masks.packed ? masks.bits().data : words, connection.inverted, nodes};
  const auto rows = static_cast<std::uint32_t>(tile_rows(layout));
  const bool between_tiles = !is_volume(connection.connectivity) && layout.strips == 1;
  const std::uint32_t step = between_tiles ? rows : 1;
  if (between_tiles && layout.rows() <= rows) return forests;
  Layout stepped = layout;
  stepped.d = 1;
  stepped.h = static_cast<std::int32_t>((layout.rows() - 1) / step + 1);
  RM_LAUNCH(join_borders_kernel, grid_of_strips(stepped, masks.n), kThreads, 0, context.stream, forests,
            neighbourhood(connection.connectivity), rows, step);
  return forests;
}

void add_areas(const Context& context, const Forests& forests, std::int32_t* foregrounds) {
  if (foregrounds != nullptr) {
    check(cudaMemsetAsync(foregrounds, 0, static_cast<std::size_t>(forests.n) * sizeof *foregrounds, context.stream),
          "cudaMemsetAsync");
  }
  RM_LAUNCH(add_areas_kernel, grid_of_strips(forests.layout, forests.n), kThreads, 0, context.stream, forests,
            foregrounds);
}

}  // namespace rapidmask::cuda
