// COCO's strings, compiled once per instruction level (RM_LEVEL): a number is spread over eight bytes at once.

#include "isa/rle_string_rows.hpp"

#include <cstring>

#if defined(__BMI2__)
#include <immintrin.h>
#endif

namespace rapidmask {
namespace {

constexpr std::uint64_t kGroups = 0x1f1f1f1f1f1f1f1full, kMore = 0x2020202020202020ull, kZeros = 0x3030303030303030ull;

// Groups of five bits to the low bits of bytes, and back.
inline std::uint64_t spread(std::uint64_t x) {
#if defined(__BMI2__)
  return _pdep_u64(x, kGroups);
#else
  x = (x & 0xfffffull) | (x & 0xfffff00000ull) << 12;
  x = (x & 0x000003ff000003ffull) | (x & 0x000ffc00000ffc00ull) << 6;
  return (x & 0x001f001f001f001full) | (x & 0x03e003e003e003e0ull) << 3;
#endif
}
inline std::uint64_t gathered(std::uint64_t x) {
#if defined(__BMI2__)
  return _pext_u64(x, kGroups);
#else
  x = (x & 0x001f001f001f001full) | (x & 0x1f001f001f001f00ull) >> 3;
  x = (x & 0x000003ff000003ffull) | (x & 0x03ff000003ff0000ull) >> 6;
  return (x & 0xfffffull) | (x & 0x000fffff00000000ull) >> 12;
#endif
}

// The number of groups that hold each number of bits, sign included.
constexpr unsigned char kGroupsOf[41] = {0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4,
                                         5, 5, 5, 5, 5, 6, 6, 6, 6, 6, 7, 7, 7, 7, 7, 8, 8, 8, 8, 8};

inline char* write_number(std::int64_t x, char* text) {
  const auto magnitude = static_cast<std::uint64_t>(x ^ x >> 63);
  const int bits = 65 - __builtin_clzll(magnitude | 1) - (magnitude == 0);
  const int groups = kGroupsOf[bits];
  const std::uint64_t more = kMore & ((std::uint64_t{1} << (8 * (groups - 1))) - 1);
  const std::uint64_t characters = (spread(static_cast<std::uint64_t>(x)) | more) + kZeros;
  std::memcpy(text, &characters, 8);
  return text + groups;
}

char* write(const std::uint32_t* counts, std::int64_t count, char* text) {
  for (std::int64_t i = 0; i < count && i < 3; ++i) text = write_number(counts[i], text);
  for (std::int64_t i = 3; i < count; ++i) text = write_number(std::int64_t{counts[i]} - counts[i - 2], text);
  return text;
}

bool all_characters(const char* text, std::int64_t size) {
  unsigned char outside = 0;
  for (std::int64_t i = 0; i < size; ++i) outside |= static_cast<unsigned char>(text[i] - 48) & 0xc0;
  return outside == 0;
}

std::int64_t read(const char* text, std::int64_t size, std::uint32_t* counts) {
  if (!all_characters(text, size)) return -1;
  const char* end = text + size;
  std::int64_t n = 0;
  std::uint64_t wrong = 0;  // gathers numbers beyond 32 bits, and texts that end too early
  while (text < end) {
    std::uint64_t characters = 0;
    if (end - text >= 8) {
      std::memcpy(&characters, text, 8);
    } else {
      std::memcpy(&characters, text, static_cast<std::size_t>(end - text));
      characters |= kZeros << (8 * (end - text));  // a number that does not end in the text ends after it
    }
    const std::uint64_t lasts = ~(characters - kZeros) & kMore;  // the characters after which none follows
    if (lasts == 0) return -1;                                   // no number has more than eight groups
    const int groups = (__builtin_ctzll(lasts) >> 3) + 1;
    const int unused = 64 - 5 * groups;
    auto x = static_cast<std::int64_t>(gathered((characters - kZeros) & kGroups) << unused) >> unused;
    if (n > 2) x += counts[n - 2];
    wrong |= static_cast<std::uint64_t>(x) >> 32;
    counts[n++] = static_cast<std::uint32_t>(x);
    text += groups;
  }
  return wrong == 0 && text == end ? n : -1;
}

}  // namespace

namespace RM_LEVEL {
extern const RleStringRows rle_string_rows;
const RleStringRows rle_string_rows{write, read};
}  // namespace RM_LEVEL

}  // namespace rapidmask
