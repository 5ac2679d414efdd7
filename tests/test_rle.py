"""COCO's run lengths and their strings."""

import itertools
import json
import resource

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import rapidmask
from inputs import guarded, hostile_masks, layouts, refuses
from rapidmask import _cpu, _emu
from rapidmask.ops.rle import _encode_coco
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


# Layouts


def as_they_lie(masks):
    """Names and views of equal content whose rows or columns are contiguous, or neither."""
    n, h, w = masks.shape
    yield "Fortran masks", np.asfortranarray(masks.transpose(1, 2, 0)).transpose(2, 0, 1)
    yield "masks last", np.ascontiguousarray(masks.transpose(1, 2, 0)).transpose(2, 0, 1)
    wide = np.zeros((n, h + 3, w + 70), masks.dtype)
    wide[:, 2 : 2 + h, 5 : 5 + w] = masks
    yield "rows of larger masks", wide[:, 2 : 2 + h, 5 : 5 + w]
    tall = np.zeros((n, w + 3, h + 70), masks.dtype)
    tall[:, 2 : 2 + w, 5 : 5 + h] = masks.transpose(0, 2, 1)
    yield "columns of larger masks", tall[:, 2 : 2 + w, 5 : 5 + h].transpose(0, 2, 1)
    yield "rows upwards", np.ascontiguousarray(masks[:, ::-1])[:, ::-1]
    yield "columns backwards", np.ascontiguousarray(masks[:, :, ::-1].transpose(0, 2, 1)).transpose(0, 2, 1)[:, :, ::-1]
    yield "masks backwards", np.ascontiguousarray(masks[::-1])[::-1]
    yield "both backwards", np.ascontiguousarray(masks[:, ::-1, ::-1])[:, ::-1, ::-1]


@pytest.mark.parametrize("name", HOSTILE)
def test_masks_are_encoded_as_they_lie(isa, name):
    masks = np.asarray(HOSTILE[name])
    expected = rapidmask.rle_encode(np.ascontiguousarray(masks))
    for layout, view in as_they_lie(masks):
        np.testing.assert_array_equal(view, masks)
        assert rapidmask.rle_encode(view) == expected, layout
        assert _encode_coco(view) == expected.to_coco(), layout


def test_leading_dimensions_of_any_strides(rng):
    masks = rng.random((2, 3, 4, 70, 9)) < 0.5
    expected = rapidmask.rle_encode(masks.reshape(-1, 70, 9))
    for axes in itertools.permutations(range(5)):
        view = np.ascontiguousarray(masks.transpose(axes)).transpose(np.argsort(axes))
        assert rapidmask.rle_encode(view) == expected


def test_fortran_order_is_read_without_a_copy():
    columns = np.zeros((300, 200, 5000), np.uint8, order="F").transpose(2, 0, 1)  # 300 MB, never touched
    columns[7, 3:9, 4] = 1
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert rapidmask.rle_encode(columns).area().tolist() == [6 * (i == 7) for i in range(5000)]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB


@pytest.mark.parametrize(
    "size", [(64, 64), (63, 65), (128, 512), (129, 513), (513, 130), (640, 1), (700, 577), (1, 700), (1100, 70)]
)
@pytest.mark.parametrize("density", [0.002, 0.05, 0.5])
def test_sizes_about_whole_tiles(isa, rng, size, density):
    masks = rng.random((2, *size)) < density
    masks[0, : size[0] // 2] |= rng.random(size[1]) < 0.5  # long runs, some from the first row on
    masks[1, size[0] // 3 :] |= rng.random(size[1]) < 0.5  # and some to the last
    rle = rapidmask.rle_encode(masks)
    assert runs_of(rle) == [reference.counts(mask) for mask in masks]
    assert rapidmask.rle_encode(rapidmask.pack(masks)) == rle
    assert rapidmask.rle_encode(np.ascontiguousarray(masks.transpose(0, 2, 1)).transpose(0, 2, 1)) == rle
    np.testing.assert_array_equal(rapidmask.rle_decode(rle), masks)
    assert rapidmask.rle_decode(rle, output="packed") == rapidmask.pack(masks)
    np.testing.assert_array_equal(rle.boxes(), reference.boxes(masks))
    np.testing.assert_array_equal(rle.area(), masks.sum((1, 2)))
    for merged, expected in ((rle[:1] & rle[1:], masks[0] & masks[1]), (rle[:1] ^ rle[1:], masks[0] ^ masks[1])):
        assert runs_of(merged) == [reference.counts(expected)]


# Decoding into memory and in part


def crops(height, width):
    """Boxes within masks of a size: of all, nothing, a pixel, and parts about whole words."""
    yield 0, 0, width, height
    yield 0, 0, 0, 0
    yield width, height, width, height
    yield width // 2, 0, width // 2, height
    for x0, y0, x1, y1 in itertools.product((0, 1, 63, 64), (0, 1, 63, 64), (1, 64, 65, 130), (1, 64, 65, 130)):
        if x0 <= x1 <= width and y0 <= y1 <= height:
            yield x0, y0, x1, y1
    yield max(0, width - 5), max(0, height - 3), width, height


@pytest.mark.parametrize("density", [0.01, 0.5, 0.97])
def test_crops_are_those_of_the_masks(isa, rng, density):
    masks = rng.random((3, 140, 131)) < density
    masks[1, 20:] = True
    rle = rapidmask.rle_encode(masks)
    for x0, y0, x1, y1 in crops(140, 131):
        expected = masks[:, y0:y1, x0:x1]
        box = (x0, y0, x1, y1)
        np.testing.assert_array_equal(rapidmask.rle_decode(rle, crop=box), expected)
        packed = rapidmask.rle_decode(rle, output="packed", crop=np.array(box))
        assert packed == rapidmask.pack(expected)
        assert rapidmask.rle_decode(rle, output="rle", crop=box) == packed.to_rle()


@pytest.mark.parametrize("name", HOSTILE)
def test_decoding_writes_out_and_nothing_else(isa, name):
    masks = np.asarray(HOSTILE[name])
    rle = rapidmask.rle_encode(masks)
    _, height, width = masks.shape
    for box in (None, (0, 0, width, height), (width // 3, height // 3, width, height)):
        expected = masks if box is None else masks[:, box[1] :, box[0] :]
        for output, dtype in (("bool", bool), ("uint8", np.uint8)):
            out, untouched = guarded(expected.shape, dtype)
            assert rapidmask.rle_decode(rle, output=output, crop=box, out=out) is out
            np.testing.assert_array_equal(out, expected)
            assert untouched()
        packed = rapidmask.pack(expected)
        bits, untouched = guarded(packed.data.shape, np.uint8)
        assert rapidmask.rle_decode(rle, output="packed", crop=box, out=bits) == packed
        np.testing.assert_array_equal(bits, packed.data)
        assert untouched()


@pytest.mark.parametrize("size", [(33, 70), (64, 65), (1, 40), (90, 1)])
def test_parts_and_measures_on_every_backend(backend, rng, size):
    masks = rng.random((4, *size)) < np.array([0.02, 0.5, 0.97, 0])[:, None, None]
    masks[0, :, size[1] // 2 :] = True  # one run over many columns
    rle = rapidmask.rle_encode(masks)
    height, width = size
    for box in ((0, 0, width, height), (width // 3, height // 4, width, height), (0, 0, width // 2, height // 2 + 1)):
        x0, y0, x1, y1 = box
        np.testing.assert_array_equal(rapidmask.rle_decode(rle, crop=box), masks[:, y0:y1, x0:x1])
        assert rapidmask.rle_decode(rle, output="packed", crop=box) == rapidmask.pack(masks[:, y0:y1, x0:x1])
    np.testing.assert_array_equal(rle.area(), masks.sum((1, 2)))
    np.testing.assert_array_equal(rle.boxes(), reference.boxes(masks))
    for form in ("bytes", "str", "list"):
        runs = [one["counts"] for one in rle.to_coco(form)]
        read = runs if form == "list" else [rapidmask.rle_from_string(text).tolist() for text in runs]
        assert read == [reference.counts(mask) for mask in masks]
        assert all(type(one).__name__ == form for one in runs)


def test_kernels_stay_within_masks_whatever_the_runs():
    numbers = [0, 1, 3, 40, LARGEST]
    for counts in itertools.product(numbers, repeat=3):
        runs = np.array(counts, np.uint32)
        for offsets in ([0, 3], [-9, 99], [2, 1], [3, 3]):
            ends = np.array(offsets)
            out, untouched = guarded((1, 5, 6), np.uint8)
            _emu.rle_decode(runs, ends, 5, 6, "uint8", None, out)
            assert untouched()
            assert out.max() <= 1
            _emu.rle_boxes(runs, ends, 5, 6)
            if offsets[1] < 5:
                _emu.rle_areas(runs, ends, 5, 6)
                _emu.rle_strings(runs, ends)


@pytest.mark.parametrize(
    ("crop", "text"),
    [
        ((0, 0, 4, 5), "crop must be (x0, y0, x1, y1) within (0, 0, 5, 4), got (0, 0, 4, 5)"),
        ((-1, 0, 4, 4), "crop must be (x0, y0, x1, y1) within (0, 0, 5, 4), got (-1, 0, 4, 4)"),
        ((3, 0, 2, 4), "crop must be (x0, y0, x1, y1) within (0, 0, 5, 4), got (3, 0, 2, 4)"),
        ((0, 0, 4), "crop must be four integers (x0, y0, x1, y1), got (0, 0, 4)"),
        ((0, 0, 4.0, 4), "crop must be four integers (x0, y0, x1, y1), got (0, 0, 4.0, 4)"),
        (7, "crop must be four integers (x0, y0, x1, y1), got 7"),
    ],
)
def test_crops_that_are_refused(crop, text):
    with refuses(ValueError, f"rle_decode: {text}"):
        rapidmask.rle_decode(rapidmask.rle_encode(rectangle()), crop=crop)


# Merging


@pytest.mark.parametrize("name", HOSTILE)
def test_merging_is_union_and_intersection(isa, name):
    masks = np.asarray(HOSTILE[name])
    rle = rapidmask.rle_encode(masks)
    union, common = rapidmask.rle_merge(rle), rapidmask.rle_merge(rle, intersect=True)
    assert runs_of(union) == [reference.counts(masks.any(0))]
    assert runs_of(common) == [reference.counts(masks.all(0) & (len(masks) > 0))]


@pytest.mark.parametrize("count", [1, 2, 3, 20])
@pytest.mark.parametrize("density", [0.0005, 0.1, 0.9])
def test_merging_as_pycocotools(isa, rng, count, density):
    masks = rng.random((count, 700, 803)) < density  # more than one window of pixels
    masks[:, 5:300, 100:200] = density > 0.5
    masks[:, :, 500:] &= density < 0.5
    rle = rapidmask.rle_encode(masks)
    for intersect in (False, True):
        expected = coco().merge(rle.to_coco(), intersect=intersect)
        assert rapidmask.rle_merge(rle, intersect=intersect).to_coco() == [expected]
        assert rapidmask.rle_merge(rle.to_coco("str"), intersect=intersect).to_coco() == [expected]


# Label maps


def test_labels_by_eye():
    labels = np.array([[7, 7, 0], [0, 3, 3]], np.int32)
    masks, values = rapidmask.rle_encode_labels(labels)
    assert values.tolist() == [3, 7]
    assert values.dtype == np.int32
    assert runs_of(masks) == [[3, 1, 1, 1], [0, 1, 1, 1, 3]]
    masks, values, maps = rapidmask.rle_encode_labels(np.stack([labels, labels % 7]))
    assert values.tolist() == [3, 7, 3]
    assert maps.tolist() == [0, 0, 1]
    assert runs_of(masks) == [[3, 1, 1, 1], [0, 1, 1, 1, 3], [3, 1, 1, 1]]


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"])
@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0), (1, 1), (1, 90), (90, 1), (12, 65), (70, 130)])
def test_labels_are_the_encoding_of_every_mask(isa, rng, dtype, shape):
    limits = (0, 1) if dtype == "bool" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    few = np.array([0, 0, 1, 5 % (limits[1] + 1), *limits], dtype)
    labels = few[rng.integers(0, len(few), (3, *shape))]
    labels[1] = few[rng.integers(0, len(few), shape[1])]  # runs of whole columns
    labels[2, shape[0] // 2 :] = labels[2, :1, :1]
    expected, values, maps = reference.labels(labels)
    for _, view in layouts(labels):
        masks, found, of_map = rapidmask.rle_encode_labels(view)
        assert masks == rapidmask.rle_encode(expected)
        assert found.dtype == dtype
        assert found.tolist() == values
        assert of_map.tolist() == maps
    masks, found = rapidmask.rle_encode_labels(labels[0])
    assert found.tolist() == values[: len(found)] == [value for value, i in zip(values, maps, strict=True) if i == 0]
    assert masks == rapidmask.rle_encode(expected[: len(found)])


def test_many_labels(threads, rng):
    labels = rng.integers(-3, 4000, (2, 90, 111)).astype(np.int64)
    for scale in (1, 10**15):  # close together and far apart
        expected, values, maps = reference.labels(labels * scale)
        for count in (1, 3):
            threads(count)
            masks, found, of_map = rapidmask.rle_encode_labels(labels * scale)
            assert found.tolist() == values
            assert of_map.tolist() == maps
            assert masks == rapidmask.rle_encode(expected)


def test_labels_of_components(rng):
    labels = rapidmask.label(rng.random((80, 200)) < 0.4)
    masks, values = rapidmask.rle_encode_labels(labels)
    assert values.tolist() == list(range(1, labels.max() + 1))
    np.testing.assert_array_equal(masks.area(), np.bincount(labels.ravel())[1:])


# COCO's dictionaries of any sizes


def test_dictionaries_of_several_sizes(rng):
    masks = [rng.random(rng.integers(0, 80, 2)) < 0.5 for _ in range(50)]
    dictionaries = [rapidmask.rle_encode(mask).to_coco()[0] for mask in masks]
    counts, offsets, sizes = _cpu.rle_from_coco(dictionaries)
    assert sizes.tolist() == [list(mask.shape) for mask in masks]
    for i, mask in enumerate(masks):
        assert counts[offsets[i] : offsets[i + 1]].tolist() == reference.counts(mask)
    assert _cpu.rle_to_coco(counts, offsets, sizes, "bytes") == dictionaries


def test_real_masks_as_pycocotools():
    data = pytest.importorskip("skimage.data")
    for image in (data.coins(), data.camera(), data.page(), data.horse().astype(np.uint8), data.retina()[..., 1]):
        masks = np.stack([image > np.quantile(image, q) for q in (0.05, 0.3, 0.5, 0.8, 0.99)])
        expected = coco().encode(np.asfortranarray(masks.transpose(1, 2, 0), np.uint8))
        rle = rapidmask.rle_encode(masks)
        assert rle.to_coco() == expected
        assert _encode_coco(masks) == expected
        assert rapidmask.RLEMasks.from_coco(expected) == rle
        np.testing.assert_array_equal(rapidmask.rle_decode(expected), masks)
        np.testing.assert_array_equal(rapidmask.masks_to_boxes(rle, format="xywh"), coco().toBbox(expected))
        assert rapidmask.rle_merge(rle).to_coco() == [coco().merge(expected)]


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
            "rle_decode: rles must be a sequence of dictionaries, got one of PackedMasks",
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


def test_batches_to_be_merged_are_joined_first():
    runs = rapidmask.rle_encode(np.eye(3, dtype=bool)[None])
    message = "rle must be one batch, got several: RLEMasks.concatenate joins them"
    for function in (rapidmask.rle_merge, rapidmask.rle_decode):
        with refuses(TypeError, f"{function.__name__}: {message}"):
            function([runs, runs])
    assert rapidmask.rle_merge(rapidmask.RLEMasks.concatenate([runs, ~runs])).area().tolist() == [9]
