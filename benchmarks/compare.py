"""The one way in which this project times itself against others.

A contest is one of our functions and its peers on the same input. Their answers are compared first. Then they take
turns in one process, each round beginning with another one, so that what slows the machine down for a while slows all
of them; what is reported is the median over the rounds of peer's time / our time, with its quartiles. Every library
gets the same number of threads.
"""

from __future__ import annotations

import gc
import importlib
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import cases
import rapidmask

Call = Callable[[], Any]
Check = Callable[[Any, Any], None]

# Which part of a bar a level must reach; levels not named here have no bars.
BAR_SHARE = {"x86_v4": 1.0, "x86_v3": 0.5}

_SHORTEST_SAMPLE_S = 5e-4  # calls that take less are repeated within a sample
_MOST_ROUNDS = 201


def optional(name: str) -> Any:
    """Import a peer, or return None where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def same(ours: Any, theirs: Any) -> None:
    """Assert that two answers are equal, element by element."""
    if isinstance(ours, list):
        assert ours == theirs, "lists differ"
    else:
        np.testing.assert_array_equal(_plain(ours), _plain(theirs))


def close(tolerance: float, *, border: int = 0) -> Check:
    """Return a check that numbers agree within a tolerance, but for a border of so many pixels."""
    inside = (..., slice(border, -border), slice(border, -border)) if border else ...

    def check(ours: Any, theirs: Any) -> None:
        ours, theirs = np.asarray(ours)[inside], np.asarray(theirs)[inside]
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance)

    return check


def _plain(answer: Any) -> Any:
    return answer.data if isinstance(answer, rapidmask.PackedMasks) else np.asarray(answer)


@dataclass(frozen=True)
class Peer:
    """Another library's function; the first word of ``name`` is the module that it needs."""

    name: str
    call: Call  # writes to no array that our call or its answer uses
    check: Check = same  # of our answer and its own
    differs: str = ""  # why its answer is another, where it is: then it is not checked

    @property
    def installed(self) -> bool:
        return optional(self.name.split()[0]) is not None


@dataclass(frozen=True)
class Contest:
    """Our function, ready to be called, and its peers."""

    ours: Call
    peers: list[Peer]
    check: Callable[[Any], None] | None = None  # of our answer alone, where no peer's is the same
    missing: tuple[str, ...] = ()  # peers that are not installed

    def assert_answers(self) -> None:
        answer = self.ours()
        if self.check:
            self.check(answer)
        for peer in self.peers:
            if not peer.differs:
                peer.check(answer, peer.call())


@dataclass(frozen=True)
class Comparison:
    """What to time, on which workload of `cases`, and what it must reach against the best peer."""

    operation: str
    case: str
    contest: Callable[[Any], Contest]
    bar: float | None = None  # ratio to reach on one thread
    goal: float | None = None  # ratio that is hoped for, on one thread
    goal_2_threads: float | None = None
    against: str = ""  # the peer that bar and goal were set for, where it is not the best
    limit_us: float | None = None  # microseconds that a call may take, at every level
    yardstick: str = ""  # another case, of ordinary content
    slowdown: float | None = None  # times as long as there that ours may take for a pixel here, at every level
    memory: bool = False  # whether to record how far memory rises, too

    def bar_at(self, level: str, threads: int) -> float | None:
        if self.bar is None or threads != 1 or level not in BAR_SHARE:
            return None
        return self.bar * BAR_SHARE[level]

    def goal_at(self, threads: int) -> float | None:
        return {1: self.goal, 2: self.goal_2_threads}.get(threads)

    def prepare(self) -> Contest:
        """Load the workload and leave out the peers that are not installed."""
        contest = self.contest(cases.load(self.case))
        peers = [peer for peer in contest.peers if peer.installed]
        missing = tuple(peer.name for peer in contest.peers if not peer.installed)
        return replace(contest, peers=peers, missing=missing)


def set_threads(count: int) -> None:
    """Give every library the same number of threads."""
    rapidmask.set_num_threads(count)
    if cv2 := sys.modules.get("cv2"):
        cv2.setNumThreads(count)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(count)
    if threadpoolctl := optional("threadpoolctl"):  # reaches NumPy's matrix products
        threadpoolctl.threadpool_limits(count, user_api="blas")


def measure(comparison: Comparison, *, level: str, threads: int, seconds: float, least_rounds: int) -> dict[str, Any]:
    """Assert the answers, time the contestants in turns for about so many seconds, and return a row of results."""
    contest = comparison.prepare()
    rapidmask.set_isa(level)
    set_threads(threads)
    contest.assert_answers()
    calls = [contest.ours, *(peer.call for peer in contest.peers)]
    if comparison.yardstick:
        calls.append(comparison.contest(cases.load(comparison.yardstick)).ours)
    times = _rounds(calls, seconds, least_rounds)
    ours = times[:, 0]
    peers = []
    for i, peer in enumerate(contest.peers, 1):
        low, ratio, high = np.quantile(times[:, i] / ours, (0.25, 0.5, 0.75))
        peers.append(
            {
                "name": peer.name,
                "ratio": float(ratio),
                "quartiles": [float(low), float(high)],
                "ms": float(np.median(times[:, i])) * 1e3,
                "differs": peer.differs,
            }
        )
    return {
        "operation": comparison.operation,
        "case": comparison.case,
        "rounds": len(times),
        "ours_ms": float(np.median(ours)) * 1e3,
        "ours_quartiles_ms": [float(spent) * 1e3 for spent in np.quantile(ours, (0.25, 0.75))],
        "pixels": int(np.size(cases.load(comparison.case))),
        "peers": sorted(peers, key=lambda peer: peer["ratio"]),
        "missing": contest.missing,
        "bar": comparison.bar_at(level, threads),
        "goal": comparison.goal_at(threads),
        "against": comparison.against,
        "limit_us": comparison.limit_us,
        "content": _content(comparison, times[:, 0], times[:, -1]) if comparison.yardstick else None,
    }


def _content(comparison: Comparison, ours: np.ndarray, yardstick: np.ndarray) -> dict[str, Any]:
    """What a pixel costs, and how many times as much as in the case of ordinary content."""
    pixels, others = cases.load(comparison.case).size, cases.load(comparison.yardstick).size
    return {
        "ns_per_pixel": float(np.median(ours)) / pixels * 1e9,
        "yardstick": comparison.yardstick,
        "slowdown": float(np.median(ours / yardstick)) * others / pixels,
        "limit": comparison.slowdown,
    }


def _rounds(calls: list[Call], seconds: float, least_rounds: int) -> np.ndarray:
    """Return the seconds that each call took in each round."""
    once = [min(_sample(call, 1) for _ in range(2)) for call in calls]  # also warms up
    repeats = [max(1, int(_SHORTEST_SAMPLE_S / spent)) for spent in once]
    one_round = sum(spent * count for spent, count in zip(once, repeats, strict=True))
    rounds = min(_MOST_ROUNDS, max(least_rounds, int(seconds / one_round)))
    times = np.empty((rounds, len(calls)))
    gc.collect()
    gc.disable()
    try:
        for turn in range(rounds):
            for i in range(len(calls)):
                i = (i + turn) % len(calls)
                times[turn, i] = _sample(calls[i], repeats[i])
    finally:
        gc.enable()
    return times


def _sample(call: Call, repeats: int) -> float:
    start = time.perf_counter_ns()
    for _ in range(repeats):
        call()
    return (time.perf_counter_ns() - start) / repeats * 1e-9
