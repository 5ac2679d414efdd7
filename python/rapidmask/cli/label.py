"""``rapidmask label``: pictures of masks to their connected components."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from .. import io
from .._dataset import Annotated
from .._files import Found, shown
from .._formats import OBJECT
from ..ops.components import fill_holes as without_holes
from ..ops.components import label, remove_small_objects
from ..ops.rle import rle_encode_labels
from . import _options
from ._batch import run_each
from ._options import counted, find_pictures, named, write_found


@click.command()
@_options.pictures()
@click.option(
    "--above", type=float, default=0.0, show_default=True, metavar="X", help="Pixels of more than X are foreground."
)
@click.option("--fill-holes", is_flag=True, help="Fill the holes of objects.")
@click.option("--min-area", type=click.IntRange(0), default=0, metavar="N", help="Drop objects of fewer than N pixels.")
@click.option(
    "--connectivity",
    type=click.Choice(["4", "8"]),
    default="8",
    show_default=True,
    help="Neighbours of a pixel that belong to the same object.",
)
@_options.out()
@_options.batch
def command(
    pictures: tuple[Path, ...],
    recursive: bool,
    out: Path,
    workers: int | None,
    quiet: bool,
    above: float,
    fill_holes: bool,
    min_area: int,
    connectivity: str,
) -> int:
    """Find the objects of pictures that are masks already.

    PICTURE is a mask, or a folder of masks: what is not black is foreground. The same files are written as by
    `segment`: a COCO JSON, a picture of labels, and the objects painted over the mask.

    \b
    Examples:
      rapidmask label mask.png
      rapidmask label masks --above 127 --min-area 20 --out objects
    """
    io.pillow("Image")
    found, status = find_pictures(pictures, recursive=recursive)
    work = partial(_label, above=above, fill_holes=fill_holes, min_area=min_area, connectivity=int(connectivity))
    jobs = named(found, out)
    outcome = run_each(
        jobs, work, path=lambda job: job[0].path, workers=workers, quiet=quiet, lines=lambda lines: lines
    )
    return max(status, outcome.status)


def _label(job: tuple[Found, Path], above: float, fill_holes: bool, min_area: int, connectivity: int) -> list[str]:
    file, stem = job
    image = io.read_image(file.path)
    mask = (image if image.ndim == 2 else image.max(axis=2)) > above
    if fill_holes:
        mask = without_holes(mask, connectivity=connectivity)
    if min_area > 1:
        mask = remove_small_objects(mask, min_area, connectivity=connectivity)
    labels = label(mask, connectivity=connectivity)
    masks, values = rle_encode_labels(labels)[:2]
    count = len(masks)
    item = Annotated(
        file.name, masks, [OBJECT] * count, [None] * count, values.tolist(), file.path, file.name, {OBJECT: 1}
    )
    files = write_found(stem, item, image, {OBJECT: 1}, f"components, connectivity {connectivity}", labels)
    areas = sorted(masks.area().tolist())
    sizes = f", areas {areas[0]} to {areas[-1]}, median {areas[count // 2]}" if count else ""
    return [f"{shown(file.name)}: {counted(count, 'component')}{sizes} -> {shown(files)}"]
