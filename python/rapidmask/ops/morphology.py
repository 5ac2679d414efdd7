"""Binary morphology of masks with a flat footprint."""

from __future__ import annotations

import operator
from typing import Any, Literal, SupportsIndex, TypeAlias

from .._arrays import Array
from .._errors import shown
from ._masks import Masks, as_host, as_name, check_out, map_masks

Footprint: TypeAlias = Any  # array-like of booleans or integers, (h, w) or (d, h, w)
Border: TypeAlias = Literal["ignore", "zeros", "ones"]

_LONGEST = 127  # side of a footprint
_MOST = 2**62  # iterations: more change nothing that these do not
_SQUARE = (bytes([1] * 9), (3, 3))


def _elements(function: str, footprint: Footprint) -> tuple[bytes, tuple[int, ...]]:
    """Return the footprint's elements, a byte each, and its shape."""
    array = as_host(function, "footprint", footprint)
    if array.dtype.kind not in "bui":
        raise TypeError(f"{function}: footprint must hold booleans or integers, got {array.dtype}")
    if array.ndim not in (2, 3) or max(array.shape) > _LONGEST:
        raise ValueError(
            f"{function}: footprint must have 2 or 3 dimensions of at most {_LONGEST}, got shape {array.shape}"
        )
    return (array if array.itemsize == 1 else array != 0).tobytes(), array.shape


def _count(function: str, argument: str, value: SupportsIndex) -> int:
    try:
        count = operator.index(value)
    except TypeError:
        raise TypeError(f"{function}: {argument} must be an integer, got {shown(value)}") from None
    if count < 0:
        raise ValueError(f"{function}: {argument} must be at least 0, got {count}")
    return min(count, _MOST)


def _apply(
    operation: str, masks: Masks, elements: bytes, shape: tuple[int, ...], count: int, border: str, out: Array | None
) -> Masks:
    check_out(operation, masks, out)
    d, h, w = shape if len(shape) == 3 else (1, *shape)
    return map_masks(
        masks,
        lambda module, array, width: module.morphology(
            array, width, operation, elements, d, h, w, len(shape) == 3, count, border, out
        ),
    )


def _morphology(
    operation: str, masks: Masks, footprint: Footprint, iterations: SupportsIndex, border: str, out: Array | None
) -> Masks:
    elements, shape = _elements(operation, footprint)
    return _apply(
        operation,
        masks,
        elements,
        shape,
        _count(operation, "iterations", iterations),
        as_name(operation, "border", border),
        out,
    )


def dilate(
    masks: Masks, footprint: Footprint, *, iterations: int = 1, border: Border = "ignore", out: Array | None = None
) -> Masks:
    """Dilate masks: a pixel is set if any of ``masks(p - o)`` is, o in the footprint.

    Parameters
    ----------
    masks : array of bool or uint8, shape (..., H, W), or PackedMasks or RLEMasks
        Any non-zero value is foreground. With a footprint of three dimensions the last three axes are one volume, and
        packed or run-length encoded masks are the slices of one.
    footprint : array-like of bool or int, shape (h, w) or (d, h, w)
        Set where it is not zero: of any form, at most 127 a side. The element at ``size // 2`` of each axis stands for
        the pixel itself.
    iterations : int
        How often to dilate.
    border : {"ignore", "zeros", "ones"}
        What lies outside of the mask, in each iteration: nothing that decides (0 for a dilation, 1 for an erosion), 0,
        or 1.
    out : array, optional
        Where to write, for dense masks: C-contiguous, of their type and shape, on the same device.

    Returns
    -------
    masks
        In the form, type and library of the input, with values 0 and 1.

    Raises
    ------
    TypeError
        If ``masks`` is no array, or not of bool or uint8, or the footprint holds something else.
    ValueError
        If the masks have too few dimensions, the footprint has another number of them or is too large, the border is
        unknown or the iterations are negative.

    Notes
    -----
    Offsets o are indices less ``size // 2``, also where a side is even or the footprint is not symmetric, so that
    `erode` with the same footprint is the adjoint. A footprint without a set element gives nothing.

    ``scipy.ndimage.binary_dilation`` with the same structure gives the same for ``border_value=0`` ("ignore", "zeros")
    and 1 ("ones"). ``skimage.morphology.dilation`` with ``mode="ignore"`` and ``cv2.dilate`` with its default border
    are "ignore", but have p + o in place of p - o: pass ``footprint[::-1, ::-1]`` for their result, for OpenCV's after
    padding even sides at their end.

    Iterations of boxes and diamonds are merged into one, others run at once on rows that stay in cache. Cost per 64
    pixels and pass: an operation for each row of the footprint, some for each different run among its rows. On a device
    nothing synchronises.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> mask = np.array([[0, 0, 1, 0, 0]], np.uint8)
    >>> rapidmask.dilate(mask, [[1, 1, 1]])
    array([[0, 1, 1, 1, 0]], dtype=uint8)
    >>> rapidmask.dilate(mask, [[0, 1, 1]], iterations=2)
    array([[0, 0, 1, 1, 1]], dtype=uint8)
    """
    return _morphology("dilate", masks, footprint, iterations, border, out)


def erode(
    masks: Masks, footprint: Footprint, *, iterations: int = 1, border: Border = "ignore", out: Array | None = None
) -> Masks:
    """Erode masks: a pixel is set if all of ``masks(p + o)`` are, o in the footprint.

    Parameters
    ----------
    masks : array of bool or uint8, shape (..., H, W), or PackedMasks or RLEMasks
        Any non-zero value is foreground. With a footprint of three dimensions the last three axes are one volume, and
        packed or run-length encoded masks are the slices of one.
    footprint : array-like of bool or int, shape (h, w) or (d, h, w)
        Set where it is not zero: of any form, at most 127 a side. The element at ``size // 2`` of each axis stands for
        the pixel itself.
    iterations : int
        How often to erode.
    border : {"ignore", "zeros", "ones"}
        What lies outside of the mask, in each iteration: nothing that decides (0 for a dilation, 1 for an erosion), 0,
        or 1.
    out : array, optional
        Where to write, for dense masks: C-contiguous, of their type and shape, on the same device.

    Returns
    -------
    masks
        In the form, type and library of the input, with values 0 and 1.

    Raises
    ------
    TypeError
        If ``masks`` is no array, or not of bool or uint8, or the footprint holds something else.
    ValueError
        If the masks have too few dimensions, the footprint has another number of them or is too large, the border is
        unknown or the iterations are negative.

    Notes
    -----
    Offsets as for `dilate`. A footprint without a set element gives everything.

    ``scipy.ndimage.binary_erosion`` with the same structure gives the same for ``border_value=0`` ("zeros", its
    default) and 1 ("ignore", "ones"), ``cv2.erode`` with its default border the same as "ignore", and so does
    ``skimage.morphology.erosion`` with ``mode="ignore"``, whose centre of an even side is one before: pad such a side
    at its beginning for its result.

    Iterations of boxes and diamonds are merged into one, others run at once on rows that stay in cache. Cost per 64
    pixels and pass: an operation for each row of the footprint, some for each different run among its rows. On a device
    nothing synchronises.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> mask = np.array([[1, 1, 1, 0, 1]], np.uint8)
    >>> rapidmask.erode(mask, [[1, 1, 1]])
    array([[1, 1, 0, 0, 0]], dtype=uint8)
    >>> rapidmask.erode(mask, [[1, 1, 1]], border="zeros")
    array([[0, 1, 0, 0, 0]], dtype=uint8)
    """
    return _morphology("erode", masks, footprint, iterations, border, out)


def opening(
    masks: Masks, footprint: Footprint, *, iterations: int = 1, border: Border = "ignore", out: Array | None = None
) -> Masks:
    """Open masks: erode, then dilate; what the footprint does not fit into goes.

    Parameters
    ----------
    masks : array of bool or uint8, shape (..., H, W), or PackedMasks or RLEMasks
        Any non-zero value is foreground. With a footprint of three dimensions the last three axes are one volume, and
        packed or run-length encoded masks are the slices of one.
    footprint : array-like of bool or int, shape (h, w) or (d, h, w)
        Set where it is not zero: of any form, at most 127 a side. The element at ``size // 2`` of each axis stands for
        the pixel itself.
    iterations : int
        How often to erode, and then to dilate.
    border : {"ignore", "zeros", "ones"}
        What lies outside of the mask, in each iteration: nothing that decides (0 for a dilation, 1 for an erosion), 0,
        or 1.
    out : array, optional
        Where to write, for dense masks: C-contiguous, of their type and shape, on the same device.

    Returns
    -------
    masks
        In the form, type and library of the input, with values 0 and 1.

    Raises
    ------
    TypeError
        If ``masks`` is no array, or not of bool or uint8, or the footprint holds something else.
    ValueError
        If the masks have too few dimensions, the footprint has another number of them or is too large, the border is
        unknown or the iterations are negative.

    Notes
    -----
    With ``border="ignore"`` the result is a subset of the mask, and opening it again changes nothing, whatever the
    footprint. ``scipy.ndimage.binary_opening`` is the same for "zeros", ``cv2.morphologyEx`` for "ignore" and
    footprints that half a turn does not change. Both passes run at once, on rows that stay in cache. On a device
    nothing synchronises.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> rapidmask.opening(np.array([[1, 0, 1, 1, 1]], np.uint8), [[1, 1, 1]])
    array([[0, 0, 1, 1, 1]], dtype=uint8)
    """
    return _morphology("opening", masks, footprint, iterations, border, out)


def closing(
    masks: Masks, footprint: Footprint, *, iterations: int = 1, border: Border = "ignore", out: Array | None = None
) -> Masks:
    """Close masks: dilate, then erode; gaps that the footprint does not fit into are filled.

    Parameters
    ----------
    masks : array of bool or uint8, shape (..., H, W), or PackedMasks or RLEMasks
        Any non-zero value is foreground. With a footprint of three dimensions the last three axes are one volume, and
        packed or run-length encoded masks are the slices of one.
    footprint : array-like of bool or int, shape (h, w) or (d, h, w)
        Set where it is not zero: of any form, at most 127 a side. The element at ``size // 2`` of each axis stands for
        the pixel itself.
    iterations : int
        How often to dilate, and then to erode.
    border : {"ignore", "zeros", "ones"}
        What lies outside of the mask, in each iteration: nothing that decides (0 for a dilation, 1 for an erosion), 0,
        or 1.
    out : array, optional
        Where to write, for dense masks: C-contiguous, of their type and shape, on the same device.

    Returns
    -------
    masks
        In the form, type and library of the input, with values 0 and 1.

    Raises
    ------
    TypeError
        If ``masks`` is no array, or not of bool or uint8, or the footprint holds something else.
    ValueError
        If the masks have too few dimensions, the footprint has another number of them or is too large, the border is
        unknown or the iterations are negative.

    Notes
    -----
    With ``border="ignore"`` the mask is a subset of the result, and closing it again changes nothing, whatever the
    footprint. ``scipy.ndimage.binary_closing`` is the same for "zeros", which erodes what touches the border;
    ``cv2.morphologyEx`` for "ignore" and footprints that half a turn does not change. Both passes run at once, on rows
    that stay in cache. On a device nothing synchronises.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> rapidmask.closing(np.array([[1, 0, 1, 0, 0, 0]], np.uint8), [[1, 1, 1]])
    array([[1, 1, 1, 0, 0, 0]], dtype=uint8)
    """
    return _morphology("closing", masks, footprint, iterations, border, out)


def gradient(
    masks: Masks, footprint: Footprint, *, iterations: int = 1, border: Border = "ignore", out: Array | None = None
) -> Masks:
    """Find the edges of masks, on both sides: what dilation adds to what erosion leaves.

    Parameters
    ----------
    masks : array of bool or uint8, shape (..., H, W), or PackedMasks or RLEMasks
        Any non-zero value is foreground. With a footprint of three dimensions the last three axes are one volume, and
        packed or run-length encoded masks are the slices of one.
    footprint : array-like of bool or int, shape (h, w) or (d, h, w)
        Set where it is not zero: of any form, at most 127 a side. The element at ``size // 2`` of each axis stands for
        the pixel itself.
    iterations : int
        How often to dilate, and to erode.
    border : {"ignore", "zeros", "ones"}
        What lies outside of the mask, in each iteration: nothing that decides (0 for a dilation, 1 for an erosion), 0,
        or 1.
    out : array, optional
        Where to write, for dense masks: C-contiguous, of their type and shape, on the same device.

    Returns
    -------
    masks
        In the form, type and library of the input, with values 0 and 1.

    Raises
    ------
    TypeError
        If ``masks`` is no array, or not of bool or uint8, or the footprint holds something else.
    ValueError
        If the masks have too few dimensions, the footprint has another number of them or is too large, the border is
        unknown or the iterations are negative.

    Notes
    -----
    ``dilate(masks) & ~erode(masks)``: ``cv2.morphologyEx`` with ``MORPH_GRADIENT`` for "ignore" and footprints that
    half a turn does not change. For the inner edge alone: `boundary`. One pass over the masks. On a device nothing
    synchronises.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> rapidmask.gradient(np.array([[0, 0, 1, 1, 1]], np.uint8), [[1, 1, 1]])
    array([[0, 1, 1, 0, 0]], dtype=uint8)
    """
    return _morphology("gradient", masks, footprint, iterations, border, out)


def white_tophat(
    masks: Masks, footprint: Footprint, *, iterations: int = 1, border: Border = "ignore", out: Array | None = None
) -> Masks:
    """Find what opening removes: the parts that the footprint does not fit into.

    Parameters
    ----------
    masks : array of bool or uint8, shape (..., H, W), or PackedMasks or RLEMasks
        Any non-zero value is foreground. With a footprint of three dimensions the last three axes are one volume, and
        packed or run-length encoded masks are the slices of one.
    footprint : array-like of bool or int, shape (h, w) or (d, h, w)
        Set where it is not zero: of any form, at most 127 a side. The element at ``size // 2`` of each axis stands for
        the pixel itself.
    iterations : int
        How often to erode, and then to dilate.
    border : {"ignore", "zeros", "ones"}
        What lies outside of the mask, in each iteration: nothing that decides (0 for a dilation, 1 for an erosion), 0,
        or 1.
    out : array, optional
        Where to write, for dense masks: C-contiguous, of their type and shape, on the same device.

    Returns
    -------
    masks
        In the form, type and library of the input, with values 0 and 1.

    Raises
    ------
    TypeError
        If ``masks`` is no array, or not of bool or uint8, or the footprint holds something else.
    ValueError
        If the masks have too few dimensions, the footprint has another number of them or is too large, the border is
        unknown or the iterations are negative.

    Notes
    -----
    ``masks & ~opening(masks)``: ``scipy.ndimage.white_tophat`` and ``cv2.morphologyEx`` with ``MORPH_TOPHAT`` on masks,
    where `opening` is theirs. One pass over the masks. On a device nothing synchronises.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> rapidmask.white_tophat(np.array([[1, 0, 1, 1, 1]], np.uint8), [[1, 1, 1]])
    array([[1, 0, 0, 0, 0]], dtype=uint8)
    """
    return _morphology("white_tophat", masks, footprint, iterations, border, out)


def black_tophat(
    masks: Masks, footprint: Footprint, *, iterations: int = 1, border: Border = "ignore", out: Array | None = None
) -> Masks:
    """Find what closing adds: the gaps that the footprint does not fit into.

    Parameters
    ----------
    masks : array of bool or uint8, shape (..., H, W), or PackedMasks or RLEMasks
        Any non-zero value is foreground. With a footprint of three dimensions the last three axes are one volume, and
        packed or run-length encoded masks are the slices of one.
    footprint : array-like of bool or int, shape (h, w) or (d, h, w)
        Set where it is not zero: of any form, at most 127 a side. The element at ``size // 2`` of each axis stands for
        the pixel itself.
    iterations : int
        How often to dilate, and then to erode.
    border : {"ignore", "zeros", "ones"}
        What lies outside of the mask, in each iteration: nothing that decides (0 for a dilation, 1 for an erosion), 0,
        or 1.
    out : array, optional
        Where to write, for dense masks: C-contiguous, of their type and shape, on the same device.

    Returns
    -------
    masks
        In the form, type and library of the input, with values 0 and 1.

    Raises
    ------
    TypeError
        If ``masks`` is no array, or not of bool or uint8, or the footprint holds something else.
    ValueError
        If the masks have too few dimensions, the footprint has another number of them or is too large, the border is
        unknown or the iterations are negative.

    Notes
    -----
    ``closing(masks) & ~masks``: ``scipy.ndimage.black_tophat`` and ``cv2.morphologyEx`` with ``MORPH_BLACKHAT`` on
    masks, where `closing` is theirs. One pass over the masks. On a device nothing synchronises.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> rapidmask.black_tophat(np.array([[1, 0, 1, 0, 0, 0]], np.uint8), [[1, 1, 1]])
    array([[0, 1, 0, 0, 0, 0]], dtype=uint8)
    """
    return _morphology("black_tophat", masks, footprint, iterations, border, out)


def boundary(masks: Masks, *, width: int = 1, out: Array | None = None) -> Masks:
    """Find the pixels of masks that are near the background: ``masks & ~erode(masks, square(3))``.

    Parameters
    ----------
    masks : array of bool or uint8, shape (..., H, W), or PackedMasks or RLEMasks
        Any non-zero value is foreground.
    width : int
        How often to erode: pixels up to so many steps from the background, to a side or across a corner, are found.
    out : array, optional
        Where to write, for dense masks: C-contiguous, of their type and shape, on the same device.

    Returns
    -------
    masks
        In the form, type and library of the input, with values 0 and 1.

    Raises
    ------
    TypeError
        If ``masks`` is no array, or not of bool or uint8, or ``width`` is no integer.
    ValueError
        If it has fewer than two dimensions, or the width is negative.

    Notes
    -----
    What lies outside of a mask is ignored: the border of the image is no boundary. Boundary IoU as published pads with
    background; for that, erode with ``border="zeros"``. One pass over the masks, for any width. On a device nothing
    synchronises.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> rapidmask.boundary(np.array([[1, 1, 1, 1, 0]], np.uint8), width=2)
    array([[0, 0, 1, 1, 0]], dtype=uint8)
    """
    elements, shape = _SQUARE
    return _apply("boundary", masks, elements, shape, _count("boundary", "width", width), "ignore", out)
