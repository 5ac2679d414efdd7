"""Mask post-processing of ultralytics 8.4: ``process_mask``, ``process_mask_native`` and ``masks2segments`` of its ops.

Masks come straight from prototypes, within their boxes, without the logits of whole pictures. The sums over prototypes
are taken in another order than torch's matrix product takes them, so that pixels whose logit is within float32's
rounding of 0 may differ. What is not served (gradients, float64) raises NotImplementedError, and goes to ultralytics'
own function under `rapidmask.patch`. Its results define these functions; none of its code is here.

One argument is not ultralytics': ``output="packed"`` or ``"rle"`` gives `PackedMasks` or `RLEMasks` rather than a
tensor, for callers that would make these of it; they have an eighth of its size, or far less.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .._upstream import Upstream
from ..ops._masks import Output
from ..ops.polygon import masks_to_polygons
from ..ops.prototypes import decode_prototypes

__all__ = ["masks2segments", "process_mask", "process_mask_native"]


def process_mask(
    protos: Any,
    masks_in: Any,
    bboxes: Any,
    shape: tuple[int, int],
    upsample: bool = False,
    *,
    output: Output = "uint8",
) -> Any:
    """Make masks, uint8, of prototypes (c, h, w), coefficients (n, c) and boxes (n, 4) in an image of ``shape``.

    They have the prototypes' size or, with ``upsample``, the image's.
    """
    _check(protos, masks_in, bboxes)
    height, width = int(shape[0]), int(shape[1])
    if upsample:
        return decode_prototypes(protos, masks_in, bboxes, (height, width), output=output)
    rows, columns = protos.shape[1:]
    scales = bboxes.new_tensor([columns / width, rows / height, columns / width, rows / height])
    return decode_prototypes(protos, masks_in, bboxes * scales, (rows, columns), output=output)


def process_mask_native(
    protos: Any, masks_in: Any, bboxes: Any, shape: tuple[int, int], *, output: Output = "uint8"
) -> Any:
    """Make masks, uint8 of ``shape``, of prototypes of a picture that was fitted into a padded input."""
    _check(protos, masks_in, bboxes)
    letterbox = tuple(4 * extent for extent in protos.shape[1:])
    return decode_prototypes(
        protos,
        masks_in,
        bboxes,
        (int(shape[0]), int(shape[1])),
        letterbox=letterbox,
        pre_upsample="auto",
        output=output,
    )


def masks2segments(masks: Any, strategy: str = "all") -> list[Any]:
    """Trace the outer borders of masks (n, h, w): float32 (k, 2), the one with the most points of each mask.

    Not served is ``strategy="all"`` where a mask has more than one, which ultralytics joins.
    """
    pixels = masks.cpu().numpy() if hasattr(masks, "cpu") else np.asarray(masks)
    if strategy not in ("all", "largest") or pixels.ndim != 3 or pixels.dtype.kind not in "buif":
        raise NotImplementedError("masks2segments: masks must be numbers of shape (n, h, w)")
    if 0 in pixels.shape[1:]:
        raise NotImplementedError("masks2segments: masks must have pixels")
    borders = masks_to_polygons(pixels.astype(np.uint8))
    if strategy == "all" and any(len(found) > 1 for found in borders):
        raise NotImplementedError("masks2segments: masks of one border each")
    empty = np.zeros((0, 2), np.float32)
    return [max(found, key=len).astype(np.float32) if found else empty for found in borders]


def _check(*tensors: Any) -> None:
    for tensor in tensors:
        if type(tensor).__module__.partition(".")[0] != "torch" or tensor.requires_grad:
            raise NotImplementedError("prototypes, coefficients and boxes must be tensors without gradients")
    protos, masks_in, bboxes = tensors
    fit = protos.ndim == 3 and masks_in.ndim == 2 and masks_in.shape[1:] == protos.shape[:1]
    if not fit or bboxes.shape != (len(masks_in), 4) or protos.numel() == 0:
        raise NotImplementedError("prototypes (c, h, w), coefficients (n, c) and boxes (n, 4)")
    if any(tensor.element_size() > 4 or not tensor.is_floating_point() for tensor in (protos, masks_in)):
        raise NotImplementedError("prototypes and coefficients must be float32, float16 or bfloat16")


def _replacements() -> dict[str, Any]:
    return {f"ultralytics.utils.ops:{name}": globals()[name] for name in __all__}


UPSTREAMS = {"ultralytics": Upstream("ultralytics", ("8.4",), _replacements, aliases=True)}
