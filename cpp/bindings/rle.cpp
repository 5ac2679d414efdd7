// Bindings of the run-length family. Runs are (counts uint32, offsets int64); masks of one batch share their (H, W).

#include "rapidmask/rle.hpp"

#include <array>
#include <optional>

#include "array.hpp"
#include "module.hpp"
#include "rapidmask/rle_device.hpp"
#include "run_lengths.hpp"

namespace rapidmask::python {
namespace {

#if defined(RM_BACKEND_CPU)

// Dense masks without a copy where their rows or their columns are contiguous.
StridedMasks strided_masks(Array& array, const char* function) {
  const auto view = dense_masks(array, function, "masks");
  check_run_size(function, view.h, view.w);
  std::int64_t row = array.stride_from_end(2), column = array.stride_from_end(1);
  if (view.size() == 0)
    return {std::vector<const std::uint8_t*>(static_cast<std::size_t>(view.n)), view.h, view.w, false, view.w};
  if (column != 1 && row != 1) {
    array = array.contiguous();
    row = view.w;
    column = 1;
  }
  // A mask of one row or column is one column.
  const bool by_columns = row == 1 || (view.h == 1 && column == 1);
  StridedMasks masks{{}, view.h, view.w, by_columns, by_columns ? column : row};
  masks.masks.reserve(static_cast<std::size_t>(view.n));
  const auto* data = static_cast<const std::uint8_t*>(array.data());
  const int rank = array.shape().rank();
  std::array<std::int64_t, kMaxRank + 1> place{};
  for (std::int64_t k = 0; k < view.n; ++k) {
    masks.masks.push_back(data);
    for (int i = 3; i <= rank; ++i) {  // the next mask: the last leading axis moves first
      auto& at = place[static_cast<std::size_t>(i)];
      data += array.stride_from_end(i);
      if (++at < array.shape().from_end(i)) break;
      data -= at * array.stride_from_end(i);
      at = 0;
    }
  }
  return masks;
}

py::tuple rle_encode(py::handle masks, std::optional<std::int64_t> width) {
  Array input(masks, "rle_encode", "masks");
  if (!width.has_value()) {
    const StridedMasks view = strided_masks(input, "rle_encode");
    return give_back(input, [&](const auto& context) { return cpu::rle_encode(context, view); });
  }
  input = input.contiguous(kWordBytes);
  const ConstPackedMasks view = packed_masks(input, *width, "rle_encode", "masks");
  check_run_size("rle_encode", view.h, view.w);
  return give_back(input, [&](const auto& context) { return cpu::rle_encode(context, view); });
}

py::list rle_encode_coco(py::handle masks) {
  Array input(masks, "rle_encode", "masks");
  const StridedMasks view = strided_masks(input, "rle_encode");
  std::vector<std::string> strings;
  {
    const Call call(input);
    strings = cpu::rle_encode_strings(call.context(), view);
  }
  py::list result(strings.size());
  for (std::size_t i = 0; i < strings.size(); ++i) result[i] = coco_dict(view.h, view.w, py::bytes(strings[i]));
  return result;
}

py::tuple rle_encode_labels(py::handle labels) {
  const Array input = Array(labels, "rle_encode_labels", "labels").contiguous();
  if (is_floating(input.dtype())) {
    throw TypeError(std::string("rle_encode_labels: labels must be integers or bool, got ") +
                    dtype_name(input.dtype()));
  }
  const Image view = images(input, "rle_encode_labels", "labels");
  check_run_size("rle_encode_labels", view.h, view.w);
  cpu::FoundLabels found;
  {
    const Call call(input);
    found = cpu::rle_encode_labels(call.context(), view);
  }
  const auto count = static_cast<std::int64_t>(found.values.size());
  const Array values = input.empty(input.dtype(), {count});
  visit_dtype(input.dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    if constexpr (std::is_integral_v<T>) {
      for (std::int64_t i = 0; i < count; ++i) {
        static_cast<T*>(values.data())[i] = static_cast<T>(found.values[static_cast<std::size_t>(i)]);
      }
    }
  });
  return py::make_tuple(filled(input, DType::uint32, found.counts), filled(input, DType::int64, found.offsets),
                        values.result(), filled(input, DType::int64, found.maps));
}

#else

py::tuple rle_encode(py::handle masks, std::optional<std::int64_t> width) {
  const MasksArgument given(masks, width, false, "rle_encode", "masks");
  const Masks& view = given.view();
  check_run_size("rle_encode", view.h, view.w);
  const Array offsets = given.array().empty(DType::int64, {view.n + 1});
  std::optional<Array> counts;
  const auto make_counts = [&](std::int64_t count) {
    const py::gil_scoped_acquire locked;  // which the call has released
    counts = given.array().empty(DType::uint32, {count});
    return static_cast<std::uint32_t*>(counts->data());
  };
  {
    const Call call(given.array());
    cuda::rle_encode(call.context(), view, static_cast<std::int64_t*>(offsets.data()), make_counts);
  }
  return py::make_tuple(counts->result(), offsets.result());
}

// One array of bytes: int64 offsets (N + 1), then uint32 counts (capacity).
py::object rle_encode_within(py::handle masks, std::optional<std::int64_t> width, std::int64_t capacity) {
  const MasksArgument given(masks, width, false, "rle_encode", "masks");
  const Masks& view = given.view();
  check_run_size("rle_encode", view.h, view.w);
  const std::int64_t offset_bytes = 8 * (view.n + 1);
  const Array runs = given.array().empty(DType::uint8, {offset_bytes + 4 * capacity});
  auto* bytes = static_cast<std::uint8_t*>(runs.data());
  {
    const Call call(given.array());
    cuda::rle_encode_within(call.context(), view, reinterpret_cast<std::int64_t*>(bytes),
                            reinterpret_cast<std::uint32_t*>(bytes + offset_bytes), capacity);
  }
  return runs.result();
}

// One array of bytes: where the string of each mask ends, int64 (N + 1), then the strings.
py::object rle_strings(py::handle counts, py::handle offsets) {
  const RunArrays runs(counts, offsets, "to_coco");
  const ConstRunLengths view = runs.view(0, 0);
  std::optional<Array> strings;
  const auto make_text = [&](std::int64_t count) {
    const py::gil_scoped_acquire locked;
    strings = runs.counts.empty(DType::uint8, {8 * (view.n + 1) + count});
    auto* bytes = static_cast<std::uint8_t*>(strings->data());
    return cuda::Strings{reinterpret_cast<std::int64_t*>(bytes), bytes + 8 * (view.n + 1)};
  };
  {
    const Call call(runs.counts);
    cuda::rle_strings(call.context(), view, runs.counts.shape()[0], make_text);
  }
  return strings->result();
}

#endif

Crop crop_of(const std::optional<std::array<std::int64_t, 4>>& given, std::int64_t h, std::int64_t w) {
  if (!given.has_value()) return {0, 0, w, h};
  const auto [x0, y0, x1, y1] = *given;
  if (x0 < 0 || y0 < 0 || x1 < x0 || y1 < y0 || x1 > w || y1 > h) {
    throw std::invalid_argument("rle_decode: crop must be (x0, y0, x1, y1) within (0, 0, " + std::to_string(w) + ", " +
                                std::to_string(h) + "), got (" + std::to_string(x0) + ", " + std::to_string(y0) + ", " +
                                std::to_string(x1) + ", " + std::to_string(y1) + ")");
  }
  return {x0, y0, x1, y1};
}

py::object rle_decode(py::handle counts, py::handle offsets, std::int64_t h, std::int64_t w, std::string_view form,
                      const std::optional<std::array<std::int64_t, 4>>& box, const py::object& out) {
  const Runs runs(counts, offsets, h, w, "rle_decode");
  const Crop crop = crop_of(box, h, w);
  const std::int64_t n = runs.view().n;
  if (form == "packed") {
    const Image like{nullptr, DType::uint8, n, crop.h(), crop.w()};
    const Array masks = packed_output(out, runs.counts(), like, "rle_decode");
    {
      const Call call(runs.counts());
      const PackedMasks packed{static_cast<std::uint64_t*>(masks.data()), n, crop.h(), crop.w()};
#if defined(RM_BACKEND_CPU)
      cpu::rle_decode(call.context(), runs.view(), crop, packed);
#else
      cuda::rle_decode(call.context(), runs.view(), runs.count(), crop, packed);
#endif
    }
    return masks.result();
  }
  const DType dtype = form == "bool" ? DType::boolean : DType::uint8;
  const Shape shape{n, crop.h(), crop.w()};
#if defined(RM_BACKEND_CPU)
  const bool is_zero = out.is_none() && runs.counts().has_zeros();
  const Array masks =
      is_zero ? runs.counts().zeros(dtype, shape) : output_array(out, runs.counts(), dtype, shape, "rle_decode");
  {
    const Call call(runs.counts());
    cpu::rle_decode(call.context(), runs.view(), crop, static_cast<std::uint8_t*>(masks.data()), is_zero);
  }
#else
  const Array masks = output_array(out, runs.counts(), dtype, shape, "rle_decode");
  {
    const Call call(runs.counts());
    cuda::rle_decode(call.context(), runs.view(), runs.count(), crop, static_cast<std::uint8_t*>(masks.data()));
  }
#endif
  return masks.result();
}

#if defined(RM_BACKEND_CPU)

py::tuple rle_combine(py::handle counts_a, py::handle offsets_a, py::handle counts_b, py::handle offsets_b,
                      std::int64_t h, std::int64_t w, std::string_view operation) {
  const Runs a(counts_a, offsets_a, h, w, "rle_combine");
  const Runs b(counts_b, offsets_b, h, w, "rle_combine");
  if (a.view().n != b.view().n && a.view().n != 1 && b.view().n != 1) {
    throw std::invalid_argument("rle_combine: both sides must hold as many masks, or one, got " +
                                std::to_string(a.view().n) + " and " + std::to_string(b.view().n));
  }
  const SetOperation set = operation == "&"   ? SetOperation::intersection
                           : operation == "|" ? SetOperation::union_
                           : operation == "^" ? SetOperation::symmetric_difference
                                              : SetOperation::difference;
  return give_back(a.counts(), [&](const auto& context) { return cpu::rle_combine(context, a.view(), b.view(), set); });
}

py::tuple rle_merge(py::handle counts, py::handle offsets, std::int64_t h, std::int64_t w, bool intersect) {
  const Runs runs(counts, offsets, h, w, "rle_merge");
  return give_back(runs.counts(), [&](const auto& context) { return cpu::rle_merge(context, runs.view(), intersect); });
}

#endif

py::object rle_areas(py::handle counts, py::handle offsets, std::int64_t h, std::int64_t w) {
  const Runs runs(counts, offsets, h, w, "mask_areas");
  const Array areas = runs.counts().empty(DType::int64, {runs.view().n});
  {
    const Call call(runs.counts());
    auto* result = static_cast<std::int64_t*>(areas.data());
#if defined(RM_BACKEND_CPU)
    cpu::rle_areas(call.context(), runs.view(), result);
#else
    cuda::rle_areas(call.context(), runs.view(), runs.count(), result);
#endif
  }
  return areas.result();
}

py::object rle_boxes(py::handle counts, py::handle offsets, std::int64_t h, std::int64_t w) {
  const Runs runs(counts, offsets, h, w, "masks_to_boxes");
  const Array boxes = runs.counts().empty(DType::int64, {runs.view().n, 4});
  {
    const Call call(runs.counts());
    auto* result = static_cast<std::int64_t*>(boxes.data());
#if defined(RM_BACKEND_CPU)
    cpu::rle_boxes(call.context(), runs.view(), result);
#else
    cuda::rle_boxes(call.context(), runs.view(), runs.count(), result);
#endif
  }
  return boxes.result();
}

#if defined(RM_BACKEND_CPU)

py::object rle_centroids(py::handle counts, py::handle offsets, std::int64_t h, std::int64_t w) {
  const Runs runs(counts, offsets, h, w, "mask_centroids");
  const Array centroids = runs.counts().empty(DType::float64, {runs.view().n, 2});
  {
    const Call call(runs.counts());
    cpu::rle_centroids(call.context(), runs.view(), static_cast<double*>(centroids.data()));
  }
  return centroids.result();
}

// Checked runs in canonical form; `function` is what Python called.
py::tuple canonical(py::handle counts, py::handle offsets, std::int64_t h, std::int64_t w,
                    const std::string& function) {
  const Runs runs(counts, offsets, h, w, function.c_str());
  return py::make_tuple(runs.counts().result(), runs.offsets().result());
}

#endif

}  // namespace

void bind_rle(py::module_& module) {
  module.def("rle_encode", &rle_encode, py::arg("masks"), py::arg("width"));
  module.def("rle_decode", &rle_decode, py::arg("counts"), py::arg("offsets"), py::arg("h"), py::arg("w"),
             py::arg("form"), py::arg("crop"), py::arg("out"));
  module.def("rle_areas", &rle_areas, py::arg("counts"), py::arg("offsets"), py::arg("h"), py::arg("w"));
  module.def("rle_boxes", &rle_boxes, py::arg("counts"), py::arg("offsets"), py::arg("h"), py::arg("w"));
#if defined(RM_BACKEND_CPU)
  module.def("rle_centroids", &rle_centroids, py::arg("counts"), py::arg("offsets"), py::arg("h"), py::arg("w"));
  module.def("rle_encode_coco", &rle_encode_coco, py::arg("masks"));
  module.def("rle_encode_labels", &rle_encode_labels, py::arg("labels"));
  module.def("rle_combine", &rle_combine, py::arg("counts_a"), py::arg("offsets_a"), py::arg("counts_b"),
             py::arg("offsets_b"), py::arg("h"), py::arg("w"), py::arg("operation"));
  module.def("rle_merge", &rle_merge, py::arg("counts"), py::arg("offsets"), py::arg("h"), py::arg("w"),
             py::arg("intersect"));
  module.def("rle_canonical", &canonical, py::arg("counts"), py::arg("offsets"), py::arg("h"), py::arg("w"),
             py::arg("function"));
#else
  module.def("rle_encode_within", &rle_encode_within, py::arg("masks"), py::arg("width"), py::arg("capacity"));
  module.def("rle_strings", &rle_strings, py::arg("counts"), py::arg("offsets"));
#endif
}

}  // namespace rapidmask::python
