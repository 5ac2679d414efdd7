"""Comparison of images with thresholds, which is exact: every expectation comes from Python's own numbers."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rapidmask
from inputs import guarded, hostile_masks, layouts, refuses
from reference import threshold as reference

INTEGERS = [np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.uint64, np.int64]
FLOATS = [np.float16, np.float32, np.float64]
DTYPES = [np.bool_, *INTEGERS, *FLOATS]
OUTPUTS = ["bool", "uint8", "packed", "rle"]
NOT_AN_ARRAY = "must be an array of NumPy, torch, CuPy or another library with DLPack, got"


def awkward(dtype):
    """Values of a type where comparisons tend to go wrong, as a flat array."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return np.array([False, True])
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        near = [info.min, info.min + 1, info.max - 1, info.max, 0, 1, 2, 3, 4, info.max // 2, info.max // 2 + 1]
        near += [v for v in (-1, -2, -3, 2**24 + 1, 2**31, 2**53, 2**53 + 1) if info.min <= v <= info.max]
        return np.array(near, dtype)
    info = np.finfo(dtype)
    one = dtype.type(1)
    values = [0.0, info.smallest_subnormal, info.smallest_normal, 0.1, 0.5, 1.0, one + info.eps, 3.5, 100.0, info.max]
    values = np.array([*values, np.inf], dtype)
    return np.concatenate([values, -values, np.array([np.nan], dtype)])


def image_of(dtype, rng, shape=(3, 3, 70)):
    """Awkward values and random ones, no two rows alike."""
    dtype = np.dtype(dtype)
    special = awkward(dtype)
    image = rng.choice(special, shape)
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        some = rng.random(shape) < 0.5
        image[some] = rng.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)[some]
    if dtype.kind == "f":
        some = rng.random(shape) < 0.5
        image[some] = rng.normal(0, 2, shape).astype(dtype)[some]
    return image


def rounded(value, dtype):
    """What a plain number is compared as: itself, or the nearest of a floating image's type."""
    if np.dtype(dtype).kind != "f":
        return value
    with np.errstate(all="ignore"):
        try:
            return np.asarray(float(value), dtype).item()
        except OverflowError:
            return math.inf if value > 0 else -math.inf


def dense(masks, output):
    """Masks of any form as booleans, once their form was found to be the one asked for."""
    if output == "packed":
        assert isinstance(masks, rapidmask.PackedMasks)
        return masks.to_dense()
    if output == "rle":
        assert isinstance(masks, rapidmask.RLEMasks)
        return masks.to_dense()
    assert masks.dtype == (np.bool_ if output == "bool" else np.uint8)
    bytes_ = masks.view(np.uint8)
    assert bytes_.max(initial=0) <= 1
    return bytes_ == 1


def assert_thresholds(image, value, expected_of, outputs=OUTPUTS):
    """Every operator and output against the reference."""
    for op in (">", ">="):
        expected = reference.threshold(image, expected_of, op)
        for output in outputs:
            found = dense(rapidmask.threshold(image, value, op=op, output=output), output)
            shown = f"{value if np.ndim(value) == 0 else 'values'} {op} {output}"  # printing arrays takes long
            np.testing.assert_array_equal(found, expected.reshape(found.shape), err_msg=shown)


# Worked examples


def test_by_eye(backend):
    logits = np.array([[-0.5, 0.0], [0.5, np.nan]], np.float32)
    np.testing.assert_array_equal(rapidmask.threshold(logits), [[False, False], [True, False]])
    np.testing.assert_array_equal(rapidmask.threshold(logits, op=">="), [[False, True], [True, False]])
    np.testing.assert_array_equal(rapidmask.threshold(logits, -0.5, op=">=", output="uint8"), [[1, 1], [1, 0]])


def test_values_of_each_image_and_pixel_by_eye(backend):
    images = np.array([[[1, 2]], [[3, 4]]], np.uint8)
    np.testing.assert_array_equal(rapidmask.threshold(images, np.array([1, 3])), [[[0, 1]], [[0, 1]]])
    np.testing.assert_array_equal(rapidmask.threshold(images, np.array([[0.5, 3.5]])), [[[1, 0]], [[1, 1]]])
    surface = np.array([[[0.0, 2.0]], [[9.0, 3.5]]])
    np.testing.assert_array_equal(rapidmask.threshold(images, surface), [[[1, 0]], [[0, 1]]])


def test_hysteresis_by_eye(backend):
    image = np.array([[1, 2, 1, 0, 1, 1]], np.uint8)
    expected = np.array([[1, 1, 1, 0, 0, 0]], bool)
    np.testing.assert_array_equal(rapidmask.hysteresis_threshold(image, 0.5, 1.5), expected)


# Against the definition


@pytest.mark.parametrize("dtype", DTYPES)
def test_plain_numbers(backend, isa, rng, dtype):
    image = image_of(dtype, rng)
    values = [0, 1, -1, 0.0, -0.0, 0.5, 3.5, -3.5, 2.999999, 127.5, 128, 255.5, 1e-310, -1e-310, 5e-324]
    values += [1e5, -1e5, 65503.9, 65519.99, 65520.0, 1e39, -1e39, 1e300, -1e300, math.inf, -math.inf, True, False]
    values += [2**31, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**64 - 1, 2**64, 10**30, -(10**30)]
    values += [v for v in awkward(dtype).tolist() if v == v]
    for value in values[:: 4 if backend == "emu" else 1]:  # what becomes of a number is the host's work
        assert_thresholds(image, value, rounded(value, dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_one_value_for_each_image(backend, isa, rng, dtype):
    image = image_of(dtype, rng, (2, 3, 2, 67))
    special = awkward(dtype)
    for kind in (np.float64, np.float32, dtype):
        for _ in range(4):
            with np.errstate(over="ignore"):
                values = rng.choice(special, (2, 3)).astype(kind)
            values[0] = [0.5, 3.5, 1e4] if np.dtype(kind).kind == "f" else values[0]
            assert_thresholds(image, values, np.broadcast_to(values[..., None, None], image.shape))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_surfaces(backend, isa, rng, dtype, kind):
    image = image_of(dtype, rng)
    with np.errstate(over="ignore"):
        surface = image[::-1].astype(kind)
        some = rng.random(image.shape) < 0.3
        surface[some] = image.astype(kind)[some]  # equal to the pixel, but for rounding
        some = rng.random(image.shape) < 0.2
        surface[some] = np.nextafter(surface[some], kind(np.inf))
    surface[:, :, :5] = [np.nan, np.inf, -np.inf, -0.0, 1e-40]
    assert_thresholds(image, surface, surface)
    assert_thresholds(image, surface[1], surface[1])
    assert_thresholds(image[0], surface[0], surface[0])


@pytest.mark.parametrize("dtype", DTYPES)
def test_surface_of_the_images_own_type(backend, isa, rng, dtype):
    image = image_of(dtype, rng)
    surface = image[::-1].copy()
    assert_thresholds(image, surface, surface)


@pytest.mark.parametrize("dtype", [np.int64, np.uint64])
def test_integers_of_64_bits_as_values(backend, isa, dtype):
    # Arrays of values keep what a float64 cannot hold, as plain numbers do.
    large = 2**53 + 1
    image = np.full((2, 1, 2), large, dtype)
    assert_thresholds(image, np.array([large, large - 1], dtype), np.array([large, large - 1]).reshape(2, 1, 1))
    surface = np.array([[large, large - 1]], dtype)
    assert_thresholds(image, surface, surface)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", [np.int64, np.uint64])
def test_integers_of_64_bits_with_every_type(backend, isa, rng, dtype, kind):
    image = image_of(dtype, rng)
    if np.dtype(dtype).kind == "f":
        image[:, 0, :6] = [2.0**53, 2.0**63, -(2.0**63), 2.0**64, 1e4, -1.0] if dtype != np.float16 else 65504.0
    for _ in range(3):
        values = rng.choice(np.append(awkward(kind), np.array([65504, 10**4], kind)), 3)
        assert_thresholds(image, values, values.reshape(3, 1, 1))
        surface = rng.choice(awkward(kind), image.shape)
        surface[:, 0, :6] = np.array([2**53, 2**53 + 1, 2**63 - 1, 2**62, 10**4, 1], kind)
        assert_thresholds(image, surface, surface)
        assert_thresholds(image, surface[0], surface[0])


@pytest.mark.parametrize("dtype", [np.int64, np.uint64])
def test_extremes_of_64_bits(backend, isa, dtype):
    info = np.iinfo(dtype)
    pixels = [info.min, info.min + 1, 2**53 - 1, 2**53, 2**53 + 1, 2**62, info.max - 1, info.max]
    image = np.resize(np.array(pixels, dtype), (2, 3, 9))
    values = [*pixels, info.min - 1, info.max + 1, -(2**63), 2**63 - 1, 2**63, 2**64]
    for value in values:
        assert_thresholds(image, value, value)
        assert_thresholds(image, float(value), float(value))
        assert_thresholds(image, np.array([value, 0.5], float), np.array([float(value), 0.5]).reshape(2, 1, 1))
        assert_thresholds(image, np.full((3, 9), value, float), float(value))


def test_integers_of_any_size(backend):
    # An integer past every float is above every pixel of any type, as 2**64 is.
    for dtype in DTYPES:
        image = image_of(dtype, np.random.default_rng(0), (1, 3, 40))
        for value in (10**400, -(10**400)):
            assert_thresholds(image, value, rounded(value, dtype))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.data())
def test_any_number_with_any_type(data):
    dtype = np.dtype(data.draw(st.sampled_from(DTYPES)))
    if dtype.kind == "f":
        width = 8 * dtype.itemsize
        pixel = data.draw(st.floats(width=width))
        close = np.nextafter(np.asarray(pixel, dtype), dtype.type(data.draw(st.sampled_from([-np.inf, np.inf]))))
        value = data.draw(st.one_of(st.just(pixel), st.just(close.item()), st.floats(), st.integers()))
    elif dtype.kind == "b":
        pixel = data.draw(st.booleans())
        value = data.draw(st.one_of(st.floats(), st.integers()))
    else:
        info = np.iinfo(dtype)
        pixel = data.draw(st.integers(int(info.min), int(info.max)))
        shift = data.draw(st.sampled_from([0, 1, -1, 0.5, -0.5, 1e-9]))
        value = data.draw(st.one_of(st.just(pixel + shift), st.floats(), st.integers()))
    image = np.full((1, 1, 65), pixel, dtype)
    with np.errstate(all="ignore"):
        if isinstance(value, float) and math.isnan(value):
            assert not rapidmask.threshold(image, np.array([value])).any()
            return
        assert_thresholds(image, value, rounded(value, dtype))
        if isinstance(value, float):
            assert_thresholds(image, np.array([value]), value)
            assert_thresholds(image, np.full((1, 65), value), value)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_types_of_torch(isa, dtype):
    torch = pytest.importorskip("torch")
    kind = getattr(torch, dtype)
    every = torch.arange(-(2**15), 2**15, dtype=torch.int16)
    generator = torch.Generator().manual_seed(0)
    image = every.view(kind) if dtype in ("float16", "bfloat16") else torch.randn(2**16, generator=generator).to(kind)
    image = image.reshape(4, 128, 128)
    exact = image.to(torch.float64).numpy()
    tiny = torch.finfo(kind).tiny
    values = [0.0, -0.0, 0.1, 1.0, 1.003, -2.7, tiny, tiny / 2, -tiny / 2, torch.finfo(kind).max, math.inf, -math.inf]
    for value in values:
        limit = torch.tensor(value, dtype=torch.float64).to(kind).to(torch.float64).item()
        for op, expected in ((">", exact > limit), (">=", exact >= limit)):
            np.testing.assert_array_equal(rapidmask.threshold(image, value, op=op).numpy(), expected)
            packed = rapidmask.threshold(image, value, op=op, output="packed")
            assert isinstance(packed.data, torch.Tensor)
            np.testing.assert_array_equal(packed.to_dense().numpy(), expected)
    # Arrays are not rounded, whatever their type.
    surface = torch.linspace(-3, 3, 128 * 128, dtype=torch.float64).reshape(128, 128)
    found = rapidmask.threshold(image, surface)
    np.testing.assert_array_equal(found.numpy(), exact > surface.numpy())
    values = torch.tensor([0.1, -0.1, 1 / 3, 0.0], dtype=torch.float64)
    found = rapidmask.threshold(image, values)
    np.testing.assert_array_equal(found.numpy(), exact > values.numpy()[:, None, None])
    for rough in (torch.float16, torch.bfloat16, torch.float32):
        found = rapidmask.threshold(image, values.to(rough), op=">=", output="uint8")
        assert found.dtype == torch.uint8
        np.testing.assert_array_equal(found.numpy(), exact >= values.to(rough).double().numpy()[:, None, None])


# As NumPy


@pytest.mark.parametrize("dtype", DTYPES)
def test_as_numpy_compares(backend, isa, rng, dtype):
    image = image_of(dtype, rng)
    values = [0, 1, -1, 300, 70000, 2**40, -(2**70)]  # integers with integers: exact in NumPy
    if np.dtype(dtype).itemsize < 8 or np.dtype(dtype).kind == "f":
        values = [0.0, 0.1, -0.5, 3.5, 1e-8, math.inf, -math.inf]
    for value in values:
        with np.errstate(over="ignore"):
            np.testing.assert_array_equal(rapidmask.threshold(image, value), image > value)
            np.testing.assert_array_equal(rapidmask.threshold(image, value, op=">="), image >= value)


@pytest.mark.parametrize("scalar", [np.float64(0.5), np.float32(0.5), np.float16(0.5), np.int8(0), np.bool_(False)])
def test_numpy_scalars(backend, scalar):
    image = np.array([[0.0, 0.5, 1.0]], np.float32)
    np.testing.assert_array_equal(rapidmask.threshold(image, scalar), image > scalar)
    np.testing.assert_array_equal(rapidmask.threshold(image, np.array(scalar)), image > scalar)
    np.testing.assert_array_equal(rapidmask.threshold(image, np.uint64(2**64 - 1)), np.zeros((1, 3), bool))


# Special values


@pytest.mark.parametrize("dtype", FLOATS)
def test_nan_is_never_foreground(backend, isa, dtype):
    bits = f"u{np.dtype(dtype).itemsize}"
    sign = 1 << (8 * np.dtype(dtype).itemsize - 1)
    infinity = int(np.array(np.inf, dtype).view(bits))
    nans = np.array([infinity + 1, infinity | infinity >> 1, sign - 1], bits)
    image = np.resize(np.concatenate([nans, nans | np.array(sign, bits)]), (2, 3, 80)).view(dtype)
    assert np.isnan(image).all()
    for value in (0.0, -1.0, math.inf, -math.inf, np.full((3, 80), -np.inf), np.array([-np.inf, np.nan])):
        for op in (">", ">="):
            for output in OUTPUTS:
                assert not dense(rapidmask.threshold(image, value, op=op, output=output), output).any()


@pytest.mark.parametrize("dtype", FLOATS)
def test_zeros_are_equal_whatever_their_sign(backend, isa, dtype):
    image = np.array([[0.0, -0.0] * 40], dtype)
    for zero in (0.0, -0.0, 0, np.zeros((1, 80)), np.full((1, 80), -0.0), np.array(-0.0)):
        for output in OUTPUTS:
            assert not dense(rapidmask.threshold(image, zero, output=output), output).any()
            assert dense(rapidmask.threshold(image, zero, op=">=", output=output), output).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float16, np.float32, np.float64])
def test_nan_among_arrays_of_values_has_no_foreground(backend, isa, dtype):
    image = np.ones((2, 2, 66), dtype)
    for op in (">", ">="):
        found = rapidmask.threshold(image, np.array([np.nan, 0.5]), op=op)
        assert not found[0].any()
        assert found[1].all()
        surface = np.zeros((2, 66), np.float32)
        surface[0, 65] = np.nan
        found = rapidmask.threshold(image, surface, op=op, output="packed").to_dense()
        np.testing.assert_array_equal(found, np.broadcast_to(~np.isnan(surface), image.shape))


# Shapes and layouts


@pytest.mark.parametrize("shape", [(), (1,), (5,), (0,), (130,)])
@pytest.mark.parametrize("output", ["bool", "uint8"])
def test_any_number_of_dimensions_for_dense_masks(backend, isa, shape, output):
    for dtype in (np.uint8, np.float32):
        x = np.resize(np.arange(7), shape).astype(dtype)
        found = rapidmask.threshold(x, 2, output=output)
        assert found.shape == shape
        np.testing.assert_array_equal(dense(found, output), x > 2)


@pytest.mark.parametrize("name", hostile_masks())
def test_hostile_shapes(backend, isa, name):
    masks = np.asarray(hostile_masks()[name])
    for dtype in (np.uint8, np.float16, np.float32):
        image = masks.astype(dtype)
        for value in (0.5, np.full(masks.shape[1:], 0.5, np.float32), np.full(len(masks), 0.5)):
            for output in OUTPUTS:
                found = rapidmask.threshold(image, value, output=output)
                np.testing.assert_array_equal(dense(found, output), masks)
        packed = rapidmask.threshold(image, 0.5, output="packed")
        assert packed == rapidmask.pack(masks)  # the tail bits too


@pytest.mark.parametrize("dtype", DTYPES)
def test_layouts(backend, rng, dtype):
    image = image_of(dtype, rng, (2, 5, 66))
    surface = rng.normal(0, 1, (5, 66))
    expected = [image > 0, image > surface]
    for layout, view in layouts(image):
        for output in OUTPUTS:
            found = dense(rapidmask.threshold(view, 0, output=output), output)
            np.testing.assert_array_equal(found, expected[0], err_msg=layout)
    if np.dtype(dtype).itemsize < 8 or np.dtype(dtype).kind == "f":
        for layout, view in layouts(surface):
            np.testing.assert_array_equal(rapidmask.threshold(image, view), expected[1], err_msg=layout)


@pytest.mark.parametrize("dtype", DTYPES)
def test_arrays_of_odd_addresses(backend, isa, rng, dtype):
    image = image_of(dtype, rng, (2, 5, 166))
    for offset in (1, 3):
        memory = np.zeros(image.nbytes + offset, np.uint8)[offset:]
        odd = memory.view(dtype).reshape(image.shape)
        odd[...] = image
        np.testing.assert_array_equal(rapidmask.threshold(odd, 1), image > 1)
        np.testing.assert_array_equal(rapidmask.threshold(odd, 1, output="packed").to_dense(), image > 1)


@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32, np.int64])
@pytest.mark.parametrize("shape", [(3, 900, 1111), (1, 1, 3_000_001), (4000, 30, 64)])
def test_bands_of_several_threads(threads, dtype, shape):
    image = np.resize(np.arange(251), shape).astype(dtype)
    values = np.resize(np.array([10.5, 100.0, 200.25]), shape[0])
    expected = image > values[:, None, None]
    for count in (1, 2, 7):
        threads(count)
        np.testing.assert_array_equal(rapidmask.threshold(image, values), expected)
        packed = rapidmask.threshold(image, values, output="packed")
        np.testing.assert_array_equal(packed.to_dense(), expected)
        surface = np.resize(np.float32([1, 200, 50.5]), shape[1:])
        found = rapidmask.threshold(image, surface, output="uint8")
        np.testing.assert_array_equal(found, image > surface)


# out=


@pytest.mark.parametrize("shape", [(2, 3, 5), (4, 64), (3, 2, 65), (2, 5, 200), (7,), (), (2, 0, 4)])
@pytest.mark.parametrize("output", ["bool", "uint8"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float16, np.float32, np.float64])
def test_dense_out(backend, isa, rng, shape, output, dtype):
    x = rng.integers(0, 3, shape).astype(dtype)
    for guard in (64, 61):
        out, untouched = guarded(shape, output, guard)
        assert rapidmask.threshold(x, 1, output=output, out=out) is out
        np.testing.assert_array_equal(out.view(np.uint8), np.asarray(x > 1))
        assert untouched()
    if len(shape) >= 2:
        out, untouched = guarded(shape, output)
        rapidmask.threshold(x, np.ones(shape[-2:]), output=output, out=out)
        np.testing.assert_array_equal(out.view(np.uint8), x > 1)
        assert untouched()


@pytest.mark.parametrize("width", [1, 63, 64, 65, 200])
@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32])
def test_packed_out(backend, isa, rng, width, dtype):
    x = rng.integers(0, 3, (2, 3, width)).astype(dtype)
    for value in (1, np.ones((3, width))):
        out, untouched = guarded((2, 3, 8 * -(-width // 64)), np.uint8)
        packed = rapidmask.threshold(x, value, output="packed", out=out)
        assert packed.data is out
        assert packed == rapidmask.pack(x > 1)
        assert untouched()


def test_packed_out_at_an_odd_address_is_refused(backend):
    # Packed rows are written by words; PackedMasks of such bits could not be read either.
    out = np.zeros(1 + 3 * 16, np.uint8)[1:].reshape(1, 3, 16)
    with refuses(ValueError, "threshold: out must be aligned to 8 bytes"):
        rapidmask.threshold(np.eye(3, 70), 0.5, output="packed", out=out)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"out": np.zeros((2, 3), np.uint8)}, TypeError, "threshold: out must be bool, got uint8"),
        (
            {"out": np.zeros((2, 3), bool), "output": "uint8"},
            TypeError,
            "threshold: out must be uint8, got bool",
        ),
        ({"out": np.zeros((3, 2), bool)}, ValueError, "threshold: out must have shape (2, 3), got shape (3, 2)"),
        (
            {"out": np.zeros((1, 2, 1), np.uint8), "output": "packed"},
            ValueError,
            "threshold: out must have shape (1, 2, 8), got shape (1, 2, 1)",
        ),
        (
            {"out": np.zeros((3, 2), bool).T},
            ValueError,
            "threshold: out must be writable and C-contiguous",
        ),
        (
            {"out": np.broadcast_to(np.zeros(3, bool), (2, 3))},
            ValueError,
            "threshold: out must be writable and C-contiguous",
        ),
        (
            {"out": np.frombuffer(bytes(6), np.uint8).reshape(2, 3), "output": "uint8"},
            ValueError,
            "threshold: out must be writable and C-contiguous",
        ),
        (
            {"out": np.zeros((2, 3), bool), "output": "rle"},
            ValueError,
            "threshold: out must be None when output is 'rle'",
        ),
        ({"out": bytearray(6)}, TypeError, f"threshold: out {NOT_AN_ARRAY} bytearray"),
    ],
)
def test_out_that_does_not_fit_is_refused(backend, arguments, error, text):
    with refuses(error, text):
        rapidmask.threshold(np.zeros((2, 3), np.float32), 0.5, **arguments)


# Errors

IMAGE = np.zeros((4, 3, 5), np.float32)
NUMBERS = "must hold booleans, integers or floats of at most 64 bits, got"


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (
            lambda: rapidmask.threshold(IMAGE, op="<"),
            ValueError,
            "threshold: op must be '>' or '>=', got '<'",
        ),
        (
            lambda: rapidmask.threshold(IMAGE, output="bits"),
            ValueError,
            "threshold: output must be one of bool, uint8, packed, rle, got 'bits'",
        ),
        (lambda: rapidmask.threshold(IMAGE, math.nan), ValueError, "threshold: value must not be NaN, got nan"),
        (
            lambda: rapidmask.threshold(IMAGE, np.float32("nan")),
            ValueError,
            "threshold: value must not be NaN, got nan",
        ),
        (
            lambda: rapidmask.threshold(IMAGE.astype(np.int32), math.nan, output="packed"),
            ValueError,
            "threshold: value must not be NaN, got nan",
        ),
        (
            lambda: rapidmask.threshold(IMAGE, np.zeros(3)),
            ValueError,
            "threshold: value must be a number, one for each image with shape (4,), or a surface with shape (4, 3, 5) "
            "or (H, W), got shape (3,)",
        ),
        (
            lambda: rapidmask.threshold(IMAGE, np.zeros((4, 1, 1))),
            ValueError,
            "threshold: value must be a number, one for each image with shape (4,), or a surface with shape (4, 3, 5) "
            "or (H, W), got shape (4, 1, 1)",
        ),
        (
            lambda: rapidmask.threshold(IMAGE[0], np.zeros((5, 3))),
            ValueError,
            "threshold: value must be a number, one for each image with shape (), or a surface with shape (3, 5) "
            "or (H, W), got shape (5, 3)",
        ),
        (
            lambda: rapidmask.threshold(IMAGE, [1, 2, 3, 4]),
            TypeError,
            "threshold: value must be a number or an array, got list",
        ),
        (
            lambda: rapidmask.threshold(IMAGE, None),
            TypeError,
            "threshold: value must be a number or an array, got NoneType",
        ),
        (
            lambda: rapidmask.threshold(IMAGE, "0.5"),
            TypeError,
            "threshold: value must be a number or an array, got str",
        ),
        (
            lambda: rapidmask.threshold(IMAGE, 1j),
            TypeError,
            "threshold: value must be a number or an array, got complex",
        ),
        (lambda: rapidmask.threshold(IMAGE, np.zeros(4, complex)), TypeError, f"threshold: value {NUMBERS} complex128"),
        (
            lambda: rapidmask.threshold(IMAGE, np.zeros((3, 5), complex)),
            TypeError,
            f"threshold: value {NUMBERS} complex128",
        ),
        (lambda: rapidmask.threshold(IMAGE, np.array(["1"] * 4)), TypeError, f"threshold: value {NUMBERS} <U1"),
        (
            lambda: rapidmask.threshold(IMAGE, np.array([1] * 4, object)),
            TypeError,
            f"threshold: value {NUMBERS} object",
        ),
        (lambda: rapidmask.threshold([[1.0]]), TypeError, f"threshold: x {NOT_AN_ARRAY} list"),
        (lambda: rapidmask.threshold([[1.0]], np.zeros(3)), TypeError, f"threshold: x {NOT_AN_ARRAY} list"),
        (lambda: rapidmask.threshold(None, output="packed"), TypeError, f"threshold: x {NOT_AN_ARRAY} NoneType"),
        (lambda: rapidmask.threshold(IMAGE.astype(complex)), TypeError, f"threshold: x {NUMBERS} complex128"),
        (
            lambda: rapidmask.threshold(np.zeros(5), output="packed"),
            ValueError,
            "threshold: x must have at least 2 dimensions (..., H, W), got shape (5,)",
        ),
        (
            lambda: rapidmask.threshold(np.zeros(5), output="rle"),
            ValueError,
            "threshold: x must have at least 2 dimensions (..., H, W), got shape (5,)",
        ),
        (
            lambda: rapidmask.threshold(np.zeros(5), np.zeros(5)),
            ValueError,
            "threshold: x must have at least 2 dimensions (..., H, W), got shape (5,)",
        ),
        (
            lambda: rapidmask.hysteresis_threshold(np.zeros(5), 0, 1),
            ValueError,
            "hysteresis_threshold: x must have at least 2 dimensions (..., H, W), got shape (5,)",
        ),
        (
            lambda: rapidmask.hysteresis_threshold(IMAGE[0], 0, 1, connectivity=18),
            ValueError,
            "hysteresis_threshold: x must have at least 3 dimensions (..., D, H, W), got shape (3, 5)",
        ),
        (
            lambda: rapidmask.hysteresis_threshold(IMAGE, 0, 1, connectivity=5),
            ValueError,
            "hysteresis_threshold: connectivity must be 4 or 8 (images), 6, 18 or 26 (volumes), got 5",
        ),
    ],
)
def test_errors(backend, call, error, text):
    with refuses(error, text):
        call()


def test_an_ambiguous_array_is_one_value_for_each_image(backend):
    image = np.arange(36, dtype=np.float32).reshape(2, 3, 2, 3)
    values = np.arange(6.0).reshape(2, 3) * 6 + 2
    np.testing.assert_array_equal(rapidmask.threshold(image, values), image > values[..., None, None])


# Hysteresis


@pytest.mark.parametrize("connectivity", [4, 8])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64])
def test_hysteresis_is_its_definition(backend, rng, dtype, connectivity):
    for shape in [(9, 13), (1, 40), (40, 1), (5, 64), (5, 65), (17, 33), (0, 4), (4, 0)]:
        image = rng.integers(0, 9, shape).astype(dtype)
        for low, high in [(4, 7), (2.5, 6.5), (5, 5), (7, 3), (-1, 20), (-1, -1)]:
            expected = reference.hysteresis(image, low, high, connectivity)
            found = rapidmask.hysteresis_threshold(image, low, high, connectivity=connectivity)
            assert found.dtype == bool
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", hostile_masks())
def test_hysteresis_of_hostile_shapes(backend, name):
    masks = np.asarray(hostile_masks()[name])
    image = masks.astype(np.float32)
    if masks.size:
        image.reshape(len(masks), -1)[:, -1] *= 2  # one strong pixel in each
    for connectivity in (4, 8):
        found = rapidmask.hysteresis_threshold(image, 0.5, 1.5, connectivity=connectivity)
        for one, expected in zip(found, image, strict=True):
            np.testing.assert_array_equal(one, reference.hysteresis(expected, 0.5, 1.5, connectivity))


def test_hysteresis_of_a_batch_and_arrays_of_thresholds(backend, rng):
    image = rng.normal(0, 1, (2, 2, 7, 21)).astype(np.float32)
    low = np.array([[0.0, -0.5], [0.25, 0.3]])
    high = rng.normal(1, 0.5, (7, 21))
    found = rapidmask.hysteresis_threshold(image, low, high)
    assert found.shape == image.shape
    for index in np.ndindex(2, 2):
        np.testing.assert_array_equal(found[index], reference.hysteresis(image[index], low[index], high))


@pytest.mark.parametrize("connectivity", [6, 18, 26])
def test_hysteresis_of_volumes(backend, rng, connectivity):
    for shape in [(3, 5, 7), (1, 4, 65), (4, 1, 9), (2, 3, 4, 66), (2, 2, 3, 3, 5), (0, 3, 4), (2, 0, 3, 4), (3, 0, 4)]:
        image = rng.normal(0, 1, shape).astype(np.float32)
        for low, high in [(0.0, 1.0), (0.5, 2.0), (1.0, -1.0), (0.0, rng.normal(1, 1, shape))]:
            found = rapidmask.hysteresis_threshold(image, low, high, connectivity=connectivity)
            assert found.shape == shape
            assert found.dtype == bool
            for index in np.ndindex(shape[:-3]):
                limit = high[index] if isinstance(high, np.ndarray) else high
                expected = reference.hysteresis(image[index], low, limit, connectivity)
                np.testing.assert_array_equal(found[index], expected)


def test_hysteresis_of_volumes_as_scikit_image(backend, rng):
    filters = pytest.importorskip("skimage.filters")
    noise = rng.normal(0, 1, (7, 15, 66))
    expected = filters.apply_hysteresis_threshold(noise, 0.3, 1.5)
    np.testing.assert_array_equal(rapidmask.hysteresis_threshold(noise, 0.3, 1.5, connectivity=6), expected)


@pytest.mark.parametrize("name", ["coins", "camera", "page"])
def test_hysteresis_as_scikit_image(backend, name):
    filters = pytest.importorskip("skimage.filters")
    image = getattr(pytest.importorskip("skimage.data"), name)()
    if backend == "emu":
        image = image[40:90, 40:150]
    for low, high in [(90, 150), (60.5, 100.5), (150, 90)]:
        found = rapidmask.hysteresis_threshold(image, low, high, connectivity=4)
        np.testing.assert_array_equal(found, filters.apply_hysteresis_threshold(image, low, high))
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 1, (31, 67))
    expected = filters.apply_hysteresis_threshold(noise, 0.0, 1.5)
    np.testing.assert_array_equal(rapidmask.hysteresis_threshold(noise, 0.0, 1.5, connectivity=4), expected)
