"""Morphology and distances of masks in chunks, each worked on with what lies around it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, SupportsIndex, TypeAlias

import dask.array as da
import numpy as np

from ..ops import distance as _distance
from ..ops import morphology as _morphology
from ..ops._masks import check_number
from . import _chunks
from ._chunks import Array

Border: TypeAlias = Literal["ignore", "zeros", "ones"]


def _overlapped(function: Any, masks: Array, depth: Sequence[int], dtype: Any, **arguments: Any) -> Array:
    """Apply a function to chunks with so many pixels around them, as far as there are any."""
    chunks = masks.chunks
    masks = _chunks.without_empty_chunks(masks)
    # A depth beyond the array is the array; chunks that are smaller than the depth are joined by Dask.
    depths = tuple(min(reach, extent) for reach, extent in zip(depth, masks.shape, strict=True))
    result = da.map_overlap(
        function,
        masks,
        depth=depths,
        boundary="none",
        trim=True,
        dtype=dtype,
        meta=masks._meta.astype(dtype),
        **arguments,
    )
    return result.rechunk(chunks)


def _morphed(operation: str, masks: Any, footprint: Any, iterations: SupportsIndex, border: str, passes: int) -> Array:
    elements, shape = _morphology._elements(operation, footprint)
    count = _morphology._count(operation, "iterations", iterations)
    masks = _chunks.check_masks(operation, masks, axes=len(shape))
    if border not in ("ignore", "zeros", "ones"):
        raise ValueError(f"{operation}: border must be 'ignore', 'zeros' or 'ones', got {border!r}")
    depth = [0] * (masks.ndim - len(shape)) + [side // 2 * count * passes for side in shape]
    flat = np.frombuffer(elements, np.uint8).reshape(shape)
    return _overlapped(
        getattr(_morphology, operation), masks, depth, masks.dtype, footprint=flat, iterations=count, border=border
    )


def closing(masks: Array, footprint: Any, *, iterations: int = 1, border: Border = "ignore") -> Array:
    """Close masks in chunks: dilate, then erode.

    Parameters
    ----------
    masks : Dask array of bool or uint8, shape (H, W) or (D, H, W)
        Any non-zero value is foreground. With a footprint of two dimensions, three axes are a batch of images.
    footprint : array-like of bool or int, shape (h, w) or (d, h, w)
        Set where it is not zero, at most 127 a side, anchored at ``size // 2``.
    iterations : int
        How often to dilate, and then to erode.
    border : {"ignore", "zeros", "ones"}
        What lies outside of the whole array, in each iteration.

    Returns
    -------
    Dask array of the type, shape and chunks of the masks
        Values 0 and 1: `rapidmask.closing`'s of the whole array.

    Raises
    ------
    TypeError
        If ``masks`` is no Dask array, or not of bool or uint8, or the footprint or ``iterations`` are no integers.
    ValueError
        If it has another number of axes or chunks of unknown sizes, the footprint has another number of dimensions or
        is too large, the border is unknown or the iterations are negative.

    Notes
    -----
    Lazy. A chunk is worked on with a margin: ``size // 2`` of each axis, for each of both passes and each iteration.
    Chunks that are smaller than that are joined for the work.

    Examples
    --------
    >>> import dask.array as da, rapidmask.dask
    >>> masks = da.from_array([[1, 0, 1, 0, 0, 0]], chunks=(1, 2)).astype("uint8")
    >>> rapidmask.dask.closing(masks, [[1, 1, 1]]).compute()
    array([[1, 1, 1, 0, 0, 0]], dtype=uint8)
    """
    return _morphed("closing", masks, footprint, iterations, border, 2)


def dilate(masks: Array, footprint: Any, *, iterations: int = 1, border: Border = "ignore") -> Array:
    """Dilate masks in chunks: a pixel is set if any of ``masks(p - o)`` is, o in the footprint.

    Parameters
    ----------
    masks : Dask array of bool or uint8, shape (H, W) or (D, H, W)
        Any non-zero value is foreground. With a footprint of two dimensions, three axes are a batch of images.
    footprint : array-like of bool or int, shape (h, w) or (d, h, w)
        Set where it is not zero, at most 127 a side, anchored at ``size // 2``.
    iterations : int
        How often to dilate.
    border : {"ignore", "zeros", "ones"}
        What lies outside of the whole array, in each iteration.

    Returns
    -------
    Dask array of the type, shape and chunks of the masks
        Values 0 and 1: `rapidmask.dilate`'s of the whole array.

    Raises
    ------
    TypeError
        If ``masks`` is no Dask array, or not of bool or uint8, or the footprint or ``iterations`` are no integers.
    ValueError
        If it has another number of axes or chunks of unknown sizes, the footprint has another number of dimensions or
        is too large, the border is unknown or the iterations are negative.

    Notes
    -----
    Lazy. A chunk is worked on with a margin: ``size // 2`` of each axis, for each iteration.
    Chunks that are smaller than that are joined for the work.

    Examples
    --------
    >>> import dask.array as da, rapidmask.dask
    >>> masks = da.from_array([[0, 0, 1, 0, 0]], chunks=(1, 2)).astype("uint8")
    >>> rapidmask.dask.dilate(masks, [[1, 1, 1]]).compute()
    array([[0, 1, 1, 1, 0]], dtype=uint8)
    """
    return _morphed("dilate", masks, footprint, iterations, border, 1)


def erode(masks: Array, footprint: Any, *, iterations: int = 1, border: Border = "ignore") -> Array:
    """Erode masks in chunks: a pixel is set if all of ``masks(p + o)`` are, o in the footprint.

    Parameters
    ----------
    masks : Dask array of bool or uint8, shape (H, W) or (D, H, W)
        Any non-zero value is foreground. With a footprint of two dimensions, three axes are a batch of images.
    footprint : array-like of bool or int, shape (h, w) or (d, h, w)
        Set where it is not zero, at most 127 a side, anchored at ``size // 2``.
    iterations : int
        How often to erode.
    border : {"ignore", "zeros", "ones"}
        What lies outside of the whole array, in each iteration.

    Returns
    -------
    Dask array of the type, shape and chunks of the masks
        Values 0 and 1: `rapidmask.erode`'s of the whole array.

    Raises
    ------
    TypeError
        If ``masks`` is no Dask array, or not of bool or uint8, or the footprint or ``iterations`` are no integers.
    ValueError
        If it has another number of axes or chunks of unknown sizes, the footprint has another number of dimensions or
        is too large, the border is unknown or the iterations are negative.

    Notes
    -----
    Lazy. A chunk is worked on with a margin: ``size // 2`` of each axis, for each iteration.
    Chunks that are smaller than that are joined for the work.

    Examples
    --------
    >>> import dask.array as da, rapidmask.dask
    >>> masks = da.from_array([[1, 1, 1, 0, 1]], chunks=(1, 2)).astype("uint8")
    >>> rapidmask.dask.erode(masks, [[1, 1, 1]]).compute()
    array([[1, 1, 0, 0, 0]], dtype=uint8)
    """
    return _morphed("erode", masks, footprint, iterations, border, 1)


def opening(masks: Array, footprint: Any, *, iterations: int = 1, border: Border = "ignore") -> Array:
    """Open masks in chunks: erode, then dilate.

    Parameters
    ----------
    masks : Dask array of bool or uint8, shape (H, W) or (D, H, W)
        Any non-zero value is foreground. With a footprint of two dimensions, three axes are a batch of images.
    footprint : array-like of bool or int, shape (h, w) or (d, h, w)
        Set where it is not zero, at most 127 a side, anchored at ``size // 2``.
    iterations : int
        How often to erode, and then to dilate.
    border : {"ignore", "zeros", "ones"}
        What lies outside of the whole array, in each iteration.

    Returns
    -------
    Dask array of the type, shape and chunks of the masks
        Values 0 and 1: `rapidmask.opening`'s of the whole array.

    Raises
    ------
    TypeError
        If ``masks`` is no Dask array, or not of bool or uint8, or the footprint or ``iterations`` are no integers.
    ValueError
        If it has another number of axes or chunks of unknown sizes, the footprint has another number of dimensions or
        is too large, the border is unknown or the iterations are negative.

    Notes
    -----
    Lazy. A chunk is worked on with a margin: ``size // 2`` of each axis, for each of both passes and each iteration.
    Chunks that are smaller than that are joined for the work.

    Examples
    --------
    >>> import dask.array as da, rapidmask.dask
    >>> masks = da.from_array([[1, 0, 1, 1, 1]], chunks=(1, 2)).astype("uint8")
    >>> rapidmask.dask.opening(masks, [[1, 1, 1]]).compute()
    array([[0, 0, 1, 1, 1]], dtype=uint8)
    """
    return _morphed("opening", masks, footprint, iterations, border, 2)


def _bounded(masks: Any, bound: float, squared: bool, volume: bool, spacing: Any) -> Any:
    distances = _distance.distance_transform(masks, squared=squared, volume=volume, spacing=spacing)
    return distances.clip(None, np.float32(bound))


def distance_transform(
    masks: Array,
    max_distance: float,
    *,
    squared: bool = False,
    volume: bool = False,
    spacing: float | Sequence[float] | None = None,
) -> Array:
    """Compute the Euclidean distance of each foreground pixel of masks in chunks to the background, up to a bound.

    Parameters
    ----------
    masks : Dask array of bool or uint8, shape (H, W) or (D, H, W)
        Any non-zero value is foreground. Without ``volume`` three axes are a batch of images.
    max_distance : float
        Where the background is farther, the result is this.
    squared : bool
        Whether to return squared distances, up to the square of ``max_distance``.
    volume : bool
        Whether the three axes are one mask.
    spacing : float or (float, float) or (float, float, float), optional
        Distance of neighbouring pixels, along all axes or each of them, (y, x) or (z, y, x). By default 1.

    Returns
    -------
    Dask array of float32, of the shape and chunks of the masks
        ``minimum(rapidmask.distance_transform(masks), max_distance)`` of the whole array; ``max_distance`` also where a
        mask has no background.

    Raises
    ------
    TypeError
        If ``masks`` is no Dask array, or not of bool or uint8, or a number is none.
    ValueError
        If it has another number of axes or chunks of unknown sizes, ``max_distance`` is negative or not finite, or the
        spacing is not positive or of another length.

    Notes
    -----
    Lazy. A chunk is worked on with a margin of ``max_distance / spacing`` pixels, which is why there has to be a bound:
    a distance without one can depend on every chunk. Chunks that are smaller than that are joined for the work.

    Examples
    --------
    >>> import dask.array as da, rapidmask.dask
    >>> masks = da.from_array([[0, 1, 1, 1, 1]], chunks=(1, 2)).astype("uint8")
    >>> rapidmask.dask.distance_transform(masks, 3).compute()
    array([[0., 1., 2., 3., 3.]], dtype=float32)
    """
    bound = check_number("distance_transform", "max_distance", max_distance)
    if not 0 <= bound < math.inf:
        raise ValueError(f"distance_transform: max_distance must be from 0 and finite, got {max_distance!r}")
    masks = _chunks.check_masks("distance_transform", masks, axes=3 if volume else 2)
    steps = _distance._spacing(spacing, 3 if volume else 2)
    if not all(step > 0 for step in steps):
        raise ValueError(f"distance_transform: spacing must be positive, got {spacing!r}")
    # A float32 distance up to the bound may be of one that is a little farther: a pixel more.
    depth = [math.floor(min(bound / step, 2.0**62)) + 1 for step in steps][3 - masks.ndim :]
    if not volume and masks.ndim == 3:
        depth[0] = 0
    with np.errstate(over="ignore"):  # a bound beyond float32 is none
        limit = np.float32(bound) ** 2 if squared else np.float32(bound)
    return _overlapped(
        _bounded, masks, depth, np.float32, bound=float(limit), squared=squared, volume=volume, spacing=spacing
    )
