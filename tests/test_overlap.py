"""Overlaps of masks, and their suppression and merging."""

import numpy as np
import pytest

import rapidmask
from inputs import hostile_masks, layouts, refuses
from rapidmask.ops.overlap import _is_small_beside_bits
from reference import overlap as reference

HOSTILE = hostile_masks()
METRICS = ("iou", "ios", "iof")
FORMS = {
    "bool": np.asarray,
    "uint8": lambda masks: np.asarray(masks).astype(np.uint8) * np.uint8(3),
    "packed": rapidmask.pack,
    "rle": rapidmask.rle_encode,
}


def blobs(rng, count, height, width):
    """Rectangles of noise and solid ones, that overlap; some masks are empty, some full."""
    masks = np.zeros((count, height, width), bool)
    for i, mask in enumerate(masks):
        y, x = np.sort(rng.integers(0, height + 1, 2)), np.sort(rng.integers(0, width + 1, 2))
        part = mask[y[0] : y[1], x[0] : x[1]]
        part[...] = rng.random(part.shape) < (1.0, 0.8, 0.3)[i % 3]
    masks[count // 3] = True
    return masks


# Worked examples


def test_overlaps_by_eye(backend):
    a = np.array([[[1, 1, 0, 0]], [[1, 1, 1, 1]]], bool)
    b = np.array([[[0, 1, 1, 0]], [[0, 0, 0, 0]], [[1, 1, 0, 0]]], bool)
    for form in FORMS.values():
        overlaps = rapidmask.mask_iou(form(a), form(b))
        assert overlaps.dtype == np.float64
        assert overlaps.tolist() == [[1 / 3, 0, 1], [2 / 4, 0, 2 / 4]]
        assert rapidmask.mask_iou(form(a), form(b), metric="ios").tolist() == [[1 / 2, 0, 1], [1, 0, 1]]
        assert rapidmask.mask_iou(form(a), form(b), metric="iof").tolist() == [[1 / 2, 0, 1], [2 / 4, 0, 2 / 4]]
        crowd = rapidmask.mask_iou(form(a), form(b), iscrowd=[True, True, False])
        assert crowd.tolist() == [[1 / 2, 0, 1], [2 / 4, 0, 2 / 4]]
        assert rapidmask.mask_iou(form(a)).tolist() == [[1, 1 / 2], [1 / 2, 1]]
        assert rapidmask.mask_iou(form(a), metric="iof").tolist() == [[1, 1], [1 / 2, 1]]


LINE = np.array([[1, 1, 1, 1, 0, 0], [1, 1, 1, 0, 0, 0], [0, 1, 1, 1, 1, 0], [0, 0, 0, 0, 0, 1]], bool)[:, None]


def test_suppression_by_eye(backend):
    # IoU of 0 and 1 is 3/4, of 0 and 2 3/5, of 1 and 2 2/5.
    for form in FORMS.values():
        masks = form(LINE)
        for threshold, expected in [(0.5, [3, 0]), (0.7, [3, 0, 2]), (0.75, [3, 0, 1, 2]), (0, [3, 0])]:
            kept = rapidmask.mask_nms(masks, [0.8, 0.7, 0.6, 0.9], threshold)
            assert kept.dtype == np.int64
            assert kept.tolist() == expected
        assert rapidmask.mask_nms(masks, [1, 2, 3, 4], 0.5).tolist() == [3, 2, 1]
        assert rapidmask.mask_nms(masks, [1, 1, 1, 1], 0.5).tolist() == [0, 3]
        assert rapidmask.mask_nms(masks, [4, 3, 2, 1], 0.5, labels=[0, 7, 0, 0]).tolist() == [0, 1, 3]
        assert rapidmask.mask_nms(masks, [np.nan, -1, -np.inf, np.nan], 0.5).tolist() == [1, 2, 3]
        assert rapidmask.mask_nms(masks, [3, 4, 2, 1], 0.7, metric="ios").tolist() == [1, 2, 3]


def test_suppression_from_overlaps_by_eye(backend):
    iou = np.array([[1, 0.75, 0.6], [0.75, 1, 0.4], [0.6, 0.4, 1]])
    for dtype in (np.float16, np.float32, np.float64):
        assert rapidmask.nms_from_iou(iou.astype(dtype), [0.8, 0.7, 0.6], 0.5).tolist() == [0]
        # 0.6 of float32 is more than 0.6 of float64: the threshold is compared in the type of the overlaps.
        assert rapidmask.nms_from_iou(iou.astype(dtype), [0.8, 0.7, 0.6], 0.6).tolist() == [0, 2]
        assert rapidmask.nms_from_iou(iou.astype(dtype), [1, 2, 3], 0.5, labels=np.array([1, 1, 2])).tolist() == [2, 1]


def test_soft_suppression_by_eye(backend):
    for form in FORMS.values():
        kept, scores = rapidmask.soft_nms(form(LINE), [0.8, 0.7, 0.6, 0.9], method="linear", iou_threshold=0.5)
        assert kept.tolist() == [3, 0, 2, 1]
        np.testing.assert_array_equal(scores, [0.9, 0.8, 0.6 * (1 - 3 / 5), 0.7 * (1 - 3 / 4)])
        kept, scores = rapidmask.soft_nms(form(LINE), [0.8, 0.7, 0.6, 0.9], sigma=0.5, score_threshold=0.3)
        assert kept.tolist() == [3, 0]
        assert scores.tolist() == [0.9, 0.8]


def test_matrix_suppression_by_eye(backend):
    for form in FORMS.values():
        decayed = rapidmask.matrix_nms(form(LINE), [0.8, 0.7, 0.6, 0.9], None, kernel="linear")
        assert decayed.dtype == np.float64
        # Mask 2 by 0 as (1 - 3/5) / 1, by 1 as (1 - 2/5) / (1 - 3/4).
        np.testing.assert_array_equal(decayed, [0.8, 0.7 * (1 - 3 / 4), 0.6 * (1 - 3 / 5), 0.9])


def test_merging_by_eye(backend):
    for form in FORMS.values():
        groups = rapidmask.mask_nmm(form(LINE), [0.8, 0.7, 0.6, 0.9], 0.7)
        assert [group.tolist() for group in groups] == [[3], [0, 1], [2]]
        assert groups[0].dtype == np.int64
        # Mask 2 has 3/5 with 0, 2/5 with 1 alone, and 3/5 with the union of both.
        assert [g.tolist() for g in rapidmask.mask_nmm(form(LINE), [0.7, 0.8, 0.6, 0.9], 0.6)] == [[3], [1, 0, 2]]


# Against the definitions


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_masks(backend, isa, name, form):
    masks = np.asarray(HOSTILE[name])
    given = FORMS[form](masks)
    others = masks[::-1, ::-1]
    for metric in METRICS:
        overlaps = rapidmask.mask_iou(given, metric=metric)
        assert overlaps.shape == (len(masks), len(masks))
        np.testing.assert_array_equal(overlaps, reference.matrix(masks, metric=metric))
        overlaps = rapidmask.mask_iou(given, FORMS[form](others), metric=metric)
        np.testing.assert_array_equal(overlaps, reference.matrix(masks, others, metric))


@pytest.mark.parametrize("size", [(3, 5), (70, 66), (64, 64), (130, 200), (5, 700), (300, 3)])
def test_overlaps_are_their_definition(backend, isa, rng, size):
    a, b = blobs(rng, 7, *size), blobs(rng, 5, *size)
    crowds = np.arange(5) % 2 == 0
    for metric in METRICS:
        expected = reference.matrix(a, b, metric)
        with_crowds = reference.matrix(a, b, metric, crowds)
        own = reference.matrix(a, metric=metric)
        for form in FORMS.values():
            np.testing.assert_array_equal(rapidmask.mask_iou(form(a), metric=metric), own)
            np.testing.assert_array_equal(rapidmask.mask_iou(form(a), form(b), metric=metric), expected)
        overlaps = rapidmask.mask_iou(a, b, metric=metric, iscrowd=crowds)
        np.testing.assert_array_equal(overlaps, with_crowds)
    own = reference.matrix(a, metric="iou", iscrowd=[True] * 3 + [False] * 4)
    np.testing.assert_array_equal(rapidmask.mask_iou(a, iscrowd=[True] * 3 + [False] * 4), own)


def test_forms_of_two_sides(backend, rng):
    a, b = blobs(rng, 5, 70, 130), blobs(rng, 4, 70, 130)
    expected = reference.matrix(a, b)
    for first in FORMS.values():
        for second in FORMS.values():
            np.testing.assert_array_equal(rapidmask.mask_iou(first(a), second(b)), expected)


@pytest.mark.parametrize(("n", "m"), [(0, 3), (3, 0), (0, 0), (1, 4), (4, 1)])
def test_no_masks_on_a_side(backend, rng, n, m):
    a, b = blobs(rng, 4, 9, 70)[:n], blobs(rng, 4, 9, 70)[:m]
    for form in FORMS.values():
        overlaps = rapidmask.mask_iou(form(a), form(b))
        assert overlaps.shape == (n, m)
        np.testing.assert_array_equal(overlaps, reference.matrix(a, b))


def test_layouts(backend, rng):
    a, b = blobs(rng, 4, 20, 70), blobs(rng, 3, 20, 70)
    expected = reference.matrix(a, b)
    for layout, view in layouts(a):
        np.testing.assert_array_equal(rapidmask.mask_iou(view, b), expected, err_msg=layout)
        np.testing.assert_array_equal(rapidmask.mask_iou(b, view), expected.T, err_msg=layout)
        kept = rapidmask.mask_nms(view, np.arange(4)[::-1], 0.1)
        assert kept.tolist() == reference.nms(reference.matrix(a), [3, 2, 1, 0], 0.1)


def test_leading_dimensions_become_one(backend, rng):
    a = blobs(rng, 6, 9, 12)
    np.testing.assert_array_equal(rapidmask.mask_iou(a.reshape(2, 3, 9, 12), a[0]), rapidmask.mask_iou(a, a[:1]))


@pytest.mark.parametrize(("many", "words"), [(5, 70), (900, 21)])
def test_more_masks_than_a_band_holds(isa, threads, rng, many, words):
    # The space for blocks is bounded: rows of many words are then read in parts.
    a = np.zeros((many, 66, 64 * words), bool)
    for mask in a:
        y, x = rng.integers(0, 60), rng.integers(0, 50 * words)
        mask[y : y + 30, x : x + rng.integers(1, 640)] = True
    packed, runs = rapidmask.pack(a), rapidmask.rle_encode(a[:40])
    flat = a.reshape(many, -1).astype(np.float32)
    shared, area = flat @ flat.T, flat.sum(1)
    expected = (shared / np.maximum(area[:, None] + area - shared, 1)).astype(np.float64)
    for count in (1, 3):
        threads(count)
        overlaps = rapidmask.mask_iou(packed)
        np.testing.assert_allclose(overlaps, expected, rtol=1e-6)
        np.testing.assert_array_equal(rapidmask.mask_iou(packed, packed), overlaps)
        np.testing.assert_array_equal(rapidmask.mask_iou(a[:40], packed), overlaps[:40])
        np.testing.assert_array_equal(rapidmask.mask_iou(runs), overlaps[:40, :40])


def suppressions(masks, scores, labels):
    """Calls and what their results must be."""
    iou = {metric: reference.matrix(masks, metric=metric) for metric in METRICS}
    for metric in METRICS:
        for threshold in (0, 0.3, 1 / 3, 1):
            options = {"labels": labels, "metric": metric}
            yield (
                lambda given, t=threshold, o=options: rapidmask.mask_nms(given, scores, t, **o),
                reference.nms(iou[metric], scores, threshold, labels),
            )
        for method in ("gaussian", "linear"):
            expected = reference.soft_nms(iou[metric], scores, labels, method, 0.4, 0.2, 0.05)
            yield (
                lambda given, m=method, o=options: rapidmask.soft_nms(
                    given, scores, method=m, sigma=0.4, iou_threshold=0.2, score_threshold=0.05, **o
                ),
                expected,
            )
    for kernel in ("gaussian", "linear"):
        yield (
            lambda given, k=kernel: rapidmask.matrix_nms(given, scores, labels, kernel=k, sigma=1.5),
            reference.matrix_nms(iou["iou"], scores, labels, kernel, 1.5),
        )


@pytest.mark.parametrize("labelled", [False, True])
@pytest.mark.parametrize("size", [(7, 9), (20, 70)])
def test_suppression_is_its_definition(backend, isa, rng, size, labelled):
    masks = blobs(rng, 10, *size)
    masks[5] = masks[4]
    scores = rng.integers(0, 6, 10) / 7
    labels = rng.integers(-1, 2, 10) if labelled else None
    for call, expected in suppressions(masks, scores, labels):
        for form in FORMS.values():
            result = call(form(masks))
            if isinstance(result, tuple):
                assert result[0].tolist() == expected[0]
                np.testing.assert_allclose(result[1], expected[1], rtol=1e-14)
            else:
                np.testing.assert_allclose(result, expected, rtol=1e-14)


@pytest.mark.parametrize("labelled", [False, True])
def test_merging_is_its_definition(backend, isa, rng, labelled):
    masks = blobs(rng, 14, 20, 270)
    scores = rng.integers(0, 6, 14) / 7
    labels = rng.integers(0, 2, 14) if labelled else None
    for metric in METRICS:
        for threshold in (0, 0.2, 0.5, 1):
            expected = reference.nmm(masks, scores, threshold, labels, metric)
            for form in FORMS.values():
                groups = rapidmask.mask_nmm(form(masks), scores, threshold, labels=labels, metric=metric)
                assert [group.tolist() for group in groups] == expected


def test_no_masks_to_suppress(backend):
    for form in FORMS.values():
        none = form(np.zeros((0, 4, 5), bool))
        assert rapidmask.mask_nms(none, [], 0.5).shape == (0,)
        assert rapidmask.mask_nms(none, [], 0.5, labels=[]).dtype == np.int64
        assert [part.shape for part in rapidmask.soft_nms(none, np.zeros(0))] == [(0,), (0,)]
        assert rapidmask.matrix_nms(none, [], None).shape == (0,)
        assert rapidmask.mask_nmm(none, [], 0.5) == []
        empty = form(np.zeros((3, 0, 5), bool))
        assert rapidmask.mask_nms(empty, [1, 2, 3], 0).tolist() == [2, 1, 0]
        assert rapidmask.matrix_nms(empty, [1, 2, 3], None).tolist() == [1, 2, 3]
        assert [group.tolist() for group in rapidmask.mask_nmm(empty, [1, 2, 3], 0.1)] == [[2], [1], [0]]
    assert rapidmask.nms_from_iou(np.zeros((0, 0)), [], 0.5).shape == (0,)


def test_scores_of_any_order(backend, rng):
    # Ranks by counting and by sorting must agree, with ties, infinities and NaN.
    scores = rng.choice([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.5, 1e-320, -2.5], 150)
    masks = np.zeros((150, 1, 1), bool)
    assert rapidmask.mask_nms(masks, scores, 0).tolist() == reference.order(scores)
    assert rapidmask.nms_from_iou(np.eye(150), scores, 0.5).tolist() == reference.order(scores)


@pytest.mark.parametrize("count", [63, 64, 65, 200])
def test_many_are_suppressed(backend, rng, count):
    # Ranks are settled 64 at a time on a device.
    iou = rng.random((count, count))
    scores, labels = rng.random(count), rng.integers(0, 3, count)
    for threshold in (0.5, 0.9, 0.99):
        kept = rapidmask.nms_from_iou(iou, scores, threshold, labels=labels)
        assert kept.tolist() == reference.nms(iou, scores, threshold, labels)
    iou[rng.random((count, count)) < 0.5] = np.nan
    assert rapidmask.nms_from_iou(iou, scores, 0.8).tolist() == reference.nms(iou, scores, 0.8)


def test_exponentials_are_within_a_unit(backend, rng):
    # Of two equal masks the second score decays by exp(-1 / sigma).
    masks = np.ones((2, 1, 1), bool)
    exponents = [0.0, 1e-300, 1e-17, 0.3465, 0.3467, 708.3, 708.5, 744.4, 745.2, *rng.uniform(0, 745, 40)]
    for exponent in exponents:
        sigma = 1 / exponent if exponent else np.inf
        kept, scores = rapidmask.soft_nms(masks, [2, 1], sigma=sigma, score_threshold=-1)
        assert kept.tolist() == [0, 1]
        expected = np.exp(-1 / sigma)
        assert abs(scores[1] - expected) <= np.spacing(expected)


def test_types_of_scores_and_labels(backend):
    for dtype in (np.float16, np.float32, np.int32, np.uint8):
        assert rapidmask.mask_nms(LINE, np.array([3, 2, 1, 4], dtype), 0.5).tolist() == [3, 0]
    for dtype in (np.int8, np.uint16, np.int32, np.int64):
        labels = np.array([0, 1, 2, 3], dtype)
        assert rapidmask.mask_nms(LINE, [3, 2, 1, 4], 0.5, labels=labels).tolist() == [3, 0, 1, 2]


# Laws


def test_laws(isa, rng):
    a, b = rapidmask.pack(blobs(rng, 9, 90, 140)), rapidmask.pack(blobs(rng, 6, 90, 140))
    iou, ios, iof = (rapidmask.mask_iou(a, b, metric=metric) for metric in METRICS)
    np.testing.assert_array_equal(iou, rapidmask.mask_iou(b, a).T)
    np.testing.assert_array_equal(ios, np.maximum(iof, rapidmask.mask_iou(b, a, metric="iof").T))
    assert (iou <= ios).all()
    np.testing.assert_array_equal(rapidmask.mask_iou(a, b, iscrowd=np.ones(6, bool)), iof)
    own = rapidmask.mask_iou(a)
    np.testing.assert_array_equal(own, own.T)
    np.testing.assert_array_equal(own.diagonal(), rapidmask.mask_areas(a) > 0)
    scores = rng.random(9)
    for metric in METRICS:
        overlaps = rapidmask.mask_iou(a, metric=metric)
        for threshold in (0.1, 0.4, 0.8):
            np.testing.assert_array_equal(
                rapidmask.mask_nms(a, scores, threshold, metric=metric),
                rapidmask.nms_from_iou(overlaps, scores, threshold),
            )


# Other libraries


@pytest.mark.parametrize("size", [(9, 70), (100, 130)])
def test_overlaps_are_those_of_pycocotools(backend, rng, size):
    pycocotools = pytest.importorskip("pycocotools.mask")
    a, b = blobs(rng, 8, *size), blobs(rng, 6, *size)
    a[3] = b[2] = False
    crowds = [1, 0, 0, 1, 1, 0]
    first, second = (rapidmask.rle_encode(masks).to_coco() for masks in (a, b))
    for iscrowd in ([0] * 6, crowds):
        expected = pycocotools.iou(first, second, iscrowd)
        for form in FORMS.values():
            overlaps = rapidmask.mask_iou(form(a), form(b), iscrowd=np.array(iscrowd, bool))
            np.testing.assert_array_equal(overlaps, expected)


@pytest.fixture(scope="module")
def supervision():
    return pytest.importorskip("supervision")


def detections(rng, labelled):
    masks = blobs(rng, 20, 40, 70)
    scores = rng.permutation(20) / 20 + 0.01
    labels = rng.integers(0, 3, 20)
    columns = [np.zeros((20, 4)), scores[:, None]] + ([labels[:, None]] if labelled else [])
    return masks, scores, labels if labelled else None, np.hstack(columns)


@pytest.mark.parametrize("labelled", [False, True])
@pytest.mark.parametrize("metric", ["iou", "ios"])
def test_suppression_is_that_of_supervision(supervision, rng, metric, labelled):
    from supervision.detection.utils import iou_and_nms

    chosen = iou_and_nms.OverlapMetric.IOU if metric == "iou" else iou_and_nms.OverlapMetric.IOS
    for _ in range(5):
        masks, scores, labels, rows = detections(rng, labelled)
        overlaps = iou_and_nms.mask_iou_batch(masks, masks, chosen)
        np.testing.assert_allclose(rapidmask.mask_iou(masks, metric=metric), overlaps, rtol=1e-6)
        for threshold in (0.1037, 0.3519, 0.6173):  # which no overlap of float32 rounds to
            keep = iou_and_nms.mask_non_max_suppression(rows, masks, threshold, chosen)
            kept = rapidmask.mask_nms(masks, scores, threshold, labels=labels, metric=metric)
            assert sorted(kept.tolist()) == np.flatnonzero(keep).tolist()
            groups = iou_and_nms.mask_non_max_merge(rows, masks, threshold, overlap_metric=chosen)
            ours = rapidmask.mask_nmm(masks, scores, threshold, labels=labels, metric=metric)
            assert sorted(group.tolist() for group in ours) == sorted(groups)
        # It does not sort again: the same where scores are so far apart that no decay changes their order.
        masks, rows, labels = masks[:8], rows[:8], labels if labels is None else labels[:8]
        rows[:, 4] = apart = 1e8 ** -rng.permutation(8).astype(float)
        expected = iou_and_nms.mask_soft_non_max_suppression(rows, masks, 0.5, chosen)
        kept, decayed = rapidmask.soft_nms(masks, apart, labels=labels, score_threshold=0, metric=metric)
        np.testing.assert_allclose(decayed, expected[kept], rtol=1e-5)
        assert sorted(kept) == list(range(8))


# Arrays of other libraries


def test_torch_tensors(rng):
    torch = pytest.importorskip("torch")
    masks = blobs(rng, 6, 20, 70)
    scores, labels = rng.random(6), rng.integers(0, 2, 6)
    tensor = torch.from_numpy(masks)
    overlaps = rapidmask.mask_iou(tensor)
    assert isinstance(overlaps, torch.Tensor)
    np.testing.assert_array_equal(overlaps.numpy(), rapidmask.mask_iou(masks))
    np.testing.assert_array_equal(rapidmask.mask_iou(masks, tensor), rapidmask.mask_iou(masks))
    kept = rapidmask.mask_nms(tensor, torch.from_numpy(scores), 0.3, labels=torch.from_numpy(labels))
    assert isinstance(kept, torch.Tensor)
    assert kept.tolist() == rapidmask.mask_nms(masks, scores, 0.3, labels=labels).tolist()
    half = torch.from_numpy(reference.matrix(masks)).to(torch.bfloat16)
    assert len(rapidmask.nms_from_iou(half, scores, 0.3)) > 0


# Errors


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (
            lambda: rapidmask.mask_iou(LINE, LINE[..., :5]),
            ValueError,
            "mask_iou: masks of a and b must have one size (H, W), got (1, 6) and (1, 5)",
        ),
        (
            lambda: rapidmask.mask_iou(rapidmask.rle_encode(LINE), rapidmask.rle_encode(LINE[..., :5])),
            ValueError,
            "mask_iou: masks of a and b must have one size (H, W), got (1, 6) and (1, 5)",
        ),
        (
            lambda: rapidmask.mask_iou(LINE, metric="dice"),
            ValueError,
            "mask_iou: metric must be 'iou', 'ios' or 'iof', got 'dice'",
        ),
        (
            lambda: rapidmask.mask_iou(LINE, iscrowd=[True]),
            ValueError,
            "mask_iou: iscrowd must have one value for each of 4 masks, got shape (1,)",
        ),
        (
            lambda: rapidmask.mask_iou(LINE.astype(float)),
            TypeError,
            "mask_iou: a must be bool or uint8, got float64",
        ),
        (
            lambda: rapidmask.mask_iou(LINE, np.zeros(3, bool)),
            ValueError,
            "mask_iou: b must have at least 2 dimensions (..., H, W), got shape (3,)",
        ),
        (
            lambda: rapidmask.mask_nms(LINE, [1, 2, 3], 0.5),
            ValueError,
            "mask_nms: scores must have one value for each of 4 masks, got shape (3,)",
        ),
        (
            lambda: rapidmask.mask_nms(LINE, [1, 2, 3, 4], 1.5),
            ValueError,
            "mask_nms: iou_threshold must be from 0 to 1, got 1.5",
        ),
        (
            lambda: rapidmask.mask_nms(LINE, [1, 2, 3, 4], float("nan")),
            ValueError,
            "mask_nms: iou_threshold must be from 0 to 1, got nan",
        ),
        (
            lambda: rapidmask.mask_nms(LINE, [1, 2, 3, 4], 0.5, labels=[0.5, 1, 2, 3]),
            TypeError,
            "mask_nms: labels must be integers, got float64: convert class numbers that are whole",
        ),
        (
            lambda: rapidmask.mask_nms(LINE, [1, 2, 3, 4], 0.5, labels=[1]),
            ValueError,
            "mask_nms: labels must have one value for each of 4 masks, got shape (1,)",
        ),
        (
            lambda: rapidmask.nms_from_iou(np.zeros((2, 3)), [1, 2], 0.5),
            ValueError,
            "nms_from_iou: iou must have shape (N, N), got shape (2, 3)",
        ),
        (
            lambda: rapidmask.nms_from_iou(np.zeros((2, 2), int), [1, 2], 0.5),
            TypeError,
            "nms_from_iou: iou must be of a floating type, got int64",
        ),
        (
            lambda: rapidmask.soft_nms(LINE, [1, 2, 3, 4], method="cubic"),
            ValueError,
            "soft_nms: method must be 'gaussian' or 'linear', got 'cubic'",
        ),
        (
            lambda: rapidmask.soft_nms(LINE, [1, 2, 3, 4], sigma=0),
            ValueError,
            "soft_nms: sigma must be above 0, got 0",
        ),
        (
            lambda: rapidmask.matrix_nms(LINE, [1, 2, 3, 4], None, kernel="cubic"),
            ValueError,
            "matrix_nms: kernel must be 'gaussian' or 'linear', got 'cubic'",
        ),
        (
            lambda: rapidmask.mask_nmm(LINE, [1, 2, 3, 4], -0.1),
            ValueError,
            "mask_nmm: iou_threshold must be from 0 to 1, got -0.1",
        ),
    ],
)
def test_errors(call, error, text):
    with refuses(error, text):
        call()


@pytest.mark.parametrize("metric", ["iou", "ios", "iof"])
def test_nms_of_run_lengths_is_that_of_their_pixels(metric, rng):
    """Whether they are compared as they are or packed first."""
    compared = 0
    for trial in range(60):
        count, (h, w) = rng.integers(0, 30), rng.integers(1, 90, 2)
        masks = np.zeros((count, h, w), bool)
        for mask in masks:
            y, x = rng.integers(0, h), rng.integers(0, w)
            mask[y : y + rng.integers(0, 50), x : x + rng.integers(0, 50)] = True
        scores = rng.random(count).round(1)
        labels = rng.integers(0, 3, count) if trial % 2 else None
        runs = rapidmask.rle_encode(masks)
        compared += _is_small_beside_bits(runs)
        for most in (None, 4):
            options = {"labels": labels, "metric": metric, "max_output": most}
            found, expected = (rapidmask.mask_nms(given, scores, 0.5, **options) for given in (runs, masks))
            for ours, theirs in [(found, expected)] if most is None else zip(found, expected, strict=True):
                np.testing.assert_array_equal(ours, theirs)
    assert 5 < compared < 55


def test_a_frame_without_masks_has_any_size():
    none, some = rapidmask.RLEMasks.from_coco([]), rapidmask.rle_encode(np.ones((3, 4, 5), bool))
    assert rapidmask.mask_iou(none, some).shape == (0, 3)
    assert rapidmask.mask_iou(some, none).shape == (3, 0)
    assert rapidmask.mask_iou(none, none).shape == (0, 0)
    with refuses(ValueError, "mask_iou: masks of a and b must have one size (H, W), got (2, 2) and (4, 5)"):
        rapidmask.mask_iou(rapidmask.RLEMasks.from_coco([], size=(2, 2)), some)
