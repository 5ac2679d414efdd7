"""What the functions of this package share: the arrays that they take, and layers of tasks over chunks."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import dask.array as da
import numpy as np
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph

from ..ops._masks import check_connectivity

Array = Any  # a Dask array

# Chunks from which a task picks. An empty task costs the workers of `dask.distributed` 1.5 to 3 ms of a processor. A
# gigapixel in 256 chunks on two workers took a tenth less than with a task for each, bits that are fetched included.
_PICKED = 16


def check_array(function: str, argument: str, array: Any) -> Array:
    """Return a Dask array whose chunks have known sizes."""
    if not isinstance(array, da.Array):
        raise TypeError(f"{function}: {argument} must be a Dask array, got {type(array).__name__}")
    if any(np.isnan(size) for sizes in array.chunks for size in sizes):
        raise ValueError(
            f"{function}: {argument} must have chunks of known sizes, got shape {array.shape}: "
            "compute_chunk_sizes() finds them"
        )
    return array


def check_masks(function: str, masks: Any, *, axes: int = 2) -> Array:
    """Return masks as a Dask array of bool or uint8 of two or three axes, and of at least so many."""
    masks = check_array(function, "masks", masks)
    if masks.dtype not in (np.bool_, np.uint8):
        raise TypeError(f"{function}: masks must be of bool or uint8, got {masks.dtype}")
    if not axes <= masks.ndim <= 3:
        wanted = "2 dimensions (H, W) or 3 (D, H, W)" if axes == 2 else "3 dimensions (D, H, W)"
        raise ValueError(f"{function}: masks must have {wanted}, got shape {masks.shape}")
    return masks


def check_components(function: str, masks: Any, connectivity: int) -> tuple[Array, int, tuple[tuple[int, ...], ...]]:
    """Return masks without empty chunks and the connectivity, if they have the axes that it needs, and their chunks."""
    neighbours = check_connectivity(function, connectivity, volumes=True)
    masks = check_masks(function, masks, axes=2 if neighbours in (4, 8) else 3)
    return without_empty_chunks(masks), neighbours, masks.chunks


def without_empty_chunks(array: Array) -> Array:
    """Return an array in which no chunk without pixels stands between others."""
    chunks = tuple(tuple(size for size in sizes if size) or (0,) for sizes in array.chunks)
    return array if chunks == array.chunks else array.rechunk(chunks)


def objects(function: Callable[..., Any], *arrays: Array, **arguments: Any) -> Array:
    """Apply a function to the chunks of arrays, one by one, that gives any object: an array of objects for chunks."""
    empty = np.empty((0,) * arrays[0].ndim, object)
    return da.map_blocks(function, *arrays, dtype=object, meta=empty, **arguments)


def blocks(function: Callable[..., Any], *arrays: Array, dtype: Any, like: Array, **arguments: Any) -> Array:
    """Apply a function to the chunks of arrays, one by one: an array of the library of `like` and of a type."""
    return da.map_blocks(function, *arrays, dtype=dtype, meta=like._meta.astype(dtype), **arguments)


def keys(array: Array) -> list[Any]:
    """Return the keys of an array's chunks, in raster order."""
    return [(array.name, *index) for index in np.ndindex(*array.numblocks)]


def gather(
    function: Callable[..., Any],
    array: Array,
    *arguments: Any,
    pick: Callable[[Any], Any] | None = None,
    beside: str | None = None,
) -> tuple[str, HighLevelGraph]:
    """Apply function(all chunks, *arguments) in one task: its key, and the graph.

    With ``pick`` it is given pick(chunk) for each chunk, by tasks that pick from several chunks at once. What the task
    ``beside`` of the same graph gives comes after the chunks.
    """
    name = f"{function.__name__.strip('_')}-{tokenize(array.name, beside, *arguments)}"
    graph = array.__dask_graph__()
    layers, dependencies = dict(graph.layers), dict(graph.dependencies)
    lists: list[Any] = [keys(array)]
    below = array.name
    if pick is not None:
        below = f"picked-{name}"
        every = lists[0]
        some = [every[i : i + _PICKED] for i in range(0, len(every), _PICKED)]
        layers[below] = {(below, i): (_picked, pick, chunks) for i, chunks in enumerate(some)}
        dependencies[below] = {array.name}
        lists = list(layers[below])
    others = () if beside is None else (beside,)
    layers[name] = {name: (_applied, function, lists, *others, *arguments)}
    dependencies[name] = {below, *others}
    return name, HighLevelGraph(layers, dependencies)


def _picked(pick: Callable[[Any], Any], chunks: list[Any]) -> list[Any]:
    return [pick(chunk) for chunk in chunks]


def _applied(function: Callable[..., Any], lists: list[list[Any]], *arguments: Any) -> Any:
    return function([chunk for chunks in lists for chunk in chunks], *arguments)


def scatter(key: str, graph: HighLevelGraph, like: Array) -> Array:
    """Give row i of the chunks of `like` item i of what a task gives, as an array of one chunk for each row."""
    name = f"scatter-{key}"
    rows = np.ndindex(*like.numblocks[:-1])
    layer = {(name, *index, 0): (operator.getitem, key, i) for i, index in enumerate(rows)}
    return array_of(name, layer, graph, key, (*like.chunks[:-1], (1,)), np.empty((0,) * like.ndim, object))


def item(key: str, graph: HighLevelGraph, place: Any, shape: Sequence[float], dtype: Any) -> Array:
    """Give one item of what a task gives as an array of one chunk."""
    name = f"item-{tokenize(key, place)}"
    layer = {(name, *(0 for _ in shape)): (operator.getitem, key, place)}
    chunks = tuple((extent,) for extent in shape)
    return array_of(name, layer, graph, key, chunks, np.empty((0,) * len(shape), dtype))


def array_of(name: str, layer: Any, graph: HighLevelGraph, below: str, chunks: Any, meta: Any) -> Array:
    """Make an array of a layer over the layer `below` of a graph."""
    layers = {**graph.layers, name: layer}
    return da.Array(HighLevelGraph(layers, {**graph.dependencies, name: {below}}), name, chunks, meta=meta)
