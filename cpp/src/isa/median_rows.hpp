// The median of 8-bit pixels in constant time per pixel (S. Perreault, P. Hébert, Median filtering in constant time,
// IEEE Transactions on Image Processing 16(9), 2007), for local_rows.cpp.
//
// Every column of a tile keeps a histogram of the window's rows, in 16 coarse bins of 16 fine ones. Here the counts are
// cumulative: a pixel is added to its bin and to all above it, which as one vector costs as little as one counter, and
// the bin of the median is found by one comparison of the window's counts with its rank. Columns count in bytes, so
// that a tile's histograms stay in the second cache; windows count in 16 bits. A window's fine bins are brought up to
// date when the median falls among them. Windows of 31 by 31 pixels, AMD EPYC 9004, one thread, 512 by 512 pixels: 2.8
// ms, at any window size, where one histogram that slides along the row took 28.
//
// Everything has internal linkage: each level compiles its own.
#pragma once

#include <cstdint>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace rapidmask {
namespace {

using ColumnBins = std::uint8_t __attribute__((vector_size(16)));
using WindowBins = std::int16_t __attribute__((vector_size(32)));

// of[b] counts a pixel of bin b in b and in all bins above it.
struct BinSteps {
  alignas(16) std::uint8_t of[16][16];
};
constexpr BinSteps bin_steps() {
  BinSteps steps{};
  for (int bin = 0; bin < 16; ++bin)
    for (int above = bin; above < 16; ++above) steps.of[bin][above] = 1;
  return steps;
}
constexpr BinSteps kBinSteps = bin_steps();

inline __attribute__((always_inline)) ColumnBins load_bins(const std::uint8_t* bins) {
  ColumnBins loaded;
  __builtin_memcpy(&loaded, bins, sizeof loaded);
  return loaded;
}
inline __attribute__((always_inline)) void store_bins(std::uint8_t* bins, ColumnBins counts) {
  __builtin_memcpy(bins, &counts, sizeof counts);
}
inline __attribute__((always_inline)) void add_bins(const std::uint8_t* bins, WindowBins& to) {
  to += __builtin_convertvector(load_bins(bins), WindowBins);
}
inline __attribute__((always_inline)) void subtract_bins(const std::uint8_t* bins, WindowBins& from) {
  from -= __builtin_convertvector(load_bins(bins), WindowBins);
}

// The first bin that counts more than `rank`: cumulative counts never fall, and the last bin counts more.
inline __attribute__((always_inline)) int first_above(const WindowBins& bins, std::int16_t rank) {
#if defined(__AVX2__)
  const __m256i above = _mm256_cmpgt_epi16(reinterpret_cast<__m256i>(bins), _mm256_set1_epi16(rank));
  return __builtin_ctz(static_cast<unsigned>(_mm256_movemask_epi8(above))) / 2;
#elif defined(__SSE2__)
  __m128i halves[2];
  __builtin_memcpy(halves, &bins, sizeof halves);
  const __m128i ranks = _mm_set1_epi16(rank);
  const __m128i above = _mm_packs_epi16(_mm_cmpgt_epi16(halves[0], ranks), _mm_cmpgt_epi16(halves[1], ranks));
  return __builtin_ctz(static_cast<unsigned>(_mm_movemask_epi8(above)));
#else
  int first = 0;
  for (int bin = 0; bin < 16; ++bin) first += bins[bin] <= rank;
  return first;
#endif
}

// `histograms` has the coarse bins of all columns, then 16 planes with the fine bins of one coarse bin each: the pixels
// of neighbours are alike, so that four columns share a line of the cache.
void slide_medians(const std::uint8_t* enter, const std::uint8_t* leave, std::uint8_t flip, std::int64_t columns,
                   std::uint8_t* histograms) {
  const std::int64_t plane = 16 * columns;
  for (std::int64_t x = 0; x < columns; ++x) {
    const int in = enter[x] ^ flip, out = leave[x] ^ flip;
    std::uint8_t* coarse = histograms + 16 * x;
    store_bins(coarse, load_bins(coarse) + load_bins(kBinSteps.of[in >> 4]) - load_bins(kBinSteps.of[out >> 4]));
    std::uint8_t* fine = coarse + (1 + (out >> 4)) * plane;
    store_bins(fine, load_bins(fine) - load_bins(kBinSteps.of[out & 15]));
    fine = coarse + (1 + (in >> 4)) * plane;
    store_bins(fine, load_bins(fine) + load_bins(kBinSteps.of[in & 15]));
  }
}

// Counts of windows start at -2^15, since only signed numbers can be compared below AVX-512.
void find_medians(const std::uint8_t* histograms, std::int64_t count, std::int64_t w, std::int64_t rank,
                  std::uint8_t* medians) {
  constexpr std::int16_t kZero = -32768;
  const std::int64_t plane = 16 * (count + w - 1);
  const WindowBins none = WindowBins{} + kZero;
  WindowBins window = none;
  for (std::int64_t x = 0; x + 1 < w; ++x) add_bins(histograms + 16 * x, window);
  std::int16_t below[17] = {kZero};  // pixels below each coarse bin
  WindowBins kept[16];               // fine bins of the window that starts at column kept_at
  std::int64_t kept_at[16];
  for (int i = 0; i < 16; ++i) kept[i] = none, kept_at[i] = -w;
  WindowBins fine = none;  // those of coarse bin `current`, for the window that starts at fine_at
  int current = 0;
  std::int64_t fine_at = -w;
  for (std::int64_t x = 0; x < count; ++x) {
    add_bins(histograms + 16 * (x + w - 1), window);
    __builtin_memcpy(below + 1, &window, sizeof window);
    const int bin = first_above(window, static_cast<std::int16_t>(rank + kZero));
    subtract_bins(histograms + 16 * x, window);
    if (bin != current) {
      kept[current] = fine;
      kept_at[current] = fine_at;
      current = bin;
      fine = kept[bin];
      fine_at = kept_at[bin];
    }
    const std::uint8_t* columns = histograms + (1 + bin) * plane;
    if (2 * (x - fine_at) > w) {
      fine = none;
      for (std::int64_t i = 0; i < w; ++i) add_bins(columns + 16 * (x + i), fine);
    } else {
      for (; fine_at < x; ++fine_at) {
        subtract_bins(columns + 16 * fine_at, fine);
        add_bins(columns + 16 * (fine_at + w), fine);
      }
    }
    fine_at = x;
    const int part = first_above(fine, static_cast<std::int16_t>(rank - below[bin]));
    medians[x] = static_cast<std::uint8_t>(16 * bin + part);
  }
}

}  // namespace
}  // namespace rapidmask
