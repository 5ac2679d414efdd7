"""Class maps, against torch's resizing and maximum, which transformers' models call."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

import rapidmask
from compare import Comparison, Contest, Peer, optional

torch = optional("torch")

_SIZE = (1024, 2048)
_NEARLY = 3e-6  # of the pixels may differ, where two classes are within rounding of each other


def nearly_same(ours: Any, theirs: Any) -> None:
    assert (np.asarray(ours) != np.asarray(theirs)).mean() < _NEARLY


def resized(x: Any, size: tuple[int, int] = _SIZE) -> Any:
    return torch.nn.functional.interpolate(x[None], size, mode="bilinear", align_corners=False)[0]


def resized_argmax(logits: np.ndarray) -> Contest:
    out = np.empty(_SIZE, np.int32)
    writable = torch.from_numpy(logits.copy()) if torch else None
    return Contest(
        lambda: rapidmask.semantic_argmax(logits, _SIZE, out=out),
        [Peer("torch interpolate and argmax", lambda: resized(writable).argmax(0), nearly_same)],
    )


def plain_argmax(logits: np.ndarray) -> Contest:
    out = np.empty(logits.shape[1:], np.int32)
    writable = torch.from_numpy(logits.copy()) if torch else None
    return Contest(
        lambda: rapidmask.semantic_argmax(logits, out=out),
        [
            Peer("torch max", lambda: writable.max(0).indices, nearly_same),
            Peer("torch argmax", lambda: writable.argmax(0), nearly_same),
            Peer("numpy argmax", lambda: logits.argmax(0)),
        ],
    )


def from_queries(masks: np.ndarray, size: tuple[int, int]) -> Contest:
    """150 classes."""
    classes = np.random.default_rng(18).standard_normal((len(masks), 151), np.float32) * 3
    out = np.empty(size, np.int32)
    queries, logits = torch.from_numpy(classes), torch.from_numpy(masks.copy())

    def by_torch() -> Any:
        scores = torch.einsum("qc,qhw->chw", queries.softmax(-1)[:, :-1], logits.sigmoid())
        return resized(scores, size).argmax(0)

    return Contest(
        lambda: rapidmask.semantic_from_queries(classes, masks, size, out=out),
        [Peer("torch as transformers does it", by_torch, lambda a, b: nearly_same(a, b.numpy()))],
    )


COMPARISONS = [
    Comparison("argmax to 1024×2048", "classes 150×512²", resized_argmax, bar=100, goal=300),
    Comparison("argmax to 1024×2048", "noisy classes 150×512²", resized_argmax, bar=100, goal=300),
    Comparison("argmax to 1024×2048", "white classes 150×512²", resized_argmax),
    Comparison("argmax", "classes 150×512²", plain_argmax, bar=7, goal=18, against="torch max"),
    Comparison("argmax", "white classes 150×512²", plain_argmax, bar=7, goal=18, against="torch max"),
    Comparison("classes from queries to 1024²", "queries 100×256²", partial(from_queries, size=(1024, 1024))),
]
