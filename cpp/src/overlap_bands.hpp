// Masks as bands of blocks, whatever their form.
//
// A band is what 64 rows of pixels are of every mask; a block is 64×64 pixels of it, one word of each row. Run lengths
// go along columns, so that theirs is the band of 64 columns, of which each is a row of bits: what is counted does not
// depend on which way the pixels lie, as long as both sides lie the same way.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "isa/overlap_rows.hpp"
#include "rapidmask/rle.hpp"
#include "rapidmask/types.hpp"

namespace rapidmask::cpu {

// Rows of words, `stride` words apart; null where all are zero.
struct BandRows {
  const std::uint64_t* words;
  std::int64_t stride;
};

// A band of `rows` rows and the words [first, first + columns) of them.
struct Band {
  std::int64_t index, rows, first, columns;
};

// Space for a band of one mask, zero whenever a band is read.
using BandSpace = std::uint64_t[kBlockRows * kMaxBlockColumns];

// Dense and packed masks.
class PixelBands {
 public:
  explicit PixelBands(const Masks& masks) : masks_(masks) {}
  std::int64_t masks() const { return masks_.n; }
  std::int64_t height() const { return masks_.h; }  // across the bands
  std::int64_t width() const { return masks_.w; }   // along their rows

  BandRows read(std::int64_t i, const Band& band, BandSpace& space) {
    const std::int64_t y0 = kBlockRows * band.index;
    if (masks_.packed) return {masks_.bits().image(i) + y0 * masks_.words() + band.first, masks_.words()};
    const std::int64_t x0 = 64 * band.first, w = std::min(64 * band.columns, masks_.w - x0);
    const std::uint8_t* pixels = masks_.mask(i) + y0 * masks_.w + x0;
    if (!overlap_rows().pack(pixels, masks_.w, band.rows, w, space)) return {nullptr, 0};
    return {space, band.columns};
  }

 private:
  Masks masks_;
};

// Run-length encoded masks, on their side. Quickest where the bands of a mask are read in order.
class RunBands {
 public:
  explicit RunBands(const ConstRunLengths& runs) : runs_(runs), places_(static_cast<std::size_t>(runs.n)) {
    for (std::int64_t i = 0; i < runs.n; ++i) places_[static_cast<std::size_t>(i)] = {runs.offsets[i], 0};
  }
  std::int64_t masks() const { return runs_.n; }
  std::int64_t height() const { return runs_.w; }
  std::int64_t width() const { return runs_.h; }

  BandRows read(std::int64_t i, const Band& band, BandSpace& space) {
    const std::int64_t begin = kBlockRows * band.index * runs_.h, end = begin + band.rows * runs_.h;
    Place place = places_[static_cast<std::size_t>(i)];
    if (place.start > begin) place = {runs_.offsets[i], 0};
    while (place.start + runs_.counts[place.run] <= begin) place.start += runs_.counts[place.run++];
    places_[static_cast<std::size_t>(i)] = place;
    const bool foreground = (place.run - runs_.offsets[i]) % 2 == 1;
    if (!foreground && place.start + runs_.counts[place.run] >= end) return {nullptr, 0};
    for (bool inside = foreground; place.start < end; inside = !inside) {
      const std::int64_t stop = place.start + runs_.counts[place.run++];
      if (inside) set_run(std::max(place.start, begin) - begin, std::min(stop, end) - begin, band, space);
      place.start = stop;
    }
    return {space, band.columns};
  }

 private:
  // The run that holds, or comes before, the first pixel of the band read last.
  struct Place {
    std::int64_t run, start;
  };

  // Sets the pixels [begin, end) of the band, counted along its rows, that lie in its words.
  void set_run(std::int64_t begin, std::int64_t end, const Band& band, std::uint64_t* words) const {
    const std::int64_t first = 64 * band.first, last = first + 64 * band.columns;
    for (std::int64_t row = begin / runs_.h; row * runs_.h < end; ++row) {
      const std::int64_t x0 = std::max(begin - row * runs_.h, first) - first;
      const std::int64_t x1 = std::min({end - row * runs_.h, runs_.h, last}) - first;
      if (x0 >= x1) continue;
      std::uint64_t* row_words = words + row * band.columns;
      const std::uint64_t low = ~std::uint64_t{0} << x0 % 64, high = ~std::uint64_t{0} >> (63 - (x1 - 1) % 64);
      const std::int64_t k0 = x0 / 64, k1 = (x1 - 1) / 64;
      if (k0 == k1) {
        row_words[k0] |= low & high;
        continue;
      }
      row_words[k0] |= low;
      for (std::int64_t k = k0 + 1; k < k1; ++k) row_words[k] = ~std::uint64_t{0};
      row_words[k1] |= high;
    }
  }

  ConstRunLengths runs_;
  std::vector<Place> places_;
};

}  // namespace rapidmask::cpu
