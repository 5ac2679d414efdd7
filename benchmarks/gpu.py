"""Builds, tests, checks and measures the CUDA kernels on this machine's GPU, and writes down what came of it.

    python benchmarks/gpu.py                               everything, in nine minutes at most
    python benchmarks/gpu.py --only pack rle --skip tests sanitizers
    python benchmarks/gpu.py --wheels FOLDER               installs these wheels first, where nothing can be downloaded

Wheels count as built from these sources where the folder has what ``python benchmarks/gpu_record.py --fingerprint``
prints of them, as ``fingerprint.txt``.

Without a GPU it says which kernels have not been verified on one, and ends. Each step is a process of its own with a
limit of time, whose log stays in ``build/gpu/``; what a step gave is written before the next begins: ``results.json``
and ``README.md`` in ``results/<gpu>/``, and the record ``tests/gpu_verified.toml`` once the tests have run.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import re
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import gpu_record
import gpu_report
from gpu_report import STEPS
from text import git, slug

ROOT = gpu_record.ROOT
SANITIZERS = ("memcheck", "racecheck", "synccheck")
SHARE = {"build": 0.6, "tests": 0.45, "sanitizers": 0.6, "measure": 1.0}  # of the time left, at most
PROCESSES = min(12, os.cpu_count() or 1)  # of tests at a time, on one device
HUNG_S = 90  # without a word from the process that measures
HANGING_TEST_S = 60  # until a test's stacks are told

_OF_DEVICE = re.compile(r"_on_cuda\b|\[(.*-)?cuda(-.*)?\]$")  # names of tests that run on it

_MEASURE = ROOT / "benchmarks/gpu_measure.py"
_QUERY = "--query-gpu=name,driver_version,compute_cap"
_STATE = "import json, rapidmask, rapidmask._cuda as c; print(json.dumps([rapidmask.cuda_status(), c.__file__]))"


# The machine


def find_gpu() -> dict[str, str] | None:
    """Name, driver and capability of the first GPU, or None."""
    try:
        done = subprocess.run(
            ["nvidia-smi", _QUERY, "--format=csv,noheader"], capture_output=True, text=True, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode or not done.stdout.strip():
        return None
    names = ("gpu", "driver", "capability")
    return dict(zip(names, (part.strip() for part in done.stdout.splitlines()[0].split(",")), strict=True))


def environment() -> dict[str, str]:
    """This process's, with the CUDA toolkit on the path."""
    folders = [f"{os.environ['CUDA_HOME']}/bin"] if "CUDA_HOME" in os.environ else []
    path = os.pathsep.join([os.environ.get("PATH", ""), *folders, "/usr/local/cuda/bin"])
    return {**os.environ, "PATH": path, "PYTHONDONTWRITEBYTECODE": "1"}


def toolkit() -> str:
    """Version of nvcc."""
    try:
        done = subprocess.run(["nvcc", "--version"], env=environment(), capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return next((word.strip(",") for word in done.stdout.partition("release ")[2].split()), "unknown")


# The run


class Run:
    """The time that is left, the folder of the results, and what they are so far."""

    def __init__(self, gpu: dict[str, str], options: argparse.Namespace) -> None:
        self.options = options
        self.stop = time.monotonic() + 60 * options.minutes
        self.folder = options.results / slug(gpu["gpu"])
        self.logs = ROOT / "build/gpu"
        for folder in (self.folder, self.logs):
            folder.mkdir(parents=True, exist_ok=True)
        commit = git("rev-parse", "--short", "HEAD")
        changed = git("status", "--porcelain", "--", ".", ":!benchmarks/results", ":!tests/gpu_verified.toml")
        self.results: dict[str, Any] = {
            "run": {
                "date": datetime.date.today().isoformat(),
                **gpu,
                "cuda": toolkit(),
                "commit": commit or options.commit,
                "dirty": bool(changed) or not (commit or options.commit != "unknown"),
            }
        }

    def left(self) -> float:
        return self.stop - time.monotonic()

    def limit(self, step: str) -> float:
        return max(1.0, SHARE[step] * self.left())

    def call(self, log: str, command: list[str], seconds: float, **variables: str) -> tuple[int | None, str]:
        """Run a command: its exit status, None where its time ran out, and what it printed, which the log keeps."""
        path = self.logs / f"{log}.log"
        done: int | None = 127
        with path.open("w") as file:
            try:
                process = subprocess.Popen(
                    command, cwd=ROOT, env={**environment(), **variables}, stdout=file, stderr=subprocess.STDOUT,
                    start_new_session=True,
                )  # fmt: skip
                try:
                    done = process.wait(seconds)
                except subprocess.TimeoutExpired:
                    done = None
                    os.killpg(process.pid, signal.SIGKILL)  # with what it started
                    process.wait()
            except OSError as error:
                file.write(f"{error}\n")
        return done, path.read_text(errors="replace")

    def write(self) -> None:
        text = json.dumps(self.results, indent=1, ensure_ascii=False)
        (self.folder / "results.json").write_text(text + "\n")
        (self.folder / "README.md").write_text(gpu_report.as_text(self.results))


# Build


def is_current(module: str) -> bool:
    """Whether a built module is younger than all that it is compiled from."""
    built = Path(module).stat().st_mtime
    return all(path.stat().st_mtime <= built for path in gpu_record.inputs())


def state(run: Run) -> tuple[dict[str, Any], str] | None:
    """What `rapidmask.cuda_status()` says in a new process, and the file of `_cuda`; None where there is none."""
    done, text = run.call("state", [sys.executable, "-c", _STATE], 120)
    if done != 0:
        return None
    status, module = json.loads(text.strip().splitlines()[-1])
    return status, module


def build(run: Run) -> dict[str, Any]:
    if wheels := run.options.wheels:
        files = sorted(str(path) for path in wheels.glob("*.whl"))
        install = ["install", "--no-index", "--no-deps", "--force-reinstall", *files]
        done, text = run.call("wheels", [sys.executable, "-m", "pip", *install], 120)
        if done != 0:
            return {"outcome": "failed", "end_of_log": text[-3000:]}
        printed = wheels / "fingerprint.txt"
        current = printed.exists() and printed.read_text().strip() == gpu_record.fingerprint()
    found = state(run)
    if found and (current if wheels else is_current(found[1])):  # an installed file is young, whatever it was made of
        return {"outcome": "already there", "status": found[0]}
    settings = ["RAPIDMASK_CUDA=ON", "RAPIDMASK_EMULATOR=ON", "CMAKE_BUILD_TYPE=Release"]
    start = time.monotonic()
    done, text = run.call(
        "build",
        [sys.executable, "-m", "pip", "install", "--no-build-isolation", "--no-deps", "-v", "-e", "."]
        + [f"--config-settings=cmake.define.{one}" for one in settings],
        run.limit("build"),
    )
    if done != 0:
        return {"outcome": "no time was left" if done is None else "failed", "end_of_log": text[-3000:]}
    found = state(run)
    return {
        "outcome": "built" if found else "does not import",
        "seconds": round(time.monotonic() - start),
        "status": found[0] if found else None,
    }


# Tests


def test_files() -> list[Path]:
    """Those with tests of the device, the longest first."""
    names = re.compile("backend|kernels|cuda")
    files = [path for path in (ROOT / "tests").glob("test_*.py") if names.search(path.read_text())]
    files = [path for path in files if "cuda" not in path.stem]  # all of whose tests the option -k would choose
    return sorted(files, key=lambda path: -path.stat().st_size)


def test(run: Run, path: Path, stop: float) -> dict[str, Any]:
    """The tests of a file that name CUDA, in a process of its own: a fault on the device ends no others."""
    report = run.logs / f"{path.stem}.xml"
    report.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-v", "-k", "cuda", "-p", "no:cacheprovider", "-W", "default"]
    command += ["-o", f"faulthandler_timeout={HANGING_TEST_S}"]
    done, text = run.call(path.stem, [*command, f"--junitxml={report}", str(path)], max(1.0, stop - time.monotonic()))
    if done == 5:  # none is named so
        return {"file": path.name, "passed": 0, "failed": 0, "skipped": 0, "failures": {}}
    if not report.exists():
        reason = f"{'no time was left' if done is None else f'exit status {done}'}: {text[-600:]}"
        return {"file": path.name, "passed": 0, "failed": 1, "skipped": 0, "failures": {path.name: reason}}
    return {"file": path.name, **count(report)}


def count(report: Path) -> dict[str, Any]:
    """Numbers of tests of the device in a JUnit report, and what those that failed say, of the device or not."""
    passed = skipped = 0
    failures = {}
    for case in ElementTree.parse(report).iter("testcase"):
        kinds = {child.tag: child.get("message") or "" for child in case}
        if {"failure", "error"} & set(kinds):
            name = f"{case.get('classname')}::{case.get('name')}"
            failures[name] = kinds.get("failure", kinds.get("error", ""))[:400]
        elif not _OF_DEVICE.search(case.get("name", "")):
            continue
        elif "skipped" in kinds:
            skipped += 1
        else:
            passed += 1
    return {"passed": passed, "failed": len(failures), "skipped": skipped, "failures": failures}


def tests(run: Run) -> dict[str, Any]:
    stop = time.monotonic() + run.limit("tests")
    with ThreadPoolExecutor(PROCESSES) as pool:
        files = list(pool.map(lambda path: test(run, path, stop), test_files()))
    total: dict[str, Any] = {key: sum(one[key] for one in files) for key in ("passed", "failed", "skipped")}
    return {**total, "failures": {name: why for one in files for name, why in one["failures"].items()}}


# Sanitizers


def sanitizer(run: Run, tool: str, stop: float) -> str:
    """What a tool of compute-sanitizer says of every kernel on small arrays; each array is an allocation of its own."""
    command = ["compute-sanitizer", "--tool", tool, "--error-exitcode", "66"]
    if tool == "memcheck":  # to which libraries that ask what a driver has would be errors
        command += ["--report-api-errors", "no"]
    command += [sys.executable, "-m", "pytest", "-q"]
    tests = ["-k", "cuda", "-p", "no:cacheprovider", "-W", "default", "tests/test_kernels.py"]
    done, text = run.call(tool, command + tests, max(1.0, stop - time.monotonic()), PYTORCH_NO_CUDA_MEMORY_CACHING="1")
    summaries = [line.strip("= ") for line in text.splitlines() if "SUMMARY" in line and line.startswith("=====")]
    summary = "; ".join(summaries) or "no summary"
    if done == 0:
        return f"passed ({summary})"
    told = [line for line in text.splitlines() if line.startswith("=====")] or text.splitlines()[-40:]
    run.results.setdefault("excerpts", {})[tool] = "\n".join(told[:80])
    outcome = {None: "no time was left", 66: "found errors", 127: "not installed"}.get(done, f"exit status {done}")
    return f"{outcome} ({summary})"


def sanitizers(run: Run) -> dict[str, str]:
    stop = time.monotonic() + run.limit("sanitizers")
    with ThreadPoolExecutor(len(SANITIZERS)) as pool:
        outcomes = pool.map(lambda tool: sanitizer(run, tool, stop), SANITIZERS)
    return dict(zip(SANITIZERS, outcomes, strict=True))


# Measurement


def measure(run: Run) -> dict[str, Any]:
    """Rows of all operations, by processes that are started anew after a fault or where one says nothing for long."""
    done, text = run.call("titles", [sys.executable, str(_MEASURE), "--list"], 60)
    if done != 0:
        return {"rows": [], "problems": {"all": text[-600:]}}
    listed = json.loads(text.strip().splitlines()[-1])
    todo = [title for family, title in listed if not run.options.only or family in run.options.only]
    path = run.logs / "rows.jsonl"
    path.unlink(missing_ok=True)
    path.touch()
    found: dict[str, Any] = {"rows": [], "problems": {}}
    tries = 0
    while todo and run.left() > 10 and tries < 8:
        tries += 1
        with (run.logs / f"measure-{tries}.log").open("w") as log:
            command = [sys.executable, str(_MEASURE), str(path), str(run.left() - 8), *todo]
            worker = subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=log, stderr=subprocess.STDOUT)
            watch(worker, path, run)
        read_rows(path, found)
        known = {row["title"] for row in found["rows"]} | set(found["problems"])
        if worker.returncode not in (0, None) and not known & set(todo) and tries > 1:
            break  # it does not even begin
        todo = [title for title in todo if title not in known]
    found["problems"] |= dict.fromkeys(todo, "not measured")
    return found


def watch(worker: subprocess.Popen[bytes], path: Path, run: Run) -> None:
    """Wait for the process; end it where it is silent for long, or the time is up."""
    heard, size = time.monotonic(), -1
    while worker.poll() is None:
        time.sleep(0.2)
        now = time.monotonic()
        if path.stat().st_size != size:
            heard, size = now, path.stat().st_size
        if now - heard > HUNG_S or run.left() < 0:
            worker.kill()
            worker.wait()


def read_rows(path: Path, found: dict[str, Any]) -> None:
    """Take what was written: rows, errors, and what was begun and never ended."""
    found["rows"], found["problems"] = [], {}
    for line in path.read_text().splitlines():
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:  # cut off
            continue
        if "bandwidth" in entry:
            found.update(entry)
        elif "begun" in entry:
            found["problems"][entry["title"]] = "ended the process, or hung"
        elif "row" in entry:
            found["problems"].pop(entry["title"], None)
            found["rows"].append({"title": entry["title"], **entry["row"]})
        else:
            found["problems"][entry["title"]] = entry.get("error") or entry["skipped"]


# The command


def arguments(given: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", default=[], metavar="FAMILY", help="families to measure")
    parser.add_argument("--skip", nargs="+", default=[], choices=STEPS, help="steps to leave out")
    parser.add_argument("--minutes", type=float, default=9.0, help="time for all of it")
    parser.add_argument("--wheels", type=Path, help="folder of wheels to install first")
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks/results", help="folder of the results")
    parser.add_argument("--record", type=Path, default=gpu_record.RECORD, help="file of what is verified")
    parser.add_argument("--commit", default="unknown", help="what these sources are, where Git does not tell")
    return parser.parse_args(given)


def main(given: list[str] | None = None) -> int:
    options = arguments(given)
    gpu = find_gpu()
    if gpu is None:
        print("No GPU was found here: nothing is run.")
        record = gpu_record.read()
        print(gpu_record.describe(record))
        for name in gpu_record.unverified(record):
            print(f"  unverified: {name}")
        return 0
    run = Run(gpu, options)
    if "build" in options.skip and not devices(run):
        print("rapidmask finds no device: nothing is run.")
        return 1
    for step, work in zip(STEPS, (build, tests, sanitizers, measure), strict=True):
        if step in options.skip:
            continue
        print(f"== {step} ({run.left():.0f} s left)", flush=True)
        if run.left() < 5:
            run.results[step] = {"problem": "no time was left"}
        else:
            try:
                run.results[step] = work(run)
            except Exception as error:
                run.results[step] = {"problem": f"{type(error).__name__}: {error}"}
        run.write()
        if step in ("tests", "sanitizers"):
            write_record(run)
        print(gpu_report.outcome(step, run.results[step]), flush=True)
        if step == "build" and not devices(run):
            print("rapidmask finds no device: nothing else is run.")
            return 1
    print((run.folder / "README.md").read_text())
    return 0 if is_clean(run.results) else 1


def devices(run: Run) -> list[str]:
    """The devices that the installed package finds."""
    found = state(run)
    return found[0]["devices"] if found else []


def is_clean(results: dict[str, Any]) -> bool:
    """Whether every step did what it is for, and no test failed."""
    if any("problem" in results[step] for step in STEPS if step in results):
        return False
    outcomes = results.get("sanitizers", {}).values()
    return not results.get("tests", {}).get("failed") and all(one.startswith("passed") for one in outcomes)


def write_record(run: Run) -> None:
    """Write what is verified, after tests that ran."""
    tests = run.results.get("tests", {})
    if not tests.get("passed"):
        return
    about = {key: run.results["run"][key] for key in ("date", "gpu", "driver", "cuda", "commit", "dirty")}
    counts = {key: tests[key] for key in ("passed", "failed", "skipped")}
    outcomes = run.results.get("sanitizers", {})
    run.options.record.write_text(gpu_record.as_text(about, counts, outcomes))


if __name__ == "__main__":
    sys.exit(main())
