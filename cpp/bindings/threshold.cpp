// Bindings of `threshold`.

#include "rapidmask/threshold.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

#include "array.hpp"
#include "module.hpp"

namespace rapidmask::python {
namespace {

// A plain number: an integer exactly, any other rounded to the image's type where that is floating, as NumPy and torch
// do before they compare.
ThresholdValue scalar_value(py::handle value, DType dtype) {
  ThresholdValue result{};
  result.kind = ThresholdValue::Kind::scalar;
  if (PyLong_Check(value.ptr()) != 0 && !is_floating(dtype)) {
    constexpr Int128 kBeyond = Int128{1} << 100;  // every integer past 64 bits compares alike
    int overflow = 0;
    result.is_integer = true;
    result.integer = PyLong_AsLongLongAndOverflow(value.ptr(), &overflow);
    if (overflow < 0) result.integer = -kBeyond;
    if (overflow > 0) {
      const unsigned long long large = PyLong_AsUnsignedLongLong(value.ptr());
      result.integer = PyErr_Occurred() == nullptr ? static_cast<Int128>(large) : kBeyond;
      PyErr_Clear();
    }
    return result;
  }
  double number = PyFloat_AsDouble(value.ptr());
  if (number == -1.0 && PyErr_Occurred() != nullptr) {
    if (PyErr_ExceptionMatches(PyExc_OverflowError) == 0) throw py::error_already_set();
    PyErr_Clear();  // an integer that no double holds
    int sign = 0;
    static_cast<void>(PyLong_AsLongLongAndOverflow(value.ptr(), &sign));
    number = sign * HUGE_VAL;
  }
  if (number != number) throw std::invalid_argument("threshold: value must not be NaN, got nan");
  result.scalar = round_to(dtype, number);
  return result;
}

bool is_number(py::handle value) { return PyFloat_Check(value.ptr()) != 0 || PyLong_Check(value.ptr()) != 0; }

// Values given as an array, in the order of what they may mean: one number, one for each image, a surface.
ThresholdValue array_value(const Array& values, const Array& image) {
  const Shape& shape = image.shape();
  const Shape& given = values.shape();
  ThresholdValue value{};
  const Image pixels = images(image, "threshold", "x");
  constexpr std::array kTypes{DType::float32, DType::float64, DType::int64, DType::uint64};
  if (std::find(kTypes.begin(), kTypes.end(), values.dtype()) == kTypes.end()) {
    throw TypeError(std::string("threshold: value must be float32, float64, int64 or uint64, got ") +
                    dtype_name(values.dtype()));
  }
  if (given == shape.leading(shape.rank() - 2)) {
    value.kind = ThresholdValue::Kind::per_image;
    value.array = {values.data(), values.dtype(), pixels.n, 1, 1};
  } else if (given == shape || (given.rank() == 2 && given[0] == pixels.h && given[1] == pixels.w)) {
    value.kind = ThresholdValue::Kind::per_pixel;
    value.array = {values.data(), values.dtype(), given == shape ? pixels.n : 1, pixels.h, pixels.w};
  } else {
    throw std::invalid_argument("threshold: value must be a number, one for each image with shape " +
                                shape.leading(shape.rank() - 2).text() + ", or a surface with shape " + shape.text() +
                                " or (H, W), got shape " + given.text());
  }
  return value;
}

enum class Output : std::uint8_t { boolean, uint8, packed };

Output parse_output(std::string_view output) {
  if (output == "bool") return Output::boolean;
  if (output == "uint8") return Output::uint8;
  return Output::packed;
}

// `value` is a number, or an array of float32, float64, int64 or uint64. The Python function has checked `op` and
// `output`.
py::object threshold(py::handle x, py::handle value, std::string_view op, std::string_view output,
                     const py::object& out) {
  const Comparison comparison = op == ">" ? Comparison::greater : Comparison::greater_equal;
  const Array given(x, "threshold", "x");
  const Array image = given.contiguous();
  const Output kind = parse_output(output);
  // Without rows there is nothing to pack, but any shape can be compared with one number.
  const Image pixels = kind != Output::packed && image.shape().rank() < 2
                           ? Image{image.data(), image.dtype(), 1, 1, image.shape().size()}
                           : images(image, "threshold", "x");
  ThresholdValue limit{};
  std::optional<Array> values;
  if (is_number(value)) {
    limit = scalar_value(value, image.dtype());
  } else {
    values = Array(value, "threshold", "value").contiguous();
    values->check_same_device(image, "threshold", "value");
    limit = array_value(*values, image);
  }
  const Array masks = kind == Output::packed
                          ? packed_output(out, image, pixels, "threshold")
                          : output_array(out, image, kind == Output::boolean ? DType::boolean : DType::uint8,
                                         image.shape(), "threshold");
  {
    const Call call(image);
    const MaskOutput target = kind == Output::packed ? MaskOutput{nullptr, static_cast<std::uint64_t*>(masks.data())}
                                                     : MaskOutput{static_cast<std::uint8_t*>(masks.data()), nullptr};
    backend::threshold(call.context(), pixels, limit, comparison, target);
  }
  return masks.result();
}

}  // namespace

void bind_threshold(py::module_& module) {
  module.def("threshold", &threshold, py::arg("x"), py::arg("value"), py::arg("op"), py::arg("output"), py::arg("out"));
}

}  // namespace rapidmask::python
