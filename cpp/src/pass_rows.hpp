// One dilation or erosion, from rows of one stream to rows of another, in the steps of its footprint's plan.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "isa/morphology_rows.hpp"
#include "rapidmask/morphology_passes.hpp"
#include "row_stream.hpp"

namespace rapidmask::cpu {

// A pass with its plan in the form of the row loops, made once for all threads.
struct PassLayout {
  struct Step {
    MorphologyStep loop;
    bool ends;  // the result is written
  };

  const MorphologyPass* pass;
  std::int64_t d, h, words;
  std::uint64_t tail;
  std::int64_t low, high;  // distances to the first and the last row that a row reads
  std::int64_t window;     // rows that a block of output rows may read of a plane
  std::int64_t guard = 0;  // words beside a row that its shifts reach
  std::vector<MorphologySpan> spans;
  std::vector<Step> steps;

  PassLayout(const MorphologyPass& of, const Masks& masks)
      : pass(&of), d(masks.d), h(masks.h), words(masks.words()), tail(tail_mask(masks.w)) {
    const FootprintPlan& plan = of.plan;
    low = plan.z_low * h + plan.y_low;
    high = plan.z_high * h + plan.y_high;
    window = plan.y_high - plan.y_low + kMaxMorphologyBlock;
    spans.reserve(plan.spans.size() + plan.steps.size());  // steps point into it
    bool written = false;
    for (const FootprintStep& step : plan.steps) {
      steps.push_back({loop_of(step, written), step.ends});
      written = written || step.ends;
    }
  }

  std::int64_t planes() const { return pass->plan.z_high - pass->plan.z_low + 1; }
  std::int64_t window_rows() const { return planes() * window; }
  std::uint64_t neutral() const { return pass->erodes ? ~std::uint64_t{0} : 0; }

 private:
  MorphologyStep loop_of(const FootprintStep& step, bool joins_result) {
    MorphologyStep loop{};
    loop.words = words;
    if (step.kind == FootprintStep::start) loop.kind = MorphologyStep::start;
    if (step.kind == FootprintStep::widen) {
      loop.kind = MorphologyStep::widen;
      loop.left_words = step.left / 64;
      loop.left_bits = step.left % 64;
      loop.right_words = step.right / 64;
      loop.right_bits = step.right % 64;
    }
    if (step.kind == FootprintStep::move) {
      loop.kind = MorphologyStep::move;
      loop.right_words = step.right > 0 ? step.right / 64 : -((step.left + 63) / 64);
      loop.right_bits = step.right - step.left - 64 * loop.right_words;
    }
    guard = std::max({guard, loop.left_words + 1, loop.right_words + 1, -loop.right_words});
    loop.spans = spans.data() + spans.size();
    for (std::int64_t i = step.spans_begin; i < step.spans_end; ++i) {
      const RowSpan& span = pass->plan.spans[static_cast<std::size_t>(i)];
      spans.push_back({(span.z - pass->plan.z_low) * window + span.y - pass->plan.y_low, span.length});
    }
    if (step.ends && joins_result) spans.push_back({window_rows(), 1});
    loop.span_count = spans.data() + spans.size() - loop.spans;
    return loop;
  }
};

// What a thread needs to run passes: rows between two steps, and rows that lie outside of a mask.
class PassRunner {
 public:
  PassRunner(const std::vector<PassLayout>& layouts, std::int64_t words) : loops_(morphology_rows()) {
    std::int64_t guard = 0, table = 0;
    std::array<bool, 2> used{};
    for (const PassLayout& layout : layouts) {
      guard = std::max(guard, layout.guard);
      table = std::max(table, layout.window_rows() + kMaxMorphologyBlock);
      used[layout.pass->outside ? 1 : 0] = true;
    }
    guard_ = (guard + 7) / 8 * 8;
    stride_ = 2 * guard_ + (words + 7) / 8 * 8 + 8;
    table_.resize(static_cast<std::size_t>(table));
    const std::int64_t rows = 2 * kMaxMorphologyBlock + 1;
    for (int outside = 0; outside < 2; ++outside) {
      if (!used[static_cast<std::size_t>(outside)]) continue;
      WordBuffer& buffer = rows_[static_cast<std::size_t>(outside)];
      buffer = WordBuffer(rows * stride_);
      std::fill_n(buffer.data(), rows * stride_, outside == 1 ? ~std::uint64_t{0} : 0);
    }
  }

  // Rows begin to end of a volume; all rows that they read are in `from`.
  void run(const PassLayout& layout, const RowStream& from, const RowStream& to, std::int64_t begin, std::int64_t end) {
    const FootprintPlan& plan = layout.pass->plan;
    for (std::int64_t row = begin; row < end;) {
      const std::int64_t z = row / layout.h, y = row % layout.h;
      const std::int64_t last = std::min(end, (z + 1) * layout.h);  // of this plane
      std::int64_t decided = 0, computed = last - row;
      if (plan.constant) {
        decided = last - row;
      } else if (layout.pass->absorbing()) {
        const bool plane_decided = z + plan.z_low < 0 || z + plan.z_high >= layout.d;
        decided = plane_decided ? last - row : std::clamp<std::int64_t>(-plan.y_low - y, 0, last - row);
        computed = std::clamp<std::int64_t>(layout.h - plan.y_high - y - decided, 0, last - row - decided);
      }
      const bool value = plan.constant ? plan.value : layout.pass->outside;
      for (std::int64_t i = 0; i < decided; ++i, ++row) fill(layout, value, to.row(row));
      if (plan.constant) continue;
      for (const std::int64_t stop = row + computed; row < stop;) row += block(layout, from, to, row, stop);
      for (; row < last; ++row) fill(layout, value, to.row(row));
    }
  }

 private:
  static void fill(const PassLayout& layout, bool value, std::uint64_t* row) {
    std::fill_n(row, layout.words, value ? ~std::uint64_t{0} : 0);
    if (value) row[layout.words - 1] = layout.tail;
  }
  // Computes rows from `row` on, of one plane, and returns how many.
  std::int64_t block(const PassLayout& layout, const RowStream& from, const RowStream& to, std::int64_t row,
                     std::int64_t stop) {
    const std::int64_t rows = stop - row >= loops_.block ? loops_.block : 1;
    const bool outside = layout.pass->outside;
    std::uint64_t* const buffers = rows_[outside ? 1 : 0].data();
    find_rows(layout, from, row, rows, buffers + 2 * kMaxMorphologyBlock * stride_);
    std::array<std::uint64_t*, kMaxMorphologyBlock> result, between;
    for (std::int64_t j = 0; j < rows; ++j) {
      result[to_index(j)] = to.row(row + j);
      table_[to_index(layout.window_rows() + j)] = result[to_index(j)];
    }
    const auto do_step = layout.pass->erodes ? (rows > 1 ? loops_.erode_block : loops_.erode_row)
                                             : (rows > 1 ? loops_.dilate_block : loops_.dilate_row);
    std::int64_t x = guard_, next = guard_ + kMaxMorphologyBlock * stride_;
    for (const PassLayout::Step& step : layout.steps) {
      MorphologyStep loop = step.loop;
      for (std::int64_t j = 0; j < rows; ++j) between[to_index(j)] = buffers + next + j * stride_;
      loop.x = buffers + x;
      loop.x_stride = stride_;
      loop.rows = table_.data();
      loop.out = step.ends ? result.data() : between.data();
      loop.keep = step.ends ? layout.tail : ~std::uint64_t{0};
      loop.fill = !step.ends && outside ? ~layout.tail : 0;
      do_step(loop);
      std::swap(x, next);
    }
    return rows;
  }

  // The rows that a block may read, of each plane; the one given for those outside of the mask.
  void find_rows(const PassLayout& layout, const RowStream& from, std::int64_t row, std::int64_t rows,
                 const std::uint64_t* outside) {
    const FootprintPlan& plan = layout.pass->plan;
    const std::int64_t z = row / layout.h, y = row % layout.h;
    const std::int64_t count = plan.y_high - plan.y_low + rows;
    for (std::int64_t plane = 0; plane < layout.planes(); ++plane) {
      const std::uint64_t** const found = table_.data() + plane * layout.window;
      const std::int64_t from_z = z + plan.z_low + plane, from_y = y + plan.y_low;
      const bool inside = from_z >= 0 && from_z < layout.d;
      const std::int64_t first = inside ? std::clamp<std::int64_t>(-from_y, 0, count) : count;
      const std::int64_t last = inside ? std::clamp<std::int64_t>(layout.h - from_y, first, count) : count;
      const std::int64_t at = from_z * layout.h + from_y;
      for (std::int64_t i = 0; i < first; ++i) found[i] = outside;
      for (std::int64_t i = first; i < last; ++i) found[i] = from.row(at + i);
      for (std::int64_t i = last; i < count; ++i) found[i] = outside;
    }
  }

  static std::size_t to_index(std::int64_t i) { return static_cast<std::size_t>(i); }

  const MorphologyRows& loops_;
  std::int64_t guard_, stride_;
  std::vector<const std::uint64_t*> table_;
  std::array<WordBuffer, 2> rows_;  // for zeros and for ones outside: two blocks of rows with guards, and one row
};

}  // namespace rapidmask::cpu
