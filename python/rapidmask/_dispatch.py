"""Which compiled module serves an array: ``_cpu`` for host memory, ``_cuda`` for that of a device.

Both have the same functions with the same arguments, so that choosing the module is all there is to dispatch.
``_cuda`` is imported with the first array that needs it.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np

from . import _cpu
from ._arrays import Array, is_on_cuda

_host: Any = _cpu  # what serves host memory; the tests put the emulated kernels here
_cuda: ModuleType | None = None


def backend(array: Array) -> Any:
    """Return the module whose kernels read the array's memory."""
    if type(array) is np.ndarray or not is_on_cuda(array):
        return _host
    return _cuda_module()


def host_backend(function: str, array: Array) -> Any:
    """Return the module for host memory, for a function that has no kernels for a device."""
    if type(array) is not np.ndarray and is_on_cuda(array):
        raise NotImplementedError(f"{function}: there is no CUDA version yet; copy the input to the host first")
    return _cpu


def _cuda_module() -> ModuleType:
    global _cuda
    if _cuda is None:
        try:
            _cuda = importlib.import_module("rapidmask._cuda")
        except ModuleNotFoundError as error:
            raise NotImplementedError(
                "rapidmask was built without CUDA, so that it cannot serve arrays on a device: reinstall it where nvcc "
                "is found, or copy the input to the host first"
            ) from error
    return _cuda


@contextlib.contextmanager
def serve_host_memory_by(module: Any) -> Iterator[None]:
    """Let another module with the same functions serve host arrays, for tests."""
    global _host
    previous, _host = _host, module
    try:
        yield
    finally:
        _host = previous


def cuda_status() -> dict[str, Any]:
    """Return whether CUDA support was built, the devices seen and why there are none.

    Returns
    -------
    dict
        ``built`` (bool), ``devices`` (list of names), ``error`` (CUDA's text, or None).
    """
    try:
        module = _cuda_module()
    except NotImplementedError:
        return {"built": False, "devices": [], "error": None}
    except ImportError as broken:
        return {"built": True, "devices": [], "error": str(broken)}
    devices, error = module.devices()
    return {"built": True, "devices": devices, "error": error}
