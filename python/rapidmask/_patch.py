"""Putting drop-ins in place of other libraries' functions, and taking them away again."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import sys
import threading
import types
import warnings
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, NamedTuple

from ._errors import shown
from ._upstream import Around, Upstream
from .ops._masks import as_flag

# The module of `rapidmask.compat` that stands in for each library.
_COMPAT = {
    "detectron2": "detectron2",
    "pycocotools": "pycocotools",
    "sam2": "sam",
    "scipy": "scipy_ndimage",
    "segment_anything": "sam",
    "supervision": "supervision",
    "torchvision": "torchvision",
    "transformers": "transformers",
    "ultralytics": "ultralytics",
}

_ABSENT = object()  # what stands under a name that there is not


class _Replaced(NamedTuple):
    """A name of a module or class, what stood there before a patch, and what does now."""

    owner: Any
    name: str
    original: Any
    function: Any


@dataclasses.dataclass(eq=False)
class _State:
    """What is in place for a library, as long as one of its patches lasts."""

    patches: int
    replaced: list[_Replaced]
    aliases: str  # the package whose modules may have imported what was replaced, or ""


_lock = threading.RLock()
_patched: dict[str, _State] = {}


class Patch:
    """What `patch` put in place; leaving it as a context manager takes it away.

    Attributes
    ----------
    replaced : tuple of str
        The functions that are rapidmask's while the patch lasts, as ``"module:name"``.
    """

    def __init__(self, entered: list[tuple[str, _State]], replaced: tuple[str, ...]) -> None:
        self._entered = entered
        self._undone = False
        self.replaced = replaced

    def __enter__(self) -> Patch:
        if self._undone:
            raise RuntimeError("patch: this one is undone: call rapidmask.patch anew")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.undo()

    def undo(self) -> None:
        """Take this patch away; once is enough.

        A function that someone else replaced since stays as they left it, which is a RuntimeWarning.
        """
        with _lock:
            entered, self._entered = self._entered, []
            self._undone = True
            kept = [name for library, state in entered for name in _leave(library, state)]
        _warn_of(kept)

    def __repr__(self) -> str:
        if not self._entered:
            return "<rapidmask.Patch: undone>"
        libraries = ", ".join(library for library, _ in self._entered)
        return f"<rapidmask.Patch of {libraries}: {len(self.replaced)} functions>"


def patch(*libraries: str, force: bool = False) -> Patch:
    """Put rapidmask in place of functions of other libraries.

    Parameters
    ----------
    *libraries : str
        The libraries, which are imported: "detectron2", "pycocotools", "sam2", "scipy", "segment_anything",
        "supervision", "torchvision", "transformers", "ultralytics". `rapidmask.compat` has a module for each, `sam`
        for both SAMs and `scipy_ndimage`, which says what version it follows and where it differs.
    force : bool
        Patch versions that the drop-ins were not written for too, and leave alone what they do not have.

    Returns
    -------
    Patch
        A context manager at whose end the functions are restored; without it they stay until `unpatch`. Its
        ``replaced`` names them.

    Raises
    ------
    ValueError
        If there is no drop-in for a library, or none is named.
    ImportError
        If a library is not installed, or is of another version or lacks a function and ``force`` is not set. Nothing is
        patched then.

    Notes
    -----
    Functions are replaced where they are defined: ``pycocotools.mask.iou`` is rapidmask's for everyone who calls it by
    that name, ``pycocotools.coco.COCO``, ``COCOeval`` and torchmetrics among them; who imported the function itself
    before keeps upstream's. What a drop-in does not serve (a rank, a data type, an option) goes to upstream's own
    function. Patches of one library may be nested; the last to leave restores it.

    Examples
    --------
    >>> import rapidmask
    >>> with rapidmask.patch("pycocotools"):  # doctest: +SKIP
    ...     evaluator.evaluate()
    """
    if not libraries:
        raise ValueError(f"patch: name at least one library of {', '.join(_COMPAT)}")
    _check("patch", libraries)
    force = as_flag("patch", "force", force)
    entered: list[tuple[str, _State]] = []
    with _lock:
        try:
            for library in libraries:
                entered.append((library, _enter(library, force)))
        except BaseException:
            for library, state in entered:
                _leave(library, state)
            raise
        names = tuple(sorted(_name(entry) for library in libraries for entry in _patched[library].replaced))
    return Patch(entered, names)


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
        states = [_patched.pop(library) for library in libraries or tuple(_patched) if library in _patched]
        kept = [name for state in states for name in _restore(state)]
    _warn_of(kept)


def _check(function: str, libraries: tuple[str, ...]) -> None:
    for library in libraries:
        if not isinstance(library, str) or library not in _COMPAT:
            raise ValueError(f"{function}: libraries must be of {', '.join(_COMPAT)}, got {shown(library)}")


def _enter(library: str, force: bool) -> _State:
    if library in _patched:
        _patched[library].patches += 1
        return _patched[library]
    upstream: Upstream = importlib.import_module(f"rapidmask.compat.{_COMPAT[library]}").UPSTREAMS[library]
    if not force:
        _check_version(library, upstream)
    replaced = list(_resolved(library, upstream, force))
    state = _State(1, [], library if upstream.aliases else "")
    try:
        for entry in replaced:
            setattr(entry.owner, entry.name, entry.function)
            state.replaced.append(entry)
        if upstream.aliases:
            _rename(library, {id(entry.original): entry.function for entry in replaced})
    except BaseException:
        _restore(state)
        raise
    _patched[library] = state
    return state


def _check_version(library: str, upstream: Upstream) -> None:
    import importlib.metadata  # as long to import as the rest of rapidmask

    try:
        version = importlib.metadata.version(upstream.distribution)
    except importlib.metadata.PackageNotFoundError:
        importlib.import_module(library)  # says that it is missing, if it is
        version = "unknown"
    if not any(version == known or version.startswith(f"{known}.") for known in upstream.versions):
        raise ImportError(
            f"patch: version of {library} must be of {', '.join(upstream.versions)}, got {version}; "
            "force=True patches it all the same"
        )


def _resolved(library: str, upstream: Upstream, force: bool) -> Iterator[_Replaced]:
    for path, function in upstream.replacements().items():
        module, _, attributes = path.partition(":")
        *owners, name = attributes.split(".")
        try:
            owner = functools.reduce(getattr, owners, importlib.import_module(module))
            if isinstance(function, types.ModuleType):
                yield _Replaced(owner, name, getattr(owner, name, _ABSENT), function)
                continue
            # Of a class, what it holds itself: a static method as such.
            original = vars(owner)[name] if isinstance(owner, type) else getattr(owner, name)
        except (AttributeError, KeyError, ImportError) as error:
            if force or (upstream.optional and isinstance(error, ImportError)):
                continue
            why = f" ({error})" if isinstance(error, ImportError) else ""
            raise ImportError(f"patch: {library} must have {path}, which this installation lacks{why}") from error
        if isinstance(function, Around):
            function = _around(function.function, original)
        elif upstream.falls_back:
            function = _served(function, original)
            if not isinstance(owner, type):  # where pickle finds it
                function.__module__, function.__qualname__ = owner.__name__, name
        yield _Replaced(owner, name, original, function)


def _rename(package: str, functions: dict[int, Any]) -> None:
    """Put functions in place of others, by their ids, wherever modules of a package hold these by name."""
    for name, module in list(sys.modules.items()):
        if name != package and not name.startswith(f"{package}."):
            continue
        for key, value in list(vars(module).items()):
            if id(value) in functions:
                setattr(module, key, functions[id(value)])


def _around(function: Callable[..., Any], original: Any) -> Callable[..., Any]:
    @functools.wraps(original)
    def call(*args: Any, **kwargs: Any) -> Any:
        return function(original, *args, **kwargs)

    return call


def _served(function: Callable[..., Any], original: Any) -> Callable[..., Any]:
    """Return a function that leaves to upstream's own what the drop-in does not serve."""

    @functools.wraps(original)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except NotImplementedError:
            return original(*args, **kwargs)

    return call


def _leave(library: str, state: _State) -> list[str]:
    """Take one patch of a library away, unless `unpatch` did; return what `_restore` does."""
    if _patched.get(library) is not state:
        return []
    state.patches -= 1
    if state.patches:
        return []
    del _patched[library]
    return _restore(state)


def _restore(state: _State) -> list[str]:
    """Put upstream's functions back; return the names of those that are someone else's by now, and stay."""
    kept = []
    for entry in state.replaced:
        held = vars(entry.owner) if isinstance(entry.owner, type) else entry.owner.__dict__
        if held.get(entry.name, _ABSENT) is not entry.function:
            kept.append(_name(entry))
        elif entry.original is _ABSENT:
            delattr(entry.owner, entry.name)
        else:
            setattr(entry.owner, entry.name, entry.original)
    if state.aliases:  # those of modules that were imported since, too
        originals = {id(entry.function): entry.original for entry in state.replaced if entry.original is not _ABSENT}
        _rename(state.aliases, originals)
    return kept


def _warn_of(kept: list[str]) -> None:
    if kept:
        names = f"{', '.join(kept)} {'was' if len(kept) == 1 else 'were'}"
        warnings.warn(f"unpatch: {names} replaced by someone else since, and stays so", RuntimeWarning, stacklevel=3)


def _name(entry: _Replaced) -> str:
    owner = entry.owner
    if isinstance(owner, type):
        return f"{owner.__module__}:{owner.__qualname__}.{entry.name}"
    return f"{owner.__name__}:{entry.name}"
