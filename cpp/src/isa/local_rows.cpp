// The row loops of local thresholds, compiled once per instruction level (RM_LEVEL).

#include "isa/local_rows.hpp"

#include <cstdint>

#include "isa/median_rows.hpp"
#include "isa/shorts.hpp"
#include "rapidmask/local_window.hpp"

namespace rapidmask {
namespace {

using std::int16_t;
using std::int32_t;
using std::int64_t;
using std::uint64_t;
using std::uint8_t;

void add(const double* a, const double* b, int64_t count, double* out) {
  for (int64_t x = 0; x < count; ++x) out[x] = a[x] + b[x];
}

void square(const double* a, int64_t count, double* out) {
  for (int64_t x = 0; x < count; ++x) out[x] = a[x] * a[x];
}

// Both loops read ahead of what they write, so they run in place.
void window_sums(double* values, int64_t count, int64_t w, double* sums) {
  const int64_t length = count + w - 1;
  for (int64_t x = 0; x < length; ++x) sums[x] = values[x];  // the run of length 1: w is odd
  int64_t done = 1;                                          // length of the windows in `sums`
  for (int64_t run = 1; 2 * run <= w; run *= 2) {            // `values` holds sums of `run` values
    for (int64_t x = 0; x < length + 1 - 2 * run; ++x) values[x] += values[x + run];
    if ((w & 2 * run) == 0) continue;
    for (int64_t x = 0; x < length + 1 - 2 * run - done; ++x) sums[x] = values[x] + sums[x + 2 * run];
    done += 2 * run;
  }
}

#if defined(__AVX512F__)
constexpr int kBytes = 64;
#elif defined(__AVX__)
constexpr int kBytes = 32;
#else
constexpr int kBytes = 16;
#endif
using Doubles = double __attribute__((vector_size(kBytes)));
using Ints = int32_t __attribute__((vector_size(kBytes)));
constexpr int kLanes = kBytes / 8;

// By copies: Clang takes a pointer to a vector type for one to aligned memory, whatever alignment the type asks for.
inline __attribute__((always_inline)) Doubles load(const double* p) {
  Doubles v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

#if defined(__AVX__)
// Blocks of four by four, where one double at a time took 0.3 of 1.5 ms (512 by 512 pixels, windows of 31).
void transpose(const double* from, int64_t from_stride, int64_t rows, int64_t columns, double* to, int64_t to_stride) {
  using Four = double __attribute__((vector_size(32)));
  for (int64_t y = 0; y < rows; y += 4) {
    for (int64_t x = 0; x < columns; x += 4) {
      const double* in = from + y * from_stride + x;
      Four a, b, c, d;
      const auto take = [&](int64_t i, Four& row) { __builtin_memcpy(&row, in + i * from_stride, sizeof row); };
      take(0, a), take(1, b), take(2, c), take(3, d);
      const Four even_ab = __builtin_shufflevector(a, b, 0, 4, 2, 6),
                 odd_ab = __builtin_shufflevector(a, b, 1, 5, 3, 7);
      const Four even_cd = __builtin_shufflevector(c, d, 0, 4, 2, 6),
                 odd_cd = __builtin_shufflevector(c, d, 1, 5, 3, 7);
      double* out = to + x * to_stride + y;
      const auto give = [&](int64_t i, const Four& column) {
        __builtin_memcpy(out + i * to_stride, &column, sizeof column);
      };
      give(0, __builtin_shufflevector(even_ab, even_cd, 0, 1, 4, 5));
      give(1, __builtin_shufflevector(odd_ab, odd_cd, 0, 1, 4, 5));
      give(2, __builtin_shufflevector(even_ab, even_cd, 2, 3, 6, 7));
      give(3, __builtin_shufflevector(odd_ab, odd_cd, 2, 3, 6, 7));
    }
  }
}
#else
void transpose(const double* from, int64_t from_stride, int64_t rows, int64_t columns, double* to, int64_t to_stride) {
  for (int64_t y = 0; y < rows; ++y)
    for (int64_t x = 0; x < columns; ++x) to[x * to_stride + y] = from[y * from_stride + x];
}
#endif

// kOutputs neighbours at a time share the lines that they read. d goes down: the lines before the outputs move on by
// one, and those after them back.
template <int kOutputs>
inline __attribute__((always_inline)) void weigh_lines(const double* const* lines, const double* weights,
                                                       int64_t radius, int64_t x, int64_t count, double* out) {
  const double* const* centre = lines + radius;
  Doubles before[kOutputs], after[kOutputs], total[kOutputs];
  for (int o = 0; o < kOutputs; ++o) {
    total[o] = load(centre[o] + x) * weights[0];
    before[o] = load(centre[o - radius] + x);
    after[o] = load(centre[o + radius] + x);
  }
#pragma GCC unroll 4
  for (int64_t d = radius; d >= 1; --d) {
    for (int o = 0; o < kOutputs; ++o) total[o] += (before[o] + after[o]) * weights[d];
    for (int o = 0; o + 1 < kOutputs; ++o) before[o] = before[o + 1];
    for (int o = kOutputs - 1; o > 0; --o) after[o] = after[o - 1];
    before[kOutputs - 1] = load(centre[kOutputs - d] + x);
    after[0] = load(centre[d - 1] + x);
  }
  for (int o = 0; o < kOutputs; ++o) __builtin_memcpy(out + o * count + x, &total[o], sizeof total[o]);
}

void weighted_sums(const double* const* lines, const double* weights, int64_t radius, int64_t outputs, int64_t count,
                   double* out) {
  constexpr int kTogether = 4;
  int64_t o = 0;
  for (; o + kTogether <= outputs; o += kTogether)
    for (int64_t x = 0; x < count; x += kLanes)
      weigh_lines<kTogether>(lines + o, weights, radius, x, count, out + o * count);
  for (; o < outputs; ++o)
    for (int64_t x = 0; x < count; x += kLanes) weigh_lines<1>(lines + o, weights, radius, x, count, out + o * count);
}

void mean(const double* sums, int64_t count, double area, double offset, double* surface) {
  for (int64_t x = 0; x < count; ++x) surface[x] = mean_surface(sums[x], area, offset);
}

void niblack(const double* sums, const double* squares, int64_t count, double area, double k, double* surface) {
  for (int64_t x = 0; x < count; ++x) surface[x] = niblack_surface(sums[x], squares[x], area, k);
}

void sauvola(const double* sums, const double* squares, int64_t count, double area, double k, double r,
             double* surface) {
  for (int64_t x = 0; x < count; ++x) surface[x] = sauvola_surface(sums[x], squares[x], area, k, r);
}

template <class Column>
void slide(const uint8_t* __restrict enter, const uint8_t* __restrict leave, uint8_t flip, int64_t count,
           Column* __restrict columns) {
  for (int64_t x = 0; x < count; ++x) {
    const auto in = static_cast<std::int8_t>(enter[x] ^ flip);
    const auto out = static_cast<std::int8_t>(leave[x] ^ flip);
    columns[x] = static_cast<Column>(columns[x] + (in - out));
  }
}

// Eight bytes 0 or 1 to eight bits: the product moves byte j to bit 56 + j.
inline __attribute__((always_inline)) uint64_t pack_bytes(const uint8_t* bytes) {
  uint64_t word = 0;
  for (int i = 0; i < 8; ++i) {
    uint64_t eight;
    __builtin_memcpy(&eight, bytes + 8 * i, 8);
    word |= (eight * 0x0102040810204080u >> 56) << 8 * i;
  }
  return word;
}

// Sixteen windows at a time: the next sixteen sums are these, plus the sixteen columns that enter each window, minus
// the sixteen that leave it, so any width costs the same.
void decide_wide(const uint8_t* pixels, uint8_t flip, const int32_t* columns, int64_t count, int64_t w, int32_t area,
                 int32_t bias, int32_t* sums, uint8_t* mask, uint64_t* words) {
  constexpr int64_t kStep = 16;
  constexpr int64_t kIntLanes = kBytes / 4;
  const int64_t length = count + w - 1 + kColumnSlack;
  for (int64_t x = 0; x < length - 3; ++x) sums[x] = (columns[x] + columns[x + 1]) + (columns[x + 2] + columns[x + 3]);
  for (int64_t x = 0; x < length - 15; ++x) sums[x] = (sums[x] + sums[x + 4]) + (sums[x + 8] + sums[x + 12]);
  int32_t first[kStep] = {};
  for (int64_t x = 0; x < w; ++x) first[0] += columns[x];
  for (int64_t i = 1; i < kStep; ++i) first[i] = first[i - 1] + columns[w + i - 1] - columns[i - 1];
  Ints window[kStep / kIntLanes];
  __builtin_memcpy(window, first, sizeof first);
  const auto load_ints = [](const int32_t* p, Ints& to) { __builtin_memcpy(&to, p, sizeof to); };
  for (int64_t x = 0; x < count; x += 64) {
    const int64_t valid = count - x < 64 ? count - x : 64;
    uint8_t bytes[64] = {};
    const uint8_t* from = pixels + x;
    if (valid < 64) {
      __builtin_memcpy(bytes, from, static_cast<unsigned long>(valid));
      from = bytes;
    }
    int32_t limits[64];
    for (int64_t i = 0; i < 64; ++i) limits[i] = static_cast<std::int8_t>(from[i] ^ flip) * area + bias;
    for (int64_t part = 0; part < 64; part += kStep) {
      for (int64_t v = 0; v < kStep / kIntLanes; ++v) {
        const int64_t at = part + v * kIntLanes;
        Ints limit, enter, leave;
        load_ints(limits + at, limit);
        load_ints(sums + x + w + at, enter);
        load_ints(sums + x + at, leave);
        const Ints below = window[v] < limit;
        __builtin_memcpy(limits + at, &below, sizeof below);
        window[v] += enter - leave;
      }
    }
    for (int64_t i = 0; i < 64; ++i) bytes[i] = static_cast<uint8_t>(limits[i] & 1);
    if (mask != nullptr) __builtin_memcpy(mask + x, bytes, static_cast<unsigned long>(valid));
    if (words != nullptr) words[x / 64] = pack_bytes(bytes) & (~uint64_t{0} >> (64 - valid));
  }
}

#if defined(__SSE2__)

constexpr int64_t kShorts = sizeof(Shorts) / sizeof(int16_t);
constexpr int64_t kStrip = 1024;  // windows whose partial sums stay in the first cache
constexpr int64_t kNarrowH = 31;  // eight columns of 31 bytes in -128..127 fit in 16 bits
constexpr int64_t kNarrowW = 63;

// Sums of eight neighbouring columns and, in `part`, of kPart (2 or 4, or 0 for none), for `length` columns. Shifting
// within registers, where each doubling was stored, took decide_narrow from 2.7 to 2.1 ms (12 megapixels, 31 by 31
// windows, x86_v4).
template <int kPart>
void sum_columns(const int16_t* ones, int64_t length, int16_t* part, int16_t* eights) {
  const auto twos = [&](int64_t x) { return add(load(ones + x), load(ones + x + 1)); };
  Shorts two = twos(0);
  Shorts next_two = twos(kShorts);
  Shorts four = add(two, from<1>(two, next_two));
  for (int64_t x = 0; x < length; x += kShorts) {
    const Shorts last_two = twos(x + 2 * kShorts);
    const Shorts next_four = add(next_two, from<1>(next_two, last_two));
    if constexpr (kPart == 2) store(part + x, two);
    if constexpr (kPart == 4) store(part + x, four);
    store(eights + x, add(four, from<2>(four, next_four)));
    two = next_two;
    next_two = last_two;
    four = next_four;
  }
}

inline int32_t weight_pair(int32_t first, int32_t second) {
  return static_cast<int32_t>(static_cast<std::uint32_t>(first & 0xffff) | static_cast<std::uint32_t>(second) << 16);
}

// Two summands of every window.
struct Pair {
  const int16_t* first;
  const int16_t* second;
  int32_t weights;
};

// A window of w columns as sums of 8, a sum of 4 or 2, and one column added or taken away: at most five pairs with the
// pixel itself. The multiply-add instructions sum the pairs in 32 bits.
struct Summands {
  Pair pairs[4];
  int count;
  const int16_t* single;  // goes with the pixel
  int32_t single_sign;
};

inline Summands cut_window(const int16_t* ones, const int16_t* part, const int16_t* eights, int64_t w) {
  const int16_t* parts[9];
  int count = 0;
  int64_t at = 0;
  for (; at + 7 <= w; at += 8) parts[count++] = eights + at;
  if (w - at >= 5) {
    parts[count++] = part + at;
    at += 4;
  } else if (w - at >= 3) {
    parts[count++] = part + at;
    at += 2;
  }
  Summands summands{};
  summands.single = at < w ? ones + at : ones + w;
  summands.single_sign = at < w ? -1 : 1;
  for (int i = 0; i < count; i += 2) {
    const bool both = i + 1 < count;
    summands.pairs[summands.count++] = {parts[i], both ? parts[i + 1] : parts[i], weight_pair(-1, both ? -1 : 0)};
  }
  return summands;
}

// pixel area + bias - Σ window for kShorts windows at x, saturated to 16 bits: positive is foreground.
template <int kPairs>
inline __attribute__((always_inline)) Shorts margin(const Summands& summands, Shorts pixels, int64_t x,
                                                    Shorts pixel_weights, Shorts bias) {
  const Shorts single = load(summands.single + x);
  Shorts low = multiply_add(low_pairs(pixels, single), pixel_weights, bias);
  Shorts high = multiply_add(high_pairs(pixels, single), pixel_weights, bias);
#pragma GCC unroll 4
  for (int i = 0; i < kPairs; ++i) {
    const Shorts first = load(summands.pairs[i].first + x);
    const Shorts second = load(summands.pairs[i].second + x);
    const Shorts weights = repeat(summands.pairs[i].weights);
    low = multiply_add(low_pairs(first, second), weights, low);
    high = multiply_add(high_pairs(first, second), weights, high);
  }
  return narrow(low, high);
}

// The signs of 64 margins, as bits and, unless `mask` is null, as bytes.
inline __attribute__((always_inline)) uint64_t store_signs(const Shorts (&margins)[64 / kShorts], uint8_t* mask) {
#if defined(__AVX512BW__)
  const Shorts zero = _mm512_setzero_si512();
  const uint64_t bits = static_cast<uint64_t>(_mm512_cmpgt_epi16_mask(margins[0], zero)) |
                        static_cast<uint64_t>(_mm512_cmpgt_epi16_mask(margins[1], zero)) << 32;
  if (mask != nullptr) _mm512_storeu_si512(mask, _mm512_maskz_set1_epi8(bits, 1));
  return bits;
#elif defined(__AVX2__)
  const Shorts zero = _mm256_setzero_si256();
  uint64_t bits = 0;
  for (int i = 0; i < 2; ++i) {
    const Shorts positive = _mm256_cmpgt_epi8(_mm256_packs_epi16(margins[2 * i], margins[2 * i + 1]), zero);
    const Shorts bytes = _mm256_permute4x64_epi64(positive, 0xd8);
    bits |= static_cast<uint64_t>(static_cast<std::uint32_t>(_mm256_movemask_epi8(bytes))) << 32 * i;
    if (mask != nullptr) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(mask + 32 * i), _mm256_and_si256(bytes, _mm256_set1_epi8(1)));
    }
  }
  return bits;
#else
  const Shorts zero = _mm_setzero_si128();
  uint64_t bits = 0;
  for (int i = 0; i < 4; ++i) {
    const Shorts bytes = _mm_cmpgt_epi8(_mm_packs_epi16(margins[2 * i], margins[2 * i + 1]), zero);
    bits |= static_cast<uint64_t>(static_cast<std::uint32_t>(_mm_movemask_epi8(bytes))) << 16 * i;
    if (mask != nullptr) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(mask + 16 * i), _mm_and_si128(bytes, _mm_set1_epi8(1)));
    }
  }
  return bits;
#endif
}

// The windows of one strip, cut into kPairs pairs and the one that has the pixel. With the number of pairs known to the
// compiler a 12-megapixel image took 4.8 instead of 5.3 ms on x86_v3 and 6.9 instead of 8.0 on baseline.
template <int kPairs>
void decide_strip(const uint8_t* pixels, uint8_t flip, const Summands& cut, int64_t count, int32_t area, int32_t bias,
                  uint8_t* mask, uint64_t* words) {
  const Summands summands = cut;
  const Shorts pixel_weights = repeat(weight_pair(area, summands.single_sign));
  const Shorts biases = repeat(bias);
  for (int64_t x = 0; x < count; x += 64) {
    const int64_t valid = count - x < 64 ? count - x : 64;
    const uint8_t* from = pixels + x;
    uint8_t last[64];
    if (valid < 64) {
      __builtin_memset(last, 0, 64);
      __builtin_memcpy(last, from, static_cast<unsigned long>(valid));
      from = last;
    }
    Shorts margins[64 / kShorts];
#pragma GCC unroll 8
    for (int64_t i = 0; i < 64 / kShorts; ++i) {
      margins[i] = margin<kPairs>(summands, widen(from + i * kShorts, flip), x + i * kShorts, pixel_weights, biases);
    }
    uint8_t* to = mask == nullptr ? nullptr : valid == 64 ? mask + x : last;
    const uint64_t bits = store_signs(margins, to);
    if (to == last) __builtin_memcpy(mask + x, last, static_cast<unsigned long>(valid));
    if (words != nullptr) words[x / 64] = bits & (~uint64_t{0} >> (64 - valid));
  }
}

void decide_narrow(const uint8_t* pixels, uint8_t flip, const int16_t* columns, int64_t count, int64_t w, int32_t area,
                   int32_t bias, uint8_t* mask, uint64_t* words) {
  constexpr decltype(&decide_strip<0>) kStrips[] = {decide_strip<0>, decide_strip<1>, decide_strip<2>, decide_strip<3>,
                                                    decide_strip<4>};
  const auto sum = w % 8 == 3 ? sum_columns<2> : w % 8 == 5 ? sum_columns<4> : sum_columns<0>;
  int16_t part[kStrip + kColumnSlack], eights[kStrip + kColumnSlack];
  for (int64_t start = 0; start < count; start += kStrip) {
    const int64_t windows = count - start < kStrip ? count - start : kStrip;
    const int16_t* ones = columns + start;
    const int64_t length = (windows + 63) / 64 * 64 + w - 1;  // columns that the strip's windows have
    sum(ones, length, part, eights);
    const Summands summands = cut_window(ones, part, eights, w);
    kStrips[summands.count](pixels + start, flip, summands, windows, area, bias,
                            mask == nullptr ? nullptr : mask + start, words == nullptr ? nullptr : words + start / 64);
  }
}

#else

constexpr int64_t kNarrowH = 0;
constexpr int64_t kNarrowW = 0;
constexpr auto decide_narrow = nullptr;

#endif

}  // namespace

namespace RM_LEVEL {

extern const LocalRows local_rows;
const LocalRows local_rows{
    .add = add,
    .square = square,
    .window_sums = window_sums,
    .transpose = transpose,
    .weighted_sums = weighted_sums,
    .mean = mean,
    .niblack = niblack,
    .sauvola = sauvola,
    .narrow_h = kNarrowH,
    .narrow_w = kNarrowW,
    .slide_narrow = slide<int16_t>,
    .slide_wide = slide<int32_t>,
    .decide_narrow = decide_narrow,
    .decide_wide = decide_wide,
    .slide_medians = slide_medians,
    .find_medians = find_medians,
};

}  // namespace RM_LEVEL
}  // namespace rapidmask
