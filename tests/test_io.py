"""Pictures, label maps and COCO's JSON: what is written, and that it comes back."""

import io as streams
import json
import os
import pickle
import struct
import sys
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

import rapidmask
from inputs import refuses
from rapidmask import io


def labels_by_eye():
    return np.array([[0, 1, 1, 0], [2, 0, 1, 0], [2, 2, 0, 3]], np.int32)


# Reading


def test_grey_and_colour(tmp_path):
    rng = np.random.default_rng(0)
    for shape in [(5, 7), (5, 7, 3), (1, 1)]:
        pixels = rng.integers(0, 256, shape, dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "p.png")
        image = io.read_image(tmp_path / "p.png")
        assert image.dtype == np.uint8
        np.testing.assert_array_equal(image, pixels)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits(tmp_path, suffix):
    pixels = np.array([[0, 255, 256], [40000, 65535, 1]], np.uint16)
    Image.fromarray(pixels).save(tmp_path / f"p.{suffix}")
    image = io.read_image(tmp_path / f"p.{suffix}")
    assert image.dtype == np.uint16
    np.testing.assert_array_equal(image, pixels)


def test_sixteen_bits_of_the_other_byte_order(tmp_path):
    pixels = np.array([[1, 256], [770, 65535]], ">u2")
    Image.frombytes("I;16B", (2, 2), pixels.tobytes()).save(tmp_path / "p.tif")
    image = io.read_image(tmp_path / "p.tif")
    assert image.dtype == np.dtype(np.uint16)
    np.testing.assert_array_equal(image, pixels)


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_wide_pixels(tmp_path, dtype):
    pixels = np.array([[-5, 70000]], dtype)
    Image.fromarray(pixels).save(tmp_path / "p.tif")
    image = io.read_image(tmp_path / "p.tif")
    assert image.dtype == dtype
    np.testing.assert_array_equal(image, pixels)


def test_exif_orientation(tmp_path):
    pixels = np.arange(6, dtype=np.uint8).reshape(2, 3)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: to be rotated clockwise
    Image.fromarray(pixels).save(tmp_path / "p.png", exif=exif)
    np.testing.assert_array_equal(io.read_image(tmp_path / "p.png"), np.rot90(pixels, -1))


def test_palettes_are_looked_up(tmp_path):
    picture = Image.fromarray(np.array([[0, 1]], np.uint8))
    colour, grey = picture.convert("P"), picture.convert("P")
    colour.putpalette([10, 20, 30, 40, 50, 60])
    colour.save(tmp_path / "colour.png")
    np.testing.assert_array_equal(io.read_image(tmp_path / "colour.png"), [[[10, 20, 30], [40, 50, 60]]])
    grey.putpalette([7, 7, 7, 200, 200, 200])
    grey.save(tmp_path / "grey.gif")
    np.testing.assert_array_equal(io.read_image(tmp_path / "grey.gif"), [[7, 200]])


def test_transparent_pixels_are_laid_on_white(tmp_path):
    Image.fromarray(np.array([[[10, 20, 30, 255], [10, 20, 30, 0]]], np.uint8)).save(tmp_path / "p.png")
    np.testing.assert_array_equal(io.read_image(tmp_path / "p.png"), [[[10, 20, 30], [255, 255, 255]]])
    Image.fromarray(np.array([[[10, 255], [10, 0]]], np.uint8)).save(tmp_path / "grey.png")
    np.testing.assert_array_equal(io.read_image(tmp_path / "grey.png"), [[10, 255]])


def test_one_bit_and_cmyk(tmp_path):
    Image.fromarray(np.array([[True, False, True]])).save(tmp_path / "p.png")
    np.testing.assert_array_equal(io.read_image(tmp_path / "p.png"), [[255, 0, 255]])
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "p.jpg", quality=100)
    red = io.read_image(tmp_path / "p.jpg")
    assert red.shape == (8, 8, 3)
    assert np.abs(red.astype(int) - [255, 0, 0]).max() <= 3


def test_the_first_frame_of_an_animation(tmp_path):
    frames = [Image.fromarray(np.full((4, 4), value, np.uint8)) for value in (10, 200)]
    frames[0].save(tmp_path / "p.gif", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(io.read_image(tmp_path / "p.gif"), np.full((4, 4), 10))


def test_files_that_are_no_pictures(tmp_path):
    (tmp_path / "text.png").write_text("not a picture")
    (tmp_path / "empty.png").write_bytes(b"")
    for name in ("text.png", "empty.png"):
        with pytest.raises(ValueError, match="picture") as refused:
            io.read_image(tmp_path / name)
        said = f"read_image: {str(tmp_path / name)!r} cannot be read as a picture (no format that Pillow knows)"
        assert str(refused.value) == str(pickle.loads(pickle.dumps(refused.value))) == said
    whole = streams.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)).save(whole, "png")
    (tmp_path / "cut.png").write_bytes(whole.getvalue()[:500])
    with pytest.raises(ValueError, match="cannot be read as a picture"):
        io.read_image(tmp_path / "cut.png")
    with pytest.raises(FileNotFoundError):
        io.read_image(tmp_path / "missing.png")


def test_a_bomb_is_refused(tmp_path):
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 100000, 100000, 8, 0, 0, 0, 0))
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"0")))
    with pytest.raises(ValueError, match="cannot be read as a picture"):
        io.read_image(tmp_path / "bomb.png")


def test_missing_pillow(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.delitem(sys.modules, "PIL.Image")
    for call in (
        lambda: io.read_image(tmp_path / "p.png"),
        lambda: io.write_image("p.png", np.zeros((1, 1), np.uint8)),
    ):
        with pytest.raises(ImportError, match=r'needs Pillow: install rapidmask with its extra "cli"$'):
            call()


def test_to_grey():
    image = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [10, 10, 10]]], np.uint8)
    grey = io.to_grey(image)
    assert grey.dtype == np.uint8
    np.testing.assert_array_equal(grey, [[76, 150, 29, 255, 10]])
    assert io.to_grey(grey) is grey


# Writing


@pytest.mark.parametrize(("largest", "dtype"), [(0, np.uint8), (255, np.uint8), (256, np.uint16), (65535, np.uint16)])
def test_labels_as_png(tmp_path, largest, dtype):
    labels = np.array([[0, largest], [0, min(largest, 1)]], np.int32)
    io.write_labels(tmp_path / "l.png", labels)
    image = io.read_image(tmp_path / "l.png")
    assert image.dtype == dtype
    np.testing.assert_array_equal(image, labels)


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".JPEG", ".bmp", ""])
def test_formats_that_may_change_labels_are_refused(tmp_path, suffix):
    path = tmp_path / f"labels{suffix}"
    for write in (io.write_labels, io.write_panoptic):
        with pytest.raises(ValueError, match=rf"^{write.__name__}: path must end in .png, .tif or .tiff, got "):
            write(path, np.eye(3, dtype=int))
    assert not path.exists()


def test_more_labels_than_a_png_holds(tmp_path):
    labels = np.array([[0, 65536]], np.int32)
    with pytest.raises(ValueError, match="write_labels: labels must be from 0 to 65535 in this format, got 65536"):
        io.write_labels(tmp_path / "l.png", labels)
    assert not list(tmp_path.iterdir())
    io.write_labels(tmp_path / "l.tif", labels)
    np.testing.assert_array_equal(io.read_image(tmp_path / "l.tif"), labels)


@pytest.mark.parametrize(
    ("labels", "error", "text"),
    [
        (np.array([[-1]]), ValueError, "write_labels: labels must be from 0 to 65535 in this format, got -1"),
        (np.zeros(3, int), ValueError, r"write_labels: labels must have shape \(H, W\), got \(3,\)"),
        (np.zeros((2, 2)), TypeError, "write_labels: labels must be integers, got float64"),
    ],
)
def test_labels_that_cannot_be_written(tmp_path, labels, error, text):
    with pytest.raises(error, match=text):
        io.write_labels(tmp_path / "l.png", labels)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        io.write_labels(tmp_path / "none" / "l.png", np.zeros((1, 1), np.int32))
    assert error.value.filename == str(tmp_path / "none" / "l.png")


def test_an_unknown_suffix(tmp_path):
    with pytest.raises(ValueError, match="write_image: path must end in the suffix of a picture format"):
        io.write_image(tmp_path / "p.docx", np.zeros((1, 1), np.uint8))


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "p.json"
    path.write_text("before")

    def fail():
        with io.replacing(path) as file:
            file.write(b"half")
            raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError, match="the disk is full"):
        fail()
    assert path.read_text() == "before"
    with pytest.raises(ValueError, match="JSON"):
        io.write_coco(path, [{"id": float("nan")}], [], [])
    assert [p.name for p in tmp_path.iterdir()] == ["p.json"]
    with io.replacing(path) as file:
        file.write(b"after")
        assert path.read_text() == "before"
    assert path.read_text() == "after"
    assert [p.name for p in tmp_path.iterdir()] == ["p.json"]


@pytest.mark.skipif(os.name != "posix", reason="the permissions of POSIX")
def test_files_have_the_permissions_of_other_new_files(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    io.write_image(tmp_path / "p.png", np.zeros((1, 1), np.uint8))
    assert (tmp_path / "p.png").stat().st_mode == (tmp_path / "plain").stat().st_mode


# COCO


def test_annotations_by_eye():
    annotations = io.coco_annotations(labels_by_eye(), image_id=7, category_id=2, first_id=10)
    assert [a["id"] for a in annotations] == [10, 11, 12]
    assert [a["area"] for a in annotations] == [3, 3, 1]
    assert [a["bbox"] for a in annotations] == [[1, 0, 2, 2], [0, 1, 2, 2], [3, 2, 1, 1]]
    assert {(a["image_id"], a["category_id"], a["iscrowd"]) for a in annotations} == {(7, 2, 0)}
    assert annotations[2]["segmentation"]["size"] == [3, 4]


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0), (1, 1), (1, 9), (9, 1), (12, 65), (33, 20)])
@pytest.mark.parametrize("count", [0, 1, 2, 300])
def test_rle_from_labels_is_the_encoding_of_every_mask(shape, count):
    rng = np.random.default_rng(count)
    labels = rng.integers(-1, count + 1, shape, dtype=np.int32)
    labels[rng.random(shape) < 0.5] = count  # long runs, over the ends of columns
    values, masks = io.rle_from_labels(labels)
    np.testing.assert_array_equal(values, np.unique(labels[labels > 0]))
    dense = labels == values[:, None, None]
    assert masks == rapidmask.rle_encode(dense)
    assert masks == rapidmask.RLEMasks(masks.counts, masks.offsets, masks.size)  # canonical
    np.testing.assert_array_equal(masks.to_dense(), dense)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools with NumPy 2
def test_json_is_read_by_pycocotools(tmp_path, capsys):
    coco = pytest.importorskip("pycocotools.coco")
    labels = labels_by_eye()
    io.write_coco(
        tmp_path / "a.json",
        [{"id": 1, "file_name": "größe.png", "width": 4, "height": 3}],
        io.coco_annotations(labels),
        [{"id": 1, "name": "object"}],
        info={"description": "by hand"},
    )
    content = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert list(content) == ["info", "images", "annotations", "categories"]
    data = coco.COCO(str(tmp_path / "a.json"))
    assert data.imgs[1]["file_name"] == "größe.png"
    for i in data.getAnnIds(imgIds=[1]):
        np.testing.assert_array_equal(data.annToMask(data.anns[i]), labels == i)


# Label maps, panoptic maps and JSON


def test_label_maps_with_a_palette(tmp_path):
    picture = Image.fromarray(np.array([[0, 1, 255]], np.uint8), mode="P")
    picture.putpalette([0, 0, 0, 128, 0, 0] + [9] * 762)
    picture.save(tmp_path / "p.png")
    np.testing.assert_array_equal(io.read_labels(tmp_path / "p.png"), [[0, 1, 255]])


@pytest.mark.parametrize("largest", [3, 300, 70000])
def test_label_maps_come_back(tmp_path, largest):
    labels = np.array([[0, 1], [largest, 2]], np.int32)
    path = tmp_path / ("p.tif" if largest > 65535 else "p.png")
    io.write_labels(path, labels)
    np.testing.assert_array_equal(io.read_labels(path), labels)


def test_label_maps_of_colours_are_refused(tmp_path):
    for mode in ("RGB", "RGBA", "F"):
        Image.new(mode, (2, 2)).save(tmp_path / "p.tif")
        with pytest.raises(ValueError, match=f"a map of labels is grey or has a palette, and this is {mode}"):
            io.read_labels(tmp_path / "p.tif")


def test_panoptic_maps(tmp_path):
    segments = np.array([[0, 1, 255], [256, 65536, 16777215]], np.int64)
    io.write_panoptic(tmp_path / "p.png", segments)
    pixels = np.asarray(Image.open(tmp_path / "p.png"))
    assert pixels[1].tolist() == [[0, 1, 0], [0, 0, 1], [255, 255, 255]]  # red first: as of panopticapi's rgb2id
    found = io.read_panoptic(tmp_path / "p.png")
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, segments)
    for wrong in (segments + 1, segments - 1):
        with pytest.raises(ValueError, match="write_panoptic: segments must be from 0 to 16777215, got "):
            io.write_panoptic(tmp_path / "q.png", wrong)
    with pytest.raises(ValueError, match=r"write_panoptic: segments must be integers \(H, W\), got float64"):
        io.write_panoptic(tmp_path / "q.png", segments * 1.0)
    assert not (tmp_path / "q.png").exists()
    Image.new("L", (2, 2)).save(tmp_path / "p.png")
    with pytest.raises(ValueError, match="a panoptic map has colours, and this is L"):
        io.read_panoptic(tmp_path / "p.png")


def test_json(tmp_path):
    path = tmp_path / "p.json"
    for content in ({"ä": [1, 2.5, None, True]}, {"name": "caf\udce9"}, []):
        io.write_json(path, content)
        assert io.read_json(path) == content
    io.write_json(path, "ä")
    assert path.read_bytes() == '"ä"\n'.encode()
    with pytest.raises(ValueError, match="Out of range float"):
        io.write_json(path, [float("nan")])
    assert path.read_bytes() == '"ä"\n'.encode()
    path.write_text("[1,")
    with pytest.raises(ValueError, match="cannot be read as JSON"):
        io.read_json(path)


# Results of pipelines


def two_masks():
    masks = np.zeros((2, 3, 4), bool)
    masks[0, 1:, 1:3] = masks[1, 0] = True
    return masks


@pytest.mark.parametrize("mask", ["png", "image"])
def test_results_of_pipelines_come_back(mask):
    records = io.pipeline_records(two_masks(), ["cat", "dog"], [0.5, None], mask=mask)
    if mask == "png":
        records = json.loads(json.dumps(records))
    masks, labels, scores = io.masks_from_pipeline(records)
    np.testing.assert_array_equal(masks.to_dense(), two_masks())
    assert (labels, scores) == (["cat", "dog"], [0.5, None])
    assert [list(record) for record in records] == [["score", "label", "mask"]] * 2


@pytest.mark.parametrize("mode", ["1", "L", "I", "F", "P", "RGB", "I;16"])
def test_pictures_of_every_kind_are_masks(mode):
    mask = two_masks()[0]
    if mode == "I;16":
        picture = Image.fromarray(mask.astype(np.uint16) * 65535)
    elif mode == "P":
        picture = Image.fromarray(mask.astype(np.uint8), mode="P")
        picture.putpalette([0, 0, 0, 255, 255, 255])
    else:
        picture = Image.fromarray(mask.astype(np.uint8) * 255).convert(mode)
    found = io.masks_from_pipeline([{"mask": picture}])
    np.testing.assert_array_equal(found[0].to_dense()[0], mask)
    assert found[1:] == (["object"], [None])


def test_base64_of_every_spelling():
    text = io.pipeline_records(two_masks(), "x")[1]["mask"]
    for spelling in (text, text.encode(), "data:image/png;base64," + text, "\n".join([text[:40], text[40:], ""])):
        masks, _, _ = io.masks_from_pipeline([{"label": "x", "score": 1, "mask": spelling}])
        np.testing.assert_array_equal(masks.to_dense()[0], two_masks()[1])


def test_no_results():
    assert io.masks_from_pipeline([])[0].size == (0, 0)
    masks, labels, scores = io.masks_from_pipeline([], size=(3, 4))
    assert (masks.size, len(masks), labels, scores) == ((3, 4), 0, [], [])
    assert io.pipeline_records(np.zeros((0, 3, 4), bool), []) == []


@pytest.mark.parametrize(
    ("results", "error", "text"),
    [
        ({"error": "Model is loading"}, ValueError, "the service answered with an error: Model is loading"),
        ("text", TypeError, "results must be a list, got str"),
        ({}, TypeError, "results must be a list, got dict"),
        ([1], TypeError, r"results\[0\] must be a mapping, got int"),
        ([{"label": "x"}], ValueError, r"results\[0\] must have a mask, got \['label'\]"),
        ([{"mask": 5}], TypeError, "must have a mask that is a picture, an array or text, got int"),
        ([{"mask": "%"}], ValueError, "must have a mask that is a picture in base64, got "),
        ([{"mask": "aGFsbG8="}], ValueError, "must have a mask that is a picture in base64, got no picture"),
        ([{"mask": np.zeros(3)}], TypeError, r"must have a mask of numbers \(H, W\), got float64 of shape \(3,\)"),
        ([{"mask": np.zeros((2, 2)), "score": "sure"}], ValueError, "score that is a finite number, got 'sure'"),
        ([{"mask": np.zeros((2, 2)), "score": float("nan")}], ValueError, "score that is a finite number, got nan"),
        (
            [{"mask": np.zeros((2, 2))}, {"mask": np.zeros((2, 3))}],
            ValueError,
            r"results\[1\] must have a mask of size",
        ),
    ],
)
def test_wrong_results(results, error, text):
    with pytest.raises(error, match=f"^masks_from_pipeline: .*{text}"):
        io.masks_from_pipeline(results)


def test_a_mask_cut_short():
    text = io.pipeline_records(np.random.default_rng(0).random((1, 64, 64)) < 0.5, "x")[0]["mask"]
    with pytest.raises(ValueError, match=r"results\[0\] must have a mask that is a picture in base64"):
        io.masks_from_pipeline([{"mask": text[:200]}])


def test_wrong_records():
    with pytest.raises(ValueError, match="pipeline_records: mask must be png or image, got 'jpeg'"):
        io.pipeline_records(two_masks(), "x", mask="jpeg")
    with pytest.raises(ValueError, match="pipeline_records: scores must be one, or one for each of 2 masks, got 1"):
        io.pipeline_records(two_masks(), "x", [0.5])


# Refusals, and what hostile arguments found


RING = [1, 1, 4, 1, 4, 4]
SHAPE = {"label": "cat", "points": [[0, 0], [3, 0], [3, 3]]}


def labelme(**changes):
    return {"shapes": [SHAPE | changes], "imageHeight": 5, "imageWidth": 5}


REFUSALS = {
    "labels in a list": (
        lambda: io.rle_from_labels([[1, 0]]),
        TypeError,
        "rle_from_labels: labels must be a NumPy array of integers, got [[1, 0]]",
    ),
    "a vector of labels": (
        lambda: io.rle_from_labels(np.zeros(3, int)),
        ValueError,
        "rle_from_labels: labels must have shape (H, W), got (3,)",
    ),
    "masks that are text": (
        lambda: io.coco_annotations("mask"),
        TypeError,
        "coco_annotations: masks must be labels (H, W), masks (N, H, W) of bool or uint8, PackedMasks or RLEMasks, got "
        f"{np.asarray('mask').dtype} of shape ()",
    ),
    "a ragged list of masks": (
        lambda: io.labelme_record([[1], [2, 3]], "cat"),
        TypeError,
        "labelme_record: masks must be labels (H, W), masks (N, H, W) of bool or uint8, PackedMasks or RLEMasks, got "
        "[[1], [2, 3]]",
    ),
    "a fraction as a category": (
        lambda: io.coco_annotations(two_masks(), category_id=1.5),
        TypeError,
        "coco_annotations: category_id must be one, or one for each of 2 masks, got 1.5",
    ),
    "a first id that is text": (
        lambda: io.coco_annotations(two_masks(), first_id="1"),
        TypeError,
        "coco_annotations: first_id must be an integer, got '1'",
    ),
    "labels that are numbers": (
        lambda: io.labelme_record(two_masks(), [1, 2]),
        TypeError,
        "labelme_record: labels must be text, got 1",
    ),
    "scores that are text": (
        lambda: io.pipeline_records(two_masks(), "x", ["a", "b"]),
        TypeError,
        "pipeline_records: scores must be numbers or None, got 'a'",
    ),
    "masks without pixels": (
        lambda: io.pipeline_records(np.zeros((1, 0, 3), bool), "x"),
        ValueError,
        "pipeline_records: masks must have pixels, got masks of size (0, 3)",
    ),
    "a number as annotations": (
        lambda: io.masks_from_coco(3, (5, 5)),
        TypeError,
        "masks_from_coco: annotations must be a sequence of mappings, got 3",
    ),
    "keys of two types": (
        lambda: io.masks_from_coco([{1: 2, "a": 3}], (5, 5)),
        ValueError,
        "masks_from_coco: annotations[0] must have a segmentation, got [1, 'a']",
    ),
    "a polygon that is refused": (
        lambda: io.masks_from_coco(
            [{"segmentation": {"size": [5, 5], "counts": [25]}}, {"segmentation": [RING, [np.nan] * 6]}], (5, 5)
        ),
        ValueError,
        "masks_from_coco: annotations[1]: polygons[0][1] must have coordinates of at most 2^27, got nan",
    ),
    "shapes that are no list": (
        lambda: io.masks_from_labelme({"shapes": None, "imageHeight": 5, "imageWidth": 5}),
        TypeError,
        "masks_from_labelme: the record's shapes must be a list, got None",
    ),
    "a group that is a list": (
        lambda: io.masks_from_labelme(labelme(group_id=[1])),
        ValueError,
        "masks_from_labelme: shapes[0] must have a group_id that is a number, got [1]",
    ),
    "points beyond any float": (
        lambda: io.masks_from_labelme(labelme(points=[[10**400, 1]] * 3)),
        ValueError,
        "masks_from_labelme: shapes[0] must have points [x, y], got list",
    ),
    "a rule that is none": (
        lambda: io.masks_from_labelme(labelme(), rule=3),
        ValueError,
        "masks_from_labelme: rule must be one of coco, opencv, got 3",
    ),
    "a width beyond run lengths": (
        lambda: io.masks_from_labelme(labelme() | {"shapes": []}, rule="opencv", size=(30, 2**31 - 1)),
        ValueError,
        "masks_from_labelme: size must be (H, W) of at most 2^32 - 1 pixels, got (30, 2147483647)",
    ),
    "a score that is a list": (
        lambda: io.masks_from_pipeline([{"mask": np.eye(2), "score": [1]}]),
        ValueError,
        "masks_from_pipeline: results[0] must have a score that is a finite number, got [1]",
    ),
    "a label of thousands of digits": (
        lambda: io.masks_from_pipeline([{"mask": np.eye(2), "label": 10**5000}]),
        ValueError,
        "masks_from_pipeline: results[0] must have a label that can be written, got int",
    ),
    "an error of many lines": (
        lambda: io.masks_from_pipeline({"error": "out\nof order"}),
        ValueError,
        "masks_from_pipeline: the service answered with an error: out of order",
    ),
    "a number as a path": (lambda: io.read_image(0), TypeError, "read_image: path must be a path, got 0"),
    "a path with NUL": (
        lambda: io.read_json("a\0b"),
        ValueError,
        r"read_json: path must be one that files have, got 'a\x00b'",
    ),
    "grey of four colours": (
        lambda: io.to_grey(np.zeros((2, 2, 4), np.uint8)),
        ValueError,
        "to_grey: image must have shape (H, W) or (H, W, 3), got (2, 2, 4)",
    ),
    "a picture in a list": (
        lambda: io.write_image("p.png", [[1]]),
        TypeError,
        "write_image: image must be a NumPy array, got [[1]]",
    ),
    "a picture without pixels": (
        lambda: io.write_labels("p.png", np.zeros((0, 2), int)),
        ValueError,
        "write_labels: a picture must have pixels, got shape (0, 2)",
    ),
    "a format that is only read": (
        lambda: io.write_image("p.psd", np.zeros((2, 2), np.uint8)),
        ValueError,
        "write_image: path must end in the suffix of a picture format, got 'p.psd'",
    ),
    "pixels that a format does not hold": (
        lambda: io.write_image("p.jpg", np.zeros((2, 2, 4), np.uint8)),
        ValueError,
        "write_image: uint8 of shape (2, 2, 4) cannot be written as JPEG (cannot write mode RGBA as JPEG)",
    ),
    "what JSON does not hold": (
        lambda: io.write_json("p.json", {1, 2}),
        TypeError,
        "write_json: this cannot be written as JSON (Object of type set is not JSON serializable)",
    ),
    "images that are numbers": (
        lambda: io.write_coco("p.json", [3], [], []),
        TypeError,
        "write_coco: images[0] must be a mapping, got 3",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_is_one_sentence_of_the_function(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    call, error, text = REFUSALS[name]
    with refuses(error, text):
        call()
    assert not list(tmp_path.iterdir())


def test_a_folder_is_not_replaced(tmp_path):
    for path in (tmp_path, "", "/"):
        with pytest.raises(OSError, match=r"Is a directory: '[^']*'$"):
            io.write_json(path, 1)


def test_json_nested_too_deeply(tmp_path):
    content = []
    for _ in range(50_000):
        content = [content]
    with pytest.raises(ValueError, match=r"^write_json: this cannot be written as JSON \("):
        io.write_json(tmp_path / "p.json", content)


def test_masks_in_torch_s_memory():
    torch = pytest.importorskip("torch")
    for masks in (rapidmask.pack(torch.from_numpy(two_masks())), rapidmask.rle_encode(torch.from_numpy(two_masks()))):
        for form in ("rle", "counts", "polygons"):
            expected = io.coco_annotations(two_masks(), segmentation=form)
            assert io.coco_annotations(masks, segmentation=form) == expected
        assert io.labelme_record(masks, "x") == io.labelme_record(two_masks(), "x")
        assert io.pipeline_records(masks, "x") == io.pipeline_records(two_masks(), "x")


def test_categories_as_an_array():
    annotations = io.coco_annotations(two_masks(), category_id=np.array([3, 4]))
    assert [one["category_id"] for one in annotations] == [3, 4]
    json.dumps(annotations)


def test_a_large_circle_takes_little_memory():
    record = labelme(shape_type="circle", points=[[0, 0], [9e6, 0]])
    masks, _ = io.masks_from_labelme(record)
    assert masks.area().tolist() == [25]


@pytest.mark.parametrize("dtype", [np.int64, np.uint64, np.int32, np.uint8])
def test_grey_of_the_largest_integers(dtype):
    for value in (np.iinfo(dtype).max, np.iinfo(dtype).min):
        image = np.full((1, 2, 3), value, dtype)
        np.testing.assert_array_equal(io.to_grey(image), image[..., 0])


def test_pictures_of_the_other_byte_order(tmp_path):
    pixels = np.array([[1, 70000]], ">i4")
    io.write_image(tmp_path / "p.tif", pixels)
    np.testing.assert_array_equal(io.read_image(tmp_path / "p.tif"), pixels)


def test_reading_in_threads_leaves_the_warnings_of_python_alone(tmp_path):
    path = tmp_path / "a.png"
    io.write_image(path, np.zeros((40, 40), np.uint8))
    before = list(warnings.filters)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(io.read_image, [path] * 400))
    finally:
        sys.setswitchinterval(interval)
    assert warnings.filters == before
