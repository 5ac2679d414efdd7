// Bindings of `decode_prototypes`. The Python function has checked names and made coefficients and boxes float32.

#include "rapidmask/prototypes.hpp"

#include "decoded_masks.hpp"
#include "module.hpp"

namespace rapidmask::python {
namespace {

constexpr const char* kDecode = "decode_prototypes";

[[noreturn]] void refuse(const std::string& what) { throw std::invalid_argument(std::string(kDecode) + ": " + what); }

// An array (n, columns) of float32.
Array table(py::handle object, const char* name, std::int64_t columns) {
  const Array array = Array(object, kDecode, name).contiguous();
  const Shape& shape = array.shape();
  if (array.dtype() != DType::float32) {
    throw TypeError(std::string(kDecode) + ": " + name + " must be float32, float16 or bfloat16, got " +
                    dtype_name(array.dtype()));
  }
  if (shape.rank() != 2 || shape[1] != columns) {
    refuse(std::string(name) + " must have shape (N, " + std::to_string(columns) + "), got shape " + shape.text());
  }
  return array;
}

struct PrototypeArguments {
  Array planes, coefficients, boxes;
  std::optional<Array> images;
  Image prototypes;
  Detections detections{};
  PrototypeDecoding decoding{};

  // `pre_upsample` 0 is that of ultralytics.
  PrototypeArguments(py::handle array, py::handle given_coefficients, py::handle given_boxes,
                     const py::object& batch_index, const Extents& size, double threshold, std::string_view op,
                     std::string_view crop, const std::optional<Extents>& letterbox, std::int64_t pre_upsample,
                     std::string_view activation, std::optional<double> offset)
      : planes(Array(array, kDecode, "prototypes").contiguous()),
        coefficients(table(given_coefficients, "coefficients", channels_of(planes))),
        boxes(table(given_boxes, "boxes", 4)),
        prototypes(rapidmask::python::images(planes, kDecode, "prototypes")) {
    check_logits(kDecode, "prototypes", planes.dtype());
    coefficients.check_same_device(planes, kDecode, "coefficients");
    boxes.check_same_device(planes, kDecode, "boxes");
    const std::int64_t n = coefficients.shape()[0];
    if (boxes.shape()[0] != n) {
      refuse("boxes must be as many as coefficients, got " + std::to_string(boxes.shape()[0]) + " and " +
             std::to_string(n));
    }
    detections = {static_cast<const float*>(coefficients.data()), static_cast<const float*>(boxes.data()), nullptr, n};
    take_images(batch_index, n);
    take_geometry(size, crop, letterbox, pre_upsample);
    decoding.channels = channels_of(planes);
    decoding.activation = activation == "sigmoid" ? Activation::sigmoid : Activation::none;
    decoding.foreground = foreground_of(kDecode, threshold, op, offset);
  }

  Shape batch() const { return {detections.n}; }

 private:
  static std::int64_t channels_of(const Array& array) {
    const Shape& shape = array.shape();
    if (shape.rank() < 3 || shape.rank() > 4 || shape.from_end(3) < 1) {
      refuse("prototypes must have shape (C, h, w) or (B, C, h, w) with at least one channel, got shape " +
             shape.text());
    }
    return shape.from_end(3);
  }

  void take_images(const py::object& batch_index, std::int64_t n) {
    const bool batched = planes.shape().rank() == 4;
    if (batch_index.is_none()) {
      if (batched && planes.shape()[0] != 1) {
        refuse("batch_index must tell the image of each detection where prototypes are those of several, got None");
      }
      return;
    }
    if (!batched) refuse("batch_index must be None where prototypes are those of one image");
    images = Array(batch_index, kDecode, "batch_index").contiguous();
    if (images->dtype() != DType::int64 || !(images->shape() == Shape{n})) {
      refuse("batch_index must be int64 with shape " + Shape{n}.text() + ", got " + dtype_name(images->dtype()) +
             " with shape " + images->shape().text());
    }
    images->check_same_device(planes, kDecode, "batch_index");
    detections.images = static_cast<const std::int64_t*>(images->data());
#if defined(RM_BACKEND_CPU)
    for (std::int64_t i = 0; i < n; ++i) {
      if (detections.images[i] < 0 || detections.images[i] >= planes.shape()[0]) {
        refuse("batch_index must be below " + std::to_string(planes.shape()[0]) + " and not negative, got " +
               std::to_string(detections.images[i]));
      }
    }
#endif
  }

  void take_geometry(const Extents& size, std::string_view crop, const std::optional<Extents>& letterbox,
                     std::int64_t pre_upsample) {
    check_extents(kDecode, "size", size, 0);
    check_extents(kDecode, "prototypes' height and width", {prototypes.h, prototypes.w}, 1);
    if (letterbox) check_extents(kDecode, "letterbox", *letterbox, 1);
    if (pre_upsample == 0) {
      pre_upsample = automatic_pre_upsample({(*letterbox)[0], (*letterbox)[1]}, size[0], size[1]);
    }
    const Extents grid{pre_upsample * prototypes.h, pre_upsample * prototypes.w};
    check_extents(kDecode, "prototypes after pre_upsample", grid, 1);
    decoding.rows = {prototypes.h, grid[0], 0, grid[0], size[0]};
    decoding.columns = {prototypes.w, grid[1], 0, grid[1], size[1]};
    if (letterbox) cut_letterbox({grid[0], grid[1]}, decoding.rows, decoding.columns);
    decoding.crop_before = crop == "before";
    decoding.row_scale = decoding.column_scale = 1;
    if (decoding.crop_before && size[0] > 0 && size[1] > 0) {
      decoding.row_scale = static_cast<float>(static_cast<double>(prototypes.h) / static_cast<double>(size[0]));
      decoding.column_scale = static_cast<float>(static_cast<double>(prototypes.w) / static_cast<double>(size[1]));
    }
  }
};

py::tuple decode_prototypes(py::handle prototypes, py::handle coefficients, py::handle boxes,
                            const py::object& batch_index, const Extents& size, double threshold, std::string_view op,
                            std::string_view crop, const std::optional<Extents>& letterbox, std::int64_t pre_upsample,
                            std::string_view activation, std::string_view output, std::optional<double> offset,
                            const py::object& out) {
  const PrototypeArguments given(prototypes, coefficients, boxes, batch_index, size, threshold, op, crop, letterbox,
                                 pre_upsample, activation, offset);
  DecodedMasks masks(out, given.planes, given.batch(), size, output, kDecode, true);
  const StatisticsResult statistics(given.planes, given.batch(), offset.has_value());
  {
    const Call call(given.planes);
    backend::decode_prototypes(call.context(), given.prototypes, given.detections, given.decoding, masks.view,
                               masks.is_zero, statistics.view());
  }
  return statistics.with(masks.array.result());
}

#if defined(RM_BACKEND_CPU)
py::tuple decode_prototype_runs(py::handle prototypes, py::handle coefficients, py::handle boxes,
                                const py::object& batch_index, const Extents& size, double threshold,
                                std::string_view op, std::string_view crop, const std::optional<Extents>& letterbox,
                                std::int64_t pre_upsample, std::string_view activation, std::optional<double> offset) {
  const PrototypeArguments given(prototypes, coefficients, boxes, batch_index, size, threshold, op, crop, letterbox,
                                 pre_upsample, activation, offset);
  check_run_size(kDecode, size[0], size[1]);
  const StatisticsResult statistics(given.planes, given.batch(), offset.has_value());
  const py::tuple runs = give_back(given.planes, [&](const auto& context) {
    return cpu::decode_prototype_runs(context, given.prototypes, given.detections, given.decoding, statistics.view());
  });
  return statistics.with(runs);
}
#endif

}  // namespace

void bind_prototypes(py::module_& module) {
  module.def("decode_prototypes", &decode_prototypes, py::arg("prototypes"), py::arg("coefficients"), py::arg("boxes"),
             py::arg("batch_index"), py::arg("size"), py::arg("threshold"), py::arg("op"), py::arg("crop"),
             py::arg("letterbox"), py::arg("pre_upsample"), py::arg("activation"), py::arg("output"), py::arg("offset"),
             py::arg("out"));
#if defined(RM_BACKEND_CPU)
  module.def("decode_prototype_runs", &decode_prototype_runs, py::arg("prototypes"), py::arg("coefficients"),
             py::arg("boxes"), py::arg("batch_index"), py::arg("size"), py::arg("threshold"), py::arg("op"),
             py::arg("crop"), py::arg("letterbox"), py::arg("pre_upsample"), py::arg("activation"), py::arg("offset"));
#endif
}

}  // namespace rapidmask::python
