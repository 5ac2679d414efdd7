"""What models with queries differ by."""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

from . import checks, run_lengths
from .checks import Size


class Model(NamedTuple):
    """What the drop-ins of a model's methods differ by.

    Attributes
    ----------
    module : str
        Where the methods are, below ``transformers.models``.
    owner : str
        Their class.
    classes, masks : str
        The outputs that hold the classes and the masks of queries.
    trained : (int, int), optional
        What masks are resized to first.
    smooths, smooths_classes : bool
        Whether maps of segments, and whether class maps, are resized with antialiasing.
    no_object : bool
        Whether the last class, of no object, is left out of class maps.
    warns_once : bool
        Of classes to fuse that are not given.
    """

    module: str
    owner: str
    classes: str = "class_queries_logits"
    masks: str = "masks_queries_logits"
    trained: Size | None = None
    smooths: bool = False
    smooths_classes: bool = False
    no_object: bool = True
    warns_once: bool = False

    def queries_of(self, outputs: Any) -> tuple[Any, Any]:
        """Return the classes and masks of a batch."""
        classes, masks = getattr(outputs, self.classes), getattr(outputs, self.masks)
        checks.check_queries(classes, masks)
        return classes, masks

    def warn(self) -> None:
        """Say that no classes to fuse are given."""
        logger = logging.getLogger(f"transformers.models.{self.module}")
        message = "`label_ids_to_fuse` unset. No instance will be fused."
        if self.warns_once and hasattr(logger, "warning_once"):  # upstream gives it to all loggers
            logger.warning_once(message)
        else:
            logger.warning(message)

    def runs_of(self, segmentation: Any) -> list[list[Any]]:
        """Return a map's run lengths."""
        conversion = run_lengths.conversion_of(self.module)
        if conversion is None:
            raise NotImplementedError("return_coco_annotation: a module of which the run lengths are known")
        return conversion(segmentation)
