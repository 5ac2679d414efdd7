"""Every CUDA kernel runs on small arrays under the emulator, and on a device, and gives what the CPU gives.

This is the file that `.ci/sanitize` repeats with `_emu` built under the address and thread sanitizers, which end the
process where a kernel leaves its memory or races, and `benchmarks/gpu.py` on a device under compute-sanitizer. A family
adds the calls that reach its kernels to `CALLS`.
"""

import dataclasses
import functools
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import rapidmask
from inputs import spiral
from rapidmask import PackedMasks, RLEMasks, _dispatch, _emu

KERNELS = Path(__file__).resolve().parent.parent / "cuda/src"

RANDOM = np.random.default_rng(5)
MASKS = RANDOM.random((3, 21, 70)) < 0.6  # some blocks of threads, and rows that end within a word
PACKED = rapidmask.pack(MASKS)
RUNS = rapidmask.rle_encode(MASKS)
WIDE = RANDOM.random((1, 3, 2100)) < 0.5  # rows of more than one strip of words
VOLUMES = RANDOM.random((2, 4, 9, 70)) < 0.2
SPIRALS = np.stack([spiral(33), spiral(33).T, ~spiral(33)])
BYTES = RANDOM.integers(0, 256, (2, 40, 67), np.uint8)
WORDS = RANDOM.integers(-300, 300, (2, 40, 67), np.int16)
INTEGERS = RANDOM.integers(-300, 300, (2, 40, 67), np.int32)
FLOATS = RANDOM.normal(size=(2, 40, 67)).astype(np.float32)
BOXES = np.zeros((80, 20, 300), bool)  # that overlap, more than are suppressed at a time
for box in BOXES:
    top, left = RANDOM.integers(0, 12), RANDOM.integers(0, 200)
    box[top : top + 8, left : left + 90] = True
SCORES = RANDOM.random(80)
LISTED = {1: 0, 2: 1, 3: 1}
PASTED = np.array([[-3, 2, 50, 33.5], [20.5, 10, 68, 60]], np.float32)
LABELS = RANDOM.integers(0, 2, 80)

LOGITS = RANDOM.normal(size=(9, 20, 33)).astype(np.float32)
CLASSES = RANDOM.integers(-1, 3, (20, 300))
COEFFICIENTS = RANDOM.normal(size=(3, 2)).astype(np.float32)
CORNERS = np.array([[0, 0, 99, 60], [10.5, 3, 70, 41], [50, 20, 52, 99]], np.float32)

CLEANING = {"max_hole_area": 5, "max_sprinkle_area": 5}
METHODS = ("otsu", "li", "yen", "isodata", "triangle", "mean", "minimum")


def over(function, inputs, /, *arguments, **options):
    """The call of a function on each of some inputs."""
    return lambda: [function(array, *arguments, **options) for array in inputs]


def in_tiles(call):
    """The call on a device whose blocks have no shared memory for whole masks."""

    def call_in_tiles():
        _emu.set_shared_maximum(0)
        result = call()
        _emu.set_shared_maximum(227 << 10)
        return result

    return call_in_tiles


def counted(result):
    """The masks and their statistics."""
    masks, statistics = result
    return [masks, *statistics]


def tables(masks, connectivity):
    """The fields of a table of components."""
    return list(dataclasses.astuple(rapidmask.connected_components(masks, connectivity=connectivity)))


# What is called, by name: functions that return results to compare, or lists of them.
CALLS = {
    "pack": over(rapidmask.pack, [MASKS]),
    "unpack": over(rapidmask.unpack, [PACKED]),
    "mask_areas": over(rapidmask.mask_areas, [MASKS, PACKED]),
    "mask_centroids": over(rapidmask.mask_centroids, [MASKS, PACKED]),
    "masks_to_boxes": over(rapidmask.masks_to_boxes, [MASKS, PACKED]),
    "stability_score": over(rapidmask.stability_score, [FLOATS, FLOATS.astype(np.float16)]),
    "threshold": over(rapidmask.threshold, [BYTES, FLOATS], 0.5),
    "threshold packed": over(rapidmask.threshold, [BYTES, FLOATS], np.array([0.2, 0.7]), output="packed"),
    "threshold_multiotsu": over(rapidmask.threshold_multiotsu, [BYTES, FLOATS]),
    "threshold_minimum, unchecked": over(rapidmask.threshold_minimum, [BYTES, FLOATS], check=False),
    "threshold_local": lambda: [
        rapidmask.threshold_local(FLOATS, 5, method=method) for method in ("gaussian", "mean", "median")
    ],
    "threshold_niblack": over(rapidmask.threshold_niblack, [BYTES, FLOATS], window_size=5),
    "threshold_sauvola": over(rapidmask.threshold_sauvola, [BYTES, FLOATS], window_size=5),
    "adaptive_threshold": lambda: [
        rapidmask.adaptive_threshold(image, 5, method=method, output=output)
        for image in (BYTES, FLOATS)
        for method in ("gaussian", "mean", "median")
        for output in ("bool", "packed")
    ],
    "connected_components": lambda: [tables(MASKS, 8), tables(WIDE, 4), tables(VOLUMES, 26)],
    "dilate": over(rapidmask.dilate, [MASKS, PACKED, WIDE], rapidmask.disk(3), border="ones"),
    "opening": over(rapidmask.opening, [MASKS, PACKED, WIDE], rapidmask.square(5), iterations=20),
    "gradient": over(rapidmask.gradient, [VOLUMES], rapidmask.ball(2), border="zeros"),
    "boundary": over(rapidmask.boundary, [MASKS, PACKED]),
    "distance_transform": over(rapidmask.distance_transform, [MASKS, PACKED, WIDE, ~SPIRALS]),
    "distance_transform, spacing": over(rapidmask.distance_transform, [MASKS], spacing=(2.5, 0.7), squared=True),
    "distance_transform of volumes": over(rapidmask.distance_transform, [VOLUMES, ~VOLUMES], volume=True),
    "mask_iou": over(rapidmask.mask_iou, [MASKS, PACKED, WIDE, BOXES[:9]], metric="iof"),
    "mask_iou of two batches": over(rapidmask.mask_iou, [MASKS, PACKED], PACKED[1:], iscrowd=np.array([True, False])),
    "mask_nms": over(rapidmask.mask_nms, [BOXES, rapidmask.pack(BOXES)], SCORES, 0.2, labels=LABELS),
    "nms_from_iou": lambda: [
        rapidmask.nms_from_iou(rapidmask.mask_iou(BOXES).astype(dtype), SCORES, 0.3)
        for dtype in (np.float16, np.float32, np.float64)
    ],
    "soft_nms": lambda: [
        list(rapidmask.soft_nms(BOXES[:40], SCORES[:40], method=method, labels=LABELS[:40]))
        for method in ("gaussian", "linear")
    ],
    "matrix_nms": lambda: [
        rapidmask.matrix_nms(BOXES, SCORES, labels, kernel=kernel)
        for kernel in ("gaussian", "linear")
        for labels in (None, LABELS)
    ],
    "mask_nmm": over(rapidmask.mask_nmm, [BOXES, rapidmask.pack(BOXES)], SCORES, 0.5, labels=LABELS),
    "panoptic_merge": lambda: [
        rapidmask.panoptic_merge(LOGITS[:n], SCORES[:n], LABELS[:n], size=(30, 50), activation=activation, fuse=[1])[0]
        for n, activation in ((9, None), (9, "sigmoid"))
    ],
    "panoptic_merge of many": lambda: [
        rapidmask.panoptic_merge(np.ones((4097, 1, 2), np.float16), np.ones(4097), np.ones(4097, int))[0]
    ],
    "instance_merge": lambda: [
        rapidmask.instance_merge(masks, SCORES[:9], LABELS[:9], semantic=CLASSES, min_stuff_area=9)[0]
        for masks in (BOXES[:9], rapidmask.pack(BOXES[:9]))
    ],
    "resolve_overlaps": over(rapidmask.resolve_overlaps, [MASKS, PACKED, BOXES]),
    "non_overlapping": over(rapidmask.non_overlapping, [LOGITS, LOGITS.astype(np.float16)]),
    "semantic_argmax": over(rapidmask.semantic_argmax, [LOGITS, LOGITS.astype(np.float16)], (30, 50), ignore=2),
    "semantic_argmax in stages": over(rapidmask.semantic_argmax, [LOGITS], intermediate=(25, 40), crop=(20, 40)),
    "semantic_from_queries": lambda: [rapidmask.semantic_from_queries(LOGITS[0, :9, :7], LOGITS, (30, 50))],
    "confusion_matrix": lambda: [
        rapidmask.confusion_matrix(labels // 64, BYTES // 32, classes, out_of_range="skip")
        for labels in (BYTES, INTEGERS)
        for classes in (6, 300)
    ],
    "panoptic_quality": lambda: [
        list(rapidmask.panoptic_quality(BYTES // 64, LISTED, BYTES // 65, LISTED).true_positives.values())
    ],
    "paste_masks": lambda: [
        [masks, *stats]
        for output in ("uint8", "packed")
        for dtype in (np.float16, np.float32)
        for masks, stats in [
            rapidmask.paste_masks(FLOATS[:, :9, :9].astype(dtype), PASTED, (40, 70), output=output, return_stats=True)
        ]
    ],
    "upsample_masks": lambda: [
        part
        for logits in (FLOATS, FLOATS.astype(np.float16))
        for stages in ({}, {"intermediate": (50, 60), "crop": (33, 60)})
        for output in ("uint8", "packed")
        for part in counted(rapidmask.upsample_masks(logits, (45, 130), output=output, return_stats=True, **stages))
    ],
    "decode_prototypes": lambda: [
        part
        for crop in ("after", "before")
        for factor in (1, 2)
        for part in counted(
            rapidmask.decode_prototypes(
                FLOATS, COEFFICIENTS, CORNERS, (60, 99), crop=crop, pre_upsample=factor, return_stats=True
            )
        )
    ],
    "rle_encode": over(rapidmask.rle_encode, [MASKS, PACKED, WIDE, SPIRALS]),
    "rle_decode": lambda: [
        rapidmask.rle_decode(RUNS, output=output, crop=crop)
        for output in ("uint8", "packed")
        for crop in (None, (3, 2, 70, 19))
    ],
    "areas and boxes of runs": lambda: [RUNS.area(), RUNS.boxes()],
    "strings of runs": lambda: [one["counts"] for one in RUNS.to_coco()],
    "label of values": over(rapidmask.label, [BYTES // 64, WORDS // 99, INTEGERS // 99], multilabel=True),
}
for method in METHODS:
    images = [BYTES, WORDS, INTEGERS, FLOATS] if method != "minimum" else [BYTES // 9 * 9 + 4 * (BYTES > 128)]
    CALLS[f"threshold_{method}"] = over(getattr(rapidmask, f"threshold_{method}"), images)


def of_components(masks, spirals, wide):
    """The calls of what has kernels for masks that fit in a block's shared memory, and others for those that do not."""
    packed = rapidmask.pack(masks)
    return {
        "label": over(rapidmask.label, [masks, spirals, packed, wide]),
        "label of volumes": over(rapidmask.label, [VOLUMES], connectivity=26),
        "component_areas": over(rapidmask.component_areas, [masks, spirals, wide]),
        "remove_small_objects": over(rapidmask.remove_small_objects, [masks, spirals, packed, wide], 9),
        "remove_small_holes": over(rapidmask.remove_small_holes, [masks, packed, wide], 9, border_is_hole=False),
        "remove_small_regions": over(rapidmask.remove_small_regions, [masks, packed, wide], 9),
        "fill_holes": over(rapidmask.fill_holes, [masks, spirals, packed, wide]),
        "fill_holes of volumes": over(rapidmask.fill_holes, [~VOLUMES], connectivity=26),
        "clear_border": over(rapidmask.clear_border, [masks, packed]),
        "keep_largest": over(rapidmask.keep_largest, [masks, spirals, wide]),
        "keep the largest nine": over(rapidmask.keep_largest, [masks, wide], 9),
    }


OF_SCORES = {
    "hysteresis_threshold": over(rapidmask.hysteresis_threshold, [FLOATS], 0.0, 1.5),
    "clean_scores": over(rapidmask.clean_scores, [FLOATS, FLOATS.astype(np.float16)], **CLEANING),
    "clean_scores in place": lambda: [
        rapidmask.clean_scores(scores, **CLEANING, sprinkles_after_holes=False, out=scores)
        for scores in (FLOATS.copy(), FLOATS.astype(np.float64))
    ],
}
for name, call in {**of_components(MASKS, SPIRALS, WIDE), **OF_SCORES}.items():
    CALLS[name] = call
    CALLS[f"{name}, in tiles"] = in_tiles(call)

# For a device, whose shared memory is what it is: masks beyond it. The emulator would take long for them.
LARGE = RANDOM.random((2, 400, 501)) < 0.6
LARGE_SCORES = RANDOM.normal(size=(2, 400, 501)).astype(np.float32)
LARGE_CALLS = {
    **of_components(LARGE, LARGE[:, :, ::-1].copy(), LARGE[:1]),
    "clean_scores": over(rapidmask.clean_scores, [LARGE_SCORES, LARGE_SCORES.astype(np.float16)], **CLEANING),
}


def assert_same(result, expected):
    assert type(result) is type(expected)
    if isinstance(result, (list, tuple)):
        for one, other in zip(result, expected, strict=True):
            assert_same(one, other)
    elif isinstance(result, (PackedMasks, RLEMasks)):
        assert result == expected
    else:
        np.testing.assert_array_equal(result, expected)


def own_name(launched):
    """Name of a kernel without the template arguments and parentheses of its launch."""
    return re.search(r"\w+", launched)[0]


@functools.cache
def launched_by(name):
    """Names of the kernels launched so far, after the call `name`, whose result is compared with the CPU's."""
    with _dispatch.serve_host_memory_by(_emu):
        result = CALLS[name]()
    assert_same(result, CALLS[name]())
    return {own_name(kernel) for kernel in _emu.launched_kernels()}


@pytest.mark.parametrize("name", CALLS)
def test_kernels_give_what_the_cpu_gives(name, kernels):
    if kernels is _emu:
        launched_by(name)
        return
    with _dispatch.serve_host_memory_by(kernels):
        result = CALLS[name]()
    assert_same(result, CALLS[name]())


@pytest.mark.parametrize("name", LARGE_CALLS)
def test_kernels_of_large_masks_on_a_device(name, kernels):
    if kernels is _emu:
        pytest.skip("for a device: the emulator runs these kernels on small masks, in tiles")
    with _dispatch.serve_host_memory_by(kernels):
        result = LARGE_CALLS[name]()
    assert_same(result, LARGE_CALLS[name]())


def test_every_kernel_is_launched_and_by_its_own_name():
    sources = "".join(path.read_text() for path in sorted(KERNELS.glob("*.cu*")))
    defined = set(re.findall(r"__global__\s+void\s+(?:__launch_bounds__\([^)]*\)\s*)?(\w+)", sources))
    assert len(defined) > 20
    launched = set().union(*(launched_by(name) for name in CALLS))
    assert defined - launched == set(), "kernels that no call in CALLS launches"
    assert launched - defined == set(), "launched by another name than the kernel's: RM_LAUNCH takes the kernel itself"


# A fault in what the kernels are given, to see that a sanitized build ends the process and says why.
FAULTS = {
    "address": """
import numpy as np
shorter = np.lib.stride_tricks.as_strided(np.ones((40, 64), bool), (41, 64))  # claims a row beyond its memory
rapidmask.pack(shorter)
""",
    "thread": """
import ctypes, threading, numpy as np
masks = np.ones((256, 256), bool)
done = threading.Event()
def write():
    while not done.is_set():
        ctypes.memset(masks.ctypes.data, 1, masks.size)
thread = threading.Thread(target=write)
thread.start()
rapidmask.pack(masks)
done.set()
thread.join()
""",
}


@pytest.mark.skipif(not _emu.sanitizer, reason="_emu was built without a sanitizer")
def test_the_sanitizer_ends_the_process():
    load = (
        "import importlib.util, sys, rapidmask\n"
        "from rapidmask import _dispatch\n"
        "spec = importlib.util.spec_from_file_location('rapidmask._emu', sys.argv[1])\n"
        "module = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(module)\n"
        "_dispatch._host = module\n"
    )
    code = load + FAULTS[_emu.sanitizer]
    done = subprocess.run([sys.executable, "-c", code, _emu.__file__], capture_output=True, text=True, timeout=300)
    assert done.returncode == 66, done.stderr
    assert {"address": "heap-buffer-overflow", "thread": "data race"}[_emu.sanitizer] in done.stderr
    assert "pack_masks_kernel" in done.stderr
