"""Confusion matrices and panoptic quality by their definitions."""

import numpy as np


def confusion_matrix(prediction, target, classes, ignored=None):
    """Counts (classes, classes), targets by rows, and the number of pixels that are of no class and not ignored."""
    matrix, invalid = np.zeros((classes, classes), np.int64), 0
    for p, t in zip(prediction.ravel().tolist(), target.ravel().tolist(), strict=True):
        if t == ignored:
            continue
        if 0 <= p < classes and 0 <= t < classes:
            matrix[int(t), int(p)] += 1
        else:
            invalid += 1
    return matrix, invalid


def iou(matrix):
    """By class; NaN where it does not occur."""
    result = []
    for c in range(len(matrix)):
        union = matrix[c].sum() + matrix[:, c].sum() - matrix[c, c]
        result.append(matrix[c, c] / union if union else np.nan)
    return np.array(result)


def panoptic_quality(prediction, predicted, target, wanted, categories, void=0):
    """TP, FP, FN and the sum of IoU by category, of dictionaries as panopticapi has them, by its published rules."""
    counts = {category: [0, 0, 0, 0.0] for category in categories}
    overlap = {}
    for pair in zip(target.ravel().tolist(), prediction.ravel().tolist(), strict=True):
        overlap[pair] = overlap.get(pair, 0) + 1
    area = {s["id"]: int((prediction == s["id"]).sum()) for s in predicted}
    category = {s["id"]: s["category_id"] for s in predicted}
    matched, found = set(), set()
    for truth in wanted:
        if truth.get("iscrowd"):
            continue
        true_area = truth.get("area", int((target == truth["id"]).sum()))
        for label in area:
            both = overlap.get((truth["id"], label), 0)
            if not both or category[label] != truth["category_id"]:
                continue
            union = area[label] + true_area - both - overlap.get((void, label), 0)
            if both / union > 0.5:
                counts[category[label]][0] += 1
                counts[category[label]][3] += both / union
                matched.add(truth["id"])
                found.add(label)
    crowds = {}
    for truth in wanted:
        if truth["id"] in matched:
            continue
        if truth.get("iscrowd"):
            crowds[truth["category_id"]] = truth["id"]
        else:
            counts[truth["category_id"]][2] += 1
    for label in area:
        if label in found:
            continue
        unjudged = overlap.get((void, label), 0)
        if category[label] in crowds:
            unjudged += overlap.get((crowds[category[label]], label), 0)
        if unjudged / area[label] <= 0.5:
            counts[category[label]][1] += 1
    return counts
