#include "component_planes.hpp"

#include <cstring>

#include "isa/pack_rows.hpp"

namespace rapidmask::cpu {

void PaddedBits::resize(const Extent& extent, int band_rows) {
  const int band_shift = band_rows - 1;
  if (extent == extent_ && band_shift == band_shift_) return;
  extent_ = extent;
  band_shift_ = band_shift;
  slice_bands_ = (extent.h + band_shift) >> band_shift;
  stride_ = extent.words() + 1;
  const std::int64_t count = band_rows * plane_words();
  try {
    std::memset(words_.reserve(count), 0, static_cast<std::size_t>(count) * sizeof(std::uint64_t));
  } catch (...) {
    extent_ = {};
    throw;
  }
}

void PaddedBits::load(const Masks& masks, std::int64_t i, bool background, bool parallel) {
  resize({masks.d, masks.h, masks.w});
  const std::uint8_t* mask = masks.mask(i);
  if (masks.packed) {
    const auto* words = reinterpret_cast<const std::uint64_t*>(mask);
    const std::int64_t row_words = masks.words();
    for_each_stripe(parallel, [&](std::int64_t row, std::int64_t rows, std::uint64_t* bits) {
      pack_rows().copy(words + row * row_words, band_rows() * row_words, rows, masks.w, background, bits, stride_);
    });
    return;
  }
  for_each_stripe(parallel, [&](std::int64_t row, std::int64_t rows, std::uint64_t* bits) {
    pack_rows().pack_strided(mask + row * masks.w, rows, masks.w, background, bits, stride_);
  });
}

void PaddedBits::store(const MutableMasks& masks, std::int64_t i, bool background, bool parallel) const {
  std::uint8_t* mask = masks.mask(i);
  if (masks.packed) {
    auto* words = reinterpret_cast<std::uint64_t*>(mask);
    const std::int64_t row_words = masks.words();
    for_each_stripe(parallel, [&](std::int64_t row, std::int64_t rows, std::uint64_t* bits) {
      pack_rows().copy(bits, stride_, rows, masks.w, background, words + row * row_words, band_rows() * row_words);
    });
    return;
  }
  for_each_stripe(parallel, [&](std::int64_t row, std::int64_t rows, std::uint64_t* bits) {
    pack_rows().unpack_strided(bits, stride_, rows, masks.w, background, mask + row * masks.w);
  });
}

void PaddedBits::invert(bool parallel) {
  for_each_stripe(parallel, [&](std::int64_t, std::int64_t rows, std::uint64_t* bits) {
    pack_rows().copy(bits, stride_, rows, extent_.w, true, bits, stride_);
  });
}

void PaddedBits::pair(const PaddedBits& bits, bool parallel) {
  resize(bits.extent(), 2);
  for_each_stripe(parallel, [&](std::int64_t row, std::int64_t rows, std::uint64_t* to) {
    pack_rows().copy(bits.row(0, 0) + row * stride_, 2 * stride_, rows, extent_.w, false, to, stride_);
  });
}

}  // namespace rapidmask::cpu
