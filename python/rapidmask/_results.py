"""Lists of label, score and mask, as transformers' pipelines and Hugging Face's Inference API exchange them."""

from __future__ import annotations

import base64
import io as streams
import math
import numbers
from collections.abc import Mapping, Sequence
from typing import Any, Literal, SupportsIndex

import numpy as np
import numpy.typing as npt

from ._containers import RLEMasks, _as_size
from ._errors import refusing_as, shown, told
from ._files import pillow, without_warnings
from ._records import _as_rle, _for_each, _names, _on_host, _text
from .ops.rle import rle_encode


def masks_from_pipeline(
    results: Sequence[Mapping[str, Any]] | Mapping[str, Any], *, size: Sequence[SupportsIndex] | None = None
) -> tuple[RLEMasks, list[str], list[float | None]]:
    """Read the masks that an image segmentation pipeline of transformers or the Inference API gives.

    Parameters
    ----------
    results : sequence of N mappings
        What the pipeline or the service gives. Each with ``mask``: a picture of Pillow, an array (H, W), or a PNG in
        base64 as text, with or without ``data:image/png;base64,`` before it; and with ``label`` and ``score``, which
        may be missing or None.
    size : (int, int), optional
        Height and width of the picture, for an empty list; masks of another are refused.

    Returns
    -------
    masks : RLEMasks
        What is not black, or not 0. An empty list without ``size`` gives masks of (0, 0).
    labels : list of str
        "object" where there is none.
    scores : list of float or None

    Raises
    ------
    TypeError
        If ``results`` is no list of mappings, or a mask none of the three.
    ValueError
        If a mask is missing, cannot be read or is of another size, a score is no finite number, or the service answered
        with an error instead, which is told.
    ImportError
        If a mask is a PNG and Pillow is missing.

    Examples
    --------
    >>> import numpy as np
    >>> from rapidmask import io
    >>> masks, labels, scores = io.masks_from_pipeline([{"label": "cat", "score": 0.9, "mask": np.eye(3) > 0}])
    >>> masks.area(), labels, scores
    (array([3]), ['cat'], [0.9])
    """
    if isinstance(results, Mapping) and "error" in results:
        raise ValueError(f"masks_from_pipeline: the service answered with an error: {_said(results['error'])}")
    if isinstance(results, (str, bytes)) or not isinstance(results, Sequence):
        raise TypeError(f"masks_from_pipeline: results must be a list, got {type(results).__name__}")
    wanted = None if size is None else _as_size("masks_from_pipeline", size)
    rles: list[dict[str, Any]] = []
    labels, scores = [], []
    for i, result in enumerate(results):
        where = f"masks_from_pipeline: results[{i}]"
        if not isinstance(result, Mapping):
            raise TypeError(f"{where} must be a mapping, got {type(result).__name__}")
        if "mask" not in result:
            raise ValueError(f"{where} must have a mask, got {shown([*result])}")
        mask = _dense(where, result["mask"])
        wanted = wanted or (mask.shape[0], mask.shape[1])
        if mask.shape != wanted:
            raise ValueError(f"{where} must have a mask of size {wanted}, got {mask.shape}")
        rles += rle_encode(mask).to_coco()
        label = result.get("label")
        scores.append(_score(where, result.get("score")))
        labels.append("object" if label is None else _text(where, label))
    with refusing_as("masks_from_pipeline"):
        return RLEMasks.from_coco(rles, wanted or (0, 0)), labels, scores


def _said(error: Any) -> str:
    return told(error) if isinstance(error, str) else shown(error)


def _score(where: str, score: Any) -> float | None:
    try:
        number = score.tolist() if hasattr(score, "tolist") else score  # of NumPy and torch
        found = None if number is None else float(number) if isinstance(number, numbers.Real) else math.nan
    except (RuntimeError, OverflowError):
        found = math.nan
    if found is not None and not math.isfinite(found):
        raise ValueError(f"{where} must have a score that is a finite number, got {shown(score)}")
    return found


def _dense(where: str, mask: Any) -> npt.NDArray[np.bool_]:
    if isinstance(mask, (str, bytes)):
        mask = _decoded(where, mask)
    if hasattr(mask, "getbands") and hasattr(mask, "convert"):  # a picture
        mask = np.asarray(mask.convert("L") if mask.mode not in ("1", "L", "I", "F", "I;16") else mask)
    elif not hasattr(mask, "shape"):
        raise TypeError(f"{where} must have a mask that is a picture, an array or text, got {type(mask).__name__}")
    array = _on_host(mask, f"{where} must have a mask of numbers (H, W), got ")
    if array.ndim != 2 or array.dtype.kind not in "biuf":
        raise TypeError(f"{where} must have a mask of numbers (H, W), got {array.dtype} of shape {array.shape}")
    return np.ascontiguousarray(array != 0)


def _decoded(where: str, text: str | bytes) -> Any:
    content = text.decode("ascii", "replace") if isinstance(text, bytes) else text
    if content.startswith("data:"):
        content = content.partition(",")[2]
    image_module = pillow("Image")
    try:
        data = base64.b64decode("".join(content.split()), validate=True)
        with without_warnings():
            picture = image_module.open(streams.BytesIO(data))
            picture.load()
    except MemoryError:
        raise
    except Exception as error:  # whatever a parser of Pillow stumbles over
        reason = "no picture" if isinstance(error, image_module.UnidentifiedImageError) else told(error)
        raise ValueError(f"{where} must have a mask that is a picture in base64, got {reason}") from error
    return picture


def pipeline_records(
    masks: Any,
    labels: str | Sequence[str],
    scores: Sequence[float | None] | None = None,
    *,
    mask: Literal["png", "image"] = "png",
) -> list[dict[str, Any]]:
    """Describe masks as the results of an image segmentation pipeline of transformers or of the Inference API.

    Parameters
    ----------
    masks : numpy.ndarray of integers, shape (H, W); array of bool or uint8, shape (N, H, W), PackedMasks or RLEMasks
        A map of labels, each of which above 0 is a mask, in ascending order; or masks.
    labels : str or sequence of str
        The class of all masks, or of each.
    scores : sequence of float or None, optional
        How sure a model was of each.
    mask : {"png", "image"}
        A PNG in base64, as text, which JSON holds; or a picture of Pillow. Both are grey, 0 and 255.

    Returns
    -------
    list of dict
        With ``score``, ``label`` and ``mask``.

    Raises
    ------
    TypeError
        If ``masks`` is anything else, a label no text or a score no number.
    ValueError
        If there are not as many labels or scores as masks, masks are without pixels, or ``mask`` is another.
    ImportError
        If Pillow is missing.

    Examples
    --------
    >>> import numpy as np
    >>> from rapidmask import io
    >>> records = io.pipeline_records(np.ones((1, 2, 3), bool), "cat", [0.5])
    >>> records[0]["label"], records[0]["mask"][:8]
    ('cat', 'iVBORw0K')
    """
    if not isinstance(mask, str) or mask not in ("png", "image"):
        raise ValueError(f"pipeline_records: mask must be png or image, got {shown(mask)}")
    runs = _as_rle("pipeline_records", masks)
    names = _names("pipeline_records", labels, len(runs))
    if len(runs) and 0 in runs.size:
        raise ValueError(f"pipeline_records: masks must have pixels, got masks of size {runs.size}")
    sure = [None] * len(runs) if scores is None else _for_each("pipeline_records", "scores", scores, len(runs))
    for score in sure:
        if score is not None and not isinstance(score, numbers.Real):
            raise TypeError(f"pipeline_records: scores must be numbers or None, got {shown(score)}")
    image_module = pillow("Image")
    records = []
    for one, name, score in zip(runs, names, sure, strict=True):
        picture: Any = image_module.fromarray(one.to_dense(np.uint8)[0] * np.uint8(255))
        if mask == "png":
            stream = streams.BytesIO()
            picture.save(stream, format="PNG")
            picture = base64.b64encode(stream.getvalue()).decode("ascii")
        records.append({"score": score, "label": name, "mask": picture})
    return records
