// Bindings of the distance family. `width` is None for dense masks, the width of a row for packed ones.

#include "rapidmask/distance.hpp"

#include <optional>

#include "array.hpp"
#include "module.hpp"

namespace rapidmask::python {
namespace {

py::object distance_transform(py::handle masks, std::optional<std::int64_t> width, bool volume, double spacing_z,
                              double spacing_y, double spacing_x, bool squared, const py::object& out) {
  const MasksArgument input(masks, width, volume, "distance_transform", "masks");
  const Spacing spacing{spacing_z, spacing_y, spacing_x};
  check_spacing(spacing);
  const Array distances = output_array(out, input.array(), DType::float32, input.pixels(), "distance_transform");
  {
    const Call call(input.array());
    backend::distance_transform(call.context(), input.view(), spacing, squared, static_cast<float*>(distances.data()));
  }
  return distances.result();
}

}  // namespace

void bind_distance(py::module_& module) {
  module.def("distance_transform", &distance_transform, py::arg("masks"), py::arg("width"), py::arg("volume"),
             py::arg("spacing_z"), py::arg("spacing_y"), py::arg("spacing_x"), py::arg("squared"), py::arg("out"));
}

}  // namespace rapidmask::python
