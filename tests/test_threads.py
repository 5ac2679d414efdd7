"""Threads, forks and processes: the pool, the settings and the interpreter's lock."""

import inspect
import multiprocessing
import os
import pickle
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import rapidmask
from inputs import refuses

TIMEOUT = 60  # seconds, for what would hang

RINGS = np.random.default_rng(1).uniform(-50, 650, (60, 200, 2))


def logits(image):
    """A part of an image as what models give."""
    return image[:, :200, :200].astype(np.float32)


BOXED = np.random.default_rng(3).random((8, 28, 28), np.float32)
CORNERS = np.sort(np.random.default_rng(2).uniform(-50, 650, (8, 2, 2)), 1).reshape(8, 4).astype(np.float32)
OPERATIONS = {
    "pack": lambda masks, image: rapidmask.pack(masks).data,
    "unpack": lambda masks, image: rapidmask.unpack(rapidmask.pack(masks)),
    "threshold": lambda masks, image: rapidmask.threshold(image, 0.25),
    "threshold packed": lambda masks, image: rapidmask.threshold(image, 0.25, output="packed").data,
    "threshold surface": lambda masks, image: rapidmask.threshold(image, image[0] + 0.125),
    "hysteresis": lambda masks, image: rapidmask.hysteresis_threshold(image, 0.25, 0.75),
    "label": lambda masks, image: rapidmask.label(masks),
    "label of volumes": lambda masks, image: rapidmask.label(masks, connectivity=26),
    "label multilabel": lambda masks, image: rapidmask.label(masks.view(np.uint8), multilabel=True),
    "connected_components": lambda masks, image: rapidmask.connected_components(masks).centroids,
    "component_areas": lambda masks, image: rapidmask.component_areas(masks),
    "remove_small_objects": lambda masks, image: rapidmask.remove_small_objects(masks, 4),
    "remove_small_holes": lambda masks, image: rapidmask.remove_small_holes(masks, 4),
    "remove_small_regions": lambda masks, image: rapidmask.remove_small_regions(masks, 4),
    "fill_holes": lambda masks, image: rapidmask.fill_holes(masks),
    "keep_largest": lambda masks, image: rapidmask.keep_largest(masks, 3),
    "clear_border": lambda masks, image: rapidmask.clear_border(masks),
    "clean_scores": lambda masks, image: rapidmask.clean_scores(image, max_hole_area=4, max_sprinkle_area=4),
    "mask_areas": lambda masks, image: rapidmask.mask_areas(masks),
    "masks_to_boxes": lambda masks, image: rapidmask.masks_to_boxes(masks),
    "mask_centroids": lambda masks, image: rapidmask.mask_centroids(masks),
    "stability_score": lambda masks, image: rapidmask.stability_score(image.astype(np.float32), offset=0.5),
    "confusion_matrix": lambda masks, image: rapidmask.confusion_matrix(masks, np.roll(masks, 1, -1), 2),
    "confusion_matrix of many": lambda masks, image: rapidmask.confusion_matrix(masks, np.roll(masks, 1, -1), 300),
    "boundary_iou": lambda masks, image: rapidmask.boundary_iou(masks),
    "mask_iou": lambda masks, image: rapidmask.mask_iou(masks),
    "mask_iou of two": lambda masks, image: rapidmask.mask_iou(rapidmask.pack(masks), masks[:3]),
    "mask_nms": lambda masks, image: rapidmask.mask_nms(masks, np.arange(len(masks)), 0.2),
    "matrix_nms": lambda masks, image: rapidmask.matrix_nms(masks, np.arange(len(masks)), None),
    "rle_encode": lambda masks, image: rapidmask.rle_encode(masks).counts,
    "rle_decode": lambda masks, image: rapidmask.rle_encode(masks).to_dense(),
    "paste_masks": lambda masks, image: rapidmask.paste_masks(BOXED, CORNERS, (600, 601)),
    "paste_masks rle": lambda masks, image: rapidmask.paste_masks(BOXED, CORNERS, (600, 601), output="rle").counts,
    "polygons": lambda masks, image: np.concatenate(rapidmask.masks_to_polygons(masks[1, :99], simplify=False)[0]),
    "polygons_to_masks": lambda masks, image: rapidmask.polygons_to_masks(RINGS, (600, 601)),
    "polygons_to_masks rle": lambda masks, image: rapidmask.polygons_to_masks(RINGS, (600, 601), output="rle").counts,
    "upsample_masks": lambda masks, image: rapidmask.upsample_masks(logits(image)[:2], (900, 901), threshold=0.3),
    "upsample_masks rle": lambda masks, image: (
        rapidmask.upsample_masks(logits(image), (300, 301), threshold=0.3, output="rle").counts
    ),
    "decode_prototypes": lambda masks, image: rapidmask.decode_prototypes(
        logits(image), logits(image)[0, :30, :8] - 0.5, np.tile([9, 9, 300, 280], (30, 1)), (300, 301)
    ),
    "rle |": lambda masks, image: (rapidmask.rle_encode(masks) | rapidmask.rle_encode(masks[0])).counts,
}


SCORES = np.linspace(0, 1, 8)
LABELS = np.arange(8) % 3


def small(array):
    """A part that fits one thread."""
    return array[:, :60, :90]


def classes(masks):
    """A class map of the first two masks."""
    return small(masks)[0].astype(np.int32) + small(masks)[1]


def alone(name, *arguments, **options):
    """An operation on a small part of the masks, or of the image, that takes nothing else but these."""
    return lambda masks, image: getattr(rapidmask, name)(small(masks), *arguments, **options)


def of_image(name, *arguments, **options):
    return lambda masks, image: getattr(rapidmask, name)(small(image)[:2], *arguments, **options)


FILTERS = ("dilate", "erode", "opening", "closing", "gradient", "white_tophat", "black_tophat")
VALUES = ("otsu", "li", "yen", "isodata", "triangle", "mean")
SMALL = {  # on parts that one thread works on: what they are asked is whether calls disturb one another
    **{name: alone(name, rapidmask.disk(2), iterations=2) for name in FILTERS},
    **{f"threshold_{name}": of_image(f"threshold_{name}") for name in VALUES},
    "threshold_minimum": lambda masks, image: rapidmask.threshold_minimum(small(image)[:2] + small(image)[2:4] / 4),
    "threshold_multiotsu": of_image("threshold_multiotsu"),
    "threshold_local": of_image("threshold_local", 9),
    "threshold_local median": of_image("threshold_local", 9, method="median"),
    "threshold_niblack": of_image("threshold_niblack"),
    "threshold_sauvola": of_image("threshold_sauvola"),
    "adaptive_threshold": of_image("adaptive_threshold", 9),
    "boundary": alone("boundary", width=2),
    "distance_transform": alone("distance_transform"),
    "apply_mask": lambda masks, image: rapidmask.apply_mask(small(image)[0], small(masks)[0]),
    "overlay": lambda masks, image: rapidmask.overlay(small(image)[0], small(masks)),
    "colorize_labels": lambda masks, image: rapidmask.colorize_labels(classes(masks)),
    "watershed": lambda masks, image: rapidmask.watershed(small(image)[0], rapidmask.label(small(masks)[1])),
    "dice": lambda masks, image: rapidmask.dice(small(masks), small(masks)[::-1]),
    "mean_iou": lambda masks, image: rapidmask.mean_iou(small(masks), small(masks)[::-1], 2),
    "ConfusionMatrix": lambda masks, image: updated(rapidmask.ConfusionMatrix(3), classes(masks)).matrix,
    "panoptic_quality": lambda masks, image: rapidmask.panoptic_quality(
        classes(masks), {1: 1, 2: 2}, classes(masks[::-1]), {1: 1, 2: 2}
    ).compute(),
    "mask_nmm": lambda masks, image: np.concatenate(rapidmask.mask_nmm(small(masks), SCORES, 0.3)),
    "soft_nms": lambda masks, image: rapidmask.soft_nms(small(masks), SCORES)[1],
    "nms_from_iou": lambda masks, image: rapidmask.nms_from_iou(rapidmask.mask_iou(small(masks)), SCORES, 0.3),
    "resolve_overlaps": alone("resolve_overlaps", SCORES),
    "non_overlapping": lambda masks, image: rapidmask.non_overlapping(logits(small(image))),
    "instance_merge": lambda masks, image: rapidmask.instance_merge(small(masks), SCORES, LABELS)[0],
    "panoptic_merge": lambda masks, image: rapidmask.panoptic_merge(logits(small(image)), SCORES, LABELS)[0],
    "semantic_argmax": lambda masks, image: rapidmask.semantic_argmax(logits(small(image)), (90, 99)),
    "semantic_from_queries": lambda masks, image: rapidmask.semantic_from_queries(
        np.tile(SCORES, (8, 1)).astype(np.float32), logits(small(image)), (90, 99)
    ),
    "rle_encode_labels": lambda masks, image: rapidmask.rle_encode_labels(classes(masks))[0].counts,
    "rle_merge": lambda masks, image: rapidmask.rle_merge(rapidmask.rle_encode(small(masks))).counts,
    "rle_to_string": lambda masks, image: np.frombuffer(rapidmask.rle_to_string(np.arange(999)), np.uint8),
    "rle_from_string": lambda masks, image: rapidmask.rle_from_string(rapidmask.rle_to_string(np.arange(999))),
    "rle_decode of a crop": lambda masks, image: rapidmask.rle_decode(
        rapidmask.rle_encode(small(masks)), crop=(3, 4, 50, 40)
    ),
    "RLEMasks": lambda masks, image: rapidmask.RLEMasks.from_coco(rapidmask.rle_encode(small(masks)).to_coco()).counts,
    "PackedMasks": lambda masks, image: (~rapidmask.pack(small(masks)) ^ rapidmask.pack(small(masks[::-1]))).data,
    "masks_to_polygons": lambda masks, image: np.concatenate(rapidmask.masks_to_polygons(small(masks))[0]),
    "footprints": lambda masks, image: np.concatenate(
        [
            footprint.ravel()
            for footprint in (
                rapidmask.ball(3), rapidmask.cross(5), rapidmask.diamond(4), rapidmask.disk(5), rapidmask.ellipse(5, 8),
                rapidmask.rectangle(3, 4), rapidmask.square(6),
            )
        ]
    ),
}  # fmt: skip


def updated(matrix, prediction):
    matrix.update(prediction, prediction[::-1])
    return matrix


@pytest.fixture(scope="module")
def masks():
    """Some megabytes of masks, more than one thread is given."""
    noise = np.random.default_rng(0).random((8, 600, 601), np.float32)
    return (noise + np.roll(noise, 1, -1) + np.roll(noise, 1, -2)) > 1.5


@pytest.fixture(scope="module")
def image(masks):
    """The same as an image of few levels."""
    return masks.astype(np.float32) * 0.5 + np.roll(masks, 3, -1) * 0.5


@pytest.fixture(scope="module")
def expected(masks, image):
    """The results of one thread."""
    previous = rapidmask.get_num_threads()
    rapidmask.set_num_threads(1)
    results = {name: operation(masks, image) for name, operation in (SMALL | OPERATIONS).items()}
    rapidmask.set_num_threads(previous)
    return results


def run(code, **environment):
    """Standard output of another interpreter, once it ended well."""
    done = interpreter(code, **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def interpreter(code, **environment):
    """Another interpreter's run of some code."""
    settings = {k: v for k, v in os.environ.items() if not k.startswith("RAPIDMASK_")} | environment
    return subprocess.run(
        [sys.executable, "-c", code], env=settings, capture_output=True, text=True, timeout=TIMEOUT, check=False
    )


# Settings


def test_the_number_of_threads_is_what_was_set(threads):
    for count in (1, 2, 7, 4096, np.int64(3)):
        threads(count)
        assert rapidmask.get_num_threads() == count


@pytest.mark.parametrize("count", [0, -1, 4097, 2**31 - 1, 2**31, 2**40, -(2**70)])
def test_numbers_of_threads_out_of_range_are_refused(threads, count):
    before = rapidmask.get_num_threads()
    with refuses(ValueError, f"set_num_threads: count must be between 1 and 4096, got {count}"):
        threads(count)
    assert rapidmask.get_num_threads() == before


@pytest.mark.parametrize("count", [2.0, "2", None, [2]])
def test_what_is_no_number_of_threads_is_refused(threads, count):
    before = rapidmask.get_num_threads()
    with pytest.raises(TypeError, match="set_num_threads"):
        threads(count)
    assert rapidmask.get_num_threads() == before


GET_THREADS = "import rapidmask; print(rapidmask.get_num_threads())"


@pytest.mark.parametrize("count", ["1", "3", "4096"])
def test_the_environment_sets_the_number_of_threads(count):
    assert run(GET_THREADS, RAPIDMASK_NUM_THREADS=count) == count


def test_the_default_is_the_processors_that_the_process_may_use():
    assert run(GET_THREADS, RAPIDMASK_NUM_THREADS="") == run(GET_THREADS)
    if hasattr(os, "sched_getaffinity"):
        processors = os.sched_getaffinity(0)
        assert run(GET_THREADS) == str(len(processors))
        one = f"import os; os.sched_setaffinity(0, [{min(processors)}]); {GET_THREADS}"
        assert run(one) == "1"


@pytest.mark.parametrize("text", ["0", "-2", "4097", "two", "2.5", "3 threads", "99999999999999999999"])
def test_a_number_of_threads_that_cannot_be_is_reported(text):
    done = interpreter(GET_THREADS, RAPIDMASK_NUM_THREADS=text)
    assert done.returncode == 1, f"taken for {done.stdout.strip()}"
    sentence = f"ValueError: RAPIDMASK_NUM_THREADS: count must be between 1 and 4096, got '{text}'"
    assert done.stderr.strip().splitlines()[-1] == sentence


def test_instruction_levels():
    levels = rapidmask.isa_levels()
    assert levels[0] == "baseline"
    assert rapidmask.isa() in levels
    for level in levels:
        assert run("import rapidmask; print(rapidmask.isa())", RAPIDMASK_ISA=level) == level
    assert run("import rapidmask; print(rapidmask.isa())", RAPIDMASK_ISA="") == levels[-1]
    before = rapidmask.isa()
    names = ", ".join(levels)
    for name in ("avx512", "", "Baseline"):
        with refuses(ValueError, f"set_isa: instruction level must be one of {names}, got '{name}'"):
            rapidmask.set_isa(name)
    assert rapidmask.isa() == before


def test_an_instruction_level_that_is_not_there_is_reported():
    sentence = f"instruction level must be one of {', '.join(rapidmask.isa_levels())}, got 'x87'"
    for code in (
        "import rapidmask; rapidmask.isa()",
        "import numpy, rapidmask; rapidmask.pack(numpy.ones((2, 2), bool))",
        "import numpy, rapidmask; rapidmask.threshold(numpy.ones((2, 2)), 0.5)",
    ):
        done = interpreter(code, RAPIDMASK_ISA="x87")
        assert done.returncode == 1
        assert done.stderr.strip().splitlines()[-1] == f"ValueError: RAPIDMASK_ISA: {sentence}"


# Threads of the pool


@pytest.mark.parametrize("count", [1, 2, 7, 64])
@pytest.mark.parametrize("name", OPERATIONS)
def test_results_do_not_depend_on_the_number_of_threads(threads, masks, image, expected, name, count):
    threads(count)
    for _ in range(2):
        np.testing.assert_array_equal(OPERATIONS[name](masks, image), expected[name])


def test_the_number_of_threads_may_change_at_any_time(threads, masks, image, expected):
    for count in (7, 1, 2, 33, 3, 1, 5):
        threads(count)
        np.testing.assert_array_equal(OPERATIONS["label"](masks, image), expected["label"])


# Threads of Python


def in_threads(count, work):
    """Run work(i) in threads, all at once, and raise the first error."""
    start = threading.Barrier(count)
    errors = []

    def body(i):
        try:
            start.wait()
            work(i)
        except BaseException as error:
            errors.append(error)

    workers = [threading.Thread(target=body, args=(i,), daemon=True) for i in range(count)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(TIMEOUT)
        assert not worker.is_alive()
    if errors:
        raise errors[0]


@pytest.mark.parametrize("count", [1, 2, 7])
def test_eight_threads_at_once(threads, masks, image, expected, count):
    threads(count)
    names = list(OPERATIONS)

    def work(i):
        for k in range(len(names)):
            name = names[(i + k) % len(names)]
            np.testing.assert_array_equal(OPERATIONS[name](masks, image), expected[name], err_msg=name)

    in_threads(8, work)


def test_eight_threads_at_once_on_small_masks(threads, masks, image, expected):
    threads(2)
    names = list(SMALL)

    def work(i):
        for k in range(2 * len(names)):
            name = names[(7 * i + k) % len(names)]
            np.testing.assert_array_equal(SMALL[name](masks, image), expected[name], err_msg=name)

    in_threads(8, work)


def test_every_public_function_is_called_by_many_threads():
    source = Path(__file__).read_text().partition("# Settings")[0]
    without = {"cuda_status", "isa", "isa_levels", "set_isa", "patch", "unpatch", "get_num_threads", "set_num_threads"}
    without |= {"PanopticQuality", "use_stream"}  # what panoptic_quality returns; what is of devices alone
    functions = {name for name in rapidmask.__all__ if inspect.isfunction(getattr(rapidmask, name))} - without
    called = set(re.findall(r"rapidmask\.(\w+)", source)) | set(FILTERS)
    called |= set(re.findall(r'(?:alone|of_image)\("(\w+)"', source))
    called |= {name for name in SMALL if name.startswith("threshold_")}
    assert functions - called == set()


def test_errors_and_settings_in_many_threads(threads):
    mask = np.eye(50, dtype=bool)

    def work(i):
        for k in range(200):
            with pytest.raises(ValueError, match="connectivity must be 4 or 8"):
                rapidmask.label(mask, connectivity=5)
            threads(1 + (i + k) % 4)
            assert rapidmask.label(mask, return_count=True)[1] == 1
            assert rapidmask.rle_encode(mask[None]).area().tolist() == [50]

    in_threads(8, work)


def ticks_during(call):
    """How often another Python thread got its turn in the middle of a call."""
    times = []
    running = threading.Event()
    stop = threading.Event()

    def tick():
        while not stop.is_set():
            times.append(time.perf_counter())
            running.set()
            time.sleep(0.0005)

    ticker = threading.Thread(target=tick, daemon=True)
    ticker.start()
    running.wait(TIMEOUT)
    begin = time.perf_counter()
    call()
    end = time.perf_counter()
    stop.set()
    ticker.join(TIMEOUT)
    assert end - begin > 0.002, "too short a call to tell"
    margin = (end - begin) / 4
    return sum(begin + margin < at < end - margin for at in times)


@pytest.mark.parametrize(
    "name", ["label", "connected_components", "remove_small_objects", "fill_holes", "hysteresis", "rle_encode"]
)
def test_other_python_threads_go_on_during_a_call(threads, masks, image, name):
    threads(1)
    many, large = np.concatenate([masks] * 6), np.concatenate([image] * 6)
    assert any(ticks_during(lambda: OPERATIONS[name](many, large)) for _ in range(5))


# Processes


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.parametrize("count", [1, 2, 7])
def test_a_forked_process_computes(threads, masks, image, expected, count):
    threads(count)
    OPERATIONS["label"](masks, image)  # the pool's threads are there, and are not in the child
    for _ in range(3):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            status = b"an error"
            try:
                same = [np.array_equal(OPERATIONS[name](masks, image), expected[name]) for name in OPERATIONS]
                status = b"equal" if all(same) and rapidmask.get_num_threads() == count else b"different"
            finally:
                os.write(writer, status)
                os._exit(0)
        os.close(writer)
        killer = threading.Timer(TIMEOUT, os.kill, (child, 9))
        killer.start()
        with os.fdopen(reader, "rb") as end:
            found = end.read()
        os.waitpid(child, 0)
        killer.cancel()
        assert found == b"equal"
        np.testing.assert_array_equal(OPERATIONS["pack"](masks, image), expected["pack"])  # the parent goes on


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_forks_while_other_threads_compute():
    code = """
import os, sys, threading, warnings
import numpy as np
import rapidmask
warnings.simplefilter("ignore", DeprecationWarning)
rapidmask.set_num_threads(4)
masks = np.random.default_rng(0).random((8, 600, 701)) < 0.5
expected = rapidmask.mask_areas(masks)
stop = threading.Event()
def work():
    while not stop.is_set():
        rapidmask.pack(masks)
        rapidmask.label(masks[:2])
workers = [threading.Thread(target=work) for _ in range(2)]
for worker in workers:
    worker.start()
for _ in range(20):
    child = os.fork()
    if child == 0:
        same = (rapidmask.mask_areas(masks) == expected).all() and len(rapidmask.pack(masks)) == 8
        os._exit(0 if same else 1)
    assert os.waitpid(child, 0)[1] == 0
stop.set()
for worker in workers:
    worker.join()
print("done")
"""
    assert run(code) == "done"


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_pools_of_processes(masks, method):
    expected = rapidmask.mask_areas(masks)
    packed = rapidmask.pack(masks)
    with multiprocessing.get_context(method).Pool(2) as pool:
        found = pool.map_async(rapidmask.mask_areas, [masks[:3], masks[3:], packed[:4], packed[4:]]).get(TIMEOUT)
        again = pool.map_async(rapidmask.pack, [masks[:2], masks[2:5]]).get(TIMEOUT)
    np.testing.assert_array_equal(np.concatenate(found[:2]), expected)
    np.testing.assert_array_equal(np.concatenate(found[2:]), expected)
    assert again[0] == packed[:2]
    assert again[1] == packed[2:5]


# The end of the interpreter


@pytest.mark.parametrize("call", ["pack(masks)", "label(masks)", "threshold(image, 0.5)", "rle_encode(masks)"])
@pytest.mark.parametrize("count", [1, 4])
def test_the_interpreter_ends_while_a_daemon_thread_calls(call, count):
    code = f"""
import threading, time
import numpy as np
import rapidmask
rapidmask.set_num_threads({count})
masks = np.random.default_rng(0).random((8, 300, 701)) < 0.5
image = masks.astype(np.float32)
def work():
    while True:
        rapidmask.{call}
for _ in range(2):
    threading.Thread(target=work, daemon=True).start()
time.sleep(0.3)
print("ends")
"""
    done = interpreter(code)
    assert done.stdout.strip() == "ends"
    assert (done.returncode, done.stderr) == (0, "")


def test_calls_at_the_end_of_the_interpreter():
    code = """
import atexit
import numpy as np
import rapidmask
rapidmask.set_num_threads(4)
masks = np.ones((8, 600, 701), bool)
rapidmask.pack(masks)
class Last:
    def __init__(self):
        self.areas, self.masks = rapidmask.mask_areas, masks  # this module's own names are gone by then
    def __del__(self):
        print(sum(self.areas(self.masks).tolist()))
last = Last()
atexit.register(lambda: print(len(rapidmask.pack(masks))))
"""
    assert run(code).split() == ["8", str(8 * 600 * 701)]


def test_functions_and_containers_go_to_other_processes(masks):
    for thing in (rapidmask.label, rapidmask.PackedMasks, rapidmask.pack(masks[:1]), rapidmask.connected_components):
        assert pickle.loads(pickle.dumps(thing)) == thing
    found = rapidmask.connected_components(masks[:1])
    again = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(again.areas, found.areas)


def in_a_process(code):
    alone = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}  # no threads of other libraries
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, env=alone, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_workers_take_no_signals():
    waited = """
import os, signal, time
import numpy as np, rapidmask
rapidmask.set_num_threads(4)
rapidmask.label(np.random.default_rng(0).random((16, 600, 600)) < 0.5)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
os.kill(os.getpid(), signal.SIGTERM)
time.sleep(0.1)
print(int(signal.sigwait({signal.SIGTERM})))
"""
    assert in_a_process(waited) == ["15"]


def test_results_do_not_depend_on_how_threads_round():
    pytest.importorskip("torch")
    flushing = """
import numpy as np, rapidmask, torch
rapidmask.set_num_threads(4)
denormal = np.full((64, 512, 512), 1e-40, np.float32)
for flush in (True, False, True):
    torch.set_flush_denormal(flush)
    print(rapidmask.threshold(denormal, 0).all(), rapidmask.threshold(denormal[:1, :32], 0).all())
    assert (torch.tensor(1e-40) * 1 == 0) == flush  # as it was set
"""
    assert set(in_a_process(flushing)) == {"True"}
