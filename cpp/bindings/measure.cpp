// Bindings of the measure family. `width` is None for dense masks, the width of a row for packed ones.

#include "rapidmask/measure.hpp"

#include <optional>

#include "array.hpp"
#include "module.hpp"

namespace rapidmask::python {
namespace {

template <class Measure>
py::object measure(const char* function, py::handle masks, std::optional<std::int64_t> width, int columns,
                   const Measure& apply) {
  const Array input = Array(masks, function, "masks").contiguous(width.has_value() ? kWordBytes : 1);
  Shape shape = input.shape();
  if (shape.rank() >= 2) shape = shape.leading(shape.rank() - 2);
  if (columns > 1) shape.push_back(columns);
  if (width.has_value()) {
    const ConstPackedMasks view = packed_masks(input, *width, function, "masks");
    const Array result = input.empty(DType::int64, shape);
    {
      const Call call(input);
      apply(call.context(), view, static_cast<std::int64_t*>(result.data()));
    }
    return result.result();
  }
  const auto view = dense_masks(input, function, "masks");
  const Array result = input.empty(DType::int64, shape);
  {
    const Call call(input);
    apply(call.context(), view, static_cast<std::int64_t*>(result.data()));
  }
  return result.result();
}

py::object mask_areas(py::handle masks, std::optional<std::int64_t> width) {
  return measure("mask_areas", masks, width, 1, [](const auto& context, const auto& view, std::int64_t* areas) {
    backend::mask_areas(context, view, areas);
  });
}

py::object masks_to_boxes(py::handle masks, std::optional<std::int64_t> width) {
  return measure("masks_to_boxes", masks, width, 4, [](const auto& context, const auto& view, std::int64_t* boxes) {
    backend::masks_to_boxes(context, view, boxes);
  });
}

}  // namespace

void bind_measure(py::module_& module) {
  module.def("mask_areas", &mask_areas, py::arg("masks"), py::arg("width"));
  module.def("masks_to_boxes", &masks_to_boxes, py::arg("masks"), py::arg("width"));
}

}  // namespace rapidmask::python
