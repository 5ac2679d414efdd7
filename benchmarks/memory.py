"""How far a call's memory rises beyond what the process had: the resident peak of one contestant, in its own process.

python benchmarks/memory.py pipeline 2 0    bytes, of comparison 2 of a family: contestant 0 is ours, then its peers
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
# What is freed goes back at once, so that a second call finds as little as the first one did.
_ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}


def supported() -> bool:
    return _CLEAR.exists()


def peak_rise(family: str, comparison: int, contestant: int) -> int:
    """Return the bytes by which the memory of a fresh process rises at most during one call, its result included."""
    command = [sys.executable, str(Path(__file__).resolve()), family, str(comparison), str(contestant)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **_ALLOCATOR})
    return int(ran.stdout)


def _resident(field: str) -> int:
    return next(int(line.split()[1]) * 1024 for line in _STATUS.read_text().splitlines() if line.startswith(field))


def _main() -> None:
    family, comparison, contestant = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    import compare

    contest = importlib.import_module(f"bench_{family}").COMPARISONS[comparison].prepare()
    compare.set_threads(1)
    call = [contest.ours, *(peer.call for peer in contest.peers)][contestant]
    call()  # so that code, threads and tables are there
    _CLEAR.write_text("5")  # the peak begins again
    before = _resident("VmRSS")
    call()
    print(max(_resident("VmHWM") - before, 0))


if __name__ == "__main__":
    _main()
