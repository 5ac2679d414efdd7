"""Arguments whose own code runs amid a call: calls rapidmask, raises, changes what was given, or frees it."""

import contextlib
import gc
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import rapidmask
from inputs import refuses

MASKS = np.stack([np.eye(40, 70, dtype=bool), np.ones((40, 70), bool)])


def busy():
    """Calls of many kinds, with answers that are known."""
    assert rapidmask.label(MASKS, return_count=True)[1].tolist() == [1, 1]
    assert rapidmask.mask_areas(rapidmask.rle_encode(MASKS)).tolist() == [40, 2800]
    assert rapidmask.polygons_to_masks([[[0, 0, 4, 0, 4, 4, 0, 4]]], (5, 5)).sum() == 16
    with refuses(ValueError, "label: connectivity must be 4 or 8 (images), 6, 18 or 26 (volumes), got 5"):
        rapidmask.label(MASKS, connectivity=5)


class Array:
    """An array with DLPack whose methods run code first."""

    def __init__(self, array, *, before=busy, device=None):
        self.array, self.before, self.device = array, before, device

    def __dlpack_device__(self):
        if self.device:
            self.device()
        return self.array.__dlpack_device__()

    def __dlpack__(self, **options):
        self.before()
        return self.array.__dlpack__(**options)


class Owner:
    """Memory whose end calls rapidmask."""

    freed = 0

    def __init__(self, array):
        self.kept = array
        self.__array_interface__ = array.__array_interface__

    def __del__(self):
        busy()
        Owner.freed += 1


FUNCTIONS = {
    "pack": rapidmask.pack,
    "label": rapidmask.label,
    "rle_encode": rapidmask.rle_encode,
    "mask_iou": rapidmask.mask_iou,
    "dilate": lambda masks: rapidmask.dilate(masks, rapidmask.square(3)),
    "threshold": lambda masks: rapidmask.threshold(masks, 0.5),
    "distance_transform": rapidmask.distance_transform,
    "masks_to_polygons": rapidmask.masks_to_polygons,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_calls_within_the_conversion_of_an_argument(threads, name):
    threads(2)
    expected = FUNCTIONS[name](MASKS)
    found = FUNCTIONS[name](Array(MASKS))
    assert repr(found) == repr(expected)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("strided", [False, True])
def test_calls_while_the_last_reference_to_an_argument_is_dropped(name, strided):
    expected = repr(FUNCTIONS[name](MASKS))
    before = Owner.freed
    for make in (lambda: np.asarray(Owner(MASKS.copy())), lambda: Array(np.asarray(Owner(MASKS.copy())), before=int)):
        given = make()
        if strided and isinstance(given, np.ndarray):
            given = given[..., ::1][:, ::-1][:, ::-1]
        holder = [given]
        del given
        found = FUNCTIONS[name](holder.pop())
        assert repr(found) == expected
        del found
    gc.collect()
    assert Owner.freed == before + 2


class OwnError(Exception):
    pass


def fail():
    raise OwnError("the array's own")


@pytest.mark.parametrize("error", [OwnError, KeyboardInterrupt, SystemExit, MemoryError])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_errors_of_arguments_are_handed_on(name, error):
    def before():
        raise error("the array's own")

    for given in (Array(MASKS, before=before), Array(MASKS, before=int, device=before)):
        with pytest.raises(error, match="the array's own"):
            FUNCTIONS[name](given)
    busy()


def test_subclasses_of_numpy_s_arrays_run_none_of_their_code():
    class Loud(np.ndarray):
        def __dlpack__(self, **options):
            raise OwnError

        def __array__(self, *arguments, **options):
            raise OwnError

        def __array_ufunc__(self, *arguments, **options):
            raise OwnError

    given = MASKS.view(Loud)
    for name, function in FUNCTIONS.items():
        assert repr(function(given)) == repr(function(MASKS)), name


class Number:
    """A coordinate or count whose conversion runs code."""

    def __init__(self, value, work):
        self.value, self.work = value, work

    def __float__(self):
        self.work()
        return float(self.value)

    def __index__(self):
        self.work()
        return int(self.value)


def test_numbers_that_call_while_they_are_read():
    ring = [Number(x, busy) for x in (0, 0, 4, 0, 4, 4, 0, 4)]
    assert rapidmask.polygons_to_masks([[ring]], (5, 5)).sum() == 16
    rle = {"size": [Number(2, busy), Number(3, busy)], "counts": [Number(2, busy), Number(4, busy)]}
    assert rapidmask.RLEMasks.from_coco([rle]).area().tolist() == [4]
    assert rapidmask.upsample_masks(np.ones((1, 2, 2), np.float32), (Number(3, busy), Number(4, busy))).sum() == 12


@pytest.mark.parametrize(
    "change", [list.clear, lambda numbers: numbers.extend([1] * 1000), lambda numbers: numbers.pop()]
)
def test_lists_that_change_while_they_are_read(change):
    def attempt(call):
        with contextlib.suppress(ValueError, TypeError):  # a refusal; or the list was read as it came to be
            call()
        busy()

    for place in range(6):
        counts = [1] * 6
        counts[place] = Number(1, lambda: change(counts))  # noqa: B023 - called at once
        attempt(lambda: rapidmask.RLEMasks.from_coco([{"size": [2, 3], "counts": counts}]))  # noqa: B023
        ring = [0.0, 0, 4, 0, 4, 4]
        ring[place] = Number(1, lambda: change(ring))  # noqa: B023
        attempt(lambda: rapidmask.polygons_to_masks([[ring]], (5, 5)))  # noqa: B023
        rings = [[0.0, 0, 4, 0, 4, 4]]
        rings[0][place] = Number(1, lambda: change(rings))  # noqa: B023
        attempt(lambda: rapidmask.polygons_to_masks([rings], (5, 5)))  # noqa: B023
    for place in range(2):
        size = [2, 3]
        size[place] = Number(2 + place, lambda: change(size))  # noqa: B023
        attempt(lambda: rapidmask.RLEMasks.from_coco([{"size": size, "counts": [6]}]))  # noqa: B023


INTERRUPTED = """
import signal, sys, time
import numpy as np, rapidmask
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a job in the background inherits as ignored
masks = np.random.default_rng(0).random((4, 1500, 1500)) < 0.5
expected = rapidmask.label(masks[:1]).max()
print("ready", flush=True)
calls = 0
begin = time.monotonic()
try:
    while time.monotonic() - begin < 30:
        rapidmask.label(masks)
        calls += 1
except KeyboardInterrupt:
    assert rapidmask.label(masks[:1]).max() == expected
    print("interrupted", flush=True)
    sys.exit(3)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
def test_an_interrupt_is_raised_between_calls_and_leaves_everything_usable():
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline().strip() == "ready"
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (out.strip(), process.returncode) == ("interrupted", 3), err


def test_signals_of_other_kinds_do_not_end_a_call_early():
    program = """
import signal, sys
import numpy as np, rapidmask
rapidmask.set_num_threads(3)
seen = []
signal.signal(signal.SIGALRM, lambda *arguments: seen.append(1))
masks = np.random.default_rng(0).random((4, 500, 500)) < 0.5
expected = rapidmask.label(masks)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
for _ in range(20):
    assert (rapidmask.label(masks) == expected).all()
signal.setitimer(signal.ITIMER_REAL, 0)
print(len(seen) > 0)
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert ran.stdout.strip() == "True", ran.stderr
