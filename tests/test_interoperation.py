"""Arrays of several libraries on a device: whose stream, whose memory, and containers that travel.

The device is emulated, so that this runs everywhere; test_device.py asks the same of torch and CuPy on a GPU.
"""

import pickle
import sys
import threading

import numpy as np
import pytest

import rapidmask
import test_device_activity
from device_library import BareArray, DeviceArray, emulated_device
from rapidmask import CudaError, PackedMasks, RLEMasks, _arrays, _emu

MASKS = np.random.default_rng(1).random((3, 20, 70)) < 0.6
LOGITS = np.random.default_rng(2).normal(size=(3, 20, 70)).astype(np.float32)
SURFACE = np.random.default_rng(3).normal(size=(3, 20, 70)).astype(np.float32)


@pytest.fixture
def device():
    with emulated_device() as emulated:
        yield emulated


def recorded(call):
    _emu.record_activity(True)
    try:
        result = call()
    finally:
        _emu.record_activity(False)
    return result, _emu.activity()


def test_kernels_run_on_the_current_stream_of_the_library(device):
    masks = device.put(MASKS)
    for stream in (0, 1, 77):
        device.library.stream = stream
        labels, activity = recorded(lambda: rapidmask.label(masks))
        assert {of for _, _, of in activity} == {stream}
        assert device.library.asked_streams[-1] == (stream or 1)  # DLPack's name of the default stream
        np.testing.assert_array_equal(labels.get(), rapidmask.label(MASKS))


def test_results_and_scratch_are_the_librarys_own(device):
    device.library.stream = 5
    device.library.allocated.clear()
    runs = rapidmask.rle_encode(device.put(MASKS))
    assert isinstance(runs.counts, DeviceArray)
    assert len(device.library.allocated) > 3  # of columns, counts, ends, the result
    assert set(device.library.allocated) == {5}


def waits_of(activity):
    """Where in the activity which stream waits for which: {(stream, awaited): position}."""
    return {(of, int(detail)): k for k, (what, detail, of) in enumerate(activity) if what == "wait"}


def positions_of(activity, *kinds):
    return [k for k, (what, _, _) in enumerate(activity) if what in kinds]


def test_arrays_of_others_are_worked_on_where_results_live_in_order_with_their_stream(device):
    device.library.stream = 5
    labels, activity = recorded(lambda: rapidmask.label(BareArray(MASKS, stream=9)))
    launches = positions_of(activity, "launch")
    waits = waits_of(activity)
    assert {activity[k][2] for k in launches} == {5}
    assert waits.keys() == {(5, 9), (9, 5)}
    assert waits[5, 9] < launches[0] <= launches[-1] < waits[9, 5]
    assert not positions_of(activity, "synchronize")
    np.testing.assert_array_equal(labels.get(), rapidmask.label(MASKS))


class OfDlpack(DeviceArray):
    """An array of a library that is none of those known, and whose memory heeds no stream."""


@pytest.mark.parametrize(
    "given", [lambda device: OfDlpack(MASKS, device.library), lambda device: BareArray(MASKS)], ids=["dlpack", "bare"]
)
def test_a_call_waits_for_its_kernels_where_nothing_else_would(given, device):
    array = given(device)
    device.library.stream = 5
    labels, activity = recorded(lambda: rapidmask.label(array))
    assert waits_of(activity).keys() == {(5, 1), (1, 5)}
    assert device.library.asked_streams[0] == (1 if isinstance(array, OfDlpack) else 5)  # else for the result
    (waited,) = positions_of(activity, "synchronize")
    assert activity[waited][2] == 5
    assert waited > positions_of(activity, "launch")[-1]
    np.testing.assert_array_equal(labels.get(), rapidmask.label(MASKS))
    with rapidmask.use_stream(7):  # now the caller answers for it
        _, activity = recorded(lambda: rapidmask.label(array))
    assert {of for _, _, of in activity} == {7}
    assert not positions_of(activity, "wait", "synchronize")


def test_strided_arrays_of_others_are_copied_and_waited_for(device):
    strided = BareArray(MASKS[:, ::2, 1::3], stream=9)
    assert device.activity(lambda: rapidmask.label(strided))["synchronize"] == 1
    np.testing.assert_array_equal(rapidmask.label(strided).get(), rapidmask.label(MASKS[:, ::2, 1::3]))


class Foreign:
    """What puts arrays on the device as those of a library that tells another stream than CuPy's."""

    def __init__(self, device):
        self.put_array = lambda array: BareArray(array.copy(), stream=9)
        self.of_device = device

    def put(self, value):
        return self.put_array(value) if isinstance(value, np.ndarray) else self.of_device.put(value)


@pytest.mark.parametrize("name", test_device_activity.CALLS)
def test_all_steps_of_a_call_for_arrays_of_others_run_on_one_stream(name, device):
    inputs = test_device_activity.Inputs(Foreign(device), 3)
    call, _ = test_device_activity.CALLS[name]
    call(inputs)  # tables that are made once
    device.library.stream = 5
    _, activity = recorded(lambda: call(inputs))
    assert {of for what, _, of in activity if what != "wait"} <= {5}
    assert waits_of(activity).keys() <= {(5, 9), (9, 5)}


def test_packed_masks_of_others_become_those_of_the_library_of_results(device):
    on_host = rapidmask.pack(MASKS)
    masks = PackedMasks(BareArray(on_host.data), on_host.size)
    assert isinstance(masks.data, DeviceArray)
    assert masks.cpu() == on_host
    assert (~masks).take(device.put(np.array([1]))).cpu() == (~on_host).take(np.array([1]))


def test_a_masked_array_of_a_device_is_refused(device):
    class Masked(BareArray):
        @property
        def __cuda_array_interface__(self):
            return super().__cuda_array_interface__ | {"mask": BareArray(MASKS)}

    with pytest.raises(TypeError, match="label: masks must not be a masked array"):
        rapidmask.label(Masked(MASKS))


class WithStream:
    def __init__(self, **attributes):
        self.__dict__.update(attributes)


class OfCuda:
    def __cuda_stream__(self):
        return 0, 33


@pytest.mark.parametrize("stream", [33, OfCuda(), WithStream(cuda_stream=33), WithStream(ptr=33)])
def test_a_stream_is_chosen_for_all_but_torch(stream, device):
    given = BareArray(MASKS[:, ::2])  # which is copied first
    device.library.allocated.clear()
    with rapidmask.use_stream(stream):
        labels, activity = recorded(lambda: rapidmask.label(given))
        _, of_library = recorded(lambda: rapidmask.label(device.put(MASKS)))
    assert {of for _, _, of in activity + of_library} == {33}
    assert set(device.library.allocated) == {33}  # so that the memory is not given to others while kernels run
    np.testing.assert_array_equal(labels.get(), rapidmask.label(MASKS[:, ::2]))
    assert {of for _, _, of in recorded(lambda: rapidmask.label(device.put(MASKS)))[1]} == {0}


def test_what_is_no_stream_is_refused():
    with pytest.raises(TypeError, match="use_stream: stream must be an integer or have one, got 'a'"):
        rapidmask.use_stream("a").__enter__()


def test_strided_arrays_are_copied_on_the_device(device):
    masks = device.put(MASKS)[:, ::2, ::3]
    assert device.activity(lambda: rapidmask.fill_holes(masks))["to_host"] == 0
    np.testing.assert_array_equal(rapidmask.fill_holes(masks).get(), rapidmask.fill_holes(MASKS[:, ::2, ::3]))


MIXED = {
    "threshold": lambda first, second: rapidmask.threshold(first(LOGITS), second(SURFACE)),
    "mask_iou": lambda first, second: rapidmask.mask_iou(first(MASKS), second(MASKS)),
    "paste_masks": lambda first, second: rapidmask.paste_masks(
        first(LOGITS), second(np.array([[1, 2, 30, 18.5]] * 3, np.float32)), (20, 40)
    ),
    "decode_prototypes": lambda first, second: rapidmask.decode_prototypes(
        first(LOGITS), second(np.eye(3, dtype=np.float32)), second(np.array([[0, 0, 9, 9]] * 3, np.float32)), (20, 40)
    ),
    "confusion_matrix": lambda first, second: rapidmask.confusion_matrix(
        first(MASKS.astype(np.int32)), second(MASKS.astype(np.int32)), 2, out_of_range="skip"
    ),
}


@pytest.mark.parametrize("name", MIXED)
def test_streams_of_two_libraries_wait_for_each_other(name, device):
    device.library.stream = 5
    result, activity = recorded(lambda: MIXED[name](device.put, lambda array: BareArray(array, stream=9)))
    launches = positions_of(activity, "launch")
    waits = waits_of(activity)
    assert {of for what, _, of in activity if what != "wait"} == {5}
    assert set(waits) == {(5, 9), (9, 5)}
    first = next(k for k, (what, detail, of) in enumerate(activity) if (what, detail, of) == ("wait", "9", 5))
    assert first < launches[0]  # the kernels, after what was asked of the other library
    assert waits[9, 5] > launches[-1]  # and that library's later work after the kernels
    np.testing.assert_array_equal(result.get(), MIXED[name](lambda array: array, lambda array: array))


def test_arrays_of_one_stream_wait_for_nothing(device):
    for own, other in ((5, 5), (0, 1), (1, 0)):  # the last two name the default stream
        device.library.stream = own
        _, activity = recorded(lambda other=other: MIXED["threshold"](device.put, lambda x: BareArray(x, stream=other)))
        assert all(what != "wait" for what, _, _ in activity)


def test_errors_of_the_device_are_told_and_leave_the_process_usable(device):
    masks = device.put(MASKS)
    for failing in ("launch", "to_host", "synchronize", "fill"):
        _emu.set_failing(failing)
        try:
            with pytest.raises(CudaError, match=r"unspecified launch failure \(cudaErrorLaunchFailure\)"):
                rapidmask.rle_encode(masks), rapidmask.mask_areas(masks)
        finally:
            _emu.set_failing("")
        assert rapidmask.rle_encode(masks).cpu() == rapidmask.rle_encode(MASKS)


def test_an_error_is_told_once(device):
    _emu.set_failing("to_host")
    try:
        with pytest.raises(CudaError, match="cudaMemcpyAsync to the host"):
            rapidmask.rle_encode(device.put(MASKS))
    finally:
        _emu.set_failing("")
    rapidmask.label(device.put(MASKS))  # whose launches ask CUDA for its last error


def test_a_failed_wait_is_told(device):
    device.library.stream = 5
    _emu.set_failing("wait")
    try:
        with pytest.raises(CudaError, match="cudaStreamWaitEvent: "):
            rapidmask.threshold(device.put(LOGITS), BareArray(SURFACE, stream=9))
    finally:
        _emu.set_failing("")


def test_torchs_lack_of_memory_is_pythons(monkeypatch):
    torch = pytest.importorskip("torch")

    def empty(*_, **__):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch, "empty", empty)
    with pytest.raises(MemoryError, match="CUDA out of memory"):
        _arrays.empty(torch.zeros(1), (1,), "uint8")


def test_two_threads_work_at_once(device):
    masks = [device.put(MASKS), device.put(~MASKS)]
    expected = [rapidmask.rle_encode(MASKS), rapidmask.rle_encode(~MASKS)]
    failures = []

    def work(k):
        for _ in range(10):
            if rapidmask.rle_encode(masks[k], capacity=5000).cpu() != expected[k]:
                failures.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


# --- Containers ---


@pytest.mark.parametrize("encode", [rapidmask.pack, rapidmask.rle_encode])
def test_containers_travel(encode, device, monkeypatch):
    on_host = encode(MASKS)
    monkeypatch.setitem(sys.modules, "torch", None)  # so that NumPy's arrays go to the other library
    on_device = on_host.cuda()
    assert isinstance(on_device, PackedMasks | RLEMasks)
    assert "cupy on emulated" in repr(on_device)
    for there in (on_device, on_host.to("cuda:0"), on_device.to("cuda")):
        home = there.to("cpu")
        assert home == on_host
        assert "numpy" in repr(home)
    assert on_host.cpu() == on_host
    assert pickle.loads(pickle.dumps(on_device)) == on_host
    with pytest.raises(ValueError, match="to: device must be 'cpu', 'cuda' or 'cuda:N', got 'tpu'"):
        on_host.to("tpu")


def test_containers_of_torch_stay_torchs():
    torch = pytest.importorskip("torch")
    masks = rapidmask.rle_encode(torch.from_numpy(MASKS))
    assert isinstance(masks.to("cpu").counts, torch.Tensor)
    assert isinstance(rapidmask.pack(torch.from_numpy(MASKS)).cpu().data, torch.Tensor)


@pytest.mark.parametrize("encode", [rapidmask.pack, rapidmask.rle_encode])
def test_sets_of_masks_on_a_device(encode, device):
    others = np.roll(MASKS, 3, axis=2)
    a, b = encode(MASKS), encode(others)
    on_a, on_b = device.put(a), device.put(b)
    assert (on_a & on_b).cpu() == (a & b)
    assert (on_a | on_b).cpu() == (a | b)
    assert (on_a ^ on_b).cpu() == (a ^ b)
    assert (on_a - on_b).cpu() == (a - b)
    assert (~on_a).cpu() == ~a
    assert on_a.to("cuda") == on_a
    assert on_a != on_b


@pytest.mark.parametrize("width", [1, 8, 9, 63, 64, 65, 130])
def test_the_bits_past_the_width_stay_zero_on_a_device(width, device):
    packed = rapidmask.pack(np.random.default_rng(width).random((2, 3, width)) < 0.5)
    assert (~device.put(packed)).cpu() == ~packed


def test_overlaps_of_runs_on_a_device(device):
    runs = rapidmask.rle_encode(MASKS)
    overlaps = rapidmask.mask_iou(device.put(runs))
    np.testing.assert_array_equal(overlaps.get(), rapidmask.mask_iou(runs))


def test_more_masks_than_a_grid_is_high(device):
    masks = np.zeros((66_000, 1, 2), bool)
    masks[::7, 0, 1] = masks[-1] = True
    packed = rapidmask.pack(device.put(masks))
    assert packed.cpu() == rapidmask.pack(masks)
    np.testing.assert_array_equal(packed.to_dense().get(), masks)
