"""The one exception of the package's own, and how errors show what they were given."""

import operator
from typing import Any

_END = 2**63  # of what the compiled modules take
_LONGEST = 100  # characters of a value in a sentence


class CudaError(RuntimeError):
    """CUDA refused a call; the text is CUDA's own."""


def integers_of(values: Any, count: int) -> tuple[int, ...]:
    """Return that many integers of 64 bits; TypeError and ValueError, without a text, where there are others."""
    found = tuple(operator.index(value) for value in values)
    if len(found) != count or not all(-_END <= value < _END for value in found):
        raise ValueError
    return found


def shown(value: Any) -> str:
    """Return what an error says of a value: its repr or, where that is no short line, its type and shape."""
    try:
        text = repr(value)
    except Exception:  # whatever an object's own code raises, and ValueError of integers of thousands of digits
        text = ""
    if 0 < len(text) <= _LONGEST and text.isprintable():
        return text
    shape = getattr(value, "shape", None)
    return type(value).__name__ + (f" of shape {tuple(shape)}" if isinstance(shape, tuple) else "")
