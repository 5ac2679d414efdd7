"""Pasting by its definition, pixel by pixel in float32."""

import numpy as np

F = np.float32


def grid_sample_taps(low, high, extent, out):
    """Of each pixel: the index in the padded mask of the first of two values and the second's weight, or None."""
    taps = []
    for x in range(out):
        with np.errstate(all="ignore"):
            g = (F(x) + F(0.5) - low) / (high - low) * F(2) - F(1)
            position = (g + F(1)) * (F(extent) * F(0.5)) - F(0.5)
        if not -1 < position < extent:
            taps.append(None)
            continue
        first = np.floor(position)
        taps.append((int(first) + 1, position - first))
    return taps


def interpolate_taps(low, high, extent, out, padding):
    padded = extent + 2 * padding
    scale = F(padded / extent)
    with np.errstate(over="ignore"):
        centre, half = (high + low) * F(0.5), (high - low) * F(0.5) * scale
    if not (centre - half > -1e18 and centre + half < 1e18):
        return [None] * out  # further than integers reach
    begin, last = int(centre - half), int(centre + half)
    size = last - begin + 1
    taps = [None] * out
    for x in range(max(begin, 0), min(last + 1, out)):
        position = F(padded) / F(size) * (F(x - begin) + F(0.5)) - F(0.5)
        position = F(x - begin) if padded == size else max(position, F(0))
        first = min(int(position), padded - 1)
        taps[x] = (first, min(position - F(first), F(1)))
    return taps


def mix(first, second, weight):
    return first if weight == 0 else (F(1) - weight) * first + weight * second


def paste_masks(masks, boxes, size, threshold=0.5, op=">=", method="grid_sample", padding=1):
    """Masks (N, h, w) in boxes (N, 4) of an image of that size, as bool."""
    padding = padding if method == "interpolate" else 1
    result = np.zeros((len(masks), *size), bool)
    for mask, (x0, y0, x1, y1), canvas in zip(masks, np.asarray(boxes, F), result, strict=True):
        with np.errstate(all="ignore"):
            extents = np.array([x1 - x0, y1 - y0])
        if not np.isfinite([x0, y0, x1, y1]).all() or mask.size == 0:
            continue
        if method == "grid_sample":
            if not (np.isfinite(extents).all() and (extents > 0).all()):
                continue
            columns = grid_sample_taps(x0, x1, mask.shape[1], size[1])
            rows = grid_sample_taps(y0, y1, mask.shape[0], size[0])
        else:
            columns = interpolate_taps(x0, x1, mask.shape[1], size[1], padding)
            rows = interpolate_taps(y0, y1, mask.shape[0], size[0], padding)
        padded = np.pad(mask.astype(F), padding)
        padded = np.pad(padded, ((0, 1), (0, 1)), mode="edge")
        with np.errstate(all="ignore"):
            for y, row in enumerate(rows):
                for x, column in enumerate(columns):
                    if row is None or column is None:
                        continue
                    (i, down), (j, along) = row, column
                    value = mix(
                        mix(padded[i, j], padded[i, j + 1], along),
                        mix(padded[i + 1, j], padded[i + 1, j + 1], along),
                        down,
                    )
                    canvas[y, x] = value >= F(threshold) if op == ">=" else value > F(threshold)
    return result
