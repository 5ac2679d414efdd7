// The memory layout of DLPack 1.3 and of its C exchange API, as published by the DLPack project (dmlc/dlpack).
//
// Declared here because the project carries no other project's headers; names follow this codebase, layouts the
// standard.
#pragma once

#include <cstdint>

namespace rapidmask::python::dlpack {

enum class DeviceType : std::int32_t { cpu = 1, cuda = 2, cuda_host = 3, cuda_managed = 13 };
enum class TypeCode : std::uint8_t { integer = 0, unsigned_integer = 1, floating = 2, bfloat = 4, boolean = 6 };

struct Device {
  std::int32_t type;
  std::int32_t id;
};

struct DataType {
  std::uint8_t code;
  std::uint8_t bits;
  std::uint16_t lanes;
};

struct Tensor {
  void* data;
  Device device;
  std::int32_t ndim;
  DataType dtype;
  std::int64_t* shape;
  std::int64_t* strides;  // in elements; null when C-contiguous
  std::uint64_t byte_offset;
};

struct ManagedTensor {
  Tensor tensor;
  void* context;
  void (*deleter)(ManagedTensor*);
};

struct Version {
  std::uint32_t major;
  std::uint32_t minor;
};

struct ManagedTensorVersioned {
  Version version;
  void* context;
  void (*deleter)(ManagedTensorVersioned*);
  std::uint64_t flags;
  Tensor tensor;
};
inline constexpr std::uint64_t kReadOnly = 1;

using SetError = void (*)(void* context, const char* kind, const char* message);

// What a tensor type offers under the attribute `__dlpack_c_exchange_api__`, in a capsule named kExchangeApiName.
struct ExchangeApi {
  Version version;
  ExchangeApi* previous;
  int (*allocate)(Tensor* prototype, ManagedTensorVersioned** out, void* error_context, SetError);
  int (*managed_from_object)(void* object, ManagedTensorVersioned** out);
  int (*managed_to_object)(ManagedTensorVersioned* tensor, void** out);
  int (*tensor_from_object)(void* object, Tensor* out);  // borrowed: valid while the object lives; may be null
  int (*current_work_stream)(DeviceType type, std::int32_t id, void** out);
};
inline constexpr const char* kExchangeApiName = "dlpack_exchange_api";

}  // namespace rapidmask::python::dlpack
