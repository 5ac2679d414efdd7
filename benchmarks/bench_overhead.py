"""What a call costs on masks of 32×32, where the pixels cost nothing: microseconds, beside the same call of others.

The time includes that of a Python lambda, some 0.05 µs, for every contestant.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import rapidmask
from bench_pack import packbits, same_bits
from compare import Comparison, Contest, Peer, optional, same

cv2 = optional("cv2")

_NUMPY_LIMIT_US = 3.0
_TORCH_LIMIT_US = 5.0


def threshold(x: np.ndarray) -> Contest:
    return Contest(
        lambda: rapidmask.threshold(x, 0.25),
        [
            Peer("numpy", lambda: x > 0.25),
            Peer("cv2", lambda: cv2.threshold(x, 0.25, 1.0, cv2.THRESH_BINARY)[1]),
        ],
    )


def threshold_into(x: np.ndarray) -> Contest:
    out, theirs = np.empty(x.shape, np.uint8), np.empty(x.shape, bool)
    return Contest(
        lambda: rapidmask.threshold(x, 0.25, output="uint8", out=out),
        [Peer("numpy", lambda: np.greater(x, 0.25, out=theirs))],
    )


def threshold_to_packed(x: np.ndarray) -> Contest:
    return Contest(
        lambda: rapidmask.threshold(x, 0.25, output="packed"),
        [Peer("numpy", lambda: packbits(x > 0.25), same_bits)],
    )


def otsu(x: np.ndarray) -> Contest:
    image = np.clip(x * 60 + 128, 0, 255).astype(np.uint8)
    return Contest(
        lambda: rapidmask.threshold_otsu(image),
        [Peer("cv2", lambda: cv2.threshold(image, 0, 1, cv2.THRESH_OTSU)[0])],
    )


def pack(x: np.ndarray) -> Contest:
    mask = x > 0
    return Contest(lambda: rapidmask.pack(mask), [Peer("numpy", lambda: packbits(mask), same_bits)])


def unpack(x: np.ndarray) -> Contest:
    mask = x > 0
    packed, bits, width = rapidmask.pack(mask), packbits(mask), mask.shape[1]
    return Contest(
        lambda: rapidmask.unpack(packed),
        [
            Peer(
                "numpy",
                lambda: np.unpackbits(bits, axis=-1, count=width, bitorder="little"),
                lambda ours, theirs: same(ours[0], theirs),
            )
        ],
    )


def areas(x: np.ndarray) -> Contest:
    mask = x > 0
    as_uint8 = mask.view(np.uint8)
    return Contest(
        lambda: rapidmask.mask_areas(mask),
        [
            Peer("numpy", lambda: np.count_nonzero(mask)),
            Peer("cv2", lambda: cv2.countNonZero(as_uint8)),
        ],
    )


def areas_of_packed(x: np.ndarray) -> Contest:
    packed = rapidmask.pack(x > 0)
    words = packed.data.view(np.uint64)
    return Contest(
        lambda: rapidmask.mask_areas(packed),
        [Peer("numpy", lambda: np.bitwise_count(words).sum(axis=(1, 2)))],
    )


def boxes_of_packed(x: np.ndarray) -> Contest:
    packed = rapidmask.pack(x > 0)

    def numpy_box() -> np.ndarray:
        columns = np.unpackbits(np.bitwise_or.reduce(packed.data[0]), bitorder="little").nonzero()[0]
        rows = packed.data[0].any(axis=1).nonzero()[0]
        return np.array([[columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]])

    return Contest(lambda: rapidmask.masks_to_boxes(packed), [Peer("numpy", numpy_box)])


def of_torch(contest: Callable[[Any, Any], Contest]) -> Callable[[np.ndarray], Contest]:
    """Give a contest torch and the input as a tensor; it is skipped where torch is not installed."""

    def build(x: np.ndarray) -> Contest:
        import torch

        return contest(torch, torch.from_numpy(x.copy()))

    return build


def torch_threshold(torch: Any, x: Any) -> Contest:
    return Contest(lambda: rapidmask.threshold(x, 0.25), [Peer("torch", lambda: x > 0.25)])


def torch_areas(torch: Any, x: Any) -> Contest:
    mask = x > 0
    return Contest(lambda: rapidmask.mask_areas(mask), [Peer("torch", lambda: torch.count_nonzero(mask))])


def torch_pack(torch: Any, x: Any) -> Contest:
    """Against NumPy's function on the same memory: torch has none."""
    mask = x > 0
    return Contest(lambda: rapidmask.pack(mask), [Peer("numpy", lambda: packbits(mask.numpy()), same_bits)])


COMPARISONS = [
    *(
        Comparison(operation, "32×32", contest, limit_us=_NUMPY_LIMIT_US)
        for operation, contest in {
            "threshold": threshold,
            "threshold with out=": threshold_into,
            "threshold → packed": threshold_to_packed,
            "pack": pack,
            "unpack": unpack,
            "mask_areas": areas,
            "mask_areas of packed": areas_of_packed,
            "masks_to_boxes of packed": boxes_of_packed,
        }.items()
    ),
    Comparison("threshold_otsu", "32×32", otsu),
    *(
        Comparison(operation, "32×32", of_torch(contest), limit_us=_TORCH_LIMIT_US)
        for operation, contest in {
            "threshold of torch": torch_threshold,
            "pack of torch": torch_pack,
            "mask_areas of torch": torch_areas,
        }.items()
    ),
]
