"""What operations on masks share: the three forms that masks come in, and the forms that results take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

from .. import _arrays, _dispatch
from .._arrays import Array
from .._containers import PackedMasks, RLEMasks

Masks: TypeAlias = Any  # a dense array (..., H, W) of bool or uint8, PackedMasks or RLEMasks
Output: TypeAlias = Literal["bool", "uint8", "packed", "rle"]

OUTPUTS = ("bool", "uint8", "packed", "rle")


def check_output(function: str, output: str) -> None:
    """Raise unless ``output`` names a form of masks."""
    if output not in OUTPUTS:
        raise ValueError(f"{function}: output must be one of {', '.join(OUTPUTS)}, got {output!r}")


def check_connectivity(function: str, connectivity: int) -> int:
    """Return the number of neighbours, if it is one of a plane."""
    if connectivity not in (4, 8):
        raise ValueError(f"{function}: connectivity must be 4 or 8, got {connectivity!r}")
    return int(connectivity)


def as_dense(masks: Masks) -> Array:
    """Return masks of any form as a dense array."""
    return masks.to_dense() if isinstance(masks, (PackedMasks, RLEMasks)) else masks


def filter_masks(masks: Masks, apply: Callable[[Array], Array]) -> Masks:
    """Apply a function from dense masks to dense masks, and give back the form that came."""
    if isinstance(masks, PackedMasks):
        dense = apply(masks.to_dense("uint8"))
        return PackedMasks._wrap(_dispatch.backend(dense).pack(dense), masks.size)
    if isinstance(masks, RLEMasks):
        counts, offsets = _dispatch.host_backend("rle_encode", masks.counts).rle_encode(
            apply(masks.to_dense("uint8")), None
        )
        return RLEMasks._wrap(counts, offsets, masks.size)
    return apply(masks)


def bits_of(masks: Masks) -> tuple[Array, int | None]:
    """Return what the modules take for masks: a dense array and None, or the bits of packed masks and their width.

    Run-length encoded masks are packed first.
    """
    if isinstance(masks, RLEMasks):
        masks = masks.to_packed()
    if isinstance(masks, PackedMasks):
        return masks.data, masks.size[1]
    return _arrays.with_shape(masks), None


def map_masks(masks: Masks, apply: Callable[[Any, Array, int | None], Array]) -> Masks:
    """Apply ``apply(module, array, width)``, from masks to masks of the same form, and give back the form that came."""
    array, width = bits_of(masks)
    result = apply(_dispatch.backend(array), array, width)
    if width is None:
        return result
    packed = PackedMasks._wrap(result, masks.size)
    return packed.to_rle() if isinstance(masks, RLEMasks) else packed


def wrap_packed(result: Array, image: Array, output: Output) -> Masks:
    """Give a kernel's result the form that was asked for: dense as it is, otherwise made of packed bits."""
    if output in ("bool", "uint8"):
        return result
    height, width = image.shape[-2:]
    packed = PackedMasks._wrap(result, (int(height), int(width)))
    return packed if output == "packed" else packed.to_rle()
