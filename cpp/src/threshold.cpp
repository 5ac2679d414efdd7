// Comparison with thresholds on the CPU: the bound is made once per image, the rows are split over the pool.

#include "rapidmask/threshold.hpp"

#include <algorithm>

#include "isa/pack_rows.hpp"
#include "isa/threshold_rows.hpp"
#include "parallel.hpp"

namespace rapidmask::cpu {
namespace {

constexpr std::int64_t kGrainBytes = 1 << 20;  // about 50 µs of work at 20 GB/s

template <class T>
Bound<T> bound_of_image(const ThresholdValue& value, std::int64_t i, bool strict) {
  if (value.kind == ThresholdValue::Kind::scalar) return make_scalar_bound<T>(value, strict);
  return visit_values(value.array, [&](const auto* values) { return make_bound<T>(values[i], strict); });
}

// Calls body(image, first row, last row) over all rows of the batch, split at images.
template <class Body>
void for_row_bands(const Image& image, std::int64_t bytes_per_pixel, const Body& body) {
  const std::int64_t row_bytes = std::max<std::int64_t>(1, image.w * bytes_per_pixel);
  const std::int64_t grain = std::max<std::int64_t>(1, kGrainBytes / row_bytes);
  parallel_for(image.n * image.h, grain, [&](std::int64_t begin, std::int64_t end) {
    while (begin < end) {
      const std::int64_t i = begin / image.h;
      const std::int64_t stop = std::min(end, (i + 1) * image.h);
      body(i, begin - i * image.h, stop - i * image.h);
      begin = stop;
    }
  });
}

template <class T>
void compare_with_values(const Image& image, const ThresholdValue& value, bool strict, const MaskOutput& masks) {
  const auto type = static_cast<std::size_t>(image.dtype);
  const auto dense = threshold_rows().dense[type];
  const auto packed = threshold_rows().packed[type];
  const std::int64_t words = (image.w + 63) / 64;
  const auto* pixels = static_cast<const T*>(image.data);
  for_row_bands(image, sizeof(T), [&](std::int64_t i, std::int64_t first, std::int64_t last) {
    const Bound<T> bound = bound_of_image<T>(value, i, strict);
    const std::int64_t row = i * image.h + first;
    const T* band = pixels + row * image.w;
    if (masks.dense != nullptr) dense(band, &bound, (last - first) * image.w, masks.dense + row * image.w);
    if (masks.packed != nullptr) packed(band, &bound, last - first, image.w, masks.packed + row * words);
  });
}

template <class T>
void compare_with_surface(const Image& image, const Image& surface, bool strict, const MaskOutput& masks) {
  const std::size_t surface_bytes = item_size(surface.dtype);
  const auto compare =
      threshold_rows().surface[static_cast<std::size_t>(image.dtype)][ThresholdRows::surface_index(surface.dtype)];
  const auto pack_band = pack_rows().pack;
  const std::int64_t words = (image.w + 63) / 64;
  const auto* pixels = static_cast<const T*>(image.data);
  const auto* values = static_cast<const std::byte*>(surface.data);
  constexpr std::int64_t kChunk = 4096;  // pixels on their way from bytes to bits, in the first cache
  for_row_bands(image, sizeof(T) + static_cast<std::int64_t>(surface_bytes),
                [&](std::int64_t i, std::int64_t first, std::int64_t last) {
                  const std::int64_t surface_image = surface.n == 1 ? 0 : i;
                  for (std::int64_t y = first; y < last; ++y) {
                    const T* row = pixels + (i * image.h + y) * image.w;
                    const std::byte* limits =
                        values + (surface_image * image.h + y) * image.w * static_cast<std::int64_t>(surface_bytes);
                    if (masks.packed == nullptr) {
                      compare(row, limits, strict, image.w, masks.dense + (i * image.h + y) * image.w);
                      continue;
                    }
                    for (std::int64_t x = 0; x < image.w; x += kChunk) {
                      std::uint8_t bytes[kChunk];
                      const std::int64_t count = std::min(kChunk, image.w - x);
                      compare(row + x, limits + x * static_cast<std::int64_t>(surface_bytes), strict, count, bytes);
                      pack_band(bytes, 1, count, masks.packed + (i * image.h + y) * words + x / 64);
                    }
                  }
                });
}

}  // namespace

void threshold(const Context&, const Image& image, const ThresholdValue& value, Comparison comparison,
               const MaskOutput& masks) {
  const bool strict = comparison == Comparison::greater;
  visit_dtype(image.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    if (value.kind == ThresholdValue::Kind::per_pixel) {
      compare_with_surface<T>(image, value.array, strict, masks);
    } else {
      compare_with_values<T>(image, value, strict, masks);
    }
  });
}

}  // namespace rapidmask::cpu
