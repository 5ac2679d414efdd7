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


def by_cv2(
    prototypes: np.ndarray, coefficients: np.ndarray, boxes: np.ndarray, out: np.ndarray | None
) -> Callable[[], np.ndarray]:
    """A careful loop: the cells of a box are combined, with some around them, and become whole pixels."""
    grid = np.array(prototypes.shape[1:])
    step = grid // np.gcd(grid, _SIZE)  # cells that are whole pixels together
    pixels = step * _SIZE // grid

    def run() -> np.ndarray:
        if out is not None:
            out.fill(0)
        masks = np.zeros((len(boxes), *_SIZE), np.uint8) if out is None else out
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


_OPENCV, _OPENCV_NEW, _TORCH = "cv2 within boxes", "cv2 within boxes, into new masks", "torch"


def masks(names: tuple[str, ...], output: str, into: bool, given: np.ndarray) -> Contest:
    """Into memory that is there or into new memory, on our side and on that of peers that can do so."""
    prototypes = given.copy()  # torch asks for writable memory
    coefficients, boxes = cases.detections(_COUNT, len(prototypes), _SIZE)
    shape = (_COUNT, _SIZE[0], -(-_SIZE[1] // 64) * 8) if output == "packed" else (_COUNT, *_SIZE)
    out = np.zeros(shape, np.uint8) if into else None
    peers = {
        _OPENCV: lambda: by_cv2(prototypes, coefficients, boxes, np.zeros((_COUNT, *_SIZE), np.uint8)),
        _OPENCV_NEW: lambda: by_cv2(prototypes, coefficients, boxes, None),
        _TORCH: lambda: by_torch(prototypes, coefficients, boxes),
    }
    return Contest(
        lambda: rapidmask.decode_prototypes(prototypes, coefficients, boxes, _SIZE, output=output, out=out),
        [Peer(name, peers[name](), nearly_same) for name in names],
    )


_SMOOTH, _NOISY, _WHITE = "prototypes 32×160²", "noisy prototypes 32×160²", "white prototypes 32×160²"
_TO_PACKED, _TO_UINT8 = "300 boxes → 720×1280, packed", "300 boxes → 720×1280, uint8"

COMPARISONS = [
    Comparison(
        f"{_TO_PACKED} with out=",
        _SMOOTH,
        partial(masks, (_OPENCV, _OPENCV_NEW), "packed", True),
        bar=15.0,
        goal=30.0,
        against=_OPENCV_NEW,
    ),
    Comparison(f"{_TO_PACKED} with out=", _SMOOTH, partial(masks, (_TORCH,), "packed", True), bar=900.0, goal=2000.0),
    Comparison(_TO_PACKED, _SMOOTH, partial(masks, (_OPENCV, _OPENCV_NEW), "packed", False)),
    Comparison(
        f"{_TO_PACKED} with out=",
        _NOISY,
        partial(masks, (_OPENCV, _OPENCV_NEW), "packed", True),
        bar=15.0,
        goal=30.0,
        against=_OPENCV_NEW,
    ),
    Comparison(f"{_TO_PACKED} with out=", _WHITE, partial(masks, (_OPENCV, _OPENCV_NEW), "packed", True)),
    Comparison(
        f"{_TO_UINT8} with out=",
        _SMOOTH,
        partial(masks, (_OPENCV, _OPENCV_NEW), "uint8", True),
        bar=4.0,
        against=_OPENCV_NEW,
    ),
    Comparison(
        f"{_TO_UINT8} with out=",
        _NOISY,
        partial(masks, (_OPENCV, _OPENCV_NEW), "uint8", True),
        bar=4.0,
        against=_OPENCV_NEW,
    ),
    Comparison(f"{_TO_UINT8} with out=", _WHITE, partial(masks, (_OPENCV, _OPENCV_NEW), "uint8", True)),
    Comparison(_TO_UINT8, _SMOOTH, partial(masks, (_OPENCV, _OPENCV_NEW), "uint8", False)),
]
