"""The examples and the claims of the README that can be run."""

import doctest
from pathlib import Path

import pytest

import reliability

README = Path(__file__).parents[1] / "README.md"


def test_examples_run():
    pytest.importorskip("skimage.data")  # the picture of one of them
    results = doctest.testfile(str(README), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert results.attempted > 10
    assert results.failed == 0


def test_the_benchmarks_have_their_place():
    text = README.read_text(encoding="utf-8")
    assert text.index("<!-- benchmarks -->") < text.index("<!-- /benchmarks -->")


@pytest.mark.parametrize("page", reliability.PAGES, ids=lambda page: page.name)
def test_the_tables_of_reliability_are_those_of_the_records(page):
    text = page.read_text(encoding="utf-8")
    assert reliability.with_table(text, reliability.PAGES[page]()) == text
