"""``rapidmask overlay``: masks painted over their pictures."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np

from .. import _formats, io
from .._dataset import Annotated, picture_of
from .._files import Found, shown, stems
from ..ops.draw import overlay
from . import _options
from ._batch import run_each
from ._options import counted
from .convert import read_all


@click.command()
@click.argument("given", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@click.option(
    "--images",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where the pictures are.  [default: beside the file, or where `segment` found them]",
)
@click.option("--from", "source", type=click.Choice(_formats.READ), help="The format.  [default: told by the files]")
@click.option("--alpha", type=click.FloatRange(0, 1), default=0.5, show_default=True, metavar="X", help="How opaque.")
@click.option("--outline/--no-outline", default=True, show_default=True, help="Whether outlines are drawn.")
@click.option("--recursive", "-r", is_flag=True, help="Take files from folders within folders too.")
@_options.out()
@_options.batch
def command(
    given: tuple[Path, ...],
    images: Path | None,
    source: str | None,
    alpha: float,
    outline: bool,
    recursive: bool,
    out: Path,
    workers: int | None,
    quiet: bool,
) -> int:
    """Paint masks over their pictures.

    FILE is a COCO JSON, or any file of masks that `convert` reads, or a folder of them. Each picture becomes
    NAME_overlay.png, with one colour for each mask.

    \b
    Examples:
      rapidmask overlay annotations.json --images photos
      rapidmask overlay rapidmask-out --alpha 0.3 --out painted
    """
    io.pillow("Image")
    items, status = read_all(given, source, recursive=recursive, workers=workers, quiet=quiet)
    out.mkdir(parents=True, exist_ok=True)
    jobs = list(zip(items, stems([Found(i.source, i.name) for i in items], out, ("_overlay.png",)), strict=True))

    def paint(job: tuple[Annotated, Path]) -> list[str]:
        item, stem = job
        image = io.read_image(picture_of(item, images))
        if image.shape[:2] != item.masks.size:
            raise ValueError(f"masks must be of the picture's size {image.shape[:2]}, got {item.masks.size}")
        path = stem.with_name(stem.name + "_overlay.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        painted = overlay(image, item.painted().astype(np.int32), alpha=alpha, outline=outline)
        io.write_image(path, painted, fast=True)
        return [f"{shown(item.name)}: {counted(len(item.masks), 'mask')} -> {shown(path)}"]

    outcome = run_each(
        jobs, paint, path=lambda job: job[0].source, workers=workers, quiet=quiet, lines=lambda lines: lines
    )
    return max(status, outcome.status)
