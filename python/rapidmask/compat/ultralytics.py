"""Mask post-processing of ultralytics 8.4: ``process_mask``, ``process_mask_native`` and ``masks2segments`` of its ops.

Masks come straight from prototypes, within their boxes, without the logits of whole pictures. The sums over prototypes
are taken in another order than torch's matrix product takes them, so that pixels whose logit is within float32's
rounding of 0 may differ; prototypes may have any layout. What is not served (gradients, float64) raises
NotImplementedError, and goes to ultralytics' own function under `rapidmask.patch`. Its results define these functions;
none of its code is here.

Two arguments are not ultralytics':

- ``output="packed"`` or ``"rle"`` gives `PackedMasks` or `RLEMasks` rather than a tensor, for callers that would make
  these of it; they have an eighth of its size, or far less.
- ``version="8.3"`` gives what 8.3.200 gives, in float32: prototypes are cropped before they are resized, so that masks
  may end beside their boxes, and the picture's place in the padded input is rounded otherwise. It is the default under
  a patch of 8.3. Releases of 8.3 differ among one another: before 8.3.200 in that place, after it in type and rounding.
"""

from __future__ import annotations

import importlib
from functools import partial
from typing import Any, Literal

import numpy as np

from .._upstream import Upstream
from ..ops._masks import Output
from ..ops.polygon import masks_to_polygons
from ..ops.prototypes import decode_prototypes
from ._tensors import is_served

__all__ = ["masks2segments", "process_mask", "process_mask_native"]

_Version = Literal["8.4", "8.3"]


def process_mask(
    protos: Any,
    masks_in: Any,
    bboxes: Any,
    shape: tuple[int, int],
    upsample: bool = False,
    *,
    output: Output | None = None,
    version: _Version = "8.4",
) -> Any:
    """Make masks, uint8, of prototypes (c, h, w), coefficients (n, c) and boxes (n, 4) in an image of ``shape``.

    They have the prototypes' size or, with ``upsample``, the image's.
    """
    _check(protos, masks_in, bboxes, version)
    height, width = _size(shape)
    bboxes = bboxes.to(protos.device)
    if upsample:
        crop: Literal["after", "before"] = "after" if version == "8.4" else "before"
        corners = bboxes if version == "8.3" else _corners(bboxes, (height, width))
        masks = decode_prototypes(protos, masks_in, corners, (height, width), crop=crop, output=output or "uint8")
    else:
        rows, columns = protos.shape[1:]
        scales = bboxes.float().new_tensor([columns / width, rows / height, columns / width, rows / height])
        corners = _corners(bboxes * scales, (rows, columns))
        masks = decode_prototypes(protos, masks_in, corners, (rows, columns), output=output or "uint8")
    return _given(masks, output, version)


def process_mask_native(
    protos: Any,
    masks_in: Any,
    bboxes: Any,
    shape: tuple[int, int],
    *,
    output: Output | None = None,
    version: _Version = "8.4",
) -> Any:
    """Make masks, uint8 of ``shape``, of prototypes of a picture that was fitted into a padded input."""
    _check(protos, masks_in, bboxes, version)
    size = _size(shape)
    corners = _corners(bboxes.to(protos.device), size)
    if version == "8.4":
        letterbox = tuple(4 * extent for extent in protos.shape[1:])
        return decode_prototypes(
            protos, masks_in, corners, size, letterbox=letterbox, pre_upsample="auto", output=output or "uint8"
        )
    gain = min(extent / whole for extent, whole in zip(protos.shape[1:], size, strict=True))
    rows, columns = (_content(extent, whole * gain) for extent, whole in zip(protos.shape[1:], size, strict=True))
    masks = decode_prototypes(protos[:, rows, columns], masks_in, corners, size, output=output or "uint8")
    return _given(masks, output, version)


def masks2segments(masks: Any, strategy: str = "all") -> list[Any]:
    """Trace the outer borders of masks (n, h, w): float32 (k, 2), the one with the most points of each mask.

    Not served is ``strategy="all"`` where a mask has more than one, which ultralytics joins.
    """
    if strategy not in ("all", "largest") or not (_is_torch(masks) or isinstance(masks, np.ndarray)):
        raise NotImplementedError("masks2segments: masks must be an array or tensor, strategy 'all' or 'largest'")
    if masks.ndim != 3 or 0 in masks.shape[1:]:
        raise NotImplementedError("masks2segments: masks must be of shape (n, h, w), with pixels")
    borders = masks_to_polygons(masks.byte().cpu().numpy() if _is_torch(masks) else masks.astype(np.uint8))
    if strategy == "all" and any(len(found) > 1 for found in borders):
        raise NotImplementedError("masks2segments: masks of one border each")
    empty = np.zeros((0, 2), np.float32)
    return [max(found, key=len).astype(np.float32) if found else empty for found in borders]


def _is_torch(value: Any) -> bool:
    return type(value).__module__.partition(".")[0] == "torch"


def _check(protos: Any, masks_in: Any, bboxes: Any, version: str) -> None:
    for tensor in (protos, masks_in, bboxes):
        if not is_served(tensor):
            raise NotImplementedError("prototypes, coefficients and boxes must be tensors without gradients")
    fit = protos.ndim == 3 and masks_in.ndim == 2 and masks_in.shape[1:] == protos.shape[:1]
    fit &= masks_in.device == protos.device
    if not fit or bboxes.shape != (len(masks_in), 4) or protos.numel() == 0:
        raise NotImplementedError("prototypes (c, h, w), coefficients (n, c) and boxes (n, 4)")
    if protos.element_size() > 4 or not protos.is_floating_point() or str(masks_in.dtype) != "torch.float32":
        raise NotImplementedError("prototypes must be float32, float16 or bfloat16, coefficients float32")
    if version not in ("8.4", "8.3") or (version == "8.3" and len(masks_in) == 0):
        raise NotImplementedError("version must be 8.4 or 8.3, which refuses no detections")


def _size(shape: Any) -> tuple[int, int]:
    known = isinstance(shape, (tuple, list)) and len(shape) == 2  # torch.Size is a tuple
    if not known or not all(isinstance(extent, (int, np.integer)) and extent > 0 for extent in shape):
        raise NotImplementedError("shape must be two positive integers")
    return int(shape[0]), int(shape[1])


def _corners(bboxes: Any, size: tuple[int, int]) -> Any:
    """Return boxes as float32 that hold the same pixels: ultralytics compares indices with them in their own type."""
    exact = {"torch.float16": 2048, "torch.bfloat16": 256}.get(str(bboxes.dtype))  # indices that the type tells apart
    if exact is not None and max(size) > exact:
        raise NotImplementedError("boxes must be of a type that tells the pixels apart")
    return bboxes if str(bboxes.dtype) == "torch.float32" else bboxes.double().ceil().float()


def _content(extent: int, content: float) -> slice:
    """Return where 8.3 takes the picture's rows or columns to be among those of the prototypes."""
    padding = (extent - content) / 2
    return slice(round(padding - 0.1), extent - round(padding + 0.1))


def _given(masks: Any, output: Output | None, version: _Version) -> Any:
    return masks.float() if version == "8.3" and output is None else masks


def _replacements() -> dict[str, Any]:
    functions = {name: globals()[name] for name in __all__}
    if importlib.import_module("ultralytics").__version__.startswith("8.3."):
        for name in ("process_mask", "process_mask_native"):
            functions[name] = partial(functions[name], version="8.3")
    return {f"ultralytics.utils.ops:{name}": function for name, function in functions.items()}


UPSTREAMS = {"ultralytics": Upstream("ultralytics", ("8.4", "8.3.200"), _replacements, aliases=True)}
