"""Masks and layouts that operations tend to get wrong, shared by the tests of all families."""

import re

import numpy as np
import pytest

import rapidmask

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


def snake(depth, height, width):
    """A path one voxel wide through every other row of every other slice: one component whose runs meet late."""
    volume = np.zeros((depth, height, width), bool)
    volume[::2, ::2] = True
    for z in range(0, depth, 2):
        for turn, y in enumerate(range(1, height, 2)):
            volume[z, y, -1 if turn % 2 == 0 else 0] = True
    for turn, z in enumerate(range(1, depth, 2)):
        volume[z, -1 if turn % 2 == 0 else 0, 0] = True
    return volume


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


def hostile_volumes():
    """Names and batches (N, D, H, W) of volumes of awkward shape or content."""
    rng = np.random.default_rng(8)
    z, y, x = np.indices((5, 7, 66))
    shell = np.ones((5, 6, 67), bool)
    shell[1:-1, 1:-1, 1:-1] = False
    inside = shell.copy()
    inside[2, 2:4, 20:40] = True
    leaking = shell.copy()
    leaking[0, 0, 0] = False  # only a path of corners leads out
    cases = {
        "no volumes": np.zeros((0, 3, 4, 5), bool),
        "no slices": np.zeros((2, 0, 4, 5), bool),
        "no rows": np.zeros((2, 3, 0, 5), bool),
        "no columns": np.zeros((2, 3, 4, 0), bool),
        "one voxel": np.ones((1, 1, 1, 1), bool),
        "all background": np.zeros((2, 3, 4, 65), bool),
        "all foreground": np.ones((2, 3, 4, 65), bool),
        "one slice": rng.random((2, 1, 6, 70)) < 0.5,
        "two slices": rng.random((2, 2, 6, 70)) < 0.5,
        "one row": rng.random((2, 6, 1, 70)) < 0.5,
        "one column": rng.random((2, 6, 20, 1)) < 0.5,
        "one line": rng.random((2, 30, 1, 1)) < 0.5,
        "checkerboard": ((x + y + z) % 2 == 0)[None],
        "edges": ((x + y) % 2 == 0)[None] & (z % 2 == 0),
        "diagonals": ((x + 2 * y + 3 * z) % 7 == 0)[None],
        "corners": ((x % 2 == z % 2) & (y % 2 == z % 2))[None],
        "shells": np.stack([shell, inside, leaking]),
        "snake": snake(5, 5, 9)[None],
    }
    for width in (2, 63, 64, 65, 129):
        cases[f"width {width}"] = rng.random((2, 3, 4, width)) < 0.4
    for percent in (10, 25, 31, 60, 90):
        cases[f"{percent} %"] = rng.random((1, 6, 7, 33)) < percent / 100
    return cases


def forms(masks, connectivity):
    """The forms of a batch, by name, each with the part of the batch that it is.

    Dense arrays of both types, packed and run-length encoded masks; of volumes, the last two take one at a time.
    """
    yield "bool", masks, slice(None)
    yield "uint8", masks.astype(np.uint8) * np.uint8(3), slice(None)
    batches = [slice(None)] if connectivity in (4, 8) else [slice(i, i + 1) for i in range(len(masks))]
    for part in batches:
        flat = masks[part] if connectivity in (4, 8) else masks[part][0]
        yield "packed", rapidmask.pack(flat), part
        yield "rle", rapidmask.rle_encode(flat), part


def opened(result, given):
    """The pixels, 0 and 1, of masks that must have the form and type of what was given."""
    assert type(result) is type(given)
    if isinstance(result, np.ndarray):
        assert result.dtype == given.dtype
        assert result.shape == given.shape
        return result.view(np.uint8)
    assert result.size == given.size
    assert len(result) == len(given)
    if isinstance(result, rapidmask.PackedMasks):
        rapidmask.PackedMasks(result.data, result.size)  # refuses bits past the width
    return result.to_dense(np.uint8)


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
