"""Run lengths, against pycocotools and the NumPy code that people write instead."""

from __future__ import annotations

import numpy as np

import rapidmask
from compare import Comparison, Contest, Peer, close, optional, same

coco = optional("pycocotools.mask")


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
        lambda: rapidmask.rle_encode(masks).to_coco("bytes"),
        [Peer("pycocotools", lambda: coco.encode(fortran(masks)))],
    )


def encode_coco_fortran(masks: np.ndarray) -> Contest:
    """From pycocotools' own order, where it needs no copy."""
    columns = fortran(masks)
    batch = columns.transpose(2, 0, 1)
    return Contest(
        lambda: rapidmask.rle_encode(batch).to_coco("bytes"), [Peer("pycocotools", lambda: coco.encode(columns))]
    )


def encode_packed(masks: np.ndarray) -> Contest:
    packed = rapidmask.pack(masks)
    return Contest(lambda: rapidmask.rle_encode(packed), encode_counts(masks).peers)


def decode(masks: np.ndarray) -> Contest:
    runs = rapidmask.rle_encode(masks)
    dicts = runs.to_coco("bytes")
    return Contest(
        lambda: rapidmask.rle_decode(runs, output="uint8"),
        [
            Peer(
                "pycocotools (H, W, N)",
                lambda: coco.decode(dicts),
                lambda ours, theirs: same(ours, theirs.transpose(2, 0, 1)),
            )
        ],
    )


def areas(masks: np.ndarray) -> Contest:
    runs = rapidmask.rle_encode(masks)
    dicts = runs.to_coco("bytes")
    return Contest(lambda: rapidmask.mask_areas(runs), [Peer("pycocotools", lambda: coco.area(dicts))])


def boxes(masks: np.ndarray) -> Contest:
    runs = rapidmask.rle_encode(masks)
    dicts = runs.to_coco("bytes")
    return Contest(
        lambda: rapidmask.masks_to_boxes(runs, format="xywh"),
        [Peer("pycocotools", lambda: coco.toBbox(dicts), close(0))],
    )


COMPARISONS = [
    Comparison("dense → runs", "SAM 64", encode_counts),
    Comparison("packed → runs", "SAM 64", encode_packed),
    Comparison("dense → COCO strings", "SAM 64", encode_coco),
    Comparison("dense in Fortran order → COCO strings", "SAM 64", encode_coco_fortran),
    Comparison("dense → COCO strings", "instances", encode_coco),
    Comparison("runs → uint8", "SAM 64", decode),
    Comparison("runs → uint8", "instances", decode),
    Comparison("areas of runs", "SAM 64", areas),
    Comparison("boxes of runs", "SAM 64", boxes),
]
