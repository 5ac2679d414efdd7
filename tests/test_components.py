"""Connected components: labels and measures, of images and volumes."""

from functools import cache

import numpy as np
import pytest

import rapidmask
from inputs import forms, guarded, hostile_masks, hostile_volumes, layouts, refuses, snake, spiral
from reference import components as reference
from reference import rle as boxes_reference

MASKS = hostile_masks()
VOLUMES = hostile_volumes()
CASES = [(name, connectivity) for name in MASKS for connectivity in (4, 8)]
CASES += [(name, connectivity) for name in VOLUMES for connectivity in (6, 18, 26)]
NOT_AN_ARRAY = "must be an array of NumPy, torch, CuPy or another library with DLPack, got"
CONNECTIVITY = "connectivity must be 4 or 8 (images), 6, 18 or 26 (volumes), got"
FUNCTIONS = {
    "label": rapidmask.label,
    "connected_components": rapidmask.connected_components,
    "component_areas": rapidmask.component_areas,
}


def case(name, connectivity):
    """Masks of that name: of images for 4 and 8, of volumes for others."""
    return np.asarray((MASKS if connectivity in (4, 8) else VOLUMES)[name])


@cache
def expected_labels(name, connectivity):
    """The labels of each mask of a case by the definition."""
    masks = case(name, connectivity)
    return np.array([reference.label(mask, connectivity) for mask in masks], np.int32).reshape(masks.shape)


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


def assert_same_partition(ours, theirs):
    """Two label maps have the same components, numbered in whatever order."""
    count = int(ours.max(initial=0))
    assert count == int(theirs.max(initial=0))
    renamed = np.zeros(count + 1, theirs.dtype)
    renamed[ours] = theirs
    np.testing.assert_array_equal(renamed[ours], theirs)


# Worked examples


def test_label_by_eye(backend):
    mask = np.array(
        [
            [1, 1, 0, 0, 1],
            [0, 0, 1, 0, 1],
            [0, 0, 0, 0, 0],
            [1, 0, 1, 1, 1],
        ],
        np.uint8,
    )
    labels, count = rapidmask.label(mask, return_count=True)
    assert labels.dtype == np.int32
    assert count == 4
    assert type(count) is int
    np.testing.assert_array_equal(labels, [[1, 1, 0, 0, 2], [0, 0, 1, 0, 2], [0, 0, 0, 0, 0], [3, 0, 4, 4, 4]])
    labels, count = rapidmask.label(mask, connectivity=4, return_count=True)
    assert count == 5
    np.testing.assert_array_equal(labels, [[1, 1, 0, 0, 2], [0, 0, 3, 0, 2], [0, 0, 0, 0, 0], [4, 0, 5, 5, 5]])


def test_labels_are_in_the_order_of_first_pixels(backend):
    # The right arm comes first in the raster, the left one joins it below.
    mask = np.array([[0, 0, 1, 0, 1], [1, 0, 1, 0, 1], [1, 1, 1, 0, 0]], bool)
    np.testing.assert_array_equal(rapidmask.label(mask), [[0, 0, 1, 0, 2], [1, 0, 1, 0, 2], [1, 1, 1, 0, 0]])


def test_label_of_a_volume_by_eye(backend):
    # Three voxels on the diagonal of a cube's face, and one at the corner beyond: 18 joins the face, 26 all.
    volume = np.zeros((3, 3, 3), np.uint8)
    volume[0, 0, 0] = volume[0, 1, 1] = volume[1, 1, 2] = volume[2, 2, 1] = 1
    for connectivity, found in ((6, [1, 2, 3, 4]), (18, [1, 1, 1, 2]), (26, [1, 1, 1, 1])):
        labels, count = rapidmask.label(volume, connectivity=connectivity, return_count=True)
        assert labels[[0, 0, 1, 2], [0, 1, 1, 2], [0, 1, 2, 1]].tolist() == found
        assert type(count) is int
        assert count == found[-1]
    # Images of the same voxels have one component for each that the image joins.
    np.testing.assert_array_equal(rapidmask.label(volume, return_count=True)[1], [1, 1, 1])


def test_multilabel_by_eye(backend):
    classes = np.array([[5, 5, 0, -1], [5, 3, 3, -1], [0, 3, 5, 5]], np.int16)
    labels, count = rapidmask.label(classes, connectivity=4, multilabel=True, return_count=True)
    assert labels.dtype == np.int32
    assert count == 4
    np.testing.assert_array_equal(labels, [[1, 1, 0, 2], [1, 3, 3, 2], [0, 3, 4, 4]])
    classes[1, 1] = 5
    np.testing.assert_array_equal(
        rapidmask.label(classes, multilabel=True), [[1, 1, 0, 2], [1, 1, 3, 2], [0, 3, 1, 1]]
    )  # by 8 the fives meet at a corner, and the threes across it


def test_connected_components_by_eye(backend):
    mask = np.array([[1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]], bool)
    found = rapidmask.connected_components(mask)
    assert found.count == 2
    assert found.offsets.tolist() == [0, 2]
    assert found.areas.tolist() == [3, 1]
    assert found.boxes.tolist() == [[0, 0, 2, 2], [3, 2, 4, 3]]
    np.testing.assert_array_equal(found.centroids, [[1 / 3, 2 / 3], [2.0, 3.0]])
    np.testing.assert_array_equal(found.labels, [[1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 2]])
    alone = rapidmask.connected_components(mask, labels=False)
    assert alone.labels is None
    assert (alone.areas.tolist(), alone.offsets.tolist()) == ([3, 1], [0, 2])


def test_connected_components_of_a_volume_by_eye(backend):
    volume = np.zeros((2, 3, 4), bool)
    volume[0, 0, :2] = volume[1, 0, 1] = True
    volume[1, 2, 3] = True
    found = rapidmask.connected_components(volume, connectivity=6)
    assert found.count == 2
    assert found.areas.tolist() == [3, 1]
    assert found.boxes.tolist() == [[0, 0, 0, 2, 1, 2], [3, 2, 1, 4, 3, 2]]  # x0, y0, z0, x1, y1, z1
    np.testing.assert_array_equal(found.centroids, [[1 / 3, 0, 2 / 3], [1, 2, 3]])  # z, y, x


def test_component_areas_by_eye(backend):
    mask = np.array([[1, 1, 0, 4], [0, 0, 1, 0], [9, 0, 0, 0]], np.uint8)
    areas = rapidmask.component_areas(mask)
    assert areas.dtype == np.int32
    np.testing.assert_array_equal(areas, [[4, 4, 0, 4], [0, 0, 4, 0], [1, 0, 0, 0]])
    areas = rapidmask.component_areas(mask, connectivity=4)
    np.testing.assert_array_equal(areas, [[2, 2, 0, 1], [0, 0, 1, 0], [1, 0, 0, 0]])


# Against the definition


@pytest.mark.parametrize(("name", "connectivity"), CASES)
def test_labels_of_hostile_masks(backend, isa, name, connectivity):
    masks, expected = case(name, connectivity), expected_labels(name, connectivity)
    for form, given, part in forms(masks, connectivity):
        labels, counts = rapidmask.label(given, connectivity=connectivity, return_count=True)
        assert labels.dtype == np.int32
        if isinstance(given, np.ndarray):
            assert labels.shape == masks.shape
            assert (counts.dtype, counts.shape) == (np.int64, masks.shape[:1])
        want = expected[part]
        np.testing.assert_array_equal(labels.reshape(want.shape), want, err_msg=form)
        np.testing.assert_array_equal(np.ravel(counts), [one.max(initial=0) for one in want], err_msg=form)
        areas = rapidmask.component_areas(given, connectivity=connectivity)
        assert (areas.dtype, areas.shape) == (np.int32, labels.shape)
        for one, other in zip(areas.reshape(want.shape), want, strict=True):
            np.testing.assert_array_equal(one, reference.areas_of(other), err_msg=form)


@cache
def expected_measures(name, connectivity):
    """Areas, boxes and centroids of the components of each mask."""
    return [reference.measures(labels) for labels in expected_labels(name, connectivity)]


@pytest.mark.parametrize(("name", "connectivity"), CASES)
def test_measures_of_hostile_masks(backend, isa, name, connectivity):
    masks = case(name, connectivity)
    axes = 2 if connectivity in (4, 8) else 3
    for form, given, part in forms(masks, connectivity):
        want = expected_measures(name, connectivity)[part]
        for with_labels in (True, False):
            found = rapidmask.connected_components(given, connectivity=connectivity, labels=with_labels)
            if with_labels:
                labels = expected_labels(name, connectivity)[part]
                np.testing.assert_array_equal(found.labels.reshape(labels.shape), labels, err_msg=form)
            else:
                assert found.labels is None
            assert (found.offsets.dtype, found.areas.dtype, found.boxes.dtype) == (np.int64,) * 3
            assert found.centroids.dtype == np.float64
            np.testing.assert_array_equal(found.offsets, np.cumsum([0, *(len(areas) for areas, _, _ in want)]))
            assert found.count == found.offsets[-1] == len(found.areas)
            assert (found.boxes.shape, found.centroids.shape) == ((found.count, 2 * axes), (found.count, axes))
            for begin, end, (areas, boxes, centroids) in zip(found.offsets, found.offsets[1:], want, strict=False):
                np.testing.assert_array_equal(found.areas[begin:end], areas, err_msg=form)
                np.testing.assert_array_equal(found.boxes[begin:end], boxes, err_msg=form)
                np.testing.assert_allclose(found.centroids[begin:end], centroids, rtol=1e-14, atol=0, err_msg=form)


@pytest.mark.parametrize("connectivity", [4, 8])
@pytest.mark.parametrize("percent", [1, 5, 20, 40, 50, 60, 75, 95])
def test_random_masks_of_all_densities(backend, isa, rng, percent, connectivity):
    # Several words wide: sparse ones and dense ones, and runs that cross them.
    masks = rng.random((2, 7, 331)) < percent / 100
    masks |= rng.random((2, 7, 1)) < 0.1  # full rows
    masks[0, 3] = False
    for form, given, _ in forms(masks, connectivity):
        found = rapidmask.connected_components(given, connectivity=connectivity)
        areas = rapidmask.component_areas(given, connectivity=connectivity)
        for i, mask in enumerate(masks):
            labels = reference.label(mask, connectivity)
            np.testing.assert_array_equal(found.labels[i], labels, err_msg=form)
            np.testing.assert_array_equal(areas[i], reference.areas_of(labels), err_msg=form)


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"])
@pytest.mark.parametrize("connectivity", [4, 8, 6, 18, 26])
def test_multilabel_is_its_definition(backend, rng, dtype, connectivity):
    levels = [0, 1]
    if dtype != "bool":
        levels += [2, np.iinfo(dtype).min, np.iinfo(dtype).max]
    levels = np.array(levels, dtype)
    for shape in [(2, 3, 4, 40), (2, 1, 5, 65), (1, 4, 1, 30), (0, 2, 3, 4), (2, 0, 3, 4), (2, 3, 0, 4), (2, 3, 4, 0)]:
        values = levels[rng.integers(0, len(levels), shape)]
        values = np.where(rng.random(shape) < 0.5, values, np.roll(values, 1, -1))  # some runs
        for _, view in layouts(values):
            labels, counts = rapidmask.label(view, connectivity=connectivity, multilabel=True, return_count=True)
            assert labels.dtype == np.int32
            assert labels.shape == shape
            axes = 2 if connectivity in (4, 8) else 3
            assert counts.shape == shape[:-axes]
            for index in np.ndindex(counts.shape):
                expected = reference.label_values(values[index], connectivity)
                np.testing.assert_array_equal(labels[index], expected)
                assert counts[index] == expected.max(initial=0)


@pytest.mark.parametrize("name", MASKS)
def test_multilabel_of_masks_is_their_labels(backend, name):
    masks = case(name, 8)
    for _, given, _ in forms(masks, 8):
        np.testing.assert_array_equal(rapidmask.label(given, multilabel=True), expected_labels(name, 8))
    any_byte = (masks * np.arange(1, masks.shape[-1] + 1)).astype(np.uint8).view(bool)
    np.testing.assert_array_equal(rapidmask.label(any_byte, multilabel=True), rapidmask.label(any_byte))


def test_batches_of_any_rank_are_labelled_one_by_one(backend, rng):
    masks = blobs(rng, (2, 3, 4, 10, 31))
    for connectivity, axes in ((8, 2), (26, 3)):
        labels, counts = rapidmask.label(masks, connectivity=connectivity, return_count=True)
        assert labels.shape == masks.shape
        assert counts.shape == masks.shape[:-axes]
        areas = rapidmask.component_areas(masks, connectivity=connectivity)
        found = rapidmask.connected_components(masks, connectivity=connectivity)
        assert found.labels.shape == masks.shape
        np.testing.assert_array_equal(np.diff(found.offsets), counts.ravel())
        for index in np.ndindex(counts.shape):
            one, count = rapidmask.label(masks[index], connectivity=connectivity, return_count=True)
            np.testing.assert_array_equal(labels[index], one)
            assert counts[index] == count
            np.testing.assert_array_equal(areas[index], reference.areas_of(one))


@pytest.mark.parametrize("connectivity", [8, 26])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_layouts(backend, rng, function, connectivity):
    masks = blobs(rng, (2, 12, 67)).astype(np.uint8)

    def measured(array):
        found = FUNCTIONS[function](array, connectivity=connectivity)
        names = ("labels", "offsets", "areas", "boxes", "centroids")
        return [getattr(found, name) for name in names] if function == "connected_components" else [found]

    expected = measured(masks)
    for layout, view in layouts(masks):
        before = view.copy()
        for found, want in zip(measured(view), expected, strict=True):
            np.testing.assert_array_equal(found, want, err_msg=layout)
        np.testing.assert_array_equal(view, before)


# Large ones


def everything(masks, connectivity):
    """All that is told of the components of some masks."""
    found = rapidmask.connected_components(masks, connectivity=connectivity)
    alone = rapidmask.connected_components(masks, connectivity=connectivity, labels=False)
    labels, counts = rapidmask.label(masks, connectivity=connectivity, return_count=True)
    np.testing.assert_array_equal(found.labels, labels)
    for name in ("offsets", "areas", "boxes", "centroids"):
        np.testing.assert_array_equal(getattr(found, name), getattr(alone, name))
    areas = rapidmask.component_areas(masks, connectivity=connectivity)
    return [labels, np.asarray(counts), found.areas, found.boxes, found.centroids, areas]


def large(name, rng):
    """Masks large enough to be split over threads: one by one, or in bands."""
    return {
        "many": lambda: np.concatenate([blobs(rng, (40, 90, 90)), rng.random((40, 90, 90)) < 0.5]),
        "blobs": lambda: blobs(rng, (1200, 1777), 5),
        "noise": lambda: rng.random((1300, 1000)) < 0.6,
        "spiral": lambda: spiral(701),
        "comb": lambda: np.broadcast_to(np.arange(1501) % 2 == 0, (1000, 1501)) | (np.arange(1000) == 999)[:, None],
        "columns": lambda: np.broadcast_to(np.arange(1501) % 2 == 0, (1000, 1501)),
        "diagonals": lambda: np.add.outer(np.arange(1100), np.arange(1300)) % 3 == 0,
        "full": lambda: np.ones((1500, 1501), bool),
        "volume": lambda: rng.random((90, 110, 130)) < 0.3,
        "snake": lambda: snake(41, 101, 300),
    }[name]()


@pytest.mark.parametrize(
    "name", ["many", "blobs", "noise", "spiral", "comb", "columns", "diagonals", "full", "volume", "snake"]
)
def test_any_number_of_threads_gives_one_result(threads, rng, name):
    ndimage = pytest.importorskip("scipy.ndimage")
    masks = large(name, rng)
    for connectivity in (6, 26) if name in ("volume", "snake") else (4, 8):
        threads(1)
        expected = everything(masks, connectivity)
        for count in (2, 7):
            threads(count)
            for found, want in zip(everything(masks, connectivity), expected, strict=True):
                np.testing.assert_array_equal(found, want)
        if name != "many":
            labels, count = ndimage.label(masks, ground(connectivity))
            np.testing.assert_array_equal(expected[0], labels)
            assert expected[1] == count


def test_large_spiral_is_one_component(backend):
    size = 65 if backend == "emu" else 301
    mask = spiral(size)
    labels, count = rapidmask.label(mask, connectivity=4, return_count=True)
    assert count == 1
    np.testing.assert_array_equal(labels, mask)
    assert rapidmask.label(~mask, connectivity=4, return_count=True)[1] == 1
    found = rapidmask.connected_components(mask, labels=False)
    assert (found.areas.tolist(), found.boxes.tolist()) == ([mask.sum()], [[0, 0, size, size]])


def test_a_mask_of_a_million_components():
    side = 2048
    mask = np.zeros((side, side), bool)
    mask[::2, ::2] = True
    found = rapidmask.connected_components(mask)
    assert found.count == side * side // 4
    assert (found.areas == 1).all()
    y, x = 2 * np.array(np.divmod(np.arange(found.count), side // 2))
    np.testing.assert_array_equal(found.boxes, np.stack([x, y, x + 1, y + 1], 1))
    np.testing.assert_array_equal(found.centroids, np.stack([y, x], 1))
    np.testing.assert_array_equal(found.labels[mask], np.arange(1, found.count + 1))
    classes = np.arange(1, side * side + 1, dtype=np.uint32).reshape(side, side)
    np.testing.assert_array_equal(rapidmask.label(classes, multilabel=True), classes)


def test_more_masks_than_a_grid_is_tall(backend):
    masks = np.zeros((65_537, 1, 3), bool)
    masks[:, 0, 0] = True
    masks[-1, 0, 2] = True
    labels, counts = rapidmask.label(rapidmask.pack(masks), return_count=True)
    assert counts.sum() == 65_538
    np.testing.assert_array_equal(labels, masks * np.array([1, 1, 2]))
    if backend == "emu":
        return  # where the rest takes a minute
    np.testing.assert_array_equal(rapidmask.label(masks), labels)
    np.testing.assert_array_equal(rapidmask.label(masks.view(np.uint8), multilabel=True), labels)
    found = rapidmask.connected_components(rapidmask.pack(masks), labels=False)
    np.testing.assert_array_equal(found.offsets, np.concatenate([[0], np.cumsum(counts)]))
    assert found.boxes[-1].tolist() == [2, 0, 3, 1]


def test_batches_of_more_than_2_31_pixels():
    count, width = 70_000, 32_768
    packed = rapidmask.PackedMasks(np.zeros((count, 1, width // 8), np.uint8), (1, width))
    packed.data[0, 0, 0] = 0b1011
    packed.data[-1, 0, -1] = 0b11000000
    found = rapidmask.connected_components(packed, labels=False)
    assert found.areas.tolist() == [2, 1, 2]
    assert found.boxes.tolist() == [[0, 0, 2, 1], [3, 0, 4, 1], [width - 2, 0, width, 1]]
    assert found.offsets[[0, 1, -2, -1]].tolist() == [0, 2, 2, 3]
    assert not rapidmask.remove_small_objects(packed, 3).data.any()


def test_a_mask_of_almost_2_31_pixels():
    side = 46_340
    data = np.full((1, side, 5_800), 255, np.uint8)
    data[..., side // 8 :] = 0
    data[..., side // 8] = 0b1111
    data[0, 20_000] = 0
    found = rapidmask.connected_components(rapidmask.PackedMasks(data, (side, side)), labels=False)
    assert found.areas.tolist() == [20_000 * side, 26_339 * side]
    assert found.boxes.tolist() == [[0, 0, side, 20_000], [0, 20_001, side, side]]
    middle = (side - 1) / 2
    assert found.centroids.tolist() == [[9_999.5, middle], [33_170.0, middle]]


# Laws


@pytest.mark.parametrize("connectivity", [4, 8, 6, 18, 26])
def test_areas_add_up_and_boxes_cover(backend, rng, connectivity):
    masks = blobs(rng, (3, 25, 40) if connectivity in (4, 8) else (3, 4, 15, 20))
    found = rapidmask.connected_components(masks, connectivity=connectivity)
    sums = [found.areas[a:b].sum() for a, b in zip(found.offsets[:-1], found.offsets[1:], strict=True)]
    np.testing.assert_array_equal(sums, masks.reshape(3, -1).sum(1))
    area = rapidmask.component_areas(masks, connectivity=connectivity)
    np.testing.assert_array_equal(area > 0, masks)
    # Each pixel of a component adds 1 / area.
    assert (1 / area[masks]).sum() == pytest.approx(found.count)
    if connectivity in (4, 8):
        whole = boxes_reference.boxes(masks)
        for i in range(3):
            part = found.boxes[found.offsets[i] : found.offsets[i + 1]]
            assert [*part[:, :2].min(0), *part[:, 2:].max(0)] == whole[i].tolist()


def test_more_neighbours_give_fewer_components(backend, rng):
    volume = rng.random((5, 9, 66)) < 0.2
    counts = [rapidmask.label(volume, connectivity=c, return_count=True)[1] for c in (6, 18, 26)]
    assert counts[0] > counts[1] > counts[2]
    coarse, fine = rapidmask.label(volume, connectivity=26), rapidmask.label(volume, connectivity=6)
    assert len(np.unique(np.stack([fine[volume], coarse[volume]]), axis=1).T) == counts[0]  # each part is of one whole


def test_a_volume_of_one_slice_is_an_image(backend, rng):
    masks = blobs(rng, (3, 20, 70))
    for image, volume in ((4, 6), (8, 18), (8, 26)):
        labels = rapidmask.label(masks, connectivity=image)
        np.testing.assert_array_equal(rapidmask.label(masks[:, None], connectivity=volume)[:, 0], labels)


def test_multilabel_of_labels_gives_them_back(backend, rng):
    for connectivity in (4, 8, 6, 26):
        labels = rapidmask.label(blobs(rng, (3, 4, 15, 20)), connectivity=connectivity)
        again = rapidmask.label(labels, connectivity=connectivity, multilabel=True)
        np.testing.assert_array_equal(again, labels)


# As SciPy, scikit-image, OpenCV and cc3d


@pytest.mark.parametrize("connectivity", [4, 8])
@pytest.mark.parametrize("name", ["coins", "page", "text", "horse"])
def test_pictures_as_scipy_and_scikit_image(backend, isa, name, connectivity):
    ndimage = pytest.importorskip("scipy.ndimage")
    measure = pytest.importorskip("skimage.measure")
    image = picture(name, backend)
    mask = image < 100 if name != "coins" else image > 110
    labels, count = rapidmask.label(mask, connectivity=connectivity, return_count=True)
    expected, expected_count = ndimage.label(mask, ground(connectivity))
    np.testing.assert_array_equal(labels, expected)
    assert count == expected_count
    np.testing.assert_array_equal(labels, measure.label(mask, connectivity=connectivity // 4))


@pytest.mark.parametrize("connectivity", [6, 18, 26])
def test_volumes_as_scipy_and_scikit_image(backend, isa, rng, connectivity):
    ndimage = pytest.importorskip("scipy.ndimage")
    measure = pytest.importorskip("skimage.measure")
    volume = rng.random((6, 12, 70) if backend == "emu" else (30, 41, 130)) < 0.25
    labels, count = rapidmask.label(volume, connectivity=connectivity, return_count=True)
    expected, expected_count = ndimage.label(volume, ground(connectivity))
    np.testing.assert_array_equal(labels, expected)
    assert count == expected_count
    neighbours = reference.AXES_OF_A_STEP[connectivity]
    np.testing.assert_array_equal(labels, measure.label(volume, connectivity=neighbours))


@pytest.mark.parametrize("connectivity", [4, 8, 6, 18, 26])
def test_multilabel_as_scikit_image(backend, rng, connectivity):
    measure = pytest.importorskip("skimage.measure")
    shape = (30, 140) if connectivity in (4, 8) else (5, 9, 70)
    neighbours = reference.AXES_OF_A_STEP[connectivity]
    for levels in (2, 3, 9):
        values = rng.integers(-1, levels, shape)
        labels, count = rapidmask.label(values, connectivity=connectivity, multilabel=True, return_count=True)
        expected, expected_count = measure.label(values, background=0, connectivity=neighbours, return_num=True)
        np.testing.assert_array_equal(labels, expected)
        assert count == expected_count


@pytest.mark.parametrize("connectivity", [4, 8])
def test_measures_as_scikit_image(backend, connectivity):
    measure = pytest.importorskip("skimage.measure")
    mask = picture("coins", backend) > 110
    found = rapidmask.connected_components(mask, connectivity=connectivity)
    regions = measure.regionprops(found.labels)
    assert found.count == len(regions)
    np.testing.assert_array_equal(found.areas, [region.area for region in regions])
    boxes = [[x0, y0, x1, y1] for y0, x0, y1, x1 in (region.bbox for region in regions)]
    np.testing.assert_array_equal(found.boxes, boxes)
    np.testing.assert_allclose(found.centroids, [region.centroid for region in regions], rtol=1e-12)


@pytest.mark.parametrize("connectivity", [4, 8])
def test_labels_and_measures_as_opencv(backend, connectivity, rng):
    cv2 = pytest.importorskip("cv2")
    for mask in (blobs(rng, (60, 171)), rng.random((40, 100)) < 0.5):
        count, labels, stats, centroids = cv2.connectedComponentsWithStats(
            mask.view(np.uint8), connectivity=connectivity
        )
        found = rapidmask.connected_components(mask, connectivity=connectivity)
        assert_same_partition(found.labels, labels)
        assert found.count == count - 1
        order = [labels[found.labels == i][0] for i in range(1, count)]  # OpenCV numbers them in another order
        x, y, width, height, area = stats[order].T
        np.testing.assert_array_equal(found.areas, area)
        np.testing.assert_array_equal(found.boxes, np.stack([x, y, x + width, y + height], 1))
        np.testing.assert_allclose(found.centroids[:, ::-1], centroids[order], rtol=1e-12)


@pytest.mark.parametrize("connectivity", [4, 8, 6, 18, 26])
def test_labels_and_measures_as_cc3d(backend, connectivity, rng):
    cc3d = pytest.importorskip("cc3d")
    shape = (50, 140) if connectivity in (4, 8) else (7, 12, 70)
    axes = len(shape)
    values = rng.integers(0, 4, shape).astype(np.int32)
    for given, multilabel in ((rng.random(shape) < 0.35, False), (values, True)):
        theirs = cc3d.connected_components(given, connectivity=connectivity)
        ours = rapidmask.label(given, connectivity=connectivity, multilabel=multilabel)
        assert_same_partition(ours, theirs)
    mask = rng.random(shape) < 0.35
    found = rapidmask.connected_components(mask, connectivity=connectivity)
    statistics = cc3d.statistics(found.labels.astype(np.uint32))
    np.testing.assert_array_equal(found.areas, statistics["voxel_counts"][1:])
    np.testing.assert_allclose(found.centroids, statistics["centroids"][1:, :axes], atol=1e-6)
    for box, slices in zip(found.boxes, statistics["bounding_boxes"][1:], strict=True):
        extents = [(part.start, part.stop) for part in slices[:axes]][::-1]
        assert box.tolist() == [begin for begin, _ in extents] + [end for _, end in extents]


# Errors


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(
    ("masks", "settings", "error", "text"),
    [
        (np.zeros((2, 2), bool), {"connectivity": 5}, ValueError, f"{CONNECTIVITY} 5"),
        (np.zeros((2, 2), bool), {"connectivity": 0}, ValueError, f"{CONNECTIVITY} 0"),
        (np.zeros((2, 2), bool), {"connectivity": -8}, ValueError, f"{CONNECTIVITY} -8"),
        (np.zeros((2, 2), bool), {"connectivity": "8"}, ValueError, f"{CONNECTIVITY} '8'"),
        (np.zeros(5, bool), {}, ValueError, "masks must have at least 2 dimensions (..., H, W), got shape (5,)"),
        (
            np.zeros((5, 4), bool),
            {"connectivity": 6},
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


@pytest.mark.parametrize(
    ("masks", "settings", "error", "text"),
    [
        (np.zeros((2, 2), np.float32), {}, TypeError, "masks must be bool or of an integer type, got float32"),
        (np.zeros((2, 2), np.float16), {}, TypeError, "masks must be bool or of an integer type, got float16"),
        (np.zeros(5, np.int8), {}, ValueError, "masks must have at least 2 dimensions (..., H, W), got shape (5,)"),
        (
            np.zeros((5, 4), np.int8),
            {"connectivity": 18},
            ValueError,
            "masks must have at least 3 dimensions (..., D, H, W), got shape (5, 4)",
        ),
        (np.zeros((2, 2), np.int8), {"connectivity": 7}, ValueError, f"{CONNECTIVITY} 7"),
        ([[1]], {}, TypeError, f"masks {NOT_AN_ARRAY} list"),
    ],
)
def test_errors_of_multilabel(backend, masks, settings, error, text):
    with refuses(error, f"label: {text}"):
        rapidmask.label(masks, multilabel=True, **settings)


def test_components_cannot_be_changed():
    found = rapidmask.connected_components(np.ones((2, 2), bool))
    with pytest.raises(AttributeError):
        found.count = 3


@pytest.mark.parametrize("function", FUNCTIONS)
def test_masks_too_large_for_32_bits_are_refused(backend, function):
    huge = np.broadcast_to(np.zeros(1, np.uint8), (1, 2**31))  # one byte of memory
    if backend == "cpu":
        text = "a mask must have at most 2147483647 pixels, got 2147483648"
        with refuses(ValueError, f"{function}: {text}"):
            FUNCTIONS[function](huge)
        with refuses(ValueError, f"{function}: {text}"):
            FUNCTIONS[function](huge.reshape(2**15, 2**8, 2**8), connectivity=6)


def test_masks_without_pixels_take_no_time(backend):
    for shape in [(2**33, 0), (0, 2**33), (2, 2**33, 0)]:
        assert rapidmask.label(np.zeros(shape, bool)).shape == shape
        assert rapidmask.component_areas(np.zeros(shape, bool)).shape == shape
        assert rapidmask.connected_components(np.zeros(shape, bool)).count == 0
        assert rapidmask.label(np.zeros(shape, np.int32), multilabel=True).shape == shape


def test_results_go_where_they_are_told(backend, rng):
    masks = rng.random((2, 7, 70)) < 0.5
    for function, arguments in (
        (rapidmask.label, {}),
        (rapidmask.label, {"multilabel": True}),
        (rapidmask.component_areas, {"connectivity": 4}),
    ):
        expected = function(masks, **arguments)
        for given in (masks, rapidmask.pack(masks)):
            out, untouched = guarded(masks.shape, np.int32)
            assert function(given, out=out, **arguments) is out
            np.testing.assert_array_equal(out, expected)
            assert untouched()


def test_results_must_fit(rng):
    masks = rng.random((7, 70)) < 0.5
    with refuses(TypeError, "label: out must be int32, got int64"):
        rapidmask.label(masks, out=np.empty(masks.shape, np.int64))
    with refuses(ValueError, "component_areas: out must have shape (7, 70), got shape (70, 7)"):
        rapidmask.component_areas(masks, out=np.empty((70, 7), np.int32))
