"""`rapidmask.compat.torchvision` and `rapidmask.compat.detectron2` against what these libraries define."""

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

    boxes = package("torchvision.ops.boxes", masks_to_boxes=upstream)
    ops = package("torchvision.ops", masks_to_boxes=upstream, boxes=boxes)
    package("torchvision", ops=ops)
    mask_ops = package("detectron2.layers.mask_ops", paste_masks_in_image=upstream)
    layers = package("detectron2.layers", mask_ops=mask_ops)
    package("detectron2", layers=layers)
    heads = package("detectron2.modeling", paste_masks_in_image=upstream)
    with rapidmask.patch("torchvision", "detectron2", force=True):
        assert ops.masks_to_boxes(torch.ones(1, 2, 3)).tolist() == [[0, 0, 2, 1]]
        assert ops.masks_to_boxes(torch.ones(2, 3)) == "upstream's"
        corners = torch.tensor([[0.0, 0, 4, 4]])
        assert heads.paste_masks_in_image(torch.ones(1, 2, 2), corners, (4, 4)).all()
    assert ops.masks_to_boxes is boxes.masks_to_boxes is heads.paste_masks_in_image is upstream
