// Run lengths of COCO's dictionaries.

#include <stdexcept>

#include "isa/rle_measure_rows.hpp"
#include "rapidmask/coco.hpp"

namespace rapidmask {

CocoMasks::CocoMasks(const char* function, std::span<const CocoText> texts) {
  masks_.reserve(texts.size());
  std::size_t characters = 0;
  for (const CocoText& text : texts) characters += text.counts.size();
  counts_.resize(characters);
  std::uint32_t* place = counts_.data();
  for (const CocoText& text : texts) {
    check_run_size(function, text.h, text.w);
    const std::int64_t count = rle_from_string(function, text.counts, place);
    masks_.push_back({place, count, text.h, text.w, 0});
    place += count;
  }
}

void CocoMasks::check(bool size_of_first) {
  const auto sums_of = rle_measure_rows().sums;
  for (CocoMask& mask : masks_) {
    if (size_of_first) {
      mask.h = masks_[0].h;
      mask.w = masks_[0].w;
    }
    const RunSums sums = sums_of(mask.counts, mask.count);
    if (sums.background + sums.foreground != mask.h * mask.w) {
      throw std::invalid_argument("Invalid RLE mask representation");
    }
    mask.area = sums.foreground;
    if (sums.canonical && (mask.count == 0 || mask.h * mask.w > 0)) continue;
    const std::int64_t offsets[2]{0, mask.count};
    const FoundRuns found = cpu::rle_canonical({}, {mask.counts, offsets, 1, mask.h, mask.w});
    mask.count = found.offsets().back();
    found.write(const_cast<std::uint32_t*>(mask.counts));  // of counts_, and no more than there were
  }
}

void coco_box(const CocoMask& mask, double* box) {
  const std::int64_t offsets[2]{0, mask.count};
  std::int64_t corners[4];
  cpu::rle_boxes({}, {mask.counts, offsets, 1, mask.h, mask.w}, corners);
  box[0] = static_cast<double>(corners[0]);
  box[1] = static_cast<double>(corners[1]);
  box[2] = static_cast<double>(corners[2] - corners[0]);
  box[3] = static_cast<double>(corners[3] - corners[1]);
}

}  // namespace rapidmask
