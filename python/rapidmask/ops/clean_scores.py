"""Small holes and sprinkles of masks, mended in the scores that the masks are made of."""

from __future__ import annotations

import math
from typing import Any

from .. import _arrays, _dispatch
from .._arrays import Array
from ._masks import as_flag, check_connectivity, check_number

_MAX_AREA = 2**63 - 1


def _limit(argument: str, value: Any) -> int:
    """Return the largest whole area that is not above a limit."""
    number = check_number("clean_scores", argument, value)
    if number <= 0:
        return 0
    return _MAX_AREA if number >= _MAX_AREA else math.floor(number)


def clean_scores(
    scores: Array,
    *,
    threshold: float = 0.0,
    max_hole_area: float = 0.0,
    max_sprinkle_area: float = 0.0,
    hole_value: float | None = None,
    sprinkle_value: float | None = None,
    connectivity: int = 8,
    sprinkles_after_holes: bool = True,
    keep_half: bool = True,
    out: Array | None = None,
) -> Array:
    """Fill small holes and remove small sprinkles of masks, in the scores that become masks above a threshold.

    A hole is a component of ``scores <= threshold`` of at most ``max_hole_area`` pixels, a sprinkle one of
    ``scores > threshold`` of at most ``max_sprinkle_area``; their scores become ``hole_value`` and ``sprinkle_value``.

    Parameters
    ----------
    scores : array of float16, bfloat16, float32 or float64, shape (..., H, W)
        Logits or probabilities.
    threshold : float
        What is above is foreground. NaN is neither.
    max_hole_area, max_sprinkle_area : float
        Pixels; 0 or less leaves that kind alone. A fraction is dropped.
    hole_value, sprinkle_value : float, optional
        By default ``threshold + 0.1`` and ``threshold - 0.1``.
    connectivity : {4, 8}
        Neighbours of a pixel, of holes as of sprinkles.
    sprinkles_after_holes : bool
        Whether sprinkles are looked for once holes are filled (with a ``hole_value`` above the threshold a sprinkle
        around a hole is then measured with it), or in the original scores.
    keep_half : bool
        Whether a sprinkle is never larger than half of its image's foreground, rounded down, so that a mask which is
        small as a whole is not lost.
    out : array, optional
        Where to write: C-contiguous, of the scores' type and shape, on the same device. The scores themselves will do.

    Returns
    -------
    array of the type and shape of the scores
        In their library and on their device.

    Raises
    ------
    TypeError
        If ``scores`` is no array or not of a floating type, or a limit or value is no number.
    ValueError
        If there are fewer than two dimensions, a number is NaN, the connectivity is another, or ``out`` does not fit.

    Notes
    -----
    Threshold and values are rounded to the scores' type, as torch does with plain numbers. The results are exactly
    those of

    - SAM 3's ``fill_holes_in_mask_scores(mask, max_area)``: ``max_hole_area=max_area, max_sprinkle_area=max_area``;
      its ``fill_holes=False`` or ``remove_sprinkles=False`` leave one of the two at 0;
    - SAM 2's ``fill_holes_in_mask_scores(mask, max_area)``: ``max_hole_area=max_area``;
    - SAM 2's ``SAM2Transforms.postprocess_masks``, before it resizes: ``threshold=mask_threshold,
      max_hole_area=max_hole_area, max_sprinkle_area=max_sprinkle_area, hole_value=mask_threshold + 10.0,
      sprinkle_value=mask_threshold - 10.0, sprinkles_after_holes=False, keep_half=False``.

    Where their compiled extension is missing, SAM 2 and transformers skip this step. Areas are pixels of the scores,
    which there have a quarter of the model's resolution. Components are found on packed bits; scores are written only
    where they change, but for a new array's copy. On a device: a constant number of launches, no synchronisation.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> scores = np.array([[3, 3, 3, -5, 2], [3, -5, 3, -5, -5], [3, 3, 3, -5, -5]], np.float32)
    >>> rapidmask.clean_scores(scores, max_hole_area=1, max_sprinkle_area=1)
    array([[ 3. ,  3. ,  3. , -5. , -0.1],
           [ 3. ,  0.1,  3. , -5. , -5. ],
           [ 3. ,  3. ,  3. , -5. , -5. ]], dtype=float32)
    """
    above = check_number("clean_scores", "threshold", threshold)
    hole = above + 0.1 if hole_value is None else check_number("clean_scores", "hole_value", hole_value)
    sprinkle = above - 0.1 if sprinkle_value is None else check_number("clean_scores", "sprinkle_value", sprinkle_value)
    largest_hole = _limit("max_hole_area", max_hole_area)
    largest_sprinkle = _limit("max_sprinkle_area", max_sprinkle_area)
    neighbours = check_connectivity("clean_scores", connectivity)
    scores = _arrays.with_shape(scores)
    return _dispatch.backend(scores).clean_scores(
        scores,
        above,
        largest_hole,
        largest_sprinkle,
        hole,
        sprinkle,
        as_flag("clean_scores", "sprinkles_after_holes", sprinkles_after_holes),
        as_flag("clean_scores", "keep_half", keep_half),
        neighbours,
        out,
    )
