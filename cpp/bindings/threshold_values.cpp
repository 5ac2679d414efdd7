// Bindings of the thresholds that the histogram of an image gives.

#include "rapidmask/threshold_values.hpp"

#include "array.hpp"
#include "module.hpp"

namespace rapidmask::python {
namespace {

constexpr std::array<std::pair<std::string_view, ThresholdMethod>, 7> kMethods{{
    {"otsu", ThresholdMethod::otsu},
    {"li", ThresholdMethod::li},
    {"yen", ThresholdMethod::yen},
    {"isodata", ThresholdMethod::isodata},
    {"triangle", ThresholdMethod::triangle},
    {"mean", ThresholdMethod::mean},
    {"minimum", ThresholdMethod::minimum},
}};

ThresholdMethod find_method(std::string_view name) {
  for (const auto& [known, method] : kMethods) {
    if (name == known) return method;
  }
  throw std::invalid_argument("threshold_value: there is no method '" + std::string(name) + "'");
}

py::object value(py::handle image, std::string_view method, bool checks) {
  const std::string function = "threshold_" + std::string(method);
  const ThresholdMethod found = find_method(method);
  const Array input = Array(image, function.c_str(), "image").contiguous();
  const Image pixels = images(input, function.c_str(), "image");
  const Array values = input.empty(DType::float64, input.shape().leading(input.shape().rank() - 2));
  {
    const Call call(input);
    backend::threshold_value(call.context(), found, pixels, checks, static_cast<double*>(values.data()));
  }
  return values.result();
}

py::object multiotsu(py::handle image, int classes, bool checks) {
  const Array input = Array(image, "threshold_multiotsu", "image").contiguous();
  const Image pixels = images(input, "threshold_multiotsu", "image");
  if (classes < 2) {
    throw std::invalid_argument("threshold_multiotsu: classes must be at least 2, got " + std::to_string(classes));
  }
  Shape shape = input.shape().leading(input.shape().rank() - 2);
  shape.push_back(classes - 1);
  const Array values = input.empty(DType::float64, shape);
  {
    const Call call(input);
    backend::threshold_multiotsu(call.context(), pixels, classes, checks, static_cast<double*>(values.data()));
  }
  return values.result();
}

}  // namespace

void bind_threshold_values(py::module_& module) {
  module.def("threshold_value", &value, py::arg("image"), py::arg("method"), py::arg("checks"));
  module.def("threshold_multiotsu", &multiotsu, py::arg("image"), py::arg("classes"), py::arg("checks"));
}

}  // namespace rapidmask::python
