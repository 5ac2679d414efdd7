// Class maps on a device: a thread has one column of a few rows of the output, interpolates each class there and keeps
// the best in registers.

#include "rapidmask/semantic.hpp"

#include "logits.cuh"

namespace rapidmask::cuda {
namespace {

constexpr int kRows = 4;        // of the output, for which one thread mixes each row of the logits once
constexpr int kSumClasses = 8;  // whose sums one thread has in registers

// `rule.classes` is the device's, or null where all may win. Rows are taken from the top of each image in bands of
// kRows.
template <class T, class Label>
__global__ void __launch_bounds__(kThreads)
    argmax_classes_kernel(View<const T> logits, std::int64_t classes, ClassRule rule, View<Label> labels) {
  const std::int64_t bands = (labels.h + kRows - 1) / kRows, items = labels.n * bands * labels.w;
  for (std::int64_t i = first_thread(); i < items; i += thread_stride()) {
    const std::int64_t x = i % labels.w, band = i / labels.w % bands, image = i / labels.w / bands;
    const OutputColumn<kRows> column(logits.h, logits.w, labels.h, labels.w, x, band * kRows);
    BestClass best[kRows];
    for (std::int64_t k = 0; k < rule.count; ++k) {
      const std::int32_t c = rule.classes != nullptr ? rule.classes[k] : static_cast<std::int32_t>(k);
      column.for_each(logits.image(image * classes + c), [&](int r, float score) { best[r].take(score, c); });
    }
    for (int r = 0; r < kRows; ++r) {
      const std::int64_t y = band * kRows + r;
      if (y < labels.h) labels.image(image)[y * labels.w + x] = static_cast<Label>(best[r].label_by(rule));
    }
  }
}

template <class T>
__global__ void object_probabilities_kernel(const T* logits, std::int64_t rows, std::int64_t classes,
                                            float* probabilities) {
  for (std::int64_t i = first_thread(); i < rows; i += thread_stride()) {
    object_probabilities(logits + i * (classes + 1), classes, probabilities + i * classes);
  }
}

__global__ void __launch_bounds__(kThreads)
    sum_queries_kernel(const float* masks, const float* probabilities, std::int64_t n, std::int64_t q,
                       std::int64_t classes, std::int64_t plane, float* scores) {
  const std::int64_t groups = (classes + kSumClasses - 1) / kSumClasses, items = n * groups * plane;
  for (std::int64_t i = first_thread(); i < items; i += thread_stride()) {
    const std::int64_t pixel = i % plane, c = i / plane % groups * kSumClasses, image = i / plane / groups;
    const float* weights = probabilities + image * q * classes;
    const float* values = masks + image * q * plane + pixel;
    float sums[kSumClasses] = {};
    for (std::int64_t k = 0; k < q; ++k) {
      const float value = values[k * plane];
      for (int j = 0; j < kSumClasses; ++j) {
        if (c + j < classes) sums[j] = sums[j] + weights[k * classes + c + j] * value;
      }
    }
    for (int j = 0; j < kSumClasses; ++j) {
      if (c + j < classes) scores[(image * classes + c + j) * plane + pixel] = sums[j];
    }
  }
}

template <class T>
__global__ void resize_planes_kernel(View<const T> planes, std::int64_t height, std::int64_t width,
                                     View<float> resized) {
  for (std::int64_t i = first_thread(); i < resized.size(); i += thread_stride()) {
    const std::int64_t x = i % resized.w, y = i / resized.w % resized.h, plane = i / resized.w / resized.h;
    resized.data[i] = bilinear_value(planes.image(plane), planes.w, bilinear_tap(y, planes.h, height),
                                     bilinear_tap(x, planes.w, width));
  }
}

template <class T, class Label>
void argmax_classes(const Context& context, const View<const T>& logits, std::int64_t classes, const ClassRule& rule,
                    const LabelImages& labels) {
  const std::int64_t items = labels.n * ((labels.h + kRows - 1) / kRows) * labels.w;
  const View<Label> to{static_cast<Label*>(labels.data), labels.n, labels.h, labels.w};
  RM_LAUNCH((argmax_classes_kernel<T, Label>), grid_of_threads(items), kThreads, 0, context.stream, logits, classes,
            rule, to);
}

}  // namespace

void semantic_argmax(const Context& context, const Image& logits, std::int64_t classes, const ClassRule& rule,
                     const LabelImages& labels) {
  if (labels.n * labels.image_size() == 0) return;
  const std::int32_t* allowed = rule.count < classes ? context.table(rule.classes, rule.count) : nullptr;
  const ClassRule on_device{allowed, rule.count, rule.least, rule.void_label};
  visit_logits(logits.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    const View<const T> planes = logits.as<T>();
    switch (item_size(labels.dtype)) {
      case 1: return argmax_classes<T, std::uint8_t>(context, planes, classes, on_device, labels);
      case 2: return argmax_classes<T, std::int16_t>(context, planes, classes, on_device, labels);
      case 4: return argmax_classes<T, std::int32_t>(context, planes, classes, on_device, labels);
      default: return argmax_classes<T, std::int64_t>(context, planes, classes, on_device, labels);
    }
  });
}

void semantic_scores(const Context& context, const Image& class_logits, const Image& mask_logits, float* scores) {
  const std::int64_t n = class_logits.n, q = class_logits.h, classes = class_logits.w - 1;
  const std::int64_t plane = mask_logits.image_size();
  if (n * classes * plane == 0) return;
  auto* probabilities = context.scratch<float>(n * q * classes);
  auto* masks = context.scratch<float>(n * q * plane);
  visit_logits(class_logits.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    RM_LAUNCH(object_probabilities_kernel<T>, grid_of_threads(n * q), kThreads, 0, context.stream,
              static_cast<const T*>(class_logits.data), n * q, classes, probabilities);
  });
  visit_logits(mask_logits.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    RM_LAUNCH(mask_probabilities_kernel<T>, grid_of_threads(n * q * plane), kThreads, 0, context.stream,
              static_cast<const T*>(mask_logits.data), n * q * plane, masks);
  });
  const std::int64_t groups = (classes + kSumClasses - 1) / kSumClasses;
  RM_LAUNCH(sum_queries_kernel, grid_of_threads(n * groups * plane), kThreads, 0, context.stream, masks, probabilities,
            n, q, classes, plane, scores);
}

void resize_planes(const Context& context, const Image& planes, std::int64_t height, std::int64_t width,
                   const View<float>& resized) {
  if (resized.size() == 0) return;
  visit_logits(planes.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    RM_LAUNCH(resize_planes_kernel<T>, grid_of_threads(resized.size()), kThreads, 0, context.stream, planes.as<T>(),
              height, width, resized);
  });
}

}  // namespace rapidmask::cuda
