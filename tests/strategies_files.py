"""Arguments for the functions of `rapidmask.io` and of `rapidmask.compat.pycocotools`, as `strategies` has others.

Files are written as they are drawn, into a folder that goes with the process. `WRITTEN` tells the pixels of those that
are pictures.
"""

import atexit
import functools
import io as streams
import json
import shutil
import struct
import tempfile
import zlib
from hashlib import sha1
from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from PIL import Image

import rapidmask
from rapidmask import io
from rapidmask.compat import pycocotools
from strategies import (
    BROKEN_COCO,
    Call,
    boxes,
    call,
    integers_of,
    label_maps,
    masks,
    pixels,
    polygons,
    rubbish,
    seeds,
    shapes,
    sizes,
    vector,
)

FOLDER = Path(tempfile.mkdtemp(prefix="rapidmask-hostile-"))
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
(FOLDER / "folder.png").mkdir()
WRITTEN = {}  # the pixels of files that are pictures, and the content of those of JSON


def file_of(data, suffix=".png"):
    """The path of a file of these bytes."""
    path = FOLDER / f"{sha1(data, usedforsecurity=False).hexdigest()[:16]}{suffix}"
    path.write_bytes(data)
    return path


def encoded(array, kind="PNG"):
    stream = streams.BytesIO()
    Image.fromarray(np.ascontiguousarray(array)).save(stream, kind)
    return stream.getvalue()


def png(width, height, depth=8, colour=0, data=b"\0", more=b""):
    """A PNG whose header need not be true."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + more + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


# Files

SEVERAL = (
    b"",
    b"\0",
    b"\x89PNG\r\n\x1a\n",
    b"not a picture",
    b"GIF89a" + b"\xff" * 20,
    b"P6 99999 99999 255\n",
    b"P5\n3 -1\n255\n\0\0\0",
    b"BM" + b"\xff" * 60,
    b"II*\0" + b"\xff" * 40,
    b"II*\0\x08\0\0\0\xff\xff" + bytes(range(120)),
    b"RIFF\x10\0\0\0WEBPVP8 ",
    b"\xff\xd8\xff\xe1\xff\xffExif\0\0",
    b"{}",
    png(0, 0),
    png(0, 5),
    png(2**31 - 1, 2**31 - 1),
    png(100_000, 100_000),
    png(9000, 9000),
    png(3, 3, depth=77),
    png(3, 3, colour=9),
    png(3, 3, colour=3),  # a palette that is missing
    png(3, 3, data=b"\7" * 12),  # a filter that is none
    png(1, 1, data=b"\0\0", more=b"\xff\xff\xff\xffzTXt"),
)
OTHER_PATHS = (
    FOLDER / "missing.png",
    FOLDER / "folder.png",
    FOLDER / "missing" / "a.png",
    FOLDER / ("n" * 300 + ".png"),
)
ODD_PATHS = ("", ".", "a\0b.png", "\ud800.png", b"missing.png", 0, 1, True, -1, 2**40, 10**30, [], ("a.png",))


@st.composite
def spoiled(draw, data):
    """The bytes of a file cut short, or some of them changed."""
    changed = bytearray(data)
    for place in draw(st.lists(st.integers(0, len(data) - 1), max_size=6)):
        changed[place] = draw(st.sampled_from((0, 1, 0x7F, 0x80, 0xFF)))
    return bytes(changed[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else changed)


@st.composite
def to_read(draw, contents, suffix=".png"):
    """A call of a function that reads: of a file as it should be, of one that is spoiled, or of what is no file.

    `contents` draws the bytes of a file, and what is read from it.
    """
    kind = draw(st.sampled_from(("whole", "whole", "spoiled", "strange", "path")))
    if kind == "path":
        return Call((draw(st.one_of(st.sampled_from(OTHER_PATHS + ODD_PATHS), rubbish)),), {}, False)
    if kind == "strange":
        return Call((file_of(draw(st.sampled_from(SEVERAL)), suffix),), {}, False)
    data, content = draw(contents)
    if kind == "spoiled":
        return Call((file_of(draw(spoiled(data)), suffix),), {}, False)
    path = file_of(data, suffix)
    WRITTEN[path] = content
    return Call((draw(st.sampled_from((path, str(path)))),), {}, True)


@st.composite
def arrays(draw, dtypes, colours=(None,), *, empty=False):
    """Pixels of a picture."""
    least = 0 if empty else 1
    shape = tuple(max(least, extent) for extent in draw(shapes(batch=0, most=400)))
    colour = draw(st.sampled_from(colours))
    dtype = np.dtype(draw(st.sampled_from(dtypes)))
    rng = np.random.default_rng(draw(seeds))
    found = rng.integers(0, min(np.iinfo(dtype).max, 2**31 - 2) + 1, shape if colour is None else (*shape, colour))
    return np.asfortranarray(found.astype(dtype)) if draw(st.booleans()) else found.astype(dtype)


def stored(dtypes, colours=(None,), content=np.asarray):
    """The bytes of a picture, and what is read from it."""
    return arrays(dtypes, colours).map(lambda array: (encoded(array), content(array)))


def as_segments(rgb):
    return (rgb.astype(np.int64) << np.array([0, 8, 16])).sum(axis=2)


texts = st.one_of(st.text(max_size=5), st.sampled_from(("ä", "\ud800", "\udce9", "a\nb", "\0", "\u2028")))
content = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=8,
)


class Nest(list):
    """A list that cannot be shown, for its depth or its numbers."""

    def __repr__(self):
        return "Nest()"


CIRCLE = Nest()
CIRCLE.append(CIRCLE)
DEEP = functools.reduce(lambda inner, _: Nest([inner]), range(50_000), 0)
ODD_CONTENT = (CIRCLE, DEEP, {1j: 1}, {(1, 2): 3}, {"a": {1, 2}}, float("nan"), [float("inf")], b"a", Nest([10**5000]))
ODD_JSON = (
    b"[" * 100_000,
    b"[1,",
    b"nan",
    b"\xff\xfe",
    b"\xef\xbb\xbf{}",
    b"1" * 5000,
    b'{"a":1}x',
    b'"\\ud800',
    b"\0" * 4,
)


@st.composite
def json_to_read(draw):
    if draw(st.integers(0, 3)) == 0:
        return Call((file_of(draw(st.sampled_from(ODD_JSON)), ".json"),), {}, False)
    whole = content.map(
        lambda one: (json.dumps(one).encode(), one),
    )
    return draw(to_read(whole, ".json"))


@st.composite
def to_write(draw, values, names, options=None):
    """A call of a function that writes: the path of a file that may be there, and what to write."""
    arguments = [FOLDER / draw(st.sampled_from(names)), *draw(values)]
    drawn = draw(call(arguments, options))
    if draw(st.integers(0, 3)) == 0:
        odd = draw(st.sampled_from(OTHER_PATHS[1:] + ODD_PATHS))
        return drawn._replace(arguments=(odd, *drawn.arguments[1:]), valid=False)
    return drawn


@st.composite
def pictures_to_write(draw):
    """Pictures as they should be, or of types and formats that do not go together."""
    if draw(st.booleans()):
        values = st.tuples(arrays(("uint8",), (None, 3)))
        return draw(to_write(values, ("p.png", "p.PNG", "p.tif", "p.bmp"), {"fast": st.booleans()}))
    array = draw(arrays(("uint8", "uint16", "int32", ">u2", ">i4", "int8", "int64"), (None, 1, 2, 3, 4), empty=True))
    name = draw(st.sampled_from(SUFFIXES))
    return Call((FOLDER / f"p{name}", array), {"fast": draw(st.booleans())}, False)


SUFFIXES = (
    "",
    ".png",
    ".tif",
    ".jpg",
    ".gif",
    ".psd",
    ".h5",
    ".palm",
    ".xbm",
    ".eps",
    ".ico",
    ".icns",
    ".docx",
    ".webp",
)
SUFFIXES += (".bmp", ".ppm", ".tga", ".pcx", ".im", ".msp", ".sgi", ".jp2", ".dds", ".blp", ".fli", ".wmf", ".grib")
records = st.fixed_dictionaries({"id": st.integers(0, 9)}, optional={"name": texts, "more": content})
lists = st.lists(records, max_size=2)


@st.composite
def coco_to_write(draw):
    info = st.one_of(st.none(), st.dictionaries(texts, content, max_size=2))
    return draw(to_write(st.tuples(lists, lists, lists), ("c.json",), {"info": info}))


@st.composite
def json_to_write(draw):
    drawn = draw(to_write(st.tuples(content), ("j.json",)))
    if draw(st.integers(0, 2)) == 0:
        return drawn._replace(arguments=(drawn.arguments[0], draw(st.sampled_from(ODD_CONTENT))), valid=False)
    return drawn


# Records

forms = st.sampled_from(("rle", "counts", "polygons"))
names = st.sampled_from(("cat", "a\nb", "ä", ""))


@st.composite
def described(draw):
    """Masks, or a map of labels, and how many masks there are."""
    if draw(st.booleans()):
        given = np.asarray(draw(label_maps(batch=0, dtypes=("int32", "int64", "uint16"))))
        return given, len(np.unique(given[given > 0]))
    given = draw(masks(batch=1, most=800))
    return given, len(given)


@st.composite
def annotations(draw):
    given, count = draw(described())
    options = {
        "segmentation": forms,
        "image_id": st.integers(0, 2**62),
        "category_id": st.one_of(st.integers(0, 90), integers_of(count)),
        "first_id": st.integers(-5, 2**62),
    }
    return draw(call((given,), options))


ODD_SEGMENTATIONS = [None, 3, "rle", {}, [[]], [[1, 2]], [["a"] * 6], [[np.nan] * 6], [[1e300] * 6], [None], [[[1, 2]]]]
ODD_SEGMENTATIONS += BROKEN_COCO


@st.composite
def annotated(draw):
    """Annotations of a picture in any of COCO's forms, and its size."""
    found = rapidmask.rle_encode(pixels(draw(shapes(batch=1, most=600)), "blocks", draw(seeds)))
    listed = [
        {**one, "segmentation": found[[i]].to_coco("bytes")[0]} if draw(st.booleans()) else one
        for i, one in enumerate(io.coco_annotations(found, segmentation=draw(forms)))
    ]
    kind = draw(st.integers(0, 3))
    if kind == 0:
        odd = {"segmentation": draw(st.sampled_from(ODD_SEGMENTATIONS))}
        return Call(([*listed, draw(st.sampled_from((odd, {}, {1: 2, "a": 3}, None, [1])))], found.size), {}, False)
    if kind == 1:
        rings = [{"segmentation": [ring.ravel().tolist() for ring in map(np.asarray, one)]} for one in draw(polygons())]
        return Call((rings, draw(sizes)), {}, False)
    return draw(call((listed, found.size)))


@st.composite
def drawn_by_labelme(draw):
    given, count = draw(described())
    each = st.lists(names, min_size=count, max_size=count)
    return draw(call((given, draw(st.one_of(names, each))), {"image_path": names}))


points = st.lists(st.tuples(st.integers(-5, 40), st.floats(-5, 40, width=32)), min_size=2, max_size=6)
ODD_POINTS = [None, [], [1, 2], [[1]], [[1, 2, 3]], [["a", "b"]], [[0, 0], [9e6, 0]], [[0, 0], [1e300, 0]], {"a": 1}]
ODD_POINTS += [[[np.nan, 0]] * 3, [[1, 2], [3]], "points", [[10**400, 1]] * 3, [[1e9, -1e9]] * 4]
odd_points = st.sampled_from(ODD_POINTS)


@st.composite
def labelme_records(draw):
    """Records of LabelMe, written by it or by nobody."""
    odd = draw(st.booleans())
    shape = st.fixed_dictionaries(
        {
            "label": st.one_of(names, st.sampled_from((None, 3, [1]))) if odd else names,
            "points": st.one_of(points, odd_points) if odd else points,
            "shape_type": st.sampled_from(
                ("polygon", "rectangle", "circle", "line", "points", None, *((["a"], 3, "blob") if odd else ()))
            ),
        },
        optional={"group_id": st.sampled_from((None, 1, 2, *(([1], {}, "a") if odd else ())))},
    )
    shapes_drawn = draw(st.lists(shape, max_size=3))
    if not odd:
        kept = {"polygon": range(3, 9), "rectangle": (2, 4), "circle": (2,)}
        shapes_drawn = [
            one for one in shapes_drawn if len(one["points"]) in kept.get(one["shape_type"] or "polygon", range(9))
        ]
    if draw(st.integers(0, 5)) == 0:
        shapes_drawn = draw(st.sampled_from((None, 3, {}, "ab", [None], [[]], [{}], [{1: 1, "a": 2}])))
        odd = True
    record = {"shapes": shapes_drawn, "imageHeight": 30, "imageWidth": 35}
    if odd and draw(st.booleans()):
        record[draw(st.sampled_from(("imageHeight", "imageWidth")))] = draw(rubbish)
    rules = st.sampled_from(("coco", "opencv"))
    drawn = draw(call((record,), {"rule": rules, "size": st.sampled_from((None, (20, 33), (0, 0), (30, 0)))}))
    return drawn._replace(valid=drawn.valid and not odd)


@st.composite
def results_of_pipelines(draw):
    found = pixels(draw(shapes(batch=1, most=400)), "half", draw(seeds))
    count, size = len(found), found.shape[1:]
    forms_of_mask = ("array", "list", "image", "png", "data") if found.size else ("array",)

    def as_mask(mask):
        form = draw(st.sampled_from(forms_of_mask[:1] + forms_of_mask[2:]))
        if form == "array":
            return mask
        if form == "image":
            return Image.fromarray(mask)
        text = io.pipeline_records(mask[None], "x")[0]["mask"]
        return text if form == "png" else f"data:image/png;base64,{text}"

    results = [
        {"mask": as_mask(mask), "label": draw(names), "score": draw(st.sampled_from((None, 0.5, 1, np.float32(0.25))))}
        for mask in found
    ]
    options = {"size": st.just(size) if count else st.sampled_from((None, (3, 4)))}
    if draw(st.integers(0, 2)) == 0:
        key = draw(st.sampled_from(("mask", "mask", "score", "label")))
        odd = draw(
            st.one_of(rubbish, st.sampled_from(("iVBORw0K", "data:", b"\xff", Image.new("RGB", (0, 0)), 10**400)))
        )
        more = draw(st.sampled_from(({key: odd}, {"mask": np.zeros(size), key: odd}, None, {1: 2, "a": 3})))
        return Call(([*results, more],), {}, False)
    if draw(st.integers(0, 5)) == 0:
        return Call(({"error": draw(st.one_of(texts, rubbish, st.just("long " * 200)))},), {}, False)
    return draw(call((results,), options))


@st.composite
def recorded(draw):
    given, count = draw(described())
    each = st.lists(names, min_size=count, max_size=count)
    options = {
        "scores": st.one_of(st.none(), vector(count).map(lambda found: np.asarray(found).tolist())),
        "mask": st.sampled_from(("png", "image")),
    }
    return draw(call((given, draw(st.one_of(names, each))), options))


# pycocotools


@st.composite
def rles(draw, *, single=True):
    """Run lengths of pycocotools: one, or a list, of which some may make up no mask."""
    found = draw(masks(batch=1, forms=("rle",), most=500)).to_coco(draw(st.sampled_from(("bytes", "str"))))
    if draw(st.integers(0, 2)) == 0:
        return [*found, draw(st.sampled_from(BROKEN_COCO))]
    return found[0] if single and found and draw(st.booleans()) else found


@st.composite
def bitmaps(draw):
    found = np.moveaxis(
        pixels(draw(shapes(batch=1, most=500)), draw(st.sampled_from(("half", "blocks"))), draw(seeds)), 0, -1
    )
    found = found.astype(draw(st.sampled_from((np.uint8, bool))))
    found = found[:, :, 0] if found.shape[2] and draw(st.booleans()) else found
    return draw(call((np.asfortranarray(found),)))


@st.composite
def of_rles(draw, options=None, *, single=True):
    given = draw(rles(single=single))
    drawn = draw(call((given,), options))
    return drawn._replace(valid=False)


@st.composite
def compared(draw):
    def side(form):
        if form == "boxes":
            found = np.asarray(draw(boxes(draw(st.integers(0, 3)), hostile=draw(st.booleans()))), np.float64)
            return found if draw(st.booleans()) else found.tolist()
        return draw(rles(single=False))

    form = draw(st.sampled_from(("boxes", "rles")))
    detections, truths = side(form), side(form)
    crowds = draw(st.lists(st.integers(0, 1), min_size=len(truths), max_size=len(truths)))
    return draw(call((detections, truths, crowds)))._replace(valid=False)


@st.composite
def objects(draw):
    """Boxes, polygons and run lengths as numbers."""
    form = draw(st.sampled_from(("boxes", "polygons", "runs")))
    hostile = draw(st.booleans())
    if form == "boxes":
        given = np.asarray(draw(boxes(draw(st.integers(0, 3)), hostile=hostile)), np.float64)
    elif form == "polygons":
        rings = [np.asarray(ring).ravel().tolist() for one in draw(polygons(hostile=hostile)) for ring in one]
        given = rings if hostile else [ring for ring in rings if len(ring) > 4]
    else:
        given = draw(masks(batch=1, forms=("rle",), most=300)).to_coco("list")
        odd = [
            {"size": [2, 3], "counts": counts} for counts in (np.array([np.nan]), np.array([-1.0]), np.array([[1]]), {})
        ]
        given = [*given, draw(st.sampled_from(BROKEN_COCO + odd))] if hostile else given
        given = draw(st.sampled_from((given, *given[:1])))
    return draw(call((given, *draw(sizes))))._replace(valid=False)


CALLS = {
    "io.coco_annotations": annotations(),
    "io.labelme_record": drawn_by_labelme(),
    "io.masks_from_coco": annotated(),
    "io.masks_from_labelme": labelme_records(),
    "io.masks_from_pipeline": results_of_pipelines(),
    "io.pipeline_records": recorded(),
    "io.read_image": to_read(stored(("uint8", "uint16"), (None,)) | stored(("uint8",), (3,))),
    "io.read_json": json_to_read(),
    "io.read_labels": to_read(stored(("uint8", "uint16"))),
    "io.read_panoptic": to_read(stored(("uint8",), (3,), as_segments), "-segments.png"),
    "io.rle_from_labels": label_maps(batch=0).flatmap(lambda labels: call((np.asarray(labels),))),
    "io.to_grey": arrays(("uint8", "uint16", "int32", "int64", "uint64"), (None, 3), empty=True).flatmap(
        lambda image: call((image,))
    ),
    "io.write_coco": coco_to_write(),
    "io.write_image": pictures_to_write(),
    "io.write_json": json_to_write(),
    "io.write_labels": to_write(st.tuples(arrays(("uint8", "uint16", ">u2", "int16"))), ("l.png", "l.tif", "l.TIFF")),
    "io.write_panoptic": to_write(st.tuples(arrays(("uint8", "uint16", ">i2"))), ("s.png",)),
    "compat.pycocotools.area": of_rles(),
    "compat.pycocotools.decode": of_rles(),
    "compat.pycocotools.encode": bitmaps(),
    "compat.pycocotools.frPyObjects": objects(),
    "compat.pycocotools.iou": compared(),
    "compat.pycocotools.merge": of_rles({"intersect": st.sampled_from((0, 1, True, False))}, single=False),
    "compat.pycocotools.toBbox": of_rles(),
}
NO_DATA = {"io.MAX_PNG_LABEL", "io.pillow", "io.replacing"}  # a number, a module's name, what is done within
NAMES = {f"io.{name}" for name in io.__all__} | {f"compat.pycocotools.{name}" for name in pycocotools.__all__}
