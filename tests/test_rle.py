"""COCO's run lengths and their strings."""

import json

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import rapidmask
from inputs import hostile_masks, layouts, refuses
from reference import rle as reference

HOSTILE = hostile_masks()
LARGEST = 2**32 - 1


def rectangle():
    """The mask of 4 x 5 pixels whose rows 1 and 2 hold columns 1 to 3."""
    mask = np.zeros((4, 5), bool)
    mask[1:3, 1:4] = True
    return mask


def runs_of(rle):
    """The runs of each mask as lists."""
    return [one["counts"] for one in rle.to_coco("list")]


# Worked examples


def test_encode_by_eye():
    rle = rapidmask.rle_encode(rectangle())
    assert rle.size == (4, 5)
    assert rle.counts.dtype == np.uint32
    assert rle.offsets.dtype == np.int64
    # One column of background and a row, then two and two pixels down each column.
    assert rle.counts.tolist() == [5, 2, 2, 2, 2, 2, 5]
    assert rle.offsets.tolist() == [0, 7]
    assert rle.to_coco() == [{"size": [4, 5], "counts": b"5220003"}]


def test_decode_by_eye():
    masks = rapidmask.rle_decode([{"size": [4, 5], "counts": "5220003"}])
    assert masks.dtype == bool
    np.testing.assert_array_equal(masks, [rectangle()])


def test_a_mask_that_begins_with_foreground_has_an_empty_first_run():
    rle = rapidmask.rle_encode(np.array([[1, 0], [1, 1]], np.uint8))
    assert rle.counts.tolist() == [0, 2, 1, 1]


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        ([5, 2, 2, 2, 2, 2, 5], b"5220003"),
        ([20], b"d0"),
        ([0, 20], b"0d0"),
        ([0], b"0"),
        ([], b""),
        ([15], b"?"),
        ([16], b"`0"),
        ([0, 31, 1, 15], b"0o01@"),  # a difference of -16
        ([0, 33, 1, 15, 2], b"0Q11^O1"),  # of -18
        ([LARGEST], b"oooooo3"),
        ([0, LARGEST, 0, 0], b"0oooooo30QPPPPPL"),
    ],
)
def test_strings_by_hand(counts, text):
    assert rapidmask.rle_to_string(counts) == text
    assert rapidmask.rle_to_string(np.array(counts, np.uint32)) == text
    for form in (text, text.decode(), bytearray(text)):
        found = rapidmask.rle_from_string(form)
        assert found.dtype == np.uint32
        assert found.tolist() == counts


# Against the definition


@pytest.mark.parametrize("name", HOSTILE)
def test_encode_is_its_definition_and_decode_its_inverse(backend, isa, name):
    masks = np.asarray(HOSTILE[name])
    expected = [reference.counts(mask) for mask in masks]
    for dtype in (bool, np.uint8):
        for layout, view in layouts(masks.astype(dtype) * dtype(200)):
            rle = rapidmask.rle_encode(view)
            assert runs_of(rle) == expected, layout
    assert rle.size == masks.shape[1:]
    assert len(rle) == len(masks)
    packed = rapidmask.pack(masks)
    assert rapidmask.rle_encode(packed) == rle
    assert rapidmask.rle_encode(rle) is rle
    for mask, runs in zip(masks, expected, strict=True):
        np.testing.assert_array_equal(reference.mask(runs, masks.shape[1:]), mask)
    for output, dtype in (("bool", bool), ("uint8", np.uint8)):
        decoded = rapidmask.rle_decode(rle, output=output)
        assert decoded.dtype == dtype
        np.testing.assert_array_equal(decoded.view(np.uint8), masks)
    assert rapidmask.rle_decode(rle, output="packed") == packed
    assert rapidmask.rle_decode(rle, output="rle") is rle


def test_leading_dimensions_become_one(rng):
    masks = rng.random((2, 3, 4, 9)) < 0.5
    rle = rapidmask.rle_encode(masks)
    assert len(rle) == 6
    np.testing.assert_array_equal(rapidmask.rle_decode(rle), masks.reshape(6, 4, 9))


def test_many_masks_over_several_threads(threads, rng):
    masks = rng.random((30, 200, 301)) < np.linspace(0, 1, 30)[:, None, None]
    masks[3] = masks[7] = False
    threads(1)
    alone = rapidmask.rle_encode(masks)
    for count in (2, 7):
        threads(count)
        rle = rapidmask.rle_encode(masks)
        assert rle == alone
        np.testing.assert_array_equal(rapidmask.rle_decode(rle), masks)
        assert rapidmask.rle_encode(rapidmask.pack(masks)) == alone
        assert ~~rle == rle
    for i in (0, 3, 15, 29):
        assert rle[i].counts.tolist() == reference.counts(masks[i])


# Canonical form


def any_runs(rng, pixels, parts):
    """Runs that add up to `pixels`, many of them empty."""
    cuts = np.sort(rng.choice(pixels + 1, parts))
    return np.diff([0, *cuts, pixels])


def test_runs_are_made_canonical(rng):
    for _ in range(200):
        height, width = rng.integers(1, 6, 2).tolist()
        given_runs = any_runs(rng, height * width, int(rng.integers(0, 12)))
        mask = reference.mask(given_runs, (height, width))
        rle = rapidmask.RLEMasks.from_coco([{"size": [height, width], "counts": given_runs.tolist()}])
        assert rle.counts.tolist() == reference.counts(mask)
        assert rle == rapidmask.rle_encode(mask)
        text = rapidmask.rle_to_string(given_runs)
        assert rapidmask.rle_decode([{"size": [height, width], "counts": text}], output="rle") == rle


@pytest.mark.parametrize(
    ("given_runs", "canonical"),
    [
        ([0, 0, 6], [6]),
        ([6, 0], [6]),
        ([6, 0, 0, 0], [6]),
        ([0, 6, 0], [0, 6]),
        ([0, 3, 0, 3], [0, 6]),
        ([2, 0, 1, 3], [3, 3]),
        ([0, 0, 0, 6], [0, 6]),
        ([1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1]),
    ],
)
def test_canonical_form_by_eye(given_runs, canonical):
    counts = np.array(given_runs, np.uint32)
    rle = rapidmask.RLEMasks(counts, np.array([0, len(counts)]), (2, 3))
    assert rle.counts.tolist() == canonical
    assert counts.tolist() == given_runs


# As pycocotools


def coco():
    return pytest.importorskip("pycocotools.mask")


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools' decode
@pytest.mark.parametrize("name", [name for name in HOSTILE if np.size(HOSTILE[name])])
def test_strings_are_those_of_pycocotools(name):
    masks = np.asarray(HOSTILE[name])
    expected = coco().encode(np.asfortranarray(masks.transpose(1, 2, 0), np.uint8))
    rle = rapidmask.rle_encode(masks)
    assert rle.to_coco() == expected
    assert rle.to_coco("str") == [{**one, "counts": one["counts"].decode()} for one in expected]
    assert rapidmask.RLEMasks.from_coco(expected) == rle
    np.testing.assert_array_equal(coco().decode(rle.to_coco()).transpose(2, 0, 1), masks)
    np.testing.assert_array_equal(coco().area(rle.to_coco()), rle.area())
    boxes = rapidmask.masks_to_boxes(rle, format="xywh")
    np.testing.assert_array_equal(boxes, coco().toBbox(rle.to_coco()))


@pytest.mark.parametrize("density", [0.001, 0.02, 0.3, 0.5, 0.98])
def test_random_masks_as_pycocotools(rng, density):
    masks = rng.random((4, 123, 211)) < density
    masks[0, :, 50:120] = True
    masks[1, 40:80] = False
    expected = coco().encode(np.asfortranarray(masks.transpose(1, 2, 0), np.uint8))
    rle = rapidmask.rle_encode(masks)
    assert rle.to_coco() == expected
    assert rapidmask.RLEMasks.from_coco(expected) == rle
    np.testing.assert_array_equal(rapidmask.rle_decode(expected), masks)
    others = rle[[1, 2, 3, 0]]
    for merged, intersect in ((rle & others, True), (rle | others, False)):
        for i, (a, b) in enumerate(zip(rle.to_coco(), others.to_coco(), strict=True)):
            assert merged[i].to_coco() == [coco().merge([a, b], intersect=intersect)]


def test_strings_of_any_runs_as_pycocotools(rng):
    for _ in range(200):
        runs = (2.0 ** rng.uniform(0, 31, int(rng.integers(1, 20)))).astype(np.uint32).tolist()
        text = coco().frPyObjects({"size": [1, 1], "counts": runs}, 1, 1)["counts"]
        assert rapidmask.rle_to_string(runs) == text
        assert rapidmask.rle_from_string(text).tolist() == runs


# Strings


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, LARGEST)))
@example([LARGEST, 0, LARGEST, LARGEST, 0, 0, LARGEST])
def test_strings_are_read_back(counts):
    text = rapidmask.rle_to_string(counts)
    assert all(48 <= character <= 111 for character in text)
    assert rapidmask.rle_from_string(text).tolist() == counts


@settings(max_examples=500, deadline=None, derandomize=True)
@given(st.one_of(st.binary(max_size=40), st.text(st.characters(min_codepoint=48, max_codepoint=111), max_size=40)))
@example(b"\xff" * 40)
@example(b"\x00")
@example("o" * 4000)
@example("Pₐ")
@example("\ud800")
def test_any_text_is_read_or_refused(text):
    refusal = ""
    try:
        counts = rapidmask.rle_from_string(text)
    except ValueError as error:
        refusal = str(error)
    if refusal:
        assert refusal.startswith("rle_from_string: counts must ")
        return
    assert rapidmask.rle_from_string(rapidmask.rle_to_string(counts)).tolist() == counts.tolist()
    try:
        rle = rapidmask.RLEMasks.from_coco([{"size": [3, 4], "counts": text}])
    except ValueError:
        assert counts.sum(dtype=np.uint64) != 12
    else:
        assert rle.area()[0] == counts[1::2].sum(dtype=np.uint64)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("P", "not end within a number, but does at character 1"),
        ("52oo", "not end within a number, but does at character 4"),
        (" ", "be characters '0' to 'o', got another at character 0"),
        ("5/", "be characters '0' to 'o', got another at character 1"),
        ("5p", "be characters '0' to 'o', got another at character 1"),
        ("5\u00e9", "be characters '0' to 'o', got another at character 1"),
        ("5\ud800", "be characters '0' to 'o', got another at character 1"),
        (b"5\x00", "be characters '0' to 'o', got another at character 1"),
        ("oooooooo0", "fit 32 bits, got a larger number at character 8"),
        ("PPPPPPPP0", "fit 32 bits, got a larger number at character 8"),
        ("oooooo?", "be between 0 and 2^32 - 1, got another before the end at character 7"),
        ("PPPPPP4", "be between 0 and 2^32 - 1, got another before the end at character 7"),
        ("O", "be between 0 and 2^32 - 1, got another before the end at character 1"),
        ("@", "be between 0 and 2^32 - 1, got another before the end at character 1"),
        ("010O", None),  # 1 less 1: a run of 0
        ("010N", "be between 0 and 2^32 - 1, got another before the end at character 4"),
        ("0oooooo301", "be between 0 and 2^32 - 1, got another before the end at character 10"),
    ],
)
def test_malformed_strings_are_refused(text, what):
    if what is None:
        assert rapidmask.rle_from_string(text).tolist() == [0, 1, 0, 0]
        return
    with refuses(ValueError, f"rle_from_string: counts must {what}"):
        rapidmask.rle_from_string(text)
    with pytest.raises(ValueError, match="counts must"):
        rapidmask.rle_decode([{"size": [3, 4], "counts": text}])


@pytest.mark.parametrize("text", [5, None, [5, 2], np.array([5])])
def test_strings_are_bytes_or_text(text):
    with refuses(TypeError, f"rle_from_string: counts must be bytes or str, got {type(text).__name__}"):
        rapidmask.rle_from_string(text)


@pytest.mark.parametrize("counts", [[-1], [2**32], [0.5], [[1, 2]], ["1"], 5, [True], [None]])
def test_counts_are_integers(counts):
    with refuses(ValueError, "rle_to_string: counts must be a list of integers from 0 to 2^32 - 1"):
        rapidmask.rle_to_string(counts)


# Limits


def test_the_largest_mask():
    size = (65537, 65535)  # 2^32 - 1 pixels
    rle = rapidmask.RLEMasks.from_coco([{"size": size, "counts": [0, LARGEST]}, {"size": size, "counts": [LARGEST]}])
    assert rle.area().tolist() == [LARGEST, 0]
    assert rle.boxes().tolist() == [[0, 0, 65535, 65537], [0, 0, 0, 0]]
    assert ~rle == rle[::-1]
    assert (rle ^ ~rle).area().tolist() == [LARGEST, LARGEST]
    with pytest.raises(ValueError, match=r"size must be \(H, W\) of at most 2\^32 - 1 pixels, got \(65536, 65536\)$"):
        rapidmask.RLEMasks.from_coco([{"size": [65536, 65536], "counts": [LARGEST, 1]}])
    for size in ([2**62, 8], [2**40, 2**40]):
        with pytest.raises(ValueError, match="size must be"):
            rapidmask.RLEMasks.from_coco([{"size": size, "counts": [0]}])


# Errors


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (
            lambda: rapidmask.rle_encode(np.zeros(5, bool)),
            ValueError,
            "rle_encode: masks must have at least 2 dimensions (..., H, W), got shape (5,)",
        ),
        (
            lambda: rapidmask.rle_encode(np.zeros((5, 5), np.int16)),
            TypeError,
            "rle_encode: masks must be bool or uint8, got int16",
        ),
        (
            lambda: rapidmask.rle_encode([[1]]),
            TypeError,
            "rle_encode: masks must be an array of NumPy, torch, CuPy or another library with DLPack, got list",
        ),
        (
            lambda: rapidmask.rle_decode([{"size": [2, 2], "counts": [4]}], output="bits"),
            ValueError,
            "rle_decode: output must be one of bool, uint8, packed, rle, got 'bits'",
        ),
        (
            lambda: rapidmask.rle_decode(rapidmask.pack(np.ones((1, 1), bool))),
            TypeError,
            "from_coco: rles must be a sequence of dictionaries, got one of PackedMasks",
        ),
    ],
)
def test_errors(call, error, text):
    with refuses(error, text):
        call()


def test_runs_that_do_not_add_up_are_refused():
    for counts in ([3], [5], [], [0, 0], [2, 3], [LARGEST, LARGEST], [LARGEST] * 7):
        with pytest.raises(ValueError, match=f"counts of mask 0 must add up to 4 pixels, got {sum(counts)}$"):
            rapidmask.rle_decode([{"size": [2, 2], "counts": counts}])


def test_text_form_goes_through_json():
    rle = rapidmask.rle_encode(np.eye(9, dtype=bool))
    assert rapidmask.RLEMasks.from_coco(json.loads(json.dumps(rle.to_coco("str")))) == rle
    assert rapidmask.RLEMasks.from_coco(json.loads(json.dumps(rle.to_coco("list")))) == rle
