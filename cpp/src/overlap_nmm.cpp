// Merging of masks on the CPU.

#include <algorithm>
#include <numeric>
#include <vector>

#include "overlap_crops.hpp"
#include "parallel.hpp"
#include "rapidmask/overlap.hpp"

namespace rapidmask::cpu {
namespace {

// The union of a group of masks, in space for any mask.
class Union {
 public:
  Union(std::int64_t h, std::int64_t words) : words_(words), bits_(static_cast<std::size_t>(h * words)) {}
  const Crop& crop() const { return crop_; }

  void start(const Crop& mask) {
    for_each_row(crop_, [](std::uint64_t* row, std::int64_t, std::int64_t words) { std::fill_n(row, words, 0); });
    crop_ = {};
    add(mask);
    count();
  }
  // The area is counted by count(), after the last.
  void add(const Crop& mask) {
    if (mask.area == 0) return;
    const bool first = crop_.k1 == 0;
    crop_.k0 = first ? mask.k0 : std::min(crop_.k0, mask.k0);
    crop_.y0 = first ? mask.y0 : std::min(crop_.y0, mask.y0);
    crop_.k1 = std::max(crop_.k1, mask.k1);
    crop_.y1 = std::max(crop_.y1, mask.y1);
    crop_.stride = words_;
    crop_.words = bits_.data() + crop_.y0 * words_ + crop_.k0;
    for_each_row(mask, [&](std::uint64_t* row, std::int64_t y, std::int64_t words) {
      const std::uint64_t* given = mask.at(y, mask.k0);
      for (std::int64_t k = 0; k < words; ++k) row[k] |= given[k];
    });
  }
  void count() { crop_.area = crop_.k1 == 0 ? 0 : shared(crop_, crop_); }

 private:
  // Calls visit(row, y, words) for where the rows of a crop lie in the union.
  template <class Visit>
  void for_each_row(const Crop& crop, const Visit& visit) {
    for (std::int64_t y = crop.y0; y < crop.y1; ++y) {
      visit(bits_.data() + y * words_ + crop.k0, y, crop.k1 - crop.k0);
    }
  }

  std::int64_t words_;
  std::vector<std::uint64_t> bits_;
  Crop crop_;
};

}  // namespace

void mask_nmm(const Context&, const Masks& masks, const double* scores, const std::int64_t* labels, double threshold,
              OverlapMetric metric, const MakeGroups& make_groups) {
  const Crops crops(masks);
  std::vector<std::int64_t> left(static_cast<std::size_t>(masks.n));  // in the order of scores
  std::iota(left.begin(), left.end(), std::int64_t{0});
  std::sort(left.begin(), left.end(),
            [&](std::int64_t i, std::int64_t j) { return scores_before(scores[i], i, scores[j], j); });
  std::vector<std::int64_t> members, offsets{0};
  Union merged(masks.h, masks.words());
  std::vector<std::uint8_t> joins(left.size());
  while (!left.empty()) {
    const std::int64_t leader = left.front();
    merged.start(crops[leader]);
    members.push_back(leader);
    left.erase(left.begin());
    for (bool grown = true; grown;) {
      parallel_for(static_cast<std::int64_t>(left.size()), overlap_grain(merged.crop()),
                   [&](std::int64_t begin, std::int64_t end) {
                     for (std::int64_t s = begin; s < end; ++s) {
                       const std::int64_t j = left[static_cast<std::size_t>(s)];
                       const Crop& crop = crops[j];
                       const bool competes = labels == nullptr || labels[j] == labels[leader];
                       const std::int64_t most = most_shared(crop, merged.crop());
                       joins[static_cast<std::size_t>(s)] =
                           competes && overlap_of(metric, most, crop.area, merged.crop().area) >= threshold &&
                           overlap(metric, crop, merged.crop()) >= threshold;
                     }
                   });
      std::size_t stay = 0;
      for (std::size_t s = 0; s < left.size(); ++s) {
        if (joins[s] != 0) {
          merged.add(crops[left[s]]);
          members.push_back(left[s]);
        } else {
          left[stay++] = left[s];
        }
      }
      grown = stay < left.size();
      left.resize(stay);
      merged.count();
    }
    offsets.push_back(static_cast<std::int64_t>(members.size()));
  }
  const MaskGroups groups = make_groups(static_cast<std::int64_t>(offsets.size()) - 1);
  std::copy(members.begin(), members.end(), groups.indices);
  std::copy(offsets.begin(), offsets.end(), groups.offsets);
}

}  // namespace rapidmask::cpu
