"""``masks_to_boxes`` and ``paste_masks_in_image`` as of torchvision 0.20 to 0.30.

`paste_masks_in_image` gives probabilities in pictures of the image's size, as torchvision does and to the same bits,
but writes within boxes only, into memory that is zero already and cannot be resized in place. `rapidmask.paste_masks`
with ``method="interpolate"`` is the same rule without pictures of floats. `masks_to_boxes` gives zeros for an empty
mask, where releases that go through masks one by one raise an error. What is not served (gradients, tracing, boxes
beside the image) raises NotImplementedError, and goes to torchvision's own function under `rapidmask.patch`. Models are
to be scripted before.
"""

from __future__ import annotations

import math
import mmap
import sys
from typing import Any

import numpy as np

from .. import _arrays
from .._upstream import Upstream
from ..ops.measure import masks_to_boxes as boxes_of_masks
from ._tensors import is_served

__all__ = ["masks_to_boxes", "paste_masks_in_image"]

# A forked process gets a copy, as of other memory.
_PRIVATE: dict[str, Any] = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if sys.platform != "win32" else {}


def masks_to_boxes(masks: Any) -> Any:
    """Return the boxes of masks (n, h, w) of any type: float32, corners inclusive, zeros for an empty mask."""
    if not is_served(masks) or masks.ndim != 3 or masks.numel() == 0:
        raise NotImplementedError("masks_to_boxes: masks must be a tensor of shape (n, h, w) with pixels")
    pixels = masks if str(masks.dtype) in ("torch.bool", "torch.uint8") else masks != 0
    return boxes_of_masks(pixels, inclusive=True).float()


def paste_masks_in_image(masks: Any, boxes: Any, img_shape: tuple[int, int], padding: int = 1) -> Any:
    """Stretch masks (n, 1, m, m) to their boxes (n, 4) in images: their values, (n, 1, h, w).

    A mask is padded with zeros, its box grows by the same share and is cut to whole pixels, both corners included.
    """
    torch = sys.modules.get("torch")
    if torch is None or not is_served(masks) or not is_served(boxes):
        raise NotImplementedError("paste_masks_in_image: masks and boxes must be tensors without gradients")
    if masks.ndim != 4 or masks.shape[1] != 1 or 0 in masks.shape or boxes.shape != (len(masks), 4):
        raise NotImplementedError("paste_masks_in_image: some masks (n, 1, m, m) and a box for each")
    if padding < 0 or not masks.is_floating_point() or not boxes.is_floating_point():
        raise NotImplementedError("paste_masks_in_image: masks and boxes must be floating, padding not negative")
    height, width = (int(extent) for extent in img_shape)
    centres, halves = (boxes[:, 2:] + boxes[:, :2]) * 0.5, (boxes[:, 2:] - boxes[:, :2]) * 0.5
    halves *= float(masks.shape[-1] + 2 * padding) / masks.shape[-1]
    corners = torch.cat([centres - halves, centres + halves], dim=1).to(torch.int64).tolist()
    if any(min(x1 + 1, width) <= max(x0, 0) or min(y1 + 1, height) <= max(y0, 0) for x0, y0, x1, y1 in corners):
        raise NotImplementedError("paste_masks_in_image: boxes must have pixels of the image")
    padded = torch.nn.functional.pad(masks, (padding,) * 4)
    images = _zeros(masks, (len(masks), 1, height, width))
    for image, mask, (x0, y0, x1, y1) in zip(images, padded, corners, strict=True):
        values = torch.nn.functional.interpolate(
            mask[None], (y1 - y0 + 1, x1 - x0 + 1), mode="bilinear", align_corners=False
        )[0]
        top, left, bottom, right = max(y0, 0), max(x0, 0), min(y1 + 1, height), min(x1 + 1, width)
        image[:, top:bottom, left:right] = values[:, top - y0 : bottom - y0, left - x0 : right - x0]
    return images


def _zeros(like: Any, shape: tuple[int, ...]) -> Any:
    """Return a tensor of zeros; in host memory one that the system gives, page by page, where it is first touched."""
    if like.device.type == "cpu" and str(like.dtype) == "torch.float32":
        memory = mmap.mmap(-1, 4 * math.prod(shape), **_PRIVATE)
        return _arrays.from_numpy(like, np.frombuffer(memory, np.float32).reshape(shape))
    return like.new_zeros(shape)


def _replacements() -> dict[str, Any]:
    return {
        "torchvision.ops.boxes:masks_to_boxes": masks_to_boxes,
        "torchvision.models.detection.roi_heads:paste_masks_in_image": paste_masks_in_image,
    }


_VERSIONS = tuple(f"0.{minor}" for minor in range(20, 31))

UPSTREAMS = {"torchvision": Upstream("torchvision", _VERSIONS, _replacements, aliases=True)}
