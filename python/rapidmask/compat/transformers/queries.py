"""Segments of models with queries that have a class and a mask each: MaskFormer, Mask2Former, OneFormer, DETR."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ...ops.panoptic import PanopticSegment, panoptic_merge
from ...ops.semantic import semantic_from_queries
from . import checks, instances
from .checks import Size
from .models import Model

_TRAINED = (384, 384)  # what Mask2Former's masks are resized to first, whatever the image


def compute_segments(
    mask_probs: Any,
    pred_scores: Any,
    pred_labels: Any,
    mask_threshold: float = 0.5,
    overlap_mask_area_threshold: float = 0.8,
    label_ids_to_fuse: Iterable[int] | None = None,
    target_size: Size | None = None,
) -> tuple[Any, list[dict[str, Any]]]:
    """Merge queries' probabilities (q, h, w) to a map of segments, int32, and the list of these."""
    checks.check_float32(mask_probs, ndim=3)
    checks.check_float32(pred_scores, ndim=1)
    if label_ids_to_fuse is None or len(pred_scores) != len(mask_probs) or pred_labels.shape != pred_scores.shape:
        raise NotImplementedError("compute_segments: a score and a label for each mask, and a set of labels to fuse")
    if not str(pred_labels.dtype).removeprefix("torch.").startswith(("int", "uint")):
        raise NotImplementedError("compute_segments: labels must be integers")
    if pred_labels.element_size() == 8 and bool((pred_labels.abs() >= 2**53).any()):
        raise NotImplementedError("compute_segments: labels must be below 2^53")
    size = None if target_size is None else checks.extents(target_size)
    return _merged(
        mask_probs, pred_scores, pred_labels, size, mask_threshold, overlap_mask_area_threshold, label_ids_to_fuse
    )


def _compute_segments_smoothly(
    mask_probs: Any,
    pred_scores: Any,
    pred_labels: Any,
    mask_threshold: float = 0.5,
    overlap_mask_area_threshold: float = 0.8,
    label_ids_to_fuse: Iterable[int] | None = None,
    target_size: Size | None = None,
) -> tuple[Any, list[dict[str, Any]]]:
    """Do the same for OneFormer, but where masks shrink."""
    if target_size is not None:
        check_growth(mask_probs, checks.extents(target_size))
    return compute_segments(
        mask_probs,
        pred_scores,
        pred_labels,
        mask_threshold,
        overlap_mask_area_threshold,
        label_ids_to_fuse,
        target_size,
    )


def check_growth(masks: Any, *sizes: Size) -> None:
    """Raise where masks shrink, which torchvision does with antialiasing."""
    if any(size[0] < masks.shape[-2] or size[1] < masks.shape[-1] for size in sizes):
        raise NotImplementedError("target_sizes must not be below those of the masks")


def semantic_of(model: Model) -> Callable[..., list[Any]]:
    """Make ``post_process_semantic_segmentation``."""

    def post_process_semantic_segmentation(
        self: Any, outputs: Any, target_sizes: Sequence[Any] | None = None, return_segmentation_scores: bool = False
    ) -> list[Any]:
        classes, masks = model.queries_of(outputs)
        sizes = checks.sizes_of(target_sizes, len(masks), exactly=True)
        if return_segmentation_scores:
            raise NotImplementedError("post_process_semantic_segmentation: no scores")
        if model.smooths_classes:
            check_growth(masks, *(sizes or ()))
        if not model.no_object:  # one that no query is of
            classes = classes.new_full((*classes.shape[:2], classes.shape[2] + 1), -float("inf"))
            classes[..., :-1] = getattr(outputs, model.classes)
        return [
            semantic_from_queries(
                classes[i],
                masks[i],
                checks.size_of(sizes, i) or model.trained,
                intermediate=model.trained,
                dtype="int64",
                void=0,  # where all is NaN
            )
            for i in range(len(masks))
        ]

    return post_process_semantic_segmentation


def panoptic_of(model: Model) -> Callable[..., list[dict[str, Any]]]:
    """Make ``post_process_panoptic_segmentation``."""

    def post_process_panoptic_segmentation(
        self: Any,
        outputs: Any,
        threshold: float = 0.5,
        mask_threshold: float = 0.5,
        overlap_mask_area_threshold: float = 0.8,
        label_ids_to_fuse: Iterable[int] | None = None,
        target_sizes: Sequence[Any] | None = None,
    ) -> list[dict[str, Any]]:
        fuse = checks.class_set(() if label_ids_to_fuse is None else label_ids_to_fuse)
        results = _segments_of_batch(
            model, outputs, threshold, mask_threshold, overlap_mask_area_threshold, fuse, target_sizes
        )
        if label_ids_to_fuse is None:
            model.warn()
        return results

    return post_process_panoptic_segmentation


def detr_instances_of(model: Model) -> Callable[..., list[dict[str, Any]]]:
    """Make ``post_process_instance_segmentation`` of DETR: panoptic segments of which none are fused."""

    def post_process_instance_segmentation(
        self: Any,
        outputs: Any,
        threshold: float = 0.5,
        mask_threshold: float = 0.5,
        overlap_mask_area_threshold: float = 0.8,
        target_sizes: Sequence[Any] | None = None,
        return_coco_annotation: bool | None = False,
    ) -> list[dict[str, Any]]:
        results = _segments_of_batch(
            model, outputs, threshold, mask_threshold, overlap_mask_area_threshold, set(), target_sizes
        )
        return _annotated(model, results) if return_coco_annotation else results

    return post_process_instance_segmentation


def _segments_of_batch(
    model: Model,
    outputs: Any,
    threshold: float,
    mask_threshold: float,
    overlap_threshold: float,
    fuse: set[int],
    target_sizes: Sequence[Any] | None,
) -> list[dict[str, Any]]:
    classes, masks = model.queries_of(outputs)
    sizes = checks.sizes_of(target_sizes, len(masks))
    if model.smooths:
        check_growth(masks, *(sizes or ()))
    scores, labels = classes.softmax(dim=-1).max(-1)
    keep = (labels != classes.shape[-1] - 1) & (scores > checks.number(threshold))
    results = []
    for i, kept in enumerate(keep):
        size = checks.size_of(sizes, i) or model.trained or tuple(masks.shape[2:])
        if not bool(kept.any()):
            results.append(nothing(size))
            continue
        segmentation, infos = _merged(
            masks[i][kept],
            scores[i][kept],
            labels[i][kept],
            size,
            mask_threshold,
            overlap_threshold,
            fuse,
            intermediate=model.trained,
            activation="sigmoid",
        )
        results.append({"segmentation": segmentation, "segments_info": infos})
    return results


def oneformer_instances_of(model: Model) -> Callable[..., list[dict[str, Any]]]:
    """Make ``post_process_instance_segmentation`` of OneFormer, which merges logits as if they were probabilities."""

    def post_process_instance_segmentation(
        self: Any,
        outputs: Any,
        task_type: str = "instance",
        is_demo: bool = True,
        threshold: float = 0.5,
        mask_threshold: float = 0.5,
        overlap_mask_area_threshold: float = 0.8,
        target_sizes: Sequence[Any] | None = None,
        return_coco_annotation: bool | None = False,
    ) -> list[dict[str, Any]]:
        classes, masks = model.queries_of(outputs)
        sizes = checks.sizes_of(target_sizes, len(masks))
        check_growth(masks, *(sizes or ()))
        threshold, file, metadata = checks.number(threshold), self.class_info_file, self.metadata
        if not isinstance(file, str) or ("ade20k" in file and not is_demo and "instance" in task_type):
            raise NotImplementedError("post_process_instance_segmentation: no labels of ADE20K's things")
        things: Any = []
        if task_type == "panoptic":
            things = metadata.get("thing_ids") if isinstance(metadata, dict) else None
            if not isinstance(things, (list, tuple)):
                raise NotImplementedError("post_process_instance_segmentation: a list of things in the metadata")
        results = []
        for i, logits in enumerate(masks):
            scores, queries, labels = instances.best_classes(classes[i])
            kept = scores > threshold if is_demo else scores == scores
            if task_type == "panoptic":
                kept = kept & (labels[:, None] == labels.new_tensor(sorted(checks.class_set(things)))).any(dim=1)
            size = checks.size_of(sizes, i)
            if not bool(kept.any()):
                results.append(nothing(size or tuple(masks.shape[2:])))
                continue
            segmentation, infos = _merged(
                logits[queries[kept]],
                scores[kept],
                labels[kept],
                size,
                mask_threshold,
                overlap_mask_area_threshold,
                set(),
            )
            results.append({"segmentation": segmentation, "segments_info": infos})
        return _annotated(model, results) if return_coco_annotation else results

    return post_process_instance_segmentation


def instances_of(model: Model) -> Callable[..., list[dict[str, Any]]]:
    """Make ``post_process_instance_segmentation`` of MaskFormer and Mask2Former."""

    def post_process_instance_segmentation(
        self: Any,
        outputs: Any,
        threshold: float = 0.5,
        mask_threshold: float = 0.5,
        overlap_mask_area_threshold: float = 0.8,
        target_sizes: Sequence[Any] | None = None,
        return_coco_annotation: bool | None = False,
        return_binary_maps: bool | None = False,
    ) -> list[dict[str, Any]]:
        if return_coco_annotation and return_binary_maps:
            raise NotImplementedError("post_process_instance_segmentation: one form of the result")
        classes, masks = model.queries_of(outputs)
        sizes = checks.sizes_of(target_sizes, len(masks))
        results = []
        for i, logits in enumerate(masks):
            scores, queries, labels = instances.best_classes(classes[i])
            found = instances.painted(
                logits,
                queries,
                scores,
                labels,
                checks.number(threshold),
                stages=[] if model.trained is None else [(model.trained, None)],
                size=checks.size_of(sizes, i),
            )
            infos = [
                {"id": number, "label_id": label, "was_fused": False, "score": score}
                for number, (label, score) in enumerate(found.segments)
            ]
            segmentation: Any = found.segmentation.cpu()  # as upstream's, whatever the device
            if return_coco_annotation:
                segmentation = model.runs_of(segmentation)
            elif return_binary_maps and infos:
                segmentation = found.maps()
            results.append({"segmentation": segmentation, "segments_info": infos})
        return results

    return post_process_instance_segmentation


def _merged(
    masks: Any,
    scores: Any,
    labels: Any,
    size: Size | None,
    mask_threshold: float,
    overlap_threshold: float,
    fuse: Iterable[int],
    **options: Any,
) -> tuple[Any, list[dict[str, Any]]]:
    segmentation, segments = panoptic_merge(
        masks,
        scores,
        labels,
        size=size,
        mask_threshold=checks.number(mask_threshold),
        overlap_threshold=checks.number(overlap_threshold),
        fuse=checks.class_set(fuse),
        numbering="restarting",
        **options,
    )
    return segmentation, [_info(segment) for segment in segments]


def _info(segment: PanopticSegment) -> dict[str, Any]:
    return {
        "id": segment["id"],
        "label_id": segment["label_id"],
        "was_fused": segment["was_fused"],
        "score": round(segment["score"], 6),
    }


def nothing(size: Size) -> dict[str, Any]:
    """Return what there is without any segment: as upstream of torch's default type, and on its default device."""
    from torch import zeros

    return {"segmentation": zeros(size) - 1, "segments_info": []}


def _annotated(model: Model, results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Make run lengths of maps, but as upstream of none without segments."""
    for result in results:
        if str(result["segmentation"].dtype) == "torch.int32":
            result["segmentation"] = model.runs_of(result["segmentation"])
    return results


def replacements() -> dict[str, Any]:
    """Return what takes the place of upstream's functions."""
    replaced: dict[str, Any] = {}
    for form, suffix in (("", ""), ("pil_", "Pil")):
        for stem, name in (
            ("maskformer", "MaskFormer"),
            ("mask2former", "Mask2Former"),
            ("oneformer", "OneFormer"),
            ("detr", "Detr"),
            ("conditional_detr", "ConditionalDetr"),
        ):
            model = Model(f"{stem}.image_processing_{form}{stem}", f"{name}ImageProcessor{suffix}")
            segments: Callable[..., Any] = compute_segments
            instance = instances_of
            if stem == "mask2former":
                model = model._replace(trained=_TRAINED)
            elif stem == "oneformer":
                model = model._replace(smooths=True, smooths_classes=form == "")
                segments, instance = _compute_segments_smoothly, oneformer_instances_of
            elif stem != "maskformer":
                model = model._replace(classes="logits", masks="pred_masks", no_object=stem == "detr", warns_once=True)
                instance = detr_instances_of
            replaced[f"{model.module}:compute_segments"] = segments
            methods = {"semantic": semantic_of, "panoptic": panoptic_of, "instance": instance}
            for kind, method in methods.items():
                replaced[f"{model.module}:{model.owner}.post_process_{kind}_segmentation"] = method(model)
    return replaced
