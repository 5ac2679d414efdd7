"""Literal definitions of the local thresholds, one window at a time."""

import numpy as np


def symmetric(i, n):
    """The pixel seen at i when n pixels are reflected about their outer edges: c b a | a b c | c b a."""
    i %= 2 * n
    return i if i < n else 2 * n - 1 - i


def mirrored(i, n):
    """The pixel seen at i when n pixels are reflected about their outer centres: c b | a b c | b a."""
    if n == 1:
        return 0
    i %= 2 * (n - 1)
    return i if i < n else 2 * (n - 1) - i


def surface_dtype(dtype):
    return np.float32 if np.dtype(dtype) in (np.float16, np.float32) else np.float64


def pair(size):
    return (size, size) if np.isscalar(size) else tuple(size)


def padded(image, radius, index):
    """The image in float64 with `radius` pixels more on each side, seen through `index`."""
    height, width = image.shape
    rows = [index(y, height) for y in range(-radius[0], height + radius[0])]
    columns = [index(x, width) for x in range(-radius[1], width + radius[1])]
    return image.astype(np.float64)[np.ix_(rows, columns)]


def windows(image, size, index):
    """float64 (H, W, h, w): the window of every pixel."""
    h, w = pair(size)
    return np.lib.stride_tricks.sliding_window_view(padded(image, (h // 2, w // 2), index), (h, w))


def each_image(function, image):
    """Applies a function of one (H, W) image over a batch (..., H, W)."""
    image = np.asarray(image)
    dtype = surface_dtype(image.dtype)
    result = np.empty(image.shape, dtype)
    if image.size:
        for i in np.ndindex(image.shape[:-2]):
            result[i] = function(image[i]).astype(dtype)
    return result


def gaussian_weights(size):
    """One axis: sigma = (size - 1) / 6, cut off at four sigma."""
    sigma = (size - 1) / 6
    radius = int(4 * sigma + 0.5)
    distance = np.arange(-radius, radius + 1)
    weights = np.exp(-(distance**2) / (2 * sigma**2)) if sigma > 0 else np.ones(1)
    return weights / weights.sum()


def weighted_mean(image, size):
    rows, columns = (gaussian_weights(n) for n in pair(size))
    return np.einsum("yxij,i,j->yx", windows(image, (len(rows), len(columns)), symmetric), rows, columns)


def threshold_local(image, block_size, *, method="gaussian", offset=0.0):
    statistic = {
        "gaussian": lambda x: weighted_mean(x, block_size),
        "mean": lambda x: windows(x, block_size, symmetric).mean(axis=(2, 3)),
        "median": lambda x: np.median(windows(x, block_size, symmetric), axis=(2, 3)),
    }[method]
    return each_image(lambda x: statistic(x) - offset, image)


def deviation(window):
    """The standard deviation of each window: from the squared distances from its mean, which do not cancel."""
    return window.std(axis=(2, 3))


def threshold_niblack(image, *, window_size=15, k=0.2):
    def surface(x):
        window = windows(x, window_size, mirrored)
        return window.mean(axis=(2, 3)) - k * deviation(window)

    return each_image(surface, image)


def default_range(dtype):
    """Half of the dtype's range; floats span [-1, 1]."""
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return 1.0
    if dtype.kind == "b":
        return 0.5
    return 0.5 * (float(np.iinfo(dtype).max) - float(np.iinfo(dtype).min))


def threshold_sauvola(image, *, window_size=15, k=0.2, r=None):
    r = default_range(np.asarray(image).dtype) if r is None else r

    def surface(x):
        window = windows(x, window_size, mirrored)
        return window.mean(axis=(2, 3)) * (1 + k * (deviation(window) / r - 1))

    return each_image(surface, image)


def exact_mean_threshold(image, block_size, *, offset=0.0, op=">"):
    """adaptive_threshold with method="mean" of an integer image.

    Window sums are exact; the surface is rounded as float64 division and subtraction round.
    """
    image = np.asarray(image)
    result = np.zeros(image.shape, bool)
    h, w = pair(block_size)
    if image.size:
        for i in np.ndindex(image.shape[:-2]):
            sums = windows(image[i], block_size, symmetric).sum(axis=(2, 3))  # integers below 2**53 in float64
            surface = sums / float(h * w) - offset
            pixels = image[i].astype(np.float64)
            result[i] = pixels > surface if op == ">" else pixels >= surface
    return result
