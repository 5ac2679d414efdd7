"""What every function asks of a device: as many launches for one image as for seven, and no waiting but where it says.

`CALLS` is the table, and the documentation: for each function how often it synchronises, and how many copies it makes
to the host and to the device. A call that makes none of them can be captured in a CUDA graph.
"""

import inspect
import re
from collections import Counter

import numpy as np
import pytest

import rapidmask
from device_library import emulated_device

RANDOM = np.random.default_rng(8)
MASKS = RANDOM.random((7, 20, 70)) < 0.6
OTHERS = RANDOM.random((7, 20, 70)) < 0.6
VOLUMES = RANDOM.random((7, 3, 9, 70)) < 0.3
FLOATS = RANDOM.normal(size=(7, 20, 70)).astype(np.float32)
BYTES = RANDOM.integers(0, 256, (7, 20, 70), np.uint8)
LABELS = RANDOM.integers(0, 5, (7, 20, 70)).astype(np.int32)
CLASSES = RANDOM.normal(size=(7, 5, 9, 20)).astype(np.float32)
SCORES = RANDOM.random(7)
KINDS = RANDOM.integers(0, 2, 7)
BOXES = np.tile(np.array([2, 1, 60.5, 18], np.float32), (7, 1))
COEFFICIENTS = RANDOM.normal(size=(7, 3)).astype(np.float32)
LISTED = {1: 0, 2: 1, 3: 1, 4: 0}


class Inputs:
    """The arrays above on the device, of as many images."""

    def __init__(self, device, n):
        self.masks, self.others, self.volumes, self.floats, self.bytes, self.labels, self.classes = (
            device.put(array[:n]) for array in (MASKS, OTHERS, VOLUMES, FLOATS, BYTES, LABELS, CLASSES)
        )
        self.packed = device.put(rapidmask.pack(MASKS[:n]))
        self.runs = device.put(rapidmask.rle_encode(MASKS[:n]))
        self.scores, self.kinds = device.put(SCORES[:n]), device.put(KINDS[:n])
        self.scores32 = device.put(SCORES[:n].astype(np.float32))
        self.boxes, self.coefficients = device.put(BOXES[:n]), device.put(COEFFICIENTS[:n])
        self.prototypes = device.put(FLOATS[:3])
        self.overlaps = device.put(np.eye(n))
        self.class_map = device.put(LABELS[0])
        self.two_levels = device.put((BYTES[:n] // 9 * 9 + 4 * (BYTES[:n] > 128)).astype(np.uint8))
        self.limits = device.put(SCORES[:n])
        self.rows = device.put(RANDOM.normal(size=(n, 4)).astype(np.float32))
        self.surface = device.put(FLOATS[:n])


rm = rapidmask
METHODS = ("otsu", "li", "yen", "isodata", "triangle", "mean", "multiotsu")
VALUES = {
    name: lambda x, kind, name=name, **given: getattr(rm, f"threshold_{name}")(getattr(x, kind), **given)
    for name in METHODS
}
NOTHING = {}
ONE = {"synchronize": 1, "to_host": 1}
TWO = {"synchronize": 2, "to_host": 2}
A_SIZE = ONE  # of the result, which is data
VALIDITY = ONE  # whether each image has a value
RANGE = TWO  # of the values, and whether each image has one
CALLS = {
    "pack": (lambda x: rm.pack(x.masks), NOTHING),
    "unpack": (lambda x: rm.unpack(x.packed), NOTHING),
    "threshold": (lambda x: rm.threshold(x.floats, 0.5), NOTHING),
    "threshold, packed": (lambda x: rm.threshold(x.floats, 0.5, output="packed"), NOTHING),
    "threshold, rle": (lambda x: rm.threshold(x.floats, 0.5, output="rle"), A_SIZE),
    "threshold, one for each image": (lambda x: rm.threshold(x.floats, x.limits), NOTHING),
    "threshold, surface": (lambda x: rm.threshold(x.floats, x.surface), NOTHING),
    "hysteresis_threshold": (lambda x: rm.hysteresis_threshold(x.floats, 0.0, 1.0), NOTHING),
    "hysteresis_threshold of volumes": (
        lambda x: rm.hysteresis_threshold(x.volumes, 0.0, 1.0, connectivity=26),
        NOTHING,
    ),
    **{
        f"threshold_{name} of {kind}": (lambda x, name=name, kind=kind: VALUES[name](x, kind), VALIDITY)
        for name in METHODS
        for kind in ("bytes", "floats")
    },
    **{
        f"threshold_{name} of {kind}, unchecked": (
            lambda x, name=name, kind=kind: VALUES[name](x, kind, check=False),
            NOTHING,
        )
        for name in METHODS
        for kind in ("bytes", "floats")
        if (name, kind) != ("li", "floats")
    },
    "threshold_minimum": (lambda x: rm.threshold_minimum(x.two_levels, check=False), NOTHING),
    "threshold_li of floats": (
        lambda x: rm.threshold_li(x.floats),
        {"synchronize": 3, "to_host": 3},  # after every eight iterations, and for whether each image has a value
    ),
    "threshold_otsu of int32": (lambda x: rm.threshold_otsu(x.labels), RANGE),
    "threshold_local, gaussian": (lambda x: rm.threshold_local(x.floats, 5), NOTHING),
    "threshold_local, mean": (lambda x: rm.threshold_local(x.floats, 5, method="mean"), NOTHING),
    "threshold_local, median": (lambda x: rm.threshold_local(x.floats, 5, method="median"), NOTHING),
    "threshold_niblack": (lambda x: rm.threshold_niblack(x.floats, window_size=5), NOTHING),
    "threshold_sauvola": (lambda x: rm.threshold_sauvola(x.floats, window_size=5), NOTHING),
    "adaptive_threshold": (lambda x: rm.adaptive_threshold(x.floats, 5), NOTHING),
    "label": (lambda x: rm.label(x.masks), NOTHING),
    "label, counted": (lambda x: rm.label(x.masks, return_count=True), NOTHING),
    "label of values": (lambda x: rm.label(x.labels, multilabel=True), NOTHING),
    "connected_components": (lambda x: rm.connected_components(x.masks), A_SIZE),
    "component_areas": (lambda x: rm.component_areas(x.masks), NOTHING),
    "remove_small_objects": (lambda x: rm.remove_small_objects(x.masks, 5), NOTHING),
    "remove_small_holes": (lambda x: rm.remove_small_holes(x.masks, 5), NOTHING),
    "remove_small_regions": (lambda x: rm.remove_small_regions(x.masks, 5), NOTHING),
    "fill_holes": (lambda x: rm.fill_holes(x.masks), NOTHING),
    "fill_holes, packed": (lambda x: rm.fill_holes(x.packed), NOTHING),
    "fill_holes of runs": (lambda x: rm.fill_holes(x.runs), A_SIZE),
    "keep_largest": (lambda x: rm.keep_largest(x.masks), NOTHING),
    "keep_largest, three": (lambda x: rm.keep_largest(x.masks, 3), NOTHING),
    "clear_border": (lambda x: rm.clear_border(x.masks), NOTHING),
    "clean_scores": (lambda x: rm.clean_scores(x.floats, max_hole_area=5, max_sprinkle_area=5), NOTHING),
    "dilate": (lambda x: rm.dilate(x.masks, rm.disk(3)), NOTHING),
    "erode": (lambda x: rm.erode(x.masks, rm.disk(3)), NOTHING),
    "opening, often": (lambda x: rm.opening(x.masks, rm.square(5), iterations=20), NOTHING),
    "closing": (lambda x: rm.closing(x.packed, rm.ellipse(5, 7)), NOTHING),
    "gradient of volumes": (lambda x: rm.gradient(x.volumes, rm.ball(2)), NOTHING),
    "white_tophat": (lambda x: rm.white_tophat(x.masks, rm.cross(5)), NOTHING),
    "black_tophat": (lambda x: rm.black_tophat(x.masks, rm.diamond(2)), NOTHING),
    "boundary": (lambda x: rm.boundary(x.masks), NOTHING),
    "distance_transform": (lambda x: rm.distance_transform(x.masks), NOTHING),
    "distance_transform of volumes": (lambda x: rm.distance_transform(x.volumes, volume=True), NOTHING),
    "rle_encode": (lambda x: rm.rle_encode(x.masks), A_SIZE),
    "rle_encode, packed": (lambda x: rm.rle_encode(x.packed), A_SIZE),
    "rle_encode, within a capacity": (lambda x: rm.rle_encode(x.masks, capacity=9999), NOTHING),
    "threshold, rle within a capacity": (lambda x: rm.threshold(x.floats, output="rle", capacity=9999), NOTHING),
    "rle_decode": (lambda x: rm.rle_decode(x.runs), NOTHING),
    "RLEMasks.area": (lambda x: x.runs.area(), NOTHING),
    "RLEMasks.boxes": (lambda x: x.runs.boxes(), NOTHING),
    "RLEMasks.to_coco": (lambda x: x.runs.to_coco(), TWO),
    "RLEMasks.to_coco, within a capacity": (lambda x: rm.rle_encode(x.masks, capacity=9999).to_coco(), ONE),
    "RLEMasks.cpu, within a capacity": (lambda x: rm.rle_encode(x.masks, capacity=9999).cpu(), ONE),
    "RLEMasks.__and__": (lambda x: x.runs & x.runs, A_SIZE),
    "PackedMasks.cpu": (lambda x: x.packed.cpu(), ONE),
    "PackedMasks.take": (lambda x: x.packed.take(x.kinds), NOTHING),
    "PackedMasks.__invert__": (lambda x: ~x.packed, NOTHING),
    "PackedMasks.__and__": (lambda x: x.packed & x.packed, NOTHING),
    "mask_areas": (lambda x: rm.mask_areas(x.masks), NOTHING),
    "masks_to_boxes": (lambda x: rm.masks_to_boxes(x.masks), NOTHING),
    "mask_centroids": (lambda x: rm.mask_centroids(x.masks), NOTHING),
    "stability_score": (lambda x: rm.stability_score(x.floats), NOTHING),
    "mask_iou": (lambda x: rm.mask_iou(x.masks), NOTHING),
    "mask_iou of two batches": (lambda x: rm.mask_iou(x.masks, x.others), NOTHING),
    "mask_nms": (lambda x: rm.mask_nms(x.masks, x.scores, 0.5, labels=x.kinds), A_SIZE),
    "nms_from_iou": (lambda x: rm.nms_from_iou(x.overlaps, x.scores, 0.5), A_SIZE),
    "soft_nms": (lambda x: rm.soft_nms(x.masks, x.scores), A_SIZE),
    "mask_nms, at most": (lambda x: rm.mask_nms(x.masks, x.scores, 0.5, max_output=3), NOTHING),
    "nms_from_iou, at most": (lambda x: rm.nms_from_iou(x.overlaps, x.scores, 0.5, max_output=3), NOTHING),
    "soft_nms, at most": (lambda x: rm.soft_nms(x.masks, x.scores, max_output=3), NOTHING),
    "matrix_nms": (lambda x: rm.matrix_nms(x.masks, x.scores, x.kinds), NOTHING),
    "mask_nmm": (lambda x: rm.mask_nmm(x.masks, x.scores, 0.5), TWO),
    "upsample_masks": (lambda x: rm.upsample_masks(x.floats, (45, 130)), NOTHING),
    "upsample_masks, counted": (lambda x: rm.upsample_masks(x.floats, (45, 130), return_stats=True), NOTHING),
    "upsample_masks, rle": (lambda x: rm.upsample_masks(x.floats, (45, 130), output="rle"), A_SIZE),
    "upsample_masks, rle within a capacity": (
        lambda x: rm.upsample_masks(x.floats, (45, 130), output="rle", capacity=9999),
        NOTHING,
    ),
    "decode_prototypes": (lambda x: rm.decode_prototypes(x.prototypes, x.coefficients, x.boxes, (45, 130)), NOTHING),
    "decode_prototypes, rle": (
        lambda x: rm.decode_prototypes(x.prototypes, x.coefficients, x.boxes, (45, 130), output="rle"),
        A_SIZE,
    ),
    "paste_masks": (lambda x: rm.paste_masks(x.floats, x.boxes, (45, 130)), NOTHING),
    "paste_masks, rle": (lambda x: rm.paste_masks(x.floats, x.boxes, (45, 130), output="rle"), A_SIZE),
    "semantic_argmax": (lambda x: rm.semantic_argmax(x.classes, (33, 50)), NOTHING),
    "semantic_argmax, some classes": (lambda x: rm.semantic_argmax(x.classes, (33, 50), ignore=2), NOTHING),
    "semantic_from_queries": (lambda x: rm.semantic_from_queries(x.rows, x.floats, (33, 50)), NOTHING),
    "confusion_matrix": (lambda x: rm.confusion_matrix(x.labels, x.labels, 5), A_SIZE),
    "confusion_matrix, unchecked": (
        lambda x: rm.confusion_matrix(x.labels, x.labels, 5, out_of_range="skip"),
        NOTHING,
    ),
    "panoptic_quality": (
        lambda x: rm.panoptic_quality(x.labels, LISTED, x.labels, LISTED),
        {**ONE, "to_device": 2},  # of the lists
    ),
    "mean_iou": (lambda x: rm.mean_iou(x.labels, x.labels, 5), ONE),
    "dice": (lambda x: rm.dice(x.masks, x.others), ONE),
    "boundary_iou": (lambda x: rm.boundary_iou(x.masks, x.others), NOTHING),
    "non_overlapping": (lambda x: rm.non_overlapping(x.floats), NOTHING),
    "resolve_overlaps": (lambda x: rm.resolve_overlaps(x.masks), NOTHING),
    "resolve_overlaps, by scores": (lambda x: rm.resolve_overlaps(x.masks, x.scores), NOTHING),
    "panoptic_merge": (
        lambda x: rm.panoptic_merge(x.floats, x.scores32, x.kinds, size=(33, 50), fuse=[1]),
        A_SIZE,
    ),
    "resolve_overlaps, in order": (lambda x: rm.resolve_overlaps(x.masks, x.scores, min_kept=0.5), NOTHING),
    "instance_merge with classes": (
        lambda x: rm.instance_merge(x.masks, x.scores, x.kinds, semantic=x.class_map),
        {"synchronize": 3, "to_host": 3, "to_device": 1},  # of segments, the largest class and the counts of classes
    ),
    "instance_merge": (lambda x: rm.instance_merge(x.masks, x.scores, x.kinds), {**ONE, "to_device": 1}),
}


@pytest.fixture(scope="module")
def device():
    with emulated_device() as emulated:
        yield emulated


HOST_ONLY = {
    "apply_mask", "colorize_labels", "masks_to_polygons", "overlay", "polygons_to_masks", "rle_encode_labels",
    "rle_from_string", "rle_merge", "rle_to_string", "watershed",
}  # fmt: skip
OF_NO_ARRAY = {
    "ball", "cross", "cuda_status", "diamond", "disk", "ellipse", "get_num_threads", "isa", "isa_levels", "patch",
    "rectangle", "set_isa", "set_num_threads", "square", "unpatch", "use_stream",
}  # fmt: skip


def test_the_table_has_every_function_with_kernels():
    functions = {name for name in rapidmask.__all__ if inspect.isfunction(getattr(rapidmask, name))}
    listed = {re.match(r"\w+", name)[0] for name in CALLS if "." not in name}
    assert listed | HOST_ONLY | OF_NO_ARRAY == functions


@pytest.mark.parametrize("name", CALLS)
def test_a_device_is_asked_for_what_the_table_says_whatever_the_batch(name, device):
    call, expected = CALLS[name]
    given = [Inputs(device, n) for n in (1, 7)]
    one, seven = (device.activity(lambda inputs=inputs: call(inputs)) for inputs in given)
    assert one == seven
    crossings = Counter({what: one[what] for what in ("synchronize", "to_host", "to_device") if one[what]})
    assert crossings == expected
