// Arrays between Python and the algorithms.
//
// An Array is what the caller gave, seen as pointer, shape, strides, type and device, whichever library it came from:
// NumPy; a type with DLPack's C exchange API (torch); `__dlpack__`; `__cuda_array_interface__`. New arrays are made by
// the same library, on the same device, so that memory belongs to the caller's allocator.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <array>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "dlpack.hpp"
#include "rapidmask/context.hpp"
#include "rapidmask/errors.hpp"
#include "rapidmask/float_environment.hpp"
#include "rapidmask/types.hpp"

namespace rapidmask {

// The same bindings serve three modules: `_cpu`, `_cuda` and the emulated `_emu`.
#if defined(RM_BACKEND_CPU)
namespace backend = cpu;
#else
namespace backend = cuda;
#endif

namespace python {

namespace py = pybind11;

inline constexpr int kMaxRank = 16;
inline constexpr std::size_t kWordBytes = 8;  // of packed masks

// There is no memory for a result: MemoryError, with the function, the bytes that it asked for and the library's text.
struct AllocationError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Shape {
 public:
  Shape() = default;
  Shape(std::initializer_list<std::int64_t> extents) {
    for (const std::int64_t extent : extents) push_back(extent);
  }

  int rank() const { return rank_; }
  std::int64_t operator[](int i) const { return extents_[static_cast<std::size_t>(i)]; }
  std::int64_t from_end(int i) const { return (*this)[rank_ - i]; }  // from_end(1) is the last
  void push_back(std::int64_t extent) { extents_[static_cast<std::size_t>(rank_++)] = extent; }
  std::int64_t size() const { return product(0, rank_); }
  std::int64_t product(int begin, int end) const;
  Shape leading(int count) const;  // the first `count` extents
  std::span<const std::int64_t> extents() const { return {extents_.data(), static_cast<std::size_t>(rank_)}; }
  bool operator==(const Shape& other) const;
  std::string text() const;  // as Python writes a tuple

 private:
  std::array<std::int64_t, kMaxRank> extents_{};
  int rank_ = 0;
};

class Array {
 public:
  // Throws TypeError, naming `function` and `argument`, for what is no array, has a type that no kernel reads or lies
  // on another device than this module serves.
  Array(py::handle object, const char* function, const char* argument);

  void* data() const { return data_; }
  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  std::int64_t stride_from_end(int i) const { return strides_[static_cast<std::size_t>(shape_.rank() - i)]; }  // bytes
  bool writable() const { return writable_; }
  // Whether the memory is that of an object which the caller gave, not that of a copy in native byte order.
  bool is_memory_of(py::handle object) const { return object_.is(object); }
  bool is_contiguous() const;
  dlpack::Device device() const { return device_; }
  std::string device_text() const;
  // Throws TypeError where the two are on different devices. The call runs on the stream of `other`: see order_with.
  void check_same_device(const Array& other, const char* function, const char* argument) const;
  // Where this array is ready on another stream than `call`, `call` waits for that one here, and that one for the call
  // when this array is gone.
  void order_with(cuda::Stream call) const;
  bool overlaps(const Array& other) const;  // of two contiguous arrays
  // What Python is given for an array that `empty` made: in the caller's library.
  py::object result() const;

  // This array if it is C-contiguous and its memory aligned to its elements and to `alignment` bytes, otherwise a copy.
  Array contiguous(std::size_t alignment = 1) const;

  // A new, uninitialised, C-contiguous array of this array's library and device.
  Array empty(DType dtype, const Shape& shape) const;
  // Memory from the same allocator that Python never sees.
  Array scratch(std::int64_t bytes) const;
  // A new array with zeros, whose memory the system gives when it is first touched: one of NumPy's, which the caller's
  // library takes as it is. Only where `has_zeros`.
  bool has_zeros() const;
  Array zeros(DType dtype, const Shape& shape) const;

  // The stream that work on this array runs on (null on the CPU): the current one of the library of its results.
  cuda::Stream stream() const;

 private:
  enum class Library : std::uint8_t { numpy, exchange_api, other };

  Array() = default;
  Array made_by_python(const py::object& object) const;
  bool has_allocator() const;
  Array allocated(DType dtype, const Shape& shape) const;
  bool take_numpy(py::handle object, const char* function, const char* argument);
  bool take_exchange_api(py::handle object, const char* function, const char* argument);
  bool take_dlpack(py::handle object, const char* function, const char* argument);
  bool take_cuda_array_interface(py::handle object, const char* function, const char* argument);
  void take_tensor(const dlpack::Tensor& tensor, const char* function, const char* argument);
  void set_contiguous(DType dtype, const Shape& shape);

  void* data_ = nullptr;
  DType dtype_{};
  Library library_{};
  bool writable_ = true;
  Shape shape_;
  std::array<std::int64_t, kMaxRank> strides_{};  // in bytes
  dlpack::Device device_{static_cast<std::int32_t>(dlpack::DeviceType::cpu), 0};
  const dlpack::ExchangeApi* api_ = nullptr;
  py::object object_;                    // what the caller gave, or an array made here
  py::object keeper_;                    // keeps the memory alive where that is not object_
  const char* function_ = "rapidmask";   // which was called: it outlives the arrays of the call
  mutable std::shared_ptr<void> order_;  // of the stream that this array is ready on and that of the call
  py::object origin_;  // of a NumPy array made here in place of another library's: what the caller gave
};

// Throw AllocationError, which names the function and the bytes of an array: where there are more than addresses, and
// where there turned out to be no memory for them.
void check_bytes(const char* function, DType dtype, const Shape& shape);
[[noreturn]] void refuse_bytes(const char* function, DType dtype, const Shape& shape, const std::string& why = {});

const char* dtype_name(DType dtype);

// What this thread's last call was of, for errors that have nothing else to go by.
const char* last_function();
// On a device: from here on `call` waits for what `argument` was asked so far and, once the result is gone, `argument`
// for what `call` was asked meanwhile; and so does the host, if `host_waits`.
std::shared_ptr<void> order_streams(dlpack::Device device, cuda::Stream argument, cuda::Stream call, bool host_waits);

// Holds the GIL released, and rounds as all kernels expect it. When the interpreter ends meanwhile, it never lets this
// thread have the GIL back and unwinds it instead, which C++ does not survive: the thread then waits for the end of the
// process (as Python 3.14 itself makes it).
class ReleasedGil {
 public:
  ReleasedGil() : state_(PyEval_SaveThread()) {}
  ~ReleasedGil();
  ReleasedGil(const ReleasedGil&) = delete;
  ReleasedGil& operator=(const ReleasedGil&) = delete;

 private:
  PyThreadState* state_;
  FloatEnvironment standard_;
};

// Around the call of an algorithm: its context, on the device and stream of `like`, with the GIL released.
class Call {
 public:
  explicit Call(const Array& like);
  ~Call();
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  const backend::Context& context() const { return context_; }

 private:
#if !defined(RM_BACKEND_CPU)
  static void* allocate(void* owner, std::size_t bytes);

  const Array& like_;
  std::vector<Array> scratch_;
  int caller_device_ = 0;
#endif
  backend::Context context_;
  ReleasedGil unlocked_;  // last, so that the GIL is back before anything above is destroyed
};

// Dense masks (..., H, W) of bool or uint8 as (n, h, w).
View<const std::uint8_t> dense_masks(const Array& array, const char* function, const char* argument);
// Packed masks (N, H, S) of uint8, S = 8·ceil(width / 64).
ConstPackedMasks packed_masks(const Array& array, std::int64_t width, const char* function, const char* argument);
// What a binding is given for masks: a dense array (..., H, W) of bool or uint8 or, with a width, the bits (N, H, S) of
// packed ones. Where they are volumes, the last three axes are one mask: (..., D, H, W), or the N packed masks as
// slices.
class MasksArgument {
 public:
  // `check(function, pixels of a mask)` may refuse masks before anything is copied.
  using PixelCheck = void (*)(const char* function, std::int64_t pixels);
  MasksArgument(py::handle object, std::optional<std::int64_t> width, bool volumes, const char* function,
                const char* argument, PixelCheck check = nullptr);

  const Array& array() const { return array_; }  // contiguous
  const Masks& view() const { return view_; }
  Shape batch() const { return array_.shape().leading(array_.shape().rank() - (volumes_ ? 3 : 2)); }
  // The shape of one value per pixel: that of a dense array, (N, H, W) of packed masks.
  Shape pixels() const;

 private:
  Array array_;
  Masks view_{};
  bool volumes_;
};

// A new array for masks of the form, type and shape of an argument.
struct MasksResult {
  // What the caller gave as out=, which may not overlap the masks, or a new array of their type and shape.
  MasksResult(const MasksArgument& like, const py::object& out, const char* function);

  Array array;
  MutableMasks view;
};

// Images (..., H, W) of any type as (n, h, w).
Image images(const Array& array, const char* function, const char* argument);

// What the caller gave as out=, checked against what the result must be, or a new array. It may not overlap `like`, or,
// where the algorithm works `in_place`, only be the very same memory.
Array output_array(const py::object& out, const Array& like, DType dtype, const Shape& shape, const char* function,
                   bool in_place = false);
// The same for the packed masks of `images`.
Array packed_output(const py::object& out, const Array& like, const Image& images, const char* function);

}  // namespace python
}  // namespace rapidmask
