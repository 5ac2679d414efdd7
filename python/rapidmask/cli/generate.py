"""``rapidmask generate``: every mask of a picture, by a model of SAM's family."""

from __future__ import annotations

from pathlib import Path

import click

from .. import io
from . import _options
from ._batch import run_each
from ._options import find_pictures, named

_SLIMSAM = "Zigeng/SlimSAM-uniform-77"


@click.command()
@_options.pictures()
@click.option(
    "--model",
    default=_SLIMSAM,
    show_default=True,
    metavar="NAME",
    help="A model of SAM's family: its name on the Hugging Face hub, or a folder.",
)
@click.option(
    "--points",
    type=click.IntRange(1),
    default=32,
    show_default=True,
    metavar="N",
    help="The model is asked about N by N points: more find smaller objects and take longer.",
)
@click.option(
    "--points-per-batch",
    type=click.IntRange(1),
    default=64,
    show_default=True,
    metavar="N",
    help="Points at a time: more are faster and take more memory.",
)
@click.option("--min-iou", type=float, default=0.88, show_default=True, metavar="X", help="Least quality of a mask.")
@click.option(
    "--min-stability", type=float, default=0.95, show_default=True, metavar="X", help="Least stability of a mask."
)
@click.option(
    "--max-iou",
    type=float,
    default=0.7,
    show_default=True,
    metavar="X",
    help="Of masks whose boxes overlap more, the better is kept.",
)
@click.option("--min-area", type=click.IntRange(0), default=0, metavar="N", help="Drop masks of fewer than N pixels.")
@click.option("--device", metavar="NAME", help="Where the model runs, such as cpu or cuda:0.  [default: a GPU if any]")
@_options.out()
@click.option("--quiet", "-q", is_flag=True, help="Print nothing but errors.")
def command(
    pictures: tuple[Path, ...],
    recursive: bool,
    out: Path,
    quiet: bool,
    model: str,
    points: int,
    points_per_batch: int,
    min_iou: float,
    min_stability: float,
    max_iou: float,
    min_area: int,
    device: str | None,
) -> int:
    """Find every mask of pictures, by a model of SAM's family.

    The model runs in transformers' pipeline for mask generation, and rapidmask makes masks of what it predicts. The
    same files are written as by `segment`. Needs the extra "transformers"

    \b
    Examples:
      rapidmask generate photo.jpg
      rapidmask generate photos --model facebook/sam-vit-base --points 16 --out masks
    """
    from ._model import mask_generation

    io.pillow("Image")
    found, status = find_pictures(pictures, recursive=recursive)
    options = {
        "points_per_batch": points_per_batch,
        "points_per_crop": points,
        "pred_iou_thresh": min_iou,
        "stability_score_thresh": min_stability,
        "crops_nms_thresh": max_iou,
    }
    with mask_generation(model, device, min_area, options) as work:
        jobs = named(found, out)
        outcome = run_each(jobs, work, path=lambda job: job[0].path, workers=1, quiet=quiet, lines=lambda lines: lines)
    return max(status, outcome.status)
