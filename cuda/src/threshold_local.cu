// Local thresholds on a CUDA device.
//
// Windows are filtered along the rows into float64 scratch by one launch, and over the rows by a second one, which also
// writes the surface or decides the mask. One thread computes one pixel, in the order of summation of local_window.hpp,
// so a window costs h + w additions, read from cache. The median is selected bit by bit in a launch of its own, and the
// mean of 8-bit images is decided from integer column sums in shared memory without any scratch.

#include "rapidmask/threshold_local.hpp"

#include <algorithm>

#include "port.cuh"
#include "rapidmask/threshold.hpp"

namespace rapidmask::cuda {
namespace {

constexpr int kThreads = 256;
constexpr std::int64_t kMaxSharedWindow = 8192;  // its column sums fit in 48 KiB of shared memory

template <class T>
__device__ __forceinline__ double widen(T value) {
  if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) {
    return static_cast<double>(to_float(value));
  } else {
    return static_cast<double>(value);
  }
}

// Threads go over rows that are padded to whole words, so that a warp holds 32 pixels of one row.
struct Pixel {
  std::int64_t row, x;  // row of the batch
  bool inside;
};

__device__ __forceinline__ Pixel this_pixel(std::int64_t rows, std::int64_t w) {
  const std::int64_t padded = (w + 63) / 64 * 64;
  const std::int64_t thread = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  const std::int64_t row = thread / padded;
  const std::int64_t x = thread - row * padded;
  return {row, x, row < rows && x < w};
}

std::int64_t blocks_of(const Image& image) {
  return (image.n * image.h * ((image.w + 63) / 64 * 64) + kThreads - 1) / kThreads;
}

// The sum of get(0) … get(count - 1), count odd, as local_window.hpp orders it. Runs of eight are summed in registers;
// the longer ones grow like the digits of a binary counter.
template <class Get>
__device__ __forceinline__ double window_sum(std::int64_t count, const Get& get) {
  double runs[24];  // of 8 << k values
  std::int64_t at = 0;
  for (; at + 8 <= count; at += 8) {
    double run = ((get(at) + get(at + 1)) + (get(at + 2) + get(at + 3))) +
                 ((get(at + 4) + get(at + 5)) + (get(at + 6) + get(at + 7)));
    int k = 0;
    for (std::int64_t digits = at / 8; digits % 2 == 1; digits /= 2) run = runs[k++] + run;
    runs[k] = run;
  }
  double total = get(count - 1);
  if ((count & 2) != 0) total = (get(count - 3) + get(count - 2)) + total;
  if ((count & 4) != 0) total = ((get(at) + get(at + 1)) + (get(at + 2) + get(at + 3))) + total;
  int k = 0;
  for (std::int64_t digits = count / 8; digits > 0; digits /= 2, ++k) {
    if (digits % 2 == 1) total = runs[k] + total;
  }
  return total;
}

// get(0) weights[0] + Σ (get(-d) + get(d)) weights[d], from the farthest d to the nearest.
template <class Get>
__device__ __forceinline__ double weighted_sum(std::int64_t radius, const double* weights, const Get& get) {
  double total = get(0) * weights[0];
  for (std::int64_t d = radius; d >= 1; --d) total += (get(-d) + get(d)) * weights[d];
  return total;
}

// What a pass over one axis computes: plain sums of `size` values, or weighted ones when there are weights.
struct Axis {
  std::int64_t size;
  const double* weights;  // size / 2 + 1 of them, or null
};

template <class Get>
__device__ __forceinline__ double filter(const Axis& axis, const Get& around) {
  const std::int64_t half = axis.size / 2;
  if (axis.weights != nullptr) return weighted_sum(half, axis.weights, around);
  return window_sum(axis.size, [&](std::int64_t i) { return around(i - half); });
}

// `squares` is null unless sums of squares are wanted.
template <class T>
__global__ void filter_rows_kernel(View<const T> image, Axis axis, Reflection reflection, double* sums,
                                   double* squares) {
  const Pixel pixel = this_pixel(image.n * image.h, image.w);
  if (!pixel.inside) return;
  const T* row = image.data + pixel.row * image.w;
  const std::int64_t at = pixel.row * image.w + pixel.x;
  const int powers = squares == nullptr ? 1 : 2;
  for (int power = 1; power <= powers; ++power) {  // one body of code, to compile in half the time
    (power == 1 ? sums : squares)[at] = filter(axis, [&](std::int64_t d) {
      const double value = widen(row[reflected_index(pixel.x + d, image.w, reflection)]);
      return power == 1 ? value : value * value;
    });
  }
}

// The filter over the rows of `sums` at a pixel.
__device__ __forceinline__ double filter_column(const double* sums, std::int64_t h, std::int64_t w, const Pixel& pixel,
                                                const Axis& axis, Reflection reflection) {
  const std::int64_t y = pixel.row % h;
  const double* column = sums + (pixel.row - y) * w + pixel.x;
  return filter(axis, [&](std::int64_t d) { return column[reflected_index(y + d, h, reflection) * w]; });
}

__device__ __forceinline__ void store_surface(void* surface, bool single, std::int64_t at, double value) {
  if (single) {
    static_cast<float*>(surface)[at] = static_cast<float>(value);
  } else {
    static_cast<double*>(surface)[at] = value;
  }
}

// Which formula turns sums into a surface, and its parameters.
enum class Formula : std::uint8_t { weighted, mean, niblack, sauvola };
struct Rule {
  Formula formula;
  double area, offset, k, r;
};

__device__ __forceinline__ double apply(const Rule& rule, double sum, double squares) {
  switch (rule.formula) {
    case Formula::weighted: return sum - rule.offset;
    case Formula::mean: return mean_surface(sum, rule.area, rule.offset);
    case Formula::niblack: return niblack_surface(sum, squares, rule.area, rule.k);
    case Formula::sauvola: break;
  }
  return sauvola_surface(sum, squares, rule.area, rule.k, rule.r);
}

__global__ void write_surface_kernel(const double* sums, const double* squares, std::int64_t n, std::int64_t h,
                                     std::int64_t w, Axis axis, Reflection reflection, Rule rule, bool single,
                                     void* surface) {
  const Pixel pixel = this_pixel(n * h, w);
  if (!pixel.inside) return;
  const double sum = filter_column(sums, h, w, pixel, axis, reflection);
  const double square = squares == nullptr ? 0.0 : filter_column(squares, h, w, pixel, axis, reflection);
  store_surface(surface, single, pixel.row * w + pixel.x, apply(rule, sum, square));
}

// Where masks go; either may be null.
struct Masks {
  std::uint8_t* bytes;
  std::uint32_t* words;  // the halves of the 64-bit words
};

// All lanes of the warp call this.
__device__ __forceinline__ void store_mask(const Masks& masks, const Pixel& pixel, std::int64_t rows, std::int64_t w,
                                           bool foreground) {
  if (masks.bytes != nullptr && pixel.inside) masks.bytes[pixel.row * w + pixel.x] = foreground ? 1 : 0;
  const unsigned bits = __ballot_sync(kFullWarp, foreground && pixel.inside);
  if (masks.words == nullptr || lane_id() != 0 || pixel.row >= rows) return;
  masks.words[(pixel.row * ((w + 63) / 64 * 64) + pixel.x) / 32] = bits;
}

template <class T>
__device__ __forceinline__ bool is_foreground(T pixel, double threshold, bool single, bool strict) {
  return single ? exceeds(pixel, static_cast<float>(threshold), strict) : exceeds(pixel, threshold, strict);
}

__global__ void decide_mask_kernel(Image image, const double* sums, Axis axis, Rule rule, bool single, bool strict,
                                   Masks masks) {
  const std::int64_t rows = image.n * image.h;
  const Pixel pixel = this_pixel(rows, image.w);
  bool foreground = false;
  if (pixel.inside) {
    const double sum = filter_column(sums, image.h, image.w, pixel, axis, Reflection::symmetric);
    const double threshold = apply(rule, sum, 0.0);
    foreground = visit_dtype(image.dtype, [&](auto type) {  // the same for all threads
      const auto* pixels = static_cast<const typename decltype(type)::type*>(image.data);
      return is_foreground(pixels[pixel.row * image.w + pixel.x], threshold, single, strict);
    });
  }
  store_mask(masks, pixel, rows, image.w, foreground);
}

// Unsigned keys that rise with the values.
template <class T>
struct Key {
  using Bits = std::conditional_t<sizeof(T) == 1, std::uint8_t,
                                  std::conditional_t<sizeof(T) == 2, std::uint16_t,
                                                     std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>>>;
  static constexpr int kBits = 8 * sizeof(T);
  static constexpr Bits kSign = static_cast<Bits>(Bits{1} << (kBits - 1));

  static __device__ __forceinline__ Bits of(T value) {
    Bits bits;
    __builtin_memcpy(&bits, &value, sizeof bits);
    if constexpr (std::is_unsigned_v<T>) return bits;
    if constexpr (std::is_integral_v<T>) return static_cast<Bits>(bits ^ kSign);
    return static_cast<Bits>((bits & kSign) != 0 ? ~bits : bits ^ kSign);
  }

  static __device__ __forceinline__ T value(Bits key) {
    Bits bits = key;
    if constexpr (!std::is_unsigned_v<T>) {
      const bool positive = std::is_integral_v<T> || (key & kSign) != 0;
      bits = static_cast<Bits>(positive ? key ^ kSign : ~key);
    }
    T value;
    __builtin_memcpy(&value, &bits, sizeof value);
    return value;
  }
};

// The median of the window: the largest key that at most half of the window lies below, found from its highest bit on.
template <class T>
__device__ double window_median(View<const T> image, const Pixel& pixel, LocalWindow window) {
  using Bits = typename Key<T>::Bits;
  const std::int64_t y = pixel.row % image.h;
  const T* origin = image.data + (pixel.row - y) * image.w;
  std::int64_t nans = 0;
  const auto count_below = [&](Bits key) {
    std::int64_t count = 0;
    for (std::int64_t dy = -(window.h / 2); dy <= window.h / 2; ++dy) {
      const T* row = origin + symmetric_index(y + dy, image.h) * image.w;
      for (std::int64_t dx = -(window.w / 2); dx <= window.w / 2; ++dx) {
        const T value = row[symmetric_index(pixel.x + dx, image.w)];
        const double wide = widen(value);
        nans += wide != wide ? 1 : 0;
        count += Key<T>::of(value) < key ? 1 : 0;
      }
    }
    return count;
  };
  Bits key = 0;
  for (int bit = Key<T>::kBits - 1; bit >= 0; --bit) {
    const Bits candidate = static_cast<Bits>(key | static_cast<Bits>(Bits{1} << bit));
    if (count_below(candidate) <= window.area() / 2) key = candidate;
    if (nans > 0) return static_cast<double>(detail::float_from_bits(0x7fc00000u));
  }
  return widen(Key<T>::value(key)) + 0.0;  // -0 becomes 0
}

// Writes the surface, or decides masks where that is null.
template <class T>
__global__ void median_kernel(View<const T> image, LocalWindow window, double offset, bool single, void* surface,
                              bool strict, Masks masks) {
  const std::int64_t rows = image.n * image.h;
  const Pixel pixel = this_pixel(rows, image.w);
  bool foreground = false;
  if (pixel.inside) {
    const std::int64_t at = pixel.row * image.w + pixel.x;
    const double threshold = window_median(image, pixel, window) - offset;
    if (surface != nullptr) {
      store_surface(surface, single, at, threshold);
    } else {
      foreground = is_foreground(image.data[at], threshold, single, strict);
    }
  }
  store_mask(masks, pixel, rows, image.w, foreground);
}

// A block slides the sums of kThreads columns and of those that their windows reach down a band of rows.
template <class T>
__global__ void decide_integer_mean_kernel(View<const T> image, LocalWindow window, IntegerMeanRule rule,
                                           std::int64_t band_rows, std::int64_t tiles, std::int64_t bands,
                                           Masks masks) {
  RM_DYNAMIC_SHARED(std::int32_t, columns);
  const std::int64_t tile = blockIdx.x % tiles;
  const std::int64_t band = blockIdx.x / tiles % bands;
  const std::int64_t i = blockIdx.x / tiles / bands;
  const T* origin = image.image(i);
  const int count = kThreads + static_cast<int>(window.w) - 1;
  const std::int64_t first = band * band_rows;
  const std::int64_t last = first + band_rows < image.h ? first + band_rows : image.h;
  const std::int64_t left = tile * kThreads - window.w / 2;
  const auto at = [&](std::int64_t y, std::int64_t x) {
    return static_cast<std::int32_t>(origin[symmetric_index(y, image.h) * image.w + x]);
  };
  // Columns beyond the padded row belong to no window.
  const std::int64_t end = image.w + window.w / 2;
  for (int c = static_cast<int>(threadIdx.x); c < count; c += kThreads) {
    std::int32_t sum = 0;
    if (left + c < end) {
      const std::int64_t x = symmetric_index(left + c, image.w);
      for (std::int64_t dy = -(window.h / 2); dy < window.h / 2; ++dy) sum += at(first + dy, x);
    }
    columns[c] = sum;
  }
  for (std::int64_t y = first; y < last; ++y) {
    for (int c = static_cast<int>(threadIdx.x); c < count; c += kThreads) {
      if (left + c >= end) continue;
      const std::int64_t x = symmetric_index(left + c, image.w);
      std::int32_t sum = columns[c] + at(y + window.h / 2, x);
      if (y > first) sum -= at(y - window.h / 2 - 1, x);
      columns[c] = sum;
    }
    __syncthreads();
    const Pixel pixel{i * image.h + y, tile * kThreads + threadIdx.x, tile * kThreads + threadIdx.x < image.w};
    std::int32_t sum = 0;
    for (int c = 0; c < window.w; ++c) sum += columns[threadIdx.x + static_cast<unsigned>(c)];
    bool foreground = false;
    if (pixel.inside) foreground = sum < at(y, pixel.x) * rule.area + rule.bias;
    const std::int64_t warp_x = pixel.x - lane_id();
    const bool in_words = warp_x < (image.w + 63) / 64 * 64;
    const Pixel place{in_words ? pixel.row : image.n * image.h, pixel.x, pixel.inside};
    store_mask(masks, place, image.n * image.h, image.w, foreground);
    __syncthreads();  // the next row changes the columns
  }
}

// Both axes of a window of plain or Gaussian sums.
struct Axes {
  Axis rows, columns;
};

Axes axes_of(const Context& context, LocalWindow window, LocalMethod method) {
  if (method != LocalMethod::gaussian) return {{window.h, nullptr}, {window.w, nullptr}};
  const auto axis = [&](std::int64_t size) {
    const std::vector<double> weights = gaussian_weights(size);
    return Axis{2 * static_cast<std::int64_t>(weights.size()) - 1,
                context.table(weights.data(), static_cast<std::int64_t>(weights.size()))};
  };
  const Axis rows = axis(window.h);
  return {rows, window.h == window.w ? rows : axis(window.w)};
}

// The first launch: sums, and squares if asked for, in scratch.
double* filter_rows(const Context& context, const Image& image, const Axis& axis, Reflection reflection,
                    bool with_squares) {
  double* sums = context.scratch<double>((with_squares ? 2 : 1) * image.size());
  visit_dtype(image.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    RM_LAUNCH(filter_rows_kernel<T>, blocks_of(image), kThreads, 0, context.stream, image.as<T>(), axis, reflection,
              sums, with_squares ? sums + image.size() : nullptr);
  });
  return sums;
}

Rule rule_of(LocalWindow window, LocalMethod method, double offset) {
  const Formula formula = method == LocalMethod::gaussian ? Formula::weighted : Formula::mean;
  return {formula, static_cast<double>(window.area()), offset, 0.0, 1.0};
}

bool is_single(const Image& image) { return surface_dtype(image.dtype) == DType::float32; }

void deviation_surface(const Context& context, const Image& image, LocalWindow window, const Rule& rule,
                       void* surface) {
  if (image.size() == 0) return;
  const Axes axes = axes_of(context, window, LocalMethod::mean);
  const double* sums = filter_rows(context, image, axes.columns, Reflection::mirrored, true);
  RM_LAUNCH(write_surface_kernel, blocks_of(image), kThreads, 0, context.stream, sums, sums + image.size(), image.n,
            image.h, image.w, axes.rows, Reflection::mirrored, rule, is_single(image), surface);
}

void median(const Context& context, const Image& image, LocalWindow window, double offset, void* surface, bool strict,
            const Masks& masks) {
  visit_dtype(image.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    RM_LAUNCH(median_kernel<T>, blocks_of(image), kThreads, 0, context.stream, image.as<T>(), window, offset,
              is_single(image), surface, strict, masks);
  });
}

void decide_integer_mean(const Context& context, const Image& image, LocalWindow window, const IntegerMeanRule& rule,
                         const Masks& masks) {
  // A band reads window.h rows before its first, so it is a few windows high.
  const std::int64_t band_rows = std::max<std::int64_t>(32, 2 * window.h);
  const std::int64_t bands = (image.h + band_rows - 1) / band_rows;
  const std::int64_t tiles = (image.w + kThreads - 1) / kThreads;
  const auto shared = static_cast<std::size_t>(kThreads + window.w - 1) * sizeof(std::int32_t);
  visit_dtype(image.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    if constexpr (sizeof(T) == 1) {
      RM_LAUNCH(decide_integer_mean_kernel<T>, image.n * bands * tiles, kThreads, shared, context.stream, image.as<T>(),
                window, rule, band_rows, tiles, bands, masks);
    }
  });
}

}  // namespace

void threshold_local(const Context& context, const Image& image, LocalWindow window, LocalMethod method, double offset,
                     void* surface) {
  check_local_window("threshold_local", "block_size", window);
  if (image.size() == 0) return;
  if (method == LocalMethod::median) {
    return median(context, image, window, offset, surface, false, {nullptr, nullptr});
  }
  const Axes axes = axes_of(context, window, method);
  const double* sums = filter_rows(context, image, axes.columns, Reflection::symmetric, false);
  RM_LAUNCH(write_surface_kernel, blocks_of(image), kThreads, 0, context.stream, sums, nullptr, image.n, image.h,
            image.w, axes.rows, Reflection::symmetric, rule_of(window, method, offset), is_single(image), surface);
}

void threshold_niblack(const Context& context, const Image& image, LocalWindow window, double k, void* surface) {
  check_local_window("threshold_niblack", "window_size", window);
  deviation_surface(context, image, window, {Formula::niblack, static_cast<double>(window.area()), 0.0, k, 1.0},
                    surface);
}

void threshold_sauvola(const Context& context, const Image& image, LocalWindow window, double k, double r,
                       void* surface) {
  check_local_window("threshold_sauvola", "window_size", window);
  check_dynamic_range(r);
  deviation_surface(context, image, window, {Formula::sauvola, static_cast<double>(window.area()), 0.0, k, r}, surface);
}

void adaptive_threshold(const Context& context, const Image& image, LocalWindow window, LocalMethod method,
                        double offset, bool strict, std::uint8_t* mask, PackedMasks packed) {
  check_local_window("adaptive_threshold", "block_size", window);
  if (image.size() == 0) return;
  const Masks masks{mask, reinterpret_cast<std::uint32_t*>(packed.data)};
  if (method == LocalMethod::median) return median(context, image, window, offset, nullptr, strict, masks);
  if (method == LocalMethod::mean && item_size(image.dtype) == 1 && window.w <= kMaxSharedWindow) {
    const IntegerMeanRule rule = integer_mean_rule(image.dtype, window, offset, strict);
    if (rule.exact) return decide_integer_mean(context, image, window, rule, masks);
  }
  const Axes axes = axes_of(context, window, method);
  const double* sums = filter_rows(context, image, axes.columns, Reflection::symmetric, false);
  RM_LAUNCH(decide_mask_kernel, blocks_of(image), kThreads, 0, context.stream, image, sums, axes.rows,
            rule_of(window, method, offset), is_single(image), strict, masks);
}

}  // namespace rapidmask::cuda
