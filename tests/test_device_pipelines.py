"""From what a model leaves on a device to COCO's run lengths on the host: one synchronisation, one copy, for all masks.

Each pipeline is public functions in a row, with results of sizes that are known beforehand. The device is emulated.
"""

import numpy as np
import pytest

import rapidmask
from device_library import emulated_device

RANDOM = np.random.default_rng(12)
SIZE = (40, 90)
LOGITS = RANDOM.normal(size=(6, 12, 25)).astype(np.float32)
SCORES = RANDOM.random(6)
PROTOTYPES = RANDOM.normal(size=(4, 10, 24)).astype(np.float32)
COEFFICIENTS = RANDOM.normal(size=(6, 4)).astype(np.float32)
BOXES = np.stack([[3 * k, 2 * k, 30 + 9 * k, 20 + 3 * k] for k in range(6)]).astype(np.float32)
PROBABILITIES = RANDOM.random((6, 7, 7)).astype(np.float32)
CLASSES = RANDOM.integers(0, 3, 6)
CAPACITY = 6 * 40 * 90


@pytest.fixture(scope="module")
def device():
    with emulated_device() as emulated:
        yield emulated


def of_sam(logits, scores, **given):
    """Masks of prompts: those that are stable, without specks, and of those that overlap the best."""
    masks, statistics = rapidmask.upsample_masks(logits, SIZE, output="packed", return_stats=True, offset=0.1)
    masks = rapidmask.remove_small_regions(masks, 10)
    stable = statistics.stability >= 0.8
    kept, _ = rapidmask.mask_nms(masks, scores * stable - (stable == 0), 0.7, max_output=len(scores))
    return rapidmask.rle_encode(masks.take(kept), **given)


def of_yolo(prototypes, coefficients, boxes, **given):
    return rapidmask.decode_prototypes(prototypes, coefficients, boxes, SIZE, output="rle", **given)


def of_mask_rcnn(masks, boxes, **given):
    return rapidmask.paste_masks(masks, boxes, SIZE, output="rle", **given)


def of_mask2former(logits, **given):
    """The masks of queries, each for itself."""
    return rapidmask.upsample_masks(logits, SIZE, output="rle", **given)


PIPELINES = {
    "SAM": (of_sam, (LOGITS, SCORES)),
    "YOLO": (of_yolo, (PROTOTYPES, COEFFICIENTS, BOXES)),
    "Mask R-CNN": (of_mask_rcnn, (PROBABILITIES, BOXES)),
    "Mask2Former": (of_mask2former, (LOGITS,)),
}


@pytest.mark.parametrize("name", PIPELINES)
def test_one_synchronisation_and_one_copy_for_a_batch(name, device):
    pipeline, arrays = PIPELINES[name]
    found = []

    def run():
        runs = pipeline(*map(device.put, arrays), capacity=CAPACITY).cpu()
        found.extend([runs.to_coco(), runs.area().tolist(), runs.boxes().tolist()])

    activity = device.activity(run)
    assert {what: activity[what] for what in ("synchronize", "to_host", "to_device")} == {
        "synchronize": 1,
        "to_host": 1,
        "to_device": 0,
    }
    expected = pipeline(*arrays)
    assert found == [expected.to_coco(), expected.area().tolist(), expected.boxes().tolist()]
    assert max(found[1]) > 0


def test_panoptic_segments_take_one_copy_too(device):
    arrays = (LOGITS, SCORES.astype(np.float32), CLASSES)
    found = []
    activity = device.activity(
        lambda: found.extend(
            rapidmask.panoptic_merge(*map(device.put, arrays), size=SIZE, activation="sigmoid", mask_threshold=0.2)
        )
    )
    assert (activity["synchronize"], activity["to_host"], activity["to_device"]) == (1, 1, 0)
    segmentation, segments = rapidmask.panoptic_merge(*arrays, size=SIZE, activation="sigmoid", mask_threshold=0.2)
    np.testing.assert_array_equal(found[0].get(), segmentation)
    assert found[1] == segments


def test_masks_are_taken_by_indices_that_may_be_none(device, backend):
    packed = rapidmask.pack(LOGITS > 0)
    indices = np.array([2, -1, 0, -1])
    dense = packed.take(indices).to_dense()
    np.testing.assert_array_equal(dense[[0, 2]], (LOGITS > 0)[[2, 0]])
    assert not dense[[1, 3]].any()
    assert device.put(packed).take(device.put(indices)).cpu() == packed.take(indices)
    assert len(packed.take(indices[:0])) == 0
    assert packed[:0].take(indices[1:2]).area().tolist() == [0]
