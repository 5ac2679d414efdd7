"""What changed between two files of results, and what of that is noise.

A row is compared by its ratio to the same peer where both files have one: the peer was timed in the same rounds, so
that a machine that was slower or busier that day slows both. A change counts where their quartiles do not overlap.
Where there is no such peer, our own time is compared, by its quartiles if both files have them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from text import duration, ratio, table

Row = dict[str, Any]
Key = tuple[str, str, int, str, str]  # family, level, threads, operation, case


def rows_of(path: Path) -> dict[Key, Row]:
    runs = json.loads(path.read_text(encoding="utf-8"))["runs"]
    return {
        (run["family"], run["level"], run["threads"], row["operation"], row["case"]): row
        for run in runs
        for row in run["rows"]
    }


def spread(quartiles: list[float]) -> float:
    return quartiles[1] / quartiles[0]


def same_peer(old: Row, new: Row) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The peer that both have whose ratios vary least."""
    known = {peer["name"]: peer for peer in old["peers"]}
    pairs = [(known[peer["name"]], peer) for peer in new["peers"] if peer["name"] in known]
    return min(pairs, key=lambda pair: spread(pair[0]["quartiles"]) * spread(pair[1]["quartiles"]), default=None)


def apart(old: list[float], new: list[float]) -> bool:
    """Whether two ranges do not overlap."""
    return old[1] < new[0] or new[1] < old[0]


def change(old: Row, new: Row) -> tuple[float, bool, str]:
    """How many times faster the new row is, whether that is beyond the spread, and by what it was judged."""
    if pair := same_peer(old, new):
        before, after = pair
        return after["ratio"] / before["ratio"], apart(before["quartiles"], after["quartiles"]), after["name"]
    faster = old["ours_ms"] / new["ours_ms"]
    ranges = [row.get("ours_quartiles_ms") for row in (old, new)]
    return faster, bool(ranges[0] and ranges[1] and apart(ranges[0], ranges[1])), "time alone"


def report(old_path: Path, new_path: Path) -> tuple[str, int]:
    """Return the comparison as text, and how many rows became slower beyond their spread."""
    old, new = rows_of(old_path), rows_of(new_path)
    lines, faster, slower = [], 0, 0
    for key in new:
        if key not in old:
            continue
        value, certain, judge = change(old[key], new[key])
        verdict = "" if not certain else "faster" if value > 1 else "SLOWER"
        faster, slower = faster + (verdict == "faster"), slower + (verdict == "SLOWER")
        family, level, threads, operation, case = key
        lines.append(
            [
                f"{family}, {level}, {threads}",
                f"{operation}, {case}",
                duration(old[key]["ours_ms"]),
                duration(new[key]["ours_ms"]),
                ratio(value),
                verdict,
                judge,
            ]
        )
    header = ["family, level, threads", "operation, case", "before", "after", "times faster", "beyond spread", "by"]
    count = f"{len(lines)} rows in both: {faster} faster, {slower} slower, {len(lines) - faster - slower} within spread"
    only = f"; {len(old.keys() - new.keys())} only before, {len(new.keys() - old.keys())} only after"
    return f"{table(header, lines)}\n{count}{only}.\n", slower
