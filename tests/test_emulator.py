"""The CUDA emulator finds the faults it is there to find.

``tests/cpp/emulator_faults.cpp`` holds small kernels, correct ones that compare themselves with serial results and
faulty ones. It is built plain and under the address and thread sanitizers; every case runs in a process of its own.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = [ROOT / "tests/cpp/emulator_faults.cpp", ROOT / "cuda/emu/emulator.cpp"]
FLAGS = ["-std=c++20", "-O0", "-g1", "-Wall", "-Wextra", "-Werror", "-pthread", "-DRM_EMULATE"]
FLAGS += [f"-I{ROOT / folder}" for folder in ("cuda/src", "cuda/emu", "cpp/include")]
BUILDS = {
    "plain": [],
    "address": ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"],
    "thread": ["-fsanitize=thread"],
    "ucontext": ["-DRM_EMU_UCONTEXT"],  # the stack switch of processors other than x86-64
}
REFUSED, WRONG, SANITIZER = 1, 2, 66  # exit statuses
ENVIRONMENT = os.environ | {
    # Leaks are not looked for: that needs ptrace, which containers often lack, and a refused block leaves its own.
    "ASAN_OPTIONS": f"exitcode={SANITIZER}:detect_leaks=0",
    "UBSAN_OPTIONS": f"exitcode={SANITIZER}",
    "TSAN_OPTIONS": f"exitcode={SANITIZER}:atexit_sleep_ms=0:halt_on_error=1",
}

CORRECT = [
    "scan_int",
    "shuffle_int",
    "match",
    "votes",
    "atomics",
    "geometry",
    "chain",
    "host_threads",
    "union",
    "barrier",
]
OTHER_TYPES = ["scan_unsigned", "scan_int64", "shuffle_float", "shuffle_double", "shuffle_wide", "bits"]

# Found in any build, with what the report says.
KERNEL_FAULTS = {
    "divergent_barrier": [
        "divergent_barrier_kernel: ",
        "16 threads, from thread (0,0,0) on: in __syncthreads at ",
        "emulator_faults.cpp:",
        "48 threads, from thread (16,0,0) on: returned from the kernel",
        "in block (0,0,0)",
    ],
    "two_barriers": ["two_barriers_kernel: ", "16 threads, from thread (16,0,0) on: in __syncthreads at "],
    "ballot_after_return": [
        "ballot_after_return_kernel: ",
        "20 threads, from thread (0,0,0) on: in __ballot_sync with mask 0xffffffff at ",
        "12 threads, from thread (20,0,0) on: returned from the kernel",
    ],
    "ballot_short_warp": ["the last warp of this block has 18 lanes only"],
    "other_masks": ["in __shfl_sync with mask 0xffffffff at "],
    "own_bit_missing": ["leaves out the calling thread"],
    "trap": ["__trap at ", "in thread (3,0,0)"],
}
LAUNCH_FAULTS = {
    "block_too_large": ["nothing_kernel: invalid configuration argument", "block (1025,1,1)"],
    "block_empty": ["invalid configuration argument", "block (32,0,1)"],
    "grid_too_tall": ["invalid configuration argument", "grid (1,65536,1)"],
    "grid_too_wide": ["invalid configuration argument"],
    "grid_negative": ["invalid configuration argument"],
    "shared_not_allowed": ["nothing_kernel: invalid argument", "47105 bytes of dynamic shared memory, 47104 allowed"],
    "shared_too_large": ["nothing_kernel: invalid argument", "230401 bytes of dynamic shared memory, 230400 allowed"],
    "shared_lowered": ["nothing_kernel: invalid argument", "401 bytes of dynamic shared memory, 400 allowed"],
    "shared_attribute_too_large": ["attribute: invalid argument"],
}


@pytest.fixture(scope="session")
def builds(tmp_path_factory):
    """Path of each program that could be built, or the reason why not; the compilers run side by side."""
    compiler = shutil.which(os.environ.get("CXX", "g++")) or shutil.which("g++")
    if compiler is None:
        pytest.skip("no C++ compiler")
    folder = tmp_path_factory.mktemp("emulator")
    probe = folder / "probe.cpp"
    probe.write_text("int main() {}\n")
    out, running = {}, {}
    for name, flags in BUILDS.items():
        links = subprocess.run([compiler, *flags, probe, "-o", folder / "probe"], capture_output=True, text=True)
        if links.returncode == 0:
            links = subprocess.run([folder / "probe"], capture_output=True, text=True, env=ENVIRONMENT)
        if links.returncode != 0:
            out[name] = f"{' '.join(flags)} does not work here: {links.stderr.strip()[:200]}"
            continue
        out[name] = folder / name
        command = [compiler, *FLAGS, *flags, *SOURCES, "-o", out[name]]
        running[name] = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    messages = {name: process.communicate()[0] for name, process in running.items()}
    for name, process in running.items():
        assert process.returncode == 0, f"{name}: {messages[name]}"
    return out


@pytest.fixture(scope="session")
def run(builds):
    def run_case(build, case, seed=0):
        program = builds[build]
        if isinstance(program, str):
            pytest.skip(program)
        done = subprocess.run(
            [program, case, str(seed)], capture_output=True, text=True, env=ENVIRONMENT, timeout=120, check=False
        )
        return done.returncode, done.stderr

    return run_case


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("case", CORRECT)
def test_correct_kernels_pass_under_any_schedule(run, build, case):
    for seed in (1,) if build == "thread" else (0, 1, 2):
        assert run(build, case, seed) == (0, "")


@pytest.mark.parametrize("build", ["plain", "address"])
@pytest.mark.parametrize("case", OTHER_TYPES)
def test_every_type_and_bit_operation(run, build, case):
    assert run(build, case) == (0, "")


@pytest.mark.parametrize("build", ["plain", "address"])  # the thread sanitizer starts no threads after a fork
def test_a_forked_child_launches_on_workers_of_its_own(run, build):
    assert run(build, "after_fork") == (0, "")


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("case", KERNEL_FAULTS)
def test_kernel_fault_is_reported_in_every_build(run, build, case):
    status, report = run(build, case)
    assert status == REFUSED, report
    for part in KERNEL_FAULTS[case]:
        assert part in report


@pytest.mark.parametrize("case", LAUNCH_FAULTS)
def test_launch_beyond_the_limits_is_refused(run, case):
    status, report = run("plain", case)
    assert status == REFUSED, report
    for part in LAUNCH_FAULTS[case]:
        assert part in report


@pytest.mark.parametrize(
    ("case", "where"),
    [("shared_write_past", "a write at byte 128 of 128 bytes"), ("shared_write_before", "a write at byte -1 of")],
)
def test_write_outside_dynamic_shared_memory(run, case, where):
    status, report = run("plain", case)
    assert status == REFUSED
    assert "overrun_kernel: " in report
    assert where in report
    status, report = run("address", case)
    assert status == SANITIZER
    assert "use-after-poison" in report
    assert "overrun_kernel" in report


def test_read_past_global_memory_is_found_by_the_address_sanitizer(run):
    status, report = run("address", "global_read_past")
    assert status == SANITIZER
    assert "heap-buffer-overflow" in report
    assert "read_past_kernel" in report


@pytest.mark.parametrize("build", ["plain", "ucontext"])
def test_lost_union_shows_at_some_seed_and_each_seed_repeats(run, build):
    assert WRONG in [run(build, "union_not_atomic", seed)[0] for seed in (1, 2, 3, 4)]
    assert len({run(build, "barrier_removed", seed) for seed in (7, 7, 7)}) == 1


def test_removed_barrier_passes_in_order_but_not_shuffled(run):
    assert run("plain", "barrier_removed", 0)[0] == 0
    assert WRONG in [run("plain", "barrier_removed", seed)[0] for seed in (1, 2, 3)]


@pytest.mark.parametrize(
    ("case", "kernel"),
    [
        ("barrier_removed", "reverse_kernel"),
        ("union_plain_read", "find_root"),
        ("blocks_race", "number_block_kernel"),
    ],
)
def test_race_is_found_by_the_thread_sanitizer_whatever_the_schedule(run, case, kernel):
    for seed in (0, 1):
        status, report = run("thread", case, seed)
        assert status == SANITIZER
        assert "data race" in report
        assert kernel in report
