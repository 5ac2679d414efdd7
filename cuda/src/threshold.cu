// Comparison with thresholds on a device: one launch for the whole batch, whatever the value is.
//
// A warp takes consecutive pixels, of a whole image for dense results and of a row for packed ones. Its votes are words
// of 32 pixels, of which dense results are written sixteen bytes a lane.

#include "rapidmask/threshold.hpp"

#include "pixel_bytes.cuh"
#include "port.cuh"
#include "tiles.cuh"

namespace rapidmask::cuda {
namespace {

// Foreground tests: of(i) gives, for image i, what reads the value that its pixel p is compared with, and compares.

// One value for all pixels of an image.
template <class T>
struct ImageTest {
  using Compared = std::conditional_t<kIsHalfWidth<T>, float, T>;  // whose bounds are found in a few instructions
  struct Nothing {};
  struct OfImage {
    Bound<Compared> bound;
    __device__ Nothing read(std::int64_t) const { return {}; }
    __device__ bool operator()(T x, Nothing) const {
      if constexpr (kIsHalfWidth<T>) {
        return bound(to_float(x));
      } else {
        return bound(x);
      }
    }
  };

  Bound<Compared> bound;  // of all images, where no values are given
  Image values;           // one per image
  bool strict;
  __device__ OfImage of(std::int64_t i) const {
    if (values.data == nullptr) return {bound};
    return {visit_values(values, [&](const auto* value) { return make_bound<Compared>(value[i], strict); })};
  }
};

// A value for each pixel, of every image or of one that serves them all. Word is as wide as the values.
template <class T, class Word>
struct PixelTest {
  struct OfImage {
    const Word* words;
    DType dtype;  // the same for all threads
    bool strict;
    __device__ Word read(std::int64_t p) const { return words[p]; }
    __device__ bool operator()(T x, Word word) const {
      return visit_values({nullptr, dtype, 1, 1, 1}, [&](const auto* type) {
        auto value = std::remove_cvref_t<decltype(*type)>{};
        if constexpr (sizeof value == sizeof word) {
          __builtin_memcpy(&value, &word, sizeof value);
          return exceeds(x, value, strict);
        } else {
          return false;
        }
      });
    }
  };

  Image values;
  std::int64_t image_step;
  bool strict;
  __device__ OfImage of(std::int64_t i) const {
    return {static_cast<const Word*>(values.data) + i * image_step, values.dtype, strict};
  }
};

// A warp takes kTogether times 32 consecutive pixels: reads coalesce however they are aligned, that many are under way
// at a time, and where they lie is worked out once.
constexpr int kTogether = 8;
constexpr std::int64_t kChunk = kTogether * kWarpSize;

__host__ __device__ constexpr std::int64_t chunks_of(std::int64_t pixels) { return (pixels + kChunk - 1) / kChunk; }

// The foreground from pixel `first` of an image on, up to `end`: lane j has word j.
template <class T, class OfImage>
__device__ __forceinline__ unsigned vote(const T* image, const OfImage& test, std::int64_t first, std::int64_t end) {
  T pixels[kTogether];
  decltype(test.read(0)) values[kTogether];
  for (int j = 0; j < kTogether; ++j) {
    const std::int64_t p = first + j * kWarpSize + lane_id();
    if (p >= end) continue;
    pixels[j] = image[p];
    values[j] = test.read(p);
  }
  unsigned bits = 0;
  for (int j = 0; j < kTogether; ++j) {
    const bool inside = first + j * kWarpSize + lane_id() < end;
    const unsigned word = __ballot_sync(kFullWarp, inside && test(pixels[j], values[j]));
    if (lane_id() == j) bits = word;
  }
  return bits;
}

template <class T, class Test>
__global__ void threshold_dense_kernel(const T* x, std::int64_t n, std::int64_t size, Test test, std::uint8_t* masks) {
  const std::int64_t chunks = chunks_of(size);
  for (std::int64_t k = first_warp(); k < n * chunks; k += warp_stride()) {
    const std::int64_t i = k / chunks, first = (k - i * chunks) * kChunk;
    const unsigned bits = vote(x + i * size, test.of(i), first, size);
    std::uint8_t* to = masks + i * size + first;
    if (size - first >= kChunk && is_aligned(to, sizeof(uint4))) {
      const unsigned half = __shfl_sync(kFullWarp, bits, lane_id() / 2) >> 16 * (lane_id() % 2);
      if (lane_id() < 2 * kTogether) reinterpret_cast<uint4*>(to)[lane_id()] = sixteen_bytes(half);
    } else if (lane_id() < kTogether) {
      write_pixels(bits, to + lane_id() * kWarpSize, size - first - lane_id() * kWarpSize);
    }
  }
}

// Words of 32 pixels of a row, each the vote of a warp.
template <class T, class Test>
__global__ void threshold_packed_kernel(const T* x, std::int64_t n, std::int64_t h, std::int64_t w, Test test,
                                        std::uint32_t* words) {
  const std::int64_t words32 = 2 * ((w + 63) / 64);
  const std::int64_t chunks = (words32 + kTogether - 1) / kTogether;
  for (std::int64_t k = first_warp(); k < n * h * chunks; k += warp_stride()) {
    const std::int64_t row = k / chunks, word = (k - row * chunks) * kTogether;
    const std::int64_t i = row / h, y = row - i * h;
    const unsigned bits = vote(x + i * h * w, test.of(i), y * w + word * kWarpSize, (y + 1) * w);
    if (lane_id() < kTogether && word + lane_id() < words32) words[row * words32 + word + lane_id()] = bits;
  }
}

template <class T, class Test>
void run(const Context& context, const Image& image, const Test& test, const MaskOutput& masks) {
  const auto* x = static_cast<const T*>(image.data);
  if (masks.dense != nullptr) {
    RM_LAUNCH((threshold_dense_kernel<T, Test>), grid_of_warps(image.n * chunks_of(image.image_size())), kThreads, 0,
              context.stream, x, image.n, image.image_size(), test, masks.dense);
  } else {
    const std::int64_t chunks = (2 * ((image.w + 63) / 64) + kTogether - 1) / kTogether;
    RM_LAUNCH((threshold_packed_kernel<T, Test>), grid_of_warps(image.n * image.h * chunks), kThreads, 0,
              context.stream, x, image.n, image.h, image.w, test, reinterpret_cast<std::uint32_t*>(masks.packed));
  }
}

}  // namespace

void threshold(const Context& context, const Image& image, const ThresholdValue& value, Comparison comparison,
               const MaskOutput& masks) {
  const bool strict = comparison == Comparison::greater;
  visit_dtype(image.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    using Test = ImageTest<T>;
    if (value.kind == ThresholdValue::Kind::scalar) {
      return run<T>(context, image, Test{make_scalar_bound<typename Test::Compared>(value, strict), {}, strict}, masks);
    }
    if (value.kind == ThresholdValue::Kind::per_image) {
      return run<T>(context, image, Test{{}, value.array, strict}, masks);
    }
    const std::int64_t step = value.array.n == 1 ? 0 : image.image_size();
    if (value.array.dtype == DType::float32) {
      return run<T>(context, image, PixelTest<T, std::uint32_t>{value.array, step, strict}, masks);
    }
    run<T>(context, image, PixelTest<T, std::uint64_t>{value.array, step, strict}, masks);
  });
}

}  // namespace rapidmask::cuda
