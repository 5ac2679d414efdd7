"""Between dense masks and bits, against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

import rapidmask
from compare import Comparison, Contest, Peer, same


def padded(bits: np.ndarray) -> np.ndarray:
    """What ``numpy.packbits`` gave, with rows padded to whole words, as packed masks hold them."""
    used = bits.shape[-1]
    bits = bits.reshape(-1, *bits.shape[-2:])
    return np.pad(bits, ((0, 0), (0, 0), (0, -used % 8)))


def packbits(mask: np.ndarray) -> np.ndarray:
    return np.packbits(mask, axis=-1, bitorder="little")


def same_bits(ours: rapidmask.PackedMasks, theirs: np.ndarray) -> None:
    same(ours, padded(theirs))


def pack(mask: np.ndarray) -> Contest:
    return Contest(lambda: rapidmask.pack(mask), [Peer("numpy packbits", lambda: packbits(mask), same_bits)])


def unpack(mask: np.ndarray) -> Contest:
    packed = rapidmask.pack(mask)
    bits, width = packbits(mask), mask.shape[-1]

    def reshaped(ours: Any, theirs: Any) -> None:
        same(ours, theirs.reshape(ours.shape))

    return Contest(
        lambda: rapidmask.unpack(packed, dtype=np.uint8),
        [Peer("numpy unpackbits", lambda: np.unpackbits(bits, axis=-1, count=width, bitorder="little"), reshaped)],
    )


def unpack_into(mask: np.ndarray) -> Contest:
    """With ``out=``, which the peer has not."""
    packed = rapidmask.pack(mask)
    out = np.empty((len(packed), *packed.size), np.uint8)
    return Contest(lambda: rapidmask.unpack(packed, dtype=np.uint8, out=out), unpack(mask).peers)


COMPARISONS = [
    Comparison("bool → packed", "mask 12 MP", pack, bar=1.8, goal=2.5),
    Comparison("bool → packed", "mask 2999×4001", pack),
    Comparison("bool → packed", "SAM 64", pack),
    Comparison("bool → packed", "instances", pack),
    Comparison("packed → uint8", "mask 12 MP", unpack),
    Comparison("packed → uint8 with out=", "mask 12 MP", unpack_into),
    Comparison("packed → uint8 with out=", "mask 2999×4001", unpack_into),
]
