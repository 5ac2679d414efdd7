"""`rapidmask.compat.transformers` against the image processors of SAM, SAM 2 and SAM 3."""

import sys
import types

import numpy as np
import pytest

import rapidmask

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from compat.transformers_models import (  # noqa: E402
    DROP_INS,
    assert_same,
    batched_nms,
    module_of,
    one_thread,  # noqa: F401
    outputs,
    pair,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
    pytest.mark.usefixtures("one_thread"),
]

SAM, SAM_PIL = "sam.image_processing_sam:SamImageProcessor", "sam.image_processing_pil_sam:SamImageProcessorPil"
SAM2, SAM3 = "sam2.image_processing_sam2:Sam2ImageProcessor", "sam3.image_processing_sam3:Sam3ImageProcessor"
SAM2_VIDEO = "sam2_video.video_processing_sam2_video:Sam2VideoVideoProcessor"
EVERY = [SAM, SAM_PIL, SAM2, SAM3]
SIZES, INPUTS = [(50, 77), (130, 131)], [(62, 96), (96, 95)]


def logits(seed=7, count=3, noisy=False):
    """Logits (b, c, h, w) of two images, the first with two prompts."""
    masks = outputs(seed, queries=count, noisy=noisy).masks_queries_logits
    return [masks, masks.flip(1)[:1]]


@pytest.mark.parametrize("owner", [SAM, SAM_PIL, SAM2_VIDEO])
def test_masks_in_two_stages(owner):
    padded = {"height": 96, "width": 96}
    upstream, drop_in = pair(owner, "post_process_masks", **{"size" if owner == SAM2_VIDEO else "pad_size": padded})
    for options in ({}, {"mask_threshold": 0.5}, {"pad_size": {"height": 128, "width": 96}}):
        for batch in (logits(), logits(noisy=True), torch.stack([logits()[0], logits(1)[0]])):
            expected = upstream(batch, SIZES, INPUTS, **options)
            assert_same(drop_in(batch, SIZES, INPUTS, **options), expected)
            assert_same(drop_in(batch, torch.tensor(SIZES), np.array(INPUTS), **options), expected)
    assert_same(drop_in(logits(), SIZES[:1], INPUTS), upstream(logits(), SIZES[:1], INPUTS))
    for refused in ({"binarize": False}, {"masks": [one.numpy() for one in logits()]}, {"original_sizes": [(5, 5, 5)]}):
        with pytest.raises(NotImplementedError):
            drop_in(**({"masks": logits(), "original_sizes": SIZES, "reshaped_input_sizes": INPUTS} | refused))


def test_masks_of_videos_have_the_size_of_their_processor():
    """Which has a ``pad_size`` of None beside it."""
    upstream, drop_in = pair(SAM2_VIDEO, "post_process_masks")
    for options in ({}, {"pad_size": {"height": 512, "width": 512}}):
        expected = upstream(logits(), SIZES, [(600, 1024), (1024, 900)], **options)
        assert_same(drop_in(logits(), SIZES, [(600, 1024), (1024, 900)], **options), expected)


@pytest.mark.parametrize("owner", [SAM2, SAM3])
def test_a_subclass_keeps_masks_apart_in_its_own_way(owner):
    module, _, name = owner.partition(":")
    kind = getattr(module_of(module), name)

    class Last(kind):
        def _apply_non_overlapping_constraints(self, pred_masks):
            return torch.cat([pred_masks[:1] - 100, pred_masks[1:]])

    expected = Last().post_process_masks(logits(), SIZES, apply_non_overlapping_constraints=True)
    assert not expected[0][0].any()
    with rapidmask.patch("transformers"):
        assert_same(Last().post_process_masks(logits(), SIZES, apply_non_overlapping_constraints=True), expected)
        processor = kind()
        processor._apply_non_overlapping_constraints = types.MethodType(Last._apply_non_overlapping_constraints, Last)
        assert_same(processor.post_process_masks(logits(), SIZES, apply_non_overlapping_constraints=True), expected)


@pytest.mark.parametrize("owner", [SAM2, SAM3])
def test_masks_in_one_stage(owner):
    upstream, drop_in = pair(owner, "post_process_masks")
    for options in (
        {},
        {"mask_threshold": -0.7, "reshaped_input_sizes": INPUTS},
        {"max_hole_area": None, "max_sprinkle_area": None},
        {"apply_non_overlapping_constraints": True},
        {"apply_non_overlapping_constraints": True, "mask_threshold": 1.5},
        {"apply_non_overlapping_constraints": True, "mask_threshold": -10.0},
    ):
        for batch in (logits(), logits(noisy=True)):
            expected = upstream(batch, SIZES, **options)
            assert_same(drop_in(batch, SIZES, **options), expected)
            assert_same(drop_in(batch, torch.tensor(SIZES), **options), expected)
    equal = [torch.ones(3, 1, 4, 4)]
    expected = upstream(equal, [(5, 5)], apply_non_overlapping_constraints=True)
    assert_same(drop_in(equal, [(5, 5)], apply_non_overlapping_constraints=True), expected)
    for options in ({}, {"apply_non_overlapping_constraints": True}):
        with pytest.raises(NotImplementedError):
            drop_in(logits(), SIZES, binarize=False, **options)
    high = {"apply_non_overlapping_constraints": True, "mask_threshold": float("inf")}
    assert_same(drop_in(logits(), SIZES, **high), upstream(logits(), SIZES, **high))
    with pytest.raises(NotImplementedError):
        drop_in(None, [])
    low = {"apply_non_overlapping_constraints": True, "mask_threshold": -11.0}  # where those suppressed may be above
    assert_same(drop_in(logits(), SIZES, **low), upstream(logits(), SIZES, **low))


def test_holes_and_sprinkles_are_mended_on_request():
    """Which transformers accepts and ignores; areas are pixels of the logits, as in SAM 2's own code."""
    upstream, drop_in = pair(SAM2, "post_process_masks")
    scores = torch.full((1, 1, 16, 16), -3.0)
    scores[..., 2:10, 2:10] = 3.0
    scores[..., 5, 5:7] = -3.0
    scores[..., 13, 13] = 3.0
    original = scores.clone()
    plain = upstream([scores], [(16, 16)], max_hole_area=2, max_sprinkle_area=1)[0][0, 0]
    assert (not plain[5, 5], bool(plain[13, 13])) == (True, True)
    mended = drop_in([scores], [(16, 16)], max_hole_area=2, max_sprinkle_area=1)[0][0, 0]
    assert (bool(mended[5, 5]), not mended[13, 13]) == (True, True)
    assert mended.sum() == 64
    assert torch.equal(scores, original)
    assert not drop_in([scores], [(16, 16)], max_hole_area=1)[0][0, 0, 5, 5]
    assert not drop_in([scores], [(16, 16)], max_hole_area=2)[0][0, 0, 5, 7:].logical_not()[:3].any()

    batch = logits(noisy=True)
    options = {"mask_threshold": 0.5, "max_hole_area": 3.5, "max_sprinkle_area": 2}
    cleaned = [
        rapidmask.clean_scores(
            one,
            threshold=0.5,
            max_hole_area=3.5,
            max_sprinkle_area=2,
            hole_value=10.5,
            sprinkle_value=-9.5,
            sprinkles_after_holes=False,
            keep_half=False,
        )
        for one in batch
    ]
    for others in ({}, {"apply_non_overlapping_constraints": True}, {"binarize": False}):
        expected = upstream(cleaned, SIZES, mask_threshold=0.5, **others)
        found = drop_in(batch, SIZES, **options, **others)
        assert_same(found, expected, differing=0 if "binarize" in others else 1e-4)


@pytest.mark.parametrize("module", [owner.partition(":")[0] for owner in EVERY])
def test_what_is_done_to_every_mask(module):
    upstream = module_of(module)
    masks = outputs(8).masks_queries_logits[0]
    masks[0] = -9
    masks[1] = 9
    for name, arguments in (
        ("_compute_stability_score", {"masks": masks, "mask_threshold": 0.0, "stability_score_offset": 1}),
        ("_batched_mask_to_box", {"masks": masks[None] > 0}),
        ("_mask_to_rle", {"input_mask": masks > 0}),
    ):
        found = DROP_INS[f"transformers.models.{module}:{name}"](**arguments)
        expected = getattr(upstream, name)(**arguments)
        if name == "_mask_to_rle":
            assert found == expected
        else:
            torch.testing.assert_close(found, expected, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("owner", EVERY)
def test_masks_that_are_good_enough(owner):
    upstream, drop_in = pair(owner, "filter_masks")
    for seed, options in enumerate(
        (
            {},
            {"pred_iou_thresh": 0.3, "stability_score_thresh": 0.5},
            {"pred_iou_thresh": 0.0, "stability_score_thresh": 0.0},
            {"pred_iou_thresh": 0.0, "stability_score_thresh": 0.7, "mask_threshold": 0.5, "stability_score_offset": 2},
            {"pred_iou_thresh": 0.1, "stability_score_thresh": 0.0, "mask_threshold": 50.0},
            {"pred_iou_thresh": 2.0},
        )
    ):
        generator = torch.Generator().manual_seed(seed)
        masks = outputs(seed, side=90).masks_queries_logits.reshape(8, 3, 90, 93)
        masks[2] = -9
        scores = torch.rand(8, 3, generator=generator)
        original = masks.clone()
        for crop, size in (
            ([0, 0, 93, 90], (90, 93)),
            ([0.0, 0.0, 93.0, 90.0], [90, 93]),
            (torch.tensor([7.0, 30.0, 100.0, 120.0]), torch.tensor([140, 110])),
            ([17, 0, 110, 90], (90, 110)),
        ):
            expected = upstream(masks, scores, size, crop, **options)
            found = drop_in(masks, scores, size, crop, **options)
            assert found[0] == expected[0]
            for one, other in zip(found[1:], expected[1:], strict=True):
                assert one.dtype == other.dtype
                assert torch.equal(one, other)
        assert torch.equal(masks, original)
    for refused in (
        {"masks": masks.double()},
        {"iou_scores": scores[:2]},
        {"cropped_box_image": [0, 0, 92, 90]},
        {"cropped_box_image": [0.5, 0, 93.5, 90]},
    ):
        good = {"masks": masks, "iou_scores": scores, "original_size": (90, 93), "cropped_box_image": [0, 0, 93, 90]}
        with pytest.raises(NotImplementedError):
            drop_in(**(good | refused))


@pytest.mark.parametrize("owner", EVERY)
def test_masks_whose_boxes_overlap(owner, monkeypatch):
    boxes = types.ModuleType("torchvision.ops.boxes")
    boxes.batched_nms = batched_nms
    for name in ("torchvision", "torchvision.ops", "torchvision.ops.boxes"):
        monkeypatch.setitem(sys.modules, name, boxes)
    upstream, drop_in = pair(owner, "post_process_for_mask_generation")
    rng = np.random.default_rng(3)
    for count in (0, 1, 60):
        masks = torch.from_numpy(rng.random((count, 9, 11)) < 0.4)
        runs = rapidmask.rle_encode(masks).to_coco("list") if count else []
        corners = torch.from_numpy(rng.integers(0, 30, (count, 4)))
        around = torch.cat([corners[:, :2], corners[:, :2] + corners[:, 2:]], dim=1)
        scores = torch.from_numpy(rng.random(count).astype(np.float32)).round(decimals=1)
        for threshold in (0.0, 0.3, 0.7, 1.0):
            expected = upstream(runs, scores, around, threshold)
            found = drop_in(runs, scores, around, threshold)
            assert found[2] == expected[2]
            assert torch.equal(found[1], expected[1])
            assert torch.equal(found[3], expected[3])
            assert [type(mask) for mask in found[0]] == [type(mask) for mask in expected[0]]
            for one, other in zip(found[0], expected[0], strict=True):
                assert one.dtype == other.dtype
                assert (np.asarray(one) == np.asarray(other)).all()
    for tenths in range(1, 10):  # overlaps that are the threshold, but for its bits that float32 does not have
        around = torch.tensor([[0, 0, 10, 1], [0, 0, tenths, 1]])
        arguments = [{"size": [1, 1], "counts": [1]}] * 2, torch.tensor([0.9, 0.8]), around, tenths / 10
        assert torch.equal(drop_in(*arguments)[3], upstream(*arguments)[3])


def test_segments_of_sam3():
    sizes = [(50, 77), (100, 31)]
    generator = torch.Generator().manual_seed(4)
    given = types.SimpleNamespace(
        semantic_seg=logits(2)[0],
        pred_logits=torch.randn(2, 3, generator=generator),
        pred_boxes=torch.rand(2, 3, 4, generator=generator),
        pred_masks=logits(3)[0],
        presence_logits=torch.randn(2, 1, generator=generator),
    )
    upstream, drop_in = pair(SAM3, "post_process_semantic_segmentation")
    for threshold in (0.5, 0.2, 2.0):
        assert_same(drop_in(given, sizes, threshold), upstream(given, sizes, threshold))
    upstream, drop_in = pair(SAM3, "post_process_instance_segmentation")
    for presence in (given.presence_logits, None):
        given.presence_logits = presence
        for options in ({}, {"threshold": 0.0, "mask_threshold": 0.7}, {"threshold": 1.0}):
            assert_same(drop_in(given, target_sizes=sizes, **options), upstream(given, target_sizes=sizes, **options))
    with pytest.raises(NotImplementedError):
        drop_in(given)
