"""The literal definition of flooding from markers."""

import itertools

import numpy as np


def neighbours(connectivity):
    """Steps to the neighbours of a pixel (4, 8) or voxel (6, 18, 26), nearest first, then in raster order."""
    rank, furthest = {4: (2, 1), 8: (2, 2), 6: (3, 1), 18: (3, 2), 26: (3, 3)}[connectivity]
    steps = [step for step in itertools.product((-1, 0, 1), repeat=rank) if 0 < np.abs(step).sum() <= furthest]
    return sorted(steps, key=lambda step: np.abs(step).sum())


class Heap:
    """A binary heap in an array of (rank, pixel), whose order of equal ranks is part of the definition."""

    def __init__(self):
        self.items = []

    def push(self, rank, pixel):
        """Let an item rise from the end while it is less than its parent."""
        items = self.items
        items.append((rank, pixel))
        at = len(items) - 1
        while at > 0 and items[at][0] < items[(at - 1) // 2][0]:
            items[at], items[(at - 1) // 2] = items[(at - 1) // 2], items[at]
            at = (at - 1) // 2

    def pop(self):
        """Take the first item; the last one takes its place and sinks while its lesser child is less than it."""
        items = self.items
        items[0], items[-1] = items[-1], items[0]
        first = items.pop()
        at = 0
        while 2 * at + 1 < len(items):
            child = 2 * at + 1
            if child + 1 < len(items) and items[child + 1][0] < items[child][0]:
                child += 1
            if not items[child][0] < items[at][0]:
                break
            items[at], items[child] = items[child], items[at]
            at = child
        return first


def watershed(image, markers, connectivity, mask=None):
    """Labels of one image (H, W) or volume (D, H, W)."""
    mask = np.ones(image.shape, bool) if mask is None else mask != 0
    labels = np.where(mask, markers, 0).astype(np.int32)
    values = image.astype(np.float64)
    levels = [(bool(np.isnan(value)), 0.0 if np.isnan(value) else float(value)) for value in values.ravel()]
    level_of = dict(zip(np.ndindex(image.shape), levels, strict=True))
    queue, age = Heap(), 0
    for pixel in np.ndindex(image.shape):
        if labels[pixel] != 0:
            queue.push((level_of[pixel], 0), pixel)
    while queue.items:
        (level, _), pixel = queue.pop()
        for step in neighbours(connectivity):
            to = tuple(a + b for a, b in zip(pixel, step, strict=True))
            if any(i < 0 or i >= size for i, size in zip(to, image.shape, strict=True)):
                continue
            if mask[to] and labels[to] == 0:
                age += 1
                labels[to] = labels[pixel]
                queue.push((max(level, level_of[to]), age), to)
    return labels
