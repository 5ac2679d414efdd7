"""Settings of the process: threads and instruction level."""

from __future__ import annotations

import operator

from . import _cpu
from ._errors import shown
from .ops._masks import as_name


def get_num_threads() -> int:
    """Return how many threads a call may use.

    Returns
    -------
    int
        By default the processors that the process may run on, or ``RAPIDMASK_NUM_THREADS``.
    """
    return _cpu.get_num_threads()


def set_num_threads(count: int) -> None:
    """Set how many threads a call may use, for the whole process.

    Parameters
    ----------
    count : int
        From 1 to 4096; small inputs stay on the calling thread whatever it is.

    Raises
    ------
    TypeError
        If it is no integer.
    ValueError
        If it is outside that range.
    """
    try:
        number = operator.index(count)
    except TypeError:
        raise TypeError(f"set_num_threads: count must be an integer, got {shown(count)}") from None
    _cpu.set_num_threads(number)


def isa() -> str:
    """Return the instruction level in use: "baseline", "x86_v3" or "x86_v4"."""
    return _cpu.isa()


def isa_levels() -> list[str]:
    """Return the instruction levels that this processor has, worst first."""
    return _cpu.isa_levels()


def set_isa(name: str) -> None:
    """Choose the instruction level for the whole process, for tests and comparisons.

    Parameters
    ----------
    name : str
        One of `isa_levels`. ``RAPIDMASK_ISA`` chooses it at start. All levels give the same results.

    Raises
    ------
    ValueError
        If the processor does not have it.
    """
    _cpu.set_isa(as_name("set_isa", "name", name))


# What the environment asks for wrongly is told at import, not in the middle of a job.
get_num_threads()
isa()
