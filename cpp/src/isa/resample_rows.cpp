// The loops of resampling into masks, compiled once per instruction level (RM_LEVEL).

#include "isa/resample_rows.hpp"

#include "isa/bits.hpp"
#include "isa/blocks.hpp"
#include "isa/sigmoid_lanes.hpp"
#include "isa/streams.hpp"
#include "isa/sure_blocks.hpp"
#include "isa/whole_rows.hpp"
#include "isa/widen.hpp"
#include "isa/words.hpp"

namespace rapidmask {
namespace {

template <class T>
void values_of(const T* from, std::int64_t n, Activation activation, float* to) {
  const float* row = widen(from, n, to);
  if (activation == Activation::sigmoid) {
    activate_values(row, n, to);
  } else if (row != to) {
    std::memcpy(to, row, static_cast<std::size_t>(n) * sizeof *to);
  }
}

void values(const void* from, DType dtype, std::int64_t n, Activation activation, float* to) {
  if (dtype == DType::float16) return values_of(static_cast<const Half*>(from), n, activation, to);
  if (dtype == DType::bfloat16) return values_of(static_cast<const BFloat16*>(from), n, activation, to);
  values_of(static_cast<const float*>(from), n, activation, to);
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
  const std::int64_t window = columns.window[block];
  const std::int32_t* indices = columns.indices + columns.places[block];
  const float* weights = columns.weights + columns.weighed[block];
  if constexpr (kTwice) {
    Block lefts[kMaxBandInputs], rights[kMaxBandInputs];
    {
      const Mixture left(indices, weights), right(indices + 2 * kBlock, weights + kBlock);
      for (int k = 0; k < band.input_count; ++k) {
        lefts[k] = left.of<kInWindow>(inputs[k] + window);
        rights[k] = right.of<kInWindow>(inputs[k] + window);
      }
    }
    const Block right_weight = load_block(weights + 2 * kBlock), left_weight = splat_block(1) - right_weight;
    const RowTap* middles = plan.middles + band.middle_begin;
    for (int k = 0; k < band.middle_count; ++k) {
      rows[k] = mix(mix_rows(lefts, middles[k]), mix_rows(rights, middles[k]), left_weight, right_weight);
    }
  } else {
    const Mixture mixture(indices, weights);
    for (int k = 0; k < band.input_count; ++k) rows[k] = mixture.of<kInWindow>(inputs[k] + window);
  }
}

// What is counted of interpolated values, per lane where vectors have masks: in 32 bits, which is enough for 2^32
// pixels.
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
#elif defined(__AVX2__)
  __m256i area = _mm256_setzero_si256(), high = area, low = area;
  template <bool kStrict>
  void add(Block value, std::uint32_t bits, std::uint32_t valid, const Foreground& foreground) {
    constexpr int kHow = kStrict ? _CMP_GT_OQ : _CMP_GE_OQ;
    const __m256i lane = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    const auto lanes_of = [&](std::uint32_t mask) {
      return _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(static_cast<int>(mask)), lane), lane);
    };
    const __m256i of = lanes_of(valid);
    const auto count = [&](__m256i& counts, float limit) {
      const __m256 mask = _mm256_cmp_ps(value.v, _mm256_set1_ps(limit), kHow);
      counts = _mm256_sub_epi32(counts, _mm256_and_si256(_mm256_castps_si256(mask), of));
    };
    area = _mm256_sub_epi32(area, lanes_of(bits));
    count(high, foreground.high);
    count(low, foreground.low);
  }
  static std::int64_t total(__m256i counts) {
    std::int32_t lanes[8];
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(lanes), counts);
    std::int64_t sum = 0;
    for (const std::int32_t count : lanes) sum += count;
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

inline void count_known(const ResampleTask& task, const std::uint64_t* known, std::int64_t first_word,
                        std::int64_t last_word, Band& band) {
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

// The blocks, by bits of word k, of which something is sure in all input rows of a band.
inline std::uint64_t in_all_rows(const ResampleTask& task, const RowBand& rows, const std::uint64_t* sure,
                                 std::int64_t k) {
  std::uint64_t blocks = ~std::uint64_t{0};
  for (int i = 0; i < rows.input_count; ++i) {
    blocks &= sure[(rows.inputs[i] - task.sure.first_row) * task.sure.words + k];
  }
  return blocks;
}

// Writes what is known of a band, within words [first, last), to all its rows.
template <bool kCount>
inline void give_known(const ResampleTask& task, std::int64_t first, std::int64_t last, Band& band) {
  std::uint64_t* known = task.line;
  for (std::int64_t k = first / kSpreadWords * kSpreadWords; k < last; k += kSpreadWords) {  // in whole vectors
    const std::int64_t block = k * kBlocksInWord;
    const std::uint64_t blocks = in_all_rows(task, *band.rows, task.sure.foreground, block / 64) >> (block % 64);
    store_spread(known + k, spread_blocks(static_cast<std::uint32_t>(blocks)));
  }
  if (task.x_begin % 64 != 0) known[first] &= bits_within(first, task.x_begin, task.x_end);
  if (task.x_end % 64 != 0) known[last - 1] &= bits_within(last - 1, task.x_begin, task.x_end);
  copy_to_rows(known, first, last, band);
  if constexpr (kCount) count_known(task, known, first, last, band);
}

// The blocks of a band of which nothing is sure, by bits of word k, among [first, last).
inline std::uint64_t mixed_blocks(const ResampleTask& task, const RowBand& rows, std::int64_t k, std::int64_t first,
                                  std::int64_t last) {
  const std::uint64_t sure =
      in_all_rows(task, rows, task.sure.foreground, k) | in_all_rows(task, rows, task.sure.background, k);
  return ~sure & bits_within(k, first, last);
}

// Whether a band's rows take less time whole than block by block.
inline bool mostly_mixed(const ResampleTask& task, const RowBand& rows) {
  const std::int64_t first = task.x_begin / kBlock, last = (task.x_end + kBlock - 1) / kBlock;
  std::int64_t mixed = 0;
  for (std::int64_t k = first / 64; 64 * k < last; ++k) {
    mixed += __builtin_popcountll(mixed_blocks(task, rows, k, first, last));
  }
  return 2 * mixed > last - first;
}

inline bool is_finite(float x) { return x - x == 0; }

// Interpolates all of a band.
template <bool kFourfold, bool kCount>
inline void give_whole(const ResamplePlanView& plan, const ResampleTask& task, const Band& band, WholeRows& whole) {
  const RowTap* taps = plan.rows + band.y_begin;
  const Foreground& foreground = task.foreground;
  const Limit limit(foreground.threshold, foreground.strict);
  const Limit high(foreground.high, foreground.strict), low(foreground.low, foreground.strict);
  for (std::int64_t y = 0; y < band.y_end - band.y_begin; ++y) {
    [[maybe_unused]] std::uint64_t any = 0;
    const auto count = [&](std::int64_t k, const Block* values, std::uint64_t bits) {
      if constexpr (kCount) {
        ResampleCounts& counts = *task.counts;
        const std::uint64_t within = bits_within(k, task.x_begin, task.x_end);
        any |= bits;
        counts.columns[k] |= bits;
        counts.area += __builtin_popcountll(bits);
        counts.above_high += __builtin_popcountll(beyond<true, kFourfold>(values, high) & within);
        counts.above_low += __builtin_popcountll(beyond<true, kFourfold>(values, low) & within);
      }
    };
    const auto rows = whole.mixed_by(*band.rows, taps[y]);
    compare_across<kFourfold>(rows.first, rows.second, taps[y].first_weight, taps[y].second_weight, limit, task.x_begin,
                              task.x_end, band.words + y * band.row_words, count);
    if constexpr (kCount) band.busy[y] = any != 0;
  }
}

// Interpolates the blocks of a band of which nothing is sure.
template <bool kTwice, bool kInWindow, bool kStrict, bool kCount>
inline void give_mixed(const ResamplePlanView& plan, const ResampleTask& task, const Band& band, Counters& counters) {
  const std::int64_t first = task.x_begin / kBlock, last = (task.x_end + kBlock - 1) / kBlock;
  for (std::int64_t k = first / 64; 64 * k < last; ++k) {
    for (std::uint64_t mixed = mixed_blocks(task, *band.rows, k, first, last); mixed != 0; mixed &= mixed - 1) {
      const std::int64_t block = 64 * k + __builtin_ctzll(mixed);
      const std::int64_t x = block * kBlock;
      std::uint32_t valid = kAllOfBlock;
      if (x < task.x_begin) valid = valid << (task.x_begin - x) & kAllOfBlock;
      if (x + kBlock > task.x_end) valid &= kAllOfBlock >> (x + kBlock - task.x_end);
      resample_block<kTwice, kInWindow, kStrict, kCount>(plan, task, band, block, valid, counters);
    }
  }
}

template <bool kTwice, bool kInWindow, bool kStrict, bool kCount>
void resample_as(const ResamplePlanView& plan, const ResampleTask& task) {
  const std::int64_t first_word = task.x_begin / 64, last_word = (task.x_end + 63) / 64;
  const std::int64_t row_words = (plan.out_columns + 63) / 64;
  std::uint32_t busy[kMaxBandRows];
  Counters counters;
  WholeRows whole(plan, task);
  const Foreground& limits = task.foreground;
  const bool finite = is_finite(limits.threshold) && (!kCount || (is_finite(limits.high) && is_finite(limits.low)));
  const bool may_be_whole = plan.whole_rows && finite;
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
    if (task.streams && last_word - first_word < row_words) {  // rows are given to their ends
      std::memset(band.words, 0, static_cast<std::size_t>((band.y_end - band.y_begin) * row_words) * 8);
    }
    if (may_be_whole && mostly_mixed(task, rows)) {
      if (whole.fourfold()) {
        give_whole<kHasFourfold, kCount>(plan, task, band, whole);
      } else {
        give_whole<false, kCount>(plan, task, band, whole);
      }
    } else {
      give_known<kCount>(task, first_word, last_word, band);
      give_mixed<kTwice, kInWindow, kStrict, kCount>(plan, task, band, counters);
    }
    if constexpr (kCount) {
      for (std::int64_t y = band.y_begin; y < band.y_end; ++y) {
        if (busy[y - band.y_begin] == 0) continue;
        if (task.counts->y1 == 0) task.counts->y0 = y;
        task.counts->y1 = y + 1;
      }
    }
    if (task.dense != nullptr) give_rows(task, band, plan.out_columns);
  }
  if constexpr (kCount) counters.give(*task.counts);
  if (task.streams) end_streams();
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

void stream(const std::uint8_t* from, std::int64_t count, std::uint8_t* to) {
  stream_bytes(from, count, to);
  end_streams();
}

}  // namespace

namespace RM_LEVEL {
extern const ResampleRows resample_rows;
const ResampleRows resample_rows{kBlock, values, sure_blocks, resample, stream};
}  // namespace RM_LEVEL

}  // namespace rapidmask
