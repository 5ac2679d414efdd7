// Counting of shared pixels, compiled once per instruction level (RM_LEVEL).

#include "isa/overlap_rows.hpp"

#include "isa/bits.hpp"

namespace rapidmask {
namespace {

inline std::int64_t count_word(std::uint64_t word) {
#if defined(__POPCNT__) || !defined(__x86_64__)
  return __builtin_popcountll(word);
#else
  word -= word >> 1 & 0x5555555555555555u;
  word = (word & 0x3333333333333333u) + (word >> 2 & 0x3333333333333333u);
  word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0fu;
  return static_cast<std::int64_t>(word * 0x0101010101010101u >> 56);
#endif
}

// Words that are zero are not written: what is read goes through the first cache and takes the words' place there, so
// that each written would be fetched again.
bool pack(const std::uint8_t* pixels, std::int64_t stride, std::int64_t rows, std::int64_t w, std::uint64_t* words) {
  if (w == stride && w % 64 == 0) {  // one long row
    w *= rows;
    rows = 1;
  }
  std::uint64_t any = 0;
  for (std::int64_t y = 0; y < rows; ++y, pixels += stride) {
    std::int64_t x = 0;
    for (; x < w; x += 64, ++words) {
      const std::uint64_t word = w - x < 64 ? pack_tail(pixels + x, w - x) : pack64(pixels + x);
      if (word == 0) continue;
      any |= word;
      *words = word;
    }
  }
  return any != 0;
}

// Four rows at a time, so that the sums over columns, which stay in the first cache, are read and written once for
// four.
std::uint64_t busy_columns(const std::uint64_t* words, std::int64_t stride, std::int64_t rows, std::int64_t columns) {
  std::uint64_t any[kMaxBlockColumns] = {};
  std::int64_t y = 0;
  for (; y + 4 <= rows; y += 4, words += 4 * stride) {
    for (std::int64_t k = 0; k < columns; ++k) {
      any[k] |= words[k] | words[stride + k] | words[2 * stride + k] | words[3 * stride + k];
    }
  }
  for (; y < rows; ++y, words += stride) {
    for (std::int64_t k = 0; k < columns; ++k) any[k] |= words[k];
  }
  std::uint64_t busy = 0;
  for (std::int64_t k = 0; k < columns; ++k) busy |= std::uint64_t{any[k] != 0} << k;
  return busy;
}

std::int64_t take_block(const std::uint64_t* words, std::int64_t stride, std::int64_t rows, std::uint64_t* block) {
  std::int64_t count = 0;
  for (std::int64_t y = 0; y < rows; ++y) {
    block[y] = words[y * stride];
    count += count_word(block[y]);
  }
  for (std::int64_t y = rows; y < kBlockRows; ++y) block[y] = 0;
  return count;
}

void add_shared_by_words(const std::uint64_t* block, const std::uint64_t* blocks, const std::uint32_t* slots,
                         const std::uint32_t* masks, std::int64_t count, std::int64_t* sums) {
  for (std::int64_t t = 0; t < count; ++t) {
    const std::uint64_t* other = blocks + kBlockRows * slots[t];
    std::int64_t shared = 0;
    for (std::int64_t y = 0; y < kBlockRows; ++y) shared += count_word(block[y] & other[y]);
    sums[masks[t]] += shared;
  }
}

std::int64_t count_shared_by_words(const std::uint64_t* a, std::int64_t stride_a, const std::uint64_t* b,
                                   std::int64_t stride_b, std::int64_t rows, std::int64_t words) {
  std::int64_t shared = 0;
  for (std::int64_t y = 0; y < rows; ++y, a += stride_a, b += stride_b) {
    for (std::int64_t k = 0; k < words; ++k) shared += count_word(a[k] & b[k]);
  }
  return shared;
}

#if defined(__AVX512F__)

// VPOPCNTDQ is not part of x86-64-v4, but all processors since 2019 that have AVX-512 have it.
#define RM_VPOPCNTDQ __attribute__((target("avx512vpopcntdq")))

// (GCC 12 warns of its own _mm512_reduce_add_epi64.)
inline std::int64_t sum_lanes(__m512i lanes) {
  using Words [[gnu::vector_size(64)]] = long long;
  const auto eight = reinterpret_cast<Words>(lanes);
  const auto four =
      __builtin_shufflevector(eight, eight, 0, 1, 2, 3) + __builtin_shufflevector(eight, eight, 4, 5, 6, 7);
  const auto two = __builtin_shufflevector(four, four, 0, 1) + __builtin_shufflevector(four, four, 2, 3);
  return two[0] + two[1];
}

RM_VPOPCNTDQ void add_shared_by_vectors(const std::uint64_t* block, const std::uint64_t* blocks,
                                        const std::uint32_t* slots, const std::uint32_t* masks, std::int64_t count,
                                        std::int64_t* sums) {
  __m512i own[8];
  for (int k = 0; k < 8; ++k) own[k] = _mm512_loadu_si512(block + 8 * k);
  for (std::int64_t t = 0; t < count; ++t) {
    const std::uint64_t* other = blocks + kBlockRows * slots[t];
    __m512i even = _mm512_setzero_si512(), odd = _mm512_setzero_si512();
    for (int k = 0; k < 8; k += 2) {
      const __m512i first = _mm512_and_si512(own[k], _mm512_loadu_si512(other + 8 * k));
      const __m512i second = _mm512_and_si512(own[k + 1], _mm512_loadu_si512(other + 8 * k + 8));
      even = _mm512_add_epi64(even, _mm512_popcnt_epi64(first));
      odd = _mm512_add_epi64(odd, _mm512_popcnt_epi64(second));
    }
    sums[masks[t]] += sum_lanes(_mm512_add_epi64(even, odd));
  }
}

RM_VPOPCNTDQ std::int64_t count_shared_by_vectors(const std::uint64_t* a, std::int64_t stride_a, const std::uint64_t* b,
                                                  std::int64_t stride_b, std::int64_t rows, std::int64_t words) {
  if (words == stride_a && words == stride_b) {  // one long row
    words *= rows;
    rows = words == 0 ? 0 : 1;
  }
  const auto tail = static_cast<__mmask8>((1u << (words % 8)) - 1);
  __m512i sum = _mm512_setzero_si512();
  for (std::int64_t y = 0; y < rows; ++y, a += stride_a, b += stride_b) {
    std::int64_t k = 0;
    for (; k + 8 <= words; k += 8) {
      const __m512i shared = _mm512_and_si512(_mm512_loadu_si512(a + k), _mm512_loadu_si512(b + k));
      sum = _mm512_add_epi64(sum, _mm512_popcnt_epi64(shared));
    }
    if (tail != 0) {
      const __m512i shared =
          _mm512_and_si512(_mm512_maskz_loadu_epi64(tail, a + k), _mm512_maskz_loadu_epi64(tail, b + k));
      sum = _mm512_add_epi64(sum, _mm512_popcnt_epi64(shared));
    }
  }
  return sum_lanes(sum);
}

bool counts_vectors() { return __builtin_cpu_supports("avx512vpopcntdq") != 0; }

void add_shared(const std::uint64_t* block, const std::uint64_t* blocks, const std::uint32_t* slots,
                const std::uint32_t* masks, std::int64_t count, std::int64_t* sums) {
  (counts_vectors() ? add_shared_by_vectors : add_shared_by_words)(block, blocks, slots, masks, count, sums);
}

std::int64_t count_shared(const std::uint64_t* a, std::int64_t stride_a, const std::uint64_t* b, std::int64_t stride_b,
                          std::int64_t rows, std::int64_t words) {
  return (counts_vectors() ? count_shared_by_vectors : count_shared_by_words)(a, stride_a, b, stride_b, rows, words);
}

#else

constexpr auto add_shared = add_shared_by_words;
constexpr auto count_shared = count_shared_by_words;

#endif

}  // namespace

namespace RM_LEVEL {
extern const OverlapRows overlap_rows;
const OverlapRows overlap_rows{pack, busy_columns, take_block, add_shared, count_shared};
}  // namespace RM_LEVEL

}  // namespace rapidmask
