"""Masks from prototypes, as they are defined: the whole grid, resized as a whole, cropped at last."""

import math

import numpy as np

from reference import upsample

F = np.float32


def combine(prototypes, coefficients):
    """Linear combinations (N, h, w), summed up in the order of channels."""
    with np.errstate(invalid="ignore", over="ignore", under="ignore"):
        total = coefficients[:, 0, None, None].astype(F) * prototypes[0].astype(F)
        for k in range(1, len(prototypes)):
            total = total + coefficients[:, k, None, None].astype(F) * prototypes[k].astype(F)
    return total


def inside(boxes, height, width):
    """Which pixels, by their index, are in each box."""
    x0, y0, x1, y1 = (np.asarray(boxes, F)[:, k, None, None] for k in range(4))
    x, y = np.arange(width, dtype=F)[None, None], np.arange(height, dtype=F)[None, :, None]
    return (x >= x0) & (x < x1) & (y >= y0) & (y < y1)


def padding(grid, size):
    """What ultralytics 8.4 cuts: top, left, height and width of what is left of a grid."""
    gain = min(grid[0] / size[0], grid[1] / size[1])
    kept = [max(round(extent * gain), 1) for extent in size]
    first = [round((full - part) / 2 - 0.1) for full, part in zip(grid, kept, strict=True)]
    return (*first, *kept)


def automatic_factor(letterbox, size):
    """The factor of process_mask_native."""
    gain = min(letterbox[0] / size[0], letterbox[1] / size[1])
    rest = [full - max(round(extent * gain), 1) for full, extent in zip(letterbox, size, strict=True)]
    pad = rest[0] | rest[1]
    return 4 // math.gcd(4, pad | pad // 2)


def values(prototypes, coefficients, boxes, size, *, crop="after", letterbox=None, pre_upsample=1, activation=None):
    """The values that are compared, (N, H, W), and which pixels may be foreground."""
    x = combine(prototypes, coefficients)
    grid = x.shape[1:]
    if activation == "sigmoid":
        x = upsample.sigmoid(x)
    if crop == "before":
        scale = np.array([grid[1] / size[1], grid[0] / size[0]] * 2).astype(F)
        x = np.where(inside(np.asarray(boxes, F) * scale, *grid), x, F(0))
    if pre_upsample == "auto":
        pre_upsample = automatic_factor(letterbox, size)
    if pre_upsample != 1:
        x = upsample.resize(x, (grid[0] * pre_upsample, grid[1] * pre_upsample))
    if letterbox is not None:
        top, left, height, width = padding(x.shape[1:], size)
        x = x[:, top : top + height, left : left + width]
    x = upsample.resize(x, size)
    return x, inside(boxes, *size) if crop == "after" else np.ones(x.shape, bool)


def statistics(x, kept, threshold, op, offset):
    """Areas, boxes and stability scores of values within boxes."""
    below = F(-np.inf)
    return upsample.statistics(np.where(kept, x, below), threshold, op, offset)
