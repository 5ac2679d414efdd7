// The threshold methods, as arithmetic on a histogram: one definition for CPU, emulator and GPU, hence the same bits.
//
// A histogram is `counts[bins]` and a function from a bin to its centre; its first and last bin are not empty. Which
// sums are rounded to float32, and in which order they are taken, is scikit-image 0.26's (`skimage.filters`), so that
// ties fall as they do there: it keeps counts, and what is computed from counts alone, in float32, adds from one end to
// the other, and takes the first maximum, where a NaN counts as the largest number.
#pragma once

#include <cstdint>

#include "rapidmask/portable.hpp"
#include "rapidmask/portable_log.hpp"
#include "rapidmask/threshold_bins.hpp"

namespace rapidmask {

enum class ThresholdStatus : std::int32_t {
  found,
  not_finite,       // NaN or infinity in a float image
  range_too_large,  // largest − smallest overflows the float type
  range_too_small,  // too narrow for 256 bins with distinct edges
  no_fixed_point,   // isodata
  no_two_maxima,    // minimum
  too_many_bins,    // integers
  too_few_values,   // multiotsu
  too_many_steps,   // multiotsu
};

struct ThresholdResult {
  double value;
  ThresholdStatus status;
};

// The first largest of the values that are offered, a NaN being larger than any number.
template <class F>
struct FirstMaximum {
  F value = 0;
  std::int64_t index = -1;
  RM_HOST_DEVICE void offer(F candidate, std::int64_t i) {
    const bool is_nan = candidate != candidate, was_nan = value != value;
    if (index >= 0 && !(candidate > value) && (!is_nan || was_nan)) return;
    value = candidate;
    index = i;
  }
};

// Sums of float32 as NumPy adds them: eight interleaved sums over blocks of at most 128, blocks in a binary tree.
RM_HOST_DEVICE float pairwise_block_sum(const std::int64_t* counts, std::int64_t length) {
  if (length < 8) {
    float sum = 0;
    for (std::int64_t i = 0; i < length; ++i) sum += static_cast<float>(counts[i]);
    return sum;
  }
  float sums[8];
  for (int j = 0; j < 8; ++j) sums[j] = static_cast<float>(counts[j]);
  std::int64_t i = 8;
  for (; i + 8 <= length; i += 8)
    for (int j = 0; j < 8; ++j) sums[j] += static_cast<float>(counts[i + j]);
  float sum = ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
  for (; i < length; ++i) sum += static_cast<float>(counts[i]);
  return sum;
}

RM_HOST_DEVICE float pairwise_sum(const std::int64_t* counts, std::int64_t bins) {
  constexpr int kDepth = 40;
  std::int64_t begin[kDepth], length[kDepth];
  float left[kDepth];
  int state[kDepth];  // 0: not visited, 1: the left half is being added, 2: the right half
  int top = 0;
  begin[0] = 0, length[0] = bins, state[0] = 0;
  float sum = 0;
  while (top >= 0) {
    const std::int64_t half = length[top] / 2 - length[top] / 2 % 8;
    if (length[top] <= 128) {
      sum = pairwise_block_sum(counts + begin[top], length[top]);
      --top;
    } else if (state[top] == 0) {
      state[top] = 1;
      begin[top + 1] = begin[top], length[top + 1] = half, state[top + 1] = 0;
      ++top;
    } else if (state[top] == 1) {
      state[top] = 2;
      left[top] = sum;
      begin[top + 1] = begin[top] + half, length[top + 1] = length[top] - half, state[top + 1] = 0;
      ++top;
    } else {
      sum = left[top] + sum;
      --top;
    }
  }
  return sum;
}

// Doubles of scratch that the methods need per bin.
inline constexpr std::int64_t kThresholdScratch = 2;

// Otsu (1979): the bin after which the variance between the classes, w₁ w₂ (μ₁ − μ₂)², is largest.
template <class Centers>
RM_HOST_DEVICE ThresholdResult otsu_threshold(const std::int64_t* counts, std::int64_t bins, Centers center,
                                              double* scratch) {
  using F = typename Centers::type;
  double* const upper_weight = scratch;
  double* const upper_mean = scratch + bins;
  float weight = 0;
  F moment = 0;
  for (std::int64_t k = bins - 1; k > 0; --k) {
    const float count = static_cast<float>(counts[k]);
    weight += count;
    moment += static_cast<F>(count) * center(k);
    upper_weight[k] = static_cast<double>(weight);
    upper_mean[k] = static_cast<double>(moment / static_cast<F>(weight));
  }
  FirstMaximum<F> best;
  best.index = bins == 1 ? 0 : -1;
  weight = 0;
  moment = 0;
  for (std::int64_t k = 0; k + 1 < bins; ++k) {
    const float count = static_cast<float>(counts[k]);
    weight += count;
    moment += static_cast<F>(count) * center(k);
    const F difference = moment / static_cast<F>(weight) - static_cast<F>(upper_mean[k + 1]);
    const float weights = weight * static_cast<float>(upper_weight[k + 1]);
    best.offer(static_cast<F>(weights) * (difference * difference), k);
  }
  return {static_cast<double>(center(best.index)), ThresholdStatus::found};
}

// Yen, Chang & Chang (1995): the bin after which log((P (1 − P))² / (Σ≤ p² Σ> p²)) is largest, in float32.
template <class Centers>
RM_HOST_DEVICE ThresholdResult yen_threshold(const std::int64_t* counts, std::int64_t bins, Centers center,
                                             double* scratch) {
  if (bins == 1) return {static_cast<double>(center(0)), ThresholdStatus::found};
  const float total = pairwise_sum(counts, bins);
  float squares = 0;
  for (std::int64_t k = bins - 1; k > 0; --k) {
    const float p = static_cast<float>(counts[k]) / total;
    squares += p * p;
    scratch[k] = static_cast<double>(squares);
  }
  FirstMaximum<float> best;
  float below = 0;
  squares = 0;
  for (std::int64_t k = 0; k + 1 < bins; ++k) {
    const float p = static_cast<float>(counts[k]) / total;
    below += p;
    squares += p * p;
    const float spread = below * (1.0f - below);
    const float criterion = 1.0f / (squares * static_cast<float>(scratch[k + 1])) * (spread * spread);
    best.offer(static_cast<float>(portable_log(static_cast<double>(criterion))), k);
  }
  return {static_cast<double>(center(best.index)), ThresholdStatus::found};
}

// Ridler & Calvard (1978): the first bin that lies less than a bin below the middle of the two classes' means.
template <class Centers>
RM_HOST_DEVICE ThresholdResult isodata_threshold(const std::int64_t* counts, std::int64_t bins, Centers center) {
  using F = typename Centers::type;
  if (bins == 1) return {static_cast<double>(center(0)), ThresholdStatus::found};
  float total = 0;
  F total_moment = 0;
  for (std::int64_t k = 0; k < bins; ++k) {
    const float count = static_cast<float>(counts[k]);
    total += count;
    total_moment += static_cast<F>(count) * center(k);
  }
  const F bin_width = center(1) - center(0);
  float weight = 0;
  F moment = 0;
  for (std::int64_t k = 0; k + 1 < bins; ++k) {
    const float count = static_cast<float>(counts[k]);
    weight += count;
    moment += static_cast<F>(count) * center(k);
    const F lower = moment / static_cast<F>(weight);
    const F higher = (total_moment - moment) / static_cast<F>(total - weight);
    const F distance = (lower + higher) / F(2) - center(k);
    if (distance >= F(0) && distance < bin_width) return {static_cast<double>(center(k)), ThresholdStatus::found};
  }
  return {0.0, ThresholdStatus::no_fixed_point};
}

// Zack, Rogers & Latt (1977): the bin farthest below the line from the peak to the end of the longer tail.
template <class Centers>
RM_HOST_DEVICE ThresholdResult triangle_threshold(const std::int64_t* counts, std::int64_t bins, Centers center) {
  std::int64_t peak = 0;
  for (std::int64_t k = 1; k < bins; ++k)
    if (counts[k] > counts[peak]) peak = k;
  const bool flip = peak < bins - 1 - peak;
  const std::int64_t width = flip ? bins - 1 - peak : peak;
  __extension__ using Squared = __int128;  // of more than 3·10^9 pixels
  const double height = static_cast<double>(counts[peak]);
  const double norm =
      square_root(static_cast<double>(static_cast<Squared>(counts[peak]) * counts[peak] + width * width));
  const double unit_height = height / norm, unit_width = static_cast<double>(width) / norm;
  FirstMaximum<double> best;
  best.index = width == 0 ? 0 : -1;
  for (std::int64_t x = 0; x < width; ++x) {
    const double count = static_cast<double>(counts[flip ? bins - 1 - x : x]);
    best.offer(unit_height * static_cast<double>(x) - unit_width * count, x);
  }
  return {static_cast<double>(center(flip ? bins - 1 - best.index : best.index)), ThresholdStatus::found};
}

// Prewitt & Mendelsohn (1966): means of three bins until fewer than three maxima are left; the lowest bin between two.
// The running sum of three, which is what SciPy's uniform_filter1d computes, leaves its rounding behind, and maxima
// come of it: so it is kept as it is, sequential, in float64, rounded to float32 after each round.
template <class Centers>
RM_HOST_DEVICE ThresholdResult minimum_threshold(const std::int64_t* counts, std::int64_t bins, Centers center,
                                                 double* scratch) {
  constexpr int kMaxRounds = 10000;
  float* const smooth = reinterpret_cast<float*>(scratch);
  for (std::int64_t k = 0; k < bins; ++k) smooth[k] = static_cast<float>(counts[k]);
  for (int round = 0; round < kMaxRounds; ++round) {
    std::int64_t maxima[2] = {0, 0}, found = 0;
    bool rising = true;
    const double first = static_cast<double>(smooth[0]), last = static_cast<double>(smooth[bins - 1]);
    double before = first, here = first, after = bins > 1 ? static_cast<double>(smooth[1]) : last;
    double sum = before + here + after;
    float previous = 0;
    for (std::int64_t k = 0; k < bins; ++k) {
      const float value = static_cast<float>(sum / 3.0);
      const double next = k + 2 < bins ? static_cast<double>(smooth[k + 2]) : last;
      sum += next - before;
      before = here, here = after, after = next;
      smooth[k] = value;
      if (k > 0 && rising && value < previous) {
        if (found < 2) maxima[found] = k - 1;
        found += 1;
        rising = false;
      } else if (k > 0 && !rising && value > previous) {
        rising = true;
      }
      previous = value;
    }
    if (found >= 3) continue;
    if (found != 2 || round == kMaxRounds - 1) break;
    std::int64_t lowest = maxima[0];
    for (std::int64_t k = maxima[0]; k <= maxima[1]; ++k)
      if (smooth[k] < smooth[lowest]) lowest = k;
    return {static_cast<double>(center(lowest)), ThresholdStatus::found};
  }
  return {0.0, ThresholdStatus::no_two_maxima};
}

// Li & Tam (1998): t ← (μ₂ − μ₁) / (log μ₂ − log μ₁), where μ₁ and μ₂ are the means of the values up to t and above it,
// all less the image's minimum, from the mean until t moves by no more than a tolerance or μ₁ is 0.
struct LiState {
  double current;  // splits the next pass
  double next;     // the result when done
  double tolerance;
  std::int32_t done;
};

// The state before any pass: everything lies above it, so that the first pass gives the mean.
RM_HOST_DEVICE LiState li_begin(double tolerance) { return {-1.0, -1.0, tolerance, 0}; }

RM_HOST_DEVICE void li_advance(LiState& state, SplitSums sums, double count) {
  const double count_below = count - sums.count_above;
  if (state.current < 0) {
    state.next = sums.above / count;
  } else {
    const double lower = sums.below / count_below, upper = sums.above / sums.count_above;
    if (!(lower > 0) || sums.count_above == 0) {
      state.done = 1;
      return;
    }
    state.next = (lower - upper) / (portable_log(lower) - portable_log(upper));
    const double change = state.next - state.current;
    state.done = !((change < 0 ? -change : change) > state.tolerance) ? 1 : 0;
  }
  state.current = state.next;
}

// Li's iteration on the histogram of integers; the tolerance is one half. The sums are exact.
template <class Centers>
RM_HOST_DEVICE ThresholdResult li_threshold(const std::int64_t* counts, std::int64_t bins, Centers center) {
  if (bins == 1) return {static_cast<double>(center(0)), ThresholdStatus::found};
  LiState state = li_begin(0.5);
  while (state.done == 0) {
    std::int64_t count = 0, count_above = 0, above = 0, below = 0;
    for (std::int64_t k = 0; k < bins; ++k) {
      const std::int64_t weight =
          state.current < 0 ? counts[k] : static_cast<std::int64_t>(static_cast<float>(counts[k]));
      const bool is_above = static_cast<double>(k) > state.current;
      count += weight;
      count_above += is_above ? weight : 0;
      above += is_above ? weight * k : 0;
      below += is_above ? 0 : weight * k;
    }
    li_advance(state, {static_cast<double>(above), static_cast<double>(below), static_cast<double>(count_above)},
               static_cast<double>(count));
  }
  return {state.next + static_cast<double>(center(0)), ThresholdStatus::found};
}

// For floats the tolerance is half the smallest difference between two distinct values. It is found where each value
// has a cell of its own in a grid of 2^20; where two share one, a tolerance of 2^-24 of the range serves, since both
// then end within 10^-6 of the range of the same fixed point.
inline constexpr std::int64_t kLiCells = std::int64_t{1} << 20;

template <class F>
RM_HOST_DEVICE std::int64_t li_cell(F shifted, F range) {
  return static_cast<std::int64_t>(static_cast<double>(shifted) / static_cast<double>(range) *
                                   static_cast<double>(kLiCells - 1));
}

RM_HOST_DEVICE double li_tolerance_of_dense_values(double range) { return range * 0x1p-24; }

}  // namespace rapidmask
