// Least squares along a line of sites: by windows, and by divide and conquer with a warp for a pixel.
#pragma once

#include "port.cuh"
#include "rapidmask/distance.hpp"

namespace rapidmask::cuda {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int kReach = 48;  // of windows; divide and conquer costs about as much

// Squares of steps along an axis.
struct NarrowSteps {
  using Square = std::int32_t;
  __device__ Square operator()(int steps) const { return steps * steps; }
};
struct WideSteps {
  using Square = double;
  double weight;
  __device__ Square operator()(int steps) const { return weighted_square(weight, static_cast<double>(steps)); }
};

// `count` sites, `stride` apart.
template <class Steps>
struct Line {
  using Square = typename Steps::Square;
  const Square* at;
  int count, stride;
  Steps steps;

  __device__ Square square(int site, int x) const {
    return at[static_cast<std::int64_t>(site) * stride] + steps(site - x);
  }
  __device__ int posts() const { return (count + kWarpSize - 1) / kWarpSize + 1; }

  // Lowers `least`, that of x's own site, to the least of those around x. False where farther ones may be less.
  __device__ bool search_window(int x, Square& least) const {
    for (int k = 1; k <= kReach; ++k) {
      if (steps(k) >= least) return true;
      if (x >= k) least = min(least, square(x - k, x));
      if (k < count - x) least = min(least, square(x + k, x));
    }
    return steps(kReach + 1) >= least;
  }

  // The site of [first, last] that is nearest to x; all lanes of a warp call.
  __device__ int nearest_site(int first, int last, int x) const {
    const int begin = min(first + lane_id(), last);
    int best = begin;
    Square least = square(begin, x);
    for (int site = begin + kWarpSize; site <= last; site += kWarpSize) {
      const Square candidate = square(site, x);
      if (candidate < least) {
        least = candidate;
        best = site;
      }
    }
    for (int offset = kWarpSize / 2; offset > 0; offset /= 2) {
      const Square other = __shfl_xor_sync(kFullWarp, least, offset);
      const int other_best = __shfl_xor_sync(kFullWarp, best, offset);
      if (other < least || (other == least && other_best < best)) {
        least = other;
        best = other_best;
      }
    }
    return best;
  }

  // nearest[j] = the nearest site to post j, pixel 32 j or the last one. The best site of a pixel bounds those of the
  // pixels before and after it, so each round, from the middle post to those between others, goes over the sites once.
  // Warps share the posts of a round; `sync` lets them see each other's.
  template <class Sync>
  __device__ void search_posts(int warp, int warps, int* nearest, const Sync& sync) const {
    int stride_of_posts = 1;
    while (2 * stride_of_posts <= posts()) stride_of_posts *= 2;
    for (int round = stride_of_posts; round > 0; round /= 2) {
      for (int j = round - 1 + 2 * round * warp; j < posts(); j += 2 * round * warps) {
        const int low = j >= round ? nearest[j - round] : 0;
        const int high = j + round < posts() ? nearest[j + round] : count - 1;
        const int site = nearest_site(low, high, j + 1 < posts() ? j * kWarpSize : count - 1);
        if (lane_id() == 0) nearest[j] = site;
      }
      sync();
    }
  }

  // The least square of pixel x, which lies between posts j and j + 1, as the best sites do.
  __device__ Square search_between(const int* nearest, int j, int x) const {
    Square least = square(nearest[j], x);
    for (int site = nearest[j] + 1; site <= nearest[j + 1]; ++site) least = min(least, square(site, x));
    return least;
  }
};

__device__ __forceinline__ bool is_far(std::int32_t square) { return square >= kFarSquare; }
__device__ __forceinline__ bool is_far(double square) { return square == kInfinity; }

__device__ __forceinline__ float result_of(const DistanceRule& rule, std::int32_t square) {
  if (is_far(square)) return static_cast<float>(kInfinity);
  const bool exact = rule.exact || (rule.scale == 1 && square <= kExactSquares);
  return exact ? exact_distance_result(rule, square) : distance_result(rule, static_cast<double>(square));
}
__device__ __forceinline__ float result_of(const DistanceRule& rule, double square) {
  return distance_result(rule, square);
}

}  // namespace
}  // namespace rapidmask::cuda
