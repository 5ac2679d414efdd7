"""`rapidmask.compat.torchvision` and `rapidmask.compat.detectron2` against what these libraries define."""

import os
import subprocess
import sys
import types

import numpy as np
import pytest

import rapidmask
from rapidmask.compat import detectron2, torchvision

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int64, torch.float32])
def test_boxes(dtype):
    masks = torch.zeros(3, 9, 12, dtype=dtype)
    masks[0, 2:5, 3:9] = 1
    masks[2, 8, 11] = 1
    boxes = torchvision.masks_to_boxes(masks)
    assert boxes.dtype == torch.float32
    assert boxes.tolist() == [[3, 2, 8, 4], [0, 0, 0, 0], [11, 8, 11, 8]]
    for other in (masks[:0], masks[0], masks[:, :0], masks.numpy()):
        with pytest.raises(NotImplementedError):
            torchvision.masks_to_boxes(other)


def stretched(mask, box, size, padding):
    """What torchvision's rule gives: a padded mask, resized to a box that is as much larger and cut to whole pixels."""
    mask = torch.nn.functional.pad(mask, (padding,) * 4)
    share = mask.shape[1] / (mask.shape[1] - 2 * padding)
    centre, half = (box[:2] + box[2:]) * 0.5, (box[2:] - box[:2]) * 0.5 * share
    (x0, y0), (x1, y1) = (centre - half).long().tolist(), (centre + half).long().tolist()
    values = torch.nn.functional.interpolate(mask[None, None], (y1 - y0 + 1, x1 - x0 + 1), mode="bilinear")[0, 0]
    image = torch.zeros(size)
    for y in range(max(y0, 0), min(y1 + 1, size[0])):
        columns = slice(max(x0, 0), min(x1 + 1, size[1]))
        image[y, columns] = values[y - y0, columns.start - x0 : columns.stop - x0]
    return image


def boxes_in(size, count, generator):
    """Boxes that may begin and end some pixels beside the image."""
    extent = torch.tensor([size[1], size[0]])
    first = torch.rand(count, 2, generator=generator) * (extent - 3) - 2
    return torch.cat(
        [first, torch.maximum(first, torch.zeros(2)) + 2 + torch.rand(count, 2, generator=generator) * 40], 1
    )


@pytest.mark.parametrize("padding", [0, 1, 2])
def test_values_of_pasted_masks(padding):
    generator = torch.Generator().manual_seed(padding)
    masks, boxes = torch.rand(9, 1, 14, 14, generator=generator), boxes_in((40, 70), 9, generator)
    found = torchvision.paste_masks_in_image(masks, boxes, (40, 70), padding)
    expected = [stretched(mask[0], box, (40, 70), padding) for mask, box in zip(masks, boxes, strict=True)]
    assert torch.equal(found, torch.stack(expected)[:, None])
    for dtype in (torch.float64, torch.bfloat16):
        assert torchvision.paste_masks_in_image(masks.to(dtype), boxes, (40, 70)).dtype == dtype
    beside = boxes + torch.tensor([90.0, 0, 90, 0])
    for arguments in (
        (masks[:0], boxes[:0], (40, 70)),
        (masks, beside, (40, 70)),
        (masks, boxes[1:], (40, 70)),
        (masks[:, 0], boxes, (40, 70)),
        (masks, boxes.long(), (40, 70)),
        (masks, boxes, (40, 70), -1),
        (masks.requires_grad_(), boxes, (40, 70)),
    ):
        with pytest.raises(NotImplementedError):
            torchvision.paste_masks_in_image(*arguments)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_pasted_masks_are_their_processes_own():
    program = """
import os, torch
from rapidmask.compat import torchvision
pasted = torchvision.paste_masks_in_image(torch.ones(1, 1, 4, 4), torch.tensor([[2.0, 2, 6, 6]]), (9, 9))
before = pasted.clone()
if os.fork() == 0:
    pasted.fill_(7)
    os._exit(0 if bool((pasted == 7).all()) else 1)
assert os.waitstatus_to_exitcode(os.wait()[1]) == 0
assert torch.equal(pasted, before)
pasted.fill_(3)
assert bool((pasted == 3).all())
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr[-2000:]


@pytest.fixture
def installed():
    """torchvision's own modules, where they can be imported."""
    return pytest.importorskip("torchvision.models.detection.roi_heads"), pytest.importorskip("torchvision.ops.boxes")


def test_the_same_as_torchvision(installed):
    heads, ops = installed
    generator = torch.Generator().manual_seed(5)
    hostile = [
        (torch.rand(0, 1, 5, 5), torch.rand(0, 4), (9, 9)),
        (torch.rand(1, 1, 5, 5), torch.tensor([[4.0, 4, 4, 4]]), (9, 9)),
        (torch.rand(1, 1, 5, 3), torch.tensor([[1.0, 2, 6, 7]]), (9, 9)),
        (torch.rand(1, 1, 1, 1), torch.tensor([[-20.0, -20, 40, 40]]), (9, 9)),
        (torch.rand(1, 1, 5, 5).double(), torch.tensor([[1.0, 2, 6, 7]]), (9, 9)),
        (torch.rand(1, 1, 5, 5), torch.tensor([[1, 2, 6, 7]]), (9, 9)),
    ]
    batches = [(torch.rand(8, 1, 28, 28, generator=generator), boxes_in((50, 60), 8, generator), (50, 60))]
    for arguments in batches + hostile:
        expected = heads.paste_masks_in_image(*arguments)
        with rapidmask.patch("torchvision"):
            found = heads.paste_masks_in_image(*arguments)
        assert found.dtype == expected.dtype
        assert torch.equal(found, expected)
    masks = torch.rand(5, 30, 40, generator=generator) < 0.01
    for given in (masks, masks.float(), masks.to(torch.int32) * -7, masks[:, ::2, ::3], masks[:0], masks[:, :0]):
        expected = ops.masks_to_boxes(given)
        with rapidmask.patch("torchvision"):
            found = ops.masks_to_boxes(given)
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        assert torch.equal(found, expected)


def sampled(mask, box, size):
    """The values that detectron2 compares: of pixel centres in the box, between zeros."""
    y, x = (torch.arange(extent, dtype=torch.float32) + 0.5 for extent in size)
    x, y = ((v - low) / (high - low) * 2 - 1 for v, low, high in ((x, box[0], box[2]), (y, box[1], box[3])))
    grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)[None]
    return torch.nn.functional.grid_sample(mask[None, None], grid, align_corners=False)[0, 0]


def test_pasted_masks():
    rng = np.random.default_rng(0)
    masks = torch.from_numpy(rng.random((20, 28, 28)).astype(np.float32))
    corners = rng.uniform(-20, 60, (20, 2))
    boxes = torch.from_numpy(np.hstack([corners, corners + rng.uniform(5, 70, (20, 2))]).astype(np.float32))
    found = detectron2.paste_masks_in_image(masks, boxes, (70, 90))
    values = torch.stack([sampled(mask, box, (70, 90)) for mask, box in zip(masks, boxes, strict=True)])
    assert found.dtype == torch.bool
    assert found.shape == values.shape
    assert (torch.equal(found, values >= 0.5)) or (values - 0.5).abs()[found != (values >= 0.5)].max() < 1e-5
    wrapped = types.SimpleNamespace(tensor=boxes)
    assert torch.equal(detectron2.paste_masks_in_image(masks, wrapped, (70, 90)), found)
    hard = detectron2.paste_masks_in_image(masks > 0.5, boxes, (70, 90))
    assert torch.equal(hard, detectron2.paste_masks_in_image((masks > 0.5).float(), boxes, (70, 90)))
    fewer = detectron2.paste_masks_in_image(masks, boxes, (70, 90), threshold=0.8)
    assert fewer.sum() < found.sum()
    for arguments in (
        (masks[:0], boxes[:0], (70, 90)),
        (masks[:, 1:], boxes, (70, 90)),
        (masks.double(), boxes, (70, 90)),
        (masks, boxes, (70, 90), -1),
        (masks, boxes[1:], (70, 90)),
        (masks.numpy(), boxes, (70, 90)),
    ):
        with pytest.raises(NotImplementedError):
            detectron2.paste_masks_in_image(*arguments)


def test_patches_of_libraries_that_look_like_them(monkeypatch):
    """Neither is there to install for a CPU: packages of their names, with modules that import by name."""

    def package(name, **names):
        module = types.ModuleType(name)
        vars(module).update(names)
        monkeypatch.setitem(sys.modules, name, module)
        return module

    def upstream(*arguments):
        return "upstream's"

    def values(*arguments):
        return "upstream's"

    boxes = package("torchvision.ops.boxes", masks_to_boxes=upstream)
    ops = package("torchvision.ops", masks_to_boxes=upstream, boxes=boxes)
    heads = package("torchvision.models.detection.roi_heads", paste_masks_in_image=values)
    detection = package("torchvision.models.detection", roi_heads=heads)
    package("torchvision", ops=ops, models=package("torchvision.models", detection=detection))
    mask_ops = package("detectron2.layers.mask_ops", paste_masks_in_image=upstream)
    layers = package("detectron2.layers", mask_ops=mask_ops)
    bit_masks = type("BitMasks", (types.SimpleNamespace,), {"get_bounding_boxes": lambda self: "upstream's"})
    boxes_of = package("detectron2.structures.boxes", Boxes=lambda corners: types.SimpleNamespace(tensor=corners))
    masks_of = package("detectron2.structures.masks", BitMasks=bit_masks)
    structures = package("detectron2.structures", masks=masks_of, boxes=boxes_of)
    package("detectron2", layers=layers, structures=structures)
    modeling = package("detectron2.modeling", paste_masks_in_image=upstream)
    with rapidmask.patch("torchvision", "detectron2", force=True) as patched:
        assert len(patched.replaced) == 4
        assert ops.masks_to_boxes(torch.ones(1, 2, 3)).tolist() == [[0, 0, 2, 1]]
        assert ops.masks_to_boxes(torch.ones(2, 3)) == "upstream's"
        corners = torch.tensor([[0.0, 0, 4, 4]])
        assert modeling.paste_masks_in_image(torch.ones(1, 2, 2), corners, (4, 4)).all()
        assert heads.paste_masks_in_image(torch.ones(1, 1, 2, 2), corners, (4, 4)).shape == (1, 1, 4, 4)
        masks = torch.zeros(2, 5, 6, dtype=torch.bool)
        masks[0, 1:3, 2:6] = True
        assert bit_masks(tensor=masks).get_bounding_boxes().tensor.tolist() == [[2, 1, 6, 3], [0, 0, 0, 0]]
        assert bit_masks(tensor=masks[:0]).get_bounding_boxes() == "upstream's"
    assert ops.masks_to_boxes is boxes.masks_to_boxes is modeling.paste_masks_in_image is upstream
    assert heads.paste_masks_in_image is values
    assert bit_masks(tensor=masks).get_bounding_boxes() == "upstream's"
