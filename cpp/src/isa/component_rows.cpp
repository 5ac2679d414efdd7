// Runs of packed rows: finding, joining and painting them, compiled once per instruction level (RM_LEVEL).

#include "isa/component_rows.hpp"

#include "isa/words.hpp"

namespace rapidmask {
namespace {

inline std::uint32_t popcount(std::uint64_t word) { return static_cast<std::uint32_t>(__builtin_popcountll(word)); }

std::uint32_t rank_starts(const std::uint64_t* starts, std::int64_t words, std::uint32_t* rank) {
  std::uint32_t runs = 0;
  for (std::int64_t j = 0; j < words; ++j) {
    rank[j] = runs;
    runs += popcount(starts[j]);
  }
  return runs;
}

std::uint32_t read_band(const std::uint64_t* top, const std::uint64_t* bottom, std::int64_t words,
                        std::uint64_t* support, std::uint64_t* starts, std::uint32_t* rank) {
  if (bottom == nullptr) {
    for (std::int64_t j = 0; j < words; ++j) starts[j] = top[j] & ~(top[j] << 1 | top[j - 1] >> 63);
  } else {
    for (std::int64_t j = 0; j < words; ++j) {
      const std::uint64_t both = top[j] | bottom[j], before = top[j - 1] | bottom[j - 1];
      support[j] = both;
      starts[j] = both & ~(both << 1 | before >> 63);
    }
  }
  return rank_starts(starts, words, rank);
}

// Union-find after Rem: roots are the smallest runs, and both paths are spliced on the way up.
inline void unite(std::uint32_t* parents, std::uint32_t a, std::uint32_t b) {
  for (;;) {
    const std::uint32_t above_a = parents[a], above_b = parents[b];
    if (above_a == above_b) return;
    if (above_a < above_b) {
      parents[b] = above_a;
      if (above_b == b) return;
      b = above_b;
    } else {
      parents[a] = above_b;
      if (above_a == a) return;
      a = above_a;
    }
  }
}

// The runs of both bands at the pixels of `contacts`, a word's; `shift` is 1 where the upper run starts one pixel
// later.
inline void unite_word(const Band& above, const Band& below, std::int64_t j, std::uint64_t contacts,
                       std::uint32_t shift, std::uint32_t* parents) {
  const std::uint64_t starts_above = above.starts[j], starts_below = below.starts[j];
  const std::uint32_t first_above = above.first_run + above.rank[j] - 1 + shift;
  const std::uint32_t first_below = below.first_run + below.rank[j] - 1;
  for (; contacts != 0; contacts = without_lowest(contacts)) {
    const std::uint64_t through = through_lowest(contacts);
    unite(parents, first_above + popcount(starts_above & through), first_below + popcount(starts_below & through));
  }
}

// Of the pixels in `contacts`, the first after each start: one for each pair of runs. In every word, whose first
// contact counts too unless it goes on from the word before, an addition carries from each start to the next contact.
inline Words first_contacts(Words contacts, Words contacts_before, Words starts) {
  const Words pending = ~(contacts_before >> 63) & Words::all(1);
  const Words sum = ~contacts + (starts & ~contacts) + pending;
  return contacts & (sum | starts);
}

template <bool kDiagonal>
void link_reach(const Band& above, const std::uint64_t* upper, const Band& below, const std::uint64_t* lower,
                std::int64_t words, std::uint32_t* parents) {
  // Pixels of `lower` whose contact is with the upper run that starts at or before them; `contacts_at` of the words j
  // and, for the contact that goes on, of the words before.
  const auto contacts_at = [&](std::int64_t j) {
    Words touching = Words::load(upper + j);
    if constexpr (kDiagonal) {
      touching = touching | from_left(upper + j) | (from_right(upper + j) & Words::load(above.support + j));
    }
    return Words::load(lower + j) & touching;
  };
  const auto visit = [&](std::int64_t j, unsigned valid) {
    const Words contacts = contacts_at(j);
    // The pixel to the left of a word: what touches it from above and from its left is all that can go on.
    const Words before = Words::load(lower + j - 1) & Words::load(upper + j - 1);
    const Words starts = Words::load(above.starts + j) | Words::load(below.starts + j);
    const Words first = first_contacts(contacts, before, starts);
    Words later = Words::all(0);  // contacts with a run that starts one pixel later
    if constexpr (kDiagonal) {
      later = Words::load(lower + j) & from_right(upper + j) & ~Words::load(above.support + j);
    }
    unsigned busy = (first | later).non_zero() & valid;
    if (busy == 0) return;
    std::uint64_t first_word[Words::kCount], later_word[Words::kCount];
    first.store(first_word);
    later.store(later_word);
    for (; busy != 0; busy &= busy - 1) {
      const int i = __builtin_ctz(busy);
      unite_word(above, below, j + i, first_word[i], 0, parents);
      if constexpr (kDiagonal) unite_word(above, below, j + i, later_word[i], 1, parents);
    }
  };
  std::int64_t j = 0;
  for (; j + Words::kCount <= words; j += Words::kCount) visit(j, (1u << Words::kCount) - 1);
  if (j < words) visit(j, (1u << (words - j)) - 1);
}

void link(const Band& above, const std::uint64_t* upper, const Band& below, const std::uint64_t* lower,
          std::int64_t words, int reach, std::uint32_t* parents) {
  if (reach == 0) {
    link_reach<false>(above, upper, below, lower, words, parents);
  } else {
    link_reach<true>(above, upper, below, lower, words, parents);
  }
}

void link_values(const Band& above, const Band& below, const std::uint64_t* const contacts[3], std::int64_t words,
                 std::uint32_t* parents) {
  for (std::int64_t j = 0; j < words; ++j) {
    const std::uint64_t straight = contacts[0][j];
    const std::uint64_t goes_on = straight << 1 | (j == 0 ? 0 : contacts[0][j - 1] >> 63);
    unite_word(above, below, j, straight & (~goes_on | above.starts[j] | below.starts[j]), 0, parents);
    if (contacts[1] == nullptr) continue;
    // To the right a run of another value, or none, lies between: the one that is touched starts one pixel later.
    unite_word(above, below, j, contacts[2][j] & ~straight, 1, parents);
    const std::uint64_t starts_above = above.starts[j], starts_below = below.starts[j];
    for (std::uint64_t left = contacts[1][j] & ~straight & starts_below; left != 0; left = without_lowest(left)) {
      const std::uint64_t through = through_lowest(left);
      unite(parents, above.first_run + above.rank[j] + popcount(starts_above & through >> 1) - 1,
            below.first_run + below.rank[j] + popcount(starts_below & through) - 1);
    }
  }
}

std::int64_t list_runs(const std::uint64_t* row, const std::uint64_t* starts, const std::uint32_t* rank,
                       const std::int32_t* labels, std::int64_t words, Run* runs) {
  Run* started = runs;
  Run* ended = runs;
  const auto visit = [&](std::int64_t j, unsigned valid) {
    const Words pixels = Words::load(row + j);
    const Words first = pixels & ~from_left(row + j), last = pixels & ~from_right(row + j);
    unsigned busy = (first | last).non_zero() & valid;
    if (busy == 0) return;
    std::uint64_t first_word[Words::kCount], last_word[Words::kCount];
    first.store(first_word);
    last.store(last_word);
    for (; busy != 0; busy &= busy - 1) {
      const int i = __builtin_ctz(busy);
      const auto x = static_cast<std::int32_t>(64 * (j + i));
      const std::int32_t* near = labels + static_cast<std::int64_t>(rank[j + i]) - 1;
      for (std::uint64_t bits = first_word[i]; bits != 0; bits = without_lowest(bits), ++started) {
        started->begin = x + __builtin_ctzll(bits);
        started->label = near[popcount(starts[j + i] & through_lowest(bits))];
      }
      for (std::uint64_t bits = last_word[i]; bits != 0; bits = without_lowest(bits), ++ended) {
        ended->end = x + __builtin_ctzll(bits) + 1;
      }
    }
  };
  std::int64_t j = 0;
  for (; j + Words::kCount <= words; j += Words::kCount) visit(j, (1u << Words::kCount) - 1);
  if (j < words) visit(j, (1u << (words - j)) - 1);
  return started - runs;
}

std::int64_t list_bearers(const std::uint64_t* row, const std::uint64_t* starts, const std::uint32_t* rank,
                          std::int64_t words, std::uint32_t* runs) {
  std::uint32_t* end = runs;
  for (std::int64_t j = 0; j < words; ++j) {
    const std::uint64_t band_starts = starts[j];
    for (std::uint64_t bits = row[j] & ~(row[j] << 1 | row[j - 1] >> 63); bits != 0; bits = without_lowest(bits)) {
      *end++ = rank[j] - 1 + popcount(band_starts & through_lowest(bits));
    }
  }
  return end - runs;
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

}  // namespace

namespace RM_LEVEL {
extern const ComponentRows component_rows;
const ComponentRows component_rows{read_band, rank_starts, link, link_values, list_runs, list_bearers, paint};
}  // namespace RM_LEVEL

}  // namespace rapidmask
