"""Prototypes and coefficients to masks."""

import itertools
import resource

import numpy as np
import pytest

import rapidmask
from inputs import guarded, layouts, refuses
from reference import prototypes as reference
from reference import upsample

F = np.float32
SIZES = [((20, 20), (80, 80)), ((12, 16), (45, 128)), ((9, 30), (70, 67)), ((16, 9), (7, 65)), ((5, 6), (5, 6))]
GEOMETRIES = {
    "plain": {},
    "letterbox": {"letterbox": (80, 80)},
    "resized first": {"letterbox": (80, 80), "pre_upsample": "auto"},
    "twice as large first": {"pre_upsample": 2},
    "cropped before": {"crop": "before"},
    "YOLACT": {"crop": "before", "activation": "sigmoid"},
}


def smooth(rng, shape):
    return upsample.resize(rng.normal(size=(*shape[:-2], 3, 4)).astype(F), shape[-2:])


def make_boxes(rng, count, size):
    """Boxes within the image, over its edges, around all of it, without pixels, and of no number."""
    height, width = size
    corners = rng.uniform(-0.1, 1.1, (count, 2, 2)) * [width, height]
    boxes = np.concatenate([corners.min(1), corners.max(1)], axis=1)
    awkward = [
        [0, 0, width, height], [-5, -5, width + 9, height + 9], [3, 3, 3, 9], [3.2, 0, 3.9, height], [9, 9, 2, 2],
        [np.nan, 0, width, height], [1, 1, 2, 2], [0.5, 0.5, 1.5, 1.5], [-9, 0, 0, height],
        [width, 0, width + 5, height], [-np.inf, -np.inf, np.inf, np.inf],
    ]  # fmt: skip
    return np.concatenate([boxes, np.array(awkward)]).astype(F)


def assert_masks(
    prototypes, coefficients, boxes, size, *, threshold=0.0, op=">", outputs=("bool", "packed", "rle"), **geometry
):
    """Every form of the masks, with and without statistics, is its definition."""
    values, kept = reference.values(prototypes, coefficients, boxes, size, **geometry)
    expected = upsample.compare(values, threshold, op) & kept
    expected_statistics = reference.statistics(values, kept, threshold, op, 0.25)
    for output in outputs:
        options = {"threshold": threshold, "op": op, "output": output, **geometry}
        masks = rapidmask.decode_prototypes(prototypes, coefficients, boxes, size, **options)
        counted, found = rapidmask.decode_prototypes(
            prototypes, coefficients, boxes, size, return_stats=True, offset=0.25, **options
        )
        for result in (masks, counted):
            if output == "packed":
                rapidmask.PackedMasks(result.data, result.size)  # refuses bits past the width
            dense = result if output in ("bool", "uint8") else result.to_dense()
            np.testing.assert_array_equal(dense.view(np.uint8), expected)
        for one, other in zip(found, expected_statistics, strict=True):
            np.testing.assert_array_equal(one, other)
            assert one.dtype == other.dtype


# Worked examples


def test_a_combination_by_eye(backend):
    prototypes = np.array([[[1, -1], [1, -1]], [[0, 0], [0, 4]]], F)
    coefficients = np.array([[1, 0], [1, 1], [-1, 0]], F)
    boxes = np.array([[0, 0, 2, 2], [0, 0, 2, 2], [0, 1, 2, 2]], F)
    masks = rapidmask.decode_prototypes(prototypes, coefficients, boxes, (2, 2), output="uint8")
    assert masks.tolist() == [[[1, 0], [1, 0]], [[1, 0], [1, 1]], [[0, 0], [0, 1]]]


def test_boxes_keep_pixels_by_their_index(backend):
    ones = np.ones((1, 2, 2), F)
    boxes = np.array([[0.9, 1, 3, 2.1], [1, 1.1, 3.1, 2]], F)
    masks = rapidmask.decode_prototypes(ones, np.ones((2, 1), F), boxes, (4, 4), output="uint8")
    assert masks[0].tolist() == [[0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    assert masks[1].tolist() == [[0] * 4] * 4  # no integer is in [1.1, 2)


def test_cropping_before_reaches_beyond_the_box(backend):
    ones = np.ones((1, 4, 4), F)
    box = np.array([[4, 4, 8, 8]], F)  # the grid's cell (2, 2) and (3, 3) of 16 pixels
    after = rapidmask.decode_prototypes(ones, np.ones((1, 1), F), box, (16, 16))
    before = rapidmask.decode_prototypes(ones, np.ones((1, 1), F), box, (16, 16), crop="before")
    assert rapidmask.masks_to_boxes(after).tolist() == [[4, 4, 8, 8]]
    assert rapidmask.masks_to_boxes(before).tolist() == [[2, 2, 10, 10]]


def test_the_letterbox_is_cut_by_eye(backend):
    # A picture of 2×4 in a model input of 4×4, a row of padding above and below, of which prototypes are half.
    grid = np.arange(1, 5, dtype=F).reshape(1, 4, 1) * np.ones((1, 1, 4), F)
    box = np.array([[0, 0, 4, 2]], F)
    masks = rapidmask.decode_prototypes(grid, np.ones((1, 1), F), box, (2, 4), threshold=2.5, letterbox=(4, 4))
    assert masks[0].tolist() == [[False] * 4, [True] * 4]


# Against the definition


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("kind", ["smooth", "noisy"])
def test_masks_are_their_definition(isa, rng, geometry, kind):
    for grid, size in SIZES:
        shape = (5, *grid)
        prototypes = smooth(rng, shape) if kind == "smooth" else rng.normal(size=shape).astype(F)
        boxes = make_boxes(rng, 12, size)
        coefficients = rng.normal(size=(len(boxes), 5)).astype(F)
        for threshold, op in ((0.0, ">"), (0.5, ">=")):
            assert_masks(prototypes, coefficients, boxes, size, threshold=threshold, op=op, **GEOMETRIES[geometry])


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_kernels_are_their_definition(backend, rng, geometry):
    for grid, size in SIZES[1:]:
        prototypes = smooth(rng, (3, *grid))
        boxes = make_boxes(rng, 3, size)
        coefficients = rng.normal(size=(len(boxes), 3)).astype(F)
        assert_masks(prototypes, coefficients, boxes, size, outputs=("bool",), **GEOMETRIES[geometry])
    assert_masks(prototypes, coefficients, boxes, size, threshold=0.5, **GEOMETRIES[geometry])


@pytest.mark.parametrize(("threshold", "op"), [(0.0, ">="), (-0.5, ">"), (-np.inf, ">=")])
def test_zeros_outside_of_a_box_may_be_foreground(backend, isa, rng, threshold, op):
    boxes = make_boxes(rng, 2, (40, 70))
    coefficients = rng.normal(size=(len(boxes), 2)).astype(F)
    prototypes = rng.normal(size=(2, 10, 12)).astype(F)
    assert_masks(prototypes, coefficients, boxes, (40, 70), threshold=threshold, op=op, crop="before")


@pytest.mark.parametrize("channels", [1, 2, 33])
@pytest.mark.parametrize("width", [1, 7, 15, 16, 17, 33, 64, 70, 130])
def test_channels_and_widths_of_grids(isa, rng, channels, width):
    prototypes = rng.normal(size=(channels, 3, width)).astype(F)
    boxes = make_boxes(rng, 6, (9, 3 * width))
    coefficients = rng.normal(size=(len(boxes), channels)).astype(F)
    assert_masks(prototypes, coefficients, boxes, (9, 3 * width), outputs=("packed",))


def test_values_that_are_no_numbers(backend, isa, rng):
    prototypes = rng.normal(size=(3, 9, 20)).astype(F)
    prototypes[0, 2, 3], prototypes[1, 5, 9], prototypes[2, 7, 7] = np.nan, np.inf, -np.inf
    boxes = make_boxes(rng, 4, (30, 70))
    coefficients = rng.normal(size=(len(boxes), 3)).astype(F)
    for size in ((30, 70), (36, 80)):
        assert_masks(prototypes, coefficients, boxes, size, outputs=("bool",))


@pytest.mark.parametrize("width", [16, 17, 33, 40, 100])
def test_boxes_in_grids_that_are_enlarged_fourfold(isa, rng, width):
    prototypes = rng.normal(size=(3, 12, width)).astype(F)
    boxes = make_boxes(rng, 20, (48, 4 * width))
    coefficients = rng.normal(size=(len(boxes), 3)).astype(F)
    for crop in ("before", "after"):
        assert_masks(prototypes, coefficients, boxes, (48, 4 * width), outputs=("packed",), crop=crop)


@pytest.mark.parametrize("output", ["bool", "packed", "rle"])
def test_images_of_a_batch(backend, isa, rng, output):
    prototypes = rng.normal(size=(3, 4, 10, 12)).astype(F)
    boxes = make_boxes(rng, 9, (30, 40))
    coefficients = rng.normal(size=(len(boxes), 4)).astype(F)
    index = rng.choice([0, 2], len(boxes))  # the second image has no detections
    masks = rapidmask.decode_prototypes(prototypes, coefficients, boxes, (30, 40), batch_index=index, output=output)
    dense = masks if output == "bool" else masks.to_dense()
    for image in range(3):
        mine = index == image
        alone = rapidmask.decode_prototypes(prototypes[image], coefficients[mine], boxes[mine], (30, 40))
        np.testing.assert_array_equal(dense[mine], alone)
    first = rapidmask.decode_prototypes(prototypes[:1], coefficients, boxes, (30, 40))
    np.testing.assert_array_equal(first, rapidmask.decode_prototypes(prototypes[0], coefficients, boxes, (30, 40)))


@pytest.mark.parametrize("dtype", [np.float16, F])
def test_types_and_layouts(backend, isa, rng, dtype):
    prototypes = rng.normal(size=(3, 10, 12)).astype(dtype)
    coefficients = rng.normal(size=(4, 3)).astype(dtype)
    boxes = np.array([[0, 0, 30, 20], [2, 3, 20, 20], [10, 10, 40, 40], [7, 0, 9, 40]])
    expected = rapidmask.decode_prototypes(prototypes.astype(F), coefficients.astype(F), boxes.astype(F), (40, 41))
    for given in (np.float64, np.int32, np.uint8, F):
        masks = rapidmask.decode_prototypes(prototypes, coefficients, boxes.astype(given), (40, 41))
        np.testing.assert_array_equal(masks, expected)
    for (name, planes), (_, factors), (_, corners) in zip(
        layouts(prototypes), layouts(coefficients), layouts(boxes.astype(F)), strict=True
    ):
        masks = rapidmask.decode_prototypes(planes, factors, corners, (40, 41))
        np.testing.assert_array_equal(masks, expected, err_msg=name)


@pytest.mark.parametrize("output", ["bool", "packed", "rle"])
def test_nothing_to_decode(backend, output):
    prototypes = np.ones((2, 4, 5), F)
    none = rapidmask.decode_prototypes(prototypes, np.zeros((0, 2), F), np.zeros((0, 4), F), (9, 9), output=output)
    assert len(none) == 0
    boxes = np.array([[0, 0, 9, 9]], F)
    for size in ((0, 5), (5, 0), (0, 0)):
        masks, found = rapidmask.decode_prototypes(
            prototypes, np.ones((1, 2), F), boxes, size, output=output, return_stats=True
        )
        assert len(masks) == 1
        assert found.areas.tolist() == [0]
        assert found.boxes.tolist() == [[0] * 4]
        assert np.isnan(found.stability).all()


def test_masks_of_several_threads(isa, threads, rng):
    prototypes = smooth(rng, (8, 40, 40))
    boxes = make_boxes(rng, 40, (300, 301))
    coefficients = rng.normal(size=(len(boxes), 8)).astype(F)
    expected = rapidmask.decode_prototypes(prototypes, coefficients, boxes, (300, 301))
    for count in (1, 2, 5):
        threads(count)
        for output in ("bool", "packed", "rle"):
            masks = rapidmask.decode_prototypes(prototypes, coefficients, boxes, (300, 301), output=output)
            np.testing.assert_array_equal(masks if output == "bool" else masks.to_dense(), expected)


@pytest.mark.parametrize("size", [(5, 64), (7, 65), (30, 200), (1, 1)])
@pytest.mark.parametrize("output", ["bool", "uint8", "packed"])
def test_out_is_written(backend, isa, rng, size, output):
    prototypes, boxes = rng.normal(size=(2, 9, 20)).astype(F), make_boxes(rng, 3, size)
    coefficients = rng.normal(size=(len(boxes), 2)).astype(F)
    n = len(boxes)
    shape = (n, size[0], 8 * -(-size[1] // 64)) if output == "packed" else (n, *size)
    out, untouched = guarded(shape, bool if output == "bool" else np.uint8)
    out.view(np.uint8)[...] = 0xA5
    result = rapidmask.decode_prototypes(prototypes, coefficients, boxes, size, output=output, out=out)
    expected = rapidmask.decode_prototypes(prototypes, coefficients, boxes, size)
    if output == "packed":
        assert result.data is out
        np.testing.assert_array_equal(result.to_dense(), expected)
    else:
        assert result is out
        np.testing.assert_array_equal(result.view(np.uint8), expected.view(np.uint8))
    assert untouched()


@pytest.mark.parametrize("output", ["bool", "packed"])
def test_masks_that_go_past_the_caches(isa, rng, output):
    # More than 16 MiB, in memory that holds something else.
    size, count = (1024, 1100), 16 if output == "bool" else 130
    prototypes = smooth(rng, (2, 8, 9))
    boxes = np.concatenate([make_boxes(rng, 4, size)] * -(-count // 15))[:count]
    coefficients = rng.normal(size=(count, 2)).astype(F)
    shape = (count, 1024, 8 * 18) if output == "packed" else (count, *size)
    out, untouched = guarded(shape, bool if output == "bool" else np.uint8, guard=24)
    out.view(np.uint8)[...] = 0xA5
    masks = rapidmask.decode_prototypes(prototypes, coefficients, boxes, size, output=output, out=out)
    assert untouched()
    for i in range(0, count, 15):
        alone = rapidmask.decode_prototypes(prototypes, coefficients[i : i + 9], boxes[i : i + 9], size)
        dense = masks[i : i + 9] if output == "bool" else masks[i : i + 9].to_dense()
        np.testing.assert_array_equal(dense.view(np.uint8), alone)


def test_run_lengths_need_little_memory(rng):
    prototypes, size = smooth(rng, (4, 40, 40)), (3000, 4000)
    boxes = make_boxes(rng, 49, size)
    coefficients = rng.normal(size=(len(boxes), 4)).astype(F)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    masks = rapidmask.decode_prototypes(prototypes, coefficients, boxes, size, output="rle")  # 90 MB packed
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 65_536  # KiB
    np.testing.assert_array_equal(
        masks[:2].to_dense(), rapidmask.decode_prototypes(prototypes, coefficients[:2], boxes[:2], size)
    )


# The letterbox's rule


@pytest.mark.parametrize("width", [1, 37, 333, 500, 639, 640, 641, 1280])
def test_the_letterbox_of_any_picture(rng, width):
    for height, grid in itertools.product((1, 41, 427, 480, 640, 721), ((20, 20), (12, 20))):
        size = (height, width)
        letterbox = (4 * grid[0], 4 * grid[1])
        prototypes, box = smooth(rng, (2, *grid)), np.array([[0, 0, width, height]], F)
        coefficients = rng.normal(size=(1, 2)).astype(F)
        for factor in (1, "auto"):
            assert_masks(
                prototypes, coefficients, box, size, outputs=("packed",), letterbox=letterbox, pre_upsample=factor
            )


# Against torch


def torch_native(prototypes, coefficients, boxes, size):
    """Values of a composition in torch with the padding cut, resized by the factor first, and cropped."""
    import torch

    def resized(x, to):
        return torch.nn.functional.interpolate(x[None], to, mode="bilinear", align_corners=False)[0]

    channels, height, width = prototypes.shape
    x = (torch.from_numpy(coefficients) @ torch.from_numpy(prototypes).reshape(channels, -1)).view(-1, height, width)
    factor = reference.automatic_factor((4 * height, 4 * width), size)
    if factor != 1:
        x = resized(x, (factor * height, factor * width))
    top, left, kept_h, kept_w = reference.padding(x.shape[1:], size)
    return resized(x[:, top : top + kept_h, left : left + kept_w], size).numpy(), reference.inside(boxes, *size)


@pytest.mark.parametrize("size", [(427, 640), (720, 1280), (333, 500), (640, 480)])
def test_masks_are_those_of_torch(rng, size):
    pytest.importorskip("torch")
    prototypes = smooth(rng, (32, 160, 160))
    boxes = make_boxes(rng, 6, size)
    coefficients = rng.normal(size=(len(boxes), 32)).astype(F)
    values, kept = torch_native(prototypes, coefficients, boxes, size)
    masks = rapidmask.decode_prototypes(
        prototypes, coefficients, boxes, size, letterbox=(640, 640), pre_upsample="auto"
    )
    differing = masks != ((values > 0) & kept)
    assert differing.mean() < 1e-6
    assert (np.abs(values[differing]) < 1e-5 * np.ptp(values)).all()


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_tensors_of_torch(dtype):
    torch = pytest.importorskip("torch")
    generator = torch.Generator().manual_seed(2)
    prototypes = torch.randn((2, 4, 20, 20), generator=generator).to(getattr(torch, dtype))
    coefficients = torch.randn((3, 4), generator=generator).to(getattr(torch, dtype))
    boxes = torch.tensor([[0.0, 0, 60, 50], [10, 10, 50, 80], [5, 20, 70, 60]])
    index = torch.tensor([1, 0, 1], dtype=torch.int32)
    masks = rapidmask.decode_prototypes(prototypes, coefficients, boxes, (80, 80), batch_index=index)
    assert isinstance(masks, torch.Tensor)
    for i in range(3):
        values, kept = reference.values(
            prototypes[int(index[i])].float().numpy(),
            coefficients[i : i + 1].float().numpy(),
            boxes[i : i + 1].numpy(),
            (80, 80),
        )
        np.testing.assert_array_equal(masks[i : i + 1].numpy(), (values > 0) & kept)


# What is refused


def test_what_is_refused(backend):
    prototypes, coefficients, boxes = np.zeros((2, 4, 5), F), np.zeros((3, 2), F), np.zeros((3, 4), F)
    call = rapidmask.decode_prototypes
    name = "decode_prototypes: "
    with refuses(TypeError, name + "prototypes must be float32, float16 or bfloat16, got float64"):
        call(prototypes.astype(np.float64), coefficients, boxes, (4, 5))
    with refuses(TypeError, name + "coefficients must be float32, float16 or bfloat16, got float64"):
        call(prototypes, coefficients.astype(np.float64), boxes, (4, 5))
    with refuses(TypeError, name + "boxes must be float32, float16 or bfloat16, got bool"):
        call(prototypes, coefficients, boxes.astype(bool), (4, 5))
    with refuses(
        ValueError,
        name + "prototypes must have shape (C, h, w) or (B, C, h, w) with at least one channel, got shape (4, 5)",
    ):
        call(prototypes[0], coefficients, boxes, (4, 5))
    with refuses(ValueError, name + "coefficients must have shape (N, 2), got shape (3, 3)"):
        call(prototypes, np.zeros((3, 3), F), boxes, (4, 5))
    with refuses(ValueError, name + "boxes must have shape (N, 4), got shape (3, 5)"):
        call(prototypes, coefficients, np.zeros((3, 5), F), (4, 5))
    with refuses(ValueError, name + "boxes must be as many as coefficients, got 2 and 3"):
        call(prototypes, coefficients, boxes[:2], (4, 5))
    with refuses(ValueError, name + "batch_index must be None where prototypes are those of one image"):
        call(prototypes, coefficients, boxes, (4, 5), batch_index=np.zeros(3, np.int64))
    several = np.zeros((2, 2, 4, 5), F)
    with refuses(
        ValueError,
        name + "batch_index must tell the image of each detection where prototypes are those of several, got None",
    ):
        call(several, coefficients, boxes, (4, 5))
    with refuses(ValueError, name + "batch_index must be int64 with shape (3,), got int64 with shape (2,)"):
        call(several, coefficients, boxes, (4, 5), batch_index=np.zeros(2, np.int64))
    if backend == "cpu":
        with refuses(ValueError, name + "batch_index must be below 2 and not negative, got 2"):
            call(several, coefficients, boxes, (4, 5), batch_index=np.array([0, 2, 1]))
    else:
        index = np.array([0, 2, -1])
        masks = call(
            several, coefficients, boxes + np.array([0, 0, 5, 4], F), (4, 5), batch_index=index, threshold=-1.0
        )
        assert masks.any((1, 2)).tolist() == [True, False, False]
    with refuses(ValueError, name + "crop must be 'after' or 'before', got 'never'"):
        call(prototypes, coefficients, boxes, (4, 5), crop="never")
    with refuses(ValueError, name + "letterbox must be None when crop is 'before'"):
        call(prototypes, coefficients, boxes, (4, 5), crop="before", letterbox=(4, 4))
    with refuses(ValueError, name + "letterbox must be two integers from 1 to 2^24, got (0, 4)"):
        call(prototypes, coefficients, boxes, (4, 5), letterbox=(0, 4))
    with refuses(ValueError, name + "pre_upsample must be a positive integer or 'auto', got 0"):
        call(prototypes, coefficients, boxes, (4, 5), pre_upsample=0)
    with refuses(ValueError, name + "pre_upsample must be a number where letterbox is None, got 'auto'"):
        call(prototypes, coefficients, boxes, (4, 5), pre_upsample="auto")
    with refuses(ValueError, name + "size must be two integers from 0 to 2^24, got (4, -5)"):
        call(prototypes, coefficients, boxes, (4, -5))
