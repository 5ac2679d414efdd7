"""Instances of RF-DETR, painted one under the other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ...ops.panoptic import instance_merge
from ...ops.upsample import upsample_masks
from . import checks, run_lengths

_MODULE = "rf_detr.image_processing_rf_detr"
_COVERED = math.nextafter(1.0, 0.0)  # a mask that has more than this share of its pixels under others is not seen


def post_process_instance_segmentation(
    self: Any,
    outputs: Any,
    threshold: float = 0.5,
    mask_threshold: float = 0.0,
    target_sizes: Sequence[Any] | None = None,
    return_coco_annotation: bool = False,
    return_binary_maps: bool = False,
    top_k: int | None = None,
    **kwargs: Any,
) -> list[dict[str, Any]]:
    """Return a map of instances, int32 from 1 with -1 where there is none, or masks, and their list, for each image."""
    logits, masks = outputs.logits, outputs.pred_masks
    checks.check_float32(logits, ndim=3)
    checks.check_float32(masks, ndim=4)
    sizes = checks.sizes_of(target_sizes, len(logits))
    if not logits.is_contiguous():
        raise NotImplementedError("post_process_instance_segmentation: logits that upstream can view as flat")
    if logits.shape[:2] != masks.shape[:2] or (return_coco_annotation and return_binary_maps):
        raise NotImplementedError("post_process_instance_segmentation: a mask for each query, one form of the result")
    threshold = checks.number(threshold)
    count, classes = logits.shape[1:]
    scores, pairs = logits.sigmoid().flatten(1).topk(min(count if top_k is None else top_k, count * classes), dim=1)
    results = []
    for i in range(len(logits)):
        size = checks.size_of(sizes, i) or tuple(masks.shape[2:])
        kept = scores[i] > threshold
        values, labels = scores[i][kept], pairs[i][kept] % classes
        if len(values) == 0:
            nothing = labels.new_full(size, -1).int()
            results.append({"segmentation": nothing, "segments_info": []})
            continue
        chosen: Any = upsample_masks(masks[i][pairs[i][kept] // classes], size, threshold=checks.number(mask_threshold))
        segmentation: Any
        if return_binary_maps:
            present = chosen.flatten(1).any(1)
            segmentation, found = chosen[present], present.nonzero()[:, 0].tolist()
        else:
            segmentation, segments = instance_merge(
                chosen, values, labels, order="given", score_threshold=0, overlap_threshold=_COVERED, void=-1
            )
            found = [segment["index"] for segment in segments]
        infos = [
            {"id": number, "label_id": int(labels[k]), "score": round(values[k].item(), 6)}
            for number, k in enumerate(found, 1)
        ]
        if return_coco_annotation:
            segmentation = run_lengths.conversion_of(_MODULE)(segmentation)  # type: ignore[misc]
        results.append({"segmentation": segmentation, "segments_info": infos})
    return results


def replacements() -> dict[str, Any]:
    """Return what takes the place of upstream's method."""
    name = "post_process_instance_segmentation"
    return {f"{_MODULE}:RfDetrImageProcessor.{name}": post_process_instance_segmentation}
