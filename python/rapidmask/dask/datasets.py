"""Folders of pictures to run-length encoded masks, by shards, on several processes or machines."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib
import json
import os
import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from .. import io
from .._errors import UnreadableError, shown
from ..ops._masks import check_integer

Format = Literal["coco", "parquet"]
_SUFFIXES = {"coco": "json", "parquet": "parquet"}
_MASKS_PER_IMAGE = 1_000_000  # ids of annotations tell the image, so that no shard has to know of another


def encode_dataset(
    files: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    segment: Callable[[str], Any],
    format: Format = "coco",
    shard_size: int = 256,
    workers: int | None = None,
    errors: Literal["raise", "skip"] = "raise",
    categories: Sequence[Mapping[str, Any]] = ({"id": 1, "name": "object"},),
    progress: bool = True,
) -> list[Path]:
    """Make masks of many files, and write them as run lengths, a file for every so many.

    Parameters
    ----------
    files : sequence of paths
        What ``segment`` reads. Image ids are their places in it, from 1.
    out : path
        A folder, which is made where it is missing.
    segment : callable
        ``segment(path)`` gives the masks of a file: labels (H, W), masks (N, H, W) in any form, or a mapping with
        ``masks`` and, if wanted, ``categories`` (ids) and ``scores`` of each. For other processes it is pickled, by
        cloudpickle where it has to be.
    format : {"coco", "parquet"}
        COCO's JSON, each shard a data set of its own whose ids no other shard has; or Parquet, a row for each image, by
        pyarrow.
    shard_size : int
        Files in a shard.
    workers : int, optional
        Processes. By default the client of `dask.distributed` that is current, wherever its workers are, and where
        there is none this process alone.
    errors : {"raise", "skip"}
        What becomes of a file for which ``segment`` raises: its shard is not written, and the error is raised once all
        others are; or it is left out, and told of in the shard's ``info`` under "skipped".
    categories : sequence of mappings
        COCO's, for every shard.
    progress : bool
        Whether to show a progress bar of shards, where tqdm is installed.

    Returns
    -------
    list of pathlib.Path
        The shards, in the order of the files.

    Raises
    ------
    TypeError
        If an argument is of a wrong type, among them ``files`` that are one path, or ``segment`` gives no masks.
    ValueError
        If an argument is unknown or not positive, or ``out`` holds the shards of other files or another format.
    ImportError
        If pyarrow is missing for Parquet.
    Exception
        What ``segment`` raised.

    Notes
    -----
    A shard appears whole or not at all, and one that is there is not done again: after a stop, the same call goes on
    where it ended. What a worker that dies had written stays, what it was doing is done by another one.
    Files that were skipped are not tried again. ``out/files.json`` tells which files the shards are of, with which
    categories and, where ``segment`` is a `functools.partial`, its positional arguments: others are refused. Memory is
    that of the masks of one shard on each worker.

    In Parquet a row has ``image_id``, ``file_name``, ``height``, ``width`` and lists with an entry for each mask:
    ``id``, ``category_id``, ``area``, ``bbox`` (x, y, width, height), ``counts`` (COCO's compressed run lengths) and
    ``score``.

    Examples
    --------
    >>> import tempfile, json, numpy as np, rapidmask.dask
    >>> folder = tempfile.TemporaryDirectory()
    >>> def segment(name):
    ...     return np.eye(int(name), dtype=np.int32)
    >>> files = ["2", "3", "4"]
    >>> shards = rapidmask.dask.encode_dataset(files, folder.name, segment=segment, shard_size=2, progress=False)
    >>> [shard.name for shard in shards]
    ['00000-of-00002.json', '00001-of-00002.json']
    >>> [annotation["area"] for annotation in json.loads(shards[0].read_text())["annotations"]]
    [2, 3]
    >>> folder.cleanup()
    """
    if format not in _SUFFIXES:
        raise ValueError(f"encode_dataset: format must be 'coco' or 'parquet', got {format!r}")
    if errors not in ("raise", "skip"):
        raise ValueError(f"encode_dataset: errors must be 'raise' or 'skip', got {errors!r}")
    shard_size = _positive("shard_size", shard_size)
    workers = None if workers is None else _positive("workers", workers)
    if not callable(segment):
        raise TypeError(f"encode_dataset: segment must be callable, got {shown(segment)}")
    if isinstance(categories, (str, Mapping)) or not isinstance(categories, Iterable):
        raise TypeError(f"encode_dataset: categories must be a sequence of mappings, got {shown(categories)}")
    listed = [_mapping("categories", i, category) for i, category in enumerate(categories)]
    if format == "parquet":
        _pyarrow()
    if isinstance(files, (str, os.PathLike)) or not isinstance(files, Iterable):
        raise TypeError(f"encode_dataset: files must be a sequence of paths, got {shown(files)}")
    names = [os.fsdecode(file) for file in files]
    folder = Path(out).absolute()  # where workers find it too
    folder.mkdir(parents=True, exist_ok=True)
    _check_same(folder, names, format, shard_size, listed, segment)
    count = -(-len(names) // shard_size)
    shards = [folder / f"{i:05d}-of-{count:05d}.{_SUFFIXES[format]}" for i in range(count)]
    todo = [i for i in range(count) if not shards[i].exists()]
    arguments = {"segment": segment, "format": format, "errors": errors, "categories": listed}
    tasks = [(names[i * shard_size : (i + 1) * shard_size], 1 + i * shard_size, str(shards[i])) for i in todo]
    failure: BaseException | None = None
    with _bar(progress, count, count - len(todo)) as advance:
        for error in _each_done(tasks, arguments, workers):
            failure = failure or error
            advance()
    if failure is not None:
        raise failure
    return shards


def _positive(name: str, value: Any) -> int:
    number = check_integer("encode_dataset", name, value)
    if number < 1:
        raise ValueError(f"encode_dataset: {name} must be at least 1, got {number}")
    return number


def _mapping(name: str, i: int, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError(f"encode_dataset: {name}[{i}] must be a mapping, got {shown(value)}")
    return dict(value)


def _check_same(
    folder: Path,
    names: list[str],
    format: str,
    shard_size: int,
    categories: list[dict[str, Any]],
    segment: Callable[[str], Any],
) -> None:
    """Write which files the shards are of, and how they are made, or raise if a folder holds those of others."""
    about = {
        "format": format,
        "shard_size": shard_size,
        "files": len(names),
        "sha256": hashlib.sha256(b"\0".join(map(os.fsencode, names))).hexdigest(),
        "categories": json.loads(json.dumps(categories)),
        "options": _options_of(segment),
    }
    path = folder / "files.json"
    if path.exists():
        try:
            found = dict(json.loads(path.read_text()))
        except ValueError:
            raise ValueError(f"encode_dataset: out holds another files.json: {os.fspath(folder)!r}") from None
        if found != about:
            other = next((key for key in about if found.get(key) != about[key]), "files")
            raise ValueError(f"encode_dataset: out holds shards with another {other}: {os.fspath(folder)!r}")
        return
    with io.replacing(path) as file:
        file.write(json.dumps(about).encode() + b"\n")


def _options_of(segment: Callable[[str], Any]) -> str:
    """Return the positional arguments that `functools.partial` holds, where they have a form that stays."""
    told = repr(segment.args) if isinstance(segment, functools.partial) else ""
    return "" if " at 0x" in told else told


def _each_done(
    tasks: list[tuple[list[str], int, str]], arguments: dict[str, Any], workers: int | None
) -> Iterator[BaseException | None]:
    """Write shards, and give for each, when it is done, the error if there was one."""
    with contextlib.ExitStack() as stack:
        client = _client(stack, workers) if tasks else None
        if client is None:
            for task in tasks:
                yield _encode_shard(*task, **arguments)
            return
        from distributed import as_completed

        stack.enter_context(client.as_current())
        futures = [client.submit(_encode_on_worker, *task, **arguments, pure=False) for task in tasks]
        for future in as_completed(futures):
            yield future.result() if future.status == "finished" else future.exception()


def _client(stack: contextlib.ExitStack, workers: int | None) -> Any:
    """Return the current client, or one of a cluster of so many processes, or None for this process."""
    if workers is None:
        try:
            from distributed import get_client

            return get_client()
        except (ImportError, ValueError):
            return None
    if workers == 1:
        return None
    from distributed import Client, LocalCluster

    cluster = stack.enter_context(
        LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None, silence_logs=50)
    )
    return stack.enter_context(Client(cluster, set_as_default=False))


def _encode_on_worker(*task: Any, **arguments: Any) -> BaseException | None:
    """Do as `_encode_shard`; an error that cannot be sent becomes one that can."""
    error = _encode_shard(*task, **arguments)
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _encode_shard(
    names: list[str],
    first_id: int,
    path: str,
    *,
    segment: Callable[[str], Any],
    format: str,
    errors: str,
    categories: list[dict[str, Any]],
) -> BaseException | None:
    """Write a shard, unless it is there; return the error that kept it from being written."""
    if os.path.exists(path):
        return None
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    skipped: list[dict[str, str]] = []
    for image_id, name in enumerate(names, first_id):
        try:
            image, found = _encode_image(name, image_id, segment)
        except Exception as error:
            if errors == "raise":
                return error
            kind, text = type(error).__name__, str(error)
            if isinstance(error, UnreadableError):
                kind, text = "ValueError", error.reason
            skipped.append({"file_name": name, "error": f"{kind}: {text}"})
            continue
        images.append(image)
        annotations += found
    info = {"skipped": skipped} if skipped else {}
    if format == "coco":
        io.write_coco(path, images, annotations, categories, info=info)
    else:
        _write_parquet(path, images, annotations, {**info, "categories": categories})
    return None


def _encode_image(
    name: str, image_id: int, segment: Callable[[str], Any]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return COCO's entry of an image, and its annotations."""
    found = segment(name)
    given: Mapping[str, Any] = found if isinstance(found, Mapping) else {"masks": found}
    if "masks" not in given:
        raise TypeError(f"encode_dataset: segment must give masks, got a mapping with {shown(sorted(map(str, given)))}")
    masks, ids, scores = given["masks"], given.get("categories"), given.get("scores")
    if not (hasattr(masks, "to_rle") or hasattr(masks, "shape")):
        masks = np.asarray(masks)
    annotations = io.coco_annotations(
        masks,
        image_id=image_id,
        category_id=1 if ids is None else [int(number) for number in ids],
        first_id=image_id * _MASKS_PER_IMAGE + 1,
    )
    if len(annotations) > _MASKS_PER_IMAGE:
        raise ValueError(f"encode_dataset: a file must have at most {_MASKS_PER_IMAGE} masks, got {len(annotations)}")
    if scores is not None:
        numbers = np.asarray(scores, np.float64)
        if numbers.shape != (len(annotations),):
            raise ValueError(f"encode_dataset: scores must be one for each mask, got shape {numbers.shape}")
        if not np.isfinite(numbers).all():
            raise ValueError("encode_dataset: scores must be finite")
        for annotation, score in zip(annotations, numbers.tolist(), strict=True):
            annotation["score"] = score
    height, width = getattr(masks, "size" if hasattr(masks, "to_rle") else "shape")[-2:]
    return {"id": image_id, "file_name": name, "height": int(height), "width": int(width)}, annotations


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ImportError("writing Parquet needs pyarrow: pip install pyarrow") from error
    return pyarrow


def _write_parquet(
    path: str, images: list[dict[str, Any]], annotations: list[dict[str, Any]], about: dict[str, Any]
) -> None:
    """Write a row for each image, with lists of what its masks have."""
    arrow = _pyarrow()
    lists = {
        "id": arrow.int64(),
        "category_id": arrow.int64(),
        "area": arrow.int64(),
        "bbox": arrow.list_(arrow.float64(), 4),
        "counts": arrow.string(),
        "score": arrow.float64(),
    }
    rows = {
        image["id"]: {
            "image_id": image["id"],
            **{key: image[key] for key in ("file_name", "height", "width")},
            **{key: [] for key in lists},
        }
        for image in images
    }
    for annotation in annotations:
        row = rows[annotation["image_id"]]
        for key in lists:
            row[key].append(annotation["segmentation"]["counts"] if key == "counts" else annotation.get(key))
    schema = arrow.schema(
        [
            ("image_id", arrow.int64()),
            ("file_name", arrow.string()),
            ("height", arrow.int32()),
            ("width", arrow.int32()),
            *((key, arrow.list_(kind)) for key, kind in lists.items()),
        ],
        metadata={"rapidmask": json.dumps(about)},
    )
    table = arrow.Table.from_pylist(list(rows.values()), schema=schema)
    with io.replacing(path) as file:
        arrow.parquet.write_table(table, file)


@contextlib.contextmanager
def _bar(wanted: bool, total: int, done: int) -> Iterator[Callable[[], Any]]:
    """Give a function to call for each shard that is done."""
    library: Any = None
    if wanted:
        with contextlib.suppress(ImportError):
            library = importlib.import_module("tqdm")
    if library is None:
        yield lambda: None
        return
    with library.tqdm(total=total, initial=done, unit="shard") as bar:
        yield bar.update
