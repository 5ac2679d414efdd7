"""The GPU benchmarks without a GPU: every call of the table, the timing with another clock, and what is written."""

import importlib.util
import json
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))

if importlib.util.find_spec("torch") is None:
    pytest.skip("the benchmarks' arrays are torch's", allow_module_level=True)

import torch

import gpu
import gpu_measure
import gpu_operations
import gpu_record
import gpu_report
from gpu_inputs import TINY

OPERATIONS = {one.title: one for one in gpu_operations.operations(TINY)}
GPU = {"gpu": "NVIDIA Test (R) 1", "driver": "580.1", "capability": "9.0"}


@pytest.mark.parametrize("title", OPERATIONS)
def test_every_operation_and_peer_answers_alike(title, backend):
    if backend == "cuda":
        pytest.skip("benchmarks/gpu.py does this on the device")
    gpu_measure.answers(OPERATIONS[title], TINY)


def test_titles_and_families():
    assert len(OPERATIONS) == len(gpu_operations.operations(TINY)) > 30
    assert {one.family for one in OPERATIONS.values()} <= set(gpu_operations.FAMILIES)


@pytest.fixture
def another_clock(monkeypatch):
    """Time without a device."""

    def events(call):
        start = time.perf_counter()
        call()
        return time.perf_counter() - start

    monkeypatch.setattr(gpu_measure, "_events", events)
    monkeypatch.setattr(gpu_measure, "_SECONDS", 1e-3)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    monkeypatch.setattr(torch.cuda, "_sleep", lambda cycles: None)
    monkeypatch.setattr(gpu_operations.Peer, "missing", lambda peer, device: bool(peer.needs))


def row_of(title):
    return {"title": title, **gpu_measure.measure(OPERATIONS[title], TINY, bandwidth=1e12, cache=1 << 14)}


def test_a_row_is_measured(another_clock):
    row = row_of("components: bool → int32 labels, frames")
    assert row["us"] > 0
    assert row["floors"] == pytest.approx(row["us"] / row["floor_us"])
    (peer,) = row["peers"]
    assert peer["ratio"] == pytest.approx(peer["us"] / row["us"])
    assert row["others"][0] == {"name": "SAM 2's kernel", "problem": "not installed"}
    assert json.loads(json.dumps(row)) == row


def test_a_wrong_or_failing_peer_is_told(another_clock):
    def fail(mask):
        raise RuntimeError("no memory")

    peers = [gpu_operations.Peer("torch wrong", lambda x: x <= 0, gpu_operations.same),
             gpu_operations.Peer("torch failing", fail, None)]  # fmt: skip
    threshold = OPERATIONS["threshold: f32 → bool"]
    changed = gpu_operations.Operation(
        *(threshold.family, "x", threshold.inputs, threshold.ours, threshold.traffic), peers
    )
    row = gpu_measure.measure(changed, TINY, bandwidth=1e12, cache=1)
    assert row["peers"] == []
    wrong, failing = (one["problem"] for one in row["others"])
    assert wrong.startswith("WRONG ANSWER")
    assert failing == "RuntimeError: no memory"


# The command


def test_without_a_gpu_it_tells_what_is_unverified(monkeypatch, capsys):
    monkeypatch.setattr(gpu, "find_gpu", lambda: None)
    assert gpu.main([]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("No GPU was found here")
    for name in gpu_record.unverified(gpu_record.read()):
        assert f"unverified: {name}" in printed


JUNIT = """<?xml version="1.0"?><testsuites><testsuite name="pytest">
<testcase classname="tests.test_pack" name="test_a[cuda]"/>
<testcase classname="tests.test_pack" name="test_d_on_cuda"/>
<testcase classname="tests.test_pack" name="test_of_cuda_names[emu-x]"/>
<testcase classname="tests.test_pack" name="test_e[x86_v3-cuda-4]"/>
<testcase classname="tests.test_pack" name="test_b[cuda]"><skipped message="no"/></testcase>
<testcase classname="tests.test_pack" name="test_c[cuda]"><failure message="1 != 2&#10;more">text</failure></testcase>
</testsuite></testsuites>"""


def test_junit_is_counted(tmp_path):
    report = tmp_path / "a.xml"
    report.write_text(JUNIT)
    failures = {"tests.test_pack::test_c[cuda]": "1 != 2\nmore"}
    assert gpu.count(report) == {"passed": 3, "failed": 1, "skipped": 1, "failures": failures}


def test_files_with_tests_of_the_device_are_found():
    names = {path.name for path in gpu.test_files()}
    assert {"test_pack.py", "test_kernels.py", "test_device.py", "test_components.py"} <= names
    assert "test_components_cuda.py" not in names


WORKER = """
import json, pathlib, sys
if sys.argv[1:] == ["--list"]:
    print(json.dumps([["a", "a: one"], ["a", "a: two"], ["a", "a: three"], ["b", "b: four"]]))
    sys.exit()
rows = pathlib.Path(sys.argv[1])
with rows.open("a") as file:
    print(json.dumps({"bandwidth": 4e12, "cache": 1}), file=file)
    for title in sys.argv[3:]:
        print(json.dumps({"title": title, "begun": True}), file=file, flush=True)
        if title == "a: two":
            sys.exit(3)
        print(json.dumps({"title": title, "row": {"us": 1.0}}), file=file, flush=True)
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run on a GPU that is not there."""
    monkeypatch.setattr(gpu.gpu_record, "RECORD", tmp_path / "absent.toml")
    run = gpu.Run(GPU, gpu.arguments(["--results", str(tmp_path), "--record", str(tmp_path / "record.toml")]))
    run.logs = tmp_path
    return run


def test_measuring_goes_on_after_a_fault(run, tmp_path, monkeypatch):
    worker = tmp_path / "worker.py"
    worker.write_text(WORKER)
    monkeypatch.setattr(gpu, "_MEASURE", worker)
    run.options.only = ["a"]
    found = gpu.measure(run)
    assert [row["title"] for row in found["rows"]] == ["a: one", "a: three"]
    assert found["problems"] == {"a: two": "ended the process, or hung"}
    assert found["bandwidth"] == 4e12


def test_what_is_written(run, another_clock, monkeypatch, tmp_path):
    rows = [row_of("threshold: f32 → bool"), row_of("components: bool → int32 labels, frames")]
    outcomes = {
        "build": {"outcome": "built", "seconds": 9, "status": {"devices": ["x"]}},
        "tests": {"passed": 9, "failed": 1, "skipped": 2, "failures": {"tests.a::b": "1 != 2"}},
        "sanitizers": {"memcheck": "passed (ERROR SUMMARY: 0 errors)"},
        "measure": {"rows": rows, "problems": {"rle: x": "not measured"}, "bandwidth": 4e12, "cache": 1},
    }
    for step, outcome in outcomes.items():
        monkeypatch.setattr(gpu, step, lambda run, outcome=outcome: outcome)
    monkeypatch.setattr(gpu, "find_gpu", lambda: GPU)
    monkeypatch.setattr(gpu, "devices", lambda run: ["x"])
    assert gpu.main(["--results", str(tmp_path), "--record", str(tmp_path / "record.toml")]) == 1  # a test failed
    folder = tmp_path / "nvidia-test-1"
    assert json.loads((folder / "results.json").read_text())["tests"]["passed"] == 9
    page = (folder / "README.md").read_text()
    assert "# NVIDIA Test (R) 1" in page
    assert "threshold: f32 → bool" in page
    assert "≤ 1.1× floor" in page
    assert "SAM 2's kernel: not installed" in page
    assert "rle: x: not measured" in page
    record = (tmp_path / "record.toml").read_text()
    assert 'memcheck = "passed (ERROR SUMMARY: 0 errors)"' in record
    assert "failed = 1" in record


def test_a_failing_step_ends_no_other(monkeypatch, tmp_path):
    def fail(run):
        raise RuntimeError("broken")

    for step in gpu_report.STEPS:
        monkeypatch.setattr(gpu, step, fail)
    monkeypatch.setattr(gpu, "find_gpu", lambda: GPU)
    monkeypatch.setattr(gpu, "devices", lambda run: ["x"])
    assert gpu.main(["--results", str(tmp_path), "--record", str(tmp_path / "record.toml")]) == 1
    results = json.loads((tmp_path / "nvidia-test-1/results.json").read_text())
    assert [results[step] for step in gpu_report.STEPS] == [{"problem": "RuntimeError: broken"}] * 4
    assert not (tmp_path / "record.toml").exists()


@pytest.mark.parametrize("skipped", [[], ["--skip", "build"]])
def test_nothing_runs_where_the_package_finds_no_device(skipped, monkeypatch, tmp_path, capsys):
    for step in gpu_report.STEPS:
        monkeypatch.setattr(gpu, step, lambda run: {"outcome": "built", "passed": 9, "failed": 0, "skipped": 0})
    monkeypatch.setattr(gpu, "find_gpu", lambda: GPU)
    monkeypatch.setattr(gpu, "state", lambda run: ({"devices": []}, "_cuda.so"))
    assert gpu.main(["--results", str(tmp_path), "--record", str(tmp_path / "record.toml"), *skipped]) == 1
    assert "finds no device" in capsys.readouterr().out
    assert not (tmp_path / "record.toml").exists()


def test_wheels_of_other_sources_are_not_taken_for_these(run, monkeypatch, tmp_path):
    calls = []
    monkeypatch.setattr(run, "call", lambda log, command, *_: calls.append((log, command)) or (0, ""))
    monkeypatch.setattr(gpu, "state", lambda run: ({"devices": ["x"]}, "_cuda.so"))
    run.options.wheels = tmp_path / "wheels"
    run.options.wheels.mkdir()
    assert gpu.build(run)["outcome"] == "built"
    (run.options.wheels / "fingerprint.txt").write_text("of others\n")
    assert gpu.build(run)["outcome"] == "built"
    (run.options.wheels / "fingerprint.txt").write_text(gpu_record.fingerprint() + "\n")
    assert gpu.build(run)["outcome"] == "already there"
    assert [log for log, _ in calls] == ["wheels", "build", "wheels", "build", "wheels"]
    assert "--force-reinstall" in calls[0][1]
    monkeypatch.setattr(run, "call", lambda *_: (1, "is not a supported wheel"))
    assert gpu.build(run) == {"outcome": "failed", "end_of_log": "is not a supported wheel"}


def test_inputs_that_are_packed_are_copied_until_they_leave_the_cache():
    operation = next(one for one in OPERATIONS.values() if one.prepare is gpu_operations.packed)
    inputs = operation.inputs(TINY)
    packed = operation.prepare(*inputs)[0].data
    copies = gpu_measure.copies_of(operation, inputs, 4 * packed.numel())
    assert len(copies) == 12
    assert len({given[0].data.data_ptr() for given in copies}) == 12


def test_commands_leave_logs_and_end_in_time(run):
    done, text = run.call("a", [sys.executable, "-c", "print('hello')"], 60)
    assert (done, text) == (0, "hello\n")
    assert run.call("b", [sys.executable, "-c", "import time; time.sleep(60)"], 0.5)[0] is None
    assert run.call("c", ["no-such-command-here"], 5)[0] == 127
