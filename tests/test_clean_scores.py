"""Small holes and sprinkles, mended in scores."""

import numpy as np
import pytest

import rapidmask
from inputs import guarded, hostile_masks, layouts, refuses
from reference import components as reference

MASKS = hostile_masks()
FLOATS = ["float16", "float32", "float64"]
NOT_AN_ARRAY = "must be an array of NumPy, torch, CuPy or another library with DLPack, got"
SAM2 = {"sprinkles_after_holes": False, "keep_half": False}


def noise(rng, shape, dtype="float32"):
    """Scores with structure of a few pixels, many of them exactly 0."""
    values = rng.normal(0, 1, shape)
    values += np.roll(values, 1, -1) + np.roll(values, 1, -2)
    return (np.round(values * 4) / 4).astype(dtype)


def bits(array):
    """The bits of floats, which tell zeros of two signs and all NaN apart."""
    return np.ascontiguousarray(array).view(f"u{array.dtype.itemsize}")


def expected_of(scores, **options):
    """What the definition gives, image by image."""
    settings = {"threshold": 0.0, "max_hole_area": 0, "max_sprinkle_area": 0} | options
    settings.setdefault("hole_value", settings["threshold"] + 0.1)
    settings.setdefault("sprinkle_value", settings["threshold"] - 0.1)
    expected = np.empty_like(scores)
    for index in np.ndindex(scores.shape[:-2]):
        expected[index] = reference.clean_scores(scores[index], **settings)
    return expected


# Worked examples


def test_clean_scores_by_eye(backend):
    scores = np.array(
        [
            [3, 3, 3, -5, -5, 2],
            [3, -5, 3, -5, -5, -5],
            [3, 3, 3, -5, 4, 4],
            [-5, -5, -5, -5, 4, -5],
        ],
        np.float32,
    )
    # One hole of one pixel, and one in the corner; sprinkles of one and three.
    filled = rapidmask.clean_scores(scores, max_hole_area=1)
    expected = scores.copy()
    expected[1, 1] = expected[3, 5] = np.float32(0.1)
    np.testing.assert_array_equal(filled, expected)
    cleaned = rapidmask.clean_scores(scores, max_hole_area=1, max_sprinkle_area=1)
    expected[0, 5] = np.float32(-0.1)
    np.testing.assert_array_equal(cleaned, expected)
    cleaned = rapidmask.clean_scores(scores, max_sprinkle_area=3, hole_value=9, sprinkle_value=-9)
    expected = scores.copy()
    expected[0, 5] = expected[2, 4] = expected[2, 5] = expected[3, 4] = -9
    np.testing.assert_array_equal(cleaned, expected)


def test_sprinkles_with_filled_holes_by_eye(backend):
    ring = np.full((5, 5), -1, np.float32)
    ring[1:4, 1:4] = 1
    ring[2, 2] = -1
    limits = {"max_hole_area": 1, "max_sprinkle_area": 8, "keep_half": False}
    cleaned = rapidmask.clean_scores(ring, **limits)
    assert (cleaned > 0).sum() == 9  # filled, the ring has nine pixels
    cleaned = rapidmask.clean_scores(ring, **limits, sprinkles_after_holes=False)
    assert np.argwhere(cleaned > 0).tolist() == [[2, 2]]  # the ring of eight is a sprinkle, and its hole was filled
    # It is all of the foreground: half of it is less than a sprinkle has.
    cleaned = rapidmask.clean_scores(ring, max_hole_area=1, max_sprinkle_area=9)
    assert (cleaned > 0).sum() == 9


def test_half_of_the_foreground_by_eye(backend):
    scores = np.array([[1, 1, -1, 1, -1, 1, 1, 1]], np.float32)  # of two, one and three pixels
    cleaned = rapidmask.clean_scores(scores, max_sprinkle_area=100)
    assert not (cleaned > 0).any()  # half of six are three
    cleaned = rapidmask.clean_scores(scores[:, :5], max_sprinkle_area=100)
    assert (cleaned > 0)[0].tolist() == [True, True, False, False, False]  # half of three is one
    assert not (rapidmask.clean_scores(scores, max_sprinkle_area=100, keep_half=False) > 0).any()


# Against the definition


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", MASKS)
def test_hostile_masks(backend, isa, name, dtype):
    masks = np.asarray(MASKS[name])
    scores = np.where(masks, 1.5, -0.75).astype(dtype)
    for options in (
        {"max_hole_area": 3, "max_sprinkle_area": 3},
        {"max_hole_area": 2, "max_sprinkle_area": 40, "connectivity": 4, "threshold": 0.3},
        {"max_hole_area": 4, "max_sprinkle_area": 6, "hole_value": 10.0, "sprinkle_value": -10.0, **SAM2},
    ):
        found = rapidmask.clean_scores(scores, **options)
        assert (found.dtype, found.shape) == (scores.dtype, scores.shape)
        np.testing.assert_array_equal(bits(found), bits(expected_of(scores, **options)))


@pytest.mark.parametrize("after", [True, False])
@pytest.mark.parametrize("half", [True, False])
@pytest.mark.parametrize("connectivity", [4, 8])
@pytest.mark.parametrize("dtype", FLOATS)
def test_clean_scores_is_its_definition(backend, isa, rng, dtype, connectivity, half, after):
    scores = noise(rng, (2, 9, 133), dtype)
    scores[0, 2:5, 20:30] = np.nan
    scores[1, 2:5, 20:30] = rng.choice([np.inf, -np.inf, -0.0, 0.0, np.nan], (3, 10))
    for hole, sprinkle, threshold in ((1, 1, 0), (5, 2, 0.5), (2, 50, -0.3), (0, 7, 0.0), (7, 0, 0.0), (9999, 9999, 0)):
        options = {
            "threshold": threshold, "max_hole_area": hole, "max_sprinkle_area": sprinkle, "connectivity": connectivity,
            "keep_half": half, "sprinkles_after_holes": after,
        }  # fmt: skip
        found = rapidmask.clean_scores(scores, **options)
        np.testing.assert_array_equal(bits(found), bits(expected_of(scores, **options)))


@pytest.mark.parametrize("dtype", FLOATS)
def test_thresholds_and_values_are_rounded_to_the_scores(backend, rng, dtype):
    scores = noise(rng, (30, 40), dtype)
    for threshold in (0.1, -0.1, 1 / 3, np.float64(0.7), np.float32(0.1), 1e-30, -1e-30):
        scores[5:20, 5:20] = threshold  # rounded likewise: not above, but a hole
        options = {"threshold": float(threshold), "max_hole_area": 300, "max_sprinkle_area": 3}
        options |= {"hole_value": 1e9, "sprinkle_value": -0.123456789012345}
        with np.errstate(over="ignore"):
            expected = expected_of(scores, **options)
        found = rapidmask.clean_scores(scores, **options)
        np.testing.assert_array_equal(bits(found), bits(expected))
        assert np.isinf(found).any() == (dtype == "float16")


def test_bfloat16(backend, rng):
    torch = pytest.importorskip("torch")

    def rounded(value):
        return float(torch.tensor(value, dtype=torch.bfloat16))

    scores = torch.from_numpy(noise(rng, (2, 20, 70))).to(torch.bfloat16)
    scores[0, 3:6, 3:9] = torch.nan
    for threshold in (0.0, 0.3, -1.7):
        limits = {"max_hole_area": 4, "max_sprinkle_area": 4}
        found = rapidmask.clean_scores(scores, threshold=threshold, **limits)
        assert (type(found), found.dtype) == (torch.Tensor, torch.bfloat16)
        expected = expected_of(
            scores.float().numpy(),
            threshold=rounded(threshold),
            hole_value=rounded(threshold + 0.1),
            sprinkle_value=rounded(threshold - 0.1),
            **limits,
        )
        np.testing.assert_array_equal(found.float().numpy(), expected)


@pytest.mark.parametrize(
    "limit", [0, -1, -0.5, 0.99, 1, 1.0, 1.99, 2.5, 1e300, np.inf, -np.inf, 2**70, np.float32(2.5)]
)
def test_limits_are_rounded_down(backend, rng, limit):
    scores = noise(rng, (12, 30))
    whole = int(min(max(limit, 0), 10_000))
    expected = expected_of(scores, max_hole_area=whole, max_sprinkle_area=whole)
    found = rapidmask.clean_scores(scores, max_hole_area=limit, max_sprinkle_area=limit)
    np.testing.assert_array_equal(found, expected)


def test_without_limits_scores_are_copied(backend, rng):
    scores = noise(rng, (3, 8, 9))
    scores[0, 0, 0] = np.nan
    found = rapidmask.clean_scores(scores)
    np.testing.assert_array_equal(bits(found), bits(scores))
    assert not np.shares_memory(found, scores)


@pytest.mark.parametrize(
    "shape", [(7, 20), (1, 7, 20), (2, 3, 7, 20), (2, 1, 2, 7, 20), (0, 7, 20), (2, 0, 20), (2, 7, 0)]
)
def test_batches_of_any_rank(backend, rng, shape):
    scores = noise(rng, shape)
    found = rapidmask.clean_scores(scores, max_hole_area=3, max_sprinkle_area=3)
    np.testing.assert_array_equal(found, expected_of(scores, max_hole_area=3, max_sprinkle_area=3))


@pytest.mark.parametrize("dtype", FLOATS)
def test_layouts(backend, rng, dtype):
    scores = noise(rng, (2, 9, 67), dtype)
    expected = expected_of(scores, max_hole_area=4, max_sprinkle_area=4)
    for layout, view in layouts(scores):
        before = view.copy()
        found = rapidmask.clean_scores(view, max_hole_area=4, max_sprinkle_area=4)
        np.testing.assert_array_equal(found, expected, err_msg=layout)
        np.testing.assert_array_equal(view, before)


def test_any_number_of_threads_gives_one_result(threads, rng):
    for shape in ((64, 130, 140), (1, 1300, 1111)):
        scores = noise(rng, shape)
        threads(1)
        expected = rapidmask.clean_scores(scores, max_hole_area=5, max_sprinkle_area=5)
        for count in (2, 7):
            threads(count)
            found = rapidmask.clean_scores(scores, max_hole_area=5, max_sprinkle_area=5)
            np.testing.assert_array_equal(found, expected)


def test_more_images_than_a_grid_is_tall(backend):
    if backend == "emu":
        return  # where it takes half a minute
    scores = np.full((65_537, 1, 4), -1, np.float16)
    scores[:, 0, 0] = 1
    scores[-1, 0, 2:] = 1
    cleaned = rapidmask.clean_scores(scores, max_sprinkle_area=1)
    assert (cleaned[:-1, 0, 0] == 1).all()  # all of the foreground
    assert (cleaned[-1, 0] > 0).tolist() == [False, False, True, True]


# out=


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(2, 5, 7), (1, 6, 64), (11, 130), (3, 0, 5), (1, 1)])
def test_out(backend, isa, rng, shape, dtype):
    scores = noise(rng, shape, dtype)
    limits = {"max_hole_area": 3, "max_sprinkle_area": 3}
    expected = expected_of(scores, **limits)
    out, untouched = guarded(shape, dtype)
    assert rapidmask.clean_scores(scores, **limits, out=out) is out
    np.testing.assert_array_equal(out, expected)
    assert untouched()
    out[...] = scores
    assert rapidmask.clean_scores(out, **limits, out=out) is out  # in place
    np.testing.assert_array_equal(out, expected)
    assert untouched()


@pytest.mark.parametrize("after", [True, False])
def test_in_place_with_holes_and_sprinkles_that_touch(backend, rng, after):
    scores = noise(rng, (3, 40, 90))
    options = {"max_hole_area": 30, "max_sprinkle_area": 30, "sprinkles_after_holes": after, "keep_half": False}
    expected = expected_of(scores, **options)
    rapidmask.clean_scores(scores, **options, out=scores)
    np.testing.assert_array_equal(scores, expected)


def test_torch_in_place(backend, rng):
    torch = pytest.importorskip("torch")
    scores = torch.from_numpy(noise(rng, (2, 1, 20, 70)))
    expected = expected_of(scores.numpy(), max_hole_area=4, max_sprinkle_area=4)
    assert rapidmask.clean_scores(scores, max_hole_area=4, max_sprinkle_area=4, out=scores) is scores
    np.testing.assert_array_equal(scores.numpy(), expected)


def overlapping():
    """Scores and an output one row further."""
    both = np.zeros((5, 6), np.float32)
    return both[:4], both[1:]


@pytest.mark.parametrize(
    ("scores", "out", "error", "text"),
    [
        (
            np.zeros((2, 3), np.float32),
            np.zeros((2, 3)),
            TypeError,
            "out must be float32, got float64",
        ),
        (
            np.zeros((2, 3), np.float32),
            np.zeros((3, 2), np.float32),
            ValueError,
            "out must have shape (2, 3), got shape (3, 2)",
        ),
        (
            np.zeros((2, 3), np.float32),
            np.zeros((2, 6), np.float32)[:, ::2],
            ValueError,
            "out must be writable and C-contiguous",
        ),
        (*overlapping(), ValueError, "out must not overlap the input, unless it is the input"),
        (
            np.zeros((2, 3), np.float32),
            np.zeros(28, np.uint8)[1:25].view(np.float32).reshape(2, 3),
            ValueError,
            "out must be aligned to its elements",
        ),
    ],
)
def test_out_that_does_not_fit_is_refused(backend, scores, out, error, text):
    with refuses(error, f"clean_scores: {text}"):
        rapidmask.clean_scores(scores, max_hole_area=1, out=out)


# As SAM 2 and SAM 3


def areas_by_scipy(torch, masks):
    """For each pixel of masks (B, 1, H, W) the area of its component of 8 neighbours, 0 in the background."""
    ndimage = pytest.importorskip("scipy.ndimage")
    result = np.zeros(masks.shape, np.int64)
    for i, mask in enumerate(masks[:, 0].numpy()):
        labels, _ = ndimage.label(mask, np.ones((3, 3)))
        result[i, 0] = np.where(labels > 0, np.bincount(labels.ravel())[labels], 0)
    return torch.from_numpy(result)


def sam2_fill_holes(torch, mask, max_area):
    """SAM 2's `fill_holes_in_mask_scores`."""
    areas = areas_by_scipy(torch, mask <= 0)
    return torch.where((areas > 0) & (areas <= max_area), 0.1, mask)


def sam2_postprocess(torch, masks, threshold, max_hole_area, max_sprinkle_area):
    """What SAM 2's `SAM2Transforms.postprocess_masks` does before it resizes."""
    original = masks
    if max_hole_area > 0:
        areas = areas_by_scipy(torch, original <= threshold)
        masks = torch.where((areas > 0) & (areas <= max_hole_area), threshold + 10.0, masks)
    if max_sprinkle_area > 0:
        areas = areas_by_scipy(torch, original > threshold)
        masks = torch.where((areas > 0) & (areas <= max_sprinkle_area), threshold - 10.0, masks)
    return masks


def sam3_fill_holes(torch, mask, max_area, fill_holes=True, remove_sprinkles=True):
    """SAM 3's `fill_holes_in_mask_scores`."""
    if max_area <= 0:
        return mask
    if fill_holes:
        areas = areas_by_scipy(torch, mask <= 0)
        mask = torch.where((areas > 0) & (areas <= max_area), 0.1, mask)
    if remove_sprinkles:
        areas = areas_by_scipy(torch, mask > 0)
        half = (mask > 0).sum((2, 3), keepdim=True) // 2
        mask = torch.where((areas > 0) & (areas <= half.clamp(max=max_area)), -0.1, mask)
    return mask


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("size", [(32, 64), (33, 65), (7, 200)])
def test_results_of_sam_2_and_sam_3(backend, rng, size, dtype):
    torch = pytest.importorskip("torch")
    scores = torch.from_numpy(noise(rng, (4, 1, *size)))
    scores[1] = scores[1].abs() + 1  # no hole
    scores[2] = -scores[2].abs()  # no foreground
    scores[3] += 0.6
    scores = scores.to(getattr(torch, dtype))
    for area in (0, 1, 3, 8, 100, 10_000):
        found = rapidmask.clean_scores(scores, max_hole_area=area)
        assert torch.equal(found, sam2_fill_holes(torch, scores, area))
        for threshold in (0.0, 0.5, -0.3):
            found = rapidmask.clean_scores(
                scores,
                threshold=threshold,
                max_hole_area=area,
                max_sprinkle_area=area // 2,
                hole_value=threshold + 10.0,
                sprinkle_value=threshold - 10.0,
                sprinkles_after_holes=False,
                keep_half=False,
            )
            assert torch.equal(found, sam2_postprocess(torch, scores, threshold, area, area // 2))
        found = rapidmask.clean_scores(scores, max_hole_area=area, max_sprinkle_area=area)
        assert torch.equal(found, sam3_fill_holes(torch, scores, area))
        found = rapidmask.clean_scores(scores, max_sprinkle_area=area)
        assert torch.equal(found, sam3_fill_holes(torch, scores, area, fill_holes=False))
        found = rapidmask.clean_scores(scores, max_hole_area=area)
        assert torch.equal(found, sam3_fill_holes(torch, scores, area, remove_sprinkles=False))


# Errors


SCORES = np.zeros((2, 3), np.float32)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (
            lambda: rapidmask.clean_scores(np.zeros((2, 3), np.int32)),
            TypeError,
            "scores must be float16, bfloat16, float32 or float64, got int32",
        ),
        (
            lambda: rapidmask.clean_scores(np.zeros((2, 3), bool)),
            TypeError,
            "scores must be float16, bfloat16, float32 or float64, got bool",
        ),
        (
            lambda: rapidmask.clean_scores(np.zeros(5, np.float32)),
            ValueError,
            "scores must have at least 2 dimensions (..., H, W), got shape (5,)",
        ),
        (lambda: rapidmask.clean_scores([[1.0]]), TypeError, f"scores {NOT_AN_ARRAY} list"),
        (lambda: rapidmask.clean_scores(SCORES, connectivity=6), ValueError, "connectivity must be 4 or 8, got 6"),
        (lambda: rapidmask.clean_scores(SCORES, threshold=np.nan), ValueError, "threshold must not be NaN, got nan"),
        (
            lambda: rapidmask.clean_scores(SCORES, max_hole_area=np.nan),
            ValueError,
            "max_hole_area must not be NaN, got nan",
        ),
        (lambda: rapidmask.clean_scores(SCORES, threshold="a"), TypeError, "threshold must be a number, got 'a'"),
        (lambda: rapidmask.clean_scores(SCORES, threshold=None), TypeError, "threshold must be a number, got None"),
        (
            lambda: rapidmask.clean_scores(SCORES, max_sprinkle_area=[1, 2]),
            TypeError,
            "max_sprinkle_area must be a number, got [1, 2]",
        ),
        (lambda: rapidmask.clean_scores(SCORES, hole_value="x"), TypeError, "hole_value must be a number, got 'x'"),
        (
            lambda: rapidmask.clean_scores(SCORES, sprinkle_value=np.nan),
            ValueError,
            "sprinkle_value must not be NaN, got nan",
        ),
    ],
)
def test_errors(backend, call, error, text):
    with refuses(error, f"clean_scores: {text}"):
        call()


def test_images_too_large_for_32_bits_are_refused(backend):
    huge = np.broadcast_to(np.zeros(1, np.float32), (1, 2**31))  # four bytes of memory
    if backend == "cpu":
        with refuses(ValueError, "clean_scores: a mask must have at most 2147483647 pixels, got 2147483648"):
            rapidmask.clean_scores(huge)
