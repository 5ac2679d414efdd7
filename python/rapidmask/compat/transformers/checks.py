"""What drop-ins for transformers look at before they serve a call; what they do not serve is upstream's."""

from __future__ import annotations

import operator
import sys
from collections.abc import Sequence
from typing import Any

from .._tensors import is_served

Size = tuple[int, int]
_INTEGERS = 2**63


def check_float32(*tensors: Any, ndim: int | None = None) -> None:
    """Raise unless all are tensors of float32 without gradients that have elements, of so many dimensions."""
    for tensor in tensors:
        if type(tensor).__module__.partition(".")[0] != "torch" or str(tensor.dtype) != "torch.float32":
            raise NotImplementedError("scores must be tensors of float32")
        if not is_served(tensor):
            raise NotImplementedError("scores must lie on the CPU or a CUDA device, without gradients or tracing")
        if tensor.numel() == 0 or (ndim is not None and tensor.ndim != ndim):
            raise NotImplementedError("scores must have elements, and as many dimensions as a model gives them")


def check_queries(classes: Any, masks: Any) -> None:
    """Raise unless these are scores (b, q, c) and masks (b, q, h, w) of the same queries."""
    check_float32(classes, ndim=3)
    check_float32(masks, ndim=4)
    if classes.shape[:2] != masks.shape[:2] or classes.shape[2] < 2:
        raise NotImplementedError("classes and masks must be of the same queries")


def sizes_of(target_sizes: Any, count: int, *, exactly: bool = False) -> list[Size] | None:
    """Return as many heights and widths, or None for None; ``exactly`` allows no more of them."""
    if target_sizes is None:
        return None
    if (
        not isinstance(target_sizes, (list, tuple))
        or len(target_sizes) < count
        or (exactly and len(target_sizes) != count)
    ):
        raise NotImplementedError("target_sizes must be a list of a size for each image")
    return [extents(size) for size in target_sizes[:count]]


def extents(size: Any) -> Size:
    """Return a height and a width of at least one pixel."""
    if not isinstance(size, (list, tuple)) or len(size) != 2 or any(isinstance(extent, bool) for extent in size):
        raise NotImplementedError("sizes must be pairs of integers")
    try:
        height, width = (operator.index(extent) for extent in size)
    except (TypeError, ValueError):
        raise NotImplementedError("sizes must be pairs of integers") from None
    if height < 1 or width < 1:
        raise NotImplementedError("sizes must have pixels")
    return height, width


def size_of(sizes: Sequence[Size] | None, i: int) -> Size | None:
    """Return the size of an image, where sizes are given."""
    return None if sizes is None else sizes[i]


def class_set(classes: Any) -> set[int]:
    """Return a list or set of classes as a set of integers of 64 bits."""
    if not isinstance(classes, (frozenset, list, set, tuple)):
        raise NotImplementedError("classes must be a list or a set")
    try:
        found = {operator.index(c) for c in classes}
    except TypeError:
        raise NotImplementedError("classes must be integers") from None
    if any(not -_INTEGERS <= c < _INTEGERS for c in found):
        raise NotImplementedError("classes must be of 64 bits")
    return found


def check_helpers(processor: Any, *names: str) -> None:
    """Raise where a subclass has its own way of what upstream's method calls."""
    for name in names:
        helper = getattr(processor, name, None)
        if helper is not None and not str(getattr(helper, "__module__", None)).startswith("transformers."):
            raise NotImplementedError(f"{name} must be upstream's own")


def number(threshold: Any) -> float:
    """Return a threshold that is a number, infinity as the largest."""
    if not isinstance(threshold, (int, float)) or threshold != threshold:
        raise NotImplementedError("thresholds must be numbers")
    if isinstance(threshold, int) and not -_INTEGERS <= threshold < _INTEGERS:
        raise NotImplementedError("integers must be of 64 bits")
    return min(max(float(threshold), -sys.float_info.max), sys.float_info.max)
