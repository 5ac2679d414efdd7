"""Comparison pixel by pixel in Python's numbers, which compare exactly across types."""

import itertools
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
    axes = {4: 1, 8: 2, 6: 1, 18: 2, 26: 3}[connectivity]  # that a step to a neighbour may move along
    steps = [step for step in itertools.product((0, 1, 2), repeat=x.ndim) if np.abs(np.subtract(step, 1)).sum() <= axes]
    while True:
        padded = np.pad(grown, 1)
        new = np.zeros_like(grown)
        for step in steps:
            new |= padded[tuple(slice(begin, begin + extent) for begin, extent in zip(step, x.shape, strict=True))]
        new &= weak
        if (new == grown).all():
            return grown
        grown = new
