"""Comparison of images in chunks with thresholds."""

from __future__ import annotations

from typing import Any, Literal

import dask.array as da
import numpy as np

from ..ops import threshold as _threshold
from . import _chunks
from ._chunks import Array


def _compare(x: Any, value: Any, op: Any, form: Any, per_image: bool = False) -> Any:
    if per_image:
        value = value.reshape(-1)
    elif getattr(value, "shape", None) == ():
        value = value.item()
    return _threshold.threshold(x, value, op=op, output=form)


def threshold(
    x: Array, value: Any = 0.0, *, op: Literal[">", ">="] = ">", output: Literal["bool", "uint8"] = "bool"
) -> Array:
    """Compare images in chunks with thresholds: foreground where ``x > value``.

    Parameters
    ----------
    x : Dask array of integers or floats, shape (H, W) or (N, H, W)
        Images, logits or probabilities, of the types that `rapidmask.threshold` takes.
    value : number or array
        One threshold, one for each image (shape (N,)), or one for each pixel (shape ``x.shape`` or (H, W)): NumPy's or
        Dask's, such as ``x.mean()``.
    op : {">", ">="}
        The comparison.
    output : {"bool", "uint8"}
        The type of the masks.

    Returns
    -------
    Dask array of the shape and chunks of ``x``
        `rapidmask.threshold`'s of the whole array.

    Raises
    ------
    TypeError
        If ``x`` is no Dask array.
    ValueError
        If it has chunks of unknown sizes or another number of axes, shapes do not fit, or a name is unknown.

    Notes
    -----
    Lazy: one task for each chunk, which Dask fuses with those before it.

    Examples
    --------
    >>> import dask.array as da, rapidmask.dask
    >>> rapidmask.dask.threshold(da.from_array([[0.2, 0.5], [0.7, 0.9]], chunks=1), 0.5).compute()
    array([[False, False],
           [ True,  True]])
    """
    x = _chunks.check_array("threshold", "x", x)
    if x.ndim not in (2, 3):
        raise ValueError(f"threshold: x must have 2 dimensions (H, W) or 3 (N, H, W), got shape {x.shape}")
    if op not in (">", ">="):
        raise ValueError(f"threshold: op must be '>' or '>=', got {op!r}")
    if output not in ("bool", "uint8"):
        raise ValueError(f"threshold: output must be 'bool' or 'uint8', got {output!r}")
    dtype = np.dtype(output)
    if np.ndim(value) == 0:
        if isinstance(value, da.Array):
            return _chunks.blocks(_compare, x, value, dtype=dtype, like=x, op=op, form=output)
        return _chunks.blocks(_compare, x, value=value, dtype=dtype, like=x, op=op, form=output)
    surface = value if isinstance(value, da.Array) else da.from_array(np.asarray(value), chunks=-1)
    per_image = surface.ndim == x.ndim - 2 == 1 and surface.shape == x.shape[:1]
    if not per_image and surface.shape not in (x.shape, x.shape[-2:]):
        raise ValueError(
            f"threshold: value must be a number or have shape {x.shape[:-2]}, {x.shape[-2:]} or {x.shape}, "
            f"got shape {surface.shape}"
        )
    if per_image:
        surface = surface.reshape(-1, 1, 1).rechunk((x.chunks[0], 1, 1))
    else:
        surface = surface.rechunk(x.chunks[x.ndim - surface.ndim :])
    return _chunks.blocks(_compare, x, surface, dtype=dtype, like=x, op=op, form=output, per_image=per_image)
