"""Measures of predicted masks against wanted ones, picture by picture, for each class and on average."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ._dataset import Annotated
from .ops.confusion import ConfusionMatrix, PanopticQuality, boundary_iou
from .ops.rle import rle_encode_labels

BACKGROUND = "background"
MEASURES = ("iou", "dice", "boundary_iou", "pq", "sq", "rq")


@dataclass
class Evaluation:
    """What is counted over pictures.

    Attributes
    ----------
    names : list of str
        Classes; the first is the background.
    matrix : ConfusionMatrix
        Of the classes of pixels.
    quality : PanopticQuality
        Of the segments, background excepted.
    boundaries : dict from int to list of float
        By class: the boundary IoU of each picture where it occurs.
    pictures : int
        How many.
    """

    names: list[str]
    matrix: ConfusionMatrix = field(init=False)
    quality: PanopticQuality = field(init=False)
    boundaries: dict[int, list[float]] = field(init=False)
    pictures: int = 0

    def __post_init__(self) -> None:
        self.matrix = ConfusionMatrix(len(self.names), ignore_index=-1)
        self.quality = PanopticQuality(range(1, len(self.names)))
        self.boundaries = {i: [] for i in range(len(self.names))}

    def merge(self, other: Evaluation) -> None:
        """Add the counts of other pictures."""
        self.matrix.merge(other.matrix)
        self.quality.merge(other.quality)
        for number, values in other.boundaries.items():
            self.boundaries[number] += values
        self.pictures += other.pictures

    def table(self) -> dict[str, Any]:
        """Return all measures, None where a class does not occur.

        Returns
        -------
        dict
            ``pictures``; ``mean`` of the classes, of `MEASURES`; ``accuracy``; ``classes``: the measures of each.
        """
        iou, dice, per_class = self.matrix.iou(), self.matrix.dice(), self.quality.per_category()
        classes: dict[str, dict[str, float | None]] = {}
        for i, name in enumerate(self.names):
            boundary = self.boundaries[i]
            scores = per_class.get(i)
            occurs = scores is not None and scores.categories > 0
            values = (
                float(iou[i]),
                float(dice[i]),
                sum(boundary) / len(boundary) if boundary else math.nan,
                *((scores.pq, scores.sq, scores.rq) if scores is not None and occurs else (math.nan,) * 3),
            )
            classes[name] = {
                measure: None if math.isnan(value) else value for measure, value in zip(MEASURES, values, strict=True)
            }
        mean = {measure: _mean([one[measure] for one in classes.values()]) for measure in MEASURES}
        accuracy = self.matrix.accuracy()
        return {
            "pictures": self.pictures,
            "accuracy": None if math.isnan(accuracy) else accuracy,
            "mean": mean,
            "classes": classes,
        }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def evaluate_pair(predicted: Annotated, wanted: Annotated, names: Sequence[str], ignore: str | None) -> Evaluation:
    """Compare the masks of one picture.

    Parameters
    ----------
    predicted, wanted : Annotated
        The masks.
    names : sequence of str
        Classes; the first is the background.
    ignore : str, optional
        A class whose pixels in ``wanted`` do not count.

    Returns
    -------
    Evaluation

    Raises
    ------
    ValueError
        If the sizes differ.
    """
    if predicted.masks.size != wanted.masks.size:
        raise ValueError(f"masks must be of one size, got {predicted.masks.size} and {wanted.masks.size}")
    numbers = {name: i for i, name in enumerate(names)}
    found, found_classes = _maps(predicted, numbers)
    target, target_classes = _maps(wanted, numbers)
    measured = Evaluation(list(names))
    measured.pictures = 1
    counted = target_classes
    if ignore is not None and ignore in wanted.labels:
        ignored = np.isin(wanted.painted(), [i + 1 for i, label in enumerate(wanted.labels) if label == ignore])
        counted = np.where(ignored, np.int32(-1), target_classes)
        # Void for segments and boundaries: what is predicted there is neither right nor wrong.
        target = np.where(ignored, 0, target)
        found = np.where(ignored, 0, found)
        target_classes, found_classes = np.where(ignored, 0, target_classes), np.where(ignored, 0, found_classes)
    measured.matrix.update(found_classes, counted)
    measured.quality.update(
        found, _segments(found, predicted.labels, numbers), target, _segments(target, wanted.labels, numbers)
    )
    for number, value in _boundaries(found_classes, target_classes).items():
        measured.boundaries[number].append(value)
    return measured


def _maps(item: Annotated, numbers: Mapping[str, int]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Return the map of segments and that of classes."""
    segments = item.painted()
    classes = np.array([0, *(numbers.get(label, 0) for label in item.labels)], np.int32)
    return np.where(classes[segments] > 0, segments, 0), classes[segments]


def _segments(segments: npt.NDArray[np.int32], labels: Sequence[str], numbers: Mapping[str, int]) -> dict[int, int]:
    return {int(i): numbers[labels[int(i) - 1]] for i in np.unique(segments) if i > 0}


def _boundaries(found: npt.NDArray[np.int32], target: npt.NDArray[np.int32]) -> dict[int, float]:
    """Return the boundary IoU of each class above 0 that occurs in either map; 0 of one that is in one of them."""
    masks, values = rle_encode_labels(found)[:2]
    wanted, others = rle_encode_labels(target)[:2]
    overlaps = boundary_iou(masks, wanted)
    rows, columns = ({int(value): i for i, value in enumerate(listed)} for listed in (values, others))
    return {
        number: float(overlaps[rows[number], columns[number]]) if number in rows and number in columns else 0.0
        for number in sorted(rows.keys() | columns.keys())
    }
