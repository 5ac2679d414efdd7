"""The two compact forms of a batch of masks: one bit per pixel, and run lengths."""

from __future__ import annotations

import copy
import operator
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, SupportsIndex, TypeAlias, TypeGuard, TypeVar

import numpy as np
import numpy.typing as npt

from . import _arrays, _cpu, _dispatch
from ._arrays import Array, HostArray
from ._errors import integers_of, shown

Size: TypeAlias = tuple[int, int]
_LONG_RUNS = 32  # runs of a mask from which on it is copied by itself rather than run by run


def _as_size(function: str, size: Sequence[SupportsIndex]) -> Size:
    try:
        height, width = integers_of(size, 2)
    except (TypeError, ValueError):
        raise ValueError(f"{function}: size must be two integers (H, W), got {shown(size)}") from None
    if height < 0 or width < 0:
        raise ValueError(f"{function}: size must not be negative, got {(height, width)}")
    return height, width


class PackedMasks:
    """A batch of masks with one bit per pixel.

    Parameters
    ----------
    data : array of uint8, shape (N, H, S)
        The bits, in little order along the width: pixel ``x`` is bit ``x % 8`` of byte ``x // 8``. A row has
        ``S = 8 * ceil(W / 64)`` bytes; the bits past the width must be zero. Kept, not copied.
    size : (int, int)
        Height and width of each mask.

    Raises
    ------
    TypeError
        If ``data`` is no array of uint8.
    ValueError
        If its shape does not fit the size, or a bit past the width is set.

    Notes
    -----
    ``a & b``, ``a | b``, ``a ^ b``, ``a - b`` and ``~a`` work mask by mask; one mask serves all of the other side.
    Comparison with ``==`` tells whether size and all pixels agree. Memory is N·H·S bytes, an eighth of a dense mask.
    On a device the bits stay there; pickling goes through the host and comes back as NumPy.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> masks = rapidmask.pack(np.eye(3, dtype=bool)[None])
    >>> masks
    PackedMasks(1 masks of 3×3, numpy)
    >>> masks.area()
    array([3])
    """

    __slots__ = ("data", "size")
    __hash__ = None  # type: ignore[assignment]
    __array_ufunc__ = None  # so that NumPy's operators leave masks to those here

    data: Array
    size: Size

    def __init__(self, data: Array, size: Sequence[SupportsIndex]) -> None:
        height, width = _as_size("PackedMasks", size)
        stride = 8 * ((width + 63) // 64)
        shape = tuple(getattr(data, "shape", ()))
        if str(getattr(data, "dtype", "no array")).rpartition(".")[2] != "uint8":
            raise TypeError(
                f"PackedMasks: data must be an array of uint8, got {getattr(data, 'dtype', type(data).__name__)}"
            )
        if len(shape) != 3 or shape[1:] != (height, stride):
            raise ValueError(
                f"PackedMasks: data must have shape (N, {height}, {stride}) for size {(height, width)}, got {shape}"
            )
        self.data = data = _arrays.of_results(data)
        self.size = (height, width)
        if width % 64 and (_arrays.to_host(data[:, :, stride - 8 :]) & ~self._tail()[-8:]).any():
            raise ValueError("PackedMasks: the bits of data past the width must be zero, got some set")

    @classmethod
    def _wrap(cls, data: Array, size: Size) -> PackedMasks:
        """Make one of bits that are known to be right."""
        masks = cls.__new__(cls)
        masks.data = data
        masks.size = size
        return masks

    @classmethod
    def from_packbits(cls, array: npt.ArrayLike, width: int) -> PackedMasks:
        """Make packed masks of what ``numpy.packbits(masks, axis=-1, bitorder="little")`` gave.

        Parameters
        ----------
        array : array of uint8, shape (..., H, ceil(width / 8))
            The bits; those past the width are ignored.
        width : int
            The masks' width in pixels.

        Returns
        -------
        PackedMasks
            A copy, with rows padded to whole words.
        """
        bits = np.asarray(array)
        if bits.dtype != np.uint8:
            raise TypeError(f"from_packbits: array must be uint8, got {bits.dtype}")
        used = (width + 7) // 8
        if bits.ndim < 2 or width < 0 or bits.shape[-1] != used:
            raise ValueError(
                f"from_packbits: array must have shape (..., H, {used}) for a width of {width}, got {bits.shape}"
            )
        height = bits.shape[-2]
        count = int(np.prod(bits.shape[:-2]))
        data = np.zeros((count, height, 8 * ((width + 63) // 64)), np.uint8)
        data[:, :, :used] = bits.reshape(count, height, used)
        masks = cls._wrap(data, (height, width))
        data &= masks._tail()
        return masks

    @classmethod
    def concatenate(cls, batches: Iterable[PackedMasks]) -> PackedMasks:
        """Return the masks of several batches in one, one batch after the other.

        Parameters
        ----------
        batches : iterable of PackedMasks
            At least one, all of one size, library and device.

        Returns
        -------
        PackedMasks
            A copy.

        Raises
        ------
        TypeError
            If one of them is no PackedMasks, or of another library.
        ValueError
            If there is none, or sizes differ.
        """
        listed = _batches("PackedMasks", batches, cls)
        return cls._wrap(_arrays.joined([batch.data for batch in listed]), listed[0].size)

    def _tail(self) -> npt.NDArray[np.uint8]:
        """Return the bytes of a row whose every pixel is set."""
        width = self.size[1]
        row = np.zeros(8 * ((width + 63) // 64), np.uint8)
        row[: width // 8] = 255
        if width % 8:
            row[width // 8] = (1 << width % 8) - 1
        return row

    def __len__(self) -> int:
        return int(self.data.shape[0])

    def __getitem__(self, index: Any) -> PackedMasks:
        """Return the masks that an integer (a batch of one), slice, boolean array or list of integers selects."""
        if _is_number(index):
            i = index.__index__()
            if not -len(self) <= i < len(self):
                raise IndexError(f"PackedMasks: index must be within {len(self)} masks, got {i}")
            i %= len(self)
            index = slice(i, i + 1)
        elif not isinstance(index, slice):
            index = _mask_index("PackedMasks", index, len(self))
        elif (index.step or 1) < 0:
            index = np.arange(len(self))[index].copy()  # torch has no such slices
        return PackedMasks._wrap(self.data[index], self.size)

    def take(self, indices: Array) -> PackedMasks:
        """Return the masks of some indices, without waiting for a device that has them.

        Parameters
        ----------
        indices : array of integers, shape (K,)
            Below the number of masks, in the library and on the device of these. A negative one stands for an empty
            mask, as past the last of those that `mask_nms` gives with ``max_output``.

        Returns
        -------
        PackedMasks
            K masks.
        """
        if len(self) == 0:  # then there is but the empty mask
            rows = np.zeros((len(indices), *self.data.shape[1:]), np.uint8)
            return PackedMasks._wrap(_arrays.like(self.data, rows), self.size)
        indices = _arrays.of_results(indices)
        exists = indices >= 0
        return PackedMasks._wrap(self.data[indices * exists] * exists[:, None, None], self.size)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> HostArray:
        raise TypeError("PackedMasks: masks must be unpacked to be an array: to_dense()")

    def __iter__(self) -> Iterator[PackedMasks]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        return f"PackedMasks({len(self)} masks of {self.size[0]}×{self.size[1]}, {_place(self.data)})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PackedMasks):
            return NotImplemented
        return self.size == other.size and len(self) == len(other) and bool((self.data == other.data).all())

    def __reduce__(self) -> tuple[Any, ...]:
        return PackedMasks._wrap, (np.ascontiguousarray(_arrays.to_host(self.data)), self.size)

    def __copy__(self) -> PackedMasks:
        return PackedMasks._wrap(self.data, self.size)

    def __deepcopy__(self, memo: dict[int, Any]) -> PackedMasks:
        return PackedMasks._wrap(copy.deepcopy(self.data, memo), self.size)

    def _check(self, other: object, operator: str) -> None:
        if not isinstance(other, PackedMasks):
            raise TypeError(f"PackedMasks {operator}: the other side must be PackedMasks, got {type(other).__name__}")
        if type(self.data) is not type(other.data):
            raise TypeError(
                f"PackedMasks {operator}: both sides must be of one library, got {_place(self.data)} and "
                f"{_place(other.data)}"
            )
        if self.size != other.size:
            raise ValueError(f"PackedMasks {operator}: sizes must agree, got {self.size} and {other.size}")
        if len(self) != len(other) and 1 not in (len(self), len(other)):
            raise ValueError(
                f"PackedMasks {operator}: both sides must hold as many masks, or one, got {len(self)} and {len(other)}"
            )

    def __and__(self, other: PackedMasks) -> PackedMasks:
        self._check(other, "&")
        return PackedMasks._wrap(self.data & other.data, self.size)

    def __or__(self, other: PackedMasks) -> PackedMasks:
        self._check(other, "|")
        return PackedMasks._wrap(self.data | other.data, self.size)

    def __xor__(self, other: PackedMasks) -> PackedMasks:
        self._check(other, "^")
        return PackedMasks._wrap(self.data ^ other.data, self.size)

    def __sub__(self, other: PackedMasks) -> PackedMasks:
        self._check(other, "-")
        return PackedMasks._wrap(self.data & ~other.data, self.size)

    def __invert__(self) -> PackedMasks:
        row = self._tail()
        if isinstance(self.data, np.ndarray):
            return PackedMasks._wrap(self.data ^ row, self.size)
        data = ~self.data
        used = (self.size[1] + 7) // 8
        data[:, :, used:] = 0  # numbers, which go to a device without a copy of the host's
        if self.size[1] % 8:
            data[:, :, used - 1] &= int(row[used - 1])
        return PackedMasks._wrap(data, self.size)

    def area(self) -> Array:
        """Return the number of pixels of each mask, int64 (N,)."""
        return _dispatch.backend(self.data).mask_areas(self.data, self.size[1])

    def boxes(self) -> Array:
        """Return the bounding box (x0, y0, x1, y1) of each mask, half-open, int64 (N, 4); zeros for an empty mask."""
        return _dispatch.backend(self.data).masks_to_boxes(self.data, self.size[1])

    def to_dense(self, dtype: npt.DTypeLike = bool) -> Array:
        """Return the masks as an array (N, H, W).

        Parameters
        ----------
        dtype : bool or uint8
            Type of the array; its values are 0 and 1.
        """
        as_bool = _wants_bool("to_dense", dtype)
        return _dispatch.backend(self.data).unpack(self.data, self.size[1], as_bool, None)

    def to(self, device: Any) -> PackedMasks:
        """Return the masks on another device.

        Parameters
        ----------
        device : str or torch.device
            "cpu", "cuda" or "cuda:N".

        Returns
        -------
        PackedMasks
            Arrays of torch stay torch's. Others come to the host as NumPy's, and go to a device as torch's where that
            is imported and as CuPy's where not.
        """
        return PackedMasks._wrap(_arrays.moved(self.data, device), self.size)

    def cpu(self) -> PackedMasks:
        """Return the masks in host memory, as `to` does."""
        return self.to("cpu")

    def cuda(self, device: int | None = None) -> PackedMasks:
        """Return the masks on a CUDA device, as `to` does.

        Parameters
        ----------
        device : int, optional
            Its number, the current one by default.
        """
        return self.to("cuda" if device is None else f"cuda:{device}")

    def to_packed(self) -> PackedMasks:
        """Return these masks themselves."""
        return self

    def to_rle(self, *, capacity: int | None = None) -> RLEMasks:
        """Return the masks as run lengths, on the same device.

        Parameters
        ----------
        capacity : int, optional
            As `rle_encode` takes it.
        """
        return encoded(self.data, self.size[1], self.size, capacity, "rle_encode")


class RLEMasks:
    """A batch of masks as COCO's run lengths.

    Parameters
    ----------
    counts : array of uint32
        The runs of all masks, one after the other. Pixels are read column by column; the first run of a mask counts
        background and may be 0.
    offsets : array of int64, shape (N + 1,)
        Where the runs of each mask begin; the last is ``len(counts)``.
    size : (int, int)
        Height and width of each mask.

    Raises
    ------
    TypeError, ValueError
        If the arrays have other types, or the runs of a mask do not add up to H·W.

    Notes
    -----
    Runs are kept in canonical form, in which no run but the first is empty: other runs are rewritten, so that equal
    masks have equal runs. Set operations as for `PackedMasks`: on the host on the runs, on a device by way of bits.
    Memory is 4 bytes a run and 8 a mask.

    Masks that were encoded on a device with a capacity may have more counts than runs, and their last offset more runs
    than counts: then the last masks are cut short, which `overflowed` tells on the device and everything that comes to
    the host (`to`, `to_coco`, ``==``, indexing, pickling) raises as ValueError.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> masks = rapidmask.rle_encode(np.eye(3, dtype=bool)[None])
    >>> masks.counts
    array([0, 1, 3, 1, 3, 1], dtype=uint32)
    >>> masks.to_coco("str")
    [{'size': [3, 3], 'counts': '013000'}]
    """

    __slots__ = ("_buffer", "counts", "offsets", "size")
    __hash__ = None  # type: ignore[assignment]
    __array_ufunc__ = None  # as of PackedMasks

    counts: Array
    offsets: Array
    size: Size
    _buffer: Array | None  # on a device: bytes of which offsets and counts are views, where counts may be spare

    def __init__(self, counts: Array, offsets: Array, size: Sequence[SupportsIndex]) -> None:
        height, width = _as_size("RLEMasks", size)
        if _arrays.is_on_cuda(counts):
            host = _arrays.to_host(counts), _arrays.to_host(offsets)
            host_counts, host_offsets = _cpu.rle_canonical(*host, height, width, "RLEMasks")
            self.counts, self.offsets = _arrays.like(counts, host_counts), _arrays.like(counts, host_offsets)
        else:
            self.counts, self.offsets = _cpu.rle_canonical(counts, offsets, height, width, "RLEMasks")
        self.size = (height, width)
        self._buffer = None

    @classmethod
    def _wrap(cls, counts: Array, offsets: Array, size: Size) -> RLEMasks:
        """Make one of runs that are known to be right."""
        masks = cls.__new__(cls)
        masks.counts = counts
        masks.offsets = offsets
        masks.size = size
        masks._buffer = None
        return masks

    @classmethod
    def _within(cls, buffer: Array, count: int, size: Size) -> RLEMasks:
        """Make one of bytes: the offsets of so many masks, then counts, of which the last may be spare."""
        end = 8 * (count + 1)
        masks = cls._wrap(_arrays.viewed(buffer[end:], "uint32"), _arrays.viewed(buffer[:end], "int64"), size)
        masks._buffer = buffer
        return masks

    def _settled(self) -> RLEMasks:
        """Return the masks without spare counts, whose number has to be waited for."""
        if self._buffer is None:
            return self
        needed = int(self.offsets[-1])
        check_capacity("RLEMasks", needed, int(self.counts.shape[0]))
        return RLEMasks._wrap(self.counts[:needed], self.offsets, self.size)

    @classmethod
    def from_coco(cls, rles: Sequence[dict[str, Any]], size: Sequence[SupportsIndex] | None = None) -> RLEMasks:
        """Make run lengths of COCO's dictionaries.

        Parameters
        ----------
        rles : sequence of {"size": [H, W], "counts": bytes, str or list of int}
            As pycocotools gives them, or with uncompressed counts. All of one size.
        size : (int, int), optional
            The size when the sequence may be empty; must agree with the dictionaries.

        Returns
        -------
        RLEMasks
            On the host, as NumPy.

        Raises
        ------
        TypeError
            If the sequence holds anything but dictionaries.
        ValueError
            If a dictionary lacks an entry, sizes differ, or counts cannot be read or do not add up to H·W.
        """
        try:
            listed = iter(rles)
        except TypeError:
            raise TypeError(f"from_coco: rles must be a sequence of dictionaries, got {shown(rles)}") from None
        counts, offsets, extents = _cpu.rle_from_coco(list(listed))
        sizes = set(map(tuple, np.unique(extents, axis=0).tolist()))
        if size is not None:
            sizes.add(_as_size("from_coco", size))
        if len(sizes) > 1:
            raise ValueError(f"from_coco: all masks must have one size, got {sorted(sizes)}")
        height, width = sizes.pop() if sizes else (0, 0)
        return cls._wrap(*_cpu.rle_canonical(counts, offsets, height, width, "from_coco"), (height, width))

    @classmethod
    def concatenate(cls, batches: Iterable[RLEMasks]) -> RLEMasks:
        """Return the masks of several batches in one, one batch after the other.

        Parameters
        ----------
        batches : iterable of RLEMasks
            At least one, all of one size, library and device.

        Returns
        -------
        RLEMasks
            A copy.

        Raises
        ------
        TypeError
            If one of them is no RLEMasks, or of another library.
        ValueError
            If there is none, sizes differ, or masks were cut short by a capacity.
        """
        listed = [batch._settled() for batch in _batches("RLEMasks", batches, cls)]
        offsets, runs = [listed[0].offsets[:1]], 0
        for batch in listed:
            offsets.append(batch.offsets[1:] + runs)
            runs += int(batch.counts.shape[0])
        return cls._wrap(_arrays.joined([batch.counts for batch in listed]), _arrays.joined(offsets), listed[0].size)

    def to_coco(self, counts: Literal["bytes", "str", "list"] = "bytes") -> list[dict[str, Any]]:
        """Return one COCO dictionary per mask.

        Parameters
        ----------
        counts : {"bytes", "str", "list"}
            Compressed counts as pycocotools gives them, the same as text (for JSON), or the runs themselves.

        Returns
        -------
        list of dict
            ``{"size": [H, W], "counts": ...}`` for each mask.
        """
        if not isinstance(counts, str) or counts not in ("bytes", "str", "list"):
            raise ValueError(f"to_coco: counts must be 'bytes', 'str' or 'list', got {shown(counts)}")
        if self._buffer is not None:
            return self.to("cpu").to_coco(counts)
        module = _dispatch.backend(self.counts)
        if counts != "list" and hasattr(module, "rle_strings"):  # written on the device, copied once
            text = _arrays.to_host(module.rle_strings(self.counts, self.offsets))
            end = 8 * (len(self) + 1)
            return _cpu.rle_strings_to_coco(text[end:], text[:end].view(np.int64), *self.size, counts == "str")
        sizes = np.full((len(self), 2), self.size, np.int64)
        return _cpu.rle_to_coco(_arrays.to_host(self.counts), _arrays.to_host(self.offsets), sizes, counts)

    def __len__(self) -> int:
        return int(self.offsets.shape[0]) - 1

    def __getitem__(self, index: Any) -> RLEMasks:
        """Return the masks that an integer (a batch of one), slice, boolean array or list of integers selects."""
        if self._buffer is not None:
            return self._settled()[index]
        if _is_number(index):
            i = index.__index__()
            if not -len(self) <= i < len(self):
                raise IndexError(f"RLEMasks: index must be within {len(self)} masks, got {i}")
            i %= len(self)
            index = slice(i, i + 1)
        if isinstance(index, slice) and index.indices(len(self))[2] == 1:
            begin, end, _ = index.indices(len(self))
            end = max(begin, end)
            first = int(self.offsets[begin])
            return RLEMasks._wrap(
                self.counts[first : int(self.offsets[end])], self.offsets[begin : end + 1] - first, self.size
            )
        chosen = np.arange(len(self))[index if isinstance(index, slice) else _mask_index("RLEMasks", index, len(self))]
        offsets = _arrays.to_host(self.offsets)
        counts = _arrays.to_host(self.counts)
        lengths = np.diff(offsets)[chosen]
        new_offsets = np.zeros(len(chosen) + 1, np.int64)
        np.cumsum(lengths, out=new_offsets[1:])
        if new_offsets[-1] > _LONG_RUNS * len(chosen):
            picked = np.concatenate([counts[offsets[i] : offsets[i + 1]] for i in chosen])
        else:
            source = np.arange(new_offsets[-1]) + np.repeat(offsets[:-1][chosen] - new_offsets[:-1], lengths)
            picked = counts[source]
        if not isinstance(self.counts, np.ndarray):
            return RLEMasks._wrap(_arrays.like(self.counts, picked), _arrays.like(self.offsets, new_offsets), self.size)
        return RLEMasks._wrap(picked, new_offsets, self.size)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> HostArray:
        raise TypeError("RLEMasks: masks must be decoded to be an array: to_dense()")

    def __iter__(self) -> Iterator[RLEMasks]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        runs = int(self.counts.shape[0])
        return f"RLEMasks({len(self)} masks of {self.size[0]}×{self.size[1]}, {runs} runs, {_place(self.counts)})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RLEMasks):
            return NotImplemented
        if self._buffer is not None or other._buffer is not None:
            return self._settled() == other._settled()
        return (
            self.size == other.size
            and np.array_equal(_arrays.to_host(self.offsets), _arrays.to_host(other.offsets))
            and np.array_equal(_arrays.to_host(self.counts), _arrays.to_host(other.counts))
        )

    def __reduce__(self) -> tuple[Any, ...]:
        masks = self.to("cpu")
        return RLEMasks._wrap, (_arrays.to_host(masks.counts), _arrays.to_host(masks.offsets), self.size)

    def __copy__(self) -> RLEMasks:
        masks = RLEMasks._wrap(self.counts, self.offsets, self.size)
        masks._buffer = self._buffer
        return masks

    def __deepcopy__(self, memo: dict[int, Any]) -> RLEMasks:
        if self._buffer is not None:
            return RLEMasks._within(copy.deepcopy(self._buffer, memo), len(self), self.size)
        return RLEMasks._wrap(copy.deepcopy(self.counts, memo), copy.deepcopy(self.offsets, memo), self.size)

    def _combine(self, other: object, operation: str) -> RLEMasks:
        if not isinstance(other, RLEMasks):
            raise TypeError(f"RLEMasks {operation}: the other side must be RLEMasks, got {type(other).__name__}")
        if self.size != other.size:
            raise ValueError(f"RLEMasks {operation}: sizes must agree, got {self.size} and {other.size}")
        if len(self) != len(other) and 1 not in (len(self), len(other)):
            raise ValueError(
                f"RLEMasks {operation}: both sides must hold as many masks, or one, got {len(self)} and {len(other)}"
            )
        if _arrays.is_on_cuda(self.counts):
            result: PackedMasks = _OPERATORS[operation](self.to_packed(), other.to_packed())
            return result.to_rle()
        module = _dispatch.host_backend(f"RLEMasks {operation}", self.counts)
        counts, offsets = module.rle_combine(
            self.counts, self.offsets, other.counts, other.offsets, *self.size, operation
        )
        return RLEMasks._wrap(counts, offsets, self.size)

    def __and__(self, other: RLEMasks) -> RLEMasks:
        return self._combine(other, "&")

    def __or__(self, other: RLEMasks) -> RLEMasks:
        return self._combine(other, "|")

    def __xor__(self, other: RLEMasks) -> RLEMasks:
        return self._combine(other, "^")

    def __sub__(self, other: RLEMasks) -> RLEMasks:
        return self._combine(other, "-")

    def __invert__(self) -> RLEMasks:
        height, width = self.size
        if height * width == 0:
            return self
        if _arrays.is_on_cuda(self.counts):
            return (~self.to_packed()).to_rle()
        full = RLEMasks._wrap(
            _arrays.like(self.counts, np.array([0, height * width], np.uint32)),
            _arrays.like(self.offsets, np.array([0, 2], np.int64)),
            self.size,
        )
        return full._combine(self, "-")

    @property
    def overflowed(self) -> Any:
        """Whether there are more runs than counts to hold them: a bool, on a device an array () of bool there."""
        return self.offsets[-1] > self.counts.shape[0] if _arrays.is_on_cuda(self.offsets) else False

    def area(self) -> Array:
        """Return the number of pixels of each mask, int64 (N,)."""
        return _dispatch.backend(self.counts).rle_areas(self.counts, self.offsets, *self.size)

    def boxes(self) -> Array:
        """Return the bounding box (x0, y0, x1, y1) of each mask, half-open, int64 (N, 4); zeros for an empty mask."""
        return _dispatch.backend(self.counts).rle_boxes(self.counts, self.offsets, *self.size)

    def to_dense(self, dtype: npt.DTypeLike = bool) -> Array:
        """Return the masks as an array (N, H, W).

        Parameters
        ----------
        dtype : bool or uint8
            Type of the array; its values are 0 and 1.
        """
        as_bool = _wants_bool("to_dense", dtype)
        module = _dispatch.backend(self.counts)
        return module.rle_decode(self.counts, self.offsets, *self.size, "bool" if as_bool else "uint8", None, None)

    def to_packed(self) -> PackedMasks:
        """Return the masks with one bit per pixel."""
        module = _dispatch.backend(self.counts)
        return PackedMasks._wrap(
            module.rle_decode(self.counts, self.offsets, *self.size, "packed", None, None), self.size
        )

    def to(self, device: Any) -> RLEMasks:
        """Return the masks on another device.

        Parameters
        ----------
        device : str or torch.device
            "cpu", "cuda" or "cuda:N".

        Returns
        -------
        RLEMasks
            Arrays of torch stay torch's. Others come to the host as NumPy's, and go to a device as torch's where that
            is imported and as CuPy's where not. One synchronisation and one copy for masks that a device encoded
            within a capacity.

        Raises
        ------
        ValueError
            If there were more runs than the capacity that masks were encoded with.
        """
        if self._buffer is None:
            counts, offsets = _arrays.moved(self.counts, device), _arrays.moved(self.offsets, device)
            return RLEMasks._wrap(counts, offsets, self.size)
        there = RLEMasks._within(_arrays.moved(self._buffer, device), len(self), self.size)
        return there if _arrays.is_on_cuda(there.counts) else there._settled()

    def cpu(self) -> RLEMasks:
        """Return the masks in host memory, as `to` does."""
        return self.to("cpu")

    def cuda(self, device: int | None = None) -> RLEMasks:
        """Return the masks on a CUDA device, as `to` does.

        Parameters
        ----------
        device : int, optional
            Its number, the current one by default.
        """
        return self.to("cuda" if device is None else f"cuda:{device}")

    def to_rle(self) -> RLEMasks:
        """Return these masks themselves."""
        return self


_OPERATORS = {"&": operator.and_, "|": operator.or_, "^": operator.xor, "-": operator.sub}


def check_capacity(function: str, needed: int, capacity: int | None) -> None:
    """Raise if masks have more runs than there was to be room for."""
    if capacity is not None and needed > capacity:
        raise ValueError(f"{function}: capacity must be at least the {needed} runs of the masks, got {capacity}")


def encoded(masks: Array, width: int | None, size: Size, capacity: int | None, function: str) -> RLEMasks:
    """Encode dense masks, or the bits of packed ones of a width; with a capacity on a device without waiting."""
    module = _dispatch.backend(masks)
    if capacity is None or not _arrays.is_on_cuda(masks):
        counts, offsets = module.rle_encode(masks, width)
        check_capacity(function, int(counts.shape[0]), capacity)
        return RLEMasks._wrap(counts, offsets, size)
    buffer = module.rle_encode_within(masks, width, capacity)
    return RLEMasks._within(buffer, (int(buffer.shape[0]) - 4 * capacity) // 8 - 1, size)


def _is_number(index: Any) -> TypeGuard[SupportsIndex]:
    if isinstance(index, bool) or "bool" in str(getattr(index, "dtype", "")):
        return False
    return isinstance(index, SupportsIndex) and len(getattr(index, "shape", ())) == 0


_Batch = TypeVar("_Batch", PackedMasks, RLEMasks)


def _batches(container: str, batches: Iterable[_Batch], kind: type[_Batch]) -> list[_Batch]:
    """Return batches that can be joined, as a list."""
    function = f"{container}.concatenate"
    try:
        listed = list(batches)
    except TypeError:
        raise TypeError(f"{function}: batches must be {container}, got {shown(batches)}") from None
    if not listed:
        raise ValueError(f"{function}: there must be at least one batch, got none")
    places: set[str] = set()
    for batch in listed:
        if not isinstance(batch, kind):
            raise TypeError(f"{function}: batches must be {container}, got {type(batch).__name__}")
        if batch.size != listed[0].size:
            raise ValueError(f"{function}: sizes must agree, got {listed[0].size} and {batch.size}")
        places.add(_place(batch.data if isinstance(batch, PackedMasks) else batch.counts))
    if len(places) > 1:
        raise TypeError(f"{function}: batches must be of one library and device, got {sorted(places)}")
    return listed


def _mask_index(container: str, index: Any, count: int) -> npt.NDArray[Any]:
    is_array = hasattr(index, "shape") and not isinstance(index, np.generic)
    array = _arrays.to_host(index) if is_array else np.asarray(index)
    if array.size == 0:
        array = array.astype(np.int64)
    if array.ndim != 1 or array.dtype.kind not in "biu":
        raise TypeError(
            f"{container}: index must be an integer, a slice, or a list of integers or booleans, got {shown(index)}"
        )
    if array.dtype.kind == "b":
        if len(array) != count:
            raise IndexError(f"{container}: a boolean index must have {count} values, got {len(array)}")
    elif array.size and not (-count <= int(array.min()) and int(array.max()) < count):
        wrong = array[(array < -count) | (array >= count)][0]
        raise IndexError(f"{container}: index must be within {count} masks, got {wrong}")
    return array


def _wants_bool(function: str, dtype: npt.DTypeLike) -> bool:
    if dtype is bool:
        return True
    name = str(dtype).rpartition(".")[2] if not isinstance(dtype, type) else np.dtype(dtype).name
    if name in ("bool", "bool_"):
        return True
    if name == "uint8":
        return False
    raise TypeError(f"{function}: dtype must be bool or uint8, got {shown(dtype)}")


def _place(array: Array) -> str:
    if isinstance(array, np.ndarray):
        return "numpy"
    return f"{type(array).__module__.partition('.')[0]} on {getattr(array, 'device', 'cpu')}"
