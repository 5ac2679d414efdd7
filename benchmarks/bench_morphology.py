"""Morphology by footprints, against OpenCV on bytes."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

import rapidmask
from compare import Comparison, Contest, Peer, optional

cv2 = optional("cv2")
ndimage = optional("scipy.ndimage")

_OF_CV2 = {"dilate": "dilate", "erode": "erode", "opening": "MORPH_OPEN", "gradient": "MORPH_GRADIENT"}


def _by_cv2(operation: str, footprint: np.ndarray) -> Any:
    if operation in ("dilate", "erode"):
        return partial(getattr(cv2, operation), kernel=footprint)
    return partial(cv2.morphologyEx, op=getattr(cv2, _OF_CV2[operation]), kernel=footprint)


def morphology(operation: str, make_footprint: Any, mask: np.ndarray, *, packed: bool = False) -> Contest:
    """From uint8 to uint8, into memory that is there, or from bits to bits; the peer is the same."""
    as_uint8 = mask.view(np.uint8)
    footprint = make_footprint()
    given = rapidmask.pack(as_uint8[None]) if packed else as_uint8
    ours, theirs = np.empty_like(as_uint8), np.empty_like(as_uint8)
    apply, reference = getattr(rapidmask, operation), _by_cv2(operation, footprint)
    options = {} if packed else {"out": ours}

    def check(result: Any, expected: np.ndarray) -> None:
        np.testing.assert_array_equal(result.to_dense(np.uint8)[0] if packed else result, expected)

    return Contest(
        lambda: apply(given, footprint, **options), [Peer("cv2", lambda: reference(as_uint8, dst=theirs), check)]
    )


_ROWS = (
    ("dilate 3×3", "dilate", partial(rapidmask.square, 3), (1.3, 1.7), (6, 12)),
    ("dilate 15×15", "dilate", partial(rapidmask.square, 15), (1.8, 3), (4.5, 10)),
    ("dilate ellipse r=7", "dilate", partial(rapidmask.ellipse, 15, 15), (7, 12), (12, 25)),
    ("dilate ellipse r=25", "dilate", partial(rapidmask.ellipse, 51, 51), (40, 60), (55, 100)),
    ("opening 3×3", "opening", partial(rapidmask.square, 3), (1.5, 2.5), (8, 12)),
)

COMPARISONS = [
    Comparison(
        f"{name}, {form}", "mask 12 MP", partial(morphology, operation, footprint, packed=form == "packed"),
        bar=bars[0], goal=bars[1],
    )
    for name, operation, footprint, dense, bits in _ROWS
    for form, bars in (("uint8", dense), ("packed", bits))
]  # fmt: skip
COMPARISONS += [
    Comparison(f"{name}, uint8", "mask 2999×4001", partial(morphology, operation, footprint))
    for name, operation, footprint, _, _ in _ROWS
]
COMPARISONS.append(
    Comparison("gradient 3×3, uint8", "mask 12 MP", partial(morphology, "gradient", partial(rapidmask.square, 3)))
)
