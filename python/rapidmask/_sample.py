"""A drawn picture to try the command on: cells under a microscope, lit unevenly.

It has what makes segmentation worth a tool: touching and overlapping cells of many sizes, dark holes, specks of dirt,
shading within each cell, a background that grows brighter to one side, and noise.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_SIDE = 512
_CELLS = 64
_SPECKS = 90

_Floats = npt.NDArray[np.float64]


def sample_picture() -> npt.NDArray[np.uint8]:
    """Draw the sample.

    Returns
    -------
    numpy.ndarray of uint8, shape (512, 512)
        The same picture in every run.
    """
    rng = np.random.default_rng(20)
    y, x = np.mgrid[0:_SIDE, 0:_SIDE].astype(np.float64)
    light = np.zeros((_SIDE, _SIDE))
    placed: list[tuple[float, float, float]] = []
    for radius in np.sort(rng.gamma(3.0, 6.0, _CELLS) + 8)[::-1]:
        for _ in range(200):  # cells may touch, but none lies over another's middle
            cy, cx = rng.uniform(0, _SIDE, 2)
            if all(np.hypot(cy - oy, cx - ox) > 0.88 * (radius + other) for oy, ox, other in placed):
                placed.append((cy, cx, radius))
                near = _around(cy, cx, 1.8 * radius + 8)
                light[near] = np.maximum(light[near], _cell(y[near] - cy, x[near] - cx, radius, rng))
                break
    for _ in range(_SPECKS):
        cy, cx = rng.uniform(0, _SIDE, 2)
        radius, strength = rng.uniform(0.7, 1.9), rng.uniform(0.3, 0.8)
        near = _around(cy, cx, 10)
        distance = np.hypot(y[near] - cy, x[near] - cx) / radius
        light[near] = np.maximum(light[near], strength * np.exp(-0.5 * distance**2))
    background = 0.07 + 0.22 * (x + 0.5 * y) / (1.5 * _SIDE) + 0.02 * np.sin(x / 61) * np.cos(y / 83)
    noise = rng.normal(size=light.shape) * (0.008 + 0.022 * np.sqrt(background + light))
    pixels: npt.NDArray[np.uint8] = np.clip((background + 0.76 * light + noise) * 255, 0, 255).astype(np.uint8)
    return pixels


def _around(cy: float, cx: float, reach: float) -> tuple[slice, slice]:
    """Return the part of the picture around a point."""
    rows, columns = (slice(max(0, int(c - reach)), int(c + reach) + 1) for c in (cy, cx))
    return rows, columns


def _cell(dy: _Floats, dx: _Floats, radius: float, rng: np.random.Generator) -> _Floats:
    """Return the light of one cell around the origin, from 0 to 1."""
    turn, stretch = rng.uniform(0, np.pi), rng.uniform(1.0, 1.3)
    along, across = np.cos(turn) * dx + np.sin(turn) * dy, np.cos(turn) * dy - np.sin(turn) * dx
    distance, angle = np.hypot(along / stretch, across * stretch), np.arctan2(across, along)
    waves = [rng.normal(0, 0.07 / k) * np.cos(k * angle + rng.uniform(0, 2 * np.pi)) for k in (1, 2, 3, 4, 5)]
    depth = distance / (radius * (1 + sum(waves)))  # 1 on the outline
    shade = 0.84 + 0.22 * np.minimum(depth, 1) ** 4 - 0.16 * (dx + dy) / (1.4 * radius)
    if rng.random() < 0.45:  # a vacuole, as dark as the background
        oy, ox = rng.uniform(-0.3, 0.3, 2) * radius
        shade *= 1 - 0.97 * _step((rng.uniform(0.14, 0.34) * radius - np.hypot(along - ox, across - oy)) / 0.9)
    strength = rng.uniform(0.64, 1.0)
    return np.asarray(np.clip(strength * shade * _step((1 - depth) * radius / 1.1), 0, 1))


def _step(t: _Floats) -> _Floats:
    """Return a soft step from 0 to 1, with its middle at 0."""
    return np.asarray(0.5 + 0.5 * np.tanh(0.5 * t))
