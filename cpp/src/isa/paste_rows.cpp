// The pixel loops of pasting, compiled once per instruction level (RM_LEVEL).
//
// A band of pixels between two rows of the mask falls into cells between its columns. Most cells are known from their
// four corners: their pixels are set as runs, once, and copied to the band's rows. In the others the values along the
// two rows are mixed once, and then mixed across for each row of pixels. Where few cells are known, as in noise, rows
// are mixed whole.

#include "isa/paste_rows.hpp"

#include "isa/bits.hpp"
#include "isa/mixed_rows.hpp"

namespace rapidmask {
namespace {

#if defined(__AVX512DQ__)
using Floats = __m512;
inline Floats load(const float* from) { return _mm512_loadu_ps(from); }
inline std::uint32_t above(Floats v, Floats limit) { return _mm512_cmp_ps_mask(v, limit, _CMP_GT_OQ); }
inline std::uint32_t at_least(Floats v, Floats limit) { return _mm512_cmp_ps_mask(v, limit, _CMP_GE_OQ); }
#elif defined(__AVX2__)
using Floats = __m256;
inline Floats load(const float* from) { return _mm256_loadu_ps(from); }
inline std::uint32_t above(Floats v, Floats limit) {
  return static_cast<std::uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps(v, limit, _CMP_GT_OQ)));
}
inline std::uint32_t at_least(Floats v, Floats limit) {
  return static_cast<std::uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps(v, limit, _CMP_GE_OQ)));
}
#else
typedef float Floats __attribute__((vector_size(16)));
inline Floats load(const float* from) {
  Floats v;
  std::memcpy(&v, from, sizeof v);
  return v;
}
inline std::uint32_t above(Floats v, Floats limit) {
  std::uint32_t bits = 0;
  for (int i = 0; i < 4; ++i) bits |= static_cast<std::uint32_t>(v[i] > limit[i]) << i;
  return bits;
}
inline std::uint32_t at_least(Floats v, Floats limit) {
  std::uint32_t bits = 0;
  for (int i = 0; i < 4; ++i) bits |= static_cast<std::uint32_t>(v[i] >= limit[i]) << i;
  return bits;
}
#endif
constexpr int kLanes = sizeof(Floats) / sizeof(float);
static_assert(kLanes <= PasteGrid::kMostLanes && 64 % kLanes == 0);

inline Floats splat(float value) { return value - Floats{}; }

void place(const PasteAxis& axis, std::int32_t* __restrict firsts, float* __restrict first_weights,
           float* __restrict second_weights) {
  const std::int64_t begin = axis.begin, count = axis.end - axis.begin;
  if (axis.method == PasteMethod::interpolate) {
    for (std::int64_t k = 0; k < count; ++k) {
      const BilinearTap tap = axis.tap(begin + k);
      firsts[k] = static_cast<std::int32_t>(tap.first);
      first_weights[k] = tap.first_weight;
      second_weights[k] = tap.second_weight;
    }
    return;
  }
  // PasteAxis::tap in 32 bits, which hold any covered pixel and any index, for the compiler to vectorise.
  const PasteAxis copy = axis;
  const auto start = static_cast<std::int32_t>(begin);
  for (std::int32_t k = 0; k < static_cast<std::int32_t>(count); ++k) {
    const float position = copy.position_at(static_cast<float>(start + k));
    const auto towards_zero = static_cast<std::int32_t>(position);
    const std::int32_t first = towards_zero - (static_cast<float>(towards_zero) > position);
    const float second_weight = position - static_cast<float>(first);
    firsts[k] = first + 1;
    first_weights[k] = 1.0f - second_weight;
    second_weights[k] = second_weight;
  }
}

void classify(const float* values, std::int64_t count, const PasteBounds& bounds, std::uint64_t* sure,
              std::uint64_t* never) {
  const Floats high = splat(bounds.sure), low = splat(bounds.never);
  for (std::int64_t i = 0; i < count; i += 64) {
    const std::int64_t valid = count - i < 64 ? count - i : 64;
    std::uint64_t sure_word = 0, never_word = 0;
    std::int64_t k = 0;
    for (; k + kLanes <= valid; k += kLanes) {
      const Floats v = load(values + i + k);
      sure_word |= std::uint64_t{at_least(v, high)} << k;
      never_word |= std::uint64_t{above(low, v)} << k;
    }
    for (; k < valid; ++k) {
      sure_word |= std::uint64_t{values[i + k] >= bounds.sure} << k;
      never_word |= std::uint64_t{values[i + k] < bounds.never} << k;
    }
    sure[i / 64] = sure_word;
    never[i / 64] = never_word;
  }
}

inline void set_bits(std::uint64_t* words, std::int64_t begin, std::int64_t end) {
  if (begin >= end) return;
  const std::int64_t first = begin / 64, last = (end - 1) / 64;
  const std::uint64_t head = ~std::uint64_t{0} << (begin % 64), tail = ~std::uint64_t{0} >> (63 - (end - 1) % 64);
  if (first == last) {
    words[first] |= head & tail;
    return;
  }
  words[first] |= head;
  for (std::int64_t k = first + 1; k < last; ++k) words[k] = ~std::uint64_t{0};
  words[last] |= tail;
}

// Calls visit(begin, end) for each run of set bits among the first `count` of what `word(k)` gives.
template <class Word, class Visit>
inline void for_runs(std::int64_t count, const Word& word, const Visit& visit) {
  std::int64_t begin = -1;  // of a run that goes on
  for (std::int64_t k = 0; 64 * k < count; ++k) {
    std::uint64_t bits = word(k);
    if (64 * k + 64 > count) bits &= (std::uint64_t{1} << (count % 64)) - 1;
    if (begin >= 0) {
      if (bits == ~std::uint64_t{0}) continue;
      const int ones = __builtin_ctzll(~bits);
      visit(begin, 64 * k + ones);
      bits &= ~std::uint64_t{0} << ones;
      begin = -1;
    }
    while (bits != 0) {
      const int first = __builtin_ctzll(bits);
      const std::uint64_t rest = ~bits & ~std::uint64_t{0} << first;
      if (rest == 0) {
        begin = 64 * k + first;
        break;
      }
      const int last = __builtin_ctzll(rest);
      visit(64 * k + first, 64 * k + last);
      bits &= ~std::uint64_t{0} << last;
    }
  }
  if (begin >= 0) visit(begin, count);
}

// Bit j: of both columns j and j + 1, in both rows.
inline std::uint64_t corners(const std::uint64_t* top, const std::uint64_t* bottom, std::int64_t k) {
  const std::uint64_t here = top[k] & bottom[k], next = top[k + 1] & bottom[k + 1];
  return here & (here >> 1 | next << 63);
}

template <bool strict>
void paste_cell(const PasteGrid& grid, const PasteBand& band, const PasteBounds& bounds, std::int64_t cell,
                std::uint64_t* words, std::int64_t stride) {
  const float* top = band.top + cell;
  const float* bottom = band.bottom + cell;
  const Floats limit = splat(bounds.threshold), zero = {};
  const std::int64_t end = grid.starts[cell + 1], origin = grid.starts[0] / 64;
  for (std::int64_t x = grid.starts[cell]; x < end; x += kLanes) {
    const Floats first = load(grid.first_weights + x - grid.starts[0]);
    const Floats second = load(grid.second_weights + x - grid.starts[0]);
    // A weight of zero leaves its pixel out, whatever it is.
    const auto one = second == zero;
    const Floats above_mixed = first * splat(top[0]) + second * splat(top[1]);
    const Floats below_mixed = first * splat(bottom[0]) + second * splat(bottom[1]);
    const Floats upper = one ? splat(top[0]) : above_mixed;
    const Floats lower = one ? splat(bottom[0]) : below_mixed;
    const std::uint64_t valid = (std::uint64_t{1} << (end - x < kLanes ? end - x : kLanes)) - 1;
    const int shift = static_cast<int>(x % 64);
    const bool splits = shift + kLanes > 64 && valid >> (64 - shift) != 0;
    std::uint64_t* word = words + x / 64 - origin;
    for (std::int64_t y = band.first_row; y < band.first_row + band.rows; ++y, word += stride) {
      const float weight = grid.second_row_weights[y];
      const Floats mixed = splat(grid.first_row_weights[y]) * upper + splat(weight) * lower;
      const Floats value = weight == 0 ? upper : mixed;
      const std::uint64_t bits = (strict ? above(value, limit) : at_least(value, limit)) & valid;
      word[0] |= bits << shift;
      if (splits) word[1] |= bits >> (64 - shift);
    }
  }
}

// The values at a block's places in a row, which ascend.
inline Block values_at(const float* row, const std::int32_t* places) {
#if defined(__AVX2__)
  if (places[kBlock - 1] - places[0] < kBlock) {
    const float* window = row + places[0];
#if defined(__AVX512BW__)
    const Indices lanes{_mm512_sub_epi32(load_indices(places).v, _mm512_set1_epi32(places[0]))};
#else
    const Indices lanes{_mm256_sub_epi32(load_indices(places).v, _mm256_set1_epi32(places[0]))};
#endif
    return at(load_block(window), lanes);
  }
#endif
  return gather(row, load_indices(places));
}

// A row of the mask, mixed along for all pixels, without NaN.
void mix_pixels(const PasteGrid& grid, const float* row, float* to) {
  const std::int64_t count = grid.starts[grid.cells] - grid.starts[0];
  for (std::int64_t k = 0; k < count; k += kBlock) {
    const Block first = values_at(row, grid.firsts + k), second = values_at(row + 1, grid.firsts + k);
    store_block(to + k, without_nan(mix(first, second, load_block(grid.first_weights + k),
                                        load_block(grid.second_weights + k))));
  }
}

void paste_whole(const PasteGrid& grid, const PasteBand& band, const PasteBounds& bounds, std::uint64_t* words,
                 std::int64_t stride) {
  const std::int64_t begin = grid.starts[0] % 64, end = begin + grid.starts[grid.cells] - grid.starts[0];
  const auto mixed = [&](std::int64_t number, std::int64_t other, const float* row) {
    return row_of(*grid.mixed, number, other, [&](float* to) { mix_pixels(grid, row, to + begin); });
  };
  const float* top = mixed(band.top_number, band.bottom_number, band.top);
  const float* bottom = mixed(band.bottom_number, band.top_number, band.bottom);
  const Limit limit(bounds.threshold, bounds.strict);
  for (std::int64_t y = band.first_row; y < band.first_row + band.rows; ++y, words += stride) {
    compare_across<false>(top, bottom, grid.first_row_weights[y], grid.second_row_weights[y], limit, begin, end, words,
                          [](auto&&...) {});
  }
}

// The cells that are not known, by bits of word k.
inline std::uint64_t open_cells(const PasteGrid& grid, const PasteBand& band, std::int64_t k) {
  const std::uint64_t known =
      corners(band.top_sure, band.bottom_sure, k) | corners(band.top_never, band.bottom_never, k);
  return ~known & bits_within(k, 0, grid.cells);
}

// Whether a band takes fewer vectors whole than by cells.
inline bool mostly_open(const PasteGrid& grid, const PasteBand& band) {
  const std::int64_t pixels = grid.starts[grid.cells] - grid.starts[0], of_cell = pixels / grid.cells;
  std::int64_t open = 0;
  for (std::int64_t k = 0; 64 * k < grid.cells; ++k) open += __builtin_popcountll(open_cells(grid, band, k));
  return 2 * open * (of_cell > kBlock ? of_cell : kBlock) > pixels;
}

void paste(const PasteGrid& grid, const PasteBand& band, const PasteBounds& bounds, std::uint64_t* words,
           std::int64_t stride) {
  const bool finite = bounds.threshold - bounds.threshold == 0;
  if (finite && mostly_open(grid, band)) return paste_whole(grid, band, bounds, words, stride);
  const std::int64_t origin = grid.starts[0] / 64 * 64;
  const std::size_t bytes = static_cast<std::size_t>((grid.starts[grid.cells] - 1 - origin) / 64 + 1) * 8;
  std::memset(words, 0, bytes);
  const auto sure = [&](std::int64_t k) { return corners(band.top_sure, band.bottom_sure, k); };
  for_runs(grid.cells, sure, [&](std::int64_t first, std::int64_t end) {
    set_bits(words, grid.starts[first] - origin, grid.starts[end] - origin);
  });
  for (std::int64_t y = 1; y < band.rows; ++y) std::memcpy(words + y * stride, words, bytes);
  for (std::int64_t k = 0; 64 * k < grid.cells; ++k) {
    for (std::uint64_t open = open_cells(grid, band, k); open != 0; open &= open - 1) {
      const std::int64_t cell = 64 * k + __builtin_ctzll(open);
      if (bounds.strict) {
        paste_cell<true>(grid, band, bounds, cell, words, stride);
      } else {
        paste_cell<false>(grid, band, bounds, cell, words, stride);
      }
    }
  }
}

void stream_bits(const std::uint64_t* words, std::int64_t count, std::uint8_t* to) {
  for (std::int64_t i = 0; i < count; ++i, to += 64) {
#if defined(__AVX512BW__)
    _mm512_stream_si512(reinterpret_cast<__m512i*>(to), _mm512_maskz_set1_epi8(words[i], 1));
#elif defined(__x86_64__)
    alignas(64) std::uint8_t bytes[64];
    unpack64(words[i], bytes);
    for (int k = 0; k < 64; k += 16) {
      _mm_stream_si128(reinterpret_cast<__m128i*>(to + k), _mm_load_si128(reinterpret_cast<const __m128i*>(bytes + k)));
    }
#else
    unpack64(words[i], to);
#endif
  }
#if defined(__x86_64__)
  _mm_sfence();
#endif
}

void stream_zeros(std::uint8_t* to, std::int64_t count) {
  const auto past = static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(to) % 64);
  const std::int64_t head = past == 0 ? 0 : count < 64 - past ? count : 64 - past;
  std::memset(to, 0, static_cast<std::size_t>(head));
  std::int64_t i = head;
#if defined(__x86_64__)
  for (; i + 64 <= count; i += 64) {
#if defined(__AVX512F__)
    _mm512_stream_si512(reinterpret_cast<__m512i*>(to + i), _mm512_setzero_si512());
#else
    for (std::int64_t k = i; k < i + 64; k += 16) {
      _mm_stream_si128(reinterpret_cast<__m128i*>(to + k), _mm_setzero_si128());
    }
#endif
  }
  _mm_sfence();
#endif
  std::memset(to + i, 0, static_cast<std::size_t>(count - i));
}

}  // namespace

namespace RM_LEVEL {
extern const PasteRows paste_rows;
const PasteRows paste_rows{place, classify, paste, stream_bits, stream_zeros};
}  // namespace RM_LEVEL

}  // namespace rapidmask
