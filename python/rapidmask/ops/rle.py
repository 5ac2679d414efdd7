"""COCO's run-length encoding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import _arrays, _cpu, _dispatch
from .._arrays import Array
from .._containers import PackedMasks, RLEMasks, _read_string
from ._masks import Masks, Output, check_output


def rle_encode(masks: Masks) -> RLEMasks:
    """Encode masks as COCO's run lengths.

    Parameters
    ----------
    masks : array of bool or uint8, shape (..., H, W), or PackedMasks or RLEMasks
        Any non-zero value is foreground. Leading dimensions become one.

    Returns
    -------
    RLEMasks
        Canonical runs, column by column, on the host.

    Raises
    ------
    TypeError
        If ``masks`` is no array, or not of bool or uint8.
    ValueError
        If it has fewer than two dimensions, or a mask has more than 2^32 - 1 pixels.
    NotImplementedError
        If the masks are on a device.

    Notes
    -----
    The runs are those of ``pycocotools.mask.encode``, which wants Fortran order and batches along the last axis; here
    any order does and the batch comes first.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> rapidmask.rle_encode(np.array([[0, 1], [1, 1]], bool)).to_coco("list")
    [{'size': [2, 2], 'counts': [1, 3]}]
    """
    if isinstance(masks, (PackedMasks, RLEMasks)):
        return masks.to_rle()
    masks = _arrays.with_shape(masks)
    counts, offsets = _dispatch.host_backend("rle_encode", masks).rle_encode(masks, None)
    height, width = masks.shape[-2:]
    return RLEMasks._wrap(counts, offsets, (int(height), int(width)))


def rle_decode(rle: RLEMasks | Sequence[dict[str, Any]], *, output: Output = "bool") -> Masks:
    """Decode run lengths.

    Parameters
    ----------
    rle : RLEMasks, or sequence of COCO's dictionaries
        N masks of one size.
    output : {"bool", "uint8", "packed", "rle"}
        The form of the result.

    Returns
    -------
    array (N, H, W), PackedMasks or RLEMasks
        The masks.

    Raises
    ------
    TypeError
        If ``rle`` holds anything but dictionaries.
    ValueError
        If the runs cannot be read or do not add up to H·W, or ``output`` is another.

    Examples
    --------
    >>> import rapidmask
    >>> rapidmask.rle_decode([{"size": [2, 2], "counts": [1, 3]}], output="uint8")
    array([[[0, 1],
            [1, 1]]], dtype=uint8)
    """
    check_output("rle_decode", output)
    masks = rle if isinstance(rle, RLEMasks) else RLEMasks.from_coco(rle)
    if output == "packed":
        return masks.to_packed()
    return masks if output == "rle" else masks.to_dense(output)


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
    runs = np.asarray(counts)
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
    return _read_string("rle_from_string", text)
