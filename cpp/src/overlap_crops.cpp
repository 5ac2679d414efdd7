// Cutting masks to their bounding boxes.

#include "overlap_crops.hpp"

namespace rapidmask::cpu {
namespace {

constexpr std::int64_t kGrainBytes = 1 << 20;

bool is_empty(const std::uint64_t* row, std::int64_t words) {
  return std::all_of(row, row + words, [](std::uint64_t word) { return word == 0; });
}

// The crop of h rows of `words` words that lie one after the other. Rows are looked at 64 at a time, and one at a time
// where the mask begins and ends.
Crop crop_of(const std::uint64_t* rows, std::int64_t h, std::int64_t words) {
  Crop crop{rows, words, words, h, 0, 0, 0};
  for (std::int64_t y = 0; y < h; y += kBlockRows) {
    const std::int64_t count = std::min(kBlockRows, h - y);
    for (std::int64_t k = 0; k < words; k += kMaxBlockColumns) {
      const std::uint64_t busy =
          overlap_rows().busy_columns(rows + y * words + k, words, count, std::min(kMaxBlockColumns, words - k));
      if (busy == 0) continue;
      crop.y0 = std::min(crop.y0, y);
      crop.y1 = y + count;
      crop.k0 = std::min<std::int64_t>(crop.k0, k + std::countr_zero(busy));
      crop.k1 = std::max<std::int64_t>(crop.k1, k + 64 - std::countl_zero(busy));
    }
  }
  if (crop.y1 == 0) return {};
  while (is_empty(rows + crop.y0 * words, words)) ++crop.y0;
  while (is_empty(rows + (crop.y1 - 1) * words, words)) --crop.y1;
  crop.words = rows + crop.y0 * words + crop.k0;
  crop.area = overlap_rows().count_shared(crop.words, words, crop.words, words, crop.y1 - crop.y0, crop.k1 - crop.k0);
  return crop;
}

// Copies what a crop refers to, and makes it refer to the copy.
std::vector<std::uint64_t> own(Crop& crop) {
  const std::int64_t words = crop.k1 - crop.k0;
  std::vector<std::uint64_t> copy(static_cast<std::size_t>(words * (crop.y1 - crop.y0)));
  for (std::int64_t y = crop.y0; y < crop.y1; ++y) {
    std::copy_n(crop.at(y, crop.k0), words, copy.begin() + (y - crop.y0) * words);
  }
  crop.words = copy.data();
  crop.stride = words;
  return copy;
}

}  // namespace

Crops::Crops(const Masks& masks)
    : crops_(static_cast<std::size_t>(masks.n)), packed_(static_cast<std::size_t>(masks.packed ? 0 : masks.n)) {
  const std::int64_t words = masks.words();
  const std::int64_t grain = std::max<std::int64_t>(1, kGrainBytes / std::max<std::int64_t>(1, masks.mask_bytes()));
  parallel_for(masks.n, grain, [&](std::int64_t begin, std::int64_t end) {
    std::vector<std::uint64_t> whole(static_cast<std::size_t>(masks.packed ? 0 : masks.h * words));
    for (std::int64_t i = begin; i < end; ++i) {
      Crop& crop = crops_[static_cast<std::size_t>(i)];
      if (masks.packed) {
        crop = crop_of(masks.bits().image(i), masks.h, words);
      } else {
        pack_rows().pack(masks.mask(i), masks.h, masks.w, whole.data());
        crop = crop_of(whole.data(), masks.h, words);
        packed_[static_cast<std::size_t>(i)] = own(crop);
      }
    }
  });
}

}  // namespace rapidmask::cpu
