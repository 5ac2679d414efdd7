"""The examples and the claims of the README that can be run."""

import doctest
import re
from pathlib import Path

import pytest

import rapidmask
from rapidmask._segment import METHODS

README = Path(__file__).parents[1] / "README.md"


def test_examples_run():
    pytest.importorskip("skimage.data")  # the picture of one of them
    results = doctest.testfile(str(README), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert results.attempted > 15
    assert results.failed == 0


def test_the_table_of_thresholds_names_what_there_is():
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \|", README.read_text(encoding="utf-8"), re.MULTILINE)
    assert all(hasattr(rapidmask, function) for function, _ in rows)
    assert {method for _, method in rows} == set(METHODS)


def test_the_benchmarks_have_their_place():
    text = README.read_text(encoding="utf-8")
    assert text.index("<!-- benchmarks -->") < text.index("<!-- /benchmarks -->")
