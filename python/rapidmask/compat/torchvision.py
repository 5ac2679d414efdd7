"""``torchvision.ops.masks_to_boxes``, as of torchvision 0.20 to 0.30.

``torchvision.models.detection.roi_heads.paste_masks_in_image`` is not replaced: it gives probabilities in pictures of
the image's size, which is what `rapidmask.paste_masks` is there to avoid (``method="interpolate"`` is its rule).
"""

from __future__ import annotations

from typing import Any

from .._upstream import Upstream
from ..ops.measure import masks_to_boxes as boxes_of_masks

__all__ = ["masks_to_boxes"]


def masks_to_boxes(masks: Any) -> Any:
    """Return the boxes of masks (n, h, w) of any type: float32, corners inclusive, zeros for an empty mask."""
    if type(masks).__module__.partition(".")[0] != "torch" or masks.ndim != 3 or masks.numel() == 0:
        raise NotImplementedError("masks_to_boxes: masks must be a tensor of shape (n, h, w) with pixels")
    pixels = masks if str(masks.dtype) in ("torch.bool", "torch.uint8") else masks != 0
    return boxes_of_masks(pixels, inclusive=True).float()


def _replacements() -> dict[str, Any]:
    return {"torchvision.ops.boxes:masks_to_boxes": masks_to_boxes}


_VERSIONS = tuple(f"0.{minor}" for minor in range(20, 31))

UPSTREAMS = {"torchvision": Upstream("torchvision", _VERSIONS, _replacements, aliases=True)}
