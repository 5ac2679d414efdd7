"""`rapidmask.compat.supervision` against supervision."""

import importlib

import numpy as np
import pytest

import rapidmask
from rapidmask.compat import supervision as ours

pytest.importorskip("supervision")
pytest.importorskip("cv2")  # which supervision does without, in other ways
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


@pytest.mark.parametrize("metric", [METRIC.IOU, METRIC.IOS])
def test_compact_masks(metric):
    """Masks that supervision keeps as run lengths of crops, loose ones too, some of which begin or end the image."""
    compact = importlib.import_module("supervision.detection.compact_mask").CompactMask
    rng = np.random.default_rng(5)
    for masks, rows in scenes():
        n, height, width = masks.shape
        boxes = upstream("mask_to_xyxy")(masks)
        loose = rng.integers(0, 3, (n, 4)) * [-1, -1, 1, 1] * (rng.random((n, 1)) < 0.5)
        boxes = (boxes + loose).clip(0, [width - 1, height - 1] * 2)
        crops = compact.from_dense(masks, boxes.astype(np.float32), (height, width))
        same("mask_iou_batch", crops, crops, metric)
        same("mask_iou_batch", masks, crops, metric)
        same("mask_iou_batch", crops, masks[::-1], metric)
        same("mask_soft_non_max_suppression", rows, crops, 0.5, metric, tolerance=1e-14)
        for threshold in (0.1, 0.5):
            same("mask_non_max_suppression", rows, crops, threshold, metric)
            same("mask_non_max_merge", rows, crops, threshold, overlap_metric=metric)
            with rapidmask.patch("supervision"):
                assert isinstance(upstream("mask_non_max_suppression")(rows, crops, threshold, metric), np.ndarray)


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


def test_segments_near_by_their_edges():
    """Where one is about as far as the limit, supervision itself decides; elsewhere ours is the same."""
    rng = np.random.default_rng(6)
    served = 0
    for masks, _ in scenes():
        for mask in (masks.any(0), masks[0] ^ (rng.random(masks[0].shape) < 0.1), np.zeros((3, 4), bool)):
            for limit in ((float(rng.choice([-1, 0, 1, 2.5, 7, 20, np.inf, np.nan])), None), (None, rng.random())):
                connectivity = int(rng.choice([4, 8]))
                expected = upstream("filter_segments_by_distance")(mask, *limit, connectivity)
                with rapidmask.patch("supervision"):
                    assert_same(upstream("filter_segments_by_distance")(mask, *limit, connectivity), expected)
                try:
                    assert_same(ours.filter_segments_by_distance(mask, *limit, connectivity), expected)
                    served += 1
                except NotImplementedError:
                    pass
    assert served > 250


def test_a_tie_of_segments_goes_to_the_leftmost():
    mask = np.zeros((9, 40), bool)
    mask[0:2, 20:22] = mask[5:7, 3:5] = mask[5:7, 8:10] = True
    same("filter_segments_by_distance", mask, 7.0)
    same("filter_segments_by_distance", mask, 7.0, mode="centroid")
    assert ours.filter_segments_by_distance(mask, 7.0).sum() == 8


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
    ("polygon_to_mask", ([], (3, 4))),
]
REFUSED = [
    ("mask_iou_batch", (MASKS, MASKS[:, 1:])),
    ("mask_iou_batch", (MASKS[0], MASKS[0])),
    ("mask_iou_batch", (MASKS.tolist(), MASKS)),
    ("mask_iou_batch", (MASKS, None)),
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
    ("filter_segments_by_distance", (np.eye(3, dtype=bool), 5.0, None, 4, "middle")),
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
        assert len(patched.replaced) == len(ours.__all__) - 1  # not the metrics
        assert supervision.mask_iou_batch is not theirs
        np.testing.assert_array_equal(supervision.mask_iou_batch(masks, masks), np.ones((2, 2)))
        assert detections.with_nms(0.5) == expected
    assert supervision.mask_iou_batch is theirs


@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32, np.int64])
def test_ties_are_broken_in_the_order_of_supervisions_sort(dtype):
    rng = np.random.default_rng(6)
    for _ in range(10):
        masks = rng.random((40, 9, 9)) < 0.5
        predictions = np.concatenate([np.zeros((40, 4)), rng.integers(0, 3, (40, 1))], axis=1).astype(dtype)
        same("mask_non_max_suppression", predictions, masks, 0.3)
