// Runs of packed rows: finding, joining, listing and painting them, compiled once per instruction level (RM_LEVEL).

#include "isa/component_rows.hpp"

#include "isa/words.hpp"
#include "union_find.hpp"

namespace rapidmask {
namespace {

inline std::uint32_t popcount(std::uint64_t word) { return static_cast<std::uint32_t>(__builtin_popcountll(word)); }

void find_starts(const std::uint64_t* top, const std::uint64_t* bottom, std::int64_t begin, std::int64_t end,
                 std::uint64_t* support, std::uint64_t* starts) {
  if (bottom == top) {
    for (std::int64_t i = begin; i < end; ++i) starts[i] = top[i] & ~(top[i] << 1 | top[i - 1] >> 63);
    return;
  }
  for (std::int64_t i = begin; i < end; ++i) {
    const std::uint64_t both = top[i] | bottom[i], before = top[i - 1] | bottom[i - 1];
    support[i] = both;
    starts[i] = both & ~(both << 1 | before >> 63);
  }
}

std::int64_t rank_starts(const std::uint64_t* starts, std::int64_t begin, std::int64_t end, std::uint32_t* rank) {
  std::uint32_t runs = 0;
  for (std::int64_t i = begin; i < end; ++i) {
    rank[i] = runs;
    runs += popcount(starts[i]);
  }
  return runs;
}

// Of the pixels in `contacts`, the first after each start: one for each pair of runs. In every word, whose first
// contact counts too unless it goes on from the word before, an addition carries from each start to the next contact.
template <class Words>
inline Words first_contacts(Words contacts, Words contacts_before, Words starts, Words one) {
  const Words pending = ~(contacts_before >> 63) & one;
  const Words sum = ~contacts + (starts & ~contacts) + pending;
  return contacts & (sum | starts);
}

// Where runs of two rows meet, one pixel of the lower row for each pair: in `first` the upper run is the last to start
// at or before that pixel, in `later` it starts at the next.
template <class Words>
struct Contacts {
  Words first, later;
};

template <bool kDiagonal>
void link_reach(const BandPlanes& bands, const std::uint64_t* upper, const std::uint64_t* lower, std::int64_t begin,
                std::int64_t end, std::int64_t back, std::uint32_t* parents) {
  const auto contacts_of = [&]<int kCount>(WordsOf<kCount>, std::int64_t i) -> Contacts<WordsOf<kCount>> {
    using Words = WordsOf<kCount>;
    const auto load = load_words<kCount>;
    const Words straight = load(upper + i - back), pixels = load(lower + i);
    // What touches the pixel before a word, from above or from its left, is all that can go on into it.
    const Words before = load(lower + i - 1) & load(upper + i - back - 1);
    const Words starts = load(bands.starts + i) | load(bands.starts + i - back);
    const Words one = all_words<kCount>(1);
    if constexpr (kDiagonal) {
      const Words support = load(bands.support + i - back);
      const Words right = from_right<kCount>(upper + i - back);
      const Words touching = straight | from_left<kCount>(upper + i - back) | (right & support);
      return {first_contacts(pixels & touching, before, starts, one), pixels & right & ~support};
    } else {
      return {first_contacts(pixels & straight, before, starts, one), all_words<kCount>(0)};
    }
  };
  for_busy_words(
      begin, end,
      [&](auto words, std::int64_t i) {
        const auto contacts = contacts_of(words, i);
        return contacts.first | contacts.later;
      },
      [&](std::int64_t i) {
        const Contacts<WordsOf<1>> contacts = contacts_of(WordsOf<1>{}, i);
        const std::uint64_t starts_above = bands.starts[i - back], starts_below = bands.starts[i];
        const std::uint32_t before_above = bands.rank[i - back], before_below = bands.rank[i];
        const auto unite_at = [&](std::uint64_t pixels, std::uint32_t above) {
          for (; pixels != 0; pixels = without_lowest(pixels)) {
            const std::uint64_t through = through_lowest(pixels);
            unite(parents, above + popcount(starts_above & through),
                  before_below + popcount(starts_below & through) - 1);
          }
        };
        if (contacts.first.v == starts_above && contacts.first.v == starts_below) {
          // Run upon run, as in stripes: their numbers need no counting.
          const std::uint32_t count = popcount(starts_above);
          for (std::uint32_t k = 0; k < count; ++k) {
            const std::uint32_t a = before_above + k, b = before_below + k;
            if (parents[b] == b) {
              parents[b] = parents[a];
            } else {
              unite(parents, a, b);
            }
          }
        } else {
          unite_at(contacts.first.v, before_above - 1);
        }
        if constexpr (kDiagonal) unite_at(contacts.later.v, before_above);
      });
}

void link(const BandPlanes& bands, const std::uint64_t* upper, const std::uint64_t* lower, std::int64_t begin,
          std::int64_t end, std::int64_t back, int reach, std::uint32_t* parents) {
  if (reach == 0) {
    link_reach<false>(bands, upper, lower, begin, end, back, parents);
  } else {
    link_reach<true>(bands, upper, lower, begin, end, back, parents);
  }
}

void link_values(const std::uint64_t* starts_above, const std::uint32_t* rank_above, const std::uint64_t* starts,
                 const std::uint32_t* rank, const std::uint64_t* const contacts[3], std::int64_t words,
                 std::uint32_t* parents) {
  for (std::int64_t j = 0; j < words; ++j) {
    // Runs at or before each pixel of `pixels`, above (moved by so many pixels) and in the row.
    const auto unite_at = [&](std::uint64_t pixels, auto through_above, std::uint32_t more) {
      for (; pixels != 0; pixels = without_lowest(pixels)) {
        const std::uint64_t through = through_lowest(pixels);
        unite(parents, rank_above[j] + popcount(starts_above[j] & through_above(through)) - 1 + more,
              rank[j] + popcount(starts[j] & through) - 1);
      }
    };
    const auto same = [](std::uint64_t through) { return through; };
    const std::uint64_t straight = contacts[0][j];
    const std::uint64_t goes_on = straight << 1 | (j == 0 ? 0 : contacts[0][j - 1] >> 63);
    unite_at(straight & (~goes_on | starts_above[j] | starts[j]), same, 0);
    if (contacts[1] == nullptr) continue;
    // Beside a pixel above that differs: to the left only where no pixel before is of the same run, to the right a run
    // that starts there.
    unite_at(contacts[1][j] & ~straight & starts[j], [](std::uint64_t through) { return through >> 1; }, 0);
    unite_at(contacts[2][j] & ~straight, same, 1);
  }
}

std::int32_t number_range(const std::uint32_t* parents, std::int64_t begin, std::int64_t end, std::int32_t numbered,
                          std::int32_t* labels) {
  for (std::int64_t i = begin; i < end; ++i) {
    const std::uint32_t parent = parents[i];
    const bool is_root = parent == static_cast<std::uint32_t>(i);
    numbered += is_root;
    labels[i] = is_root ? numbered : labels[parent];
  }
  return numbered;
}

std::int32_t number(const std::uint32_t* parents, std::int64_t count, std::int32_t* labels) {
  std::int64_t i = 0;
  std::int32_t numbered = 0;
#if defined(__AVX512F__)
  const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  for (; i + 16 <= count; i += 16) {
    const __m512i first = _mm512_set1_epi32(static_cast<int>(i));
    const __m512i pointed = _mm512_loadu_si512(parents + i);
    const __mmask16 roots = _mm512_cmpeq_epi32_mask(pointed, _mm512_add_epi32(first, lanes));
    const __mmask16 known = _mm512_cmplt_epu32_mask(pointed, first);
    if (static_cast<__mmask16>(roots | known) != 0xffff) {  // one waits for another of the sixteen
      numbered = number_range(parents, i, i + 16, numbered, labels);
      continue;
    }
    const __m512i next = _mm512_add_epi32(_mm512_set1_epi32(numbered + 1), lanes);
    const __m512i fresh = _mm512_maskz_expand_epi32(roots, next);
    _mm512_storeu_si512(labels + i, _mm512_mask_i32gather_epi32(fresh, known, pointed, labels, 4));
    numbered += __builtin_popcount(roots);
  }
#endif
  return number_range(parents, i, count, numbered, labels);
}

std::int64_t list_edges(const std::uint64_t* plane, std::int64_t begin, std::int64_t end, std::int64_t capacity,
                        std::int32_t* edges) {
  // Pixels that differ from the one before; the word after a row has the last at the latest.
  const auto edges_of = [&]<int kCount>(WordsOf<kCount>, std::int64_t i) -> WordsOf<kCount> {
    return {load_words<kCount>(plane + i).v ^ from_left<kCount>(plane + i).v};
  };
  std::int32_t* edge = edges;
  // In blocks after which the room is looked at.
  for (std::int64_t block = begin; block < end && edge - edges <= capacity; block += kEdgeSlack / 64) {
    const std::int64_t stop = end - block < kEdgeSlack / 64 ? end : block + kEdgeSlack / 64;
    for_busy_words(block, stop, edges_of, [&](std::int64_t i) {
      const auto x = static_cast<std::int32_t>(64 * i);
      std::uint64_t bits = edges_of(WordsOf<1>{}, i).v;
      do {
        *edge++ = x + __builtin_ctzll(bits);
        bits = without_lowest(bits);
      } while (bits != 0);
    });
  }
  return edge - edges;
}

// Rows by multiplication: exact, as word numbers times the stride stay below 2^64.
class RowOfWord {
 public:
  explicit RowOfWord(std::int64_t stride) : reciprocal_(~std::uint64_t{0} / static_cast<std::uint64_t>(stride) + 1) {}
  std::int64_t operator()(std::int64_t word) const {
    __extension__ using Wide = unsigned __int128;
    return static_cast<std::int64_t>(static_cast<Wide>(word - 1) * reciprocal_ >> 64);
  }

 private:
  std::uint64_t reciprocal_;
};

void place_runs(const std::int32_t* edges, std::int64_t count, std::int64_t stride, const std::int32_t* labels,
                Run* runs) {
  // Rows by multiplication in doubles, which vectors have: half a pixel is far more than they are wrong by.
  const auto row_pixels = static_cast<std::int32_t>(64 * stride);
  const double reciprocal = 1.0 / row_pixels;
  for (std::int64_t r = 0; r < count; ++r) {
    const std::int32_t first = edges[2 * r] - 64;
    const auto row = static_cast<std::int32_t>((first + 0.5) * reciprocal);
    const std::int32_t row_begin = row * row_pixels + 64;
    runs[r] = {row, edges[2 * r] - row_begin, edges[2 * r + 1] - row_begin, labels[r]};
  }
}

std::int64_t list_runs(const std::uint64_t* plane, const std::uint64_t* starts, const std::uint32_t* rank,
                       const std::int32_t* labels, std::int64_t begin, std::int64_t end, std::int64_t stride,
                       std::int32_t* edges, Run* runs) {
  const RowOfWord row_of(stride);
  const std::int64_t count = list_edges(plane + begin, 0, end - begin, 64 * (end - begin), edges) / 2;
  for (std::int64_t r = 0; r < count; ++r) {
    const std::int32_t first = edges[2 * r], last = edges[2 * r + 1];
    const std::int64_t i = begin + first / 64;
    const std::int64_t row = row_of(i);
    const auto row_begin = static_cast<std::int32_t>(64 * (1 + row * stride - begin));
    const std::uint32_t before = popcount(starts[i] & ~std::uint64_t{0} >> (63 - first % 64));
    runs[r] = {static_cast<std::int32_t>(row), first - row_begin, last - row_begin,
               labels[static_cast<std::int64_t>(rank[i]) + before - 1]};
  }
  return count;
}

std::int64_t list_bearers(const std::uint64_t* plane, const std::uint64_t* starts, const std::uint32_t* rank,
                          std::int64_t begin, std::int64_t end, std::uint32_t* bearers) {
  std::uint32_t* bearer = bearers;
  for (std::int64_t i = begin; i < end; ++i) {
    for (std::uint64_t bits = plane[i] & ~(plane[i] << 1 | plane[i - 1] >> 63); bits != 0;
         bits = without_lowest(bits)) {
      *bearer++ = rank[i] - 1 + popcount(starts[i] & through_lowest(bits));
    }
  }
  return bearer - bearers;
}

#if defined(__AVX2__)
// For each of 8 pixels, how many runs start at or before it but after the first of the eight.
struct StartCounts {
  std::uint8_t of[256][8];
  constexpr StartCounts() : of{} {
    for (unsigned bits = 0; bits < 256; ++bits) {
      for (unsigned i = 1; i < 8; ++i) of[bits][i] = static_cast<std::uint8_t>(of[bits][i - 1] + (bits >> i & 1u));
    }
  }
};
constexpr StartCounts kStartCounts;

// Eight pixels at a time: they are of no more than eight runs, so that their labels are one load and a permutation.
inline void paint_mixed(std::uint64_t row, std::uint64_t starts, const std::int32_t* labels, std::int32_t* pixels) {
#if !defined(__AVX512VL__)
  const __m256i bit = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
#endif
  for (int i = 0; i < 8; ++i) {
    const unsigned started = static_cast<unsigned>(starts >> 8 * i) & 0xffu;
    const unsigned inside = static_cast<unsigned>(row >> 8 * i) & 0xffu;
    const __m256i order =
        _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(kStartCounts.of[started])));
    const __m256i near = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(labels + (started & 1u)));
    auto* target = reinterpret_cast<__m256i*>(pixels + 8 * i);
#if defined(__AVX512VL__)
    _mm256_storeu_si256(target, _mm256_maskz_permutexvar_epi32(static_cast<__mmask8>(inside), order, near));
#else
    const __m256i spread = _mm256_and_si256(_mm256_set1_epi32(static_cast<int>(inside)), bit);
    _mm256_storeu_si256(target,
                        _mm256_and_si256(_mm256_permutevar8x32_epi32(near, order), _mm256_cmpeq_epi32(spread, bit)));
#endif
    labels += popcount(started);
  }
}

inline void paint_plain(std::uint64_t row, std::int32_t label, std::int32_t* pixels) {
#if defined(__AVX512F__)
  for (int i = 0; i < 4; ++i) {
    _mm512_storeu_si512(pixels + 16 * i, _mm512_maskz_set1_epi32(static_cast<__mmask16>(row >> 16 * i), label));
  }
#else
  const __m256i bit = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
  const __m256i value = _mm256_set1_epi32(label);
  for (int i = 0; i < 8; ++i) {
    const __m256i spread = _mm256_and_si256(_mm256_set1_epi32(static_cast<int>(row >> 8 * i & 0xffu)), bit);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(pixels + 8 * i),
                        _mm256_and_si256(value, _mm256_cmpeq_epi32(spread, bit)));
  }
#endif
}
#else
inline void paint_mixed(std::uint64_t row, std::uint64_t starts, const std::int32_t* labels, std::int32_t* pixels) {
  for (int x = 0; x < 64; ++x) {
    labels += starts >> x & 1u;
    pixels[x] = (row >> x & 1u) != 0 ? *labels : 0;
  }
}

inline void paint_plain(std::uint64_t row, std::int32_t label, std::int32_t* pixels) {
  for (int x = 0; x < 64; ++x) pixels[x] = static_cast<std::int32_t>(row >> x & 1u) * label;
}
#endif

inline void paint_all(std::int32_t label, std::int32_t* pixels) {
  for (int x = 0; x < 64; ++x) pixels[x] = label;
}

inline void paint_word(std::uint64_t row, std::uint64_t starts, const std::int32_t* labels, std::int32_t* pixels) {
  if (row == 0) return paint_all(0, pixels);
  if (starts != 0) return paint_mixed(row, starts, labels, pixels);
  if (row == ~std::uint64_t{0}) return paint_all(*labels, pixels);
  paint_plain(row, *labels, pixels);
}

void paint(const std::uint64_t* row, const std::uint64_t* starts, const std::uint32_t* rank, const std::int32_t* labels,
           std::int64_t w, std::int32_t* pixels) {
  std::int64_t j = 0;
  for (; 64 * (j + 1) <= w; ++j) {
    paint_word(row[j], starts[j], labels + static_cast<std::int64_t>(rank[j]) - 1, pixels + 64 * j);
  }
  if (64 * j < w) {
    std::int32_t last[64];
    paint_word(row[j], starts[j], labels + static_cast<std::int64_t>(rank[j]) - 1, last);
    for (std::int64_t x = 64 * j; x < w; ++x) pixels[x] = last[x - 64 * j];
  }
}

// Whole vectors, of which the last may go on into what is filled next: short fills have no loop to mispredict.
inline void fill(std::int32_t* from, std::int32_t* to, std::int32_t value, const std::int32_t* end) {
  constexpr int kLanes = 2 * kVectorWords;
  using Lanes [[gnu::vector_size(4 * kLanes)]] = std::int32_t;
  const Lanes lanes = Lanes{} + value;
  for (; from < to && from + kLanes <= end; from += kLanes) __builtin_memcpy(from, &lanes, sizeof lanes);
  for (; from < to; ++from) *from = value;
}

void paint_runs(const Run* runs, std::int64_t count, const std::int32_t* values, std::int64_t w, std::int64_t y0,
                std::int64_t y1, std::int32_t* pixels) {
  std::int32_t* at = pixels + y0 * w;
  std::int32_t* const end = pixels + y1 * w;
  for (std::int64_t i = 0; i < count; ++i) {
    std::int32_t* const row = pixels + runs[i].row * w;
    fill(at, row + runs[i].begin, 0, end);
    at = row + runs[i].end;
    fill(row + runs[i].begin, at, values[i], end);
  }
  fill(at, end, 0, end);
}

}  // namespace

namespace RM_LEVEL {
extern const ComponentRows component_rows;
const ComponentRows component_rows{find_starts, rank_starts, link,         link_values, number,    list_edges,
                                   place_runs,  list_runs,   list_bearers, paint,       paint_runs};
}  // namespace RM_LEVEL

}  // namespace rapidmask
