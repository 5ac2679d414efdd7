"""The operations that `gpu.py` times on a device, with what each must move, its goals and its peers.

To add one, append to `OPERATIONS`:

    Operation("pack", "bool → bits", frames, lambda m: rapidmask.pack(m), lambda s: 1.125 * s.pixels,
              [Peer("cupy packbits", lambda m: packbits(cp(m)), same_bits)],
              floors=2)

`ours` and the peers take the tensors that `inputs` makes, after `prepare`; all run on CPU tensors too, with NumPy and
SciPy in CuPy's place, which is how the table is tested without a device. Traffic is that of DRAM at the least: 1 byte a
bool pixel, an eighth a packed one, 4 a float or label.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

import rapidmask
from gpu_inputs import (
    Scale,
    classes,
    detections,
    frames,
    images,
    label_maps,
    large_logits,
    logits,
    prototypes,
    queries,
    rival_masks,
    small_masks,
)  # fmt: skip

Function = Callable[..., Any]
_BIT = 0.125
_CUCIM_MORPHOLOGY = "cucim.core.operations.morphology"


@dataclass(frozen=True)
class Peer:
    """What another library does for the same; `needs` is its module, CuPy where the name begins with cupy."""

    name: str
    call: Function
    check: Callable[[Any, Any], None] | None  # of our answer and its own; none where its answer is another
    needs: str = ""

    def missing(self, device: str) -> bool:
        name = self.needs or ("cupyx.scipy.ndimage" if self.name.startswith("cupy") and device != "cpu" else "torch")
        try:
            importlib.import_module(name)
        except ImportError:
            return True
        return False


@dataclass(frozen=True)
class Operation:
    """A row of the table."""

    family: str
    name: str
    inputs: Callable[[Scale], tuple[Any, ...]]
    ours: Function
    traffic: Callable[[Scale], float]  # bytes at the least
    peers: Sequence[Peer] = ()
    prepare: Function = lambda *tensors: tensors  # what both sides are given, made once
    floors: float | None = None  # goal: at most so many times the floor
    times: float | None = None  # goal: at least so many times as fast as the best peer
    microseconds: float | None = None  # goal: at most

    @property
    def title(self) -> str:
        return f"{self.family}: {self.name}"


# Arrays of CuPy on a device, of NumPy on the host


def on(tensor: Any) -> Any:
    """CuPy or NumPy."""
    return importlib.import_module("cupy") if tensor.is_cuda else np


def cp(tensor: Any) -> Any:
    """The same memory as an array of that."""
    return on(tensor).asarray(tensor)


def nd(tensor: Any) -> Any:
    """What has SciPy's functions for images there."""
    return importlib.import_module("cupyx.scipy.ndimage" if tensor.is_cuda else "scipy.ndimage")


def each(function: Function) -> Function:
    """A function of one plane, for a batch."""
    return lambda masks, *rest: [function(mask) for mask in masks]


def packbits(array: Any) -> Any:
    """A byte for eight pixels; CuPy knows no axis, so that widths must be whole bytes."""
    return importlib.import_module(type(array).__module__.partition(".")[0]).packbits(array.ravel(), bitorder="little")


# Checks


def tensor(answer: Any, like: Any = None) -> Any:
    if isinstance(answer, list):
        return torch.stack([tensor(one) for one in answer])
    if isinstance(answer, (rapidmask.PackedMasks, rapidmask.RLEMasks)):
        answer = answer.to_dense()
    return torch.as_tensor(answer)


def same(ours: Any, theirs: Any) -> None:
    ours, theirs = tensor(ours), tensor(theirs)
    assert ours.shape == theirs.shape, f"shapes {tuple(ours.shape)} and {tuple(theirs.shape)}"
    different = int((ours.to(torch.float64) != theirs.to(torch.float64)).sum())
    assert different == 0, f"{different} of {ours.numel()} values differ"


def nearly(share: float) -> Callable[[Any, Any], None]:
    """That at most such a share of the values differs: pixels within rounding of a threshold."""

    def check(ours: Any, theirs: Any) -> None:
        ours, theirs = tensor(ours), tensor(theirs)
        assert ours.shape == theirs.shape, f"shapes {tuple(ours.shape)} and {tuple(theirs.shape)}"
        assert float((ours != theirs).double().mean()) <= share, "more than rounding"

    return check


def close(tolerance: float) -> Callable[[Any, Any], None]:
    def check(ours: Any, theirs: Any) -> None:
        torch.testing.assert_close(tensor(ours).double(), tensor(theirs).double(), rtol=tolerance, atol=tolerance)

    return check


def same_bits(ours: Any, theirs: Any) -> None:
    """CuPy's bytes are ours but for the padding."""
    ours = tensor(ours.data)
    theirs = tensor(theirs).reshape(*ours.shape[:2], -1)
    assert bool((ours[..., : theirs.shape[-1]] == theirs).all()), "bits differ"


def same_corners(ours: Any, theirs: Any) -> None:
    """Torchvision's last row and column are within the mask, ours one past it."""
    same(tensor(ours)[:, 2:] - 1, tensor(theirs)[:, 2:])
    same(tensor(ours)[:, :2], tensor(theirs)[:, :2])


def same_partition(ours: Any, theirs: Any) -> None:
    """That labels correspond one to one, in each plane."""
    ours, theirs = tensor(ours).long(), tensor(theirs).long().reshape(tensor(ours).shape)
    for one, other in zip(ours, theirs, strict=True):
        pairs = torch.unique(one * (int(other.max()) + 1) + other).numel()
        assert pairs == torch.unique(one).numel() == torch.unique(other).numel(), "components differ"


# Compositions of torch


def resized(values: Any, size: tuple[int, int]) -> Any:
    return torch.nn.functional.interpolate(values[None], size, mode="bilinear", align_corners=False)[0]


def torch_boxes(masks: Any) -> Any:
    """First and one past the last row and column that are not empty."""
    h, w = masks.shape[1:]
    rows, columns = masks.any(2).long(), masks.any(1).long()
    top, left = rows.argmax(1), columns.argmax(1)
    bottom, right = h - rows.flip(1).argmax(1), w - columns.flip(1).argmax(1)
    return torch.stack([left, top, right, bottom], 1)


def torch_stability(x: Any) -> Any:
    return (x > 1).sum((1, 2), dtype=torch.int32) / (x > -1).sum((1, 2), dtype=torch.int32)


def torch_runs(masks: Any) -> list[Any]:
    """COCO's counts: where a column-major mask changes."""
    flat = masks.transpose(1, 2).flatten(1)
    changes = torch.cat([flat[:, :1], flat[:, 1:] ^ flat[:, :-1]], 1).nonzero()
    ends = torch.bincount(changes[:, 0], minlength=len(masks)).tolist()
    return [torch.cat([at, at.new_tensor([flat.shape[1]])]).diff(prepend=at.new_zeros(1))
            for at in changes[:, 1].split(ends)]  # fmt: skip


def same_runs(ours: Any, theirs: Any) -> None:
    counts = tensor(ours.counts).cpu().long().split(tensor(ours.offsets).cpu().diff().tolist())
    for one, other in zip(counts, theirs, strict=True):
        assert torch.equal(one, other.cpu()), "runs differ"


def on_host(masks: Any) -> list[Any]:
    """The counts of masks, in host memory."""
    return [counts.cpu().numpy() for counts in torch_runs(masks)]


def nearly_runs(share: float) -> Callable[[Any, Any], None]:
    """That at most such a share of the pixels differs, of run lengths on the host."""

    def check(ours: Any, theirs: Any) -> None:
        offsets = np.cumsum([0, *map(len, theirs)])
        others = rapidmask.RLEMasks(np.concatenate(theirs).astype(np.uint32), offsets, ours.size).to_packed()
        masks = rapidmask.PackedMasks(np.asarray(ours.to_packed().data), ours.size)
        different = int((masks ^ others).area().sum())
        assert different <= share * len(masks) * ours.size[0] * ours.size[1], f"{different} pixels differ"

    return check


def torch_iou(masks: Any) -> Any:
    flat = masks.flatten(1).float()
    shared = flat @ flat.T
    areas = flat.sum(1)
    return shared / (areas[:, None] + areas - shared).clamp(min=1)


def torch_iou_of_bytes(masks: Any) -> Any:
    """By the product of matrices of int8, of which CUDA wants more than 16 rows, and multiples of 8."""
    n = len(masks)
    flat = masks.flatten(1).char()
    flat = torch.nn.functional.pad(flat, (0, -flat.shape[1] % 8, 0, max(-n % 8, 24 - n)))
    shared = torch._int_mm(flat, flat.T)[:n, :n].float()
    areas = shared.diagonal()
    return shared / (areas[:, None] + areas - shared).clamp(min=1)


def torch_masks_of_prototypes(planes: Any, coefficients: Any, boxes: Any, size: tuple[int, int]) -> Any:
    values = resized((coefficients @ planes.flatten(1)).view(-1, *planes.shape[1:]), size)
    x, y = torch.arange(size[1], device=boxes.device), torch.arange(size[0], device=boxes.device)[:, None]
    x0, y0, x1, y1 = (boxes[:, k, None, None] for k in range(4))
    return (values > 0) & (x >= x0) & (x < x1) & (y >= y0) & (y < y1)


def torch_paste(masks: Any, boxes: Any, size: tuple[int, int]) -> Any:
    """All masks at once by grid_sample, as detectron2 does it on a GPU."""
    x0, y0, x1, y1 = (boxes[:, k, None] for k in range(4))
    x = (torch.arange(size[1], device=boxes.device) + 0.5 - x0) / (x1 - x0) * 2 - 1
    y = (torch.arange(size[0], device=boxes.device) + 0.5 - y0) / (y1 - y0) * 2 - 1
    shape = (len(masks), *size)
    grid = torch.stack([x[:, None].expand(shape), y[:, :, None].expand(shape)], 3)
    return torch.nn.functional.grid_sample(masks[:, None], grid, align_corners=False)[:, 0] >= 0.5


def torch_panoptic(values: Any, scores: Any, labels: Any, size: tuple[int, int]) -> Any:
    """As transformers does it."""
    probabilities = resized(values.sigmoid(), size) * scores[:, None, None]
    chosen = probabilities.argmax(0)
    result, count = torch.zeros(size, dtype=torch.int32, device=values.device), 0
    for k in range(len(labels)):
        mask = chosen == k
        area, own = mask.sum(), (probabilities[k] >= 0.5).sum()
        if area > 0 and own > 0 and (area / own).item() > 0.8:
            count += 1
            result[mask] = count
    return result


def torch_confusion(prediction: Any, target: Any) -> Any:
    codes = target.flatten().long() * 150 + prediction.flatten()
    return torch.bincount(codes, minlength=150 * 150).view(150, 150)


def max_pool(masks: Any, radius: int) -> Any:
    return torch.nn.functional.max_pool2d(masks[:, None].half(), 2 * radius + 1, 1, radius)[:, 0] > 0


# The table


def packed(masks: Any, *rest: Any) -> tuple[Any, ...]:
    """Bits for us, bools for the others."""
    return rapidmask.pack(masks), masks, *rest


def encoded(masks: Any) -> tuple[Any, ...]:
    return rapidmask.rle_encode(masks), masks


SQUARE = rapidmask.square(3)
CROSS_IN_BATCH = np.zeros((3, 3, 3), bool)
CROSS_IN_BATCH[1] = True  # 3×3 in each plane


def structure(like: Any) -> Any:
    """3×3 in each plane of a batch."""
    return on(like).asarray(CROSS_IN_BATCH)


def footprint(like: Any, footprint: Any) -> Any:
    return on(like).asarray(np.asarray(footprint, bool))[None]


def operations(s: Scale) -> list[Operation]:
    """Every row, for workloads of a scale."""
    size, whole, words = (s.h, s.w), float(s.pixels), _BIT * s.pixels
    disk = rapidmask.disk(s.radius)
    few = max(2, s.n // 10)  # planes for what is slow elsewhere

    def several(s: Scale) -> tuple[Any, ...]:
        return frames(s, few)

    def half(*tensors: Any) -> tuple[Any, ...]:
        return tuple(one.half() for one in tensors)

    label_all = Peer(
        "cupy label, plane by plane", each(lambda m: nd(m).label(cp(m), np.ones((3, 3)))[0]), same_partition
    )
    sam2 = Peer(
        "SAM 2's kernel",
        lambda m: importlib.import_module("sam2._C").get_connected_componnets(m[:, None].to(torch.uint8))[0],
        same_partition,
        needs="sam2._C",
    )
    cucim = Peer(
        "cuCIM label, plane by plane",
        each(lambda m: importlib.import_module("cucim.skimage.measure").label(cp(m), connectivity=2)),
        same_partition,
        needs="cucim.skimage.measure",
    )
    kornia = Peer(  # stops after so many steps, whether or not all components are whole
        "kornia connected_components, 100 steps",
        lambda m: importlib.import_module("kornia.contrib").connected_components(m[:, None].float(), 100),
        None,
        needs="kornia.contrib",
    )
    cucim_distances = Peer(
        "cuCIM distance_transform_edt, plane by plane",
        each(lambda m: importlib.import_module(_CUCIM_MORPHOLOGY).distance_transform_edt(cp(m))),
        close(1e-5),
        needs=_CUCIM_MORPHOLOGY,
    )
    fill = Peer(
        "cupy binary_fill_holes, plane by plane", lambda p, m: [nd(m).binary_fill_holes(cp(x)) for x in m], same
    )
    return [
        Operation(
            "threshold", "f32 → bool", large_logits, lambda x: rapidmask.threshold(x), lambda s: 5 * whole,
            [Peer("torch >", lambda x: x > 0, same), Peer("cupy >", lambda x: cp(x) > 0, same)], floors=1.1,
        ),
        Operation(
            "threshold", "f16 → bool", large_logits, lambda x: rapidmask.threshold(x), lambda s: 3 * whole,
            [Peer("torch >", lambda x: x > 0, same)], prepare=half, floors=1.1,
        ),
        Operation(
            "threshold", "f32 → bits", large_logits, lambda x: rapidmask.threshold(x, output="packed"),
            lambda s: 4 * whole + words,
            [Peer("cupy > and packbits", lambda x: packbits(cp(x) > 0), same_bits)],
            floors=1.1,
        ),
        Operation(
            "threshold", "Otsu's value of uint8", images, lambda x: rapidmask.threshold_otsu(x), lambda s: whole,
            floors=2,
        ),
        Operation(
            "threshold", "adaptive mean 31, uint8 → bool", images, lambda x: rapidmask.adaptive_threshold(x, 31),
            lambda s: 2 * whole,
        ),
        Operation(
            "pack", "bool → bits", frames, lambda m: rapidmask.pack(m), lambda s: whole + words,
            [Peer("cupy packbits", lambda m: packbits(cp(m)), same_bits)], floors=1.2,
        ),
        Operation(
            "pack", "bits → bool", frames, lambda p, m: rapidmask.unpack(p), lambda s: whole + words, prepare=packed,
            floors=1.2,
        ),
        Operation(
            "measure", "areas of bits", frames, lambda p, m: rapidmask.mask_areas(p), lambda s: words,
            [Peer("torch sum of bools", lambda p, m: m.sum((1, 2)), same)], prepare=packed, floors=3,
        ),
        Operation(
            "measure", "areas of bools", frames, lambda m: rapidmask.mask_areas(m), lambda s: whole,
            [Peer("torch sum", lambda m: m.sum((1, 2)), same)], floors=1.2,
        ),
        Operation(
            "measure", "boxes of bools", frames, lambda m: rapidmask.masks_to_boxes(m), lambda s: whole,
            [
                Peer("torch any and argmax", torch_boxes, same),
                Peer(
                    "torchvision masks_to_boxes",
                    lambda m: importlib.import_module("torchvision.ops").masks_to_boxes(m), same_corners,
                    needs="torchvision.ops",
                ),
            ],
            floors=1.5,
        ),
        Operation(
            "measure", "stability scores, f32", large_logits, lambda x: rapidmask.stability_score(x),
            lambda s: 4 * whole, [Peer("torch, two comparisons", torch_stability, close(1e-6))], floors=1.1,
        ),
        Operation(
            "components", "bool → int32 labels, frames", frames, lambda m: rapidmask.label(m), lambda s: 5 * whole,
            [label_all, sam2, cucim], floors=2, times=6,
        ),
        Operation(
            "components", "bool → int32 labels, small", small_masks, lambda m: rapidmask.label(m),
            lambda s: 5 * s.small_pixels, [label_all, sam2, cucim, kornia], times=50,
        ),
        Operation(
            "components", "table without labels, bits", frames,
            lambda p, m: rapidmask.connected_components(p, labels=False), lambda s: words, prepare=packed,
        ),
        Operation(
            "components", "remove small objects, bits", frames, lambda p, m: rapidmask.remove_small_objects(p, 100),
            lambda s: 2 * words, prepare=packed, microseconds=40,
        ),
        Operation(
            "components", "fill holes, bits", several, lambda p, m: rapidmask.fill_holes(p, connectivity=8),
            lambda s: 2 * words * few / s.n, [fill], prepare=packed,
        ),
        Operation(
            "components", "keep the largest, bits", frames, lambda p, m: rapidmask.keep_largest(p),
            lambda s: 2 * words, prepare=packed,
        ),
        Operation(
            "clean_scores", "holes and sprinkles, f32, small", logits,
            lambda x: rapidmask.clean_scores(x, max_hole_area=8, max_sprinkle_area=8), lambda s: 8 * s.small_pixels,
            floors=1.4, times=10,
        ),
        Operation(
            "morphology", "dilate 3×3, bits", frames, lambda p, m: rapidmask.dilate(p, SQUARE), lambda s: 2 * words,
            [
                Peer("torch max_pool2d", lambda p, m: max_pool(m, 1), same),
                Peer("cupy binary_dilation", lambda p, m: nd(m).binary_dilation(cp(m), structure(m)), same),
            ],
            prepare=packed, floors=2, times=10,
        ),
        Operation(
            "morphology", "dilate 3×3, bools", frames, lambda m: rapidmask.dilate(m, SQUARE), lambda s: 2 * whole,
            [
                Peer("torch max_pool2d", lambda m: max_pool(m, 1), same),
                Peer("cupy binary_dilation", lambda m: nd(m).binary_dilation(cp(m), structure(m)), same),
            ],
            floors=2, times=10,
        ),
        Operation(
            "morphology", f"dilate disk({s.radius}), bits", several, lambda p, m: rapidmask.dilate(p, disk),
            lambda s: 2 * words * few / s.n,
            [Peer("cupy binary_dilation", lambda p, m: nd(m).binary_dilation(cp(m), footprint(m, disk)), same)],
            prepare=packed, floors=4, times=100,
        ),
        Operation(
            "morphology", "boundary, bits", frames, lambda p, m: rapidmask.boundary(p), lambda s: 2 * words,
            prepare=packed, floors=2,
        ),
        Operation(
            "distance", "bool → f32", several, lambda m: rapidmask.distance_transform(m),
            lambda s: 5 * whole * few / s.n,
            [
                Peer(
                    "cupy distance_transform_edt, plane by plane",
                    each(lambda m: nd(m).distance_transform_edt(cp(m))), close(1e-5),
                ),
                cucim_distances,
            ],
            floors=5, times=10,
        ),
        Operation(
            "rle", "encode bools", frames, lambda m: rapidmask.rle_encode(m), lambda s: whole,
            [Peer("torch changes and nonzero", torch_runs, same_runs)], times=20, microseconds=100,
        ),
        Operation(
            "rle", "encode bits", frames, lambda p, m: rapidmask.rle_encode(p), lambda s: words,
            [Peer("torch changes and nonzero", lambda p, m: torch_runs(m), same_runs)], prepare=packed, microseconds=25,
        ),
        Operation(
            "rle", "decode to bools", frames, lambda r, m: rapidmask.rle_decode(r), lambda s: whole, prepare=encoded,
            floors=1.5,
        ),
        Operation(
            "overlap", "IoU of all pairs, bits", frames, lambda p, m: rapidmask.mask_iou(p), lambda s: words,
            [
                Peer("torch matrix product, f32", lambda p, m: torch_iou(m), close(1e-4)),
                Peer("torch matrix product, int8", lambda p, m: torch_iou_of_bytes(m), close(1e-4)),
            ],
            prepare=packed, times=25, microseconds=60,
        ),
        Operation(
            "overlap", f"suppression of {s.rivals}, bits", rival_masks,
            lambda p, m, scores: rapidmask.mask_nms(p, scores, 0.5),
            lambda s: _BIT * s.rivals * s.side * s.side, prepare=packed, microseconds=100,
        ),
        Operation(
            "upsample", "f32 → frames of bools", logits, lambda x: rapidmask.upsample_masks(x, size),
            lambda s: s.k * s.h * s.w + 4 * s.small_pixels,
            [Peer("torch interpolate and >", lambda x: resized(x, size) > 0, nearly(1e-6))], floors=1.5, times=8,
        ),
        Operation(
            "upsample", "f32 → frames of bits", logits,
            lambda x: rapidmask.upsample_masks(x, size, output="packed"),
            lambda s: _BIT * s.k * s.h * s.w + 4 * s.small_pixels,
            [Peer("torch interpolate and >", lambda x: resized(x, size) > 0, nearly(1e-6))], floors=3, times=25,
        ),
        Operation(
            "prototypes", "→ frames of bools", prototypes, lambda *x: rapidmask.decode_prototypes(*x, size),
            lambda s: whole,
            [Peer("torch as ultralytics does it", lambda *x: torch_masks_of_prototypes(*x, size), nearly(1e-4))],
            floors=2, times=12,
        ),
        Operation(
            "paste", "28² → frames of bools", detections, lambda m, b: rapidmask.paste_masks(m, b, size),
            lambda s: whole,
            [Peer("torch grid_sample as detectron2 does it", lambda m, b: torch_paste(m, b, size), nearly(1e-5))],
            floors=1.3, times=20,
        ),
        Operation(
            "panoptic", "100 queries → a frame", queries,
            lambda x, scores, labels: rapidmask.panoptic_merge(x, scores, labels, size=size, activation="sigmoid")[0],
            lambda s: 400.0 * s.side * s.side + 4 * s.h * s.w,
            [Peer("torch as transformers does it", lambda *x: torch_panoptic(*x, size), nearly(1e-4))],
            times=50, microseconds=100,
        ),
        Operation(
            "semantic", "150 classes → a frame", classes, lambda x: rapidmask.semantic_argmax(x, size),
            lambda s: 600.0 * s.side * s.side + 4 * s.h * s.w,
            [Peer("torch interpolate and argmax", lambda x: resized(x, size).argmax(0), nearly(1e-4))], times=8,
        ),
        Operation(
            "confusion", "150 classes, uint8", label_maps, lambda p, t: rapidmask.confusion_matrix(p, t, 150),
            lambda s: 2 * whole, [Peer("torch bincount", torch_confusion, same)], floors=1.5, times=10,
        ),
        Operation(
            "overlap", f"suppression of {s.rivals}, bits, at most 100, no waiting", rival_masks,
            lambda p, m, scores: rapidmask.mask_nms(p, scores, 0.5, max_output=100),
            lambda s: _BIT * s.rivals * s.side * s.side, prepare=packed, microseconds=100,
        ),
        Operation(
            "rle", "encode bits within a capacity, no waiting", frames,
            lambda p, m: rapidmask.rle_encode(p, capacity=s.n * (s.w + 64)), lambda s: words, prepare=packed,
            microseconds=25,
        ),
        Operation(
            "pipeline", "SAM: logits → runs on the host", logits,
            lambda x: rapidmask.upsample_masks(x, size, output="rle", capacity=32 * s.k * (s.w + 64)).cpu(),
            lambda s: _BIT * s.k * s.h * s.w + 4 * s.small_pixels,
            [Peer("torch, runs by nonzero", lambda x: on_host(resized(x, size) > 0), nearly_runs(1e-6))], times=20,
        ),
        Operation(
            "pipeline", "YOLO: prototypes → runs on the host", prototypes,
            lambda *x: rapidmask.decode_prototypes(*x, size, output="rle", capacity=8 * s.n * (s.w + 64)).cpu(),
            lambda s: words,
            [
                Peer(
                    "torch, runs by nonzero", lambda *x: on_host(torch_masks_of_prototypes(*x, size)), nearly_runs(1e-4)
                )
            ],
            times=20,
        ),
        Operation(
            "pipeline", "Mask R-CNN: 28² → runs on the host", detections,
            lambda m, b: rapidmask.paste_masks(m, b, size, output="rle", capacity=4 * s.n * (s.w + 64)).cpu(),
            lambda s: words,
            [Peer("torch, runs by nonzero", lambda m, b: on_host(torch_paste(m, b, size)), nearly_runs(1e-5))],
            times=20,
        ),
        Operation(
            "pipeline", "Mask2Former: 100 queries → a frame and its segments", queries,
            lambda x, scores, labels: rapidmask.panoptic_merge(x, scores, labels, size=size, activation="sigmoid")[0],
            lambda s: 400.0 * s.side * s.side + 4 * s.h * s.w,
            [Peer("torch as transformers does it", lambda *x: torch_panoptic(*x, size), nearly(1e-4))], times=50,
        ),
    ]  # fmt: skip


FAMILIES = tuple(dict.fromkeys(one.family for one in operations(Scale(2, 2, 2, 1, 4, 1, 2))))
