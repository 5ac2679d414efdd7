"""Arithmetic that must have the same bits wherever it is compiled."""

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
COMPILER = shlex.split(os.environ.get("CXX", "c++"))
# Number by number; then as the instruction levels are compiled, for this processor.
OPTIONS = {"scalar": ["-O0"], "vectors": ["-O3"], "widest vectors": ["-O3", "-march=native"]}


def numbers():
    """All exponents and signs, what is near the limits, and what is no number."""
    rng = np.random.default_rng(1)
    any_bits = rng.integers(0, 1 << 32, 200_000, np.uint32).view(np.float32)
    limits = [0, 87, 87.33, 88.3763, 88.7228, 89, 103.9721, 104, 105, 106, np.inf, np.nan, 1e-45, 1e-38, 3e38]
    limits = np.array(limits, np.float32)
    near = np.nextafter(limits, np.float32(0))
    return np.concatenate([any_bits, rng.uniform(-110, 95, 300_000).astype(np.float32), limits, -limits, near, -near])


@pytest.fixture(scope="module")
def exponentials(tmp_path_factory):
    """e^x of `numbers` and the logistic function of them, twice, by options of the compiler."""
    if shutil.which(COMPILER[0]) is None:
        pytest.skip(f"needs the compiler {COMPILER[0]}")
    results = {}
    for name, options in OPTIONS.items():
        program = tmp_path_factory.mktemp("exponentials") / "exponentials"
        source = [str(ROOT / "tests/cpp/exponentials.cpp"), f"-I{ROOT}/cpp/include", f"-I{ROOT}/cpp/src"]
        subprocess.run(
            [*COMPILER, "-std=c++20", "-ffp-contract=off", *options, *source, "-o", str(program)], check=True
        )
        output = subprocess.run([program], input=numbers().tobytes(), capture_output=True, check=True).stdout
        results[name] = np.frombuffer(output, np.float32).reshape(3, -1)
    return results


def units_off(values, exact):
    """How far values are from exact ones, in units in the last place of float32."""
    with np.errstate(over="ignore", under="ignore"):
        unit = np.spacing(np.abs(exact).astype(np.float32)).astype(np.float64)
    return np.abs(values - exact) / unit


def test_exponentials_have_the_same_bits(exponentials):
    for values in exponentials.values():
        np.testing.assert_array_equal(values, exponentials["scalar"])
        np.testing.assert_array_equal(values[2], values[1])  # in vectors, and number by number


def test_exponentials_are_accurate(exponentials):
    exp, sigmoid, _ = exponentials["scalar"].astype(np.float64)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        x = numbers().astype(np.float64)
        exact = np.exp(x)
        finite = (exact < np.finfo(np.float32).max) & ~np.isnan(x)
        assert units_off(exp[finite], exact[finite]).max() < 1.1
        np.testing.assert_array_equal(exp[~finite], exact[~finite].astype(np.float32))
        exact = 1 / (1 + np.exp(-x))
    normal = exact > 1.2e-38  # e^-x overflows below
    assert units_off(sigmoid[normal], exact[normal]).max() < 2.5
    assert (sigmoid[~normal & ~np.isnan(x)] < 1.2e-38).all()
    assert np.isnan(sigmoid[np.isnan(x)]).all()
    assert exp[x == 0].tolist() == [1.0] * np.count_nonzero(x == 0)
