"""Masks and layouts that operations tend to get wrong, shared by the tests of all families."""

import re

import numpy as np
import pytest

WIDTHS = (1, 2, 7, 8, 63, 64, 65, 127, 128, 129)


def spiral(size):
    """A spiral one pixel wide, from the corner inwards: one component whose runs meet late."""
    mask = np.zeros((size, size), bool)
    y = x = 0
    dy, dx = 0, 1
    mask[0, 0] = True
    while True:
        for _ in range(2):
            ny, nx = y + dy, x + dx
            ahead = (ny + dy, nx + dx)
            inside = 0 <= ny < size and 0 <= nx < size and not mask[ny, nx]
            free = not (0 <= ahead[0] < size and 0 <= ahead[1] < size) or not mask[ahead]
            if inside and free:
                break
            dy, dx = dx, -dy
        else:
            return mask
        y, x = ny, nx
        mask[y, x] = True


def hostile_masks():
    """Names and batches (N, H, W) of awkward shape or content."""
    rng = np.random.default_rng(7)
    cases = {
        "no masks": np.zeros((0, 4, 5), bool),
        "no rows": np.zeros((2, 0, 5), bool),
        "no columns": np.zeros((2, 5, 0), bool),
        "nothing": np.zeros((1, 0, 0), bool),
        "one pixel": np.ones((1, 1, 1), bool),
        "all background": np.zeros((2, 9, 70), bool),
        "all foreground": np.ones((2, 9, 70), bool),
        "checkerboard": (np.indices((1, 19, 67)).sum(0) % 2).astype(bool),
        "comb": np.broadcast_to(np.arange(66) % 2 == 0, (1, 11, 66)) | (np.arange(11) == 10)[None, :, None],
        "diagonals": (np.indices((1, 17, 65))[1] + np.indices((1, 17, 65))[2]) % 5 == 0,
        "spiral": spiral(21)[None],
        "one row": rng.random((3, 1, 200)) < 0.5,
        "one column": rng.random((3, 200, 1)) < 0.5,
    }
    for width in WIDTHS:
        cases[f"width {width}"] = rng.random((2, 5, width)) < 0.5
    return cases


def layouts(array):
    """Names and arrays of equal content: contiguous, strided, offset, Fortran, reversed, read-only."""
    yield "C", np.ascontiguousarray(array)
    yield "Fortran", np.asfortranarray(array)
    wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1] + 3), array.dtype)
    wide[..., 3::2] = array
    yield "strided", wide[..., 3::2]
    flat = np.zeros(array.size + 1, array.dtype)
    flat[1:] = array.ravel()
    yield "offset", flat[1:].reshape(array.shape)
    yield "reversed", np.ascontiguousarray(array[..., ::-1, :])[..., ::-1, :]
    frozen = array.copy()
    frozen.flags.writeable = False
    yield "read-only", frozen


def guarded(shape, dtype, guard=64):
    """An array between guard bytes, and a function that tells whether these are untouched."""
    dtype = np.dtype(dtype)
    size = int(np.prod(shape)) * dtype.itemsize
    buffer = np.full(size + 2 * guard, 0xA5, np.uint8)
    array = buffer[guard : guard + size].view(dtype).reshape(shape)
    return array, lambda: bool((buffer[:guard] == 0xA5).all() and (buffer[guard + size :] == 0xA5).all())


def refuses(error, text):
    """Context in which exactly this sentence must be raised."""
    return pytest.raises(error, match=f"^{re.escape(text)}$")
