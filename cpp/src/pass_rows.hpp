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
  static constexpr std::int64_t kMostRows = 16;  // of a block

  struct Step {
    MorphologyStep loop;
    bool starts;  // a chain
  };

  const MorphologyPass* pass;
  std::int64_t d, h, words;
  std::uint64_t tail;
  std::int64_t block;      // output rows that go through the steps together
  std::int64_t low, high;  // distances to the first and the last row that a row reads
  std::int64_t window;     // rows that a block may read of a plane
  std::int64_t guard = 0;  // words beside a row that its shifts reach
  std::vector<MorphologySpan> spans;
  std::vector<Step> steps;

  PassLayout(const MorphologyPass& of, const Masks& masks, std::int64_t block_rows)
      : pass(&of), d(masks.d), h(masks.h), words(masks.words()), tail(tail_mask(masks.w)), block(block_rows) {
    const FootprintPlan& plan = of.plan;
    low = plan.z_low * h + plan.y_low;
    high = plan.z_high * h + plan.y_high;
    window = plan.y_high - plan.y_low + block;
    spans.reserve(plan.spans.size());  // steps point into it
    bool written = false;
    for (const FootprintStep& step : plan.steps) {
      add_step(step);
      steps.back().loop.accumulates = step.ends && written;  // a chain but the first
      written = written || step.ends;
    }
  }

  std::int64_t planes() const { return pass->plan.z_high - pass->plan.z_low + 1; }

 private:
  MorphologyStep& add_loop(MorphologyStep::Kind kind, bool starts, bool ends, std::int64_t spans_begin,
                           std::int64_t spans_end) {
    MorphologyStep& loop = steps.emplace_back(Step{{}, starts}).loop;
    loop.kind = kind;
    loop.words = words;
    loop.tail = tail;
    loop.outside = pass->outside ? ~std::uint64_t{0} : 0;
    loop.ends = ends;
    loop.spans = spans.data() + spans.size();
    loop.span_count = spans_end - spans_begin;
    for (std::int64_t i = spans_begin; i < spans_end; ++i) {
      const RowSpan& span = pass->plan.spans[static_cast<std::size_t>(i)];
      spans.push_back({(span.z - pass->plan.z_low) * window + span.y - pass->plan.y_low, span.length});
    }
    return loop;
  }

  void add_step(const FootprintStep& step) {
    const bool widens = step.kind == FootprintStep::widen;
    const bool near = step.left < 64 && step.right < 64;
    if (near) {
      const auto kind = step.kind == FootprintStep::none ? MorphologyStep::join
                        : widens                         ? MorphologyStep::widen
                        : step.left > 0                  ? MorphologyStep::left
                                                         : MorphologyStep::right;
      MorphologyStep& loop = add_loop(kind, step.starts, step.ends, step.spans_begin, step.spans_end);
      loop.left_bits = step.left;
      loop.right_bits = step.right;
      return;
    }
    if (step.spans_end > step.spans_begin) {
      add_loop(MorphologyStep::join, step.starts, false, step.spans_begin, step.spans_end);
    }
    MorphologyStep& loop =
        add_loop(widens ? MorphologyStep::widen_far : MorphologyStep::right_far, false, step.ends, 0, 0);
    loop.left_words = step.left / 64;
    loop.left_bits = step.left % 64;
    loop.right_words = step.right / 64;
    loop.right_bits = step.right % 64;
    if (!widens && step.left > 0) {
      loop.right_words = -((step.left + 63) / 64);
      loop.right_bits = -step.left - 64 * loop.right_words;
    }
    guard = std::max({guard, loop.left_words + 1, loop.right_words + 1, -loop.right_words});
  }
};

// What a thread needs to run passes: rows between two steps, and a row that lies outside of a mask.
class PassRunner {
 public:
  PassRunner(const std::vector<PassLayout>& layouts, std::int64_t words) : loops_(morphology_rows()) {
    std::int64_t guard = 0, table = 0;
    std::array<bool, 2> used{};
    for (const PassLayout& layout : layouts) {
      block_ = layout.block;
      guard = std::max(guard, layout.guard);
      table = std::max(table, layout.planes() * layout.window);
      used[layout.pass->outside ? 1 : 0] = true;
    }
    guard_ = (guard + 7) / 8 * 8;
    stride_ = 2 * guard_ + (words + 7) / 8 * 8;
    table_.resize(to_index(table));
    for (int outside = 0; outside < 2; ++outside) {
      if (!used[to_index(outside)]) continue;
      WordBuffer& buffer = rows_[to_index(outside)];
      buffer = WordBuffer((2 * block_ + 1) * stride_);
      // The guards, and the row that lies outside.
      const std::int64_t filled = guard_ > 0 ? 0 : 2 * block_;
      std::fill(buffer.data() + filled * stride_, buffer.data() + (2 * block_ + 1) * stride_,
                outside == 1 ? ~std::uint64_t{0} : 0);
    }
  }

  // Rows begin to end of a volume; all rows that they read are in `from`.
  void run(const PassLayout& layout, const RowStream& from, const RowStream& to, std::int64_t begin, std::int64_t end) {
    const FootprintPlan& plan = layout.pass->plan;
    for (std::int64_t row = begin; row < end;) {
      const std::int64_t z = row / layout.h, y = row % layout.h;
      const std::int64_t rows = std::min(end, (z + 1) * layout.h) - row;  // of this plane
      std::int64_t decided = 0, computed = rows;
      if (plan.constant) {
        decided = rows;
        computed = 0;
      } else if (layout.pass->absorbing()) {
        const bool whole_plane = z + plan.z_low < 0 || z + plan.z_high >= layout.d;
        decided = whole_plane ? rows : std::clamp<std::int64_t>(-plan.y_low - y, 0, rows);
        computed = std::clamp<std::int64_t>(layout.h - plan.y_high - y - decided, 0, rows - decided);
      }
      const bool value = plan.constant ? plan.value : layout.pass->outside;
      for (std::int64_t i = 0; i < decided; ++i) fill(layout, value, to.row(row + i));
      for (std::int64_t i = decided; i < decided + computed; i += block_) {
        compute(layout, from, to, row + i, std::min(block_, decided + computed - i));
      }
      for (std::int64_t i = decided + computed; i < rows; ++i) fill(layout, value, to.row(row + i));
      row += rows;
    }
  }

 private:
  static std::size_t to_index(std::int64_t i) { return static_cast<std::size_t>(i); }

  static void fill(const PassLayout& layout, bool value, std::uint64_t* row) {
    std::fill_n(row, layout.words, value ? ~std::uint64_t{0} : 0);
    if (value) row[layout.words - 1] = layout.tail;
  }

  // Some rows from `row` on, of one plane.
  void compute(const PassLayout& layout, const RowStream& from, const RowStream& to, std::int64_t row,
               std::int64_t count) {
    std::uint64_t* const buffers = rows_[layout.pass->outside ? 1 : 0].data();
    from.prefetch<0>(row + layout.high + block_, count);
    to.prefetch<1>(row + block_, count);
    find_rows(layout, from, row, count, buffers + 2 * block_ * stride_);
    for (std::int64_t j = 0; j < count; ++j) result_[to_index(j)] = to.row(row + j);
    const auto do_step = layout.pass->erodes ? loops_.erode : loops_.dilate;
    std::uint64_t *x = buffers + guard_, *next = x + block_ * stride_;
    for (const PassLayout::Step& step : layout.steps) {
      MorphologyStep loop = step.loop;
      if (!step.loop.ends) {
        for (std::int64_t j = 0; j < count; ++j) between_[to_index(j)] = next + j * stride_;
      }
      loop.x = step.starts ? nullptr : x;
      loop.x_stride = stride_;
      loop.rows = table_.data();
      loop.out = step.loop.ends ? result_.data() : between_.data();
      loop.count = count;
      do_step(loop);
      std::swap(x, next);
    }
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

  const MorphologyRows& loops_;
  std::int64_t guard_, stride_, block_ = 1;
  std::vector<const std::uint64_t*> table_;
  std::array<std::uint64_t*, PassLayout::kMostRows> result_, between_;
  std::array<WordBuffer, 2> rows_;  // for zeros and for ones outside: two blocks of rows with guards, and one row
};

}  // namespace rapidmask::cpu
