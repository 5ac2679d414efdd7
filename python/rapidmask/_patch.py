"""Putting drop-ins in place of other libraries' functions, and taking them away again."""

from __future__ import annotations

import importlib
import threading
from types import TracebackType
from typing import Any

_LIBRARIES = ("pycocotools",)

_lock = threading.RLock()
# By library that is patched: how many patches are in place, and what stood there before by module and name.
_patched: dict[str, tuple[int, dict[tuple[str, str], Any]]] = {}


class Patch:
    """What `patch` put in place; leaving it as a context manager takes it away."""

    def __init__(self, libraries: tuple[str, ...]) -> None:
        self._libraries = libraries

    def __enter__(self) -> Patch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.undo()

    def undo(self) -> None:
        """Take this patch away; once is enough."""
        libraries, self._libraries = self._libraries, ()
        with _lock:
            for library in libraries:
                _leave(library)

    def __repr__(self) -> str:
        return f"Patch({', '.join(map(repr, self._libraries))})"


def patch(*libraries: str) -> Patch:
    """Put rapidmask in place of functions of other libraries.

    Parameters
    ----------
    *libraries : {"pycocotools"}
        The libraries, which are imported. `rapidmask.compat` has a module for each, which says what version it follows
        and where it differs.

    Returns
    -------
    Patch
        A context manager at whose end the functions are restored; without it they stay until `unpatch`.

    Raises
    ------
    ValueError
        If there is no drop-in for a library, or none is named.
    ImportError
        If a library is not installed. Nothing is patched then.

    Notes
    -----
    Functions are replaced in their modules: ``pycocotools.mask.iou`` is rapidmask's for everyone who calls it by that
    name, ``pycocotools.coco.COCO``, ``COCOeval`` and torchmetrics among them; who imported the function itself before
    keeps upstream's. Patches of one library may be nested; the last to leave restores it.

    Examples
    --------
    >>> import rapidmask
    >>> with rapidmask.patch("pycocotools"):  # doctest: +SKIP
    ...     evaluator.evaluate()
    """
    if not libraries:
        raise ValueError(f"patch: name at least one library of {', '.join(_LIBRARIES)}")
    _check("patch", libraries)
    entered: list[str] = []
    with _lock:
        try:
            for library in libraries:
                _enter(library)
                entered.append(library)
        except BaseException:
            for library in entered:
                _leave(library)
            raise
    return Patch(libraries)


def unpatch(*libraries: str) -> None:
    """Restore the functions of libraries that are patched, however often, or of all of them.

    Parameters
    ----------
    *libraries : str
        As for `patch`; none for all. A library that is not patched is left alone.

    Raises
    ------
    ValueError
        If there is no drop-in for a library.
    """
    _check("unpatch", libraries)
    with _lock:
        for library in libraries or tuple(_patched):
            if library in _patched:
                _restore(_patched.pop(library)[1])


def _check(function: str, libraries: tuple[str, ...]) -> None:
    for library in libraries:
        if library not in _LIBRARIES:
            raise ValueError(f"{function}: libraries must be of {', '.join(_LIBRARIES)}, got {library!r}")


def _enter(library: str) -> None:
    if library in _patched:
        count, originals = _patched[library]
        _patched[library] = (count + 1, originals)
        return
    replacements = importlib.import_module(f"rapidmask.compat.{library}").replacements()
    targets = {tuple(name.rsplit(".", 1)): function for name, function in replacements.items()}
    originals = {(module, name): getattr(importlib.import_module(module), name) for module, name in targets}
    for (module, name), function in targets.items():
        setattr(importlib.import_module(module), name, function)
    _patched[library] = (1, originals)


def _leave(library: str) -> None:
    if library not in _patched:
        return
    count, originals = _patched[library]
    if count > 1:
        _patched[library] = (count - 1, originals)
        return
    del _patched[library]
    _restore(originals)


def _restore(originals: dict[tuple[str, str], Any]) -> None:
    for (module, name), function in originals.items():
        setattr(importlib.import_module(module), name, function)
