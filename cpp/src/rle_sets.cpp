// Set operations on run lengths on the CPU, which never see a pixel.

#include <algorithm>
#include <limits>

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

// The runs of one value of a mask, one after the other.
struct RunCursor {
  const std::uint32_t* next;
  const std::uint32_t* last;
  std::uint64_t begin, end;  // of the run at hand

  void advance() {
    constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();
    if (last - next < 2) {
      begin = end = kNever;
      return;
    }
    begin = end + next[0];
    end = begin + next[1];
    next += 2;
  }
};

constexpr std::uint64_t kWindowPixels = 1 << 18;  // 32 KiB of bits

// The transitions of the union of all cursors' runs, found window by window in bits. `last` is what the pixel before
// the first one is taken for.
class Union {
 public:
  Union(std::vector<RunCursor> cursors, std::uint64_t pixels, bool last)
      : cursors_(std::move(cursors)),
        pixels_(pixels),
        last_(last),
        memory_(1 + (std::min(pixels, kWindowPixels) + 63) / 64 + kFillSlack),
        words_(memory_.data() + 1) {}

  void find(Positions& positions) {
    std::uint64_t done = 0;
    for (;;) {
      std::uint64_t next = pixels_;
      for (const RunCursor& cursor : cursors_) next = std::min(next, cursor.begin);
      const std::uint64_t begin = std::max(done, next < pixels_ ? next / 64 * 64 : pixels_);
      if (begin > done && last_) {  // nothing is set in between
        positions.push_back(static_cast<std::uint32_t>(done));
        last_ = false;
      }
      if (begin >= pixels_) return;
      done = std::min(begin + kWindowPixels, pixels_);
      fill(begin, done);
      emit(begin, done, positions);
    }
  }

 private:
  void fill(std::uint64_t begin, std::uint64_t end) {
    const auto fill = rle_rows().fill;
    std::fill(memory_.begin(), memory_.end(), 0);
    for (RunCursor& cursor : cursors_) {
      while (cursor.begin < end) {
        fill(words_, static_cast<std::int64_t>(std::max(cursor.begin, begin) - begin),
             static_cast<std::int64_t>(std::min(cursor.end, end) - begin));
        if (cursor.end > end) {
          cursor.begin = end;
          break;
        }
        cursor.advance();
      }
    }
  }

  void emit(std::uint64_t begin, std::uint64_t end, Positions& positions) {
    const auto count = static_cast<std::int64_t>((end - begin + 63) / 64);
    if (end % 64 != 0 && (words_[count - 1] >> ((end - 1) % 64) & 1) != 0) {
      words_[count - 1] |= ~std::uint64_t{0} << (end % 64);  // no transition past the last pixel
    }
    words_[-1] = std::uint64_t{last_} << 63;
    for (std::int64_t i = 0; i < count; i += kEmitWords) {
      positions.set_end(rle_rows().emit_words(words_ + i, std::min(kEmitWords, count - i),
                                              static_cast<std::uint32_t>(begin + static_cast<std::uint64_t>(64 * i)),
                                              positions.reserve(64 * kEmitWords)));
    }
    last_ = words_[count - 1] >> 63 != 0;
  }

  std::vector<RunCursor> cursors_;
  std::uint64_t pixels_;
  bool last_;
  std::vector<std::uint64_t> memory_;
  std::uint64_t* words_;
};

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
    // What is in all masks is what is not in the union of their backgrounds.
    std::vector<RunCursor> cursors;
    for (std::int64_t i = 0; i < runs.n; ++i) {
      const std::uint32_t* counts = runs.counts + runs.offsets[i];
      const std::uint32_t* last = runs.counts + runs.offsets[i + 1];
      RunCursor cursor{counts, last, 0, 0};
      if (intersect) {
        cursor.next = counts + 1;
        cursor.end = counts[0];
        if (counts[0] == 0) cursor.advance();
      } else {
        cursor.advance();
      }
      cursors.push_back(cursor);
    }
    Union(std::move(cursors), static_cast<std::uint64_t>(pixels), intersect).find(positions);
  });
  return collected(1, std::move(collector));
}

}  // namespace rapidmask::cpu
