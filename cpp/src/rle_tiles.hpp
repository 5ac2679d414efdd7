// Transitions of packed rows, by way of the tiles that have any.
#pragma once

#include "rle_positions.hpp"

namespace rapidmask {

inline std::unique_ptr<std::uint64_t[]> make_words(std::int64_t count) {
  return std::make_unique_for_overwrite<std::uint64_t[]>(static_cast<std::size_t>(count));
}

// Memory for the tiles of one mask at a time.
class TileScratch {
 public:
  TileScratch(std::int64_t h, std::int64_t w)
      : words_((w + 63) / 64),
        bands_((h + 63) / 64),
        above_(make_words(words_)),
        changed_(make_words(bands_ * words_)),
        tiles_(make_words(64 * bands_)),
        tops_(std::make_unique_for_overwrite<std::uint32_t[]>(static_cast<std::size_t>(bands_))) {}

  std::int64_t words() const { return words_; }
  std::int64_t bands() const { return bands_; }
  std::uint64_t* above() { return above_.get(); }      // the row above the first
  std::uint64_t* changed() { return changed_.get(); }  // by row of tiles
  std::uint64_t* tiles() { return tiles_.get(); }      // of one column of tiles
  std::uint32_t* tops() { return tops_.get(); }

 private:
  std::int64_t words_, bands_;
  std::unique_ptr<std::uint64_t[]> above_, changed_, tiles_;
  std::unique_ptr<std::uint32_t[]> tops_;
};

// Transposes the tiles of each column for which changed() is set, by transpose(column, row of tiles, tile), and finds
// the transitions in them.
template <class Transpose>
void find_in_tiles(std::int64_t h, std::int64_t w, TileScratch& scratch, Positions& positions,
                   const Transpose& transpose) {
  const auto emit = rle_rows().emit_columns;
  const std::int64_t words = scratch.words();
  for (std::int64_t s = 0; s < words; ++s) {
    std::int64_t count = 0;
    for (std::int64_t band = 0; band < scratch.bands(); ++band) {
      if (scratch.changed()[band * words + s] == 0) continue;
      transpose(s, band, scratch.tiles() + 64 * count);
      scratch.tops()[count++] = static_cast<std::uint32_t>(64 * band);
    }
    if (count == 0) continue;
    positions.set_end(emit(scratch.tiles(), scratch.tops(), count, std::min<std::int64_t>(64, w - 64 * s),
                           static_cast<std::uint32_t>(64 * s * h), static_cast<std::uint32_t>(h),
                           positions.reserve(64 * 64 * count)));
  }
}

// The transitions of a mask of packed rows. The pixel before the first of a column is the last of the column before.
inline void find_in_rows(const std::uint64_t* rows, std::int64_t h, std::int64_t w, TileScratch& scratch,
                         Positions& positions) {
  const RleRows& loops = rle_rows();
  const std::int64_t words = scratch.words();
  const std::uint64_t* last = rows + (h - 1) * words;
  std::uint64_t* above = scratch.above();
  for (std::int64_t s = 0; s < words; ++s) above[s] = last[s] << 1 | (s > 0 ? last[s - 1] >> 63 : 0);
  above[words - 1] &= tail_mask(w);
  const auto above_of = [&](std::int64_t band) { return band == 0 ? above : rows + (64 * band - 1) * words; };
  const auto rows_of = [&](std::int64_t band) { return std::min<std::int64_t>(64, h - 64 * band); };
  for (std::int64_t band = 0; band < scratch.bands(); ++band) {
    loops.changes(above_of(band), rows + 64 * band * words, rows_of(band), words, scratch.changed() + band * words);
  }
  find_in_tiles(h, w, scratch, positions, [&](std::int64_t s, std::int64_t band, std::uint64_t* tile) {
    loops.change_tile(above_of(band)[s], rows + 64 * band * words + s, rows_of(band), words, tile);
  });
}

}  // namespace rapidmask
