"""``rapidmask convert``: masks from one format to another."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import click

from .. import _formats, _review, io
from .._dataset import Annotated, all_categories, coco_image
from .._files import Found, shown, stems
from .._formats import Values
from . import _options
from ._batch import complain, run_each, say
from ._options import counted

_ENDINGS = {"labels": (".png", ".tif"), "masks": ("",), "labelme": (".json",), "pipeline": (".json",)}


def values_option(default: str) -> Callable[[_options.Decorated], _options.Decorated]:
    """Add --values and --names."""

    def decorate(function: _options.Decorated) -> _options.Decorated:
        function = click.option(
            "--names",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Names of classes for --values classes, one in a line, from that of value 0.",
        )(function)
        return click.option(
            "--values",
            type=click.Choice(["objects", "classes"]),
            default=default,
            show_default=True,
            help="What the pixel values of label pictures are: numbers of objects, or of classes.",
        )(function)

    return decorate


def read_names(path: Path | None) -> list[str]:
    """Read the names of classes."""
    return [] if path is None else path.read_text(encoding="utf-8").splitlines()


def read_all(
    given: Sequence[Path],
    kind: str | None,
    *,
    values: Values = "objects",
    names: Sequence[str] = (),
    recursive: bool = False,
    workers: int | None = None,
    quiet: bool = False,
    besides: Path | None = None,
) -> tuple[list[Annotated], int]:
    """Read the masks of files and folders; return them, and 1 where some could not be read, else 0.

    The file ``besides`` is not read.
    """
    groups: list[list[Found]] = []
    status = 0
    for path in given:
        try:
            found = _formats.sources([path], kind, recursive=recursive)
        except OSError as error:
            status = complain(error, path)
            continue
        if not found:
            status = complain(ValueError("no files of masks in this folder"), path)
        groups += [group for group in found if besides is None or group[0].path.resolve() != besides.resolve()]
    outcome = run_each(
        groups,
        partial(_formats.read, kind=kind, values=values, names=names),
        path=lambda group: group[0].path,
        workers=workers,
        quiet=quiet,
        unit="file",
    )
    items, repeated = _without_repeats([item for items in outcome.results for item in items], given)
    return items, max(status, outcome.status, repeated)


def _without_repeats(items: Sequence[Annotated], given: Sequence[Path]) -> tuple[list[Annotated], int]:
    """Leave out what two files of a folder tell of one picture, as where `convert` wrote into it; and 1 if any did.

    The file of fewer pictures is kept. Files that were named are read whatever they tell.
    """
    pictures = Counter(item.source for item in items)
    found = [item for item in items if item.source not in given]
    sources: dict[tuple[Path, str], Path] = {}
    for item in sorted(found, key=lambda item: pictures[item.source]):
        sources.setdefault(_picture(item), item.source)
    repeated = [item for item in found if sources[_picture(item)] != item.source]
    for source, count in Counter(item.source for item in repeated).items():
        complain(ValueError(f"left out {counted(count, 'picture')} whose masks are in other files here, too"), source)
    left_out = {id(item) for item in repeated}
    return [item for item in items if id(item) not in left_out], int(bool(repeated))


def _picture(item: Annotated) -> tuple[Path, str]:
    """Return the folder of a file of masks, and the picture that it names."""
    folder = item.source.parent
    return folder, os.path.normpath(folder / item.pictures / item.name)


@click.command()
@click.argument("given", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@click.option("--to", "kind", required=True, type=click.Choice(_formats.WRITTEN), help="The format to write.")
@click.option(
    "--from", "source", type=click.Choice(_formats.READ), help="The format to read.  [default: told by the files]"
)
@values_option("objects")
@click.option(
    "--decisions",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Apply what was decided on the page of `rapidmask review`: reject and rename masks.",
)
@click.option("--accepted-only", is_flag=True, help="With --decisions: drop masks that were not decided on as well.")
@click.option("--recursive", "-r", is_flag=True, help="Take files from folders within folders too.")
@_options.out("rapidmask-out", "Folder that files go to; with --to coco and polygons a file ending in .json as well.")
@_options.batch
def command(
    given: tuple[Path, ...],
    kind: str,
    source: str | None,
    values: Values,
    names: Path | None,
    decisions: Path | None,
    accepted_only: bool,
    recursive: bool,
    out: Path,
    workers: int | None,
    quiet: bool,
) -> int:
    """Turn files of masks into another format.

    \b
    coco      one COCO JSON about all pictures, run lengths as text: annotations.json
    polygons  the same, with outlines in place of run lengths; they fill holes
    labels    a picture for each picture, whose pixel values are objects or classes (--values)
    masks     a folder for each picture, with a black and white picture for each mask: 0001_cat.png
    labelme   a LabelMe JSON for each picture
    panoptic  COCO's panoptic.json, and a folder of pictures of the same name
    pipeline  a JSON list of label, score and mask, as Hugging Face's Inference API gives it

    Where masks overlap and the format has one value for a pixel, the mask of the higher score has it; without scores
    the smaller.

    \b
    Examples:
      rapidmask convert rapidmask-out --to coco --out annotations.json
      rapidmask convert annotations.json --to masks --out masks
      rapidmask convert class-maps --to coco --values classes --names names.txt
      rapidmask convert rapidmask-out --decisions decisions.json --to coco --out reviewed.json
    """
    io.pillow("Image")
    if accepted_only and decisions is None:
        raise click.UsageError("--accepted-only needs --decisions")
    if kind not in ("coco", "polygons") and out.suffix.lower() == ".json":
        raise click.UsageError(f"--out must be a folder with --to {kind}, got {shown(out)}")
    path = out if out.suffix.lower() == ".json" else out / "annotations.json"
    items, status = read_all(
        given,
        source,
        values=values,
        names=read_names(names),
        recursive=recursive,
        workers=workers,
        quiet=quiet,
        besides=path if kind in ("coco", "polygons") and path not in given else None,  # what an earlier call wrote
    )
    if status and not items:  # a file that is there is not replaced by an empty one
        return status
    if decisions is not None:
        items = _review.apply(items, _review.read_decisions(decisions), accepted_only=accepted_only)
    categories = all_categories(items)
    masks = sum(len(item.masks) for item in items)
    if kind in ("coco", "polygons"):
        path.parent.mkdir(parents=True, exist_ok=True)
        _formats.write_coco(path, items, categories, polygons=kind == "polygons")
    else:
        out.mkdir(parents=True, exist_ok=True)
        path = out
        folder = out / "panoptic" if kind == "panoptic" else out
        places = [Found(item.source, item.name) for item in items]
        jobs = list(zip(items, stems(places, folder, _ENDINGS.get(kind, (".png",))), strict=True))

        def write(job: tuple[Annotated, Path]) -> tuple[Annotated, Path, object]:
            item, stem = job
            stem.parent.mkdir(parents=True, exist_ok=True)
            if kind == "panoptic":
                return item, stem, _formats.write_panoptic(stem, item, categories)
            if kind == "labels":
                return item, stem, _formats.write_labels(stem, item, categories, values)
            return item, stem, _WRITERS[kind](stem, item)

        outcome = run_each(jobs, write, path=lambda job: job[1], workers=workers, quiet=quiet, unit="file")
        status = max(status, outcome.status)
        if kind == "panoptic":
            path = out / "panoptic.json"
            io.write_json(path, _panoptic(outcome.results, folder, categories))
    if not quiet:
        say(f"{counted(masks, 'mask')} of {counted(len(items), 'picture')} -> {path}")
    return status


_WRITERS = {
    "masks": _formats.write_masks,
    "labelme": _formats.write_labelme,
    "pipeline": _formats.write_pipeline,
}


def _panoptic(
    written: Sequence[tuple[Annotated, Path, object]], folder: Path, categories: dict[str, int]
) -> dict[str, object]:
    """Return COCO's JSON about panoptic maps."""
    return {
        "images": [coco_image(i, str(item.name), item.masks.size) for i, (item, _, _) in enumerate(written, 1)],
        "annotations": [
            {
                "image_id": i,
                "file_name": stem.relative_to(folder).as_posix() + ".png",
                "segments_info": segments,
            }
            for i, (_, stem, segments) in enumerate(written, 1)
        ],
        "categories": [{"id": number, "name": name, "isthing": 1} for name, number in categories.items()],
    }
