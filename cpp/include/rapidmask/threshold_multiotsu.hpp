// Otsu's method for several classes: the thresholds t₁ < … < t_m that maximise Σ S(class)² / P(class).
//
// P and S are a class's share of the pixels and its first moment in bin numbers, from running sums in float32 as in
// scikit-image 0.26, whose moment of bin 0 is P rather than 0 and whose class {bin 0} counts nothing. The terms are
// added in float32 in its order: first class, last class, then the others from left to right; of equal sums the one
// with the lexicographically first thresholds wins.
//
// scikit-image tries all C(bins, m) choices. Rounded addition is monotone, so for a given t_m, which must be known
// first because of the order of addition, the best sum that ends in t_k follows from the best sums that end in
// t_{k−1}: the same maximum in about bins² / 2 · (1 + (m − 2) bins / 3) steps, 5.6 million for five classes of 256 bins
// where all choices are 175 million. The first of the choices that attain it is then found threshold by threshold.
//
// Source: P-S. Liao, T-S. Chen, P-C. Chung, "A fast algorithm for multilevel thresholding", 2001.
#pragma once

#include <cstdint>

#include "rapidmask/portable.hpp"
#include "rapidmask/threshold_bins.hpp"
#include "rapidmask/threshold_rules.hpp"

namespace rapidmask {

inline constexpr double kMaxMultiotsuSteps = 0x1p35;

// About how many sums are formed.
RM_HOST_DEVICE double multiotsu_steps(std::int64_t bins, int classes) {
  const double n = static_cast<double>(bins);
  return classes == 2 ? n : n * n / 2 * (1 + (classes - 3) * n / 3);
}

// The most bins, of at most so many, that are not refused.
inline std::int64_t most_multiotsu_bins(std::int64_t bins, int classes) {
  std::int64_t low = 0;
  while (low < bins) {
    const std::int64_t middle = bins - (bins - low) / 2;
    if (multiotsu_steps(middle, classes) <= kMaxMultiotsuSteps) {
      low = middle;
    } else {
      bins = middle - 1;
    }
  }
  return low;
}

// Running sums of the histogram, from which the term of any class of bins i to j follows.
struct MultiotsuMoments {
  const float* zeroth;
  const float* first;
  std::int64_t bins;

  RM_HOST_DEVICE float inner_term(std::int64_t i, std::int64_t j) const {  // i >= 1
    const float weight = zeroth[j] - zeroth[i - 1], moment = first[j] - first[i - 1];
    const float term = moment * moment / weight;
    return weight > 0 ? term : 0.0f;
  }
  RM_HOST_DEVICE float first_term(std::int64_t j) const {
    return j > 0 && zeroth[j] > 0 ? first[j] * first[j] / zeroth[j] : 0.0f;
  }
  RM_HOST_DEVICE float ends(std::int64_t first_threshold, std::int64_t last_threshold) const {
    return first_term(first_threshold) + inner_term(last_threshold + 1, bins - 1);
  }
};

// The largest sum that is reached at threshold `last` from the sums row[from], …, row[last − 1] through `between` more
// thresholds. `row` and `other` are overwritten.
RM_HOST_DEVICE float best_completion(const MultiotsuMoments& moments, float* row, float* other, std::int64_t from,
                                     std::int64_t last, int between) {
  for (int step = 0; step < between; ++step, ++from) {
    for (std::int64_t t = from; t < last; ++t) other[t] = -__builtin_huge_valf();
    for (std::int64_t s = from; s < last; ++s) {
      const float sum = row[s];
      for (std::int64_t t = s + 1; t < last; ++t) {
        const float candidate = sum + moments.inner_term(s + 1, t);
        other[t] = candidate > other[t] ? candidate : other[t];
      }
    }
    float* const swapped = row;
    row = other;
    other = swapped;
  }
  float best = -__builtin_huge_valf();
  for (std::int64_t s = from; s < last; ++s) {
    const float candidate = row[s] + moments.inner_term(s + 1, last);
    best = candidate > best ? candidate : best;
  }
  return best;
}

// Floats of scratch for each member of a team that works on one image, and for the image.
RM_HOST_DEVICE std::int64_t multiotsu_rows(std::int64_t bins) { return 2 * bins; }
RM_HOST_DEVICE std::int64_t multiotsu_scratch(std::int64_t bins) { return 4 * bins; }

// Sets values[classes − 1]. A team is one thread or a block; all of its members call this. It offers
//   once(f): one member calls f, then all go on;   each(count, f): f(0), …, f(count − 1), in any order, then all go on;
//   first(count, f): the smallest i with f(i), or count;   row(): scratch of the calling member.
template <class Team, class Centers>
RM_HOST_DEVICE ThresholdStatus multiotsu_thresholds(const Team& team, const std::int64_t* counts, std::int64_t bins,
                                                    Centers center, int classes, float* scratch, double* values) {
  const int thresholds = classes - 1;
  std::int64_t total = 0, occupied = 0;
  for (std::int64_t k = 0; k < bins; ++k) {
    total += counts[k];
    occupied += counts[k] > 0 ? 1 : 0;
  }
  if (occupied < classes) return ThresholdStatus::too_few_values;
  if (occupied == classes) {
    team.once([&] {
      int found = 0;
      for (std::int64_t k = 0; found < thresholds; ++k)
        if (counts[k] > 0) values[found++] = static_cast<double>(center(k));
    });
    return ThresholdStatus::found;
  }

  float* const zeroth = scratch;
  float* const first = scratch + bins;
  float* const best_ending = scratch + 2 * bins;  // the best sum by last threshold; −1 where it is out
  float* const so_far = scratch + 3 * bins;       // the sum of the thresholds fixed so far, by last threshold
  team.once([&] {
    for (std::int64_t k = 0; k < bins; ++k) {
      const float p = static_cast<float>(static_cast<double>(counts[k]) / static_cast<double>(total));
      zeroth[k] = k == 0 ? p : zeroth[k - 1] + p;
      first[k] = k == 0 ? p : first[k - 1] + static_cast<float>(k) * p;
    }
  });
  const MultiotsuMoments moments = {zeroth, first, bins};

  team.each(bins - 1, [&](std::int64_t last) {
    float* const row = team.row();
    if (last < thresholds - 1) {
      best_ending[last] = -1.0f;
    } else if (thresholds == 1) {
      best_ending[last] = moments.ends(last, last);
    } else if (thresholds == 2) {
      float best = -1.0f;
      const float last_term = moments.inner_term(last + 1, bins - 1);
      for (std::int64_t t = 0; t < last; ++t) {
        const float candidate = moments.first_term(t) + last_term + moments.inner_term(t + 1, last);
        best = candidate > best ? candidate : best;
      }
      best_ending[last] = best;
    } else {
      for (std::int64_t t = 0; t < last; ++t) row[t] = moments.ends(t, last);
      best_ending[last] = best_completion(moments, row, row + bins, 0, last, thresholds - 2);
    }
  });
  float best = -1.0f;
  for (std::int64_t last = 0; last + 1 < bins; ++last) best = best_ending[last] > best ? best_ending[last] : best;

  std::int64_t previous = -1;
  for (int k = 0; k + 1 < thresholds; ++k) {
    std::int64_t low = bins, high = 0;  // the last thresholds that still attain the best sum lie in [low, high]
    for (std::int64_t last = 0; last + 1 < bins; ++last) {
      if (best_ending[last] != best) continue;
      low = last < low ? last : low;
      high = last;
    }
    const auto sum_with = [&](std::int64_t t, std::int64_t last) {
      return k == 0 ? moments.ends(t, last) : so_far[last] + moments.inner_term(previous + 1, t);
    };
    const auto attains = [&](std::int64_t t, std::int64_t last) {
      if (best_ending[last] != best || last <= t) return false;
      const float sum = sum_with(t, last);
      if (k + 2 == thresholds) return sum + moments.inner_term(t + 1, last) == best;
      float* const row = team.row();
      for (std::int64_t next = t + 1; next < last; ++next) row[next] = sum + moments.inner_term(t + 1, next);
      return best_completion(moments, row, row + bins, t + 1, last, thresholds - 3 - k) == best;
    };
    const std::int64_t chosen = team.first(bins, [&](std::int64_t t) {
      bool any = false;
      for (std::int64_t last = low; last <= high && !any; ++last) any = t > previous && attains(t, last);
      return any;
    });
    team.each(bins - 1, [&](std::int64_t last) {
      const bool attained = attains(chosen, last);
      if (attained) so_far[last] = sum_with(chosen, last);
      if (!attained) best_ending[last] = -1.0f;
    });
    team.once([&] { values[k] = static_cast<double>(center(chosen)); });
    previous = chosen;
  }
  const std::int64_t last = team.first(bins - 1, [&](std::int64_t t) { return best_ending[t] == best; });
  team.once([&] { values[thresholds - 1] = static_cast<double>(center(last)); });
  return ThresholdStatus::found;
}

}  // namespace rapidmask
