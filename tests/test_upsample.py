"""Logits to masks of another size."""

import resource

import numpy as np
import pytest

import rapidmask
from inputs import guarded, layouts, refuses
from reference import upsample as reference

F = np.float32
# Sizes of logits and of masks: enlarged by whole and by other factors, made smaller, both, and kept.
SIZES = [
    ((1, 1), (1, 1)), ((1, 1), (5, 70)), ((16, 16), (64, 64)), ((17, 40), (33, 65)), ((9, 30), (64, 129)),
    ((5, 3), (3, 5)), ((20, 150), (7, 31)), ((40, 40), (40, 40)), ((1, 30), (3, 300)), ((64, 8), (3, 63)),
    ((33, 70), (34, 71)), ((2, 2), (100, 3)), ((7, 300), (9, 70)), ((9, 17), (36, 68)), ((3, 100), (13, 400)),
]  # fmt: skip
STAGES = {
    "one": {},
    "two": {"intermediate": (40, 50)},
    "two, cropped": {"intermediate": (40, 50), "crop": (30, 41)},
    "two, smaller": {"intermediate": (6, 5), "crop": (5, 3)},
}


def smooth(rng, shape):
    """Logits with large areas of either sign."""
    coarse = rng.normal(size=(*shape[:-2], 3, 4)).astype(F)
    return reference.resize(4 * coarse, shape[-2:])


def noisy(rng, shape):
    return rng.normal(size=shape).astype(F)


def hostile(rng, shape):
    """Noise with everything that is awkward for arithmetic or for the threshold in it."""
    values = [0, -0.0, np.inf, -np.inf, np.nan, 1e-45, -1e-45, 1e-38, 3e38, -3e38, 0.5, 1]
    return np.where(rng.random(shape) < 0.5, rng.choice(np.array(values, F), shape), noisy(rng, shape))


def tiny(rng, shape):
    """Noise of numbers that have few bits left, or none once they are weighed."""
    return (rng.integers(-9, 10, shape) * 1e-45).astype(F)


def patchy(rng, shape):
    """Smooth logits with bands of noise, in which not a single block is known."""
    noise = np.where(rng.random(shape) < 0.1, hostile(rng, shape), noisy(rng, shape))
    return np.where((np.arange(shape[-2]) // 5 % 2 == 0)[:, None], smooth(rng, shape), noise)


LOGITS = {"smooth": smooth, "noisy": noisy, "hostile": hostile}


def assert_masks(
    logits, size, *, threshold=0.0, op=">", offset=0.5, outputs=("bool", "uint8", "packed", "rle"), **stages
):
    """Every form of the masks, with and without statistics, is its definition."""
    values = reference.values(logits, size, **stages)
    expected = reference.compare(values, threshold, op)
    areas, boxes, stability = reference.statistics(
        values.reshape(int(np.prod(logits.shape[:-2])), *size), threshold, op, offset
    )
    for output in outputs:
        options = {"threshold": threshold, "op": op, "output": output, **stages}
        masks = rapidmask.upsample_masks(logits, size, **options)
        counted, found = rapidmask.upsample_masks(logits, size, return_stats=True, offset=offset, **options)
        for result in (masks, counted):
            if output in ("packed", "rle"):
                kind = rapidmask.PackedMasks if output == "packed" else rapidmask.RLEMasks
                assert type(result) is kind
                assert result.size == tuple(size)
                dense = result.to_dense()
                if output == "packed":
                    rapidmask.PackedMasks(result.data, result.size)  # refuses bits past the width
                np.testing.assert_array_equal(dense, expected.reshape(dense.shape))
            else:
                assert result.dtype == np.dtype(output)
                np.testing.assert_array_equal(result.view(np.uint8), expected)
        np.testing.assert_array_equal(found.areas, areas.reshape(logits.shape[:-2]))
        np.testing.assert_array_equal(found.boxes, boxes.reshape(*logits.shape[:-2], 4))
        np.testing.assert_array_equal(found.stability, stability.reshape(logits.shape[:-2]))
        assert found.stability.dtype == F
        assert found.areas.dtype == found.boxes.dtype == np.int64


# Worked examples


def test_a_step_by_eye(backend):
    # Positions of the six pixels in the three logits: -0.25, 0.25, 0.75, 1.25, 1.75, 2.25.
    logits = np.array([[-1, 1, -3]], F)
    masks = rapidmask.upsample_masks(logits, (1, 6), output="uint8")
    assert masks.tolist() == [[0, 0, 1, 0, 0, 0]]  # -1, -0.5, 0.5, 0, -2, -3: 0 is no foreground
    assert rapidmask.upsample_masks(logits, (1, 6), op=">=", output="uint8").tolist() == [[0, 0, 1, 1, 0, 0]]
    assert rapidmask.upsample_masks(logits, (1, 6), threshold=-0.75).tolist() == [
        [False, True, True, True, False, False]
    ]


def test_statistics_by_eye(backend):
    logits = np.array([[[-1, 1, -3]], [[-9, -9, -9]]], F)
    masks, statistics = rapidmask.upsample_masks(logits, (1, 6), return_stats=True, offset=0.75)
    assert masks.any(axis=(1, 2)).tolist() == [True, False]
    assert statistics.areas.tolist() == [1, 0]
    assert statistics.boxes.tolist() == [[2, 0, 3, 1], [0, 0, 0, 0]]
    assert statistics.stability[0] == 0  # nothing is above 0.75, three pixels are above -0.75
    assert np.isnan(statistics.stability[1])


def test_the_padding_is_cropped_by_eye(backend):
    # Four logits to four pixels, of which the first two are kept and enlarged.
    logits = np.array([[1, -1, 9, 9], [1, -1, 9, 9], [9, 9, 9, 9], [9, 9, 9, 9]], F)
    masks = rapidmask.upsample_masks(logits, (2, 4), intermediate=(4, 4), crop=(2, 2), output="uint8")
    assert masks.tolist() == [[1, 1, 0, 0], [1, 1, 0, 0]]
    np.testing.assert_array_equal(rapidmask.upsample_masks(logits, (2, 4), crop=(2, 2)), masks)


# Against the definition


@pytest.mark.parametrize("kind", LOGITS)
@pytest.mark.parametrize(("given", "size"), SIZES)
def test_masks_are_their_definition(isa, rng, given, size, kind):
    logits = LOGITS[kind](rng, (2, *given))
    for threshold, op in ((0.0, ">"), (0.0, ">="), (0.5, ">"), (-1.5, ">=")):
        assert_masks(logits, size, threshold=threshold, op=op)


@pytest.mark.parametrize("stages", STAGES)
@pytest.mark.parametrize("kind", LOGITS)
def test_stages_are_their_definition(isa, rng, stages, kind):
    for given, size in SIZES:
        logits = LOGITS[kind](rng, (2, *given))
        assert_masks(logits, size, outputs=("bool", "packed"), **STAGES[stages])
        assert_masks(logits, size, outputs=("bool",), threshold=0.5, activation="sigmoid", **STAGES[stages])
        assert_masks(logits, size, outputs=("rle",), crop=(given[0], (given[1] + 1) // 2))


@pytest.mark.parametrize("stages", STAGES)
@pytest.mark.parametrize("kind", LOGITS)
def test_kernels_are_their_definition(backend, rng, stages, kind):
    for given, size in SIZES[:9]:
        logits = LOGITS[kind](rng, (2, *given))
        assert_masks(logits, size, outputs=("bool",), **STAGES[stages])
    assert_masks(logits, size, threshold=0.5, op=">=", activation="sigmoid", **STAGES[stages])


@pytest.mark.parametrize("threshold", [np.inf, -np.inf, 1e-45, -1e-40, 1e38, -3e38])
@pytest.mark.parametrize("op", [">", ">="])
def test_extreme_thresholds(backend, isa, rng, threshold, op):
    for kind in LOGITS.values():
        with np.errstate(invalid="ignore"):
            assert_masks(kind(rng, (1, 9, 20)), (30, 67), threshold=threshold, op=op, outputs=("bool",))


@pytest.mark.parametrize("threshold", [0.1, 1.0, -3.0, 1e6])
def test_values_of_all_but_the_threshold(isa, rng, threshold):
    # Logits a few last places from the threshold, where mixing rounds to either side of it.
    steps = rng.integers(-3, 4, (2, 20, 30))
    logits = (F(threshold).view(np.int32) + steps.astype(np.int32)).view(F)
    for op in (">", ">="):
        for size in ((47, 133), (80, 120)):
            assert_masks(logits, size, threshold=threshold, op=op, outputs=("bool",))
        assert_masks(
            logits, (47, 133), threshold=threshold, op=op, outputs=("bool",), intermediate=(60, 80), crop=(50, 77)
        )


def test_zeros_are_on_the_side_of_the_comparison(backend, isa, rng):
    logits = np.where(rng.random((2, 9, 40)) < 0.8, F(0), noisy(rng, (2, 9, 40)))
    for op in (">", ">="):
        assert_masks(logits, (31, 150), op=op)
        assert_masks(-logits, (31, 150), op=op)


@pytest.mark.parametrize("kind", [tiny, patchy])
@pytest.mark.parametrize(
    ("size", "stages"),
    [
        ((76, 136), {}),
        ((38, 272), {}),
        ((75, 137), {}),
        ((90, 160), {"intermediate": (76, 136), "crop": (72, 128)}),
        ((50, 200), {"intermediate": (76, 136), "crop": (72, 129)}),
        ((200, 134), {"intermediate": (19, 67), "crop": (19, 60)}),
    ],
)
def test_rows_of_noise(backend, isa, rng, kind, size, stages):
    if backend == "emu" and isa != rapidmask.isa_levels()[0]:
        pytest.skip("kernels have no levels")
    logits = kind(rng, (2, 19, 34))
    for threshold, op in ((0.0, ">"), (-0.0, ">="), (1e-45, ">"), (-3e-45, ">="), (0.25, ">=")):
        assert_masks(logits, size, threshold=threshold, op=op, outputs=("packed",), **stages)
    assert_masks(logits, size, offset=np.inf, outputs=("uint8",), **stages)


def test_rows_of_noise_of_narrow_types(backend, isa, rng):
    special = rng.choice(np.array([0, -0.0, np.inf, -np.inf, np.nan, 6e-8, 65504], np.float16), (2, 12, 40))
    logits = np.where(rng.random(special.shape) < 0.2, special, noisy(rng, special.shape).astype(np.float16))
    for size in ((48, 160), (30, 100)):
        assert_masks(logits, size, outputs=("packed", "bool"))


@pytest.mark.parametrize("offset", [0.0, -0.5, 100.0])
def test_offsets(backend, isa, rng, offset):
    assert_masks(smooth(rng, (2, 16, 16)), (40, 70), offset=offset, outputs=("packed",))


@pytest.mark.parametrize("dtype", [np.float16, F])
def test_types_and_layouts(backend, isa, rng, dtype):
    logits = noisy(rng, (2, 12, 40)).astype(dtype)
    expected = rapidmask.upsample_masks(logits.astype(F), (30, 100))
    for layout, view in layouts(logits):
        np.testing.assert_array_equal(rapidmask.upsample_masks(view, (30, 100)), expected, err_msg=layout)
        found = rapidmask.upsample_masks(view, (30, 100), output="rle")
        np.testing.assert_array_equal(found.to_dense(), expected, err_msg=layout)


@pytest.mark.parametrize("shape", [(9, 11), (1, 9, 11), (2, 3, 9, 11), (0, 9, 11), (2, 0, 9, 11)])
def test_leading_dimensions(backend, rng, shape):
    assert_masks(noisy(rng, shape), (20, 33))


@pytest.mark.parametrize("size", [(0, 5), (5, 0), (0, 0)])
def test_masks_without_pixels(backend, rng, size):
    for logits in (noisy(rng, (2, 4, 5)), np.zeros((2, 0, 5), F)):
        for output in ("bool", "packed", "rle"):
            masks, statistics = rapidmask.upsample_masks(logits, size, output=output, return_stats=True)
            assert len(masks) == 2
            assert statistics.areas.tolist() == [0, 0]
            assert statistics.boxes.tolist() == [[0] * 4] * 2
            assert np.isnan(statistics.stability).all()


def test_sizes_agree_with_one_another(isa, rng):
    # A resizing to the same size is none, in either stage.
    logits = noisy(rng, (2, 20, 30))
    np.testing.assert_array_equal(rapidmask.upsample_masks(logits, (20, 30)), logits > 0)
    one = rapidmask.upsample_masks(logits, (61, 67))
    np.testing.assert_array_equal(rapidmask.upsample_masks(logits, (61, 67), intermediate=(20, 30)), one)
    np.testing.assert_array_equal(rapidmask.upsample_masks(logits, (61, 67), intermediate=(61, 67)), one)


# Threads and memory


def test_masks_of_several_threads(isa, threads, rng):
    logits = smooth(rng, (3, 64, 64))
    expected, of_one = rapidmask.upsample_masks(logits, (1500, 1801), return_stats=True)
    for count in (1, 2, 5):
        threads(count)
        for output in ("bool", "rle"):
            masks, found = rapidmask.upsample_masks(logits, (1500, 1801), output=output, return_stats=True)
            np.testing.assert_array_equal(masks if output == "bool" else masks.to_dense(), expected)
            for one, other in zip(found, of_one, strict=True):
                np.testing.assert_array_equal(one, other)
    assert found.areas.tolist() == expected.sum((1, 2)).tolist()
    np.testing.assert_array_equal(found.boxes, rapidmask.masks_to_boxes(expected))


@pytest.mark.parametrize("size", [(5, 64), (7, 65), (3, 200), (1, 1), (30, 1030)])
@pytest.mark.parametrize("output", ["bool", "uint8", "packed"])
def test_out_is_written(backend, isa, rng, size, output):
    logits = noisy(rng, (2, 9, 20))
    shape = (2, size[0], 8 * -(-size[1] // 64)) if output == "packed" else (2, *size)
    out, untouched = guarded(shape, bool if output == "bool" else np.uint8)
    out.view(np.uint8)[...] = 0xA5
    result = rapidmask.upsample_masks(logits, size, output=output, out=out)
    expected = reference.compare(reference.values(logits, size), 0, ">")
    if output == "packed":
        assert result.data is out
        np.testing.assert_array_equal(result.to_dense(), expected)
    else:
        assert result is out
        np.testing.assert_array_equal(result.view(np.uint8), expected)
    assert untouched()


@pytest.mark.parametrize("width", [1024, 1000])
def test_masks_that_go_past_the_caches(isa, rng, width):
    # More than 16 MiB, in memory that holds something else.
    logits = smooth(rng, (17, 30, 30))
    for guard in (64, 24):
        out, untouched = guarded((17, 1024, width), np.uint8, guard=guard)
        out[...] = 0xA5
        rapidmask.upsample_masks(logits, (1024, width), output="uint8", out=out)
        assert untouched()
        for i in (0, 16):
            alone = rapidmask.upsample_masks(logits[i], (1024, width), output="packed")
            np.testing.assert_array_equal(out[i : i + 1], alone.to_dense(np.uint8))


def test_run_lengths_need_little_memory(rng):
    logits = smooth(rng, (40, 256, 256))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    masks = rapidmask.upsample_masks(logits, (4096, 4096), output="rle")  # 84 MB packed
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 65_536  # KiB
    np.testing.assert_array_equal(masks[:1].to_dense()[0], rapidmask.upsample_masks(logits[0], (4096, 4096)))


# Against torch


def torch_values(logits, size, stages):
    """What a pipeline of torch computes."""
    import torch

    def resized(x, to):
        return torch.nn.functional.interpolate(x, to, mode="bilinear", align_corners=False)

    x = torch.from_numpy(logits)[:, None]
    if "intermediate" in stages:
        x = resized(x, stages["intermediate"])
    if "crop" in stages:
        x = x[..., : stages["crop"][0], : stages["crop"][1]]
    return resized(x, size)[:, 0].numpy()


@pytest.mark.parametrize("kind", ["smooth", "noisy"])
@pytest.mark.parametrize(
    ("given", "size", "stages"),
    [
        ((256, 256), (1024, 1024), {}),
        ((256, 256), (720, 1280), {"intermediate": (1024, 1024), "crop": (576, 1024)}),
        ((256, 256), (480, 640), {"intermediate": (1024, 1024), "crop": (768, 1024)}),
        ((288, 288), (1080, 1920), {}),
        ((160, 160), (431, 1023), {}),
        ((512, 512), (333, 277), {}),
    ],
)
def test_masks_are_those_of_torch(rng, given, size, stages, kind):
    pytest.importorskip("torch")
    logits = LOGITS[kind](rng, (3, *given))
    values = torch_values(logits, size, stages)
    for threshold in (0.0, 0.3):
        masks = rapidmask.upsample_masks(logits, size, threshold=threshold, **stages)
        differing = masks != (values > threshold)
        assert differing.mean() < 1e-6
        assert (np.abs(values[differing] - threshold) < 1e-5 * np.ptp(logits)).all()


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_tensors_of_torch(dtype):
    torch = pytest.importorskip("torch")
    logits = torch.randn((2, 3, 20, 30), generator=torch.Generator().manual_seed(1)).to(getattr(torch, dtype))
    masks, statistics = rapidmask.upsample_masks(logits, (50, 90), return_stats=True)
    assert isinstance(masks, torch.Tensor)
    assert masks.dtype == torch.bool
    expected = reference.compare(reference.values(logits.float().numpy(), (50, 90)), 0, ">")
    np.testing.assert_array_equal(masks.numpy(), expected)
    np.testing.assert_array_equal(statistics.areas.numpy(), expected.sum((2, 3)))
    assert statistics.stability.dtype == torch.float32
    packed = rapidmask.upsample_masks(logits, (50, 90), output="packed")
    assert isinstance(packed.data, torch.Tensor)
    assert (packed.to_dense().reshape(masks.shape) == masks).all()


# What is refused


def test_what_is_refused(backend):
    logits = np.zeros((2, 4, 5), F)
    call = rapidmask.upsample_masks
    for wrong in (np.zeros((4, 5), np.float64), np.zeros((4, 5), np.uint8), np.zeros((4, 5), bool)):
        with refuses(TypeError, f"upsample_masks: logits must be float32, float16 or bfloat16, got {wrong.dtype}"):
            call(wrong, (4, 5))
    with refuses(ValueError, "upsample_masks: logits must have at least 2 dimensions (..., H, W), got shape (3,)"):
        call(np.zeros(3, F), (4, 5))
    with refuses(ValueError, "upsample_masks: logits must have pixels, got none"):
        call(np.zeros((2, 0, 5), F), (4, 5))
    with refuses(ValueError, "upsample_masks: size must be two integers (height, width), got 5"):
        call(logits, 5)
    with refuses(ValueError, "upsample_masks: size must be two integers from 0 to 2^24, got (-1, 5)"):
        call(logits, (-1, 5))
    with refuses(ValueError, "upsample_masks: intermediate must be two integers from 1 to 2^24, got (0, 5)"):
        call(logits, (4, 5), intermediate=(0, 5))
    with refuses(ValueError, "upsample_masks: crop must be within the 4 rows that are cropped, got 5"):
        call(logits, (4, 5), crop=(5, 5))
    with refuses(ValueError, "upsample_masks: crop must be within the 9 columns that are cropped, got 10"):
        call(logits, (4, 5), intermediate=(9, 9), crop=(5, 10))
    with refuses(ValueError, "upsample_masks: op must be '>' or '>=', got '<'"):
        call(logits, (4, 5), op="<")
    with refuses(ValueError, "upsample_masks: activation must be None or 'sigmoid', got 'relu'"):
        call(logits, (4, 5), activation="relu")
    with refuses(ValueError, "upsample_masks: output must be one of bool, uint8, packed, rle, got 'dense'"):
        call(logits, (4, 5), output="dense")
    with refuses(ValueError, "upsample_masks: out must be None when output is 'rle'"):
        call(logits, (4, 5), output="rle", out=np.zeros((2, 4, 5), bool))
    with refuses(ValueError, "upsample_masks: out must have shape (2, 4, 5), got shape (2, 4, 6)"):
        call(logits, (4, 5), out=np.zeros((2, 4, 6), bool))
    with refuses(ValueError, "upsample_masks: threshold must not be NaN, got nan"):
        call(logits, (4, 5), threshold=np.nan)
    with refuses(TypeError, "upsample_masks: threshold must be a number, got 'high'"):
        call(logits, (4, 5), threshold="high")
