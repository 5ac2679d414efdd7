"""The one exception of the package's own, and how errors show what they were given."""

import contextlib
import operator
from collections.abc import Iterator
from typing import Any

_END = 2**63  # of what the compiled modules take
_LONGEST = 100  # characters of a value in a sentence
_LONGEST_TEXT = 300  # characters of what another library says
_REFUSALS = (NotImplementedError, MemoryError, OverflowError, TypeError, ValueError)


class CudaError(RuntimeError):
    """CUDA refused a call; the text is CUDA's own."""


class UnreadableError(ValueError):
    """A file is not what it should be: the function that read it, its path, and what is wrong (`reason`)."""

    def __init__(self, function: str, path: str, reason: str) -> None:
        super().__init__(function, path, reason)
        self.reason = reason

    def __str__(self) -> str:
        return "{}: {} {}".format(*self.args)


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


def told(text: Any) -> str:
    """Return what an error says of another error, or of a text that came from elsewhere: one line, not too long."""
    line = " ".join(str(text).split()) or type(text).__name__
    return line if len(line) <= _LONGEST_TEXT else line[: _LONGEST_TEXT - 1] + "…"


@contextlib.contextmanager
def refusing_as(function: str) -> Iterator[None]:
    """Within, what functions beneath refuse is refused in the name of the one that was called."""
    try:
        yield
    except _REFUSALS as error:
        beneath, colon, rest = str(error).partition(": ")
        kind = next(kind for kind in _REFUSALS if isinstance(error, kind))
        raise kind(f"{function}: {told(rest if colon and beneath.isidentifier() else error)}") from error
