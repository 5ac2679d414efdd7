"""Masks of SAM, SAM 2 and SAM 3, and what they do when they generate masks of a whole picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...ops.clean_scores import clean_scores
from ...ops.overlap import nms_from_iou
from ...ops.semantic import semantic_argmax
from ...ops.upsample import upsample_masks
from .. import sam
from . import checks

_EDGE = 20.0  # pixels within which a box touches the edge of a crop
_SUPPRESSED = -10.0  # the most that a score is where another mask's is higher


def two_stage_masks(
    self: Any,
    masks: Any,
    original_sizes: Any,
    reshaped_input_sizes: Any,
    mask_threshold: float = 0.0,
    binarize: bool = True,
    pad_size: dict[str, int] | None = None,
) -> list[Any]:
    """Resize SAM's logits (b, c, h, w) to its padded input, cut that out, resize it to each image: masks of bool."""
    padded = _padded(self) if pad_size is None else pad_size
    logits, sizes = _logits_of(masks, original_sizes)
    inputs = [checks.extents(size) for size in _as_list(reshaped_input_sizes)]
    if not binarize or len(inputs) < len(sizes):
        raise NotImplementedError("post_process_masks: only to masks, of an input for every image")
    full = checks.extents((padded["height"], padded["width"]))
    return [
        upsample_masks(
            one,
            size,
            threshold=checks.number(mask_threshold),
            intermediate=full,
            crop=(min(height, full[0]), min(width, full[1])),
        )
        for one, size, (height, width) in zip(logits, sizes, inputs, strict=False)
    ]


def compute_stability_score(masks: Any, mask_threshold: float, stability_score_offset: int) -> Any:
    """Do as `sam.calculate_stability_score`."""
    return sam.calculate_stability_score(masks, mask_threshold, stability_score_offset)


def mask_to_rle(input_mask: Any) -> list[Any]:
    """Do as `sam.mask_to_rle_pytorch`."""
    return sam.mask_to_rle_pytorch(input_mask)


def _padded(processor: Any) -> Any:
    of_video = any(
        one.__name__ == "Sam2VideoVideoProcessor" for one in type(processor).__mro__
    )  # whose pad_size is None
    return processor.pad_size if hasattr(processor, "pad_size") and not of_video else processor.size


def one_stage_masks(
    self: Any,
    masks: Any,
    original_sizes: Any,
    mask_threshold: float = 0.0,
    binarize: bool = True,
    max_hole_area: float = 0.0,
    max_sprinkle_area: float = 0.0,
    apply_non_overlapping_constraints: bool = False,
    **kwargs: Any,
) -> list[Any]:
    """Resize SAM 2's logits (b, c, h, w) to each image: masks of bool, or logits that are mended.

    Holes and sprinkles of at most so many pixels of the logits are mended first, as SAM 2's own code does it.
    """
    logits, sizes = _logits_of(masks, original_sizes)
    threshold = checks.number(mask_threshold)
    max_hole_area, max_sprinkle_area = max_hole_area or 0, max_sprinkle_area or 0  # None, which upstream ignores
    if max_hole_area > 0 or max_sprinkle_area > 0:
        logits = [
            clean_scores(
                one,
                threshold=threshold,
                max_hole_area=max_hole_area,
                max_sprinkle_area=max_sprinkle_area,
                hole_value=threshold - _SUPPRESSED,
                sprinkle_value=threshold + _SUPPRESSED,
                sprinkles_after_holes=False,
                keep_half=False,
            )
            for one in logits
        ]
    elif not binarize:
        raise NotImplementedError("post_process_masks: to masks, or with holes to fill")
    apart = bool(apply_non_overlapping_constraints)
    if apart:
        checks.check_helpers(self, "_apply_non_overlapping_constraints")
    if not binarize or (apart and threshold < _SUPPRESSED):
        return [
            _resized(self, one, size, apart, threshold if binarize else None)
            for one, size in zip(logits, sizes, strict=True)
        ]
    return [
        _separate_masks(one, size, threshold)
        if apart and len(one) > 1
        else upsample_masks(one, size, threshold=threshold)
        for one, size in zip(logits, sizes, strict=True)
    ]


def _logits_of(masks: Any, original_sizes: Any) -> tuple[list[Any], list[checks.Size]]:
    sizes = [checks.extents(size) for size in _as_list(original_sizes)]
    if not hasattr(masks, "__len__") or len(masks) < len(sizes):
        raise NotImplementedError("post_process_masks: logits for every image")
    logits = [masks[i] for i in range(len(sizes))]
    checks.check_float32(*logits, ndim=4)
    return logits, sizes


def _as_list(sizes: Any) -> Any:
    return sizes.tolist() if hasattr(sizes, "tolist") else sizes


def _resized(processor: Any, logits: Any, size: checks.Size, apart: bool, threshold: float | None) -> Any:
    """Do literally what upstream does."""
    from torch.nn.functional import interpolate

    scores = interpolate(logits, size, mode="bilinear", align_corners=False)
    if apart:
        scores = processor._apply_non_overlapping_constraints(scores)
    return scores if threshold is None else scores > threshold


def _separate_masks(logits: Any, size: checks.Size, threshold: float) -> Any:
    """Return masks (b, c, h, w) of which each pixel has at most one of the b, that of the highest score."""
    above = math.inf
    if threshold < float(np.finfo(np.float32).max):
        above = float(np.nextafter(np.float32(threshold), np.float32(math.inf)))
    best = semantic_argmax(logits.transpose(0, 1), size, min_score=above, void=-1)
    return best == best.new_tensor(range(len(logits)))[:, None, None, None]


def filter_masks(
    self: Any,
    masks: Any,
    iou_scores: Any,
    original_size: Any,
    cropped_box_image: Any,
    pred_iou_thresh: float = 0.88,
    stability_score_thresh: float = 0.95,
    mask_threshold: float = 0,
    stability_score_offset: float = 1,
) -> tuple[list[dict[str, Any]], Any, Any]:
    """Keep masks of logits (b, c, h, w) that are good enough: run lengths, scores and boxes (x0, y0, x1, y1)."""
    from torch import bool as boolean
    from torch import stack
    from torch.nn.functional import pad

    checks.check_float32(masks, ndim=4)
    checks.check_float32(iou_scores)
    if masks.shape[:2] != iou_scores.shape:
        raise NotImplementedError("filter_masks: a score for each mask")
    height, width = (int(extent) for extent in original_size)
    edges = [float(edge) for edge in cropped_box_image]
    left, top, right, bottom = (int(edge) for edge in edges)
    if [right - left, bottom - top] != [masks.shape[3], masks.shape[2]] or edges != [left, top, right, bottom]:
        raise NotImplementedError("filter_masks: masks must have the size of their crop")
    masks, scores = masks.flatten(0, 1), iou_scores.flatten(0, 1).to(masks.device)
    kept = scores.new_ones(len(scores), dtype=boolean)
    if pred_iou_thresh > 0.0:
        kept &= scores > pred_iou_thresh
    if stability_score_thresh > 0.0 and bool(kept.any()):
        kept &= sam.calculate_stability_score(masks, mask_threshold, stability_score_offset) > stability_score_thresh
    scores = scores[kept]
    if len(scores) == 0:
        return [], scores, scores.new_zeros((0, 4))
    pixels = stack([masks[i] > mask_threshold for i in kept.nonzero()[:, 0].tolist()])
    corner = scores.new_tensor([left, top, left, top]).long()
    boxes = sam.batched_mask_to_box(pixels) + corner
    near = [(boxes - boxes.new_tensor(frame)).abs() <= _EDGE for frame in (edges, [0, 0, width, height])]
    kept = ~(near[0] & ~near[1]).any(dim=1)
    pixels, scores, boxes = pixels[kept], scores[kept], boxes[kept]
    if len(pixels) == 0:
        return [], scores, boxes
    if (left, top, right, bottom) != (0, 0, width, height):
        pixels = pad(pixels, (left, width - right, top, height - bottom), value=0)
    return sam.mask_to_rle_pytorch(pixels), scores, boxes


def post_process_for_mask_generation(
    self: Any, all_masks: Any, all_scores: Any, all_boxes: Any, crops_nms_thresh: float
) -> tuple[list[Any], Any, list[dict[str, Any]], Any]:
    """Keep run lengths whose boxes overlap with none of a higher score: tensors of bool, scores, run lengths, boxes."""
    from torch import from_numpy

    masks, *others = _suppressed(all_masks, all_scores, all_boxes, crops_nms_thresh)
    return [from_numpy(mask) for mask in masks], *others


def post_process_for_mask_generation_pil(
    self: Any, all_masks: Any, all_scores: Any, all_boxes: Any, crops_nms_thresh: float
) -> tuple[list[Any], Any, list[dict[str, Any]], Any]:
    """Do the same with arrays of NumPy."""
    return _suppressed(all_masks, all_scores, all_boxes, crops_nms_thresh)


def _suppressed(
    runs: Any, scores: Any, boxes: Any, threshold: float
) -> tuple[list[Any], Any, list[dict[str, Any]], Any]:
    if len(runs) == len(scores) == len(boxes) == 0:
        return [], scores, [], boxes
    checks.check_float32(scores, ndim=1)
    if boxes.shape != (len(scores), 4) or len(runs) != len(scores) or not 0 <= threshold <= 1:
        raise NotImplementedError("post_process_for_mask_generation: a score and a box for each mask")
    if boxes.device.type == "cpu":
        threshold = _float32_below(threshold)
    kept = nms_from_iou(_box_iou(boxes.float()), scores, threshold)
    chosen = [runs[i] for i in kept.tolist()]
    return [sam.rle_to_mask(one) for one in chosen], scores[kept], chosen, boxes[kept]


def _float32_below(threshold: float) -> float:
    """Return the float32 that the same overlaps are above, as torchvision compares them in double precision."""
    nearest = np.float32(threshold)
    return float(nearest if float(nearest) <= threshold else np.nextafter(nearest, np.float32(-math.inf)))


def _box_iou(boxes: Any) -> Any:
    """Return the overlaps of boxes as torchvision's ``nms`` computes them, in float32."""
    sides = (boxes[:, 2:] - boxes[:, :2]).unbind(1)
    areas = sides[0] * sides[1]
    low = boxes[:, None, :2].maximum(boxes[:, :2])
    high = boxes[:, None, 2:].minimum(boxes[:, 2:])
    shared = (high - low).clamp(min=0).prod(dim=2)
    return shared / (areas[:, None] + areas - shared)


def sam3_semantic_segmentation(
    self: Any,
    outputs: Any,
    target_sizes: Sequence[Any] | None = None,
    threshold: float = 0.5,
    return_segmentation_scores: bool = False,
) -> list[Any]:
    """Return where the first probability (b, c, h, w), resized, is above a threshold, int64, for each image."""
    logits = outputs.semantic_seg
    if logits is None:
        raise NotImplementedError("post_process_semantic_segmentation: no logits")
    checks.check_float32(logits, ndim=4)
    sizes = checks.sizes_of(target_sizes, len(logits), exactly=True)
    if sizes is None or return_segmentation_scores:
        raise NotImplementedError("post_process_semantic_segmentation: a size for each image, and no scores")
    masks: list[Any] = [
        upsample_masks(one[0], size, threshold=checks.number(threshold), activation="sigmoid")
        for one, size in zip(logits, sizes, strict=True)
    ]
    return [one.long() for one in masks]


def sam3_instance_segmentation(
    self: Any,
    outputs: Any,
    threshold: float = 0.3,
    mask_threshold: float = 0.5,
    target_sizes: Sequence[Any] | None = None,
) -> list[dict[str, Any]]:
    """Return scores, boxes (x0, y0, x1, y1) and masks of int64 of the queries above a threshold, for each image."""
    logits, boxes, masks = outputs.pred_logits, outputs.pred_boxes, outputs.pred_masks
    checks.check_float32(logits, ndim=2)
    checks.check_float32(boxes, ndim=3)
    checks.check_float32(masks, ndim=4)
    sizes = checks.sizes_of(target_sizes, len(logits), exactly=True)
    if sizes is None or not masks.shape[:2] == boxes.shape[:2] == logits.shape:
        raise NotImplementedError("post_process_instance_segmentation: a size for each image, a mask for each query")
    scores = logits.sigmoid()
    if outputs.presence_logits is not None:
        scores = scores * outputs.presence_logits.sigmoid()
    boxes = boxes * boxes.new_tensor([[width, height, width, height] for height, width in sizes])[:, None]
    results = []
    for i, size in enumerate(sizes):
        kept = scores[i] > threshold
        chosen = masks[i][kept]
        if len(chosen):
            chosen = upsample_masks(chosen, size, threshold=checks.number(mask_threshold), activation="sigmoid")
        results.append({"scores": scores[i][kept], "boxes": boxes[i][kept], "masks": chosen.long()})
    return results


def replacements() -> dict[str, Any]:
    """Return what takes the place of upstream's functions and methods."""
    of_masks = {
        "_batched_mask_to_box": sam.batched_mask_to_box,
        "_compute_stability_score": compute_stability_score,
        "_mask_to_rle": mask_to_rle,
    }
    replaced: dict[str, Any] = {
        "sam2_video.video_processing_sam2_video:Sam2VideoVideoProcessor.post_process_masks": two_stage_masks,
    }
    for module, owner in (
        ("sam.image_processing_sam", "SamImageProcessor"),
        ("sam.image_processing_pil_sam", "SamImageProcessorPil"),
        ("sam2.image_processing_sam2", "Sam2ImageProcessor"),
        ("sam3.image_processing_sam3", "Sam3ImageProcessor"),
    ):
        pil = owner.endswith("Pil")
        methods: dict[str, Any] = {
            "post_process_masks": two_stage_masks if module.startswith("sam.") else one_stage_masks,
            "filter_masks": filter_masks,
            "post_process_for_mask_generation": post_process_for_mask_generation_pil
            if pil
            else post_process_for_mask_generation,
        }
        if module.startswith("sam3."):
            methods["post_process_semantic_segmentation"] = sam3_semantic_segmentation
            methods["post_process_instance_segmentation"] = sam3_instance_segmentation
        replaced |= {f"{module}:{name}": function for name, function in of_masks.items()}
        replaced |= {f"{module}:{owner}.{name}": method for name, method in methods.items()}
    return replaced
