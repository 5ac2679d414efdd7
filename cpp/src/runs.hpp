// Components over runs: the horizontal stretches of foreground of a mask, joined by union-find.
//
// Natural masks have one run for 30 to 100 pixels, so whatever is done per run is nearly free. Runs stand in raster
// order and the root of a component is its first run, which makes labels come out in raster order.
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

namespace rapidmask {

struct Run {
  std::int32_t y, begin, end;  // pixels [begin, end) of row y
};

class RunComponents {
 public:
  // Runs of the pixels that are non-zero (or zero, when `inverted`).
  RunComponents(const std::uint8_t* mask, std::int64_t h, std::int64_t w, int connectivity, bool inverted = false) {
    const std::int32_t reach = connectivity == 8 ? 1 : 0;
    std::size_t above = 0, above_end = 0;  // runs of the row before
    for (std::int64_t y = 0; w > 0 && y < h; ++y) {
      const std::size_t row = runs_.size();
      append_runs(mask + y * w, static_cast<std::int32_t>(y), w, inverted);
      for (std::size_t i = row; i < runs_.size(); ++i) {
        while (above < above_end && runs_[above].end + reach <= runs_[i].begin) ++above;
        for (std::size_t j = above; j < above_end && runs_[j].begin < runs_[i].end + reach; ++j) {
          unite(static_cast<std::int32_t>(i), static_cast<std::int32_t>(j));
        }
      }
      above = row;
      above_end = runs_.size();
    }
    number();
  }

  const std::vector<Run>& runs() const { return runs_; }
  // The component, from 0 in raster order of first pixels, of each run.
  const std::vector<std::int32_t>& component() const { return parent_; }
  std::int64_t count() const { return count_; }

 private:
  void append_runs(const std::uint8_t* row, std::int32_t y, std::int64_t w, bool inverted) {
    const auto foreground = [&](std::int64_t x) { return (row[x] != 0) != inverted; };
    std::int64_t x = 0;
    while (x < w) {
      while (x < w && !foreground(x)) ++x;
      if (x == w) return;
      const std::int64_t begin = x;
      while (x < w && foreground(x)) ++x;
      parent_.push_back(static_cast<std::int32_t>(runs_.size()));
      runs_.push_back({y, static_cast<std::int32_t>(begin), static_cast<std::int32_t>(x)});
    }
  }

  std::int32_t find(std::int32_t i) {
    while (parent_[static_cast<std::size_t>(i)] != i) {
      auto& parent = parent_[static_cast<std::size_t>(i)];
      parent = parent_[static_cast<std::size_t>(parent)];  // halve the path
      i = parent;
    }
    return i;
  }

  void unite(std::int32_t i, std::int32_t j) {
    i = find(i);
    j = find(j);
    if (i == j) return;
    if (i > j) std::swap(i, j);
    parent_[static_cast<std::size_t>(j)] = i;  // the first run of a component is its root
  }

  // A root stands before the runs that point to it, so one pass turns parents into component numbers.
  void number() {
    for (std::size_t i = 0; i < parent_.size(); ++i) {
      const auto parent = static_cast<std::size_t>(parent_[i]);
      parent_[i] = parent == i ? count_++ : parent_[parent];
    }
  }

  std::vector<Run> runs_;
  std::vector<std::int32_t> parent_;
  std::int32_t count_ = 0;
};

}  // namespace rapidmask
