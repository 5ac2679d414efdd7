"""Pictures, label maps and COCO's JSON, from and to files; annotation records of COCO and LabelMe.

Pictures are read and written by Pillow, which is imported with the first call that needs it. Every file appears whole
or not at all: it is written beside its place under another name, then renamed.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import secrets
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from ._records import coco_annotations, labelme_record, masks_from_coco, masks_from_labelme, rle_from_labels

__all__ = [
    "MAX_PNG_LABEL",
    "coco_annotations",
    "labelme_record",
    "masks_from_coco",
    "masks_from_labelme",
    "pillow",
    "read_image",
    "replacing",
    "rle_from_labels",
    "to_grey",
    "write_coco",
    "write_image",
    "write_labels",
]

MAX_PNG_LABEL = 65535  # a grey PNG has at most 16 bits


def pillow(module: str) -> Any:
    """Import a module of Pillow.

    Parameters
    ----------
    module : str
        Such as "Image".

    Returns
    -------
    module

    Raises
    ------
    ImportError
        If Pillow is missing, with how to install it.
    """
    try:
        return importlib.import_module(f"PIL.{module}")
    except ImportError as error:
        raise ImportError('reading and writing pictures needs Pillow: pip install "rapidmask[cli]"') from error


def read_image(path: str | os.PathLike[str]) -> npt.NDArray[Any]:
    """Read a picture as grey or RGB.

    Parameters
    ----------
    path : path
        A file in any format that Pillow reads.

    Returns
    -------
    numpy.ndarray, shape (H, W) or (H, W, 3)
        uint8; uint16 for 16-bit grey; int32 or float32 for grey pictures with such pixels. Upright, as the EXIF data
        say.

    Raises
    ------
    OSError
        If the file cannot be opened.
    ValueError
        If it is no picture that Pillow reads, or one cut short.
    ImportError
        If Pillow is missing.

    Notes
    -----
    Palettes are looked up, transparent pixels are laid on white, CMYK and other colour spaces become RGB, 1-bit
    pictures 0 and 255. Of an animation or a document the first frame is read. Pillow reduces 16-bit colour to 8 bits.
    """
    image_module = pillow("Image")
    with open(path, "rb") as file:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of large pictures and of unusual EXIF data
                with image_module.open(file) as picture:
                    upright = pillow("ImageOps").exif_transpose(picture)
                    return _as_array(upright)
        except (OSError, SyntaxError, ValueError, EOFError, image_module.DecompressionBombError) as error:
            reason = "no format that Pillow knows" if isinstance(error, image_module.UnidentifiedImageError) else error
            raise ValueError(f"cannot be read as a picture ({reason})") from error


def _as_array(picture: Any) -> npt.NDArray[Any]:
    mode = picture.mode
    if mode.startswith("I;16"):
        return np.asarray(picture).astype(np.uint16)
    if mode in ("L", "RGB", "F"):
        return np.array(picture)
    if mode == "I":
        wide = np.array(picture)
        return wide.astype(np.uint16) if wide.min(initial=0) >= 0 and wide.max(initial=0) <= 0xFFFF else wide
    if mode == "1":
        return np.array(picture.convert("L"))
    if mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in picture.info:
        white = pillow("Image").new("RGBA", picture.size, "white")
        white.alpha_composite(picture.convert("RGBA"))
        return np.array(white.convert("L" if mode in ("LA", "La") else "RGB"))
    rgb = np.array(picture.convert("RGB"))
    is_grey = mode == "P" and (rgb == rgb[..., :1]).all()
    return np.ascontiguousarray(rgb[..., 0]) if is_grey else rgb


def to_grey(image: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the luma of an RGB picture.

    Parameters
    ----------
    image : numpy.ndarray, shape (H, W) or (H, W, 3)
        Grey pictures are returned as they are.

    Returns
    -------
    numpy.ndarray, shape (H, W)
        ``0.299 R + 0.587 G + 0.114 B`` (Rec. 601) in the image's dtype, rounded if that is of integers.
    """
    if image.ndim == 2:
        return image
    luma = image @ np.array([0.299, 0.587, 0.114], np.float32)
    return (np.rint(luma) if image.dtype.kind in "iu" else luma).astype(image.dtype)


def write_image(path: str | os.PathLike[str], image: npt.NDArray[Any]) -> None:
    """Write a picture in the format of the path's suffix.

    Parameters
    ----------
    path : path
        Where to; a file that is there is replaced.
    image : numpy.ndarray of uint8, shape (H, W) or (H, W, 3)
        Grey or RGB. PNG and TIFF take uint16 in grey as well, TIFF int32.

    Raises
    ------
    OSError
        If the file cannot be written.
    ImportError
        If Pillow is missing.
    """
    image_module = pillow("Image")
    image_module.init()
    suffix = Path(path).suffix.lower()
    if suffix not in image_module.EXTENSION:
        raise ValueError(f"write_image: path must end in the suffix of a picture format, got {os.fspath(path)!r}")
    picture = image_module.fromarray(np.ascontiguousarray(image))
    format_name = image_module.EXTENSION[suffix]
    compressed = format_name == "TIFF" and pillow("features").check("libtiff")
    options = {"compression": "tiff_adobe_deflate"} if compressed else {}
    with replacing(path) as file:
        picture.save(file, format=format_name, **options)


def write_labels(path: str | os.PathLike[str], labels: npt.NDArray[Any]) -> None:
    """Write a label map as a grey picture whose pixel values are the labels.

    Parameters
    ----------
    path : path
        Ending in .png, or in .tif or .tiff.
    labels : numpy.ndarray of integers, shape (H, W)
        From 0. Up to 255 they become 8 bits, up to 65535 16 bits, and beyond that 32 bits, which only TIFF holds.

    Raises
    ------
    TypeError
        If the labels are no integers.
    ValueError
        If they are negative, not two-dimensional, or more than the format holds.
    OSError
        If the file cannot be written.
    """
    if labels.dtype.kind not in "iu":
        raise TypeError(f"write_labels: labels must be integers, got {labels.dtype}")
    if labels.ndim != 2:
        raise ValueError(f"write_labels: labels must have shape (H, W), got {labels.shape}")
    smallest, largest = (int(labels.min()), int(labels.max())) if labels.size else (0, 0)
    limit = 2**31 - 1 if Path(path).suffix.lower() in (".tif", ".tiff") else MAX_PNG_LABEL
    if smallest < 0 or largest > limit:
        found = smallest if smallest < 0 else largest
        raise ValueError(f"write_labels: labels must be from 0 to {limit} in this format, got {found}")
    dtype = np.uint8 if largest <= 255 else np.uint16 if largest <= MAX_PNG_LABEL else np.int32
    write_image(path, labels.astype(dtype))


def write_coco(
    path: str | os.PathLike[str],
    images: Sequence[Mapping[str, Any]],
    annotations: Sequence[Mapping[str, Any]],
    categories: Sequence[Mapping[str, Any]],
    *,
    info: Mapping[str, Any] | None = None,
) -> None:
    """Write a COCO data set as JSON.

    Parameters
    ----------
    path : path
        Where to; a file that is there is replaced.
    images, annotations, categories : sequence of mappings
        As COCO has them: images with ``id``, ``file_name``, ``width`` and ``height``, categories with ``id`` and
        ``name``.
    info : mapping, optional
        About the data set.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    content = {
        "info": dict(info or {}),
        "images": [dict(image) for image in images],
        "annotations": [dict(annotation) for annotation in annotations],
        "categories": [dict(category) for category in categories],
    }
    text = json.dumps(content, ensure_ascii=False, allow_nan=False)
    with replacing(path) as file:
        file.write(text.encode() + b"\n")


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file that takes the place of ``path`` once it is written, and vanishes if that fails.

    Parameters
    ----------
    path : path
        The file's name in the end.

    Yields
    ------
    file
        To write bytes to, in the same folder.
    """
    target = Path(path)
    beside = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        with open(beside, "xb") as file:
            yield file
        os.replace(beside, target)
    except BaseException as error:
        beside.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename == os.fspath(beside):
            error.filename = os.fspath(target)  # the name that the caller knows
        raise
