"""Many files, one after the other or side by side: each gets done or a sentence on stderr."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from .._files import sentence
from .._runtime import get_num_threads, set_num_threads

Item = TypeVar("Item")
Result = TypeVar("Result")


class Outcome(NamedTuple):
    """What became of a batch.

    Attributes
    ----------
    status : int
        0, or 1 when an item could not be done.
    results : list
        Of the items that could, in their order.
    """

    status: int
    results: list[Any]


def complain(error: BaseException, path: Path | None = None) -> int:
    """Print one sentence, and return the exit status that goes with it."""
    say(f"rapidmask: {sentence(error, path)}", error=True)
    return 1


def say(line: str, *, error: bool = False) -> None:
    """Print a line, in the letters that the stream has."""
    stream = sys.stderr if error else sys.stdout
    try:
        print(line, file=stream)
    except UnicodeEncodeError:
        print(line.encode("ascii", "backslashreplace").decode("ascii"), file=stream)


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_each(
    items: Sequence[Item],
    work: Callable[[Item], Result],
    *,
    path: Callable[[Item], Path],
    workers: int | None = None,
    quiet: bool = False,
    lines: Callable[[Result], Sequence[str]] = lambda result: (),
    unit: str = "picture",
) -> Outcome:
    """Do the same to every item, and go on after those that cannot be done.

    Parameters
    ----------
    items : sequence
        What to work on.
    work : callable
        Does one item.
    path : callable
        The file that is named when an item cannot be done.
    workers : int, optional
        How many items are worked on at a time: by default as many as cores. Threads, since decoding, kernels and
        encoding all release the interpreter.
    quiet : bool
        Whether nothing but errors is printed.
    lines : callable
        What to print of a result.
    unit : str
        What the progress bar counts.

    Returns
    -------
    Outcome
    """
    status, results = 0, []
    count = max(1, min(workers or cores(), len(items)))
    with _progress(len(items), unit, quiet=quiet) as bar, _threads(count):
        for item, finish in _in_order(items, work, count):
            try:
                result = finish()
            except Exception as error:  # of this item, whatever a decoder raises: the others get done
                bar.clear()  # what is printed would otherwise stand behind it
                status = complain(error, path(item))
            else:
                results.append(result)
                shown = () if quiet else lines(result)
                if shown:
                    bar.clear()
                for line in shown:
                    say(line)
            bar.update()
            bar.refresh()
    return Outcome(status, results)


def _in_order(
    items: Sequence[Item], work: Callable[[Item], Result], count: int
) -> Iterator[tuple[Item, Callable[[], Result]]]:
    """Yield each item and what waits for its result, while the next are worked on."""
    if count == 1:
        for item in items:
            yield item, lambda item=item: work(item)  # type: ignore[misc]
        return
    executor = ThreadPoolExecutor(count, thread_name_prefix="rapidmask")
    waiting: deque[tuple[Item, Future[Result]]] = deque()
    try:
        for item in items:
            waiting.append((item, executor.submit(work, item)))
            if len(waiting) >= 4 * count:
                first, future = waiting.popleft()
                yield first, future.result
        for first, future in waiting:
            yield first, future.result
    finally:
        executor.shutdown(wait=True, cancel_futures=True)  # when interrupted: files that are begun are finished


@contextlib.contextmanager
def _threads(workers: int) -> Iterator[None]:
    """Give each of several workers one thread of kernels."""
    before = get_num_threads()
    if workers > 1:
        set_num_threads(1)
    try:
        yield
    finally:
        set_num_threads(before)


class _NoBar:
    """Stands in for a progress bar where none is shown."""

    def clear(self) -> None:
        """Do nothing."""

    def update(self) -> None:
        """Do nothing."""

    def refresh(self) -> None:
        """Do nothing."""


def _progress(count: int, unit: str, *, quiet: bool) -> contextlib.AbstractContextManager[Any]:
    """Return a progress bar on stderr where there are many items and someone looks."""
    if not quiet and count > 1 and sys.stderr.isatty():
        with contextlib.suppress(ImportError):
            tqdm: Any = importlib.import_module("tqdm").tqdm
            bar: contextlib.AbstractContextManager[Any] = tqdm(total=count, unit=unit, leave=False)
            return bar
    return contextlib.nullcontext(_NoBar())
