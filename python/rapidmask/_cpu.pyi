# The kernels for host memory. `_cuda` and `_emu` have those that are marked, with the same arguments.
from typing import Any

from ._arrays import Array, HostArray

version: str

# Also in _cuda and _emu.
def pack(masks: Array) -> Any: ...
def unpack(data: Array, width: int, as_bool: bool, out: Array | None) -> Any: ...
def threshold(x: Array, value: Any, op: str, output: str, out: Array | None) -> Any: ...
def threshold_value(image: Array, method: str, checks: bool) -> Any: ...
def threshold_multiotsu(image: Array, classes: int, checks: bool) -> Any: ...
def threshold_local(image: Array, window_h: int, window_w: int, method: str, offset: float) -> Any: ...
def threshold_niblack(image: Array, window_h: int, window_w: int, k: float) -> Any: ...
def threshold_sauvola(image: Array, window_h: int, window_w: int, k: float, r: float | None) -> Any: ...
def adaptive_threshold(
    image: Array,
    window_h: int,
    window_w: int,
    method: str,
    offset: float,
    op: str,
    output: str,
    out: Array | None,
) -> Any: ...
def label(masks: Array, width: int | None, connectivity: int, out: Array | None) -> tuple[Any, Any]: ...
def label_values(values: Array, connectivity: int, out: Array | None) -> tuple[Any, Any]: ...
def connected_components(
    masks: Array, width: int | None, connectivity: int, with_labels: bool
) -> tuple[Any, Any, Any, Any, Any]: ...
def component_areas(masks: Array, width: int | None, connectivity: int, out: Array | None) -> Any: ...
def remove_small_objects(
    masks: Array, width: int | None, min_area: int, connectivity: int, out: Array | None
) -> Any: ...
def remove_small_holes(
    masks: Array, width: int | None, min_area: int, connectivity: int, border_is_hole: bool, out: Array | None
) -> Any: ...
def remove_small_regions(
    masks: Array, width: int | None, min_area: int, connectivity: int, out: Array | None
) -> Any: ...
def fill_holes(masks: Array, width: int | None, connectivity: int, out: Array | None) -> Any: ...
def keep_largest(masks: Array, width: int | None, k: int, connectivity: int, out: Array | None) -> Any: ...
def clear_border(masks: Array, width: int | None, connectivity: int, out: Array | None) -> Any: ...
def hysteresis(weak: Array, strong: Array, width: int | None, connectivity: int) -> Any: ...
def clean_scores(
    scores: Array,
    threshold: float,
    max_hole_area: int,
    max_sprinkle_area: int,
    hole_value: float,
    sprinkle_value: float,
    sprinkles_after_holes: bool,
    keep_half: bool,
    connectivity: int,
    out: Array | None,
) -> Any: ...
def morphology(
    masks: Array,
    width: int | None,
    operation: str,
    footprint: bytes,
    d: int,
    h: int,
    w: int,
    volumes: bool,
    iterations: int,
    border: str,
    out: Array | None,
) -> Any: ...
def coco_area(objects: Any) -> Any: ...
def coco_box_iou(detections: Any, truths: Any, iscrowd: list[bool]) -> HostArray: ...
def coco_decode(objects: list[Any]) -> HostArray: ...
def coco_from_polygons(polygons: list[Any], h: int, w: int) -> list[dict[str, Any]]: ...
def coco_iou(detections: list[Any], truths: list[Any], iscrowd: Any) -> HostArray | None: ...
def coco_ious(calls: list[tuple[list[Any], list[Any], list[Any]]]) -> list[HostArray]: ...
def coco_measure(objects: list[Any]) -> tuple[HostArray, HostArray]: ...
def coco_merge(objects: list[Any], intersect: bool) -> dict[str, Any]: ...
def coco_to_bbox(objects: Any) -> HostArray: ...
def confusion_matrix(
    prediction: Array, target: Array, num_classes: int, ignore_index: int | None, with_invalid: bool
) -> tuple[Any, Any]: ...
def distance_transform(
    masks: Array,
    width: int | None,
    volume: bool,
    spacing_z: float,
    spacing_y: float,
    spacing_x: float,
    squared: bool,
    out: Array | None,
) -> Any: ...
def label_overlaps(prediction: Array, target: Array, prediction_labels: Array, target_labels: Array) -> Any: ...
def stability_score(logits: Array, high: float, low: float) -> Any: ...
def mask_areas(masks: Array, width: int | None) -> Any: ...
def masks_to_boxes(masks: Array, width: int | None) -> Any: ...
def mask_centroids(masks: Array, width: int | None) -> Any: ...
def mask_iou(
    a: Array, width_a: int | None, b: Array | None, width_b: int | None, metric: str, iscrowd: Array | None
) -> Any: ...
def mask_nms(
    masks: Array,
    width: int | None,
    scores: Array,
    labels: Array | None,
    threshold: float,
    metric: str,
    most: int | None,
) -> Any: ...
def nms_from_iou(iou: Array, scores: Array, labels: Array | None, threshold: float, most: int | None) -> Any: ...
def soft_nms(
    masks: Array,
    width: int | None,
    scores: Array,
    labels: Array | None,
    method: str,
    sigma: float,
    overlap_threshold: float,
    score_threshold: float,
    metric: str,
    most: int | None,
) -> tuple[Any, ...]: ...
def matrix_nms(
    masks: Array, width: int | None, scores: Array, labels: Array | None, kernel: str, sigma: float
) -> Any: ...
def mask_nmm(
    masks: Array, width: int | None, scores: Array, labels: Array | None, threshold: float, metric: str
) -> tuple[Any, Any]: ...
def panoptic_merge(
    mask_probs: Array,
    scores: Array,
    labels: Array,
    height: int,
    width: int,
    activation: str,
    weight_by_score: bool,
    mask_threshold: float,
    overlap_threshold: float,
    keeps_equal: bool,
    inner: bool,
    fuse: list[int],
    numbering: str,
    void_id: int,
    first_id: int,
    step: int,
    out: Array | None,
) -> tuple[Any, Any]: ...
def paint_masks(
    masks: Array,
    width: int | None,
    scores: Array | None,
    function: str,
    by_score: bool,
    over: bool,
    by_visible: bool,
    limit: float,
    least_score: float,
    leaves_out_empty: bool,
    out: Array | None,
) -> tuple[Any, Any, Any]: ...
def count_unpainted(map: Array, classes: Array, count: int) -> Any: ...
def number_painting(map: Array, ids: Array, classes: Array | None, class_ids: Array) -> None: ...
def non_overlapping(scores: Array, object_scores: Array | None, background: float, out: Array | None) -> Any: ...
def semantic_argmax(
    logits: Array,
    height: int,
    width: int,
    classes: list[int],
    least: float,
    void_label: int,
    dtype: str,
    out: Array | None,
) -> Any: ...
def resize_planes(
    planes: Array, height: int, width: int, rows: int, columns: int, function: str, argument: str
) -> Any: ...
def semantic_queries(
    class_logits: Array,
    mask_logits: Array,
    stage: tuple[int, int, int, int],
    size: tuple[int, int],
    classes: list[int],
    least: float,
    void_label: int,
    dtype: str,
    out: Array | None,
) -> Any: ...
def semantic_scores(class_logits: Array, mask_logits: Array) -> Any: ...
def paste_masks(
    masks: Array,
    boxes: Array,
    h: int,
    w: int,
    method: str,
    padding: int,
    threshold: float,
    strict: bool,
    output: str,
    with_statistics: bool,
    out: Array | None,
) -> tuple[Any, Any, Any]: ...
def decode_prototypes(
    prototypes: Array,
    coefficients: Array,
    boxes: Array,
    batch_index: Array | None,
    size: tuple[int, int],
    threshold: float,
    op: str,
    crop: str,
    letterbox: tuple[int, int] | None,
    pre_upsample: int,
    activation: str,
    output: str,
    offset: float | None,
    out: Array | None,
) -> tuple[Any, Any, Any, Any]: ...
def upsample_masks(
    logits: Array,
    size: tuple[int, int],
    intermediate: tuple[int, int] | None,
    crop: tuple[int, int] | None,
    threshold: float,
    op: str,
    activation: str,
    output: str,
    offset: float | None,
    out: Array | None,
) -> tuple[Any, Any, Any, Any]: ...

# Host memory only.
def paste_masks_rle(
    masks: Array,
    boxes: Array,
    h: int,
    w: int,
    method: str,
    padding: int,
    threshold: float,
    strict: bool,
    with_statistics: bool,
) -> tuple[Any, Any, Any, Any]: ...
def rle_iou(a: tuple[Any, ...], b: tuple[Any, ...] | None, metric: str, iscrowd: Array | None) -> Any: ...
def fill_polygons(polygons: Any, h: int, w: int, rule: str, output: str) -> HostArray: ...
def fill_polygons_rle(polygons: Any, h: int, w: int, rule: str) -> tuple[HostArray, HostArray]: ...
def rle_encode(masks: Array, width: int | None) -> tuple[Any, Any]: ...
def rle_encode_coco(masks: Array) -> list[dict[str, Any]]: ...
def rle_encode_labels(labels: Array) -> tuple[Any, Any, Any, Any]: ...
def rle_decode(
    counts: Array,
    offsets: Array,
    h: int,
    w: int,
    form: str,
    crop: tuple[int, int, int, int] | None,
    out: Array | None,
) -> Any: ...
def rle_combine(
    counts_a: Array, offsets_a: Array, counts_b: Array, offsets_b: Array, h: int, w: int, operation: str
) -> tuple[Any, Any]: ...
def rle_merge(counts: Array, offsets: Array, h: int, w: int, intersect: bool) -> tuple[Any, Any]: ...
def rle_areas(counts: Array, offsets: Array, h: int, w: int) -> Any: ...
def rle_boxes(counts: Array, offsets: Array, h: int, w: int) -> Any: ...
def rle_centroids(counts: Array, offsets: Array, h: int, w: int) -> Any: ...
def rle_canonical(counts: Array, offsets: Array, h: int, w: int, function: str) -> tuple[Any, Any]: ...
def rle_from_coco(objects: list[Any]) -> tuple[HostArray, HostArray, HostArray]: ...
def rle_to_coco(counts: Array, offsets: Array, sizes: Array, form: str) -> list[dict[str, Any]]: ...
def rle_strings_to_coco(text: Array, ends: Array, h: int, w: int, as_str: bool) -> list[dict[str, Any]]: ...
def rle_to_string(counts: Array) -> bytes: ...
def rle_from_string(text: bytes | str) -> HostArray: ...
def trace_borders(
    masks: Array, width: int | None, tree: bool, simplify: bool
) -> tuple[HostArray, HostArray, HostArray, HostArray, HostArray]: ...
def watershed(image: Array, markers: Array, mask: Array | None, mask_width: int | None, connectivity: int) -> Any: ...
def get_num_threads() -> int: ...
def set_num_threads(count: int) -> None: ...
def isa() -> str: ...
def isa_levels() -> list[str]: ...
def set_isa(name: str) -> None: ...
def decode_prototype_runs(
    prototypes: Array,
    coefficients: Array,
    boxes: Array,
    batch_index: Array | None,
    size: tuple[int, int],
    threshold: float,
    op: str,
    crop: str,
    letterbox: tuple[int, int] | None,
    pre_upsample: int,
    activation: str,
    offset: float | None,
) -> tuple[tuple[Any, Any], Any, Any, Any]: ...
def upsample_runs(
    logits: Array,
    size: tuple[int, int],
    intermediate: tuple[int, int] | None,
    crop: tuple[int, int] | None,
    threshold: float,
    op: str,
    activation: str,
    offset: float | None,
) -> tuple[tuple[Any, Any], Any, Any, Any]: ...
def summarize_chunk(
    masks: Array, width: int | None, connectivity: int, background: bool
) -> tuple[Any, Any, Any, Any]: ...
def remove_small_of(mask: Array, min_area: int, holes: bool) -> Any: ...
def paint_chunk(masks: Array, width: int | None, connectivity: int, offsets: Array, table: Array) -> Any: ...
def sift_chunk(
    masks: Array, width: int | None, connectivity: int, background: bool, offsets: Array, keep: Array, as_bool: bool
) -> Any: ...
def unite_seams(parents: Array, a: Array, b: Array, shift: int, reach: int) -> None: ...
def flatten_parts(parents: Array) -> None: ...
