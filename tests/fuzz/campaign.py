"""Runs the programs that .ci/fuzz built: the corpus first, then some seconds of fuzzing, spread over the harnesses.

As many run at once as there are processors; seconds are of all of them together.

    campaign.py BUILD SECONDS [NAME...]

Adds to BUILD/record.json, which has for each harness its executions, seconds and findings in all runs with this folder,
what compiled it and the last commit.
"""

import json
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

HERE = Path(__file__).resolve().parent
SLICE = 60  # seconds at a time for one harness: inputs that one run found are what the next begins with


def program(build, name):
    return build / "tests/fuzz" / f"fuzz_{name}"


def is_fuzzer(build, name):
    """Whether libFuzzer is in a program, rather than the replay of files."""
    return b"libFuzzer" in program(build, name).read_bytes()


def environment():
    """Leaks end a run as errors do; reports are readable where the symbolizer is."""
    options = {"ASAN_OPTIONS": "detect_leaks=1", "UBSAN_OPTIONS": "print_stacktrace=1"}
    return {**options, **os.environ}


def committed(name):
    """The files of the corpus."""
    return sorted((HERE / "corpus" / name).glob("*"))


def replay(build, name):
    """Run every file of the committed corpus; whether one failed."""
    if not committed(name):
        return False  # libFuzzer would begin to fuzz
    command = [program(build, name), *committed(name)]
    done = subprocess.run(command, capture_output=True, env=environment(), errors="replace")
    if done.returncode:
        print(done.stdout[-2000:], done.stderr[-6000:], sep="\n")
    return done.returncode != 0


def fuzz(build, name, seconds):
    """Fuzz for some seconds: executions, seconds and whether something was found."""
    corpus, found = build / "corpus" / name, build / "found"
    corpus.mkdir(parents=True, exist_ok=True)
    found.mkdir(exist_ok=True)
    command = [
        program(build, name), f"-max_total_time={seconds}", "-max_len=600", "-len_control=0", "-timeout=60",
        "-print_final_stats=1", f"-artifact_prefix={found}/{name}-", corpus,
        *{path.parent for path in committed(name)},
    ]  # fmt: skip
    start = time.monotonic()
    done = subprocess.run(command, capture_output=True, env=environment(), errors="replace")
    executions = re.search(r"number_of_executed_units: (\d+)", done.stderr)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if not line.startswith(("#", "\tNEW_FUNC", "INFO:"))]
        print("\n".join(lines[-60:]))
    return int(executions[1]) if executions else 0, time.monotonic() - start, done.returncode != 0


def written_by(build):
    """The compiler and the commit that a record is of."""
    cache = (build / "CMakeCache.txt").read_text()
    compiler = re.search(r"CMAKE_CXX_COMPILER:\w+=(.*)", cache)[1]
    version = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True).stdout.split("\n")[0]
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, cwd=HERE, check=False)
    return version.strip(), commit.stdout.strip() or "unknown"


def add(row, executions, seconds, findings):
    row["executions"] += executions
    row["seconds"] = round(row["seconds"] + seconds, 1)
    row["findings"] += findings


def keep(build, rows):
    """Add the rows of a run to the record of the folder."""
    path = build / "record.json"
    harnesses = json.loads(path.read_text())["harnesses"] if path.exists() else {}
    for name, row in rows.items():
        add(harnesses.setdefault(name, {"executions": 0, "seconds": 0.0, "findings": 0}), *row.values())
    compiler, commit = written_by(build)
    record = {"compiler": compiler, "commit": commit, "harnesses": dict(sorted(harnesses.items()))}
    path.write_text(json.dumps(record, indent=2) + "\n")


def main():
    """Return 1 after a finding."""
    build, total = Path(sys.argv[1]).resolve(), float(sys.argv[2])
    names = sys.argv[3:] or sorted(path.stem.removeprefix("fuzz_") for path in HERE.glob("fuzz_*.cpp"))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return campaign(build, total, names, pool)


def campaign(build, total, names, pool):
    """Replay and fuzz; 1 after a finding."""
    failed = [name for name, fails in zip(names, pool.map(partial(replay, build), names), strict=True) if fails]
    for name in failed:
        print(f"{name}: a file of the corpus fails")
    files = sum(len(committed(name)) for name in names)
    print(f"replayed {files} files of {len(names)} harnesses, {len(failed)} failed", flush=True)
    if failed:
        return 1
    if not is_fuzzer(build, names[0]):
        print("not fuzzed: the compiler has no libFuzzer")
        return 0
    rows = {name: {"executions": 0, "seconds": 0.0, "findings": 0} for name in names}
    spent = 0.0
    while names and (share := min(SLICE, (total - spent) / len(names))) >= 1:
        done = list(pool.map(partial(fuzz, build, seconds=int(share)), names))
        for name, (executions, seconds, found) in zip(list(names), done, strict=True):
            add(rows[name], executions, seconds, found)
            spent += seconds
            if found:
                names.remove(name)
    keep(build, rows)
    for name, row in rows.items():
        print(f"{name:16} {row['executions']:>10,} executions in {row['seconds']:7.1f} s, {row['findings']} findings")
    return any(row["findings"] for row in rows.values())


if __name__ == "__main__":
    sys.exit(main())
