// Transitions to rows of pixels, compiled once per instruction level (RM_LEVEL).

#include "isa/rle_decode_rows.hpp"

#include "isa/bit_tiles.hpp"
#include "isa/bits.hpp"

namespace rapidmask {
namespace {

// Quotients by one divisor of up to 32 bits, exact for dividends of up to 32 bits: what is lost by rounding the
// reciprocal up is less than a unit of the fraction.
class Divisor {
 public:
  explicit Divisor(std::uint64_t divisor) : reciprocal_(~std::uint64_t{0} / divisor + 1), is_one_(divisor == 1) {}
  std::uint64_t quotient(std::uint64_t x) const {
    const auto product = static_cast<unsigned __int128>(x) * reciprocal_;
    return is_one_ ? x : static_cast<std::uint64_t>(product >> 64);
  }

 private:
  std::uint64_t reciprocal_;
  bool is_one_;
};

template <bool kCropped>
inline void toggle_all(const std::uint32_t* counts, std::int64_t count, std::int64_t h, const Crop& crop,
                       const Transitions& transitions) {
  const Divisor divisor(static_cast<std::uint64_t>(h));
  const std::int64_t never_read = transitions.words * ((crop.h() + 63) / 64);
  std::uint64_t position = 0;
  for (std::int64_t i = 0; i + 1 < count; ++i) {
    position += counts[i];
    auto x = static_cast<std::int64_t>(divisor.quotient(position));
    auto y = static_cast<std::int64_t>(position) - x * h;
    if (x >= crop.x1) return;  // at the end of the mask, too, where its last runs are empty
    bool is_inside = true;
    if constexpr (kCropped) {
      transitions.parity[x < crop.x0 ? 0 : x + 1 - crop.x0] ^= 1;
      is_inside = x >= crop.x0 && y < crop.y1;
      x -= crop.x0;
      y = y < crop.y0 ? 0 : y - crop.y0;  // the first row shows what changed above it
    } else {
      transitions.parity[x + 1] ^= 1;
    }
    const std::int64_t tile = is_inside ? (y >> 6) * transitions.words + (x >> 6) : never_read;
    transitions.active[tile] = 1;
    transitions.tiles[64 * tile + (x & 63)] ^= std::uint64_t{1} << (y & 63);
  }
}

void toggle(const std::uint32_t* counts, std::int64_t count, std::int64_t h, const Crop& crop,
            const Transitions& transitions) {
  const bool is_whole = crop.x0 == 0 && crop.y0 == 0 && crop.y1 == h;
  if (is_whole) {
    toggle_all<false>(counts, count, h, crop, transitions);
  } else {
    toggle_all<true>(counts, count, h, crop, transitions);
  }
}

void starts(std::uint8_t* parity, std::int64_t w, std::uint64_t* row) {
  std::uint64_t state = 0;  // all ones where the columns at hand begin with foreground
  for (std::int64_t x = 0; x < w; x += 64) {
    std::uint64_t bits = w - x >= 64 ? pack64(parity + x) : pack_tail(parity + x, w - x);
    for (int shift = 1; shift < 64; shift *= 2) bits ^= bits << shift;
    bits ^= state;
    state = std::uint64_t{0} - (bits >> 63);
    row[x / 64] = w - x >= 64 ? bits : bits & ((std::uint64_t{1} << (w - x)) - 1);
  }
  __builtin_memset(parity, 0, static_cast<std::size_t>(w + 1));
}

void tile_rows(std::uint64_t* tile, std::int64_t count, std::int64_t words, std::uint64_t* rows) {
  transpose_tile(tile);
  for (std::int64_t y = 0; y < count; ++y) rows[y * words] = tile[y];
  __builtin_memset(tile, 0, 8 * kTileSide);
}

template <int kCount>
inline void accumulate_words(std::uint64_t* row, std::uint64_t* rows, std::int64_t count, std::int64_t words) {
  typename WordsOf<kCount>::Vector state, changes;
  __builtin_memcpy(&state, row, sizeof state);
  for (std::int64_t y = 0; y < count; ++y) {
    __builtin_memcpy(&changes, rows + y * words, sizeof changes);
    state ^= changes;
    __builtin_memcpy(rows + y * words, &state, sizeof state);
  }
  __builtin_memcpy(row, &state, sizeof state);
}

void accumulate(std::uint64_t* row, std::uint64_t* rows, std::int64_t count, std::int64_t words) {
  std::int64_t s = 0;
  for (; s + 8 <= words; s += 8) accumulate_words<8>(row + s, rows + s, count, words);
  for (; s + 2 <= words; s += 2) accumulate_words<2>(row + s, rows + s, count, words);
  if (s < words) accumulate_words<1>(row + s, rows + s, count, words);
}

void unpack(const std::uint64_t* rows, std::int64_t count, std::int64_t words, std::int64_t begin, std::int64_t end,
            std::int64_t w, bool streamed, std::uint8_t* bytes) {
  static_cast<void>(streamed);
  for (std::int64_t y = 0; y < count; ++y, rows += words, bytes += w) {
    std::int64_t x = begin;
    for (; x + 64 <= end; x += 64) unpack64(rows[x / 64], bytes + x);
    if (x == end) continue;
    const std::uint64_t word = rows[x / 64];
#if defined(__AVX512BW__)
    const std::uint64_t valid = (std::uint64_t{1} << (end - x)) - 1;
    _mm512_mask_storeu_epi8(bytes + x, valid, _mm512_maskz_set1_epi8(word, 1));
#else
    for (std::int64_t i = 0; x + i < end; ++i) bytes[x + i] = word >> i & 1u;
#endif
  }
}

}  // namespace

namespace RM_LEVEL {
extern const RleDecodeRows rle_decode_rows;
const RleDecodeRows rle_decode_rows{toggle, starts, tile_rows, accumulate, unpack};
}  // namespace RM_LEVEL

}  // namespace rapidmask
