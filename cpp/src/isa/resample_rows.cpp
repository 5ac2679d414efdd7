// The loops of resampling into masks, compiled once per instruction level (RM_LEVEL).

#include "isa/resample_rows.hpp"

#include "isa/bits.hpp"
#include "isa/blocks.hpp"
#include "isa/widen.hpp"
#include "isa/words.hpp"

namespace rapidmask {
namespace {

constexpr int kBlocksInWord = 64 / kBlock;

template <class T>
void values_of(const T* from, std::int64_t n, Activation activation, float* to) {
  const float* row = widen(from, n, to);
  if (activation == Activation::sigmoid) {
    for (std::int64_t i = 0; i < n; ++i) to[i] = portable_sigmoid(row[i]);
  } else if (row != to) {
    std::memcpy(to, row, static_cast<std::size_t>(n) * sizeof *to);
  }
}

void values(const void* from, DType dtype, std::int64_t n, Activation activation, float* to) {
  if (dtype == DType::float16) return values_of(static_cast<const Half*>(from), n, activation, to);
  if (dtype == DType::bfloat16) return values_of(static_cast<const BFloat16*>(from), n, activation, to);
  values_of(static_cast<const float*>(from), n, activation, to);
}

// 64 values above a limit, or not, as bits.
template <bool kAbove>
inline std::uint64_t compare64(const float* x, Block limit) {
#if defined(__AVX512BW__)
  constexpr int kHow = kAbove ? _CMP_GT_OQ : _CMP_NGT_UQ;
  const auto compare = [&](int i) { return _mm512_cmp_ps_mask(load_block(x + i).v, limit.v, kHow); };
  const __mmask32 low = _mm512_kunpackw(compare(16), compare(0)), high = _mm512_kunpackw(compare(48), compare(32));
  return _mm512_kunpackd(high, low);
#else
  std::uint64_t bits = 0;
  for (int i = 0; i < 64; i += kBlock) {
    const Block block = load_block(x + i);
    bits |= std::uint64_t{kAbove ? above<true>(block, limit) : not_above(block, limit)} << i;
  }
  return bits;
#endif
}

// What is sure of n values, as bits.
void sure_values(const float* x, std::int64_t n, const SureBounds& bounds, std::uint64_t* foreground,
                 std::uint64_t* background) {
  const Block high = splat_block(bounds.foreground), low = splat_block(bounds.background);
  std::int64_t i = 0;
  for (; i + 64 <= n; i += 64) {
    *foreground++ = compare64<true>(x + i, high);
    *background++ = compare64<false>(x + i, low);
  }
  if (i == n) return;
  float rest[64] = {};
  std::memcpy(rest, x + i, static_cast<std::size_t>(n - i) * sizeof *rest);
  *foreground = compare64<true>(rest, high);
  *background = compare64<false>(rest, low);
}

// Whether bits [begin, end) are all set.
bool all_set(const std::uint64_t* bits, std::int64_t begin, std::int64_t end) {
  while (begin < end) {
    const std::int64_t stop = begin / 64 * 64 + 64 < end ? begin / 64 * 64 + 64 : end;
    const std::uint64_t wanted = (~std::uint64_t{0} >> (64 - (stop - begin))) << (begin % 64);
    if ((bits[begin / 64] & wanted) != wanted) return false;
    begin = stop;
  }
  return true;
}

#if defined(__AVX2__)
// For as many blocks as a vector has lanes, whose columns are in one window each: bit i of the results tells whether
// all columns of block i are set. A lane takes the two words, of 16 or 32 bits, where its columns begin.
using Lanes [[gnu::vector_size(4 * kBlock)]] = std::uint32_t;

inline Lanes load_lanes(const void* from) {
  Lanes lanes;
  std::memcpy(&lanes, from, sizeof lanes);
  return lanes;
}

void sure_in_windows(const ColumnBlocks& columns, std::int64_t block, std::int64_t origin, const std::uint64_t* bits,
                     std::int64_t bit_words, std::uint32_t& foreground, std::uint32_t& background) {
  const std::int64_t base = (columns.begin[block] - origin) & ~31;
  const auto start = static_cast<std::uint32_t>(origin + base);
  const Lanes begin = load_lanes(columns.begin + block) - start;
  const Lanes count = load_lanes(columns.end + block) - start - begin;
  const Lanes wanted = ((Lanes{} + 1) << count) - 1;
  const auto all = [&](const std::uint64_t* row) {
    const Lanes words = load_lanes(reinterpret_cast<const std::uint8_t*>(row) + base / 8);
#if defined(__AVX512BW__)
    const Lanes word = begin >> 4, pair = word | (word + 1) << 16;
    const auto windows = (Lanes)_mm512_maskz_permutexvar_epi16(~__mmask32{0}, (__m512i)pair, (__m512i)words);
    const Lanes missing = ~(windows >> (begin & 15)) & wanted;
    return static_cast<std::uint32_t>(_mm512_testn_epi32_mask((__m512i)missing, (__m512i)missing));
#else
    const Lanes word = begin >> 5, next = word + 1, shift = begin & 31;
    const auto low = (Lanes)_mm256_permutevar8x32_epi32((__m256i)words, (__m256i)word);
    const auto high = (Lanes)_mm256_permutevar8x32_epi32((__m256i)words, (__m256i)next);
    const Lanes missing = ~(low >> shift | high << 1 << (31 - shift)) & wanted;
    return static_cast<std::uint32_t>(_mm256_movemask_ps((__m256)(missing == 0)));
#endif
  };
  foreground = all(bits);
  background = all(bits + bit_words);
}
#endif

void sure_blocks(const float* row, const SureBounds& bounds, const ColumnBlocks& columns, std::int64_t first,
                 std::int64_t last, std::uint64_t* bits, std::int64_t bit_words, std::uint64_t* foreground,
                 std::uint64_t* background) {
  const std::int64_t origin = columns.begin[first], n = columns.end[last - 1] - origin;
  sure_values(row + origin, n, bounds, bits, bits + bit_words);
  for (std::int64_t k = first / 64; k <= (last - 1) / 64; ++k) foreground[k] = background[k] = 0;
  std::int64_t block = first;
#if defined(__AVX2__)
  if (columns.in_window) {
    while (block < last) {
      // Up to the next multiple, so that results stay within a word.
      const std::int64_t stop = (block / kBlock + 1) * kBlock;
      std::uint32_t sure[2];
      sure_in_windows(columns, block, origin, bits, bit_words, sure[0], sure[1]);
      const std::int64_t count = (stop < last ? stop : last) - block;
      const std::uint32_t valid = (1u << count) - 1;
      foreground[block / 64] |= std::uint64_t{sure[0] & valid} << (block % 64);
      background[block / 64] |= std::uint64_t{sure[1] & valid} << (block % 64);
      block += count;
    }
    return;
  }
#endif
  for (; block < last; ++block) {
    const std::int64_t begin = columns.begin[block] - origin, end = columns.end[block] - origin;
    foreground[block / 64] |= std::uint64_t{all_set(bits, begin, end)} << (block % 64);
    background[block / 64] |= std::uint64_t{all_set(bits + bit_words, begin, end)} << (block % 64);
  }
}

// The bits of 32 blocks.
#if defined(__AVX512BW__)
using Spread = __m512i;
inline Spread spread_blocks(std::uint32_t blocks) { return _mm512_movm_epi16(blocks); }
inline void store_spread(std::uint64_t* words, Spread spread) { _mm512_storeu_si512(words, spread); }
#elif defined(__AVX2__)
using Spread = __m256i;
inline Spread spread_blocks(std::uint32_t blocks) {
  const __m256i select = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
  const __m256i bit = _mm256_set1_epi64x(static_cast<long long>(0x8040201008040201u));
  const __m256i bytes = _mm256_shuffle_epi8(_mm256_set1_epi32(static_cast<int>(blocks)), select);
  return _mm256_cmpeq_epi8(_mm256_and_si256(bytes, bit), bit);
}
inline void store_spread(std::uint64_t* words, Spread spread) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(words), spread);
}
#else
struct Spread {
  std::uint64_t words[4];
};
inline Spread spread_blocks(std::uint32_t blocks) {
  Spread spread;
  for (std::uint64_t& word : spread.words) {
    word = 0;
    for (int i = 0; i < kBlocksInWord; ++i) word |= std::uint64_t{blocks >> i & 1} * kAllOfBlock << (i * kBlock);
    blocks >>= kBlocksInWord;
  }
  return spread;
}
inline void store_spread(std::uint64_t* words, Spread spread) { std::memcpy(words, &spread, sizeof spread); }
#endif
constexpr int kSpreadWords = 32 / kBlocksInWord;

// Two columns of an input row, mixed for every column of a block.
struct Mixture {
  Indices first, second;
  Block first_weight, second_weight;

  Mixture(const std::int32_t* indices, const float* weights)
      : first(load_indices(indices)),
        second(load_indices(indices + kBlock)),
        first_weight(load_block(weights)),
        second_weight(load_block(weights + kBlock)) {}
  template <bool kInWindow>
  Block of(const float* window) const {
    if constexpr (kInWindow) {
      const Block columns = load_block(window);
      return mix(at(columns, first), at(columns, second), first_weight, second_weight);
    } else {
      return mix(gather(window, first), gather(window, second), first_weight, second_weight);
    }
  }
};

inline Block mix_rows(const Block* rows, const RowTap& tap) {
  const Block product = splat_block(tap.first_weight) * rows[tap.first];
  if (tap.second_weight == 0) return rows[tap.first];
  return product + splat_block(tap.second_weight) * rows[tap.second];
}

// The rows that the output rows of a band mix, within one block: input rows, or those between the two resizings.
template <bool kTwice, bool kInWindow>
inline void rows_of_block(const ResamplePlanView& plan, const RowBand& band, const float* const* inputs,
                          std::int64_t block, Block* rows) {
  const ColumnBlocks& columns = plan.columns;
  const std::int64_t pattern = columns.pattern[block], window = columns.window[block];
  if constexpr (kTwice) {
    const std::int32_t* indices = columns.indices + 4 * kBlock * pattern;
    const float* weights = columns.weights + 6 * kBlock * pattern;
    Block lefts[kMaxBandInputs], rights[kMaxBandInputs];
    {
      const Mixture left(indices, weights), right(indices + 2 * kBlock, weights + 2 * kBlock);
      for (int k = 0; k < band.input_count; ++k) {
        lefts[k] = left.of<kInWindow>(inputs[k] + window);
        rights[k] = right.of<kInWindow>(inputs[k] + window);
      }
    }
    const Block left_weight = load_block(weights + 4 * kBlock), right_weight = load_block(weights + 5 * kBlock);
    const RowTap* middles = plan.middles + band.middle_begin;
    for (int k = 0; k < band.middle_count; ++k) {
      rows[k] = mix(mix_rows(lefts, middles[k]), mix_rows(rights, middles[k]), left_weight, right_weight);
    }
  } else {
    const Mixture mixture(columns.indices + 2 * kBlock * pattern, columns.weights + 2 * kBlock * pattern);
    for (int k = 0; k < band.input_count; ++k) rows[k] = mixture.of<kInWindow>(inputs[k] + window);
  }
}

// What is counted of interpolated values, per lane where vectors have masks.
struct Counters {
#if defined(__AVX512BW__)
  __m512i area = _mm512_setzero_si512(), high = area, low = area;
  template <bool kStrict>
  void add(Block value, std::uint32_t bits, std::uint32_t valid, const Foreground& foreground) {
    constexpr int kHow = kStrict ? _CMP_GT_OQ : _CMP_GE_OQ;
    const __m512i one = _mm512_set1_epi32(1);
    const auto count = [&](__m512i& counts, __mmask16 mask) {
      counts = _mm512_mask_add_epi32(counts, mask, counts, one);
    };
    const auto of = static_cast<__mmask16>(valid);
    count(area, static_cast<__mmask16>(bits));
    count(high, _mm512_mask_cmp_ps_mask(of, value.v, _mm512_set1_ps(foreground.high), kHow));
    count(low, _mm512_mask_cmp_ps_mask(of, value.v, _mm512_set1_ps(foreground.low), kHow));
  }
  static std::int64_t total(__m512i counts) {
    std::int32_t lanes[16];
    _mm512_storeu_si512(lanes, counts);
    std::int64_t sum = 0;
    for (const std::int32_t lane : lanes) sum += lane;
    return sum;
  }
#else
  std::int64_t area = 0, high = 0, low = 0;
  template <bool kStrict>
  void add(Block value, std::uint32_t bits, std::uint32_t valid, const Foreground& foreground) {
    area += __builtin_popcount(bits);
    high += __builtin_popcount(above<kStrict>(value, splat_block(foreground.high)) & valid);
    low += __builtin_popcount(above<kStrict>(value, splat_block(foreground.low)) & valid);
  }
  static std::int64_t total(std::int64_t count) { return count; }
#endif
  void give(ResampleCounts& counts) const {
    counts.area += total(area);
    counts.above_high += total(high);
    counts.above_low += total(low);
  }
};

struct Band {
  const RowBand* rows;
  std::int64_t y_begin, y_end;
  const float* inputs[kMaxBandInputs];
  std::uint64_t* words;  // of row y_begin
  std::int64_t row_words;
  std::uint32_t* busy;  // per row, not zero where it has foreground
};

inline void store_bits(std::uint8_t* to, std::uint32_t bits) {
  if constexpr (kBlock == 16) {
    const auto half = static_cast<std::uint16_t>(bits);
    std::memcpy(to, &half, sizeof half);
  } else {
    *to = static_cast<std::uint8_t>(bits);
  }
}

// Interpolates one block in all rows of a band. `valid` are the columns that it has.
template <bool kTwice, bool kInWindow, bool kStrict, bool kCount>
inline void resample_block(const ResamplePlanView& plan, const ResampleTask& task, const Band& band, std::int64_t block,
                           std::uint32_t valid, Counters& counters) {
  Block rows[kTwice ? kMaxBandMiddles : kMaxBandInputs];
  rows_of_block<kTwice, kInWindow>(plan, *band.rows, band.inputs, block, rows);
  const Block threshold = splat_block(task.foreground.threshold);
  [[maybe_unused]] std::uint32_t any = 0;
  auto* to = reinterpret_cast<std::uint8_t*>(band.words) + block * (kBlock / 8);
  const std::int64_t count = band.y_end - band.y_begin;
  const RowTap* taps = plan.rows + band.y_begin;
  const auto give = [&](std::int64_t y, Block value) {
    const std::uint32_t bits = above<kStrict>(value, threshold) & valid;
    store_bits(to + 8 * band.row_words * y, bits);
    if constexpr (kCount) {
      any |= bits;
      band.busy[y] |= bits;
      counters.add<kStrict>(value, bits, valid, task.foreground);
    }
  };
  if (!kTwice && band.rows->plain) {
    const Block first = rows[0], second = rows[1];
    for (std::int64_t y = 0; y < count; ++y) {
      give(y, splat_block(taps[y].first_weight) * first + splat_block(taps[y].second_weight) * second);
    }
  } else {
    for (std::int64_t y = 0; y < count; ++y) give(y, mix_rows(rows, taps[y]));
  }
  if constexpr (kCount) {
    task.counts->columns[block / kBlocksInWord] |= std::uint64_t{any} << (block % kBlocksInWord * kBlock);
  }
}

// The bits of [begin, end) within word k.
inline std::uint64_t bits_within(std::int64_t k, std::int64_t begin, std::int64_t end) {
  std::uint64_t bits = ~std::uint64_t{0};
  if (64 * k < begin) bits = bits << (begin - 64 * k);
  if (64 * (k + 1) > end) bits &= ~std::uint64_t{0} >> (64 * (k + 1) - end);
  return bits;
}

template <bool kCount>
void count_known(const ResampleTask& task, const std::uint64_t* known, std::int64_t first_word, std::int64_t last_word,
                 Band& band) {
  std::int64_t total = 0;
  for (std::int64_t k = first_word; k < last_word; ++k) {
    total += __builtin_popcountll(known[k]);
    task.counts->columns[k] |= known[k];
  }
  const std::int64_t rows = band.y_end - band.y_begin;
  task.counts->area += total * rows;
  task.counts->above_high += total * rows;
  task.counts->above_low += total * rows;
  for (std::int64_t y = 0; y < rows; ++y) band.busy[y] = total > 0;
}

// Copies words [first, last) to all rows of a band.
inline void copy_to_rows(const std::uint64_t* words, std::int64_t first, std::int64_t last, const Band& band) {
  std::int64_t k = first;
  for (; k + kVectorWords <= last; k += kVectorWords) {
    const WordsOf<kVectorWords> loaded = load_words<kVectorWords>(words + k);
    std::uint64_t* to = band.words + k;
    for (std::int64_t y = band.y_begin; y < band.y_end; ++y, to += band.row_words) {
      std::memcpy(to, &loaded.v, sizeof loaded.v);
    }
  }
  for (; k < last; ++k) {
    std::uint64_t* to = band.words + k;
    for (std::int64_t y = band.y_begin; y < band.y_end; ++y, to += band.row_words) *to = words[k];
  }
}

// 64 bits from bit i of words on, of which more follow.
inline std::uint64_t bits_from(const std::uint64_t* words, std::int64_t i) {
  const std::int64_t shift = i % 64;
  return shift == 0 ? words[i / 64] : words[i / 64] >> shift | words[i / 64 + 1] << (64 - shift);
}

// Bits [begin, end) as bytes, past the caches but for parts of lines at either end.
void stream_bits(const std::uint64_t* words, std::int64_t begin, std::int64_t end, std::uint8_t* bytes) {
  std::int64_t i = begin;
#if defined(__AVX2__)
  const auto place = static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(bytes + begin) % 64);
  const std::int64_t head = begin + (64 - place) % 64;
  for (; i < head && i < end; ++i) bytes[i] = words[i / 64] >> (i % 64) & 1;
  for (; i + 64 <= end; i += 64) {
    const std::uint64_t bits = bits_from(words, i);
#if defined(__AVX512BW__)
    _mm512_stream_si512(reinterpret_cast<__m512i*>(bytes + i), _mm512_maskz_set1_epi8(bits, 1));
#else
    std::uint8_t line[64];
    unpack64(bits, line);
    for (int k = 0; k < 64; k += 32) {
      _mm256_stream_si256(reinterpret_cast<__m256i*>(bytes + i + k),
                          _mm256_loadu_si256(reinterpret_cast<const __m256i*>(line + k)));
    }
#endif
  }
#else
  for (; i + 64 <= end; i += 64) unpack64(bits_from(words, i), bytes + i);
#endif
  for (; i < end; ++i) bytes[i] = words[i / 64] >> (i % 64) & 1;
}

// A copy of some bytes, or zeros where there are none, past the caches but for parts of lines at either end.
void stream_bytes(const std::uint8_t* from, std::int64_t count, std::uint8_t* to) {
  const auto plainly = [&](std::int64_t begin, std::int64_t end) {
    const auto size = static_cast<std::size_t>(end - begin);
    if (from == nullptr) {
      std::memset(to + begin, 0, size);
    } else {
      std::memcpy(to + begin, from + begin, size);
    }
  };
#if defined(__AVX2__)
  const auto place = static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(to) % 64);
  std::int64_t i = (64 - place) % 64 < count ? (64 - place) % 64 : count;
  plainly(0, i);
  for (; i + 64 <= count; i += 64) {
    auto* line = reinterpret_cast<__m256i*>(to + i);
    const auto half = [&](int k) {
      return from == nullptr ? _mm256_setzero_si256()
                             : _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + i) + k);
    };
    _mm256_stream_si256(line, half(0));
    _mm256_stream_si256(line + 1, half(1));
  }
  plainly(i, count);
  _mm_sfence();
#else
  plainly(0, count);
#endif
}

void give_rows(const ResampleTask& task, const Band& band, std::int64_t w) {
  const std::int64_t rows = band.y_end - band.y_begin;
  std::uint8_t* pixels = task.dense + band.y_begin * w;
  if (task.streams && w % 64 == 0) {  // all rows as one
    stream_bits(band.words, 0, rows * w, pixels);
    return;
  }
  const std::int64_t begin = task.x_begin / 64 * 64, stop = (task.x_end + 63) / 64 * 64;
  const std::int64_t end = stop < w ? stop : w;
  for (std::int64_t y = 0; y < rows; ++y, pixels += w) {
    const std::uint64_t* words = band.words + y * band.row_words;
    if (task.streams) {
      stream_bits(words, 0, w, pixels);
      continue;
    }
    std::int64_t x = begin;
    for (; x + 64 <= end; x += 64) unpack64(words[x / 64], pixels + x);
    if (x < end) {
      std::uint8_t rest[64];
      unpack64(words[x / 64], rest);
      std::memcpy(pixels + x, rest, static_cast<std::size_t>(end - x));
    }
  }
}

template <bool kTwice, bool kInWindow, bool kStrict, bool kCount>
void resample_as(const ResamplePlanView& plan, const ResampleTask& task) {
  const std::int64_t first_word = task.x_begin / 64, last_word = (task.x_end + 63) / 64;
  const std::int64_t first_block = task.x_begin / kBlock, last_block = (task.x_end + kBlock - 1) / kBlock;
  const std::int64_t row_words = (plan.out_columns + 63) / 64;
  std::uint64_t* known = task.line;  // of which whole vectors are written
  std::uint32_t busy[kMaxBandRows];
  for (std::int64_t b = task.band_begin; b < task.band_end; ++b) {
    const RowBand& rows = plan.bands[b];
    Band band{};
    band.rows = &rows;
    band.y_begin = rows.begin > task.y_begin ? rows.begin : task.y_begin;
    band.y_end = rows.end < task.y_end ? rows.end : task.y_end;
    band.row_words = row_words;
    band.words = task.packed != nullptr ? task.packed + band.y_begin * row_words : task.line + row_words + kLineSlack;
    band.busy = busy;
    for (int k = 0; k < rows.input_count; ++k) band.inputs[k] = task.input + rows.inputs[k] * task.stride;
    const auto in_all_rows = [&](const std::uint64_t* sure, std::int64_t k) {
      std::uint64_t blocks = ~std::uint64_t{0};
      for (int i = 0; i < rows.input_count; ++i) {
        blocks &= sure[(rows.inputs[i] - task.sure.first_row) * task.sure.words + k];
      }
      return blocks;
    };
    if (task.streams) {  // whole rows are given
      std::memset(band.words, 0, static_cast<std::size_t>((band.y_end - band.y_begin) * row_words) * 8);
    }
    // What is known, in words that begin with a multiple of 32 blocks.
    for (std::int64_t k = first_word / kSpreadWords * kSpreadWords; k < last_word; k += kSpreadWords) {
      const std::int64_t block = k * kBlocksInWord;
      const std::uint64_t blocks = in_all_rows(task.sure.foreground, block / 64) >> (block % 64);
      store_spread(known + k, spread_blocks(static_cast<std::uint32_t>(blocks)));
    }
    if (task.x_begin % 64 != 0) known[first_word] &= bits_within(first_word, task.x_begin, task.x_end);
    if (task.x_end % 64 != 0) known[last_word - 1] &= bits_within(last_word - 1, task.x_begin, task.x_end);
    copy_to_rows(known, first_word, last_word, band);
    if constexpr (kCount) count_known<kCount>(task, known, first_word, last_word, band);
    Counters counters;
    for (std::int64_t k = first_block / 64; 64 * k < last_block; ++k) {
      std::uint64_t mixed = ~(in_all_rows(task.sure.foreground, k) | in_all_rows(task.sure.background, k));
      mixed &= bits_within(k, first_block, last_block);
      for (; mixed != 0; mixed &= mixed - 1) {
        const std::int64_t block = 64 * k + __builtin_ctzll(mixed);
        const std::int64_t x = block * kBlock;
        std::uint32_t valid = kAllOfBlock;
        if (x < task.x_begin) valid = valid << (task.x_begin - x) & kAllOfBlock;
        if (x + kBlock > task.x_end) valid &= kAllOfBlock >> (x + kBlock - task.x_end);
        resample_block<kTwice, kInWindow, kStrict, kCount>(plan, task, band, block, valid, counters);
      }
    }
    if constexpr (kCount) {
      counters.give(*task.counts);
      for (std::int64_t y = band.y_begin; y < band.y_end; ++y) {
        if (busy[y - band.y_begin] == 0) continue;
        if (task.counts->y1 == 0) task.counts->y0 = y;
        task.counts->y1 = y + 1;
      }
    }
    if (task.dense != nullptr) give_rows(task, band, plan.out_columns);
  }
#if defined(__AVX2__)
  if (task.streams) _mm_sfence();
#endif
}

template <bool kTwice, bool kInWindow, bool kStrict>
void resample_strictly(const ResamplePlanView& plan, const ResampleTask& task) {
  if (task.counts != nullptr) return resample_as<kTwice, kInWindow, kStrict, true>(plan, task);
  resample_as<kTwice, kInWindow, kStrict, false>(plan, task);
}

template <bool kTwice, bool kInWindow>
void resample_times(const ResamplePlanView& plan, const ResampleTask& task) {
  if (task.foreground.strict) return resample_strictly<kTwice, kInWindow, true>(plan, task);
  resample_strictly<kTwice, kInWindow, false>(plan, task);
}

void resample(const ResamplePlanView& plan, const ResampleTask& task) {
  if (plan.twice) {
    if (plan.columns.in_window) return resample_times<true, true>(plan, task);
    return resample_times<true, false>(plan, task);
  }
  if (plan.columns.in_window) return resample_times<false, true>(plan, task);
  resample_times<false, false>(plan, task);
}

}  // namespace

namespace RM_LEVEL {
extern const ResampleRows resample_rows;
const ResampleRows resample_rows{kBlock, values, sure_blocks, resample, stream_bytes};
}  // namespace RM_LEVEL

}  // namespace rapidmask
