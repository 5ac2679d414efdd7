"""Arrays on a device, given by their libraries to the public functions: none of this runs without a GPU."""

import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

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
    try:
        torch.cuda.set_sync_debug_mode("error")
        yield torch
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.filterwarnings("ignore:Synchronization debug mode")  # is a prototype
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


def in_two_threads(work):
    """Call work(0) and work(1) at once, and raise what one of them raises."""
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, (0, 1)))


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

    def work(k):
        with torch.cuda.stream(torch.cuda.Stream()):
            masks = torch.from_numpy(given[k]).cuda()
            for _ in range(50):
                assert rapidmask.rle_encode(masks).to_coco() == rapidmask.rle_encode(given[k]).to_coco()

    in_two_threads(work)


@pytest.mark.parametrize("sizes", [(300, 200), (300, 20), (150, 250)])
def test_two_threads_that_take_unlike_shared_memory_on_cuda(sizes):
    torch = pytest.importorskip("torch")
    given = [np.random.default_rng(side).random((2, side, side)) < 0.6 for side in sizes]

    def work(k):
        masks = torch.from_numpy(given[k]).cuda()
        labels = masks.int() * (90 if k else 5)
        expected = rapidmask.label(given[k])
        for _ in range(200):
            found = rapidmask.label(masks)
            counts = rapidmask.confusion_matrix(labels, labels, 150 if k else 6)
            np.testing.assert_array_equal(on_host(found), expected)
            assert int(on_host(counts).sum()) == given[k].size

    in_two_threads(work)


@pytest.mark.parametrize("shape", [(150, 150), (120, 192), (361, 64), (85, 256), (340, 64)])
def test_masks_that_take_nearly_what_a_block_has_without_asking_on_cuda(shape):
    torch = pytest.importorskip("torch")
    masks = np.random.default_rng(3).random((2, *shape)) < 0.6
    for function in (rapidmask.label, rapidmask.fill_holes, rapidmask.keep_largest):
        np.testing.assert_array_equal(on_host(function(torch.from_numpy(masks).cuda())), function(masks))
    scores = np.where(masks, 1, -1).astype(np.float32)
    cleaned = rapidmask.clean_scores(torch.from_numpy(scores).cuda(), max_hole_area=5, max_sprinkle_area=5)
    np.testing.assert_array_equal(
        on_host(cleaned), rapidmask.clean_scores(scores, max_hole_area=5, max_sprinkle_area=5)
    )


FAILED_CAPTURE = """
import torch, rapidmask
masks = torch.ones((3, 50, 70), dtype=torch.bool, device="cuda")
areas, told = rapidmask.mask_areas(masks), []
try:
    with torch.cuda.graph(torch.cuda.CUDAGraph()):
        try:
            rapidmask.rle_encode(masks)  # which waits, and so cannot be captured
        except rapidmask.CudaError as error:
            told.append(str(error))
except RuntimeError:
    pass
assert "captur" in told[0], told
assert rapidmask.mask_areas(masks).tolist() == areas.tolist() == [3500] * 3
"""


def test_an_error_is_told_once_on_cuda():
    """In a process of its own, as torch's allocator does not get over a capture that fails."""
    pytest.importorskip("torch")
    done = subprocess.run([sys.executable, "-c", FAILED_CAPTURE], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_memory_of_results_waits_for_the_streams_that_torch_is_told_of_on_cuda():
    torch = pytest.importorskip("torch")
    logits = torch.from_numpy(LOGITS).cuda()
    for result in (
        rapidmask.threshold(logits),
        rapidmask.pack(logits > 0).data,
        rapidmask.rle_encode(logits > 0).counts,
    ):
        assert result.untyped_storage().resizable()  # torch's own: record_stream does nothing for any other


class Told:
    """An array of a library that tells a stream, and nothing else."""

    def __init__(self, array, stream):
        self.array, self.shape, self.dtype = array, array.shape, array.dtype
        self.__cuda_array_interface__ = {**array.__cuda_array_interface__, "version": 3, "stream": stream.ptr}


def test_arrays_of_other_libraries_are_ordered_with_their_stream_on_cuda():
    cupy = pytest.importorskip("cupy")
    own, current = cupy.cuda.Stream(non_blocking=True), cupy.cuda.Stream(non_blocking=True)
    for _ in range(5):
        with own:
            logits = cupy.zeros((16, 1024, 1024), cupy.float32)
            for _ in range(50):  # work that takes a while
                logits *= 1.0
            logits += 2
        with current:
            runs = rapidmask.threshold(Told(logits, own), output="rle")  # of two steps
        with own:
            logits -= 9  # after the call, which must have read it by then
        with current:
            assert runs.area().get().tolist() == [1024 * 1024] * 16


def test_arrays_of_libraries_that_tell_no_stream_are_waited_for_on_cuda():
    cupy = pytest.importorskip("cupy")
    stream = cupy.cuda.Stream(non_blocking=True)
    masks = cupy.asarray(MASKS)
    interface = {**masks.__cuda_array_interface__, "version": 2, "stream": None}
    bare = type("Bare", (), {"__cuda_array_interface__": interface, "shape": masks.shape, "dtype": masks.dtype})()
    cupy.cuda.Device().synchronize()
    with stream:
        labels = rapidmask.label(bare)
        assert stream.done
        np.testing.assert_array_equal(labels.get(), rapidmask.label(MASKS))
    with rapidmask.use_stream(stream):
        np.testing.assert_array_equal(rapidmask.label(bare).get(), rapidmask.label(MASKS))


def test_containers_travel_on_cuda():
    torch = pytest.importorskip("torch")
    for encode in (rapidmask.pack, rapidmask.rle_encode):
        on_host = encode(torch.from_numpy(MASKS))
        on_device = on_host.cuda()
        assert "cuda:0" in repr(on_device)
        assert on_device.cpu() == on_host
        assert pickle.loads(pickle.dumps(on_device)) == encode(MASKS)


def test_a_result_without_memory_is_told_on_cuda():
    torch = pytest.importorskip("torch")
    logits = torch.zeros((1, 4, 4), device="cuda").expand(1 << 20, 4, 4)
    with pytest.raises(MemoryError, match=r"upsample_masks: there is no memory for an array of shape \(1048576, 4096"):
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
