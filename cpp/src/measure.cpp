// Areas and boxes on the CPU, mask by mask over the pool.

#include "rapidmask/measure.hpp"

#include <algorithm>
#include <bit>
#include <vector>

#include "isa/pack_rows.hpp"
#include "parallel.hpp"

namespace rapidmask::cpu {
namespace {

constexpr std::int64_t kGrainBytes = 1 << 20;

// The box from the rows' words: every row is OR-ed into one row of columns.
void box_of_rows(std::int64_t h, std::int64_t words, auto&& row_words, std::int64_t* box) {
  std::vector<std::uint64_t> columns(static_cast<std::size_t>(words));
  std::int64_t y0 = h, y1 = 0;
  for (std::int64_t y = 0; words > 0 && y < h; ++y) {
    const std::uint64_t* row = row_words(y);
    std::uint64_t any = 0;
    for (std::int64_t k = 0; k < words; ++k) {
      any |= row[k];
      columns[static_cast<std::size_t>(k)] |= row[k];
    }
    if (any == 0) continue;
    y0 = std::min(y0, y);
    y1 = y + 1;
  }
  std::fill_n(box, 4, std::int64_t{0});
  if (y1 == 0) return;
  std::int64_t first = 0, last = words - 1;
  while (columns[static_cast<std::size_t>(first)] == 0) ++first;
  while (columns[static_cast<std::size_t>(last)] == 0) --last;
  box[0] = 64 * first + std::countr_zero(columns[static_cast<std::size_t>(first)]);
  box[1] = y0;
  box[2] = 64 * (last + 1) - std::countl_zero(columns[static_cast<std::size_t>(last)]);
  box[3] = y1;
}

}  // namespace

void mask_areas(const Context&, const View<const std::uint8_t>& masks, std::int64_t* areas) {
  const auto count = pack_rows().count_bytes;
  parallel_for_each(masks.n, masks.image_size(), kGrainBytes,
                    [&](std::int64_t i) { areas[i] = count(masks.image(i), masks.image_size()); });
}

void mask_areas(const Context&, const ConstPackedMasks& masks, std::int64_t* areas) {
  const auto count = pack_rows().count_bits;
  const std::int64_t words = masks.h * masks.words();
  parallel_for_each(masks.n, 8 * words, kGrainBytes, [&](std::int64_t i) { areas[i] = count(masks.image(i), words); });
}

void masks_to_boxes(const Context&, const View<const std::uint8_t>& masks, std::int64_t* boxes) {
  const auto pack_row = pack_rows().pack;
  const std::int64_t words = (masks.w + 63) / 64;
  parallel_for_each(masks.n, masks.image_size(), kGrainBytes, [&](std::int64_t i) {
    std::vector<std::uint64_t> packed(static_cast<std::size_t>(words));
    box_of_rows(
        masks.h, words,
        [&](std::int64_t y) {
          pack_row(masks.image(i) + y * masks.w, 1, masks.w, packed.data());
          return packed.data();
        },
        boxes + 4 * i);
  });
}

void masks_to_boxes(const Context&, const ConstPackedMasks& masks, std::int64_t* boxes) {
  const std::int64_t words = masks.words();
  parallel_for_each(masks.n, 8 * masks.h * words, kGrainBytes, [&](std::int64_t i) {
    box_of_rows(masks.h, words, [&](std::int64_t y) { return masks.image(i) + y * words; }, boxes + 4 * i);
  });
}

}  // namespace rapidmask::cpu
