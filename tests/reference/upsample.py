"""Resizing of logits into masks, pixel by pixel in float32."""

import numpy as np

F = np.float32


def taps(size, given):
    """For each of `size` pixels the two of `given` that it mixes, and their weights."""
    if size == given:
        i = np.arange(size)
        return i, i, np.ones(size, F), np.zeros(size, F)
    position = np.maximum(F(given) / F(size) * (np.arange(size).astype(F) + F(0.5)) - F(0.5), F(0))
    first = np.minimum(position.astype(np.int64), given - 1)
    second_weight = np.minimum(position - first.astype(F), F(1))
    return first, np.minimum(first + 1, given - 1), F(1) - second_weight, second_weight


def mix(first, second, first_weight, second_weight):
    """A mixture of two values; of one where the other counts for nothing."""
    with np.errstate(invalid="ignore", over="ignore", under="ignore"):
        mixed = first_weight * first + second_weight * second
    return np.where(second_weight == 0, first, mixed)


def resize(images, size):
    """Bilinear interpolation of (..., h, w): along rows, then across them."""
    left, right, left_weight, right_weight = taps(size[1], images.shape[-1])
    rows = mix(images[..., left], images[..., right], left_weight, right_weight)
    top, bottom, top_weight, bottom_weight = taps(size[0], images.shape[-2])
    return mix(rows[..., top, :], rows[..., bottom, :], top_weight[:, None], bottom_weight[:, None])


def exponential(x):
    """e^x in float32, as `portable_exp` computes it."""
    with np.errstate(all="ignore"):
        bounded = np.where(np.isnan(x), F(0), np.clip(x, F(-105), F(105)))
        whole = (bounded * F(1.44269502) + F(12582912)) - F(12582912)
        r = (bounded - whole * F(0.693359375)) - whole * F(-2.12194442e-4)
        series = F(1 / 5040)
        for factor in (720, 120, 24, 6, 2):
            series = series * r + F(1 / factor)
        power = F(1) + (r + r * r * series)
        half = np.floor(whole / 2).astype(np.int64)
        factor, other = np.exp2(half.astype(F)), np.exp2((whole.astype(np.int64) - half).astype(F))
        return np.where(np.isnan(x), F(np.nan), power * factor * other).astype(F)


def sigmoid(x):
    """1 / (1 + e^-x) in float32."""
    with np.errstate(all="ignore"):
        return F(1) / (F(1) + exponential(-x))


def values(logits, size, intermediate=None, crop=None, activation=None):
    """The resized values."""
    x = np.asarray(logits).astype(F)
    if activation == "sigmoid":
        x = sigmoid(x)
    if intermediate is not None:
        x = resize(x, intermediate)
    if crop is not None:
        x = x[..., : crop[0], : crop[1]]
    return resize(x, size)


def compare(x, threshold, op):
    """Which values are above a threshold."""
    return x > F(threshold) if op == ">" else x >= F(threshold)


def statistics(x, threshold, op, offset):
    """Areas, boxes and stability scores of values (n, h, w)."""
    areas, boxes, stability = [], [], []
    for value in x:
        mask = compare(value, threshold, op)
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        areas.append(mask.sum())
        boxes.append([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1] if mask.any() else [0] * 4)
        high, low = (compare(value, threshold + side * offset, op).sum() for side in (1, -1))
        with np.errstate(invalid="ignore", divide="ignore"):
            stability.append(F(high) / F(low))
    return np.array(areas, np.int64), np.array(boxes, np.int64).reshape(-1, 4), np.array(stability, F)
