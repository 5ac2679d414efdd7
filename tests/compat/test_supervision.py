"""`rapidmask.compat.supervision` against supervision."""

import importlib

import numpy as np
import pytest

import rapidmask
from rapidmask.compat import supervision as ours

pytest.importorskip("supervision")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

METRIC = importlib.import_module("supervision.detection.utils.iou_and_nms").OverlapMetric
MODULES = {name: module for module, names in ours._IN_MODULES.items() for name in names}


def upstream(name):
    return getattr(importlib.import_module(f"supervision.detection.utils.{MODULES[name]}"), name)


def same(name, *arguments, tolerance=0.0, **options):
    """Assert that both give the same: types, values, order."""
    assert_same(getattr(ours, name)(*arguments, **options), upstream(name)(*arguments, **options), tolerance)


def assert_same(found, expected, tolerance=0.0):
    assert type(found) is type(expected)
    if isinstance(expected, np.ndarray):
        assert found.dtype == expected.dtype
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=0)
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)
    else:
        assert found == expected


def scenes():
    """Batches of masks that overlap, some noisy, with predictions of few scores, so that there are ties."""
    rng = np.random.default_rng(0)
    for turn in range(60):
        n, (h, w) = int(rng.integers(1, 9)), rng.integers(1, 40, 2)
        masks = np.zeros((n, h, w), bool)
        for mask in masks:
            y, x = rng.integers(0, h), rng.integers(0, w)
            mask[y : y + rng.integers(0, h + 1), x : x + rng.integers(0, w + 1)] = True
            if rng.random() < 0.3:
                mask ^= rng.random((h, w)) < 0.2
        scores = rng.integers(0, 5, n) / 5 if turn % 2 else rng.random(n)
        rows = np.c_[rng.random((n, 4)), scores, rng.integers(0, 3, n)][:, : 5 + turn % 3 // 2]
        yield masks, rows.astype(np.float32) if turn % 5 == 0 else rows


@pytest.mark.parametrize("metric", [METRIC.IOU, METRIC.IOS])
def test_overlaps_and_suppression(metric):
    for masks, rows in scenes():
        same("mask_iou_batch", masks, masks[::-1].copy(), metric)
        same("mask_iou_batch", masks, masks, metric)
        same("mask_soft_non_max_suppression", rows, masks, 0.5, metric, tolerance=1e-14)
        for threshold in (0, 0.2, 0.5, 0.75, 1):
            same("mask_non_max_suppression", rows, masks, threshold, metric)
            same("mask_non_max_merge", rows, masks, threshold, overlap_metric=metric)


def test_forms_of_one_mask():
    for masks, _ in scenes():
        for mask in masks:
            same("mask_to_polygons", mask)
            for compressed in (False, True):
                same("mask_to_rle", mask, compressed)
                same("rle_to_mask", ours.mask_to_rle(mask, compressed), mask.shape[::-1])
            same("rle_to_mask", np.array(ours.mask_to_rle(mask)), mask.shape[::-1])


def test_boxes_and_centroids():
    for masks, _ in scenes():
        same("calculate_masks_centroids", masks)
        for convention in ("inclusive", "exclusive"):
            same("mask_to_xyxy", masks, convention)


def test_segments():
    rng = np.random.default_rng(1)
    for masks, _ in scenes():
        for mask in masks:
            same("contains_holes", mask)
            same("contains_holes", ~mask)
            for connectivity in (4, 8):
                same("contains_multiple_segments", mask, connectivity)
                near = {"connectivity": connectivity, "mode": "centroid"}
                same("filter_segments_by_distance", mask, float(rng.integers(0, 20)), **near)
                same("filter_segments_by_distance", mask, None, 0.3, **near)


def test_filled_polygons():
    rng = np.random.default_rng(2)
    for _ in range(60):
        size = tuple(rng.integers(1, 40, 2).tolist())
        points = rng.uniform(-9, 45, (int(rng.integers(0, 9)), 2))
        for polygon in (points, points.astype(int), points.tolist()):
            if len(polygon) > 0:
                same("polygon_to_mask", polygon, size)


MASKS = np.ones((2, 3, 4), bool)
ROWS = np.array([[0, 0, 1, 1, 0.5], [0, 0, 1, 1, 0.6]])
LEFT_TO_SUPERVISION = [
    ("mask_iou_batch", (MASKS.astype(np.uint8), MASKS)),
    ("mask_to_xyxy", (np.zeros((0, 3, 4), bool),)),
    ("filter_segments_by_distance", (MASKS[0],)),
    ("polygon_to_mask", ([], (3, 4))),
]
REFUSED = [
    ("mask_iou_batch", (MASKS, MASKS[:, 1:])),
    ("mask_iou_batch", (MASKS[0], MASKS[0])),
    ("mask_iou_batch", (MASKS, MASKS, "DICE")),
    ("mask_non_max_suppression", (ROWS, MASKS, 1.5)),
    ("mask_soft_non_max_suppression", (ROWS, MASKS, 0)),
    ("mask_non_max_merge", (ROWS, MASKS, -1)),
    ("mask_to_rle", (MASKS,)),
    ("mask_to_rle", (MASKS[0, :0],)),
    ("rle_to_mask", ([3, 4], (3, 4))),
    ("mask_to_xyxy", (MASKS, "open")),
    ("polygon_to_mask", ([["a", "b"]] * 3, (3, 4))),
    ("contains_multiple_segments", (MASKS[0], 6)),
    ("filter_segments_by_distance", (MASKS[0], None, None)),
    ("filter_segments_by_distance", (MASKS[0].astype(np.uint8),)),
]


@pytest.mark.parametrize(("name", "arguments"), LEFT_TO_SUPERVISION)
def test_what_is_not_served_is_left_to_supervision(name, arguments):
    with pytest.raises(NotImplementedError):
        getattr(ours, name)(*arguments)
    expected = upstream(name)(*arguments)
    with rapidmask.patch("supervision"):
        assert_same(upstream(name)(*arguments), expected)


@pytest.mark.parametrize(("name", "arguments"), REFUSED)
def test_errors_are_those_of_supervision(name, arguments):
    with pytest.raises(Exception) as expected:  # noqa: PT011 - any will do, if it is the same
        upstream(name)(*arguments)
    with rapidmask.patch("supervision"), pytest.raises(type(expected.value)) as found:
        upstream(name)(*arguments)
    assert str(found.value) == str(expected.value)


def test_a_patch_reaches_the_namespace_and_the_detections():
    import supervision

    detections = supervision.Detections(ROWS[:, :4], masks := MASKS.copy(), ROWS[:, 4], np.zeros(2, int))
    theirs = supervision.mask_iou_batch
    expected = detections.with_nms(0.5)
    with rapidmask.patch("supervision") as patched:
        assert len(patched.replaced) == len(ours.__all__)
        assert supervision.mask_iou_batch is not theirs
        np.testing.assert_array_equal(supervision.mask_iou_batch(masks, masks), np.ones((2, 2)))
        assert detections.with_nms(0.5) == expected
    assert supervision.mask_iou_batch is theirs
