"""Measures of label maps in chunks."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np

from .. import _arrays
from ..ops import confusion as _confusion
from ..ops._masks import reported_as
from . import _chunks
from ._chunks import Array


def _count(prediction: Any, target: Any, num_classes: int, ignore_index: int | None, out_of_range: Any) -> Any:
    matrix = _confusion.confusion_matrix(
        prediction, target, num_classes, ignore_index=ignore_index, out_of_range=out_of_range
    )
    return _arrays.to_host(matrix)[(None,) * np.ndim(prediction)]


def confusion_matrix(
    prediction: Array,
    target: Array,
    num_classes: int,
    *,
    ignore_index: int | None = None,
    out_of_range: str = "raise",
) -> Array:
    """Count how often each class is predicted where each class is right, in label maps in chunks.

    Parameters
    ----------
    prediction, target : Dask array of integers or bool, shape (...)
        Label maps of one shape; the target is brought to the chunks of the prediction.
    num_classes : int
        From 1 to 32766.
    ignore_index : int, optional
        A label of the target whose pixels do not count.
    out_of_range : {"raise", "skip"}
        What becomes of other pixels with a label outside [0, num_classes).

    Returns
    -------
    Dask array of int64, shape (num_classes, num_classes)
        Pixels of target class i and predicted class j at [i, j], in host memory.

    Raises
    ------
    TypeError
        If an argument is no Dask array.
    ValueError
        If shapes differ, chunks have unknown sizes, or ``num_classes`` or ``out_of_range`` is another; when computed,
        for a label out of range.

    Notes
    -----
    Lazy: a matrix for each chunk, added up by pairs, so that a worker holds few of them at a time.

    Examples
    --------
    >>> import dask.array as da, rapidmask.dask
    >>> prediction, target = da.from_array([0, 1, 1, 1], chunks=2), da.from_array([0, 0, 1, 1], chunks=2)
    >>> rapidmask.dask.confusion_matrix(prediction, target, 2).compute()
    array([[1, 1],
           [0, 2]])
    """
    prediction = _chunks.check_array("confusion_matrix", "prediction", prediction)
    target = _chunks.check_array("confusion_matrix", "target", target)
    if prediction.shape != target.shape:
        raise ValueError(
            f"confusion_matrix: prediction and target must have one shape, got {prediction.shape} and {target.shape}"
        )
    nothing = np.zeros((0,) * prediction.ndim, prediction.dtype), np.zeros((0,) * target.ndim, target.dtype)
    empty = _count(*nothing, num_classes, ignore_index, out_of_range)  # which checks the other arguments
    counted = da.map_blocks(
        _count,
        prediction,
        target.rechunk(prediction.chunks),
        num_classes=num_classes,
        ignore_index=ignore_index,
        out_of_range=out_of_range,
        dtype=np.int64,
        chunks=(*((1,) * n for n in prediction.numblocks), *((extent,) for extent in empty.shape[-2:])),
        new_axis=[prediction.ndim, prediction.ndim + 1],
        meta=empty[(slice(0),) * empty.ndim],
    )
    axes = tuple(range(prediction.ndim))
    return counted.sum(axis=axes, split_every=4) if axes else counted


def _mean_iou(counts: Any) -> Any:
    matrix = _confusion.ConfusionMatrix(len(counts))
    matrix.matrix[...] = counts
    return np.float64(matrix.mean_iou())


def mean_iou(prediction: Array, target: Array, num_classes: int, *, ignore_index: int | None = None) -> Any:
    """Return the mean intersection over union of the classes of two label maps in chunks, lazily.

    Parameters
    ----------
    prediction, target : Dask array of integers or bool, shape (...)
        Label maps of one shape; the target is brought to the chunks of the prediction.
    num_classes : int
        From 1 to 32766.
    ignore_index : int, optional
        A label of the target whose pixels do not count.

    Returns
    -------
    Dask array of float64, shape ()
        The mean over the classes that occur in either map; NaN if none does.

    Raises
    ------
    TypeError, ValueError
        As `confusion_matrix`, also for labels out of range.

    Examples
    --------
    >>> import dask.array as da, rapidmask.dask
    >>> prediction, target = da.from_array([0, 1, 1, 1], chunks=2), da.from_array([0, 0, 1, 1], chunks=2)
    >>> float(rapidmask.dask.mean_iou(prediction, target, 3))
    0.5833333333333333
    """
    with reported_as("mean_iou"):
        counts = confusion_matrix(prediction, target, num_classes, ignore_index=ignore_index)
    counts = counts.rechunk(-1)
    return da.map_blocks(_mean_iou, counts, drop_axis=[0, 1], dtype=np.float64, meta=np.empty((), np.float64))
