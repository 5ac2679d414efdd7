// Suppression of masks on a device.
//
// Masks are ranked by counting those before each. A bit for each pair says whether the one suppresses the other; one
// block then walks the ranks, 64 at a time: a word settles those among themselves, and the rows of those kept are
// joined to what is suppressed of the rest. Only the number of masks kept goes to the host.

#include <algorithm>

#include "overlap_blocks.cuh"
#include "overlap_rivals.cuh"

namespace rapidmask::cuda {
namespace {

__global__ void rank_scores_kernel(const double* scores, std::int64_t n, std::int64_t* order) {
  for (std::int64_t i = first_thread(); i < n; i += thread_stride()) {
    std::int64_t rank = 0;
    for (std::int64_t j = 0; j < n; ++j) rank += scores_before(scores[j], j, scores[i], i) ? 1 : 0;
    order[rank] = i;
  }
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

// The first `result.most` of what is kept, which `total` counts.
__global__ void give_kept_kernel(const std::int64_t* kept, const double* kept_scores, const std::int64_t* total,
                                 KeptMost result) {
  const std::int64_t count = *total;
  for (std::int64_t k = first_thread(); k < result.most; k += thread_stride()) {
    result.to.indices[k] = k < count ? kept[k] : -1;
    if (kept_scores != nullptr) result.to.scores[k] = k < count ? kept_scores[k] : 0;
  }
  if (result.count != nullptr && first_thread() == 0) *result.count = count;
}

// The rows of bits of n ranks, zero.
std::uint64_t* zero_bits(const Context& context, std::int64_t count) {
  auto* bits = context.scratch<std::uint64_t>(count);
  check(cudaMemsetAsync(bits, 0, static_cast<std::size_t>(count) * sizeof *bits, context.stream), "cudaMemsetAsync");
  return bits;
}

void keep_unsuppressed(const Context& context, const Rivals& rivals, const std::uint64_t* bits, const Keep& keep) {
  std::uint64_t* gone = zero_bits(context, rivals.words());
  auto* kept = context.scratch<std::int64_t>(rivals.n + 1);
  RM_LAUNCH(keep_unsuppressed_kernel, 1, kThreads, 0, context.stream, rivals, bits, gone, kept);
  keep.give(context, kept, nullptr, rivals.n);
}

}  // namespace

Rivals rank_rivals(const Context& context, const double* scores, const std::int64_t* labels, std::int64_t n) {
  auto* order = context.scratch<std::int64_t>(n);
  RM_LAUNCH(rank_scores_kernel, grid_of_threads(n), kThreads, 0, context.stream, scores, n, order);
  return {order, labels, n};
}

void Keep::give(const Context& context, const std::int64_t* kept, const double* kept_scores, std::int64_t n) const {
  if (most_ != nullptr) {
    RM_LAUNCH(give_kept_kernel, std::max(grid_of_threads(most_->most), 1), kThreads, 0, context.stream, kept,
              kept_scores, kept + n, *most_);
    return;
  }
  const std::int64_t count = context.to_host(kept + n, 1).front();
  RM_LAUNCH(give_kept_kernel, grid_of_threads(count), kThreads, 0, context.stream, kept, kept_scores, kept + n,
            (KeptMost{(*make_)(count), count, nullptr}));
}

void Keep::give_none(const Context& context) const {
  if (most_ == nullptr) {
    (*make_)(0);
    return;
  }
  auto* count = context.scratch<std::int64_t>(1);
  check(cudaMemsetAsync(count, 0, sizeof *count, context.stream), "cudaMemsetAsync");
  give(context, count, most_->to.scores, 0);
}

namespace {

void suppress_masks(const Context& context, const Masks& masks, const double* scores, const std::int64_t* labels,
                    double threshold, OverlapMetric metric, const Keep& keep) {
  if (masks.n == 0) return keep.give_none(context);
  const Rivals rivals = rank_rivals(context, scores, labels, masks.n);
  const BlockedMasks blocks = cut_to_blocks(context, masks);
  std::uint64_t* bits = zero_bits(context, masks.n * rivals.words());
  RM_LAUNCH(find_suppressed_masks_kernel, grid_of_warps(masks.n * masks.n), kThreads, 0, context.stream, rivals, blocks,
            metric, threshold, reinterpret_cast<unsigned long long*>(bits));
  keep_unsuppressed(context, rivals, bits, keep);
}

void suppress_from_iou(const Context& context, const Image& iou, const double* scores, const std::int64_t* labels,
                       double threshold, const Keep& keep) {
  const std::int64_t n = iou.h;
  if (n == 0) return keep.give_none(context);
  const Rivals rivals = rank_rivals(context, scores, labels, n);
  auto* bits = context.scratch<std::uint64_t>(n * rivals.words());
  visit_dtype(iou.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    if constexpr (!std::is_integral_v<T>) {
      RM_LAUNCH(find_suppressed_kernel<T>, grid_of_warps(n * 2 * rivals.words()), kThreads, 0, context.stream, rivals,
                static_cast<const T*>(iou.data), threshold, reinterpret_cast<unsigned*>(bits));
    }
  });
  keep_unsuppressed(context, rivals, bits, keep);
}

}  // namespace

void mask_nms(const Context& context, const Masks& masks, const double* scores, const std::int64_t* labels,
              double threshold, OverlapMetric metric, const MakeKept& make_kept) {
  suppress_masks(context, masks, scores, labels, threshold, metric, make_kept);
}
void mask_nms(const Context& context, const Masks& masks, const double* scores, const std::int64_t* labels,
              double threshold, OverlapMetric metric, const KeptMost& kept) {
  suppress_masks(context, masks, scores, labels, threshold, metric, kept);
}

void nms_from_iou(const Context& context, const Image& iou, const double* scores, const std::int64_t* labels,
                  double threshold, const MakeKept& make_kept) {
  suppress_from_iou(context, iou, scores, labels, threshold, make_kept);
}
void nms_from_iou(const Context& context, const Image& iou, const double* scores, const std::int64_t* labels,
                  double threshold, const KeptMost& kept) {
  suppress_from_iou(context, iou, scores, labels, threshold, kept);
}

}  // namespace rapidmask::cuda
