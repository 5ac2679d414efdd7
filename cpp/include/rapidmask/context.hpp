// What a kernel is given beside its arrays: nothing on the CPU; a stream and scratch memory on a CUDA device.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

struct CUstream_st;  // cudaStream_t is a pointer to this

namespace rapidmask {

namespace cpu {
struct Context {};
}  // namespace cpu

namespace cuda {

using Stream = CUstream_st*;

// Launchers are asynchronous on `stream`. Scratch comes from the caller's library, lives until the call's work on the
// stream has ended, is aligned to 256 bytes and uninitialised.
struct Context {
  Stream stream;
  void* (*allocate)(void* owner, std::size_t bytes);
  void* owner;

  template <class T>
  T* scratch(std::int64_t count) const {
    return static_cast<T*>(allocate(owner, static_cast<std::size_t>(count > 0 ? count : 1) * sizeof(T)));
  }

  // Writes a small table of the host's to the device, in multiples of four bytes; it may be changed as soon as this
  // returns. A launch for every 3840 bytes.
  void write_table(void* device, const void* table, std::size_t bytes) const;

  // The same to new scratch.
  template <class T>
  const T* table(const T* values, std::int64_t count) const {
    static_assert(sizeof(T) % 4 == 0, "tables are of multiples of four bytes");
    T* device = scratch<T>(count);
    if (count > 0) write_table(device, values, static_cast<std::size_t>(count) * sizeof(T));
    return device;
  }

  // Waits for the stream. Only for what must reach Python: an error in the data, a size that is data.
  void to_host(void* host, const void* device, std::size_t bytes) const;

  template <class T>
  std::vector<T> to_host(const T* device, std::int64_t count) const {
    std::vector<T> host(static_cast<std::size_t>(count));
    to_host(host.data(), device, host.size() * sizeof(T));
    return host;
  }
};

}  // namespace cuda
}  // namespace rapidmask
