// Transitions of masks and their positions, compiled once per instruction level (RM_LEVEL).

#include "isa/rle_rows.hpp"

#include "isa/bit_positions.hpp"
#include "isa/bit_tiles.hpp"
#include "isa/bits.hpp"

namespace rapidmask {
namespace {

// Gathers, for kVectors vectors of kCount columns of words, the words of `count` rows, or the bits in which each
// differs from that above. The last vector ends with column `end`, so that it may gather some columns once more. All
// vectors of a row are read before the next row: memory is then read in order, which was twice as fast for masks of 20
// words.
template <int kCount, int kVectors, bool kDifferences>
inline void gather(const std::uint64_t* above, const std::uint64_t* rows, std::int64_t count, std::int64_t words,
                   std::int64_t begin, std::int64_t end, std::uint64_t* gathered) {
  typename WordsOf<kCount>::Vector sum[kVectors]{}, last[kVectors]{};
  const auto column = [&](int v) { return v + 1 < kVectors ? begin + v * kCount : end - kCount; };
  if constexpr (kDifferences) {
    for (int v = 0; v < kVectors; ++v) last[v] = load_words<kCount>(above + column(v)).v;
  }
  for (std::int64_t y = 0; y < count; ++y, rows += words) {
    for (int v = 0; v < kVectors; ++v) {
      const auto row = load_words<kCount>(rows + column(v)).v;
      sum[v] |= row ^ last[v];
      if constexpr (kDifferences) last[v] = row;
    }
  }
  for (int v = 0; v < kVectors; ++v) __builtin_memcpy(gathered + column(v), &sum[v], sizeof sum[v]);
}

template <int kCount, bool kDifferences>
inline void gather_columns(const std::uint64_t* above, const std::uint64_t* rows, std::int64_t count,
                           std::int64_t words, std::uint64_t* gathered) {
  if constexpr (kCount > 1) {
    if (words < kCount) return gather_columns<kCount / 2, kDifferences>(above, rows, count, words, gathered);
  }
  for (std::int64_t s = 0; s < words; s += 4 * kCount) {
    const std::int64_t end = s + 4 * kCount < words ? s + 4 * kCount : words;
    switch ((end - s + kCount - 1) / kCount) {
      case 1: gather<kCount, 1, kDifferences>(above, rows, count, words, s, end, gathered); break;
      case 2: gather<kCount, 2, kDifferences>(above, rows, count, words, s, end, gathered); break;
      case 3: gather<kCount, 3, kDifferences>(above, rows, count, words, s, end, gathered); break;
      default: gather<kCount, 4, kDifferences>(above, rows, count, words, s, end, gathered);
    }
  }
}

void changes(const std::uint64_t* above, const std::uint64_t* rows, std::int64_t count, std::int64_t words,
             std::uint64_t* changed) {
  gather_columns<kVectorWords, true>(above, rows, count, words, changed);
}

void any(const std::uint64_t* rows, std::int64_t count, std::int64_t words, std::uint64_t* any) {
  gather_columns<kVectorWords, false>(nullptr, rows, count, words, any);
}

template <bool kDifferences>
inline void transposed(std::uint64_t above, const std::uint64_t* rows, std::int64_t count, std::int64_t words,
                       std::uint64_t* tile) {
  for (std::int64_t y = 0; y < count; ++y) {
    const std::uint64_t row = rows[y * words];
    tile[y] = row ^ above;
    if constexpr (kDifferences) above = row;
  }
  for (std::int64_t y = count; y < kTileSide; ++y) tile[y] = 0;
  transpose_tile(tile);
}

void change_tile(std::uint64_t above, const std::uint64_t* rows, std::int64_t count, std::int64_t words,
                 std::uint64_t* tile) {
  transposed<true>(above, rows, count, words, tile);
}

void tile(const std::uint64_t* rows, std::int64_t count, std::int64_t words, std::uint64_t* tile) {
  transposed<false>(0, rows, count, words, tile);
}

#if defined(__AVX512F__) && defined(__AVX512CD__) && defined(__BMI2__)

// Eight words of each of eight rows become eight rows of one word each.
inline void transpose_words(TileVector (&rows)[8]) {
  TileVector pairs[8], fours[8];
  for (int i = 0; i < 8; i += 2) {
    pairs[i] = __builtin_shufflevector(rows[i], rows[i + 1], 0, 8, 2, 10, 4, 12, 6, 14);
    pairs[i + 1] = __builtin_shufflevector(rows[i], rows[i + 1], 1, 9, 3, 11, 5, 13, 7, 15);
  }
  for (int i = 0; i < 8; i += 4) {
    for (int k = i; k < i + 2; ++k) {
      fours[k] = __builtin_shufflevector(pairs[k], pairs[k + 2], 0, 1, 8, 9, 4, 5, 12, 13);
      fours[k + 2] = __builtin_shufflevector(pairs[k], pairs[k + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    }
  }
  for (int k = 0; k < 4; ++k) {
    rows[k] = __builtin_shufflevector(fours[k], fours[k + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    rows[k + 4] = __builtin_shufflevector(fours[k], fours[k + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
}

std::uint32_t* emit_columns(const std::uint64_t* tiles, const std::uint32_t* tops, std::int64_t count,
                            std::int64_t columns, std::uint32_t first, std::uint32_t h, std::uint32_t* positions) {
  // Groups of eight columns are transposed into vectors, each of what eight tiles have of a column.
  constexpr std::int64_t kMost = 64;
  BusyWords<8 * kMost> busy;
  TileVector words[kMost], rows[kMost / 8];
  if (count > kMost) {
    for (std::int64_t x = 0; x < columns; ++x, first += h) {
      for (std::int64_t k = 0; k < count; ++k) {
        positions = emit_word(tiles[k * kTileSide + x], first + tops[k], positions);
      }
    }
    return positions;
  }
  const int groups = static_cast<int>((count + 7) / 8);
  for (int k = 0; k < 8 * groups; ++k) rows[k / 8][k % 8] = k < count ? tops[k] : 0;
  for (std::int64_t x0 = 0; x0 < columns; x0 += 8) {
    for (int g = 0; g < groups; ++g) {
      TileVector eight[8]{};
      for (int k = 0; k < 8 && 8 * g + k < count; ++k) {
        eight[k] = load_words<8>(tiles + (8 * g + k) * kTileSide + x0).v;
      }
      transpose_words(eight);
      for (int k = 0; k < 8; ++k) words[k * groups + g] = eight[k];
    }
    for (int k = 0; k < 8; ++k) {  // columns past the last have no transitions
      const std::uint64_t begin = first + static_cast<std::uint64_t>(x0 + k) * h;
      for (int g = 0; g < groups; ++g) busy.add(words[k * groups + g], rows[g] + begin);
    }
    if (groups > 1) positions = busy.emit(positions);
  }
  return busy.emit(positions);
}

#else

std::uint32_t* emit_columns(const std::uint64_t* tiles, const std::uint32_t* tops, std::int64_t count,
                            std::int64_t columns, std::uint32_t first, std::uint32_t h, std::uint32_t* positions) {
  for (std::int64_t x = 0; x < columns; ++x, first += h) {
    for (std::int64_t k = 0; k < count; ++k) {
      positions = emit_word(tiles[k * kTileSide + x], first + tops[k], positions);
    }
  }
  return positions;
}

#endif

#if defined(__AVX512F__)
constexpr TileVector kWordPixels{0, 64, 128, 192, 256, 320, 384, 448};
#endif

std::uint32_t* emit_words(const std::uint64_t* words, std::int64_t count, std::uint32_t first,
                          std::uint32_t* positions) {
  const std::int64_t rest = count % kVectorWords;
#if defined(__AVX512F__) && defined(__AVX512CD__) && defined(__BMI2__)
  BusyWords<kEmitWords> busy;
  for (std::int64_t i = 0; i + 8 <= count; i += 8) {
    busy.add(load_words<8>(words + i).v ^ from_left<8>(words + i).v,
             kWordPixels + (first + static_cast<std::uint64_t>(64 * i)));
  }
  positions = busy.emit(positions);
#else
  std::uint64_t changed[kEmitWords];  // of vectors that have transitions
  std::int64_t begins[kEmitWords / kVectorWords], n_changed = 0;
  for (std::int64_t i = 0; i + kVectorWords <= count; i += kVectorWords) {
    const WordsOf<kVectorWords> vector{load_words<kVectorWords>(words + i).v ^ from_left<kVectorWords>(words + i).v};
    __builtin_memcpy(changed + n_changed * kVectorWords, &vector.v, sizeof vector.v);
    begins[n_changed] = i;
    n_changed += non_zero(vector) != 0;
  }
  BusyWords<kEmitWords> busy;
  for (std::int64_t v = 0; v < n_changed; ++v) {
    const std::uint32_t base = first + 64 * static_cast<std::uint32_t>(begins[v]);
    for (int k = 0; k < kVectorWords; ++k) {
      busy.add(changed[v * kVectorWords + k], base + 64 * static_cast<std::uint32_t>(k));
    }
  }
  positions = busy.emit(positions);
#endif
  for (std::int64_t i = count - rest; i < count; ++i) {
    positions = emit_word(words[i] ^ (words[i] << 1 | words[i - 1] >> 63), first + static_cast<std::uint32_t>(64 * i),
                          positions);
  }
  return positions;
}

std::uint32_t* emit_bytes(const std::uint8_t* pixels, std::int64_t count, std::uint32_t first, bool& last,
                          std::uint32_t* positions) {
  std::uint64_t words[1 + kEmitWords];  // with one that ends in the pixel before them
  words[0] = std::uint64_t{last} << 63;
  std::int64_t n = 0;
  for (; 64 * n + 64 <= count; ++n) {
    __builtin_prefetch(pixels + 64 * n + kEmitBytes);
    words[1 + n] = pack64(pixels + 64 * n);
  }
  if (const std::int64_t rest = count - 64 * n; rest > 0) {
    // The last pixel is repeated to the end of its word, which adds no transition.
    std::uint64_t word = pack_tail(pixels + 64 * n, rest);
    if ((word >> (rest - 1) & 1) != 0) word |= ~std::uint64_t{0} << rest;
    words[1 + n++] = word;
  }
  last = words[n] >> 63 != 0;
  return emit_words(words + 1, n, first, positions);
}

// Sets the bits [begin, end) of words.
inline void set_bits(std::uint64_t* words, std::int64_t begin, std::int64_t end) {
  words += begin >> 6;
  end -= begin & ~std::int64_t{63};
  begin &= 63;
#if defined(__AVX2__)
  // Of each word, the bits from begin on that are not from end on. Shifts by 64 and more leave none, and so do those by
  // less than 0, which are to leave all. Runs are rarely longer than four words: with eight, this took half as long
  // again.
  const __m256i ones = _mm256_set1_epi64x(-1), lanes = _mm256_setr_epi64x(0, 64, 128, 192);
  const auto bits_from = [&](std::int64_t bit) {
    const __m256i from = _mm256_sub_epi64(_mm256_set1_epi64x(bit), lanes);
    return _mm256_or_si256(_mm256_sllv_epi64(ones, from), _mm256_cmpgt_epi64(_mm256_setzero_si256(), from));
  };
  for (;; words += 4, begin = 0, end -= 256) {
    auto* at = reinterpret_cast<__m256i*>(words);
    const __m256i set = _mm256_andnot_si256(bits_from(end), bits_from(begin));
    _mm256_storeu_si256(at, _mm256_or_si256(_mm256_loadu_si256(at), set));
    if (end <= 256) return;
  }
#else
  const std::uint64_t from = ~std::uint64_t{0} << begin;
  const std::uint64_t to = ~std::uint64_t{0} >> (63 - ((end - 1) & 63));
  const std::int64_t last = (end - 1) >> 6;
  if (last == 0) {
    words[0] |= from & to;
    return;
  }
  words[0] |= from;
  for (std::int64_t i = 1; i < last; ++i) words[i] = ~std::uint64_t{0};
  words[last] |= to;
#endif
}

void fill(ForegroundRuns& runs, std::int64_t begin, std::int64_t end, std::uint64_t* words) {
  ForegroundRuns run = runs;  // in registers
  while (run.begin < end) {
    set_bits(words, run.begin - begin, (run.end < end ? run.end : end) - begin);
    if (run.end > end) {
      run.begin = end;
      break;
    }
    run.advance();
  }
  runs = run;
}

void lengths(const std::uint32_t* ends, std::int64_t count, std::uint32_t* counts) {
  if (count > 0) counts[0] = ends[0];
  for (std::int64_t i = 1; i < count; ++i) counts[i] = ends[i] - ends[i - 1];
}

}  // namespace

namespace RM_LEVEL {
extern const RleRows rle_rows;
const RleRows rle_rows{changes, change_tile, any, tile, emit_columns, emit_bytes, emit_words, fill, lengths};
}  // namespace RM_LEVEL

}  // namespace rapidmask
