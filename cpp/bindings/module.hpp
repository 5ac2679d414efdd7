// What each family adds to a module: one function, defined in the file of the family's stem.
#pragma once

#include <pybind11/pybind11.h>

namespace rapidmask::python {

void bind_pack(pybind11::module_& module);
void bind_threshold(pybind11::module_& module);
void bind_threshold_values(pybind11::module_& module);
void bind_threshold_local(pybind11::module_& module);
void bind_components(pybind11::module_& module);
void bind_confusion(pybind11::module_& module);
void bind_distance(pybind11::module_& module);
void bind_measure(pybind11::module_& module);
void bind_morphology(pybind11::module_& module);
void bind_overlap(pybind11::module_& module);
void bind_panoptic(pybind11::module_& module);
void bind_paste(pybind11::module_& module);
void bind_rle(pybind11::module_& module);
void bind_semantic(pybind11::module_& module);
void bind_prototypes(pybind11::module_& module);
void bind_upsample(pybind11::module_& module);
#if defined(RM_BACKEND_CPU)
void bind_coco(pybind11::module_& module);
void bind_polygon(pybind11::module_& module);
void bind_rle_coco(pybind11::module_& module);
void bind_seams(pybind11::module_& module);
void bind_small_regions(pybind11::module_& module);
void bind_watershed(pybind11::module_& module);
#endif
void bind_runtime(pybind11::module_& module);  // threads and levels, or devices

}  // namespace rapidmask::python
