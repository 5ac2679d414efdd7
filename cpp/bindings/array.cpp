// How an Array is taken from what the caller gave, and how new ones are made.

#include "array.hpp"

#if defined(__linux__)
#include <cxxabi.h>
#include <unistd.h>
#endif

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>

#include "kept_memory.hpp"

namespace rapidmask::python {
namespace {

constexpr int kNumDTypes = 13;
constexpr std::int64_t kMaxExtent = std::int64_t{1} << 40;
constexpr std::array<const char*, kNumDTypes> kDTypeNames{"bool",     "uint8",   "int8",   "uint16", "int16",
                                                          "uint32",   "int32",   "uint64", "int64",  "float16",
                                                          "bfloat16", "float32", "float64"};

// Of extents that may be absurd beside an extent of 0: arrays with elements are smaller than 2^63 bytes.
std::int64_t wrapping_product(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
}

std::string where(const char* function, const char* argument) { return std::string(function) + ": " + argument + " "; }

bool is_host(dlpack::Device device) {
  return device.type == static_cast<std::int32_t>(dlpack::DeviceType::cpu) ||
         device.type == static_cast<std::int32_t>(dlpack::DeviceType::cuda_host);
}
bool is_cuda(dlpack::Device device) {
  return device.type == static_cast<std::int32_t>(dlpack::DeviceType::cuda) ||
         device.type == static_cast<std::int32_t>(dlpack::DeviceType::cuda_managed);
}

std::string device_name(dlpack::Device device) {
  if (is_host(device)) return "cpu";
  if (is_cuda(device)) return "cuda:" + std::to_string(device.id);
  return "DLPack device (" + std::to_string(device.type) + ", " + std::to_string(device.id) + ")";
}

// Whether this module's kernels can read the device's memory.
bool is_served(dlpack::Device device) {
#if defined(RM_BACKEND_CUDA)
  return is_cuda(device);
#elif defined(RM_EMULATE)
  return is_host(device) || is_cuda(device);  // whose memory the tests take from the host
#else
  return is_host(device);
#endif
}

bool find_dtype(int code, int bits, DType& dtype) {
  using dlpack::TypeCode;
  const auto is = [&](TypeCode c, int b) { return code == static_cast<int>(c) && bits == b; };
  if (is(TypeCode::boolean, 8)) return dtype = DType::boolean, true;
  if (is(TypeCode::bfloat, 16)) return dtype = DType::bfloat16, true;
  if (is(TypeCode::floating, 16)) return dtype = DType::float16, true;
  if (is(TypeCode::floating, 32)) return dtype = DType::float32, true;
  if (is(TypeCode::floating, 64)) return dtype = DType::float64, true;
  const bool is_signed = code == static_cast<int>(TypeCode::integer);
  if (!is_signed && code != static_cast<int>(TypeCode::unsigned_integer)) return false;
  switch (bits) {
    case 8: return dtype = is_signed ? DType::int8 : DType::uint8, true;
    case 16: return dtype = is_signed ? DType::int16 : DType::uint16, true;
    case 32: return dtype = is_signed ? DType::int32 : DType::uint32, true;
    case 64: return dtype = is_signed ? DType::int64 : DType::uint64, true;
    default: return false;
  }
}

dlpack::DataType dlpack_type(DType dtype) {
  using dlpack::TypeCode;
  const auto bits = static_cast<std::uint8_t>(8 * item_size(dtype));
  TypeCode code = TypeCode::floating;
  switch (dtype) {
    case DType::boolean: code = TypeCode::boolean; break;
    case DType::uint8:
    case DType::uint16:
    case DType::uint32:
    case DType::uint64: code = TypeCode::unsigned_integer; break;
    case DType::int8:
    case DType::int16:
    case DType::int32:
    case DType::int64: code = TypeCode::integer; break;
    case DType::bfloat16: code = TypeCode::bfloat; break;
    default: break;
  }
  return {static_cast<std::uint8_t>(code), bits, 1};
}

// NumPy's own numbers of its types.
bool find_numpy_dtype(const py::dtype& dtype, DType& found) {
  using dlpack::TypeCode;
  const int bits = static_cast<int>(8 * dtype.itemsize());
  switch (dtype.kind()) {
    case 'b': return find_dtype(static_cast<int>(TypeCode::boolean), bits, found);
    case 'u': return find_dtype(static_cast<int>(TypeCode::unsigned_integer), bits, found);
    case 'i': return find_dtype(static_cast<int>(TypeCode::integer), bits, found);
    case 'f': return find_dtype(static_cast<int>(TypeCode::floating), bits, found);
    default: return false;
  }
}

py::dtype numpy_dtype(DType dtype) {
  // NumPy keeps one object per type, so that this is a table of borrowed references after the first call.
  static const auto* table = [] {
    auto* dtypes = new std::array<py::dtype, kNumDTypes>;
    for (std::size_t i = 0; i < kNumDTypes; ++i) {
      if (static_cast<DType>(i) != DType::bfloat16) (*dtypes)[i] = py::dtype(kDTypeNames[i]);
    }
    return dtypes;
  }();
  return (*table)[static_cast<std::size_t>(dtype)];
}

// Functions of rapidmask._arrays, which know the libraries by their Python interfaces.
py::object helper(const char* name) { return py::module_::import("rapidmask._arrays").attr(name); }

// A copy, since some names are strings of the call.
thread_local std::array<char, 48> called_function{"rapidmask"};

// The exchange API of a type, if it offers one that this code knows. The last type seen is remembered.
const dlpack::ExchangeApi* exchange_api(PyTypeObject* type) {
  struct Memory {
    PyTypeObject* type = nullptr;
    const dlpack::ExchangeApi* api = nullptr;
  };
  thread_local Memory last;
  if (last.type == type) return last.api;
  const dlpack::ExchangeApi* api = nullptr;
  PyObject* capsule = PyObject_GetAttrString(reinterpret_cast<PyObject*>(type), "__dlpack_c_exchange_api__");
  if (capsule == nullptr) {
    PyErr_Clear();
  } else {
    if (PyCapsule_IsValid(capsule, dlpack::kExchangeApiName) != 0) {
      api = static_cast<const dlpack::ExchangeApi*>(PyCapsule_GetPointer(capsule, dlpack::kExchangeApiName));
      while (api != nullptr && api->version.major != 1) api = api->previous;
      if (api != nullptr && api->tensor_from_object == nullptr) api = nullptr;
    }
    Py_DECREF(capsule);
  }
  Py_INCREF(type);  // remembered by address, so that address must stay this type's
  Py_XDECREF(last.type);
  last = {type, api};
  return api;
}

}  // namespace

const char* last_function() { return called_function.data(); }

const char* dtype_name(DType dtype) { return kDTypeNames[static_cast<std::size_t>(dtype)]; }

void refuse_bytes(const char* function, DType dtype, const Shape& shape, const std::string& why) {
  std::int64_t bytes = static_cast<std::int64_t>(item_size(dtype));
  bool fits = true;
  for (const std::int64_t extent : shape.extents()) fits = fits && !__builtin_mul_overflow(bytes, extent, &bytes);
  std::string text = std::string(function) + ": there is no memory for an array of shape " + shape.text() +
                     " and type " + dtype_name(dtype) + ", which takes " +
                     (fits ? std::to_string(bytes) : "more than 2^63") + " bytes";
  if (!why.empty()) text += ": " + why;
  std::replace(text.begin(), text.end(), '\n', ' ');
  throw AllocationError(text);
}

void check_bytes(const char* function, DType dtype, const Shape& shape) {
  std::int64_t bytes = static_cast<std::int64_t>(item_size(dtype));
  for (const std::int64_t extent : shape.extents()) {  // NumPy leaves out those of 0 as well
    if (extent != 0 && __builtin_mul_overflow(bytes, extent, &bytes)) refuse_bytes(function, dtype, shape);
  }
}

std::int64_t Shape::product(int begin, int end) const {
  std::int64_t size = 1;
  for (int i = begin; i < end; ++i) size = wrapping_product(size, (*this)[i]);
  return size;
}

Shape Shape::leading(int count) const {
  Shape result;
  for (int i = 0; i < count; ++i) result.push_back((*this)[i]);
  return result;
}

bool Shape::operator==(const Shape& other) const {
  return std::equal(extents().begin(), extents().end(), other.extents().begin(), other.extents().end());
}

std::string Shape::text() const {
  std::string text = "(";
  for (int i = 0; i < rank_; ++i) text += (i == 0 ? "" : ", ") + std::to_string((*this)[i]);
  return text + (rank_ == 1 ? ",)" : ")");
}

namespace {

// What whoever gave such an object may have wanted.
std::string advice_on(py::handle object) {
  if (PyList_Check(object.ptr()) && PyList_GET_SIZE(object.ptr()) > 0) {
    const auto first = py::reinterpret_steal<py::object>(PySequence_GetItem(object.ptr(), 0));
    if (!first) throw py::error_already_set();
    if (PyDict_Check(first.ptr())) return ": RLEMasks.from_coco makes masks of COCO's dictionaries";
  }
  const std::string module = py::str(py::getattr(py::type::handle_of(object), "__module__", py::str("")));
  return module.rfind("dask.", 0) == 0 ? ": rapidmask.dask has functions for Dask arrays" : "";
}

}  // namespace

Array::Array(py::handle object, const char* function, const char* argument) : function_(function) {
  std::strncpy(called_function.data(), function, called_function.size() - 1);
  if (!take_numpy(object, function, argument) && !take_exchange_api(object, function, argument) &&
      !take_dlpack(object, function, argument) && !take_cuda_array_interface(object, function, argument)) {
    throw TypeError(where(function, argument) +
                    "must be an array of NumPy, torch, CuPy or another library with DLPack, got " +
                    Py_TYPE(object.ptr())->tp_name + advice_on(object));
  }
  if (!is_served(device_)) {
    throw TypeError(where(function, argument) + "must be in host memory, or on one CUDA device with the others, got " +
                    device_name(device_));
  }
}

bool Array::take_numpy(py::handle object, const char* function, const char* argument) {
  if (!py::isinstance<py::array>(object)) return false;
  auto array = py::reinterpret_borrow<py::array>(object);
  if (Py_TYPE(object.ptr()) != py::detail::npy_api::get().PyArray_Type_ && py::hasattr(object, "mask")) {
    throw TypeError(where(function, argument) + "must not be a masked array, whose mask would be ignored");
  }
  if (!find_numpy_dtype(array.dtype(), dtype_)) {
    throw TypeError(where(function, argument) + "must hold booleans, integers or floats of at most 64 bits, got " +
                    std::string(py::str(array.dtype())));
  }
  const char order = array.dtype().byteorder();
  if (order == (std::endian::native == std::endian::little ? '>' : '<')) {
    array = py::reinterpret_steal<py::array>(helper("native_byte_order")(array).release());
  }
  if (array.ndim() > kMaxRank) {
    throw std::invalid_argument(where(function, argument) + "must have at most 16 dimensions, got " +
                                std::to_string(array.ndim()));
  }
  library_ = Library::numpy;
  data_ = const_cast<void*>(array.data());
  writable_ = array.writeable();
  for (py::ssize_t i = 0; i < array.ndim(); ++i) {
    shape_.push_back(array.shape(i));
    strides_[static_cast<std::size_t>(i)] = array.strides(i);
  }
  object_ = std::move(array);
  return true;
}

bool Array::take_exchange_api(py::handle object, const char* function, const char* argument) {
  const dlpack::ExchangeApi* api = exchange_api(Py_TYPE(object.ptr()));
  if (api == nullptr) return false;
  dlpack::Tensor tensor;
  if (api->tensor_from_object(object.ptr(), &tensor) != 0) {
    const py::error_already_set error;
    if (!error.matches(PyExc_Exception)) throw error;  // an interrupt
    throw TypeError(where(function, argument) + "must be an array with memory of its own, got " +
                    Py_TYPE(object.ptr())->tp_name + " without");
  }
  library_ = Library::exchange_api;
  api_ = api;
  object_ = py::reinterpret_borrow<py::object>(object);
  take_tensor(tensor, function, argument);
  // The imaginary part of a conjugated torch tensor is a view whose elements are to be negated, which DLPack cannot
  // tell.
  if (is_floating(dtype_) && py::hasattr(object, "is_neg") && py::cast<bool>(object.attr("is_neg")())) {
    *this = Array(object.attr("resolve_neg")(), function, argument);
  }
  return true;
}

bool Array::take_dlpack(py::handle object, const char* function, const char* argument) {
  if (!py::hasattr(object, "__dlpack__") || !py::hasattr(object, "__dlpack_device__")) return false;
  library_ = Library::other;
  object_ = py::reinterpret_borrow<py::object>(object);
  // The capsule keeps the memory alive; it is never marked as used, so that its own destructor frees it.
  keeper_ = helper("dlpack_capsule")(object);
  PyObject* capsule = keeper_.ptr();
  if (PyCapsule_IsValid(capsule, "dltensor_versioned") != 0) {
    auto* managed = static_cast<dlpack::ManagedTensorVersioned*>(PyCapsule_GetPointer(capsule, "dltensor_versioned"));
    if (managed->version.major != 1) {
      throw TypeError(where(function, argument) + "must speak DLPack 1, got version " +
                      std::to_string(managed->version.major));
    }
    writable_ = (managed->flags & dlpack::kReadOnly) == 0;
    take_tensor(managed->tensor, function, argument);
  } else if (PyCapsule_IsValid(capsule, "dltensor") != 0) {
    take_tensor(static_cast<dlpack::ManagedTensor*>(PyCapsule_GetPointer(capsule, "dltensor"))->tensor, function,
                argument);
  } else {
    throw TypeError(where(function, argument) + "gave no DLPack capsule from its __dlpack__");
  }
  return true;
}

bool Array::take_cuda_array_interface(py::handle object, const char* function, const char* argument) {
  if (!py::hasattr(object, "__cuda_array_interface__")) return false;
  const auto interface = py::cast<py::dict>(object.attr("__cuda_array_interface__"));
  const auto type = py::dtype::from_args(interface["typestr"]);
  if (!find_numpy_dtype(type, dtype_)) {
    throw TypeError(where(function, argument) + "must hold booleans, integers or floats of at most 64 bits, got " +
                    std::string(py::str(type)));
  }
  if (interface.contains("mask") && !interface["mask"].is_none()) {
    throw TypeError(where(function, argument) + "must not be a masked array, whose mask would be ignored");
  }
  library_ = Library::other;
  object_ = py::reinterpret_borrow<py::object>(object);
  const auto data = py::cast<py::tuple>(interface["data"]);
  data_ = reinterpret_cast<void*>(py::cast<std::uintptr_t>(data[0]));
  writable_ = !py::cast<bool>(data[1]);
  device_ = {static_cast<std::int32_t>(dlpack::DeviceType::cuda),
             py::cast<std::int32_t>(helper("cuda_device")(object))};
  for (const py::handle extent : py::cast<py::tuple>(interface["shape"])) {
    if (shape_.rank() == kMaxRank) {
      throw std::invalid_argument(where(function, argument) + "must have at most 16 dimensions");
    }
    shape_.push_back(py::cast<std::int64_t>(extent));
  }
  const py::object strides = interface.contains("strides") ? py::object(interface["strides"]) : py::none();
  std::int64_t step = static_cast<std::int64_t>(item_size(dtype_));
  for (int i = shape_.rank() - 1; i >= 0; --i) {
    strides_[static_cast<std::size_t>(i)] =
        strides.is_none() ? step : py::cast<std::int64_t>(py::cast<py::tuple>(strides)[static_cast<std::size_t>(i)]);
    step = wrapping_product(step, shape_[i]);
  }
  return true;
}

void Array::take_tensor(const dlpack::Tensor& tensor, const char* function, const char* argument) {
  if (tensor.dtype.lanes != 1 || !find_dtype(tensor.dtype.code, tensor.dtype.bits, dtype_)) {
    const std::string numbers =
        "DLPack type code " + std::to_string(tensor.dtype.code) + " of " + std::to_string(tensor.dtype.bits) + " bits";
    throw TypeError(where(function, argument) + "must hold booleans, integers or floats of at most 64 bits, got " +
                    std::string(py::str(py::getattr(object_, "dtype", py::str(numbers)))));
  }
  if (tensor.ndim > kMaxRank) {
    throw std::invalid_argument(where(function, argument) + "must have at most 16 dimensions, got " +
                                std::to_string(tensor.ndim));
  }
  data_ = static_cast<std::byte*>(tensor.data) + tensor.byte_offset;
  device_ = tensor.device;
  const auto bytes = static_cast<std::int64_t>(item_size(dtype_));
  for (int i = 0; i < tensor.ndim; ++i) shape_.push_back(tensor.shape[i]);
  std::int64_t step = bytes;
  for (int i = tensor.ndim - 1; i >= 0; --i) {
    strides_[static_cast<std::size_t>(i)] = tensor.strides == nullptr ? step : tensor.strides[i] * bytes;
    step = wrapping_product(step, shape_[i]);
  }
}

void Array::set_contiguous(DType dtype, const Shape& shape) {
  dtype_ = dtype;
  shape_ = shape;
  std::int64_t step = static_cast<std::int64_t>(item_size(dtype));
  for (int i = shape.rank() - 1; i >= 0; --i) {
    strides_[static_cast<std::size_t>(i)] = step;
    step = wrapping_product(step, shape[i]);
  }
}

bool Array::is_contiguous() const {
  std::int64_t step = static_cast<std::int64_t>(item_size(dtype_));
  if (shape_.size() == 0) return true;
  for (int i = shape_.rank() - 1; i >= 0; --i) {
    if (shape_[i] != 1 && strides_[static_cast<std::size_t>(i)] != step) return false;
    step = wrapping_product(step, shape_[i]);
  }
  return true;
}

Array Array::contiguous(std::size_t alignment) const {
  const bool aligned = reinterpret_cast<std::uintptr_t>(data_) % std::max(alignment, item_size(dtype_)) == 0;
  if (is_contiguous() && (aligned || shape_.size() == 0)) return *this;
  check_bytes(function_, dtype_, shape_);
  Array copy;
  try {
    copy = made_by_python(helper("contiguous_copy")(object_));
  } catch (const py::error_already_set& error) {
    if (!error.matches(PyExc_MemoryError)) throw;
    refuse_bytes(function_, dtype_, shape_);
  }
  if (library_ == Library::other && copy.library_ == Library::numpy) copy.origin_ = object_;
  return copy;
}

Array Array::made_by_python(const py::object& object) const { return Array(object, function_, "array"); }

bool Array::has_allocator() const {
  return library_ == Library::exchange_api && api_->allocate != nullptr && api_->managed_to_object != nullptr;
}

// By the exchange API.
Array Array::allocated(DType dtype, const Shape& shape) const {
  Shape extents = shape;
  dlpack::Tensor prototype{
      nullptr, device_, shape.rank(), dlpack_type(dtype), const_cast<std::int64_t*>(extents.extents().data()),
      nullptr, 0};
  dlpack::ManagedTensorVersioned* managed = nullptr;
  std::string message;
  const auto set_error = [](void* context, const char*, const char* text) {
    *static_cast<std::string*>(context) = text;
  };
  if (api_->allocate(&prototype, &managed, &message, set_error) != 0) {
    PyErr_Clear();
    refuse_bytes(function_, dtype, shape, message);
  }
  Array made;
  made.library_ = library_;
  made.function_ = function_;
  made.api_ = api_;
  made.set_contiguous(dtype, shape);
  made.device_ = device_;
  made.data_ = static_cast<std::byte*>(managed->tensor.data) + managed->tensor.byte_offset;
  void* object = nullptr;
  if (api_->managed_to_object(managed, &object) != 0) throw py::error_already_set();
  made.object_ = py::reinterpret_steal<py::object>(static_cast<PyObject*>(object));
  return made;
}

Array Array::scratch(std::int64_t bytes) const {
  return has_allocator() ? allocated(DType::uint8, {bytes}) : empty(DType::uint8, {bytes});
}

Array Array::empty(DType dtype, const Shape& shape) const {
  check_bytes(function_, dtype, shape);
  // torch's record_stream does nothing for memory that it allocated for others.
  const bool records_streams = !is_host(device_) && py::hasattr(object_, "record_stream");
  if (has_allocator() && !records_streams) return allocated(dtype, shape);
  if (library_ == Library::numpy || (library_ == Library::other && is_host(device_))) {
    if (dtype == DType::bfloat16) {
      throw TypeError(std::string(function_) +
                      ": arrays of bfloat16 in host memory must be torch's, since the result " +
                      "would be NumPy's, which has no such type");
    }
    Array made;
    made.library_ = Library::numpy;
    made.function_ = function_;
    made.set_contiguous(dtype, shape);
    try {
      const KeptMemory kept(static_cast<std::size_t>(shape.size()) * item_size(dtype));
      py::array array(numpy_dtype(dtype), py::array::ShapeContainer(shape.extents().begin(), shape.extents().end()));
      made.data_ = array.mutable_data();
      made.object_ = std::move(array);
    } catch (const py::error_already_set& error) {
      if (!error.matches(PyExc_MemoryError)) throw;
      refuse_bytes(function_, dtype, shape);
    }
    made.origin_ = library_ == Library::other ? object_ : origin_;
    return made;
  }
  py::tuple extents(static_cast<std::size_t>(shape.rank()));
  for (int i = 0; i < shape.rank(); ++i) extents[static_cast<std::size_t>(i)] = shape[i];
  try {
    return made_by_python(helper("empty")(object_, extents, dtype_name(dtype)));
  } catch (const py::error_already_set& error) {
    if (!error.matches(PyExc_MemoryError)) throw;
    refuse_bytes(function_, dtype, shape, py::str(error.value()));
  }
}

bool Array::has_zeros() const {
  if (library_ == Library::exchange_api) return is_host(device_) && py::cast<bool>(helper("takes_numpy")(object_));
  return library_ == Library::numpy && !origin_;
}

Array Array::zeros(DType dtype, const Shape& shape) const {
  check_bytes(function_, dtype, shape);
  const std::vector<py::ssize_t> extents(shape.extents().begin(), shape.extents().end());
  if (library_ == Library::numpy) {
    try {
      return made_by_python(py::module_::import("numpy").attr("zeros")(extents, numpy_dtype(dtype)));
    } catch (const py::error_already_set& error) {
      if (!error.matches(PyExc_MemoryError)) throw;
      refuse_bytes(function_, dtype, shape);
    }
  }
  // Of small pages, as the tensor's library would take them. NumPy asks for huge ones, of which some boxes touch nearly
  // all: 300 masks of 720×1280 took 24 ms where that memory had just been freed, but 600 where a virtual machine had to
  // get it anew; this takes 50 to 100 in both.
  void* memory = std::calloc(static_cast<std::size_t>(std::max<std::int64_t>(shape.size(), 1)), item_size(dtype));
  if (memory == nullptr) refuse_bytes(function_, dtype, shape);
  const py::capsule owner(memory, [](void* freed) { std::free(freed); });
  Array made = made_by_python(py::array(numpy_dtype(dtype), extents, memory, owner));
  made.origin_ = object_;
  return made;
}

py::object Array::result() const { return origin_ ? helper("from_numpy")(origin_, object_) : object_; }

std::string Array::device_text() const { return device_name(device_); }

void Array::check_same_device(const Array& other, const char* function, const char* argument) const {
  if (is_host(device_) != is_host(other.device_)) {  // which only a module for both meets
    throw TypeError(where(function, argument) + "must be in host memory, or on one CUDA device with the others, got " +
                    device_text());
  }
  if (is_host(device_)) return;
  if (device_.id != other.device_.id) {
    throw TypeError(where(function, argument) + "must be on " + other.device_text() +
                    " with the other arguments, got " + device_text());
  }
  order_with(other.stream());
}

void Array::order_with(cuda::Stream call) const {
  if (is_host(device_)) return;
  if (library_ != Library::other) {
    order_ = order_streams(device_, stream(), call, false);
    return;
  }
  const auto [ready, host_waits] = py::cast<std::pair<std::uintptr_t, bool>>(helper("ready_on")(object_));
  order_ = order_streams(device_, reinterpret_cast<cuda::Stream>(ready), call, host_waits);
}

bool Array::overlaps(const Array& other) const {
  const auto begin = reinterpret_cast<std::uintptr_t>(data_);
  const auto other_begin = reinterpret_cast<std::uintptr_t>(other.data_);
  const auto bytes = [](const Array& array) {
    return static_cast<std::uintptr_t>(array.shape_.size()) * item_size(array.dtype_);
  };
  return begin < other_begin + bytes(other) && other_begin < begin + bytes(*this);
}

cuda::Stream Array::stream() const {
  if (is_host(device_)) return nullptr;
  void* stream = nullptr;
  if (api_ != nullptr && api_->current_work_stream != nullptr) {
    if (api_->current_work_stream(dlpack::DeviceType::cuda, device_.id, &stream) != 0) throw py::error_already_set();
    return static_cast<cuda::Stream>(stream);
  }
  return reinterpret_cast<cuda::Stream>(py::cast<std::uintptr_t>(helper("current_stream")(object_)));
}

ReleasedGil::~ReleasedGil() {
#if defined(__linux__)  // elsewhere threads end without unwinding
  try {
    PyEval_RestoreThread(state_);
  } catch (abi::__forced_unwind&) {
    for (;;) pause();
  }
#else
  PyEval_RestoreThread(state_);
#endif
}

View<const std::uint8_t> dense_masks(const Array& array, const char* function, const char* argument) {
  if (array.dtype() != DType::boolean && array.dtype() != DType::uint8) {
    throw TypeError(where(function, argument) + "must be bool or uint8, got " + dtype_name(array.dtype()));
  }
  const Image image = images(array, function, argument);
  return image.as<std::uint8_t>();
}

ConstPackedMasks packed_masks(const Array& array, std::int64_t width, const char* function, const char* argument) {
  const Shape& shape = array.shape();
  const std::int64_t stride = 8 * (width / 64 + (width % 64 != 0 ? 1 : 0));
  if (array.dtype() != DType::uint8) {
    throw TypeError(where(function, argument) + "must be uint8, got " + dtype_name(array.dtype()));
  }
  if (shape.rank() != 3 || width < 0 || width > kMaxExtent || shape[2] != stride) {
    throw std::invalid_argument(where(function, argument) + "must have shape (N, H, " + std::to_string(stride) +
                                ") for a width of " + std::to_string(width) + ", got shape " + shape.text());
  }
  if (reinterpret_cast<std::uintptr_t>(array.data()) % 8 != 0) {
    throw std::invalid_argument(where(function, argument) + "must be aligned to 8 bytes");
  }
  return {static_cast<const std::uint64_t*>(array.data()), shape[0], shape[1], width};
}

MasksArgument::MasksArgument(py::handle object, std::optional<std::int64_t> width, bool volumes, const char* function,
                             const char* argument, PixelCheck check)
    : array_(Array(object, function, argument)), volumes_(volumes) {
  if (width.has_value()) array_ = array_.contiguous(kWordBytes);
  const Shape& shape = array_.shape();
  const int rank = shape.rank();
  if (width.has_value()) {
    const ConstPackedMasks bits = packed_masks(array_, *width, function, argument);
    view_ = {nullptr, true, volumes ? 1 : bits.n, volumes ? bits.n : 1, bits.h, bits.w};
  } else {
    if (volumes && rank < 3) {
      throw std::invalid_argument(where(function, argument) +
                                  "must have at least 3 dimensions (..., D, H, W), got shape " + shape.text());
    }
    const View<const std::uint8_t> dense = dense_masks(array_, function, argument);
    view_ = {nullptr, false,  volumes ? shape.product(0, rank - 3) : dense.n, volumes ? shape.from_end(3) : 1,
             dense.h, dense.w};
  }
  if (check != nullptr) check(function, view_.pixels());
  if (!width.has_value()) array_ = array_.contiguous();
  view_.data = static_cast<const std::uint8_t*>(array_.data());
}

Shape MasksArgument::pixels() const {
  return view_.packed ? Shape{view_.n * view_.d, view_.h, view_.w} : array_.shape();
}

MasksResult::MasksResult(const MasksArgument& like, const py::object& out, const char* function)
    : array(output_array(out, like.array(), like.array().dtype(), like.array().shape(), function)),
      view{static_cast<std::uint8_t*>(array.data()),
           like.view().packed,
           like.view().n,
           like.view().d,
           like.view().h,
           like.view().w} {}

Image images(const Array& array, const char* function, const char* argument) {
  const Shape& shape = array.shape();
  if (shape.rank() < 2) {
    throw std::invalid_argument(where(function, argument) + "must have at least 2 dimensions (..., H, W), got shape " +
                                shape.text());
  }
  if (shape.from_end(2) > kMaxExtent || shape.from_end(1) > kMaxExtent) {
    throw std::invalid_argument(where(function, argument) + "must have at most 2^40 rows and columns, got shape " +
                                shape.text());
  }
  return {array.data(), array.dtype(), shape.product(0, shape.rank() - 2), shape.from_end(2), shape.from_end(1)};
}

Array output_array(const py::object& out, const Array& like, DType dtype, const Shape& shape, const char* function,
                   bool in_place) {
  if (out.is_none()) return like.empty(dtype, shape);
  Array array(out, function, "out");
  if (!array.is_memory_of(out)) {
    throw TypeError(where(function, "out") + "must be in native byte order and no view that negates");
  }
  if (array.dtype() != dtype) {
    throw TypeError(where(function, "out") + "must be " + dtype_name(dtype) + ", got " + dtype_name(array.dtype()));
  }
  if (!(array.shape() == shape)) {
    throw std::invalid_argument(where(function, "out") + "must have shape " + shape.text() + ", got shape " +
                                array.shape().text());
  }
  if (!array.is_contiguous() || !array.writable()) {
    throw std::invalid_argument(where(function, "out") + "must be writable and C-contiguous");
  }
  array.check_same_device(like, function, "out");
  if (reinterpret_cast<std::uintptr_t>(array.data()) % item_size(dtype) != 0) {
    throw std::invalid_argument(where(function, "out") + "must be aligned to its elements");
  }
  if (array.overlaps(like) && !(in_place && array.data() == like.data())) {
    throw std::invalid_argument(where(function, "out") + "must not overlap the input" +
                                (in_place ? ", unless it is the input" : ""));
  }
  return array;
}

Array packed_output(const py::object& out, const Array& like, const Image& images, const char* function) {
  const Shape shape{images.n, images.h, 8 * ((images.w + 63) / 64)};
  const Array array = output_array(out, like, DType::uint8, shape, function);
  if (reinterpret_cast<std::uintptr_t>(array.data()) % 8 != 0) {
    throw std::invalid_argument(where(function, "out") + "must be aligned to 8 bytes");
  }
  return array;
}

}  // namespace rapidmask::python
