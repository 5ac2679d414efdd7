"""What was tried to break rapidmask, as tables in README.md and docs/reliability.md: python tests/reliability.py.

The numbers come from `records/hostile.json` and `fuzz/record.json`, which long runs write, and from the tests.
"""

import json
from pathlib import Path

TESTS = Path(__file__).resolve().parent
BEGIN, END = "<!-- reliability -->", "<!-- /reliability -->"


def records():
    hostile = json.loads((TESTS / "records/hostile.json").read_text(encoding="utf-8"))
    fuzzed = json.loads((TESTS / "fuzz/record.json").read_text(encoding="utf-8"))["harnesses"]
    return hostile, fuzzed


def summary():
    """The table of the README."""
    import test_kernels
    import test_threads

    hostile, fuzzed = records()
    calls = sum(tried["examples"] for tried in hostile.values())
    failures = sum(tried["failures"] for tried in hostile.values())
    executions = sum(run["executions"] for run in fuzzed.values())
    minutes = sum(run["seconds"] for run in fuzzed.values()) / 60
    found = sum(run["findings"] for run in fuzzed.values())
    threads = len(test_threads.SMALL)
    return "\n".join(
        [
            "| tried | times | found |",
            "| --- | ---: | --- |",
            f"| calls of {len(hostile)} public functions with hostile arguments | {calls:,} | {failures} failures |",
            f"| inputs of {len(fuzzed)} fuzzing harnesses, {minutes:.0f} minutes, under the address and "
            f"undefined-behaviour sanitizers | {executions:,} | {found} found and mended, each with its input kept |",
            "| calls that reach every CUDA kernel, emulated, under the address and thread sanitizers | "
            f"{2 * len(test_kernels.CALLS)} in each CI run | the first fault ends the run |",
            f"| {threads} functions, called by 8 threads at once on shared arrays | "
            f"{8 * 2 * threads:,} in each test run | the first difference fails |",
        ]
    )


def details():
    """The tables of docs/reliability.md."""
    hostile, fuzzed = records()
    lines = [
        "| function | hostile calls | answered | refused | compared with the definition | failures |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, tried in hostile.items():
        counts = (tried[key] for key in ("examples", "results", "refused", "checked by definition", "failures"))
        lines.append(f"| `{name}` | " + " | ".join(map(str, counts)) + " |")
    lines += ["", "| harness | executions | seconds | found and mended |", "| --- | ---: | ---: | ---: |"]
    for name, run in fuzzed.items():
        lines.append(f"| `fuzz_{name}` | {run['executions']:,} | {run['seconds']:.0f} | {run['findings']} |")
    return "\n".join(lines)


def with_table(text, table):
    """A page with a table in its place."""
    return text[: text.index(BEGIN)] + f"{BEGIN}\n{table}\n{END}" + text[text.index(END) + len(END) :]


PAGES = {TESTS.parent / "README.md": summary, TESTS.parent / "docs/reliability.md": details}

if __name__ == "__main__":
    for page, table in PAGES.items():
        page.write_text(with_table(page.read_text(encoding="utf-8"), table()), encoding="utf-8")
