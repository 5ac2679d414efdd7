"""The command ``rapidmask``: pictures to masks, and masks between formats, at a shell."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments; those of the process by default.

    Returns
    -------
    int
        Exit status: 0; 1 when a file could not be done; 2 for wrong arguments; 130 when interrupted, 143 when
        terminated, 129 when the terminal was closed.
    """
    try:
        from ._app import run

        return run(list(sys.argv[1:] if argv is None else argv))
    except KeyboardInterrupt:  # while modules were loaded
        return 130
    except ImportError as error:
        if error.name is None or error.name.partition(".")[0] != "click":
            raise
        print('rapidmask: the command needs click: install rapidmask with its extra "cli"', file=sys.stderr)
        return 1
