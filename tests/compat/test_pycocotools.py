"""The drop-in for pycocotools, against pycocotools itself: the same results, types, orders and errors."""

import contextlib
import copy
import gc
import importlib.util
import json
import pathlib

import numpy as np
import pytest

import rapidmask
from inputs import hostile_masks, refuses
from rapidmask.compat import pycocotools as ours

theirs = pytest.importorskip("pycocotools.mask")
compiled = pytest.importorskip("pycocotools._mask")
from pycocotools.coco import COCO  # noqa: E402
from pycocotools.cocoeval import COCOeval  # noqa: E402

# pycocotools' own arrays and NumPy 2 disagree about a keyword.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

RLE = {"size": [4, 5], "counts": b"5220003"}
OTHER = {"size": [4, 5], "counts": b"052M0003"}
EMPTY = {"size": [4, 5], "counts": b"d0"}
SMALL = {"size": [2, 2], "counts": b"04"}
RING = [1, 1, 4, 1, 4, 3, 1, 3]
BOXES = np.array([[1, 1, 2, 2.0], [-1, -1, 3, 3], [2.5, 1.2, 10, 10], [3, 3, -2, -2]])


def image(shape=(4, 5), dtype=np.uint8, order="F"):
    mask = np.zeros(shape, dtype, order)
    mask[1:3, 1:4] = 1
    return mask


def stack(masks):
    return np.asfortranarray(np.stack(masks, axis=-1).astype(np.uint8))


def assert_same(mine, expected):
    """Equal in value, type and layout."""
    assert type(mine) is type(expected)
    if isinstance(expected, np.ndarray):
        assert mine.dtype == expected.dtype
        assert mine.shape == expected.shape
        assert mine.flags.f_contiguous == expected.flags.f_contiguous
        assert mine.flags.c_contiguous == expected.flags.c_contiguous
        assert mine.flags.writeable == expected.flags.writeable
        np.testing.assert_array_equal(mine, expected)
    else:
        assert mine == expected


# Calls as lambdas of the module; each gives the same with both.
CALLS = {
    "encode a mask": lambda m: m.encode(image()),
    "encode bool": lambda m: m.encode(image(dtype=bool)),
    "encode a batch": lambda m: m.encode(stack([image(), 1 - image(), image() * 0])),
    "encode no mask": lambda m: m.encode(np.zeros((4, 5, 0), np.uint8, order="F")),
    "encode a column": lambda m: m.encode(np.ones((5, 1), np.uint8)),
    "encode a row": lambda m: m.encode(np.ones((1, 5), np.uint8)),
    "encode no rows": lambda m: m.encode(np.zeros((0, 5), np.uint8, order="F")),
    "encode no pixels": lambda m: m.encode(np.zeros((0, 0, 2), np.uint8, order="F")),
    "encode 255": lambda m: m.encode(image() * np.uint8(255)),
    "encode one dimension": lambda m: m.encode(np.zeros(4, np.uint8)),
    "encode four dimensions": lambda m: m.encode(np.zeros((1, 1, 1, 1), np.uint8)),
    "decode": lambda m: m.decode(RLE),
    "decode a list": lambda m: m.decode([RLE, OTHER, EMPTY]),
    "decode str": lambda m: m.decode({"size": [4, 5], "counts": "5220003"}),
    "decode a tuple of a size": lambda m: m.decode({"size": (4, 5), "counts": b"5220003"}),
    "decode an array of a size": lambda m: m.decode({"size": np.array([4, 5]), "counts": b"5220003"}),
    "decode a size of floats": lambda m: m.decode({"size": [4.0, 5.0], "counts": b"5220003"}),
    "decode no pixels": lambda m: m.decode({"size": [0, 0], "counts": b"0"}),
    "decode a run of length 0": lambda m: m.decode({"size": [2, 2], "counts": b"400"}),
    "area": lambda m: m.area(RLE),
    "area of a list": lambda m: m.area([RLE, OTHER, EMPTY]),
    "area of none": lambda m: m.area([]),
    "toBbox": lambda m: m.toBbox(RLE),
    "toBbox of a list": lambda m: m.toBbox([RLE, OTHER, EMPTY]),
    "toBbox of none": lambda m: m.toBbox([]),
    "merge": lambda m: m.merge([RLE, OTHER]),
    "merge by intersection": lambda m: m.merge([RLE, OTHER], intersect=True),
    "merge by position": lambda m: m.merge([RLE, OTHER], 1),
    "merge none": lambda m: m.merge([]),
    "merge one": lambda m: m.merge([RLE]),
    "merge one with runs of length 0": lambda m: m.merge([{"size": [4, 5], "counts": b"5003<"}]),
    "merge a tuple": lambda m: m.merge((RLE, OTHER)),
    "merge two sizes": lambda m: m.merge([RLE, SMALL]),
    "iou": lambda m: m.iou([RLE, OTHER, EMPTY], [RLE, EMPTY], [0, 0]),
    "iou of a crowd": lambda m: m.iou([RLE, OTHER, EMPTY], [RLE, OTHER], [1, 0]),
    "iou of crowds as an array": lambda m: m.iou([RLE], [RLE, OTHER], np.array([0, 1], np.uint8)),
    "iou of crowds as floats": lambda m: m.iou([RLE], [RLE, OTHER], [0.5, 1.7]),
    "iou of no detection": lambda m: m.iou([], [RLE], [0]),
    "iou of no truth": lambda m: m.iou([RLE], [], []),
    "iou of nothing": lambda m: m.iou([], [], []),
    "iou of two sizes": lambda m: m.iou([RLE, EMPTY], [SMALL, RLE], [0, 0]),
    "iou of boxes": lambda m: m.iou(np.array([[0, 0, 2, 2.0]]), np.array([[1, 1, 2, 2.0], [0, 0, 0, 0]]), [0, 1]),
    "iou of boxes of integers": lambda m: m.iou(np.array([[0, 0, 2, 2]]), np.array([[1, 1, 2, 2]]), [0]),
    "iou of boxes that touch": lambda m: m.iou([[0, 0, 2, 2]], [[2, 0, 2, 2]], [0]),
    "iou of boxes in lists": lambda m: m.iou([[0, 0, 2, 2]], [np.array([1, 1, 2, 2.0])], [1]),
    "iou of a list and an array": lambda m: m.iou([[0, 0, 2, 2]], np.array([[1, 1, 2, 2.0]]), [0]),
    "iou of no boxes": lambda m: m.iou(np.zeros((0, 4)), np.zeros((2, 4)), [0, 0]),
    "polygon": lambda m: m.frPyObjects([RING], 5, 6),
    "polygons": lambda m: m.frPyObjects([RING, [0, 0, 5, 0, 2.5, 4.4], [1, 1, 3, 3], []], 5, 6),
    "polygon of an odd number of coordinates": lambda m: m.frPyObjects([[1, 1, 3, 1, 3, 3, 2]], 4, 5),
    "polygon as an array": lambda m: m.frPyObjects([np.array(RING, float)], 5, 6),
    "polygon of text": lambda m: m.frPyObjects([["1", "1", "3", "1", "3", "3"]], 4, 5),
    "polygon in a size of floats": lambda m: m.frPyObjects([RING], 5.0, 6.0),
    "polygon without rows": lambda m: m.frPyObjects([RING], 0, 5),
    "boxes": lambda m: m.frPyObjects(BOXES, 5, 6),
    "no boxes": lambda m: m.frPyObjects(np.zeros((0, 4)), 4, 5),
    "boxes of five numbers": lambda m: m.frPyObjects(np.zeros((1, 5)), 4, 5),
    "uncompressed": lambda m: m.frPyObjects({"size": [4, 5], "counts": [5, 2, 2, 2, 2, 2, 5]}, 9, 9),
    "uncompressed in a list": lambda m: m.frPyObjects([{"size": [4, 5], "counts": [5, 2, 2, 2, 2, 2, 5]}], 4, 5),
    "uncompressed as an array": lambda m: m.frPyObjects({"size": [4, 5], "counts": np.array([5, 15])}, 4, 5),
    "uncompressed of a wrong sum": lambda m: m.frPyObjects({"size": [4, 5], "counts": [5, 2]}, 4, 5),
    "uncompressed of floats": lambda m: m.frPyObjects({"size": [4, 5], "counts": [20.7]}, 4, 5),
    "uncompressed without counts": lambda m: m.frPyObjects({"size": [4, 5], "counts": []}, 4, 5),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_calls_give_what_pycocotools_gives(name):
    assert_same(CALLS[name](ours), CALLS[name](theirs))


# Both refuse these, with an error of one type.
REFUSED = {
    "encode C order": lambda m: m.encode(image(order="C")),
    "encode a batch in C order": lambda m: m.encode(np.zeros((5, 4, 2), np.uint8)),
    "encode part of an array": lambda m: m.encode(np.zeros((8, 8), np.uint8, order="F")[::2]),
    "encode floats": lambda m: m.encode(image(dtype=np.float32)),
    "encode int8": lambda m: m.encode(image(dtype=np.int8)),
    "encode a list": lambda m: m.encode([[1, 0]]),
    "decode a list of counts": lambda m: m.decode({"size": [4, 5], "counts": [5, 2, 13]}),
    "decode a bytearray": lambda m: m.decode({"size": [4, 5], "counts": bytearray(b"5220003")}),
    "decode a tuple": lambda m: m.decode((RLE,)),
    "decode None": lambda m: m.decode(None),
    "decode more runs than pixels": lambda m: m.decode({"size": [4, 4], "counts": b"5220003"}),
    "decode without a size": lambda m: m.decode({"counts": b"04"}),
    "decode without counts": lambda m: m.decode({"size": [2, 2]}),
    "area of a tuple": lambda m: m.area((RLE,)),
    "area of half a size": lambda m: m.area({"size": [4], "counts": b"d0"}),
    "area of a negative size": lambda m: m.area({"size": [-2, 2], "counts": b"4"}),
    "toBbox of a tuple": lambda m: m.toBbox((RLE,)),
    "merge a dictionary": lambda m: m.merge(RLE),
    "merge by text": lambda m: m.merge([RLE, OTHER], "x"),
    "iou of a dictionary": lambda m: m.iou(RLE, [RLE], [0]),
    "iou of tuples": lambda m: m.iou((RLE,), (RLE,), [0]),
    "iou of too few crowds": lambda m: m.iou([RLE], [RLE, OTHER], [0]),
    "iou without crowds": lambda m: m.iou([RLE], [RLE], None),
    "iou of crowds of text": lambda m: m.iou([RLE], [RLE, OTHER], "ab"),
    "iou of boxes and masks": lambda m: m.iou(np.zeros((1, 4)), [RLE], [0]),
    "iou of lists of five": lambda m: m.iou([[0, 0, 2, 2, 1]], [[1, 1, 2, 2]], [0]),
    "iou of boxes of five": lambda m: m.iou(np.zeros((2, 5)), np.zeros((2, 5)), [0, 0]),
    "iou of one box": lambda m: m.iou(np.zeros(4), np.zeros(4), [0]),
    "iou of None": lambda m: m.iou(None, None, [0]),
    "a flat polygon": lambda m: m.frPyObjects(RING, 5, 6),
    "boxes in a list": lambda m: m.frPyObjects([[1, 1, 2, 2]], 5, 6),
    "boxes of integers": lambda m: m.frPyObjects(np.array([[0, 0, 2, 2]]), 4, 5),
    "boxes of float32": lambda m: m.frPyObjects(np.zeros((1, 4), np.float32), 4, 5),
    "one box": lambda m: m.frPyObjects(np.zeros(4), 4, 5),
    "nothing": lambda m: m.frPyObjects([], 4, 5),
    "nothing in a list": lambda m: m.frPyObjects([[]], 4, 5),
    "nested polygons": lambda m: m.frPyObjects([[[1, 1], [4, 1], [4, 3]]], 5, 6),
    "a tuple of polygons": lambda m: m.frPyObjects((RING,), 5, 6),
    "None": lambda m: m.frPyObjects(None, 5, 6),
    "text": lambda m: m.frPyObjects("abc", 4, 5),
    "polygons with a dictionary": lambda m: m.frPyObjects([RING, {"a": 1}], 4, 5),
    "a negative size": lambda m: m.frPyObjects([RING], -1, 5),
    "compressed": lambda m: m.frPyObjects(RLE, 4, 5),
    "uncompressed, negative": lambda m: m.frPyObjects({"size": [4, 5], "counts": [5, -2]}, 4, 5),
    "uncompressed, too large": lambda m: m.frPyObjects({"size": [4, 5], "counts": [2**33]}, 4, 5),
    "uncompressed, text": lambda m: m.frPyObjects({"size": [4, 5], "counts": ["a"]}, 4, 5),
    "uncompressed without a size": lambda m: m.frPyObjects({"counts": [20]}, 4, 5),
}


@pytest.mark.parametrize("name", REFUSED)
def test_calls_raise_what_pycocotools_raises(name):
    with pytest.raises(Exception) as expected:  # noqa: PT011  whatever pycocotools raises
        REFUSED[name](theirs)
    with pytest.raises(expected.type):
        REFUSED[name](ours)


@pytest.mark.parametrize("name", hostile_masks())
def test_masks_go_there_and_back(name):
    masks = np.asarray(hostile_masks()[name])
    if masks.size == 0:
        pytest.skip("has no pixels: among the calls above")
    batch = stack(masks.reshape(-1, *masks.shape[-2:]))
    rles = ours.encode(batch)
    assert rles == theirs.encode(batch)
    assert_same(ours.decode(rles), theirs.decode(rles))
    assert_same(ours.area(rles), theirs.area(rles))
    assert_same(ours.toBbox(rles), theirs.toBbox(rles))
    assert ours.merge(rles) == theirs.merge(rles)
    assert ours.merge(rles, True) == theirs.merge(rles, True)
    crowd = np.arange(len(rles)) % 2
    assert_same(ours.iou(rles, rles, crowd), theirs.iou(rles, rles, crowd))


def test_random_polygons_and_boxes():
    rng = np.random.default_rng(0)
    for _ in range(300):
        h, w = rng.integers(1, 60, 2)
        rings = [list(rng.uniform(-10, 70, 2 * rng.integers(3, 12))) for _ in range(rng.integers(1, 4))]
        rings[0] = [round(x) for x in rings[0]]
        mine = ours.frPyObjects(rings, h, w)
        assert mine == theirs.frPyObjects(rings, h, w)
        assert ours.merge(mine) == theirs.merge(mine)
        boxes = rng.uniform(-10, 70, (3, 4))
        assert ours.frPyObjects(boxes, h, w) == theirs.frPyObjects(boxes, h, w)
        others = rng.integers(0, 9, (5, 4)).astype(float)
        assert_same(ours.iou(boxes, others, [0, 1, 0, 1, 0]), theirs.iou(boxes, others, [0, 1, 0, 1, 0]))


@pytest.mark.parametrize("counts", [b"12", b"", b"5", b"1", b"400001", b"P0", b"\xff\xff", b"0`", b"ooooooooo", "é"])
def test_counts_that_make_up_no_mask_are_refused(counts):
    rle = {"size": [2, 2], "counts": counts}
    for call in (
        lambda: ours.decode(rle),
        lambda: ours.area(rle),
        lambda: ours.toBbox([rle]),
        lambda: ours.merge([rle]),
        lambda: ours.merge([rle, rle]),
        lambda: ours.iou([rle], [rle], [0]),
    ):
        with pytest.raises(ValueError, match=r"Invalid RLE mask representation|counts must"):
            call()


@pytest.mark.parametrize("size", [[2**31, 2**31], [2**16, 2**16], [2**70, 1]])
def test_sizes_beyond_memory_are_refused(size):
    for call in (ours.decode, ours.area, ours.toBbox):
        with pytest.raises(ValueError, match="pixels"):
            call({"size": size, "counts": b"04"})


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_coordinates_beyond_numbers_are_refused(value):
    for shape in ([[1, 1, value, 1, 3, 3]], np.array([[1, 1, value, 3.0]])):
        with pytest.raises(ValueError, match="coordinates"):
            ours.frPyObjects(shape, 4, 5)


def test_numbers_that_pycocotools_takes_with_a_warning_are_refused():
    with pytest.raises(ValueError, match="counts must be numbers"):
        ours.frPyObjects({"size": [2, 3], "counts": np.array([np.nan])}, 2, 3)
    with pytest.raises(TypeError, match="counts must be real numbers, got complex128"):
        ours.frPyObjects({"size": [2, 3], "counts": np.array([6j])}, 2, 3)
    for call in (
        lambda: ours.iou(np.array([[1j, 0, 1, 1]]), np.ones((1, 4)), [0]),
        lambda: ours.iou([np.array([1j, 0, 1, 1])], [[0, 0, 1, 1]], [0]),
        lambda: ours.frPyObjects([np.array([1j] * 6)], 5, 5),
    ):
        with pytest.raises(TypeError, match="coordinates must be real numbers, got complex128"):
            call()
    with refuses(OverflowError, "size of a mask must be of 64 bits"):
        ours.frPyObjects(np.zeros((0, 4)), 2**70, 2)
    for boxes in (np.array([[np.inf, 0, -np.inf, 3]]), np.array([[1.7e308, 0, 1.7e308, 3]])):
        with pytest.raises(ValueError, match="coordinates"):
            ours.frPyObjects(boxes, 2, 3)


def test_where_pycocotools_gives_garbage():
    assert ours.toBbox({"size": [4, 5], "counts": b"d00"}).tolist() == [0, 0, 0, 0]
    assert ours.encode(np.asfortranarray([[1, 2], [3, 0]], np.uint8)) == {"size": [2, 2], "counts": b"031"}
    with refuses(ValueError, "decode: rleObjs must not be empty"):
        ours.decode([])


def test_patch_replaces_and_restores():
    upstream = theirs.iou, theirs.encode, compiled.frPoly
    with rapidmask.patch("pycocotools") as patched:
        assert (theirs.iou, theirs.encode, compiled.frPoly) == (ours.iou, ours.encode, ours.frPoly)
        with rapidmask.patch("pycocotools"):
            assert theirs.iou is ours.iou
        assert theirs.iou is ours.iou
        patched.undo()
        assert theirs.iou is upstream[0]
        with rapidmask.patch("pycocotools"):
            pass
    assert (theirs.iou, theirs.encode, compiled.frPoly) == upstream
    rapidmask.patch("pycocotools")
    rapidmask.patch("pycocotools")
    assert theirs.decode is ours.decode
    rapidmask.unpatch()
    assert (theirs.iou, theirs.encode, compiled.frPoly) == upstream
    rapidmask.unpatch("pycocotools")


def test_an_evaluation_gives_the_same_numbers():
    path = pathlib.Path(__file__).parents[2] / "benchmarks" / "coco_evaluation.py"
    specification = importlib.util.spec_from_file_location("coco_evaluation", path)
    evaluation = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(evaluation)
    dataset, detections = evaluation.synthetic(images=6, instances=8)
    expected, _, _ = evaluation.evaluate(dataset, detections)
    with rapidmask.patch("pycocotools"):
        found, _, seconds = evaluation.evaluate(dataset, detections)
    np.testing.assert_array_equal(found, expected)
    assert 0 < expected[0] < 1
    assert seconds["foresee_overlaps"] > 0


def annotated():
    """Annotations of two images, among them a crowd, several rings and a mask without pixels, and results for them."""
    h, w = 20, 24
    square, other = [2, 2, 12, 2, 12, 12, 2, 12], [15, 3, 20, 3, 20, 9]
    segmentations = [[square], [square, other], {"size": [h, w], "counts": [30, 40, h * w - 70]}, [other]]
    truth = COCO()
    truth.dataset = {
        "images": [{"id": i, "height": h, "width": w} for i in (1, 2)],
        "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}],
        "annotations": [
            {
                "id": i + 1,
                "image_id": 1 + i % 2,
                "category_id": 1 + i // 2,
                "iscrowd": int(i == 2),
                "area": 99.0,
                "bbox": [0, 0, 9, 9],
                "segmentation": segmentation,
            }
            for i, segmentation in enumerate(segmentations)
        ],
    }
    truth.createIndex()
    found = theirs.frPyObjects([square, other, [0, 0, 5, 0, 5, 5]], h, w)
    found.append({"size": [h, w], "counts": theirs.encode(np.zeros((h, w), np.uint8, order="F"))["counts"].decode()})
    results = [
        {"image_id": i, "category_id": c, "score": 0.1 * k, "segmentation": rle}
        for i in (1, 2)
        for c in (1, 2)
        for k, rle in enumerate([*found, found[0]])
    ]
    return truth, results


def evaluated(use_categories):
    truth, results = annotated()
    loaded = truth.loadRes(results)
    evaluation = COCOeval(truth, loaded, "segm")
    evaluation.params.useCats = use_categories
    evaluation.params.maxDets = [1, 2, 4]
    evaluation.evaluate()
    return loaded.dataset["annotations"], evaluation


@pytest.mark.parametrize("use_categories", [1, 0])
def test_an_evaluation_foresees_what_upstream_computes(use_categories, monkeypatch):
    annotations, expected = evaluated(use_categories)
    asked = []
    single = rapidmask._cpu.coco_iou
    monkeypatch.setattr(rapidmask._cpu, "coco_iou", lambda *args: asked.append(args) or single(*args))
    with rapidmask.patch("pycocotools"):
        patched, found = evaluated(use_categories)
    assert all(len(d) == 0 or len(g) == 0 for d, g, _ in asked)  # all others were foreseen
    for mine, theirs_ in zip(patched, annotations, strict=True):
        assert_same(mine["area"], theirs_["area"])
        assert_same(mine["bbox"], theirs_["bbox"])
        assert mine["segmentation"] == theirs_["segmentation"]
    assert found.ious.keys() == expected.ious.keys()
    for key, overlaps in expected.ious.items():
        assert_same(found.ious[key], overlaps)
    assert [one and one["dtMatches"].tolist() for one in found.evalImgs] == [
        one and one["dtMatches"].tolist() for one in expected.evalImgs
    ]
    assert [one["segmentation"] for one in found.cocoGt.dataset["annotations"]] == [
        one["segmentation"] for one in expected.cocoGt.dataset["annotations"]
    ]


def test_results_come_from_a_file_and_with_boxes(tmp_path):
    truth, results = annotated()
    path = tmp_path / "results.json"
    path.write_text(json.dumps(results, default=bytes.decode))
    boxes = [{"image_id": 1, "category_id": 1, "score": 0.5, "bbox": [1, 2, 3, 4]}]
    for given in (str(path), boxes, np.array([[1, 1, 2, 3, 4, 0.5, 1]])):
        expected = truth.loadRes(copy.deepcopy(given)).dataset
        with rapidmask.patch("pycocotools"):
            found = truth.loadRes(copy.deepcopy(given)).dataset
        for mine, theirs_ in zip(found["annotations"], expected["annotations"], strict=True):
            assert_same(mine.pop("bbox"), theirs_.pop("bbox"))
            assert mine == theirs_


def test_a_result_at_fault_is_refused_as_by_itself():
    truth, results = annotated()
    results[3]["segmentation"] = {"size": [20, 24], "counts": b"12"}
    with rapidmask.patch("pycocotools"):
        with pytest.raises(ValueError, match="Invalid RLE mask representation"):
            truth.loadRes(results)
        with pytest.raises(AssertionError, match="not an array"):
            truth.loadRes({})
        unknown = [one | {"image_id": 9} for one in annotated()[1]]
        with pytest.raises(AssertionError, match="do not correspond"):
            truth.loadRes(unknown)
        assert gc.isenabled()


def test_what_upstream_gives_one_by_one_can_be_written_to():
    shared = annotated()[1][0]["segmentation"]
    results = [{"image_id": 1, "category_id": 1, "score": s, "segmentation": shared} for s in (0.5, 0.4)]
    with rapidmask.patch("pycocotools"):
        first, second = annotated()[0].loadRes(results).dataset["annotations"]
    first["bbox"] += 1
    assert (first["bbox"] == second["bbox"] + 1).all()


def evaluation_numbers(truth, results, kind=COCOeval):
    evaluation = kind(truth, truth.loadRes(copy.deepcopy(results)), "segm")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return {key: np.asarray(value) for key, value in evaluation.ious.items()}, evaluation.stats


class Clipped(COCO):
    """Reads polygons in its own way."""

    def annToRLE(self, annotation):
        mask = compiled.decode([super().annToRLE(annotation)])
        mask[:, :3] = 0
        return compiled.encode(np.asfortranarray(mask))[0]


class Late(COCOeval):
    """Changes what it prepared."""

    def _prepare(self):
        super()._prepare()
        for found in self._dts.values():
            for one in found:
                empty = np.zeros((*one["segmentation"]["size"], 1), np.uint8, "F")
                one["segmentation"]["counts"] = compiled.encode(empty)[0]["counts"]


class WithoutCrowds(COCOeval):
    def _prepare(self):
        super()._prepare()
        for wanted in self._gts.values():
            for one in wanted:
                del one["iscrowd"]

    def computeIoU(self, imgId, catId):
        return []

    def evaluateImg(self, imgId, catId, aRng, maxDet):
        return None


@pytest.mark.parametrize("kinds", [(Clipped, COCOeval), (COCO, Late)])
def test_what_subclasses_change_is_evaluated(kinds):
    annotations, results = annotated()
    numbers = []
    for patched in (False, True):
        with rapidmask.patch("pycocotools") if patched else contextlib.nullcontext():
            truth = kinds[0]()
            truth.dataset = copy.deepcopy(annotations.dataset)
            truth.createIndex()
            numbers.append(evaluation_numbers(truth, results, kinds[1]))
    assert numbers[0][0].keys() == numbers[1][0].keys()
    for key, expected in numbers[0][0].items():
        np.testing.assert_array_equal(numbers[1][0][key], expected)
    np.testing.assert_array_equal(numbers[1][1], numbers[0][1])


def test_annotations_that_only_upstream_reads_may_lack_fields():
    truth, results = annotated()
    with rapidmask.patch("pycocotools"):
        WithoutCrowds(truth, truth.loadRes(results), "segm").evaluate()


def test_sizes_flags_and_rings_are_read_as_by_pycocotools():
    expected = theirs.frPyObjects({"size": np.array([3, 4]), "counts": [12]}, 3, 4)
    found = ours.frPyObjects({"size": np.array([3, 4]), "counts": [12]}, 3, 4)
    assert json.dumps(found["size"]) == json.dumps(expected["size"])
    for flag in (np.True_, np.False_, 1.0, 0.5):
        assert ours.merge([RLE, OTHER], flag) == theirs.merge([RLE, OTHER], flag)
    pairs = [np.array([[0, 0], [4, 0], [4, 4], [0, 4], [0, 2.0]])]
    for module in (theirs, ours):
        with pytest.raises(ValueError, match="Buffer has wrong number of dimensions"):
            module.frPyObjects(pairs, 6, 6)
    for size, error in ((["3", "4"], TypeError), ([-3, 4], OverflowError)):
        for module in (theirs, ours):
            with pytest.raises(error):
                module.frPyObjects({"size": size, "counts": [12]}, 3, 4)
