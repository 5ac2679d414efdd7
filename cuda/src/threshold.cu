// Comparison with thresholds on a device: one launch for the whole batch, whatever the value is.
//
// The dense kernel strides over pixels; the packed one gives 32 consecutive pixels of a row to a warp, whose vote is
// the packed word.

#include "rapidmask/threshold.hpp"

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

template <class T, class Value>
struct PerImageTest {
  const Value* values;
  bool strict;
  __device__ bool operator()(const T* x, std::int64_t i, std::int64_t p, std::int64_t size) const {
    return exceeds(x[i * size + p], values[i], strict);
  }
};

template <class T, class Value>
struct PerPixelTest {
  const Value* values;
  bool shared;  // one surface serves all images
  bool strict;
  __device__ bool operator()(const T* x, std::int64_t i, std::int64_t p, std::int64_t size) const {
    return exceeds(x[i * size + p], values[(shared ? 0 : i * size) + p], strict);
  }
};

template <class T, class Test>
__global__ void threshold_dense_kernel(const T* x, std::int64_t n, std::int64_t size, Test test, std::uint8_t* masks) {
  for (std::int64_t k = first_thread(); k < n * size; k += thread_stride()) {
    const std::int64_t i = k / size;
    masks[k] = static_cast<std::uint8_t>(test(x, i, k - i * size, size));
  }
}

template <class T, class Test>
__global__ void threshold_packed_kernel(const T* x, std::int64_t n, std::int64_t h, std::int64_t w, Test test,
                                        std::uint32_t* words) {
  const std::int64_t words32 = 2 * ((w + 63) / 64);
  for (std::int64_t k = first_warp(); k < n * h * words32; k += warp_stride()) {
    const std::int64_t row = k / words32;
    const std::int64_t i = row / h;
    const std::int64_t column = k % words32 * 32 + lane_id();
    const bool foreground = column < w && test(x, i, (row - i * h) * w + column, h * w);
    const unsigned word = __ballot_sync(kFullWarp, foreground);
    if (lane_id() == 0) words[k] = word;
  }
}

template <class T, class Test>
void run(const Context& context, const Image& image, const Test& test, const MaskOutput& masks) {
  const auto* x = static_cast<const T*>(image.data);
  if (masks.dense != nullptr) {
    RM_LAUNCH((threshold_dense_kernel<T, Test>), grid_of_threads(image.size()), kThreads, 0, context.stream, x, image.n,
              image.image_size(), test, masks.dense);
  } else {
    const std::int64_t words32 = image.n * image.h * 2 * ((image.w + 63) / 64);
    RM_LAUNCH((threshold_packed_kernel<T, Test>), grid_of_warps(words32), kThreads, 0, context.stream, x, image.n,
              image.h, image.w, test, reinterpret_cast<std::uint32_t*>(masks.packed));
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
    visit_values(value.array, [&]<class Value>(const Value* values) {
      if (value.kind == ThresholdValue::Kind::per_image) {
        run<T>(context, image, PerImageTest<T, Value>{values, strict}, masks);
      } else {
        run<T>(context, image, PerPixelTest<T, Value>{values, value.array.n == 1, strict}, masks);
      }
    });
  });
}

}  // namespace rapidmask::cuda
