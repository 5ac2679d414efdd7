// Upsampling on the CPU: masks, or bands of rows of large ones, over the pool.

#include "rapidmask/upsample.hpp"

#include <algorithm>
#include <vector>

#include "mask_part.hpp"
#include "resample_plan.hpp"
#include "rle_tiles.hpp"

namespace rapidmask::cpu {
namespace {

constexpr std::int64_t kGrainPixels = 1 << 20;  // some 30 to 500 µs

// What one batch needs beside its plan.
struct Batch {
  const Image& logits;
  const Upsampling& upsampling;
  ResamplePlan plan;
  ResamplePlanView view;
  SureBounds bounds;
  bool copied;  // logits are converted, or their rows are shorter than a vector

  Batch(const Image& image, const Upsampling& how, bool with_statistics)
      : logits(image),
        upsampling(how),
        plan(how.rows, how.columns, resample_rows().block),
        view(plan.view()),
        bounds(sure_bounds(how.foreground, with_statistics)),
        copied(image.dtype != DType::float32 || how.activation != Activation::none || image.w < resample_rows().block) {
    bounds.any = bounds.any && plan.sound();
  }

  // Resamples a range of bands of mask i.
  void resample(std::int64_t i, std::int64_t band_begin, std::int64_t band_end, ResampleScratch& scratch,
                std::uint64_t* packed, std::uint8_t* dense, ResampleCounts* counts) const {
    const ResamplePlan::Range rows = plan.input_rows(band_begin, band_end);
    const float* input =
        copied ? convert(i, rows, scratch) : static_cast<const float*>(logits.data) + i * logits.image_size();
    const std::int64_t stride = copied ? scratch.stride() : logits.w, w = upsampling.columns.out;
    scratch.find_sure(view, bounds, input, stride, rows.begin, rows.end, 0, w);
    const std::int64_t y_begin = view.bands[band_begin].begin, y_end = view.bands[band_end - 1].end;
    if (counts != nullptr) std::fill_n(counts->columns, (w + 63) / 64, 0);
    const bool streams = dense != nullptr && logits.n * upsampling.rows.out * w >= kStreamedBytes;
    resample_rows().resample(
        view, {input, stride, band_begin, band_end, y_begin, y_end, 0, w, upsampling.foreground,
               scratch.sure(rows.begin), packed, dense, streams, scratch.line(), scratch.rows(), counts});
  }

 private:
  // The values of some rows of an image. Returns where row 0 would be.
  const float* convert(std::int64_t i, const ResamplePlan::Range& rows, ResampleScratch& scratch) const {
    const std::int64_t row_bytes = logits.w * static_cast<std::int64_t>(item_size(logits.dtype));
    const auto* from = static_cast<const std::byte*>(logits.data) + i * logits.h * row_bytes;
    for (std::int64_t y = rows.begin; y < rows.end; ++y) {
      resample_rows().values(from + y * row_bytes, logits.dtype, logits.w, upsampling.activation,
                             scratch.values() + (y - rows.begin) * scratch.stride());
    }
    return scratch.values() - rows.begin * scratch.stride();
  }
};

}  // namespace

void upsample_masks(const Context&, const Image& logits, const Upsampling& upsampling, const MaskOutput& masks,
                    const MaskStatistics& statistics) {
  const std::int64_t h = upsampling.rows.out, w = upsampling.columns.out, words = (w + 63) / 64;
  const bool counted = statistics.areas != nullptr;
  if (h == 0 || w == 0) {
    for (std::int64_t i = 0; counted && i < logits.n; ++i) MaskPart().give(statistics, i);
    return;
  }
  const Batch batch(logits, upsampling, counted);
  // Bands of one mask that are worth a thread's while; many of them where it is large.
  const auto bands = static_cast<std::int64_t>(batch.plan.bands().size());
  const std::int64_t chunks = std::max<std::int64_t>(1, std::max(h * w, logits.image_size()) / kGrainPixels);
  const std::int64_t chunk_bands = (bands + chunks - 1) / chunks, count = (bands + chunk_bands - 1) / chunk_bands;
  std::int64_t rows = 0;
  for (std::int64_t c = 0; c < count; ++c) {
    const auto range = batch.plan.input_rows(c * chunk_bands, std::min(bands, (c + 1) * chunk_bands));
    rows = std::max(rows, range.end - range.begin);
  }
  std::vector<MaskPart> parts(counted ? static_cast<std::size_t>(logits.n * count) : 0);
  Pool<ResampleScratch> pool;
  const std::int64_t grain = std::max<std::int64_t>(1, kGrainPixels / 4 / std::max<std::int64_t>(1, h * w / count));
  parallel_for(logits.n * count, grain, [&](std::int64_t begin, std::int64_t end) {
    auto scratch = pool.take(
        [&] { return std::make_unique<ResampleScratch>(batch.plan, batch.view, rows, logits.w, batch.copied); });
    for (std::int64_t k = begin; k < end; ++k) {
      const std::int64_t i = k / count, c = k % count;
      ResampleCounts counts{0, 0, 0, 0, 0, scratch->columns()};
      batch.resample(i, c * chunk_bands, std::min(bands, (c + 1) * chunk_bands), *scratch,
                     masks.packed != nullptr ? masks.packed + i * h * words : nullptr,
                     masks.dense != nullptr ? masks.dense + i * h * w : nullptr, counted ? &counts : nullptr);
      if (counted) parts[static_cast<std::size_t>(k)] = MaskPart(counts, words);
    }
    pool.give_back(std::move(scratch));
  });
  for (std::int64_t i = 0; counted && i < logits.n; ++i) {
    MaskPart whole;
    for (std::int64_t c = 0; c < count; ++c) whole.join(parts[static_cast<std::size_t>(i * count + c)]);
    whole.give(statistics, i);
  }
}

FoundRuns upsample_runs(const Context&, const Image& logits, const Upsampling& upsampling,
                        const MaskStatistics& statistics) {
  const std::int64_t h = upsampling.rows.out, w = upsampling.columns.out, words = (w + 63) / 64, pixels = h * w;
  const bool counted = statistics.areas != nullptr;
  const Batch batch(logits, upsampling, counted);
  const auto bands = static_cast<std::int64_t>(batch.plan.bands().size());
  struct Scratch : RunCollector {
    Scratch(const Batch& of, std::int64_t rows, std::int64_t out_h, std::int64_t out_w)
        : resample(of.plan, of.view, rows, of.logits.w, of.copied),
          tiles(out_h, out_w),
          packed(make_words(out_h * tiles.words())) {}
    ResampleScratch resample;
    TileScratch tiles;
    std::unique_ptr<std::uint64_t[]> packed;
  };
  const std::int64_t rows = pixels > 0 ? batch.plan.input_rows(0, bands).end : 0;
  return joined(logits.n,
                for_each_mask<Scratch>(
                    logits.n, pixels,
                    [&] { return std::make_unique<Scratch>(batch, rows, pixels > 0 ? h : 0, pixels > 0 ? w : 0); },
                    [&](Scratch& scratch, std::int64_t i) {
                      MaskPart part;
                      if (pixels > 0) {
                        ResampleCounts counts{0, 0, 0, 0, 0, scratch.resample.columns()};
                        batch.resample(i, 0, bands, scratch.resample, scratch.packed.get(), nullptr,
                                       counted ? &counts : nullptr);
                        if (counted) part = MaskPart(counts, words);
                      }
                      part.give(statistics, i);
                      scratch.add(i, pixels, [&](Positions& positions) {
                        find_in_rows(scratch.packed.get(), h, w, scratch.tiles, positions);
                      });
                    }));
}

}  // namespace rapidmask::cpu
