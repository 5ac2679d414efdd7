"""Regions cut out of images, masks painted over them, and maps of labels in colours."""

import numpy as np
import pytest

import rapidmask
from rapidmask._colours import default_colours

DTYPES = [np.bool_, np.uint8, np.int16, np.uint16, np.int64, np.float16, np.float32, np.float64, np.complex64]


class OnADevice:
    """What an array on a CUDA device looks like from outside."""

    shape = (2, 2)
    dtype = np.dtype(np.uint8)

    def __dlpack_device__(self):
        return 2, 0


def containers(masks):
    """Return the same masks in every form."""
    return [masks, masks.astype(np.uint8) * 3, rapidmask.pack(masks), rapidmask.rle_encode(masks)]


# apply_mask


def test_apply_mask_by_eye():
    image = np.array([[1, 2, 3], [4, 5, 6]], np.uint8)
    mask = np.array([[0, 1, 0], [2, 0, 1]])
    np.testing.assert_array_equal(rapidmask.apply_mask(image, mask), [[0, 2, 0], [4, 0, 6]])
    np.testing.assert_array_equal(rapidmask.apply_mask(image, mask, fill=9), [[9, 2, 9], [4, 9, 6]])


def test_apply_mask_fills_each_channel():
    image = np.full((1, 2, 3), 100, np.uint8)
    result = rapidmask.apply_mask(image, np.array([[True, False]]), fill=(1, 2, 3))
    np.testing.assert_array_equal(result, [[[100, 100, 100], [1, 2, 3]]])


@pytest.mark.parametrize("dtype", DTYPES)
def test_apply_mask_keeps_the_dtype_and_the_image(dtype):
    image = np.array([[1, 0], [1, 1]]).astype(dtype)
    image.flags.writeable = False
    result = rapidmask.apply_mask(image, np.array([[True, True], [False, True]]), fill=0)
    assert result.dtype == dtype
    assert not np.shares_memory(result, image)
    np.testing.assert_array_equal(result, np.array([[1, 0], [0, 1]]).astype(dtype))


def test_apply_mask_takes_batches_in_every_form():
    rng = np.random.default_rng(0)
    masks = rng.random((3, 5, 70)) < 0.5
    for shape in [(3, 5, 70), (3, 5, 70, 2), (3, 5, 70, 1)]:
        images = rng.integers(1, 255, shape, dtype=np.uint8)
        expected = images * masks.reshape(3, 5, 70, *[1] * (len(shape) - 3))
        for form in containers(masks):
            np.testing.assert_array_equal(rapidmask.apply_mask(images, form), expected)


def test_apply_mask_takes_one_image_and_a_container_of_one_mask():
    mask = np.random.default_rng(1).random((1, 4, 9)) < 0.5
    image = np.ones((4, 9, 3), np.float32)
    for form in (rapidmask.pack(mask), rapidmask.rle_encode(mask)):
        result = rapidmask.apply_mask(image, form, fill=np.nan)
        np.testing.assert_array_equal(np.isnan(result).all(2), ~mask[0])
        np.testing.assert_array_equal(rapidmask.apply_mask(image[..., 0], form), mask[0])


@pytest.mark.parametrize(("dtype", "fill"), [(np.float16, 1e6), (np.float32, 1e39)])
def test_apply_mask_refuses_a_fill_that_overflows(dtype, fill):
    with pytest.raises(ValueError, match="apply_mask: fill must be a value of the image's dtype"):
        rapidmask.apply_mask(np.zeros((1, 1), dtype), np.zeros((1, 1), bool), fill=fill)
    assert np.isinf(rapidmask.apply_mask(np.zeros((1, 1), dtype), np.zeros((1, 1), bool), fill=np.inf))


def test_apply_mask_leaves_no_nan_outside():
    image = np.array([[np.nan, 1.0]])
    np.testing.assert_array_equal(rapidmask.apply_mask(image, np.array([[0, 1]])), [[0.0, 1.0]])


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0), (0, 2, 2), (2, 2, 0)])
def test_apply_mask_of_nothing(shape):
    image = np.zeros(shape, np.uint8)
    assert rapidmask.apply_mask(image, np.zeros(shape[:2], bool)).shape == shape


def test_torch_on_the_host_is_read():
    torch = pytest.importorskip("torch")
    image = torch.full((2, 2), 7.0, requires_grad=True)
    mask = torch.eye(2, dtype=torch.bool)
    result = rapidmask.apply_mask(image, mask)
    assert isinstance(result, np.ndarray)
    np.testing.assert_array_equal(result, [[7, 0], [0, 7]])
    assert rapidmask.overlay(image, mask).shape == (2, 2, 3)


@pytest.mark.parametrize(
    ("mask", "fill", "error", "text"),
    [
        (np.zeros((2, 3), bool), 0, ValueError, r"apply_mask: mask must have the image's shape, without its channels"),
        (np.zeros((1, 2, 2, 3), bool), 0, ValueError, "apply_mask: mask must have the image's shape"),
        (np.zeros((2, 2)), 0, TypeError, "apply_mask: mask must be bool or integer, got float64"),
        (
            np.zeros((2, 2), bool),
            256,
            ValueError,
            "apply_mask: fill must be a value of the image's dtype uint8, got 256",
        ),
        (np.zeros((2, 2), bool), -1, ValueError, "apply_mask: fill must be a value of the image's dtype uint8, got -1"),
        (np.zeros((2, 2), bool), 0.5, ValueError, "apply_mask: fill must be a value of the image's dtype"),
        (np.zeros((2, 2), bool), np.nan, ValueError, "apply_mask: fill must be a value of the image's dtype"),
        (
            np.zeros((2, 2), bool),
            (1, 2),
            ValueError,
            r"apply_mask: fill must be a number or 3 of them, got shape \(2,\)",
        ),
        (np.zeros((2, 2), bool), "black", TypeError, "apply_mask: fill must be a number of the image's kind uint8"),
        (np.zeros((2, 2), bool), 1j, TypeError, "apply_mask: fill must be a number of the image's kind uint8"),
        (OnADevice(), 0, TypeError, "apply_mask: mask must be in host memory, got an array on a CUDA device"),
    ],
)
def test_apply_mask_errors(mask, fill, error, text):
    with pytest.raises(error, match=text):
        rapidmask.apply_mask(np.zeros((2, 2, 3), np.uint8), mask, fill=fill)


# overlay


def test_overlay_by_eye():
    image = np.array([[0, 100, 200]], np.uint8)
    result = rapidmask.overlay(image, np.array([[0, 1, 2]]), colors=[[255, 0, 0], [0, 0, 255]], outline=False)
    assert result.dtype == np.uint8
    np.testing.assert_array_equal(result, [[[0, 0, 0], [178, 50, 50], [100, 100, 228]]])


def test_overlay_outline_by_eye():
    image = np.full((1, 7), 100, np.uint8)
    labels = np.array([[0, 0, 1, 1, 1, 0, 0]])
    red = rapidmask.overlay(image, labels, colors=(200, 100, 100), alpha=0)
    # Full colour on the border, a dark rim beside it, and nothing else, because alpha is 0.
    np.testing.assert_array_equal(red[0, :, 0], [100, 40, 200, 100, 200, 40, 100])
    dark = rapidmask.overlay(image, labels, colors=(0, 0, 90), alpha=0)
    np.testing.assert_array_equal(dark[0, :, 0], [100, 193, 0, 100, 0, 193, 100])  # a bright rim


def test_overlay_touching_labels_have_their_borders():
    labels = np.array([[1, 1, 1, 2, 2, 2]])
    colours = np.array([[10, 0, 0], [20, 0, 0]])
    result = rapidmask.overlay(np.zeros((1, 6), np.uint8), labels, colors=colours, alpha=0)
    np.testing.assert_array_equal(result[0, :, 0], [0, 0, 10, 20, 0, 0])


def test_overlay_alpha_from_nothing_to_all():
    rng = np.random.default_rng(2)
    image = rng.integers(0, 256, (9, 8, 3), dtype=np.uint8)
    labels = rng.integers(0, 4, (9, 8))
    untouched = rapidmask.overlay(image, labels, alpha=0, outline=False)
    np.testing.assert_array_equal(untouched, image)
    assert not np.shares_memory(untouched, image)
    colours = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]], np.uint8)
    covered = rapidmask.overlay(image, labels, colors=colours, alpha=1, outline=False)
    np.testing.assert_array_equal(covered[labels > 0], colours[labels[labels > 0] - 1])
    np.testing.assert_array_equal(covered[labels == 0], image[labels == 0])


def test_overlay_leaves_the_image_alone():
    image = np.full((6, 6, 3), 50, np.uint8)
    labels = np.zeros((6, 6), np.uint8)
    labels[2:4, 2:4] = 1
    before = image.copy()
    rapidmask.overlay(image, labels)
    np.testing.assert_array_equal(image, before)
    image.flags.writeable = labels.flags.writeable = False
    rapidmask.overlay(image, labels)


def test_overlay_takes_masks_in_every_form_and_paints_the_later_over_the_earlier():
    rng = np.random.default_rng(3)
    masks = rng.random((4, 7, 66)) < 0.4
    image = rng.integers(0, 256, (7, 66), dtype=np.uint8)
    labels = np.zeros((7, 66), np.int64)
    for i, mask in enumerate(masks):
        labels[mask] = i + 1
    expected = rapidmask.overlay(image, labels)
    for form in containers(masks):
        np.testing.assert_array_equal(rapidmask.overlay(image, form), expected)
    np.testing.assert_array_equal(
        rapidmask.overlay(image, masks[0]), rapidmask.overlay(image, masks[0].astype(np.int32))
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int32, np.uint64])
def test_overlay_takes_labels_of_every_integer_type(dtype):
    labels = np.array([[0, 1, 100]], dtype)
    expected = rapidmask.overlay(np.zeros((1, 3), np.uint8), labels.astype(np.int64))
    np.testing.assert_array_equal(rapidmask.overlay(np.zeros((1, 3), np.uint8), labels), expected)


def test_overlay_takes_negative_labels_for_background():
    image = np.full((1, 3), 9, np.uint8)
    np.testing.assert_array_equal(rapidmask.overlay(image, np.array([[-1, 0, -7]])), np.full((1, 3, 3), 9))


@pytest.mark.parametrize(
    ("image", "grey"),
    [
        (np.array([[False, True]]), [0, 255]),
        (np.array([[10, 20]], np.uint8), [10, 20]),
        (np.array([[1000, 1100, 1200]], np.uint16), [0, 128, 255]),
        (np.array([[-2.0, 0.0, 2.0]], np.float32), [0, 128, 255]),
        (np.array([[np.nan, 1.0, np.inf, 3.0, -np.inf]]), [0, 0, 255, 255, 0]),
        (np.array([[5.0, 5.0]]), [0, 0]),
        (np.array([[np.nan, np.nan]]), [0, 0]),
    ],
)
def test_overlay_shows_every_range(image, grey):
    result = rapidmask.overlay(image, np.zeros(image.shape, np.int32))
    np.testing.assert_array_equal(result, np.repeat(np.array(grey)[None, :, None], 3, axis=2))


@pytest.mark.parametrize("size", [(0, 0), (0, 4), (4, 0), (1, 1), (1, 5), (5, 1)])
def test_overlay_of_hostile_sizes(size):
    for labels in (np.zeros(size, np.int32), np.ones(size, np.int32)):
        assert rapidmask.overlay(np.zeros(size, np.uint8), labels).shape == (*size, 3)
    assert rapidmask.overlay(np.zeros(size, np.uint8), np.zeros((0, *size), bool)).shape == (*size, 3)


# Linear RGB as seen without red, green or blue cones (Machado, Oliveira and Fernandes 2009), and without hue.
VISIONS = {
    "all cones": np.eye(3),
    "no red cones": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "no green cones": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "no blue cones": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
    "no hue": [[0.2126, 0.7152, 0.0722]] * 3,
}


def oklab(linear):
    """Colours of a space where distances are those that people see (Ottosson 2020)."""
    cones = [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
             [0.0883024619, 0.2817188376, 0.6299787005]]  # fmt: skip
    lab = [[0.2104542553, 0.793617785, -0.0040720468], [1.9779984951, -2.428592205, 0.4505937099],
           [0.0259040371, 0.7827717662, -0.808675766]]  # fmt: skip
    return np.cbrt(linear @ np.transpose(cones)) @ np.transpose(lab)


@pytest.mark.parametrize("vision", VISIONS)
def test_default_colours_stay_apart(vision):
    colours = default_colours()
    assert len(np.unique(colours, axis=0)) == len(colours) >= 300
    encoded = colours / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    seen = oklab(np.clip(linear @ np.transpose(VISIONS[vision]), 0, 1))
    # A distance of 0.02 is just seen side by side.
    apart = [np.linalg.norm(seen[step:] - seen[:-step], axis=1).min() for step in range(1, 13)]
    assert apart[0] > 0.06
    if vision != "no hue":
        assert min(apart) > 0.03
        first = np.linalg.norm(seen[:10, None] - seen[:10], axis=2)[~np.eye(10, dtype=bool)]
        assert first.min() > 0.08
    assert seen[:, 0].min() > 0.35  # not black
    assert seen[:, 0].max() < 0.95  # not white


# colorize_labels


def test_colorize_labels_by_eye():
    labels = np.array([[0, 1, 2], [3, -1, 1]])
    colours = [[10, 0, 0], [20, 0, 0]]
    found = rapidmask.colorize_labels(labels, colors=colours, background=(5, 6, 7))
    assert found.dtype == np.uint8
    assert found.tolist() == [[[5, 6, 7], [10, 0, 0], [20, 0, 0]], [[10, 0, 0], [5, 6, 7], [10, 0, 0]]]


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.int8, np.uint16, np.int64, np.uint64])
def test_colorize_labels_of_every_type_and_shape(dtype):
    labels = np.resize(np.arange(300), (2, 9, 70)).astype(dtype)
    expected = np.zeros((2, 9, 70, 3), np.uint8)
    table = default_colours()
    for place in np.argwhere(labels > 0).tolist():
        expected[tuple(place)] = table[(int(labels[tuple(place)]) - 1) % len(table)]
    np.testing.assert_array_equal(rapidmask.colorize_labels(labels), expected)
    assert rapidmask.colorize_labels(labels[:, :0]).shape == (2, 0, 70, 3)


@pytest.mark.parametrize(
    ("labels", "options", "error", "text"),
    [
        (np.zeros((2, 2)), {}, TypeError, "colorize_labels: labels must be bool or integer, got float64"),
        (np.zeros(3, int), {}, ValueError, r"colorize_labels: labels must have shape \(..., H, W\), got \(3,\)"),
        (
            np.zeros((2, 2), int), {"background": [[0, 0, 0], [1, 1, 1]]}, ValueError,
            "colorize_labels: background must be one colour, got 2",
        ),
        (
            np.zeros((2, 2), int), {"colors": (0, 0, 300)}, ValueError,
            "colorize_labels: colors must be integers from 0 to 255",
        ),
        (OnADevice(), {}, TypeError, "colorize_labels: labels must be in host memory, got an array on a CUDA device"),
    ],
)  # fmt: skip
def test_colorize_labels_errors(labels, options, error, text):
    with pytest.raises(error, match=text):
        rapidmask.colorize_labels(labels, **options)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"alpha": 1.5}, ValueError, "overlay: alpha must be from 0 to 1, got 1.5"),
        ({"alpha": np.nan}, ValueError, "overlay: alpha must be from 0 to 1, got nan"),
        ({"colors": [[1, 2]]}, ValueError, r"overlay: colors must have shape \(K, 3\) or \(3,\), got \(1, 2\)"),
        ({"colors": np.zeros((0, 3), int)}, ValueError, r"overlay: colors must have shape \(K, 3\)"),
        ({"colors": (0.5, 0.5, 1.0)}, ValueError, "overlay: colors must be integers from 0 to 255"),
        ({"colors": (0, 0, 256)}, ValueError, "overlay: colors must be integers from 0 to 255"),
        ({"masks": np.zeros((3, 2), int)}, ValueError, r"overlay: masks must have shape \(2, 2\) or \(N, 2, 2\)"),
        ({"masks": np.zeros((1, 2, 3), bool)}, ValueError, "overlay: masks must have shape"),
        ({"masks": np.zeros((2, 2))}, TypeError, "overlay: masks must be bool or integer, got float64"),
        ({"masks": OnADevice()}, TypeError, "overlay: masks must be in host memory, got an array on a CUDA device"),
        ({"image": OnADevice()}, TypeError, "overlay: image must be in host memory, got an array on a CUDA device"),
        ({"image": np.zeros((2, 2, 4))}, ValueError, r"overlay: image must have shape \(H, W\) or \(H, W, 3\)"),
        ({"image": np.zeros((2, 2), complex)}, TypeError, "overlay: image must be of real numbers, got complex128"),
    ],
)
def test_overlay_errors(arguments, error, text):
    arguments = {"image": np.zeros((2, 2), np.uint8), "masks": np.zeros((2, 2), int)} | arguments
    with pytest.raises(error, match=text):
        rapidmask.overlay(arguments.pop("image"), arguments.pop("masks"), **arguments)
