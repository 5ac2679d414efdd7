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

// Bit i tells whether no character follows character i in its number.
inline std::uint64_t last_characters(const char* text) {
  std::uint64_t lasts = 0;
  for (int i = 0; i < 8; ++i) {
    std::uint64_t characters;
    std::memcpy(&characters, text + 8 * i, 8);
    const std::uint64_t more = (characters - kZeros) & kMore;
    // The multiplication gathers the bits of the bytes in the highest one.
    lasts |= (~((more >> 5) * 0x0102040810204080ull >> 56) & 0xff) << (8 * i);
  }
  return lasts;
}

// Reads numbers one after the other. Where each begins is known from the bits of a block of characters, so that no
// number waits for the one before.
class NumberReader {
 public:
  NumberReader(const char* text, std::uint32_t* counts) : first_(text), counts_(counts) {}

  // Reads the numbers that end within a block, at characters of which `lasts` has bits.
  void read(const char* block, std::uint64_t lasts) {
    for (; lasts != 0; lasts &= lasts - 1) {
      const char* next = block + __builtin_ctzll(lasts) + 1;
      const std::int64_t groups = next - first_;
      std::uint64_t characters;
      std::memcpy(&characters, first_, 8);
      const int unused = static_cast<int>(64 - 5 * groups) & 63;
      auto x = static_cast<std::int64_t>(gathered((characters - kZeros) & kGroups) << unused) >> unused;
      if (n_ > 2) x += before_;
      wrong_ |= static_cast<std::uint64_t>(x) >> 32 | static_cast<std::uint64_t>(groups > 8);
      before_ = last_;
      last_ = x;
      counts_[n_++] = static_cast<std::uint32_t>(x);
      first_ = next;
    }
  }

  const char* first() const { return first_; }  // of the number that has not ended yet
  void move_to(const char* first) { first_ = first; }
  bool is_wrong() const { return wrong_ != 0; }
  std::int64_t count() const { return n_; }

 private:
  const char* first_;
  std::uint32_t* counts_;
  std::int64_t n_ = 0, before_ = 0, last_ = 0;
  std::uint64_t wrong_ = 0;  // gathers numbers beyond 32 bits or eight groups
};

std::int64_t read(const char* text, std::int64_t size, std::uint32_t* counts) {
  if (!all_characters(text, size)) return -1;
  constexpr std::int64_t kBlock = 64, kGroupsRead = 8;
  NumberReader reader(text, counts);
  const char* block = text;
  const char* end = text + size;
  for (; end - block >= kBlock + kGroupsRead; block += kBlock) reader.read(block, last_characters(block));
  // The rest goes where characters that end no number may be read after it.
  if (block - reader.first() > kGroupsRead) return -1;
  char rest[3 * kBlock];
  std::memset(rest, 'P', sizeof rest);
  std::memcpy(rest, reader.first(), static_cast<std::size_t>(end - reader.first()));
  block = rest + (block - reader.first());
  end = rest + (end - reader.first());
  reader.move_to(rest);
  for (; block < end; block += kBlock) reader.read(block, last_characters(block));
  return !reader.is_wrong() && reader.first() == end ? reader.count() : -1;
}

}  // namespace

namespace RM_LEVEL {
extern const RleStringRows rle_string_rows;
const RleStringRows rle_string_rows{write, read};
}  // namespace RM_LEVEL

}  // namespace rapidmask
