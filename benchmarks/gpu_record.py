"""Which CUDA sources were verified on a GPU: ``tests/gpu_verified.toml``, written by ``gpu.py`` and read here.

The record holds a hash of each source that the kernels are compiled from, headers included, with where they ran and
what the tests and compute-sanitizer said. A kernel file is verified where neither it nor a header that it includes has
changed since a run in which no test failed.

    python benchmarks/gpu_record.py                     what is verified, and what is not
    python benchmarks/gpu_record.py --fingerprint       a hash of all that the modules are compiled from
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    tomllib = None  # type: ignore[assignment]

ROOT = Path(__file__).resolve().parent.parent
RECORD = ROOT / "tests/gpu_verified.toml"
SECTIONS = ("run", "tests", "sanitizers", "sources")

_KERNELS = ROOT / "cuda/src"
_INCLUDED_FROM = (_KERNELS, ROOT / "cpp/include")


# The sources


@functools.cache
def closure(path: Path) -> frozenset[Path]:
    """A source and all files of this project that it includes."""
    found, rest = {path}, [path]
    while rest:
        for name in re.findall(r'^#include "(.+)"', rest.pop().read_text(), re.MULTILINE):
            for folder in _INCLUDED_FROM:
                if (folder / name).is_file() and folder / name not in found:
                    found.add(folder / name)
                    rest.append(folder / name)
    return frozenset(found)


def kernel_files() -> list[Path]:
    """Each .cu file."""
    return sorted(_KERNELS.glob("*.cu"))


def sources() -> list[Path]:
    """Each .cu file, and each header that one of them includes."""
    return sorted(set().union(*(closure(path) for path in kernel_files())))


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def inputs() -> list[Path]:
    """All that the modules are compiled from."""
    found = (path for name in ("cpp", "cuda") for path in (ROOT / name).rglob("*.*"))
    return [ROOT / "CMakeLists.txt", *sorted(found)]


def fingerprint() -> str:
    """A hash of them all."""
    return hashlib.sha256("".join(relative(path) + digest(path) for path in inputs()).encode()).hexdigest()


# The record


def read(path: Path = RECORD) -> dict[str, Any] | None:
    """Return the record; None where there is none."""
    if not path.exists():
        return None
    if tomllib is None:
        raise RuntimeError("reading the record needs Python 3.11")
    return tomllib.loads(path.read_text())


def as_text(run: dict[str, Any], tests: dict[str, int], sanitizers: dict[str, str]) -> str:
    """The record of a run on the sources as they are now."""
    hashes = {relative(path): digest(path) for path in sources()}
    lines = ["# Written by benchmarks/gpu.py: the sources that ran on a GPU, and how that went."]
    for name, section in zip(SECTIONS, (run, tests, sanitizers, hashes), strict=True):
        lines += ["", f"[{name}]"]
        for key, value in section.items():
            lines.append(f"{json.dumps(key) if name == 'sources' else key} = {json.dumps(value, ensure_ascii=False)}")
    return "\n".join(lines) + "\n"


def is_clean(record: dict[str, Any]) -> bool:
    """Whether tests ran and none failed."""
    return record["tests"]["passed"] > 0 and record["tests"]["failed"] == 0


def unverified(record: dict[str, Any] | None) -> dict[str, list[str]]:
    """For each .cu file that is not verified, which files changed since: all it includes where nothing was verified."""
    known = record["sources"] if record and is_clean(record) else {}
    changed = {path for path in sources() if known.get(relative(path)) != digest(path)}
    return {
        relative(path): sorted(relative(one) for one in closure(path) & changed)
        for path in kernel_files()
        if closure(path) & changed
    }


def describe(record: dict[str, Any] | None) -> str:
    """What is verified, in words."""
    missing, total = unverified(record), len(kernel_files())
    if record is None:
        return f"No kernel has run on a GPU yet: none of the {total} .cu files is verified ({RECORD.name} is absent)."
    run, tests = record["run"], record["tests"]
    lines = [
        f"Run on {run['gpu']}, driver {run['driver']}, CUDA {run['cuda']}, at commit {run['commit']}, {run['date']}.",
        f"Tests: {tests['passed']} passed, {tests['failed']} failed, {tests['skipped']} skipped.",
        "; ".join(f"{name}: {outcome}" for name, outcome in record["sanitizers"].items()) or "No sanitizer ran.",
    ]
    if not is_clean(record):
        lines.append("No file counts as verified, since not all tests passed.")
    else:
        lines.append(f"{total - len(missing)} of {total} .cu files are verified.")
        lines += [f"  {name}: changed since: {', '.join(files)}" for name, files in missing.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    print(fingerprint() if sys.argv[1:] == ["--fingerprint"] else describe(read()))
