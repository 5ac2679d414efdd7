"""Class maps by their definition: every resized plane is made, in float32 and in the order of operations."""

import numpy as np


def taps(inputs, outputs):
    """For each output pixel of an axis the two input pixels that it mixes, and their weights."""
    i = np.arange(outputs)
    if inputs == outputs:
        return i, i, np.ones(outputs, np.float32), np.zeros(outputs, np.float32)
    scale = np.float32(inputs) / np.float32(outputs)
    position = np.maximum(scale * (i.astype(np.float32) + np.float32(0.5)) - np.float32(0.5), np.float32(0))
    first = np.minimum(position.astype(np.int64), inputs - 1)
    second_weight = np.minimum(position - first.astype(np.float32), np.float32(1))
    return first, np.minimum(first + 1, inputs - 1), np.float32(1) - second_weight, second_weight


def mixed(first, second, first_weight, second_weight):
    """Both by their weights, or the first where the second has none."""
    with np.errstate(invalid="ignore", over="ignore", under="ignore"):
        return np.where(second_weight == 0, first, first_weight * first + second_weight * second)


def bilinear(images, size):
    """Images (..., h, w) of another size, as float32."""
    images = np.asarray(images).astype(np.float32)
    first, second, a, b = taps(images.shape[-1], size[1])
    rows = mixed(images[..., first], images[..., second], a, b)
    first, second, a, b = taps(images.shape[-2], size[0])
    return mixed(rows[..., first, :], rows[..., second, :], a[:, None], b[:, None])


def semantic_argmax(logits, size=None, *, dtype="int32", ignore=(), min_score=None, void=None):
    scores = bilinear(logits, size or logits.shape[-2:])
    void = void if void is not None else (255 if dtype == "uint8" else -1)
    best = np.full(scores.shape[:-3] + scores.shape[-2:], np.nan, np.float32)
    labels = np.full(best.shape, void, np.int64)
    for c in range(scores.shape[-3]):
        if c in ignore:
            continue
        score = scores[..., c, :, :]
        wins = np.where(np.isnan(best), ~np.isnan(score), score > best)
        best, labels = np.where(wins, score, best), np.where(wins, c, labels)
    if min_score is not None:
        labels[~(best >= np.float32(min_score))] = void
    return labels.astype(dtype)


def semantic_scores(class_logits, mask_logits):
    """Sums of the queries' class and mask probabilities, in float64."""
    x = np.asarray(class_logits, np.float64)
    weights = np.exp(x - x.max(-1, keepdims=True))
    weights = (weights / weights.sum(-1, keepdims=True))[..., :-1]
    with np.errstate(over="ignore"):
        masks = 1 / (1 + np.exp(-np.asarray(mask_logits, np.float64)))
    return np.einsum("...qc,...qhw->...chw", weights, masks)
