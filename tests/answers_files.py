"""What calls of `rapidmask.io` and of `rapidmask.compat.pycocotools` must give, as `answers` has it of others."""

import base64
import io as streams
import json
import os

import numpy as np
from PIL import Image

import rapidmask
from answers import equal, host, pixels
from reference import components, overlap, polygon, rle
from strategies_files import WRITTEN


def described(given):
    """The masks (N, H, W) of masks in any form, or of a map of labels."""
    if isinstance(given, (rapidmask.PackedMasks, rapidmask.RLEMasks)):
        return pixels(given)
    array = host(given)
    if array.ndim == 2 and array.dtype.kind in "iu":
        values = sorted({value for value in array.ravel().tolist() if value > 0})
        return np.array([array == value for value in values], bool).reshape(len(values), *array.shape)
    return array[None] != 0 if array.ndim == 2 else array != 0


def solid(mask):
    """The mask without holes."""
    return components.fill_holes(mask, 8)


def drawn(rings, size):
    return polygon.coco([host(ring) for ring in rings], size)


def annotations(result, masks, segmentation="rle", image_id=1, category_id=1, first_id=1):
    given = described(masks)
    assert [one["id"] for one in result] == list(range(first_id, first_id + len(given)))
    assert [one["area"] for one in result] == given.sum((1, 2)).tolist()
    corners = rle.boxes(given)
    corners[:, 2:] -= corners[:, :2]
    equal(np.reshape([one["bbox"] for one in result], (-1, 4)), corners)
    for one, mask in zip(result, given, strict=True):
        found = one["segmentation"]
        if segmentation == "polygons":
            equal(drawn(found, mask.shape), solid(mask))
        else:
            assert found["size"] == list(mask.shape)
            counts = (
                found["counts"] if segmentation == "counts" else rapidmask.rle_from_string(found["counts"]).tolist()
            )
            assert counts == rle.counts(mask)


def masks_of_coco(result, annotations, size):
    for found, one in zip(pixels(result), annotations, strict=True):
        segmentation = one["segmentation"]
        if isinstance(segmentation, dict):
            counts = segmentation["counts"]
            counts = rapidmask.rle_from_string(counts) if isinstance(counts, (str, bytes)) else counts
            equal(found, rle.mask(counts, tuple(size)))
        else:
            equal(found, drawn(segmentation, tuple(size)))


def labelme(result, masks, labels, image_path=""):
    given = described(masks)
    assert (result["imageHeight"], result["imageWidth"], result["imagePath"]) == (*given.shape[1:], image_path)
    shapes = iter(result["shapes"])
    for i, mask in enumerate(given):
        found = np.zeros(mask.shape, bool)
        while not (found == solid(mask)).all():
            shape = next(shapes)
            assert shape["label"] == (labels if isinstance(labels, str) else labels[i])
            found |= drawn([shape["points"]], mask.shape)
    assert not list(shapes)


def masks_of_labelme(result, record, size=None, rule="coco"):
    masks, labels = result
    size = (record["imageHeight"], record["imageWidth"]) if size is None else tuple(size)
    draw = {"coco": polygon.coco, "opencv": polygon.opencv}[rule]
    groups = {}
    for i, shape in enumerate(record.get("shapes", ())):
        kind = shape.get("shape_type") or "polygon"
        if kind not in ("polygon", "rectangle", "circle"):
            continue
        points = np.asarray(shape["points"], float)
        group = shape.get("group_id")
        _, rings = groups.setdefault(i if group is None else (shape["label"], group), (str(shape["label"]), []))
        if kind == "circle":
            rings.append(None)
        elif len(points) == 2:
            (x0, y0), (x1, y1) = points.tolist()
            rings.append(np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]))
        else:
            rings.append(points)
    assert labels == [label for label, _ in groups.values()]
    for found, (_, rings) in zip(pixels(masks), groups.values(), strict=True):
        if not any(ring is None for ring in rings):  # circles are in test_io.py
            equal(found, np.any([draw([ring], size) for ring in rings], axis=0))


def picture(mask):
    """The pixels of a mask of a pipeline."""
    if isinstance(mask, (str, bytes)):
        text = mask if isinstance(mask, str) else mask.decode()
        mask = Image.open(streams.BytesIO(base64.b64decode(text.rpartition(",")[2])))
    if isinstance(mask, Image.Image):
        return np.asarray(mask.convert("L") if mask.mode not in ("1", "L", "I", "F", "I;16") else mask) != 0
    return host(mask) != 0


def masks_of_pipeline(result, results, size=None):
    masks, labels, scores = result
    for found, one in zip(pixels(masks), results, strict=True):
        equal(found, picture(one["mask"]))
    assert labels == ["object" if one.get("label") is None else str(one["label"]) for one in results]
    assert scores == [None if one.get("score") is None else float(one["score"]) for one in results]
    assert len(results) or tuple(masks.size) == tuple(size or (0, 0))


def records(result, masks, labels, scores=None, mask="png"):
    for i, (one, expected) in enumerate(zip(result, described(masks), strict=True)):
        found = one["mask"] if mask == "image" else Image.open(streams.BytesIO(base64.b64decode(one["mask"])))
        equal(np.asarray(found), expected * np.uint8(255))
        assert one["label"] == (labels if isinstance(labels, str) else labels[i])


def from_labels(result, labels):
    values, masks = result
    assert values.tolist() == sorted({value for value in host(labels).ravel().tolist() if value > 0})
    equal(pixels(masks), described(host(labels).astype(np.int64) if host(labels).dtype == bool else labels))


def read(result, path):
    """What a file holds that was written as it should be."""
    expected = WRITTEN.get(path, WRITTEN.get(type(next(iter(WRITTEN)))(path)) if isinstance(path, str) else None)
    if isinstance(expected, np.ndarray):
        equal(result, expected)
    elif expected is not None:
        assert result == expected


def grey(result, image):
    assert (result.shape, result.dtype) == (image.shape[:2], image.dtype)
    expected = image if image.ndim == 2 else image.astype(float) @ [0.299, 0.587, 0.114]
    limits = {"rtol": 1e-6, "atol": 1} if image.ndim == 3 else {}
    if image.dtype.kind in "iuf" and image.dtype.itemsize > 1:
        np.testing.assert_allclose(result.astype(float), expected, **limits)


def image_written(result, path, image, fast=False):
    """Formats without loss hold what was written."""
    assert result is None
    if (
        os.fsdecode(path).lower().endswith((".png", ".tif", ".bmp"))
        and image.dtype in ("u1", "u2", "i4")
        and image.shape[2:] in ((), (3,))
    ):
        equal(np.asarray(Image.open(path)), image)


def labels_written(result, path, labels):
    assert result is None
    equal(np.asarray(Image.open(path)), labels)


def panoptic_written(result, path, segments):
    assert result is None
    rgb = np.asarray(Image.open(path)).astype(np.int64)
    equal(rgb[..., 0] + 256 * rgb[..., 1] + 65536 * rgb[..., 2], segments)


def json_written(result, path, content):
    with open(path, "rb") as file:
        assert json.loads(file.read()) == json.loads(json.dumps(content))


def coco_written(result, path, images, annotations, categories, info=None):
    content = {"images": list(images), "annotations": list(annotations), "categories": list(categories)}
    json_written(result, path, {"info": dict(info or {}), **content})


# pycocotools


def listed(rles):
    return rles if isinstance(rles, list) else [rles]


def one_by_one(rles):
    """The masks of run lengths, which may be of different sizes."""
    return [rle.mask(rapidmask.rle_from_string(one["counts"]), tuple(map(int, one["size"]))) for one in listed(rles)]


def coco_encoded(result, bimask):
    if bimask.ndim in (2, 3):
        given = bimask[:, :, None] if bimask.ndim == 2 else bimask
        expected = [rle.counts(given[:, :, i]) or [0] for i in range(given.shape[2])]
        assert [rapidmask.rle_from_string(one["counts"]).tolist() for one in listed(result)] == expected
        assert [one["size"] for one in listed(result)] == [list(given.shape[:2])] * len(expected)


def coco_decoded(result, rles):
    if len({tuple(one["size"]) for one in listed(rles)}) == 1:
        masks = one_by_one(rles)
        equal(result != 0, np.stack(masks, axis=-1) if isinstance(rles, list) else masks[0])


def coco_area(result, rles):
    equal(np.ravel(result), [mask.sum() for mask in one_by_one(rles)])


def coco_boxes(result, rles):
    for found, mask in zip(np.reshape(result, (-1, 4)), one_by_one(rles), strict=True):
        ((x0, y0, x1, y1),) = rle.boxes(mask[None])
        equal(found, [x0, y0, x1 - x0, y1 - y0])


def coco_merged(result, rles, intersect=0):
    if len({tuple(one["size"]) for one in rles}) == 1:
        masks = one_by_one(list(rles))
        equal(one_by_one(result)[0], np.all(masks, axis=0) if intersect else np.any(masks, axis=0))


def coco_iou(result, detections, truths, crowds):
    if len(detections) and len(truths) and all(type(one) is dict for one in (*detections, *truths)):
        a, b = one_by_one(detections), one_by_one(truths)
        if len({mask.shape for mask in a + b}) == 1:
            equal(result, overlap.matrix(np.array(a), np.array(b), "iou", [bool(int(flag)) for flag in crowds]))


def coco_objects(result, given, h, w):
    if isinstance(given, list) and all(isinstance(one, list) and len(one) % 2 == 0 for one in given):
        for found, ring in zip(one_by_one(result), given, strict=True):
            if len(ring) >= 6 and found.size:
                equal(found, drawn([np.asarray(ring, float)], (int(h), int(w))))


ANSWERS = {
    "io.coco_annotations": annotations,
    "io.labelme_record": labelme,
    "io.masks_from_coco": masks_of_coco,
    "io.masks_from_labelme": masks_of_labelme,
    "io.masks_from_pipeline": masks_of_pipeline,
    "io.pipeline_records": records,
    "io.rle_from_labels": from_labels,
    "io.to_grey": grey,
    "io.write_coco": coco_written,
    "io.write_image": image_written,
    "io.write_json": json_written,
    "io.write_labels": labels_written,
    "io.write_panoptic": panoptic_written,
    **{f"io.read_{name}": read for name in ("image", "json", "labels", "panoptic")},
    "compat.pycocotools.area": coco_area,
    "compat.pycocotools.decode": coco_decoded,
    "compat.pycocotools.encode": coco_encoded,
    "compat.pycocotools.frPyObjects": coco_objects,
    "compat.pycocotools.iou": coco_iou,
    "compat.pycocotools.merge": coco_merged,
    "compat.pycocotools.toBbox": coco_boxes,
}
