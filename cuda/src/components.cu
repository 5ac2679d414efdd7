// Connected components on a device: union-find over pixels, whose root is the smallest raster index of its component.
//
// `parent[p]` is a pixel of the same component with a raster index of at most p, or kBackground. Unions go through
// atomicMin, finds through relaxed loads, so that the outcome does not depend on the order in which threads run. Then
// one pass points every pixel at its root, and what is known of a component is kept at its root.

#include "rapidmask/components.hpp"

#include "port.cuh"
#include "rapidmask/threshold.hpp"
#include "tiles.cuh"

namespace rapidmask::cuda {
namespace {

constexpr std::int32_t kBackground = -1;
constexpr int kScanThreads = 1024;

__device__ std::int32_t find_root(const std::int32_t* parent, std::int32_t p) {
  for (;;) {
    const std::int32_t above = ld_relaxed(parent + p);
    if (above == p) return p;
    p = above;
  }
}

__device__ void unite(std::int32_t* parent, std::int32_t a, std::int32_t b) {
  for (;;) {
    a = find_root(parent, a);
    b = find_root(parent, b);
    if (a == b) return;
    const std::int32_t high = a > b ? a : b, low = a > b ? b : a;
    const std::int32_t before = atomicMin(parent + high, low);
    if (before == high) return;
    a = before;  // another thread was first: join with what it put there
    b = low;
  }
}

// Every foreground pixel begins as its own root (`inverted`: every background pixel).
__global__ void start_parents_kernel(const std::uint8_t* masks, std::int64_t n, std::int64_t size, bool inverted,
                                     std::int32_t* parents) {
  for (std::int64_t k = first_thread(); k < n * size; k += thread_stride()) {
    parents[k] = (masks[k] != 0) != inverted ? static_cast<std::int32_t>(k % size) : kBackground;
  }
}

__global__ void unite_neighbours_kernel(std::int64_t n, std::int64_t h, std::int64_t w, int connectivity,
                                        std::int32_t* parents) {
  const std::int64_t size = h * w;
  for (std::int64_t k = first_thread(); k < n * size; k += thread_stride()) {
    std::int32_t* parent = parents + k / size * size;
    const auto p = static_cast<std::int32_t>(k % size);
    if (ld_relaxed(parent + p) == kBackground) continue;
    const std::int64_t y = p / w, x = p % w;
    const auto width = static_cast<std::int32_t>(w);
    const auto join = [&](bool inside, std::int32_t q) {
      if (inside && ld_relaxed(parent + q) != kBackground) unite(parent, p, q);
    };
    join(x > 0, p - 1);
    join(y > 0, p - width);
    if (connectivity == 8) {
      join(y > 0 && x > 0, p - width - 1);
      join(y > 0 && x + 1 < w, p - width + 1);
    }
  }
}

__global__ void flatten_kernel(std::int64_t n, std::int64_t size, std::int32_t* parents) {
  for (std::int64_t k = first_thread(); k < n * size; k += thread_stride()) {
    std::int32_t* parent = parents + k / size * size;
    const auto p = static_cast<std::int32_t>(k % size);
    if (ld_relaxed(parent + p) != kBackground) st_relaxed(parent + p, find_root(parent, p));
  }
}

// The parents of all images, each pixel pointing at its root.
std::int32_t* roots_of(const Context& context, const View<const std::uint8_t>& masks, int connectivity,
                       bool inverted = false) {
  const std::int64_t size = masks.image_size();
  auto* parents = context.scratch<std::int32_t>(masks.size());
  const int grid = grid_of_threads(masks.size());
  RM_LAUNCH(start_parents_kernel, grid, kThreads, 0, context.stream, masks.data, masks.n, size, inverted, parents);
  RM_LAUNCH(unite_neighbours_kernel, grid, kThreads, 0, context.stream, masks.n, masks.h, masks.w, connectivity,
            parents);
  RM_LAUNCH(flatten_kernel, grid, kThreads, 0, context.stream, masks.n, size, parents);
  return parents;
}

// One block for an image: roots, which come in raster order, are numbered by a scan.
__global__ void __launch_bounds__(kScanThreads)
    number_roots_kernel(const std::int32_t* parents, std::int64_t size, std::int32_t* labels, std::int64_t* counts) {
  const std::int64_t begin = blockIdx.x * size;
  std::int32_t numbered = 0;
  for (std::int64_t chunk = 0; chunk < size; chunk += kScanThreads) {
    const std::int64_t p = chunk + threadIdx.x;
    const bool is_root = p < size && parents[begin + p] == static_cast<std::int32_t>(p);
    std::int32_t total = 0;
    const std::int32_t before = block_exclusive_scan<std::int32_t>(is_root ? 1 : 0, total);
    if (is_root) labels[begin + p] = numbered + before + 1;
    numbered += total;
  }
  if (threadIdx.x == 0) counts[blockIdx.x] = numbered;
}

__global__ void spread_labels_kernel(const std::int32_t* parents, std::int64_t n, std::int64_t size,
                                     std::int32_t* labels) {
  for (std::int64_t k = first_thread(); k < n * size; k += thread_stride()) {
    const std::int64_t begin = k / size * size;
    const std::int32_t root = parents[k];
    if (root == kBackground) {
      labels[k] = 0;
    } else if (root != static_cast<std::int32_t>(k - begin)) {
      labels[k] = labels[begin + root];  // a root's label is not written here
    }
  }
}

// What a filter keeps at the root of a component: a count or a flag, of its pixels for which value() is not zero.
struct CountPixels {
  __device__ std::int32_t operator()(std::int64_t, std::int64_t, std::int64_t) const { return 1; }
};
struct TouchesBorder {
  std::int64_t h, w;
  __device__ std::int32_t operator()(std::int64_t, std::int64_t y, std::int64_t x) const {
    return y == 0 || x == 0 || y == h - 1 || x == w - 1 ? 1 : 0;
  }
};
struct IsStrong {
  const std::uint8_t* strong;
  __device__ std::int32_t operator()(std::int64_t k, std::int64_t, std::int64_t) const {
    return strong[k] != 0 ? 1 : 0;
  }
};

template <class Value>
__global__ void gather_at_roots_kernel(const std::int32_t* parents, std::int64_t n, std::int64_t size, std::int64_t w,
                                       Value value, std::int32_t* gathered) {
  for (std::int64_t k = first_thread(); k < n * size; k += thread_stride()) {
    const std::int32_t root = parents[k];
    if (root == kBackground) continue;
    const std::int64_t p = k % size;
    const std::int32_t add = value(k, p / w, p % w);
    if (add != 0) atomicAdd(gathered + (k - p) + root, add);
  }
}

// Components whose gathered number is at least `least` become `inside`; other pixels, and the rest, `outside`.
__global__ void write_filtered_kernel(const std::int32_t* parents, const std::int32_t* gathered, std::int64_t n,
                                      std::int64_t size, std::int64_t least, bool inside, std::uint8_t* masks) {
  for (std::int64_t k = first_thread(); k < n * size; k += thread_stride()) {
    const std::int32_t root = parents[k];
    const bool chosen = root != kBackground && gathered[k / size * size + root] >= least;
    masks[k] = static_cast<std::uint8_t>(chosen == inside);
  }
}

template <class Value>
void filter(const Context& context, const View<const std::uint8_t>& masks, const std::int32_t* parents, Value value,
            std::int64_t least, bool inside, std::uint8_t* result) {
  const std::int64_t size = masks.image_size();
  auto* gathered = context.scratch<std::int32_t>(masks.size());
  check(cudaMemsetAsync(gathered, 0, static_cast<std::size_t>(masks.size()) * sizeof *gathered, context.stream),
        "cudaMemsetAsync");
  const int grid = grid_of_threads(masks.size());
  RM_LAUNCH(gather_at_roots_kernel<Value>, grid, kThreads, 0, context.stream, parents, masks.n, size, masks.w, value,
            gathered);
  RM_LAUNCH(write_filtered_kernel, grid, kThreads, 0, context.stream, parents, gathered, masks.n, size, least, inside,
            result);
}

}  // namespace

void label(const Context& context, const View<const std::uint8_t>& masks, int connectivity, std::int32_t* labels,
           std::int64_t* counts) {
  const std::int32_t* parents = roots_of(context, masks, connectivity);
  RM_LAUNCH(number_roots_kernel, masks.n, kScanThreads, 0, context.stream, parents, masks.image_size(), labels, counts);
  RM_LAUNCH(spread_labels_kernel, grid_of_threads(masks.size()), kThreads, 0, context.stream, parents, masks.n,
            masks.image_size(), labels);
}

void remove_small_objects(const Context& context, const View<const std::uint8_t>& masks, std::int64_t min_area,
                          int connectivity, std::uint8_t* result) {
  const std::int32_t* parents = roots_of(context, masks, connectivity);
  filter(context, masks, parents, CountPixels{}, min_area, true, result);
}

// Background that gathers no border pixel is a hole; what is left of the background is 0, all else 1.
void fill_holes(const Context& context, const View<const std::uint8_t>& masks, int connectivity, std::uint8_t* result) {
  const std::int32_t* parents = roots_of(context, masks, connectivity == 8 ? 4 : 8, true);
  filter(context, masks, parents, TouchesBorder{masks.h, masks.w}, 1, false, result);
}

void hysteresis(const Context& context, const View<const std::uint8_t>& weak, const std::uint8_t* strong,
                int connectivity, std::uint8_t* masks) {
  const std::int32_t* parents = roots_of(context, weak, connectivity);
  filter(context, weak, parents, IsStrong{strong}, 1, true, masks);
}

}  // namespace rapidmask::cuda
