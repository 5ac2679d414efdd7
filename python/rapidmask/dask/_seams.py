"""Components of chunks joined across the seams between them.

A chunk is labelled by itself. Components that touch none of its faces are its own business, and only counted. The
others, its *parts*, are described by the runs that they have on the faces. `join` takes the descriptions of all chunks,
lays the runs of both sides of every seam on one line each, and joins by union-find what touches; `number` gives every
chunk the numbers of its components.

Cost: with R runs on faces and P parts, O(R log R) for sorting runs and O(R + P) for the rest; some 100 bytes of memory
for each run and part. Nothing grows with pixels or with components within chunks.

Numbers are given by *segments*: all of a chunk, or each image of it where an array is a batch of images, or, where
components are wanted in raster order, each row. Segments are put in order, each with the number of components that
begin in it, and the sum of those before is what its numbers start from. A component begins where its first part does.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import _cpu

Integers = npt.NDArray[Any]
_FACES = ((0, 1), (2, 3), (4, 5))  # the first and last of each axis z, y, x
_PLANE = ((1, 2), (0, 2), (0, 1))  # the axes of a face's lines, and along them


@dataclasses.dataclass(frozen=True)
class Grid:
    """How an array is cut into chunks.

    Attributes
    ----------
    sizes : sizes of the chunks along z, y and x
        Images have one chunk of size 1 along z, or the images of a batch.
    connectivity : int
        4, 8, 6, 18 or 26.
    raster : bool
        Whether components are numbered in raster order.
    """

    sizes: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
    connectivity: int
    raster: bool

    @property
    def volume(self) -> bool:
        """Whether the last three axes are one mask."""
        return self.connectivity not in (4, 8)

    @property
    def shape(self) -> tuple[int, ...]:
        """Chunks along each axis."""
        return tuple(len(sizes) for sizes in self.sizes)

    @property
    def extents(self) -> tuple[int, ...]:
        """Pixels along each axis."""
        return tuple(sum(sizes) for sizes in self.sizes)

    @property
    def images(self) -> int:
        """Masks that are numbered each anew."""
        return 1 if self.volume else self.extents[0]

    def places(self) -> Integers:
        """Return the index (z, y, x) of each chunk, shape (chunks, 3)."""
        return np.indices(self.shape).reshape(3, -1).T

    def origins(self) -> Integers:
        """Return the first pixel (z, y, x) of each chunk, shape (chunks, 3)."""
        starts = [np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64) for sizes in self.sizes]
        return np.stack([axis.ravel() for axis in np.meshgrid(*starts, indexing="ij")], axis=1)


@dataclasses.dataclass(frozen=True)
class Parts:
    """What a chunk tells of its parts, P of them, and of what else it holds.

    Attributes
    ----------
    runs : int32, shape (R, 5)
        Face, line, begin, end and part, from 0, of the runs on the faces.
    areas : int64, shape (P,)
        Pixels.
    segments, before : int32, shape (P,)
        The segment in which each part begins, and how many of the chunk's own components begin before it there.
    starts : int32, shape (S,)
        How many of the chunk's own components begin in each segment.
    measures : int64, shape (P, 9), or None
        First and last coordinates, and sums of coordinates, of z, y and x, within the whole array.
    """

    runs: Integers
    areas: Integers
    segments: Integers
    before: Integers
    starts: Integers
    measures: Integers | None = None


@dataclasses.dataclass(frozen=True)
class Whole:
    """The components of the whole array, as far as they have parts, and where the parts went.

    Attributes
    ----------
    first : int64, shape (chunks + 1,)
        The first part of each chunk.
    roots : uint32, shape (P,)
        The part that stands for each part's component.
    areas : int64, shape (P,)
        Pixels of the component that each part belongs to.
    border : bool, shape (P,)
        Whether that component touches the border of the array.
    """

    first: Integers
    roots: Integers
    areas: Integers
    border: Integers


def _reaches(connectivity: int) -> dict[int, int]:
    """How far to the side runs of a line touch those of the line so many lines further on the other side of a seam."""
    return {4: {0: 0}, 8: {0: 1}, 6: {0: 0}, 18: {0: 1, -1: 0, 1: 0}, 26: {0: 1, -1: 1, 1: 1}}[connectivity]


def join(grid: Grid, chunks: Sequence[Parts]) -> Whole:
    """Join the parts of all chunks, which come in raster order."""
    counts = np.array([len(chunk.areas) for chunk in chunks], np.int64)
    first = np.concatenate([[0], np.cumsum(counts)])
    total = int(first[-1])
    if total >= 2**32:
        raise ValueError(f"rapidmask.dask: components on faces of chunks must be fewer than 4294967296, got {total}")
    runs = _concatenate([chunk.runs for chunk in chunks], np.zeros((0, 5), np.int32)).astype(np.int64)
    chunk = np.repeat(np.arange(len(chunks)), [len(chunk.runs) for chunk in chunks])
    runs[:, 4] += first[chunk]
    parents = np.arange(total, dtype=np.uint32)
    touches = np.zeros(total, bool)
    places, origins = grid.places(), grid.origins()
    for axis in range(0 if grid.volume else 1, 3):
        _join_axis(grid, axis, runs, chunk, places, origins, parents, touches)
    _cpu.flatten_parts(parents)
    areas = np.zeros(total, np.int64)
    np.add.at(areas, parents, _concatenate([chunk.areas for chunk in chunks], np.zeros(0, np.int64)))
    border = np.zeros(total, bool)
    border[parents[touches]] = True
    return Whole(first, parents, areas[parents], border[parents])


def _join_axis(
    grid: Grid,
    axis: int,
    runs: Integers,
    chunk: Integers,
    places: Integers,
    origins: Integers,
    parents: Integers,
    touches: Integers,
) -> None:
    """Join what touches across the seams of an axis, and find what touches the border there."""
    across, along = _PLANE[axis]
    stride = grid.extents[along] + 2  # runs of neighbouring lines stay apart, with a reach of 1
    lines = grid.extents[across] + 2
    sides = []
    for face, last in zip(_FACES[axis], (False, True), strict=True):
        mine = np.flatnonzero(runs[:, 0] == face)
        of_chunk, chosen = chunk[mine], runs[mine]
        place = places[of_chunk, axis]
        outer = place == (grid.shape[axis] - 1 if last else 0)
        touches[chosen[outer, 4]] = True
        inner = ~outer
        of_chunk, chosen, seam = of_chunk[inner], chosen[inner], place[inner] - (0 if last else 1)
        base = (seam * lines + chosen[:, 1] + origins[of_chunk, across] + 1) * stride + origins[of_chunk, along] + 1
        side = np.stack([base + chosen[:, 2], base + chosen[:, 3], chosen[:, 4]], axis=1)
        sides.append(side[np.argsort(side[:, 0], kind="stable")])
    upper, lower = sides[1], sides[0]
    for shift, reach in _reaches(grid.connectivity).items():
        _cpu.unite_seams(parents, upper, lower, shift * stride, reach)


def _concatenate(arrays: Sequence[Integers], empty: Integers) -> Integers:
    return np.concatenate([empty, *arrays])


@dataclasses.dataclass(frozen=True)
class Numbers:
    """The numbers of all components.

    Attributes
    ----------
    segments : int64, shape (chunks + 1,)
        The first segment of each chunk.
    bases : int64, shape (segments,)
        How many components come before those that begin in each segment.
    begins : bool, shape (P,)
        Whether a component begins with each part.
    labels : int64, shape (P,)
        The number of the component of each part.
    counts : int64, shape (images,)
        Components of each image, or of the volume.
    """

    segments: Integers
    bases: Integers
    begins: Integers
    labels: Integers
    counts: Integers


def _segment_keys(grid: Grid, chunks: Sequence[Parts]) -> tuple[Integers, Integers]:
    """Return for the segments of all chunks where they stand in the order of all, and the image that they are of."""
    depths, heights, _ = grid.sizes
    keys, images = [], []
    for (z, y, _), origin in zip(grid.places(), grid.origins(), strict=True):
        slices = origin[0] + np.arange(depths[z], dtype=np.int64)
        if grid.raster:
            key = (slices[:, None] * grid.extents[1] + origin[1] + np.arange(heights[y])).ravel()
            image = np.zeros_like(key) if grid.volume else key // max(1, grid.extents[1])
        else:
            key = image = np.zeros(1, np.int64) if grid.volume else slices
        keys.append(key)
        images.append(image)
    empty = np.zeros(0, np.int64)
    return _concatenate(keys, empty), _concatenate(images, empty)


def first_parts(whole: Whole, keys: Integers) -> Integers:
    """Return whether a component begins with each part: the one of the smallest key, of equal ones the first."""
    order = np.argsort(keys, kind="stable")
    order = order[np.argsort(whole.roots[order], kind="stable")]
    roots = whole.roots[order]
    begins = np.zeros(len(keys), bool)
    begins[order[np.flatnonzero(np.diff(roots, prepend=-1) != 0) if len(roots) else []]] = True
    return begins


def number(grid: Grid, chunks: Sequence[Parts], whole: Whole) -> Numbers:
    """Give numbers from 1 to the components of the whole array, in each image anew."""
    sizes = np.array([len(chunk.starts) for chunk in chunks], np.int64)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    keys, images = _segment_keys(grid, chunks)
    of_part = np.repeat(np.arange(len(chunks)), np.diff(whole.first))
    empty = np.zeros(0, np.int64)
    segments = _concatenate([chunk.segments for chunk in chunks], empty).astype(np.int64) + offsets[of_part]
    begins = first_parts(whole, keys[segments])
    starts = _concatenate([chunk.starts for chunk in chunks], empty).astype(np.int64)
    starts += np.bincount(segments[begins], minlength=len(starts))
    order = np.argsort(keys, kind="stable")  # of equal keys the chunks' order, which is that of their columns
    bases = np.empty_like(starts)
    bases[order] = np.cumsum(starts[order]) - starts[order]
    counts = np.zeros(grid.images, np.int64)
    np.add.at(counts, images, starts)
    bases -= (np.cumsum(counts) - counts)[images]
    # Parts that begin components in one segment stand one after the other.
    before = _concatenate([chunk.before for chunk in chunks], empty).astype(np.int64)
    chosen = np.flatnonzero(begins)
    of_segment = segments[chosen]
    rank = np.arange(len(chosen)) - np.searchsorted(of_segment, of_segment)
    of_root = np.zeros(len(segments), np.int64)
    of_root[whole.roots[chosen]] = bases[of_segment] + before[chosen] + rank + 1
    labels = of_root[whole.roots]
    return Numbers(offsets, bases, begins, labels, counts)


@dataclasses.dataclass(frozen=True)
class Shares:
    """Values for a row of chunks, in few arrays, since each that is sent by itself takes a worker a millisecond.

    Attributes
    ----------
    values : arrays
        Of all chunks of the row.
    firsts : int64 arrays, shape (chunks of the row + 1,)
        For each array of values, where those of each chunk begin.
    """

    values: tuple[Integers, ...]
    firsts: tuple[Integers, ...]

    def __getitem__(self, place: int) -> tuple[Integers, ...]:
        """Return the values of a chunk of the row."""
        return tuple(
            values[first[place] : first[place + 1]] for values, first in zip(self.values, self.firsts, strict=True)
        )


def share(grid: Grid, *shared: tuple[Integers, Integers]) -> list[Shares]:
    """Share out values to the rows of chunks, each with where those of every chunk begin."""
    rows = grid.shape[0] * grid.shape[1]
    width = grid.shape[2]
    found = []
    for begin in range(0, rows * width, width):
        firsts = [first[begin : begin + width + 1] for _, first in shared]
        values = [values[first[0] : first[-1]] for (values, _), first in zip(shared, firsts, strict=True)]
        found.append(Shares(tuple(values), tuple(first - first[0] for first in firsts)))
    return found
