// Measures on the CPU, mask by mask over the pool.

#include "rapidmask/measure.hpp"

#include <algorithm>
#include <bit>
#include <vector>

#include "isa/measure_rows.hpp"
#include "isa/pack_rows.hpp"
#include "parallel.hpp"

namespace rapidmask::cpu {
namespace {

constexpr std::int64_t kGrainBytes = 1 << 20;

// The first and last rows are found by scanning from both ends; of those between only what lies outside of the columns
// found so far is read.
void find_box(const std::uint8_t* mask, std::int64_t h, std::int64_t w, std::int64_t* box) {
  const MeasureRows& scan = measure_rows();
  std::fill_n(box, 4, std::int64_t{0});
  const std::int64_t first = scan.first_byte(mask, h * w);
  if (first == h * w) return;
  const std::int64_t last = scan.end_byte(mask, h * w) - 1;
  const std::int64_t y0 = first / w, y1 = last / w + 1;
  std::int64_t x0 = first % w, x1 = first % w + 1;
  scan.widen_columns(mask + y0 * w, y1 - y0, w, &x0, &x1);
  box[0] = x0;
  box[1] = y0;
  box[2] = x1;
  box[3] = y1;
}

void find_box(const std::uint64_t* mask, std::int64_t h, std::int64_t words, std::int64_t* box) {
  const MeasureRows& scan = measure_rows();
  std::fill_n(box, 4, std::int64_t{0});
  const std::int64_t first = scan.first_word(mask, h * words);
  if (first == h * words) return;
  const std::int64_t last = scan.end_word(mask, h * words) - 1;
  const std::int64_t y0 = first / words, y1 = last / words + 1;
  std::int64_t k0 = first % words, k1 = last % words;
  std::uint64_t left = 0, right = 0;  // of words k0 and k1, over the rows
  for (std::int64_t y = y0; y < y1; ++y) {
    const std::uint64_t* row = mask + y * words;
    if (const std::int64_t k = scan.first_word(row, k0); k < k0) {
      k0 = k;
      left = 0;
    }
    left |= row[k0];
    if (const std::int64_t end = scan.end_word(row + k1 + 1, words - k1 - 1); end > 0) {
      k1 += end;
      right = 0;
    }
    right |= row[k1];
  }
  box[0] = 64 * k0 + std::countr_zero(left);
  box[1] = y0;
  box[2] = 64 * (k1 + 1) - std::countl_zero(right);
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
  parallel_for_each(masks.n, masks.image_size(), kGrainBytes,
                    [&](std::int64_t i) { find_box(masks.image(i), masks.h, masks.w, boxes + 4 * i); });
}

void masks_to_boxes(const Context&, const ConstPackedMasks& masks, std::int64_t* boxes) {
  parallel_for_each(masks.n, 8 * masks.h * masks.words(), kGrainBytes,
                    [&](std::int64_t i) { find_box(masks.image(i), masks.h, masks.words(), boxes + 4 * i); });
}

void mask_centroids(const Context&, const View<const std::uint8_t>& masks, double* centroids) {
  const auto add = measure_rows().add_bytes;
  parallel_for_each(masks.n, masks.image_size(), kGrainBytes, [&](std::int64_t i) {
    Moments sums{};
    for (std::int64_t y = 0; y < masks.h && masks.w != 0; ++y) {
      const std::int64_t before = sums.area;
      add(masks.image(i) + y * masks.w, masks.w, &sums.area, &sums.x);
      sums.y += y * (sums.area - before);
    }
    sums.centroid(centroids + 2 * i);
  });
}

void mask_centroids(const Context&, const ConstPackedMasks& masks, double* centroids) {
  const auto add = measure_rows().add_words;
  const std::int64_t words = masks.words();
  parallel_for_each(masks.n, 8 * masks.h * words, kGrainBytes, [&](std::int64_t i) {
    Moments sums{};
    for (std::int64_t y = 0; y < masks.h && words != 0; ++y) {
      const std::int64_t before = sums.area;
      add(masks.image(i) + y * words, words, &sums.area, &sums.x);
      sums.y += y * (sums.area - before);
    }
    sums.centroid(centroids + 2 * i);
  });
}

void stability_score(const Context&, const Image& logits, float high, float low, float* scores) {
  // Bands of all images, so that one large image has work for all threads.
  constexpr std::int64_t kBand = 1 << 18;
  const std::int64_t size = logits.image_size(), bands = (size + kBand - 1) / kBand;
  std::vector<std::int64_t> counts(static_cast<std::size_t>(2 * logits.n * bands));
  const MeasureRows& rows = measure_rows();
  parallel_for_each(logits.n * bands, std::min(size, kBand), kBand, [&](std::int64_t item) {
    const std::int64_t i = item / bands, begin = item % bands * kBand, count = std::min(kBand, size - begin);
    std::int64_t* above = counts.data() + 2 * item;
    switch (logits.dtype) {
      case DType::float16:
        return rows.count_above_half(logits.as<Half>().image(i) + begin, count, high, low, above, above + 1);
      case DType::bfloat16:
        return rows.count_above_bfloat(logits.as<BFloat16>().image(i) + begin, count, high, low, above, above + 1);
      default: return rows.count_above(logits.as<float>().image(i) + begin, count, high, low, above, above + 1);
    }
  });
  for (std::int64_t i = 0; i < logits.n; ++i) {
    std::int64_t highs = 0, lows = 0;
    for (std::int64_t band = i * bands; band < (i + 1) * bands; ++band) {
      highs += counts[static_cast<std::size_t>(2 * band)];
      lows += counts[static_cast<std::size_t>(2 * band + 1)];
    }
    scores[i] = stability(highs, lows);
  }
}

}  // namespace rapidmask::cpu
