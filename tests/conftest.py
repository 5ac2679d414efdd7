"""Every test body runs on every backend, at every instruction level where it asks for them.

`backend` lets one compiled module after the other serve the NumPy arrays that a test passes: `_cpu`; `_emu`, whose
kernels are the CUDA ones run by the emulator; and `_cuda` where there is a device, with copies to it and back.
"""

import functools
import gc
import importlib.util
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for `reference` and `inputs`


def load(name, path):
    """Load a module of the package from a file, in place of the installed one."""
    spec = importlib.util.spec_from_file_location(name, path)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if path := os.environ.get("RAPIDMASK_TEST_CPU"):  # a build of `_cpu` to test
    load("rapidmask._cpu", path)

import rapidmask  # noqa: E402 - after the module to test
from rapidmask import _dispatch  # noqa: E402

rapidmask._cpu = sys.modules["rapidmask._cpu"]
if path := os.environ.get("RAPIDMASK_TEST_EMULATOR"):  # a build of `_emu` to test
    rapidmask._emu = load("rapidmask._emu", path)
elif importlib.util.find_spec("rapidmask._emu") is None:
    raise pytest.UsageError(
        "the tests need the emulator: install with "
        "--config-settings=cmake.define.RAPIDMASK_EMULATOR=ON, as in the README"
    )


def pytest_collection_modifyitems(config, items):
    """Mark what repeats itself at every instruction level, and leave out kernels but at one: they are of none."""
    kept, dropped = [], []
    for item in items:
        if "isa" in getattr(item, "fixturenames", ()):
            item.add_marker("levels")
        chosen = item.callspec.params if hasattr(item, "callspec") else {}
        kernels = chosen.get("backend", "cpu") != "cpu"
        (dropped if kernels and chosen.get("isa", rapidmask.isa()) != rapidmask.isa() else kept).append(item)
    config.hook.pytest_deselected(items=dropped)
    items[:] = kept


def pytest_collection_finish():
    """Let the garbage collector leave alone what will be there to the end: it looks at a million objects otherwise."""
    gc.collect()
    gc.freeze()


def equal_first(assert_array_equal):
    """Return the assertion, which asks in the shortest way first: its own takes a tenth of the time of all tests."""

    @functools.wraps(assert_array_equal)
    def check(actual, desired, *arguments, **options):
        arrays = type(actual) is type(desired) is np.ndarray
        if options.get("strict") or not arrays or actual.shape != desired.shape or not (actual == desired).all():
            assert_array_equal(actual, desired, *arguments, **options)

    return check


np.testing.assert_array_equal = equal_first(np.testing.assert_array_equal)
HAS_DEVICE = bool(rapidmask.cuda_status()["devices"])


class OnDevice:
    """The functions of `_cuda` for NumPy arrays and torch's on the host, which travel to the device and back."""

    with_out = (  # whose last argument may be out=
        "clean_scores", "clear_border", "component_areas", "decode_prototypes", "distance_transform", "fill_holes",
        "keep_largest", "label", "label_values", "morphology", "non_overlapping", "paint_masks", "panoptic_merge",
        "paste_masks", "remove_small_holes", "remove_small_objects", "remove_small_regions", "rle_decode",
        "semantic_argmax", "threshold", "unpack", "upsample_masks",
    )  # fmt: skip

    def __init__(self):
        import torch

        self.module = importlib.import_module("rapidmask._cuda")
        self.torch = torch

    def moved(self, argument):
        """An array's copy on the device."""
        if isinstance(argument, np.ndarray):
            if argument.dtype.kind not in "biuf":  # which torch does not take, and the module refuses
                return argument
            return self.torch.from_numpy(np.array(argument)).cuda()
        return argument.clone().cuda() if isinstance(argument, self.torch.Tensor) else argument

    def __getattr__(self, name):
        function = getattr(self.module, name)

        def call(*arguments):
            arrays = [a for a in arguments if isinstance(a, (np.ndarray, self.torch.Tensor))]
            of_torch = any(isinstance(a, self.torch.Tensor) for a in arrays)

            def home(result):
                if result is None:
                    return None
                return result.cpu() if of_torch else result.cpu().numpy()

            moved = [self.moved(a) for a in arguments]
            result = function(*moved)
            if result is None:  # it changed what it was given
                for given, changed in zip(arguments, moved, strict=True):
                    if isinstance(given, np.ndarray) and given.flags.writeable:
                        given[...] = changed.cpu().numpy()
                return None
            parts = tuple(map(home, result)) if isinstance(result, tuple) else (home(result),)
            if name in self.with_out and arrays and arrays[-1] is arguments[-1]:
                arguments[-1][...] = parts[0]
                parts = (arguments[-1], *parts[1:])
            return parts if isinstance(result, tuple) else parts[0]

        return call


@pytest.fixture(params=["cpu", "emu", *(["cuda"] if HAS_DEVICE else [])])
def backend(request):
    """Name of the backend that serves NumPy arrays during the test."""
    if request.param == "cpu":
        yield "cpu"
        return
    if request.param == "cuda" and re.search("_out_.*refused", request.node.originalname):
        pytest.skip("what travels to the device is a copy, with a layout of its own")
    if request.param == "cuda" and request.path.stem == "test_arrays":
        pytest.skip("asks which arrays of the host are taken, and those do not travel")
    module = OnDevice() if request.param == "cuda" else importlib.import_module("rapidmask._emu")
    with _dispatch.serve_host_memory_by(module):
        yield request.param


@pytest.fixture(params=["emu", *(["cuda"] if HAS_DEVICE else [])])
def kernels(request):
    """The module whose kernels serve NumPy arrays, where a test names it: the emulator's, then the device's."""
    return OnDevice() if request.param == "cuda" else importlib.import_module("rapidmask._emu")


@pytest.fixture(params=rapidmask.isa_levels())
def isa(request):
    """Name of the instruction level in use during the test."""
    previous = rapidmask.isa()
    rapidmask.set_isa(request.param)
    yield request.param
    rapidmask.set_isa(previous)


@pytest.fixture
def levels():
    """Set one instruction level after the other, for tests whose expected results take long to find."""

    def each():
        for level in rapidmask.isa_levels():
            rapidmask.set_isa(level)
            yield level

    previous = rapidmask.isa()
    yield each
    rapidmask.set_isa(previous)


@pytest.fixture
def threads():
    """Set the number of threads, which is put back after the test."""
    previous = rapidmask.get_num_threads()
    yield rapidmask.set_num_threads
    rapidmask.set_num_threads(previous)


@pytest.fixture
def rng(request):
    """A random generator whose seed is the test's name, so that failures repeat."""
    return np.random.default_rng(list(request.node.name.encode()))
