"""What is made of benchmark results: charts, the README's part, and the comparison of two files."""

import itertools
import json
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
RESULTS = [
    path for path in sorted((ROOT / "benchmarks/results").glob("*.json")) if "runs" in json.loads(path.read_text())
]


@pytest.fixture(autouse=True)
def _benchmarks(monkeypatch):
    """`benchmarks/` is where its modules find each other."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    yield
    for name in ("charts", "difference", "report", "compare", "cases", "text"):
        sys.modules.pop(name, None)


def row(operation, ratio, *, ms=1.0, quartiles=None, name="peer", pixels=None):
    quartiles = quartiles or [0.95 * ratio, 1.05 * ratio]
    peer = {"name": name, "ratio": ratio, "quartiles": quartiles, "ms": ratio * ms, "differs": ""}
    found = {"operation": operation, "case": "case", "ours_ms": ms, "peers": [peer], "missing": []}
    return found if pixels is None else {**found, "pixels": pixels}


def results(*rows):
    run = {"family": "pack", "level": "x86_v4", "threads": 1, "commit": "abc", "dirty": False, "quick": False}
    machine = {"cpu": "Some & other", "cores": 2, "levels": ["baseline", "x86_v4"]}
    return {"machine": machine, "runs": [{**run, "date": "2026-01-02", "versions": {}, "rows": list(rows)}]}


def written(folder, name, *rows):
    path = folder / name
    path.write_text(json.dumps(results(*rows)))
    return path


def classes(chart, tag):
    """The classes of all elements of a kind in a chart."""
    return [node.get("class") for node in ElementTree.fromstring(chart).iter(f"{{http://www.w3.org/2000/svg}}{tag}")]


def test_losses_have_another_colour():
    import charts

    rows = [row("a", 4.0), row("b < c", 0.5), row("d", 1.0)]
    assert classes(charts.overview_of(results(*rows)), "circle") == ["win", "loss", "win"]
    assert classes(charts.ratios(rows, "title"), "rect") == ["win", "loss", "win"]


def test_a_ratio_lies_where_the_axis_says():
    import charts

    axis = charts.LogAxis([0.1, 1000], 0, 400)
    assert axis.ticks() == [0.1, 1, 10, 100, 1000]
    places = [axis(mark) for mark in axis.ticks()]
    steps = [after - before for before, after in itertools.pairwise(places)]
    assert steps == pytest.approx([steps[0]] * 4)
    assert 0 < places[0] < places[-1] < 400


def test_times_are_drawn_against_sizes():
    import charts

    rows = [row("a", 3.0, ms=0.01 * side, pixels=side * side) for side in (256, 64, 1024)]
    chart = ElementTree.fromstring(charts.sizes(rows, "title"))
    lines = list(chart.iter("{http://www.w3.org/2000/svg}polyline"))
    assert len(lines) == 2  # ours and the peer's
    for line in lines:
        places = [tuple(map(float, place.split(","))) for place in line.get("points").split()]
        assert places == sorted(places)  # sizes ascend to the right
        assert [y for _, y in places] == sorted((y for _, y in places), reverse=True)  # and times upwards


def test_memory_is_drawn_where_it_was_recorded():
    import charts

    rows = [{**row("a", 3.0), "peak_bytes": {"rapidmask": 2**20, "peer": 2**30}}, row("b", 2.0)]
    assert classes(charts.memory(rows, "title"), "rect") == ["win", "other"]


def test_a_change_counts_beyond_the_spread(tmp_path):
    import difference

    old = [row("same", 2.0), row("faster", 2.0), row("slower", 2.0), row("gone", 1)]
    old.append(row("noisy", 2.0, quartiles=[1.0, 4.0]))
    new = [row("same", 2.05), row("faster", 3.0), row("slower", 1.5), row("noisy", 3.0), row("came", 1)]
    text, slower = difference.report(written(tmp_path, "a.json", *old), written(tmp_path, "b.json", *new))
    lines = {line.split(" | ")[1].removesuffix(", case"): line for line in text.splitlines() if "case" in line}
    assert slower == 1
    assert "1.50× | faster" in lines["faster"]
    assert "0.75× | SLOWER" in lines["slower"]
    assert "| peer |" in lines["same"]
    assert "faster |" not in lines["same"] + lines["noisy"]
    assert "4 rows in both: 1 faster, 1 slower, 2 within spread; 1 only before, 1 only after." in text


def test_times_alone_are_compared_without_a_common_peer(tmp_path):
    import difference

    old, new = row("a", 2.0, ms=4.0, name="one"), row("a", 2.0, ms=1.0, name="other")
    assert difference.change(old, new) == (4.0, False, "time alone")
    old, new = ({**line, "ours_quartiles_ms": [0.9 * line["ours_ms"], 1.1 * line["ours_ms"]]} for line in (old, new))
    assert difference.change(old, new) == (4.0, True, "time alone")


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_committed_pages_are_those_of_the_results(path):
    import charts
    import report

    committed = json.loads(path.read_text(encoding="utf-8"))
    assert path.with_suffix(".svg").read_text(encoding="utf-8") == charts.overview_of(committed)
    assert path.with_suffix(".md").read_text(encoding="utf-8") == report.markdown(committed, f"{path.stem}.svg")


def test_the_readme_tells_the_losses():
    import report

    block = report.readme_block(results(row("a", 4.0), row("b", 0.5), row("c", 2.0)), "benchmarks/results/some")
    assert "3 comparisons, 2.00× in the middle. The peer is faster in 1: b of case (0.50× peer)." in block
    assert block.startswith("<!-- benchmarks -->")
