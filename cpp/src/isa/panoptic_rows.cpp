// The row loops of panoptic merging and of painting, compiled once per instruction level (RM_LEVEL).

#include "isa/panoptic_rows.hpp"

#include "isa/class_tiles.hpp"
#include "isa/sigmoid_lanes.hpp"

namespace rapidmask {
namespace {

// Bounds of the values of one query. Those of a score that is no number from 0 up are unknown.
template <bool kLate>
struct QueryBounds {
  float score;
  bool known;

  // Of a score of 0, an infinite probability makes NaN.
  explicit QueryBounds(float s) : score(s), known(s > 0 && s <= kGreatestFloat) {}

  static Floats highest_probability(Floats value) { return kLate ? sigmoid_of(with_margin_above(value)) : value; }
  Floats highest_weight(Floats probability) const { return known ? probability * score : splat_float(kFloatInfinity); }
  static Floats lowest_probability(Floats value) {
    if constexpr (!kLate) return value;
    return choose(above(value, splat_float(-kFloatInfinity)), sigmoid_of(with_margin_below(value)), value);
  }
  Floats lowest_weight(Floats probability) const {
    const Floats none = splat_float(-kFloatInfinity);
    return known ? choose(above(probability, none), probability * score, none) : none;
  }
};

template <class T>
inline PlaneRows<T> band_rows_of(const PanopticBand& band, std::int64_t k) {
  const QueryPlanes& planes = band.planes;
  return {static_cast<const T*>(planes.data) + k * planes.plane, planes.w, planes.rows, planes.plane};
}

// Adds a unit's codes to the pixels of their queries.
inline void count_codes(const std::int32_t* codes, const Unit& unit, QueryPixels* pixels) {
  const auto add = [&](std::int32_t code, std::int64_t count) {
    if (code >= 0) (code % 2 != 0 ? pixels[code / 2].inner : pixels[code / 2].outer) += count;
  };
  LaneBits left = unit.pixels;
  while (left != 0) {  // as many times as there are codes
    const std::int32_t code = codes[__builtin_ctz(left)];
    const LaneBits alike = bits_of_equal(load_ints(codes), splat_int(code)) & left;
    add(code, __builtin_popcount(alike));
    left &= ~alike;
  }
}

template <class T>
std::int32_t first_comparable(const PanopticBand& band, std::int64_t y, std::int64_t x) {
  BilinearTap down = band.down.tap(y);
  down.first -= band.row;
  down.second -= band.row;
  ChosenQuery chosen;
  for (std::int64_t k = 0; k < band.queries; ++k) {
    const float value = bilinear_value(band_rows_of<T>(band, k).data, band.planes.w, down, band.across.tap(x));
    const QueryValue of_query = query_value(*band.rule, band.scores[k], value);
    chosen.take(of_query.weight, static_cast<std::int32_t>(2 * k + of_query.owned));
  }
  return chosen.code;
}

// The values of all pixels of a vector.
template <bool kLate, bool kWeighted>
struct VectorValue {
  Floats weight, tested;

  VectorValue(Floats value, Floats score) {
    const Floats probability = kLate ? sigmoid_of(value) : value;
    weight = probability * score;
    tested = kWeighted ? weight : probability;
  }
};

// Interpolates the first `count` queries of scratch.contest in a unit's pixels of the rows of a group: all of them
// count what they own, from `competing` on they compete as well.
template <int kRows, bool kLate, bool kWeighted>
void contest_group(const PanopticBand& band, const Unit& unit, const RowGroup& group, std::int64_t competing,
                   std::int64_t count, Floats* weights, Ints* codes) {
  const GroupWeights<kRows> of_rows(band.down, group.top);
  const Floats threshold = splat_float(band.rule->mask_threshold);
  const auto value_in = [&](int r, Floats first, Floats second) {
    return kRows == 1 && !group.mixes ? first : of_rows.first[r] * first + of_rows.second[r] * second;
  };
  // Owned pixels of all rows, one vector's bits after the other.
  std::uint64_t inside = 0;
  for (int r = 0; r < kRows; ++r) inside |= static_cast<std::uint64_t>(unit.pixels) << (r * kFloats);
  const auto count_own = [&](std::int64_t i, std::uint64_t owned) {
    band.pixels[band.scratch.possible[band.scratch.contest[i]]].own += __builtin_popcountll(owned & inside);
  };
  Floats best[kRows];
  Ints code[kRows];
  for (int r = 0; r < kRows; ++r) {
    best[r] = splat_float(-kFloatInfinity);
    code[r] = splat_int(-1);
  }
  const float* along = band.scratch.along;
  std::int64_t i = 0;
  for (; i < competing; ++i, along += kAlong) {
    const Floats first = load_floats(along + group.first), second = load_floats(along + group.second);
    const Floats score = splat_float(band.scores[band.scratch.possible[band.scratch.contest[i]]]);
    std::uint64_t owned = 0;
    for (int r = 0; r < kRows; ++r) {
      const VectorValue<kLate, kWeighted> value(value_in(r, first, second), score);
      owned |= static_cast<std::uint64_t>(bits_of(at_least(value.tested, threshold))) << (r * kFloats);
    }
    count_own(i, owned);
  }
  for (; i < count; ++i, along += kAlong) {
    const std::int32_t k = band.scratch.possible[band.scratch.contest[i]];
    const Floats first = load_floats(along + group.first), second = load_floats(along + group.second);
    const Floats score = splat_float(band.scores[k]);
    const Ints outer = splat_int(2 * k), inner = splat_int(2 * k + 1);
    std::uint64_t owned = 0;
    for (int r = 0; r < kRows; ++r) {
      const VectorValue<kLate, kWeighted> value(value_in(r, first, second), score);
      const LaneMask owns = at_least(value.tested, threshold), wins = above(value.weight, best[r]);
      owned |= static_cast<std::uint64_t>(bits_of(owns)) << (r * kFloats);
      best[r] = greater(value.weight, best[r]);
      code[r] = choose(wins, kWeighted ? outer : choose(owns, inner, outer), code[r]);
    }
    if (band.counts[band.scratch.contest[i]] != 0) count_own(i, owned);
  }
  for (int r = 0; r < kRows; ++r) {
    weights[r] = best[r];
    codes[r] = kWeighted ? choose(at_least(best[r], threshold), code[r] | 1, code[r]) : code[r];
  }
}

// The same in up to kMostBandRows rows of the output, which are written where queries compete.
template <class T, bool kLate>
void contest_rows(const PanopticBand& band, std::int64_t tile, const Unit& unit, std::int64_t competing,
                  std::int64_t count, std::int64_t top, std::int64_t bottom) {
  const std::int64_t from = band.down.first[top], to = band.down.second[bottom - 1] + 1;
  mix_along(band.scratch, band.scratch.contest, count, tile, unit, from - band.row, to - from);
  for_each_group(band.down, top, bottom, from, [&](const RowGroup& group) {
    Floats best[kGroupRows];
    Ints code[kGroupRows];
    visit_rows(group, [&](auto rows) {
      constexpr int kRows = decltype(rows)::value;
      if (band.rule->weighted) {
        contest_group<kRows, kLate, true>(band, unit, group, competing, count, best, code);
      } else {
        contest_group<kRows, kLate, false>(band, unit, group, competing, count, best, code);
      }
    });
    if (competing == count) return;
    for (int r = 0; r < group.rows; ++r) {
      const std::int64_t y = group.top + r;
      std::int32_t codes[kFloats];
      store_ints(codes, code[r]);
      LaneBits low = bits_of(at_least(splat_float(-kFloatInfinity), best[r])) & unit.pixels;
      for (; low != 0; low &= low - 1) {
        const int lane = __builtin_ctz(low);
        codes[lane] = first_comparable<T>(band, y, unit.x + lane);
      }
      count_codes(codes, unit, band.pixels);
      __builtin_memcpy(band.codes + y * band.width + unit.x, codes,
                       static_cast<std::size_t>(unit.count) * sizeof *codes);
    }
  });
}

// The queries that may have pixels in a tile, with the columns where they compete and where they own pixels; those of
// which all pixels are known, and which do not compete, are listed in band.whole.
struct TileQueries {
  std::int64_t possible, whole;
};
template <class T, bool kLate>
TileQueries find_possible(const PanopticBand& band, std::int64_t tile, LaneBits valid, Floats bound) {
  const PanopticRule& rule = *band.rule;
  const BandScratch& scratch = band.scratch;
  std::int32_t* const queries = scratch.possible;
  std::uint32_t *const competes = scratch.columns, *const owns = band.own;
  const bool weighted = rule.weighted;
  const Floats threshold = splat_float(rule.mask_threshold);
  const Floats low = with_margin_below(threshold), high = with_margin_above(threshold);
  std::int64_t candidates = 0;
  for (std::int64_t k = 0; k < band.queries; ++k) {
    const Floats probability = load_floats(scratch.bounds + k * scratch.stride + tile);
    const Floats weight = QueryBounds<kLate>(band.scores[k]).highest_weight(probability);
    const LaneBits some_compete = ~bits_of(above(bound, weight)) & valid;
    const LaneBits some_owned = ~bits_of(above(low, weighted ? weight : probability)) & valid;
    queries[candidates] = static_cast<std::int32_t>(k);
    competes[candidates] = some_compete;
    owns[candidates] = some_owned;
    candidates += (some_compete | some_owned) != 0;
  }
  TileQueries found{};
  for (std::int64_t i = 0; i < candidates; ++i) {
    const std::int32_t k = queries[i];
    LaneBits owns_all = 0;
    if (owns[i] != 0) {
      const QueryBounds<kLate> bounds(band.scores[k]);
      const Floats lowest = bounds.lowest_probability(lowest_in_cells(band_rows_of<T>(band, k), tile));
      // Not where the two are equal: both may be -inf, and NaN, which is not owned, has that bound.
      owns_all = bits_of(above(weighted ? bounds.lowest_weight(lowest) : lowest, high)) & owns[i];
    }
    if (competes[i] == 0 && owns_all == valid) {
      band.whole[found.whole++] = k;
      continue;
    }
    queries[found.possible] = k;
    competes[found.possible] = competes[i];
    owns[found.possible] = owns[i];
    band.owns_all[found.possible] = owns_all;
    ++found.possible;
  }
  return found;
}

// The map's pixels of a unit.
template <class T, bool kLate>
void merge_unit(const PanopticBand& band, std::int64_t tile, const Unit& unit, std::int64_t possible, LaneBits sure,
                bool& copied) {
  const BandScratch& scratch = band.scratch;
  const std::int64_t rows = band.bottom - band.top, pixels = unit.count * rows;
  // Queries that only count what they own come first, those that compete after them, in their order.
  std::int64_t counting = 0, competing = 0;
  {
    const std::int32_t* const queries = scratch.possible;
    const std::uint32_t *const columns = scratch.columns, *const own = band.own, *const own_all = band.owns_all;
    std::int32_t *const contest = scratch.contest, *const competitors = band.competing;
    std::uint8_t* const counted = band.counts;
    QueryPixels* const counts_of = band.pixels;
    for (std::int64_t i = 0; i < possible; ++i) {
      const bool competes = (columns[i] & unit.cells) != 0, owns_all = (unit.cells & ~own_all[i]) == 0;
      const bool counts = !owns_all & ((own[i] & unit.cells) != 0);
      counts_of[queries[i]].own += owns_all ? pixels : 0;
      counted[i] = counts;
      contest[counting] = competitors[competing] = static_cast<std::int32_t>(i);
      counting += counts & !competes;
      competing += competes;
    }
  }
  if (competing == 1 && (unit.cells & ~sure) == 0) {  // where one query is left, whose pixels need no look
    const std::int32_t last = band.competing[0];
    const bool owned = (unit.cells & ~band.owns_all[last]) == 0;
    if (owned || (band.own[last] & unit.cells) == 0) {
      const std::int32_t k = scratch.possible[last], code = 2 * k + owned;
      (owned ? band.pixels[k].inner : band.pixels[k].outer) += pixels;
      for (std::int64_t y = band.top; y < band.bottom; ++y) {
        std::int32_t* to = band.codes + y * band.width + unit.x;
        for (int i = 0; i < unit.count; ++i) to[i] = code;
      }
      competing = 0;
    }
  }
  const std::int64_t count = counting + competing;
  if (count == 0) return;
  if (!copied) copy_tile(scratch, possible, tile, [&](std::int32_t k) { return band_rows_of<T>(band, k); });
  copied = true;
  for (std::int64_t i = 0; i < competing; ++i) scratch.contest[counting + i] = band.competing[i];
  for (std::int64_t top = band.top; top < band.bottom; top += kMostBandRows) {
    const std::int64_t bottom = top + kMostBandRows < band.bottom ? top + kMostBandRows : band.bottom;
    contest_rows<T, kLate>(band, tile, unit, counting, count, top, bottom);
  }
}

template <class T, bool kLate>
void merge_tiles(const PanopticBand& band) {
  const BandScratch& scratch = band.scratch;
  bound_classes(
      scratch, band.queries, [&](std::int64_t k) { return band_rows_of<T>(band, k); },
      [](std::int64_t, Floats highest) { return QueryBounds<kLate>::highest_probability(highest); },
      [&](std::int64_t k, Floats bound) { return QueryBounds<kLate>(band.scores[k]).highest_weight(bound); });
  std::int64_t x = 0;
  for (std::int64_t tile = 0; tile < band.planes.w; tile += kFloats) {
    const LaneBits valid = valid_columns(band.planes.w - tile);
    const Floats bound = bound_winner(scratch, tile, valid, [&](std::int32_t k) {
      const QueryBounds<kLate> bounds(band.scores[k]);
      return bounds.lowest_weight(bounds.lowest_probability(lowest_in_cells(band_rows_of<T>(band, k), tile)));
    });
    const LaneBits sure = bits_of(at_least(bound, splat_float(-kGreatestFloat)));
    const TileQueries queries = find_possible<T, kLate>(band, tile, valid, bound);
    const std::int64_t begin = x;
    bool copied = false;
    for (;;) {
      const Unit unit = unit_at(band.across, x, band.width, tile);
      if (unit.count == 0) break;
      x += unit.count;
      merge_unit<T, kLate>(band, tile, unit, queries.possible, sure, copied);
    }
    const std::int64_t pixels = (x - begin) * (band.bottom - band.top);
    for (std::int64_t i = 0; i < queries.whole; ++i) band.pixels[band.whole[i]].own += pixels;
  }
}

template <class T>
void merge_band(const PanopticBand& band) {
  band.rule->activated_late ? merge_tiles<T, true>(band) : merge_tiles<T, false>(band);
}

void number(std::int32_t* codes, std::int64_t count, const std::int32_t* ids) {
  for (std::int64_t i = 0; i < count; ++i) codes[i] = ids[codes[i] + 1];
}

void paint(const std::uint64_t* mask, std::uint64_t* taken, std::int64_t w, std::int32_t label, std::int32_t* map) {
  for (std::int64_t j = 0; 64 * j < w; ++j) {
    std::uint64_t left = mask[j] & ~taken[j];
    if (left == 0) continue;
    taken[j] |= left;
    std::int32_t* to = map + 64 * j;
#if defined(__AVX512BW__)
    const __m512i value = _mm512_set1_epi32(label);
    for (int i = 0; left != 0; i += 16, left >>= 16) {
      _mm512_mask_storeu_epi32(to + i, static_cast<__mmask16>(left), value);
    }
#else
    while (left != 0) {  // run by run
      const int begin = __builtin_ctzll(left);
      const std::uint64_t rest = ~(left >> begin);
      const int end = rest == 0 ? 64 : begin + __builtin_ctzll(rest);
      for (int i = begin; i < end; ++i) to[i] = label;
      if (end == 64) break;
      left &= ~std::uint64_t{0} << end;
    }
#endif
  }
}

template <class T>
void non_overlapping(const T* scores, std::int64_t objects, std::int64_t plane, const float* object_scores,
                     float background, std::int64_t count, T* result) {
  alignas(64) float best[kObjectPixels];
  alignas(64) std::int32_t winner[kObjectPixels];
  if (object_scores == nullptr) {
    for (std::int64_t x = 0; x < count; ++x) {
      best[x] = -kFloatInfinity;
      winner[x] = -1;
    }
    for (std::int64_t k = 0; k < objects; ++k) {
      for (std::int64_t x = 0; x < count; ++x) {
        const float score = as_float(scores[k * plane + x]);
        const bool wins = winner[x] < 0 ? score == score : score > best[x];
        best[x] = wins ? score : best[x];
        winner[x] = wins ? static_cast<std::int32_t>(k) : winner[x];
      }
    }
  } else {
    for (std::int64_t x = 0; x < count; ++x) {
      best[x] = 0;
      winner[x] = -1;
    }
    for (std::int64_t k = 0; k < objects; ++k) {
      const float object = object_scores[k];
      for (std::int64_t x = 0; x < count; ++x) {
        const bool wins = as_float(scores[k * plane + x]) > 0 && object > best[x];
        best[x] = wins ? object : best[x];
        winner[x] = wins ? static_cast<std::int32_t>(k) : winner[x];
      }
    }
  }
  const T lowered = nearest<T>(background);
  const float limit = as_float(lowered);
  for (std::int64_t k = 0; k < objects; ++k) {
    for (std::int64_t x = 0; x < count; ++x) {
      const T score = scores[k * plane + x];
      const bool lower = winner[x] != static_cast<std::int32_t>(k) && as_float(score) > limit;
      result[k * plane + x] = lower ? lowered : score;
    }
  }
}

template <class T>
constexpr QueryRows<T> kQueryRows{merge_band<T>, activate_values<T>, non_overlapping<T>};

}  // namespace

namespace RM_LEVEL {
extern const PanopticRows panoptic_rows;
const PanopticRows panoptic_rows{kQueryRows<Half>, kQueryRows<BFloat16>, kQueryRows<float>, number, paint};
}  // namespace RM_LEVEL

}  // namespace rapidmask
