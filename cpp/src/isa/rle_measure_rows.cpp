// Sums and rows of runs, compiled once per instruction level (RM_LEVEL).

#include "isa/rle_measure_rows.hpp"

#include <utility>

#include "isa/words.hpp"

namespace rapidmask {
namespace {

// A run of background and the run of foreground after it are one word, the former in its low half.
constexpr int kPairs = kVectorWords > 1 ? kVectorWords : 2;
using Pairs = WordsOf<kPairs>::Vector;
using Doubles [[gnu::vector_size(8 * kPairs)]] = double;

inline Pairs load_pairs(const std::uint32_t* counts) {
  Pairs pairs;
  __builtin_memcpy(&pairs, counts, sizeof pairs);
  return pairs;
}

constexpr std::uint64_t kLow = 0xffffffffu;

RunSums sums(const std::uint32_t* counts, std::int64_t count) {
  Pairs background{}, foreground{}, empty{};
  std::int64_t i = 0;
  RunSums sums{0, 0, true};
  if (count > 0) {
    sums.background = counts[0];
    counts += 1;
    count -= 1;
  }
  // From here on a pair is one of foreground and background.
  for (; i + 2 * kPairs <= count; i += 2 * kPairs) {
    const Pairs pairs = load_pairs(counts + i);
    const Pairs low = pairs & kLow, high = pairs >> 32;
    foreground += low;
    background += high;
    empty |= (low - 1) | (high - 1);  // borrows where a run is empty
  }
  std::uint64_t borrowed = 0;
  for (int k = 0; k < kPairs; ++k) {
    sums.background += static_cast<std::int64_t>(background[k]);
    sums.foreground += static_cast<std::int64_t>(foreground[k]);
    borrowed |= empty[k] >> 63;
  }
  for (; i < count; ++i) {
    (i % 2 == 0 ? sums.foreground : sums.background) += counts[i];
    borrowed |= counts[i] == 0;
  }
  sums.canonical = borrowed == 0;
  return sums;
}

template <int kBy, int... kLane>
inline Pairs moved_up(Pairs v, std::integer_sequence<int, kLane...>) {
  return __builtin_shufflevector(v, Pairs{}, (kLane >= kBy ? kLane - kBy : kPairs)...);
}

inline Pairs prefix_sums(Pairs v) {
  constexpr auto kLanes = std::make_integer_sequence<int, kPairs>{};
  v += moved_up<1>(v, kLanes);
  if constexpr (kPairs > 2) v += moved_up<2>(v, kLanes);
  if constexpr (kPairs > 4) v += moved_up<4>(v, kLanes);
  return v;
}

constexpr double kUnit = 4503599627370496.0;  // 2^52: numbers added to it are rounded to whole ones

inline Doubles to_doubles(Pairs v) {  // below 2^52
  return reinterpret_cast<Doubles>(v | 0x4330000000000000u) - kUnit;
}

RunRows rows(const std::uint32_t* counts, std::int64_t count, std::int64_t h) {
  const double height = static_cast<double>(h), reciprocal = 1.0 / height;
  Doubles least = Doubles{} + height, most{};
  std::uint64_t position = 0;
  const std::int64_t pairs = count / 2;
  for (std::int64_t i = 0; i < pairs; i += kPairs) {
    Pairs runs{};
    if (pairs - i >= kPairs) {
      runs = load_pairs(counts + 2 * i);
    } else {
      __builtin_memcpy(&runs, counts + 2 * i, static_cast<std::size_t>(8 * (pairs - i)));
    }
    const Pairs length = runs >> 32;
    const Pairs ends = prefix_sums((runs & kLow) + length) + position;
    position = ends[kPairs - 1];
    // The row of a run's first pixel: the quotient is rounded to the nearest, so that the rest may be negative.
    const Doubles begins = to_doubles(ends - length);
    const Doubles column = (begins * reciprocal + kUnit) - kUnit;
    Doubles row = begins - column * height;
    row = row < 0 ? row + height : row;
    if (pairs - i < kPairs) {  // lanes past the last run take the place of the first
      for (int k = static_cast<int>(pairs - i); k < kPairs; ++k) row[k] = row[0];
    }
    const Doubles end = row + to_doubles(length);
    least = row < least ? row : least;
    most = end > most ? end : most;
  }
  double first = height, last = 0;
  for (int k = 0; k < kPairs; ++k) {
    first = least[k] < first ? least[k] : first;
    last = most[k] > last ? most[k] : last;
  }
  // A run that goes on in the next column holds the last row of its own and the first of that.
  if (last > height) return {0, h};
  return {static_cast<std::int64_t>(first), static_cast<std::int64_t>(last)};
}

}  // namespace

namespace RM_LEVEL {
extern const RleMeasureRows rle_measure_rows;
const RleMeasureRows rle_measure_rows{sums, rows};
}  // namespace RM_LEVEL

}  // namespace rapidmask
