"""Class maps of models with a score for each class and pixel: SegFormer, BEiT, DPT and others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...ops.semantic import semantic_argmax
from . import checks

_OWNERS = (
    "beit.image_processing_beit:BeitImageProcessor",
    "beit.image_processing_pil_beit:BeitImageProcessorPil",
    "chmv2.image_processing_chmv2:CHMv2ImageProcessor",
    "dpt.image_processing_dpt:DPTImageProcessor",
    "dpt.image_processing_pil_dpt:DPTImageProcessorPil",
    "mobilenet_v2.image_processing_mobilenet_v2:MobileNetV2ImageProcessor",
    "mobilenet_v2.image_processing_pil_mobilenet_v2:MobileNetV2ImageProcessorPil",
    "mobilevit.image_processing_mobilevit:MobileViTImageProcessor",
    "mobilevit.image_processing_pil_mobilevit:MobileViTImageProcessorPil",
    "sapiens2.image_processing_sapiens2:Sapiens2ImageProcessor",
    "segformer.image_processing_pil_segformer:SegformerImageProcessorPil",
    "segformer.image_processing_segformer:SegformerImageProcessor",
)


def post_process_semantic_segmentation(
    self: Any, outputs: Any, target_sizes: Sequence[Any] | None = None, return_segmentation_scores: bool = False
) -> list[Any]:
    """Return the best class of each pixel, int64, for each image of ``outputs.logits``."""
    logits = outputs.logits
    checks.check_float32(logits, ndim=4)
    sizes = checks.sizes_of(target_sizes, len(logits), exactly=True)
    if return_segmentation_scores:
        raise NotImplementedError("post_process_semantic_segmentation: no scores")
    return [semantic_argmax(one, checks.size_of(sizes, i), dtype="int64", void=0) for i, one in enumerate(logits)]


def replacements() -> dict[str, Any]:
    """Return what takes the place of upstream's methods."""
    return {f"{owner}.post_process_semantic_segmentation": post_process_semantic_segmentation for owner in _OWNERS}
