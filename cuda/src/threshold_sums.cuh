// Kernels of the threshold values that add pixels: the mean, and Li's iteration on floats with its tolerance.
#pragma once

#include "threshold_values.cuh"

namespace rapidmask::cuda {
namespace {

constexpr int kToleranceThreads = 512;  // of up to 72 registers each, which 1024 threads would not have on sm_75

// totals[2 i] and [2 i + 1] gather IntegerSum's high and low.
template <class T>
__global__ void sum_integers_kernel(View<const T> image, std::int64_t parts, Key* totals) {
  const std::int64_t i = blockIdx.x / parts, part = blockIdx.x % parts;
  const T* const pixels = image.image(i);
  const std::int64_t end = min((part + 1) * kPixelsPerBlock, image.image_size());
  IntegerSum sum = {0, 0};
  for (std::int64_t p = part * kPixelsPerBlock + threadIdx.x; p < end; p += kThreads) sum.add(pixels[p]);
  const Key high = block_sum(static_cast<Key>(sum.high)), low = block_sum(static_cast<Key>(sum.low));
  if (threadIdx.x == 0) {
    if (high != 0) atomicAdd(&totals[2 * i], high);
    atomicAdd(&totals[2 * i + 1], low);
  }
}

__global__ void divide_sums_kernel(std::int64_t n, std::int64_t count, const Key* totals, double* values) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= n) return;
  const IntegerSum sum = {static_cast<std::int64_t>(totals[2 * i]), static_cast<std::int64_t>(totals[2 * i + 1])};
  values[i] = sum.mean(count);
}

constexpr int kSumThreads = static_cast<int>(kSumLanes);  // a thread is a lane of the fixed sum

// The sum over the block in the shape of fold_lanes, in thread 0.
__device__ double fold_block(double value) {
  __shared__ double lanes[kSumLanes];
  lanes[threadIdx.x] = value;
  __syncthreads();
  for (int width = kSumThreads / 2; width > 0; width /= 2) {
    if (static_cast<int>(threadIdx.x) < width) lanes[threadIdx.x] += lanes[threadIdx.x + width];
    __syncthreads();
  }
  const double sum = lanes[0];
  __syncthreads();  // the next call may write lanes
  return sum;
}

// One block per chunk: its sums of a pass of Li's iteration, or, without states, its sum as `above`.
template <class T>
__global__ void sum_chunks_kernel(View<const T> image, std::int64_t chunks, const Key* ranges,
                                  const std::int32_t* statuses, const LiState* states, double* partial) {
  using F = WidenedType<T>;
  const std::int64_t i = blockIdx.x / chunks, chunk = blockIdx.x % chunks;
  if (statuses[i] != kPending || (states != nullptr && states[i].done != 0)) return;
  const F smallest = states != nullptr ? float_from_key<F>(ranges[2 * i]) : F{0};
  const double threshold = states != nullptr ? states[i].current : 0;
  const T* const pixels = image.image(i);
  const std::int64_t end = min((chunk + 1) * kSumChunk, image.image_size());
  double above = 0, below = 0, count_above = 0;
  for (std::int64_t p = chunk * kSumChunk + threadIdx.x; p < end; p += kSumThreads) {
    const F x = widen(pixels[p]);
    if (states == nullptr) {
      above += static_cast<double>(x);
      continue;
    }
    const double shifted = static_cast<double>(x - smallest);
    const double is_above = shifted > threshold ? 1.0 : 0.0;
    above += shifted * is_above;
    below += shifted * (1.0 - is_above);
    count_above += is_above;
  }
  double* const out = partial + static_cast<std::int64_t>(blockIdx.x) * 3;
  above = fold_block(above);
  if (states != nullptr) below = fold_block(below), count_above = fold_block(count_above);
  if (threadIdx.x == 0) out[0] = above, out[1] = below, out[2] = count_above;
}

// One block per image adds its chunks: the mean, or a step of Li's iteration and its result.
template <class F>
__global__ void add_chunks_kernel(std::int64_t count, std::int64_t chunks, const Key* ranges, const double* partial,
                                  LiState* states, std::int32_t* statuses, double* values) {
  const std::int64_t i = blockIdx.x;
  if (statuses[i] != kPending) return;
  double sums[3] = {0, 0, 0};
  for (std::int64_t c = threadIdx.x; c < chunks; c += kSumThreads)
    for (int k = 0; k < 3; ++k) sums[k] += partial[(i * chunks + c) * 3 + k];
  for (int k = 0; k < 3; ++k) sums[k] = fold_block(sums[k]);
  if (threadIdx.x != 0) return;
  if (states == nullptr) {
    values[i] = sums[0] / static_cast<double>(count);
    statuses[i] = 0;
    return;
  }
  li_advance(states[i], {sums[0], sums[1], sums[2]}, static_cast<double>(count));
  if (states[i].done == 0) return;
  values[i] = states[i].next + static_cast<double>(float_from_key<F>(ranges[2 * i]));
  statuses[i] = 0;
}

// Li's tolerance, one block per image at a time, each with a grid of cells. Cells hold the bits of shifted pixels; all
// ones is none.
template <class T>
__global__ void find_tolerance_kernel(View<const T> image, const Key* ranges, const std::int32_t* statuses, Key* grids,
                                      LiState* states) {
  using F = WidenedType<T>;
  constexpr Key kNone = ~Key{0};
  constexpr std::int64_t kTile = 8 * kToleranceThreads, kCellsOfThread = kLiCells / kToleranceThreads;
  __shared__ F first_of[kToleranceThreads], last_of[kToleranceThreads], gap_of[kToleranceThreads];
  Key* const cells = grids + blockIdx.x * kLiCells;
  const int thread = static_cast<int>(threadIdx.x);
  for (std::int64_t i = blockIdx.x; i < image.n; i += gridDim.x) {
    if (statuses[i] != kPending) continue;
    const F smallest = float_from_key<F>(ranges[2 * i]), range = float_from_key<F>(ranges[2 * i + 1]) - smallest;
    for (std::int64_t c = thread; c < kLiCells; c += kToleranceThreads) cells[c] = kNone;
    __syncthreads();
    bool dense = false;
    for (std::int64_t tile = 0; tile < image.image_size() && !dense; tile += kTile) {
      bool shared_cell = false;
      const std::int64_t end = min(tile + kTile, image.image_size());
      for (std::int64_t p = tile + thread; p < end; p += kToleranceThreads) {
        const F shifted = widen(image.image(i)[p]) - smallest;
        const Key bits = static_cast<Key>(__double_as_longlong(static_cast<double>(shifted)));
        Key* const cell = &cells[li_cell(shifted, range)];
        Key seen = ld_relaxed(cell);
        if (seen == kNone) seen = atomicCAS(cell, kNone, bits);
        shared_cell = shared_cell || (seen != kNone && seen != bits);
      }
      dense = __syncthreads_or(shared_cell) != 0;
    }
    F first = -1, last = -1, gap = range;  // −1: this thread's cells are empty
    for (std::int64_t c = thread * kCellsOfThread; c < (thread + 1) * kCellsOfThread && !dense; ++c) {
      const Key bits = ld_relaxed(&cells[c]);
      if (bits == kNone) continue;
      const F value = static_cast<F>(__longlong_as_double(static_cast<long long>(bits)));
      if (last >= F{0}) gap = value - last < gap ? value - last : gap;
      if (first < F{0}) first = value;
      last = value;
    }
    first_of[thread] = first, last_of[thread] = last, gap_of[thread] = gap;
    __syncthreads();
    if (thread == 0) {
      F before = -1;
      for (int t = 0; t < kToleranceThreads; ++t) {
        if (first_of[t] < F{0}) continue;
        if (before >= F{0}) gap = first_of[t] - before < gap ? first_of[t] - before : gap;
        gap = gap_of[t] < gap ? gap_of[t] : gap;
        before = last_of[t];
      }
      states[i] =
          li_begin(dense ? li_tolerance_of_dense_values(static_cast<double>(range)) : static_cast<double>(gap) / 2);
    }
    __syncthreads();
  }
}

}  // namespace
}  // namespace rapidmask::cuda
