// The loops of measures, compiled once per instruction level (RM_LEVEL).

#include "isa/measure_rows.hpp"

#include "isa/bits.hpp"
#include "isa/widen.hpp"
#include "rapidmask/measure.hpp"

namespace rapidmask {
namespace {

// 256 bytes at a time, in the compiler's own vectors.
typedef std::uint64_t Wide __attribute__((vector_size(64)));

template <class T>
inline bool any_of_256_bytes(const T* from) {
  Wide a, b, c, d;
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(from);
  std::memcpy(&a, bytes, 64);
  std::memcpy(&b, bytes + 64, 64);
  std::memcpy(&c, bytes + 128, 64);
  std::memcpy(&d, bytes + 192, 64);
  const Wide all = (a | b) | (c | d);
#if defined(__AVX512F__)
  const auto v = reinterpret_cast<__m512i>(all);
  return _mm512_test_epi64_mask(v, v) != 0;
#else
  std::uint64_t words[8];
  std::memcpy(words, &all, 64);
  return ((words[0] | words[1]) | (words[2] | words[3]) | (words[4] | words[5]) | (words[6] | words[7])) != 0;
#endif
}

template <class T>
std::int64_t first(const T* values, std::int64_t count) {
  constexpr std::int64_t kBlock = 256 / sizeof(T);
  std::int64_t i = 0;
  while (i + kBlock <= count && !any_of_256_bytes(values + i)) i += kBlock;
  if constexpr (sizeof(T) == 1) {
    for (; i + 64 <= count; i += 64) {
      const std::uint64_t word = pack64(values + i);
      if (word != 0) return i + __builtin_ctzll(word);
    }
  }
  while (i < count && values[i] == 0) ++i;
  return i;
}

template <class T>
std::int64_t end(const T* values, std::int64_t count) {
  constexpr std::int64_t kBlock = 256 / sizeof(T);
  while (count >= kBlock && !any_of_256_bytes(values + count - kBlock)) count -= kBlock;
  if constexpr (sizeof(T) == 1) {
    for (; count >= 64; count -= 64) {
      const std::uint64_t word = pack64(values + count - 64);
      if (word != 0) return count - __builtin_clzll(word);
    }
  }
  while (count > 0 && values[count - 1] == 0) --count;
  return count;
}

// Between rows lies what is not read: their ends are fetched before they are needed.
constexpr std::int64_t kRowsAhead = 16;

// Words of 64 pixels reach over x0 and x1, whose other side is masked: no pixel is tested by itself.
void widen_columns(const std::uint8_t* mask, std::int64_t rows, std::int64_t w, std::int64_t* x0, std::int64_t* x1) {
  std::int64_t left = *x0, right = *x1;
  for (std::int64_t y = 0; y < rows; ++y) {
    const std::uint8_t* row = mask + y * w;
    if (y + kRowsAhead < rows) {
      __builtin_prefetch(row + kRowsAhead * w);
      __builtin_prefetch(row + kRowsAhead * w + w - 1);
    }
    if (w < 64) {
      const std::uint64_t word = pack_tail(row, w);
      if (word == 0) continue;
      const std::int64_t begin = __builtin_ctzll(word), stop = 64 - __builtin_clzll(word);
      left = begin < left ? begin : left;
      right = stop > right ? stop : right;
      continue;
    }
    std::int64_t i = 0;
    while (i + 256 <= left && !any_of_256_bytes(row + i)) i += 256;
    for (; i < left; i += 64) {
      const std::int64_t at = i < w - 64 ? i : w - 64;
      std::uint64_t word = pack64(row + at);
      if (left - at < 64) word &= (std::uint64_t{1} << (left - at)) - 1;
      if (word != 0) left = at + __builtin_ctzll(word);  // ends the loop: i is past it
    }
    std::int64_t stop = w;
    while (stop - 256 >= right && !any_of_256_bytes(row + stop - 256)) stop -= 256;
    for (; stop > right; stop -= 64) {
      const std::int64_t at = stop > 64 ? stop - 64 : 0;
      std::uint64_t word = pack64(row + at);
      if (right > at) word &= ~std::uint64_t{0} << (right - at);
      if (word != 0) right = at + 64 - __builtin_clzll(word);
    }
  }
  *x0 = left;
  *x1 = right;
}

inline void add_word(std::uint64_t word, std::int64_t first, std::int64_t& area, std::int64_t& x) {
  if (word == 0) return;
  const auto popcount = [](std::uint64_t bits) { return __builtin_popcountll(bits); };
  const std::int64_t count = popcount(word);
  area += count;
  x += first * count + (word == ~std::uint64_t{0} ? 63 * 32 : bit_positions_sum(word, popcount));
}

void add_bytes(const std::uint8_t* row, std::int64_t w, std::int64_t* area, std::int64_t* x) {
  std::int64_t i = 0;
  for (; i + 64 <= w; i += 64) add_word(pack64(row + i), i, *area, *x);
  if (i < w) add_word(pack_tail(row + i, w - i), i, *area, *x);
}

void add_words(const std::uint64_t* row, std::int64_t words, std::int64_t* area, std::int64_t* x) {
  for (std::int64_t k = 0; k < words; ++k) add_word(row[k], 64 * k, *area, *x);
}

constexpr std::int64_t kChunk = 4096;  // values whose widened copy stays in the first cache

template <class T>
void count_above(const T* values, std::int64_t count, float high, float low, std::int64_t* above_high,
                 std::int64_t* above_low) {
  float buffer[std::is_same_v<T, float> ? 1 : kChunk];
  for (std::int64_t i = 0; i < count; i += kChunk) {
    const std::int64_t length = count - i < kChunk ? count - i : kChunk;
    const float* chunk = widen(values + i, length, buffer);
    std::int32_t highs = 0, lows = 0;
    for (std::int64_t k = 0; k < length; ++k) {
      highs += chunk[k] > high;
      lows += chunk[k] > low;
    }
    *above_high += highs;
    *above_low += lows;
  }
}

}  // namespace

namespace RM_LEVEL {
extern const MeasureRows measure_rows;
const MeasureRows measure_rows{
    first<std::uint8_t>, end<std::uint8_t>, first<std::uint64_t>, end<std::uint64_t>, widen_columns,
    add_bytes,           add_words,         count_above<float>,   count_above<Half>,  count_above<BFloat16>};
}  // namespace RM_LEVEL

}  // namespace rapidmask
