"""Masks as pictures for people: cutting a region out, and painting masks over the image they belong to.

Plain NumPy in host memory: these functions feed eyes and files, not pipelines, and are as fast as those need.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .._arrays import Array, is_on_cuda
from .._colours import default_colours
from .._containers import PackedMasks, RLEMasks
from .._errors import shown
from ._masks import as_flag, as_host, as_number

_BAND = 1 << 15  # pixels at a time: 1.9 ms for 320 by 320 pixels on one core, where all at once took 5.4


def apply_mask(image: Array, mask: Array | PackedMasks | RLEMasks, *, fill: npt.ArrayLike = 0) -> npt.NDArray[Any]:
    """Keep the image inside the mask and fill the rest: ``where(mask, image, fill)``.

    Parameters
    ----------
    image : array, shape (H, W), (H, W, C), (N, H, W) or (N, H, W, C), of numbers
        One image, or a batch.
    mask : array of bool or integers, shape (H, W) or (N, H, W), or PackedMasks, RLEMasks
        One mask for each image; what is not zero is kept. A container of one mask serves one image.
    fill : number, or array of shape (C,)
        The value of all other pixels, or one value per channel. Must be a value of the image's dtype.

    Returns
    -------
    numpy.ndarray
        A new array of the image's shape and dtype. The image is not changed.

    Raises
    ------
    TypeError
        If an array is on a device, or the mask is neither bool nor integer.
    ValueError
        If the shapes do not fit, or the image's dtype cannot hold ``fill``.

    Notes
    -----
    Unlike a multiplication by the mask, this leaves no NaN outside it and serves every dtype. The mask's shape decides
    what a three-dimensional image is: channels come last where the mask has one axis less.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> image = np.array([[1, 2], [3, 4]], np.uint8)
    >>> rapidmask.apply_mask(image, image > 2, fill=9)
    array([[9, 9],
           [3, 4]], dtype=uint8)
    """
    pixels = _host("apply_mask", "image", image)
    keep = _dense("apply_mask", "mask", mask)
    if isinstance(mask, (PackedMasks, RLEMasks)) and len(keep) == 1 and keep.shape != pixels.shape[:3]:
        keep = keep[0]
    if keep.ndim not in (2, 3) or keep.shape != pixels.shape[: keep.ndim] or pixels.ndim - keep.ndim > 1:
        raise ValueError(
            f"apply_mask: mask must have the image's shape, without its channels, got {keep.shape} for {pixels.shape}"
        )
    has_channels = pixels.ndim > keep.ndim
    value = _fill_value(fill, pixels.dtype, pixels.shape[-1] if has_channels else None)
    return np.where(keep[..., None] if has_channels else keep, pixels, value)


def overlay(
    image: Array,
    masks: Array | PackedMasks | RLEMasks,
    *,
    colors: npt.ArrayLike | None = None,
    alpha: float = 0.5,
    outline: bool = True,
) -> npt.NDArray[np.uint8]:
    """Paint masks over an image, each in a colour of its own.

    A pixel of a mask becomes ``(1 - alpha) * image + alpha * colour``, rounded.

    Parameters
    ----------
    image : array, shape (H, W) or (H, W, 3)
        Grey or RGB. uint8 is shown as it is and bool as black and white; any other type is stretched so that its
        smallest finite value is black and its largest white. NaN is black.
    masks : array of integers, shape (H, W), or array of bool or integers, shape (N, H, W), or PackedMasks, RLEMasks
        A map of labels, in which 0 and less is background, or a batch of masks, of which the later are painted over the
        earlier. An array (H, W) of bool is one mask.
    colors : array, shape (K, 3) or (3,), values 0 to 255, optional
        RGB colours, used in turn: label ``i``, or mask ``i - 1``, has colour ``(i - 1) % K``.
    alpha : float
        How much of the colour is seen, from 0 to 1.
    outline : bool
        Whether the pixels on the border of a mask have its colour in full, and the background pixels next to them are
        darkened, or brightened around a dark colour, so that the border shows on any picture.

    Returns
    -------
    numpy.ndarray of uint8, shape (H, W, 3)
        A new picture. The image is not changed.

    Raises
    ------
    TypeError
        If an array is on a device, or of a dtype that is not served.
    ValueError
        If the shapes do not fit, or ``alpha`` or ``colors`` are out of range.

    Notes
    -----
    The default colours are those of `colorize_labels`. Only one mask at a time is held as dense pixels.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> image = np.zeros((1, 3), np.uint8)
    >>> rapidmask.overlay(image, np.array([[0, 1, 2]]), colors=[[200, 0, 0], [0, 100, 0]], outline=False)
    array([[[  0,   0,   0],
            [100,   0,   0],
            [  0,  50,   0]]], dtype=uint8)
    """
    alpha = as_number("overlay", "alpha", alpha)
    if not 0 <= alpha <= 1:
        raise ValueError(f"overlay: alpha must be from 0 to 1, got {alpha}")
    picture = _as_rgb(_host("overlay", "image", image))
    labels = _label_map(masks, (picture.shape[0], picture.shape[1]))
    table = _colour_table("overlay", colors)
    _blend(picture, labels, table, alpha)
    if as_flag("overlay", "outline", outline):
        _draw_outlines(picture, labels, table)
    return picture


def colorize_labels(
    labels: Array, *, colors: npt.ArrayLike | None = None, background: npt.ArrayLike = (0, 0, 0)
) -> npt.NDArray[np.uint8]:
    """Give each label of a map a colour of its own.

    Parameters
    ----------
    labels : array of integers or bool, shape (..., H, W)
        Maps of labels, in which 0 and less is background.
    colors : array, shape (K, 3) or (3,), values 0 to 255, optional
        RGB colours, used in turn: label ``i`` has colour ``(i - 1) % K``.
    background : array, shape (3,), values 0 to 255
        The colour of the background.

    Returns
    -------
    numpy.ndarray of uint8, shape (..., H, W, 3)
        A new picture for each map.

    Raises
    ------
    TypeError
        If the labels are on a device, or not integers.
    ValueError
        If the labels have fewer than two dimensions, or colours are out of range.

    Notes
    -----
    There are 320 default colours, the same in every run, all different. Each is chosen to lie far from the twelve
    before it, in the OKLab space, for people with all cones and for those without red, green or blue ones, and to
    differ in lightness from the one before: labels that touch mostly have close numbers.

    References
    ----------
    Björn Ottosson, "A perceptual color space for image processing", 2020. Machado, Oliveira, Fernandes, "A
    Physiologically-based Model for Simulation of Color Vision Deficiency", 2009.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> rapidmask.colorize_labels(np.array([[0, 1, 2]]), colors=[[255, 0, 0], [0, 255, 0]])
    array([[[  0,   0,   0],
            [255,   0,   0],
            [  0, 255,   0]]], dtype=uint8)
    """
    given = _host("colorize_labels", "labels", labels)
    if given.dtype.kind not in "biu":
        raise TypeError(f"colorize_labels: labels must be bool or integer, got {given.dtype}")
    if given.ndim < 2:
        raise ValueError(f"colorize_labels: labels must have shape (..., H, W), got {given.shape}")
    table = _colour_table("colorize_labels", colors)
    ground = _colour_table("colorize_labels", background)
    if len(ground) != 1:
        raise ValueError(f"colorize_labels: background must be one colour, got {len(ground)}")
    index = np.where(given > 0, (given.astype(np.int64) - 1) % len(table) + 1, 0)
    return np.concatenate([ground, table])[index]


def _blend(
    picture: npt.NDArray[np.uint8], labels: npt.NDArray[Any], table: npt.NDArray[np.uint8], alpha: float
) -> None:
    """Mix the colours of labels into a picture, in bands that stay in the cache."""
    weighted = table * alpha
    pixels, flat = picture.reshape(-1, 3), labels.reshape(-1)
    for begin in range(0, flat.size, _BAND):
        band, part = flat[begin : begin + _BAND], pixels[begin : begin + _BAND]
        painted = np.flatnonzero(band > 0)
        value = part[painted] * (1.0 - alpha)
        value += weighted[(band[painted] - 1) % len(table)]
        part[painted] = np.rint(value, out=value).astype(np.uint8)


def _draw_outlines(picture: npt.NDArray[np.uint8], labels: npt.NDArray[Any], table: npt.NDArray[np.uint8]) -> None:
    """Give border pixels their full colour, and the background beside them a shade that contrasts with it."""
    border = np.zeros(labels.shape, bool)
    beside = np.zeros(labels.shape, labels.dtype)  # on the background: a label that touches the pixel
    down, across = (slice(1, None), slice(None)), (slice(None), slice(1, None))
    up, back = (slice(None, -1), slice(None)), (slice(None), slice(None, -1))
    for here, there in ((down, up), (up, down), (across, back), (back, across)):
        differs = labels[here] != labels[there]
        border[here] |= differs
        np.maximum(beside[here], labels[there], out=beside[here])
    rim = border & (labels <= 0) & (beside > 0)
    border &= labels > 0
    picture[border] = table[(labels[border] - 1) % len(table)]
    colour = table[(beside[rim] - 1) % len(table)]
    target = np.where(colour @ np.array([0.299, 0.587, 0.114]) < 96, 255, 0)[:, None]
    picture[rim] = (picture[rim] * 0.4 + target * 0.6).astype(np.uint8)


def _host(function: str, argument: str, array: Any) -> npt.NDArray[Any]:
    if is_on_cuda(array):
        raise TypeError(f"{function}: {argument} must be in host memory, got an array on a CUDA device")
    return as_host(function, argument, array)


def _dense(function: str, argument: str, masks: Any) -> npt.NDArray[Any]:
    """Return masks as bool, (H, W) or (N, H, W)."""
    array = _host(function, argument, masks.to_dense() if isinstance(masks, (PackedMasks, RLEMasks)) else masks)
    if array.dtype.kind not in "biu":
        raise TypeError(f"{function}: {argument} must be bool or integer, got {array.dtype}")
    return array.astype(bool, copy=False)


def _fill_value(fill: npt.ArrayLike, dtype: np.dtype[Any], channels: int | None) -> npt.NDArray[Any]:
    value = as_host("apply_mask", "fill", fill)
    if value.ndim and value.shape != (channels,):
        wanted = "a number" if channels is None else f"a number or {channels} of them"
        raise ValueError(f"apply_mask: fill must be {wanted}, got shape {value.shape}")
    if value.dtype.kind not in ("biufc" if dtype.kind == "c" else "biuf"):
        raise TypeError(f"apply_mask: fill must be a number of the image's kind {dtype}, got {value.dtype}")
    with np.errstate(all="ignore"):
        cast = value.astype(dtype)
        lost = cast != value if dtype.kind in "biu" else np.isfinite(value) & ~np.isfinite(cast)
    if lost.any():
        raise ValueError(f"apply_mask: fill must be a value of the image's dtype {dtype}, got {shown(fill)}")
    return cast


def _as_rgb(image: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Return the image as a new array of RGB bytes."""
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3):
        raise ValueError(f"overlay: image must have shape (H, W) or (H, W, 3), got {image.shape}")
    if image.dtype.kind not in "biuf":
        raise TypeError(f"overlay: image must be of real numbers, got {image.dtype}")
    if image.dtype == np.bool_:
        grey = image.astype(np.uint8) * np.uint8(255)
    elif image.dtype == np.uint8:
        grey = image
    else:
        finite = image[np.isfinite(image)]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
        scaled = (image.astype(np.float64) - low) / (high - low if high > low else 1.0)
        grey = np.rint(np.nan_to_num(scaled, nan=0.0, posinf=1.0, neginf=0.0) * 255).astype(np.uint8)
    return np.array(np.broadcast_to(grey[..., None], (*grey.shape, 3)) if grey.ndim == 2 else grey, order="C")


def _label_map(masks: Any, size: tuple[int, int]) -> npt.NDArray[Any]:
    """Return a signed map of labels in which mask ``i`` is label ``i + 1`` and the last one wins."""
    batch: Any = masks if isinstance(masks, (PackedMasks, RLEMasks)) else _host("overlay", "masks", masks)
    is_container = isinstance(batch, (PackedMasks, RLEMasks))
    shape = (len(batch), *batch.size) if is_container else batch.shape
    if not is_container and batch.dtype.kind not in "biu":
        raise TypeError(f"overlay: masks must be bool or integer, got {batch.dtype}")
    if len(shape) not in (2, 3) or shape[-2:] != size:
        raise ValueError(f"overlay: masks must have shape {size} or (N, {size[0]}, {size[1]}), got {shape}")
    if len(shape) == 2:
        narrow = batch.dtype.itemsize < 4 or batch.dtype == np.int32
        return np.asarray(batch.astype(np.int32 if narrow else np.int64))
    labels = np.zeros(size, np.int32)
    for i, mask in enumerate(batch):
        labels[_dense("overlay", "masks", mask).reshape(size)] = i + 1
    return labels


def _colour_table(function: str, colors: npt.ArrayLike | None) -> npt.NDArray[np.uint8]:
    if colors is None:
        return default_colours()
    table = np.atleast_2d(as_host(function, "colors", colors))
    if table.ndim != 2 or table.shape[1] != 3 or not len(table):
        raise ValueError(f"{function}: colors must have shape (K, 3) or (3,), got {table.shape}")
    if table.dtype.kind not in "iu" or table.min() < 0 or table.max() > 255:
        raise ValueError(f"{function}: colors must be integers from 0 to 255")
    return table.astype(np.uint8)
