// Global threshold values on a CUDA device: the whole batch in a few launches, the twin of
// cpp/src/threshold_values.cpp.
//
// range (floats, and integers of 32 and 64 bits) → histogram → one block per image that reads the value off it. mean
// and li on floats add chunks in the contract's fixed shape instead, li until no image moves.
#include "port.cuh"
#include "rapidmask/threshold_values.hpp"

#include <algorithm>
#include <type_traits>
#include <vector>

#include "threshold_sums.cuh"
#include "threshold_values.cuh"

namespace rapidmask::cuda {
namespace {

constexpr std::int64_t kGroupBytes = std::int64_t{1} << 30;  // scratch for the histograms of a group of images
constexpr int kLiIterations = 8;                             // passes between two looks at the result
constexpr std::int64_t kToleranceBlocks = 128;               // each with a grid of kLiCells

template <class T>
T* filled(const Context& context, std::int64_t count, int byte) {
  T* const memory = context.scratch<T>(count);
  check(cudaMemsetAsync(memory, byte, static_cast<std::size_t>(count) * sizeof(T), context.stream), "cudaMemsetAsync");
  return memory;
}

std::int64_t grid_of(std::int64_t items) { return (items + kThreads - 1) / kThreads; }

std::int64_t parts_of(std::int64_t size) { return (size + kPixelsPerBlock - 1) / kPixelsPerBlock; }

template <class T>
Key* image_ranges(const Context& context, View<const T> image) {
  Key* const ranges = context.scratch<Key>(2 * image.n);
  RM_LAUNCH(start_ranges_kernel, grid_of(image.n), kThreads, 0, context.stream, image.n, ranges);
  const std::int64_t parts = parts_of(image.image_size());
  RM_LAUNCH(reduce_range_kernel<T>, image.n * parts, kThreads, 0, context.stream, image, parts, ranges);
  return ranges;
}

// Counts and reads the histograms of all images, in groups that bound the scratch. `values` per image: one, or
// classes − 1.
template <class T>
void read_histograms(const Context& context, ThresholdMethod method, int classes, View<const T> image,
                     const Key* ranges, std::int64_t bins, std::int32_t* statuses, double* values) {
  Request request = {method, classes, bins, nullptr, nullptr, 0};
  if (classes != 0) request.team_bins = most_multiotsu_bins(bins, classes);
  const std::int64_t bytes =
      bins * 8 + (classes == 0 ? kThresholdScratch * bins * 8 : request.team_size() * std::int64_t{sizeof(float)});
  const std::int64_t group = std::clamp(kGroupBytes / bytes, std::int64_t{1}, image.n);
  Key* const counts = context.scratch<Key>(group * bins);
  if (classes == 0) request.scratch = context.scratch<double>(group * kThresholdScratch * bins);
  if (classes != 0) request.team = context.scratch<float>(group * request.team_size());
  const std::int64_t parts = parts_of(image.image_size());
  for (std::int64_t begin = 0; begin < image.n; begin += group) {
    const std::int64_t n = std::min(group, image.n - begin);
    const View<const T> some = {image.image(begin), n, image.h, image.w};
    const Key* const some_ranges = ranges != nullptr ? ranges + 2 * begin : nullptr;
    const std::size_t counts_bytes = static_cast<std::size_t>(n * bins) * sizeof(Key);
    check(cudaMemsetAsync(counts, 0, counts_bytes, context.stream), "cudaMemsetAsync");
    if constexpr (std::is_integral_v<T> && sizeof(T) > 1) {
      RM_LAUNCH(count_global_kernel<T>, n * parts, kThreads, 0, context.stream, some, parts, some_ranges, bins, counts);
    } else {
      RM_LAUNCH(count_shared_kernel<T>, n * parts, kThreads, 0, context.stream, some, parts, some_ranges,
                statuses + begin, counts);
    }
    double* const some_values = values + begin * (classes == 0 ? 1 : classes - 1);
    if constexpr (std::is_integral_v<T>) {
      const IntegerCenters of_type{kTypeOrigin<T>, std::is_signed_v<T>};
      RM_LAUNCH(read_integers_kernel, n, kThreads, 0, context.stream, request, of_type, some_ranges, counts,
                statuses + begin, some_values);
    } else {
      RM_LAUNCH(read_floats_kernel<WidenedType<T>>, n, kThreads, 0, context.stream, request, some_ranges, counts,
                statuses + begin, some_values);
    }
  }
}

// Throws for integers of 32 and 64 bits that span too many values.
template <class T>
void threshold_integers(const Context& context, const char* function, ThresholdMethod method, int classes,
                        View<const T> image, std::int32_t* statuses, double* values) {
  if (classes == 0 && method == ThresholdMethod::mean) {
    Key* const totals = filled<Key>(context, 2 * image.n, 0);
    const std::int64_t parts = parts_of(image.image_size());
    RM_LAUNCH(sum_integers_kernel<T>, image.n * parts, kThreads, 0, context.stream, image, parts, totals);
    RM_LAUNCH(divide_sums_kernel, (image.n + kThreads - 1) / kThreads, kThreads, 0, context.stream, image.n,
              image.image_size(), totals, values);
    check(cudaMemsetAsync(statuses, 0, static_cast<std::size_t>(image.n) * 4, context.stream), "cudaMemsetAsync");
  } else if constexpr (sizeof(T) <= 2) {
    read_histograms(context, method, classes, image, nullptr, std::int64_t{1} << (8 * sizeof(T)), statuses, values);
  } else {
    const Key* const ranges = image_ranges(context, image);
    const std::vector<Key> keys = context.to_host(ranges, 2 * image.n);
    Key widest = 0;
    std::vector<ThresholdStatus> known(static_cast<std::size_t>(image.n), ThresholdStatus::found);
    for (std::size_t i = 0; i < known.size(); ++i) {
      const Key range = keys[2 * i + 1] - keys[2 * i];
      if (range >= static_cast<Key>(kMaxIntegerBins)) known[i] = ThresholdStatus::too_many_bins;
      widest = std::max(widest, range);
    }
    check_threshold_statuses(function, known);
    read_histograms(context, method, classes, image, ranges, static_cast<std::int64_t>(widest) + 1, statuses, values);
  }
}

template <class T>
void threshold_floats(const Context& context, ThresholdMethod method, int classes, View<const T> image,
                      std::int32_t* statuses, double* values) {
  using F = WidenedType<T>;
  const bool mean = classes == 0 && method == ThresholdMethod::mean;
  const bool li = classes == 0 && method == ThresholdMethod::li;
  const Key* const ranges = image_ranges(context, image);
  RM_LAUNCH(check_range_kernel<F>, (image.n + kThreads - 1) / kThreads, kThreads, 0, context.stream, image.n, ranges,
            !mean, !mean && !li, classes == 0 && answers_constant_floats(method), statuses, values);
  if (!mean && !li) {
    return read_histograms(context, method, classes, image, ranges, kFloatBins, statuses, values);
  }
  const std::int64_t chunks = (image.image_size() + kSumChunk - 1) / kSumChunk;
  double* const partial = context.scratch<double>(image.n * chunks * 3);
  LiState* states = nullptr;
  if (li) {
    states = context.scratch<LiState>(image.n);
    const std::int64_t blocks = std::min(image.n, kToleranceBlocks);
    Key* const grids = context.scratch<Key>(blocks * kLiCells);
    RM_LAUNCH(find_tolerance_kernel<T>, blocks, kToleranceThreads, 0, context.stream, image, ranges, statuses, grids,
              states);
  }
  for (bool pending = true; pending;) {
    for (int iteration = 0; iteration < (li ? kLiIterations : 1); ++iteration) {
      RM_LAUNCH(sum_chunks_kernel<T>, image.n * chunks, kSumThreads, 0, context.stream, image, chunks, ranges, statuses,
                states, partial);
      RM_LAUNCH(add_chunks_kernel<F>, image.n, kSumThreads, 0, context.stream, image.image_size(), chunks, ranges,
                partial, states, statuses, values);
    }
    pending = false;
    if (li) {
      for (const std::int32_t status : context.to_host(statuses, image.n)) pending = pending || status == kPending;
    }
  }
}

void threshold_batch(const Context& context, const char* function, ThresholdMethod method, int classes,
                     const Image& image, bool checks, double* values) {
  check_threshold_image(function, image);
  if (image.n == 0) return;
  std::int32_t* const statuses = filled<std::int32_t>(context, image.n, 0xff);  // kPending
  visit_dtype(image.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    if constexpr (std::is_integral_v<T>) {
      threshold_integers(context, function, method, classes, image.as<T>(), statuses, values);
    } else {
      threshold_floats(context, method, classes, image.as<T>(), statuses, values);
    }
  });
  if (!checks) {
    const std::int64_t each = classes == 0 ? 1 : classes - 1;
    RM_LAUNCH(blank_values_kernel, grid_of(image.n * each), kThreads, 0, context.stream, image.n, each, statuses,
              values);
    return;
  }
  std::vector<ThresholdStatus> found;
  for (const std::int32_t status : context.to_host(statuses, image.n)) {
    found.push_back(static_cast<ThresholdStatus>(status));
  }
  check_threshold_statuses(function, found, classes);
}

}  // namespace

void threshold_value(const Context& context, ThresholdMethod method, const Image& image, bool checks, double* values) {
  threshold_batch(context, threshold_function(method), method, 0, image, checks, values);
}

void threshold_multiotsu(const Context& context, const Image& image, int classes, bool checks, double* values) {
  check_threshold_classes(classes);
  threshold_batch(context, "threshold_multiotsu", ThresholdMethod::otsu, classes, image, checks, values);
}

}  // namespace rapidmask::cuda
