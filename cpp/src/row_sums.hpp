// Window sums over rows, for rows that arrive one after the other.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "isa/local_rows.hpp"
#include "line_vector.hpp"

namespace rapidmask::cpu {

inline std::size_t to_size(std::int64_t count) { return static_cast<std::size_t>(count); }

// The step between rows of so many doubles that all begin at a cache line: an odd number of lines, as rows a power of 2
// apart would share a set of the cache.
inline std::int64_t line_stride(std::int64_t width) { return 8 * ((width + 7) / 8 | 1); }

// Sums of the last h rows by doubling: level k keeps sums of 2^k rows in a ring that reaches back as far as the next
// level, or the window's run of that length, needs.
class RowSums {
 public:
  RowSums(std::int64_t h, std::int64_t width) : h_(h), width_(width), stride_(line_stride(width)) {
    std::int64_t start = 0;  // of this level's run within the window: longer runs come first
    std::int64_t rows = 0;
    for (std::int64_t run = 1; run <= h; run *= 2) {
      const bool used = (h & run) != 0;
      start = h / (2 * run) * (2 * run);
      const std::int64_t lag = used ? h - run - start : 0;
      const bool doubled = 2 * run <= h;
      const std::int64_t length = std::max(doubled ? run + 1 : 1, lag + 1);
      levels_.push_back({run, used, lag, length, rows});
      rows += length;
    }
    ring_.resize(to_size(rows * stride_));
  }

  static std::int64_t ring_rows(std::int64_t h) { return RowSums(h, 0).total_rows(); }

  // Where the next row is to be written before `push`.
  double* next() { return row(levels_[0], count_); }

  void push() {
    const std::int64_t newest = count_++;
    for (std::size_t k = 1; k < levels_.size(); ++k) {
      const std::int64_t first = newest + 1 - levels_[k].run;  // the first row of the newest sum
      if (first < 0) break;
      const Level& half = levels_[k - 1];
      local_rows().add(row(half, first), row(half, first + half.run), width_, row(levels_[k], first));
    }
  }

  bool full() const { return count_ >= h_; }

  // The sums of the last h rows.
  void sum(double* out) {
    const double* total = nullptr;
    for (const Level& level : levels_) {
      if (!level.used) continue;
      const double* part = row(level, count_ - level.run - level.lag);
      if (total == nullptr) {
        std::memcpy(out, part, to_size(width_) * sizeof(double));
      } else {
        local_rows().add(part, total, width_, out);
      }
      total = out;
    }
  }

 private:
  struct Level {
    std::int64_t run;
    bool used;             // the window has a run of this length,
    std::int64_t lag;      // this many rows before the newest one
    std::int64_t length;   // rows of the ring
    std::int64_t ring_at;  // its first row in ring_
  };

  std::int64_t total_rows() const { return levels_.back().ring_at + levels_.back().length; }
  double* row(const Level& level, std::int64_t first) {
    return ring_.data() + (level.ring_at + first % level.length) * stride_;
  }

  std::int64_t h_, width_, stride_, count_ = 0;
  std::vector<Level> levels_;
  LineVector<double> ring_;
};

}  // namespace rapidmask::cpu
