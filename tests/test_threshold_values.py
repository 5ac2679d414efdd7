"""Global threshold values.

They are compared exactly for integers (Li's within 1e-12, for its logarithm), within 1e-6 of the range for floats.
"""

import numpy as np
import pytest

import rapidmask
from inputs import layouts
from reference import threshold_values as reference

METHODS = ("otsu", "li", "yen", "isodata", "triangle", "mean", "minimum")
INTEGERS = (np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.uint64, np.int64)
FLOATS = (np.float16, np.float32, np.float64)


def value(method, image, **arguments):
    return getattr(rapidmask, f"threshold_{method}")(image, **arguments)


def tolerance(method, image, expected):
    """The allowed difference: none for integers but for Li's logarithms, else 1e-6 of the range."""
    if image.dtype.kind == "f":
        return 1e-6 * (float(image.max()) - float(image.min()))
    return 1e-12 * max(1.0, abs(expected)) if method == "li" else 0.0


def assert_same(method, image, compute):
    """The method gives what compute() does, or refuses where it raises."""
    try:
        expected = compute()
    except (ValueError, RuntimeError, IndexError):
        with pytest.raises(ValueError, match=f"^threshold_{method}: image must .* in image 0$"):
            value(method, image)
        return
    actual = value(method, image)
    assert isinstance(actual, float)
    assert abs(actual - expected) <= tolerance(method, image, expected), (method, image.dtype, actual, expected)


def two_classes(rng, shape, dtype, low=60, high=170, spread=12):
    """Pixels around two values."""
    pixels = np.where(rng.random(shape) < 0.4, rng.normal(low, spread, shape), rng.normal(high, spread, shape))
    if np.dtype(dtype).kind != "f":
        info = np.iinfo(dtype)
        pixels = np.clip(np.round(pixels), max(info.min, -(2.0**60)), min(info.max, 2.0**60))
    return pixels.astype(dtype)


def image_of(rng, shape, dtype):
    """Two classes that fit the type; signed types have negative pixels."""
    dtype = np.dtype(dtype)
    if dtype.itemsize == 1 and dtype.kind == "i":
        return two_classes(rng, shape, dtype, low=-40, high=30, spread=8)
    return two_classes(rng, shape, dtype, low=60 if dtype.kind == "u" else -60, high=170)


# --- Worked examples ---


def test_otsu_of_two_pairs(backend):
    # {1, 2} and {8, 9} are the classes that differ most; 2 is the last value of the lower one.
    assert value("otsu", np.array([[1, 2, 9, 8]], np.uint8)) == 2.0


def test_mean_of_four(backend):
    assert value("mean", np.array([[1, 2], [3, 5]], np.int16)) == 2.75


def test_isodata_of_two_values(backend):
    # The middle of the means 0 and 10 is 5, and 5 is the first bin less than one below it.
    assert value("isodata", np.array([[0, 0, 10, 10, 10]], np.uint8)) == 5.0


def test_li_of_two_values(backend):
    # From the mean 7 on, the classes are {1} and {9}: less the minimum 1, the lower mean is 0, and the iteration stops.
    assert value("li", np.array([[1, 9, 9, 9]], np.uint8)) == 7.0


def test_yen_of_two_values(backend):
    # Bins 3 to 7 make the same two classes; the first is taken.
    assert value("yen", np.array([[3, 8], [3, 8]], np.uint8)) == 3.0


def test_triangle_of_a_long_tail(backend):
    # Counts 9, 1, 1, 1, 1 from 0 on: the line falls from (0, 9) to the end of the tail, and bin 1 is farthest below it.
    image = np.array([[0] * 9 + [1, 2, 3, 4]], np.uint8)
    assert value("triangle", image) == 1.0


def test_minimum_between_two_peaks(backend):
    image = np.repeat(np.arange(9, dtype=np.uint8), [1, 6, 9, 6, 0, 6, 9, 6, 1])[None]
    assert value("minimum", image) == 4.0


def test_multiotsu_of_three_clusters(backend):
    image = np.array([[1, 2, 2, 50, 51, 51, 99, 99, 98]], np.uint8)
    np.testing.assert_array_equal(value("multiotsu", image), [2.0, 51.0])
    # 3 · 6 · (74.67 − 1.67)² is more than 6 · 3 · (98.67 − 26.17)².
    np.testing.assert_array_equal(value("multiotsu", image, classes=2), [2.0])


# --- Against the definitions ---


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", INTEGERS + FLOATS)
def test_equals_the_definition(backend, isa, method, dtype):
    rng = np.random.default_rng(3)
    for shape in ((1, 1), (1, 9), (7, 1), (13, 17), (40, 65)):
        image = image_of(rng, shape, dtype)
        assert_same(method, image, lambda image=image: getattr(reference, method)(image))


@pytest.mark.parametrize("method", METHODS)
def test_random_histograms(backend, method):
    rng = np.random.default_rng(11)
    for case in range(40 if backend == "cpu" else 8):
        top = int(rng.choice([1, 2, 5, 30, 255]))
        image = rng.integers(0, top + 1, (int(rng.integers(1, 20)), int(rng.integers(1, 20)))).astype(np.uint8)
        if case % 4 == 1:
            image = (image / 255).astype(np.float32)
        assert_same(method, image, lambda image=image: getattr(reference, method)(image))


@pytest.mark.parametrize("classes", [2, 3, 4, 5])
def test_multiotsu_tries_all_choices(backend, classes):
    rng = np.random.default_rng(classes)
    for case in range(12 if backend == "cpu" else 4):
        top = 24 if classes < 5 else 14
        shape = (int(rng.integers(2, 12)), int(rng.integers(2, 12)))
        image = rng.integers(0, top, shape) if case % 2 else np.resize(np.arange(top), (4, top))  # ties
        image = image.astype(np.int16) - 7
        try:
            expected = reference.multiotsu(image, classes)
        except ValueError:
            with pytest.raises(ValueError, match=f"at least {classes} distinct values"):
                value("multiotsu", image, classes=classes)
            continue
        np.testing.assert_array_equal(value("multiotsu", image, classes=classes), expected)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.uint16, np.int16, np.int32, np.float32, np.float64])
def test_layouts(backend, method, dtype):
    rng = np.random.default_rng(5)
    image = two_classes(rng, (3, 12, 21), np.float64).round() > 100 if dtype == np.bool_ else None
    image = two_classes(rng, (3, 12, 21), dtype) if image is None else image
    if method == "minimum" and dtype == np.bool_:
        pytest.skip("two bins have no two maxima")
    expected = [value(method, np.ascontiguousarray(one)) for one in image]
    for _, array in layouts(image):
        np.testing.assert_array_equal(value(method, array), expected)


def test_batches_keep_their_shape(backend):
    rng = np.random.default_rng(6)
    image = two_classes(rng, (2, 3, 8, 9), np.uint8)
    values = value("otsu", image)
    assert values.shape == (2, 3)
    assert values.dtype == np.float64
    assert value("multiotsu", image, classes=4).shape == (2, 3, 3)
    assert value("otsu", image[:0]).shape == (0, 3)
    assert value("multiotsu", image[:0]).shape == (0, 3, 2)


# --- The same bits everywhere ---


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float32, np.float64])
def test_large_images_do_not_depend_on_threads(isa, threads, dtype):
    rng = np.random.default_rng(8)
    image = two_classes(rng, (2100, 2051), dtype)
    results = []
    for count in (1, 2, 3):
        threads(count)
        results.append([value(method, image) for method in ("otsu", "li", "yen", "isodata", "triangle", "mean")])
    assert results[0] == results[1] == results[2]
    assert results[0][0] == pytest.approx(reference.otsu(image), abs=tolerance("otsu", image, 0.0))


@pytest.mark.parametrize("pattern", ["noise", "constant", "plateaus", "ramp", "one value stands out"])
def test_large_byte_histograms(isa, pattern):
    rng = np.random.default_rng(9)
    image = {
        "noise": lambda: rng.integers(0, 256, (1025, 1031)),
        "constant": lambda: np.full((1025, 1031), 255),
        "plateaus": lambda: np.repeat(rng.integers(0, 256, (1025, 33)), 32, axis=1)[:, :1031],
        "ramp": lambda: np.add.outer(np.arange(1025), np.arange(1031)) // 8,
        "one value stands out": lambda: np.where(np.arange(1025 * 1031) == 777_777, 9, 3).reshape(1025, 1031),
    }[pattern]()
    image = image.astype(np.uint8)
    for method in ("otsu", "yen", "triangle", "mean"):
        assert value(method, image) == getattr(reference, method)(image)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_backends_agree_bit_for_bit(backend, method, dtype):
    image = two_classes(np.random.default_rng(10), (61, 97), dtype)
    expected = getattr(reference, method)(image)
    actual = value(method, image)
    assert abs(actual - expected) <= tolerance(method, image, expected)
    assert actual == BITS.setdefault((method, dtype), actual)


BITS = {}  # the first backend's results


# --- scikit-image ---


def middle(image):
    """Up to 64 by 100 pixels from the middle."""
    y, x = image.shape[0] // 2, image.shape[1] // 2
    return image[max(0, y - 32) : y + 32, max(0, x - 50) : x + 50]


@pytest.mark.parametrize("name", ["camera", "coins", "moon", "page", "text", "cell", "retina", "horse"])
@pytest.mark.parametrize("method", METHODS)
def test_equals_scikit_image_on_its_pictures(backend, name, method):
    data, filters = pytest.importorskip("skimage.data"), pytest.importorskip("skimage.filters")
    image = getattr(data, name)()
    image = image[..., 1] if image.ndim == 3 else image
    image = np.ascontiguousarray(image if backend == "cpu" else middle(image))
    image = image.astype(np.uint8) if image.dtype == bool else image
    function = getattr(filters, f"threshold_{method}")
    assert_same(method, image, lambda: float(function(image)))
    small = middle(image) / np.float32(255)
    assert_same(method, small, lambda: float(function(small)))


@pytest.mark.parametrize("classes", [2, 3, 4])
def test_multiotsu_equals_scikit_image(backend, classes):
    data, filters = pytest.importorskip("skimage.data"), pytest.importorskip("skimage.filters")
    image = data.camera() if backend == "cpu" else data.camera()[100:150, 200:260]
    expected = filters.threshold_multiotsu(image, classes)
    np.testing.assert_array_equal(value("multiotsu", image, classes=classes), expected)


@pytest.mark.parametrize("method", [m for m in METHODS if m != "minimum"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.int32, np.float32, np.float64])
def test_equals_scikit_image_on_random_images(backend, method, dtype):
    filters = pytest.importorskip("skimage.filters")
    rng = np.random.default_rng(12)
    high = 9000 if np.dtype(dtype).itemsize > 1 else 200
    image = two_classes(rng, (53, 67), dtype, low=high / 4, high=high * 3 / 4, spread=high / 10)
    assert_same(method, image, lambda: float(getattr(filters, f"threshold_{method}")(image)))


# --- Hostile inputs ---


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64, np.uint64, np.float32, np.float64])
def test_one_value(backend, dtype):
    image = np.full((5, 7), 42, dtype)
    for method in ("otsu", "li", "triangle", "mean"):
        assert value(method, image) == 42.0
    if image.dtype.kind == "f":
        # 256 bins are laid over [41.5, 42.5], and nothing lies below the pixels' own.
        assert value("yen", image) == 41.5 + 1 / 512
        with pytest.raises(ValueError, match=r"^threshold_isodata: image must have a bin halfway"):
            value("isodata", image)
    else:
        assert value("yen", image) == value("isodata", image) == 42.0
    with pytest.raises(ValueError, match=r"^threshold_minimum: image must have a histogram that smooths to two maxima"):
        value("minimum", image)
    with pytest.raises(ValueError, match=r"^threshold_multiotsu: image must have at least 3 distinct values"):
        value("multiotsu", image)


def test_extremes_of_64_bits(backend):
    low, high = np.iinfo(np.int64).min, np.iinfo(np.int64).max
    for edge, dtype in ((low, np.int64), (high - 3, np.int64), (2**64 - 4, np.uint64)):
        image = np.array([[edge, edge, edge + 2, edge + 3]], dtype)
        assert value("otsu", image) == float(edge)
        assert value("mean", image) == pytest.approx(float(edge), rel=1e-15)
    with pytest.raises(ValueError, match=r"span at most 16777216 integers, got more in image 0"):
        value("otsu", np.array([[low, high]], np.int64))
    assert value("mean", np.array([[low, high]], np.int64)) == -0.5


@pytest.mark.parametrize("dtype", INTEGERS)
def test_mean_of_full_counters(isa, dtype):
    # Narrow sums hold 2^8 or 2^16 rows of 64 pixels; the last pixel tells whether all are counted.
    for count in (1, 63, 64, 64 * 256, 64 * 257 + 63, *((64 * 65537 + 1,) if np.dtype(dtype).itemsize == 2 else ())):
        for edge in (np.iinfo(dtype).min, np.iinfo(dtype).max):
            image = np.full((1, count), edge, dtype)
            image[0, -1] = 1
            assert value("mean", image) == (int(edge) * (count - 1) + 1) / count


def test_wide_integers(backend):
    image = np.array([[0, 3, 1, 2**24 - 1]], np.uint32)
    assert value("isodata", image) == 2**23  # the middle of 4/3 and 2^24 − 1, rounded down
    with pytest.raises(ValueError, match=r"^threshold_otsu: image must span at most 16777216 integers, got more"):
        value("otsu", np.array([[[0, 1]], [[0, 2**24]]], np.uint32))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("method", [*METHODS, "multiotsu"])
def test_refuses_what_is_not_finite(backend, method, dtype, bad):
    image = np.random.default_rng(1).random((5, 6, 7)).astype(dtype)
    image[3, 5, 6] = bad
    with pytest.raises(ValueError, match=f"^threshold_{method}: image must be finite, got NaN or infinity in image 3$"):
        value(method, image)


@pytest.mark.parametrize("method", [m for m in METHODS if m != "mean"])
def test_ranges_that_floats_cannot_bin(backend, method):
    with pytest.raises(ValueError, match=r"image must have a range that its type can hold, got an overflow in image 0"):
        value(method, np.array([[-3e38, 3e38]], np.float32))
    if method != "li":
        with pytest.raises(ValueError, match=r"image must span a range that 256 bins of its type can divide, got a"):
            value(method, np.array([[1, np.nextafter(np.float32(1), np.float32(2))]], np.float32))


def test_subnormals(backend):
    image = np.arange(4097, dtype=np.float64)[None] * 5e-324  # edges 16 numbers apart
    assert value("mean", image) == reference.mean(image)
    assert value("otsu", image) == reference.otsu(image)
    assert_same("otsu", image[:, :4000], lambda: reference.otsu(image[:, :4000]))  # edges that would pass the last


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (2, 0, 3)])
@pytest.mark.parametrize("method", [*METHODS, "multiotsu"])
def test_refuses_images_without_pixels(backend, method, shape):
    height, width = shape[-2:]
    text = f"^threshold_{method}: image must have at least one pixel, got height {height} and width {width}$"
    with pytest.raises(ValueError, match=text):
        value(method, np.zeros(shape, np.uint8))


def test_refuses_classes(backend):
    with pytest.raises(ValueError, match=r"^threshold_multiotsu: classes must be at least 2, got 1$"):
        value("multiotsu", np.zeros((3, 3), np.uint8), classes=1)
    with pytest.raises(ValueError, match=r"span few enough integers for 4 classes, got too many in image 0"):
        value("multiotsu", np.arange(0, 65536, 7, dtype=np.uint16)[None], classes=4)


# --- Without a check ---


@pytest.mark.parametrize("method", METHODS)
def test_unchecked_values_are_those_of_checked_ones(method, backend):
    function = getattr(rapidmask, f"threshold_{method}")
    images = np.random.default_rng(3).integers(0, 9, (3, 20, 20)).astype(np.uint8) * 20
    images[:, :, 10:] += 60  # two maxima
    for given in (images, images.astype(np.float32)):
        try:
            expected = function(given)
        except ValueError:
            continue
        np.testing.assert_array_equal(function(given, check=False), expected)


@pytest.mark.parametrize("method", METHODS)
def test_unchecked_images_without_a_value_give_nan(method, backend):
    function = getattr(rapidmask, f"threshold_{method}")
    images = np.random.default_rng(4).normal(size=(4, 8, 9)).astype(np.float32)
    images[1, 3, 3] = np.nan
    images[3, 0, 0] = np.inf
    with pytest.raises(ValueError, match="in image"):
        function(images)
    values = function(images, check=False)
    assert values.shape[0] == 4
    assert np.isnan(values[[1, 3]]).all()
    if method not in ("minimum", "isodata"):
        assert np.isfinite(values[[0, 2]]).all()


def test_unchecked_integers_without_a_value_give_nan(backend):
    flat = np.full((2, 6, 6), 7, np.uint8)
    assert np.isnan(rapidmask.threshold_minimum(flat, check=False)).all()
    assert np.isnan(rapidmask.threshold_multiotsu(flat, classes=4, check=False)).all()
    with pytest.raises(ValueError, match="span at most"):
        rapidmask.threshold_otsu(np.array([[0, 2**30]], np.int32), check=False)
