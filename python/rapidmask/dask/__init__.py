"""Masks larger than memory, and folders of them: the same functions on Dask arrays, on one machine or many.

A function takes a Dask array (H, W) or (D, H, W) of any chunking, is lazy, and gives what the function of the same name
in `rapidmask` gives for the whole array, except that components are numbered chunk by chunk unless ``order="raster"``,
and that distances have a bound. Chunks in the memory of a device (CuPy) are worked on there.
"""

try:
    import dask.array  # noqa: F401
except ImportError as error:
    raise ImportError('rapidmask.dask needs Dask: install rapidmask with its extra "dask"') from error

from .datasets import encode_dataset
from .filters import clear_border, fill_holes, keep_largest, remove_small_holes, remove_small_objects
from .labels import Components, component_areas, connected_components, label
from .measures import confusion_matrix, mean_iou
from .neighbourhoods import closing, dilate, distance_transform, erode, opening
from .pixels import threshold

__all__ = [
    "Components",
    "clear_border",
    "closing",
    "component_areas",
    "confusion_matrix",
    "connected_components",
    "dilate",
    "distance_transform",
    "encode_dataset",
    "erode",
    "fill_holes",
    "keep_largest",
    "label",
    "mean_iou",
    "opening",
    "remove_small_holes",
    "remove_small_objects",
    "threshold",
]
