"""Distance transforms, against edt, OpenCV's exact one and SciPy."""

from __future__ import annotations

from typing import Any

import numpy as np

import rapidmask
from compare import Comparison, Contest, Peer, optional

cv2 = optional("cv2")
edt = optional("edt")
ndimage = optional("scipy.ndimage")

_FAR = ("checkerboard2k", "comb2k", "rings2k", "diagonals2k", "far2k", "disc2k", "sparse2k", "column2k", "noisy2k")


def close(ours: np.ndarray, theirs: np.ndarray) -> None:
    """Assert that distances agree but for float32's rounding."""
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def peers(mask: np.ndarray, *, scipy: bool = True) -> list[Peer]:
    """OpenCV writes into an existing array; edt asks for writable memory."""
    copy = mask.copy()
    as_uint8 = mask.view(np.uint8)
    distances = np.empty(mask.shape, np.float32)

    def opencvs() -> Any:
        return cv2.distanceTransform(as_uint8, cv2.DIST_L2, cv2.DIST_MASK_PRECISE, distances)

    return [
        Peer("edt", lambda: edt.edt(copy, parallel=rapidmask.get_num_threads()), close),
        Peer("cv2 precise", opencvs, close),
        *([Peer("scipy", lambda: ndimage.distance_transform_edt(mask), close)] if scipy else []),
    ]


def transform(mask: np.ndarray) -> Contest:
    return Contest(lambda: rapidmask.distance_transform(mask), peers(mask))


def transform_into(mask: np.ndarray) -> Contest:
    out = np.empty(mask.shape, np.float32)
    return Contest(lambda: rapidmask.distance_transform(mask, out=out), peers(mask, scipy=False))


def transform_packed(mask: np.ndarray) -> Contest:
    packed = rapidmask.pack(mask)
    out = np.empty((1, *mask.shape), np.float32)
    return Contest(
        lambda: rapidmask.distance_transform(packed, out=out)[0],
        peers(mask, scipy=False),
    )


def transform_large(mask: np.ndarray) -> Contest:
    return Contest(lambda: rapidmask.distance_transform(mask), peers(mask, scipy=False))


def transform_spaced(mask: np.ndarray) -> Contest:
    """Pixels half as high as wide; OpenCV has no spacing."""
    copy = mask.copy()
    return Contest(
        lambda: rapidmask.distance_transform(mask, spacing=(0.5, 1.0)),
        [
            Peer("edt", lambda: edt.edt(copy, anisotropy=(0.5, 1.0), parallel=rapidmask.get_num_threads()), close),
            Peer("scipy", lambda: ndimage.distance_transform_edt(mask, sampling=(0.5, 1.0)), close),
        ],
    )


def transform_volume(spacing: tuple[float, float, float], volume: np.ndarray) -> Contest:
    copy = volume.copy()
    return Contest(
        lambda: rapidmask.distance_transform(volume, volume=True, spacing=spacing),
        [Peer("edt", lambda: edt.edt(copy, anisotropy=spacing, parallel=rapidmask.get_num_threads()), close)],
    )


COMPARISONS = [
    *(Comparison("distance transform", case, transform, bar=12, goal=25) for case in ("SAM 1", "smooth2k")),
    *(
        Comparison("distance transform, with out=", case, transform_into, bar=12, goal=25)
        for case in ("SAM 1", "smooth2k")
    ),
    Comparison("distance transform from packed, with out=", "SAM 1", transform_packed),
    *(Comparison("distance transform", case, transform_large) for case in ("mask 12 MP", "mask 2999×4001")),
    *(Comparison("distance transform", case, transform_large, bar=1) for case in _FAR),
    *(Comparison("distance transform, spacing", case, transform_spaced) for case in ("SAM 1", "smooth2k")),
    Comparison("distance transform, 3-D", "bodies 256³", lambda volume: transform_volume((1, 1, 1), volume)),
    Comparison(
        "distance transform, 3-D, spacing", "bodies 256³", lambda volume: transform_volume((2.5, 0.7, 0.7), volume)
    ),
    Comparison("distance transform, 3-D", "far 256³", lambda volume: transform_volume((1, 1, 1), volume), bar=1),
]
