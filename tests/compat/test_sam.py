"""`rapidmask.compat.sam` against segment-anything and sam2."""

import importlib.util
import itertools
import pathlib
import sys
import warnings

import numpy as np
import pytest

import rapidmask
from inputs import refuses
from rapidmask.compat import sam as ours

torch = pytest.importorskip("torch")
cv2 = pytest.importorskip("cv2")

SHAPES = [(1, 1, 1), (3, 1, 7), (2, 9, 1), (4, 20, 33), (2, 64, 130)]


def amg_of(package):
    """Upstream's module of mask utilities, without the models around it, which need more libraries."""
    found = importlib.util.find_spec(package)
    if found is None:
        pytest.skip(f"{package} is not installed")
    path = pathlib.Path(found.origin).parent / "utils" / "amg.py"
    specification = importlib.util.spec_from_file_location(f"{package}_amg", path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture(params=["segment_anything", "sam2"])
def theirs(request):
    return amg_of(request.param)


def masks(shape, seed=0):
    rng = np.random.default_rng(seed)
    batch = rng.random(shape) < rng.random((shape[0], 1, 1))
    batch[0] = False
    return torch.from_numpy(batch)


@pytest.mark.parametrize("shape", SHAPES)
def test_run_lengths(theirs, shape):
    batch = masks(shape)
    for tensor in (batch, ~batch, batch[:, :, ::2]):
        runs = ours.mask_to_rle_pytorch(tensor)
        assert runs == theirs.mask_to_rle_pytorch(tensor)
        assert all(type(count) is int for rle in runs for count in rle["counts"])
        for rle, mask in zip(runs, tensor.numpy(), strict=True):
            expected, found = theirs.rle_to_mask(rle), ours.rle_to_mask(rle)
            np.testing.assert_array_equal(found, mask)
            assert (found.dtype, found.strides) == (expected.dtype, expected.strides)
            assert ours.area_from_rle(rle) == theirs.area_from_rle(rle)


def test_compressed_run_lengths(theirs):
    pytest.importorskip("pycocotools")
    for rle in ours.mask_to_rle_pytorch(masks((4, 20, 33))):
        assert ours.coco_encode_rle(rle) == theirs.coco_encode_rle(rle)


@pytest.mark.parametrize("shape", [*SHAPES, (2, 3, 5, 6), (7, 9)])
def test_boxes(theirs, shape):
    batch = torch.from_numpy(np.random.default_rng(1).random(shape) < 0.05)
    found, expected = ours.batched_mask_to_box(batch), theirs.batched_mask_to_box(batch)
    assert found.dtype == expected.dtype
    assert torch.equal(found, expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_stability(theirs, dtype):
    logits = torch.from_numpy(np.random.default_rng(2).normal(size=(5, 30, 41)) * 3).to(dtype)
    logits[1] = -10
    for threshold, offset in ((0.0, 1.0), (0.3, 0.5), (0.0, 0.0)):
        found = ours.calculate_stability_score(logits, threshold, offset)
        expected = theirs.calculate_stability_score(logits, threshold, offset)
        assert found.dtype == expected.dtype
        torch.testing.assert_close(found, expected, rtol=0, atol=0, equal_nan=True)


def test_small_regions(theirs):
    rng = np.random.default_rng(3)
    for density, area, mode in itertools.product((0.1, 0.4, 0.6, 0.9), (0, 1, 2.5, 9, 1000), ("holes", "islands")):
        mask = rng.random((25, 37)) < density
        found, changed = ours.remove_small_regions(mask, area, mode)
        expected, expected_changed = theirs.remove_small_regions(mask, area, mode)
        assert found.dtype == expected.dtype
        assert changed is expected_changed
        sizes = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)[2][1:, -1]
        if mode == "islands" and sizes.max() < area and (sizes == sizes.max()).sum() > 1:
            assert found.sum() == sizes.max()  # one of the largest, but another
        else:
            np.testing.assert_array_equal(found, expected)
        assert changed or found is mask


def test_small_regions_of_plain_masks(theirs):
    for mask in (np.zeros((4, 5), bool), np.ones((4, 5), bool)):
        for area, mode in itertools.product((3, 100), ("holes", "islands")):
            found, changed = ours.remove_small_regions(mask, area, mode)
            expected, expected_changed = theirs.remove_small_regions(mask, area, mode)
            np.testing.assert_array_equal(found, expected)
            assert changed == expected_changed


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("shape", [(1, 1), (1, 70), (70, 1), (25, 37), (40, 129), (1500, 1500)])
def test_small_regions_are_what_the_filters_leave(threads, shape, count):
    threads(count)
    rng = np.random.default_rng(5)
    for density, area in itertools.product((0.02, 0.3, 0.6, 0.95), (1, 2, 9, 3 * 10**6)):
        mask = rng.random(shape) < density
        for given in (mask, mask[::-1], np.asfortranarray(mask)):
            before = given.copy()
            filled = rapidmask.remove_small_holes(given, area)
            kept = rapidmask.remove_small_objects(given, area)
            all_small = given.any() and not kept.any()  # which is told though a single one stays as it is
            if all_small:
                kept = rapidmask.keep_largest(given)
            for mode, wanted in (("holes", filled), ("islands", kept)):
                found, changed = ours.remove_small_regions(given, area, mode)
                np.testing.assert_array_equal(found, wanted)
                assert changed is bool((wanted != given).any() or (all_small and mode == "islands"))
                assert changed or found is given
            np.testing.assert_array_equal(given, before)


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (5, 0)])
@pytest.mark.parametrize("mode", ["holes", "islands"])
def test_small_regions_of_nothing(shape, mode):
    mask = np.ones(shape, bool)
    assert ours.remove_small_regions(mask, 9, mode) == (mask, False)


def test_components_and_their_areas():
    batch = masks((3, 21, 34), seed=4)[:, None]
    nothing = ours.get_connected_componnets(batch[:0])
    assert [(part.dtype, part.shape) for part in nothing] == [(torch.int32, (0, 1, 21, 34))] * 2
    for tensor in (batch, batch.to(torch.uint8) * 3, batch.float() * -0.5, batch.transpose(2, 3).contiguous().mT):
        labels, areas = ours.get_connected_componnets(tensor)
        assert (labels.dtype, areas.dtype) == (torch.int32, torch.int32)
        for mask, label, area in zip(batch[:, 0].numpy(), labels[:, 0].numpy(), areas[:, 0].numpy(), strict=True):
            _, expected, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
            np.testing.assert_array_equal(area, np.where(mask, stats[expected, -1], 0))
            pairs = set(zip(label.ravel().tolist(), expected.ravel().tolist(), strict=True))
            assert len(pairs) == len(stats) == label.max() + 1


def test_what_is_not_served():
    for call in (
        lambda: ours.mask_to_rle_pytorch(torch.zeros(2, 3, 4)),
        lambda: ours.mask_to_rle_pytorch(torch.zeros(2, 0, 4, dtype=torch.bool)),
        lambda: ours.batched_mask_to_box(torch.zeros(0, 3, 4, dtype=torch.bool)),
        lambda: ours.batched_mask_to_box(torch.zeros(2, 3, 4, dtype=torch.uint8)),
        lambda: ours.calculate_stability_score(torch.zeros(2, 3, 4, dtype=torch.int32), 0.0, 1.0),
        lambda: ours.calculate_stability_score(torch.zeros(2, 3, 4, requires_grad=True), 0.0, 1.0),
        lambda: ours.remove_small_regions(np.zeros((3, 4), np.uint8), 3, "holes"),
        lambda: ours.remove_small_regions(np.zeros((3, 4), bool), 3, "bridges"),
        lambda: ours.remove_small_regions(np.ma.array(np.zeros((3, 4), bool)), 3, "holes"),
        lambda: ours.get_connected_components(torch.zeros(3, 4, dtype=torch.bool)),
        lambda: ours.fill_holes_in_mask_scores(torch.zeros(1, 1, 3, 4, dtype=torch.int32), 3),
    ):
        with pytest.raises(NotImplementedError):
            call()
    with refuses(ValueError, "rle_to_mask: counts must add up to 3·4, got 11"):
        ours.rle_to_mask({"size": [3, 4], "counts": [11]})


def test_holes_are_filled_without_the_extension():
    misc = pytest.importorskip("sam2.utils.misc")
    scores = torch.full((2, 1, 9, 11), -1.0)
    scores[:, :, 2:7, 2:8] = 2
    scores[:, :, 4, 4] = -0.5
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if torch.equal(misc.fill_holes_in_mask_scores(scores, 8), scores):
            assert not hasattr(sys.modules["sam2"], "_C")
    filled = scores.clone()
    filled[:, :, 4, 4] = 0.1
    with rapidmask.patch("sam2") as patched:
        assert "sam2:_C" in patched.replaced
        assert torch.equal(misc.fill_holes_in_mask_scores(scores, 8), filled)
        from sam2 import _C

        assert [part.shape for part in _C.get_connected_componnets(scores > 0)] == [scores.shape] * 2
    with pytest.raises(AssertionError, match="max_area must be positive"):
        ours.fill_holes_in_mask_scores(scores, 0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("shape", [(3, 1, 9, 11), (1, 1, 16, 20), (2, 1, 1, 7), (1, 1, 6, 1), (0, 1, 4, 4)])
def test_holes_are_those_that_upstream_fills_with_the_extension(shape, dtype):
    """Upstream's own function, to which the patch gives components alone. Its extension takes even sizes only."""
    misc = pytest.importorskip("sam2.utils.misc")
    upstream = misc.fill_holes_in_mask_scores
    scores = torch.from_numpy(np.random.default_rng(7).normal(size=shape) + 0.4).to(dtype)
    scores[..., ::5, ::3] = float("nan")
    scores[..., 1::4, ::4] = 0
    for given in (scores, scores.transpose(2, 3), scores[:, :, ::2], scores.clone().requires_grad_()):
        for area in (1, 2.5, 8, 10**9, float("inf")):
            with rapidmask.patch("sam2"):
                with warnings.catch_warnings():
                    warnings.simplefilter("error")  # upstream warns where it skips the step
                    expected = upstream(given, area)
                found = misc.fill_holes_in_mask_scores(given, area)
            assert (found.dtype, found.requires_grad) == (expected.dtype, expected.requires_grad)
            torch.testing.assert_close(found, expected, rtol=0, atol=0, equal_nan=True)


def test_postprocessing_fills_holes_and_removes_sprinkles():
    transforms = pytest.importorskip("sam2.utils.transforms")
    given = transforms.SAM2Transforms.__new__(transforms.SAM2Transforms)  # without the scripted transforms of pictures
    torch.nn.Module.__init__(given)
    given.mask_threshold, given.max_hole_area, given.max_sprinkle_area = 0.0, 3, 2
    scores = torch.from_numpy(np.random.default_rng(5).normal(size=(2, 3, 16, 20)).astype(np.float32))
    with rapidmask.patch("sam2"), warnings.catch_warnings():
        warnings.simplefilter("error")
        found = given.postprocess_masks(scores, (32, 40))
    mended = rapidmask.clean_scores(
        scores,
        max_hole_area=3,
        max_sprinkle_area=2,
        hole_value=10.0,
        sprinkle_value=-10.0,
        sprinkles_after_holes=False,
        keep_half=False,
    )
    assert not torch.equal(mended, scores)
    torch.testing.assert_close(
        found, torch.nn.functional.interpolate(mended, (32, 40), mode="bilinear", align_corners=False)
    )


@pytest.mark.parametrize("package", ["segment_anything", "sam2"])
def test_a_patch_reaches_modules_that_import_by_name(package):
    generator = pytest.importorskip(f"{package}.automatic_mask_generator")
    amg = sys.modules[f"{package}.utils.amg"]
    upstream = amg.remove_small_regions
    assert generator.remove_small_regions is upstream
    with rapidmask.patch(package):
        assert generator.remove_small_regions is amg.remove_small_regions is not upstream
    assert generator.remove_small_regions is amg.remove_small_regions is upstream


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_traced_and_unserved_tensors_are_left_to_upstream():
    torch = pytest.importorskip("torch")
    masks = torch.zeros(2, 6, 6, dtype=torch.bool)
    masks[:, 2:4, 1:3] = True
    for tensor in (masks.to("meta"), masks.to_sparse()):
        with pytest.raises(NotImplementedError):
            ours.batched_mask_to_box(tensor)
    refused = []

    def traced(x):
        try:
            ours.batched_mask_to_box(x)
        except NotImplementedError:
            refused.append(True)
        return x

    torch.jit.trace(traced, (masks,), check_trace=False)
    assert refused
    for threshold in (float("nan"), float("inf"), torch.zeros(2, 1, 1), "0"):
        with pytest.raises(NotImplementedError):
            ours.calculate_stability_score(torch.zeros(2, 3, 3), threshold, 1.0)
