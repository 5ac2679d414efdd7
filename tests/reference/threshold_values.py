"""Global threshold values by their definitions, with scikit-image 0.26's rounding: counts, and what is computed from
counts alone, are float32, and sums run from one end to the other.

Each function takes one image. An image for which there is no value raises ValueError.
"""

import itertools

import numpy as np


def histogram(image):
    """Counts and bin centres: one bin per integer, or NumPy's 256 equal bins between the extremes of a float image."""
    image = np.asarray(image)
    if image.dtype == bool:
        image = image.astype(np.uint8)
    if image.dtype.kind in "iu":
        first, last = int(image.min()), int(image.max())
        values, occurrences = np.unique(image, return_counts=True)
        counts = np.zeros(last - first + 1, np.int64)
        counts[[int(value) - first for value in values]] = occurrences
        return counts, np.array([float(first + k) for k in range(counts.size)])
    if image.dtype == np.float16:
        image = image.astype(np.float32)
    counts, edges = np.histogram(image, bins=256)
    return counts, (edges[:-1] + edges[1:]) / 2


def only_value(image):
    """The value of an image that has a single one, else None."""
    first = image.flat[0]
    return float(first) if np.all(image == first) else None


def first_maximum(values):
    """Index of the first largest value; NaN is larger than any number."""
    return int(np.argmax(values))


def otsu(image):
    """The centre after which the variance between the classes, w1 w2 (m1 - m2)^2, is largest."""
    if only_value(image) is not None:
        return only_value(image)
    counts, centers = histogram(image)
    counts = counts.astype(np.float32)
    below, above = np.cumsum(counts), np.cumsum(counts[::-1])[::-1]
    mean_below = np.cumsum(counts * centers) / below
    mean_above = np.cumsum((counts * centers)[::-1])[::-1] / above
    variance = below[:-1] * above[1:] * (mean_below[:-1] - mean_above[1:]) ** 2
    return float(centers[first_maximum(variance)])


def li(image):
    """The fixed point of t = (m2 - m1) / (log m2 - log m1), of the means of values up to t and above it."""
    image = np.asarray(image)
    if only_value(image) is not None:
        return only_value(image)
    if image.dtype.kind in "iu":
        smallest = int(image.min())
        values = np.array([int(value) - smallest for value in image.ravel()], np.float64)
        tolerance = 0.5
    else:
        image = image.astype(np.float32) if image.dtype == np.float16 else image
        smallest = image.min()
        shifted = (image - smallest).ravel()
        tolerance = float(np.diff(np.unique(shifted)).min()) / 2
        values = shifted.astype(np.float64)
    current, following = -np.inf, values.mean()
    while abs(following - current) > tolerance:
        current = following
        lower, upper = values[values <= current].mean(), values[values > current].mean()
        if lower == 0:
            break
        following = (lower - upper) / (np.log(lower) - np.log(upper))
    return float(following) + float(smallest)


def yen(image):
    """The centre after which log((P (1 - P))^2 / (sum of p^2 up to it · sum of p^2 above it)) is largest."""
    counts, centers = histogram(image)
    if counts.size == 1:
        return float(centers[0])
    counts = counts.astype(np.float32)
    p = counts / counts.sum()
    below = np.cumsum(p)[:-1]
    squares_below = np.cumsum(p * p)[:-1]
    squares_above = np.cumsum((p * p)[::-1])[::-1][1:]
    with np.errstate(divide="ignore", invalid="ignore"):
        criterion = (1 / (squares_below * squares_above)) * (below * (1 - below)) ** 2
        logarithm = np.log(criterion.astype(np.float64)).astype(np.float32)
    return float(centers[first_maximum(logarithm)])


def isodata(image):
    """The first centre that lies less than a bin below the middle of the means of the two classes it makes."""
    counts, centers = histogram(image)
    if counts.size == 1:
        return float(centers[0])
    counts = counts.astype(np.float32)
    weight, moment = np.cumsum(counts), np.cumsum(counts * centers)
    with np.errstate(divide="ignore", invalid="ignore"):
        lower = moment[:-1] / weight[:-1]
        upper = (moment[-1] - moment[:-1]) / (weight[-1] - weight[:-1])
        distance = (lower + upper) / 2 - centers[:-1]
    found = np.flatnonzero((distance >= 0) & (distance < centers[1] - centers[0]))
    if found.size == 0:
        raise ValueError("no fixed point")
    return float(centers[found[0]])


def triangle(image):
    """The centre farthest below the line from the histogram's peak to the end of its longer tail."""
    if only_value(image) is not None:
        return only_value(image)
    counts, centers = histogram(image)
    peak = int(np.argmax(counts))
    flip = peak < counts.size - 1 - peak
    if flip:
        counts, centers, peak = counts[::-1], centers[::-1], counts.size - 1 - peak
    height, width = float(counts[peak]), float(peak)
    norm = np.sqrt(height * height + width * width)
    distance = height / norm * np.arange(peak) - width / norm * counts[:peak]
    return float(centers[first_maximum(distance)])


def mean(image):
    """The mean."""
    image = np.asarray(image)
    if image.dtype.kind in "iub":
        return sum(int(value) for value in image.ravel()) / image.size
    return float(np.mean(image.astype(np.float64)))


def maxima_of(values):
    """Indices at which the values begin to fall after they rose."""
    found, rising = [], True
    for k in range(len(values) - 1):
        if rising and values[k + 1] < values[k]:
            found.append(k)
            rising = False
        elif not rising and values[k + 1] > values[k]:
            rising = True
    return found


def minimum(image):
    """The lowest bin between the two maxima of the histogram, after means of three that leave no more than two."""
    counts, centers = histogram(image)
    smooth = counts.astype(np.float32)
    for _ in range(10_000):
        padded = np.concatenate([smooth[:1], smooth, smooth[-1:]]).astype(np.float64)
        steps = np.concatenate([[(padded[0] + padded[1]) + padded[2]], padded[3:] - padded[:-3]])
        smooth = (np.cumsum(steps) / 3).astype(np.float32)
        maxima = maxima_of(smooth)
        if len(maxima) < 3:
            break
    if len(maxima) != 2:
        raise ValueError("no two maxima")
    return float(centers[maxima[0] + int(np.argmin(smooth[maxima[0] : maxima[1] + 1]))])


def multiotsu(image, classes):
    """The thresholds with the largest sum of S^2 / P over the classes; the first of equal ones among all choices."""
    counts, centers = histogram(image)
    occupied = np.flatnonzero(counts)
    if occupied.size < classes:
        raise ValueError("too few values")
    if occupied.size == classes:
        return centers[occupied[:-1]].astype(np.float64)
    share = (counts / counts.sum()).astype(np.float32)
    weighted = np.arange(counts.size).astype(np.float32) * share
    weighted[0] = share[0]  # as scikit-image has it
    zeroth, first = np.cumsum(share), np.cumsum(weighted)

    def term(i, j):
        weight = zeroth[j] - (zeroth[i - 1] if i > 0 else np.float32(0))
        moment = first[j] - (first[i - 1] if i > 0 else np.float32(0))
        return moment * moment / weight if j > 0 and weight > 0 else np.float32(0)

    last = counts.size - 1
    best, chosen = np.float32(0), None
    for thresholds in itertools.combinations(range(last), classes - 1):
        total = term(0, thresholds[0]) + term(thresholds[-1] + 1, last)
        for left, right in itertools.pairwise(thresholds):
            total = total + term(left + 1, right)
        if total > best:
            best, chosen = total, thresholds
    return centers[list(chosen)].astype(np.float64)
