"""The colours that labels have unless told otherwise."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_COUNT = 320  # labels beyond it begin again
_TRIED = 64  # colours of which the next is chosen
_RECENT = 12  # colours that the next must differ from
_LIGHTNESS = (0.42, 0.90)  # so that black and white pictures show through, and outlines show on them

# Linear RGB as it is seen without red, green or blue cones: Machado, Oliveira and Fernandes, "A Physiologically-based
# Model for Simulation of Color Vision Deficiency", 2009, of severity 1.
_VISIONS = (
    np.eye(3),
    np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]),
    np.array([[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]),
)
_LUMA = np.array([0.2126, 0.7152, 0.0722])

# OKLab: Björn Ottosson, "A perceptual color space for image processing", 2020.
_TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


@functools.cache
def default_colours() -> npt.NDArray[np.uint8]:
    """Return the table, (320, 3).

    Colours come from a sequence that fills lightness, hue and chroma evenly, so that all differ. Each is that of the
    next few which lies furthest from those before it, in OKLab and as seen by the worst of four kinds of eyes; it also
    differs in lightness from the one before.
    """
    linear = _sequence(_COUNT + _TRIED)
    seen = np.stack([_lab(np.clip(linear @ vision.T, 0, 1)) for vision in _VISIONS], axis=1)
    grey = _lab(np.repeat((linear @ _LUMA)[:, None], 3, axis=1))[:, 0]
    free = list(range(len(linear)))
    chosen = [free.pop(int(np.linalg.norm(seen[:_TRIED, 0, 1:], axis=1).argmax()))]  # the most colourful first
    patience = 1 + 0.1 * np.arange(_RECENT)  # the longer ago, the closer it may be
    while len(chosen) < _COUNT:
        tried, recent = np.array(free[:_TRIED]), np.array(chosen[: -_RECENT - 1 : -1])
        distances = np.sqrt(((seen[tried][:, None] - seen[recent]) ** 2).sum(3)).min(2) * patience[: len(recent)]
        apart = np.minimum(distances.min(1), np.abs(grey[tried] - grey[recent[0]]))
        chosen.append(free.pop(int(apart.argmax())))
    picked = linear[chosen]
    encoded = np.where(picked <= 0.0031308, 12.92 * picked, 1.055 * picked ** (1 / 2.4) - 0.055)
    table: npt.NDArray[np.uint8] = np.rint(encoded * 255).astype(np.uint8)
    table.flags.writeable = False
    return table


def _sequence(count: int) -> Floats:
    """Return colours, linear RGB, spread evenly over those that a screen shows."""
    ratio = 1.2207440846057596  # solves x⁴ = x + 1: its powers spread points in three dimensions
    spread = (0.5 + np.arange(1, count + 1)[:, None] / ratio ** np.array([1, 2, 3])) % 1
    lightness = _LIGHTNESS[0] + (_LIGHTNESS[1] - _LIGHTNESS[0]) * spread[:, 0]
    angle = 2 * np.pi * spread[:, 1]
    low, high = np.zeros(count), np.full(count, 0.32)
    for _ in range(12):  # the largest chroma of each, by bisection
        middle = (low + high) / 2
        linear = _linear_rgb(lightness, middle, angle)
        shown = ((linear >= 0) & (linear <= 1)).all(1)
        low, high = np.where(shown, middle, low), np.where(shown, high, middle)
    chroma = low * np.sqrt(0.35 + 0.65 * spread[:, 2])  # no greys
    return np.clip(_linear_rgb(lightness, chroma, angle), 0, 1)


def _linear_rgb(lightness: Floats, chroma: Floats, angle: Floats) -> Floats:
    """Return OKLab colours as linear RGB, (N, 3)."""
    lab = np.stack([lightness, chroma * np.cos(angle), chroma * np.sin(angle)], axis=1)
    return np.asarray((lab @ np.linalg.inv(_TO_LAB).T) ** 3 @ np.linalg.inv(_TO_CONES).T)


def _lab(linear: Floats) -> Floats:
    return np.asarray(np.cbrt(linear @ _TO_CONES.T) @ _TO_LAB.T)
