"""Other libraries' functions against themselves under `rapidmask.patch`, with the same arguments.

Upstream's function is the peer, and what stands in its place while the patch lasts is ours, its fallback included. Both
are taken from the library's namespace before they are timed, when nothing is patched: upstream's functions call one
another by name.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import cases
import rapidmask
from compare import Check, Comparison, Contest, Peer, optional, same

torch = optional("torch")

_ROUNDING = 1e-5  # of pixels, that may round to the other side of the threshold
_AREA = 100  # pixels, below which segment-anything's example calls a region small


def both(library: str, path: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return the function ``module:name`` with and without the patch."""
    module, _, name = path.partition(":")
    with warnings.catch_warnings():  # libraries warn of each other's versions
        warnings.simplefilter("ignore")
        try:
            with rapidmask.patch(library) as patched:
                assert path in patched.replaced
                ours = getattr(importlib.import_module(module), name)
        except ModuleNotFoundError as error:
            raise ImportError(f"{library} is not installed") from error
    return ours, getattr(importlib.import_module(module), name)


def calls(
    library: str,
    path: str,
    *arguments: Any,
    check: Check = same,
    ours_only: dict[str, Any] | None = None,
    **options: Any,
) -> Contest:
    ours, theirs = both(library, path)
    name = f"{library} {path.partition(':')[2]}"
    return Contest(
        lambda: ours(*arguments, **options, **(ours_only or {})),
        [Peer(name, lambda: theirs(*arguments, **options), check)],
    )


def each_same(ours: Any, theirs: Any) -> None:
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        same(one, other)


def nearly_same(ours: Any, theirs: Any) -> None:
    dense = ours.to_dense() if hasattr(ours, "to_dense") else ours
    assert (np.asarray(dense) != (np.asarray(theirs) != 0)).mean() < _ROUNDING


def scipy(name: str, mask: np.ndarray, **options: Any) -> Contest:
    check = each_same if name == "label" else same
    return calls("scipy", f"scipy.ndimage:{name}", mask, check=check, **options)


def small_regions(mode: str, mask: np.ndarray) -> Contest:
    path = "segment_anything.utils.amg:remove_small_regions"
    return calls("segment_anything", path, mask, _AREA, mode, check=each_same)


def amg(name: str, masks: np.ndarray) -> Contest:
    return calls("segment_anything", f"segment_anything.utils.amg:{name}", torch.from_numpy(masks.copy()))


def stability(logits: np.ndarray) -> Contest:
    path = "segment_anything.utils.amg:calculate_stability_score"
    return calls("segment_anything", path, torch.from_numpy(logits.copy()), 0.0, 1.0)


def suppression(compact: bool, masks: np.ndarray) -> Contest:
    """Of arrays, or of the run lengths of crops that supervision has for large images."""
    rng = np.random.default_rng(19)
    rows = np.c_[rng.random((len(masks), 5)), rng.integers(0, 3, len(masks))]
    path = "supervision.detection.utils.iou_and_nms:mask_non_max_suppression"
    if compact:
        boxes = rapidmask.masks_to_boxes(masks, inclusive=True)
        crops = importlib.import_module("supervision.detection.compact_mask").CompactMask
        return calls("supervision", path, rows, crops.from_dense(masks, boxes, masks.shape[1:]), 0.5)
    return calls("supervision", path, rows, masks, 0.5)


def near_segments(masks: np.ndarray) -> Contest:
    """The first forty masks, as one of many parts."""
    path = "supervision.detection.utils.masks:filter_segments_by_distance"
    return calls("supervision", path, masks[:40].any(0))


def boxes(masks: np.ndarray) -> Contest:
    return calls("torchvision", "torchvision.ops.boxes:masks_to_boxes", torch.from_numpy(masks.copy()))


def pasted(detections: np.ndarray) -> Contest:
    """Masks, and below each a row that begins with its box."""
    given = torch.from_numpy(detections.copy())
    path = "torchvision.models.detection.roi_heads:paste_masks_in_image"
    return calls("torchvision", path, given[:, None, :-1].contiguous(), given[:, -1, :4].contiguous(), (800, 1333))


def detections(form: str | None, prototypes: np.ndarray) -> Contest:
    """300 boxes in a frame of 720×1280, as a model of 640×640 sees it; as packed or run lengths where ours is asked."""
    size = (720, 1280)
    given = [torch.from_numpy(array) for array in (prototypes.copy(), *cases.detections(300, len(prototypes), size))]
    path = "ultralytics.utils.ops:process_mask_native"
    options = {"output": form} if form else None
    return calls("ultralytics", path, *given, size, check=nearly_same, ours_only=options)


_SPECKLED, _SMOOTH, _DISCS, _INSTANCES = "SAM 1 with specks", "smooth2k", "discs 1k", "instances 100"
_PROTOTYPES = "prototypes 32×160²"
_NATIVE = "ultralytics process_mask_native"

COMPARISONS = [
    Comparison("SAM remove_small_regions of holes", _SPECKLED, partial(small_regions, "holes"), bar=60),
    Comparison("SAM remove_small_regions of islands", _SPECKLED, partial(small_regions, "islands"), bar=60),
    Comparison("SAM mask_to_rle_pytorch", "SAM 64", partial(amg, "mask_to_rle_pytorch"), bar=20),
    Comparison("SAM batched_mask_to_box", "SAM 64", partial(amg, "batched_mask_to_box")),
    Comparison("SAM calculate_stability_score", "SAM logits 64×256²", stability),
    Comparison(f"{_NATIVE}, packed", _PROTOTYPES, partial(detections, "packed"), bar=100),
    Comparison(f"{_NATIVE}, run lengths", _PROTOTYPES, partial(detections, "rle"), bar=100),
    Comparison(f"{_NATIVE}, dense", _PROTOTYPES, partial(detections, None), bar=10),
    Comparison("supervision mask_non_max_suppression", _INSTANCES, partial(suppression, False), bar=40),
    Comparison("supervision mask_non_max_suppression of CompactMask", _INSTANCES, partial(suppression, True)),
    Comparison("supervision filter_segments_by_distance", _INSTANCES, near_segments),
    Comparison("torchvision masks_to_boxes", "SAM 64", boxes),
    Comparison("torchvision paste_masks_in_image", "detections 100×28²", pasted),
    Comparison("scipy label", _SMOOTH, partial(scipy, "label"), bar=10),
    Comparison("scipy label", _DISCS, partial(scipy, "label"), bar=10),
    Comparison("scipy label", "noisy2k", partial(scipy, "label")),
    Comparison("scipy binary_dilation", _SMOOTH, partial(scipy, "binary_dilation"), bar=30),
    Comparison("scipy binary_dilation, 5 iterations", _SMOOTH, partial(scipy, "binary_dilation", iterations=5), bar=30),
    Comparison("scipy binary_fill_holes", _SMOOTH, partial(scipy, "binary_fill_holes"), bar=10),
    Comparison("scipy binary_fill_holes", "noisy2k", partial(scipy, "binary_fill_holes")),
    Comparison("scipy distance_transform_edt", _DISCS, partial(scipy, "distance_transform_edt"), bar=15),
    Comparison("scipy distance_transform_edt", _SMOOTH, partial(scipy, "distance_transform_edt"), bar=15),
]
