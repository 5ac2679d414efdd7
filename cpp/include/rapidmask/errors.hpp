// The exceptions that leave the C++ core, and what a binding turns each into.
//
//   std::invalid_argument  -> ValueError            values and shapes
//   TypeError              -> TypeError             dtypes, devices, things that are not arrays
//   NotImplemented         -> NotImplementedError   an operation that this backend does not have
//   CudaError              -> rapidmask.CudaError   CUDA refused something; carries CUDA's own text
#pragma once

#include <stdexcept>

namespace rapidmask {

struct CudaError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct TypeError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct NotImplemented : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace rapidmask
