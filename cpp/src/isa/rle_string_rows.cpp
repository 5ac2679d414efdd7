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

  // Reads the next number, of which no fewer than eight characters may be read.
  void read_one() {
    std::uint64_t characters;
    std::memcpy(&characters, first_, 8);
    const std::uint64_t lasts = ~(characters - kZeros) & kMore;
    if (lasts == 0) {
      wrong_ = 1;
      first_ += 8;
      return;
    }
    const char* block = first_;
    read(block, std::uint64_t{1} << (__builtin_ctzll(lasts) >> 3));
  }

#if defined(__AVX512BW__) && defined(__AVX512DQ__)
  // Reads while so many characters are left: sixteen at a time, of which almost all are numbers of one or two.
  static constexpr std::int64_t kVectorCharacters = 17;
  void read_vectors(const char* end) {
    while (end - first_ >= kVectorCharacters) {
      if (n_ < 3 || (before_ | last_) >> 31 != 0 || !read_vector()) read_one();
    }
  }
#endif

  const char* first() const { return first_; }  // of the number that has not ended yet
  void move_to(const char* first) { first_ = first; }
  bool is_wrong() const { return wrong_ != 0; }
  std::int64_t count() const { return n_; }

 private:
#if defined(__AVX512BW__) && defined(__AVX512DQ__)
  // The numbers before the first that has more than two groups. False, with nothing read, where they are fewer than
  // two, or not all below 2^31.
  bool read_vector() {
    const __m128i zeros = _mm_set1_epi8(48), groups = _mm_set1_epi8(31), more = _mm_set1_epi8(32);
    const __m128i here = _mm_sub_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(first_)), zeros);
    const __m128i next = _mm_sub_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(first_ + 1)), zeros);
    const unsigned goes_on = _mm_test_epi8_mask(here, more);  // characters after which one follows
    const unsigned longer = goes_on & _mm_test_epi8_mask(next, more);
    unsigned starts = ~(goes_on << 1) & 0xffffu;
    std::int64_t characters = 16 + (goes_on >> 15);
    if (longer != 0) {
      characters = __builtin_ctz(longer);
      starts &= (1u << characters) - 1;
    }
    const int count = __builtin_popcount(starts);
    if (count < 2) return false;
    constexpr __mmask16 kAll = 0xffff;  // with it, GCC 12 sees no value that is not set
    const auto two = static_cast<__mmask16>(goes_on);
    const __m512i low = _mm512_maskz_cvtepu8_epi32(kAll, _mm_and_si128(here, groups));
    const __m512i high =
        _mm512_maskz_slli_epi32(kAll, _mm512_maskz_cvtepu8_epi32(kAll, _mm_and_si128(next, groups)), 5);
    const __m512i unused = _mm512_mask_blend_epi32(two, _mm512_set1_epi32(27), _mm512_set1_epi32(22));
    __m512i x = _mm512_mask_or_epi32(low, two, low, high);
    x = _mm512_maskz_srav_epi32(kAll, _mm512_maskz_sllv_epi32(kAll, x, unused), unused);
    x = _mm512_maskz_compress_epi32(static_cast<__mmask16>(starts), x);
    // Each number is added to the one two before it.
    const __m512i none = _mm512_setzero_si512();
    x = _mm512_add_epi32(x, _mm512_maskz_alignr_epi32(kAll, x, none, 14));
    x = _mm512_add_epi32(x, _mm512_maskz_alignr_epi32(kAll, x, none, 12));
    x = _mm512_add_epi32(x, _mm512_maskz_alignr_epi32(kAll, x, none, 8));
    x = _mm512_add_epi32(x, _mm512_set1_epi64(before_ | last_ << 32));
    // Sixteen numbers of ten bits change no number from below 2^31 to one that would look so again.
    if ((_mm512_movepi32_mask(x) & ((1u << count) - 1)) != 0) return false;
    _mm512_storeu_si512(counts_ + n_, x);
    n_ += count;
    before_ = counts_[n_ - 2];
    last_ = counts_[n_ - 1];
    first_ += characters;
    return true;
  }
#endif

  const char* first_;
  std::uint32_t* counts_;
  std::int64_t n_ = 0, before_ = 0, last_ = 0;
  std::uint64_t wrong_ = 0;  // gathers numbers beyond 32 bits or eight groups
};

std::int64_t read(const char* text, std::int64_t size, std::uint32_t* counts) {
  if (size == 0) return 0;
  if (!all_characters(text, size)) return -1;
  constexpr std::int64_t kBlock = 64, kGroupsRead = 8;
  NumberReader reader(text, counts);
  const char* block = text;
  const char* end = text + size;
#if defined(__AVX512BW__) && defined(__AVX512DQ__)
  reader.read_vectors(end);
  block = reader.first();
#endif
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
