"""Masks of boxes, as Mask R-CNN predicts them, pasted into images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, SupportsIndex

from .. import _arrays, _dispatch
from .._arrays import Array
from .._containers import PackedMasks, RLEMasks, _as_size, check_capacity, encoded
from .._errors import shown
from ._masks import (
    Masks,
    Output,
    as_capacity,
    as_flag,
    check_apart,
    check_integer,
    check_number,
    check_output,
    is_one_of,
)

_LARGEST_EXTENT = 2**31 - 1


class PasteStatistics(NamedTuple):
    """What is known of pasted masks.

    Attributes
    ----------
    areas : array of int64, shape (N,)
        The number of pixels of each mask.
    boxes : array of int64, shape (N, 4)
        The bounding box (x0, y0, x1, y1) of each, half-open; zeros for an empty mask.
    """

    areas: Array
    boxes: Array


def paste_masks(
    masks: Array,
    boxes: Array,
    size: Sequence[SupportsIndex],
    *,
    threshold: float = 0.5,
    op: Literal[">", ">="] = ">=",
    method: Literal["grid_sample", "interpolate"] = "grid_sample",
    padding: int = 1,
    output: Output = "bool",
    return_stats: bool = False,
    out: Array | None = None,
    capacity: SupportsIndex | None = None,
) -> Any:
    """Stretch masks to their boxes in an image and compare them with a threshold.

    Parameters
    ----------
    masks : array of float32, float16 or bfloat16, shape (N, h, w) or (N, 1, h, w)
        Probabilities, or other scores, of the pixels of each box.
    boxes : array of numbers, shape (N, 4)
        Corners (x0, y0, x1, y1) in pixels of the image; used as float32. They may reach beyond the image. A box that is
        not finite, or has no extent, gives an empty mask.
    size : (int, int)
        Height and width of the image.
    threshold : float
        What values are compared with.
    op : {">", ">="}
        The comparison.
    method : {"grid_sample", "interpolate"}
        "grid_sample" is detectron2's and mmdet's rule: pixel centres are sampled where they lie in the box, with zeros
        around the mask. "interpolate" is torchvision's: the mask is padded, the box grows by the same share and is
        truncated to whole pixels, and the mask is resized to these.
    padding : int
        Of "interpolate": how many zeros surround a mask.
    output : {"bool", "uint8", "packed", "rle"}
        The form of the masks.
    return_stats : bool
        Whether to return areas and bounding boxes too.
    out : array, optional
        Where to write: C-contiguous, of the result's type and shape. Not with "rle"; with "packed" the bits (N, H, S)
        as `PackedMasks` has them: rows of S = 8 * ceil(W / 64) bytes, 0 past the width.
    capacity : int, optional
        With "rle": how many runs all masks have together at most, for which a device need not be waited for; see
        `rle_encode`.

    Returns
    -------
    array of shape (N, H, W), PackedMasks or RLEMasks
        In the library and on the device of ``masks``.
    PasteStatistics
        Areas and bounding boxes of what is foreground. Only with ``return_stats``.

    Raises
    ------
    TypeError
        If an argument is no array, is on another device, or has a dtype that is not served.
    ValueError
        If shapes do not fit, the threshold is NaN, the padding is negative, or a name is unknown.

    Notes
    -----
    Pixels that no sample of a mask reaches are background, whatever the threshold. Values are those of torch's
    ``grid_sample`` or ``interpolate`` (bilinear, ``align_corners=False``), but for the rounding of their last bits; NaN
    is no foreground. No image of values is ever made: between four values that lie on one side of the threshold pixels
    are set in runs, and only around its crossings are they interpolated. "rle" encodes mask by mask.

    For a box without extent detectron2 has no foreground either, mmdet paints the mask's middle column or row, and
    torchvision one pixel. torchvision lets both sides of a box grow by the share of the mask's width: for masks that
    are not square its results differ. It returns the values, which its models compare with 0.5; detectron2 returns
    bool, or the values as uint8 where the threshold is negative.

    On a device: three launches, no synchronisation (but for "rle"); statistics take five more.

    References
    ----------
    He, Gkioxari, Dollár, Girshick, "Mask R-CNN", ICCV 2017. detectron2 ``layers/mask_ops.py``; mmdet 3.3
    ``fcn_mask_head.py``; torchvision 0.29 ``models/detection/roi_heads.py``.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> mask = np.array([[[0.9, 0.1], [0.9, 0.9]]], np.float32)
    >>> box = np.array([[1.0, 0.0, 5.0, 4.0]], np.float32)
    >>> rapidmask.paste_masks(mask, box, (4, 6), output="uint8")
    array([[[0, 1, 1, 0, 0, 0],
            [0, 1, 1, 0, 0, 0],
            [0, 1, 1, 1, 1, 0],
            [0, 1, 1, 1, 1, 0]]], dtype=uint8)
    """
    if not is_one_of(op, (">", ">=")):
        raise ValueError(f"paste_masks: op must be '>' or '>=', got {shown(op)}")
    if not is_one_of(method, ("grid_sample", "interpolate")):
        raise ValueError(f"paste_masks: method must be 'grid_sample' or 'interpolate', got {shown(method)}")
    check_output("paste_masks", output)
    check_apart("paste_masks", out, boxes=boxes)
    height, width = _as_size("paste_masks", size)
    if max(height, width) > _LARGEST_EXTENT:
        raise ValueError(f"paste_masks: size must be at most 2^31 - 1 by 2^31 - 1, got {(height, width)}")
    threshold = check_number("paste_masks", "threshold", threshold)
    padding = check_integer("paste_masks", "padding", padding)
    if not 0 <= padding < 2**20:
        raise ValueError(f"paste_masks: padding must be from 0 to 2^20 - 1, got {padding}")
    with_stats = as_flag("paste_masks", "return_stats", return_stats)
    boxes = _arrays.as_type(boxes, "float32")
    margin = padding if method == "interpolate" else 1
    most = as_capacity("paste_masks", output, capacity)
    module = _dispatch.backend(masks)
    if output == "rle" and out is not None:
        raise ValueError("paste_masks: out must be None when output is 'rle'")
    rule = (height, width, method, margin, float(threshold), op == ">")
    pasted: Masks
    if output == "rle" and hasattr(module, "paste_masks_rle"):
        counts, offsets, areas, found = module.paste_masks_rle(masks, boxes, *rule, with_stats)
        check_capacity("paste_masks", int(counts.shape[0]), most)
        pasted = RLEMasks._wrap(counts, offsets, (height, width))
    else:
        form = "packed" if output == "rle" else output
        pasted, areas, found = module.paste_masks(masks, boxes, *rule, form, with_stats, out)
        if form == "packed":
            packed = PackedMasks._wrap(pasted, (height, width))
            pasted = encoded(pasted, width, packed.size, most, "paste_masks") if output == "rle" else packed
    return (pasted, PasteStatistics(areas, found)) if with_stats else pasted
