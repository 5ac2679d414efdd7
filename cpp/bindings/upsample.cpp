// Bindings of `upsample_masks`. The Python function has checked names.

#include "rapidmask/upsample.hpp"

#include "decoded_masks.hpp"
#include "module.hpp"

namespace rapidmask::python {
namespace {

constexpr const char* kFunction = "upsample_masks";

ResizeAxis axis_of(std::int64_t in, std::int64_t middle, std::int64_t kept, std::int64_t out, const char* name) {
  const ResizeAxis axis{in, middle, 0, kept, out};
  if (kept > middle) {
    throw std::invalid_argument(std::string(kFunction) + ": crop must be within the " + std::to_string(middle) + " " +
                                name + " that are cropped, got " + std::to_string(kept));
  }
  return axis;
}

struct Given {
  Array logits;
  Image image;
  Shape batch;
  Upsampling upsampling;

  Given(py::handle array, const Extents& size, const std::optional<Extents>& intermediate,
        const std::optional<Extents>& crop, double threshold, std::string_view op, std::string_view activation,
        std::optional<double> offset)
      : logits(Array(array, kFunction, "logits").contiguous()),
        image(images(logits, kFunction, "logits")),
        batch(logits.shape().leading(logits.shape().rank() - 2)) {
    check_logits(kFunction, "logits", image.dtype);
    check_extents(kFunction, "logits' height and width", {image.h, image.w}, 0);
    check_extents(kFunction, "size", size, 0);
    if (size[0] > 0 && size[1] > 0 && image.image_size() == 0) {
      throw std::invalid_argument(std::string(kFunction) + ": logits must have pixels, got none");
    }
    const Extents middle = intermediate.value_or(Extents{image.h, image.w});
    if (intermediate) check_extents(kFunction, "intermediate", middle, 1);
    const Extents kept = crop.value_or(middle);
    if (crop) check_extents(kFunction, "crop", kept, 1);
    upsampling = {axis_of(image.h, middle[0], kept[0], size[0], "rows"),
                  axis_of(image.w, middle[1], kept[1], size[1], "columns"),
                  activation == "sigmoid" ? Activation::sigmoid : Activation::none,
                  foreground_of(kFunction, threshold, op, offset)};
  }
};

py::tuple upsample_masks(py::handle logits, const Extents& size, const std::optional<Extents>& intermediate,
                         const std::optional<Extents>& crop, double threshold, std::string_view op,
                         std::string_view activation, std::string_view output, std::optional<double> offset,
                         const py::object& out) {
  const Given given(logits, size, intermediate, crop, threshold, op, activation, offset);
  const DecodedMasks masks(out, given.logits, given.batch, size, output, kFunction);
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
  const Given given(logits, size, intermediate, crop, threshold, op, activation, offset);
  check_run_size(kFunction, size[0], size[1]);
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
