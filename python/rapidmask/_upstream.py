"""What each compat module says of the library that it stands in for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple


class Around(NamedTuple):
    """A replacement that makes use of what it replaces: it is called with upstream's own function before the rest."""

    function: Callable[..., Any]


class Upstream(NamedTuple):
    """A library that `rapidmask.patch` knows.

    Attributes
    ----------
    distribution : str
        Its name in the package index.
    versions : tuple of str
        The releases that it may be of: "2.0" stands for 2.0 and all of 2.0.*.
    replacements : callable
        Gives what takes the place of its functions, by their names: ``"module:function"`` or ``"module:Class.method"``:
        functions; `Around` functions; and modules, which are put where there may be none.
    falls_back : bool
        Whether the drop-ins raise NotImplementedError for calls that are left to upstream.
    optional : bool
        Whether modules of the library may be impossible to import, for want of yet another library: their functions are
        left out.
    aliases : bool
        Whether modules of the library import its functions from one another by name.
    """

    distribution: str
    versions: tuple[str, ...]
    replacements: Callable[[], dict[str, Any]]
    falls_back: bool = True
    aliases: bool = False
    optional: bool = False
