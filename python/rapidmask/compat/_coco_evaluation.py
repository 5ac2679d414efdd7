"""What an evaluation is about to ask of ``pycocotools.mask``, mask by mask, worked out for all masks at once.

``COCO.loadRes`` asks for the area and the box of each result, ``COCOeval.evaluate`` for the run lengths of each polygon
and for the overlaps of each category in each image. Here the answers of all these calls are there before upstream's own
code makes them: it runs as it is, and `area`, `toBbox` and `iou` give what they would have given. Whatever is not
foreseen is worked out when it is asked for.
"""

from __future__ import annotations

import gc
import json
import operator
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

# Answers by the identities of the arguments, which are held beside them so that no others get theirs: whoever asks, of
# whatever thread, they are right until the arguments are changed. They are forgotten when upstream's function is left.
measures: dict[int, tuple[RLE, Any, Any]] = {}  # the area and the box
_overlaps: dict[tuple[int, ...], tuple[list[RLE], list[RLE], Any]] = {}
_within = 0  # calls of upstream's functions, at whose end answers are forgotten


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
    with _foresight():
        # Of annotations with boxes, upstream takes the areas of these.
        if type(results) is list and results and "bbox" not in results[0]:
            foresee_measures(results)
        return upstream(self, results)


def evaluate(upstream: Callable[..., Any], self: Any) -> Any:
    """Stand around ``COCOeval.evaluate``."""
    with _foresight():
        return upstream(self)


def prepare(upstream: Callable[..., Any], self: Any) -> Any:
    """Stand around ``COCOeval._prepare``, which reads the annotations that are evaluated."""
    of_masks = _within and self.params.iouType == "segm"
    if of_masks:
        for annotations in (self.cocoGt, self.cocoDt):
            encode_polygons(annotations, _evaluated(annotations, self.params))
    prepared = upstream(self)
    if of_masks:
        foresee_overlaps(compared(self))
    return prepared


@contextmanager
def _foresight() -> Iterator[None]:
    """Answers are forgotten in the end. Python's search for garbage, which upstream's many lists set off, waits."""
    global _within
    collecting = gc.isenabled()
    gc.disable()
    _within += 1
    try:
        yield
    finally:
        _within -= 1
        measures.clear()
        _overlaps.clear()
        if collecting:
            gc.enable()


def foresee_measures(results: list[dict[str, Any]]) -> None:
    """Work out the areas and boxes of results."""
    try:
        masks = [one["segmentation"] for one in results]
        for some in _pieces(masks, 1024):
            areas, boxes = _cpu.coco_measure(some)
            measures.update(zip(map(id, some), zip(some, areas, boxes, strict=True), strict=True))
    except _NOT_FORESEEN:
        return


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
        expected = [one for key in keys for one in truths.get(key, ())]
        found = [one for key in keys for one in detections.get(key, ())]
        if expected and found:
            found.sort(key=operator.itemgetter("score"), reverse=True)
            calls.append(
                (
                    [one["segmentation"] for one in found[: params.maxDets[-1]]],
                    [one["segmentation"] for one in expected],
                    [int(one["iscrowd"]) for one in expected],
                )
            )
    return calls
