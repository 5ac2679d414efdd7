"""What is done with the components of one chunk: described for `_seams`, kept as bits, then painted or sifted.

Chunks in host memory are worked on run by run, in C++. Others are labelled by `rapidmask.label` on their device, and
only faces, counts and tables travel.
"""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
from dask.sizeof import sizeof

from .. import _arrays, _cpu
from .._containers import PackedMasks
from ..ops.components import connected_components, label
from ..ops.pack import pack
from ._seams import Integers, Parts

Chunk = Any  # a dense chunk of NumPy or CuPy


@dataclasses.dataclass(frozen=True)
class Kept:
    """What of a chunk is kept until all chunks are described: an eighth of its bytes, and little besides.

    Attributes
    ----------
    bits : PackedMasks
        The images or slices.
    shape : tuple of int
        That of the chunk.
    offsets : int64, shape (images + 1,)
        Labels before each image, and after the last.
    begun : int64, shape (S,)
        Labels that begin in each segment or before.
    parts : int64, shape (P,)
        The labels of the parts.
    stay : uint8
        A bit for each label, from 0: whether a component that is no part stays.
    """

    bits: PackedMasks
    shape: tuple[int, ...]
    offsets: Integers
    begun: Integers
    parts: Integers
    stay: Integers


def _size_of(record: Any) -> int:
    """Return the bytes of a record's arrays, by which Dask's scheduler tells where to work."""
    values = [getattr(record, field.name) for field in dataclasses.fields(record)]
    return sum(int(getattr(getattr(value, "data", value), "nbytes", 0)) for value in values)


sizeof.register(Kept, _size_of)
sizeof.register(Parts, _size_of)


@dataclasses.dataclass(frozen=True)
class Survey:
    """Which components of a chunk stay that are no parts, and which become parts though they touch no face.

    Attributes
    ----------
    background : bool
        Whether the components are those of the background.
    min_area : int, optional
        Those of fewer pixels go, the others stay.
    stay : bool
        Without ``min_area``: whether all stay.
    largest : int
        So many of each image, the largest, become parts.
    measured : bool
        Whether parts come with their measures.
    """

    background: bool = False
    min_area: int | None = None
    stay: bool = True
    largest: int = 0
    measured: bool = False


def describe(chunk: Chunk, connectivity: int, raster: bool, survey: Survey) -> tuple[Kept, Parts]:
    """Label a chunk by itself: what is kept of it, and what others must know."""
    bits = pack(chunk)
    offsets, areas, numbered, faces = summarize(bits, chunk.shape, connectivity, survey.background)
    begun = numbered.astype(np.int64) if raster else offsets[1:]
    is_part = np.zeros(len(areas) + 1, bool)
    is_part[faces[:, 4]] = True
    if survey.largest:
        is_part[_largest(areas, offsets, is_part, survey.largest)] = True
    parts = np.flatnonzero(is_part)
    index = np.cumsum(is_part) - 1
    faces[:, 4] = index[faces[:, 4]]
    # Of the components of the chunk's own that begin in a segment, those before a part are those of smaller labels.
    own = np.cumsum(~is_part) - 1  # up to each label, without the background
    segments = np.searchsorted(begun, parts)
    starts = np.diff(own[begun], prepend=0)
    before = own[parts] - (own[begun] - starts)[segments] if len(parts) else parts
    measures = None
    if survey.measured:
        measures = measure(bits, connectivity)[parts - 1]
    stay = np.full(len(areas) + 1, survey.stay)
    if survey.min_area is not None:
        stay[1:] = areas >= survey.min_area
    kept = Kept(bits, tuple(chunk.shape), offsets, begun, parts, np.packbits(stay))
    return kept, Parts(
        faces, areas[parts - 1], segments.astype(np.int32), before.astype(np.int32), starts.astype(np.int32), measures
    )


def _largest(areas: Integers, offsets: Integers, is_part: npt.NDArray[np.bool_], count: int) -> Integers:
    """Return the labels of the largest components of each image that are no parts."""
    found = [np.zeros(0, np.int64)]
    for begin, end in itertools.pairwise(offsets):
        labels = begin + 1 + np.flatnonzero(~is_part[begin + 1 : end + 1])
        found.append(labels[np.argsort(-areas[labels - 1], kind="stable")[:count]])
    return np.concatenate(found)


def on_host(bits: PackedMasks) -> bool:
    """Whether bits lie in host memory."""
    return isinstance(bits.data, np.ndarray)


def summarize(
    bits: PackedMasks, shape: tuple[int, ...], connectivity: int, background: bool
) -> tuple[Integers, Integers, Integers, Integers]:
    """Return offsets, areas, labels begun after each row, and the runs on the faces, with labels for parts."""
    if on_host(bits):
        summary: tuple[Integers, Integers, Integers, Integers]
        summary = _cpu.summarize_chunk(bits.data, bits.size[1], connectivity, background)
        return summary
    return summarize_by_labels(bits, shape, connectivity, background)


def summarize_by_labels(
    bits: PackedMasks, shape: tuple[int, ...], connectivity: int, background: bool
) -> tuple[Integers, Integers, Integers, Integers]:
    """Do as `summarize`, by a label image, wherever the bits lie."""
    if background:
        bits = ~bits
    volume = connectivity not in (4, 8)
    labels, offsets = labels_of(bits, connectivity)
    areas = _arrays.to_host(connected_components(bits, connectivity=connectivity, labels=False).areas)
    rows = _arrays.to_host(labels.max(axis=-1)).ravel() if labels.size else np.zeros(len(bits) * bits.size[0], np.int32)
    faces = [np.zeros((0, 5), np.int32)]
    if labels.size:
        planes = [labels[0], labels[-1]] if volume else [None, None]
        planes += [labels[:, 0], labels[:, -1], labels[:, :, 0], labels[:, :, -1]]
        faces += [_runs(face, _arrays.to_host(plane)) for face, plane in enumerate(planes) if plane is not None]
    return offsets, areas, np.maximum.accumulate(rows), np.concatenate(faces)


def labels_of(bits: PackedMasks, connectivity: int) -> tuple[Any, Integers]:
    """Return labels (N, H, W) that no two images of a batch share, and the offsets of each image."""
    labels, counts = label(bits, connectivity=connectivity, return_count=True)
    offsets = np.concatenate(
        [[0], np.cumsum(np.atleast_1d(_arrays.to_host(counts) if hasattr(counts, "shape") else counts))]
    )
    offsets = offsets.astype(np.int64)
    if len(offsets) > 2:
        shift = _arrays.like(labels, offsets[:-1].astype(np.int32)).reshape(-1, 1, 1)
        labels = labels + shift * (labels > 0)
    return labels, offsets


def _runs(face: int, plane: Integers) -> Integers:
    """Return the runs of equal labels of a face's lines."""
    edges = np.ones((plane.shape[0], plane.shape[1] + 1), bool)
    edges[:, 1:-1] = plane[:, 1:] != plane[:, :-1]
    begins, ends = np.argwhere(edges[:, :-1]), np.argwhere(edges[:, 1:])
    labels = plane[begins[:, 0], begins[:, 1]]
    runs = np.stack([np.full(len(begins), face), begins[:, 0], begins[:, 1], ends[:, 1] + 1, labels], axis=1)
    return np.asarray(runs[labels != 0], np.int32)


def measure(bits: PackedMasks, connectivity: int) -> Integers:
    """Return first, last and summed coordinates of the components of a chunk, within it: (z0, z1, y0, ..., sums).

    The first z of those of images is the number of the image.
    """
    found = connected_components(bits, connectivity=connectivity, labels=False)
    areas, boxes, centroids = (_arrays.to_host(array) for array in (found.areas, found.boxes, found.centroids))
    result = np.zeros((found.count, 9), np.int64)
    if connectivity in (4, 8):
        result[:, 0] = np.repeat(np.arange(len(bits)), np.diff(_arrays.to_host(found.offsets)))
    axes = boxes.shape[1] // 2
    for axis in range(axes):  # boxes are x, y(, z), centroids (z, )y, x
        result[:, 4 - 2 * axis] = boxes[:, axis]
        result[:, 5 - 2 * axis] = boxes[:, axes + axis]
        # What was rounded is a sum over the area; it comes back exactly while it is below 2^51.
        result[:, 8 - axis] = np.rint(centroids[:, -1 - axis] * areas)
    return result


def numbers(kept: Kept, base: Integers, begins: Integers, labels: Integers) -> Integers:
    """Return the number in the whole array of each label of a chunk, from 0."""
    count = int(kept.offsets[-1])
    counted = np.ones(count + 1, bool)
    counted[0] = False
    counted[kept.parts] = begins
    rank = np.cumsum(counted)
    sizes = np.diff(kept.begun, prepend=0)
    before = rank[kept.begun - sizes]
    table = np.zeros(count + 1, np.int64)
    table[1:] = np.repeat(base - before, sizes) + rank[1:]
    table[kept.parts] = labels
    return table


def paint(kept: Kept, connectivity: int, table: Integers, dtype: Any) -> Chunk:
    """Return table[label] for each pixel of a chunk, 0 for background."""
    bits = kept.bits
    if on_host(bits) and dtype == np.int32:
        values = np.ascontiguousarray(table, np.int32)
        painted = _cpu.paint_chunk(bits.data, bits.size[1], connectivity, kept.offsets, values)
    else:
        painted = _arrays.like(bits.data, table.astype(dtype))[labels_of(bits, connectivity)[0]]
    return painted.reshape(kept.shape)


def sift(kept: Kept, connectivity: int, background: bool, keep: Integers, dtype: Any) -> Chunk:
    """Return a chunk without the components, or those of the background, of which no part is kept."""
    stay = np.unpackbits(kept.stay, count=int(kept.offsets[-1]) + 1)
    stay[kept.parts] = keep
    bits = kept.bits
    if on_host(bits):
        as_bool = dtype == np.bool_
        pixels = _cpu.sift_chunk(bits.data, bits.size[1], connectivity, background, kept.offsets, stay, as_bool)
        return pixels.reshape(kept.shape)
    labels, _ = labels_of(~bits if background else bits, connectivity)
    stay[0] = 0
    sifted = _arrays.like(bits.data, stay)[labels]
    return (1 - sifted if background else sifted).astype(dtype).reshape(kept.shape)
