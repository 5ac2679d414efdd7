// Distance transforms of planes from their bits.
//
// Only for sources that are compiled once per level: everything is in an anonymous namespace.
#pragma once

#include "isa/distance_lines.hpp"
#include "isa/distance_rows.hpp"

namespace rapidmask {
namespace {

// The lanes of v whose bits are set, others zero.
inline Vector<std::int16_t> keep(Vector<std::int16_t> v, std::uint64_t bits) {
#if defined(__AVX512BW__)
  return (Vector<std::int16_t>)_mm256_maskz_mov_epi16(static_cast<__mmask16>(bits), (__m256i)v);
#else
  Vector<std::int16_t> bit;
  for (int i = 0; i < kLanes<std::int16_t>; ++i) bit[i] = static_cast<std::int16_t>(1u << i);
  return v & ((splat(static_cast<std::int16_t>(bits)) & bit) != 0);
#endif
}
inline Vector<double> keep(Vector<double> v, std::uint64_t bits) {
  Vector<std::int64_t> bit;
  for (int i = 0; i < kLanes<double>; ++i) bit[i] = 1 << i;
  return (Vector<double>)((Vector<std::int64_t>)v & ((splat(static_cast<std::int64_t>(bits)) & bit) != 0));
}

// Adds one, but to what is far.
inline Vector<std::int16_t> count_up(Vector<std::int16_t> v) {
#if defined(__AVX2__)
  return (Vector<std::int16_t>)_mm256_adds_epi16((__m256i)v, _mm256_set1_epi16(1));
#elif defined(__SSE2__)
  return (Vector<std::int16_t>)_mm_adds_epi16((__m128i)v, _mm_set1_epi16(1));
#else
  return lesser(v, splat<std::int16_t>(32766)) + 1;
#endif
}
inline Vector<double> count_up(Vector<double> v) { return v + 1; }

template <class T>
inline void zero_64(T* at) {
  std::memset(at, 0, 64 * sizeof(T));
}

// Moves 64 counters on by a row.
template <class Count>
inline void advance_64(Count* counters, std::uint64_t foreground) {
  for (int i = 0; i < 64; i += kLanes<Count>) {
    store(counters + i, keep(count_up(load(counters + i)), foreground >> i));
  }
}

template <class Count>
std::int64_t count_below(const std::uint64_t* bits, std::int64_t stride, std::int64_t rows, std::int64_t words,
                         Count* below, Count* starts) {
  const Count* const first = starts;
  for (std::int64_t y = rows - 1; y >= 0; --y) {
    const std::uint64_t* row = bits + y * stride;
    for (std::int64_t k = words - 1; k >= 0; --k) {
      if (row[k] == 0) {
        if (y == rows - 1 || row[k + stride] != 0) zero_64(below + 64 * k);
        continue;
      }
      advance_64(below + 64 * k, row[k]);
      if (y == 0 || starts == nullptr) continue;
      for (std::uint64_t heads = row[k] & ~row[k - stride]; heads != 0;) {
        const int i = 63 - __builtin_clzll(heads);
        *starts++ = below[64 * k + i];
        heads ^= std::uint64_t{1} << i;
      }
    }
  }
  return starts - first;
}

template <class Count>
void count_above(const std::uint64_t* bits, std::int64_t stride, std::int64_t rows, std::int64_t words, Count* above) {
  for (std::int64_t y = 0; y < rows; ++y) {
    const std::uint64_t* row = bits + y * stride;
    for (std::int64_t k = 0; k < words; ++k) {
      if (row[k] != 0) {
        advance_64(above + 64 * k, row[k]);
      } else if (y == 0 || row[k - stride] != 0) {
        zero_64(above + 64 * k);
      }
    }
  }
}

// The pixels of a row up to `end` that are in word k, as bits.
inline std::uint64_t bits_before(std::int64_t end, std::int64_t k) {
  return end - 64 * k >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << (end - 64 * k)) - 1;
}

// What differs between the two kinds of squares: the columns' squares that windows look at, and how far they reach.
struct NarrowPlane {
  using Square = std::int32_t;
  using Sites = NarrowSites;
  static constexpr int kReach = 112;
  static constexpr std::int16_t kNear = 128;  // farther counts are cut to this
  static_assert(kNear * kNear == kFarSite<Square> && kNear * kNear + kReach * kReach < 1 << 15);

  explicit NarrowPlane(const DistanceRule&) {}

  Vector<std::int16_t> window_square(Vector<std::int16_t> count) const {
    count = lesser(count, splat(kNear));
    return count * count;
  }
  Squares<std::int16_t> window_steps() const { return {}; }
  Square square(std::int16_t count) const { return count < kNarrowExtent ? std::int32_t{count} * count : kFarSquare; }
  Square reach_square(std::int64_t steps) const { return static_cast<Square>(steps * steps); }
  Sites sites(Square* at, std::int64_t origin) const { return {at, origin}; }
};
struct WidePlane {
  using Square = double;
  using Sites = WideSites;
  static constexpr int kReach = 32;

  explicit WidePlane(const DistanceRule& rule) : weight_y(rule.y), weight_x(rule.x) {}

  double weight_y, weight_x;
  Vector<double> window_square(Vector<double> count) const { return weight_y * (count * count); }
  WeightedSquares window_steps() const { return {weight_x}; }
  Square square(double count) const { return weighted_square(weight_y, count); }
  Square reach_square(std::int64_t steps) const { return weighted_square(weight_x, static_cast<double>(steps)); }
  Sites sites(Square* at, std::int64_t) const { return {at, weight_x}; }
};

template <class Plane>
class BandTransform {
 public:
  using Square = typename Plane::Square;
  using Count = typename DistanceCount<Square>::type;

  explicit BandTransform(const DistanceBand<Square>& band)
      : band_(band), plane_(band.rule), words_((band.w + 63) / 64), starts_(band.starts) {}

  void run() {
    for (std::int64_t y = 0; y < band_.rows; ++y) {
      row_ = band_.bits + y * words_;
      descend(y == 0);
      bool settled = true;
      for (std::int64_t k = 0; k < words_; ++k) settled &= row_[k] == 0 || search_windows(k);
      if (!settled) {
        for (std::int64_t k = 0; k < words_; ++k) {
          while (row_[k] != 0 && band_.unsettled[k] != 0) search_run(64 * k + __builtin_ctzll(band_.unsettled[k]));
        }
      }
      write(y * band_.w);
    }
  }

 private:
  // Moves the counters of all columns to this row, and squares the nearer of the two.
  void descend(bool is_first) {
    for (std::int64_t k = 0; k < words_; ++k) {
      Count* above = band_.above + 64 * k;
      Count* below = band_.below + 64 * k;
      Count* near = band_.near + 64 * k;
      if (row_[k] == 0) {
        if (is_first || row_[k - words_] != 0) {
          zero_64(above);
          zero_64(near);
        }
        continue;
      }
      if (!is_first) {
        for (int i = 0; i < 64; i += kLanes<Count>) store(below + i, keep(load(below + i) - 1, row_[k] >> i));
        for (std::uint64_t heads = row_[k] & ~row_[k - words_]; heads != 0; heads &= heads - 1) {
          below[__builtin_ctzll(heads)] = *--starts_;
        }
      }
      for (int i = 0; i < 64; i += kLanes<Count>) {
        const Vector<Count> up = keep(count_up(load(above + i)), row_[k] >> i);
        store(above + i, up);
        store(near + i, plane_.window_square(lesser(up, load(below + i))));
      }
    }
    for (std::int64_t x = band_.w; x < 64 * words_; ++x) band_.near[x] = kFarSite<Square>;
  }

  // Writes the squares of 64 pixels as far as windows find them; returns whether they found all.
  bool search_windows(std::int64_t k) {
    Square* line = band_.line + 64 * k;
    band_.unsettled[k] = 0;
    if (band_.deep[k] != 0) {
      if (~row_[k] != 0) zero_64(line);
      band_.unsettled[k] = row_[k];
      return false;
    }
    const bool is_partial = 64 * k + 64 > band_.w;
    Count found[64];
    bool settled = true;
    for (int i = 0; i < 64; i += kAtOnce * kLanes<Count>) {
      const Count* at = band_.near + 64 * k + i;
      Vector<Count> least[kAtOnce];
      for (int j = 0; j < kAtOnce; ++j) {
        const int lane = j * kLanes<Count>;
        least[j] = load(at + lane);
        if (is_partial) least[j] = keep(least[j], row_[k] >> (i + lane));  // what is beyond the row is settled
      }
      settled &= search_window<Plane::kReach>(at, 1, least, plane_.window_steps());
      for (int j = 0; j < kAtOnce; ++j) store(found + i + j * kLanes<Count>, least[j]);
    }
    for (int i = 0; i < 64; ++i) line[i] = found[i];
    if (settled) return true;
    const Square limit = plane_.reach_square(Plane::kReach);
    for (int i = 0; i < 64; ++i) band_.unsettled[k] |= std::uint64_t{line[i] > limit} << i;
    band_.deep[k] = band_.unsettled[k] != 0;
    return band_.unsettled[k] == 0;
  }

  // Finds the squares of the unsettled pixels of a run of foreground, of which `begin` is the first. Its sites are
  // those of the run and of the background at its ends.
  void search_run(std::int64_t begin) {
    const std::int64_t before = background_before(begin), after = background_after(begin);
    const std::int64_t first = before < 0 ? 0 : before;
    const std::int64_t last = after < band_.w ? after : after - 1;
    std::int64_t end = begin;
    for (std::int64_t k = begin / 64; 64 * k < after; ++k) {
      const std::uint64_t found = band_.unsettled[k] & bits_before(after, k);
      if (found != 0) end = 64 * k + 64 - __builtin_clzll(found);
      band_.unsettled[k] ^= found;
    }
    typename Plane::Sites sites = plane_.sites(band_.sites, first);
    for (std::int64_t s = first; s <= last; ++s) {
      sites.set(s, plane_.square(band_.above[s] < band_.below[s] ? band_.above[s] : band_.below[s]));
    }
    store(band_.sites + last + 1, splat(Plane::Sites::kBeyond));
    search_line(sites, first, last, begin, end, band_.nearest, band_.line);
    // Windows are tried again where they would do with something to spare.
    const Square limit = plane_.reach_square(Plane::kReach * 3 / 4);
    for (std::int64_t k = begin / 64; 64 * k < end; ++k) {
      band_.deep[k] = greatest_64(band_.line + 64 * k) > limit;
    }
  }

  std::int64_t background_before(std::int64_t x) const {  // or -1
    std::int64_t k = x / 64;
    std::uint64_t background = ~row_[k] & bits_before(x + 1, k);
    while (background == 0) {
      if (--k < 0) return -1;
      background = ~row_[k];
    }
    return 64 * k + 63 - __builtin_clzll(background);
  }
  std::int64_t background_after(std::int64_t x) const {  // or w
    std::int64_t k = x / 64;
    std::uint64_t background = ~row_[k] & ~bits_before(x, k);
    while (background == 0) {
      if (++k == words_) return band_.w;
      background = ~row_[k];
    }
    return 64 * k + __builtin_ctzll(background);
  }

  // Writes the row's results, or its squares, where the row begins.
  void write(std::int64_t at) const {
    for (std::int64_t k = 0; k < words_;) {
      const std::int64_t x = 64 * k;
      const bool background = row_[k] == 0;
      ++k;
      while (background && k < words_ && row_[k] == 0) ++k;
      const std::int64_t count = (64 * k < band_.w ? 64 * k : band_.w) - x;
      const auto size = static_cast<std::size_t>(count);
      if (band_.squares != nullptr) {
        Square* to = band_.squares + at + x;
        if (background) {
          std::memset(to, 0, size * sizeof(Square));
        } else {
          std::memcpy(to, band_.line + x, size * sizeof(Square));
        }
      } else if (background) {
        std::memset(band_.distances + at + x, 0, size * sizeof(float));
      } else {
        finish_64(band_.rule, band_.line + x, count, band_.distances + at + x);
      }
    }
  }

  const DistanceBand<Square>& band_;
  const Plane plane_;
  const std::int64_t words_;
  const std::uint64_t* row_ = nullptr;
  const Count* starts_;
};

template <class Plane>
void transform_band(const DistanceBand<typename Plane::Square>& band) {
  BandTransform<Plane>(band).run();
}

}  // namespace
}  // namespace rapidmask
