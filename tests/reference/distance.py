"""Distances to the background, by measuring them all."""

import numpy as np


def squares(mask, spacing):
    """Squared distance of each pixel of one mask of any rank to its nearest background pixel; inf where there is none.

    Spacings that are equal count as 1.
    """
    weights = [1.0 if len(set(spacing)) == 1 else step * step for step in spacing]
    background = np.argwhere(mask == 0)
    result = np.full(mask.shape, np.inf)
    for pixel in np.ndindex(mask.shape):
        steps = (background - np.array(pixel, int)).astype(np.float64)
        square = np.zeros(len(background))
        for axis in (*range(mask.ndim)[-2:], *range(mask.ndim)[:-2]):  # y, x and then z
            square = square + weights[axis] * (steps[:, axis] * steps[:, axis])
        result[pixel] = square.min(initial=np.inf)
    return result


def distance_transform(masks, spacing, squared=False):
    """Float32 distances in masks (N, H, W), or (N, D, H, W), with a spacing for each of the last axes."""
    scale = spacing[0] if len(set(spacing)) == 1 else 1.0
    result = np.empty(masks.shape)
    for i, mask in enumerate(masks):
        square = squares(mask, spacing)
        result[i] = scale * scale * square if squared else scale * np.sqrt(square)
    with np.errstate(over="ignore", under="ignore"):  # what float32 does not hold is infinite, or 0
        return result.astype(np.float32)
