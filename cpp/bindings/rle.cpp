// Bindings of the run-length family. Runs are (counts uint32, offsets int64); masks of one batch share their (H, W).

#include "rapidmask/rle.hpp"

#include <cstring>
#include <limits>
#include <optional>

#include "array.hpp"
#include "module.hpp"

namespace rapidmask::python {
namespace {

void check_size(const char* function, std::int64_t h, std::int64_t w) {
  constexpr std::int64_t kMax = std::numeric_limits<std::uint32_t>::max();
  if (h < 0 || w < 0 || (h > 0 && w > kMax / h)) {
    throw std::invalid_argument(std::string(function) + ": size must be (H, W) of at most 2^32 - 1 pixels, got (" +
                                std::to_string(h) + ", " + std::to_string(w) + ")");
  }
}

// The runs that (counts, offsets) hold, checked so that no algorithm reads or writes past a mask.
struct Runs {
  Array counts, offsets;
  ConstRunLengths view;

  Runs(py::handle given_counts, py::handle given_offsets, std::int64_t h, std::int64_t w, const char* function)
      : counts(Array(given_counts, function, "counts").contiguous()),
        offsets(Array(given_offsets, function, "offsets").contiguous()) {
    check_size(function, h, w);
    if (counts.dtype() != DType::uint32 || counts.shape().rank() != 1) {
      throw TypeError(std::string(function) + ": counts must be uint32 of one dimension, got " +
                      dtype_name(counts.dtype()) + " of shape " + counts.shape().text());
    }
    if (offsets.dtype() != DType::int64 || offsets.shape().rank() != 1 || offsets.shape()[0] < 1) {
      throw TypeError(std::string(function) + ": offsets must be int64 of shape (N + 1,), got " +
                      dtype_name(offsets.dtype()) + " of shape " + offsets.shape().text());
    }
    view = {static_cast<const std::uint32_t*>(counts.data()), static_cast<const std::int64_t*>(offsets.data()),
            offsets.shape()[0] - 1, h, w};
    check_run_lengths(function, view, counts.shape()[0]);
  }
};

py::tuple give_back(const Array& like, const RunLengths& runs) {
  const Array counts = like.empty(DType::uint32, {static_cast<std::int64_t>(runs.counts.size())});
  const Array offsets = like.empty(DType::int64, {static_cast<std::int64_t>(runs.offsets.size())});
  if (!runs.counts.empty()) std::memcpy(counts.data(), runs.counts.data(), 4 * runs.counts.size());
  std::memcpy(offsets.data(), runs.offsets.data(), 8 * runs.offsets.size());
  return py::make_tuple(counts.result(), offsets.result());
}

py::tuple rle_encode(py::handle masks, std::optional<std::int64_t> width) {
  const Array input = Array(masks, "rle_encode", "masks").contiguous(width.has_value() ? kWordBytes : 1);
  RunLengths runs;
  if (width.has_value()) {
    const ConstPackedMasks view = packed_masks(input, *width, "rle_encode", "masks");
    check_size("rle_encode", view.h, view.w);
    const Call call(input);
    runs = cpu::rle_encode(call.context(), view);
  } else {
    const auto view = dense_masks(input, "rle_encode", "masks");
    check_size("rle_encode", view.h, view.w);
    const Call call(input);
    runs = cpu::rle_encode(call.context(), view);
  }
  return give_back(input, runs);
}

py::object rle_decode(py::handle counts, py::handle offsets, std::int64_t h, std::int64_t w, bool as_bool) {
  const Runs runs(counts, offsets, h, w, "rle_decode");
  const Array masks = runs.counts.empty(as_bool ? DType::boolean : DType::uint8, {runs.view.n, h, w});
  {
    const Call call(runs.counts);
    cpu::rle_decode(call.context(), runs.view, static_cast<std::uint8_t*>(masks.data()));
  }
  return masks.result();
}

py::tuple rle_combine(py::handle counts_a, py::handle offsets_a, py::handle counts_b, py::handle offsets_b,
                      std::int64_t h, std::int64_t w, std::string_view operation) {
  const Runs a(counts_a, offsets_a, h, w, "rle_combine");
  const Runs b(counts_b, offsets_b, h, w, "rle_combine");
  if (a.view.n != b.view.n && a.view.n != 1 && b.view.n != 1) {
    throw std::invalid_argument("rle_combine: both sides must hold as many masks, or one, got " +
                                std::to_string(a.view.n) + " and " + std::to_string(b.view.n));
  }
  const SetOperation set = operation == "&"   ? SetOperation::intersection
                           : operation == "|" ? SetOperation::union_
                           : operation == "^" ? SetOperation::symmetric_difference
                                              : SetOperation::difference;
  RunLengths runs;
  {
    const Call call(a.counts);
    runs = cpu::rle_combine(call.context(), a.view, b.view, set);
  }
  return give_back(a.counts, runs);
}

py::object rle_areas(py::handle counts, py::handle offsets, std::int64_t h, std::int64_t w) {
  const Runs runs(counts, offsets, h, w, "mask_areas");
  const Array areas = runs.counts.empty(DType::int64, {runs.view.n});
  {
    const Call call(runs.counts);
    cpu::rle_areas(call.context(), runs.view, static_cast<std::int64_t*>(areas.data()));
  }
  return areas.result();
}

py::object rle_boxes(py::handle counts, py::handle offsets, std::int64_t h, std::int64_t w) {
  const Runs runs(counts, offsets, h, w, "masks_to_boxes");
  const Array boxes = runs.counts.empty(DType::int64, {runs.view.n, 4});
  {
    const Call call(runs.counts);
    cpu::rle_boxes(call.context(), runs.view, static_cast<std::int64_t*>(boxes.data()));
  }
  return boxes.result();
}

py::bytes to_string(py::handle counts) {
  const Array runs = Array(counts, "rle_to_string", "counts").contiguous();
  if (runs.dtype() != DType::uint32 || runs.shape().rank() != 1) {
    throw TypeError(std::string("rle_to_string: counts must be uint32 of one dimension, got ") +
                    dtype_name(runs.dtype()) + " of shape " + runs.shape().text());
  }
  return rle_to_string(static_cast<const std::uint32_t*>(runs.data()), runs.shape()[0]);
}

py::array_t<std::uint32_t> from_string(std::string_view text) {
  const std::vector<std::uint32_t> counts = rle_from_string(text);
  return py::array_t<std::uint32_t>(static_cast<py::ssize_t>(counts.size()), counts.data());
}

// Checked runs in canonical form; `function` is what Python called.
py::tuple canonical(py::handle counts, py::handle offsets, std::int64_t h, std::int64_t w,
                    const std::string& function) {
  const Runs runs(counts, offsets, h, w, function.c_str());
  RunLengths result;
  {
    const Call call(runs.counts);
    result = cpu::rle_canonical(call.context(), runs.view);
  }
  return give_back(runs.counts, result);
}

}  // namespace

void bind_rle(py::module_& module) {
  module.def("rle_encode", &rle_encode, py::arg("masks"), py::arg("width"));
  module.def("rle_decode", &rle_decode, py::arg("counts"), py::arg("offsets"), py::arg("h"), py::arg("w"),
             py::arg("as_bool"));
  module.def("rle_combine", &rle_combine, py::arg("counts_a"), py::arg("offsets_a"), py::arg("counts_b"),
             py::arg("offsets_b"), py::arg("h"), py::arg("w"), py::arg("operation"));
  module.def("rle_areas", &rle_areas, py::arg("counts"), py::arg("offsets"), py::arg("h"), py::arg("w"));
  module.def("rle_boxes", &rle_boxes, py::arg("counts"), py::arg("offsets"), py::arg("h"), py::arg("w"));
  module.def("rle_to_string", &to_string, py::arg("counts"));
  module.def("rle_from_string", &from_string, py::arg("text"));
  module.def("rle_canonical", &canonical, py::arg("counts"), py::arg("offsets"), py::arg("h"), py::arg("w"),
             py::arg("function"));
}

}  // namespace rapidmask::python
