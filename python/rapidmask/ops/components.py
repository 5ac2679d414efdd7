"""Connected components of masks."""

from __future__ import annotations

import dataclasses
import operator
from typing import Any, Literal, overload

from .. import _dispatch
from .._arrays import Array
from ._masks import Masks, bits_of, check_connectivity, map_masks

_MAX_AREA = 2**63 - 1  # no component is larger


@dataclasses.dataclass(frozen=True, slots=True)
class Components:
    """The components of a batch of masks, those of mask i from ``offsets[i]`` to ``offsets[i + 1]``.

    Attributes
    ----------
    labels : array of int32, shape (..., H, W)
        Components of each mask numbered from 1 in the raster order of their first pixels; 0 is background.
    count : int
        Components of all masks.
    offsets : array of int64, shape (N + 1,)
        Where the components of each mask begin.
    areas : array of int64, shape (count,)
        Pixels.
    boxes : array of int64, shape (count, 4)
        (x0, y0, x1, y1), half-open, in pixels.
    centroids : array of float64, shape (count, 2)
        (y, x) in pixel centres.
    """

    labels: Array
    count: int
    offsets: Array
    areas: Array
    boxes: Array
    centroids: Array


@overload
def label(masks: Masks, *, connectivity: int = 8, return_count: Literal[False] = False) -> Array: ...
@overload
def label(masks: Masks, *, connectivity: int = 8, return_count: Literal[True]) -> tuple[Array, Any]: ...
def label(masks: Masks, *, connectivity: int = 8, return_count: bool = False) -> Any:
    """Label the connected components of each mask.

    Parameters
    ----------
    masks : array of bool or uint8, shape (..., H, W), or PackedMasks or RLEMasks
        Any non-zero value is foreground.
    connectivity : {4, 8}
        Neighbours of a pixel.
    return_count : bool
        Whether to return the number of components too.

    Returns
    -------
    labels : array of int32, shape (..., H, W)
        Numbered from 1 in the raster order of each component's first pixel, in each mask anew; 0 is background.
    count : int, or array of int64 of shape (...)
        With ``return_count``: the number of components, for a batch of each mask.

    Raises
    ------
    TypeError
        If ``masks`` is no array, or not of bool or uint8.
    ValueError
        If it has fewer than two dimensions, or the connectivity is another.

    Notes
    -----
    Union-find over horizontal runs; linear in pixels. The labels are those of ``scipy.ndimage.label`` (whose default
    connectivity is 4) and of ``skimage.measure.label`` on binary masks.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> rapidmask.label(np.array([[1, 0, 1], [0, 1, 0]], bool), connectivity=4)
    array([[1, 0, 2],
           [0, 3, 0]], dtype=int32)
    """
    array, width = bits_of(masks)
    labels, counts = _dispatch.backend(array).label(array, width, check_connectivity("label", connectivity))
    if not return_count:
        return labels
    return labels, int(counts) if len(counts.shape) == 0 else counts


def connected_components(masks: Masks, *, connectivity: int = 8) -> Components:
    """Find the connected components of each mask, with areas, boxes and centroids.

    Parameters
    ----------
    masks : array of bool or uint8, shape (..., H, W), or PackedMasks or RLEMasks
        Any non-zero value is foreground.
    connectivity : {4, 8}
        Neighbours of a pixel.

    Returns
    -------
    Components
        Labels as of `label`, and the measures of all components, mask after mask.

    Raises
    ------
    TypeError
        If ``masks`` is no array, or not of bool or uint8.
    ValueError
        If it has fewer than two dimensions, or the connectivity is another.
    NotImplementedError
        If the masks are on a device.

    Notes
    -----
    Measures come from runs, not pixels. OpenCV's ``connectedComponentsWithStats`` counts the background as row 0, gives
    boxes as xywh and centroids as (x, y).

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> found = rapidmask.connected_components(np.array([[1, 1, 0], [0, 0, 0], [0, 0, 1]], bool))
    >>> found.count, found.areas, found.boxes.tolist(), found.centroids.tolist()
    (2, array([2, 1]), [[0, 0, 2, 1], [2, 2, 3, 3]], [[0.0, 0.5], [2.0, 2.0]])
    """
    array, width = bits_of(masks)
    module = _dispatch.backend(array)
    neighbours = check_connectivity("connected_components", connectivity)
    labels, offsets, areas, boxes, centroids = module.connected_components(array, width, neighbours, True)
    return Components(labels, int(areas.shape[0]), offsets, areas, boxes, centroids)


def remove_small_objects(masks: Masks, min_area: int, *, connectivity: int = 8) -> Masks:
    """Remove the components that are smaller than an area.

    Parameters
    ----------
    masks : array of bool or uint8, shape (..., H, W), or PackedMasks or RLEMasks
        Any non-zero value is foreground.
    min_area : int
        Components with fewer pixels are removed.
    connectivity : {4, 8}
        Neighbours of a pixel.

    Returns
    -------
    masks
        In the form, type and library of the input, with values 0 and 1.

    Raises
    ------
    TypeError
        If ``masks`` is no array, or not of bool or uint8, or ``min_area`` is no integer.
    ValueError
        If it has fewer than two dimensions, or the connectivity is another.

    Notes
    -----
    scikit-image 0.26 removes components of at most ``max_size`` pixels: its ``max_size`` is ``min_area - 1``.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> rapidmask.remove_small_objects(np.array([[1, 1, 0, 1]], np.uint8), 2)
    array([[1, 1, 0, 0]], dtype=uint8)
    """
    try:
        area = min(max(operator.index(min_area), 0), _MAX_AREA)
    except TypeError:
        raise TypeError(f"remove_small_objects: min_area must be an integer, got {min_area!r}") from None
    neighbours = check_connectivity("remove_small_objects", connectivity)
    return map_masks(masks, lambda module, *bits: module.remove_small_objects(*bits, area, neighbours))


def fill_holes(masks: Masks, *, connectivity: int = 8) -> Masks:
    """Fill the background that is cut off from the border.

    Parameters
    ----------
    masks : array of bool or uint8, shape (..., H, W), or PackedMasks or RLEMasks
        Any non-zero value is foreground.
    connectivity : {4, 8}
        Neighbours of a foreground pixel. Background pixels have the other number, so that no path of the one crosses
        one of the other.

    Returns
    -------
    masks
        In the form, type and library of the input, with values 0 and 1.

    Raises
    ------
    TypeError
        If ``masks`` is no array, or not of bool or uint8.
    ValueError
        If it has fewer than two dimensions, or the connectivity is another.

    Notes
    -----
    With 8 the result is that of ``scipy.ndimage.binary_fill_holes`` with its default structure.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> rapidmask.fill_holes(np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], np.uint8))
    array([[1, 1, 1],
           [1, 1, 1],
           [1, 1, 1]], dtype=uint8)
    """
    neighbours = check_connectivity("fill_holes", connectivity)
    return map_masks(masks, lambda module, *bits: module.fill_holes(*bits, neighbours))
