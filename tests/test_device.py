"""Arrays on a device, given by their libraries to the public functions: none of this runs without a GPU."""

import numpy as np
import pytest

import rapidmask

pytestmark = pytest.mark.skipif(not rapidmask.cuda_status()["devices"], reason="needs a device with CUDA")

MASKS = np.random.default_rng(1).random((3, 50, 70)) < 0.6
LOGITS = np.random.default_rng(2).normal(size=(3, 50, 70)).astype(np.float32)
LIBRARIES = ["torch", "cupy"]


def on_device(library, array):
    module = pytest.importorskip(library)
    return module.from_numpy(array.copy()).cuda() if library == "torch" else module.asarray(array)


def on_host(array):
    return array.cpu().numpy() if hasattr(array, "cpu") else array.get()


@pytest.mark.parametrize("library", LIBRARIES)
def test_results_stay_with_their_library_on_cuda(library):
    masks, logits = on_device(library, MASKS), on_device(library, LOGITS)
    for result, expected in [
        (rapidmask.label(masks), rapidmask.label(MASKS)),
        (rapidmask.mask_areas(masks), rapidmask.mask_areas(MASKS)),
        (rapidmask.threshold(logits, 0.5), rapidmask.threshold(LOGITS, 0.5)),
        (rapidmask.fill_holes(masks), rapidmask.fill_holes(MASKS)),
        (rapidmask.pack(masks).to_dense(), MASKS),
        (rapidmask.rle_encode(masks).to_dense(), MASKS),
    ]:
        assert type(result) is type(masks)
        np.testing.assert_array_equal(on_host(result), expected)


@pytest.mark.parametrize("library", LIBRARIES)
def test_strided_arrays_and_out_on_cuda(library):
    masks = on_device(library, MASKS)
    np.testing.assert_array_equal(on_host(rapidmask.label(masks[:, ::2, ::3])), rapidmask.label(MASKS[:, ::2, ::3]))
    out = on_device(library, np.zeros(MASKS.shape, np.int32))
    assert rapidmask.label(masks, out=out) is out
    np.testing.assert_array_equal(on_host(out), rapidmask.label(MASKS))


def test_torch_streams_are_followed_on_cuda():
    torch = pytest.importorskip("torch")
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        logits = torch.full((64, 512, 512), -1.0, device="cuda")
        torch.cuda._sleep(100_000_000)  # what follows waits for this, if it is on the same stream
        logits += 2
        areas = rapidmask.mask_areas(rapidmask.threshold(logits))
    stream.synchronize()
    assert areas.tolist() == [512 * 512] * 64


def test_bfloat16_on_cuda():
    torch = pytest.importorskip("torch")
    logits = torch.from_numpy(LOGITS).to(torch.bfloat16)
    np.testing.assert_array_equal(on_host(rapidmask.threshold(logits.cuda())), on_host(rapidmask.threshold(logits)))


def test_nothing_waits_for_the_device_on_cuda():
    torch = pytest.importorskip("torch")
    masks = torch.from_numpy(MASKS).cuda()
    logits = torch.from_numpy(LOGITS).cuda()
    calls = [
        lambda: rapidmask.pack(masks),
        lambda: rapidmask.label(masks),
        lambda: rapidmask.threshold(logits),
        lambda: rapidmask.dilate(masks, rapidmask.disk(3)),
        lambda: rapidmask.clean_scores(logits, max_hole_area=5),
        lambda: rapidmask.upsample_masks(logits, (90, 120)),
        lambda: rapidmask.mask_iou(masks),
    ]
    for call in calls:
        call()  # loads the kernels
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):  # a wait, or an allocation of CUDA's own, would be an error
        results = [call() for call in calls]
    graph.replay()
    torch.cuda.synchronize()
    for call, result in zip(calls, results, strict=True):
        fresh = call()
        if isinstance(fresh, rapidmask.PackedMasks):
            fresh, result = fresh.data, result.data
        assert torch.equal(fresh, result)
