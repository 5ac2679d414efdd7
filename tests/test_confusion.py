"""Confusion matrices, and what is computed from them; boundary intersection over union; panoptic quality."""

import math
import pickle

import numpy as np
import pytest

import rapidmask
from inputs import layouts, refuses
from reference import confusion as reference

INTEGERS = [np.bool_, np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.uint64, np.int64]


def maps(rng, classes, shape, flat):
    """A target and a prediction that agrees with it in part; with runs, or with none."""
    if flat:
        cells = rng.integers(0, classes, (shape[0] // 5 + 1, shape[1] // 13 + 1))
        target = cells.repeat(5, 0).repeat(13, 1)[: shape[0], : shape[1]]
    else:
        target = rng.integers(0, classes, shape)
    other = rng.integers(0, classes, shape)
    return np.where(rng.random(shape) < (0.02 if flat else 0.5), other, target), target


# Confusion matrices


def test_by_eye(backend, isa):
    target = np.array([[0, 0, 1], [1, 1, 255]], np.uint8)
    prediction = np.array([[0, 1, 1], [1, 0, 0]], np.uint8)
    found = rapidmask.confusion_matrix(prediction, target, 2, ignore_index=255)
    assert found.dtype == np.int64
    assert found.tolist() == [[1, 1], [1, 2]]


@pytest.mark.parametrize("flat", [True, False])
@pytest.mark.parametrize("classes", [1, 2, 19, 100, 254, 255, 300])
@pytest.mark.parametrize("shape", [(1, 1), (3, 70), (61, 67), (100, 129)])
def test_random_maps(backend, isa, rng, classes, shape, flat):
    prediction, target = maps(rng, classes, shape, flat)
    expected, _ = reference.confusion_matrix(prediction, target, classes)
    kind = np.uint8 if classes <= 256 else np.uint16
    found = rapidmask.confusion_matrix(prediction.astype(kind), target.astype(kind), classes)
    np.testing.assert_array_equal(found, expected)
    assert found.sum() == target.size


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("other", [np.uint8, np.int16, np.int64])
@pytest.mark.parametrize("ignored", [None, 0, 1, 5, 255, -1, 2**63 - 1, -(2**63)])
def test_types_and_ignored_labels(backend, isa, rng, dtype, other, ignored):
    info = np.iinfo(np.uint8 if dtype is np.bool_ else dtype)
    special = (0, 1, 2, 5, 6, 7, 127, 128, 255, 256, 300, -1, -128, 2**31, 2**32 + 1, info.max, info.min)
    special = np.array([v for v in special if info.min <= v <= info.max], object).astype(dtype)
    target = rng.choice(special, (4, 150))
    target[:, 40:100] = target[:, 40:41]
    prediction = rng.integers(-1 if np.dtype(other).kind == "i" else 0, 9, target.shape).astype(other)
    for classes in (1, 6, 257):
        expected, invalid = reference.confusion_matrix(prediction, target, classes, ignored)
        found = rapidmask.confusion_matrix(prediction, target, classes, ignore_index=ignored, out_of_range="skip")
        np.testing.assert_array_equal(found, expected)
        swapped, _ = reference.confusion_matrix(target, prediction, classes, ignored)
        found = rapidmask.confusion_matrix(target, prediction, classes, ignore_index=ignored, out_of_range="skip")
        np.testing.assert_array_equal(found, swapped)
        if invalid:
            with refuses(
                ValueError,
                f"confusion_matrix: prediction and target must hold classes from 0 to {classes - 1} where the target "
                f"is not ignored, got others in {invalid} pixels",
            ):
                rapidmask.confusion_matrix(prediction, target, classes, ignore_index=ignored)


def test_labels_beyond_int64(backend, isa):
    labels = np.full((1, 70), 2**64 - 1, np.uint64)
    found = rapidmask.confusion_matrix(labels, labels, 2, ignore_index=-1, out_of_range="skip")
    assert found.sum() == 0
    with refuses(
        ValueError,
        "confusion_matrix: prediction and target must hold classes from 0 to 1 where the target is not ignored, got "
        "others in 70 pixels",
    ):
        rapidmask.confusion_matrix(labels, labels, 2, ignore_index=-1)


@pytest.mark.parametrize("shape", [(0,), (), (7,), (0, 5), (2, 3, 4, 5)])
def test_any_shape(backend, shape):
    labels = np.ones(shape, np.uint8)
    found = rapidmask.confusion_matrix(labels, labels, 3)
    assert found[1, 1] == found.sum() == labels.size


def test_layouts(backend, rng):
    prediction, target = (x.astype(np.uint8) for x in maps(rng, 9, (20, 70), True))
    expected, _ = reference.confusion_matrix(prediction, target, 9)
    for layout, view in layouts(prediction):
        np.testing.assert_array_equal(rapidmask.confusion_matrix(view, target, 9), expected, err_msg=layout)
        np.testing.assert_array_equal(rapidmask.confusion_matrix(target, view, 9), expected.T, err_msg=layout)


@pytest.mark.parametrize("classes", [2, 40, 150, 300])
def test_large_maps_as_numpy_counts(isa, threads, rng, classes):
    # More than one block of work, with several copies of the bins.
    prediction, target = maps(rng, classes, (1100, 1000), True)
    prediction[:300], target[:300] = maps(rng, classes, (300, 1000), False)
    expected = np.bincount((target * classes + prediction).ravel(), minlength=classes**2).reshape(classes, classes)
    kind = np.uint8 if classes <= 256 else np.int32
    for count in (1, 3):
        threads(count)
        found = rapidmask.confusion_matrix(prediction.astype(kind), target.astype(kind), classes)
        np.testing.assert_array_equal(found, expected)


def test_torch(rng):
    torch = pytest.importorskip("torch")
    prediction, target = maps(rng, 5, (2, 30), True)
    found = rapidmask.confusion_matrix(torch.from_numpy(prediction), torch.from_numpy(target), 5)
    assert isinstance(found, torch.Tensor)
    np.testing.assert_array_equal(found.numpy(), rapidmask.confusion_matrix(prediction, target, 5))


# Measures


def test_measures_by_eye(backend):
    target, prediction = np.array([0, 0, 1, 1, 1, 2]), np.array([0, 1, 1, 1, 0, 0])
    matrix = rapidmask.ConfusionMatrix(4)
    matrix.update(prediction, target)
    assert matrix.matrix.tolist() == [[1, 1, 0, 0], [1, 2, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    np.testing.assert_array_equal(matrix.iou(), [1 / 4, 2 / 4, 0, np.nan])
    np.testing.assert_array_equal(matrix.dice(), [2 / 5, 4 / 6, 0, np.nan])
    np.testing.assert_array_equal(matrix.recall(), [1 / 2, 2 / 3, 0, np.nan])
    np.testing.assert_array_equal(matrix.precision(), [1 / 3, 2 / 3, np.nan, np.nan])
    assert matrix.accuracy() == 3 / 6
    assert matrix.mean_iou() == rapidmask.mean_iou(prediction, target, 4) == 0.25
    assert matrix.mean_dice() == (2 / 5 + 4 / 6) / 3
    np.testing.assert_array_equal(matrix.dice(), rapidmask.dice(prediction, target, 4))
    assert repr(matrix) == "ConfusionMatrix(num_classes=4, pixels=6)"


def test_nothing_has_no_measure(backend):
    matrix = rapidmask.ConfusionMatrix(2, ignore_index=1)
    matrix.update(np.zeros(3, int), np.ones(3, int))
    assert math.isnan(matrix.accuracy())
    assert math.isnan(matrix.mean_iou())
    assert math.isnan(matrix.mean_dice())
    assert math.isnan(rapidmask.mean_iou(np.zeros(0, int), np.zeros(0, int), 3))


def test_matrices_add_up(rng):
    prediction, target = (x.astype(np.uint8) for x in maps(rng, 6, (40, 70), True))
    whole, one, other = (rapidmask.ConfusionMatrix(6, ignore_index=2) for _ in range(3))
    whole.update(prediction, target)
    one.update(prediction[:9], target[:9])
    other.update(prediction[9:20], target[9:20])
    other.update(prediction[20:], target[20:])
    one = pickle.loads(pickle.dumps(one))
    one.merge(other)
    np.testing.assert_array_equal(one.matrix, whole.matrix)
    np.testing.assert_array_equal(one.iou(), reference.iou(whole.matrix))
    assert one.ignore_index == 2
    one.reset()
    assert one.matrix.sum() == 0
    with refuses(ValueError, "merge: other must have num_classes 6, got 7"):
        one.merge(rapidmask.ConfusionMatrix(7))


def test_dice_of_masks(backend, rng):
    a, b = rng.random((2, 3, 9, 70)) < 0.4
    assert rapidmask.dice(a, b)[1] == 2 * (a & b).sum() / (a.sum() + b.sum())
    empty = np.zeros((3, 3), bool)
    np.testing.assert_array_equal(rapidmask.dice(empty, empty), [1, np.nan])


def test_as_torchmetrics(rng):
    torchmetrics = pytest.importorskip("torchmetrics.functional.classification")
    import torch

    prediction, target = map(torch.from_numpy, maps(rng, 7, (40, 70), True))
    theirs = torchmetrics.multiclass_confusion_matrix(prediction, target, 7, ignore_index=3)
    assert torch.equal(rapidmask.confusion_matrix(prediction, target, 7, ignore_index=3), theirs)


LABELS = np.zeros((2, 2), np.uint8)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "text"),
    [
        ((LABELS, LABELS[0], 2), {}, ValueError, "target must have the prediction's shape (2, 2), got shape (2,)"),
        ((LABELS * 0.5, LABELS, 2), {}, TypeError, "prediction must be of integers, got float64"),
        ((LABELS, LABELS.astype(np.float32), 2), {}, TypeError, "target must be of integers, got float32"),
        ((LABELS, LABELS, 0), {}, ValueError, "num_classes must be from 1 to 32766, got 0"),
        ((LABELS, LABELS, 32767), {}, ValueError, "num_classes must be from 1 to 32766, got 32767"),
        ((LABELS, LABELS, 2), {"out_of_range": "no"}, ValueError, "out_of_range must be 'raise' or 'skip', got 'no'"),
    ],
)
def test_errors(backend, arguments, options, error, text):
    with refuses(error, f"confusion_matrix: {text}"):
        rapidmask.confusion_matrix(*arguments, **options)


# Boundary intersection over union


def published_boundary(cv2, mask, dilation_ratio):
    """The published definition, by OpenCV: what erosions by 3 by 3 within a frame of zeros remove."""
    height, width = mask.shape
    distance = max(1, round(dilation_ratio * math.sqrt(height**2 + width**2)))
    framed = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    eroded = cv2.erode(framed, np.ones((3, 3), np.uint8), iterations=distance)[1:-1, 1:-1]
    return mask.astype(bool) & (eroded == 0)


def test_boundaries_by_eye(backend):
    masks = np.zeros((2, 9, 9), bool)
    masks[0, 1:8, 1:8] = masks[1, 1:8, 1:7] = True
    # Rings of 24 and 22 pixels: they share 7 pixels on the left, and 5 more above and below.
    shared = 7 + 5 + 5
    assert rapidmask.boundary_iou(masks[:1], masks[1:]).tolist() == [[shared / (24 + 22 - shared)]]


@pytest.mark.parametrize("ratio", [0.0, 0.02, 0.1, 2.0])
def test_boundary_as_published(backend, rng, ratio):
    cv2 = pytest.importorskip("cv2")
    coarse = rng.random((4, 4, 6)) < 0.6
    masks = coarse.repeat(12, 1).repeat(13, 2) ^ (rng.random((4, 48, 78)) < 0.01)
    masks[3] = False
    edges = np.stack([published_boundary(cv2, mask, ratio) for mask in masks])
    both = (edges[:, None] & edges).sum((2, 3))
    union = (edges[:, None] | edges).sum((2, 3))
    expected = np.divide(both, union, where=union > 0, out=np.zeros(both.shape))
    for form in (np.asarray, rapidmask.pack, rapidmask.rle_encode):
        np.testing.assert_array_equal(rapidmask.boundary_iou(form(masks), dilation_ratio=ratio), expected)
        found = rapidmask.boundary_iou(form(masks), form(masks[1:]), dilation_ratio=ratio)
        np.testing.assert_array_equal(found, expected[:, 1:])


def test_boundary_errors(backend):
    for ratio in (-0.1, math.inf, math.nan):
        with refuses(ValueError, f"boundary_iou: dilation_ratio must be a number from 0, got {ratio}"):
            rapidmask.boundary_iou(LABELS, dilation_ratio=ratio)


# Panoptic quality


def test_quality_by_eye(backend):
    target = np.array([[1, 1, 2, 2, 0]])
    prediction = np.array([[5, 5, 5, 6, 6]])
    quality = rapidmask.panoptic_quality(prediction, {5: 0, 6: 1}, target, {1: 0, 2: 1})
    # 5 and 1 share 2 of 3 pixels; of 6 and 2 one pixel, of 2 + 2 - 1 less the one on void: half.
    assert quality.true_positives == {0: 1, 1: 0}
    assert quality.false_positives == {0: 0, 1: 1}
    assert quality.false_negatives == {0: 0, 1: 1}
    assert quality.iou == {0: 2 / 3, 1: 0.0}
    assert quality.compute() == (1 / 3, 1 / 3, 0.5, 2)
    assert quality.per_category()[0] == (2 / 3, 2 / 3, 1.0, 1)


def test_void_and_crowds_by_eye(backend):
    target = np.array([[0, 0, 0, 4, 4, 4, 1, 1]])
    wanted = [
        {"id": 4, "category_id": 7, "iscrowd": 1, "area": 3},
        {"id": 1, "category_id": 7, "iscrowd": 0, "area": 2},
    ]
    # Mostly void; on the crowd of its own category; on that of another; half on void.
    cases = {(9, 9, 9, 0, 0, 0, 0, 0): 0, (0, 0, 0, 9, 9, 0, 9, 0): 0, (9, 0, 0, 0, 0, 0, 9, 0): 1}
    for pixels, false in cases.items():
        quality = rapidmask.panoptic_quality(np.array([pixels]), {9: 7}, target, wanted)
        assert quality.false_positives == {7: false}
        assert quality.false_negatives == {7: 1}
    other = rapidmask.panoptic_quality(np.array([[0, 0, 0, 9, 9, 0, 0, 0]]), {9: 8}, target, wanted)
    assert other.false_positives == {7: 0, 8: 1}


def random_panoptic(rng, size=(40, 70)):
    """A target with void and crowds, and a prediction that keeps many of its segments."""
    cells = rng.integers(0, 14, (4, 7)).repeat(10, 0).repeat(10, 1)
    moved = np.where(rng.random(cells.shape) < 0.1, np.roll(cells, 3, 1), cells)
    moved = np.where(np.roll(cells, 9, 0) == 3, 20, moved)
    wanted = [
        {"id": int(i) * 65536, "category_id": int(i) % 4, "iscrowd": int(i % 6 == 0)} for i in np.unique(cells) if i
    ]
    predicted = [{"id": int(i) + 100, "category_id": int(i) % 4 if i != 5 else 0} for i in np.unique(moved) if i]
    return np.where(moved > 0, moved + 100, 0), predicted, cells * 65536, wanted


def test_quality_as_defined(backend, rng):
    whole = rapidmask.PanopticQuality(range(4))
    parts = [rapidmask.PanopticQuality(range(4)) for _ in range(2)]
    expected = {category: [0, 0, 0, 0.0] for category in range(4)}
    for turn in range(12):
        image = random_panoptic(rng)
        for category, counts in reference.panoptic_quality(*image, range(4)).items():
            expected[category] = [a + b for a, b in zip(expected[category], counts, strict=True)]
        whole.update(*image)
        parts[turn % 2].update(image[0].astype(np.int32), image[1], image[2].astype(np.uint32), image[3])
    merged = pickle.loads(pickle.dumps(parts[0]))
    merged.merge(parts[1])
    for quality in (whole, merged):
        for category, (hits, false, missed, iou) in expected.items():
            assert quality.true_positives[category] == hits
            assert quality.false_positives[category] == false
            assert quality.false_negatives[category] == missed
            assert quality.iou[category] == pytest.approx(iou, rel=1e-14)
    assert sum(whole.true_positives.values()) > 20
    assert sum(whole.false_positives.values()) > 5


def test_quality_as_torchmetrics(rng):
    metric = pytest.importorskip("torchmetrics.detection").PanopticQuality(
        things={1, 2}, stuffs={3}, return_per_class=True, return_sq_and_rq=True
    )
    import torch

    quality = rapidmask.PanopticQuality({1: True, 2: True, 3: False})
    for _ in range(6):
        ids = rng.integers(1, 10, (4, 7)).repeat(10, 0).repeat(10, 1)
        moved = np.where(rng.random(ids.shape) < 0.15, np.roll(ids, 4, 1), ids)
        ids, moved = (np.where(x % 3 == 0, 3, x) for x in (ids, moved))  # stuff has one segment
        category = np.array([0, 1, 2, 3, 1, 2, 3, 1, 2, 3])
        quality.update(
            moved,
            {int(i): int(category[i]) for i in np.unique(moved)},
            ids,
            {int(i): int(category[i]) for i in np.unique(ids)},
        )
        metric.update(
            torch.from_numpy(np.stack([category[moved], moved], -1)[None]),
            torch.from_numpy(np.stack([category[ids], ids], -1)[None]),
        )
    scores = quality.per_category()
    ours = [[scores[c].pq, scores[c].sq, scores[c].rq] for c in (1, 2, 3)]
    np.testing.assert_allclose(ours, metric.compute().numpy().reshape(3, 3), rtol=1e-6)
    assert quality.compute(things=True).pq == pytest.approx((scores[1].pq + scores[2].pq) / 2)
    assert quality.compute(things=False).categories == 1


def test_torch_maps(rng):
    torch = pytest.importorskip("torch")
    prediction, predicted, target, wanted = random_panoptic(rng)
    given = torch.from_numpy(prediction), predicted, torch.from_numpy(target), wanted
    ours, theirs = rapidmask.panoptic_quality(*given), rapidmask.panoptic_quality(prediction, predicted, target, wanted)
    assert ours.per_category() == theirs.per_category()


MAP = np.array([[1, 1, 0]])


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((MAP, {1: 7, 2: 7}, MAP, {1: 7}), "prediction_segments must have pixels, got none of segment 2"),
        ((MAP + 1, {2: 7}, MAP, {1: 7}), "prediction must hold void and listed segments, got 1 pixels of others"),
        ((MAP, {1: 7}, MAP * 3, {1: 7}), "target must hold void and listed segments, got 2 pixels of others"),
        ((MAP, {1: 8}, MAP, {1: 7}), "prediction_segments must be of known categories, got 8"),
        ((MAP, {0: 7}, MAP, {1: 7}), "prediction_segments must have labels of their own, got 0 again or as void"),
        (
            (MAP, [{"id": 1}], MAP, {1: 7}),
            "prediction_segments must have an id and a category_id each, got {'id': 1}",
        ),
    ],
)
def test_quality_errors(backend, arguments, text):
    quality = rapidmask.PanopticQuality([7])
    with refuses(ValueError, f"update: {text}"):
        quality.update(*arguments)


def test_other_quality_errors():
    quality = rapidmask.PanopticQuality([7])
    with refuses(ValueError, "merge: other must have the same categories and void"):
        quality.merge(rapidmask.PanopticQuality([8]))
    with refuses(ValueError, "compute: categories must be a mapping to whether they are things"):
        quality.compute(things=True)
    assert quality.compute() == (0, 0, 0, 0)
    assert repr(quality) == "PanopticQuality(1 categories, PanopticScores(pq=0.0, sq=0.0, rq=0.0, categories=0))"


# What is refused


def test_numbers_that_are_none():
    labels = np.zeros((2, 2), np.uint8)
    with refuses(TypeError, "confusion_matrix: num_classes must be an integer, got 3.0"):
        rapidmask.confusion_matrix(labels, labels, 3.0)
    with refuses(ValueError, "confusion_matrix: ignore_index must be of 64 bits, got 18446744073709551615"):
        rapidmask.confusion_matrix(labels, labels, 3, ignore_index=2**64 - 1)
    with refuses(TypeError, "panoptic_quality: prediction_segments must be an integer, got 1.7"):
        rapidmask.panoptic_quality(labels, {1.7: 0}, labels, {})


def test_areas_below_the_pixels_change_nothing():
    quality = rapidmask.PanopticQuality([7])
    labels = np.ones((4, 4), int)
    message = "update: target_segments must have areas of at least their pixels, got 4 of segment 1 with 16"
    with refuses(ValueError, message):
        quality.update(labels, {1: 7}, labels, [{"id": 1, "category_id": 7, "area": 4}])
    assert quality.compute() == (0, 0, 0, 0)


def test_only_what_counts_alike_is_merged():
    with refuses(ValueError, "merge: other must have ignore_index 0, got 1"):
        rapidmask.ConfusionMatrix(2, ignore_index=0).merge(rapidmask.ConfusionMatrix(2, ignore_index=1))
    with refuses(ValueError, "merge: other must have the same categories and void"):
        rapidmask.PanopticQuality({1: True}).merge(rapidmask.PanopticQuality({1: False}))


def test_things_may_be_any_truth():
    labels = np.ones((4, 4), int)
    quality = rapidmask.PanopticQuality({7: True})
    quality.update(labels, {1: 7}, labels, {1: 7})
    assert quality.compute(things=np.True_) == quality.compute(things=True) == (1, 1, 1, 1)


def test_boundaries_wider_than_numbers():
    masks = np.ones((1, 3, 4), bool)
    assert rapidmask.boundary_iou(masks, dilation_ratio=1e308).tolist() == [[1.0]]


@pytest.mark.parametrize(
    ("function", "call"),
    [
        ("mean_iou", lambda a, b: rapidmask.mean_iou(a, b, 3)),
        ("dice", lambda a, b: rapidmask.dice(a, b, 3)),
        ("panoptic_quality", lambda a, b: rapidmask.panoptic_quality(a, {}, b, {})),
        ("boundary_iou", lambda a, b: rapidmask.boundary_iou(a != 0, b != 0)),
    ],
)
def test_errors_name_the_function_that_was_called(function, call):
    with pytest.raises(ValueError, match=rf"^{function}: "):
        call(np.zeros((4, 4), int), np.zeros((4, 5), int))
