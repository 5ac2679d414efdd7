// Bindings of `upsample_masks`. The Python function has checked names.

#include "rapidmask/upsample.hpp"

#include "decoded_masks.hpp"
#include "module.hpp"

namespace rapidmask::python {
namespace {

constexpr const char* kUpsample = "upsample_masks";

ResizeAxis axis_of(std::int64_t in, std::int64_t middle, std::int64_t kept, std::int64_t out, const char* name) {
  const ResizeAxis axis{in, middle, 0, kept, out};
  if (kept > middle) {
    throw std::invalid_argument(std::string(kUpsample) + ": crop must be within the " + std::to_string(middle) + " " +
                                name + " that are cropped, got " + std::to_string(kept));
  }
  return axis;
}

struct UpsampleArguments {
  Array logits;
  Image image;
  Shape batch;
  Upsampling upsampling;

  UpsampleArguments(py::handle array, const Extents& size, const std::optional<Extents>& intermediate,
                    const std::optional<Extents>& crop, double threshold, std::string_view op,
                    std::string_view activation, std::optional<double> offset)
      : logits(Array(array, kUpsample, "logits").contiguous()),
        image(images(logits, kUpsample, "logits")),
        batch(logits.shape().leading(logits.shape().rank() - 2)) {
    check_logits(kUpsample, "logits", image.dtype);
    check_extents(kUpsample, "logits' height and width", {image.h, image.w}, 0);
    check_extents(kUpsample, "size", size, 0);
    if (size[0] > 0 && size[1] > 0 && image.image_size() == 0) {
      throw std::invalid_argument(std::string(kUpsample) + ": logits must have pixels, got none");
    }
    const Extents middle = intermediate.value_or(Extents{image.h, image.w});
    if (intermediate) check_extents(kUpsample, "intermediate", middle, 1);
    const Extents kept = crop.value_or(middle);
    if (crop) check_extents(kUpsample, "crop", kept, 1);
    upsampling = {axis_of(image.h, middle[0], kept[0], size[0], "rows"),
                  axis_of(image.w, middle[1], kept[1], size[1], "columns"),
                  activation == "sigmoid" ? Activation::sigmoid : Activation::none,
                  foreground_of(kUpsample, threshold, op, offset)};
  }
};

py::tuple upsample_masks(py::handle logits, const Extents& size, const std::optional<Extents>& intermediate,
                         const std::optional<Extents>& crop, double threshold, std::string_view op,
                         std::string_view activation, std::string_view output, std::optional<double> offset,
                         const py::object& out) {
  const UpsampleArguments given(logits, size, intermediate, crop, threshold, op, activation, offset);
  const DecodedMasks masks(out, given.logits, given.batch, size, output, kUpsample);
  const StatisticsResult statistics(given.logits, given.batch, offset.has_value());
  {
    const Call call(given.logits);
    backend::upsample_masks(call.context(), given.image, given.upsampling, masks.view, statistics.view());
  }
  return statistics.with(masks.array.result());
}

#if defined(RM_BACKEND_CPU)
py::tuple upsample_runs(py::handle logits, const Extents& size, const std::optional<Extents>& intermediate,
                        const std::optional<Extents>& crop, double threshold, std::string_view op,
                        std::string_view activation, std::optional<double> offset) {
  const UpsampleArguments given(logits, size, intermediate, crop, threshold, op, activation, offset);
  check_run_size(kUpsample, size[0], size[1]);
  const StatisticsResult statistics(given.logits, given.batch, offset.has_value());
  const py::tuple runs = give_back(given.logits, [&](const auto& context) {
    return cpu::upsample_runs(context, given.image, given.upsampling, statistics.view());
  });
  return statistics.with(runs);
}
#endif

}  // namespace

void bind_upsample(py::module_& module) {
  module.def("upsample_masks", &upsample_masks, py::arg("logits"), py::arg("size"), py::arg("intermediate"),
             py::arg("crop"), py::arg("threshold"), py::arg("op"), py::arg("activation"), py::arg("output"),
             py::arg("offset"), py::arg("out"));
#if defined(RM_BACKEND_CPU)
  module.def("upsample_runs", &upsample_runs, py::arg("logits"), py::arg("size"), py::arg("intermediate"),
             py::arg("crop"), py::arg("threshold"), py::arg("op"), py::arg("activation"), py::arg("offset"));
#endif
}

}  // namespace rapidmask::python
