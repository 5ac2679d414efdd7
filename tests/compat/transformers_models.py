"""transformers' image processors, those that need torchvision included, and what models would give them."""

import importlib
import importlib.util
import sys
import types

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from rapidmask.compat import transformers as ours  # noqa: E402

DROP_INS = ours.UPSTREAMS["transformers"].replacements()


@pytest.fixture
def one_thread():
    """Small tensors take longer with more."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class _Anything:
    """Has every attribute and can be called; of annotations, a type."""

    def __getattr__(self, name):
        return _Anything()

    def __call__(self, *args, **kwargs):
        return _Anything()

    def __or__(self, other):
        return object

    __ror__ = __or__


def _resize(image, size, interpolation):
    """Resize as torchvision 0.30 does it by default: with antialiasing, and not at all to the same size."""
    if tuple(image.shape[-2:]) == tuple(size):
        return image
    return torch.nn.functional.interpolate(image, size=size, mode="bilinear", align_corners=False, antialias=True)


def batched_nms(boxes, scores, idxs, iou_threshold):
    """Suppress boxes as torchvision 0.30 does it, one after the other; all are of one class here."""
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    kept, left = [], scores.argsort(descending=True, stable=True)
    while len(left):
        best, left = left[0], left[1:]
        kept.append(best)
        low, high = boxes[left, :2].maximum(boxes[best, :2]), boxes[left, 2:].minimum(boxes[best, 2:])
        shared = (high - low).clamp(min=0).prod(dim=1)
        left = left[~((shared / (areas[best] + areas[left] - shared)).double() > iou_threshold)]
    return torch.stack(kept) if kept else torch.zeros(0, dtype=torch.int64)


def _attribute(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return _Anything()


def module_of(path):
    """Import a module, with the little of torchvision that it then uses where torchvision is not installed."""
    path = f"transformers.models.{path}"
    if path in sys.modules or importlib.util.find_spec("torchvision"):
        return importlib.import_module(path)
    names = ("", ".io", ".ops", ".ops.boxes", ".transforms", ".transforms.v2", ".transforms.v2.functional")
    modules = {f"torchvision{name}": types.ModuleType(f"torchvision{name}") for name in names}
    for name, module in modules.items():
        module.__getattr__ = _attribute
        module.__path__ = []
        parent, _, last = name.rpartition(".")
        if parent:
            setattr(modules[parent], last, module)
    modules["torchvision.transforms.v2.functional"].resize = _resize
    modules["torchvision.ops.boxes"].batched_nms = batched_nms
    sys.modules.update(modules)
    try:
        return importlib.import_module(path)
    finally:
        for name in modules:
            del sys.modules[name]


def pair(path, name, **attributes):
    """Return upstream's method of that name and the drop-in, bound to a processor of which little else is there."""
    module, _, owner = path.partition(":")
    kind = getattr(module_of(module), owner)
    processor = kind.__new__(kind)
    vars(processor).update(attributes)
    upstream = getattr(kind, name)
    upstream = getattr(upstream, "__wrapped__", upstream)  # of what asks for torchvision
    drop_in = DROP_INS[f"transformers.models.{path}.{name}"]
    return types.MethodType(upstream, processor), types.MethodType(drop_in, processor)


def outputs(seed=0, queries=12, classes=5, side=24, batch=2, noisy=False, **names):
    """What a model would give: smooth masks, or noise, and a class for each."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(batch, queries, *((side, side) if noisy else (6, 6)), generator=generator) * 4
    masks = torch.nn.functional.interpolate(coarse, (side, side + 3), mode="bicubic")
    scores = torch.randn(batch, queries, classes + 1, generator=generator) * 4
    return types.SimpleNamespace(
        class_queries_logits=scores, masks_queries_logits=masks, logits=scores, pred_masks=masks, patch_offsets=None
    )


def assert_same(found, expected, differing=1e-4):
    """Equal but for a few pixels of maps, where two segments or classes are equally likely."""
    assert type(found) is type(expected)
    if isinstance(expected, torch.Tensor):
        assert (found.dtype, found.shape, found.device) == (expected.dtype, expected.shape, expected.device)
        if expected.ndim >= 2:
            assert (found != expected).sum() <= differing * expected.numel()
        else:
            torch.testing.assert_close(found, expected, rtol=1e-6, atol=0, equal_nan=True)
    elif isinstance(expected, dict):
        assert list(found) == list(expected)
        for name, value in expected.items():
            assert_same(found[name], value, differing)
    elif isinstance(expected, (list, tuple)):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other, differing)
    elif isinstance(expected, float):  # a rounded score
        assert abs(found - expected) <= 1.1e-6
    else:
        assert found == expected
