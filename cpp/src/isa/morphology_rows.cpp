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

template <class Join, int kRows>
void do_join(const MorphologyStep& step, int64_t j, const Last& result) {
  Words out[kRows];
  const int64_t end = (step.words - 1) / kLanes * kLanes;
  for (int64_t i = 0; i < end; i += kLanes) {
    join_rows<Join, kRows>(step, j, i, Full{}, out);
#pragma GCC unroll 8
    for (int k = 0; k < kRows; ++k) store(step.out[j + k] + i, out[k]);
  }
  join_last<Join, kRows>(step, j, end, result, out);
#pragma GCC unroll 8
  for (int k = 0; k < kRows; ++k) result.put(step.out[j + k] + end, out[k]);
}

struct Distance {
  int64_t words;
  Shift bits, rest;

  Distance(int64_t whole, int64_t shift) : words(whole), bits(shift_by(shift)), rest(shift_by(64 - shift)) {}
};

// Each column is joined once and widened when the one after it is known.
template <class Join, int kRows>
void do_near(const MorphologyStep& step, int64_t j, const Last& last, const Last& result) {
  const Distance left(0, step.left_bits), right(0, step.right_bits);
  const Words outside = repeat(step.outside);
  const int64_t end = (step.words - 1) / kLanes * kLanes;
  Words before[kRows], here[kRows], after[kRows];
  const auto widened = [&](int k) RM_LAMBDA_INLINE {
    const Words wide = Join::join_either(here[k], shift_left(here[k], left.bits),
                                         shift_right(words_before(before[k], here[k]), left.rest));
    return Join::join_either(wide, shift_right(here[k], right.bits),
                             shift_left(words_after(here[k], after[k]), right.rest));
  };
  const auto write = [&](int64_t i) RM_LAMBDA_INLINE {
#pragma GCC unroll 8
    for (int k = 0; k < kRows; ++k) {
      store(step.out[j + k] + i, widened(k));
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
      write(i - kLanes);
    }
    join_last<Join, kRows>(step, j, end, last, after);
    write(end - kLanes);
  } else {
    join_last<Join, kRows>(step, j, 0, last, here);
  }
#pragma GCC unroll 8
  for (int k = 0; k < kRows; ++k) {
    after[k] = outside;
    result.put(step.out[j + k] + end, result.trim(widened(k)));
  }
}

template <class Join>
RM_INLINE Words widen_far(const uint64_t* x, const Distance& left, const Distance& right) {
  const uint64_t *before = x - left.words, *after = x + right.words;
  const Words wide =
      Join::join_either(load(x), shift_left(load(before), left.bits), shift_right(load(before - 1), left.rest));
  return Join::join_either(wide, shift_right(load(after), right.bits), shift_left(load(after + 1), right.rest));
}

RM_INLINE Words move(const uint64_t* x, const Distance& right) {
  return either(shift_right(load(x + right.words), right.bits), shift_left(load(x + right.words + 1), right.rest));
}

template <class Join>
void do_far(const MorphologyStep& step, int64_t j, const Last& result) {
  const Distance left(step.left_words, step.left_bits), right(step.right_words, step.right_bits);
  const int64_t end = (step.words - 1) / kLanes * kLanes;
  const auto at = [&](int64_t i) RM_LAMBDA_INLINE {
    const uint64_t* x = step.x + j * step.x_stride + i;
    return step.kind == MorphologyStep::far ? widen_far<Join>(x, left, right) : move(x, right);
  };
  for (int64_t i = 0; i < end; i += kLanes) store(step.out[j] + i, at(i));
  result.put(step.out[j] + end, result.trim(at(end)));
}

template <class Join>
void do_step(const MorphologyStep& step) {
  const Last last(step, step.outside), result(step, step.ends ? 0 : step.outside);
  int64_t j = 0;
  switch (step.kind) {
    case MorphologyStep::join:
      for (; j + kJoinRows <= step.count; j += kJoinRows) do_join<Join, kJoinRows>(step, j, result);
      for (; j < step.count; ++j) do_join<Join, 1>(step, j, result);
      return;
    case MorphologyStep::near:
      for (; j + kNearRows <= step.count; j += kNearRows) do_near<Join, kNearRows>(step, j, last, result);
      for (; j < step.count; ++j) do_near<Join, 1>(step, j, last, result);
      return;
    default:
      for (; j < step.count; ++j) do_far<Join>(step, j, result);
  }
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
