"""`rapidmask.compat.transformers` against transformers' image processors, on what a model would give them."""

import importlib
import types

import numpy as np
import pytest

import rapidmask
from inputs import refuses
from rapidmask.compat import transformers as ours

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

OF_QUERIES = {"maskformer": "MaskFormer", "mask2former": "Mask2Former", "oneformer": "OneFormer"}
OF_LOGITS = {
    "segformer": "Segformer",
    "beit": "Beit",
    "dpt": "DPT",
    "mobilevit": "MobileViT",
    "mobilenet_v2": "MobileNetV2",
}
SIZES = [(100, 155), (67, 33)]


def module_of(model):
    return importlib.import_module(f"transformers.models.{model}.image_processing_pil_{model}")


def processor(model):
    """A processor of pictures of which only the part after the model is used."""
    kind = getattr(module_of(model), f"{(OF_QUERIES | OF_LOGITS)[model]}ImageProcessorPil")
    return kind.__new__(kind)


def outputs(seed=0, queries=12, classes=5, side=24):
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(2, queries, 6, 6, generator=generator) * 4
    masks = torch.nn.functional.interpolate(coarse, (side, side), mode="bicubic")
    scores = torch.randn(2, queries, classes + 1, generator=generator) * 4
    return types.SimpleNamespace(class_queries_logits=scores, masks_queries_logits=masks, logits=masks)


def assert_same(found, expected, differing=1e-4):
    """Equal but for a few pixels, for which two segments were equally likely."""
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        if isinstance(other, dict):
            assert one["segments_info"] == other["segments_info"]
            assert list(one) == list(other)
            one, other = one["segmentation"], other["segmentation"]
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        assert (one != other).float().mean() <= differing


@pytest.mark.parametrize("model", [*OF_QUERIES, *OF_LOGITS])
@pytest.mark.parametrize("sizes", [None, SIZES])
def test_class_maps(model, sizes):
    given, scores = processor(model), outputs()
    expected = given.post_process_semantic_segmentation(scores, target_sizes=sizes)
    with rapidmask.patch("transformers"):
        assert_same(given.post_process_semantic_segmentation(scores, target_sizes=sizes), expected)


@pytest.mark.parametrize("model", ["maskformer", "mask2former"])
@pytest.mark.parametrize("sizes", [None, SIZES])
@pytest.mark.parametrize("seed", range(4))
def test_panoptic_segments(model, sizes, seed):
    given, scores = processor(model), outputs(seed)
    for options in (
        {"label_ids_to_fuse": {1, 3}},
        {"label_ids_to_fuse": set(), "threshold": 0.9, "mask_threshold": 0.3, "overlap_mask_area_threshold": 0.5},
        {"label_ids_to_fuse": {0}, "threshold": 0.0, "overlap_mask_area_threshold": 0.0},
        {"label_ids_to_fuse": set(), "threshold": 2.0},
        {},
    ):
        expected = given.post_process_panoptic_segmentation(scores, target_sizes=sizes, **options)
        with rapidmask.patch("transformers"):
            assert_same(given.post_process_panoptic_segmentation(scores, target_sizes=sizes, **options), expected)


def test_segments_of_oneformer():
    """Whose processor with Pillow lacks a module for it: its function is MaskFormer's."""
    scores = outputs(3)
    expected = processor("maskformer").post_process_panoptic_segmentation(scores, label_ids_to_fuse={1})
    with rapidmask.patch("transformers"):
        assert_same(processor("oneformer").post_process_panoptic_segmentation(scores, label_ids_to_fuse={1}), expected)


@pytest.mark.parametrize("model", ["maskformer", "detr", "conditional_detr"])
def test_merged_probabilities(model):
    upstream = module_of(model).compute_segments
    probabilities = outputs(5).masks_queries_logits[0].sigmoid()
    scores, labels = torch.linspace(0.3, 0.99, 12), torch.arange(12) % 5
    for size in (None, (61, 80)):
        expected = upstream(probabilities.clone(), scores, labels, 0.4, 0.6, {2}, size)
        found = ours.compute_segments(probabilities, scores, labels, 0.4, 0.6, {2}, size)
        assert found[1] == expected[1]
        assert found[0].dtype == expected[0].dtype
        assert (found[0] != expected[0]).float().mean() <= 1e-4


def test_masks_of_sam():
    module = module_of("sam")
    given = module.SamImageProcessorPil.__new__(module.SamImageProcessorPil)
    given.pad_size = {"height": 96, "width": 96}
    logits = outputs(7, queries=3).masks_queries_logits
    batch = [logits[:, None, 0], logits[:1]]
    sizes, inputs = [(50, 77), (130, 131)], [(62, 96), (96, 95)]
    for options in ({}, {"mask_threshold": 0.5}, {"pad_size": {"height": 128, "width": 96}}):
        expected = given.post_process_masks(batch, sizes, inputs, **options)
        with rapidmask.patch("transformers"):
            assert_same(given.post_process_masks(batch, sizes, inputs, **options), expected)
            assert_same(given.post_process_masks(batch, torch.tensor(sizes), np.array(inputs), **options), expected)
    resized = given.post_process_masks(batch, sizes, inputs, binarize=False)
    with rapidmask.patch("transformers"):
        for one, other in zip(given.post_process_masks(batch, sizes, inputs, binarize=False), resized, strict=True):
            assert torch.equal(one, other)


def test_what_sam_does_on_every_mask():
    module = module_of("sam")
    logits = outputs(8).masks_queries_logits[0]
    logits[0] = -9
    functions = {
        "_compute_stability_score": (logits, 0.0, 1),
        "_batched_mask_to_box": (logits[None] > 0,),
        "_mask_to_rle": (logits > 0,),
    }
    expected = {name: getattr(module, name)(*arguments) for name, arguments in functions.items()}
    with rapidmask.patch("transformers"):
        found = {name: getattr(module, name)(*arguments) for name, arguments in functions.items()}
    assert found.pop("_mask_to_rle") == expected.pop("_mask_to_rle")
    for name, tensor in found.items():
        torch.testing.assert_close(tensor, expected[name], rtol=0, atol=0, equal_nan=True)


def test_run_lengths_of_its_own_kind():
    upstream = module_of("maskformer").binary_mask_to_rle
    rng = np.random.default_rng(0)
    for shape in ((1, 1), (7, 9), (20, 33)):
        for density in (0, 0.3, 1):
            mask = (rng.random(shape) < density).astype(np.float32)
            for given in (mask, mask.astype(np.uint8), torch.from_numpy(mask)):
                found = ours.binary_mask_to_rle(given)
                assert found == [int(number) for number in upstream(given)]
    with pytest.raises(NotImplementedError):
        ours.binary_mask_to_rle(np.array([[2, 1]]))


def test_what_is_not_served_is_left_to_transformers():
    given, scores = processor("segformer"), outputs()
    halves = types.SimpleNamespace(logits=scores.logits.to(torch.bfloat16))
    expected = given.post_process_semantic_segmentation(halves)
    with_scores = given.post_process_semantic_segmentation(scores, SIZES, return_segmentation_scores=True)
    with rapidmask.patch("transformers"):
        assert_same(given.post_process_semantic_segmentation(halves), expected)
        found = given.post_process_semantic_segmentation(scores, SIZES, return_segmentation_scores=True)
        torch.testing.assert_close(found[0].segmentation_scores, with_scores[0].segmentation_scores)
        with refuses(
            ValueError, "Make sure that you pass in as many target sizes as the batch dimension of the logits"
        ):
            given.post_process_semantic_segmentation(scores, SIZES[:1])
        with pytest.raises(TypeError):
            module_of("maskformer").compute_segments(scores.logits[0].sigmoid(), torch.ones(12), torch.arange(12))


def test_a_patch_restores_the_methods():
    kind = type(processor("mask2former"))
    method = kind.post_process_panoptic_segmentation
    with rapidmask.patch("transformers") as patched:
        assert kind.post_process_panoptic_segmentation is not method
        assert any(
            name.endswith("Mask2FormerImageProcessorPil.post_process_panoptic_segmentation")
            for name in patched.replaced
        )
    assert kind.post_process_panoptic_segmentation is method
