"""Polygons to masks by both rules, and the borders of masks: the definitions, pycocotools and OpenCV."""

import time
import tracemalloc

import numpy as np
import pytest

import rapidmask
from inputs import hostile_masks, layouts, refuses, spiral
from reference import polygon as reference

HOSTILE = hostile_masks()
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools, NumPy 2
RULES = {"coco": reference.coco, "opencv": reference.opencv}
OUTPUTS = ("bool", "uint8", "packed", "rle")
MODES = [(mode, simplify) for mode in ("external", "tree") for simplify in (True, False)]
SQUARE = [1, 1, 4, 1, 4, 4, 1, 4]
LIMIT = 2**27


def ring_of(rng, height, width):
    """A random ring, often degenerate: whole or half numbers, repeated vertices, upright, level, far outside."""
    count = int(rng.integers(1, 12))
    reach = rng.choice([0, 0.3, 0.3, 1, 30])
    points = rng.uniform(-reach, 1 + reach, (count, 2)) * (width, height)
    match rng.integers(0, 8):
        case 0:
            points = points.round()
        case 1:
            points = (2 * points).round() / 2
        case 2:
            points = (5 * points).round() / 5 + 0.1 * rng.integers(0, 2)  # on the walk's grid, and between
        case 3:
            points[:, 0] = points[0, 0]
        case 4:
            points[:, 1] = points[0, 1]
        case 5:
            points = points.repeat(2, 0)
        case 6:
            points = np.concatenate([points, points[::-1]])  # there and back
    return points


def cases(rng, count, sides=(1, 2, 5, 17, 40, 63, 64, 65, 130)):
    """Random sizes and masks of one to three rings."""
    for _ in range(count):
        size = tuple(int(side) for side in rng.choice(sides, 2))
        yield size, [ring_of(rng, *size) for _ in range(rng.integers(1, 4))]


def star(points, center, radius, wobble=0.3):
    """A ring about a point, in and out."""
    angles = np.linspace(0, 2 * np.pi, points, endpoint=False)
    radii = radius * (1 + wobble * np.cos(5 * angles) + 0.05 * np.sin(37 * angles))
    return np.stack([center[0] + radii * np.cos(angles), center[1] + radii * np.sin(angles)], 1)


def in_every_form(polygons, size, rule):
    """The masks as bool, after all other forms have been compared with them."""
    dense = rapidmask.polygons_to_masks(polygons, size, rule=rule)
    assert dense.dtype == bool
    assert dense.shape == (len(polygons), *size)
    as_bytes = rapidmask.polygons_to_masks(polygons, size, rule=rule, output="uint8")
    assert as_bytes.dtype == np.uint8
    np.testing.assert_array_equal(as_bytes, dense)
    assert rapidmask.polygons_to_masks(polygons, size, rule=rule, output="packed") == rapidmask.pack(dense)
    assert rapidmask.polygons_to_masks(polygons, size, rule=rule, output="rle") == rapidmask.rle_encode(dense)
    return dense


def by_pycocotools(rings, size):
    """The union by pycocotools, which takes the first of rings shorter than a triangle for a box."""
    coco = pytest.importorskip("pycocotools.mask")
    flat = [np.ravel(ring).astype(float).tolist() for ring in rings if np.size(ring) >= 6]
    if not flat:
        return np.zeros(size, bool)
    return coco.decode(coco.merge(coco.frPyObjects(flat, *size))).astype(bool)


def by_fill_poly(rings, size):
    """All rings at once by OpenCV, with whole vertices."""
    cv2 = pytest.importorskip("cv2")
    return cv2.fillPoly(np.zeros(size, np.uint8), [np.rint(r).astype(np.int32).reshape(-1, 2) for r in rings], 1) > 0


PEERS = {"coco": by_pycocotools, "opencv": by_fill_poly}


def assert_borders(found, expected, mode):
    """The borders of one mask are those expected, and so is their tree."""
    polygons, hierarchy = expected
    if mode == "tree":
        assert isinstance(found, rapidmask.BorderTree)
        assert found.hierarchy.dtype == np.int32
        np.testing.assert_array_equal(found.hierarchy, hierarchy)
        found = found.polygons
    assert len(found) == len(polygons)
    for ours, theirs in zip(found, polygons, strict=True):
        assert ours.dtype == np.int32
        np.testing.assert_array_equal(ours, theirs)


def by_find_contours(mask, mode, simplify):
    """OpenCV's borders in the shapes that we give."""
    cv2 = pytest.importorskip("cv2")
    contours, hierarchy = cv2.findContours(
        np.ascontiguousarray(mask).astype(np.uint8),
        cv2.RETR_TREE if mode == "tree" else cv2.RETR_EXTERNAL,
        cv2.CHAIN_APPROX_SIMPLE if simplify else cv2.CHAIN_APPROX_NONE,
    )
    return [c[:, 0] for c in contours], np.zeros((0, 4), np.int32) if hierarchy is None else hierarchy[0]


# Polygons to masks: worked examples


def test_a_square_by_eye():
    coco, opencv = (in_every_form([[SQUARE]], (6, 6), rule)[0] for rule in RULES)
    by_coco, by_opencv = np.zeros((2, 6, 6), bool)
    by_coco[1:4, 1:4] = True  # the pixels from 1 to 4, as lengths
    by_opencv[1:5, 1:5] = True  # the pixels 1 to 4, as places
    np.testing.assert_array_equal(coco, by_coco)
    np.testing.assert_array_equal(opencv, by_opencv)


def test_two_rings_that_overlap():
    rings = [[0, 0, 6, 0, 6, 6, 0, 6], [2, 2, 4, 2, 4, 4, 2, 4]]
    union = in_every_form([rings], (7, 7), "coco")[0]
    assert union[:6, :6].all()
    holed = in_every_form([rings], (7, 7), "opencv")[0]
    hole = np.ones((7, 7), bool)
    hole[3, 3] = False  # the inner ring's own line is drawn
    np.testing.assert_array_equal(holed, hole)


def test_few_points():
    polygons = [[], [[]], [[3, 1]], [[1, 1, 3, 3]]]
    assert not in_every_form(polygons, (5, 5), "coco").any()
    drawn = in_every_form(polygons, (5, 5), "opencv")
    assert not drawn[:2].any()
    np.testing.assert_array_equal(np.argwhere(drawn[2]), [[1, 3]])
    np.testing.assert_array_equal(np.argwhere(drawn[3]), [[1, 1], [2, 2], [3, 3]])


def test_floats_are_rounded_half_to_even_for_opencv():
    mask = rapidmask.polygons_to_masks([[[0.5, 1.5]], [[1.5, 2.51]]], (5, 5), rule="opencv")
    np.testing.assert_array_equal(np.argwhere(mask), [[0, 2, 0], [1, 3, 2]])


def test_the_forms_of_a_ring():
    pairs = [[1, 1], [4, 1], [4, 4], [1, 4]]
    array = np.array(pairs)
    rings = [
        [SQUARE], (SQUARE,), [tuple(SQUARE)], [pairs], [tuple(map(tuple, pairs))], [array], [array.ravel()], SQUARE,
        array, array.ravel(), array[None], [array.astype(np.float16)], [list(array)], [array[::-1][::-1]],
        [np.asfortranarray(array.astype(np.float32))], [[np.float64(x) for x in SQUARE]], [array.astype(np.uint8)],
        [array.astype(">f8")],
    ]  # fmt: skip
    masks = rapidmask.polygons_to_masks(rings, (6, 6))
    assert masks.sum(axis=(1, 2)).tolist() == [9] * len(rings)
    assert (masks == masks[0]).all()
    np.testing.assert_array_equal(rapidmask.polygons_to_masks(np.stack([array, array]), (6, 6)), masks[:2])
    np.testing.assert_array_equal(rapidmask.polygons_to_masks((r for r in rings[:3]), (6, 6)), masks[:3])
    assert rapidmask.polygons_to_masks([array[None].repeat(2, 0)], (6, 6)).sum() == 9
    torch = pytest.importorskip("torch")
    np.testing.assert_array_equal(rapidmask.polygons_to_masks([[torch.tensor(pairs)]], (6, 6)), masks[:1])


# Against the definitions and the peers


@pytest.mark.parametrize("rule", RULES)
def test_masks_are_their_definition(rng, rule):
    for size, rings in cases(rng, 150, (1, 2, 5, 17, 40, 65)):
        np.testing.assert_array_equal(in_every_form([rings], size, rule)[0], RULES[rule](rings, size))


@pytest.mark.parametrize("rule", PEERS)
def test_masks_are_those_of_the_peer(rng, rule):
    for size, rings in cases(rng, 1500):
        np.testing.assert_array_equal(in_every_form([rings], size, rule)[0], PEERS[rule](rings, size))


@pytest.mark.parametrize("rule", PEERS)
def test_rings_of_many_vertices(rng, rule):
    for count in (3, 30, 360, 2000):
        ring = star(count, rng.uniform(50, 250, 2), rng.uniform(20, 150))
        np.testing.assert_array_equal(in_every_form([[ring]], (240, 320), rule)[0], PEERS[rule]([ring], (240, 320)))
    noise = rng.uniform(0, 100, (5000, 2))
    np.testing.assert_array_equal(in_every_form([[noise]], (100, 90), rule)[0], PEERS[rule]([noise], (100, 90)))


def test_more_crossings_than_are_held_at_a_time():
    count = 12000  # edges over each of 200 columns
    zigzag = np.stack([np.arange(count) % 2 * 200, np.linspace(3, 90, count)], 1)
    np.testing.assert_array_equal(
        in_every_form([[zigzag]], (100, 201), "coco")[0], by_pycocotools([zigzag], (100, 201))
    )


def test_opencv_far_outside(rng):
    for _ in range(400):
        size = tuple(int(side) for side in rng.choice([5, 17, 64], 2))
        reach = 10 ** rng.uniform(2, 6.5)
        count = int(rng.integers(1, 8))
        far = rng.random((count, 2)) < 0.5
        ring = np.where(far, rng.uniform(-reach, reach, (count, 2)), rng.uniform(-0.2, 1.2, (count, 2)) * size[::-1])
        ring = ring.round()
        np.testing.assert_array_equal(
            rapidmask.polygons_to_masks([[ring]], size, rule="opencv")[0], by_fill_poly([ring], size)
        )


@pytest.mark.parametrize("rule", RULES)
def test_what_lies_outside_costs_nothing(rule):
    # Over all of the image, and beyond what any walk along it would end with; some steep, some flat.
    ring = [-LIMIT, -LIMIT, LIMIT, -LIMIT, LIMIT, LIMIT - 3, -LIMIT, LIMIT]
    wedge = [0.5, 7.5, LIMIT, -LIMIT + 1, LIMIT, LIMIT]
    begin = time.perf_counter()
    tracemalloc.start()
    whole, part = in_every_form([[ring], [wedge]], (16, 20), rule)
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()
    assert time.perf_counter() - begin < 1
    assert whole.all()
    y, x = np.indices((16, 20))
    inside = np.abs(y - 7.5) < x - 0.5
    assert part[inside & ~(np.abs(np.abs(y - 7.5) - (x - 0.5)) < 1.5)].all()
    assert not part[np.abs(y - 7.5) > x + 1].any()


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("size", [(0, 0), (0, 5), (5, 0)])
def test_sizes_without_pixels(rule, size):
    masks = in_every_form([[SQUARE], [SQUARE, SQUARE]], size, rule)
    assert masks.shape == (2, *size)
    assert rapidmask.polygons_to_masks([], (3, 70), rule=rule, output="packed").data.shape == (0, 3, 16)
    assert len(rapidmask.polygons_to_masks([], (3, 70), rule=rule, output="rle")) == 0


@pytest.mark.parametrize("rule", RULES)
def test_batches_over_several_threads(threads, rng, rule):
    size = (211, 301)
    polygons = [[ring_of(rng, *size) for _ in range(i % 4)] for i in range(300)]
    polygons[7] = [star(4000, (100, 100), 60)]
    threads(1)
    alone = in_every_form(polygons, size, rule)
    for count in (2, 7):
        threads(count)
        np.testing.assert_array_equal(in_every_form(polygons, size, rule), alone)


# What is refused


@pytest.mark.parametrize(
    ("polygons", "error", "text"),
    [
        (5, TypeError, "polygons must be a sequence, got int"),
        ("abc", TypeError, "polygons must be a sequence, got str"),
        ([[SQUARE], ["ab"]], TypeError, "polygons[1][0] must be an array of NumPy, torch, CuPy or another library with "
         "DLPack, got str"),
        ([[SQUARE, [1, 2, 3]]], ValueError, "polygons[0][1] must have an x and a y for every vertex, got 3 numbers"),
        ([[np.zeros(5)]], ValueError, "polygons[0][0] must have an x and a y for every vertex, got 5 numbers"),
        ([np.zeros((4, 3))], ValueError, "polygons[0] must have shape (2K,) or (K, 2), got (4, 3)"),
        ([[np.zeros((1, 4, 2))]], ValueError, "polygons[0][0] must have shape (2K,) or (K, 2), got (1, 4, 2)"),
        ([[[1, None]]], TypeError, "polygons[0][0] must hold numbers, got one of NoneType"),
        ([[[[1, 2], [3]]]], ValueError, "polygons[0][0] must be a flat list of coordinates or a list of pairs"),
        ([[[1, 2], [3, 4], [5, 6]]], ValueError, "polygons[0] must be a list of rings, got a list of pairs, each of "
         "which would be a ring: put it into a list"),
        ([[1, 2], [3, 4]], ValueError, "polygons[0] must be a list of rings, got two numbers"),
        (np.zeros((9, 2)), ValueError, "polygons[0] must be a list of rings, got two numbers"),
        ([[[1, float("nan"), 3, 4]]], ValueError, "polygons[0][0] must have coordinates of at most 2^27, got nan"),
        ([[np.array([1, np.inf])]], ValueError, "polygons[0][0] must have coordinates of at most 2^27, got inf"),
        ([[[LIMIT + 1, 2]]], ValueError, "polygons[0][0] must have coordinates of at most 2^27, got 134217729.0"),
        ([[np.zeros(4, bool)]], TypeError, "polygons[0][0] must hold integers or floats, got bool"),
    ],
)  # fmt: skip
def test_polygons_that_are_refused(polygons, error, text):
    for output in OUTPUTS:
        with refuses(error, f"polygons_to_masks: {text}"):
            rapidmask.polygons_to_masks(polygons, (5, 5), output=output)


def test_arguments_that_are_refused():
    with refuses(ValueError, "polygons_to_masks: rule must be one of coco, opencv, got 'even'"):
        rapidmask.polygons_to_masks([], (5, 5), rule="even")
    with refuses(ValueError, "polygons_to_masks: output must be one of bool, uint8, packed, rle, got 'list'"):
        rapidmask.polygons_to_masks([], (5, 5), output="list")
    with refuses(ValueError, "polygons_to_masks: size must be two integers (H, W), got 5"):
        rapidmask.polygons_to_masks([], 5)
    with refuses(ValueError, "polygons_to_masks: size must be (H, W) of less than 2^31 each, got (2147483648, 1)"):
        rapidmask.polygons_to_masks([], (2**31, 1))
    with refuses(ValueError, "polygons_to_masks: size must be (H, W) of at most 2^32 - 1 pixels, got (65536, 65536)"):
        rapidmask.polygons_to_masks([[SQUARE]], (65536, 65536), output="rle")
    with refuses(ValueError, "masks_to_polygons: mode must be one of external, tree, got 'list'"):
        rapidmask.masks_to_polygons(np.zeros((2, 2), bool), mode="list")
    with refuses(ValueError, "masks_to_polygons: masks must have at least 2 dimensions (..., H, W), got shape (3,)"):
        rapidmask.masks_to_polygons(np.zeros(3, bool))
    with refuses(TypeError, "masks_to_polygons: masks must be bool or uint8, got float64"):
        rapidmask.masks_to_polygons(np.zeros((2, 2)))


class OnADevice:
    """What an array on a CUDA device looks like from outside."""

    shape = (4, 2)
    dtype = np.dtype(np.uint8)

    def __dlpack__(self):
        raise AssertionError

    def __dlpack_device__(self):
        return 2, 0


def test_devices_are_refused():
    no_twin = "there is no CUDA version yet; copy the input to the host first"
    for polygons in ([[OnADevice()]], [OnADevice()]):
        with refuses(NotImplementedError, f"polygons_to_masks: {no_twin}"):
            rapidmask.polygons_to_masks(polygons, (5, 5))
    with refuses(NotImplementedError, f"masks_to_polygons: {no_twin}"):
        rapidmask.masks_to_polygons(OnADevice())


def test_the_largest_sizes_as_run_lengths():
    size = (65535, 65537)  # 2^32 - 1 pixels
    corner = [65530, 65530, 70000, 65530, 70000, 70000, 65530, 70000]
    runs = rapidmask.polygons_to_masks([[corner], [[-1, -1, 7e4, -1, 7e4, 7e4, -1, 7e4]]], size, output="rle")
    assert runs.area().tolist() == [5 * 7, 2**32 - 1]
    assert runs.boxes().tolist() == [[65530, 65530, 65537, 65535], [0, 0, 65537, 65535]]


# Borders: worked examples


def test_borders_by_eye():
    mask = np.array(
        [
            [1, 0, 0, 0, 0, 0, 0],
            [0, 0, 1, 1, 1, 1, 1],
            [0, 0, 1, 0, 0, 0, 1],
            [0, 0, 1, 0, 1, 0, 1],
            [0, 0, 1, 0, 0, 0, 1],
            [0, 0, 1, 1, 1, 1, 1],
        ],
        np.uint8,
    )
    external = rapidmask.masks_to_polygons(mask)
    assert [border.tolist() for border in external[0]] == [[[2, 1], [2, 5], [6, 5], [6, 1]], [[0, 0]]]
    tree = rapidmask.masks_to_polygons(mask, mode="tree")[0]
    assert [border.tolist() for border in tree.polygons] == [
        [[2, 1], [2, 5], [6, 5], [6, 1]],
        [[2, 2], [3, 1], [5, 1], [6, 2], [6, 4], [5, 5], [3, 5], [2, 4]],
        [[4, 3]],
        [[0, 0]],
    ]
    assert tree.hierarchy.tolist() == [[3, -1, 1, -1], [-1, -1, 2, 0], [-1, -1, -1, 1], [-1, 0, -1, -1]]
    every = rapidmask.masks_to_polygons(mask[1:4, 2:5], simplify=False)[0]
    assert every[1].tolist() == [[0, 0], [0, 1], [0, 2], [0, 1], [1, 0], [2, 0], [1, 0]]


@pytest.mark.parametrize(("mode", "simplify"), MODES)
@pytest.mark.parametrize("name", HOSTILE)
def test_borders_are_their_definition(isa, name, mode, simplify):
    masks = np.asarray(HOSTILE[name])
    expected = [reference.polygons(mask, mode, simplify) for mask in masks]
    forms = [view for _, view in layouts(masks)]
    forms += [masks.astype(np.uint8) * 200, rapidmask.pack(masks), rapidmask.rle_encode(masks)]
    for form in forms:
        found = rapidmask.masks_to_polygons(form, mode=mode, simplify=simplify)
        assert len(found) == len(masks)
        for ours, theirs in zip(found, expected, strict=True):
            assert_borders(ours, theirs, mode)


def masks_of(rng, count):
    """Random masks: noise of every density, blobs, and both enlarged."""
    ndimage = pytest.importorskip("scipy.ndimage")
    for i in range(count):
        size = rng.choice([1, 2, 3, 5, 17, 40, 63, 64, 65, 130], 2)
        mask = rng.random(size) < rng.choice([0.1, 0.3, 0.5, 0.6, 0.7, 0.9])
        if i % 3 == 1:
            mask = ndimage.gaussian_filter(mask.astype(np.float32), rng.choice([1, 2, 4])) > 0.5
        if i % 3 == 2:
            mask = mask.repeat(2, 0).repeat(3, 1)
        yield mask


def assert_as_find_contours(mask):
    """Borders are OpenCV's in every mode and form."""
    for mode, simplify in MODES:
        expected = by_find_contours(mask, mode, simplify)
        for form in (mask, rapidmask.pack(mask), rapidmask.rle_encode(mask)):
            assert_borders(rapidmask.masks_to_polygons(form, mode=mode, simplify=simplify)[0], expected, mode)


def test_borders_are_those_of_opencv(rng):
    for mask in masks_of(rng, 120):
        assert_as_find_contours(mask)


@pytest.mark.parametrize("size", [21, 63, 64, 130])
def test_borders_of_spirals(size):
    for mask in (spiral(size), ~spiral(size), spiral(size).T):
        assert_as_find_contours(mask)


@pytest.mark.parametrize("name", ["coins", "cell"])
def test_borders_of_pictures(name):
    image = getattr(pytest.importorskip("skimage.data"), name)()
    mask = image > rapidmask.threshold_otsu(image)
    assert_as_find_contours(mask)
    assert_as_find_contours(rapidmask.fill_holes(mask))


def test_nested_rings():
    """Deeper than any recursion could go."""
    side = 3002
    y, x = np.ogrid[:side, :side]
    mask = np.minimum(np.minimum(y, x), side - 1 - np.maximum(y, x)) % 2 == 0
    tree = rapidmask.masks_to_polygons(mask, mode="tree")[0]
    assert len(tree.polygons) == 1501
    assert tree.hierarchy[:, 3].tolist() == list(range(-1, 1500))
    assert len(rapidmask.masks_to_polygons(mask)[0]) == 1


def test_batches_of_borders(threads, rng):
    masks = rng.random((40, 57, 130)) < np.linspace(0, 1, 40)[:, None, None]
    for mode, simplify in MODES[:3]:
        threads(1)
        alone = [rapidmask.masks_to_polygons(mask, mode=mode, simplify=simplify)[0] for mask in masks]
        for count in (1, 2, 7):
            threads(count)
            found = rapidmask.masks_to_polygons(masks.reshape(4, 10, 57, 130), mode=mode, simplify=simplify)
            for ours, theirs in zip(found, alone, strict=True):
                assert_borders(ours, theirs if mode == "tree" else (theirs, None), mode)


# Laws


def test_borders_filled_are_the_masks_again(rng):
    for mask in masks_of(rng, 300):
        for simplify in (True, False):
            tree = rapidmask.masks_to_polygons(mask, mode="tree", simplify=simplify)[0]
            again = rapidmask.polygons_to_masks([tree.polygons], mask.shape, rule="opencv")
            np.testing.assert_array_equal(again[0], mask)
            external = rapidmask.masks_to_polygons(mask, simplify=simplify)
            filled = rapidmask.polygons_to_masks(external, mask.shape, rule="opencv")
            np.testing.assert_array_equal(filled[0], rapidmask.fill_holes(mask))


@pytest.mark.parametrize("rule", RULES)
def test_direction_and_start_of_a_ring_do_not_matter(rng, rule):
    for size, rings in cases(rng, 200):
        first = rapidmask.polygons_to_masks([rings], size, rule=rule)
        if rule == "opencv":  # a line that leaves the image is cut from its first end
            rings = [np.clip(ring, 0, np.array(size[::-1]) - 1) for ring in rings]
            first = rapidmask.polygons_to_masks([rings], size, rule=rule)
        turned = [np.roll(ring, int(rng.integers(0, 5)), 0)[::-1] for ring in rings]
        np.testing.assert_array_equal(rapidmask.polygons_to_masks([turned[::-1]], size, rule=rule), first)


def test_borders_are_views_of_one_array():
    found = rapidmask.masks_to_polygons(np.eye(5, dtype=bool)[:, None, :])
    bases = {id(border.base) for borders in found for border in borders}
    assert len(bases) == 1
