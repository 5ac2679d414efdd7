"""Pictures, label maps and COCO's JSON, from and to files; annotation records of COCO and LabelMe.

Pictures are read and written by Pillow, which is imported with the first call that needs it. Every file appears whole
or not at all: it is written beside its place under another name, then renamed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ._arrays import native_byte_order
from ._errors import UnreadableError, shown, told
from ._files import pillow, replacing, without_warnings
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
    return _read("read_image", path, _as_array)


def _place(function: str, path: Any) -> Path:
    """Return a path that a file system could have."""
    try:
        place = Path(os.fsdecode(path))
        if b"\0" in os.fsencode(place):
            raise ValueError
    except TypeError:
        raise TypeError(f"{function}: path must be a path, got {shown(path)}") from None
    except ValueError:
        raise ValueError(f"{function}: path must be one that files have, got {shown(path)}") from None
    return place


def _lossless(function: str, path: str | os.PathLike[str]) -> str:
    """Return the suffix of a path whose format keeps every value."""
    suffix = _place(function, path).suffix.lower()
    if suffix not in (".png", ".tif", ".tiff"):
        raise ValueError(f"{function}: path must end in .png, .tif or .tiff, got {shown(os.fspath(path))}")
    return suffix


def _read(function: str, path: str | os.PathLike[str], take: Callable[[Any], npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Open a picture, and return what is taken from it."""
    image_module = pillow("Image")
    with open(_place(function, path), "rb") as file:
        try:
            with without_warnings(), image_module.open(file) as picture:  # of large ones and of unusual EXIF data
                upright = pillow("ImageOps").exif_transpose(picture)
                return take(upright)
        except MemoryError:
            raise MemoryError(f"{function}: there is no memory for the picture") from None
        except Exception as error:  # whatever a parser of Pillow stumbles over
            unknown = isinstance(error, image_module.UnidentifiedImageError)
            reason = "no format that Pillow knows" if unknown else told(error)
            what = f"cannot be read as a picture ({reason})"
            raise UnreadableError(function, shown(os.fspath(path)), what) from error


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

    return _read("read_labels", path, take)


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

    return _read("read_panoptic", path, take)


def write_panoptic(path: str | os.PathLike[str], segments: npt.NDArray[Any]) -> None:
    """Write a panoptic map as COCO has it, three bytes for each pixel.

    Parameters
    ----------
    path : path
        Ending in .png, .tif or .tiff, which keep every value.
    segments : numpy.ndarray of integers, shape (H, W)
        From 0 to 16777215.

    Raises
    ------
    TypeError
        If segments are no array of NumPy.
    ValueError
        If segments are out of range, without pixels, or not two-dimensional, or the path ends otherwise.
    OSError
        If the file cannot be written.
    """
    if not isinstance(segments, np.ndarray):
        raise TypeError(f"write_panoptic: segments must be a NumPy array, got {shown(segments)}")
    if segments.ndim != 2 or segments.dtype.kind not in "iu":
        raise ValueError(f"write_panoptic: segments must be integers (H, W), got {segments.dtype} of {segments.shape}")
    if segments.size and (segments.min() < 0 or segments.max() >= 1 << 24):
        raise ValueError(f"write_panoptic: segments must be from 0 to 16777215, got {segments.min()}, {segments.max()}")
    _lossless("write_panoptic", path)
    wide = segments.astype(np.uint32)
    _write("write_panoptic", path, np.stack([wide >> shift & 0xFF for shift in (0, 8, 16)], axis=2).astype(np.uint8))


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

    Raises
    ------
    TypeError
        If the image is no array of numbers.
    ValueError
        If it is of another shape.
    """
    if not isinstance(image, np.ndarray) or image.dtype.kind not in "biuf":
        raise TypeError(f"to_grey: image must be a NumPy array of numbers, got {shown(image)}")
    if image.ndim != 2 and (image.ndim != 3 or image.shape[2] != 3):
        raise ValueError(f"to_grey: image must have shape (H, W) or (H, W, 3), got {image.shape}")
    if image.ndim == 2:
        return image
    with np.errstate(invalid="ignore", over="ignore"):  # of infinities
        luma = image @ np.array([0.299, 0.587, 0.114], np.float32)
        if image.dtype.kind not in "iu":
            return np.asarray(luma.astype(image.dtype))
        if image.dtype.itemsize <= 2:
            return np.asarray(np.rint(luma).astype(image.dtype))
        lowest, highest = image.min(axis=2), image.max(axis=2)  # between which rounded weights need not stay
        grey = np.where(luma < lowest, lowest, np.rint(luma).astype(image.dtype))
        return np.asarray(np.where(luma < highest, grey, highest))


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
    TypeError
        If the image is no array of NumPy.
    ValueError
        If the path's suffix is that of no format that Pillow writes, or the format holds no such pixels.
    OSError
        If the file cannot be written.
    ImportError
        If Pillow is missing.
    """
    _write("write_image", path, image, fast=fast)


def _write(function: str, path: str | os.PathLike[str], image: npt.NDArray[Any], *, fast: bool = False) -> None:
    image_module = pillow("Image")
    image_module.init()
    place = _place(function, path)
    format_name = image_module.EXTENSION.get(place.suffix.lower())
    if format_name not in image_module.SAVE:
        raise ValueError(f"{function}: path must end in the suffix of a picture format, got {shown(os.fspath(path))}")
    if not isinstance(image, np.ndarray):
        raise TypeError(f"{function}: image must be a NumPy array, got {shown(image)}")
    if not isinstance(fast, (bool, np.bool_)):
        raise TypeError(f"{function}: fast must be True or False, got {shown(fast)}")
    if 0 in image.shape:
        raise ValueError(f"{function}: a picture must have pixels, got shape {image.shape}")
    compressed = format_name == "TIFF" and pillow("features").check("libtiff")
    options: dict[str, Any] = {"compression": "tiff_adobe_deflate"} if compressed else {}
    if fast and format_name == "PNG":
        options["compress_level"] = 1
    with replacing(place) as file:
        try:
            picture = image_module.fromarray(np.ascontiguousarray(native_byte_order(image)))
            picture.save(file, format=format_name, **options)
        except MemoryError:
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno:
                raise
            raise ValueError(
                f"{function}: {image.dtype} of shape {image.shape} cannot be written as {format_name} ({told(error)})"
            ) from error


def write_labels(path: str | os.PathLike[str], labels: npt.NDArray[Any]) -> None:
    """Write a label map as a grey picture whose pixel values are the labels.

    Parameters
    ----------
    path : path
        Ending in .png, .tif or .tiff, which keep every value.
    labels : numpy.ndarray of integers, shape (H, W)
        From 0. Up to 255 they become 8 bits, up to 65535 16 bits, and beyond that 32 bits, which only TIFF holds.

    Raises
    ------
    TypeError
        If the labels are no array of integers.
    ValueError
        If they are negative, not two-dimensional, without pixels, or more than the format holds, or the path ends
        otherwise.
    OSError
        If the file cannot be written.
    """
    if not isinstance(labels, np.ndarray):
        raise TypeError(f"write_labels: labels must be a NumPy array, got {shown(labels)}")
    if labels.dtype.kind not in "iu":
        raise TypeError(f"write_labels: labels must be integers, got {labels.dtype}")
    if labels.ndim != 2:
        raise ValueError(f"write_labels: labels must have shape (H, W), got {labels.shape}")
    smallest, largest = (int(labels.min()), int(labels.max())) if labels.size else (0, 0)
    limit = MAX_PNG_LABEL if _lossless("write_labels", path) == ".png" else 2**31 - 1
    if smallest < 0 or largest > limit:
        found = smallest if smallest < 0 else largest
        raise ValueError(f"write_labels: labels must be from 0 to {limit} in this format, got {found}")
    dtype = np.uint8 if largest <= 255 else np.uint16 if largest <= MAX_PNG_LABEL else np.int32
    _write("write_labels", path, labels.astype(dtype))


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
    TypeError
        If these are no mappings, or hold what JSON does not.
    ValueError
        If a number is not finite.
    OSError
        If the file cannot be written.
    """
    if info is not None and not isinstance(info, Mapping):
        raise TypeError(f"write_coco: info must be a mapping, got {shown(info)}")
    content: dict[str, Any] = {"info": dict(info or {})}
    for name, listed in (("images", images), ("annotations", annotations), ("categories", categories)):
        if isinstance(listed, (str, bytes, Mapping)) or not hasattr(listed, "__iter__"):
            raise TypeError(f"write_coco: {name} must be a sequence of mappings, got {shown(listed)}")
        content[name] = []
        for i, one in enumerate(listed):
            if not isinstance(one, Mapping):
                raise TypeError(f"write_coco: {name}[{i}] must be a mapping, got {shown(one)}")
            content[name].append(dict(one))
    _write_json("write_coco", path, content)


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
    TypeError
        If the content holds anything else.
    ValueError
        If a number is not finite, or the content is nested too deeply.
    OSError
        If the file cannot be written.
    """
    _write_json("write_json", path, content)


def _write_json(function: str, path: str | os.PathLike[str], content: Any) -> None:
    place = _place(function, path)
    try:
        text = json.dumps(content, ensure_ascii=False, allow_nan=False)
        try:
            data = text.encode()
        except UnicodeEncodeError:
            data = json.dumps(content, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{function}: this cannot be written as JSON ({told(error)})") from error
    with replacing(place) as file:
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
    data = _place("read_json", path).read_bytes()
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UnreadableError("read_json", shown(os.fspath(path)), f"cannot be read as JSON ({told(error)})") from error
