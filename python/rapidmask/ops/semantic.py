"""Class maps: for each pixel the class of the highest score."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple, SupportsIndex, TypeAlias

from .. import _arrays, _dispatch
from .._arrays import Array
from .._errors import shown
from ._decoded import as_extents
from ._masks import check_integer, check_number, reported_as

LabelType: TypeAlias = Literal["uint8", "int16", "int32", "int64"]

_RANGES = {"uint8": (0, 255), "int16": (-(2**15), 2**15 - 1), "int32": (-(2**31), 2**31 - 1)}
_RANGES["int64"] = _RANGES["int32"]  # kernels count classes in 32 bits


def semantic_argmax(
    logits: Array,
    size: Sequence[SupportsIndex] | None = None,
    *,
    intermediate: Sequence[SupportsIndex] | None = None,
    crop: Sequence[SupportsIndex] | None = None,
    dtype: Any = "int32",
    ignore: int | Iterable[int] = (),
    min_score: float | None = None,
    void: int | None = None,
    out: Array | None = None,
) -> Array:
    """Find the class of the highest logit in each pixel, with the logits resized but never written.

    ``argmax_c bilinear(logits[c], size)``, of equal logits the lowest class.

    Parameters
    ----------
    logits : array of float16, bfloat16 or float32, shape (..., C, h, w)
        Logits, or any other scores, of C classes.
    size : (int, int), optional
        Height and width of the result; by default those of the logits.
    intermediate : (int, int), optional
        Height and width to which logits are resized first, as where a model does it itself.
    crop : (int, int), optional
        Height and width of what is then left, from the top left, as where the model's input was padded.
    dtype : {"uint8", "int16", "int32", "int64"} or a type of that name
        Type of the result, which must hold the classes and ``void``.
    ignore : int or iterable of int
        Classes that may not win, as where a model has a class for what was not labelled: the best of the others does.
    min_score : float, optional
        Least logit, after resizing, that a pixel's class must have.
    void : int, optional
        What is written where no class wins: the best is below ``min_score``, or all are NaN. By default 255 for uint8,
        otherwise -1.
    out : array, optional
        Where to write: C-contiguous, of the result's type and shape, on the same device.

    Returns
    -------
    array of dtype, shape (..., height, width)
        In the library and on the device of ``logits``.

    Raises
    ------
    TypeError
        If ``logits`` is no array of a floating type of at most 32 bits, or ``dtype`` is another.
    ValueError
        If there are fewer than three dimensions or no class that may win, a class or ``void`` does not fit, or ``out``
        does not.

    Notes
    -----
    This is ``torch.nn.functional.interpolate(logits, size, mode="bilinear", align_corners=False).argmax(1)``, which
    SegFormer, UperNet and others of transformers call. Logits are interpolated in float32, along rows first, each
    operation rounded by itself, while torch fuses some on some machines: a pixel differs only where two classes are
    within rounding of each other. And NaN, which torch takes for the highest, never wins here.

    Each class is bounded by its highest logit in some 16 × 4 cells, and the winner by the lowest of the class that
    leads there; what stays below is not interpolated. Beside the result some 600 bytes are needed for each class and
    column of the logits' band, whatever ``size`` is. ``intermediate`` makes the logits of that size, in float32. On a
    device: one launch or two, no synchronisation.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> logits = np.array([[[0.0, 1.0]], [[1.0, 0.0]]], np.float32)
    >>> rapidmask.semantic_argmax(logits, (1, 6), dtype="uint8")
    array([[1, 1, 1, 0, 0, 0]], dtype=uint8)
    >>> rapidmask.semantic_argmax(logits, (1, 6), min_score=0.7)
    array([[ 1,  1, -1, -1,  0,  0]], dtype=int32)
    """
    logits = _staged("semantic_argmax", "logits", _arrays.with_shape(logits), intermediate, crop)
    return _argmax("semantic_argmax", "logits", logits, size, dtype, ignore, min_score, void, out)


def semantic_from_queries(
    class_logits: Array,
    mask_logits: Array,
    size: Sequence[SupportsIndex] | None = None,
    *,
    intermediate: Sequence[SupportsIndex] | None = None,
    crop: Sequence[SupportsIndex] | None = None,
    dtype: Any = "int32",
    ignore: int | Iterable[int] = (),
    min_score: float | None = None,
    void: int | None = None,
    out: Array | None = None,
) -> Array:
    """Find the class of each pixel from queries that have classes and masks apart (MaskFormer and its successors).

    The score of class c is the sum over the queries of ``softmax(class_logits)[q, c] * sigmoid(mask_logits)[q]``, where
    the last class, which stands for no object, has none. Scores are resized as `semantic_argmax` does it.

    Parameters
    ----------
    class_logits : array of float16, bfloat16 or float32, shape (..., Q, K + 1)
        Logits of K classes and of no object.
    mask_logits : array of float16, bfloat16 or float32, shape (..., Q, h, w)
        Logits of the masks, of the same leading dimensions, on the same device.
    size : (int, int), optional
        Height and width of the result; by default those of the masks.
    intermediate : (int, int), optional
        Height and width to which mask logits are resized first: (384, 384) in Mask2Former.
    crop : (int, int), optional
        Height and width of what is then left of the masks, from the top left, as where the model's input was padded.
    dtype : {"uint8", "int16", "int32", "int64"} or a type of that name
        Type of the result, which must hold the classes and ``void``.
    ignore : int or iterable of int
        Classes that may not win.
    min_score : float, optional
        Least score, after resizing, that a pixel's class must have.
    void : int, optional
        What is written where no class wins. By default 255 for uint8, otherwise -1.
    out : array, optional
        Where to write: C-contiguous, of the result's type and shape, on the same device.

    Returns
    -------
    array of dtype, shape (..., height, width)
        In the library and on the device of ``mask_logits``.

    Raises
    ------
    TypeError, ValueError
        As `semantic_argmax`; also if the shapes of the two do not fit.

    Notes
    -----
    This is what ``post_process_semantic_segmentation`` of MaskFormer, Mask2Former (``intermediate=(384, 384)``) and
    EoMT (``intermediate`` and ``crop`` of its padded input) does in transformers. Sums are in the order of the queries,
    in float32. On the CPU bounds leave out the classes that cannot win in 16 × 8 pixels of the masks, and memory beyond
    the result is that of nine rows of masks and scores on each thread, ``36 * (Q + K) * w`` bytes. On a device scores
    exist in float32 at the size of the masks, ``4 * K * h * w`` bytes for each image: four launches or five, no
    synchronisation.

    References
    ----------
    B. Cheng, A. Schwing, A. Kirillov, Per-Pixel Classification is Not All You Need for Semantic Segmentation, 2021.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> classes = np.array([[4, 0, 0], [0, 4, 0], [0, 0, 4]], np.float32)  # one, the other, none
    >>> masks = np.array([[[5, 5, -5, -5]], [[-5, -5, -5, 5]], [[5, 5, 5, 5]]], np.float32)
    >>> rapidmask.semantic_from_queries(classes, masks)
    array([[0, 0, 0, 1]], dtype=int32)
    """
    function, argument = "semantic_from_queries", "mask_logits"
    class_logits, mask_logits = _arrays.with_shape(class_logits), _arrays.with_shape(mask_logits)
    module = _dispatch.backend(mask_logits)
    shapes = [tuple(int(extent) for extent in getattr(x, "shape", ())) for x in (class_logits, mask_logits)]
    at_once = hasattr(module, "semantic_queries") and len(shapes[0]) > 1 and shapes[0][-1] > 1 and len(shapes[1]) > 2
    if not at_once:  # or the module says what is wrong
        mask_logits = _staged(function, argument, mask_logits, intermediate, crop)
        scores = module.semantic_scores(class_logits, mask_logits)
        with reported_as(function):
            return _argmax(function, argument, scores, size, dtype, ignore, min_score, void, out)
    stage = _stage(function, argument, shapes[1], intermediate, crop)
    rule = _rule(
        function, argument, (*shapes[1][:-3], shapes[0][-1] - 1, *stage[2:]), size, dtype, ignore, min_score, void
    )
    return module.semantic_queries(class_logits, mask_logits, stage, rule.size, *rule[1:], out)


def _staged(
    function: str,
    argument: str,
    planes: Array,
    intermediate: Sequence[SupportsIndex] | None,
    crop: Sequence[SupportsIndex] | None,
) -> Array:
    """Return planes after what a model does before it resizes them to an image's size."""
    if intermediate is None and crop is None:
        return planes
    shape = tuple(int(extent) for extent in getattr(planes, "shape", ()))
    if len(shape) < 2:
        return planes  # the module says what is wrong
    height, width, rows, columns = _stage(function, argument, shape, intermediate, crop)
    if intermediate is None:
        return planes[..., :rows, :columns]
    return _dispatch.backend(planes).resize_planes(planes, height, width, rows, columns, function, argument)


def _stage(
    function: str,
    argument: str,
    shape: tuple[int, ...],
    intermediate: Sequence[SupportsIndex] | None,
    crop: Sequence[SupportsIndex] | None,
) -> tuple[int, int, int, int]:
    """Return the height and width that planes are resized to first, and those of what is then left."""
    own = (shape[-2], shape[-1])
    height, width = _size(function, intermediate, own, "intermediate")
    rows, columns = _size(function, crop, (height, width), "crop")
    if rows > height or columns > width:
        raise ValueError(f"{function}: crop must be within {(height, width)}, got {shown(crop)}")
    if intermediate is not None and own[0] * own[1] == 0 and rows * columns != 0:
        raise ValueError(f"{function}: {argument} must have pixels to be resized, got shape {shape}")
    return height, width, rows, columns


class _Rule(NamedTuple):
    """What a class map's size is, which classes may win, by which least score, and what is written otherwise."""

    size: tuple[int, int]
    classes: list[int]
    least: float
    void: int
    dtype: LabelType


def _argmax(
    function: str,
    argument: str,
    logits: Array,
    size: Sequence[SupportsIndex] | None,
    dtype: Any,
    ignore: int | Iterable[int],
    min_score: float | None,
    void: int | None,
    out: Array | None,
) -> Array:
    shape = tuple(getattr(logits, "shape", ()))
    module = _dispatch.backend(logits)
    if len(shape) < 3:  # the module says what is wrong
        shape = (*(1,) * 3, *shape)[-3:]
    rule = _rule(function, argument, shape, size, dtype, ignore, min_score, void)
    return module.semantic_argmax(logits, *rule.size, *rule[1:], out)


def _rule(
    function: str,
    argument: str,
    shape: tuple[int, ...],
    size: Sequence[SupportsIndex] | None,
    dtype: Any,
    ignore: int | Iterable[int],
    min_score: float | None,
    void: int | None,
) -> _Rule:
    """Check the options of a map of the classes of logits of a shape (..., C, h, w)."""
    label_type = _label_type(function, dtype)
    low, high = _RANGES[label_type]
    label = (255 if label_type == "uint8" else -1) if void is None else check_integer(function, "void", void)
    if not low <= label <= high:
        raise ValueError(f"{function}: void must be from {low} to {high} for {label_type}, got {label}")
    least = -math.inf if min_score is None else check_number(function, "min_score", min_score)
    count, height, width = (int(extent) for extent in shape[-3:])
    ignored = _class_set(function, "ignore", ignore)
    for c in sorted(ignored):
        if not 0 <= c < count:
            raise ValueError(f"{function}: ignore must be classes from 0 to {count - 1}, got {c}")
    classes = [c for c in range(count) if c not in ignored]
    if not classes:
        raise ValueError(f"{function}: {argument} must have a class that is not ignored, got {count} classes")
    if classes[-1] > high:
        raise ValueError(f"{function}: dtype must hold class {classes[-1]}, got {label_type}")
    rows, columns = _size(function, size, (height, width))
    if height * width == 0 and rows * columns != 0:
        raise ValueError(f"{function}: {argument} must have pixels to be resized, got shape {shape}")
    return _Rule((rows, columns), classes, least, label, label_type)


def _class_set(function: str, argument: str, classes: Any) -> set[int]:
    """Return classes given as one integer, or as a list or array of integers."""
    try:
        given = _arrays.to_host(classes).ravel() if hasattr(classes, "__dlpack__") else classes
        found = {operator.index(c) for c in (given if isinstance(given, Iterable) else (given,))}
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"{function}: {argument} must be integers, got {shown(classes)}") from None
    return {check_integer(function, argument, c) for c in found}


def _label_type(function: str, dtype: Any) -> LabelType:
    name = dtype if isinstance(dtype, str) else getattr(dtype, "__name__", None) or str(dtype).rpartition(".")[2]
    if name not in _RANGES:
        raise TypeError(f"{function}: dtype must be uint8, int16, int32 or int64, got {shown(dtype)}")
    return name  # type: ignore[return-value]


def _size(
    function: str, size: Sequence[SupportsIndex] | None, own: tuple[int, int], argument: str = "size"
) -> tuple[int, int]:
    if size is None:
        return own
    rows, columns = as_extents(function, argument, size)
    if rows < 0 or columns < 0:
        raise ValueError(f"{function}: {argument} must not be negative, got {(rows, columns)}")
    return rows, columns
