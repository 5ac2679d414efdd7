"""Overlapping masks as one map: panoptic segments, painted masks, scores that do not overlap."""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Iterable, Sequence
from typing import Any, Literal, SupportsIndex, TypedDict

import numpy as np

from .. import _arrays, _dispatch
from .._arrays import Array
from .._errors import shown
from ._masks import Masks, as_flag, bits_of, check_apart, check_number
from .overlap import _as_integers, _beside
from .semantic import _class_set, _size, _staged

_IDS = (-(2**31), 2**31 - 1)
_MOST_LABELS = 1 << 20  # of a class map
_EXACT = 2**53  # labels come back as float64


class PanopticSegment(TypedDict):
    """One segment of `panoptic_merge`.

    Attributes
    ----------
    id : int
        Its value in the map.
    label_id : int
        Its class.
    was_fused : bool
        Whether its class is one of those that are fused.
    score : float
        That of its first query.
    area : int
        Pixels in the map.
    queries : list of int
        Indices of its queries.
    """

    id: int
    label_id: int
    was_fused: bool
    score: float
    area: int
    queries: list[int]


class InstanceSegment(TypedDict):
    """One segment of `instance_merge`.

    Attributes
    ----------
    id : int
        Its value in the map.
    label_id : int
        Its class.
    is_thing : bool
        Whether it is one of the masks, else a class of the class map.
    score : float or None
        Of a mask.
    area : int
        Pixels in the map.
    index : int or None
        Which of the masks it is.
    """

    id: int
    label_id: int
    is_thing: bool
    score: float | None
    area: int
    index: int | None


def panoptic_merge(
    mask_probs: Array,
    scores: Array,
    labels: Array,
    *,
    size: Sequence[SupportsIndex] | None = None,
    intermediate: Sequence[SupportsIndex] | None = None,
    crop: Sequence[SupportsIndex] | None = None,
    activation: Literal["sigmoid"] | None = None,
    activate: Literal["before", "after"] = "before",
    weight_by_score: bool = True,
    mask_threshold: float = 0.5,
    overlap_threshold: float = 0.8,
    overlap_op: Literal[">", ">="] = ">",
    paint: Literal["chosen", "inner"] = "chosen",
    fuse: Iterable[int] = (),
    numbering: Literal["consecutive", "restarting", "by_label"] = "consecutive",
    void: int = 0,
    first_id: int = 1,
    id_step: int = 1000,
    out: Array | None = None,
) -> tuple[Array, list[PanopticSegment]]:
    """Merge the masks of queries to a map of segments that do not overlap (MaskFormer and its successors).

    Each pixel is chosen by the query of the highest ``score * probability``. A query becomes a segment if the pixels
    that it is chosen for are enough of those that it owns, where its mask is above ``mask_threshold``.

    Parameters
    ----------
    mask_probs : array of float16, bfloat16 or float32, shape (Q, h, w)
        Masks of the queries that are kept, as probabilities, or as logits with an activation.
    scores : array of floats, shape (Q,)
        Of the queries' classes.
    labels : array of integers, shape (Q,)
        The queries' classes, between -2^53 and 2^53.
    size : (int, int), optional
        Height and width of the map; by default those of the masks. Masks are resized bilinearly.
    intermediate : (int, int), optional
        Height and width to which ``mask_probs`` are resized first: (384, 384) in transformers' Mask2Former.
    crop : (int, int), optional
        Height and width of what is then left, from the top left, as where the model's input was padded.
    activation : {"sigmoid"}, optional
        What makes probabilities of ``mask_probs``.
    activate : {"before", "after"}
        Whether the activation comes before masks are resized, or after it.
    weight_by_score : bool
        Whether a query owns the pixels where ``score * probability`` is at least ``mask_threshold``, or those where the
        probability is.
    mask_threshold : float
        What is compared with it.
    overlap_threshold : float
        Share of its own pixels that a query must be chosen for: chosen / own.
    overlap_op : {">", ">="}
        How the share is compared.
    paint : {"chosen", "inner"}
        Whether a segment has all pixels that its query is chosen for, or only those that it owns, too.
    fuse : iterable of int
        Classes whose queries become one segment ("stuff").
    numbering : {"consecutive", "restarting", "by_label"}
        Which ids segments get: one after the other; those of transformers, where after a query that joins a
        segment numbers go on from this one's, so that segments may share an id; or ``label + id_step * instance``,
        where classes that are fused have instance 0 and the others are counted from 1.
    void : int
        What the map holds where no segment is.
    first_id : int
        The first id.
    id_step : int
        The factor of ``"by_label"``.
    out : array of int32, shape size, optional
        Where to write the map: C-contiguous, on the same device.

    Returns
    -------
    segmentation : array of int32, shape size
        The map of ids, in the library and on the device of ``mask_probs``.
    segments : list of PanopticSegment
        Dictionaries with ``id``, ``label_id``, ``was_fused``, ``score``, ``area`` and ``queries``, in the order of
        their first queries. With ``"restarting"`` one for each query, as transformers gives them.

    Raises
    ------
    TypeError
        If ``mask_probs`` is no array of a floating type of at most 32 bits, or labels are no integers.
    ValueError
        If shapes do not fit, a threshold is NaN, or a name is unknown.

    Notes
    -----
    Ties go to the first query, and NaN is never chosen (torch takes it for the highest). Arithmetic is float32, as
    that of `semantic_argmax`. The share is one of float32 with ``">"``, as torch divides, and of float64 with
    ``">="``, as Python does.

    ==========================================  =======================================================================
    ``compute_segments`` of transformers 5      ``numbering="restarting", fuse=label_ids_to_fuse``; the defaults are the
    (MaskFormer, Mask2Former, OneFormer, DETR)  same map without its repeated ids (transformers#23461)
    EoMT's                                      ``activation="sigmoid", activate="after", weight_by_score=False,
                                                paint="inner", void=-1, first_id=0``
    Mask2Former's own                           ``activation="sigmoid", activate="after", weight_by_score=False,
                                                overlap_op=">=", paint="inner"``
    mmdet's fusion head                         as Mask2Former's, ``paint="chosen", numbering="by_label",
                                                void=num_classes``
    ==========================================  =======================================================================

    Where no query is kept, transformers returns a map of -1 in float32; here it is all void.

    No mask is made at the map's size: queries that cannot be chosen in a tile, nor change what is owned in it, are left
    out by bounds. ``intermediate`` makes masks of that size, in float32. On a device, where an activation before
    resizing does, too: a constant number of launches, and one synchronisation, for the list of segments.

    References
    ----------
    B. Cheng, A. Schwing, A. Kirillov, Per-Pixel Classification is Not All You Need for Semantic Segmentation, 2021.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> masks = np.array([[[0.9, 0.9, 0.1, 0.1]], [[0.1, 0.1, 0.8, 0.9]], [[0.2, 0.6, 0.6, 0.2]]], np.float32)
    >>> segmentation, segments = rapidmask.panoptic_merge(masks, [0.9, 0.8, 0.7], [3, 5, 5])
    >>> segmentation
    array([[1, 1, 2, 2]], dtype=int32)
    >>> [(segment["id"], segment["label_id"], segment["area"]) for segment in segments]
    [(1, 3, 2), (2, 5, 2)]
    """
    function = "panoptic_merge"
    _check_name(function, "activation", activation, (None, "sigmoid"))
    _check_name(function, "activate", activate, ("before", "after"))
    _check_name(function, "overlap_op", overlap_op, (">", ">="))
    _check_name(function, "paint", paint, ("chosen", "inner"))
    _check_name(function, "numbering", numbering, ("consecutive", "restarting", "by_label"))
    check_apart(function, out, scores=scores, labels=labels)
    fused = sorted(c for c in _class_set(function, "fuse", fuse) if -(2**63) <= c < 2**63)  # as labels are
    late = activate == "after"
    mask_probs = _staged(function, "mask_probs", _arrays.with_shape(mask_probs), intermediate, crop)
    own = tuple(int(extent) for extent in getattr(mask_probs, "shape", ())[-2:])
    rows, columns = _size(function, size, own if len(own) == 2 else (0, 0))
    if len(own) == 2 and own[0] * own[1] == 0 and rows * columns != 0:
        raise ValueError(f"{function}: mask_probs must have pixels to be resized, got shape {tuple(mask_probs.shape)}")
    segmentation, table = _dispatch.backend(mask_probs).panoptic_merge(
        mask_probs,
        _beside(function, "scores", mask_probs, scores, "float32"),
        _labels(function, mask_probs, labels),
        rows,
        columns,
        "none" if activation is None else "late" if late else "early",
        as_flag(function, "weight_by_score", weight_by_score),
        check_number(function, "mask_threshold", mask_threshold),
        check_number(function, "overlap_threshold", overlap_threshold),
        overlap_op == ">=",
        paint == "inner",
        fused,
        numbering,
        _id(function, "void", void),
        _id(function, "first_id", first_id),
        _id(function, "id_step", id_step),
        out,
    )
    return segmentation, _panoptic_segments(_arrays.to_host(table), set(fused), numbering != "restarting")


def _panoptic_segments(table: Any, fused: set[int], joined: bool) -> list[PanopticSegment]:
    """Return the dictionaries of a table of queries, one for each id or one for each query."""
    segments: list[PanopticSegment] = []
    by_id: dict[int, PanopticSegment] = {}
    for k, (kept, number, area, label, score) in enumerate(table.tolist()):
        if not kept:
            continue
        _id("panoptic_merge", "ids", int(number))
        if abs(label) >= _EXACT:
            raise ValueError(f"panoptic_merge: labels must be between -2^53 and 2^53, got about {int(label)}")
        segment = by_id.get(int(number)) if joined else None
        if segment is not None:
            if segment["label_id"] != int(label):
                raise ValueError(
                    f"panoptic_merge: id_step must be above every label, got labels {segment['label_id']} and "
                    f"{int(label)} with id {int(number)}"
                )
            segment["area"] += int(area)
            segment["queries"].append(k)
            continue
        segment = {
            "id": int(number),
            "label_id": int(label),
            "was_fused": int(label) in fused,
            "score": score,
            "area": int(area),
            "queries": [k],
        }
        by_id[int(number)] = segment
        segments.append(segment)
    return segments


def instance_merge(
    masks: Masks,
    scores: Array,
    labels: Array,
    *,
    semantic: Array | None = None,
    order: Literal["score", "given"] = "score",
    over: bool = False,
    score_threshold: float = 0.5,
    overlap_threshold: float | None = 0.5,
    min_stuff_area: int = 4096,
    ignore: int | Iterable[int] = (0,),
    void: int = 0,
    first_id: int = 1,
    out: Array | None = None,
) -> tuple[Array, list[InstanceSegment]]:
    """Paint instances to one map, and the classes of a class map where none is.

    In the order of scores each mask takes the pixels that none before it has, unless more than a share of its pixels is
    taken already.

    Parameters
    ----------
    masks : array of bool or uint8, shape (..., H, W), or PackedMasks or RLEMasks
        N masks; any non-zero value is foreground.
    scores : array of numbers, shape (N,)
        Masks of equal scores are painted by their index.
    labels : array of integers, shape (N,)
        The masks' classes.
    semantic : array of integers, shape (H, W), optional
        A class for each pixel. Where no mask is painted, each class of enough pixels becomes a segment, in the order of
        classes; negative ones do not.
    order : {"score", "given"}
        The order in which masks are painted: by descending score or as they come.
    over : bool
        Paint each mask over those before it, in place of under them.
    score_threshold : float
        Masks of lower scores are left out, as are those of NaN.
    overlap_threshold : float, optional
        A mask is left out if a larger share of its pixels is taken; with None, or with ``over``, none is.
    min_stuff_area : int
        Classes of fewer pixels, of those left, are left out.
    ignore : int or iterable of int
        Classes of ``semantic`` that are no segments.
    void : int
        What the map holds where no segment is.
    first_id : int
        The first id; the others are consecutive, in the order of painting.
    out : array of int32, shape (H, W), optional
        Where to write the map: C-contiguous, on the same device.

    Returns
    -------
    segmentation : array of int32, shape (H, W)
        The map of ids, in the library and on the device of ``masks``.
    segments : list of InstanceSegment
        Dictionaries with ``id``, ``label_id``, ``is_thing``, ``score``, ``area`` and ``index``, by id.

    Raises
    ------
    TypeError
        If masks are no arrays of bool or uint8, or labels or ``semantic`` no integers.
    ValueError
        If shapes do not fit, a number is NaN, or a name is unknown.

    Notes
    -----
    With ``semantic`` this is detectron2's ``combine_semantic_and_instance_outputs(instances, semantic,
    overlap_threshold, stuff_area_thresh, instances_score_thresh)``, by the same arguments in turn. The instances of
    transformers' MaskFormer and Mask2Former are painted by ``order="given", over=True, score_threshold=threshold,
    void=-1, first_id=0``. Masks without pixels are left out.

    Masks are compared as bits, one mask at a time. On a device, where one block of threads paints masks that depend on
    what is left of them: a constant number of launches, and one synchronisation for the list of segments, two more for
    that of classes.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> masks = np.array([[[1, 1, 1, 0, 0, 0]], [[0, 0, 1, 1, 0, 0]], [[0, 1, 1, 0, 0, 0]]], bool)
    >>> semantic = np.array([[7, 7, 7, 7, 7, 9]])
    >>> segmentation, segments = rapidmask.instance_merge(
    ...     masks, [0.9, 0.8, 0.7], [1, 1, 2], semantic=semantic, min_stuff_area=1)
    >>> segmentation
    array([[1, 1, 1, 2, 3, 4]], dtype=int32)
    >>> [(segment["id"], segment["label_id"], segment["is_thing"]) for segment in segments]
    [(1, 1, True), (2, 1, True), (3, 7, False), (4, 9, False)]
    """
    function = "instance_merge"
    _check_name(function, "order", order, ("score", "given"))
    least = max(check_number(function, "score_threshold", score_threshold), -sys.float_info.max)  # NaN is below it
    area_of_stuff = max(1.0, check_number(function, "min_stuff_area", min_stuff_area))
    limit = 1.0 if overlap_threshold is None else check_number(function, "overlap_threshold", overlap_threshold)
    check_apart(function, out, scores=scores, labels=labels, semantic=semantic)
    array, width = bits_of(masks)
    module = _dispatch.backend(array)
    scores, labels = _beside(function, "scores", array, scores, "float64"), _labels(function, array, labels)
    segmentation, painted, visible = module.paint_masks(
        array,
        width,
        scores,
        function,
        order == "score",
        as_flag(function, "over", over),
        False,
        limit,
        least,
        True,
        out,
    )
    next_id = _id(function, "first_id", first_id)
    empty = _id(function, "void", void)
    if tuple(labels.shape) != tuple(scores.shape):
        raise ValueError(
            f"{function}: labels must have one value for each of {len(scores)} masks, got shape {tuple(labels.shape)}"
        )
    chosen, values, classes, areas = _arrays.to_host_at_once(painted, scores, labels, visible)
    kept = np.flatnonzero(chosen)
    if order == "score":
        kept = kept[np.argsort(-values[kept], kind="stable")]
    ids = np.full(len(values) + 1, empty, np.int32)
    segments: list[InstanceSegment] = []
    for i in kept.tolist():
        segments.append(
            {
                "id": _id(function, "ids", next_id),
                "label_id": int(classes[i]),
                "is_thing": True,
                "score": float(values[i]),
                "area": int(areas[i]),
                "index": i,
            }
        )
        ids[i + 1] = next_id
        next_id += 1
    stuff, stuff_ids = None, np.zeros(0, np.int32)
    if semantic is not None:
        stuff, most = _class_map(function, segmentation, semantic)
        counts = _arrays.to_host(module.count_unpainted(segmentation, stuff, most + 1))
        skipped = _class_set(function, "ignore", ignore)
        stuff_ids = np.full(most + 1, empty, np.int32)
        for c in np.flatnonzero(counts >= area_of_stuff).tolist():
            if c in skipped:
                continue
            segments.append(
                {
                    "id": _id(function, "ids", next_id),
                    "label_id": c,
                    "is_thing": False,
                    "score": None,
                    "area": int(counts[c]),
                    "index": None,
                }
            )
            stuff_ids[c] = next_id
            next_id += 1
    numbers = _arrays.like(array, np.concatenate([ids, stuff_ids]))
    module.number_painting(segmentation, numbers[: len(ids)], stuff, numbers[len(ids) :])
    return segmentation, segments


def resolve_overlaps(
    masks: Masks, scores: Array | None = None, *, min_kept: float = 0.0, out: Array | None = None
) -> Array:
    """Give each pixel to one of the masks that overlap there: a label map, painted in the order of scores.

    Parameters
    ----------
    masks : array of bool or uint8, shape (..., H, W), or PackedMasks or RLEMasks
        N masks; any non-zero value is foreground.
    scores : array of numbers, shape (N,), optional
        A pixel belongs to the mask of the highest score, of equal ones to the lowest index; NaN comes last. Without
        scores the lowest index has it.
    min_kept : float
        From 0 to 1. Masks of which a smaller share is left are dropped, and their pixels go to those after them.
    out : array of int32, shape (H, W), optional
        Where to write: C-contiguous, on the same device.

    Returns
    -------
    array of int32, shape (H, W)
        The index of the mask + 1; 0 where there is none. In the library and on the device of ``masks``.

    Raises
    ------
    TypeError
        If masks are no arrays, or not of bool or uint8.
    ValueError
        If ``min_kept`` is not from 0 to 1, scores are not of N values, or ``out`` does not fit.

    Notes
    -----
    Masks are compared as bits, one at a time. On a device: no synchronisation; with ``min_kept`` one block of threads
    takes the masks one after the other.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> masks = np.array([[[1, 1, 1, 0, 0]], [[0, 0, 1, 1, 0]], [[0, 1, 1, 0, 0]]], bool)
    >>> rapidmask.resolve_overlaps(masks, [0.5, 0.9, 0.7])
    array([[1, 3, 2, 2, 0]], dtype=int32)
    >>> rapidmask.resolve_overlaps(masks, [0.5, 0.9, 0.7], min_kept=0.6)
    array([[1, 1, 2, 2, 0]], dtype=int32)
    """
    share = check_number("resolve_overlaps", "min_kept", min_kept)
    if not 0 <= share <= 1:
        raise ValueError(f"resolve_overlaps: min_kept must be from 0 to 1, got {shown(min_kept)}")
    check_apart("resolve_overlaps", out, scores=scores)
    array, width = bits_of(masks)
    ranked = None if scores is None else _beside("resolve_overlaps", "scores", array, scores, "float64")
    arguments = (ranked, "resolve_overlaps", ranked is not None, False, True, share, -math.inf, False, out)
    return _dispatch.backend(array).paint_masks(array, width, *arguments)[0]


def non_overlapping(
    scores: Array, *, background: float = -10.0, object_scores: Array | None = None, out: Array | None = None
) -> Array:
    """Let the masks of several objects not overlap, in the scores that become masks above 0.

    In each pixel the object of the highest score keeps it, of equal ones the first; the others' are lowered to at most
    ``background``.

    Parameters
    ----------
    scores : array of float16, bfloat16 or float32, shape (N, ..., H, W)
        Logits of N objects.
    background : float
        What the scores of the other objects are lowered to, where they are higher.
    object_scores : array of floats, shape (N,), optional
        Whole objects compete in place of pixels: where scores are above 0, the object of the highest object score above
        0 keeps its own, and all others are lowered.
    out : array, optional
        Where to write: C-contiguous, of the scores' type and shape, on the same device. The scores themselves will do.

    Returns
    -------
    array of the type and shape of the scores
        In their library and on their device.

    Raises
    ------
    TypeError
        If ``scores`` is no array of a floating type of at most 32 bits.
    ValueError
        If ``background`` is NaN, ``object_scores`` are not of N values, or ``out`` does not fit.

    Notes
    -----
    SAM 2's ``_apply_non_overlapping_constraints`` and, with ``object_scores``, SAM 3's
    ``_apply_object_wise_non_overlapping_constraints``; but that NaN, which torch takes for the highest, never has a
    pixel here and stays. ``background`` is rounded to the scores' type. On a device: one launch, no synchronisation.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> scores = np.array([[[3, -1, -20]], [[2, 1, -15]]], np.float32)
    >>> rapidmask.non_overlapping(scores)
    array([[[  3., -10., -20.]],
    <BLANKLINE>
           [[-10.,   1., -15.]]], dtype=float32)
    """
    level = check_number("non_overlapping", "background", background)
    scores = _arrays.with_shape(scores)
    objects = (
        None if object_scores is None else _beside("non_overlapping", "object_scores", scores, object_scores, "float32")
    )
    return _dispatch.backend(scores).non_overlapping(scores, objects, level, out)


def _check_name(function: str, argument: str, name: Any, names: tuple[Any, ...]) -> None:
    if not (name is None or isinstance(name, str)) or name not in names:
        raise ValueError(f"{function}: {argument} must be one of {', '.join(map(repr, names))}, got {shown(name)}")


def _id(function: str, argument: str, value: Any) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{function}: {argument} must be an integer, got {shown(value)}") from None
    if not _IDS[0] <= number <= _IDS[1]:
        raise ValueError(f"{function}: {argument} must be from {_IDS[0]} to {_IDS[1]}, got {number}")
    return number


def _integers(function: str, argument: str, values: Any) -> Array:
    """Return an array of integers, which an empty list may be, too."""
    values = _as_integers(function, argument, values)
    kind = getattr(values.dtype, "kind", None)  # which other libraries than NumPy do not tell
    if kind not in ("i", "u") if kind else "int" not in str(values.dtype):
        raise TypeError(f"{function}: {argument} must be integers, got {str(values.dtype).rpartition('.')[2]}")
    if "uint64" in str(values.dtype) or (kind == "u" and values.dtype.itemsize == 8):
        largest = int(_arrays.to_host(values).max(initial=0))
        if largest >= 2**63:
            raise ValueError(f"{function}: {argument} must be below 2^63, got {largest}")
    return values


def _labels(function: str, masks: Array, labels: Any) -> Array:
    return _beside(function, "labels", masks, _integers(function, "labels", labels), "int64")


def _class_map(function: str, segmentation: Array, semantic: Any) -> tuple[Array, int]:
    """Return the classes as int32, where the segmentation is, and the largest, or -1 where none is as large."""
    semantic = _integers(function, "semantic", _arrays.of_results(_arrays.with_shape(semantic)))
    if tuple(semantic.shape) != tuple(segmentation.shape):
        shapes = f"{tuple(segmentation.shape)}, got shape {tuple(semantic.shape)}"
        raise ValueError(f"{function}: semantic must have the masks' shape {shapes}")
    if any(name in str(semantic.dtype) for name in ("uint16", "uint32", "uint64")):  # of which torch knows no maximum
        semantic = _arrays.astype(semantic, "int64")
    most, low = -1, 0
    if math.prod(semantic.shape):
        extremes = semantic.max(), semantic.min()
        most, low = map(int, _arrays.to_host_at_once(*extremes) if _arrays.is_on_cuda(semantic) else extremes)
    if most >= _MOST_LABELS:
        raise ValueError(f"{function}: classes of semantic must be below {_MOST_LABELS}, got {most}")
    if low < _IDS[0]:
        raise ValueError(f"{function}: classes of semantic must be {_IDS[0]} or more, got {low}")
    return _beside(function, "semantic", segmentation, semantic, "int32"), max(most, -1)
