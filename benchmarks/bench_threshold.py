"""Thresholds, histograms and local thresholds, against NumPy, OpenCV and scikit-image."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

import rapidmask
from bench_pack import packbits, same_bits
from compare import Comparison, Contest, Peer, close, optional

cv2 = optional("cv2")
filters = optional("skimage.filters")

_LEVEL = 0.25  # what logits are compared with
_LEVELS = (-2.0, 2.0)  # low and high of hysteresis
_BLOCK = 31
_WINDOW = 25
_GREY = 1e-6 * 255  # a surface's tolerance: a millionth of the range
_CV2_BORDER = "repeats the border's pixels and rounds the surface to whole grey levels"


# Comparison with a number


def to_uint8(x: np.ndarray) -> Contest:
    out, theirs = np.empty(x.shape, np.uint8), np.empty(x.shape, np.uint8)
    as_bool = theirs.view(bool)
    return Contest(
        lambda: rapidmask.threshold(x, _LEVEL, output="uint8", out=out),
        [
            Peer("numpy greater with out=", lambda: np.greater(x, np.float32(_LEVEL), out=as_bool)),
            Peer("cv2 compare with dst=", lambda: cv2.compare(x, _LEVEL, cv2.CMP_GT, dst=theirs), same_as_255),
        ],
    )


def same_as_255(ours: np.ndarray, theirs: np.ndarray) -> None:
    np.testing.assert_array_equal(ours != 0, theirs != 0)


def to_packed(x: np.ndarray) -> Contest:
    out = np.empty(x.shape, bool)
    level = np.float32(_LEVEL)
    return Contest(
        lambda: rapidmask.threshold(x, _LEVEL, output="packed"),
        [
            Peer(
                "numpy greater with out= (not packed)",
                lambda: np.greater(x, level, out=out),
                lambda ours, theirs: same_bits(ours, packbits(theirs)),
            ),
            Peer("numpy greater with out=, packbits", lambda: packbits(np.greater(x, level, out=out)), same_bits),
        ],
    )


def hysteresis(x: np.ndarray) -> Contest:
    return Contest(
        lambda: rapidmask.hysteresis_threshold(x, *_LEVELS, connectivity=4),
        [Peer("skimage", lambda: filters.apply_hysteresis_threshold(x, *_LEVELS))],
    )


# Values from the histogram


def otsu(image: np.ndarray) -> Contest:
    integers = image.dtype.kind == "u"
    peers = [Peer("skimage", lambda: filters.threshold_otsu(image), close(0 if integers else 1e-5))]
    if integers and hasattr(cv2, "THRESH_DRYRUN"):
        kind = cv2.THRESH_OTSU | cv2.THRESH_DRYRUN
        # Among 65536 levels neighbours may tie but for rounding: ours is scikit-image's choice, OpenCV's another.
        check = close(0 if image.dtype == np.uint8 else 10)
        peers.append(Peer("cv2 without the mask", lambda: cv2.threshold(image, 0, 1, kind)[0], check))
    return Contest(lambda: rapidmask.threshold_otsu(image), peers)


def otsu_mask(image: np.ndarray) -> Contest:
    out, theirs = np.empty(image.shape, np.uint8), np.empty(image.shape, np.uint8)

    def ours() -> Any:
        return rapidmask.threshold(image, rapidmask.threshold_otsu(image), output="uint8", out=out)

    def skimage_numpy() -> Any:
        return np.greater(image, filters.threshold_otsu(image), out=theirs.view(bool))

    return Contest(
        ours,
        [
            Peer("cv2 with dst=", lambda: cv2.threshold(image, 0, 1, cv2.THRESH_OTSU, dst=theirs)[1]),
            Peer("skimage + numpy with out=", skimage_numpy),
        ],
    )


def value(method: str, image: np.ndarray, *, tolerance: float = 0.0) -> Contest:
    ours, theirs = getattr(rapidmask, f"threshold_{method}"), getattr(filters, f"threshold_{method}", None)
    return Contest(lambda: ours(image), [Peer("skimage", lambda: theirs(image), close(tolerance))])


def mean(image: np.ndarray) -> Contest:
    contest = value("mean", image, tolerance=1e-9)
    peers = [*contest.peers, Peer("cv2", lambda: cv2.mean(image)[0], close(1e-9))]
    return Contest(contest.ours, peers)


def triangle(image: np.ndarray) -> Contest:
    contest = value("triangle", image)
    kind = getattr(cv2, "THRESH_TRIANGLE", 0) | getattr(cv2, "THRESH_DRYRUN", 0)
    cv2_peer = Peer("cv2", lambda: cv2.threshold(image, 0, 1, kind)[0], differs="its triangle ends one level further")
    return Contest(contest.ours, [*contest.peers, cv2_peer])


# Surfaces from the neighbourhood


def adaptive(method: str, image: np.ndarray) -> Contest:
    """Against OpenCV, whose masks differ: ours are checked with scikit-image on two crops."""
    out, theirs = np.empty(image.shape, np.uint8), np.empty(image.shape, np.uint8)

    def check(mask: np.ndarray) -> None:
        margin = _BLOCK // 2
        for top in (0, image.shape[0] // 2):
            rows, columns = slice(top, top + 256), slice(top, top + 512)
            crop = image[rows, columns]
            above = crop - filters.threshold_local(crop, _BLOCK, method=method)
            right = (mask[rows, columns] == (above > 0)) | (np.abs(above) < _GREY)  # rounding may decide a tie
            first = margin if top else 0
            assert right[first:-margin, first:-margin].all(), "differs from skimage.filters.threshold_local"

    def cv2_adaptive() -> Any:
        kind = cv2.ADAPTIVE_THRESH_MEAN_C if method == "mean" else cv2.ADAPTIVE_THRESH_GAUSSIAN_C
        return cv2.adaptiveThreshold(image, 1, kind, cv2.THRESH_BINARY, _BLOCK, 0, dst=theirs)

    return Contest(
        lambda: rapidmask.adaptive_threshold(image, _BLOCK, method=method, output="uint8", out=out),
        [Peer("cv2 with dst=", cv2_adaptive, differs=_CV2_BORDER)],
        check if filters else None,
    )


def local(method: str, image: np.ndarray) -> Contest:
    peers = [
        Peer("skimage", lambda: filters.threshold_local(image, _BLOCK, method=method), close(_GREY)),
    ]
    if method == "median":
        peers.append(
            Peer("cv2 medianBlur (uint8)", lambda: cv2.medianBlur(image, _BLOCK), close(0, border=_BLOCK // 2))
        )
    return Contest(lambda: rapidmask.threshold_local(image, _BLOCK, method=method), peers)


def window(method: str, image: np.ndarray) -> Contest:
    ours, theirs = getattr(rapidmask, f"threshold_{method}"), getattr(filters, f"threshold_{method}", None)
    return Contest(
        lambda: ours(image, window_size=_WINDOW),
        [Peer("skimage", lambda: theirs(image, window_size=_WINDOW), close(_GREY))],
    )


_TO_UINT8 = "float32 > t → uint8 with out="
_TO_PACKED = "float32 > t → packed"

COMPARISONS = [
    Comparison(_TO_UINT8, "logits 12 MP", to_uint8, bar=0.95, goal=1.0, goal_2_threads=1.8),
    Comparison(_TO_UINT8, "logits 2999×4001", to_uint8),
    Comparison(_TO_PACKED, "logits 12 MP", to_packed, bar=1.0, goal=1.2),
    Comparison(_TO_PACKED, "logits 2999×4001", to_packed),
    Comparison("Otsu → uint8 mask with out=", "retina uint8 12 MP", otsu_mask, bar=1.0, goal=1.1, goal_2_threads=1.9),
    Comparison(
        "Otsu → uint8 mask with out=", "synthetic uint8 12 MP", otsu_mask, bar=1.0, goal=1.1, goal_2_threads=1.9
    ),
    Comparison("Otsu", "retina uint8 12 MP", otsu),
    Comparison("Otsu", "synthetic uint8 12 MP", otsu),
    Comparison("Otsu", "synthetic uint8 2999×4001", otsu),
    Comparison("Otsu", "synthetic uint16 12 MP", otsu),
    Comparison("Otsu", "logits 12 MP", otsu),
    *(
        Comparison(method.capitalize(), "retina uint8 12 MP", partial(value, method, tolerance=1e-9))
        for method in ("li", "yen", "isodata", "minimum", "multiotsu")
    ),
    Comparison("Triangle", "retina uint8 12 MP", triangle),
    Comparison("Mean", "retina uint8 12 MP", mean),
    Comparison(
        "adaptive mean 31 → uint8 with out=", "retina uint8 12 MP", partial(adaptive, "mean"), bar=1.5, goal=4.0
    ),
    Comparison("adaptive mean 31 → uint8 with out=", "synthetic uint8 2999×4001", partial(adaptive, "mean")),
    Comparison("adaptive gaussian 31 → uint8 with out=", "retina uint8 12 MP", partial(adaptive, "gaussian")),
    Comparison("local mean 31", "retina uint8 12 MP", partial(local, "mean")),
    Comparison("local gaussian 31", "retina uint8 12 MP", partial(local, "gaussian")),
    Comparison("local median 31", "synthetic uint8 512×512", partial(local, "median")),
    Comparison("Niblack 25", "retina uint8 12 MP", partial(window, "niblack")),
    Comparison("Sauvola 25", "retina uint8 12 MP", partial(window, "sauvola")),
    Comparison("hysteresis, 4", "logits 12 MP", hysteresis),
]
