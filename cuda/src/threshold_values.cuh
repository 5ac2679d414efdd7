// Kernels of the threshold values that make and read histograms: the range of the pixels, counts, values.
//
// The sums and decisions of the contract are sequential in the bins, to keep their rounding: one thread makes them,
// while the images of a batch are read at once. multiotsu's search uses the whole block.
#pragma once

#include "port.cuh"

#include <limits>
#include <type_traits>

#include "rapidmask/threshold_values.hpp"

namespace rapidmask::cuda {
namespace {

// Not tuned on a device yet.
constexpr int kThreads = 256;
constexpr std::int64_t kPixelsPerBlock = 16384;
constexpr std::int64_t kByteTables = kThreads / kWarpSize;  // shared histograms, one per warp

using Key = unsigned long long;
static_assert(sizeof(Key) == sizeof(std::uint64_t));

// The bin origin of integers of 8 and 16 bits: their type's smallest value, in two's complement.
template <class T>
constexpr std::uint64_t kTypeOrigin = static_cast<std::uint64_t>(std::numeric_limits<T>::min());

// An image is pending until its status is known. Zero is ThresholdStatus::found.
constexpr std::int32_t kPending = -1;

// --- Ranges: numbers as keys that compare like them ---

constexpr Key kSign = Key{1} << 63;

template <class T>
__device__ Key to_key(T x) {
  if constexpr (std::is_integral_v<T>) {
    return std::is_signed_v<T> ? static_cast<Key>(static_cast<long long>(x)) ^ kSign : static_cast<Key>(x);
  } else {
    const double value = static_cast<double>(widen(x));
    if (value != value) return ~Key{0};  // a NaN of either sign lies above infinity
    const Key bits = static_cast<Key>(__double_as_longlong(value));
    return (bits & kSign) != 0 ? ~bits : bits | kSign;
  }
}

template <class F>
__device__ F float_from_key(Key key) {
  return static_cast<F>(__longlong_as_double(static_cast<long long>((key & kSign) != 0 ? key ^ kSign : ~key)));
}

__host__ __device__ inline std::uint64_t origin_from_key(Key key, bool is_signed) {
  return is_signed ? key ^ kSign : key;
}

__global__ void start_ranges_kernel(std::int64_t n, Key* ranges) {
  for (std::int64_t i = std::int64_t{blockIdx.x} * kThreads + threadIdx.x; i < n;
       i += std::int64_t{gridDim.x} * kThreads) {
    ranges[2 * i] = ~Key{0};
    ranges[2 * i + 1] = 0;
  }
}

// The values of images that have none become NaN.
__global__ void blank_values_kernel(std::int64_t n, std::int64_t each, const std::int32_t* statuses, double* values) {
  for (std::int64_t k = std::int64_t{blockIdx.x} * kThreads + threadIdx.x; k < n * each;
       k += std::int64_t{gridDim.x} * kThreads) {
    if (statuses[k / each] != 0) values[k] = no_threshold();
  }
}

// ranges[2 i] and [2 i + 1] become the smallest and the largest key of image i; they start as ~0 and 0.
template <class T>
__global__ void reduce_range_kernel(View<const T> image, std::int64_t parts, Key* ranges) {
  __shared__ Key low, high;
  if (threadIdx.x == 0) low = ~Key{0}, high = 0;
  __syncthreads();
  const std::int64_t i = blockIdx.x / parts, part = blockIdx.x % parts;
  const T* const pixels = image.image(i);
  const std::int64_t end = min((part + 1) * kPixelsPerBlock, image.image_size());
  Key own_low = ~Key{0}, own_high = 0;
  for (std::int64_t p = part * kPixelsPerBlock + threadIdx.x; p < end; p += kThreads) {
    const Key key = to_key(pixels[p]);
    own_low = min(own_low, key);
    own_high = max(own_high, key);
  }
  for (int lanes = kWarpSize / 2; lanes > 0; lanes /= 2) {
    own_low = min(own_low, __shfl_xor_sync(kFullWarp, own_low, lanes));
    own_high = max(own_high, __shfl_xor_sync(kFullWarp, own_high, lanes));
  }
  if (lane_id() == 0) {
    atomicMin(&low, own_low);
    atomicMax(&high, own_high);
  }
  __syncthreads();
  if (threadIdx.x == 0) {
    atomicMin(&ranges[2 * i], low);
    atomicMax(&ranges[2 * i + 1], high);
  }
}

// Decides what the range alone decides. `constant_is_value`: an image of one number has that number as its value.
template <class F>
__global__ void check_range_kernel(std::int64_t n, const Key* ranges, bool needs_range, bool needs_bins,
                                   bool constant_is_value, std::int32_t* statuses, double* values) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= n) return;
  const F smallest = float_from_key<F>(ranges[2 * i]), largest = float_from_key<F>(ranges[2 * i + 1]);
  const bool answered = constant_is_value && smallest == largest && is_finite(smallest);
  const ThresholdStatus status = check_float_range(smallest, largest, needs_range, needs_bins);
  if (answered) values[i] = static_cast<double>(smallest);
  statuses[i] = answered ? 0 : status == ThresholdStatus::found ? kPending : static_cast<std::int32_t>(status);
}

// --- Histograms ---

// 256 bins: bytes, and floats with their bins. One table per warp in shared memory.
template <class T>
__global__ void count_shared_kernel(View<const T> image, std::int64_t parts, const Key* ranges,
                                    const std::int32_t* statuses, Key* counts) {
  __shared__ unsigned tables[kByteTables][256];
  const std::int64_t i = blockIdx.x / parts, part = blockIdx.x % parts;
  if (statuses[i] != kPending) return;
  for (int table = 0; table < kByteTables; ++table) tables[table][threadIdx.x] = 0;
  __syncthreads();
  unsigned* const table = tables[warp_id()];
  const T* const pixels = image.image(i);
  const std::int64_t end = min((part + 1) * kPixelsPerBlock, image.image_size());
  const auto count = [&](auto bin_of) {
    int last = -1;
    unsigned run = 0;  // equal pixels in a row of one thread are added at once: plateaus are common
    for (std::int64_t p = part * kPixelsPerBlock + threadIdx.x; p < end; p += kThreads) {
      const int bin = bin_of(pixels[p]);
      if (bin != last) {
        if (run > 0) atomicAdd(&table[last], run);
        last = bin;
        run = 0;
      }
      run += 1;
    }
    if (run > 0) atomicAdd(&table[last], run);
  };
  if constexpr (std::is_integral_v<T>) {
    count([](T x) { return static_cast<int>(x) - static_cast<int>(std::is_signed_v<T> ? -128 : 0); });
  } else {
    using F = WidenedType<T>;
    const FloatBins<F> bins =
        FloatBins<F>::between(float_from_key<F>(ranges[2 * i]), float_from_key<F>(ranges[2 * i + 1]));
    count([&](T x) { return static_cast<int>(bins.index(widen(x))); });
  }
  __syncthreads();
  unsigned sum = 0;
  for (int t = 0; t < kByteTables; ++t) sum += tables[t][threadIdx.x];
  if (sum > 0) atomicAdd(&counts[i * 256 + threadIdx.x], static_cast<Key>(sum));
}

// One bin per integer, in global memory. `ranges` is null where the bins start at the type's smallest value.
template <class T>
__global__ void count_global_kernel(View<const T> image, std::int64_t parts, const Key* ranges, std::int64_t bins,
                                    Key* counts) {
  const std::int64_t i = blockIdx.x / parts, part = blockIdx.x % parts;
  const std::uint64_t origin = ranges != nullptr ? origin_from_key(ranges[2 * i], std::is_signed_v<T>) : kTypeOrigin<T>;
  const T* const pixels = image.image(i);
  Key* const of_image = counts + i * bins;
  const std::int64_t end = min((part + 1) * kPixelsPerBlock, image.image_size());
  std::uint64_t last = 0;
  Key run = 0;
  for (std::int64_t p = part * kPixelsPerBlock + threadIdx.x; p < end; p += kThreads) {
    const std::uint64_t bin = static_cast<std::uint64_t>(pixels[p]) - origin;
    if (bin != last) {
      if (run > 0) atomicAdd(&of_image[last], run);
      last = bin;
      run = 0;
    }
    run += 1;
  }
  if (run > 0) atomicAdd(&of_image[last], run);
}

// --- Values from histograms ---

// The team of threshold_multiotsu.hpp: a block of kThreads. `slot` is in shared memory.
struct BlockTeam {
  float* rows;
  std::int64_t row_length;
  long long* slot;
#if defined(__CUDA_ARCH__) || defined(RM_EMULATE)
#define RM_DEVICE_BODY(...) __VA_ARGS__
#else
#define RM_DEVICE_BODY(...)
#endif
  template <class F>
  RM_HOST_DEVICE void once([[maybe_unused]] const F& f) const {
    RM_DEVICE_BODY(if (threadIdx.x == 0) f(); __syncthreads();)
  }
  template <class F>
  RM_HOST_DEVICE void each([[maybe_unused]] std::int64_t count, [[maybe_unused]] const F& f) const {
    RM_DEVICE_BODY(for (std::int64_t i = threadIdx.x; i < count; i += kThreads) f(i); __syncthreads();)
  }
  template <class F>
  RM_HOST_DEVICE std::int64_t first(std::int64_t count, [[maybe_unused]] const F& f) const {
    RM_DEVICE_BODY(if (threadIdx.x == 0)* slot = count; __syncthreads();
                   for (std::int64_t i = threadIdx.x; i < count; i += kThreads) if (f(i)) {
                     atomicMin(slot, static_cast<long long>(i));
                     break;
                   } __syncthreads();
                   count = *slot; __syncthreads();)
    return count;
  }
  RM_HOST_DEVICE float* row() const {
    RM_DEVICE_BODY(return rows + threadIdx.x * row_length;)
    return rows;
  }
#undef RM_DEVICE_BODY
};

// What is asked of each image, with scratch for each.
struct Request {
  ThresholdMethod method;
  int classes;  // 0 unless multiotsu
  std::int64_t bins;
  double* scratch;         // kThresholdScratch · bins of each image
  float* team;             // team_size() of each image
  std::int64_t team_bins;  // that multiotsu works on; images with more are refused

  __host__ __device__ std::int64_t row_length() const { return classes > 3 ? multiotsu_rows(team_bins) : 0; }
  __host__ __device__ std::int64_t team_size() const { return multiotsu_scratch(team_bins) + kThreads * row_length(); }
};

// Reads the value or the values of image i off its bins [begin, end), with all threads of a block.
template <class Centers>
__device__ void read_histogram(const Request& request, std::int64_t i, const Key* counts, std::int64_t begin,
                               std::int64_t end, const Centers& centers, std::int32_t* statuses, double* values) {
  __shared__ long long slot;
  const std::int64_t* const of_image = reinterpret_cast<const std::int64_t*>(counts + i * request.bins) + begin;
  const std::int64_t bins = end - begin;
  if (request.classes == 0) {
    if (threadIdx.x != 0) return;
    double* const scratch = request.scratch + i * kThresholdScratch * request.bins;
    const ThresholdResult result = histogram_threshold(request.method, of_image, bins, centers, scratch);
    values[i] = result.value;
    statuses[i] = static_cast<std::int32_t>(result.status);
    return;
  }
  ThresholdStatus status = ThresholdStatus::too_many_steps;
  if (multiotsu_steps(bins, request.classes) <= kMaxMultiotsuSteps) {
    float* const scratch = request.team + i * request.team_size();
    const BlockTeam team = {scratch + multiotsu_scratch(request.team_bins), request.row_length(), &slot};
    status = multiotsu_thresholds(team, of_image, bins, centers, request.classes, scratch,
                                  values + i * (request.classes - 1));
  }
  if (threadIdx.x == 0) statuses[i] = static_cast<std::int32_t>(status);
}

// Of integers, one block per image: bin 0 is the smallest value of the type or, where there are `ranges`, of the image.
__global__ void read_integers_kernel(Request request, IntegerCenters of_type, const Key* ranges, const Key* counts,
                                     std::int32_t* statuses, double* values) {
  __shared__ long long begin, end;
  const std::int64_t i = blockIdx.x;
  if (statuses[i] != kPending) return;
  if (threadIdx.x == 0) begin = request.bins, end = 0;
  __syncthreads();  // and after all have read the status, which thread 0 writes
  const Key* const of_image = counts + i * request.bins;
  for (std::int64_t k = threadIdx.x; k < request.bins; k += kThreads) {
    if (of_image[k] == 0) continue;
    atomicMin(&begin, static_cast<long long>(k));
    atomicMax(&end, static_cast<long long>(k + 1));
  }
  __syncthreads();
  IntegerCenters centers = of_type;
  if (ranges != nullptr) centers.origin = origin_from_key(ranges[2 * i], of_type.is_signed);
  centers.origin += static_cast<std::uint64_t>(begin);
  read_histogram(request, i, counts, begin, end, centers, statuses, values);
}

// Of floats that are widened to F, one block per image.
template <class F>
__global__ void read_floats_kernel(Request request, const Key* ranges, const Key* counts, std::int32_t* statuses,
                                   double* values) {
  const std::int64_t i = blockIdx.x;
  if (statuses[i] != kPending) return;
  __syncthreads();  // thread 0 writes the status when it has the value
  const F smallest = float_from_key<F>(ranges[2 * i]), largest = float_from_key<F>(ranges[2 * i + 1]);
  const FloatCenters<F> centers{FloatBins<F>::between(smallest, largest)};
  read_histogram(request, i, counts, 0, request.bins, centers, statuses, values);
}

}  // namespace
}  // namespace rapidmask::cuda
