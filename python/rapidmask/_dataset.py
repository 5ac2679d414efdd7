"""The masks of pictures as files of any format hold them: what `convert`, `evaluate` and `review` work on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from ._containers import RLEMasks
from ._files import PICTURES
from .ops.panoptic import resolve_overlaps


@dataclass(frozen=True)
class Annotated:
    """The masks of one picture.

    Attributes
    ----------
    name : PurePosixPath
        The picture, as the file names it.
    masks : RLEMasks
        N masks of its size.
    labels : list of str
        The class of each.
    scores : list of float or None
        How sure a model was of each, if one was.
    ids : list of int
        What the file calls each.
    source : Path
        The file.
    place : PurePosixPath
        Where that is below the folder that was given.
    categories : dict from str to int
        The numbers that the file gives classes, those of other pictures included.
    crowds : list of bool
        Whether each is a group of objects, as of COCO's ``iscrowd``.
    pictures : str
        The folder of the picture, seen from the file's, where it tells.
    image_id : int, optional
        The number that the file gives the picture.
    """

    name: PurePosixPath
    masks: RLEMasks
    labels: list[str]
    scores: list[float | None]
    ids: list[int]
    source: Path
    place: PurePosixPath
    categories: dict[str, int] = field(default_factory=dict)
    crowds: list[bool] = field(default_factory=list)
    pictures: str = ""
    image_id: int | None = None

    def __post_init__(self) -> None:
        if not self.crowds:
            object.__setattr__(self, "crowds", [False] * len(self.labels))

    def chosen(self, kept: Sequence[int]) -> Annotated:
        """Return some of the masks, in the order of these indices."""
        return replace(
            self,
            masks=self.masks[list(kept)],
            labels=[self.labels[i] for i in kept],
            scores=[self.scores[i] for i in kept],
            ids=[self.ids[i] for i in kept],
            crowds=[self.crowds[i] for i in kept],
        )

    def on_top(self) -> npt.NDArray[np.float64]:
        """Return a number for each mask; where masks overlap, the pixel belongs to that of the highest.

        The scores, where all masks have one; else smaller masks lie on larger ones.
        """
        if self.scores and all(score is not None for score in self.scores):
            return np.array(self.scores, np.float64)
        return -np.asarray(self.masks.area(), np.float64)

    def painted(self) -> npt.NDArray[np.int32]:
        """Return the map of labels in which mask ``i`` is ``i + 1``, int32 (H, W)."""
        if not len(self.masks):
            return np.zeros(self.masks.size, np.int32)
        found: npt.NDArray[np.int32] = resolve_overlaps(self.masks, self.on_top())
        return found

    def painting_order(self) -> list[int]:
        """Return the indices of the masks, those that lie on others last."""
        order: list[int] = np.argsort(self.on_top(), kind="stable").tolist()
        return order


def all_categories(items: Iterable[Annotated]) -> dict[str, int]:
    """Return a number from 1 for each class: the first file's own where it is free, else the next."""
    numbers: dict[str, int] = {}
    used: set[int] = set()
    listed = [item.categories for item in items]
    for categories in listed:
        for name, number in categories.items():
            if name not in numbers and number not in used:
                numbers[name] = number
                used.add(number)
    free = max((1, *(number + 1 for number in used)))
    for name in sorted({name for categories in listed for name in categories} - set(numbers)):
        numbers[name] = free
        free += 1
    return dict(sorted(numbers.items(), key=lambda entry: entry[1]))


def coco_image(number: int, name: str, size: tuple[int, int]) -> dict[str, Any]:
    """Return COCO's record of a picture."""
    return {"id": number, "file_name": name, "width": size[1], "height": size[0]}


def picture_of(item: Annotated, folder: Path | None) -> Path:
    """Find the picture that masks belong to.

    Parameters
    ----------
    item : Annotated
        The masks.
    folder : Path, optional
        Where the pictures are. Without it: beside the file of masks, in the folder that this tells, or where they are
        named from the current one, as in shards.

    Returns
    -------
    Path
        The picture of that name, or else the only one of that name without its suffix.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    beside = item.source.parent
    folders = [folder] if folder else [beside, *([beside / item.pictures] if item.pictures else []), Path()]
    for place in folders:
        for name in (Path(item.name), Path(item.name.name)):
            if (place / name).is_file():
                return place / name
    for place in folders:
        for name in (Path(item.name), Path(item.name.name)):
            near = (place / name).parent
            alike = near.glob(f"{_escaped(name.stem)}.*") if near.is_dir() else ()
            found = [path for path in alike if path.suffix.lower() in PICTURES and path != item.source]
            if len(found) == 1:
                return found[0]
    raise FileNotFoundError(f"no picture {item.name} in {folders[-1]}; --images tells where pictures are")


def _escaped(name: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)
