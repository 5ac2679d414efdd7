"""Thresholds that the histogram of an image gives: the values of scikit-image 0.26 with its default arguments."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from .. import _dispatch
from .._arrays import Array
from .._errors import shown


def _value(image: Array, method: str, check: bool) -> Any:
    values = _dispatch.backend(image).threshold_value(image, method, bool(check))
    return float(values) if isinstance(values, np.ndarray) and values.ndim == 0 else values


def threshold_otsu(image: Array, *, check: bool = True) -> Any:
    """Find Otsu's threshold: the value that separates two classes with the greatest variance between them.

    Parameters
    ----------
    image : array of integers or floats, shape (..., H, W)
        One image, or a batch.
    check : bool
        Whether to raise for an image that has no threshold, such as one of NaN or of too few levels; on a device the
        call then waits for the result. With False such an image gets NaN, and nothing waits. Images without pixels, and
        integers that span too much, are refused in any case.

    Returns
    -------
    float, or array of float64 of shape (...)
        One value for each image: foreground is what is above it. A plain float for one NumPy image; otherwise an
        array in the library and on the device of the input.

    Raises
    ------
    TypeError
        If ``image`` is no array of numbers.
    ValueError
        If it has fewer than two dimensions, no pixels, NaN or infinity, or integers that span more than 2^24 values.

    Notes
    -----
    Equal to ``skimage.filters.threshold_otsu`` of version 0.26: exactly for integers, whose every value is a bin, and
    to 1e-6 of the range for floats, which have 256 bins. One or two passes over the pixels. On a device the call
    waits, to learn whether the data were valid.

    References
    ----------
    N. Otsu, A threshold selection method from gray-level histograms, IEEE Transactions on Systems, Man, and
    Cybernetics 9(1), 1979.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> rapidmask.threshold_otsu(np.array([[1, 2, 9, 8]], np.uint8))
    2.0
    """
    return _value(image, "otsu", check)


def threshold_li(image: Array, *, check: bool = True) -> Any:
    """Find Li's threshold: the value of least cross entropy between the image and its two class means, by iteration.

    Parameters
    ----------
    image : array of integers or floats, shape (..., H, W)
        One image, or a batch.
    check : bool
        Whether to raise for an image that has no threshold, such as one of NaN or of too few levels; on a device the
        call then waits for the result. With False such an image gets NaN, and nothing waits. Images without pixels, and
        integers that span too much, are refused in any case.

    Returns
    -------
    float, or array of float64 of shape (...)
        One value for each image: foreground is what is above it. A plain float for one NumPy image; otherwise an
        array in the library and on the device of the input.

    Raises
    ------
    TypeError
        If ``image`` is no array of numbers.
    ValueError
        If it has fewer than two dimensions, no pixels, NaN or infinity, or integers that span more than 2^24 values.

    Notes
    -----
    Equal to ``skimage.filters.threshold_li`` of version 0.26: exactly for integers, whose every value is a bin, and
    to 1e-6 of the range for floats. Two passes over integers; over floats one for each iteration, some ten. On a
    device the call waits, to learn whether the data were valid.

    References
    ----------
    C. H. Li, P. K. S. Tam, An iterative algorithm for minimum cross entropy thresholding, Pattern Recognition
    Letters 18(8), 1998.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> round(rapidmask.threshold_li(np.array([[1, 2, 2, 3, 8, 9, 9, 10]], np.uint8)), 3)
    4.366
    """
    return _value(image, "li", check)


def threshold_yen(image: Array, *, check: bool = True) -> Any:
    """Find Yen's threshold: the value of greatest correlation between the two parts of the histogram.

    Parameters
    ----------
    image : array of integers or floats, shape (..., H, W)
        One image, or a batch.
    check : bool
        Whether to raise for an image that has no threshold, such as one of NaN or of too few levels; on a device the
        call then waits for the result. With False such an image gets NaN, and nothing waits. Images without pixels, and
        integers that span too much, are refused in any case.

    Returns
    -------
    float, or array of float64 of shape (...)
        One value for each image: foreground is what is above it. A plain float for one NumPy image; otherwise an
        array in the library and on the device of the input.

    Raises
    ------
    TypeError
        If ``image`` is no array of numbers.
    ValueError
        If it has fewer than two dimensions, no pixels, NaN or infinity, or integers that span more than 2^24 values.

    Notes
    -----
    Equal to ``skimage.filters.threshold_yen`` of version 0.26: exactly for integers, whose every value is a bin, and
    to 1e-6 of the range for floats, which have 256 bins. One or two passes over the pixels. On a device the call
    waits, to learn whether the data were valid.

    References
    ----------
    J.-C. Yen, F.-J. Chang, S. Chang, A new criterion for automatic multilevel thresholding, IEEE Transactions on
    Image Processing 4(3), 1995.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> rapidmask.threshold_yen(np.array([[1, 2, 2, 3, 8, 9, 9, 10]], np.uint8))
    3.0
    """
    return _value(image, "yen", check)


def threshold_isodata(image: Array, *, check: bool = True) -> Any:
    """Find the lowest ISODATA threshold: a value halfway between the means of the two classes that it makes.

    Parameters
    ----------
    image : array of integers or floats, shape (..., H, W)
        One image, or a batch.
    check : bool
        Whether to raise for an image that has no threshold, such as one of NaN or of too few levels; on a device the
        call then waits for the result. With False such an image gets NaN, and nothing waits. Images without pixels, and
        integers that span too much, are refused in any case.

    Returns
    -------
    float, or array of float64 of shape (...)
        One value for each image: foreground is what is above it. A plain float for one NumPy image; otherwise an
        array in the library and on the device of the input.

    Raises
    ------
    TypeError
        If ``image`` is no array of numbers.
    ValueError
        If it has fewer than two dimensions, no pixels, NaN or infinity, or integers that span more than 2^24 values.

    Notes
    -----
    Equal to ``skimage.filters.threshold_isodata`` of version 0.26: exactly for integers, whose every value is a bin,
    and to 1e-6 of the range for floats, which have 256 bins. One or two passes over the pixels. On a device the call
    waits, to learn whether the data were valid.

    References
    ----------
    T. W. Ridler, S. Calvard, Picture thresholding using an iterative selection method, IEEE Transactions on
    Systems, Man, and Cybernetics 8(8), 1978.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> rapidmask.threshold_isodata(np.array([[1, 2, 2, 3, 8, 9, 9, 10]], np.uint8))
    5.0
    """
    return _value(image, "isodata", check)


def threshold_triangle(image: Array, *, check: bool = True) -> Any:
    """Find the triangle threshold: the bin farthest from the line between the histogram's peak and its farther end.

    Parameters
    ----------
    image : array of integers or floats, shape (..., H, W)
        One image, or a batch.
    check : bool
        Whether to raise for an image that has no threshold, such as one of NaN or of too few levels; on a device the
        call then waits for the result. With False such an image gets NaN, and nothing waits. Images without pixels, and
        integers that span too much, are refused in any case.

    Returns
    -------
    float, or array of float64 of shape (...)
        One value for each image: foreground is what is above it. A plain float for one NumPy image; otherwise an
        array in the library and on the device of the input.

    Raises
    ------
    TypeError
        If ``image`` is no array of numbers.
    ValueError
        If it has fewer than two dimensions, no pixels, NaN or infinity, or integers that span more than 2^24 values.

    Notes
    -----
    Equal to ``skimage.filters.threshold_triangle`` of version 0.26: exactly for integers, whose every value is a bin,
    and to 1e-6 of the range for floats, which have 256 bins. One or two passes over the pixels. On a device the call
    waits, to learn whether the data were valid.

    References
    ----------
    G. W. Zack, W. E. Rogers, S. A. Latt, Automatic measurement of sister chromatid exchange frequency, Journal of
    Histochemistry and Cytochemistry 25(7), 1977.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> rapidmask.threshold_triangle(np.array([[1, 2, 2, 3, 8, 9, 9, 10]], np.uint8))
    4.0
    """
    return _value(image, "triangle", check)


def threshold_mean(image: Array, *, check: bool = True) -> Any:
    """Find the mean of the pixels.

    Parameters
    ----------
    image : array of integers or floats, shape (..., H, W)
        One image, or a batch.
    check : bool
        Whether to raise for an image that has no threshold, such as one of NaN or of too few levels; on a device the
        call then waits for the result. With False such an image gets NaN, and nothing waits. Images without pixels, and
        integers that span too much, are refused in any case.

    Returns
    -------
    float, or array of float64 of shape (...)
        One value for each image: foreground is what is above it. A plain float for one NumPy image; otherwise an
        array in the library and on the device of the input.

    Raises
    ------
    TypeError
        If ``image`` is no array of numbers.
    ValueError
        If it has fewer than two dimensions, no pixels, or NaN or infinity.

    Notes
    -----
    Equal to ``skimage.filters.threshold_mean`` of version 0.26: exactly for integers, and to 1e-6 of the range for
    floats. One pass over the pixels. On a device the call waits, to learn whether the data were valid.

    References
    ----------
    C. A. Glasbey, An analysis of histogram-based thresholding algorithms, CVGIP: Graphical Models and Image
    Processing 55(6), 1993.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> rapidmask.threshold_mean(np.array([[1, 2, 3, 6]], np.uint8))
    3.0
    """
    return _value(image, "mean", check)


def threshold_minimum(image: Array, *, check: bool = True) -> Any:
    """Find the minimum between the two maxima of the histogram, smoothed until only two are left.

    Parameters
    ----------
    image : array of integers or floats, shape (..., H, W)
        One image, or a batch.
    check : bool
        Whether to raise for an image that has no threshold, such as one of NaN or of too few levels; on a device the
        call then waits for the result. With False such an image gets NaN, and nothing waits. Images without pixels, and
        integers that span too much, are refused in any case.

    Returns
    -------
    float, or array of float64 of shape (...)
        One value for each image: foreground is what is above it. A plain float for one NumPy image; otherwise an
        array in the library and on the device of the input.

    Raises
    ------
    TypeError
        If ``image`` is no array of numbers.
    ValueError
        If it has fewer than two dimensions, no pixels, NaN or infinity, or integers that span more than 2^24 values.
        Also if no two maxima are left after smoothing, as in an image of one grey level.

    Notes
    -----
    Equal to ``skimage.filters.threshold_minimum`` of version 0.26: exactly for integers, whose every value is a bin,
    and to 1e-6 of the range for floats, which have 256 bins. One or two passes over the pixels. On a device the call
    waits, to learn whether the data were valid.

    References
    ----------
    J. M. S. Prewitt, M. L. Mendelsohn, The analysis of cell images, Annals of the New York Academy of Sciences
    128(3), 1966.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> counts = [1, 2, 4, 2, 1, 1, 2, 6, 2, 1]  # of the values 0 to 9
    >>> rapidmask.threshold_minimum(np.repeat(np.arange(10), counts)[None])
    4.0
    """
    return _value(image, "minimum", check)


def threshold_multiotsu(image: Array, *, classes: int = 3, check: bool = True) -> Any:
    """Find Otsu's thresholds for several classes: the values with the greatest variance between the classes.

    Parameters
    ----------
    image : array of integers or floats, shape (..., H, W)
        One image, or a batch.
    classes : int
        Number of classes, at least 2.
    check : bool
        Whether to raise for an image that has no threshold, such as one of NaN or of too few levels; on a device the
        call then waits for the result. With False such an image gets NaN, and nothing waits. Images without pixels, and
        integers that span too much, are refused in any case.

    Returns
    -------
    array of float64, shape (..., classes - 1)
        The thresholds of each image, ascending, in the library and on the device of the input.

    Raises
    ------
    TypeError
        If ``image`` is no array of numbers.
    ValueError
        If it has fewer than two dimensions, no pixels, NaN or infinity, integers that span more than 2^24 values, or
        fewer grey levels than classes.

    Notes
    -----
    Equal to ``skimage.filters.threshold_multiotsu`` of version 0.26, by dynamic programming in place of its search
    over all combinations. On a device the call waits, to learn whether the data were valid.

    References
    ----------
    P.-S. Liao, T.-S. Chen, P.-C. Chung, A fast algorithm for multilevel thresholding, Journal of Information Science
    and Engineering 17(5), 2001.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> rapidmask.threshold_multiotsu(np.array([[1, 2, 11, 12, 21, 22]], np.uint8))
    array([ 2., 12.])
    """
    try:
        number = max(-1, min(operator.index(classes), 1 << 30))
    except TypeError:
        raise TypeError(f"threshold_multiotsu: classes must be an integer, got {shown(classes)}") from None
    return _dispatch.backend(image).threshold_multiotsu(image, number, bool(check))
