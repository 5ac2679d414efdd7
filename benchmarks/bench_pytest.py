"""The same comparisons under pytest-benchmark, to follow our own times from commit to commit.

pytest benchmarks                                                        all answers against the peers', untimed
pytest benchmarks --benchmark-enable --benchmark-autosave -k threshold
pytest benchmarks --benchmark-enable --benchmark-compare -k threshold
"""

import importlib
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import compare
from report import FAMILIES


def _comparisons():
    for family in FAMILIES:
        for comparison in importlib.import_module(f"bench_{family}").COMPARISONS:
            yield pytest.param(comparison, id=f"{family}: {comparison.operation}, {comparison.case}")


@pytest.mark.parametrize("comparison", list(_comparisons()))
def test_time(comparison, benchmark):
    try:
        contest = comparison.prepare()
    except ImportError as error:
        pytest.skip(str(error))
    compare.set_threads(1)
    contest.assert_answers()
    benchmark(contest.ours)
