// The blocks of masks that are not empty, and what pairs of them share.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "overlap_bands.hpp"
#include "parallel.hpp"

namespace rapidmask::cpu {

// The part of all masks that is at hand: so many bands, and the words [first_word, first_word + columns) of their rows.
struct Slab {
  std::int64_t first_band, bands, first_word, columns;
  std::int64_t positions() const { return bands * columns; }  // of blocks
};

// The masks that have blocks of one kind in one position, in ascending order, and the slots of these blocks.
struct BlockList {
  const std::uint32_t* masks;
  const std::uint32_t* slots;
  std::int64_t count;

  // The first place whose mask is `mask` or later.
  std::int64_t place_of(std::int64_t mask) const {
    return std::lower_bound(masks, masks + count, static_cast<std::uint32_t>(mask)) - masks;
  }
};

// The blocks of one side.
template <class Bands>
class Blocks {
 public:
  Blocks(Bands bands, std::int64_t slots)
      : bands_(std::move(bands)),
        n_(bands_.masks()),
        room_(slots),
        blocks_(std::make_unique_for_overwrite<std::uint64_t[]>(static_cast<std::size_t>(slots * kBlockRows))),
        counts_(std::make_unique_for_overwrite<std::uint16_t[]>(static_cast<std::size_t>(slots))) {}

  const Bands& bands() const { return bands_; }
  std::int64_t masks() const { return n_; }

  // Reads a slab of every mask; false where it has more blocks than there are slots.
  bool read(const Slab& slab) {
    columns_.resize(static_cast<std::size_t>(n_ * slab.bands));
    const std::int64_t bytes = 8 * kBlockRows * slab.positions();
    std::atomic<std::int64_t> taken{0};
    parallel_for(n_, std::max<std::int64_t>(1, kGrainBytes / bytes), [&](std::int64_t begin, std::int64_t end) {
      BandSpace space{};
      for (std::int64_t i = begin; i < end && taken.load(std::memory_order_relaxed) <= room_; ++i) {
        for (std::int64_t b = 0; b < slab.bands; ++b) {
          columns_[static_cast<std::size_t>(i * slab.bands + b)] = read_band(i, band_of(slab, b), space, taken);
        }
      }
    });
    return taken <= room_;
  }

  // Lists what was read, by position, and adds it to the masks' areas.
  void list(const Slab& slab, std::int64_t* areas) {
    begins_.assign(static_cast<std::size_t>(2 * slab.positions() + 2), 0);
    std::int64_t* begins = begins_.data();
    for_each_block(slab, [&](std::int64_t, std::int64_t bucket, std::uint32_t) { ++begins[bucket + 2]; });
    for (std::size_t bucket = 2; bucket < begins_.size(); ++bucket) begins[bucket] += begins[bucket - 1];
    masks_.resize(static_cast<std::size_t>(begins_.back()));
    slots_.resize(masks_.size());
    for_each_block(slab, [&](std::int64_t i, std::int64_t bucket, std::uint32_t slot) {
      const auto place = static_cast<std::size_t>(begins[bucket + 1]++);
      masks_[place] = static_cast<std::uint32_t>(i);
      slots_[place] = slot;
      areas[i] += counts_[slot];
    });
  }

  const std::uint64_t* block(std::uint32_t slot) const { return blocks_.get() + kBlockRows * slot; }
  const std::uint64_t* blocks() const { return blocks_.get(); }
  std::int64_t count(std::uint32_t slot) const { return counts_[slot]; }
  BlockList mixed(std::int64_t position) const { return bucket(2 * position); }
  BlockList full(std::int64_t position) const { return bucket(2 * position + 1); }

 private:
  static constexpr std::int64_t kGrainBytes = 1 << 20;  // of bits, read at some 20 GB/s

  // The columns of a band of one mask that are not empty, and the slot of the first of them.
  struct Columns {
    std::uint64_t busy;
    std::uint32_t slot;
  };

  Band band_of(const Slab& slab, std::int64_t b) const {
    const std::int64_t index = slab.first_band + b;
    return {index, std::min(kBlockRows, bands_.height() - kBlockRows * index), slab.first_word, slab.columns};
  }

  Columns read_band(std::int64_t i, const Band& band, BandSpace& space, std::atomic<std::int64_t>& taken) {
    const BandRows read = bands_.read(i, band, space);
    if (read.words == nullptr) return {0, 0};
    const Columns columns = take_blocks(read, band, taken);
    if (read.words == space) std::fill_n(space, band.rows * band.columns, std::uint64_t{0});
    return columns;
  }

  Columns take_blocks(const BandRows& read, const Band& band, std::atomic<std::int64_t>& taken) {
    const OverlapRows& rows = overlap_rows();
    const std::uint64_t busy = rows.busy_columns(read.words, read.stride, band.rows, band.columns);
    if (busy == 0) return {0, 0};
    const std::int64_t count = std::popcount(busy);
    std::int64_t slot = taken.fetch_add(count, std::memory_order_relaxed);
    if (slot + count > room_) return {0, 0};
    const Columns columns{busy, static_cast<std::uint32_t>(slot)};
    for (std::uint64_t rest = busy; rest != 0; rest &= rest - 1, ++slot) {
      counts_[slot] = static_cast<std::uint16_t>(rows.take_block(read.words + std::countr_zero(rest), read.stride,
                                                                 band.rows, blocks_.get() + kBlockRows * slot));
    }
    return columns;
  }

  // Calls visit(i, bucket, slot) for the blocks of the slab: bucket 2p is of those of position p that are neither empty
  // nor full, 2p + 1 of those that are full.
  template <class Visit>
  void for_each_block(const Slab& slab, const Visit& visit) const {
    const Columns* columns = columns_.data();
    for (std::int64_t i = 0; i < n_; ++i) {
      for (std::int64_t b = 0; b < slab.bands; ++b, ++columns) {
        if (columns->busy == 0) continue;
        const Band band = band_of(slab, b);
        std::uint32_t slot = columns->slot;
        for (std::uint64_t rest = columns->busy; rest != 0; rest &= rest - 1, ++slot) {
          const std::int64_t k = std::countr_zero(rest);
          const std::int64_t pixels = band.rows * std::min<std::int64_t>(64, bands_.width() - 64 * (band.first + k));
          visit(i, 2 * (b * slab.columns + k) + (counts_[slot] == pixels), slot);
        }
      }
    }
  }

  BlockList bucket(std::int64_t index) const {
    const std::int64_t begin = begins_[static_cast<std::size_t>(index)];
    const std::int64_t end = begins_[static_cast<std::size_t>(index + 1)];
    return {masks_.data() + begin, slots_.data() + begin, end - begin};
  }

  Bands bands_;
  std::int64_t n_, room_;
  std::unique_ptr<std::uint64_t[]> blocks_;
  std::unique_ptr<std::uint16_t[]> counts_;  // the pixels of each block
  std::vector<Columns> columns_;
  std::vector<std::int64_t> begins_;  // of the buckets in masks_ and slots_
  std::vector<std::uint32_t> masks_, slots_;
};

// Adds what the blocks in one position share to the sums of the masks [begin, end) of a, whose rows have `m` sums. With
// `symmetric` b is a, and only sums above the diagonal are formed.
template <class Bands>
void add_position(const Blocks<Bands>& a, const Blocks<Bands>& b, std::int64_t position, bool symmetric,
                  std::int64_t begin, std::int64_t end, std::int64_t m, std::int64_t* sums) {
  const auto add_shared = overlap_rows().add_shared;
  const BlockList mixed_a = a.mixed(position), full_a = a.full(position);
  const BlockList mixed_b = b.mixed(position), full_b = b.full(position);
  for (std::int64_t t = mixed_a.place_of(begin); t < mixed_a.count && mixed_a.masks[t] < end; ++t) {
    std::int64_t* row = sums + mixed_a.masks[t] * m;
    const std::uint32_t slot = mixed_a.slots[t];
    const std::int64_t from = symmetric ? t + 1 : 0;
    add_shared(a.block(slot), b.blocks(), mixed_b.slots + from, mixed_b.masks + from, mixed_b.count - from, row);
    for (std::int64_t u = symmetric ? full_b.place_of(mixed_a.masks[t]) : 0; u < full_b.count; ++u) {
      row[full_b.masks[u]] += a.count(slot);
    }
  }
  for (std::int64_t t = full_a.place_of(begin); t < full_a.count && full_a.masks[t] < end; ++t) {
    std::int64_t* row = sums + full_a.masks[t] * m;
    for (std::int64_t u = symmetric ? mixed_b.place_of(full_a.masks[t]) : 0; u < mixed_b.count; ++u) {
      row[mixed_b.masks[u]] += b.count(mixed_b.slots[u]);
    }
    for (std::int64_t u = symmetric ? t + 1 : 0; u < full_b.count; ++u) {
      row[full_b.masks[u]] += a.count(full_a.slots[t]);
    }
  }
}

}  // namespace rapidmask::cpu
