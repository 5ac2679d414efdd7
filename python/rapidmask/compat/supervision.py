"""Mask utilities of supervision 0.31: overlaps, suppression, merging, run lengths, polygons, boxes and segments.

The functions have supervision's names, arguments and results, for NumPy arrays of bool; overlaps and what suppresses
or merges by them also for `CompactMask`, as run lengths. They raise NotImplementedError for what they do not serve, and
under `rapidmask.patch` such a call goes to supervision's own function: masks of other types, and segments whose
distance `filter_segments_by_distance` finds to be within 5 % of the limit. Differences:

- `mask_iou_batch` needs no memory beyond its result, so that ``memory_limit`` means nothing and nobody is warned.
- `mask_to_polygons` and `polygon_to_mask` do what OpenCV does; without it supervision has polygons in another order.
- `contains_multiple_segments` takes arrays of any layout; supervision refuses those in Fortran order.
- `mask_non_max_merge` compares overlaps as they are; supervision rounds them to float32 first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt

from .._containers import RLEMasks
from .._upstream import Upstream
from ..ops import components, distance, measure, overlap
from ..ops.polygon import masks_to_polygons, polygons_to_masks
from ..ops.rle import rle_decode, rle_encode
from ..ops.threshold import hysteresis_threshold

_Bool = npt.NDArray[np.bool_]

_IN_MODULES = {
    "iou_and_nms": (
        "mask_iou_batch",
        "mask_non_max_merge",
        "mask_non_max_suppression",
        "mask_soft_non_max_suppression",
    ),
    "converters": ("mask_to_polygons", "mask_to_rle", "mask_to_xyxy", "polygon_to_mask", "rle_to_mask"),
    "masks": (
        "calculate_masks_centroids",
        "contains_holes",
        "contains_multiple_segments",
        "filter_segments_by_distance",
    ),
}

__all__ = sorted(["OverlapMetric", *(name for names in _IN_MODULES.values() for name in names)])

_EXACT = 2**24  # float32 counts up to here, and supervision counts in it


class OverlapMetric(Enum):
    """Intersection over union, or over the smaller mask. Supervision's own will do as well."""

    IOU = "IOU"
    IOS = "IOS"


def mask_iou_batch(
    masks_true: _Bool, masks_detection: _Bool, overlap_metric: Any = OverlapMetric.IOU, memory_limit: int = 1024 * 5
) -> npt.NDArray[np.float64]:
    """Return the overlap of each mask of one batch with each of another, (n, m)."""
    truth = _comparable(masks_true)
    other = None if masks_true is masks_detection else _comparable(masks_detection)
    if masks_true.shape[1:] != masks_detection.shape[1:]:
        raise NotImplementedError("mask_iou_batch: masks must be of one size")
    return _rounded(overlap.mask_iou(truth, other, metric=_metric(overlap_metric)), masks_true)


def mask_non_max_suppression(
    predictions: npt.NDArray[Any],
    masks: _Bool,
    iou_threshold: float = 0.5,
    overlap_metric: Any = OverlapMetric.IOU,
    mask_dimension: int = 640,
) -> _Bool:
    """Tell which masks stay when those that overlap a better one of their class by more than the threshold go."""
    batch, ranks, classes = _ranked(predictions, masks)
    if not 0 <= iou_threshold <= 1:
        raise NotImplementedError("mask_non_max_suppression: iou_threshold must lie in [0, 1]")
    overlaps = _rounded(overlap.mask_iou(batch, metric=_metric(overlap_metric)), masks)
    keep = np.zeros(len(batch), bool)
    keep[overlap.nms_from_iou(overlaps, ranks, float(iou_threshold), labels=classes)] = True
    return keep


def mask_soft_non_max_suppression(
    predictions: npt.NDArray[Any],
    masks: _Bool,
    sigma: float = 0.5,
    overlap_metric: Any = OverlapMetric.IOU,
    mask_dimension: int = 640,
) -> npt.NDArray[np.floating[Any]]:
    """Return the scores, each lowered by its overlaps with better masks of its class."""
    batch, ranks, classes = _ranked(predictions, masks)
    if not sigma > 0:
        raise NotImplementedError("mask_soft_non_max_suppression: sigma must be greater than 0")
    overlaps = _rounded(overlap.mask_iou(batch, metric=_metric(overlap_metric)), masks)
    order = np.argsort(-ranks)
    lowers = np.triu(classes[order, None] == classes[order], k=1)
    exponents = np.where(lowers, overlaps[np.ix_(order, order)] ** 2, 0.0).sum(axis=0)
    scores = np.empty(len(batch))
    scores[order] = predictions[order, 4] * np.exp(-exponents / sigma)
    return scores


def mask_non_max_merge(
    predictions: npt.NDArray[Any],
    masks: _Bool,
    iou_threshold: float = 0.5,
    *args: Any,
    overlap_metric: Any = OverlapMetric.IOU,
    mask_dimension: int = 640,
) -> list[list[int]]:
    """Group masks with those of their class that overlap their union by the threshold or more, the best first."""
    batch, _, classes = _ranked(predictions, masks)
    if args or not 0 <= iou_threshold <= 1 or len(batch) == 0:
        raise NotImplementedError("mask_non_max_merge: three arguments by position, and a threshold in [0, 1]")
    metric = _metric(overlap_metric)
    groups = []
    for label in np.unique(classes):
        members = np.flatnonzero(classes == label)
        ranks = _ranks(predictions[members, 4])
        found = overlap.mask_nmm(batch[members], ranks, float(iou_threshold), metric=metric)
        groups += [members[group].tolist() for group in found]
    return groups


def mask_to_xyxy(masks: _Bool, coordinate_convention: str = "inclusive") -> npt.NDArray[np.int64]:
    """Return the box of each mask; the last pixel in it, or with "exclusive" the one after."""
    batch = _batch(masks)
    if coordinate_convention not in ("inclusive", "exclusive") or batch.size == 0:
        raise NotImplementedError("mask_to_xyxy: masks with pixels, and a convention that there is")
    return np.asarray(measure.masks_to_boxes(batch, inclusive=coordinate_convention == "inclusive"))


def mask_to_polygons(mask: _Bool) -> list[npt.NDArray[np.int32]]:
    """Trace the borders of a mask, those of holes too, of three points or more."""
    borders = masks_to_polygons(_plane(mask), mode="tree")[0].polygons
    return [border for border in borders if len(border) >= 3]


def polygon_to_mask(
    polygon: npt.NDArray[Any] | Sequence[Sequence[float]], resolution_wh: tuple[int, int]
) -> npt.NDArray[np.uint8]:
    """Fill a polygon as OpenCV does, its coordinates cut to integers."""
    points = np.asarray(polygon)
    width, height = map(int, resolution_wh)
    if points.ndim != 2 or points.shape[1:] != (2,) or points.dtype.kind not in "iuf" or width < 1 or height < 1:
        raise NotImplementedError("polygon_to_mask: polygon must hold numbers of shape (n, 2)")
    if len(points) < 3:
        return np.zeros((height, width), np.uint8)
    if not (np.abs(points) < 2**20).all():
        raise NotImplementedError("polygon_to_mask: coordinates must be below 2^20")
    ring = points.astype(np.int32)
    return polygons_to_masks([[ring]], (height, width), rule="opencv", output="uint8")[0]  # type: ignore[no-any-return]


def mask_to_rle(mask: _Bool, compressed: bool = False) -> list[int] | str:
    """Encode a mask as COCO does: its counts, or the string of them."""
    runs = rle_encode(_plane(mask))
    return runs.to_coco("str" if compressed else "list")[0]["counts"]  # type: ignore[no-any-return]


def rle_to_mask(rle: npt.NDArray[Any] | list[int] | str | bytes, resolution_wh: tuple[int, int]) -> _Bool:
    """Decode COCO's counts, or the string of them."""
    width, height = resolution_wh
    counts = rle if isinstance(rle, (str, bytes)) else np.asarray(rle).tolist()
    try:
        runs = RLEMasks.from_coco([{"size": [height, width], "counts": counts}])
    except (TypeError, ValueError):
        raise NotImplementedError("rle_to_mask: counts must make up a mask") from None
    return np.asfortranarray(rle_decode(runs)[0])


def contains_holes(mask: _Bool) -> bool:
    """Tell whether background is enclosed: does not reach the border by edges."""
    plane = _plane(mask)
    return bool(measure.mask_areas(components.fill_holes(plane)) != measure.mask_areas(plane))


def contains_multiple_segments(mask: _Bool, connectivity: int = 4) -> bool:
    """Tell whether a mask has more than one component."""
    if connectivity not in (4, 8):
        raise NotImplementedError("contains_multiple_segments: connectivity must be 4 or 8")
    return int(components.connected_components(_plane(mask), connectivity=connectivity, labels=False).count) > 1


def filter_segments_by_distance(
    mask: _Bool,
    absolute_distance: float | None = 100.0,
    relative_distance: float | None = None,
    connectivity: int = 8,
    mode: str = "edge",
) -> _Bool:
    """Keep the largest component and those near to it, by their centroids or by their nearest pixels."""
    plane = _plane(mask)
    if mode not in ("centroid", "edge") or connectivity not in (4, 8) or relative_distance is None is absolute_distance:
        raise NotImplementedError("filter_segments_by_distance: a mode and connectivity that there are, and a distance")
    found = components.connected_components(plane, connectivity=connectivity)
    if found.count < 2:
        return plane.copy()
    limit = float(absolute_distance if relative_distance is None else relative_distance * math.hypot(*plane.shape))  # type: ignore[arg-type]
    main = _largest(found)
    if mode == "edge":
        return _near(plane, found.labels == main + 1, limit, connectivity)
    near = np.sqrt(((found.centroids - found.centroids[main]) ** 2).sum(axis=1)) <= limit
    near[main] = True
    return np.concatenate([[False], near])[found.labels]


def calculate_masks_centroids(masks: _Bool) -> npt.NDArray[np.int64]:
    """Return the mean (x, y) of each mask's pixels, from their corners, without the fraction; zeros where empty."""
    batch = _batch(masks)
    centroids = np.nan_to_num(measure.mask_centroids(batch)[:, ::-1] + 0.5)
    return np.asarray(centroids.astype(int))


def _replacements() -> dict[str, Callable[..., Any]]:
    return {
        f"supervision.detection.utils.{module}:{name}": globals()[name]
        for module, names in _IN_MODULES.items()
        for name in names
    }


UPSTREAMS = {"supervision": Upstream("supervision", ("0.31",), _replacements, aliases=True)}


def _largest(found: components.Components) -> int:
    """Return the largest component and, of equally large ones, the leftmost, then the topmost."""
    largest = np.flatnonzero(found.areas == found.areas.max()).tolist()
    places = [tuple(found.boxes[i, :2].tolist()) for i in largest]
    first = min(places)
    if places.count(first) > 1:
        raise NotImplementedError("filter_segments_by_distance: which component comes first is OpenCV's to say")
    return int(largest[places.index(first)])


def _near(mask: _Bool, main: _Bool, limit: float, connectivity: int) -> _Bool:
    """Return the components that have a pixel within a distance of the main one, in OpenCV's chamfer metric.

    A chamfer distance is 0.95498 to 1.04099 of the Euclidean one: where that decides nothing, upstream has to.
    """
    squared = distance.distance_transform(~main, squared=True)

    def within(reach: float) -> _Bool:
        levels = mask.view(np.uint8) + (mask & (squared <= reach * reach)).view(np.uint8)
        return np.asarray(hysteresis_threshold(levels, 0, 1, connectivity=connectivity), bool)

    limit = max(0.0, limit)  # the main one stays, also for NaN
    surely, possibly = within(limit / 1.0411), within(limit / 0.9549)
    if not np.array_equal(surely, possibly):
        raise NotImplementedError("filter_segments_by_distance: a component is about as far as the limit")
    return surely


def _is_array(masks: Any) -> TypeGuard[_Bool]:
    return isinstance(masks, np.ndarray) and not np.ma.isMaskedArray(masks)


def _batch(masks: Any) -> _Bool:
    if not _is_array(masks) or masks.dtype != np.bool_ or masks.ndim != 3:
        raise NotImplementedError("masks must be a NumPy array of bool of shape (n, h, w)")
    return masks


def _comparable(masks: Any) -> Any:
    """Return masks as an array or, those of a CompactMask, which holds run lengths of crops, as run lengths."""
    if type(masks).__module__ != "supervision.detection.compact_mask":
        return _batch(masks)
    height, width = masks.image_shape
    counts, offsets = [], [0]
    for i, (x, y) in enumerate(masks.offsets.tolist()):
        crop = masks.crop(i)
        columns = np.zeros((height, crop.shape[1]), bool)
        columns[y : y + len(crop)] = crop
        runs = rle_encode(columns).counts
        after = (width - x - crop.shape[1]) * height
        counts += [[x * height, 0], runs, [after] if len(runs) % 2 == 0 else [0, after]]
        offsets.append(offsets[-1] + sum(map(len, counts[-3:])))
    if not counts or height * width == 0:
        raise NotImplementedError("masks must be some, with pixels")
    return RLEMasks(np.concatenate(counts).astype(np.uint32), np.array(offsets, np.int64), (height, width))


def _plane(mask: Any) -> _Bool:
    if not _is_array(mask) or mask.dtype != np.bool_ or mask.ndim != 2 or mask.size == 0:
        raise NotImplementedError("mask must be a NumPy array of bool of shape (h, w) with pixels")
    return mask


def _metric(overlap_metric: Any) -> Any:
    if not isinstance(overlap_metric, Enum) or overlap_metric.value not in ("IOU", "IOS"):
        raise NotImplementedError("overlap_metric must be IOU or IOS")
    return overlap_metric.value.lower()


def _rounded(overlaps: npt.NDArray[np.float64], masks: Any) -> npt.NDArray[np.float64]:
    """Return overlaps as supervision's division of float32 gives them, to which rounding twice leads too."""
    if masks.shape[1] * masks.shape[2] > _EXACT:
        return overlaps
    return overlaps.astype(np.float32).astype(np.float64)


def _ranks(scores: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    ranks = np.empty(len(scores))
    ranks[scores.argsort()] = np.arange(len(scores))
    return ranks


def _ranked(predictions: Any, masks: Any) -> tuple[Any, npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Return the masks, a score for each that orders them as supervision does, ties included, and their classes."""
    batch = _comparable(masks)
    if not isinstance(predictions, np.ndarray) or predictions.ndim != 2 or predictions.shape[1] not in (5, 6):
        raise NotImplementedError("predictions must have shape (n, 5) or (n, 6)")
    if len(predictions) != len(batch) or predictions.dtype.kind not in "iuf" or np.isnan(predictions[:, 4:]).any():
        raise NotImplementedError("predictions must be numbers, a row for each mask")
    if predictions.shape[1] == 5:
        ranks = _ranks(np.c_[predictions, np.zeros(len(predictions))][:, 4])  # whose type decides the order of ties
        return batch, ranks, np.zeros(len(batch), np.int64)
    ranks = _ranks(predictions[:, 4])
    return batch, ranks, np.unique(predictions[:, 5], return_inverse=True)[1].reshape(-1)
