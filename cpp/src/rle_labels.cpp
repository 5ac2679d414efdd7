// Label maps to run lengths on the CPU.
//
// A run of one label ends where the next pixel in column order has another: those places are found as the transitions
// of a mask are. The runs of each label are then its foreground, in their order.

#include <algorithm>

#include "isa/pack_rows.hpp"
#include "rle_tiles.hpp"

namespace rapidmask::cpu {
namespace {

struct LabelScratch {
  LabelScratch(std::int64_t h, std::int64_t w)
      : tiles(h, w),
        differs(std::make_unique_for_overwrite<std::uint8_t[]>(static_cast<std::size_t>(w))),
        rows(make_words(h * tiles.words())) {}

  TileScratch tiles;
  std::unique_ptr<std::uint8_t[]> differs;
  std::unique_ptr<std::uint64_t[]> rows;
};

// Positions of all pixels whose label is another than that of the pixel before them; the first pixel is one.
template <class T>
void find_changes(const T* labels, std::int64_t h, std::int64_t w, LabelScratch& scratch, Positions& positions) {
  const auto pack = pack_rows().pack;
  const RleRows& loops = rle_rows();
  std::uint8_t* differs = scratch.differs.get();
  const std::int64_t words = scratch.tiles.words();
  const T* bottom = labels + (h - 1) * w;
  differs[0] = 1;
  for (std::int64_t x = 1; x < w; ++x) differs[x] = labels[x] != bottom[x - 1];
  pack(differs, 1, w, scratch.rows.get());
  for (std::int64_t y = 1; y < h; ++y) {
    const T* row = labels + y * w;
    const T* above = row - w;
    for (std::int64_t x = 0; x < w; ++x) differs[x] = row[x] != above[x];
    pack(differs, 1, w, scratch.rows.get() + y * words);
  }
  const auto rows_of = [&](std::int64_t band) { return std::min<std::int64_t>(64, h - 64 * band); };
  for (std::int64_t band = 0; band < scratch.tiles.bands(); ++band) {
    loops.any(scratch.rows.get() + 64 * band * words, rows_of(band), words, scratch.tiles.changed() + band * words);
  }
  find_in_tiles(h, w, scratch.tiles, positions, [&](std::int64_t s, std::int64_t band, std::uint64_t* tile) {
    loops.tile(scratch.rows.get() + 64 * band * words + s, rows_of(band), words, tile);
  });
}

// Labels are ordered by keys, which are as unsigned numbers in the order of the labels.
template <class T>
constexpr std::uint64_t kKeyOffset = std::is_signed_v<T> ? std::uint64_t{1} << 63 : 0;

struct LabelRun {
  std::uint64_t key;
  std::uint32_t begin, end;
};

struct FoundMap {
  std::vector<std::uint64_t> keys;  // ascending
  std::vector<std::uint32_t> counts;
  std::vector<std::int64_t> offsets{0};
};

// The place of each key among the distinct ones: from a table where they lie close together.
class Ranks {
 public:
  explicit Ranks(const std::vector<LabelRun>& runs) {
    std::uint64_t least = ~std::uint64_t{0}, most = 0;
    for (const LabelRun& run : runs) {
      least = std::min(least, run.key);
      most = std::max(most, run.key);
    }
    if (runs.empty()) return;
    if (most - least < std::max<std::uint64_t>(4096, 4 * runs.size())) {
      least_ = least;
      table_.resize(static_cast<std::size_t>(most - least + 1));
      for (const LabelRun& run : runs) table_[static_cast<std::size_t>(run.key - least)] = 1;
      for (std::size_t i = 0; i < table_.size(); ++i) {
        if (table_[i] == 0) continue;
        table_[i] = static_cast<std::int64_t>(keys_.size());
        keys_.push_back(least + i);
      }
      return;
    }
    for (const LabelRun& run : runs) keys_.push_back(run.key);
    std::sort(keys_.begin(), keys_.end());
    keys_.erase(std::unique(keys_.begin(), keys_.end()), keys_.end());
  }

  const std::vector<std::uint64_t>& keys() const { return keys_; }
  std::size_t operator()(std::uint64_t key) const {
    if (!table_.empty()) return static_cast<std::size_t>(table_[static_cast<std::size_t>(key - least_)]);
    return static_cast<std::size_t>(std::lower_bound(keys_.begin(), keys_.end(), key) - keys_.begin());
  }

 private:
  std::vector<std::uint64_t> keys_;
  std::vector<std::int64_t> table_;
  std::uint64_t least_ = 0;
};

void collect(const std::vector<LabelRun>& runs, std::uint32_t pixels, FoundMap& found) {
  const Ranks ranks(runs);
  found.keys = ranks.keys();
  const std::size_t n = found.keys.size();
  // No two runs of a label touch, so that each adds two counts; the background after the last adds one.
  std::vector<std::int64_t> sizes(n);
  std::vector<std::uint32_t> ends(n);
  for (const LabelRun& run : runs) {
    const std::size_t i = ranks(run.key);
    sizes[i] += 2;
    ends[i] = run.end;
  }
  for (std::size_t i = 0; i < n; ++i) {
    found.offsets.push_back(found.offsets.back() + sizes[i] + (ends[i] < pixels ? 1 : 0));
  }
  found.counts.resize(static_cast<std::size_t>(found.offsets.back()));
  std::vector<std::int64_t> next(found.offsets.begin(), found.offsets.end() - 1);
  std::fill(ends.begin(), ends.end(), 0);
  for (const LabelRun& run : runs) {
    const std::size_t i = ranks(run.key);
    std::uint32_t* counts = found.counts.data() + next[i];
    counts[0] = run.begin - ends[i];
    counts[1] = run.end - run.begin;
    ends[i] = run.end;
    next[i] += 2;
  }
  for (std::size_t i = 0; i < n; ++i) {
    if (ends[i] < pixels) found.counts[static_cast<std::size_t>(next[i])] = pixels - ends[i];
  }
}

template <class T>
void encode_map(const T* labels, std::int64_t h, std::int64_t w, LabelScratch& scratch, FoundMap& found) {
  const auto pixels = static_cast<std::uint32_t>(h * w);
  Positions positions;
  find_changes(labels, h, w, scratch, positions);
  positions.push_back(pixels);
  std::vector<LabelRun> runs;
  for (std::int64_t k = 0; k + 1 < positions.size(); ++k) {
    const std::uint32_t begin = positions.data()[k];
    const T label = labels[begin % h * w + begin / h];
    if (label == 0) continue;
    runs.push_back(
        {static_cast<std::uint64_t>(static_cast<std::int64_t>(label)) ^ kKeyOffset<T>, begin, positions.data()[k + 1]});
  }
  collect(runs, pixels, found);
}

}  // namespace

FoundLabels rle_encode_labels(const Context&, const Image& labels) {
  FoundLabels all;
  std::vector<FoundMap> maps(static_cast<std::size_t>(labels.n));
  std::uint64_t key_offset = 0;
  visit_dtype(labels.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    if constexpr (std::is_integral_v<T>) {
      key_offset = kKeyOffset<T>;
      const View<const T> view = labels.as<T>();
      if (view.image_size() == 0) return;
      for_each_mask<LabelScratch>(
          view.n, view.image_size(), [&] { return std::make_unique<LabelScratch>(view.h, view.w); },
          [&](LabelScratch& scratch, std::int64_t i) {
            encode_map(view.image(i), view.h, view.w, scratch, maps[static_cast<std::size_t>(i)]);
          });
    }
  });
  all.offsets.push_back(0);
  for (std::size_t i = 0; i < maps.size(); ++i) {
    const FoundMap& map = maps[i];
    const auto before = static_cast<std::int64_t>(all.counts.size());
    all.counts.insert(all.counts.end(), map.counts.begin(), map.counts.end());
    for (std::size_t k = 0; k < map.keys.size(); ++k) {
      all.offsets.push_back(before + map.offsets[k + 1]);
      all.values.push_back(static_cast<std::int64_t>(map.keys[k] ^ key_offset));
      all.maps.push_back(static_cast<std::int64_t>(i));
    }
  }
  return all;
}

}  // namespace rapidmask::cpu
