// Packed rows of masks as the loops over components want them (isa/component_rows.hpp).
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>

#include "isa/component_rows.hpp"
#include "parallel.hpp"
#include "rapidmask/types.hpp"

namespace rapidmask::cpu {

// Uninitialised memory that grows when it is asked to hold more, and forgets its content then.
template <class T>
class Buffer {
 public:
  T* reserve(std::int64_t count) {
    if (count > capacity_) {
      data_.reset();
      capacity_ = 0;  // for good where there is no memory
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

// Packed rows of one mask in planes as the loops over rows want them: in one or, for bands of two rows, even rows in
// one and odd rows in another. A slice of an odd number of rows then ends with an empty one.
class PaddedBits {
 public:
  void resize(const Extent& extent, int band_rows = 1);
  const Extent& extent() const { return extent_; }
  int band_rows() const { return 1 + band_shift_; }
  std::int64_t slice_bands() const { return slice_bands_; }
  std::int64_t bands() const { return extent_.d * slice_bands_; }
  std::int64_t stride() const { return stride_; }
  std::int64_t plane_words() const { return 1 + bands() * stride_ + kPlaneSlack; }
  std::uint64_t* plane(int row_of_band) const { return words_.data() + row_of_band * plane_words(); }
  std::uint64_t* row(std::int64_t z, std::int64_t y) const {
    return plane(static_cast<int>(y & band_shift_)) + word_of(z, y);
  }
  // Where a row begins in its plane.
  std::int64_t word_of(std::int64_t z, std::int64_t y) const {
    return 1 + (z * slice_bands_ + (y >> band_shift_)) * stride_;
  }

  // Mask i of a batch, or its background, and back, in one plane.
  void load(const Masks& masks, std::int64_t i, bool background, bool parallel);
  void store(const MutableMasks& masks, std::int64_t i, bool background, bool parallel) const;

  void invert(bool parallel);
  // The same rows in two planes.
  void pair(const PaddedBits& bits, bool parallel);

  // Calls body(row, rows, bits) for stretches of rows of one plane and slice: the number of the first in the mask,
  // where it lies, and how many there are, one of each band.
  template <class Body>
  void for_each_stripe(bool parallel, const Body& body) const {
    parallel_for(bands(), parallel ? rows_per_grain() / band_rows() : kSerialGrain,
                 [&](std::int64_t begin, std::int64_t end) {
                   while (begin < end) {
                     const std::int64_t z = begin / slice_bands_, band = begin - z * slice_bands_;
                     const std::int64_t stop = std::min(end, (z + 1) * slice_bands_) - z * slice_bands_;
                     for (int r = 0; r < band_rows(); ++r) {
                       const std::int64_t y = band * band_rows() + r;
                       const std::int64_t rows = std::min(stop - band, (extent_.h - y + band_rows() - 1) / band_rows());
                       if (rows > 0) body(z * extent_.h + y, rows, row(z, y));
                     }
                     begin += stop - band;
                   }
                 });
  }
  // Calls body(z, y) for every row.
  template <class Body>
  void for_each_row(bool parallel, const Body& body) const {
    const std::int64_t count = extent_.d * extent_.h;
    parallel_for(count, parallel ? rows_per_grain() : kSerialGrain, [&](std::int64_t begin, std::int64_t end) {
      std::int64_t z = begin / extent_.h, y = begin % extent_.h;
      for (std::int64_t k = begin; k < end; ++k) {
        body(z, y);
        if (++y == extent_.h) {
          y = 0;
          ++z;
        }
      }
    });
  }
  // Some 50 µs of work.
  std::int64_t rows_per_grain() const {
    constexpr std::int64_t kGrainPixels = 1 << 20;
    return std::max<std::int64_t>(16, kGrainPixels / std::max<std::int64_t>(1, extent_.w));
  }

 private:
  Extent extent_{};
  int band_shift_ = 0;  // 1 where a band has two rows
  std::int64_t slice_bands_ = 0, stride_ = 0;
  Buffer<std::uint64_t> words_;
};

}  // namespace rapidmask::cpu
