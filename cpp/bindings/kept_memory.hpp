// Memory of large arrays, kept for the next ones.
#pragma once

#include <pybind11/pybind11.h>

#include <cstddef>

namespace rapidmask::python {

// While this lives, NumPy arrays made on this thread take blocks that arrays made so before have left, where `bytes` is
// a size for which this pays: pages that the system has to find and clear first take several times as long to write.
// 64 MiB are kept at most, and none where memory runs out. Smaller arrays are better off with what the C library gave
// out last and is still in the cache.
class KeptMemory {
 public:
  explicit KeptMemory(std::size_t bytes);
  ~KeptMemory();
  KeptMemory(const KeptMemory&) = delete;
  KeptMemory& operator=(const KeptMemory&) = delete;

 private:
  PyObject* previous_ = nullptr;
};

}  // namespace rapidmask::python
