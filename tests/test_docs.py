"""The pages of docs/: their examples run, every function has a page, and what is generated is up to date."""

import doctest
import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import rapidmask

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
NEEDED = ("torch", "pycocotools", "cv2", "skimage", "scipy")  # and imported by some pages
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(DOCS)))
def test_examples_run(page, monkeypatch, tmp_path):
    text = page.read_text(encoding="utf-8")
    blocks = list(BLOCK.finditer(text))
    code = "".join(block[1] for block in blocks)
    for name in NEEDED:
        if re.search(rf"(import|from) {name}\b", code):
            pytest.importorskip(name)
    monkeypatch.chdir(tmp_path)  # for what they write
    names = {}
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    report = []
    with np.printoptions(precision=8, threshold=1000, edgeitems=3, linewidth=75, suppress=False, floatmode="maxprec"):
        for block in blocks:
            line = text[: block.start(1)].count("\n")
            test = doctest.DocTestParser().get_doctest(block[1], names, page.name, str(page), line)
            test.globs = names
            runner.run(test, out=report.append, clear_globs=False)
    assert not runner.failures, "".join(report)
    assert bool(blocks) == (">>>" in text), "an example outside of a python block"


def documented():
    """The names that pages show the docstrings of."""
    found = []
    for page in PAGES:
        for names in re.findall(r"^```\{functions\}((?: \w+)+)$", page.read_text(encoding="utf-8"), re.MULTILINE):
            found += names.split()
    return found


def test_every_public_name_has_one_page():
    assert sorted(documented()) == sorted(set(rapidmask.__all__) - {"__version__"})


def test_links_lead_somewhere():
    for page in PAGES:
        text = BLOCK.sub("", page.read_text(encoding="utf-8"))
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
            path = page.parent / target
            assert path.exists(), f"{page.name}: {target}"


def test_pages_fetch_nothing_from_elsewhere():
    for path in [*PAGES, *(DOCS / "static").iterdir(), DOCS / "conf.py"]:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"(src|href)=\"https?:|@import|url\(http", text), path.name


def test_pictures_are_small():
    assert sum(path.stat().st_size for path in (DOCS / "pictures").iterdir()) < 600 * 1024


def operations():
    sys.path.insert(0, str(DOCS))
    try:
        spec = importlib.util.spec_from_file_location("operations", DOCS / "operations.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(DOCS))
    return module


def test_the_table_of_operations_is_true():
    rows = {name: marks for name, *marks in operations().rows()}
    assert rows["dilate"] == ["✓", "✓", "✓", "✓"]
    assert rows["watershed"][1] == ""
    assert rows["overlay"][1] == ""
    assert rows["threshold_otsu"][2:] == ["", ""]
    masks = np.ones((1, 3, 5), bool)
    for name in ("boundary", "fill_holes", "keep_largest", "mask_areas", "masks_to_boxes", "masks_to_polygons"):
        assert rows[name][2:] == ["✓", "✓"]
        for form in (rapidmask.pack(masks), rapidmask.rle_encode(masks)):
            getattr(rapidmask, name)(form)  # takes what the table says


def test_the_table_of_operations_is_up_to_date():
    text = (DOCS / "readme-draft.md").read_text(encoding="utf-8")
    begin, end = "<!-- operations -->\n", "<!-- /operations -->"
    table = text[text.index(begin) + len(begin) : text.index(end)]
    assert table == operations().markdown(), "run docs/operations.py"
