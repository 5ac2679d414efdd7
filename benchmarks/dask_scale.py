"""Masks in chunks at scale: times, memory of each worker, and the step that joins chunks, simulated for many of them.

    python benchmarks/dask_scale.py                        # 8192², and the joining step up to 10⁵ chunks
    python benchmarks/dask_scale.py --side 32768           # a gigapixel
    python benchmarks/dask_scale.py --peer                 # with dask-image, slow on large masks
    python benchmarks/dask_scale.py --write                # results/<cpu>-<level>-dask.json; others stay

The mask is never held whole: each chunk is cut out of a smooth pattern of 3000² pixels that repeats. Every function and
its peer get the same array on the same workers, of one thread each, and their results are reduced to their maximum. A
peer's peak of memory is that of fresh workers. What tasks cost by themselves is told by the same graphs on chunks of
one pixel, and what is left of it without processes by as many threads (`dask.threaded`).
"""

from __future__ import annotations

import argparse
import functools
import json
import re
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numpy as np
from distributed import Client, LocalCluster

import rapidmask
import rapidmask.dask
from rapidmask.dask import _seams
from report import machine, provenance, results_name

_PERIOD = 3000
_CELL = 150
_MIN_AREA = 500
_GIB = 2**30


@functools.cache
def pattern() -> np.ndarray:
    """A smooth mask that repeats."""
    cells = _PERIOD // _CELL
    grid = np.random.default_rng(1).standard_normal((cells, cells), np.float32)
    before, along = np.divmod(np.arange(_PERIOD), _CELL)
    t = (along / _CELL).astype(np.float32)
    t = t * t * (3 - 2 * t)
    after = (before + 1) % cells
    rows = grid[before] * (1 - t)[:, None] + grid[after] * t[:, None]
    once = rows[:, before] * (1 - t) + rows[:, after] * t > 0.1
    return np.ascontiguousarray(np.pad(once, (0, _PERIOD), mode="wrap"))  # for chunks up to the period


def block(block_info: Any = None) -> np.ndarray:
    """A chunk of the mask."""
    (y0, y1), (x0, x1) = block_info[None]["array-location"]
    y, x = y0 % _PERIOD, x0 % _PERIOD
    return pattern()[y : y + y1 - y0, x : x + x1 - x0].copy()


def mask(side: int, chunk: int) -> da.Array:
    chunks = tuple((chunk,) * (side // chunk) + ((side % chunk,) if side % chunk else ()) for _ in range(2))
    return da.map_blocks(block, chunks=chunks, dtype=bool, meta=np.empty((0, 0), bool))


def peak() -> int:
    """The most memory that this process had, in bytes."""
    kilobytes = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(kilobytes[1]) * 1024 if kilobytes else 0


def on_workers(make: Callable[[da.Array], da.Array], side: int, chunk: int, workers: int) -> dict[str, Any]:
    """The time and the peaks of memory of a function on fresh workers, and its result."""
    environment = {"RAPIDMASK_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    with (
        dask.config.set(
            {
                "distributed.nanny.pre-spawn-environ": {
                    **dask.config.get("distributed.nanny.pre-spawn-environ"),
                    **environment,
                }
            }
        ),
        LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None, silence_logs=50) as cluster,
        Client(cluster) as client,
    ):
        warm = mask(chunk * workers, chunk)
        make(warm).max().compute()  # imports, and the pattern
        idle = client.run(peak)
        used = sum(client.run(time.process_time).values())
        begin = time.perf_counter()
        result = make(mask(side, chunk)).max().compute()
        seconds = time.perf_counter() - begin
        used = sum(client.run(time.process_time).values()) - used
        peaks = list(client.run(peak).values())
    return {"seconds": seconds, "cpu_seconds": used, "peaks": peaks, "idle": max(idle.values()), "result": int(result)}


def on_threads(
    makes: dict[str, Callable[[da.Array], da.Array]], side: int, chunk: int, workers: int
) -> dict[str, float]:
    """Seconds of some functions, one after the other, on threads of this process."""
    rapidmask.set_num_threads(1)
    found = {}
    for name, make in makes.items():
        begin = time.perf_counter()
        make(mask(side, chunk)).max().compute(scheduler="threads", num_workers=workers)
        found[name] = time.perf_counter() - begin
    return found


def peer_label(array: da.Array) -> da.Array:
    from dask_image import ndmeasure

    return ndmeasure.label(array, structure=np.ones((3, 3), int))[0]


def in_memory(function: Callable[[np.ndarray], np.ndarray], side: int, chunk: int) -> tuple[float, int]:
    """Seconds of a processor for the whole array's function and the maximum, without making the mask; the maximum."""
    rapidmask.set_num_threads(1)
    whole = mask(side, chunk).compute()
    function(whole)  # its memory: fresh pages of a virtual machine took ten times what the labels take
    begin = time.process_time()
    count = int(function(whole).max())
    return time.process_time() - begin, count


def in_chunks(side: int, chunk: int) -> float:
    """Seconds of a processor for labels and their maximum in this process, without making the mask."""
    rapidmask.set_num_threads(1)
    rapidmask.dask.label(mask(chunk, chunk)).max().compute(scheduler="synchronous")  # the pattern, and imports
    seconds = []
    for make in (rapidmask.dask.label, lambda array: array):
        begin = time.process_time()
        make(mask(side, chunk)).max().compute(scheduler="synchronous")
        seconds.append(time.process_time() - begin)
    return seconds[0] - seconds[1]


def synthetic_faces(chunks: int, chunk: int, runs: int) -> tuple[_seams.Grid, list[_seams.Parts]]:
    """Descriptions of a square of chunks, each with so many runs on every face, all of components of their own."""
    side = round(chunks**0.5)
    rng = np.random.default_rng(0)
    kinds = []
    for _ in range(64):  # different chunks, used by turns
        faces = []
        for face in (2, 3, 4, 5):
            edges = np.sort(rng.choice(chunk, 2 * runs, replace=False))
            part = (face - 2) * runs + np.arange(runs)
            faces.append(np.stack([np.full(runs, face), np.zeros(runs), edges[::2], edges[1::2], part], axis=1))
        nothing = np.zeros(4 * runs, np.int32)
        kinds.append(
            _seams.Parts(
                np.concatenate(faces).astype(np.int32),
                rng.integers(1, 10**6, 4 * runs),
                nothing,
                nothing,
                np.array([50], np.int32),
            )
        )
    grid = _seams.Grid(((1,), (chunk,) * side, (chunk,) * side), 8, False)
    return grid, [kinds[i % 64] for i in range(side * side)]


def simulate(chunks: int, chunk: int, runs: int) -> dict[str, Any]:
    """The joining step for so many chunks, in seconds of a processor."""
    grid, parts = synthetic_faces(chunks, chunk, runs)
    before = peak()
    begin = time.process_time()
    whole = _seams.join(grid, parts)
    joined = time.process_time()
    _seams.number(grid, parts, whole)
    end = time.process_time()
    total = sum(len(one.runs) for one in parts)
    return {
        "chunks": len(parts),
        "runs": total,
        "join_seconds": joined - begin,
        "number_seconds": end - joined,
        "us_per_run": (end - begin) / total * 1e6,
        "bytes_per_run": (peak() - before) / total,
    }


def adversarial(name: str, side: int, chunk: int) -> float:
    """Seconds of a processor for labels of a mask whose components cross seams as often as they can."""
    y, x = np.indices((side, side), sparse=True)
    masks = {
        "checkerboard": lambda: (y + x) % 2 == 0,
        "comb": lambda: (x % 2 == 0) | (y == side - 1),
        "rings": lambda: np.minimum(np.minimum(y, side - 1 - y), np.minimum(x, side - 1 - x)) % 2 == 0,
    }
    array = da.from_array(masks[name](), chunks=chunk, name=False)
    begin = time.process_time()
    rapidmask.dask.label(array).max().compute(scheduler="synchronous")
    return time.process_time() - begin


def measure(options: argparse.Namespace) -> dict[str, Any]:
    side, chunk, workers = options.side, options.chunk, options.workers
    pixels = side * side
    found: dict[str, Any] = {"side": side, "chunk": chunk, "workers": workers}
    ours: dict[str, Callable[[da.Array], da.Array]] = {
        "making the mask": lambda array: array,
        "label": rapidmask.dask.label,
        "remove_small_objects": lambda array: rapidmask.dask.remove_small_objects(array, _MIN_AREA),
    }
    rounds = [
        {name: on_workers(function, side, chunk, workers) for name, function in ours.items()}
        for _ in range(options.rounds)
    ]
    for name in ours:
        found[name] = middle([one[name] for one in rounds])
        tell(name, found[name], pixels)
    if options.peer:
        found["dask_image label"] = on_workers(peer_label, side, chunk, workers)
        tell("dask_image label", found["dask_image label"], pixels)
        if found["dask_image label"]["result"] != found["label"]["result"]:
            sys.exit("the two count differently")
        for kind in ("seconds", "cpu_seconds"):
            found[f"peer / ours, {kind}"] = found["dask_image label"][kind] / found["label"][kind]
            print(f"dask_image / ours: {found[f'peer / ours, {kind}']:.1f}x in {kind}")
    across = -(-side // chunk)
    tasks = [
        {name: on_workers(make, across, 1, workers)["seconds"] for name, make in ours.items()}
        for _ in range(options.rounds)
    ]
    on_threads(ours, chunk * workers, chunk, workers)  # the pattern, and imports
    threads = [on_threads(ours, side, chunk, workers) for _ in range(options.rounds)]
    held = min(side, 16384)
    wholes: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "label": rapidmask.label,
        "remove_small_objects": lambda array: rapidmask.remove_small_objects(array, _MIN_AREA),
    }
    for name, function in wholes.items():
        whole = [in_memory(function, held, chunk) for _ in range(options.rounds)]
        if held == side and whole[0][1] != found[name]["result"]:
            sys.exit(f"{name} in chunks is not that of the whole array")
        in_memory_ns = statistics.median(seconds for seconds, _ in whole) / held**2 * 1e9
        found[f"{name} in memory, ns per pixel"] = in_memory_ns
        print(f"{name} in memory: {in_memory_ns:.3f} ns of a processor per pixel")
        for kind in ("seconds", "cpu_seconds"):  # what it adds to making the mask, round by round
            added = statistics.median(one[name][kind] - one["making the mask"][kind] for one in rounds) / pixels * 1e9
            found[f"{name}: ours / in memory, {kind}"] = added / in_memory_ns
            print(f"{name} in chunks: {added:.3f} ns per pixel in {kind}, {added / in_memory_ns:.2f}x")
        for kind, seconds in (("tasks alone", tasks), ("on threads", threads)):
            added = statistics.median(one[name] - one["making the mask"] for one in seconds) / pixels * 1e9
            found[f"{name}: {kind} / in memory, seconds"] = added / in_memory_ns
            print(f"{name}, {kind}: {added:.3f} ns per pixel, {added / in_memory_ns:.2f}x")
    return found


def middle(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """The run of the median time, with the largest peaks of all."""
    runs = sorted(runs, key=lambda run: run["seconds"])
    return runs[len(runs) // 2] | {"peaks": [max(peaks) for peaks in zip(*(run["peaks"] for run in runs), strict=True)]}


def tell(name: str, found: dict[str, Any], pixels: int) -> None:
    peaks = ", ".join(f"{one / _GIB:.2f}" for one in found["peaks"])
    print(
        f"{name}: {found['seconds']:.2f} s, {found['seconds'] / pixels * 1e9:.3f} ns per pixel, "
        f"{found['cpu_seconds']:.2f} s of processors, peaks {peaks} GiB",
        flush=True,
    )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=8192, help="of the mask, in pixels (8192)")
    parser.add_argument("--chunk", type=int, default=2048, help="side of the chunks (2048)")
    parser.add_argument("--workers", type=int, default=2, help="processes of one thread (2)")
    parser.add_argument("--rounds", type=int, default=1, help="of the whole; medians of them are told (1)")
    parser.add_argument("--peer", action="store_true", help="measure dask-image at any size")
    parser.add_argument("--graph", type=int, nargs="*", default=[1000, 10_000, 100_000], help="chunks to simulate")
    parser.add_argument("--skip-arrays", action="store_true", help="simulate only")
    parser.add_argument("--write", action="store_true", help="write results")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    found: dict[str, Any] = {"provenance": provenance(), "graph": [], "linear": {}, "adversarial": {}}
    for chunks in options.graph:
        for runs in (8, 64):
            if chunks * runs > 10**6 and runs > 8:
                continue
            row = simulate(chunks, options.chunk, runs)
            found["graph"].append({"runs_per_face": runs, **row})
            print(f"joining {row['chunks']} chunks, {row['runs']} runs: {row['us_per_run']:.2f} us a run, "
                  f"{row['join_seconds'] + row['number_seconds']:.2f} s")  # fmt: skip
    for side in (2048, 8192):
        for name in ("checkerboard", "comb", "rings"):
            seconds = adversarial(name, side, 512)
            found["adversarial"][f"{name} {side}"] = seconds
            print(f"{name} {side}²: {seconds / side**2 * 1e9:.2f} ns per pixel")
    for across in (1, 4, 16):
        side = across * options.chunk
        if side <= options.side:
            seconds = in_chunks(side, options.chunk)
            found["linear"][across**2] = seconds / side**2 * 1e9
            print(f"{across**2} chunks: {seconds / side**2 * 1e9:.2f} ns of a processor per pixel")
    if not options.skip_arrays:
        found[f"{options.side}"] = measure(options)
    if options.write:
        here = machine()
        path = Path(__file__).parent / "results" / f"{results_name(here)}-dask.json"
        old = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(
            json.dumps(
                {**old, "machine": here, **{key: value for key, value in found.items() if value}},
                indent=1,
                ensure_ascii=False,
            )
            + "\n"
        )


if __name__ == "__main__":
    main()
