"""Files of masks in the formats that people keep them in, read into and written from `Annotated`."""

from __future__ import annotations

import math
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Literal
from urllib.parse import quote, unquote

import numpy as np

from . import io
from ._containers import RLEMasks
from ._dataset import Annotated, coco_image
from ._errors import shown
from ._files import PICTURES, Found, find, within
from .ops.rle import rle_encode, rle_encode_labels

Values = Literal["objects", "classes"]

READ = ("coco", "labels", "masks", "labelme", "panoptic", "pipeline")
WRITTEN = ("coco", "polygons", "labels", "masks", "labelme", "panoptic", "pipeline")
REVIEW = "rapidmask review"  # what a file of decisions says it is
_OF_SHARDS = {"shard_size", "files", "sha256"}  # keys of what a folder of shards tells of itself
OBJECT = "object"  # the class of masks whose file names none
_NUMBERED = re.compile(r"\d+_")


def sources(given: Iterable[Path], kind: str | None, *, recursive: bool = False) -> list[list[Found]]:
    """Find the files of masks, those of one picture together.

    Parameters
    ----------
    given : iterable of Path
        Files and folders.
    kind : str or None
        One of `READ`, or None to tell by each file.
    recursive : bool
        Whether folders within folders are walked.

    Returns
    -------
    list of lists
        Of one file each, but for the pictures of single masks in a folder within a folder.
    """
    suffixes = {"labels": PICTURES, "masks": PICTURES, None: PICTURES | {".json"}}.get(kind, {".json"})
    found = list(find(given, suffixes, recursive=recursive or kind == "masks"))
    if kind is None and any(file.path.suffix.lower() == ".json" and len(file.name.parts) for file in found):
        # The pictures in a folder of JSON are what it is about.
        named = {Path(path) for path in given}
        found = [file for file in found if file.path.suffix.lower() == ".json" or file.path in named]
    if kind != "masks":
        return [[file] for file in found]
    groups: dict[Any, list[Found]] = defaultdict(list)
    for file in found:
        groups[file.path.parent if len(file.name.parts) > 1 else file.path].append(file)
    return list(groups.values())


def read(
    files: Sequence[Found], kind: str | None = None, *, values: Values = "objects", names: Sequence[str] = ()
) -> list[Annotated]:
    """Read the masks of a file, or of the files of one picture.

    Parameters
    ----------
    files : sequence of Found
        As of `sources`.
    kind : str or None
        One of `READ`; None for what the file seems to be: of a picture, a map of labels.
    values : {"objects", "classes"}
        What the values of a map of labels are.
    names : sequence of str
        Those of classes, by value.

    Returns
    -------
    list of Annotated
        One for each picture.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError, TypeError
        If it is not of that format.
    """
    file = files[0]
    if kind == "masks":
        return [_read_masks(files)]
    if kind == "labels" or (kind is None and file.path.suffix.lower() != ".json"):
        return [_read_labels(file, values, names)]
    content = io.read_json(file.path)
    if isinstance(content, dict) and (content.get("kind") == REVIEW or content.keys() >= _OF_SHARDS):
        return []  # decisions, or what shards are of, which stand beside the masks
    found = _kind_of(content)
    if found is None or kind not in (None, found):
        wanted = f"{kind} format" if kind else "a format of masks that is known (COCO, LabelMe or a pipeline's)"
        raise ValueError(f"is not in {wanted}")
    return _READERS[found](file, content)


def _kind_of(content: Any) -> str | None:
    if isinstance(content, list):
        return "pipeline"
    if not isinstance(content, dict):
        return None
    if "shapes" in content:
        return "labelme"
    if not isinstance(content.get("images"), list) or not isinstance(content.get("annotations"), list):
        return "pipeline" if "error" in content else None
    listed = content["annotations"]
    return "panoptic" if listed and isinstance(listed[0], dict) and "segments_info" in listed[0] else "coco"


def _stem(file: Found) -> str:
    return file.name.stem.removesuffix("_labels")


def _read_labels(file: Found, values: Values, names: Sequence[str]) -> Annotated:
    masks, found = rle_encode_labels(io.read_labels(file.path))[:2]
    numbers = [int(value) for value in found]
    if values == "objects":
        labels, categories = [OBJECT] * len(numbers), {OBJECT: 1}
    else:
        labels = [names[value] if 0 <= value < len(names) else str(value) for value in numbers]
        categories = {name: i for i, name in enumerate(names) if i} | dict(zip(labels, numbers, strict=True))
    name = file.name.with_name(_stem(file) + file.name.suffix)
    return Annotated(name, masks, labels, [None] * len(labels), numbers, file.path, file.name, categories)


def _read_masks(files: Sequence[Found]) -> Annotated:
    labels, masks = [], []
    for file in files:
        mask = io.read_image(file.path)
        masks.append(rle_encode((mask if mask.ndim == 2 else mask.any(axis=2)) != 0))
        number = _NUMBERED.match(file.name.stem)
        labels.append(unquote(file.name.stem[number.end() :]) if number else OBJECT)
    sizes = {mask.size for mask in masks}
    if len(sizes) > 1:
        raise ValueError(f"the masks of one picture must be of one size, got {sorted(sizes)}")
    both = RLEMasks.from_coco([one for mask in masks for one in mask.to_coco()], sizes.pop())
    first = files[0]
    alone = len(first.name.parts) == 1
    name = first.name if alone else first.name.parent.with_name(first.name.parent.name + ".png")
    ids = list(range(1, len(masks) + 1))
    source = first.path if alone else first.path.parent
    return Annotated(name, both, labels, [None] * len(labels), ids, source, first.name, _numbered(labels))


def _numbered(labels: Iterable[str]) -> dict[str, int]:
    return {name: i for i, name in enumerate(sorted(set(labels)), 1)}


def _entry(record: Any, key: str, kind: type | tuple[type, ...], where: str) -> Any:
    if not isinstance(record, Mapping) or not isinstance(record.get(key), kind):
        names = " or ".join(one.__name__ for one in (kind if isinstance(kind, tuple) else (kind,)))
        got = type(record).__name__ if not isinstance(record, Mapping) else repr(record.get(key))[:60]
        raise ValueError(f"{where} must have {key!r}, {names}, got {got}")
    return record[key]


def _categories(content: Mapping[str, Any]) -> dict[int, str]:
    return {
        _entry(entry, "id", int, f"categories[{i}]"): str(_entry(entry, "name", (str, int), f"categories[{i}]"))
        for i, entry in enumerate(content.get("categories") or ())
    }


def _read_coco(file: Found, content: Mapping[str, Any]) -> list[Annotated]:
    names = _categories(content)
    of_image: dict[int, list[Any]] = defaultdict(list)
    for i, annotation in enumerate(content["annotations"]):
        of_image[_entry(annotation, "image_id", (int, str), f"annotations[{i}]")].append(annotation)
        score = annotation.get("score")
        if isinstance(score, float) and not math.isfinite(score):  # for which JSON has no number, but Python reads it
            raise ValueError(f"annotations[{i}] must have a score that is a finite number, got {score}")
    info = content.get("info")
    pictures = info.get("pictures") if isinstance(info, Mapping) else None
    found = []
    for i, image in enumerate(content["images"]):
        number = _entry(image, "id", (int, str), f"images[{i}]")
        size = _entry(image, "height", int, f"images[{i}]"), _entry(image, "width", int, f"images[{i}]")
        annotations = of_image.pop(number, [])
        scores = [one.get("score") for one in annotations]
        item = Annotated(
            PurePosixPath(_entry(image, "file_name", str, f"images[{i}]")),
            io.masks_from_coco(annotations, size),
            [names.get(one.get("category_id"), str(one.get("category_id", OBJECT))) for one in annotations],
            [float(score) if isinstance(score, (int, float)) else None for score in scores],
            [one.get("id", k) for k, one in enumerate(annotations, 1)],
            file.path,
            file.name,
            {name: key for key, name in names.items()},
            [bool(one.get("iscrowd", 0)) for one in annotations],
            pictures if isinstance(pictures, str) else "",
            number if isinstance(number, int) else None,
        )
        found.append(_with_categories(item))
    if of_image:
        raise ValueError(f"annotations must be of images that are listed, got image_id {next(iter(of_image))!r}")
    return found


def _with_categories(item: Annotated) -> Annotated:
    most = max((0, *item.categories.values()))
    for name in item.labels:
        if name not in item.categories:
            most += 1
            item.categories[name] = most
    return item


def _read_panoptic(file: Found, content: Mapping[str, Any]) -> list[Annotated]:
    names = _categories(content)
    images = {_entry(image, "id", (int, str), "images"): image for image in content["images"]}
    found = []
    for i, annotation in enumerate(content["annotations"]):
        image = images.get(_entry(annotation, "image_id", (int, str), f"annotations[{i}]"), {})
        png = within(_entry(annotation, "file_name", str, f"annotations[{i}]"))
        beside = file.path.parent
        places = [file.path.with_suffix("") / png, beside / png]
        path = next((place for place in places if place.is_file()), places[0])
        segments = _entry(annotation, "segments_info", list, f"annotations[{i}]")
        by_id = {_entry(one, "id", int, f"annotations[{i}] segments"): one for one in segments}
        masks, values = rle_encode_labels(io.read_panoptic(path))[:2]
        unknown = sorted(set(values.tolist()) - set(by_id))
        if unknown:
            raise ValueError(f"{path.name} must hold segments that are listed, got {unknown[0]}")
        listed = [by_id[value] for value in values.tolist()]
        item = Annotated(
            PurePosixPath(str(image.get("file_name", png))),
            masks,
            [names.get(one.get("category_id"), str(one.get("category_id", OBJECT))) for one in listed],
            [None] * len(listed),
            values.tolist(),
            file.path,
            file.name,
            {name: key for key, name in names.items()},
            [bool(one.get("iscrowd", 0)) for one in listed],
        )
        found.append(_with_categories(item))
    return found


def _read_labelme(file: Found, content: Mapping[str, Any]) -> list[Annotated]:
    masks, labels = io.masks_from_labelme(content)
    named = content.get("imagePath")
    name = PurePosixPath(named.replace("\\", "/") if isinstance(named, str) and named else f"{_stem(file)}.png")
    ids = list(range(1, len(labels) + 1))
    return [Annotated(name, masks, labels, [None] * len(ids), ids, file.path, file.name, _numbered(labels))]


def _read_pipeline(file: Found, content: Any) -> list[Annotated]:
    masks, labels, scores = io.masks_from_pipeline(content)
    ids = list(range(1, len(labels) + 1))
    name = file.name.with_suffix(".png")
    return [Annotated(name, masks, labels, scores, ids, file.path, file.name, _numbered(labels))]


_READERS: dict[str, Callable[[Found, Any], list[Annotated]]] = {
    "coco": _read_coco,
    "panoptic": _read_panoptic,
    "labelme": _read_labelme,
    "pipeline": _read_pipeline,
}


def coco_records(
    item: Annotated, categories: Mapping[str, int], *, polygons: bool = False, image_id: int = 1
) -> list[dict[str, Any]]:
    """Return COCO's annotations of one picture, with scores where there are some."""
    records = io.coco_annotations(
        item.masks,
        segmentation="polygons" if polygons else "rle",
        image_id=image_id,
        category_id=[categories[label] for label in item.labels],
    )
    for record, score, crowd in zip(records, item.scores, item.crowds, strict=True):
        record["iscrowd"] = int(crowd)
        if score is not None:
            record["score"] = score
    return records


def write_coco(
    path: Path, items: Sequence[Annotated], categories: Mapping[str, int], *, polygons: bool = False
) -> None:
    """Write one COCO JSON about all pictures, with their files' own ids where these differ."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    numbers = _distinct([item.image_id for item in items])
    for number, item in zip(numbers, items, strict=True):
        images.append(coco_image(number, str(item.name), item.masks.size))
        annotations += coco_records(item, categories, polygons=polygons, image_id=number)
    for number, annotation in zip(_distinct([i for item in items for i in item.ids]), annotations, strict=True):
        annotation["id"] = number
    folders = {os.path.normpath(item.source.parent / item.pictures) for item in items if item.pictures}
    info = {"pictures": os.path.relpath(folders.pop(), path.parent).replace(os.sep, "/")} if len(folders) == 1 else {}
    listed = [{"id": number, "name": name} for name, number in categories.items()]
    io.write_coco(path, images, annotations, listed, info=info)


def _distinct(numbers: Sequence[Any]) -> list[int]:
    """Return these numbers, or those from 1 on where they are no numbers or not all different."""
    own = all(isinstance(number, int) for number in numbers) and len(set(numbers)) == len(numbers)
    return list(numbers) if own else list(range(1, len(numbers) + 1))


def write_labels(stem: Path, item: Annotated, categories: Mapping[str, int], values: Values = "objects") -> Path:
    """Write a map of labels: of masks, from 1 in their order; or of classes."""
    labels = item.painted()
    if values == "classes":
        for label in item.labels:
            if not 1 <= categories[label] < 2**31:
                raise ValueError(
                    f"classes of a map of labels must have numbers from 1 to 2147483647, since 0 is background, got "
                    f"{shown(categories[label])} for {shown(label)}"
                )
        numbers = np.array([0, *(categories[label] for label in item.labels)], np.int64)
        labels = numbers[labels].astype(np.int32)
    suffix = ".png" if int(labels.max(initial=0)) <= io.MAX_PNG_LABEL else ".tif"
    path = stem.with_name(stem.name + suffix)
    io.write_labels(path, labels)
    return path


def write_masks(stem: Path, item: Annotated) -> Path:
    """Write one picture of 0 and 255 for each mask, into a folder; classes stand in the names, with % escapes."""
    stem.mkdir(parents=True, exist_ok=True)
    digits = max(4, len(str(len(item.masks))))
    for i, (mask, label) in enumerate(zip(item.masks, item.labels, strict=True), 1):
        name = quote(label, safe=" ()+,-@_", errors="surrogateescape")[:180]
        io.write_image(stem / f"{i:0{digits}}_{name}.png", mask.to_dense(np.uint8)[0] * np.uint8(255))
    return stem


def write_labelme(stem: Path, item: Annotated) -> Path:
    """Write a record of LabelMe."""
    path = stem.with_name(stem.name + ".json")
    io.write_json(path, io.labelme_record(item.masks, item.labels, image_path=str(item.name)))
    return path


def write_pipeline(stem: Path, item: Annotated) -> Path:
    """Write what transformers' pipelines and the Inference API give: label, score and mask of each."""
    path = stem.with_name(stem.name + ".json")
    io.write_json(path, io.pipeline_records(item.masks, item.labels, item.scores, mask="png"))
    return path


def write_panoptic(stem: Path, item: Annotated, categories: Mapping[str, int]) -> list[dict[str, Any]]:
    """Write the picture of a panoptic map, and return its segments; what others hide wholly is none."""
    labels = item.painted()
    stem.parent.mkdir(parents=True, exist_ok=True)
    io.write_panoptic(stem.with_name(stem.name + ".png"), labels)
    shown, numbers = rle_encode_labels(labels)[:2]
    kept = [int(number) - 1 for number in numbers]
    left = Annotated(
        item.name,
        shown,
        [item.labels[i] for i in kept],
        [None] * len(kept),
        [i + 1 for i in kept],
        item.source,
        item.place,
        crowds=[item.crowds[i] for i in kept],
    )
    fields = ("category_id", "area", "bbox", "iscrowd")
    records = coco_records(left, categories)
    return [
        {"id": number, **{name: record[name] for name in fields}}
        for number, record in zip(left.ids, records, strict=True)
    ]
