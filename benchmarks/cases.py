"""The named workloads of all benchmarks, and the only place where their sizes are written.

Each is made by NumPy from a fixed seed, so that every run and every machine times the same pixels. "smooth" ones have
the long runs of real masks; "noisy2k" has none; widths of 4001 catch what is only fast on whole words. Of what models
give, "noisy" cases are smooth ones with noise of a tenth of their deviation, "white" ones nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial

import numpy as np
import numpy.typing as npt

Array = npt.NDArray

_12MP = (3000, 4000)
_ODD = (2999, 4001)


def _smooth(size: tuple[int, int], cell: int, seed: int) -> npt.NDArray[np.float32]:
    """Noise without detail below ``cell`` pixels: random values on a grid, blended by a smooth step."""
    height, width = size
    rng = np.random.default_rng(seed)
    grid = rng.standard_normal((height // cell + 2, width // cell + 2), np.float32)
    (top, down), (left, right) = _blend(height, cell), _blend(width, cell)
    rows = grid[top] * (1 - down)[:, None] + grid[top + 1] * down[:, None]
    return rows[:, left] * (1 - right) + rows[:, left + 1] * right


def _blend(extent: int, cell: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """For each pixel the grid point before it, and the weight of the one after it."""
    before, along = np.divmod(np.arange(extent), cell)
    t = (along / cell).astype(np.float32)
    return before, t * t * (3 - 2 * t)


def _logits(size: tuple[int, int]) -> Array:
    return 4 * _smooth(size, 150, seed=1)


def _mask(size: tuple[int, int]) -> Array:
    return _smooth(size, 150, seed=1) > 0.1


def _synthetic(size: tuple[int, int], dtype: type) -> Array:
    """Two populations of grey levels, shading and noise, over the whole range of the type."""
    noise = np.random.default_rng(2).standard_normal(size, np.float32)
    light = 0.45 + 0.25 * np.tanh(3 * _smooth(size, 120, seed=3)) + 0.05 * _smooth(size, 900, seed=4) + 0.03 * noise
    return (light.clip(0, 1) * np.iinfo(dtype).max).astype(dtype)


def _retina(size: tuple[int, int]) -> Array:
    """The green channel of the picture in scikit-image's wheel, mirrored until it fills the size."""
    from skimage import data

    picture = data.retina()[..., 1]
    missing = [(0, wanted - extent) for wanted, extent in zip(size, picture.shape, strict=True)]
    return np.ascontiguousarray(np.pad(picture, missing, mode="symmetric"))


def _sam(count: int, side: int) -> Array:
    """Smooth masks of 1 to 30 % foreground, what promptable segmentation gives."""
    masks = np.empty((count, side, side), bool)
    for i, share in enumerate(np.linspace(0.01, 0.30, count)):
        values = _smooth((side, side), 128, seed=100 + i)
        masks[i] = values > np.quantile(values[::8, ::8], 1 - share)
    return masks


def _speckled(mask: Array) -> Array:
    """A mask with some hundred specks and pinholes, as promptable segmentation leaves them."""
    return mask ^ (_smooth(mask.shape, 6, seed=3) > 2.2)


def _instances(count: int, size: tuple[int, int]) -> Array:
    """Blobs in boxes of 20 to 300 pixels, what a detector gives for one frame."""
    rng = np.random.default_rng(5)
    masks = np.zeros((count, *size), bool)
    for i in range(count):
        height, width = rng.integers(20, 300, 2)
        y0, x0 = rng.integers(0, size[0] - height), rng.integers(0, size[1] - width)
        y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)
        wobble = 0.2 * _smooth((int(height), int(width)), 40, seed=1000 + i)
        masks[i, y0 : y0 + height, x0 : x0 + width] = y * y + x * x < 0.8 + wobble
    return masks


def _noisy(side: int) -> Array:
    return np.random.default_rng(6).random((side, side)) < 0.5


def _comb(side: int) -> Array:
    """Teeth one pixel wide that meet in the last row: what joins a component comes last."""
    mask = np.zeros((side, side), bool)
    mask[:, ::2] = mask[-1] = True
    return mask


def _spiral(side: int) -> Array:
    """A line one pixel wide from the corner inwards, with as much ground between its turns."""
    mask = np.zeros((side, side), bool)
    for ring in range(0, side // 2 - 1, 2):
        low, high = ring, side - 1 - ring
        mask[low, max(0, low - 1) : high + 1] = mask[low : high + 1, high] = mask[high, low : high + 1] = True
        mask[low + 2 : high + 1, low] = True  # one pixel short: here the next turn begins
        mask[low + 2, low : low + 2] = True
    return mask


def _volume(side: int) -> Array:
    """Blobs in three dimensions, of some 16 voxels."""
    cell = 16
    values = np.random.default_rng(9).standard_normal((side // cell + 2,) * 3, np.float32)
    before, after = _blend(side, cell)
    for axis in range(3):
        values = np.moveaxis(values, axis, -1)
        values = values[..., before] * (1 - after) + values[..., before + 1] * after
        values = np.moveaxis(values, -1, axis)
    return values > 0.3


def _blobs(side: int) -> Array:
    """The same blobs at any size, a sixteenth of the side across."""
    return _smooth((side, side), side // 16, seed=18) > 0.1


def _terrain(size: tuple[int, int]) -> Array:
    """Hills within hills, in [0, 1]."""
    heights = _smooth(size, 64, seed=11) + 0.5 * _smooth(size, 16, seed=12) + 0.1 * _smooth(size, 4, seed=13)
    return (heights - heights.min()) / np.ptp(heights)


def _discs(side: int) -> Array:
    """Discs that touch and overlap, as cells do."""
    rng = np.random.default_rng(14)
    mask = np.zeros((side, side), bool)
    y, x = np.ogrid[:side, :side]
    for _ in range(side * side // 3000):
        cy, cx, radius = rng.integers(0, side), rng.integers(0, side), rng.integers(12, 30)
        mask |= (y - cy) ** 2 + (x - cx) ** 2 < radius**2
    return mask


def _classes(side: int) -> Array:
    """A map of six classes and background, as semantic segmentation gives it."""
    scores = np.stack([_smooth((side, side), 64, seed=200 + i) for i in range(7)])
    return scores.argmax(0).astype(np.uint8)


def _bodies(side: int) -> Array:
    """Smooth bodies of 30 % foreground."""
    cell = side // 8
    slices = np.stack([_smooth((side, side), cell, seed=200 + i) for i in range(10)])
    before, after = _blend(side, cell)
    values = slices[before] * (1 - after)[:, None, None] + slices[before + 1] * after[:, None, None]
    return values > np.quantile(values[::8, ::8, ::8], 0.7)


def _drawn(name: str, side: int) -> Array:
    """Masks that distance transforms find hard, each for a reason of its own."""
    y, x = np.indices((side, side), np.int32)
    if name == "checkerboard":
        return (y + x) % 2 == 1
    if name == "comb":
        return (x % 2 == 0) | (y == side - 1)
    if name == "rings":
        return np.minimum(np.minimum(y, x), side - 1 - np.maximum(y, x)) % 2 == 0
    if name == "diagonals":
        return (y + x) % 64 != 0
    if name == "far":
        return (y > 0) | (x > 0)
    if name == "column":
        return x != side // 2
    if name == "disc":
        return (y - side // 2) ** 2 + (x - side // 2) ** 2 < (side // 2 - 24) ** 2
    return np.random.default_rng(9).random((side, side)) > 1e-4  # sparse


def detections(count: int, channels: int, size: tuple[int, int]) -> tuple[Array, Array]:
    """Coefficients (N, channels) and boxes (N, 4) of 20 to 300 pixels, what a detector gives for one frame."""
    rng = np.random.default_rng(5)
    boxes = np.empty((count, 4), np.float32)
    for box in boxes:
        extent = rng.uniform(20, 300, 2)
        corner = rng.uniform(0, 1, 2) * (np.array(size[::-1]) - extent)
        box[:] = [*corner, *(corner + extent)]
    return rng.standard_normal((count, channels), np.float32), boxes


def _planes(count: int, side: int, seed: int, noise: float = 0.0) -> Array:
    """Smooth planes of about unit deviation, with noise of its own in each pixel."""
    planes = np.stack([np.ascontiguousarray(_smooth((side, side), side // 16, seed=seed + i)) for i in range(count)])
    if noise:
        planes += noise * np.random.default_rng(seed).standard_normal(planes.shape, np.float32)
    return planes


def _with_noise(planes: Array, seed: int) -> Array:
    """Planes with noise of its own in each pixel, a tenth of their deviation as in `_planes`."""
    noise = np.random.default_rng(seed).standard_normal(planes.shape, np.float32)
    return planes + np.float32(0.1 * planes.std()) * noise


def _queries(noise: float = 0.0) -> Array:
    """Logits of a hundred queries' masks, a third of them positive."""
    return 6 * _planes(100, 256, 600, noise) - 3


def _polygons(count: int, vertices: int, size: tuple[int, int]) -> Array:
    """Wobbly rings (N, K, 2) of 20 to 250 pixels across, as annotators draw objects."""
    rng = np.random.default_rng(15)
    angles = np.linspace(0, 2 * np.pi, vertices, endpoint=False)
    rings = np.empty((count, vertices, 2))
    for ring in rings:
        radius, phase = rng.uniform(20, 125), rng.uniform(0, 2 * np.pi, 2)
        radii = radius * (1 + 0.2 * np.cos(3 * angles + phase[0]) + 0.05 * np.cos(11 * angles + phase[1]))
        ring[:, 0] = rng.uniform(0, size[1]) + radii * np.cos(angles)
        ring[:, 1] = rng.uniform(0, size[0]) + radii * np.sin(angles)
    return rings.round(2)


def _detections(count: int, side: int, size: tuple[int, int], *, noisy: bool) -> Array:
    """Masks of boxes (N, side, side), as Mask R-CNN predicts them, each with a row below that begins with its box."""
    rng = np.random.default_rng(16)
    detections = np.zeros((count, side + 1, side), np.float32)
    y, x = np.linspace(-1, 1, side)[:, None], np.linspace(-1, 1, side)
    for i, detection in enumerate(detections):
        extent = rng.uniform(30, 400, 2)
        centre = rng.uniform(0, 1, 2) * [size[1], size[0]]
        wobble = 0.3 * _smooth((side, side), 8, seed=400 + i)
        values = 1 / (1 + np.exp(8 * (y * y + x * x - 0.8 - wobble)))
        detection[:side] = rng.random((side, side)) if noisy else values
        detection[side, :4] = np.concatenate([centre - extent / 2, centre + extent / 2]).clip(0, [*size[::-1]] * 2)
    return detections


def _label_maps(classes: int, size: tuple[int, int], *, noisy: bool) -> Array:
    """A target and a prediction (2, H, W) of uint8: smooth regions with edges that are a little off, or noise."""
    rng = np.random.default_rng(17)
    if noisy:
        return rng.integers(0, classes, (2, *size), np.uint8)
    field = 6 * (_smooth(size, 128, seed=500) + 0.2 * _smooth(size, 24, seed=501))
    maps = np.stack([field, field + 0.15 * _smooth(size, 32, seed=502)])
    return (np.floor(maps).astype(np.int64) * 37 % classes).astype(np.uint8)


_MAKERS: dict[str, Callable[[], Array]] = {
    "logits 12 MP": partial(_logits, _12MP),
    "logits 2999×4001": partial(_logits, _ODD),
    "retina uint8 12 MP": partial(_retina, _12MP),
    "synthetic uint8 12 MP": partial(_synthetic, _12MP, np.uint8),
    "synthetic uint8 2999×4001": partial(_synthetic, _ODD, np.uint8),
    "synthetic uint8 512×512": partial(_synthetic, (512, 512), np.uint8),
    "synthetic uint16 12 MP": partial(_synthetic, _12MP, np.uint16),
    "mask 12 MP": partial(_mask, _12MP),
    "mask 2999×4001": partial(_mask, _ODD),
    "SAM 1": lambda: load("SAM 64")[40].copy(),
    "SAM 1 with specks": lambda: _speckled(load("SAM 1")),
    "SAM 64": partial(_sam, 64, 1024),
    "instances": partial(_instances, 300, (720, 1280)),
    "instances 100": lambda: load("instances")[:100],
    "smooth2k": lambda: _smooth((2048, 2048), 64, seed=7) > 0.5,
    "smooth 2019×2021": lambda: _smooth((2019, 2021), 64, seed=7) > 0.5,
    "noisy2k": partial(_noisy, 2048),
    "checkerboard 2k": lambda: np.indices((2048, 2048)).sum(0) % 2 == 0,
    "comb 2k": partial(_comb, 2048),
    "spiral 2k": partial(_spiral, 2048),
    "diagonals 2k": lambda: (np.indices((2048, 2048)).sum(0) % 4) < 2,
    "foreground 2k": lambda: np.ones((2048, 2048), bool),
    "classes 2k": partial(_classes, 2048),
    "volume 256³": partial(_volume, 256),
    "noisy volume 256³": lambda: np.random.default_rng(10).random((256, 256, 256), np.float32) < 0.3,
    "SAM logits 64×256²": lambda: np.stack([_smooth((256, 256), 32, seed=300 + i) for i in range(64)]) - 0.5,
    "noisy logits 64×256²": lambda: _with_noise(load("SAM logits 64×256²"), 16),
    "white logits 64×256²": lambda: np.random.default_rng(16).standard_normal((64, 256, 256), np.float32),
    "prototypes 32×160²": lambda: np.stack([_smooth((160, 160), 16, seed=400 + i) for i in range(32)]),
    "noisy prototypes 32×160²": lambda: _with_noise(load("prototypes 32×160²"), 17),
    "white prototypes 32×160²": lambda: np.random.default_rng(17).standard_normal((32, 160, 160), np.float32),
    "checkerboard2k": partial(_drawn, "checkerboard", 2048),
    "comb2k": partial(_drawn, "comb", 2048),
    "rings2k": partial(_drawn, "rings", 2048),
    "diagonals2k": partial(_drawn, "diagonals", 2048),
    "far2k": partial(_drawn, "far", 2048),
    "column2k": partial(_drawn, "column", 2048),
    "disc2k": partial(_drawn, "disc", 2048),
    "sparse2k": partial(_drawn, "sparse", 2048),
    "bodies 256³": partial(_bodies, 256),
    "far 256³": lambda: np.arange(256**3).reshape(256, 256, 256) > 0,
    "terrain 1k": partial(_terrain, (1024, 1024)),
    "terrains 64×256²": lambda: (
        load("terrain 1k").reshape(4, 256, 4, 256).swapaxes(1, 2).reshape(16, 256, 256).repeat(4, 0)
    ),
    "discs 1k": partial(_discs, 1024),
    "volume 96³": lambda: load("volume 256³")[:96, :96, :96],
    "polygons 64×360": partial(_polygons, 64, 360, (720, 1280)),
    "polygons 300×24": partial(_polygons, 300, 24, (720, 1280)),
    "detections 100×28²": partial(_detections, 100, 28, (800, 1333), noisy=False),
    "noisy detections 100×28²": partial(_detections, 100, 28, (800, 1333), noisy=True),
    "labels 150 2 MP": partial(_label_maps, 150, (1024, 2048), noisy=False),
    "noisy labels 150 2 MP": partial(_label_maps, 150, (1024, 2048), noisy=True),
    "noisy labels 2 2 MP": partial(_label_maps, 2, (1024, 2048), noisy=True),
    "SAM logits 64×1024²": lambda: np.stack([_smooth((1024, 1024), 128, seed=300 + i) for i in range(64)]) - 0.5,
    "classes 150×512²": lambda: 3 * _planes(150, 512, 400),
    "noisy classes 150×512²": lambda: 3 * _planes(150, 512, 400, noise=0.1),
    "white classes 150×512²": lambda: np.random.default_rng(16).standard_normal((150, 512, 512), np.float32),
    "queries 100×256²": _queries,
    "noisy queries 100×256²": partial(_queries, 0.1),
    "white queries 100×256²": lambda: np.random.default_rng(17).standard_normal((100, 256, 256), np.float32),
    **{f"smooth {side}²": partial(_blobs, side) for side in (64, 256, 1024, 4096)},
    "32×32": lambda: _smooth((32, 32), 8, seed=8),
}


@lru_cache(maxsize=3)
def load(name: str) -> Array:
    """Return the workload of that name, read-only."""
    array = np.ascontiguousarray(_MAKERS[name]())  # indexing columns by a list gives Fortran order
    array.flags.writeable = False
    return array
