"""transformers' post-processing against itself under `rapidmask.patch`, with the same arguments.

Of a hundred queries thirty are of an object, which is what Mask2Former finds in a picture of COCO or ADE20K.
"""

from __future__ import annotations

import importlib
import types
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import rapidmask
from compare import Comparison, Contest, Peer, optional

torch = optional("torch")

_SIZE = (1024, 1024)
_PHOTO = (720, 1280)
_NEARLY = 2e-5  # of the pixels may differ, where two segments or classes are within rounding of each other
_OBJECTS = 30


def nearly_same(ours: Any, theirs: Any) -> None:
    """Compare maps but for a few pixels, and what is said of them entirely."""
    if isinstance(theirs, dict):
        assert ours["segments_info"] == theirs["segments_info"]
        ours, theirs = ours["segmentation"], theirs["segmentation"]
    if isinstance(theirs, list):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            nearly_same(one, other)
    else:
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
        assert (ours != theirs).float().mean() <= _NEARLY


def calls(
    owner: str, method: str, *arguments: Any, attributes: dict[str, Any] | None = None, **options: Any
) -> Contest:
    """Time a method of a processor of pictures, of which only the part after the model is used."""
    module, _, name = f"transformers.models.{owner}".partition(":")
    kind = getattr(importlib.import_module(module), name)
    processor = kind.__new__(kind)
    vars(processor).update(attributes or {})
    theirs: Callable[..., Any] = getattr(kind, method)
    with rapidmask.patch("transformers"):
        ours = getattr(kind, method)
    return Contest(
        lambda: ours(processor, *arguments, **options),
        [Peer("transformers", lambda: theirs(processor, *arguments, **options), nearly_same)],
    )


def of_queries(kind: str, masks: np.ndarray, classes: int, owner: str, **options: Any) -> Contest:
    rng = np.random.default_rng(20)
    logits = rng.standard_normal((1, len(masks), classes + 1), np.float32)
    best = np.full(len(masks), classes)
    best[rng.permutation(len(masks))[:_OBJECTS]] = rng.integers(0, classes, _OBJECTS)
    logits[0, np.arange(len(masks)), best] += 10
    outputs = types.SimpleNamespace(
        class_queries_logits=torch.from_numpy(logits), masks_queries_logits=torch.from_numpy(masks.copy())[None]
    )
    return calls(owner, f"post_process_{kind}_segmentation", outputs, target_sizes=[_SIZE], **options)


def of_classes(logits: np.ndarray) -> Contest:
    outputs = types.SimpleNamespace(logits=torch.from_numpy(logits.copy())[None])
    owner = "segformer.image_processing_pil_segformer:SegformerImageProcessorPil"
    return calls(owner, "post_process_semantic_segmentation", outputs, target_sizes=[(1024, 2048)])


def of_prompts(logits: np.ndarray) -> Contest:
    masks = [torch.from_numpy(logits.copy())[:, None]]
    owner = "sam.image_processing_pil_sam:SamImageProcessorPil"
    padded = {"pad_size": {"height": 1024, "width": 1024}}
    return calls(owner, "post_process_masks", masks, [_PHOTO], [(576, 1024)], attributes=padded)


def generated(logits: np.ndarray) -> Contest:
    masks = torch.from_numpy(100 * logits)[:, None]  # sure enough of themselves for most to be kept
    scores = torch.linspace(0.8, 1, len(masks))[:, None]
    owner = "sam.image_processing_pil_sam:SamImageProcessorPil"
    height, width = logits.shape[1:]
    contest = calls(owner, "filter_masks", masks, scores, (height, width), [0, 0, width, height])
    contest.peers[0] = Peer(contest.peers[0].name, contest.peers[0].call, same_masks)
    return contest


def same_masks(ours: Any, theirs: Any) -> None:
    assert len(theirs[0]) > 0
    assert ours[0] == theirs[0]
    assert all(torch.equal(one, other) for one, other in zip(ours[1:], theirs[1:], strict=True))


_MASK2FORMER = "mask2former.image_processing_pil_mask2former:Mask2FormerImageProcessorPil"
_MASKFORMER = "maskformer.image_processing_pil_maskformer:MaskFormerImageProcessorPil"

_PANOPTIC = partial(of_queries, "panoptic", classes=133, owner=_MASK2FORMER, label_ids_to_fuse=set(range(80, 133)))
_INSTANCE = partial(of_queries, "instance", classes=80, owner=_MASK2FORMER)
_SEMANTIC = partial(of_queries, "semantic", classes=150, owner=_MASK2FORMER)

COMPARISONS = [
    Comparison("Mask2Former's panoptic segments, 1024²", "queries 100×256²", _PANOPTIC, bar=20),
    Comparison("Mask2Former's panoptic segments, 1024²", "noisy queries 100×256²", _PANOPTIC, bar=20),
    Comparison("Mask2Former's instances, 1024²", "queries 100×256²", _INSTANCE, bar=10),
    Comparison("Mask2Former's instances, 1024²", "noisy queries 100×256²", _INSTANCE, bar=10),
    Comparison("Mask2Former's class map, 1024²", "queries 100×256²", _SEMANTIC, bar=20),
    Comparison("Mask2Former's class map, 1024²", "noisy queries 100×256²", _SEMANTIC, bar=20),
    Comparison("MaskFormer's instances, 1024²", "queries 100×256²", partial(_INSTANCE, owner=_MASKFORMER)),
    Comparison("SegFormer's class map, 1024×2048", "classes 150×512²", of_classes),
    Comparison("SAM's masks, 720p", "SAM logits 64×256²", of_prompts, bar=10),
    Comparison("SAM's masks, 720p", "white logits 64×256²", of_prompts),
    Comparison("SAM's generated masks, filtered", "SAM logits 64×1024²", generated),
]
