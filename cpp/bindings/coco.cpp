// Bindings for the drop-in for pycocotools: lists of COCO's dictionaries in, what pycocotools gives out. A message
// begins with pycocotools' name of the function.

#include "rapidmask/coco.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <tuple>

#include "module.hpp"
#include "run_lengths.hpp"

namespace rapidmask::python {
namespace {

constexpr std::size_t kFetched = 1024;  // characters of a mask that are asked for early
constexpr const char* kInvalid = "Invalid RLE mask representation";

PyObject* interned(const char* name) { return PyUnicode_InternFromString(name); }

// An entry of a dictionary, with Python's own errors where there is none.
py::object entry(py::handle object, PyObject* name) {
#if !defined(Py_GIL_DISABLED)  // else another thread may drop the value that is borrowed
  if (PyDict_CheckExact(object.ptr())) {
    PyObject* value = PyDict_GetItemWithError(object.ptr(), name);
    if (value != nullptr) return py::reinterpret_borrow<py::object>(value);
    if (PyErr_Occurred() == nullptr) PyErr_SetObject(PyExc_KeyError, name);
    throw py::error_already_set();
  }
#endif
  PyObject* value = PyObject_GetItem(object.ptr(), name);
  if (value == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(value);
}

std::int64_t extent(py::handle size, Py_ssize_t axis) {
#if !defined(Py_GIL_DISABLED)
  if (PyList_CheckExact(size.ptr()) && PyList_GET_SIZE(size.ptr()) > axis) {  // as in almost all dictionaries
    PyObject* number = PyList_GET_ITEM(size.ptr(), axis);
    if (PyLong_CheckExact(number)) {
      int overflow = 0;
      const long long value = PyLong_AsLongLongAndOverflow(number, &overflow);
      if (value >= 0) return value;
    }
  }
#endif
  const auto item = py::reinterpret_steal<py::object>(PySequence_GetItem(size.ptr(), axis));
  if (!item) throw py::error_already_set();
  const auto number = py::reinterpret_steal<py::object>(PyNumber_Long(item.ptr()));
  if (!number) throw py::error_already_set();
  int overflow = 0;
  const long long value = PyLong_AsLongLongAndOverflow(number.ptr(), &overflow);
  if (value < 0 && overflow <= 0) {
    PyErr_SetString(PyExc_OverflowError, "size of a mask must not be negative");
    throw py::error_already_set();
  }
  return overflow > 0 ? std::numeric_limits<std::int64_t>::max() : value;
}

// A list of dictionaries, or one, as a tuple, which no code that runs while it is read can change.
py::tuple entries_of(py::handle objects) {
  if (!PyList_CheckExact(objects.ptr())) return py::make_tuple(objects);
  return py::reinterpret_steal<py::tuple>(PyList_AsTuple(objects.ptr()));
}

// What dictionaries hold, for as long as this lives.
class CocoTexts {
 public:
  void read(const py::tuple& objects) {
    static PyObject* const size_name = interned("size");
    static PyObject* const counts_name = interned("counts");
    for (const py::handle object : objects) {
      const py::object counts = entry(object, counts_name);
      auto text = text_of(counts);
      if (!text.has_value() || PyByteArray_Check(counts.ptr())) {
        throw TypeError("Expected bytes, got " + std::string(py::str(py::type::of(counts).attr("__name__"))));
      }
      // Read when all of them are known, by when it has come from memory.
      for (std::size_t i = 0; i < text->view.size() && i < kFetched; i += 64) __builtin_prefetch(&text->view[i]);
      owners_.push_back(std::move(text->owner));
      const py::object size = entry(object, size_name);
      texts_.push_back({text->view, extent(size, 0), extent(size, 1)});
    }
  }

  std::span<const CocoText> all() const { return texts_; }

 private:
  std::vector<py::object> owners_;
  std::vector<CocoText> texts_;
};

CocoMasks masks_of(const char* function, py::handle objects) {
  CocoTexts texts;
  texts.read(entries_of(objects));
  return {function, texts.all()};
}

// As pycocotools writes it: a mask without pixels has one run of length 0.
py::dict to_dict(const CocoMask& mask) {
  constexpr std::uint32_t kNone = 0;
  const std::uint32_t* counts = mask.count == 0 ? &kNone : mask.counts;
  const std::int64_t count = std::max<std::int64_t>(1, mask.count);
  std::string text(static_cast<std::size_t>(kRunCharacters * count + kRunSlack), '\0');
  const std::int64_t length = rle_to_string(counts, count, text.data());
  return coco_dict(mask.h, mask.w, py::bytes(text.data(), static_cast<std::size_t>(length)));
}

py::array_t<std::uint8_t> decode(const py::list& objects) {
  CocoMasks read = masks_of("decode", objects);
  if (objects.empty()) throw std::invalid_argument("decode: rleObjs must not be empty");
  read.check(true);
  const auto& masks = read.masks();
  const std::int64_t h = masks[0].h, w = masks[0].w;
  // Zeros from fresh memory; the axes are turned so that the columns of each mask lie one after the other.
  const py::array zeros = py::module_::import("numpy").attr("zeros")(py::make_tuple(masks.size(), w, h), "uint8");
  auto* pixels = static_cast<std::uint8_t*>(py::array(zeros).mutable_data());
  {
    const ReleasedGil unlocked;
    for (const CocoMask& mask : masks) {
      for (std::int64_t k = 0; k < mask.count; pixels += mask.counts[k++]) {
        if (k % 2 == 1) std::fill_n(pixels, mask.counts[k], std::uint8_t{1});
      }
    }
  }
  return zeros.attr("transpose")(2, 1, 0);
}

std::uint32_t area_of(const CocoMask& mask) { return static_cast<std::uint32_t>(mask.area); }

// Of a list an array, of one dictionary NumPy's number.
py::object area(py::handle objects) {
  CocoMasks read = masks_of("area", objects);
  read.check();
  if (!PyList_CheckExact(objects.ptr())) {
    py::array_t<std::uint32_t> number{py::array::ShapeContainer()};
    *number.mutable_data() = area_of(read.masks()[0]);
    return number[py::tuple()];
  }
  py::array_t<std::uint32_t> areas(static_cast<py::ssize_t>(read.masks().size()));
  std::transform(read.masks().begin(), read.masks().end(), areas.mutable_data(), area_of);
  return areas;
}

// Of a list (n, 4), of one dictionary (4,).
py::array_t<double> to_bbox(py::handle objects) {
  CocoMasks read = masks_of("toBbox", objects);
  read.check();
  std::vector<py::ssize_t> shape{4};
  if (PyList_CheckExact(objects.ptr())) shape.insert(shape.begin(), static_cast<py::ssize_t>(read.masks().size()));
  py::array_t<double> boxes(shape);
  double* result = boxes.mutable_data();
  for (const CocoMask& mask : read.masks()) {
    coco_box(mask, result);
    result += 4;
  }
  return boxes;
}

// Areas (n,) and boxes (n, 4) of a list, on all threads.
py::tuple measure(const py::list& objects) {
  CocoTexts texts;
  texts.read(entries_of(objects));
  const auto n = static_cast<py::ssize_t>(texts.all().size());
  py::array_t<std::uint32_t> areas(n);
  py::array_t<double> boxes({n, py::ssize_t{4}});
  std::uint32_t* const area = areas.mutable_data();
  double* const box = boxes.mutable_data();
  {
    const ReleasedGil unlocked;
    cpu::coco_measure("area", texts.all(), area, box);
  }
  return py::make_tuple(areas, boxes);
}

py::dict merge(const py::list& objects, bool intersect) {
  CocoMasks read = masks_of("merge", objects);
  const auto& masks = read.masks();
  const bool agree = !masks.empty() && std::all_of(masks.begin(), masks.end(), [&](const CocoMask& mask) {
    return mask.h == masks[0].h && mask.w == masks[0].w;
  });
  if (!agree) return coco_dict(0, 0, py::bytes());
  if (masks.size() == 1) return to_dict(masks[0]);
  read.check();
  std::vector<std::uint32_t> counts;
  std::vector<std::int64_t> offsets{0};
  for (const CocoMask& mask : masks) {
    counts.insert(counts.end(), mask.counts, mask.counts + mask.count);
    offsets.push_back(offsets.back() + mask.count);
  }
  const auto n = static_cast<std::int64_t>(masks.size());
  const FoundRuns merged = cpu::rle_merge({}, {counts.data(), offsets.data(), n, masks[0].h, masks[0].w}, intersect);
  counts.resize(static_cast<std::size_t>(merged.offsets().back()));
  merged.write(counts.data());
  return to_dict({counts.data(), merged.offsets().back(), masks[0].h, masks[0].w, 0});
}

// Whether each ground truth is a crowd: what int() makes of the entries of a sequence.
std::vector<std::uint8_t> crowds_of(py::handle iscrowd) {
  std::vector<std::uint8_t> crowds;
  for (const py::handle flag : py::reinterpret_borrow<py::object>(iscrowd)) {
    const auto number = py::reinterpret_steal<py::object>(PyNumber_Long(flag.ptr()));
    if (!number) throw py::error_already_set();
    crowds.push_back(PyObject_IsTrue(number.ptr()) != 0);
  }
  return crowds;
}

// (m, n), column by column. None where a list holds anything but dictionaries, or nothing.
py::object iou(const py::list& detections, const py::list& truths, py::handle iscrowd) {
  for (const py::list& list : {detections, truths}) {
    if (list.empty()) return py::none();
    for (const py::handle object : list) {
      if (!PyDict_CheckExact(object.ptr())) return py::none();
    }
  }
  const std::vector<std::uint8_t> crowds = crowds_of(iscrowd);
  CocoMasks dt = masks_of("iou", detections), gt = masks_of("iou", truths);
  dt.check();
  gt.check();
  if (crowds.size() != gt.masks().size()) {
    PyErr_SetString(PyExc_AssertionError, "iou(iscrowd=) must have the same length as gt");
    throw py::error_already_set();
  }
  const auto m = static_cast<py::ssize_t>(dt.masks().size()), n = static_cast<py::ssize_t>(gt.masks().size());
  constexpr py::ssize_t kBytes = sizeof(double);
  py::array_t<double> overlaps({m, n}, {kBytes, kBytes * m});
  double* const result = overlaps.mutable_data();
  {
    const ReleasedGil unlocked;
    cpu::coco_iou(dt.masks(), gt.masks(), crowds, result);
  }
  return overlaps;
}

// The same for each of some (detections, truths, iscrowd), none of them empty, on all threads.
py::list ious(const py::list& calls) {
  struct Extents {
    std::size_t detections, truths;
  };
  CocoTexts texts;
  std::vector<std::uint8_t> crowds;
  std::vector<Extents> extents;
  std::vector<double*> results;
  py::list overlaps;
  constexpr py::ssize_t kBytes = sizeof(double);
  for (const py::handle call : calls) {
    const auto [detections, truths, iscrowd] = call.cast<std::tuple<py::list, py::list, py::list>>();
    const std::vector<std::uint8_t> flags = crowds_of(iscrowd);
    const py::tuple found = entries_of(detections), expected = entries_of(truths);
    if (flags.size() != expected.size()) throw std::invalid_argument("iou: iscrowd must have an entry for each gt");
    texts.read(found);
    texts.read(expected);
    crowds.insert(crowds.end(), flags.begin(), flags.end());
    extents.push_back({found.size(), expected.size()});
    const auto m = static_cast<py::ssize_t>(found.size()), n = static_cast<py::ssize_t>(expected.size());
    py::array_t<double> result({m, n}, {kBytes, kBytes * m});
    results.push_back(result.mutable_data());
    overlaps.append(std::move(result));
  }
  std::vector<CocoPairs> pairs;
  pairs.reserve(extents.size());
  const CocoText* text = texts.all().data();
  const std::uint8_t* crowd = crowds.data();
  for (std::size_t i = 0; i < extents.size(); ++i) {
    const auto [m, n] = extents[i];
    pairs.push_back({{text, m}, {text + m, n}, {crowd, n}, results[i]});
    text += m + n;
    crowd += n;
  }
  {
    const ReleasedGil unlocked;
    cpu::coco_ious("iou", pairs);
  }
  return overlaps;
}

// The same for boxes, float64 (m, 4) and (n, 4) of x, y, width and height.
py::array_t<double> box_iou(const py::array_t<double, py::array::c_style | py::array::forcecast>& detections,
                            const py::array_t<double, py::array::c_style | py::array::forcecast>& truths,
                            const std::vector<std::uint8_t>& iscrowd) {
  const py::ssize_t m = detections.shape(0), n = truths.shape(0);
  if (detections.ndim() != 2 || truths.ndim() != 2 || detections.shape(1) != 4 || truths.shape(1) != 4 ||
      static_cast<py::ssize_t>(iscrowd.size()) != n) {
    throw std::invalid_argument("iou: boxes must have shape (n, 4), and iscrowd an entry for each gt");
  }
  constexpr py::ssize_t kBytes = sizeof(double);
  py::array_t<double> overlaps({m, n}, {kBytes, kBytes * m});
  double* overlap = overlaps.mutable_data();
  for (py::ssize_t j = 0; j < n; ++j) {
    const double* g = truths.data(j, 0);
    for (py::ssize_t i = 0; i < m; ++i) {
      const double* d = detections.data(i, 0);
      const double w = std::min(d[2] + d[0], g[2] + g[0]) - std::max(d[0], g[0]);
      const double h = std::min(d[3] + d[1], g[3] + g[1]) - std::max(d[1], g[1]);
      const double both = w * h, area = d[2] * d[3];
      const double whole = iscrowd[static_cast<std::size_t>(j)] != 0 ? area : area + g[2] * g[3] - both;
      *overlap++ = w <= 0 || h <= 0 ? 0 : both / whole;
    }
  }
  return overlaps;
}

}  // namespace

void bind_coco(py::module_& module) {
  module.def("coco_decode", &decode, py::arg("objects"));
  module.def("coco_area", &area, py::arg("objects"));
  module.def("coco_to_bbox", &to_bbox, py::arg("objects"));
  module.def("coco_merge", &merge, py::arg("objects"), py::arg("intersect"));
  module.def("coco_box_iou", &box_iou, py::arg("detections"), py::arg("truths"), py::arg("iscrowd"));
  module.def("coco_ious", &ious, py::arg("calls"));
  module.def("coco_measure", &measure, py::arg("objects"));
  module.def("coco_iou", &iou, py::arg("detections"), py::arg("truths"), py::arg("iscrowd"));
}

}  // namespace rapidmask::python
