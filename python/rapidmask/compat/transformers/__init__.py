"""Segmentation post-processing of transformers 5: segments, class maps and masks without resized scores.

Served are, of image processors with torchvision or with Pillow,

- ``post_process_panoptic_segmentation`` and ``post_process_instance_segmentation`` of MaskFormer, Mask2Former,
  OneFormer, DETR, conditional DETR, EoMT and VideoMT, with `compute_segments`, and RF-DETR's instances;
- their ``post_process_semantic_segmentation``, and that of SegFormer (UperNet uses it), BEiT, CHMv2, DPT, MobileViT,
  MobileNetV2, Sapiens2 and SAM 3, but for scores (``return_segmentation_scores``), which are what this avoids;
- ``post_process_masks`` of SAM's processors (SAM-HQ uses it), of SAM 2's and SAM 3's (EdgeTAM and videos use them), to
  masks; SAM 3's instances;
- ``filter_masks`` and ``post_process_for_mask_generation`` of all of these, with the functions that they call;
- `binary_mask_to_rle` and `convert_segmentation_to_rle`: row by row, pairs of a first pixel counted from 1 and a
  length. They are not COCO's.

What is not served raises NotImplementedError, and under `rapidmask.patch` goes to upstream's own function: tensors that
are not float32 or need gradients, sizes that are no pairs of integers, OneFormer's masks where they shrink, and
subclasses that have their own way to keep masks apart (SAM 2, SAM 3), or to cut, merge or resize them (EoMT, VideoMT).

Differences:

- Values are interpolated in float32 with other last bits: pixels of two classes that are equally likely may go
  to the other; NaN is never the highest. Infinite logits stay so where upstream's are NaN, from resizing to a size
  that they have already; under autocasting all is computed in float32.
- ``max_hole_area`` and ``max_sprinkle_area`` of SAM 2's and SAM 3's ``post_process_masks``, which upstream accepts and
  ignores, work when they are above 0: as in SAM 2's own ``SAM2Transforms.postprocess_masks``, on the logits before they
  are resized, so that areas are pixels of these.
- Masks are generated without torchvision. Boxes of equal scores are suppressed by the one of the lower index.
- `compute_segments` leaves its ``mask_probs`` as they are, where upstream's multiplies them by the scores.
- Of tensors on a device, instances of MaskFormer and Mask2Former are given on the host, where upstream's raises.
- Rows of more than 32,767 pixels do not overflow in stability scores.
- Helpers that someone puts in the place of a module's own (``remove_low_and_no_objects``) are not asked; those of
  subclasses are.
"""

from __future__ import annotations

from typing import Any

from ..._upstream import Upstream
from . import classes, eomt, masks, queries, rf_detr, run_lengths
from .queries import compute_segments
from .run_lengths import binary_mask_to_rle, convert_segmentation_to_rle

__all__ = ["binary_mask_to_rle", "compute_segments", "convert_segmentation_to_rle"]


def _replacements() -> dict[str, Any]:
    themes = (classes, eomt, masks, queries, rf_detr, run_lengths)
    return {
        f"transformers.models.{name}": function for theme in themes for name, function in theme.replacements().items()
    }


UPSTREAMS = {"transformers": Upstream("transformers", ("5.23",), _replacements, optional=True)}
