// Bindings of the components family, on dense masks.

#include "rapidmask/components.hpp"

#include <cstring>

#include "array.hpp"
#include "module.hpp"

namespace rapidmask::python {
namespace {

// Labels and the number of components of each mask, in an int64 array of the shape of the batch.
py::tuple label(py::handle masks, int connectivity) {
  const Array given(masks, "label", "masks");
  check_mask_size("label", dense_masks(given, "label", "masks").image_size());
  const Array input = given.contiguous();
  const auto view = dense_masks(input, "label", "masks");
  const Array labels = input.empty(DType::int32, input.shape());
  const Array counts = input.empty(DType::int64, input.shape().leading(input.shape().rank() - 2));
  {
    const Call call(input);
    backend::label(call.context(), view, connectivity, static_cast<std::int32_t*>(labels.data()),
                   static_cast<std::int64_t*>(counts.data()));
  }
  return py::make_tuple(labels.result(), counts.result());
}

using Filter = void (*)(const backend::Context&, const View<const std::uint8_t>&, std::int64_t, int, std::uint8_t*);

py::object filter(const char* function, py::handle masks, std::int64_t limit, int connectivity, Filter apply) {
  const Array given(masks, function, "masks");
  check_mask_size(function, dense_masks(given, function, "masks").image_size());
  const Array input = given.contiguous();
  const auto view = dense_masks(input, function, "masks");
  const Array result = input.empty(input.dtype(), input.shape());
  {
    const Call call(input);
    apply(call.context(), view, limit, connectivity, static_cast<std::uint8_t*>(result.data()));
  }
  return result.result();
}

py::object remove_small_objects(py::handle masks, std::int64_t min_area, int connectivity) {
  return filter("remove_small_objects", masks, min_area, connectivity, backend::remove_small_objects);
}

py::object fill_holes(py::handle masks, int connectivity) {
  return filter("fill_holes", masks, 0, connectivity,
                [](const backend::Context& context, const View<const std::uint8_t>& view, std::int64_t, int neighbours,
                   std::uint8_t* result) { backend::fill_holes(context, view, neighbours, result); });
}

#if defined(RM_BACKEND_CPU)
template <class T>
Array filled(const Array& like, DType dtype, const Shape& shape, const std::vector<T>& values) {
  Array array = like.empty(dtype, shape);
  if (!values.empty()) std::memcpy(array.data(), values.data(), values.size() * sizeof(T));
  return array;
}

py::tuple connected_components(py::handle masks, int connectivity) {
  const Array given(masks, "connected_components", "masks");
  check_mask_size("connected_components", dense_masks(given, "connected_components", "masks").image_size());
  const Array input = given.contiguous();
  const auto view = dense_masks(input, "connected_components", "masks");
  const Array labels = input.empty(DType::int32, input.shape());
  ComponentTable table;
  {
    const Call call(input);
    table =
        backend::connected_components(call.context(), view, connectivity, static_cast<std::int32_t*>(labels.data()));
  }
  const auto count = static_cast<std::int64_t>(table.areas.size());
  return py::make_tuple(labels.result(), filled(input, DType::int64, {view.n + 1}, table.offsets).result(),
                        filled(input, DType::int64, {count}, table.areas).result(),
                        filled(input, DType::int64, {count, 4}, table.boxes).result(),
                        filled(input, DType::float64, {count, 2}, table.centroids).result());
}
#endif

}  // namespace

void bind_components(py::module_& module) {
  module.def("label", &label, py::arg("masks"), py::arg("connectivity"));
  module.def("remove_small_objects", &remove_small_objects, py::arg("masks"), py::arg("min_area"),
             py::arg("connectivity"));
  module.def("fill_holes", &fill_holes, py::arg("masks"), py::arg("connectivity"));
#if defined(RM_BACKEND_CPU)
  module.def("connected_components", &connected_components, py::arg("masks"), py::arg("connectivity"));
#endif
}

}  // namespace rapidmask::python
