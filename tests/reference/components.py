"""Connected components by flood fill, of images (connectivity 4 or 8) and volumes (6, 18 or 26)."""

import itertools

import numpy as np

# A step to a neighbour moves along this many axes at most.
AXES_OF_A_STEP = {4: 1, 8: 2, 6: 1, 18: 2, 26: 3}
DUAL = {4: 8, 8: 4, 6: 26, 18: 6, 26: 6}


def steps(connectivity):
    """The offsets of a pixel's neighbours."""
    ndim = 2 if connectivity in (4, 8) else 3
    offsets = itertools.product((-1, 0, 1), repeat=ndim)
    return [step for step in offsets if 0 < np.abs(step).sum() <= AXES_OF_A_STEP[connectivity]]


def label_values(values, connectivity=8):
    """Labels from 1 in raster order of first pixels; neighbours of equal value belong together, 0 to none."""
    padded = np.pad(values, 1)  # so that no step leaves the array
    strides = np.array(padded.strides) // padded.itemsize
    around = [int(np.dot(step, strides)) for step in steps(connectivity)]
    pixels = padded.ravel().tolist()
    labels = [0] * len(pixels)
    count = 0
    for start in np.flatnonzero(padded).tolist():
        if labels[start]:
            continue
        count += 1
        labels[start] = count
        stack = [start]
        while stack:
            pixel = stack.pop()
            for step in around:
                if not labels[pixel + step] and pixels[pixel + step] == pixels[start]:
                    labels[pixel + step] = count
                    stack.append(pixel + step)
    inside = (slice(1, -1),) * values.ndim
    return np.array(labels, np.int32).reshape(padded.shape)[inside].copy()


def label(mask, connectivity=8):
    """Labels of the foreground."""
    return label_values(np.asarray(mask) != 0, connectivity)


def measures(labels):
    """Areas, half-open boxes (x0, y0, x1, y1 or with z) and centroids (y, x or z, y, x) of one label map."""
    areas, boxes, centroids = [], [], []
    for i in range(1, labels.max(initial=0) + 1):
        pixels = np.argwhere(labels == i)
        areas.append(len(pixels))
        boxes.append([*pixels.min(0)[::-1], *pixels.max(0)[::-1] + 1])
        centroids.append(pixels.mean(0))
    shape = (len(areas), labels.ndim)
    return (
        np.array(areas, np.int64),
        np.array(boxes, np.int64).reshape(shape[0], 2 * labels.ndim),
        np.array(centroids, float).reshape(shape),
    )


def areas_of(labels):
    """The area of each pixel's component."""
    return np.where(labels > 0, np.bincount(labels.ravel(), minlength=1)[labels], 0)


def border(labels):
    """The labels found in the first or last row, column or slice."""
    found = set()
    for axis in range(labels.ndim):
        if labels.shape[axis]:
            found |= set(np.take(labels, [0, -1], axis).ravel().tolist())
    return sorted(found - {0})


def component_areas(mask, connectivity=8):
    """The area of each pixel's component, 0 in the background."""
    return areas_of(label(mask, connectivity)).astype(np.int32)


def remove_small_objects(mask, min_area, connectivity=8):
    """Only the components of at least min_area pixels."""
    labels = label(mask, connectivity)
    return (labels > 0) & (areas_of(labels) >= min_area)


def remove_small_holes(mask, min_area, connectivity=8, border_is_hole=True):
    """With the components of the background of less than min_area pixels."""
    background = label(np.asarray(mask) == 0, connectivity)
    hole = (background > 0) & (areas_of(background) < min_area)
    if not border_is_hole:
        hole &= ~np.isin(background, border(background))
    return (np.asarray(mask) != 0) | hole


def fill_holes(mask, connectivity=8):
    """Everything but the background that reaches the border."""
    background = label(np.asarray(mask) == 0, DUAL[connectivity])
    return ~np.isin(background, border(background))


def keep_largest(mask, k=1, connectivity=8):
    """The k components of most pixels, of equal ones the first."""
    labels = label(mask, connectivity)
    areas = np.bincount(labels.ravel(), minlength=1)[1:]
    return np.isin(labels, np.argsort(-areas, kind="stable")[:k] + 1)


def clear_border(mask, connectivity=8):
    """Without the components that touch the border."""
    labels = label(mask, connectivity)
    return (labels > 0) & ~np.isin(labels, border(labels))


def hysteresis(weak, strong, connectivity=8):
    """The components of weak that hold a pixel of strong."""
    labels = label(weak, connectivity)
    return (labels > 0) & np.isin(labels, labels[strong])


def clean_scores(
    scores,
    threshold,
    max_hole_area,
    max_sprinkle_area,
    hole_value,
    sprinkle_value,
    connectivity=8,
    sprinkles_after_holes=True,
    keep_half=True,
):
    """Small components of scores <= threshold raised, small components of scores > threshold lowered, in one image."""
    cleaned = scores.copy()
    background = label(scores <= threshold, connectivity)
    cleaned[(background > 0) & (areas_of(background) <= max_hole_area)] = hole_value
    foreground = label((cleaned if sprinkles_after_holes else scores) > threshold, connectivity)
    limit = max_sprinkle_area
    if keep_half:
        limit = min(limit, np.count_nonzero(foreground) // 2)
    cleaned[(foreground > 0) & (areas_of(foreground) <= limit)] = sprinkle_value
    return cleaned
