"""Class maps against their definition, torch and transformers' formulas."""

import numpy as np
import pytest

import rapidmask
from inputs import guarded, layouts, refuses
from reference import semantic as reference

DTYPES = ("float32", "float16")
LABELS = ("uint8", "int16", "int32", "int64")


def smooth(rng, classes, size, cell=6):
    """Planes with large areas where one class is the highest."""
    coarse = rng.normal(size=(classes, size[0] // cell + 2, size[1] // cell + 2)).astype(np.float32)
    return 3 * reference.bilinear(coarse, size)


def torch_argmax(torch, logits, size):
    resized = torch.nn.functional.interpolate(torch.from_numpy(logits)[None], size, mode="bilinear")[0]
    return resized, resized.argmax(0)


# By eye


def test_the_highest_class_by_eye(backend, isa):
    logits = np.array([[[0, 3], [1, 0]], [[2, 0], [1, 5]], [[1, 1], [0, 5]]], np.float32)
    assert rapidmask.semantic_argmax(logits).tolist() == [[1, 0], [0, 1]]  # of equal ones the lowest class


def test_interpolation_by_eye(backend, isa):
    logits = np.array([[[0.0, 4.0]], [[2.0, 2.0]]], np.float32)  # the first reaches 2 half way
    found = rapidmask.semantic_argmax(logits, (2, 8))
    assert found.tolist() == [[1, 1, 1, 1, 0, 0, 0, 0]] * 2


def test_ignored_classes_and_void_by_eye(backend, isa):
    logits = np.array([[[9, 1, 1, 0]], [[1, 2, 1, 0]], [[0, 1, 3, 0.5]]], np.float32)
    assert rapidmask.semantic_argmax(logits, ignore=0).tolist() == [[1, 1, 2, 2]]
    assert rapidmask.semantic_argmax(logits, ignore=[0, 2]).tolist() == [[1, 1, 1, 1]]
    assert rapidmask.semantic_argmax(logits, min_score=2).tolist() == [[0, 1, 2, -1]]
    assert rapidmask.semantic_argmax(logits, min_score=2, dtype="uint8").tolist() == [[0, 1, 2, 255]]
    assert rapidmask.semantic_argmax(logits, min_score=2, void=7).tolist() == [[0, 1, 2, 7]]


@pytest.mark.parametrize("size", [None, (3, 4), (6, 8), (9, 31)])
def test_nan_never_wins(backend, isa, size):
    logits = np.zeros((3, 3, 4), np.float32)
    logits[0] = np.nan
    logits[2] = -np.inf
    assert (rapidmask.semantic_argmax(logits, size) == 1).all()
    logits[1] = np.nan
    assert (rapidmask.semantic_argmax(logits, size) == 2).all()  # minus infinity is a score
    logits[2] = np.nan
    assert (rapidmask.semantic_argmax(logits, size) == -1).all()


# Against the definition


SIZES = [
    ((5, 7), (5, 7)),
    ((5, 7), (10, 28)),
    ((33, 40), (66, 160)),
    ((17, 50), (40, 75)),
    ((16, 16), (17, 19)),
    ((40, 70), (13, 22)),
    ((1, 1), (9, 70)),
    ((1, 30), (1, 95)),
    ((30, 1), (95, 1)),
    ((3, 2), (200, 130)),
    ((64, 64), (64, 128)),
    ((9, 33), (72, 33)),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("own", "size"), SIZES)
def test_semantic_argmax_is_its_definition(backend, isa, rng, own, size, dtype):
    for classes in (1, 2, 7, 21):
        for logits in (rng.normal(size=(classes, *own)), smooth(rng, classes, own)):
            logits = logits.astype(dtype)
            expected = reference.semantic_argmax(logits, size)
            np.testing.assert_array_equal(rapidmask.semantic_argmax(logits, size), expected)
        if backend == "emu":
            break


@pytest.mark.parametrize("label_type", LABELS)
def test_label_types_ignored_classes_and_least_scores(backend, isa, rng, label_type):
    for size in (None, (31, 90)):
        logits = smooth(rng, 9, (12, 40))
        logits[:, 3:5, 10:20] -= 4
        for options in (
            {"ignore": (0, 8)},
            {"ignore": (3,), "min_score": 0.25},
            {"min_score": -1.5, "void": 3},
            {"min_score": np.inf},
            {"min_score": -np.inf},
        ):
            expected = reference.semantic_argmax(logits, size, dtype=label_type, **options)
            found = rapidmask.semantic_argmax(logits, size, dtype=label_type, **options)
            assert found.dtype == label_type
            np.testing.assert_array_equal(found, expected)


def test_types_of_labels_by_any_name(rng):
    logits = rng.normal(size=(3, 4, 5)).astype(np.float32)
    for dtype in ("uint8", np.uint8, np.dtype("uint8")):
        assert rapidmask.semantic_argmax(logits, dtype=dtype).dtype == np.uint8
    torch = pytest.importorskip("torch")
    found = rapidmask.semantic_argmax(torch.from_numpy(logits), dtype=torch.int64)
    assert (type(found), found.dtype) == (torch.Tensor, torch.int64)


AWKWARD = (0.0, -0.0, 1e-45, -1e-45, 1e-38, 3.4e38, -3.4e38, np.inf, -np.inf, np.nan, 1.0, np.nextafter(1, 2), -1.0)


@pytest.mark.parametrize("size", [None, (14, 60), (25, 33), (6, 9)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_awkward_values(backend, isa, rng, size, dtype):
    """Infinities, NaN, numbers near the ends of the range, and ties."""
    for share in (1.0, 0.3, 0.03):
        logits = rng.integers(-2, 3, (4, 7, 20)).astype(np.float32)
        awkward = rng.random(logits.shape) < share
        logits[awkward] = rng.choice(AWKWARD, awkward.sum())
        with np.errstate(over="ignore"):
            logits = logits.astype(dtype)
        expected = reference.semantic_argmax(logits, size)
        np.testing.assert_array_equal(rapidmask.semantic_argmax(logits, size), expected)


@pytest.mark.parametrize("size", [(40, 96), (23, 47)])
def test_classes_within_rounding_of_each_other(backend, isa, rng, size):
    """What is pruned must be what loses for certain: planes that differ in their last bits."""
    base = smooth(rng, 1, (20, 24))[0]
    for scale in (1.0, 1e-38, 1e-44, 1e30):
        planes = np.stack([base * np.float32(scale)] * 6)
        steps = rng.integers(-2, 3, planes.shape)
        logits = (planes.view(np.int32) + steps.astype(np.int32)).view(np.float32)
        logits[~np.isfinite(logits)] = 0
        expected = reference.semantic_argmax(logits, size)
        np.testing.assert_array_equal(rapidmask.semantic_argmax(logits, size), expected)


@pytest.mark.parametrize("shape", [(2, 3, 5, 6), (2, 1, 3, 5, 6), (0, 3, 5, 6)])
def test_batches(backend, rng, shape):
    logits = rng.normal(size=shape).astype(np.float32)
    for size in (None, (9, 20)):
        found = rapidmask.semantic_argmax(logits, size)
        np.testing.assert_array_equal(found, reference.semantic_argmax(logits, size))


def test_empty_results(backend):
    for shape, size in (((2, 0, 5), None), ((2, 5, 0), (0, 7)), ((2, 4, 5), (0, 9)), ((2, 4, 5), (9, 0))):
        found = rapidmask.semantic_argmax(np.zeros(shape, np.float32), size)
        assert found.shape == (size or shape[1:])


@pytest.mark.parametrize("dtype", DTYPES)
def test_layouts(backend, rng, dtype):
    logits = rng.normal(size=(4, 9, 21)).astype(dtype)
    for size in (None, (20, 50)):
        expected = reference.semantic_argmax(logits, size)
        for layout, view in layouts(logits):
            np.testing.assert_array_equal(rapidmask.semantic_argmax(view, size), expected, err_msg=layout)


@pytest.mark.parametrize("label_type", LABELS)
@pytest.mark.parametrize("size", [None, (13, 45), (40, 7)])
def test_out(backend, isa, rng, size, label_type):
    logits = rng.normal(size=(2, 5, 11, 19)).astype(np.float32)
    out, untouched = guarded((2, *(size or (11, 19))), label_type)
    assert rapidmask.semantic_argmax(logits, size, dtype=label_type, out=out) is out
    np.testing.assert_array_equal(out, reference.semantic_argmax(logits, size))
    assert untouched()


def test_any_number_of_threads_gives_one_result(threads, rng):
    logits = rng.normal(size=(3, 20, 90, 100)).astype(np.float32)
    for size in (None, (300, 170)):
        threads(1)
        expected = rapidmask.semantic_argmax(logits, size)
        for count in (2, 7):
            threads(count)
            np.testing.assert_array_equal(rapidmask.semantic_argmax(logits, size), expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("intermediate", "crop"),
    [((30, 41), None), (None, (7, 11)), ((40, 64), (25, 64)), ((7, 9), (6, 2)), ((9, 13), None)],
)
def test_stages(backend, isa, rng, intermediate, crop, dtype):
    """What models do before the resizing to an image's size."""
    logits = smooth(rng, 5, (9, 13)).astype(dtype)
    staged = reference.bilinear(logits, intermediate or (9, 13))
    rows, columns = crop or staged.shape[1:]
    staged = staged[:, :rows, :columns]
    for size in (None, (50, 70)):
        expected = reference.semantic_argmax(staged, size)
        found = rapidmask.semantic_argmax(logits, size, intermediate=intermediate, crop=crop)
        np.testing.assert_array_equal(found, expected)
    classes = rng.normal(size=(5, 4)).astype(np.float32)
    found = rapidmask.semantic_from_queries(classes, logits, (50, 70), intermediate=intermediate, crop=crop)
    np.testing.assert_array_equal(found, rapidmask.semantic_from_queries(classes, staged, (50, 70)))


def test_many_classes(backend, rng):
    logits = rng.normal(size=(700, 2, 3)).astype(np.float32)
    for size in (None, (5, 5)):
        expected = reference.semantic_argmax(logits, size)
        np.testing.assert_array_equal(rapidmask.semantic_argmax(logits, size), expected)


# As torch


@pytest.mark.parametrize(("own", "size"), [((64, 96), (256, 384)), ((60, 61), (97, 211)), ((96, 80), (33, 50))])
def test_torch_differs_only_within_rounding(isa, rng, own, size):
    torch = pytest.importorskip("torch")
    for logits in (rng.normal(size=(19, *own)).astype(np.float32), smooth(rng, 19, own, 12)):
        resized, expected = torch_argmax(torch, logits, size)
        found = torch.from_numpy(rapidmask.semantic_argmax(logits, size, dtype="int64"))
        differs = found != expected
        assert differs.float().mean() < 1e-4
        gap = (resized.amax(0) - resized.gather(0, found[None])[0])[differs]
        assert not len(gap) or gap.max() < 1e-5 * np.ptp(logits)


def test_bfloat16(backend, rng):
    torch = pytest.importorskip("torch")
    logits = torch.from_numpy(rng.normal(size=(5, 12, 30)).astype(np.float32)).to(torch.bfloat16)
    for size in (None, (31, 77)):
        expected = reference.semantic_argmax(logits.float().numpy(), size)
        found = rapidmask.semantic_argmax(logits, size)
        assert isinstance(found, torch.Tensor)
        np.testing.assert_array_equal(found.numpy(), expected)


# Queries


@pytest.mark.parametrize(("q", "k", "own"), [(1, 1, (3, 5)), (7, 5, (9, 20)), (20, 13, (16, 33))])
def test_semantic_from_queries_is_its_definition(backend, isa, rng, q, k, own):
    classes = 3 * rng.normal(size=(2, q, k + 1)).astype(np.float32)
    masks = 4 * rng.normal(size=(2, q, *own)).astype(np.float32)
    scores = reference.semantic_scores(classes, masks)
    for size in (None, (25, 61)):
        found = rapidmask.semantic_from_queries(classes, masks, size)
        resized = reference.bilinear(scores, size or own)
        chosen = np.take_along_axis(resized, found[:, None], 1)[:, 0]
        assert (resized.max(1) - chosen).max() < 1e-5
        assert (found == resized.argmax(1)).mean() > 0.999


def test_backends_and_levels_sum_queries_alike(rng):
    from rapidmask import _cpu, _emu

    classes = rng.normal(size=(9, 12)).astype(np.float32)
    masks = 20 * rng.normal(size=(9, 5, 29)).astype(np.float32)
    expected = _emu.semantic_scores(classes, masks)
    level = rapidmask.isa()
    for name in rapidmask.isa_levels():
        rapidmask.set_isa(name)
        np.testing.assert_array_equal(_cpu.semantic_scores(classes, masks), expected)
    rapidmask.set_isa(level)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("own", "stages", "size"),
    [
        ((24, 40), {}, (70, 111)),
        ((24, 40), {}, None),
        ((13, 17), {"intermediate": (41, 53)}, (97, 64)),
        ((40, 48), {"intermediate": (33, 35), "crop": (30, 17)}, (20, 64)),
        ((1, 16), {"crop": (1, 16)}, (3, 200)),
        ((9, 33), {"crop": (8, 32)}, (8, 32)),
    ],
)
def test_what_cannot_win_is_left_out(isa, rng, own, stages, size, dtype):
    """Which changes no pixel, as if all scores were made."""
    from rapidmask import _cpu

    for seed, (queries, classes) in enumerate([(30, 60), (5, 3), (1, 1), (12, 40)]):
        masks = 3 * smooth(rng, queries, own)[:, : own[0], : own[1]]
        if seed == 3:
            masks[rng.random(masks.shape) < 0.02] = np.nan
            masks[0, :, own[1] // 2] = np.inf
        weights = rng.normal(size=(queries, classes + 1)).astype(np.float32) * 6
        masks, weights = masks.astype(dtype), weights.astype(dtype)
        if seed == 0:
            weights[:, -1] = 60  # no object in most of them
            weights[rng.permutation(queries)[:8], rng.integers(0, classes, 8)] = 60
        options = {"dtype": "int16", "void": -7}
        if seed == 1:
            options |= {"ignore": [1], "min_score": 0.8}
        height, width, *crop = (*stages.get("intermediate", own), *stages.get("crop", stages.get("intermediate", own)))
        resized = _cpu.resize_planes(masks, height, width, *crop, "", "")
        scores = _cpu.semantic_scores(weights, resized)
        expected = rapidmask.semantic_argmax(scores, size, **options)
        assert np.array_equal(rapidmask.semantic_from_queries(weights, masks, size, **stages, **options), expected)


def test_queries_that_are_no_numbers(isa, rng):
    masks, weights = smooth(rng, 4, (10, 20)), rng.normal(size=(4, 6)).astype(np.float32)
    weights[2] = np.nan
    assert (rapidmask.semantic_from_queries(weights, masks, (30, 30)) == -1).all()


def test_queries_as_transformers_does_it(isa, rng):
    torch = pytest.importorskip("torch")
    classes = torch.from_numpy(2 * rng.normal(size=(1, 30, 20)).astype(np.float32))
    masks = torch.from_numpy(np.stack([smooth(rng, 30, (40, 56), 9)]))
    scores = torch.einsum("bqc,bqhw->bchw", classes.softmax(-1)[..., :-1], masks.sigmoid())
    resized = torch.nn.functional.interpolate(scores, (160, 224), mode="bilinear", align_corners=False)
    found = rapidmask.semantic_from_queries(classes, masks, (160, 224), dtype="int64")
    assert isinstance(found, torch.Tensor)
    differs = found != resized.argmax(1)
    gap = (resized.amax(1) - resized.gather(1, found[:, None])[:, 0])[differs]
    assert differs.float().mean() < 1e-4
    assert not len(gap) or gap.max() < 1e-5


@pytest.mark.parametrize("types", [("float16", "float32"), ("float32", "float16")])
def test_half_width_queries(backend, rng, types):
    classes = rng.normal(size=(6, 5)).astype(types[0])
    masks = rng.normal(size=(6, 8, 9)).astype(types[1])
    expected = rapidmask.semantic_from_queries(classes.astype(np.float32), masks.astype(np.float32), (20, 20))
    np.testing.assert_array_equal(rapidmask.semantic_from_queries(classes, masks, (20, 20)), expected)


def test_no_queries_are_all_alike(backend):
    found = rapidmask.semantic_from_queries(np.zeros((0, 4), np.float32), np.zeros((0, 3, 5), np.float32), (6, 6))
    assert (found == 0).all()  # every class has a score of 0


# Errors

LOGITS = np.zeros((3, 4, 5), np.float32)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (
            lambda: rapidmask.semantic_argmax(LOGITS[0]),
            ValueError,
            "logits must have at least 3 dimensions (..., C, H, W), got shape (4, 5)",
        ),
        (
            lambda: rapidmask.semantic_argmax(LOGITS.astype(np.float64)),
            TypeError,
            "logits must be float16, bfloat16 or float32, got float64",
        ),
        (
            lambda: rapidmask.semantic_argmax(LOGITS, dtype="uint16"),
            TypeError,
            "dtype must be uint8, int16, int32 or int64, got 'uint16'",
        ),
        (lambda: rapidmask.semantic_argmax(LOGITS, ignore=3), ValueError, "ignore must be classes from 0 to 2, got 3"),
        (
            lambda: rapidmask.semantic_argmax(LOGITS, ignore=-1),
            ValueError,
            "ignore must be classes from 0 to 2, got -1",
        ),
        (
            lambda: rapidmask.semantic_argmax(LOGITS, ignore=range(3)),
            ValueError,
            "logits must have a class that is not ignored, got 3 classes",
        ),
        (
            lambda: rapidmask.semantic_argmax(LOGITS[:0]),
            ValueError,
            "logits must have a class that is not ignored, got 0 classes",
        ),
        (
            lambda: rapidmask.semantic_argmax(np.zeros((257, 1, 1), np.float32), dtype="uint8"),
            ValueError,
            "dtype must hold class 256, got uint8",
        ),
        (
            lambda: rapidmask.semantic_argmax(LOGITS, dtype="uint8", void=-1),
            ValueError,
            "void must be from 0 to 255 for uint8, got -1",
        ),
        (lambda: rapidmask.semantic_argmax(LOGITS, min_score=np.nan), ValueError, "min_score must not be NaN, got nan"),
        (lambda: rapidmask.semantic_argmax(LOGITS, 5), ValueError, "size must be two integers (height, width), got 5"),
        (
            lambda: rapidmask.semantic_argmax(LOGITS, (-1, 5)),
            ValueError,
            "size must not be negative, got (-1, 5)",
        ),
        (
            lambda: rapidmask.semantic_argmax(LOGITS, intermediate=(9, 9), crop=(9, 10)),
            ValueError,
            "crop must be within (9, 9), got (9, 10)",
        ),
        (
            lambda: rapidmask.semantic_argmax(LOGITS, intermediate=9),
            ValueError,
            "intermediate must be two integers (height, width), got 9",
        ),
        (
            lambda: rapidmask.semantic_argmax(LOGITS[:, :0], intermediate=(4, 4)),
            ValueError,
            "logits must have pixels to be resized, got shape (3, 0, 5)",
        ),
        (
            lambda: rapidmask.semantic_argmax(LOGITS[:, :0], (4, 4)),
            ValueError,
            "logits must have pixels to be resized, got shape (3, 0, 5)",
        ),
        (
            lambda: rapidmask.semantic_argmax(LOGITS, (9, 9), out=np.zeros((4, 5), np.int32)),
            ValueError,
            "out must have shape (9, 9), got shape (4, 5)",
        ),
    ],
)
def test_errors(backend, call, error, text):
    with refuses(error, f"semantic_argmax: {text}"):
        call()


@pytest.mark.parametrize(
    ("classes", "masks", "error", "text"),
    [
        (
            (3, 4),
            (2, 5, 6),
            ValueError,
            "class_logits must have shape (..., Q, K + 1) with a class at least, for mask_logits of shape "
            "(..., Q, H, W), got shapes (3, 4) and (2, 5, 6)",
        ),
        (
            (2, 1),
            (2, 5, 6),
            ValueError,
            "class_logits must have shape (..., Q, K + 1) with a class at least, for mask_logits of shape "
            "(..., Q, H, W), got shapes (2, 1) and (2, 5, 6)",
        ),
    ],
)
def test_errors_of_queries(backend, classes, masks, error, text):
    with refuses(error, f"semantic_from_queries: {text}"):
        rapidmask.semantic_from_queries(np.zeros(classes, np.float32), np.zeros(masks, np.float32))


def test_ignored_classes_in_any_form(rng):
    logits = rng.normal(size=(4, 5, 6)).astype(np.float32)
    expected = rapidmask.semantic_argmax(logits, ignore=(0, 2))
    for ignore in ([0, 2], np.array([0, 2]), {0, 2}, range(0, 3, 2)):
        np.testing.assert_array_equal(rapidmask.semantic_argmax(logits, ignore=ignore), expected)
    expected = rapidmask.semantic_argmax(logits, ignore=[1])
    for ignore in (1, np.int64(1), np.array(1)):
        np.testing.assert_array_equal(rapidmask.semantic_argmax(logits, ignore=ignore), expected)
    with refuses(TypeError, "semantic_argmax: ignore must be integers, got None"):
        rapidmask.semantic_argmax(logits, ignore=None)
