// The row loops of class maps, compiled once per instruction level (RM_LEVEL).

#include "isa/semantic_rows.hpp"

#include "isa/class_tiles.hpp"
#include "isa/sigmoid_lanes.hpp"

namespace rapidmask {
namespace {

// Labels of one of four widths, written from int32.
template <class Label>
inline void write_as(const std::int32_t* from, std::int64_t count, void* labels, std::int64_t at) {
  Label* to = static_cast<Label*>(labels) + at;
  for (std::int64_t i = 0; i < count; ++i) to[i] = static_cast<Label>(from[i]);
}
inline void write_labels(const std::int32_t* from, std::int64_t count, void* labels, std::int64_t bytes,
                         std::int64_t at) {
  switch (bytes) {
    case 1: return write_as<std::uint8_t>(from, count, labels, at);
    case 2: return write_as<std::int16_t>(from, count, labels, at);
    case 4: return write_as<std::int32_t>(from, count, labels, at);
    default: return write_as<std::int64_t>(from, count, labels, at);
  }
}

template <class T>
inline PlaneRows<T> band_rows_of(const SemanticBand& band, std::int64_t index) {
  const ClassPlanes& planes = band.planes;
  const std::int64_t below = planes.h - band.row;
  return {static_cast<const T*>(planes.data) + (band.rule->classes[index] * planes.h + band.row) * planes.w, planes.w,
          band.rows + 1 < below ? band.rows + 1 : below, planes.h * planes.w};
}

// The first class that is not NaN at a pixel, or the void label.
template <class T>
std::int32_t first_comparable(const SemanticBand& band, std::int64_t y, std::int64_t x) {
  const ClassPlanes& planes = band.planes;
  BestClass best;
  for (std::int64_t k = 0; k < band.rule->count; ++k) {
    const std::int32_t c = band.rule->classes[k];
    const T* plane = static_cast<const T*>(planes.data) + c * planes.h * planes.w;
    best.take(bilinear_value(plane, planes.w, band.down.tap(y), band.across.tap(x)), c);
  }
  return best.label_by(*band.rule);
}

// How many classes compete in all rows of a band, before the next do: their mixed rows fit in the first cache.
constexpr std::int64_t kContestants = 32;

// The best of each pixel of a unit so far, in up to kMostBandRows rows of the output.
struct Contest {
  Floats best[kMostBandRows];
  Ints label[kMostBandRows];
};

// Lets `count` classes compete for a unit's pixels in the rows of a group, whose best so far are best[0] and on.
template <int kRows>
void contest_group(const SemanticBand& band, const RowGroup& group, const std::int32_t* classes, std::int64_t count,
                   Floats* bests, Ints* labels) {
  const GroupWeights<kRows> weights(band.down, group.top);
  Floats best[kRows];
  Ints label[kRows];
  for (int r = 0; r < kRows; ++r) {
    best[r] = bests[r];
    label[r] = labels[r];
  }
  const float* along = band.scratch.along;
  for (std::int64_t i = 0; i < count; ++i, along += kAlong) {
    const Floats first = load_floats(along + group.first), second = load_floats(along + group.second);
    const Ints c = splat_int(classes[i]);
    for (int r = 0; r < kRows; ++r) {
      const Floats mixed = weights.first[r] * first + weights.second[r] * second;
      const Floats score = kRows == 1 && !group.mixes ? first : mixed;
      const LaneMask wins = above(score, best[r]);
      best[r] = greater(score, best[r]);
      label[r] = choose(wins, c, label[r]);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    bests[r] = best[r];
    labels[r] = label[r];
  }
}

// The same for all `count` classes of scratch.contest in up to kMostBandRows rows of the output, which are then
// written.
template <class T>
void contest_rows(const SemanticBand& band, std::int64_t tile, const Unit& unit, std::int64_t count, std::int64_t top,
                  std::int64_t bottom) {
  const ClassRule& rule = *band.rule;
  const std::int64_t from = band.down.first[top], to = band.down.second[bottom - 1] + 1;
  Contest contest;
  for (std::int64_t r = 0; r < bottom - top; ++r) {
    contest.best[r] = splat_float(-kFloatInfinity);
    contest.label[r] = splat_int(rule.void_label);
  }
  std::int32_t classes[kContestants];
  for (std::int64_t begin = 0; begin < count; begin += kContestants) {
    const std::int32_t* contestants = band.scratch.contest + begin;
    const std::int64_t competing = count - begin < kContestants ? count - begin : kContestants;
    for (std::int64_t i = 0; i < competing; ++i) classes[i] = rule.classes[band.scratch.possible[contestants[i]]];
    mix_along(band.scratch, contestants, competing, tile, unit, from - band.row, to - from);
    for_each_group(band.down, top, bottom, from, [&](const RowGroup& group) {
      visit_rows(group, [&](auto rows) {
        contest_group<decltype(rows)::value>(band, group, classes, competing, contest.best + (group.top - top),
                                             contest.label + (group.top - top));
      });
    });
  }
  for (std::int64_t y = top; y < bottom; ++y) {
    const Floats best = contest.best[y - top];
    Ints label = contest.label[y - top];
    if (rule.least > -kFloatInfinity) {
      label = choose(at_least(best, splat_float(rule.least)), label, splat_int(rule.void_label));
    }
    std::int32_t labels[kFloats];
    store_ints(labels, label);
    LaneBits low = bits_of(at_least(splat_float(-kFloatInfinity), best)) & unit.pixels;
    for (; low != 0; low &= low - 1) {
      const int lane = __builtin_ctz(low);
      labels[lane] = first_comparable<T>(band, y, unit.x + lane);
    }
    write_labels(labels, unit.count, band.labels, band.label_bytes, y * band.width + unit.x);
  }
}

template <class T>
void argmax_band(const SemanticBand& band) {
  bound_classes(
      band.scratch, band.rule->count, [&](std::int64_t k) { return band_rows_of<T>(band, k); },
      [](std::int64_t, Floats highest) { return highest; }, [](std::int64_t, Floats bound) { return bound; });
  const BandScratch& scratch = band.scratch;
  const Floats least = splat_float(band.rule->least > -kGreatestFloat ? band.rule->least : -kGreatestFloat);
  std::int64_t x = 0;
  for (std::int64_t tile = 0; tile < band.planes.w; tile += kFloats) {
    const LaneBits valid = valid_columns(band.planes.w - tile);
    const Floats bound = bound_winner(scratch, tile, valid,
                                      [&](std::int32_t k) { return lowest_in_cells(band_rows_of<T>(band, k), tile); });
    const LaneBits sure = bits_of(at_least(bound, least));  // where a class that is left alone wins
    bool copied = false;
    std::int64_t possible = 0;
    for (std::int64_t k = 0; k < band.rule->count; ++k) {
      const LaneBits left = bits_of(at_least(load_floats(scratch.bounds + k * scratch.stride + tile), bound)) & valid;
      scratch.possible[possible] = static_cast<std::int32_t>(k);
      scratch.columns[possible] = left;
      possible += left != 0;
    }
    for (;;) {
      const Unit unit = unit_at(band.across, x, band.width, tile);
      if (unit.count == 0) break;
      x += unit.count;
      std::int64_t count = 0;
      for (std::int64_t i = 0; i < possible; ++i) {
        scratch.contest[count] = static_cast<std::int32_t>(i);
        count += (scratch.columns[i] & unit.cells) != 0;
      }
      if (count == 1 && (unit.cells & ~sure) == 0) {
        std::int32_t labels[kFloats];
        store_ints(labels, splat_int(band.rule->classes[scratch.possible[scratch.contest[0]]]));
        for (std::int64_t y = band.top; y < band.bottom; ++y) {
          write_labels(labels, unit.count, band.labels, band.label_bytes, y * band.width + unit.x);
        }
        continue;
      }
      if (!copied) copy_tile(scratch, possible, tile, [&](std::int32_t k) { return band_rows_of<T>(band, k); });
      copied = true;
      for (std::int64_t top = band.top; top < band.bottom; top += kMostBandRows) {
        const std::int64_t bottom = top + kMostBandRows < band.bottom ? top + kMostBandRows : band.bottom;
        contest_rows<T>(band, tile, unit, count, top, bottom);
      }
    }
  }
}

template <class T>
void argmax_pixels(const ClassPlanes& planes, const ClassRule& rule, std::int64_t begin, std::int64_t count,
                   void* labels, std::int64_t label_bytes) {
  const std::int64_t plane = planes.h * planes.w;
  const T* data = static_cast<const T*>(planes.data);
  alignas(64) float best[kBlock];
  alignas(64) std::int32_t label[kBlock];
  for (std::int64_t at = begin; at < begin + count; at += kBlock) {
    const std::int64_t pixels = begin + count - at < kBlock ? begin + count - at : kBlock;
    argmax_block(data + at, plane, rule.classes, rule.count, rule.void_label, pixels, best, label);
    for (std::int64_t x = 0; x < pixels; ++x) {
      if (best[x] < rule.least) label[x] = rule.void_label;
    }
    for (std::int64_t x = 0; x < pixels; ++x) {
      if (best[x] != -kFloatInfinity) continue;
      BestClass first;
      for (std::int64_t k = 0; k < rule.count; ++k) {
        first.take(as_float(data[rule.classes[k] * plane + at + x]), rule.classes[k]);
      }
      label[x] = first.label_by(rule);
    }
    write_labels(label, pixels, labels, label_bytes, at);
  }
}

// The sums of queries of a few classes and vectors of pixels; pixels of one query lie `stride` behind those of another.
constexpr int kSumClasses = 4, kSumVectors = kFloats == 16 ? 4 : 2;
static_assert(kScorePixels % (kSumVectors * kFloats) == 0);

template <int kClasses, int kVectors>
void add_queries(const float* sigmoids, std::int64_t stride, std::int64_t q, const float* probabilities,
                 std::int64_t classes, const std::int32_t* ids, float* const* sums) {
  Floats sum[kClasses][kVectors] = {};
  for (std::int64_t i = 0; i < q; ++i) {
    const float* mask = sigmoids + i * stride;
    for (int k = 0; k < kClasses; ++k) {
      const Floats weight = splat_float(probabilities[i * classes + ids[k]]);
      for (int v = 0; v < kVectors; ++v) sum[k][v] = sum[k][v] + weight * load_floats(mask + v * kFloats);
    }
  }
  for (int k = 0; k < kClasses; ++k) {
    for (int v = 0; v < kVectors; ++v) store_floats(sums[k] + v * kFloats, sum[k][v]);
  }
}

// Those of `count` pixels, whole vectors, and of up to kSumClasses classes.
void add_pixels(const float* sigmoids, std::int64_t stride, std::int64_t count, std::int64_t q,
                const float* probabilities, std::int64_t classes, const std::int32_t* ids, std::int64_t together,
                float* const* sums) {
  float* to[kSumClasses];
  for (std::int64_t x = 0; x < count;) {
    const bool many = count - x >= kSumVectors * kFloats;
    for (std::int64_t k = 0; k < together; ++k) to[k] = sums[k] + x;
    const auto add = [&](auto vectors) {
      constexpr int kVectors = decltype(vectors)::value;
      if (together == kSumClasses) {
        add_queries<kSumClasses, kVectors>(sigmoids + x, stride, q, probabilities, classes, ids, to);
      } else {
        for (std::int64_t k = 0; k < together; ++k) {
          add_queries<1, kVectors>(sigmoids + x, stride, q, probabilities, classes, ids + k, to + k);
        }
      }
    };
    if (many) {
      add(Rows<kSumVectors>{});
    } else {
      add(Rows<1>{});
    }
    x += (many ? kSumVectors : 1) * kFloats;
  }
}

template <class T>
void scores(const T* masks, std::int64_t q, std::int64_t plane, const float* probabilities, std::int64_t classes,
            std::int64_t begin, std::int64_t count, float* buffer, float* scores) {
  for (std::int64_t i = 0; i < q; ++i) {
    float* sigmoids = buffer + i * kScorePixels;
    activate_values(masks + i * plane + begin, count, sigmoids);
    for (std::int64_t x = count; x < kScorePixels; ++x) sigmoids[x] = 0;
  }
  float sums[kSumClasses * kScorePixels];
  float* const to[] = {sums, sums + kScorePixels, sums + 2 * kScorePixels, sums + 3 * kScorePixels};
  for (std::int64_t c = 0; c < classes; c += kSumClasses) {
    const std::int64_t together = classes - c < kSumClasses ? classes - c : kSumClasses;
    std::int32_t ids[kSumClasses];
    for (std::int64_t k = 0; k < together; ++k) ids[k] = static_cast<std::int32_t>(c + k);
    add_pixels(buffer, kScorePixels, (count + kFloats - 1) / kFloats * kFloats, q, probabilities, classes, ids,
               together, to);
    for (std::int64_t k = 0; k < together; ++k) {
      __builtin_memcpy(scores + (c + k) * plane + begin, to[k], static_cast<std::size_t>(count) * sizeof(float));
    }
  }
}

// The highest and the lowest probability of a query in the cells of a tile, both NaN where there is one.
struct Extremes {
  float high, low;
};
Extremes extremes_in(const QueryBand& band, std::int64_t i, std::int64_t tile) {
  Floats high = splat_float(-kFloatInfinity), low = splat_float(kFloatInfinity);
  LaneMask nan = unordered(high, high);
  const bool last = tile + kQueryTile >= band.stride;
  for (std::int64_t r = 0; r < band.rows; ++r) {
    const float* row = band.masks + (i * band.rows + r) * band.stride + tile;
    for (std::int64_t x = 0; x < kQueryTile; x += kFloats) {
      const Floats value = load_floats(row + x);
      high = greater(value, high);
      low = lesser(value, low);
      nan |= unordered(value, value);
    }
    const Floats behind = splat_float(row[last ? kQueryTile - 1 : kQueryTile]);
    high = greater(behind, high);
    low = lesser(behind, low);
    nan |= unordered(behind, behind);
  }
  if (bits_of(nan) != 0) return {__builtin_nanf(""), __builtin_nanf("")};
  Extremes extremes{high[0], low[0]};
  for (int lane = 1; lane < kFloats; ++lane) {
    extremes.high = high[lane] > extremes.high ? high[lane] : extremes.high;
    extremes.low = low[lane] < extremes.low ? low[lane] : extremes.low;
  }
  return extremes;
}

// Marks the classes that may win in the cells of a tile.
void mark_possible(const QueryBand& band, std::int64_t tile) {
  float *highest = band.bounds, *lowest = band.bounds + band.classes;
  for (std::int64_t c = 0; c < 2 * band.classes; ++c) band.bounds[c] = 0;
  for (std::int64_t i = 0; i < band.q; ++i) {
    const Extremes mask = extremes_in(band, i, tile);
    const float* weights = band.probabilities + i * band.classes;
    for (std::int64_t c = 0; c < band.classes; ++c) highest[c] = highest[c] + weights[c] * mask.high;
    for (std::int64_t c = 0; c < band.classes; ++c) lowest[c] = lowest[c] + weights[c] * mask.low;
  }
  const ClassRule& rule = *band.rule;
  float least = -kFloatInfinity;
  for (std::int64_t k = 0; k < rule.count; ++k) {
    least = lowest[rule.classes[k]] > least ? lowest[rule.classes[k]] : least;
  }
  least = with_margin_below(splat_float(least))[0];
  std::uint8_t* possible = band.possible + tile / kQueryTile * rule.count;
  for (std::int64_t k = 0; k < rule.count; ++k) possible[k] = !(highest[rule.classes[k]] < least);  // NaN may
}

std::int64_t query_scores(const QueryBand& band) {
  const std::int64_t values = band.q * band.rows * band.stride, tiles = band.stride / kQueryTile;
  activate_values(band.masks, values, band.masks);
  for (std::int64_t t = 0; t < tiles; ++t) mark_possible(band, t * kQueryTile);
  const ClassRule& rule = *band.rule;
  std::int64_t count = 0;
  for (std::int64_t k = 0; k < rule.count; ++k) {
    bool anywhere = false;
    for (std::int64_t t = 0; t < tiles; ++t) anywhere |= band.possible[t * rule.count + k] != 0;
    if (anywhere) band.left[count++] = rule.classes[k];
  }
  const std::int64_t pixels = band.rows * kQueryTile, plane = band.rows * band.stride;
  for (std::int64_t t = 0; t < tiles; ++t) {
    for (std::int64_t i = 0; i < band.q * band.rows; ++i) {
      __builtin_memcpy(band.tile + i * kQueryTile, band.masks + i * band.stride + t * kQueryTile,
                       kQueryTile * sizeof(float));
    }
    const std::uint8_t* possible = band.possible + t * rule.count;
    const std::uint8_t* before = t == 0 ? possible : possible - rule.count;  // whose cells reach into this tile
    alignas(64) float sums[kSumClasses][(kMostBandRows + 1) * kQueryTile];
    float* const to[] = {sums[0], sums[1], sums[2], sums[3]};
    std::int32_t ids[kSumClasses];
    std::int64_t together = 0;
    const auto write = [&](std::int32_t c, const float* from, std::int64_t step) {
      for (std::int64_t r = 0; r < band.rows; ++r) {
        __builtin_memcpy(band.scores + c * plane + r * band.stride + t * kQueryTile, from + r * step,
                         kQueryTile * sizeof(float));
      }
    };
    const auto finish = [&] {
      add_pixels(band.tile, pixels, pixels, band.q, band.probabilities, band.classes, ids, together, to);
      for (std::int64_t k = 0; k < together; ++k) write(ids[k], sums[k], kQueryTile);
      together = 0;
    };
    constexpr float kNever = -1e30f;  // below any score, and finite, so that a mix of it is no NaN
    float never[kQueryTile];
    for (float& value : never) value = kNever;
    std::int64_t next = 0;
    for (std::int64_t k = 0; k < rule.count; ++k) {
      const std::int32_t c = rule.classes[k];
      if (next == count || band.left[next] != c) continue;
      ++next;
      if (possible[k] == 0 && before[k] == 0) {
        write(c, never, 0);
        continue;
      }
      ids[together++] = c;
      if (together == kSumClasses) finish();
    }
    if (together > 0) finish();
  }
  return count;
}

// A row of w pixels, mixed along.
template <class T>
void mix_row(const T* row, std::int64_t w, const AxisTaps& across, std::int64_t width, float* mixed) {
  for (std::int64_t x = 0; x < width; x += kFloats) {
    const std::int32_t *first = across.first + x, *second = across.second + x;
    Floats a{}, b{};
    if (first[kFloats - 1] - first[0] < kFloats && second[kFloats - 1] - second[0] < kFloats) {
      a = permuted(load_part(row + first[0], w - first[0], 0), load_ints(first) - first[0]);
      b = permuted(load_part(row + second[0], w - second[0], 0), load_ints(second) - second[0]);
    } else {
      for (int i = 0; i < kFloats; ++i) {
        a[i] = as_float(row[first[i]]);
        b[i] = as_float(row[second[i]]);
      }
    }
    const Floats second_weight = load_floats(across.second_weight + x);
    const Floats sum = load_floats(across.first_weight + x) * a + second_weight * b;
    store_floats(mixed + x, choose(above(second_weight, Floats{}), sum, a));
  }
}

template <class T>
void resize(const T* plane, std::int64_t w, const AxisTaps& down, const AxisTaps& across, std::int64_t rows,
            std::int64_t width, std::int64_t stride, float* buffer, float* resized) {
  float* mixed[2] = {buffer, buffer + (width + kFloats - 1) / kFloats * kFloats};
  std::int64_t held[2] = {-1, -1};
  for (std::int64_t y = 0; y < rows; ++y, resized += stride) {
    const BilinearTap tap = down.tap(y);
    for (const std::int64_t row : {tap.first, tap.second}) {  // each in its own half: the two differ by one
      if (held[row % 2] == row) continue;
      mix_row(plane + row * w, w, across, width, mixed[row % 2]);
      held[row % 2] = row;
    }
    const float *first = mixed[tap.first % 2], *second = mixed[tap.second % 2];
    if (tap.second_weight == 0) {
      for (std::int64_t x = 0; x < width; ++x) resized[x] = first[x];
    } else {
      for (std::int64_t x = 0; x < width; ++x) resized[x] = tap.first_weight * first[x] + tap.second_weight * second[x];
    }
  }
}

template <class T>
constexpr ClassRows<T> kClassRows{argmax_band<T>, argmax_pixels<T>, scores<T>, resize<T>};

}  // namespace

namespace RM_LEVEL {
extern const SemanticRows semantic_rows;
const SemanticRows semantic_rows{kClassRows<Half>, kClassRows<BFloat16>, kClassRows<float>, query_scores};
}  // namespace RM_LEVEL

}  // namespace rapidmask
