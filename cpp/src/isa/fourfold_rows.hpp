// Rows enlarged fourfold, as SAM's are: all of a weight's columns are in one vector, so that nothing is permuted.
//
// Column 4 c + j mixes pixels c - 1 and c where j < 2, else c and c + 1; its weights depend on j alone and are exact.
// Each 4 · kBlock columns of such a row are four vectors, one for each j.
//
// Only for sources that are compiled once per level: everything is in an anonymous namespace.
#pragma once

#include "isa/limit.hpp"

namespace rapidmask {
namespace {

// Pixels from c on of a row, without NaN; beyond its ends these repeat. No vector reaches beyond the row's end.
inline Block pixels_from(const float* row, std::int64_t size, std::int64_t c) {
  if (c >= 0 && c + kBlock <= size) return without_nan(load_block(row + c));
  const std::int64_t window = c < 0 || size < kBlock ? 0 : size - kBlock;
  const auto first = static_cast<std::int32_t>(c - window), last = static_cast<std::int32_t>(size - 1 - window);
  std::int32_t places[kBlock];
  for (std::int32_t i = 0; i < kBlock; ++i) {
    const std::int32_t place = first + i < last ? first + i : last;
    places[i] = place > 0 ? place : 0;
  }
  return without_nan(at(load_block(row + window), load_indices(places)));
}

// Words [first, last) of columns of a row of `size` pixels.
inline void mix_fourfold(const float* row, std::int64_t size, std::int64_t first, std::int64_t last, float* to) {
  for (std::int64_t c = 16 * first; c < 16 * last; c += kBlock) {
    const Block before = pixels_from(row, size, c - 1), here = pixels_from(row, size, c);
    const Block after = pixels_from(row, size, c + 1);
    float* vectors = to + 4 * c;
    store_block(vectors, splat_block(0.375f) * before + splat_block(0.625f) * here);
    store_block(vectors + kBlock, splat_block(0.125f) * before + splat_block(0.875f) * here);
    store_block(vectors + 2 * kBlock, splat_block(0.875f) * here + splat_block(0.125f) * after);
    store_block(vectors + 3 * kBlock, splat_block(0.625f) * here + splat_block(0.375f) * after);
  }
  if (first == 0) to[0] = to[kBlock] = row[0] == row[0] ? row[0] : -__builtin_inff();  // before the first one's centre
}

}  // namespace
}  // namespace rapidmask
