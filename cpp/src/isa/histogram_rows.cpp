// Hot loops of the threshold values, compiled once per instruction level with RM_LEVEL naming its namespace.
#include "histogram_rows.hpp"

namespace rapidmask::RM_LEVEL {
namespace {

// --- Bytes ---

constexpr std::int64_t kManyBytes = std::int64_t{1} << 19;  // pays for clearing and folding a table of pairs
constexpr std::int64_t kPairBlock = std::int64_t{1} << 32;  // pixels that 32-bit counters of pairs hold
constexpr int kTables = 8;
constexpr int kStreams = 4;

inline __attribute__((always_inline)) std::uint64_t load_eight(const std::uint8_t* bytes) {
  std::uint64_t eight;
  __builtin_memcpy(&eight, bytes, 8);
  return eight;
}

// Neighbouring pixels are often equal, and a counter that was just stored cannot be loaded again at once: byte j of
// eight counts in table j.
void count_few(const std::uint8_t* pixels, std::int64_t count, std::int64_t* counts) {
  std::uint32_t tables[kTables][256] = {};
  std::int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const std::uint64_t eight = load_eight(pixels + i);
    for (int j = 0; j < 8; ++j) tables[j][eight >> 8 * j & 255] += 1;
  }
  for (; i < count; ++i) tables[0][pixels[i]] += 1;
  for (int value = 0; value < 256; ++value)
    for (int j = 0; j < kTables; ++j) counts[value] += tables[j][value];
}

// A processor stores one counter a cycle, so pairs of neighbours are counted: half the stores, into a table of 256 KiB
// of which a picture uses the diagonal. Four streams from distant parts take turns, since neighbouring pairs are often
// equal; where all four stand in a plateau, 64 pixels are counted at once. Against eight tables of bytes, 12 MP, AMD
// EPYC 9004, one thread: photographs 2.1–3.5 ms (3.4–3.6), constant 0.5 (3.4), noise 3.2 (3.4), mask 1.2 (3.5).
void count_many(const std::uint8_t* pixels, std::int64_t count, std::int64_t* counts, std::uint32_t* pairs) {
  for (int pair = 0; pair < 65536; ++pair) pairs[pair] = 0;
  const std::int64_t length = count / kStreams / 16 * 16;
  for (std::int64_t i = 0; i < length; i += 16) {
    std::uint64_t words[kStreams][2], change = 0;
    for (int s = 0; s < kStreams; ++s) {
      const std::uint8_t* at = pixels + s * length + i;
      words[s][0] = load_eight(at);
      words[s][1] = load_eight(at + 8);
      change |= (words[s][0] ^ load_eight(at + 1)) | (words[s][0] ^ words[s][1]);
    }
    if (change == 0) {
      for (int s = 0; s < kStreams; ++s) counts[words[s][0] & 255] += 16;
      continue;
    }
    for (int half = 0; half < 2; ++half)
      for (int j = 0; j < 4; ++j)
        for (int s = 0; s < kStreams; ++s) pairs[words[s][half] >> 16 * j & 65535] += 1;
  }
  std::int64_t of_low[256] = {};
  for (int high = 0; high < 256; ++high) {
    std::int64_t sum = 0;
    for (int low = 0; low < 256; ++low) {
      sum += pairs[high * 256 + low];
      of_low[low] += pairs[high * 256 + low];
    }
    counts[high] += sum;
  }
  for (int low = 0; low < 256; ++low) counts[low] += of_low[low];
  count_few(pixels + kStreams * length, count - kStreams * length, counts);
}

void count_bytes(const std::uint8_t* pixels, std::int64_t count, std::int64_t* counts, std::uint32_t* pairs) {
  for (std::int64_t i = 0; i < count; i += kPairBlock) {
    const std::int64_t part = count - i < kPairBlock ? count - i : kPairBlock;
    if (part < kManyBytes) {
      count_few(pixels + i, part, counts);
    } else {
      count_many(pixels + i, part, counts, pairs);
    }
  }
}

// --- Shorts ---

// Streams and plateaus as above, in words of four pixels. Against one load a pixel, Otsu's value, 12 MP, AMD EPYC 9004,
// x86_v4, one thread: photograph 6.5 ms (8.1), noise 7.0 (8.3), 12 bits 4.6 (6.8), constant 1.2 (4.2).
void count_shorts(const std::uint16_t* pixels, std::int64_t count, std::uint16_t flip, std::uint32_t* counts) {
  const std::uint64_t flips = 0x0001000100010001u * flip;
  const std::int64_t length = count / kStreams / 4 * 4;
  for (std::int64_t i = 0; i < length; i += 4) {
    std::uint64_t words[kStreams], change = 0;
    for (int s = 0; s < kStreams; ++s) {
      __builtin_memcpy(&words[s], pixels + s * length + i, 8);
      change |= words[s] ^ words[0];
    }
    change |= words[0] ^ (words[0] >> 16 | words[0] << 48);
    for (int s = 0; s < kStreams; ++s) words[s] ^= flips;
    if (change == 0) {
      counts[words[0] & 65535] += 4 * kStreams;
      continue;
    }
    for (int j = 0; j < 4; ++j)
      for (int s = 0; s < kStreams; ++s) counts[words[s] >> 16 * j & 65535] += 1;
  }
  for (std::int64_t i = kStreams * length; i < count; ++i) counts[pixels[i] ^ flip] += 1;
}

// --- Sums of integers ---

constexpr std::uint16_t wider(std::uint8_t x) { return x; }
constexpr std::int16_t wider(std::int8_t x) { return x; }
constexpr std::uint32_t wider(std::uint16_t x) { return x; }
constexpr std::int32_t wider(std::int16_t x) { return x; }
constexpr std::uint64_t wider(std::uint32_t x) { return x; }
constexpr std::int64_t wider(std::int32_t x) { return x; }

// Lanes of twice the width hold the sums of 2^bits pixels each. Against a plain loop with a 64-bit sum, 12 MP, AMD EPYC
// 9004, x86_v4, one thread: uint8 0.32 ms (1.65), uint16 0.74 (1.66), int32 1.6 (3.0), which is what reading them
// takes.
template <class T>
IntegerSum sum_integers(const T* pixels, std::int64_t count) {
  IntegerSum sum = {0, 0};
  if constexpr (sizeof(T) < 8) {
    using Wider = decltype(wider(T{}));
    constexpr std::int64_t kLanes = sizeof(T) == 4 ? 32 : 64;
    constexpr std::int64_t kRows = std::int64_t{1} << 8 * sizeof(T);
    while (count >= kLanes) {
      const std::int64_t rows = count / kLanes < kRows ? count / kLanes : kRows;
      Wider lanes[kLanes] = {};
      for (std::int64_t i = 0; i < rows; ++i, pixels += kLanes)
        for (std::int64_t j = 0; j < kLanes; ++j) lanes[j] = static_cast<Wider>(lanes[j] + pixels[j]);
      for (std::int64_t j = 0; j < kLanes; ++j) sum.low += static_cast<std::int64_t>(lanes[j]);
      count -= rows * kLanes;
    }
  }
  for (std::int64_t i = 0; i < count; ++i) sum.add(pixels[i]);
  return sum;
}

// --- Floats ---

constexpr std::int64_t kRangeLanes = 32;

template <class T>
bool range(const T* pixels, std::int64_t count, WidenedType<T>* smallest, WidenedType<T>* largest) {
  using F = WidenedType<T>;
  F low[kRangeLanes], high[kRangeLanes], check[kRangeLanes];
  for (std::int64_t j = 0; j < kRangeLanes; ++j) {
    low[j] = high[j] = widen(pixels[0]);
    check[j] = 0;
  }
  const auto take = [&](std::int64_t j, F x) {
    low[j] = x < low[j] ? x : low[j];
    high[j] = x > high[j] ? x : high[j];
    check[j] += x - x;  // 0 until a NaN or an infinity comes, NaN from then on
  };
  std::int64_t i = 0;
  for (; i + kRangeLanes <= count; i += kRangeLanes)
    for (std::int64_t j = 0; j < kRangeLanes; ++j) take(j, widen(pixels[i + j]));
  for (; i < count; ++i) take(0, widen(pixels[i]));
  for (std::int64_t j = 1; j < kRangeLanes; ++j) {
    low[0] = low[j] < low[0] ? low[j] : low[0];
    high[0] = high[j] > high[0] ? high[j] : high[0];
    check[0] += check[j];
  }
  *smallest = low[0];
  *largest = high[0];
  return check[0] == 0;
}

template <class T>
void bins(const T* __restrict pixels, std::int64_t count, const FloatBins<WidenedType<T>>& edges,
          std::uint8_t* __restrict out) {
  const FloatBins<WidenedType<T>> by_value = edges;
  for (std::int64_t i = 0; i < count; ++i) out[i] = static_cast<std::uint8_t>(by_value.index(widen(pixels[i])));
}

// Calls take(j, x) for each lane j of the `Group` lanes from `first`, in the order of the pixels. A group's sums stay
// in registers.
template <std::int64_t Group, class T, class Take>
inline __attribute__((always_inline)) void visit_lanes(const T* pixels, std::int64_t count, std::int64_t first,
                                                       Take take) {
  std::int64_t i = first;
  for (; i + Group <= count; i += kSumLanes)
    for (std::int64_t j = 0; j < Group; ++j) take(j, widen(pixels[i + j]));
  for (std::int64_t j = 0; i + j < count && j < Group; ++j) take(j, widen(pixels[i + j]));
}

template <class T>
double sum(const T* pixels, std::int64_t count) {
  double lanes[kSumLanes] = {};
  visit_lanes<kSumLanes>(pixels, count, 0, [&](std::int64_t j, auto x) { lanes[j] += static_cast<double>(x); });
  fold_lanes(lanes);
  return lanes[0];
}

template <class T>
SplitSums split(const T* pixels, std::int64_t count, WidenedType<T> smallest, double threshold) {
  constexpr std::int64_t kGroup = 16;
  double above[kSumLanes], below[kSumLanes], counts[kSumLanes];
  for (std::int64_t first = 0; first < kSumLanes; first += kGroup) {
    double sums_above[kGroup] = {}, sums_below[kGroup] = {}, sums_count[kGroup] = {};
    visit_lanes<kGroup>(pixels, count, first, [&](std::int64_t j, auto x) {
      const double shifted = static_cast<double>(x - smallest);
      const double is_above = static_cast<double>(shifted > threshold);  // 0 or 1: a product vectorises, a choice not
      sums_above[j] += shifted * is_above;
      sums_below[j] += shifted * (1.0 - is_above);
      sums_count[j] += is_above;
    });
    for (std::int64_t j = 0; j < kGroup; ++j) {
      above[first + j] = sums_above[j];
      below[first + j] = sums_below[j];
      counts[first + j] = sums_count[j];
    }
  }
  fold_lanes(above);
  fold_lanes(below);
  fold_lanes(counts);
  return {above[0], below[0], counts[0]};
}

template <class T>
constexpr FloatRows<T> float_rows() {
  return {range<T>, bins<T>, sum<T>, split<T>};
}

}  // namespace

const HistogramRows histogram_rows = {
    count_bytes,
    count_shorts,
    {sum_integers, sum_integers, sum_integers, sum_integers, sum_integers, sum_integers, sum_integers, sum_integers},
    float_rows<Half>(),
    float_rows<BFloat16>(),
    float_rows<float>(),
    float_rows<double>(),
};

}  // namespace rapidmask::RM_LEVEL
