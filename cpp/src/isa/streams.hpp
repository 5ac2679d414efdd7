// Bytes that go to memory past the caches, which they would only empty.
//
// Only for sources that are compiled once per level: everything is in an anonymous namespace.
#pragma once

#include "isa/bits.hpp"

namespace rapidmask {
namespace {

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
#else
  plainly(0, count);
#endif
}

// Lets other threads see what went past the caches.
inline void end_streams() {
#if defined(__AVX2__)
  _mm_sfence();
#endif
}

}  // namespace
}  // namespace rapidmask
