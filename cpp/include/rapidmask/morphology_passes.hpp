// An operation as dilations and erosions by planned footprints, one after the other.
//
// Iterations are merged where that changes nothing at any border: k times a box is a box, k times the ball of radius r
// in steps along the axes (a cross of 3 has r = 1) is the ball of radius kr. In both, offsets add up so that a path to
// any source can go through the mask step by step, and no step leads back from outside. Other footprints are repeated.
// Tall boxes are cut again: into passes of at most kTallest rows, and planes apart from rows where that is cheaper.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <utility>
#include <vector>

#include "rapidmask/footprint.hpp"
#include "rapidmask/morphology.hpp"

namespace rapidmask {

// A dilation or an erosion that is done `times` times in a row.
struct MorphologyPass {
  bool erodes, outside;
  FootprintPlan plan;
  std::int64_t times;

  // The value outside decides the join.
  bool absorbing() const { return erodes != outside; }
};

// The result is the mask that `passes` make of the input, or with `minus_input` ("white" and inner) and so on:
//   none         passes(m)
//   from_input   m & ~passes(m)
//   input_from   passes(m) & ~m
//   from_passes  passes(m) & ~subtracted(m)
struct MorphologyPasses {
  enum Difference : std::uint8_t { none, from_input, input_from, from_passes };
  Difference difference = none;
  std::vector<MorphologyPass> passes, subtracted;
};

namespace detail {

constexpr std::int64_t kTallest = 128;
constexpr std::int64_t kLargestBall = 63;             // radius, in steps along the axes
constexpr std::int64_t kFar = std::int64_t{1} << 41;  // beyond any mask

struct Range {
  std::int64_t low, high;
  std::int64_t length() const { return high - low + 1; }
};

// k times the offset, no farther than matters.
inline std::int64_t times_offset(std::int64_t offset, std::int64_t k) {
  if (offset == 0) return 0;
  return k > kFar / std::abs(offset) ? (offset > 0 ? kFar : -kFar) : k * offset;
}

// The runs of T: the footprint's offsets for an erosion, their negatives for a dilation.
inline std::vector<FootprintRun> footprint_runs(const Footprint& footprint, bool erodes) {
  std::vector<FootprintRun> runs;
  const std::int64_t sign = erodes ? 1 : -1;
  const std::uint8_t* row = footprint.elements;
  for (std::int64_t z = 0; z < footprint.d; ++z) {
    for (std::int64_t y = 0; y < footprint.h; ++y, row += footprint.w) {
      for (std::int64_t x = 0; x < footprint.w; ++x) {
        if (row[x] == 0) continue;
        const std::int64_t begin = x;
        while (x + 1 < footprint.w && row[x + 1] != 0) ++x;
        const std::int64_t first = begin - footprint.w / 2, last = x - footprint.w / 2;
        runs.push_back({sign * (z - footprint.d / 2), sign * (y - footprint.h / 2), erodes ? first : -last,
                        erodes ? last : -first});
      }
    }
  }
  return runs;
}

struct Box {
  Range z, y, x;
};

inline std::optional<Box> as_box(const std::vector<FootprintRun>& runs) {
  if (runs.empty()) return std::nullopt;
  Box box{{runs[0].z, runs[0].z}, {runs[0].y, runs[0].y}, {runs[0].first, runs[0].last}};
  for (const FootprintRun& run : runs) {
    if (!same_columns(run, runs[0])) return std::nullopt;
    box.z = {std::min(box.z.low, run.z), std::max(box.z.high, run.z)};
    box.y = {std::min(box.y.low, run.y), std::max(box.y.high, run.y)};
  }
  const bool full = static_cast<std::int64_t>(runs.size()) == box.z.length() * box.y.length();
  return full ? std::optional(box) : std::nullopt;
}

// The radius, if the runs are the ball |z| + |y| + |x| <= r of the plane or of space, and r > 0.
inline std::optional<std::int64_t> as_ball(const std::vector<FootprintRun>& runs) {
  std::int64_t radius = 0;
  bool flat = true;
  for (const FootprintRun& run : runs) {
    radius = std::max(radius, run.last);
    flat = flat && run.z == 0;
  }
  for (const FootprintRun& run : runs) {
    const std::int64_t left = radius - std::abs(run.z) - std::abs(run.y);
    if (left < 0 || run.first != -left || run.last != left) return std::nullopt;
  }
  const std::int64_t rows = flat ? 2 * radius + 1 : 2 * radius * (radius + 1) + 1;
  return radius > 0 && static_cast<std::int64_t>(runs.size()) == rows ? std::optional(radius) : std::nullopt;
}

inline std::vector<FootprintRun> box_runs(const Box& box) {
  std::vector<FootprintRun> runs;
  for (std::int64_t z = box.z.low; z <= box.z.high; ++z)
    for (std::int64_t y = box.y.low; y <= box.y.high; ++y) runs.push_back({z, y, box.x.low, box.x.high});
  return runs;
}

inline std::vector<FootprintRun> ball_runs(std::int64_t radius, bool flat) {
  std::vector<FootprintRun> runs;
  for (std::int64_t z = flat ? 0 : -radius; z <= (flat ? 0 : radius); ++z) {
    const std::int64_t rows = radius - std::abs(z);
    for (std::int64_t y = -rows; y <= rows; ++y) {
      const std::int64_t columns = rows - std::abs(y);
      runs.push_back({z, y, -columns, columns});
    }
  }
  return runs;
}

// Ranges of at most `most` that add up to one, with ends of the same signs.
inline std::vector<Range> cut(Range range, std::int64_t most) {
  const std::int64_t parts = std::max<std::int64_t>(1, (range.length() - 2) / (most - 1) + 1);
  std::vector<Range> cuts;
  for (std::int64_t i = 0; i < parts; ++i) {
    const auto part = [&](std::int64_t end) { return (end * (i + 1)) / parts - (end * i) / parts; };
    cuts.push_back({part(range.low), part(range.high)});
  }
  return cuts;
}

struct MaskSize {
  std::int64_t d, h, w;
};

class PassBuilder {
 public:
  PassBuilder(const MaskSize& size, bool erodes, bool outside, std::vector<MorphologyPass>& passes)
      : size_(size), erodes_(erodes), outside_(outside), passes_(passes) {}

  void repeat(const Footprint& footprint, std::int64_t times) {
    if (times == 0) return;
    std::vector<FootprintRun> runs = footprint_runs(footprint, erodes_);
    if (const auto box = as_box(runs)) {
      add_box(*box, times);
    } else if (const auto radius = times == 1 ? std::nullopt : as_ball(runs)) {
      const bool flat = runs.front().z == 0;
      const std::int64_t whole = std::min(*radius > kFar / times ? kFar : *radius * times, size_.d + size_.h + size_.w);
      const std::int64_t count = whole / kLargestBall;
      add(ball_runs(std::min(whole, kLargestBall), flat), count);
      add(ball_runs(whole % kLargestBall, flat), whole % kLargestBall == 0 ? 0 : 1);
    } else {
      add(std::move(runs), times);
    }
  }

 private:
  void add(std::vector<FootprintRun> runs, std::int64_t times) {
    if (times == 0) return;
    FootprintPlan plan = plan_footprint(std::move(runs), size_.d, size_.h, size_.w, erodes_, erodes_ != outside_);
    passes_.push_back({erodes_, outside_, std::move(plan), times});
  }

  // Beyond the mask's size one offset is as good as another.
  Range grown(Range range, std::int64_t times, std::int64_t extent) const {
    return {std::clamp(times_offset(range.low, times), -extent, extent),
            std::clamp(times_offset(range.high, times), -extent, extent)};
  }

  void add_box(const Box& box, std::int64_t times) {
    const Range z = grown(box.z, times, size_.d), y = grown(box.y, times, size_.h), x = grown(box.x, times, size_.w);
    // Loads per row of words: eight rows share those of a span, but planes share nothing.
    const std::int64_t together = z.length() * (y.length() + 7), apart = y.length() + 7 + 8 * (z.length() + 2);
    if (y.length() <= kTallest && together <= apart) return add(box_runs({z, y, x}), 1);
    bool first = true;
    for (const Range& part : cut(y, kTallest)) {
      add(box_runs({{0, 0}, part, first ? x : Range{0, 0}}), 1);
      first = false;
    }
    if (z.low == 0 && z.high == 0) return;
    for (const Range& part : cut(z, kTallest)) add(box_runs({part, {0, 0}, {0, 0}}), 1);
  }

  MaskSize size_;
  bool erodes_, outside_;
  std::vector<MorphologyPass>& passes_;
};

}  // namespace detail

// The passes of an operation on masks of d by h by w pixels, none of them 0.
inline MorphologyPasses plan_morphology(const MorphologySettings& settings, std::int64_t d, std::int64_t h,
                                        std::int64_t w) {
  MorphologyPasses plan;
  const auto add = [&](bool erodes, std::vector<MorphologyPass>& passes) {
    detail::PassBuilder({d, h, w}, erodes, outside_value(settings.border, erodes), passes)
        .repeat(settings.footprint, settings.iterations);
  };
  switch (settings.operation) {
    case Morphology::dilate: add(false, plan.passes); break;
    case Morphology::erode: add(true, plan.passes); break;
    case Morphology::opening:
    case Morphology::white_tophat:
      add(true, plan.passes);
      add(false, plan.passes);
      break;
    case Morphology::closing:
    case Morphology::black_tophat:
      add(false, plan.passes);
      add(true, plan.passes);
      break;
    case Morphology::gradient:
      add(false, plan.passes);
      add(true, plan.subtracted);
      break;
    case Morphology::boundary: add(true, plan.passes); break;
  }
  switch (settings.operation) {
    case Morphology::white_tophat:
    case Morphology::boundary: plan.difference = MorphologyPasses::from_input; break;
    case Morphology::black_tophat: plan.difference = MorphologyPasses::input_from; break;
    case Morphology::gradient: plan.difference = MorphologyPasses::from_passes; break;
    default: break;
  }
  return plan;
}

}  // namespace rapidmask
