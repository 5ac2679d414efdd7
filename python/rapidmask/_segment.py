"""Pictures to masks by a named threshold, as the command does it."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from . import (
    adaptive_threshold,
    fill_holes,
    hysteresis_threshold,
    label,
    remove_small_objects,
    threshold,
    threshold_isodata,
    threshold_li,
    threshold_local,
    threshold_mean,
    threshold_minimum,
    threshold_multiotsu,
    threshold_niblack,
    threshold_otsu,
    threshold_sauvola,
    threshold_triangle,
    threshold_yen,
    upsample_masks,
)
from .io import pillow

Grey = npt.NDArray[Any]
LARGEST_DEFAULT_BLOCK = 101


@dataclass(frozen=True)
class Options:
    """How masks are made and cleaned.

    Attributes
    ----------
    invert : bool
        Whether the foreground is what is not above the threshold.
    min_area : int
        Components of fewer pixels are removed.
    fill_holes : bool
        Whether background that is cut off from the border becomes foreground. Comes before ``min_area``.
    connectivity : int
        4 or 8.
    block_size : int or None
        Side of the window of local methods, odd; None for an eighth of the picture's shorter side, at most 101.
    offset : float
        Subtracted from the local threshold of "local" and "adaptive".
    denoise : {"median", "gaussian"} or None
        The filter before the threshold: the median of 3 by 3 pixels, or a Gaussian of one pixel.
    resize : int or None
        Pictures whose longer side has more pixels are shrunk to that many before the threshold, and the mask is brought
        back to the picture's size.
    """

    invert: bool = False
    min_area: int = 0
    fill_holes: bool = False
    connectivity: int = 8
    block_size: int | None = None
    offset: float = 0.0
    denoise: Literal["median", "gaussian"] | None = None
    resize: int | None = None

    def block(self, grey: Grey) -> int:
        """Return the window's side for a picture."""
        return self.block_size or min(LARGEST_DEFAULT_BLOCK, max(3, min(grey.shape) // 8)) | 1


@dataclass(frozen=True)
class Segmentation:
    """What a method found in a picture.

    Attributes
    ----------
    labels : numpy.ndarray of int32, shape (H, W)
        The components, from 1; 0 is background.
    count : int
        How many.
    value : str
        The threshold, for people.
    seconds : float
        From grey picture to components.
    """

    labels: npt.NDArray[np.int32]
    count: int
    value: str
    seconds: float


Method = Callable[[Grey, Options], tuple[npt.NDArray[np.bool_], str]]


def _global(find: Callable[[Grey], Any]) -> Method:
    """Make a method of a function that finds one value for the picture."""

    def method(grey: Grey, options: Options) -> tuple[npt.NDArray[np.bool_], str]:
        value = float(find(grey))
        return threshold(grey, value), f"value {value:.6g}"

    return method


def _multiotsu(grey: Grey, options: Options) -> tuple[npt.NDArray[np.bool_], str]:
    low, high = (float(value) for value in threshold_multiotsu(grey, classes=3))
    return threshold(grey, high), f"value {high:.6g} (of {low:.6g} and {high:.6g})"


def _hysteresis(grey: Grey, options: Options) -> tuple[npt.NDArray[np.bool_], str]:
    low, high = (float(value) for value in threshold_multiotsu(grey, classes=3))
    mask = hysteresis_threshold(grey, low, high, connectivity=options.connectivity)
    return mask, f"values {low:.6g} and {high:.6g}"


def _local(grey: Grey, options: Options) -> tuple[npt.NDArray[np.bool_], str]:
    block = options.block(grey)
    return threshold(grey, threshold_local(grey, block, offset=options.offset)), f"window {block}"


def _adaptive(grey: Grey, options: Options) -> tuple[npt.NDArray[np.bool_], str]:
    block = options.block(grey)
    return adaptive_threshold(grey, block, offset=options.offset), f"window {block}"


def _niblack(grey: Grey, options: Options) -> tuple[npt.NDArray[np.bool_], str]:
    block = options.block(grey)
    return threshold(grey, threshold_niblack(grey, window_size=block)), f"window {block}"


def _sauvola(grey: Grey, options: Options) -> tuple[npt.NDArray[np.bool_], str]:
    block = options.block(grey)
    return threshold(grey, threshold_sauvola(grey, window_size=block)), f"window {block}"


METHODS: dict[str, Method] = {
    "otsu": _global(threshold_otsu),
    "li": _global(threshold_li),
    "yen": _global(threshold_yen),
    "isodata": _global(threshold_isodata),
    "triangle": _global(threshold_triangle),
    "mean": _global(threshold_mean),
    "minimum": _global(threshold_minimum),
    "multiotsu": _multiotsu,
    "hysteresis": _hysteresis,
    "local": _local,
    "adaptive": _adaptive,
    "niblack": _niblack,
    "sauvola": _sauvola,
}


def shrink(grey: Grey, longest: int) -> Grey:
    """Return a picture whose longer side is at most ``longest``, by Pillow's antialiased bilinear filter."""
    if max(grey.shape) <= longest:
        return grey
    height, width = (max(1, round(side * longest / max(grey.shape))) for side in grey.shape)
    image_module = pillow("Image")
    picture = image_module.fromarray(grey if grey.dtype == np.uint8 else grey.astype(np.float32))
    small = np.asarray(picture.resize((width, height), image_module.Resampling.BILINEAR))
    return (np.rint(small) if grey.dtype.kind in "iu" else small).astype(grey.dtype)


def denoise(grey: Grey, kind: Literal["median", "gaussian"]) -> Grey:
    """Return a picture filtered by Pillow where it has 8 bits, else by SciPy.

    Raises
    ------
    ImportError
        If SciPy is needed and missing.
    """
    if grey.dtype == np.uint8:
        filters = pillow("ImageFilter")
        by = filters.MedianFilter(3) if kind == "median" else filters.GaussianBlur(1)
        return np.asarray(pillow("Image").fromarray(grey).filter(by))
    try:
        ndimage = importlib.import_module("scipy.ndimage")
    except ImportError as error:
        raise ImportError(f"filtering pictures of {grey.dtype} needs SciPy: pip install scipy") from error
    filtered: Grey = ndimage.median_filter(grey, 3) if kind == "median" else ndimage.gaussian_filter(grey, 1)
    return filtered


def segment(grey: Grey, method: str, options: Options) -> Segmentation:
    """Find the components of a picture's foreground.

    Parameters
    ----------
    grey : numpy.ndarray, shape (H, W)
        The picture.
    method : str
        A key of `METHODS`.
    options : Options
        How to make and clean the mask.

    Returns
    -------
    Segmentation

    Raises
    ------
    ValueError, RuntimeError
        If the method finds no threshold in this picture.
    """
    start = time.perf_counter()
    seen = shrink(grey, options.resize) if options.resize else grey
    if options.denoise:
        seen = denoise(seen, options.denoise)
    mask, value = METHODS[method](seen, options)
    if mask.shape != grey.shape:
        mask = np.asarray(upsample_masks(mask.astype(np.float32), grey.shape, threshold=0.5))
    if options.invert:
        mask = ~mask
    if options.fill_holes:
        mask = fill_holes(mask, connectivity=options.connectivity)
    if options.min_area > 1:
        mask = remove_small_objects(mask, options.min_area, connectivity=options.connectivity)
    labels, count = label(mask, connectivity=options.connectivity, return_count=True)
    return Segmentation(labels, count, value, time.perf_counter() - start)
