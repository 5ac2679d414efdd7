// Panoptic merging, painting and scores that do not overlap, on the CPU.

#include "rapidmask/panoptic.hpp"

#include <algorithm>
#include <mutex>
#include <numeric>
#include <vector>

#include "class_taps.hpp"
#include "isa/overlap_rows.hpp"
#include "isa/pack_rows.hpp"
#include "isa/panoptic_rows.hpp"
#include "parallel.hpp"
#include "rapidmask/overlap.hpp"

namespace rapidmask::cpu {
namespace {

constexpr std::int64_t kGrain = 1 << 18;   // values that are read in some 50 µs
constexpr std::int64_t kBandOutputs = 16;  // rows of the map

template <class T>
constexpr bool kIsLogit = std::is_same_v<T, Half> || std::is_same_v<T, BFloat16> || std::is_same_v<T, float>;

template <class Visitor>
void visit_logits(DType dtype, const Visitor& visit) {
  visit_dtype(dtype, [&](auto type) {
    if constexpr (kIsLogit<typename decltype(type)::type>) visit(type);
  });
}

// What one thread has for its bands: their bounds, and their rows where these are activated before they are resized.
struct MergeMemory {
  BandMemory bounds;
  std::vector<QueryPixels> pixels;
  std::vector<std::uint32_t> own, owns_all;
  std::vector<std::uint8_t> counts;
  std::vector<std::int32_t> competing, whole;
  LineVector<float> rows;
  std::int64_t plane;          // room for the rows of a query
  std::int64_t end = -1;       // the row behind those that it has
  std::int64_t last_rows = 0;  // how many these are

  MergeMemory(std::int64_t queries, std::int64_t w, std::int64_t band_rows, bool activates)
      : bounds(queries, w), plane((band_rows + 1) * w + 16) {
    const auto each = static_cast<std::size_t>(queries);
    pixels.resize(each);
    own.resize(each + 1);
    owns_all.resize(each + 1);
    counts.resize(each + 1);
    competing.resize(each + 1);
    whole.resize(each);
    if (activates) rows.resize(each * static_cast<std::size_t>(plane));
  }
  void use_in(PanopticBand& band) {
    band.pixels = pixels.data();
    band.scratch = bounds.scratch;
    band.own = own.data();
    band.owns_all = owns_all.data();
    band.counts = counts.data();
    band.competing = competing.data();
    band.whole = whole.data();
  }
};

// Activates the rows of a band, but for the one that the band before it has.
template <class T>
QueryPlanes activated_rows(const View<const T>& planes, std::int64_t row, std::int64_t count, MergeMemory& memory) {
  const bool goes_on = memory.end == row + 1;
  const std::int64_t had = goes_on ? planes.w : 0;
  const auto activate = panoptic_rows().of<T>().activate;
  for (std::int64_t k = 0; k < planes.n; ++k) {
    float* rows = memory.rows.data() + k * memory.plane;
    if (goes_on) std::copy_n(rows + (memory.last_rows - 1) * planes.w, planes.w, rows);
    activate(planes.image(k) + row * planes.w + had, count * planes.w - had, rows + had);
  }
  memory.end = row + count;
  memory.last_rows = count;
  return {memory.rows.data(), memory.plane, planes.w, count};
}

// The map of codes, and the pixels of each query.
template <class T>
std::vector<QueryPixels> merge(const View<const T>& planes, const float* scores, const PanopticRule& rule,
                               const View<std::int32_t>& map) {
  const AxisTable down(planes.h, map.h), across(planes.w, map.w);
  const std::int64_t rows = band_rows(planes.h, map.h, kBandOutputs, kMostBandRows);
  const std::int64_t bands = (planes.h + rows - 1) / rows;
  const std::int64_t cost = rows * planes.w * planes.n + 8 * map.w;
  const bool activates = rule.activated && !rule.activated_late;
  const auto merge_band = activates ? panoptic_rows().float32.merge_band : panoptic_rows().of<T>().merge_band;
  const auto each = static_cast<std::size_t>(planes.n);
  std::vector<QueryPixels> total(each);
  std::mutex adding;
  parallel_for(bands, std::max<std::int64_t>(1, kGrain / cost), [&](std::int64_t begin, std::int64_t end) {
    MergeMemory memory(planes.n, planes.w, rows, activates);
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t row = i * rows, count = std::min(rows + 1, planes.h - row);
      PanopticBand band{};
      band.top = down.output_at(row);
      band.bottom = down.output_at(row + rows);
      if (band.top == band.bottom) continue;
      band.planes = {planes.data + row * planes.w, planes.image_size(), planes.w, count};
      if (activates) band.planes = activated_rows(planes, row, count, memory);
      band.queries = planes.n;
      band.scores = scores;
      band.rule = &rule;
      band.down = down.taps();
      band.across = across.taps();
      band.row = row;
      band.width = map.w;
      band.codes = map.data;
      memory.use_in(band);
      merge_band(band);
    }
    const std::lock_guard lock(adding);
    for (std::size_t k = 0; k < each; ++k) {
      total[k].own += memory.pixels[k].own;
      total[k].outer += memory.pixels[k].outer;
      total[k].inner += memory.pixels[k].inner;
    }
  });
  return total;
}

// The masks in the order in which they take pixels, those that are left out excepted.
std::vector<std::int64_t> painting_order(std::int64_t n, const double* scores, const PaintRule& rule) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  std::erase_if(order, [&](std::int64_t i) { return !takes_part(rule, scores, i); });
  if (rule.by_score) {
    std::sort(order.begin(), order.end(),
              [&](std::int64_t i, std::int64_t j) { return scores_before(scores[i], i, scores[j], j); });
  }
  if (rule.over) std::reverse(order.begin(), order.end());
  return order;
}

}  // namespace

void panoptic_merge(const Context&, const Image& planes, const float* scores, const std::int64_t* labels,
                    const std::int64_t* fused, std::int64_t fused_count, const PanopticRule& rule,
                    const View<std::int32_t>& map, double* table) {
  std::vector<QueryPixels> pixels(static_cast<std::size_t>(planes.n));
  if (planes.n == 0 || map.size() == 0) {
    std::fill_n(map.data, map.size(), -1);
  } else {
    visit_logits(planes.dtype, [&](auto type) {
      using T = typename decltype(type)::type;
      pixels = merge(planes.as<T>(), scores, rule, map);
    });
  }
  number_segments(rule, planes.n, pixels.data(), scores, labels, fused, fused_count, table);
  std::vector<std::int32_t> ids(static_cast<std::size_t>(2 * planes.n + 1));
  for (std::int64_t code = -1; code < 2 * planes.n; ++code) {
    ids[static_cast<std::size_t>(code + 1)] = id_of_code(rule, table, static_cast<std::int32_t>(code));
  }
  parallel_for(map.size(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    panoptic_rows().number(map.data + begin, end - begin, ids.data());
  });
}

void paint_masks(const Context&, const Masks& masks, const double* scores, const PaintRule& rule,
                 const Painting& painting) {
  const std::int64_t words = masks.words(), h = masks.h, w = masks.w;
  std::fill_n(painting.map, h * w, 0);
  std::fill_n(painting.painted, masks.n, std::uint8_t{0});
  std::fill_n(painting.visible, masks.n, 0);
  std::vector<std::uint64_t> taken(static_cast<std::size_t>(h * words)), packed;
  if (!masks.packed) packed.resize(taken.size());
  const std::int64_t grain =
      std::max<std::int64_t>(1, (masks.packed ? 1 << 20 : 1 << 19) / std::max<std::int64_t>(1, w));
  for (const std::int64_t i : painting_order(masks.n, scores, rule)) {
    const std::uint64_t* bits = masks.packed ? reinterpret_cast<const std::uint64_t*>(masks.mask(i)) : packed.data();
    std::int64_t area = 0, covered = 0;
    std::mutex adding;
    parallel_for(h, grain, [&](std::int64_t begin, std::int64_t end) {
      if (!masks.packed) {
        pack_rows().pack(masks.mask(i) + begin * w, end - begin, w, packed.data() + begin * words);
      }
      const std::int64_t count = (end - begin) * words;
      const std::int64_t here = pack_rows().count_bits(bits + begin * words, count);
      const std::int64_t shared =
          here == 0 ? 0
                    : overlap_rows().count_shared(bits + begin * words, words, taken.data() + begin * words, words,
                                                  end - begin, words);
      const std::lock_guard lock(adding);
      area += here;
      covered += shared;
    });
    if (!(rule.over ? area > 0 || !rule.leaves_out_empty : is_painted(rule, area, area - covered))) continue;
    painting.painted[i] = 1;
    painting.visible[i] = area - covered;
    if (area == covered) continue;
    parallel_for(h, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t y = begin; y < end; ++y) {
        panoptic_rows().paint(bits + y * words, taken.data() + y * words, w, static_cast<std::int32_t>(i + 1),
                              painting.map + y * w);
      }
    });
  }
}

void count_unpainted(const Context&, const View<const std::int32_t>& map, const std::int32_t* classes,
                     std::int64_t count, std::int64_t* pixels) {
  std::fill_n(pixels, count, 0);
  std::mutex adding;
  parallel_for(map.size(), std::max(kGrain, 4 * count), [&](std::int64_t begin, std::int64_t end) {
    std::vector<std::int64_t> here(static_cast<std::size_t>(count));
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int32_t c = classes[i];
      if (map.data[i] == 0 && c >= 0 && c < count) ++here[static_cast<std::size_t>(c)];
    }
    const std::lock_guard lock(adding);
    for (std::int64_t c = 0; c < count; ++c) pixels[c] += here[static_cast<std::size_t>(c)];
  });
}

void number_painting(const Context&, const View<std::int32_t>& map, const std::int32_t* ids,
                     const std::int32_t* classes, const std::int32_t* class_ids, std::int64_t count) {
  parallel_for(map.size(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      map.data[i] = painted_id(map.data[i], classes != nullptr ? classes[i] : -1, ids, class_ids, count);
    }
  });
}

void non_overlapping(const Context&, const Image& scores, const float* object_scores, float background, void* result) {
  const std::int64_t plane = scores.image_size();
  if (scores.size() == 0) return;
  visit_logits(scores.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    const T* from = scores.as<T>().data;
    const std::int64_t blocks = (plane + kObjectPixels - 1) / kObjectPixels;
    const std::int64_t grain = std::max<std::int64_t>(1, kGrain / (kObjectPixels * scores.n));
    parallel_for(blocks, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t at = begin * kObjectPixels; at < std::min(end * kObjectPixels, plane); at += kObjectPixels) {
        panoptic_rows().of<T>().non_overlapping(from + at, scores.n, plane, object_scores, background,
                                                std::min(kObjectPixels, plane - at), static_cast<T*>(result) + at);
      }
    });
  });
}

}  // namespace rapidmask::cpu
