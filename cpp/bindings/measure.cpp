// Bindings of the measure family. Of masks, `width` is None for dense masks, the width of a row for packed ones.

#include "rapidmask/measure.hpp"

#include <optional>

#include "array.hpp"
#include "module.hpp"

namespace rapidmask::python {
namespace {

// One value of T for each mask, or `columns` of them.
template <class T, class Measure>
py::object measure(const char* function, py::handle masks, std::optional<std::int64_t> width, int columns,
                   const Measure& apply) {
  const DType dtype = std::is_same_v<T, double> ? DType::float64 : DType::int64;
  const Array input = Array(masks, function, "masks").contiguous(width.has_value() ? kWordBytes : 1);
  Shape shape = input.shape();
  if (shape.rank() >= 2) shape = shape.leading(shape.rank() - 2);
  if (columns > 1) shape.push_back(columns);
  if (width.has_value()) {
    const ConstPackedMasks view = packed_masks(input, *width, function, "masks");
    const Array result = input.empty(dtype, shape);
    {
      const Call call(input);
      apply(call.context(), view, static_cast<T*>(result.data()));
    }
    return result.result();
  }
  const auto view = dense_masks(input, function, "masks");
  const Array result = input.empty(dtype, shape);
  {
    const Call call(input);
    apply(call.context(), view, static_cast<T*>(result.data()));
  }
  return result.result();
}

py::object mask_areas(py::handle masks, std::optional<std::int64_t> width) {
  return measure<std::int64_t>(
      "mask_areas", masks, width, 1,
      [](const auto& context, const auto& view, std::int64_t* areas) { backend::mask_areas(context, view, areas); });
}

py::object masks_to_boxes(py::handle masks, std::optional<std::int64_t> width) {
  return measure<std::int64_t>("masks_to_boxes", masks, width, 4,
                               [](const auto& context, const auto& view, std::int64_t* boxes) {
                                 backend::masks_to_boxes(context, view, boxes);
                               });
}

py::object mask_centroids(py::handle masks, std::optional<std::int64_t> width) {
  return measure<double>("mask_centroids", masks, width, 2,
                         [](const auto& context, const auto& view, double* centroids) {
                           backend::mask_centroids(context, view, centroids);
                         });
}

// Thresholds are rounded to the logits' type before they are compared, as NumPy and torch do.
py::object stability_score(py::handle logits, double high, double low) {
  constexpr const char* kFunction = "stability_score";
  const Array input = Array(logits, kFunction, "logits").contiguous();
  if (input.dtype() != DType::float32 && input.dtype() != DType::float16 && input.dtype() != DType::bfloat16) {
    throw TypeError(std::string(kFunction) + ": logits must be float32, float16 or bfloat16, got " +
                    dtype_name(input.dtype()));
  }
  const Image view = images(input, kFunction, "logits");
  const Array scores = input.empty(DType::float32, input.shape().leading(input.shape().rank() - 2));
  {
    const Call call(input);
    backend::stability_score(call.context(), view, static_cast<float>(round_to(input.dtype(), high)),
                             static_cast<float>(round_to(input.dtype(), low)), static_cast<float*>(scores.data()));
  }
  return scores.result();
}

}  // namespace

void bind_measure(py::module_& module) {
  module.def("mask_areas", &mask_areas, py::arg("masks"), py::arg("width"));
  module.def("masks_to_boxes", &masks_to_boxes, py::arg("masks"), py::arg("width"));
  module.def("mask_centroids", &mask_centroids, py::arg("masks"), py::arg("width"));
  module.def("stability_score", &stability_score, py::arg("logits"), py::arg("high"), py::arg("low"));
}

}  // namespace rapidmask::python
