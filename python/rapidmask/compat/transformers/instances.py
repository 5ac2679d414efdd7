"""Instances of models with queries, painted one over the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ...ops.panoptic import instance_merge
from .checks import Size

_TOGETHER = 8  # as many planes torch interpolates at once on x86, and rounds in another way than fewer


class Instances(NamedTuple):
    """The instances of a picture.

    Attributes
    ----------
    segmentation : tensor of float32, shape (h, w)
        Their numbers from 0, and -1 where there is none.
    segments : list of (int, float)
        Their labels and rounded scores.
    masks : tensor of bool
        Their masks, which may have to be resized still.
    size : (int, int)
        That of the result.
    """

    segmentation: Any
    segments: list[tuple[int, float]]
    masks: Any
    size: Size

    def maps(self) -> Any:
        """Return the masks as float32, of the size of the result."""
        return _resized(self.masks.float(), self.size, "nearest")


def best_classes(classes: Any) -> tuple[Any, Any, Any]:
    """Return scores, queries and labels of as many pairs of a query and a class (q, c) as there are queries."""
    count, others = classes.shape[0], classes.shape[1] - 1
    scores, pairs = classes.softmax(dim=-1)[:, :-1].flatten(0, 1).topk(count, sorted=False)
    return scores, pairs.div(others, rounding_mode="floor"), pairs % others


def painted(
    logits: Any,
    queries: Any,
    scores: Any,
    labels: Any,
    threshold: float,
    *,
    stages: Sequence[tuple[Size, Size | None]],
    size: Size | None,
) -> Instances:
    """Paint what is above 0 of queries (q, h, w), later ones over earlier ones.

    An instance's score is that of its class, ``scores``, times the mean probability in its mask; those below
    ``threshold`` are left out. Logits are resized to each of ``stages``, and cut to its second size; ``size`` is what
    masks are then resized to, by the nearest pixel.
    """
    from torch import cat

    own = tuple(logits.shape[1:])
    for stage, crop in stages:
        own = crop or stage
    size = size or own
    # The mean is at most 1, but for rounding: of the others no mask is needed.
    able = (scores >= 0.999 * threshold).nonzero()[:, 0]
    distinct, which = queries[able].unique(return_inverse=True)
    inside, means = [logits.new_empty((0, *own)) > 0], [logits.new_empty(0)]
    chosen = distinct.tolist()
    for first in range(0, len(chosen), _TOGETHER):  # in memory that is at hand
        some = chosen[first : first + _TOGETHER]
        alike = some + some[-1:] * (min(_TOGETHER, len(logits)) - len(some))
        planes = logits[alike]
        for stage, crop in stages:
            planes = _resized(planes, stage, "bilinear")
            if crop is not None:
                planes = planes[:, : crop[0], : crop[1]]
        planes = planes[: len(some)]
        positive = planes > 0
        inside.append(positive)
        means.append(planes.sigmoid().mul_(positive).flatten(1).sum(1) / (positive.flatten(1).sum(1) + 1e-6))
    masks = cat(inside)
    values = (scores[able] * cat(means)[which]).tolist()
    if size[0] < own[0] or size[1] < own[1]:  # pixels get lost, and masks with them
        masks = _resized(masks.float(), size, "nearest") == 1
    present = masks.flatten(1).any(1)[which].tolist()
    chosen = [i for i, value in enumerate(values) if value >= threshold and present[i]]
    kept = masks[which[chosen]]
    numbers = labels[able[chosen]]
    segmentation = scores.new_full(size, -1.0)
    if chosen:
        painting, _ = instance_merge(
            kept,
            numbers.new_ones(len(chosen), dtype=scores.dtype),
            numbers,
            order="given",
            over=True,
            void=-1,
            first_id=0,
        )
        segmentation = _resized(painting[None].float(), size, "nearest")[0]
    segments = [(label, round(values[i], 6)) for label, i in zip(numbers.tolist(), chosen, strict=True)]
    return Instances(segmentation, segments, kept, size)


def _resized(planes: Any, size: Size, mode: str) -> Any:
    from torch.nn.functional import interpolate

    if tuple(planes.shape[1:]) == size or len(planes) == 0:
        return planes.new_empty((0, *size)) if len(planes) == 0 else planes
    return interpolate(planes[None], size=size, mode=mode)[0]
