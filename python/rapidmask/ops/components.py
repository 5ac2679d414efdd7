"""Connected components of masks of images and volumes.

A connectivity of 4 or 8 joins pixels of the last two axes, one of 6, 18 or 26 those of the last three. `PackedMasks`
and `RLEMasks` are a batch of images or, with 6, 18 or 26, the slices of one volume.
"""

from __future__ import annotations

import dataclasses
import operator
from typing import Any, Literal, overload

from .. import _arrays, _dispatch
from .._arrays import Array
from .._containers import PackedMasks, RLEMasks
from .._errors import shown
from ._masks import Masks, as_flag, bits_of, check_connectivity, check_out, map_masks

_MAX_COUNT = 2**63 - 1  # no component is larger, and no mask has more of them


@dataclasses.dataclass(frozen=True, slots=True)
class Components:
    """The components of a batch of masks, those of mask i from ``offsets[i]`` to ``offsets[i + 1]``.

    Attributes
    ----------
    labels : array of int32, shape (..., H, W), or None
        Components of each mask numbered from 1 in the raster order of their first pixels; 0 is background.
    count : int
        Components of all masks.
    offsets : array of int64, shape (N + 1,)
        Where the components of each mask begin.
    areas : array of int64, shape (count,)
        Pixels.
    boxes : array of int64, shape (count, 4), for volumes (count, 6)
        (x0, y0, x1, y1) or (x0, y0, z0, x1, y1, z1), half-open, in pixels.
    centroids : array of float64, shape (count, 2), for volumes (count, 3)
        (y, x) or (z, y, x) in pixel centres.
    """

    labels: Array
    count: int
    offsets: Array
    areas: Array
    boxes: Array
    centroids: Array


def _integer(function: str, argument: str, value: Any) -> int:
    """Return an argument as an integer that 64 bits hold."""
    try:
        return min(max(operator.index(value), -1), _MAX_COUNT)
    except TypeError:
        raise TypeError(f"{function}: {argument} must be an integer, got {shown(value)}") from None


@overload
def label(
    masks: Masks,
    *,
    connectivity: int = 8,
    multilabel: bool = False,
    return_count: Literal[False] = False,
    out: Array | None = None,
) -> Array: ...
@overload
def label(
    masks: Masks,
    *,
    connectivity: int = 8,
    multilabel: bool = False,
    return_count: Literal[True],
    out: Array | None = None,
) -> tuple[Array, Any]: ...
def label(
    masks: Masks,
    *,
    connectivity: int = 8,
    multilabel: bool = False,
    return_count: bool = False,
    out: Array | None = None,
) -> Any:
    """Label the connected components of each mask.

    Parameters
    ----------
    masks : array of bool or uint8, shape (..., H, W) or (..., D, H, W), or PackedMasks or RLEMasks
        Any non-zero value is foreground. With ``multilabel`` an array of any integer type will do.
    connectivity : {4, 8, 6, 18, 26}
        Neighbours of a pixel: 4 or 8 in images, 6, 18 or 26 in volumes.
    multilabel : bool
        Whether only pixels of equal value belong together, as in a map of classes or of labels; 0 is background.
    return_count : bool
        Whether to return the number of components too.
    out : array of int32, of the shape of the masks, optional
        Where to write the labels: C-contiguous. For masks of megapixels new memory can cost more than the work.

    Returns
    -------
    labels : array of int32, of the shape of the masks
        Numbered from 1 in the raster order of each component's first pixel, in each mask anew; 0 is background.
    count : int, or array of int64 of the shape of the batch
        With ``return_count``: the number of components, for a batch of each mask.

    Raises
    ------
    TypeError
        If ``masks`` is no array, or of another type.
    ValueError
        If it has fewer axes than the connectivity needs, a mask has more than 2³¹ - 1 pixels, or the connectivity is
        another.

    Notes
    -----
    Union-find over horizontal runs; linear in pixels. The labels are those of ``scipy.ndimage.label`` (whose default is
    4 or 6), with ``multilabel`` those of ``skimage.measure.label`` (whose numbers 1, 2, 3 are 4 or 6, 8 or 18, 26).
    OpenCV and cc3d find the same components; OpenCV numbers those of 8 neighbours by blocks of 2×2 pixels. On a device:
    a constant number of launches for a batch, no synchronisation.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> rapidmask.label(np.array([[1, 0, 1], [0, 1, 0]], bool), connectivity=4)
    array([[1, 0, 2],
           [0, 3, 0]], dtype=int32)
    >>> rapidmask.label(np.array([[7, 7, 3], [0, 3, 3]]), multilabel=True, return_count=True)
    (array([[1, 1, 2],
           [0, 2, 2]], dtype=int32), 2)
    """
    neighbours = check_connectivity("label", connectivity, volumes=True)
    with_count = as_flag("label", "return_count", return_count)
    if as_flag("label", "multilabel", multilabel) and not isinstance(masks, (PackedMasks, RLEMasks)):
        values = _arrays.with_shape(masks)
        labels, counts = _dispatch.backend(values).label_values(values, neighbours, out)
    else:
        array, width = bits_of(masks)
        labels, counts = _dispatch.backend(array).label(array, width, neighbours, out)
    if not with_count:
        return labels
    return labels, counts if counts.shape else int(counts)


def connected_components(masks: Masks, *, connectivity: int = 8, labels: bool = True) -> Components:
    """Find the connected components of each mask, with areas, boxes and centroids.

    Parameters
    ----------
    masks : array of bool or uint8, shape (..., H, W) or (..., D, H, W), or PackedMasks or RLEMasks
        Any non-zero value is foreground.
    connectivity : {4, 8, 6, 18, 26}
        Neighbours of a pixel: 4 or 8 in images, 6, 18 or 26 in volumes.
    labels : bool
        Whether to give the label image too; without it, the work is up to three times less where masks are large
        and smooth.

    Returns
    -------
    Components
        Labels as of `label`, and the measures of all components, mask after mask.

    Raises
    ------
    TypeError
        If ``masks`` is no array, or not of bool or uint8.
    ValueError
        If it has fewer axes than the connectivity needs, a mask has more than 2³¹ - 1 pixels, or the connectivity is
        another.

    Notes
    -----
    Measures come from runs, not pixels; sums of coordinates are exact. OpenCV's ``connectedComponentsWithStats`` counts
    the background as row 0, gives boxes as xywh and centroids as (x, y); cc3d's ``statistics`` has row 0 too. On a
    device: waits for the stream once, since the number of components is data.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> found = rapidmask.connected_components(np.array([[1, 1, 0], [0, 0, 0], [0, 0, 1]], bool))
    >>> found.count, found.areas, found.boxes.tolist(), found.centroids.tolist()
    (2, array([2, 1]), [[0, 0, 2, 1], [2, 2, 3, 3]], [[0.0, 0.5], [2.0, 2.0]])
    """
    neighbours = check_connectivity("connected_components", connectivity, volumes=True)
    array, width = bits_of(masks)
    image, offsets, areas, boxes, centroids = _dispatch.backend(array).connected_components(
        array, width, neighbours, as_flag("connected_components", "labels", labels)
    )
    return Components(image, int(areas.shape[0]), offsets, areas, boxes, centroids)


def component_areas(masks: Masks, *, connectivity: int = 8, out: Array | None = None) -> Array:
    """Give each pixel the area of its component.

    Parameters
    ----------
    masks : array of bool or uint8, shape (..., H, W) or (..., D, H, W), or PackedMasks or RLEMasks
        Any non-zero value is foreground.
    connectivity : {4, 8, 6, 18, 26}
        Neighbours of a pixel: 4 or 8 in images, 6, 18 or 26 in volumes.
    out : array of int32, of the shape of the masks, optional
        Where to write: C-contiguous.

    Returns
    -------
    array of int32, of the shape of the masks
        Pixels of the component that the pixel belongs to; 0 in the background.

    Raises
    ------
    TypeError, ValueError
        As `connected_components`.

    Notes
    -----
    What SAM 2's ``get_connected_components`` gives as counts. On a device: no synchronisation.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> rapidmask.component_areas(np.array([[1, 1, 0, 1]], bool))
    array([[2, 2, 0, 1]], dtype=int32)
    """
    neighbours = check_connectivity("component_areas", connectivity, volumes=True)
    array, width = bits_of(masks)
    return _dispatch.backend(array).component_areas(array, width, neighbours, out)


def remove_small_objects(masks: Masks, min_area: int, *, connectivity: int = 8, out: Array | None = None) -> Masks:
    """Remove the components that are smaller than an area.

    Parameters
    ----------
    masks : array of bool or uint8, shape (..., H, W) or (..., D, H, W), or PackedMasks or RLEMasks
        Any non-zero value is foreground.
    min_area : int
        Components with fewer pixels are removed.
    connectivity : {4, 8, 6, 18, 26}
        Neighbours of a pixel: 4 or 8 in images, 6, 18 or 26 in volumes.
    out : array, optional
        Where to write the result of dense masks: C-contiguous, of the masks' shape and type, apart from them in memory.

    Returns
    -------
    masks
        In the form, type and library of the input, with values 0 and 1.

    Raises
    ------
    TypeError
        If ``masks`` is no array, or not of bool or uint8, or ``min_area`` is no integer.
    ValueError
        As `connected_components`.

    Notes
    -----
    No label image is made. scikit-image 0.26 removes components of at most ``max_size`` pixels: its ``max_size`` is
    ``min_area - 1``; it connects by 4 or 6 unless told otherwise. On a device: no synchronisation.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> rapidmask.remove_small_objects(np.array([[1, 1, 0, 1]], np.uint8), 2)
    array([[1, 1, 0, 0]], dtype=uint8)
    """
    area = _integer("remove_small_objects", "min_area", min_area)
    neighbours = check_connectivity("remove_small_objects", connectivity, volumes=True)
    check_out("remove_small_objects", masks, out)
    return map_masks(masks, lambda module, *bits: module.remove_small_objects(*bits, area, neighbours, out))


def remove_small_holes(
    masks: Masks, min_area: int, *, connectivity: int = 8, border_is_hole: bool = True, out: Array | None = None
) -> Masks:
    """Fill the components of the background that are smaller than an area.

    Parameters
    ----------
    masks : array of bool or uint8, shape (..., H, W) or (..., D, H, W), or PackedMasks or RLEMasks
        Any non-zero value is foreground.
    min_area : int
        Components of the background with fewer pixels are filled.
    connectivity : {4, 8, 6, 18, 26}
        Neighbours of a pixel of the background: 4 or 8 in images, 6, 18 or 26 in volumes.
    border_is_hole : bool
        Whether to fill background that touches the border of the image or volume too.
    out : array, optional
        Where to write the result of dense masks: C-contiguous, of the masks' shape and type, apart from them in memory.

    Returns
    -------
    masks
        In the form, type and library of the input, with values 0 and 1.

    Raises
    ------
    TypeError
        If ``masks`` is no array, or not of bool or uint8, or ``min_area`` is no integer.
    ValueError
        As `connected_components`.

    Notes
    -----
    By default what SAM 1's ``remove_small_regions`` does for holes. scikit-image 0.26 fills holes of at most
    ``max_size`` pixels: its ``max_size`` is ``min_area - 1``; it connects by 4 or 6 unless told otherwise. On a device:
    no synchronisation.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> mask = np.array([[0, 1, 1, 1], [0, 1, 0, 1], [0, 1, 1, 1]], np.uint8)
    >>> rapidmask.remove_small_holes(mask, 2)
    array([[0, 1, 1, 1],
           [0, 1, 1, 1],
           [0, 1, 1, 1]], dtype=uint8)
    """
    area = _integer("remove_small_holes", "min_area", min_area)
    neighbours = check_connectivity("remove_small_holes", connectivity, volumes=True)
    border_holes = as_flag("remove_small_holes", "border_is_hole", border_is_hole)
    check_out("remove_small_holes", masks, out)
    return map_masks(masks, lambda module, *bits: module.remove_small_holes(*bits, area, neighbours, border_holes, out))


def remove_small_regions(masks: Masks, min_area: int, *, connectivity: int = 8, out: Array | None = None) -> Masks:
    """Fill small holes and then remove small objects.

    Parameters
    ----------
    masks : array of bool or uint8, shape (..., H, W) or (..., D, H, W), or PackedMasks or RLEMasks
        Any non-zero value is foreground.
    min_area : int
        Components of the background with fewer pixels are filled, then components with fewer pixels are removed.
    connectivity : {4, 8, 6, 18, 26}
        Neighbours of a pixel of either kind: 4 or 8 in images, 6, 18 or 26 in volumes.
    out : array, optional
        Where to write the result of dense masks: C-contiguous, of the masks' shape and type, apart from them in memory.

    Returns
    -------
    masks
        In the form, type and library of the input, with values 0 and 1.

    Raises
    ------
    TypeError
        If ``masks`` is no array, or not of bool or uint8, or ``min_area`` is no integer.
    ValueError
        As `connected_components`.

    Notes
    -----
    ``remove_small_objects(remove_small_holes(masks, min_area), min_area)`` in one pass over memory. SAM 1 does both in
    this order by its ``remove_small_regions``, but keeps the largest object where all are small. On a device: no
    synchronisation.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> mask = np.array([[1, 1, 1, 0, 0, 1], [1, 0, 1, 0, 0, 0], [1, 1, 1, 0, 0, 0]], np.uint8)
    >>> rapidmask.remove_small_regions(mask, 2)
    array([[1, 1, 1, 0, 0, 0],
           [1, 1, 1, 0, 0, 0],
           [1, 1, 1, 0, 0, 0]], dtype=uint8)
    """
    area = _integer("remove_small_regions", "min_area", min_area)
    neighbours = check_connectivity("remove_small_regions", connectivity, volumes=True)
    check_out("remove_small_regions", masks, out)
    return map_masks(masks, lambda module, *bits: module.remove_small_regions(*bits, area, neighbours, out))


def fill_holes(masks: Masks, *, connectivity: int = 8, out: Array | None = None) -> Masks:
    """Fill the background that is cut off from the border.

    Parameters
    ----------
    masks : array of bool or uint8, shape (..., H, W) or (..., D, H, W), or PackedMasks or RLEMasks
        Any non-zero value is foreground.
    connectivity : {4, 8, 6, 18, 26}
        Neighbours of a foreground pixel. The background has those (of 4: 8, of 8: 4, of 6: 26, of 18 and 26: 6) with
        which no path of the one crosses one of the other.
    out : array, optional
        Where to write the result of dense masks: C-contiguous, of the masks' shape and type, apart from them in memory.

    Returns
    -------
    masks
        In the form, type and library of the input, with values 0 and 1.

    Raises
    ------
    TypeError, ValueError
        As `connected_components`.

    Notes
    -----
    With 8 the result is that of ``scipy.ndimage.binary_fill_holes`` with its default structure, with 26 or 18 the same
    of volumes, which is ``fill_voids.fill``'s too. Of a volume all six faces are border. No label image is made. On a
    device: no synchronisation.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> rapidmask.fill_holes(np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], np.uint8))
    array([[1, 1, 1],
           [1, 1, 1],
           [1, 1, 1]], dtype=uint8)
    """
    neighbours = check_connectivity("fill_holes", connectivity, volumes=True)
    check_out("fill_holes", masks, out)
    return map_masks(masks, lambda module, *bits: module.fill_holes(*bits, neighbours, out))


def keep_largest(masks: Masks, k: int = 1, *, connectivity: int = 8, out: Array | None = None) -> Masks:
    """Keep the largest components of each mask.

    Parameters
    ----------
    masks : array of bool or uint8, shape (..., H, W) or (..., D, H, W), or PackedMasks or RLEMasks
        Any non-zero value is foreground.
    k : int
        How many to keep; masks with fewer stay as they are.
    connectivity : {4, 8, 6, 18, 26}
        Neighbours of a pixel: 4 or 8 in images, 6, 18 or 26 in volumes.
    out : array, optional
        Where to write the result of dense masks: C-contiguous, of the masks' shape and type, apart from them in memory.

    Returns
    -------
    masks
        In the form, type and library of the input, with values 0 and 1.

    Raises
    ------
    TypeError
        If ``masks`` is no array, or not of bool or uint8, or ``k`` is no integer.
    ValueError
        If ``k`` is negative; else as `connected_components`.

    Notes
    -----
    Of components of equal area the first in raster order is kept. What MONAI's ``KeepLargestConnectedComponent`` and
    ``cc3d.largest_k`` do. On a device: no synchronisation.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> rapidmask.keep_largest(np.array([[1, 0, 1, 1, 0, 1]], np.uint8))
    array([[0, 0, 1, 1, 0, 0]], dtype=uint8)
    """
    count = _integer("keep_largest", "k", k)
    if count < 0:
        raise ValueError(f"keep_largest: k must not be negative, got {shown(k)}")
    neighbours = check_connectivity("keep_largest", connectivity, volumes=True)
    check_out("keep_largest", masks, out)
    return map_masks(masks, lambda module, *bits: module.keep_largest(*bits, count, neighbours, out))


def clear_border(masks: Masks, *, connectivity: int = 8, out: Array | None = None) -> Masks:
    """Remove the components that touch the border of the image or volume.

    Parameters
    ----------
    masks : array of bool or uint8, shape (..., H, W) or (..., D, H, W), or PackedMasks or RLEMasks
        Any non-zero value is foreground.
    connectivity : {4, 8, 6, 18, 26}
        Neighbours of a pixel: 4 or 8 in images, 6, 18 or 26 in volumes.
    out : array, optional
        Where to write the result of dense masks: C-contiguous, of the masks' shape and type, apart from them in memory.

    Returns
    -------
    masks
        In the form, type and library of the input, with values 0 and 1.

    Raises
    ------
    TypeError, ValueError
        As `connected_components`.

    Notes
    -----
    ``skimage.segmentation.clear_border`` connects binary masks by 8 (26) too. Of a volume all six faces are border, so
    that nothing is left of one that is one or two slices deep. On a device: no synchronisation.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> mask = np.array([[0, 0, 0, 0, 0], [1, 0, 1, 0, 0], [0, 0, 0, 0, 1]], np.uint8)
    >>> rapidmask.clear_border(mask)
    array([[0, 0, 0, 0, 0],
           [0, 0, 1, 0, 0],
           [0, 0, 0, 0, 0]], dtype=uint8)
    """
    neighbours = check_connectivity("clear_border", connectivity, volumes=True)
    check_out("clear_border", masks, out)
    return map_masks(masks, lambda module, *bits: module.clear_border(*bits, neighbours, out))
