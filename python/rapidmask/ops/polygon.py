"""Polygons to masks, and the borders of masks as polygons."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, SupportsIndex, overload

from .. import _cpu, _dispatch
from .._arrays import HostArray
from .._containers import PackedMasks, RLEMasks, _as_size
from .._errors import shown
from ._masks import Masks, Output, as_flag, bits_of, check_output, is_one_of

_RULES = ("coco", "opencv")
_MODES = ("external", "tree")


class BorderTree(NamedTuple):
    """All borders of one mask, and how they lie within each other.

    Attributes
    ----------
    polygons : list of arrays of int32, shape (K, 2)
        The points (x, y) of each border: outer borders and those of holes.
    hierarchy : array of int32, shape (B, 4)
        For each border the indices of the next and the previous one with the same parent, of its first child and of
        its parent, or -1. Borders without a parent, their grandchildren and so on are outer ones, the others holes.
    """

    polygons: list[HostArray]
    hierarchy: HostArray


def polygons_to_masks(
    polygons: Sequence[Any],
    size: Sequence[SupportsIndex],
    *,
    rule: Literal["coco", "opencv"] = "coco",
    output: Output = "bool",
) -> Masks:
    """Draw polygons as masks.

    Parameters
    ----------
    polygons : sequence of N
        For each mask a list of rings: flat lists [x0, y0, x1, y1, …], lists of pairs, or arrays of shape (2K,) or
        (K, 2), of integers or floats; also an array (R, K, 2) of R rings. A flat list of numbers or an array of shape
        (2K,) or (K, 2) in place of the list is one ring. Rings close by themselves.
    size : (int, int)
        Height and width of each mask.
    rule : {"coco", "opencv"}
        Which pixels a polygon covers. "coco": those of pycocotools, about the pixels whose centres are inside; a mask
        is the union of its rings. "opencv": those of ``cv2.fillPoly``, inside or on the line between rounded vertices;
        where two rings of a mask overlap, it has a hole.
    output : {"bool", "uint8", "packed", "rle"}
        The form of the result.

    Returns
    -------
    numpy.ndarray (N, H, W), PackedMasks or RLEMasks
        The masks.

    Raises
    ------
    TypeError
        If a ring holds anything but numbers.
    ValueError
        If a ring has an odd number of coordinates, or one that is NaN or beyond ±2²⁷, a mask is two numbers or a list
        of three or more pairs (one ring, or as many of one point), or ``size``, ``rule`` or ``output`` is another.
    NotImplementedError
        If a ring is on a device.

    Notes
    -----
    "coco" gives pixel by pixel what ``pycocotools.mask.frPyObjects`` and ``merge`` give; a ring of fewer than three
    vertices covers nothing, where pycocotools takes a first one for a box. "opencv" gives what ``cv2.fillPoly(mask,
    rings, 1)`` of OpenCV 4.14 and 5.0 gives; it takes vertices of integers, so that floats are rounded half to even
    here. Code that truncates them, as many do by ``astype(numpy.int32)``, should go on doing so before the call.

    Cost grows with the pixels of the outline, for dense and packed masks also with those of the bounding box, for "rle"
    by COCO's rule neither with the box nor with the size: no pixels are made. Masks are spread over the threads.

    Examples
    --------
    >>> import rapidmask
    >>> square = [1, 1, 4, 1, 4, 4, 1, 4]
    >>> rapidmask.polygons_to_masks([[square]], (5, 5), output="uint8")[0]
    array([[0, 0, 0, 0, 0],
           [0, 1, 1, 1, 0],
           [0, 1, 1, 1, 0],
           [0, 1, 1, 1, 0],
           [0, 0, 0, 0, 0]], dtype=uint8)
    >>> rapidmask.polygons_to_masks([square], (5, 5), rule="opencv", output="rle").area()
    array([16])
    """
    height, width = _as_size("polygons_to_masks", size)
    check_output("polygons_to_masks", output)
    if not is_one_of(rule, _RULES):
        raise ValueError(f"polygons_to_masks: rule must be one of {', '.join(_RULES)}, got {shown(rule)}")
    if isinstance(polygons, (str, bytes, dict)) or not hasattr(polygons, "__iter__"):
        raise TypeError(f"polygons_to_masks: polygons must be a sequence, got {type(polygons).__name__}")
    if output == "rle":
        counts, offsets = _cpu.fill_polygons_rle(polygons, height, width, rule)
        return RLEMasks._wrap(counts, offsets, (height, width))
    masks = _cpu.fill_polygons(polygons, height, width, rule, output)
    return PackedMasks._wrap(masks, (height, width)) if output == "packed" else masks


@overload
def masks_to_polygons(
    masks: Masks, *, mode: Literal["external"] = "external", simplify: bool = True
) -> list[list[HostArray]]: ...
@overload
def masks_to_polygons(masks: Masks, *, mode: Literal["tree"], simplify: bool = True) -> list[BorderTree]: ...
def masks_to_polygons(
    masks: Masks, *, mode: Literal["external", "tree"] = "external", simplify: bool = True
) -> list[list[HostArray]] | list[BorderTree]:
    """Trace the borders of masks.

    Parameters
    ----------
    masks : array of bool or uint8, shape (..., H, W), or PackedMasks or RLEMasks
        Any non-zero value is foreground. Leading dimensions become one.
    mode : {"external", "tree"}
        "external": the outer borders of components that lie in no hole. "tree": all borders, also those of holes, and
        how they are nested.
    simplify : bool
        Whether to leave out the points between which a border goes straight on, level, upright or diagonally.

    Returns
    -------
    list of N lists of numpy.ndarray of int32, shape (K, 2); of N BorderTrees with "tree"
        For each mask the borders, each the (x, y) of pixels of the mask along it.

    Raises
    ------
    TypeError
        If ``masks`` is no array, or not of bool or uint8.
    ValueError
        If it has fewer than two dimensions, a mask has more than 2³¹ - 1 pixels, or ``mode`` is another.
    NotImplementedError
        If the masks are on a device.

    Notes
    -----
    Suzuki and Abe's borders (1985) as ``cv2.findContours`` of OpenCV 4.14 and 5.0 gives them, point by point and in its
    order: the last component in raster order comes first. "external" is ``RETR_EXTERNAL``, "tree" ``RETR_TREE``;
    ``simplify`` is ``CHAIN_APPROX_SIMPLE``, else ``CHAIN_APPROX_NONE``. OpenCV gives arrays of shape (K, 1, 2) and a
    hierarchy of shape (1, B, 4), or None where there is none. A border runs through the centres of its pixels, so that
    a polygon's area is less than its mask's: ``polygons_to_masks`` with ``rule="opencv"`` gives a mask without holes
    back, and any mask from ``[tree.polygons for tree in masks_to_polygons(masks, mode="tree")]``; by COCO's rule half a
    pixel is lost on each side. For COCO's JSON use `io.coco_annotations` with ``segmentation="polygons"``, whose
    outlines run along the edges of pixels.

    Borders are found from the ends of runs, not from pixels, so that cost grows with the number of runs. Arrays of one
    call are views of one. Memory is some 16 bytes a run and the points. Masks are spread over the threads.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> mask = np.zeros((5, 6), bool)
    >>> mask[1:4, 1:5] = True
    >>> [[border.tolist() for border in borders] for borders in rapidmask.masks_to_polygons(mask)]
    [[[[1, 1], [1, 3], [4, 3], [4, 1]]]]
    >>> mask[2, 2] = False
    >>> rapidmask.masks_to_polygons(mask, mode="tree")[0].hierarchy
    array([[-1, -1,  1, -1],
           [-1, -1, -1,  0]], dtype=int32)
    """
    if not is_one_of(mode, _MODES):
        raise ValueError(f"masks_to_polygons: mode must be one of {', '.join(_MODES)}, got {shown(mode)}")
    array, width = bits_of(masks)
    module = _dispatch.host_backend("masks_to_polygons", array)
    points, begins, ends, offsets, tree = module.trace_borders(
        array, width, mode == "tree", as_flag("masks_to_polygons", "simplify", simplify)
    )
    borders = [points[begin:end] for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)]
    parts = itertools.pairwise(offsets.tolist())
    if mode == "tree":
        return [BorderTree(borders[begin:end], tree[begin:end]) for begin, end in parts]
    return [borders[begin:end] for begin, end in parts]
