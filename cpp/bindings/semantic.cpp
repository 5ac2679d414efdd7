// Bindings of class maps.

#include "rapidmask/semantic.hpp"

#include "array.hpp"
#include "module.hpp"

namespace rapidmask::python {
namespace {

// Logits (..., C, H, W) of a type that kernels read.
Array logits_array(py::handle object, const char* function, const char* argument) {
  const Array given(object, function, argument);
  if (given.shape().rank() < 3) {
    throw std::invalid_argument(std::string(function) + ": " + argument +
                                " must have at least 3 dimensions (..., C, H, W), got shape " + given.shape().text());
  }
  const DType dtype = given.dtype();
  if (dtype != DType::float16 && dtype != DType::bfloat16 && dtype != DType::float32) {
    throw TypeError(std::string(function) + ": " + argument + " must be float16, bfloat16 or float32, got " +
                    dtype_name(dtype));
  }
  return given.contiguous(item_size(dtype));
}

Image planes_of(const Array& logits) {
  const Shape& shape = logits.shape();
  return {logits.data(), logits.dtype(), shape.product(0, shape.rank() - 2), shape.from_end(2), shape.from_end(1)};
}

DType label_type(std::string_view name) {
  if (name == "uint8") return DType::uint8;
  if (name == "int16") return DType::int16;
  if (name == "int32") return DType::int32;
  return DType::int64;
}

// The Python function has checked sizes, classes and the label type.
py::object semantic_argmax(py::handle logits, std::int64_t height, std::int64_t width,
                           const std::vector<std::int32_t>& classes, double least, std::int32_t void_label,
                           std::string_view dtype, const py::object& out) {
  const Array given = logits_array(logits, "semantic_argmax", "logits");
  const Image planes = planes_of(given);
  const std::int64_t count = given.shape().from_end(3);
  Shape shape = given.shape().leading(given.shape().rank() - 3);
  const std::int64_t images = shape.size();
  shape.push_back(height);
  shape.push_back(width);
  const Array labels = output_array(out, given, label_type(dtype), shape, "semantic_argmax");
  const ClassRule rule{classes.data(), static_cast<std::int64_t>(classes.size()), static_cast<float>(least),
                       void_label};
  {
    const Call call(given);
    backend::semantic_argmax(call.context(), planes, count, rule,
                             {labels.data(), labels.dtype(), images, height, width});
  }
  return labels.result();
}

// The scores (..., C, H, W) of queries, in float32.
py::object semantic_scores(py::handle class_logits, py::handle mask_logits) {
  const Array masks = logits_array(mask_logits, "semantic_from_queries", "mask_logits");
  const Array given(class_logits, "semantic_from_queries", "class_logits");
  given.check_same_device(masks, "semantic_from_queries", "class_logits");
  const DType dtype = given.dtype();
  if (dtype != DType::float16 && dtype != DType::bfloat16 && dtype != DType::float32) {
    throw TypeError(std::string("semantic_from_queries: class_logits must be float16, bfloat16 or float32, got ") +
                    dtype_name(dtype));
  }
  const Array rows = given.contiguous(item_size(dtype));
  const Shape& of_rows = rows.shape();
  const Shape queries = masks.shape().leading(masks.shape().rank() - 2);
  if (of_rows.rank() < 2 || !(of_rows.leading(of_rows.rank() - 1) == queries) || of_rows.from_end(1) < 2) {
    throw std::invalid_argument(
        "semantic_from_queries: class_logits must have shape (..., Q, K + 1) with a class at least, for mask_logits of "
        "shape (..., Q, H, W), got shapes " +
        of_rows.text() + " and " + masks.shape().text());
  }
  Shape shape = queries.leading(queries.rank() - 1);
  const std::int64_t images = shape.size(), q = queries.from_end(1);
  shape.push_back(of_rows.from_end(1) - 1);
  shape.push_back(masks.shape().from_end(2));
  shape.push_back(masks.shape().from_end(1));
  const Array scores = masks.empty(DType::float32, shape);
  {
    const Call call(masks);
    backend::semantic_scores(call.context(), {rows.data(), dtype, images, q, of_rows.from_end(1)}, planes_of(masks),
                             static_cast<float*>(scores.data()));
  }
  return scores.result();
}

// Planes (..., H, W) in float32 at the size (height, width), as far as (rows, columns) from the top left.
py::object resize_planes(py::handle planes, std::int64_t height, std::int64_t width, std::int64_t rows,
                         std::int64_t columns, std::string_view name, std::string_view argument) {
  const std::string function(name), given_as(argument);
  const Array given = logits_array(planes, function.c_str(), given_as.c_str());
  Shape shape = given.shape().leading(given.shape().rank() - 2);
  const std::int64_t count = shape.size();
  shape.push_back(rows);
  shape.push_back(columns);
  const Array resized = given.empty(DType::float32, shape);
  {
    const Call call(given);
    backend::resize_planes(call.context(), planes_of(given), height, width,
                           {static_cast<float*>(resized.data()), count, rows, columns});
  }
  return resized.result();
}

}  // namespace

void bind_semantic(py::module_& module) {
  module.def("semantic_argmax", &semantic_argmax, py::arg("logits"), py::arg("height"), py::arg("width"),
             py::arg("classes"), py::arg("least"), py::arg("void_label"), py::arg("dtype"), py::arg("out"));
  module.def("resize_planes", &resize_planes, py::arg("planes"), py::arg("height"), py::arg("width"), py::arg("rows"),
             py::arg("columns"), py::arg("function"), py::arg("argument"));
  module.def("semantic_scores", &semantic_scores, py::arg("class_logits"), py::arg("mask_logits"));
}

}  // namespace rapidmask::python
