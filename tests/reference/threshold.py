"""Comparison pixel by pixel in Python's numbers, which compare exactly across types."""

import operator

import numpy as np

OPERATORS = {">": operator.gt, ">=": operator.ge}


def threshold(x, value, op=">"):
    """Foreground where ``x > value``; value is a number or an array that broadcasts to x."""
    compare = OPERATORS[op]
    values = np.broadcast_to(np.asarray(value, object), x.shape)
    return np.array(
        [compare(pixel, limit) for pixel, limit in zip(x.ravel().tolist(), values.ravel().tolist(), strict=True)], bool
    ).reshape(x.shape)


def hysteresis(x, low, high, connectivity=8):
    """Grow the pixels above high into those above low until nothing changes."""
    weak = (x > low) | (x > high)
    grown = x > high
    while True:
        padded = np.pad(grown, 1)
        h, w = x.shape
        steps = [(-1, 0), (1, 0), (0, -1), (0, 1)]
        if connectivity == 8:
            steps += [(-1, -1), (-1, 1), (1, -1), (1, 1)]
        new = grown.copy()
        for dy, dx in steps:
            new |= padded[1 + dy : 1 + dy + h, 1 + dx : 1 + dx + w]
        new &= weak
        if (new == grown).all():
            return grown
        grown = new
