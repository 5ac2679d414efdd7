// Masks to run lengths on the CPU, mask by mask over the pool.
//
// Where the rows of a mask lie in order, its bits tell where rows differ, 64 rows and columns at a time (isa/rle_rows);
// where its columns do, bytes are packed and compared as they come.

#include <algorithm>

#include "isa/pack_rows.hpp"
#include "rle_tiles.hpp"

namespace rapidmask::cpu {
namespace {

struct EncodeScratch : RunCollector {
  // For masks of h × w pixels; of bytes that have to be packed.
  EncodeScratch(std::int64_t h, std::int64_t w, bool pack)
      : tiles(h, w), packed(pack ? make_words(h * tiles.words()) : nullptr) {}

  TileScratch tiles;
  std::unique_ptr<std::uint64_t[]> packed;  // a mask whose bytes come row by row
};

// None for masks without pixels, which may be very wide, and hardly any where nothing is transposed.
template <class Scratch>
std::unique_ptr<Scratch> scratch_for(const StridedMasks& masks) {
  const bool by_rows = !masks.by_columns && masks.h > 0 && masks.w > 0;
  return std::make_unique<Scratch>(by_rows ? masks.h : 0, by_rows ? masks.w : 0, by_rows);
}

// The transitions of a mask whose columns are contiguous: of all columns as one where they follow each other.
void find_in_columns(const std::uint8_t* mask, std::int64_t h, std::int64_t w, std::int64_t stride,
                     Positions& positions) {
  const auto emit = rle_rows().emit_bytes;
  const bool together = stride == h || w == 1;
  const std::int64_t length = together ? h * w : h, columns = together ? 1 : w;
  bool last = false;
  for (std::int64_t x = 0; x < columns; ++x) {
    for (std::int64_t y = 0; y < length; y += kEmitBytes) {
      positions.set_end(emit(mask + x * stride + y, std::min(kEmitBytes, length - y),
                             static_cast<std::uint32_t>(x * h + y), last, positions.reserve(kEmitBytes)));
    }
  }
}

void find_in_mask(const StridedMasks& masks, std::int64_t i, EncodeScratch& scratch, Positions& positions) {
  const std::uint8_t* mask = masks.masks[static_cast<std::size_t>(i)];
  if (masks.by_columns) return find_in_columns(mask, masks.h, masks.w, masks.stride, positions);
  const auto pack = pack_rows().pack;
  const std::int64_t words = scratch.tiles.words();
  if (masks.stride == masks.w) {
    pack(mask, masks.h, masks.w, scratch.packed.get());
  } else {
    for (std::int64_t y = 0; y < masks.h; ++y) {
      pack(mask + y * masks.stride, 1, masks.w, scratch.packed.get() + y * words);
    }
  }
  find_in_rows(scratch.packed.get(), masks.h, masks.w, scratch.tiles, positions);
}

}  // namespace

FoundRuns rle_encode(const Context&, const StridedMasks& masks) {
  const auto n = static_cast<std::int64_t>(masks.masks.size());
  const std::int64_t pixels = masks.h * masks.w;
  return joined(n, for_each_mask<EncodeScratch>(
                       n, pixels, [&] { return scratch_for<EncodeScratch>(masks); },
                       [&](EncodeScratch& scratch, std::int64_t i) {
                         scratch.add(i, pixels, [&](Positions& p) { find_in_mask(masks, i, scratch, p); });
                       }));
}

FoundRuns rle_encode(const Context&, const ConstPackedMasks& masks) {
  const std::int64_t pixels = masks.h * masks.w;
  return joined(
      masks.n,
      for_each_mask<EncodeScratch>(
          masks.n, pixels,
          [&] { return std::make_unique<EncodeScratch>(pixels > 0 ? masks.h : 0, pixels > 0 ? masks.w : 0, false); },
          [&](EncodeScratch& scratch, std::int64_t i) {
            scratch.add(i, pixels, [&](Positions& positions) {
              find_in_rows(masks.image(i), masks.h, masks.w, scratch.tiles, positions);
            });
          }));
}

std::vector<std::string> rle_encode_strings(const Context&, const StridedMasks& masks) {
  struct Scratch : EncodeScratch {
    using EncodeScratch::EncodeScratch;
    std::vector<std::uint32_t> counts;
    std::vector<char> text;
  };
  const std::int64_t pixels = masks.h * masks.w;
  std::vector<std::string> strings(masks.masks.size());
  for_each_mask<Scratch>(
      static_cast<std::int64_t>(strings.size()), pixels, [&] { return scratch_for<Scratch>(masks); },
      [&](Scratch& scratch, std::int64_t i) {
        scratch.positions.clear();
        scratch.masks.clear();
        scratch.add(i, pixels, [&](Positions& positions) { find_in_mask(masks, i, scratch, positions); });
        const std::int64_t count = scratch.positions.size();
        scratch.counts.resize(std::max(scratch.counts.size(), static_cast<std::size_t>(count)));
        scratch.text.resize(
            std::max(scratch.text.size(), static_cast<std::size_t>(kRunCharacters * count + kRunSlack)));
        rle_rows().lengths(scratch.positions.data(), count, scratch.counts.data());
        const std::int64_t length = rle_to_string(scratch.counts.data(), count, scratch.text.data());
        strings[static_cast<std::size_t>(i)].assign(scratch.text.data(), static_cast<std::size_t>(length));
      });
  return strings;
}

}  // namespace rapidmask::cpu
