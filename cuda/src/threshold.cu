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

// Foreground tests: what decides pixel `p` of image `i` (p within the image).

template <class T>
struct ScalarTest {
  Bound<T> bound;
  __device__ bool operator()(const T* x, std::int64_t i, std::int64_t p, std::int64_t size) const {
    return bound(x[i * size + p]);
  }
};

// Against values[i * image_step + p * pixel_step]: one per image, one per pixel, or a surface that all images share.
template <class T, class Value>
struct ArrayTest {
  const Value* values;
  std::int64_t image_step, pixel_step;
  bool strict;
  __device__ bool operator()(const T* x, std::int64_t i, std::int64_t p, std::int64_t size) const {
    return exceeds(x[i * size + p], values[i * image_step + p * pixel_step], strict);
  }
};

// A warp takes kTogether times 32 consecutive pixels: reads coalesce however they are aligned, that many are under way
// at a time, and where they lie is worked out once.
constexpr int kTogether = 8;
constexpr std::int64_t kChunk = kTogether * kWarpSize;

__host__ __device__ constexpr std::int64_t chunks_of(std::int64_t pixels) { return (pixels + kChunk - 1) / kChunk; }

template <class T, class Test>
__global__ void threshold_dense_kernel(const T* x, std::int64_t n, std::int64_t size, Test test, std::uint8_t* masks) {
  const std::int64_t chunks = chunks_of(size);
  for (std::int64_t k = first_warp(); k < n * chunks; k += warp_stride()) {
    const std::int64_t i = k / chunks, first = (k - i * chunks) * kChunk;
    bool foreground[kTogether];
    for (int j = 0; j < kTogether; ++j) {
      const std::int64_t p = first + j * kWarpSize + lane_id();
      foreground[j] = p < size && test(x, i, p, size);
    }
    unsigned bits = 0;  // lane j holds word j
    for (int j = 0; j < kTogether; ++j) {
      const unsigned vote = __ballot_sync(kFullWarp, foreground[j]);
      if (lane_id() == j) bits = vote;
    }
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
    const std::int64_t column = word * kWarpSize + lane_id();
    bool foreground[kTogether];
    for (int j = 0; j < kTogether; ++j) {
      const std::int64_t at = column + j * kWarpSize;
      foreground[j] = at < w && test(x, i, y * w + at, h * w);
    }
    unsigned bits = 0;  // lane j holds word j
    for (int j = 0; j < kTogether; ++j) {
      const unsigned vote = __ballot_sync(kFullWarp, foreground[j]);
      if (lane_id() == j) bits = vote;
    }
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
    if (value.kind == ThresholdValue::Kind::scalar) {
      return run<T>(context, image, ScalarTest<T>{make_scalar_bound<T>(value, strict)}, masks);
    }
    const bool per_pixel = value.kind == ThresholdValue::Kind::per_pixel;
    const std::int64_t image_step = !per_pixel ? 1 : value.array.n == 1 ? 0 : image.image_size();
    visit_values(value.array, [&]<class Value>(const Value* values) {
      run<T>(context, image, ArrayTest<T, Value>{values, image_step, per_pixel, strict}, masks);
    });
  });
}

}  // namespace rapidmask::cuda
