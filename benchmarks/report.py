"""Runs the benchmarks and writes ``results/<machine>.json``, the same as ``.md``, and a chart, ``.svg``.

    python benchmarks/report.py                      everything, at the best instruction level, with 1 thread and all
    python benchmarks/report.py --only pack --quick  a first look, which writes no files
    python benchmarks/report.py --compare A B        what changed between two files of results, beyond their spread
    python benchmarks/report.py --render             the pages and charts of the committed results anew

A run replaces the results of the families, levels and thread counts that it ran and keeps the others; each has its own
commit, date and versions.
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import importlib.metadata
import json
import os
import platform
import re
import sys
from pathlib import Path
from typing import Any

import charts
import compare
import difference
import memory
import rapidmask
from text import duration, git, ratio, slug, table

FAMILIES = (
    "threshold",
    "pack",
    "components",
    "morphology",
    "distance",
    "watershed",
    "rle",
    "polygon",
    "overlap",
    "paste",
    "measure",
    "confusion",
    "upsample",
    "prototypes",
    "semantic",
    "panoptic",
    "compat_transformers",
    "pipeline",
    "dask",
    "compat",
    "sizes",
    "overhead",
)

_HERE = Path(__file__).resolve().parent
_ROOT = _HERE.parent
_PEERS = (
    "numpy", "opencv-python-headless", "opencv-python", "scikit-image", "scipy", "torch", "transformers", "pycocotools",
    "connected-components-3d", "fill-voids", "edt", "faster-coco-eval", "hotcoco", "ultrafast-pycocotools",
    "supervision", "segment-anything", "sam2", "ultralytics", "torchvision",
)  # fmt: skip
_BEGIN, _END = "<!-- benchmarks -->", "<!-- /benchmarks -->"


# Where and of what


def cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*:\s*(.+)$", info.read_text(), re.M) if info.exists() else None
    return found[1].strip() if found else platform.processor() or platform.machine()


def machine() -> dict[str, Any]:
    return {
        "cpu": cpu_name(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "levels": rapidmask.isa_levels(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def results_name(where: dict[str, Any]) -> str:
    """The name of a machine's files: a hypervisor may hide which processor of a family it is, but not what it can."""
    return slug(f"{where['cpu']} {where['levels'][-1]}")


def versions() -> dict[str, str]:
    found = {"rapidmask": rapidmask.__version__}
    for name in _PEERS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def provenance() -> dict[str, Any]:
    """Commit (with whether anything that decides a time differs from it), date and versions."""
    changed = git("status", "--porcelain", "--", ".", ":!benchmarks/results", ":!README.md")
    return {
        "commit": git("rev-parse", "--short", "HEAD") or "unknown",
        "dirty": bool(changed),
        "date": datetime.date.today().isoformat(),
        "versions": versions(),
    }


# What was measured


def best(row: dict[str, Any]) -> dict[str, Any] | None:
    """The fastest peer."""
    return row["peers"][0] if row["peers"] else None


def judged_ratio(row: dict[str, Any]) -> float:
    """The ratio that decides about bar and goal: that to the peer they were set for, the fastest unless named."""
    return next((peer for peer in row["peers"] if peer["name"] == row.get("against")), best(row))["ratio"]


def bar_met(row: dict[str, Any]) -> bool | None:
    """Whether a row meets its bar: None where it has none, or where a peer is missing that might be the fastest."""
    if row["limit_us"] is not None:
        return row["ours_ms"] * 1e3 <= row["limit_us"]
    content = row.get("content")
    if content and content["slowdown"] > content["limit"]:
        return False
    if row["bar"] is None or row["missing"]:
        return None
    return judged_ratio(row) >= row["bar"]


def run_family(family: str, level: str, threads: int, options: argparse.Namespace) -> tuple[list[dict[str, Any]], int]:
    """Return the rows of a family, and how many of its comparisons gave a wrong answer."""
    rows, wrong = [], 0
    for place, comparison in enumerate(importlib.import_module(f"bench_{family}").COMPARISONS):
        title = f"{comparison.operation}, {comparison.case}"
        if options.match not in title:
            continue
        print(f"  {title}", end=" ", flush=True)
        try:
            row = compare.measure(
                comparison, level=level, threads=threads, seconds=options.seconds, least_rounds=options.least_rounds
            )
        except ImportError as error:
            print(f"skipped: {error}")
            continue
        except AssertionError as error:
            print(f"WRONG ANSWER: {error}")
            wrong += 1
            continue
        if comparison.memory and memory.supported():
            names = ["rapidmask", *(peer.name for peer in comparison.prepare().peers)]
            row["peak_bytes"] = {name: memory.peak_rise(family, place, i) for i, name in enumerate(names)}
        rows.append(row)
        peers = "; ".join(f"{ratio(peer['ratio'])} {peer['name']} {duration(peer['ms'])}" for peer in row["peers"])
        missed = "; BAR MISSED" if bar_met(row) is False else ""
        print(f"{duration(row['ours_ms'])}; {peers}{robustness(row, '; ')}{missed}", flush=True)
    return rows, wrong


# How it is shown


def robustness(row: dict[str, Any], before: str) -> str:
    """How the time for a pixel compares with that in a case of ordinary content, where that is asked."""
    content = row.get("content")
    if not content:
        return ""
    return (
        f"{before}{content['ns_per_pixel']:.2f} ns a pixel, {ratio(content['slowdown'])} (at most "
        f"{content['limit']:g}×) those of {content['yardstick']}"
    )


def verdict(row: dict[str, Any]) -> list[str]:
    """The cells for bar and goal."""
    bar = goal = ""
    if row["limit_us"] is not None:
        bar = f"≤ {row['limit_us']:g} µs "
    elif row["bar"] is not None:
        bar = f"{ratio(row['bar'])} "
    if bar:
        bar += {True: "pass", False: "**missed**", None: f"not judged without {', '.join(row['missing'])}"}[
            bar_met(row)
        ]
    if row["goal"] is not None and not row["missing"]:
        goal = f"{ratio(row['goal'])} {'reached' if judged_ratio(row) >= row['goal'] else 'not yet'}"
    if row.get("against"):
        bar += f", set for {row['against']}"
    return [bar, goal]


def family_table(rows: list[dict[str, Any]]) -> str:
    """One line per peer, the fastest first; the footnotes say where a peer's answer is another."""
    lines, notes = [], []
    for row in rows:
        title = f"{row['operation']}, {row['case']}"
        if not row["peers"]:
            lines.append([title, "none installed", "", duration(row["ours_ms"]), "", *verdict(row)])
        for i, peer in enumerate(row["peers"]):
            first = not i
            if peer["differs"] and peer["differs"] not in notes:
                notes.append(peer["differs"])
            mark = f" [{notes.index(peer['differs']) + 1}]" if peer["differs"] else ""
            low, high = peer["quartiles"]
            lines.append(
                [
                    title + robustness(row, "<br>") if first else "",
                    peer["name"] + mark,
                    f"{ratio(peer['ratio'])} [{ratio(low)}, {ratio(high)}]",
                    duration(row["ours_ms"]) if first else "",
                    duration(peer["ms"]),
                    *(verdict(row) if first else ["", ""]),
                ]
            )
    text = table(["operation, case", "peer", "peer / ours [quartiles]", "ours", "peer", "bar", "goal"], lines)
    return text + "".join(f"\n[{i}] Another answer: {note}.\n" for i, note in enumerate(notes, 1))


def origin(run: dict[str, Any]) -> str:
    state = " with local changes" if run["dirty"] else ""
    peers = ", ".join(f"{name} {version}" for name, version in run["versions"].items())
    return f"Commit {run['commit']}{state}, {run['date']}; {peers}."


def threads_of(run: dict[str, Any]) -> str:
    return f"{run['threads']} thread{'s' if run['threads'] > 1 else ''}"


def markdown(results: dict[str, Any], chart: str) -> str:
    where = results["machine"]
    parts = [
        f"# Benchmarks on {where['cpu']}\n",
        f"![A dot for each comparison, by its ratio to the fastest peer]({chart})\n",
        f"{where['cores']} cores, instruction levels {', '.join(where['levels'])}, {where['system']}, Python "
        f"{where['python']}. Written by `benchmarks/report.py`; `benchmarks/README.md` says how to read it.\n",
    ]
    for run in results["runs"]:
        parts += [
            f"## {run['family']}, {run['level']}, {threads_of(run)}\n",
            origin(run) + (" **A quick run: few rounds.**" if run["quick"] else "") + "\n",
            family_table(run["rows"]),
        ]
    return "\n".join(parts)


def judged_of(results: dict[str, Any]) -> tuple[list[dict[str, Any]], list[tuple[Any, Any]], str]:
    """Return the runs at the best level on one thread, their comparisons with the best peer, and the middle ratio."""
    level = results["machine"]["levels"][-1]
    runs = [run for run in results["runs"] if (run["level"], run["threads"]) == (level, 1)]
    judged = [(row, best(row)) for run in runs for row in run["rows"] if row["peers"]]
    return runs, judged, ratio(sorted(peer["ratio"] for _, peer in judged)[len(judged) // 2])


def elsewhere(file: Path) -> str:
    """Return a sentence for each other file of results beside one."""
    told = ""
    for other in result_files(file.parent):
        if other != file:
            results = json.loads(other.read_text(encoding="utf-8"))
            _, judged, median = judged_of(results)
            lost = sum(peer["ratio"] < 1 for _, peer in judged)
            told += (
                f" On a machine of level {results['machine']['levels'][-1]} it is {median} in the middle of "
                f"{len(judged)}, and the peer is faster in {lost} "
                f"([all](benchmarks/results/{other.stem}.md))."
            )
    return told


def readme_block(results: dict[str, Any], path: str, others: str = "") -> str:
    """Return the chart of all comparisons at the best level on one thread, and which of them are lost."""
    where = results["machine"]
    level = where["levels"][-1]
    runs, judged, median = judged_of(results)
    lost = [
        f"{row['operation']} of {row['case']} ({ratio(peer['ratio'])} {peer['name']})"
        for row, peer in judged
        if peer["ratio"] < 1
    ]
    commits = sorted({run["commit"] + ("+" if run["dirty"] else "") for run in runs})
    when = max((run["date"] for run in runs), default="") + (", quick" if any(run["quick"] for run in runs) else "")
    return (
        f"{_BEGIN}\n"
        f"![A dot for each comparison, by its ratio to the fastest peer]({path}.svg)\n"
        "\n"
        f"Each dot is an operation on one input, against the fastest library that was found for it: {len(judged)} "
        f"comparisons, {median} in the middle. The peer is faster in {len(lost)}: {'; '.join(lost) or 'none'}. "
        f"[All comparisons and peers, quartiles and versions]({path}.md).{others}\n"
        "\n"
        f"{where['cpu']}, {where['cores']} cores, level {level}, one thread; commit {', '.join(commits)}, {when}.\n"
        f"{_END}"
    )


def write_readme(readme: Path, results: dict[str, Any], path: str, others: str = "") -> None:
    text = readme.read_text(encoding="utf-8")
    begin, end = text.find(_BEGIN), text.find(_END)
    if not 0 <= begin < end:
        raise SystemExit(f"{readme} has no block between {_BEGIN} and {_END}")
    readme.write_text(text[:begin] + readme_block(results, path, others) + text[end + len(_END) :], encoding="utf-8")


def result_files(folder: Path) -> list[Path]:
    """The files of results in a folder, that of the most comparisons first; others, of other shapes, may lie beside."""
    every = {path: json.loads(path.read_text(encoding="utf-8")).get("runs") for path in sorted(folder.glob("*.json"))}
    counts = {path: sum(len(run["rows"]) for run in runs) for path, runs in every.items() if runs is not None}
    return sorted(counts, key=lambda path: -counts[path])


def write_pages(file: Path, results: dict[str, Any], readme: Path | None) -> None:
    """Write the page and the chart beside a file of results, and the README's part."""
    file.with_suffix(".svg").write_text(charts.overview_of(results), encoding="utf-8")
    file.with_suffix(".md").write_text(markdown(results, f"{file.stem}.svg"), encoding="utf-8")
    if readme:
        write_readme(readme, results, f"benchmarks/results/{file.stem}", elsewhere(file))


# The command


def merged(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Old runs, those replaced that were run again, in the order of families, levels and threads."""
    levels = ["x86_v4", "x86_v3", "neon", "baseline"]
    keyed = {(run["family"], run["level"], run["threads"]): run for run in [*old, *new]}
    return [keyed[key] for key in sorted(keyed, key=lambda key: (FAMILIES.index(key[0]), levels.index(key[1]), key[2]))]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Time rapidmask against other libraries.")
    levels = rapidmask.isa_levels()
    cores = machine()["cores"]
    parser.add_argument("--only", nargs="+", choices=FAMILIES, default=FAMILIES, help="families to run")
    parser.add_argument("--match", default="", help="run only the comparisons whose title holds this; writes no files")
    parser.add_argument("--isa", nargs="+", choices=[*levels, "all"], default=[levels[-1]], help="instruction levels")
    parser.add_argument("--threads", nargs="+", type=int, default=sorted({1, cores}), help="thread counts")
    parser.add_argument("--seconds", type=float, default=3.0, help="about how long to time each comparison")
    parser.add_argument("--least-rounds", type=int, default=7, help="however long they take")
    parser.add_argument("--quick", action="store_true", help="few rounds; writes no files but to --results")
    parser.add_argument("--results", type=Path, help="folder to write to (benchmarks/results)")
    parser.add_argument(
        "--write-readme", type=Path, nargs="?", const=_ROOT / "README.md", help="also rewrite the table in this file"
    )
    parser.add_argument("--check", action="store_true", help="fail where a bar is missed")
    parser.add_argument(
        "--compare", type=Path, nargs=2, metavar=("A.json", "B.json"), help="compare two files of results; runs nothing"
    )
    parser.add_argument("--render", action="store_true", help="write pages and charts of results again; runs nothing")
    options = parser.parse_args()
    if "all" in options.isa:
        options.isa = levels[::-1]
    if options.quick:
        options.seconds, options.least_rounds = 0.2, 3
    elif options.results is None and not options.match:
        options.results = _HERE / "results"
    if options.write_readme and not options.results:
        parser.error("--write-readme needs results that are written: not with --match or --quick alone")
    return options


def main() -> int:
    options = arguments()
    if options.compare:
        text, slower = difference.report(*options.compare)
        print(text, end="")
        return 1 if options.check and slower else 0
    if options.render:
        for i, file in enumerate(result_files(options.results or _HERE / "results")):
            readme = options.write_readme if i == 0 else None
            write_pages(file, json.loads(file.read_text(encoding="utf-8")), readme)
        return 0
    here, now = machine(), provenance()
    runs, wrong = [], 0
    for family in options.only:
        for level in options.isa:
            for threads in options.threads:
                run = {"family": family, "level": level, "threads": threads, **now, "quick": options.quick}
                print(f"{family}, {level}, {threads_of(run)}", flush=True)
                rows, wrong_here = run_family(family, level, threads, options)
                wrong += wrong_here
                if rows:
                    runs.append({**run, "rows": rows})

    judged = [met for run in runs for row in run["rows"] if (met := bar_met(row)) is not None]
    print(f"{sum(judged)} of {len(judged)} bars met, {wrong} wrong answers")
    if options.results and runs:
        options.results.mkdir(parents=True, exist_ok=True)
        file = options.results / f"{results_name(here)}.json"
        old = json.loads(file.read_text(encoding="utf-8"))["runs"] if file.exists() else []
        results = {"machine": here, "runs": merged(old, runs)}
        file.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        write_pages(file, results, options.write_readme)
    return 1 if wrong or (options.check and not all(judged)) else 0


if __name__ == "__main__":
    sys.exit(main())
