"""COCO's run lengths and their string, from the definition."""

import numpy as np


def counts(mask):
    """Canonical runs of one mask, column by column, background first."""
    pixels = (np.asarray(mask) != 0).ravel(order="F")
    if pixels.size == 0:
        return []
    changes = np.flatnonzero(np.diff(pixels)) + 1
    edges = [0, *changes.tolist(), pixels.size]
    runs = np.diff(edges).tolist()
    return [0, *runs] if pixels[0] else runs


def mask(runs, size):
    """The mask of runs."""
    pixels = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return pixels.reshape(size, order="F")


def boxes(masks):
    """Half-open bounding boxes, zeros for an empty mask."""
    result = np.zeros((len(masks), 4), np.int64)
    for i, m in enumerate(masks):
        y, x = np.nonzero(m)
        if len(y):
            result[i] = x.min(), y.min(), x.max() + 1, y.max() + 1
    return result


def labels(labels):
    """The masks of all values but 0 of label maps (N, H, W), with their values and maps."""
    found = [(one == value, value, i) for i, one in enumerate(labels) for value in np.unique(one) if value != 0]
    masks = np.array([mask for mask, _, _ in found], bool).reshape(len(found), *labels.shape[1:])
    return masks, [value for _, value, _ in found], [i for _, _, i in found]
