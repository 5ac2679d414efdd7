// Pairs of labels counted on a device: one launch after the clearing of the counts.
//
// A thread reads some pixels in a row and adds up those with equal pairs, since label maps are mostly flat. Counts are
// atomics in shared memory where they fit there, which each block adds to the result at its end, else in the result.

#include "rapidmask/confusion.hpp"

#include "port.cuh"
#include "tiles.cuh"

namespace rapidmask::cuda {
namespace {

constexpr std::int64_t kRun = 16;          // pixels of a thread
constexpr std::int64_t kMostBlocks = 528;  // four on each multiprocessor of an H200: each adds its counts in the end

// The number of a pair's count, negative where it has none.
constexpr std::int64_t kIgnored = -1, kInvalid = -2;

struct ClassKeys {
  Classes classes;
  __device__ std::int64_t operator()(std::int64_t prediction, std::int64_t target) const {
    const std::int64_t row = classes.code(target, true), column = classes.code(prediction, false);
    if (row == classes.count) return kIgnored;
    return row < classes.count && column < classes.count ? row * classes.count + column : kInvalid;
  }
};

struct ListKeys {
  LabelList prediction, target;
  __device__ std::int64_t operator()(std::int64_t predicted, std::int64_t wanted) const {
    return target.place(wanted) * (prediction.count + 1) + prediction.place(predicted);
  }
};

using Count = unsigned long long;

template <class Keys>
__global__ void count_pairs_kernel(LabelPairs pairs, Keys keys, std::int64_t size, bool in_shared, Count* counts,
                                   Count* invalid) {
  RM_DYNAMIC_SHARED(unsigned, bins);
  if (in_shared) {
    for (std::int64_t k = threadIdx.x; k < size; k += kThreads) bins[k] = 0;
    __syncthreads();
  }
  std::int64_t beyond = 0;
  const auto add = [&](std::int64_t key, unsigned length) {
    if (key >= 0 && in_shared) {
      atomicAdd(bins + key, length);
    } else if (key >= 0) {
      atomicAdd(counts + key, static_cast<Count>(length));
    } else if (key == kInvalid) {
      beyond += length;
    }
  };
  for (std::int64_t first = first_thread() * kRun; first < pairs.count; first += thread_stride() * kRun) {
    const std::int64_t end = min(first + kRun, pairs.count);
    std::int64_t prediction = 0, target = 0, key = kIgnored;
    unsigned length = 0;
    for (std::int64_t i = first; i < end; ++i) {
      const std::int64_t predicted = label_at(pairs.prediction, pairs.prediction_dtype, i);
      const std::int64_t wanted = label_at(pairs.target, pairs.target_dtype, i);
      if (length == 0 || predicted != prediction || wanted != target) {
        if (length != 0) add(key, length);
        prediction = predicted;
        target = wanted;
        key = keys(prediction, target);
        length = 0;
      }
      ++length;
    }
    if (length != 0) add(key, length);
  }
  if (invalid != nullptr) {
    beyond = block_sum(beyond);
    if (threadIdx.x == 0 && beyond != 0) atomicAdd(invalid, static_cast<Count>(beyond));
  }
  if (in_shared) {
    __syncthreads();
    for (std::int64_t k = threadIdx.x; k < size; k += kThreads) {
      if (bins[k] != 0) atomicAdd(counts + k, static_cast<Count>(bins[k]));
    }
  }
}

template <class Keys>
void count_pairs(const Context& context, const LabelPairs& pairs, const Keys& keys, std::int64_t size,
                 std::int64_t* counts, std::int64_t* invalid) {
  check(cudaMemsetAsync(counts, 0, static_cast<std::size_t>(size) * sizeof *counts, context.stream), "cudaMemsetAsync");
  if (invalid != nullptr) check(cudaMemsetAsync(invalid, 0, sizeof *invalid, context.stream), "cudaMemsetAsync");
  const auto wanted = static_cast<std::size_t>(4 * size);
  const bool in_shared = wanted <= most_dynamic_shared();
  const std::size_t bytes = in_shared ? wanted : 0;
  const std::int64_t blocks = (pairs.count + kThreads * kRun - 1) / (kThreads * kRun);
  RM_LAUNCH(count_pairs_kernel<Keys>, blocks < kMostBlocks ? blocks : kMostBlocks, kThreads, bytes, context.stream,
            pairs, keys, size, in_shared, reinterpret_cast<Count*>(counts), reinterpret_cast<Count*>(invalid));
}

}  // namespace

void confusion_matrix(const Context& context, const LabelPairs& pairs, const Classes& classes, std::int64_t* matrix,
                      std::int64_t* invalid) {
  count_pairs(context, pairs, ClassKeys{classes}, classes.count * classes.count, matrix, invalid);
}

void label_overlaps(const Context& context, const LabelPairs& pairs, const LabelList& prediction,
                    const LabelList& target, std::int64_t* overlaps) {
  count_pairs(context, pairs, ListKeys{prediction, target}, (prediction.count + 1) * (target.count + 1), overlaps,
              nullptr);
}

}  // namespace rapidmask::cuda
