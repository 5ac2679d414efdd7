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

constexpr std::int64_t kGrainPixels = 1 << 16;    // about 50 µs
constexpr std::int64_t kGrainBytes = 1 << 19;     // of masks or bits that are only gone through
constexpr std::int64_t kLeastRows = 64;           // of a band: its edges cost two passes over the bits
constexpr std::int64_t kLeastCachedRows = 8;      // of a volume's band
constexpr std::int64_t kCachedSquares = 1 << 20;  // of a volume's band, which are to stay in the cache
constexpr std::int64_t kStripWords = 4;           // of columns, whose edges a task counts

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
      : near(to_size(columns(w) + 2 * kDistancePad), kFarSite<Square>),
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
};

// What the lines of a strip work with.
template <class Square>
struct StripScratch {
  explicit StripScratch(std::int64_t d)
      : near(to_size(64 * (d + 2 * kStripPad)), far_square<Square>()),
        results(to_size(64 * d)),
        sites(to_size(d + kDistancePad)),
        line(to_size(d + kDistancePad)),
        nearest(to_size(d / 2 + 2)) {}

  std::vector<Square> near, results, sites, line;
  std::vector<std::int64_t> nearest;
};

// The masks of a batch with one kind of squares.
//
// Planes are cut into bands of rows, which are tasks of the pool. A band takes its rows of every plane of a volume, so
// that their squares wait for the third axis in the cache.
template <class Square>
class Transform {
 public:
  Transform(const Masks& masks, const DistanceRule& rule, float* distances)
      : masks_(masks), rule_(rule), distances_(distances), many_(masks.n >= 2 * get_num_threads()) {}

  void run() const {
    const std::int64_t grain = many_ ? std::max<std::int64_t>(1, kGrainPixels / masks_.pixels()) : masks_.n;
    parallel_for(masks_.n, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) transform_mask(i);
    });
  }

 private:
  using Count = typename DistanceCount<Square>::type;

  // Bands of a mask, of which the last may have fewer rows, and for each band of each plane, one after the other, the
  // rows from its edges to the background above and below, of all columns.
  struct Bands {
    std::int64_t count, rows, columns;
    std::vector<Count> above, below;
    std::vector<std::uint8_t> plane_has_background;

    std::int64_t at(std::int64_t z, std::int64_t band) const { return (z * count + band) * columns; }
  };

  void transform_mask(std::int64_t i) const {
    float* distances = distances_ + i * masks_.pixels();
    std::unique_ptr<std::uint64_t[]> packed;
    const auto* bits = reinterpret_cast<const std::uint64_t*>(masks_.mask(i));
    if (!masks_.packed) {
      packed = untouched<std::uint64_t>(masks_.mask_words());
      bits = packed.get();
      pack(masks_.mask(i), packed.get());
    }
    Bands bands = bands_of(bits);
    const auto& has = bands.plane_has_background;
    if (std::find(has.begin(), has.end(), 1) == has.end()) {
      std::fill_n(distances, masks_.pixels(), std::numeric_limits<float>::infinity());
      return;
    }
    parallel_for(bands.count, 1,
                 [&](std::int64_t begin, std::int64_t end) { transform_bands(bits, bands, begin, end, distances); });
  }

  void pack(const std::uint8_t* mask, std::uint64_t* packed) const {
    const std::int64_t w = masks_.w, words = masks_.words();
    const std::int64_t grain = std::max<std::int64_t>(1, kGrainBytes / w);
    parallel_for(masks_.d * masks_.h, grain, [&](std::int64_t begin, std::int64_t end) {
      pack_rows().pack(mask + begin * w, end - begin, w, packed + begin * words);
    });
  }

  std::int64_t rows_of_bands() const {
    const bool whole = many_ || get_num_threads() == 1 || masks_.pixels() <= 2 * kGrainPixels;
    std::int64_t rows = whole ? masks_.h : masks_.h / (4 * get_num_threads()) + 1;
    if (masks_.d > 1) rows = std::min(rows, kCachedSquares / (masks_.d * masks_.w));
    return std::min(masks_.h, std::max(rows, masks_.d > 1 ? kLeastCachedRows : kLeastRows));
  }

  Bands bands_of(const std::uint64_t* bits) const {
    const std::int64_t rows = rows_of_bands(), count = (masks_.h + rows - 1) / rows, columns = 64 * masks_.words();
    const std::vector<Count> far(to_size(masks_.d * count * columns), kFarCount<Square>);
    Bands bands{count, rows, columns, far, far, std::vector<std::uint8_t>(to_size(masks_.d))};
    const std::int64_t strips = (masks_.words() + kStripWords - 1) / kStripWords;
    const std::int64_t grain = std::max<std::int64_t>(1, kGrainBytes / (masks_.h * kStripWords * 8));
    parallel_for(masks_.d * strips, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t task = begin; task < end; ++task) {
        const std::int64_t z = task / strips, k = task % strips * kStripWords;
        const std::uint64_t* plane = bits + z * masks_.h * masks_.words();
        if (k == 0) bands.plane_has_background[to_size(z)] = has_background(plane, masks_.h, masks_.w);
        count_at_edges(plane, k, std::min(kStripWords, masks_.words() - k), z, bands);
      }
    });
    return bands;
  }

  // Of `words` words of columns of plane z, from word k on: each band's count goes on from its neighbour's.
  void count_at_edges(const std::uint64_t* plane, std::int64_t k, std::int64_t words, std::int64_t z,
                      Bands& bands) const {
    const std::int64_t stride = masks_.words();
    for (std::int64_t b = 1; b < bands.count; ++b) {
      const Count* from = &bands.above[to_size(bands.at(z, b - 1) + 64 * k)];
      Count* to = std::copy_n(from, 64 * words, &bands.above[to_size(bands.at(z, b) + 64 * k)]) - 64 * words;
      table<Square>().count_above(plane + (b - 1) * bands.rows * stride + k, stride, bands.rows, words, to);
    }
    for (std::int64_t b = bands.count - 1; b > 0; --b) {
      const Count* from = &bands.below[to_size(bands.at(z, b) + 64 * k)];
      Count* to = std::copy_n(from, 64 * words, &bands.below[to_size(bands.at(z, b - 1) + 64 * k)]) - 64 * words;
      const std::int64_t y = b * bands.rows, rows = std::min(bands.rows, masks_.h - y);
      table<Square>().count_below(plane + y * stride + k, stride, rows, words, to, nullptr);
    }
  }

  void transform_bands(const std::uint64_t* bits, Bands& bands, std::int64_t begin, std::int64_t end,
                       float* distances) const {
    const std::int64_t d = masks_.d, h = masks_.h, w = masks_.w, words = masks_.words();
    BandScratch<Square> scratch(w);
    const auto starts = untouched<Count>(w * (bands.rows / 2));
    const auto squares = untouched<Square>(d > 1 ? d * bands.rows * w : 0);
    for (std::int64_t b = begin; b < end; ++b) {
      const std::int64_t y = b * bands.rows, rows = std::min(bands.rows, h - y);
      for (std::int64_t z = 0; z < d; ++z) {
        Square* plane_squares = d > 1 ? squares.get() + z * rows * w : nullptr;
        if (bands.plane_has_background[to_size(z)] == 0) {
          std::fill_n(plane_squares, rows * w, far_square<Square>());
          continue;
        }
        const std::uint64_t* band = bits + (z * h + y) * words;
        Count* above = &bands.above[to_size(bands.at(z, b))];
        Count* below = &bands.below[to_size(bands.at(z, b))];
        const std::int64_t count = table<Square>().count_below(band, words, rows, words, below, starts.get());
        std::fill(scratch.deep.begin(), scratch.deep.end(), std::uint8_t{0});
        table<Square>().transform_band({band, rows, w, rule_, above, below, starts.get() + count,
                                        scratch.near.data() + kDistancePad, scratch.sites.data(), scratch.line.data(),
                                        scratch.nearest.data(), scratch.unsettled.data(), scratch.deep.data(),
                                        distances + y * w, plane_squares});
      }
      if (d > 1) transform_strips(squares.get(), rows * w, distances + y * w);
    }
  }

  // From the squares of `count` adjacent pixels of all planes.
  void transform_strips(const Square* squares, std::int64_t count, float* distances) const {
    StripScratch<Square> scratch(masks_.d);
    bool deep = false;
    for (std::int64_t x = 0; x < count; x += 64) {
      table<Square>().transform_strip({squares + x, count, distances + x, masks_.h * masks_.w, masks_.d,
                                       std::min<std::int64_t>(64, count - x), rule_, scratch.near.data(),
                                       scratch.results.data(), scratch.sites.data(), scratch.line.data(),
                                       scratch.nearest.data(), &deep});
    }
  }

  const Masks masks_;
  const DistanceRule rule_;
  float* const distances_;
  const bool many_;  // whether masks rather than bands are shared among threads
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
