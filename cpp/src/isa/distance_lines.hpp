// Least squares along a line: by windows, and by divide and conquer.
//
// Only for sources that are compiled once per level: everything is in an anonymous namespace.
#pragma once

#include <cstdint>
#include <limits>

#include "isa/lanes.hpp"
#include "rapidmask/distance.hpp"

namespace rapidmask {
namespace {

// The squares of 1, 2, 3, … in all lanes, plain or weighted.
template <class T>
struct Squares {
  Vector<T> value = splat<T>(1), growth = splat<T>(3);
  void next() {
    value += growth;
    growth += 2;
  }
};
struct WeightedSquares {
  double weight;
  Vector<double> steps = splat(1.0), value = splat(weight);
  void next() {
    steps += 1;
    value = weight * (steps * steps);
  }
};

// Vectors of sites that are searched at once, so that every level takes 64 bytes of them.
inline constexpr int kAtOnce = 64 / kVectorBytes;

// Lowers least[0], … of kAtOnce vectors, at first the numbers at[0], at[1], …, to the least of at[±k stride] + k² over
// k <= kReach. False where farther ones may be less.
template <int kReach, class T, class K>
inline bool search_window(const T* at, std::int64_t stride, Vector<T> (&least)[kAtOnce], K squares) {
  constexpr int kUnroll = 4;
  static_assert(kReach % kUnroll == 0);
  const auto is_done = [&] {
    Vector<T> most = least[0];
    for (int i = 1; i < kAtOnce; ++i) most = most > least[i] ? most : least[i];
    return !any_greater(most, squares.value);
  };
  for (std::int64_t k = 1; k < kReach; k += kUnroll) {
    if (is_done()) return true;
    for (std::int64_t j = k; j < k + kUnroll; ++j) {
      for (int i = 0; i < kAtOnce; ++i) {
        const T* from = at + i * kLanes<T>;
        least[i] = lesser(least[i], lesser(load(from - j * stride), load(from + j * stride)) + squares.value);
      }
      squares.next();
    }
  }
  return is_done();
}

// Sites of a line and what they are to a pixel: sites[s] + (s - x)². Narrow ones are stored with s² added, from where s
// counts from an origin, since sites[s] + s² - 2 x s is linear in s and in x.
class NarrowSites {
 public:
  using Square = std::int32_t;
  using Index = std::int32_t;
  static constexpr Square kBeyond = kFarSquare + kFarSquare / 2;  // as stored: farther than far sites of any s

  NarrowSites(Square* sites, std::int64_t origin) : sites_(sites), origin_(origin) {}

  void set(std::int64_t s, Square square) {
    const auto step = static_cast<Square>(s - origin_);
    sites_[s] = square + step * step;
  }

  // To one pixel, a vector of sites after the other.
  class Along {
   public:
    Along(const NarrowSites& sites, std::int64_t s, std::int64_t x)
        : at_(sites.sites_ + s),
          slope_(2 * static_cast<Square>(x - sites.origin_)),
          linear_((splat(static_cast<Square>(s - sites.origin_)) + ascending<Square>()) * slope_) {}
    Vector<Square> next() {
      const Vector<Square> value = load(at_) - linear_;
      at_ += kLanes<Square>;
      linear_ += slope_ * kLanes<Square>;
      return value;
    }

   private:
    const Square* at_;
    Square slope_;
    Vector<Square> linear_;
  };

  // To a vector of pixels, one site after the other.
  class Across {
   public:
    Across(const NarrowSites& sites, std::int64_t s, std::int64_t x)
        : at_(sites.sites_ + s),
          x_(splat(static_cast<Square>(x - sites.origin_)) + ascending<Square>()),
          linear_(2 * x_ * static_cast<Square>(s - sites.origin_)) {}
    Vector<Square> next() {
      const Vector<Square> value = splat(*at_++) - linear_;
      linear_ += 2 * x_;
      return value;
    }
    Vector<Square> square(Vector<Square> value) const { return value + x_ * x_; }

   private:
    const Square* at_;
    const Vector<Square> x_;
    Vector<Square> linear_;
  };

 private:
  Square* sites_;
  std::int64_t origin_;
};

class WideSites {
 public:
  using Square = double;
  using Index = std::int64_t;
  static constexpr Square kBeyond = std::numeric_limits<double>::infinity();

  WideSites(Square* sites, double weight) : sites_(sites), weight_(weight) {}

  void set(std::int64_t s, Square square) { sites_[s] = square; }

  class Along {
   public:
    Along(const WideSites& sites, std::int64_t s, std::int64_t x)
        : at_(sites.sites_ + s),
          weight_(sites.weight_),
          steps_(splat(static_cast<double>(s - x)) + ascending<double>()) {}
    Vector<Square> next() {
      const Vector<Square> value = load(at_) + weight_ * (steps_ * steps_);
      at_ += kLanes<Square>;
      steps_ += kLanes<Square>;
      return value;
    }

   private:
    const Square* at_;
    double weight_;
    Vector<Square> steps_;
  };

  class Across {
   public:
    Across(const WideSites& sites, std::int64_t s, std::int64_t x)
        : at_(sites.sites_ + s),
          weight_(sites.weight_),
          steps_(splat(static_cast<double>(x - s)) + ascending<double>()) {}
    Vector<Square> next() {
      const Vector<Square> value = splat(*at_++) + weight_ * (steps_ * steps_);
      steps_ -= 1;
      return value;
    }
    Vector<Square> square(Vector<Square> value) const { return value; }

   private:
    const Square* at_;
    double weight_;
    Vector<Square> steps_;
  };

 private:
  Square* sites_;
  double weight_;
};

// Halves of the vectors meet until the first lane holds the least number and what belongs to it.
template <int kHalf, class V, class I>
inline void meet(V& least, I& best) {
  const V other = exchanged<kHalf>(least);
  const I other_best = exchanged<kHalf>(best);
  best = other < least ? other_best : best;
  least = lesser(other, least);
  if constexpr (kHalf > 1) meet<kHalf / 2>(least, best);
}

// The site of [first, last] that is nearest to x, or a nearer one within a vector beyond `last`.
template <class Sites>
inline std::int64_t nearest_site(const Sites& sites, std::int64_t first, std::int64_t last, std::int64_t x) {
  using T = typename Sites::Square;
  using Index = typename Sites::Index;
  typename Sites::Along along(sites, first, x);
  Vector<T> least = along.next();
  Vector<Index> at = ascending<Index>(), best = at;
  for (std::int64_t s = first + kLanes<T>; s <= last; s += kLanes<T>) {
    const Vector<T> candidate = along.next();
    at += static_cast<Index>(kLanes<T>);
    best = candidate < least ? at : best;
    least = lesser(candidate, least);
  }
  meet<kLanes<T> / 2>(least, best);
  return first + best[0];
}

// line[x] = the least square over the sites of [first, last], for x of [begin, end). A vector of sites beyond the last
// is read: they must be kBeyond. `nearest` is scratch of (end - begin) / kLanes + 2 numbers.
//
// The best site of a pixel bounds those of the pixels before and after it: first the middle of the range, then the
// middles of its halves, down to pixels a vector apart. The pixels between two of them share the sites between theirs.
// Each round goes over the sites once.
template <class Sites, class T = typename Sites::Square>
inline void search_line(const Sites& sites, std::int64_t first, std::int64_t last, std::int64_t begin, std::int64_t end,
                        std::int64_t* nearest, T* line) {
  const std::int64_t posts = (end - begin + kLanes<T> - 1) / kLanes<T> + 1;
  std::int64_t stride = 1;
  while (2 * stride <= posts) stride *= 2;
  for (; stride > 0; stride /= 2) {
    for (std::int64_t j = stride - 1; j < posts; j += 2 * stride) {
      const std::int64_t low = j >= stride ? nearest[j - stride] : first;
      const std::int64_t high = j + stride < posts ? nearest[j + stride] : last;
      nearest[j] = nearest_site(sites, low, high, j + 1 < posts ? begin + j * kLanes<T> : end - 1);
    }
  }
  for (std::int64_t j = 0; j + 1 < posts; ++j) {
    const std::int64_t x = begin + j * kLanes<T>;
    typename Sites::Across across(sites, nearest[j], x);
    Vector<T> least = across.next();
    for (std::int64_t s = nearest[j]; s < nearest[j + 1]; ++s) least = lesser(least, across.next());
    least = across.square(least);
    if (x + kLanes<T> <= end) {
      store(line + x, least);
    } else {
      std::memcpy(line + x, &least, static_cast<std::size_t>(end - x) * sizeof(T));
    }
  }
}

template <class T>
inline T greatest_64(const T* from) {
  T most = from[0];
  for (int i = 1; i < 64; ++i) most = most < from[i] ? from[i] : most;
  return most;
}

// Up to 64 results from their squares.
template <class Square>
inline void finish_64(const DistanceRule& rule, const Square* squares, std::int64_t count, float* to) {
  float results[64];
  float* const at = count == 64 ? to : results;
  bool exact = rule.exact;  // whether float32 holds them all
  if (sizeof(Square) == sizeof(std::int32_t) && !exact && rule.scale == 1) {
    exact = greatest_64(squares) <= kExactSquares;
  }
  if (exact) {
    for (int i = 0; i < 64; ++i) at[i] = exact_distance_result(rule, static_cast<std::int32_t>(squares[i]));
  } else {
    for (int i = 0; i < 64; ++i) at[i] = distance_result(rule, static_cast<double>(squares[i]));
  }
  if (count != 64) std::memcpy(to, results, static_cast<std::size_t>(count) * sizeof(float));
}

}  // namespace
}  // namespace rapidmask
