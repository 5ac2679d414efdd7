"""Annotation records, as COCO and LabelMe write them into JSON, from and to masks.

Coordinates are those of the edges of pixels: pixel 0 lies between 0 and 1. So outlines that are written here give the
same pixels when they are read by COCO's rule.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence, Set
from typing import Any, Literal, SupportsIndex

import numpy as np
import numpy.typing as npt

from . import _arrays
from ._containers import PackedMasks, RLEMasks, Size, _as_size
from ._errors import refusing_as, shown
from .ops.polygon import masks_to_polygons, polygons_to_masks
from .ops.rle import rle_decode, rle_encode

_FORMS = ("rle", "counts", "polygons")
_AREAS = ("polygon", "rectangle", "circle")
_WITHOUT_AREA = ("line", "linestrip", "point", "points")
_MOST_OF_CIRCLE = 2**17  # vertices; so many keep within 3/1000 of a pixel of the largest circle


def rle_from_labels(labels: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], RLEMasks]:
    """Encode every label of a map as a mask, in one pass over the pixels, as `rapidmask.rle_encode_labels` does.

    That function gives the masks first, then the values, and takes negative labels for labels.

    Parameters
    ----------
    labels : numpy.ndarray of integers, shape (H, W)
        0 and less is background.

    Returns
    -------
    values : numpy.ndarray, shape (N,)
        The labels found, ascending.
    masks : RLEMasks
        The mask of each.

    Raises
    ------
    TypeError
        If the labels are no array of integers.
    ValueError
        If they are not two-dimensional.
    """
    if not isinstance(labels, np.ndarray) or labels.dtype.kind not in "biu":
        raise TypeError(f"rle_from_labels: labels must be a NumPy array of integers, got {shown(labels)}")
    if labels.ndim != 2:
        raise ValueError(f"rle_from_labels: labels must have shape (H, W), got {labels.shape}")
    flat = np.asarray(labels).ravel(order="F")
    begins = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    begins = np.concatenate([np.zeros(min(1, flat.size), np.int64), begins])
    lengths = np.diff(begins, append=flat.size)
    kept = flat[begins] > 0
    begins, lengths = begins[kept], lengths[kept]
    order = np.argsort(flat[begins], kind="stable")  # the runs of a label stay in column order
    begins, lengths = begins[order], lengths[order]
    values, first = np.unique(flat[begins], return_index=True)

    ends = begins + lengths
    gaps = begins - np.concatenate([np.zeros(1, np.int64), ends])[: len(ends)]
    gaps[first] = begins[first]
    last = np.append(first[1:], len(ends))[: len(first)] - 1
    tails = flat.size - ends[last]
    counts = np.stack([gaps, lengths], axis=1).ravel()
    counts = np.insert(counts, 2 * (last + 1)[tails > 0], tails[tails > 0])
    offsets = np.zeros(len(values) + 1, np.int64)
    np.cumsum(2 * (last + 1 - first) + (tails > 0), out=offsets[1:])
    return values, RLEMasks(counts.astype(np.uint32), offsets, (labels.shape[0], labels.shape[1]))


def outlines(mask: npt.NDArray[Any]) -> list[npt.NDArray[np.int64]]:
    """Return the outlines of a mask along the edges of its pixels, without those of holes.

    Parameters
    ----------
    mask : array of bool or uint8, shape (H, W)
        Any non-zero value is foreground.

    Returns
    -------
    list of arrays of int64, shape (K, 2)
        The corners (x, y) of each.
    """
    doubled = mask.repeat(2, axis=0).repeat(2, axis=1)
    found = []
    for border in masks_to_polygons(doubled)[0]:
        # Of the four pixels that each has become, the border passes those at its outer corners; at an inner corner it
        # steps diagonally, between two pixels that round to the same corner.
        corners = (border.astype(np.int64) + 1) // 2
        corners = corners[(corners != np.roll(corners, 1, axis=0)).any(axis=1)]
        before, after = corners - np.roll(corners, 1, axis=0), np.roll(corners, -1, axis=0) - corners
        found.append(corners[before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]])
    return found


def _outlines_of(masks: RLEMasks) -> list[list[npt.NDArray[np.int64]]]:
    """Return the outlines of each mask, found in its box."""
    found = []
    for mask, (x0, y0, x1, y1) in zip(masks, masks.boxes().tolist(), strict=True):
        inside = rle_decode(mask, output="uint8", crop=(x0, y0, x1, y1))[0]
        found.append([outline + np.array([x0, y0]) for outline in outlines(inside)])
    return found


def _as_rle(function: str, masks: Any) -> RLEMasks:
    """Return masks in any form, or the labels of a map, as run lengths in NumPy's arrays."""
    if isinstance(masks, (PackedMasks, RLEMasks)):
        runs = masks.to_rle()
        return RLEMasks._wrap(_arrays.to_host(runs.counts), _arrays.to_host(runs.offsets), runs.size)
    wanted = f"{function}: masks must be labels (H, W), masks (N, H, W) of bool or uint8, PackedMasks or RLEMasks, got "
    array = _on_host(masks, wanted)
    if array.ndim == 2 and array.dtype.kind in "iu":
        return rle_from_labels(array)[1]
    if array.ndim not in (2, 3) or array.dtype not in (np.dtype(bool), np.dtype(np.uint8)):
        raise TypeError(f"{wanted}{array.dtype} of shape {array.shape}")
    with refusing_as(function):
        return rle_encode(array)


def _on_host(values: Any, wanted: str) -> npt.NDArray[Any]:
    """Return an array of any library, or a list, as one of NumPy; TypeError of a sentence's begin where it is none."""
    try:
        values = _arrays.with_shape(values)
        return np.asarray(_arrays.to_host(values) if hasattr(values, "shape") else values)
    except (TypeError, ValueError, AttributeError, BufferError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and _arrays.is_on_cuda(values):
            raise
        raise TypeError(wanted + shown(values)) from error


def _for_each(function: str, argument: str, value: Any, count: int) -> list[Any]:
    """Return one value for each mask, of one for all or a sequence."""
    wanted = f"{function}: {argument} must be one, or one for each of {count} masks, got "
    try:
        given = value.tolist() if hasattr(value, "tolist") else value
        if isinstance(given, (str, SupportsIndex)):
            return [given] * count
        values = None if isinstance(given, (bytes, bytearray, Mapping, Set)) else list(given)
    except (TypeError, RuntimeError):  # of tensors without memory, too
        values = None
    if values is None:
        raise TypeError(wanted + shown(value))
    if len(values) != count:
        raise ValueError(f"{wanted}{len(values)}")
    return values


def _names(function: str, labels: Any, count: int) -> list[str]:
    """Return one text for each mask."""
    names = _for_each(function, "labels", labels, count)
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"{function}: labels must be text, got {shown(name)}")
    return names


def coco_annotations(
    masks: Any,
    *,
    segmentation: Literal["rle", "counts", "polygons"] = "rle",
    image_id: int = 1,
    category_id: int | Sequence[int] = 1,
    first_id: int = 1,
) -> list[dict[str, Any]]:
    """Describe masks as annotations of COCO.

    Parameters
    ----------
    masks : numpy.ndarray of integers, shape (H, W); array of bool or uint8, shape (N, H, W), PackedMasks or RLEMasks
        A map of labels, each of which above 0 is a mask, in ascending order; or masks.
    segmentation : {"rle", "counts", "polygons"}
        How pixels are written: compressed run lengths as text, run lengths as numbers, or the outlines along the edges
        of pixels, [x0, y0, x1, y1, …], which fill holes.
    image_id : int
        Copied into each annotation.
    category_id : int or sequence of int
        That of all, or of each.
    first_id : int
        Id of the first annotation. Ids go on from there, so that with labels 1 to N and 1 here they are the labels.

    Returns
    -------
    list of dict
        With ``segmentation``, its ``area`` in pixels and ``bbox`` as [x, y, width, height].

    Raises
    ------
    TypeError
        If ``masks`` is anything else, or ``category_id`` or ``first_id`` no integer.
    ValueError
        If there are not as many categories as masks, or ``segmentation`` is another.

    Examples
    --------
    >>> import numpy as np
    >>> from rapidmask import io
    >>> masks = np.array([[[1, 1, 0], [1, 0, 0]]], bool)
    >>> io.coco_annotations(masks, segmentation="polygons")[0]["segmentation"]
    [[0, 0, 0, 2, 1, 2, 1, 1, 2, 1, 2, 0]]
    """
    if not isinstance(segmentation, str) or segmentation not in _FORMS:
        raise ValueError(
            f"coco_annotations: segmentation must be one of {', '.join(_FORMS)}, got {shown(segmentation)}"
        )
    try:
        first = operator.index(first_id)
    except TypeError:
        raise TypeError(f"coco_annotations: first_id must be an integer, got {shown(first_id)}") from None
    runs = _as_rle("coco_annotations", masks)
    pixels: list[Any]
    if segmentation == "polygons":
        pixels = [[outline.ravel().tolist() for outline in of_mask] for of_mask in _outlines_of(runs)]
        runs = polygons_to_masks(pixels, runs.size, output="rle")  # as readers see them: outlines fill holes
    else:
        pixels = runs.to_coco("str" if segmentation == "rle" else "list")
    categories = _for_each("coco_annotations", "category_id", category_id, len(runs))
    for category in categories:
        if not isinstance(category, SupportsIndex):
            raise TypeError(f"coco_annotations: category_id must be an integer, got {shown(category)}")
    return [
        {
            "id": first + i,
            "image_id": image_id,
            "category_id": category,
            "segmentation": found,
            "area": area,
            "bbox": [x0, y0, x1 - x0, y1 - y0],
            "iscrowd": 0,
        }
        for i, (found, area, (x0, y0, x1, y1), category) in enumerate(
            zip(pixels, runs.area().tolist(), runs.boxes().tolist(), categories, strict=True)
        )
    ]


def masks_from_coco(annotations: Sequence[Mapping[str, Any]], size: Sequence[SupportsIndex]) -> RLEMasks:
    """Read the masks of annotations of COCO.

    Parameters
    ----------
    annotations : sequence of N mappings
        Those of one picture, as JSON gives them. Their ``segmentation`` is a list of polygons, of which the union is
        the mask, or run lengths, compressed as text or bytes or as numbers.
    size : (int, int)
        Height and width of the picture.

    Returns
    -------
    RLEMasks
        N masks, in the order of the annotations.

    Raises
    ------
    TypeError
        If an annotation is no mapping, or its segmentation neither a list nor a mapping.
    ValueError
        If it has no segmentation, run lengths are of another size or do not add up, or polygons are refused by
        `polygons_to_masks`.

    Notes
    -----
    The masks of pycocotools' ``COCO.annToRLE``, except that an empty list of polygons is a mask without pixels, where
    that raises.

    Examples
    --------
    >>> from rapidmask import io
    >>> square = {"segmentation": [[1, 1, 4, 1, 4, 4, 1, 4]]}
    >>> corner = {"segmentation": {"size": [5, 5], "counts": [0, 2, 23]}}
    >>> io.masks_from_coco([square, corner], (5, 5)).area()
    array([9, 2])
    """
    shape = _as_size("masks_from_coco", size)
    if isinstance(annotations, Mapping) or not hasattr(annotations, "__iter__"):
        raise TypeError(f"masks_from_coco: annotations must be a sequence of mappings, got {shown(annotations)}")
    polygons: list[Any] = []
    rles: list[dict[str, Any]] = []
    order: list[tuple[int, int]] = []
    for i, annotation in enumerate(annotations):
        if not isinstance(annotation, Mapping):
            raise TypeError(f"masks_from_coco: annotations[{i}] must be a mapping, got {type(annotation).__name__}")
        if "segmentation" not in annotation:
            raise ValueError(f"masks_from_coco: annotations[{i}] must have a segmentation, got {shown([*annotation])}")
        segmentation = annotation["segmentation"]
        if isinstance(segmentation, Mapping):
            order.append((1, len(rles)))
            rles.append(dict(segmentation))
        elif isinstance(segmentation, (list, tuple)):
            order.append((0, len(polygons)))
            polygons.append(segmentation)
        else:
            raise TypeError(
                f"masks_from_coco: the segmentation of annotations[{i}] must be a list of polygons or a mapping, got "
                f"{type(segmentation).__name__}"
            )
    try:
        drawn = polygons_to_masks(polygons, shape, output="rle")
        read = RLEMasks.from_coco(rles, shape)
    except (TypeError, ValueError):
        for i, (is_rle, k) in enumerate(order):
            with refusing_as(f"masks_from_coco: annotations[{i}]"):
                if is_rle:
                    RLEMasks.from_coco([rles[k]], shape)
                else:
                    polygons_to_masks([polygons[k]], shape, output="rle")
        with refusing_as("masks_from_coco"):
            raise
    both = RLEMasks._wrap(
        np.concatenate([drawn.counts, read.counts]),
        np.concatenate([drawn.offsets, read.offsets[1:] + drawn.offsets[-1]]),
        shape,
    )
    return both[[k + len(drawn) * is_rle for is_rle, k in order]]


def labelme_record(masks: Any, labels: str | Sequence[str], *, image_path: str = "") -> dict[str, Any]:
    """Describe masks as a record of LabelMe, with a polygon for each outline.

    Parameters
    ----------
    masks : numpy.ndarray of integers, shape (H, W); array of bool or uint8, shape (N, H, W), PackedMasks or RLEMasks
        A map of labels, each of which above 0 is a mask, in ascending order; or masks.
    labels : str or sequence of str
        The name of all masks, or of each.
    image_path : str
        Where the picture is, as seen from the record.

    Returns
    -------
    dict
        What a file of LabelMe holds as JSON, without the picture's own data. The shapes of a mask of several pieces
        share a ``group_id``.

    Raises
    ------
    TypeError
        If ``masks`` is anything else, or a label no text.
    ValueError
        If there are not as many labels as masks.

    Notes
    -----
    LabelMe's polygons have no holes: those of masks are filled. A mask without pixels has no shape.

    Examples
    --------
    >>> import numpy as np
    >>> from rapidmask import io
    >>> record = io.labelme_record(np.ones((1, 2, 3), bool), "cat")
    >>> record["shapes"][0]["points"]
    [[0.0, 0.0], [0.0, 2.0], [3.0, 2.0], [3.0, 0.0]]
    """
    runs = _as_rle("labelme_record", masks)
    names = _names("labelme_record", labels, len(runs))
    shapes = [
        {
            "label": name,
            "points": outline.astype(float).tolist(),
            "group_id": i + 1 if len(of_mask) > 1 else None,
            "shape_type": "polygon",
            "flags": {},
        }
        for i, (name, of_mask) in enumerate(zip(names, _outlines_of(runs), strict=True))
        for outline in of_mask
    ]
    return {
        "version": "5.0.1",
        "flags": {},
        "shapes": shapes,
        "imagePath": image_path,
        "imageData": None,
        "imageHeight": runs.size[0],
        "imageWidth": runs.size[1],
    }


def masks_from_labelme(
    record: Mapping[str, Any], *, size: Sequence[SupportsIndex] | None = None, rule: Literal["coco", "opencv"] = "coco"
) -> tuple[RLEMasks, list[str]]:
    """Read the masks of a record of LabelMe.

    Parameters
    ----------
    record : mapping
        What a file of LabelMe holds as JSON.
    size : (int, int), optional
        Height and width of the picture, where the record does not tell them.
    rule : {"coco", "opencv"}
        Which pixels a shape covers, as of `polygons_to_masks`.

    Returns
    -------
    masks : RLEMasks
        One for each shape, in their order; shapes of one label and one ``group_id`` are one mask, at the first's place.
    labels : list of str
        The name of each.

    Raises
    ------
    TypeError
        If the record or a shape is no mapping, or the shapes no list.
    ValueError
        If a shape has too few or too many points, or is of a type that is none of LabelMe's or a ``mask``, or the
        size is not told.

    Notes
    -----
    Polygons, rectangles (of two points, or four) and circles (a centre and a point on the line) are areas. Lines and
    points are none, and left out. A circle is drawn as a polygon with a vertex for each pixel of its line, of which
    131072 are enough for any. LabelMe itself draws with Pillow, which covers the pixels that the line meets too, nearly
    as "opencv" does.

    Examples
    --------
    >>> from rapidmask import io
    >>> shapes = [{"label": "cat", "points": [[1, 1], [3, 4]], "shape_type": "rectangle", "group_id": None}]
    >>> masks, labels = io.masks_from_labelme({"shapes": shapes, "imageHeight": 5, "imageWidth": 5})
    >>> masks.area(), labels
    (array([6]), ['cat'])
    """
    if not isinstance(record, Mapping):
        raise TypeError(f"masks_from_labelme: record must be a mapping, got {type(record).__name__}")
    shape = _labelme_size(record) if size is None else _as_size("masks_from_labelme", size)
    places: dict[Any, int] = {}
    polygons: list[list[Any]] = []
    labels: list[str] = []
    shapes = record.get("shapes", ())
    if not isinstance(shapes, (list, tuple)):
        raise TypeError(f"masks_from_labelme: the record's shapes must be a list, got {shown(shapes)}")
    for i, drawn in enumerate(shapes):
        ring = _ring(i, drawn)
        if ring is None:
            continue
        group = drawn.get("group_id")
        if group is not None and not isinstance(group, (int, float, str)):
            where = f"masks_from_labelme: shapes[{i}]"
            raise ValueError(f"{where} must have a group_id that is a number, got {shown(group)}")
        label = _text(f"masks_from_labelme: shapes[{i}]", drawn["label"])
        place = places.setdefault(i if group is None else (label, group), len(polygons))
        if place == len(polygons):
            polygons.append([])
            labels.append(label)
        polygons[place].append(ring)
    with refusing_as("masks_from_labelme"):
        if isinstance(rule, str) and rule == "coco":
            return polygons_to_masks(polygons, shape, output="rle"), labels
        # By OpenCV's rule rings of one mask would make holes where they overlap.
        masks = [polygons_to_masks([[ring] for ring in rings], shape, rule=rule, output="packed") for rings in polygons]
        empty = polygons_to_masks([], shape, rule=rule, output="packed")
        joined = [np.bitwise_or.reduce(of_mask.data, axis=0, keepdims=True) for of_mask in masks]
        return PackedMasks._wrap(np.concatenate([empty.data, *joined]), shape).to_rle(), labels


def _text(where: str, label: Any) -> str:
    try:
        return str(label)
    except ValueError as error:  # of integers of thousands of digits
        raise ValueError(f"{where} must have a label that can be written, got {shown(label)}") from error


def _labelme_size(record: Mapping[str, Any]) -> Size:
    height, width = record.get("imageHeight"), record.get("imageWidth")
    if height is None or width is None:
        raise ValueError("masks_from_labelme: size must be given where the record has no imageHeight and imageWidth")
    return _as_size("masks_from_labelme", (height, width))


def _ring(i: int, shape: Any) -> npt.NDArray[np.float64] | None:
    """Return the vertices of a shape, or None where it is no area."""
    where = f"masks_from_labelme: shapes[{i}]"
    if not isinstance(shape, Mapping):
        raise TypeError(f"{where} must be a mapping, got {type(shape).__name__}")
    if "label" not in shape or "points" not in shape:
        raise ValueError(f"{where} must have a label and points, got {shown([*shape])}")
    kind = shape.get("shape_type")
    if kind is None or (isinstance(kind, str) and not kind):
        kind = "polygon"
    if isinstance(kind, str) and kind in _WITHOUT_AREA:
        return None
    if not isinstance(kind, str) or kind not in _AREAS:
        raise ValueError(f"{where} must be of one of {', '.join(_AREAS + _WITHOUT_AREA)}, got {shown(kind)}")
    try:
        points = np.asarray(shape["points"], np.float64)
    except (TypeError, ValueError, OverflowError):
        points = np.zeros(0)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"{where} must have points [x, y], got {shown(shape['points'])}")
    allowed = {"polygon": range(3, 2**31), "rectangle": (2, 4), "circle": (2,)}[kind]
    if len(points) not in allowed:
        least = {"polygon": "at least 3", "rectangle": "2 or 4", "circle": "2"}[kind]
        raise ValueError(f"{where}, a {kind}, must have {least} points, got {len(points)}")
    if kind == "polygon" or len(points) == 4:
        return points
    (x0, y0), (x1, y1) = points.tolist()
    if kind == "rectangle":
        return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
    radius = math.hypot(x1 - x0, y1 - y0)
    if not radius < 1e7:
        raise ValueError(f"{where}, a circle, must have a radius of less than 10000000 pixels, got {radius}")
    vertices = min(max(32, math.ceil(2 * math.pi * radius)), _MOST_OF_CIRCLE)
    angles = np.linspace(0, 2 * math.pi, vertices, endpoint=False)
    return np.stack([x0 + radius * np.cos(angles), y0 + radius * np.sin(angles)], axis=1)
