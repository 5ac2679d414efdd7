"""Where arrays come from and where results go: NumPy, torch and whatever speaks DLPack."""

import ctypes
import gc
import sys
import tracemalloc
import types
from pathlib import Path

import numpy as np
import pytest

import rapidmask
from inputs import layouts, refuses
from rapidmask import PackedMasks, RLEMasks, _dispatch

NUMBERS = "must hold booleans, integers or floats of at most 64 bits, got"
ARRAY = "must be an array of NumPy, torch, CuPy or another library with DLPack, got"

# What takes masks, by name, and the name of the argument.
OF_MASKS = {
    "pack": rapidmask.pack,
    "label": rapidmask.label,
    "label and count": lambda masks: rapidmask.label(masks, return_count=True),
    "label of volumes": lambda masks: rapidmask.label(masks, connectivity=26, return_count=True),
    "label multilabel": lambda masks: rapidmask.label(masks, multilabel=True, return_count=True),
    "connected_components": rapidmask.connected_components,
    "component_areas": rapidmask.component_areas,
    "remove_small_objects": lambda masks: rapidmask.remove_small_objects(masks, 3),
    "remove_small_holes": lambda masks: rapidmask.remove_small_holes(masks, 3),
    "remove_small_regions": lambda masks: rapidmask.remove_small_regions(masks, 3),
    "fill_holes": rapidmask.fill_holes,
    "keep_largest": rapidmask.keep_largest,
    "clear_border": rapidmask.clear_border,
    "rle_encode": rapidmask.rle_encode,
    "mask_areas": rapidmask.mask_areas,
    "mask_iou": rapidmask.mask_iou,
    "masks_to_boxes": rapidmask.masks_to_boxes,
    "masks_to_boxes inclusive": lambda masks: rapidmask.masks_to_boxes(masks, inclusive=True),
    "masks_to_boxes xywh": lambda masks: rapidmask.masks_to_boxes(masks, format="xywh"),
}
# What takes images of any type.
OF_IMAGES = {
    "threshold": lambda x: rapidmask.threshold(x, 0.5),
    "threshold uint8": lambda x: rapidmask.threshold(x, 0.5, output="uint8"),
    "threshold packed": lambda x: rapidmask.threshold(x, 0.5, output="packed"),
    "threshold rle": lambda x: rapidmask.threshold(x, 0.5, output="rle"),
    "hysteresis_threshold": lambda x: rapidmask.hysteresis_threshold(x, 0.2, 0.5),
    "hysteresis_threshold of volumes": lambda x: rapidmask.hysteresis_threshold(x, 0.2, 0.5, connectivity=26),
    "threshold_local": lambda x: rapidmask.threshold_local(x, 3, method="mean"),
    "adaptive_threshold": lambda x: rapidmask.adaptive_threshold(x, 3),
}
EVERYTHING = OF_MASKS | OF_IMAGES


def parts(result):
    """The arrays of a result, with the names of what holds them."""
    if isinstance(result, PackedMasks):
        return [("bits", result.data), ("size", np.array(result.size))]
    if isinstance(result, RLEMasks):
        return [("counts", result.counts), ("offsets", result.offsets), ("size", np.array(result.size))]
    if isinstance(result, rapidmask.Components):
        return [(name, getattr(result, name)) for name in ("labels", "offsets", "areas", "boxes", "centroids")]
    if isinstance(result, tuple):
        return [(str(i), part) for i, part in enumerate(result)]
    return [("array", result)]


def assert_same(found, expected, kind):
    """Equal values and types, in arrays of the kind."""
    for (name, one), (_, other) in zip(parts(found), parts(expected), strict=True):
        if name != "size" and not isinstance(one, int):
            assert type(one) is kind, (name, type(one))
        host = np.asarray(one.array) if isinstance(one, Foreign) else np.asarray(one)
        assert host.dtype == np.asarray(other).dtype
        np.testing.assert_array_equal(host, other, err_msg=name)


class Alone:
    """An array that offers DLPack and nothing else."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **arguments):
        return self.array.__dlpack__(**arguments)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


class Old(Alone):
    """One from before DLPack 1.0, which knows no arguments."""

    def __dlpack__(self, stream=None):
        return self.array.__dlpack__()


class Foreign(Alone):
    """An array of a library that follows the array standard, and that cannot be changed, as those of JAX cannot."""

    @property
    def shape(self):
        return self.array.shape

    @property
    def dtype(self):
        return self.array.dtype

    def __or__(self, other):
        return type(self)(self.array | other.array)

    def __array_namespace__(self, api_version=None):
        return types.SimpleNamespace(
            from_dlpack=lambda x: Foreign(np.from_dlpack(x)),
            reshape=lambda x, shape: Foreign(x.array.reshape(shape)),
        )


def blobs(rng, shape=(2, 3, 12, 67)):
    """Masks with some structure."""
    noise = rng.random(shape)
    return (noise + np.roll(noise, 1, -1) + np.roll(noise, 1, -2)) > 1.5


# NumPy


@pytest.mark.parametrize("name", EVERYTHING)
def test_numpy_layouts_give_one_result_and_stay_as_they_were(backend, rng, name):
    function = EVERYTHING[name]
    for array in (blobs(rng), blobs(rng).astype(np.uint8)):
        expected = function(array)
        for layout, view in layouts(array):
            before = view.copy()
            for (part, one), (_, other) in zip(parts(function(view)), parts(expected), strict=True):
                np.testing.assert_array_equal(one, other, err_msg=f"{layout}: {part}")
            np.testing.assert_array_equal(view, before)
            view.flags.writeable = False
            function(view)


@pytest.mark.parametrize("dtype", ["u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"])
def test_other_byte_order(backend, rng, dtype):
    image = rng.integers(0, 100, (2, 5, 66)).astype(dtype)
    swapped = image.astype(np.dtype(dtype).newbyteorder())
    assert swapped.dtype.byteorder not in "=|"
    for output in ("bool", "packed"):
        assert_equal = np.testing.assert_array_equal
        found, expected = (rapidmask.threshold(x, 50, output=output) for x in (swapped, image))
        assert_equal(*(m.data if output == "packed" else m for m in (found, expected)))
    for kind in (">f4", "<f4", ">f8", "<f8", ">i4"):
        surface = np.full((5, 66), 50.5).astype(kind)
        assert_equal(rapidmask.threshold(swapped, surface), image > surface)
        values = np.array([50.5, 25]).astype(kind)
        assert_equal(rapidmask.threshold(swapped, values), image > values.reshape(2, 1, 1))


def test_subclasses_of_numpy_arrays(backend):
    class Named(np.ndarray):
        pass

    image = np.array([[0.0, 1.0], [2.0, 3.0]])
    found = rapidmask.threshold(image.view(Named), 1.5)
    assert type(found) is np.ndarray
    np.testing.assert_array_equal(found, image > 1.5)


@pytest.mark.parametrize(
    ("array", "name"),
    [
        (np.zeros((2, 2), np.complex64), "complex64"),
        (np.zeros((2, 2), np.complex128), "complex128"),
        (np.zeros((2, 2), np.longdouble), str(np.dtype(np.longdouble))),
        (np.zeros((2, 2), object), "object"),
        (np.array([["a", "b"]]), "<U1"),
        (np.array([[b"a", b"b"]]), "|S1"),
        (np.zeros((2, 2), "M8[s]"), "datetime64[s]"),
        (np.zeros((2, 2), "m8[ns]"), "timedelta64[ns]"),
        (np.zeros((2, 2), "i4,f4"), "[('f0', '<i4'), ('f1', '<f4')]"),
    ],
)
@pytest.mark.parametrize("name_of_function", ["pack", "label", "mask_areas", "fill_holes", "threshold"])
def test_types_that_are_no_numbers_are_refused(backend, array, name, name_of_function):
    argument = "x" if name_of_function == "threshold" else "masks"
    with refuses(TypeError, f"{name_of_function}: {argument} {NUMBERS} {name}"):
        getattr(rapidmask, name_of_function)(array)


def test_more_than_16_dimensions_are_refused(backend):
    assert rapidmask.mask_areas(np.ones((1,) * 14 + (2, 3), bool)).shape == (1,) * 14
    assert rapidmask.masks_to_boxes(np.ones((1,) * 14 + (2, 3), bool)).shape == (1,) * 14 + (4,)
    for name in ("pack", "label", "mask_areas"):
        with refuses(ValueError, f"{name}: masks must have at most 16 dimensions, got 17"):
            getattr(rapidmask, name)(np.ones((1,) * 15 + (2, 3), bool))
    with refuses(ValueError, "threshold: x must have at most 16 dimensions, got 32"):
        rapidmask.threshold(np.ones((1,) * 32))


@pytest.mark.parametrize(
    "thing", [[[1, 0]], ((1, 0),), None, 3, "mask", {"mask": 1}, object(), b"10", memoryview(b"1")]
)
@pytest.mark.parametrize("name", EVERYTHING)
def test_what_is_no_array_is_refused(backend, name, thing):
    function = name.split()[0]
    argument = "image" if name in ("threshold_local", "adaptive_threshold") else "x" if name in OF_IMAGES else "masks"
    argument = "a" if name == "mask_iou" else argument
    with refuses(TypeError, f"{function}: {argument} {ARRAY} {type(thing).__name__}"):
        EVERYTHING[name](thing)


# Zero copy


def test_memory_is_shared_where_that_is_promised(rng):
    masks = blobs(rng, (5, 12, 67))
    packed = rapidmask.pack(masks)
    rle = rapidmask.rle_encode(masks)
    assert PackedMasks(packed.data, packed.size).data is packed.data
    assert packed.to_packed() is packed
    assert rle.to_rle() is rle
    assert rapidmask.pack(packed) is packed
    assert rapidmask.rle_encode(rle) is rle
    for part in (packed[1:3], packed[2], packed[-1], packed[::2]):
        assert np.shares_memory(part.data, packed.data)
    for part in (rle[1:3], rle[2], rle[-1]):
        assert np.shares_memory(part.counts, rle.counts)
    out = np.zeros((5, 12, 67), bool)
    assert rapidmask.unpack(packed, out=out) is out
    assert rapidmask.threshold(masks, 0.5, out=out) is out
    bits = np.zeros_like(packed.data)
    assert rapidmask.threshold(masks, 0.5, output="packed", out=bits).data is bits


def test_results_own_their_memory(backend, rng):
    masks = blobs(rng)
    for function in EVERYTHING.values():
        for _, part in parts(function(masks)):
            assert not np.shares_memory(part, masks)
            assert part.flags.writeable


# torch


@pytest.fixture
def torch():
    """The library, where it is installed."""
    return pytest.importorskip("torch")


def torch_layouts(torch, array):
    """Tensors of equal content: contiguous, strided, offset, transposed, broken into pieces."""
    tensor = torch.from_numpy(array.copy())
    yield tensor
    wide = torch.zeros((*array.shape[:-1], 2 * array.shape[-1] + 1), dtype=tensor.dtype)
    wide[..., 1::2] = tensor
    yield wide[..., 1::2]
    yield torch.cat([tensor[:1], tensor])[1:]
    yield tensor.transpose(-1, -2).contiguous().transpose(-1, -2)
    yield tensor.movedim(0, -1).contiguous().movedim(-1, 0)


@pytest.mark.parametrize("name", EVERYTHING)
@pytest.mark.parametrize("dtype", [bool, np.uint8])
def test_torch_in_and_torch_out(torch, backend, rng, name, dtype):
    masks = blobs(rng).astype(dtype) * dtype(3)
    expected = EVERYTHING[name](masks)
    for tensor in torch_layouts(torch, masks):
        before = tensor.clone()
        assert_same(EVERYTHING[name](tensor), expected, torch.Tensor)
        assert torch.equal(tensor, before)


@pytest.mark.parametrize("name", OF_IMAGES)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", "int8", "int16", "int32", "int64"])
def test_torch_images(torch, backend, rng, name, dtype):
    image = torch.from_numpy(rng.integers(-3, 4, (2, 9, 33)) / 4).to(getattr(torch, dtype))
    plain = image.float().numpy() if dtype == "bfloat16" else image.numpy()
    assert_same(OF_IMAGES[name](image), OF_IMAGES[name](plain), torch.Tensor)


@pytest.mark.parametrize("name", EVERYTHING)
@pytest.mark.parametrize("shape", [(0, 4, 5), (2, 0, 5), (2, 5, 0), (0, 0), (2, 0, 3, 4)])
def test_torch_tensors_without_pixels(torch, backend, name, shape):
    if "volumes" in name and len(shape) < 3:
        return
    masks = np.zeros(shape, bool)
    assert_same(EVERYTHING[name](torch.from_numpy(masks)), EVERYTHING[name](masks), torch.Tensor)


def test_torch_unsigned_types(torch, rng):
    image = rng.integers(0, 2**16, (3, 40)).astype(np.uint16)
    for kind in ("uint16", "uint32", "uint64"):
        tensor = torch.from_numpy(image.astype(kind))
        np.testing.assert_array_equal(rapidmask.threshold(tensor, 30000).numpy(), image > 30000)


def test_torch_tensors_that_require_a_gradient(torch):
    for tensor in (torch.ones(2, 70, requires_grad=True), torch.nn.Parameter(torch.ones(2, 70))):
        for x in (tensor, tensor * 2):
            mask = rapidmask.threshold(x, 0.5)
            assert type(mask) is torch.Tensor
            assert not mask.requires_grad
            assert mask.all()
            assert rapidmask.threshold(x, 0.5, output="packed").area().tolist() == [140]
            assert rapidmask.threshold(torch.zeros(2, 70), x.detach() - x.detach() + x).any().item() is False
    with torch.inference_mode():
        assert rapidmask.threshold(torch.ones(2, 70), 0.5).all()


def test_torch_views_of_negated_memory(torch):
    # Such a tensor's memory holds the values with the other sign.
    for number in (1 + 2j, 3 - 4j):
        image = torch.tensor([[number, number], [number, number]]).conj().imag
        for x in (image, image[:1, :1]):
            assert x.is_neg()
            assert rapidmask.threshold(x, 0.0).all() == (number.imag < 0)
            assert rapidmask.threshold(torch.zeros(x.shape), x).all() == (number.imag > 0)


def test_torch_expanded_tensors(torch, backend):
    tensor = torch.tensor([[True], [False]]).expand(3, 2, 70)
    assert rapidmask.mask_areas(tensor).tolist() == [70, 70, 70]
    assert rapidmask.pack(tensor) == rapidmask.pack(np.asarray(tensor))


def test_torch_out(torch, backend):
    x = torch.eye(3, 70)
    for output, out in (
        ("bool", torch.zeros(3, 70, dtype=torch.bool)),
        ("uint8", torch.zeros(3, 70, dtype=torch.uint8)),
    ):
        assert rapidmask.threshold(x, 0.5, output=output, out=out) is out
        assert out.sum() == 3
    bits = torch.zeros(1, 3, 16, dtype=torch.uint8)
    packed = rapidmask.threshold(x, 0.5, output="packed", out=bits)
    assert packed.data is bits
    out = torch.zeros(1, 3, 70, dtype=torch.bool)
    assert rapidmask.unpack(packed, out=out) is out
    assert torch.equal(out[0], x > 0.5)
    with refuses(ValueError, "threshold: out must be writable and C-contiguous"):
        rapidmask.threshold(x, 0.5, out=torch.zeros(70, 3, dtype=torch.bool).T)
    with refuses(TypeError, "threshold: out must be bool, got int64"):
        rapidmask.threshold(x, 0.5, out=torch.zeros(3, 70, dtype=torch.int64))


def test_torch_masks_that_touch_little_of_their_memory(torch):
    """Such are made in memory of NumPy, and are tensors all the same: to write to, and alive on their own."""
    boxes = torch.tensor([[1.0, 1, 4, 4], [0, 0, 2, 2]])
    ones = torch.ones(2, 3, 3)
    for make in (
        lambda: rapidmask.paste_masks(ones, boxes, (500, 600)),
        lambda: rapidmask.decode_prototypes(ones, torch.ones(2, 2), boxes, (500, 600)),
        lambda: rapidmask.rle_decode(rapidmask.rle_encode(rapidmask.paste_masks(ones, boxes, (500, 600)))),
    ):
        masks = make()
        assert isinstance(masks, torch.Tensor)
        assert (masks.dtype, masks.device.type, masks.is_contiguous()) == (torch.bool, "cpu", True)
        assert masks.sum(dim=(1, 2)).tolist() == [9, 4]
        masks |= True
        del make
        gc.collect()
        assert masks.all()


def test_torch_values(torch, backend, rng):
    image = rng.normal(0, 1, (3, 9, 33)).astype(np.float32)
    for given in (torch.from_numpy(image), image):
        kind = type(given)
        for values in (torch.tensor([0.0, 0.5, -0.5]), torch.tensor([0, 1, -1]), torch.zeros(9, 33)):
            plain = values.numpy().reshape(3, 1, 1) if values.ndim == 1 else values.numpy()
            found = rapidmask.threshold(given, values)
            assert type(found) is kind
            np.testing.assert_array_equal(np.asarray(found), image > plain)
            assert type(rapidmask.threshold(given, values.numpy())) is kind
        assert type(rapidmask.threshold(given[0], torch.tensor(0.25))) is kind


@pytest.mark.parametrize("kind", ["complex64", "float8_e4m3fn"])
def test_torch_types_that_are_no_numbers_here(torch, backend, kind):
    x = torch.ones(2, 2).to(getattr(torch, kind))
    with refuses(TypeError, f"threshold: x {NUMBERS} torch.{kind}"):
        rapidmask.threshold(x, 0.5)
    with refuses(TypeError, f"pack: masks {NUMBERS} torch.{kind}"):
        rapidmask.pack(x)


def test_torch_masks_of_other_types_are_refused(torch, backend):
    for kind in ("float32", "int64", "bfloat16"):
        with refuses(TypeError, f"label: masks must be bool or uint8, got {kind}"):
            rapidmask.label(torch.ones(2, 2).to(getattr(torch, kind)))


def test_torch_tensors_without_memory_are_refused(torch):
    for tensor in (torch.ones(2, 2, device="meta"), torch.eye(2).to_sparse()):
        with pytest.raises((TypeError, RuntimeError)):
            rapidmask.threshold(tensor, 0.5)


def test_containers_of_torch(torch, backend, rng):
    masks = blobs(rng, (5, 12, 67))
    tensor = torch.from_numpy(masks)
    for form in (rapidmask.pack, rapidmask.rle_encode):
        held, plain = form(tensor), form(masks)
        assert "torch on cpu)" in repr(held)
        assert held == plain
        assert plain == held
        for index in ([0, 3], slice(1, 4), slice(None, None, -1), slice(None, None, 2), 2, -1, [], np.arange(5) > 2):
            for part in (held[index], plain[index]):
                assert part == plain[index]
            assert_same(held[index], plain[index], torch.Tensor)
        for index in (torch.tensor([4, 0]), torch.tensor([True, False, True, False, False]), torch.tensor(3)):
            assert held[index] == plain[np.asarray(index)]
            assert plain[index] == plain[np.asarray(index)]
        others = form(torch.from_numpy(masks[::-1].copy()))
        for found, expected in (
            (held & others, masks & masks[::-1]),
            (held | others, masks | masks[::-1]),
            (held ^ others, masks ^ masks[::-1]),
            (held - others, masks & ~masks[::-1]),
            (~held, ~masks),
            (held & others[:1], masks & masks[-1]),
        ):
            assert_same(found, form(expected), torch.Tensor)
        for found, expected in (
            (held.to_dense(), masks),
            (held.to_dense(torch.uint8), masks.astype(np.uint8)),
            (held.to_dense(torch.bool), masks),
            (held.area(), plain.area()),
            (held.boxes(), plain.boxes()),
        ):
            assert_same(found, expected, torch.Tensor)
        assert_same(held.to_packed(), rapidmask.pack(masks), torch.Tensor)
        assert_same(held.to_rle(), rapidmask.rle_encode(masks), torch.Tensor)
        assert_same(rapidmask.fill_holes(held), form(rapidmask.fill_holes(masks)), torch.Tensor)
    assert rapidmask.rle_encode(tensor).to_coco() == rapidmask.rle_encode(masks).to_coco()
    bits = rapidmask.pack(tensor).data
    assert PackedMasks(bits, (12, 67)).data is bits
    assert PackedMasks(bits, (12, 67))[1:3].data.data_ptr() == bits[1:].data_ptr()
    with refuses(ValueError, "PackedMasks: the bits of data past the width must be zero, got some set"):
        PackedMasks(torch.full((1, 12, 16), 255, dtype=torch.uint8), (12, 67))


# Other libraries


@pytest.mark.parametrize("name", EVERYTHING)
@pytest.mark.parametrize("kind", [Alone, Old])
def test_arrays_that_offer_dlpack_alone(backend, rng, name, kind):
    masks = blobs(rng)
    expected = EVERYTHING[name](masks)
    for layout, view in layouts(masks):
        if layout == "read-only" and kind is Old:
            continue  # NumPy refuses to lend read-only memory without DLPack 1.0's flag
        assert_same(EVERYTHING[name](kind(view)), expected, np.ndarray)


@pytest.mark.parametrize("name", EVERYTHING)
def test_results_go_to_the_library_that_the_array_came_from(backend, rng, name):
    masks = blobs(rng)
    expected = EVERYTHING[name](masks)
    for layout, view in layouts(masks):
        found = EVERYTHING[name](Foreign(view))
        if layout == "C":
            assert_same(found, expected, Foreign)
        else:
            for (_, one), (_, other) in zip(parts(found), parts(expected), strict=True):
                np.testing.assert_array_equal(np.asarray(getattr(one, "array", one)), other)


class Narrow(Foreign):
    """An array of a library without types of 64 bits, which takes half of them, as JAX does unless told otherwise."""

    def __array_namespace__(self, api_version=None):
        def narrowed(x):
            array = np.from_dlpack(x)
            return Narrow(array.astype(f"{array.dtype.kind}4") if array.dtype.itemsize == 8 else array)

        return types.SimpleNamespace(from_dlpack=narrowed, reshape=lambda x, shape: Narrow(x.array.reshape(shape)))


@pytest.mark.parametrize("name", EVERYTHING)
def test_no_value_is_cut_to_what_a_library_can_hold(rng, name):
    masks = blobs(rng)
    expected = EVERYTHING[name](masks)
    for (part, one), (_, other) in zip(parts(EVERYTHING[name](Narrow(masks))), parts(expected), strict=True):
        if part != "size" and isinstance(other, np.ndarray):
            assert type(one) is (np.ndarray if other.dtype.itemsize == 8 else Narrow), part
            np.testing.assert_array_equal(getattr(one, "array", one), other, err_msg=part, strict=True)


def test_runs_of_a_library_without_64_bits(rng):
    masks = blobs(rng, (3, 12, 67))
    runs = rapidmask.rle_encode(Narrow(masks))
    assert (type(runs.counts), type(runs.offsets)) == (Narrow, np.ndarray)
    np.testing.assert_array_equal(np.asarray(rapidmask.mask_areas(runs)), masks.sum((1, 2)))
    np.testing.assert_array_equal(rapidmask.rle_decode(runs).array, masks)
    assert runs == rapidmask.rle_encode(masks)
    assert runs.to_coco() == rapidmask.rle_encode(masks).to_coco()


@pytest.mark.parametrize("name", EVERYTHING)
def test_arrays_of_jax(rng, name):
    jax = pytest.importorskip("jax")
    for masks in (blobs(rng), blobs(rng).astype(np.uint8)):
        for (part, one), (_, other) in zip(
            parts(EVERYTHING[name](jax.numpy.asarray(masks))), parts(EVERYTHING[name](masks)), strict=True
        ):
            np.testing.assert_array_equal(np.asarray(one), other, err_msg=part, strict=isinstance(other, np.ndarray))
            if part != "size" and other.dtype.itemsize < 8:
                assert isinstance(one, jax.Array), part


def test_results_go_to_that_library_also_where_the_array_was_copied(rng):
    for layout, view in layouts(blobs(rng)):
        assert type(rapidmask.fill_holes(Foreign(view))) is Foreign, layout


def test_values_and_out_that_offer_dlpack_alone(backend, rng):
    image = rng.normal(0, 1, (3, 9, 33)).astype(np.float32)
    for kind in (Alone, Old, Foreign):
        for values in (np.array([0.0, 0.5, -0.5]), np.zeros((9, 33), np.float32)):
            plain = values.reshape(3, 1, 1) if values.ndim == 1 else values
            np.testing.assert_array_equal(rapidmask.threshold(image, kind(values)), image > plain)
        out = np.zeros(image.shape, bool)
        rapidmask.threshold(image, 0.5, out=kind(out))
        np.testing.assert_array_equal(out, image > 0.5)
    frozen = np.zeros(image.shape, bool)
    frozen.flags.writeable = False
    with refuses(ValueError, "threshold: out must be writable and C-contiguous"):
        rapidmask.threshold(image, 0.5, out=Alone(frozen))


class Tensor(ctypes.Structure):
    """DLPack's DLTensor."""

    _fields_ = (
        ("data", ctypes.c_void_p), ("device_type", ctypes.c_int32), ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32), ("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)), ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )  # fmt: skip


class Managed(ctypes.Structure):
    """DLPack's DLManagedTensor."""

    _fields_ = (("tensor", Tensor), ("context", ctypes.c_void_p), ("deleter", ctypes.c_void_p))


class Versioned(ctypes.Structure):
    """DLPack's DLManagedTensorVersioned."""

    _fields_ = (
        ("major", ctypes.c_uint32), ("minor", ctypes.c_uint32), ("context", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p), ("flags", ctypes.c_uint64), ("tensor", Tensor),
    )  # fmt: skip


class Forged:
    """An array whose DLPack capsule says whatever a test wants."""

    def __init__(self, data, *, device=(1, 0), code=6, bits=8, lanes=1, shape=None, strides=None, offset=0,
                 version=None, flags=0, name=None):  # fmt: skip
        self.data = data
        self.device = device
        self.shape = tuple(data.shape if shape is None else shape)
        self.dtype = "forged"
        extents = (ctypes.c_int64 * max(1, len(self.shape)))(*self.shape)
        steps = None if strides is None else (ctypes.c_int64 * len(strides))(*strides)
        tensor = Tensor(data.ctypes.data, *device, len(self.shape), code, bits, lanes, extents, steps, offset)
        if version is None:
            self.managed = Managed(tensor, None, None)
        else:
            self.managed = Versioned(version, 0, None, None, flags, tensor)
        self.keep = extents, steps
        self.name = name or (b"dltensor" if version is None else b"dltensor_versioned")

    def __dlpack_device__(self):
        return self.device

    def __dlpack__(self, **arguments):
        new = ctypes.pythonapi.PyCapsule_New
        new.restype = ctypes.py_object
        new.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
        return new(ctypes.addressof(self.managed), self.name, None)


def test_strides_and_offsets_of_dlpack(backend):
    data = np.arange(2 * 3 * 10, dtype=np.uint8)
    for version in (None, 1):
        found = rapidmask.threshold(Forged(data, code=1, shape=(2, 3, 10), version=version), 20)
        np.testing.assert_array_equal(found, data.reshape(2, 3, 10) > 20)
        found = rapidmask.threshold(Forged(data, code=1, shape=(3, 5), offset=7, version=version), 10)
        np.testing.assert_array_equal(found, data[7:22].reshape(3, 5) > 10)
        dense = {"code": 1, "shape": (3, 10), "strides": (10, 1), "version": version}
        np.testing.assert_array_equal(rapidmask.threshold(Forged(data, **dense), 3), data[:30].reshape(3, 10) > 3)


@pytest.mark.parametrize(
    ("forgery", "error", "text"),
    [
        ({"code": 5, "bits": 64}, TypeError, f"mask_areas: masks {NUMBERS} forged"),
        ({"code": 2, "bits": 128}, TypeError, f"mask_areas: masks {NUMBERS} forged"),
        ({"code": 10, "bits": 8}, TypeError, f"mask_areas: masks {NUMBERS} forged"),
        ({"code": 1, "bits": 4}, TypeError, f"mask_areas: masks {NUMBERS} forged"),
        ({"code": 3, "bits": 64}, TypeError, f"mask_areas: masks {NUMBERS} forged"),
        ({"code": 1, "bits": 8, "lanes": 2}, TypeError, f"mask_areas: masks {NUMBERS} forged"),
        ({"code": 2, "bits": 32}, TypeError, "mask_areas: masks must be bool or uint8, got float32"),
        ({"code": 4, "bits": 16}, TypeError, "mask_areas: masks must be bool or uint8, got bfloat16"),
        ({"shape": (1,) * 17}, ValueError, "mask_areas: masks must have at most 16 dimensions, got 17"),
        ({"version": 2}, TypeError, "mask_areas: masks must speak DLPack 1, got version 2"),
        ({"name": b"tensor"}, TypeError, "mask_areas: masks gave no DLPack capsule from its __dlpack__"),
        ({"name": b"used_dltensor"}, TypeError, "mask_areas: masks gave no DLPack capsule from its __dlpack__"),
    ],
)
def test_capsules_that_cannot_be_read_are_refused(backend, forgery, error, text):
    with refuses(error, text):
        rapidmask.mask_areas(Forged(np.zeros((2, 2), bool), **forgery))


def test_types_of_arrays_without_a_dtype_are_refused_by_a_sentence(backend):
    for kind in (Alone, Old):
        with pytest.raises(TypeError, match=f"^mask_areas: masks {NUMBERS} "):
            rapidmask.mask_areas(kind(np.zeros((2, 2), complex)))


# Devices


@pytest.fixture
def without_cuda(monkeypatch):
    """As if the package had been built without CUDA."""
    monkeypatch.setitem(sys.modules, "rapidmask._cuda", None)
    monkeypatch.setattr(_dispatch, "_cuda", None)


@pytest.mark.parametrize("device", [(2, 0), (2, 3), (13, 0)])
@pytest.mark.parametrize("name", EVERYTHING)
def test_cuda_arrays_without_cuda(without_cuda, name, device):
    assert rapidmask.cuda_status() == {"built": False, "devices": [], "error": None}
    with pytest.raises(NotImplementedError, match=r"there is no CUDA version yet|was built without CUDA"):
        EVERYTHING[name](Forged(np.zeros((1, 2, 2), bool), device=device))


def test_cuda_array_interface_without_cuda(without_cuda):
    interface = {"shape": (2, 2), "typestr": "|b1", "data": (4096, False), "version": 3}
    thing = types.SimpleNamespace(__cuda_array_interface__=interface, shape=(2, 2))
    for name in OF_MASKS:
        with pytest.raises(NotImplementedError):
            OF_MASKS[name](thing)


@pytest.mark.skipif(
    not rapidmask.cuda_status()["built"] or bool(rapidmask.cuda_status()["devices"]),
    reason="for a build with CUDA on a machine without a GPU; on one with a GPU the forged address would be read",
)
@pytest.mark.parametrize("name", EVERYTHING)
def test_cuda_arrays_without_a_gpu(name):
    with pytest.raises((rapidmask.CudaError, NotImplementedError)):
        EVERYTHING[name](Forged(np.zeros((1, 2, 2), bool), device=(2, 0)))


@pytest.mark.parametrize(("device", "name"), [((8, 0), "DLPack device (8, 0)"), ((10, 1), "DLPack device (10, 1)")])
def test_other_devices_are_refused(backend, device, name):
    with refuses(
        TypeError, f"mask_areas: masks must be in host memory, or on one CUDA device with the others, got {name}"
    ):
        rapidmask.mask_areas(Forged(np.zeros((2, 2), bool), device=device))


def test_pinned_host_memory_is_host_memory(backend):
    assert rapidmask.mask_areas(Forged(np.ones((2, 2), bool), device=(3, 0))) == 4


@pytest.mark.parametrize("argument", ["value", "out"])
def test_arguments_of_different_devices_are_refused(backend, argument):
    image = np.zeros((2, 3), np.float32)
    if argument == "value":
        other = Forged(np.zeros((2, 3)), code=2, bits=64, device=(2, 1))
        other.dtype = np.dtype(float)
    else:
        other = Forged(np.zeros((2, 3), bool), device=(2, 1))
    text = f"threshold: {argument} must be in host memory, or on one CUDA device with the others, got cuda:1"
    with refuses(TypeError, text):
        rapidmask.threshold(image, **{argument: other})


# Memory


def resident():
    """Bytes of the process in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def test_calls_leave_nothing_behind(rng):
    masks = blobs(rng, (2, 16, 128))
    image = masks.astype(np.float32)
    objects = [masks, image, Alone(masks), Old(image), Foreign(masks)]
    values = np.array([0.5, 0.25])
    surface = np.full((16, 128), 0.5)
    packed = rapidmask.pack(masks)
    rle = rapidmask.rle_encode(masks)
    if "torch" in sys.modules:
        objects.append(sys.modules["torch"].from_numpy(masks.copy()))

    def calls():
        for given in objects:
            rapidmask.threshold(given, 0.5)
            rapidmask.threshold(given, values, output="packed")
            rapidmask.threshold(given, surface, output="rle")
        rapidmask.label(masks, return_count=True)
        rapidmask.connected_components(packed)
        rapidmask.fill_holes(rle)
        assert (packed & packed) == packed
        (~rle - rle[[0, 1]]).boxes()
        rapidmask.RLEMasks.from_coco(rle.to_coco())
        for wrong in (lambda: rapidmask.pack(image), lambda: rapidmask.pack(None),
                      lambda: rapidmask.threshold(Alone(image), np.zeros(5)), lambda: rapidmask.rle_from_string("P"),
                      lambda: rapidmask.threshold(image, 0.5, out=image)):  # fmt: skip
            try:
                wrong()
            except (TypeError, ValueError):
                continue
            raise AssertionError("not refused")

    def counted():
        kept = [*objects, values, surface, np.dtype(bool), np.dtype(np.uint8), np.dtype(np.int64), Alone, Old, Foreign]
        return [sys.getrefcount(thing) for thing in kept]

    for _ in range(50):
        calls()
    gc.collect()
    before, size = counted(), resident() if sys.platform == "linux" else 0

    def growth():
        start = tracemalloc.get_traced_memory()[0]
        for _ in range(100):
            calls()
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - start

    # What leaks grows in every window, by an object or more per round; lists of free objects grow until they are full.
    tracemalloc.start()
    try:
        assert any(growth() < 100 * 40 for _ in range(20))
    finally:
        tracemalloc.stop()
    for one, other in zip(counted(), before, strict=True):
        assert abs(one - other) < 20
    if sys.platform == "linux":
        for _ in range(500):
            calls()
        assert resident() - size < 16 << 20  # after some 10,000 calls


# Subclasses of NumPy's arrays


def test_masked_arrays_are_refused(backend):
    with refuses(TypeError, "pack: masks must not be a masked array, whose mask would be ignored"):
        rapidmask.pack(np.ma.array(np.ones((2, 3), bool), mask=[[0, 1, 0], [0, 0, 0]]))


def test_other_subclasses_are_served(backend, tmp_path):
    stored = np.memmap(tmp_path / "masks", bool, "w+", shape=(2, 3))
    stored[0, 1] = True
    assert rapidmask.pack(stored).area().tolist() == [1]


def test_results_of_bfloat16_without_torch_are_refused():
    torch = pytest.importorskip("torch")

    class Plain:
        """A library of its own, whose arrays NumPy has no type for."""

        def __init__(self, tensor):
            self.tensor, self.shape, self.dtype = tensor, tuple(tensor.shape), "bfloat16"

        def __dlpack__(self, **options):
            return self.tensor.__dlpack__(**options)

        def __dlpack_device__(self):
            return self.tensor.__dlpack_device__()

    scores = Plain(torch.randn(3, 20, 20).bfloat16())
    for call in (rapidmask.non_overlapping, lambda x: rapidmask.clean_scores(x, max_hole_area=3)):
        with pytest.raises(TypeError, match="arrays of bfloat16 in host memory must be torch's"):
            call(scores)
    np.testing.assert_array_equal(rapidmask.threshold(scores), rapidmask.threshold(scores.tensor).numpy())


def test_results_apart_from_all_that_is_read():
    runs = rapidmask.RLEMasks(np.array([4, 4, 8], np.uint32), np.array([0, 3]), (4, 4))
    inside = runs.offsets.view(np.uint8)[:16].reshape(1, 4, 4)
    with pytest.raises(ValueError, match="rle_decode: out must not overlap offsets"):
        rapidmask.rle_decode(runs, output="uint8", out=inside)
    surface = np.zeros((8, 8), np.float32)
    inside = surface.view(np.uint8).reshape(-1)[:64].reshape(8, 8)
    with pytest.raises(ValueError, match="threshold: out must not overlap value"):
        rapidmask.threshold(np.zeros((8, 8), np.float32), surface, output="uint8", out=inside)
    indices = np.zeros(8, np.int64)
    with pytest.raises(ValueError, match="decode_prototypes: out must not overlap batch_index"):
        rapidmask.decode_prototypes(
            np.zeros((1, 2, 4, 4), np.float32), np.zeros((1, 2), np.float32), np.array([[0, 0, 4, 4]], np.float32),
            (4, 4), batch_index=indices[:1], output="uint8", out=indices.view(np.uint8)[:16].reshape(1, 4, 4),
        )  # fmt: skip
