"""Distances to the background."""

import numpy as np
import pytest

import rapidmask
from inputs import guarded, hostile_masks, layouts, refuses
from reference import distance as reference

ndimage = pytest.importorskip("scipy.ndimage")

HOSTILE = hostile_masks()
SPACINGS = ((1.0, 1.0), (0.7, 0.7), (2.0, 0.5), (1e-3, 40.0))
INF = np.float32(np.inf)


def distances(masks, **options):
    """The result, which holds no NaN and is zero exactly on background."""
    result = rapidmask.distance_transform(masks, **options)
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result > 0, np.asarray(masks) != 0)
    return result


def scipys(mask, spacing=None):
    """SciPy's float64 distances, of a mask that has background."""
    assert not mask.all()
    return ndimage.distance_transform_edt(mask, sampling=spacing)


# Worked examples


def test_distances_by_eye(backend):
    mask = np.array([[0, 1, 1, 1, 1], [1, 1, 1, 1, 1], [1, 1, 1, 1, 0]], np.uint8)
    expected = np.array([[0, 1, 4, 5, 4], [1, 2, 5, 2, 1], [4, 5, 4, 1, 0]], np.float32)
    np.testing.assert_array_equal(distances(mask, squared=True), expected)
    np.testing.assert_array_equal(distances(mask), np.sqrt(expected))


def test_spacing_by_eye(backend):
    mask = np.array([[0, 1, 1], [1, 1, 1]], np.uint8)
    np.testing.assert_array_equal(distances(mask, spacing=(3, 4)), np.array([[0, 4, 8], [3, 5, np.sqrt(73)]], "f4"))
    np.testing.assert_array_equal(distances(mask, spacing=2), 2 * distances(mask))


def test_a_volume_by_eye(backend):
    masks = np.ones((3, 1, 3), bool)
    masks[0, 0, 0] = False
    assert distances(masks, volume=True, squared=True).tolist() == [[[0, 1, 4]], [[1, 2, 5]], [[4, 5, 8]]]
    assert distances(masks, squared=True).tolist() == [[[0, 1, 4]], [[np.inf] * 3], [[np.inf] * 3]]
    result = distances(masks, volume=True, squared=True, spacing=(3, 1, 2))
    assert result.tolist() == [[[0, 4, 16]], [[9, 13, 25]], [[36, 40, 52]]]


def test_no_background_is_infinitely_far(backend, isa):
    for shape in ((1, 1), (3, 70), (2, 5, 64), (1, 1, 1)):
        for options in ({}, {"squared": True}, {"spacing": 3.0}, {"spacing": (1, 2)}):
            assert (rapidmask.distance_transform(np.ones(shape, bool), **options) == INF).all()
    masks = np.ones((2, 3, 4, 70), bool)
    masks[0, 1, 2, 3] = False
    result = rapidmask.distance_transform(masks, volume=True)
    assert np.isfinite(result[0]).all()
    assert (result[1] == INF).all()
    assert (rapidmask.distance_transform(masks)[0, [0, 2]] == INF).all()


# Against the definition


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("squared", [False, True])
def test_distances_are_their_definition(backend, isa, name, squared):
    masks = np.asarray(HOSTILE[name])
    for spacing in SPACINGS:
        expected = reference.distance_transform(masks, spacing, squared)
        np.testing.assert_array_equal(distances(masks, spacing=spacing, squared=squared), expected)


@pytest.mark.parametrize("shape", [(1, 4, 5, 6), (2, 3, 1, 70), (1, 9, 2, 2), (3, 1, 4, 7), (0, 2, 3, 4), (2, 0, 3, 4)])
@pytest.mark.parametrize("share", [0.5, 0.9, 1.0])
def test_volumes_are_their_definition(backend, isa, rng, shape, share):
    masks = rng.random(shape) < share
    for spacing in ((1.0, 1.0, 1.0), (0.7, 0.7, 0.7), (2.0, 0.5, 0.5), (1e-3, 40.0, 3.0), (1.0, 1.0, 2.0)):
        expected = reference.distance_transform(masks, spacing)
        np.testing.assert_array_equal(distances(masks, volume=True, spacing=spacing), expected)


@pytest.mark.parametrize(
    "name", ["checkerboard", "width 63", "width 65", "spiral", "no rows", "no columns", "no masks"]
)
def test_every_form_and_layout(backend, name):
    masks = np.asarray(HOSTILE[name])
    expected = reference.distance_transform(masks, (1.0, 1.0))
    for dtype in (bool, np.uint8):
        for layout, view in layouts(masks.astype(dtype)):
            np.testing.assert_array_equal(distances(view), expected, err_msg=layout)
    for form in (rapidmask.pack(masks), rapidmask.rle_encode(masks)):
        np.testing.assert_array_equal(rapidmask.distance_transform(form), expected)


def test_slices_of_any_form_make_one_volume(backend, rng):
    masks = rng.random((6, 7, 67)) < 0.9
    expected = reference.distance_transform(masks[None], (1.5, 1.0, 1.0))[0]
    for form in (masks, rapidmask.pack(masks), rapidmask.rle_encode(masks)):
        result = rapidmask.distance_transform(form, volume=True, spacing=(1.5, 1, 1))
        np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("shape", [(5, 70), (1, 5, 70), (2, 3, 5, 70), (2, 1, 3, 2, 7), (2, 0, 5, 70)])
def test_leading_dimensions_stay(backend, rng, shape):
    masks = rng.random(shape) < 0.7
    expected = reference.distance_transform(masks.reshape(-1, *shape[-2:]), (1.0, 1.0)).reshape(shape)
    np.testing.assert_array_equal(distances(masks), expected)


def test_any_value_but_zero_is_foreground(backend, isa):
    mask = np.resize(np.arange(256, dtype=np.uint8), (8, 70))
    np.testing.assert_array_equal(distances(mask), distances(mask != 0))


# Laws


@pytest.mark.parametrize("volume", [False, True])
def test_flips_and_turns_go_through(backend, isa, rng, volume):
    masks = rng.random((3, 9, 71)) < 0.8
    result = distances(masks, volume=volume)
    for axis in (1, 2, *([0] if volume else [])):
        np.testing.assert_array_equal(distances(np.flip(masks, axis), volume=volume), np.flip(result, axis))
    np.testing.assert_array_equal(distances(masks.swapaxes(1, 2), volume=volume), result.swapaxes(1, 2))


def test_balls_of_that_radius_are_foreground(isa, rng):
    # A pixel is at most so far from background as its neighbour is, and one more.
    mask = ndimage.uniform_filter(rng.random((150, 300)), 25) > 0.5
    result = distances(mask)
    assert (np.abs(np.diff(result, axis=0)) <= 1 + 1e-5).all()
    assert (np.abs(np.diff(result, axis=1)) <= 1 + 1e-5).all()


def test_a_volume_of_one_slice_is_an_image(backend, rng):
    mask = rng.random((1, 30, 70)) < 0.9
    np.testing.assert_array_equal(distances(mask, volume=True), distances(mask))
    np.testing.assert_array_equal(
        distances(mask, volume=True, spacing=(9, 2, 3)), distances(mask, spacing=(2, 3))
    )  # fmt: skip


# Far background: divide and conquer takes over where windows would reach too far


def far_masks(size):
    """Names and masks of that height and 1.5 times the width whose background is far away, or near in part."""
    h, w = size, size + size // 2
    y, x = np.indices((h, w))
    cases = {
        "first pixel": (y > 0) | (x > 0),
        "last pixel": (y < h - 1) | (x < w - 1),
        "middle pixel": (y != h // 2) | (x != w // 3),
        "one column": x != w - 2,
        "one row": y != 1,
        "disc": (y - h / 2) ** 2 + (x - w / 2) ** 2 < (0.49 * h) ** 2,
        "ring": np.abs(np.hypot(y - h / 2, x - w / 2) - h / 3) > 1,
        "diagonal": y != x,
        "flat diagonal": 7 * y != x,
        "wedge": 3 * y < x,
        "corner and comb": ((y > 0) | (x > 0)) & ((x < w - 40) | (x % 2 == 0)),
        "sparse": np.random.default_rng(3).random((h, w)) > 3 / size**2,
        "two ends": (x > 0) & (x < w - 1),
    }  # fmt: skip
    for mask in cases.values():
        assert not mask.all()
    return cases


@pytest.mark.parametrize("name", far_masks(10))
def test_far_background(isa, name):
    mask = far_masks(300)[name]
    expected = scipys(mask)
    np.testing.assert_array_equal(distances(mask), expected.astype(np.float32))
    np.testing.assert_array_equal(distances(mask, squared=True), np.rint(expected**2).astype(np.float32))
    for spacing in ((0.5, 0.5), (3.0, 0.25), (0.01, 5.0)):
        np.testing.assert_allclose(distances(mask, spacing=spacing), scipys(mask, spacing), rtol=1e-6)


@pytest.mark.parametrize("name", far_masks(10))
def test_far_background_on_every_backend(backend, name):
    mask = far_masks(100)[name]
    np.testing.assert_array_equal(distances(mask), scipys(mask).astype(np.float32))
    np.testing.assert_allclose(distances(mask, spacing=(3.0, 0.25)), scipys(mask, (3.0, 0.25)), rtol=1e-6)


@pytest.mark.parametrize("name", ["first pixel", "ring", "sparse", "wedge"])
def test_far_background_of_volumes(isa, name):
    masks = np.ones((90, 40, 60), bool)
    masks[[3, 40, 89]] = far_masks(40)[name]
    for volume in (masks, masks.transpose(1, 2, 0), masks.transpose(2, 0, 1)):
        np.testing.assert_array_equal(distances(volume, volume=True), scipys(volume).astype(np.float32))
        result = distances(volume, volume=True, spacing=(2.5, 0.7, 0.9))
        np.testing.assert_allclose(result, scipys(volume, (2.5, 0.7, 0.9)), rtol=1e-6)


def test_far_background_of_volumes_on_every_backend(backend):
    masks = np.ones((70, 9, 35), bool)
    masks[5, 3, 4] = masks[60, 8, 30] = False
    np.testing.assert_array_equal(distances(masks, volume=True), scipys(masks).astype(np.float32))
    result = distances(masks, volume=True, spacing=(0.1, 2, 1))
    np.testing.assert_allclose(result, scipys(masks, (0.1, 2, 1)), rtol=1e-6)


# Extents beyond what 32 bits hold


def first_pixel(shape):
    """A mask whose first pixel alone is background, and the squares of the distances to it."""
    mask = np.ones(shape, bool)
    mask.flat[0] = False
    y, x = np.indices(shape, np.int64)
    return mask, y * y + x * x


@pytest.mark.parametrize("shape", [(70000, 3), (3, 70000), (16384, 2), (2, 16384), (16385, 2), (2, 16385)])
def test_long_masks(isa, shape):
    mask, square = first_pixel(shape)
    np.testing.assert_array_equal(distances(mask), np.sqrt(square).astype(np.float32))
    np.testing.assert_array_equal(distances(mask, squared=True), square.astype(np.float32))
    y, x = np.indices(shape, np.int64)
    np.testing.assert_allclose(distances(mask, spacing=(1, 2)), np.sqrt(y * y + 4 * x * x), rtol=1e-6)


@pytest.mark.parametrize("shape", [(48000, 1), (3, 70000), (16384, 1), (2, 16384), (2, 16385)])
def test_long_masks_on_every_backend(backend, shape):
    mask, square = first_pixel(shape)
    np.testing.assert_array_equal(distances(mask), np.sqrt(square).astype(np.float32))


@pytest.mark.parametrize("shape", [(70000, 3), (3, 70000)])
def test_long_masks_with_background_here_and_there(isa, rng, shape):
    mask = rng.random(shape) > 1e-4
    np.testing.assert_array_equal(distances(mask), scipys(mask).astype(np.float32))


@pytest.mark.parametrize("shape", [(400, 1, 20), (800, 2, 9), (2000, 1, 3), (17000, 1, 2)])
def test_deep_volumes(backend, shape):
    masks = np.ones(shape, bool)
    masks[0, 0, 0] = False
    z, y, x = np.indices(shape, np.int64)
    np.testing.assert_array_equal(distances(masks, volume=True), np.sqrt(z * z + y * y + x * x).astype(np.float32))
    expected = np.sqrt(z * z + 9 * y * y + 4 * x * x)
    np.testing.assert_allclose(distances(masks, volume=True, spacing=(1, 3, 2)), expected, rtol=1e-6)


def test_squares_beyond_float32s_integers_are_rounded_once(isa):
    # 4100² and more has no exact float32, nor does its float32 have the right root.
    mask, square = first_pixel((4200, 70))
    assert (np.sqrt(square.astype(np.float32)) != np.sqrt(square).astype(np.float32)).any()
    np.testing.assert_array_equal(distances(mask), np.sqrt(square).astype(np.float32))
    np.testing.assert_array_equal(distances(mask, squared=True), square.astype(np.float32))


def test_masks_of_many_pixels(threads):
    mask = np.ones((20, 1_000_000), bool)
    mask[7, [3, 999_990]] = False
    result = rapidmask.distance_transform(rapidmask.pack(mask))[0]
    x = np.arange(mask.shape[1])
    near = np.minimum(np.abs(x - 3), np.abs(x - 999_990))
    for y in (0, 7, 19):
        np.testing.assert_array_equal(result[y], np.hypot(near, y - 7).astype(np.float32))


# Spacing


@pytest.mark.parametrize("spacing", [1e-30, 1e-38 * 1.2, 1e30, 3.4e38, (1e-30, 1e-30), (1e-30, 1e30), (1e30, 1e-30)])
def test_spacings_of_every_size(backend, rng, spacing):
    mask = rng.random((9, 40)) < 0.9
    y, x = np.broadcast_to(spacing, 2)
    expected = reference.distance_transform(mask[None], (float(y), float(x)))[0]
    np.testing.assert_allclose(distances(mask, spacing=spacing), expected, rtol=1e-6)
    if y == x:
        unit = distances(mask).astype(np.float64)
        with np.errstate(over="ignore"):
            expected = (y * unit).astype(np.float32)
        np.testing.assert_allclose(distances(mask, spacing=spacing), expected, rtol=1e-6)


def test_spacing_is_a_number_or_a_sequence(backend):
    mask = np.array([[0, 1], [1, 1]], bool)
    expected = distances(mask, spacing=(2.0, 2.0))
    for spacing in (2, np.float32(2), np.array(2.0), [2, 2], np.array([2, 2]), (2.0, np.int64(2))):
        np.testing.assert_array_equal(distances(mask, spacing=spacing), expected)
    np.testing.assert_array_equal(distances(mask, spacing=None), distances(mask, spacing=1))


# Threads


@pytest.mark.parametrize("shape", [(1, 700, 300), (3, 200, 700), (12, 160, 300)])
@pytest.mark.parametrize("spacing", [1.0, (1.0, 3.0)])
def test_bands_of_several_threads(isa, threads, rng, shape, spacing):
    masks = rng.random(shape) > 1e-3
    masks[..., 150:, 90:] = True  # bands without any background in a column
    threads(1)
    expected = distances(masks, spacing=spacing)
    for count in (2, 7):
        threads(count)
        np.testing.assert_array_equal(distances(masks, spacing=spacing), expected)
    for mask, one in zip(masks, expected, strict=True):
        np.testing.assert_allclose(one, scipys(mask, spacing), rtol=1e-6)


@pytest.mark.parametrize("spacing", [1.0, (2.0, 1.0, 3.0)])
def test_volumes_of_several_threads(isa, threads, rng, spacing):
    masks = rng.random((30, 150, 70)) > 1e-4
    expected = scipys(masks, spacing)
    for count in (1, 2, 7):
        threads(count)
        np.testing.assert_allclose(distances(masks, volume=True, spacing=spacing), expected, rtol=1e-6)


# The libraries that users come from


@pytest.mark.parametrize("shape", [(257, 401), (64, 1000), (1, 333), (333, 1)])
@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
def test_distances_are_scipys(isa, rng, shape, share):
    mask = rng.random(shape) < share
    mask.flat[0] = False
    np.testing.assert_array_equal(distances(mask), scipys(mask).astype(np.float32))


def test_distances_of_smooth_masks_are_scipys(isa, rng):
    mask = ndimage.gaussian_filter(rng.standard_normal((500, 700)), 20) > 0
    np.testing.assert_array_equal(distances(mask), scipys(mask).astype(np.float32))
    volume = ndimage.gaussian_filter(rng.standard_normal((40, 60, 80)), 5) > 0
    np.testing.assert_array_equal(distances(volume, volume=True), scipys(volume).astype(np.float32))
    result = distances(volume, volume=True, spacing=(3, 1, 2))
    np.testing.assert_allclose(result, scipys(volume, (3, 1, 2)), rtol=1e-6)


def test_distances_are_opencvs(isa, rng):
    cv2 = pytest.importorskip("cv2")
    mask = (ndimage.gaussian_filter(rng.standard_normal((300, 500)), 9) > 0).astype(np.uint8)
    theirs = cv2.distanceTransform(mask, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    np.testing.assert_allclose(distances(mask), theirs, rtol=1e-5)


def test_distances_are_edts(isa, rng):
    edt = pytest.importorskip("edt")
    mask = ndimage.gaussian_filter(rng.standard_normal((300, 500)), 9) > 0
    np.testing.assert_allclose(distances(mask), edt.edt(mask), rtol=1e-5)
    np.testing.assert_allclose(distances(mask, squared=True), edt.edtsq(mask), rtol=1e-5)
    np.testing.assert_allclose(distances(mask, spacing=(2, 3)), edt.edt(mask, anisotropy=(2, 3)), rtol=1e-5)
    volume = ndimage.gaussian_filter(rng.standard_normal((40, 60, 80)), 4) > 0
    theirs = edt.edt(volume, anisotropy=(2.5, 0.7, 0.9))
    np.testing.assert_allclose(distances(volume, volume=True, spacing=(2.5, 0.7, 0.9)), theirs, rtol=1e-5)
    assert (edt.edt(np.ones((3, 4), bool)) == INF).all()


# out=


@pytest.mark.parametrize("shape", [(2, 3, 5), (1, 4, 64), (3, 2, 65), (2, 70, 200), (1, 1, 1), (2, 0, 4), (0, 3, 3)])
def test_results_are_written_into_out(backend, isa, rng, shape):
    masks = rng.random(shape) < 0.8
    for options in ({}, {"volume": True}, {"spacing": (1, 2)}, {"volume": True, "spacing": (1, 2, 3)}):
        out, untouched = guarded(shape, np.float32)
        result = rapidmask.distance_transform(masks, out=out, **options)
        assert result is out
        np.testing.assert_array_equal(out, rapidmask.distance_transform(masks, **options))
        assert untouched()


@pytest.mark.parametrize(
    ("out", "error", "text"),
    [
        (np.zeros((2, 3)), TypeError, "distance_transform: out must be float32, got float64"),
        (np.zeros((3, 2), "f4"), ValueError, "distance_transform: out must have shape (2, 3), got shape (3, 2)"),
        (np.zeros((1, 2, 3), "f4"), ValueError, "distance_transform: out must have shape (2, 3), got shape (1, 2, 3)"),
        (np.zeros((2, 6), "f4")[:, ::2], ValueError, "distance_transform: out must be writable and C-contiguous"),
    ],
)
def test_out_that_does_not_fit_is_refused(backend, out, error, text):
    with refuses(error, text):
        rapidmask.distance_transform(np.eye(2, 3, dtype=bool), out=out)


# Other errors

MASK = np.eye(3, dtype=bool)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (
            lambda: rapidmask.distance_transform(np.zeros(5, bool)),
            ValueError,
            "distance_transform: masks must have at least 2 dimensions (..., H, W), got shape (5,)",
        ),
        (
            lambda: rapidmask.distance_transform(MASK, volume=True),
            ValueError,
            "distance_transform: masks must have at least 3 dimensions (..., D, H, W), got shape (3, 3)",
        ),
        (
            lambda: rapidmask.distance_transform(np.zeros((2, 2))),
            TypeError,
            "distance_transform: masks must be bool or uint8, got float64",
        ),
        (
            lambda: rapidmask.distance_transform(MASK, spacing=(1, 2, 3)),
            ValueError,
            "distance_transform: spacing must be a number, or one for each of the last 2 axes, got (1, 2, 3)",
        ),
        (
            lambda: rapidmask.distance_transform(MASK[None], volume=True, spacing=(1, 2)),
            ValueError,
            "distance_transform: spacing must be a number, or one for each of the last 3 axes, got (1, 2)",
        ),
        (
            lambda: rapidmask.distance_transform(MASK, spacing="far"),
            TypeError,
            "distance_transform: spacing must be a number, or one for each of the last 2 axes, got 'far'",
        ),
        (
            lambda: rapidmask.distance_transform(MASK, spacing=(1, None)),
            TypeError,
            "distance_transform: spacing must be a number, or one for each of the last 2 axes, got (1, None)",
        ),
        *(
            (
                lambda spacing=spacing: rapidmask.distance_transform(MASK, spacing=spacing),
                ValueError,
                f"distance_transform: spacing must be positive and within float32's normal range, got {text}",
            )
            for spacing, text in (
                (0, "0"),
                (-1, "-1"),
                (np.inf, "inf"),
                (np.nan, "nan"),
                ((1, 0.0), "0"),
                ((-2.5, 1), "-2.5"),
                (1e-40, "1e-40"),
                (1e39, "1e+39"),
            )
        ),
    ],
)
def test_errors(backend, call, error, text):
    with refuses(error, text):
        call()
