"""Overlaps of masks and their suppression, against COCO's tools, supervision and the matrix product that people use."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import rapidmask
from compare import Comparison, Contest, Peer, close, optional

torch = optional("torch")
supervision = optional("supervision.detection.utils.iou_and_nms")

# What each library that encodes as COCO does calls its functions by.
_COCO = {
    "pycocotools": "pycocotools.mask",
    "faster_coco_eval": "faster_coco_eval.core.mask",
    "hotcoco": "hotcoco.mask",
    "ultrafast_pycocotools": "ultrafast_pycocotools.mask",
}
_THRESHOLD = 0.5


def fortran(masks: np.ndarray) -> np.ndarray:
    """The batch as pycocotools wants it: (H, W, N), columns contiguous."""
    return np.asfortranarray(masks.transpose(1, 2, 0).view(np.uint8))


def matrix_product(masks: np.ndarray) -> np.ndarray:
    """The overlaps from one product of float matrices."""
    flat = torch.from_numpy(masks.reshape(len(masks), -1)).float()
    shared, areas = flat @ flat.T, flat.sum(1)
    return (shared / (areas[:, None] + areas - shared)).numpy()


def product(masks: np.ndarray) -> Peer:
    writable = masks.copy()
    return Peer("torch matrix product", lambda: matrix_product(writable), close(1e-6))


def overlaps_by(module: Any, a: list[dict[str, Any]], b: list[dict[str, Any]]) -> np.ndarray:
    return module.iou(a, b, [0] * len(b))


def overlaps(form: Callable[[np.ndarray], Any], masks: np.ndarray, slow_peers: bool = False) -> Contest:
    """Peers have the run lengths, and know no shorter way where both sides are the same."""
    given = form(masks)
    dicts = rapidmask.rle_encode(masks).to_coco("bytes")
    peers = [
        Peer(f"{name} of run lengths", partial(overlaps_by, optional(module), dicts, dicts))
        for name, module in _COCO.items()
    ]
    return Contest(lambda: rapidmask.mask_iou(given), [*peers, *([product(masks)] if slow_peers else [])])


def overlaps_of_two(form: Callable[[np.ndarray], Any], masks: np.ndarray) -> Contest:
    """The halves of the batch with one another, as in an evaluation."""
    half = len(masks) // 2
    first, second = form(masks[:half]), form(masks[half:])
    dicts = rapidmask.rle_encode(masks).to_coco("bytes")
    return Contest(
        lambda: rapidmask.mask_iou(first, second),
        [
            Peer(f"{name} of run lengths", partial(overlaps_by, optional(module), dicts[:half], dicts[half:]))
            for name, module in _COCO.items()
        ],
    )


def overlaps_of_dense(masks: np.ndarray) -> Contest:
    """Peers have the pixels in their own order, and encode them first."""
    columns = fortran(masks)

    def encoded(module: Any) -> np.ndarray:
        runs = module.encode(columns)
        return overlaps_by(module, runs, runs)

    return Contest(
        lambda: rapidmask.mask_iou(masks),
        [Peer(f"{name} encode and iou", partial(encoded, optional(module))) for name, module in _COCO.items()],
    )


def detections(masks: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The first hundred masks, their scores, and the rows that supervision takes."""
    masks = masks[:100].copy()
    scores = np.random.default_rng(21).random(len(masks))
    return masks, scores, np.hstack([np.zeros((len(masks), 4)), scores[:, None]])


def suppression(form: Callable[[np.ndarray], Any], masks: np.ndarray) -> Contest:
    masks, scores, rows = detections(masks)
    given = form(masks)
    return Contest(
        lambda: rapidmask.mask_nms(given, scores, _THRESHOLD),
        [
            Peer(
                "supervision",
                lambda: supervision.mask_non_max_suppression(rows, masks, _THRESHOLD),
                lambda ours, theirs: np.testing.assert_array_equal(np.sort(ours), np.flatnonzero(theirs)),
            )
        ],
    )


def soft_suppression(masks: np.ndarray) -> Contest:
    masks, scores, rows = detections(masks)
    packed = rapidmask.pack(masks)
    return Contest(
        lambda: rapidmask.soft_nms(packed, scores),
        [
            Peer(
                "supervision",
                lambda: supervision.mask_soft_non_max_suppression(rows, masks),
                differs="it does not sort again by the lowered scores",
            )
        ],
    )


def merging(masks: np.ndarray) -> Contest:
    masks, scores, rows = detections(masks)
    packed = rapidmask.pack(masks)

    def same_groups(ours: list[np.ndarray], theirs: list[list[int]]) -> None:
        assert sorted(group.tolist() for group in ours) == sorted(theirs)

    return Contest(
        lambda: rapidmask.mask_nmm(packed, scores, _THRESHOLD),
        [Peer("supervision", lambda: supervision.mask_non_max_merge(rows, masks, _THRESHOLD), same_groups)],
    )


COMPARISONS = [
    Comparison(
        "IoU, packed",
        "instances",
        partial(overlaps, rapidmask.pack, slow_peers=True),
        bar=5,
        goal=12,
        against="faster_coco_eval of run lengths",
    ),
    Comparison("IoU, packed", "SAM 64", partial(overlaps, rapidmask.pack, slow_peers=True), bar=9, goal=22),
    Comparison("IoU, run lengths", "instances", partial(overlaps, rapidmask.rle_encode)),
    Comparison("IoU, run lengths", "SAM 64", partial(overlaps, rapidmask.rle_encode)),
    Comparison("IoU of two batches, packed", "instances", partial(overlaps_of_two, rapidmask.pack)),
    Comparison("IoU of two batches, run lengths", "instances", partial(overlaps_of_two, rapidmask.rle_encode)),
    Comparison("IoU, dense", "instances", overlaps_of_dense, bar=2.5, goal=5),
    Comparison("IoU, dense", "SAM 64", overlaps_of_dense, bar=2.5, goal=5),
    Comparison("suppression, packed", "instances", partial(suppression, rapidmask.pack), bar=60, goal=80),
    Comparison("suppression, dense", "instances", partial(suppression, np.asarray)),
    Comparison("soft suppression, packed", "instances", soft_suppression),
    Comparison("merging, packed", "instances", merging),
]
