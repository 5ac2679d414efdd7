"""How times grow with the size of a mask: some operations on the same blobs, from 64² to 4096² pixels."""

from __future__ import annotations

import numpy as np

import rapidmask
from compare import Comparison, Contest, Peer, close, optional

cv2 = optional("cv2")
edt = optional("edt")
pycocotools = optional("pycocotools.mask")

_SIDES = (64, 256, 1024, 4096)


def areas(mask: np.ndarray) -> Contest:
    """Components with their statistics, without labels on our side; OpenCV cannot leave them out."""
    image, labels = mask.view(np.uint8), np.empty(mask.shape, np.int32)

    def theirs() -> list[int]:
        found = cv2.connectedComponentsWithStatsWithAlgorithm(image, 8, cv2.CV_32S, cv2.CCL_GRANA, labels)
        return sorted(found[2][1:, cv2.CC_STAT_AREA].tolist())

    def same_areas(ours: rapidmask.Components, found: list[int]) -> None:
        assert sorted(ours.areas.tolist()) == found

    return Contest(lambda: rapidmask.connected_components(mask, labels=False), [Peer("cv2 GRANA", theirs, same_areas)])


def dilate(mask: np.ndarray) -> Contest:
    image, kernel = mask.view(np.uint8), np.ones((15, 15), np.uint8)
    ours, theirs = np.empty_like(image), np.empty_like(image)
    return Contest(
        lambda: rapidmask.dilate(image, kernel, out=ours),
        [Peer("cv2", lambda: cv2.dilate(image, kernel, dst=theirs))],
    )


def encode(mask: np.ndarray) -> Contest:
    columns = np.asfortranarray(mask.view(np.uint8))

    def same_counts(ours: rapidmask.RLEMasks, theirs: dict) -> None:
        assert ours.to_coco()[0] == theirs

    return Contest(
        lambda: rapidmask.rle_encode(mask),
        [Peer("pycocotools in its own order", lambda: pycocotools.encode(columns), same_counts)],
    )


def distance(mask: np.ndarray) -> Contest:
    image, ours, theirs = mask.view(np.uint8), np.empty(mask.shape, np.float32), np.empty(mask.shape, np.float32)
    precise = lambda: cv2.distanceTransform(image, cv2.DIST_L2, cv2.DIST_MASK_PRECISE, dst=theirs)  # noqa: E731
    return Contest(
        lambda: rapidmask.distance_transform(mask, out=ours),
        [
            Peer("cv2 precise", precise, close(0.02)),
            Peer("edt", lambda: edt.edt(image, parallel=1), close(1e-3)),
        ],
    )


COMPARISONS = [
    Comparison(operation, f"smooth {side}²", contest)
    for operation, contest in (
        ("components and areas", areas),
        ("dilate 15×15", dilate),
        ("encode", encode),
        ("distances", distance),
    )
    for side in _SIDES
]
