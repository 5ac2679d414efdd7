"""Binary morphology, offset by offset."""

import numpy as np


def offsets(footprint):
    """Indices of the elements that are set, less size // 2."""
    footprint = np.asarray(footprint)
    return np.argwhere(footprint) - np.array(footprint.shape) // 2


def shifted(mask, offset, outside):
    """The mask whose pixel p is mask(p + offset)."""
    result = np.full(mask.shape, outside, bool)
    to, at = [], []
    for o, size in zip(offset, mask.shape, strict=True):
        o = max(-size, min(o, size))
        to.append(slice(max(-o, 0), size - max(o, 0)))
        at.append(slice(max(o, 0), size - max(-o, 0)))
    result[tuple(to)] = mask[tuple(at)]
    return result


def dilate(mask, footprint, border="ignore"):
    """OR of mask(p - o)."""
    result = np.zeros(mask.shape, bool)
    for offset in offsets(footprint):
        result |= shifted(mask, [-o for o in offset], border == "ones")
    return result


def erode(mask, footprint, border="ignore"):
    """AND of mask(p + o)."""
    result = np.ones(mask.shape, bool)
    for offset in offsets(footprint):
        result &= shifted(mask, offset, border != "zeros")
    return result


def repeat(function, mask, footprint, iterations, border):
    """The function of the function of the mask, and so on."""
    for _ in range(iterations):
        mask = function(mask, footprint, border)
    return mask


def morphology(operation, mask, footprint, iterations=1, border="ignore"):
    """Any of the operations on one mask, of two dimensions or three."""
    mask = np.asarray(mask) != 0

    def dilated(mask):
        return repeat(dilate, mask, footprint, iterations, border)

    def eroded(mask):
        return repeat(erode, mask, footprint, iterations, border)

    return {
        "dilate": lambda: dilated(mask),
        "erode": lambda: eroded(mask),
        "opening": lambda: dilated(eroded(mask)),
        "closing": lambda: eroded(dilated(mask)),
        "gradient": lambda: dilated(mask) & ~eroded(mask),
        "white_tophat": lambda: mask & ~dilated(eroded(mask)),
        "black_tophat": lambda: eroded(dilated(mask)) & ~mask,
    }[operation]()
