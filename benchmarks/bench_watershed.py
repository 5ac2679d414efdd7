"""The watershed, against scikit-image, whose labels it has, and OpenCV's, which are others."""

from __future__ import annotations

from functools import partial

import numpy as np

import rapidmask
from compare import Comparison, Contest, Peer, optional

cv2 = optional("cv2")
ndimage = optional("scipy.ndimage")
segmentation = optional("skimage.segmentation")

_STEPS = {4: 1, 8: 2, 6: 1, 26: 3}  # scikit-image's names of the connectivities
_PIXELS_PER_SEED = 2000


def contest(image: np.ndarray, markers: np.ndarray, connectivity: int, mask: np.ndarray | None = None) -> Contest:
    peers = [
        Peer(
            "skimage",
            lambda: segmentation.watershed(image, markers, connectivity=_STEPS[connectivity], mask=mask),
        )
    ]
    if image.dtype == np.uint8 and mask is None:
        colours = np.repeat(image[..., None], 3, axis=-1)
        peers.append(
            Peer(
                "cv2",
                lambda: cv2.watershed(colours, markers.copy()),
                differs="floods by differences of neighbouring values, and draws the lines between regions as -1",
            )
        )
    return Contest(lambda: rapidmask.watershed(image, markers, mask=mask, connectivity=connectivity), peers)


def seeds(shape: tuple[int, ...]) -> np.ndarray:
    """Markers of one pixel each."""
    markers = np.zeros(shape, np.int32)
    places = np.random.default_rng(15).choice(markers.size, markers.size // _PIXELS_PER_SEED, replace=False)
    markers.flat[places] = np.arange(1, len(places) + 1)
    return markers


def from_seeds(dtype: type, terrain: np.ndarray) -> Contest:
    image = terrain if np.issubdtype(dtype, np.floating) else terrain * np.iinfo(dtype).max
    return contest(image.astype(dtype), seeds(terrain.shape), 8)


def of_a_gradient(dtype: type, grey: np.ndarray) -> Contest:
    """From the darkest and the brightest pixels, up the gradient."""
    gradient = np.hypot(*np.gradient(grey.astype(np.float32)))
    low, high = np.quantile(grey, (0.3, 0.8))
    markers = np.where(grey < low, 1, np.where(grey > high, 2, 0)).astype(np.int32)
    return contest(gradient.clip(0, 255).astype(dtype), markers, 4)


def split(connectivity: int, mask: np.ndarray) -> Contest:
    """Objects that touch, from the peaks of their distance to the background."""
    distance = ndimage.distance_transform_edt(mask).astype(np.float32)
    peaks = mask & (ndimage.maximum_filter(distance, 15) == distance)
    markers = rapidmask.label(peaks, connectivity=connectivity)
    return contest(-distance, markers, connectivity, mask)


def batch(images: np.ndarray) -> Contest:
    markers = np.stack([seeds(images.shape[1:])] * len(images))

    def loop() -> np.ndarray:
        return np.stack(
            [segmentation.watershed(image, own, connectivity=2) for image, own in zip(images, markers, strict=True)]
        )

    return Contest(lambda: rapidmask.watershed(images, markers), [Peer("skimage in a loop", loop)])


COMPARISONS = [
    Comparison("watershed from seeds, float32", "terrain 1k", partial(from_seeds, np.float32), bar=3, goal=5),
    Comparison("watershed from seeds, float64", "terrain 1k", partial(from_seeds, np.float64), bar=2, goal=4),
    Comparison("watershed from seeds, uint16", "terrain 1k", partial(from_seeds, np.uint16), bar=2, goal=4),
    Comparison("watershed from seeds, uint8", "terrain 1k", partial(from_seeds, np.uint8)),
    Comparison(
        "watershed of a gradient, float32", "synthetic uint8 512×512", partial(of_a_gradient, np.float32), bar=2
    ),
    Comparison("watershed of a gradient, uint8", "synthetic uint8 512×512", partial(of_a_gradient, np.uint8)),
    Comparison("watershed of distances, masked", "discs 1k", partial(split, 8), bar=2, goal=3),
    Comparison("watershed of distances, masked, 26", "volume 96³", partial(split, 26), bar=2, goal=3),
    Comparison("watershed from seeds, float32", "terrains 64×256²", batch, bar=3, goal=5, goal_2_threads=9),
]
