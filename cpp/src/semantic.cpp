// Class maps on the CPU: bands of rows, each with the bounds of its classes in the second cache.

#include "rapidmask/semantic.hpp"

#include <vector>

#include "class_taps.hpp"
#include "isa/semantic_rows.hpp"
#include "parallel.hpp"

namespace rapidmask::cpu {
namespace {

constexpr std::int64_t kGrain = 1 << 20;  // logits that are read in some 50 µs
constexpr std::int64_t kBandOutputs = 8;  // rows of the map

template <class T>
constexpr bool kIsLogit = std::is_same_v<T, Half> || std::is_same_v<T, BFloat16> || std::is_same_v<T, float>;

template <class T>
void interpolated_argmax(const View<const T>& logits, std::int64_t classes, const ClassRule& rule,
                         const LabelImages& labels) {
  const AxisTable down(logits.h, labels.h), across(logits.w, labels.w);
  const auto bytes = static_cast<std::int64_t>(item_size(labels.dtype));
  const std::int64_t rows = band_rows(logits.h, labels.h, kBandOutputs, kMostBandRows);
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

// The probabilities of the classes of all queries, but for no object.
std::vector<float> probabilities_of(const Image& class_logits) {
  const std::int64_t rows = class_logits.n * class_logits.h, classes = class_logits.w - 1;
  std::vector<float> probabilities(static_cast<std::size_t>(rows * classes));
  visit_dtype(class_logits.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    if constexpr (kIsLogit<T>) {
      const auto* logits = static_cast<const T*>(class_logits.data);
      parallel_for_each(rows, classes, 1 << 13, [&](std::int64_t i) {
        object_probabilities(logits + i * (classes + 1), classes, probabilities.data() + i * classes);
      });
    }
  });
  return probabilities;
}

// Scratch for the bands of queries that one thread makes.
struct QueryMemory {
  LineVector<float> masks, scores, tile, bounds, resized;
  std::vector<std::uint8_t> possible;
  std::vector<std::int32_t> left, first, second;
  BandMemory band;

  QueryMemory(std::int64_t q, std::int64_t classes, std::int64_t stride, std::int64_t outputs) : band(classes, stride) {
    const auto pixels = static_cast<std::size_t>((kMostBandRows + 1) * stride);
    masks.resize(static_cast<std::size_t>(q) * pixels);
    scores.resize(static_cast<std::size_t>(classes) * pixels);
    tile.resize(static_cast<std::size_t>(q * (kMostBandRows + 1) * kQueryTile));
    bounds.resize(static_cast<std::size_t>(2 * classes));
    resized.resize(static_cast<std::size_t>(2 * (stride + 16)));
    possible.resize(static_cast<std::size_t>(stride / kQueryTile * classes));
    left.resize(static_cast<std::size_t>(classes));
    first.resize(static_cast<std::size_t>(outputs + kTapPadding));
    second.resize(static_cast<std::size_t>(outputs + kTapPadding));
  }
};

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
  const std::vector<float> probabilities = probabilities_of(class_logits);
  visit_dtype(mask_logits.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    if constexpr (kIsLogit<T>) {
      const auto* masks = static_cast<const T*>(mask_logits.data);
      const std::int64_t blocks = (plane + kScorePixels - 1) / kScorePixels;
      const auto write_scores = semantic_rows().of<T>().scores;
      const std::int64_t grain = (1 << 21) / std::max<std::int64_t>(1, kScorePixels * q * classes);
      parallel_for(n * blocks, std::max<std::int64_t>(1, grain), [&](std::int64_t begin, std::int64_t end) {
        LineVector<float> buffer(static_cast<std::size_t>(q * kScorePixels));
        for (std::int64_t i = begin; i < end; ++i) {
          const std::int64_t image = i / blocks, first = i % blocks * kScorePixels;
          write_scores(masks + image * q * plane, q, plane, probabilities.data() + image * q * classes, classes, first,
                       std::min(kScorePixels, plane - first), buffer.data(), scores + image * classes * plane);
        }
      });
    }
  });
}

void semantic_queries(const Context&, const Image& class_logits, const Image& mask_logits, const Staging& stage,
                      const ClassRule& rule, const LabelImages& labels) {
  const std::int64_t n = class_logits.n, q = class_logits.h, classes = class_logits.w - 1;
  if (labels.n * labels.image_size() == 0) return;
  const std::vector<float> probabilities = probabilities_of(class_logits);
  const AxisTable stage_down(mask_logits.h, stage.height), stage_across(mask_logits.w, stage.width);
  const AxisTable down(stage.rows, labels.h), across(stage.columns, labels.w);
  const auto bytes = static_cast<std::int64_t>(item_size(labels.dtype));
  const std::int64_t stride = (stage.columns + kQueryTile - 1) / kQueryTile * kQueryTile;
  const std::int64_t bands = (stage.rows + kMostBandRows - 1) / kMostBandRows;
  visit_dtype(mask_logits.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    if constexpr (kIsLogit<T>) {
      const View<const T> masks = mask_logits.as<T>();
      const auto& rows_of_type = semantic_rows().of<T>();
      parallel_for(n * bands, 1, [&](std::int64_t begin, std::int64_t end) {
        QueryMemory memory(q, classes, stride, labels.h);
        for (std::int64_t i = begin; i < end; ++i) {
          const std::int64_t image = i / bands, row = i % bands * kMostBandRows;
          const std::int64_t cells = std::min(kMostBandRows, stage.rows - row);
          const std::int64_t rows = std::min(cells + 1, stage.rows - row);
          SemanticBand band{};
          band.top = down.output_at(row);
          band.bottom = down.output_at(row + cells);
          if (band.top >= band.bottom) continue;
          AxisTaps taps = stage_down.taps();
          taps = {taps.first + row, taps.second + row, taps.first_weight + row, taps.second_weight + row};
          for (std::int64_t query = 0; query < q; ++query) {
            float* plane = memory.masks.data() + query * rows * stride;
            rows_of_type.resize(masks.image(image * q + query), masks.w, taps, stage_across.taps(), rows, stage.columns,
                                stride, memory.resized.data(), plane);
            for (std::int64_t r = 0; r < rows; ++r) {
              float* line = plane + r * stride;
              std::fill(line + stage.columns, line + stride, line[stage.columns - 1]);
            }
          }
          const QueryBand queries{memory.masks.data(),
                                  q,
                                  rows,
                                  stride,
                                  probabilities.data() + image * q * classes,
                                  classes,
                                  &rule,
                                  memory.scores.data(),
                                  memory.tile.data(),
                                  memory.bounds.data(),
                                  memory.possible.data(),
                                  memory.left.data()};
          const std::int64_t left = semantic_rows().query_scores(queries);
          const ClassRule possible{memory.left.data(), left, rule.least, rule.void_label};
          band.down = down.taps();
          for (std::int64_t y = band.top; y < band.bottom; ++y) {
            const auto at = static_cast<std::size_t>(y);
            memory.first[at] = band.down.first[y] - static_cast<std::int32_t>(row);
            memory.second[at] = band.down.second[y] - static_cast<std::int32_t>(row);
          }
          band.down.first = memory.first.data();
          band.down.second = memory.second.data();
          band.planes = {memory.scores.data(), rows, stride};
          band.rule = &possible;
          band.across = across.taps();
          band.row = 0;
          band.rows = cells;
          band.width = labels.w;
          band.labels = static_cast<std::uint8_t*>(labels.data) + image * labels.image_size() * bytes;
          band.label_bytes = bytes;
          band.scratch = memory.band.scratch;
          semantic_rows().float32.argmax_band(band);
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
        LineVector<float> buffer(static_cast<std::size_t>(2 * (resized.w + 16)));
        semantic_rows().of<T>().resize(given.image(i), given.w, down.taps(), across.taps(), resized.h, resized.w,
                                       resized.w, buffer.data(), resized.image(i));
      });
    }
  });
}

}  // namespace rapidmask::cpu
