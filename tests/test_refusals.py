"""Refusals that hostile arguments found to be missing, unreadable or NumPy's own: one case for each symptom."""

import numpy as np
import pytest

import rapidmask
from inputs import refuses

MASKS = np.stack([np.eye(6, dtype=bool), np.ones((6, 6), bool)])
PACKED = rapidmask.pack(MASKS)
ARRAY = np.zeros((3, 4))
MANY = np.arange(100)
LOGITS = np.ones((1, 4, 4), np.float32)
BOX = np.array([[0, 0, 4, 4]], np.float32)

CASES = {
    "an array is not printed whole": (
        lambda: rapidmask.square(MANY.reshape(10, 10)),
        TypeError,
        "square: n must be an integer, got ndarray of shape (10, 10)",
    ),
    "a long text is not printed": (
        lambda: rapidmask.label(MASKS, connectivity="8" * 200),
        ValueError,
        "label: connectivity must be 4 or 8 (images), 6, 18 or 26 (volumes), got str",
    ),
    "an array as connectivity": (
        lambda: rapidmask.label(MASKS, connectivity=np.array([4, 8])),
        ValueError,
        "label: connectivity must be 4 or 8 (images), 6, 18 or 26 (volumes), got array([4, 8])",
    ),
    "an array as a name": (
        lambda: rapidmask.threshold(LOGITS, op=np.array([">", ">"])),
        ValueError,
        "threshold: op must be '>' or '>=', got array(['>', '>'], dtype='<U1')",
    ),
    "an array as a flag": (
        lambda: rapidmask.distance_transform(MASKS, squared=np.array([True, False])),
        TypeError,
        "distance_transform: squared must be True or False, got array([ True, False])",
    ),
    "a number as a metric": (
        lambda: rapidmask.mask_iou(MASKS, metric=3),
        ValueError,
        "mask_iou: metric must be a name, got 3",
    ),
    "a border that is no text": (
        lambda: rapidmask.dilate(PACKED, rapidmask.square(3), border=None),
        ValueError,
        "dilate: border must be a name, got None",
    ),
    "a level that is no text": (lambda: rapidmask.set_isa(3), ValueError, "set_isa: name must be a name, got 3"),
    "complex scores": (
        lambda: rapidmask.mask_nms(MASKS, np.array([1j, 2]), 0.5),
        TypeError,
        "mask_nms: scores must hold numbers, got array([0.+1.j, 2.+0.j])",
    ),
    "texts as scores": (
        lambda: rapidmask.mask_nms(MASKS, ["0.5", "0.7"], 0.5),
        TypeError,
        "mask_nms: scores must hold numbers, got ['0.5', '0.7']",
    ),
    "a complex number": (
        lambda: rapidmask.stability_score(LOGITS, offset=np.complex64(1)),
        TypeError,
        "stability_score: offset must be a number, got " + repr(np.complex64(1)),
    ),
    "a number as labels": (
        lambda: rapidmask.instance_merge(MASKS, [1, 2], 3),
        ValueError,
        "instance_merge: labels must have one value for each of 2 masks, got shape ()",
    ),
    "a view of memory as a threshold": (
        lambda: rapidmask.threshold(LOGITS, memoryview(b"ab")),
        TypeError,
        "threshold: value must be a number or an array, got memoryview",
    ),
    "an array as padding": (
        lambda: rapidmask.paste_masks(LOGITS, BOX, (5, 5), padding=np.array([1, 2])),
        TypeError,
        "paste_masks: padding must be an integer, got array([1, 2])",
    ),
    "sizes beyond 64 bits": (
        lambda: rapidmask.polygons_to_masks([], (2**64, 3)),
        ValueError,
        "polygons_to_masks: size must be two integers (H, W), got (18446744073709551616, 3)",
    ),
    "classes beyond 64 bits": (
        lambda: rapidmask.panoptic_merge(LOGITS, [1.0], [1], fuse=2**63),
        ValueError,
        "panoptic_merge: fuse must be of 64 bits, got 9223372036854775808",
    ),
    "a number as run lengths": (
        lambda: rapidmask.rle_decode(3),
        TypeError,
        "rle_decode: rles must be a sequence of dictionaries, got 3",
    ),
    "a number as categories": (
        lambda: rapidmask.PanopticQuality(3),
        TypeError,
        "PanopticQuality: categories must be integers or a mapping, got 3",
    ),
    "fractions as categories": (
        lambda: rapidmask.PanopticQuality([1.5]),
        TypeError,
        "PanopticQuality: categories must be an integer, got 1.5",
    ),
    "a list of numbers as segments": (
        lambda: rapidmask.panoptic_quality(MANY, [3], MANY, {}),
        TypeError,
        "panoptic_quality: prediction_segments must be a mapping or a list of mappings, got one of 3",
    ),
    "a library that is no text": (
        lambda: rapidmask.patch([1]),
        ValueError,
        "patch: libraries must be of detectron2, pycocotools, sam2, scipy, segment_anything, supervision, torchvision, "
        "transformers, ultralytics, got [1]",
    ),
    "the first argument of hysteresis": (
        lambda: rapidmask.hysteresis_threshold(3, 0, 1),
        TypeError,
        "hysteresis_threshold: x must be an array of NumPy, torch, CuPy or another library with DLPack, got int",
    ),
    "a ragged footprint": (
        lambda: rapidmask.dilate(MASKS, [[1], [1, 2]]),
        TypeError,
        "dilate: footprint must be an array, got [[1], [1, 2]]",
    ),
    "classes below 64 bits": (
        lambda: rapidmask.threshold_multiotsu(LOGITS, classes=-(2**70)),
        ValueError,
        "threshold_multiotsu: classes must be at least 2, got -1",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_refusal_is_one_sentence_of_the_function(name):
    call, error, text = CASES[name]
    with refuses(error, text):
        call()


def test_objects_whose_repr_raises_are_named_by_their_type():
    class Unprintable:
        def __repr__(self):
            raise RuntimeError

    with refuses(TypeError, "square: n must be an integer, got Unprintable"):
        rapidmask.square(Unprintable())
    with refuses(TypeError, "mask_nms: iou_threshold must be a number, got int"):
        rapidmask.mask_nms(MASKS, [1, 2], 10**5000)


def test_tensors_without_memory_of_their_own():
    torch = pytest.importorskip("torch")
    with refuses(TypeError, "pack: masks must be an array with memory of its own, got Tensor without"):
        rapidmask.pack(torch.from_numpy(MASKS[0]).to_sparse())
    with pytest.raises(TypeError, match=r"^pack: masks must "):
        rapidmask.pack(torch.from_numpy(MASKS[0]).to("meta"))


def test_class_maps_of_torch_s_unsigned_types():
    torch = pytest.importorskip("torch")
    for dtype in (torch.uint8, torch.uint16, torch.uint32, torch.uint64):
        semantic = torch.full((6, 6), 4, dtype=dtype)
        segments = rapidmask.instance_merge(MASKS[:1], [1.0], [3], semantic=semantic, min_stuff_area=1)[1]
        assert [segment["label_id"] for segment in segments] == [3, 4]
