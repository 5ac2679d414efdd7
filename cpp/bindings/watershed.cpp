// Bindings of the watershed.

#include "rapidmask/watershed.hpp"

#include <optional>

#include "array.hpp"
#include "module.hpp"
#include "rapidmask/components.hpp"

namespace rapidmask::python {
namespace {

// `mask` is None, a dense array or, with a width, the bits of packed masks.
py::object watershed(py::handle image, py::handle markers, py::handle mask, std::optional<std::int64_t> mask_width,
                     int connectivity) {
  const char* const function = "watershed";
  const Array given(image, function, "image"), given_markers(markers, function, "markers");
  const Image pixels = images(given, function, "image");
  const bool volume = is_volume(connectivity);
  const Shape& shape = given.shape();
  if (volume && shape.rank() < 3) {
    throw std::invalid_argument("watershed: image must have at least 3 dimensions (..., D, H, W), got shape " +
                                shape.text());
  }
  if (is_floating(given_markers.dtype())) {
    throw TypeError(std::string("watershed: markers must be of an integer type, got ") +
                    dtype_name(given_markers.dtype()));
  }
  if (given_markers.shape() != shape) {
    throw std::invalid_argument("watershed: markers must have the shape of image, " + shape.text() + ", got " +
                                given_markers.shape().text());
  }
  std::optional<MasksArgument> where;
  if (!mask.is_none()) {
    where.emplace(mask, mask_width, false, function, "mask");
    const Masks& view = where->view();
    const bool fits = mask_width.has_value() ? view.n == pixels.n && view.h == pixels.h && view.w == pixels.w
                                             : where->array().shape() == shape;
    if (!fits) {
      throw std::invalid_argument("watershed: mask must have the shape of image, " + shape.text() + ", got " +
                                  where->pixels().text());
    }
  }
  const std::int64_t depth = volume ? shape.from_end(3) : 1;
  check_watershed_size(depth, pixels.h, pixels.w);
  Masks floodable{};
  if (where) {
    const Masks& view = where->view();
    floodable = {view.data, view.packed, depth == 0 ? 0 : view.n / depth, depth, view.h, view.w};
  }
  const Array input = given.contiguous(), starts = given_markers.contiguous();
  const Array labels = input.empty(DType::int32, shape);
  {
    const Call call(input);
    cpu::watershed(
        call.context(),
        {images(input, function, "image"), images(starts, function, "markers"), floodable, depth, connectivity},
        static_cast<std::int32_t*>(labels.data()));
  }
  return labels.result();
}

}  // namespace

void bind_watershed(py::module_& module) {
  module.def("watershed", &watershed, py::arg("image"), py::arg("markers"), py::arg("mask"), py::arg("mask_width"),
             py::arg("connectivity"));
}

}  // namespace rapidmask::python
