// The detections of a batch of prototypes: where their pixels and cells are, and which are decoded together.
#pragma once

#include <algorithm>
#include <memory>
#include <numeric>
#include <vector>

#include "isa/prototype_rows.hpp"
#include "rapidmask/prototypes.hpp"
#include "resample_plan.hpp"

namespace rapidmask {

struct PixelBox {
  std::int64_t x_begin, y_begin, x_end, y_end;
  bool empty() const { return x_begin >= x_end || y_begin >= y_end; }
};

// What all detections of a batch share.
struct PrototypeBatch {
  const Image& prototypes;
  const Detections& detections;
  const PrototypeDecoding& decoding;
  ResamplePlan plan;
  ResamplePlanView view;
  SureBounds bounds;
  bool zero_counts;  // it is foreground, or counts for the stability score

  PrototypeBatch(const Image& planes, const Detections& found, const PrototypeDecoding& how, bool counted)
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
  PixelBox box(std::int64_t i) const {
    const float* corners = detections.boxes + 4 * i;
    const bool before = decoding.crop_before;
    const auto columns =
        kept_range(corners[0], corners[2], decoding.column_scale, before ? decoding.columns.in : decoding.columns.out);
    const auto rows =
        kept_range(corners[1], corners[3], decoding.row_scale, before ? decoding.rows.in : decoding.rows.out);
    return {columns.begin, rows.begin, columns.end, rows.end};
  }

  // The pixels that count where cells outside of a box are 0.
  PixelBox reach(const PixelBox& cells) const {
    if (zero_counts) return {0, 0, w(), h()};
    if (cells.empty()) return {};
    PixelBox pixels{w(), h(), 0, 0};
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
    return pixels.empty() ? PixelBox{} : pixels;
  }
};

// Where a detection's pixels are, and the cells that they mix.
struct Detection {
  PixelBox box, pixels, cells;
  std::int64_t band_begin = 0, band_end = 0;

  Detection(const PrototypeBatch& batch, std::int64_t i) : box(batch.box(i)), pixels(box), cells{} {
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
class DetectionLogits {
 public:
  void clear(std::int64_t first) {
    first_ = first;
    size_ = kRowPadding;
    begins_.clear();
  }
  // Takes the cells of the next detection, if there are not too many already.
  bool add(const PixelBox& cells) {
    constexpr std::int64_t kMost = 1 << 21;
    const std::int64_t wanted = (cells.y_end - cells.y_begin) * stride_of(cells);
    if (size_ > kRowPadding && size_ + wanted > kMost) return false;
    begins_.push_back(size_);
    size_ += wanted;
    return true;
  }
  void make_room() {
    size_ += kRowPadding;
    if (size_ <= capacity_) return;
    capacity_ = size_;
    values_ = std::make_unique<float[]>(static_cast<std::size_t>(size_));
  }

  // Rows are whole vectors, which is what is written of them.
  static std::int64_t stride_of(const PixelBox& cells) {
    return (cells.x_end - cells.x_begin + kPrototypeSlack - 1) / kPrototypeSlack * kPrototypeSlack;
  }
  // Of detection k of the order: where row 0, column 0 would be.
  float* origin(std::int64_t k, const PixelBox& cells) const {
    return values_.get() + begins_[static_cast<std::size_t>(k - first_)] - cells.y_begin * stride_of(cells) -
           cells.x_begin;
  }

 private:
  std::int64_t first_ = 0, size_ = 0, capacity_ = 0;
  std::vector<std::int64_t> begins_;
  std::unique_ptr<float[]> values_;
};

// The detections of a batch in the order of their images.
struct OrderedDetections {
  std::vector<Detection> detections;
  std::vector<std::int64_t> indices;  // in the batch
  std::int64_t most_rows = 0, most_columns = 0;

  explicit OrderedDetections(const PrototypeBatch& batch) : indices(static_cast<std::size_t>(batch.detections.n)) {
    std::iota(indices.begin(), indices.end(), std::int64_t{0});
    if (const std::int64_t* images = batch.detections.images; images != nullptr) {
      std::stable_sort(indices.begin(), indices.end(),
                       [&](std::int64_t a, std::int64_t b) { return images[a] < images[b]; });
    }
    detections.reserve(indices.size());
    for (const std::int64_t i : indices) {
      const PixelBox& cells = detections.emplace_back(batch, i).cells;
      most_rows = std::max(most_rows, cells.y_end - cells.y_begin);
      most_columns = std::max(most_columns, cells.x_end - cells.x_begin);
    }
  }

  std::int64_t size() const { return static_cast<std::int64_t>(indices.size()); }
  std::int64_t index(std::int64_t k) const { return indices[static_cast<std::size_t>(k)]; }
  const Detection& operator[](std::int64_t k) const { return detections[static_cast<std::size_t>(k)]; }
};

// A range of detections of one image, and the rows of the grid that they have cells in.
struct DetectionGroup {
  std::int64_t image, begin, end;
  std::int64_t y_begin, y_end, cells;

  // Those from `first` on, as many as `logits` makes room for.
  DetectionGroup(const PrototypeBatch& batch, const OrderedDetections& detected, std::int64_t first,
                 DetectionLogits& logits)
      : image(0), begin(first), end(first), y_begin(batch.prototypes.h), y_end(0), cells(1) {
    const auto image_of = [&](std::int64_t k) {
      return batch.detections.images == nullptr ? 0 : batch.detections.images[detected.index(k)];
    };
    image = image_of(begin);
    logits.clear(begin);
    for (; end < detected.size() && image_of(end) == image && logits.add(detected[end].cells); ++end) {
      const PixelBox& box = detected[end].cells;
      if (box.empty()) continue;
      y_begin = std::min(y_begin, box.y_begin);
      y_end = std::max(y_end, box.y_end);
      cells += (box.x_end - box.x_begin) * (box.y_end - box.y_begin);
    }
    logits.make_room();
  }

  // How many of `count` equal parts of the work are worth a thread's while.
  std::int64_t grain(std::int64_t count) const {
    constexpr std::int64_t kGrainCells = 1 << 12;  // times some 30 channels, about 50 µs
    return std::max<std::int64_t>(1, kGrainCells * count / cells);
  }
};

}  // namespace rapidmask
