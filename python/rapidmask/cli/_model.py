"""Models of transformers, whose masks rapidmask makes of what they predict."""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from .. import io
from .._arrays import to_host
from .._containers import RLEMasks
from .._dataset import Annotated
from .._files import Found, shown
from .._patch import patch
from ..ops.draw import _as_rgb
from ..ops.rle import rle_encode
from ._batch import say
from ._options import counted, speed, write_found

Job = tuple[Found, Path]
Work = Callable[[Job], list[str]]

# What huggingface_hub, httpx and requests raise where there is no network, or it is switched off.
_UNREACHABLE = {
    "ConnectError", "ConnectTimeout", "ConnectionError", "LocalEntryNotFoundError", "OfflineModeIsEnabled",
    "ProxyError", "ReadTimeout", "gaierror",
}  # fmt: skip

# One of these a model's image processor must have.
_NEEDED = {
    "mask-generation": ("generate_crop_boxes",),
    "image-segmentation": tuple(f"post_process_{kind}_segmentation" for kind in ("panoptic", "instance", "semantic")),
}


@contextlib.contextmanager
def image_segmentation(model: str, task: str | None, device: str | None, min_area: int) -> Iterator[Work]:
    """Load a model that gives classes; what is yielded segments a picture."""
    with _pipeline("image-segmentation", model, device) as run:

        def work(job: Job) -> list[str]:
            options = {} if task is None else {"subtask": task}
            image = io.read_image(job[0].path)
            start = time.perf_counter()
            results = run(_picture(image), **options)
            masks, labels, scores = io.masks_from_pipeline(results, size=image.shape[:2])
            seconds = time.perf_counter() - start
            item = _item(job[0], masks, labels, scores, _classes(run, labels)).chosen(_large(masks, min_area))
            return _written(job, item, image, model, seconds)

        yield work


@contextlib.contextmanager
def mask_generation(model: str, device: str | None, min_area: int, options: dict[str, Any]) -> Iterator[Work]:
    """Load a model that finds every mask; what is yielded does so in a picture."""
    with _pipeline("mask-generation", model, device) as run:

        def work(job: Job) -> list[str]:
            image = io.read_image(job[0].path)
            start = time.perf_counter()
            results = run(_picture(image), **options)
            rles = [one for mask in results["masks"] for one in rle_encode(to_host(mask).astype(bool)).to_coco()]
            masks = RLEMasks.from_coco(rles, image.shape[:2])
            seconds = time.perf_counter() - start
            scores = [float(score) for score in results["scores"]]
            item = _item(job[0], masks, ["object"] * len(scores), scores, {"object": 1})
            return _written(job, item.chosen(_large(masks, min_area)), image, model, seconds)

        yield work


@contextlib.contextmanager
def _pipeline(task: str, model: str, device: str | None) -> Iterator[Any]:
    try:
        importlib.import_module("torch")
        transformers: Any = importlib.import_module("transformers")
    except ImportError as error:
        raise ImportError(
            'models need transformers and torch: install rapidmask with its extra "transformers"'
        ) from error
    transformers.utils.logging.set_verbosity(logging.CRITICAL)  # what is wrong is told in a sentence
    transformers.utils.logging.disable_progress_bar()  # of reading weights; downloads keep theirs
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(patch("transformers"))
        except ImportError as error:
            say(f"rapidmask: transformers post-processes by itself: {error}", error=True)
        try:
            pipeline = transformers.pipeline(task, model=model, **({} if device is None else {"device": device}))
        except (OSError, ValueError, RuntimeError, ImportError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(_why(task, model, error)) from error
        if not any(hasattr(pipeline.image_processor, name) for name in _NEEDED[task]):
            raise ValueError(f"model {shown(model)} is a {type(pipeline.model).__name__}, which is none for {task}")
        yield pipeline


def _why(task: str, model: str, error: BaseException) -> str:
    """Say why a model cannot be loaded."""
    if not os.path.exists(model) and (model.startswith((".", "/", "~")) or model.count("/") > 1):
        return f"model {shown(model)} cannot be loaded: there is no such folder"
    names, cause = set(), error
    while cause is not None:
        names.add(type(cause).__name__)
        cause = cause.__cause__ or cause.__context__  # type: ignore[assignment]
    if names & _UNREACHABLE and not os.path.isdir(model):
        return (
            f"model {shown(model)} is not on this machine and the Hugging Face hub cannot be reached; --model takes "
            "the folder of a downloaded model too"
        )
    first = " ".join(str(error).split())
    return f"model {shown(model)} cannot be loaded for {task}: {first[:300]}"


def _picture(image: Any) -> Any:
    return io.pillow("Image").fromarray(_as_rgb(image))


def _classes(run: Any, labels: list[str]) -> dict[str, int]:
    """Return the numbers that a model gives its classes, from 1."""
    known = {str(name): int(i) + 1 for i, name in getattr(run.model.config, "id2label", {}).items()}
    chosen = {name: known[name] for name in labels if name in known}
    for name in labels:
        chosen.setdefault(name, max((len(known), *chosen.values())) + 1)
    return chosen


def _large(masks: RLEMasks, min_area: int) -> list[int]:
    return [i for i, area in enumerate(masks.area().tolist()) if area >= max(1, min_area)]


def _item(
    file: Found, masks: RLEMasks, labels: list[str], scores: list[float | None] | list[float], numbers: dict[str, int]
) -> Annotated:
    return Annotated(
        file.name, masks, labels, list(scores), list(range(1, len(labels) + 1)), file.path, file.name, numbers
    )


def _written(job: Job, item: Annotated, image: Any, model: str, seconds: float) -> list[str]:
    file, stem = job
    above = replace(item, scores=[None] * len(item.scores))  # parts lie on what they are parts of
    files = write_found(stem, item, image, item.categories, f"model {model}", above.painted())
    found = counted(len(item.masks), "mask")
    classes = sorted(set(item.labels) - {"object"})
    kinds = f" ({', '.join(classes[:6])}{', …' if len(classes) > 6 else ''})" if classes else ""
    return [f"{shown(file.name)}: {found}{kinds}, {speed(image, seconds)} -> {shown(files)}"]
