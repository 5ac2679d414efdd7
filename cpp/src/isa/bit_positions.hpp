// The numbers of the bits that are set in words, as positions.
//
// A mispredicted branch costs as much as ten positions, so that their number in a word decides as few branches as can
// be: positions are written whether there are as many or not, and the end moves by how many there are.
//
// Only for sources that are compiled once per level: everything is in an anonymous namespace.
#pragma once

#include <cstdint>
#include <cstring>

#include "isa/words.hpp"

namespace rapidmask {
namespace {

// May write 4 positions more than there are, or 16 at x86_v4.
[[maybe_unused]] inline std::uint32_t* emit_word(std::uint64_t word, std::uint32_t base, std::uint32_t* positions) {
  const int count = __builtin_popcountll(word);
#if defined(__AVX512F__)
  if (count > 8) {
    __m512i places = _mm512_add_epi32(_mm512_set1_epi32(static_cast<int>(base)),
                                      _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
    for (int i = 0; i < 4; ++i) {
      const auto bits = static_cast<std::uint16_t>(word >> (16 * i));
      _mm512_storeu_si512(positions, _mm512_maskz_compress_epi32(bits, places));
      positions += __builtin_popcount(bits);
      places = _mm512_add_epi32(places, _mm512_set1_epi32(16));
    }
    return positions;
  }
#endif
  // Two by two, as one number of 64 bits: what is past the last may be any number, also where a sum carries into it.
  const auto lowest = [](std::uint64_t bits) {
    return static_cast<std::uint64_t>(__builtin_ctzll(bits | std::uint64_t{1} << 63));
  };
  for (int i = 0; i < 4; i += 2) {
    const std::uint64_t without_first = word & (word - 1);
    const std::uint64_t pair = (lowest(word) | lowest(without_first) << 32) + base * std::uint64_t{0x1'0000'0001};
    std::memcpy(positions + i, &pair, sizeof pair);
    word = without_first & (without_first - 1);
  }
  for (int i = 4; i < count; ++i) {
    positions[i] = base + static_cast<std::uint32_t>(__builtin_ctzll(word));
    word &= word - 1;
  }
  return positions + count;
}

#if defined(__AVX512F__) && defined(__AVX512CD__) && defined(__BMI2__)
// Of eight words at once, word after word; most words that have any transition have one or two.
[[maybe_unused]] inline std::uint32_t* emit_eight(WordsOf<8>::Vector words, WordsOf<8>::Vector bases,
                                                  std::uint32_t* positions) {
  using Vector = WordsOf<8>::Vector;
  const auto non_zero_lanes = [](Vector v) { return static_cast<unsigned>(non_zero({v})); };
  const auto leading_zeros = [](Vector v) {
    return reinterpret_cast<Vector>(_mm512_maskz_lzcnt_epi64(0xff, reinterpret_cast<__m512i>(v)));
  };
  const Vector without_first = words & (words - 1);
  if (non_zero_lanes(without_first & (without_first - 1)) != 0) {
    for (int i = 0; i < 8; ++i) positions = emit_word(words[i], static_cast<std::uint32_t>(bases[i]), positions);
    return positions;
  }
  const Vector first = bases + 63 - leading_zeros(words ^ without_first);
  const Vector second = bases + 63 - leading_zeros(without_first);
  const unsigned both = _pdep_u32(non_zero_lanes(words), 0x5555) | _pdep_u32(non_zero_lanes(without_first), 0xaaaa);
  const auto places = reinterpret_cast<__m512i>((first & 0xffffffffu) | second << 32);
  _mm512_storeu_si512(positions, _mm512_maskz_compress_epi32(static_cast<__mmask16>(both), places));
  return positions + __builtin_popcount(both);
}

// Words with their bases, of which those without any bit are dropped: of most vectors one or two words are left.
template <int kWords>
class BusyWords {
 public:
  void add(WordsOf<8>::Vector words, WordsOf<8>::Vector bases) {
    const auto busy = static_cast<__mmask8>(non_zero({words}));
    _mm512_storeu_si512(words_ + count_, _mm512_maskz_compress_epi64(busy, reinterpret_cast<__m512i>(words)));
    _mm512_storeu_si512(bases_ + count_, _mm512_maskz_compress_epi64(busy, reinterpret_cast<__m512i>(bases)));
    count_ += __builtin_popcount(busy);
  }
  std::uint32_t* emit(std::uint32_t* positions) {
    _mm512_storeu_si512(words_ + count_, _mm512_setzero_si512());
    for (int i = 0; i < count_; i += 8) {
      positions = emit_eight(load_words<8>(words_ + i).v, load_words<8>(bases_ + i).v, positions);
    }
    count_ = 0;
    return positions;
  }

 private:
  std::uint64_t words_[kWords + 8], bases_[kWords + 8];
  int count_ = 0;
};
#else
// Words with their bases, of which those without any bit are dropped.
template <int kWords>
class BusyWords {
 public:
  void add(std::uint64_t word, std::uint32_t base) {
    words_[count_] = word;
    bases_[count_] = base;
    count_ += word != 0;
  }
  std::uint32_t* emit(std::uint32_t* positions) {
    for (int i = 0; i < count_; ++i) positions = emit_word(words_[i], bases_[i], positions);
    count_ = 0;
    return positions;
  }

 private:
  std::uint64_t words_[kWords + 1];
  std::uint32_t bases_[kWords + 1];
  int count_ = 0;
};
#endif

}  // namespace
}  // namespace rapidmask
