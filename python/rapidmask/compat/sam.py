"""Mask utilities of Segment Anything: segment-anything 1.0's ``utils.amg`` and sam2 1.1's, with its hole filling.

The functions have upstream's names, arguments and results, of torch tensors on any device. They raise
NotImplementedError for what they do not serve, and under `rapidmask.patch` such a call goes to upstream's own function.
Differences:

- `get_connected_componnets` (the name is upstream's) works on the CPU and where the CUDA extension was not built, with
  any height and width; labels are consecutive, in the order of the components' first pixels. With it in place
  `fill_holes_in_mask_scores` and `SAM2Transforms.postprocess_masks` fill holes rather than warn that they skip it.
- `calculate_stability_score` counts in 64 bits, where upstream's rows of more than 32,767 pixels overflow.
- `rle_to_mask` raises ValueError for counts that do not add up to the size.
- `remove_small_regions` takes masks without pixels, on which OpenCV may crash.
- Of islands that are all too small `remove_small_regions` keeps the largest, and of equally large ones the first in
  raster order; upstream keeps that whose label OpenCV gives first, which goes by blocks of 2×2 pixels.
"""

from __future__ import annotations

import math
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import _cpu
from .._upstream import Upstream
from ..ops import components, measure
from ..ops.clean_scores import clean_scores
from ..ops.rle import rle_encode
from ._tensors import is_served
from .pycocotools import frPyObjects

RLE = dict[str, Any]

_AMG = (
    "area_from_rle",
    "batched_mask_to_box",
    "calculate_stability_score",
    "coco_encode_rle",
    "mask_to_rle_pytorch",
    "remove_small_regions",
    "rle_to_mask",
)

__all__ = [*_AMG, "fill_holes_in_mask_scores", "get_connected_componnets", "get_connected_components"]


def mask_to_rle_pytorch(tensor: Any) -> list[RLE]:
    """Encode masks, bool (n, h, w), as dictionaries with a list of counts."""
    if not _is_mask_tensor(tensor) or tensor.ndim != 3 or tensor.numel() == 0:
        raise NotImplementedError("mask_to_rle_pytorch: tensor must be bool of shape (n, h, w) with pixels")
    return rle_encode(tensor).to_coco("list")


def rle_to_mask(rle: RLE) -> npt.NDArray[np.bool_]:
    """Decode a dictionary with a list of counts; columns are contiguous."""
    height, width = rle["size"]
    counts = np.asarray(rle["counts"], np.int64)
    if counts.min(initial=0) < 0 or counts.sum() != height * width:
        raise ValueError(f"rle_to_mask: counts must add up to {height}·{width}, got {counts.sum()}")
    values = np.zeros(len(counts), bool)
    values[1::2] = True
    return np.repeat(values, counts).reshape(width, height).transpose()


def area_from_rle(rle: RLE) -> int:
    """Count the foreground of a dictionary with a list of counts."""
    return sum(rle["counts"][1::2])


def coco_encode_rle(uncompressed_rle: RLE) -> RLE:
    """Compress a dictionary with a list of counts; the counts become a str."""
    rle = frPyObjects(uncompressed_rle, *uncompressed_rle["size"])
    return {**rle, "counts": rle["counts"].decode("utf-8")}


def calculate_stability_score(masks: Any, mask_threshold: float, threshold_offset: float) -> Any:
    """Return the pixels above ``mask_threshold + threshold_offset`` as a share of those above the difference."""
    if not is_served(masks) or masks.ndim < 2 or not masks.is_floating_point() or masks.element_size() > 4:
        raise NotImplementedError("calculate_stability_score: masks must be float32, float16 or bfloat16 (..., h, w)")
    if not all(type(one) in (int, float) and math.isfinite(one) for one in (mask_threshold, threshold_offset)):
        raise NotImplementedError("calculate_stability_score: thresholds must be finite numbers")
    return measure.stability_score(masks, threshold=mask_threshold, offset=threshold_offset)


def batched_mask_to_box(masks: Any) -> Any:
    """Return the boxes of masks, bool (..., h, w): inclusive corners, int64, zeros for an empty mask."""
    if not _is_mask_tensor(masks) or masks.ndim < 2 or masks.numel() == 0:
        raise NotImplementedError("batched_mask_to_box: masks must be bool of shape (..., h, w) with pixels")
    return measure.masks_to_boxes(masks, inclusive=True)


def remove_small_regions(mask: Any, area_thresh: float, mode: str) -> tuple[Any, bool]:
    """Fill holes or remove islands, bool (h, w), of fewer than ``area_thresh`` pixels; tell whether there were any.

    Background that touches the border is a hole like any other. Of islands that are all too small the largest stays.
    """
    if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_ or mask.ndim != 2 or np.ma.isMaskedArray(mask):
        raise NotImplementedError("remove_small_regions: mask must be a NumPy array of bool of shape (h, w)")
    if mode not in ("holes", "islands") or not -(2**62) < area_thresh < 2**62:
        raise NotImplementedError("remove_small_regions: mode must be 'holes' or 'islands', area_thresh a number")
    least = max(0, math.ceil(area_thresh))
    cleaned = _cpu.remove_small_of(mask, least, mode == "holes")
    return (mask, False) if cleaned is None else (cleaned, True)


def get_connected_components(mask: Any) -> tuple[Any, Any]:
    """Label the masks (n, 1, h, w), any non-zero value foreground: their labels and each pixel's area, int32."""
    if not is_served(mask) or mask.ndim != 4 or mask.shape[1] != 1:
        raise NotImplementedError("get_connected_components: mask must have shape (n, 1, h, w)")
    masks = mask if _is_mask_tensor(mask) else mask != 0
    return components.label(masks), components.component_areas(masks)


def get_connected_componnets(mask: Any) -> list[Any]:
    """Do the same as the compiled extension, which gives a list."""
    return list(get_connected_components(mask))


def fill_holes_in_mask_scores(mask: Any, max_area: float) -> Any:
    """Set scores to 0.1 where at most ``max_area`` pixels of at most 0 are connected: holes of (n, 1, h, w)."""
    assert max_area > 0, "max_area must be positive"
    if not is_served(mask) or mask.ndim != 4 or not mask.is_floating_point():
        raise NotImplementedError("fill_holes_in_mask_scores: mask must be floating of shape (n, 1, h, w)")
    return clean_scores(mask, max_hole_area=max_area)


def _is_mask_tensor(value: Any) -> bool:
    return is_served(value) and str(value.dtype) == "torch.bool"


def _amg_of(module: str) -> Callable[[], dict[str, Any]]:
    return lambda: {f"{module}:{name}": globals()[name] for name in _AMG}


def _sam2_replacements() -> dict[str, Any]:
    extension = types.ModuleType("sam2._C", "What rapidmask puts in place of the compiled extension.")
    extension.get_connected_componnets = get_connected_componnets  # type: ignore[attr-defined]
    names = ("fill_holes_in_mask_scores", "get_connected_components")
    misc = {f"sam2.utils.misc:{name}": globals()[name] for name in names}
    return _amg_of("sam2.utils.amg")() | misc | {"sam2:_C": extension}


UPSTREAMS = {
    "segment_anything": Upstream("segment-anything", ("1.0",), _amg_of("segment_anything.utils.amg"), aliases=True),
    "sam2": Upstream("sam2", ("1.0", "1.1"), _sam2_replacements, aliases=True),
}
