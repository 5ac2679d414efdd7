"""``rapidmask segment``: pictures to masks, by a threshold or a model."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click

from .. import io
from .._dataset import Annotated
from .._files import Found, shown
from .._formats import OBJECT
from .._sample import sample_picture
from .._segment import LARGEST_DEFAULT_BLOCK, METHODS, Options, segment
from .._sheet import Tile, compose, overlay_tile, shrink
from ..ops.rle import rle_encode_labels
from . import _options
from ._batch import run_each, say
from ._options import counted, find_pictures, named, speed, write_found

_SHEET = ("_methods.png",)


@click.command()
@_options.pictures(required=False)
@click.option(
    "--method",
    "-m",
    type=click.Choice([*METHODS, "all"]),
    default="otsu",
    show_default=True,
    help="How the threshold is found. multiotsu takes the brightest of three classes, hysteresis the two brighter ones "
    "where the second touches the first; all draws one sheet to compare them.",
)
@click.option("--invert", is_flag=True, help="Take dark objects: swap foreground and background.")
@click.option("--fill-holes", is_flag=True, help="Fill the holes of objects.")
@click.option("--min-area", type=click.IntRange(0), default=0, metavar="N", help="Drop objects of fewer than N pixels.")
@click.option(
    "--connectivity",
    type=click.Choice(["4", "8"]),
    default="8",
    show_default=True,
    help="Neighbours of a pixel that belong to the same object.",
)
@click.option(
    "--denoise", type=click.Choice(["median", "gaussian"]), help="Filter noise out before the threshold is found."
)
@click.option(
    "--resize",
    type=click.IntRange(1),
    metavar="N",
    help="Shrink pictures to N pixels on the longer side before the threshold is found; masks have the picture's size.",
)
@click.option(
    "--block-size",
    type=click.IntRange(1),
    callback=_options.odd,
    metavar="N",
    help="Side of the window of local, adaptive, niblack and sauvola, odd.  [default: an eighth of the shorter side, "
    f"at most {LARGEST_DEFAULT_BLOCK}]",
)
@click.option(
    "--offset",
    type=float,
    default=0.0,
    metavar="X",
    help="Subtracted from the threshold of local and adaptive; below 0 it keeps flat background out.",
)
@click.option(
    "--model",
    metavar="NAME",
    help="Use a model in place of a threshold: its name on the Hugging Face hub, or a folder. It gives classes too. "
    "Of the options above only --min-area applies.",
)
@click.option(
    "--task",
    type=click.Choice(["panoptic", "instance", "semantic"]),
    help="What the model is to find.  [default: the first of these that it can]",
)
@click.option("--device", metavar="NAME", help="Where the model runs, such as cpu or cuda:0.  [default: a GPU if any]")
@_options.out()
@_options.batch
def command(
    pictures: tuple[Path, ...],
    recursive: bool,
    out: Path,
    workers: int | None,
    quiet: bool,
    method: str,
    model: str | None,
    task: str | None,
    device: str | None,
    connectivity: str,
    **options: Any,
) -> int:
    """Find the bright objects of pictures.

    PICTURE is a file, or a folder of pictures. For each, three files are written: a COCO JSON with one annotation per
    object, a picture of labels whose pixel values are the ids of annotations, and the objects painted over the picture.
    Without PICTURE, a sample is drawn and segmented.

    \b
    Examples:
      rapidmask segment
      rapidmask segment photos --fill-holes --min-area 50 --out masks
      rapidmask segment scan.png --method all
      rapidmask segment street.jpg --model nvidia/segformer-b0-finetuned-ade-512-512
    """
    io.pillow("Image")  # before anything is written
    chosen = Options(connectivity=int(connectivity), **options)
    given, status = find_pictures(pictures, recursive=recursive)
    with _work(method, chosen, model, task, device) as work:
        out.mkdir(parents=True, exist_ok=True)
        if not pictures:
            sample = out / "sample.png"
            io.write_image(sample, sample_picture())
            given, _ = find_pictures([sample], recursive=False)
            if not quiet:
                say(f"No picture was given, so a sample was drawn: {shown(sample)}")
        outcome = run_each(
            named(given, out, _SHEET if method == "all" and model is None else _options.OUTPUTS),
            work,
            path=lambda job: job[0].path,
            workers=workers if model is None else 1,
            quiet=quiet,
            lines=lambda lines: lines,
        )
    return max(status, outcome.status)


Job = tuple[Found, Path]
Work = Callable[[Job], list[str]]


def _work(
    method: str, options: Options, model: str | None, task: str | None, device: str | None
) -> contextlib.AbstractContextManager[Work]:
    """Return what segments one picture."""
    if model is None:
        return contextlib.nullcontext(partial(_all_methods if method == "all" else _one_method, method, options))
    from ._model import image_segmentation

    return image_segmentation(model, task, device, options.min_area)


def _one_method(method: str, options: Options, job: Job) -> list[str]:
    file, stem = job
    image = io.read_image(file.path)
    found = segment(io.to_grey(image), method, options)
    masks, values = rle_encode_labels(found.labels)[:2]
    count = len(masks)
    item = Annotated(
        file.name, masks, [OBJECT] * count, [None] * count, values.tolist(), file.path, file.name, {OBJECT: 1}
    )
    files = write_found(stem, item, image, {OBJECT: 1}, f"method {method}, {found.value}", found.labels)
    objects = counted(found.count, "component")
    name = shown(file.name)
    return [f"{name}: {method}, {found.value}, {objects}, {speed(image, found.seconds)} -> {shown(files)}"]


def _all_methods(method: str, options: Options, job: Job) -> list[str]:
    file, stem = job
    image = io.read_image(file.path)
    grey = io.to_grey(image)
    small = shrink(image)
    name = shown(file.name)
    tiles = [Tile("the picture", f"{image.shape[1]} x {image.shape[0]} pixels", small)]
    lines = []
    for one in METHODS:
        try:
            found = segment(grey, one, options)
        except (ValueError, RuntimeError) as error:
            tiles.append(Tile(one, "no threshold", None, str(error)))
            lines.append(f"{name}: {one}, no threshold: {error}")
            continue
        objects = counted(found.count, "component")
        tiles.append(Tile(one, f"{found.value}, {objects}", overlay_tile(small, found.labels)))
        lines.append(f"{name}: {one}, {found.value}, {objects}, {speed(image, found.seconds)}")
    sheet = stem.with_name(f"{stem.name}_methods.png")
    sheet.parent.mkdir(parents=True, exist_ok=True)
    io.write_image(sheet, compose(name, tiles, (small.shape[0], small.shape[1])), fast=True)
    return [*lines, f"{name}: all methods side by side -> {shown(sheet)}"]
