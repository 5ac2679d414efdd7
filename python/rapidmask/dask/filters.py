"""Filters of components of masks in chunks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..ops.components import _integer
from . import _chunks, _pieces, _seams
from ._chunks import Array
from ._pieces import Kept, Survey
from ._seams import Grid, Integers, Parts, Shares, Whole
from .labels import grid_of, surveyed

_DUAL = {4: 8, 8: 4, 6: 26, 18: 6, 26: 6}  # with which no path of the one crosses one of the other
Rule = Callable[..., Integers]


def _solve(chunks: list[Parts], grid: Grid, rule: Rule, arguments: Any) -> list[Shares]:
    whole = _seams.join(grid, chunks)
    return _seams.share(grid, (rule(grid, chunks, whole, **arguments), whole.first))


def _sift(
    kept: Kept, shares: Shares, connectivity: int, background: bool, element: Any, block_id: tuple[int, ...]
) -> Any:
    (keep,) = shares[block_id[-1]]
    return _pieces.sift(kept, connectivity, background, keep, element)


def _filter(masks: Array, sizes: Any, grid: Grid, survey: Survey, rule: Rule, **arguments: Any) -> Array:
    """Sift every chunk, keeping the parts for which `rule(grid, chunks, whole, **arguments)` is true.

    The result has chunks of the sizes that are given.
    """
    kept, key, graph = surveyed(masks, grid, survey, _solve, rule, arguments)
    keep = _chunks.scatter(key, graph, masks)
    return _chunks.blocks(
        _sift,
        kept,
        keep,
        dtype=masks.dtype,
        like=masks,
        connectivity=grid.connectivity,
        background=survey.background,
        element=masks.dtype,
    ).rechunk(sizes)


def _is_large(grid: Grid, chunks: list[Parts], whole: Whole, min_area: int) -> Integers:
    return whole.areas >= min_area


def _is_large_or_at_border(grid: Grid, chunks: list[Parts], whole: Whole, min_area: int) -> Integers:
    return (whole.areas >= min_area) | whole.border


def _is_at_border(grid: Grid, chunks: list[Parts], whole: Whole) -> Integers:
    return whole.border


def _is_inside(grid: Grid, chunks: list[Parts], whole: Whole) -> Integers:
    return ~whole.border


def _is_among_largest(grid: Grid, chunks: list[Parts], whole: Whole, k: int) -> Integers:
    keys, images = _seams._segment_keys(grid, chunks)
    offsets = np.cumsum([0, *(len(chunk.starts) for chunk in chunks)])
    of_part = np.repeat(np.arange(len(chunks)), np.diff(whole.first))
    segments = np.concatenate([np.zeros(0, np.int64), *(chunk.segments for chunk in chunks)]) + offsets[of_part]
    begins = np.flatnonzero(_seams.first_parts(whole, keys[segments]))
    image = images[segments[begins]]
    before = np.concatenate([np.zeros(0, np.int64), *(chunk.before for chunk in chunks)])[begins]
    order = np.lexsort((begins, before, keys[segments[begins]], -whole.areas[begins], image))
    rank = np.arange(len(order)) - np.searchsorted(image[order], image[order])
    kept = np.zeros(len(whole.roots), bool)
    kept[whole.roots[begins[order[rank < k]]]] = True
    return kept[whole.roots]


def remove_small_objects(masks: Array, min_area: int, *, connectivity: int = 8) -> Array:
    """Remove the components of masks in chunks that are smaller than an area.

    Parameters
    ----------
    masks : Dask array of bool or uint8, shape (H, W) or (D, H, W)
        Any non-zero value is foreground. With 4 or 8 neighbours, three axes are a batch of images.
    min_area : int
        Components with fewer pixels are removed.
    connectivity : {4, 8, 6, 18, 26}
        Neighbours of a pixel: 4 or 8 in images, 6, 18 or 26 in volumes.

    Returns
    -------
    Dask array of the type, shape and chunks of the masks
        Values 0 and 1: `rapidmask.remove_small_objects`' of the whole array.

    Raises
    ------
    TypeError
        If ``masks`` is no Dask array, or not of bool or uint8, or ``min_area`` is no integer.
    ValueError
        As `label`.

    Notes
    -----
    Lazy; cost and memory as `label`, without a label image. With `dask.distributed` and chunks of 2048² pixels that is
    about three times what the function takes in memory: most of it is the scheduler's and the workers' for one task a
    chunk more, which takes them as long where chunks have a single pixel.

    Examples
    --------
    >>> import dask.array as da, rapidmask.dask
    >>> masks = da.from_array([[True, True, False, True]], chunks=(1, 1))
    >>> rapidmask.dask.remove_small_objects(masks, 2).compute()
    array([[ True,  True, False, False]])
    """
    area = _integer("remove_small_objects", "min_area", min_area)
    masks, neighbours, chunks = _chunks.check_components("remove_small_objects", masks, connectivity)
    return _filter(masks, chunks, grid_of(masks, neighbours, False), Survey(min_area=area), _is_large, min_area=area)


def remove_small_holes(masks: Array, min_area: int, *, connectivity: int = 8, border_is_hole: bool = True) -> Array:
    """Fill the components of the background of masks in chunks that are smaller than an area.

    Parameters
    ----------
    masks : Dask array of bool or uint8, shape (H, W) or (D, H, W)
        Any non-zero value is foreground. With 4 or 8 neighbours, three axes are a batch of images.
    min_area : int
        Components of the background with fewer pixels are filled.
    connectivity : {4, 8, 6, 18, 26}
        Neighbours of a pixel of the background: 4 or 8 in images, 6, 18 or 26 in volumes.
    border_is_hole : bool
        Whether to fill background that touches the border of the whole image or volume too.

    Returns
    -------
    Dask array of the type, shape and chunks of the masks
        Values 0 and 1: `rapidmask.remove_small_holes`' of the whole array.

    Raises
    ------
    TypeError, ValueError
        As `remove_small_objects`.

    Notes
    -----
    Lazy; cost and memory as `label`, without a label image.

    Examples
    --------
    >>> import dask.array as da, rapidmask.dask
    >>> masks = da.from_array([[False, True, False, True]], chunks=(1, 1))
    >>> rapidmask.dask.remove_small_holes(masks, 2).compute()
    array([[ True,  True,  True,  True]])
    """
    area = _integer("remove_small_holes", "min_area", min_area)
    masks, neighbours, chunks = _chunks.check_components("remove_small_holes", masks, connectivity)
    rule = _is_large if border_is_hole else _is_large_or_at_border
    survey = Survey(background=True, min_area=area)
    return _filter(masks, chunks, grid_of(masks, neighbours, False), survey, rule, min_area=area)


def fill_holes(masks: Array, *, connectivity: int = 8) -> Array:
    """Fill the background of masks in chunks that is cut off from the border of the whole array.

    Parameters
    ----------
    masks : Dask array of bool or uint8, shape (H, W) or (D, H, W)
        Any non-zero value is foreground. With 4 or 8 neighbours, three axes are a batch of images.
    connectivity : {4, 8, 6, 18, 26}
        Neighbours of a foreground pixel. The background has those with which no path of the one crosses one of the
        other, as of `rapidmask.fill_holes`.

    Returns
    -------
    Dask array of the type, shape and chunks of the masks
        Values 0 and 1: `rapidmask.fill_holes`' of the whole array.

    Raises
    ------
    TypeError, ValueError
        As `label`.

    Notes
    -----
    Lazy; cost and memory as `label`, without a label image.

    Examples
    --------
    >>> import dask.array as da, rapidmask.dask
    >>> masks = da.from_array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], chunks=2).astype("uint8")
    >>> rapidmask.dask.fill_holes(masks).compute()
    array([[1, 1, 1],
           [1, 1, 1],
           [1, 1, 1]], dtype=uint8)
    """
    masks, neighbours, chunks = _chunks.check_components("fill_holes", masks, connectivity)
    survey = Survey(background=True, stay=False)
    return _filter(masks, chunks, grid_of(masks, _DUAL[neighbours], False), survey, _is_at_border)


def keep_largest(masks: Array, k: int = 1, *, connectivity: int = 8) -> Array:
    """Keep the largest components of each mask in chunks.

    Parameters
    ----------
    masks : Dask array of bool or uint8, shape (H, W) or (D, H, W)
        Any non-zero value is foreground. With 4 or 8 neighbours, three axes are a batch of images.
    k : int
        How many to keep; masks with fewer stay as they are.
    connectivity : {4, 8, 6, 18, 26}
        Neighbours of a pixel: 4 or 8 in images, 6, 18 or 26 in volumes.

    Returns
    -------
    Dask array of the type, shape and chunks of the masks
        Values 0 and 1: `rapidmask.keep_largest`' of the whole array, of components of equal area the first in raster
        order.

    Raises
    ------
    TypeError
        If ``masks`` is no Dask array, or not of bool or uint8, or ``k`` is no integer.
    ValueError
        If ``k`` is negative; else as `label`.

    Notes
    -----
    Lazy; cost and memory as `label` in raster order, with ``k`` more components from each chunk, and without a label
    image.

    Examples
    --------
    >>> import dask.array as da, rapidmask.dask
    >>> masks = da.from_array([[True, False, True, True, False, True]], chunks=(1, 3))
    >>> rapidmask.dask.keep_largest(masks).compute()
    array([[False, False,  True,  True, False, False]])
    """
    count = _integer("keep_largest", "k", k)
    if count < 0:
        raise ValueError(f"keep_largest: k must not be negative, got {k!r}")
    masks, neighbours, chunks = _chunks.check_components("keep_largest", masks, connectivity)
    survey = Survey(stay=False, largest=count)
    return _filter(masks, chunks, grid_of(masks, neighbours, True), survey, _is_among_largest, k=count)


def clear_border(masks: Array, *, connectivity: int = 8) -> Array:
    """Remove the components of masks in chunks that touch the border of the whole image or volume.

    Parameters
    ----------
    masks : Dask array of bool or uint8, shape (H, W) or (D, H, W)
        Any non-zero value is foreground. With 4 or 8 neighbours, three axes are a batch of images.
    connectivity : {4, 8, 6, 18, 26}
        Neighbours of a pixel: 4 or 8 in images, 6, 18 or 26 in volumes.

    Returns
    -------
    Dask array of the type, shape and chunks of the masks
        Values 0 and 1: `rapidmask.clear_border`'s of the whole array.

    Raises
    ------
    TypeError, ValueError
        As `label`.

    Notes
    -----
    Lazy; cost and memory as `label`, without a label image.

    Examples
    --------
    >>> import dask.array as da, rapidmask.dask
    >>> masks = da.from_array([[0, 0, 0, 0], [1, 1, 0, 1], [0, 0, 0, 0], [0, 1, 0, 0]], chunks=2).astype(bool)
    >>> rapidmask.dask.clear_border(masks).any().compute()
    np.False_
    """
    masks, neighbours, chunks = _chunks.check_components("clear_border", masks, connectivity)
    return _filter(masks, chunks, grid_of(masks, neighbours, False), Survey(stay=True), _is_inside)
