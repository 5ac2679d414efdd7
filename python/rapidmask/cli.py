"""The command ``rapidmask``: pictures to masks at a shell, and what this installation can do."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import platform
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from . import __version__, io
from ._dispatch import cuda_status
from ._runtime import get_num_threads, isa, isa_levels
from ._sample import sample_picture
from ._segment import LARGEST_DEFAULT_BLOCK, METHODS, Options, Segmentation, segment
from ._sheet import Tile, compose, overlay_tile, shrink
from .ops.draw import overlay

# Of the pictures that are taken from a directory.
SUFFIXES = {".avif", ".bmp", ".gif", ".jp2", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tga"}
SUFFIXES |= {".tif", ".tiff", ".webp"}
OUTPUTS = (".json", "_labels.png", "_labels.tif", "_overlay.png", "_methods.png")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments; those of the process by default.

    Returns
    -------
    int
        Exit status: 0, or 1 when a picture could not be done.
    """
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except KeyboardInterrupt:
        return 130
    except (ImportError, OSError) as error:
        return _complain(error)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="rapidmask", description="Fast post-processing of segmentation masks.")
    parser.add_argument("--version", action="version", version=f"rapidmask {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    info = commands.add_parser("info", help="show the version, instruction level, threads and GPUs")
    info.set_defaults(run=_info)

    command = commands.add_parser(
        "segment",
        help="turn pictures into masks",
        description="Separate the bright objects of pictures from the background and write, for each picture, a COCO "
        "JSON with one annotation per object, a picture of labels, and the objects painted over the picture.",
        epilog="Without PICTURE, a sample is drawn and segmented. The exit status is 1 if a picture could not be done.",
    )
    command.set_defaults(run=_segment_command)
    command.add_argument("pictures", nargs="*", type=Path, metavar="PICTURE", help="files, or directories of pictures")
    command.add_argument(
        "--method",
        choices=[*METHODS, "all"],
        default="otsu",
        help="how the threshold is found (default: %(default)s); multiotsu takes the brightest of three classes, "
        "hysteresis the two brighter ones where the second touches the first; all draws one sheet to compare them",
    )
    command.add_argument("--invert", action="store_true", help="take dark objects: swap foreground and background")
    command.add_argument("--fill-holes", action="store_true", help="fill the holes of objects")
    command.add_argument("--min-area", type=_count, default=0, metavar="N", help="drop objects of fewer than N pixels")
    command.add_argument(
        "--connectivity", type=int, choices=(4, 8), default=8, help="neighbours of a pixel (default: %(default)s)"
    )
    command.add_argument(
        "--block-size",
        type=_odd,
        metavar="N",
        help="side of the window of local, adaptive, niblack and sauvola, odd (default: an eighth of the picture's "
        f"shorter side, at most {LARGEST_DEFAULT_BLOCK})",
    )
    command.add_argument(
        "--offset",
        type=float,
        default=0.0,
        metavar="X",
        help="subtracted from the threshold of local and adaptive (default: 0); below 0 it keeps flat background out",
    )
    command.add_argument(
        "--out", type=Path, default=Path("rapidmask-out"), metavar="DIR", help="where files go (default: %(default)s)"
    )
    command.add_argument("--quiet", action="store_true", help="print nothing but errors")
    return parser


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"must not be negative, got {value}")
    return value


def _odd(text: str) -> int:
    value = int(text)
    if value < 1 or value % 2 == 0:
        raise argparse.ArgumentTypeError(f"must be odd and at least 1, got {value}")
    return value


def _complain(error: object, path: Path | None = None) -> int:
    """Print one sentence, and return the exit status that goes with it."""
    if isinstance(error, OSError) and error.strerror and error.filename:
        path, error = Path(error.filename), error.strerror
    print("rapidmask:", f"{path}: {error}" if path else error, file=sys.stderr)
    return 1


def _info(arguments: argparse.Namespace) -> int:
    cuda = cuda_status()
    if not cuda["built"]:
        devices = "not built"
    elif cuda["devices"]:
        devices = ", ".join(cuda["devices"])
    else:
        devices = f"built, no device ({cuda['error'] or 'none found'})"
    print(f"rapidmask          {__version__}")
    print(f"Python             {platform.python_version()}")
    print(f"NumPy              {np.__version__}")
    print(f"instruction level  {isa()} (of {', '.join(isa_levels())})")
    print(f"threads            {get_num_threads()}")
    print(f"CUDA               {devices}")
    return 0


def _segment_command(arguments: argparse.Namespace) -> int:
    options = Options(
        invert=arguments.invert,
        min_area=arguments.min_area,
        fill_holes=arguments.fill_holes,
        connectivity=arguments.connectivity,
        block_size=arguments.block_size,
        offset=arguments.offset,
    )
    io.pillow("Image")  # before anything is written
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    status = 0
    paths: list[Path] = []
    for path in arguments.pictures:
        found = [path]
        if path.is_dir():
            found = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
            if not found:
                status = _complain("no pictures in this directory", path)
        paths += found
    say: Callable[[str], Any] = (lambda line: None) if arguments.quiet else print
    if not arguments.pictures:
        paths = [out / "sample.png"]
        io.write_image(paths[0], sample_picture())
        say(f"No picture was given, so a sample was drawn: {paths[0]}")
    done = _all_methods if arguments.method == "all" else _one_method
    with _progress(len(paths), quiet=arguments.quiet) as bar:
        for path, name in zip(paths, _names(paths, out), strict=True):
            lines: list[str] = []
            failure = None
            try:
                lines = done(path, io.read_image(path), out / name, arguments.method, options)
            except (OSError, ValueError, RuntimeError) as error:
                failure = error
            bar.clear()  # what is printed would otherwise stand behind it
            if failure is not None:
                status = _complain(failure, path)
            for line in lines:
                say(line)
            bar.update()
            bar.refresh()
    return status


def _names(paths: Iterable[Path], out: Path) -> list[str]:
    """Give each picture a stem of its own, whose files replace no picture that is to be read."""
    paths = list(paths)
    taken = {str(path.resolve()).casefold() for path in paths}
    names = []
    for path in paths:
        name, i = path.stem, 1
        while any(str((out / (name + suffix)).resolve()).casefold() in taken for suffix in OUTPUTS):
            i += 1
            name = f"{path.stem}_{i}"
        taken |= {str((out / (name + suffix)).resolve()).casefold() for suffix in OUTPUTS}
        names.append(name)
    return names


class _NoBar:
    """Stands in for a progress bar where none is shown."""

    def clear(self) -> None:
        """Do nothing."""

    def update(self) -> None:
        """Do nothing."""

    def refresh(self) -> None:
        """Do nothing."""


def _progress(count: int, *, quiet: bool) -> contextlib.AbstractContextManager[Any]:
    """Return a progress bar on stderr where there are many pictures and someone looks."""
    if not quiet and count > 1 and sys.stderr.isatty():
        with contextlib.suppress(ImportError):
            tqdm: Any = importlib.import_module("tqdm").tqdm
            bar: contextlib.AbstractContextManager[Any] = tqdm(total=count, unit="picture", leave=False)
            return bar
    return contextlib.nullcontext(_NoBar())


def _speed(image: npt.NDArray[Any], found: Segmentation) -> str:
    megapixels = image.shape[0] * image.shape[1] / 1e6
    milliseconds = found.seconds * 1e3
    return f"{megapixels:.3g} megapixels in {milliseconds:.2f} ms ({megapixels / milliseconds:.2g} per ms)"


def _components(count: int) -> str:
    return f"{count} component{'' if count == 1 else 's'}"


def _one_method(path: Path, image: npt.NDArray[Any], stem: Path, method: str, options: Options) -> list[str]:
    found = segment(io.to_grey(image), method, options)
    height, width = image.shape[:2]
    suffix, other = (".png", ".tif") if found.count <= io.MAX_PNG_LABEL else (".tif", ".png")
    io.write_coco(
        stem.with_name(stem.name + ".json"),
        [{"id": 1, "file_name": path.name, "width": width, "height": height}],
        io.coco_annotations(found.labels),
        [{"id": 1, "name": "object"}],
        info={"description": f"rapidmask {__version__}, method {method}, {found.value}"},
    )
    io.write_labels(stem.with_name(f"{stem.name}_labels{suffix}"), found.labels)
    stem.with_name(f"{stem.name}_labels{other}").unlink(missing_ok=True)  # of another run
    io.write_image(stem.with_name(f"{stem.name}_overlay.png"), overlay(image, found.labels))
    files = f"{stem}.json, _labels{suffix}, _overlay.png"
    return [f"{path.name}: {method}, {found.value}, {_components(found.count)}, {_speed(image, found)} -> {files}"]


def _all_methods(path: Path, image: npt.NDArray[Any], stem: Path, method: str, options: Options) -> list[str]:
    grey = io.to_grey(image)
    small = shrink(image)
    tiles = [Tile("the picture", f"{image.shape[1]} x {image.shape[0]} pixels", small)]
    lines = []
    for name in METHODS:
        try:
            found = segment(grey, name, options)
        except (ValueError, RuntimeError) as error:
            tiles.append(Tile(name, "no threshold", None, str(error)))
            lines.append(f"{path.name}: {name}, no threshold: {error}")
            continue
        tiles.append(Tile(name, f"{found.value}, {_components(found.count)}", overlay_tile(small, found.labels)))
        lines.append(f"{path.name}: {name}, {found.value}, {_components(found.count)}, {_speed(image, found)}")
    sheet = stem.with_name(f"{stem.name}_methods.png")
    io.write_image(sheet, compose(path.name, tiles, (small.shape[0], small.shape[1])))
    return [*lines, f"{path.name}: all methods side by side -> {sheet}"]
