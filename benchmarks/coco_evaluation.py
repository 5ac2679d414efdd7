"""COCO's evaluation of masks with and without `rapidmask.patch("pycocotools")`, on a synthetic set.

Prints the twelve numbers, which must agree, the time that the evaluation takes, and the part of it that is spent in
the functions of ``pycocotools.mask``, under the patch with what works out their results beforehand:

    python benchmarks/coco_evaluation.py [--images 2000] [--instances 10]
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import io
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pycocotools.mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

import rapidmask
from rapidmask.compat import _coco_evaluation

_SIZE = (480, 640)
_CATEGORIES = 80
_CATEGORIES_OF_IMAGE = 3
_DETECTIONS_OF_INSTANCE = 5  # a detector gives many for each object, most of low scores
_FUNCTIONS = ("area", "decode", "encode", "frPyObjects", "iou", "merge", "toBbox")
_BEFOREHAND = ("compared", "encode_polygons", "foresee_overlaps", "measure_results")  # of the drop-in, for many masks


def outline(rng: np.random.Generator) -> np.ndarray:
    """A smooth closed curve of 40 vertices somewhere in the picture."""
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    waves = 1 + sum(rng.uniform(-0.15, 0.15) * np.cos(k * angles + rng.uniform(0, 6)) for k in (2, 3, 5))
    radius = rng.uniform(15, 90) * waves
    center = rng.uniform((60, 60), (_SIZE[1] - 60, _SIZE[0] - 60))
    points = center + np.stack([radius * np.cos(angles), radius * np.sin(angles)], axis=1)
    return points.clip(0, (_SIZE[1] - 1, _SIZE[0] - 1)).round(2)


def synthetic(images: int, instances: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Annotations of polygons, one in 50 a crowd of run lengths, and detections near most of them."""
    rng = np.random.default_rng(0)
    h, w = _SIZE
    annotations: list[dict[str, Any]] = []
    detections: list[dict[str, Any]] = []
    for image in range(1, images + 1):
        categories = rng.choice(_CATEGORIES, _CATEGORIES_OF_IMAGE, replace=False) + 1
        for _ in range(instances):
            points = outline(rng)
            rle = pycocotools.mask.frPyObjects([points.ravel().tolist()], h, w)[0]
            crowd = rng.random() < 0.02
            runs = rapidmask.rle_from_string(rle["counts"]).tolist()
            common = {"image_id": image, "category_id": int(rng.choice(categories))}
            annotations.append(
                common
                | {
                    "id": len(annotations) + 1,
                    "iscrowd": int(crowd),
                    "area": float(pycocotools.mask.area(rle)),
                    "bbox": pycocotools.mask.toBbox(rle).tolist(),
                    "segmentation": {"size": [h, w], "counts": runs} if crowd else [points.ravel().tolist()],
                }
            )
            for _ in range(_DETECTIONS_OF_INSTANCE):
                moved = points + rng.normal(0, 1, 2) * rng.uniform(0, 20) + rng.normal(0, 1.5, points.shape)
                found = pycocotools.mask.frPyObjects([moved.ravel().tolist()], h, w)[0]
                segmentation = {"size": [h, w], "counts": found["counts"].decode()}
                detections.append(common | {"segmentation": segmentation, "score": float(rng.random())})
    dataset = {
        "info": {},
        "images": [{"id": i, "height": h, "width": w} for i in range(1, images + 1)],
        "categories": [{"id": i, "name": str(i)} for i in range(1, _CATEGORIES + 1)],
        "annotations": annotations,
    }
    return dataset, detections


@contextlib.contextmanager
def timed_functions() -> Iterator[dict[str, float]]:
    """Within, what the functions of pycocotools.mask take, and what foresees their results, is summed by name."""
    places = dict.fromkeys(_FUNCTIONS, pycocotools.mask) | dict.fromkeys(_BEFOREHAND, _coco_evaluation)
    originals = {name: getattr(module, name) for name, module in places.items()}
    seconds = dict.fromkeys(places, 0.0)

    def timed(name: str) -> Any:
        def call(*arguments: Any) -> Any:
            start = time.perf_counter()
            result = originals[name](*arguments)
            seconds[name] += time.perf_counter() - start
            return result

        return call

    for name, module in places.items():
        setattr(module, name, timed(name))
    try:
        yield seconds
    finally:
        for name, module in places.items():
            setattr(module, name, originals[name])


def evaluate(dataset: dict[str, Any], detections: list[dict[str, Any]]) -> tuple[np.ndarray, float, dict[str, float]]:
    """Return the twelve numbers, the seconds, and those of the masks' functions."""
    with contextlib.redirect_stdout(io.StringIO()), timed_functions() as seconds:
        start = time.perf_counter()
        truth = COCO()
        truth.dataset = copy.deepcopy(dataset)  # the evaluation replaces segmentations
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes([dict(detection) for detection in detections]), "segm")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
        return evaluation.stats, time.perf_counter() - start, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--instances", type=int, default=10, help="in each image")
    options = parser.parse_args()
    dataset, detections = synthetic(options.images, options.instances)
    print(f"{options.images} images, {len(dataset['annotations'])} instances, {len(detections)} detections")
    upstream, upstream_s, upstream_masks = evaluate(dataset, detections)
    with rapidmask.patch("pycocotools"):
        ours, ours_s, our_masks = evaluate(dataset, detections)
    np.testing.assert_array_equal(ours, upstream)
    print("the twelve numbers agree:", " ".join(f"{x:.4f}" for x in ours))
    for name in our_masks:
        if upstream_masks[name] or our_masks[name]:
            print(f"  {name}: {upstream_masks[name]:.3f} s, patched {our_masks[name]:.3f} s")
    before, after = sum(upstream_masks.values()), sum(our_masks.values())
    print(f"masks: {before:.3f} s, patched {after:.3f} s, {before / after:.1f}×")
    print(f"the whole evaluation: {upstream_s:.2f} s, patched {ours_s:.2f} s, {upstream_s / ours_s:.2f}×")


if __name__ == "__main__":
    main()
