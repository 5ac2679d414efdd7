// Distance transforms of volumes along their third axis.
//
// Only for sources that are compiled once per level: everything is in an anonymous namespace.
#pragma once

#include "isa/distance_lines.hpp"
#include "isa/distance_rows.hpp"

namespace rapidmask {
namespace {

struct NarrowLines {
  using Sites = NarrowSites;
  explicit NarrowLines(const DistanceRule&) {}
  Squares<std::int32_t> window_steps() const { return {}; }
  std::int32_t reach_square(std::int64_t steps) const { return static_cast<std::int32_t>(steps * steps); }
  Sites sites(std::int32_t* at) const { return {at, 0}; }
};
struct WideLines {
  using Sites = WideSites;
  explicit WideLines(const DistanceRule& rule) : weight(rule.z) {}
  double weight;
  WeightedSquares window_steps() const { return {weight}; }
  double reach_square(std::int64_t steps) const { return weighted_square(weight, static_cast<double>(steps)); }
  Sites sites(double* at) const { return {at, weight}; }
};

template <class Lines>
class StripTransform {
 public:
  using Square = typename Lines::Sites::Square;

  explicit StripTransform(const DistanceStrip<Square>& strip) : strip_(strip), lines_(strip.rule) {}

  void run() {
    gather();
    for (int i = 0; i < 64; i += kAtOnce * kLanes<Square>) {
      if (!*strip_.deep) *strip_.deep = !search_windows(i);
      if (*strip_.deep) *strip_.deep = search_lines(i);
    }
    for (std::int64_t z = 0; z < strip_.d; ++z) {
      finish_64(strip_.rule, strip_.results + 64 * z, strip_.lines, strip_.distances + z * strip_.distances_stride);
    }
  }

 private:
  static constexpr int kReach = 32;
  static_assert(kReach + 4 <= kStripPad);

  // Copies the strip, since its planes may lie so that they contend for the same lines of the cache.
  void gather() {
    const auto bytes = static_cast<std::size_t>(strip_.lines) * sizeof(Square);
    for (std::int64_t z = 0; z < strip_.d; ++z) {
      Square* to = strip_.near + 64 * (kStripPad + z);
      if (strip_.lines < 64) std::memset(to, 0, 64 * sizeof(Square));
      std::memcpy(to, strip_.squares + z * strip_.squares_stride, bytes);
    }
  }

  // 64 bytes of lines from line `i` on; returns whether windows find all squares.
  bool search_windows(int i) {
    for (std::int64_t z = 0; z < strip_.d; ++z) {
      const Square* at = strip_.near + 64 * (kStripPad + z) + i;
      Vector<Square> least[kAtOnce];
      for (int j = 0; j < kAtOnce; ++j) least[j] = load(at + j * kLanes<Square>);
      if (!search_window<kReach>(at, 64, least, lines_.window_steps())) return false;
      for (int j = 0; j < kAtOnce; ++j) store(strip_.results + 64 * z + i + j * kLanes<Square>, least[j]);
    }
    return true;
  }

  // The same by divide and conquer; returns whether windows would not do.
  bool search_lines(int i) {
    Square most = 0;
    for (int j = i; j < i + kAtOnce * kLanes<Square>; ++j) {
      const Square* at = strip_.near + 64 * kStripPad + j;
      typename Lines::Sites sites = lines_.sites(strip_.sites);
      for (std::int64_t z = 0; z < strip_.d; ++z) sites.set(z, at[64 * z]);
      store(strip_.sites + strip_.d, splat(Lines::Sites::kBeyond));
      search_line(sites, 0, strip_.d - 1, 0, strip_.d, strip_.nearest, strip_.line);
      for (std::int64_t z = 0; z < strip_.d; ++z) {
        strip_.results[64 * z + j] = strip_.line[z];
        most = most < strip_.line[z] ? strip_.line[z] : most;
      }
    }
    return most > lines_.reach_square(kReach * 3 / 4);
  }

  const DistanceStrip<Square>& strip_;
  const Lines lines_;
};

template <class Lines>
void transform_strip(const DistanceStrip<typename Lines::Sites::Square>& strip) {
  StripTransform<Lines>(strip).run();
}

}  // namespace
}  // namespace rapidmask
