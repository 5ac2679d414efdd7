"""Local thresholds and the masks that they decide.

Surfaces are compared within 1e-6 of the image's range (float32 surfaces: 1e-5 of it), masks exactly.
"""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rapidmask
from inputs import refuses
from reference import threshold as exact
from reference import threshold_local as reference

METHODS = ["gaussian", "mean", "median"]
INTEGERS = [np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.uint64, np.int64]
FLOATS = [np.float16, np.float32, np.float64]
SHAPES = [(1, 1), (1, 9), (9, 1), (7, 63), (6, 64), (5, 65), (12, 17)]


def pixels(rng, shape, dtype):
    """Random pixels over most of the dtype's range, floats in [-1, 1]."""
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return rng.uniform(-1, 1, shape).astype(dtype)
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)


def assert_surface(actual, expected, image):
    """Equal within the tolerance that the module states, of the same dtype and shape."""
    assert actual.dtype == expected.dtype
    assert actual.shape == expected.shape
    values = np.asarray(image, np.float64)
    finite = values[np.isfinite(values)]
    scale = max(1.0, float(np.abs(finite).max())) if finite.size else 1.0
    tolerance = (1e-5 if actual.dtype == np.float32 else 1e-6) * scale
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance, equal_nan=True)


def skimage_picture(name):
    """A picture that scikit-image's wheel holds, as uint8."""
    data = pytest.importorskip("skimage.data")
    return getattr(data, name)()


# Worked examples


def test_mean_by_hand(backend):
    image = np.array([[0, 3, 6]], np.uint8)
    # Reflected about the edge: 0 | 0 3 6 | 6, three times over.
    np.testing.assert_array_equal(rapidmask.threshold_local(image, 3, method="mean"), [[1.0, 3.0, 5.0]])
    np.testing.assert_array_equal(rapidmask.threshold_local(image, 3, method="mean", offset=1), [[0.0, 2.0, 4.0]])


def test_median_by_hand(backend):
    image = np.array([[9, 1, 5, 2]], np.uint8)
    np.testing.assert_array_equal(rapidmask.threshold_local(image, (1, 3), method="median"), [[9.0, 5.0, 2.0, 2.0]])


def test_gaussian_by_hand(backend):
    # Size 7: sigma is 1. An impulse shows the weights, here normalised over 4 pixels on each side.
    image = np.zeros((1, 21))
    image[0, 10] = 1
    weights = np.exp(-(np.arange(-4, 5) ** 2) / 2)
    surface = rapidmask.threshold_local(image, (1, 7), method="gaussian")
    np.testing.assert_allclose(surface[0, 6:15], weights / weights.sum(), rtol=1e-12)
    assert not surface[0, :6].any()


def test_niblack_by_hand(backend):
    image = np.array([[0, 4, 0, 4, 0]], np.uint8)
    # Reflected about the centre of the edge pixel, every window is (0, 4, 0) or (4, 0, 4): deviation 4 sqrt(2) / 3.
    means = np.array([[8, 4, 8, 4, 8]]) / 3
    surface = rapidmask.threshold_niblack(image, window_size=(1, 3), k=0.5)
    np.testing.assert_array_equal(rapidmask.threshold_niblack(image, (1, 3), k=0.5), surface)
    np.testing.assert_allclose(surface, means - 0.5 * 4 * np.sqrt(2) / 3, rtol=1e-15)


def test_sauvola_by_hand(backend):
    image = np.full((3, 4), 100, np.uint8)
    # No deviation: m (1 - k).
    np.testing.assert_allclose(rapidmask.threshold_sauvola(image, window_size=3, k=0.25), np.full((3, 4), 75.0))


def test_adaptive_by_hand(backend):
    image = np.array([[5, 5, 5, 5, 9, 5, 5, 5, 5]], np.uint8)
    expected = [[0, 0, 0, 0, 1, 0, 0, 0, 0]]
    np.testing.assert_array_equal(rapidmask.adaptive_threshold(image, 3), np.array(expected, bool))
    # Without the bright pixel in the window, pixel and mean are equal.
    expected = [[1, 1, 1, 0, 1, 0, 1, 1, 1]]
    mask = rapidmask.adaptive_threshold(image, 3, op=">=", output="uint8")
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, expected)


# Against the definition


@pytest.mark.parametrize("dtype", [np.bool_, *INTEGERS, *FLOATS])
@pytest.mark.parametrize("method", METHODS)
def test_threshold_local_is_its_definition(backend, isa, method, dtype):
    rng = np.random.default_rng(1)
    for shape, size in [((2, 11, 70), 5), ((9, 13), (3, 7)), ((4, 5), 1)]:
        image = pixels(rng, shape, dtype)
        surface = rapidmask.threshold_local(image, size, method=method, offset=0.25)
        assert_surface(surface, reference.threshold_local(image, size, method=method, offset=0.25), image)


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.int8])
@pytest.mark.parametrize("size", [(1, 9), (33, 3), (3, 301), (255, 257), (255, 259), (257, 255)])
def test_median_of_bytes_up_to_full_counters_and_beyond(levels, size, dtype):
    # Columns of up to 255 rows count in bytes, windows of up to 65535 = 255 · 257 pixels in 16 bits.
    rng = np.random.default_rng(2)
    image = pixels(rng, (4, 45), dtype)
    steps = np.repeat(image[:, ::9], 9, axis=1)  # the window's fine bins are left and come back
    for picture in (image, steps, np.full_like(image, image.max()), np.full_like(image, image.min())):
        expected = reference.threshold_local(picture, size, method="median")
        for level in levels():
            surface = rapidmask.threshold_local(picture, size, method="median")
            np.testing.assert_array_equal(surface, expected, err_msg=level)


@pytest.mark.parametrize("method", ["gaussian", "median"])
def test_bytes_beyond_one_tile(isa, threads, method):
    rng = np.random.default_rng(3)
    image = pixels(rng, (70, 4100), np.uint8)
    expected = reference.threshold_local(image, 7, method=method)
    surfaces = []
    for count in (1, 2):
        threads(count)
        surfaces.append(rapidmask.threshold_local(image, 7, method=method))
    assert_surface(surfaces[0], expected, image)
    np.testing.assert_array_equal(surfaces[0], surfaces[1])


@pytest.mark.parametrize("dtype", [np.bool_, *INTEGERS, *FLOATS])
def test_niblack_and_sauvola_are_their_definitions(backend, isa, dtype):
    rng = np.random.default_rng(2)
    for shape, size in [((2, 11, 70), 5), ((9, 13), (3, 7)), ((4, 5), 1)]:
        image = pixels(rng, shape, dtype)
        surface = rapidmask.threshold_niblack(image, window_size=size, k=0.3)
        assert_surface(surface, reference.threshold_niblack(image, window_size=size, k=0.3), image)
        surface = rapidmask.threshold_sauvola(image, window_size=size, k=0.3)
        assert_surface(surface, reference.threshold_sauvola(image, window_size=size, k=0.3), image)
        surface = rapidmask.threshold_sauvola(image, window_size=size, k=0.3, r=2.5)
        expected = reference.threshold_sauvola(image, window_size=size, k=0.3, r=2.5)
        assert_surface(surface, expected, np.asarray(image, np.float64) * np.abs(expected).max())


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_adaptive_mean_of_bytes_is_decided_as_by_the_float64_surface(data):
    draw = data.draw
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dtype = draw(st.sampled_from([np.bool_, np.uint8, np.int8]))
    shape = (draw(st.integers(1, 12)), draw(st.integers(1, 140)))
    image = pixels(rng, shape, dtype)
    if draw(st.booleans()):
        image = image // 64 if dtype != np.bool_ else image  # few values: many pixels equal their mean
    size = (draw(st.integers(0, 18)) * 2 + 1, draw(st.integers(0, 36)) * 2 + 1)
    offset = draw(st.sampled_from([0.0, 1.0, -3.0, 0.5, 1 / 3, 0.1, 0.2, -0.7, 1e-17, 1000.0, -1000.0, np.inf]))
    op = draw(st.sampled_from([">", ">="]))
    expected = reference.exact_mean_threshold(image, size, offset=offset, op=op)
    mask = rapidmask.adaptive_threshold(image, size, offset=offset, op=op)
    np.testing.assert_array_equal(mask, expected)
    packed = rapidmask.adaptive_threshold(image, size, offset=offset, op=op, output="packed")
    np.testing.assert_array_equal(packed.to_dense().reshape(expected.shape), expected)


@pytest.mark.parametrize("size", [1, 7, 15, 31, 63, 33, (31, 65), (1, 129), (35, 3), (9, 5)])
def test_adaptive_mean_of_bytes_at_every_level(backend, isa, size):
    rng = np.random.default_rng(3)
    for dtype in (np.uint8, np.int8):
        for shape in [(2, 5, 64), (3, 131), (40, 70)]:
            image = pixels(rng, shape, dtype)
            image[..., :2, :] = np.iinfo(dtype).max  # the largest and smallest column sums
            image[..., 2:, -9:] = np.iinfo(dtype).min
            expected = reference.exact_mean_threshold(image, size)
            np.testing.assert_array_equal(rapidmask.adaptive_threshold(image, size), expected)
            packed = rapidmask.adaptive_threshold(image, size, output="packed")
            np.testing.assert_array_equal(packed.to_dense().reshape(expected.shape), expected)


def test_adaptive_mean_beyond_one_strip(backend, isa):
    rng = np.random.default_rng(4)
    height = 40 if backend == "cpu" else 2
    image = pixels(rng, (height, 2500), np.uint8)
    for size in (31, 63, 65):
        expected = reference.exact_mean_threshold(image, size)
        np.testing.assert_array_equal(rapidmask.adaptive_threshold(image, size), expected)


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.int16, np.int64, np.uint64, *FLOATS])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("op", [">", ">="])
def test_adaptive_is_the_comparison_with_the_surface(backend, isa, op, method, dtype):
    rng = np.random.default_rng(5)
    image = pixels(rng, (2, 8, 67), dtype)
    image[..., 3:6, :] = image[0, 0, 0]  # where the surface equals the pixel
    for offset in (0.0, 0.2):
        surface = rapidmask.threshold_local(image, 3, method=method, offset=offset)
        expected = exact.threshold(image, surface, op)
        for output in ("bool", "uint8", "packed", "rle"):
            mask = rapidmask.adaptive_threshold(image, 3, method=method, offset=offset, op=op, output=output)
            dense = mask if output in ("bool", "uint8") else mask.to_dense()
            assert dense.dtype == (np.uint8 if output == "uint8" else np.bool_)
            np.testing.assert_array_equal(dense, expected)


# Layouts


def layouts(image):
    """The same pixels in other places of memory."""
    yield image
    wide = np.zeros((*image.shape[:-1], 2 * image.shape[-1]), image.dtype)
    wide[..., ::2] = image
    yield wide[..., ::2]
    yield np.asfortranarray(image)
    yield image[..., ::-1].copy()[..., ::-1]
    frozen = image.copy()
    frozen.flags.writeable = False
    yield frozen


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_layouts_and_batches(backend, dtype):
    image = pixels(np.random.default_rng(6), (2, 3, 6, 33), dtype)
    expected = rapidmask.threshold_local(image[1, 2], 5, method="mean")
    decided = rapidmask.adaptive_threshold(image[1, 2], 5)
    for view in layouts(image):
        surface = rapidmask.threshold_local(view, 5, method="mean")
        assert surface.shape == image.shape
        np.testing.assert_array_equal(surface[1, 2], expected)
        np.testing.assert_array_equal(rapidmask.adaptive_threshold(view, 5)[1, 2], decided)


# The same bits


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_a_window_gives_the_same_bits_wherever_it_lies(backend, isa, dtype):
    rng = np.random.default_rng(7)
    image = pixels(rng, (30, 90), dtype)
    cut = image[4:, 11:]
    inside = (slice(7, -7), slice(7, -7))
    for surface in (
        lambda x: rapidmask.threshold_local(x, 7, method="mean"),
        lambda x: rapidmask.threshold_local(x, 7, method="gaussian"),
        lambda x: rapidmask.threshold_niblack(x, window_size=7),
        lambda x: rapidmask.threshold_sauvola(x, window_size=7),
    ):
        np.testing.assert_array_equal(surface(image)[4:, 11:][inside], surface(cut)[inside])


def test_deviation_is_never_negative_and_has_no_drift(backend, isa):
    # A large step followed by a constant: running sums in float64 would leave the step's rounding behind.
    image = np.zeros((12, 60))
    image[:, :8] = 1e8
    image[:, 8:] = 0.1
    surface = rapidmask.threshold_niblack(image, window_size=5, k=1.0)
    np.testing.assert_allclose(surface[:, 12:], 0.1, rtol=0, atol=1e-8)


# Against scikit-image


@pytest.mark.parametrize("name", ["page", "coins", "camera", "text"])
def test_pictures_as_scikit_image(backend, name):
    filters = pytest.importorskip("skimage.filters")
    image = skimage_picture(name)[20:60, 30:110] if backend == "emu" else skimage_picture(name)
    for dtype in (np.uint8, np.uint16, np.float64):
        picture = image.astype(dtype) if dtype != np.float64 else image / 255.0
        for method, size in [("gaussian", 11), ("mean", 15), ("median", 5), ("mean", (3, 9))]:
            if backend != "cpu" and (method, dtype) == ("median", np.float64):
                continue  # selection by bits: exact in the tests above, slow on a large picture
            if method == "median" and dtype != np.uint8:
                picture = picture[:64, :64]
            expected = filters.threshold_local(picture, size, method=method, offset=2.0)
            assert_surface(rapidmask.threshold_local(picture, size, method=method, offset=2.0), expected, picture)
        for size in (15, (5, 9)):
            expected = filters.threshold_niblack(picture, window_size=size, k=0.8)
            assert_surface(rapidmask.threshold_niblack(picture, window_size=size, k=0.8), expected, picture)
            expected = filters.threshold_sauvola(picture, window_size=size)
            assert_surface(rapidmask.threshold_sauvola(picture, window_size=size), expected, picture)


@pytest.mark.parametrize("dtype", [np.bool_, *INTEGERS[:6], *FLOATS])
def test_random_images_as_scikit_image(backend, dtype):
    filters = pytest.importorskip("skimage.filters")
    image = pixels(np.random.default_rng(8), (23, 31), dtype)
    for method in METHODS:
        expected = filters.threshold_local(image, 7, method=method)
        assert_surface(rapidmask.threshold_local(image, 7, method=method), expected, image)
    # In float32 scikit-image squares before it widens; the formula in float64 is what both mean.
    exact = image.astype(np.float64) if np.dtype(dtype).kind == "f" else image
    kind = rapidmask.threshold_niblack(image).dtype
    assert kind == filters.threshold_niblack(image).dtype
    expected = filters.threshold_niblack(exact, window_size=7).astype(kind)
    assert_surface(rapidmask.threshold_niblack(image, window_size=7), expected, image)
    expected = filters.threshold_sauvola(exact, window_size=7).astype(kind)
    assert_surface(rapidmask.threshold_sauvola(image, window_size=7), expected, image)


# Hostile inputs


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", [1, 3, 9, 21, (3, 31), (33, 1)])
def test_windows_larger_than_the_image(backend, shape, size):
    image = pixels(np.random.default_rng(9), shape, np.uint8)
    for method in METHODS:
        surface = rapidmask.threshold_local(image, size, method=method)
        assert_surface(surface, reference.threshold_local(image, size, method=method), image)
    surface = rapidmask.threshold_niblack(image, window_size=size)
    assert_surface(surface, reference.threshold_niblack(image, window_size=size), image)
    expected = reference.exact_mean_threshold(image, size)
    np.testing.assert_array_equal(rapidmask.adaptive_threshold(image, size), expected)


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0, 0), (0, 4, 4), (2, 0, 3), (2, 0, 4, 4)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_empty(backend, shape, dtype):
    image = np.zeros(shape, dtype)
    for method in METHODS:
        assert rapidmask.threshold_local(image, 3, method=method).shape == shape
        mask = rapidmask.adaptive_threshold(image, 3, method=method)
        assert mask.shape == shape
        assert mask.dtype == bool
    assert rapidmask.threshold_niblack(image).shape == shape
    assert rapidmask.threshold_sauvola(image).shape == shape


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float32, np.float64])
def test_constant_image(backend, dtype):
    image = np.full((9, 70), 7, dtype)
    for method in ("mean", "median"):
        assert (rapidmask.threshold_local(image, 5, method=method) == 7).all()
        assert not rapidmask.adaptive_threshold(image, 5, method=method).any()
        assert rapidmask.adaptive_threshold(image, 5, method=method, op=">=").all()
    assert (rapidmask.threshold_niblack(image, window_size=5, k=3.0) == 7).all()


@pytest.mark.parametrize("dtype", FLOATS)
def test_nan_reaches_its_windows_only(backend, isa, dtype):
    image = pixels(np.random.default_rng(10), (9, 40), dtype)
    image[4, 20] = np.nan
    for method in ("mean", "median"):
        surface = rapidmask.threshold_local(image, 5, method=method)
        expected = np.zeros(image.shape, bool)
        expected[2:7, 18:23] = True
        np.testing.assert_array_equal(np.isnan(surface), expected)
        for op in (">", ">="):
            assert not rapidmask.adaptive_threshold(image, 5, method=method, op=op)[expected].any()
    np.testing.assert_array_equal(np.isnan(rapidmask.threshold_niblack(image, window_size=5)), expected)


# Errors


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda x: rapidmask.threshold_local(x, 4), "threshold_local: block_size must be odd and at least 1, got 4"),
        (lambda x: rapidmask.threshold_local(x, -3), "threshold_local: block_size must be odd and at least 1, got -3"),
        (
            lambda x: rapidmask.adaptive_threshold(x, (3, 8)),
            r"adaptive_threshold: block_size must be odd and at least 1, got \(3, 8\)",
        ),
        (
            lambda x: rapidmask.adaptive_threshold(x, 2**24 + 1),
            "adaptive_threshold: block_size must be odd and at most 16777215, got 16777217",
        ),
        (
            lambda x: rapidmask.threshold_niblack(x, window_size=0),
            "threshold_niblack: window_size must be odd and at least 1, got 0",
        ),
        (
            lambda x: rapidmask.threshold_sauvola(x, window_size=2),
            "threshold_sauvola: window_size must be odd and at least 1, got 2",
        ),
        (lambda x: rapidmask.threshold_sauvola(x, r=0.0), "threshold_sauvola: r must be positive, got 0"),
        (
            lambda x: rapidmask.threshold_local(x, 3, method="mode"),
            "threshold_local: method must be 'gaussian', 'mean' or 'median', got 'mode'",
        ),
    ],
)
def test_errors(backend, call, text):
    with pytest.raises(ValueError, match=text):
        call(np.zeros((4, 4), np.uint8))


def test_out_that_overlaps_the_image_is_refused(backend):
    image = pixels(np.random.default_rng(12), (9, 70), np.uint8)
    for call in (rapidmask.adaptive_threshold, rapidmask.threshold):
        with refuses(ValueError, f"{call.__name__}: out must not overlap the input"):
            call(image, 3, output="uint8", out=image)


def test_packed_masks_of_arrays_that_offer_dlpack_alone(backend):
    class Alone:
        def __init__(self, array):
            self.array = array

        def __dlpack__(self, **options):
            return self.array.__dlpack__(**options)

        def __dlpack_device__(self):
            return self.array.__dlpack_device__()

    image = pixels(np.random.default_rng(13), (9, 70), np.uint8)
    expected = rapidmask.adaptive_threshold(image, 3, output="packed")
    assert rapidmask.adaptive_threshold(Alone(image), 3, output="packed") == expected


def test_gaussian_windows_are_those_of_any_processor():
    """Of which the C library's own exponential has several."""
    code = """
import hashlib, numpy as np, rapidmask
image = np.random.default_rng(0).random((40, 500), np.float32)
for size in (111, 161, 193):
    print(hashlib.sha256(rapidmask.threshold_local(image.astype(float), size).tobytes()).hexdigest())
"""
    plain = {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-FMA,-AVX2_Usable,-FMA_Usable,-AVX2,-FMA4"}
    found = {
        subprocess.run([sys.executable, "-c", code], env={**os.environ, **more}, capture_output=True, check=True).stdout
        for more in ({}, plain)
    }
    assert len(found) == 1
