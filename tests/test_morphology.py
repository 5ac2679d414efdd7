"""Morphology against its definition, SciPy, scikit-image and OpenCV, on every backend, level and form of masks.

Masks are compared exactly. What varies: footprints (asymmetric, of even sides, with holes, larger than the mask),
borders, repeated operations (which merge for boxes and diamonds), planes and volumes.
"""

import numpy as np
import pytest

import rapidmask
from inputs import forms, guarded, hostile_masks, layouts, opened, refuses
from reference import morphology as reference

OPERATIONS = ("dilate", "erode", "opening", "closing", "gradient", "white_tophat", "black_tophat")
BORDERS = ("ignore", "zeros", "ones")
HOSTILE = hostile_masks()


def footprints(rng):
    """Names and footprints of a plane."""
    yield "pixel", np.ones((1, 1), np.uint8)
    yield "square", rapidmask.square(3)
    yield "even", rapidmask.rectangle(2, 4)
    yield "row", rapidmask.rectangle(1, 127)
    yield "column", rapidmask.rectangle(127, 1)
    yield "cross", rapidmask.cross(5)
    yield "disk", rapidmask.disk(6)
    yield "ellipse", rapidmask.ellipse(7, 12)
    yield "ring", rapidmask.disk(4) & ~np.pad(rapidmask.disk(2), 2)
    yield "off centre", np.eye(1, 6, 5, dtype=bool)
    yield "far", np.eye(1, 127, dtype=bool)
    yield "holes", rng.random((6, 9)) < 0.4
    yield "nothing", np.zeros((3, 3), bool)


FOOTPRINTS = dict(footprints(np.random.default_rng(11)))


def expected(operation, masks, footprint, iterations=1, border="ignore"):
    if masks.size == 0:
        return masks.astype(bool)
    axes = np.ndim(footprint)
    flat = masks.reshape(-1, *masks.shape[masks.ndim - axes :])
    results = [reference.morphology(operation, mask, footprint, iterations, border) for mask in flat]
    return np.array(results, bool).reshape(masks.shape)


# Worked examples


def test_dilate_and_erode_by_eye(backend):
    mask = np.array([[0, 0, 0, 0], [0, 5, 0, 0], [0, 0, 0, 0]], np.uint8)
    corner = np.array([[0, 0, 0], [0, 1, 1], [0, 1, 0]])  # the pixel, the one to its right and the one below
    grown = rapidmask.dilate(mask, corner)
    assert grown.dtype == np.uint8
    np.testing.assert_array_equal(grown, [[0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 0, 0]])
    np.testing.assert_array_equal(rapidmask.erode(grown, corner), [[0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]])
    np.testing.assert_array_equal(rapidmask.erode(np.ones((2, 3), bool), corner), np.ones((2, 3)))
    np.testing.assert_array_equal(rapidmask.erode(np.ones((2, 3), bool), corner, border="zeros"), [[1, 1, 0], [0] * 3])
    np.testing.assert_array_equal(rapidmask.dilate(np.zeros((2, 3), bool), corner, border="ones"), [[1] * 3, [1, 0, 0]])


def test_boundary_by_eye(backend):
    mask = np.ones((5, 6), bool)
    mask[0, 0] = False
    np.testing.assert_array_equal(
        rapidmask.boundary(mask), [[0, 1, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0], *[[0] * 6] * 3]
    )  # outside decides nothing
    assert rapidmask.boundary(mask, width=2).sum() == 8
    assert rapidmask.boundary(mask, width=100).sum() == mask.sum()


# Against the definition


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("name", FOOTPRINTS)
def test_footprints(backend, rng, name, operation, border):
    footprint = FOOTPRINTS[name]
    for shape in ((2, 5, 70), (1, 40, 13)):
        masks = rng.random(shape) < 0.7
        for iterations in (1, 3):
            wanted = expected(operation, masks, footprint, iterations, border)
            for _, given, part in forms(masks, 8):
                result = getattr(rapidmask, operation)(given, footprint, iterations=iterations, border=border)
                np.testing.assert_array_equal(opened(result, given), wanted[part])


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_masks(backend, name):
    masks = np.asarray(HOSTILE[name])
    for footprint in (rapidmask.square(3), rapidmask.disk(2), FOOTPRINTS["holes"]):
        for operation in OPERATIONS:
            wanted = expected(operation, masks, footprint)
            np.testing.assert_array_equal(getattr(rapidmask, operation)(masks, footprint), wanted)
            packed = getattr(rapidmask, operation)(rapidmask.pack(masks), footprint)
            np.testing.assert_array_equal(rapidmask.unpack(packed), wanted)


@pytest.mark.parametrize("name", ["square", "disk", "holes", "even"])
def test_levels_and_layouts(isa, rng, name):
    footprint = FOOTPRINTS[name]
    masks = rng.random((2, 33, 300)) < 0.6
    for operation in ("dilate", "erode", "closing", "gradient"):
        wanted = expected(operation, masks, footprint)
        for _, given in layouts(masks):
            np.testing.assert_array_equal(getattr(rapidmask, operation)(given, footprint), wanted)


@pytest.mark.parametrize("width", [1, 63, 64, 65, 127, 128, 129, 511, 512, 513, 1100])
def test_widths(isa, rng, width):
    masks = rng.random((1, 9, width)) < 0.8
    for footprint in (rapidmask.square(3), rapidmask.square(15), rapidmask.disk(5)):
        np.testing.assert_array_equal(rapidmask.dilate(~masks, footprint), expected("dilate", ~masks, footprint))
        np.testing.assert_array_equal(rapidmask.erode(masks, footprint), expected("erode", masks, footprint))


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("name", ["square", "even", "cross", "off centre"])
def test_many_iterations_are_so_many_operations(backend, rng, name, border):
    footprint = FOOTPRINTS[name] if name != "cross" else rapidmask.cross(3)
    mask = rng.random((30, 90)) < 0.02
    for iterations in (0, 2, 7, 40):
        for operation in ("dilate", "erode"):
            given = mask if operation == "dilate" else ~mask
            one_by_one = given
            for _ in range(iterations):
                one_by_one = expected(operation, one_by_one, footprint, 1, border)
            result = getattr(rapidmask, operation)(given, footprint, iterations=iterations, border=border)
            np.testing.assert_array_equal(result, one_by_one)
    endless = rapidmask.dilate(mask, rapidmask.square(3), iterations=10**12)
    assert endless.all() == mask.any()


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_volumes(backend, rng, operation, border):
    masks = rng.random((2, 5, 6, 70)) < 0.6
    for footprint in (
        rapidmask.ball(2),
        np.ones((3, 3, 3)) > 0,
        np.ones((1, 2, 3), np.uint8),
        rng.random((4, 3, 5)) < 0.4,
    ):
        wanted = expected(operation, masks, footprint, 2, border)
        for _, given, part in forms(masks, 26):
            result = getattr(rapidmask, operation)(given, footprint, iterations=2, border=border)
            np.testing.assert_array_equal(opened(result, given), wanted[part].reshape(opened(result, given).shape))


def test_largest_footprint(backend, rng):
    footprint = rng.random((127, 127)) < 0.5
    mask = rng.random((60, 150)) < 0.0005
    np.testing.assert_array_equal(rapidmask.dilate(mask, footprint), expected("dilate", mask, footprint))
    if backend == "cpu":
        np.testing.assert_array_equal(rapidmask.erode(~mask, footprint), expected("erode", ~mask, footprint))


def test_threads_give_the_same(threads, rng):
    mask = rng.random((1500, 2100)) < 0.1
    for footprint in (rapidmask.square(15), rapidmask.disk(7)):
        for operation in ("dilate", "opening", "gradient"):
            results = []
            for count in (1, 2, 5):
                threads(count)
                results.append(getattr(rapidmask, operation)(mask, footprint))
            np.testing.assert_array_equal(results[0], results[1])
            np.testing.assert_array_equal(results[0], results[2])


def test_many_masks(backend, rng):
    masks = rng.random((65_537 if backend == "cpu" else 300, 3, 5)) < 0.4
    result = rapidmask.dilate(masks, rapidmask.square(3))
    wanted = np.zeros((len(masks), 5, 7), bool)
    for dy in range(3):
        for dx in range(3):
            wanted[:, dy : dy + 3, dx : dx + 5] |= masks
    np.testing.assert_array_equal(result, wanted[:, 1:-1, 1:-1])


# Laws


@pytest.mark.parametrize("name", [name for name in FOOTPRINTS if name != "nothing"])
def test_laws(backend, rng, name):
    footprint = FOOTPRINTS[name]
    masks = rng.random((2, 20, 70)) < 0.5
    others = rng.random((2, 20, 70)) < 0.5
    opening, closing = rapidmask.opening(masks, footprint), rapidmask.closing(masks, footprint)
    assert (opening <= masks).all()
    np.testing.assert_array_equal(rapidmask.opening(opening, footprint), opening)
    np.testing.assert_array_equal(rapidmask.closing(closing, footprint), closing)
    if all(size % 2 for size in footprint.shape):  # erosion is the dilation of the background, turned around
        turned = np.ascontiguousarray(footprint[::-1, ::-1])
        np.testing.assert_array_equal(rapidmask.erode(masks, footprint), ~rapidmask.dilate(~masks, turned))
    assert (rapidmask.erode(masks, footprint, border="ones") <= rapidmask.erode(masks, footprint)).all()
    union = rapidmask.dilate(masks | others, footprint)
    np.testing.assert_array_equal(union, rapidmask.dilate(masks, footprint) | rapidmask.dilate(others, footprint))


# The libraries that users come from


@pytest.mark.parametrize("name", [name for name in FOOTPRINTS if name not in ("nothing", "even", "off centre", "far")])
def test_against_scipy(rng, name):
    ndimage = pytest.importorskip("scipy.ndimage")
    footprint = FOOTPRINTS[name]
    mask = rng.random((60, 130)) < 0.5
    for border, outside in (("zeros", 0), ("ones", 1)):
        for iterations in (1, 2):
            arguments = {"iterations": iterations, "border_value": outside}
            theirs = ndimage.binary_dilation(mask, footprint, **arguments)
            ours = rapidmask.dilate(mask, footprint, iterations=iterations, border=border)
            np.testing.assert_array_equal(ours, theirs)
            theirs = ndimage.binary_erosion(mask, footprint, **arguments)
            if all(size % 2 for size in footprint.shape):  # SciPy's anchor of an even side lies elsewhere for erosions
                ours = rapidmask.erode(mask, footprint, iterations=iterations, border=border)
                np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("name", ["square", "cross", "disk", "ring"])
def test_against_skimage(rng, name):
    morphology = pytest.importorskip("skimage.morphology")
    footprint = np.asarray(FOOTPRINTS[name])
    mask = rng.random((60, 130)) < 0.5
    for operation in ("dilation", "erosion", "opening", "closing"):
        theirs = getattr(morphology, operation)(mask, footprint, mode="ignore")
        ours = getattr(rapidmask, {"dilation": "dilate", "erosion": "erode"}.get(operation, operation))(mask, footprint)
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("name", ["square", "cross", "disk", "ellipse", "ring"])
def test_against_opencv(rng, name):
    cv2 = pytest.importorskip("cv2")
    footprint = np.asarray(FOOTPRINTS[name]).astype(np.uint8)
    if any(size % 2 == 0 for size in footprint.shape):
        footprint = footprint[:, :-1]
    mask = (rng.random((60, 130)) < 0.5).astype(np.uint8)
    turned = np.ascontiguousarray(footprint[::-1, ::-1])
    np.testing.assert_array_equal(rapidmask.dilate(mask, footprint), cv2.dilate(mask, turned))
    np.testing.assert_array_equal(rapidmask.erode(mask, footprint), cv2.erode(mask, footprint))
    np.testing.assert_array_equal(
        rapidmask.dilate(mask, footprint, iterations=3), cv2.dilate(mask, turned, iterations=3)
    )


def test_footprints_are_those_of_skimage_and_opencv():
    morphology = pytest.importorskip("skimage.morphology")
    cv2 = pytest.importorskip("cv2")
    for r in range(12):
        np.testing.assert_array_equal(rapidmask.disk(r), morphology.disk(r))
        np.testing.assert_array_equal(rapidmask.diamond(r), morphology.diamond(r))
        np.testing.assert_array_equal(rapidmask.ball(r), morphology.ball(r))
    for h in range(1, 20):
        np.testing.assert_array_equal(rapidmask.cross(h), cv2.getStructuringElement(cv2.MORPH_CROSS, (h, h)))
        for w in range(1, 20):
            np.testing.assert_array_equal(rapidmask.ellipse(h, w), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (w, h)))
            np.testing.assert_array_equal(rapidmask.rectangle(h, w), np.ones((h, w)))


# Arguments


def test_results_go_where_they_are_told(backend, rng):
    masks = rng.random((2, 9, 70)) < 0.5
    out, untouched = guarded(masks.shape, bool)
    assert rapidmask.opening(masks, rapidmask.square(3), out=out) is out
    np.testing.assert_array_equal(out, expected("opening", masks, rapidmask.square(3)))
    assert untouched()


def test_errors():
    mask = np.zeros((4, 5), bool)
    square = rapidmask.square(3)
    with refuses(ValueError, "erode: border must be 'ignore', 'zeros' or 'ones', got 'edge'"):
        rapidmask.erode(mask, square, border="edge")
    with refuses(ValueError, "dilate: iterations must be at least 0, got -1"):
        rapidmask.dilate(mask, square, iterations=-1)
    with refuses(TypeError, "dilate: iterations must be an integer, got 1.5"):
        rapidmask.dilate(mask, square, iterations=1.5)
    with refuses(TypeError, "dilate: footprint must hold booleans or integers, got float64"):
        rapidmask.dilate(mask, np.ones((3, 3)))
    with refuses(ValueError, "dilate: footprint must have 2 or 3 dimensions of at most 127, got shape (128, 1)"):
        rapidmask.dilate(mask, np.ones((128, 1), bool))
    with pytest.raises(ValueError, match="at least 3 dimensions"):
        rapidmask.dilate(mask, rapidmask.ball(1))
    with pytest.raises(TypeError, match="bool or uint8"):
        rapidmask.dilate(mask.astype(np.float32), square)
