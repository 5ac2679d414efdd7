"""Pasting of detections' masks, against the compositions of torch that detectron2 and torchvision use on the CPU."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

import rapidmask
from bench_pack import packbits, padded
from compare import Comparison, Contest, Peer, optional

torch = optional("torch")

_SIZE = (800, 1333)
_SHARE = 1e-5  # of the pixels: where a value is within rounding of the threshold


def _split(detections: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    side = detections.shape[2]
    return np.ascontiguousarray(detections[:, :side]), np.ascontiguousarray(detections[:, side, :4])


def _nearly(ours: np.ndarray, theirs: np.ndarray) -> None:
    assert (ours != theirs).mean() < _SHARE, "masks differ by more than rounding"


def _nearly_bits(ours: rapidmask.PackedMasks, theirs: np.ndarray) -> None:
    _nearly(ours.data, padded(packbits(theirs)))


def _grid_sample(masks: Any, boxes: Any, out: Any) -> Any:
    """One mask at a time, in the window that its box covers, as detectron2 does on the CPU."""
    out.zero_()
    height, width = _SIZE
    for i in range(len(masks)):
        x0, y0, x1, y1 = boxes[i].tolist()
        left, top = max(int(np.floor(x0)) - 1, 0), max(int(np.floor(y0)) - 1, 0)
        right, bottom = min(int(np.ceil(x1)) + 1, width), min(int(np.ceil(y1)) + 1, height)
        y = (torch.arange(top, bottom, dtype=torch.float32) + 0.5 - y0) / (y1 - y0) * 2 - 1
        x = (torch.arange(left, right, dtype=torch.float32) + 0.5 - x0) / (x1 - x0) * 2 - 1
        shape = (len(y), len(x))
        grid = torch.stack([x[None, :].expand(shape), y[:, None].expand(shape)], dim=2)[None]
        values = torch.nn.functional.grid_sample(masks[i][None, None], grid, align_corners=False)
        out[i, top:bottom, left:right] = values[0, 0] >= 0.5
    return out


def _interpolate(masks: Any, boxes: Any, out: Any) -> Any:
    """One mask at a time, as torchvision pastes them."""
    out.zero_()
    height, width = _SIZE
    padded_masks = torch.nn.functional.pad(masks, (1,) * 4)
    scale = padded_masks.shape[-1] / masks.shape[-1]
    half, centre = (boxes[:, 2:] - boxes[:, :2]) * 0.5 * scale, (boxes[:, 2:] + boxes[:, :2]) * 0.5
    corners = torch.cat([centre - half, centre + half], 1).to(torch.int64).tolist()
    for i, (x0, y0, x1, y1) in enumerate(corners):
        size = (max(y1 - y0 + 1, 1), max(x1 - x0 + 1, 1))
        values = torch.nn.functional.interpolate(
            padded_masks[i][None, None], size=size, mode="bilinear", align_corners=False
        )[0, 0]
        left, top, right, bottom = max(x0, 0), max(y0, 0), min(x1 + 1, width), min(y1 + 1, height)
        out[i, top:bottom, left:right] = values[top - y0 : bottom - y0, left - x0 : right - x0] >= 0.5
    return out


_THEIRS = {"grid_sample": _grid_sample, "interpolate": _interpolate}


def paste(method: str, output: str, detections: np.ndarray) -> Contest:
    masks, boxes = _split(detections)
    n = len(masks)
    words = 8 * -(-_SIZE[1] // 64)
    out = None
    if output != "rle":
        out = np.empty((n, _SIZE[0], words), np.uint8) if output == "packed" else np.empty((n, *_SIZE), np.uint8)
    peers = []
    if torch:
        given, corners = torch.from_numpy(masks), torch.from_numpy(boxes)
        theirs = torch.empty((n, *_SIZE), dtype=torch.bool)

        def call() -> Any:
            return _THEIRS[method](given, corners, theirs).numpy()

        def as_runs(ours: Any, masks: np.ndarray) -> None:
            _nearly(ours.to_dense(), masks)

        check = {"packed": _nearly_bits, "rle": as_runs}.get(output, _nearly)
        peers.append(Peer(f"torch {method}, mask by mask", call, check))
    return Contest(
        lambda: rapidmask.paste_masks(masks, boxes, _SIZE, method=method, output=output, out=out),  # type: ignore[arg-type]
        peers,
    )


_DENSE, _PACKED = "paste → 800×1333 uint8 with out=", "paste → 800×1333 packed with out="

COMPARISONS = [
    Comparison(_DENSE, "detections 100×28²", partial(paste, "grid_sample", "uint8"), bar=13, goal=20),
    Comparison(_DENSE, "noisy detections 100×28²", partial(paste, "grid_sample", "uint8")),
    Comparison(_PACKED, "detections 100×28²", partial(paste, "grid_sample", "packed"), goal=100),
    Comparison(_PACKED, "noisy detections 100×28²", partial(paste, "grid_sample", "packed")),
    Comparison("paste → 800×1333 RLE", "detections 100×28²", partial(paste, "grid_sample", "rle")),
    Comparison(
        "paste, torchvision's rule → uint8 with out=", "detections 100×28²", partial(paste, "interpolate", "uint8")
    ),
]
