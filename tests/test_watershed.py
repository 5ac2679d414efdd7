"""The watershed: the definition, scikit-image's labels, and images of every type and shape."""

import numpy as np
import pytest

import rapidmask
from inputs import layouts, refuses, spiral
from reference import watershed as reference

STEPS = {4: 1, 8: 2, 6: 1, 18: 2, 26: 3}  # scikit-image's names of the connectivities
INTEGERS = [np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.uint64, np.int64]
FLOATS = [np.float16, np.float32, np.float64]


def shape_for(rng, connectivity, sides):
    return tuple(int(side) for side in rng.integers(1, sides, 2 if connectivity in (4, 8) else 3))


def random_markers(rng, shape, share, labels=9):
    return rng.integers(-3, labels, shape) * (rng.random(shape) < share)


def peer(image, markers, connectivity, mask=None):
    segmentation = pytest.importorskip("skimage.segmentation")
    return segmentation.watershed(image, markers, STEPS[connectivity], mask=mask)


# Worked examples


def test_two_basins_meet_on_the_ridge():
    image = np.array([[0, 1, 2, 9, 3, 1, 1], [0, 1, 2, 9, 3, 1, 1]], np.uint8)
    markers = np.zeros(image.shape, np.int32)
    markers[0, 0], markers[1, 6] = 7, 3
    labels = rapidmask.watershed(image, markers)
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(labels, [[7, 7, 7, 7, 3, 3, 3], [7, 7, 7, 7, 3, 3, 3]])


def test_a_plateau_is_shared_by_distance():
    image = np.zeros((1, 9))
    markers = np.array([[1, 0, 0, 0, 0, 0, 0, 0, 2]])
    np.testing.assert_array_equal(rapidmask.watershed(image, markers), [[1, 1, 1, 1, 1, 2, 2, 2, 2]])


def test_a_pixel_behind_a_ridge_is_flooded_at_its_height():
    image = np.array([[0, 5, 1, 1, 1, 4, 0]])  # the valley is reached over the lower ridge
    markers = np.array([[1, 0, 0, 0, 0, 0, 2]])
    np.testing.assert_array_equal(rapidmask.watershed(image, markers), [[1, 1, 2, 2, 2, 2, 2]])


def test_diagonals_connect_with_eight_neighbours_only():
    image = np.zeros((3, 3))
    markers = np.array([[1, 0, 0], [0, 0, 0], [0, 0, 0]])
    mask = np.eye(3, dtype=bool)
    np.testing.assert_array_equal(rapidmask.watershed(image, markers, mask=mask), np.eye(3))
    np.testing.assert_array_equal(rapidmask.watershed(image, markers, mask=mask, connectivity=4), markers)


# The definition, and scikit-image


@pytest.mark.parametrize("connectivity", STEPS)
@pytest.mark.parametrize("levels", [1, 2, 5, 300, None])
def test_reference(rng, connectivity, levels):
    for share in (0.03, 0.2, 0.6):
        for masked in (False, True):
            shape = shape_for(rng, connectivity, 12 if connectivity in (4, 8) else 7)
            image = rng.random(shape) if levels is None else rng.integers(0, levels, shape)
            markers = random_markers(rng, shape, share)
            mask = rng.random(shape) < 0.8 if masked else None
            np.testing.assert_array_equal(
                rapidmask.watershed(image, markers, mask=mask, connectivity=connectivity),
                reference.watershed(image, markers, connectivity, mask),
            )


@pytest.mark.parametrize("connectivity", STEPS)
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, *FLOATS])
def test_labels_of_scikit_image(rng, connectivity, dtype):
    planar = connectivity in (4, 8)
    for case in range(24):
        shape = shape_for(rng, connectivity, 70 if planar else 18)
        image = (rng.normal(size=shape) * rng.choice([1, 3, 40, 5000])).clip(-30000, 30000)
        image = image.astype(dtype) if dtype != np.uint8 else (image % 256).astype(dtype)
        if case % 3 == 0 and dtype in FLOATS:
            image[rng.random(shape) < 0.1] = rng.choice([np.inf, -np.inf, -0.0, 0.0])
        markers = random_markers(rng, shape, rng.choice([0.002, 0.05, 0.5]), labels=rng.choice([-1, 2, 50]))
        mask = rng.random(shape) < 0.8 if case % 2 else None
        labels = rapidmask.watershed(image, markers, mask=mask, connectivity=connectivity)
        np.testing.assert_array_equal(labels, peer(image, markers, connectivity, mask))


@pytest.mark.parametrize("connectivity", [4, 8])
def test_a_gradient_flooded_from_regions(connectivity):
    data, filters = pytest.importorskip("skimage.data"), pytest.importorskip("skimage.filters")
    coins = data.coins()
    gradient = filters.sobel(coins)
    markers = np.where(coins < 30, 1, np.where(coins > 150, 2, 0))
    for image in (gradient, gradient.astype(np.float32), (255 * gradient).astype(np.uint8)):
        labels = rapidmask.watershed(image, markers, connectivity=connectivity)
        np.testing.assert_array_equal(labels, peer(image, markers, connectivity))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_a_smooth_image_flooded_from_a_few_seeds(rng, dtype):
    ndimage = pytest.importorskip("scipy.ndimage")
    image = ndimage.gaussian_filter(rng.random((300, 260)), 2)
    image = (image - image.min()) / np.ptp(image)
    image = (image * (1 if dtype in FLOATS else np.iinfo(dtype).max)).astype(dtype)
    markers = np.zeros(image.shape, np.uint8)
    markers[rng.integers(0, 300, 40), rng.integers(0, 260, 40)] = np.arange(1, 41)
    np.testing.assert_array_equal(rapidmask.watershed(image, markers), peer(image, markers, 8))


def test_outliers_leave_all_other_levels_in_one_bucket(rng):
    image = rng.random((60, 60))
    image[5, 5], image[9, 9], image[30:33] = 1e300, -1e300, 1.5e-300
    markers = random_markers(rng, image.shape, 0.01)
    np.testing.assert_array_equal(rapidmask.watershed(image, markers), peer(image, markers, 8))
    image[5, 5], image[9, 9] = np.finfo(np.float64).max, np.finfo(np.float64).min  # whose difference overflows
    np.testing.assert_array_equal(rapidmask.watershed(image, markers), peer(image, markers, 8))
    image = rng.random((60, 60)) * 1e-310  # subnormal
    np.testing.assert_array_equal(rapidmask.watershed(image, markers), peer(image, markers, 8))


# Types


@pytest.mark.parametrize("dtype", [np.bool_, *INTEGERS, *FLOATS])
def test_image_types(rng, dtype):
    image = rng.integers(0, 100, (20, 30)).astype(dtype)
    if np.issubdtype(dtype, np.signedinteger):
        image -= 50
    markers = random_markers(rng, image.shape, 0.05)
    np.testing.assert_array_equal(
        rapidmask.watershed(image, markers), reference.watershed(image, markers, connectivity=8)
    )


@pytest.mark.parametrize("dtype", INTEGERS[2:])
def test_images_that_span_their_type(rng, dtype):
    info = np.iinfo(dtype)
    image = rng.integers(info.min, info.max, (20, 30), dtype, endpoint=True)
    image[0, 0], image[1, 0] = info.max, info.min
    markers = random_markers(rng, image.shape, 0.05)
    np.testing.assert_array_equal(
        rapidmask.watershed(image, markers), reference.watershed(image, markers, connectivity=8)
    )


def test_64_bit_integers_are_levels_of_float64():
    image = 2**53 + np.array([[0, 1, 0, 1, 0]])  # one level
    markers = np.array([[1, 0, 0, 0, 2]])
    np.testing.assert_array_equal(rapidmask.watershed(image, markers), [[1, 1, 1, 2, 2]])
    np.testing.assert_array_equal(rapidmask.watershed(image, markers), peer(image, markers, 8))


def test_bfloat16():
    torch = pytest.importorskip("torch")
    image = torch.tensor([[0.0, 3.0, 1.0, 2.0, 0.0]]).to(torch.bfloat16)
    labels = rapidmask.watershed(image, torch.tensor([[1, 0, 0, 0, 2]]))
    assert labels.dtype == torch.int32
    assert labels.tolist() == [[1, 1, 2, 2, 2]]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("connectivity", [4, 8])
def test_nan_is_flooded_last(rng, dtype, connectivity):
    image = rng.integers(0, 9, (15, 25)).astype(dtype)
    image[rng.random(image.shape) < 0.2] = np.nan
    image[rng.random(image.shape) < 0.1] = np.inf
    markers = random_markers(rng, image.shape, 0.1)
    expected = reference.watershed(image, markers, connectivity)
    np.testing.assert_array_equal(rapidmask.watershed(image, markers, connectivity=connectivity), expected)
    image[np.isnan(image)] = -np.array(np.nan, dtype)  # of either sign
    np.testing.assert_array_equal(rapidmask.watershed(image, markers, connectivity=connectivity), expected)
    np.testing.assert_array_equal(
        rapidmask.watershed(np.full((1, 5), np.nan, dtype), np.array([[1, 0, 0, 0, 2]])), [[1, 1, 1, 2, 2]]
    )


def test_negative_zero_is_zero():
    image = np.array([[0.0, -0.0, 0.0, -0.0, 0.0, -0.0, 0.0]])
    markers = np.array([[1, 0, 0, 0, 0, 0, 2]])
    np.testing.assert_array_equal(rapidmask.watershed(image, markers), [[1, 1, 1, 1, 2, 2, 2]])


@pytest.mark.parametrize("dtype", [np.bool_, *INTEGERS])
def test_marker_types(rng, dtype):
    image = rng.integers(0, 5, (12, 17))
    markers = (rng.integers(0, 100, image.shape) * (rng.random(image.shape) < 0.1)).astype(dtype)
    labels = rapidmask.watershed(image, markers)
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(labels, reference.watershed(image, markers, connectivity=8))


def test_markers_may_be_the_ends_of_int32():
    markers = np.array([[-(2**31), 0, 0, 2**31 - 1]])
    labels = rapidmask.watershed(np.zeros((1, 4)), markers)
    np.testing.assert_array_equal(labels, markers[:, [0, 0, 3, 3]])
    np.testing.assert_array_equal(labels, peer(np.zeros((1, 4)), markers, 8))


# Masks


def test_every_form_of_mask(rng):
    image = rng.integers(0, 9, (4, 11, 70))
    markers = random_markers(rng, image.shape, 0.05)
    mask = rng.random(image.shape) < 0.7
    expected = rapidmask.watershed(image, markers, mask=mask)
    packed = rapidmask.pack(mask)
    for form in (mask.astype(np.uint8) * 255, mask.view(np.uint8), packed, packed.to_rle()):
        np.testing.assert_array_equal(rapidmask.watershed(image, markers, mask=form), expected)
    volume = rapidmask.watershed(image, markers, mask=mask, connectivity=26)
    for form in (packed, packed.to_rle()):
        np.testing.assert_array_equal(rapidmask.watershed(image, markers, mask=form, connectivity=26), volume)
    np.testing.assert_array_equal(
        rapidmask.watershed(image[0], markers[0], mask=rapidmask.pack(mask[0])),
        rapidmask.watershed(image[0], markers[0], mask=mask[0]),
    )


def test_markers_outside_of_the_mask_count_for_nothing():
    markers = np.array([[2**40, 0, 5]])  # not even where int32 does not hold them
    labels = rapidmask.watershed(np.zeros((1, 3)), markers, mask=np.array([[0, 1, 1]], bool))
    np.testing.assert_array_equal(labels, [[0, 5, 5]])


def test_what_no_path_reaches_stays_0():
    mask = spiral(21)
    mask[0, 5] = False
    markers = np.zeros(mask.shape, int)
    markers[0, 0] = 4
    labels = rapidmask.watershed(np.zeros(mask.shape), markers, mask=mask)
    np.testing.assert_array_equal(labels[0, :6], [4, 4, 4, 4, 4, 0])
    assert np.count_nonzero(labels) == 5


# Batches, shapes, memory


@pytest.mark.parametrize("connectivity", STEPS)
def test_a_batch_is_its_images(rng, threads, connectivity):
    shape = (2, 5, 31, 42) if connectivity in (4, 8) else (2, 3, 6, 11, 12)
    image, markers = rng.integers(0, 4, shape), random_markers(rng, shape, 0.05)
    mask = rng.random(shape) < 0.9
    rank = 2 if connectivity in (4, 8) else 3
    one_by_one = np.empty(shape, np.int32)
    for i in np.ndindex(shape[:-rank]):
        one_by_one[i] = rapidmask.watershed(image[i], markers[i], mask=mask[i], connectivity=connectivity)
    for count in (1, 3):
        threads(count)
        labels = rapidmask.watershed(image, markers, mask=mask, connectivity=connectivity)
        np.testing.assert_array_equal(labels, one_by_one)


SHAPES = [(0, 0), (0, 5), (5, 0), (1, 1), (1, 200), (200, 1), (2, 65), (3, 0, 4), (0, 4, 4), (2, 1, 1)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_shapes(rng, shape):
    for image in (rng.integers(0, 3, shape), rng.random(shape)):
        markers = random_markers(rng, shape, 0.1)
        labels = rapidmask.watershed(image, markers)
        assert labels.shape == shape
        assert labels.dtype == np.int32
        images = (
            zip(image.reshape(-1, *shape[-2:]), markers.reshape(-1, *shape[-2:]), strict=True) if labels.size else ()
        )
        expected = [reference.watershed(one, its_markers, 8) for one, its_markers in images]
        np.testing.assert_array_equal(labels.ravel(), np.ravel(expected))
        if len(shape) == 3 and labels.size:
            volume = rapidmask.watershed(image, markers, connectivity=6)
            np.testing.assert_array_equal(volume, reference.watershed(image, markers, 6))


def test_no_markers_all_markers_no_mask_at_all(rng):
    image = rng.random((9, 70))
    markers = rng.integers(1, 9, image.shape)
    np.testing.assert_array_equal(rapidmask.watershed(image, np.zeros(image.shape, int)), 0)
    np.testing.assert_array_equal(rapidmask.watershed(image, markers), markers)
    np.testing.assert_array_equal(rapidmask.watershed(image, markers, mask=np.zeros(image.shape, bool)), 0)


def test_layouts(rng):
    image, markers, mask = rng.random((3, 14, 19)), random_markers(rng, (3, 14, 19), 0.1), rng.random((3, 14, 19)) < 0.9
    expected = rapidmask.watershed(image, markers, mask=mask)
    for arrays in zip(layouts(image), layouts(markers), layouts(mask), strict=True):
        (_, one), (_, two), (name, three) = arrays
        np.testing.assert_array_equal(rapidmask.watershed(one, two, mask=three), expected, err_msg=name)


def test_torch():
    torch = pytest.importorskip("torch")
    image, markers = torch.tensor([[0.0, 1.0, 0.0]]), torch.tensor([[1, 0, 2]])
    labels = rapidmask.watershed(image, markers, mask=torch.tensor([[True, False, True]]))
    assert isinstance(labels, torch.Tensor)
    assert labels.tolist() == [[1, 0, 2]]


# Laws


@pytest.mark.parametrize("connectivity", STEPS)
def test_regions_hold_their_markers_and_hang_together(rng, connectivity):
    ndimage = pytest.importorskip("scipy.ndimage")
    shape = (40, 50) if connectivity in (4, 8) else (8, 12, 15)
    structure = ndimage.generate_binary_structure(len(shape), STEPS[connectivity])
    for image in (rng.random(shape), rng.integers(0, 4, shape)):
        mask = rng.random(shape) < 0.8
        markers = random_markers(rng, shape, 0.02, labels=2)
        labels = rapidmask.watershed(image, markers, mask=mask, connectivity=connectivity)
        np.testing.assert_array_equal(labels[mask & (markers != 0)], markers[mask & (markers != 0)])
        np.testing.assert_array_equal(labels[~mask], 0)
        for value in np.unique(labels[labels != 0]):
            parts, count = ndimage.label(labels == value, structure)
            assert set(parts[mask & (markers == value)]) == set(range(1, count + 1))
        reached = ndimage.label(mask, structure)[0]
        np.testing.assert_array_equal(labels != 0, np.isin(reached, np.setdiff1d(reached[mask & (markers != 0)], 0)))


def test_only_the_order_of_values_counts(rng):
    image = rng.integers(0, 50, (30, 40)).astype(np.float32)
    markers = random_markers(rng, image.shape, 0.05)
    labels = rapidmask.watershed(image, markers)
    for same in (image.astype(np.uint8), image.astype(np.int64) - 25, image**3, np.exp(image.astype(np.float64))):
        np.testing.assert_array_equal(rapidmask.watershed(same, markers), labels)


# Errors

ZEROS = np.zeros((4, 5))
MARKERS = np.zeros((4, 5), int)
CONNECTIVITY = "connectivity must be 4 or 8 (images), 6, 18 or 26 (volumes), got"


def test_errors():
    with refuses(ValueError, "watershed: markers must have the shape of image, (4, 5), got (5, 4)"):
        rapidmask.watershed(ZEROS, MARKERS.T)
    with refuses(ValueError, "watershed: mask must have the shape of image, (4, 5), got (1, 5)"):
        rapidmask.watershed(ZEROS, MARKERS, mask=np.ones((1, 5), bool))
    with refuses(ValueError, "watershed: mask must have the shape of image, (4, 5), got (2, 4, 5)"):
        rapidmask.watershed(ZEROS, MARKERS, mask=rapidmask.pack(np.ones((2, 4, 5), bool)))
    with refuses(ValueError, "watershed: image must have at least 2 dimensions (..., H, W), got shape (5,)"):
        rapidmask.watershed(ZEROS[0], MARKERS[0])
    with refuses(ValueError, "watershed: image must have at least 3 dimensions (..., D, H, W), got shape (4, 5)"):
        rapidmask.watershed(ZEROS, MARKERS, connectivity=6)
    with refuses(TypeError, "watershed: markers must be of an integer type, got float64"):
        rapidmask.watershed(ZEROS, ZEROS)
    with refuses(TypeError, "watershed: mask must be bool or uint8, got float64"):
        rapidmask.watershed(ZEROS, MARKERS, mask=ZEROS)
    for wrong in (0, 5, 1, "8", None):
        with refuses(ValueError, f"watershed: {CONNECTIVITY} {wrong!r}"):
            rapidmask.watershed(ZEROS, MARKERS, connectivity=wrong)
    for dtype, value in ((np.int64, 2**31), (np.int64, -(2**31) - 1), (np.uint32, 2**32 - 1), (np.uint64, 2**63)):
        markers = MARKERS.astype(dtype)
        markers[2, 3] = value
        with refuses(ValueError, f"watershed: markers must be between -2147483648 and 2147483647, got {value}"):
            rapidmask.watershed(ZEROS, markers)
    with pytest.raises(TypeError, match=r"^watershed: image must be an array of NumPy, torch, .*, got list$"):
        rapidmask.watershed([[1]], MARKERS)
    with pytest.raises(TypeError, match=r"^watershed: markers must be an array of NumPy, torch, .*, got int$"):
        rapidmask.watershed(ZEROS, 3)


def test_an_image_of_too_many_pixels():
    image = np.broadcast_to(np.uint8(0), (2**16, 2**15))
    size = (2**16 + 2) * (2**15 + 2)
    with refuses(
        ValueError, f"watershed: an image must have at most 2147483647 pixels with a border of one, got {size}"
    ):
        rapidmask.watershed(image, np.broadcast_to(np.int32(0), image.shape))
