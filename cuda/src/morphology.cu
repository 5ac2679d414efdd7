#include "rapidmask/morphology.hpp"

#include "port.cuh"

namespace rapidmask::cuda {

void morphology(const Context&, const Masks&, const MorphologySettings&, const MutableMasks&) {
  throw NotImplemented("not yet");
}

}  // namespace rapidmask::cuda
