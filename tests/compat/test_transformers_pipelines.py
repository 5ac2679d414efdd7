"""Pipelines of transformers, of small models of random weights on a real picture, with a patch and without."""

import sys
import types

import numpy as np
import pytest
import skimage.data

import rapidmask

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
Image = pytest.importorskip("PIL.Image")

from compat.transformers_models import batched_nms, module_of, one_thread  # noqa: E402, F401

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
    pytest.mark.usefixtures("one_thread"),
]

SHORT = {"shortest_edge": 64, "longest_edge": 96}
LABELS = {"id2label": {i: f"class {i}" for i in range(4)}}


def backbone():
    return transformers.SwinConfig(
        image_size=64,
        embed_dim=8,
        depths=[1, 1, 1, 1],
        num_heads=[1, 1, 1, 1],
        window_size=4,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )


def detr_config():
    return transformers.DetrConfig(
        d_model=32,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=8,
        decoder_attention_heads=8,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        num_queries=12,
        use_timm_backbone=False,
        use_pretrained_backbone=False,
        backbone_config=backbone(),
        **LABELS,
    )


def maskformer():
    config = transformers.MaskFormerConfig(
        backbone_config=backbone(),
        decoder_config=detr_config(),
        mask_feature_size=32,
        fpn_feature_size=32,
        **LABELS,
    )
    model = transformers.MaskFormerForInstanceSegmentation(config)
    return model, "maskformer.image_processing_pil_maskformer:MaskFormerImageProcessorPil", {"size": SHORT}


def mask2former():
    config = transformers.Mask2FormerConfig(
        backbone_config=backbone(),
        feature_size=32,
        mask_feature_size=32,
        hidden_dim=32,
        encoder_feedforward_dim=16,
        encoder_layers=1,
        decoder_layers=2,
        dim_feedforward=16,
        num_attention_heads=2,
        num_queries=12,
        **LABELS,
    )
    model = transformers.Mask2FormerForUniversalSegmentation(config)
    return model, "mask2former.image_processing_pil_mask2former:Mask2FormerImageProcessorPil", {"size": SHORT}


def detr():
    model = transformers.DetrForSegmentation(detr_config())
    return model, "detr.image_processing_pil_detr:DetrImageProcessorPil", {"size": SHORT}


def eomt():
    config = transformers.EomtConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        mlp_ratio=1,
        image_size=64,
        patch_size=8,
        num_blocks=1,
        num_queries=12,
        num_upscale_blocks=1,
        num_register_tokens=0,
        **LABELS,
    )
    size = {"shortest_edge": 64, "longest_edge": 64}
    options = {"size": size, "do_split_image": False, "do_pad": True}
    return (
        transformers.EomtForUniversalSegmentation(config),
        "eomt.image_processing_pil_eomt:EomtImageProcessorPil",
        options,
    )


def segformer():
    config = transformers.SegformerConfig(
        hidden_sizes=[8, 8, 8, 8],
        num_attention_heads=[1, 1, 1, 1],
        depths=[1, 1, 1, 1],
        decoder_hidden_size=8,
        **LABELS,
    )
    model = transformers.SegformerForSemanticSegmentation(config)
    owner = "segformer.image_processing_pil_segformer:SegformerImageProcessorPil"
    return model, owner, {"size": {"height": 64, "width": 96}}


def upernet():
    config = transformers.UperNetConfig(backbone_config=backbone(), hidden_size=8, use_auxiliary_head=False, **LABELS)
    model = transformers.UperNetForSemanticSegmentation(config)
    owner = "segformer.image_processing_pil_segformer:SegformerImageProcessorPil"
    return model, owner, {"size": {"height": 64, "width": 96}}


def sam():
    vision = transformers.SamVisionConfig(
        hidden_size=16,
        output_channels=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=128,
        patch_size=16,
        mlp_dim=16,
        num_pos_feats=4,
        window_size=4,
        global_attn_indexes=[0],
    )
    prompts = transformers.SamPromptEncoderConfig(hidden_size=8, image_size=128, patch_size=16, mask_input_channels=4)
    decoder = transformers.SamMaskDecoderConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=2, mlp_dim=8, iou_head_hidden_dim=8, iou_head_depth=2
    )
    config = transformers.SamConfig(vision_config=vision, prompt_encoder_config=prompts, mask_decoder_config=decoder)
    options = {
        "size": {"longest_edge": 128},
        "pad_size": {"height": 128, "width": 128},
        "mask_size": {"longest_edge": 32},
        "mask_pad_size": {"height": 32, "width": 32},
    }
    return transformers.SamModel(config), "sam.image_processing_pil_sam:SamImageProcessorPil", options


def pipeline(task, make):
    """Return a pipeline whose model has weights that are large enough for there to be segments."""
    torch.manual_seed(0)
    model, owner, options = make()
    module, _, name = owner.partition(":")
    with torch.no_grad():
        for path, weights in model.named_parameters():
            if weights.ndim > 1:
                weights.normal_(std=1 if "embed" in path else 1.5 / weights[0].numel() ** 0.5)
    processor = getattr(module_of(module), name)(**options)
    return transformers.pipeline(task, model=model.eval(), image_processor=processor, device="cpu")


@pytest.fixture(scope="module")
def picture():
    return Image.fromarray(skimage.data.coins()).convert("RGB")


@pytest.mark.parametrize(
    ("make", "subtasks"),
    [
        (maskformer, ("panoptic", "instance", "semantic")),
        (mask2former, ("panoptic", "instance", "semantic")),
        (detr, ("panoptic", "instance", "semantic")),
        (eomt, ("panoptic", "semantic")),
        (segformer, ("semantic",)),
        (upernet, ("semantic",)),
    ],
)
def test_image_segmentation(make, subtasks, picture):
    segment = pipeline("image-segmentation", make)
    for subtask in subtasks:
        options = {"subtask": subtask, "threshold": 0.3, "mask_threshold": 0.2, "overlap_mask_area_threshold": 0.1}
        expected = segment(picture, **options)
        with rapidmask.patch("transformers"):
            found = segment(picture, **options)
        assert expected
        assert [one["label"] for one in found] == [one["label"] for one in expected]
        for one, other in zip(found, expected, strict=True):
            assert one["score"] is other["score"] is None or abs(one["score"] - other["score"]) <= 1.1e-6
            masks = [np.asarray(mask) for mask in (one["mask"], other["mask"])]
            assert one["mask"].mode == other["mask"].mode
            assert masks[0].shape == masks[1].shape == (303, 384)
            assert (masks[0] != masks[1]).mean() < 1e-4


@pytest.mark.parametrize("crops", [0, 1])
def test_mask_generation(crops, picture, monkeypatch):
    """Without torchvision, which upstream's needs: there by the one function that it calls."""
    generate = pipeline("mask-generation", sam)
    kind = type(generate.image_processor)
    options = {
        "points_per_batch": 16,
        "points_per_crop": 4,
        "crops_n_layers": crops,
        "pred_iou_thresh": -10,
        "stability_score_thresh": 0.2,
        "stability_score_offset": 0.01,
        "mask_threshold": 0.1,
        "crops_nms_thresh": 1.0,
        "output_rle_mask": True,
        "output_bboxes_mask": True,
    }
    with rapidmask.patch("transformers"):
        found = generate(picture, **options)
    boxes = types.ModuleType("torchvision.ops.boxes")
    boxes.batched_nms = batched_nms
    for name in ("torchvision", "torchvision.ops", "torchvision.ops.boxes"):
        monkeypatch.setitem(sys.modules, name, boxes)
    asked = kind.post_process_for_mask_generation  # whether torchvision is there
    monkeypatch.setattr(kind, "post_process_for_mask_generation", getattr(asked, "__wrapped__", asked))
    expected = generate(picture, **options)
    assert len(expected["masks"]) > 1
    assert list(found) == list(expected)
    assert len(found["masks"]) == len(expected["masks"])
    for one, other in zip(found["masks"], expected["masks"], strict=True):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        assert (one == other).all()
    assert torch.equal(found["scores"], expected["scores"])
    assert torch.equal(found["bounding_boxes"], expected["bounding_boxes"])
    assert found["rle_mask"] == expected["rle_mask"]
