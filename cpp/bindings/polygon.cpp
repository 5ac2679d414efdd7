// Bindings of the polygon family: Python's lists of rings, and borders as arrays.

#include "rapidmask/polygon.hpp"

#include <cmath>
#include <utility>

#include "array.hpp"
#include "module.hpp"
#include "run_lengths.hpp"

namespace rapidmask::python {
namespace {

const char* const kFill = "polygons_to_masks";

bool is_list(PyObject* object) { return PyList_Check(object) || PyTuple_Check(object); }
py::ssize_t length(PyObject* list) { return PySequence_Fast_GET_SIZE(list); }
PyObject* item(PyObject* list, py::ssize_t i) { return PySequence_Fast_GET_ITEM(list, i); }

// Reads polygons and names what it cannot read by its place: polygons[mask][ring].
class Reader {
 public:
  // Of a call before, whose memory this one uses again: fresh pages are dear.
  explicit Reader(PolygonRings&& memory) : rings_(std::move(memory)) {
    rings_.vertices.clear();
    rings_.rings.resize(1);
    rings_.masks.resize(1);
  }

  PolygonRings read(py::handle polygons) {
    // A list that the caller's own number types cannot change while it is read.
    const auto masks = py::reinterpret_steal<py::tuple>(PySequence_Tuple(polygons.ptr()));
    if (!masks) throw py::error_already_set();
    for (mask_ = 0; mask_ < length(masks.ptr()); ++mask_) {
      read_mask(item(masks.ptr(), mask_));
      rings_.masks.push_back(static_cast<std::int64_t>(rings_.rings.size()) - 1);
    }
    return std::move(rings_);
  }

 private:
  void read_mask(PyObject* given) {
    ring_ = -1;
    if (!is_list(given)) return read_array(given);
    const py::tuple rings = copy(given);
    const py::ssize_t count = length(rings.ptr());
    if (count > 0 && is_number(item(rings.ptr(), 0))) {
      if (count == 2) fail<std::invalid_argument>("must be a list of rings, got two numbers");
      return read_list(rings.ptr());
    }
    if (count > 2 && are_pairs(rings.ptr())) {
      fail<std::invalid_argument>(
          "must be a list of rings, got a list of pairs, each of which would be a ring: put it into a list");
    }
    for (ring_ = 0; ring_ < count; ++ring_) {
      PyObject* ring = item(rings.ptr(), ring_);
      is_list(ring) ? read_list(ring) : read_array(ring);
    }
  }

  void read_list(PyObject* given) {
#if defined(Py_GIL_DISABLED)
    const py::tuple own = copy(given);  // which no other thread changes
    given = own.ptr();
#endif
    const py::ssize_t count = length(given);
    const bool flat = count == 0 || is_number(item(given, 0));
    if (flat && count % 2 != 0) odd(count);
    py::ssize_t i = 0;
    if (flat) {
      const std::size_t begin = rings_.vertices.size();
      rings_.vertices.resize(begin + static_cast<std::size_t>(count));
      double* const at = rings_.vertices.data() + begin;
      for (; i < count && PyFloat_CheckExact(item(given, i)); ++i) at[i] = PyFloat_AS_DOUBLE(item(given, i));
      rings_.vertices.resize(begin + static_cast<std::size_t>(i));
    }
    // The list is asked for its length again and again: a number's own __float__ may change it.
    for (; i < count; ++i) {
      if (length(given) != count) fail<std::invalid_argument>("must not change while it is read");
      PyObject* const element = item(given, i);
      if (flat) {
        rings_.vertices.push_back(number(element));
        continue;
      }
      const auto point =
          py::reinterpret_steal<py::object>(PySequence_Check(element) ? PySequence_Tuple(element) : nullptr);
      if (!point || length(point.ptr()) != 2) {
        PyErr_Clear();
        fail<std::invalid_argument>("must be a flat list of coordinates or a list of pairs");
      }
      rings_.vertices.push_back(number(item(point.ptr(), 0)));
      rings_.vertices.push_back(number(item(point.ptr(), 1)));
    }
    end_ring();
  }

  void read_array(PyObject* given) {
    if (!py::isinstance<py::array>(given)) {
      // Refuses what is on a device.
      py::module_::import("rapidmask._dispatch").attr("host_backend")(kFill, py::handle(given));
    }
    const std::string name = place();
    const Array array = Array(given, kFill, name.c_str()).contiguous();
    const Shape& shape = array.shape();
    if (array.dtype() == DType::boolean) {
      throw TypeError(std::string(kFill) + ": " + name + " must hold integers or floats, got bool");
    }
    if (shape.rank() == 3) {
      // One mask of rings of as many vertices each.
      if (ring_ >= 0 || shape[2] != 2) wrong_shape(shape);
    } else if (shape.rank() != 1 && (shape.rank() != 2 || shape[1] != 2)) {
      wrong_shape(shape);
    }
    if (shape.rank() == 1 && shape[0] % 2 != 0) odd(shape[0]);
    if (shape.rank() == 1 && shape[0] == 2 && ring_ < 0) {
      fail<std::invalid_argument>("must be a list of rings, got two numbers");
    }
    const std::int64_t rings = shape.rank() == 3 ? shape[0] : 1;
    const std::int64_t numbers = shape.size() / std::max<std::int64_t>(rings, 1);
    visit_dtype(array.dtype(), [&](auto type) {
      using T = typename decltype(type)::type;
      const T* at = static_cast<const T*>(array.data());
      for (std::int64_t k = 0; k < rings; ++k) {
        for (std::int64_t i = 0; i < numbers; ++i) {
          if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) {
            rings_.vertices.push_back(static_cast<double>(to_float(*at++)));
          } else {
            rings_.vertices.push_back(static_cast<double>(*at++));
          }
        }
        end_ring();
      }
    });
  }

  double number(PyObject* object) const {
    if (PyFloat_CheckExact(object)) return PyFloat_AS_DOUBLE(object);
    const auto kept = py::reinterpret_borrow<py::object>(object);
    const double value = PyFloat_AsDouble(object);
    if (value == -1 && PyErr_Occurred() != nullptr) {
      PyErr_Clear();
      fail<TypeError>("must hold numbers, got one of " + std::string(Py_TYPE(object)->tp_name));
    }
    return value;
  }

  void end_ring() {
    const std::vector<double>& vertices = rings_.vertices;
    const std::size_t begin = 2 * static_cast<std::size_t>(rings_.rings.back());
    bool allowed = true;
    for (std::size_t i = begin; i < vertices.size(); ++i) allowed &= std::abs(vertices[i]) <= kMaxCoordinate;
    for (std::size_t i = begin; !allowed && i < vertices.size(); ++i) {
      if (std::abs(vertices[i]) <= kMaxCoordinate) continue;
      fail<std::invalid_argument>("must have coordinates of at most 2^27, got " +
                                  std::string(py::str(py::float_(vertices[i]))));
    }
    rings_.rings.push_back(static_cast<std::int64_t>(vertices.size() / 2));
  }

  static bool is_number(PyObject* object) {
    if (PyFloat_Check(object) || PyLong_Check(object)) return true;
    return PyNumber_Check(object) && !PySequence_Check(object) && !py::hasattr(object, "__dlpack__");
  }

  static bool are_pairs(PyObject* list) {
    for (py::ssize_t i = 0; i < length(list); ++i) {
      PyObject* pair = item(list, i);
      if (!is_list(pair) || length(pair) != 2 || !is_number(item(pair, 0))) return false;
    }
    return true;
  }

  static py::tuple copy(PyObject* list) {
    auto tuple = py::reinterpret_steal<py::tuple>(PySequence_Tuple(list));
    if (!tuple) throw py::error_already_set();
    return tuple;
  }

  std::string place() const {
    return "polygons[" + std::to_string(mask_) + "]" + (ring_ < 0 ? "" : "[" + std::to_string(ring_) + "]");
  }
  template <class Error>
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(std::string(kFill) + ": " + place() + " " + what);
  }
  [[noreturn]] void odd(std::int64_t count) const {
    fail<std::invalid_argument>("must have an x and a y for every vertex, got " + std::to_string(count) + " numbers");
  }
  [[noreturn]] void wrong_shape(const Shape& shape) const {
    fail<std::invalid_argument>("must have shape (2K,) or (K, 2), got " + shape.text());
  }

  PolygonRings rings_;
  py::ssize_t mask_ = 0, ring_ = -1;
};

// The rings that Python gave, in memory that a thread keeps for its next call.
class GivenRings {
 public:
  explicit GivenRings(py::handle polygons) : rings_(Reader(std::exchange(kept_, {})).read(polygons)) {}
  ~GivenRings() {
    constexpr std::size_t kMostKept = 1 << 20;  // numbers
    if (rings_.vertices.capacity() <= kMostKept && rings_.rings.capacity() <= kMostKept) kept_ = std::move(rings_);
  }
  GivenRings(const GivenRings&) = delete;
  GivenRings& operator=(const GivenRings&) = delete;

  const PolygonRings& operator*() const { return rings_; }

 private:
  static thread_local PolygonRings kept_;

  PolygonRings rings_;
};
thread_local PolygonRings GivenRings::kept_;

void check_extent(std::int64_t h, std::int64_t w) {
  constexpr std::int64_t kMax = std::int64_t{1} << 31;
  if (h < kMax && w < kMax) return;
  throw std::invalid_argument(std::string(kFill) + ": size must be (H, W) of less than 2^31 each, got (" +
                              std::to_string(h) + ", " + std::to_string(w) + ")");
}

// NumPy's zeros come from fresh memory, of which the pages that no polygon touches are never made.
py::array zeros(DType dtype, const Shape& shape) {
  check_bytes(kFill, dtype, shape);
  try {
    return py::module_::import("numpy").attr("zeros")(py::make_tuple(shape[0], shape[1], shape[2]), dtype_name(dtype));
  } catch (const py::error_already_set& error) {
    if (!error.matches(PyExc_MemoryError)) throw;
    refuse_bytes(kFill, dtype, shape);
  }
}

FillRule rule_of(std::string_view rule) { return rule == "coco" ? FillRule::coco : FillRule::opencv; }

// `output` is "bool", "uint8" or "packed".
py::object fill_polygons(py::handle polygons, std::int64_t h, std::int64_t w, std::string_view rule,
                         std::string_view output) {
  const GivenRings given(polygons);
  const PolygonRings& rings = *given;
  check_extent(h, w);
  const bool packed = output == "packed";
  py::array masks =
      zeros(output == "bool" ? DType::boolean : DType::uint8, {rings.count(), h, packed ? 8 * ((w + 63) / 64) : w});
  const MutableMasks view{static_cast<std::uint8_t*>(masks.mutable_data()), packed, rings.count(), 1, h, w};
  {
    const ReleasedGil unlocked;
    cpu::fill_polygons({}, rings, rule_of(rule), view);
  }
  return masks;
}

// A list of COCO's dictionaries, one for each polygon; the size is of pixels.
py::list coco_from_polygons(py::handle polygons, std::int64_t h, std::int64_t w) {
  const GivenRings given(polygons);
  const PolygonRings& rings = *given;
  check_extent(h, w);
  check_run_size(kFill, h, w);
  std::vector<std::string> strings;
  {
    const ReleasedGil unlocked;
    strings = cpu::fill_polygons_strings({}, rings, FillRule::coco, h, w);
  }
  py::list result(strings.size());
  for (std::size_t i = 0; i < strings.size(); ++i) result[i] = coco_dict(h, w, py::bytes(strings[i]));
  return result;
}

// An array that owns a vector.
template <class T>
py::array_t<T> as_array(std::vector<T>&& values, std::vector<py::ssize_t> shape) {
  auto* kept = new std::vector<T>(std::move(values));
  const py::capsule owner(kept, [](void* vector) { delete static_cast<std::vector<T>*>(vector); });
  return py::array_t<T>(std::move(shape), kept->data(), owner);
}
template <class T>
py::array_t<T> as_array(std::vector<T>&& values) {
  const auto count = static_cast<py::ssize_t>(values.size());
  return as_array(std::move(values), {count});
}

py::tuple fill_polygons_rle(py::handle polygons, std::int64_t h, std::int64_t w, std::string_view rule) {
  const GivenRings given(polygons);
  const PolygonRings& rings = *given;
  check_extent(h, w);
  if (h * w > std::int64_t{0xFFFFFFFF}) {
    throw std::invalid_argument(std::string(kFill) + ": size must be (H, W) of at most 2^32 - 1 pixels, got (" +
                                std::to_string(h) + ", " + std::to_string(w) + ")");
  }
  RunLengths runs;
  {
    const ReleasedGil unlocked;
    runs = cpu::fill_polygons_rle({}, rings, rule_of(rule), h, w);
  }
  return py::make_tuple(as_array(std::move(runs.counts)), as_array(std::move(runs.offsets)));
}

// Points (P, 2), begins and ends of borders in them, borders of each mask and, where they were asked for, (B, 4) places
// in the tree.
py::tuple trace_borders(py::handle masks, std::optional<std::int64_t> width, bool tree, bool simplify) {
  const MasksArgument input(masks, width, false, "masks_to_polygons", "masks");
  Borders found;
  {
    const Call call(input.array());
    found = cpu::trace_borders(call.context(), input.view(), tree, simplify);
  }
  const auto points = static_cast<py::ssize_t>(found.points.size() / 2);
  const auto borders = static_cast<py::ssize_t>(found.tree.size() / 4);
  return py::make_tuple(as_array(std::move(found.points), {points, 2}), as_array(std::move(found.begins)),
                        as_array(std::move(found.ends)), as_array(std::move(found.masks)),
                        as_array(std::move(found.tree), {borders, 4}));
}

}  // namespace

void bind_polygon(py::module_& module) {
  module.def("fill_polygons", &fill_polygons, py::arg("polygons"), py::arg("h"), py::arg("w"), py::arg("rule"),
             py::arg("output"));
  module.def("coco_from_polygons", &coco_from_polygons, py::arg("polygons"), py::arg("h"), py::arg("w"));
  module.def("fill_polygons_rle", &fill_polygons_rle, py::arg("polygons"), py::arg("h"), py::arg("w"), py::arg("rule"));
  module.def("trace_borders", &trace_borders, py::arg("masks"), py::arg("width"), py::arg("tree"), py::arg("simplify"));
}

}  // namespace rapidmask::python
