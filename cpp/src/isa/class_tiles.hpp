// What row loops over interpolated classes share: bounds of columns of cells, and the values of a few output pixels.
//
// Only for sources that are compiled once per level: everything is in an anonymous namespace.
#pragma once

#include <cstdint>

#include "isa/class_bands.hpp"
#include "isa/float_lanes.hpp"

namespace rapidmask {
namespace {

inline constexpr float kFloatInfinity = __builtin_inff();
inline constexpr float kGreatestFloat = 3.4028234663852886e38f;

// A mix of two numbers of which `highest` is the greater is no more than that of it with itself, since rounding keeps
// the order: beyond it by three roundings of 2^-24, and interpolation is two mixes; a score or the logistic function
// adds four more at most. The margin is twice as wide for both sides of a comparison, and covers what is lost below the
// smallest normal number.
inline constexpr float kMargin = 0x1p-19f, kSmallest = 0x1p-120f;

// What a value must reach to be possibly above `lowest`, and what it must not be below to be surely above.
inline Floats margin_of(Floats v) {
  const Floats magnitude = (Floats)((Ints)v & 0x7fffffff);
  return lesser(magnitude, splat_float(kGreatestFloat)) * kMargin + kSmallest;
}
inline Floats with_margin_below(Floats v) { return v - margin_of(v); }
inline Floats with_margin_above(Floats v) { return v + margin_of(v); }

// Rows of one plane, `count` of them, from a band's first.
template <class T>
struct PlaneRows {
  const T* data;
  std::int64_t w, count;
  std::int64_t next;  // how far those lie behind them that are read next
};

// The highest of each of kFloats columns from x on; NaN counts as none. Where the number of rows is known, it is kRows.
template <int kRows, bool kWhole, class T>
inline Floats highest_in_columns(const PlaneRows<T>& rows, std::int64_t x) {
  Floats highest = splat_float(-kFloatInfinity);
  const std::int64_t count = kRows != 0 ? kRows : rows.count;
#pragma GCC unroll 9
  for (std::int64_t r = 0; r < count; ++r) {
    const T* from = rows.data + r * rows.w + x;
    __builtin_prefetch(from + rows.next, 0, 2);
    highest = greater(kWhole ? load_floats(from) : load_part(from, rows.w - x, -kFloatInfinity), highest);
  }
  return highest;
}

// The lowest value of the cells of kFloats columns from x on, -infinity where there is NaN.
template <class T>
inline Floats lowest_in_cells(const PlaneRows<T>& rows, std::int64_t x) {
  Floats lowest = splat_float(kFloatInfinity);
  LaneMask nan = unordered(lowest, lowest);
  const bool whole = x + 1 + kFloats <= rows.w;
  for (std::int64_t r = 0; r < rows.count; ++r) {
    const T* from = rows.data + r * rows.w + x;
    Floats left, right;
    if (whole) {
      left = load_floats(from);
      right = load_floats(from + 1);
    } else {
      left = load_part(from, rows.w - x, kFloatInfinity);
      right = shifted(left, splat_float(x + kFloats < rows.w ? as_float(from[kFloats]) : kFloatInfinity));
    }
    lowest = lesser(right, lesser(left, lowest));
    nan |= unordered(left, right);
  }
  return choose(nan, splat_float(-kFloatInfinity), lowest);
}

// The upper bounds of one class.
template <int kRows, class T, class BoundOf, class ValueOf>
inline void bound_class(const BandScratch& scratch, std::int64_t k, const PlaneRows<T>& rows, const BoundOf& bound_of,
                        const ValueOf& value_of) {
  const std::int64_t w = rows.w;
  float* bounds = scratch.bounds + k * scratch.stride;
  const Ints index = splat_int(static_cast<std::int32_t>(k));
  const auto settle = [&](std::int64_t x, Floats here, Floats next) {
    const Floats bound = bound_of(k, greater(here, shifted(here, next)));
    store_floats(bounds + x, bound);
    const Floats value = value_of(k, bound), leading = load_floats(scratch.leading + x);
    const LaneMask leads = above(value, leading);
    store_floats(scratch.leading + x, choose(leads, value, leading));
    store_ints(scratch.leader + x, choose(leads, index, load_ints(scratch.leader + x)));
  };
  std::int64_t x = 0;
  Floats here = w >= kFloats ? highest_in_columns<kRows, true>(rows, 0) : highest_in_columns<0, false>(rows, 0);
  for (; x + 2 * kFloats <= w; x += kFloats) {
    const Floats next = highest_in_columns<kRows, true>(rows, x + kFloats);
    settle(x, here, next);
    here = next;
  }
  if (x + kFloats < w) {
    const Floats next = highest_in_columns<0, false>(rows, x + kFloats);
    settle(x, here, next);
    here = next;
    x += kFloats;
  }
  settle(x, here, splat_float(-kFloatInfinity));
}

// The upper bounds of all classes, and in each column the class of the highest. `rows_of(k)` are the rows of class k;
// `bound_of(k, highest)` is what is stored for it, `value_of(k, bound)` what is compared between classes.
template <class RowsOf, class BoundOf, class ValueOf>
void bound_classes(const BandScratch& scratch, std::int64_t classes, const RowsOf& rows_of, const BoundOf& bound_of,
                   const ValueOf& value_of) {
  for (std::int64_t x = 0; x < scratch.stride; x += kFloats) {
    store_floats(scratch.leading + x, splat_float(-kFloatInfinity));
    store_ints(scratch.leader + x, Ints{});
  }
  for (std::int64_t k = 0; k < classes; ++k) {
    const auto rows = rows_of(k);
    switch (rows.count) {
      case 2: bound_class<2>(scratch, k, rows, bound_of, value_of); break;
      case 3: bound_class<3>(scratch, k, rows, bound_of, value_of); break;
      case 5: bound_class<5>(scratch, k, rows, bound_of, value_of); break;
      case 9: bound_class<9>(scratch, k, rows, bound_of, value_of); break;
      default: bound_class<0>(scratch, k, rows, bound_of, value_of);
    }
  }
}

// What a class must reach in each column of a tile to be able to win: the lowest value of the classes that lead there,
// as `lowest_of(k)` gives it for the tile's columns.
template <class LowestOf>
Floats bound_winner(const BandScratch& scratch, std::int64_t tile, LaneBits valid, const LowestOf& lowest_of) {
  const Ints leader = load_ints(scratch.leader + tile);
  Floats lowest = splat_float(-kFloatInfinity);
  for (LaneBits todo = valid; todo != 0;) {
    const std::int32_t k = leader[__builtin_ctz(todo)];
    lowest = greater(lowest_of(k), lowest);
    todo &= ~bits_of_equal(leader, splat_int(k));
  }
  return with_margin_below(lowest);
}

// The columns of a tile, of w from there on.
inline LaneBits valid_columns(std::int64_t w) {
  return w < kFloats ? (LaneBits{1} << w) - 1 : (LaneBits{2} << (kFloats - 1)) - 1;
}

// Up to kFloats neighbouring pixels of an output row, whose cells lie in one tile of kFloats columns.
struct Unit {
  std::int64_t x;   // of the first pixel
  int count;        // of pixels
  LaneBits pixels;  // a bit for each
  LaneBits cells;   // the tile's columns that they lie in
  std::int64_t first_base, second_base;
  Ints first, second;  // from these bases
  Floats first_weight, second_weight;
  LaneMask mixed;  // where the second weighs anything
  bool near;       // whether all that is mixed lies within kFloats pixels of the bases
};

// The next unit from pixel x on, for the tile whose columns begin at `tile`; empty where no more pixels lie in it.
inline Unit unit_at(const AxisTaps& across, std::int64_t x, std::int64_t width, std::int64_t tile) {
  Unit unit;
  unit.x = x;
  const Ints first = load_ints(across.first + x), second = load_ints(across.second + x);
  const LaneBits in_tile = bits_of_less(first, splat_int(static_cast<std::int32_t>(tile + kFloats)));
  unit.count = __builtin_popcount(in_tile);  // positions rise
  if (unit.count > width - x) unit.count = static_cast<int>(width - x);
  if (unit.count == 0) return unit;
  unit.pixels = (LaneBits{2} << (unit.count - 1)) - 1;
  unit.cells = (LaneBits{2} << (first[unit.count - 1] - tile)) - (LaneBits{1} << (first[0] - tile));
  unit.first_base = first[0];
  unit.second_base = second[0];
  unit.first = first - first[0];
  unit.second = second - second[0];
  unit.first_weight = load_floats(across.first_weight + x);
  unit.second_weight = load_floats(across.second_weight + x);
  unit.mixed = above(unit.second_weight, Floats{});
  unit.near = unit.first[kFloats - 1] < kFloats && unit.second[kFloats - 1] < kFloats;
  return unit;
}

// Copies the rows of the classes left in a tile, as float32, to scratch.rows: planes lie a power of two apart as often
// as not, so that the same columns of many of them do not fit in a cache together.
template <class RowsOf>
inline void copy_tile(const BandScratch& scratch, std::int64_t possible, std::int64_t tile, const RowsOf& rows_of) {
  for (std::int64_t i = 0; i < possible; ++i) {
    const auto rows = rows_of(scratch.possible[i]);
    float* to = scratch.rows + i * kTileRows;
    const bool whole = tile + 2 * kFloats <= rows.w;
    for (std::int64_t r = 0; r < rows.count; ++r, to += 2 * kFloats) {
      const auto* from = rows.data + r * rows.w + tile;
      const std::int64_t left = rows.w - tile;
      store_floats(to, whole ? load_floats(from) : load_part(from, left, 0));
      if (whole || left > kFloats) {
        store_floats(to + kFloats, whole ? load_floats(from + kFloats) : load_part(from + kFloats, left - kFloats, 0));
      }
    }
  }
}

// Mixes `rows` rows of `count` classes along, from row `top` of the band's on, where contest[i] is the class's place
// among those left in the tile.
inline void mix_along(const BandScratch& scratch, const std::int32_t* contest, std::int64_t count, std::int64_t tile,
                      const Unit& unit, std::int64_t top, std::int64_t rows) {
  const std::int64_t left = unit.first_base - tile, right = unit.second_base - tile;
  const Floats first_weight = unit.first_weight, second_weight = unit.second_weight;
  const Ints first = unit.first, second = unit.second;
  const LaneMask mixed = unit.mixed;
  const auto mix_rows = [&](const auto& take) {
    for (std::int64_t i = 0; i < count; ++i) {
      const float* from = scratch.rows + contest[i] * kTileRows + top * 2 * kFloats;
      float* to = scratch.along + i * kAlong;
      for (std::int64_t r = 0; r < rows; ++r, from += 2 * kFloats, to += kFloats) {
        const Floats a = take(from + left, first), b = take(from + right, second);
        store_floats(to, choose(mixed, first_weight * a + second_weight * b, a));
      }
    }
  };
  if (unit.near) return mix_rows([](const float* from, Ints lanes) { return permuted(load_floats(from), lanes); });
  mix_rows([&](const float* from, Ints lanes) {
    Floats v{};
    for (int lane = 0; lane < unit.count; ++lane) v[lane] = from[lanes[lane]];
    return v;
  });
}

// Output rows that mix the same two rows, as many as registers have room for.
struct RowGroup {
  std::int64_t top;            // of the output
  int rows;                    // 1, 2 or kGroupRows
  bool mixes;                  // else the first row is what they are
  std::int64_t first, second;  // offsets in a class's part of scratch.along
};
inline constexpr int kGroupRows = kFloats == 16 ? 4 : 2;

// Calls visit(group) for the rows from top to bottom, where `from` is the first row in scratch.along.
template <class Visit>
inline void for_each_group(const AxisTaps& down, std::int64_t top, std::int64_t bottom, std::int64_t from,
                           const Visit& visit) {
  while (top < bottom) {
    int rows = 1;
    const bool mixes = down.second_weight[top] != 0;
    while (mixes && top + rows < bottom && rows < kGroupRows && down.first[top + rows] == down.first[top] &&
           down.second_weight[top + rows] != 0) {
      ++rows;
    }
    if (rows == 3) rows = 2;
    visit(RowGroup{top, rows, mixes, (down.first[top] - from) * kFloats, (down.second[top] - from) * kFloats});
    top += rows;
  }
}

// Calls visit(Rows<n>{}) for a group's number of rows.
template <int n>
struct Rows {
  static constexpr int value = n;
};
template <class Visit>
inline void visit_rows(const RowGroup& group, const Visit& visit) {
  if (group.rows == kGroupRows) return visit(Rows<kGroupRows>{});
  if (kGroupRows > 2 && group.rows == 2) return visit(Rows<2>{});
  visit(Rows<1>{});
}

// The values of a class in the rows of a group.
template <int kRows>
struct GroupWeights {
  Floats first[kRows], second[kRows];

  GroupWeights(const AxisTaps& down, std::int64_t top) {
    for (int r = 0; r < kRows; ++r) {
      first[r] = splat_float(down.first_weight[top + r]);
      second[r] = splat_float(down.second_weight[top + r]);
    }
  }
};

// The highest score of each of `count` pixels, at most kBlock, and its class, the first of equal ones; -infinity and
// `none` where no score is higher than -infinity.
inline constexpr std::int64_t kBlock = 1024;  // pixels whose best so far stay in the first cache
inline constexpr int kTogether = 8;           // classes between loading and storing it

template <class T>
void argmax_block(const T* planes, std::int64_t plane, const std::int32_t* classes, std::int64_t class_count,
                  std::int32_t none, std::int64_t count, float* best, std::int32_t* label) {
  for (std::int64_t x = 0; x < count; ++x) best[x] = -kFloatInfinity;
  for (std::int64_t x = 0; x < count; ++x) label[x] = none;
  const std::int64_t whole = count - count % kFloats;
  for (std::int64_t first = 0; first < class_count; first += kTogether) {
    const std::int64_t together = class_count - first < kTogether ? class_count - first : kTogether;
    const T* from[kTogether];
    Ints c[kTogether];
    for (std::int64_t k = 0; k < kTogether; ++k) {  // behind the last class stands it again, which changes nothing
      const std::int32_t id = classes[first + (k < together ? k : together - 1)];
      from[k] = planes + id * plane;
      c[k] = splat_int(id);
    }
    for (std::int64_t x = 0; x < whole; x += kFloats) {
      Floats high = load_floats(best + x);
      Ints winner = load_ints(label + x);
      for (int k = 0; k < kTogether; ++k) {
        __builtin_prefetch(from[k] + kTogether * plane + x, 0, 2);  // to the second cache: in the first they would meet
        const Floats score = load_floats(from[k] + x);
        const LaneMask wins = above(score, high);
        high = greater(score, high);
        winner = choose(wins, c[k], winner);
      }
      store_floats(best + x, high);
      store_ints(label + x, winner);
    }
    for (std::int64_t x = whole; x < count; ++x) {
      for (std::int64_t k = 0; k < together; ++k) {
        const float score = as_float(from[k][x]);
        if (!(score > best[x])) continue;
        best[x] = score;
        label[x] = classes[first + k];
      }
    }
  }
}

}  // namespace
}  // namespace rapidmask
