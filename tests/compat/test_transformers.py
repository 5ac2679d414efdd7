"""`rapidmask.compat.transformers` against transformers' image processors: segments and class maps."""

import decimal
import logging
import types

import numpy as np
import pytest

import rapidmask
from inputs import refuses

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from compat.transformers_models import (  # noqa: E402
    DROP_INS,
    assert_same,
    module_of,
    one_thread,  # noqa: F401
    outputs,
    pair,
)
from rapidmask.compat import transformers as ours  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
    pytest.mark.usefixtures("one_thread"),
]


def owners(*models):
    """The processors of models, with torchvision and with Pillow."""
    return [
        f"{stem}.image_processing_{form}{stem}:{name}ImageProcessor{suffix}"
        for stem, name in models
        for form, suffix in (("", ""), ("pil_", "Pil"))
    ]


MASKFORMERS = owners(("maskformer", "MaskFormer"), ("mask2former", "Mask2Former"))
ONEFORMERS = owners(("oneformer", "OneFormer"))
DETRS = owners(("detr", "Detr"), ("conditional_detr", "ConditionalDetr"))
EOMTS = owners(("eomt", "Eomt"))
VIDEOMT = "videomt.video_processing_videomt:VideomtVideoProcessor"
OF_LOGITS = [
    *owners(("segformer", "Segformer"), ("beit", "Beit"), ("dpt", "DPT"), ("mobilevit", "MobileViT")),
    *owners(("mobilenet_v2", "MobileNetV2")),
    "chmv2.image_processing_chmv2:CHMv2ImageProcessor",
    "sapiens2.image_processing_sapiens2:Sapiens2ImageProcessor",
]
SIZES = [[(100, 155), (67, 33)], [(24, 27), (31, 300)], [(24, 28), (24, 27)]]
SHRINKING = [[(7, 200), (1, 1)], [(11, 9), (200, 13)]]
SQUARE = {"shortest_edge": 48, "longest_edge": None}
LONG = {"shortest_edge": 40, "longest_edge": 64}


@pytest.mark.parametrize("owner", OF_LOGITS)
def test_class_maps_of_logits(owner):
    upstream, drop_in = pair(owner, "post_process_semantic_segmentation")
    for sizes in (None, *SIZES, *SHRINKING):
        for noisy in (False, True):
            given = types.SimpleNamespace(logits=outputs(noisy=noisy).masks_queries_logits)
            assert_same(drop_in(given, sizes), upstream(given, sizes))
    scores = outputs(batch=1, queries=1).masks_queries_logits
    given = types.SimpleNamespace(logits=scores)
    assert_same(drop_in(given, target_sizes=[[40, 50]]), upstream(given, target_sizes=[[40, 50]]))


@pytest.mark.parametrize("owner", [*MASKFORMERS, *ONEFORMERS, *DETRS])
def test_class_maps_of_queries(owner):
    upstream, drop_in = pair(owner, "post_process_semantic_segmentation")
    smooths = owner == ONEFORMERS[0]
    for sizes in (None, *SIZES, *(() if smooths else SHRINKING)):
        for noisy in (False, True):
            given = outputs(noisy=noisy)
            assert_same(drop_in(given, sizes), upstream(given, sizes))
    given = outputs(batch=1, queries=1, classes=1)
    assert_same(drop_in(given, target_sizes=[(40, 50)]), upstream(given, target_sizes=[(40, 50)]))
    if smooths:
        with pytest.raises(NotImplementedError):
            drop_in(outputs(), SHRINKING[0])


PANOPTIC = (
    {"label_ids_to_fuse": {1, 3}},
    {"label_ids_to_fuse": [], "threshold": 0.9, "mask_threshold": 0.3, "overlap_mask_area_threshold": 0.5},
    {"label_ids_to_fuse": {0}, "threshold": 0.0, "overlap_mask_area_threshold": 0.0},
    {"label_ids_to_fuse": {0, 1, 2, 3, 4}, "mask_threshold": 0, "overlap_mask_area_threshold": -1},
    {"label_ids_to_fuse": set(), "threshold": 2.0},
    {},
)


@pytest.mark.parametrize("owner", [*MASKFORMERS, *ONEFORMERS, *DETRS])
def test_panoptic_segments(owner):
    upstream, drop_in = pair(owner, "post_process_panoptic_segmentation")
    without_module = owner == ONEFORMERS[1]  # that it resizes with: it cannot without torchvision
    for seed, options in enumerate(PANOPTIC):
        given = outputs(seed, queries=8, noisy=seed == 2)
        for sizes in (None,) if without_module else (None, SIZES[seed % 3]):
            assert_same(drop_in(given, target_sizes=sizes, **options), upstream(given, target_sizes=sizes, **options))


@pytest.mark.parametrize("owner", [*MASKFORMERS, *DETRS])
@pytest.mark.parametrize("sizes", SHRINKING)
def test_panoptic_segments_that_shrink(owner, sizes):
    upstream, drop_in = pair(owner, "post_process_panoptic_segmentation")
    given = outputs(1)
    assert_same(drop_in(given, target_sizes=sizes), upstream(given, target_sizes=sizes))


@pytest.mark.parametrize("owner", MASKFORMERS)
def test_instances(owner):
    upstream, drop_in = pair(owner, "post_process_instance_segmentation")
    forms = ({}, {"return_binary_maps": True}, {"return_coco_annotation": True})
    sizes = (None, *SIZES, *SHRINKING)
    for seed, threshold in enumerate((0.5, 0.2, 0.9, 0.0, -1, 1.0, 2.0, float("inf"))):
        given = outputs(seed, queries=5, noisy=seed % 2 == 1)
        options = {"threshold": threshold, "target_sizes": sizes[seed % 5], **forms[seed % 3]}
        assert_same(drop_in(given, **options), upstream(given, **options))
    given = outputs(3, queries=5, batch=1)
    for form in forms:
        for size in (None, [(50, 400)], [(9, 30)]):
            options = {"threshold": 0.2, "target_sizes": size, **form}
            assert_same(drop_in(given, **options), upstream(given, **options))
    given = outputs(queries=1, classes=1, batch=1)
    assert_same(drop_in(given, threshold=0.1), upstream(given, threshold=0.1))


def test_an_instance_of_two_classes():
    """A query may be an instance twice; the order is that of torch's ``topk``."""
    upstream, drop_in = pair(MASKFORMERS[1], "post_process_instance_segmentation")
    given = outputs(5, queries=3)
    given.class_queries_logits[0] = torch.tensor(
        [[4.0, 4, -9, -9, -9, -9], [-9, -9, -9, -9, -9, 9], [1, 1, 1, 1, 1, 1]]
    )
    expected = upstream(given, threshold=0.1)
    assert [segment["label_id"] for segment in expected[0]["segments_info"]][:2] in ([0, 1], [1, 0])
    assert_same(drop_in(given, threshold=0.1), expected)


@pytest.mark.parametrize("owner", DETRS)
def test_instances_of_detr(owner):
    upstream, drop_in = pair(owner, "post_process_instance_segmentation")
    for seed, threshold in enumerate((0.5, 0.0, 2.0)):
        given = outputs(seed)
        for sizes in (None, *SIZES, *SHRINKING):
            options = {"threshold": threshold, "target_sizes": sizes, "overlap_mask_area_threshold": 0.4}
            assert_same(drop_in(given, **options), upstream(given, **options))
    given = outputs(0)
    expected = upstream(given, return_coco_annotation=True)
    found = drop_in(given, return_coco_annotation=True)
    assert_same(found, expected)
    assert {type(number) for runs in found[0]["segmentation"] for number in runs} == {np.int64}


@pytest.mark.parametrize("owner", ONEFORMERS)
def test_instances_of_oneformer(owner):
    """Which are merged by their logits."""
    things = {"thing_ids": [0, 2, 3]}
    upstream, drop_in = pair(
        owner, "post_process_instance_segmentation", class_info_file="coco_panoptic.json", metadata=things
    )
    with_sizes = owner == ONEFORMERS[0]
    for seed in range(3):
        given = outputs(seed, noisy=seed == 2)
        for sizes in (None, *(SIZES if with_sizes else ())):
            for options in (
                {},
                {"task_type": "panoptic", "threshold": 0.1},
                {"is_demo": False, "mask_threshold": -1.0, "overlap_mask_area_threshold": 0.2},
                {"threshold": 2.0},
            ):
                expected = upstream(given, target_sizes=sizes, **options)
                assert_same(drop_in(given, target_sizes=sizes, **options), expected)


@pytest.mark.parametrize("owner", EOMTS)
def test_segments_of_eomt(owner):
    sizes = [(50, 77), (90, 61)]
    for size in (SQUARE, LONG):
        upstream, drop_in = pair(owner, "post_process_panoptic_segmentation", size=size)
        for seed, options in enumerate(
            (
                {},
                {"threshold": 0.3, "stuff_classes": [1, 3]},
                {"threshold": 0.0, "mask_threshold": 0.95, "overlap_mask_area_threshold": 0.1},
                {"threshold": 0.0, "mask_threshold": 0.05, "overlap_mask_area_threshold": 0.0, "stuff_classes": [0]},
                {"threshold": 2.0},
                {"size": {"shortest_edge": 30, "longest_edge": 30}},
            )
        ):
            given = outputs(seed, noisy=seed == 2)
            assert_same(drop_in(given, sizes, **options), upstream(given, sizes, **options))
        upstream, drop_in = pair(owner, "post_process_instance_segmentation", size=size)
        for seed, threshold in enumerate((0.8, 0.5, 0.0, 2.0)):
            given = outputs(seed, noisy=seed == 2)
            assert_same(drop_in(given, sizes, threshold), upstream(given, sizes, threshold))


def test_pictures_too_narrow_for_eomt():
    """Nothing is left of them in the model's input, which upstream says."""
    for kind in ("panoptic", "instance"):
        upstream, drop_in = pair(EOMTS[1], f"post_process_{kind}_segmentation", size=LONG)
        with pytest.raises(RuntimeError):
            upstream(outputs(batch=1), [(150, 1)])
        with pytest.raises(NotImplementedError):
            drop_in(outputs(batch=1), [(150, 1)])


@pytest.mark.parametrize("owner", EOMTS)
def test_class_maps_of_eomt(owner):
    sizes = [(50, 77), (90, 61)]
    upstream, drop_in = pair(owner, "post_process_semantic_segmentation", size=SQUARE)
    given = outputs()
    assert_same(drop_in(given, sizes), upstream(given, sizes))
    given = outputs(batch=4)
    given.patch_offsets = [(0, 0, 48), (0, 25, 73), (1, 0, 48), (1, 22, 70)]
    assert_same(drop_in(given, sizes), upstream(given, sizes))


def test_segments_of_videomt():
    sizes = [(50, 77), (90, 61)]
    given = outputs(3)
    for kind, options in (
        ("semantic", {}),
        ("panoptic", {"threshold": 0.3, "label_ids_to_fuse": {1, 2}}),
        ("panoptic", {"threshold": 2.0}),
        ("instance", {"threshold": 0.3}),
        ("instance", {"threshold": 2.0}),
    ):
        upstream, drop_in = pair(VIDEOMT, f"post_process_{kind}_segmentation")
        assert_same(drop_in(given, sizes, **options), upstream(given, sizes, **options))


@pytest.mark.parametrize(
    ("owner", "kind", "helper"),
    [
        (EOMTS[0], "semantic", "merge_image_patches"),
        (EOMTS[1], "panoptic", "unpad_image"),
        (EOMTS[0], "instance", "unpad_image"),
        *((VIDEOMT, kind, "_resize_mask_logits") for kind in ("semantic", "panoptic", "instance")),
    ],
)
def test_a_subclass_has_a_step_of_its_own(owner, kind, helper):
    module, _, name = owner.partition(":")
    base = getattr(module_of(module), name)
    calls = []

    def own(self, *arguments, **options):
        calls.append(helper)
        return getattr(super(subclass, self), helper)(*arguments, **options)

    subclass = type("Subclass", (base,), {helper: own})
    processor = subclass() if owner == VIDEOMT else subclass(size=SQUARE)
    given = outputs(batch=4 if kind == "semantic" and owner != VIDEOMT else 2)
    given.patch_offsets = [(0, 0, 48), (0, 25, 73), (1, 0, 48), (1, 22, 70)]
    expected = getattr(processor, f"post_process_{kind}_segmentation")(given, [(50, 77), (90, 61)])
    times = len(calls)
    assert times > 0
    with rapidmask.patch("transformers"):
        found = getattr(processor, f"post_process_{kind}_segmentation")(given, [(50, 77), (90, 61)])
    assert len(calls) == 2 * times
    assert_same(found, expected)


def test_instances_of_rf_detr():
    """Of which one that others cover is left out."""
    upstream, drop_in = pair(
        "rf_detr.image_processing_rf_detr:RfDetrImageProcessor", "post_process_instance_segmentation"
    )
    for seed, options in enumerate(
        (
            {},
            {"threshold": 0.9, "mask_threshold": 2.0},
            {"threshold": 0.2, "top_k": 5},
            {"return_binary_maps": True, "mask_threshold": 9.0},
            {"return_coco_annotation": True},
            {"threshold": 2.0, "return_binary_maps": True},
            {"mask_threshold": 1000.0, "return_binary_maps": True},
        )
    ):
        given = outputs(seed, noisy=seed == 2)
        given.pred_masks[0, 3] = given.pred_masks[0, 4] = given.pred_masks[0, 5]
        for sizes in (None, SIZES[0], SHRINKING[0]):
            assert_same(drop_in(given, target_sizes=sizes, **options), upstream(given, target_sizes=sizes, **options))


@pytest.mark.parametrize("module", [owner.partition(":")[0] for owner in (*MASKFORMERS, *ONEFORMERS, *DETRS)])
def test_merged_probabilities(module):
    upstream = module_of(module).compute_segments
    drop_in = DROP_INS[f"transformers.models.{module}:compute_segments"]
    probabilities = outputs(5).masks_queries_logits[0].sigmoid()
    scores, labels = torch.linspace(0.3, 0.99, 12), torch.arange(12) % 5
    for size in (None,) if module == "oneformer.image_processing_pil_oneformer" else (None, (61, 80)):
        expected = upstream(probabilities.clone(), scores, labels, 0.4, 0.6, {2}, size)
        assert_same(drop_in(probabilities, scores, labels, 0.4, 0.6, {2}, size), expected)


@pytest.mark.parametrize("form", ["", "pil_"])
@pytest.mark.parametrize("model", ["maskformer", "mask2former", "detr", "conditional_detr"])
def test_run_lengths_of_its_own_kind(model, form):
    module = f"{model}.image_processing_{form}{model}"
    upstream = module_of(module)
    drop_in = {
        name: DROP_INS[f"transformers.models.{module}:{name}"]
        for name in ("binary_mask_to_rle", "convert_segmentation_to_rle")
    }
    rng = np.random.default_rng(0)
    for shape in ((1, 1), (7, 9), (20, 33)):
        for density in (0, 0.3, 1):
            mask = (rng.random(shape) < density).astype(np.float32)
            for given in (mask, mask.astype(np.uint8), torch.from_numpy(mask)):
                found, expected = drop_in["binary_mask_to_rle"](given), upstream.binary_mask_to_rle(given)
                assert found == expected
                assert [type(number) for number in found] == [type(number) for number in expected]
            segmentation = torch.from_numpy(rng.integers(-1, 4, shape) * (rng.random(shape) < density))
            for given in (segmentation, segmentation.float(), segmentation.int()):
                found, expected = (
                    one.convert_segmentation_to_rle(given) for one in (types.SimpleNamespace(**drop_in), upstream)
                )
                assert found == expected
                assert {type(n) for runs in found for n in runs} == {type(n) for runs in expected for n in runs}
    assert ours.binary_mask_to_rle(np.array([[0, 1, 1], [0, 0, 1]])) == [2, 2, 6, 1]
    assert ours.convert_segmentation_to_rle(torch.tensor([[3, 1, 1], [3, 3, 1]])) == [[2, 2, 6, 1], [1, 1, 4, 2]]
    for refused in (np.array([[2, 1]]), torch.eye(4, dtype=torch.bfloat16), torch.eye(4).requires_grad_()):
        with pytest.raises(NotImplementedError):
            ours.binary_mask_to_rle(refused)
    with pytest.raises(NotImplementedError):
        ours.convert_segmentation_to_rle(torch.tensor([[float("nan")]]))


def test_what_is_not_a_number():
    """Torch takes NaN for the highest; here it is never chosen."""
    upstream, drop_in = pair(OF_LOGITS[1], "post_process_semantic_segmentation")
    given = outputs()
    given.logits = given.masks_queries_logits.clone()
    given.logits[0, 3, :2] = float("nan")
    found, expected = drop_in(given)[0], upstream(given)[0]
    assert (expected[:2] == 3).all()
    assert not (found[:2] == 3).any()
    assert torch.equal(found[2:], expected[2:])
    given.logits[0, :, :2] = float("nan")
    assert torch.equal(drop_in(given)[0], upstream(given)[0])
    upstream, drop_in = pair(MASKFORMERS[1], "post_process_semantic_segmentation")
    given.class_queries_logits = given.class_queries_logits.clone()
    given.class_queries_logits[0, 2, 1] = float("nan")
    assert torch.equal(drop_in(given)[0], upstream(given)[0])


def test_what_there_is_without_any_segment():
    """Of torch's default type and on its default device, and of whatever else upstream did not look at."""
    upstream, drop_in = pair(MASKFORMERS[1], "post_process_panoptic_segmentation")
    given = outputs()
    torch.set_default_dtype(torch.float64)
    try:
        expected = upstream(given, threshold=2, label_ids_to_fuse=set())
        found = drop_in(given, threshold=2, label_ids_to_fuse=set())
    finally:
        torch.set_default_dtype(torch.float32)
    assert found[0]["segmentation"].dtype == expected[0]["segmentation"].dtype == torch.float64
    owner = next(owner for owner in ONEFORMERS if "pil" in owner)
    module, _, name = owner.partition(":")
    processor = getattr(module_of(module), name)()
    for metadata in (None, {}, {"thing_ids": {0, 1}}):
        processor.metadata = metadata
        for task in ("instance", "panoptic"):
            expected = processor.post_process_instance_segmentation(given, task_type=task, threshold=2)
            with rapidmask.patch("transformers"):
                assert_same(processor.post_process_instance_segmentation(given, task_type=task, threshold=2), expected)


def test_arguments_of_other_types_are_left_to_transformers():
    with rapidmask.patch("transformers"):
        for owner, name, arguments, options in (
            (MASKFORMERS[1], "panoptic", (), {"label_ids_to_fuse": np.array([1, 2])}),
            (MASKFORMERS[1], "panoptic", (), {"label_ids_to_fuse": (i for i in (1, 2))}),
            (EOMTS[1], "panoptic", ([(8, 8)] * 2,), {"threshold": 2, "stuff_classes": np.array([1, 2])}),
            (MASKFORMERS[1], "instance", (), {"threshold": decimal.Decimal("0.4")}),
            (MASKFORMERS[1], "instance", (), {"threshold": 10**400}),
            (MASKFORMERS[1], "panoptic", (), {"label_ids_to_fuse": set(), "overlap_mask_area_threshold": 10**400}),
        ):
            module, _, kind = owner.partition(":")
            processor = getattr(module_of(module), kind)(**({"size": SQUARE} if owner in EOMTS else {}))
            assert len(getattr(processor, f"post_process_{name}_segmentation")(outputs(), *arguments, **options)) == 2
        _, drop_in = pair(MASKFORMERS[1], "post_process_instance_segmentation")
        with pytest.raises(NotImplementedError):
            drop_in(outputs(), target_sizes=[(True, True)] * 2)
    for refused in ([[0, 1]], [1]):
        with pytest.raises(NotImplementedError):
            ours.binary_mask_to_rle(refused)


def test_says_that_nothing_is_fused(caplog):
    for owner in (MASKFORMERS[1], DETRS[1]):
        _, drop_in = pair(owner, "post_process_panoptic_segmentation")
        logger = logging.getLogger(f"transformers.models.{owner.partition(':')[0]}")
        logging.Logger.warning_once.cache_clear()  # which transformers gives to all loggers
        logger.addHandler(caplog.handler)
        try:
            drop_in(outputs())
        finally:
            logger.removeHandler(caplog.handler)
        assert set(caplog.messages) == {"`label_ids_to_fuse` unset. No instance will be fused."}
        caplog.clear()


def test_what_is_not_served_is_left_to_transformers():
    upstream, drop_in = pair(OF_LOGITS[1], "post_process_semantic_segmentation")
    given = types.SimpleNamespace(logits=outputs().masks_queries_logits)
    halves = types.SimpleNamespace(logits=given.logits.to(torch.bfloat16))
    kind = type(upstream.__self__)
    with_scores = upstream(given, SIZES[0], return_segmentation_scores=True)
    expected = upstream(halves)
    for refused in (
        {"outputs": halves},
        {"outputs": given, "target_sizes": torch.tensor(SIZES[0])},
        {"outputs": given, "target_sizes": [5, 5]},
        {"outputs": given, "target_sizes": [(5, 5.5), (5, 5)]},
        {"outputs": given, "target_sizes": [(5, 0), (5, 5)]},
        {"outputs": types.SimpleNamespace(logits=given.logits[0])},
        {"outputs": types.SimpleNamespace(logits=given.logits[:0])},
        {"outputs": types.SimpleNamespace(logits=given.logits.clone().requires_grad_())},
        {"outputs": types.SimpleNamespace(logits=given.logits.numpy())},
    ):
        with pytest.raises(NotImplementedError):
            drop_in(**refused)
    with rapidmask.patch("transformers"):
        patched = kind.__new__(kind)
        assert_same(patched.post_process_semantic_segmentation(halves), expected)
        found = patched.post_process_semantic_segmentation(given, SIZES[0], return_segmentation_scores=True)
        torch.testing.assert_close(found[0].segmentation_scores, with_scores[0].segmentation_scores)
        with refuses(
            ValueError, "Make sure that you pass in as many target sizes as the batch dimension of the logits"
        ):
            patched.post_process_semantic_segmentation(given, SIZES[0][:1])
        maskformer = module_of("maskformer.image_processing_pil_maskformer")
        with pytest.raises(TypeError):
            maskformer.compute_segments(given.logits[0].sigmoid(), torch.ones(12), torch.arange(12))
        merged = given.logits[0].sigmoid(), torch.ones(12)
        for labels in (torch.arange(12.0), torch.arange(12) > 5, torch.arange(12) + 2**53 + 1):
            found = maskformer.compute_segments(*merged, labels, label_ids_to_fuse={2**80})
            assert all(type(one["label_id"]) is type(labels[0].item()) for one in found[1])
            assert {one["label_id"] for one in found[1]} <= set(labels.tolist())
        instances = maskformer.MaskFormerImageProcessorPil.post_process_instance_segmentation
        with refuses(ValueError, "return_coco_annotation and return_binary_maps can not be both set to True."):
            instances(None, outputs(), return_coco_annotation=True, return_binary_maps=True)
        with pytest.raises(IndexError):
            instances(None, outputs(), target_sizes=SIZES[0][:1])


def test_a_patch_reaches_every_module_and_restores_it():
    for path in DROP_INS:
        module_of(path.partition(":")[0].removeprefix("transformers.models."))
    with rapidmask.patch("transformers") as patched:
        assert patched.replaced == tuple(sorted(DROP_INS))
        kind = module_of("mask2former.image_processing_pil_mask2former").Mask2FormerImageProcessorPil
        assert kind.post_process_panoptic_segmentation.__code__.co_filename.endswith("_patch.py")
    assert not kind.post_process_panoptic_segmentation.__code__.co_filename.endswith("_patch.py")
