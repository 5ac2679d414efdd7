// The device's side of a call: the device, stream and allocator of the caller's library; and what devices there are.

#include "runtime.hpp"

#include <algorithm>

#include "array.hpp"
#include "module.hpp"

namespace rapidmask::python {
namespace {

constexpr std::uintptr_t kScratchAlignment = 256;

#if defined(RM_EMULATE)
std::size_t scratch_bytes(const Array& scratch) { return static_cast<std::size_t>(scratch.shape().size()); }
#endif

// The names of the devices, and CUDA's text where there are none. Asked only when the user asks: importing this module
// makes no CUDA call, so that it does so without a driver and a process may still fork.
py::tuple devices() {
  std::vector<std::string> names;
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess) {
    static_cast<void>(cudaGetLastError());
    return py::make_tuple(names, std::string(cudaGetErrorString(status)));
  }
  for (int i = 0; i < count; ++i) {
#if defined(RM_EMULATE)
    names.emplace_back("emulator");
#else
    cudaDeviceProp properties;
    cuda::check(cudaGetDeviceProperties(&properties, i), "cudaGetDeviceProperties");
    names.emplace_back(properties.name);
#endif
  }
  return py::make_tuple(names, py::none());
}

// Makes a device the current one for a while.
class CurrentDevice {
 public:
  explicit CurrentDevice(int device) : device_(device) {
    cuda::check(cudaGetDevice(&previous_), "cudaGetDevice");
    if (previous_ != device_) cuda::check(cudaSetDevice(device_), "cudaSetDevice");
  }
  ~CurrentDevice() {
    if (previous_ != device_) static_cast<void>(cudaSetDevice(previous_));
  }
  CurrentDevice(const CurrentDevice&) = delete;
  CurrentDevice& operator=(const CurrentDevice&) = delete;

 private:
  int device_;
  int previous_ = 0;
};

// `stream` waits for what `awaited` was asked so far.
cudaError_t make_wait(cuda::Stream stream, cuda::Stream awaited) {
  cudaEvent_t event;
  cudaError_t status = cudaEventCreateWithFlags(&event, cudaEventDisableTiming);
  if (status != cudaSuccess) return status;
  status = cudaEventRecord(event, awaited);
  if (status == cudaSuccess) status = cudaStreamWaitEvent(stream, event, 0);
  static_cast<void>(cudaEventDestroy(event));  // once it has been reached
  return status;
}

class StreamOrder {
 public:
  StreamOrder(int device, cuda::Stream argument, cuda::Stream call, bool host_waits)
      : device_(device), argument_(argument), call_(call), host_waits_(host_waits) {
    const CurrentDevice current(device_);
    if (differ(argument_, call_)) cuda::check(make_wait(call_, argument_), "cudaStreamWaitEvent");
  }
  ~StreamOrder() {
    try {
      const CurrentDevice current(device_);
      cudaError_t status = differ(argument_, call_) ? make_wait(argument_, call_) : cudaSuccess;
      if (host_waits_ && status == cudaSuccess) {
        const ReleasedGil unlocked;
        status = cudaStreamSynchronize(call_);
      }
      if (status != cudaSuccess) static_cast<void>(cudaGetLastError());
    } catch (const CudaError&) {  // a broken context, which the next call tells
    }
  }
  StreamOrder(const StreamOrder&) = delete;
  StreamOrder& operator=(const StreamOrder&) = delete;

  // CUDA's default stream has two names.
  static bool differ(cuda::Stream one, cuda::Stream other) {
    const auto name = [](cuda::Stream stream) {
      const auto address = reinterpret_cast<std::uintptr_t>(stream);
      return address == 1 ? 0 : address;
    };
    return name(one) != name(other);
  }

 private:
  int device_;
  cuda::Stream argument_, call_;
  bool host_waits_;
};

cuda::Stream ordered_stream(const Array& like) {
  const cuda::Stream stream = like.stream();
  like.order_with(stream);
  return stream;
}

}  // namespace

std::shared_ptr<void> order_streams(dlpack::Device device, cuda::Stream argument, cuda::Stream call, bool host_waits) {
  if (!host_waits && !StreamOrder::differ(argument, call)) return nullptr;
  return std::make_shared<StreamOrder>(device.id, argument, call, host_waits);
}

Call::Call(const Array& like) : like_(like), context_{ordered_stream(like), &Call::allocate, this} {
#if !defined(RM_EMULATE)
  cuda::check(cudaGetDevice(&caller_device_), "cudaGetDevice");
  if (caller_device_ != like.device().id) cuda::check(cudaSetDevice(like.device().id), "cudaSetDevice");
#endif
}

Call::~Call() {
#if defined(RM_EMULATE)
  for (const Array& scratch : scratch_) emu::open_scratch(scratch.data(), scratch_bytes(scratch));
#else
  if (caller_device_ != like_.device().id) static_cast<void>(cudaSetDevice(caller_device_));
#endif
}

void* Call::allocate(void* owner, std::size_t bytes) {
  auto& call = *static_cast<Call*>(owner);
  const py::gil_scoped_acquire locked;
  // No more than asked for, so that compute-sanitizer sees where its end is.
  call.scratch_.push_back(call.like_.scratch(static_cast<std::int64_t>(std::max<std::size_t>(bytes, 1))));
  Array& scratch = call.scratch_.back();
  if (reinterpret_cast<std::uintptr_t>(scratch.data()) % kScratchAlignment != 0) {  // of neither torch nor CuPy
    scratch = call.like_.scratch(static_cast<std::int64_t>(bytes + kScratchAlignment));
  }
  const auto address = reinterpret_cast<std::uintptr_t>(scratch.data());
  void* const aligned =
      reinterpret_cast<void*>((address + kScratchAlignment - 1) / kScratchAlignment * kScratchAlignment);
#if defined(RM_EMULATE)
  emu::close_scratch(aligned, bytes, scratch.data(), scratch_bytes(scratch));
#endif
  return aligned;
}

void bind_runtime(py::module_& module) {
  module.def("devices", &devices);
#if defined(RM_EMULATE)
  module.def("set_seed", &emu::set_seed, py::arg("seed"));
  module.def("set_shared_maximum", &emu::set_shared_maximum, py::arg("bytes"));
  module.def("set_workers", &emu::set_workers, py::arg("count"));
  module.def("launched_kernels", &emu::launched_kernels);
  module.def("record_activity", &emu::record_activity, py::arg("on"));
  module.def("activity", [] {
    py::list result;
    for (const emu::Activity& one : emu::activity()) result.append(py::make_tuple(one.what, one.detail, one.stream));
    return result;
  });
  module.def("set_failing", &emu::set_failing, py::arg("what"));
  module.attr("sanitizer") = emu::sanitizer();
#endif
}

}  // namespace rapidmask::python
