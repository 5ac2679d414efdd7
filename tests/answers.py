"""What a call of a public function must give, by the literal definitions: `ANSWERS` maps names to checks of a result.

A check is given the result and the call's arguments, and raises AssertionError. It is asked only about results: calls
may be refused. Functions that are not here have laws alone, in `test_hostile.py`.
"""

import itertools
import operator

import numpy as np

import rapidmask
from reference import (
    components,
    confusion,
    distance,
    morphology,
    overlap,
    paste,
    polygon,
    prototypes,
    rle,
    semantic,
    threshold,
    upsample,
    watershed,
)

equal = np.testing.assert_array_equal


def host(values):
    """Anything numeric as a contiguous NumPy array in native byte order; bfloat16 as float32."""
    if hasattr(values, "detach"):
        values = values.detach()
        values = values.float() if str(values.dtype) == "torch.bfloat16" else values
        return np.array(values.resolve_conj().resolve_neg().numpy(), order="C")
    array = np.asarray(values)
    return np.array(array.astype(array.dtype.newbyteorder("=")), order="C", subok=False)


def pixels(masks):
    """Masks in any form as booleans, dense ones in their shape, by the definition of the form."""
    if isinstance(masks, rapidmask.PackedMasks):
        bits = np.unpackbits(host(masks.data), axis=-1, bitorder="little")
        assert not bits[..., masks.size[1] :].any(), "bits are set past the width"
        return bits[..., : masks.size[1]].astype(bool)
    if isinstance(masks, rapidmask.RLEMasks):
        counts, offsets = host(masks.counts), host(masks.offsets)
        assert (offsets[0], offsets[-1]) == (0, len(counts))
        runs = [counts[i:j] for i, j in itertools.pairwise(offsets)]
        assert all((one[1:] > 0).all() for one in runs), "the runs are not canonical"
        return np.array([rle.mask(one, masks.size) for one in runs], bool).reshape(len(runs), *masks.size)
    return host(masks) != 0


def each(masks, axes=2):
    """The masks (N, H, W), or volumes (N, D, H, W), of any form."""
    dense = pixels(masks)
    count = int(np.prod(dense.shape[: dense.ndim - axes]))
    return dense.reshape(count, *dense.shape[dense.ndim - axes :])


def axes_of(connectivity):
    return 2 if connectivity in (4, 8) else 3


def same_form(result, given):
    assert type(result) is (np.ndarray if isinstance(given, np.ndarray) else type(given))
    if not isinstance(given, (rapidmask.PackedMasks, rapidmask.RLEMasks)):
        assert result.shape == given.shape
        assert str(result.dtype) == str(given.dtype)
        assert (host(result).view(np.uint8) <= 1).all()


def filtered(name, *more):
    """A check of a function from masks to masks, one by one, with a connectivity."""

    def check(result, masks, *arguments, connectivity=8, **options):
        axes = axes_of(connectivity)
        arguments = [operator.index(argument) for argument in arguments]
        expected = [getattr(components, name)(one, *arguments, connectivity, **options) for one in each(masks, axes)]
        equal(each(result, axes), np.array(expected, bool).reshape(each(masks, axes).shape))
        same_form(result, masks)

    return check


def moved(name):
    def check(result, masks, footprint, iterations=1, border="ignore"):
        footprint = host(footprint)
        axes = footprint.ndim
        # More steps than the image is long change nothing more where the footprint holds its centre.
        steps = min(int(iterations), 400)
        given = each(masks, axes)
        expected = [morphology.morphology(name, one, footprint, steps, border) for one in given]
        equal(each(result, axes), np.array(expected, bool).reshape(given.shape))
        same_form(result, masks)

    return check


def boundary(result, masks, width=1):
    square = np.ones((3, 3), bool)
    for found, mask in zip(each(result), each(masks), strict=True):
        eroded = morphology.repeat(morphology.erode, mask, square, min(int(width), 300), "ignore")
        equal(found, mask & ~eroded)
    same_form(result, masks)


def label(result, masks, connectivity=8, multilabel=False, return_count=False):
    axes = axes_of(connectivity)
    counts = None
    if return_count:
        result, counts = result
    if multilabel and not isinstance(masks, (rapidmask.PackedMasks, rapidmask.RLEMasks)):
        values = host(masks)
        given = values.reshape(-1, *values.shape[values.ndim - axes :]) if values.size else values
        expected = [components.label_values(one, connectivity) for one in given] if values.size else []
    else:
        expected = [components.label(one, connectivity) for one in each(masks, axes)]
    found = host(result)
    assert found.dtype == np.int32
    equal(found.ravel(), np.array(expected, np.int32).ravel())
    if counts is not None and found.size:
        equal(np.ravel(host(counts)), [one.max(initial=0) for one in expected])


def connected(result, masks, connectivity=8, labels=True):
    axes = axes_of(connectivity)
    maps = [components.label(one, connectivity) for one in each(masks, axes)]
    if labels:
        equal(host(result.labels).ravel(), np.array(maps, np.int32).ravel())
    measured = [components.measures(one) for one in maps]
    equal(host(result.offsets), np.cumsum([0, *(len(areas) for areas, _, _ in measured)]))
    for name, k in (("areas", 0), ("boxes", 1)):
        found = host(getattr(result, name))
        equal(found, np.concatenate([m[k] for m in measured]) if measured else found[:0])
    centroids = host(result.centroids)
    np.testing.assert_allclose(
        centroids, np.concatenate([m[2] for m in measured]) if measured else centroids, atol=1e-9
    )


def areas_of_components(result, masks, connectivity=8):
    axes = axes_of(connectivity)
    expected = [components.component_areas(one, connectivity) for one in each(masks, axes)]
    equal(host(result).ravel(), np.array(expected, np.int32).ravel())


def hysteresis(result, x, low, high, connectivity=8):
    if np.ndim(host(low)) or np.ndim(host(high)):
        return  # one for each image, or surfaces
    x, axes = host(x), axes_of(connectivity)
    apart = (int(np.prod(x.shape[: x.ndim - axes])), *x.shape[x.ndim - axes :])

    def limits(limit):
        limit = np.asarray(host(limit), object)
        image = (*limit.shape, 1, 1) if x.ndim > 2 and limit.shape == x.shape[:-2] else limit.shape
        return np.broadcast_to(limit.reshape(image), x.shape).reshape(apart)

    given = zip(x.reshape(apart).astype(object), limits(low), limits(high), strict=True)
    with np.errstate(invalid="ignore"):  # of NaN, which is above nothing
        expected = [threshold.hysteresis(*one, connectivity) for one in given]
    equal(host(result).ravel(), np.array(expected, bool).ravel())


def thresholded(result, x, value=0.0, op=">", output="bool"):
    x = host(x)
    value = np.asarray(host(value))
    if value.dtype.kind == "f" and value.dtype != np.float64:
        value = value.astype(np.float64)
    lead = x.shape[:-2]
    if x.ndim > 2 and value.shape == lead:
        value = value.reshape(*lead, 1, 1)
    if value.ndim == 0 and x.dtype.kind == "f" and type(value.item()) is float:
        with np.errstate(over="ignore", under="ignore"):
            value = x.dtype.type(value).astype(float)  # a number is compared as one of the array's type
    equal(pixels(result).reshape(x.shape), threshold.threshold(x, value, op))


def encoded(result, masks):
    given = each(masks)
    counts, offsets = host(result.counts), host(result.offsets)
    assert (counts.dtype, offsets.dtype) == (np.uint32, np.int64)
    assert len(offsets) == len(given) + 1
    for mask, i, j in zip(given, offsets[:-1], offsets[1:], strict=True):
        assert counts[i:j].tolist() == rle.counts(mask)


def runs_of(given):
    return given if isinstance(given, rapidmask.RLEMasks) else rapidmask.RLEMasks.from_coco(given)


def merged(result, given, intersect=False):
    masks = each(runs_of(given))
    if len(masks):
        equal(each(result)[0], masks.all(0) if intersect else masks.any(0))


def read_string(result, text):
    again = rapidmask.rle_to_string(result)
    assert rapidmask.rle_from_string(again).tolist() == result.tolist()


def overlaps(result, a, b=None, metric="iou", iscrowd=None):
    first = each(a)
    crowds = None if iscrowd is None else [bool(flag) for flag in np.ravel(host(iscrowd)).tolist()]
    expected = overlap.matrix(first, None if b is None else each(b), metric, crowds)
    equal(host(result), expected)


def numbers(values):
    return np.asarray(host(values), np.float64).tolist()


def integers(values):
    return None if values is None else np.asarray(host(values)).astype(np.int64).tolist()


def mask_nms(result, masks, scores, limit, labels=None, metric="iou"):
    table = overlap.matrix(each(masks), metric=metric)
    equal(host(result), overlap.nms(table, numbers(scores), float(limit), integers(labels)))


def nms_from_iou(result, iou, scores, limit, labels=None):
    equal(host(result), overlap.nms(host(iou).astype(np.float64), numbers(scores), float(limit), integers(labels)))


def mask_nmm(result, masks, scores, limit, labels=None, metric="iou"):
    expected = overlap.nmm(each(masks), numbers(scores), float(limit), integers(labels), metric)
    assert [host(group).tolist() for group in result] == expected


def soft_nms(result, masks, scores, labels=None, **options):
    given = {"method": "gaussian", "sigma": 0.5, "iou_threshold": 0.3, "score_threshold": 0.001, "metric": "iou"}
    given |= options
    table = overlap.matrix(each(masks), metric=given.pop("metric"))
    if np.isinf(numbers(scores)).any():
        return  # infinite scores decay to what the order of the steps makes of them
    limits = (given["method"], float(given["sigma"]), float(given["iou_threshold"]), float(given["score_threshold"]))
    kept, decayed = overlap.soft_nms(table, numbers(scores), integers(labels), *limits)
    equal(host(result[0]), kept)
    np.testing.assert_allclose(host(result[1]), decayed, rtol=1e-13, atol=0)


def areas(result, masks):
    equal(np.ravel(host(result)), each(masks).sum((1, 2)))


def boxes(result, masks, inclusive=False, format="xyxy"):
    expected = rle.boxes(each(masks))
    if format == "xywh":
        expected[:, 2:] -= expected[:, :2]
    elif inclusive:
        expected[:, 2:] -= np.minimum(expected[:, 2:], 1)
    equal(host(result).reshape(-1, 4), expected)


def centroids(result, masks):
    for found, mask in zip(host(result).reshape(-1, 2), each(masks), strict=True):
        if mask.any():
            np.testing.assert_allclose(found, np.argwhere(mask).mean(0), atol=1e-9)
        else:
            assert np.isnan(found).all()


def distances(result, masks, squared=False, volume=False, spacing=None):
    axes = 3 if volume else 2
    steps = (1.0,) * axes if spacing is None else tuple(np.broadcast_to(spacing, axes).astype(float).tolist())
    given = each(masks, axes)
    if not all(np.isfinite(steps)) or min(steps) <= 0:
        return
    expected = distance.distance_transform(given, steps, squared)
    np.testing.assert_allclose(host(result).reshape(given.shape), expected, rtol=1e-6)


def stages(options):
    return {name: options.get(name) for name in ("intermediate", "crop", "activation")}


def statistics_equal(found, expected):
    for name, one in zip(("areas", "boxes", "stability"), expected, strict=True):
        equal(np.ravel(host(getattr(found, name))), np.ravel(one), err_msg=name)


def upsampled(result, logits, size, threshold=0.0, op=">", output="bool", return_stats=False, offset=1.0, **options):
    if 0 in size or 0 in (options.get("crop") or ()):
        return
    x = host(logits)
    values = upsample.values(x.reshape(int(np.prod(x.shape[:-2])), *x.shape[-2:]), tuple(size), **stages(options))
    masks, found = result if return_stats else (result, None)
    equal(each(masks), upsample.compare(values, threshold, op))
    if found is not None:
        statistics_equal(found, upsample.statistics(values, threshold, op, offset))


def decoded(result, planes, coefficients, boxes, size, threshold=0.0, op=">", output="bool", **options):
    planes, coefficients, boxes = host(planes), host(coefficients), host(boxes)
    with np.errstate(all="ignore"):
        boxes = boxes.astype(np.float32)
    geometry = {name: options[name] for name in ("crop", "letterbox", "pre_upsample", "activation") if name in options}
    if options.get("batch_index") is not None or planes.ndim != 3 or not len(coefficients) or 0 in size:
        return
    values, kept = prototypes.values(planes, coefficients, boxes, tuple(size), **geometry)
    masks, found = result if options.get("return_stats") else (result, None)
    equal(each(masks), upsample.compare(values, threshold, op) & kept)
    if found is not None:
        statistics_equal(found, prototypes.statistics(values, kept, threshold, op, options.get("offset", 1.0)))


def pasted(result, masks, boxes, size, output="bool", return_stats=False, **options):
    with np.errstate(all="ignore"):
        boxes = host(boxes).astype(np.float32)
    options["threshold"] = np.float32(options.get("threshold", 0.5))
    expected = paste.paste_masks(host(masks), boxes, tuple(size), **options)
    found, measured = result if return_stats else (result, None)
    equal(each(found), expected)
    if measured is not None:
        equal(host(measured.areas), expected.sum((1, 2)))
        equal(host(measured.boxes), rle.boxes(expected))


def classes(
    result, logits, size=None, dtype="int32", ignore=(), min_score=None, void=None, intermediate=None, crop=None
):
    if intermediate is not None or crop is not None:
        return
    x = host(logits).astype(np.float32)
    ignored = {int(c) for c in np.ravel(host(ignore)).tolist()}
    name = dtype if isinstance(dtype, str) else np.dtype(dtype).name
    flat = x.reshape(int(np.prod(x.shape[:-3])), *x.shape[-3:])
    options = {"dtype": name, "ignore": ignored, "min_score": min_score, "void": void}
    expected = semantic.semantic_argmax(flat, None if size is None else tuple(size), **options)
    equal(host(result).ravel(), np.asarray(expected).ravel())


def filled(result, rings, size, rule="coco", output="bool"):
    draw = {"coco": polygon.coco, "opencv": polygon.opencv}[rule]
    for found, of_mask in zip(each(result), rings, strict=True):
        if hasattr(of_mask, "ndim"):  # one ring, or rings of as many vertices
            of_mask = host(of_mask)
            of_mask = list(of_mask) if of_mask.ndim == 3 else [of_mask]
        equal(found, draw([host(ring) for ring in of_mask], tuple(size)))


def traced(result, masks, mode="external", simplify=True):
    for found, mask in zip(result, each(masks), strict=True):
        borders, hierarchy = polygon.polygons(mask, mode, simplify)
        points = found if mode == "external" else found.polygons
        assert [one.tolist() for one in points] == [one.tolist() for one in borders]
        if mode == "tree":
            equal(found.hierarchy.reshape(-1, 4), hierarchy)


def counted(result, prediction, target, number, ignore_index=None, out_of_range="raise"):
    expected, invalid = confusion.confusion_matrix(host(prediction), host(target), int(number), ignore_index)
    assert out_of_range == "skip" or not invalid
    equal(host(result), expected)


def dice(result, prediction, target, number=2, ignore_index=None):
    matrix, _ = confusion.confusion_matrix(host(prediction), host(target), int(number), ignore_index)
    whole = matrix.sum(0) + matrix.sum(1)
    expected = [2 * matrix[c, c] / whole[c] if whole[c] else np.nan for c in range(len(matrix))]
    np.testing.assert_allclose(result, expected, rtol=1e-15)


def mean_iou(result, prediction, target, number, ignore_index=None):
    found = confusion.iou(confusion.confusion_matrix(host(prediction), host(target), int(number), ignore_index)[0])
    found = found[~np.isnan(found)]
    np.testing.assert_allclose(result, found.mean() if found.size else np.nan, rtol=1e-14)


def flooded(result, image, markers, mask=None, connectivity=8):
    image, markers = host(image), host(markers)
    axes = axes_of(connectivity)
    where = [None] * 10**4 if mask is None else each(mask, axes)
    images, maps = (
        x.reshape(int(np.prod(x.shape[: x.ndim - axes])), *x.shape[x.ndim - axes :]) for x in (image, markers)
    )
    found = host(result).reshape(images.shape)
    for one, its_markers, its_mask, labels in zip(images, maps, where, found, strict=False):
        equal(labels, watershed.watershed(one, its_markers, connectivity, its_mask))


def labels_encoded(result, labels):
    given = host(labels)
    maps = given.reshape(int(np.prod(given.shape[:-2])), *given.shape[-2:])
    masks, values, indices = rle.labels(maps)
    equal(each(result[0]), masks)
    assert host(result[1]).tolist() == values
    if given.ndim > 2:
        assert host(result[2]).tolist() == indices


def cleaned(result, scores, **given):
    options = {"threshold": 0.0, "max_hole_area": 0, "max_sprinkle_area": 0, "hole_value": None, "sprinkle_value": None}
    options |= {"connectivity": 8, "sprinkles_after_holes": True, "keep_half": True} | given
    level = float(options["threshold"])
    for name, value in (("hole_value", level + 0.1), ("sprinkle_value", level - 0.1)):
        options[name] = value if options[name] is None else options[name]
    x, found = host(scores), host(result)
    for one, cleared in (
        zip(x.reshape(-1, *x.shape[-2:]), found.reshape(-1, *x.shape[-2:]), strict=True) if x.size else ()
    ):
        if str(getattr(scores, "dtype", "")) in ("torch.bfloat16", "float16", "torch.float16"):
            return  # the values written are rounded, which the definition leaves out
        with np.errstate(all="ignore"):
            equal(cleared, components.clean_scores(one, **options))


ANSWERS = {
    **{
        name: moved(name)
        for name in ("dilate", "erode", "opening", "closing", "gradient", "white_tophat", "black_tophat")
    },
    **{
        name: filtered(name)
        for name in ("fill_holes", "clear_border", "remove_small_objects", "remove_small_holes", "keep_largest")
    },
    "boundary": boundary,
    "clean_scores": cleaned,
    "component_areas": areas_of_components,
    "confusion_matrix": counted,
    "connected_components": connected,
    "decode_prototypes": decoded,
    "dice": dice,
    "distance_transform": distances,
    "hysteresis_threshold": hysteresis,
    "label": label,
    "mask_areas": areas,
    "mask_centroids": centroids,
    "mask_iou": overlaps,
    "mask_nmm": mask_nmm,
    "mask_nms": mask_nms,
    "masks_to_boxes": boxes,
    "masks_to_polygons": traced,
    "mean_iou": mean_iou,
    "nms_from_iou": nms_from_iou,
    "pack": lambda result, masks: equal(each(result), each(masks)),
    "paste_masks": pasted,
    "polygons_to_masks": filled,
    "rle_encode": encoded,
    "rle_encode_labels": labels_encoded,
    "rle_from_string": read_string,
    "rle_merge": merged,
    "semantic_argmax": classes,
    "soft_nms": soft_nms,
    "threshold": thresholded,
    "unpack": lambda result, packed, dtype=bool: equal(host(result), pixels(packed)),
    "upsample_masks": upsampled,
    "watershed": flooded,
}
ANSWERS["rle_decode"] = lambda result, given, output="bool", crop=None: (
    equal(each(result), each(runs_of(given))) if crop is None else None
)
ANSWERS["keep_largest"] = lambda result, masks, k=1, connectivity=8: filtered("keep_largest")(
    result, masks, min(int(k), 2**62), connectivity=connectivity
)
