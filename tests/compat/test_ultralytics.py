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
    """Ultralytics' functions, of the release that is installed."""
    version = pytest.importorskip("ultralytics").__version__
    if not version.startswith("8.4.") and version != "8.3.200":
        pytest.skip(f"ultralytics {version} is another")
    return importlib.import_module("ultralytics.utils.ops")


def patched(name):
    """Our function, as a patch of the installed release puts it in place."""
    return ours._replacements()[f"ultralytics.utils.ops:{name}"]


def is_8_3():
    return importlib.import_module("ultralytics").__version__.startswith("8.3.")


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
    assert_close(patched("process_mask")(*given, size, upsample), theirs.process_mask(*given, size, upsample))


@pytest.mark.parametrize("size", [(160, 160), (90, 160), (200, 311), (77, 50), (333, 250), (81, 144)])
@pytest.mark.parametrize("side", [(40, 40), (24, 40), (33, 40)])
def test_masks_of_the_picture(theirs, size, side):
    given = detections(size, side=side, seed=1)
    expected = theirs.process_mask_native(*given, size)
    assert_close(patched("process_mask_native")(*given, size), expected)
    with rapidmask.patch("ultralytics"):
        assert_close(theirs.process_mask_native(*given, size), expected)


def test_no_detections(theirs):
    given = detections((96, 160), count=0)
    if is_8_3():
        pytest.skip("8.3 refuses them")
    for name in ("process_mask", "process_mask_native"):
        assert_close(getattr(ours, name)(*given, (96, 160)), getattr(theirs, name)(*given, (96, 160)))


def test_segments(theirs):
    masks = ours.process_mask(*detections((96, 160), seed=2), (96, 160), upsample=True)
    masks[3] = 0
    arrays = [] if is_8_3() else [masks.numpy()]
    for given in (masks, *arrays):
        for one, other in zip(
            ours.masks2segments(given, "largest"), theirs.masks2segments(given, "largest"), strict=True
        ):
            assert one.dtype == other.dtype
            np.testing.assert_array_equal(one, other)
    expected = theirs.masks2segments(masks)
    with rapidmask.patch("ultralytics"):
        for one, other in zip(theirs.masks2segments(masks), expected, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("output", ["bool", "uint8", "packed", "rle"])
@pytest.mark.parametrize("version", ["8.4", "8.3"])
def test_forms_of_the_masks(output, version):
    given = detections((96, 160), side=(24, 40))
    form = {"bool": torch.Tensor, "uint8": torch.Tensor, "packed": rapidmask.PackedMasks, "rle": rapidmask.RLEMasks}
    for function, arguments in (
        (ours.process_mask, ((96, 160),)),
        (ours.process_mask, ((96, 160), True)),
        (ours.process_mask_native, ((90, 150),)),
    ):
        expected = function(*given, *arguments, version=version)
        assert expected.dtype == (torch.uint8 if version == "8.4" else torch.float32)
        masks = function(*given, *arguments, version=version, output=output)
        assert isinstance(masks, form[output])
        dense = masks.to_dense() if output in ("packed", "rle") else masks
        assert torch.equal(torch.as_tensor(dense) != 0, expected != 0)
        assert expected.any()


def test_release_8_3():
    """It zeroes the grid beside a box, then resizes, so that masks end beyond it; 8.4 crops what it resized."""
    prototypes, boxes = torch.ones(1, 4, 4), torch.tensor([[4.0, 4, 8, 8]])
    grid = torch.zeros(1, 1, 4, 4)
    grid[0, 0, 1, 1] = 1
    expected = torch.nn.functional.interpolate(grid, (16, 16), mode="bilinear")[0] > 0
    found = ours.process_mask(prototypes, torch.ones(1, 1), boxes, (16, 16), True, version="8.3")
    assert torch.equal(found, expected.float())
    assert ours.process_mask(prototypes, torch.ones(1, 1), boxes, (16, 16), True).sum() == 16 < found.sum()
    # Of 40 rows 22.6 are the picture's: 8.3 takes 22 of them, from the ninth; 8.4 takes 90 of four times as many.
    prototypes = torch.arange(40.0)[None, :, None].expand(1, 40, 40) - 12
    boxes = torch.tensor([[0.0, 0, 200, 113]])
    given = (prototypes, torch.ones(1, 1), boxes, (113, 200))
    rows = torch.nn.functional.interpolate(prototypes[None, :, 9:31], (113, 200), mode="bilinear")[0] > 0
    assert torch.equal(ours.process_mask_native(*given, version="8.3") > 0, rows)
    assert not torch.equal(ours.process_mask_native(*given) > 0, rows)
    with pytest.raises(NotImplementedError):
        ours.process_mask(*given, version="8.2")


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
