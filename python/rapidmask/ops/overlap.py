"""Overlaps of pairs of masks, and the suppression and merging of masks by them."""

from __future__ import annotations

import itertools
from typing import Any, Literal, SupportsIndex, TypeAlias

import numpy as np

from .. import _arrays, _dispatch
from .._arrays import Array
from .._containers import RLEMasks
from .._errors import shown
from ._masks import Masks, as_name, as_number, bits_of, check_integer, check_number

Metric: TypeAlias = Literal["iou", "ios", "iof"]
Decay: TypeAlias = Literal["gaussian", "linear"]


def mask_iou(a: Masks, b: Masks | None = None, *, metric: Metric = "iou", iscrowd: Array | None = None) -> Array:
    """Measure the overlap of each mask of one batch with each of another.

    With I pixels in both masks, A in the first and B in the second, ``iou`` is I / (A + B - I), ``ios`` is
    I / min(A, B) and ``iof`` is I / A.

    Parameters
    ----------
    a : array of bool or uint8, shape (..., H, W), or PackedMasks or RLEMasks
        N masks; any non-zero value is foreground. Leading dimensions become one.
    b : array of bool or uint8, shape (..., H, W), or PackedMasks or RLEMasks, optional
        M masks of the same size, in any form. By default those of ``a``, which takes half the time.
    metric : {"iou", "ios", "iof"}
        Intersection over union, over the smaller mask, or over the mask of ``a``.
    iscrowd : array of bool, shape (M,), optional
        Which masks of ``b`` are crowds: there the intersection is divided by the area of the mask of ``a``.

    Returns
    -------
    array of float64, shape (N, M)
        Overlaps from 0 to 1, in the library and on the device of ``a``. That of two empty masks is 0. With no run
        lengths at all, as ``RLEMasks.from_coco([])``, sizes need not agree.

    Raises
    ------
    TypeError
        If masks are no arrays, or not of bool or uint8.
    ValueError
        If they have fewer than two dimensions, the sizes of ``a`` and ``b`` differ, the metric is another, or
        ``iscrowd`` is not of M values.

    Notes
    -----
    Pixels are counted exactly and divided once: the numbers are those of ``pycocotools.mask.iou(a, b, iscrowd)``, which
    is in Fortran order and, for no masks, a list. Each mask is read once, in blocks of 64×64 pixels; pairs of blocks
    are compared only where neither is empty or full. Run lengths are never decoded to pixels unless the other side is
    of another form, for which they are packed first. Beside the result some 8 MiB are needed, whatever the number of
    pixels. On a device: no synchronisation.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> masks = np.array([[[1, 1, 0, 0]], [[0, 1, 1, 0]], [[0, 0, 0, 0]]], bool)
    >>> rapidmask.mask_iou(masks[:1], masks)
    array([[1.        , 0.33333333, 0.        ]])
    """
    if isinstance(a, RLEMasks) and (b is None or isinstance(b, RLEMasks)) and not _arrays.is_on_cuda(a.counts):
        crowds = None if iscrowd is None else _beside("mask_iou", "iscrowd", a.counts, iscrowd, "bool")
        if b is not None:
            a, b = _without_own_size(a, b.size), _without_own_size(b, a.size)
        module = _dispatch.host_backend("mask_iou", a.counts)
        return module.rle_iou(
            _runs_of(a), None if b is None else _runs_of(b), as_name("mask_iou", "metric", metric), crowds
        )
    first, first_width = bits_of(a)
    module = _dispatch.backend(first)
    second, second_width = (None, None) if b is None else bits_of(b)
    crowds = None if iscrowd is None else _beside("mask_iou", "iscrowd", first, iscrowd, "bool")
    return module.mask_iou(first, first_width, second, second_width, as_name("mask_iou", "metric", metric), crowds)


def mask_nms(
    masks: Masks,
    scores: Array,
    iou_threshold: float,
    *,
    labels: Array | None = None,
    metric: Metric = "iou",
    max_output: SupportsIndex | None = None,
) -> Any:
    """Find the masks that no mask of a higher score overlaps (non-maximum suppression).

    In the order of scores each mask is kept unless its overlap with one kept before it is above the threshold.

    Parameters
    ----------
    masks : array of bool or uint8, shape (..., H, W), or PackedMasks or RLEMasks
        N masks; any non-zero value is foreground.
    scores : array of numbers, shape (N,)
        NaN comes last; of equal scores the lower index comes first.
    iou_threshold : float
        From 0 to 1. A mask whose overlap is just this is kept.
    labels : array of integers, shape (N,), optional
        Only masks of the same label suppress one another.
    metric : {"iou", "ios", "iof"}
        What is compared with the threshold: `mask_iou` of the kept mask with the other.
    max_output : int, optional
        How many of those kept are given at most, in arrays of that size, together with the number of all. A device is
        then not waited for.

    Returns
    -------
    array of int64, shape (K,)
        Indices of the masks kept, by descending score, in the library and on the device of ``masks``. With
        ``max_output`` of that many, -1 past the last.
    array of int64, shape (1,)
        How many are kept in all, which may be more than are given. Only with ``max_output``.

    Raises
    ------
    TypeError
        If masks are no arrays, or not of bool or uint8, or labels are no integers.
    ValueError
        If the threshold is not from 0 to 1, the metric is another, or scores or labels are not of N values.

    Notes
    -----
    Only overlaps that can decide are computed: of masks of the same label, neither suppressed yet, whose areas and
    bounding boxes allow more than the threshold. ``supervision.mask_non_max_suppression`` returns which masks are kept
    and leaves the order of equal scores open; ``torchvision.ops.nms`` does the same for boxes. Run lengths are compared
    as they are where the N² overlaps take less memory than the masks' bits, else packed first. On a device: one
    synchronisation, for the number of indices unless ``max_output`` is given, and N² / 8 bytes beside the masks.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> masks = np.array([[[1, 1, 1, 0]], [[1, 1, 1, 1]], [[0, 0, 0, 1]]], bool)
    >>> rapidmask.mask_nms(masks, [0.5, 0.9, 0.7], 0.5)
    array([1, 2])
    """
    threshold = _fraction("mask_nms", "iou_threshold", iou_threshold)
    most = _most("mask_nms", max_output)
    by = as_name("mask_nms", "metric", metric)
    if isinstance(masks, RLEMasks) and by != "iof" and _is_small_beside_bits(masks):
        iou = mask_iou(masks, metric=metric)
        ranking = _ranking("mask_nms", iou, scores, labels)
        return _given(iou, _dispatch.backend(iou).nms_from_iou(iou, *ranking, threshold, None), most)
    array, width = bits_of(masks)
    module = _dispatch.backend(array)
    ranking = _ranking("mask_nms", array, scores, labels)
    return _given(array, module.mask_nms(array, width, *ranking, threshold, by, _asked(array, most)), most)


def nms_from_iou(
    iou: Array,
    scores: Array,
    iou_threshold: float,
    *,
    labels: Array | None = None,
    max_output: SupportsIndex | None = None,
) -> Any:
    """Find the masks, boxes or whatever else that none of a higher score overlaps, from their overlaps.

    Parameters
    ----------
    iou : array of a floating type, shape (N, N)
        Overlap of each kept one (row) with each other (column), as `mask_iou` gives it. NaN suppresses nothing.
    scores : array of numbers, shape (N,)
        NaN comes last; of equal scores the lower index comes first.
    iou_threshold : float
        From 0 to 1. What overlaps by just this is kept. Compared in the type of ``iou``.
    labels : array of integers, shape (N,), optional
        Only those of the same label suppress one another.
    max_output : int, optional
        How many of those kept are given at most, in arrays of that size, together with the number of all. A device is
        then not waited for.

    Returns
    -------
    array of int64, shape (K,)
        Indices of those kept, by descending score, in the library and on the device of ``iou``. With ``max_output`` of
        that many, -1 past the last.
    array of int64, shape (1,)
        How many are kept in all, which may be more than are given. Only with ``max_output``.

    Raises
    ------
    TypeError
        If ``iou`` is not of a floating type, or labels are no integers.
    ValueError
        If it is not square, the threshold is not from 0 to 1, or scores or labels are not of N values.

    Notes
    -----
    SAM 3's ``generic_nms`` on the CPU takes the higher index of equal scores first. On a device: one synchronisation,
    for the number of indices unless ``max_output`` is given.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> rapidmask.nms_from_iou(np.array([[1, 0.6], [0.6, 1]]), [0.8, 0.9], 0.5)
    array([1])
    """
    iou = _arrays.with_shape(iou)
    module = _dispatch.backend(iou)
    threshold = _fraction("nms_from_iou", "iou_threshold", iou_threshold)
    most = _most("nms_from_iou", max_output)
    ranking = _ranking("nms_from_iou", iou, scores, labels)
    return _given(iou, module.nms_from_iou(iou, *ranking, threshold, _asked(iou, most)), most)


def soft_nms(
    masks: Masks,
    scores: Array,
    *,
    labels: Array | None = None,
    method: Decay = "gaussian",
    sigma: float = 0.5,
    iou_threshold: float = 0.3,
    score_threshold: float = 0.001,
    metric: Metric = "iou",
    max_output: SupportsIndex | None = None,
) -> tuple[Array, ...]:
    """Lower the scores of masks by their overlap with masks of higher scores (soft non-maximum suppression).

    The mask of the highest score is kept; the scores of those left are multiplied by exp(-u² / sigma) or, with
    ``method="linear"``, by 1 - u where u is above the threshold, u being their overlap with it. This is repeated with
    the lowered scores.

    Parameters
    ----------
    masks : array of bool or uint8, shape (..., H, W), or PackedMasks or RLEMasks
        N masks; any non-zero value is foreground.
    scores : array of numbers, shape (N,)
        Of equal ones the lower index comes first. NaN is never kept.
    labels : array of integers, shape (N,), optional
        Only masks of the same label lower each other's scores.
    method : {"gaussian", "linear"}
        How scores decay.
    sigma : float
        Of the gaussian decay, above 0; the smaller, the stronger.
    iou_threshold : float
        Of the linear decay, from 0 to 1.
    score_threshold : float
        Masks are kept while their scores are above it.
    metric : {"iou", "ios", "iof"}
        `mask_iou` of the kept mask with the other.
    max_output : int, optional
        How many of those kept are given at most, in arrays of that size, together with the number of all. A device is
        then not waited for.

    Returns
    -------
    indices : array of int64, shape (K,)
        Masks kept, in the order in which they were: by descending lowered score. With ``max_output`` of that many, -1
        past the last.
    scores : array of float64, shape (K,)
        Their lowered scores; 0 past the last.
    count : array of int64, shape (1,)
        How many are kept in all, which may be more than are given. Only with ``max_output``.

    Raises
    ------
    TypeError
        If masks are no arrays, or not of bool or uint8, or labels are no integers.
    ValueError
        If the method or metric is another, ``sigma`` is not above 0, the threshold not from 0 to 1, or scores or labels
        are not of N values.

    Notes
    -----
    ``supervision.mask_soft_non_max_suppression`` takes the masks in the order of their first scores and keeps all;
    here, as in the paper, the next is the one whose lowered score is highest. The pixels that all pairs share are
    counted first, as in `mask_iou`: 8·N² bytes. On a device: one synchronisation, for the number of indices unless
    ``max_output`` is given.

    References
    ----------
    N. Bodla, B. Singh, R. Chellappa, L. S. Davis, Soft-NMS: Improving Object Detection With One Line of Code, 2017.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> masks = np.array([[[1, 1, 1, 0]], [[1, 1, 1, 1]], [[0, 0, 0, 1]]], bool)
    >>> rapidmask.soft_nms(masks, [0.5, 0.9, 0.7], method="linear")
    (array([1, 2, 0]), array([0.9  , 0.7  , 0.125]))
    """
    array, width = bits_of(masks)
    module = _dispatch.backend(array)
    threshold = _fraction("soft_nms", "iou_threshold", iou_threshold)
    deviation = _positive("soft_nms", "sigma", sigma)
    ranking = _ranking("soft_nms", array, scores, labels)
    most = _most("soft_nms", max_output)
    kept = module.soft_nms(
        array,
        width,
        *ranking,
        as_name("soft_nms", "method", method),
        deviation,
        threshold,
        check_number("soft_nms", "score_threshold", score_threshold),
        as_name("soft_nms", "metric", metric),
        _asked(array, most),
    )
    result: tuple[Array, ...] = _given(array, kept, most)
    return result


def matrix_nms(
    masks: Masks, scores: Array, labels: Array | None, *, kernel: Decay = "gaussian", sigma: float = 2.0
) -> Array:
    """Lower the scores of masks by their overlap with all masks of higher scores at once (matrix suppression).

    The score of mask j is multiplied by the least f(iou(i, j)) / f(c(i)) over the masks i before it, or by 1, where
    c(i) is the highest IoU of i with the masks before that and f(u) is exp(-sigma·u²) or, with ``kernel="linear"``,
    1 - u.

    Parameters
    ----------
    masks : array of bool or uint8, shape (..., H, W), or PackedMasks or RLEMasks
        N masks; any non-zero value is foreground.
    scores : array of numbers, shape (N,)
        NaN comes last; of equal scores the lower index comes first.
    labels : array of integers, shape (N,), or None
        Only masks of the same label lower each other's scores.
    kernel : {"gaussian", "linear"}
        How scores decay.
    sigma : float
        Of the gaussian kernel, above 0; the larger, the stronger.

    Returns
    -------
    array of float64, shape (N,)
        The lowered scores, in the order of the masks, in the library and on the device of ``masks``.

    Raises
    ------
    TypeError
        If masks are no arrays, or not of bool or uint8, or labels are no integers.
    ValueError
        If the kernel is another, ``sigma`` is not above 0, or scores or labels are not of N values.

    Notes
    -----
    The decay of mmdetection's ``mask_matrix_nms``, which also sorts by score, drops low ones and truncates; there two
    empty masks give NaN, here their IoU is 0. Where the linear kernel divides 0 by 0 the factor is 0. The pixels that
    all pairs share are counted first, as in `mask_iou`: 8·N² bytes. On a device: no synchronisation.

    References
    ----------
    X. Wang, R. Zhang, T. Kong, L. Li, C. Shen, SOLOv2: Dynamic and Fast Instance Segmentation, 2020.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> masks = np.array([[[1, 1, 1, 0]], [[1, 1, 1, 1]], [[0, 0, 0, 1]]], bool)
    >>> rapidmask.matrix_nms(masks, [0.5, 0.9, 0.7], None, kernel="linear")
    array([0.125, 0.9  , 0.525])
    """
    array, width = bits_of(masks)
    module = _dispatch.backend(array)
    strength = _positive("matrix_nms", "sigma", sigma)
    return module.matrix_nms(
        array, width, *_ranking("matrix_nms", array, scores, labels), as_name("matrix_nms", "kernel", kernel), strength
    )


def mask_nmm(
    masks: Masks, scores: Array, iou_threshold: float, *, labels: Array | None = None, metric: Metric = "iou"
) -> list[Array]:
    """Find the groups of masks that overlap and are to be merged (non-maximum merging).

    The mask of the highest score takes in all whose overlap with it is at least the threshold, then all whose overlap
    with the union of these is, until none joins; then the next that is left begins a group.

    Parameters
    ----------
    masks : array of bool or uint8, shape (..., H, W), or PackedMasks or RLEMasks
        N masks; any non-zero value is foreground.
    scores : array of numbers, shape (N,)
        NaN comes last; of equal scores the lower index comes first.
    iou_threshold : float
        From 0 to 1. A mask whose overlap is just this joins.
    labels : array of integers, shape (N,), optional
        Only masks of the same label are merged.
    metric : {"iou", "ios", "iof"}
        What is compared with the threshold: `mask_iou` of a mask with the union.

    Returns
    -------
    list of arrays of int64
        The groups, by descending score of their first mask; in each the masks as they joined, those that joined
        together by descending score. Every mask is in one.

    Raises
    ------
    TypeError
        If masks are no arrays, or not of bool or uint8, or labels are no integers.
    ValueError
        If the threshold is not from 0 to 1, the metric is another, or scores or labels are not of N values.

    Notes
    -----
    The groups are those of ``supervision.mask_non_max_merge``, which lists them label by label and leaves the order of
    equal scores open. On a device, where one block of threads forms them one after the other: two synchronisations, for
    their number and their sizes.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> masks = np.array([[[1, 1, 1, 0]], [[1, 1, 1, 1]], [[0, 0, 0, 1]]], bool)
    >>> rapidmask.mask_nmm(masks, [0.5, 0.9, 0.7], 0.5)
    [array([1, 0]), array([2])]
    """
    array, width = bits_of(masks)
    module = _dispatch.backend(array)
    threshold = _fraction("mask_nmm", "iou_threshold", iou_threshold)
    ranking = _ranking("mask_nmm", array, scores, labels)
    members, offsets = module.mask_nmm(array, width, *ranking, threshold, as_name("mask_nmm", "metric", metric))
    return [members[begin:end] for begin, end in itertools.pairwise(_arrays.to_host(offsets).tolist())]


def _most(function: str, max_output: SupportsIndex | None) -> int | None:
    """Return how many are to be given at most, if there is a limit."""
    if max_output is None:
        return None
    number = check_integer(function, "max_output", max_output)
    if not 0 <= number < 2**40:
        raise ValueError(f"{function}: max_output must be from 0 to 2^40 - 1, got {number}")
    return number


def _without_own_size(masks: RLEMasks, size: tuple[int, int]) -> RLEMasks:
    """Return masks with that size where there are none of any, as `RLEMasks.from_coco` makes of an empty list."""
    return RLEMasks._wrap(masks.counts, masks.offsets, size) if len(masks) == 0 and masks.size == (0, 0) else masks


def _is_small_beside_bits(masks: RLEMasks) -> bool:
    """Whether the overlaps of all run lengths on the host, and their runs, take less memory than the masks' bits."""
    if _arrays.is_on_cuda(masks.counts):
        return False
    words = len(masks) * masks.size[0] * ((masks.size[1] + 63) // 64)
    return max(len(masks) ** 2, 4 * int(masks.counts.shape[0])) < words


def _asked(array: Array, most: int | None) -> int | None:
    """Return the limit as far as the module is to keep to it: on the host the number of all is known at no cost."""
    return most if _arrays.is_on_cuda(array) else None


def _given(array: Array, kept: Any, most: int | None) -> Any:
    """Return what is kept, on the host in arrays of the limit's size with the number of all."""
    if most is None or _arrays.is_on_cuda(array):
        return kept
    parts = [_arrays.to_host(part) for part in (kept if isinstance(kept, tuple) else (kept,))]
    limited = []
    for part, blank in zip(parts, (-1, 0), strict=False):
        filled = np.full(most, blank, part.dtype)
        filled[: len(part)] = part[:most]
        limited.append(_arrays.like(array, filled))
    return (*limited, _arrays.like(array, np.array([len(parts[0])])))


def _ranking(function: str, masks: Array, scores: Array, labels: Array | None) -> tuple[Array, Array | None]:
    """Return scores as float64 and labels as int64, where the masks are."""
    if labels is not None:
        labels = _as_integers(function, "labels", labels)
        if "int" not in str(labels.dtype):
            kind = str(labels.dtype).rpartition(".")[2]
            advice = ": convert class numbers that are whole" if "float" in kind else ""
            raise TypeError(f"{function}: labels must be integers, got {kind}{advice}")
        labels = _beside(function, "labels", masks, labels, "int64")
    return _beside(function, "scores", masks, scores, "float64"), labels


def _as_integers(function: str, argument: str, values: Any) -> Array:
    """Return a list of numbers as an array, of which one without any is of integers."""
    if hasattr(values, "dtype") and hasattr(values, "shape"):
        return values
    try:
        array = np.asarray(values)
    except (TypeError, ValueError):
        raise TypeError(f"{function}: {argument} must be integers, got {shown(values)}") from None
    return array if array.size else array.astype(np.int64)


def _beside(function: str, argument: str, masks: Array, values: Any, dtype: str) -> Array:
    """Return one value per mask as an array of that type, on the device of the masks."""
    if isinstance(values, (np.ndarray, np.generic)) or not hasattr(values, "dtype"):
        try:
            given = np.asarray(values)
            with np.errstate(over="ignore", invalid="ignore"):
                host = given.astype(dtype, copy=False) if given.dtype.kind in "biuf" else None
        except (TypeError, ValueError):
            host = None
        if host is None:
            raise TypeError(f"{function}: {argument} must hold numbers, got {shown(values)}")
        return _arrays.like(masks, host) if _arrays.is_on_cuda(masks) else host
    if "complex" in str(values.dtype):
        raise TypeError(f"{function}: {argument} must hold numbers, got {shown(values)}")
    return _arrays.astype(values, dtype)


def _runs_of(masks: RLEMasks) -> tuple[Array, Array, int, int]:
    return (masks.counts, masks.offsets, *masks.size)


def _fraction(function: str, name: str, value: float) -> float:
    number = as_number(function, name, value)
    if not 0 <= number <= 1:
        raise ValueError(f"{function}: {name} must be from 0 to 1, got {shown(value)}")
    return number


def _positive(function: str, name: str, value: float) -> float:
    number = as_number(function, name, value)
    if not number > 0:
        raise ValueError(f"{function}: {name} must be above 0, got {shown(value)}")
    return number
