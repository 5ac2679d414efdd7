"""Comparison of images with thresholds."""

from __future__ import annotations

from typing import Any, Literal, SupportsIndex

import numpy as np

from .. import _arrays, _dispatch
from .._arrays import Array
from .._containers import PackedMasks
from .._errors import shown
from ._masks import (
    Masks,
    Output,
    as_capacity,
    check_apart,
    check_connectivity,
    check_output,
    is_one_of,
    reported_as,
    wrap_packed,
)

_KERNEL_VALUES = ("float32", "float64", "int64", "uint64")  # which hold the values of all other types


def _values(function: str, x: Array, value: Any) -> Any:
    """Return a threshold as a float, an int or an array of a type that the kernels read."""
    if isinstance(value, (float, int)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    value = _arrays.with_shape(value)
    if not hasattr(value, "shape") or not hasattr(value, "dtype"):
        raise TypeError(f"{function}: value must be a number or an array, got {type(value).__name__}")
    dtype = getattr(value.dtype, "name", str(value.dtype).rpartition(".")[2])
    if not dtype.startswith(("bool", "int", "uint", "float", "bfloat")):
        return value  # for the module to refuse: a conversion would drop what is no number
    if _arrays.is_on_cuda(value) and not _arrays.is_on_cuda(x):
        return value  # likewise
    return value if dtype in _KERNEL_VALUES else _arrays.to_float64(value)


def threshold(
    x: Array,
    value: Any = 0.0,
    *,
    op: Literal[">", ">="] = ">",
    output: Output = "bool",
    out: Array | None = None,
    capacity: SupportsIndex | None = None,
) -> Masks:
    """Compare images with thresholds: foreground where ``x > value``.

    Parameters
    ----------
    x : array of integers or floats, shape (..., H, W)
        Images, logits or probabilities: bool, (u)int8 to (u)int64, float16, bfloat16 (torch), float32, float64. With
        ``output`` "bool" or "uint8" any number of dimensions does.
    value : number or array
        One threshold, one for each image (shape ``x.shape[:-2]``), or one for each pixel (shape ``x.shape`` or (H, W)).
        Where an array could be either of the last two, it is one for each image.
    op : {">", ">="}
        The comparison.
    output : {"bool", "uint8", "packed", "rle"}
        The form of the masks.
    out : array, optional
        Where to write: C-contiguous, of the result's type and shape. Not with "rle"; with "packed" the bits (N, H, S)
        as `PackedMasks` has them: rows of S = 8 * ceil(W / 64) bytes, 0 past the width.
    capacity : int, optional
        With "rle": how many runs all masks have together at most, for which a device need not be waited for; see
        `rle_encode`.

    Returns
    -------
    array of x.shape, PackedMasks or RLEMasks
        In the library and on the device of ``x``.

    Raises
    ------
    TypeError
        If an argument is no array, is on another device, or ``out`` has another type.
    ValueError
        If shapes do not fit, a number is NaN, or a name is unknown.

    Notes
    -----
    The comparison is exact, whatever the types: uint8 with 3.5 as with 3, float32 with float64 without rounding. Only a
    plain number is rounded to a floating ``x``'s type first, which is what NumPy and torch do with it. NaN is never
    foreground. One pass over the pixels; "packed" never makes a dense mask. On a device: one launch, no
    synchronisation (but for "rle").

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> rapidmask.threshold(np.array([[0.2, 0.5], [0.7, np.nan]]), 0.5)
    array([[False, False],
           [ True, False]])
    >>> rapidmask.threshold(np.array([[[1, 2]], [[3, 4]]]), np.array([1, 3]), op=">=", output="uint8")
    array([[[1, 1]],
    <BLANKLINE>
           [[1, 1]]], dtype=uint8)
    """
    if not is_one_of(op, (">", ">=")):
        raise ValueError(f"threshold: op must be '>' or '>=', got {shown(op)}")
    check_output("threshold", output)
    x = _arrays.with_shape(x)
    if type(value) is not float and type(value) is not int and hasattr(x, "shape"):
        value = _values("threshold", x, value)
        check_apart("threshold", out, value=value)
    if output == "rle":
        if out is not None:
            raise ValueError("threshold: out must be None when output is 'rle'")
        result = _dispatch.backend(x).threshold(x, value, op, "packed", None)
    else:
        result = _dispatch.backend(x).threshold(x, value, op, output, out)
    if output == "bool" and capacity is None:
        return result
    return wrap_packed("threshold", result, x, output, as_capacity("threshold", output, capacity))


def hysteresis_threshold(x: Array, low: Any, high: Any, *, connectivity: int = 8) -> Array:
    """Keep what is above a low threshold and connected to something above a high one.

    Parameters
    ----------
    x : array of integers or floats, shape (..., H, W) or (..., D, H, W)
        Images or volumes.
    low, high : number or array
        Thresholds, as `threshold` takes them. Where low is above high, high counts for both.
    connectivity : {4, 8, 6, 18, 26}
        Neighbours of a pixel in an image (4 or 8) or in a volume, which is the last three axes.

    Returns
    -------
    array of bool, of the shape of x
        Components of ``x > low`` that hold a pixel with ``x > high``.

    Raises
    ------
    TypeError, ValueError
        As `threshold`; also for another connectivity, or if there are fewer axes than it needs.

    Notes
    -----
    ``skimage.filters.apply_hysteresis_threshold`` connects by 4 (in volumes by 6). Cost: two comparisons, of which one
    bit per pixel is kept, and one union-find over runs. On a device: no synchronisation.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> rapidmask.hysteresis_threshold(np.array([[1, 2, 1, 0, 1, 1]]), 0.5, 1.5)
    array([[ True,  True,  True, False, False, False]])
    """
    x = _arrays.with_shape(x)
    neighbours = check_connectivity("hysteresis_threshold", connectivity, volumes=True)
    axes = 2 if neighbours in (4, 8) else 3
    if hasattr(x, "dtype") and len(x.shape) < axes:  # what is no array is refused by the comparison
        extents = "(..., H, W)" if axes == 2 else "(..., D, H, W)"
        raise ValueError(
            f"hysteresis_threshold: x must have at least {axes} dimensions {extents}, got shape {tuple(x.shape)}"
        )
    with reported_as("hysteresis_threshold"):
        if axes == 3 and len(getattr(x, "shape", ())) > 3:  # packed masks are the slices of one volume
            strong = threshold(x, high)
            weak = threshold(x, low) | strong
            return _dispatch.backend(weak).hysteresis(weak, strong, None, neighbours)
        strong = threshold(x, high, output="packed")
        weak = threshold(x, low, output="packed") | strong  # where low is above high
    kept = _dispatch.backend(weak.data).hysteresis(weak.data, strong.data, weak.size[1], neighbours)
    return _arrays.reshaped(PackedMasks._wrap(kept, weak.size).to_dense(), tuple(x.shape))
