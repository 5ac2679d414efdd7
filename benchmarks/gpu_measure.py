"""Times the operations of `gpu_operations.py` on the device, in a process which `gpu.py` starts and may restart.

    python benchmarks/gpu_measure.py ROWS.jsonl SECONDS [TITLE ...]
    python benchmarks/gpu_measure.py --list     families and titles

Each row goes to the file as soon as it is there, and before it a line that says what is begun, so that neither a fault
on the device nor a hang takes away what was measured. Exit status 3 tells that the device answers no more.

A sample is a number of calls over copies of the inputs that together are larger than the L2, between two CUDA events.
The device is kept busy meanwhile the calls are made, so that what is timed is its own time, not Python's; a function
that waits for the device has both in it. Contestants take turns, and the median over the rounds is reported.
"""

from __future__ import annotations

import json
import math
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import torch

from gpu_inputs import FULL, Scale
from gpu_operations import Operation, Peer, operations
from rapidmask import PackedMasks, RLEMasks

_L2 = 64 << 20  # bytes, where torch does not tell
_SAMPLE_S, _MOST_CALLS, _MOST_COPIES = 2e-3, 32, 80
_LEAST_ROUNDS, _MOST_ROUNDS = 3, 31
_SECONDS = 2.0  # for the rounds of an operation
_CYCLES = 2e9  # of the device in a second, about


def copy_bandwidth() -> float:
    """Bytes read and written in a second by a copy within the device."""
    source = torch.randint(0, 256, (2 << 30,), dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    times = [_events(lambda: target.copy_(source)) for _ in range(12)]
    return 2 * source.numel() / statistics.median(times[2:])


def cache_bytes() -> int:
    return int(getattr(torch.cuda.get_device_properties(0), "L2_cache_size", 0)) or _L2


def _events(call: Any) -> float:
    """Seconds between events around a call."""
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    call()
    end.record()
    end.synchronize()
    return begin.elapsed_time(end) * 1e-3


def bytes_of(given: tuple[Any, ...]) -> int:
    """What a contestant reads at the least: of masks that are there in two forms, the packed ones or run lengths."""
    compact = [one.data for one in given if isinstance(one, PackedMasks)]
    compact += [array for one in given if isinstance(one, RLEMasks) for array in (one.counts, one.offsets)]
    return sum(one.numel() * one.element_size() for one in compact or given)


def copies_of(operation: Operation, inputs: tuple[Any, ...], cache: int) -> list[tuple[Any, ...]]:
    """What the contestants are given, so often that it does not stay in the cache."""
    first = operation.prepare(*inputs)
    count = min(_MOST_COPIES, max(1, math.ceil(3 * cache / bytes_of(first))))
    return [first, *(operation.prepare(*(one.clone() for one in inputs)) for _ in range(count - 1))]


def sample(call: Any, given: list[tuple[Any, ...]], calls: int, enqueue_s: float) -> float:
    """Seconds of the device for one call, when `calls` of them follow each other."""
    torch.cuda.synchronize()
    torch.cuda._sleep(int(min(0.02, 1.5 * calls * enqueue_s + 1e-5) * _CYCLES))

    def run() -> None:
        for i in range(calls):
            call(*given[i % len(given)])

    return _events(run) / calls


def calls_for(call: Any, given: list[tuple[Any, ...]]) -> tuple[int, float, float]:
    """Calls in a sample, with the seconds that one takes to be made and, alone, to be done."""
    made = done = math.inf
    for turn in range(3):  # the first one loads the kernels
        torch.cuda.synchronize()
        start = time.perf_counter()
        call(*given[turn % len(given)])
        made = min(made, time.perf_counter() - start)
        torch.cuda.synchronize()
        done = min(done, time.perf_counter() - start)
    return min(_MOST_CALLS, max(1, int(_SAMPLE_S / done))), made, done


def checked(operation: Operation, given: tuple[Any, ...]) -> tuple[list[Peer], list[dict[str, Any]]]:
    """The peers that answer as we do, and what is the matter with the others."""
    answer = operation.ours(*given)
    torch.cuda.synchronize()
    able, others = [], []
    for peer in operation.peers:
        if peer.missing("cuda"):
            others.append({"name": peer.name, "problem": "not installed"})
            continue
        try:
            theirs = peer.call(*given)
            torch.cuda.synchronize()
            if peer.check:
                peer.check(answer, theirs)
            able.append(peer)
        except AssertionError as error:
            others.append({"name": peer.name, "problem": f"WRONG ANSWER of one side: {str(error).splitlines()[0]}"})
        except Exception as error:
            others.append({"name": peer.name, "problem": f"{type(error).__name__}: {str(error)[:200]}"})
    return able, others


def measure(operation: Operation, scale: Scale, bandwidth: float, cache: int) -> dict[str, Any]:
    """Compare the answers, time the contestants in turns, and return a row of results."""
    given = copies_of(operation, operation.inputs(scale), cache)
    peers, others = checked(operation, given[0])
    contestants = [operation.ours, *(peer.call for peer in peers)]
    plans = [calls_for(call, given) for call in contestants]
    round_s = sum(calls * done for calls, _, done in plans)
    rounds = min(_MOST_ROUNDS, max(_LEAST_ROUNDS, int(_SECONDS / round_s)))
    times: list[list[float]] = [[] for _ in contestants]
    for turn in range(rounds):
        for i in range(len(contestants)):
            k = (i + turn) % len(contestants)
            times[k].append(sample(contestants[k], given, plans[k][0], plans[k][1]))
    medians = [statistics.median(one) for one in times]
    floor = operation.traffic(scale) / bandwidth
    return {
        "family": operation.family,
        "operation": operation.name,
        "us": medians[0] * 1e6,
        "call_us": plans[0][2] * 1e6,
        "floor_us": floor * 1e6,
        "floors": medians[0] / floor,
        "rounds": rounds,
        "peers": [
            {"name": peer.name, "us": median * 1e6, "ratio": median / medians[0]}
            for peer, median in zip(peers, medians[1:], strict=True)
        ],
        "others": others,
        "goals": {"floors": operation.floors, "times": operation.times, "microseconds": operation.microseconds},
    }


def answers(operation: Operation, scale: Scale) -> None:
    """Raise where something is wrong with a call of ours or a peer's; for a dry run on the CPU."""
    given = operation.prepare(*operation.inputs(scale))
    ours = operation.ours(*given)
    assert operation.traffic(scale) > 0
    for peer in operation.peers:
        if not peer.missing(scale.device):
            theirs = peer.call(*given)
            if peer.check:
                peer.check(ours, theirs)


def main(path: str, seconds: str, *titles: str) -> int:
    """Measure the operations of these titles, until the time is up."""
    stop = time.monotonic() + float(seconds)
    scale = Scale(**{**vars(FULL), "device": "cuda"})
    with Path(path).open("a") as file:

        def write(**row: Any) -> None:
            print(json.dumps(row), file=file, flush=True)

        bandwidth, cache = copy_bandwidth(), cache_bytes()
        write(bandwidth=bandwidth, cache=cache)
        for operation in operations(scale):
            if operation.title not in titles:
                continue
            if time.monotonic() > stop:
                write(title=operation.title, skipped="no time was left")
                continue
            write(title=operation.title, begun=True)
            try:
                write(title=operation.title, row=measure(operation, scale, bandwidth, cache))
            except Exception as error:
                write(title=operation.title, error=f"{type(error).__name__}: {str(error)[:500]}")
            try:
                torch.cuda.synchronize()
                torch.cuda.empty_cache()
            except Exception:
                return 3
    return 0


if __name__ == "__main__":
    if sys.argv[1:] == ["--list"]:
        print(json.dumps([(one.family, one.title) for one in operations(FULL)]))
    else:
        sys.exit(main(*sys.argv[1:]))
