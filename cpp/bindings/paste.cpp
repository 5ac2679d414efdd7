// Bindings of `paste_masks`.

#include "rapidmask/paste.hpp"

#include <algorithm>

#include "array.hpp"
#include "module.hpp"
#include "run_lengths.hpp"

namespace rapidmask::python {
namespace {

constexpr const char* kPaste = "paste_masks";

// Masks (N, h, w) or (N, 1, h, w) and boxes (N, 4), checked, with what becomes of them.
struct PasteArguments {
  Array masks, boxes;
  Image view{};
  PasteRule rule{};
  std::int64_t h, w;

  PasteArguments(py::handle given_masks, py::handle given_boxes, std::int64_t h, std::int64_t w,
                 std::string_view method, std::int64_t padding, double threshold, bool strict)
      : masks(Array(given_masks, kPaste, "masks").contiguous()),
        boxes(Array(given_boxes, kPaste, "boxes").contiguous()),
        h(h),
        w(w) {
    const Shape& shape = masks.shape();
    if (masks.dtype() != DType::float32 && masks.dtype() != DType::float16 && masks.dtype() != DType::bfloat16) {
      throw TypeError(std::string(kPaste) + ": masks must be float32, float16 or bfloat16, got " +
                      dtype_name(masks.dtype()));
    }
    if (shape.rank() != 3 && !(shape.rank() == 4 && shape[1] == 1)) {
      throw std::invalid_argument(std::string(kPaste) + ": masks must have shape (N, h, w) or (N, 1, h, w), got " +
                                  shape.text());
    }
    view = images(masks, kPaste, "masks");
    if (std::max(view.h, view.w) > kMostPasteExtent - 2 * padding) {
      throw std::invalid_argument(std::string(kPaste) + ": masks must have fewer than 2^31 rows and columns with " +
                                  "their padding, got " + shape.text());
    }
    if (boxes.dtype() != DType::float32) {
      throw TypeError(std::string(kPaste) + ": boxes must be float32, float16 or bfloat16, got " +
                      dtype_name(boxes.dtype()));
    }
    if (!(boxes.shape() == Shape{view.n, 4})) {
      throw std::invalid_argument(std::string(kPaste) + ": boxes must have shape " + Shape{view.n, 4}.text() +
                                  ", got " + boxes.shape().text());
    }
    boxes.check_same_device(masks, kPaste, "boxes");
    rule = {method == "interpolate" ? PasteMethod::interpolate : PasteMethod::grid_sample, padding,
            static_cast<float>(threshold), strict};
  }

  const float* corners() const { return static_cast<const float*>(boxes.data()); }
};

// Where areas and boxes go, if they are wanted.
struct Statistics {
  std::optional<Array> areas, boxes;

  Statistics(const PasteArguments& given, bool wanted) {
    if (!wanted) return;
    areas.emplace(given.masks.empty(DType::int64, {given.view.n}));
    boxes.emplace(given.masks.empty(DType::int64, {given.view.n, 4}));
  }
  PasteStatistics view() const {
    if (!areas) return {nullptr, nullptr};
    return {static_cast<std::int64_t*>(areas->data()), static_cast<std::int64_t*>(boxes->data())};
  }
  py::object area() const { return areas ? areas->result() : py::none(); }
  py::object box() const { return boxes ? boxes->result() : py::none(); }
};

// Returns the masks, "bool", "uint8" or "packed", with areas and boxes or None. The Python function has checked the
// size, the padding and all names.
py::tuple paste_masks(py::handle masks, py::handle boxes, std::int64_t h, std::int64_t w, std::string_view method,
                      std::int64_t padding, double threshold, bool strict, std::string_view output,
                      bool with_statistics, const py::object& out) {
  const PasteArguments given(masks, boxes, h, w, method, padding, threshold, strict);
  const Image like{nullptr, DType::uint8, given.view.n, h, w};
  const bool packed = output == "packed";
  const DType dtype = output == "bool" ? DType::boolean : DType::uint8;
  const Shape shape = packed ? Shape{like.n, h, 8 * ((w + 63) / 64)} : Shape{like.n, h, w};
#if defined(RM_BACKEND_CPU)
  const bool is_zero = out.is_none() && given.masks.has_zeros();
#else
  const bool is_zero = false;
#endif
  const Array result = is_zero  ? given.masks.zeros(dtype, shape)
                       : packed ? packed_output(out, given.masks, like, kPaste)
                                : output_array(out, given.masks, dtype, shape, kPaste);
  const Statistics statistics(given, with_statistics);
  {
    const Call call(given.masks);
    const MaskOutput target = packed ? MaskOutput{nullptr, static_cast<std::uint64_t*>(result.data())}
                                     : MaskOutput{static_cast<std::uint8_t*>(result.data()), nullptr};
    backend::paste_masks(call.context(), given.view, given.corners(), given.rule, h, w, target, is_zero,
                         statistics.view());
  }
  return py::make_tuple(result.result(), statistics.area(), statistics.box());
}

#if defined(RM_BACKEND_CPU)
// The same as run lengths: (counts, offsets, areas, boxes).
py::tuple paste_masks_rle(py::handle masks, py::handle boxes, std::int64_t h, std::int64_t w, std::string_view method,
                          std::int64_t padding, double threshold, bool strict, bool with_statistics) {
  const PasteArguments given(masks, boxes, h, w, method, padding, threshold, strict);
  check_run_size(kPaste, h, w);
  const Statistics statistics(given, with_statistics);
  RunLengths runs;
  {
    const Call call(given.masks);
    runs = cpu::paste_runs(call.context(), given.view, given.corners(), given.rule, h, w, statistics.view());
  }
  return py::make_tuple(filled(given.masks, DType::uint32, runs.counts),
                        filled(given.masks, DType::int64, runs.offsets), statistics.area(), statistics.box());
}
#endif

}  // namespace

void bind_paste(py::module_& module) {
  module.def("paste_masks", &paste_masks, py::arg("masks"), py::arg("boxes"), py::arg("h"), py::arg("w"),
             py::arg("method"), py::arg("padding"), py::arg("threshold"), py::arg("strict"), py::arg("output"),
             py::arg("with_statistics"), py::arg("out"));
#if defined(RM_BACKEND_CPU)
  module.def("paste_masks_rle", &paste_masks_rle, py::arg("masks"), py::arg("boxes"), py::arg("h"), py::arg("w"),
             py::arg("method"), py::arg("padding"), py::arg("threshold"), py::arg("strict"),
             py::arg("with_statistics"));
#endif
}

}  // namespace rapidmask::python
