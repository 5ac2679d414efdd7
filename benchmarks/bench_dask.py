"""Masks in chunks against dask-image and the function of the whole array, on one thread; see `dask_scale.py` too."""

from __future__ import annotations

from typing import Any

import numpy as np

import rapidmask
from bench_components import same_partition
from compare import Comparison, Contest, Peer, optional

da = optional("dask.array")
ndmeasure = optional("dask_image.ndmeasure")
scaled = optional("rapidmask.dask") if da else None

_CHUNK = 256
_MIN_AREA = 100


def _computed(array: Any) -> np.ndarray:
    return np.asarray(array.compute(scheduler="synchronous"))


def label(mask: np.ndarray) -> Contest:
    array = da.from_array(mask, chunks=_CHUNK, name=False)
    return Contest(
        lambda: _computed(scaled.label(array)),
        [
            Peer("dask_image", lambda: _computed(ndmeasure.label(array, np.ones((3, 3), int))[0]), same_partition),
            Peer("rapidmask whole", lambda: rapidmask.label(mask), same_partition),
        ],
    )


def remove_small_objects(mask: np.ndarray) -> Contest:
    array = da.from_array(mask, chunks=_CHUNK, name=False)
    return Contest(
        lambda: _computed(scaled.remove_small_objects(array, _MIN_AREA)),
        [Peer("rapidmask whole", lambda: rapidmask.remove_small_objects(mask, _MIN_AREA))],
    )


COMPARISONS = (
    []
    if scaled is None
    else [
        Comparison("labels in chunks, 8", "SAM 1", label, bar=8, against="dask_image"),
        Comparison("remove small objects in chunks", "SAM 1", remove_small_objects),
    ]
)
