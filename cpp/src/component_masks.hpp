// What the files of the components family share: masks of a batch one by one, each with memory that the next one
// reuses.
#pragma once

#include <algorithm>
#include <cstdint>

#include "component_forest.hpp"
#include "parallel.hpp"
#include "run_list.hpp"

namespace rapidmask::cpu {

// Components of one mask, by a list of its runs where they are few, else by a forest over its planes.
class MaskComponents {
 public:
  void build(const PaddedBits& bits, int connectivity, bool parallel) {
    bits_ = &bits;
    // The list is the work of one thread, the forest twice that of up to all of them.
    listed_ = !(parallel && get_num_threads() > 2) && list_.build(bits, connectivity);
    if (listed_) return;
    const bool pairs = band_rows_of(connectivity) == 2;
    if (pairs) pairs_.pair(bits, parallel);
    forest_.build(pairs ? pairs_ : bits, connectivity, parallel);
  }
  void build_values(const void* values, std::size_t item_size, PaddedBits& bits, const Extent& extent, int connectivity,
                    bool parallel) {
    bits_ = &bits;
    listed_ = false;
    forest_.build_values(values, item_size, bits, extent, connectivity, parallel);
  }

  std::int64_t runs() const { return listed_ ? list_.size() : forest_.runs(); }
  std::int64_t components() const { return listed_ ? list_.components() : forest_.components(); }
  // The number of each run's component, from 1; what stands before the first, and kLabelSlack after the last, may be
  // read.
  const std::int32_t* labels() const { return listed_ ? list_.labels() : forest_.labels(); }

  // Calls visit(run, z, y) for every stretch of pixels of single rows. Where `parallel`, the pool may share them.
  template <class Visit>
  void for_each_run(bool parallel, const Visit& visit) const {
    if (!listed_) return forest_.for_each_run(parallel, visit);
    for (const Run& run : list_) visit(run, std::int64_t{0}, std::int64_t{run.row});
  }

  // Calls visit(label) for the components that touch the border of the image or, where `volume`, of the volume; for
  // some of them more than once.
  template <class Visit>
  void for_each_at_border(bool volume, const Visit& visit) const {
    if (!listed_) return forest_.for_each_at_border(volume, visit);
    const Extent& extent = bits_->extent();
    for (const Run& run : list_) {
      const bool edge_row = run.row == 0 || run.row == extent.h - 1;
      if (volume || edge_row || run.begin == 0 || run.end == extent.w) visit(run.label);
    }
  }

  // Writes values[run], one of which stands before the first and kLabelSlack after the last, over the pixels of the
  // runs, and 0 elsewhere.
  void paint(const std::int32_t* values, bool parallel, std::int32_t* pixels) const {
    if (!listed_) return forest_.paint(values, parallel, pixels);
    const Extent& extent = bits_->extent();
    parallel_for(extent.h, parallel ? bits_->rows_per_grain() : kSerialGrain,
                 [&](std::int64_t y0, std::int64_t y1) { list_.paint(values, y0, y1, extent.w, pixels); });
  }

 private:
  const PaddedBits* bits_ = nullptr;
  PaddedBits pairs_;
  ComponentForest forest_;
  RunList list_;
  bool listed_ = false;
};

// A thread keeps the workspace of masks of up to 4 megapixels, 20 MB at most, for its next call: fresh pages were a
// quarter of the time of labelling noise of that size.
template <class Workspace>
class Borrowed {
 public:
  Borrowed(std::int64_t rows, std::int64_t pixels) : keep_(std::max(pixels, kRowPixels * rows) <= kKeptPixels) {}
  ~Borrowed() {
    if (!keep_) kept() = Workspace{};
  }
  Borrowed(const Borrowed&) = delete;
  Borrowed& operator=(const Borrowed&) = delete;

  Workspace& operator*() const { return kept(); }

 private:
  static constexpr std::int64_t kKeptPixels = 1 << 22;
  static constexpr std::int64_t kRowPixels = 128;  // a row takes two words at the least

  static Workspace& kept() {
    static thread_local Workspace workspace;
    return workspace;
  }

  bool keep_;
};

// Calls body(i, workspace, parallel) for each of n masks of so many rows, if they have pixels. A batch is spread over
// the pool mask by mask; few large masks come one after the other, and `parallel` tells the body to use the pool
// itself.
template <class Workspace, class Body>
void for_each_mask(std::int64_t n, std::int64_t rows, std::int64_t pixels, const Body& body) {
  if (pixels == 0) return;
  constexpr std::int64_t kGrainPixels = 1 << 17;
  constexpr std::int64_t kLargePixels = 1 << 21;
  if (pixels >= kLargePixels && n < 2 * get_num_threads()) {
    const Borrowed<Workspace> workspace(rows, pixels);
    for (std::int64_t i = 0; i < n; ++i) body(i, *workspace, true);
    return;
  }
  const std::int64_t grain = std::max<std::int64_t>(1, kGrainPixels / std::max<std::int64_t>(1, pixels));
  parallel_for(n, grain, [&](std::int64_t begin, std::int64_t end) {
    const Borrowed<Workspace> workspace(rows, pixels);
    for (std::int64_t i = begin; i < end; ++i) body(i, *workspace, false);
  });
}

// The pixels of a run, as bits of words.
template <class Visit>
void visit_words(const Run& run, const Visit& visit) {
  const std::int32_t first = run.begin / 64, last = (run.end - 1) / 64;
  const std::uint64_t head = ~std::uint64_t{0} << (run.begin % 64);
  const std::uint64_t tail = ~std::uint64_t{0} >> (63 - (run.end - 1) % 64);
  if (first == last) {
    visit(first, head & tail);
    return;
  }
  visit(first, head);
  for (std::int32_t j = first + 1; j < last; ++j) visit(j, ~std::uint64_t{0});
  visit(last, tail);
}
inline void set_run(std::uint64_t* row, const Run& run) {
  visit_words(run, [&](std::int32_t j, std::uint64_t bits) { row[j] |= bits; });
}
inline void clear_run(std::uint64_t* row, const Run& run) {
  visit_words(run, [&](std::int32_t j, std::uint64_t bits) { row[j] &= ~bits; });
}
inline bool any_in_run(const std::uint64_t* row, const Run& run) {
  std::uint64_t found = 0;
  visit_words(run, [&](std::int32_t j, std::uint64_t bits) { found |= row[j] & bits; });
  return found != 0;
}

}  // namespace rapidmask::cpu
