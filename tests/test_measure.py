"""Areas, bounding boxes and centroids of masks; the stability of logits."""

import numpy as np
import pytest

import rapidmask
from inputs import WIDTHS, hostile_masks, layouts, refuses
from reference import rle as reference

HOSTILE = hostile_masks()
NOT_AN_ARRAY = "must be an array of NumPy, torch, CuPy or another library with DLPack, got"
FORMS = {"dense": np.asarray, "packed": rapidmask.pack, "rle": rapidmask.rle_encode}


# Worked examples


def test_areas_by_eye(backend):
    masks = np.array([[[1, 0, 7], [1, 1, 0]], [[0, 0, 0], [0, 0, 0]]], np.uint8)
    areas = rapidmask.mask_areas(masks)
    assert areas.dtype == np.int64
    assert areas.tolist() == [4, 0]


def test_boxes_by_eye(backend):
    masks = np.zeros((2, 4, 6), bool)
    masks[0, 1:3, 2:5] = True
    for form in FORMS.values():
        boxes = rapidmask.masks_to_boxes(form(masks))
        assert boxes.dtype == np.int64
        assert boxes.tolist() == [[2, 1, 5, 3], [0, 0, 0, 0]]
        inclusive = rapidmask.masks_to_boxes(form(masks), inclusive=True)
        assert inclusive.dtype == np.int64
        assert inclusive.tolist() == [[2, 1, 4, 2], [0, 0, 0, 0]]
        for choice in (False, True):
            extents = rapidmask.masks_to_boxes(form(masks), format="xywh", inclusive=choice)
            assert extents.dtype == np.int64
            assert extents.tolist() == [[2, 1, 3, 2], [0, 0, 0, 0]]


def test_one_pixel_at_the_origin_is_no_empty_mask(backend):
    mask = np.zeros((1, 3, 3), bool)
    mask[0, 0, 0] = True
    for form in FORMS.values():
        assert rapidmask.masks_to_boxes(form(mask)).tolist() == [[0, 0, 1, 1]]
        assert rapidmask.masks_to_boxes(form(mask), inclusive=True).tolist() == [[0, 0, 0, 0]]
        assert rapidmask.masks_to_boxes(form(mask), format="xywh").tolist() == [[0, 0, 1, 1]]


# Against the definition


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_masks(backend, isa, name, form):
    masks = np.asarray(HOSTILE[name])
    given = FORMS[form](masks)
    areas = rapidmask.mask_areas(given)
    assert areas.dtype == np.int64
    assert areas.shape == masks.shape[:1]
    np.testing.assert_array_equal(areas, masks.sum((1, 2)))
    boxes = rapidmask.masks_to_boxes(given)
    assert boxes.dtype == np.int64
    assert boxes.shape == (len(masks), 4)
    np.testing.assert_array_equal(boxes, reference.boxes(masks))
    if form != "dense":
        np.testing.assert_array_equal(given.area(), areas)
        np.testing.assert_array_equal(given.boxes(), boxes)


@pytest.mark.parametrize("width", WIDTHS)
def test_boxes_of_every_single_pixel(backend, isa, width):
    height = 3
    masks = np.eye(height * width, dtype=bool).reshape(-1, height, width)
    y, x = np.divmod(np.arange(height * width), width)
    expected = np.stack([x, y, x + 1, y + 1], 1)
    for form in FORMS.values():
        np.testing.assert_array_equal(rapidmask.masks_to_boxes(form(masks)), expected)
        np.testing.assert_array_equal(rapidmask.mask_areas(form(masks)), np.ones(len(masks)))
    np.testing.assert_array_equal(rapidmask.masks_to_boxes(masks, inclusive=True), expected - [0, 0, 1, 1])


@pytest.mark.parametrize("width", [64, 71])
def test_any_value_but_zero_is_foreground(backend, isa, width):
    masks = np.resize(np.arange(256, dtype=np.uint8), (3, 7, width))
    np.testing.assert_array_equal(rapidmask.mask_areas(masks), (masks != 0).sum((1, 2)))
    sparse = masks * (np.arange(width) == 40)
    np.testing.assert_array_equal(rapidmask.masks_to_boxes(sparse), reference.boxes(sparse))


def test_layouts(backend, isa, rng):
    masks = rng.integers(0, 2, (3, 11, 70), np.uint8)
    masks[:, :2] = masks[:, :, 60:] = 0
    for layout, view in layouts(masks):
        np.testing.assert_array_equal(rapidmask.mask_areas(view), masks.sum((1, 2)), err_msg=layout)
        np.testing.assert_array_equal(rapidmask.masks_to_boxes(view), reference.boxes(masks), err_msg=layout)
    packed = rapidmask.pack(masks)
    for view in (packed[::2], packed[::-1], packed[[2, 0]], packed[1:]):
        dense = view.to_dense()
        np.testing.assert_array_equal(rapidmask.mask_areas(view), dense.sum((1, 2)))
        np.testing.assert_array_equal(rapidmask.masks_to_boxes(view), reference.boxes(dense))


@pytest.mark.parametrize("shape", [(4, 7), (1, 4, 7), (2, 3, 4, 7), (2, 0, 4, 7), (2, 1, 3, 0, 7)])
def test_shapes_of_the_results(backend, rng, shape):
    masks = rng.random(shape) < 0.3
    areas = rapidmask.mask_areas(masks)
    assert areas.shape == shape[:-2]
    assert areas.dtype == np.int64
    np.testing.assert_array_equal(areas, masks.sum((-2, -1)))
    for settings in ({}, {"inclusive": True}, {"format": "xywh"}):
        boxes = rapidmask.masks_to_boxes(masks, **settings)
        assert boxes.shape == (*shape[:-2], 4)
        assert boxes.dtype == np.int64
    expected = reference.boxes(masks.reshape(int(np.prod(shape[:-2])), *shape[-2:]))
    np.testing.assert_array_equal(rapidmask.masks_to_boxes(masks).reshape(-1, 4), expected)


def test_many_masks_over_several_threads(isa, threads, rng):
    masks = rng.random((20, 500, 499)) < 0.5
    masks[:, :7] = masks[:, :, 450:] = False
    masks[4] = False
    areas, boxes = masks.sum((1, 2)), reference.boxes(masks)
    for count in (1, 2, 7):
        threads(count)
        for form in FORMS.values():
            np.testing.assert_array_equal(rapidmask.mask_areas(form(masks)), areas)
            np.testing.assert_array_equal(rapidmask.masks_to_boxes(form(masks)), boxes)


def test_runs_that_go_on_in_the_next_column():
    # The last pixel of a column and the first of the next: the box is as high as the mask.
    mask = np.zeros((1, 5, 4), bool)
    mask[0, 4, 1] = mask[0, 0, 2] = True
    rle = rapidmask.rle_encode(mask)
    assert rle.counts.tolist() == [9, 2, 9]
    assert rapidmask.masks_to_boxes(rle).tolist() == [[1, 0, 3, 5]]


def test_boxes_as_torchvision_defines_them(backend, rng):
    # torchvision's masks_to_boxes: least and greatest coordinates of the pixels.
    masks = rng.random((5, 9, 70)) < 0.02
    masks[:, 3, 30] = True
    expected = [[x.min(), y.min(), x.max(), y.max()] for y, x in map(np.nonzero, masks)]
    assert rapidmask.masks_to_boxes(masks, inclusive=True).tolist() == expected


def test_torch(rng):
    torch = pytest.importorskip("torch")
    masks = rng.random((2, 3, 9, 70)) < 0.1
    masks[1, 2] = False
    given = torch.from_numpy(masks)
    areas = rapidmask.mask_areas(given)
    assert areas.dtype == torch.int64
    np.testing.assert_array_equal(areas.numpy(), masks.sum((-2, -1)))
    for settings in ({}, {"inclusive": True}, {"format": "xywh"}, {"format": "xywh", "inclusive": True}):
        expected = rapidmask.masks_to_boxes(masks, **settings)
        for form in (given, rapidmask.pack(given), rapidmask.rle_encode(given)):
            boxes = rapidmask.masks_to_boxes(form, **settings)
            assert isinstance(boxes, torch.Tensor)
            assert boxes.dtype == torch.int64
            np.testing.assert_array_equal(boxes.numpy().reshape(expected.shape), expected)


# Centroids


def test_centroids_by_eye(backend, isa):
    masks = np.zeros((2, 3, 70), bool)
    masks[0, 0, 2] = masks[0, 2, 3] = masks[0, 2, 67] = True
    for form in FORMS.values():
        centroids = rapidmask.mask_centroids(form(masks))
        assert centroids.dtype == np.float64
        np.testing.assert_array_equal(centroids, [[4 / 3, 24], [np.nan, np.nan]])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", HOSTILE)
def test_centroids_of_hostile_masks(backend, isa, name, form):
    masks = np.asarray(HOSTILE[name])
    expected = np.full((len(masks), 2), np.nan)
    for centroid, mask in zip(expected, masks, strict=True):
        y, x = np.nonzero(mask)
        if len(y):
            centroid[:] = y.sum() / len(y), x.sum() / len(x)
    np.testing.assert_array_equal(rapidmask.mask_centroids(FORMS[form](masks)), expected)


def test_centroids_of_run_lengths_are_exact_at_the_limits():
    most = 2**32 - 1
    for size, expected in (((most, 1), [most // 2, 0]), ((1, most), [0, most // 2]), ((65535, 65537), [32767, 32768])):
        masks = rapidmask.RLEMasks(np.array([0, most], np.uint32), np.array([0, 2]), size)
        np.testing.assert_array_equal(rapidmask.mask_centroids(masks), [expected])
    torch = pytest.importorskip("torch")
    masks = rapidmask.rle_encode(torch.ones((2, 3, 5), dtype=torch.bool))
    assert isinstance(rapidmask.mask_centroids(masks), torch.Tensor)
    assert rapidmask.mask_centroids(masks).tolist() == [[1, 2]] * 2


def test_centroids_as_scipy_finds_them(backend, rng):
    ndimage = pytest.importorskip("scipy.ndimage")
    masks = rng.integers(0, 2, (2, 3, 19, 131), np.uint8)
    expected = [[ndimage.center_of_mass(mask) for mask in row] for row in masks]
    np.testing.assert_allclose(rapidmask.mask_centroids(masks), expected, rtol=0, atol=1e-9)
    for layout, view in layouts(masks * np.uint8(9)):
        np.testing.assert_array_equal(rapidmask.mask_centroids(view), rapidmask.mask_centroids(masks), err_msg=layout)


# Stability


def test_stability_by_eye(backend, isa):
    logits = np.array([[[3, 2], [0.5, -2]], [[-1, -2], [-3, -1]], [[1, 1], [np.nan, 2]]], np.float32)
    scores = rapidmask.stability_score(logits)
    assert scores.dtype == np.float32
    np.testing.assert_array_equal(scores, np.array([2 / 3, np.nan, 1 / 3], np.float32))
    np.testing.assert_array_equal(rapidmask.stability_score(logits[0], threshold=1, offset=0.5), np.float32(1.0))


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("shape", [(3, 5, 70), (2, 3, 9, 9), (4, 0, 5), (4, 5, 0), (0, 4, 4), (1, 1), (1, 70, 300)])
def test_stability_as_defined(backend, isa, rng, dtype, shape):
    logits = rng.normal(0, 2, shape).astype(dtype)
    some = rng.random(shape) < 0.3
    special = np.array([0.9, 1.1, 1, -1, 0, -0.0, np.nan, np.inf, -np.inf, 6e-8, -6e-8, 0.1], dtype)
    logits[some] = rng.choice(special, some.sum())
    for threshold, offset in ((0, 1), (0.1, 1.0), (0.0, 0.0), (-0.3, 2), (0, np.inf), (1, 1e-9)):
        high, low = dtype(threshold + offset), dtype(threshold - offset)
        with np.errstate(invalid="ignore"):
            expected = (logits > high).sum((-2, -1)).astype(np.float32) / (logits > low).sum((-2, -1)).astype(
                np.float32
            )
        found = rapidmask.stability_score(logits, threshold=threshold, offset=offset)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_stability_as_segment_anything_scores_it(isa, rng, dtype):
    torch = pytest.importorskip("torch")
    logits = torch.from_numpy(rng.normal(0, 2, (5, 2, 60, 70))).to(getattr(torch, dtype))
    for threshold, offset in ((0.0, 1.0), (0.1, 0.3)):
        high = (logits > (threshold + offset)).sum(-1, dtype=torch.int16).sum(-1, dtype=torch.int32)
        low = (logits > (threshold - offset)).sum(-1, dtype=torch.int16).sum(-1, dtype=torch.int32)
        found = rapidmask.stability_score(logits, threshold=threshold, offset=offset)
        assert found.dtype == torch.float32
        assert torch.equal(found, high / low)


def test_stability_of_wide_images(threads):
    # More columns than 16 bits count, and an image of several bands of work.
    logits = np.ones((1, 30, 40_000), np.float32)
    logits[0, 0, :7] = -5
    logits[0, :, 20_000:] = 3
    for count in (1, 3):
        threads(count)
        expected = np.float32(30 * 20_000) / np.float32(30 * 40_000 - 7)
        assert rapidmask.stability_score(logits).tolist() == [expected]


def test_stability_of_any_layout(backend, rng):
    logits = rng.normal(0, 2, (2, 9, 70)).astype(np.float32)
    expected = rapidmask.stability_score(logits)
    for layout, view in layouts(logits):
        np.testing.assert_array_equal(rapidmask.stability_score(view), expected, err_msg=layout)


@pytest.mark.parametrize(
    ("logits", "error", "text"),
    [
        (np.zeros((2, 2)), TypeError, "logits must be float32, float16 or bfloat16, got float64"),
        (np.zeros((2, 2), bool), TypeError, "logits must be float32, float16 or bfloat16, got bool"),
        (np.zeros(5, np.float32), ValueError, "logits must have at least 2 dimensions (..., H, W), got shape (5,)"),
    ],
)
def test_stability_errors(backend, logits, error, text):
    with refuses(error, f"stability_score: {text}"):
        rapidmask.stability_score(logits)


def test_stability_without_a_threshold(backend):
    with refuses(ValueError, "stability_score: threshold and offset must not be NaN, got nan and 1.0"):
        rapidmask.stability_score(np.zeros((2, 2), np.float32), threshold=np.nan)


# Errors


@pytest.mark.parametrize("function", [rapidmask.mask_areas, rapidmask.mask_centroids, rapidmask.masks_to_boxes])
@pytest.mark.parametrize(
    ("masks", "error", "text"),
    [
        (np.zeros(5, bool), ValueError, "masks must have at least 2 dimensions (..., H, W), got shape (5,)"),
        (np.zeros((), bool), ValueError, "masks must have at least 2 dimensions (..., H, W), got shape ()"),
        (np.zeros((2, 2), np.int64), TypeError, "masks must be bool or uint8, got int64"),
        (np.zeros((2, 2), np.float32), TypeError, "masks must be bool or uint8, got float32"),
        ([[True]], TypeError, f"masks {NOT_AN_ARRAY} list"),
    ],
)
def test_errors(backend, function, masks, error, text):
    with refuses(error, f"{function.__name__}: {text}"):
        function(masks)


def test_format_has_two_values(backend):
    with refuses(ValueError, "masks_to_boxes: format must be 'xyxy' or 'xywh', got 'cxcywh'"):
        rapidmask.masks_to_boxes(np.zeros((2, 2), bool), format="cxcywh")
