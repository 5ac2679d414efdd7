"""Connected components, against OpenCV with its fastest flag, SciPy and scikit-image."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

import rapidmask
from compare import Comparison, Contest, Peer, optional

cv2 = optional("cv2")
ndimage = optional("scipy.ndimage")
measure = optional("skimage.measure")
morphology = optional("skimage.morphology")

_MIN_AREA = 100


def same_partition(ours: np.ndarray, theirs: np.ndarray) -> None:
    """Assert that two label maps have the same components, numbered in whatever order."""
    count = int(ours.max(initial=0))
    assert count == int(theirs.max(initial=0)), "other number of components"
    renamed = np.zeros(count + 1, theirs.dtype)
    renamed[ours] = theirs
    np.testing.assert_array_equal(renamed[ours], theirs)


def label(connectivity: int, mask: np.ndarray) -> Contest:
    """Each peer's labels are new arrays, as ours are, but for OpenCV's, which it may write over."""
    as_uint8 = mask.view(np.uint8)
    labels = np.empty(mask.shape, np.int32)
    structure = np.ones((3, 3)) if connectivity == 8 else None

    def granas() -> Any:
        return cv2.connectedComponentsWithAlgorithm(as_uint8, connectivity, cv2.CV_32S, cv2.CCL_GRANA, labels)[1]

    return Contest(
        lambda: rapidmask.label(mask, connectivity=connectivity),
        [
            Peer("cv2 GRANA", granas, same_partition),
            Peer("scipy", lambda: ndimage.label(mask, structure, output=np.int32)[0]),
            Peer("skimage", lambda: measure.label(mask, connectivity=connectivity // 4)),
        ],
    )


def statistics(mask: np.ndarray) -> Contest:
    as_uint8 = mask.view(np.uint8)
    labels = np.empty(mask.shape, np.int32)

    def granas() -> Any:
        return cv2.connectedComponentsWithStatsWithAlgorithm(as_uint8, 8, cv2.CV_32S, cv2.CCL_GRANA, labels)

    def check(ours: rapidmask.Components, theirs: Any) -> None:
        same_partition(ours.labels, theirs[1])
        first = np.unique(ours.labels, return_index=True)[1][-ours.count :]  # a pixel of each component
        order = theirs[1].ravel()[first]
        np.testing.assert_array_equal(ours.areas, theirs[2][order, cv2.CC_STAT_AREA])
        np.testing.assert_allclose(ours.centroids, theirs[3][order, ::-1], atol=1e-6)

    return Contest(lambda: rapidmask.connected_components(mask), [Peer("cv2 GRANA", granas, check)])


def label_batch(masks: np.ndarray) -> Contest:
    as_uint8 = masks.view(np.uint8)
    labels = np.empty(masks.shape, np.int32)

    def granas() -> np.ndarray:
        for mask, out in zip(as_uint8, labels, strict=True):
            cv2.connectedComponentsWithAlgorithm(mask, 8, cv2.CV_32S, cv2.CCL_GRANA, out)
        return labels

    def check(ours: np.ndarray, theirs: np.ndarray) -> None:
        for one, other in zip(ours, theirs, strict=True):
            same_partition(one, other)

    return Contest(lambda: rapidmask.label(masks), [Peer("cv2 GRANA, loop", granas, check)])


def fill_holes(mask: np.ndarray) -> Contest:
    return Contest(
        lambda: rapidmask.fill_holes(mask),
        [Peer("scipy", lambda: ndimage.binary_fill_holes(mask))],
    )


def remove_small_objects(mask: np.ndarray) -> Contest:
    return Contest(
        lambda: rapidmask.remove_small_objects(mask, _MIN_AREA),
        [Peer("skimage", lambda: morphology.remove_small_objects(mask, max_size=_MIN_AREA - 1, connectivity=2))],
    )


COMPARISONS = [
    *(
        Comparison(f"labels, {connectivity}", case, partial(label, connectivity))
        for case in ("SAM 1", "smooth2k", "noisy2k")
        for connectivity in (8, 4)
    ),
    Comparison("labels, 8", "SAM 64", label_batch),
    Comparison("labels and statistics, 8", "SAM 1", statistics),
    Comparison("labels and statistics, 8", "smooth2k", statistics),
    Comparison("fill holes", "SAM 1", fill_holes),
    Comparison("fill holes", "smooth2k", fill_holes),
    Comparison("remove small objects", "smooth2k", remove_small_objects),
]
