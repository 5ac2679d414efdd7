// Bindings of class maps.

#include "rapidmask/semantic.hpp"

#include <array>

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

// The logits of queries' masks (..., Q, H, W) and classes (..., Q, K + 1).
struct Queries {
  Array masks, classes;

  Queries(py::handle class_logits, py::handle mask_logits)
      : masks(logits_array(mask_logits, "semantic_from_queries", "mask_logits")), classes(rows_of(class_logits)) {
    const Shape &rows = classes.shape(), queries = masks.shape().leading(masks.shape().rank() - 2);
    if (rows.rank() < 2 || !(rows.leading(rows.rank() - 1) == queries) || rows.from_end(1) < 2) {
      throw std::invalid_argument(
          "semantic_from_queries: class_logits must have shape (..., Q, K + 1) with a class at least, for mask_logits "
          "of shape (..., Q, H, W), got shapes " +
          rows.text() + " and " + masks.shape().text());
    }
  }
  Shape images() const { return masks.shape().leading(masks.shape().rank() - 3); }
  Image class_rows() const {
    const Shape& rows = classes.shape();
    return {classes.data(), classes.dtype(), images().size(), rows.from_end(2), rows.from_end(1)};
  }

 private:
  Array rows_of(py::handle class_logits) const {
    const Array given = Array(class_logits, "semantic_from_queries", "class_logits").contiguous(sizeof(float));
    given.check_same_device(masks, "semantic_from_queries", "class_logits");
    const DType dtype = given.dtype();
    if (dtype != DType::float16 && dtype != DType::bfloat16 && dtype != DType::float32) {
      throw TypeError(std::string("semantic_from_queries: class_logits must be float16, bfloat16 or float32, got ") +
                      dtype_name(dtype));
    }
    return given;
  }
};

// The scores (..., C, H, W) of queries, in float32.
py::object semantic_scores(py::handle class_logits, py::handle mask_logits) {
  const Queries queries(class_logits, mask_logits);
  Shape shape = queries.images();
  shape.push_back(queries.classes.shape().from_end(1) - 1);
  shape.push_back(queries.masks.shape().from_end(2));
  shape.push_back(queries.masks.shape().from_end(1));
  const Array scores = queries.masks.empty(DType::float32, shape);
  {
    const Call call(queries.masks);
    backend::semantic_scores(call.context(), queries.class_rows(), planes_of(queries.masks),
                             static_cast<float*>(scores.data()));
  }
  return scores.result();
}

#if defined(RM_BACKEND_CPU)
// The labels of queries' scores, whose masks are resized to (height, width) and cut to (rows, columns) first.
py::object semantic_queries(py::handle class_logits, py::handle mask_logits, const std::array<std::int64_t, 4>& stage,
                            const std::array<std::int64_t, 2>& size, const std::vector<std::int32_t>& classes,
                            double least, std::int32_t void_label, std::string_view dtype, const py::object& out) {
  const Queries queries(class_logits, mask_logits);
  Shape shape = queries.images();
  const std::int64_t images = shape.size();
  shape.push_back(size[0]);
  shape.push_back(size[1]);
  const Array labels = output_array(out, queries.masks, label_type(dtype), shape, "semantic_from_queries");
  const ClassRule rule{classes.data(), static_cast<std::int64_t>(classes.size()), static_cast<float>(least),
                       void_label};
  {
    const Call call(queries.masks);
    cpu::semantic_queries(call.context(), queries.class_rows(), planes_of(queries.masks),
                          {stage[0], stage[1], stage[2], stage[3]}, rule,
                          {labels.data(), labels.dtype(), images, size[0], size[1]});
  }
  return labels.result();
}
#endif

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
#if defined(RM_BACKEND_CPU)
  module.def("semantic_queries", &semantic_queries, py::arg("class_logits"), py::arg("mask_logits"), py::arg("stage"),
             py::arg("size"), py::arg("classes"), py::arg("least"), py::arg("void_label"), py::arg("dtype"),
             py::arg("out"));
#endif
  module.def("semantic_scores", &semantic_scores, py::arg("class_logits"), py::arg("mask_logits"));
}

}  // namespace rapidmask::python
