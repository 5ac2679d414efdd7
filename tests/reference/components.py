"""Connected components by flood fill."""

import numpy as np

STEPS = {4: [(-1, 0), (1, 0), (0, -1), (0, 1)]}
STEPS[8] = [*STEPS[4], (-1, -1), (-1, 1), (1, -1), (1, 1)]


def label(mask, connectivity=8):
    """Labels from 1 in raster order of first pixels."""
    h, w = mask.shape
    labels = np.zeros((h, w), np.int32)
    count = 0
    for start in zip(*np.nonzero(mask), strict=True):
        if labels[start]:
            continue
        count += 1
        stack = [start]
        labels[start] = count
        while stack:
            y, x = stack.pop()
            for dy, dx in STEPS[connectivity]:
                ny, nx = y + dy, x + dx
                if 0 <= ny < h and 0 <= nx < w and mask[ny, nx] and not labels[ny, nx]:
                    labels[ny, nx] = count
                    stack.append((ny, nx))
    return labels


def measures(labels):
    """Areas, half-open boxes and centroids of the components of one label map."""
    areas, boxes, centroids = [], [], []
    for i in range(1, labels.max(initial=0) + 1):
        y, x = np.nonzero(labels == i)
        areas.append(len(y))
        boxes.append([x.min(), y.min(), x.max() + 1, y.max() + 1])
        centroids.append([y.mean(), x.mean()])
    return np.array(areas, np.int64), np.array(boxes, np.int64).reshape(-1, 4), np.array(centroids).reshape(-1, 2)


def remove_small_objects(mask, min_area, connectivity=8):
    """Only the components of at least min_area pixels."""
    labels = label(mask, connectivity)
    areas = np.bincount(labels.ravel(), minlength=1)
    return (labels > 0) & (areas[labels] >= min_area)


def fill_holes(mask, connectivity=8):
    """Everything but the background that reaches the border."""
    background = label(mask == 0, 4 if connectivity == 8 else 8)
    border = np.concatenate([background[:1].ravel(), background[-1:].ravel(), background[:, :1].ravel(),
                             background[:, -1:].ravel()])  # fmt: skip
    return ~(np.isin(background, border[border > 0]))
