"""Overlaps and suppression, from their definitions."""

import math

import numpy as np


def overlap(a, b, metric="iou", crowd=False):
    """The overlap of two masks."""
    a, b = np.asarray(a) != 0, np.asarray(b) != 0
    shared = int((a & b).sum())
    whole = {
        "iou": int((a | b).sum()),
        "ios": min(int(a.sum()), int(b.sum())),
        "iof": int(a.sum()),
    }["iof" if crowd else metric]
    return shared / whole if whole else 0.0


def matrix(a, b=None, metric="iou", iscrowd=None):
    """The overlaps of all pairs."""
    b = a if b is None else b
    crowd = [False] * len(b) if iscrowd is None else iscrowd
    values = [[overlap(x, y, metric, c) for y, c in zip(b, crowd, strict=True)] for x in a]
    return np.array(values, np.float64).reshape(len(a), len(b))


def order(scores):
    """Indices by descending score, ties by index, NaN last."""
    return sorted(range(len(scores)), key=lambda i: (math.isnan(scores[i]), -scores[i], i))


def same(labels, i, j):
    return labels is None or labels[i] == labels[j]


def nms(overlaps, scores, threshold, labels=None):
    """Indices kept."""
    kept = []
    for j in order(scores):
        if not any(same(labels, i, j) and overlaps[i, j] > threshold for i in kept):
            kept.append(j)
    return kept


def soft_nms(overlaps, scores, labels, method, sigma, iou_threshold, score_threshold):
    """Indices kept and their scores."""
    scores = [float(s) for s in scores]
    left = list(range(len(scores)))
    kept = []
    while True:
        left = [i for i in left if scores[i] > score_threshold]
        if not left:
            return kept, [scores[i] for i in kept]
        best = min(left, key=lambda i: (-scores[i], i))
        kept.append(best)
        left.remove(best)
        for j in left:
            u = overlaps[best, j]
            if same(labels, best, j):
                if method == "gaussian":
                    scores[j] *= math.exp(-u * u / sigma)
                elif u > iou_threshold:
                    scores[j] *= 1 - u


def matrix_nms(iou, scores, labels, kernel, sigma):
    """Decayed scores."""
    ranked = order(scores)
    highest = {}
    result = np.zeros(len(scores))

    def f(u):
        return math.exp(-sigma * u * u) if kernel == "gaussian" else 1 - u

    for r, j in enumerate(ranked):
        before = [i for i in ranked[:r] if same(labels, i, j)]
        highest[j] = max((iou[i, j] for i in before), default=0.0)
        factors = [1.0]
        for i in before:
            above, below = f(iou[i, j]), f(highest[i])
            factors.append(above / below if below else (math.inf if above else 0.0))
        result[j] = scores[j] * min(factors)
    return result


def nmm(masks, scores, threshold, labels=None, metric="iou"):
    """Groups of indices."""
    left = order(scores)
    groups = []
    while left:
        group = [left.pop(0)]
        union = np.asarray(masks[group[0]]) != 0
        while True:
            joining = [j for j in left if same(labels, group[0], j) and overlap(masks[j], union, metric) >= threshold]
            if not joining:
                break
            for j in joining:
                union = union | (np.asarray(masks[j]) != 0)
                left.remove(j)
            group += joining
        groups.append(group)
    return groups
