"""Segmentation post-processing of transformers 5: class maps and panoptic segments without resized scores.

Served are, of image processors with torchvision or with Pillow,

- ``post_process_semantic_segmentation`` of SegFormer (UperNet uses it), BEiT, DPT, MobileViT and MobileNetV2, and of
  MaskFormer, Mask2Former and OneFormer, but for scores (``return_segmentation_scores``), which are what this avoids;
- ``post_process_panoptic_segmentation`` of MaskFormer, Mask2Former and OneFormer, and `compute_segments`, which DETR
  has too;
- ``post_process_masks`` of SAM's processors, to masks; and what SAM's, SAM 2's and SAM 3's do on every mask when they
  generate masks of a picture: stability scores, boxes and run lengths (``_compute_stability_score``,
  ``_batched_mask_to_box``, ``_mask_to_rle``), as `rapidmask.compat.sam` has them;
- `binary_mask_to_rle`: row by row, pairs of a first pixel counted from 1 and a length. It is not COCO's.

Values are interpolated in float32 with other last bits, so that pixels of two classes that are equally likely may go to
the other. `compute_segments` leaves its ``mask_probs`` as they are, where upstream's multiplies them by the scores.
What is not served raises NotImplementedError, and under `rapidmask.patch` goes to upstream's own function.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .._upstream import Upstream
from ..ops.panoptic import panoptic_merge
from ..ops.semantic import semantic_argmax, semantic_from_queries
from ..ops.upsample import upsample_masks
from . import sam

__all__ = ["binary_mask_to_rle", "compute_segments"]

_TRAINED = (384, 384)  # what Mask2Former's masks are resized to first, whatever the image


def compute_segments(
    mask_probs: Any,
    pred_scores: Any,
    pred_labels: Any,
    mask_threshold: float = 0.5,
    overlap_mask_area_threshold: float = 0.8,
    label_ids_to_fuse: Iterable[int] | None = None,
    target_size: tuple[int, int] | None = None,
) -> tuple[Any, list[dict[str, Any]]]:
    """Merge queries' probabilities (q, h, w) to a map of segments, int32, and the list of these."""
    _check_float32(mask_probs, pred_scores)
    if label_ids_to_fuse is None or mask_probs.ndim != 3 or len(mask_probs) == 0 or len(pred_labels) != len(mask_probs):
        raise NotImplementedError(
            "compute_segments: some masks (q, h, w), with a label each, and a set of labels to fuse"
        )
    segmentation, segments = panoptic_merge(
        mask_probs,
        pred_scores,
        pred_labels,
        size=None if target_size is None else _extents(target_size),
        mask_threshold=float(mask_threshold),
        overlap_threshold=float(overlap_mask_area_threshold),
        fuse=label_ids_to_fuse,
        numbering="restarting",
    )
    return segmentation, _infos(segments)


def binary_mask_to_rle(mask: Any) -> list[int]:
    """Return first pixels, counted from 1 row by row, and lengths of the runs of a mask (h, w)."""
    import numpy as np

    pixels = np.asarray(mask.cpu() if hasattr(mask, "cpu") else mask)
    if pixels.dtype.kind not in "buif" or not np.isin(pixels, (0, 1)).all():
        raise NotImplementedError("binary_mask_to_rle: mask must hold 0 and 1")
    flat = np.concatenate([[False], pixels.ravel() != 0, [False]])
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    edges[1::2] -= edges[::2]
    return edges.tolist()


def post_process_masks(
    self: Any,
    masks: Any,
    original_sizes: Any,
    reshaped_input_sizes: Any,
    mask_threshold: float = 0.0,
    binarize: bool = True,
    pad_size: dict[str, int] | None = None,
) -> list[Any]:
    """Resize SAM's logits (b, c, h, w) to its padded input, cut that out, resize it to each image: masks of bool."""
    padded = self.pad_size if pad_size is None else pad_size
    sizes, inputs = ([_extents(size) for size in given] for given in (original_sizes, reshaped_input_sizes))
    if not binarize or len(inputs) < len(sizes) or len(masks) < len(sizes):
        raise NotImplementedError("post_process_masks: only to masks, of logits for every image")
    logits = [masks[i] for i in range(len(sizes))]
    _check_float32(*logits)
    if any(one.ndim != 4 or one.numel() == 0 for one in logits):
        raise NotImplementedError("post_process_masks: logits must have shape (b, c, h, w)")
    intermediate = (int(padded["height"]), int(padded["width"]))
    stages = [(min(int(h), intermediate[0]), min(int(w), intermediate[1])) for h, w in inputs]
    return [
        upsample_masks(one, size, threshold=float(mask_threshold), intermediate=intermediate, crop=crop)
        for one, size, crop in zip(logits, sizes, stages, strict=True)
    ]


def semantic_of_logits(
    self: Any, outputs: Any, target_sizes: Sequence[Any] | None = None, return_segmentation_scores: bool = False
) -> list[Any]:
    """Return the best class of each pixel, int64, for each image of ``outputs.logits``."""
    logits = outputs.logits
    _check_float32(logits)
    _check_sizes(logits, target_sizes, return_segmentation_scores)
    return [semantic_argmax(one, size, dtype="int64") for one, size in _with_sizes(logits, target_sizes)]


def semantic_of_queries(intermediate: tuple[int, int] | None) -> Callable[..., list[Any]]:
    """Make the method of models with queries, whose masks are resized to ``intermediate`` first."""

    def post_process_semantic_segmentation(
        self: Any, outputs: Any, target_sizes: Sequence[Any] | None = None, return_segmentation_scores: bool = False
    ) -> list[Any]:
        classes, masks = outputs.class_queries_logits, outputs.masks_queries_logits
        _check_float32(classes, masks)
        _check_sizes(masks, target_sizes, return_segmentation_scores)
        return [
            semantic_from_queries(classes[i], one, size or intermediate, intermediate=intermediate, dtype="int64")
            for i, (one, size) in enumerate(_with_sizes(masks, target_sizes))
        ]

    return post_process_semantic_segmentation


def panoptic_of_queries(intermediate: tuple[int, int] | None) -> Callable[..., list[dict[str, Any]]]:
    """Make the method of models with queries, whose masks are resized to ``intermediate`` first."""

    def post_process_panoptic_segmentation(
        self: Any,
        outputs: Any,
        threshold: float = 0.5,
        mask_threshold: float = 0.5,
        overlap_mask_area_threshold: float = 0.8,
        label_ids_to_fuse: Iterable[int] | None = None,
        target_sizes: Sequence[Any] | None = None,
    ) -> list[dict[str, Any]]:
        classes, masks = outputs.class_queries_logits, outputs.masks_queries_logits
        _check_float32(classes, masks)
        if target_sizes is not None and len(target_sizes) < len(masks):
            raise NotImplementedError("post_process_panoptic_segmentation: a size for each image")
        if label_ids_to_fuse is None:
            logging.getLogger(type(self).__module__).warning("`label_ids_to_fuse` unset. No instance will be fused.")
        fuse = set(label_ids_to_fuse or ())
        scores, labels = classes.softmax(dim=-1).max(-1)
        keep = (labels != classes.shape[-1] - 1) & (scores > threshold)
        results = []
        for i, (one, size) in enumerate(_with_sizes(masks, target_sizes)):
            size = size or intermediate or tuple(one.shape[1:])
            if bool(keep[i].any()):
                segmentation, segments = panoptic_merge(
                    one[keep[i]],
                    scores[i][keep[i]],
                    labels[i][keep[i]],
                    size=size,
                    intermediate=intermediate,
                    activation="sigmoid",
                    mask_threshold=float(mask_threshold),
                    overlap_threshold=float(overlap_mask_area_threshold),
                    fuse=fuse,
                    numbering="restarting",
                )
            else:  # as upstream: of another type, and on the host
                segmentation, segments = masks.new_full(size, -1.0, device="cpu"), []
            results.append({"segmentation": segmentation, "segments_info": _infos(segments)})
        return results

    return post_process_panoptic_segmentation


def _check_float32(*tensors: Any) -> None:
    for tensor in tensors:
        if type(tensor).__module__.partition(".")[0] != "torch" or str(tensor.dtype) != "torch.float32":
            raise NotImplementedError("scores must be tensors of float32")
        if tensor.requires_grad:
            raise NotImplementedError("scores must not need gradients")


def _check_sizes(logits: Any, target_sizes: Sequence[Any] | None, return_segmentation_scores: bool) -> None:
    if (
        logits.ndim != 4
        or return_segmentation_scores
        or (target_sizes is not None and len(target_sizes) != len(logits))
    ):
        raise NotImplementedError("post_process_semantic_segmentation: a size for each image, and no scores")


def _with_sizes(batch: Any, sizes: Sequence[Any] | None) -> list[tuple[Any, tuple[int, int] | None]]:
    return [(one, None if sizes is None else _extents(sizes[i])) for i, one in enumerate(batch)]


def _extents(size: Any) -> tuple[int, int]:
    return int(size[0]), int(size[1])


def _infos(segments: Sequence[Any]) -> list[dict[str, Any]]:
    names = ("id", "label_id", "was_fused")
    return [{name: one[name] for name in names} | {"score": round(one["score"], 6)} for one in segments]


def _replacements() -> dict[str, Any]:
    replaced: dict[str, Any] = {}
    of_queries = {"maskformer": "MaskFormer", "mask2former": "Mask2Former", "oneformer": "OneFormer"}
    of_logits = {
        "segformer": "Segformer",
        "beit": "Beit",
        "dpt": "DPT",
        "mobilevit": "MobileViT",
        "mobilenet_v2": "MobileNetV2",
    }
    for form, suffix in (("", ""), ("pil_", "Pil")):
        for model in (*of_queries, "detr", "conditional_detr"):
            module = f"transformers.models.{model}.image_processing_{form}{model}"
            replaced |= {f"{module}:{name}": globals()[name] for name in __all__}
        for model, name in of_queries.items():
            owner = f"transformers.models.{model}.image_processing_{form}{model}:{name}ImageProcessor{suffix}"
            stages = _TRAINED if model == "mask2former" else None
            replaced[f"{owner}.post_process_semantic_segmentation"] = semantic_of_queries(stages)
            replaced[f"{owner}.post_process_panoptic_segmentation"] = panoptic_of_queries(stages)
        for model, name in of_logits.items():
            owner = f"transformers.models.{model}.image_processing_{form}{model}:{name}ImageProcessor{suffix}"
            replaced[f"{owner}.post_process_semantic_segmentation"] = semantic_of_logits
        owner = f"transformers.models.sam.image_processing_{form}sam:SamImageProcessor{suffix}"
        replaced[f"{owner}.post_process_masks"] = post_process_masks
    of_masks = {
        "_batched_mask_to_box": sam.batched_mask_to_box,
        "_compute_stability_score": sam.calculate_stability_score,
        "_mask_to_rle": sam.mask_to_rle_pytorch,
    }
    for module in (
        "sam.image_processing_sam",
        "sam.image_processing_pil_sam",
        "sam2.image_processing_sam2",
        "sam3.image_processing_sam3",
    ):
        replaced |= {f"transformers.models.{module}:{name}": function for name, function in of_masks.items()}
    return replaced


UPSTREAMS = {"transformers": Upstream("transformers", ("5.23",), _replacements, optional=True)}
