"""`rapidmask.compat.scipy_ndimage` against SciPy."""

import importlib.util
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import scipy.ndimage as theirs

import rapidmask
from rapidmask.compat import scipy_ndimage as ours

SHAPES = [(1, 1), (1, 9), (9, 1), (7, 12), (19, 70), (1, 1, 1), (3, 1, 8), (6, 7, 9)]
TYPES = [bool, np.uint8, np.int32, np.float32]


def same(name, *arguments, **options):
    """Assert that both give the same: types, values, order."""
    expected, found = getattr(theirs, name)(*arguments, **options), getattr(ours, name)(*arguments, **options)
    assert_same(found, expected)
    return found


def assert_same(found, expected):
    assert type(found) is type(expected)
    if isinstance(expected, tuple):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)
    elif isinstance(expected, np.ndarray):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
    else:
        assert found == expected


def images(seed, shape):
    rng = np.random.default_rng(seed)
    for dtype in TYPES:
        for density in (0.1, 0.5, 0.9):
            yield (rng.random(shape) < density).astype(dtype) * dtype(1 if dtype is bool else 3)


def structures(rng, ndim):
    """Some structures, of even sizes and without a centre too, each with an origin that SciPy takes."""
    yield None, 0
    yield theirs.generate_binary_structure(ndim, ndim), 0
    for _ in range(6):
        structure = rng.random(tuple(rng.integers(1, 6, ndim))) < 0.6
        structure.flat[0] = True
        yield structure, tuple(int(rng.integers(-(side // 2), (side - 1) // 2 + 1)) for side in structure.shape)


@pytest.mark.parametrize("shape", SHAPES)
def test_labels(shape):
    for image in images(0, shape):
        same("label", image)
        for reach in range(1, image.ndim + 1):
            same("label", image, theirs.generate_binary_structure(image.ndim, reach))
            same("label", image.tolist(), theirs.generate_binary_structure(image.ndim, reach).tolist(), np.int32)
        expected, found = (np.empty(image.shape, np.int32) for _ in range(2))
        assert ours.label(image, None, found) == theirs.label(image, None, expected)
        np.testing.assert_array_equal(found, expected)


def test_objects():
    rng = np.random.default_rng(0)
    for dtype in (np.int32, np.int64, np.int16, np.uint8):
        labels = (rng.integers(0, 7, (20, 30)) * (rng.random((20, 30)) < 0.1)).astype(dtype)
        for most in (0, 2, 12):
            same("find_objects", labels, most)
    same("find_objects", np.zeros((4, 5), int))
    same("find_objects", np.array([[-3, 0], [2, 2]]))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("border_value", [0, 1])
def test_morphology(shape, border_value):
    rng = np.random.default_rng(1)
    for image in images(1, shape):
        for structure, origin in structures(rng, image.ndim):
            for name in ("binary_erosion", "binary_dilation", "binary_opening", "binary_closing"):
                same(name, image, structure, origin=origin, border_value=border_value)
            same("binary_hit_or_miss", image, structure, origin1=origin)
            same("binary_hit_or_miss", image, structure, np.ones((1,) * image.ndim), origin1=origin, origin2=0)
        for reach in range(1, image.ndim + 1):
            structure = theirs.generate_binary_structure(image.ndim, reach)
            for name in ("binary_erosion", "binary_dilation", "binary_opening", "binary_closing"):
                same(name, image, structure, iterations=3, border_value=border_value)


@pytest.mark.parametrize("shape", SHAPES)
def test_holes_spreading_and_distances(shape):
    for image in images(2, shape):
        for structure in (None, theirs.generate_binary_structure(image.ndim, image.ndim)):
            same("binary_fill_holes", image, structure)
            if image.ndim == 2:
                seeds = (image != 0) & (np.random.default_rng(3).random(shape) < 0.2)
                same("binary_propagation", seeds, structure, image)
        if not image.all():
            same("distance_transform_edt", image)
            expected, found = (np.empty(image.shape) for _ in range(2))
            assert ours.distance_transform_edt(image, distances=found) is None
            theirs.distance_transform_edt(image, distances=expected)
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("value", [1, 256, 300, -1, 0.5, 1.5])
def test_masks_to_spread_over_are_of_eight_bits(value):
    over = np.where(np.random.default_rng(6).random((9, 20)) < 0.7, value, 0)
    seeds = np.zeros((9, 20), bool)
    seeds[np.nonzero(over.astype(np.int8))[0][:3], np.nonzero(over.astype(np.int8))[1][:3]] = True
    expected = theirs.binary_propagation(seeds, mask=over)
    np.testing.assert_array_equal(ours.binary_propagation(seeds, mask=over), expected)


def test_results_are_put_into_output():
    image = np.random.default_rng(4).random((9, 20)) < 0.5
    output = np.empty(image.shape, bool)
    assert ours.binary_dilation(image, output=output) is output
    np.testing.assert_array_equal(output, theirs.binary_dilation(image))


IMAGE = np.eye(5, dtype=int)
LEFT_TO_SCIPY = [
    ("label", (IMAGE[0],), {}),
    ("label", (np.zeros((2, 2, 2, 2)),), {}),
    ("label", (np.zeros((0, 3)),), {}),
    ("label", (IMAGE, [[0, 0, 0], [1, 1, 1], [0, 0, 0]]), {}),
    ("label", (IMAGE, None, np.uint8), {}),
    ("label", (IMAGE, None, np.empty((5, 5), np.int64)), {}),
    ("find_objects", (np.ones((2, 2, 2), int),), {}),
    ("binary_erosion", (IMAGE,), {"iterations": 0}),
    ("binary_erosion", (IMAGE,), {"iterations": 2, "origin": 1}),
    ("binary_erosion", (IMAGE,), {"axes": (0, 1)}),
    ("binary_erosion", (IMAGE,), {"mask": IMAGE}),
    ("binary_dilation", (IMAGE,), {"output": np.float64}),
    ("binary_dilation", (IMAGE, np.ones((1, 129))), {}),
    ("binary_fill_holes", (IMAGE, np.eye(3)), {}),
    ("binary_fill_holes", (np.ones((3, 3, 3)), theirs.generate_binary_structure(3, 2)), {}),
    ("binary_fill_holes", (IMAGE,), {"origin": 1}),
    ("binary_propagation", (IMAGE,), {}),
    ("binary_propagation", (np.ones((5, 5)),), {"mask": IMAGE}),
    ("binary_propagation", (IMAGE,), {"mask": np.full((5, 5), 256)}),
    ("binary_propagation", (IMAGE,), {"mask": np.full((5, 5), 0.5)}),
    ("distance_transform_edt", (np.ones((3, 4)),), {}),
    ("distance_transform_edt", (IMAGE,), {"sampling": 2}),
    ("distance_transform_edt", (IMAGE,), {"return_indices": True}),
    ("distance_transform_edt", (np.eye(1, 4096),), {}),
]


@pytest.mark.parametrize(("name", "arguments", "options"), LEFT_TO_SCIPY)
def test_what_is_not_served_is_left_to_scipy(name, arguments, options):
    with pytest.raises(NotImplementedError):
        getattr(ours, name)(*arguments, **options)
    expected = getattr(theirs, name)(*arguments, **options)
    with rapidmask.patch("scipy"):
        assert_same(getattr(theirs, name)(*arguments, **options), expected)


REFUSED = [
    ("label", (IMAGE, np.ones((3, 3, 3))), {}),
    ("label", (np.ones((3, 3), complex),), {}),
    ("find_objects", (IMAGE, 1.5), {}),
    ("find_objects", (IMAGE / 2,), {}),
    ("binary_erosion", (IMAGE,), {"iterations": 1.5}),
    ("binary_erosion", (IMAGE,), {"origin": (3, 0)}),
    ("binary_erosion", (IMAGE,), {"border_value": 1.0}),
    ("binary_dilation", (IMAGE,), {"border_value": None}),
    ("binary_propagation", (IMAGE,), {"mask": IMAGE, "border_value": 0.0}),
    ("binary_erosion", (IMAGE,), {"origin": (0, 0, 0)}),
    ("binary_erosion", (IMAGE, np.ones((0, 3))), {}),
    ("binary_dilation", (IMAGE,), {"output": np.empty((4, 5), bool)}),
    ("distance_transform_edt", (IMAGE,), {"distances": np.empty((5, 5), np.float32)}),
]


@pytest.mark.parametrize(("name", "arguments", "options"), REFUSED)
def test_errors_are_those_of_scipy(name, arguments, options):
    with pytest.raises(Exception) as expected:  # noqa: PT011 - any will do, if it is the same
        getattr(theirs, name)(*arguments, **options)
    with rapidmask.patch("scipy"), pytest.raises(type(expected.value)) as found:
        getattr(theirs, name)(*arguments, **options)
    assert str(found.value) == str(expected.value)


def test_the_tests_of_scipy_pass(tmp_path):
    """Its tests of labels and morphology, with the patch in place once they are collected."""
    (tmp_path / "patched_scipy.py").write_text(
        "import rapidmask\n\n\ndef pytest_collection_finish(session):\n    rapidmask.patch('scipy')\n"
    )
    modules = [f"scipy.ndimage.tests.{name}" for name in ("test_measurements", "test_morphology")]
    if any(importlib.util.find_spec(module) is None for module in modules):
        pytest.skip("this SciPy comes without its tests")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-c",
        os.devnull,
        "-p",
        "patched_scipy",
        "--pyargs",
    ]
    ran = subprocess.run([*command, *modules], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stdout[-4000:]
    assert int(ran.stdout.splitlines()[-1].split(" passed")[0].split()[-1]) > 1000


@pytest.mark.parametrize("name", ["binary_fill_holes", "binary_hit_or_miss", "binary_dilation"])
def test_what_is_returned_beside_an_output(name):
    mask = np.random.default_rng(3).random((7, 12)) < 0.6
    outputs = [np.zeros((7, 12), bool) for _ in range(2)]
    results = [getattr(module, name)(mask, output=out) for module, out in zip((theirs, ours), outputs, strict=True)]
    assert [type(result) for result in results] in ([type(None)] * 2, [np.ndarray] * 2)
    np.testing.assert_array_equal(*outputs)


@pytest.mark.parametrize("order", ["F", "reversed axes"])
def test_labels_into_an_output_of_another_order(order):
    mask = np.random.default_rng(4).random((6, 7)) < 0.4
    with rapidmask.patch("scipy"):
        found = np.zeros((6, 7), np.int32, order="F") if order == "F" else np.zeros((7, 6), np.int32).T
        count = theirs.label(mask, None, found)
    expected = np.zeros_like(found)
    assert count == theirs.label(mask, None, expected)
    np.testing.assert_array_equal(found, expected)


def test_structures_wider_than_those_of_the_kernels():
    mask = np.random.default_rng(5).random((9, 140)) < 0.9
    for structures in [(np.eye(129),), (np.ones((1, 131)), np.eye(3)), (np.ones((101, 101)), None, None, (50, 50))]:
        expected = theirs.binary_hit_or_miss(mask, *structures)
        with rapidmask.patch("scipy"):
            np.testing.assert_array_equal(theirs.binary_hit_or_miss(mask, *structures), expected)


def test_arrays_of_other_libraries_where_scipy_answers_in_them():
    """Which SciPy decides when it is imported."""
    pytest.importorskip("torch")
    program = """
import rapidmask, torch
from scipy import ndimage
mask = torch.eye(5, dtype=torch.bool)
expected = ndimage.binary_dilation(mask), ndimage.label(mask)[0], ndimage.distance_transform_edt(mask)
with rapidmask.patch("scipy"):
    found = ndimage.binary_dilation(mask), ndimage.label(mask)[0], ndimage.distance_transform_edt(mask)
for one, other in zip(found, expected, strict=True):
    assert type(one) is type(other) is torch.Tensor, (type(one), type(other))
    assert one.dtype == other.dtype and torch.equal(one, other)
"""
    environment = os.environ | {"SCIPY_ARRAY_API": "1"}
    ran = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr[-2000:]


def test_patched_functions_are_pickled_by_name():
    with rapidmask.patch("scipy"):
        assert pickle.loads(pickle.dumps(theirs.label)) is theirs.label
        assert pickle.loads(pickle.dumps(theirs.binary_erosion)) is theirs.binary_erosion
