"""Logits to masks of another size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, SupportsIndex

from .. import _arrays, _dispatch
from .._arrays import Array
from ._decoded import Activation, as_extents, check_options, given_back
from ._masks import Output, as_capacity, as_flag, check_number


def upsample_masks(
    logits: Array,
    size: Sequence[SupportsIndex],
    *,
    threshold: float = 0.0,
    op: Literal[">", ">="] = ">",
    intermediate: Sequence[SupportsIndex] | None = None,
    crop: Sequence[SupportsIndex] | None = None,
    activation: Activation = None,
    output: Output = "bool",
    return_stats: bool = False,
    offset: float = 1.0,
    out: Array | None = None,
    capacity: SupportsIndex | None = None,
) -> Any:
    """Resize logits bilinearly and compare them with a threshold, without an image of the resized values.

    Parameters
    ----------
    logits : array of float32, float16 or bfloat16, shape (..., h, w)
        What a model predicts, in its own resolution. Of at least one pixel.
    size : (int, int)
        Height and width of the masks. May be smaller than the logits.
    threshold : float
        What values are compared with, after it was rounded to float32.
    op : {">", ">="}
        The comparison.
    intermediate : (int, int), optional
        A size that logits are resized to first: SAM's (1024, 1024), the size of its padded input.
    crop : (int, int), optional
        Height and width of the top left part that is kept of that, or of the logits themselves where there is no
        ``intermediate``, before it is resized to ``size``: SAM's input without its padding.
    activation : {None, "sigmoid"}
        What is applied to the logits before they are resized. Transformers does so for SAM 3, with a threshold of 0.5.
    output : {"bool", "uint8", "packed", "rle"}
        The form of the masks.
    return_stats : bool
        Whether to return statistics too, of the resized values and at hardly any cost.
    offset : float
        That of the stability score.
    out : array, optional
        Where to write: C-contiguous, of the result's type and shape. Not with "rle"; with "packed" the bits (N, H, S)
        as `PackedMasks` has them: rows of S = 8 * ceil(W / 64) bytes, 0 past the width.
    capacity : int, optional
        With "rle": how many runs all masks have together at most, for which a device need not be waited for; see
        `rle_encode`.

    Returns
    -------
    masks : array (..., H, W), PackedMasks or RLEMasks
        In the library and on the device of ``logits``.
    statistics : MaskStatistics
        Areas, boxes and stability scores. Only with ``return_stats``.

    Raises
    ------
    TypeError
        If ``logits`` is no array of those types (float64 has to be converted), or ``out`` has another type.
    ValueError
        If shapes do not fit, ``crop`` is larger than what it is cut from, a number is NaN, or a name is unknown.

    Notes
    -----
    Values are those of ``torch.nn.functional.interpolate(mode="bilinear", align_corners=False)`` in float32, but for
    the last bits: here every operation is rounded by itself, so that all processors and devices give the same masks.
    Logits of half width are widened first, where torch rounds what it interpolated to their type again. No
    antialiasing, also where ``size`` is smaller. NaN is never foreground.

    Where all logits around a block of pixels are on one side of the threshold, so is the block: only the others are
    interpolated. Memory beyond the result: the logits of one mask on each thread as float32 where they are converted;
    with "rle" the bits of one mask on each thread. On a device: one launch, and two more for statistics; no
    synchronisation (but for "rle").

    References
    ----------
    Kirillov et al., "Segment Anything", 2023: ``postprocess_masks`` is ``upsample_masks(logits, original_size,
    intermediate=(1024, 1024), crop=input_size)``, and ``calculate_stability_score`` the third of the statistics.

    Examples
    --------
    >>> import numpy as np, rapidmask
    >>> logits = np.array([[-1, 3]], np.float32)
    >>> rapidmask.upsample_masks(logits, (1, 8), output="uint8")
    array([[0, 0, 0, 1, 1, 1, 1, 1]], dtype=uint8)
    """
    number = check_options("upsample_masks", op, activation, output, out, threshold)
    height, width = as_extents("upsample_masks", "size", size)
    logits = _arrays.with_shape(logits)
    given = (
        logits,
        (height, width),
        None if intermediate is None else as_extents("upsample_masks", "intermediate", intermediate),
        None if crop is None else as_extents("upsample_masks", "crop", crop),
        number,
        op,
        activation or "none",
    )
    with_stats = as_flag("upsample_masks", "return_stats", return_stats)
    reach = check_number("upsample_masks", "offset", offset) if with_stats else None
    most = as_capacity("upsample_masks", output, capacity)
    module = _dispatch.backend(logits)
    if output == "rle" and hasattr(module, "upsample_runs"):
        result = module.upsample_runs(*given, reach)
    else:
        result = module.upsample_masks(*given, "packed" if output == "rle" else output, reach, out)
    return given_back("upsample_masks", result, (height, width), output, with_stats, most)
