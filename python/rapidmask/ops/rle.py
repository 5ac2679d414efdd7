"""COCO's run-length encoding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, SupportsIndex

import numpy as np
import numpy.typing as npt

from .. import _arrays, _cpu, _dispatch
from .._arrays import Array
from .._containers import PackedMasks, RLEMasks, encoded
from .._errors import integers_of, shown
from ._masks import Masks, Output, as_capacity, as_flag, as_host, check_apart, check_output, reported_as


def rle_encode(masks: Masks, *, capacity: SupportsIndex | None = None) -> RLEMasks:
    """Encode masks as COCO's run lengths.

    Parameters
    ----------
    masks : array of bool or uint8, shape (..., H, W), or PackedMasks or RLEMasks
        Any non-zero value is foreground. Leading dimensions become one.
    capacity : int, optional
        The most runs that all masks together have. On a device, memory for so many is reserved, and the call does not
        wait for their number. If there are more, `RLEMasks.overflowed` is true there, and whatever brings the masks to
        the host raises. On the host arrays have their exact size, and more runs than the capacity are an error.

    Returns
    -------
    RLEMasks
        Canonical runs, column by column, in the library and on the device of the input.

    Raises
    ------
    TypeError
        If ``masks`` is no array, or not of bool or uint8.
    ValueError
        If it has fewer than two dimensions, or a mask has more than 2^32 - 1 pixels; on the host, if
        there are more runs than the capacity.

    Notes
    -----
    The runs are those of ``pycocotools.mask.encode``, which wants Fortran order and batches along the last axis; here
    any order does and the batch comes first. On the host, masks whose rows or columns are contiguous are read as they
    lie: ``rle_encode(columns.transpose(2, 0, 1))`` copies nothing of pycocotools' arrays. Other strides are copied.
    On a device: six launches, and one synchronisation for the number of runs unless there is a capacity. Then
    ``rle_encode(masks, capacity=n).to_coco()`` waits once and copies once, whatever the number of masks.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> rapidmask.rle_encode(np.array([[0, 1], [1, 1]], bool)).to_coco("list")
    [{'size': [2, 2], 'counts': [1, 3]}]
    """
    most = as_capacity("rle_encode", "rle", capacity)
    if isinstance(masks, RLEMasks):
        return masks
    if isinstance(masks, PackedMasks):
        return masks.to_rle(capacity=most)
    masks = _arrays.with_shape(masks)
    # What is no array, or has no two axes, is refused by the module.
    height, width = tuple(getattr(masks, "shape", ()))[-2:] if len(getattr(masks, "shape", ())) > 1 else (0, 0)
    return encoded(masks, None, (int(height), int(width)), most, "rle_encode")


def _encode_coco(masks: Array) -> list[dict[str, Any]]:
    """Encode dense masks as COCO's dictionaries with bytes, without the runs in between."""
    masks = _arrays.with_shape(masks)
    result: list[dict[str, Any]] = _dispatch.host_backend("rle_encode", masks).rle_encode_coco(masks)
    return result


def rle_encode_labels(labels: Array) -> tuple[Any, ...]:
    """Encode every label of a map as a mask, in one pass over the pixels.

    Parameters
    ----------
    labels : array of integers or bool, shape (H, W) or (..., H, W)
        0 is background; every other value, negative ones included, is a mask of its own.

    Returns
    -------
    masks : RLEMasks
        Canonical runs on the host, of one map in ascending order of its values; those of a batch map after map.
    values : array of the type of ``labels``, shape (N,)
        The label of each mask.
    maps : array of int64, shape (N,)
        The map of each mask, counted over the leading dimensions in C order. Only for more than two dimensions.

    Raises
    ------
    TypeError
        If ``labels`` is no array, or of floating type.
    ValueError
        If it has fewer than two dimensions, or a map has more than 2^32 - 1 pixels.
    NotImplementedError
        If the labels are on a device.

    Notes
    -----
    The same as ``rle_encode(labels == values[:, None, None])`` without the dense masks: the cost is that of one mask
    and of the runs.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> masks, values = rapidmask.rle_encode_labels(np.array([[7, 7, 0], [0, 3, 3]]))
    >>> values
    array([3, 7])
    >>> masks.to_coco("list")
    [{'size': [2, 3], 'counts': [3, 1, 1, 1]}, {'size': [2, 3], 'counts': [0, 1, 1, 1, 3]}]
    """
    labels = _arrays.with_shape(labels)
    module = _dispatch.host_backend("rle_encode_labels", labels)
    counts, offsets, values, maps = module.rle_encode_labels(labels)
    height, width = labels.shape[-2:]
    masks = RLEMasks._wrap(counts, offsets, (int(height), int(width)))
    return (masks, values) if len(labels.shape) == 2 else (masks, values, maps)


def rle_decode(
    rle: RLEMasks | Sequence[dict[str, Any]],
    *,
    output: Output = "bool",
    crop: Sequence[int] | None = None,
    out: Array | None = None,
) -> Masks:
    """Decode run lengths, or a part of their pixels.

    Parameters
    ----------
    rle : RLEMasks, or sequence of COCO's dictionaries
        N masks of one size.
    output : {"bool", "uint8", "packed", "rle"}
        The form of the result.
    crop : (x0, y0, x1, y1), optional
        The box of pixels to decode, half-open, within the masks: (0, 0, W, H) by default.
    out : array, optional
        Where to write: C-contiguous, of the result's type and shape. Not with "rle"; with "packed" the bits (N, H, S)
        as `PackedMasks` has them: rows of S = 8 * ceil(W / 64) bytes, 0 past the width.

    Returns
    -------
    array (N, H, W), PackedMasks or RLEMasks
        The masks, of the size of the crop.

    Raises
    ------
    TypeError
        If ``rle`` holds anything but dictionaries, or ``out`` has another type.
    ValueError
        If the runs cannot be read or do not add up to H·W, the crop is not within the masks, ``out`` does not fit, or
        ``output`` is another.

    Notes
    -----
    pycocotools' ``decode`` gives (H, W, N) in Fortran order; this gives (N, H, W) in C order. A new dense result of
    NumPy costs only what the boxes of the masks cover, since its memory is zero already; ``out`` saves the system
    the making of new memory. Nothing outside a crop is decoded but the sum of its runs. On a device: three launches,
    no synchronisation and so no check of the runs.

    Examples
    --------
    >>> import rapidmask
    >>> rapidmask.rle_decode([{"size": [2, 2], "counts": [1, 3]}], output="uint8")
    array([[[0, 1],
            [1, 1]]], dtype=uint8)
    >>> rapidmask.rle_decode([{"size": [2, 2], "counts": [1, 3]}], output="uint8", crop=(1, 0, 2, 2))
    array([[[1],
            [1]]], dtype=uint8)
    """
    check_output("rle_decode", output)
    masks = _runs("rle_decode", rle)
    if output == "rle" and out is not None:
        raise ValueError("rle_decode: out must be None when output is 'rle'")
    if output == "rle" and crop is None:
        return masks
    box = None if crop is None else _as_box(crop)
    size = masks.size if box is None else (box[3] - box[1], box[2] - box[0])
    check_apart("rle_decode", out, offsets=masks.offsets)
    form = "packed" if output == "rle" else output
    module = _dispatch.backend(masks.counts)
    result = module.rle_decode(masks.counts, masks.offsets, *masks.size, form, box, out)
    if form != "packed":
        return result
    packed = PackedMasks._wrap(result, size)
    return packed.to_rle() if output == "rle" else packed


def _runs(function: str, rle: RLEMasks | Sequence[dict[str, Any]]) -> RLEMasks:
    if isinstance(rle, RLEMasks):
        return rle
    if isinstance(rle, Mapping):
        raise TypeError(f"{function}: rle must be a sequence of dictionaries, got a single one: put it into a list")
    if isinstance(rle, Sequence) and len(rle) > 0 and isinstance(rle[0], RLEMasks):
        raise TypeError(f"{function}: rle must be one batch, got several: RLEMasks.concatenate joins them")
    with reported_as(function):
        return RLEMasks.from_coco(rle)


def _as_box(crop: Sequence[int]) -> tuple[int, int, int, int]:
    try:
        x0, y0, x1, y1 = integers_of(crop, 4)
    except (TypeError, ValueError):
        raise ValueError(f"rle_decode: crop must be four integers (x0, y0, x1, y1), got {shown(crop)}") from None
    return x0, y0, x1, y1


def rle_merge(rle: RLEMasks | Sequence[dict[str, Any]], *, intersect: bool = False) -> RLEMasks:
    """Merge masks to one: their union, or their intersection.

    Parameters
    ----------
    rle : RLEMasks, or sequence of COCO's dictionaries
        N masks of one size.
    intersect : bool
        Whether to keep the pixels that are in every mask rather than those in any.

    Returns
    -------
    RLEMasks
        One mask; an empty one where there is none to merge.

    Raises
    ------
    TypeError
        If ``rle`` holds anything but dictionaries.
    ValueError
        If the runs cannot be read or do not add up to H·W.
    NotImplementedError
        If the masks are on a device.

    Notes
    -----
    Nothing is decoded. pycocotools' ``merge`` gives a mask of size (0, 0) for no masks and for masks whose sizes
    differ; here the size stays, and sizes that differ are refused.

    Examples
    --------
    >>> import rapidmask
    >>> left, right = {"size": [1, 3], "counts": [0, 2, 1]}, {"size": [1, 3], "counts": [1, 2]}
    >>> rapidmask.rle_merge([left, right]).to_coco("list")
    [{'size': [1, 3], 'counts': [0, 3]}]
    >>> rapidmask.rle_merge([left, right], intersect=True).to_coco("list")
    [{'size': [1, 3], 'counts': [1, 1, 1]}]
    """
    masks = _runs("rle_merge", rle)
    module = _dispatch.host_backend("rle_merge", masks.counts)
    counts, offsets = module.rle_merge(
        masks.counts, masks.offsets, *masks.size, as_flag("rle_merge", "intersect", intersect)
    )
    return RLEMasks._wrap(counts, offsets, masks.size)


def rle_to_string(counts: npt.ArrayLike) -> bytes:
    """Compress one mask's counts to COCO's string.

    Parameters
    ----------
    counts : array of integers, shape (K,)
        Runs, the first of background.

    Returns
    -------
    bytes
        As ``pycocotools`` writes them.

    Examples
    --------
    >>> import rapidmask
    >>> rapidmask.rle_to_string([5, 2, 2, 2, 2, 2, 5])
    b'5220003'
    """
    runs = as_host("rle_to_string", "counts", counts)
    if runs.ndim != 1 or (runs.size and (runs.dtype.kind not in "iu" or runs.min() < 0 or runs.max() > 0xFFFFFFFF)):
        raise ValueError("rle_to_string: counts must be a list of integers from 0 to 2^32 - 1")
    return _cpu.rle_to_string(runs.astype(np.uint32))


def rle_from_string(text: bytes | str) -> Array:
    """Read the counts of COCO's string.

    Parameters
    ----------
    text : bytes or str
        Compressed counts of one mask.

    Returns
    -------
    array of uint32, shape (K,)
        The runs.

    Raises
    ------
    TypeError
        If ``text`` is neither bytes nor str.
    ValueError
        If it is no list of counts from 0 to 2^32 - 1.

    Examples
    --------
    >>> import rapidmask
    >>> rapidmask.rle_from_string("5220003").tolist()
    [5, 2, 2, 2, 2, 2, 5]
    """
    return _cpu.rle_from_string(text)
