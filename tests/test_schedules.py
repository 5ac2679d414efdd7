"""Kernels give one result under every schedule: the emulator runs threads in seeded orders, interrupted at atomics.

A missing atomic or barrier shows here as a result that changes with the seed.
"""

import numpy as np
import pytest

import rapidmask
from inputs import hostile_masks, spiral
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
            assert_same(rapidmask.label, masks, connectivity=connectivity)
            assert_same(rapidmask.remove_small_objects, masks, 4, connectivity=connectivity)
            assert_same(rapidmask.fill_holes, masks, connectivity=connectivity)


def test_measures(schedule):
    for name in ("one row", "width 129", "spiral"):
        masks = hostile_masks()[name]
        assert_same(rapidmask.mask_areas, masks)
        assert_same(rapidmask.masks_to_boxes, masks)


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
