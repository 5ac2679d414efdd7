// Runs of packed words: what a warp knows of the rows that lie in its lanes.
//
// A run is a stretch of foreground in a row, cut where a strip of words ends (component_rows.cuh), and known by its
// first pixel: `starts` has the first pixels of the runs that begin in a word. Of two pixels 2s and 2s + 1 of a row at
// most one can begin a run, since runs that begin side by side would be one. So node 1 + row · slots + s stands for
// whichever does, which needs half of the memory of a node per pixel and, unlike the numbers of runs, no scan to be
// known. Nodes are in raster order.
//
// All lanes of a warp call runs_of and what needs the runs of its other lanes.
#pragma once

#include <cstdint>

#include "component_rows.cuh"

namespace rapidmask::cuda {

// The words whose runs are joined: those of a mask or of its background.
struct RunWords {
  const std::uint64_t* words;  // of the mask
  bool inverted;
  __device__ std::uint64_t operator()(const Layout& layout, const Place& place) const {
    const std::uint64_t word = words[place.word(layout)];
    return inverted ? ~word & valid_bits(layout, place.k) : word;
  }
};

// The runs in a lane's word.
struct Runs {
  std::uint64_t word;
  std::uint64_t starts;
  std::uint32_t node;    // of pixels 0 and 1
  std::uint32_t before;  // node of the last run that begins before this word in the strip
  unsigned begun;        // lanes before this one, in its strip, in whose words runs begin
  bool joined;           // the first pixel continues the run before
  bool next;             // the pixel after the last is foreground

  __device__ std::uint32_t node_of(int bit) const { return node + (static_cast<std::uint32_t>(bit) >> 1); }
  // Of the run that holds a foreground pixel.
  __device__ std::uint32_t run_of(int bit) const {
    const std::uint64_t upto = starts & (~std::uint64_t{0} >> (63 - bit));
    return upto != 0 ? node_of(highest_bit(upto)) : before;
  }
  // The lane in whose word the run before this word begins, where `joined`.
  __device__ int lane_before() const { return 31 - __clz(static_cast<int>(begun)); }
  __device__ std::uint64_t ends() const { return word & ~(word >> 1 | static_cast<std::uint64_t>(next) << 63); }
};

// `next` tells of the pixel after the strip.
__device__ __forceinline__ Runs runs_of(const Layout& layout, std::uint64_t word, std::uint32_t node, bool next) {
  const int lane = lane_id(), in_strip = lane % layout.lanes;
  const unsigned tops = __ballot_sync(kFullWarp, (word >> 63) != 0);
  const unsigned bottoms = __ballot_sync(kFullWarp, (word & 1) != 0);
  Runs runs;
  runs.word = word;
  runs.node = node;
  runs.joined = in_strip > 0 && (word & 1) != 0 && (tops >> (lane - 1) & 1) != 0;
  runs.next = in_strip + 1 < layout.lanes ? (bottoms >> (lane + 1) & 1) != 0 : next;
  runs.starts = word & ~(word << 1 | static_cast<std::uint64_t>(runs.joined));
  const unsigned earlier = ((1u << lane) - 1) & (kFullWarp << (lane - in_strip));
  runs.begun = __ballot_sync(kFullWarp, runs.starts != 0) & earlier;
  const std::uint32_t last = runs.starts != 0 ? runs.node_of(highest_bit(runs.starts)) : 0;
  runs.before = __shfl_sync(kFullWarp, last, runs.begun != 0 ? runs.lane_before() : lane);
  return runs;
}

__device__ __forceinline__ std::uint32_t first_node(const Layout& layout, const Place& place) {
  return 1 + place.row * layout.slots + 32 * static_cast<std::uint32_t>(place.k);
}

// The runs at a place; none where it is outside.
__device__ __forceinline__ Runs runs_at(const Layout& layout, const RunWords& words, const Place& place) {
  const bool cut = place.inside && lane_id() == kWarpSize - 1 && place.k + 1 < layout.words && layout.strips > 1;
  const bool next = cut && (words(layout, {place.row, place.k + 1, true}) & 1) != 0;
  return runs_of(layout, place.inside ? words(layout, place) : 0, first_node(layout, place), next);
}

// The length of the last run that begins in the lane's word.
__device__ __forceinline__ int last_length(const Layout& layout, const Runs& runs) {
  const int lane = lane_id(), in_strip = lane % layout.lanes;
  const std::uint64_t gaps = ~runs.word;
  const int leading = gaps == 0 ? 64 : lowest_bit(gaps);  // foreground at the beginning of the word
  const unsigned gapped = __ballot_sync(kFullWarp, gaps != 0) & ~((2u << lane) - 1);
  const int strip_end = lane - in_strip + layout.lanes;
  const int stop = min(gapped != 0 ? __ffs(static_cast<int>(gapped)) - 1 : kWarpSize, strip_end);  // where the run ends
  const int rest = __shfl_sync(kFullWarp, leading, stop % kWarpSize);
  if (runs.starts == 0) return 0;
  const int bit = highest_bit(runs.starts);
  const std::uint64_t after = ~(runs.word >> bit);
  if (after != 0 && lowest_bit(after) + bit < 64) return lowest_bit(after);
  return 64 - bit + 64 * (stop - lane - 1) + (stop < strip_end ? rest : 0);
}

// The pixels of the border of the image, or of the volume.
__device__ __forceinline__ std::uint64_t border_bits(const Layout& layout, const Place& place, bool volume) {
  const auto h = static_cast<std::uint32_t>(layout.h);
  const std::uint32_t y = place.row % h, z = place.row / h;
  const bool whole = y == 0 || y + 1 == h || (volume && (z == 0 || z + 1 == static_cast<std::uint32_t>(layout.d)));
  if (whole) return ~std::uint64_t{0};
  const std::uint64_t last = place.k + 1 == layout.words ? std::uint64_t{1} << ((layout.w - 1) % 64) : 0;
  return last | static_cast<std::uint64_t>(place.k == 0);
}

// The runs for whose nodes choose(node) holds.
template <class Choose>
__device__ __forceinline__ std::uint64_t chosen_runs(const Runs& runs, const Choose& choose) {
  std::uint64_t chosen = 0;  // the first pixels of those in this word
  for (std::uint64_t rest = runs.starts; rest != 0; rest &= rest - 1) {
    const int bit = lowest_bit(rest);
    if (choose(runs.node_of(bit))) chosen |= std::uint64_t{1} << bit;
  }
  const bool last = chosen != 0 && highest_bit(chosen) == highest_bit(runs.starts);
  const unsigned lasts = __ballot_sync(kFullWarp, last);
  if (runs.joined && (lasts >> runs.lane_before() & 1) != 0) chosen |= 1;
  return runs.word & ~(runs.word + chosen);  // adding its first pixel carries through a run
}

// Writes value(node) of their runs to the pixels at a place, 0 to others; `image` is the mask's.
template <class Value>
__device__ __forceinline__ void write_values(const Layout& layout, const Place& place, const Runs& runs,
                                             const Value& value, std::int32_t* image) {
  std::int32_t common = 0;  // the value of the last run, and of all where the word is not `mixed`
  bool mixed = false;
  for (std::uint64_t rest = runs.starts; rest != 0; rest &= rest - 1) {
    const std::int32_t own = value(runs.node_of(lowest_bit(rest)));
    mixed |= rest != runs.starts && own != common;
    common = own;
  }
  const int lane = lane_id();
  const std::int32_t carried = __shfl_sync(kFullWarp, common, runs.begun != 0 ? runs.lane_before() : lane);
  mixed |= runs.joined && runs.starts != 0 && carried != common;
  if (runs.joined && runs.starts == 0) common = carried;
  const unsigned all_mixed = __ballot_sync(kFullWarp, mixed);
  const std::uint32_t pixel = place.pixel(layout);
  const std::int32_t pixels = place.pixels(layout);
  for (int i = 0; i < kWarpSize; ++i) {
    const std::int32_t count = __shfl_sync(kFullWarp, pixels, i);
    if (count == 0) continue;
    std::int32_t* to = image + __shfl_sync(kFullWarp, pixel, i);
    const std::uint64_t word = __shfl_sync(kFullWarp, runs.word, i);
    const std::int32_t of_word = __shfl_sync(kFullWarp, common, i);
    if ((all_mixed >> i & 1) == 0) {
      if (lane < count) to[lane] = (word >> lane & 1) != 0 ? of_word : 0;
      if (lane + kWarpSize < count) to[lane + kWarpSize] = (word >> lane >> kWarpSize & 1) != 0 ? of_word : 0;
      continue;
    }
    Runs there = runs;
    there.word = word;
    there.starts = __shfl_sync(kFullWarp, runs.starts, i);
    there.node = __shfl_sync(kFullWarp, runs.node, i);
    there.before = __shfl_sync(kFullWarp, runs.before, i);
    for (int x = lane; x < count; x += kWarpSize) to[x] = (word >> x & 1) != 0 ? value(there.run_of(x)) : 0;
  }
}

}  // namespace rapidmask::cuda
