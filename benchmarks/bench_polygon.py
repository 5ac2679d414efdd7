"""Polygons to masks and back, against the readers of COCO's annotations and OpenCV."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import rapidmask
from compare import Comparison, Contest, Peer, optional, same

coco = optional("pycocotools.mask")
cv2 = optional("cv2")
faster = optional("faster_coco_eval.core.mask")
hotcoco = optional("hotcoco.mask")
ultrafast = optional("ultrafast_pycocotools.mask")

_SIZE = (720, 1280)


def annotations(polygons: np.ndarray) -> list[list[list[float]]]:
    """One ring for each mask, in lists as a JSON file gives them."""
    return [[ring.ravel().tolist()] for ring in polygons]


def by_name(name: str, library: Any, call: Callable[[Any], Any], check: Any) -> Peer:
    return Peer(name, lambda: call(library), check)


def coco_peers(call: Callable[[Any], Any], check: Any) -> list[Peer]:
    """The same call of pycocotools and of those that have its interface."""
    return [
        by_name("pycocotools", coco, call, check),
        by_name("faster_coco_eval", faster, call, check),
        by_name("hotcoco", hotcoco, call, check),
        by_name("ultrafast_pycocotools", ultrafast, call, check),
    ]


def same_strings(ours: Any, theirs: Any) -> None:
    """Assert that runs, or COCO's dictionaries, are those of the peer's dictionaries."""
    ours = ours.to_coco("bytes") if isinstance(ours, rapidmask.RLEMasks) else ours
    for one, other in zip(ours, theirs, strict=True):
        counts = other["counts"]
        assert one["counts"] == (counts.encode() if isinstance(counts, str) else counts)


def to_runs(polygons: np.ndarray, *, strings: bool) -> Contest:
    lists = annotations(polygons)
    rings = [mask[0] for mask in lists]

    def ours() -> Any:
        runs = rapidmask.polygons_to_masks(lists, _SIZE, output="rle")
        return runs.to_coco("bytes") if strings else runs

    return Contest(ours, coco_peers(lambda library: library.frPyObjects(rings, *_SIZE), same_strings))


def to_masks(polygons: np.ndarray) -> Contest:
    lists = annotations(polygons)
    rings = [mask[0] for mask in lists]

    def check(ours: np.ndarray, theirs: np.ndarray) -> None:
        np.testing.assert_array_equal(ours, theirs.transpose(2, 0, 1))

    return Contest(
        lambda: rapidmask.polygons_to_masks(lists, _SIZE, output="uint8"),
        coco_peers(lambda library: library.decode(library.frPyObjects(rings, *_SIZE)), check),
    )


def to_masks_by_opencv(polygons: np.ndarray, *, output: str) -> Contest:
    rings = [np.rint(ring).astype(np.int32) for ring in polygons]
    given = [[ring] for ring in rings]

    def loop() -> np.ndarray:
        masks = np.zeros((len(rings), *_SIZE), np.uint8)
        for mask, ring in zip(masks, rings, strict=True):
            cv2.fillPoly(mask, [ring], 1)
        return masks

    def check(ours: Any, theirs: np.ndarray) -> None:
        same(ours if isinstance(ours, np.ndarray) else ours.to_dense(np.uint8), theirs)

    return Contest(
        lambda: rapidmask.polygons_to_masks(given, _SIZE, rule="opencv", output=output),
        [Peer("cv2 fillPoly, loop", loop, check)],
    )


def borders(masks: np.ndarray, *, mode: str, simplify: bool = True, form: str = "dense") -> Contest:
    batch = masks.reshape(-1, *masks.shape[-2:])
    as_uint8 = batch.view(np.uint8)
    ours = batch if form == "dense" else rapidmask.pack(batch) if form == "packed" else rapidmask.rle_encode(batch)

    def loop() -> list[Any]:
        retrieval = cv2.RETR_TREE if mode == "tree" else cv2.RETR_EXTERNAL
        method = cv2.CHAIN_APPROX_SIMPLE if simplify else cv2.CHAIN_APPROX_NONE
        return [cv2.findContours(mask, retrieval, method) for mask in as_uint8]

    def check(found: list[Any], theirs: list[Any]) -> None:
        for one, (contours, hierarchy) in zip(found, theirs, strict=True):
            polygons = one.polygons if mode == "tree" else one
            for polygon, contour in zip(polygons, contours, strict=True):
                np.testing.assert_array_equal(polygon, contour[:, 0])
            if mode == "tree" and contours:
                np.testing.assert_array_equal(one.hierarchy, hierarchy[0])

    return Contest(
        lambda: rapidmask.masks_to_polygons(ours, mode=mode, simplify=simplify),
        [Peer("cv2 findContours, loop", loop, check)],
    )


external, tree = partial(borders, mode="external"), partial(borders, mode="tree")

COMPARISONS = [
    Comparison("polygons → runs", "polygons 64×360", partial(to_runs, strings=False), bar=1.5, goal=4),
    Comparison("polygons → COCO strings", "polygons 64×360", partial(to_runs, strings=True)),
    Comparison("polygons → runs", "polygons 300×24", partial(to_runs, strings=False)),
    Comparison("polygons → uint8, COCO's rule", "polygons 64×360", to_masks),
    Comparison("polygons → uint8, OpenCV's rule", "polygons 64×360", partial(to_masks_by_opencv, output="uint8")),
    Comparison("polygons → packed, OpenCV's rule", "polygons 64×360", partial(to_masks_by_opencv, output="packed")),
    Comparison("polygons → uint8, OpenCV's rule", "polygons 300×24", partial(to_masks_by_opencv, output="uint8")),
    Comparison("external borders", "SAM 1", external, bar=2.5, goal=4),
    Comparison("external borders", "SAM 64", external, bar=2.5, goal=4),
    Comparison("external borders of packed", "SAM 64", partial(external, form="packed"), bar=4, goal=8),
    Comparison("external borders of runs", "SAM 64", partial(external, form="rle")),
    Comparison("external borders, every pixel", "SAM 64", partial(external, simplify=False)),
    Comparison("external borders", "instances", external, bar=2.5, goal=4),
    Comparison("external borders", "smooth2k", external, bar=2.2, goal=4),
    Comparison("external borders", "smooth 2019×2021", external),
    Comparison("external borders", "noisy2k", external, bar=1.5, goal=4),
    Comparison("tree of borders", "SAM 64", tree),
    Comparison("tree of borders", "smooth2k", tree),
    Comparison("tree of borders", "noisy2k", tree),
    Comparison("external borders", "mask 12 MP", external),
]
