// Run lengths to masks on the CPU, mask by mask over the pool (isa/rle_decode_rows).

#include <algorithm>
#include <cstring>

#include "isa/rle_decode_rows.hpp"
#include "rle_tiles.hpp"

namespace rapidmask::cpu {
namespace {

class DecodeScratch {
 public:
  explicit DecodeScratch(const Crop& crop)
      : words_((crop.w() + 63) / 64),
        tiles_(words_ * ((crop.h() + 63) / 64) + 1),
        bits_(std::make_unique<std::uint64_t[]>(static_cast<std::size_t>(64 * tiles_))),
        active_(std::make_unique<std::uint8_t[]>(static_cast<std::size_t>(tiles_))),
        parity_(std::make_unique<std::uint8_t[]>(static_cast<std::size_t>(crop.w() + 1))),
        row(make_words(words_)),
        band(make_words(64 * words_)) {}

  std::int64_t words() const { return words_; }
  Transitions transitions() { return {bits_.get(), active_.get(), parity_.get(), words_}; }
  void clear_unread() { active_[static_cast<std::size_t>(tiles_ - 1)] = 0; }

 private:
  std::int64_t words_, tiles_;
  std::unique_ptr<std::uint64_t[]> bits_;
  std::unique_ptr<std::uint8_t[]> active_, parity_;

 public:
  std::unique_ptr<std::uint64_t[]> row, band;  // the row above the band at hand, and that band
};

// Some rows of tiles of a mask. Where none of its tiles has transitions all rows are alike.
struct Band {
  std::int64_t y, count;     // the rows [y, y + count)
  std::int64_t begin, end;   // the words that may have foreground
  const std::uint64_t* row;  // that above the first
  bool uniform;
};

// Calls write(band, make), where make(rows) writes the rows of words of a band that is not uniform.
template <class Write>
void decode_mask(const ConstRunLengths& runs, std::int64_t i, const Crop& crop, DecodeScratch& scratch,
                 const Write& write) {
  const RleDecodeRows& loops = rle_decode_rows();
  const Transitions transitions = scratch.transitions();
  const std::int64_t words = scratch.words();
  loops.toggle(runs.counts + runs.offsets[i], runs.offsets[i + 1] - runs.offsets[i], runs.h, crop, transitions);
  loops.starts(transitions.parity, crop.w(), scratch.row.get());
  scratch.clear_unread();
  std::uint8_t* active = transitions.active;
  std::uint64_t* tiles = transitions.tiles;
  for (std::int64_t y = 0; y < crop.h(); y += 64, active += words, tiles += 64 * words) {
    Band band{y, std::min<std::int64_t>(64, crop.h() - y), words, 0, scratch.row.get(), true};
    for (std::int64_t s = 0; s < words; ++s) {
      if (active[s] == 0 && scratch.row[static_cast<std::size_t>(s)] == 0) continue;
      band.begin = std::min(band.begin, s);
      band.end = s + 1;
      band.uniform = band.uniform && active[s] == 0;
    }
    write(band, [&](std::uint64_t* rows) {
      std::memset(rows, 0, static_cast<std::size_t>(8 * band.count * words));
      for (std::int64_t s = band.begin; s < band.end; ++s) {
        if (active[s] != 0) loops.tile_rows(tiles + 64 * s, band.count, words, rows + s);
      }
      std::memset(active, 0, static_cast<std::size_t>(words));
      loops.accumulate(scratch.row.get(), rows, band.count, words);
    });
  }
}

template <class DecodeMask>
void decode_all(const ConstRunLengths& runs, const Crop& crop, const DecodeMask& decode) {
  if (crop.h() == 0 || crop.w() == 0) return;
  for_each_mask<DecodeScratch>(
      runs.n, crop.h() * crop.w(), [&] { return std::make_unique<DecodeScratch>(crop); }, decode);
}

}  // namespace

void rle_decode(const Context&, const ConstRunLengths& runs, const Crop& crop, std::uint8_t* masks, bool is_zero) {
  const auto unpack = rle_decode_rows().unpack;
  const std::int64_t w = crop.w();
  decode_all(runs, crop, [&](DecodeScratch& scratch, std::int64_t i) {
    decode_mask(runs, i, crop, scratch, [&](const Band& band, const auto& make) {
      std::uint8_t* bytes = masks + (i * crop.h() + band.y) * w;
      if (band.begin >= band.end) {
        if (!is_zero) std::memset(bytes, 0, static_cast<std::size_t>(band.count * w));
        return;
      }
      const std::int64_t begin = is_zero ? 64 * band.begin : 0, end = is_zero ? std::min(w, 64 * band.end) : w;
      if (band.uniform) {
        unpack(band.row, band.count, 0, begin, end, w, false, bytes);
      } else {
        make(scratch.band.get());
        unpack(scratch.band.get(), band.count, scratch.words(), begin, end, w, false, bytes);
      }
    });
  });
}

void rle_decode(const Context&, const ConstRunLengths& runs, const Crop& crop, const PackedMasks& masks) {
  const std::int64_t words = masks.words();
  decode_all(runs, crop, [&](DecodeScratch& scratch, std::int64_t i) {
    decode_mask(runs, i, crop, scratch, [&](const Band& band, const auto& make) {
      std::uint64_t* rows = masks.image(i) + band.y * words;
      if (!band.uniform) return make(rows);
      if (band.begin >= band.end) {
        std::memset(rows, 0, static_cast<std::size_t>(8 * band.count * words));
        return;
      }
      for (std::int64_t y = 0; y < band.count; ++y) {
        std::memcpy(rows + y * words, band.row, static_cast<std::size_t>(8 * words));
      }
    });
  });
}

}  // namespace rapidmask::cpu
