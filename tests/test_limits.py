"""The largest sizes and coordinates, from both sides; requests beyond memory; small inputs that decode to much."""

import resource
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import rapidmask
from inputs import refuses, spiral
from rapidmask import RLEMasks
from rapidmask.compat import pycocotools

ONE = np.ones((1, 4, 4), np.float32)
BOX = np.array([[0, 0, 4, 4]], np.float32)
MASK = np.ones((1, 4, 4), bool)
TRIANGLE = [[[0, 0, 4, 0, 4, 4]]]
BILLION = 10**9


def repeated(*shape, dtype=bool):
    """An array of that shape in the memory of one element, all 0."""
    return np.broadcast_to(np.zeros((), dtype), shape)


def all_background(*size, count=1):
    """Run-length encoded masks of few bytes, whatever their size."""
    runs = np.full(count, size[0] * size[1], np.uint32)
    return RLEMasks(runs, np.arange(count + 1), size)


# Sizes that are arguments


TOO_LARGE = {
    "upsample_masks": lambda size, output: rapidmask.upsample_masks(ONE, size, output=output),
    "decode_prototypes": lambda size, output: rapidmask.decode_prototypes(ONE, ONE[:, 0, :1], BOX, size, output=output),
    "paste_masks": lambda size, output: rapidmask.paste_masks(ONE, BOX, size, output=output),
    "polygons_to_masks": lambda size, output: rapidmask.polygons_to_masks(TRIANGLE, size, output=output),
    "semantic_argmax": lambda size, output: rapidmask.semantic_argmax(ONE, size),
    "semantic_from_queries": lambda size, output: rapidmask.semantic_from_queries(ONE[0, :1, :3], ONE, size),
    "panoptic_merge": lambda size, output: rapidmask.panoptic_merge(ONE, [1.0], [1], size=size),
}


@pytest.mark.parametrize("output", ["bool", "uint8", "packed", "rle"])
@pytest.mark.parametrize("name", TOO_LARGE)
@pytest.mark.parametrize(
    "size", [(BILLION, BILLION), (2**31, 2**31), (2**40, 1), (1, 2**40), (2**62, 2**62), (2**63 - 1, 2), (2**64, 2**64)]
)
def test_sizes_beyond_memory_are_refused_at_once(name, size, output):
    if name == "semantic_argmax" and min(size) == 1:
        pytest.skip("terabytes of labels are MemoryError, below")
    with pytest.raises((TypeError, ValueError, MemoryError), match=f"^{name}: "):
        TOO_LARGE[name](size, output)
    assert rapidmask.mask_areas(MASK).tolist() == [16]


@pytest.mark.parametrize("name", ["upsample_masks", "decode_prototypes"])
def test_resized_masks_have_at_most_2_24_rows_and_columns(name):
    for size in ((2**24, 1), (1, 2**24)):
        found = TOO_LARGE[name](size, "rle")
        assert found.size == size
        assert found.area()[0] > 0
    for size in ((2**24 + 1, 1), (1, 2**24 + 1)):
        with refuses(ValueError, f"{name}: size must be two integers from 0 to 2^24, got {size}"):
            TOO_LARGE[name](size, "rle")


def test_pasted_masks_have_fewer_than_2_31_rows_and_columns():
    assert rapidmask.paste_masks(ONE, BOX, (1, 2**31 - 1), output="rle").area().tolist() == [4]
    with refuses(ValueError, "paste_masks: size must be at most 2^31 - 1 by 2^31 - 1, got (2147483648, 1)"):
        rapidmask.paste_masks(ONE, BOX, (2**31, 1), output="rle")


def test_filled_polygons_have_fewer_than_2_31_rows_and_columns():
    assert rapidmask.polygons_to_masks(TRIANGLE, (2, 2**31 - 1), output="rle").boxes()[0, 3] == 2
    with refuses(ValueError, "polygons_to_masks: size must be (H, W) of less than 2^31 each, got (2147483648, 2)"):
        rapidmask.polygons_to_masks(TRIANGLE, (2**31, 2), output="rle")


# Run lengths: 2^32 - 1 pixels


def test_run_lengths_have_fewer_than_2_32_pixels():
    for size in ((1, 2**32 - 1), (2**32 - 1, 1), (65535, 65537)):
        full = ~all_background(*size)
        assert full.area().tolist() == [2**32 - 1]
        assert full.boxes().tolist() == [[0, 0, size[1], size[0]]]
        assert (full - full).area().tolist() == [0]
        assert RLEMasks.from_coco(full.to_coco("str")) == full
        assert rapidmask.rle_merge(full, intersect=True) == full
        assert pycocotools.area(full.to_coco()[0]) == 2**32 - 1
    assert rapidmask.mask_iou(full).tolist() == [[1.0]]
    for size in ((1, 2**32), (65536, 65536), (2**31, 2**31)):
        for found in (
            lambda size=size: RLEMasks(np.zeros(0, np.uint32), np.zeros(1, np.int64), size),
            lambda size=size: RLEMasks.from_coco([{"size": list(size), "counts": [2**32 - 1, 1]}]),
            lambda size=size: rapidmask.rle_encode(repeated(*size)),
        ):
            with pytest.raises(ValueError, match=r"size must be \(H, W\) of at most 2\^32 - 1 pixels, got "):
                found()


@pytest.mark.parametrize("runs", [[2**32 - 1, 2**32 - 1, 7], [2**31] * 4, [0] * 9, [2**32 - 1]])
def test_runs_whose_sum_overflows_are_refused(runs):
    for size in ((1, 6), (2, 3)):
        with pytest.raises(ValueError, match="add up to 6"):
            RLEMasks(np.array(runs, np.uint32), np.array([0, len(runs)]), size)
        with pytest.raises(ValueError, match="add up to 6"):
            RLEMasks.from_coco([{"size": size, "counts": rapidmask.rle_to_string(runs)}])


# Components: 2^31 - 1 pixels

LABELS = {
    "label": rapidmask.label,
    "connected_components": rapidmask.connected_components,
    "component_areas": rapidmask.component_areas,
    "remove_small_objects": lambda masks: rapidmask.remove_small_objects(masks, 3),
    "remove_small_holes": lambda masks: rapidmask.remove_small_holes(masks, 3),
    "remove_small_regions": lambda masks: rapidmask.remove_small_regions(masks, 3),
    "fill_holes": rapidmask.fill_holes,
    "keep_largest": rapidmask.keep_largest,
    "clear_border": rapidmask.clear_border,
}


@pytest.mark.parametrize("name", LABELS)
def test_components_are_of_fewer_than_2_31_pixels(name):
    for size in ((1, 2**31), (2**31, 1), (65536, 32768), (2**31, 2**31)):
        with refuses(ValueError, f"{name}: a mask must have at most 2147483647 pixels, got {size[0] * size[1]}"):
            LABELS[name](repeated(1, *size))


def test_watershed_is_of_fewer_than_2_31_pixels():
    size = (46341, 46341)
    with pytest.raises(
        ValueError, match=r"^watershed: an image must have at most 2147483647 pixels with a border of one"
    ):
        rapidmask.watershed(repeated(*size, dtype=np.uint8), repeated(*size, dtype=np.int32))


# Beyond 2^31 pixels, in a process of its own

LARGE = """
import resource
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
import numpy as np, rapidmask
width = 2**31 + 100
data = np.zeros((1, 1, 8 * -(-width // 64)), np.uint8)
masks = rapidmask.PackedMasks(data, (1, width))
data[0, 0, 0], data[0, 0, (width - 1) // 8] = 1, 1 << (width - 1) % 8
assert masks.area().tolist() == [2]
assert masks.boxes().tolist() == [[0, 0, width, 1]]
assert rapidmask.mask_centroids(masks).tolist() == [[0.0, (width - 1) / 2]]
runs = masks.to_rle()
assert runs.counts.tolist() == [0, 1, width - 2, 1]
assert runs.area().tolist() == [2]
assert rapidmask.mask_iou(masks, masks).tolist() == [[1.0]]
try:
    rapidmask.label(masks)
except ValueError as error:
    assert str(error).startswith("label: a mask must have at most 2147483647 pixels"), error
else:
    raise AssertionError
print("done")
"""


def run(program, timeout=120):
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=timeout, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


@pytest.mark.skipif(sys.platform != "linux", reason="limits the memory of a process")
def test_packed_masks_of_more_than_2_31_pixels():
    assert run(LARGE) == "done"


# Requests beyond memory

BEYOND = """
import resource, sys
import numpy as np, rapidmask
from rapidmask.compat import pycocotools
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))

def repeated(*shape, dtype=bool):
    return np.broadcast_to(np.zeros((), dtype), shape)

one = np.ones((1, 4, 4), np.float32)
box = np.array([[0, 0, 4, 4]], np.float32)
terabytes = rapidmask.RLEMasks(np.full(1000, 65535 * 65536, np.uint32), np.arange(1001), (65535, 65536))
assert np.isnan(rapidmask.mask_centroids(terabytes)).all()  # which needs no pixels
calls = {
    "rle_decode": [
        (lambda: terabytes.to_dense(), 1000 * 65535 * 65536),
        (lambda: terabytes.to_packed(), 1000 * 65535 * 8192),
        (lambda: rapidmask.rle_decode(terabytes.to_coco(), output="uint8"), 1000 * 65535 * 65536),
        (lambda: rapidmask.fill_holes(terabytes), 1000 * 65535 * 8192),
    ],
    "mask_iou": [(lambda: rapidmask.mask_iou(np.zeros((100000, 1, 1), bool)), 80000000000)],
    "confusion_matrix": [(lambda: rapidmask.confusion_matrix(np.zeros(1, int), np.zeros(1, int), 32766), 8 * 32766**2)],
    "upsample_masks": [(lambda: rapidmask.upsample_masks(one, (2**20, 2**20)), 2**40)],
    "paste_masks": [(lambda: rapidmask.paste_masks(one, box, (2**20, 2**20)), 2**40)],
    "polygons_to_masks": [(lambda: rapidmask.polygons_to_masks([[]], (2**20, 2**20)), 2**40)],
    "decode_prototypes": [(lambda: rapidmask.decode_prototypes(one, one[0, :1, :1], box, (2**20, 2**20)), 2**40)],
    "semantic_argmax": [(lambda: rapidmask.semantic_argmax(one, (2**20, 2**20)), 2**42)],
    "panoptic_merge": [(lambda: rapidmask.panoptic_merge(one, [1], [1], size=(2**20, 2**20)), 2**42)],
    "threshold": [(lambda: rapidmask.threshold(repeated(2**20, 2**20, dtype=np.float32), 0.5), 2**42)],
    "pack": [(lambda: rapidmask.pack(repeated(2**20, 2**20)), 2**40)],
    "mask_areas": [(lambda: rapidmask.mask_areas(repeated(2**20, 2**20)), 2**40)],
    "threshold_multiotsu": [(lambda: rapidmask.threshold_multiotsu(np.eye(4, dtype=int), classes=10**9), 7999999992)],
}
for name, tries in calls.items():
    for call, size in tries:
        try:
            call()
        except MemoryError as error:
            text = str(error)
            assert text.startswith(name + ": there is no memory"), text
            assert not size or f" {size} bytes" in text, text
        else:
            raise AssertionError(name)
        assert rapidmask.label(np.eye(4, dtype=bool)).max() == 1
        assert rapidmask.upsample_masks(one, (8, 8)).all()
try:
    pycocotools.decode(terabytes.to_coco())
except MemoryError:
    pass
with open("/proc/self/status") as status:
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
assert peak < 400_000, f"{peak} KiB were made before a refusal"
print("done")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits the memory of a process")
def test_requests_beyond_memory_name_the_bytes_and_leave_the_process_usable():
    assert run(BEYOND) == "done"


def test_products_beyond_64_bits_do_not_wrap():
    for masks in (repeated(2**31, 2**31), repeated(4, 2**30, 2**30), repeated(2**20, 2**21, 2**21)):
        for function in (rapidmask.pack, rapidmask.mask_areas, rapidmask.rle_encode, rapidmask.mask_centroids):
            with pytest.raises((MemoryError, ValueError), match=f"^{function.__name__}: "):
                function(masks)
    with pytest.raises(
        MemoryError, match=r"^semantic_argmax: there is no memory for an array .* more than 2\^63 bytes"
    ):
        rapidmask.semantic_argmax(ONE, (2**31, 2**31))


# Coordinates


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e9, -1e9, 2.0**27 + 1, 1e300])
@pytest.mark.parametrize("rule", ["coco", "opencv"])
def test_coordinates_of_polygons_beyond_2_27_are_refused(bad, rule):
    for place in range(6):
        ring = [0.0, 0, 9, 0, 9, 9]
        ring[place] = bad
        for output in ("bool", "packed", "rle"):
            with pytest.raises(
                ValueError, match=r"^polygons_to_masks: polygons\[0\]\[0\] must have coordinates of at most 2\^27"
            ):
                rapidmask.polygons_to_masks([[ring]], (20, 20), rule=rule, output=output)
        with pytest.raises(ValueError, match="coordinates"):
            pycocotools.frPyObjects([ring], 20, 20)


@pytest.mark.parametrize("rule", ["coco", "opencv"])
def test_coordinates_of_polygons_reach_2_27(rule):
    far = 2**27
    ring = [-far, -far, far, -far, far, far, -far, far]
    assert rapidmask.polygons_to_masks([[ring]], (20, 30), rule=rule).all()
    assert rapidmask.polygons_to_masks([[ring]], (20, 30), rule=rule, output="rle").area().tolist() == [600]


FAR = [np.nan, np.inf, -np.inf, 1e9, -1e9, 3e38, -3e38, 2.0**31, 2.0**63]


@pytest.mark.parametrize("method", ["grid_sample", "interpolate"])
@pytest.mark.parametrize("bad", FAR)
def test_boxes_of_any_numbers_are_pasted_alike_in_all_forms(bad, method):
    for places in ([0], [1], [2], [3], [0, 2], [1, 3], [0, 1, 2, 3]):
        box = np.array([[2, 3, 9, 11]], np.float32)
        box[0, places] = bad
        forms = [
            rapidmask.paste_masks(ONE, box, (20, 70), method=method, output=form) for form in ("bool", "packed", "rle")
        ]
        assert (forms[1].to_dense() == forms[0]).all()
        assert (forms[2].to_dense() == forms[0]).all()
        if not np.isfinite(box).all():
            assert not forms[0].any()


@pytest.mark.parametrize("crop", ["after", "before"])
@pytest.mark.parametrize("bad", FAR)
def test_boxes_of_any_numbers_crop_prototypes_alike_in_all_forms(bad, crop):
    for places in ([0], [1], [2], [3], [0, 2], [1, 3], [0, 1, 2, 3]):
        box = np.array([[2, 3, 9, 11]], np.float32)
        box[0, places] = bad
        arguments = ONE, np.ones((1, 1), np.float32), box, (20, 70)
        forms = [rapidmask.decode_prototypes(*arguments, crop=crop, output=form) for form in ("bool", "packed", "rle")]
        assert (forms[1].to_dense() == forms[0]).all()
        assert (forms[2].to_dense() == forms[0]).all()
        if np.isnan(box).any() and crop == "after":
            assert not forms[0].any()


@pytest.mark.parametrize(
    "crop",
    [
        (0, 0, BILLION, BILLION),
        (-1, 0, 2, 2),
        (2**31, 0, 2**31 + 1, 1),
        (0, 0, 2**63, 1),
        (3, 0, 2, 4),
        (-(2**70), 0, 1, 1),
    ],
)
def test_crops_beyond_the_masks_are_refused(crop):
    with pytest.raises(ValueError, match=r"^rle_decode: crop must be"):
        rapidmask.rle_decode(rapidmask.rle_encode(MASK), crop=crop)


# Other numbers


def test_footprints_have_at_most_127_and_4095_pixels_a_side():
    assert rapidmask.dilate(MASK, rapidmask.square(127)).all()
    with pytest.raises(ValueError, match=r"^dilate: footprint must have 2 or 3 dimensions of at most 127"):
        rapidmask.dilate(MASK, rapidmask.square(128))
    assert rapidmask.rectangle(1, 4095).shape == (1, 4095)
    for name, most in (("square", 4095), ("cross", 4095), ("disk", 2047), ("diamond", 2047), ("ball", 127)):
        for size in (most + 1, BILLION, 2**63, 10**30):
            with pytest.raises(ValueError, match=rf"^{name}: . must be at most {most}, got {size}$"):
                getattr(rapidmask, name)(size)


def test_numbers_of_steps_and_areas_have_no_maximum():
    for count in (2**31, 2**63 - 1, 2**63, 10**30):
        assert rapidmask.dilate(np.eye(4, dtype=bool), rapidmask.cross(3), iterations=count).all()
        assert not rapidmask.remove_small_objects(MASK, count).any()
        assert rapidmask.keep_largest(MASK, count).all()
        assert not rapidmask.boundary(MASK, width=count).any()


def test_windows_have_fewer_than_2_24_pixels_a_side():
    image = np.arange(16, dtype=np.float32).reshape(4, 4)
    for size in (2**24 + 1, 10**9 + 1, 2**63 + 1):
        for name, call in (
            ("threshold_local", lambda size=size: rapidmask.threshold_local(image, size, method="mean")),
            ("threshold_niblack", lambda size=size: rapidmask.threshold_niblack(image, window_size=size)),
            ("threshold_sauvola", lambda size=size: rapidmask.threshold_sauvola(image, window_size=size)),
        ):
            with pytest.raises(
                ValueError, match=rf"^{name}: (block|window)_size must be odd and at most 16777215, got "
            ):
                call()


def test_classes_are_at_most_32766():
    with refuses(ValueError, "confusion_matrix: num_classes must be from 1 to 32766, got 32767"):
        rapidmask.confusion_matrix(np.zeros(1, int), np.zeros(1, int), 32767)


def test_arrays_have_at_most_2_40_rows_and_columns():
    for shape in ((2**40 + 1, 0), (0, 2**40 + 1)):
        with pytest.raises(ValueError, match=r"must have at most 2\^40 rows and columns"):
            rapidmask.pack(np.zeros(shape, bool))
    assert len(rapidmask.pack(np.zeros((1, 2**40, 0), bool))) == 1


# Depth: nothing recurs over pixels


def test_deep_shapes_need_no_stack():
    size = 401
    masks = np.stack([spiral(size), np.pad(spiral(size - 2), 1) ^ True, np.indices((size, size)).sum(0) % 2 == 0])
    masks[1, 1::4] = False
    levels = np.arange(size * size, dtype=np.int32).reshape(size, size)
    markers = np.zeros((size, size), np.int32)
    markers[0, 0] = 1
    found = []

    def work():
        found.append(rapidmask.label(masks, return_count=True)[1].tolist())
        rapidmask.connected_components(masks, connectivity=4)
        rapidmask.label(masks, connectivity=26)
        rapidmask.fill_holes(masks)
        rapidmask.remove_small_regions(masks, 50)
        rapidmask.hysteresis_threshold(masks.astype(np.float32), 0.2, 0.5)
        rapidmask.masks_to_polygons(masks, mode="tree")
        rapidmask.watershed(levels, markers, mask=masks[0], connectivity=4)
        rapidmask.polygons_to_masks(rapidmask.masks_to_polygons(masks), (size, size), rule="opencv")
        rapidmask.rle_encode(masks).to_dense()
        found.append("done")

    before = threading.stack_size(128 << 10)
    count = rapidmask.get_num_threads()
    try:
        rapidmask.set_num_threads(1)
        worker = threading.Thread(target=work)
        worker.start()
        worker.join(60)
    finally:
        threading.stack_size(before)
        rapidmask.set_num_threads(count)
    assert found == [[1, found[0][1], 1], "done"]


def test_the_limit_of_memory_was_not_changed_here():
    assert resource.getrlimit(resource.RLIMIT_AS)[0] in (
        resource.RLIM_INFINITY,
        resource.getrlimit(resource.RLIMIT_AS)[1],
    )


AFTER_NO_MEMORY = r"""
import re, resource, sys
import numpy as np, rapidmask
rapidmask.set_num_threads(1)
small = rapidmask.PackedMasks(np.zeros((1, 64, 8), np.uint8), (64, 64))
large = rapidmask.PackedMasks(np.zeros((1, 16384, 2048), np.uint8), (16384, 16384))
rapidmask.fill_holes(small)  # makes the workspace that a thread keeps
size = 1024 * int(re.search(r"VmSize:\s+(\d+)", open("/proc/self/status").read())[1])
resource.setrlimit(resource.RLIMIT_AS, (size + (48 << 20), -1))
for masks in (large, large):
    try:
        rapidmask.fill_holes(masks)
    except MemoryError:
        print("refused")
print(rapidmask.fill_holes(small).area()[0])
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="asks Linux for the size of the process")
def test_calls_go_on_after_one_that_had_no_memory():
    done = subprocess.run([sys.executable, "-c", AFTER_NO_MEMORY], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout.split()) == (0, ["refused", "refused", "0"]), done.stderr


def test_centroids_of_rows_without_pixels_take_no_time():
    assert np.isnan(rapidmask.mask_centroids(np.zeros((1, 2**40, 0), bool))).all()
