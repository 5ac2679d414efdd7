// Suppression of masks on a device.
//
// Masks are ranked by counting those before each. A bit for each pair says whether the one suppresses the other; one
// block then walks the ranks, 64 at a time: a word settles those among themselves, and the rows of those kept are
// joined to what is suppressed of the rest. Only the number of masks kept goes to the host.

#include <algorithm>

#include "overlap_blocks.cuh"

namespace rapidmask::cuda {
namespace {

constexpr int kTile = 64;           // ranks that are settled at a time
constexpr int kSoftThreads = 1024;  // of the one block that softens scores

__global__ void rank_scores_kernel(const double* scores, std::int64_t n, std::int64_t* order) {
  for (std::int64_t i = first_thread(); i < n; i += thread_stride()) {
    std::int64_t rank = 0;
    for (std::int64_t j = 0; j < n; ++j) rank += scores_before(scores[j], j, scores[i], i) ? 1 : 0;
    order[rank] = i;
  }
}

// The masks that compete, in the order of their scores.
struct Rivals {
  const std::int64_t* order;
  const std::int64_t* labels;
  std::int64_t n;

  __device__ bool compete(std::int64_t i, std::int64_t j) const { return labels == nullptr || labels[i] == labels[j]; }
  RM_HOST_DEVICE std::int64_t words() const { return (n + kTile - 1) / kTile; }  // of a row of bits
};

Rivals rank_rivals(const Context& context, const double* scores, const std::int64_t* labels, std::int64_t n) {
  auto* order = context.scratch<std::int64_t>(n);
  RM_LAUNCH(rank_scores_kernel, grid_of_threads(n), kThreads, 0, context.stream, scores, n, order);
  return {order, labels, n};
}

// Bit s of row r: the mask of rank r, if kept, suppresses that of rank s > r. One warp for each pair.
__global__ void find_suppressed_masks_kernel(Rivals rivals, BlockedMasks blocks, OverlapMetric metric, double threshold,
                                             unsigned long long* bits) {
  const std::int64_t n = rivals.n;
  for (std::int64_t t = first_warp(); t < n * n; t += warp_stride()) {
    const std::int64_t r = t / n, s = t % n;
    if (s <= r) continue;
    const std::int64_t i = rivals.order[r], j = rivals.order[s];
    const std::int64_t area_i = blocks.areas[i], area_j = blocks.areas[j];
    if (!rivals.compete(i, j) || !(overlap_of(metric, min(area_i, area_j), area_i, area_j) > threshold)) continue;
    const std::int64_t shared = shared_pixels(blocks, i, blocks, j, 0, blocks.positions());
    if (lane_id() == 0 && overlap_of(metric, shared, area_i, area_j) > threshold) {
      atomicOr(bits + r * rivals.words() + s / kTile, 1ull << (s % kTile));
    }
  }
}

// The same from a matrix of overlaps, 32 bits for a warp.
template <class T>
__global__ void find_suppressed_kernel(Rivals rivals, const T* overlaps, double threshold, unsigned* bits) {
  const std::int64_t n = rivals.n, words32 = 2 * rivals.words();
  for (std::int64_t t = first_warp(); t < n * words32; t += warp_stride()) {
    const std::int64_t r = t / words32, s = t % words32 * kWarpSize + lane_id();
    bool suppressed = false;
    if (s > r && s < n) {
      const std::int64_t i = rivals.order[r], j = rivals.order[s];
      suppressed = rivals.compete(i, j) && as_double(overlaps[i * n + j]) > threshold;
    }
    const unsigned word = __ballot_sync(kFullWarp, suppressed);
    if (lane_id() == 0) bits[t] = word;
  }
}

// Writes the masks kept and, after them, at kept[n], how many they are. `gone` are zero: a bit for each rank.
__global__ void __launch_bounds__(kThreads, 1)
    keep_unsuppressed_kernel(Rivals rivals, const std::uint64_t* bits, std::uint64_t* gone, std::int64_t* kept) {
  __shared__ std::uint64_t among[kTile];  // of the tile's rows, the bits of the tile
  __shared__ std::uint64_t keep;
  __shared__ std::int64_t before;
  const std::int64_t words = rivals.words();
  std::int64_t count = 0;  // in the first thread
  for (std::int64_t t = 0; t < words; ++t) {
    const int rows = static_cast<int>(min(static_cast<std::int64_t>(kTile), rivals.n - t * kTile));
    const int row = static_cast<int>(threadIdx.x);
    if (row < rows) among[row] = bits[(t * kTile + row) * words + t];
    __syncthreads();
    if (row == 0) {
      std::uint64_t suppressed = gone[t], unsuppressed = 0;
      for (int r = 0; r < rows; ++r) {
        if ((suppressed >> r & 1) != 0) continue;
        unsuppressed |= std::uint64_t{1} << r;
        suppressed |= among[r];
      }
      keep = unsuppressed;
      before = count;
      count += __popcll(unsuppressed);
    }
    __syncthreads();
    if (row < rows && (keep >> row & 1) != 0) {
      kept[before + __popcll(keep & ((std::uint64_t{1} << row) - 1))] = rivals.order[t * kTile + row];
    }
    for (std::int64_t k = t + 1 + threadIdx.x; k < words; k += kThreads) {
      std::uint64_t word = gone[k];
      for (std::uint64_t rest = keep; rest != 0; rest &= rest - 1) {
        word |= bits[(t * kTile + __ffsll(static_cast<long long>(rest)) - 1) * words + k];
      }
      gone[k] = word;
    }
    __syncthreads();
  }
  if (threadIdx.x == 0) kept[rivals.n] = count;
}

__global__ void give_kept_kernel(const std::int64_t* kept, const double* kept_scores, std::int64_t count,
                                 KeptMasks result) {
  for (std::int64_t k = first_thread(); k < count; k += thread_stride()) {
    result.indices[k] = kept[k];
    if (kept_scores != nullptr) result.scores[k] = kept_scores[k];
  }
}

// Waits for the number of masks kept, at kept[n].
void give_kept(const Context& context, const std::int64_t* kept, const double* kept_scores, std::int64_t n,
               const MakeKept& make_kept) {
  const std::int64_t count = context.to_host(kept + n, 1).front();
  RM_LAUNCH(give_kept_kernel, grid_of_threads(count), kThreads, 0, context.stream, kept, kept_scores, count,
            make_kept(count));
}

// The rows of bits of n ranks, zero.
std::uint64_t* zero_bits(const Context& context, std::int64_t count) {
  auto* bits = context.scratch<std::uint64_t>(count);
  check(cudaMemsetAsync(bits, 0, static_cast<std::size_t>(count) * sizeof *bits, context.stream), "cudaMemsetAsync");
  return bits;
}

void keep_unsuppressed(const Context& context, const Rivals& rivals, const std::uint64_t* bits,
                       const MakeKept& make_kept) {
  std::uint64_t* gone = zero_bits(context, rivals.words());
  auto* kept = context.scratch<std::int64_t>(rivals.n + 1);
  RM_LAUNCH(keep_unsuppressed_kernel, 1, kThreads, 0, context.stream, rivals, bits, gone, kept);
  give_kept(context, kept, nullptr, rivals.n, make_kept);
}

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

}  // namespace

void mask_nms(const Context& context, const Masks& masks, const double* scores, const std::int64_t* labels,
              double threshold, OverlapMetric metric, const MakeKept& make_kept) {
  if (masks.n == 0) {
    make_kept(0);
    return;
  }
  const Rivals rivals = rank_rivals(context, scores, labels, masks.n);
  const BlockedMasks blocks = cut_to_blocks(context, masks);
  std::uint64_t* bits = zero_bits(context, masks.n * rivals.words());
  RM_LAUNCH(find_suppressed_masks_kernel, grid_of_warps(masks.n * masks.n), kThreads, 0, context.stream, rivals, blocks,
            metric, threshold, reinterpret_cast<unsigned long long*>(bits));
  keep_unsuppressed(context, rivals, bits, make_kept);
}

void nms_from_iou(const Context& context, const Image& iou, const double* scores, const std::int64_t* labels,
                  double threshold, const MakeKept& make_kept) {
  const std::int64_t n = iou.h;
  if (n == 0) {
    make_kept(0);
    return;
  }
  const Rivals rivals = rank_rivals(context, scores, labels, n);
  auto* bits = context.scratch<std::uint64_t>(n * rivals.words());
  visit_dtype(iou.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    if constexpr (!std::is_integral_v<T>) {
      RM_LAUNCH(find_suppressed_kernel<T>, grid_of_warps(n * 2 * rivals.words()), kThreads, 0, context.stream, rivals,
                static_cast<const T*>(iou.data), threshold, reinterpret_cast<unsigned*>(bits));
    }
  });
  keep_unsuppressed(context, rivals, bits, make_kept);
}

void soft_nms(const Context& context, const Masks& masks, const double* scores, const std::int64_t* labels,
              const SoftSuppression& soft, const MakeKept& make_kept) {
  if (masks.n == 0) {
    make_kept(0);
    return;
  }
  const SharedPixels shared = share_all(context, masks);
  auto* current = context.scratch<double>(masks.n);
  auto* kept = context.scratch<std::int64_t>(masks.n + 1);
  auto* kept_scores = context.scratch<double>(masks.n);
  check(cudaMemcpyAsync(current, scores, static_cast<std::size_t>(masks.n) * sizeof *current, cudaMemcpyDeviceToDevice,
                        context.stream),
        "cudaMemcpyAsync");
  RM_LAUNCH(soften_scores_kernel, 1, kSoftThreads, 0, context.stream, shared, labels, soft, current, kept, kept_scores);
  give_kept(context, kept, kept_scores, masks.n, make_kept);
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
