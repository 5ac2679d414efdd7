"""How the results of `gpu.py` are shown: a page of Markdown, with goals beside each row."""

from __future__ import annotations

from typing import Any

from text import duration, ratio, table

STEPS = ("build", "tests", "sanitizers", "measure")


def first_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[0]


def outcome(step: str, result: dict[str, Any]) -> str:
    """A step's result in a line."""
    if "problem" in result:
        return f"{step}: {result['problem']}"
    if step == "tests":
        return f"{result['passed']} passed, {result['failed']} failed, {result['skipped']} skipped"
    if step == "sanitizers":
        return "; ".join(f"{tool}: {found}" for tool, found in result.items())
    if step == "measure":
        return f"{len(result['rows'])} operations measured, {len(result['problems'])} not"
    return f"{step}: {result['outcome']}"


def goals(row: dict[str, Any]) -> str:
    """Each goal of a row, with whether it is reached."""
    wanted, best = row["goals"], min((peer["ratio"] for peer in row["peers"]), default=None)
    cells = []
    if wanted["floors"] is not None:
        cells.append(f"≤ {wanted['floors']:g}× floor {_met(row['floors'] <= wanted['floors'])}")
    if wanted["microseconds"] is not None:
        cells.append(f"≤ {wanted['microseconds']:g} µs {_met(row['us'] <= wanted['microseconds'])}")
    if wanted["times"] is not None:
        judged = "not judged without a peer" if best is None else _met(best >= wanted["times"])
        cells.append(f"≥ {wanted['times']:g}× {judged}")
    return "; ".join(cells)


def _met(reached: bool) -> str:
    return "reached" if reached else "**not yet**"


def as_text(results: dict[str, Any]) -> str:
    """The page."""
    run = results["run"]
    dirty = " with changes" if run["dirty"] else ""
    parts = [
        f"# {run['gpu']}\n",
        f"Written by `benchmarks/gpu.py` on {run['date']}: driver {run['driver']}, compute capability "
        f"{run['capability']}, CUDA {run['cuda']}, commit {run['commit']}{dirty}.\n",
    ]
    parts += [f"- {step}: {outcome(step, results[step])}\n" for step in STEPS if step in results]
    if failures := results.get("tests", {}).get("failures"):
        parts.append("\n## Failed tests\n\n")
        parts += [f"- `{name}`: {first_line(why)}\n" for name, why in list(failures.items())[:200]]
    measured = results.get("measure", {})
    if measured.get("rows"):
        parts.append(_measured(measured))
    if measured.get("problems"):
        parts.append("\n## Not measured\n\n")
        parts += [f"- {title}: {first_line(problem)}\n" for title, problem in measured["problems"].items()]
    return "\n".join(parts[:2]) + "\n" + "".join(parts[2:])


def _measured(found: dict[str, Any]) -> str:
    lines, notes = [], []
    for row in found["rows"]:
        peers = [f"{ratio(peer['ratio'])} {peer['name']}" for peer in row["peers"]] or ["none"]
        notes += [f"- {row['title']}, {other['name']}: {other['problem']}\n" for other in row["others"]]
        lines.append(
            [
                row["title"],
                _time(row["us"]),
                _time(row["call_us"]),
                f"{_time(row['floor_us'])}, {ratio(row['floors'])}",
                "<br>".join(peers),
                goals(row),
            ]
        )
    header = ["operation", "ours", "one call", "floor, and times it", "peer / ours", "goals"]
    return (
        "\n## Times\n\n"
        f"A copy within the device moves {found['bandwidth'] / 1e12:.2f} TB/s, read and written. The floor of an "
        "operation is the time in which that moves what it must read and write once. \"ours\" is the device's time for "
        "a call among others, on inputs that are not in the L2; \"one call\" is that of a call alone until the device "
        "is done, with Python's share.\n\n" + table(header, lines)
        + ("\n## Peers that were not timed\n\n" + "".join(notes) if notes else "")
    )  # fmt: skip


def _time(us: float) -> str:
    return duration(us * 1e-3)
