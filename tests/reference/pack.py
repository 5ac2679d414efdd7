"""One bit per pixel, by NumPy's own packing."""

import numpy as np


def pack(masks):
    """The bytes (N, H, 8·ceil(W/64)) of masks (N, H, W)."""
    n, h, w = masks.shape
    bits = np.packbits(masks != 0, axis=-1, bitorder="little")
    packed = np.zeros((n, h, 8 * -(-w // 64)), np.uint8)
    packed[..., : bits.shape[-1]] = bits
    return packed
