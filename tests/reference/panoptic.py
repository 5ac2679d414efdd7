"""Panoptic merging and painting by their definitions: every plane at the size of the map."""

import numpy as np

from .semantic import bilinear


def merge(planes, scores, labels, size, activate, rule):
    """The map and, for each query, whether it is part of a segment, its id and its pixels in the map.

    `activate` makes probabilities of logits; `rule` has the arguments of `panoptic_merge`.
    """
    late = rule.get("activate") == "after"
    planes = np.asarray(planes).astype(np.float32)
    probabilities = bilinear(planes if late else activate(planes), size)
    if late:
        probabilities = activate(probabilities)
    with np.errstate(invalid="ignore", over="ignore", under="ignore"):
        weights = probabilities * np.asarray(scores, np.float32)[:, None, None]
    best = np.full(size, np.nan, np.float32)
    chosen = np.full(size, -1)
    for k, weight in enumerate(weights):
        wins = np.where(np.isnan(best), ~np.isnan(weight), weight > best)
        best, chosen = np.where(wins, weight, best), np.where(wins, k, chosen)
    threshold = np.float32(rule.get("mask_threshold", 0.5))
    overlap = rule.get("overlap_threshold", 0.8)
    inner = rule.get("paint") == "inner"
    void, step = rule.get("void", 0), rule.get("id_step", 1000)
    numbering, fuse = rule.get("numbering", "consecutive"), set(rule.get("fuse", ()))
    result = np.full(size, void, np.int32)
    queries = []
    number, instance, begun = rule.get("first_id", 1), 1, {}
    for k, label in enumerate(labels):
        own = (weights if rule.get("weight_by_score", True) else probabilities)[k] >= threshold
        mine = chosen == k
        pixels = mine & own if inner else mine
        kept = mine.any() and own.any() and pixels.any()
        if kept and rule.get("overlap_op", ">") == ">":
            kept = float(np.float32(mine.sum()) / np.float32(own.sum())) > overlap
        elif kept:
            kept = mine.sum() / own.sum() >= overlap
        queries.append((bool(kept), 0, 0))
        if not kept:
            continue
        fused = label in fuse
        if numbering == "by_label":
            segment = label + (0 if fused else step * instance)
            instance += not fused
        elif fused and label in begun:
            segment = begun[label]
            if numbering == "restarting":
                number = segment + 1
        else:
            segment = number
            number += 1
        if fused:
            begun.setdefault(label, segment)
        result[pixels] = segment
        queries[-1] = (True, segment, int(pixels.sum()))
    return result, queries


def paint(masks, order, keeps):
    """The map of index + 1, with masks that take free pixels in turn, and which are painted.

    `keeps(area, free)` tells by a mask's area and what of it is free whether it is painted.
    """
    result = np.zeros(masks.shape[1:], np.int32)
    painted = []
    for i in order:
        mask = masks[i] != 0
        free = mask & (result == 0)
        if not keeps(int(mask.sum()), int(free.sum())):
            continue
        result[free] = i + 1
        painted.append(i)
    return result, painted


def non_overlapping(scores, background, object_scores=None):
    values = np.asarray(scores)
    background = np.asarray(background).astype(values.dtype)
    keeps = np.zeros(values.shape, bool)
    for pixel in np.ndindex(values.shape[1:]):
        best, winner = None, None
        for k in range(len(values)):
            score = values[(k, *pixel)]
            if object_scores is not None:
                score = np.float32(object_scores[k]) if score > 0 and object_scores[k] > 0 else np.nan
            if not np.isnan(score) and (best is None or score > best):
                best, winner = score, k
        if winner is not None:
            keeps[(winner, *pixel)] = True
    return np.where(~keeps & (values > background), background, values)
