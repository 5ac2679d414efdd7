"""Many pictures to a data set of run lengths, by `rapidmask.dask.encode_dataset`."""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from .. import io
from .._files import Found, shown
from .._runtime import set_num_threads
from .._segment import Options, segment
from ._batch import cores, say
from ._options import counted


def write_shards(
    found: Sequence[Found],
    out: Path,
    method: str,
    options: Options,
    *,
    size: int,
    format: Literal["coco", "parquet"],
    workers: int | None,
    quiet: bool,
) -> int:
    """Segment pictures and write their run lengths, several pictures to a file.

    Parameters
    ----------
    found : sequence of Found
        The pictures.
    out : Path
        The folder of the shards.
    method, options
        As of `segment`.
    size : int
        Pictures in a shard.
    format : {"coco", "parquet"}
        What shards are.
    workers : int, optional
        Processes; as many as cores by default.
    quiet : bool
        Whether nothing but errors is printed.

    Returns
    -------
    int
        The exit status: 1 when a picture could not be done.
    """
    encode_dataset = importlib.import_module("rapidmask.dask").encode_dataset
    processes = workers or cores()
    shards = encode_dataset(
        [os.fspath(file.path) for file in found],
        out,
        segment=partial(labels_of, method, options, alone=processes > 1),
        format=format,
        shard_size=size,
        workers=processes,
        errors="skip",
        progress=not quiet and sys.stderr.isatty(),
    )
    missing = [picture for shard in shards for picture in skipped(shard)]
    for picture in missing:
        kind, _, text = picture["error"].partition(": ")
        say(f"rapidmask: {shown(picture['file_name'])}: {text or kind}", error=True)
    if not quiet:
        say(f"{counted(len(found) - len(missing), 'picture')} in {counted(len(shards), 'file')} -> {shown(out)}")
    return 1 if missing else 0


def labels_of(method: str, options: Options, name: str, *, alone: bool) -> npt.NDArray[np.int32]:
    """Return the labels of a picture; on one thread where other processes have the other cores."""
    if alone:
        set_num_threads(1)
    return segment(io.to_grey(io.read_image(name)), method, options).labels


def skipped(shard: Path) -> list[dict[str, Any]]:
    """Return the pictures that a shard leaves out, each with its error."""
    if shard.suffix == ".json":
        about = io.read_json(shard)["info"]
    else:
        parquet = importlib.import_module("pyarrow.parquet")
        about = json.loads(parquet.read_schema(shard).metadata[b"rapidmask"])
    pictures: list[dict[str, Any]] = about.get("skipped", [])
    return pictures
