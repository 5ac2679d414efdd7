"""Thresholds that the neighbourhood of each pixel gives, and masks decided by them."""

from __future__ import annotations

import operator
from typing import Literal, SupportsIndex

from .. import _arrays, _dispatch
from .._arrays import Array
from .._errors import shown
from ._masks import Masks, Output, as_number, check_output, is_one_of, wrap_packed

_HUGE = 2**62  # no window is as large: what is beyond compares alike


def _window(function: str, argument: str, size: SupportsIndex | tuple[int, int]) -> tuple[int, int]:
    try:
        if isinstance(size, SupportsIndex):
            size = (operator.index(size), operator.index(size))
        height, width = (operator.index(side) for side in size)
        return max(-_HUGE, min(height, _HUGE)), max(-_HUGE, min(width, _HUGE))
    except (TypeError, ValueError):
        raise TypeError(f"{function}: {argument} must be an odd integer or a pair of them, got {shown(size)}") from None


def _check_method(function: str, method: str) -> None:
    if not is_one_of(method, ("gaussian", "mean", "median")):
        raise ValueError(f"{function}: method must be 'gaussian', 'mean' or 'median', got {shown(method)}")


def threshold_local(
    image: Array,
    block_size: int | tuple[int, int],
    *,
    method: Literal["gaussian", "mean", "median"] = "gaussian",
    offset: float = 0.0,
) -> Array:
    """Compute a threshold for each pixel from the block around it.

    Parameters
    ----------
    image : array of integers or floats, shape (..., H, W)
        One image, or a batch.
    block_size : int or (int, int)
        Side of the block, or height and width, in pixels: odd.
    method : {"gaussian", "mean", "median"}
        How the block's pixels become one value: weighted by a Gaussian with σ = (block_size - 1) / 6, averaged, or
        ranked.
    offset : float
        Subtracted from that value.

    Returns
    -------
    array, shape (..., H, W)
        The threshold surface, for `threshold`: float32 for float16, bfloat16 and float32 images, float64 for others;
        in the library and on the device of the input.

    Raises
    ------
    TypeError
        If ``image`` is no array of numbers.
    ValueError
        If it has fewer than two dimensions, a side is even, or the method is unknown.

    Notes
    -----
    ``skimage.filters.threshold_local`` of version 0.26 with its default mode: beyond the border the image is
    reflected about its edge. Equal within 1e-6 of the range. Sums of integers are exact. NaN makes the surface NaN
    where its block sees it. To get a mask at once, without writing the surface, call `adaptive_threshold`. Cost per
    pixel: mean O(log(block_size)), gaussian O(block_size), median O(1) for 8-bit images (with blocks of up to 255
    rows and 65535 pixels) and O(block_size²) for others.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> rapidmask.threshold_local(np.array([[0, 3, 6]], np.uint8), 3, method="mean")
    array([[1., 3., 5.]])
    """
    height, width = _window("threshold_local", "block_size", block_size)
    _check_method("threshold_local", method)
    return _dispatch.backend(image).threshold_local(
        image, height, width, method, as_number("threshold_local", "offset", offset)
    )


def threshold_niblack(image: Array, window_size: int | tuple[int, int] = 15, *, k: float = 0.2) -> Array:
    """Compute Niblack's threshold for each pixel: m - k·s, of the mean and standard deviation of its window.

    Parameters
    ----------
    image : array of integers or floats, shape (..., H, W)
        One image, or a batch.
    window_size : int or (int, int)
        Side of the window, or height and width, in pixels: odd.
    k : float
        Weight of the standard deviation.

    Returns
    -------
    array, shape (..., H, W)
        The threshold surface, typed as that of `threshold_local`.

    Raises
    ------
    TypeError
        If ``image`` is no array of numbers.
    ValueError
        If it has fewer than two dimensions, or a side is even.

    Notes
    -----
    ``skimage.filters.threshold_niblack`` of version 0.26, within 1e-6 of the range: beyond the border the image is
    mirrored at the centre of its edge pixels. Sums and sums of squares of 8- and 16-bit integers are exact. Cost per
    pixel O(log(window_size)).

    References
    ----------
    W. Niblack, An Introduction to Digital Image Processing, Prentice-Hall, 1986.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> rapidmask.threshold_niblack(np.full((2, 3), 7, np.uint8), window_size=3)
    array([[7., 7., 7.],
           [7., 7., 7.]])
    """
    height, width = _window("threshold_niblack", "window_size", window_size)
    return _dispatch.backend(image).threshold_niblack(image, height, width, as_number("threshold_niblack", "k", k))


def threshold_sauvola(
    image: Array, window_size: int | tuple[int, int] = 15, *, k: float = 0.2, r: float | None = None
) -> Array:
    """Compute Sauvola's threshold for each pixel: m·(1 + k·(s/r - 1)), of the mean and deviation of its window.

    Parameters
    ----------
    image : array of integers or floats, shape (..., H, W)
        One image, or a batch.
    window_size : int or (int, int)
        Side of the window, or height and width, in pixels: odd.
    k : float
        Weight of the standard deviation.
    r : float, optional
        The greatest standard deviation: by default half the range of an integer type, and 1 for floats.

    Returns
    -------
    array, shape (..., H, W)
        The threshold surface, typed as that of `threshold_local`.

    Raises
    ------
    TypeError
        If ``image`` is no array of numbers.
    ValueError
        If it has fewer than two dimensions, a side is even, or r is not positive.

    Notes
    -----
    ``skimage.filters.threshold_sauvola`` of version 0.26, within 1e-6 of the range; borders and cost as for
    `threshold_niblack`.

    References
    ----------
    J. Sauvola, M. Pietikäinen, Adaptive document image binarization, Pattern Recognition 33(2), 2000.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> rapidmask.threshold_sauvola(np.full((1, 2), 100, np.uint8), window_size=3)
    array([[80., 80.]])
    """
    height, width = _window("threshold_sauvola", "window_size", window_size)
    weight = as_number("threshold_sauvola", "k", k)
    span = None if r is None else as_number("threshold_sauvola", "r", r)
    return _dispatch.backend(image).threshold_sauvola(image, height, width, weight, span)


def adaptive_threshold(
    image: Array,
    block_size: int | tuple[int, int],
    *,
    method: Literal["gaussian", "mean", "median"] = "mean",
    offset: float = 0.0,
    op: Literal[">", ">="] = ">",
    output: Output = "bool",
    out: Array | None = None,
) -> Masks:
    """Compare images with their local threshold: `threshold` with the surface of `threshold_local`, in one pass.

    Parameters
    ----------
    image : array of integers or floats, shape (..., H, W)
        One image, or a batch.
    block_size : int or (int, int)
        Side of the block, as for `threshold_local`.
    method : {"gaussian", "mean", "median"}
        What the threshold is, as for `threshold_local`.
    offset : float
        What is subtracted from it.
    op : {">", ">="}
        The comparison.
    output : {"bool", "uint8", "packed", "rle"}
        The form of the masks.
    out : array, optional
        Where to write, as for `threshold`.

    Returns
    -------
    array of image.shape, PackedMasks or RLEMasks
        In the library and on the device of the input.

    Raises
    ------
    TypeError, ValueError
        As `threshold_local` and `threshold`.

    Notes
    -----
    The surface is never written: a few rows of sums stay in cache. The mean of 8-bit images is decided in integers,
    with the same result. OpenCV's ``adaptiveThreshold`` repeats the border's pixels and rounds the mean to whole grey
    levels, so that its masks differ.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> rapidmask.adaptive_threshold(np.array([[0, 9, 6]], np.uint8), 3)
    array([[False,  True, False]])
    """
    image = _arrays.with_shape(image)
    height, width = _window("adaptive_threshold", "block_size", block_size)
    check_output("adaptive_threshold", output)
    if not is_one_of(op, (">", ">=")):
        raise ValueError(f"adaptive_threshold: op must be '>' or '>=', got {shown(op)}")
    if output == "rle" and out is not None:
        raise ValueError("adaptive_threshold: out must be None when output is 'rle'")
    _check_method("adaptive_threshold", method)
    shift = as_number("adaptive_threshold", "offset", offset)
    form = "packed" if output == "rle" else output
    result = _dispatch.backend(image).adaptive_threshold(image, height, width, method, shift, op, form, out)
    return wrap_packed("adaptive_threshold", result, image, output)
