"""Areas and bounding boxes of masks."""

from __future__ import annotations

from typing import Literal

from .. import _dispatch
from .._arrays import Array
from .._containers import PackedMasks, RLEMasks
from ._masks import Masks


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
    if format not in ("xyxy", "xywh"):
        raise ValueError(f"masks_to_boxes: format must be 'xyxy' or 'xywh', got {format!r}")
    if isinstance(masks, (PackedMasks, RLEMasks)):
        boxes = masks.boxes()
    else:
        boxes = _dispatch.backend(masks).masks_to_boxes(masks, None)
    if format == "xywh":
        boxes[..., 2:] -= boxes[..., :2]
    elif inclusive:
        boxes[..., 2:] -= boxes[..., 2:].clip(0, 1)  # empty masks keep their zeros
    return boxes
