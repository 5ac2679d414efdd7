"""Pictures, label maps and COCO's JSON, from and to files; annotation records of COCO and LabelMe.

Pictures are read and written by Pillow, which is imported with the first call that needs it. Every file appears whole
or not at all: it is written beside its place under another name, then renamed.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ._files import pillow, replacing
from ._records import coco_annotations, labelme_record, masks_from_coco, masks_from_labelme, rle_from_labels
from ._results import masks_from_pipeline, pipeline_records

__all__ = [
    "MAX_PNG_LABEL",
    "coco_annotations",
    "labelme_record",
    "masks_from_coco",
    "masks_from_labelme",
    "masks_from_pipeline",
    "pillow",
    "pipeline_records",
    "read_image",
    "read_json",
    "read_labels",
    "read_panoptic",
    "replacing",
    "rle_from_labels",
    "to_grey",
    "write_coco",
    "write_image",
    "write_json",
    "write_labels",
    "write_panoptic",
]

MAX_PNG_LABEL = 65535  # a grey PNG has at most 16 bits


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
    return _read(path, _as_array)


def _read(path: str | os.PathLike[str], take: Callable[[Any], npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Open a picture, and return what is taken from it."""
    image_module = pillow("Image")
    with open(path, "rb") as file:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of large pictures and of unusual EXIF data
                with image_module.open(file) as picture:
                    upright = pillow("ImageOps").exif_transpose(picture)
                    return take(upright)
        except (OSError, SyntaxError, ValueError, EOFError, image_module.DecompressionBombError) as error:
            reason = "no format that Pillow knows" if isinstance(error, image_module.UnidentifiedImageError) else error
            raise ValueError(f"cannot be read as a picture ({reason})") from error


def read_labels(path: str | os.PathLike[str]) -> npt.NDArray[Any]:
    """Read a label map: a grey picture whose pixel values are the labels, or one with a palette, of its indices.

    Parameters
    ----------
    path : path
        Such as `write_labels` writes, or the class maps of Pascal VOC and ADE20K.

    Returns
    -------
    numpy.ndarray of uint8, uint16 or int32, shape (H, W)

    Raises
    ------
    OSError
        If the file cannot be opened.
    ValueError
        If it is no picture that Pillow reads, one cut short, or one of colours without a palette.
    ImportError
        If Pillow is missing.
    """

    def take(picture: Any) -> npt.NDArray[Any]:
        labels = np.array(picture) if picture.mode == "P" else _as_array(picture)
        if labels.ndim != 2 or labels.dtype.kind not in "iu":
            raise ValueError(f"a map of labels is grey or has a palette, and this is {picture.mode}")
        return labels

    return _read(path, take)


def read_panoptic(path: str | os.PathLike[str]) -> npt.NDArray[np.int32]:
    """Read a panoptic map of COCO.

    Parameters
    ----------
    path : path
        A picture of colours.

    Returns
    -------
    numpy.ndarray of int32, shape (H, W)
        ``R + 256 G + 65536 B``: the segment of each pixel.

    Raises
    ------
    OSError
        If the file cannot be opened.
    ValueError
        If it is no picture of colours.
    ImportError
        If Pillow is missing.
    """

    def take(picture: Any) -> npt.NDArray[np.int32]:
        if picture.mode not in ("RGB", "RGBA"):
            raise ValueError(f"a panoptic map has colours, and this is {picture.mode}")
        rgb = np.array(picture)[..., :3].astype(np.int32)
        return np.asarray(rgb[..., 0] + 256 * rgb[..., 1] + 65536 * rgb[..., 2], np.int32)

    return _read(path, take)


def write_panoptic(path: str | os.PathLike[str], segments: npt.NDArray[Any]) -> None:
    """Write a panoptic map as COCO has it, three bytes for each pixel.

    Parameters
    ----------
    path : path
        Ending in .png, or another format without loss.
    segments : numpy.ndarray of integers, shape (H, W)
        From 0 to 16777215.

    Raises
    ------
    ValueError
        If segments are out of range, or not two-dimensional.
    OSError
        If the file cannot be written.
    """
    if segments.ndim != 2 or segments.dtype.kind not in "iu":
        raise ValueError(f"write_panoptic: segments must be integers (H, W), got {segments.dtype} of {segments.shape}")
    if segments.size and (segments.min() < 0 or segments.max() >= 1 << 24):
        raise ValueError(f"write_panoptic: segments must be from 0 to 16777215, got {segments.min()}, {segments.max()}")
    wide = segments.astype(np.uint32)
    write_image(path, np.stack([wide >> shift & 0xFF for shift in (0, 8, 16)], axis=2).astype(np.uint8))


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


def write_image(path: str | os.PathLike[str], image: npt.NDArray[Any], *, fast: bool = False) -> None:
    """Write a picture in the format of the path's suffix.

    Parameters
    ----------
    path : path
        Where to; a file that is there is replaced.
    image : numpy.ndarray of uint8, shape (H, W) or (H, W, 3)
        Grey or RGB. PNG and TIFF take uint16 in grey as well, TIFF int32.
    fast : bool
        Whether a PNG is compressed less: of a photograph a few percent larger, in a quarter of the time.

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
    options: dict[str, Any] = {"compression": "tiff_adobe_deflate"} if compressed else {}
    if fast and format_name == "PNG":
        options["compress_level"] = 1
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
    write_json(path, content)


def write_json(path: str | os.PathLike[str], content: Any) -> None:
    """Write JSON as UTF-8; file names whose bytes are no text as escapes, which Python reads back.

    Parameters
    ----------
    path : path
        Where to; a file that is there is replaced.
    content : dict, list, str, int, float, bool or None
        What to write.

    Raises
    ------
    ValueError
        If a number is not finite.
    OSError
        If the file cannot be written.
    """
    text = json.dumps(content, ensure_ascii=False, allow_nan=False)
    try:
        data = text.encode()
    except UnicodeEncodeError:
        data = json.dumps(content, allow_nan=False).encode()
    with replacing(path) as file:
        file.write(data + b"\n")


def read_json(path: str | os.PathLike[str]) -> Any:
    """Read JSON.

    Parameters
    ----------
    path : path
        A file of UTF-8, UTF-16 or UTF-32.

    Returns
    -------
    dict, list, str, int, float, bool or None

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is no JSON.
    """
    data = Path(path).read_bytes()
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"cannot be read as JSON ({error})") from error
