"""A page on which people accept, reject and rename masks, and what is decided there, applied to the masks.

The page is one file that needs no server and no network: pictures are referred to beside it, or embedded. Whatever
comes from files (names, labels) reaches it as JSON and is shown as text alone, and its policy lets no other script run.
"""

from __future__ import annotations

import base64
import hashlib
import io as streams
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from . import __version__, io
from ._colours import default_colours
from ._dataset import Annotated, picture_of
from ._files import pillow, replacing
from ._formats import REVIEW
from .ops.draw import _as_rgb

_SHIPPED = Path(__file__).with_name("review.html")
_EMBEDDED = 1600  # pixels: the longer side of an embedded picture


def page_entry(item: Annotated, page: Path, images: Path | None, *, embed: bool) -> dict[str, Any]:
    """Describe a picture and its masks to the page.

    Parameters
    ----------
    item : Annotated
        The masks.
    page : Path
        Where the page will be.
    images : Path, optional
        The folder of pictures.
    embed : bool
        Whether the picture goes into the page, as JPEG, at most 1600 pixels on its longer side.

    Returns
    -------
    dict

    Raises
    ------
    OSError, ValueError
        If the picture cannot be found or read.
    """
    path = picture_of(item, images)
    height, width = item.masks.size
    boxes, areas = np.asarray(item.masks.boxes()), np.asarray(item.masks.area())
    rles = item.masks.to_coco("str")
    return {
        "file": item.place.as_posix(),
        "name": str(item.name),
        "src": _data_url(path) if embed else _reference(path, page.parent),
        "width": width,
        "height": height,
        "order": item.painting_order(),
        "masks": [
            {
                "id": item.ids[i],
                "label": item.labels[i],
                "score": item.scores[i],
                "area": int(areas[i]),
                "box": boxes[i].tolist(),
                "counts": rles[i]["counts"],
            }
            for i in range(len(rles))
        ],
    }


def _reference(path: Path, folder: Path) -> str:
    """Return a relative URL, which no name of a file can make anything else."""
    relative = os.path.relpath(os.path.realpath(path), os.path.realpath(folder)).replace(os.sep, "/")
    return "./" + quote(os.fsencode(relative), safe="/")


def _data_url(path: Path) -> str:
    picture = pillow("Image").fromarray(_as_rgb(io.read_image(path)))
    picture.thumbnail((_EMBEDDED, _EMBEDDED))
    stream = streams.BytesIO()
    picture.save(stream, format="JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode("ascii")


def write_page(path: Path, entries: Sequence[Mapping[str, Any]], title: str) -> None:
    """Write the page.

    Parameters
    ----------
    path : Path
        Where to.
    entries : sequence of mappings
        As of `page_entry`.
    title : str
        What the window is called.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    names = sorted({mask["label"] for entry in entries for mask in entry["masks"]})
    content = json.dumps(entries, sort_keys=True)
    data = {
        "kind": REVIEW,
        "version": __version__,
        "title": title,
        "key": hashlib.sha256(content.encode()).hexdigest()[:16],  # of what the browser remembers
        "labels": names,
        "colours": default_colours()[:64].tolist(),
        "pictures": list(entries),
    }
    text = json.dumps(data, allow_nan=False).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    page = _SHIPPED.read_text(encoding="utf-8")
    script = page.partition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    page = page.replace("{{SCRIPT_HASH}}", f"'sha256-{digest}'", 1).replace("{{DATA}}", text, 1)
    with replacing(path) as file:
        file.write(page.encode())


def read_decisions(path: Path) -> list[dict[str, Any]]:
    """Read what was decided on the page.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is another.
    """
    content = io.read_json(path)
    if not isinstance(content, dict) or content.get("kind") != REVIEW or not isinstance(content.get("decisions"), list):
        raise ValueError(f"{path}: is no file of decisions from the page of `rapidmask review`")
    for i, decision in enumerate(content["decisions"]):
        wanted: dict[str, Any] = {"file": str, "name": str, "id": (int, str), "decision": str}
        if not isinstance(decision, dict) or any(not isinstance(decision.get(k), t) for k, t in wanted.items()):
            raise ValueError(f"{path}: decisions[{i}] must have {', '.join(wanted)}")
        if decision["decision"] not in ("accept", "reject"):
            raise ValueError(f"{path}: decisions[{i}] must accept or reject, got {decision['decision']!r}")
        if not isinstance(decision.get("label", ""), str):
            raise ValueError(f"{path}: decisions[{i}] must have a label that is text")
    decisions: list[dict[str, Any]] = content["decisions"]
    return decisions


def apply(
    items: Sequence[Annotated], decisions: Sequence[Mapping[str, Any]], *, accepted_only: bool = False
) -> list[Annotated]:
    """Reject and rename masks as it was decided.

    Parameters
    ----------
    items : sequence of Annotated
        The masks.
    decisions : sequence of mappings
        As of `read_decisions`.
    accepted_only : bool
        Whether masks that were not decided on are dropped too.

    Returns
    -------
    list of Annotated
        Of the same pictures.

    Raises
    ------
    ValueError
        If a decision is about a mask that there is not.
    """
    by_mask = {(one["file"], one["name"], one["id"]): one for one in decisions}
    used: set[tuple[str, str, Any]] = set()
    changed = []
    for item in items:
        keys = [_key(item, number, by_mask) for number in item.ids]
        known = {key for key in keys if key is not None}
        if used & known:
            file, name, number = next(iter(used & known))
            raise ValueError(
                f"a decision is about mask {number} of {name} in {file}, of which there are several: "
                "give the files of one of them"
            )
        used |= known
        found = [None if key is None else by_mask[key] for key in keys]
        kept = [
            i for i, one in enumerate(found) if (one["decision"] == "accept" if one is not None else not accepted_only)
        ]
        labels = list(item.labels)
        for i in kept:
            if (one := found[i]) is not None and one.get("label"):
                labels[i] = one["label"]
        categories = dict(item.categories)
        most = max((0, *categories.values()))
        for label in labels:
            if label not in categories:
                most += 1
                categories[label] = most
        changed.append(replace(item, labels=labels, categories=categories).chosen(kept))
    unknown = [key for key in by_mask if key not in used]
    if unknown:
        file, name, number = unknown[0]
        raise ValueError(f"a decision is about mask {number} of {name} in {file}, which is not among the files given")
    return changed


def _key(item: Annotated, number: Any, known: Mapping[tuple[str, str, Any], Any]) -> tuple[str, str, Any] | None:
    """Return the decision's key: the file may have been named from another folder than it was reviewed from."""
    key = (item.place.as_posix(), str(item.name), number)
    if key in known:
        return key
    last = (item.place.name, str(item.name), number)
    return last if last in known else None
