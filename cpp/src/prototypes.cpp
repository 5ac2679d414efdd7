// Decoding of prototypes on the CPU, in two passes over some detections of an image.
//
// The first goes down the rows of the grid: all channels of two rows fit the first cache, where every detection that
// these rows belong to finds them. Detection by detection, the planes came from memory each time, which took three
// times as long for 300 boxes. The second pass makes each detection's mask. Only the cells that its pixels mix are
// computed and kept.

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

// The logits of some detections, each in its cells, row after row.
class Logits {
 public:
  // Makes room for the detections that are next in `order`, from `begin` on, up to `end` or until there are many cells;
  // returns where they end.
  std::int64_t take(const std::vector<Detection>& found, const std::vector<std::int64_t>& order, std::int64_t begin,
                    std::int64_t end) {
    constexpr std::int64_t kMostCells = 1 << 21;
    begins_.clear();
    begin_ = begin;
    std::int64_t size = kRowPadding;
    for (; begin < end; ++begin) {
      const Box& cells = found[static_cast<std::size_t>(order[static_cast<std::size_t>(begin)])].cells;
      const std::int64_t wanted = (cells.y_end - cells.y_begin) * stride_of(cells);
      if (size > kRowPadding && size + wanted > kMostCells) break;
      begins_.push_back(size);
      size += wanted;
    }
    size += kRowPadding;
    if (size > capacity_) {
      capacity_ = size;
      values_ = std::make_unique<float[]>(static_cast<std::size_t>(size));
    }
    return begin;
  }

  static std::int64_t stride_of(const Box& cells) { return (cells.x_end - cells.x_begin + 15) / 16 * 16; }
  // Of the detection at place k of the order: where row 0, column 0 would be.
  float* origin(std::int64_t k, const Box& cells) const {
    return values_.get() + begins_[static_cast<std::size_t>(k - begin_)] - cells.y_begin * stride_of(cells) -
           cells.x_begin;
  }

 private:
  std::vector<std::int64_t> begins_;
  std::int64_t begin_ = 0, capacity_ = 0;
  std::unique_ptr<float[]> values_;
};

// Some rows of the grid: all channels of the first, then of the next. What comes after them is on its way meanwhile:
// a plane is too far from the last one for the processor to guess.
void load_rows(const Image& prototypes, std::int64_t channels, std::int64_t image, std::int64_t y, std::int64_t rows,
               float* to) {
  const auto item = static_cast<std::int64_t>(item_size(prototypes.dtype));
  const std::int64_t row_bytes = prototypes.w * item, ahead = rows * row_bytes;
  const auto* from = static_cast<const char*>(prototypes.data) + (image * channels * prototypes.h + y) * row_bytes;
  for (std::int64_t k = 0; k < channels; ++k, from += prototypes.h * row_bytes) {
    for (std::int64_t r = 0; r < rows; ++r) {
      resample_rows().values(from + r * row_bytes, prototypes.dtype, prototypes.w, Activation::none,
                             to + (r * channels + k) * prototypes.w);
    }
    for (std::int64_t i = 0; i < ahead; i += 64) __builtin_prefetch(from + ahead + i);
  }
}

// The cells of a detection in rows [y, y + rows).
void combine_cells(const Batch& batch, const float* planes, std::int64_t y, std::int64_t rows,
                   const Detection& detection, std::int64_t i, float* origin) {
  const Box &cells = detection.cells, &box = detection.box;
  const PrototypeDecoding& decoding = batch.decoding;
  const std::int64_t w = batch.prototypes.w, stride = Logits::stride_of(cells);
  const std::int64_t first = std::max(y, cells.y_begin), last = std::min(y + rows, cells.y_end);
  if (first >= last) return;
  prototype_rows().combine(planes + (first - y) * decoding.channels * w + cells.x_begin, w,
                           batch.detections.coefficients + i * decoding.channels, decoding.channels, last - first,
                           cells.x_end - cells.x_begin, origin + first * stride + cells.x_begin, stride);
  for (std::int64_t r = first; r < last; ++r) {
    float* row = origin + r * stride;
    if (decoding.activation == Activation::sigmoid) {
      prototype_rows().sigmoid(row + cells.x_begin, cells.x_end - cells.x_begin);
    }
    if (!decoding.crop_before) continue;
    const bool outside = r < box.y_begin || r >= box.y_end;
    const std::int64_t begin = outside ? cells.x_end : std::clamp(box.x_begin, cells.x_begin, cells.x_end);
    const std::int64_t end = outside ? cells.x_end : std::clamp(box.x_end, begin, cells.x_end);
    std::fill(row + cells.x_begin, row + begin, 0.0f);
    std::fill(row + end, row + cells.x_end, 0.0f);
  }
}

// Makes the mask of one detection in memory that is zero where its pixels are not.
void decode(const Batch& batch, const Detection& detection, const float* origin, ResampleScratch& scratch,
            std::uint64_t* packed, std::uint8_t* dense, bool streams, ResampleCounts* counts) {
  const Box &pixels = detection.pixels, &cells = detection.cells;
  if (counts != nullptr) std::fill_n(counts->columns, batch.words(), 0);
  if (pixels.empty()) return;
  const std::int64_t stride = Logits::stride_of(cells);
  scratch.find_sure(batch.view, batch.bounds, origin, stride, cells.y_begin, cells.y_end, pixels.x_begin, pixels.x_end);
  resample_rows().resample(batch.view, {origin, stride, detection.band_begin, detection.band_end, pixels.y_begin,
                                        pixels.y_end, pixels.x_begin, pixels.x_end, batch.decoding.foreground,
                                        scratch.sure(cells.y_begin), packed, dense, streams, scratch.line(), counts});
}

// Calls work(detection, i, origin, scratch) for all detections, image by image. `make(rows, columns)` makes a thread's
// scratch for detections of so many cells.
template <class Scratch, class Make, class Work>
std::vector<std::unique_ptr<Scratch>> for_each_detection(const Batch& batch, const Make& make, const Work& work) {
  const std::int64_t n = batch.detections.n, channels = batch.decoding.channels;
  const auto image_of = [&](std::int64_t i) {
    return batch.detections.images == nullptr ? 0 : batch.detections.images[i];
  };
  std::vector<Detection> found;
  found.reserve(static_cast<std::size_t>(n));
  std::int64_t most_rows = 0, most_columns = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const Box& cells = found.emplace_back(batch, i).cells;
    most_rows = std::max(most_rows, cells.y_end - cells.y_begin);
    most_columns = std::max(most_columns, cells.x_end - cells.x_begin);
  }
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::int64_t a, std::int64_t b) { return image_of(a) < image_of(b); });
  struct Rows {
    std::unique_ptr<float[]> values;
  };
  const std::int64_t row_size = channels * batch.prototypes.w;
  Pool<Rows> rows_pool;
  Pool<Scratch> pool;
  Logits logits;
  for (std::int64_t begin = 0, end = 0; begin < n; begin = end) {
    const std::int64_t image = image_of(order[static_cast<std::size_t>(begin)]);
    std::int64_t stop = begin;
    while (stop < n && image_of(order[static_cast<std::size_t>(stop)]) == image) ++stop;
    end = logits.take(found, order, begin, stop);
    std::int64_t y_begin = batch.prototypes.h, y_end = 0, work_size = 1;
    for (std::int64_t k = begin; k < end; ++k) {
      const Box& cells = found[static_cast<std::size_t>(order[static_cast<std::size_t>(k)])].cells;
      if (cells.empty()) continue;
      y_begin = std::min(y_begin, cells.y_begin);
      y_end = std::max(y_end, cells.y_end);
      work_size += (cells.x_end - cells.x_begin) * (cells.y_end - cells.y_begin);
    }
    const std::int64_t pairs = std::max<std::int64_t>(0, (y_end - y_begin + kPrototypeRows - 1) / kPrototypeRows);
    parallel_for(
        pairs, std::max<std::int64_t>(1, kGrainCells * pairs / work_size), [&](std::int64_t a, std::int64_t b) {
          auto planes = rows_pool.take([&] {
            const auto size = static_cast<std::size_t>(kPrototypeRows * row_size + kPrototypeSlack);
            return std::make_unique<Rows>(Rows{std::make_unique<float[]>(size)});
          });
          for (std::int64_t y = y_begin + a * kPrototypeRows; y < y_begin + b * kPrototypeRows; y += kPrototypeRows) {
            const std::int64_t rows = std::min(kPrototypeRows, y_end - y);
            if (rows <= 0) break;
            load_rows(batch.prototypes, channels, image, y, rows, planes->values.get());
            for (std::int64_t k = begin; k < end; ++k) {
              const std::int64_t i = order[static_cast<std::size_t>(k)];
              const Detection& detection = found[static_cast<std::size_t>(i)];
              combine_cells(batch, planes->values.get(), y, rows, detection, i, logits.origin(k, detection.cells));
            }
          }
          rows_pool.give_back(std::move(planes));
        });
    const std::int64_t grain = std::max<std::int64_t>(1, kGrainCells * (end - begin) / work_size);
    parallel_for(end - begin, grain, [&](std::int64_t a, std::int64_t b) {
      auto scratch = pool.take([&] { return make(most_rows, most_columns); });
      for (std::int64_t k = begin + a; k < begin + b; ++k) {
        const std::int64_t i = order[static_cast<std::size_t>(k)];
        const Detection& detection = found[static_cast<std::size_t>(i)];
        work(detection, i, logits.origin(k, detection.cells), *scratch);
      }
      pool.give_back(std::move(scratch));
    });
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
  const std::int64_t row_bytes = masks.dense != nullptr ? batch.w() : 8 * batch.words();
  const bool streams = !is_zero && detections.n * batch.h() * row_bytes >= kStreamedBytes;
  struct Scratch {
    ResampleScratch resample;
    std::unique_ptr<std::uint64_t[]> rows;  // packed ones, on their way past the caches
  };
  const auto clear = [&](std::uint8_t* bytes, std::int64_t rows) {
    if (streams) return resample_rows().stream_bytes(nullptr, rows * row_bytes, bytes);
    std::fill_n(bytes, rows * row_bytes, std::uint8_t{0});
  };
  for_each_detection<Scratch>(
      batch,
      [&](std::int64_t rows, std::int64_t columns) {
        return std::make_unique<Scratch>(Scratch{{batch.plan, batch.view, rows, columns, false},
                                                 make_words(streams && masks.packed != nullptr ? mask_words : 0)});
      },
      [&](const Detection& detection, std::int64_t i, const float* origin, Scratch& scratch) {
        const Box& box = detection.pixels;
        auto* mask = (masks.dense != nullptr ? masks.dense : reinterpret_cast<std::uint8_t*>(masks.packed)) +
                     i * batch.h() * row_bytes;
        std::uint8_t *first = mask + box.y_begin * row_bytes, *last = mask + box.y_end * row_bytes;
        auto* packed = masks.packed != nullptr ? masks.packed + i * mask_words : nullptr;
        if (!is_zero) clear(mask, box.y_begin);
        if (streams && packed != nullptr) {
          packed = scratch.rows.get();
          std::fill(packed + box.y_begin * batch.words(), packed + box.y_end * batch.words(), 0);
        } else if (!is_zero && !streams) {
          std::fill(first, last, std::uint8_t{0});
        }
        ResampleCounts counts{0, 0, 0, 0, 0, scratch.resample.columns()};
        decode(batch, detection, origin, scratch.resample, packed, masks.dense != nullptr ? mask : nullptr,
               streams && masks.dense != nullptr, counted ? &counts : nullptr);
        if (streams && packed != nullptr) {
          resample_rows().stream_bytes(reinterpret_cast<const std::uint8_t*>(packed + box.y_begin * batch.words()),
                                       last - first, first);
        }
        if (!is_zero) clear(last, batch.h() - box.y_end);
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
        : resample(of.plan, of.view, rows, columns, false),
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
                    [&](const Detection& detection, std::int64_t i, const float* origin, Scratch& scratch) {
                      ResampleCounts counts{0, 0, 0, 0, 0, scratch.resample.columns()};
                      std::uint64_t* packed = scratch.packed.get();
                      decode(batch, detection, origin, scratch.resample, packed, nullptr, false,
                             counted ? &counts : nullptr);
                      if (counted) MaskPart(counts, words).give(statistics, i);
                      scratch.add(i, pixels, [&](Positions& positions) {
                        if (!detection.pixels.empty()) find_in_rows(packed, h, w, scratch.tiles, positions);
                      });
                      std::fill(packed + detection.pixels.y_begin * words, packed + detection.pixels.y_end * words, 0);
                    }));
}

}  // namespace rapidmask::cpu
