"""Panoptic merging and painting, against the torch code of transformers, detectron2 and SAM 2."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

import rapidmask
from compare import Comparison, Contest, Peer, optional

torch = optional("torch")

_SIZE = (1024, 1024)
_NEARLY = 3e-6  # of the pixels may differ, where two queries are within rounding of each other


def first(nearly: float, ours: Any, theirs: Any) -> None:
    """Compare the maps of two answers."""
    assert (np.asarray(ours[0]) != np.asarray(theirs[0])).mean() <= nearly


def ranking(count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(19)
    return rng.uniform(0.8, 1, count).astype(np.float32), rng.integers(0, 133, count)


def compute_segments(logits: Any, scores: Any, labels: Any) -> tuple[Any, list[dict[str, Any]]]:
    """Merge as transformers does it."""
    probs = torch.nn.functional.interpolate(logits.sigmoid()[None], _SIZE, mode="bilinear", align_corners=False)[0]
    probs *= scores.view(-1, 1, 1)
    chosen = probs.argmax(0)
    segmentation, segments = torch.zeros(_SIZE, dtype=torch.int32), []
    for k in range(len(labels)):
        mask = chosen == k
        area, own = mask.sum(), (probs[k] >= 0.5).sum()
        if area > 0 and own > 0 and (area / own).item() > 0.8:
            segments.append({"id": len(segments) + 1, "label_id": labels[k].item(), "score": scores[k].item()})
            segmentation[mask] = len(segments)
    return segmentation, segments


def merging(logits: np.ndarray) -> Contest:
    scores, labels = ranking(len(logits))
    out = np.empty(_SIZE, np.int32)
    given = [torch.from_numpy(x) for x in (logits.copy(), scores, labels)] if torch else []
    return Contest(
        lambda: rapidmask.panoptic_merge(logits, scores, labels, size=_SIZE, activation="sigmoid", out=out),
        [Peer("torch as transformers does it", lambda: compute_segments(*given), partial(first, _NEARLY))],
    )


def combine(masks: Any, scores: np.ndarray) -> tuple[Any]:
    """Paint as detectron2 does it."""
    result, current = torch.zeros(masks.shape[1:], dtype=torch.int32), 0
    for i in np.argsort(-scores, kind="stable"):
        mask = masks[i]
        area = mask.sum().item()
        if area == 0:
            continue
        taken = (mask > 0) & (result > 0)
        covered = taken.sum().item()
        if covered / area > 0.5:
            continue
        if covered > 0:
            mask = mask & (result == 0)
        current += 1
        result[mask] = current
    return (result,)


def painting(masks: np.ndarray, form: Any) -> Contest:
    masks = masks[:100].copy()
    scores, labels = ranking(len(masks))
    given, theirs = form(masks), torch.from_numpy(masks)
    out = np.empty(masks.shape[1:], np.int32)
    return Contest(
        lambda: rapidmask.instance_merge(given, scores, labels, out=out),
        [Peer("torch as detectron2 does it", lambda: combine(theirs, scores), partial(first, 0))],
    )


def separating(logits: np.ndarray) -> Contest:
    out = np.empty_like(logits)
    theirs = torch.from_numpy(logits.copy())

    def by_torch() -> Any:
        keep = theirs.argmax(0, keepdim=True) == torch.arange(len(theirs))[:, None, None]
        return torch.where(keep, theirs, theirs.clamp(max=-10.0))

    return Contest(
        lambda: rapidmask.non_overlapping(logits, out=out),
        [Peer("torch as SAM 2 does it", by_torch)],
    )


COMPARISONS = [
    Comparison("merging to 1024²", "queries 100×256²", merging, bar=45, goal=120),
    Comparison("merging to 1024²", "noisy queries 100×256²", merging, bar=45, goal=120),
    Comparison("merging to 1024²", "white queries 100×256²", merging),
    Comparison("painting instances, dense", "instances", partial(painting, form=np.asarray)),
    Comparison("painting instances, packed", "instances", partial(painting, form=rapidmask.pack)),
    Comparison("scores that do not overlap", "SAM logits 64×256²", separating),
]
