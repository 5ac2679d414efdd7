"""Run lengths, against pycocotools, its successors and the NumPy code that people write instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import rapidmask
from compare import Check, Comparison, Contest, Peer, close, optional, same

coco = optional("pycocotools.mask")
hotcoco = optional("hotcoco.mask")
ultrafast = optional("ultrafast_pycocotools.mask")


def each(call: Callable[[Any], Any], check: Check = same) -> list[Peer]:
    """The same call of each library with pycocotools' interface."""
    libraries = {"pycocotools": coco, "hotcoco": hotcoco, "ultrafast_pycocotools": ultrafast}
    return [Peer(name, lambda library=library: call(library), check) for name, library in libraries.items()]


def fortran(masks: np.ndarray) -> np.ndarray:
    """The batch as pycocotools wants it: (H, W, N), columns contiguous."""
    return np.asfortranarray(masks.transpose(1, 2, 0).view(np.uint8))


def numpy_counts(mask: np.ndarray) -> np.ndarray:
    """Run lengths of one mask by differences."""
    flat = mask.T.ravel()
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    runs = np.diff(np.concatenate(([0], changes, [flat.size])))
    return np.concatenate(([0], runs)) if flat[0] else runs


def encode_counts(masks: np.ndarray) -> Contest:
    return Contest(
        lambda: rapidmask.rle_encode(masks),
        [
            Peer(
                "numpy differences",
                lambda: [numpy_counts(mask) for mask in masks],
                lambda ours, theirs: same(ours.counts, np.concatenate(theirs)),
            )
        ],
    )


def encode_coco(masks: np.ndarray) -> Contest:
    """From C order: pycocotools has to be given a copy."""
    return Contest(
        lambda: rapidmask.rle_encode(masks).to_coco("bytes"), each(lambda library: library.encode(fortran(masks)))
    )


def encode_coco_fortran(masks: np.ndarray) -> Contest:
    """From pycocotools' own order, where it needs no copy."""
    columns = fortran(masks)
    batch = columns.transpose(2, 0, 1)
    return Contest(lambda: rapidmask.rle_encode(batch).to_coco("bytes"), each(lambda library: library.encode(columns)))


def encode_packed(masks: np.ndarray) -> Contest:
    packed = rapidmask.pack(masks)
    return Contest(lambda: rapidmask.rle_encode(packed), encode_counts(masks).peers)


def read_coco(masks: np.ndarray) -> Contest:
    """From and to strings, which pycocotools does in every call."""
    dicts = rapidmask.rle_encode(masks).to_coco("bytes")
    return Contest(
        lambda: rapidmask.RLEMasks.from_coco(dicts).to_coco(),
        [Peer("pycocotools (reading them for areas)", lambda: coco.area(dicts), differs="areas")],
    )


def decode(masks: np.ndarray, *, into: bool = True) -> Contest:
    """Into memory that is there, or into new memory, as the peers do."""
    runs = rapidmask.rle_encode(masks)
    dicts = runs.to_coco("bytes")
    out = np.empty(masks.shape, np.uint8) if into else None
    return Contest(
        lambda: rapidmask.rle_decode(runs, output="uint8", out=out),
        each(lambda library: library.decode(dicts), lambda ours, theirs: same(ours, theirs.transpose(2, 0, 1))),
    )


def decode_packed(masks: np.ndarray) -> Contest:
    runs = rapidmask.rle_encode(masks)
    dicts = runs.to_coco("bytes")
    out = np.empty_like(rapidmask.pack(masks).data)
    return Contest(
        lambda: rapidmask.rle_decode(runs, output="packed", out=out),
        each(
            lambda library: library.decode(dicts), lambda ours, theirs: same(ours.to_dense(), theirs.transpose(2, 0, 1))
        ),
    )


def areas(masks: np.ndarray) -> Contest:
    runs = rapidmask.rle_encode(masks)
    dicts = runs.to_coco("bytes")
    return Contest(lambda: rapidmask.mask_areas(runs), each(lambda library: library.area(dicts)))


def boxes(masks: np.ndarray) -> Contest:
    runs = rapidmask.rle_encode(masks)
    dicts = runs.to_coco("bytes")
    return Contest(
        lambda: rapidmask.masks_to_boxes(runs, format="xywh"), each(lambda library: library.toBbox(dicts), close(0))
    )


def merge(masks: np.ndarray) -> Contest:
    runs = rapidmask.rle_encode(masks)
    dicts = runs.to_coco("bytes")
    return Contest(
        lambda: rapidmask.rle_merge(runs),
        each(lambda library: library.merge(dicts), lambda ours, theirs: same(ours.to_coco(), [theirs])),
    )


def encode_labels(labels: np.ndarray) -> Contest:
    """Against the masks of a map one by one."""
    values = np.unique(labels)
    values = values[values != 0]
    return Contest(
        lambda: rapidmask.rle_encode_labels(labels),
        [
            Peer(
                "pycocotools (label by label)",
                lambda: [coco.encode(np.asfortranarray(labels == value)) for value in values],
                lambda ours, theirs: same(ours[0].to_coco(), theirs),
            )
        ],
    )


COMPARISONS = [
    Comparison("dense → runs", "SAM 64", encode_counts, bar=12, goal=35),
    Comparison("dense → runs", "instances", encode_counts, bar=13, goal=25),
    Comparison("packed → runs", "SAM 64", encode_packed, bar=22, goal=60),
    Comparison("packed → runs", "instances", encode_packed, bar=50, goal=110),
    Comparison("dense → COCO strings", "SAM 64", encode_coco),
    Comparison("dense in Fortran order → COCO strings", "SAM 64", encode_coco_fortran, bar=1.5),
    Comparison("dense → COCO strings", "instances", encode_coco),
    Comparison("COCO strings → runs → COCO strings", "SAM 64", read_coco),
    Comparison("runs → uint8", "SAM 64", decode, bar=4),
    Comparison("runs → new uint8", "SAM 64", lambda masks: decode(masks, into=False)),
    Comparison("runs → packed", "SAM 64", decode_packed),
    Comparison("runs → uint8", "instances", decode, bar=8, goal=14),
    Comparison("runs → packed", "instances", decode_packed, bar=50, goal=100),
    Comparison("areas of runs", "SAM 64", areas, bar=5, goal=15),
    Comparison("boxes of runs", "SAM 64", boxes, bar=5, goal=15),
    Comparison("union of runs", "SAM 64", merge, bar=5, goal=15),
    Comparison("label map → runs", "classes 2k", encode_labels),
]
