// What the files of the components family share: masks of a batch one by one, each with memory that the next one
// reuses.
#pragma once

#include <algorithm>
#include <cstdint>

#include "component_forest.hpp"
#include "parallel.hpp"

namespace rapidmask::cpu {

// A thread keeps the workspace of masks of up to 4 megapixels, 20 MB at most, for its next call: fresh pages were a
// quarter of the time of labelling noise of that size.
template <class Workspace>
Workspace& kept_workspace() {
  static thread_local Workspace workspace;
  return workspace;
}

// Calls body(i, workspace, parallel) for each of n masks, if they have pixels. A batch is spread over the pool mask by
// mask; few large masks come one after the other, and `parallel` tells the body to use the pool itself.
template <class Workspace, class Body>
void for_each_mask(std::int64_t n, std::int64_t pixels, const Body& body) {
  if (pixels == 0) return;
  constexpr std::int64_t kGrainPixels = 1 << 17;
  constexpr std::int64_t kLargePixels = 1 << 21;
  constexpr std::int64_t kKeptPixels = 1 << 22;
  if (pixels >= kLargePixels && n < 2 * get_num_threads()) {
    Workspace& workspace = kept_workspace<Workspace>();
    for (std::int64_t i = 0; i < n; ++i) body(i, workspace, true);
    if (pixels > kKeptPixels) workspace = Workspace{};
    return;
  }
  const std::int64_t grain = std::max<std::int64_t>(1, kGrainPixels / std::max<std::int64_t>(1, pixels));
  parallel_for(n, grain, [&](std::int64_t begin, std::int64_t end) {
    Workspace& workspace = kept_workspace<Workspace>();
    for (std::int64_t i = begin; i < end; ++i) body(i, workspace, false);
    if (pixels > kKeptPixels) workspace = Workspace{};
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
