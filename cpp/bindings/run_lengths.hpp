// Run lengths between Python and the algorithms: counts uint32 and offsets int64 of all masks of a batch.
#pragma once

#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "array.hpp"
#include "rapidmask/rle.hpp"

namespace rapidmask::python {

template <class T>
py::object filled(const Array& like, DType dtype, const std::vector<T>& values) {
  const Array array = like.empty(dtype, {static_cast<std::int64_t>(values.size())});
  if (!values.empty()) std::memcpy(array.data(), values.data(), sizeof(T) * values.size());
  return array.result();
}

#if defined(RM_BACKEND_CPU)
// The runs that find(context) finds, as (counts, offsets) in the library of `like`.
template <class Find>
py::tuple give_back(const Array& like, const Find& find) {
  std::optional<FoundRuns> runs;
  {
    const Call call(like);
    runs.emplace(find(call.context()));
  }
  const Array counts = like.empty(DType::uint32, {runs->offsets().back()});
  {
    const Call call(like);
    runs->write(static_cast<std::uint32_t*>(counts.data()));
  }
  return py::make_tuple(counts.result(), filled(like, DType::int64, runs->offsets()));
}
#endif

// Arrays of counts and offsets, of which only the types are checked.
struct RunArrays {
  Array counts, offsets;

  RunArrays(py::handle given_counts, py::handle given_offsets, const char* function)
      : counts(Array(given_counts, function, "counts").contiguous()),
        offsets(Array(given_offsets, function, "offsets").contiguous()) {
    if (counts.dtype() != DType::uint32 || counts.shape().rank() != 1) {
      throw TypeError(std::string(function) + ": counts must be uint32 of one dimension, got " +
                      dtype_name(counts.dtype()) + " of shape " + counts.shape().text());
    }
    offsets.check_same_device(counts, function, "offsets");
    if (offsets.dtype() != DType::int64 || offsets.shape().rank() != 1 || offsets.shape()[0] < 1) {
      throw TypeError(std::string(function) + ": offsets must be int64 of shape (N + 1,), got " +
                      dtype_name(offsets.dtype()) + " of shape " + offsets.shape().text());
    }
  }

  ConstRunLengths view(std::int64_t h, std::int64_t w) const {
    return {static_cast<const std::uint32_t*>(counts.data()), static_cast<const std::int64_t*>(offsets.data()),
            offsets.shape()[0] - 1, h, w};
  }
};

// The runs that (counts, offsets) hold. On the host they are checked, so that no algorithm reads or writes past a mask,
// and made canonical where they are not; on a device this would have to wait, and kernels look out for themselves.
class Runs {
 public:
  Runs(py::handle counts, py::handle offsets, std::int64_t h, std::int64_t w, const char* function)
      : arrays_(counts, offsets, function), h_(h), w_(w) {
    check_run_size(function, h, w);
#if defined(RM_BACKEND_CPU)
    if (check_run_lengths(function, view(), arrays_.counts.shape()[0])) return;
    const FoundRuns runs = cpu::rle_canonical({}, view());
    const Array canonical = arrays_.counts.empty(DType::uint32, {runs.offsets().back()});
    runs.write(static_cast<std::uint32_t*>(canonical.data()));
    const Array ends = arrays_.offsets.empty(DType::int64, {static_cast<std::int64_t>(runs.offsets().size())});
    std::memcpy(ends.data(), runs.offsets().data(), 8 * runs.offsets().size());
    arrays_.counts = canonical;
    arrays_.offsets = ends;
#endif
  }

  const Array& counts() const { return arrays_.counts; }
  const Array& offsets() const { return arrays_.offsets; }
  std::int64_t count() const { return arrays_.counts.shape()[0]; }
  ConstRunLengths view() const { return arrays_.view(h_, w_); }

 private:
  RunArrays arrays_;
  std::int64_t h_, w_;
};

// A view of what bytes, str or bytearray hold, if an object is one. Text that is no ASCII is encoded, so that its
// characters are refused as such.
struct Text {
  py::object owner;
  std::string_view view;
};
std::optional<Text> text_of(py::handle object);

// {"size": [h, w], "counts": counts}, on the host.
py::dict coco_dict(std::int64_t h, std::int64_t w, const py::object& counts);

}  // namespace rapidmask::python
