// Distance transforms on the CPU: planes over the pool, a large plane in bands of rows, then the lines of volumes.

#include "rapidmask/distance.hpp"

#include <algorithm>
#include <memory>
#include <vector>

#include "isa/distance_rows.hpp"
#include "isa/pack_rows.hpp"
#include "parallel.hpp"

namespace rapidmask::cpu {
namespace {

constexpr std::int64_t kGrainPixels = 1 << 16;
constexpr std::int64_t kLeastRows = 64;  // of a band: its edges cost a pass over its bits
constexpr std::int64_t kLeastCachedRows = 8;
constexpr std::int64_t kCachedSquares = 1 << 20;

std::size_t to_size(std::int64_t count) { return static_cast<std::size_t>(count); }

// Memory that is written before it is read, and may never be touched.
template <class T>
std::unique_ptr<T[]> untouched(std::int64_t count) {
  return std::unique_ptr<T[]>(new T[to_size(count)]);
}

template <class Square>
const DistanceTable<Square>& table() {
  if constexpr (sizeof(Square) == sizeof(std::int32_t)) {
    return distance_rows().narrow;
  } else {
    return distance_rows().wide;
  }
}

template <class Square>
Square far_square() {
  if constexpr (sizeof(Square) == sizeof(std::int32_t)) {
    return kFarSquare;
  } else {
    return kFarCount<Square>;
  }
}

bool has_background(const std::uint64_t* bits, std::int64_t rows, std::int64_t w) {
  const std::int64_t words = (w + 63) / 64;
  for (std::int64_t y = 0; y < rows; ++y, bits += words) {
    for (std::int64_t k = 0; k + 1 < words; ++k) {
      if (~bits[k] != 0) return true;
    }
    if (words > 0 && bits[words - 1] != tail_mask(w)) return true;
  }
  return false;
}

// What the rows of a band work with.
template <class Square>
struct BandScratch {
  using Count = typename DistanceCount<Square>::type;

  explicit BandScratch(std::int64_t w)
      : near(to_size(columns(w) + 2 * kDistancePad), far_site()),
        sites(to_size(columns(w) + kDistancePad)),
        line(to_size(columns(w) + kDistancePad)),
        nearest(to_size(w / 2 + 2)),
        unsettled(to_size(columns(w) / 64)),
        deep(to_size(columns(w) / 64)) {}

  static std::int64_t columns(std::int64_t w) { return (w + 63) / 64 * 64; }

  std::vector<Count> near;
  std::vector<Square> sites, line;
  std::vector<std::int64_t> nearest;
  std::vector<std::uint64_t> unsettled;
  std::vector<std::uint8_t> deep;

  static Count far_site() {
    if constexpr (sizeof(Count) == sizeof(std::int16_t)) {
      return 1 << 14;
    } else {
      return kFarCount<Square>;
    }
  }
};

// What the lines of a strip work with.
template <class Square>
struct StripScratch {
  explicit StripScratch(std::int64_t d)
      : near(to_size(64 * (d + 2 * kDistancePad)), far_square<Square>()),
        results(to_size(64 * d)),
        sites(to_size(d + kDistancePad)),
        line(to_size(d + kDistancePad)),
        nearest(to_size(d / 2 + 2)) {}

  std::vector<Square> near, results, sites, line;
  std::vector<std::int64_t> nearest;
};

// The masks of a batch with one kind of squares.
//
// Planes are cut into bands of rows, which are tasks of the pool. A band takes its rows of every plane of the volume,
// so that their squares need not wait for the third axis longer than in the cache.
template <class Square>
class Transform {
 public:
  Transform(const Masks& masks, const DistanceRule& rule, float* distances)
      : masks_(masks), rule_(rule), distances_(distances) {}

  void run() const {
    const std::int64_t one_thread = masks_.n < get_num_threads() ? masks_.n : kGrainPixels / masks_.pixels();
    parallel_for(masks_.n, std::max<std::int64_t>(1, one_thread), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) transform_mask(i);
    });
  }

 private:
  using Count = typename DistanceCount<Square>::type;

  void transform_mask(std::int64_t i) const {
    float* distances = distances_ + i * masks_.pixels();
    std::unique_ptr<std::uint64_t[]> packed;
    const auto* bits = reinterpret_cast<const std::uint64_t*>(masks_.mask(i));
    if (!masks_.packed) {
      packed = untouched<std::uint64_t>(masks_.mask_words());
      bits = packed.get();
      pack(masks_.mask(i), packed.get());
    }
    const Bands bands = bands_of();
    Edges edges = edges_of(bits, bands);
    if (std::none_of(edges.plane_has_background.begin(), edges.plane_has_background.end(),
                     [](std::uint8_t has) { return has != 0; })) {
      std::fill_n(distances, masks_.pixels(), std::numeric_limits<float>::infinity());
      return;
    }
    parallel_for(bands.count, 1, [&](std::int64_t begin, std::int64_t end) {
      transform_bands(bits, bands, begin, end, edges, distances);
    });
  }

  void pack(const std::uint8_t* mask, std::uint64_t* packed) const {
    const std::int64_t rows = masks_.d * masks_.h;
    parallel_for(rows, std::max<std::int64_t>(1, 8 * kGrainPixels / masks_.w),
                 [&](std::int64_t begin, std::int64_t end) {
                   pack_rows().pack(mask + begin * masks_.w, end - begin, masks_.w, packed + begin * masks_.words());
                 });
  }

  struct Bands {
    std::int64_t count, rows;  // the last one may have fewer
  };

  Bands bands_of() const {
    const bool alone = get_num_threads() == 1 || masks_.pixels() <= 2 * kGrainPixels;
    std::int64_t rows = alone ? masks_.h : masks_.h / (4 * get_num_threads()) + 1;
    if (masks_.d > 1) rows = std::min(rows, kCachedSquares / (masks_.d * masks_.w));
    rows = std::min(masks_.h, std::max(rows, masks_.d > 1 ? kLeastCachedRows : kLeastRows));
    return {(masks_.h + rows - 1) / rows, rows};
  }

  // The counters of all columns at the edges of all bands of all planes, a plane after the other.
  struct Edges {
    std::int64_t columns;
    std::vector<Count> above, below;
    std::vector<std::uint8_t> plane_has_background;
  };

  Edges edges_of(const std::uint64_t* bits, Bands bands) const {
    const std::int64_t columns = 64 * masks_.words();
    const auto size = to_size(masks_.d * bands.count * columns);
    Edges edges{columns, std::vector<Count>(size, kFarCount<Square>), std::vector<Count>(size, kFarCount<Square>),
                std::vector<std::uint8_t>(to_size(masks_.d))};
    parallel_for(masks_.d, std::max<std::int64_t>(1, 8 * kGrainPixels / (masks_.h * masks_.w)),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t z = begin; z < end; ++z) {
                     const std::uint64_t* plane = bits + z * masks_.h * masks_.words();
                     edges.plane_has_background[to_size(z)] = has_background(plane, masks_.h, masks_.w);
                     Count* above = &edges.above[to_size(z * bands.count * columns)];
                     Count* below = &edges.below[to_size(z * bands.count * columns)];
                     // Each band's count goes on from its neighbour's.
                     for (std::int64_t b = 1; b < bands.count; ++b) {
                       Count* to = above + b * columns;
                       std::copy_n(to - columns, columns, to);
                       table<Square>().count_above(plane + (b - 1) * bands.rows * masks_.words(), bands.rows, masks_.w,
                                                   to);
                     }
                     for (std::int64_t b = bands.count - 2; b >= 0; --b) {
                       Count* to = below + b * columns;
                       std::copy_n(to + columns, columns, to);
                       const std::int64_t y = (b + 1) * bands.rows, rows = std::min(bands.rows, masks_.h - y);
                       table<Square>().count_below(plane + y * masks_.words(), rows, masks_.w, to, nullptr);
                     }
                   }
                 });
    return edges;
  }

  void transform_bands(const std::uint64_t* bits, Bands bands, std::int64_t begin, std::int64_t end, Edges& edges,
                       float* distances) const {
    const std::int64_t d = masks_.d, h = masks_.h, w = masks_.w, words = masks_.words();
    BandScratch<Square> scratch(w);
    const auto starts = untouched<Count>(w * (bands.rows / 2));
    const auto squares = untouched<Square>(d > 1 ? d * bands.rows * w : 0);
    StripScratch<Square> strip(d > 1 ? d : 0);
    for (std::int64_t b = begin; b < end; ++b) {
      const std::int64_t y = b * bands.rows, rows = std::min(bands.rows, h - y);
      for (std::int64_t z = 0; z < d; ++z) {
        if (edges.plane_has_background[to_size(z)] == 0) {
          std::fill_n(squares.get() + z * rows * w, rows * w, far_square<Square>());
          continue;
        }
        const std::uint64_t* band = bits + (z * h + y) * words;
        Count* above = &edges.above[to_size((z * bands.count + b) * edges.columns)];
        Count* below = &edges.below[to_size((z * bands.count + b) * edges.columns)];
        const std::int64_t count = table<Square>().count_below(band, rows, w, below, starts.get());
        std::fill(scratch.deep.begin(), scratch.deep.end(), std::uint8_t{0});
        table<Square>().transform_band({band, rows, w, rule_, above, below, starts.get() + count,
                                        scratch.near.data() + kDistancePad, scratch.sites.data(), scratch.line.data(),
                                        scratch.nearest.data(), scratch.unsettled.data(), scratch.deep.data(),
                                        distances + y * w, d > 1 ? squares.get() + z * rows * w : nullptr});
      }
      bool deep = false;
      for (std::int64_t x = 0; d > 1 && x < rows * w; x += 64) {
        table<Square>().transform_strip({squares.get() + x, rows * w, distances + y * w + x, h * w, d,
                                         std::min<std::int64_t>(64, rows * w - x), rule_, strip.near.data(),
                                         strip.results.data(), strip.sites.data(), strip.line.data(),
                                         strip.nearest.data(), &deep});
      }
    }
  }

  const Masks masks_;
  const DistanceRule rule_;
  float* const distances_;
};

}  // namespace

void distance_transform(const Context&, const Masks& masks, const Spacing& spacing, bool squared, float* distances) {
  const DistanceRule rule = distance_rule(masks, spacing, squared);
  if (masks.n * masks.pixels() == 0) return;
  if (rule.narrow) {
    Transform<std::int32_t>(masks, rule, distances).run();
  } else {
    Transform<double>(masks, rule, distances).run();
  }
}

}  // namespace rapidmask::cpu
