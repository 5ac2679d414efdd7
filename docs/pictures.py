"""Makes the pictures of these pages, by the library itself from scikit-image's pictures.

    python docs/pictures.py    writes docs/pictures/*.webp

scikit-image 0.26 is needed, whose wheel holds the pictures, and Pillow.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data

import rapidmask

FOLDER = Path(__file__).resolve().parent / "pictures"
LARGEST = 600 * 1024  # bytes of all pictures together


def grey(image: np.ndarray) -> np.ndarray:
    return np.repeat(image[..., None], 3, axis=-1) if image.ndim == 2 else image


def beside(*images: np.ndarray, gap: int = 8) -> np.ndarray:
    """Pictures of one height side by side."""
    between = np.full((images[0].shape[0], gap, 3), 255, np.uint8)
    parts: list[np.ndarray] = []
    for image in images:
        parts += [between, grey(image)]
    return np.concatenate(parts[1:], axis=1)


def ink(mask: np.ndarray) -> np.ndarray:
    """A mask as a picture: foreground is white."""
    return np.where(mask, np.uint8(255), np.uint8(24))


def coins() -> dict[str, np.ndarray]:
    """A threshold, its cleaning, and the coins taken apart."""
    image = data.coins()
    mask = rapidmask.adaptive_threshold(image, 151, offset=-8)
    clean = rapidmask.opening(rapidmask.fill_holes(rapidmask.remove_small_objects(mask, 100)), rapidmask.disk(5))
    touching = rapidmask.dilate(clean, rapidmask.disk(6))
    depth = rapidmask.distance_transform(touching)
    apart = rapidmask.watershed(-depth, rapidmask.label(depth > 16), mask=touching)
    return {
        "components": beside(image, ink(mask), rapidmask.overlay(image, rapidmask.label(clean))),
        "watershed": beside(
            ink(touching), (255 * depth / depth.max()).astype(np.uint8), rapidmask.overlay(image, apart)
        ),
    }


def thresholds() -> dict[str, np.ndarray]:
    """A page of text under one threshold and under one for each pixel."""
    image = data.page()
    global_one = image > rapidmask.threshold_otsu(image)
    local = rapidmask.adaptive_threshold(image, 35, offset=10)
    return {"threshold-local": beside(image, ink(global_one), ink(local))}


def morphology() -> dict[str, np.ndarray]:
    """A horse, dilated, eroded, and its boundary."""
    horse = ~data.horse()
    shape = rapidmask.disk(9)
    pictures = [
        horse,
        rapidmask.dilate(horse, shape),
        rapidmask.erode(horse, shape),
        rapidmask.boundary(horse, width=3),
    ]
    return {"morphology": beside(*(ink(picture)[::2, ::2] for picture in pictures))}


def background() -> dict[str, np.ndarray]:
    """A rocket without the sky."""
    image = data.rocket()
    luma = image @ np.array([0.299, 0.587, 0.114])
    sky = luma < rapidmask.threshold_triangle(luma)
    mask = rapidmask.fill_holes(rapidmask.closing(rapidmask.keep_largest(~sky), rapidmask.disk(3)))
    cut = rapidmask.apply_mask(image, mask, fill=255)
    return {"background": beside(image, ink(mask), cut)}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    pictures = {**coins(), **thresholds(), **morphology(), **background()}
    for name, picture in pictures.items():
        Image.fromarray(picture).save(FOLDER / f"{name}.webp", quality=72, method=6)
    total = sum(path.stat().st_size for path in FOLDER.iterdir())
    print(f"{len(pictures)} pictures, {total / 1024:.0f} KiB in all")
    if total > LARGEST:
        raise SystemExit("that is too much")


if __name__ == "__main__":
    main()
