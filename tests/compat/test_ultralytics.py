"""`rapidmask.compat.ultralytics` against ultralytics, where it is installed, on its own results."""

import importlib

import numpy as np
import pytest

import rapidmask
from rapidmask.compat import ultralytics as ours

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def theirs():
    pytest.importorskip("ultralytics")
    return importlib.import_module("ultralytics.utils.ops")


def detections(size, count=12, side=(40, 40), seed=0):
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(1, 8, 9, 9, generator=generator)
    prototypes = torch.nn.functional.interpolate(coarse, side, mode="bicubic")[0]
    corners = torch.rand(count, 2, generator=generator) * torch.tensor([size[1], size[0]]) * 0.8 - 3
    extents = torch.rand(count, 2, generator=generator) * torch.tensor([size[1], size[0]]) * 0.5
    return prototypes, torch.randn(count, 8, generator=generator), torch.cat([corners, corners + extents], dim=1)


def assert_close(found, expected):
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    assert (found != expected).sum() <= 1e-5 * found.numel()


@pytest.mark.parametrize("size", [(160, 160), (96, 160), (160, 128)])
@pytest.mark.parametrize("upsample", [False, True])
def test_masks_of_the_model_input(theirs, size, upsample):
    given = detections(size)
    assert_close(ours.process_mask(*given, size, upsample), theirs.process_mask(*given, size, upsample))


@pytest.mark.parametrize("size", [(160, 160), (90, 160), (200, 311), (77, 50), (333, 250), (81, 144)])
@pytest.mark.parametrize("side", [(40, 40), (24, 40), (33, 40)])
def test_masks_of_the_picture(theirs, size, side):
    given = detections(size, side=side, seed=1)
    expected = theirs.process_mask_native(*given, size)
    assert_close(ours.process_mask_native(*given, size), expected)
    with rapidmask.patch("ultralytics"):
        assert_close(theirs.process_mask_native(*given, size), expected)


def test_no_detections(theirs):
    given = detections((96, 160), count=0)
    for name in ("process_mask", "process_mask_native"):
        assert_close(getattr(ours, name)(*given, (96, 160)), getattr(theirs, name)(*given, (96, 160)))


def test_segments(theirs):
    masks = ours.process_mask(*detections((96, 160), seed=2), (96, 160), upsample=True)
    masks[3] = 0
    for given in (masks, masks.numpy()):
        for one, other in zip(
            ours.masks2segments(given, "largest"), theirs.masks2segments(given, "largest"), strict=True
        ):
            assert one.dtype == other.dtype
            np.testing.assert_array_equal(one, other)
    expected = theirs.masks2segments(masks)
    with rapidmask.patch("ultralytics"):
        for one, other in zip(theirs.masks2segments(masks), expected, strict=True):
            np.testing.assert_array_equal(one, other)


def test_without_ultralytics():
    prototypes = torch.zeros(2, 4, 4)
    prototypes[0, :, 2:] = 1
    coefficients, boxes = torch.tensor([[1.0, 0], [-1, 0]]), torch.tensor([[0.0, 0, 16, 8], [0, 0, 16, 16]])
    masks = ours.process_mask(prototypes, coefficients, boxes, (16, 16))
    assert masks.dtype == torch.uint8
    assert masks[0].tolist() == [[0, 0, 1, 1]] * 2 + [[0] * 4] * 2
    assert not masks[1].any()
    assert ours.process_mask_native(prototypes, coefficients, boxes, (16, 16))[0].sum() == 8 * 10
    assert [segment.tolist() for segment in ours.masks2segments(masks)] == [[[2, 0], [2, 1], [3, 1], [3, 0]], []]
    for arguments in (
        (prototypes.numpy(), coefficients, boxes),
        (prototypes.double(), coefficients, boxes),
        (prototypes, coefficients[:, :1], boxes),
        (prototypes, coefficients, boxes[:1]),
        (prototypes[:, :0], coefficients, boxes),
    ):
        with pytest.raises(NotImplementedError):
            ours.process_mask(*arguments, (16, 16))
    with pytest.raises(NotImplementedError):
        ours.masks2segments(np.eye(3)[None][:, :, [0, 2, 1]] * np.array([[1, 0, 1]]), "all")
