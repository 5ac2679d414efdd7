// Bindings of the components family. `width` is None for dense masks, the width of a row for packed ones; with a
// connectivity of 6, 18 or 26 masks are volumes.

#include "rapidmask/components.hpp"

#include <optional>

#include "array.hpp"
#include "module.hpp"

namespace rapidmask::python {
namespace {

using Width = std::optional<std::int64_t>;

MasksArgument masks_argument(const char* function, const char* argument, py::handle masks, const Width& width,
                             int connectivity) {
  return MasksArgument(masks, width, is_volume(connectivity), function, argument, &check_mask_size);
}

// Labels, and the number of components in an int64 array of the shape of the batch.
py::tuple label(py::handle masks, const Width& width, int connectivity, const py::object& out) {
  const MasksArgument given = masks_argument("label", "masks", masks, width, connectivity);
  const Array labels = output_array(out, given.array(), DType::int32, given.pixels(), "label");
  const Array counts = given.array().empty(DType::int64, given.batch());
  {
    const Call call(given.array());
    backend::label(call.context(), given.view(), connectivity, static_cast<std::int32_t*>(labels.data()),
                   static_cast<std::int64_t*>(counts.data()));
  }
  return py::make_tuple(labels.result(), counts.result());
}

// The same of an array of any integer type, where neighbours of equal value belong together.
py::tuple label_values(py::handle values, int connectivity, const py::object& out) {
  const Array given(values, "label", "masks");
  if (given.dtype() == DType::boolean) return label(values, std::nullopt, connectivity, out);
  if (is_floating(given.dtype())) {
    throw TypeError(std::string("label: masks must be bool or of an integer type, got ") + dtype_name(given.dtype()));
  }
  const Shape& shape = given.shape();
  const bool volumes = is_volume(connectivity);
  if (volumes && shape.rank() < 3) {
    throw std::invalid_argument("label: masks must have at least 3 dimensions (..., D, H, W), got shape " +
                                shape.text());
  }
  std::int64_t depth = volumes ? shape.from_end(3) : 1;
  check_mask_size("label", depth * images(given, "label", "masks").image_size());
  const Array input = given.contiguous();
  const Array labels = output_array(out, input, DType::int32, shape, "label");
  const Array counts = input.empty(DType::int64, shape.leading(shape.rank() - (volumes ? 3 : 2)));
  Image image = images(input, "label", "masks");
  if (depth == 0) {  // volumes without slices, whose number an image's shape cannot tell
    depth = 1;
    image = {input.data(), input.dtype(), counts.shape().size(), 0, 0};
  }
  {
    const Call call(input);
    backend::label_values(call.context(), image, depth, connectivity, static_cast<std::int32_t*>(labels.data()),
                          static_cast<std::int64_t*>(counts.data()));
  }
  return py::make_tuple(labels.result(), counts.result());
}

// Labels (None unless asked for), offsets, areas, boxes and centroids.
py::tuple connected_components(py::handle masks, const Width& width, int connectivity, bool with_labels) {
  const MasksArgument given = masks_argument("connected_components", "masks", masks, width, connectivity);
  const Array& like = given.array();
  const int axes = is_volume(connectivity) ? 3 : 2;
  std::optional<Array> labels, areas, boxes, centroids;
  if (with_labels) labels = like.empty(DType::int32, given.pixels());
  const Array offsets = like.empty(DType::int64, {given.view().n + 1});
  const auto make_table = [&](std::int64_t count) -> ComponentTable {
    const py::gil_scoped_acquire locked;  // which the call has released
    areas = like.empty(DType::int64, {count});
    boxes = like.empty(DType::int64, {count, 2 * axes});
    centroids = like.empty(DType::float64, {count, axes});
    return {static_cast<std::int64_t*>(areas->data()), static_cast<std::int64_t*>(boxes->data()),
            static_cast<double*>(centroids->data())};
  };
  {
    const Call call(like);
    backend::connected_components(call.context(), given.view(), connectivity,
                                  labels ? static_cast<std::int32_t*>(labels->data()) : nullptr,
                                  static_cast<std::int64_t*>(offsets.data()), make_table);
  }
  return py::make_tuple(labels ? labels->result() : py::none(), offsets.result(), areas->result(), boxes->result(),
                        centroids->result());
}

py::object component_areas(py::handle masks, const Width& width, int connectivity, const py::object& out) {
  const MasksArgument given = masks_argument("component_areas", "masks", masks, width, connectivity);
  const Array areas = output_array(out, given.array(), DType::int32, given.pixels(), "component_areas");
  {
    const Call call(given.array());
    backend::component_areas(call.context(), given.view(), connectivity, static_cast<std::int32_t*>(areas.data()));
  }
  return areas.result();
}

// Calls apply(context, masks, result) for a filter, which gives masks of the form that came.
template <class Apply>
py::object filter(const char* function, py::handle masks, const Width& width, int connectivity, const py::object& out,
                  const Apply& apply) {
  const MasksArgument given = masks_argument(function, "masks", masks, width, connectivity);
  const MasksResult result(given, out, function);
  {
    const Call call(given.array());
    apply(call.context(), given.view(), result.view);
  }
  return result.array.result();
}

py::object remove_small_objects(py::handle masks, const Width& width, std::int64_t min_area, int connectivity,
                                const py::object& out) {
  return filter("remove_small_objects", masks, width, connectivity, out,
                [&](const auto& context, const Masks& view, const MutableMasks& result) {
                  backend::remove_small_objects(context, view, min_area, connectivity, result);
                });
}

py::object remove_small_holes(py::handle masks, const Width& width, std::int64_t min_area, int connectivity,
                              bool border_is_hole, const py::object& out) {
  return filter("remove_small_holes", masks, width, connectivity, out,
                [&](const auto& context, const Masks& view, const MutableMasks& result) {
                  backend::remove_small_holes(context, view, min_area, connectivity, border_is_hole, result);
                });
}

py::object remove_small_regions(py::handle masks, const Width& width, std::int64_t min_area, int connectivity,
                                const py::object& out) {
  return filter("remove_small_regions", masks, width, connectivity, out,
                [&](const auto& context, const Masks& view, const MutableMasks& result) {
                  backend::remove_small_regions(context, view, min_area, connectivity, result);
                });
}

py::object fill_holes(py::handle masks, const Width& width, int connectivity, const py::object& out) {
  return filter("fill_holes", masks, width, connectivity, out,
                [&](const auto& context, const Masks& view, const MutableMasks& result) {
                  backend::fill_holes(context, view, connectivity, result);
                });
}

py::object keep_largest(py::handle masks, const Width& width, std::int64_t k, int connectivity, const py::object& out) {
  return filter("keep_largest", masks, width, connectivity, out,
                [&](const auto& context, const Masks& view, const MutableMasks& result) {
                  backend::keep_largest(context, view, k, connectivity, result);
                });
}

py::object clear_border(py::handle masks, const Width& width, int connectivity, const py::object& out) {
  return filter("clear_border", masks, width, connectivity, out,
                [&](const auto& context, const Masks& view, const MutableMasks& result) {
                  backend::clear_border(context, view, connectivity, result);
                });
}

// Of two thresholds of one image, which therefore agree in form and shape.
py::object hysteresis(py::handle weak, py::handle strong, const Width& width, int connectivity) {
  constexpr const char* kFunction = "hysteresis_threshold";
  const MasksArgument low = masks_argument(kFunction, "low", weak, width, connectivity);
  const MasksArgument high = masks_argument(kFunction, "high", strong, width, connectivity);
  high.array().check_same_device(low.array(), kFunction, "high");
  if (!(high.array().shape() == low.array().shape())) {
    throw std::invalid_argument("hysteresis_threshold: high must have shape " + low.array().shape().text() +
                                ", got shape " + high.array().shape().text());
  }
  const MasksResult result(low, py::none(), kFunction);
  {
    const Call call(low.array());
    backend::hysteresis(call.context(), low.view(), high.view(), connectivity, result.view);
  }
  return result.array.result();
}

py::object clean_scores(py::handle scores, double threshold, std::int64_t max_hole_area, std::int64_t max_sprinkle_area,
                        double hole_value, double sprinkle_value, bool sprinkles_after_holes, bool keep_half,
                        int connectivity, const py::object& out) {
  const Array given(scores, "clean_scores", "scores");
  if (!is_floating(given.dtype())) {
    throw TypeError(std::string("clean_scores: scores must be float16, bfloat16, float32 or float64, got ") +
                    dtype_name(given.dtype()));
  }
  check_mask_size("clean_scores", images(given, "clean_scores", "scores").image_size());
  const Array input = given.contiguous();
  const Image image = images(input, "clean_scores", "scores");
  const Array result = output_array(out, input, input.dtype(), input.shape(), "clean_scores", true);
  // Plain numbers are rounded to the scores' type, as NumPy and torch do before they compare.
  const ScoreCleaning cleaning{round_to(input.dtype(), threshold),
                               max_hole_area,
                               max_sprinkle_area,
                               hole_value,
                               sprinkle_value,
                               sprinkles_after_holes,
                               keep_half};
  {
    const Call call(input);
    backend::clean_scores(call.context(), image, cleaning, connectivity, result.data());
  }
  return result.result();
}

}  // namespace

void bind_components(py::module_& module) {
  module.def("label", &label, py::arg("masks"), py::arg("width"), py::arg("connectivity"), py::arg("out"));
  module.def("label_values", &label_values, py::arg("values"), py::arg("connectivity"), py::arg("out"));
  module.def("connected_components", &connected_components, py::arg("masks"), py::arg("width"), py::arg("connectivity"),
             py::arg("with_labels"));
  module.def("component_areas", &component_areas, py::arg("masks"), py::arg("width"), py::arg("connectivity"),
             py::arg("out"));
  module.def("remove_small_objects", &remove_small_objects, py::arg("masks"), py::arg("width"), py::arg("min_area"),
             py::arg("connectivity"), py::arg("out"));
  module.def("remove_small_holes", &remove_small_holes, py::arg("masks"), py::arg("width"), py::arg("min_area"),
             py::arg("connectivity"), py::arg("border_is_hole"), py::arg("out"));
  module.def("remove_small_regions", &remove_small_regions, py::arg("masks"), py::arg("width"), py::arg("min_area"),
             py::arg("connectivity"), py::arg("out"));
  module.def("fill_holes", &fill_holes, py::arg("masks"), py::arg("width"), py::arg("connectivity"), py::arg("out"));
  module.def("keep_largest", &keep_largest, py::arg("masks"), py::arg("width"), py::arg("k"), py::arg("connectivity"),
             py::arg("out"));
  module.def("clear_border", &clear_border, py::arg("masks"), py::arg("width"), py::arg("connectivity"),
             py::arg("out"));
  module.def("hysteresis", &hysteresis, py::arg("weak"), py::arg("strong"), py::arg("width"), py::arg("connectivity"));
  module.def("clean_scores", &clean_scores, py::arg("scores"), py::arg("threshold"), py::arg("max_hole_area"),
             py::arg("max_sprinkle_area"), py::arg("hole_value"), py::arg("sprinkle_value"),
             py::arg("sprinkles_after_holes"), py::arg("keep_half"), py::arg("connectivity"), py::arg("out"));
}

}  // namespace rapidmask::python
