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
#define RM_LAMBDA_INLINE __attribute__((always_inline))

// Output rows at once. A widening holds three vectors of each, and the registers are 32 or 16.
constexpr int kJoinRows = 4;
#if defined(__AVX512F__)
constexpr int kNearRows = 4;
#else
constexpr int kNearRows = 2;
#endif

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
  if constexpr (kRows >= 4) {
    if (length >= 4) return join_groups<Join, 4, kRows>(rows, length, i, lanes, out);
  }
  if constexpr (kRows >= 2) {
    if (length >= 2) return join_groups<Join, 2, kRows>(rows, length, i, lanes, out);
  }
  join_groups<Join, 1, kRows>(rows, length, i, lanes, out);
}

// The words of the last column: those past the width are what lies outside.
struct Last {
  int count;
  Words keep, fill;

  Last(const MorphologyStep& step, uint64_t outside) {
    count = static_cast<int>((step.words - 1) % kLanes) + 1;
    uint64_t kept[kLanes], filled[kLanes];
    for (int lane = 0; lane < kLanes; ++lane) {
      kept[lane] = lane < count - 1 ? ~uint64_t{0} : lane == count - 1 ? step.tail : 0;
      filled[lane] = outside & ~kept[lane];
    }
    keep = load(kept);
    fill = load(filled);
  }
  Words trim(Words v) const { return either(both(v, keep), fill); }
  Words get(const uint64_t* p) const { return count == kLanes ? load(p) : load_part(p, count); }
  void put(uint64_t* p, Words v) const {
    if (count == kLanes) {
      store(p, v);
    } else {
      store_part(p, v, count);
    }
  }
};

// x joined with the spans, in kRows rows from row j on.
template <class Join, int kRows, class Lanes>
RM_INLINE void join_rows(const MorphologyStep& step, int64_t j, int64_t i, Lanes lanes, Words* out) {
  const uint64_t* x = step.x == nullptr ? nullptr : step.x + j * step.x_stride + i;
#pragma GCC unroll 8
  for (int k = 0; k < kRows; ++k) out[k] = x == nullptr ? Join::neutral() : lanes.get(x + k * step.x_stride);
  for (int64_t s = 0; s < step.span_count; ++s) {
    join_span<Join, kRows>(step.rows + step.spans[s].first + j, step.spans[s].length, i, lanes, out);
  }
}

template <class Join, int kRows>
RM_INLINE void join_last(const MorphologyStep& step, int64_t j, int64_t i, const Last& last, Words* out) {
  if (last.count == kLanes) {
    join_rows<Join, kRows>(step, j, i, Full{}, out);
  } else {
    join_rows<Join, kRows>(step, j, i, Part{last.count}, out);
  }
#pragma GCC unroll 8
  for (int k = 0; k < kRows; ++k) out[k] = last.trim(out[k]);
}

// Writes what a step makes of a column: all of it, or of the last one what is in the row.
template <class Join>
RM_INLINE void write(const MorphologyStep& step, int64_t row, int64_t i, Words v) {
  uint64_t* const out = step.out[row] + i;
  store(out, step.accumulates ? Join::join(v, load(out)) : v);
}
template <class Join>
RM_INLINE void write_last(const MorphologyStep& step, int64_t row, int64_t i, Words v, const Last& result) {
  uint64_t* const out = step.out[row] + i;
  if (step.accumulates) v = Join::join(v, result.get(out));
  result.put(out, result.trim(v));
}

template <class Join, int kRows>
void do_join(const MorphologyStep& step, int64_t j, const Last&, const Last& result) {
  Words out[kRows];
  const int64_t end = (step.words - 1) / kLanes * kLanes;
  for (int64_t i = 0; i < end; i += kLanes) {
    join_rows<Join, kRows>(step, j, i, Full{}, out);
#pragma GCC unroll 8
    for (int k = 0; k < kRows; ++k) write<Join>(step, j + k, i, out[k]);
  }
  join_last<Join, kRows>(step, j, end, result, out);
#pragma GCC unroll 8
  for (int k = 0; k < kRows; ++k) write_last<Join>(step, j + k, end, out[k], result);
}

struct Distance {
  int64_t words;
  Shift bits, rest;

  Distance(int64_t whole, int64_t shift) : words(whole), bits(shift_by(shift)), rest(shift_by(64 - shift)) {}
};

// Each column is joined once and moved when the one after it is known.
template <class Join, int kRows, MorphologyStep::Kind kKind>
void do_near(const MorphologyStep& step, int64_t j, const Last& last, const Last& result) {
  const Distance left(0, step.left_bits), right(0, step.right_bits);
  const Words outside = repeat(step.outside);
  const int64_t end = (step.words - 1) / kLanes * kLanes;
  Words before[kRows], here[kRows], after[kRows];
  const auto moved = [&](int k) RM_LAMBDA_INLINE {
    const Words from_left = kKind == MorphologyStep::right ? here[k] : words_before(before[k], here[k]);
    const Words from_right = kKind == MorphologyStep::left ? here[k] : words_after(here[k], after[k]);
    const Words on = shift_left(here[k], left.bits), on_rest = shift_right(from_left, left.rest);
    const Words back = shift_right(here[k], right.bits), back_rest = shift_left(from_right, right.rest);
    if constexpr (kKind == MorphologyStep::left) return either(on, on_rest);
    if constexpr (kKind == MorphologyStep::right) return either(back, back_rest);
    return Join::join_either(Join::join_either(here[k], on, on_rest), back, back_rest);
  };
  const auto advance = [&](int64_t i) RM_LAMBDA_INLINE {
#pragma GCC unroll 8
    for (int k = 0; k < kRows; ++k) {
      write<Join>(step, j + k, i, moved(k));
      before[k] = here[k];
      here[k] = after[k];
    }
  };
#pragma GCC unroll 8
  for (int k = 0; k < kRows; ++k) before[k] = outside;
  if (end > 0) {
    join_rows<Join, kRows>(step, j, 0, Full{}, here);
    for (int64_t i = kLanes; i < end; i += kLanes) {
      join_rows<Join, kRows>(step, j, i, Full{}, after);
      advance(i - kLanes);
    }
    join_last<Join, kRows>(step, j, end, last, after);
    advance(end - kLanes);
  } else {
    join_last<Join, kRows>(step, j, 0, last, here);
  }
#pragma GCC unroll 8
  for (int k = 0; k < kRows; ++k) {
    after[k] = outside;
    write_last<Join>(step, j + k, end, moved(k), result);
  }
}

template <class Join>
RM_INLINE Words widen_far(const uint64_t* x, const Distance& left, const Distance& right) {
  const uint64_t *before = x - left.words, *after = x + right.words;
  const Words wide =
      Join::join_either(load(x), shift_left(load(before), left.bits), shift_right(load(before - 1), left.rest));
  return Join::join_either(wide, shift_right(load(after), right.bits), shift_left(load(after + 1), right.rest));
}

RM_INLINE Words move_far(const uint64_t* x, const Distance& right) {
  return either(shift_right(load(x + right.words), right.bits), shift_left(load(x + right.words + 1), right.rest));
}

template <class Join>
void do_far(const MorphologyStep& step, int64_t j, const Last& result) {
  const Distance left(step.left_words, step.left_bits), right(step.right_words, step.right_bits);
  const int64_t end = (step.words - 1) / kLanes * kLanes;
  const auto at = [&](int64_t i) RM_LAMBDA_INLINE {
    const uint64_t* x = step.x + j * step.x_stride + i;
    return step.kind == MorphologyStep::widen_far ? widen_far<Join>(x, left, right) : move_far(x, right);
  };
  for (int64_t i = 0; i < end; i += kLanes) write<Join>(step, j, i, at(i));
  write_last<Join>(step, j, end, at(end), result);
}

using RowsFunction = void (*)(const MorphologyStep&, int64_t, const Last&, const Last&);

template <int kRows>
RM_INLINE void do_rows(const MorphologyStep& step, RowsFunction some, RowsFunction one) {
  const Last last(step, step.outside), result(step, step.ends ? 0 : step.outside);
  int64_t j = 0;
  for (; j + kRows <= step.count; j += kRows) some(step, j, last, result);
  for (; j < step.count; ++j) one(step, j, last, result);
}

template <class Join>
void do_step(const MorphologyStep& step) {
  using Step = MorphologyStep;
  switch (step.kind) {
    case Step::join: return do_rows<kJoinRows>(step, do_join<Join, kJoinRows>, do_join<Join, 1>);
    case Step::widen:
      return do_rows<kNearRows>(step, do_near<Join, kNearRows, Step::widen>, do_near<Join, 1, Step::widen>);
    case Step::left:
      return do_rows<kNearRows>(step, do_near<Join, kNearRows, Step::left>, do_near<Join, 1, Step::left>);
    case Step::right:
      return do_rows<kNearRows>(step, do_near<Join, kNearRows, Step::right>, do_near<Join, 1, Step::right>);
    case Step::widen_far:
    case Step::right_far: break;
  }
  const Last result(step, step.ends ? 0 : step.outside);
  for (int64_t j = 0; j < step.count; ++j) do_far<Join>(step, j, result);
}

void subtract(const uint64_t* a, const uint64_t* b, int64_t words, uint64_t* out) {
  for (int64_t i = 0; i < words; ++i) out[i] = a[i] & ~b[i];
}

}  // namespace

namespace RM_LEVEL {
extern const MorphologyRows morphology_rows;
const MorphologyRows morphology_rows{do_step<Or>, do_step<And>, subtract};
}  // namespace RM_LEVEL

}  // namespace rapidmask
