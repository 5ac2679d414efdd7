"""Every test body runs on every backend, at every instruction level where it asks for them.

`backend` lets one compiled module after the other serve the NumPy arrays that a test passes: `_cpu`; `_emu`, whose
kernels are the CUDA ones run by the emulator; and `_cuda` where there is a device, with copies to it and back.
"""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for `reference` and `inputs`

import rapidmask
from rapidmask import _dispatch

if importlib.util.find_spec("rapidmask._emu") is None:
    raise pytest.UsageError(
        "the tests need the emulator: install with "
        "--config-settings=cmake.define.RAPIDMASK_EMULATOR=ON, as in the README"
    )

HAS_DEVICE = bool(rapidmask.cuda_status()["devices"])


class OnDevice:
    """The functions of `_cuda` for NumPy arrays, which travel to the device and back."""

    def __init__(self):
        import torch

        self.module = importlib.import_module("rapidmask._cuda")
        self.torch = torch

    def __getattr__(self, name):
        function = getattr(self.module, name)

        def call(*arguments):
            writes = name in ("unpack", "threshold", "morphology")
            outputs = [a for a in arguments[-1:] if isinstance(a, np.ndarray) and writes]
            moved = [self.torch.from_numpy(np.array(a)).cuda() if isinstance(a, np.ndarray) else a for a in arguments]
            result = function(*moved)
            if isinstance(result, tuple):
                return tuple(part.cpu().numpy() for part in result)
            host = result.cpu().numpy()
            for out in outputs:
                out[...] = host
            return host

        return call


@pytest.fixture(params=["cpu", "emu", *(["cuda"] if HAS_DEVICE else [])])
def backend(request):
    """Name of the backend that serves NumPy arrays during the test."""
    if request.param == "cpu":
        yield "cpu"
        return
    module = OnDevice() if request.param == "cuda" else importlib.import_module("rapidmask._emu")
    with _dispatch.serve_host_memory_by(module):
        yield request.param


@pytest.fixture(params=rapidmask.isa_levels())
def isa(request):
    """Name of the instruction level in use during the test."""
    previous = rapidmask.isa()
    rapidmask.set_isa(request.param)
    yield request.param
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
