"""detectron2 0.6's ``layers.mask_ops.paste_masks_in_image``, which mmdet's mask heads share.

Masks are pasted without an image of their values, so that there is no limit on what one mask may need on a device.
Pixels may differ from detectron2's where a value is within float32's rounding of the threshold. A box without extent
gives an empty mask, as it does in detectron2.
"""

from __future__ import annotations

from typing import Any

from .._upstream import Upstream
from ..ops.paste import paste_masks

__all__ = ["paste_masks_in_image"]


def paste_masks_in_image(masks: Any, boxes: Any, image_shape: tuple[int, int], threshold: float = 0.5) -> Any:
    """Stretch square masks (n, m, m) to their boxes (n, 4) in images: bool (n, h, w), where at least the threshold."""
    corners = getattr(boxes, "tensor", boxes)
    if any(type(value).__module__.partition(".")[0] != "torch" or value.requires_grad for value in (masks, corners)):
        raise NotImplementedError("paste_masks_in_image: masks and boxes must be tensors without gradients")
    floating = masks.is_floating_point() and masks.element_size() <= 4
    square = masks.ndim == 3 and masks.shape[1] == masks.shape[2]
    if not floating or not square or len(masks) == 0 or corners.shape != (len(masks), 4) or not threshold >= 0:
        raise NotImplementedError(
            "paste_masks_in_image: some square masks, a box for each, and a threshold of 0 or more"
        )
    height, width = (int(extent) for extent in image_shape)
    return paste_masks(masks, corners.to(masks.device), (height, width), threshold=float(threshold))


def _replacements() -> dict[str, Any]:
    return {"detectron2.layers.mask_ops:paste_masks_in_image": paste_masks_in_image}


UPSTREAMS = {"detectron2": Upstream("detectron2", ("0.6",), _replacements, aliases=True)}
