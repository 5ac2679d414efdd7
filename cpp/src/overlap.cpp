// Overlaps of all pairs of masks on the CPU.
//
// Masks are cut to blocks of 64×64 pixels. Where a block of one mask is empty nothing is shared, and where it is full
// the other's pixels are; only pairs of blocks that are neither are compared bit by bit. So the time goes with the
// outlines that lie over one another, and no bounding box is needed: of 64 smooth masks of 1024², two of each 25 pairs
// of blocks are compared. Each bit of a mask is read once.

#include "rapidmask/overlap.hpp"

#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

#include "overlap_blocks.hpp"
#include "parallel.hpp"

namespace rapidmask::cpu {
namespace {

constexpr std::int64_t kSpaceBytes = 8 << 20;    // for the blocks of a slab, of both sides
constexpr std::int64_t kGrainPairs = 1 << 12;    // of blocks, at some 10 ns
constexpr std::int64_t kGrainResults = 1 << 15;  // overlaps, at some 1 ns

template <class Bands>
void add_slab(const Blocks<Bands>& a, const Blocks<Bands>& b, const Slab& slab, bool symmetric, std::int64_t* sums) {
  std::int64_t pairs = 0;
  for (std::int64_t p = 0; p < slab.positions(); ++p) {
    pairs += (a.mixed(p).count + a.full(p).count) * (b.mixed(p).count + b.full(p).count);
  }
  if (pairs == 0) return;
  const std::int64_t grain = std::max<std::int64_t>(1, a.masks() * kGrainPairs / pairs);
  parallel_for(a.masks(), grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t p = 0; p < slab.positions(); ++p) add_position(a, b, p, symmetric, begin, end, b.masks(), sums);
  });
}

// Sums of shared pixels and areas; where b is null only the sums above the diagonal.
template <class Bands>
void intersect(Bands bands_a, std::optional<Bands> bands_b, std::int64_t* sums, std::int64_t* areas_a,
               std::int64_t* areas_b) {
  const std::int64_t n = bands_a.masks(), m = bands_b ? bands_b->masks() : n;
  const std::int64_t h = bands_a.height(), words = (bands_a.width() + 63) / 64;
  std::fill_n(sums, n * m, std::int64_t{0});
  std::fill_n(areas_a, n, std::int64_t{0});
  if (bands_b) std::fill_n(areas_b, m, std::int64_t{0});
  if (n == 0 || m == 0 || h == 0 || words == 0) return;
  const std::int64_t bands = (h + kBlockRows - 1) / kBlockRows, most = std::max(n, m);
  const std::int64_t space = std::max(most, kSpaceBytes / (8 * kBlockRows * (bands_b ? 2 : 1)));
  const std::int64_t slots = std::min(space, most * bands * words);
  const std::int64_t columns = std::min({words, kMaxBlockColumns, slots / most});
  Blocks<Bands> a(std::move(bands_a), slots);
  std::optional<Blocks<Bands>> b;
  if (bands_b) b.emplace(std::move(*bands_b), slots);
  // As many bands as have their blocks in the slots, so that masks are read in long stretches: all, where they are as
  // empty as masks mostly are. One always fits.
  std::int64_t step = bands;
  for (std::int64_t k = 0; k < words; k += columns) {
    for (std::int64_t first = 0; first < bands;) {
      const Slab slab{first, std::min(step, bands - first), k, std::min(columns, words - k)};
      if (!a.read(slab) || (b && !b->read(slab))) {
        step = (slab.bands + 1) / 2;
        continue;
      }
      a.list(slab, areas_a);
      if (b) b->list(slab, areas_b);
      add_slab(a, b ? *b : a, slab, !b, sums);
      first += slab.bands;
    }
  }
}

// Turns the sums, which lie where the overlaps are to be, into these.
void divide(std::int64_t n, std::int64_t m, bool symmetric, OverlapMetric metric, const std::uint8_t* iscrowd,
            const std::vector<std::int64_t>& areas_a, const std::vector<std::int64_t>& areas_b, double* overlaps) {
  const std::int64_t* columns = (symmetric ? areas_a : areas_b).data();
  const auto overlap = [&](std::int64_t i, std::int64_t j, std::int64_t shared) {
    const bool crowd = iscrowd != nullptr && iscrowd[j] != 0;
    return shared == 0 ? 0.0 : overlap_of(metric, shared, areas_a[static_cast<std::size_t>(i)], columns[j], crowd);
  };
  const bool mirrored = symmetric && metric != OverlapMetric::iof && iscrowd == nullptr;
  const std::int64_t grain = std::max<std::int64_t>(1, kGrainResults / std::max<std::int64_t>(1, m));
  parallel_for(n, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      for (std::int64_t j = symmetric ? i : 0; j < m; ++j) {
        std::int64_t shared;
        std::memcpy(&shared, overlaps + i * m + j, sizeof shared);
        if (symmetric && i == j) shared = areas_a[static_cast<std::size_t>(i)];
        const double value = overlap(i, j, shared);
        overlaps[i * m + j] = value;
        if (symmetric) overlaps[j * m + i] = mirrored ? value : overlap(j, i, shared);
      }
    }
  });
}

template <class Bands>
void overlaps_of(Bands a, std::optional<Bands> b, OverlapMetric metric, const std::uint8_t* iscrowd, double* overlaps) {
  const bool symmetric = !b;
  const std::int64_t n = a.masks(), m = b ? b->masks() : n;
  std::vector<std::int64_t> areas_a(static_cast<std::size_t>(n)), areas_b(static_cast<std::size_t>(symmetric ? 0 : m));
  static_assert(sizeof(double) == sizeof(std::int64_t));
  intersect(std::move(a), std::move(b), reinterpret_cast<std::int64_t*>(overlaps), areas_a.data(), areas_b.data());
  divide(n, m, symmetric, metric, iscrowd, areas_a, areas_b, overlaps);
}

}  // namespace

void mask_intersections(const Context&, const Masks& a, const Masks* b, std::int64_t* intersections,
                        std::int64_t* areas_a, std::int64_t* areas_b) {
  intersect(PixelBands(a), b != nullptr ? std::optional(PixelBands(*b)) : std::nullopt, intersections, areas_a,
            areas_b);
  if (b != nullptr) return;
  for (std::int64_t i = 0; i < a.n; ++i) {
    intersections[i * a.n + i] = areas_a[i];
    for (std::int64_t j = 0; j < i; ++j) intersections[i * a.n + j] = intersections[j * a.n + i];
  }
}

void mask_iou(const Context&, const Masks& a, const Masks* b, OverlapMetric metric, const std::uint8_t* iscrowd,
              double* overlaps) {
  overlaps_of(PixelBands(a), b != nullptr ? std::optional(PixelBands(*b)) : std::nullopt, metric, iscrowd, overlaps);
}

void rle_iou(const Context&, const ConstRunLengths& a, const ConstRunLengths* b, OverlapMetric metric,
             const std::uint8_t* iscrowd, double* overlaps) {
  overlaps_of(RunBands(a), b != nullptr ? std::optional(RunBands(*b)) : std::nullopt, metric, iscrowd, overlaps);
}

}  // namespace rapidmask::cpu
