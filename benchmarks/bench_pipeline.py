"""Whole jobs, from what a model gives to COCO's run lengths, against the code that people have for them.

That is what torch, OpenCV and pycocotools do with care, where everything is known that can be: detections are resized
within their boxes only, arrays are in the order that pycocotools likes. Where ours interpolates with other last bits, a
pixel in a million may differ.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import cases
import rapidmask
from compare import Comparison, Contest, Peer, optional

cv2 = optional("cv2")
pycocotools = optional("pycocotools.mask")
torch = optional("torch")

_OFFSET, _STABLE = 0.05, 0.9
_LEAST_AREA = 100
_OVERLAP = 0.7
_MODEL_INPUT = 640  # pixels a side, four to a cell of the prototypes

Found = tuple[list[dict[str, Any]], np.ndarray]  # run lengths and boxes


def alike(ours: Found, theirs: Found) -> None:
    """Assert that masks and their order agree, but for a pixel in a million."""
    assert len(ours[0]) == len(theirs[0]) > 0
    different = total = 0
    for one, other in zip(ours[0], theirs[0], strict=True):
        masks = rapidmask.rle_decode(rapidmask.RLEMasks.from_coco([one, other]), output="packed")
        different += int((masks[0] ^ masks[1]).area().sum())
        total += one["size"][0] * one["size"][1]
    assert different <= 1e-6 * total, f"{different} of {total} pixels differ"
    assert np.abs(ours[1] - theirs[1]).max() <= 1


def encoded(mask: np.ndarray) -> dict[str, Any]:
    return pycocotools.encode(mask)


# SAM: 64 masks of a grid of points


def mended(mask: np.ndarray) -> np.ndarray:
    """The mask without small holes, and then without small islands."""
    for background in (True, False):
        ground = (mask != background).astype(np.uint8)
        _, labels, stats, _ = cv2.connectedComponentsWithStats(ground, connectivity=8)
        small = stats[:, cv2.CC_STAT_AREA] < _LEAST_AREA
        small[0] = False
        if small.any():
            mask = mask | small[labels] if background else mask & ~small[labels]
    return mask


def boxes_of(masks: np.ndarray) -> np.ndarray:
    boxes = np.zeros((len(masks), 4), np.int64)
    for box, mask in zip(boxes, masks, strict=True):
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if len(rows):
            box[:] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    return boxes


def suppressed(masks: np.ndarray, scores: np.ndarray) -> list[int]:
    flat = torch.from_numpy(masks.reshape(len(masks), -1)).float()
    shared, areas = flat @ flat.T, flat.sum(1)
    overlaps = (shared / (areas[:, None] + areas - shared)).numpy()
    kept: list[int] = []
    for i in np.argsort(-scores, kind="stable").tolist():
        if all(overlaps[i, j] <= _OVERLAP for j in kept):
            kept.append(i)
    return kept


def sam_by_hand(logits: np.ndarray, scores: np.ndarray, size: tuple[int, int]) -> Found:
    large = torch.nn.functional.interpolate(torch.from_numpy(logits)[:, None], size, mode="bilinear")[:, 0]
    stability = (large > _OFFSET).sum((-1, -2)) / (large > -_OFFSET).sum((-1, -2))
    stable = (stability >= _STABLE).numpy()
    masks = np.stack([mended(mask) for mask in (large[torch.from_numpy(stable)] > 0).numpy()])
    boxes = boxes_of(masks)
    kept = suppressed(masks, scores[stable])
    return [encoded(np.asfortranarray(masks[i].view(np.uint8))) for i in kept], boxes[kept]


def sam(logits: np.ndarray, scores: np.ndarray, size: tuple[int, int]) -> Found:
    masks, statistics = rapidmask.upsample_masks(logits, size, output="packed", return_stats=True, offset=_OFFSET)
    stable = np.flatnonzero(statistics.stability >= _STABLE)
    masks = rapidmask.remove_small_regions(masks[stable], _LEAST_AREA)
    kept = rapidmask.mask_nms(masks, scores[stable], _OVERLAP)
    masks = masks[kept]
    return masks.to_rle().to_coco("bytes"), masks.boxes()


def automatic_masks(logits: np.ndarray) -> Contest:
    scores = np.random.default_rng(31).random(len(logits))
    given, size = logits.copy(), (1024, 1024)
    return Contest(
        lambda: sam(given, scores, size),
        [Peer("torch with OpenCV and pycocotools", lambda: sam_by_hand(given, scores, size), alike)],
    )


# YOLO: 300 detections of prototypes and coefficients


def detections(size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Prototypes (32, 160, 160), coefficients (300, 32) and boxes of 2 to 25 % of the picture."""
    rng = np.random.default_rng(32)
    prototypes = cases.load("prototypes 32×160²").copy()
    coefficients = rng.standard_normal((300, len(prototypes))).astype(np.float32)
    extents = rng.uniform(0.02, 0.25, (300, 2)) * (size[1], size[0])
    corners = rng.uniform(0, 1, (300, 2)) * ((size[1], size[0]) - extents)
    return prototypes, coefficients, np.concatenate([corners, corners + extents], axis=1).astype(np.float32)


def yolo_by_hand(prototypes: np.ndarray, coefficients: np.ndarray, boxes: np.ndarray, size: tuple[int, int]) -> Found:
    """Resizes the cells under each box, with one more around them, which makes it exact."""
    channels, cells, _ = prototypes.shape
    pixels = max(size) // cells  # a cell's, a whole number here
    height, width = size[0] // pixels, size[1] // pixels
    top, left = (cells - height) // 2, (cells - width) // 2
    content = np.ascontiguousarray(prototypes[:, top : top + height, left : left + width])
    logits = (coefficients @ content.reshape(channels, -1)).reshape(-1, height, width)
    mask, runs, found = np.zeros(size, np.uint8, order="F"), [], np.zeros((len(boxes), 4), np.int64)
    for i, (x0, y0, x1, y1) in enumerate(np.ceil(boxes).astype(int)):
        r0, r1 = max(y0 // pixels - 1, 0), min((y1 - 1) // pixels + 2, height)
        c0, c1 = max(x0 // pixels - 1, 0), min((x1 - 1) // pixels + 2, width)
        part = cv2.resize(logits[i, r0:r1, c0:c1], ((c1 - c0) * pixels, (r1 - r0) * pixels))
        inside = part[y0 - r0 * pixels : y1 - r0 * pixels, x0 - c0 * pixels : x1 - c0 * pixels] > 0
        mask[y0:y1, x0:x1] = inside
        runs.append(encoded(mask))
        mask[y0:y1, x0:x1] = 0
        found[i] = boxes_of(inside[None])[0] + ((x0, y0, x0, y0) if inside.any() else (0, 0, 0, 0))
    return runs, found


def yolo(prototypes: np.ndarray, coefficients: np.ndarray, boxes: np.ndarray, size: tuple[int, int]) -> Found:
    runs = rapidmask.decode_prototypes(
        prototypes, coefficients, boxes, size, letterbox=(_MODEL_INPUT, _MODEL_INPUT), output="rle"
    )
    return runs.to_coco("bytes"), runs.boxes()


def instances_of(size: tuple[int, int]) -> Any:
    def contest(_: np.ndarray) -> Contest:
        given = detections(size)
        return Contest(
            lambda: yolo(*given, size),
            [Peer("cv2 with NumPy and pycocotools", lambda: yolo_by_hand(*given, size), alike)],
        )

    return contest


# Mask R-CNN: 100 masks of 28×28


def pasted(mask: Any, box: Any, size: tuple[int, int]) -> tuple[Any, tuple[slice, slice]]:
    """One mask, sampled in a window that just holds its box."""
    x0, y0 = (int(v) for v in torch.clamp(box.floor()[:2] - 1, min=0))
    x1 = int(torch.clamp(box[2].ceil() + 1, max=size[1]))
    y1 = int(torch.clamp(box[3].ceil() + 1, max=size[0]))
    x = (torch.arange(x0, x1) + 0.5 - box[0]) / (box[2] - box[0]) * 2 - 1
    y = (torch.arange(y0, y1) + 0.5 - box[1]) / (box[3] - box[1]) * 2 - 1
    grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)[None]
    return torch.nn.functional.grid_sample(mask[None, None], grid, align_corners=False)[0, 0], (
        slice(y0, y1),
        slice(x0, x1),
    )


def mask_rcnn_by_hand(masks: np.ndarray, boxes: np.ndarray, size: tuple[int, int]) -> Found:
    """What detectron2 does on a CPU: every mask into a picture of its own, then one call of pycocotools for each."""
    pictures = torch.zeros(len(masks), *size, dtype=torch.bool)
    for picture, mask, box in zip(pictures, torch.from_numpy(masks), torch.from_numpy(boxes), strict=True):
        values, window = pasted(mask, box, size)
        picture[window] = values >= 0.5
    dense = pictures.numpy()
    return [encoded(np.asfortranarray(mask, dtype=np.uint8)) for mask in dense], boxes_of(dense)


def mask_rcnn(masks: np.ndarray, boxes: np.ndarray, size: tuple[int, int]) -> Found:
    runs = rapidmask.paste_masks(masks, boxes, size, output="rle")
    return runs.to_coco("bytes"), runs.boxes()


def regions(detections: np.ndarray) -> Contest:
    """Masks, and below each a row that begins with its box."""
    given, boxes, size = detections[:, :-1].copy(), detections[:, -1, :4].copy(), (800, 1333)
    return Contest(
        lambda: mask_rcnn(given, boxes, size),
        [Peer("torch with pycocotools", lambda: mask_rcnn_by_hand(given, boxes, size), alike)],
    )


# Mask2Former: 100 queries, each for itself


def queries_by_hand(logits: np.ndarray, size: tuple[int, int]) -> Found:
    large = torch.nn.functional.interpolate(torch.from_numpy(logits)[:, None], size, mode="bilinear")[:, 0]
    masks = (large > 0).numpy()
    return [encoded(np.asfortranarray(mask, dtype=np.uint8)) for mask in masks], boxes_of(masks)


def queries(logits: np.ndarray, size: tuple[int, int]) -> Found:
    runs = rapidmask.upsample_masks(logits, size, output="rle")
    return runs.to_coco("bytes"), runs.boxes()


def instances_of_queries(logits: np.ndarray) -> Contest:
    given, size = logits.copy(), (800, 1333)
    return Contest(
        lambda: queries(given, size),
        [Peer("torch with pycocotools", lambda: queries_by_hand(given, size), alike)],
    )


COMPARISONS = [
    Comparison("SAM: stable, mended, suppressed → COCO", "SAM logits 64×256²", automatic_masks, bar=40, memory=True),
    Comparison(
        "YOLO: 300 detections, 720×1280 → COCO", "prototypes 32×160²", instances_of((720, 1280)), bar=15, memory=True
    ),
    Comparison(
        "YOLO: 300 detections, 3000×4000 → COCO", "prototypes 32×160²", instances_of((3000, 4000)), bar=15, memory=True
    ),
    Comparison("Mask R-CNN: 100 masks, 800×1333 → COCO", "detections 100×28²", regions, bar=10, memory=True),
    Comparison("Mask2Former: queries, 800×1333 → COCO", "SAM logits 64×256²", instances_of_queries, memory=True),
]
