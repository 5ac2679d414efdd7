#include "component_forest.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <numeric>

#include "isa/pack_rows.hpp"
#include "isa/value_rows.hpp"

namespace rapidmask::cpu {

void PaddedBits::resize(const Extent& extent) {
  if (extent == extent_ && words_.data() != nullptr) return;
  extent_ = extent;
  slice_rows_ = extent.h + extent.h % 2;
  stride_ = extent.words() + 1;
  const std::int64_t count = 1 + rows() * stride_ + kRowSlack;
  std::memset(words_.reserve(count), 0, static_cast<std::size_t>(count) * sizeof(std::uint64_t));
}

void PaddedBits::load(const Masks& masks, std::int64_t i, bool parallel) {
  resize({masks.d, masks.h, masks.w});
  const std::uint8_t* mask = masks.mask(i);
  const auto pack_row = pack_rows().pack;
  for_each_row(parallel, [&](std::int64_t z, std::int64_t y) {
    const std::int64_t k = z * masks.h + y;
    if (masks.packed) {
      std::memcpy(row(z, y), mask + 8 * k * masks.words(), static_cast<std::size_t>(8 * masks.words()));
    } else {
      pack_row(mask + k * masks.w, 1, masks.w, row(z, y));
    }
  });
}

void PaddedBits::load_complement(const PaddedBits& bits, bool parallel) {
  resize(bits.extent_);
  const std::int64_t words = extent_.words();
  const std::uint64_t tail = tail_mask(extent_.w);
  for_each_row(parallel, [&](std::int64_t z, std::int64_t y) {
    const std::uint64_t* from = bits.row(z, y);
    std::uint64_t* to = row(z, y);
    for (std::int64_t j = 0; j < words; ++j) to[j] = ~from[j];
    if (words > 0) to[words - 1] &= tail;
  });
}

void PaddedBits::store(const MutableMasks& masks, std::int64_t i, bool parallel) const {
  std::uint8_t* mask = masks.mask(i);
  const auto unpack_row = pack_rows().unpack;
  for_each_row(parallel, [&](std::int64_t z, std::int64_t y) {
    const std::int64_t k = z * masks.h + y;
    if (masks.packed) {
      std::memcpy(mask + 8 * k * masks.words(), row(z, y), static_cast<std::size_t>(8 * masks.words()));
    } else {
      unpack_row(row(z, y), 1, masks.w, mask + k * masks.w);
    }
  });
}

void ComponentForest::prepare(const PaddedBits& bits, std::int64_t band_rows) {
  bits_ = &bits;
  band_rows_ = band_rows;
  slice_bands_ = bits.slice_rows() / band_rows;
  bands_ = bits.extent().d * slice_bands_;
  stride_ = bits.stride();
  const std::int64_t count = 1 + bands_ * stride_ + kRowSlack;
  starts_.reserve(count);
  ranks_.reserve(count);
  first_runs_.reserve(bands_ + 1);
  if (band_rows > 1) {
    std::uint64_t* supports = supports_.reserve(count);  // its words between rows must be zero, as bits' are
    supports[0] = 0;
    for (std::int64_t k = 0; k < bands_; ++k) supports[(k + 1) * stride_] = 0;
  }
}

Band ComponentForest::band(std::int64_t index) const {
  const std::uint64_t* top = bits_->row(index * band_rows_);
  return {top,
          top + (band_rows_ - 1) * stride_,
          band_rows_ > 1 ? supports_.data() + 1 + index * stride_ : top,
          starts(index),
          rank(index),
          first_run(index)};
}

template <class Join>
void ComponentForest::link_band(std::int64_t index, const Neighbourhood& reach, std::int64_t first, bool inner,
                                const Join& join) const {
  const std::int64_t z = bits_->extent().d == 1 ? 0 : index / slice_bands_, k = index - z * slice_bands_;
  if (first_run(index) == first_run(index + 1)) return;
  const auto meet = [&](std::int64_t other, auto upper, auto lower, int sideways) {
    if (sideways == Neighbourhood::kNone || (other >= first) != inner) return;
    if (first_run(other) != first_run(other + 1)) join(other, upper, index, lower, sideways);
  };
  if (k > 0) meet(index - 1, &Band::bottom, &Band::top, reach.same_slice);
  if (z == 0) return;
  const std::int64_t there = index - slice_bands_;
  meet(there, &Band::support, &Band::support, reach.above_slice);
  if (k > 0) meet(there - 1, &Band::bottom, &Band::top, reach.diagonal);
  if (k + 1 < slice_bands_) meet(there + 1, &Band::top, &Band::bottom, reach.diagonal);
}

template <class MakeJoin>
void ComponentForest::join_bands(const Neighbourhood& reach, bool parallel, const MakeJoin& make_join) {
  first_runs_.data()[0] = 0;
  std::partial_sum(first_runs_.data(), first_runs_.data() + bands_ + 1, first_runs_.data());
  runs_ = first_run(bands_);
  parents_.reserve(runs_);
  // Blocks of bands are joined within themselves, then to the bands before them.
  const std::int64_t share = (bands_ + get_num_threads() - 1) / get_num_threads();
  const std::int64_t block = parallel ? std::max(bands_per_grain(), share) : std::max<std::int64_t>(1, bands_);
  const std::int64_t blocks = (bands_ + block - 1) / block;
  parallel_for(blocks, 1, [&](std::int64_t begin, std::int64_t end) {
    const auto join = make_join();
    for (std::int64_t b = begin; b < end; ++b) {
      const std::int64_t from = b * block, to = std::min(bands_, from + block);
      std::iota(parents_.data() + first_run(from), parents_.data() + first_run(to), first_run(from));
      for (std::int64_t k = from; k < to; ++k) link_band(k, reach, from, true, join);
    }
  });
  const auto join = make_join();
  const std::int64_t reached = bits_->extent().d > 1 ? slice_bands_ + 1 : 1;
  for (std::int64_t from = block; from < bands_; from += block) {
    const std::int64_t to = std::min(bands_, from + std::min(block, reached));
    for (std::int64_t k = from; k < to; ++k) link_band(k, reach, from, false, join);
  }
  number();
}

void ComponentForest::build(const PaddedBits& bits, int connectivity, bool parallel) {
  // Two rows of a slice make a band where all their pixels in adjacent columns touch, and where those of bands in two
  // slices do.
  prepare(bits, connectivity == 8 || connectivity == 26 ? 2 : 1);
  const std::int64_t words = bits.extent().words();
  parallel_for(bands_, parallel ? bands_per_grain() : std::max<std::int64_t>(1, bands_),
               [&, read_band = component_rows().read_band](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t k = begin; k < end; ++k) {
                   const std::uint64_t* top = bits.row(k * band_rows_);
                   first_runs_.data()[k + 1] = read_band(top, band_rows_ > 1 ? top + stride_ : nullptr, words,
                                                         supports_.data() + 1 + k * stride_,
                                                         starts_.data() + 1 + k * stride_, ranks_.data() + k * stride_);
                 }
               });
  join_bands(neighbourhood(connectivity), parallel, [&] {
    return [this, words, link = component_rows().link](std::int64_t above, auto upper, std::int64_t below, auto lower,
                                                       int sideways) {
      const Band a = band(above), b = band(below);
      link(a, a.*upper, b, b.*lower, words, sideways, parents_.data());
    };
  });
}

void ComponentForest::build_values(const void* values, std::size_t item_size, PaddedBits& bits, int connectivity,
                                   bool parallel) {
  prepare(bits, 1);
  const Extent& extent = bits.extent();
  const std::int64_t words = extent.words();
  const auto read = value_rows().read[item_size == 1 ? 0 : item_size == 2 ? 1 : item_size == 4 ? 2 : 3];
  const auto row_of = [&, this](std::int64_t k) {
    const std::int64_t z = k / slice_bands_, y = k % slice_bands_;
    return static_cast<const std::byte*>(values) + static_cast<std::size_t>((z * extent.h + y) * extent.w) * item_size;
  };
  std::fill_n(first_runs_.data(), bands_ + 1, 0u);  // bands of no row have no runs
  bits.for_each_row(parallel, [&](std::int64_t z, std::int64_t y) {
    const std::int64_t k = band_of(z, y);
    std::uint64_t* starts = starts_.data() + 1 + k * stride_;
    read(row_of(k), nullptr, extent.w, {bits.row(k), starts, nullptr, nullptr, nullptr});
    first_runs_.data()[k + 1] = component_rows().rank_starts(starts, words, ranks_.data() + k * stride_);
  });
  join_bands(neighbourhood(connectivity), parallel, [&] {
    auto memory = std::make_shared<Buffer<std::uint64_t>>();  // the join is copied, its rows are not
    std::uint64_t* rows = memory->reserve(5 * words);
    return [=, this, link = component_rows().link_values](std::int64_t above, auto, std::int64_t below, auto,
                                                          int sideways) {
      const std::uint64_t* contacts[3] = {rows, nullptr, nullptr};
      ValueBits found{rows + 3 * words, rows + 4 * words, rows, nullptr, nullptr};
      if (sideways > 0) {
        found.left = rows + words;
        found.right = rows + 2 * words;
        contacts[1] = found.left;
        contacts[2] = found.right;
      }
      read(row_of(below), row_of(above), extent.w, found);
      link(band(above), band(below), contacts, words, parents_.data());
      static_cast<void>(memory);
    };
  });
}

// Components by the raster order of their first pixels. A root stands before the runs that point to it, directly or by
// another run, so that one pass in order does.
void ComponentForest::number() {
  std::int32_t* labels = labels_.reserve(1 + runs_ + kLabelSlack) + 1;
  labels[-1] = 0;
  std::fill_n(labels + runs_, kLabelSlack, 0);
  const std::uint32_t* parents = parents_.data();
  if (band_rows_ == 1) {
    std::int32_t count = 0;
    for (std::int64_t i = 0; i < runs_; ++i) {
      const std::uint32_t parent = parents[i];
      const bool is_root = parent == static_cast<std::uint32_t>(i);
      count += is_root;
      labels[i] = is_root ? count : labels[parent];
    }
    components_ = count;
    return;
  }
  components_ = 0;
  for (std::int64_t k = 0; k < bands_; ++k) number_band(k, first_run(k), first_run(k + 1));
}

// Of the components that begin in this band, those with pixels in its first row come first.
void ComponentForest::number_band(std::int64_t index, std::uint32_t begin, std::uint32_t end) {
  std::uint32_t* parents = parents_.data();
  std::int32_t* labels = labels_.data() + 1;
  std::int64_t roots = 0;
  for (std::uint32_t i = begin; i < end; ++i) {
    parents[i] = parents[parents[i]];  // the root
    roots += parents[i] == i;
    labels[i] = parents[i] < begin ? labels[parents[i]] : 0;
  }
  if (roots == 0) return;
  auto count = static_cast<std::int32_t>(components_);
  const auto meet = [&](std::uint32_t i) {
    const std::uint32_t root = parents[i];
    if (root >= begin && labels[root] == 0) labels[root] = ++count;
  };
  if (roots > 1) {
    const std::int64_t words = bits_->extent().words();
    std::uint32_t* bearers = bearers_.reserve(32 * words + 1);
    const std::int64_t listed =
        component_rows().list_bearers(bits_->row(index * band_rows_), starts(index), rank(index), words, bearers);
    for (std::int64_t i = 0; i < listed; ++i) meet(begin + bearers[i]);
  }
  for (std::uint32_t i = begin; i < end; ++i) meet(i);
  for (std::uint32_t i = begin; i < end; ++i) labels[i] = labels[parents[i]];
  components_ = count;
}

void ComponentForest::paint(const std::int32_t* values, bool parallel, std::int32_t* pixels) const {
  const auto paint_row = component_rows().paint;
  const Extent& extent = bits_->extent();
  bits_->for_each_row(parallel, [&](std::int64_t z, std::int64_t y) {
    const std::int64_t k = band_of(z, y);
    paint_row(bits_->row(z, y), starts(k), rank(k), values + first_run(k), extent.w,
              pixels + (z * extent.h + y) * extent.w);
  });
}

}  // namespace rapidmask::cpu
