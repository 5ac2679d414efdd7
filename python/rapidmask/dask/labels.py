"""Labels and measures of components of masks in chunks."""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Callable
from typing import Any, Literal, overload

import dask.array as da
import numpy as np
from dask.highlevelgraph import HighLevelGraph

from . import _chunks, _pieces, _seams
from ._chunks import Array
from ._pieces import Kept, Survey
from ._seams import Grid, Integers, Numbers, Parts, Shares, Whole

Order = Literal["any", "raster"]
_LARGEST_INT32 = 2**31 - 1


@dataclasses.dataclass(frozen=True, slots=True)
class Components:
    """The components of a mask in chunks, or of a batch of them, those of mask i from ``offsets[i]`` to the next.

    Attributes
    ----------
    labels : Dask array of int32 or int64, of the shape of the masks
        As of `label`.
    count : Dask array of int64, shape ()
        Components of all masks.
    offsets : Dask array of int64, shape (N + 1,)
        Where the components of each mask begin.
    areas : Dask array of int64, shape (count,)
        Pixels. The length of this and the following arrays is not known until they are computed.
    boxes : Dask array of int64, shape (count, 4), for volumes (count, 6)
        (x0, y0, x1, y1) or (x0, y0, z0, x1, y1, z1), half-open, in pixels.
    centroids : Dask array of float64, shape (count, 2), for volumes (count, 3)
        (y, x) or (z, y, x) in pixel centres.
    """

    labels: Array
    count: Array
    offsets: Array
    areas: Array
    boxes: Array
    centroids: Array


def grid_of(masks: Array, connectivity: int, raster: bool) -> Grid:
    """Return how an array of masks is cut."""
    sizes = masks.chunks if masks.ndim == 3 else ((1,), *masks.chunks)
    return Grid(sizes, connectivity, raster)


def surveyed(
    masks: Array, grid: Grid, survey: Survey, solve: Callable[..., list[Any]], *arguments: Any
) -> tuple[Array, str, HighLevelGraph]:
    """Describe every chunk: an array of `Kept`, and the key and graph of solve(all `Parts`, grid, *arguments)."""
    described = _chunks.objects(
        _pieces.describe, masks, connectivity=grid.connectivity, raster=grid.raster, survey=survey
    )
    solved = _chunks.gather(solve, described, grid, *arguments, pick=operator.itemgetter(1))
    return _chunks.objects(_kept, described), *solved


def _kept(described: tuple[Kept, Parts]) -> Kept:
    return described[0]


def _solve_labels(chunks: list[Parts], grid: Grid) -> list[Any]:
    """Return bases, begins and labels for each row of chunks, then the counts."""
    whole = _seams.join(grid, chunks)
    numbers = _seams.number(grid, chunks, whole)
    return [*_share_numbers(grid, whole, numbers), numbers.counts]


def _share_numbers(grid: Grid, whole: Whole, numbers: Numbers) -> list[Shares]:
    return _seams.share(
        grid, (numbers.bases, numbers.segments), (numbers.begins, whole.first), (numbers.labels, whole.first)
    )


def _paint_labels(kept: Kept, shares: Shares, connectivity: int, element: Any, block_id: tuple[int, ...]) -> Any:
    return _pieces.paint(kept, connectivity, _pieces.numbers(kept, *shares[block_id[-1]]), element)


def label_type(masks: Array) -> type:
    """Return the type that holds as many labels, or pixels of one, as a mask can have."""
    return np.int32 if masks.size <= _LARGEST_INT32 else np.int64


def _check_order(function: str, order: str) -> bool:
    if order not in ("any", "raster"):
        raise ValueError(f"{function}: order must be 'any' or 'raster', got {order!r}")
    return order == "raster"


@overload
def label(
    masks: Array, *, connectivity: int = 8, order: Order = "any", return_count: Literal[False] = False
) -> Array: ...
@overload
def label(
    masks: Array, *, connectivity: int = 8, order: Order = "any", return_count: Literal[True]
) -> tuple[Array, Array]: ...
def label(masks: Array, *, connectivity: int = 8, order: Order = "any", return_count: bool = False) -> Any:
    """Label the connected components of masks in chunks.

    Parameters
    ----------
    masks : Dask array of bool or uint8, shape (H, W) or (D, H, W)
        Any non-zero value is foreground. With 4 or 8 neighbours, three axes are a batch of images.
    connectivity : {4, 8, 6, 18, 26}
        Neighbours of a pixel: 4 or 8 in images, 6, 18 or 26 in volumes.
    order : {"any", "raster"}
        Whether components are numbered in the raster order of their first pixels, as `rapidmask.label` does, or chunk
        by chunk. The former sends one number for each row of each chunk.
    return_count : bool
        Whether to return the number of components too.

    Returns
    -------
    labels : Dask array of int32, of the shape and chunks of the masks
        From 1 without gaps, in each image anew; 0 is background. int64 where the array has 2³¹ elements or more.
    count : Dask array of int64, shape (), for a batch (N,)
        With ``return_count``: the number of components, for a batch of each image.

    Raises
    ------
    TypeError
        If ``masks`` is no Dask array, or not of bool or uint8.
    ValueError
        If it has another number of axes, or chunks of unknown sizes, or a name or the connectivity is unknown.

    Notes
    -----
    Lazy. Each chunk is labelled by itself; components that touch its faces are joined across the seams by one task,
    which is given the runs on all faces and nothing else; then each chunk is labelled again, with the numbers that
    this task gives. Between the two, chunks are kept as bits: an eighth of a byte for each pixel of the array, spread
    over the workers, is what is held at one time, besides the chunks in work; with `dask.distributed` up to twice as
    much, since tasks that pick faces from sixteen chunks at once fetch the bits of those of other workers. Chunks
    (images of a batch, in them) have at most 2³¹ - 1 pixels.

    The joining task takes a time that grows with the runs on faces, not with pixels, and some 100 bytes of memory for
    each: 0.3 to 0.6 µs a run. Simulated for 10⁵ chunks of 32 runs each, it takes 1.6 s (benchmarks/dask_scale.py).
    Of its result each chunk is sent what its row of chunks needs. Labels of a gigapixel in chunks of 2048² pixels cost
    a processor about what they cost in memory with Dask's own schedulers; `dask.distributed` adds some milliseconds of
    its workers for each task, of which there are two a chunk, so that such chunks take a processor more than twice as
    long in all; two workers together take up to one and a half times as long as one thread in memory.

    ``dask_image.ndmeasure.label`` numbers in another order, connects by 4 or 6 unless told otherwise, and keeps labels
    of all chunks in between.

    Examples
    --------
    >>> import dask.array as da, rapidmask.dask
    >>> masks = da.from_array([[True, False, True, True], [True, False, False, False]], chunks=(1, 2))
    >>> labels, count = rapidmask.dask.label(masks, order="raster", return_count=True)
    >>> labels.compute(), int(count)
    (array([[1, 0, 2, 2],
           [1, 0, 0, 0]], dtype=int32), 2)
    """
    raster = _check_order("label", order)
    masks, neighbours, chunks = _chunks.check_components("label", masks, connectivity)
    grid = grid_of(masks, neighbours, raster)
    kept, key, graph = surveyed(masks, grid, Survey(), _solve_labels)
    dtype = label_type(masks)
    numbered = _chunks.scatter(key, graph, masks)
    labels = _chunks.blocks(
        _paint_labels, kept, numbered, dtype=dtype, like=masks, connectivity=grid.connectivity, element=dtype
    ).rechunk(chunks)
    if not return_count:
        return labels
    counts = _chunks.item(key, graph, -1, (grid.images,), np.int64)
    return labels, counts if masks.ndim == 3 and not grid.volume else counts[0]


def _solve_areas(chunks: list[Parts], grid: Grid) -> list[Shares]:
    whole = _seams.join(grid, chunks)
    return _seams.share(grid, (whole.areas, whole.first))


def _paint_areas(kept: Kept, shares: Shares, connectivity: int, element: Any, block_id: tuple[int, ...]) -> Any:
    (areas,) = shares[block_id[-1]]
    own = _pieces.summarize(kept.bits, kept.shape, connectivity, False)[1]
    table = np.concatenate([[0], own])
    table[kept.parts] = areas
    return _pieces.paint(kept, connectivity, table, element)


def component_areas(masks: Array, *, connectivity: int = 8) -> Array:
    """Give each pixel of masks in chunks the area of its component.

    Parameters
    ----------
    masks : Dask array of bool or uint8, shape (H, W) or (D, H, W)
        Any non-zero value is foreground. With 4 or 8 neighbours, three axes are a batch of images.
    connectivity : {4, 8, 6, 18, 26}
        Neighbours of a pixel: 4 or 8 in images, 6, 18 or 26 in volumes.

    Returns
    -------
    Dask array of int32, of the shape and chunks of the masks
        Pixels of the component that the pixel belongs to; 0 in the background. int64 where the array has 2³¹ elements
        or more.

    Raises
    ------
    TypeError, ValueError
        As `label`.

    Notes
    -----
    Lazy; cost and memory as `label`. The result is `rapidmask.component_areas`' of the whole array.

    Examples
    --------
    >>> import dask.array as da, rapidmask.dask
    >>> rapidmask.dask.component_areas(da.from_array([[True, True, False, True]], chunks=(1, 1))).compute()
    array([[2, 2, 0, 1]], dtype=int32)
    """
    masks, neighbours, chunks = _chunks.check_components("component_areas", masks, connectivity)
    grid = grid_of(masks, neighbours, False)
    kept, key, graph = surveyed(masks, grid, Survey(), _solve_areas)
    areas = _chunks.scatter(key, graph, masks)
    return _chunks.blocks(
        _paint_areas,
        kept,
        areas,
        dtype=label_type(masks),
        like=masks,
        connectivity=neighbours,
        element=label_type(masks),
    ).rechunk(chunks)


@dataclasses.dataclass(frozen=True)
class _Rows:
    """Components with their images, numbers, areas and measures (z0, z1, y0, y1, x0, x1, sums of z, y, x)."""

    images: Integers
    numbers: Integers
    areas: Integers
    measures: Integers


def _solve_components(chunks: list[Parts], grid: Grid) -> list[Any]:
    """Return what `_solve_labels` does, then the components that have parts."""
    whole = _seams.join(grid, chunks)
    numbers = _seams.number(grid, chunks, whole)
    origins = np.repeat(grid.origins(), np.diff(whole.first), axis=0)
    measures = np.concatenate([np.zeros((0, 9), np.int64), *(chunk.measures for chunk in chunks)])
    areas = np.concatenate([np.zeros(0, np.int64), *(chunk.areas for chunk in chunks)])
    measures[:, :6] += np.repeat(origins, 2, axis=1)
    measures[:, 6:] += origins * areas[:, None]
    roots = whole.roots
    for column in range(9):
        join = np.add if column > 5 else np.maximum if column % 2 else np.minimum
        values = measures[:, column].copy()
        chosen = np.flatnonzero(roots != np.arange(len(roots)))
        join.at(values, roots[chosen], measures[chosen, column])
        measures[:, column] = values
    own = np.flatnonzero(roots == np.arange(len(roots)))
    labels = numbers.labels[own]
    images = np.zeros(len(own), np.int64) if grid.volume else measures[own, 0]
    rows = _Rows(images, labels, whole.areas[own], measures[own])
    return [*_share_numbers(grid, whole, numbers), numbers.counts, rows]


def _own_rows(kept: Kept, shares: Shares, connectivity: int, block_info: Any, block_id: tuple[int, ...]) -> _Rows:
    """Return the components of a chunk that are no parts."""
    origin = np.array([0, 0, 0], np.int64)
    place = [start for start, _ in block_info[0]["array-location"]]
    origin[3 - len(place) :] = place
    own = np.delete(np.arange(int(kept.offsets[-1])), kept.parts - 1)
    areas = _pieces.summarize(kept.bits, kept.shape, connectivity, False)[1][own]
    measures = _pieces.measure(kept.bits, connectivity)[own]
    numbers = _pieces.numbers(kept, *shares[block_id[-1]])[1:][own]
    measures[:, :6] += np.repeat(origin, 2)
    measures[:, 6:] += origin * areas[:, None]
    images = measures[:, 0] if connectivity in (4, 8) else np.zeros(len(own), np.int64)
    return _Rows(images, numbers, areas, measures)


def _tables(chunks: list[_Rows], solved: list[Any], volume: bool) -> tuple[Integers, Integers, Integers]:
    """Return areas, boxes and centroids of all components, in their order."""
    counts, shared = solved[-2:]
    every = [*chunks, shared]
    images, numbers, areas, measures = (
        np.concatenate([getattr(rows, name) for rows in every]) for name in ("images", "numbers", "areas", "measures")
    )
    place = (np.cumsum(counts) - counts)[images] + numbers - 1
    columns = [4, 2, 0, 5, 3, 1] if volume else [4, 2, 5, 3]
    centroids = measures[:, 6 if volume else 7 :] / areas[:, None]
    result = [np.empty_like(table) for table in (areas, measures[:, columns], centroids)]
    for table, values in zip(result, (areas, measures[:, columns], centroids), strict=True):
        table[place] = values
    return result[0], result[1], result[2]


def _offsets(counts: Integers) -> Integers:
    return np.concatenate([[0], np.cumsum(counts)])


def connected_components(masks: Array, *, connectivity: int = 8, order: Order = "any") -> Components:
    """Find the connected components of masks in chunks, with areas, boxes and centroids.

    Parameters
    ----------
    masks : Dask array of bool or uint8, shape (H, W) or (D, H, W)
        Any non-zero value is foreground. With 4 or 8 neighbours, three axes are a batch of images.
    connectivity : {4, 8, 6, 18, 26}
        Neighbours of a pixel: 4 or 8 in images, 6, 18 or 26 in volumes.
    order : {"any", "raster"}
        Whether components come in the raster order of their first pixels, as of `rapidmask.connected_components`, or
        chunk by chunk.

    Returns
    -------
    Components
        Labels as of `label`, and the measures of all components, mask after mask, in the order of the labels.

    Raises
    ------
    TypeError, ValueError
        As `label`.

    Notes
    -----
    Lazy; what is computed together, by one call of ``dask.compute``, shares its work. Cost and memory of the labels as
    `label`; the measures of all components come together in one task, 120 bytes for each. Sums of
    coordinates are exact while those of one chunk are below 2⁵¹, so that centroids are those of the whole array.

    Examples
    --------
    >>> import dask.array as da, rapidmask.dask
    >>> masks = da.from_array([[True, True, False], [False, False, False], [False, False, True]], chunks=(3, 1))
    >>> found = rapidmask.dask.connected_components(masks, order="raster")
    >>> int(found.count), found.areas.compute(), found.boxes.compute().tolist(), found.centroids.compute().tolist()
    (2, array([2, 1]), [[0, 0, 2, 1], [2, 2, 3, 3]], [[0.0, 0.5], [2.0, 2.0]])
    """
    raster = _check_order("connected_components", order)
    masks, neighbours, chunks = _chunks.check_components("connected_components", masks, connectivity)
    grid = grid_of(masks, neighbours, raster)
    kept, key, graph = surveyed(masks, grid, Survey(measured=True), _solve_components)
    numbered = _chunks.scatter(key, graph, masks)
    labels = _chunks.blocks(
        _paint_labels,
        kept,
        numbered,
        dtype=label_type(masks),
        like=masks,
        connectivity=neighbours,
        element=label_type(masks),
    ).rechunk(chunks)
    rows = _chunks.objects(_own_rows, kept, numbered, connectivity=neighbours)
    counts = _chunks.item(key, graph, -2, (grid.images,), np.int64)
    offsets = da.map_blocks(_offsets, counts, dtype=np.int64, chunks=((grid.images + 1,),))
    tables, merged = _chunks.gather(_tables, rows, grid.volume, beside=key)
    axes = 3 if grid.volume else 2
    areas = _chunks.item(tables, merged, 0, (np.nan,), np.int64)
    boxes = _chunks.item(tables, merged, 1, (np.nan, 2 * axes), np.int64)
    centroids = _chunks.item(tables, merged, 2, (np.nan, axes), np.float64)
    return Components(labels, counts.sum(), offsets, areas, boxes, centroids)
