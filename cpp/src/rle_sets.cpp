// Set operations on run lengths on the CPU, which never see a pixel.

#include <algorithm>

#include "rle_positions.hpp"

namespace rapidmask::cpu {
namespace {

// Bit a + 2·b tells whether a pixel belongs to the result that is in the one mask, in the other, in both.
unsigned truth_table(SetOperation operation) {
  switch (operation) {
    case SetOperation::intersection: return 0b1000;
    case SetOperation::union_: return 0b1110;
    case SetOperation::symmetric_difference: return 0b0110;
    case SetOperation::difference: break;
  }
  return 0b0010;
}

// Walks over the transitions of both, which are as many as steps: the last run of either ends with the mask. No step
// has a branch on the data.
std::uint32_t* combine(const std::uint32_t* a, const std::uint32_t* b, std::uint64_t pixels, unsigned table,
                       std::uint32_t* positions) {
  std::uint64_t next_a = *a, next_b = *b;
  unsigned state = 0, value = 0;
  for (;;) {
    const std::uint64_t position = std::min(next_a, next_b);
    if (position == pixels) return positions;
    const unsigned moves_a = next_a == position, moves_b = next_b == position;
    a += moves_a;
    b += moves_b;
    next_a += *a & (0u - moves_a);
    next_b += *b & (0u - moves_b);
    state ^= moves_a | moves_b << 1;
    const unsigned was = value;
    value = table >> state & 1u;
    *positions = static_cast<std::uint32_t>(position);
    positions += value ^ was;
  }
}

constexpr std::int64_t kWindowPixels = 1 << 18;  // 32 KiB of bits

// The transitions of the union of masks, found window by window in bits.
class Union {
 public:
  explicit Union(const ConstRunLengths& runs)
      : pixels_(runs.h * runs.w), memory_(static_cast<std::size_t>(1 + kWindowPixels / 64 + kFillSlack)) {
    for (std::int64_t i = 0; i < runs.n; ++i) {
      masks_.push_back({runs.counts + runs.offsets[i], runs.counts + runs.offsets[i + 1], 0, 0});
      masks_.back().advance();
    }
  }

  void find(Positions& positions) {
    std::int64_t done = 0;
    for (;;) {
      std::int64_t next = pixels_;
      for (const ForegroundRuns& mask : masks_) next = std::min(next, mask.begin);
      const std::int64_t begin = std::max(done, next < pixels_ ? next / 64 * 64 : pixels_);
      if (begin > done && last_) {  // nothing is set in between
        positions.push_back(static_cast<std::uint32_t>(done));
        last_ = false;
      }
      if (begin >= pixels_) return;
      done = std::min(begin + kWindowPixels, pixels_);
      find_in_window(begin, done, positions);
    }
  }

 private:
  void find_in_window(std::int64_t begin, std::int64_t end, Positions& positions) {
    const std::int64_t count = (end - begin + 63) / 64;
    std::uint64_t* words = memory_.data() + 1;
    std::fill_n(words, count + kFillSlack, 0);
    for (ForegroundRuns& mask : masks_) rle_rows().fill(mask, begin, end, words);
    if (end % 64 != 0 && (words[count - 1] >> ((end - 1) % 64) & 1) != 0) {
      words[count - 1] |= ~std::uint64_t{0} << (end % 64);  // no transition past the last pixel
    }
    words[-1] = std::uint64_t{last_} << 63;
    for (std::int64_t i = 0; i < count; i += kEmitWords) {
      positions.set_end(rle_rows().emit_words(words + i, std::min(kEmitWords, count - i),
                                              static_cast<std::uint32_t>(begin + 64 * i),
                                              positions.reserve(64 * kEmitWords)));
    }
    last_ = words[count - 1] >> 63 != 0;
  }

  std::int64_t pixels_;
  bool last_ = false;  // the pixel before the window
  std::vector<ForegroundRuns> masks_;
  std::vector<std::uint64_t> memory_;
};

// The transitions of the intersection of masks, of one after the other: it is soon empty where they are many.
void intersect_all(const ConstRunLengths& runs, Positions& positions) {
  const std::int64_t pixels = runs.h * runs.w;
  std::vector<std::uint32_t> common(runs.counts, runs.counts + runs.offsets[1]);
  for (std::int64_t i = 1; i < runs.n && common.size() > 1; ++i) {
    const std::int64_t first = runs.offsets[i], count = runs.offsets[i + 1] - first;
    positions.clear();
    positions.set_end(combine(common.data(), runs.counts + first, static_cast<std::uint64_t>(pixels),
                              truth_table(SetOperation::intersection),
                              positions.reserve(static_cast<std::int64_t>(common.size()) + count)));
    positions.end_mask(0, pixels);
    common.resize(static_cast<std::size_t>(positions.size()));
    rle_rows().lengths(positions.data(), positions.size(), common.data());
  }
  positions.clear();
  std::uint32_t position = 0;
  for (const std::uint32_t count : common) positions.push_back(position += count);
}

FoundRuns collected(std::int64_t n, std::unique_ptr<RunCollector> collector) {
  std::vector<std::unique_ptr<RunCollector>> collectors;
  collectors.push_back(std::move(collector));
  return joined(n, std::move(collectors));
}

}  // namespace

FoundRuns rle_canonical(const Context&, const ConstRunLengths& runs) {
  auto collector = std::make_unique<RunCollector>();
  for (std::int64_t i = 0; i < runs.n; ++i) {
    const std::int64_t first = runs.offsets[i], count = runs.offsets[i + 1] - first;
    collector->add(i, runs.h * runs.w, [&](Positions& positions) {
      const std::int64_t before = positions.size();
      positions.reserve(count);
      std::uint32_t position = 0;
      for (std::int64_t k = 0; k + 1 < count; ++k) {
        position += runs.counts[first + k];
        // Two transitions in one place are none.
        if (positions.size() > before && positions.data()[positions.size() - 1] == position) {
          positions.set_end(positions.data() + positions.size() - 1);
        } else {
          positions.push_back(position);
        }
      }
    });
  }
  return collected(runs.n, std::move(collector));
}

FoundRuns rle_combine(const Context&, const ConstRunLengths& a, const ConstRunLengths& b, SetOperation operation) {
  const std::int64_t n = a.n == 1 ? b.n : a.n, pixels = a.h * a.w;
  const unsigned table = truth_table(operation);
  const std::int64_t runs = (a.offsets[a.n] + b.offsets[b.n]) / std::max<std::int64_t>(1, n);
  return joined(n,
                for_each_mask<RunCollector>(
                    n, 16 * runs, [] { return std::make_unique<RunCollector>(); },
                    [&](RunCollector& collector, std::int64_t i) {
                      const std::int64_t ia = a.n == 1 ? 0 : i, ib = b.n == 1 ? 0 : i;
                      const std::int64_t most = a.offsets[ia + 1] - a.offsets[ia] + b.offsets[ib + 1] - b.offsets[ib];
                      collector.add(i, pixels, [&](Positions& positions) {
                        positions.set_end(combine(a.counts + a.offsets[ia], b.counts + b.offsets[ib],
                                                  static_cast<std::uint64_t>(pixels), table, positions.reserve(most)));
                      });
                    }));
}

FoundRuns rle_merge(const Context&, const ConstRunLengths& runs, bool intersect) {
  const std::int64_t pixels = runs.h * runs.w;
  auto collector = std::make_unique<RunCollector>();
  collector->add(0, pixels, [&](Positions& positions) {
    if (runs.n == 0) return;
    if (intersect) {
      intersect_all(runs, positions);
    } else {
      Union(runs).find(positions);
    }
  });
  return collected(1, std::move(collector));
}

}  // namespace rapidmask::cpu
