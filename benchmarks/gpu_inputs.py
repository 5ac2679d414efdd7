"""What the GPU benchmarks run on: torch tensors from fixed seeds, at full size or small enough for a dry run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

Tensors = tuple[Any, ...]


@dataclass(frozen=True)
class Scale:
    """Extents of the workloads: masks of a frame, and logits (K, side, side) that become masks of it."""

    n: int = 100
    h: int = 1080
    w: int = 1920
    k: int = 64
    side: int = 256
    radius: int = 15  # of the large footprint
    rivals: int = 1000  # masks of the suppression, of side²
    device: str = "cpu"

    @property
    def pixels(self) -> int:
        return self.n * self.h * self.w

    @property
    def small_pixels(self) -> int:
        return self.k * self.side * self.side


FULL = Scale()
TINY = Scale(n=3, h=48, w=72, k=4, side=16, radius=2, rivals=6)


def frames(s: Scale, n: int | None = None) -> Tensors:
    """Masks of ellipses in boxes of a fiftieth to a third of the frame, what a detector gives."""
    return (_ellipses(s, s.n if n is None else n, (s.h, s.w), seed=1),)


def small_masks(s: Scale) -> Tensors:
    """Masks (K, side, side) with holes and specks, what promptable segmentation gives."""
    return (logits(s)[0] > 0,)


def rival_masks(s: Scale) -> Tensors:
    """Masks (rivals, side, side) and their scores."""
    scores = np.random.default_rng(2).permutation(s.rivals) / s.rivals
    return _ellipses(s, s.rivals, (s.side, s.side), seed=3), _given(s, scores)


def large_logits(s: Scale) -> Tensors:
    """Logits (N, H, W), smooth."""
    return (_smooth(s, s.n, (s.h, s.w), 32, seed=4),)


def logits(s: Scale) -> Tensors:
    """Logits (K, side, side): smooth, with fine detail."""
    size = (s.side, s.side)
    return (_smooth(s, s.k, size, 16, seed=5) + 0.7 * _smooth(s, s.k, size, 3, seed=6),)


def classes(s: Scale) -> Tensors:
    """Logits (150, side, side)."""
    return (_smooth(s, 150, (s.side, s.side), 16, seed=7),)


def queries(s: Scale) -> Tensors:
    """Logits (100, side, side), and scores and labels of 100 queries."""
    rng = np.random.default_rng(8)
    scores, labels = rng.uniform(0.8, 1, 100).astype(np.float32), rng.integers(0, 133, 100)
    return 2 * _smooth(s, 100, (s.side, s.side), 16, seed=9) - 1, _given(s, scores), _given(s, labels)


def prototypes(s: Scale) -> Tensors:
    """Prototypes (32, side, side), coefficients (N, 32) and boxes (N, 4)."""
    rng = np.random.default_rng(10)
    coefficients = _given(s, rng.standard_normal((s.n, 32), np.float32))
    return _smooth(s, 32, (s.side, s.side), 16, seed=11), coefficients, _boxes(s, s.n, (s.h, s.w), seed=12)


def detections(s: Scale) -> Tensors:
    """Masks (N, 28, 28) of probabilities, and boxes (N, 4)."""
    return _smooth(s, s.n, (28, 28), 7, seed=13).sigmoid(), _boxes(s, s.n, (s.h, s.w), seed=14)


def images(s: Scale) -> Tensors:
    """Images (N, H, W) of uint8, with noise."""
    noise = np.random.default_rng(15).integers(0, 40, (s.n, s.h, s.w), np.uint8)
    return ((_smooth(s, s.n, (s.h, s.w), 64, seed=16).sigmoid() * 200).to(torch.uint8) + _given(s, noise),)


def label_maps(s: Scale) -> Tensors:
    """Two maps (N, H, W) of 150 classes, that agree in most pixels."""
    field = 40 * _smooth(s, s.n, (s.h, s.w), 48, seed=17)
    return (field.round().long() % 150).to(torch.uint8), ((field + 0.2).round().long() % 150).to(torch.uint8)


def _given(s: Scale, array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(array).to(s.device)


def _boxes(s: Scale, n: int, size: tuple[int, int], seed: int) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    extent = rng.uniform(0.02, 0.3, (n, 2)) * size[::-1]
    corner = rng.uniform(0, 1, (n, 2)) * (size[::-1] - extent)
    return _given(s, np.concatenate([corner, corner + extent], 1).astype(np.float32))


def _ellipses(s: Scale, n: int, size: tuple[int, int], seed: int) -> torch.Tensor:
    y, x = (torch.arange(extent, device=s.device) + 0.5 for extent in size)
    masks = torch.zeros((n, *size), dtype=torch.bool, device=s.device)
    for mask, (x0, y0, x1, y1) in zip(masks, _boxes(s, n, size, seed).tolist(), strict=True):
        mask |= ((2 * y[:, None] - y0 - y1) / (y1 - y0)) ** 2 + ((2 * x - x0 - x1) / (x1 - x0)) ** 2 < 1
    return masks


def _smooth(s: Scale, n: int, size: tuple[int, int], cell: int, seed: int) -> torch.Tensor:
    """Noise without detail below `cell` pixels."""
    grid = (n, 1, *(extent // cell + 2 for extent in size))
    coarse = _given(s, np.random.default_rng(seed).standard_normal(grid, np.float32))
    return 2 * torch.nn.functional.interpolate(coarse, size, mode="bicubic", align_corners=False)[:, 0]
