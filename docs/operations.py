"""The table of operations: what each function serves, read off the code.

    python docs/operations.py FILE    writes it between the marks of a Markdown file, such as the README

CPU and CUDA follow from the modules that a function dispatches to, packed and run-length encoded masks from what its
docstring takes and its ``output`` gives.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
from functools import cache
from pathlib import Path

import rapidmask

HERE = Path(__file__).resolve().parent
HEADER = ("function", "CPU", "CUDA", "packed", "RLE")
YES, NO = "✓", ""


@cache
def page_of(name: str) -> str:
    """The page that has a function's docstring, without its suffix."""
    for path in sorted((HERE / "families").glob("*.md")):
        for names in re.findall(r"^```\{functions\}((?: \w+)+)$", path.read_text(encoding="utf-8"), re.MULTILINE):
            if name in names.split():
                return f"families/{path.stem}"
    raise LookupError(f"no page has {name}")


@cache
def used_names(module: str, function: str) -> frozenset[str]:
    """Attributes and names that a function uses, by way of helpers of its package too."""
    loaded = importlib.import_module(module)
    tree = ast.parse(inspect.getsource(loaded))
    body = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == function]
    if not body:
        return frozenset()
    found: set[str] = set()
    for node in ast.walk(body[-1]):  # the last one, after overloads
        if isinstance(node, ast.Attribute):
            found.add(node.attr)
        if isinstance(node, ast.Name) and node.id != function:
            found.add(node.id)
            helper = getattr(loaded, node.id, None)
            if inspect.isfunction(helper) and helper.__module__.startswith("rapidmask."):
                found |= used_names(helper.__module__, helper.__name__)
    return frozenset(found)


def section(function: object, name: str) -> str:
    """A section of a NumPy-style docstring."""
    text = inspect.getdoc(function) or ""
    found = re.search(rf"^{name}\n-+\n(.*?)(?=^[A-Z]\w+\n-+\n|\Z)", text, re.MULTILINE | re.DOTALL)
    return found[1] if found else ""


def forms(name: str) -> tuple[bool, bool]:
    """Whether a function takes or gives packed masks, and run lengths."""
    function = getattr(rapidmask, name)
    parameters, returns = section(function, "Parameters"), section(function, "Returns")
    either = parameters + returns
    return "PackedMasks" in either or '"packed"' in either, "RLEMasks" in either or '"rle"' in either


def marks(name: str) -> list[str]:
    function = getattr(rapidmask, name)
    used = used_names(function.__module__, name)
    on_device = "backend" in used
    host_only = bool({"host_backend", "_cpu"} & used) or function.__module__.endswith(".draw")
    packed, runs = forms(name)
    device = NO if host_only and not on_device else YES
    return [YES, device, YES if packed else NO, YES if runs else NO]


def functions() -> list[str]:
    """Operations on masks, images and scores, in the order of the families."""
    families = list(dict.fromkeys(page_of(name) for name in _operations()))
    order = [
        "masks", "threshold", "threshold-values", "threshold-local", "components", "morphology", "distance",
        "watershed", "rle", "polygon", "overlap", "upsample", "prototypes", "paste", "semantic", "panoptic", "measure",
        "confusion", "draw",
    ]  # fmt: skip
    assert {page.removeprefix("families/") for page in families} <= set(order), families
    return sorted(_operations(), key=lambda name: (order.index(page_of(name).removeprefix("families/")), name))


def _operations() -> list[str]:
    found = []
    for name in rapidmask.__all__:
        thing = getattr(rapidmask, name)
        module = getattr(thing, "__module__", "")
        if inspect.isfunction(thing) and module.startswith("rapidmask.ops.") and not module.endswith(".footprints"):
            found.append(name)
    return found


def rows() -> list[list[str]]:
    return [[name, *marks(name)] for name in functions()]


def markdown() -> str:
    """The table for the README: functions with the same marks in the same family share a line."""
    grouped: dict[tuple[str, ...], list[str]] = {}
    for name, *cells in rows():
        grouped.setdefault((page_of(name), *cells), []).append(f"`{name}`")
    lines = [f"| {' | '.join(HEADER)} |", f"| {' | '.join(['---'] * len(HEADER))} |"]
    lines += [f"| {', '.join(names)} | {' | '.join(cells)} |" for (_, *cells), names in grouped.items()]
    return "\n".join(lines) + "\n"


BEGIN, END = "<!-- operations -->\n", "<!-- /operations -->"


def between(text: str) -> tuple[int, int]:
    """Where the table is in a page."""
    return text.index(BEGIN) + len(BEGIN), text.index(END)


def main() -> None:
    path = Path(sys.argv[1])
    text = path.read_text(encoding="utf-8")
    begin, end = between(text)
    path.write_text(text[:begin] + markdown() + text[end:], encoding="utf-8")


if __name__ == "__main__":
    main()
