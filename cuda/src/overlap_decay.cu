// Suppression on a device that lowers scores: the pixels that all pairs share are counted first.

#include "overlap_blocks.cuh"
#include "overlap_rivals.cuh"

namespace rapidmask::cuda {
namespace {

constexpr int kSoftThreads = 1024;  // of the one block that softens scores

// Pixels that pairs of masks share, above the diagonal of a matrix.
struct SharedPixels {
  const std::int64_t* sums;
  const std::int64_t* areas;
  std::int64_t n;

  __device__ double overlap(OverlapMetric metric, std::int64_t i, std::int64_t j) const {
    return overlap_of(metric, sums[min(i, j) * n + max(i, j)], areas[i], areas[j]);
  }
};

SharedPixels share_all(const Context& context, const Masks& masks) {
  const BlockedMasks blocks = cut_to_blocks(context, masks);
  auto* sums = context.scratch<std::int64_t>(masks.n * masks.n);
  share_pixels(context, blocks, blocks, true, sums);
  return {sums, blocks.areas, masks.n};
}

// A score, and whose it is: -1 is nobody's.
struct Best {
  double score;
  std::int64_t index;

  __device__ void take(const Best& other) {
    if (other.index >= 0 && (index < 0 || scores_before(other.score, other.index, score, index))) *this = other;
  }
  __device__ void take_from_warp() {
    for (int offset = kWarpSize / 2; offset > 0; offset /= 2) {
      take({__shfl_xor_sync(kFullWarp, score, offset), __shfl_xor_sync(kFullWarp, index, offset)});
    }
  }
};

// Keeps mask after mask, each the best of those left, and softens the scores of the others. Scores of masks that are
// kept or have fallen to the threshold become NaN. `kept[n]` is their number.
__global__ void __launch_bounds__(kSoftThreads, 1)
    soften_scores_kernel(SharedPixels shared, const std::int64_t* labels, SoftSuppression soft, double* scores,
                         std::int64_t* kept, double* kept_scores) {
  __shared__ Best of_warp[kSoftThreads / kWarpSize];
  const std::int64_t n = shared.n;
  std::int64_t count = 0;
  for (;;) {
    Best best{0, -1};
    for (std::int64_t j = threadIdx.x; j < n; j += kSoftThreads) {
      if (scores[j] > soft.score_threshold) {
        best.take({scores[j], j});
      } else {
        scores[j] = __builtin_nan("");
      }
    }
    best.take_from_warp();
    if (lane_id() == 0) of_warp[warp_id()] = best;
    __syncthreads();
    best = of_warp[lane_id()];
    best.take_from_warp();
    if (best.index < 0) break;
    if (threadIdx.x == 0) {
      kept[count] = best.index;
      kept_scores[count] = best.score;
    }
    ++count;
    for (std::int64_t j = threadIdx.x; j < n; j += kSoftThreads) {
      if (j == best.index) {
        scores[j] = __builtin_nan("");
      } else if (scores[j] == scores[j] && (labels == nullptr || labels[j] == labels[best.index])) {
        scores[j] *= soft_decay(soft, shared.overlap(soft.metric, best.index, j));
      }
    }
    __syncthreads();  // the next round writes of_warp
  }
  if (threadIdx.x == 0) kept[n] = count;
}

// Of each rank, the highest IoU with those before it. One warp for each.
__global__ void find_highest_before_kernel(Rivals rivals, SharedPixels shared, double* highest) {
  for (std::int64_t r = first_warp(); r < rivals.n; r += warp_stride()) {
    const std::int64_t j = rivals.order[r];
    double best = 0;
    for (std::int64_t s = lane_id(); s < r; s += kWarpSize) {
      const std::int64_t i = rivals.order[s];
      if (rivals.compete(i, j)) best = max(best, shared.overlap(OverlapMetric::iou, i, j));
    }
    for (int offset = kWarpSize / 2; offset > 0; offset /= 2) {
      best = max(best, __shfl_xor_sync(kFullWarp, best, offset));
    }
    if (lane_id() == 0) highest[r] = best;
  }
}

__global__ void decay_scores_kernel(Rivals rivals, SharedPixels shared, const double* highest, const double* scores,
                                    Decay kernel, double sigma, double* decayed) {
  for (std::int64_t r = first_warp(); r < rivals.n; r += warp_stride()) {
    const std::int64_t j = rivals.order[r];
    MatrixDecay decay(kernel, sigma);
    for (std::int64_t s = lane_id(); s < r; s += kWarpSize) {
      const std::int64_t i = rivals.order[s];
      if (!rivals.compete(i, j)) continue;
      const double iou = shared.overlap(OverlapMetric::iou, i, j);
      if (iou != 0) decay.add(iou, highest[s]);
    }
    for (int offset = kWarpSize / 2; offset > 0; offset /= 2) {
      decay.worst = decay.worse(decay.worst, __shfl_xor_sync(kFullWarp, decay.worst, offset));
    }
    if (lane_id() == 0) decayed[j] = scores[j] * decay.factor();
  }
}

void soften(const Context& context, const Masks& masks, const double* scores, const std::int64_t* labels,
            const SoftSuppression& soft, const Keep& keep) {
  if (masks.n == 0) return keep.give_none(context);
  const SharedPixels shared = share_all(context, masks);
  auto* current = context.scratch<double>(masks.n);
  auto* kept = context.scratch<std::int64_t>(masks.n + 1);
  auto* kept_scores = context.scratch<double>(masks.n);
  check(cudaMemcpyAsync(current, scores, static_cast<std::size_t>(masks.n) * sizeof *current, cudaMemcpyDeviceToDevice,
                        context.stream),
        "cudaMemcpyAsync");
  RM_LAUNCH(soften_scores_kernel, 1, kSoftThreads, 0, context.stream, shared, labels, soft, current, kept, kept_scores);
  keep.give(context, kept, kept_scores, masks.n);
}

}  // namespace

void soft_nms(const Context& context, const Masks& masks, const double* scores, const std::int64_t* labels,
              const SoftSuppression& soft, const MakeKept& make_kept) {
  soften(context, masks, scores, labels, soft, make_kept);
}
void soft_nms(const Context& context, const Masks& masks, const double* scores, const std::int64_t* labels,
              const SoftSuppression& soft, const KeptMost& kept) {
  soften(context, masks, scores, labels, soft, kept);
}

void matrix_nms(const Context& context, const Masks& masks, const double* scores, const std::int64_t* labels,
                Decay kernel, double sigma, double* decayed) {
  if (masks.n == 0) return;
  const Rivals rivals = rank_rivals(context, scores, labels, masks.n);
  const SharedPixels shared = share_all(context, masks);
  auto* highest = context.scratch<double>(masks.n);
  RM_LAUNCH(find_highest_before_kernel, grid_of_warps(masks.n), kThreads, 0, context.stream, rivals, shared, highest);
  RM_LAUNCH(decay_scores_kernel, grid_of_warps(masks.n), kThreads, 0, context.stream, rivals, shared, highest, scores,
            kernel, sigma, decayed);
}

}  // namespace rapidmask::cuda
