"""Binary morphology with any footprint."""

import itertools

import numpy as np
import pytest

import rapidmask
from inputs import guarded, hostile_masks, layouts, refuses
from reference import morphology as reference

HOSTILE = hostile_masks()
OPERATIONS = ("dilate", "erode", "opening", "closing", "gradient", "white_tophat", "black_tophat")
BORDERS = ("ignore", "zeros", "ones")


def single(h, w, y, x):
    """A footprint with one element set."""
    footprint = np.zeros((h, w), np.uint8)
    footprint[y, x] = 1
    return footprint


FOOTPRINTS = {
    "square 3": np.ones((3, 3), np.uint8),
    "square 2": np.ones((2, 2), bool),
    "rectangle 4×5": np.ones((4, 5), int),
    "row": np.ones((1, 7)).astype(np.int8),
    "column": np.ones((9, 1), np.uint64) * 2**40,
    "wide": np.ones((1, 127), np.uint8),
    "tall": np.ones((127, 1), np.uint8),
    "cross": rapidmask.cross(3),
    "even cross": rapidmask.cross(4),
    "diamond": rapidmask.diamond(3),
    "disk": rapidmask.disk(4),
    "ellipse": rapidmask.ellipse(5, 12),
    "the pixel": [[1]],
    "left": [[1, 0, 0]],
    "down": [[0], [0], [255]],
    "corner": single(5, 6, 0, 5),
    "far left": single(1, 127, 0, 0),
    "far down right": single(127, 127, 126, 126),
    "triangle": np.tri(5, dtype=np.uint8),
    "hole": [[1, 1, 1], [1, 0, 1], [1, 1, 1]],
    "two holes": [[1, 0, 1, 0, 1], [0, 0, 0, 0, 0], [1, 1, 0, 1, 0]],
    "one side": [[0, 0, 0, 1, 1, 1, 1], [0, 0, 0, 0, 1, 1, 0], [0, 0, 0, 1, 0, 0, 0]],
    "nothing": np.zeros((3, 3), bool),
    "no elements": np.zeros((0, 3), bool),
}


def expect(operation, masks, footprint, iterations=1, border="ignore"):
    """The operation on each mask of a batch, by its definition."""
    masks = np.asarray(masks)
    rank = np.asarray(footprint).ndim
    if masks.ndim == rank:
        return reference.morphology(operation, masks, footprint, iterations, border)
    results = [expect(operation, mask, footprint, iterations, border) for mask in masks]
    return np.stack(results) if results else np.zeros(masks.shape, bool)


def apply(operation, masks, *footprint, **settings):
    return getattr(rapidmask, operation)(masks, *footprint, **settings)


def check(operation, masks, footprint, iterations=1, border="ignore"):
    """Assert the operation on dense masks, in their type and with values 0 and 1, and return the result."""
    found = apply(operation, masks, footprint, iterations=iterations, border=border)
    assert found.dtype == masks.dtype
    assert found.shape == masks.shape
    np.testing.assert_array_equal(found.view(np.uint8), expect(operation, masks, footprint, iterations, border))
    return found


def blobs(rng, shape):
    """Masks of rounded regions with holes, as models give them."""
    ndimage = pytest.importorskip("scipy.ndimage")
    noise = ndimage.gaussian_filter(rng.normal(0, 1, shape), [0] * (len(shape) - 2) + [2, 2])
    return noise > np.quantile(noise, 0.5)


# Worked examples

MASK = np.array(
    [
        [0, 0, 0, 0, 0, 0],
        [0, 1, 1, 1, 0, 0],
        [0, 1, 1, 1, 0, 0],
        [0, 1, 1, 1, 0, 1],
    ],
    np.uint8,
)
BY_EYE = {
    "dilate": ["111110", "111110", "111111", "111111"],
    "erode": ["000000", "000000", "001000", "001000"],
    "opening": ["000000", "011100", "011100", "011100"],
    "closing": ["111100", "111100", "111100", "111111"],  # beyond the border nothing keeps a pixel from being filled
    "gradient": ["111110", "111110", "110111", "110111"],
    "white_tophat": ["000000", "000000", "000000", "000001"],
    "black_tophat": ["111100", "100000", "100000", "100010"],
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_operations_by_eye(backend, operation):
    found = apply(operation, MASK, np.ones((3, 3), np.uint8))
    assert ["".join(map(str, row)) for row in found] == BY_EYE[operation]


def test_boundary_by_eye(backend):
    found = rapidmask.boundary(MASK)
    assert ["".join(map(str, row)) for row in found] == ["000000", "011100", "010100", "010101"]
    np.testing.assert_array_equal(rapidmask.boundary(MASK, width=2), MASK)
    assert not rapidmask.boundary(MASK, width=0).any()
    assert not rapidmask.boundary(np.ones((4, 70), bool), width=5).any()  # the border of the image is none


def test_offsets_by_eye(backend):
    # The footprint's element after its centre moves the mask on when it dilates, and looks ahead when it erodes.
    mask = np.array([[0, 1, 1, 0, 0]], bool)
    np.testing.assert_array_equal(rapidmask.dilate(mask, [[0, 0, 1]]), [[0, 0, 1, 1, 0]])
    np.testing.assert_array_equal(rapidmask.erode(mask, [[0, 0, 1]]), [[1, 1, 0, 0, 1]])
    np.testing.assert_array_equal(rapidmask.dilate(mask, [[1, 1]]), [[1, 1, 1, 0, 0]])  # offsets -1 and 0
    np.testing.assert_array_equal(rapidmask.erode(mask, [[1, 1]]), [[0, 0, 1, 0, 0]])


def test_borders_by_eye(backend):
    mask = np.array([[1, 0, 0, 0, 1]], bool)
    row = [[1, 1, 1]]
    np.testing.assert_array_equal(rapidmask.erode(~mask, row, border="zeros"), [[0, 0, 1, 0, 0]])
    np.testing.assert_array_equal(rapidmask.erode(mask | True, row, border="ignore"), [[1, 1, 1, 1, 1]])
    np.testing.assert_array_equal(rapidmask.erode(mask | True, row, border="zeros"), [[0, 1, 1, 1, 0]])
    np.testing.assert_array_equal(rapidmask.dilate(mask & False, row, border="ones"), [[1, 0, 0, 0, 1]])
    np.testing.assert_array_equal(rapidmask.dilate(mask & False, row, border="zeros"), [[0, 0, 0, 0, 0]])
    # Each iteration has the border anew.
    np.testing.assert_array_equal(rapidmask.erode(mask | True, row, iterations=2, border="zeros"), [[0, 0, 1, 0, 0]])


def test_empty_footprints_by_eye(backend):
    mask = np.array([[1, 0, 1]], np.uint8)
    for footprint in (np.zeros((3, 3)) > 0, np.zeros((0, 0), bool), np.zeros((3, 0, 2), bool)):
        masks = mask if footprint.ndim == 2 else mask[None]
        assert not rapidmask.dilate(masks, footprint).any()
        assert rapidmask.erode(masks, footprint).all()
        assert not rapidmask.opening(masks, footprint).any()
        assert rapidmask.closing(masks, footprint).all()


def test_volumes_by_eye(backend):
    volume = np.zeros((3, 3, 3), bool)
    volume[1, 1, 1] = True
    np.testing.assert_array_equal(rapidmask.dilate(volume, rapidmask.ball(1)), rapidmask.ball(1))
    above = np.zeros((3, 1, 1), bool)
    above[0] = True  # the plane before
    np.testing.assert_array_equal(rapidmask.dilate(volume, above), np.roll(volume, -1, 0))
    expected = np.roll(volume, 1, 0)
    expected[0] = True
    np.testing.assert_array_equal(rapidmask.erode(volume, above), expected)


# Against the definition


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_masks(backend, isa, name):
    masks = np.asarray(HOSTILE[name])
    some = ["square 3", "disk", "two holes"]
    for footprint, border, dtype in zip(some, BORDERS, (bool, np.uint8, np.uint8), strict=True):
        for operation in ("dilate", "erode", "opening", "black_tophat"):
            for _, view in layouts(masks.astype(dtype) * dtype(5)):
                found = apply(operation, view, FOOTPRINTS[footprint], border=border)
                np.testing.assert_array_equal(
                    found.view(np.uint8), expect(operation, masks, FOOTPRINTS[footprint], 1, border)
                )
                if backend != "cpu":
                    break


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("name", FOOTPRINTS)
def test_footprints(backend, isa, rng, name, border):
    shapes = [(1, 9, 70)] if backend == "emu" else [(2, 9, 70), (1, 37, 130), (1, 3, 3), (1, 1, 64)]
    for shape in shapes:
        masks = rng.random(shape) < rng.choice([0.1, 0.5, 0.9])
        for operation in OPERATIONS:
            check(operation, masks, FOOTPRINTS[name], 1, border)
        for operation in ("dilate", "erode"):
            check(operation, masks, FOOTPRINTS[name], 3, border)


@pytest.mark.parametrize("width", [1, 63, 64, 65, 127, 128, 200, 513, 900])
def test_widths(backend, isa, rng, width):
    masks = rng.random((2, 6, width)) < 0.5
    footprints = [rng.random((3, 5)) < 0.5, rng.random((2, 127)) < 0.9, single(1, 127, 0, int(rng.integers(127)))]
    for footprint, border in itertools.product(footprints, BORDERS):
        for operation in ("dilate", "erode"):
            check(operation, masks.view(np.uint8), footprint, 1, border)


def test_random_footprints(backend, isa, rng):
    for turn in range(6 if backend == "emu" else 60):
        h, w = rng.integers(1, 6 if turn % 3 else 128, 2)
        footprint = rng.random((h, w)) < rng.random()
        shape = (1, 5, 67) if backend == "emu" else (2, int(rng.integers(1, 30)), int(rng.integers(1, 200)))
        check(OPERATIONS[turn % 7], rng.random(shape) < rng.random(), footprint, 1, BORDERS[turn % 3])


def test_the_largest_footprints(backend, levels, rng):
    masks = rng.random((1, 4, 140) if backend == "emu" else (1, 20, 140)) < 0.999
    square, noise = np.ones((127, 127), bool), rng.random((127, 127)) < 0.5
    for footprint in (square, noise, rapidmask.disk(63), rapidmask.ellipse(127, 99)):
        for (operation, given), border in itertools.product((("erode", masks), ("dilate", ~masks)), BORDERS):
            expected = expect(operation, given, footprint, 1, border)
            for level in levels() if backend == "cpu" else ("of no level",):
                found = apply(operation, given, footprint, border=border)
                np.testing.assert_array_equal(found, expected, err_msg=level)


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("iterations", [0, 1, 2, 3, 5, 20, 70])
def test_iterations(backend, isa, rng, iterations, border):
    # Merged where that is possible, with the result of single ones, at the border too.
    names = ("square 3", "rectangle 4×5", "left", "diamond", "cross", "column", "hole", "one side", "nothing", "corner")
    masks = rng.random((1, 7, 66) if backend == "emu" else (1, 23, 150)) < 0.97
    for name in names:
        if iterations > 5 and name in ("hole", "one side", "nothing") and backend != "cpu":
            continue
        check("erode", masks, FOOTPRINTS[name], iterations, border)
        check("dilate", ~masks, FOOTPRINTS[name], iterations, border)
        if iterations < 5:
            check("opening", masks, FOOTPRINTS[name], iterations, border)
            check("gradient", masks.view(np.uint8), FOOTPRINTS[name], iterations, border)


def test_very_many_iterations(isa, rng):
    masks = rng.random((2, 40, 90)) < 0.01
    masks[:, 20, 45] = True
    for iterations in (10**3, 10**9, 2**70):
        assert rapidmask.dilate(masks, rapidmask.square(3), iterations=iterations).all()
        assert rapidmask.dilate(masks, rapidmask.cross(3), iterations=iterations).all()
        assert not rapidmask.erode(masks, np.ones((2, 2)) > 0, iterations=iterations).any()
        assert not rapidmask.dilate(masks, [[1, 0, 0]], iterations=iterations).any()
    # Not merged: to the end where nothing changes any more, and back and forth.
    hole = FOOTPRINTS["hole"]
    expected = expect("dilate", masks, hole, 200)
    for iterations in (200, 10**9):
        np.testing.assert_array_equal(rapidmask.dilate(masks, hole, iterations=iterations), expected)
    stripes = np.zeros((1, 4, 130), bool)
    stripes[..., 1::2] = True
    for operation in ("dilate", "erode", "gradient", "black_tophat", "white_tophat"):
        for iterations in (200, 201):
            check(operation, stripes, [[1, 0, 1]], iterations)
        found = apply(operation, stripes, [[1, 0, 1]], iterations=10**9 + 1)
        np.testing.assert_array_equal(found, expect(operation, stripes, [[1, 0, 1]], 201))


@pytest.mark.parametrize("border", BORDERS)
def test_volumes(backend, isa, rng, border):
    footprints = [
        rapidmask.ball(1),
        rapidmask.ball(2),
        np.ones((3, 3, 3), bool),
        np.ones((2, 1, 1), bool),
        np.ones((1, 3, 3), bool),
        np.ones((5, 6, 7), bool),
        rng.random((3, 2, 4)) < 0.4,
        np.ones((127, 1, 2), bool),
    ]
    shapes = [(3, 4, 66)] if backend == "emu" else [(2, 4, 9, 70), (1, 7, 65), (6, 1, 3), (3, 2, 0, 4)]
    for shape, footprint in itertools.product(shapes, footprints):
        masks = rng.random(shape) < rng.choice([0.3, 0.8])
        for operation in ("dilate", "erode", "opening", "gradient"):
            check(operation, masks, footprint, 1, border)
        check("erode", masks, footprint, 2, border)


def test_batches(backend, rng):
    for shape in ((2, 3, 5, 70), (0, 4, 5), (3, 0, 5), (2, 4, 0), (5, 70)):
        masks = rng.random(shape) < 0.5
        for operation in OPERATIONS:
            check(operation, masks, rapidmask.cross(3))
    for shape in ((2, 3, 4, 5, 6), (0, 2, 4, 5), (2, 0, 4, 5), (2, 3, 4, 0)):
        masks = rng.random(shape) < 0.5
        check("opening", masks, rapidmask.ball(1))


def test_many_tiny_masks(backend, rng):
    count = 300 if backend == "emu" else 65_600  # more than a grid's second dimension
    masks = rng.random((count, 3, 5)) < 0.5
    found = rapidmask.closing(masks, rapidmask.square(3))
    for i in (0, 1, 77, count - 2, count - 1):
        np.testing.assert_array_equal(found[i], expect("closing", masks[i], rapidmask.square(3)))
    stacked = np.zeros((count, 7, 9), bool)  # the same with a frame, as one tall mask
    stacked[:, 2:-2, 2:-2] = masks
    tall = rapidmask.dilate(stacked.reshape(-1, 9), rapidmask.square(3)).reshape(stacked.shape)
    np.testing.assert_array_equal(rapidmask.dilate(masks, rapidmask.square(3)), tall[:, 2:-2, 2:-2])


@pytest.mark.parametrize("shape", [(3, 700, 1111), (1, 3, 400_000), (900, 40, 64), (1, 6, 300, 500)])
def test_bands_of_several_threads(isa, threads, rng, shape):
    masks = rng.random(shape) < 0.8
    footprint = rapidmask.ball(2) if len(shape) == 4 else rapidmask.disk(9)
    calls = [(operation, form) for operation in ("dilate", "opening", "gradient", "white_tophat") for form in "dp"]
    results = {}
    for count in (1, 2, 7):
        threads(count)
        for operation, form in calls:
            given = masks if form == "d" else rapidmask.pack(masks)
            found = apply(operation, given, footprint, iterations=2)
            found = found if form == "d" or len(shape) == 4 else found.to_dense()
            if form == "p" and len(shape) == 4:
                found = found.to_dense().reshape(shape)  # the six slices are one volume
            np.testing.assert_array_equal(found, results.setdefault(operation, found))


# Forms


@pytest.mark.parametrize("operation", [*OPERATIONS, "boundary"])
def test_packed_and_run_length_encoded_masks(backend, isa, rng, operation):
    for name in ("no masks", "no columns", "one pixel", "all foreground", "spiral", "one row", "width 64", "width 129"):
        masks = np.asarray(HOSTILE[name])
        arguments = () if operation == "boundary" else (rapidmask.disk(2),)
        expected = apply(operation, masks, *arguments)
        packed = apply(operation, rapidmask.pack(masks), *arguments)
        assert packed == rapidmask.pack(expected)
        runs = apply(operation, rapidmask.rle_encode(masks), *arguments)
        assert runs == rapidmask.rle_encode(expected)


def test_slices_of_packed_masks_are_one_volume(backend, isa, rng):
    volume = rng.random((5, 4, 70)) < 0.5
    for operation in OPERATIONS:
        expected = rapidmask.pack(expect(operation, volume, rapidmask.ball(1)))
        assert apply(operation, rapidmask.pack(volume), rapidmask.ball(1)) == expected
        assert apply(operation, rapidmask.rle_encode(volume), rapidmask.ball(1)) == expected.to_rle()


def test_footprints_of_other_kinds(backend):
    mask = np.array([[0, 0, 1, 0, 0]], np.uint8)
    expected = [[0, 1, 1, 0, 0]]
    wide = np.zeros((1, 9), np.uint8)
    wide[0, ::3] = [1, 1, 0]
    for footprint in (
        [[1, 1, 0]], ((True, True, False),), np.array([[-1, 256, 0]]), np.array([[1, 1, 0]], ">u2"),
        wide[:, ::3], np.asfortranarray(wide[:, ::3]), np.array([[0, 1, 1]], bool)[:, ::-1],
    ):  # fmt: skip
        np.testing.assert_array_equal(rapidmask.dilate(mask, footprint), expected)
    torch = pytest.importorskip("torch")
    np.testing.assert_array_equal(rapidmask.dilate(mask, torch.tensor([[1, 1, 0]])), expected)
    found = rapidmask.dilate(torch.from_numpy(mask), [[1, 1, 0]])
    assert isinstance(found, torch.Tensor)
    np.testing.assert_array_equal(found.numpy(), expected)


# out=


@pytest.mark.parametrize("dtype", [bool, np.uint8])
def test_out(backend, isa, rng, dtype):
    for shape in ((2, 3, 5), (1, 40, 64), (3, 2, 65), (5, 200), (1, 1), (2, 0, 4), (0, 3, 3)):
        masks = (rng.random(shape) < 0.5).astype(dtype)
        for operation in ("dilate", "white_tophat"):
            out, untouched = guarded(shape, dtype)
            assert apply(operation, masks, rapidmask.square(3), out=out) is out
            np.testing.assert_array_equal(out, expect(operation, masks, rapidmask.square(3)))
            assert untouched()
        out, untouched = guarded(shape, dtype, guard=61)
        assert rapidmask.boundary(masks, out=out) is out
        np.testing.assert_array_equal(out, rapidmask.boundary(masks))
        assert untouched()


# Laws


@pytest.mark.parametrize("name", FOOTPRINTS)
def test_laws(backend, isa, rng, name):
    footprint = np.asarray(FOOTPRINTS[name])
    masks = rng.random((1, 11, 66) if backend == "emu" else (3, 30, 131)) < 0.6
    other = rng.random(masks.shape) < 0.8
    dilated, eroded = rapidmask.dilate(masks, footprint), rapidmask.erode(masks, footprint)
    opened, closed = rapidmask.opening(masks, footprint), rapidmask.closing(masks, footprint)
    assert (opened <= masks).all()
    assert (masks <= closed).all()
    np.testing.assert_array_equal(rapidmask.opening(opened, footprint), opened)
    np.testing.assert_array_equal(rapidmask.closing(closed, footprint), closed)
    # The two are adjoint, monotone and dual: erosion is the dilation of the complement by the turned footprint.
    assert (masks <= rapidmask.erode(dilated, footprint)).all()
    assert (rapidmask.dilate(eroded, footprint) <= masks).all()
    assert (rapidmask.dilate(masks & other, footprint) <= dilated).all()
    either = dilated | rapidmask.dilate(other, footprint)
    np.testing.assert_array_equal(rapidmask.dilate(masks | other, footprint), either)
    if all(side % 2 == 1 for side in footprint.shape):
        turned = footprint[::-1, ::-1]
        np.testing.assert_array_equal(~rapidmask.dilate(~masks, turned), eroded)
        for border, opposite in (("zeros", "ones"), ("ones", "zeros")):
            found = ~rapidmask.dilate(~masks, turned, border=opposite, iterations=2)
            np.testing.assert_array_equal(rapidmask.erode(masks, footprint, border=border, iterations=2), found)


def test_boundary_is_its_formula(backend, isa, rng):
    masks = blobs(rng, (1, 20, 70) if backend == "emu" else (2, 60, 190))
    for width in (0, 1, 2, 7, 100):
        square = np.ones((2 * min(width, 63) + 1,) * 2, bool)
        expected = masks & ~expect("erode", masks, square)
        found = rapidmask.boundary(masks, width=width)
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(found, masks & ~rapidmask.erode(masks, rapidmask.square(3), iterations=width))


# The libraries that users come from


@pytest.mark.parametrize("name", [name for name in FOOTPRINTS if name not in ("nothing", "no elements")])
def test_scipy(levels, rng, name):
    ndimage = pytest.importorskip("scipy.ndimage")
    footprint = np.asarray(FOOTPRINTS[name]) != 0
    for (shape, iterations), border in itertools.product((((41, 130), 1), ((9, 65), 3)), BORDERS):
        mask = rng.random(shape) < 0.7
        for ours, theirs in (
            ("dilate", ndimage.binary_dilation), ("erode", ndimage.binary_erosion),
            ("opening", ndimage.binary_opening), ("closing", ndimage.binary_closing),
        ):  # fmt: skip
            if border == "ignore" and ours in ("opening", "closing"):
                continue  # SciPy has one value for both
            value = border == "ones" or (border == "ignore" and ours == "erode")
            expected = theirs(mask, footprint, iterations=iterations, border_value=value)
            for level in levels():
                found = apply(ours, mask, footprint, iterations=iterations, border=border)
                np.testing.assert_array_equal(found, expected, err_msg=level)


def test_scipy_volumes(isa, rng):
    ndimage = pytest.importorskip("scipy.ndimage")
    volume = rng.random((12, 20, 70)) < 0.8
    boxes = [np.ones((3, 3, 3), bool), np.ones((2, 4, 3), bool)]
    for footprint in (rapidmask.ball(1), rapidmask.ball(3), *boxes, rng.random((3, 4, 5)) < 0.5):
        for times in (1, 2, 4):
            eroded = rapidmask.erode(volume, footprint, iterations=times, border="zeros")
            np.testing.assert_array_equal(eroded, ndimage.binary_erosion(volume, footprint, times))
            dilated = rapidmask.dilate(~volume, footprint, iterations=times)
            np.testing.assert_array_equal(dilated, ndimage.binary_dilation(~volume, footprint, times))


def padded(footprint, *, before):
    """The footprint with odd sides, an even one padded before its first element or after its last."""
    missing = [1 - side % 2 for side in footprint.shape]
    return np.pad(footprint, [(one, 0) if before else (0, one) for one in missing])


@pytest.mark.parametrize("name", [name for name in FOOTPRINTS if name not in ("nothing", "no elements")])
def test_skimage(rng, name):
    # Its dilation looks at p + o too, and both have an even side's centre before the middle.
    morphology = pytest.importorskip("skimage.morphology")
    footprint = (np.asarray(FOOTPRINTS[name]) != 0).astype(np.uint8)
    mask = blobs(rng, (60, 130)).astype(np.uint8)
    dilated = morphology.dilation(mask, footprint, mode="ignore")
    np.testing.assert_array_equal(rapidmask.dilate(mask, footprint[::-1, ::-1]), dilated)
    eroded = morphology.erosion(mask, footprint, mode="ignore") != 0  # 255 where it sees nothing of the mask
    np.testing.assert_array_equal(rapidmask.erode(mask, padded(footprint, before=True)), eroded)
    opened = morphology.opening(mask, footprint, mode="ignore") != 0
    np.testing.assert_array_equal(rapidmask.opening(mask, padded(footprint, before=True)), opened)
    closed = morphology.closing(mask, footprint, mode="ignore") != 0
    np.testing.assert_array_equal(rapidmask.closing(mask, footprint[::-1, ::-1]), closed)


@pytest.mark.parametrize("name", [name for name in FOOTPRINTS if name not in ("nothing", "no elements")])
def test_opencv(rng, name):
    cv2 = pytest.importorskip("cv2")
    footprint = (np.asarray(FOOTPRINTS[name]) != 0).astype(np.uint8)
    turned = np.ascontiguousarray(padded(footprint, before=False)[::-1, ::-1])  # its dilation looks at p + o
    mask = blobs(rng, (60, 130)).astype(np.uint8)
    borders = [("ignore", {})]
    borders += [(name, {"borderType": cv2.BORDER_CONSTANT, "borderValue": v}) for v, name in enumerate(BORDERS[1:])]
    for border, frame in borders:
        eroded, dilated = cv2.erode(mask, footprint, **frame) != 0, cv2.dilate(mask, turned, **frame)
        np.testing.assert_array_equal(rapidmask.erode(mask, footprint, border=border), eroded)
        np.testing.assert_array_equal(rapidmask.dilate(mask, footprint, border=border), dilated)
    if (footprint.shape == turned.shape) and (footprint == turned).all():
        for ours, code in (
            ("opening", cv2.MORPH_OPEN), ("closing", cv2.MORPH_CLOSE), ("gradient", cv2.MORPH_GRADIENT),
            ("white_tophat", cv2.MORPH_TOPHAT), ("black_tophat", cv2.MORPH_BLACKHAT),
        ):  # fmt: skip
            for iterations in (1, 2):
                theirs = cv2.morphologyEx(mask, code, footprint, iterations=iterations)
                np.testing.assert_array_equal(apply(ours, mask, footprint, iterations=iterations), theirs)


# Footprints


def test_footprints_are_those_of_opencv():
    cv2 = pytest.importorskip("cv2")
    for h, w in itertools.product(range(1, 40), range(1, 128, 3)):
        size = (w, h)
        np.testing.assert_array_equal(rapidmask.ellipse(h, w), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, size))
        np.testing.assert_array_equal(rapidmask.rectangle(h, w), cv2.getStructuringElement(cv2.MORPH_RECT, size))
    for n in range(1, 30):
        np.testing.assert_array_equal(rapidmask.cross(n), cv2.getStructuringElement(cv2.MORPH_CROSS, (n, n)))
        np.testing.assert_array_equal(rapidmask.square(n), np.ones((n, n)))


def test_footprints_are_those_of_skimage():
    morphology = pytest.importorskip("skimage.morphology")
    for r in range(64):
        np.testing.assert_array_equal(rapidmask.disk(r), morphology.disk(r))
        np.testing.assert_array_equal(rapidmask.diamond(r), morphology.diamond(r))
    for r in range(8):
        np.testing.assert_array_equal(rapidmask.ball(r), morphology.ball(r))


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: rapidmask.disk(-1), ValueError, "disk: r must be at least 0, got -1"),
        (lambda: rapidmask.ball(-3), ValueError, "ball: r must be at least 0, got -3"),
        (lambda: rapidmask.diamond(1.0), TypeError, "diamond: r must be an integer, got 1.0"),
        (lambda: rapidmask.square(0), ValueError, "square: n must be at least 1, got 0"),
        (lambda: rapidmask.cross("3"), TypeError, "cross: n must be an integer, got '3'"),
        (lambda: rapidmask.rectangle(3, 0), ValueError, "rectangle: w must be at least 1, got 0"),
        (lambda: rapidmask.ellipse(0, 3), ValueError, "ellipse: h must be at least 1, got 0"),
    ],
)
def test_errors_of_footprints(call, error, text):
    with refuses(error, text):
        call()


# Errors

EYE = np.eye(3, dtype=bool)
SQUARE = np.ones((3, 3), bool)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (
            lambda: rapidmask.dilate(np.zeros(5, bool), SQUARE),
            ValueError,
            "dilate: masks must have at least 2 dimensions (..., H, W), got shape (5,)",
        ),
        (
            lambda: rapidmask.erode(EYE, np.ones((3, 3, 3), bool)),
            ValueError,
            "erode: masks must have at least 3 dimensions (..., D, H, W), got shape (3, 3)",
        ),
        (
            lambda: rapidmask.opening(EYE.astype(float), SQUARE),
            TypeError,
            "opening: masks must be bool or uint8, got float64",
        ),
        (
            lambda: rapidmask.closing([[1]], SQUARE),
            TypeError,
            "closing: masks must be an array of NumPy, torch, CuPy or another library with DLPack, got list",
        ),
        (
            lambda: rapidmask.gradient(EYE, np.ones((3, 3))),
            TypeError,
            "gradient: footprint must hold booleans or integers, got float64",
        ),
        (
            lambda: rapidmask.dilate(EYE, [1, 1]),
            ValueError,
            "dilate: footprint must have 2 or 3 dimensions of at most 127, got shape (2,)",
        ),
        (
            lambda: rapidmask.dilate(EYE, np.ones((1, 128), bool)),
            ValueError,
            "dilate: footprint must have 2 or 3 dimensions of at most 127, got shape (1, 128)",
        ),
        (
            lambda: rapidmask.white_tophat(EYE, SQUARE, iterations=-1),
            ValueError,
            "white_tophat: iterations must be at least 0, got -1",
        ),
        (
            lambda: rapidmask.black_tophat(EYE, SQUARE, iterations=1.5),
            TypeError,
            "black_tophat: iterations must be an integer, got 1.5",
        ),
        (
            lambda: rapidmask.dilate(EYE, SQUARE, border="reflect"),
            ValueError,
            "dilate: border must be 'ignore', 'zeros' or 'ones', got 'reflect'",
        ),
        (lambda: rapidmask.boundary(EYE, width=-1), ValueError, "boundary: width must be at least 0, got -1"),
        (lambda: rapidmask.boundary(EYE, width=None), TypeError, "boundary: width must be an integer, got None"),
        (
            lambda: rapidmask.dilate(rapidmask.pack(EYE), SQUARE, out=EYE.copy()),
            ValueError,
            "dilate: out must be None unless masks are a dense array",
        ),
        (
            lambda: rapidmask.dilate(EYE, SQUARE, out=np.zeros((3, 3), np.uint8)),
            TypeError,
            "dilate: out must be bool, got uint8",
        ),
        (
            lambda: rapidmask.erode(EYE, SQUARE, out=np.zeros((3, 4), bool)),
            ValueError,
            "erode: out must have shape (3, 3), got shape (3, 4)",
        ),
    ],
)
def test_errors(backend, call, error, text):
    with refuses(error, text):
        call()


def test_out_that_overlaps_the_input_is_refused(backend):
    with refuses(ValueError, "erode: out must not overlap the input"):
        rapidmask.erode(EYE, SQUARE, out=EYE)
