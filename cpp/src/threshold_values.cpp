// Global threshold values on the CPU: range, histogram, and the methods of the contract.
//
// Batches are split over images; images of 4 megapixels and more, when there are fewer than twice as many as threads,
// over parts with a histogram each. Counts are integers and sums of floats have a fixed shape, so the split changes no
// bit.
#include "rapidmask/threshold_values.hpp"

#include <algorithm>
#include <limits>
#include <memory>
#include <mutex>
#include <type_traits>
#include <utility>
#include <vector>

#include "isa/histogram_rows.hpp"
#include "parallel.hpp"

namespace rapidmask::cpu {
namespace {

constexpr std::int64_t kLargeImage = std::int64_t{1} << 22;
constexpr std::int64_t kPart = std::int64_t{1} << 20;   // pixels, some 250 µs
constexpr std::int64_t kGrain = std::int64_t{1} << 17;  // pixels of small images that a thread takes at once

// Calls body(begin, end) on ranges of [0, count) whose begins are multiples of kPart.
template <class Body>
void for_parts(std::int64_t count, bool parallel, const Body& body) {
  if (!parallel) return body(std::int64_t{0}, count);
  parallel_for((count + kPart - 1) / kPart, 2,
               [&](std::int64_t begin, std::int64_t end) { body(begin * kPart, std::min(end * kPart, count)); });
}

using Counts = std::vector<std::int64_t>;

// A histogram that parts of an image are added to.
struct SharedCounts {
  Counts counts;
  std::mutex mutex;

  explicit SharedCounts(std::int64_t bins) : counts(static_cast<std::size_t>(bins)) {}
  template <class Count>
  void add(const Count* part) {
    const std::lock_guard lock(mutex);
    for (std::size_t k = 0; k < counts.size(); ++k) counts[k] += static_cast<std::int64_t>(part[k]);
  }
};

// --- Histograms ---

Counts byte_counts(const std::uint8_t* pixels, std::int64_t count, bool parallel) {
  SharedCounts shared(256);
  for_parts(count, parallel, [&](std::int64_t begin, std::int64_t end) {
    const std::unique_ptr<std::uint32_t[]> pairs(new std::uint32_t[65536]);
    std::int64_t counts[256] = {};
    histogram_rows().count_bytes(pixels + begin, end - begin, counts, pairs.get());
    shared.add(counts);
  });
  return std::move(shared.counts);
}

// Four streams take turns and plateaus are counted at once, for the reason given in isa/histogram_rows.cpp.
template <class T>
void count_integers(const T* pixels, std::int64_t count, std::uint64_t origin, std::uint32_t* counts) {
  constexpr int kStreams = 4, kRun = 4;
  const auto bin = [&](T x) { return static_cast<std::uint64_t>(x) - origin; };
  const std::int64_t length = count / kStreams / kRun * kRun;
  for (std::int64_t i = 0; i < length; i += kRun) {
    bool plateau = true;
    for (int s = 0; s < kStreams; ++s)
      for (int j = 0; j < kRun; ++j) plateau &= pixels[s * length + i + j] == pixels[i];
    if (plateau) {
      counts[bin(pixels[i])] += kStreams * kRun;
      continue;
    }
    for (int j = 0; j < kRun; ++j)
      for (int s = 0; s < kStreams; ++s) counts[bin(pixels[s * length + i + j])] += 1;
  }
  for (std::int64_t i = kStreams * length; i < count; ++i) counts[bin(pixels[i])] += 1;
}

template <class T>
Counts integer_counts(const T* pixels, std::int64_t count, std::uint64_t origin, std::int64_t bins, bool parallel) {
  constexpr std::int64_t kCounted = std::int64_t{1} << 31;  // pixels that 32-bit counters hold
  SharedCounts shared(bins);
  for_parts(count, parallel && bins <= kPart, [&](std::int64_t begin, std::int64_t end) {
    for (; begin < end; begin += kCounted) {
      std::vector<std::uint32_t> counts(static_cast<std::size_t>(bins));
      const std::int64_t length = std::min(end - begin, kCounted);
      if constexpr (sizeof(T) == 2) {
        constexpr std::uint16_t kFlip = std::is_signed_v<T> ? 0x8000 : 0;
        histogram_rows().count_shorts(reinterpret_cast<const std::uint16_t*>(pixels) + begin, length, kFlip,
                                      counts.data());
      } else {
        count_integers(pixels + begin, length, origin, counts.data());
      }
      shared.add(counts.data());
    }
  });
  return std::move(shared.counts);
}

template <class T, class F>
Counts float_counts(const T* pixels, std::int64_t count, const FloatBins<F>& edges, bool parallel) {
  constexpr std::int64_t kBuffer = 8192;
  SharedCounts shared(kFloatBins);
  for_parts(count, parallel, [&](std::int64_t begin, std::int64_t end) {
    std::uint8_t bins[kBuffer];
    std::int64_t counts[kFloatBins] = {};
    for (; begin < end; begin += kBuffer) {
      const std::int64_t length = std::min(end - begin, kBuffer);
      histogram_rows().of(T{}).bins(pixels + begin, length, edges, bins);
      histogram_rows().count_bytes(bins, length, counts, nullptr);
    }
    shared.add(counts);
  });
  return std::move(shared.counts);
}

// --- Ranges and sums ---

template <class T>
void integer_range(const T* pixels, std::int64_t count, bool parallel, T& smallest, T& largest) {
  constexpr std::int64_t kLanes = 16;
  std::mutex mutex;
  smallest = largest = pixels[0];
  for_parts(count, parallel, [&](std::int64_t begin, std::int64_t end) {
    T low[kLanes], high[kLanes];
    std::fill_n(low, kLanes, pixels[begin]);
    std::fill_n(high, kLanes, pixels[begin]);
    std::int64_t i = begin;
    for (; i + kLanes <= end; i += kLanes) {
      for (std::int64_t j = 0; j < kLanes; ++j) {
        low[j] = std::min(low[j], pixels[i + j]);
        high[j] = std::max(high[j], pixels[i + j]);
      }
    }
    for (; i < end; ++i) low[0] = std::min(low[0], pixels[i]), high[0] = std::max(high[0], pixels[i]);
    const std::lock_guard lock(mutex);
    smallest = std::min(smallest, *std::min_element(low, low + kLanes));
    largest = std::max(largest, *std::max_element(high, high + kLanes));
  });
}

template <class T, class F>
bool float_range(const T* pixels, std::int64_t count, bool parallel, F& smallest, F& largest) {
  std::mutex mutex;
  bool finite = true;
  smallest = largest = widen(pixels[0]);
  for_parts(count, parallel, [&](std::int64_t begin, std::int64_t end) {
    F low, high;
    const bool part_is_finite = histogram_rows().of(T{}).range(pixels + begin, end - begin, &low, &high);
    const std::lock_guard lock(mutex);
    finite = finite && part_is_finite;
    smallest = std::min(smallest, low);
    largest = std::max(largest, high);
  });
  return finite;
}

template <class T>
double integer_mean(const T* pixels, std::int64_t count, bool parallel) {
  std::mutex mutex;
  IntegerSum total = {0, 0};
  for_parts(count, parallel, [&](std::int64_t begin, std::int64_t end) {
    const IntegerSum sum = histogram_rows().sum(pixels + begin, end - begin);
    const std::lock_guard lock(mutex);
    total.high += sum.high;
    total.low += sum.low;
  });
  return total.mean(count);
}

// Calls of_chunk(begin, length) for each chunk of an image and sums the K doubles that it returns, in the fixed shape.
template <int K, class OfChunk>
void sum_chunks(std::int64_t count, bool parallel, double* sums, const OfChunk& of_chunk) {
  std::vector<double> partial(static_cast<std::size_t>((count + kSumChunk - 1) / kSumChunk * K));
  for_parts(count, parallel, [&](std::int64_t begin, std::int64_t end) {
    for (; begin < end; begin += kSumChunk)
      of_chunk(begin, std::min(end - begin, kSumChunk), partial.data() + begin / kSumChunk * K);
  });
  for (int k = 0; k < K; ++k) sums[k] = fixed_sum(partial.data() + k, static_cast<std::int64_t>(partial.size()) / K, K);
}

// Half the smallest difference between distinct pixels, or what the contract puts in its place.
template <class T, class F>
double li_tolerance(const T* pixels, std::int64_t count, F smallest, F largest) {
  const F range = largest - smallest, empty = -1;
  std::vector<F> cells(static_cast<std::size_t>(kLiCells), empty);
  for (std::int64_t i = 0; i < count; ++i) {
    const F shifted = widen(pixels[i]) - smallest;
    F& cell = cells[static_cast<std::size_t>(li_cell(shifted, range))];
    if (cell != empty && cell != shifted) return li_tolerance_of_dense_values(static_cast<double>(range));
    cell = shifted;
  }
  F before = 0, gap = range;
  for (const F cell : cells) {
    if (cell == empty || cell == F{0}) continue;
    gap = std::min(gap, cell - before);
    before = cell;
  }
  return static_cast<double>(gap) / 2;
}

template <class T, class F>
double float_li(const T* pixels, std::int64_t count, F smallest, F largest, bool parallel) {
  LiState state = li_begin(li_tolerance(pixels, count, smallest, largest));
  while (state.done == 0) {
    double sums[3];
    sum_chunks<3>(count, parallel, sums, [&](std::int64_t begin, std::int64_t length, double* out) {
      const SplitSums split = histogram_rows().of(T{}).split(pixels + begin, length, smallest, state.current);
      out[0] = split.above, out[1] = split.below, out[2] = split.count_above;
    });
    li_advance(state, {sums[0], sums[1], sums[2]}, static_cast<double>(count));
  }
  return state.next + static_cast<double>(smallest);
}

// --- One image ---

// What is asked of an image: called with its histogram, or answered without one.
struct Request {
  ThresholdMethod method;
  int classes;  // 0 unless multiotsu
  double* values;

  template <class Centers>
  ThresholdStatus read(const std::int64_t* counts, std::int64_t bins, Centers center) const;
};

// A team of one thread, for threshold_multiotsu.hpp.
struct OneThread {
  float* scratch;
  template <class F>
  void once(const F& f) const {
    f();
  }
  template <class F>
  void each(std::int64_t count, const F& f) const {
    for (std::int64_t i = 0; i < count; ++i) f(i);
  }
  template <class F>
  std::int64_t first(std::int64_t count, const F& f) const {
    std::int64_t i = 0;
    while (i < count && !f(i)) ++i;
    return i;
  }
  float* row() const { return scratch; }
};

template <class Centers>
ThresholdStatus Request::read(const std::int64_t* counts, std::int64_t bins, Centers center) const {
  if (classes == 0) {
    const std::unique_ptr<double[]> scratch(new double[static_cast<std::size_t>(kThresholdScratch * bins)]);
    const ThresholdResult result = histogram_threshold(method, counts, bins, center, scratch.get());
    *values = result.value;
    return result.status;
  }
  if (multiotsu_steps(bins, classes) > kMaxMultiotsuSteps) return ThresholdStatus::too_many_steps;
  std::vector<float> scratch(static_cast<std::size_t>(multiotsu_scratch(bins) + multiotsu_rows(bins)));
  const OneThread team = {scratch.data() + multiotsu_scratch(bins)};
  return multiotsu_thresholds(team, counts, bins, center, classes, scratch.data(), values);
}

template <class T>
ThresholdStatus integer_threshold(const Request& request, const T* pixels, std::int64_t count, bool parallel) {
  if (request.classes == 0 && request.method == ThresholdMethod::mean) {
    *request.values = integer_mean(pixels, count, parallel);
    return ThresholdStatus::found;
  }
  constexpr bool kSigned = std::is_signed_v<T>;
  T smallest = std::numeric_limits<T>::min(), largest = std::numeric_limits<T>::max();
  if constexpr (sizeof(T) > 2) integer_range(pixels, count, parallel, smallest, largest);
  const std::uint64_t origin = static_cast<std::uint64_t>(smallest);
  const std::uint64_t range = static_cast<std::uint64_t>(largest) - origin;
  if (range >= static_cast<std::uint64_t>(kMaxIntegerBins)) return ThresholdStatus::too_many_bins;
  Counts counts;
  if constexpr (sizeof(T) == 1) {
    counts = byte_counts(reinterpret_cast<const std::uint8_t*>(pixels), count, parallel);
    if (kSigned) std::rotate(counts.begin(), counts.begin() + 128, counts.end());
  } else {
    counts = integer_counts(pixels, count, origin, static_cast<std::int64_t>(range) + 1, parallel);
  }
  const auto occupied = [](std::int64_t n) { return n > 0; };
  const std::int64_t begin = std::find_if(counts.begin(), counts.end(), occupied) - counts.begin();
  const std::int64_t end = counts.rend() - std::find_if(counts.rbegin(), counts.rend(), occupied);
  return request.read(counts.data() + begin, end - begin,
                      IntegerCenters{origin + static_cast<std::uint64_t>(begin), kSigned});
}

template <class T>
ThresholdStatus float_threshold(const Request& request, const T* pixels, std::int64_t count, bool parallel) {
  using F = WidenedType<T>;
  const bool mean = request.classes == 0 && request.method == ThresholdMethod::mean;
  const bool li = request.classes == 0 && request.method == ThresholdMethod::li;
  F smallest, largest;
  if (mean) {
    double sum;
    sum_chunks<1>(count, parallel, &sum, [&](std::int64_t begin, std::int64_t length, double* out) {
      *out = histogram_rows().of(T{}).sum(pixels + begin, length);
    });
    *request.values = sum / static_cast<double>(count);
    // A sum of finite pixels may overflow, too.
    const bool finite = is_finite(sum) || float_range(pixels, count, parallel, smallest, largest);
    return finite ? ThresholdStatus::found : ThresholdStatus::not_finite;
  }
  if (!float_range(pixels, count, parallel, smallest, largest)) return ThresholdStatus::not_finite;
  if (smallest == largest && request.classes == 0 && answers_constant_floats(request.method)) {
    *request.values = static_cast<double>(smallest);
    return ThresholdStatus::found;
  }
  const ThresholdStatus status = check_float_range(smallest, largest, true, !li);
  if (status != ThresholdStatus::found) return status;
  if (li) {
    *request.values = float_li(pixels, count, smallest, largest, parallel);
    return ThresholdStatus::found;
  }
  const FloatBins<F> edges = FloatBins<F>::between(smallest, largest);
  const Counts counts = float_counts(pixels, count, edges, parallel);
  return request.read(counts.data(), kFloatBins, FloatCenters<F>{edges});
}

// --- A batch ---

void threshold_batch(const char* function, ThresholdMethod method, int classes, const Image& image, bool checks,
                     double* values) {
  check_threshold_image(function, image);
  std::vector<ThresholdStatus> statuses(static_cast<std::size_t>(image.n), ThresholdStatus::found);
  visit_dtype(image.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    const View<const T> view = image.as<T>();
    const auto threshold = [&](std::int64_t i, bool parallel) {
      const Request request = {method, classes, values + i * (classes == 0 ? 1 : classes - 1)};
      ThresholdStatus& status = statuses[static_cast<std::size_t>(i)];
      if constexpr (std::is_integral_v<T>) {
        status = integer_threshold(request, view.image(i), view.image_size(), parallel);
      } else {
        status = float_threshold(request, view.image(i), view.image_size(), parallel);
      }
    };
    if (view.image_size() >= kLargeImage && view.n < 2 * get_num_threads()) {
      for (std::int64_t i = 0; i < view.n; ++i) threshold(i, true);
    } else {
      parallel_for(view.n, std::max(std::int64_t{1}, kGrain / std::max(std::int64_t{1}, view.image_size())),
                   [&](std::int64_t begin, std::int64_t end) {
                     for (std::int64_t i = begin; i < end; ++i) threshold(i, false);
                   });
    }
  });
  if (checks) return check_threshold_statuses(function, statuses, classes);
  const std::size_t each = classes == 0 ? 1 : static_cast<std::size_t>(classes - 1);
  for (std::size_t i = 0; i < statuses.size(); ++i) {
    if (statuses[i] == ThresholdStatus::found) continue;
    if (!is_floating(image.dtype) && statuses[i] == ThresholdStatus::too_many_bins) {
      return check_threshold_statuses(function, statuses, classes);
    }
    std::fill_n(values + i * each, each, no_threshold());
  }
}

}  // namespace

void threshold_value(const Context&, ThresholdMethod method, const Image& image, bool checks, double* values) {
  threshold_batch(threshold_function(method), method, 0, image, checks, values);
}

void threshold_multiotsu(const Context&, const Image& image, int classes, bool checks, double* values) {
  check_threshold_classes(classes);
  threshold_batch("threshold_multiotsu", ThresholdMethod::otsu, classes, image, checks, values);
}

}  // namespace rapidmask::cpu
