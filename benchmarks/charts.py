"""Charts of results as SVG, made by template: no library, some kilobytes, readable on light and dark ground.

Colours are CSS variables of the page that an image stands in; alone, it follows what the reader's system asks for.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from text import ratio

Row = dict[str, Any]

_STYLE = """<style>
svg.rm { --rm-ink: #1f2933; --rm-soft: #66727f; --rm-line: #dfe4ea; --rm-win: #0f766e; --rm-loss: #c2410c; }
@media (prefers-color-scheme: dark) {
  svg.rm { --rm-ink: #e4e9ee; --rm-soft: #9aa6b2; --rm-line: #38424d; --rm-win: #2dd4bf; --rm-loss: #fb923c; }
}
html[data-theme="light"] svg.rm {
  --rm-ink: #1f2933; --rm-soft: #66727f; --rm-line: #dfe4ea; --rm-win: #0f766e; --rm-loss: #c2410c;
}
html[data-theme="dark"] svg.rm {
  --rm-ink: #e4e9ee; --rm-soft: #9aa6b2; --rm-line: #38424d; --rm-win: #2dd4bf; --rm-loss: #fb923c;
}
svg.rm text { font: 12px system-ui, "Segoe UI", Helvetica, Arial, sans-serif; fill: var(--rm-ink); }
svg.rm .soft { fill: var(--rm-soft); font-size: 11px; }
svg.rm .win { fill: var(--rm-win); }
svg.rm .loss { fill: var(--rm-loss); }
svg.rm .other { fill: var(--rm-soft); }
svg.rm .grid { stroke: var(--rm-line); }
svg.rm .one { stroke: var(--rm-soft); }
svg.rm .spread { stroke: var(--rm-ink); stroke-width: 1.2; }
svg.rm polyline { fill: none; stroke-width: 2; }
svg.rm .ours { stroke: var(--rm-win); }
svg.rm .theirs { stroke: var(--rm-soft); stroke-dasharray: 5 4; }
</style>"""


def svg(width: int, height: int, title: str, body: Iterable[str]) -> str:
    return (
        f'<svg class="rm" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img">\n<title>{escape(title)}</title>\n{_STYLE}\n' + "\n".join(body) + "\n</svg>\n"
    )


def text(x: float, y: float, what: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(what)}</text>'


def line(x0: float, y0: float, x1: float, y1: float, kind: str) -> str:
    return f'<line x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}" class="{kind}"/>'


class LogAxis:
    """Places of values along an axis from `low` to `high`, in pixels from `start` to `end`."""

    def __init__(self, values: Sequence[float], start: float, end: float) -> None:
        low, high = min(values), max(values)
        margin = 0.03 * math.log(high / low)
        self.low, self.high = math.log(low) - margin, math.log(high) + margin
        self.start, self.end = start, end

    def __call__(self, value: float) -> float:
        share = (math.log(value) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self, steps: Sequence[float] = (1,)) -> list[float]:
        decades = range(math.floor(self.low / math.log(10)), math.ceil(self.high / math.log(10)) + 1)
        marks = [step * 10.0**decade for decade in decades for step in steps]
        return [mark for mark in marks if self.low <= math.log(mark) <= self.high]


def times(value: float) -> str:
    """A ratio as a tick is named."""
    return f"{value:g}×"


def overview(rows_of: dict[str, list[Row]], title: str) -> str:
    """A line for each family with a dot for each comparison: its ratio to the fastest peer."""
    judged = {family: [row for row in rows if row["peers"]] for family, rows in rows_of.items()}
    judged = {family: rows for family, rows in judged.items() if rows}
    width, left, top, step = 760, 150, 34, 24
    height = top + step * len(judged) + 30
    axis = LogAxis([row["peers"][0]["ratio"] for rows in judged.values() for row in rows] + [0.5, 10], left, width - 20)
    bottom = top + step * len(judged)
    body = [text(8, 16, title, "soft")]
    for mark in axis.ticks():
        body += [
            line(axis(mark), top - 8, axis(mark), bottom, "one" if mark == 1 else "grid"),
            text(axis(mark), bottom + 16, times(mark), "soft", "middle"),
        ]
    for i, (family, rows) in enumerate(judged.items()):
        y = top + step * i + step / 2
        body += [text(left - 12, y + 4, family.replace("_", " "), "", "end"), line(left, y, width - 20, y, "grid")]
        for row in rows:
            value = row["peers"][0]["ratio"]
            label = f"{row['operation']}, {row['case']}: {ratio(value)} {row['peers'][0]['name']}"
            body.append(
                f'<circle cx="{axis(value):.1f}" cy="{y:.1f}" r="4.5" fill-opacity="0.6" '
                f'class="{"win" if value >= 1 else "loss"}"><title>{escape(label)}</title></circle>'
            )
    return svg(width, height, title, body)


def ratios(rows: list[Row], title: str) -> str:
    """A bar for each comparison, from 1 to its ratio to the fastest peer, with the quartiles."""
    rows = [row for row in rows if row["peers"]]
    width, left, right, top, step = 760, 330, 210, 34, 22
    bottom = top + step * len(rows)
    values = [value for row in rows for value in (row["peers"][0]["ratio"], *row["peers"][0]["quartiles"])]
    axis = LogAxis([*values, 0.5, 10], left, width - right)
    body = [text(8, 16, title, "soft")]
    steps = (1,) if axis.high - axis.low > math.log(100) else (1, 2, 5)
    for mark in axis.ticks(steps):
        body += [
            line(axis(mark), top - 6, axis(mark), bottom, "one" if mark == 1 else "grid"),
            text(axis(mark), bottom + 16, times(mark), "soft", "middle"),
        ]
    for i, row in enumerate(rows):
        peer, y = row["peers"][0], top + step * i + step / 2
        value, (low, high) = peer["ratio"], peer["quartiles"]
        begin, end = sorted([axis(1), axis(value)])
        kind = "win" if value >= 1 else "loss"
        label = f"{row['operation']}, {row['case']}"
        shown = label if len(label) <= 45 else label[:44] + "…"
        name = peer["name"] if len(peer["name"]) <= 22 else peer["name"][:21] + "…"
        body += [
            text(left - 10, y + 4, shown, "", "end"),
            f'<rect x="{begin:.1f}" y="{y - 6:.1f}" width="{max(end - begin, 1):.1f}" height="12" class="{kind}">'
            f"<title>{escape(label)}: {ratio(value)} {escape(peer['name'])}</title></rect>",
            line(axis(low), y, axis(high), y, "spread"),
            text(width - right + 8, y + 4, ratio(value), kind),
            text(width - right + 58, y + 4, name, "soft"),
        ]
    return svg(width, bottom + 30, title, body)


def sizes(rows: list[Row], title: str) -> str:
    """Time against pixels of one operation, ours and each peer's that there is at every size."""
    rows = sorted((row for row in rows if row.get("pixels")), key=lambda row: row["pixels"])
    common = set.intersection(*({peer["name"] for peer in row["peers"]} for row in rows))
    lines = {"rapidmask": [row["ours_ms"] for row in rows]}
    for name in sorted(common):
        lines[name] = [next(peer["ms"] for peer in row["peers"] if peer["name"] == name) for row in rows]
    width, height, left, right, top, bottom = 760, 340, 70, 190, 34, 300
    x = LogAxis([row["pixels"] for row in rows], left, width - right)
    y = LogAxis([value for values in lines.values() for value in values], bottom, top)
    body = [text(8, 16, title, "soft")]
    for mark in x.ticks():
        body += [
            line(x(mark), top, x(mark), bottom, "grid"),
            text(x(mark), bottom + 16, pixels(mark), "soft", "middle"),
        ]
    for mark in y.ticks():
        body += [
            line(left, y(mark), width - right, y(mark), "grid"),
            text(left - 8, y(mark) + 4, tick(mark), "soft", "end"),
        ]
    ends = []
    for name, values in lines.items():
        ours = name == "rapidmask"
        points = " ".join(f"{x(row['pixels']):.1f},{y(value):.1f}" for row, value in zip(rows, values, strict=True))
        body.append(f'<polyline points="{points}" class="{"ours" if ours else "theirs"}"/>')
        ends.append((y(values[-1]), name, "win" if ours else "soft"))
    place = -math.inf
    for at, name, kind in sorted(ends):
        place = max(at, place + 14)
        body.append(text(width - right + 8, place + 4, name, kind))
    return svg(width, height, title, body)


def memory(rows: list[Row], title: str) -> str:
    """How far memory rises in a call, ours and each peer's."""
    rows = [row for row in rows if row.get("peak_bytes")]
    lines = [(row["operation"], name, peak / 2**20) for row in rows for name, peak in row["peak_bytes"].items()]
    width, left, right, top, step = 760, 430, 90, 34, 22
    bottom = top + step * len(lines)
    axis = LogAxis([*(max(mib, 0.1) for *_, mib in lines), 0.1, 10], left, width - right)
    body = [text(8, 16, title, "soft")]
    for mark in axis.ticks():
        body += [
            line(axis(mark), top - 6, axis(mark), bottom, "grid"),
            text(axis(mark), bottom + 16, f"{mark:g} MiB", "soft", "middle"),
        ]
    for i, (operation, name, mib) in enumerate(lines):
        y, ours = top + step * i + step / 2, name == "rapidmask"
        end = axis(max(mib, 0.1))
        body += [
            text(8, y + 4, operation if ours else ""),
            text(left - 10, y + 4, name, "" if ours else "soft", "end"),
            f'<rect x="{left}" y="{y - 6:.1f}" width="{max(end - left, 1):.1f}" height="12" '
            f'class="{"win" if ours else "other"}"/>',
            text(end + 6, y + 4, f"{mib:.1f}", "soft"),
        ]
    return svg(width, bottom + 30, title, body)


def pixels(count: float) -> str:
    return f"{count / 1e6:g} MP"


def tick(ms: float) -> str:
    """A time as a tick is named."""
    return f"{ms * 1e3:g} µs" if ms < 1 else f"{ms:g} ms"


def overview_of(results: dict[str, Any]) -> str:
    """The overview of a file of results: its best instruction level, one thread."""
    where = results["machine"]
    level = where["levels"][-1]
    found = {run["family"]: run["rows"] for run in results["runs"] if (run["level"], run["threads"]) == (level, 1)}
    title = f"Times faster than the fastest peer of each comparison. {where['cpu']}, {level}, 1 thread"
    return overview(found, title)
