"""Footprints of the usual shapes, as arrays of 0 and 1 for the functions of morphology."""

from __future__ import annotations

import operator
from typing import SupportsIndex

import numpy as np
import numpy.typing as npt

from .._errors import shown

Footprint = npt.NDArray[np.uint8]


_LONGEST = 4095  # pixels of a side, far beyond the 127 that morphology takes
_LONGEST_BALL = 255


def _size(function: str, argument: str, value: SupportsIndex, least: int, most: int = _LONGEST) -> int:
    try:
        size = operator.index(value)
    except TypeError:
        raise TypeError(f"{function}: {argument} must be an integer, got {shown(value)}") from None
    if size < least:
        raise ValueError(f"{function}: {argument} must be at least {least}, got {shown(size)}")
    if size > most:
        raise ValueError(f"{function}: {argument} must be at most {most}, got {shown(size)}")
    return size


def _distances(radius: int) -> npt.NDArray[np.int64]:
    return np.abs(np.arange(-radius, radius + 1))


def square(n: int) -> Footprint:
    """Return a square of n × n pixels, all set.

    Parameters
    ----------
    n : int
        Side, in pixels.

    Returns
    -------
    array of uint8, shape (n, n)
        1 for the elements that are set, 0 for the others.

    Raises
    ------
    ValueError
        If n is less than 1.

    Examples
    --------
    >>> import rapidmask
    >>> rapidmask.square(2)
    array([[1, 1],
           [1, 1]], dtype=uint8)
    """
    side = _size("square", "n", n, 1)
    return np.ones((side, side), np.uint8)


def rectangle(h: int, w: int) -> Footprint:
    """Return a rectangle of h × w pixels, all set.

    Parameters
    ----------
    h, w : int
        Height and width, in pixels.

    Returns
    -------
    array of uint8, shape (h, w)
        1 for the elements that are set, 0 for the others.

    Raises
    ------
    ValueError
        If a side is less than 1.

    Notes
    -----
    ``cv2.getStructuringElement(cv2.MORPH_RECT, (w, h))``.

    Examples
    --------
    >>> import rapidmask
    >>> rapidmask.rectangle(1, 3)
    array([[1, 1, 1]], dtype=uint8)
    """
    return np.ones((_size("rectangle", "h", h, 1), _size("rectangle", "w", w, 1)), np.uint8)


def cross(n: int) -> Footprint:
    """Return a row and a column of n pixels that cross at n // 2.

    Parameters
    ----------
    n : int
        Side, in pixels.

    Returns
    -------
    array of uint8, shape (n, n)
        1 for the elements that are set, 0 for the others.

    Raises
    ------
    ValueError
        If n is less than 1.

    Notes
    -----
    ``cv2.getStructuringElement(cv2.MORPH_CROSS, (n, n))``. ``cross(3)`` is SciPy's default structure of two dimensions.

    Examples
    --------
    >>> import rapidmask
    >>> rapidmask.cross(3)
    array([[0, 1, 0],
           [1, 1, 1],
           [0, 1, 0]], dtype=uint8)
    """
    side = _size("cross", "n", n, 1)
    footprint = np.zeros((side, side), np.uint8)
    footprint[side // 2] = footprint[:, side // 2] = 1
    return footprint


def diamond(r: int) -> Footprint:
    """Return the pixels that are at most r steps to a side from the centre: ``|y| + |x| <= r``.

    Parameters
    ----------
    r : int
        Radius, in pixels.

    Returns
    -------
    array of uint8, shape (2 r + 1, 2 r + 1)
        1 for the elements that are set, 0 for the others.

    Raises
    ------
    ValueError
        If r is negative.

    Notes
    -----
    ``skimage.morphology.diamond``. k iterations of ``diamond(r)`` are one of ``diamond(k * r)``.

    Examples
    --------
    >>> import rapidmask
    >>> rapidmask.diamond(2)
    array([[0, 0, 1, 0, 0],
           [0, 1, 1, 1, 0],
           [1, 1, 1, 1, 1],
           [0, 1, 1, 1, 0],
           [0, 0, 1, 0, 0]], dtype=uint8)
    """
    distances = _distances(_size("diamond", "r", r, 0, _LONGEST // 2))
    return (distances[:, None] + distances <= r).astype(np.uint8)


def disk(r: int) -> Footprint:
    """Return the pixels within the Euclidean distance r from the centre: y² + x² <= r².

    Parameters
    ----------
    r : int
        Radius, in pixels.

    Returns
    -------
    array of uint8, shape (2 r + 1, 2 r + 1)
        1 for the elements that are set, 0 for the others.

    Raises
    ------
    ValueError
        If r is negative.

    Notes
    -----
    ``skimage.morphology.disk``. OpenCV's ellipse is another shape: `ellipse`.

    Examples
    --------
    >>> import rapidmask
    >>> rapidmask.disk(2)
    array([[0, 0, 1, 0, 0],
           [0, 1, 1, 1, 0],
           [1, 1, 1, 1, 1],
           [0, 1, 1, 1, 0],
           [0, 0, 1, 0, 0]], dtype=uint8)
    """
    squares = _distances(_size("disk", "r", r, 0, _LONGEST // 2)) ** 2
    return (squares[:, None] + squares <= r * r).astype(np.uint8)


def ellipse(h: int, w: int) -> Footprint:
    """Return OpenCV's ellipse of h × w pixels.

    Parameters
    ----------
    h, w : int
        Height and width, in pixels.

    Returns
    -------
    array of uint8, shape (h, w)
        1 for the elements that are set, 0 for the others.

    Raises
    ------
    ValueError
        If a side is less than 1.

    Notes
    -----
    ``cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (w, h))``: with r = h // 2 and c = w // 2, row i has the columns
    within c √(1 - ((i - r) / r)²) of c, rounded to the nearest integer, ties to even.

    Examples
    --------
    >>> import rapidmask
    >>> rapidmask.ellipse(5, 5)
    array([[0, 0, 1, 0, 0],
           [1, 1, 1, 1, 1],
           [1, 1, 1, 1, 1],
           [1, 1, 1, 1, 1],
           [0, 0, 1, 0, 0]], dtype=uint8)
    """
    height, width = _size("ellipse", "h", h, 1), _size("ellipse", "w", w, 1)
    r, c = height // 2, width // 2
    rows = np.arange(height) - r
    reach = np.rint(c * np.sqrt((r * r - rows * rows) * (1.0 / (r * r) if r else 0.0)))
    elements: Footprint = (np.abs(np.arange(width) - c) <= reach[:, None]).astype(np.uint8)
    return elements


def ball(r: int) -> Footprint:
    """Return the voxels within the Euclidean distance r from the centre: z² + y² + x² <= r².

    Parameters
    ----------
    r : int
        Radius, in voxels.

    Returns
    -------
    array of uint8, shape (2 r + 1, 2 r + 1, 2 r + 1)
        1 for the elements that are set, 0 for the others.

    Raises
    ------
    ValueError
        If r is negative.

    Notes
    -----
    ``skimage.morphology.ball``. ``ball(1)`` is SciPy's default structure of three dimensions.

    Examples
    --------
    >>> import rapidmask
    >>> rapidmask.ball(1)[0]
    array([[0, 0, 0],
           [0, 1, 0],
           [0, 0, 0]], dtype=uint8)
    """
    squares = _distances(_size("ball", "r", r, 0, _LONGEST_BALL // 2)) ** 2
    return (squares[:, None, None] + squares[:, None] + squares <= r * r).astype(np.uint8)
