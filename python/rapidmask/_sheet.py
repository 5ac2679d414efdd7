"""A sheet of captioned tiles, side by side, as one picture."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .io import pillow
from .ops.draw import overlay

TILE = 320  # pixels: the longer side of a tile's picture
_MARGIN = 12
_CAPTION = 48
_COLUMNS = 5
_PAPER, _INK, _FADED, _BLANK = (250, 250, 248), (24, 24, 24), (110, 110, 110), (226, 226, 222)


@dataclass(frozen=True)
class Tile:
    """One tile.

    Attributes
    ----------
    title, text : str
        The two lines below the picture.
    picture : numpy.ndarray of uint8, shape (H, W, 3), or None
        None for a blank tile.
    message : str
        What a blank tile says.
    """

    title: str
    text: str
    picture: npt.NDArray[np.uint8] | None
    message: str = ""


def tile_size(size: tuple[int, int]) -> tuple[int, int]:
    """Return the height and width of a tile for pictures of a size."""
    scale = TILE / max(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def shrink(image: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Return a picture at a tile's size, as RGB."""
    rgb = overlay(image, np.zeros(image.shape[:2], np.int32))  # no masks: only the conversion
    height, width = tile_size(rgb.shape[:2])
    return np.asarray(pillow("Image").fromarray(rgb).resize((width, height), resample=_filter(rgb.shape[0] > height)))


def overlay_tile(small: npt.NDArray[np.uint8], labels: npt.NDArray[np.int32]) -> npt.NDArray[np.uint8]:
    """Paint labels of the full picture over its small form, so that outlines stay one pixel wide.

    Parameters
    ----------
    small : numpy.ndarray of uint8, shape (h, w, 3)
        What `shrink` gave.
    labels : numpy.ndarray of int32, shape (H, W)
        Labels of the full picture.

    Returns
    -------
    numpy.ndarray of uint8, shape (h, w, 3)
    """
    rows = ((np.arange(small.shape[0]) + 0.5) * labels.shape[0] / small.shape[0]).astype(np.int64)
    columns = ((np.arange(small.shape[1]) + 0.5) * labels.shape[1] / small.shape[1]).astype(np.int64)
    return overlay(small, labels[np.ix_(rows, columns)])


def compose(heading: str, tiles: list[Tile], size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Lay tiles out on one sheet.

    Parameters
    ----------
    heading : str
        A line above all tiles.
    tiles : list of Tile
        Row by row.
    size : (int, int)
        Height and width of the pictures, as `tile_size` gives them.

    Returns
    -------
    numpy.ndarray of uint8, shape (H, W, 3)
    """
    height, width = size
    step_x, step_y = max(width, TILE // 2) + _MARGIN, height + _CAPTION + _MARGIN
    rows = -(-len(tiles) // _COLUMNS)
    sheet = pillow("Image").new("RGB", (_MARGIN + _COLUMNS * step_x, 44 + rows * step_y), _PAPER)
    draw = pillow("ImageDraw").Draw(sheet)
    large, plain, small = (pillow("ImageFont").load_default(points) for points in (20, 16, 13))
    draw.text((_MARGIN, 10), heading, fill=_INK, font=large)
    for i, tile in enumerate(tiles):
        x, y = _MARGIN + i % _COLUMNS * step_x, 44 + i // _COLUMNS * step_y
        if tile.picture is None:
            draw.rectangle((x, y, x + width - 1, y + height - 1), fill=_BLANK)
            lines = textwrap.fill(tile.message, max(12, width // 7))
            draw.multiline_text((x + 12, y + 12), lines, fill=_INK, font=small, spacing=5)
        else:
            sheet.paste(pillow("Image").fromarray(tile.picture), (x, y))
        draw.text((x, y + height + 5), tile.title, fill=_INK, font=plain)
        draw.text((x, y + height + 25), tile.text, fill=_FADED, font=small)
    return np.asarray(sheet)


def _filter(shrinks: bool) -> Any:
    resampling = pillow("Image").Resampling
    return resampling.LANCZOS if shrinks else resampling.NEAREST
