"""Connected components, against OpenCV with its fastest flag, cc3d, fill_voids, SciPy and scikit-image."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import rapidmask
from compare import Comparison, Contest, Peer, optional

cv2 = optional("cv2")
cc3d = optional("cc3d")
fill_voids = optional("fill_voids")
ndimage = optional("scipy.ndimage")
measure = optional("skimage.measure")
morphology = optional("skimage.morphology")
segmentation = optional("skimage.segmentation")

_MIN_AREA = 100
# Without the algorithm that is faster for statistics.
_PLAIN_STATISTICS = "cv2 as people call it, loop"
_PLAIN_TABLE = "cv2 as people call it and a table, loop"
# Contents that tempt algorithms into many runs, late unions or long paths.
_AWKWARD = ("checkerboard 2k", "comb 2k", "spiral 2k", "diagonals 2k", "foreground 2k")
_ROBUST: dict[str, Any] = {"yardstick": "smooth2k", "slowdown": 20}


def same_partition(ours: np.ndarray, theirs: np.ndarray) -> None:
    """Assert that two label maps have the same components, numbered in whatever order."""
    count = int(ours.max(initial=0))
    assert count == int(theirs.max(initial=0)), "other number of components"
    renamed = np.zeros(count + 1, theirs.dtype)
    renamed[ours] = theirs
    np.testing.assert_array_equal(renamed[ours], theirs)


def by_cc3d(mask: np.ndarray, connectivity: int) -> Peer:
    """cc3d's labels of the smallest type that holds them; it wants arrays that it could write to."""
    writable = mask.copy()
    return Peer("cc3d", lambda: cc3d.connected_components(writable, connectivity=connectivity), same_partition)


def grana(mask: np.ndarray, connectivity: int, labels: np.ndarray) -> np.ndarray:
    """OpenCV's labels, by what is its fastest algorithm on most masks, written over the same array."""
    return cv2.connectedComponentsWithAlgorithm(mask, connectivity, cv2.CV_32S, cv2.CCL_GRANA, labels)[1]


def grana_statistics(mask: np.ndarray, labels: np.ndarray) -> Any:
    """OpenCV's number of labels, labels, statistics and centroids."""
    return cv2.connectedComponentsWithStatsWithAlgorithm(mask, 8, cv2.CV_32S, cv2.CCL_GRANA, labels)


# Labels


def label(connectivity: int, mask: np.ndarray, *, slow_peers: bool = False) -> Contest:
    """Ours and OpenCV's labels are written over the same arrays, other peers' are new."""
    as_uint8 = mask.view(np.uint8)
    ours, labels = np.empty(mask.shape, np.int32), np.empty(mask.shape, np.int32)
    structure = np.ones((3, 3)) if connectivity == 8 else None
    peers = [
        Peer("cv2 GRANA", lambda: grana(as_uint8, connectivity, labels), same_partition),
        by_cc3d(mask, connectivity),
    ]
    if slow_peers:
        peers += [
            Peer("scipy", lambda: ndimage.label(mask, structure, output=np.int32)[0]),
            Peer("skimage", lambda: measure.label(mask, connectivity=connectivity // 4)),
        ]
    return Contest(lambda: rapidmask.label(mask, connectivity=connectivity, out=ours), peers)


def label_batch(masks: np.ndarray) -> Contest:
    as_uint8 = masks.view(np.uint8)
    ours, labels = np.empty(masks.shape, np.int32), np.empty(masks.shape, np.int32)

    def loop() -> np.ndarray:
        for mask, out in zip(as_uint8, labels, strict=True):
            grana(mask, 8, out)
        return labels

    def check(found: np.ndarray, theirs: np.ndarray) -> None:
        for one, other in zip(found, theirs, strict=True):
            same_partition(one, other)

    return Contest(lambda: rapidmask.label(masks, out=ours), [Peer("cv2 GRANA, loop", loop, check)])


def label_volume(connectivity: int, volume: np.ndarray) -> Contest:
    structure = ndimage.generate_binary_structure(3, 1 if connectivity == 6 else 3) if ndimage else None
    ours = np.empty(volume.shape, np.int32)
    return Contest(
        lambda: rapidmask.label(volume, connectivity=connectivity, out=ours),
        [
            by_cc3d(volume, connectivity),
            Peer("scipy", lambda: ndimage.label(volume, structure, output=np.int32)[0]),
        ],
    )


def multilabel(classes: np.ndarray) -> Contest:
    return Contest(
        lambda: rapidmask.label(classes, multilabel=True),
        [
            by_cc3d(classes, 8),
            Peer("skimage", lambda: measure.label(classes, background=0, connectivity=2)),
        ],
    )


# Measures


def same_statistics(ours: rapidmask.Components, theirs: Any) -> None:
    """Assert that OpenCV's statistics are ours, in its own order: ours has labels, or both count the same areas."""
    _, labels, stats, centroids = theirs
    if ours.labels is None:
        np.testing.assert_array_equal(np.sort(ours.areas), np.sort(stats[1:, cv2.CC_STAT_AREA]))
        return
    same_partition(ours.labels, labels)
    first = np.unique(ours.labels, return_index=True)[1][-ours.count :]  # a pixel of each component
    order = labels.ravel()[first]
    np.testing.assert_array_equal(ours.areas, stats[order, cv2.CC_STAT_AREA])
    np.testing.assert_allclose(ours.centroids, centroids[order, ::-1], atol=1e-6)


def statistics(mask: np.ndarray, *, labels: bool = True) -> Contest:
    as_uint8 = mask.view(np.uint8)
    theirs = np.empty(mask.shape, np.int32)
    writable = mask.copy()

    def areas_by_cc3d() -> np.ndarray:
        return cc3d.statistics(cc3d.connected_components(writable, connectivity=8))["voxel_counts"][1:]

    return Contest(
        lambda: rapidmask.connected_components(mask, labels=labels),
        [
            Peer("cv2 GRANA", lambda: grana_statistics(as_uint8, theirs), same_statistics),
            Peer("cc3d", areas_by_cc3d, lambda ours, areas: _same_areas(ours.areas, areas)),
        ],
    )


def _same_areas(ours: np.ndarray, theirs: np.ndarray) -> None:
    np.testing.assert_array_equal(np.sort(ours), np.sort(theirs))


def statistics_batch(masks: np.ndarray, *, packed: bool = False) -> Contest:
    as_uint8 = masks.view(np.uint8)
    labels = np.empty(masks.shape[1:], np.int32)
    given = rapidmask.pack(masks) if packed else masks

    def loop() -> list[np.ndarray]:
        return [grana_statistics(mask, labels)[2][1:, cv2.CC_STAT_AREA] for mask in as_uint8]

    def plain_loop() -> list[np.ndarray]:
        return [cv2.connectedComponentsWithStats(mask, connectivity=8)[2][1:, cv2.CC_STAT_AREA] for mask in as_uint8]

    def check(ours: rapidmask.Components, theirs: list[np.ndarray]) -> None:
        for begin, end, areas in zip(ours.offsets[:-1], ours.offsets[1:], theirs, strict=True):
            _same_areas(ours.areas[begin:end], areas)

    return Contest(
        lambda: rapidmask.connected_components(given, labels=False),
        [Peer("cv2 GRANA, loop", loop, check), Peer(_PLAIN_STATISTICS, plain_loop, check)],
    )


def component_areas(mask: np.ndarray) -> Contest:
    as_uint8 = mask.view(np.uint8)
    labels = np.empty(mask.shape, np.int32)

    def by_cv2() -> np.ndarray:
        _, found, stats, _ = grana_statistics(as_uint8, labels)
        areas = stats[:, cv2.CC_STAT_AREA].copy()
        areas[0] = 0
        return areas[found]

    return Contest(lambda: rapidmask.component_areas(mask), [Peer("cv2 GRANA and a table", by_cv2)])


# Filters


def small_regions(masks: np.ndarray) -> Contest:
    """SAM's `remove_small_regions` for holes and then for islands, from uint8 to uint8 for each of a batch."""
    as_uint8 = masks.view(np.uint8)
    ours, theirs = np.empty_like(as_uint8), np.empty_like(as_uint8)
    labels = np.empty(masks.shape[1:], np.int32)

    def at_once() -> np.ndarray:
        return rapidmask.remove_small_regions(as_uint8, _MIN_AREA, out=ours)

    def by_table(statistics: Callable[[np.ndarray], Any]) -> np.ndarray:
        for mask, out in zip(as_uint8, theirs, strict=True):
            _, found, stats, _ = statistics(mask ^ 1)
            fill = (stats[:, cv2.CC_STAT_AREA] < _MIN_AREA).astype(np.uint8)
            fill[0] = 1  # what was no background
            np.take(fill, found, out=out)
            _, found, stats, _ = statistics(out)
            keep = (stats[:, cv2.CC_STAT_AREA] >= _MIN_AREA).astype(np.uint8)
            keep[0] = 0
            np.take(keep, found, out=out)
        return theirs

    def as_sam() -> np.ndarray:
        for mask, out in zip(as_uint8, theirs, strict=True):
            for holes in (True, False):
                count, found, stats, _ = cv2.connectedComponentsWithStats((holes ^ mask).astype(np.uint8), 8)
                sizes = stats[1:, -1]
                small = [i + 1 for i, size in enumerate(sizes) if size < _MIN_AREA]
                if not small:
                    continue
                fill = [0, *small] if holes else [i for i in range(1, count) if i not in small]
                mask = np.isin(found, fill)
            out[...] = mask
        return theirs

    return Contest(
        at_once,
        [
            Peer("cv2 GRANA and a table, loop", lambda: by_table(lambda mask: grana_statistics(mask, labels))),
            Peer(_PLAIN_TABLE, lambda: by_table(lambda mask: cv2.connectedComponentsWithStats(mask, connectivity=8))),
            Peer("cv2 as SAM 1", as_sam),
        ],
    )


def fill_holes(mask: np.ndarray) -> Contest:
    writable = mask.copy()
    return Contest(
        lambda: rapidmask.fill_holes(mask),
        [
            Peer("fill_voids", lambda: fill_voids.fill(writable)),
            Peer("scipy", lambda: ndimage.binary_fill_holes(mask)),
        ],
    )


def fill_volume(volume: np.ndarray) -> Contest:
    writable = volume.copy()
    return Contest(
        lambda: rapidmask.fill_holes(volume, connectivity=26), [Peer("fill_voids", lambda: fill_voids.fill(writable))]
    )


def remove_small_objects(mask: np.ndarray) -> Contest:
    return Contest(
        lambda: rapidmask.remove_small_objects(mask, _MIN_AREA),
        [Peer("skimage", lambda: morphology.remove_small_objects(mask, max_size=_MIN_AREA - 1, connectivity=2))],
    )


def keep_largest(mask: np.ndarray) -> Contest:
    writable = mask.copy()

    def by_cc3d() -> np.ndarray:
        return cc3d.largest_k(writable, 1, connectivity=8)

    return Contest(
        lambda: rapidmask.keep_largest(mask),
        [Peer("cc3d", by_cc3d, lambda ours, theirs: np.testing.assert_array_equal(ours, theirs > 0))],
    )


def clear_border(mask: np.ndarray) -> Contest:
    return Contest(lambda: rapidmask.clear_border(mask), [Peer("skimage", lambda: segmentation.clear_border(mask))])


def clean_scores(scores: np.ndarray) -> Contest:
    """SAM 3's hole filling on low-resolution logits."""
    ours, theirs = np.empty_like(scores), np.empty_like(scores)
    labels = np.empty(scores.shape[1:], np.int32)

    def small(mask: np.ndarray, limit: int) -> np.ndarray:
        _, found, stats, _ = grana_statistics(mask.view(np.uint8), labels)
        chosen = stats[:, cv2.CC_STAT_AREA] <= limit
        chosen[0] = False
        return chosen[found]

    def by_cv2() -> np.ndarray:
        for image, out in zip(scores, theirs, strict=True):
            np.copyto(out, image)
            out[small(image <= 0, _MIN_AREA)] = 0.1
            foreground = out > 0
            out[small(foreground, min(_MIN_AREA, int(np.count_nonzero(foreground)) // 2))] = -0.1
        return theirs

    return Contest(
        lambda: rapidmask.clean_scores(scores, max_hole_area=_MIN_AREA, max_sprinkle_area=_MIN_AREA, out=ours),
        [Peer("cv2 and a table, loop", by_cv2)],
    )


COMPARISONS = [
    Comparison("labels, 8", "SAM 1", partial(label, 8, slow_peers=True), bar=4, goal=6),
    Comparison("labels, 4", "SAM 1", partial(label, 4, slow_peers=True), bar=4, goal=6),
    Comparison("labels, 8", "smooth2k", partial(label, 8, slow_peers=True), bar=2.2, goal=4),
    Comparison("labels, 4", "smooth2k", partial(label, 4, slow_peers=True), bar=3, goal=5),
    Comparison("labels, 8", "noisy2k", partial(label, 8), bar=2.3, goal=4, **_ROBUST),
    Comparison("labels, 4", "noisy2k", partial(label, 4), bar=3, goal=4, **_ROBUST),
    Comparison("labels, 8", "smooth 2019×2021", partial(label, 8)),
    Comparison("labels, 4", "smooth 2019×2021", partial(label, 4)),
    Comparison("labels, 8", "mask 12 MP", partial(label, 8)),
    Comparison("labels, 4", "mask 12 MP", partial(label, 4)),
    Comparison("labels, 8", "SAM 64", label_batch),
    Comparison("multilabel, 8", "classes 2k", multilabel),
    Comparison("labels, 6", "volume 256³", partial(label_volume, 6), bar=2.5, goal=5),
    Comparison("labels, 26", "volume 256³", partial(label_volume, 26), bar=1.6, goal=3.5),
    Comparison("labels, 6", "noisy volume 256³", partial(label_volume, 6)),
    Comparison("labels, 26", "noisy volume 256³", partial(label_volume, 26)),
    Comparison("labels and statistics, 8", "SAM 1", statistics, bar=16, goal=25),
    Comparison("labels and statistics, 8", "smooth2k", statistics),
    Comparison("statistics, 8", "SAM 1", partial(statistics, labels=False), bar=40, goal=70),
    Comparison("statistics, 8", "SAM 64", statistics_batch, bar=70, goal=130, against=_PLAIN_STATISTICS),
    Comparison("statistics of packed, 8", "SAM 64", partial(statistics_batch, packed=True)),
    Comparison("component areas, 8", "SAM 1", component_areas),
    Comparison("small holes and islands, 8", "SAM 64", small_regions, bar=90, goal=200, against=_PLAIN_TABLE),
    Comparison("fill holes", "SAM 1", fill_holes, bar=25, goal=40),
    Comparison("fill holes", "smooth2k", fill_holes, bar=14, goal=28),
    Comparison("fill holes", "smooth 2019×2021", fill_holes),
    Comparison("fill holes", "volume 256³", fill_volume),
    Comparison("remove small objects", "smooth2k", remove_small_objects, bar=20, goal=35),
    Comparison("keep the largest", "smooth2k", keep_largest),
    Comparison("clear the border", "smooth2k", clear_border),
    Comparison("clean scores", "SAM logits 64×256²", clean_scores),
    *(
        Comparison(
            f"labels, {connectivity}", case, partial(label, connectivity), bar=1, yardstick="smooth2k", slowdown=20
        )
        for case in _AWKWARD
        for connectivity in (8, 4)
    ),
]
