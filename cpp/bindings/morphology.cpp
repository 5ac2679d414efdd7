// Bindings of the morphology family.

#include "rapidmask/morphology.hpp"

#include <cstring>
#include <optional>
#include <string>

#include "array.hpp"
#include "module.hpp"

namespace rapidmask::python {
namespace {

// `footprint` holds the elements of an array of shape (d, h, w), one byte each; the Python function has checked them.
py::object morphology(py::handle masks, std::optional<std::int64_t> width, const std::string& operation,
                      const py::bytes& footprint, std::int64_t d, std::int64_t h, std::int64_t w, bool volumes,
                      std::int64_t iterations, const std::string& border, const py::object& out) {
  const char* const function = operation.c_str();
  const MasksArgument input(masks, width, volumes, function, "masks");
  const std::string_view elements(footprint);
  const MorphologySettings settings{morphology_of(operation),
                                    {reinterpret_cast<const std::uint8_t*>(elements.data()), d, h, w},
                                    iterations,
                                    border_of(function, border)};
  const MasksResult result(input, out, function);
  {
    const Call call(input.array());
    backend::morphology(call.context(), input.view(), settings, result.view);
  }
  return result.array.result();
}

}  // namespace

void bind_morphology(py::module_& module) {
  module.def("morphology", &morphology, py::arg("masks"), py::arg("width"), py::arg("operation"), py::arg("footprint"),
             py::arg("d"), py::arg("h"), py::arg("w"), py::arg("volumes"), py::arg("iterations"), py::arg("border"),
             py::arg("out"));
}

}  // namespace rapidmask::python
