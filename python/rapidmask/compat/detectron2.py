"""detectron2 0.6's ``layers.mask_ops.paste_masks_in_image`` and ``BitMasks.get_bounding_boxes``.

Masks are pasted without an image of their values, so that there is no limit on what one mask may need on a device.
Pixels may differ from detectron2's where a value is within float32's rounding of the threshold. A box without extent
gives an empty mask, as it does in detectron2; so does one that is not finite. What is not served (gradients, values
instead of a threshold) raises NotImplementedError, and goes to detectron2's own function under `rapidmask.patch`.
"""

from __future__ import annotations

import importlib
from typing import Any

from .._upstream import Upstream
from ..ops.measure import masks_to_boxes
from ..ops.paste import paste_masks
from ._tensors import is_served

__all__ = ["get_bounding_boxes", "paste_masks_in_image"]


def paste_masks_in_image(masks: Any, boxes: Any, image_shape: tuple[int, int], threshold: float = 0.5) -> Any:
    """Stretch square masks (n, m, m) to their boxes (n, 4) in images: bool (n, h, w), where at least the threshold."""
    corners = getattr(boxes, "tensor", boxes)
    if not is_served(masks) or not is_served(corners):
        raise NotImplementedError("paste_masks_in_image: masks and boxes must be tensors without gradients")
    values = masks if masks.is_floating_point() else masks.float()
    square = masks.ndim == 3 and masks.shape[1] == masks.shape[2]
    if not square or masks.numel() == 0 or corners.shape != (len(masks), 4) or values.element_size() > 4:
        raise NotImplementedError("paste_masks_in_image: some square masks of float32 or less, and a box for each")
    if not threshold >= 0:
        raise NotImplementedError("paste_masks_in_image: threshold must be 0 or more")
    height, width = (int(extent) for extent in image_shape)
    return paste_masks(values, corners.to(masks.device), (height, width), threshold=float(threshold))


def get_bounding_boxes(self: Any) -> Any:
    """Return the `Boxes` of `BitMasks`: float32 in host memory, the far corner exclusive, zeros for an empty mask."""
    if not is_served(self.tensor) or str(self.tensor.dtype) != "torch.bool" or self.tensor.numel() == 0:
        raise NotImplementedError("get_bounding_boxes: masks must be a tensor of bool with pixels")
    structures = importlib.import_module("detectron2.structures.boxes")
    return structures.Boxes(masks_to_boxes(self.tensor).float().cpu())


def _replacements() -> dict[str, Any]:
    return {
        "detectron2.layers.mask_ops:paste_masks_in_image": paste_masks_in_image,
        "detectron2.structures.masks:BitMasks.get_bounding_boxes": get_bounding_boxes,
    }


UPSTREAMS = {"detectron2": Upstream("detectron2", ("0.6",), _replacements, aliases=True)}
