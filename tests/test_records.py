"""Annotation records of COCO and LabelMe: what is read, what is written, and that it comes back."""

import json

import numpy as np
import pytest

import rapidmask
from inputs import hostile_masks, refuses
from rapidmask import _records, io

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools, NumPy 2

SQUARE = [1, 1, 4, 1, 4, 4, 1, 4]
SIZE = (6, 7)
HOSTILE = hostile_masks()


def through_json(record):
    """The record as another program would read it."""
    return json.loads(json.dumps(record, allow_nan=False))


def shape(points, kind="polygon", label="cat", group=None):
    return {"label": label, "points": points, "shape_type": kind, "group_id": group, "flags": {}}


def record(*shapes):
    return {"version": "5.0.1", "flags": {}, "shapes": list(shapes), "imageHeight": SIZE[0], "imageWidth": SIZE[1]}


def filled(masks):
    """The masks without holes, as polygons can have them."""
    return rapidmask.fill_holes(masks) if masks.size else masks


# Outlines


def test_areas_of_polygons_are_those_of_what_is_written(rng):
    """Whose outlines fill holes."""
    masks = rng.random((6, 20, 30)) < 0.6
    masks[0] = False
    masks[1] = False
    masks[1, 2:12, 3:20] = True
    masks[1, 4:8, 5:15] = False
    annotations = io.coco_annotations(masks, segmentation="polygons")
    read = io.masks_from_coco(annotations, (20, 30))
    assert [annotation["area"] for annotation in annotations] == read.area().tolist()
    assert annotations[1]["area"] == 170
    assert [annotation["bbox"][2:] for annotation in annotations[:2]] == [[0, 0], [17, 10]]


def test_outlines_by_eye():
    mask = np.array([[1, 1, 0], [1, 0, 0], [0, 1, 1]], bool)
    (outline,) = _records.outlines(mask)
    assert outline.tolist() == [
        [0, 0], [0, 2], [1, 2], [1, 3], [3, 3], [3, 2], [1, 2], [1, 1], [2, 1], [2, 0],
    ]  # fmt: skip
    assert _records.outlines(np.zeros((3, 3), bool)) == []


# COCO


def test_annotations_of_masks_by_eye():
    masks = np.zeros((2, 4, 5), bool)
    masks[0, 1:3, 1:4] = True
    masks[1, 0, 0] = masks[1, 3, 4] = True
    annotations = io.coco_annotations(masks, segmentation="polygons", image_id=7, category_id=[3, 5], first_id=10)
    assert annotations[0] == {
        "id": 10, "image_id": 7, "category_id": 3, "segmentation": [[1, 1, 1, 3, 4, 3, 4, 1]], "area": 6,
        "bbox": [1, 1, 3, 2], "iscrowd": 0,
    }  # fmt: skip
    assert annotations[1]["segmentation"] == [[4, 3, 4, 4, 5, 4, 5, 3], [0, 0, 0, 1, 1, 1, 1, 0]]
    assert annotations[1]["category_id"] == 5
    counts = io.coco_annotations(masks, segmentation="counts")[0]["segmentation"]
    assert counts == {"size": [4, 5], "counts": [5, 2, 2, 2, 2, 2, 5]}


def test_reading_by_eye():
    segmentations = [
        [SQUARE],
        {"size": list(SIZE), "counts": [0, 2, 40]},
        [SQUARE, [0, 0, 2, 0, 2, 2, 0, 2]],
        {"size": list(SIZE), "counts": rapidmask.rle_to_string([40, 2]).decode()},
        [],
        {"size": list(SIZE), "counts": rapidmask.rle_to_string([42])},
    ]
    masks = io.masks_from_coco([{"segmentation": s, "iscrowd": 0} for s in segmentations], SIZE)
    assert isinstance(masks, rapidmask.RLEMasks)
    assert masks.size == SIZE
    assert masks.area().tolist() == [9, 2, 12, 2, 0, 0]
    assert masks == rapidmask.rle_encode(masks.to_dense())  # canonical
    assert len(io.masks_from_coco([], SIZE)) == 0


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("segmentation", ["rle", "counts", "polygons"])
def test_coco_comes_back(name, segmentation):
    masks = np.asarray(HOSTILE[name])
    expected = filled(masks) if segmentation == "polygons" else masks
    for form in (masks, masks.astype(np.uint8) * 3, rapidmask.pack(masks), rapidmask.rle_encode(masks)):
        annotations = through_json(io.coco_annotations(form, segmentation=segmentation))
        assert io.masks_from_coco(annotations, masks.shape[1:]) == rapidmask.rle_encode(expected)


def test_masks_that_pycocotools_reads(tmp_path, capsys, rng):
    coco = pytest.importorskip("pycocotools.coco")
    masks = filled(rng.random((9, 20, 33)) < np.linspace(0.1, 0.9, 9)[:, None, None])
    annotations = [
        annotation
        for i, form in enumerate(("rle", "counts", "polygons"))
        for annotation in io.coco_annotations(masks, segmentation=form, first_id=1 + 9 * i)
    ]
    io.write_coco(tmp_path / "a.json", [{"id": 1, "height": 20, "width": 33}], annotations, [{"id": 1, "name": "x"}])
    data = coco.COCO(str(tmp_path / "a.json"))
    theirs = np.array([data.annToMask(data.anns[i]) for i in range(1, 28)])
    np.testing.assert_array_equal(theirs, np.concatenate([masks, masks, masks]))
    read = json.loads((tmp_path / "a.json").read_text())["annotations"]
    np.testing.assert_array_equal(io.masks_from_coco(read, (20, 33)).to_dense(), theirs)


def test_labels_and_masks_are_told_apart():
    labels = np.array([[0, 2], [2, 5]], np.uint8)
    assert [a["area"] for a in io.coco_annotations(labels)] == [2, 1]
    assert [a["area"] for a in io.coco_annotations(labels > 0)] == [3]
    assert [a["area"] for a in io.coco_annotations(labels[None])] == [3]


@pytest.mark.parametrize(
    ("annotations", "error", "text"),
    [
        ([5], TypeError, "masks_from_coco: annotations[0] must be a mapping, got int"),
        ([{"id": 1}], ValueError, "masks_from_coco: annotations[0] must have a segmentation, got ['id']"),
        ([{"segmentation": "abc"}], TypeError, "masks_from_coco: the segmentation of annotations[0] must be a list of "
         "polygons or a mapping, got str"),
        ([{"segmentation": {"size": [2, 2], "counts": [4]}}], ValueError, "masks_from_coco: annotations[0]: all masks "
         "must have one size, got [(2, 2), (6, 7)]"),
        ([{"segmentation": [[1, 2, 3]]}], ValueError, "masks_from_coco: annotations[0]: polygons[0][0] must have an x "
         "and a y for every vertex, got 3 numbers"),
    ],
)  # fmt: skip
def test_annotations_that_are_refused(annotations, error, text):
    with refuses(error, text):
        io.masks_from_coco(annotations, SIZE)


def test_writing_that_is_refused():
    masks = np.zeros((2, 3, 3), bool)
    with refuses(ValueError, "coco_annotations: segmentation must be one of rle, counts, polygons, got 'png'"):
        io.coco_annotations(masks, segmentation="png")
    with refuses(ValueError, "coco_annotations: category_id must be one, or one for each of 2 masks, got 3"):
        io.coco_annotations(masks, category_id=[1, 2, 3])
    with refuses(ValueError, "labelme_record: labels must be one, or one for each of 2 masks, got 1"):
        io.labelme_record(masks, ["cat"])
    for function, arguments in ((io.coco_annotations, ()), (io.labelme_record, ("cat",))):
        with refuses(
            TypeError,
            f"{function.__name__}: masks must be labels (H, W), masks (N, H, W) of bool or uint8, PackedMasks or "
            "RLEMasks, got float64 of shape (2, 2)",
        ):
            function(np.zeros((2, 2)), *arguments)


# LabelMe


def test_shapes_by_eye():
    masks, labels = io.masks_from_labelme(
        record(
            shape([[1, 1], [4, 1], [4, 4], [1, 4]]),
            shape([[5, 3], [1, 1]], "rectangle", "dog"),
            shape([[1, 1], [5, 1], [5, 3], [1, 3]], "rectangle"),
            shape([[3, 3], [3, 6]], "circle", "ball"),
            shape([[0, 0], [3, 3]], "line"),
            shape([[2, 2]], "point"),
            shape([[0, 0], [3, 3], [5, 0]], "linestrip"),
            {"label": 7, "points": [[0, 0], [7, 0], [7, 6]]},  # of early versions: no type, and names of numbers
        )
    )
    assert labels == ["cat", "dog", "cat", "ball", "7"]
    assert masks.area().tolist()[:3] == [9, 8, 8]
    y, x = np.indices(SIZE) + 0.5
    inside = (x - 3) ** 2 + (y - 3) ** 2
    ball = masks[3].to_dense()[0]
    assert ball[inside < 8].all()
    assert not ball[inside > 10].any()


def test_groups_are_one_mask():
    left, right = [[0, 0], [2, 0], [2, 2], [0, 2]], [[1, 1], [5, 1], [5, 2], [1, 2]]
    shapes = [shape(left, group=1), shape(left, label="dog", group=1), shape(right, group=1), shape(right)]
    for rule, areas in (("coco", [4 + 3, 4, 4]), ("opencv", [9 + 10 - 4, 9, 10])):
        masks, labels = io.masks_from_labelme(record(*shapes), rule=rule)
        assert labels == ["cat", "dog", "cat"]
        assert masks.area().tolist() == areas
    assert io.masks_from_labelme(record(), rule="opencv")[0].size == SIZE


@pytest.mark.parametrize("name", HOSTILE)
def test_labelme_comes_back(name):
    masks = np.asarray(HOSTILE[name])
    written = through_json(io.labelme_record(masks, [f"n{i}" for i in range(len(masks))], image_path="a.png"))
    assert (written["imagePath"], written["imageData"]) == ("a.png", None)
    read, labels = io.masks_from_labelme(written)
    expected = filled(masks)
    kept = [i for i, mask in enumerate(expected) if mask.any()]
    assert labels == [f"n{i}" for i in kept]
    assert read == rapidmask.rle_encode(expected[kept])


def test_pieces_share_a_group():
    masks = np.array([[[1, 0, 1]], [[1, 1, 0]]], bool)
    shapes = io.labelme_record(masks, "cat")["shapes"]
    assert [s["group_id"] for s in shapes] == [1, 1, None]


@pytest.mark.parametrize(
    ("drawn", "error", "text"),
    [
        (5, TypeError, "must be a mapping, got int"),
        ({"points": []}, ValueError, "must have a label and points, got ['points']"),
        (shape([[1, 1]], "mask"), ValueError, "must be of one of polygon, rectangle, circle, line, linestrip, point, "
         "points, got 'mask'"),
        (shape([[1, 1, 1]]), ValueError, "must have points [x, y], got [[1, 1, 1]]"),
        (shape("abc"), ValueError, "must have points [x, y], got 'abc'"),
    ],
)  # fmt: skip
def test_shapes_that_are_refused(drawn, error, text):
    with refuses(error, f"masks_from_labelme: shapes[0] {text}"):
        io.masks_from_labelme(record(drawn))


def test_numbers_of_points_that_are_refused():
    for kind, points, least in (
        ("polygon", [[1, 1], [2, 2]], "at least 3"),
        ("rectangle", [[1, 1]], "2 or 4"),
        ("circle", [[1, 1], [2, 2], [3, 3]], "2"),
    ):
        text = f"masks_from_labelme: shapes[0], a {kind}, must have {least} points, got {len(points)}"
        with refuses(ValueError, text):
            io.masks_from_labelme(record(shape(points, kind)))
    with pytest.raises(ValueError, match=r"shapes\[0\], a circle, must have a radius of less than 10000000 pixels"):
        io.masks_from_labelme(record(shape([[0, 0], [0, float("inf")]], "circle")))


def test_the_size_of_a_record():
    drawn = {"shapes": [shape([[1, 1], [4, 1], [4, 4]])]}
    with refuses(
        ValueError, "masks_from_labelme: size must be given where the record has no imageHeight and imageWidth"
    ):
        io.masks_from_labelme(drawn)
    assert io.masks_from_labelme(drawn, size=SIZE)[0].size == SIZE
    with refuses(TypeError, "masks_from_labelme: record must be a mapping, got list"):
        io.masks_from_labelme([])
