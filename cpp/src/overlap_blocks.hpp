// The blocks of masks that are not empty, band by band, and what pairs of them share.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <memory>
#include <utility>

#include "overlap_bands.hpp"
#include "parallel.hpp"

namespace rapidmask::cpu {

// The masks of which one column of a band has blocks of one kind, in ascending order, and the slots of these blocks.
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
  // Of masks in bands of up to `columns` blocks.
  Blocks(Bands bands, std::int64_t columns)
      : bands_(std::move(bands)),
        n_(bands_.masks()),
        busy_(room<std::uint64_t>(n_)),
        first_slot_(room<std::uint32_t>(n_)),
        blocks_(room<std::uint64_t>(n_ * columns * kBlockRows)),
        counts_(room<std::uint16_t>(n_ * columns)),
        masks_(room<std::uint32_t>(n_ * columns)),
        slots_(room<std::uint32_t>(n_ * columns)) {}

  const Bands& bands() const { return bands_; }
  std::int64_t masks() const { return n_; }

  // Reads a band of every mask and adds what it holds to the masks' areas.
  void read(const Band& band, std::int64_t* areas) {
    const std::int64_t bytes = 8 * band.rows * band.columns;
    std::atomic<std::uint32_t> taken{0};
    parallel_for(n_, std::max<std::int64_t>(1, kGrainBytes / bytes), [&](std::int64_t begin, std::int64_t end) {
      BandSpace space;
      for (std::int64_t i = begin; i < end; ++i) areas[i] += read_mask(i, band, space, taken);
    });
    list(band);
  }

  const std::uint64_t* block(std::uint32_t slot) const { return blocks_.get() + kBlockRows * slot; }
  const std::uint64_t* blocks() const { return blocks_.get(); }
  std::int64_t count(std::uint32_t slot) const { return counts_[slot]; }
  BlockList mixed(std::int64_t column) const { return bucket(2 * column); }
  BlockList full(std::int64_t column) const { return bucket(2 * column + 1); }

 private:
  static constexpr std::int64_t kGrainBytes = 1 << 20;  // of bits, read at some 20 GB/s

  template <class T>
  static std::unique_ptr<T[]> room(std::int64_t count) {
    return std::make_unique_for_overwrite<T[]>(static_cast<std::size_t>(count));
  }

  std::int64_t read_mask(std::int64_t i, const Band& band, BandSpace& space, std::atomic<std::uint32_t>& taken) {
    const OverlapRows& rows = overlap_rows();
    const BandRows read = bands_.read(i, band, space);
    busy_[i] = read.words == nullptr ? 0 : rows.busy_columns(read.words, read.stride, band.rows, band.columns);
    if (busy_[i] == 0) return 0;
    std::uint32_t slot = taken.fetch_add(static_cast<std::uint32_t>(std::popcount(busy_[i])));
    first_slot_[i] = slot;
    std::int64_t area = 0;
    for (std::uint64_t rest = busy_[i]; rest != 0; rest &= rest - 1, ++slot) {
      const std::int64_t count = rows.take_block(read.words + std::countr_zero(rest), read.stride, band.rows,
                                                 blocks_.get() + kBlockRows * slot);
      counts_[slot] = static_cast<std::uint16_t>(count);
      area += count;
    }
    return area;
  }

  // Calls visit(i, bucket, slot) for the blocks of the band: bucket 2k is of those of column k that are neither empty
  // nor full, 2k + 1 of those that are full.
  template <class Visit>
  void for_each_block(const Band& band, const Visit& visit) const {
    for (std::int64_t i = 0; i < n_; ++i) {
      std::uint32_t slot = first_slot_[i];
      for (std::uint64_t rest = busy_[i]; rest != 0; rest &= rest - 1, ++slot) {
        const int k = std::countr_zero(rest);
        const std::int64_t pixels = band.rows * std::min<std::int64_t>(64, bands_.width() - 64 * (band.first + k));
        visit(i, 2 * k + (counts_[slot] == pixels), slot);
      }
    }
  }

  void list(const Band& band) {
    begins_.fill(0);
    for_each_block(band, [&](std::int64_t, int bucket, std::uint32_t) { ++begins_[bucket + 2]; });
    for (std::size_t bucket = 2; bucket < begins_.size(); ++bucket) begins_[bucket] += begins_[bucket - 1];
    for_each_block(band, [&](std::int64_t i, int bucket, std::uint32_t slot) {
      const std::int64_t place = begins_[bucket + 1]++;
      masks_[place] = static_cast<std::uint32_t>(i);
      slots_[place] = slot;
    });
  }

  BlockList bucket(std::int64_t index) const {
    const std::int64_t begin = begins_[index];
    return {masks_.get() + begin, slots_.get() + begin, begins_[index + 1] - begin};
  }

  Bands bands_;
  std::int64_t n_;
  std::unique_ptr<std::uint64_t[]> busy_;        // of each mask: its columns that are not empty
  std::unique_ptr<std::uint32_t[]> first_slot_;  // and the slot of the first of them
  std::unique_ptr<std::uint64_t[]> blocks_;
  std::unique_ptr<std::uint16_t[]> counts_;  // of each slot
  std::unique_ptr<std::uint32_t[]> masks_, slots_;
  std::array<std::int64_t, 2 * kMaxBlockColumns + 2> begins_;  // of the buckets in masks_ and slots_
};

// Adds what the blocks of one column share to the sums of the masks [begin, end) of a, whose rows have `m` sums. With
// `symmetric` b is a, and only sums above the diagonal are formed.
template <class Bands>
void add_column(const Blocks<Bands>& a, const Blocks<Bands>& b, std::int64_t column, bool symmetric, std::int64_t begin,
                std::int64_t end, std::int64_t m, std::int64_t* sums) {
  const auto add_shared = overlap_rows().add_shared;
  const BlockList mixed_a = a.mixed(column), full_a = a.full(column);
  const BlockList mixed_b = b.mixed(column), full_b = b.full(column);
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
