#include "component_forest.hpp"

#include <numeric>

#include "isa/value_rows.hpp"

namespace rapidmask::cpu {

void ComponentForest::prepare(const PaddedBits& bits) {
  bits_ = &bits;
  slice_bands_ = bits.slice_bands();
  bands_ = bits.bands();
  stride_ = bits.stride();
  starts_.reserve(bits.plane_words())[0] = 0;
  ranks_.reserve(bits.plane_words())[0] = 0;
  if (bits.band_rows() > 1) supports_.reserve(bits.plane_words())[0] = 0;
}

BandPlanes ComponentForest::planes() const {
  const std::uint64_t* top = bits_->plane(0);
  const bool pairs = bits_->band_rows() > 1;
  return {top, bits_->plane(pairs ? 1 : 0), pairs ? supports_.data() : top, starts_.data(), ranks_.data()};
}

std::int64_t ComponentForest::bands_per_block(bool parallel) const {
  if (!parallel) return std::max<std::int64_t>(1, bands_);
  const std::int64_t share = (bands_ + get_num_threads() - 1) / get_num_threads();
  return std::max({std::int64_t{1}, share, bits_->rows_per_grain() / bits_->band_rows()});
}

template <class Join>
void ComponentForest::for_each_relation(const Neighbourhood& reach, std::int64_t begin, std::int64_t end, bool inner,
                                        const Join& join) const {
  const BandPlanes bands = planes();
  const Relation relations[] = {
      {1, bands.bottom, bands.top, reach.same_slice, true, false},
      {slice_bands_, bands.support, bands.support, reach.above_slice, false, false},
      {slice_bands_ + 1, bands.bottom, bands.top, reach.diagonal, true, false},
      {slice_bands_ - 1, bands.top, bands.bottom, reach.diagonal, false, true},
  };
  const bool flat = bits_->extent().d == 1;
  for (const Relation& relation : relations) {
    if (relation.reach == Neighbourhood::kNone || (flat && &relation != relations)) continue;
    const std::int64_t from = inner ? begin + relation.back : std::max(begin, relation.back);
    const std::int64_t to = inner ? end : std::min(end, begin + relation.back);
    if (flat) {
      if (from < to) join(relation, from, to);
      continue;
    }
    for (std::int64_t slice = from / slice_bands_ * slice_bands_; slice < to; slice += slice_bands_) {
      const std::int64_t first = std::max(from, slice + (relation.skips_first ? 1 : 0));
      const std::int64_t last = std::min(to, slice + slice_bands_ - (relation.skips_last ? 1 : 0));
      if (first < last) join(relation, first, last);
    }
  }
}

template <class Join>
void ComponentForest::join_blocks(const std::vector<std::int64_t>& runs_of_block, std::int64_t block, int connectivity,
                                  const Join& join) {
  const Neighbourhood reach = neighbourhood(connectivity);
  const auto blocks = static_cast<std::int64_t>(runs_of_block.size());
  std::vector<std::int64_t> first_runs(runs_of_block.size() + 1);
  std::partial_sum(runs_of_block.begin(), runs_of_block.end(), first_runs.begin() + 1);
  std::uint32_t* parents = parents_.reserve(first_runs.back());
  parallel_for(blocks, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t b = begin; b < end; ++b) {
      const std::int64_t from = b * block, to = std::min(bands_, from + block);
      const auto first = static_cast<std::uint32_t>(first_runs[static_cast<std::size_t>(b)]);
      const auto last = static_cast<std::uint32_t>(first_runs[static_cast<std::size_t>(b + 1)]);
      if (first > 0) {
        std::for_each(ranks_.data() + first_word(from), ranks_.data() + first_word(to),
                      [&](std::uint32_t& rank) { rank += first; });
      }
      std::iota(parents + first, parents + last, first);
      for_each_relation(reach, from, to, true, join);
    }
  });
  for (std::int64_t from = block; from < bands_; from += block) {
    for_each_relation(reach, from, std::min(bands_, from + block), false, join);
  }
  number();
}

void ComponentForest::build(const PaddedBits& bits, int connectivity, bool parallel) {
  prepare(bits);
  const std::int64_t block = bands_per_block(parallel);
  std::vector<std::int64_t> runs_of_block(static_cast<std::size_t>((bands_ + block - 1) / block));
  const BandPlanes bands = planes();
  parallel_for(static_cast<std::int64_t>(runs_of_block.size()), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t b = begin; b < end; ++b) {
      const std::int64_t from = first_word(b * block), to = first_word(std::min(bands_, (b + 1) * block));
      component_rows().find_starts(bands.top, bands.bottom, from, to, supports_.data(), starts_.data());
      runs_of_block[static_cast<std::size_t>(b)] =
          component_rows().rank_starts(starts_.data(), from, to, ranks_.data());
    }
  });
  join_blocks(runs_of_block, block, connectivity,
              [&, link = component_rows().link](const Relation& relation, std::int64_t begin, std::int64_t end) {
                link(bands, relation.upper, relation.lower, first_word(begin), first_word(end), relation.back * stride_,
                     relation.reach, parents_.data());
              });
}

void ComponentForest::build_values(const void* values, std::size_t item_size, PaddedBits& bits, const Extent& extent,
                                   int connectivity, bool parallel) {
  bits.resize(extent);
  prepare(bits);
  const std::int64_t words = extent.words();
  const auto read = value_rows().read[item_size == 1 ? 0 : item_size == 2 ? 1 : item_size == 4 ? 2 : 3];
  const auto row_of = [&](std::int64_t row) {
    return static_cast<const std::byte*>(values) + static_cast<std::size_t>(row * extent.w) * item_size;
  };
  const std::int64_t block = bands_per_block(parallel);
  std::vector<std::int64_t> runs_of_block(static_cast<std::size_t>((bands_ + block - 1) / block));
  parallel_for(static_cast<std::int64_t>(runs_of_block.size()), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t b = begin; b < end; ++b) {
      const std::int64_t from = b * block, to = std::min(bands_, from + block);
      for (std::int64_t row = from; row < to; ++row) {
        std::uint64_t* starts = starts_.data() + first_word(row);
        read(row_of(row), nullptr, extent.w, {bits.plane(0) + first_word(row), starts, nullptr, nullptr, nullptr});
        starts[words] = 0;
      }
      runs_of_block[static_cast<std::size_t>(b)] =
          component_rows().rank_starts(starts_.data(), first_word(from), first_word(to), ranks_.data());
    }
  });
  join_blocks(runs_of_block, block, connectivity, [&](const Relation& relation, std::int64_t begin, std::int64_t end) {
    Buffer<std::uint64_t> buffer;
    std::uint64_t* rows = buffer.reserve(5 * words);
    ValueBits found{rows + 3 * words, rows + 4 * words, rows, nullptr, nullptr};
    if (relation.reach > 0) {
      found.left = rows + words;
      found.right = rows + 2 * words;
    }
    const std::uint64_t* const contacts[3] = {found.straight, found.left, found.right};
    for (std::int64_t row = begin; row < end; ++row) {
      const std::int64_t above = row - relation.back;
      read(row_of(row), row_of(above), extent.w, found);
      component_rows().link_values(starts_.data() + first_word(above), ranks_.data() + first_word(above),
                                   starts_.data() + first_word(row), ranks_.data() + first_word(row), contacts, words,
                                   parents_.data());
    }
  });
}

// Components by the raster order of their first pixels. A root stands before the runs that point to it, directly or by
// another run, so that one pass in order does.
void ComponentForest::number() {
  const std::int64_t count = runs();
  std::int32_t* labels = labels_.reserve(1 + count + kLabelSlack) + 1;
  labels[-1] = 0;
  std::fill_n(labels + count, kLabelSlack, 0);
  components_ = 0;
  if (bits_->band_rows() > 1) {
    for (std::int64_t band = 0; band < bands_; ++band) number_band(band);
    return;
  }
  components_ = component_rows().number(parents_.data(), count, labels);
}

// Of the components that begin in this band, those with pixels in its first row come first.
void ComponentForest::number_band(std::int64_t band) {
  const std::uint32_t begin = first_run(band), end = first_run(band + 1);
  std::uint32_t* parents = parents_.data();
  std::int32_t* labels = labels_.data() + 1;
  std::int64_t roots = 0;
  for (std::uint32_t i = begin; i < end; ++i) {
    const std::uint32_t root = parents[parents[i]];
    parents[i] = root;
    roots += root == i;
    labels[i] = root < begin ? labels[root] : 0;
  }
  if (roots == 0) return;
  auto count = static_cast<std::int32_t>(components_);
  const auto meet = [&](std::uint32_t i) {
    const std::uint32_t root = parents[i];
    if (root >= begin && labels[root] == 0) labels[root] = ++count;
  };
  if (roots > 1) {
    std::uint32_t* bearers = bearers_.reserve(bits_->extent().w / 2 + 1);
    const std::int64_t listed = component_rows().list_bearers(bits_->plane(0), starts_.data(), ranks_.data(),
                                                              first_word(band), first_word(band + 1), bearers);
    std::for_each(bearers, bearers + listed, meet);
  }
  for (std::uint32_t i = begin; i < end; ++i) meet(i);
  for (std::uint32_t i = begin; i < end; ++i) labels[i] = labels[parents[i]];
  components_ = count;
}

std::int32_t ComponentForest::label_at(std::int64_t z, std::int64_t y, std::int64_t x) const {
  if ((bits_->row(z, y)[x / 64] >> (x % 64) & 1u) == 0) return 0;
  const std::int64_t word = bits_->word_of(z, y) + x / 64;
  const std::uint64_t started = starts_.data()[word] & ~std::uint64_t{0} >> (63 - x % 64);
  return labels()[static_cast<std::int64_t>(ranks_.data()[word]) + __builtin_popcountll(started) - 1];
}

void ComponentForest::paint(const std::int32_t* values, bool parallel, std::int32_t* pixels) const {
  const auto paint_row = component_rows().paint;
  const Extent& extent = bits_->extent();
  bits_->for_each_row(parallel, [&](std::int64_t z, std::int64_t y) {
    const std::int64_t word = bits_->word_of(z, y);
    paint_row(bits_->row(z, y), starts_.data() + word, ranks_.data() + word, values, extent.w,
              pixels + (z * extent.h + y) * extent.w);
  });
}

}  // namespace rapidmask::cpu
