"""The run lengths of transformers' segmentation models, which are not COCO's.

They go row by row, and are pairs of a run's first pixel, counted from 1, and its length (transformers#25486).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["binary_mask_to_rle", "convert_segmentation_to_rle"]

_WITH_NUMPY = (  # modules whose runs are a list of NumPy's integers
    "conditional_detr.image_processing_conditional_detr",
    "conditional_detr.image_processing_pil_conditional_detr",
    "detr.image_processing_detr",
    "detr.image_processing_pil_detr",
    "mask2former.image_processing_pil_mask2former",
    "maskformer.image_processing_pil_maskformer",
    "oneformer.image_processing_pil_oneformer",
    "rf_detr.image_processing_rf_detr",
)
_WITH_TORCH = ("mask2former.image_processing_mask2former", "maskformer.image_processing_maskformer")


def binary_mask_to_rle(mask: Any) -> list[int]:
    """Return first pixels, counted from 1 row by row, and lengths of the runs of a mask (h, w)."""
    runs: list[int] = _runs_of(mask).tolist()
    return runs


def convert_segmentation_to_rle(segmentation: Any) -> list[list[int]]:
    """Return the run lengths of each value of a map (h, w), in the order of values, of what is no segment too."""
    return [runs.tolist() for runs in _runs_of_values(segmentation)]


def _runs_of(mask: Any) -> Any:
    flat = _pixels(mask)
    if not ((flat == 0) | (flat == 1)).all():
        raise NotImplementedError("binary_mask_to_rle: mask must hold 0 and 1")
    flat = np.concatenate([[False], flat != 0, [False]])
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    edges[1::2] -= edges[::2]
    return edges


def _runs_of_values(segmentation: Any) -> list[Any]:
    if type(segmentation).__module__.partition(".")[0] != "torch":
        raise NotImplementedError("convert_segmentation_to_rle: segmentation must be a tensor")
    flat = _pixels(segmentation)
    if flat.size == 0 or (flat != flat).any():
        raise NotImplementedError("convert_segmentation_to_rle: segmentation must have pixels, and no NaN")
    starts = np.flatnonzero(np.concatenate([[True], flat[1:] != flat[:-1]]))
    pairs = np.stack([starts + 1, np.diff(starts, append=flat.size)], axis=1)
    values = flat[starts]
    order = np.argsort(values, kind="stable")
    ends = np.flatnonzero(np.diff(values[order])) + 1
    return [runs.ravel() for runs in np.split(pairs[order], ends)]


def _pixels(image: Any) -> Any:
    if not hasattr(image, "dtype"):
        raise NotImplementedError("masks and maps must be arrays")
    try:
        pixels = np.asarray(image.cpu() if hasattr(image, "cpu") else image).ravel()
    except (TypeError, RuntimeError):  # of bfloat16, or with gradients
        raise NotImplementedError("masks and maps must be of types that NumPy has") from None
    if pixels.dtype.kind not in "buif":
        raise NotImplementedError("masks and maps must hold numbers")
    return pixels


def as_numpy(runs: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Make of `_runs_of` or `_runs_of_values` a function of lists of NumPy's integers."""

    def of_numpy(image: Any) -> list[Any]:
        found = runs(image)
        return [list(one) for one in found] if isinstance(found, list) else list(found)

    return of_numpy


def conversion_of(module: str) -> Callable[[Any], list[Any]] | None:
    """Return the conversion of maps to run lengths with the integers that a module gives, or None."""
    if module in _WITH_TORCH:
        return convert_segmentation_to_rle
    return as_numpy(_runs_of_values) if module in _WITH_NUMPY else None


def replacements() -> dict[str, Any]:
    """Return what takes the place of upstream's functions."""
    both = {"binary_mask_to_rle": _runs_of, "convert_segmentation_to_rle": _runs_of_values}
    replaced = {f"{module}:{name}": as_numpy(runs) for module in _WITH_NUMPY for name, runs in both.items()}
    replaced |= {f"{module}:{name}": globals()[name] for module in _WITH_TORCH for name in both}
    return replaced
