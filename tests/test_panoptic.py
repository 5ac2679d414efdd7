"""Panoptic merging, painting and scores that do not overlap, against definitions and the code of upstreams."""

import numpy as np
import pytest

import rapidmask
from inputs import guarded, hostile_masks, layouts, refuses
from reference import panoptic as reference
from reference.semantic import bilinear

DTYPES = ("float32", "float16")


def sigmoid(x):
    """The logistic function with the kernels' bits, from planes that nothing else changes."""
    x = np.ascontiguousarray(x, np.float32)
    classes = np.array([[[200.0, 0.0]]], np.float32)  # a weight of 1
    flat = x.reshape(-1, 1, 1, x.shape[-1])
    return rapidmask._cpu.semantic_scores(np.repeat(classes, len(flat), 0), flat).reshape(x.shape)


def queries(rng, q, size, cell=7):
    """Logits of smooth masks, scores and labels."""
    coarse = rng.normal(size=(q, size[0] // cell + 2, size[1] // cell + 2)).astype(np.float32)
    logits = 6 * bilinear(coarse, size) - 2
    return logits, rng.random(q).astype(np.float32), rng.integers(0, 5, q)


def assert_merged(logits, scores, labels, size=None, activation="sigmoid", **rule):
    """Compare with the definition, bit for bit."""
    found, segments = rapidmask.panoptic_merge(logits, scores, labels, size=size, activation=activation, **rule)
    activate = sigmoid if activation else lambda x: x
    expected, table = reference.merge(logits, scores, labels, size or logits.shape[1:], activate, rule)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, expected)
    kept = [k for k, row in enumerate(table) if row[0]]
    assert sorted(k for segment in segments for k in segment["queries"]) == kept
    for segment in segments:
        rows = [table[k] for k in segment["queries"]]
        assert {row[1] for row in rows} == {segment["id"]}
        assert segment["area"] == sum(row[2] for row in rows)
        assert segment["label_id"] == labels[segment["queries"][0]]
        assert segment["score"] == pytest.approx(float(np.float32(scores[segment["queries"][0]])), abs=0)
        assert segment["was_fused"] == (segment["label_id"] in rule.get("fuse", ()))
        if rule.get("numbering") != "restarting":
            assert segment["area"] == (found == segment["id"]).sum()
    return found, segments


# By eye


def test_segments_by_eye(backend, isa):
    masks = np.array([[[0.9, 0.9, 0.1, 0.1]], [[0.1, 0.1, 0.8, 0.9]], [[0.2, 0.7, 0.7, 0.2]]], np.float32)
    found, segments = rapidmask.panoptic_merge(masks, [0.9, 0.8, 0.7], [3, 5, 6])
    assert found.tolist() == [[1, 1, 2, 2]]
    assert segments[0] == {
        "id": 1, "label_id": 3, "was_fused": False, "score": pytest.approx(0.9), "area": 2, "queries": [0]
    }  # fmt: skip
    assert [segment["id"] for segment in segments] == [1, 2]


def test_a_query_that_is_mostly_covered_is_void_by_eye(backend, isa):
    masks = np.array([[[0.9, 0.9, 0.9, 0.1]], [[0.8, 0.8, 0.8, 0.8]]], np.float32)
    found, segments = rapidmask.panoptic_merge(masks, [1.0, 1.0], [1, 2], void=-1)
    assert found.tolist() == [[1, 1, 1, -1]]  # chosen in one of its four pixels
    assert len(segments) == 1
    found, _ = rapidmask.panoptic_merge(masks, [1.0, 1.0], [1, 2], overlap_threshold=0.2)
    assert found.tolist() == [[1, 1, 1, 2]]


def test_pixels_below_the_threshold_by_eye(backend, isa):
    masks = np.array([[[0.9, 0.9, 0.4, 0.1]], [[0.1, 0.1, 0.1, 0.6]]], np.float32)
    assert rapidmask.panoptic_merge(masks, [1, 1], [1, 2])[0].tolist() == [[1, 1, 1, 2]]
    assert rapidmask.panoptic_merge(masks, [1, 1], [1, 2], paint="inner")[0].tolist() == [[1, 1, 0, 2]]


@pytest.mark.parametrize(
    ("numbering", "ids"),
    [("consecutive", [1, 2, 1, 3]), ("restarting", [1, 2, 1, 2]), ("by_label", [7, 1008, 7, 2009])],
)
def test_numbering_by_eye(backend, isa, numbering, ids):
    """Two queries of class 7 become one segment, and transformers then counts from its id."""
    masks = np.eye(4, dtype=np.float32)[:, None]
    found, segments = rapidmask.panoptic_merge(masks, [1, 1, 1, 1], [7, 8, 7, 9], fuse=[7], numbering=numbering)
    assert found.tolist() == [ids]
    if numbering == "restarting":
        assert [segment["id"] for segment in segments] == ids
    else:
        assert [segment["queries"] for segment in segments] == [[0, 2], [1], [3]]


# Against the definition

RULES = [
    {},
    {"activation": None},
    {"activate": "after"},
    {"weight_by_score": False, "activate": "after", "paint": "inner", "void": -1, "first_id": 0, "fuse": (1, 2)},
    {"weight_by_score": False, "overlap_op": ">=", "paint": "inner", "fuse": (0,)},
    {"weight_by_score": False, "overlap_op": ">=", "numbering": "by_label", "fuse": (0, 1), "void": 99, "id_step": 50},
    {"numbering": "restarting", "fuse": (0, 1, 2), "overlap_threshold": 0.3},
    {"mask_threshold": 0.2, "overlap_threshold": 0.5},
    {"mask_threshold": 0.0, "overlap_threshold": 0.0},
    {"mask_threshold": -1.0, "overlap_threshold": 0.01, "paint": "inner"},
]
SIZES = [((9, 14), None), ((9, 14), (36, 56)), ((33, 40), (50, 131)), ((20, 33), (7, 15)), ((1, 1), (5, 40))]


@pytest.mark.parametrize(("own", "size"), SIZES)
@pytest.mark.parametrize("rule", RULES, ids=str)
def test_panoptic_merge_is_its_definition(backend, isa, rng, rule, own, size):
    for q in (1, 9):
        logits, scores, labels = queries(rng, q, own)
        for given in (logits, (logits + rng.normal(size=logits.shape)).astype(np.float16)):
            if rule.get("activation", "sigmoid") is None:
                given = sigmoid(given).astype(given.dtype)
            assert_merged(given, scores, labels, size, **rule)


def test_many_queries_that_own_much(isa, rng):
    logits, scores, labels = queries(rng, 60, (40, 56), 5)
    for size in ((160, 224), None):
        assert_merged(logits, scores * 0.1 + 0.9, labels, size, overlap_threshold=0.01)


@pytest.mark.parametrize("rule", [{"activation": None}, {"activate": "after"}, {}], ids=str)
def test_awkward_values_and_scores(backend, isa, rng, rule):
    values = [0.0, -0.0, 1e-45, 1e-38, 3e38, -3e38, np.inf, -np.inf, np.nan, 0.5, 1.0, -1.0]
    numbers = [0.0, 1.0, 0.5, -1.0, np.inf, np.nan, 1e-40, 3e38]
    for share in (1.0, 0.1):
        planes = rng.integers(-1, 3, (6, 8, 19)).astype(np.float32) / 2
        awkward = rng.random(planes.shape) < share
        planes[awkward] = rng.choice(values, awkward.sum())
        for scores in (np.ones(6), rng.choice(numbers, 6)):
            with np.errstate(invalid="ignore", over="ignore"):
                expected, table = reference.merge(
                    planes, scores, range(6), (20, 45), sigmoid if rule != RULES[1] else np.asarray,
                    {**rule, "overlap_threshold": 0.1},
                )  # fmt: skip
            options = {"activation": "sigmoid", **rule, "overlap_threshold": 0.1}
            found, segments = rapidmask.panoptic_merge(planes, scores, np.arange(6), size=(20, 45), **options)
            np.testing.assert_array_equal(found, expected)
            assert [segment["queries"][0] for segment in segments] == [k for k, row in enumerate(table) if row[0]]


def test_what_is_compared_with_infinity_and_zero(backend, isa, rng):
    values = np.array([0, -0.0, 1, 0.5, np.nan, np.inf, -np.inf, 1e-40, -1], np.float32)
    for _ in range(40):
        planes, scores = rng.choice(values, (3, 4, 3)), rng.choice(values, 3)
        rule = {"mask_threshold": rng.choice([-np.inf, np.inf, 0, -1]), "weight_by_score": bool(rng.integers(2))}
        rule["overlap_threshold"] = rng.choice([-1, 0, 0.5])
        for size in ((4, 3), (7, 9)):
            expected, _ = reference.merge(planes, scores, range(3), size, np.asarray, rule)
            found, _ = rapidmask.panoptic_merge(planes, scores, np.arange(3), size=size, **rule)
            np.testing.assert_array_equal(found, expected)


def test_stages(backend, isa, rng):
    logits, scores, labels = queries(rng, 5, (9, 14))
    staged = bilinear(logits, (30, 30))[:, :25, :28]
    for activate in ("before", "after"):
        options = {"size": (40, 60), "activation": "sigmoid", "activate": activate, "overlap_threshold": 0.1}
        expected = rapidmask.panoptic_merge(staged, scores, labels, **options)
        found = rapidmask.panoptic_merge(logits, scores, labels, intermediate=(30, 30), crop=(25, 28), **options)
        np.testing.assert_array_equal(found[0], expected[0])
        assert found[1] == expected[1]


def test_no_queries(backend):
    for size in (None, (6, 7)):
        found, segments = rapidmask.panoptic_merge(np.zeros((0, 4, 5), np.float32), [], [], size=size, void=-1)
        assert found.shape == (size or (4, 5))
        assert (found == -1).all()
        assert segments == []


def test_empty_maps(backend):
    for shape, size in (((2, 0, 5), None), ((2, 4, 5), (0, 3))):
        found, segments = rapidmask.panoptic_merge(np.zeros(shape, np.float32), [1, 1], [1, 2], size=size)
        assert found.shape == (size or shape[1:])
        assert segments == []


@pytest.mark.parametrize("dtype", DTYPES)
def test_layouts(backend, rng, dtype):
    logits, scores, labels = queries(rng, 4, (9, 21))
    logits = logits.astype(dtype)
    expected, _ = assert_merged(logits, scores, labels, (20, 50), overlap_threshold=0.1)
    for layout, view in layouts(logits):
        found, _ = rapidmask.panoptic_merge(
            view, scores, labels, size=(20, 50), activation="sigmoid", overlap_threshold=0.1
        )
        np.testing.assert_array_equal(found, expected, err_msg=layout)


@pytest.mark.parametrize("size", [None, (13, 45)])
def test_out(backend, isa, rng, size):
    logits, scores, labels = queries(rng, 5, (11, 19))
    out, untouched = guarded(size or (11, 19), np.int32)
    options = {"size": size, "activation": "sigmoid", "overlap_threshold": 0.1}
    expected, _ = rapidmask.panoptic_merge(logits, scores, labels, **options)
    assert rapidmask.panoptic_merge(logits, scores, labels, **options, out=out)[0] is out
    np.testing.assert_array_equal(out, expected)
    assert untouched()


def test_any_number_of_threads_gives_one_result(threads, rng):
    logits, scores, labels = queries(rng, 20, (90, 100))
    for activate in ("before", "after"):
        options = {"size": (300, 310), "activation": "sigmoid", "activate": activate, "overlap_threshold": 0.05}
        threads(1)
        expected = rapidmask.panoptic_merge(logits, scores, labels, **options)
        for count in (2, 7):
            threads(count)
            found = rapidmask.panoptic_merge(logits, scores, labels, **options)
            np.testing.assert_array_equal(found[0], expected[0])
            assert found[1] == expected[1]


def test_torch(backend, rng):
    torch = pytest.importorskip("torch")
    logits, scores, labels = queries(rng, 5, (12, 30))
    expected = rapidmask.panoptic_merge(logits, scores, labels, size=(31, 70), activation="sigmoid")
    given = [torch.from_numpy(x) for x in (logits, scores, labels)]
    found = rapidmask.panoptic_merge(*given, size=(31, 70), activation="sigmoid")
    assert isinstance(found[0], torch.Tensor)
    np.testing.assert_array_equal(found[0].numpy(), expected[0])
    assert found[1] == expected[1]
    half = given[0].to(torch.bfloat16)
    expected = rapidmask.panoptic_merge(half.float(), *given[1:], size=(31, 70), activation="sigmoid")
    found = rapidmask.panoptic_merge(half, *given[1:], size=(31, 70), activation="sigmoid")
    assert torch.equal(found[0], expected[0])


# As transformers: its functions, in a few lines


def compute_segments(torch, mask_probs, scores, labels, fuse, size):
    """MaskFormer's, Mask2Former's and OneFormer's in transformers 5."""
    probs = torch.nn.functional.interpolate(mask_probs[None], size=size, mode="bilinear", align_corners=False)[0]
    probs = probs * scores.view(-1, 1, 1)
    chosen = probs.argmax(0)
    segmentation, segments, current, stuff = torch.zeros(size, dtype=torch.int32), [], 0, {}
    for k, label in enumerate(labels.tolist()):
        mask, own = chosen == k, (probs[k] >= 0.5).sum()
        if not (mask.sum() > 0 and own > 0 and (mask.sum() / own).item() > 0.8):
            continue
        current = stuff[label] if label in stuff else current + 1
        segmentation[mask] = current
        score = round(scores[k].item(), 6)
        segments.append({"id": current, "label_id": label, "was_fused": label in fuse, "score": score})
        if label in fuse:
            stuff[label] = current
    return segmentation, segments


def eomt_segments(torch, logits, scores, labels, fuse, size):
    """EoMT's, with its logits resized before."""
    resized = torch.nn.functional.interpolate(logits[None], size=size, mode="bilinear", align_corners=False)[0]
    probs = resized.sigmoid()
    chosen = (scores[:, None, None] * probs).argmax(0)
    segmentation, segments, current, stuff = torch.zeros(size, dtype=torch.long) - 1, [], 0, {}
    for k, label in enumerate(labels.tolist()):
        mask, own = chosen == k, probs[k] >= 0.5
        if not (mask.any() and own.any() and (mask & own).any() and (mask.sum() / own.sum()).item() > 0.8):
            continue
        if label in fuse and label in stuff:
            segmentation[mask & own] = stuff[label]
            continue
        if label in fuse:
            stuff[label] = current
        segmentation[mask & own] = current
        segments.append({"id": current, "label_id": label, "score": round(scores[k].item(), 6)})
        current += 1
    return segmentation, segments


def apart(rng, q, size):
    """Masks that overlap little, as those of a trained model: each query has its own disc."""
    y, x = np.ogrid[: size[0], : size[1]]
    logits = np.empty((q, *size), np.float32)
    for plane in logits:
        cy, cx, radius = rng.uniform(0, size[0]), rng.uniform(0, size[1]), rng.uniform(5, 20)
        plane[...] = np.clip(1.5 * (radius - np.hypot(y - cy, x - cx)), -9, 9) + rng.normal(0, 0.3, size)
    return logits, rng.uniform(0.8, 1, q).astype(np.float32), rng.integers(0, 6, q)


@pytest.mark.parametrize("seed", range(4))
def test_segments_of_transformers(isa, seed):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    logits, scores, labels = apart(rng, 15, (64, 80))
    given = [torch.from_numpy(x) for x in (logits, scores, labels)]
    size, fuse = (256, 320), {0, 1, 2}
    found, segments = rapidmask.panoptic_merge(
        *given, size=size, activation="sigmoid", numbering="restarting", fuse=fuse
    )
    expected, theirs = compute_segments(torch, given[0].sigmoid(), *given[1:], fuse, size)
    assert (found != expected).float().mean() < 1e-4
    ours = [{**s, "score": round(s["score"], 6)} for s in segments]
    assert [{k: s[k] for k in theirs[0]} for s in ours] == theirs
    assert len(theirs) >= 4
    options = {"activation": "sigmoid", "activate": "after", "weight_by_score": False, "paint": "inner"}
    found, segments = rapidmask.panoptic_merge(*given, size=size, **options, fuse=fuse, void=-1, first_id=0)
    expected, theirs = eomt_segments(torch, *given, fuse, size)
    assert (found != expected).float().mean() < 1e-4
    ours = [{**s, "score": round(s["score"], 6)} for s in segments]
    assert [{k: s[k] for k in theirs[0]} for s in ours] == theirs


# Painting


def overlapping(rng, n, size):
    y, x = np.indices(size)
    masks = np.zeros((n, *size), bool)
    for mask in masks[: max(0, n - 1)]:  # the last is empty
        cy, cx, radius = rng.uniform(0, size[0]), rng.uniform(0, size[1]), rng.uniform(2, 9)
        mask[...] = (y - cy) ** 2 + (x - cx) ** 2 < radius**2
    return masks


def forms(masks):
    yield masks
    yield masks.astype(np.uint8) * 3
    yield rapidmask.pack(masks)
    yield rapidmask.rle_encode(masks)


def by_score(scores):
    return sorted(range(len(scores)), key=lambda i: (np.isnan(scores[i]), -np.nan_to_num(scores[i]), i))


@pytest.mark.parametrize("min_kept", [0.0, 0.3, 0.5, 1.0])
def test_resolve_overlaps_is_its_definition(backend, isa, rng, min_kept):
    masks = overlapping(rng, 12, (23, 70))
    scores = rng.integers(0, 5, 12) / 4
    scores[3] = np.nan
    for ranking, order in ((None, range(12)), (scores, by_score(scores))):
        expected, _ = reference.paint(masks, order, lambda area, free: area == 0 or free / area >= min_kept)
        for given in forms(masks):
            found = rapidmask.resolve_overlaps(given, ranking, min_kept=min_kept)
            assert found.dtype == np.int32
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", hostile_masks())
def test_hostile_masks(backend, isa, name):
    masks = np.asarray(hostile_masks()[name])
    for min_kept in (0.0, 0.6):
        order = range(len(masks))[::-1]
        expected, _ = reference.paint(masks, order, lambda area, free, least=min_kept: free >= least * area)
        for given in forms(masks):
            found = rapidmask.resolve_overlaps(given, np.arange(len(masks)), min_kept=min_kept)
            np.testing.assert_array_equal(found, expected)


def combined(instances, scores, labels, semantic, overlap, stuff_area, least):
    """detectron2's `combine_semantic_and_instance_outputs`."""
    result, segments, current = np.zeros(semantic.shape, np.int32), [], 0
    for i in np.argsort(-scores, kind="stable"):
        if scores[i] < least:
            break
        mask = instances[i]
        if mask.sum() == 0:
            continue
        taken = mask & (result > 0)
        if taken.sum() * 1.0 / mask.sum() > overlap:
            continue
        if taken.any():
            mask = mask & (result == 0)
        current += 1
        result[mask] = current
        segments.append({"id": current, "is_thing": True, "score": float(scores[i]), "label_id": int(labels[i])})
    for label in np.unique(semantic):
        mask = (semantic == label) & (result == 0)
        if label == 0 or mask.sum() < stuff_area:
            continue
        current += 1
        result[mask] = current
        segments.append({"id": current, "is_thing": False, "label_id": int(label), "area": int(mask.sum())})
    return result, segments


@pytest.mark.parametrize("overlap", [0.0, 0.5, 1.0])
def test_instance_merge_is_detectron2s(backend, isa, rng, overlap):
    masks = overlapping(rng, 15, (24, 66))
    scores, labels = np.round(rng.random(15), 1), rng.integers(1, 9, 15)
    semantic = rng.integers(0, 4, (2, 3)).repeat(12, 0).repeat(22, 1)
    expected, theirs = combined(masks, scores, labels, semantic, overlap, 30, 0.3)
    for given in forms(masks):
        found, segments = rapidmask.instance_merge(
            given,
            scores,
            labels,
            semantic=semantic,
            overlap_threshold=overlap,
            min_stuff_area=30,
            score_threshold=0.3,
        )
        np.testing.assert_array_equal(found, expected)
        assert [{k: ours[k] for k in their} for ours, their in zip(segments, theirs, strict=True)] == theirs
        for segment in segments:
            assert segment["area"] == (found == segment["id"]).sum()


def test_instances_of_transformers(backend, isa, rng):
    """MaskFormer's and Mask2Former's: in the order given, each over those before it."""
    masks = overlapping(rng, 10, (20, 50))
    scores, labels = rng.random(10), rng.integers(0, 9, 10)
    expected, theirs, current = np.full((20, 50), -1, np.int32), [], 0
    for mask, score, label in zip(masks, scores, labels, strict=True):
        if not mask.any() or score < 0.3:
            continue
        expected[mask] = current
        theirs.append({"id": current, "label_id": label, "score": score})
        current += 1
    options = {"order": "given", "over": True, "score_threshold": 0.3, "void": -1, "first_id": 0}
    for given in forms(masks):
        found, segments = rapidmask.instance_merge(given, scores, labels, **options)
        np.testing.assert_array_equal(found, expected)
        assert [{k: ours[k] for k in their} for ours, their in zip(segments, theirs, strict=True)] == theirs
        for segment in segments:
            assert segment["area"] == (found == segment["id"]).sum()


def test_classes_that_are_ignored_or_negative(backend):
    masks = np.zeros((1, 2, 6), bool)
    masks[0, 0, :2] = True
    semantic = np.array([[1, 1, 1, 2, 2, -1], [0, 0, 0, 2, 2, -1]])
    options = {"semantic": semantic, "min_stuff_area": 1, "void": 9}
    found, segments = rapidmask.instance_merge(masks, [1.0], [5], **options)
    assert found.tolist() == [[1, 1, 2, 3, 3, 9], [9, 9, 9, 3, 3, 9]]
    found, segments = rapidmask.instance_merge(masks, [1.0], [5], **options, ignore=[2])
    assert found.tolist() == [[1, 1, 3, 9, 9, 9], [2, 2, 2, 9, 9, 9]]
    assert [segment["label_id"] for segment in segments] == [5, 0, 1]
    found, segments = rapidmask.instance_merge(masks[:0], [], [], **options, ignore=())
    assert found.tolist() == [[2, 2, 2, 3, 3, 9], [1, 1, 1, 3, 3, 9]]


@pytest.mark.parametrize("min_kept", [0.0, 0.4])
def test_painted_out(backend, isa, rng, min_kept):
    masks = overlapping(rng, 5, (11, 70))
    out, untouched = guarded((11, 70), np.int32)
    expected = rapidmask.resolve_overlaps(masks, min_kept=min_kept)
    assert rapidmask.resolve_overlaps(masks, min_kept=min_kept, out=out) is out
    np.testing.assert_array_equal(out, expected)
    assert untouched()
    found, _ = rapidmask.instance_merge(masks, np.ones(5), np.ones(5, int), out=out)
    assert found is out
    assert untouched()


def test_threads_paint_alike(threads, rng):
    masks = overlapping(rng, 9, (400, 900))
    scores = rng.random(9)
    threads(1)
    expected = rapidmask.resolve_overlaps(masks, scores, min_kept=0.5)
    for count in (2, 7):
        threads(count)
        np.testing.assert_array_equal(rapidmask.resolve_overlaps(masks, scores, min_kept=0.5), expected)


# Scores that do not overlap


def sam2(torch, pred_masks, background=-10.0):
    """SAM 2's `_apply_non_overlapping_constraints`."""
    if len(pred_masks) == 1:
        return pred_masks
    winner = torch.argmax(pred_masks, dim=0, keepdim=True)
    keep = winner == torch.arange(len(pred_masks))[:, None, None, None]
    return torch.where(keep, pred_masks, torch.clamp(pred_masks, max=background))


def sam3(torch, pred_masks, obj_scores, background=-10.0):
    """SAM 3's `_apply_object_wise_non_overlapping_constraints`."""
    single = torch.where(pred_masks > 0, obj_scores[..., None, None], background)
    separate = sam2(torch, single)
    return torch.where(separate > 0, pred_masks, torch.clamp(pred_masks, max=background))


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("n", [1, 2, 5])
def test_non_overlapping_is_that_of_sam_2_and_3(backend, isa, rng, n, dtype):
    torch = pytest.importorskip("torch")
    masks = torch.from_numpy(np.round(8 * rng.normal(size=(n, 1, 9, 67))).astype(np.float32))
    masks = masks.to(getattr(torch, dtype))
    found = rapidmask.non_overlapping(masks)
    assert (type(found), found.dtype) == (torch.Tensor, masks.dtype)
    assert torch.equal(found, sam2(torch, masks))
    scores = torch.from_numpy(rng.integers(-1, 3, (n, 1)).astype(np.float32))
    found = rapidmask.non_overlapping(masks, object_scores=scores[:, 0])
    assert torch.equal(found, sam3(torch, masks, scores.to(masks.dtype)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_non_overlapping_is_its_definition(backend, isa, rng, dtype):
    scores = rng.choice([0.0, -0.0, 1.0, -1.0, 5.0, -20.0, np.inf, -np.inf, np.nan], (4, 6, 37)).astype(dtype)
    for background in (-10.0, 0.0, -0.1):
        for objects in (None, np.array([0.5, 0.5, -1, np.nan], np.float32), np.array([1.0, 3.0, 2.0, np.inf])):
            expected = reference.non_overlapping(scores, background, objects)
            found = rapidmask.non_overlapping(scores, background=background, object_scores=objects)
            np.testing.assert_array_equal(found, expected)


def test_non_overlapping_in_place_and_empty(backend, rng):
    scores = rng.normal(size=(3, 8, 150)).astype(np.float32)
    expected = rapidmask.non_overlapping(scores)
    out, untouched = guarded(scores.shape, np.float32)
    assert rapidmask.non_overlapping(scores, out=out) is out
    np.testing.assert_array_equal(out, expected)
    assert untouched()
    assert rapidmask.non_overlapping(scores, out=scores) is scores
    np.testing.assert_array_equal(scores, expected)
    for shape in ((0, 4, 5), (3, 0, 5)):
        assert rapidmask.non_overlapping(np.zeros(shape, np.float32)).shape == shape


# Errors

PROBS = np.full((2, 3, 4), 0.5, np.float32)
MASKS = np.zeros((2, 3, 4), bool)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (
            lambda: rapidmask.panoptic_merge(PROBS[0], [1], [1]),
            ValueError,
            "panoptic_merge: mask_probs must have 3 dimensions (Q, H, W), got shape (3, 4)",
        ),
        (
            lambda: rapidmask.panoptic_merge(PROBS.astype(np.float64), [1, 1], [1, 1]),
            TypeError,
            "panoptic_merge: mask_probs must be float16, bfloat16 or float32, got float64",
        ),
        (
            lambda: rapidmask.panoptic_merge(PROBS, [1], [1, 1]),
            ValueError,
            "panoptic_merge: scores must have one value for each of 2 queries, got shape (1,)",
        ),
        (
            lambda: rapidmask.panoptic_merge(PROBS, [1, 1], [1, 1, 1]),
            ValueError,
            "panoptic_merge: labels must have one value for each of 2 queries, got shape (3,)",
        ),
        (
            lambda: rapidmask.panoptic_merge(PROBS, [1, 1], [1.5, 1]),
            TypeError,
            "panoptic_merge: labels must be integers, got float64",
        ),
        (
            lambda: rapidmask.panoptic_merge(PROBS, [1, 1], [1, 1], activation="softmax"),
            ValueError,
            "panoptic_merge: activation must be one of None, 'sigmoid', got 'softmax'",
        ),
        (
            lambda: rapidmask.panoptic_merge(PROBS, [1, 1], [1, 1], numbering="random"),
            ValueError,
            "panoptic_merge: numbering must be one of 'consecutive', 'restarting', 'by_label', got 'random'",
        ),
        (
            lambda: rapidmask.panoptic_merge(PROBS, [1, 1], [1, 1], mask_threshold=np.nan),
            ValueError,
            "panoptic_merge: mask_threshold must not be NaN, got nan",
        ),
        (
            lambda: rapidmask.panoptic_merge(PROBS, [1, 1], [1, 1], void=2**31),
            ValueError,
            "panoptic_merge: void must be from -2147483648 to 2147483647, got 2147483648",
        ),
        (
            lambda: rapidmask.panoptic_merge(PROBS[:, :0], [1, 1], [1, 1], size=(2, 2)),
            ValueError,
            "panoptic_merge: mask_probs must have pixels to be resized, got shape (2, 0, 4)",
        ),
        (
            lambda: rapidmask.resolve_overlaps(MASKS, min_kept=1.5),
            ValueError,
            "resolve_overlaps: min_kept must be from 0 to 1, got 1.5",
        ),
        (
            lambda: rapidmask.resolve_overlaps(MASKS, [1.0]),
            ValueError,
            "resolve_overlaps: scores must have one value for each of 2 masks, got shape (1,)",
        ),
        (
            lambda: rapidmask.instance_merge(MASKS, [1.0, 1.0], [1]),
            ValueError,
            "instance_merge: labels must have one value for each of 2 masks, got shape (1,)",
        ),
        (
            lambda: rapidmask.instance_merge(MASKS, [1.0, 1.0], [1, 1], semantic=np.zeros((4, 3), int)),
            ValueError,
            "instance_merge: semantic must have the masks' shape (3, 4), got shape (4, 3)",
        ),
        (
            lambda: rapidmask.instance_merge(MASKS, [1.0, 1.0], [1, 1], semantic=np.zeros((3, 4))),
            TypeError,
            "instance_merge: semantic must be integers, got float64",
        ),
        (
            lambda: rapidmask.instance_merge(MASKS, [1.0, 1.0], [1, 1], semantic=np.full((3, 4), 2**20)),
            ValueError,
            "instance_merge: classes of semantic must be below 1048576, got 1048576",
        ),
        (
            lambda: rapidmask.non_overlapping(PROBS.astype(np.float64)),
            TypeError,
            "non_overlapping: scores must be float16, bfloat16 or float32, got float64",
        ),
        (
            lambda: rapidmask.non_overlapping(PROBS, object_scores=[1.0]),
            ValueError,
            "non_overlapping: object_scores must have one value for each of 2 objects, got shape (1,)",
        ),
        (
            lambda: rapidmask.non_overlapping(PROBS, background=np.nan),
            ValueError,
            "non_overlapping: background must not be NaN, got nan",
        ),
    ],
)
def test_errors(backend, call, error, text):
    with refuses(error, text):
        call()


# What is refused


def test_arguments_that_cannot_be_kept_are_refused():
    masks, logits = np.ones((2, 1, 2), bool), np.eye(2, dtype=np.float32)[:, None]
    with refuses(ValueError, "panoptic_merge: ids must be from -2147483648 to 2147483647, got 2147483648"):
        rapidmask.panoptic_merge(logits, [0.9, 0.9], [1, 2], first_id=2**31 - 1)
    with refuses(ValueError, "panoptic_merge: labels must be between -2^53 and 2^53, got about 9007199254740992"):
        rapidmask.panoptic_merge(logits, [0.9, 0.9], [1, 2**53 + 1])
    with refuses(ValueError, "panoptic_merge: labels must be below 2^63, got 9223372036854775813"):
        rapidmask.panoptic_merge(logits, [0.9, 0.9], np.array([1, 2**63 + 5], np.uint64))
    with refuses(ValueError, "instance_merge: ids must be from -2147483648 to 2147483647, got 2147483648"):
        rapidmask.instance_merge(np.eye(2, dtype=bool)[:, None], [0.9, 0.9], [1, 2], first_id=2**31 - 1)
    with refuses(ValueError, "instance_merge: classes of semantic must be below 1048576, got 4294967303"):
        rapidmask.instance_merge(masks, [0.9, 0.8], [1, 2], semantic=np.full((1, 2), 2**32 + 7))
    with refuses(ValueError, "instance_merge: min_stuff_area must not be NaN, got nan"):
        rapidmask.instance_merge(masks, [0.9, 0.8], [1, 2], min_stuff_area=np.nan)
    with refuses(TypeError, "panoptic_merge: fuse must be integers, got None"):
        rapidmask.panoptic_merge(logits, [0.9, 0.9], [1, 2], fuse=None)


def test_out_overlaps_no_other_argument():
    masks = np.ones((2, 1, 2), bool)
    semantic = np.zeros((1, 2), np.int32)
    with refuses(ValueError, "instance_merge: out must not overlap semantic"):
        rapidmask.instance_merge(masks, [0.9, 0.8], [1, 2], semantic=semantic, out=semantic)
    memory = np.zeros(2)
    with refuses(ValueError, "resolve_overlaps: out must not overlap scores"):
        rapidmask.resolve_overlaps(masks, memory, out=memory.view(np.int32)[:2].reshape(1, 2))
    with refuses(TypeError, "resolve_overlaps: out must be in native byte order and no view that negates"):
        rapidmask.resolve_overlaps(masks, out=np.zeros((1, 2), ">i4"))


def test_classes_below_all_others_and_scores_that_are_no_numbers():
    masks = np.ones((1, 1, 2), bool)
    segmentation, segments = rapidmask.instance_merge(masks, [0.9], [1], semantic=np.full((1, 2), -100))
    assert segmentation.tolist() == [[1, 1]]
    assert len(segments) == 1
    assert rapidmask.instance_merge(masks, [np.nan], [1], score_threshold=-np.inf)[1] == []


def test_ids_by_label_must_tell_labels_apart():
    probabilities = np.array([[[1, 0]], [[0, 1]]], np.float32)
    with refuses(ValueError, "panoptic_merge: id_step must be above every label, got labels 11 and 1 with id 11"):
        rapidmask.panoptic_merge(probabilities, [0.9, 0.9], [11, 1], numbering="by_label", id_step=10, fuse=[11])


@pytest.mark.parametrize("function", ["resolve_overlaps", "mask_nms"])
def test_scores_that_are_no_numbers(function):
    call = getattr(rapidmask, function)
    with refuses(TypeError, f"{function}: scores must hold numbers, got ['a']"):
        call(np.ones((1, 2, 2), bool), ["a"], **({"iou_threshold": 0.5} if function == "mask_nms" else {}))
