"""What pages are made of beside text: the interface, definitions, and what was measured.

```{functions} threshold hysteresis_threshold      their docstrings
```{definition} morphology                         the comment that opens the family's contract
```{reference} morphology dilate erode             functions of tests/reference, which the tests compare with
```{measured} threshold pack                       chart and tables of families, from benchmarks/results/*.json
```{measured-overview}                             all families on one chart
```{measured-sizes}                                times against the size of a mask
```{command-help} segment                          what a command tells of itself
```{operations}                                    what each function serves
"""

from __future__ import annotations

import ast
import json
import re
from html import escape
from pathlib import Path
from typing import Any

import click
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import charts
import operations
import rapidmask
from rapidmask.cli._app import command
from report import result_files, threads_of
from text import duration, ratio

ROOT = Path(__file__).resolve().parent.parent
RESULTS = result_files(ROOT / "benchmarks/results")


# The interface: eval-rst for each name, before the page is parsed


def interface(names: str, module: str) -> str:
    blocks = []
    for name in names.split():
        thing = getattr(rapidmask, name, None) if module == "rapidmask" else None
        kind = "autoclass" if isinstance(thing, type) else "autofunction"
        members = "   :members:\n" if isinstance(thing, type) and not issubclass(thing, (Exception, dict)) else ""
        blocks.append(f"```{{eval-rst}}\n.. {kind}:: {module}.{name}\n{members}```\n")
    return "\n".join(blocks)


def expand_functions(app: Sphinx, page: str, source: list[str]) -> None:
    found = r"^```\{functions\}((?: \w+)+)\n(?::module: ([\w.]+)\n)?```$"
    source[0] = re.sub(found, lambda m: interface(m[1], m[2] or "rapidmask"), source[0], flags=re.MULTILINE)


# Definitions: from the contract and the reference, so that there is one of each


def opening_comment(path: Path) -> list[str]:
    """The lines of the comment at the top of a C++ source, without its marks."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("//"):
            break
        lines.append(line[2:].removeprefix(" "))
    return lines


def reference_source(family: str, names: list[str]) -> str:
    """The source of functions of the reference, in the order in which they are asked for."""
    text = (ROOT / f"tests/reference/{family}.py").read_text(encoding="utf-8")
    found = {node.name: ast.get_source_segment(text, node) for node in ast.parse(text).body if hasattr(node, "name")}
    return "\n\n\n".join(found[name] for name in names)


def inline(text: str) -> list[nodes.Node]:
    """Text with `names` as code."""
    parts = re.split(r"`([^`]+)`", text)
    return [nodes.literal("", part) if i % 2 else nodes.Text(part) for i, part in enumerate(parts) if part]


def prose(lines: list[str]) -> list[nodes.Node]:
    """Paragraphs, lists and, where lines are indented, formulas."""
    made: list[nodes.Node] = []
    kinds = [("formula" if line.startswith("  ") else "item" if line.startswith("- ") else "text") for line in lines]
    i = 0
    while i < len(lines):
        if not lines[i].strip():
            i += 1
            continue
        kind, j = kinds[i], i + 1
        if kind == "item":
            while j < len(lines) and kinds[j] == "formula":
                j += 1
            entry = nodes.list_item("", nodes.paragraph("", "", *inline(" ".join(x.strip(" -") for x in lines[i:j]))))
            if not (made and isinstance(made[-1], nodes.bullet_list)):
                made.append(nodes.bullet_list())
            made[-1] += entry
        else:
            while j < len(lines) and lines[j].strip() and kinds[j] == kind:
                j += 1
            block = "\n".join(line.removeprefix("  ") for line in lines[i:j])
            if kind == "formula":
                made.append(nodes.literal_block(block, block, language="text"))
            else:
                made.append(nodes.paragraph("", "", *inline(" ".join(lines[i:j]))))
        i = j
    return made


class Definition(SphinxDirective):
    """The comment that opens a contract; its first line, which names the family, is the page's own."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        path = ROOT / f"cpp/include/rapidmask/{self.arguments[0]}.hpp"
        self.env.note_dependency(str(path))
        lines = opening_comment(path)
        begin = lines.index("") + 1 if "" in lines else 0
        return prose(lines[begin:])


class Reference(SphinxDirective):
    """Functions of tests/reference."""

    required_arguments = 1
    optional_arguments = 20

    def run(self) -> list[nodes.Node]:
        family, *names = self.arguments
        self.env.note_dependency(str(ROOT / f"tests/reference/{family}.py"))
        code = reference_source(family, names)
        return [nodes.literal_block(code, code, language="python")]


# Measurements


def raw(html: str) -> nodes.raw:
    return nodes.raw("", html, format="html")


def html_table(header: list[str], lines: list[list[str]]) -> str:
    """A table that scrolls by itself where it is too wide."""
    head = "".join(f"<th>{value}</th>" for value in header)
    body = "".join(f"<tr>{''.join(f'<td>{value}</td>' for value in line)}</tr>" for line in lines)
    table = f'<table class="table"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    return f'<div class="rm-wide">{table}</div>'


def against(row: dict[str, Any] | None) -> str:
    """The cell that compares a row with its fastest peer."""
    if row is None or not row["peers"]:
        return ""
    peer = row["peers"][0]
    shown = ratio(peer["ratio"])
    if peer["ratio"] < 1:
        shown = f'<span class="rm-loss">{shown}</span>'
    low, high = (ratio(value) for value in peer["quartiles"])
    other = " (another answer)" if peer["differs"] else ""
    return f"{shown} {escape(peer['name'])}{other}<br><small>[{low}, {high}]</small>"


def source_of(run: dict[str, Any], machine: dict[str, Any]) -> str:
    peers = ", ".join(f"{name} {number}" for name, number in run["versions"].items() if name != "rapidmask")
    changed = " with local changes" if run["dirty"] else ""
    quick = " A quick run: few rounds." if run["quick"] else ""
    return (
        f"{escape(machine['cpu'])}, {machine['cores']} cores, {escape(machine['system'])}, Python {machine['python']}; "
        f"rapidmask at commit {run['commit']}{changed}, {run['date']}; {escape(peers)}.{quick}"
    )


def family_nodes(results: dict[str, Any], family: str) -> list[nodes.Node]:
    """Chart, table and origin of one family."""
    machine = results["machine"]
    runs = {(run["level"], run["threads"]): run for run in results["runs"] if run["family"] == family}
    if not runs:
        return []
    level = max(runs, key=lambda key: machine["levels"].index(key[0]))[0]
    first = runs[min(key for key in runs if key[0] == level)]
    columns = [key for key in runs if key != (first["level"], first["threads"])]
    others = {key: {(row["operation"], row["case"]): row for row in runs[key]["rows"]} for key in columns}
    lines = [
        [
            escape(f"{row['operation']}, {row['case']}"),
            duration(row["ours_ms"]),
            against(row),
            *(against(others[key].get((row["operation"], row["case"]))) for key in columns),
        ]
        for row in first["rows"]
    ]
    header = ["operation, input", "time", f"{first['level']}, {threads_of(first)}"]
    header += [f"{runs[key]['level']}, {threads_of(runs[key])}" for key in columns]
    title = f"{family.replace('_', ' ')}: times faster than the fastest peer, {first['level']}, {threads_of(first)}"
    memory = []
    if any(row.get("peak_bytes") for row in first["rows"]):
        chart = charts.memory(first["rows"], "how far memory rises in a call, its result included, on one thread")
        memory = [raw(f'<div class="rm-wide">{chart}</div>')]
    return [
        raw(f'<div class="rm-wide">{charts.ratios(first["rows"], title)}</div>'),
        *memory,
        raw(html_table(header, lines)),
        raw(f'<p class="rm-source">{source_of(first, machine)}</p>'),
    ]


class Measured(SphinxDirective):
    """What was measured of some families, with machine, versions and commit."""

    required_arguments = 1
    optional_arguments = 20

    def run(self) -> list[nodes.Node]:
        made: list[nodes.Node] = []
        for path in RESULTS:
            self.env.note_dependency(str(path))
            results = json.loads(path.read_text(encoding="utf-8"))
            for family in self.arguments:
                made += family_nodes(results, family)
        return made or [nodes.paragraph("", "Not measured yet.")]


class Overview(SphinxDirective):
    """A dot for each comparison, a line for each family."""

    def run(self) -> list[nodes.Node]:
        made: list[nodes.Node] = []
        for path in RESULTS:
            self.env.note_dependency(str(path))
            results = json.loads(path.read_text(encoding="utf-8"))
            made.append(raw(f'<div class="rm-wide">{charts.overview_of(results)}</div>'))
        return made


class Sizes(SphinxDirective):
    """Times of some operations against the size of a mask."""

    def run(self) -> list[nodes.Node]:
        made: list[nodes.Node] = []
        for path in RESULTS:
            self.env.note_dependency(str(path))
            results = json.loads(path.read_text(encoding="utf-8"))
            runs = [run for run in results["runs"] if (run["family"], run["threads"]) == ("sizes", 1)]
            for run in runs[:1]:
                for operation in dict.fromkeys(row["operation"] for row in run["rows"]):
                    rows = [row for row in run["rows"] if row["operation"] == operation]
                    made.append(raw(f'<div class="rm-wide">{charts.sizes(rows, operation)}</div>'))
                made.append(raw(f'<p class="rm-source">{source_of(run, results["machine"])}</p>'))
        return made or [nodes.paragraph("", "Not measured yet.")]


class CommandHelp(SphinxDirective):
    """What a command tells of itself, or the whole program where none is named."""

    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        shown = click.Context(command, info_name="rapidmask", max_content_width=96, terminal_width=96)
        if self.arguments:
            found = command.get_command(shown, self.arguments[0])
            shown = click.Context(found, parent=shown, info_name=self.arguments[0], terminal_width=96)
        with shown:
            text = shown.command.get_help(shown)
        return [nodes.literal_block(text, text, language="text")]


class Operations(SphinxDirective):
    """The table of what each function serves."""

    def run(self) -> list[nodes.Node]:
        lines = []
        for name, *marks in operations.rows():
            link = f'<a class="reference internal" href="{self.place(name)}"><code>{name}</code></a>'
            lines.append([link, *marks])
        return [raw(html_table(list(operations.HEADER), lines))]

    def place(self, name: str) -> str:
        page = operations.page_of(name)
        depth = self.env.docname.count("/")
        return f"{'../' * depth}{page}.html#rapidmask.{name}"


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("source-read", expand_functions)
    app.add_directive("definition", Definition)
    app.add_directive("reference", Reference)
    app.add_directive("measured", Measured)
    app.add_directive("measured-overview", Overview)
    app.add_directive("measured-sizes", Sizes)
    app.add_directive("command-help", CommandHelp)
    app.add_directive("operations", Operations)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
