"""Options that several commands have, and the files that `segment`, `label` and `generate` write."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
import numpy as np
import numpy.typing as npt

from .. import __version__, io
from .._dataset import Annotated, coco_image
from .._files import Found, find, stems
from .._formats import coco_records
from ..ops.draw import overlay
from ._batch import complain

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

OUTPUTS = (".json", "_labels.png", "_labels.tif", "_overlay.png")


def pictures(required: bool = True) -> Callable[[Decorated], Decorated]:
    """Add PICTURE..., and how folders are read."""

    def decorate(function: Decorated) -> Decorated:
        function = click.option(
            "--recursive", "-r", is_flag=True, help="Take pictures from folders within folders too."
        )(function)
        return click.argument(
            "pictures", nargs=-1, required=required, metavar="PICTURE...", type=click.Path(path_type=Path)
        )(function)

    return decorate


def out(default: str = "rapidmask-out", help: str = "Folder that files go to.") -> Callable[[Decorated], Decorated]:
    """Add --out."""
    return click.option(
        "--out", "-o", default=default, show_default=True, metavar="DIR", type=click.Path(path_type=Path), help=help
    )


def batch(function: Decorated) -> Decorated:
    """Add --workers and --quiet."""
    function = click.option("--quiet", "-q", is_flag=True, help="Print nothing but errors.")(function)
    return click.option(
        "--workers",
        "-j",
        type=click.IntRange(1),
        metavar="N",
        help="How many files are worked on at a time.  [default: as many as cores]",
    )(function)


def odd(context: click.Context, parameter: click.Parameter, value: int | None) -> int | None:
    """Refuse even numbers."""
    if value is not None and value % 2 == 0:
        raise click.BadParameter(f"must be odd, got {value}")
    return value


def find_pictures(given: Sequence[Path], *, recursive: bool) -> tuple[list[Found], int]:
    """Return the pictures that were named or found, and 1 where a folder has none, else 0.

    What an earlier run wrote into the folder is left out.
    """
    found: list[Found] = []
    status = 0
    for path in given:
        try:
            here = [file for file in find([path], recursive=recursive) if file.path == path or not _written(file.path)]
        except OSError as error:
            status = complain(error, path)
            continue
        if not here:
            status = complain(ValueError("no pictures in this folder"), path)
        found += here
    return found, status


def _written(path: Path) -> bool:
    """Return whether a picture is one of the files about another, which stand beside its JSON."""
    return any(
        path.name.endswith(ending) and path.with_name(path.name.removesuffix(ending) + ".json").is_file()
        for ending in OUTPUTS[1:]
    )


def named(found: Sequence[Found], folder: Path, outputs: Sequence[str] = OUTPUTS) -> list[tuple[Found, Path]]:
    """Make the folder, and return each picture with the stem of its files."""
    folder.mkdir(parents=True, exist_ok=True)
    return list(zip(found, stems(found, folder, outputs), strict=True))


def write_found(
    stem: Path,
    item: Annotated,
    image: npt.NDArray[Any],
    categories: Mapping[str, int],
    description: str,
    labels: npt.NDArray[Any] | None = None,
) -> str:
    """Write what was found in a picture: COCO's JSON, a map of labels, and the masks painted over the picture.

    Parameters
    ----------
    stem : Path
        The files without their endings.
    item : Annotated
        The masks; its source is the picture.
    image : array
        The picture.
    categories : mapping from str to int
        All classes.
    description : str
        How it was done.
    labels : array of integers, shape (H, W), optional
        The map, where it is known already.

    Returns
    -------
    str
        The files, for people.
    """
    stem.parent.mkdir(parents=True, exist_ok=True)
    if labels is None:
        labels = item.painted()
    many = int(labels.max(initial=0)) > io.MAX_PNG_LABEL
    suffix, other = (".tif", ".png") if many else (".png", ".tif")
    folder = os.path.relpath(item.source.parent, stem.parent).replace(os.sep, "/")
    io.write_coco(
        stem.with_name(stem.name + ".json"),
        [coco_image(1, item.name.name, (image.shape[0], image.shape[1]))],
        coco_records(item, categories),
        [{"id": number, "name": name} for name, number in categories.items()],
        info={"description": f"rapidmask {__version__}, {description}", "pictures": folder},
    )
    io.write_labels(stem.with_name(f"{stem.name}_labels{suffix}"), labels)
    stem.with_name(f"{stem.name}_labels{other}").unlink(missing_ok=True)  # of another run
    painted = overlay(image, labels.astype(np.int32, copy=False))
    io.write_image(stem.with_name(f"{stem.name}_overlay.png"), painted, fast=True)
    return f"{stem}.json, _labels{suffix}, _overlay.png"


def counted(count: int, noun: str) -> str:
    """Return a number of things."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def speed(image: npt.NDArray[Any], seconds: float) -> str:
    """Return how much was done in what time."""
    megapixels, milliseconds = image.shape[0] * image.shape[1] / 1e6, seconds * 1e3
    return f"{megapixels:.3g} megapixels in {milliseconds:.2f} ms ({megapixels / milliseconds:.2g} per ms)"
