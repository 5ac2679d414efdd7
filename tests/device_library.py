"""A library of arrays on a device that is emulated: what the public functions do for CuPy's, without a GPU.

`emulated_device` lets the emulator's kernels serve arrays "on the device", puts this library in CuPy's place and counts
what crosses between host and device: the modules' own copies and synchronisations, as the emulator notes them, and
those that reading an array from Python causes.
"""

import contextlib
import ctypes
import sys
import types
from collections import Counter

import numpy as np
import pytest

from rapidmask import _dispatch, _emu

_CUDA = 2  # DLPack's number

_pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
_pointer_of.restype, _pointer_of.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]


class Library:
    """What CuPy keeps: the current stream, and here what was copied and for which streams arrays were asked."""

    def __init__(self):
        self.stream = 0
        self.crossings = Counter()
        self.asked_streams = []
        self.allocated = []

    def to_host(self, memory):
        """Copy to the host, for which the caller waits."""
        self.crossings.update(to_host=1, synchronize=1)
        return memory.copy()

    def to_device(self, values):
        """Copy from the host, for which nobody waits."""
        self.crossings.update(to_device=1)
        return DeviceArray(np.array(values, order="C"), self)


def _own(value):
    return value.memory if isinstance(value, DeviceArray) else value


class DeviceArray:
    """An array of which Python sees shape and type, but no values without a copy to the host."""

    __array_priority__ = 100

    def __init__(self, memory, library):
        self.memory = memory
        self.library = library

    shape = property(lambda self: self.memory.shape)
    dtype = property(lambda self: self.memory.dtype)
    ndim = property(lambda self: self.memory.ndim)
    device = "emulated"

    @property
    def __cuda_array_interface__(self):
        return BareArray(self.memory, self.library.stream or 1).__cuda_array_interface__

    def __dlpack_device__(self):
        return _CUDA, 0

    def __dlpack__(self, *, max_version=None, stream=None, **_):
        self.library.asked_streams.append(stream)
        capsule = self.memory.__dlpack__()
        address = _pointer_of(capsule, b"dltensor")
        ctypes.c_int32.from_address(address + 8).value = _CUDA  # the device's type, after the pointer to the data
        return capsule

    def get(self):
        return self.library.to_host(self.memory)

    def _scalar(self):
        return self.library.to_host(self.memory).item()

    def item(self):
        return self._scalar()

    def __bool__(self):
        return bool(self._scalar())

    def __int__(self):
        return int(self._scalar())

    def __index__(self):
        return self._scalar().__index__()

    def __float__(self):
        return float(self._scalar())

    def __len__(self):
        return len(self.memory)

    def __getitem__(self, index):
        if isinstance(index, np.ndarray):
            self.library.crossings.update(to_device=1)  # of the indices
        return DeviceArray(np.asarray(self.memory[_own(index)]), self.library)

    def __setitem__(self, index, value):
        if isinstance(value, np.ndarray):
            self.library.crossings.update(to_device=1)
        self.memory[_own(index)] = _own(value)

    def view(self, dtype):
        return DeviceArray(self.memory.view(dtype), self.library)

    def __deepcopy__(self, memo):
        return DeviceArray(self.memory.copy(), self.library)

    def reshape(self, *shape):
        return DeviceArray(self.memory.reshape(*shape), self.library)

    def astype(self, dtype):
        return DeviceArray(self.memory.astype(dtype), self.library)

    def all(self):
        return DeviceArray(np.asarray(self.memory.all()), self.library)

    def max(self):
        return DeviceArray(np.asarray(self.memory.max()), self.library)

    def min(self):
        return DeviceArray(np.asarray(self.memory.min()), self.library)

    def any(self):
        return DeviceArray(np.asarray(self.memory.any()), self.library)


DeviceArray.__module__ = "cupy"


def _delegate(name):
    def apply(self, *others):
        return DeviceArray(getattr(self.memory, name)(*map(_own, others)), self.library)

    return apply


_OPERATORS = ("and", "or", "xor", "sub", "add", "mul", "truediv", "eq", "ne", "gt", "lt", "ge", "le")
_UNARY_AND_REFLECTED = ("__invert__", "__neg__", "__rsub__", "__rmul__", "__ror__", "__rand__")
for _name in (*(f"__{name}__" for name in _OPERATORS), *_UNARY_AND_REFLECTED):
    setattr(DeviceArray, _name, _delegate(_name))


class BareArray:
    """An array that has nothing but `__cuda_array_interface__`, which may tell a stream."""

    def __init__(self, memory, stream=None):
        self.memory = memory
        self.stream = stream

    shape = property(lambda self: self.memory.shape)
    dtype = property(lambda self: self.memory.dtype)

    @property
    def __cuda_array_interface__(self):
        interface = dict(self.memory.__array_interface__, version=3)
        interface.pop("descr", None)
        return interface | ({"stream": self.stream} if self.stream is not None else {})


def _as_memory(given):
    return given.memory if hasattr(given, "memory") else np.asarray(given)


def _cupy(library):
    module = types.ModuleType("cupy")

    def empty(shape, dtype):
        library.allocated.append(library.stream)
        return DeviceArray(np.empty(shape, dtype), library)

    def array(given, order="C", copy=True):
        return DeviceArray(np.array(_as_memory(given), order=order), library)

    def asarray(given):
        on_device = isinstance(given, (DeviceArray, BareArray))
        return DeviceArray(_as_memory(given), library) if on_device else library.to_device(given)

    @contextlib.contextmanager
    def entered(*_):
        yield

    @contextlib.contextmanager
    def from_external(stream):
        previous, library.stream = library.stream, stream.__cuda_stream__()[1]
        try:
            yield
        finally:
            library.stream = previous

    def current_stream():
        return types.SimpleNamespace(ptr=library.stream, synchronize=lambda: library.crossings.update(synchronize=1))

    runtime = types.SimpleNamespace(pointerGetAttributes=lambda pointer: types.SimpleNamespace(device=0))
    module.cuda = types.SimpleNamespace(
        Device=entered,
        Stream=types.SimpleNamespace(from_external=from_external),
        get_current_stream=current_stream,
        runtime=runtime,
    )
    module.ndarray = DeviceArray
    module.concatenate = lambda arrays: DeviceArray(np.concatenate([array.memory for array in arrays]), library)
    module.empty, module.array, module.asarray, module.from_dlpack = empty, array, asarray, asarray
    module.is_available = lambda: True
    module.asnumpy = lambda given: library.to_host(_as_memory(given))
    return module


class Device:
    """What puts NumPy's arrays, and those of containers, on a device by a function."""

    def __init__(self, put_array):
        self._put_array = put_array

    def put(self, value):
        if isinstance(value, np.ndarray):
            return self._put_array(value)
        if hasattr(value, "data"):
            return type(value)._wrap(self.put(value.data), value.size)
        return type(value)._wrap(self.put(value.counts), self.put(value.offsets), value.size)


class EmulatedDevice(Device):
    """The library, and what was asked of the device."""

    def __init__(self, library):
        super().__init__(lambda array: DeviceArray(array.copy(), library))
        self.library = library

    def activity(self, call):
        """How often a call asked what of the device; a kernel is a "launch"."""
        self.library.crossings.clear()
        _emu.record_activity(True)
        try:
            call()
        finally:
            _emu.record_activity(False)
        return Counter(what for what, _, _ in _emu.activity()) + self.library.crossings


@contextlib.contextmanager
def emulated_device():
    """Within, arrays of this library lie on a device that the emulator serves."""
    library = Library()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "cupy", _cupy(library))
        patch.setattr(_dispatch, "_cuda", _emu)
        yield EmulatedDevice(library)
