"""Distances of masks' foreground to their background."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import _dispatch
from .._arrays import Array
from .._errors import shown
from ._masks import Masks, as_flag, as_number, bits_of


def _spacing(spacing: float | Sequence[float] | None, axes: int) -> tuple[float, float, float]:
    """Return the spacing along z, y and x."""
    if spacing is None:
        return 1.0, 1.0, 1.0
    required = f"distance_transform: spacing must be a number, or one for each of the last {axes} axes"
    try:
        steps: Any = [spacing] * axes if np.ndim(spacing) == 0 else spacing
        values = [as_number("distance_transform", "spacing", step) for step in steps]
    except (TypeError, ValueError):
        raise TypeError(f"{required}, got {shown(spacing)}") from None
    if len(values) != axes:
        raise ValueError(f"{required}, got {shown(spacing)}")
    z, y, x = values if axes == 3 else (1.0, *values)
    return z, y, x


def distance_transform(
    masks: Masks,
    *,
    squared: bool = False,
    volume: bool = False,
    spacing: float | Sequence[float] | None = None,
    out: Array | None = None,
) -> Array:
    """Compute the exact Euclidean distance of each foreground pixel to the nearest background pixel of its mask.

    Parameters
    ----------
    masks : array of bool or uint8, shape (..., H, W), or PackedMasks or RLEMasks
        Any non-zero value is foreground. With ``volume`` the last three axes are one mask, (..., D, H, W), and packed
        or run-length encoded masks are the slices of one volume.
    squared : bool
        Whether to return squared distances.
    volume : bool
        Whether masks have three axes rather than two.
    spacing : float or (float, float) or (float, float, float), optional
        Distance of neighbouring pixels, along all axes or each of them, (y, x) or (z, y, x). By default 1.
    out : array of float32, optional
        Where to write: C-contiguous, of the result's shape, on the same device.

    Returns
    -------
    array of float32, shape (..., H, W), or (N, H, W) of packed or run-length encoded masks
        Distances in units of the spacing, 0 on background, in the library and on the device of the input. Inf where a
        mask has no background.

    Raises
    ------
    TypeError
        If ``masks`` is no array, or not of bool or uint8, ``spacing`` holds no numbers, or ``out`` is not of float32.
    ValueError
        If ``masks`` has too few dimensions, a spacing is not positive or beyond float32's normal range, there are too
        many or too few of them, or ``out`` does not fit.

    Notes
    -----
    The result is that of ``scipy.ndimage.distance_transform_edt`` with ``sampling=spacing``, mask by mask, in float32.
    It is rounded from its square once: with unit spacing it is ``float32(sqrt(n))`` of a whole number n, which as a
    squared distance is exact up to 2^24. What float32 does not hold is inf or 0.

    What is outside a mask is not background, as in SciPy, OpenCV (``distanceTransform`` with ``DIST_MASK_PRECISE``) and
    edt (``black_border=False``). Where there is no background edt gives inf too, OpenCV 1.8e19 and SciPy the distance
    to a pixel outside.

    Work grows with the pixels, whatever they are, and with the logarithm of the width where background is far. On a
    device: two launches, three for volumes, no synchronisation. Run-length encoded masks are packed on the way.

    References
    ----------
    Felzenszwalb and Huttenlocher, "Distance transforms of sampled functions", Theory of Computing 8, 2012.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> mask = np.array([[1, 1, 1], [1, 1, 1], [1, 1, 0]], np.uint8)
    >>> rapidmask.distance_transform(mask, squared=True)
    array([[8., 5., 4.],
           [5., 2., 1.],
           [4., 1., 0.]], dtype=float32)
    >>> rapidmask.distance_transform(mask, spacing=(0.5, 2.0))[:, 2]
    array([1. , 0.5, 0. ], dtype=float32)
    """
    three = as_flag("distance_transform", "volume", volume)
    array, width = bits_of(masks)
    z, y, x = _spacing(spacing, 3 if three else 2)
    return _dispatch.backend(array).distance_transform(
        array, width, three, z, y, x, as_flag("distance_transform", "squared", squared), out
    )
