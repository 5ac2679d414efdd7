// Bindings of the pack family.

#include "rapidmask/pack.hpp"

#include "array.hpp"
#include "module.hpp"

namespace rapidmask::python {
namespace {

py::object pack(py::handle masks) {
  const Array input = Array(masks, "pack", "masks").contiguous();
  const auto view = dense_masks(input, "pack", "masks");
  const Array packed = packed_output(py::none(), input, images(input, "pack", "masks"), "pack");
  {
    const Call call(input);
    backend::pack(call.context(), view, {static_cast<std::uint64_t*>(packed.data()), view.n, view.h, view.w});
  }
  return packed.result();
}

py::object unpack(py::handle data, std::int64_t width, bool as_bool, const py::object& out) {
  const Array input = Array(data, "unpack", "packed").contiguous(kWordBytes);
  const ConstPackedMasks packed = packed_masks(input, width, "unpack", "packed");
  const DType dtype = as_bool ? DType::boolean : DType::uint8;
  const Array masks = output_array(out, input, dtype, {packed.n, packed.h, packed.w}, "unpack");
  {
    const Call call(input);
    backend::unpack(call.context(), packed, static_cast<std::uint8_t*>(masks.data()));
  }
  return masks.result();
}

}  // namespace

void bind_pack(py::module_& module) {
  module.def("pack", &pack, py::arg("masks"));
  module.def("unpack", &unpack, py::arg("data"), py::arg("width"), py::arg("as_bool"), py::arg("out"));
}

}  // namespace rapidmask::python
