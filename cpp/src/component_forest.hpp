// Components of one mask as a union-find over horizontal runs of packed rows.
//
// Natural masks have one run for 30 to 100 pixels, so whatever is done per run is nearly free. Runs stand in raster
// order and the root of a component is its first run, so that numbers come out in raster order. Where pixels connect by
// 8 within a slice, two rows make one band (isa/component_rows.hpp), which halves the work on noise.
//
// Where `parallel`, the pool shares what costs per pixel: finding runs, joining those within each block of bands, and
// painting. Joining blocks and numbering, which cost per run, are left to one thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "component_planes.hpp"
#include "isa/component_rows.hpp"
#include "rapidmask/components.hpp"

namespace rapidmask::cpu {

// Rows of a band: all pixels in adjacent columns of two rows touch, and so do those of such bands in adjacent slices.
inline int band_rows_of(int connectivity) { return connectivity == 8 || connectivity == 26 ? 2 : 1; }

class ComponentForest {
 public:
  // `bits` are in bands of band_rows_of(connectivity) rows.
  void build(const PaddedBits& bits, int connectivity, bool parallel);
  // The same for runs of equal values that are not 0, integers of so many bytes, whose pixels are written to `bits`.
  void build_values(const void* values, std::size_t item_size, PaddedBits& bits, const Extent& extent, int connectivity,
                    bool parallel);

  std::int64_t runs() const { return first_run(bands_); }
  std::int64_t components() const { return components_; }
  // The number of each run's component, from 1.
  const std::int32_t* labels() const { return labels_.data() + 1; }
  const PaddedBits& bits() const { return *bits_; }

  // Calls visit(run, z, y) for every stretch of pixels of single rows. Where `parallel`, the pool shares them.
  template <class Visit>
  void for_each_run(bool parallel, const Visit& visit) const;

  // Calls visit(label) for the components that touch the border of the image or, where `volume`, of the volume; for
  // some of them more than once.
  template <class Visit>
  void for_each_at_border(bool volume, const Visit& visit) const;

  // Writes values[run], one of which stands before the first and kLabelSlack after the last, over the pixels of the
  // runs, and 0 elsewhere.
  void paint(const std::int32_t* values, bool parallel, std::int32_t* pixels) const;

 private:
  // A neighbour of bands: so many bands before, which rows of the two touch, how far to the side, and whether the first
  // or the last band of a slice has none.
  struct Relation {
    std::int64_t back;
    const std::uint64_t* upper;
    const std::uint64_t* lower;
    int reach;
    bool skips_first, skips_last;
  };

  void prepare(const PaddedBits& bits);
  BandPlanes planes() const;
  std::uint32_t first_run(std::int64_t band) const { return ranks_.data()[band * stride_]; }
  std::int64_t first_word(std::int64_t band) const { return 1 + band * stride_; }
  // Blocks of bands that the pool shares, and their number.
  std::int64_t bands_per_block(bool parallel) const;
  // From starts, and ranks within each block of so many runs: ranks, unions and numbers. Unions of the bands [begin,
  // end) with those before are left to join(relation, begin, end).
  template <class Join>
  void join_blocks(const std::vector<std::int64_t>& runs_of_block, std::int64_t block, int connectivity,
                   const Join& join);
  // Calls join() for the bands of [begin, end) whose neighbours are at or after `first` or, unless `inner`, before it.
  template <class Join>
  void for_each_relation(const Neighbourhood& reach, std::int64_t begin, std::int64_t end, bool inner,
                         const Join& join) const;
  void number();
  void number_band(std::int64_t band);
  // The label of the component that has a pixel, 0 for background.
  std::int32_t label_at(std::int64_t z, std::int64_t y, std::int64_t x) const;
  // Calls visit(label) for the runs of a row.
  template <class Visit>
  void for_each_in_row(std::int64_t z, std::int64_t y, const Visit& visit) const;

  const PaddedBits* bits_ = nullptr;
  std::int64_t bands_ = 0, slice_bands_ = 0, stride_ = 0, components_ = 0;
  Buffer<std::uint64_t> supports_, starts_;
  Buffer<std::uint32_t> ranks_, parents_;
  mutable Buffer<std::uint32_t> bearers_;
  Buffer<std::int32_t> labels_;
  mutable Buffer<Run> listed_;
  mutable Buffer<std::int32_t> edges_;
};

template <class Visit>
void ComponentForest::for_each_run(bool parallel, const Visit& visit) const {
  constexpr std::int64_t kListed = 1 << 14;
  const Extent& extent = bits_->extent();
  const std::int64_t row_runs = (extent.w + 1) / 2;
  const std::int64_t step = std::max<std::int64_t>(1, kListed / std::max<std::int64_t>(1, row_runs));
  const auto list_runs = component_rows().list_runs;
  const auto visit_bands = [&](std::int64_t begin, std::int64_t end, Buffer<Run>& listed, Buffer<std::int32_t>& edges) {
    for (std::int64_t band = begin; band < end; band += step) {
      const std::int64_t last = std::min(end, band + step);
      if (first_run(band) == first_run(last)) continue;
      Run* runs = listed.reserve(step * row_runs);
      std::int32_t* room = edges.reserve(2 * step * row_runs);
      for (int r = 0; r < bits_->band_rows(); ++r) {
        const std::int64_t count = list_runs(bits_->plane(r), starts_.data(), ranks_.data(), labels(), first_word(band),
                                             first_word(last), stride_, room, runs);
        for (std::int64_t k = 0; k < count; ++k) {
          const std::int64_t z = extent.d == 1 ? 0 : runs[k].row / slice_bands_;
          visit(runs[k], z, (runs[k].row - z * slice_bands_) * bits_->band_rows() + r);
        }
      }
    }
  };
  if (!parallel) return visit_bands(0, bands_, listed_, edges_);
  parallel_for(bands_, std::max<std::int64_t>(1, bits_->rows_per_grain() / bits_->band_rows()),
               [&](std::int64_t begin, std::int64_t end) {
                 Buffer<Run> listed;
                 Buffer<std::int32_t> edges;
                 visit_bands(begin, end, listed, edges);
               });
}

template <class Visit>
void ComponentForest::for_each_in_row(std::int64_t z, std::int64_t y, const Visit& visit) const {
  const Extent& extent = bits_->extent();
  std::uint32_t* bearers = bearers_.reserve(extent.w / 2 + 1);
  const std::int64_t word = bits_->word_of(z, y);
  const std::int64_t count = component_rows().list_bearers(bits_->row(z, y) - word, starts_.data(), ranks_.data(), word,
                                                           word + extent.words(), bearers);
  for (std::int64_t k = 0; k < count; ++k) visit(labels()[bearers[k]]);
}

template <class Visit>
void ComponentForest::for_each_at_border(bool volume, const Visit& visit) const {
  const Extent& extent = bits_->extent();
  for (std::int64_t z = 0; z < extent.d; ++z) {
    const bool face = volume && (z == 0 || z == extent.d - 1);
    for (std::int64_t y = 0; y < extent.h; ++y) {
      if (face || y == 0 || y == extent.h - 1) {
        for_each_in_row(z, y, visit);
        continue;
      }
      const std::int32_t left = label_at(z, y, 0), right = label_at(z, y, extent.w - 1);
      if (left != 0) visit(left);
      if (right != 0) visit(right);
    }
  }
}

}  // namespace rapidmask::cpu
