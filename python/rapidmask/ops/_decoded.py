"""What functions share that make masks of a model's output: options, forms and statistics of the results."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, TypeAlias

from .._arrays import Array
from .._containers import PackedMasks, RLEMasks, Size, check_capacity, encoded
from .._errors import integers_of, shown
from ._masks import Output, check_number, check_output, is_one_of

Activation: TypeAlias = Literal["sigmoid"] | None


class MaskStatistics(NamedTuple):
    """What is counted of each mask while it is made.

    Attributes
    ----------
    areas : array of int64, shape (...)
        Pixels of foreground.
    boxes : array of int64, shape (..., 4)
        Bounding boxes (x0, y0, x1, y1), half-open; zeros for an empty mask.
    stability : array of float32, shape (...)
        The number of values above ``threshold + offset``, divided by that above ``threshold - offset``; NaN where both
        are 0.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> logits = np.array([[[-4, 0.5], [2, 4]]], np.float32)
    >>> rapidmask.upsample_masks(logits, (2, 2), return_stats=True)[1]
    MaskStatistics(areas=array([3]), boxes=array([[0, 0, 2, 2]]), stability=array([0.6666667], dtype=float32))
    """

    areas: Array
    boxes: Array
    stability: Array


def check_options(
    function: str, op: str, activation: str | None, output: Output, out: Array | None, threshold: float
) -> float:
    """Raise unless names are known and go together; return the threshold as a number."""
    if not is_one_of(op, (">", ">=")):
        raise ValueError(f"{function}: op must be '>' or '>=', got {shown(op)}")
    if activation is not None and not is_one_of(activation, ("sigmoid",)):
        raise ValueError(f"{function}: activation must be None or 'sigmoid', got {shown(activation)}")
    check_output(function, output)
    if output == "rle" and out is not None:
        raise ValueError(f"{function}: out must be None when output is 'rle'")
    return check_number(function, "threshold", threshold)


def as_extents(function: str, name: str, extents: Any) -> Size:
    """Return two integers (height, width)."""
    try:
        height, width = integers_of(extents, 2)
    except (TypeError, ValueError):
        raise ValueError(f"{function}: {name} must be two integers (height, width), got {shown(extents)}") from None
    return height, width


def given_back(
    function: str,
    result: tuple[Any, Any, Any, Any],
    size: Size,
    output: Output,
    return_stats: bool,
    capacity: int | None = None,
) -> Any:
    """Return what a module made: masks of the form that was asked for, with their statistics if they were."""
    masks, areas, boxes, stability = result
    if output in ("packed", "rle"):
        if isinstance(masks, tuple):
            counts, offsets = masks
            check_capacity(function, int(counts.shape[0]), capacity)
            masks = RLEMasks._wrap(counts, offsets, size)
        else:
            packed = PackedMasks._wrap(masks, size)
            masks = encoded(masks, size[1], size, capacity, function) if output == "rle" else packed
    return (masks, MaskStatistics(areas, boxes, stability)) if return_stats else masks
