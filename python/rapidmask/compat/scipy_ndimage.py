"""``scipy.ndimage`` on binary images and label maps, as of SciPy 1.18: labels, objects, binary morphology, distances.

The functions have SciPy's names, arguments and results, in NumPy arrays of two or three dimensions. They raise
NotImplementedError for what they do not serve, and under `rapidmask.patch` such a call goes to SciPy's own function:
other ranks, masks, structures that are no neighbourhood (`label`) or longer than 127, iterating until nothing changes,
coordinates of the nearest background, spacings, and every argument that SciPy refuses. Results are the same to the bit.
"""

from __future__ import annotations

import functools
import operator
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from .._upstream import Upstream
from ..ops import components, distance, morphology
from ..ops.rle import rle_encode_labels
from ..ops.threshold import hysteresis_threshold

_Bool = npt.NDArray[np.bool_]

__all__ = [
    "binary_closing",
    "binary_dilation",
    "binary_erosion",
    "binary_fill_holes",
    "binary_hit_or_miss",
    "binary_opening",
    "binary_propagation",
    "distance_transform_edt",
    "find_objects",
    "label",
]

_EXACT = 2**24  # up to here float32 holds every integer


def label(input: Any, structure: Any = None, output: Any = None) -> Any:
    """Label the components of what is not zero.

    Gives the labels and their number or, where ``output`` is an array, only the number.
    """
    masks = _masks(input)
    connectivity = _connectivity(structure, masks.ndim)
    given = output is not None and output is not np.int32
    if given and not (_is_array(output, np.int32, masks.shape) and output.flags.c_contiguous):
        raise NotImplementedError("label: output must be int32 or a contiguous array of it, whose order SciPy follows")
    labels, count = components.label(masks, connectivity=connectivity, return_count=True)
    if isinstance(output, np.ndarray):
        output[...] = labels
        return int(count)
    return labels, int(count)


def find_objects(input: Any, max_label: int = 0) -> list[Any]:
    """Return, for every label from 1, the slices that bound it, or None where it has no pixel."""
    labels = np.asarray(input)
    if labels.ndim != 2 or labels.dtype.kind not in "iu" or labels.size == 0 or labels.size >= 2**32:
        raise NotImplementedError("find_objects: input must be a plane of integers")
    most = _integer(max_label)
    masks, values, *_ = rle_encode_labels(labels)
    if most < 1:
        most = max(int(values[-1]), 0) if len(values) else 0
    objects: list[Any] = [None] * most
    boxes = masks.boxes().tolist()
    for value, (x0, y0, x1, y1) in zip(values.tolist(), boxes, strict=True):
        if 0 < value <= most:
            objects[value - 1] = (slice(y0, y1, None), slice(x0, x1, None))
    return objects


def binary_erosion(
    input: Any,
    structure: Any = None,
    iterations: int = 1,
    mask: Any = None,
    output: Any = None,
    border_value: int = 0,
    origin: Any = 0,
    brute_force: bool = False,
    *,
    axes: Any = None,
) -> Any:
    """Erode: all pixels under the structure are set."""
    return _iterate(morphology.erode, input, structure, iterations, mask, output, border_value, origin, axes)


def binary_dilation(
    input: Any,
    structure: Any = None,
    iterations: int = 1,
    mask: Any = None,
    output: Any = None,
    border_value: int = 0,
    origin: Any = 0,
    brute_force: bool = False,
    *,
    axes: Any = None,
) -> Any:
    """Dilate: any pixel under the reflected structure is set."""
    return _iterate(morphology.dilate, input, structure, iterations, mask, output, border_value, origin, axes)


def binary_opening(
    input: Any,
    structure: Any = None,
    iterations: int = 1,
    output: Any = None,
    origin: Any = 0,
    mask: Any = None,
    border_value: int = 0,
    brute_force: bool = False,
    *,
    axes: Any = None,
) -> Any:
    """Erode, then dilate."""
    return _iterate(morphology.opening, input, structure, iterations, mask, output, border_value, origin, axes)


def binary_closing(
    input: Any,
    structure: Any = None,
    iterations: int = 1,
    output: Any = None,
    origin: Any = 0,
    mask: Any = None,
    border_value: int = 0,
    brute_force: bool = False,
    *,
    axes: Any = None,
) -> Any:
    """Dilate, then erode."""
    return _iterate(morphology.closing, input, structure, iterations, mask, output, border_value, origin, axes)


def binary_hit_or_miss(
    input: Any,
    structure1: Any = None,
    structure2: Any = None,
    output: Any = None,
    origin1: Any = 0,
    origin2: Any = None,
    *,
    axes: Any = None,
) -> Any:
    """Find where ``structure1`` lies in the foreground and ``structure2`` in the background.

    The second is what is not in the first, unless it is given.
    """
    masks = _masks(input)
    _check_axes(axes, masks.ndim)
    first = _structure(structure1, masks.ndim)
    second = ~first if structure2 is None else _structure(structure2, masks.ndim)
    origin2 = origin1 if origin2 is None else origin2
    first, second = _moved(first, origin1), _moved(second, origin2)
    if max(*first.shape, *second.shape) > 127:
        raise NotImplementedError("binary_hit_or_miss: structures must be at most 127 wide")
    hits = morphology.erode(masks, first, border="zeros")
    misses = morphology.erode(masks == 0, second, border="ones")
    return _given_only(hits.astype(bool, copy=False) & misses, output)


def binary_propagation(
    input: Any,
    structure: Any = None,
    mask: Any = None,
    output: Any = None,
    border_value: int = 0,
    origin: Any = 0,
    *,
    axes: Any = None,
) -> Any:
    """Let the foreground spread over the components of ``mask`` that it meets."""
    seeds = _masks(input)
    _check_axes(axes, seeds.ndim)
    plain = _integer(border_value) == 0 and _origins(origin, seeds.ndim) == (0,) * seeds.ndim
    if mask is None or not plain or seeds.ndim != 2:
        raise NotImplementedError("binary_propagation: needs a mask of two dimensions and no border or origin")
    over = _masks(mask)
    if np.asarray(mask).dtype not in (np.bool_, np.uint8):
        over = np.asarray(mask, np.int8) != 0  # as SciPy, with what of 256 or of 0.5 is left
    if over.shape != seeds.shape or (seeds.astype(bool) & (over == 0)).any():
        raise NotImplementedError("binary_propagation: input must lie in the mask")
    levels = over.astype(bool, copy=False).view(np.uint8) + seeds.astype(bool, copy=False).view(np.uint8)
    return _given(hysteresis_threshold(levels, 0, 1, connectivity=_connectivity(structure, 2)), output)


def binary_fill_holes(
    input: Any, structure: Any = None, output: Any = None, origin: Any = 0, *, axes: Any = None
) -> Any:
    """Set the background that the structure does not connect to the border."""
    masks = _masks(input)
    _check_axes(axes, masks.ndim)
    if _origins(origin, masks.ndim) != (0,) * masks.ndim:
        raise NotImplementedError("binary_fill_holes: origin must be 0")
    # The structure connects the background; fill_holes is told how the foreground connects.
    foreground = {4: 8, 8: 4, 6: 26, 26: 6}.get(_connectivity(structure, masks.ndim))
    if foreground is None:
        raise NotImplementedError("binary_fill_holes: structure must be a cross or a block")
    return _given_only(components.fill_holes(masks, connectivity=foreground), output)


def distance_transform_edt(
    input: Any,
    sampling: Any = None,
    return_distances: bool = True,
    return_indices: bool = False,
    distances: Any = None,
    indices: Any = None,
) -> Any:
    """Return, for each pixel that is not zero, the distance to the nearest that is: float64."""
    masks = _masks(input)
    if sampling is not None or return_indices or not return_distances or indices is not None:
        raise NotImplementedError("distance_transform_edt: only distances of unit pixels")
    if distances is not None and not _is_array(distances, np.float64, masks.shape):
        raise NotImplementedError("distance_transform_edt: distances must be float64 of the input's shape")
    if sum(extent**2 for extent in masks.shape) >= _EXACT or bool(masks.all()):
        raise NotImplementedError("distance_transform_edt: distances must be below 4096, to some background")
    squared = distance.distance_transform(masks, squared=True, volume=masks.ndim == 3)
    if distances is None:
        return np.sqrt(squared, dtype=np.float64)
    np.sqrt(squared, out=distances, dtype=np.float64)
    return None


def _replacements() -> dict[str, Callable[..., Any]]:
    return {f"scipy.ndimage:{name}": globals()[name] for name in __all__}


UPSTREAMS = {"scipy": Upstream("scipy", ("1.13", "1.14", "1.15", "1.16", "1.17", "1.18"), _replacements)}


def _masks(input: Any) -> npt.NDArray[Any]:
    """Return the input as bool or uint8, where it is an image or a volume that has pixels."""
    if (
        hasattr(input, "__array__")
        and not isinstance(input, np.ndarray)
        and os.environ.get("SCIPY_ARRAY_API", "0") != "0"
    ):
        raise NotImplementedError("SciPy answers in the library of the input")
    array = np.asarray(input)
    if array.ndim not in (2, 3) or array.size == 0 or array.dtype.kind not in "buif" or np.ma.isMaskedArray(input):
        raise NotImplementedError("input must be an image or volume of real numbers")
    if not array.dtype.isnative or (array.dtype.kind == "f" and array.itemsize not in (4, 8)):
        raise NotImplementedError("some of SciPy's functions refuse float16 and foreign byte orders")
    return array if array.dtype in (np.bool_, np.uint8) else array != 0


def _structure(structure: Any, ndim: int) -> _Bool:
    if structure is None:
        return _cross(ndim)
    elements = np.asarray(structure, bool)
    if elements.ndim != ndim or not elements.any():
        raise NotImplementedError("structure must have the input's rank and an element")
    return elements


@functools.cache
def _cross(ndim: int, reach: int = 1) -> _Bool:
    """Return the neighbours that differ in up to ``reach`` axes, read-only."""
    axes = np.indices((3,) * ndim) - 1
    cross = np.asarray(np.abs(axes).sum(axis=0) <= reach)
    cross.flags.writeable = False
    return cross


def _connectivity(structure: Any, ndim: int) -> int:
    elements = _structure(structure, ndim)
    neighbours = {2: (4, 8), 3: (6, 18, 26)}[ndim]
    for reach, connectivity in enumerate(neighbours, start=1):
        if np.array_equal(elements, _cross(ndim, reach)):
            return connectivity
    raise NotImplementedError("structure must be a neighbourhood")


def _integer(value: Any) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise NotImplementedError("what is no integer is SciPy's to refuse") from None


def _origins(origin: Any, ndim: int) -> tuple[int, ...]:
    origins = (origin,) * ndim if np.ndim(origin) == 0 else tuple(np.asarray(origin).ravel().tolist())
    if len(origins) != ndim:
        raise NotImplementedError("origin must have one entry for each axis")
    return tuple(_integer(value) for value in origins)


def _moved(structure: _Bool, origin: Any) -> _Bool:
    """Return the structure in one whose centre, index ``size // 2``, is SciPy's: that index plus the origin."""
    origins = _origins(origin, structure.ndim)
    sides = list(zip(structure.shape, origins, strict=True))
    if any(not -(size // 2) <= shift <= (size - 1) // 2 for size, shift in sides):
        raise NotImplementedError("origin must lie in the structure")
    if not any(origins):
        return structure
    before = [max(0, -2 * shift) for shift in origins]
    after = [max(0, 2 * shift) for shift in origins]
    return np.pad(structure, list(zip(before, after, strict=True)))


def _check_axes(axes: Any, ndim: int) -> None:
    if axes is not None:
        raise NotImplementedError("axes must be all axes")


def _iterate(
    operation: Callable[..., Any],
    input: Any,
    structure: Any,
    iterations: int,
    mask: Any,
    output: Any,
    border_value: int,
    origin: Any,
    axes: Any,
) -> Any:
    masks = _masks(input)
    _check_axes(axes, masks.ndim)
    footprint = _moved(_structure(structure, masks.ndim), origin)
    count = _integer(iterations)
    if mask is not None or count < 1 or max(footprint.shape) > 127:
        raise NotImplementedError("only some iterations, without a mask, of a structure of up to 127")
    if count > 1 and not np.array_equal(footprint, np.flip(footprint)):
        raise NotImplementedError("iterations of a structure that is not symmetric differ with brute_force")
    result = operation(masks, footprint, iterations=count, border="ones" if _integer(border_value) else "zeros")
    return _given(result, output)


def _given(result: npt.NDArray[Any], output: Any) -> npt.NDArray[Any]:
    """Return the result as bool, or in ``output``."""
    flags = result if result.dtype == np.bool_ else result.view(np.bool_)
    if output is None:
        return flags
    if not _is_array(output, np.bool_, result.shape):
        raise NotImplementedError("output must be an array of bool")
    output[...] = flags
    return output  # type: ignore[no-any-return]


def _given_only(result: npt.NDArray[Any], output: Any) -> npt.NDArray[Any] | None:
    """Do the same, but return nothing where there is an output."""
    given = _given(result, output)
    return given if output is None else None


def _is_array(output: Any, dtype: type, shape: tuple[int, ...]) -> bool:
    return isinstance(output, np.ndarray) and output.dtype == dtype and output.shape == shape
