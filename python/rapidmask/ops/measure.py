"""Areas, bounding boxes and centroids of masks, and the stability of logits."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import numpy as np

from .. import _arrays, _dispatch
from .._arrays import Array
from .._containers import PackedMasks, RLEMasks
from .._errors import shown
from ._masks import Masks, as_flag, as_number, bits_of, is_one_of


def mask_areas(masks: Masks) -> Array:
    """Count the pixels of each mask.

    Parameters
    ----------
    masks : array of bool or uint8, shape (..., H, W), or PackedMasks or RLEMasks
        Any non-zero value is foreground.

    Returns
    -------
    array of int64, shape (...)
        In the library and on the device of the input.

    Raises
    ------
    TypeError
        If ``masks`` is no array, or not of bool or uint8.
    ValueError
        If it has fewer than two dimensions.

    Notes
    -----
    One pass over the masks; run lengths are added up without decoding. On a device: two launches, no synchronisation.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> rapidmask.mask_areas(np.array([[[1, 0], [1, 1]], [[0, 0], [0, 0]]], bool))
    array([3, 0])
    """
    if isinstance(masks, (PackedMasks, RLEMasks)):
        return masks.area()
    return _dispatch.backend(masks).mask_areas(masks, None)


def masks_to_boxes(masks: Masks, *, inclusive: bool = False, format: Literal["xyxy", "xywh"] = "xyxy") -> Array:
    """Find the bounding box of each mask.

    Parameters
    ----------
    masks : array of bool or uint8, shape (..., H, W), or PackedMasks or RLEMasks
        Any non-zero value is foreground.
    inclusive : bool
        Whether x1 and y1 are the last pixel of the mask (torchvision, SAM) rather than the one after it.
    format : {"xyxy", "xywh"}
        Corners, or corner and extent. The extent of a mask one pixel wide is 1, whatever ``inclusive`` says.

    Returns
    -------
    array of int64, shape (..., 4)
        Boxes in pixels, in the library and on the device of the input. That of an empty mask is all zeros.

    Raises
    ------
    TypeError
        If ``masks`` is no array, or not of bool or uint8.
    ValueError
        If it has fewer than two dimensions, or the format is another.

    Notes
    -----
    One pass over the masks; run lengths are read without decoding. torchvision's function of the same name gives
    float32 and inclusive corners; pycocotools' ``toBbox`` gives float64 and xywh.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> mask = np.zeros((4, 6), bool)
    >>> mask[1:3, 2:5] = True
    >>> rapidmask.masks_to_boxes(mask)
    array([2, 1, 5, 3])
    >>> rapidmask.masks_to_boxes(mask, format="xywh")
    array([2, 1, 3, 2])
    """
    if not is_one_of(format, ("xyxy", "xywh")):
        raise ValueError(f"masks_to_boxes: format must be 'xyxy' or 'xywh', got {shown(format)}")
    if isinstance(masks, (PackedMasks, RLEMasks)):
        boxes = masks.boxes()
    else:
        boxes = _dispatch.backend(masks).masks_to_boxes(masks, None)
    if format == "xywh":
        return _changed(boxes, _to_extents)
    if as_flag("masks_to_boxes", "inclusive", inclusive):
        return _changed(boxes, _to_last_pixels)
    return boxes


def _to_extents(boxes: Array) -> None:
    boxes[..., 2:] -= boxes[..., :2]


def _to_last_pixels(boxes: Array) -> None:
    boxes[..., 2:] -= boxes[..., 2:].clip(0, 1)  # empty masks keep their zeros


def _changed(boxes: Array, change: Callable[[Array], None]) -> Array:
    """Change boxes in place, or a copy on the host where their library's arrays cannot be changed (JAX)."""
    try:
        change(boxes)
    except TypeError:
        values = np.array(_arrays.to_host(boxes))
        change(values)
        return _arrays.like(boxes, values)
    return boxes


def mask_centroids(masks: Masks) -> Array:
    """Find the centroid of each mask: the mean of its pixels' coordinates.

    Parameters
    ----------
    masks : array of bool or uint8, shape (..., H, W), or PackedMasks or RLEMasks
        Any non-zero value is foreground.

    Returns
    -------
    array of float64, shape (..., 2)
        (y, x) in pixels, of pixel centres at whole numbers; NaN for an empty mask. In the library and on the device of
        the input.

    Raises
    ------
    TypeError
        If ``masks`` is no array, or not of bool or uint8.
    ValueError
        If it has fewer than two dimensions.

    Notes
    -----
    One pass over the bits, or over the runs; sums are exact integers. As ``scipy.ndimage.center_of_mass`` and
    scikit-image's ``regionprops``; OpenCV's moments are (x, y). On a device: two launches, no synchronisation, and run
    lengths are packed first.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> rapidmask.mask_centroids(np.array([[0, 1, 1, 0], [0, 1, 1, 1]], bool))
    array([0.6, 1.8])
    """
    if isinstance(masks, RLEMasks):
        module = _dispatch.backend(masks.counts)
        if hasattr(module, "rle_centroids"):  # on the host
            return module.rle_centroids(masks.counts, masks.offsets, *masks.size)
    array, width = bits_of(masks)
    return _dispatch.backend(array).mask_centroids(array, width)


def stability_score(logits: Array, *, threshold: float = 0.0, offset: float = 1.0) -> Array:
    """Score how little masks change with their threshold, as Segment Anything does.

    The score is the intersection over union of the masks at two thresholds: the number of logits above
    ``threshold + offset`` over that of logits above ``threshold - offset``.

    Parameters
    ----------
    logits : array of float32, float16 or bfloat16, shape (..., H, W)
        What masks are made of by comparison with the threshold.
    threshold : float
        The threshold of the masks.
    offset : float
        How far from it the two thresholds lie.

    Returns
    -------
    array of float32, shape (...)
        In the library and on the device of the input; NaN where no logit is above the lower threshold.

    Raises
    ------
    TypeError
        If ``logits`` is no array, or of another dtype.
    ValueError
        If it has fewer than two dimensions, or a threshold is NaN.

    Notes
    -----
    segment-anything's ``calculate_stability_score``, which adds up rows in int16 and so is wrong beyond 32767 columns;
    here all counts have 64 bits. The two thresholds are rounded to the logits' type, as torch does. One pass. On a
    device: two launches, no synchronisation.

    References
    ----------
    Kirillov et al., "Segment Anything", ICCV 2023.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> rapidmask.stability_score(np.array([[3.0, 2.0], [0.5, -2.0]], np.float32))
    array(0.6666667, dtype=float32)
    """
    threshold = as_number("stability_score", "threshold", threshold)
    offset = as_number("stability_score", "offset", offset)
    if math.isnan(threshold + offset) or math.isnan(threshold - offset):
        raise ValueError(f"stability_score: threshold and offset must not be NaN, got {threshold} and {offset}")
    return _dispatch.backend(logits).stability_score(logits, threshold + offset, threshold - offset)
