"""The two ways of the CUDA kernels of the components: a mask in one block's shared memory, and tiles of larger masks.

Which one is taken follows from the shared memory of the device, which the emulator lets a test choose. The other tests
of the family run the kernels on masks that fit; these run all of them on tiles, and both where their sizes matter.
"""

import numpy as np
import pytest

import rapidmask
from inputs import forms, hostile_masks, hostile_volumes, snake, spiral
from rapidmask import _dispatch, _emu

MASKS = hostile_masks()
VOLUMES = hostile_volumes()
CASES = [(name, connectivity) for name in MASKS for connectivity in (4, 8)]
CASES += [(name, connectivity) for name in VOLUMES for connectivity in (6, 18, 26)]
ALL_SHARED_MEMORY = 227 << 10


@pytest.fixture(params=["blocks", "tiles"])
def way(request):
    """NumPy arrays are served by kernels that take masks into shared memory, or by those that never do."""
    _emu.set_shared_maximum(ALL_SHARED_MEMORY if request.param == "blocks" else 0)
    with _dispatch.serve_host_memory_by(_emu):
        yield request.param
    _emu.set_shared_maximum(ALL_SHARED_MEMORY)


@pytest.fixture
def tiles():
    """NumPy arrays are served by kernels that never take a mask into shared memory."""
    _emu.set_shared_maximum(0)
    with _dispatch.serve_host_memory_by(_emu):
        yield
    _emu.set_shared_maximum(ALL_SHARED_MEMORY)


def everything(masks, connectivity):
    """All that the components of masks decide, by name."""
    found = rapidmask.connected_components(masks, connectivity=connectivity)
    labels, counts = rapidmask.label(masks, connectivity=connectivity, return_count=True)
    results = {"labels": labels, "counts": counts, "labels of the table": found.labels, "offsets": found.offsets}
    results |= {"areas": found.areas, "boxes": found.boxes, "centroids": found.centroids}
    results["component_areas"] = rapidmask.component_areas(masks, connectivity=connectivity)
    for area in (2, 5):
        results[f"objects of {area}"] = rapidmask.remove_small_objects(masks, area, connectivity=connectivity)
        for border in (True, False):
            results[f"holes of {area}, {border}"] = rapidmask.remove_small_holes(
                masks, area, connectivity=connectivity, border_is_hole=border
            )
    results["no holes"] = rapidmask.fill_holes(masks, connectivity=connectivity)
    results["clear border"] = rapidmask.clear_border(masks, connectivity=connectivity)
    for k in (1, 2, 7, 300):
        results[f"{k} largest"] = rapidmask.keep_largest(masks, k, connectivity=connectivity)
    return results


def numbered(masks):
    """Labels, how many there are, and some components that have ranks among equal ones."""
    labels, counts = rapidmask.label(rapidmask.pack(masks), return_count=True)
    return {"labels": labels, "counts": counts, "largest": rapidmask.keep_largest(rapidmask.pack(masks), 999)}


def assert_as_on_cpu(function, *arguments, **options):
    """The kernels give what the CPU gives, bit for bit."""
    from rapidmask import _cpu

    found = function(*arguments, **options)
    with _dispatch.serve_host_memory_by(_cpu):
        expected = function(*arguments, **options)
    if not isinstance(found, dict):
        found, expected = {function.__name__: found}, {function.__name__: expected}
    assert found.keys() == expected.keys()
    for name, result in found.items():
        if isinstance(result, rapidmask.PackedMasks):
            assert isinstance(expected[name], rapidmask.PackedMasks)
            assert result == expected[name], name
        else:
            np.testing.assert_array_equal(result, expected[name], err_msg=name)


@pytest.mark.parametrize(("name", "connectivity"), CASES)
def test_hostile_masks_in_tiles(tiles, name, connectivity):
    masks = np.asarray((MASKS if connectivity in (4, 8) else VOLUMES)[name])
    for form, given, _ in forms(masks, connectivity):
        if form != "rle":  # packed before it gets there
            assert_as_on_cpu(everything, given, connectivity)


# Rows are cut where 2048 pixels end; 64 pixels are a word, 16 are read at a time, 4 written.
@pytest.mark.parametrize("width", [2044, 2047, 2048, 2049, 2064, 2112, 4097])
@pytest.mark.parametrize("connectivity", [4, 8])
def test_rows_of_more_than_one_strip(way, rng, width, connectivity):
    for density in (0.4, 0.62, 0.98):
        masks = rng.random((2, 5, width)) < density
        assert_as_on_cpu(everything, masks, connectivity)
    masks[:, 1:4, 2040:2060] = [[1], [0], [1]]
    assert_as_on_cpu(everything, rapidmask.pack(masks), connectivity)


@pytest.mark.parametrize("connectivity", [6, 18, 26])
def test_volumes_of_more_than_one_strip(way, rng, connectivity):
    assert_as_on_cpu(everything, rng.random((1, 3, 4, 2070)) < 0.3, connectivity)


# A tile has as many rows as fit with 256 words: 8 of 1080p, 64 of 256 pixels, 256 of one word.
@pytest.mark.parametrize("shape", [(2, 21, 1500), (1, 150, 200), (1, 131, 257), (1, 530, 33), (2, 520, 1), (1, 300, 3)])
@pytest.mark.parametrize("connectivity", [4, 8])
def test_components_across_tiles(tiles, rng, shape, connectivity):
    for density in (0.5, 0.62):
        assert_as_on_cpu(everything, rng.random(shape) < density, connectivity)


@pytest.mark.parametrize("shape", [(1, 9, 70, 33), (1, 3, 257, 5), (1, 40, 2, 64)])
@pytest.mark.parametrize("connectivity", [6, 18, 26])
def test_components_of_volumes_across_tiles(tiles, rng, shape, connectivity):
    for density in (0.15, 0.3):
        assert_as_on_cpu(everything, rng.random(shape) < density, connectivity)


def test_winding_components(way):
    size = 129
    for mask in (spiral(size), spiral(size).T, ~spiral(size)):
        assert_as_on_cpu(everything, mask, 4)
        assert_as_on_cpu(everything, mask, 8)
    assert_as_on_cpu(everything, snake(4, 5, 9), 6)


def test_numbers_beyond_one_look_back(tiles, rng):
    mask = rng.random((9000, 3)) < 0.4  # 36 chunks of 256 words, of which a warp looks back on 32 at a time
    assert_as_on_cpu(numbered, mask)
    assert_as_on_cpu(numbered, np.stack([mask[:4000], np.zeros_like(mask[:4000]), ~mask[:4000]]))


def test_equal_components_across_chunks(tiles):
    masks = np.zeros((2, 600, 5), bool)
    masks[:, ::2, ::2] = True  # 300 rows of three pixels each
    masks[1, 100, 1] = masks[1, 500, 3] = True
    for k in (1, 2, 3, 450, 768, 769, 898, 900, 2000):
        assert_as_on_cpu(rapidmask.keep_largest, masks, k)


def test_areas_of_several_digits(way):
    masks = np.zeros((1, 90, 900), bool)
    for i, (height, width) in enumerate([(1, 1), (80, 4), (1, 255), (1, 256), (1, 257), (75, 900), (2, 300)]):
        masks = np.concatenate([masks, np.zeros_like(masks[:1])])
        masks[i + 1, 2 : 2 + height, :width] = True
        masks[0, 12 * i : 12 * i + min(height, 11), :width] = True
    for k in (1, 2, 3, 5, 7):
        assert_as_on_cpu(rapidmask.keep_largest, masks, k)


@pytest.mark.parametrize("shape", [(150, 150), (120, 192), (361, 64), (85, 256)])
def test_masks_that_take_nearly_what_a_block_has_without_asking(shape, rng):
    """48 KiB, of which the kernels' own variables take a part."""
    masks = rng.random((2, *shape)) < 0.6
    for function in (rapidmask.label, rapidmask.fill_holes, rapidmask.component_areas):
        with _dispatch.serve_host_memory_by(_emu):
            assert_as_on_cpu(function, masks)
    scores = rng.normal(size=(2, *shape)).astype(np.float32)
    with _dispatch.serve_host_memory_by(_emu):
        cleaned = rapidmask.clean_scores(scores, max_hole_area=5, max_sprinkle_area=5)
    np.testing.assert_array_equal(cleaned, rapidmask.clean_scores(scores, max_hole_area=5, max_sprinkle_area=5))


def test_the_size_that_still_fits(rng):
    masks = rng.random((3, 40, 100)) < 0.6
    fits = 40 * (2 * 8 + 50 * 4) + 4 + 2048  # words, nodes and the kernels' own
    for shared in (fits - 1, fits):
        _emu.set_shared_maximum(shared)
        with _dispatch.serve_host_memory_by(_emu):
            for function in (rapidmask.label, rapidmask.fill_holes):
                assert_as_on_cpu(function, masks)
    launched = _emu.launched_kernels()
    _emu.set_shared_maximum(ALL_SHARED_MEMORY)
    assert {"write_small_kernel", "filter_small_kernel", "join_tiles_kernel"} <= set(launched)


def test_more_masks_than_a_grid_is_tall(rng):
    masks = rapidmask.pack(rng.random((65_537, 1, 3)) < 0.5)
    with _dispatch.serve_host_memory_by(_emu):
        assert_as_on_cpu(rapidmask.clear_border, masks)


@pytest.mark.parametrize("connectivity", [4, 8])
@pytest.mark.parametrize("shape", [(2, 14, 70), (1, 5, 2049), (1, 140, 130), (3, 1, 64), (2, 9, 1)])
def test_hysteresis(way, rng, shape, connectivity):
    values = rng.random(shape)
    for high in (0.65, 0.95):
        assert_as_on_cpu(rapidmask.hysteresis_threshold, values, 0.5, high, connectivity=connectivity)


@pytest.mark.parametrize("connectivity", [4, 8])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(2, 14, 70), (1, 4, 2049), (1, 140, 33), (3, 1, 64), (2, 9, 1)])
def test_clean_scores(way, rng, shape, dtype, connectivity):
    scores = rng.normal(size=shape).astype(dtype)
    scores[rng.random(shape) < 0.05] = np.nan
    for holes, sprinkles in ((5, 5), (3, 0), (0, 3), (10**6, 10**6)):
        for after in (True, False):
            for half in (True, False):
                options = {"max_hole_area": holes, "max_sprinkle_area": sprinkles, "connectivity": connectivity}
                options |= {"sprinkles_after_holes": after, "keep_half": half}
                assert_as_on_cpu(rapidmask.clean_scores, scores, threshold=0.1, **options)
