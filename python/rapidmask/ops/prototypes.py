"""Prototypes and coefficients to masks."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, Literal, SupportsIndex

from .. import _arrays, _dispatch
from .._arrays import Array
from .._errors import shown
from ._decoded import Activation, as_extents, check_options, given_back
from ._masks import Output, as_capacity, as_flag, check_apart, check_number, is_one_of

_LOGITS = ("float32", "float16", "bfloat16")


def _factor(pre_upsample: Any, letterbox: object) -> int:
    """Return a positive factor, or 0 for that of ultralytics."""
    if is_one_of(pre_upsample, ("auto",)):
        if letterbox is None:
            raise ValueError("decode_prototypes: pre_upsample must be a number where letterbox is None, got 'auto'")
        return 0
    try:
        factor = 0 if isinstance(pre_upsample, bool) else operator.index(pre_upsample)
    except TypeError:
        factor = 0
    if factor < 1:
        raise ValueError(
            f"decode_prototypes: pre_upsample must be a positive integer or 'auto', got {shown(pre_upsample)}"
        )
    return factor


def decode_prototypes(
    prototypes: Array,
    coefficients: Array,
    boxes: Array,
    size: Sequence[SupportsIndex],
    *,
    batch_index: Array | None = None,
    threshold: float = 0.0,
    op: Literal[">", ">="] = ">",
    crop: Literal["after", "before"] = "after",
    letterbox: Sequence[SupportsIndex] | None = None,
    pre_upsample: int | Literal["auto"] = 1,
    activation: Activation = None,
    output: Output = "bool",
    return_stats: bool = False,
    offset: float = 1.0,
    out: Array | None = None,
    capacity: SupportsIndex | None = None,
) -> Any:
    """Make the masks of detections from prototypes, each within its box, as YOLO and YOLACT do.

    Parameters
    ----------
    prototypes : array of float32, float16 or bfloat16, shape (C, h, w) or (B, C, h, w)
        Of one image, or of several.
    coefficients : array of float32, float16 or bfloat16, shape (N, C)
        Of each detection. Used as float32.
    boxes : array, shape (N, 4)
        (x0, y0, x1, y1) in pixels of the masks, used as float32 and not rounded. A column x is within a box where
        ``x0 <= x < x1``.
    size : (int, int)
        Height and width of the masks.
    batch_index : array of int64, shape (N,), optional
        The image of each detection, where prototypes are those of several.
    threshold : float
        What values are compared with, after it was rounded to float32.
    op : {">", ">="}
        The comparison.
    crop : {"after", "before"}
        Whether boxes crop the masks, or the prototypes' grid before it is resized: then cells whose index is outside
        of the box, scaled to the grid, are 0.
    letterbox : (int, int), optional
        Height and width of the padded model input, if the picture was put into its middle. The padding is cut from the
        prototypes before they are resized, as ultralytics does it. Where it lies is computed on the prototypes' own
        grid from the sizes of grid and picture; the two numbers are used by ``pre_upsample="auto"`` alone.
    pre_upsample : int or "auto"
        A factor by which prototypes are resized before the padding is cut. "auto" is that of ultralytics'
        ``process_mask_native``: 1, 2 or 4, so that the padding of the model input is whole numbers.
    activation : {None, "sigmoid"}
        What is applied to the linear combinations before they are cropped or resized.
    output : {"bool", "uint8", "packed", "rle"}
        The form of the masks.
    return_stats : bool
        Whether to return statistics too, of the values within boxes; with ``crop="before"`` of all, zeros included.
    offset : float
        That of the stability score.
    out : array, optional
        Where to write: C-contiguous, of the result's type and shape. Not with "rle"; with "packed" the bits (N, H, S)
        as `PackedMasks` has them: rows of S = 8 * ceil(W / 64) bytes, 0 past the width.
    capacity : int, optional
        With "rle": how many runs all masks have together at most, for which a device need not be waited for; see
        `rle_encode`.

    Returns
    -------
    masks : array (N, H, W), PackedMasks or RLEMasks
        In the library and on the device of ``prototypes``.
    statistics : MaskStatistics
        Areas, boxes and stability scores. Only with ``return_stats``.

    Raises
    ------
    TypeError
        If an argument is no array of its types (float64 prototypes have to be converted), or on another device.
    ValueError
        If shapes do not fit, ``crop="before"`` meets a letterbox, a number is NaN, or a name is unknown.

    Notes
    -----
    With H and W those of ``size``, and protos (C, h, w) of a model input of four times that:

    - ultralytics 8.4 ``process_mask(upsample=True)`` is the default; without ``upsample`` it is ``size=(h, w)`` with
      boxes scaled by the caller; 8.0 to 8.3 are ``crop="before"``, 8.0 also ``activation="sigmoid", threshold=0.5``;
    - ``process_mask_native`` is ``letterbox=(4 * h, 4 * w), pre_upsample="auto"``;
    - YOLACT is ``crop="before", activation="sigmoid", threshold=0.5`` with boxes that are larger by a cell on each
      side, W / w and H / h pixels.

    The sum over channels has a fixed order, and operations are rounded by themselves, so that all processors and
    devices give the same masks; a library that multiplies matrices may differ where a value is within rounding of the
    threshold. Only cells and pixels that boxes touch are computed. Memory beyond the result: the prototypes of one
    image, the logits of one box on each thread; with "rle" the bits of one mask on each thread. On a device: one
    launch, and two more for statistics; no synchronisation (but for "rle"); a detection of no image is empty.

    References
    ----------
    Bolya et al., "YOLACT: Real-time Instance Segmentation", 2019.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> prototypes = np.array([[[1, -1], [1, 1]]], np.float32)
    >>> coefficients, boxes = np.ones((1, 1), np.float32), np.array([[0, 0, 3, 4]])
    >>> rapidmask.decode_prototypes(prototypes, coefficients, boxes, (4, 4), output="uint8")
    array([[[1, 1, 0, 0],
            [1, 1, 0, 0],
            [1, 1, 1, 0],
            [1, 1, 1, 0]]], dtype=uint8)
    """
    number = check_options("decode_prototypes", op, activation, output, out, threshold)
    check_apart("decode_prototypes", out, coefficients=coefficients, boxes=boxes, batch_index=batch_index)
    if not is_one_of(crop, ("after", "before")):
        raise ValueError(f"decode_prototypes: crop must be 'after' or 'before', got {shown(crop)}")
    if crop == "before" and letterbox is not None:
        raise ValueError("decode_prototypes: letterbox must be None when crop is 'before'")
    height, width = as_extents("decode_prototypes", "size", size)
    prototypes = _arrays.with_shape(prototypes)
    given = (
        prototypes,
        _arrays.as_type(coefficients, "float32", only=_LOGITS),
        _arrays.as_type(boxes, "float32"),
        None if batch_index is None else _arrays.as_type(batch_index, "int64", only=("int32", "int64")),
        (height, width),
        number,
        op,
        crop,
        None if letterbox is None else as_extents("decode_prototypes", "letterbox", letterbox),
        _factor(pre_upsample, letterbox),
        activation or "none",
    )
    with_stats = as_flag("decode_prototypes", "return_stats", return_stats)
    reach = check_number("decode_prototypes", "offset", offset) if with_stats else None
    most = as_capacity("decode_prototypes", output, capacity)
    module = _dispatch.backend(prototypes)
    if output == "rle" and hasattr(module, "decode_prototype_runs"):
        result = module.decode_prototype_runs(*given, reach)
    else:
        result = module.decode_prototypes(*given, "packed" if output == "rle" else output, reach, out)
    return given_back("decode_prototypes", result, (height, width), output, with_stats, most)
