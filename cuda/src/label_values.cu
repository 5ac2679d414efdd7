// Labels of neighbours of equal value: union-find over runs of equal values, cut where 32 pixels of a row end.
//
// A warp holds the 32 pixels. Runs of different values may begin side by side, so every pixel has a node, of which
// those of first pixels are used; a word tells for 32 pixels where runs begin.

#include "component_ranks.cuh"

namespace rapidmask::cuda {
namespace {

struct Grid {
  std::int64_t d, h, w, chunks;  // chunks of a row

  RM_HOST_DEVICE std::int64_t rows() const { return d * h; }
  RM_HOST_DEVICE std::int64_t pixels() const { return d * h * w; }
};

// The values and the forest of one volume.
template <class T>
struct Volume {
  const T* values;
  std::uint32_t* starts;
  GlobalNodes nodes;
};

template <class T>
struct Volumes {
  Grid grid;
  std::int64_t n;
  const T* values;
  std::uint32_t* starts;
  std::uint32_t* nodes;

  __device__ Volume<T> operator[](std::int64_t i) const {
    return {values + i * grid.pixels(), starts + i * grid.rows() * grid.chunks, {nodes + i * grid.pixels()}};
  }
};

// Calls body(volume, i, row, x) with all pixels, those of a chunk by a warp; x may lie outside of the row.
template <class T, class Body>
__device__ __forceinline__ void for_each_chunk(const Volumes<T>& volumes, const Body& body) {
  const Grid& grid = volumes.grid;
  const std::int64_t of_volume = grid.rows() * grid.chunks;
  for (std::int64_t k = first_warp(); k < volumes.n * of_volume; k += warp_stride()) {
    const std::int64_t i = k / of_volume, chunk = k - i * of_volume;
    body(volumes[i], i, chunk / grid.chunks, chunk % grid.chunks * kWarpSize + lane_id());
  }
}

// The node of the run that holds a pixel whose value is not 0.
template <class T>
__device__ __forceinline__ std::uint32_t run_of(const Volume<T>& volume, const Grid& grid, std::int64_t row,
                                                std::int64_t x) {
  const std::uint32_t starts = volume.starts[row * grid.chunks + x / kWarpSize];
  const std::uint32_t upto = starts & (kFullWarp >> (31 - x % kWarpSize));
  return static_cast<std::uint32_t>(row * grid.w + x / kWarpSize * kWarpSize + 31 - __clz(static_cast<int>(upto)));
}

template <class T>
__global__ void __launch_bounds__(kThreads, 1) find_starts_kernel(Volumes<T> volumes) {
  const Grid& grid = volumes.grid;
  for_each_chunk(volumes, [&](const Volume<T>& volume, std::int64_t, std::int64_t row, std::int64_t x) {
    const T* values = volume.values + row * grid.w;
    const T value = x < grid.w ? values[x] : T{0};
    const bool starts = value != 0 && (lane_id() == 0 || values[x - 1] != value);
    const unsigned word = __ballot_sync(kFullWarp, starts);
    if (lane_id() == 0) volume.starts[row * grid.chunks + x / kWarpSize] = word;
    if (starts) volume.nodes.nodes[row * grid.w + x] = kRoot;
  });
}

template <class T>
__global__ void __launch_bounds__(kThreads, 1) unite_values_kernel(Volumes<T> volumes, Neighbourhood around) {
  const Grid& grid = volumes.grid;
  for_each_chunk(volumes, [&](const Volume<T>& volume, std::int64_t, std::int64_t row, std::int64_t x) {
    const auto value_at = [&](std::int64_t at_row, std::int64_t at_x) {
      return at_x >= 0 && at_x < grid.w ? volume.values[at_row * grid.w + at_x] : T{0};
    };
    const T value = value_at(row, x);
    if (value == 0) return;
    const auto unite_with = [&](std::int64_t at_row, std::int64_t at_x) {
      unite(volume.nodes, run_of(volume, grid, row, x), run_of(volume, grid, at_row, at_x));
    };
    const bool joined = value_at(row, x - 1) == value;
    if (joined && lane_id() == 0) unite_with(row, x - 1);
    const auto unite_with_row = [&](std::int64_t at_row, int reach) {
      // What the pixel before has below it too is joined by that one.
      const bool known = joined && value_at(at_row, x - 1) == value;
      if (value_at(at_row, x) == value) {
        if (!known) unite_with(at_row, x);
        return;
      }
      if (reach < 1) return;
      if (!known && value_at(at_row, x - 1) == value) unite_with(at_row, x - 1);
      if (value_at(at_row, x + 1) == value) unite_with(at_row, x + 1);
    };
    const std::int64_t y = row % grid.h;
    if (y > 0) unite_with_row(row - 1, around.same_slice);
    if (around.above_slice == Neighbourhood::kNone || row < grid.h) return;
    unite_with_row(row - grid.h, around.above_slice);
    if (around.diagonal == Neighbourhood::kNone) return;
    if (y > 0) unite_with_row(row - grid.h - 1, around.diagonal);
    if (y + 1 < grid.h) unite_with_row(row - grid.h + 1, around.diagonal);
  });
}

template <class T>
__global__ void __launch_bounds__(kThreads, 1) write_numbers_kernel(Volumes<T> volumes, std::int32_t* labels) {
  const Grid& grid = volumes.grid;
  for_each_chunk(volumes, [&](const Volume<T>& volume, std::int64_t i, std::int64_t row, std::int64_t x) {
    if (x >= grid.w) return;
    std::int32_t label = 0;
    if (volume.values[row * grid.w + x] != 0) {
      label = static_cast<std::int32_t>(payload(volume.nodes, find_root(volume.nodes, run_of(volume, grid, row, x))));
    }
    labels[i * grid.pixels() + row * grid.w + x] = label;
  });
}

// The first pixels of runs: 32 pixels for a thread.
struct StartCandidates {
  Grid grid;
  const std::uint32_t* starts;

  RM_HOST_DEVICE std::int64_t of_mask() const { return grid.rows() * grid.chunks; }
  __device__ Candidates operator()(std::int64_t i, std::int64_t index) const {
    const std::int64_t first = index / grid.chunks * grid.w + index % grid.chunks * kWarpSize;
    return {starts[i * of_mask() + index], static_cast<std::uint32_t>(first), 0};
  }
};

template <class T>
void label_bits(const Context& context, const Grid& grid, std::int64_t n, const void* values, int connectivity,
                std::int32_t* labels, std::int64_t* counts) {
  auto* starts = context.scratch<std::uint32_t>(n * grid.rows() * grid.chunks);
  auto* nodes = context.scratch<std::uint32_t>(n * grid.pixels());
  const Volumes<T> volumes{grid, n, static_cast<const T*>(values), starts, nodes};
  const int blocks = grid_of_warps(n * grid.rows() * grid.chunks);
  RM_LAUNCH(find_starts_kernel<T>, blocks, kThreads, 0, context.stream, volumes);
  RM_LAUNCH(unite_values_kernel<T>, blocks, kThreads, 0, context.stream, volumes, neighbourhood(connectivity));
  rank_roots(context, StartCandidates{grid, starts}, NumberRoots{nodes, grid.pixels(), counts}, n);
  RM_LAUNCH(write_numbers_kernel<T>, blocks, kThreads, 0, context.stream, volumes, labels);
}

}  // namespace

void label_values(const Context& context, const Image& values, std::int64_t depth, int connectivity,
                  std::int32_t* labels, std::int64_t* counts) {
  const std::int64_t n = depth == 0 ? 0 : values.n / depth;
  if (values.size() == 0) {
    check(cudaMemsetAsync(counts, 0, static_cast<std::size_t>(n) * sizeof *counts, context.stream), "cudaMemsetAsync");
    return;
  }
  const Grid grid{depth, values.h, values.w, (values.w + kWarpSize - 1) / kWarpSize};
  // Values are only compared for equality, with each other and with 0: their bits will do.
  switch (item_size(values.dtype)) {
    case 1: return label_bits<std::uint8_t>(context, grid, n, values.data, connectivity, labels, counts);
    case 2: return label_bits<std::uint16_t>(context, grid, n, values.data, connectivity, labels, counts);
    case 4: return label_bits<std::uint32_t>(context, grid, n, values.data, connectivity, labels, counts);
    default: return label_bits<std::uint64_t>(context, grid, n, values.data, connectivity, labels, counts);
  }
}

}  // namespace rapidmask::cuda
