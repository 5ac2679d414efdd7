"""``rapidmask info``: what this installation can do."""

from __future__ import annotations

import platform

import click
import numpy as np

from .. import __version__
from .._dispatch import cuda_status
from .._runtime import get_num_threads, isa, isa_levels
from ._batch import say


@click.command()
def command() -> int:
    """Show the version, instruction level, threads and GPUs.

    \b
    Example:
      rapidmask info
    """
    cuda = cuda_status()
    if not cuda["built"]:
        devices = "not built"
    elif cuda["devices"]:
        devices = ", ".join(cuda["devices"])
    else:
        devices = f"built, no device ({cuda['error'] or 'none found'})"
    say(f"rapidmask          {__version__}")
    say(f"Python             {platform.python_version()}")
    say(f"NumPy              {np.__version__}")
    say(f"instruction level  {isa()} (of {', '.join(isa_levels())})")
    say(f"threads            {get_num_threads()}")
    say(f"CUDA               {devices}")
    return 0
