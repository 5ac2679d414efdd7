"""``pycocotools.mask``, as of version 2.0.11: the same names, arguments, results, types, orders and errors.

Run lengths are dictionaries ``{"size": [h, w], "counts": bytes}``, masks are uint8 in Fortran order, batches along the
last axis, boxes ``[x, y, w, h]``. Differences, all of them where pycocotools gives what nobody can want:

- Counts that do not make up a mask raise ValueError. pycocotools leaves pixels uninitialised where counts are short,
  reads past its memory, or does not end; it takes any character for a digit.
- A run of length 0 is no part of a box. pycocotools gives boxes of 2^32 for masks that end with one.
- Any non-zero value is foreground in `encode`. pycocotools begins a run at every change of value.
- NaN, infinity and coordinates beyond 2^27 in polygons and boxes raise ValueError. pycocotools uses up the memory.
- Boxes in any memory order are read row by row. pycocotools' `iou` and `frPyObjects` take arrays in Fortran order for
  arrays in C order, and give numbers of other boxes.
- Run lengths that are NaN raise ValueError, and complex numbers TypeError. pycocotools warns, and takes part of them.
- `decode` of an empty list raises ValueError, and sizes of more than 2^32 - 1 pixels do.

Under `rapidmask.patch`, what ``COCO.loadRes`` and ``COCOeval.evaluate`` want of each mask by itself is worked out for
all masks at once, on all threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import _cpu
from .._upstream import Around, Upstream
from ..ops.rle import _encode_coco
from . import _coco_evaluation

RLE = dict[str, Any]

__all__ = ["area", "decode", "encode", "frPyObjects", "iou", "merge", "toBbox"]


def encode(bimask: npt.NDArray[Any]) -> Any:
    """Encode masks in Fortran order, ``(h, w)`` to a dictionary or ``(h, w, n)`` to a list of n."""
    if len(bimask.shape) == 3:
        return _encode(bimask)
    if len(bimask.shape) == 2:
        return _encode(bimask[:, :, None])[0]
    return None


def decode(rleObjs: RLE | list[RLE]) -> npt.NDArray[np.uint8]:
    """Decode a dictionary to ``(h, w)``, or n to ``(h, w, n)`` with the size of the first, in Fortran order."""
    if type(rleObjs) is list:
        return _cpu.coco_decode(rleObjs)
    return _cpu.coco_decode([rleObjs])[:, :, 0]


def area(rleObjs: RLE | list[RLE]) -> Any:
    """Count the pixels: a uint32 for a dictionary, an array for a list."""
    return _cpu.coco_area(rleObjs)


def toBbox(rleObjs: RLE | list[RLE]) -> Any:
    """Return the box ``[x, y, w, h]`` of a dictionary, or ``(n, 4)`` of a list; zeros for an empty mask."""
    return _cpu.coco_to_bbox(rleObjs)


def merge(rleObjs: Sequence[RLE], intersect: int = 0) -> RLE:
    """Unite masks, or intersect them. No masks, and masks of different sizes, give one of size ``[0, 0]``."""
    rles = list(rleObjs)
    if len(rles) == 1:
        _cpu.coco_area(rles)  # one is handed on as it is, if it is a mask
    if isinstance(intersect, (str, bytes)):
        raise TypeError(f"an integer is required, got {type(intersect).__name__}")
    return _cpu.coco_merge(rles, int(intersect) != 0)


def iou(dt: Any, gt: Any, pyiscrowd: Sequence[int]) -> Any:
    """Return the overlap of each detection with each ground truth, float64 ``(m, n)`` in Fortran order.

    Of dictionaries, or of boxes: float64 ``(n, 4)`` or lists of four numbers. Of a crowd, the overlap is the share of
    the detection that lies in it. An empty side gives an empty list. Masks of different sizes give -1 where their boxes
    meet.
    """
    if type(dt) is list and type(gt) is list:
        overlaps = _coco_evaluation.overlaps_of(dt, gt, pyiscrowd)
        if overlaps is None:
            overlaps = _cpu.coco_iou(dt, gt, pyiscrowd)
        if overlaps is not None:
            return overlaps
    iscrowd = [int(flag) != 0 for flag in pyiscrowd]
    detections, truths = _masks_or_boxes(dt), _masks_or_boxes(gt)
    if len(detections) == 0 or len(truths) == 0:
        return []
    assert len(iscrowd) == len(truths), "iou(iscrowd=) must have the same length as gt"
    if type(detections) is not type(truths):
        raise Exception("The dt and gt should have the same data type, either RLEs, list or np.ndarray")
    return _cpu.coco_box_iou(detections, truths, iscrowd)


def frPyObjects(pyobj: Any, h: int, w: int) -> Any:
    """Encode boxes (an array), polygons (a list of flat lists of more than four numbers) or uncompressed run lengths.

    An array or a list gives a list of dictionaries, a dictionary gives one. The size of run lengths is their own.
    """
    if type(pyobj) is np.ndarray:
        return frBbox(pyobj, h, w)
    if type(pyobj) is list:
        if len(pyobj[0]) == 4:
            raise TypeError("frPyObjects: boxes must be an array of float64, got a list")
        if len(pyobj[0]) > 4:
            return frPoly(pyobj, h, w)
        if _is_rle(pyobj[0]):
            return frUncompressedRLE(pyobj, h, w)
    elif _is_rle(pyobj):
        return frUncompressedRLE([pyobj], h, w)[0]
    raise Exception("input type is not supported.")


def frBbox(bb: npt.NDArray[np.float64], h: int, w: int) -> list[RLE]:
    """Encode boxes, float64 ``(n, 4)``, as the polygons of their corners."""
    if not isinstance(bb, np.ndarray):
        raise TypeError(f"frBbox: bb must be an array, got {type(bb).__name__}")
    if bb.dtype != np.float64 or bb.ndim != 2 or (len(bb) and bb.shape[1] < 4):
        raise ValueError(f"frBbox: bb must be float64 of shape (n, 4), got {bb.dtype} of shape {bb.shape}")
    x, y, width, height = bb.reshape(-1)[: 4 * len(bb)].reshape(-1, 4).T
    with np.errstate(over="ignore", invalid="ignore"):  # of what is refused below
        right, bottom = x + width, y + height
    corners = np.stack([x, y, x, bottom, right, bottom, right, y], axis=1)
    return _fill([[ring] for ring in corners], h, w)


def frPoly(poly: Sequence[Any], h: int, w: int) -> list[RLE]:
    """Encode polygons, each a flat list of coordinates and a mask of its own."""
    try:
        return _fill([[ring if type(ring) is list and len(ring) % 2 == 0 else _flat(ring)] for ring in poly], h, w)
    except (TypeError, ValueError):  # what NumPy reads as numbers, it may have
        return _fill([[_flat(ring)] for ring in poly], h, w)


def frUncompressedRLE(ucRles: Sequence[RLE], h: int, w: int) -> list[RLE]:
    """Compress run lengths that are lists of integers; their sum is not looked at."""
    return [_compress(rle) for rle in ucRles]


def _replacements() -> dict[str, Any]:
    public = {f"pycocotools.mask:{name}": globals()[name] for name in __all__}
    compiled = ("iou", "merge", "frPyObjects", "frBbox", "frPoly", "frUncompressedRLE")
    return (
        public
        | {f"pycocotools._mask:{name}": globals()[name] for name in compiled}
        | {
            "pycocotools.coco:COCO.loadRes": Around(_coco_evaluation.load_results),
            "pycocotools.cocoeval:COCOeval.evaluate": Around(_coco_evaluation.evaluate),
            "pycocotools.cocoeval:COCOeval._prepare": Around(_coco_evaluation.prepare),
        }
    )


UPSTREAMS = {"pycocotools": Upstream("pycocotools", ("2.0",), _replacements, falls_back=False)}


def _encode(masks: npt.NDArray[Any]) -> list[RLE]:
    if not isinstance(masks, np.ndarray):
        raise TypeError(f"encode: bimask must be a NumPy array, got {type(masks).__name__}")
    if masks.dtype not in (np.uint8, np.bool_):
        raise ValueError(f"Buffer dtype mismatch, expected 'uint8_t' but got {str(masks.dtype)!r}")
    if not masks.flags.f_contiguous:
        raise ValueError("ndarray is not Fortran contiguous")
    h, w, n = masks.shape
    if h * w == 0:
        return [{"size": [h, w], "counts": b"0"} for _ in range(n)]
    return _encode_coco(masks.transpose(2, 0, 1))


def _is_rle(obj: Any) -> bool:
    return type(obj) is dict and "counts" in obj and "size" in obj


def _masks_or_boxes(objs: Any) -> Any:
    """Return a list of dictionaries, or boxes as an array; whatever is empty as it is."""
    if len(objs) == 0:
        return objs
    if type(objs) is np.ndarray:
        if objs.ndim != 2 or objs.shape[1] != 4:
            if objs.ndim == 1:
                raise TypeError(f"iou: boxes must have shape (n, 4), got {objs.shape}")
            raise Exception("numpy ndarray input is only for *bounding boxes* and should have Nx4 dimension")
        return _reals(objs)
    if type(objs) is list:
        if all(type(obj) is dict for obj in objs):
            return objs
        if all(type(obj) in (list, np.ndarray) and len(obj) == 4 for obj in objs):
            return np.array([_reals(obj) if type(obj) is np.ndarray else obj for obj in objs], np.float64)
        raise Exception("list input can be bounding box (Nx4) or RLEs ([RLE])")
    raise Exception(
        "unrecognized type.  The following type: RLEs (rle), np.ndarray (box), and list (box) are supported."
    )


def _reals(values: Any) -> npt.NDArray[np.float64]:
    if type(values) is np.ndarray and values.dtype.kind == "c":
        raise TypeError(f"coordinates must be real numbers, got {values.dtype}")
    return np.asarray(values, np.float64)


def _flat(ring: Any) -> npt.NDArray[np.float64]:
    """As many numbers as the list has entries, in pairs."""
    values = _reals(ring)
    if values.ndim != 1:
        raise ValueError(f"Buffer has wrong number of dimensions (expected 1, got {values.ndim})")
    return values[: len(ring) // 2 * 2]


def _fill(polygons: list[Any], h: int, w: int) -> list[RLE]:
    h, w = int(h), int(w)
    if h < 0 or w < 0:
        raise OverflowError("size of a mask must not be negative")
    if max(h, w) >= 2**63:
        raise OverflowError("size of a mask must be of 64 bits")
    if h * w == 0:
        return [{"size": [h, w], "counts": b"0"} for _ in polygons]
    return _cpu.coco_from_polygons(polygons, h, w)


def _extent(extent: Any) -> int:
    if isinstance(extent, (str, bytes)):
        raise TypeError(f"an integer is required, got {type(extent).__name__}")
    if extent < 0:
        raise OverflowError("size of a mask must not be negative")
    return int(extent)


def _compress(rle: RLE) -> RLE:
    given = rle["counts"]
    if type(given) is np.ndarray and given.dtype.kind == "c":
        raise TypeError(f"counts must be real numbers, got {given.dtype}")
    try:
        with np.errstate(invalid="raise"):
            counts = np.array(given, np.uint32)
    except FloatingPointError:
        raise ValueError("counts must be numbers from 0 to 2^32 - 1, got others") from None
    if counts.ndim != 1:
        raise ValueError(f"Buffer has wrong number of dimensions (expected 1, got {counts.ndim})")
    h, w = (_extent(extent) for extent in rle["size"])
    return {"size": [h, w], "counts": _cpu.rle_to_string(counts)}
