// How a dilation or an erosion by any footprint is computed on rows of words.
//
// Both are out(p) = join of in(p + t) over a set T of offsets, join being OR or AND, T the footprint's offsets or their
// negatives. A row of T is cut into runs of columns; all rows with the same run [a, b] form a group, so that
//   out = join over groups of H[a, b](V), V the join of the group's rows, H[a, b](X)(x) = join of X(x + t), a <= t <=
//   b.
// Groups whose runs contain one another are chained from the longest to the shortest, where the widening is shared:
//   H[a, b](V) | H[c, d](V') = H[c, d](V' | H[a - c, b - d](V))      for a <= c, d <= b (Horner's rule).
// A rectangle is one group, a disk a chain of as many as it has different widths, any footprint a few chains. Each
// widening is made of steps that join a row with itself moved to the left and to the right, by at most doubling.
//
// No step finds beyond the border what a step before it would have put there, so all widenings must contain the offset
// 0: a path from a pixel to a source inside of the mask can then be walked inside of it, and one to a source outside
// meets the outside's value at the border. Runs that do not contain 0 are widened from their end that is nearest to 0
// and moved; only those with the same such end are chained.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "rapidmask/morphology.hpp"

namespace rapidmask {

// Offsets t of one row of T: (z, y, first) to (z, y, last).
struct FootprintRun {
  std::int64_t z, y, first, last;
};

// Rows y to y + length - 1 of plane z, relative to the row that is computed.
struct RowSpan {
  std::int64_t z, y, length;
};

// X = moved or widened (X joined with the rows of the spans); X is neutral where a chain starts, and joined to the
// result where it ends.
struct FootprintStep {
  enum Kind : std::uint8_t {
    none,   // neither moved nor widened
    widen,  // X(x) = join of X(x - left), X(x), X(x + right)
    move,   // X(x) = X(x + right - left), one of them 0
  };
  Kind kind;
  std::int64_t left, right;
  bool starts = false, ends = false;
  std::int64_t spans_begin = 0, spans_end = 0;
};

struct FootprintPlan {
  bool constant = false;  // every pixel of the result is `value`
  bool value = false;
  std::vector<FootprintStep> steps;
  std::vector<RowSpan> spans;
  std::int64_t z_low = 0, z_high = 0, y_low = 0, y_high = 0;  // the reach of the spans
};

namespace detail {

inline bool same_columns(const FootprintRun& a, const FootprintRun& b) {
  return a.first == b.first && a.last == b.last;
}

// Wide runs before narrow ones, and rows of one group in order.
inline bool in_plan_order(const FootprintRun& a, const FootprintRun& b) {
  const std::int64_t width_a = a.last - a.first, width_b = b.last - b.first;
  if (width_a != width_b) return width_a > width_b;
  if (a.first != b.first) return a.first < b.first;
  return a.z != b.z ? a.z < b.z : a.y < b.y;
}

// Steps from the window [0, 0] to [-left, right], both at least 0. Each side doubles by itself, so that no step goes
// further than the source that it is for, which may be the last before the border.
inline void add_widening(std::vector<FootprintStep>& steps, std::int64_t left, std::int64_t right) {
  for (std::int64_t from = 0, to = 0; from < left || to < right;) {
    const std::int64_t by_left = std::min(left - from, from + 1), by_right = std::min(right - to, to + 1);
    steps.push_back({FootprintStep::widen, by_left, by_right});
    from += by_left;
    to += by_right;
  }
}

// A set of rows with the same run.
struct RunGroup {
  std::int64_t first, last;
  std::int64_t spans_begin, spans_end;

  std::int64_t width() const { return last - first; }
  std::int64_t nearest() const { return first > 0 ? first : last < 0 ? last : 0; }  // to 0
  bool can_follow(const RunGroup& wide) const {
    return wide.first <= first && last <= wide.last && wide.nearest() == nearest();
  }
};

inline std::vector<RunGroup> group_runs(const std::vector<FootprintRun>& runs, std::vector<RowSpan>& spans) {
  std::vector<RunGroup> groups;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const FootprintRun& run = runs[i];
    const bool continues = i > 0 && same_columns(runs[i - 1], run);
    if (continues && runs[i - 1].z == run.z && runs[i - 1].y == run.y) continue;  // clamped onto each other
    if (!continues) {
      const auto at = static_cast<std::int64_t>(spans.size());
      groups.push_back({run.first, run.last, at, at});
    }
    if (continues && spans.back().z == run.z && spans.back().y + spans.back().length == run.y) {
      ++spans.back().length;
    } else {
      spans.push_back({run.z, run.y, 1});
      ++groups.back().spans_end;
    }
  }
  return groups;
}

// Groups in chains, each from its widest run to its narrowest: the successor of every group, or kNone, and the first of
// each chain. A group goes to the chain whose end it fits into most closely.
struct Chains {
  static constexpr std::size_t kNone = ~std::size_t{0};
  std::vector<std::size_t> next, first;
};

inline Chains chain_groups(const std::vector<RunGroup>& groups) {
  Chains chains;
  chains.next.assign(groups.size(), Chains::kNone);
  std::vector<std::size_t> ends;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    std::size_t* best = nullptr;
    for (std::size_t& end : ends) {
      if (!groups[i].can_follow(groups[end])) continue;
      if (best == nullptr || groups[end].width() < groups[*best].width()) best = &end;
    }
    if (best == nullptr) {
      chains.first.push_back(i);
      ends.push_back(i);
    } else {
      chains.next[*best] = i;
      *best = i;
    }
  }
  return chains;
}

inline void add_chain(const std::vector<RunGroup>& groups, const Chains& chains, std::size_t first,
                      std::vector<FootprintStep>& steps) {
  const std::size_t begin = steps.size();
  for (std::size_t i = first; i != Chains::kNone; i = chains.next[i]) {
    const std::size_t at = steps.size();
    const RunGroup& group = groups[i];
    const bool last = chains.next[i] == Chains::kNone;
    const std::int64_t nearest = last ? group.nearest() : 0;
    const RunGroup next = last ? RunGroup{nearest, nearest, 0, 0} : groups[chains.next[i]];
    add_widening(steps, next.first - group.first, group.last - next.last);
    if (nearest < 0) steps.push_back({FootprintStep::move, -nearest, 0});
    if (nearest > 0) steps.push_back({FootprintStep::move, 0, nearest});
    if (steps.size() == at) steps.push_back({FootprintStep::none, 0, 0});
    steps[at].spans_begin = group.spans_begin;
    steps[at].spans_end = group.spans_end;
  }
  steps[begin].starts = true;
  steps.back().ends = true;
}

}  // namespace detail

// The plan of a set T on masks of d by h by w pixels. `absorbing` tells that the value outside of the mask decides the
// join: 1 for OR, 0 for AND.
inline FootprintPlan plan_footprint(std::vector<FootprintRun> runs, std::int64_t d, std::int64_t h, std::int64_t w,
                                    bool erodes, bool absorbing) {
  FootprintPlan plan;
  const auto outside = [&](const FootprintRun& run) {  // wherever it is put
    return run.z <= -d || run.z >= d || run.y <= -h || run.y >= h || run.first >= w || run.last <= -w;
  };
  const auto left_over = std::remove_if(runs.begin(), runs.end(), outside);
  const bool decided = absorbing && left_over != runs.end();
  runs.erase(left_over, runs.end());
  if (decided || runs.empty()) {
    plan.constant = true;
    plan.value = decided ? !erodes : erodes;
    return plan;
  }
  for (FootprintRun& run : runs) {
    run.first = std::max(run.first, -w);
    run.last = std::min(run.last, w);
    plan.z_low = std::min(plan.z_low, run.z);
    plan.z_high = std::max(plan.z_high, run.z);
    plan.y_low = std::min(plan.y_low, run.y);
    plan.y_high = std::max(plan.y_high, run.y);
  }
  std::sort(runs.begin(), runs.end(), detail::in_plan_order);
  const std::vector<detail::RunGroup> groups = detail::group_runs(runs, plan.spans);
  const detail::Chains chains = detail::chain_groups(groups);
  for (const std::size_t first : chains.first) detail::add_chain(groups, chains, first, plan.steps);
  return plan;
}

}  // namespace rapidmask
