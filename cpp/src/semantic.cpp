// Class maps on the CPU: bands of rows, each with the bounds of its classes in the second cache.

#include "rapidmask/semantic.hpp"

#include <vector>

#include "class_taps.hpp"
#include "isa/semantic_rows.hpp"
#include "parallel.hpp"

namespace rapidmask::cpu {
namespace {

constexpr std::int64_t kGrain = 1 << 20;  // logits that are read in some 50 µs

template <class T>
constexpr bool kIsLogit = std::is_same_v<T, Half> || std::is_same_v<T, BFloat16> || std::is_same_v<T, float>;

template <class T>
void interpolated_argmax(const View<const T>& logits, std::int64_t classes, const ClassRule& rule,
                         const LabelImages& labels) {
  const AxisTable down(logits.h, labels.h), across(logits.w, labels.w);
  const auto bytes = static_cast<std::int64_t>(item_size(labels.dtype));
  const std::int64_t rows = band_rows(logits.h, labels.h, kMostBandRows);
  const std::int64_t bands = (logits.h + rows - 1) / rows;
  const std::int64_t cost = rows * logits.w * rule.count + 8 * labels.w;
  const auto argmax_band = semantic_rows().of<T>().argmax_band;
  parallel_for(labels.n * bands, std::max<std::int64_t>(1, kGrain / cost), [&](std::int64_t begin, std::int64_t end) {
    const BandMemory memory(rule.count, logits.w);
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t image = i / bands, row = i % bands * rows;
      SemanticBand band{};
      band.planes = {logits.image(image * classes), logits.h, logits.w};
      band.rule = &rule;
      band.down = down.taps();
      band.across = across.taps();
      band.row = row;
      band.rows = std::min(rows, logits.h - row);
      band.top = down.output_at(row);
      band.bottom = down.output_at(row + rows);
      band.width = labels.w;
      band.labels = static_cast<std::uint8_t*>(labels.data) + image * labels.image_size() * bytes;
      band.label_bytes = bytes;
      band.scratch = memory.scratch;
      if (band.top < band.bottom) argmax_band(band);
    }
  });
}

template <class T>
void plain_argmax(const View<const T>& logits, std::int64_t classes, const ClassRule& rule, const LabelImages& labels) {
  constexpr std::int64_t kPixels = 1024;  // the row loop's block
  const auto bytes = static_cast<std::int64_t>(item_size(labels.dtype));
  const std::int64_t pixels = labels.image_size(), blocks = (pixels + kPixels - 1) / kPixels;
  const auto argmax_pixels = semantic_rows().of<T>().argmax_pixels;
  const std::int64_t grain = kGrain / std::max<std::int64_t>(1, kPixels * rule.count);
  parallel_for(labels.n * blocks, std::max<std::int64_t>(1, grain), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t image = i / blocks, first = i % blocks * kPixels;
      argmax_pixels({logits.image(image * classes), logits.h, logits.w}, rule, first, std::min(kPixels, pixels - first),
                    static_cast<std::uint8_t*>(labels.data) + image * pixels * bytes, bytes);
    }
  });
}

}  // namespace

void semantic_argmax(const Context&, const Image& logits, std::int64_t classes, const ClassRule& rule,
                     const LabelImages& labels) {
  if (labels.n * labels.image_size() == 0) return;
  visit_dtype(logits.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    if constexpr (kIsLogit<T>) {
      const View<const T> planes = logits.as<T>();
      if (logits.h == labels.h && logits.w == labels.w) {
        plain_argmax(planes, classes, rule, labels);
      } else {
        interpolated_argmax(planes, classes, rule, labels);
      }
    }
  });
}

void semantic_scores(const Context&, const Image& class_logits, const Image& mask_logits, float* scores) {
  const std::int64_t n = class_logits.n, q = class_logits.h, classes = class_logits.w - 1;
  const std::int64_t plane = mask_logits.image_size();
  if (n * classes * plane == 0) return;
  std::vector<float> probabilities(static_cast<std::size_t>(n * q * classes));
  visit_dtype(class_logits.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    if constexpr (kIsLogit<T>) {
      const auto* rows = static_cast<const T*>(class_logits.data);
      parallel_for_each(n * q, classes, 1 << 13, [&](std::int64_t i) {
        object_probabilities(rows + i * (classes + 1), classes, probabilities.data() + i * classes);
      });
    }
  });
  visit_dtype(mask_logits.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    if constexpr (kIsLogit<T>) {
      const auto* masks = static_cast<const T*>(mask_logits.data);
      const std::int64_t blocks = (plane + kScorePixels - 1) / kScorePixels;
      const auto write_scores = semantic_rows().of<T>().scores;
      const std::int64_t grain = (1 << 21) / std::max<std::int64_t>(1, kScorePixels * q * classes);
      parallel_for(n * blocks, std::max<std::int64_t>(1, grain), [&](std::int64_t begin, std::int64_t end) {
        std::vector<float> buffer(static_cast<std::size_t>(q * kScorePixels));
        for (std::int64_t i = begin; i < end; ++i) {
          const std::int64_t image = i / blocks, first = i % blocks * kScorePixels;
          write_scores(masks + image * q * plane, q, plane, probabilities.data() + image * q * classes, classes, first,
                       std::min(kScorePixels, plane - first), buffer.data(), scores + image * classes * plane);
        }
      });
    }
  });
}

void resize_planes(const Context&, const Image& planes, std::int64_t height, std::int64_t width,
                   const View<float>& resized) {
  if (resized.size() == 0) return;
  const AxisTable down(planes.h, height), across(planes.w, width);
  visit_dtype(planes.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    if constexpr (kIsLogit<T>) {
      const View<const T> given = planes.as<T>();
      parallel_for_each(resized.n, resized.image_size(), 1 << 16, [&](std::int64_t i) {
        std::vector<float> buffer(static_cast<std::size_t>(2 * (resized.w + 16)));
        semantic_rows().of<T>().resize(given.image(i), given.w, down.taps(), across.taps(), resized.h, resized.w,
                                       buffer.data(), resized.image(i));
      });
    }
  });
}

}  // namespace rapidmask::cpu
