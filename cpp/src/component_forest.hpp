// Components of one mask as a union-find over horizontal runs of packed rows.
//
// Natural masks have one run for 30 to 100 pixels, so whatever is done per run is nearly free. Runs stand in raster
// order and the root of a component is its first run, so that numbers come out in raster order. Where pixels connect by
// 8 within a slice, two rows make one band (isa/component_rows.hpp), which halves the work on noise.
//
// The steps are spread over the pool where they are told to be: reading bands, joining those within each block of them,
// and what callers do per band. Joining blocks and numbering, which cost per run, are left to one thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "isa/component_rows.hpp"
#include "parallel.hpp"
#include "rapidmask/components.hpp"

namespace rapidmask::cpu {

// Uninitialised memory that grows when it is asked to hold more, and forgets its content then.
template <class T>
class Buffer {
 public:
  T* reserve(std::int64_t count) {
    if (count > capacity_) {
      data_.reset();
      data_.reset(new T[static_cast<std::size_t>(count)]);
      capacity_ = count;
    }
    return data_.get();
  }
  T* data() const { return data_.get(); }

 private:
  std::unique_ptr<T[]> data_;
  std::int64_t capacity_ = 0;
};

// The shape of one mask.
struct Extent {
  std::int64_t d, h, w;

  std::int64_t words() const { return (w + 63) / 64; }
  bool operator==(const Extent&) const = default;
};

// Packed rows with the zeros around them that row loops rely on. Slices of an odd number of rows end with an empty one.
class PaddedBits {
 public:
  void resize(const Extent& extent);
  const Extent& extent() const { return extent_; }
  std::int64_t rows() const { return extent_.d * slice_rows_; }  // the empty ones included
  std::int64_t slice_rows() const { return slice_rows_; }
  std::int64_t stride() const { return stride_; }
  std::uint64_t* row(std::int64_t y) const { return words_.data() + 1 + y * stride_; }
  std::uint64_t* row(std::int64_t z, std::int64_t y) const { return row(z * slice_rows_ + y); }

  // Mask i of a batch, or what is not in it.
  void load(const Masks& masks, std::int64_t i, bool parallel);
  void load_complement(const PaddedBits& bits, bool parallel);
  void store(const MutableMasks& masks, std::int64_t i, bool parallel) const;

  // Rows of a mask, one after the other.
  struct RowRange {
    std::int64_t z, y, h, left;

    bool empty() const { return left == 0; }
    void next() {
      --left;
      if (++y == h) {
        y = 0;
        ++z;
      }
    }
  };
  // Calls body(rows) for ranges that cover the mask, which the pool shares where `parallel`.
  template <class Body>
  void for_each_row_range(bool parallel, const Body& body) const {
    const std::int64_t count = extent_.d * extent_.h;
    parallel_for(count, parallel ? rows_per_grain() : std::max<std::int64_t>(1, count),
                 [&](std::int64_t begin, std::int64_t end) {
                   body(RowRange{begin / extent_.h, begin % extent_.h, extent_.h, end - begin});
                 });
  }
  // Calls body(z, y) for every row.
  template <class Body>
  void for_each_row(bool parallel, const Body& body) const {
    for_each_row_range(parallel, [&](RowRange rows) {
      for (; !rows.empty(); rows.next()) body(rows.z, rows.y);
    });
  }
  // Some 50 µs of work.
  std::int64_t rows_per_grain() const {
    constexpr std::int64_t kGrainPixels = 1 << 20;
    return std::max<std::int64_t>(16, kGrainPixels / std::max<std::int64_t>(1, extent_.w));
  }

 private:
  Extent extent_{};
  std::int64_t slice_rows_ = 0, stride_ = 0;
  Buffer<std::uint64_t> words_;
};

class ComponentForest {
 public:
  void build(const PaddedBits& bits, int connectivity, bool parallel);
  // The same for runs of equal values that are not 0, integers of so many bytes. Their pixels are written to `bits`,
  // which has the extent of the values.
  void build_values(const void* values, std::size_t item_size, PaddedBits& bits, int connectivity, bool parallel);

  std::int64_t runs() const { return runs_; }
  std::int64_t components() const { return components_; }
  // The number of each run's component, from 1.
  const std::int32_t* labels() const { return labels_.data() + 1; }

  std::int64_t bands() const { return bands_; }
  std::int64_t band_of(std::int64_t z, std::int64_t y) const { return (z * bits_->slice_rows() + y) / band_rows_; }
  std::uint32_t first_run(std::int64_t band) const { return first_runs_.data()[band]; }
  const std::uint64_t* starts(std::int64_t band) const { return starts_.data() + 1 + band * stride_; }
  const std::uint32_t* rank(std::int64_t band) const { return ranks_.data() + band * stride_; }
  const PaddedBits& bits() const { return *bits_; }

  // Calls visit(run, z, y) for every run of pixels of single rows, in raster order. Where `parallel`, rows are shared
  // by the pool.
  template <class Visit>
  void for_each_run(bool parallel, const Visit& visit) const {
    const auto list_runs = component_rows().list_runs;
    const Extent& extent = bits_->extent();
    bits_->for_each_row_range(parallel, [&](PaddedBits::RowRange rows) {
      Buffer<Run> buffer;
      Run* runs = buffer.reserve((extent.w + 1) / 2 + 1);
      for (; !rows.empty(); rows.next()) {
        const std::int64_t k = band_of(rows.z, rows.y);
        const std::uint32_t first = first_run(k);
        if (first == first_run(k + 1)) continue;
        const std::int64_t count =
            list_runs(bits_->row(rows.z, rows.y), starts(k), rank(k), labels() + first, extent.words(), runs);
        for (std::int64_t r = 0; r < count; ++r) visit(runs[r], rows.z, rows.y);
      }
    });
  }

  // Writes values[run], one of which stands before the first and kLabelSlack after the last, over the pixels of the
  // runs, and 0 elsewhere.
  void paint(const std::int32_t* values, bool parallel, std::int32_t* pixels) const;

 private:
  void prepare(const PaddedBits& bits, std::int64_t band_rows);
  Band band(std::int64_t index) const;
  std::int64_t bands_per_grain() const { return std::max<std::int64_t>(1, bits_->rows_per_grain() / band_rows_); }
  // From the number of runs of each band: joins them by the functions that make_join() makes, one for each thread.
  template <class MakeJoin>
  void join_bands(const Neighbourhood& reach, bool parallel, const MakeJoin& make_join);
  // Joins band `index` to those before it that are at or after `first` or, unless `inner`, to the others.
  template <class Join>
  void link_band(std::int64_t index, const Neighbourhood& reach, std::int64_t first, bool inner,
                 const Join& join) const;
  void number();
  void number_band(std::int64_t index, std::uint32_t begin, std::uint32_t end);

  const PaddedBits* bits_ = nullptr;
  std::int64_t bands_ = 0, slice_bands_ = 0, band_rows_ = 1, stride_ = 0;
  std::int64_t runs_ = 0, components_ = 0;
  Buffer<std::uint64_t> supports_, starts_;
  Buffer<std::uint32_t> ranks_, first_runs_, parents_, bearers_;
  Buffer<std::int32_t> labels_;
};

}  // namespace rapidmask::cpu
