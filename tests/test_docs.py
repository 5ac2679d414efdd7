"""The pages of docs/: their examples run, every function has a page, and what is generated is up to date."""

import doctest
import importlib
import importlib.util
import pkgutil
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import rapidmask
from rapidmask._segment import METHODS

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
README = ROOT / "README.md"
PAGES = sorted(DOCS.rglob("*.md"))
NEEDED = ("torch", "pycocotools", "cv2", "dask", "skimage", "scipy")  # and imported by some pages
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
        for names in re.findall(r"^```\{functions\}((?: \w+)+)\n```$", page.read_text(encoding="utf-8"), re.MULTILINE):
            found += names.split()
    return found


def test_every_public_name_has_one_page():
    assert sorted(documented()) == sorted(set(rapidmask.__all__) - {"__version__"})


# What numpydoc finds wanting that is meant so.
EXEMPT = {
    "ES01": "a summary that says all needs no second paragraph",
    "EX01": "records and settings have no example",
    "SA01": "pages of families stand in for lists of what to see also",
    "RT01": "a summary that begins with Return says what is returned",
    "PR01": "fields of records are attributes",
    "YD01": "a context manager is documented by what it returns",
}


def docstrings():
    """The public functions, classes and methods, as numpydoc names them."""
    for name in rapidmask.__all__:
        thing = getattr(rapidmask, name)
        if callable(thing):
            yield f"rapidmask.{name}"
        if isinstance(thing, type):
            for method, value in vars(thing).items():
                if not method.startswith("_") and (callable(value) or isinstance(value, (classmethod, staticmethod))):
                    yield f"rapidmask.{name}.{method}"


def test_docstrings_are_valid():
    validate = pytest.importorskip("numpydoc.validate").validate
    found = {name: [error for error in validate(name)["errors"] if error[0] not in EXEMPT] for name in docstrings()}
    assert {name: errors for name, errors in found.items() if errors} == {}


def test_listed_names_exist_and_have_a_docstring():
    for info in pkgutil.walk_packages(rapidmask.__path__, "rapidmask."):
        if info.name.rpartition(".")[2] in ("_cuda", "_emu", "__main__"):
            continue
        module = importlib.import_module(info.name)
        for listed in getattr(module, "__all__", ()):
            thing = getattr(module, listed)
            assert not callable(thing) or thing.__doc__, listed


def test_links_lead_somewhere():
    for page in PAGES:
        text = BLOCK.sub("", page.read_text(encoding="utf-8"))
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
            path = (ROOT if page == README else page.parent) / target
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


def test_the_table_of_methods_names_what_there_is():
    text = (DOCS / "reference/command.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \|", text, re.MULTILINE)
    assert all(hasattr(rapidmask, function) for function, _ in rows)
    assert {method for _, method in rows} == set(METHODS)


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
    made = operations()
    text = README.read_text(encoding="utf-8")
    begin, end = made.between(text)
    assert text[begin:end] == made.markdown(), "run docs/operations.py README.md"
