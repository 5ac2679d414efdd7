// The runs of an image with few of them, as natural masks have: one list in raster order, joined by one merge of the
// list with itself. Twice as fast then as planes of words (component_forest.hpp), which serve the rest.
#pragma once

#include <cstdint>

#include "component_planes.hpp"
#include "isa/component_rows.hpp"

namespace rapidmask::cpu {

class RunList {
 public:
  // Lists and labels the runs of an image whose pixels connect by 4 or 8. Returns false, with nothing to use, if there
  // are so many that planes are faster.
  bool build(const PaddedBits& bits, int connectivity);

  std::int64_t size() const { return size_; }
  std::int64_t components() const { return components_; }
  const Run* begin() const { return runs_.data(); }
  const Run* end() const { return runs_.data() + size_; }
  // The number of each run's component, from 1.
  const std::int32_t* labels() const { return labels_.data(); }

  // Writes values[run] over the pixels of the runs that begin in rows [y0, y1) of w pixels, and 0 elsewhere.
  void paint(const std::int32_t* values, std::int64_t y0, std::int64_t y1, std::int64_t w, std::int32_t* pixels) const;

 private:
  void join(int connectivity, std::int32_t row_pixels);

  std::int64_t size_ = 0, components_ = 0;
  Buffer<std::int32_t> edges_;  // of the plane's pixels: by turns the first of a run and the first after it
  Buffer<std::uint32_t> parents_;
  Buffer<std::int32_t> labels_;
  Buffer<Run> runs_;
};

}  // namespace rapidmask::cpu
