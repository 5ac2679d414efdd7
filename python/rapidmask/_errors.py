"""The one exception of the package's own, and how errors show what they were given."""

from typing import Any

_LONGEST = 100  # characters of a value in a sentence


class CudaError(RuntimeError):
    """CUDA refused a call; the text is CUDA's own."""


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
