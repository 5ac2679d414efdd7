// COCO's overlaps of run lengths, for the many calls with few masks that an evaluation makes.

#include "rapidmask/coco.hpp"

#include <algorithm>

#include "isa/overlap_rows.hpp"
#include "parallel.hpp"
#include "rapidmask/overlap.hpp"

namespace rapidmask::cpu {
namespace {

// Some masks as bits of the columns of their boxes: word k of a column has the pixels of rows 64·k to 64·k + 63 of the
// image, so that those of any two masks lie alike.
class DrawnMasks {
 public:
  struct Mask {
    std::int64_t h, w;
    std::int64_t x0, y0, x1, y1, area;
    std::size_t begin;  // of its words

    std::int64_t first_word() const { return y0 / 64; }
    std::int64_t end_word() const { return (y1 + 63) / 64; }
    std::int64_t column_words() const { return end_word() - first_word(); }
    bool meets(const Mask& other) const { return x0 < other.x1 && other.x0 < x1 && y0 < other.y1 && other.y0 < y1; }
  };

  explicit DrawnMasks(const std::vector<CocoMask>& masks) {
    masks_.reserve(masks.size());
    std::size_t words = 0;
    for (const CocoMask& mask : masks) {
      const std::int64_t offsets[2]{0, mask.count};
      std::int64_t box[4];
      rle_boxes({}, {mask.counts, offsets, 1, mask.h, mask.w}, box);
      masks_.push_back({mask.h, mask.w, box[0], box[1], box[2], box[3], mask.area, words});
      words += static_cast<std::size_t>((box[2] - box[0]) * masks_.back().column_words());
    }
    words_.resize(words);
    for (std::size_t i = 0; i < masks.size(); ++i) draw(masks[i], masks_[i]);
  }

  const std::vector<Mask>& masks() const { return masks_; }

  // The pixels that two masks of one size share, whose boxes meet.
  static std::int64_t shared(const DrawnMasks& of_a, const Mask& a, const DrawnMasks& of_b, const Mask& b) {
    const std::int64_t x0 = std::max(a.x0, b.x0), x1 = std::min(a.x1, b.x1);
    const std::int64_t k0 = std::max(a.first_word(), b.first_word()), k1 = std::min(a.end_word(), b.end_word());
    return overlap_rows().count_shared(of_a.word(a, x0, k0), a.column_words(), of_b.word(b, x0, k0), b.column_words(),
                                       x1 - x0, k1 - k0);
  }

 private:
  const std::uint64_t* word(const Mask& mask, std::int64_t x, std::int64_t k) const {
    return words_.data() + mask.begin +
           static_cast<std::size_t>((x - mask.x0) * mask.column_words() + k - mask.first_word());
  }

  void draw(const CocoMask& runs, const Mask& mask) {
    const std::int64_t first_word = mask.first_word(), column_words = mask.column_words();
    std::uint64_t* column = words_.data() + mask.begin;
    std::int64_t above = mask.x0 * runs.h;  // pixels before the column
    std::int64_t position = 0;
    for (std::int64_t k = 1; k < runs.count; k += 2) {
      position += runs.counts[k - 1];
      const std::int64_t end = position + runs.counts[k];
      while (position < end) {
        for (; position - above >= runs.h; above += runs.h) column += column_words;
        const std::int64_t stop = std::min(end - above, runs.h);
        set_rows(column - first_word, static_cast<std::uint64_t>(position - above), static_cast<std::uint64_t>(stop));
        position = above + stop;
      }
    }
  }

  // Rows [y0, y1), not empty and not yet set, of a column whose first word would be of row 0.
  static void set_rows(std::uint64_t* column, std::uint64_t y0, std::uint64_t y1) {
    const std::uint64_t first = y0 / 64, last = (y1 - 1) / 64;
    const std::uint64_t head = ~std::uint64_t{0} << (y0 % 64), tail = ~std::uint64_t{0} >> (63 - (y1 - 1) % 64);
    if (first == last) {
      column[first] |= head & tail;
      return;
    }
    column[first] |= head;
    // By ^ because what compilers make of = is a call, which costs more than a word or two.
    for (std::uint64_t k = first + 1; k < last; ++k) column[k] ^= ~std::uint64_t{0};
    column[last] |= tail;
  }

  std::vector<Mask> masks_;
  std::vector<std::uint64_t> words_;
};

}  // namespace

void coco_iou(const std::vector<CocoMask>& detections, const std::vector<CocoMask>& truths,
              std::span<const std::uint8_t> iscrowd, double* overlaps) {
  const DrawnMasks found(detections), expected(truths);
  for (std::size_t j = 0; j < truths.size(); ++j) {
    const auto& truth = expected.masks()[j];
    for (const auto& detection : found.masks()) {
      double& overlap = *overlaps++;
      overlap = 0;
      if (!detection.meets(truth)) continue;
      if (detection.h != truth.h || detection.w != truth.w) {
        overlap = -1;
        continue;
      }
      const std::int64_t common = DrawnMasks::shared(found, detection, expected, truth);
      overlap = overlap_of(OverlapMetric::iou, common, detection.area, truth.area, iscrowd[j] != 0);
    }
  }
}

void coco_ious(const char* function, std::span<const CocoPairs> pairs) {
  constexpr std::int64_t kGrain = 8;
  parallel_for(static_cast<std::int64_t>(pairs.size()), kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const CocoPairs& some = pairs[static_cast<std::size_t>(i)];
      CocoMasks detections(function, some.detections), truths(function, some.truths);
      detections.check();
      truths.check();
      coco_iou(detections.masks(), truths.masks(), some.iscrowd, some.overlaps);
    }
  });
}

void coco_measure(const char* function, std::span<const CocoText> texts, std::uint32_t* areas, double* boxes) {
  constexpr std::int64_t kGrain = 32;
  parallel_for(static_cast<std::int64_t>(texts.size()), kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      CocoMasks read(function, texts.subspan(static_cast<std::size_t>(i), 1));
      read.check();
      areas[i] = static_cast<std::uint32_t>(read.masks()[0].area);
      coco_box(read.masks()[0], boxes + 4 * i);
    }
  });
}

}  // namespace rapidmask::cpu
