"""What operations on masks share: the three forms that masks come in, and the forms that results take."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, SupportsIndex, TypeAlias

import numpy as np

from .. import _arrays, _dispatch
from .._arrays import Array, HostArray
from .._containers import PackedMasks, RLEMasks, encoded
from .._errors import shown

Masks: TypeAlias = Any  # a dense array (..., H, W) of bool or uint8, PackedMasks or RLEMasks
Output: TypeAlias = Literal["bool", "uint8", "packed", "rle"]

OUTPUTS = ("bool", "uint8", "packed", "rle")


def is_one_of(value: Any, names: tuple[str, ...]) -> bool:
    """Whether a value is one of some names, whatever else it may be."""
    return isinstance(value, str) and value in names


def as_name(function: str, argument: str, value: Any) -> str:
    """Return a value that may be the name of something: the modules know which there are."""
    if isinstance(value, str) and value.isascii() and value.isprintable():
        return value
    raise ValueError(f"{function}: {argument} must be a name, got {shown(value)}")


def as_host(function: str, argument: str, value: Any) -> HostArray:
    """Return an array of any library in host memory, or what NumPy makes one of, as one of NumPy's."""
    try:
        is_array = hasattr(value, "shape") and not isinstance(value, np.generic)
        return _arrays.to_host(value) if is_array else np.asarray(value)
    except (TypeError, ValueError, AttributeError, RuntimeError, BufferError, OverflowError):
        raise TypeError(f"{function}: {argument} must be an array, got {shown(value)}") from None


def as_flag(function: str, argument: str, value: Any) -> bool:
    """Return a value as a boolean."""
    if value is True or value is False:
        return bool(value)
    try:
        return bool(value)
    except (TypeError, ValueError, RuntimeError):  # of arrays with several elements
        raise TypeError(f"{function}: {argument} must be True or False, got {shown(value)}") from None


def check_output(function: str, output: str) -> None:
    """Raise unless ``output`` names a form of masks."""
    if not is_one_of(output, OUTPUTS):
        raise ValueError(f"{function}: output must be one of {', '.join(OUTPUTS)}, got {shown(output)}")


def as_capacity(function: str, output: str, capacity: SupportsIndex | None) -> int | None:
    """Return a number of runs that there is to be room for, if one is given."""
    if capacity is None:
        return None
    if output != "rle":
        raise ValueError(f"{function}: capacity must be None unless output is 'rle', got {capacity!r}")
    number = check_integer(function, "capacity", capacity)
    if not 0 <= number < 2**40:
        raise ValueError(f"{function}: capacity must be from 0 to 2^40 - 1, got {number}")
    return number


def check_connectivity(function: str, connectivity: int, *, volumes: bool = False) -> int:
    """Return the number of neighbours, if it is one of a plane or, with ``volumes``, of a plane or volume."""
    try:
        known = connectivity in ((4, 8, 6, 18, 26) if volumes else (4, 8))
    except (TypeError, ValueError, RuntimeError):  # of arrays, which are compared element by element
        known = False
    if not known:
        allowed = "4 or 8 (images), 6, 18 or 26 (volumes)" if volumes else "4 or 8"
        raise ValueError(f"{function}: connectivity must be {allowed}, got {shown(connectivity)}")
    return int(connectivity)


def bits_of(masks: Masks) -> tuple[Array, int | None]:
    """Return what the modules take for masks: a dense array and None, or the bits of packed masks and their width.

    Run-length encoded masks are packed first.
    """
    if isinstance(masks, RLEMasks):
        masks = masks.to_packed()
    if isinstance(masks, PackedMasks):
        return masks.data, masks.size[1]
    return _arrays.with_shape(masks), None


def as_number(function: str, argument: str, value: Any) -> float:
    """Return a real number as a float."""
    try:
        if isinstance(value, np.complexfloating):
            raise TypeError
        return float(value)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        raise TypeError(f"{function}: {argument} must be a number, got {shown(value)}") from None


def check_number(function: str, argument: str, value: Any) -> float:
    """Return a number, which must not be NaN, as a float."""
    number = as_number(function, argument, value)
    if math.isnan(number):
        raise ValueError(f"{function}: {argument} must not be NaN, got {shown(value)}")
    return number


def check_integer(function: str, argument: str, value: Any) -> int:
    """Return a value as an integer of 64 bits."""
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{function}: {argument} must be an integer, got {shown(value)}") from None
    if not -(2**63) <= number < 2**63:
        raise ValueError(f"{function}: {argument} must be of 64 bits, got {shown(number)}")
    return number


@contextmanager
def reported_as(function: str) -> Iterator[None]:
    """Within, what another function refuses is reported as this one's."""
    try:
        yield
    except (TypeError, ValueError) as error:
        other, colon, text = str(error).partition(": ")
        if not colon or not other.isidentifier() or other == function:
            raise
        raise type(error)(f"{function}: {text}") from None


def check_out(function: str, masks: Masks, out: Array | None) -> None:
    """Raise if ``out`` is given for masks whose result is no dense array."""
    if out is not None and isinstance(masks, (PackedMasks, RLEMasks)):
        raise ValueError(f"{function}: out must be None unless masks are a dense array")


def check_apart(function: str, out: Array | None, **others: Any) -> None:
    """Raise if ``out`` overlaps one of the other arrays in host memory, which are read after it is written to."""
    if out is None or _arrays.is_on_cuda(out) or not hasattr(out, "dtype"):
        return
    written = _arrays.to_host(out)
    for name, array in others.items():
        on_host = hasattr(array, "dtype") and not _arrays.is_on_cuda(array)
        if on_host and np.may_share_memory(written, _arrays.to_host(array)):
            raise ValueError(f"{function}: out must not overlap {name}")


def map_masks(masks: Masks, apply: Callable[[Any, Array, int | None], Array]) -> Masks:
    """Apply ``apply(module, array, width)``, from masks to masks of the same form, and give back the form that came."""
    array, width = bits_of(masks)
    result = apply(_dispatch.backend(array), array, width)
    if width is None:
        return result
    packed = PackedMasks._wrap(result, masks.size)
    return packed.to_rle() if isinstance(masks, RLEMasks) else packed


def wrap_packed(function: str, result: Array, image: Array, output: Output, capacity: int | None = None) -> Masks:
    """Give a kernel's result the form that was asked for: dense as it is, otherwise made of packed bits."""
    if output in ("bool", "uint8"):
        return result
    height, width = image.shape[-2:]
    size = int(height), int(width)
    return PackedMasks._wrap(result, size) if output == "packed" else encoded(result, size[1], size, capacity, function)
