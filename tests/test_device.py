"""Arrays on a device, given by their libraries to the public functions: none of this runs without a GPU."""

import pickle
import threading

import numpy as np
import pytest

import rapidmask
from device_library import Device
from test_device_activity import CALLS, Inputs

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


# --- Nothing waits where test_device_activity.py says so ---

FIXED = [name for name, (_, crossings) in CALLS.items() if not crossings]


def inputs_of_torch(torch):
    return Inputs(Device(lambda array: torch.from_numpy(array.copy()).cuda()), 7)


def arrays_of(result):
    """The arrays of a result, whatever it is."""
    if isinstance(result, rapidmask.PackedMasks):
        return [result.data]
    if isinstance(result, rapidmask.RLEMasks):
        return [result.counts, result.offsets]
    if isinstance(result, (tuple, list)):
        return [array for part in result for array in arrays_of(part)]
    return [] if result is None else [result]


@pytest.fixture
def no_waiting():
    """Every synchronisation that torch knows of is an error."""
    torch = pytest.importorskip("torch")
    torch.cuda.set_sync_debug_mode("error")
    yield torch
    torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("name", FIXED)
def test_what_has_a_known_size_is_captured_in_a_graph_on_cuda(name, no_waiting):
    torch, call = no_waiting, CALLS[name][0]
    with torch.cuda.stream(torch.cuda.Stream()):
        torch.cuda.set_sync_debug_mode("default")
        inputs = inputs_of_torch(torch)
        torch.cuda.synchronize()
        torch.cuda.set_sync_debug_mode("error")
        expected = arrays_of(call(inputs))  # loads the kernels
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):  # a wait, or an allocation of CUDA's own, would be an error
        captured = arrays_of(call(inputs))
    graph.replay()
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("default")
    assert len(captured) == len(expected) > 0
    for one, other in zip(captured, expected, strict=True):
        np.testing.assert_array_equal(on_host(one), on_host(other))


# --- Two libraries, two threads, errors ---


def test_a_second_librarys_stream_is_waited_for_on_cuda():
    torch, cupy = pytest.importorskip("torch"), pytest.importorskip("cupy")
    stream, other = torch.cuda.Stream(), cupy.cuda.Stream(non_blocking=True)
    logits = torch.zeros((16, 1024, 1024), device="cuda")
    torch.cuda.synchronize()
    for _ in range(5):
        with other:
            surface = cupy.ones((16, 1024, 1024), cupy.float32)
            for _ in range(50):  # work that takes a while
                surface *= 1.0
            surface -= 2
        with torch.cuda.stream(stream), other:
            masks = rapidmask.threshold(logits, surface)
            surface += 9  # after the call, which must have read it by then
        stream.synchronize()
        assert bool(masks.all())


def test_two_threads_on_two_streams_on_cuda():
    torch = pytest.importorskip("torch")
    given = [MASKS, ~MASKS]
    failures = []

    def work(k):
        with torch.cuda.stream(torch.cuda.Stream()):
            masks = torch.from_numpy(given[k]).cuda()
            for _ in range(50):
                if rapidmask.rle_encode(masks).to_coco() != rapidmask.rle_encode(given[k]).to_coco():
                    failures.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_containers_travel_on_cuda():
    torch = pytest.importorskip("torch")
    for encode in (rapidmask.pack, rapidmask.rle_encode):
        on_host = encode(torch.from_numpy(MASKS))
        on_device = on_host.cuda()
        assert "cuda:0" in repr(on_device)
        assert on_device.cpu() == on_host
        assert pickle.loads(pickle.dumps(on_device)) == encode(MASKS)


def test_without_memory_the_libraries_error_is_told_on_cuda():
    torch = pytest.importorskip("torch")
    logits = torch.zeros((1, 4, 4), device="cuda").expand(1 << 20, 4, 4)
    with pytest.raises((MemoryError, torch.OutOfMemoryError)):
        rapidmask.upsample_masks(logits, (4096, 4096))
    np.testing.assert_array_equal(on_host(rapidmask.label(torch.from_numpy(MASKS).cuda())), rapidmask.label(MASKS))


def test_more_than_two_to_the_31_pixels_on_cuda():
    torch = pytest.importorskip("torch")
    masks = torch.zeros((70_000, 128, 256), dtype=torch.bool, device="cuda")  # more masks than a grid is high, too
    masks[-1, 100:, 200:] = True
    assert rapidmask.mask_areas(masks)[-1].item() == 28 * 56
    runs = rapidmask.rle_encode(masks)
    assert runs[-1].cpu() == rapidmask.rle_encode(masks[-1:].cpu())
    labels = rapidmask.label(masks)
    assert torch.equal(labels[-1] > 0, masks[-1])
    assert rapidmask.fill_holes(masks).sum().item() == 28 * 56
