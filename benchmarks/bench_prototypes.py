"""Prototypes to masks, against OpenCV within each box, and against torch on whole images as ultralytics does it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import cases
import rapidmask
from compare import Comparison, Contest, Peer, optional

cv2 = optional("cv2")
torch = optional("torch")

_COUNT, _SIZE = 300, (720, 1280)
_ROUNDING = 1e-5  # of pixels, that peers may round to the other side of the threshold


def dense(answer: Any) -> np.ndarray:
    return answer.to_dense() if hasattr(answer, "to_dense") else np.asarray(answer) != 0


def nearly_same(ours: Any, theirs: Any) -> None:
    assert (dense(ours) != dense(theirs)).mean() < _ROUNDING


def by_cv2(prototypes: np.ndarray, coefficients: np.ndarray, boxes: np.ndarray) -> Callable[[], np.ndarray]:
    """A careful loop: the cells of a box are combined, with some around them, and become whole pixels."""
    grid = np.array(prototypes.shape[1:])
    step = grid // np.gcd(grid, _SIZE)  # cells that are whole pixels together
    pixels = step * _SIZE // grid
    masks = np.empty((len(boxes), *_SIZE), np.uint8)

    def run() -> np.ndarray:
        masks.fill(0)
        for mask, factors, box in zip(masks, coefficients, boxes, strict=True):
            (top, left), (bottom, right) = np.ceil(box[[1, 0]]).astype(int), np.ceil(box[[3, 2]]).astype(int)
            first = np.maximum(((top, left) // pixels - 1) * step, 0)
            last = np.minimum((-(-np.array((bottom, right)) // pixels) + 1) * step, grid)
            cells = prototypes[:, first[0] : last[0], first[1] : last[1]]
            logits = (factors @ cells.reshape(len(cells), -1)).reshape(cells.shape[1:])
            y, x = first * pixels // step
            height, width = (last - first) * pixels // step
            part = cv2.resize(logits, (int(width), int(height)))[top - y : bottom - y, left - x : right - x]
            cv2.compare(np.ascontiguousarray(part), 0, cv2.CMP_GT, dst=mask[top:bottom, left:right])
        return masks

    return run


def by_torch(prototypes: np.ndarray, coefficients: np.ndarray, boxes: np.ndarray) -> Callable[[], np.ndarray]:
    """What ultralytics' process_mask_native composes: every mask as floats of the picture's size, then its box."""
    planes, factors, corners = (torch.from_numpy(array) for array in (prototypes, coefficients, boxes))
    x0, y0, x1, y1 = (corners[:, k, None, None] for k in range(4))
    columns, rows = torch.arange(_SIZE[1])[None, None], torch.arange(_SIZE[0])[None, :, None]

    def run() -> np.ndarray:
        logits = (factors @ planes.reshape(len(planes), -1)).view(-1, *planes.shape[1:])
        values = torch.nn.functional.interpolate(logits[None], _SIZE, mode="bilinear", align_corners=False)[0]
        masks = values.gt_(0.0)
        masks *= (columns >= x0) & (columns < x1) & (rows >= y0) & (rows < y1)
        return masks.byte().numpy()

    return run


def masks(peer: str, output: str, into: bool, given: np.ndarray) -> Contest:
    prototypes = given.copy()  # torch asks for writable memory
    coefficients, boxes = cases.detections(_COUNT, len(prototypes), _SIZE)
    out = np.zeros((_COUNT, *_SIZE), np.uint8) if into else None
    peers = {"cv2 within boxes": by_cv2, "torch": by_torch}
    return Contest(
        lambda: rapidmask.decode_prototypes(prototypes, coefficients, boxes, _SIZE, output=output, out=out),
        [Peer(peer, peers[peer](prototypes, coefficients, boxes), nearly_same)],
    )


_SMOOTH, _NOISY = "prototypes 32×160²", "noisy prototypes 32×160²"
_TO_PACKED, _TO_UINT8 = "300 boxes → 720×1280, packed", "300 boxes → 720×1280, uint8 with out="

COMPARISONS = [
    Comparison(_TO_PACKED, _SMOOTH, partial(masks, "cv2 within boxes", "packed", False), bar=15.0, goal=30.0),
    Comparison(_TO_PACKED, _SMOOTH, partial(masks, "torch", "packed", False), bar=900.0, goal=2000.0),
    Comparison(_TO_PACKED, _NOISY, partial(masks, "cv2 within boxes", "packed", False)),
    Comparison(_TO_UINT8, _SMOOTH, partial(masks, "cv2 within boxes", "uint8", True), bar=4.0),
    Comparison(_TO_UINT8, _NOISY, partial(masks, "cv2 within boxes", "uint8", True)),
]
