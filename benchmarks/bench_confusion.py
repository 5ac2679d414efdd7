"""Confusion matrices and overlaps of segments, against NumPy, torch and OpenCV."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

import rapidmask
from compare import Comparison, Contest, Peer, close, optional

torch = optional("torch")
cv2 = optional("cv2")


def matrix(classes: int, maps: np.ndarray) -> Contest:
    target, prediction = maps

    def numpy() -> np.ndarray:
        pairs = target.ravel() * np.intp(classes) + prediction.ravel()
        return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)

    peers = [Peer("numpy bincount", numpy)]
    if torch:
        wanted, predicted = torch.from_numpy(target.copy()), torch.from_numpy(prediction.copy())

        def theirs() -> Any:  # torchvision's and torchmetrics'
            pairs = wanted.to(torch.int64).ravel() * classes + predicted.ravel()
            return torch.bincount(pairs, minlength=classes**2).reshape(classes, classes).numpy()

        peers.append(Peer("torch bincount", theirs))
    return Contest(lambda: rapidmask.confusion_matrix(prediction, target, classes), peers)


def panoptic(maps: np.ndarray) -> Contest:
    """Segments are the classes here; the peer is how panopticapi counts overlaps."""
    target, prediction = maps.astype(np.int32)
    predicted, wanted = ({int(i): 0 for i in np.unique(m) if i} for m in (prediction, target))

    def unique() -> Any:
        return np.unique(target.astype(np.uint64) * 256**3 + prediction, return_counts=True)

    return Contest(
        lambda: rapidmask.panoptic_quality(prediction, predicted, target, wanted),
        [Peer("numpy unique (its overlaps alone)", unique, differs="no quality yet")],
    )


def boundary(masks: np.ndarray) -> Contest:
    """The published code: OpenCV's erosions, then a quotient for each pair of two batches."""
    a, b = (np.ascontiguousarray(masks[part]).view(np.uint8) for part in (slice(0, 16), slice(8, 24)))

    def edges(mask: np.ndarray) -> np.ndarray:
        height, width = mask.shape
        distance = max(1, round(0.02 * np.sqrt(height**2 + width**2)))
        framed = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
        return mask - cv2.erode(framed, np.ones((3, 3), np.uint8), iterations=distance)[1:-1, 1:-1]

    def published() -> np.ndarray:
        ours, theirs = [edges(mask) for mask in a], [edges(mask) for mask in b]
        return np.array([[(x & y).sum() / (x | y).sum() for y in theirs] for x in ours])

    return Contest(lambda: rapidmask.boundary_iou(a, b), [Peer("cv2 erode + numpy", published, close(0))])


COMPARISONS = [
    Comparison("confusion matrix", "labels 150 2 MP", partial(matrix, 150), bar=2.5, goal=4.0, goal_2_threads=10.0),
    Comparison(
        "confusion matrix", "noisy labels 150 2 MP", partial(matrix, 150), bar=2.5, goal=4.0, goal_2_threads=10.0
    ),
    Comparison("confusion matrix of 2", "noisy labels 2 2 MP", partial(matrix, 2)),
    Comparison("panoptic quality", "labels 150 2 MP", panoptic),
    Comparison("boundary IoU 16×16", "SAM 64", boundary),
]
