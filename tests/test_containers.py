"""PackedMasks and RLEMasks: what they hold, give and refuse."""

import copy
import operator
import pickle

import numpy as np
import pytest

import rapidmask
from inputs import hostile_masks, refuses
from rapidmask import PackedMasks, RLEMasks
from reference import rle as reference

HOSTILE = hostile_masks()
FORMS = {"packed": rapidmask.pack, "rle": rapidmask.rle_encode}
OPERATORS = {
    "&": (operator.and_, lambda a, b: a & b),
    "|": (operator.or_, lambda a, b: a | b),
    "^": (operator.xor, lambda a, b: a ^ b),
    "-": (operator.sub, lambda a, b: a & ~b),
}


@pytest.fixture(params=FORMS)
def form(request):
    """A function from dense masks to one of the containers."""
    return FORMS[request.param]


def name_of(form):
    """The class's name."""
    return "PackedMasks" if form is rapidmask.pack else "RLEMasks"


def bits_are_proper(masks):
    """Whether the memory of masks is as promised: tail bits zero, runs canonical."""
    if isinstance(masks, PackedMasks):
        return PackedMasks(masks.data, masks.size) == masks
    runs = [reference.counts(mask) for mask in masks.to_dense()]
    flat = [length for one in runs for length in one]
    return masks.counts.tolist() == flat and np.diff(masks.offsets).tolist() == [len(r) for r in runs]


# Construction


@pytest.mark.parametrize("width", [0, 1, 63, 64, 65, 128])
def test_packed_masks_keep_their_data(width):
    data = np.zeros((2, 3, 8 * -(-width // 64)), np.uint8)
    masks = PackedMasks(data, (3, width))
    assert masks.data is data
    assert masks.size == (3, width)
    assert len(masks) == 2
    assert PackedMasks(data, np.array([3, width])).size == (3, width)
    assert PackedMasks(data, [np.int8(3), np.uint16(width)]).size == (3, width)


@pytest.mark.parametrize(
    ("data", "size", "error", "text"),
    [
        (
            [[[0] * 8]],
            (1, 1),
            TypeError,
            "PackedMasks: data must be an array of uint8, got list",
        ),
        (None, (1, 1), TypeError, "PackedMasks: data must be an array of uint8, got NoneType"),
        (
            np.zeros((1, 1, 8), bool),
            (1, 1),
            TypeError,
            "PackedMasks: data must be an array of uint8, got bool",
        ),
        (
            np.zeros((1, 1, 1), np.uint64),
            (1, 1),
            TypeError,
            "PackedMasks: data must be an array of uint8, got uint64",
        ),
        (
            np.zeros((1, 8), np.uint8),
            (1, 8),
            ValueError,
            "PackedMasks: data must have shape (N, 1, 8) for size (1, 8), got (1, 8)",
        ),
        (
            np.zeros((1, 1, 1), np.uint8),
            (1, 8),
            ValueError,
            "PackedMasks: data must have shape (N, 1, 8) for size (1, 8), got (1, 1, 1)",
        ),
        (
            np.zeros((1, 2, 8), np.uint8),
            (1, 8),
            ValueError,
            "PackedMasks: data must have shape (N, 1, 8) for size (1, 8), got (1, 2, 8)",
        ),
        (
            np.zeros((1, 1, 8), np.uint8),
            (1, 65),
            ValueError,
            "PackedMasks: data must have shape (N, 1, 16) for size (1, 65), got (1, 1, 8)",
        ),
        (
            np.full((1, 1, 8), 8, np.uint8),
            (1, 3),
            ValueError,
            "PackedMasks: the bits of data past the width must be zero, got some set",
        ),
        (
            np.repeat(np.array([[[0] * 15 + [128]]], np.uint8), 2, 0),
            (1, 127),
            ValueError,
            "PackedMasks: the bits of data past the width must be zero, got some set",
        ),
    ],
)
def test_packed_masks_refuse_what_does_not_fit(data, size, error, text):
    with refuses(error, text):
        PackedMasks(data, size)


@pytest.mark.parametrize("size", [3, (3,), (3, 4, 5), "ab", (3.0, 4), None, (None, 3)])
def test_sizes_are_two_integers(size):
    with refuses(ValueError, f"PackedMasks: size must be two integers (H, W), got {size!r}"):
        PackedMasks(np.zeros((1, 3, 8), np.uint8), size)
    with refuses(ValueError, f"RLEMasks: size must be two integers (H, W), got {size!r}"):
        RLEMasks(np.zeros(1, np.uint32), np.array([0, 1]), size)
    with refuses(ValueError, f"from_coco: size must be two integers (H, W), got {size!r}"):
        RLEMasks.from_coco([{"size": size, "counts": [1]}])


@pytest.mark.parametrize("make", [
    lambda size: PackedMasks(np.zeros((1, 3, 8), np.uint8), size),
    lambda size: RLEMasks(np.zeros(1, np.uint32), np.array([0, 1]), size),
])  # fmt: skip
def test_sizes_are_not_negative(make):
    with pytest.raises(ValueError, match=r"^\w+: size must not be negative, got \(-1, 3\)$"):
        make((-1, 3))


@pytest.mark.parametrize(
    ("counts", "offsets", "error", "what"),
    [
        (np.array([4], np.int32), np.array([0, 1]), TypeError, "counts must be uint32 of one dimension, got int32"),
        (np.array([[4]], np.uint32), np.array([0, 1]), TypeError, "counts must be uint32 of one dimension, got uint32"),
        (np.array([4], np.uint32), np.array([0, 1], np.int32), TypeError, "offsets must be int64 of shape"),
        (np.array([4], np.uint32), np.array([[0, 1]]), TypeError, "offsets must be int64 of shape"),
        (np.array([4], np.uint32), np.zeros(0, np.int64), TypeError, "offsets must be int64 of shape"),
        (np.array([4], np.uint32), np.array([0]), ValueError, "offsets must run from 0 to the number of counts, 1"),
        (np.array([4], np.uint32), np.array([0, 2]), ValueError, "offsets must run from 0 to the number of counts, 1"),
        (np.array([4], np.uint32), np.array([1, 1]), ValueError, "offsets must run from 0 to the number of counts, 1"),
        (np.array([4], np.uint32), np.array([-1, 1]), ValueError, "offsets must run from 0 to the number of counts, 1"),
        (np.array([4, 4], np.uint32), np.array([0, 5, -7, 2]), ValueError, "offsets must not descend, got a descent"),
        (np.array([4, 4], np.uint32), np.array([0, 2**62, 2]), ValueError, "offsets must not descend, got a descent"),
        (np.array([4, 3], np.uint32), np.array([0, 1, 2]), ValueError, "counts of mask 1 must add up to 4 pixels"),
        (np.array([4], np.uint32), np.array([0, 0, 1]), ValueError, "counts of mask 0 must add up to 4 pixels, got 0"),
        ([4], np.array([0, 1]), TypeError, "counts must be an array"),
        (np.array([4], np.uint32), [0, 1], TypeError, "offsets must be an array"),
    ],
)
def test_run_lengths_refuse_what_does_not_fit(counts, offsets, error, what):
    with pytest.raises(error, match=f": {what}"):
        RLEMasks(counts, offsets, (2, 2))


def test_errors_of_run_lengths_name_what_was_called():
    with pytest.raises(ValueError, match=r"^RLEMasks: counts of mask 0 must add up to 4 pixels, got 5$"):
        RLEMasks(np.array([5], np.uint32), np.array([0, 1]), (2, 2))
    with pytest.raises(ValueError, match=r"^from_coco: counts of mask 0 must add up to 4 pixels, got 5$"):
        RLEMasks.from_coco([{"size": [2, 2], "counts": [5]}])


@pytest.mark.parametrize("shape", [(5, 3), (2, 3, 5), (2, 2, 3, 5), (0, 4), (2, 0), (0, 3, 3)])
def test_from_packbits(backend, rng, shape):
    for width in (1, 7, 8, 9, 63, 64, 65, 130):
        masks = rng.random((*shape, width)) < 0.5
        bits = np.packbits(masks, axis=-1, bitorder="little")
        if width % 8:
            bits[..., -1] |= 0x80  # past the width: ignored
        packed = PackedMasks.from_packbits(bits, width)
        assert packed == rapidmask.pack(masks)
        assert packed.size == (shape[-1], width)
        assert not np.shares_memory(packed.data, bits)
        assert bits_are_proper(packed)


@pytest.mark.parametrize(
    ("array", "width", "error", "text"),
    [
        (np.zeros((2, 2), bool), 9, TypeError, "from_packbits: array must be uint8, got bool"),
        (
            np.zeros((2, 2), np.uint8),
            8,
            ValueError,
            "from_packbits: array must have shape (..., H, 1) for a width of 8, got (2, 2)",
        ),
        (
            np.zeros((2, 2), np.uint8),
            17,
            ValueError,
            "from_packbits: array must have shape (..., H, 3) for a width of 17, got (2, 2)",
        ),
        (
            np.zeros(2, np.uint8),
            16,
            ValueError,
            "from_packbits: array must have shape (..., H, 2) for a width of 16, got (2,)",
        ),
        (
            np.zeros((2, 0), np.uint8),
            -1,
            ValueError,
            "from_packbits: array must have shape (..., H, 0) for a width of -1, got (2, 0)",
        ),
    ],
)
def test_from_packbits_refuses_what_does_not_fit(array, width, error, text):
    with refuses(error, text):
        PackedMasks.from_packbits(array, width)


# Indexing


def some_masks(rng, count=7):
    """Masks of which no two are alike, one empty and one full."""
    masks = rng.random((count, 5, 67)) < 0.5
    masks[1] = False
    masks[2] = True
    return masks


def test_length_and_iteration(form, rng):
    masks = some_masks(rng)
    held = form(masks)
    assert len(held) == 7
    ones = list(held)
    assert len(ones) == 7
    for one, mask in zip(ones, masks, strict=True):
        assert type(one) is type(held)
        assert len(one) == 1
        np.testing.assert_array_equal(one.to_dense()[0], mask)


@pytest.mark.parametrize("index", [0, 6, -1, -7, 3, np.int64(2), np.uint8(4), np.array(5)])
def test_integers_select_one_mask(form, rng, index):
    masks = some_masks(rng)
    one = form(masks)[index]
    assert len(one) == 1
    assert bits_are_proper(one)
    np.testing.assert_array_equal(one.to_dense()[0], masks[index])


@pytest.mark.parametrize("index", [7, -8, 2**70, np.int64(7)])
def test_integers_beyond_the_masks_are_refused(form, rng, index):
    held = form(some_masks(rng))
    with refuses(IndexError, f"{name_of(form)}: index must be within 7 masks, got {index}"):
        held[index]
    with refuses(IndexError, f"{name_of(form)}: index must be within 0 masks, got 0"):
        held[:0][0]


@pytest.mark.parametrize(
    "index",
    [
        slice(None), slice(2, 5), slice(None, 3), slice(4, None), slice(-2, None), slice(3, 3), slice(5, 2),
        slice(7, 20), slice(-20, 2), slice(None, None, 2), slice(None, None, -1), slice(6, 0, -2), slice(1, 6, 3),
        slice(None, None, 100), slice(np.int8(1), np.int64(4)),
    ],
)  # fmt: skip
def test_slices(form, rng, index):
    masks = some_masks(rng)
    part = form(masks)[index]
    np.testing.assert_array_equal(part.to_dense(), masks[index])
    np.testing.assert_array_equal(part.area(), masks[index].sum((1, 2)))
    assert part == form(masks[index])
    assert part[::-1] == form(masks[index][::-1])


@pytest.mark.parametrize(
    "index",
    [
        [0, 2, 5], [6, 6, -1, 0], [], np.array([3, 1]), np.array([], int), np.array([4, 2], np.uint8), (1, 2), range(3),
        [True, False, True, True, False, False, True], np.arange(7) > 3, np.zeros(7, bool),
    ],
)  # fmt: skip
def test_lists_and_booleans(form, rng, index):
    masks = some_masks(rng)
    part = form(masks)[index]
    expected = masks[list(index)] if len(index) else masks[:0]
    assert type(part) is type(form(masks))
    np.testing.assert_array_equal(part.to_dense(), expected)
    assert part == form(expected)
    assert bits_are_proper(part)


@pytest.mark.parametrize("index", ["a", None, 1.5, [0.5], [[0, 1]], np.zeros((0, 3)), True, np.bool_(True), ...])
def test_other_indices_are_refused(form, rng, index):
    held = form(some_masks(rng))
    text = f"{name_of(form)}: index must be an integer, a slice, or a list of integers or booleans, got {index!r}"
    with refuses(TypeError, text):
        held[index]


@pytest.mark.parametrize("index", [[7], [0, -8], [True, False], np.ones(8, bool)])
def test_lists_beyond_the_masks_are_refused(form, rng, index):
    with pytest.raises(IndexError):
        form(some_masks(rng))[index]


# Equality, text, pickling


def test_equality(form, rng):
    masks = some_masks(rng)
    held = form(masks)
    assert held == form(masks.copy())
    assert held == form(masks.astype(np.uint8) * 255)
    assert (held != form(masks)) is False
    other = masks.copy()
    other[6, 4, 66] ^= True
    assert held != form(other)
    assert held != held[:6]
    assert held[:0] != held[:1]
    assert held[:0] == held[6:0]
    assert held[1] != form(np.zeros((1, 67, 5), bool))  # as many pixels, another size
    assert form(np.zeros((1, 5, 3), bool)) != form(np.zeros((1, 5, 4), bool))
    assert form(np.zeros((0, 5, 3), bool)) != form(np.zeros((0, 5, 4), bool))
    assert form(np.zeros((1, 0, 3), bool)) != form(np.zeros((1, 0, 4), bool))
    for stranger in (None, 3, masks, masks[0], "masks"):
        assert (held == stranger) is False
        assert (stranger == held) is False
    assert rapidmask.pack(masks) != rapidmask.rle_encode(masks)


def test_unhashable(form, rng):
    held = form(some_masks(rng))
    with pytest.raises(TypeError, match="unhashable"):
        hash(held)


def test_text(rng):
    masks = some_masks(rng)
    assert repr(rapidmask.pack(masks)) == "PackedMasks(7 masks of 5×67, numpy)"
    rle = rapidmask.rle_encode(masks)
    assert repr(rle) == f"RLEMasks(7 masks of 5×67, {len(rle.counts)} runs, numpy)"
    assert repr(rle[1:3]) == "RLEMasks(2 masks of 5×67, 3 runs, numpy)"


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickling(form, rng, protocol):
    held = form(some_masks(rng))
    for part in (held, held[2:4], held[::2], held[:0]):
        text = pickle.dumps(part, protocol)
        again = pickle.loads(text)
        assert type(again) is type(held)
        assert again == part
        assert again.area().tolist() == part.area().tolist()
        assert not (again & ~again).area().any()
    assert len(pickle.dumps(held[0], protocol)) < len(pickle.dumps(held, protocol))


def test_copies(form, rng):
    masks = some_masks(rng)
    held = form(masks)
    assert copy.copy(held) == held
    apart = copy.deepcopy(held)
    assert apart == held
    array = apart.data if form is rapidmask.pack else apart.counts
    array[...] = 0
    assert held == form(masks)


def test_no_other_attributes(form, rng):
    with pytest.raises(AttributeError):
        form(some_masks(rng)).name = "masks"


# Conversions and measures


@pytest.mark.parametrize("name", HOSTILE)
def test_conversions_and_measures(backend, isa, form, name):
    masks = np.asarray(HOSTILE[name])
    held = form(masks)
    assert bits_are_proper(held)
    for dtype in (bool, np.bool_, "bool", np.uint8, "uint8", np.dtype(np.uint8)):
        dense = held.to_dense(dtype)
        assert dense.dtype == np.dtype(dtype)
        np.testing.assert_array_equal(dense.view(np.uint8), masks)
    assert held.to_packed() == rapidmask.pack(masks)
    assert held.to_rle() == rapidmask.rle_encode(masks)
    assert (held.to_packed() if form is rapidmask.pack else held.to_rle()) is held
    areas, boxes = held.area(), held.boxes()
    assert (areas.dtype, areas.shape) == (np.int64, (len(masks),))
    assert (boxes.dtype, boxes.shape) == (np.int64, (len(masks), 4))
    np.testing.assert_array_equal(areas, masks.sum((1, 2)))
    np.testing.assert_array_equal(boxes, reference.boxes(masks))


@pytest.mark.parametrize("dtype", [np.int8, "float32", float, int, np.dtype("int64"), "u1"])
def test_dense_masks_are_bool_or_uint8(form, dtype):
    with refuses(TypeError, f"to_dense: dtype must be bool or uint8, got {dtype!r}"):
        form(np.ones((1, 1), bool)).to_dense(dtype)


def test_packed_masks_of_any_memory(backend, isa, rng):
    masks = some_masks(rng)
    data = rapidmask.pack(masks).data
    wide = np.zeros((14, 5, 32), np.uint8)
    wide[::2, :, 16:] = data
    frozen = data.copy()
    frozen.flags.writeable = False
    for layout in (wide[::2, :, 16:], np.asfortranarray(data), frozen):
        held = PackedMasks(layout, (5, 67))
        assert held.data is layout
        np.testing.assert_array_equal(held.to_dense(), masks)
        np.testing.assert_array_equal(held.area(), masks.sum((1, 2)))
        np.testing.assert_array_equal(held.boxes(), reference.boxes(masks))
        assert held.to_rle() == rapidmask.rle_encode(masks)
        assert pickle.loads(pickle.dumps(held)) == held
        assert (held & held) == held
        np.testing.assert_array_equal((~held).to_dense(), ~masks)


def test_packed_masks_at_an_odd_address(backend, rng):
    masks = some_masks(rng)
    data = rapidmask.pack(masks).data
    odd = np.zeros(data.size + 1, np.uint8)[1:].reshape(data.shape)
    odd[...] = data
    held = PackedMasks(odd, (5, 67))
    np.testing.assert_array_equal(held.to_dense(), masks)
    np.testing.assert_array_equal(held.area(), masks.sum((1, 2)))
    np.testing.assert_array_equal(held.boxes(), reference.boxes(masks))
    assert held.to_rle() == rapidmask.rle_encode(masks)


def test_run_lengths_of_any_memory(rng):
    masks = some_masks(rng)
    rle = rapidmask.rle_encode(masks)
    for stretch in (1, 2):
        counts = np.zeros(stretch * len(rle.counts), np.uint32)[::stretch]
        counts[...] = rle.counts
        offsets = np.zeros(stretch * len(rle.offsets), np.int64)[::stretch]
        offsets[...] = rle.offsets
        counts.flags.writeable = offsets.flags.writeable = False
        again = RLEMasks(counts, offsets, rle.size)
        assert again == rle
        np.testing.assert_array_equal(again.to_dense(), masks)
    assert RLEMasks(rle.counts.astype(">u4"), rle.offsets.astype(">i8"), rle.size) == rle


# Set operations


@pytest.mark.parametrize("sign", OPERATORS)
@pytest.mark.parametrize("name", HOSTILE)
def test_set_operations(form, name, sign):
    apply, expected = OPERATORS[sign]
    a = np.asarray(HOSTILE[name])
    b = np.random.default_rng(5).random(a.shape) < 0.5
    for left, right in ((a, b), (b, a), (a, a), (a, b[:1]), (a[:1], b), (a, b[:0]) if len(a) == 1 else (a, b)):
        found = apply(form(left), form(right))
        np.testing.assert_array_equal(found.to_dense(), expected(left, right))
        assert found.size == a.shape[1:]
        assert bits_are_proper(found)


@pytest.mark.parametrize("name", HOSTILE)
def test_complements(form, name):
    masks = np.asarray(HOSTILE[name])
    held = form(masks)
    found = ~held
    np.testing.assert_array_equal(found.to_dense(), ~masks)
    assert bits_are_proper(found)
    assert ~found == held
    assert not (held & found).area().any()
    assert found.area().tolist() == [masks[0].size - area for area in held.area().tolist()] if len(masks) else True


@pytest.mark.parametrize("sign", OPERATORS)
def test_sets_of_other_sizes_are_refused(form, rng, sign):
    apply, _ = OPERATORS[sign]
    held = form(some_masks(rng))
    name = name_of(form)
    with refuses(ValueError, f"{name} {sign}: sizes must agree, got (5, 67) and (5, 68)"):
        apply(held, form(np.zeros((7, 5, 68), bool)))
    with pytest.raises(ValueError, match=r"both sides must hold as many masks, or one, got 7 and 2$"):
        apply(held, held[:2])
    with pytest.raises(ValueError, match=r"both sides must hold as many masks, or one, got 7 and 0$"):
        apply(held, held[:0])
    other = rapidmask.rle_encode if form is rapidmask.pack else rapidmask.pack
    for stranger in (other(some_masks(rng)), some_masks(rng), 1, None):
        text = f"{name} {sign}: the other side must be {name}, got {type(stranger).__name__}"
        with refuses(TypeError, text):
            apply(held, stranger)
        if not isinstance(stranger, (PackedMasks, RLEMasks)):
            with pytest.raises(TypeError, match="unsupported operand"):
                apply(stranger, held)


def test_set_operations_leave_their_operands(form, rng):
    masks = some_masks(rng)
    a, b = form(masks), form(masks[::-1])
    a & b, a | b, a ^ b, a - b, ~a
    assert a == form(masks)
    assert b == form(masks[::-1])
    a &= b  # a new object under the old name
    assert b == form(masks[::-1])
    np.testing.assert_array_equal(a.to_dense(), masks & masks[::-1])


# COCO


@pytest.mark.parametrize("kind", ["bytes", "str", "list"])
@pytest.mark.parametrize("name", HOSTILE)
def test_coco_there_and_back(name, kind):
    masks = np.asarray(HOSTILE[name])
    rle = rapidmask.rle_encode(masks)
    dictionaries = rle.to_coco(kind)
    assert len(dictionaries) == len(masks)
    for one in dictionaries:
        assert list(one) == ["size", "counts"]
        assert one["size"] == list(masks.shape[1:])
        assert all(type(extent) is int for extent in one["size"])
        assert type(one["counts"]) is {"bytes": bytes, "str": str, "list": list}[kind]
    assert RLEMasks.from_coco(dictionaries, masks.shape[1:]) == rle
    if len(masks):
        assert RLEMasks.from_coco(tuple(dictionaries)) == rle
        assert RLEMasks.from_coco(iter(dictionaries)) == rle


def test_coco_counts_of_any_kind():
    expected = rapidmask.rle_encode(np.array([[0, 1], [1, 1]], bool))
    for counts in ([1, 3], (1, 3), np.array([1, 3], np.uint32), np.array([1, 3]), np.array([1, 3], np.uint8), "13"):
        assert RLEMasks.from_coco([{"size": np.array([2, 2]), "counts": counts}]) == expected
        assert RLEMasks.from_coco([{"size": (2, 2), "counts": counts, "id": 7}]) == expected


def test_no_coco_masks():
    empty = RLEMasks.from_coco([], (3, 4))
    assert len(empty) == 0
    assert empty.size == (3, 4)
    assert empty.to_coco() == []
    assert empty.to_dense().shape == (0, 3, 4)
    assert RLEMasks.from_coco([]).size == (0, 0)


@pytest.mark.parametrize(
    ("rles", "size", "error", "text"),
    [
        (
            [{"size": [2, 2], "counts": [4]}, {"size": [1, 4], "counts": [4]}],
            None,
            ValueError,
            "from_coco: all masks must have one size, got [(1, 4), (2, 2)]",
        ),
        (
            [{"size": [2, 2], "counts": [4]}],
            (1, 4),
            ValueError,
            "from_coco: all masks must have one size, got [(1, 4), (2, 2)]",
        ),
        (
            [{"size": [2, 2], "counts": [4.0]}],
            None,
            ValueError,
            "from_coco: counts must be bytes, str or a list of integers from 0 to 2^32 - 1",
        ),
        (
            [{"size": [2, 2], "counts": [-1, 5]}],
            None,
            ValueError,
            "from_coco: counts must be bytes, str or a list of integers from 0 to 2^32 - 1",
        ),
        (
            [{"size": [2, 2], "counts": [2**64 + 4]}],
            None,
            ValueError,
            "from_coco: counts must be bytes, str or a list of integers from 0 to 2^32 - 1",
        ),
        (
            [{"size": [2, 2], "counts": [[4]]}],
            None,
            ValueError,
            "from_coco: counts must be bytes, str or a list of integers from 0 to 2^32 - 1",
        ),
        (
            [{"size": [2, 2], "counts": None}],
            None,
            ValueError,
            "from_coco: counts must be bytes, str or a list of integers from 0 to 2^32 - 1",
        ),
        ([{"size": [2, 2]}], None, ValueError, "from_coco: a dictionary must have 'size' and 'counts', got ['size']"),
        (
            {"size": [2, 2], "counts": [4]},
            None,
            TypeError,
            "from_coco: rles must be a sequence of dictionaries, got one of str",
        ),
        ([b"4"], None, TypeError, "from_coco: rles must be a sequence of dictionaries, got one of bytes"),
    ],
)
def test_coco_dictionaries_that_do_not_fit_are_refused(rles, size, error, text):
    with refuses(error, text):
        RLEMasks.from_coco(rles, size)


def test_kinds_of_coco_counts():
    with refuses(ValueError, "to_coco: counts must be 'bytes', 'str' or 'list', got 'text'"):
        rapidmask.rle_encode(np.ones((1, 1), bool)).to_coco("text")


def test_copies_stay_in_their_library(rng):
    torch = pytest.importorskip("torch")
    for masks in (rapidmask.pack(torch.ones(2, 3, 5, dtype=torch.bool)), rapidmask.rle_encode(torch.ones(2, 3, 5) > 0)):
        for made in (copy.copy(masks), copy.deepcopy(masks)):
            assert made == masks
            assert "torch" in repr(made)


def test_sides_of_two_libraries_are_refused():
    torch = pytest.importorskip("torch")
    packed = rapidmask.pack(np.ones((1, 2, 3), bool))
    with pytest.raises(
        TypeError, match=r"^PackedMasks &: both sides must be of one library, got numpy and torch on cpu$"
    ):
        packed & rapidmask.pack(torch.ones(1, 2, 3, dtype=torch.bool))


# Several batches, and what NumPy makes of them


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_batches_are_joined(form, library, rng):
    dense = rng.random((5, 33, 70)) < 0.5
    dense[2] = False
    given = dense
    if library == "torch":
        given = pytest.importorskip("torch").from_numpy(dense)
    masks = form(given)
    joined = type(masks).concatenate([masks, masks[:0], masks[3:], masks[2]])
    np.testing.assert_array_equal(joined.to_dense(), np.concatenate([dense, dense[3:], dense[2:3]]))
    assert type(joined.to_dense()) is type(masks.to_dense())
    assert bits_are_proper(form(dense)[:0].concatenate(form(dense)[i] for i in range(3)))
    assert len(type(masks).concatenate([masks[:0]])) == 0


def test_batches_that_do_not_go_together_are_refused(form):
    torch = pytest.importorskip("torch")
    masks, function = form(np.ones((2, 3, 4), bool)), f"{name_of(form)}.concatenate"
    other = rapidmask.rle_encode if form is rapidmask.pack else rapidmask.pack
    for batches, error, message in (
        ([], ValueError, "there must be at least one batch, got none"),
        (3, TypeError, f"batches must be {name_of(form)}, got 3"),
        ([masks, None], TypeError, f"batches must be {name_of(form)}, got NoneType"),
        (
            [masks, other(np.ones((1, 3, 4), bool))],
            TypeError,
            f"batches must be {name_of(form)}, got {name_of(other)}",
        ),
        ([masks, form(np.ones((1, 3, 5), bool))], ValueError, "sizes must agree, got (3, 4) and (3, 5)"),
        (
            [masks, form(torch.ones((1, 3, 4), dtype=torch.bool))],
            TypeError,
            "batches must be of one library and device, got ['numpy', 'torch on cpu']",
        ),
    ):
        with refuses(error, f"{function}: {message}"):
            type(masks).concatenate(batches)


def test_an_array_is_made_by_asking_for_it(form):
    masks = form(np.ones((2, 3, 4), bool))
    how = "unpacked" if form is rapidmask.pack else "decoded"
    for make in (np.asarray, np.array):
        with refuses(TypeError, f"{name_of(form)}: masks must be {how} to be an array: to_dense()"):
            make(masks)


def test_indices_that_are_not_there(form):
    masks, name = form(np.ones((5, 3, 4), bool)), name_of(form)
    with refuses(IndexError, f"{name}: index must be within 5 masks, got 9"):
        masks[[0, 9]]
    with refuses(IndexError, f"{name}: index must be within 5 masks, got -6"):
        masks[np.array([-6, 9])]
    with refuses(IndexError, f"{name}: a boolean index must have 5 values, got 3"):
        masks[[True, False, True]]


def test_long_and_short_runs_are_picked_alike(rng):
    """Of which the long ones are copied mask by mask."""
    dense = np.zeros((40, 60, 60), bool)
    dense[::2] = rng.random((20, 60, 60)) < 0.5
    chosen = rng.integers(-40, 40, 100)
    for part in (dense, dense[1::2], dense[::2]):
        index = chosen % len(part)
        picked = rapidmask.rle_encode(part)[index]
        assert picked == rapidmask.rle_encode(part[index])
