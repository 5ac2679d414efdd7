"""Segments of EoMT and VideoMT, whose masks are resized as logits and own pixels by their probability alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...ops.panoptic import panoptic_merge
from ...ops.semantic import semantic_argmax, semantic_from_queries
from . import checks, instances, queries
from .checks import Size

_Stage = tuple[Size | None, Size | None]  # what masks are resized to, and cut to, before an image's size


def _queries_of(outputs: Any) -> tuple[Any, Any]:
    classes, masks = outputs.class_queries_logits, outputs.masks_queries_logits
    checks.check_queries(classes, masks)
    return classes, masks


def _sizes_of(target_sizes: Any, count: int) -> list[Size]:
    sizes = checks.sizes_of(target_sizes, count, exactly=True)
    if sizes is None:
        raise NotImplementedError("target_sizes must be given")
    return sizes


def _input_size(processor: Any, size: Any) -> tuple[Size, int, int | None]:
    """Return the height and width of the model's input, and the edges that pictures are resized to."""
    edges = processor.size if size is None else size
    shortest, longest = edges["shortest_edge"], edges["longest_edge"]
    if not isinstance(shortest, int) or not isinstance(longest, (int, type(None))):
        raise NotImplementedError("size must have a shortest and a longest edge")
    return checks.extents((shortest, longest or shortest)), shortest, longest


def _fitted(size: Size, shortest: int, longest: int | None) -> Size:
    """Return what a picture is resized to: its shorter side to ``shortest``, unless the other gets too long."""
    height, width = size
    least, exact = min(size), float(shortest)
    if longest is not None and max(size) / least * shortest > longest:
        exact = longest * float(least) / float(max(size))
    edge = round(exact)
    if least == edge:
        return size
    scaled = int(exact * max(size) / least)
    return checks.extents((scaled, edge) if width < height else (edge, scaled))


def semantic_segmentation(
    self: Any,
    outputs: Any,
    target_sizes: Sequence[Any],
    size: dict[str, int] | None = None,
    return_segmentation_scores: bool = False,
) -> list[Any]:
    """Return the best class of each pixel, int64, for each image, be it of one input or of patches."""
    classes, masks = _queries_of(outputs)
    stage, shortest, longest = _input_size(self, size)
    if return_segmentation_scores:
        raise NotImplementedError("post_process_semantic_segmentation: no scores")
    if outputs.patch_offsets:
        checks.check_helpers(self, "merge_image_patches")
        sizes = _sizes_of(target_sizes, len(target_sizes))
        inputs = [_fitted(one, shortest, longest) for one in sizes]
        scores = _merged_patches(classes, masks, stage, outputs.patch_offsets, sizes, inputs)
        return [semantic_argmax(one, size, dtype="int64", void=0) for one, size in zip(scores, sizes, strict=True)]
    sizes = _sizes_of(target_sizes, len(masks))
    return [
        semantic_from_queries(classes[i], masks[i], one, intermediate=stage, dtype="int64", void=0)
        for i, one in enumerate(sizes)
    ]


def _merged_patches(
    classes: Any,
    masks: Any,
    stage: Size,
    offsets: Sequence[tuple[int, int, int]],
    sizes: Sequence[Size],
    inputs: Sequence[Size],
) -> list[Any]:
    """Return the mean scores of overlapping patches for each resized image."""
    from torch import einsum
    from torch.nn.functional import interpolate

    shares = classes.softmax(dim=-1)[..., :-1]
    merged = [masks.new_zeros((shares.shape[2], *one)) for one in inputs]
    counts = [masks.new_zeros(one[0 if tall(size) else 1]) for one, size in zip(inputs, sizes, strict=True)]
    for patch, (image, start, end) in enumerate(offsets):
        logits = interpolate(masks[patch][None], size=stage, mode="bilinear", align_corners=False)[0]
        scores = einsum("qc,qhw->chw", shares[patch], logits.sigmoid())
        where = (..., slice(start, end), slice(None)) if tall(sizes[image]) else (..., slice(start, end))
        merged[image][where] += scores
        counts[image][start:end] += 1
    for one, count, size in zip(merged, counts, sizes, strict=True):
        one /= count.clamp(min=1)[:, None] if tall(size) else count.clamp(min=1)
    return merged


def tall(size: Size) -> bool:
    """Whether a picture is cut to patches along its height."""
    return size[0] > size[1]


def panoptic_segmentation(
    self: Any,
    outputs: Any,
    target_sizes: Sequence[Any],
    threshold: float = 0.8,
    mask_threshold: float = 0.5,
    overlap_mask_area_threshold: float = 0.8,
    stuff_classes: Sequence[int] | None = None,
    size: dict[str, int] | None = None,
) -> list[dict[str, Any]]:
    """Return a map of segments, int64 from 0 with -1 where there is none, and their list, for each image."""
    classes, masks = _queries_of(outputs)
    sizes = _sizes_of(target_sizes, len(masks))
    checks.check_helpers(self, "unpad_image")
    stage, shortest, longest = _input_size(self, size)
    stages = [(stage, _within(stage, _fitted(one, shortest, longest))) for one in sizes]
    return _panoptic(
        classes, masks, sizes, stages, threshold, mask_threshold, overlap_mask_area_threshold, stuff_classes
    )


def _within(size: Size, crop: Size) -> Size:
    return min(size[0], crop[0]), min(size[1], crop[1])


def _panoptic(
    classes: Any,
    masks: Any,
    sizes: Sequence[Size],
    stages: Sequence[_Stage],
    threshold: float,
    mask_threshold: float,
    overlap_threshold: float,
    stuff: Sequence[int] | None,
) -> list[dict[str, Any]]:
    scores, labels = classes.softmax(dim=-1).max(-1)
    keep = (labels != classes.shape[-1] - 1) & (scores > checks.number(threshold))
    fuse = checks.class_set(() if stuff is None else stuff)
    results = []
    for i, kept in enumerate(keep):
        if not bool(kept.any()):
            results.append(queries.nothing(sizes[i]))
            continue
        segmentation, segments = panoptic_merge(
            masks[i][kept],
            scores[i][kept],
            labels[i][kept],
            size=sizes[i],
            intermediate=stages[i][0],
            crop=stages[i][1],
            activation="sigmoid",
            activate="after",
            weight_by_score=False,
            mask_threshold=checks.number(mask_threshold),
            overlap_threshold=checks.number(overlap_threshold),
            paint="inner",
            fuse=fuse,
            void=-1,
            first_id=0,
        )
        infos = [{"id": s["id"], "label_id": s["label_id"], "score": round(s["score"], 6)} for s in segments]
        results.append({"segmentation": segmentation.long(), "segments_info": infos})
    return results


def instance_segmentation(
    self: Any,
    outputs: Any,
    target_sizes: Sequence[Any],
    threshold: float = 0.8,
    size: dict[str, int] | None = None,
    **kwargs: Any,
) -> list[dict[str, Any]]:
    """Return a map of instances, float32 from 0 with -1 where there is none, and their list, for each image."""
    if kwargs:  # of which one processor warns, and which another refuses
        raise NotImplementedError("post_process_instance_segmentation: no other options")
    classes, masks = _queries_of(outputs)
    sizes = _sizes_of(target_sizes, len(masks))
    checks.check_helpers(self, "unpad_image")
    stage, shortest, longest = _input_size(self, size)
    stages = [(stage, _within(stage, _fitted(one, shortest, longest))) for one in sizes]
    return _instances(classes, masks, sizes, stages, threshold)


def _instances(
    classes: Any, masks: Any, sizes: Sequence[Size], stages: Sequence[_Stage], threshold: float
) -> list[dict[str, Any]]:
    results = []
    for i, size in enumerate(sizes):
        scores, labels = classes[i].softmax(dim=-1)[..., :-1].max(-1)
        stage, crop = stages[i]
        steps = [] if stage is None else [(stage, crop)]
        found = instances.painted(
            masks[i],
            labels.new_tensor(range(len(labels))),
            scores,
            labels,
            checks.number(threshold),
            stages=[*steps, (size, None)],
            size=None,
        )
        infos = [
            {"id": number, "label_id": label, "score": score} for number, (label, score) in enumerate(found.segments)
        ]
        results.append({"segmentation": found.segmentation, "segments_info": infos})
    return results


def video_semantic_segmentation(
    self: Any, outputs: Any, target_sizes: Sequence[Any], return_segmentation_scores: bool = False
) -> list[Any]:
    """Return the best class of each pixel, int64, for each frame."""
    checks.check_helpers(self, "_resize_mask_logits")
    classes, masks = _queries_of(outputs)
    sizes = _sizes_of(target_sizes, len(masks))
    if return_segmentation_scores:
        raise NotImplementedError("post_process_semantic_segmentation: no scores")
    return [semantic_from_queries(classes[i], masks[i], size, dtype="int64", void=0) for i, size in enumerate(sizes)]


def video_panoptic_segmentation(
    self: Any,
    outputs: Any,
    target_sizes: Sequence[Any],
    threshold: float = 0.8,
    mask_threshold: float = 0.5,
    overlap_mask_area_threshold: float = 0.8,
    label_ids_to_fuse: set[int] | None = None,
) -> list[dict[str, Any]]:
    """Return a map of segments, int64 from 0 with -1 where there is none, and their list, for each frame."""
    checks.check_helpers(self, "_resize_mask_logits")
    classes, masks = _queries_of(outputs)
    sizes = _sizes_of(target_sizes, len(masks))
    fuse = None if label_ids_to_fuse is None else sorted(checks.class_set(label_ids_to_fuse))
    stages: list[_Stage] = [(None, None)] * len(sizes)
    results = _panoptic(classes, masks, sizes, stages, threshold, mask_threshold, overlap_mask_area_threshold, fuse)
    for result in results:
        result["segmentation"] = result["segmentation"].to(masks.device).long()
    return results


def video_instance_segmentation(
    self: Any, outputs: Any, target_sizes: Sequence[Any], threshold: float = 0.5
) -> list[dict[str, Any]]:
    """Return a map of instances, int64 from 0 with -1 where there is none, and their list, for each frame."""
    checks.check_helpers(self, "_resize_mask_logits")
    classes, masks = _queries_of(outputs)
    sizes = _sizes_of(target_sizes, len(masks))
    results = _instances(classes, masks, sizes, [(None, None)] * len(sizes), threshold)
    for result in results:
        result["segmentation"] = result["segmentation"].long()
    return results


def replacements() -> dict[str, Any]:
    """Return what takes the place of upstream's methods."""
    of_images: dict[str, Callable[..., Any]] = {
        "semantic": semantic_segmentation,
        "panoptic": panoptic_segmentation,
        "instance": instance_segmentation,
    }
    of_videos: dict[str, Callable[..., Any]] = {
        "semantic": video_semantic_segmentation,
        "panoptic": video_panoptic_segmentation,
        "instance": video_instance_segmentation,
    }
    methods = {
        "eomt.image_processing_eomt:EomtImageProcessor": of_images,
        "eomt.image_processing_pil_eomt:EomtImageProcessorPil": of_images,
        "videomt.video_processing_videomt:VideomtVideoProcessor": of_videos,
    }
    return {
        f"{owner}.post_process_{kind}_segmentation": method
        for owner, kinds in methods.items()
        for kind, method in kinds.items()
    }
