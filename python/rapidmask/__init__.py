"""Fast post-processing of segmentation masks, on CPU and CUDA.

Masks are dense arrays ``(..., H, W)`` of bool or uint8, `PackedMasks` (one bit per pixel) or `RLEMasks` (COCO's run
lengths); whatever takes masks takes any of the three. Arrays come from NumPy, torch, CuPy or any library with DLPack,
and results go back to the same library and device.
"""

from ._arrays import use_stream
from ._containers import PackedMasks, RLEMasks
from ._cpu import version as __version__
from ._dispatch import cuda_status
from ._errors import CudaError
from ._patch import patch, unpatch
from ._runtime import get_num_threads, isa, isa_levels, set_isa, set_num_threads
from .ops._decoded import MaskStatistics
from .ops.clean_scores import clean_scores
from .ops.components import (
    Components,
    clear_border,
    component_areas,
    connected_components,
    fill_holes,
    keep_largest,
    label,
    remove_small_holes,
    remove_small_objects,
    remove_small_regions,
)
from .ops.confusion import (
    ConfusionMatrix,
    PanopticQuality,
    PanopticScores,
    boundary_iou,
    confusion_matrix,
    dice,
    mean_iou,
    panoptic_quality,
)
from .ops.distance import distance_transform
from .ops.draw import apply_mask, colorize_labels, overlay
from .ops.footprints import ball, cross, diamond, disk, ellipse, rectangle, square
from .ops.measure import mask_areas, mask_centroids, masks_to_boxes, stability_score
from .ops.morphology import (
    black_tophat,
    boundary,
    closing,
    dilate,
    erode,
    gradient,
    opening,
    white_tophat,
)
from .ops.overlap import mask_iou, mask_nmm, mask_nms, matrix_nms, nms_from_iou, soft_nms
from .ops.pack import pack, unpack
from .ops.panoptic import (
    InstanceSegment,
    PanopticSegment,
    instance_merge,
    non_overlapping,
    panoptic_merge,
    resolve_overlaps,
)
from .ops.paste import PasteStatistics, paste_masks
from .ops.polygon import BorderTree, masks_to_polygons, polygons_to_masks
from .ops.prototypes import decode_prototypes
from .ops.rle import rle_decode, rle_encode, rle_encode_labels, rle_from_string, rle_merge, rle_to_string
from .ops.semantic import semantic_argmax, semantic_from_queries
from .ops.threshold import hysteresis_threshold, threshold
from .ops.threshold_local import adaptive_threshold, threshold_local, threshold_niblack, threshold_sauvola
from .ops.threshold_values import (
    threshold_isodata,
    threshold_li,
    threshold_mean,
    threshold_minimum,
    threshold_multiotsu,
    threshold_otsu,
    threshold_triangle,
    threshold_yen,
)
from .ops.upsample import upsample_masks
from .ops.watershed import watershed

__all__ = [
    "BorderTree",
    "Components",
    "ConfusionMatrix",
    "CudaError",
    "InstanceSegment",
    "MaskStatistics",
    "PackedMasks",
    "PanopticQuality",
    "PanopticScores",
    "PanopticSegment",
    "PasteStatistics",
    "RLEMasks",
    "__version__",
    "adaptive_threshold",
    "apply_mask",
    "ball",
    "black_tophat",
    "boundary",
    "boundary_iou",
    "clean_scores",
    "clear_border",
    "closing",
    "colorize_labels",
    "component_areas",
    "confusion_matrix",
    "connected_components",
    "cross",
    "cuda_status",
    "decode_prototypes",
    "diamond",
    "dice",
    "dilate",
    "disk",
    "distance_transform",
    "ellipse",
    "erode",
    "fill_holes",
    "get_num_threads",
    "gradient",
    "hysteresis_threshold",
    "instance_merge",
    "isa",
    "isa_levels",
    "keep_largest",
    "label",
    "mask_areas",
    "mask_centroids",
    "mask_iou",
    "mask_nmm",
    "mask_nms",
    "masks_to_boxes",
    "masks_to_polygons",
    "matrix_nms",
    "mean_iou",
    "nms_from_iou",
    "non_overlapping",
    "opening",
    "overlay",
    "pack",
    "panoptic_merge",
    "panoptic_quality",
    "paste_masks",
    "patch",
    "polygons_to_masks",
    "rectangle",
    "remove_small_holes",
    "remove_small_objects",
    "remove_small_regions",
    "resolve_overlaps",
    "rle_decode",
    "rle_encode",
    "rle_encode_labels",
    "rle_from_string",
    "rle_merge",
    "rle_to_string",
    "semantic_argmax",
    "semantic_from_queries",
    "set_isa",
    "set_num_threads",
    "soft_nms",
    "square",
    "stability_score",
    "threshold",
    "threshold_isodata",
    "threshold_li",
    "threshold_local",
    "threshold_mean",
    "threshold_minimum",
    "threshold_multiotsu",
    "threshold_niblack",
    "threshold_otsu",
    "threshold_sauvola",
    "threshold_triangle",
    "threshold_yen",
    "unpack",
    "unpatch",
    "upsample_masks",
    "use_stream",
    "watershed",
    "white_tophat",
]
