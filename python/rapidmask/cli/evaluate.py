"""``rapidmask evaluate``: how good predicted masks are."""

from __future__ import annotations

import itertools
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from .. import _formats, io
from .._dataset import Annotated, all_categories
from .._evaluate import BACKGROUND, MEASURES, Evaluation, evaluate_pair
from .._files import PICTURES, shown
from .._formats import Values
from . import _options
from ._batch import complain, run_each, say
from .convert import read_all, read_names, values_option

_SUFFIXES = PICTURES | {".json"}
_HEADINGS = ("IoU", "Dice", "boundary IoU", "PQ", "SQ", "RQ")


@click.command()
@click.argument("predicted", type=click.Path(path_type=Path))
@click.argument("wanted", type=click.Path(path_type=Path))
@click.option("--from", "source", type=click.Choice(_formats.READ), help="The format.  [default: told by the files]")
@values_option("classes")
@click.option("--ignore", metavar="CLASS", help="Pixels that have this class in WANTED do not count, such as 255.")
@click.option(
    "--json",
    "report",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the measures as JSON too; - prints.",
)
@click.option("--recursive", "-r", is_flag=True, help="Take files from folders within folders too.")
@_options.batch
def command(
    predicted: Path,
    wanted: Path,
    source: str | None,
    values: Values,
    names: Path | None,
    ignore: str | None,
    report: Path | None,
    recursive: bool,
    workers: int | None,
    quiet: bool,
) -> int:
    """Measure predicted masks against the wanted ones.

    PREDICTED and WANTED are two files, or two folders whose files have the same names: pictures of classes, or any
    format that `convert` reads. For each class and on average:

    \b
    IoU           intersection over union of its pixels, over all pictures; its mean is mIoU
    Dice          twice the intersection over the sum of areas
    boundary IoU  the same of the pixels near edges, averaged over pictures
    PQ, SQ, RQ    panoptic, segmentation and recognition quality of its segments

    Pixels of no mask are the class background, which has no segments.

    \b
    Examples:
      rapidmask evaluate predicted-maps true-maps --ignore 255
      rapidmask evaluate predicted.json annotations.json --json measures.json
      rapidmask evaluate found_labels.png true_labels.png --values objects
    """
    io.pillow("Image")
    options: dict[str, Any] = {
        "values": values, "names": read_names(names), "recursive": recursive, "workers": workers, "quiet": True,
    }  # fmt: skip
    ours, status = read_all([predicted], source, **options)
    theirs, other_status = read_all([wanted], source, **options)
    status = max(status, other_status)
    pairs, missing = _pairs(ours, theirs)
    for item in missing:
        status = complain(ValueError(f"no prediction for {shown(item.name)}"), item.source)
    if not pairs:
        return complain(ValueError("no predicted and wanted masks of the same name")) if not missing else 1
    classes = [BACKGROUND, *(name for name in all_categories([*theirs, *ours]) if name not in (ignore, BACKGROUND))]
    named = [{label for item in side for label in item.labels} - {BACKGROUND, ignore} for side in (ours, theirs)]
    if all(named) and not named[0] & named[1]:
        seen = f"{_some(named[0])} are predicted, {_some(named[1])} wanted"
        status = complain(ValueError(f"no class is in both: {seen}; --values and --names tell what maps hold"))
    total = Evaluation(classes)
    outcome = run_each(
        pairs,
        lambda pair: evaluate_pair(*pair, classes, ignore),
        path=lambda pair: pair[0].source,
        workers=workers,
        quiet=quiet,
    )
    for measured in outcome.results:
        total.merge(measured)
    table = total.table()
    if report is not None and str(report) != "-":
        io.write_json(report, table)
    if report is not None and str(report) == "-":
        say(json.dumps(table, indent=1, ensure_ascii=False))
    elif not quiet:
        for line in _lines(table):
            say(line)
    return max(status, outcome.status)


def _pairs(
    predicted: Sequence[Annotated], wanted: Sequence[Annotated]
) -> tuple[list[tuple[Annotated, Annotated]], list[Annotated]]:
    """Return masks of the same picture, and the wanted ones that nothing is predicted for."""
    if len(predicted) == len(wanted) == 1:
        return [(predicted[0], wanted[0])], []
    by_name, by_last = defaultdict(list), defaultdict(list)
    for item in predicted:
        by_name[item.name].append(item)
        by_last[_parts(item)[-1]].append(item)
    pairs, missing = [], []
    wanted_by: dict[int, Annotated] = {}
    for item in wanted:
        alike = by_name[item.name] or by_last[_parts(item)[-1]]
        if not alike:
            missing.append(item)
            continue
        longest = max(_common_end(other, item) for other in alike)
        nearest = [other for other in alike if _common_end(other, item) == longest]
        if len(nearest) > 1 or id(nearest[0]) in wanted_by:
            others = nearest if len(nearest) > 1 else [wanted_by[id(nearest[0])], item]
            names = " and ".join(shown(str(other.name)) for other in others[:2])
            raise ValueError(f"pictures must have names by which they are told apart, got {names} for one picture")
        wanted_by[id(nearest[0])] = item
        pairs.append((nearest[0], item))
    return pairs, missing


def _some(classes: set[str]) -> str:
    """Return some classes as text."""
    first = sorted(classes)[:3]
    return ", ".join(shown(name) for name in first) + (" …" if len(classes) > len(first) else "")


def _parts(item: Annotated) -> tuple[str, ...]:
    """Return folders and name of a picture, without the suffix of a picture or of the file that names none."""
    name = item.name
    return (name.with_suffix("") if name.suffix.lower() in _SUFFIXES else name).parts


def _common_end(a: Annotated, b: Annotated) -> int:
    """Count the parts, from the last one back, that the names of two pictures share."""
    same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(_parts(a)[::-1], _parts(b)[::-1], strict=False))
    return sum(1 for _ in same)


def _lines(table: dict[str, Any]) -> list[str]:
    rows = [*table["classes"].items(), ("mean", table["mean"])]
    width = max(len("class"), *(len(shown(name)) for name, _ in rows))
    head = "class".ljust(width) + "".join(f"  {heading:>{max(6, len(heading))}}" for heading in _HEADINGS)
    lines = [head]
    for name, row in rows:
        cells = ("-" if row[measure] is None else f"{row[measure]:.4f}" for measure in MEASURES)
        columns = "".join(f"  {cell:>{max(6, len(h))}}" for cell, h in zip(cells, _HEADINGS, strict=True))
        lines.append(shown(name).ljust(width) + columns)
    accuracy = table["accuracy"]
    right = "" if accuracy is None else f", {accuracy:.2%} of pixels right"
    return [*lines, f"{_options.counted(table['pictures'], 'picture')}{right}"]
