"""Checks Linux wheels of rapidmask: what is in them, their size, their symbols and the libraries they need.

Run as ``python check_wheel.py WHEEL...``; needs ``nm`` and ``readelf``. Ends with 1 and one sentence for each fault.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

LARGEST = 6_000_000  # bytes
EXPECTED = re.compile(
    r"""rapidmask/(_cpu|_cuda)\.[\w.-]+\.so$    # compiled modules
    | rapidmask/[\w/]+\.(py|pyi)$               # Python and stubs
    | rapidmask/review\.html$                   # the page of `rapidmask review`
    | rapidmask/py\.typed$
    | rapidmask-[\w.]+\.dist-info/""",
    re.VERBOSE,
)
# Of the system, as manylinux allows them.
LIBRARIES = {"ld-linux-aarch64.so.1", "ld-linux-x86-64.so.2", "libc.so.6", "libdl.so.2", "libgcc_s.so.1", "libm.so.6"}
LIBRARIES |= {"libpthread.so.0", "librt.so.1", "libstdc++.so.6"}


def main(wheels: list[str]) -> int:
    """Check each wheel and print what is wrong.

    Parameters
    ----------
    wheels : list of str
        Their paths.

    Returns
    -------
    int
        0, or 1 when something was wrong.
    """
    faults = [f"{wheel}: {fault}" for wheel in wheels for fault in faults_of(Path(wheel))]
    print("\n".join(faults) if faults else f"{len(wheels)} wheels in order")
    return 1 if faults or not wheels else 0


def faults_of(wheel: Path) -> Iterator[str]:
    """Check one wheel.

    Parameters
    ----------
    wheel : Path
        The file.

    Yields
    ------
    str
        A sentence about something that is wrong.
    """
    size = wheel.stat().st_size
    print(f"{wheel.name}: {size:,} bytes")
    if size > LARGEST:
        yield f"has {size:,} bytes, more than {LARGEST:,}"
    with zipfile.ZipFile(wheel) as archive, tempfile.TemporaryDirectory() as folder:
        names = [entry.filename for entry in archive.infolist() if not entry.is_dir()]
        yield from (f"holds {name}" for name in names if not EXPECTED.match(name))
        modules = [name for name in names if name.endswith(".so")]
        if not any("/_cpu." in name for name in modules):
            yield "holds no _cpu"
        for name in modules:
            yield from (f"{name} {fault}" for fault in faults_of_module(Path(archive.extract(name, folder))))


def faults_of_module(module: Path) -> Iterator[str]:
    """Check a compiled module.

    Parameters
    ----------
    module : Path
        The file.

    Yields
    ------
    str
        What is wrong with it.
    """
    # Beside the entry, weak symbols of the C++ library, which every C++ program shares.
    exported = _output("nm", "--dynamic", "--defined-only", "--demangle", str(module))
    for line in exported.splitlines():
        _, kind, symbol = line.split(maxsplit=2)
        if not (symbol.startswith("PyInit_") or (kind in "uVW" and "rapidmask" not in symbol)):
            yield f"exports {symbol}"
    needed = re.findall(r"\(NEEDED\).*\[(.+)\]", _output("readelf", "--dynamic", "--wide", str(module)))
    yield from (f"needs {library}" for library in needed if library not in LIBRARIES)


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
