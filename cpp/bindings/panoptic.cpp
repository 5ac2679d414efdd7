// Bindings of panoptic merging, painting and scores that do not overlap.

#include "rapidmask/panoptic.hpp"

#include <optional>

#include "array.hpp"
#include "module.hpp"

namespace rapidmask::python {
namespace {

Array logits_array(py::handle object, const char* function, const char* argument, int rank, const char* axes) {
  const Array given(object, function, argument);
  if (given.shape().rank() < rank) {
    throw std::invalid_argument(std::string(function) + ": " + argument + " must have " + std::to_string(rank) +
                                " dimensions " + axes + ", got shape " + given.shape().text());
  }
  const DType dtype = given.dtype();
  if (dtype != DType::float16 && dtype != DType::bfloat16 && dtype != DType::float32) {
    throw TypeError(std::string(function) + ": " + argument + " must be float16, bfloat16 or float32, got " +
                    dtype_name(dtype));
  }
  return given.contiguous(item_size(dtype));
}

// One value of a type for each of n queries, masks or objects.
Array per_item(py::handle values, DType dtype, std::int64_t n, const Array& beside, const char* function,
               const char* argument, const char* items) {
  const Array given = Array(values, function, argument).contiguous(item_size(dtype));
  given.check_same_device(beside, function, argument);
  if (given.dtype() != dtype) {
    throw TypeError(std::string(function) + ": " + argument + " must be " + dtype_name(dtype) + ", got " +
                    dtype_name(given.dtype()));
  }
  if (given.shape() != Shape{n}) {
    throw std::invalid_argument(std::string(function) + ": " + argument + " must have one value for each of " +
                                std::to_string(n) + " " + items + ", got shape " + given.shape().text());
  }
  return given;
}

Numbering numbering_named(std::string_view name) {
  if (name == "consecutive") return Numbering::consecutive;
  return name == "restarting" ? Numbering::restarting : Numbering::by_label;
}

// The Python function has checked names and numbers.
py::tuple panoptic_merge(py::handle mask_probs, py::handle scores, py::handle labels, std::int64_t height,
                         std::int64_t width, std::string_view activation, bool weight_by_score, double mask_threshold,
                         double overlap_threshold, bool keeps_equal, bool inner, const std::vector<std::int64_t>& fuse,
                         std::string_view numbering, std::int32_t void_id, std::int64_t first_id, std::int64_t step,
                         const py::object& out) {
  const char* function = "panoptic_merge";
  const Array planes = logits_array(mask_probs, function, "mask_probs", 3, "(Q, H, W)");
  const Shape& shape = planes.shape();
  if (shape.rank() != 3) {
    throw std::invalid_argument("panoptic_merge: mask_probs must have 3 dimensions (Q, H, W), got shape " +
                                shape.text());
  }
  const std::int64_t q = shape[0];
  const Array weights = per_item(scores, DType::float32, q, planes, function, "scores", "queries");
  const Array classes = per_item(labels, DType::int64, q, planes, function, "labels", "queries");
  const Array map = output_array(out, planes, DType::int32, {height, width}, function);
  const Array table = planes.empty(DType::float64, {q, kQueryColumns});
  const PanopticRule rule{activation != "none",
                          activation == "late",
                          weight_by_score,
                          inner,
                          keeps_equal,
                          numbering_named(numbering),
                          static_cast<float>(mask_threshold),
                          overlap_threshold,
                          first_id,
                          step,
                          void_id};
  {
    const Call call(planes);
    backend::panoptic_merge(call.context(), {planes.data(), planes.dtype(), q, shape[1], shape[2]},
                            static_cast<const float*>(weights.data()), static_cast<const std::int64_t*>(classes.data()),
                            fuse.data(), static_cast<std::int64_t>(fuse.size()), rule,
                            {static_cast<std::int32_t*>(map.data()), 1, height, width},
                            static_cast<double*>(table.data()));
  }
  return py::make_tuple(map.result(), table.result());
}

// The map, which masks are painted, and their pixels in the map.
py::tuple paint_masks(py::handle masks, const std::optional<std::int64_t>& mask_width, py::handle scores,
                      std::string_view name, bool by_score, bool over, bool by_visible, double limit,
                      double least_score, bool leaves_out_empty, const py::object& out) {
  const std::string function(name);
  const MasksArgument given(masks, mask_width, false, function.c_str(), "masks");
  const Masks& view = given.view();
  std::optional<Array> values;
  if (!scores.is_none()) {
    values = per_item(scores, DType::float64, view.n, given.array(), function.c_str(), "scores", "masks");
  }
  const Array map = output_array(out, given.array(), DType::int32, {view.h, view.w}, function.c_str());
  const Array painted = given.array().empty(DType::boolean, {view.n});
  const Array visible = given.array().empty(DType::int64, {view.n});
  {
    const Call call(given.array());
    backend::paint_masks(call.context(), view, values ? static_cast<const double*>(values->data()) : nullptr,
                         {by_score, over, by_visible, limit, least_score, leaves_out_empty},
                         {static_cast<std::int32_t*>(map.data()), static_cast<std::uint8_t*>(painted.data()),
                          static_cast<std::int64_t*>(visible.data())});
  }
  return py::make_tuple(map.result(), painted.result(), visible.result());
}

// `map`, `classes` and the ids are int32, as the Python function makes them.
py::object count_unpainted(py::handle map, py::handle classes, std::int64_t count) {
  const Array painted(map, "instance_merge", "map");
  const Array given = Array(classes, "instance_merge", "semantic").contiguous(4);
  given.check_same_device(painted, "instance_merge", "semantic");
  const Array pixels = painted.empty(DType::int64, {count});
  {
    const Call call(painted);
    backend::count_unpainted(
        call.context(), {static_cast<const std::int32_t*>(painted.data()), 1, 1, painted.shape().size()},
        static_cast<const std::int32_t*>(given.data()), count, static_cast<std::int64_t*>(pixels.data()));
  }
  return pixels.result();
}

void number_painting(py::handle map, py::handle ids, py::handle classes, py::handle class_ids) {
  const Array painted(map, "instance_merge", "map");
  const Array of_masks(ids, "instance_merge", "ids"), of_classes(class_ids, "instance_merge", "class_ids");
  of_masks.check_same_device(painted, "instance_merge", "ids");
  of_classes.check_same_device(painted, "instance_merge", "class_ids");
  std::optional<Array> given;
  if (!classes.is_none()) {
    given = Array(classes, "instance_merge", "semantic").contiguous(4);
    given->check_same_device(painted, "instance_merge", "semantic");
  }
  const Call call(painted);
  backend::number_painting(call.context(), {static_cast<std::int32_t*>(painted.data()), 1, 1, painted.shape().size()},
                           static_cast<const std::int32_t*>(of_masks.data()),
                           given ? static_cast<const std::int32_t*>(given->data()) : nullptr,
                           static_cast<const std::int32_t*>(of_classes.data()), of_classes.shape().size());
}

// Scores (N, ...).
py::object non_overlapping(py::handle scores, py::handle object_scores, double background, const py::object& out) {
  const char* function = "non_overlapping";
  const Array given = logits_array(scores, function, "scores", 1, "(N, ..., H, W)");
  const Shape& shape = given.shape();
  std::optional<Array> objects;
  if (!object_scores.is_none()) {
    objects = per_item(object_scores, DType::float32, shape[0], given, function, "object_scores", "objects");
  }
  const Array result = output_array(out, given, given.dtype(), shape, function, true);
  {
    const Call call(given);
    backend::non_overlapping(call.context(), {given.data(), given.dtype(), shape[0], 1, shape.product(1, shape.rank())},
                             objects ? static_cast<const float*>(objects->data()) : nullptr,
                             static_cast<float>(background), result.data());
  }
  return result.result();
}

}  // namespace

void bind_panoptic(py::module_& module) {
  module.def("panoptic_merge", &panoptic_merge, py::arg("mask_probs"), py::arg("scores"), py::arg("labels"),
             py::arg("height"), py::arg("width"), py::arg("activation"), py::arg("weight_by_score"),
             py::arg("mask_threshold"), py::arg("overlap_threshold"), py::arg("keeps_equal"), py::arg("inner"),
             py::arg("fuse"), py::arg("numbering"), py::arg("void_id"), py::arg("first_id"), py::arg("step"),
             py::arg("out"));
  module.def("paint_masks", &paint_masks, py::arg("masks"), py::arg("width"), py::arg("scores"), py::arg("function"),
             py::arg("by_score"), py::arg("over"), py::arg("by_visible"), py::arg("limit"), py::arg("least_score"),
             py::arg("leaves_out_empty"), py::arg("out"));
  module.def("count_unpainted", &count_unpainted, py::arg("map"), py::arg("classes"), py::arg("count"));
  module.def("number_painting", &number_painting, py::arg("map"), py::arg("ids"), py::arg("classes"),
             py::arg("class_ids"));
  module.def("non_overlapping", &non_overlapping, py::arg("scores"), py::arg("object_scores"), py::arg("background"),
             py::arg("out"));
}

}  // namespace rapidmask::python
