"""Confusion matrices of label maps, and the measures that come from them: intersection over union, Dice, quality."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from .. import _arrays, _dispatch
from .._arrays import Array, HostArray
from .._errors import shown
from ._masks import Masks, as_flag, as_number, check_integer, is_one_of, reported_as
from .footprints import square
from .morphology import erode
from .overlap import mask_iou
from .pack import pack

Segments = Mapping[int, int] | Sequence[Mapping[str, Any]]

_FURTHEST = 63  # pixels that one footprint reaches
_CATEGORY_KEYS = ("category_id", "label_id")


def confusion_matrix(
    prediction: Array,
    target: Array,
    num_classes: int,
    *,
    ignore_index: int | None = None,
    out_of_range: Literal["raise", "skip"] = "raise",
) -> Array:
    """Count how often each class is predicted where each class is right.

    Parameters
    ----------
    prediction, target : array of integers or bool, shape (...)
        Label maps of one shape, of any integer types; a batch counts as one.
    num_classes : int
        From 1 to 32766.
    ignore_index : int, optional
        A label of the target whose pixels do not count. It may be a class.
    out_of_range : {"raise", "skip"}
        What becomes of other pixels with a label outside [0, num_classes).

    Returns
    -------
    array of int64, shape (num_classes, num_classes)
        Targets by rows, predictions by columns; in the library and on the device of the prediction.

    Raises
    ------
    TypeError
        If an argument is no array of integers, or they are on different devices.
    ValueError
        If shapes or the number of classes do not fit, or labels are out of range and are not to be skipped.

    Notes
    -----
    As ``sklearn.metrics.confusion_matrix`` and ``numpy.bincount(target * num_classes + prediction)``; torchmetrics has
    the same rows and columns. One pass: equal neighbours are counted as runs. On a device: one launch, histograms in
    shared memory where they fit; "raise" has to wait for the result, "skip" does not.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> target = np.array([[0, 0, 1], [1, 1, 255]], np.uint8)
    >>> prediction = np.array([[0, 1, 1], [1, 0, 0]], np.uint8)
    >>> rapidmask.confusion_matrix(prediction, target, 2, ignore_index=255)
    array([[1, 1],
           [1, 2]])
    """
    matrix, invalid = _counted(prediction, target, num_classes, ignore_index, out_of_range)
    if invalid is not None:
        _check_none(num_classes, _arrays.to_host(invalid))
    return matrix


def _counted(
    prediction: Array, target: Array, num_classes: int, ignore_index: int | None, out_of_range: str
) -> tuple[Array, Array | None]:
    """Return the matrix and, unless they are skipped, the number of pixels with labels that are no classes."""
    if not is_one_of(out_of_range, ("raise", "skip")):
        raise ValueError(f"confusion_matrix: out_of_range must be 'raise' or 'skip', got {shown(out_of_range)}")
    classes = check_integer("confusion_matrix", "num_classes", num_classes)
    ignored = None if ignore_index is None else check_integer("confusion_matrix", "ignore_index", ignore_index)
    module = _dispatch.backend(prediction)
    matrix, invalid = module.confusion_matrix(prediction, target, classes, ignored, out_of_range == "raise")
    return matrix, invalid


def _check_none(num_classes: int, invalid: HostArray) -> None:
    if invalid[0]:
        raise ValueError(
            f"confusion_matrix: prediction and target must hold classes from 0 to {num_classes - 1} where the target "
            f"is not ignored, got others in {int(invalid[0])} pixels"
        )


class ConfusionMatrix:
    """A confusion matrix that grows batch by batch, and the measures of it.

    Parameters
    ----------
    num_classes : int
        From 1 to 32766.
    ignore_index : int, optional
        A label of the targets whose pixels do not count.
    out_of_range : {"raise", "skip"}
        What becomes of other pixels with a label outside [0, num_classes).

    Attributes
    ----------
    matrix : numpy.ndarray of int64, shape (num_classes, num_classes)
        Targets by rows, predictions by columns.
    num_classes : int
        The number of classes.
    ignore_index : int or None
        The label of the targets whose pixels do not count.
    out_of_range : {"raise", "skip"}
        What becomes of labels outside of the classes.

    Notes
    -----
    It can be pickled, and matrices of several processes merged. The matrix is in host memory: an update from arrays on
    a device waits for their counts.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> matrix = rapidmask.ConfusionMatrix(2)
    >>> matrix.update(np.array([0, 1, 1, 1]), np.array([0, 0, 1, 1]))
    >>> matrix.iou()
    array([0.5       , 0.66666667])
    >>> matrix.accuracy()
    0.75
    """

    def __init__(
        self, num_classes: int, *, ignore_index: int | None = None, out_of_range: Literal["raise", "skip"] = "raise"
    ) -> None:
        self.num_classes = num_classes
        self.ignore_index = ignore_index
        self.out_of_range: Literal["raise", "skip"] = out_of_range
        with reported_as("ConfusionMatrix"):
            self.matrix: npt.NDArray[np.int64] = self._count(np.zeros(0, np.uint8), np.zeros(0, np.uint8))

    def __repr__(self) -> str:
        return f"ConfusionMatrix(num_classes={self.num_classes}, pixels={int(self.matrix.sum())})"

    def _count(self, prediction: Array, target: Array) -> HostArray:
        matrix, invalid = _counted(prediction, target, self.num_classes, self.ignore_index, self.out_of_range)
        if invalid is None:
            return _arrays.to_host(matrix)
        counts, others = _arrays.to_host_at_once(matrix, invalid)
        _check_none(self.num_classes, others)
        return counts

    def update(self, prediction: Array, target: Array) -> None:
        """Count the pixels of some label maps.

        Parameters
        ----------
        prediction, target : array of integers or bool, shape (...)
            As `confusion_matrix` takes them.
        """
        self.matrix += self._count(prediction, target)

    def merge(self, other: ConfusionMatrix) -> None:
        """Add the counts of another matrix.

        Parameters
        ----------
        other : ConfusionMatrix
            One that counts alike.
        """
        for name in ("num_classes", "ignore_index", "out_of_range"):
            ours, theirs = getattr(self, name), getattr(other, name, None)
            if ours != theirs:
                raise ValueError(f"merge: other must have {name} {ours}, got {theirs}")
        self.matrix += other.matrix

    def reset(self) -> None:
        """Forget all counts."""
        self.matrix[...] = 0

    def iou(self) -> npt.NDArray[np.float64]:
        """Return the intersection over union of each class, NaN for one that is neither target nor predicted."""
        return _ratio(np.diag(self.matrix), self.matrix.sum(0) + self.matrix.sum(1) - np.diag(self.matrix))

    def dice(self) -> npt.NDArray[np.float64]:
        """Return the Dice coefficient (F1) of each class, NaN for one that is neither target nor predicted."""
        return _ratio(2 * np.diag(self.matrix), self.matrix.sum(0) + self.matrix.sum(1))

    def mean_iou(self) -> float:
        """Return the mean of `iou` over the classes that have one, NaN if none has."""
        return _mean(self.iou())

    def mean_dice(self) -> float:
        """Return the mean of `dice` over the classes that have one, NaN if none has."""
        return _mean(self.dice())

    def recall(self) -> npt.NDArray[np.float64]:
        """Return the share of each class's target pixels that are predicted as it, NaN for one without them."""
        return _ratio(np.diag(self.matrix), self.matrix.sum(1))

    def precision(self) -> npt.NDArray[np.float64]:
        """Return the share of each class's predicted pixels that are right, NaN for one without them."""
        return _ratio(np.diag(self.matrix), self.matrix.sum(0))

    def accuracy(self) -> float:
        """Return the share of pixels that are right, NaN if there are none."""
        return float(_ratio(np.trace(self.matrix), self.matrix.sum()))


def _ratio(part: Any, whole: Any) -> npt.NDArray[np.float64]:
    """Divide counts; 0 / 0 is NaN."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.asarray(part, np.float64) / np.asarray(whole, np.float64))


def _mean(values: npt.NDArray[np.float64]) -> float:
    present = values[~np.isnan(values)]
    return float(present.mean()) if present.size else math.nan


def mean_iou(prediction: Array, target: Array, num_classes: int, *, ignore_index: int | None = None) -> float:
    """Return the mean intersection over union of the classes of two label maps.

    Parameters
    ----------
    prediction, target : array of integers or bool, shape (...)
        Label maps of one shape; a batch counts as one.
    num_classes : int
        From 1 to 32766.
    ignore_index : int, optional
        A label of the target whose pixels do not count.

    Returns
    -------
    float
        The mean over the classes that occur in either map; NaN if none does.

    Raises
    ------
    TypeError, ValueError
        As `confusion_matrix`, also for labels out of range.

    Notes
    -----
    As mmsegmentation's and the Hugging Face metric of the same name, which leave absent classes out too. One pass, and
    one synchronisation on a device. `ConfusionMatrix` adds up many images before it divides.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> rapidmask.mean_iou(np.array([0, 1, 1, 1]), np.array([0, 0, 1, 1]), 3)
    0.5833333333333333
    """
    with reported_as("mean_iou"):
        matrix = ConfusionMatrix(num_classes, ignore_index=ignore_index)
        matrix.update(prediction, target)
    return matrix.mean_iou()


def dice(
    prediction: Array, target: Array, num_classes: int = 2, *, ignore_index: int | None = None
) -> npt.NDArray[np.float64]:
    """Return the Dice coefficient of each class of two label maps: twice the intersection over the sum of the areas.

    Parameters
    ----------
    prediction, target : array of integers or bool, shape (...)
        Label maps of one shape, or masks of 0 and 1; a batch counts as one.
    num_classes : int
        From 1 to 32766.
    ignore_index : int, optional
        A label of the target whose pixels do not count.

    Returns
    -------
    numpy.ndarray of float64, shape (num_classes,)
        NaN for a class that occurs in neither map.

    Raises
    ------
    TypeError, ValueError
        As `confusion_matrix`, also for labels out of range.

    Notes
    -----
    The same as F1. MONAI's ``DiceMetric`` gives one value for each image and class instead of one for the batch. One
    pass, and one synchronisation on a device.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> rapidmask.dice(np.array([0, 1, 1, 1]), np.array([0, 0, 1, 1]))
    array([0.66666667, 0.8       ])
    """
    with reported_as("dice"):
        matrix = ConfusionMatrix(num_classes, ignore_index=ignore_index)
        matrix.update(prediction, target)
    return matrix.dice()


def boundary_iou(a: Masks, b: Masks | None = None, *, dilation_ratio: float = 0.02) -> Array:
    """Compute the intersection over union of the boundaries of masks, for all pairs.

    The boundary of a mask is what an erosion by a square of 2·d + 1 pixels removes, d being ``dilation_ratio`` of the
    image's diagonal, rounded and at least 1; outside of the image there is background.

    Parameters
    ----------
    a : array of bool or uint8, shape (N, H, W) or (H, W), or PackedMasks or RLEMasks
        Masks; a single one counts as a batch.
    b : the same, of M masks of the same size, optional
        Without it, pairs within ``a``.
    dilation_ratio : float
        The width of boundaries, of the diagonal.

    Returns
    -------
    array of float64, shape (N, M)
        0 where neither mask has a boundary. In the library and on the device of ``a``.

    Raises
    ------
    TypeError
        If an argument is no array, or not of bool or uint8.
    ValueError
        If shapes do not fit, or the ratio is negative or not finite.

    Notes
    -----
    The same as the published code, which erodes d times by 3 by 3 within a frame of zeros and takes the smaller of this
    and the masks' own intersection over union in its COCO evaluation. Masks are packed, eroded as bits and compared
    as bits. On a device: no synchronisation.

    References
    ----------
    Cheng, Girshick, Dollár, Berg, Kirillov, "Boundary IoU: Improving Object-Centric Image Segmentation Evaluation",
    CVPR 2021.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> masks = np.zeros((2, 9, 9), bool)
    >>> masks[0, 1:8, 1:8] = masks[1, 1:8, 1:7] = True
    >>> rapidmask.boundary_iou(masks)
    array([[1.       , 0.5862069],
           [0.5862069, 1.       ]])
    """
    ratio = as_number("boundary_iou", "dilation_ratio", dilation_ratio)
    if not 0 <= ratio < math.inf:
        raise ValueError(f"boundary_iou: dilation_ratio must be a number from 0, got {dilation_ratio}")
    with reported_as("boundary_iou"):
        first = _boundaries(a, ratio)
        return mask_iou(first, None if b is None else _boundaries(b, ratio))


def _boundaries(masks: Masks, dilation_ratio: float) -> Any:
    packed = pack(masks)
    height, width = packed.size
    # An erosion as far as the image is large removes everything.
    distance = max(1, round(min(dilation_ratio * math.sqrt(height**2 + width**2), max(height, width))))
    eroded = packed
    for step in (_FURTHEST,) * (distance // _FURTHEST) + (distance % _FURTHEST,):
        eroded = erode(eroded, square(2 * step + 1), border="zeros") if step else eroded
    return packed - eroded


class PanopticScores(NamedTuple):
    """Panoptic quality of some categories.

    Attributes
    ----------
    pq, sq, rq : float
        Panoptic, segmentation and recognition quality: means over the categories that occur, 0 if none does.
    categories : int
        How many occur.
    """

    pq: float
    sq: float
    rq: float
    categories: int


class PanopticQuality:
    """Panoptic quality of predictions against targets, image by image.

    Segments of one category match where their intersection over union is above 0.5. Panoptic quality is the sum of
    these over TP + FP / 2 + FN / 2, which is segmentation quality (their mean) times recognition quality (F1).

    Parameters
    ----------
    categories : iterable of int, or mapping from int to bool
        The categories, or of each whether it is a thing (else stuff).
    void : int
        The label of pixels that belong to no segment.

    Attributes
    ----------
    true_positives, false_positives, false_negatives : dict from int to int
        Counts by category.
    iou : dict from int to float
        By category: the sum of the intersections over union of the matches.

    Notes
    -----
    The rules are panopticapi's. Target pixels of void do not count in the union of a match. A predicted segment that
    matches none is no false positive if more than half of it lies on void or on a crowd segment of its category; crowd
    segments match nothing and are never missed. It can be pickled, and those of several processes merged.

    References
    ----------
    Kirillov, He, Girshick, Rother, Dollár, "Panoptic Segmentation", CVPR 2019; panopticapi ``evaluation.py``.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> quality = rapidmask.PanopticQuality([7, 8])
    >>> target = np.array([[1, 1, 2, 2]])
    >>> prediction = np.array([[1, 1, 1, 2]])
    >>> quality.update(prediction, {1: 7, 2: 8}, target, {1: 7, 2: 8})
    >>> quality.compute()
    PanopticScores(pq=0.3333333333333333, sq=0.3333333333333333, rq=0.5, categories=2)
    """

    def __init__(self, categories: Iterable[int] | Mapping[int, bool], *, void: int = 0) -> None:
        if isinstance(categories, Mapping):
            self._is_thing: dict[int, bool | None] = {
                _category(c): as_flag("PanopticQuality", "categories", thing) for c, thing in categories.items()
            }
        else:
            try:
                listed = iter(categories)
            except TypeError:
                text = f"PanopticQuality: categories must be integers or a mapping, got {shown(categories)}"
                raise TypeError(text) from None
            self._is_thing = dict.fromkeys(map(_category, listed))
        self.void = check_integer("PanopticQuality", "void", void)
        self.true_positives = dict.fromkeys(self._is_thing, 0)
        self.false_positives = dict.fromkeys(self._is_thing, 0)
        self.false_negatives = dict.fromkeys(self._is_thing, 0)
        self.iou = dict.fromkeys(self._is_thing, 0.0)

    def __repr__(self) -> str:
        return f"PanopticQuality({len(self._is_thing)} categories, {self.compute()})"

    def update(
        self, prediction: Array, prediction_segments: Segments, target: Array, target_segments: Segments
    ) -> None:
        """Compare the segments of one image.

        Parameters
        ----------
        prediction : array of integers, shape (H, W)
            The segment of each pixel, or void.
        prediction_segments : mapping from int to int, or sequence of dict
            The category of each segment, or COCO's dictionaries with "id" and "category_id" (or "label_id").
        target : array of integers, shape (H, W)
            The segment of each pixel, or void.
        target_segments : mapping from int to int, or sequence of dict
            The same of the target, where dictionaries may have "iscrowd" and "area" too; areas are counted where they
            are not given.

        Raises
        ------
        ValueError
            If shapes do not fit, a segment is twice in a list, is void, has an unknown category, or is in a map and
            not in its list; or if a predicted segment has no pixel.
        """
        predicted = self._listed("prediction_segments", prediction_segments)
        wanted = self._listed("target_segments", target_segments)
        overlaps = _overlaps(prediction, [*predicted, self.void], target, [*wanted, self.void])
        areas = overlaps.sum(0)
        for i, segment in enumerate(predicted.values()):
            segment.area = int(areas[i])
            if not segment.area:
                raise ValueError(f"update: prediction_segments must have pixels, got none of segment {segment.id}")
        for i, truth in enumerate(wanted.values()):
            pixels = int(overlaps[i].sum())
            truth.area = pixels if truth.area is None else truth.area
            if truth.area < max(pixels, 1):
                raise ValueError(
                    f"update: target_segments must have areas of at least their pixels, got {truth.area} of segment "
                    f"{truth.id} with {pixels}"
                )
        self._match(list(predicted.values()), list(wanted.values()), overlaps)

    def _listed(self, argument: str, segments: Segments) -> dict[int, _Segment]:
        """Return the segments of a list by their labels."""
        found: dict[int, _Segment] = {}
        for segment in _as_segments(argument, segments):
            if segment.id in found or segment.id == self.void:
                raise ValueError(f"update: {argument} must have labels of their own, got {segment.id} again or as void")
            if segment.category not in self._is_thing:
                raise ValueError(f"update: {argument} must be of known categories, got {segment.category}")
            found[segment.id] = segment
        return found

    def _match(self, predicted: list[_Segment], wanted: list[_Segment], overlaps: HostArray) -> None:
        void = overlaps[len(wanted)]  # by predicted segment
        crowds = {truth.category: i for i, truth in enumerate(wanted) if truth.is_crowd}  # the last of each category
        matched: set[int] = set()
        for i, truth in enumerate(wanted):
            if truth.is_crowd:
                continue
            missed = True
            for j in np.flatnonzero(overlaps[i, : len(predicted)]).tolist():
                segment, intersection = predicted[j], int(overlaps[i, j])
                union = (segment.area or 0) + (truth.area or 0) - intersection - int(void[j])
                if segment.category != truth.category or not intersection > 0.5 * union:
                    continue
                self.true_positives[truth.category] += 1
                self.iou[truth.category] += intersection / union
                matched.add(j)
                missed = False
            self.false_negatives[truth.category] += missed
        for j, segment in enumerate(predicted):
            crowd = crowds.get(segment.category)
            unjudged = int(void[j]) + (0 if crowd is None else int(overlaps[crowd, j]))
            if j not in matched and not unjudged > 0.5 * (segment.area or 0):
                self.false_positives[segment.category] += 1

    def merge(self, other: PanopticQuality) -> None:
        """Add the counts of another accumulator.

        Parameters
        ----------
        other : PanopticQuality
            One of the same categories, things and stuff, and with the same void.
        """
        if other._is_thing != self._is_thing or other.void != self.void:
            raise ValueError("merge: other must have the same categories and void")
        for category in self._is_thing:
            self.true_positives[category] += other.true_positives[category]
            self.false_positives[category] += other.false_positives[category]
            self.false_negatives[category] += other.false_negatives[category]
            self.iou[category] += other.iou[category]

    def per_category(self) -> dict[int, PanopticScores]:
        """Return the scores of each category; all 0, with ``categories`` 0, of one that does not occur."""
        scores = {}
        for category in self._is_thing:
            hits = self.true_positives[category]
            weight = hits + 0.5 * (self.false_positives[category] + self.false_negatives[category])
            quality = self.iou[category]
            scores[category] = (
                PanopticScores(quality / weight, quality / hits if hits else 0.0, hits / weight, 1)
                if weight
                else PanopticScores(0.0, 0.0, 0.0, 0)
            )
        return scores

    def compute(self, *, things: bool | None = None) -> PanopticScores:
        """Return the means over the categories that occur.

        Parameters
        ----------
        things : bool, optional
            Only of things (True) or of stuff (False), where the categories were given with these.

        Returns
        -------
        PanopticScores
            Zeros where no category occurs.
        """
        if things is not None and None in self._is_thing.values():
            raise ValueError("compute: categories must be a mapping to whether they are things")
        chosen = [
            scores
            for category, scores in self.per_category().items()
            if scores.categories and (things is None or self._is_thing[category] is bool(things))
        ]
        count = len(chosen)
        pq, sq, rq = (sum(scores[i] for scores in chosen) / max(count, 1) for i in range(3))
        return PanopticScores(pq, sq, rq, count)


def panoptic_quality(
    prediction: Array,
    prediction_segments: Segments,
    target: Array,
    target_segments: Segments,
    *,
    categories: Iterable[int] | Mapping[int, bool] | None = None,
    void: int = 0,
) -> PanopticQuality:
    """Compare the panoptic segmentation of one image with its target.

    Parameters
    ----------
    prediction : array of integers, shape (H, W)
        The segment of each pixel, or void.
    prediction_segments : mapping from int to int, or sequence of dict
        The category of each segment, or COCO's dictionaries with "id" and "category_id" (or "label_id").
    target : array of integers, shape (H, W)
        The segment of each pixel, or void.
    target_segments : mapping from int to int, or sequence of dict
        The same of the target, where dictionaries may have "iscrowd" and "area" too.
    categories : iterable of int, or mapping from int to bool, optional
        The categories, or of each whether it is a thing; those of the segments if not given.
    void : int
        The label of pixels that belong to no segment.

    Returns
    -------
    PanopticQuality
        Counts and scores by category: ``.compute().pq`` is the mean.

    Raises
    ------
    TypeError
        If a map is no array of integers.
    ValueError
        As `PanopticQuality.update`.

    Notes
    -----
    panopticapi's rules, see `PanopticQuality`, which adds up many images. Overlaps are counted in one pass over the
    maps; on a device the call waits for them.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> target = np.array([[1, 1, 2, 2]])
    >>> prediction = np.array([[5, 5, 5, 6]])
    >>> rapidmask.panoptic_quality(prediction, {5: 0, 6: 1}, target, {1: 0, 2: 1}).compute().rq
    0.5
    """
    with reported_as("panoptic_quality"):
        if categories is None:
            listed = [*_as_segments("prediction_segments", prediction_segments)]
            listed += _as_segments("target_segments", target_segments)
            categories = sorted({segment.category for segment in listed})
        quality = PanopticQuality(categories, void=void)
        quality.update(prediction, prediction_segments, target, target_segments)
    return quality


def _category(value: Any) -> int:
    return check_integer("PanopticQuality", "categories", value)


@dataclass
class _Segment:
    id: int
    category: int
    is_crowd: bool = False
    area: int | None = None


def _as_segments(argument: str, segments: Segments) -> list[_Segment]:
    if isinstance(segments, Mapping):
        return [
            _Segment(check_integer("update", argument, label), check_integer("update", argument, category))
            for label, category in segments.items()
        ]
    try:
        listed = iter(segments)
    except TypeError:
        text = f"update: {argument} must be a mapping or a list of mappings, got {shown(segments)}"
        raise TypeError(text) from None
    found = []
    for segment in listed:
        if not isinstance(segment, Mapping):
            raise TypeError(f"update: {argument} must be a mapping or a list of mappings, got one of {shown(segment)}")
        category = next((segment[key] for key in _CATEGORY_KEYS if key in segment), None)
        if category is None or "id" not in segment:
            raise ValueError(f"update: {argument} must have an id and a category_id each, got {shown(segment)}")
        area = segment.get("area")
        found.append(
            _Segment(
                check_integer("update", argument, segment["id"]),
                check_integer("update", argument, category),
                as_flag("update", "iscrowd", segment.get("iscrowd")),
                None if area is None else check_integer("update", "area", area),
            )
        )
    return found


def _overlaps(prediction: Array, predicted: list[int], target: Array, wanted: list[int]) -> HostArray:
    """Count the pixels of each pair of labels, in the order of the lists: targets by rows."""
    columns, rows = np.array(predicted, np.int64), np.array(wanted, np.int64)
    by_column, by_row = np.argsort(columns), np.argsort(rows)
    module = _dispatch.backend(prediction)
    labels = _arrays.like(prediction, columns[by_column]), _arrays.like(prediction, rows[by_row])
    with reported_as("update"):
        counted = _arrays.to_host(module.label_overlaps(prediction, target, *labels))
    for name, pixels in (("prediction", counted[:, -1].sum()), ("target", counted[-1].sum())):
        if pixels:
            raise ValueError(f"update: {name} must hold void and listed segments, got {int(pixels)} pixels of others")
    overlaps = np.empty((len(rows), len(columns)), np.int64)
    overlaps[np.ix_(by_row, by_column)] = counted[:-1, :-1]
    return overlaps
