"""``rapidmask review``: a page on which masks are accepted, rejected and renamed."""

from __future__ import annotations

from pathlib import Path

import click

from .. import _formats, io
from .._files import shown
from .._review import page_entry, write_page
from . import _options
from ._batch import complain, run_each, say
from ._options import counted
from .convert import read_all


@click.command()
@click.argument("given", nargs=-1, required=True, metavar="DIR...", type=click.Path(path_type=Path))
@click.option(
    "--images",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where the pictures are.  [default: beside the masks, or where `segment` found them]",
)
@click.option("--from", "source", type=click.Choice(_formats.READ), help="The format.  [default: told by the files]")
@click.option(
    "--out",
    "-o",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The page.  [default: review.html in the first DIR]",
)
@click.option(
    "--embed",
    is_flag=True,
    help="Put the pictures into the page, shrunk, so that it can be sent to others; else it refers to their files.",
)
@click.option("--recursive", "-r", is_flag=True, help="Take files from folders within folders too.")
@_options.batch
def command(
    given: tuple[Path, ...],
    images: Path | None,
    source: str | None,
    out: Path | None,
    embed: bool,
    recursive: bool,
    workers: int | None,
    quiet: bool,
) -> int:
    """Write a page to accept, reject and rename masks.

    DIR is a folder that `segment`, `label` or `generate` wrote to, or a COCO JSON. Open the page in a browser: it needs
    neither a server nor a network, and remembers what was decided. Its button downloads the decisions, which `convert`
    applies.

    \b
    Examples:
      rapidmask review rapidmask-out
      rapidmask review annotations.json --images photos --embed --out review.html
      rapidmask convert rapidmask-out --decisions decisions.json --to coco --out reviewed.json
    """
    io.pillow("Image")
    items, status = read_all(given, source, recursive=recursive, workers=workers, quiet=quiet)
    first = given[0] if given[0].is_dir() else given[0].parent
    path = out or first / "review.html"
    outcome = run_each(
        items,
        lambda item: page_entry(item, path, images, embed=embed),
        path=lambda item: item.source,
        workers=workers,
        quiet=quiet,
    )
    if not outcome.results:
        return complain(ValueError("there is nothing to review")) if not max(status, outcome.status) else 1
    path.parent.mkdir(parents=True, exist_ok=True)
    write_page(path, outcome.results, f"Review of {shown(given[0].name or given[0])}")
    if not quiet:
        masks = sum(len(entry["masks"]) for entry in outcome.results)
        say(f"{counted(masks, 'mask')} of {counted(len(outcome.results), 'picture')} -> {shown(path)}")
    return max(status, outcome.status)
