"""Between dense masks and one bit per pixel."""

from __future__ import annotations

import numpy.typing as npt

from .. import _arrays, _dispatch
from .._arrays import Array
from .._containers import PackedMasks, RLEMasks, _wants_bool
from ._masks import Masks


def pack(masks: Masks) -> PackedMasks:
    """Pack masks to one bit per pixel.

    Parameters
    ----------
    masks : array of bool or uint8, shape (..., H, W), or PackedMasks or RLEMasks
        Any non-zero value is foreground. Leading dimensions become one.

    Returns
    -------
    PackedMasks
        N masks, N the product of the leading dimensions, in the library and on the device of the input.

    Raises
    ------
    TypeError
        If ``masks`` is no array, or not of bool or uint8.
    ValueError
        If it has fewer than two dimensions.

    Notes
    -----
    The bits are those of ``numpy.packbits(masks, axis=-1, bitorder="little")``, each row padded to 8 bytes. One pass:
    reads a byte and writes a bit per pixel. On a device: one launch, no synchronisation.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> rapidmask.pack(np.array([[0, 1, 1], [1, 0, 0]], np.uint8)).data[0, :, 0]
    array([6, 1], dtype=uint8)
    """
    if isinstance(masks, (PackedMasks, RLEMasks)):
        return masks.to_packed()
    masks = _arrays.with_shape(masks)
    data = _dispatch.backend(masks).pack(masks)
    height, width = masks.shape[-2:]
    return PackedMasks._wrap(data, (int(height), int(width)))


def unpack(packed: PackedMasks, *, dtype: npt.DTypeLike = bool, out: Array | None = None) -> Array:
    """Unpack masks to one byte per pixel.

    Parameters
    ----------
    packed : PackedMasks
        N masks.
    dtype : bool or uint8
        Type of the result; its values are 0 and 1.
    out : array (N, H, W), optional
        Where to write: C-contiguous, of that type, on the same device.

    Returns
    -------
    array (N, H, W)
        In the library and on the device of the bits.

    Raises
    ------
    TypeError
        If ``packed`` is no PackedMasks, or the type is another.

    Notes
    -----
    One pass: reads a bit and writes a byte per pixel. On a device: one launch, no synchronisation.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> rapidmask.unpack(rapidmask.pack(np.eye(2, dtype=bool)), dtype=np.uint8)
    array([[[1, 0],
            [0, 1]]], dtype=uint8)
    """
    if not isinstance(packed, PackedMasks):
        raise TypeError(f"unpack: packed must be PackedMasks, got {type(packed).__name__}")
    return _dispatch.backend(packed.data).unpack(packed.data, packed.size[1], _wants_bool("unpack", dtype), out)
