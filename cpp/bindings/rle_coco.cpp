// COCO's dictionaries and strings, to run lengths and back, for thousands of masks in one call.

#include <algorithm>
#include <optional>

#include "module.hpp"
#include "rapidmask/rle.hpp"
#include "run_lengths.hpp"

namespace rapidmask::python {
namespace {

constexpr const char* kNoCounts = "from_coco: counts must be bytes, str or a list of integers from 0 to 2^32 - 1";

std::string type_name(py::handle object) { return py::str(py::type::of(object).attr("__name__")); }

// A number from 0 to 2^32 - 1.
std::uint32_t count_of(PyObject* item) {
  if (!PyLong_Check(item) || PyBool_Check(item)) {
    PyObject* index = PyBool_Check(item) ? nullptr : PyNumber_Index(item);
    if (index == nullptr) {
      PyErr_Clear();
      throw std::invalid_argument(kNoCounts);
    }
    const std::uint32_t count = count_of(index);
    Py_DECREF(index);
    return count;
  }
  int overflow = 0;
  const long long value = PyLong_AsLongLongAndOverflow(item, &overflow);
  if (overflow != 0 || value < 0 || value > 0xffffffffLL) throw std::invalid_argument(kNoCounts);
  return static_cast<std::uint32_t>(value);
}

// A list's or tuple's items to be read one by one: the list itself, or a tuple of its own where another thread may
// change the list meanwhile. Null with Python's error set where there are none.
PyObject* items_of(PyObject* sequence) {
#if defined(Py_GIL_DISABLED)
  return PySequence_Tuple(sequence);
#else
  return PySequence_Fast(sequence, "");
#endif
}

void append_counts(py::handle object, std::vector<std::uint32_t>& counts) {
  py::object numbers = py::reinterpret_borrow<py::object>(object);
  if (py::isinstance<py::array>(numbers)) {
    const py::array array = py::reinterpret_borrow<py::array>(numbers);
    const bool integers = array.dtype().kind() == 'i' || array.dtype().kind() == 'u';
    if (array.ndim() != 1 || (!integers && array.size() > 0)) throw std::invalid_argument(kNoCounts);
    numbers = array.attr("tolist")();
  }
  if (!PyList_Check(numbers.ptr()) && !PyTuple_Check(numbers.ptr())) throw std::invalid_argument(kNoCounts);
  numbers = py::reinterpret_steal<py::object>(items_of(numbers.ptr()));
  if (!numbers) throw py::error_already_set();
  const Py_ssize_t size = PySequence_Fast_GET_SIZE(numbers.ptr());
  // An element's __index__ may change the list.
  for (Py_ssize_t i = 0; i < size && i < PySequence_Fast_GET_SIZE(numbers.ptr()); ++i) {
    const auto item = py::reinterpret_borrow<py::object>(PySequence_Fast_GET_ITEM(numbers.ptr(), i));
    counts.push_back(count_of(item.ptr()));
  }
}

std::int64_t extent_of(py::handle item, py::handle size) {
  PyObject* index = PyNumber_Index(item.ptr());
  long long extent = -1;
  int overflow = 0;
  if (index != nullptr) extent = PyLong_AsLongLongAndOverflow(index, &overflow);
  Py_XDECREF(index);
  if (index == nullptr || overflow > 0) {
    PyErr_Clear();
    throw std::invalid_argument("from_coco: size must be two integers (H, W), got " + std::string(py::repr(size)));
  }
  return overflow < 0 ? -1 : extent;
}

struct Size {
  std::int64_t h, w;
};

Size size_of(py::handle size) {
  PyObject* items = items_of(size.ptr());
  if (items == nullptr || PySequence_Fast_GET_SIZE(items) != 2) {
    PyErr_Clear();
    Py_XDECREF(items);
    throw std::invalid_argument("from_coco: size must be two integers (H, W), got " + std::string(py::repr(size)));
  }
  const auto owner = py::reinterpret_steal<py::object>(items);
  const auto item = [&](Py_ssize_t i) {
    return py::reinterpret_borrow<py::object>(PySequence_Fast_GET_ITEM(items, i));
  };
  const py::object height = item(0), width = item(1);  // an __index__ may change the list
  const Size read{extent_of(height, size), extent_of(width, size)};
  if (read.h < 0 || read.w < 0) {
    throw std::invalid_argument("from_coco: size must not be negative, got (" + std::string(py::repr(height)) + ", " +
                                std::string(py::repr(width)) + ")");
  }
  check_run_size("from_coco", read.h, read.w);
  return read;
}

// The two entries of a dictionary, or of any mapping.
struct Entries {
  py::object size, counts;
};

Entries entries_of(py::handle object, py::handle mapping_type) {
  if (!PyDict_Check(object.ptr()) && !py::isinstance(object, mapping_type)) {
    throw TypeError("from_coco: rles must be a sequence of dictionaries, got one of " + type_name(object));
  }
  const auto entry = [&](const char* name) {
    PyObject* value = PyMapping_GetItemString(object.ptr(), name);
    if (value == nullptr) {
      if (PyErr_ExceptionMatches(PyExc_KeyError) == 0) throw py::error_already_set();
      PyErr_Clear();
      const py::object names = py::module_::import("builtins").attr("sorted")(object);
      throw std::invalid_argument("from_coco: a dictionary must have 'size' and 'counts', got " +
                                  std::string(py::repr(names)));
    }
    return py::reinterpret_steal<py::object>(value);
  };
  return {entry("size"), entry("counts")};
}

// Texts are read into places of as many counts as they have characters, then closed up.
void read_texts(const std::vector<Text>& texts, std::vector<std::uint32_t>& counts, std::vector<std::int64_t>& sizes) {
  const ReleasedGil unlocked;
  std::size_t characters = 0;
  for (const Text& text : texts) characters += text.view.size();
  const auto memory = std::make_unique_for_overwrite<std::uint32_t[]>(characters);
  std::uint32_t* place = memory.get();
  std::int64_t total = 0;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    sizes[i] = rle_from_string("from_coco", texts[i].view, place);
    place += sizes[i];
    total += sizes[i];
  }
  counts.assign(memory.get(), memory.get() + total);
}

py::tuple rle_from_coco(const py::list& objects) {
  const auto n = objects.size();
  const py::object mapping = py::module_::import("collections.abc").attr("Mapping");
  std::vector<Text> texts;                           // one after the other, in the order of their masks
  std::vector<std::vector<std::uint32_t>> lists(n);  // empty for texts
  std::vector<bool> is_text(n);
  std::vector<Size> sizes(n);
  for (std::size_t i = 0; i < n; ++i) {
    const Entries entries = entries_of(objects[i], mapping);
    sizes[i] = size_of(entries.size);
    auto text = text_of(entries.counts);
    is_text[i] = text.has_value();
    if (text.has_value()) {
      texts.push_back(std::move(*text));
    } else {
      append_counts(entries.counts, lists[i]);
    }
  }
  std::vector<std::uint32_t> read;
  std::vector<std::int64_t> read_sizes(texts.size());
  read_texts(texts, read, read_sizes);

  py::array_t<std::int64_t> offsets(static_cast<py::ssize_t>(n + 1)),
      extents({static_cast<py::ssize_t>(n), py::ssize_t{2}});
  std::int64_t* offset = offsets.mutable_data();
  std::int64_t* extent = extents.mutable_data();
  offset[0] = 0;
  std::size_t texts_done = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const std::int64_t size = is_text[i] ? read_sizes[texts_done++] : static_cast<std::int64_t>(lists[i].size());
    offset[i + 1] = offset[i] + size;
    extent[2 * i] = sizes[i].h;
    extent[2 * i + 1] = sizes[i].w;
  }
  py::array_t<std::uint32_t> counts(static_cast<py::ssize_t>(offset[n]));
  std::uint32_t* count = counts.mutable_data();
  const std::uint32_t* next = read.data();
  for (std::size_t i = 0; i < n; ++i) {
    const std::int64_t size = offset[i + 1] - offset[i];
    if (size > 0)
      std::memcpy(count + offset[i], is_text[i] ? next : lists[i].data(), static_cast<std::size_t>(4 * size));
    if (is_text[i]) next += size;
    const std::int64_t one[2]{0, size};
    try {
      check_run_lengths("from_coco", {count + offset[i], one, 1, sizes[i].h, sizes[i].w}, size);
    } catch (const std::invalid_argument&) {
      std::uint64_t sum = 0;
      for (std::int64_t k = 0; k < size; ++k) sum += count[offset[i] + k];
      throw std::invalid_argument("from_coco: counts of mask " + std::to_string(i) + " must add up to " +
                                  std::to_string(sizes[i].h * sizes[i].w) + " pixels, got " + std::to_string(sum));
    }
  }
  return py::make_tuple(counts, offsets, extents);
}

py::object counts_as(const std::uint32_t* counts, std::int64_t count, std::string_view form, std::vector<char>& text) {
  if (form == "list") {
    py::list list(static_cast<std::size_t>(count));
    for (std::int64_t i = 0; i < count; ++i) {
      PyObject* number = PyLong_FromUnsignedLong(counts[i]);
      if (number == nullptr) throw py::error_already_set();
      PyList_SET_ITEM(list.ptr(), i, number);
    }
    return list;
  }
  text.resize(std::max(text.size(), static_cast<std::size_t>(kRunCharacters * count + kRunSlack)));
  const auto length = static_cast<std::size_t>(rle_to_string(counts, count, text.data()));
  if (form == "bytes") return py::bytes(text.data(), length);
  return py::str(text.data(), length);
}

py::list rle_to_coco(py::handle given_counts, py::handle given_offsets, py::handle given_sizes, std::string_view form) {
  const RunArrays runs(given_counts, given_offsets, "to_coco");
  const Array sizes = Array(given_sizes, "to_coco", "sizes").contiguous();
  const ConstRunLengths view = runs.view(0, 0);
  if (sizes.dtype() != DType::int64 || !(sizes.shape() == Shape{view.n, 2})) {
    throw TypeError(std::string("to_coco: sizes must be int64 of shape (") + std::to_string(view.n) + ", 2), got " +
                    dtype_name(sizes.dtype()) + " of shape " + sizes.shape().text());
  }
  const std::int64_t count = runs.counts.shape()[0];
  py::list result(static_cast<std::size_t>(view.n));
  std::vector<char> text;
  const auto* extents = static_cast<const std::int64_t*>(sizes.data());
  for (std::int64_t i = 0; i < view.n; ++i) {
    const std::int64_t begin = view.offsets[i], end = view.offsets[i + 1];
    if (begin < 0 || begin > end || end > count) {
      throw std::invalid_argument("to_coco: offsets must ascend from 0 to the number of counts, " +
                                  std::to_string(count) + ", got " + std::to_string(begin) + " and " +
                                  std::to_string(end) + " at " + std::to_string(i));
    }
    result[static_cast<std::size_t>(i)] =
        coco_dict(extents[2 * i], extents[2 * i + 1], counts_as(view.counts + begin, end - begin, form, text));
  }
  return result;
}

// The same of strings that a device has written, one after the other.
py::list strings_to_coco(py::handle given_text, py::handle given_ends, std::int64_t h, std::int64_t w, bool as_str) {
  const Array text = Array(given_text, "to_coco", "text").contiguous();
  const Array ends = Array(given_ends, "to_coco", "ends").contiguous();
  if (text.dtype() != DType::uint8 || ends.dtype() != DType::int64 || ends.shape().size() < 1) {
    throw TypeError("to_coco: text must be uint8 and ends int64");
  }
  const auto* characters = static_cast<const char*>(text.data());
  const auto* end = static_cast<const std::int64_t*>(ends.data());
  py::list result(static_cast<std::size_t>(ends.shape().size() - 1));
  for (std::size_t i = 0; i < result.size(); ++i) {
    if (end[i] < 0 || end[i] > end[i + 1] || end[i + 1] > text.shape().size()) {
      throw std::invalid_argument("to_coco: ends must ascend within the text");
    }
    const auto length = static_cast<std::size_t>(end[i + 1] - end[i]);
    if (as_str) {
      result[i] = coco_dict(h, w, py::str(characters + end[i], length));
    } else {
      result[i] = coco_dict(h, w, py::bytes(characters + end[i], length));
    }
  }
  return result;
}

py::bytes to_string(py::handle counts) {
  const Array runs = Array(counts, "rle_to_string", "counts").contiguous();
  if (runs.dtype() != DType::uint32 || runs.shape().rank() != 1) {
    throw TypeError(std::string("rle_to_string: counts must be uint32 of one dimension, got ") +
                    dtype_name(runs.dtype()) + " of shape " + runs.shape().text());
  }
  std::vector<char> text;
  return counts_as(static_cast<const std::uint32_t*>(runs.data()), runs.shape()[0], "bytes", text);
}

py::array_t<std::uint32_t> from_string(py::handle given) {
  const auto text = text_of(given);
  if (!text.has_value()) {
    throw TypeError("rle_from_string: counts must be bytes or str, got " + type_name(given));
  }
  std::vector<std::uint32_t> counts(text->view.size());
  const std::int64_t count = rle_from_string("rle_from_string", text->view, counts.data());
  return py::array_t<std::uint32_t>(static_cast<py::ssize_t>(count), counts.data());
}

}  // namespace

std::optional<Text> text_of(py::handle object) {
  PyObject* text = object.ptr();
  if (PyBytes_Check(text)) {
    return Text{py::reinterpret_borrow<py::object>(object),
                {PyBytes_AS_STRING(text), static_cast<std::size_t>(PyBytes_GET_SIZE(text))}};
  }
  if (PyUnicode_Check(text)) {
    if (PyUnicode_IS_ASCII(text)) {
      return Text{
          py::reinterpret_borrow<py::object>(object),
          {static_cast<const char*>(PyUnicode_DATA(text)), static_cast<std::size_t>(PyUnicode_GET_LENGTH(text))}};
    }
    PyObject* encoded = PyUnicode_AsEncodedString(text, "utf-8", "surrogatepass");
    if (encoded == nullptr) throw py::error_already_set();
    return text_of(py::reinterpret_steal<py::object>(encoded));
  }
  if (PyByteArray_Check(text)) {  // may change while it is read
    return text_of(py::bytes(PyByteArray_AS_STRING(text), static_cast<std::size_t>(PyByteArray_GET_SIZE(text))));
  }
  return std::nullopt;
}

py::dict coco_dict(std::int64_t h, std::int64_t w, const py::object& counts) {
  static PyObject* const size_name = PyUnicode_InternFromString("size");
  static PyObject* const counts_name = PyUnicode_InternFromString("counts");
  py::list size(2);
  size[0] = py::int_(h);
  size[1] = py::int_(w);
  py::dict result;
  if (PyDict_SetItem(result.ptr(), size_name, size.ptr()) != 0 ||
      PyDict_SetItem(result.ptr(), counts_name, counts.ptr()) != 0) {
    throw py::error_already_set();
  }
  return result;
}

void bind_rle_coco(py::module_& module) {
  module.def("rle_from_coco", &rle_from_coco, py::arg("objects"));
  module.def("rle_to_coco", &rle_to_coco, py::arg("counts"), py::arg("offsets"), py::arg("sizes"), py::arg("form"));
  module.def("rle_strings_to_coco", &strings_to_coco, py::arg("text"), py::arg("ends"), py::arg("h"), py::arg("w"),
             py::arg("as_str"));
  module.def("rle_to_string", &to_string, py::arg("counts"));
  module.def("rle_from_string", &from_string, py::arg("text"));
}

}  // namespace rapidmask::python
