// Decoding of prototypes on the CPU: image by image, whose detections are shared among the threads.
//
// The planes of an image are laid out row by row first, all channels of a row together: one row of one detection is
// then a walk through some kilobytes, where it was a jump of a plane for every channel. Only the cells that a
// detection's pixels mix are computed.

#include "rapidmask/prototypes.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

#include "isa/prototype_rows.hpp"
#include "mask_part.hpp"
#include "resample_plan.hpp"
#include "rle_tiles.hpp"

namespace rapidmask::cpu {
namespace {

constexpr std::int64_t kGrainCells = 1 << 12;  // times some 30 channels, about 50 µs

struct Box {
  std::int64_t x_begin, y_begin, x_end, y_end;
  bool empty() const { return x_begin >= x_end || y_begin >= y_end; }
};

// What all detections of a batch share.
struct Batch {
  const Image& prototypes;
  const Detections& detections;
  const PrototypeDecoding& decoding;
  ResamplePlan plan;
  ResamplePlanView view;
  SureBounds bounds;
  bool zero_counts;  // it is foreground, or counts for the stability score

  Batch(const Image& planes, const Detections& found, const PrototypeDecoding& how, bool counted)
      : prototypes(planes),
        detections(found),
        decoding(how),
        plan(how.rows, how.columns, resample_rows().block),
        view(plan.view()),
        bounds(sure_bounds(how.foreground, counted)),
        zero_counts(how.foreground(0) || (counted && (how.foreground.above(0, how.foreground.high) ||
                                                      how.foreground.above(0, how.foreground.low)))) {
    bounds.any = bounds.any && plan.sound();
  }

  std::int64_t h() const { return decoding.rows.out; }
  std::int64_t w() const { return decoding.columns.out; }
  std::int64_t words() const { return (w() + 63) / 64; }

  // The box of detection i, in cells or in pixels.
  Box box(std::int64_t i) const {
    const float* corners = detections.boxes + 4 * i;
    const bool before = decoding.crop_before;
    const auto columns =
        kept_range(corners[0], corners[2], decoding.column_scale, before ? decoding.columns.in : decoding.columns.out);
    const auto rows =
        kept_range(corners[1], corners[3], decoding.row_scale, before ? decoding.rows.in : decoding.rows.out);
    return {columns.begin, rows.begin, columns.end, rows.end};
  }

  // The pixels that count where cells outside of a box are 0.
  Box reach(const Box& cells) const {
    if (zero_counts) return {0, 0, w(), h()};
    if (cells.empty()) return {};
    Box pixels{w(), h(), 0, 0};
    const ColumnBlocks& columns = view.columns;
    const std::int64_t block = resample_rows().block;
    for (std::int64_t b = 0; b < plan.blocks(); ++b) {
      if (columns.end[b] <= cells.x_begin || columns.begin[b] >= cells.x_end) continue;
      pixels.x_begin = std::min(pixels.x_begin, b * block);
      pixels.x_end = std::min(w(), (b + 1) * block);
    }
    for (const RowBand& band : plan.bands()) {
      if (band.inputs[band.input_count - 1] < cells.y_begin || band.inputs[0] >= cells.y_end) continue;
      pixels.y_begin = std::min(pixels.y_begin, band.begin);
      pixels.y_end = band.end;
    }
    return pixels.empty() ? Box{} : pixels;
  }
};

// Where a detection's pixels are, and the cells that they mix.
struct Detection {
  Box box, pixels, cells;
  std::int64_t band_begin = 0, band_end = 0;

  Detection(const Batch& batch, std::int64_t i) : box(batch.box(i)), pixels(box), cells{} {
    if (batch.decoding.crop_before) pixels = batch.reach(box);
    if (pixels.empty()) {
      pixels = {};
      return;
    }
    band_begin = batch.plan.band_of(pixels.y_begin);
    band_end = batch.plan.band_of(pixels.y_end - 1) + 1;
    const auto rows = batch.plan.input_rows(band_begin, band_end);
    const auto columns = batch.plan.input_columns(pixels.x_begin, pixels.x_end);
    cells = {columns.begin, rows.begin, columns.end, rows.end};
  }
};

// The planes of one image as float32, row by row.
class Planes {
 public:
  Planes(const Image& prototypes, std::int64_t channels)
      : prototypes_(prototypes),
        channels_(channels),
        stride_(prototypes.w),
        values_(std::make_unique<float[]>(
            static_cast<std::size_t>(prototypes.h * channels * prototypes.w + kPrototypePadding))) {}

  void load(std::int64_t image, std::int64_t y_begin, std::int64_t y_end) {
    const auto item = static_cast<std::int64_t>(item_size(prototypes_.dtype));
    const auto* from = static_cast<const std::byte*>(prototypes_.data);
    const std::int64_t rows = (1 << 14) / std::max<std::int64_t>(1, channels_ * stride_);
    parallel_for(y_end - y_begin, std::max<std::int64_t>(1, rows), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t y = y_begin + begin; y < y_begin + end; ++y) {
        for (std::int64_t k = 0; k < channels_; ++k) {
          const std::int64_t row = (image * channels_ + k) * prototypes_.h + y;
          resample_rows().values(from + row * stride_ * item, prototypes_.dtype, stride_, Activation::none,
                                 values_.get() + (y * channels_ + k) * stride_);
        }
      }
    });
  }
  const float* row(std::int64_t y) const { return values_.get() + y * channels_ * stride_; }
  std::int64_t stride() const { return stride_; }

 private:
  const Image& prototypes_;
  std::int64_t channels_, stride_;
  std::unique_ptr<float[]> values_;
};

// The logits of a detection in its cells. Returns where row 0, column 0 would be.
const float* logits_of(const Batch& batch, const Planes& planes, const Detection& detection, std::int64_t i,
                       ResampleScratch& scratch) {
  const Box& cells = detection.cells;
  const PrototypeDecoding& decoding = batch.decoding;
  const float* coefficients = batch.detections.coefficients + i * decoding.channels;
  for (std::int64_t y = cells.y_begin; y < cells.y_end; ++y) {
    float* row = scratch.values() + (y - cells.y_begin) * scratch.stride() - cells.x_begin;
    std::int64_t begin = cells.x_begin, end = cells.x_end;
    if (decoding.crop_before) {
      begin = std::clamp(detection.box.x_begin, cells.x_begin, cells.x_end);
      end = std::clamp(detection.box.x_end, begin, cells.x_end);
      if (y < detection.box.y_begin || y >= detection.box.y_end) end = begin;
    }
    if (begin < end) {
      prototype_rows().combine(planes.row(y) + begin, planes.stride(), coefficients, decoding.channels, end - begin,
                               decoding.activation, row + begin);
    }
    std::fill(row + cells.x_begin, row + begin, 0.0f);
    std::fill(row + end, row + cells.x_end, 0.0f);
  }
  return scratch.values() - cells.y_begin * scratch.stride() - cells.x_begin;
}

// Decodes one detection into memory that is zero where its pixels are not.
void decode(const Batch& batch, const Planes& planes, const Detection& detection, std::int64_t i,
            ResampleScratch& scratch, std::uint64_t* packed, std::uint8_t* dense, bool streams,
            ResampleCounts* counts) {
  const Box &pixels = detection.pixels, &cells = detection.cells;
  if (counts != nullptr) std::fill_n(counts->columns, batch.words(), 0);
  if (pixels.empty()) return;
  const float* input = logits_of(batch, planes, detection, i, scratch);
  scratch.find_sure(batch.view, batch.bounds, input, scratch.stride(), cells.y_begin, cells.y_end, pixels.x_begin,
                    pixels.x_end);
  resample_rows().resample(
      batch.view, {input, scratch.stride(), detection.band_begin, detection.band_end, pixels.y_begin, pixels.y_end,
                   pixels.x_begin, pixels.x_end, batch.decoding.foreground, scratch.sure(cells.y_begin), packed, dense,
                   streams, scratch.line(), counts});
}

// Calls work(planes, detection, i, scratch) for all detections, image by image. `make(rows, columns)` makes a thread's
// scratch for detections of so many cells.
template <class Scratch, class Make, class Work>
std::vector<std::unique_ptr<Scratch>> for_each_detection(const Batch& batch, const Make& make, const Work& work) {
  const std::int64_t n = batch.detections.n;
  const std::int64_t images = batch.detections.images == nullptr ? 1 : batch.prototypes.n / batch.decoding.channels;
  std::vector<Detection> found;
  found.reserve(static_cast<std::size_t>(n));
  std::int64_t rows = 0, columns = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const Detection& detection = found.emplace_back(batch, i);
    rows = std::max(rows, detection.cells.y_end - detection.cells.y_begin);
    columns = std::max(columns, detection.cells.x_end - detection.cells.x_begin);
  }
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  const auto image_of = [&](std::int64_t i) {
    return batch.detections.images == nullptr ? 0 : batch.detections.images[i];
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](std::int64_t a, std::int64_t b) { return image_of(a) < image_of(b); });
  Planes planes(batch.prototypes, batch.decoding.channels);
  Pool<Scratch> pool;
  std::int64_t begin = 0;
  for (std::int64_t image = 0; image < images; ++image) {
    std::int64_t end = begin, y_begin = batch.prototypes.h, y_end = 0, cells = 0;
    for (; end < n && image_of(order[static_cast<std::size_t>(end)]) == image; ++end) {
      const Box& box = found[static_cast<std::size_t>(order[static_cast<std::size_t>(end)])].cells;
      if (box.empty()) continue;
      y_begin = std::min(y_begin, box.y_begin);
      y_end = std::max(y_end, box.y_end);
      cells += (box.x_end - box.x_begin) * (box.y_end - box.y_begin);
    }
    if (begin == end) continue;
    if (y_begin < y_end) planes.load(image, y_begin, y_end);
    const std::int64_t grain =
        std::max<std::int64_t>(1, kGrainCells * (end - begin) / std::max<std::int64_t>(1, cells));
    parallel_for(end - begin, grain, [&](std::int64_t first, std::int64_t last) {
      auto scratch = pool.take([&] { return make(rows, columns); });
      for (std::int64_t k = begin + first; k < begin + last; ++k) {
        const std::int64_t i = order[static_cast<std::size_t>(k)];
        work(planes, found[static_cast<std::size_t>(i)], i, *scratch);
      }
      pool.give_back(std::move(scratch));
    });
    begin = end;
  }
  return std::move(pool.all());
}

}  // namespace

void decode_prototypes(const Context&, const Image& prototypes, const Detections& detections,
                       const PrototypeDecoding& decoding, const MaskOutput& masks, bool is_zero,
                       const MaskStatistics& statistics) {
  const bool counted = statistics.areas != nullptr;
  const Batch batch(prototypes, detections, decoding, counted);
  const std::int64_t pixels = batch.h() * batch.w(), mask_words = batch.h() * batch.words();
  if (pixels == 0) {
    for (std::int64_t i = 0; i < detections.n; ++i) MaskPart().give(statistics, i);
    return;
  }
  const bool streams = !is_zero && masks.dense != nullptr && detections.n * pixels >= kStreamedBytes;
  for_each_detection<ResampleScratch>(
      batch,
      [&](std::int64_t rows, std::int64_t columns) {
        return std::make_unique<ResampleScratch>(batch.plan, batch.view, rows, columns, true);
      },
      [&](const Planes& planes, const Detection& detection, std::int64_t i, ResampleScratch& scratch) {
        std::uint64_t* packed = masks.packed != nullptr ? masks.packed + i * mask_words : nullptr;
        std::uint8_t* dense = masks.dense != nullptr ? masks.dense + i * pixels : nullptr;
        if (!is_zero && packed != nullptr) std::fill_n(packed, mask_words, 0);
        if (streams) {
          const std::int64_t begin = detection.pixels.y_begin * batch.w(), end = detection.pixels.y_end * batch.w();
          resample_rows().stream_zeros(dense, begin);
          resample_rows().stream_zeros(dense + end, pixels - end);
        } else if (!is_zero && dense != nullptr) {
          std::fill_n(dense, pixels, 0);
        }
        ResampleCounts counts{0, 0, 0, 0, 0, scratch.columns()};
        decode(batch, planes, detection, i, scratch, packed, dense, streams, counted ? &counts : nullptr);
        if (counted) MaskPart(counts, batch.words()).give(statistics, i);
      });
}

FoundRuns decode_prototype_runs(const Context&, const Image& prototypes, const Detections& detections,
                                const PrototypeDecoding& decoding, const MaskStatistics& statistics) {
  const bool counted = statistics.areas != nullptr;
  const Batch batch(prototypes, detections, decoding, counted);
  const std::int64_t h = batch.h(), w = batch.w(), words = batch.words(), pixels = h * w;
  struct Scratch : RunCollector {
    Scratch(const Batch& of, std::int64_t rows, std::int64_t columns, std::int64_t out_h, std::int64_t out_w)
        : resample(of.plan, of.view, rows, columns, true),
          tiles(out_h, out_w),
          packed(std::make_unique<std::uint64_t[]>(static_cast<std::size_t>(out_h * tiles.words()))) {}
    ResampleScratch resample;
    TileScratch tiles;
    std::unique_ptr<std::uint64_t[]> packed;  // zero but while a mask is decoded
  };
  return joined(detections.n,
                for_each_detection<Scratch>(
                    batch,
                    [&](std::int64_t rows, std::int64_t columns) {
                      return std::make_unique<Scratch>(batch, rows, columns, pixels > 0 ? h : 0, pixels > 0 ? w : 0);
                    },
                    [&](const Planes& planes, const Detection& detection, std::int64_t i, Scratch& scratch) {
                      ResampleCounts counts{0, 0, 0, 0, 0, scratch.resample.columns()};
                      std::uint64_t* packed = scratch.packed.get();
                      decode(batch, planes, detection, i, scratch.resample, packed, nullptr, false,
                             counted ? &counts : nullptr);
                      if (counted) MaskPart(counts, words).give(statistics, i);
                      scratch.add(i, pixels, [&](Positions& positions) {
                        if (!detection.pixels.empty()) find_in_rows(packed, h, w, scratch.tiles, positions);
                      });
                      std::fill(packed + detection.pixels.y_begin * words, packed + detection.pixels.y_end * words, 0);
                    }));
}

}  // namespace rapidmask::cpu
