"""Kernels give one result under every schedule: the emulator runs threads in seeded orders, interrupted at atomics.

A missing atomic or barrier shows here as a result that changes with the seed.
"""

import numpy as np
import pytest

import rapidmask
from inputs import hostile_masks, hostile_volumes, spiral
from rapidmask import _dispatch, _emu


@pytest.fixture(params=range(1, 6), ids="seed {}".format)
def schedule(request):
    """Seeded pre-emption with blocks on three host threads."""
    _emu.set_seed(request.param)
    _emu.set_workers(3)
    with _dispatch.serve_host_memory_by(_emu):
        yield
    _emu.set_seed(0)
    _emu.set_workers(2)


def on_cpu(function, *arguments, **options):
    from rapidmask import _cpu

    with _dispatch.serve_host_memory_by(_cpu):
        return function(*arguments, **options)


def assert_same(function, *arguments, **options):
    expected = on_cpu(function, *arguments, **options)
    np.testing.assert_array_equal(function(*arguments, **options), expected)


def test_components(schedule):
    cases = [hostile_masks()[name] for name in ("spiral", "comb", "diagonals", "checkerboard", "width 65")]
    cases.append(np.stack([spiral(33), spiral(33).T, ~spiral(33)]))
    for masks in cases:
        for connectivity in (4, 8):
            assert_same(everything, masks, connectivity)
            assert_same(everything, rapidmask.pack(masks), connectivity)
    for name in ("shells", "snake", "diagonals", "two slices", "60 %"):
        for connectivity in (6, 18, 26):
            assert_same(everything, hostile_volumes()[name], connectivity)


@pytest.fixture
def tiles():
    """No mask fits in a block's shared memory."""
    _emu.set_shared_maximum(0)
    yield
    _emu.set_shared_maximum(227 << 10)


def test_components_in_tiles(schedule, tiles):
    rng = np.random.default_rng(3)
    cases = [np.stack([spiral(65), spiral(65).T, ~spiral(65)]), rng.random((2, 40, 400)) < 0.55]
    cases.append(rng.random((1, 4, 2100)) < 0.6)
    for masks in cases:
        for connectivity in (4, 8):
            assert_same(everything, masks, connectivity)
    assert_same(everything, hostile_volumes()["shells"], 26)
    assert_same(rapidmask.label, rng.random((3000, 3)) < 0.4)
    assert_same(rapidmask.hysteresis_threshold, rng.random((2, 40, 130)), 0.5, 0.95)
    scores = rng.normal(0, 1, (2, 40, 67)).astype(np.float32)
    assert_same(rapidmask.clean_scores, scores, max_hole_area=6, max_sprinkle_area=6)


def everything(masks, connectivity):
    """What the components of some masks decide."""
    found = rapidmask.connected_components(masks, connectivity=connectivity)
    filtered = [
        rapidmask.remove_small_objects(masks, 4, connectivity=connectivity),
        rapidmask.remove_small_holes(masks, 4, connectivity=connectivity),
        rapidmask.fill_holes(masks, connectivity=connectivity),
        rapidmask.keep_largest(masks, connectivity=connectivity),
        rapidmask.keep_largest(masks, 5, connectivity=connectivity),
        rapidmask.clear_border(masks, connectivity=connectivity),
    ]
    parts = [found.labels, found.offsets, found.areas, found.boxes, found.centroids]
    parts.append(rapidmask.label(masks, connectivity=connectivity))
    parts.append(rapidmask.component_areas(masks, connectivity=connectivity))
    parts += [one.data if isinstance(one, rapidmask.PackedMasks) else one for one in filtered]
    return np.concatenate([np.ravel(part).astype(np.float64) for part in parts])


def test_multilabel_and_clean_scores(schedule):
    rng = np.random.default_rng(2)
    classes = np.repeat(rng.integers(0, 3, (2, 21, 23)), 3, 2)
    for connectivity in (4, 8, 26):
        assert_same(rapidmask.label, classes, connectivity=connectivity, multilabel=True)
    scores = rng.normal(0, 1, (3, 21, 67)).astype(np.float32)
    for after in (True, False):
        options = {"max_hole_area": 6, "max_sprinkle_area": 6, "sprinkles_after_holes": after}
        assert_same(rapidmask.clean_scores, scores, **options)


def test_measures(schedule):
    for name in ("one row", "width 129", "spiral"):
        masks = hostile_masks()[name]
        assert_same(rapidmask.mask_areas, masks)
        assert_same(rapidmask.masks_to_boxes, masks)
    rng = np.random.default_rng(7)
    masks = rng.random((3, 150, 70)) < 0.3
    for given in (masks, rapidmask.pack(masks)):
        assert_same(rapidmask.mask_centroids, given)
    assert_same(rapidmask.stability_score, rng.normal(size=(3, 190, 190)).astype(np.float32))


def test_distances(schedule):
    masks = np.random.default_rng(2).random((3, 40, 70)) < 0.9
    far = np.ones((1, 34, 150), bool)
    far[0, 33, [0, 149]] = False
    for case in (masks, far, hostile_masks()["spiral"]):
        for spacing in (1, (1, 3)):
            assert_same(rapidmask.distance_transform, case, spacing=spacing)
        for spacing in (1, (1, 3, 2)):
            assert_same(rapidmask.distance_transform, case, volume=True, spacing=spacing)
    deep = far.transpose(2, 1, 0)
    assert_same(rapidmask.distance_transform, deep, volume=True)
    assert_same(rapidmask.distance_transform, deep, volume=True, spacing=(2, 1, 1))


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_thresholds(schedule, dtype):
    images = (np.random.default_rng(1).normal(size=(3, 41, 67)) * 40 + 100).astype(dtype)
    for method in ("otsu", "li", "yen", "isodata", "triangle", "mean"):
        assert_same(getattr(rapidmask, f"threshold_{method}"), images)
    assert_same(rapidmask.threshold_multiotsu, images.clip(60, 140))
    assert_same(rapidmask.hysteresis_threshold, images, 100, 150)
    assert_same(rapidmask.adaptive_threshold, images, 5, output="uint8")
    assert_same(rapidmask.threshold_local, images, 5)


def test_pairs_of_labels(schedule):
    rng = np.random.default_rng(6)
    target = rng.integers(0, 7, (5, 40)).repeat(6, 0).repeat(9, 1)
    prediction = np.where(rng.random(target.shape) < 0.1, rng.integers(-1, 9, target.shape), target)
    listed = dict.fromkeys(range(1, 7), 3)
    for maximum in (0, 227 << 10):  # counts in the result itself, and in shared memory
        _emu.set_shared_maximum(maximum)
        assert_same(rapidmask.confusion_matrix, prediction, target, 7, ignore_index=2, out_of_range="skip")
        found = rapidmask.panoptic_quality(np.roll(target, 5), listed, target, listed)
        assert found.iou == on_cpu(rapidmask.panoptic_quality, np.roll(target, 5), listed, target, listed).iou
    _emu.set_shared_maximum(227 << 10)
