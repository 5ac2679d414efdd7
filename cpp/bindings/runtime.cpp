// The CPU's side of a call, and the process's settings: threads and instruction level.

#include "array.hpp"
#include "isa/levels.hpp"
#include "module.hpp"
#include "parallel.hpp"

namespace rapidmask::python {

std::shared_ptr<void> order_streams(dlpack::Device, cuda::Stream, cuda::Stream, bool) { return nullptr; }

Call::Call(const Array&) {}
Call::~Call() = default;

namespace {

void set_threads(const py::int_& count) {
  int overflow = 0;
  const long long value = PyLong_AsLongLongAndOverflow(count.ptr(), &overflow);
  if (overflow != 0 || value < 1 || value > kMaxThreads) {
    throw std::invalid_argument("set_num_threads: count must be between 1 and 4096, got " +
                                std::string(py::str(count)));
  }
  set_num_threads(static_cast<int>(value));
}

}  // namespace

void bind_runtime(py::module_& module) {
  module.attr("version") = RM_VERSION;
  module.def("get_num_threads", &get_num_threads);
  module.def("set_num_threads", &set_threads, py::arg("count"));
  module.def("isa", &current_level);
  module.def("isa_levels", &available_levels);
  module.def("set_isa", &set_level, py::arg("name"));
}

}  // namespace rapidmask::python
