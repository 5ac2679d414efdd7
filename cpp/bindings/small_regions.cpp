// The binding of what segment-anything does with one mask: of the CPU alone.

#include "array.hpp"
#include "module.hpp"
#include "rapidmask/components.hpp"

namespace rapidmask::python {
namespace {

// The cleaned mask, or None where there was nothing to clean.
py::object remove_small_of(py::handle mask, std::int64_t min_area, bool holes) {
  constexpr const char* kFunction = "remove_small_regions";
  const MasksArgument given(mask, {}, false, kFunction, "mask", &check_mask_size);
  const MasksResult result(given, py::none(), kFunction);
  bool found = false;
  {
    const Call call(given.array());
    found = cpu::remove_small_of(given.view(), min_area, holes, 8, result.view);
  }
  return found ? result.array.result() : py::none();
}

}  // namespace

void bind_small_regions(py::module_& module) {
  module.def("remove_small_of", &remove_small_of, py::arg("mask"), py::arg("min_area"), py::arg("holes"));
}

}  // namespace rapidmask::python
