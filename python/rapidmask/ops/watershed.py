"""The watershed transform."""

from __future__ import annotations

from .. import _arrays, _dispatch
from .._arrays import Array
from ._masks import Masks, bits_of, check_connectivity


def watershed(image: Array, markers: Array, *, mask: Masks | None = None, connectivity: int = 8) -> Array:
    """Flood an image from markers, which share its pixels out among themselves.

    Flooding rises through the levels of the image and, within one, goes to the pixels in the order in which they were
    reached; a pixel gets the label of the one that it was reached from. Regions meet along the ridges of the image.

    Parameters
    ----------
    image : array of integers or floats, shape (..., H, W) or (..., D, H, W)
        Low where regions should lie, high between them: gradients, or distances to the background with their sign
        turned. NaN is above all numbers.
    markers : array of integers of any type, of the shape of the image
        The labels to flood from; 0 is no marker. Pixels of one marker need not be connected.
    mask : array of bool or uint8 of the shape of the image, or as many PackedMasks or RLEMasks, optional
        Where to flood. Markers elsewhere count for nothing.
    connectivity : {4, 8, 6, 18, 26}
        Neighbours of a pixel: 4 or 8 in images, 6, 18 or 26 in volumes.

    Returns
    -------
    array of int32, of the shape of the image
        A marker for each pixel; 0 outside of the mask, and where no path within it leads from a marker.

    Raises
    ------
    TypeError
        If an argument is no array, or the markers are not integers.
    ValueError
        If the shapes differ, the image has fewer axes than the connectivity needs, a marker is beyond int32, the
        connectivity is another, or an image has more than 2³¹ - 1 pixels with a border of one.
    NotImplementedError
        If the image is on a device.

    Notes
    -----
    The labels are those of ``skimage.segmentation.watershed`` 0.26, ties included, whose connectivity of 1, 2, 3 is 4
    or 6, 8 or 18, 26; its result has the type of the markers, and NaN is undefined there. Marker pixels of different
    labels that tie have to leave a binary heap in its own order; above the last such tie, which in float images comes
    early or never, buckets take its place. Images of a batch are shared out among the threads, one image is not. 64-bit
    integers are compared as float64.

    References
    ----------
    P. Soille, M. Ansoult, Automated basin delineation from digital elevation models using mathematical morphology,
    Signal Processing 20(2), 1990.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> rapidmask.watershed(np.array([[0, 1, 2, 9, 3, 1, 1]]), np.array([[1, 0, 0, 0, 0, 0, 2]]))
    array([[1, 1, 1, 1, 2, 2, 2]], dtype=int32)
    """
    neighbours = check_connectivity("watershed", connectivity, volumes=True)
    image, markers = _arrays.with_shape(image), _arrays.with_shape(markers)
    where, width = (None, None) if mask is None else bits_of(mask)
    return _dispatch.host_backend("watershed", image).watershed(image, markers, where, width, neighbours)
