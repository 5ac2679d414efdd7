// The steps of morphology, compiled once per instruction level (RM_LEVEL).
//
// A block of rows goes through a step column by column of vectors, so that output rows share the input rows that their
// windows have in common: a window of L rows costs (L + rows - 1) / rows loads a row instead of L.

#include "isa/morphology_rows.hpp"

#include "isa/word_lanes.hpp"

namespace rapidmask {
namespace {

using std::int64_t;
using std::uint64_t;

struct Or {
  static Words neutral() { return repeat(0); }
  static Words join(Words a, Words b) { return either(a, b); }
  static Words join(Words a, Words b, Words c) { return any_of(a, b, c); }
  static Words join_either(Words a, Words b, Words c) { return any_of(a, b, c); }
};

struct And {
  static Words neutral() { return repeat(~uint64_t{0}); }
  static Words join(Words a, Words b) { return both(a, b); }
  static Words join(Words a, Words b, Words c) { return all_of(a, b, c); }
  static Words join_either(Words a, Words b, Words c) { return and_either(a, b, c); }
};

struct Full {
  Words get(const uint64_t* p) const { return load(p); }
  void put(uint64_t* p, Words v) const { store(p, v); }
};

struct Part {
  int count;
  Words get(const uint64_t* p) const { return load_part(p, count); }
  void put(uint64_t* p, Words v) const { store_part(p, v, count); }
};

#define RM_INLINE inline __attribute__((always_inline))

// Joins windows of `length` >= kShared rows to kShared output rows. Output row j has rows j to j + length - 1: some in
// common with all others, some before these and some after.
template <class Join, int kShared, class Lanes>
RM_INLINE void join_shared(const uint64_t* const* rows, int64_t length, int64_t i, Lanes lanes, Words* out) {
  Words window[kShared];
  Words common = lanes.get(rows[kShared - 1] + i);
  int64_t r = kShared;
  for (; r + 1 < length; r += 2) common = Join::join(common, lanes.get(rows[r] + i), lanes.get(rows[r + 1] + i));
  if (r < length) common = Join::join(common, lanes.get(rows[r] + i));
  window[kShared - 1] = common;
#pragma GCC unroll 8
  for (int j = kShared - 2; j >= 0; --j) window[j] = Join::join(window[j + 1], lanes.get(rows[j] + i));
  out[0] = Join::join(out[0], window[0]);
  if constexpr (kShared > 1) {
    Words after = lanes.get(rows[length] + i);
    out[1] = Join::join(out[1], window[1], after);
#pragma GCC unroll 8
    for (int j = 2; j < kShared; ++j) {
      after = Join::join(after, lanes.get(rows[length + j - 1] + i));
      out[j] = Join::join(out[j], window[j], after);
    }
  }
}

template <class Join, int kShared, int kRows, class Lanes>
RM_INLINE void join_groups(const uint64_t* const* rows, int64_t length, int64_t i, Lanes lanes, Words* out) {
#pragma GCC unroll 8
  for (int j = 0; j < kRows; j += kShared) join_shared<Join, kShared>(rows + j, length, i, lanes, out + j);
}

template <class Join, int kRows, class Lanes>
RM_INLINE void join_span(const uint64_t* const* rows, int64_t length, int64_t i, Lanes lanes, Words* out) {
  if constexpr (kRows >= 8) {
    if (length >= 8) return join_groups<Join, 8, kRows>(rows, length, i, lanes, out);
  }
  if constexpr (kRows >= 4) {
    if (length >= 4) return join_groups<Join, 4, kRows>(rows, length, i, lanes, out);
    if (length >= 2) return join_groups<Join, 2, kRows>(rows, length, i, lanes, out);
  }
  join_groups<Join, 1, kRows>(rows, length, i, lanes, out);
}

struct Distance {
  int64_t words;
  Shift bits, rest;
};

RM_INLINE Distance distance(int64_t words, int64_t bits) { return {words, shift_by(bits), shift_by(64 - bits)}; }

struct Start {
  template <class Join>
  RM_INLINE Words operator()(const uint64_t*) const {
    return Join::neutral();
  }
};

// The pixels `right` further on (or `left` further back, given as a negative distance).
struct Move {
  Distance by;
  template <class Join>
  RM_INLINE Words operator()(const uint64_t* x) const {
    const uint64_t* from = x + by.words;
    return either(shift_right(load(from), by.bits), shift_left(load(from + 1), by.rest));
  }
};

struct WidenNear {
  Distance left, right;
  template <class Join>
  RM_INLINE Words operator()(const uint64_t* x) const {
    const Words here = load(x);
    const Words wide = Join::join_either(here, shift_left(here, left.bits), shift_right(load(x - 1), left.rest));
    return Join::join_either(wide, shift_right(here, right.bits), shift_left(load(x + 1), right.rest));
  }
};

struct WidenFar {
  Distance left, right;
  template <class Join>
  RM_INLINE Words operator()(const uint64_t* x) const {
    const uint64_t *before = x - left.words, *after = x + right.words;
    const Words wide =
        Join::join_either(load(x), shift_left(load(before), left.bits), shift_right(load(before - 1), left.rest));
    return Join::join_either(wide, shift_right(load(after), right.bits), shift_left(load(after + 1), right.rest));
  }
};

template <class Join, int kRows, class Widening, class Lanes>
RM_INLINE void do_column(const MorphologyStep& step, const Widening& widening, int64_t i, Lanes lanes, Words* out) {
#pragma GCC unroll 8
  for (int j = 0; j < kRows; ++j) out[j] = widening.template operator()<Join>(step.x + j * step.x_stride + i);
  for (int64_t s = 0; s < step.span_count; ++s) {
    join_span<Join, kRows>(step.rows + step.spans[s].first, step.spans[s].length, i, lanes, out);
  }
}

template <class Join, int kRows, class Widening>
RM_INLINE void do_columns(const MorphologyStep& step, const Widening& widening) {
  Words out[kRows];
  const int64_t last = (step.words - 1) / kLanes * kLanes;
  for (int64_t i = 0; i < last; i += kLanes) {
    do_column<Join, kRows>(step, widening, i, Full{}, out);
#pragma GCC unroll 8
    for (int j = 0; j < kRows; ++j) store(step.out[j] + i, out[j]);
  }
  const int count = static_cast<int>(step.words - last);
  if (count == kLanes) {
    do_column<Join, kRows>(step, widening, last, Full{}, out);
  } else {
    do_column<Join, kRows>(step, widening, last, Part{count}, out);
  }
  uint64_t keep[kLanes], fill[kLanes];
  for (int lane = 0; lane < kLanes; ++lane) {
    keep[lane] = lane == count - 1 ? step.keep : ~uint64_t{0};
    fill[lane] = lane == count - 1 ? step.fill : 0;
  }
  const Words kept = load(keep), filled = load(fill);
#pragma GCC unroll 8
  for (int j = 0; j < kRows; ++j) {
    const Words v = either(both(out[j], kept), filled);
    if (count == kLanes) {
      store(step.out[j] + last, v);
    } else {
      store_part(step.out[j] + last, v, count);
    }
  }
}

template <class Join, int kRows>
void do_step(const MorphologyStep& step) {
  const Distance left = distance(step.left_words, step.left_bits);
  const Distance right = distance(step.right_words, step.right_bits);
  switch (step.kind) {
    case MorphologyStep::start: return do_columns<Join, kRows>(step, Start{});
    case MorphologyStep::move: return do_columns<Join, kRows>(step, Move{right});
    case MorphologyStep::widen: break;
  }
  if (step.left_words == 0 && step.right_words == 0) return do_columns<Join, kRows>(step, WidenNear{left, right});
  do_columns<Join, kRows>(step, WidenFar{left, right});
}

void subtract(const uint64_t* a, const uint64_t* b, int64_t words, uint64_t* out) {
  for (int64_t i = 0; i < words; ++i) out[i] = a[i] & ~b[i];
}

#if defined(__AVX512F__)
constexpr int kBlock = 8;  // of 32 registers, 8 hold the outputs and 8 their windows
#else
constexpr int kBlock = 4;
#endif

}  // namespace

namespace RM_LEVEL {
extern const MorphologyRows morphology_rows;
const MorphologyRows morphology_rows{kBlock,         do_step<Or, kBlock>, do_step<And, kBlock>,
                                     do_step<Or, 1>, do_step<And, 1>,     subtract};
}  // namespace RM_LEVEL

}  // namespace rapidmask
