// Pasting on the CPU, mask by mask over the pool: tables of weights, then bands of rows to the row loops.

#include "rapidmask/paste.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "isa/pack_rows.hpp"
#include "isa/paste_rows.hpp"
#include "line_vector.hpp"
#include "parallel.hpp"
#include "paste_stream.hpp"

namespace rapidmask::cpu {
namespace {

constexpr std::int64_t kGrainBytes = 1 << 20;  // about 50 µs of writing
constexpr std::int64_t kBandRows = 64;         // of bits on their way to bytes, in the second cache
constexpr std::int64_t kCached = 4 << 20;      // bytes of results that the caller may find in a cache

// The weights of the pixels that an axis covers, and the first pixel of each cell.
struct AxisTable {
  std::vector<std::int64_t> starts;
  LineVector<std::int32_t> firsts;
  LineVector<float> first_weights, second_weights;

  void fill(const PasteAxis& axis) {
    const auto count = static_cast<std::size_t>(axis.end - axis.begin);
    starts.resize(static_cast<std::size_t>(axis.in) + 1);
    firsts.resize(count + PasteGrid::kMostLanes);
    first_weights.resize(count + PasteGrid::kMostLanes);
    second_weights.resize(count + PasteGrid::kMostLanes);
    std::fill_n(first_weights.data() + count, PasteGrid::kMostLanes, 0.0f);
    std::fill_n(second_weights.data() + count, PasteGrid::kMostLanes, 0.0f);
    paste_rows().place(axis, firsts.data(), first_weights.data(), second_weights.data());
    std::fill_n(firsts.data() + count, PasteGrid::kMostLanes, count > 0 ? firsts[count - 1] : 0);
    std::int64_t cell = 0;
    for (std::size_t k = 0; k < count; ++k) {
      while (cell <= firsts[k]) starts[static_cast<std::size_t>(cell++)] = axis.begin + static_cast<std::int64_t>(k);
    }
    while (cell <= axis.in) starts[static_cast<std::size_t>(cell++)] = axis.end;
  }
};

// A mixture of mixtures of values of at most `largest` is within 2^-21 of that of their range. Nothing is sure beside
// an infinity, which is NaN where its weight is zero.
PasteBounds bounds_of(const PasteRule& rule, float largest) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  if (largest > std::numeric_limits<float>::max()) return {rule.threshold, kNan, kNan, rule.strict};
  const float margin = std::max(largest, std::fabs(rule.threshold)) * 0x1p-20f + std::numeric_limits<float>::min();
  return {rule.threshold, rule.threshold + margin, rule.threshold - margin, rule.strict};
}

// One mask on its way into the image. Its memory serves one mask after the other.
class Pasting {
 public:
  Pasting(const Image& masks, const float* boxes, const PasteRule& rule, std::int64_t h, std::int64_t w)
      : masks_(masks), boxes_(boxes), rule_(rule), h_(h), w_(w) {}

  // Prepares mask i; false where it covers no pixel.
  bool take(std::int64_t i) {
    const float* box = boxes_ + 4 * i;
    columns_ = paste_axis(rule_, box[0], box[2], masks_.w, w_);
    rows_ = paste_axis(rule_, box[1], box[3], masks_.h, h_);
    if (columns_.begin >= columns_.end || rows_.begin >= rows_.end) return false;
    column_table_.fill(columns_);
    row_table_.fill(rows_);
    const float largest = masks_.dtype == DType::float16    ? pad(masks_.as<Half>().image(i))
                          : masks_.dtype == DType::bfloat16 ? pad(masks_.as<BFloat16>().image(i))
                                                            : pad(masks_.as<float>().image(i));
    bounds_ = bounds_of(rule_, largest);
    const std::int64_t stride = 64 * words() + PasteGrid::kMostLanes;
    mixed_.resize(static_cast<std::size_t>(2 * stride));
    pair_ = {{mixed_.data(), mixed_.data() + stride}, {-1, -1}};
    classify();
    return true;
  }

  std::int64_t first_row() const { return rows_.begin; }
  // The words of a row that hold the covered columns, and the pixels of these.
  std::int64_t first_word() const { return columns_.begin / 64; }
  std::int64_t words() const { return (columns_.end - 1) / 64 + 1 - first_word(); }
  std::int64_t x() const { return 64 * first_word(); }
  std::int64_t width() const { return std::min(w_, x() + 64 * words()) - x(); }

  // Writes the words of the rows of bands: visit(y, rows, words, stride) is called after each. `place(y)` tells where
  // row y goes.
  template <class Place, class Visit>
  void paste(std::int64_t stride, const Place& place, const Visit& visit) {
    const std::int64_t values = columns_.in + 1;
    const PasteGrid grid{columns_.in,
                         column_table_.starts.data(),
                         column_table_.firsts.data(),
                         column_table_.first_weights.data(),
                         column_table_.second_weights.data(),
                         row_table_.first_weights.data(),
                         row_table_.second_weights.data(),
                         &pair_};
    for (std::int64_t i = 0; i < rows_.in; ++i) {
      const std::int64_t next = std::min(i + 1, rows_.in - 1);
      const std::int64_t end = row_table_.starts[static_cast<std::size_t>(i) + 1];
      for (std::int64_t y = row_table_.starts[static_cast<std::size_t>(i)]; y < end; y += kBandRows) {
        const PasteBand band{i,
                             next,
                             source_.data() + i * values,
                             source_.data() + next * values,
                             sure_.data() + i * flags(),
                             sure_.data() + next * flags(),
                             never_.data() + i * flags(),
                             never_.data() + next * flags(),
                             y - rows_.begin,
                             std::min(kBandRows, end - y)};
        std::uint64_t* row = place(y);
        paste_rows().paste(grid, band, bounds_, row, stride);
        visit(y, band.rows, row);
      }
    }
  }

 private:
  std::int64_t flags() const { return (columns_.in + 1) / 64 + 2; }  // words of one row of the padded mask

  // The padded mask with its last column twice, as float32. Returns the largest magnitude in it.
  template <class T>
  float pad(const T* mask) {
    const std::int64_t stride = columns_.in + 1, padding = rule_.padding;
    source_.assign(static_cast<std::size_t>(rows_.in * stride + PasteGrid::kMostLanes), 0.0f);
    float largest = 0;
    for (std::int64_t y = 0; y < masks_.h; ++y) {
      float* row = source_.data() + (y + padding) * stride + padding;
      for (std::int64_t x = 0; x < masks_.w; ++x) {
        if constexpr (std::is_same_v<T, float>) {
          row[x] = mask[y * masks_.w + x];
        } else {
          row[x] = to_float(mask[y * masks_.w + x]);
        }
        const float magnitude = std::fabs(row[x]);
        largest = magnitude > largest ? magnitude : largest;  // without NaN, which is never sure
      }
      row[masks_.w + padding] = row[masks_.w + padding - 1];
    }
    return largest;
  }

  void classify() {
    const std::int64_t values = columns_.in + 1;
    sure_.assign(static_cast<std::size_t>(rows_.in * flags()), 0);
    never_.assign(static_cast<std::size_t>(rows_.in * flags()), 0);
    for (std::int64_t i = 0; i < rows_.in; ++i) {
      paste_rows().classify(source_.data() + i * values, values, bounds_, sure_.data() + i * flags(),
                            never_.data() + i * flags());
    }
  }

  const Image& masks_;
  const float* boxes_;
  const PasteRule& rule_;
  std::int64_t h_, w_;
  PasteAxis columns_{}, rows_{};
  AxisTable column_table_, row_table_;
  PasteBounds bounds_{};
  std::vector<float> source_;
  LineVector<float> mixed_;
  RowPair pair_{};
  std::vector<std::uint64_t> sure_, never_;
};

// The pixels and the box of one mask, from the words of its rows.
struct Measure {
  std::int64_t area = 0, x0 = 0, y0 = 0, x1 = 0, y1 = 0;

  void add(const std::uint64_t* row, std::int64_t words, std::int64_t x, std::int64_t y) {
    for (std::int64_t k = 0; k < words; ++k) {
      if (row[k] == 0) continue;
      const std::int64_t left = x + 64 * k + std::countr_zero(row[k]);
      if (area == 0) {
        x0 = left;
        y0 = y;
      }
      area += std::popcount(row[k]);
      x0 = std::min(x0, left);
      x1 = std::max(x1, x + 64 * k + 64 - std::countl_zero(row[k]));
      y1 = y + 1;
    }
  }
  void write(const PasteStatistics& statistics, std::int64_t i) const {
    if (statistics.areas == nullptr) return;
    statistics.areas[i] = area;
    const std::int64_t box[] = {x0, y0, x1, y1};
    std::copy_n(box, 4, statistics.boxes + 4 * i);
  }
};

// The runs of some columns of a mask, with `before` pixels of background ahead of them and `after` behind.
void append_between(const FoundRuns& runs, std::int64_t before, std::int64_t after,
                    std::vector<std::uint32_t>& counts) {
  counts.resize(static_cast<std::size_t>(runs.offsets().back()));
  runs.write(counts.data());
  counts[0] += static_cast<std::uint32_t>(before);
  if (after == 0) return;
  if (counts.size() % 2 == 0) counts.push_back(0);
  counts.back() += static_cast<std::uint32_t>(after);
}

RunLengths joined(const std::vector<std::vector<std::uint32_t>>& masks) {
  RunLengths all;
  all.offsets.push_back(0);
  for (const auto& counts : masks) all.offsets.push_back(all.offsets.back() + static_cast<std::int64_t>(counts.size()));
  all.counts.reserve(static_cast<std::size_t>(all.offsets.back()));
  for (const auto& counts : masks) all.counts.insert(all.counts.end(), counts.begin(), counts.end());
  return all;
}

// Calls body(i, pasting, words) for each mask; `words` is memory that the body may use.
template <class Body>
void for_each_mask(const Image& masks, const float* boxes, const PasteRule& rule, std::int64_t h, std::int64_t w,
                   std::int64_t bytes, const Body& body) {
  parallel_for(masks.n, std::max<std::int64_t>(1, kGrainBytes / std::max<std::int64_t>(1, bytes)),
               [&](std::int64_t begin, std::int64_t end) {
                 Pasting pasting(masks, boxes, rule, h, w);
                 std::vector<std::uint64_t> words;
                 for (std::int64_t i = begin; i < end; ++i) body(i, pasting, words);
               });
}

void paste_packed(const Image& masks, const float* boxes, const PasteRule& rule, const PackedMasks& output,
                  bool is_zero, const PasteStatistics& statistics) {
  const std::int64_t stride = output.words();
  const auto paste_one = [&](std::int64_t i, Pasting& pasting, std::vector<std::uint64_t>&) {
    std::uint64_t* const mask = output.image(i);
    if (!is_zero) std::memset(mask, 0, static_cast<std::size_t>(8 * output.h * stride));
    Measure measure;
    if (pasting.take(i)) {
      const auto place = [&](std::int64_t y) { return mask + y * stride + pasting.first_word(); };
      pasting.paste(stride, place, [&](std::int64_t first, std::int64_t rows, const std::uint64_t* row) {
        if (statistics.areas == nullptr) return;
        for (std::int64_t y = first; y < first + rows; ++y, row += stride) {
          measure.add(row, pasting.words(), pasting.x(), y);
        }
      });
    }
    measure.write(statistics, i);
  };
  for_each_mask(masks, boxes, rule, output.h, output.w, 8 * output.h * stride, paste_one);
}

void paste_dense(const Image& masks, const float* boxes, const PasteRule& rule, const View<std::uint8_t>& output,
                 bool is_zero, const PasteStatistics& statistics) {
  const std::int64_t w = output.w;
  const bool streams = !is_zero && output.size() > kCached;
  const auto unpack = pack_rows().unpack;
  const auto paste_one = [&](std::int64_t i, Pasting& pasting, std::vector<std::uint64_t>& band) {
    std::uint8_t* const mask = output.image(i);
    if (!is_zero && !streams) std::memset(mask, 0, static_cast<std::size_t>(output.image_size()));
    std::vector<std::uint64_t> line_words;
    Streamed stream(mask, output.image_size(), line_words);
    Measure measure;
    if (pasting.take(i)) {
      const std::int64_t words = pasting.words(), x = pasting.x(), width = pasting.width();
      band.resize(static_cast<std::size_t>(kBandRows * words));
      const auto place = [&](std::int64_t) { return band.data(); };
      if (streams) stream.zeros_to(mask + pasting.first_row() * w);
      pasting.paste(words, place, [&](std::int64_t first, std::int64_t rows, const std::uint64_t* row) {
        if (streams) stream.add(row, rows, words, words, x, w);
        for (std::int64_t y = first; y < first + rows; ++y, row += words) {
          if (!streams) unpack(row, 1, width, mask + y * w + x);
          if (statistics.areas != nullptr) measure.add(row, words, x, y);
        }
      });
    }
    if (streams) stream.finish();
    measure.write(statistics, i);
  };
  for_each_mask(masks, boxes, rule, output.h, w, output.image_size(), paste_one);
}

}  // namespace

void paste_masks(const Context&, const Image& masks, const float* boxes, const PasteRule& rule, std::int64_t h,
                 std::int64_t w, const MaskOutput& output, bool output_is_zero, const PasteStatistics& statistics) {
  if (output.packed != nullptr) {
    paste_packed(masks, boxes, rule, {output.packed, masks.n, h, w}, output_is_zero, statistics);
  } else {
    paste_dense(masks, boxes, rule, {output.dense, masks.n, h, w}, output_is_zero, statistics);
  }
}

RunLengths paste_runs(const Context& context, const Image& masks, const float* boxes, const PasteRule& rule,
                      std::int64_t h, std::int64_t w, const PasteStatistics& statistics) {
  std::vector<std::vector<std::uint32_t>> found(static_cast<std::size_t>(masks.n));
  const auto paste_one = [&](std::int64_t i, Pasting& pasting, std::vector<std::uint64_t>& canvas) {
    auto& counts = found[static_cast<std::size_t>(i)];
    Measure measure;
    if (h * w == 0) {
      // A mask without pixels has no runs.
    } else if (!pasting.take(i)) {
      counts.push_back(static_cast<std::uint32_t>(h * w));
    } else {
      const std::int64_t stride = pasting.words();
      canvas.assign(static_cast<std::size_t>(h * stride), 0);
      const auto place = [&](std::int64_t y) { return canvas.data() + y * stride; };
      pasting.paste(stride, place, [&](std::int64_t first, std::int64_t rows, const std::uint64_t* row) {
        if (statistics.areas == nullptr) return;
        for (std::int64_t y = first; y < first + rows; ++y, row += stride) measure.add(row, stride, pasting.x(), y);
      });
      const FoundRuns runs = rle_encode(context, ConstPackedMasks{canvas.data(), 1, h, pasting.width()});
      append_between(runs, pasting.x() * h, (w - pasting.x() - pasting.width()) * h, counts);
    }
    measure.write(statistics, i);
  };
  for_each_mask(masks, boxes, rule, h, w, h * ((w + 63) / 64) * 8, paste_one);
  return joined(found);
}

}  // namespace rapidmask::cpu
