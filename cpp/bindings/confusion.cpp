// Bindings of the confusion family.

#include "rapidmask/confusion.hpp"

#include "array.hpp"
#include "module.hpp"

namespace rapidmask::python {
namespace {

struct ConfusionArguments {
  Array prediction, target;

  ConfusionArguments(py::handle given_prediction, py::handle given_target, const char* function)
      : prediction(labels(given_prediction, function, "prediction")), target(labels(given_target, function, "target")) {
    if (!(prediction.shape() == target.shape())) {
      throw std::invalid_argument(std::string(function) + ": target must have the prediction's shape " +
                                  prediction.shape().text() + ", got shape " + target.shape().text());
    }
    target.check_same_device(prediction, function, "target");
  }

  LabelPairs pairs() const {
    return {prediction.data(), target.data(), prediction.dtype(), target.dtype(), prediction.shape().size()};
  }

 private:
  static Array labels(py::handle given, const char* function, const char* argument) {
    const Array array = Array(given, function, argument).contiguous();
    if (is_floating(array.dtype())) {
      throw TypeError(std::string(function) + ": " + argument + " must be of integers, got " +
                      dtype_name(array.dtype()));
    }
    return array;
  }
};

// Returns the matrix and, where asked for, the number of pixels with a label that is no class (else None).
py::tuple confusion_matrix(py::handle prediction, py::handle target, std::int64_t classes,
                           std::optional<std::int64_t> ignored, bool with_invalid) {
  constexpr const char* kFunction = "confusion_matrix";
  if (classes < 1 || classes > kMostClasses) {
    throw std::invalid_argument(std::string(kFunction) + ": num_classes must be from 1 to " +
                                std::to_string(kMostClasses) + ", got " + std::to_string(classes));
  }
  const ConfusionArguments given(prediction, target, kFunction);
  // What an unsigned map cannot hold is never ignored.
  const bool ignores = ignored.has_value() && (*ignored >= 0 || given.target.dtype() != DType::uint64);
  const Array matrix = given.prediction.empty(DType::int64, {classes, classes});
  std::optional<Array> invalid;
  if (with_invalid) invalid.emplace(given.prediction.empty(DType::int64, {1}));
  {
    const Call call(given.prediction);
    backend::confusion_matrix(call.context(), given.pairs(), {classes, ignores, ignored.value_or(0)},
                              static_cast<std::int64_t*>(matrix.data()),
                              with_invalid ? static_cast<std::int64_t*>(invalid->data()) : nullptr);
  }
  return py::make_tuple(matrix.result(), with_invalid ? invalid->result() : py::none());
}

// The lists, int64 and ascending, lie where the maps do.
py::object label_overlaps(py::handle prediction, py::handle target, py::handle prediction_labels,
                          py::handle target_labels) {
  constexpr const char* kFunction = "label_overlaps";
  const ConfusionArguments given(prediction, target, kFunction);
  const auto list = [&](py::handle labels, const char* argument) {
    const Array array = Array(labels, kFunction, argument).contiguous();
    array.check_same_device(given.prediction, kFunction, argument);
    if (array.dtype() != DType::int64 || array.shape().rank() != 1) {
      throw TypeError(std::string(kFunction) + ": " + argument + " must be int64 of one dimension, got " +
                      dtype_name(array.dtype()) + " of shape " + array.shape().text());
    }
    return array;
  };
  const Array columns = list(prediction_labels, "prediction_labels"), rows = list(target_labels, "target_labels");
  const LabelList predictions{static_cast<const std::int64_t*>(columns.data()), columns.shape()[0]};
  const LabelList targets{static_cast<const std::int64_t*>(rows.data()), rows.shape()[0]};
  const Array overlaps = given.prediction.empty(DType::int64, {targets.count + 1, predictions.count + 1});
  {
    const Call call(given.prediction);
    backend::label_overlaps(call.context(), given.pairs(), predictions, targets,
                            static_cast<std::int64_t*>(overlaps.data()));
  }
  return overlaps.result();
}

}  // namespace

void bind_confusion(py::module_& module) {
  module.def("confusion_matrix", &confusion_matrix, py::arg("prediction"), py::arg("target"), py::arg("num_classes"),
             py::arg("ignore_index"), py::arg("with_invalid"));
  module.def("label_overlaps", &label_overlaps, py::arg("prediction"), py::arg("target"), py::arg("prediction_labels"),
             py::arg("target_labels"));
}

}  // namespace rapidmask::python
