"""What an evaluation asks of ``pycocotools.mask``, mask by mask, worked out for all masks at once.

``COCO.loadRes`` wants the area and the box of each result, ``COCOeval.evaluate`` the run lengths of each polygon and
the overlaps of each category in each image. The first is done anew here for results that are masks. Of the second,
upstream's own code runs as it is: polygons are run lengths, and overlaps are there, before it asks for them, and `iou`
gives what it would have given. Whatever is not foreseen is worked out when it is asked for.
"""

from __future__ import annotations

import contextlib
import copy
import gc
import json
import operator
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from .. import _cpu

_T = TypeVar("_T")
RLE = dict[str, Any]
_Call = tuple[list[RLE], list[RLE], list[int]]  # detections, truths and iscrowd

# What upstream is about to meet too, and to report for the mask that is at fault.
_NOT_FORESEEN = (KeyError, OverflowError, TypeError, ValueError)

# Overlaps by the identities of the arguments, which are held beside them so that no others get theirs: whoever asks, of
# whatever thread, they are right until the arguments are changed. They are forgotten when upstream's function is left.
_overlaps: dict[tuple[int, ...], tuple[list[RLE], list[RLE], Any]] = {}
_SCORE, _SEGMENTATION, _CROWD = map(operator.itemgetter, ("score", "segmentation", "iscrowd"))
_within = 0  # calls of upstream's function, at whose end overlaps are forgotten


def overlaps_of(detections: list[RLE], truths: list[RLE], iscrowd: Any) -> Any:
    """Return the overlaps of lists of dictionaries that were foreseen, once, or None."""
    if not _overlaps:
        return None
    found = _overlaps.pop(_key(detections, truths, iscrowd), None)
    return None if found is None else found[2]


def load_results(upstream: Callable[..., Any], self: Any, resFile: Any) -> Any:
    """Stand around ``COCO.loadRes``."""
    results = resFile
    if type(resFile) is str:
        with open(resFile) as file:
            results = json.load(file)
    start = time.perf_counter()
    with _without_collection():
        measures = measure_results(self, results)
        if measures is None:
            return upstream(self, results)
        print("Loading and preparing results...")
        loaded = sys.modules[upstream.__module__].COCO()
        loaded.dataset["info"] = copy.deepcopy(self.dataset.get("info", {}))
        loaded.dataset["images"] = list(self.dataset["images"])
        loaded.dataset["categories"] = copy.deepcopy(self.dataset["categories"])
        for i, (one, area, box) in enumerate(zip(results, *measures, strict=True), 1):
            one["area"] = area
            one.setdefault("bbox", box)
            one["id"] = i
            one["iscrowd"] = 0
        print(f"DONE (t={time.perf_counter() - start:0.2f}s)")
        loaded.dataset["annotations"] = results
        loaded.createIndex()
    return loaded


def evaluate(upstream: Callable[..., Any], self: Any) -> Any:
    """Stand around ``COCOeval.evaluate``."""
    with _foresight():
        return upstream(self)


def prepare(upstream: Callable[..., Any], self: Any) -> Any:
    """Stand around ``COCOeval._prepare``, which reads the annotations that are evaluated."""
    of_masks = _within and self.params.iouType == "segm"
    if of_masks:
        reads_polygons = sys.modules["pycocotools.coco"].COCO.annToRLE
        for annotations in (self.cocoGt, self.cocoDt):
            if type(annotations).annToRLE is reads_polygons:  # else a subclass reads them in its own way
                encode_polygons(annotations, _evaluated(annotations, self.params))
    prepared = upstream(self)
    if of_masks and type(self)._prepare is sys.modules[upstream.__module__].COCOeval._prepare:  # which ends here
        with contextlib.suppress(*_NOT_FORESEEN):
            foresee_overlaps(compared(self))
    return prepared


@contextmanager
def _foresight() -> Iterator[None]:
    """Within, overlaps may be foreseen; in the end they are forgotten."""
    global _within
    _within += 1
    try:
        with _without_collection():
            yield
    finally:
        _within -= 1
        _overlaps.clear()


@contextmanager
def _without_collection() -> Iterator[None]:
    """Within, Python's search for garbage, which the many lists and dictionaries set off over and over, waits."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def measure_results(annotations: Any, results: Any) -> tuple[list[Any], list[Any]] | None:
    """Return the areas and boxes of results that are masks of images that there are; None of others."""
    if type(results) is not list or not results or {"bbox", "caption"} & set(results[0]):
        return None  # upstream takes the boxes that the first has for those of all
    areas: list[Any] = []
    boxes: list[Any] = []
    try:
        if not set(annotations.getImgIds()).issuperset(one["image_id"] for one in results):
            return None
        for some in _pieces(results, 1024):
            measured = _cpu.coco_measure([one["segmentation"] for one in some])
            areas.extend(measured[0])
            boxes.extend(measured[1])
    except _NOT_FORESEEN:
        return None
    return areas, boxes


def foresee_overlaps(calls: list[_Call]) -> None:
    """Work out what `iou` gives for each of its ``calls``."""
    try:
        for some in _pieces(calls, 64):
            for call, overlaps in zip(some, _cpu.coco_ious(some), strict=True):
                _overlaps[_key(*call)] = (call[0], call[1], overlaps)
    except _NOT_FORESEEN:
        return


def _pieces(items: list[_T], size: int) -> Iterator[list[_T]]:
    """Split a list into lists whose masks fit into the processor's caches while they are read."""
    return (items[i : i + size] for i in range(0, len(items), size))


def _key(detections: list[RLE], truths: list[RLE], iscrowd: list[int]) -> tuple[int, ...]:
    return (len(detections), *map(id, detections), *map(id, truths), *iscrowd)


def _evaluated(annotations: Any, params: Any) -> list[dict[str, Any]]:
    categories = {"catIds": params.catIds} if params.useCats else {}
    evaluated: list[dict[str, Any]] = annotations.loadAnns(annotations.getAnnIds(imgIds=params.imgIds, **categories))
    return evaluated


def encode_polygons(annotations: Any, evaluated: list[dict[str, Any]]) -> None:
    """Replace polygons by run lengths, as upstream is about to, image size by image size."""
    of_size: dict[tuple[int, int], list[dict[str, Any]]] = defaultdict(list)
    for one in evaluated:
        rings = one.get("segmentation")
        if type(rings) is list and rings and all(map(_is_ring, rings)):
            image = annotations.imgs[one["image_id"]]
            of_size[image["height"], image["width"]].append(one)
    for (h, w), of_one_size in of_size.items():
        for some in _pieces(of_one_size, 256):
            try:
                masks = _cpu.coco_from_polygons([one["segmentation"] for one in some], h, w)
            except _NOT_FORESEEN:
                continue
            for one, mask in zip(some, masks, strict=True):
                one["segmentation"] = mask


def _is_ring(ring: Any) -> bool:
    return type(ring) is list and len(ring) > 4 and len(ring) % 2 == 0


def compared(evaluation: Any) -> list[_Call]:
    """Return (detections, truths, iscrowd) of each category in each image: best first, no more than are evaluated."""
    params, truths, detections = evaluation.params, evaluation._gts, evaluation._dts
    if params.useCats:
        compared = [[key] for key in truths if key in detections]
    else:
        compared = [[(image, category) for category in params.catIds] for image in params.imgIds]
    calls = []
    for keys in compared:
        expected = _listed(truths, keys)
        found = _listed(detections, keys)
        if expected and found:
            best = sorted(found, key=_SCORE, reverse=True)[: params.maxDets[-1]]
            calls.append(
                (list(map(_SEGMENTATION, best)), list(map(_SEGMENTATION, expected)), list(map(_CROWD, expected)))
            )
    return calls


def _listed(annotations: dict[Any, list[dict[str, Any]]], keys: list[Any]) -> list[dict[str, Any]]:
    if len(keys) == 1:
        return annotations.get(keys[0], [])
    return [one for key in keys for one in annotations.get(key, ())]
