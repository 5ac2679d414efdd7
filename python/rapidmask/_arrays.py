"""What the libraries that arrays come from can do, asked through their Python interfaces.

The compiled modules read NumPy arrays and, through DLPack's C exchange API, torch tensors by themselves. They come here
for what is rare or what only the library can do: a contiguous copy, a new array, the current stream.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import numpy as np
import numpy.typing as npt

Array = Any  # of NumPy, torch, CuPy or any library with DLPack
HostArray = npt.NDArray[Any]

_DLPACK_CUDA = 2
_DLPACK_CUDA_MANAGED = 13


def _cupy() -> Any:
    try:
        import cupy
    except ImportError as error:
        raise NotImplementedError(
            "rapidmask makes results on a CUDA device with CuPy where the array is not torch's: install it"
        ) from error
    return cupy


def is_on_cuda(array: Array) -> bool:
    """Whether the array's memory is that of a CUDA device."""
    if isinstance(array, np.ndarray):
        return False
    is_cuda = getattr(array, "is_cuda", None)  # torch: an attribute, an order of magnitude faster than DLPack's method
    if is_cuda is not None:
        return bool(is_cuda)
    if hasattr(array, "__dlpack_device__"):
        return array.__dlpack_device__()[0] in (_DLPACK_CUDA, _DLPACK_CUDA_MANAGED)
    return hasattr(array, "__cuda_array_interface__")


def with_shape(array: Array) -> Array:
    """Return the array, as one of NumPy where it has `__dlpack__` alone and so does not tell its shape."""
    if hasattr(array, "shape") or not hasattr(array, "__dlpack__") or is_on_cuda(array):
        return array
    return np.from_dlpack(array)


def native_byte_order(array: HostArray) -> HostArray:
    """Return a copy of the array in the processor's byte order."""
    return array.astype(array.dtype.newbyteorder("="))


def contiguous_copy(array: Array) -> Array:
    """Return a C-contiguous, aligned copy, of the same library or in host memory of NumPy."""
    if isinstance(array, np.ndarray):
        return array.copy(order="C")
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(array, torch.Tensor):
        return array.clone(memory_format=torch.contiguous_format)
    if is_on_cuda(array):
        with _working_on(array) as cupy:
            copy = cupy.array(_as_cupys(cupy, array), order="C", copy=True)
            if not _is_cupys(array):  # whose memory may be another's once the call ends
                cupy.cuda.get_current_stream().synchronize()
        return copy
    return np.array(np.from_dlpack(array), order="C", copy=True)


def dlpack_capsule(array: Array) -> Any:
    """Return the array's DLPack capsule, of version 1 where the library has it."""
    if hasattr(array, "detach"):  # torch
        array = array.detach()
    # The stream that it is to be ready on; 1 is CUDA's default.
    arguments = {"stream": ready_on(array)[0] or 1} if is_on_cuda(array) else {}
    try:
        return array.__dlpack__(max_version=(1, 3), **arguments)
    except TypeError:
        return array.__dlpack__(**arguments)


def takes_numpy(like: Array) -> bool:
    """Whether the library of an array in host memory takes NumPy's without a copy."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(like, torch.Tensor)


def from_numpy(like: Array, array: HostArray) -> Array:
    """Return a NumPy array as one of the library of ``like``, or as it is where that library cannot hold it.

    That takes none, or has no such type: JAX makes 32 bits of 64 unless told otherwise, whatever the values are.
    """
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(like, torch.Tensor):
        return torch.from_numpy(array)
    namespace = getattr(like, "__array_namespace__", None)
    if namespace is None:
        return array
    library = namespace()
    converted = library.from_dlpack(array) if hasattr(library, "from_dlpack") else library.asarray(array)
    size = getattr(getattr(converted, "dtype", array.dtype), "itemsize", array.itemsize)
    return converted if size == array.itemsize else array


def empty(like: Array, shape: tuple[int, ...], dtype: str) -> Array:
    """Return a new, uninitialised array of the library and device of ``like``."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(like, torch.Tensor):
        try:
            return torch.empty(shape, dtype=getattr(torch, dtype), device=like.device)
        except torch.cuda.OutOfMemoryError as error:
            raise MemoryError(str(error)) from None
    with _working_on(like) as cupy:
        return cupy.empty(shape, dtype=dtype)


def cuda_device(array: Array) -> int:
    """Return the index of the CUDA device that holds the array."""
    if hasattr(array, "__dlpack_device__"):
        return int(array.__dlpack_device__()[1])
    cupy = _cupy()
    pointer = array.__cuda_array_interface__["data"][0]
    return int(cupy.cuda.runtime.pointerGetAttributes(pointer).device) if pointer else 0


_stream: ContextVar[int | None] = ContextVar("rapidmask stream", default=None)


@contextlib.contextmanager
def use_stream(stream: Any) -> Iterator[None]:
    """Within, let a stream of CUDA work on arrays of all libraries but torch: CuPy's current stream, for one.

    Parameters
    ----------
    stream : int or object
        The address of a stream, or what has one: ``__cuda_stream__`` (CUDA's Python libraries), ``cuda_stream``
        (torch) or ``ptr`` (CuPy).

    Returns
    -------
    context manager
        Which holds for the thread, or task, that enters it, and for the device that is current there.

    Raises
    ------
    TypeError
        If it is neither.

    Notes
    -----
    Arrays of torch and CuPy follow the current stream of their library, as everything else done with them; use
    ``torch.cuda.stream`` for torch's. Results for arrays of other libraries are CuPy's, and so kernels run on its
    current stream. They come after what was queued on the stream that an array's ``__cuda_array_interface__`` tells,
    and before what is queued on it later. Where an array tells none, it is taken to be ready on this stream, and
    without `use_stream` on the default stream; a call then ends when its kernels have, since nothing else keeps the
    memory from being used anew.

    Examples
    --------
    >>> import rapidmask
    >>> with rapidmask.use_stream(0):
    ...     pass
    """
    given = stream
    if hasattr(stream, "__cuda_stream__"):
        given = stream.__cuda_stream__()[1]
    elif not isinstance(stream, int):
        given = getattr(stream, "cuda_stream", getattr(stream, "ptr", None))
    if not isinstance(given, int):
        raise TypeError(f"use_stream: stream must be an integer or have one, got {stream!r}")
    token = _stream.set(given)
    try:
        with _current_in_cupy(given):
            yield
    finally:
        _stream.reset(token)


class _Stream:
    """A stream by its address, in CUDA's protocol."""

    def __init__(self, address: int) -> None:
        self._address = address

    def __cuda_stream__(self) -> tuple[int, int]:
        return 0, self._address


def _current_in_cupy(stream: int) -> contextlib.AbstractContextManager[Any]:
    """Within, a stream is CuPy's current one, where CuPy is installed and finds a device."""
    try:
        import cupy
    except ImportError:
        return contextlib.nullcontext()
    if not cupy.is_available():
        return contextlib.nullcontext()
    from_external = getattr(cupy.cuda.Stream, "from_external", None)  # since CuPy 14, which deprecates ExternalStream
    entered: contextlib.AbstractContextManager[Any]
    entered = from_external(_Stream(stream)) if from_external else cupy.cuda.ExternalStream(stream)
    return entered


def _is_cupys(array: Array) -> bool:
    return type(array).__module__.partition(".")[0] == "cupy"


def _as_cupys(cupy: Any, array: Array) -> Array:
    """Return an array on a device as CuPy's, without a copy."""
    if _is_cupys(array):
        return array
    return cupy.from_dlpack(array) if hasattr(array, "__dlpack__") else cupy.asarray(array)


@contextlib.contextmanager
def _working_on(array: Array) -> Iterator[Any]:
    """Within, what CuPy copies and allocates belongs to the array's device."""
    cupy = _cupy()
    with cupy.cuda.Device(cuda_device(array)):
        yield cupy


def current_stream(array: Array) -> int:
    """Return the address of the stream that kernels for an array run on: that of the library of their results."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(array, torch.Tensor):
        return int(torch.cuda.current_stream(array.device).cuda_stream)
    with _working_on(array) as cupy:
        return int(cupy.cuda.get_current_stream().ptr)


def ready_on(array: Array) -> tuple[int, bool]:
    """Return the stream that an array's content is ready on, and whether calls must wait for their kernels to end.

    torch and CuPy give memory that was let go to what they queue later, after the kernels. So does the stream that an
    array tells; but not a library that tells none, of which JAX's own streams heed no other.
    """
    torch = sys.modules.get("torch")
    if _is_cupys(array) or (torch is not None and isinstance(array, torch.Tensor)):
        return current_stream(array), False
    if not hasattr(array, "__dlpack__") and (told := array.__cuda_array_interface__.get("stream")):
        return int(told), False
    chosen = _stream.get()
    return (1, True) if chosen is None else (chosen, False)


def of_results(array: Array) -> Array:
    """Return an array as one of the library of its results, which has what arrays can do, without a copy."""
    torch = sys.modules.get("torch")
    if not is_on_cuda(array) or (torch is not None and isinstance(array, torch.Tensor)):
        return array
    with _working_on(array) as cupy:
        return _as_cupys(cupy, array)


def reshaped(array: Array, shape: tuple[int, ...]) -> Array:
    """Return the array with another shape of as many elements."""
    if hasattr(array, "reshape"):
        return array.reshape(shape)
    return array.__array_namespace__().reshape(array, shape)


def astype(array: Array, dtype: str) -> Array:
    """Return the array with elements of another type, of the same library and device."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(array, torch.Tensor):
        return array.to(getattr(torch, dtype))
    if not is_on_cuda(array):
        return np.asarray(to_host(array), dtype=dtype)
    return of_results(array).astype(dtype)


def as_type(array: Array, dtype: str, *, only: tuple[str, ...] = ()) -> Array:
    """Return an array as one of that type; of other types than ``only`` or numbers it is left to be refused."""
    array = with_shape(array)
    given = getattr(array, "dtype", dtype)
    name = getattr(given, "name", None) or str(given).rpartition(".")[2]
    if (name == dtype and getattr(given, "isnative", True)) or (only and name not in only):
        return array
    return astype(array, dtype) if name.startswith(("int", "uint", "float", "bfloat")) else array


def to_float64(array: Array) -> Array:
    """Return the array with elements of float64, of the same library and device."""
    return astype(array, "float64")


def to_host(array: Array) -> HostArray:
    """Return the array as a NumPy array, copied from its device where it is not in host memory."""
    if isinstance(array, (np.ndarray, np.generic)):
        return np.asarray(array)
    if hasattr(array, "detach"):  # torch
        return np.asarray(array.detach().cpu())
    if is_on_cuda(array):
        with _working_on(array) as cupy:
            return np.asarray(cupy.asnumpy(_as_cupys(cupy, array)))
    return np.asarray(np.from_dlpack(array))


def viewed(array: Array, dtype: str) -> Array:
    """Return the memory of an array of bytes as one of another type."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(array, torch.Tensor):
        return array.view(getattr(torch, dtype))
    return array.view(dtype)


def moved(array: Array, device: Any) -> Array:
    """Return the array on another device, as `PackedMasks.to` describes."""
    torch = sys.modules.get("torch")
    name = str(device)
    if torch is not None and isinstance(array, torch.Tensor):
        return array.to(device)
    kind, _, number = name.partition(":")
    if kind == "cpu":
        return to_host(array)
    if kind != "cuda" or not (number.isdigit() or not number):
        raise ValueError(f"to: device must be 'cpu', 'cuda' or 'cuda:N', got {device!r}")
    if torch is not None and not is_on_cuda(array):
        return torch.from_numpy(np.array(array)).to(device)
    cupy = _cupy()
    with cupy.cuda.Device(int(number)) if number else contextlib.nullcontext():
        return cupy.asarray(array)


def to_host_at_once(*arrays: Array) -> list[HostArray]:
    """Return arrays of float64, integers or bool, with one copy where they are on a device; there as 64 bits each."""
    if not is_on_cuda(arrays[0]):
        return [to_host(array) for array in arrays]
    torch = sys.modules.get("torch")
    words = [viewed(array, "int64") if "float64" in str(array.dtype) else astype(array, "int64") for array in arrays]
    of_torch = torch is not None and isinstance(arrays[0], torch.Tensor)
    join: Any = torch.cat if torch is not None and of_torch else _cupy().concatenate
    flat = [word.reshape(-1) for word in words]
    joined = to_host(join(flat))
    parts = np.split(joined, np.cumsum([len(one) for one in flat[:-1]]))
    return [
        (part.view(np.float64) if "float64" in str(array.dtype) else part).reshape(tuple(array.shape))
        for part, array in zip(parts, arrays, strict=True)
    ]


def joined(arrays: list[Array]) -> Array:
    """Return arrays of one library and device one after the other, along the first axis."""
    torch = sys.modules.get("torch")
    if isinstance(arrays[0], np.ndarray):
        return np.concatenate(arrays)
    if torch is not None and isinstance(arrays[0], torch.Tensor):
        return torch.cat(arrays)
    if is_on_cuda(arrays[0]):
        with _working_on(arrays[0]) as cupy:
            return cupy.concatenate(arrays)
    return like(arrays[0], np.concatenate([to_host(array) for array in arrays]))


def like(array: Array, values: HostArray) -> Array:
    """Return NumPy values as an array of the library and device of ``array``."""
    if isinstance(array, np.ndarray):
        return values
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(array, torch.Tensor):
        return torch.from_numpy(values).to(array.device)
    if is_on_cuda(array):
        with _working_on(array) as cupy:
            return cupy.asarray(values)
    return from_numpy(array, values)
