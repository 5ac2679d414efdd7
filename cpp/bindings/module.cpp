// The table of contents of the compiled modules `_cpu`, `_cuda` and `_emu` (RM_MODULE).

#include "module.hpp"

#include <new>
#include <stdexcept>
#include <string>

#include "array.hpp"

PYBIND11_MODULE(RM_MODULE, module, pybind11::mod_gil_not_used()) {
  using namespace rapidmask::python;
  namespace py = pybind11;

  py::register_local_exception_translator([](std::exception_ptr pointer) {
    try {
      std::rethrow_exception(pointer);
    } catch (const rapidmask::TypeError& error) {
      py::set_error(PyExc_TypeError, error.what());
    } catch (const rapidmask::NotImplemented& error) {
      py::set_error(PyExc_NotImplementedError, error.what());
    } catch (const rapidmask::CudaError& error) {
      py::set_error(py::module_::import("rapidmask._errors").attr("CudaError"), error.what());
    } catch (const AllocationError& error) {
      py::set_error(PyExc_MemoryError, error.what());
    } catch (const std::bad_alloc&) {
      py::set_error(PyExc_MemoryError, (std::string(last_function()) + ": there is no memory to work with").c_str());
    } catch (const std::length_error&) {  // of a vector of more elements than there are addresses
      py::set_error(PyExc_MemoryError, (std::string(last_function()) + ": there is no memory to work with").c_str());
    }
  });

  bind_pack(module);
  bind_threshold(module);
  bind_threshold_values(module);
  bind_threshold_local(module);
  bind_components(module);
  bind_confusion(module);
  bind_distance(module);
  bind_measure(module);
  bind_morphology(module);
  bind_overlap(module);
  bind_panoptic(module);
  bind_paste(module);
  bind_rle(module);
  bind_semantic(module);
  bind_prototypes(module);
  bind_upsample(module);
#if defined(RM_BACKEND_CPU)
  bind_coco(module);
  bind_polygon(module);
  bind_rle_coco(module);
  bind_seams(module);
  bind_small_regions(module);
  bind_watershed(module);
#endif
  bind_runtime(module);
}
