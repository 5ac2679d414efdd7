"""Dask arrays: what the functions of the whole array give, for any chunks, lazily, and on processes that may die."""

import dataclasses
import importlib
import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import rapidmask
from inputs import hostile_masks, hostile_volumes, refuses, snake, spiral

dask, da, _ = (pytest.importorskip(name) for name in ("dask", "dask.array", "distributed"))
scaled = importlib.import_module("rapidmask.dask")
_pieces, _seams, labels = (
    importlib.import_module(f"rapidmask.dask.{name}") for name in ("_pieces", "_seams", "labels")
)

FILTERS = [
    ("remove_small_objects", (4,), {}),
    ("remove_small_holes", (4,), {}),
    ("remove_small_holes", (4,), {"border_is_hole": False}),
    ("fill_holes", (), {}),
    ("keep_largest", (2,), {}),
    ("clear_border", (), {}),
]


@pytest.fixture(autouse=True)
def synchronous():
    with dask.config.set(scheduler="synchronous"):
        yield


def cut(shape, rng, most=3):
    """Random sizes of chunks, some of them a pixel."""
    sizes = []
    for extent in shape:
        inner = np.sort(rng.choice(np.arange(1, max(1, extent)), min(max(0, extent - 1), most - 1), replace=False))
        sizes.append(tuple(int(size) for size in np.diff([0, *inner, extent])))
    return tuple(sizes)


def pixels(shape):
    """Chunks of a pixel each."""
    return tuple((1,) * extent or (0,) for extent in shape)


def assert_same_partition(found, expected):
    """Labels that differ in their numbers at most, and have no gaps."""
    assert found.shape == expected.shape
    pairs = np.unique(np.stack([found.ravel(), expected.ravel()]), axis=1)
    assert len(np.unique(pairs[0])) == len(np.unique(pairs[1])) == pairs.shape[1]
    assert ((found == 0) == (expected == 0)).all()
    assert found.max(initial=0) == expected.max(initial=0)


def assert_components(mask, chunks, connectivity):
    """Labels in both orders and all measures are those of the whole array."""
    array = da.from_array(mask, chunks=chunks)
    whole = rapidmask.connected_components(mask, connectivity=connectivity)
    ordered = scaled.connected_components(array, connectivity=connectivity, order="raster")
    free, counts = scaled.label(array, connectivity=connectivity, return_count=True)
    areas = scaled.component_areas(array, connectivity=connectivity)
    *measures, free, counts, areas = dask.compute(*(getattr(ordered, f.name) for f in fields()), free, counts, areas)
    for field, found in zip(fields(), measures, strict=True):
        expected = np.asarray(getattr(whole, field.name))
        np.testing.assert_array_equal(found, expected, err_msg=field.name)
        assert found.dtype == expected.dtype, field.name
    np.testing.assert_array_equal(areas, rapidmask.component_areas(mask, connectivity=connectivity))
    np.testing.assert_array_equal(counts, rapidmask.label(mask, connectivity=connectivity, return_count=True)[1])
    images = mask.ndim == 3 and connectivity in (4, 8)
    for one, other in zip(free, whole.labels, strict=True) if images else [(free, whole.labels)]:
        assert_same_partition(one, other)


def fields():
    return dataclasses.fields(rapidmask.dask.Components)


def assert_filters(mask, chunks, connectivity):
    array = da.from_array(mask, chunks=chunks)
    results = [getattr(scaled, name)(array, *a, connectivity=connectivity, **k) for name, a, k in FILTERS]
    for (name, a, k), found in zip(FILTERS, dask.compute(*results), strict=True):
        expected = getattr(rapidmask, name)(mask, *a, connectivity=connectivity, **k)
        np.testing.assert_array_equal(found, expected, err_msg=name)
        assert found.dtype == mask.dtype


# Components


def test_label_by_eye():
    mask = np.array([[1, 0, 1, 1], [1, 0, 0, 0], [0, 1, 0, 1]], np.uint8)
    array = da.from_array(mask, chunks=(2, 2))
    found, count = scaled.label(array, order="raster", return_count=True)
    assert isinstance(found, da.Array)
    assert found.chunks == array.chunks
    np.testing.assert_array_equal(found, [[1, 0, 2, 2], [1, 0, 0, 0], [0, 1, 0, 3]])
    assert int(count) == 3
    # Chunk by chunk: nothing ends in the last, and the others' numbers follow those before.
    np.testing.assert_array_equal(
        scaled.label(array, connectivity=4).compute(), [[1, 0, 2, 2], [1, 0, 0, 0], [0, 3, 0, 4]]
    )


MASKS, VOLUMES = hostile_masks(), hostile_volumes()


@pytest.mark.parametrize("name", MASKS)
def test_hostile_masks(name, rng):
    batch = MASKS[name]
    one, other = (4, 8) if len(name) % 2 else (8, 4)  # by turns
    assert_components(batch, cut(batch.shape, rng, 2), one)
    for mask in batch[:1]:
        assert_components(mask, cut(mask.shape, rng), other)
        assert_filters(mask, cut(mask.shape, rng), one)


@pytest.mark.parametrize("name", VOLUMES)
def test_hostile_volumes(name, rng):
    for volume in VOLUMES[name][:1]:
        turn = list(VOLUMES).index(name)
        assert_components(volume, cut(volume.shape, rng, 2), (6, 18, 26)[turn % 3])
        assert_filters(volume, cut(volume.shape, rng, 2), (26, 6, 18)[turn % 3])


@pytest.mark.parametrize("connectivity", [4, 8])
def test_chunks_of_a_pixel(connectivity, rng):
    mask = rng.random((5, 6)) < 0.5
    assert_components(mask, pixels(mask.shape), connectivity)
    assert_filters(mask.astype(np.uint8) * np.uint8(5), pixels(mask.shape), connectivity)


@pytest.mark.parametrize("connectivity", [6, 18, 26])
def test_voxels_as_chunks(connectivity, rng):
    volume = rng.random((2, 3, 3)) < 0.4
    assert_components(volume, pixels(volume.shape), connectivity)
    assert_filters(volume, pixels(volume.shape), connectivity)


@pytest.mark.parametrize("connectivity", [4, 8])
def test_batches_are_numbered_image_by_image(connectivity, rng):
    batch = rng.random((5, 12, 30)) < 0.5
    assert_components(batch, (2, 5, 13), connectivity)
    assert_components(batch, (1, 12, 30), connectivity)
    assert_filters(batch, (5, 5, 30), connectivity)


def adversarial(size):
    """Masks whose components cross seams as often as they can."""
    y, x = np.indices((size, size))
    comb = (x % 2 == 0) | (y == size - 1)
    return {
        "checkerboard": (y + x) % 2 == 0,
        "spiral": spiral(size),
        "comb": comb,
        "combs": (x % 2 == 0) ^ (y == size // 2),
        "lines": x % 2 == 0,
        "diagonals": (x + y) % 3 == 0,
    }


@pytest.mark.parametrize("name", adversarial(8))
def test_adversarial_seams(name):
    mask = adversarial(67)[name]
    for connectivity in (4, 8):
        assert_components(mask, (23, 16), connectivity)
    assert_filters(mask, (17, 67), 4)


def test_a_path_through_all_chunks_of_a_volume():
    volume = snake(7, 9, 9)
    for connectivity in (6, 18, 26):
        assert_components(volume, (3, 2, 4), connectivity)


def test_results_have_the_chunks_of_the_masks_without_pixels_too(rng):
    mask = rng.random((7, 9)) < 0.5
    parted = da.from_array(mask, chunks=((0, 3, 0, 4), (5, 4, 0)))
    found = scaled.connected_components(parted, order="raster").labels
    for result, expected in (
        (scaled.label(parted, order="raster"), rapidmask.label(mask)),
        (found, rapidmask.label(mask)),
        (scaled.remove_small_objects(parted, 3), rapidmask.remove_small_objects(mask, 3)),
        (scaled.keep_largest(parted, 1), rapidmask.keep_largest(mask, 1)),
        (scaled.dilate(parted, rapidmask.square(3)), rapidmask.dilate(mask, rapidmask.square(3))),
    ):
        assert result.chunks == parted.chunks
        np.testing.assert_array_equal(result.compute(), expected)
    assert scaled.component_areas(parted).chunks == parted.chunks


def test_chunks_without_pixels_do_not_part_components():
    parted = da.from_array(np.ones((1, 4), bool), chunks=((1,), (2, 0, 2)))
    assert 0 in parted.chunks[1]
    np.testing.assert_array_equal(scaled.label(parted), np.ones((1, 4)))
    np.testing.assert_array_equal(scaled.erode(parted, np.ones((1, 3), bool)), np.ones((1, 4)))


def test_wide_labels_where_int32_does_not_do(monkeypatch, rng):
    mask = rng.random((20, 33)) < 0.5
    monkeypatch.setattr(labels, "_LARGEST_INT32", mask.size - 1)
    array = da.from_array(mask, chunks=(7, 9))
    found = scaled.label(array, order="raster")
    assert found.dtype == found.compute().dtype == np.int64
    np.testing.assert_array_equal(found, rapidmask.label(mask))
    np.testing.assert_array_equal(scaled.component_areas(array), rapidmask.component_areas(mask))


@pytest.mark.parametrize("connectivity", [4, 8, 6, 18, 26])
def test_what_serves_devices_gives_the_same(connectivity, monkeypatch, rng):
    """The path of label images, which serves chunks that are not in host memory, on chunks that are."""
    monkeypatch.setattr(_pieces, "on_host", lambda bits: False)
    batch = rng.random((4, 9, 21)) < 0.4
    assert_components(batch, (2, 5, 11), connectivity)
    assert_filters(batch.astype(np.uint8), (2, 5, 11), connectivity)
    assert_components(np.zeros((2, 0, 5), bool), (1, 1, 3), connectivity)


# The step that joins


def test_parts_are_those_on_faces_only(rng):
    mask = rng.random((256, 256)) < 0.1
    mask[[0, -1]] = mask[:, [0, -1]] = False
    kept, parts = _pieces.describe(mask, 8, False, _pieces.Survey())
    assert len(parts.areas) == len(parts.runs) == len(kept.parts) == 0
    assert parts.starts.tolist() == [rapidmask.label(mask).max()]
    assert kept.bits.data.nbytes == mask.size // 8
    assert _pieces._size_of(kept) < mask.size / 4
    assert _pieces._size_of(parts) < 100


def test_what_is_joined_grows_with_faces_only(rng):
    mask = np.zeros((512, 512), bool)
    mask[::2] = True
    _, parts = _pieces.describe(mask, 8, False, _pieces.Survey())
    assert len(parts.runs) == 1 + 2 * 256  # above, left and right
    assert len(parts.areas) == 256


def test_each_chunk_is_made_once():
    made = []

    def block(block_info=None):
        place = block_info[None]["chunk-location"]
        made.append(place)
        return np.indices((8, 8)).sum(0) % 3 == 0

    array = da.map_blocks(block, chunks=((8,) * 3, (8,) * 3), dtype=bool, meta=np.empty((0, 0), bool))
    made.clear()
    components = scaled.connected_components(array)
    cleaned = scaled.remove_small_objects(array, 3)
    dask.compute(components.labels, components.areas, components.count)
    assert sorted(made) == sorted(np.ndindex(3, 3))
    cleaned.compute()
    assert len(made) == 18


def test_nothing_is_computed_before_it_is_asked_for():
    def fail(block):
        raise AssertionError

    array = da.map_blocks(fail, da.zeros((8, 8), chunks=4, dtype=bool), dtype=bool, meta=np.empty((0, 0), bool))
    scaled.label(array, return_count=True)
    scaled.connected_components(array)
    scaled.fill_holes(array)
    scaled.dilate(array, rapidmask.square(3))
    scaled.distance_transform(array, 3)
    scaled.mean_iou(array, array, 2)
    scaled.threshold(array, 0.5)


def test_threads_give_the_same(rng):
    mask = rng.random((60, 70)) < 0.5
    array = da.from_array(mask, chunks=(16, 17))
    with dask.config.set(scheduler="threads", num_workers=4):
        np.testing.assert_array_equal(scaled.label(array, order="raster"), rapidmask.label(mask))
        np.testing.assert_array_equal(scaled.fill_holes(array), rapidmask.fill_holes(mask))


def test_one_task_picks_the_parts_of_sixteen_chunks(rng):
    masks = rng.random((50, 70)) < 0.6
    labels = rapidmask.dask.label(da.from_array(masks, chunks=10), order="raster")
    picking = [key for key in labels.__dask_graph__() if str(key[0]).startswith("picked-")]
    assert len(picking) == 3  # of 35 chunks
    np.testing.assert_array_equal(labels.compute(), rapidmask.label(masks))


def test_too_many_parts_are_refused():
    class Many:
        runs, starts, segments, before = (np.zeros((0, 5), np.int32), *(np.zeros(0, np.int32),) * 3)

        class areas:
            def __len__(self):
                return 2**32

        areas = areas()

    grid = _seams.Grid(((1,), (1,), (1,)), 8, False)
    with pytest.raises(ValueError, match="must be fewer than 4294967296, got 4294967296"):
        _seams.join(grid, [Many()])


# Neighbourhoods


FOOTPRINTS = {
    "square": rapidmask.square(3),
    "disk": rapidmask.disk(4),
    "even": np.ones((2, 4), bool),
    "lopsided": np.array([[0, 0, 0, 0, 1], [0, 0, 1, 0, 0]], bool),
    "ball": rapidmask.ball(1),
}


@pytest.mark.parametrize("name", FOOTPRINTS)
@pytest.mark.parametrize("operation", ["dilate", "erode", "opening", "closing"])
def test_morphology(operation, name, rng):
    footprint = FOOTPRINTS[name]
    masks = (rng.random((3, 17, 23)) < 0.7).astype(np.uint8)
    borders = ("ignore", "zeros", "ones")
    for turn, (iterations, given) in enumerate(((1, masks), (2, masks[0] if footprint.ndim == 2 else masks))):
        border = borders[(len(operation) + len(name) + turn) % 3]
        array = da.from_array(given, chunks=cut(given.shape, rng, 2))
        found = getattr(scaled, operation)(array, footprint, iterations=iterations, border=border)
        assert found.chunks == array.chunks
        expected = getattr(rapidmask, operation)(given, footprint, iterations=iterations, border=border)
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == given.dtype


def test_morphology_beyond_the_array(rng):
    mask = rng.random((9, 9)) < 0.95
    array = da.from_array(mask, chunks=pixels(mask.shape))
    found = scaled.dilate(array, rapidmask.square(3), iterations=10**9)
    np.testing.assert_array_equal(found, np.full((9, 9), mask.any()))


@pytest.mark.parametrize("spacing", [None, 2.0, (0.5, 3.0)])
@pytest.mark.parametrize("squared", [False, True])
def test_distances(squared, spacing, rng):
    mask = np.ones((40, 50), bool)
    mask[rng.integers(0, 40, 8), rng.integers(0, 50, 8)] = False
    for bound in (0, 1, 5.5, 1000, 1e200):
        found = scaled.distance_transform(
            da.from_array(mask, chunks=cut(mask.shape, rng)), bound, squared=squared, spacing=spacing
        )
        whole = rapidmask.distance_transform(mask, squared=squared, spacing=spacing)
        limit = np.float32(min(bound, 1e6)) ** (2 if squared else 1)
        np.testing.assert_array_equal(found, np.minimum(whole, limit))
        assert found.dtype == found.compute().dtype == np.float32


def test_distances_in_volumes_and_batches(rng):
    masks = rng.random((6, 14, 15)) < 0.97
    for volume, spacing in ((False, None), (True, None), (True, (2.0, 1.0, 0.5))):
        found = scaled.distance_transform(da.from_array(masks, chunks=(2, 5, 6)), 3, volume=volume, spacing=spacing)
        whole = rapidmask.distance_transform(masks, volume=volume, spacing=spacing)
        np.testing.assert_array_equal(found, np.minimum(whole, 3))


# Pixels and measures


@pytest.mark.parametrize("output", ["bool", "uint8"])
def test_threshold(output, rng):
    x = rng.normal(size=(3, 11, 13)).astype(np.float32)
    array = da.from_array(x, chunks=(2, 4, 5))
    surface = rng.normal(size=(11, 13))
    for value in (0.25, np.array([0.1, -1, 2]), surface, rng.normal(size=x.shape), da.from_array(surface, chunks=3)):
        for op in (">", ">="):
            found = scaled.threshold(array, value, op=op, output=output)
            assert found.chunks == array.chunks
            whole = value.compute() if isinstance(value, da.Array) else value
            expected = rapidmask.threshold(x, whole, op=op, output=output)
            np.testing.assert_array_equal(found, expected)
            assert found.dtype == found.compute().dtype == expected.dtype
    np.testing.assert_array_equal(scaled.threshold(array[0], surface), x[0] > surface)
    for lazy in (array, array[0]):
        found = scaled.threshold(lazy, lazy.mean(), output=output)
        np.testing.assert_array_equal(found, lazy.compute() > lazy.mean().compute())


def test_confusion_matrix_and_mean_iou(rng):
    target, prediction = rng.integers(0, 6, (2, 30, 31))
    arrays = da.from_array(prediction, chunks=(7, 9)), da.from_array(target, chunks=(11, 31))
    for ignored in (None, 5):
        found = scaled.confusion_matrix(*arrays, 6, ignore_index=ignored)
        np.testing.assert_array_equal(found, rapidmask.confusion_matrix(prediction, target, 6, ignore_index=ignored))
        assert found.shape == (6, 6)
        assert found.dtype == found.compute().dtype == np.int64
        mean = scaled.mean_iou(*arrays, 6, ignore_index=ignored)
        assert mean.shape == ()
        assert float(mean) == rapidmask.mean_iou(prediction, target, 6, ignore_index=ignored)
    skipped = scaled.confusion_matrix(*arrays, 4, out_of_range="skip")
    np.testing.assert_array_equal(skipped, rapidmask.confusion_matrix(prediction, target, 4, out_of_range="skip"))
    with pytest.raises(ValueError, match="confusion_matrix"):
        scaled.confusion_matrix(*arrays, 4).compute()


# What is refused


def test_errors():
    mask = np.ones((4, 4), bool)
    array = da.from_array(mask, chunks=2)
    unknown = array[da.from_array(np.array([True, False, True, True]), chunks=2)]
    for function, arguments in (
        ("label", ()), ("component_areas", ()), ("remove_small_objects", (1,)), ("dilate", (rapidmask.square(3),)),
        ("distance_transform", (1,)),
    ):  # fmt: skip
        call = getattr(scaled, function)
        with refuses(TypeError, f"{function}: masks must be a Dask array, got ndarray"):
            call(mask, *arguments)
        with refuses(TypeError, f"{function}: masks must be of bool or uint8, got float64"):
            call(array * 1.0, *arguments)
        with refuses(ValueError, f"{function}: masks must have 2 dimensions (H, W) or 3 (D, H, W), got shape (4,)"):
            call(array[0], *arguments)
        with refuses(
            ValueError,
            f"{function}: masks must have chunks of known sizes, got shape (nan, 4): compute_chunk_sizes() finds them",
        ):
            call(unknown, *arguments)
    with refuses(ValueError, "label: masks must have 3 dimensions (D, H, W), got shape (4, 4)"):
        scaled.label(array, connectivity=6)
    with refuses(ValueError, "label: connectivity must be 4 or 8 (images), 6, 18 or 26 (volumes), got 5"):
        scaled.label(array, connectivity=5)
    with refuses(ValueError, "label: order must be 'any' or 'raster', got 'columns'"):
        scaled.label(array, order="columns")
    with refuses(ValueError, "keep_largest: k must not be negative, got -1"):
        scaled.keep_largest(array, -1)
    with refuses(TypeError, "remove_small_objects: min_area must be an integer, got 1.5"):
        scaled.remove_small_objects(array, 1.5)
    with refuses(ValueError, "erode: border must be 'ignore', 'zeros' or 'ones', got 'wrap'"):
        scaled.erode(array, rapidmask.square(3), border="wrap")
    with refuses(ValueError, "distance_transform: max_distance must be from 0 and finite, got inf"):
        scaled.distance_transform(array, np.inf)
    with refuses(ValueError, "threshold: output must be 'bool' or 'uint8', got 'rle'"):
        scaled.threshold(array, output="rle")
    with refuses(ValueError, "threshold: value must be a number or have shape (), (4, 4) or (4, 4), got shape (3, 4)"):
        scaled.threshold(array, np.zeros((3, 4)))
    with refuses(ValueError, "confusion_matrix: prediction and target must have one shape, got (4, 4) and (3, 4)"):
        scaled.confusion_matrix(array, array[1:], 2)
    with refuses(TypeError, "mean_iou: target must be a Dask array, got ndarray"):
        scaled.mean_iou(array, mask, 2)


def test_the_package_needs_dask_only_where_it_is_used():
    code = """
    import sys, rapidmask
    assert not {"dask", "distributed"} & set(sys.modules)
    sys.modules["dask"] = None
    try:
        import rapidmask.dask
    except ImportError as error:
        print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == 'rapidmask.dask needs Dask: install rapidmask with its extra "dask"'


# Processes


@pytest.mark.filterwarnings("ignore")
def test_a_worker_that_dies_changes_nothing(tmp_path, rng):
    from distributed import Client, LocalCluster

    def dies_once(block, folder, block_info=None):  # here, so that it is pickled whole: workers do not find the tests
        """Kill the worker that comes to the middle chunk first."""
        if block_info[0]["chunk-location"] == (2, 2):
            try:
                os.close(os.open(os.path.join(folder, "died"), os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                return block
            os.kill(os.getpid(), signal.SIGKILL)
        return block

    mask = rng.random((100, 100)) < 0.45
    array = da.from_array(mask, chunks=(20, 25))
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50, local_directory=str(tmp_path)
        ) as cluster,
        Client(cluster) as client,
    ):
        fragile = array.map_blocks(dies_once, str(tmp_path), dtype=bool, meta=np.empty((0, 0), bool))
        found = scaled.label(fragile, order="raster")
        cleaned = scaled.remove_small_objects(fragile, 20)
        found, cleaned = client.gather(client.compute([found, cleaned]))
    assert (tmp_path / "died").exists()
    np.testing.assert_array_equal(found, rapidmask.label(mask))
    np.testing.assert_array_equal(cleaned, rapidmask.remove_small_objects(mask, 20))
