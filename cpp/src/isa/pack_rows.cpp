// Packing, unpacking and counting, compiled once per instruction level (RM_LEVEL).

#include "isa/pack_rows.hpp"

#include "isa/bits.hpp"
#include "isa/words.hpp"
#include "rapidmask/types.hpp"

namespace rapidmask {
namespace {

void pack(const std::uint8_t* mask, std::int64_t rows, std::int64_t w, std::uint64_t* words) {
  if (w % 64 == 0) {  // no tails: one long row
    w *= rows;
    rows = w == 0 ? 0 : 1;
  }
  for (std::int64_t y = 0; y < rows; ++y, mask += w) {
    std::int64_t x = 0;
    for (; x + 64 <= w; x += 64) {
      *words++ = pack64(mask + x);
    }
    if (x < w) *words++ = pack_tail(mask + x, w - x);
  }
}

void unpack(const std::uint64_t* words, std::int64_t rows, std::int64_t w, std::uint8_t* mask) {
  for (std::int64_t y = 0; w > 0 && y < rows; ++y, mask += w) {
    std::int64_t x = 0;
    for (; x + 64 <= w; x += 64) unpack64(*words++, mask + x);
    if (x < w) {
      const std::uint64_t word = *words++;
#if defined(__AVX512BW__)
      const std::uint64_t valid = (std::uint64_t{1} << (w - x)) - 1;
      _mm512_mask_storeu_epi8(mask + x, valid, _mm512_maskz_set1_epi8(word, 1));
#else
      for (std::int64_t i = 0; x + i < w; ++i) mask[x + i] = word >> i & 1u;
#endif
    }
  }
}

void copy(const std::uint64_t* from, std::int64_t from_stride, std::int64_t rows, std::int64_t w, bool invert,
          std::uint64_t* to, std::int64_t to_stride) {
  if (w == 0) return;
  const std::uint64_t flip = invert ? ~std::uint64_t{0} : 0, tail = tail_mask(w);
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
const PackRows pack_rows{pack, unpack, copy, count_bits, count_bytes};
}  // namespace RM_LEVEL

}  // namespace rapidmask
