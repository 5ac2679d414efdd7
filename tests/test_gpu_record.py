"""The record of what ran on a GPU: what it covers, when it lapses, and that a committed one is sound."""

import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))

import gpu_record

pytest.importorskip("tomllib")

ROOT = gpu_record.ROOT

RUN = {"date": "2026-01-02", "gpu": 'A "GPU"', "driver": "580.1", "cuda": "13.0", "commit": "abc1234", "dirty": False}
TESTS = {"passed": 9, "failed": 0, "skipped": 1}
SANITIZERS = {"memcheck": "passed", "racecheck": "2 errors"}
NAMES = [gpu_record.relative(path) for path in gpu_record.sources()]


def test_sources_are_the_kernels_and_what_they_include():
    assert {"cuda/src/pack.cu", "cuda/src/port.cuh", "cpp/include/rapidmask/pack.hpp"} <= set(NAMES)
    assert "cpp/include/rapidmask/polygon.hpp" not in NAMES  # has no kernels
    assert {f"cuda/src/{path.name}" for path in (ROOT / "cuda/src").glob("*.cu*")} <= set(NAMES)


def test_without_a_record_nothing_is_verified(tmp_path):
    assert gpu_record.read(tmp_path / "absent.toml") is None
    missing = gpu_record.unverified(None)
    assert set(missing) == {gpu_record.relative(path) for path in gpu_record.kernel_files()}
    assert gpu_record.describe(None).startswith("No kernel has run on a GPU yet")


@pytest.fixture
def record(tmp_path):
    """That of a run on the present sources."""
    path = tmp_path / "record.toml"
    path.write_text(gpu_record.as_text(RUN, TESTS, SANITIZERS))
    return gpu_record.read(path)


def test_a_record_comes_back(record):
    assert tuple(record) == gpu_record.SECTIONS
    assert (record["run"], record["tests"], record["sanitizers"]) == (RUN, TESTS, SANITIZERS)
    assert list(record["sources"]) == NAMES
    assert gpu_record.unverified(record) == {}
    assert "9 passed" in gpu_record.describe(record)
    assert "racecheck: 2 errors" in gpu_record.describe(record)


def test_a_change_of_a_header_unsettles_what_includes_it(record):
    record["sources"]["cpp/include/rapidmask/pack.hpp"] = "another"
    missing = gpu_record.unverified(record)
    assert missing["cuda/src/pack.cu"] == ["cpp/include/rapidmask/pack.hpp"]
    assert "cuda/src/distance.cu" not in missing
    del record["sources"]["cuda/src/distance.cu"]
    assert gpu_record.unverified(record)["cuda/src/distance.cu"] == ["cuda/src/distance.cu"]


def test_failures_verify_nothing(record):
    record["tests"]["failed"] = 1
    assert len(gpu_record.unverified(record)) == len(gpu_record.kernel_files())
    assert "No file counts as verified" in gpu_record.describe(record)


def test_the_committed_record_is_sound():
    record = gpu_record.read()
    if record is None:
        pytest.skip("no record is committed: no GPU has been there yet")
    assert tuple(record) == gpu_record.SECTIONS
    assert set(record["run"]) == set(RUN)
    assert set(record["tests"]) == set(TESTS)
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", record["run"]["date"])
    missing = [name for name in record["sources"] if not (ROOT / name).is_file()]
    assert missing == [], "files that are gone: strike them out"
    assert all(re.fullmatch(r"[0-9a-f]{16}", value) for value in record["sources"].values())
