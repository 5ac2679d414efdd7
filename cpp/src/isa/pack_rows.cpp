// Packing, unpacking and counting, compiled once per instruction level (RM_LEVEL).

#include "isa/pack_rows.hpp"

#include "isa/bits.hpp"
#include "isa/words.hpp"
#include "rapidmask/types.hpp"

namespace rapidmask {
namespace {

// One word of zeros or ones.
inline std::uint64_t flip_of(bool invert) { return invert ? ~std::uint64_t{0} : 0; }

void pack_strided(const std::uint8_t* mask, std::int64_t rows, std::int64_t w, bool invert, std::uint64_t* words,
                  std::int64_t stride) {
  const std::uint64_t flip = flip_of(invert);
  for (std::int64_t y = 0; y < rows; ++y, mask += w, words += stride) {
    std::int64_t x = 0;
    for (; x + 64 <= w; x += 64) {
      __builtin_prefetch(mask + x + kPrefetchBytes);
      words[x / 64] = pack64(mask + x) ^ flip;
    }
    if (x < w) words[x / 64] = (pack_tail(mask + x, w - x) ^ flip) & tail_mask(w);
  }
}

void unpack_strided(const std::uint64_t* words, std::int64_t stride, std::int64_t rows, std::int64_t w, bool invert,
                    std::uint8_t* mask) {
  const std::uint64_t flip = flip_of(invert);
  for (std::int64_t y = 0; y < rows; ++y, mask += w, words += stride) {
    std::int64_t x = 0;
    for (; x + 64 <= w; x += 64) unpack64(words[x / 64] ^ flip, mask + x);
    if (x < w) {
      const std::uint64_t word = words[x / 64] ^ flip;
#if defined(__AVX512BW__)
      _mm512_mask_storeu_epi8(mask + x, tail_mask(w), _mm512_maskz_set1_epi8(word, 1));
#else
      for (std::int64_t i = 0; x + i < w; ++i) mask[x + i] = word >> i & 1u;
#endif
    }
  }
}

// Rows without tails are one long row.
void pack(const std::uint8_t* mask, std::int64_t rows, std::int64_t w, std::uint64_t* words) {
  if (w % 64 == 0) return pack_strided(mask, 1, rows * w, false, words, 0);
  pack_strided(mask, rows, w, false, words, (w + 63) / 64);
}

void unpack(const std::uint64_t* words, std::int64_t rows, std::int64_t w, std::uint8_t* mask) {
  if (w % 64 == 0) return unpack_strided(words, 0, 1, rows * w, false, mask);
  unpack_strided(words, (w + 63) / 64, rows, w, false, mask);
}

void copy(const std::uint64_t* from, std::int64_t from_stride, std::int64_t rows, std::int64_t w, bool invert,
          std::uint64_t* to, std::int64_t to_stride) {
  if (w == 0) return;
  const std::uint64_t flip = flip_of(invert), tail = tail_mask(w);
  const std::int64_t last = (w - 1) / 64;
  for (std::int64_t y = 0; y < rows; ++y, from += from_stride, to += to_stride) {
    std::int64_t j = 0;
    for (; j + kVectorWords <= last; j += kVectorWords) {
      const WordsOf<kVectorWords> words{load_words<kVectorWords>(from + j).v ^ flip};
      __builtin_memcpy(to + j, &words.v, sizeof words.v);
    }
    for (; j < last; ++j) to[j] = from[j] ^ flip;
    to[last] = (from[last] ^ flip) & tail;
  }
}

std::int64_t count_bits(const std::uint64_t* words, std::int64_t count) {
  std::int64_t total = 0;
  for (std::int64_t i = 0; i < count; ++i) total += __builtin_popcountll(words[i]);
  return total;
}

std::int64_t count_bytes(const std::uint8_t* mask, std::int64_t count) {
  std::int64_t total = 0, i = 0;
  for (; i + 64 <= count; i += 64) total += __builtin_popcountll(pack64(mask + i));
  for (; i < count; ++i) total += mask[i] != 0;
  return total;
}

}  // namespace

namespace RM_LEVEL {
extern const PackRows pack_rows;
const PackRows pack_rows{pack, unpack, pack_strided, unpack_strided, copy, count_bits, count_bytes};
}  // namespace RM_LEVEL

}  // namespace rapidmask
