"""Masks with one bit per pixel."""

import numpy as np
import pytest

import rapidmask
from inputs import WIDTHS, guarded, hostile_masks, layouts, refuses
from reference import pack as reference

HOSTILE = hostile_masks()


def words(width):
    """Bytes of a packed row."""
    return 8 * -(-width // 64)


# Worked examples


def test_pack_by_eye(backend):
    mask = np.array([[0, 1, 1], [1, 0, 0]], np.uint8)
    packed = rapidmask.pack(mask)
    assert packed.size == (2, 3)
    assert packed.data.dtype == np.uint8
    # Pixel x is bit x, and a row takes a whole word.
    expected = [[[0b110, 0, 0, 0, 0, 0, 0, 0], [0b001, 0, 0, 0, 0, 0, 0, 0]]]
    np.testing.assert_array_equal(packed.data, expected)


def test_pixels_beyond_a_word_by_eye(backend):
    mask = np.zeros((1, 66), bool)
    mask[0, [0, 63, 64]] = True
    expected = [[[1, 0, 0, 0, 0, 0, 0, 0b10000000, 1, 0, 0, 0, 0, 0, 0, 0]]]
    np.testing.assert_array_equal(rapidmask.pack(mask).data, expected)


def test_unpack_by_eye(backend):
    packed = rapidmask.PackedMasks(np.array([[[0b101, 0, 0, 0, 0, 0, 0, 0]]], np.uint8), (1, 3))
    dense = rapidmask.unpack(packed)
    assert dense.dtype == bool
    np.testing.assert_array_equal(dense, [[[True, False, True]]])
    dense = rapidmask.unpack(packed, dtype=np.uint8)
    assert dense.dtype == np.uint8
    np.testing.assert_array_equal(dense, [[[1, 0, 1]]])


# Against the definition


@pytest.mark.parametrize("name", HOSTILE)
def test_pack_is_its_definition(backend, isa, name):
    masks = np.asarray(HOSTILE[name])
    expected = reference.pack(masks)
    for dtype in (bool, np.uint8):
        for layout, view in layouts(masks.astype(dtype)):
            packed = rapidmask.pack(view)
            assert packed.size == masks.shape[1:]
            assert packed.data.dtype == np.uint8
            np.testing.assert_array_equal(packed.data, expected, err_msg=layout)
    assert packed.data.flags.c_contiguous


@pytest.mark.parametrize("name", HOSTILE)
def test_unpack_gives_back_what_was_packed(backend, isa, name):
    masks = np.asarray(HOSTILE[name])
    packed = rapidmask.pack(masks)
    for dtype in (bool, np.uint8, "bool", "uint8", np.dtype(bool), np.bool_):
        dense = rapidmask.unpack(packed, dtype=dtype)
        assert dense.dtype == np.dtype(dtype)
        np.testing.assert_array_equal(dense.view(np.uint8), masks)  # nothing but 0 and 1
    assert packed == rapidmask.pack(masks)


@pytest.mark.parametrize("width", WIDTHS)
def test_pack_is_numpy_packbits(backend, isa, rng, width):
    masks = rng.random((3, 4, width)) < 0.5
    expected = np.packbits(masks, axis=-1, bitorder="little")
    packed = rapidmask.pack(masks)
    assert packed.data.shape == (3, 4, words(width))
    np.testing.assert_array_equal(packed.data[..., : expected.shape[-1]], expected)
    assert not packed.data[..., expected.shape[-1] :].any()
    assert rapidmask.PackedMasks.from_packbits(expected, width) == packed


@pytest.mark.parametrize("width", [1, 7, 64, 70, 129])
def test_any_value_but_zero_is_foreground(backend, isa, width):
    mask = np.resize(np.arange(256, dtype=np.uint8), (8, width))
    np.testing.assert_array_equal(rapidmask.pack(mask).data, reference.pack(mask[None]))
    for value in (1, 2, 127, 128, 255):
        np.testing.assert_array_equal(
            rapidmask.pack(np.full((3, width), value, np.uint8)).data, rapidmask.pack(np.ones((3, width), bool)).data
        )


def test_booleans_of_any_byte(backend, isa):
    # What other libraries leave in a boolean's byte is not always 1.
    mask = np.array([[0, 1, 2, 255]], np.uint8).view(bool)
    assert rapidmask.pack(mask).data[0, 0, 0] == 0b1110


@pytest.mark.parametrize("shape", [(5, 70), (1, 5, 70), (2, 3, 5, 70), (2, 1, 3, 2, 7), (2, 0, 5, 70)])
def test_leading_dimensions_become_one(backend, rng, shape):
    masks = rng.random(shape) < 0.5
    packed = rapidmask.pack(masks)
    assert len(packed) == np.prod(shape[:-2])
    np.testing.assert_array_equal(rapidmask.unpack(packed), masks.reshape(-1, *shape[-2:]))


def test_bits_past_the_width_do_not_show(backend, isa):
    # They are zero by contract; whoever breaks it gets masks of the right shape all the same.
    dense = rapidmask.unpack(rapidmask.PackedMasks._wrap(np.full((1, 2, 8), 255, np.uint8), (2, 3)))
    np.testing.assert_array_equal(dense, np.ones((1, 2, 3), bool))


@pytest.mark.parametrize("shape", [(3, 700, 1111), (1, 2, 1_500_000), (900, 40, 64)])
def test_bands_of_several_threads(isa, threads, rng, shape):
    masks = rng.integers(0, 3, shape, np.uint8)
    expected = reference.pack(masks)
    for count in (1, 2, 7):
        threads(count)
        packed = rapidmask.pack(masks)
        np.testing.assert_array_equal(packed.data, expected)
        np.testing.assert_array_equal(rapidmask.unpack(packed), masks != 0)


# Packed already


def test_packed_masks_are_returned_as_they_are(backend):
    packed = rapidmask.pack(np.eye(5, dtype=bool))
    assert rapidmask.pack(packed) is packed


@pytest.mark.parametrize("name", HOSTILE)
def test_run_lengths_are_packed(backend, name):
    masks = np.asarray(HOSTILE[name])
    assert rapidmask.pack(rapidmask.rle_encode(masks)) == rapidmask.pack(masks)


# out=


@pytest.mark.parametrize("shape", [(2, 3, 5), (1, 4, 64), (3, 2, 65), (2, 5, 200), (1, 1, 1), (2, 0, 4), (0, 3, 3)])
@pytest.mark.parametrize("dtype", [bool, np.uint8])
def test_unpack_writes_into_out(backend, isa, rng, shape, dtype):
    masks = rng.random(shape) < 0.5
    out, untouched = guarded(shape, dtype)
    result = rapidmask.unpack(rapidmask.pack(masks), dtype=dtype, out=out)
    assert result is out
    np.testing.assert_array_equal(out.view(np.uint8), masks)
    assert untouched()


def test_out_at_any_address(backend, isa, rng):
    masks = rng.random((2, 3, 131)) < 0.5
    packed = rapidmask.pack(masks)
    for guard in range(60, 69):
        out, untouched = guarded(masks.shape, np.uint8, guard)
        rapidmask.unpack(packed, dtype=np.uint8, out=out)
        np.testing.assert_array_equal(out, masks)
        assert untouched()


def read_only():
    array = np.zeros((1, 2, 3), bool)
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    ("out", "error", "text"),
    [
        (np.zeros((1, 2, 3), np.uint8), TypeError, "unpack: out must be bool, got uint8"),
        (np.zeros((1, 2, 3), np.float32), TypeError, "unpack: out must be bool, got float32"),
        (np.zeros((2, 3), bool), ValueError, "unpack: out must have shape (1, 2, 3), got shape (2, 3)"),
        (np.zeros((1, 3, 2), bool), ValueError, "unpack: out must have shape (1, 2, 3), got shape (1, 3, 2)"),
        (np.zeros((1, 2, 6), bool)[..., ::2], ValueError, "unpack: out must be writable and C-contiguous"),
        (read_only(), ValueError, "unpack: out must be writable and C-contiguous"),
        (
            [[[0]]],
            TypeError,
            "unpack: out must be an array of NumPy, torch, CuPy or another library with DLPack, got list",
        ),
    ],
)
def test_out_that_does_not_fit_is_refused(backend, out, error, text):
    packed = rapidmask.pack(np.eye(2, 3, dtype=bool))
    with refuses(error, text):
        rapidmask.unpack(packed, out=out)


# Other errors


@pytest.mark.parametrize(
    "dtype",
    ["int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float16", "float32", "float64"],
)
def test_masks_of_other_types_are_refused(backend, dtype):
    with refuses(TypeError, f"pack: masks must be bool or uint8, got {dtype}"):
        rapidmask.pack(np.zeros((2, 2), dtype))


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (
            lambda: rapidmask.pack(np.zeros(5, bool)),
            ValueError,
            "pack: masks must have at least 2 dimensions (..., H, W), got shape (5,)",
        ),
        (
            lambda: rapidmask.pack(np.zeros((), bool)),
            ValueError,
            "pack: masks must have at least 2 dimensions (..., H, W), got shape ()",
        ),
        (
            lambda: rapidmask.unpack(np.zeros((1, 1, 8), np.uint8)),
            TypeError,
            "unpack: packed must be PackedMasks, got ndarray",
        ),
        (
            lambda: rapidmask.unpack(rapidmask.rle_encode(np.eye(2, dtype=bool))),
            TypeError,
            "unpack: packed must be PackedMasks, got RLEMasks",
        ),
        (
            lambda: rapidmask.unpack(rapidmask.pack(np.eye(2, dtype=bool)), dtype="int8"),
            TypeError,
            "unpack: dtype must be bool or uint8, got 'int8'",
        ),
        (
            lambda: rapidmask.unpack(rapidmask.pack(np.eye(2, dtype=bool)), dtype=float, out=np.zeros((1, 2, 2))),
            TypeError,
            "unpack: dtype must be bool or uint8, got <class 'float'>",
        ),
    ],
)
def test_errors(backend, call, error, text):
    with refuses(error, text):
        call()
