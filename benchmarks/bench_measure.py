"""Areas, boxes and centroids of masks and the stability of logits, against NumPy, torch and SciPy."""

from __future__ import annotations

from typing import Any

import numpy as np

import rapidmask
from compare import Comparison, Contest, Peer, close, optional

torch = optional("torch")
ndimage = optional("scipy.ndimage")


def _numpy_boxes(masks: np.ndarray) -> np.ndarray:
    rows, columns = masks.any(2), masks.any(1)
    found = np.stack(
        [
            columns.argmax(1),
            rows.argmax(1),
            columns.shape[1] - columns[:, ::-1].argmax(1),
            rows.shape[1] - rows[:, ::-1].argmax(1),
        ],
        axis=1,
    )
    found[~rows.any(1)] = 0
    return found


def _torch_boxes(masks: Any) -> Any:
    """As segment-anything finds inclusive corners, made half-open."""
    height, width = masks.shape[-2:]
    rows, _ = masks.max(-1)
    columns, _ = masks.max(-2)
    y, x = rows * torch.arange(height), columns * torch.arange(width)
    bottom, right = y.max(-1)[0], x.max(-1)[0]
    top, left = (y + height * ~rows).min(-1)[0], (x + width * ~columns).min(-1)[0]
    return torch.stack([left, top, right + 1, bottom + 1], 1)


def boxes(masks: np.ndarray) -> Contest:
    peers = [Peer("numpy any", lambda: _numpy_boxes(masks))]
    if torch:
        given = torch.from_numpy(masks.copy())
        peers.append(Peer("torch max", lambda: _torch_boxes(given).numpy()))
    return Contest(lambda: rapidmask.masks_to_boxes(masks), peers)


def boxes_from_bits(masks: np.ndarray) -> Contest:
    packed = rapidmask.pack(masks)
    return Contest(lambda: rapidmask.masks_to_boxes(packed), [Peer("numpy any", lambda: _numpy_boxes(masks))])


def areas(masks: np.ndarray) -> Contest:
    return Contest(
        lambda: rapidmask.mask_areas(masks),
        [Peer("numpy count_nonzero", lambda: np.array([np.count_nonzero(mask) for mask in masks]))],
    )


def centroids(masks: np.ndarray) -> Contest:
    y, x = (np.arange(extent, dtype=np.float64) for extent in masks.shape[1:])

    def numpy() -> np.ndarray:
        rows, columns = np.count_nonzero(masks, axis=2), np.count_nonzero(masks, axis=1)
        return np.stack([rows @ y, columns @ x], 1) / rows.sum(1)[:, None]

    peers = [Peer("numpy count_nonzero", numpy, close(1e-9))]
    if ndimage:
        peers.append(
            Peer("scipy center_of_mass", lambda: np.array([ndimage.center_of_mass(m) for m in masks]), close(1e-9))
        )
    return Contest(lambda: rapidmask.mask_centroids(masks), peers)


def centroids_of_runs(masks: np.ndarray) -> Contest:
    runs = rapidmask.rle_encode(masks)
    height, width = runs.size

    def before(position: np.ndarray) -> tuple[np.ndarray, ...]:
        """Sum pixels, y and x over all pixels before positions in the order of columns."""
        column, row = np.divmod(position, height)
        y = column * (height * (height - 1) // 2) + row * (row - 1) // 2
        return position, y, height * (column * (column - 1) // 2) + row * column

    def numpy() -> np.ndarray:
        lengths = np.diff(runs.offsets)
        mask = np.repeat(np.arange(len(runs)), lengths)
        ends = np.cumsum(runs.counts, dtype=np.int64) - mask * (height * width)
        inside = (np.arange(len(mask)) - np.repeat(runs.offsets[:-1], lengths)) % 2 == 1
        ends, begins, mask = ends[inside], ends[inside] - runs.counts[inside], mask[inside]
        pairs = zip(before(ends), before(begins), strict=True)
        area, y, x = (np.bincount(mask, after - until, len(runs)) for after, until in pairs)
        return np.stack([y, x], 1) / area[:, None]

    return Contest(lambda: rapidmask.mask_centroids(runs), [Peer("numpy sums of runs", numpy, close(1e-9))])


def stability(logits: np.ndarray) -> Contest:
    def numpy() -> np.ndarray:
        return np.array([np.count_nonzero(x > 1) / max(np.count_nonzero(x > -1), 1) for x in logits])

    peers = [Peer("numpy count_nonzero", numpy, close(1e-6))]
    if torch:
        given = torch.from_numpy(logits.copy())

        def theirs() -> Any:  # segment-anything's
            high = (given > 1.0).sum(-1, dtype=torch.int16).sum(-1, dtype=torch.int32)
            low = (given > -1.0).sum(-1, dtype=torch.int16).sum(-1, dtype=torch.int32)
            return (high / low).numpy()

        peers.append(Peer("torch", theirs))
    return Contest(lambda: rapidmask.stability_score(logits), peers)


COMPARISONS = [
    Comparison("masks → boxes", "SAM 64", boxes, bar=2.2, goal=3, against="numpy any"),
    Comparison("packed masks → boxes", "SAM 64", boxes_from_bits, goal=10),
    Comparison("areas", "SAM 64", areas),
    Comparison("centroids", "SAM 64", centroids),
    Comparison("centroids of runs", "SAM 64", centroids_of_runs),
    Comparison("stability score", "SAM logits 64×1024²", stability, bar=20, goal=30, against="torch"),
]
