// Memory of large arrays, kept for the next ones.
#pragma once

#include <pybind11/pybind11.h>

#include <cstddef>

namespace rapidmask::python {

// While this lives, NumPy arrays made on this thread take blocks that arrays made so before have left, where `bytes` is
// a size for which this pays: pages that the system has to find and clear first take several times as long to write as
// most kernels do. 64 MiB are kept at most, and nothing that would be needed elsewhere when memory runs out here.
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
