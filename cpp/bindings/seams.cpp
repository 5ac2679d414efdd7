// Bindings for masks that are cut into chunks: what rapidmask.dask asks of the CPU.

#include "rapidmask/seams.hpp"

#include <optional>

#include "array.hpp"
#include "module.hpp"

namespace rapidmask::python {
namespace {

using Width = std::optional<std::int64_t>;
template <class T>
using HostArray = py::array_t<T, py::array::c_style>;

constexpr const char* kMasks = "masks";

template <class T>
py::array copied(const std::vector<T>& values) {
  return py::array_t<T>(static_cast<py::ssize_t>(values.size()), values.data());
}

// Offsets, areas, labels begun after each row, and the runs of the faces (R, 5).
py::tuple summarize_chunk(py::handle masks, const Width& width, int connectivity, bool background) {
  const MasksArgument given(masks, width, is_volume(connectivity), "summarize_chunk", kMasks, &check_mask_size);
  ChunkSummary summary;
  {
    const Call call(given.array());
    summary = cpu::summarize_chunk(given.view(), connectivity, background);
  }
  static_assert(sizeof(FaceRun) == 5 * sizeof(std::int32_t));
  const py::array_t<std::int32_t> faces({static_cast<py::ssize_t>(summary.faces.size()), py::ssize_t{5}},
                                        reinterpret_cast<const std::int32_t*>(summary.faces.data()));
  return py::make_tuple(copied(summary.offsets), copied(summary.areas), copied(summary.numbered), faces);
}

py::object paint_chunk(py::handle masks, const Width& width, int connectivity, const HostArray<std::int64_t>& offsets,
                       const HostArray<std::int32_t>& table) {
  const MasksArgument given(masks, width, is_volume(connectivity), "paint_chunk", kMasks, &check_mask_size);
  const Array pixels = given.array().empty(DType::int32, given.pixels());
  {
    const Call call(given.array());
    cpu::paint_chunk(given.view(), connectivity, offsets.data(), table.data(),
                     static_cast<std::int32_t*>(pixels.data()));
  }
  return pixels.result();
}

py::object sift_chunk(py::handle masks, const Width& width, int connectivity, bool background,
                      const HostArray<std::int64_t>& offsets, const HostArray<std::uint8_t>& keep, bool as_bool) {
  const MasksArgument given(masks, width, is_volume(connectivity), "sift_chunk", kMasks, &check_mask_size);
  const Array pixels = given.array().empty(as_bool ? DType::boolean : DType::uint8, given.pixels());
  const Masks& view = given.view();
  {
    const Call call(given.array());
    cpu::sift_chunk(view, connectivity, background, offsets.data(), keep.data(),
                    {static_cast<std::uint8_t*>(pixels.data()), false, view.n, view.d, view.h, view.w});
  }
  return pixels.result();
}

std::span<const SeamRun> seam_runs(const HostArray<std::int64_t>& runs) {
  static_assert(sizeof(SeamRun) == 3 * sizeof(std::int64_t));
  return {reinterpret_cast<const SeamRun*>(runs.data()), static_cast<std::size_t>(runs.size() / 3)};
}

void unite_seams(HostArray<std::uint32_t> parents, const HostArray<std::int64_t>& a, const HostArray<std::int64_t>& b,
                 std::int64_t shift, std::int64_t reach) {
  std::uint32_t* of_part = parents.mutable_data();
  const auto runs_a = seam_runs(a), runs_b = seam_runs(b);
  const ReleasedGil unlocked;
  cpu::unite_seams(of_part, runs_a, runs_b, shift, reach);
}

void flatten_parts(HostArray<std::uint32_t> parents) {
  std::uint32_t* of_part = parents.mutable_data();
  const auto count = static_cast<std::size_t>(parents.size());
  const ReleasedGil unlocked;
  cpu::flatten_parts({of_part, count});
}

}  // namespace

void bind_seams(py::module_& module) {
  module.def("summarize_chunk", &summarize_chunk, py::arg("masks"), py::arg("width"), py::arg("connectivity"),
             py::arg("background"));
  module.def("paint_chunk", &paint_chunk, py::arg("masks"), py::arg("width"), py::arg("connectivity"),
             py::arg("offsets"), py::arg("table"));
  module.def("sift_chunk", &sift_chunk, py::arg("masks"), py::arg("width"), py::arg("connectivity"),
             py::arg("background"), py::arg("offsets"), py::arg("keep"), py::arg("as_bool"));
  // Arrays that are written to or read as records are never converted.
  module.def("unite_seams", &unite_seams, py::arg("parents").noconvert(), py::arg("a").noconvert(),
             py::arg("b").noconvert(), py::arg("shift"), py::arg("reach"));
  module.def("flatten_parts", &flatten_parts, py::arg("parents").noconvert());
}

}  // namespace rapidmask::python
