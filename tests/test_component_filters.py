"""What is removed from masks, or filled in them, by their components."""

from functools import cache

import numpy as np
import pytest

import rapidmask
from inputs import forms, hostile_masks, hostile_volumes, layouts, opened, refuses, spiral
from reference import components as reference

MASKS = hostile_masks()
VOLUMES = hostile_volumes()
CASES = [(name, connectivity) for name in MASKS for connectivity in (4, 8)]
CASES += [(name, connectivity) for name in VOLUMES for connectivity in (6, 18, 26)]
NOT_AN_ARRAY = "must be an array of NumPy, torch, CuPy or another library with DLPack, got"
CONNECTIVITY = "connectivity must be 4 or 8 (images), 6, 18 or 26 (volumes), got"
FUNCTIONS = {
    "remove_small_objects": lambda masks, **settings: rapidmask.remove_small_objects(masks, 4, **settings),
    "remove_small_holes": lambda masks, **settings: rapidmask.remove_small_holes(masks, 4, **settings),
    "remove_small_regions": lambda masks, **settings: rapidmask.remove_small_regions(masks, 4, **settings),
    "fill_holes": rapidmask.fill_holes,
    "keep_largest": rapidmask.keep_largest,
    "clear_border": rapidmask.clear_border,
}
# By name: what is called with masks and a connectivity, and the definition for one mask.
FILTERS = {
    "objects of 2": (
        lambda masks, c: rapidmask.remove_small_objects(masks, 2, connectivity=c),
        lambda mask, c: reference.remove_small_objects(mask, 2, c),
    ),
    "objects of 9": (
        lambda masks, c: rapidmask.remove_small_objects(masks, 9, connectivity=c),
        lambda mask, c: reference.remove_small_objects(mask, 9, c),
    ),
    "holes of 2": (
        lambda masks, c: rapidmask.remove_small_holes(masks, 2, connectivity=c),
        lambda mask, c: reference.remove_small_holes(mask, 2, c),
    ),
    "holes of 9": (
        lambda masks, c: rapidmask.remove_small_holes(masks, 9, connectivity=c),
        lambda mask, c: reference.remove_small_holes(mask, 9, c),
    ),
    "holes inside of 9": (
        lambda masks, c: rapidmask.remove_small_holes(masks, 9, connectivity=c, border_is_hole=False),
        lambda mask, c: reference.remove_small_holes(mask, 9, c, border_is_hole=False),
    ),
    "regions of 3": (
        lambda masks, c: rapidmask.remove_small_regions(masks, 3, connectivity=c),
        lambda mask, c: reference.remove_small_objects(reference.remove_small_holes(mask, 3, c), 3, c),
    ),
    "all holes": (
        lambda masks, c: rapidmask.fill_holes(masks, connectivity=c),
        lambda mask, c: reference.fill_holes(mask, c),
    ),
    "largest": (
        lambda masks, c: rapidmask.keep_largest(masks, connectivity=c),
        lambda mask, c: reference.keep_largest(mask, 1, c),
    ),
    "three largest": (
        lambda masks, c: rapidmask.keep_largest(masks, 3, connectivity=c),
        lambda mask, c: reference.keep_largest(mask, 3, c),
    ),
    "border": (
        lambda masks, c: rapidmask.clear_border(masks, connectivity=c),
        lambda mask, c: reference.clear_border(mask, c),
    ),
}


def case(name, connectivity):
    """Masks of that name: of images for 4 and 8, of volumes for others."""
    return np.asarray((MASKS if connectivity in (4, 8) else VOLUMES)[name])


@cache
def expected_of(name, connectivity, wanted):
    """The masks that a filter leaves by its definition."""
    masks = case(name, connectivity)
    return np.array([FILTERS[wanted][1](mask, connectivity) for mask in masks], bool).reshape(masks.shape)


def ground(connectivity):
    """SciPy's structuring element of a connectivity."""
    ndimage = pytest.importorskip("scipy.ndimage")
    rank = 2 if connectivity in (4, 8) else 3
    return ndimage.generate_binary_structure(rank, reference.AXES_OF_A_STEP[connectivity])


def picture(name, backend):
    """A picture that scikit-image's wheel holds, smaller for the emulator."""
    image = getattr(pytest.importorskip("skimage.data"), name)()
    return image[100:150, 60:190] if backend == "emu" else image


def blobs(rng, shape, sigma=2):
    """Masks of rounded regions with holes, as models give them."""
    ndimage = pytest.importorskip("scipy.ndimage")
    noise = ndimage.gaussian_filter(rng.normal(0, 1, shape), [0] * (len(shape) - 2) + [sigma, sigma])
    return noise > np.quantile(noise, 0.5)


# Worked examples


def test_remove_small_objects_by_eye(backend):
    mask = np.array([[1, 1, 0, 7], [0, 0, 0, 0], [9, 0, 0, 0], [0, 9, 0, 0]], np.uint8)
    kept = rapidmask.remove_small_objects(mask, 2)
    assert kept.dtype == np.uint8
    np.testing.assert_array_equal(kept, [[1, 1, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0]])
    kept = rapidmask.remove_small_objects(mask, 2, connectivity=4)
    np.testing.assert_array_equal(kept, [[1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])


def test_remove_small_holes_by_eye(backend):
    # A hole of one pixel, one of two that meet at a corner, and one of one pixel at the border.
    mask = np.array(
        [
            [1, 1, 1, 1, 1, 1],
            [1, 0, 1, 0, 1, 0],
            [1, 1, 1, 1, 0, 1],
            [1, 1, 1, 1, 1, 1],
        ],
        np.uint8,
    )
    filled = rapidmask.remove_small_holes(mask, 2, connectivity=4)
    np.testing.assert_array_equal(filled, np.ones((4, 6), np.uint8))
    filled = rapidmask.remove_small_holes(mask, 2)  # by 8 the three at the right are one
    assert filled[1].tolist() == [1, 1, 1, 0, 1, 0]
    filled = rapidmask.remove_small_holes(mask, 2, connectivity=4, border_is_hole=False)
    assert filled[1].tolist() == [1, 1, 1, 1, 1, 0]
    assert filled[2].tolist() == [1, 1, 1, 1, 1, 1]


def test_fill_holes_by_eye(backend):
    # The hole leaks through the corner only where background connects by 8: with foreground that connects by 4.
    mask = np.array([[0, 1, 1, 1], [0, 1, 0, 1], [0, 1, 1, 0]], np.uint8)
    filled = rapidmask.fill_holes(mask)
    assert filled.dtype == np.uint8
    np.testing.assert_array_equal(filled, [[0, 1, 1, 1], [0, 1, 1, 1], [0, 1, 1, 0]])
    np.testing.assert_array_equal(rapidmask.fill_holes(mask, connectivity=4), mask)


def test_fill_holes_of_a_volume_by_eye(backend):
    volume = np.ones((3, 3, 3), bool)
    volume[1, 1, 1] = False  # a cavity
    assert rapidmask.fill_holes(volume, connectivity=26).all()
    np.testing.assert_array_equal(rapidmask.fill_holes(volume)[1], np.ones((3, 3)))  # in its slice it is a hole too
    volume[0, 0, 0] = False  # a leak through a corner, open to background that connects by 26: foreground by 6
    assert not rapidmask.fill_holes(volume, connectivity=6)[1, 1, 1]
    assert rapidmask.fill_holes(volume, connectivity=26)[1, 1, 1]
    volume[0, 1, 1] = False  # and through a face
    np.testing.assert_array_equal(rapidmask.fill_holes(volume, connectivity=26), volume)


def test_keep_largest_by_eye(backend):
    mask = np.array([[1, 0, 1, 1, 0, 1], [1, 0, 0, 0, 0, 1]], np.uint8)  # three of two pixels
    np.testing.assert_array_equal(rapidmask.keep_largest(mask), [[1, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0]])
    np.testing.assert_array_equal(rapidmask.keep_largest(mask, 2), [[1, 0, 1, 1, 0, 0], [1, 0, 0, 0, 0, 0]])
    mask[1, 4] = 1
    np.testing.assert_array_equal(
        rapidmask.keep_largest(mask, connectivity=4), [[0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 1, 1]]
    )
    assert not rapidmask.keep_largest(mask, 0).any()


def test_clear_border_by_eye(backend):
    mask = np.array([[0, 0, 0, 0, 0], [0, 1, 0, 1, 0], [0, 0, 0, 0, 1], [0, 0, 0, 0, 0]], np.uint8)
    expected = np.zeros_like(mask)
    expected[1, 1] = 1
    np.testing.assert_array_equal(rapidmask.clear_border(mask), expected)
    expected[1, 3] = 1
    np.testing.assert_array_equal(rapidmask.clear_border(mask, connectivity=4), expected)
    volume = np.zeros((3, 4, 4), bool)
    volume[1, 1, 1] = volume[1, 2, 2] = volume[2, 2, 2] = True
    kept = rapidmask.clear_border(volume, connectivity=6)
    assert np.argwhere(kept).tolist() == [[1, 1, 1]]
    assert not rapidmask.clear_border(volume, connectivity=18).any()


# Against the definition


@pytest.mark.parametrize(("name", "connectivity"), CASES)
def test_hostile_masks(backend, isa, name, connectivity):
    masks = case(name, connectivity)
    everything = list(forms(masks, connectivity))
    for form, given, part in everything:
        for wanted, (function, _) in FILTERS.items():
            expected = expected_of(name, connectivity, wanted)[part]
            found = opened(function(given, connectivity), given).reshape(expected.shape)
            np.testing.assert_array_equal(found, expected, err_msg=f"{wanted}, {form}")
    for (_, given, _), (_, fresh, _) in zip(everything, forms(masks, connectivity), strict=True):
        assert np.array_equal(given, fresh) if isinstance(given, np.ndarray) else given == fresh  # as it was


@pytest.mark.parametrize("wanted", FILTERS)
@pytest.mark.parametrize("connectivity", [4, 8])
def test_random_masks_of_all_densities(backend, isa, rng, wanted, connectivity):
    # Several words wide: sparse ones and dense ones, and runs that cross them.
    function, definition = FILTERS[wanted]
    for percent in (2, 20, 50, 60, 80, 98):
        masks = rng.random((2, 6, 197)) < percent / 100
        masks[0, 3] = percent > 50
        expected = [definition(mask, connectivity) for mask in masks]
        for form, given, _ in forms(masks, connectivity):
            np.testing.assert_array_equal(opened(function(given, connectivity), given), expected, err_msg=form)


@pytest.mark.parametrize("connectivity", [4, 8, 26])
def test_any_area_and_number(backend, rng, connectivity):
    masks = rng.random((2, 3, 8, 30)) < 0.55
    batch = masks.reshape(-1, 8, 30) if connectivity != 26 else masks
    for area in (-(2**70), -5, 0, 1, 2, 3, 6, 20, 100, 240, 721, 2**31, 2**63, 2**70, np.int64(3), np.uint8(4)):
        kept = rapidmask.remove_small_objects(masks, area, connectivity=connectivity).reshape(batch.shape)
        inner = rapidmask.remove_small_holes(masks, area, connectivity=connectivity, border_is_hole=False)
        filled = rapidmask.remove_small_holes(masks, area, connectivity=connectivity).reshape(batch.shape)
        for i, mask in enumerate(batch):
            np.testing.assert_array_equal(kept[i], reference.remove_small_objects(mask, area, connectivity))
            np.testing.assert_array_equal(filled[i], reference.remove_small_holes(mask, area, connectivity))
            expected = reference.remove_small_holes(mask, area, connectivity, border_is_hole=False)
            np.testing.assert_array_equal(inner.reshape(batch.shape)[i], expected)
    for k in (0, 1, 2, 3, 10, 100, 2**31, 2**63, 2**70, np.int64(2)):
        kept = rapidmask.keep_largest(masks, k, connectivity=connectivity).reshape(batch.shape)
        for i, mask in enumerate(batch):
            np.testing.assert_array_equal(kept[i], reference.keep_largest(mask, k, connectivity))


def test_of_equal_components_the_first_are_kept(backend):
    mask = np.zeros((40, 70), bool)
    mask[::2, ::2] = True  # 700 of one pixel
    for k in (1, 2, 63, 64, 65, 350, 699, 700, 701):
        expected = np.zeros_like(mask)
        expected[tuple(np.argwhere(mask)[:k].T)] = True
        np.testing.assert_array_equal(rapidmask.keep_largest(mask, k), expected)
    mask[20, 30:33] = True  # one of three
    expected = np.zeros_like(mask)
    expected[20, 30:33] = expected[0, 0] = True
    np.testing.assert_array_equal(rapidmask.keep_largest(mask, 2), expected)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_batches_of_any_rank(backend, rng, function):
    masks = blobs(rng, (2, 3, 4, 10, 31))
    for connectivity, axes in ((8, 2), (26, 3)):
        found = FUNCTIONS[function](masks, connectivity=connectivity)
        assert found.shape == masks.shape
        for index in np.ndindex(masks.shape[:-axes]):
            one = FUNCTIONS[function](masks[index], connectivity=connectivity)
            np.testing.assert_array_equal(found[index], one)


@pytest.mark.parametrize("connectivity", [8, 26])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_layouts(backend, rng, function, connectivity):
    for masks in (blobs(rng, (2, 12, 67)), blobs(rng, (2, 12, 67)).astype(np.uint8) * 5):
        expected = FUNCTIONS[function](masks, connectivity=connectivity)
        for layout, view in layouts(masks):
            before = view.copy()
            found = FUNCTIONS[function](view, connectivity=connectivity)
            assert found.dtype == masks.dtype
            assert not np.shares_memory(found, view)
            np.testing.assert_array_equal(found, expected, err_msg=layout)
            np.testing.assert_array_equal(view, before)


# Large ones


LARGE = {
    "many": lambda rng: np.concatenate([blobs(rng, (30, 90, 90)), rng.random((30, 90, 90)) < 0.5]),
    "blobs": lambda rng: blobs(rng, (1200, 1777), 5),
    "noise": lambda rng: rng.random((1300, 1000)) < 0.6,
    "spiral": lambda rng: spiral(701),
    "volume": lambda rng: rng.random((60, 110, 130)) < 0.3,
}


@pytest.mark.parametrize("name", LARGE)
def test_any_number_of_threads_gives_one_result(threads, rng, name):
    masks = LARGE[name](rng)
    for connectivity in (6, 26) if name == "volume" else (4, 8):
        for function in FUNCTIONS.values():
            threads(1)
            expected = function(masks, connectivity=connectivity)
            for count in (2, 7):
                threads(count)
                np.testing.assert_array_equal(function(masks, connectivity=connectivity), expected)


def test_large_spirals(backend):
    mask = spiral(65 if backend == "emu" else 301)
    area = int(mask.sum())
    assert not rapidmask.remove_small_objects(mask, area + 1, connectivity=4).any()
    np.testing.assert_array_equal(rapidmask.remove_small_objects(mask, area, connectivity=4), mask)
    np.testing.assert_array_equal(rapidmask.fill_holes(mask), mask)
    np.testing.assert_array_equal(rapidmask.keep_largest(mask, connectivity=4), mask)
    assert not rapidmask.clear_border(mask, connectivity=4).any()
    assert rapidmask.remove_small_holes(mask, int((~mask).sum()) + 1, connectivity=4).all()


def test_more_masks_than_a_grid_is_tall(backend):
    masks = np.zeros((65_537, 1, 4), bool)
    masks[:, 0, 0] = True
    masks[-1, 0, 2:] = True
    packed = rapidmask.pack(masks)
    kept = opened(rapidmask.remove_small_objects(packed, 2), packed)
    assert np.argwhere(kept).tolist() == [[65_536, 0, 2], [65_536, 0, 3]]
    if backend == "emu":
        return  # where the rest takes a minute
    for given in (masks, packed):
        kept = opened(rapidmask.keep_largest(given), given)
        assert kept[:-1, 0, 0].all()
        assert kept[-1, 0].tolist() == [0, 0, 1, 1]
        np.testing.assert_array_equal(opened(rapidmask.fill_holes(given), given), masks)
        assert not opened(rapidmask.clear_border(given), given).any()


# Laws


@pytest.mark.parametrize("connectivity", [4, 8, 6, 18, 26])
def test_laws(backend, rng, connectivity):
    masks = blobs(rng, (3, 25, 40) if connectivity in (4, 8) else (3, 4, 15, 20))
    for function, _ in FILTERS.values():
        once = function(masks, connectivity)
        np.testing.assert_array_equal(function(once, connectivity), once)
    options = {"connectivity": connectivity}
    for function in ("remove_small_objects", "keep_largest", "clear_border"):
        assert (FUNCTIONS[function](masks, **options) <= masks).all()
    for function in ("remove_small_holes", "fill_holes"):
        assert (FUNCTIONS[function](masks, **options) >= masks).all()
    # A hole is an object of the background.
    filled = rapidmask.remove_small_holes(masks, 9, **options)
    np.testing.assert_array_equal(filled, ~rapidmask.remove_small_objects(~masks, 9, **options))
    dual = {"connectivity": reference.DUAL[connectivity]}
    filled = rapidmask.fill_holes(masks, **options)
    np.testing.assert_array_equal(filled, masks | rapidmask.clear_border(~masks, **dual))
    inside = rapidmask.remove_small_holes(masks, 2**40, border_is_hole=False, **dual)
    np.testing.assert_array_equal(filled, inside)
    # What is kept, k after k, are the components by descending area.
    _, counts = rapidmask.label(masks, return_count=True, **options)
    areas = [rapidmask.keep_largest(masks[0], k, **options).sum() for k in range(counts[0] + 1)]
    assert (np.diff(np.diff(areas)) <= 0).all()
    np.testing.assert_array_equal(rapidmask.keep_largest(masks, int(counts.max()), **options), masks)


# As SciPy, scikit-image, fill_voids, cc3d and SAM


@pytest.mark.parametrize("connectivity", [4, 8])
@pytest.mark.parametrize("name", ["coins", "page", "text", "horse"])
def test_pictures_as_scipy_and_scikit_image(backend, isa, name, connectivity):
    ndimage = pytest.importorskip("scipy.ndimage")
    morphology = pytest.importorskip("skimage.morphology")
    segmentation = pytest.importorskip("skimage.segmentation")
    image = picture(name, backend)
    mask = image < 100 if name != "coins" else image > 110
    neighbours = connectivity // 4
    kept = rapidmask.remove_small_objects(mask, 20, connectivity=connectivity)
    np.testing.assert_array_equal(kept, morphology.remove_small_objects(mask, max_size=19, connectivity=neighbours))
    filled = rapidmask.remove_small_holes(mask, 20, connectivity=connectivity)
    np.testing.assert_array_equal(filled, morphology.remove_small_holes(mask, max_size=19, connectivity=neighbours))
    # SciPy's structure is that of the background.
    filled = rapidmask.fill_holes(mask, connectivity=connectivity)
    np.testing.assert_array_equal(filled, ndimage.binary_fill_holes(mask, ground(12 - connectivity)))
    if connectivity == 8:
        np.testing.assert_array_equal(filled, ndimage.binary_fill_holes(mask))
        np.testing.assert_array_equal(rapidmask.clear_border(mask), segmentation.clear_border(mask))
    labels = rapidmask.label(mask, connectivity=connectivity)
    kept = segmentation.clear_border(labels) > 0
    np.testing.assert_array_equal(rapidmask.clear_border(mask, connectivity=connectivity), kept)


@pytest.mark.parametrize("connectivity", [6, 18, 26])
def test_volumes_as_scipy_and_scikit_image(backend, isa, rng, connectivity):
    ndimage = pytest.importorskip("scipy.ndimage")
    morphology = pytest.importorskip("skimage.morphology")
    segmentation = pytest.importorskip("skimage.segmentation")
    neighbours = reference.AXES_OF_A_STEP[connectivity]
    for share in (0.2, 0.5, 0.9):
        volume = rng.random((6, 12, 70) if backend == "emu" else (20, 31, 130)) < share
        kept = rapidmask.remove_small_objects(volume, 20, connectivity=connectivity)
        expected = morphology.remove_small_objects(volume, max_size=19, connectivity=neighbours)
        np.testing.assert_array_equal(kept, expected)
        filled = rapidmask.remove_small_holes(volume, 20, connectivity=connectivity)
        expected = morphology.remove_small_holes(volume, max_size=19, connectivity=neighbours)
        np.testing.assert_array_equal(filled, expected)
        filled = rapidmask.fill_holes(volume, connectivity=connectivity)
        expected = ndimage.binary_fill_holes(volume, ground(reference.DUAL[connectivity]))
        np.testing.assert_array_equal(filled, expected)
        if connectivity != 6:
            np.testing.assert_array_equal(filled, ndimage.binary_fill_holes(volume))
        if connectivity == 26:
            np.testing.assert_array_equal(
                rapidmask.clear_border(volume, connectivity=26), segmentation.clear_border(volume)
            )


def test_fill_holes_as_fill_voids(backend, rng):
    fill_voids = pytest.importorskip("fill_voids")
    for shape, connectivity in (((40, 150), 8), ((8, 14, 40), 26)):
        masks = rng.random(shape) < (0.6 if connectivity == 8 else 0.8)
        expected = fill_voids.fill(masks)
        np.testing.assert_array_equal(rapidmask.fill_holes(masks, connectivity=connectivity), expected)


@pytest.mark.parametrize("connectivity", [4, 8, 6, 18, 26])
def test_keep_largest_as_cc3d(backend, rng, connectivity):
    cc3d = pytest.importorskip("cc3d")
    masks = blobs(rng, (60, 150) if connectivity in (4, 8) else (6, 25, 66))
    areas = np.sort(rapidmask.connected_components(masks, connectivity=connectivity).areas)[::-1]
    for k in (1, 2, 3, 5):
        if k < len(areas) and areas[k - 1] == areas[k]:
            continue  # equal ones, of which cc3d keeps any
        expected = cc3d.largest_k(masks, k, connectivity=connectivity) > 0
        np.testing.assert_array_equal(rapidmask.keep_largest(masks, k, connectivity=connectivity), expected)


def sam_remove_small_regions(mask, area_thresh, mode):
    """What SAM 1's `remove_small_regions` returns, without its flag, by OpenCV as there."""
    cv2 = pytest.importorskip("cv2")
    holes = mode == "holes"
    count, regions, stats, _ = cv2.connectedComponentsWithStats((mask ^ holes).astype(np.uint8), connectivity=8)
    sizes = stats[1:, cv2.CC_STAT_AREA]
    small = [i + 1 for i, size in enumerate(sizes) if size < area_thresh]
    if not small:
        return mask
    if holes:
        return np.isin(regions, [0, *small])
    kept = [i for i in range(1, count) if i not in small]
    return np.isin(regions, kept or [1 + int(np.argmax(sizes))])


@pytest.mark.parametrize("area", [1, 4, 25, 10_000])
def test_small_regions_as_sam(backend, rng, area):
    for mask in (*blobs(rng, (3, 40, 90)), rng.random((40, 90)) < 0.3, np.zeros((5, 6), bool), np.ones((5, 6), bool)):
        filled = rapidmask.remove_small_holes(mask, area)
        # Of an image without foreground SAM makes a full mask if the image is small.
        np.testing.assert_array_equal(filled, sam_remove_small_regions(mask, area, "holes"))
        expected = sam_remove_small_regions(mask, area, "islands")
        kept = rapidmask.remove_small_objects(mask, area)
        if mask.any() and not kept.any():  # SAM keeps the largest then
            kept = rapidmask.keep_largest(mask)
            areas = rapidmask.connected_components(mask).areas
            if np.count_nonzero(areas == areas.max()) > 1:
                assert kept.sum() == expected.sum()
                continue
        np.testing.assert_array_equal(kept, expected)


# Errors


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(
    ("masks", "settings", "error", "text"),
    [
        (np.zeros((2, 2), bool), {"connectivity": 5}, ValueError, f"{CONNECTIVITY} 5"),
        (np.zeros((2, 2), bool), {"connectivity": 0}, ValueError, f"{CONNECTIVITY} 0"),
        (np.zeros((2, 2), bool), {"connectivity": None}, ValueError, f"{CONNECTIVITY} None"),
        (np.zeros(5, bool), {}, ValueError, "masks must have at least 2 dimensions (..., H, W), got shape (5,)"),
        (
            np.zeros((5, 4), bool),
            {"connectivity": 26},
            ValueError,
            "masks must have at least 3 dimensions (..., D, H, W), got shape (5, 4)",
        ),
        (np.zeros((2, 2), np.int32), {}, TypeError, "masks must be bool or uint8, got int32"),
        (np.zeros((2, 2), np.float64), {}, TypeError, "masks must be bool or uint8, got float64"),
        ([[True]], {}, TypeError, f"masks {NOT_AN_ARRAY} list"),
        (None, {}, TypeError, f"masks {NOT_AN_ARRAY} NoneType"),
    ],
)
def test_errors(backend, function, masks, settings, error, text):
    with refuses(error, f"{function}: {text}"):
        FUNCTIONS[function](masks, **settings)


@pytest.mark.parametrize("value", [2.5, "3", None, np.inf])
def test_areas_and_numbers_are_integers(backend, value):
    mask = np.ones((2, 2), bool)
    with refuses(TypeError, f"remove_small_objects: min_area must be an integer, got {value!r}"):
        rapidmask.remove_small_objects(mask, value)
    with refuses(TypeError, f"remove_small_holes: min_area must be an integer, got {value!r}"):
        rapidmask.remove_small_holes(mask, value)
    with refuses(TypeError, f"keep_largest: k must be an integer, got {value!r}"):
        rapidmask.keep_largest(mask, value)


@pytest.mark.parametrize("k", [-1, -(2**70)])
def test_negative_numbers_of_components_are_refused(backend, k):
    with refuses(ValueError, f"keep_largest: k must not be negative, got {k}"):
        rapidmask.keep_largest(np.ones((2, 2), bool), k)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_masks_too_large_for_32_bits_are_refused(backend, function):
    huge = np.broadcast_to(np.zeros(1, np.uint8), (1, 2**31))  # one byte of memory
    if backend == "cpu":
        with refuses(ValueError, f"{function}: a mask must have at most 2147483647 pixels, got 2147483648"):
            FUNCTIONS[function](huge)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_masks_without_pixels_take_no_time(backend, function):
    for shape in [(2**33, 0), (0, 2**33), (2, 2**33, 0)]:
        assert FUNCTIONS[function](np.zeros(shape, bool)).shape == shape


@pytest.mark.parametrize("name", FUNCTIONS)
def test_out_takes_the_result(name, backend):
    masks = MASKS["noise"] if "noise" in MASKS else next(iter(MASKS.values()))
    expected = FUNCTIONS[name](masks)
    out = np.full_like(masks, 1)
    assert FUNCTIONS[name](masks, out=out) is out
    np.testing.assert_array_equal(out, expected)
    with refuses(ValueError, f"{name}: out must be None unless masks are a dense array"):
        FUNCTIONS[name](rapidmask.pack(masks), out=out)
