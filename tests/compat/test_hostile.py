"""Patched functions on input that nobody means to give: they answer as the library itself does, errors included."""

import numpy as np
import pytest

import rapidmask

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore")


def arrays():
    """Masks as NumPy arrays, of shapes, types and layouts that functions of one mask or of several may meet."""
    rng = np.random.default_rng(0)
    mask = rng.random((9, 13)) < 0.5
    yield "plain", mask
    yield "batch", rng.random((3, 9, 13)) < 0.5
    yield "two batches", rng.random((2, 3, 9, 13)) < 0.5
    yield "vector", mask[0]
    yield "scalar", np.array(True)
    yield "Fortran order", np.asfortranarray(mask)
    yield "backwards", mask[::-1, ::-1]
    yield "strided", np.repeat(mask, 3, axis=1)[:, ::3]
    yield "batch in Fortran order", np.asfortranarray(rng.random((3, 9, 13)) < 0.5)
    read_only = mask.copy()
    read_only.flags.writeable = False
    yield "read-only", read_only
    for shape in ((0, 0), (0, 5), (5, 0), (1, 1), (0, 4, 5), (3, 0, 5), (3, 4, 0), (1, 1, 1)):
        yield f"shape {shape}", np.ones(shape, bool)
    for dtype in (np.uint8, np.int8, np.int32, np.int64, np.float16, np.float32, np.float64, np.longdouble, object):
        yield np.dtype(dtype).name, (mask * 3).astype(dtype)
        yield f"batch of {np.dtype(dtype).name}", (rng.random((2, 5, 6)) * 3).astype(dtype)
    yield "negative", -mask.astype(np.float32)
    yield "NaN", np.where(mask, np.nan, 0)
    yield "other byte order", mask.astype(">i4")
    yield "list", mask.tolist()
    yield "masked array", np.ma.array(mask, mask=~mask)
    yield "none", None
    yield "text", "mask"


def tensors():
    for name, array in arrays():
        known = isinstance(array, np.ndarray) and array.dtype.isnative and array.dtype not in (object, np.longdouble)
        if known and not np.ma.isMA(array):
            yield name, torch.from_numpy(array.copy())
            if array.ndim > 1:
                yield f"{name}, transposed", torch.from_numpy(array.copy()).transpose(-1, -2)
        else:
            yield name, array
    yield "gradient", torch.randn(2, 5, 6, requires_grad=True)
    yield "bfloat16", torch.randn(2, 5, 6).bfloat16()
    yield "array", np.ones((2, 5, 6), bool)
    yield "batch of images", torch.randn(2, 1, 6, 8)
    yield "batch of odd images", torch.randn(2, 1, 7, 9).half()


def outcome(function, arguments, options):
    """What a function gives, or the error that it raises."""
    try:
        return function(*arguments, **options)
    except Exception as error:  # whatever it is
        return error


def assert_same(found, expected):
    if isinstance(expected, Exception):
        assert type(found) is type(expected), repr(found)
        assert str(found) == str(expected)
        return
    assert not isinstance(found, Exception), repr(found)
    assert type(found) is type(expected)
    if isinstance(expected, (tuple, list)):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)
    elif isinstance(expected, dict):
        assert found == expected
    elif isinstance(expected, (np.ndarray, torch.Tensor)):
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        if isinstance(expected, torch.Tensor):
            assert found.requires_grad == expected.requires_grad
            found, expected = (tensor.detach().float().numpy() for tensor in (found, expected))
        if expected.dtype.kind == "f":
            np.testing.assert_allclose(found, expected, rtol=1e-6, atol=0)
        else:
            np.testing.assert_array_equal(found, expected)
    else:
        assert found == expected or (found != found and expected != expected)


SCIPY = "scipy.ndimage"
AMG = "segment_anything.utils.amg"
SUPERVISION = "supervision.detection.utils"
CALLS = [
    ("scipy", f"{SCIPY}:label", arrays, {}),
    ("scipy", f"{SCIPY}:label", arrays, {"structure": np.ones((3, 3))}),
    ("scipy", f"{SCIPY}:find_objects", arrays, {}),
    *(("scipy", f"{SCIPY}:binary_{name}", arrays, {}) for name in ("erosion", "dilation", "opening", "closing")),
    ("scipy", f"{SCIPY}:binary_dilation", arrays, {"iterations": 0}),
    ("scipy", f"{SCIPY}:binary_dilation", arrays, {"iterations": 2, "border_value": 1}),
    ("scipy", f"{SCIPY}:binary_dilation", arrays, {"structure": np.zeros((3, 3))}),
    ("scipy", f"{SCIPY}:binary_erosion", arrays, {"origin": 2}),
    ("scipy", f"{SCIPY}:binary_erosion", arrays, {"output": np.float32}),
    ("scipy", f"{SCIPY}:binary_fill_holes", arrays, {}),
    ("scipy", f"{SCIPY}:binary_hit_or_miss", arrays, {}),
    ("scipy", f"{SCIPY}:binary_propagation", arrays, {"mask": np.ones((9, 13), bool)}),
    ("scipy", f"{SCIPY}:distance_transform_edt", arrays, {}),
    ("scipy", f"{SCIPY}:distance_transform_edt", arrays, {"return_indices": True}),
    ("supervision", f"{SUPERVISION}.converters:mask_to_polygons", arrays, {}),
    ("supervision", f"{SUPERVISION}.converters:mask_to_rle", arrays, {}),
    ("supervision", f"{SUPERVISION}.converters:mask_to_xyxy", arrays, {}),
    ("supervision", f"{SUPERVISION}.masks:contains_holes", arrays, {}),
    ("supervision", f"{SUPERVISION}.masks:contains_multiple_segments", arrays, {}),
    ("supervision", f"{SUPERVISION}.masks:filter_segments_by_distance", arrays, {"absolute_distance": 2.0}),
    ("supervision", f"{SUPERVISION}.masks:calculate_masks_centroids", arrays, {}),
    ("segment_anything", f"{AMG}:mask_to_rle_pytorch", tensors, {}),
    ("segment_anything", f"{AMG}:batched_mask_to_box", tensors, {}),
    ("segment_anything", f"{AMG}:calculate_stability_score", tensors, {"mask_threshold": 0.0, "threshold_offset": 1.0}),
    ("segment_anything", f"{AMG}:remove_small_regions", arrays, {"area_thresh": 3, "mode": "holes"}),
    ("segment_anything", f"{AMG}:remove_small_regions", arrays, {"area_thresh": 3, "mode": "bridges"}),
    ("segment_anything", f"{AMG}:remove_small_regions", arrays, {"area_thresh": float("nan"), "mode": "islands"}),
    ("torchvision", "torchvision.ops.boxes:masks_to_boxes", tensors, {}),
    ("ultralytics", "ultralytics.utils.ops:masks2segments", tensors, {}),
]


DIFFERENT = [  # which the drop-ins' modules state
    ("contains_multiple_segments", "Fortran order"),
    *(("remove_small_regions", f"shape {shape}") for shape in ((0, 0), (0, 5), (5, 0))),  # some end the process
]


@pytest.mark.parametrize(("library", "path", "inputs", "options"), CALLS)
def test_the_answer_is_the_library_s(library, path, inputs, options):
    module, _, name = path.partition(":")
    namespace = pytest.importorskip(module)
    if not hasattr(namespace, name):
        pytest.skip(f"{module} is a part of {library}")
    for title, given in inputs():
        if (name, title) in DIFFERENT:
            continue
        expected = outcome(getattr(namespace, name), (given,), options)
        try:
            patched = rapidmask.patch(library)
        except ImportError as error:
            pytest.skip(str(error))
        with patched:
            found = outcome(getattr(namespace, name), (given,), options)
        try:
            assert_same(found, expected)
        except AssertionError as error:
            raise AssertionError(f"{title}: {error}") from error


MASKS = np.random.default_rng(1).random((3, 8, 9)) < 0.5
ROWS = np.array([[0, 0, 1, 1, 0.5, 1], [0, 0, 1, 1, 0.5, 1], [0, 0, 1, 1, 0.7, 2]])
NAN_SCORE, NAN_CLASS = ROWS.copy(), ROWS.copy()
NAN_SCORE[1, 4] = NAN_CLASS[1, 5] = np.nan


def overlap_calls():
    for other in (MASKS[:0], MASKS[:, 1:], MASKS.astype(np.uint8) * 2, MASKS.astype(float) / 2, MASKS[0], [], None):
        yield "mask_iou_batch", (MASKS, other)
        yield "mask_iou_batch", (other, MASKS)
    yield "mask_iou_batch", (MASKS[:, :0], MASKS[:, :0])
    yield "mask_iou_batch", (MASKS[:0], MASKS[:0])
    yield "mask_iou_batch", (MASKS, MASKS, "IOU")
    yield "mask_iou_batch", (MASKS, MASKS, None)
    for name in ("mask_non_max_suppression", "mask_soft_non_max_suppression", "mask_non_max_merge"):
        for rows in (
            ROWS[:, :5],
            ROWS[:, :4],
            ROWS[:2],
            ROWS[:0],
            NAN_SCORE,
            NAN_CLASS,
            ROWS.astype(int),
            ROWS > 0,
            None,
        ):
            yield name, (rows, MASKS)
        for masks in (MASKS[:0], MASKS[:, :0], MASKS.astype(float), MASKS[0], MASKS.tolist()):
            yield name, (ROWS, masks)
        yield name, (ROWS[:0], MASKS[:0])
        for threshold in (0, 1, np.float32(0.3), float("nan"), -0.1, 1.1, "0.5", None):
            yield name, (ROWS, MASKS, threshold)
        yield name, (ROWS, MASKS, 0.5, "IOS")


def form_calls():
    for counts in ([], [12], [0, 12], [4, 4, 4], [5, -1, 8], [3.0, 9.0], np.array([[12]]), np.array([12], np.uint8)):
        yield "rle_to_mask", (counts, (4, 3))
    for counts in ("", b"", "<", "0<", b"0<", "\u20ac", "52203", None, 12):
        yield "rle_to_mask", (counts, (4, 3))
    for size in ((0, 0), (4.0, 3.0), (4,), (-4, -3), "43", None):
        yield "rle_to_mask", ([12], size)
        yield "polygon_to_mask", ([[0, 0], [2, 0], [2, 2]], size)
    rings = ([], [[]], [[1, 1]], [[1, 1]] * 3, [[0, 0], [np.inf, 1], [2, 2]], [[0, 0], [np.nan, 1], [2, 2]], [1, 2, 3])
    for ring in (*rings, [[0, 0], [1e12, 1], [2, 2]], np.array([[-5, -5], [20, -5], [3, 30]]), [["a", "b"]] * 3, None):
        yield "polygon_to_mask", (ring, (9, 7))


def prototype_calls():
    generator = torch.Generator().manual_seed(3)
    protos, coefficients = torch.randn(4, 8, 10, generator=generator), torch.randn(3, 4, generator=generator)
    boxes = torch.tensor([[0.0, 0, 40, 32], [5, 6, 20, 30], [3, 3, 9, 9]])
    hostile = [
        boxes.long(),
        boxes.double(),
        boxes.half(),
        -boxes,
        boxes.flip(1),
        boxes * float("inf"),
        boxes * float("nan"),
        boxes * 1e20,
        boxes[:2],
        boxes[:, :3],
        boxes.requires_grad_(),
        boxes.detach().T.contiguous().T,
    ]
    for name in ("process_mask", "process_mask_native"):
        for corners in hostile:
            yield name, (protos, coefficients, corners, (32, 40))
        for planes in (protos.half(), protos.double(), protos[0], protos[:, :0], protos.long()):
            yield name, (planes, coefficients, boxes.detach(), (32, 40))
        for factors in (coefficients[:0], coefficients[:, :3], coefficients.half(), coefficients.double(), None):
            yield name, (protos, factors, boxes.detach()[: 0 if factors is None else len(factors)], (32, 40))
        for shape in ((0, 0), (1, 1), (32.0, 40.0), (33, 41), [32, 40], torch.tensor([32, 40]), (32, 40, 3), None):
            yield name, (protos, coefficients, boxes.detach(), shape)
    for shape in ((0, 40), (1, 1), (33, 41), [32, 40]):
        yield "process_mask", (protos, coefficients, boxes.detach(), shape, True)


COMBINED = [
    ("supervision", f"{SUPERVISION}.iou_and_nms", overlap_calls),
    ("supervision", f"{SUPERVISION}.converters", form_calls),
    ("ultralytics", "ultralytics.utils.ops", prototype_calls),
]


@pytest.mark.parametrize(("library", "module", "calls"), COMBINED)
def test_the_answer_to_several_arguments_is_the_library_s(library, module, calls):
    namespace = pytest.importorskip(module)
    for turn, (name, arguments) in enumerate(calls()):
        expected = outcome(getattr(namespace, name), arguments, {})
        with rapidmask.patch(library):
            found = outcome(getattr(namespace, name), arguments, {})
        try:
            assert_same(found, expected)
        except AssertionError as error:
            raise AssertionError(f"{name}, call {turn}: {error}") from error
