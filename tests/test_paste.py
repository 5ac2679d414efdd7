"""Masks of boxes pasted into images."""

import numpy as np
import pytest

import rapidmask
from inputs import guarded, layouts, refuses
from reference import paste as reference
from reference import rle as masks_reference

OUTPUTS = ["bool", "uint8", "packed", "rle"]
METHODS = ["grid_sample", "interpolate"]
F = np.float32


def random_boxes(rng, n, height, width):
    """Boxes of many sizes, some of them beyond the image."""
    centres = rng.uniform(-0.1, 1.1, (n, 2)) * [width, height]
    halves = rng.uniform(0.3, 0.6, (n, 2)) * [width, height] * rng.choice([0.1, 0.5, 1, 2], (n, 1))
    return np.concatenate([centres - halves, centres + halves], 1).astype(F)


def dense(masks, output):
    """Masks of any form as booleans, once their form was found to be the one asked for."""
    if output in ("packed", "rle"):
        assert type(masks).__name__ == {"packed": "PackedMasks", "rle": "RLEMasks"}[output]
        if output == "packed":
            rapidmask.PackedMasks(masks.data, masks.size)  # refuses bits past the width
        else:
            assert masks == rapidmask.rle_encode(masks.to_dense())
        return masks.to_dense()
    assert masks.dtype == (np.bool_ if output == "bool" else np.uint8)
    assert masks.view(np.uint8).max(initial=0) <= 1
    return masks.view(np.uint8) == 1


def assert_pastes(masks, boxes, size, outputs=OUTPUTS, **rule):
    expected = reference.paste_masks(masks, boxes, size, **rule)
    for output in outputs:
        given, stats = rapidmask.paste_masks(masks, boxes, size, output=output, return_stats=True, **rule)
        found = dense(given, output)
        np.testing.assert_array_equal(found, expected, err_msg=f"{output} {rule}")
        assert stats.areas.dtype == stats.boxes.dtype == np.int64
        np.testing.assert_array_equal(stats.areas, expected.sum((1, 2)))
        np.testing.assert_array_equal(stats.boxes, masks_reference.boxes(expected))


# Worked examples


@pytest.mark.parametrize("output", OUTPUTS)
def test_by_eye(backend, isa, output):
    mask = np.array([[[0.9, 0.1], [0.9, 0.9]]], F)
    box = np.array([[1, 0, 5, 4]], F)
    expected = ["011000", "011000", "011110", "011110"]
    found = dense(rapidmask.paste_masks(mask, box, (4, 6), output=output), output)
    assert ["".join(map(str, row.astype(int))) for row in found[0]] == expected


def test_torchvisions_rule_by_eye(backend, isa):
    # A one with its padding is 3 by 3 values, and the box grows thrice: to 3 - 3 = 0 up to 3 + 3 = 6, which are seven
    # pixels. Those at 2, 3 and 4 lie at 4/7, 1 and 10/7 of the values, where the one still weighs 4/7, 1 and 4/7.
    found = rapidmask.paste_masks(np.ones((1, 1, 1), F), np.array([[2, 2, 4, 4]], F), (7, 8), method="interpolate")
    expected = ["00000000", "00000000", "00010000", "00111000", "00010000", "00000000", "00000000"]
    assert ["".join(map(str, row.astype(int))) for row in found[0]] == expected


# Against the definition


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (3, 5), (28, 28), (7, 66), (1, 130), (14, 1)])
@pytest.mark.parametrize("size", [(1, 1), (9, 70), (33, 64), (40, 131)])
def test_random_masks(backend, isa, rng, method, shape, size):
    if backend == "emu" and (isa != rapidmask.isa_levels()[0] or size == (40, 131)):
        pytest.skip("kernels have no levels")
    masks = rng.random((5, *shape), F)
    boxes = random_boxes(rng, 5, *size)
    assert_pastes(masks, boxes, size, method=method)
    assert_pastes(masks, boxes, size, ["packed"], method=method, op=">", threshold=float(masks[0, 0, 0]))


@pytest.mark.parametrize("method", METHODS)
def test_values_at_the_threshold(backend, isa, rng, method):
    # Zeros, ones and halves mix to exactly the threshold at many pixels.
    masks = rng.choice(np.array([0, 0.5, 1], F), (6, 4, 5))
    masks[0] = 0.5
    boxes = np.array(
        [[0, 0, 10, 8], [0, 0, 20, 16], [1, 1, 41, 33], [0.5, 0.5, 5.5, 4.5], [2, 2, 7, 6], [3, 1, 53, 19]]
    )
    for op in (">", ">="):
        assert_pastes(masks, boxes.astype(F), (20, 66), ["uint8"], method=method, op=op)


@pytest.mark.parametrize("method", METHODS)
def test_special_values(backend, isa, rng, method):
    masks = rng.choice(np.array([0, 1, -1, 1e-45, -1e-45, 3e38, -3e38, np.inf, -np.inf, np.nan], F), (8, 5, 6))
    masks[0, :] = np.inf
    masks[1, :] = 1
    masks[1, 2, 3] = np.nan
    masks[2] = 3e38
    boxes = random_boxes(rng, 8, 20, 70)
    boxes[:3] = [2, 2, 62, 18]
    for threshold in (0.5, 0.0, -0.0, -1.0, 1e-45, np.inf, -np.inf):
        for op in (">", ">="):
            assert_pastes(masks, boxes, (20, 70), ["uint8"], method=method, threshold=threshold, op=op)


@pytest.mark.parametrize("method", METHODS)
def test_thresholds_below_zero_leave_what_no_mask_reaches(backend, method):
    masks, boxes = np.zeros((1, 2, 2), F), np.array([[2, 2, 6, 6]], F)
    found = rapidmask.paste_masks(masks, boxes, (10, 10), threshold=-1, method=method)
    assert found.any()
    assert not found.all()
    np.testing.assert_array_equal(found, reference.paste_masks(masks, boxes, (10, 10), threshold=-1, method=method))


@pytest.mark.parametrize("method", METHODS)
def test_degenerate_boxes(backend, isa, rng, method):
    masks = np.ones((16, 3, 3), F)
    nan, inf = np.nan, np.inf
    boxes = np.array(
        [
            [5, 5, 5, 9], [5, 5, 9, 5], [5, 5, 5, 5], [9, 9, 5, 5], [nan, 1, 5, 5], [1, 1, 5, nan], [1, 1, inf, 5],
            [-inf, 1, 5, 5], [-inf, -inf, inf, inf], [-1e9, -1e9, 1e9, 1e9], [1e9, 1e9, 2e9, 2e9], [-3e38, 0, 3e38, 9],
            [0, 0, 1e-44, 5], [4.5, 4.5, 4.5000005, 4.5000005], [0, 0, 1e9, 1e9], [-1e20, -5, 1e20, 30],
        ],
        F,
    )  # fmt: skip
    assert_pastes(masks, boxes, (12, 70), method=method)
    if method == "grid_sample":
        empty = ~rapidmask.paste_masks(masks, boxes, (12, 70)).any((1, 2))
        assert empty.tolist() == [True] * 9 + [False, True, True, True, True, True, False]


@pytest.mark.parametrize("shape", [(0, 4, 4), (2, 0, 4), (2, 4, 0), (2, 0, 0), (2, 4, 4)])
@pytest.mark.parametrize("size", [(0, 0), (0, 9), (9, 0), (5, 6)])
@pytest.mark.parametrize("method", METHODS)
def test_empty_shapes(backend, shape, size, method):
    masks = np.ones(shape, F)
    boxes = np.resize(np.array([1, 1, 4, 4], F), (shape[0], 4))
    assert_pastes(masks, boxes, size, method=method)


@pytest.mark.parametrize("padding", [0, 1, 3])
def test_padding(backend, rng, padding):
    masks = rng.random((3, 5, 6), F)
    assert_pastes(masks, random_boxes(rng, 3, 20, 70), (20, 70), method="interpolate", padding=padding)


def test_many_rows_between_two_of_the_mask(backend, isa, rng):
    # More than a band of rows; a mask of one value, whose sides lie far apart.
    masks = rng.random((2, 2, 3), F)
    masks[0] = 1
    boxes = np.array([[0, -100, 66, 300], [-30, 0, 200, 180]], F)
    assert_pastes(masks, boxes, (180, 66))


# Types, layouts, results


@pytest.mark.parametrize("method", METHODS)
def test_half_precision(backend, isa, rng, method):
    masks = rng.random((3, 9, 9)).astype(np.float16)
    boxes = random_boxes(rng, 3, 30, 70)
    expected = rapidmask.paste_masks(masks.astype(F), boxes, (30, 70), method=method)
    np.testing.assert_array_equal(rapidmask.paste_masks(masks, boxes, (30, 70), method=method), expected)


def test_boxes_of_other_types(backend, rng):
    masks = rng.random((3, 9, 9), F)
    boxes = random_boxes(rng, 3, 30, 70).astype(np.float16)
    expected = rapidmask.paste_masks(masks, boxes.astype(F), (30, 70))
    for dtype in (np.float16, np.float64):
        np.testing.assert_array_equal(rapidmask.paste_masks(masks, boxes.astype(dtype), (30, 70)), expected)


def test_a_channel_between(backend, rng):
    masks, boxes = rng.random((3, 1, 9, 9), F), random_boxes(rng, 3, 30, 70)
    np.testing.assert_array_equal(
        rapidmask.paste_masks(masks, boxes, (30, 70)), rapidmask.paste_masks(masks[:, 0], boxes, (30, 70))
    )


def test_layouts(backend, rng):
    masks, boxes = rng.random((3, 9, 8), F), random_boxes(rng, 3, 30, 70)
    expected = reference.paste_masks(masks, boxes, (30, 70))
    for layout, view in layouts(masks):
        np.testing.assert_array_equal(rapidmask.paste_masks(view, boxes, (30, 70)), expected, err_msg=layout)
    for layout, view in layouts(boxes):
        np.testing.assert_array_equal(rapidmask.paste_masks(masks, view, (30, 70)), expected, err_msg=layout)


@pytest.mark.parametrize("output", ["bool", "uint8", "packed"])
def test_out(backend, isa, rng, output):
    masks, boxes = rng.random((3, 9, 8), F), random_boxes(rng, 3, 30, 70)
    boxes[1] = np.nan
    shape = (3, 30, 16) if output == "packed" else (3, 30, 70)
    out, untouched = guarded(shape, np.bool_ if output == "bool" else np.uint8)
    out.view(np.uint8)[...] = 1
    found = rapidmask.paste_masks(masks, boxes, (30, 70), output=output, out=out)
    assert (found.data if output == "packed" else found) is out
    assert untouched()
    np.testing.assert_array_equal(dense(found, output), reference.paste_masks(masks, boxes, (30, 70)))


@pytest.mark.parametrize(("n", "size"), [(5, (1000, 1001)), (5, (1001, 1024)), (60_000, (8, 9)), (40_000, (2, 65))])
@pytest.mark.parametrize("offset", [0, 1, 40])
def test_large_batches(isa, threads, rng, n, size, offset):
    # Those that are written past the caches: any alignment, and masks that share 64 bytes.
    masks, boxes = rng.random((n, 3, 4), F), random_boxes(rng, n, *size)
    boxes[rng.random(n) < 0.2] = 0
    memory = np.full(n * size[0] * size[1] + 128, 9, np.uint8)
    out = memory[offset : offset + n * size[0] * size[1]].reshape(n, *size)
    assert out.nbytes > 4 << 20
    expected = rapidmask.paste_masks(masks, boxes, size, output="packed").to_dense(np.uint8)
    for count in (1, 2):
        threads(count)
        out[...] = 7
        assert rapidmask.paste_masks(masks, boxes, size, output="uint8", out=out) is out
        np.testing.assert_array_equal(out, expected)
        assert (memory[:offset] == 9).all()
        assert (memory[offset + out.size :] == 9).all()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_any_number_of_threads(threads, rng, count):
    masks, boxes = rng.random((9, 9, 8), F), random_boxes(rng, 9, 600, 700)
    threads(1)
    expected = rapidmask.paste_masks(masks, boxes, (600, 700))
    threads(count)
    for output in OUTPUTS:
        np.testing.assert_array_equal(
            dense(rapidmask.paste_masks(masks, boxes, (600, 700), output=output), output), expected
        )


# As detectron2, mmdet and torchvision paste


def detectron2(torch, masks, boxes, height, width):
    """Values by torch's grid_sample on the whole image, from the rule of detectron2 and mmdet."""
    x0, y0, x1, y1 = torch.split(boxes, 1, dim=1)
    y = (torch.arange(height, dtype=torch.float32) + 0.5 - y0) / (y1 - y0) * 2 - 1
    x = (torch.arange(width, dtype=torch.float32) + 0.5 - x0) / (x1 - x0) * 2 - 1
    grid = torch.stack([x[:, None, :].expand(-1, height, width), y[:, :, None].expand(-1, height, width)], dim=3)
    return torch.nn.functional.grid_sample(masks[:, None], grid, align_corners=False)[:, 0]


def torchvision(torch, mask, box, height, width, padding=1):
    """Values of one mask by torch's interpolate, from torchvision's rule."""
    padded = torch.nn.functional.pad(mask, (padding,) * 4)
    scale = padded.shape[-1] / mask.shape[-1]
    half = (box[2:] - box[:2]) * 0.5 * scale
    centre = (box[2:] + box[:2]) * 0.5
    x0, y0, x1, y1 = torch.cat([centre - half, centre + half]).to(torch.int64).tolist()
    image = torch.zeros(height, width)
    if x1 < x0 or y1 < y0:
        return image
    resized = torch.nn.functional.interpolate(
        padded[None, None], size=(y1 - y0 + 1, x1 - x0 + 1), mode="bilinear", align_corners=False
    )[0, 0]
    left, top, right, bottom = max(x0, 0), max(y0, 0), min(x1 + 1, width), min(y1 + 1, height)
    if left < right and top < bottom:
        image[top:bottom, left:right] = resized[top - y0 : bottom - y0, left - x0 : right - x0]
    return image


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("smooth", [True, False])
def test_as_torch(isa, rng, method, smooth):
    torch = pytest.importorskip("torch")
    masks = rng.random((24, 28, 28), F)
    if smooth:
        y, x = np.mgrid[-1:1:28j, -1:1:28j]
        masks = np.stack([1 / (1 + np.exp(8 * (np.hypot(x * a, y) - 0.6))) for a in rng.uniform(0.5, 1.5, 24)]).astype(
            F
        )
    height, width = 211, 307
    boxes = random_boxes(rng, 24, height, width)
    given, corners = torch.from_numpy(masks), torch.from_numpy(boxes)
    if method == "grid_sample":
        values = detectron2(torch, given, corners, height, width)
    else:
        values = torch.stack([torchvision(torch, m, b, height, width) for m, b in zip(given, corners, strict=True)])
    found = rapidmask.paste_masks(given, corners, (height, width), method=method)
    assert isinstance(found, torch.Tensor)
    assert found.dtype == torch.bool
    differs = found != (values >= 0.5)
    assert ((values[differs] - 0.5).abs() < 1e-5).all()
    assert differs.sum() <= 1  # of 1.5 million
    assert found.any(2).any(1).sum() > 12
    for form in (torch.bfloat16, torch.float16):
        rough = given.to(form)
        same = rapidmask.paste_masks(rough.float(), corners, (height, width), method=method, output="packed")
        assert rapidmask.paste_masks(rough, corners, (height, width), method=method, output="packed") == same
    masks, (areas, found_boxes) = rapidmask.paste_masks(
        given, corners, (height, width), method=method, output="rle", return_stats=True
    )
    assert isinstance(masks.counts, torch.Tensor)
    assert torch.equal(areas, found.sum((1, 2)))
    assert torch.equal(found_boxes, rapidmask.masks_to_boxes(found))


# Memory


def test_rle_takes_little_memory(rng):
    # 300 masks on 12 megapixels would take 429 MiB packed.
    resource = pytest.importorskip("resource")
    masks = rng.random((300, 28, 28), F)
    boxes = random_boxes(rng, 300, 3000, 4000) * F(0.2)
    rapidmask.paste_masks(masks[:2], boxes[:2], (3000, 4000), output="rle")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    runs = rapidmask.paste_masks(masks, boxes, (3000, 4000), output="rle")
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert (after - before) * 1024 < (64 << 20) + 3 * runs.counts.nbytes


# Errors

MASKS, BOXES = np.zeros((2, 3, 3), F), np.zeros((2, 4), F)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "text"),
    [
        ((MASKS[0], BOXES, (5, 5)), {}, ValueError, "masks must have shape (N, h, w) or (N, 1, h, w), got (3, 3)"),
        (
            (np.zeros((2, 2, 3, 3), F), BOXES, (5, 5)), {}, ValueError,
            "masks must have shape (N, h, w) or (N, 1, h, w), got (2, 2, 3, 3)",
        ),
        (
            (MASKS.astype(np.float64), BOXES, (5, 5)), {}, TypeError,
            "masks must be float32, float16 or bfloat16, got float64",
        ),
        ((MASKS > 0, BOXES, (5, 5)), {}, TypeError, "masks must be float32, float16 or bfloat16, got bool"),
        ((MASKS, BOXES[:1], (5, 5)), {}, ValueError, "boxes must have shape (2, 4), got (1, 4)"),
        ((MASKS, BOXES[:, :3], (5, 5)), {}, ValueError, "boxes must have shape (2, 4), got (2, 3)"),
        ((MASKS, BOXES.astype(bool), (5, 5)), {}, TypeError, "boxes must be float32, float16 or bfloat16, got bool"),
        ((MASKS, BOXES, (5,)), {}, ValueError, "size must be two integers (H, W), got (5,)"),
        ((MASKS, BOXES, (5, -1)), {}, ValueError, "size must not be negative, got (5, -1)"),
        ((MASKS, BOXES, (2**31, 1)), {}, ValueError, "size must be at most 2^31 - 1 by 2^31 - 1, got (2147483648, 1)"),
        ((MASKS, BOXES, (5, 5)), {"op": "<"}, ValueError, "op must be '>' or '>=', got '<'"),
        ((MASKS, BOXES, (5, 5)), {"threshold": np.nan}, ValueError, "threshold must not be NaN, got nan"),
        ((MASKS, BOXES, (5, 5)), {"padding": -1}, ValueError, "padding must be from 0 to 2^20 - 1, got -1"),
        (
            (MASKS, BOXES, (5, 5)), {"method": "nearest"}, ValueError,
            "method must be 'grid_sample' or 'interpolate', got 'nearest'",
        ),
        (
            (MASKS, BOXES, (5, 5)), {"output": "float"}, ValueError,
            "output must be one of bool, uint8, packed, rle, got 'float'",
        ),
        (
            (MASKS, BOXES, (5, 5)), {"output": "rle", "out": MASKS}, ValueError,
            "out must be None when output is 'rle'",
        ),
        (
            (MASKS, BOXES, (5, 5)), {"out": np.zeros((2, 5, 4), bool)}, ValueError,
            "out must have shape (2, 5, 5), got shape (2, 5, 4)",
        ),
        ((MASKS, BOXES, (5, 5)), {"out": np.zeros((2, 5, 5), np.uint8)}, TypeError, "out must be bool, got uint8"),
    ],
)  # fmt: skip
def test_errors(backend, arguments, options, error, text):
    with refuses(error, f"paste_masks: {text}"):
        rapidmask.paste_masks(*arguments, **options)


@pytest.mark.parametrize("dtype", [">f8", ">f4", "<f2", "int32", ">i2"])
def test_boxes_of_other_byte_orders(dtype):
    boxes = BOXES.round().astype(dtype)
    expected = rapidmask.paste_masks(MASKS, boxes.astype(np.float32), (5, 5))
    np.testing.assert_array_equal(rapidmask.paste_masks(MASKS, boxes, (5, 5)), expected)
