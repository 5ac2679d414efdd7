"""Logits to masks of another size, against OpenCV mask by mask and torch mask by mask or at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import rapidmask
from compare import Comparison, Contest, Peer, optional

cv2 = optional("cv2")
torch = optional("torch")

_SIZE = (1024, 1024)
_PADDED, _INPUT, _PICTURE = (1024, 1024), (576, 1024), (720, 1280)  # of SAM's two stages
_GAIN = 12  # from the case's values to logits as SAM has them
_ROUNDING = 1e-5  # of pixels, that peers may round to the other side of the threshold

Stages = tuple[tuple[int, int], ...]


def dense(answer: Any) -> np.ndarray:
    answer = answer[0] if isinstance(answer, tuple) else answer
    return answer.to_dense() if hasattr(answer, "to_dense") else np.asarray(answer) != 0


def nearly_same(ours: Any, theirs: Any) -> None:
    assert (dense(ours) != dense(theirs)).mean() < _ROUNDING


def by_cv2(logits: np.ndarray, stages: Stages) -> Callable[[], np.ndarray]:
    """A loop that writes into arrays that are there; OpenCV's masks are 0 and 255."""
    first, kept, last = stages
    images = [np.empty(size, np.float32) for size in (first, last)]
    masks = np.empty((len(logits), *last), np.uint8)

    def run() -> np.ndarray:
        for mask, image in zip(masks, logits, strict=True):
            if first != last:
                image = cv2.resize(image, first[::-1], dst=images[0])[: kept[0], : kept[1]]
            cv2.compare(cv2.resize(image, last[::-1], dst=images[1]), 0, cv2.CMP_GT, dst=mask)
        return masks

    return run


def torch_values(logits: Any, stages: Stages) -> Any:
    first, kept, last = stages
    resize = partial(torch.nn.functional.interpolate, mode="bilinear", align_corners=False)
    logits = logits[:, None]
    if first != last:
        logits = resize(logits, first)[..., : kept[0], : kept[1]]
    return resize(logits, last)[:, 0]


def by_torch(logits: np.ndarray, stages: Stages, at_once: bool) -> Callable[[], np.ndarray]:
    tensor = torch.from_numpy(logits) if torch else None

    def run() -> np.ndarray:
        if at_once:
            return (torch_values(tensor, stages) > 0).numpy()
        return torch.cat([torch_values(one[None], stages) > 0 for one in tensor]).numpy()

    return run


def ours_of(logits: np.ndarray, stages: Stages, **options: Any) -> Callable[[], Any]:
    first, kept, last = stages
    if first != last:
        options |= {"intermediate": first, "crop": kept}
    return lambda: rapidmask.upsample_masks(logits, last, **options)


def with_out(output: str, n: int, size: tuple[int, int]) -> dict[str, Any]:
    shape = (n, size[0], -(-size[1] // 64) * 8) if output == "packed" else (n, *size)
    return {"output": output, "out": np.empty(shape, np.uint8)}


ONE = (_SIZE, _SIZE, _SIZE)
TWO = (_PADDED, _INPUT, _PICTURE)


def masks(peer: str, stages: Stages, output: str, into: bool, given: np.ndarray) -> Contest:
    logits = _GAIN * given
    options = with_out(output, len(logits), stages[-1]) if into else {"output": output}
    peers = {
        "cv2": lambda: by_cv2(logits, stages),
        "torch mask by mask": lambda: by_torch(logits, stages, at_once=False),
        "torch": lambda: by_torch(logits, stages, at_once=True),
    }
    return Contest(ours_of(logits, stages, **options), [Peer(peer, peers[peer](), nearly_same)])


def stability(given: np.ndarray) -> Contest:
    """Masks and scores; the peer's masks are those that it has compared with the threshold too."""
    logits = _GAIN * given
    tensor = torch.from_numpy(logits) if torch else None

    def theirs() -> tuple[np.ndarray, np.ndarray]:
        values = torch_values(tensor, ONE)
        high, low = ((values > side).sum((1, 2), dtype=torch.int32) for side in (1.0, -1.0))
        return (values > 0).numpy(), (high / low).numpy()

    def check(ours: Any, answer: Any) -> None:
        nearly_same(ours, answer)
        np.testing.assert_allclose(ours[1].stability, answer[1], rtol=1e-4)

    return Contest(ours_of(logits, ONE, output="packed", return_stats=True), [Peer("torch", theirs, check)])


_SMOOTH, _NOISY, _WHITE = "SAM logits 64×256²", "noisy logits 64×256²", "white logits 64×256²"
_TO_PACKED, _TO_UINT8, _TWICE = "256² → 1024², packed", "256² → 1024², uint8 with out=", "SAM's two stages, packed"

COMPARISONS = [
    Comparison(_TO_PACKED, _SMOOTH, partial(masks, "cv2", ONE, "packed", False), bar=4.0, goal=9.0),
    Comparison(_TO_PACKED, _SMOOTH, partial(masks, "torch mask by mask", ONE, "packed", False), bar=28.0, goal=60.0),
    Comparison(_TO_PACKED, _SMOOTH, partial(masks, "torch", ONE, "packed", False), bar=60.0, goal=110.0),
    Comparison(_TO_PACKED, _NOISY, partial(masks, "cv2", ONE, "packed", False), bar=4.0, goal=9.0),
    Comparison(_TO_PACKED, _NOISY, partial(masks, "torch", ONE, "packed", False), bar=60.0, goal=110.0),
    Comparison(_TO_PACKED, _WHITE, partial(masks, "cv2", ONE, "packed", False)),
    Comparison(_TO_PACKED, _WHITE, partial(masks, "torch", ONE, "packed", False)),
    Comparison(_TO_UINT8, _SMOOTH, partial(masks, "cv2", ONE, "uint8", True), bar=3.5, goal=6.0),
    Comparison(_TO_UINT8, _NOISY, partial(masks, "cv2", ONE, "uint8", True), bar=3.5, goal=6.0),
    Comparison(_TO_UINT8, _WHITE, partial(masks, "cv2", ONE, "uint8", True)),
    Comparison(_TWICE, _SMOOTH, partial(masks, "cv2", TWO, "packed", False), bar=3.5, goal=8.0),
    Comparison(_TWICE, _SMOOTH, partial(masks, "torch", TWO, "packed", False), bar=35.0, goal=60.0),
    Comparison(_TWICE, _NOISY, partial(masks, "cv2", TWO, "packed", False), bar=3.5, goal=8.0),
    Comparison(_TWICE, _WHITE, partial(masks, "cv2", TWO, "packed", False)),
    Comparison("256² → 1024² and stability score", _SMOOTH, stability, goal=80.0),
]
