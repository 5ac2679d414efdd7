"""Results of a size that the caller gives, for which no device is waited for: run lengths and what is kept of masks."""

import copy
import pickle

import numpy as np
import pytest

import rapidmask
from device_library import emulated_device
from inputs import spiral

MASKS = np.random.default_rng(3).random((5, 21, 70)) < 0.5
RUNS = rapidmask.rle_encode(MASKS)
NEEDED = len(RUNS.counts)
SCORES = np.array([0.3, 0.9, 0.9, 0.1, 0.5])
BOXES = np.zeros((5, 6, 9), bool)
for box, (left, right) in zip(BOXES, [(0, 4), (0, 5), (5, 9), (3, 7), (0, 9)], strict=True):
    box[:, left:right] = True


@pytest.fixture(scope="module")
def device():
    with emulated_device() as emulated:
        yield emulated


# --- Run lengths ---


def test_worked_example_of_a_capacity(device):
    masks = device.put(np.array([[[0, 1], [1, 1]], [[0, 0], [0, 0]]], bool))
    runs = rapidmask.rle_encode(masks, capacity=5)
    assert runs.offsets.get().tolist() == [0, 2, 3]
    assert runs.counts.get().tolist() == [1, 3, 4, 0, 0]  # two spare
    assert runs.to_coco("list") == [{"size": [2, 2], "counts": [1, 3]}, {"size": [2, 2], "counts": [4]}]


@pytest.mark.parametrize("spare", [0, 1, 1000])
@pytest.mark.parametrize("masks", [MASKS, rapidmask.pack(MASKS), spiral(33)[None], np.zeros((0, 3, 4), bool)])
def test_encoding_within_a_capacity_gives_the_same_masks(masks, spare, device, backend):
    expected = rapidmask.rle_encode(masks)
    capacity = len(expected.counts) + spare
    assert rapidmask.rle_encode(masks, capacity=capacity) == expected
    runs = rapidmask.rle_encode(device.put(masks), capacity=capacity)
    assert runs.counts.shape == (capacity,)
    assert not runs.overflowed
    assert runs.cpu() == expected
    assert runs.to_coco() == expected.to_coco()
    np.testing.assert_array_equal(runs.to_dense().get(), expected.to_dense())
    np.testing.assert_array_equal(runs.area().get(), expected.area())
    np.testing.assert_array_equal(runs.boxes().get(), expected.boxes())
    assert runs == device.put(expected)
    assert runs[1:].cpu() == expected[1:]
    assert pickle.loads(pickle.dumps(runs)) == expected
    assert copy.deepcopy(runs).cpu() == copy.copy(runs).cpu() == expected


@pytest.mark.parametrize("capacity", [0, 1, NEEDED - 1])
def test_what_exceeds_a_capacity_is_told_and_not_cut_off_silently(capacity, device):
    text = f"capacity must be at least the {NEEDED} runs of the masks, got {capacity}"
    with pytest.raises(ValueError, match=text):
        rapidmask.rle_encode(MASKS, capacity=capacity)
    runs = rapidmask.rle_encode(device.put(MASKS), capacity=capacity)
    assert bool(runs.overflowed)
    assert runs.offsets.get().tolist() == RUNS.offsets.tolist()
    assert runs.counts.get().tolist() == RUNS.counts[:capacity].tolist()
    runs.to_dense(), runs.area(), runs.boxes()  # of cut masks, and without reading past the counts
    for bring in (runs.cpu, runs.to_coco, lambda: runs[0], lambda: runs == runs, lambda: pickle.dumps(runs)):
        with pytest.raises(ValueError, match=text):
            bring()


@pytest.mark.parametrize("capacity", [-1, 2**41])
def test_a_capacity_out_of_range_is_refused(capacity):
    with pytest.raises(ValueError, match="rle_encode: capacity must be from 0 to 2\\^40 - 1, got"):
        rapidmask.rle_encode(MASKS, capacity=capacity)


def test_a_capacity_is_an_integer_and_for_runs():
    with pytest.raises(TypeError, match="rle_encode: capacity must be an integer"):
        rapidmask.rle_encode(MASKS, capacity=2.5)
    with pytest.raises(ValueError, match="threshold: capacity must be None unless output is 'rle'"):
        rapidmask.threshold(np.zeros((2, 2)), capacity=5)
    with pytest.raises(ValueError, match="upsample_masks: capacity must be None unless output is 'rle'"):
        rapidmask.upsample_masks(np.zeros((2, 2), np.float32), (4, 4), capacity=5)


LOGITS = np.random.default_rng(4).normal(size=(3, 9, 12)).astype(np.float32)
CORNERS = np.tile(np.array([2, 1, 40, 18], np.float32), (3, 1))
DECODED = {
    "threshold": lambda put, **given: rapidmask.threshold(put(LOGITS), **given),
    "upsample_masks": lambda put, **given: rapidmask.upsample_masks(put(LOGITS), (20, 50), **given),
    "decode_prototypes": lambda put, **given: rapidmask.decode_prototypes(
        put(LOGITS), put(np.eye(3, dtype=np.float32)), put(CORNERS), (20, 50), **given
    ),
    "paste_masks": lambda put, **given: rapidmask.paste_masks(put(LOGITS), put(CORNERS), (20, 50), **given),
}


@pytest.mark.parametrize("name", DECODED)
def test_what_decodes_encodes_within_a_capacity(name, device, backend):
    call = DECODED[name]
    expected = call(lambda array: array, output="rle")
    needed = len(expected.counts)
    assert call(lambda array: array, output="rle", capacity=needed) == expected
    assert call(device.put, output="rle", capacity=needed + 7).cpu() == expected
    with pytest.raises(ValueError, match="capacity must be at least"):
        call(lambda array: array, output="rle", capacity=needed - 1)


# --- What is kept ---

KEPT = {
    "mask_nms": lambda put, **given: rapidmask.mask_nms(put(BOXES), put(SCORES), 0.3, **given),
    "nms_from_iou": lambda put, **given: rapidmask.nms_from_iou(
        put(rapidmask.mask_iou(BOXES)), put(SCORES), 0.3, **given
    ),
    "soft_nms": lambda put, **given: rapidmask.soft_nms(put(BOXES), put(SCORES), **given),
}


@pytest.mark.parametrize("most", [0, 1, 2, 9])
@pytest.mark.parametrize("name", KEPT)
def test_at_most_so_many_are_given_with_the_number_of_all(name, most, device, backend):
    call = KEPT[name]
    every = call(lambda array: array)
    every = every if isinstance(every, tuple) else (every,)
    kept = len(every[0])
    assert kept > 1
    for put, home in ((lambda array: array, lambda array: array), (device.put, lambda array: array.get())):
        *parts, count = map(home, call(put, max_output=most))
        assert count.tolist() == [kept]
        for part, whole, blank in zip(parts, every, (-1, 0), strict=False):
            assert part.dtype == whole.dtype
            assert part.tolist() == [*whole[:most].tolist(), *[blank] * max(most - kept, 0)]


@pytest.mark.parametrize("name", KEPT)
def test_of_no_masks_none_are_given(name, device, backend):
    masks, scores = np.zeros((0, 4, 4), bool), np.zeros(0)
    for put, home in ((lambda array: array, lambda array: array), (device.put, lambda array: array.get())):
        if name == "mask_nms":
            given = rapidmask.mask_nms(put(masks), put(scores), 0.3, max_output=2)
        elif name == "soft_nms":
            given = rapidmask.soft_nms(put(masks), put(scores), max_output=2)
        else:
            given = rapidmask.nms_from_iou(put(np.zeros((0, 0))), put(scores), 0.3, max_output=2)
        indices, *_, count = map(home, given)
        assert indices.tolist() == [-1, -1]
        assert count.tolist() == [0]


def test_a_limit_out_of_range_is_refused():
    for call in KEPT.values():
        with pytest.raises(ValueError, match="max_output must be from 0 to 2\\^40 - 1, got -1"):
            call(lambda array: array, max_output=-1)
        with pytest.raises(TypeError, match="max_output must be an integer"):
            call(lambda array: array, max_output="2")
