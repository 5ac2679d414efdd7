"""Files that appear whole or not at all, folders walked without surprises, and what went wrong in one sentence."""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import secrets
import stat
import threading
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, NamedTuple

from ._errors import UnreadableError

# Of the pictures that are taken from a folder.
PICTURES = frozenset(
    (".avif", ".bmp", ".gif", ".jp2", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tga", ".tif", ".tiff")
) | {".webp"}
_TOLD = (OSError, ValueError, TypeError, RuntimeError, ImportError)  # whose text says what is wrong
_LONGEST_NAME = 200  # bytes of a name that others are made of: systems take 255, and suffixes are added


class Found(NamedTuple):
    """A file that was named or found.

    Attributes
    ----------
    path : Path
        Where it is.
    name : PurePosixPath
        Its place below the folder that was given; of a file that was given itself, its name.
    """

    path: Path
    name: PurePosixPath


_quiet = threading.Lock()
_quiet_calls = 0
_before_quiet: Any = None


@contextlib.contextmanager
def without_warnings() -> Iterator[None]:
    """Within, no warning is given; Python's filters are the process's, and come back when the last thread leaves."""
    global _quiet_calls, _before_quiet
    with _quiet:
        if _quiet_calls == 0:
            _before_quiet = warnings.catch_warnings()
            _before_quiet.__enter__()
            warnings.simplefilter("ignore")
        _quiet_calls += 1
    try:
        yield
    finally:
        with _quiet:
            _quiet_calls -= 1
            if _quiet_calls == 0:
                _before_quiet.__exit__(None, None, None)


def pillow(module: str) -> Any:
    """Import a module of Pillow.

    Parameters
    ----------
    module : str
        Such as "Image".

    Returns
    -------
    module

    Raises
    ------
    ImportError
        If Pillow is missing, with how to install it.
    """
    try:
        return importlib.import_module(f"PIL.{module}")
    except ImportError as error:
        raise ImportError(
            'reading and writing pictures needs Pillow: install rapidmask with its extra "cli"'
        ) from error


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file that takes the place of ``path`` once it is written, and vanishes if that fails.

    Parameters
    ----------
    path : path
        The file's name in the end.

    Yields
    ------
    file
        To write bytes to, in the same folder.

    Raises
    ------
    OSError
        If it cannot be written, with the name that it would have had.
    """
    target = Path(path)
    if not target.name:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(target))
    beside = target.with_name(f".{target.name[:64]}.{secrets.token_hex(4)}.part")
    try:
        with open(beside, "xb") as file:
            yield file
        os.replace(beside, target)
    except BaseException as error:
        beside.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename in (None, os.fspath(beside)):
            error.filename = os.fspath(target)  # a full disk names none
            if error.filename2 is not None:
                del error.filename2
        raise


def find(given: Iterable[Path], suffixes: Iterable[str] = PICTURES, *, recursive: bool = False) -> Iterator[Found]:
    """Find files: those that are named, and those of a suffix in folders, in order.

    Parameters
    ----------
    given : iterable of Path
        Files and folders. A file is yielded whatever it is called, and whether or not it exists.
    suffixes : iterable of str
        Of the files that are taken from folders, in lower case.
    recursive : bool
        Whether folders within folders are walked too. Each is entered once, however links lead to it.

    Yields
    ------
    Found

    Raises
    ------
    OSError
        If a folder cannot be listed.
    """
    wanted = frozenset(suffixes)
    for path in given:
        if path.is_dir():
            yield from _within(path, PurePosixPath(), wanted, recursive, set())
        else:
            yield Found(path, PurePosixPath(path.name))


def _within(
    folder: Path, below: PurePosixPath, suffixes: frozenset[str], recursive: bool, entered: set[tuple[int, int]]
) -> Iterator[Found]:
    state = folder.stat()
    if (state.st_dev, state.st_ino) in entered:
        return
    entered.add((state.st_dev, state.st_ino))
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        try:
            mode = path.stat().st_mode
        except OSError:
            mode = stat.S_IFREG  # a link that leads nowhere: whoever opens it says so
        if stat.S_ISDIR(mode):
            if recursive:
                yield from _within(path, below / path.name, suffixes, recursive, entered)
        elif stat.S_ISREG(mode) and path.suffix.lower() in suffixes:
            yield Found(path, below / path.name)


def stems(found: Sequence[Found], out: Path, outputs: Sequence[str]) -> list[Path]:
    """Give each file a stem of its own in a folder, whose files replace none of those that are to be read.

    Parameters
    ----------
    found : sequence of Found
        The files to read.
    out : Path
        The folder to write to.
    outputs : sequence of str
        What is added to a stem.

    Returns
    -------
    list of Path
        ``out`` and the name without its suffix; where that is taken, a number behind it.
    """
    taken = {os.path.realpath(file.path).casefold() for file in found}
    real_out = os.path.realpath(out)
    chosen = []
    numbers: dict[PurePosixPath, int] = {}  # below which those behind a name are taken
    for file in found:
        name = within(file.name)
        i = numbers.get(name, 1)
        while True:
            stem = name.with_suffix("") if i == 1 else name.with_name(f"{name.stem}_{i}")
            files = {os.path.normpath(os.path.join(real_out, f"{stem}{suffix}")).casefold() for suffix in outputs}
            if taken.isdisjoint(files):
                break
            i += 1
        numbers[name] = i
        taken |= files
        chosen.append(out / stem)
    return chosen


def within(name: str | PurePosixPath) -> PurePosixPath:
    """Return a relative path that leads nowhere but below the folder it is put in, as near to ``name`` as can be.

    Parameters
    ----------
    name : str
        Such as the file name that a data set of other people tells.

    Returns
    -------
    PurePosixPath
        Without a root, without ``..``, without NUL, and of parts that a file system takes.
    """
    parts = [part.replace("\0", "_") for part in str(name).replace("\\", "/").split("/")]
    kept = [_short(part) for part in parts if part not in ("", ".", "..")]
    return PurePosixPath(*kept) if kept else PurePosixPath("unnamed")


def _short(part: str) -> str:
    if len(os.fsencode(part)) <= _LONGEST_NAME:
        return part
    stem, suffix = os.path.splitext(part)
    return os.fsdecode(os.fsencode(stem)[: _LONGEST_NAME - 20]) + suffix[:20]


def shown(path: str | os.PathLike[str]) -> str:
    """Return a path as it can be printed: without control characters and bytes that are no text."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in os.fspath(path))


def sentence(error: BaseException, path: Path | None = None) -> str:
    """Say in one line what went wrong with a file.

    Parameters
    ----------
    error : exception
        What was raised.
    path : Path, optional
        The file that was worked on, unless the error names another.

    Returns
    -------
    str
    """
    if isinstance(error, OSError) and error.strerror and isinstance(error.filename, (str, bytes)):
        path, text = Path(os.fsdecode(error.filename)), error.strerror
    elif isinstance(error, MemoryError):
        text = "not enough memory" + (f" ({error})" if str(error) else "")
    else:
        text = " ".join(str(error.reason if isinstance(error, UnreadableError) else error).split())
        if not text or not isinstance(error, _TOLD):
            text = f"{type(error).__name__}{': ' if text else ''}{text}"
    return f"{shown(path)}: {text}" if path else text
