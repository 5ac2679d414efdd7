// Distance transforms on a CUDA device, of whole batches by two launches, or three for volumes.
//
// The first turns 32 rows of bits into a word per column, and finds for each word the background above and below it.
// The second takes a row at a time: a column's nearest background comes from its word by counting zeros, which gives
// the row's sites; they stay in shared memory, where each thread searches a window around its pixel. Where one of them
// would reach too far, the block turns to divide and conquer. The third does the same along the third axis.

#include "rapidmask/distance.hpp"

#include <algorithm>

#include "distance_lines.cuh"
#include "port.cuh"

namespace rapidmask::cuda {
namespace {

constexpr int kMaxThreads = 256;
constexpr std::int64_t kMaxBlocks = 1 << 16;
constexpr std::int64_t kSharedBytes = kSharedUnasked;
constexpr std::int64_t kGlobalBytes = 64 << 20;  // of all lines that shared memory does not hold
constexpr int kNone = -1;

int bounded(std::int64_t blocks, std::int64_t most = kMaxBlocks) { return static_cast<int>(std::min(blocks, most)); }
std::int64_t rounded_up(std::int64_t count, std::int64_t unit) { return (count + unit - 1) / unit * unit; }

// Thirty-two rows of all columns of all planes: `bits` has a word for each column of a chunk of rows, `above` and
// `below` the rows of the nearest background before and after them. Rows beyond the last count as foreground.
struct Columns {
  std::int64_t chunks, w;
  std::uint32_t* bits;
  std::int32_t* above;
  std::int32_t* below;

  __device__ std::int64_t at(std::int64_t plane, std::int64_t chunk) const { return (plane * chunks + chunk) * w; }
};

// Lane r has 32 columns of row r; lane x is given 32 rows of column x.
__device__ unsigned transposed(unsigned word) {
  unsigned low = 0x0000ffffu;
  for (int half = 16; half > 0; half /= 2, low ^= low << half) {
    const unsigned other = __shfl_xor_sync(kFullWarp, word, half);
    word = (lane_id() & half) != 0 ? (word & ~low) | (other & ~low) >> half : (word & low) | (other & low) << half;
  }
  return word;
}

// Bit r of lane x: whether pixel (first + r, 32 k + x) of a plane is foreground or beyond its rows.
__device__ unsigned column_bits(const Masks& masks, std::int64_t plane, std::int64_t first, std::int64_t k) {
  const int rows = static_cast<int>(min(masks.h - first, static_cast<std::int64_t>(kWarpSize)));
  if (masks.packed) {
    const auto* words = reinterpret_cast<const std::uint32_t*>(masks.data);
    const std::int64_t row = plane * masks.h + first + lane_id();
    return transposed(lane_id() < rows ? words[row * 2 * masks.words() + k] : ~0u);
  }
  const std::int64_t x = 32 * k + lane_id();
  const std::uint8_t* pixels = masks.data + (plane * masks.h + first) * masks.w + x;
  unsigned bits = rows == kWarpSize ? 0u : ~0u << rows;
  for (int r = 0; r < rows && x < masks.w; ++r) bits |= static_cast<unsigned>(pixels[r * masks.w] != 0) << r;
  return bits;
}

// A block takes 32 columns of a plane.
__global__ void scan_columns_kernel(Masks masks, Columns columns) {
  const std::int64_t words = (masks.w + 31) / 32;
  for (std::int64_t task = blockIdx.x; task < masks.n * masks.d * words; task += gridDim.x) {
    const std::int64_t plane = task / words, k = task % words;
    const std::int64_t x = 32 * k + lane_id();
    const int warps = static_cast<int>(blockDim.x) / kWarpSize;
    for (std::int64_t chunk = warp_id(); chunk < columns.chunks; chunk += warps) {
      const unsigned bits = column_bits(masks, plane, 32 * chunk, k);
      if (x < masks.w) columns.bits[columns.at(plane, chunk) + x] = bits;
    }
    __syncthreads();
    if (warp_id() == 0 && x < masks.w) {
      int row = kNone;
      for (std::int64_t chunk = 0; chunk < columns.chunks; ++chunk) {
        const std::int64_t at = columns.at(plane, chunk) + x;
        columns.above[at] = row;
        const unsigned background = ~columns.bits[at];
        if (background != 0) row = static_cast<int>(32 * chunk) + 31 - __clz(static_cast<int>(background));
      }
    }
    if (warp_id() == warps - 1 && x < masks.w) {
      int row = kNone;
      for (std::int64_t chunk = columns.chunks - 1; chunk >= 0; --chunk) {
        const std::int64_t at = columns.at(plane, chunk) + x;
        columns.below[at] = row;
        const unsigned background = ~columns.bits[at];
        if (background != 0) row = static_cast<int>(32 * chunk) + __ffs(static_cast<int>(background)) - 1;
      }
    }
    // No barrier: the next task has other columns.
  }
}

// Rows from pixel (y, x) to the nearest background of its column, or kNone.
__device__ int column_distance(const Columns& columns, std::int64_t plane, int y, int x) {
  const std::int64_t at = columns.at(plane, y / 32) + x;
  const unsigned background = ~columns.bits[at];
  const unsigned upward = background << (31 - y % 32), downward = background >> (y % 32);
  int above = __clz(static_cast<int>(upward)), below = __ffs(static_cast<int>(downward)) - 1;
  if (upward == 0) above = columns.above[at] == kNone ? kNone : y - columns.above[at];
  if (downward == 0) below = columns.below[at] == kNone ? kNone : columns.below[at] - y;
  if (above == kNone || below == kNone) return max(above, below);
  return min(above, below);
}

__device__ std::int32_t site_square(int distance, const DistanceRule&, NarrowSteps) {
  return distance == kNone ? kFarSquare : distance * distance;
}
__device__ double site_square(int distance, const DistanceRule& rule, WideSteps) {
  if (distance == kNone) return kInfinity;
  return weighted_square(rule.y, static_cast<double>(distance));
}

// The sites of a row and the posts of divide and conquer, in bytes.
template <class Square>
std::int64_t row_bytes(std::int64_t w) {
  return rounded_up(w * static_cast<std::int64_t>(sizeof(Square)) + (w / kWarpSize + 2) * 4, 16);
}

// A block takes a row. Writes `squares` where that is not null: of volumes, narrow ones as the bits of `distances`.
template <class Steps, bool kShared>
__global__ void search_rows_kernel(Columns columns, std::int64_t rows, int h, DistanceRule rule, Steps steps,
                                   unsigned char* lines, std::int64_t line_bytes, bool is_last,
                                   typename Steps::Square* squares, float* distances) {
  using Square = typename Steps::Square;
  RM_DYNAMIC_SHARED(unsigned char, shared);
  unsigned char* const memory = kShared ? shared : lines + blockIdx.x * line_bytes;
  auto* const sites = reinterpret_cast<Square*>(memory);
  const int w = static_cast<int>(columns.w);
  int* const nearest = reinterpret_cast<int*>(sites + w);
  const Line<Steps> line{sites, w, 1, steps};
  for (std::int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
    const std::int64_t plane = row / h;
    const int y = static_cast<int>(row % h), threads = static_cast<int>(blockDim.x);
    bool some = false;
    for (int x = static_cast<int>(threadIdx.x); x < w; x += threads) {
      sites[x] = site_square(column_distance(columns, plane, y, x), rule, steps);
      some |= !is_far(sites[x]);
    }
    const auto write = [&](int x, Square square) {
      if (is_last) {
        distances[row * w + x] = result_of(rule, square);
      } else {
        squares[row * w + x] = square;
      }
    };
    some = __syncthreads_or(some) != 0;
    bool settled = true;
    for (int x = static_cast<int>(threadIdx.x); x < w; x += threads) {
      Square least = sites[x];
      if (some) settled &= line.search_window(x, least);
      write(x, least);
    }
    if (__syncthreads_or(!settled) != 0) {
      const int warps = threads / kWarpSize;
      line.search_posts(warp_id(), warps, nearest, [] { __syncthreads(); });
      for (int j = warp_id(); j + 1 < line.posts(); j += warps) {
        const int x = j * kWarpSize + lane_id();
        if (x < w) write(x, line.search_between(nearest, j, x));
      }
      __syncthreads();  // the next row may write the sites
    }
  }
}

// A strip of `lanes` adjacent lines along the third axis.
struct Strips {
  std::int64_t count, plane;  // of all volumes; pixels of a plane
  int d, lanes;

  __host__ __device__ std::int64_t per_volume() const { return (plane + lanes - 1) / lanes; }
  // Lines are interleaved, and padded so that no two sites of a line contend for a bank of shared memory.
  __host__ __device__ int stride() const { return lanes + 1; }
};

template <class Square>
std::int64_t strip_bytes(std::int64_t d, std::int64_t lanes) {
  return rounded_up(d * (lanes + 1) * static_cast<std::int64_t>(sizeof(Square)) + lanes * (d / kWarpSize + 2) * 4, 16);
}

// A block takes a strip. Squares may lie where the distances will be.
template <class Steps, bool kShared>
__global__ void search_depth_kernel(Strips strips, DistanceRule rule, Steps steps, unsigned char* lines,
                                    std::int64_t line_bytes, const typename Steps::Square* squares,
                                    std::uint32_t* distances) {
  using Square = typename Steps::Square;
  RM_DYNAMIC_SHARED(unsigned char, shared);
  unsigned char* const memory = kShared ? shared : lines + blockIdx.x * line_bytes;
  auto* const sites = reinterpret_cast<Square*>(memory);
  int* const nearest = reinterpret_cast<int*>(sites + static_cast<std::int64_t>(strips.d) * strips.stride());
  const int d = strips.d, warps = static_cast<int>(blockDim.x) / kWarpSize;
  const int lane = static_cast<int>(threadIdx.x) % strips.lanes, first = static_cast<int>(threadIdx.x) / strips.lanes;
  const int step = static_cast<int>(blockDim.x) / strips.lanes;
  for (std::int64_t task = blockIdx.x; task < strips.count; task += gridDim.x) {
    const std::int64_t volume = task / strips.per_volume();
    const std::int64_t begin = task % strips.per_volume() * strips.lanes;  // in the plane
    const std::int64_t origin = volume * d * strips.plane + begin;
    const int here = static_cast<int>(min(static_cast<std::int64_t>(strips.lanes), strips.plane - begin));
    for (int z = first; z < d && lane < here; z += step) {
      sites[static_cast<std::int64_t>(z) * strips.stride() + lane] = squares[origin + z * strips.plane + lane];
    }
    __syncthreads();
    const auto write = [&](int z, int x, Square square) {
      distances[origin + z * strips.plane + x] = __float_as_uint(result_of(rule, square));
    };
    bool settled = true;
    const Line<Steps> line{sites + lane, d, strips.stride(), steps};
    for (int z = first; z < d && lane < here; z += step) {
      Square least = sites[static_cast<std::int64_t>(z) * strips.stride() + lane];
      settled &= line.search_window(z, least);
      write(z, lane, least);
    }
    if (__syncthreads_or(!settled) != 0) {
      for (int x = warp_id(); x < here; x += warps) {
        const Line<Steps> one{sites + x, d, strips.stride(), steps};
        int* const posts = nearest + x * one.posts();
        one.search_posts(0, 1, posts, [] { __syncwarp(); });
        for (int j = 0; j + 1 < one.posts(); ++j) {
          const int z = j * kWarpSize + lane_id();
          if (z < d) write(z, x, one.search_between(posts, j, z));
        }
      }
      __syncthreads();  // the next strip may write the sites
    }
  }
}

template <class Steps>
void search_rows(const Context& context, const Masks& masks, const Columns& columns, const DistanceRule& rule,
                 Steps steps, typename Steps::Square* squares, float* distances) {
  using Square = typename Steps::Square;
  const std::int64_t rows = masks.rows(), bytes = row_bytes<Square>(masks.w);
  const int threads = static_cast<int>(std::min<std::int64_t>(kMaxThreads, rounded_up(masks.w, kWarpSize)));
  const int h = static_cast<int>(masks.h);
  const bool is_last = squares == nullptr;
  if (bytes <= kSharedBytes) {
    RM_LAUNCH((search_rows_kernel<Steps, true>), bounded(rows), threads, static_cast<std::size_t>(bytes),
              context.stream, columns, rows, h, rule, steps, nullptr, bytes, is_last, squares, distances);
  } else {
    const int grid = bounded(rows, std::max<std::int64_t>(1, kGlobalBytes / bytes));
    RM_LAUNCH((search_rows_kernel<Steps, false>), grid, threads, 0, context.stream, columns, rows, h, rule, steps,
              context.scratch<unsigned char>(grid * bytes), bytes, is_last, squares, distances);
  }
}

template <class Steps>
void search_depth(const Context& context, const Masks& masks, const DistanceRule& rule, Steps steps,
                  const typename Steps::Square* squares, float* distances) {
  using Square = typename Steps::Square;
  Strips strips{0, masks.h * masks.w, static_cast<int>(masks.d), kWarpSize};
  while (strips.lanes > 8 && strip_bytes<Square>(masks.d, strips.lanes) > kSharedBytes) strips.lanes /= 2;
  const std::int64_t bytes = strip_bytes<Square>(masks.d, strips.lanes);
  strips.count = masks.n * strips.per_volume();
  auto* const results = reinterpret_cast<std::uint32_t*>(distances);
  if (bytes <= kSharedBytes) {
    RM_LAUNCH((search_depth_kernel<Steps, true>), bounded(strips.count), kMaxThreads, static_cast<std::size_t>(bytes),
              context.stream, strips, rule, steps, nullptr, bytes, squares, results);
  } else {
    const int grid = bounded(strips.count, std::max<std::int64_t>(1, kGlobalBytes / bytes));
    RM_LAUNCH((search_depth_kernel<Steps, false>), grid, kMaxThreads, 0, context.stream, strips, rule, steps,
              context.scratch<unsigned char>(grid * bytes), bytes, squares, results);
  }
}

}  // namespace

void distance_transform(const Context& context, const Masks& masks, const Spacing& spacing, bool squared,
                        float* distances) {
  const DistanceRule rule = distance_rule(masks, spacing, squared);
  if (masks.n * masks.pixels() == 0) return;
  const std::int64_t planes = masks.n * masks.d, chunks = (masks.h + 31) / 32, words = planes * chunks * masks.w;
  const Columns columns{chunks, masks.w, context.scratch<std::uint32_t>(words), context.scratch<std::int32_t>(words),
                        context.scratch<std::int32_t>(words)};
  const int threads = kWarpSize * static_cast<int>(std::min<std::int64_t>(chunks, kMaxThreads / kWarpSize));
  RM_LAUNCH(scan_columns_kernel, bounded(planes * ((masks.w + 31) / 32)), threads, 0, context.stream, masks, columns);
  if (rule.narrow) {
    // Narrow squares of volumes go where the distances will be.
    auto* const squares = masks.d > 1 ? reinterpret_cast<std::int32_t*>(distances) : nullptr;
    search_rows(context, masks, columns, rule, NarrowSteps{}, squares, distances);
    if (masks.d > 1) search_depth(context, masks, rule, NarrowSteps{}, squares, distances);
  } else {
    auto* const squares = masks.d > 1 ? context.scratch<double>(masks.n * masks.pixels()) : nullptr;
    search_rows(context, masks, columns, rule, WideSteps{rule.x}, squares, distances);
    if (masks.d > 1) search_depth(context, masks, rule, WideSteps{rule.z}, squares, distances);
  }
}

}  // namespace rapidmask::cuda
