"""Arguments for every public function, by Hypothesis: as they should be, and one of them as nobody means it to be.

`CALLS` maps the names of `rapidmask.__all__`, and some beneath, to strategies of `Call`. Hypothesis draws shapes,
types, layouts and options; what fills an array comes from a generator whose seed it draws, which is faster by far.
"""

import decimal
import fractions
import math
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

import rapidmask
from inputs import layouts, spiral

try:
    import torch
except ImportError:  # some interpreters have none
    torch = None


class Call(NamedTuple):
    """Arguments of a function."""

    arguments: tuple[Any, ...]
    options: dict[str, Any]
    valid: bool  # whether nothing was put in place of what belongs there


class OwnError(Exception):
    """What arguments raise by themselves, which a function hands on."""


class Raising:
    """An array whose every part raises."""

    def __init__(self, *names):
        self.names = names

    def __getattr__(self, name):
        if name in self.__dict__["names"]:
            raise OwnError(name)
        raise AttributeError(name)

    def __repr__(self):
        return "Raising()"


class RaisingDlpack(Raising):
    shape = (3, 4)

    def __dlpack_device__(self):
        return (1, 0)

    def __dlpack__(self, **options):
        raise OwnError("__dlpack__")


class RaisingNumber:
    def __index__(self):
        raise OwnError("__index__")

    def __float__(self):
        raise OwnError("__float__")

    def __repr__(self):
        return "RaisingNumber()"


class RaisingSequence:
    def __len__(self):
        return 2

    def __getitem__(self, i):
        raise OwnError("__getitem__")

    def __repr__(self):
        return "RaisingSequence()"


class Lying(list):
    """A sequence whose length is another."""

    def __len__(self):
        return 10**6


class Subclass(np.ndarray):
    """Another library's view of NumPy's arrays."""


# Contents

EXTENTS = (0, 1, 1, 2, 3, 4, 5, 7, 8, 9, 12, 17, 31, 33, 63, 64, 65, 66, 127, 128, 129)
MOST_PIXELS = 1600  # of all masks: the literal definitions are slow
seeds = st.integers(0, 2**32 - 1)


@st.composite
def shapes(draw, axes=2, batch=None, most=MOST_PIXELS):
    """Shapes of a batch: `batch` axes before the images' (0 to 2 of them), small."""
    extents = [draw(st.sampled_from(EXTENTS)) for _ in range(axes)]
    count = draw(st.integers(0, 2)) if batch is None else batch
    lead = [draw(st.sampled_from((1, 2, 3, 1, 0))) for _ in range(count)]
    while extents and math.prod(extents) * max(1, math.prod(lead)) > most:
        extents[int(np.argmax(extents))] //= 2
    return (*lead, *extents)


def pixels(shape, kind, seed):
    """Booleans of a shape: noise of some density, or what operations tend to get wrong."""
    rng = np.random.default_rng(seed)
    if kind == "spiral" and len(shape) >= 2:
        return np.broadcast_to(spiral(max(shape[-2:]) or 1)[: shape[-2], : shape[-1]], shape).copy()
    if kind == "checkerboard":
        return np.indices(shape).sum(0) % 2 == 0
    if kind == "comb":
        return np.broadcast_to(np.arange(shape[-1]) % 2 == 0, shape).copy()
    if kind == "blocks":
        small = rng.random(tuple(-(-extent // 4) for extent in shape)) < 0.5
        for axis, extent in enumerate(shape):
            small = np.repeat(small, 4, axis)[(slice(None),) * axis + (slice(0, extent),)]
        return small
    return rng.random(shape) < {"none": 0, "few": 0.05, "half": 0.5, "many": 0.9, "all": 1}[kind]


kinds = st.sampled_from(("half", "few", "many", "none", "all", "spiral", "checkerboard", "comb", "blocks"))


@st.composite
def laid_out(draw, array):
    """An array of NumPy or torch of equal content, in any layout."""
    name = draw(st.sampled_from(("C", "Fortran", "strided", "offset", "reversed", "read-only", "subclass", "torch")))
    if name == "subclass":
        return array.view(Subclass)
    if name == "torch":
        if torch is None or not array.dtype.isnative or array.dtype.kind not in "buif":
            return array
        tensor = torch.from_numpy(array.copy())
        return (
            tensor.transpose(-1, -2).contiguous().transpose(-1, -2)
            if draw(st.booleans()) and array.ndim > 1
            else tensor
        )
    if array.ndim < 2:
        return array.copy()
    return dict(layouts(array))[name]


@st.composite
def masks(draw, *, axes=2, batch=None, forms=("bool", "uint8", "packed", "rle"), shape=None, most=MOST_PIXELS):
    """Masks in any form."""
    shape = draw(shapes(axes, batch, most)) if shape is None else shape
    found = pixels(shape, draw(kinds), draw(seeds))
    form = draw(st.sampled_from(forms))
    if form in ("packed", "rle"):
        found = found.reshape(-1, *shape[-2:]) if 0 not in shape else np.zeros(_flat(shape), bool)
        host = draw(st.booleans()) or torch is None
        given = found if host else torch.from_numpy(found)
        made = rapidmask.pack(given) if form == "packed" else rapidmask.rle_encode(given)
        if host and draw(st.booleans()):
            for part in ("data",) if form == "packed" else ("counts", "offsets"):
                getattr(made, part).flags.writeable = False
        return made
    if form == "uint8":
        found = found * np.random.default_rng(1).integers(1, 256, shape, np.uint8)
    return draw(laid_out(found))


def _flat(shape):
    return (int(np.prod(shape[:-2])), *shape[-2:])


SPECIAL = (np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-310, 1e-40, 3e38, -3e38, 65504.0, 1e-7)


@st.composite
def values(
    draw, *, axes=2, batch=None, dtypes=("float32", "float16", "bfloat16"), shape=None, hostile=True, most=MOST_PIXELS
):
    """Scores, logits or images: noise, smooth or of few levels, with NaN, infinities and denormals."""
    shape = draw(shapes(axes, batch, most)) if shape is None else shape
    rng = np.random.default_rng(draw(seeds))
    dtype = draw(st.sampled_from(dtypes))
    found = rng.normal(0, draw(st.sampled_from((1.0, 20.0))), shape)
    if draw(st.booleans()):
        found = np.round(found)
    if dtype == "bool":
        found = found > 0
    elif dtype.startswith(("int", "uint")):
        info = np.iinfo(dtype)
        small = np.minimum(np.abs(found), 100).astype(dtype)
        edges = np.array([info.min, info.max, 0, 1], dtype)[rng.integers(0, 4, shape)]
        found = np.where(rng.random(shape) < 0.3, edges, small) if draw(st.booleans()) else small
    else:
        if hostile and draw(st.booleans()):
            found = np.where(rng.random(shape) < 0.2, rng.choice(SPECIAL, shape), found)
        with np.errstate(over="ignore"):
            if dtype == "bfloat16":
                if torch is None:
                    return found.astype(np.float32)
                return torch.from_numpy(np.asarray(found, np.float32)).bfloat16()
            found = found.astype(dtype)
    found = np.asarray(found)
    if draw(st.integers(0, 9)) == 0 and found.dtype.itemsize > 1:
        return found.astype(found.dtype.newbyteorder())
    return draw(laid_out(found))


@st.composite
def vector(draw, count, low=0.0, high=1.0, *, hostile=True):
    """One number for each of some masks, as a list, array or tensor."""
    rng = np.random.default_rng(draw(seeds))
    found = np.round(rng.uniform(low, high, count), draw(st.integers(0, 3)))
    if hostile and draw(st.integers(0, 3)) == 0:
        found = np.where(rng.random(count) < 0.3, rng.choice(SPECIAL[:5], count), found)
    kind = draw(st.sampled_from(("float64", "float32", "float16", "list", "torch")))
    if kind == "list":
        return found.tolist()
    if kind == "torch" and torch is not None:
        return torch.from_numpy(np.asarray(found, np.float32))
    return found.astype("float64" if kind == "torch" else kind)


@st.composite
def integers_of(draw, count, low=0, high=4):
    """One integer for each of some masks."""
    found = np.random.default_rng(draw(seeds)).integers(low, high, count)
    kind = draw(st.sampled_from(("int64", "int32", "uint8", "list", "torch")))
    if kind == "list":
        return found.tolist()
    if kind == "torch" and torch is not None:
        return torch.from_numpy(np.asarray(found))
    return found.astype("int64" if kind == "torch" else kind)


@st.composite
def label_maps(draw, *, axes=2, batch=None, shape=None, dtypes=("int32", "int64", "uint8", "int16", "uint16"), high=5):
    """Maps of small labels."""
    shape = draw(shapes(axes, batch)) if shape is None else shape
    rng = np.random.default_rng(draw(seeds))
    found = rng.integers(0, high, tuple(-(-extent // 3) for extent in shape))
    for axis, extent in enumerate(shape):
        found = np.repeat(found, 3, axis)[(slice(None),) * axis + (slice(0, extent),)]
    return draw(laid_out(found.astype(draw(st.sampled_from(dtypes)))))


COORDINATES = (np.nan, np.inf, -np.inf, 1e9, -1e9, 1e30, -1e30, 2.0**31, 0.0, -0.0, 0.5, 1e-300)


@st.composite
def boxes(draw, count, extent=40, *, hostile=True):
    """Boxes (x0, y0, x1, y1), some of them empty, reversed or beyond any picture."""
    rng = np.random.default_rng(draw(seeds))
    found = rng.uniform(-extent / 4, extent * 1.25, (count, 4))
    if draw(st.booleans()):
        found = np.sort(found.reshape(count, 2, 2), axis=1).reshape(count, 4)
    if draw(st.booleans()):
        found = np.rint(found)
    if hostile and draw(st.integers(0, 2)) == 0:
        found = np.where(rng.random(found.shape) < 0.2, rng.choice(COORDINATES, found.shape), found)
    dtype = draw(st.sampled_from(("float32", "float64", "float32", "float16")))
    with np.errstate(over="ignore"):
        return draw(laid_out(found.astype(dtype)))


@st.composite
def polygons(draw, *, hostile=True):
    """Masks of rings, flat or as pairs."""
    rng = np.random.default_rng(draw(seeds))

    def ring():
        found = rng.uniform(-10, 45, (draw(st.sampled_from((3, 4, 5, 9, 1, 2))), 2))
        if draw(st.booleans()):
            found = np.rint(found * 2) / 2
        if hostile and draw(st.integers(0, 4)) == 0:
            found = np.where(rng.random(found.shape) < 0.2, rng.choice(COORDINATES, found.shape), found)
        return draw(st.sampled_from((found, found.ravel().tolist(), found.tolist(), found.astype(np.float32))))

    return [[ring() for _ in range(draw(st.integers(0, 2)))] for _ in range(draw(st.integers(0, 3)))]


sizes = st.tuples(st.sampled_from(EXTENTS), st.sampled_from(EXTENTS[:-3]))
footprints = st.one_of(
    st.builds(rapidmask.square, st.integers(1, 7)),
    st.builds(rapidmask.rectangle, st.integers(1, 5), st.integers(1, 9)),
    st.builds(rapidmask.cross, st.integers(1, 6)),
    st.builds(rapidmask.disk, st.integers(0, 3)),
    st.builds(rapidmask.ellipse, st.integers(1, 5), st.integers(1, 6)),
    st.builds(lambda seed, h, w: pixels((h, w), "half", seed), seeds, st.integers(1, 5), st.integers(1, 5)),
)
solid_footprints = st.one_of(
    st.builds(rapidmask.ball, st.integers(0, 2)),
    st.builds(lambda seed, d, h, w: pixels((d, h, w), "half", seed), seeds, *[st.integers(1, 3)] * 3),
)
connectivities = st.sampled_from((4, 8))
numbers = st.sampled_from(
    (0, 0.0, 0.5, 1, -1.5, 2.25, np.float32(0.1), np.float16(3), np.int8(-2), 1e9, -1e300, np.inf, -np.inf)
)
outputs = st.sampled_from(("bool", "uint8", "packed", "rle"))
ops = st.sampled_from((">", ">="))


# What nobody means to give


def _odd_arrays():
    mask = np.arange(12).reshape(3, 4) % 3 == 0
    for dtype in ("c8", "c16", "O", "U3", "S2", "M8[s]", "m8[ns]", "V3", "f4", "f8", "f2", "i1", "u2", "i4", "u8", "g"):
        yield (mask.astype("i4") if dtype == "V3" else mask).astype(dtype)
    yield from (
        mask.astype("i4,f4"),
        np.array(True),
        np.array(3.5),
        mask[0],
        mask[None, None],
        np.zeros((1,) * 17 + (2, 2), bool),
    )
    yield np.ones((1,) * 33, bool) if np.lib.NumpyVersion(np.__version__) >= "2.0.0" else mask
    yield from (
        np.ma.array(mask, mask=~mask),
        mask.view(np.recarray),
        np.zeros((0,)),
        np.zeros((0, 0)),
    )
    yield np.broadcast_to(np.zeros((), np.uint8), (3, 4))
    yield np.full((3, 4), np.nan)
    yield np.full((2, 4), 1e9)
    yield np.array([[2**63]], np.uint64)
    yield np.array([-(2**63), 2**63 - 1])
    if torch is not None:
        tensor = torch.from_numpy(mask.copy())
        yield from (
            tensor,
            tensor[0],
            tensor.to_sparse(),
            tensor.to("meta"),
            tensor.float().requires_grad_(),
            tensor.cfloat().conj(),
        )
        yield from (
            tensor.cfloat().conj().imag,
            tensor.bfloat16(),
            tensor.cfloat(),
            torch.tensor(2.5),
            torch.zeros(0),
            tensor.int(),
        )
        yield torch.zeros(3, 4, dtype=torch.uint8).expand(2, 3, 4)


ODD_ARRAYS = list(_odd_arrays())
HUGE = (2**31 - 1, 2**31, 2**32, 2**40, 2**53 + 1, 2**62, 2**63 - 1, 2**63, 2**64, 10**30, -(2**63) - 1, -(10**30))
odd_numbers = st.sampled_from(
    (
        -1,
        0,
        1,
        2,
        3,
        5,
        7,
        True,
        False,
        -0.0,
        0.5,
        1.5,
        1000000000.0,
        -1000000000.0,
        1e300,
        5e-324,
        float("nan"),
        float("inf"),
        float("-inf"),
        3j,
        np.float32("nan"),
        np.float16(3),
        np.int8(-5),
        np.uint64(2**64 - 1),
        np.bool_(True),
        np.longdouble(1),
        np.complex64(1),
        decimal.Decimal("0.5"),
        decimal.Decimal("sNaN"),
        fractions.Fraction(1, 3),
        "0.5",
        "8",
        b"8",
        None,
        RaisingNumber(),
    )
)
odd_objects = st.one_of(
    st.sampled_from(
        (None, "mask", "", b"10", {}, {"mask": 1}, set(), object(), range(3), Ellipsis, type, len, "\ud800", "a\nb")
    ),
    st.sampled_from(
        ([], (), [1, 0], [[1, 0], [0, 1]], [[1], [2, 3]], [[[]]], [None], ["a", "b"], [np.nan], [object()], (2, 3, 4))
    ),
    st.sampled_from(
        (
            RaisingDlpack(),
            RaisingNumber(),
            RaisingSequence(),
            Lying([1, 2]),
            Raising("shape"),
            Raising("dtype"),
            Raising("__dlpack__"),
            Raising("__array_interface__"),
            memoryview(b"abc"),
            bytearray(b"abc"),
            iter([1, 2]),
        )
    ),
)
odd_sizes = st.one_of(
    st.sampled_from(
        ((-1, 4), (4, -1), (0, 0), (4,), (), (4, 4, 4), (4.0, 4.0), ("4", "4"), 4, None, "44", (None, 4), (2**63, 0))
    ),
    st.tuples(st.sampled_from((0, 2, *HUGE[3:])), st.sampled_from((2**40, 2**62, 2**63, 2**64, 10**30, -1))),
    st.sampled_from((np.array([4, 4]), np.array([4.0, 4.0]), np.array([[4, 4]]), RaisingSequence(), Lying([4, 4]))),
)
odd_containers = st.sampled_from(
    (
        rapidmask.pack(np.zeros((0, 0, 0), bool)),
        rapidmask.pack(np.ones((2, 3, 70), bool)),
        rapidmask.pack(np.ones((1, 0, 5), bool)),
        rapidmask.rle_encode(np.zeros((0, 3, 4), bool)),
        rapidmask.rle_encode(np.eye(5, dtype=bool)[None]),
        rapidmask.rle_encode(np.ones((3, 5, 0), bool)),
        rapidmask.connected_components(np.eye(3, dtype=bool)),
    )
)
rubbish = st.one_of(
    odd_numbers,
    st.sampled_from(HUGE),
    odd_objects,
    st.sampled_from(ODD_ARRAYS),
    odd_containers,
    odd_sizes,
    masks(most=60),
    values(most=60),
)


@st.composite
def call(draw, arguments, options=None, *, hostile=True):
    """A call whose arguments are drawn, one or two of which may be replaced.

    Of the options, given as strategies, each is left out or drawn.
    """
    arguments = list(draw(arguments) if isinstance(arguments, st.SearchStrategy) else arguments)
    given = {}
    for name, strategy in (options or {}).items():
        if draw(st.booleans()):
            given[name] = draw(strategy)
    spoiled = hostile and draw(st.integers(0, 1)) == 0
    if spoiled:
        places = [*range(len(arguments)), *(options or {})]
        for place in draw(st.lists(st.sampled_from(places), min_size=1, max_size=2)) if places else ():
            if isinstance(place, int):
                arguments[place] = draw(rubbish)
            else:
                given[place] = draw(rubbish)
    return Call(tuple(arguments), given, not spoiled)


# The functions


@st.composite
def with_volumes(draw, options=None, *, more=(), spoil=True):
    """Masks and a connectivity of planes or of volumes."""
    if draw(st.integers(0, 3)) == 0:
        given = draw(masks(axes=3, batch=draw(st.integers(0, 1)), most=500))
        neighbours = st.sampled_from((6, 18, 26))
    else:
        given, neighbours = draw(masks()), connectivities
    first = tuple(draw(strategy) for strategy in more)
    drawn = draw(call((given, *first), options, hostile=spoil))
    if "connectivity" not in drawn.options and draw(st.booleans()):
        drawn.options["connectivity"] = draw(neighbours)
    return drawn


areas = st.sampled_from((0, 1, 2, 4, 9, 1000, 2**62, 2**63 - 1, 2**63, 10**30, -1, -(10**30), np.int32(3)))
counts = st.sampled_from((0, 1, 2, 3, 2**31, 2**63 - 1, 2**64, np.uint8(2)))


@st.composite
def morphological(draw):
    solid = draw(st.integers(0, 3)) == 0
    given = draw(masks(axes=3, batch=draw(st.integers(0, 1)), most=300) if solid else masks(most=800))
    options = {
        "iterations": st.sampled_from((0, 1, 1, 2, 3)),
        "border": st.sampled_from(("ignore", "zeros", "ones")),
    }
    return draw(call((given, draw(solid_footprints if solid else footprints)), options))


@st.composite
def pair_of_masks(draw, options):
    shape = draw(shapes(batch=1, most=600))
    a = draw(masks(shape=shape))
    b = draw(st.one_of(st.none(), masks(shape=(draw(st.integers(0, 3)), *shape[-2:]))))
    return draw(call((a, b), options(len(a), None if b is None else len(b))))


@st.composite
def ranked(draw, extra, options):
    """Masks with scores and, by name, labels."""
    shape = draw(shapes(batch=1, most=600))
    given = draw(masks(shape=shape))
    count = shape[0]
    more = {"labels": st.one_of(st.none(), integers_of(count)), **options}
    return draw(call((given, draw(vector(count)), *(draw(one) for one in extra(count))), more))


fractions_ = st.sampled_from((0, 0.3, 0.5, 1, np.float32(0.7)))
metrics = st.sampled_from(("iou", "ios", "iof"))
positive = st.sampled_from((0.5, 2.0, 1e-3, 1e300, np.inf, np.float32(1.5), 3))


@st.composite
def overlaps_given(draw):
    count = draw(st.integers(0, 6))
    found = np.random.default_rng(draw(seeds)).random((count, count))
    found = draw(laid_out(found.astype(draw(st.sampled_from(("float32", "float64"))))))
    options = {"labels": st.one_of(st.none(), integers_of(count))}
    return draw(call((found, draw(vector(count)), draw(fractions_)), options))


@st.composite
def matrix_nms(draw):
    drawn = draw(
        ranked(
            lambda count: (st.one_of(st.none(), integers_of(count)),),
            {"kernel": st.sampled_from(("gaussian", "linear")), "sigma": st.sampled_from((0.5, 2.0, 3))},
        )
    )
    drawn.options.pop("labels", None)
    return drawn


IMAGES = (
    "float32",
    "float64",
    "float16",
    "bfloat16",
    "uint8",
    "int16",
    "uint16",
    "int32",
    "int8",
    "uint32",
    "int64",
    "uint64",
    "bool",
)


@st.composite
def thresholded(draw):
    x = draw(values(axes=draw(st.integers(1, 2)), dtypes=IMAGES))
    shape = tuple(x.shape)
    others = [numbers]
    if len(shape) >= 2:
        others += [values(shape=shape[:-2], hostile=False), values(shape=shape[-2:], dtypes=("float32", "float64"))]
    options = {"op": ops, "output": outputs if len(shape) >= 2 else st.sampled_from(("bool", "uint8"))}
    return draw(call((x, draw(st.one_of(*others))), options))


@st.composite
def hysteresis(draw):
    x = draw(values(dtypes=IMAGES))
    low, high = sorted(draw(st.tuples(st.integers(-3, 3), st.integers(-3, 3))))
    return draw(call((x, low, high), {"connectivity": connectivities}))


windows = st.one_of(st.sampled_from((1, 3, 5, 15)), st.tuples(st.sampled_from((1, 3, 7)), st.sampled_from((1, 5))))
methods = st.sampled_from(("gaussian", "mean", "median"))
offsets = st.sampled_from((0, 0.5, -2, np.float32(1.5)))
LOCAL_IMAGES = ("uint8", "float32", "float64", "uint16", "int16", "float16")


def local_images(hostile=False):
    return values(dtypes=LOCAL_IMAGES, most=300, hostile=hostile)


@st.composite
def cleaned(draw):
    limits = st.sampled_from((0, 1, 3, 1e9, np.inf, 2.5))
    return draw(
        call(
            (draw(values(batch=draw(st.integers(0, 2)))),),
            {
                "threshold": st.sampled_from((0.0, 0.5, -1)),
                "max_hole_area": limits,
                "max_sprinkle_area": limits,
                "hole_value": st.sampled_from((None, 1.0, 10)),
                "sprinkle_value": st.sampled_from((None, -1.0, -10)),
                "connectivity": connectivities,
                "sprinkles_after_holes": st.booleans(),
                "keep_half": st.booleans(),
            },
        )
    )


@st.composite
def upsampled(draw):
    lead = draw(shapes(axes=0, most=4))
    logits = draw(values(shape=(*lead, draw(st.integers(1, 12)), draw(st.integers(1, 12)))))
    options = {
        "threshold": st.sampled_from((0.0, 0.5, -1)),
        "op": ops,
        "activation": st.sampled_from((None, "sigmoid")),
        "output": outputs,
        "return_stats": st.booleans(),
        "offset": st.sampled_from((1.0, 0, 0.25)),
    }
    drawn = draw(call((logits, draw(sizes)), options))
    if draw(st.integers(0, 3)) == 0:
        between = draw(st.tuples(st.integers(1, 20), st.integers(1, 20)))
        drawn.options["intermediate"] = between
        drawn.options["crop"] = tuple(draw(st.integers(1, extent)) for extent in between)
    return drawn


@st.composite
def prototypes(draw):
    k, n = draw(st.integers(1, 5)), draw(st.integers(0, 3))
    planes = draw(values(shape=(k, draw(st.integers(1, 10)), draw(st.integers(1, 10))), hostile=draw(st.booleans())))
    rng = np.random.default_rng(draw(seeds))
    coefficients = rng.normal(0, 1, (n, k)).astype("float32")
    options = {
        "threshold": st.sampled_from((0.0, 0.5, -1)),
        "op": ops,
        "output": outputs,
        "return_stats": st.booleans(),
        "crop": st.sampled_from(("after", "before")),
        "activation": st.sampled_from((None, "sigmoid")),
        "pre_upsample": st.sampled_from((1, 2, 4)),
    }
    return draw(call((planes, coefficients, draw(boxes(n)), draw(sizes)), options))


@st.composite
def pasted(draw):
    n = draw(st.integers(0, 3))
    probabilities = np.random.default_rng(draw(seeds)).random((n, draw(st.integers(1, 7)), draw(st.integers(1, 7))))
    given = draw(laid_out(probabilities.astype(np.float32)))
    options = {
        "threshold": st.sampled_from((0.5, 0.0, 1)),
        "op": ops,
        "output": outputs,
        "return_stats": st.booleans(),
        "method": st.sampled_from(("grid_sample", "interpolate")),
        "padding": st.integers(0, 3),
    }
    return draw(call((given, draw(boxes(n)), draw(sizes)), options))


@st.composite
def semantic(draw):
    logits = draw(values(axes=3, batch=draw(st.integers(0, 1)), most=600, dtypes=("float32", "float16", "bfloat16")))
    options = {
        "size": st.one_of(st.none(), st.tuples(st.integers(1, 20), st.integers(1, 20))),
        "dtype": st.sampled_from(("int32", "uint8", "int64", np.int16)),
        "ignore": st.sampled_from(((), 0, [0, 1])),
        "min_score": st.sampled_from((None, 0.5)),
        "void": st.sampled_from((None, 255, 0)),
    }
    return draw(call((logits,), options))


@st.composite
def semantic_queries(draw):
    q, c = draw(st.integers(1, 4)), draw(st.integers(2, 5))
    lead = draw(st.sampled_from(((), (1,), (2,))))
    dtype = draw(st.sampled_from(("float32", "float16")))
    classes = draw(values(shape=(*lead, q, c), dtypes=(dtype,), hostile=False))
    planes = draw(
        values(shape=(*lead, q, draw(st.integers(1, 9)), draw(st.integers(1, 9))), dtypes=(dtype,), hostile=False)
    )
    return draw(
        call((classes, planes), {"size": st.one_of(st.none(), st.tuples(st.integers(1, 20), st.integers(1, 20)))})
    )


@st.composite
def panoptic(draw):
    n = draw(st.integers(0, 4))
    planes = draw(values(shape=(n, draw(st.integers(1, 9)), draw(st.integers(1, 9))), dtypes=("float32",)))
    options = {
        "size": st.one_of(st.none(), st.tuples(st.integers(1, 20), st.integers(1, 20))),
        "activation": st.sampled_from((None, "sigmoid")),
        "activate": st.sampled_from(("before", "after")),
        "weight_by_score": st.booleans(),
        "mask_threshold": fractions_,
        "overlap_threshold": fractions_,
        "overlap_op": ops,
        "paint": st.sampled_from(("chosen", "inner")),
        "fuse": st.sampled_from(((), [0], {1, 2})),
        "numbering": st.sampled_from(("consecutive", "restarting", "by_label")),
        "void": st.sampled_from((0, -1, 255)),
        "first_id": st.sampled_from((1, 0, 1000)),
        "id_step": st.sampled_from((1000, 10)),
    }
    return draw(call((planes, draw(vector(n)), draw(integers_of(n))), options))


@st.composite
def instances(draw):
    shape = draw(shapes(batch=1, most=600))
    options = {
        "semantic": label_maps(shape=shape[1:]),
        "order": st.sampled_from(("score", "given")),
        "over": st.booleans(),
        "score_threshold": fractions_,
        "overlap_threshold": st.one_of(st.none(), fractions_),
        "min_stuff_area": st.sampled_from((0, 1, 4096)),
        "ignore": st.sampled_from(((0,), 0, (), [1, 2])),
        "void": st.sampled_from((0, -1, 255)),
        "first_id": st.sampled_from((1, 7)),
    }
    return draw(call((draw(masks(shape=shape)), draw(vector(shape[0])), draw(integers_of(shape[0]))), options))


@st.composite
def resolved(draw):
    shape = draw(shapes(batch=1, most=600))
    scores = draw(st.one_of(st.none(), vector(shape[0])))
    return draw(call((draw(masks(shape=shape)), scores), {"min_kept": fractions_}))


@st.composite
def competing(draw):
    shape = draw(shapes(axes=3, batch=0, most=600))
    options = {"background": st.sampled_from((-10.0, 0, 2)), "object_scores": st.one_of(st.none(), vector(shape[0]))}
    return draw(call((draw(values(shape=shape, dtypes=("float32", "float16"))),), options))


@st.composite
def compared(draw, more=()):
    shape = draw(shapes())
    classes = draw(st.integers(1, 6))
    a, b = (draw(label_maps(shape=shape, high=classes)) for _ in range(2))
    return draw(call((a, b, classes), {"ignore_index": st.one_of(st.none(), st.integers(-1, 5)), **dict(more)}))


@st.composite
def panoptic_qualities(draw):
    shape = draw(shapes(batch=0, most=300))
    a, b = (draw(label_maps(shape=shape, dtypes=("int32", "int64"), high=4)) for _ in range(2))

    def listed(labels):
        present = sorted({int(value) for value in np.asarray(labels).ravel()} - {0})
        categories = {value: draw(st.integers(1, 2)) for value in present}
        as_list = [{"id": i, "category_id": c} for i, c in categories.items()]
        return draw(st.sampled_from((categories, as_list)))

    return draw(call((a, listed(a), b, listed(b)), {"void": st.just(0)}))


@st.composite
def watersheds(draw):
    shape = draw(shapes(batch=draw(st.integers(0, 1)), most=600))
    image = draw(values(shape=shape, dtypes=("uint8", "float32", "int32", "float64"), hostile=False))
    markers = np.asarray(draw(label_maps(shape=shape, dtypes=("int32",))))
    markers = markers * (np.random.default_rng(draw(seeds)).random(shape) < 0.1)
    options = {
        "mask": st.one_of(st.none(), masks(shape=shape, forms=("bool", "uint8"))),
        "connectivity": connectivities,
    }
    return draw(call((image, markers.astype(np.int32)), options))


@st.composite
def distances(draw):
    volume = draw(st.booleans())
    given = draw(masks(axes=3 if volume else 2, batch=draw(st.integers(0, 1)), most=250))
    steps = st.sampled_from((0.5, 2, np.float32(1.5)))
    options = {
        "squared": st.booleans(),
        "spacing": st.one_of(st.none(), steps, st.tuples(*[steps] * (3 if volume else 2))),
    }
    drawn = draw(call((given,), options))
    drawn.options["volume"] = volume
    return drawn


@st.composite
def runs_of(draw, more=None):
    given = draw(masks(batch=1, forms=("rle",)))
    if draw(st.booleans()):
        given = given.to_coco(draw(st.sampled_from(("bytes", "str", "list"))))
    if isinstance(given, list) and draw(st.booleans()):
        given = [*given, draw(st.sampled_from(BROKEN_COCO))]
        return Call((given,), {}, False)
    return draw(call((given,), more))


BROKEN_COCO = [
    {"size": [2, 3], "counts": counts}
    for counts in (
        [6],
        [0, 6],
        [7],
        [-1, 7],
        [2.0, 4.0],
        [],
        "6",
        b"6",
        "0<",
        b"<",
        "",
        b"",
        "\u20ac",
        "P" * 50,
        None,
        5,
        [2**32, 6],
        [2**63],
        ["6"],
        [None],
    )
] + [
    {"size": size, "counts": [6]}
    for size in ([2], [], [2, 3, 4], [2.0, 3.0], "23", None, [-2, -3], [2**31, 2**31], [2**63, 2], [10**30, 1])
]
BROKEN_COCO += [{}, {"size": [2, 3]}, {"counts": [6]}, [], None, 3, "rle", {"size": [0, 0], "counts": [2**32 - 1]}]


@st.composite
def coco_lists(draw):
    found = draw(masks(batch=1, forms=("rle",))).to_coco(draw(st.sampled_from(("bytes", "str", "list"))))
    spoiled = draw(st.booleans())
    if spoiled:
        found = found + draw(st.lists(st.sampled_from(BROKEN_COCO), min_size=1, max_size=2))
    return Call((found,), {}, not spoiled)


@st.composite
def strings(draw):
    if draw(st.booleans()):
        runs = draw(st.lists(st.integers(0, 2**32 - 1), max_size=12))
        text = rapidmask.rle_to_string(runs)
        return Call((text if draw(st.booleans()) else text.decode(),), {}, True)
    text = draw(
        st.one_of(
            st.binary(max_size=20), st.text(max_size=20), st.text("0123456789:;<=>?@ABCabco", max_size=30), rubbish
        )
    )
    return Call((text,), {}, False)


@st.composite
def run_lists(draw):
    runs = draw(st.lists(st.integers(0, 2**32 - 1), max_size=12))
    kind = draw(st.sampled_from(("list", "uint32", "int64")))
    return draw(call((runs if kind == "list" else np.array(runs, kind),)))


@st.composite
def filled(draw):
    hostile = draw(st.booleans())
    drawn = draw(
        call(
            (draw(polygons(hostile=hostile)), draw(sizes)),
            {"rule": st.sampled_from(("coco", "opencv")), "output": outputs},
        )
    )
    return drawn._replace(valid=drawn.valid and not hostile)


@st.composite
def painted(draw, labels_alone=False):
    size = tuple(max(1, extent) for extent in draw(shapes(batch=0, most=400)))
    colour = st.sampled_from((None, (255, 0, 0), [[1, 2, 3], [4, 5, 6]]))
    if labels_alone:
        return draw(
            call(
                (draw(label_maps(shape=size)),),
                {"colors": colour, "background": st.sampled_from(((0, 0, 0), [9, 9, 9]))},
            )
        )
    image = draw(values(shape=draw(st.sampled_from((size, (*size, 3)))), dtypes=("uint8", "float32", "uint16", "bool")))
    given = draw(masks(shape=(2, *size)))
    return draw(
        call((image, given), {"colors": colour, "alpha": st.sampled_from((0.5, 0, 1)), "outline": st.booleans()})
    )


@st.composite
def cut_out(draw):
    size = draw(shapes(batch=0, most=400))
    image = draw(values(shape=draw(st.sampled_from((size, (*size, 3)))), dtypes=("uint8", "float32", "uint16", "bool")))
    return draw(call((image, draw(masks(shape=size, forms=("bool", "uint8")))), {"fill": st.sampled_from((0, 1))}))


@st.composite
def bits(draw):
    """What `PackedMasks` is made of."""
    made = draw(masks(batch=1, forms=("packed",)))
    data = np.asarray(made.data).copy()
    if draw(st.integers(0, 3)) == 0:
        data = np.random.default_rng(draw(seeds)).integers(0, 256, data.shape, np.uint8)  # past the width, too
        return Call((data, made.size), {}, False)
    return draw(call((draw(laid_out(data)), made.size)))


@st.composite
def runs(draw):
    """What `RLEMasks` is made of."""
    made = draw(masks(batch=1, forms=("rle",)))
    counts, offsets = np.asarray(made.counts).copy(), np.asarray(made.offsets).copy()
    if draw(st.booleans()):
        rng = np.random.default_rng(draw(seeds))
        which = draw(st.sampled_from(("counts", "offsets", "huge", "both")))
        if which in ("counts", "both"):
            counts = rng.choice([0, 1, 2, 2**31, 2**32 - 1], counts.shape).astype(np.uint32)
        if which in ("offsets", "both"):
            offsets = rng.choice([0, 1, -1, 2**62, -(2**63), len(counts), 2**63 - 1], offsets.shape)
        if which == "huge":
            return Call((counts, offsets, draw(odd_sizes)), {}, False)
        return Call((counts, offsets, made.size), {}, False)
    return draw(call((counts, offsets, made.size)))


@st.composite
def evaluated(draw):
    """What `ConfusionMatrix` is made of."""
    return draw(call((draw(st.integers(1, 9)),), {"ignore_index": st.one_of(st.none(), st.integers(-5, 9))}))


VALUES_OF = values(dtypes=IMAGES, most=800)
CALLS = {
    **{
        name: st.integers(1, 9).flatmap(lambda n: call((n,))) for name in ("square", "cross", "disk", "diamond", "ball")
    },
    **{name: st.tuples(st.integers(1, 9), st.integers(1, 9)).flatmap(call) for name in ("rectangle", "ellipse")},
    **{
        name: morphological()
        for name in ("dilate", "erode", "opening", "closing", "gradient", "white_tophat", "black_tophat")
    },
    **{name: with_volumes() for name in ("component_areas", "connected_components", "fill_holes", "clear_border")},
    **{
        name: masks().flatmap(lambda given: call((given,)))
        for name in ("pack", "rle_encode", "mask_areas", "mask_centroids")
    },
    **{
        f"threshold_{name}": values(dtypes=IMAGES, most=500, hostile=False).flatmap(lambda x: call((x,)))
        for name in ("otsu", "li", "yen", "isodata", "triangle", "mean", "minimum")
    },
    "ConfusionMatrix": evaluated(),
    "PackedMasks": bits(),
    "PanopticQuality": st.sampled_from(([1, 2], {1: True, 2: False}, ())).flatmap(
        lambda c: call((c,), {"void": st.just(0)})
    ),
    "RLEMasks": runs(),
    "RLEMasks.from_coco": coco_lists(),
    "adaptive_threshold": local_images().flatmap(
        lambda x: windows.flatmap(
            lambda w: call((x, w), {"method": methods, "offset": offsets, "op": ops, "output": outputs})
        )
    ),
    "apply_mask": cut_out(),
    "boundary": masks().flatmap(lambda given: call((given,), {"width": st.integers(0, 3)})),
    "boundary_iou": pair_of_masks(lambda n, m: {"dilation_ratio": st.sampled_from((0.02, 0, 0.5, 1e9))}),
    "clean_scores": cleaned(),
    "colorize_labels": painted(labels_alone=True),
    "confusion_matrix": compared({"out_of_range": st.sampled_from(("raise", "skip"))}),
    "decode_prototypes": prototypes(),
    "dice": compared(),
    "distance_transform": distances(),
    "hysteresis_threshold": hysteresis(),
    "instance_merge": instances(),
    "keep_largest": with_volumes(more=(counts,)),
    "label": with_volumes({"return_count": st.booleans()}),
    "mask_iou": pair_of_masks(
        lambda n, m: {
            "metric": metrics,
            "iscrowd": st.lists(st.booleans(), min_size=(n if m is None else m), max_size=(n if m is None else m)),
        }
    ),
    "mask_nmm": ranked(lambda n: (fractions_,), {"metric": metrics}),
    "mask_nms": ranked(lambda n: (fractions_,), {"metric": metrics}),
    "masks_to_boxes": masks().flatmap(
        lambda given: call((given,), {"inclusive": st.booleans(), "format": st.sampled_from(("xyxy", "xywh"))})
    ),
    "masks_to_polygons": masks(most=600).flatmap(
        lambda given: call((given,), {"mode": st.sampled_from(("external", "tree")), "simplify": st.booleans()})
    ),
    "matrix_nms": matrix_nms(),
    "mean_iou": compared(),
    "nms_from_iou": overlaps_given(),
    "non_overlapping": competing(),
    "overlay": painted(),
    "panoptic_merge": panoptic(),
    "panoptic_quality": panoptic_qualities(),
    "paste_masks": pasted(),
    "patch": call(("scipy",), {"force": st.just(False)}),
    "polygons_to_masks": filled(),
    "remove_small_holes": with_volumes({"border_is_hole": st.booleans()}, more=(areas,)),
    "remove_small_objects": with_volumes(more=(areas,)),
    "remove_small_regions": with_volumes(more=(areas,)),
    "resolve_overlaps": resolved(),
    "rle_decode": runs_of({"output": outputs}),
    "rle_encode_labels": label_maps().flatmap(lambda labels: call((labels,))),
    "rle_from_string": strings(),
    "rle_merge": runs_of({"intersect": st.booleans()}),
    "rle_to_string": run_lists(),
    "semantic_argmax": semantic(),
    "semantic_from_queries": semantic_queries(),
    "set_isa": st.sampled_from(rapidmask.isa_levels()).flatmap(lambda name: call((name,))),
    "set_num_threads": st.sampled_from((1, 2)).flatmap(lambda count: call((count,))),
    "soft_nms": ranked(
        lambda n: (),
        {
            "method": st.sampled_from(("gaussian", "linear")),
            "sigma": st.sampled_from((0.5, 1, 2.5)),
            "iou_threshold": fractions_,
            "score_threshold": fractions_,
            "metric": metrics,
        },
    ),
    "stability_score": values().flatmap(
        lambda x: call((x,), {"threshold": offsets, "offset": st.sampled_from((1.0, 0, 0.25))})
    ),
    "threshold": thresholded(),
    "threshold_local": local_images().flatmap(
        lambda x: windows.flatmap(lambda w: call((x, w), {"method": methods, "offset": offsets}))
    ),
    "threshold_multiotsu": values(dtypes=("uint8", "float32"), most=300, hostile=False).flatmap(
        lambda x: call((x,), {"classes": st.integers(2, 4)})
    ),
    "threshold_niblack": local_images().flatmap(lambda x: call((x,), {"window_size": windows, "k": offsets})),
    "threshold_sauvola": local_images().flatmap(
        lambda x: call((x,), {"window_size": windows, "k": offsets, "r": st.sampled_from((None, 1.0, 128))})
    ),
    "unpack": masks(batch=1, forms=("packed",)).flatmap(
        lambda given: call((given,), {"dtype": st.sampled_from((bool, np.uint8, "bool", "uint8"))})
    ),
    "unpatch": call(("scipy",)),
    "upsample_masks": upsampled(),
    "watershed": watersheds(),
}
