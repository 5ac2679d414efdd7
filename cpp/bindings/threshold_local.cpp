// Bindings of the thresholds that the neighbourhood of each pixel gives.

#include "rapidmask/threshold_local.hpp"

#include <optional>

#include "array.hpp"
#include "module.hpp"

namespace rapidmask::python {
namespace {

// An image, its window and the surface that it will have.
struct Job {
  Array input;
  Image pixels;
  LocalWindow window;

  Job(py::handle image, LocalWindow size, const char* function, const char* argument)
      : input(Array(image, function, "image").contiguous()), pixels(images(input, function, "image")), window(size) {
    check_local_window(function, argument, window);
  }
  Array surface() const { return input.empty(surface_dtype(input.dtype()), input.shape()); }
};

py::object local(py::handle image, std::int64_t window_h, std::int64_t window_w, const std::string& method,
                 double offset) {
  const LocalMethod found = local_method("threshold_local", method);
  const Job job(image, {window_h, window_w}, "threshold_local", "block_size");
  const Array surface = job.surface();
  {
    const Call call(job.input);
    backend::threshold_local(call.context(), job.pixels, job.window, found, offset, surface.data());
  }
  return surface.result();
}

py::object niblack(py::handle image, std::int64_t window_h, std::int64_t window_w, double k) {
  const Job job(image, {window_h, window_w}, "threshold_niblack", "window_size");
  const Array surface = job.surface();
  {
    const Call call(job.input);
    backend::threshold_niblack(call.context(), job.pixels, job.window, k, surface.data());
  }
  return surface.result();
}

py::object sauvola(py::handle image, std::int64_t window_h, std::int64_t window_w, double k, std::optional<double> r) {
  const Job job(image, {window_h, window_w}, "threshold_sauvola", "window_size");
  const double range = r.value_or(default_dynamic_range(job.input.dtype()));
  check_dynamic_range(range);
  const Array surface = job.surface();
  {
    const Call call(job.input);
    backend::threshold_sauvola(call.context(), job.pixels, job.window, k, range, surface.data());
  }
  return surface.result();
}

// `output` is "bool", "uint8" or "packed"; the Python function has checked it and `op`.
py::object adaptive(py::handle image, std::int64_t window_h, std::int64_t window_w, const std::string& method,
                    double offset, std::string_view op, std::string_view output, const py::object& out) {
  const LocalMethod found = local_method("adaptive_threshold", method);
  const Job job(image, {window_h, window_w}, "adaptive_threshold", "block_size");
  const Image& pixels = job.pixels;
  const bool packed = output == "packed";
  const DType dtype = output == "bool" ? DType::boolean : DType::uint8;
  const Array masks = packed ? packed_output(out, job.input, pixels, "adaptive_threshold")
                             : output_array(out, job.input, dtype, job.input.shape(), "adaptive_threshold");
  {
    const Call call(job.input);
    backend::adaptive_threshold(
        call.context(), pixels, job.window, found, offset, op == ">",
        packed ? nullptr : static_cast<std::uint8_t*>(masks.data()),
        {packed ? static_cast<std::uint64_t*>(masks.data()) : nullptr, pixels.n, pixels.h, pixels.w});
  }
  return masks.result();
}

}  // namespace

void bind_threshold_local(py::module_& module) {
  module.def("threshold_local", &local, py::arg("image"), py::arg("window_h"), py::arg("window_w"), py::arg("method"),
             py::arg("offset"));
  module.def("threshold_niblack", &niblack, py::arg("image"), py::arg("window_h"), py::arg("window_w"), py::arg("k"));
  module.def("threshold_sauvola", &sauvola, py::arg("image"), py::arg("window_h"), py::arg("window_w"), py::arg("k"),
             py::arg("r"));
  module.def("adaptive_threshold", &adaptive, py::arg("image"), py::arg("window_h"), py::arg("window_w"),
             py::arg("method"), py::arg("offset"), py::arg("op"), py::arg("output"), py::arg("out"));
}

}  // namespace rapidmask::python
