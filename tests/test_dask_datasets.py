"""Folders to shards: contents, restarts, errors and workers that die."""

import functools
import importlib
import json
import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

import rapidmask
from inputs import refuses
from rapidmask import io

pytest.importorskip("distributed")
encode_dataset = importlib.import_module("rapidmask.dask").encode_dataset

FILES = [f"pictures/{side}.png" for side in range(3, 10)]


def squares(path):
    """Labels of some squares, as many as the name tells."""
    side = int(Path(path).stem)
    labels = np.zeros((2 * side, side), np.int32)
    for k in range(side // 2):
        labels[2 * k, k] = k + 1
    return labels


def read(shards):
    return [json.loads(Path(shard).read_text()) for shard in shards]


def test_coco_shards(tmp_path):
    shards = encode_dataset(FILES, tmp_path / "new/out", segment=squares, shard_size=3, progress=False)
    assert [shard.name for shard in shards] == [f"0000{i}-of-00003.json" for i in range(3)]
    sets = read(shards)
    assert [image["file_name"] for data in sets for image in data["images"]] == FILES
    assert [image["id"] for data in sets for image in data["images"]] == list(range(1, 8))
    ids = [annotation["id"] for data in sets for annotation in data["annotations"]]
    assert len(set(ids)) == len(ids) == sum(int(Path(name).stem) // 2 for name in FILES)
    for data in sets:
        assert data["categories"] == [{"id": 1, "name": "object"}]
        for image in data["images"]:
            labels = squares(image["file_name"])
            assert [image["height"], image["width"]] == list(labels.shape)
            own = [annotation for annotation in data["annotations"] if annotation["image_id"] == image["id"]]
            masks = io.masks_from_coco(own, labels.shape)
            np.testing.assert_array_equal(masks.to_dense(), np.arange(1, labels.max() + 1)[:, None, None] == labels)


def test_masks_with_categories_and_scores(tmp_path, rng):
    masks = rng.random((3, 8, 9)) < 0.5
    forms = {"dense": masks, "packed": rapidmask.pack(masks), "rle": rapidmask.rle_encode(masks), "none": masks[:0]}

    def segment(name):
        count = len(forms[name])
        return {"masks": forms[name], "categories": [4, 5, 6][:count], "scores": np.array([0.5, 0.25, 1])[:count]}

    categories = [{"id": 4, "name": "a"}, {"id": 5, "name": "b"}, {"id": 6, "name": "c"}]
    (data,) = read(encode_dataset(list(forms), tmp_path, segment=segment, categories=categories, progress=False))
    assert data["categories"] == categories
    assert [image["height"] for image in data["images"]] == [8] * 4
    for i in range(3):
        own = [annotation for annotation in data["annotations"] if annotation["image_id"] == i + 1]
        np.testing.assert_array_equal(io.masks_from_coco(own, (8, 9)).to_dense(), masks)
        assert [annotation["category_id"] for annotation in own] == [4, 5, 6]
        assert [annotation["score"] for annotation in own] == [0.5, 0.25, 1]
    assert len(data["annotations"]) == 9


def test_parquet_shards(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    shards = encode_dataset(FILES, tmp_path, segment=squares, format="parquet", shard_size=4, progress=False)
    rows = [row for shard in shards for row in parquet.read_table(shard).to_pylist()]
    assert [row["file_name"] for row in rows] == FILES
    for row in rows:
        labels = squares(row["file_name"])
        size = [row["height"], row["width"]]
        masks = rapidmask.RLEMasks.from_coco([{"size": size, "counts": counts} for counts in row["counts"]], size)
        np.testing.assert_array_equal(masks.to_dense(), np.arange(1, labels.max() + 1)[:, None, None] == labels)
        assert row["area"] == masks.area().tolist()
        assert all(len(box) == 4 for box in row["bbox"])
        assert row["score"] == [None] * len(masks)
    about = json.loads(parquet.read_schema(shards[0]).metadata[b"rapidmask"])
    assert about["categories"] == [{"id": 1, "name": "object"}]


def test_a_restart_does_only_what_is_missing(tmp_path):
    seen = []

    def until_the_fifth(path):
        seen.append(path)
        if len(seen) == 5:
            raise KeyboardInterrupt
        return squares(path)

    with pytest.raises(KeyboardInterrupt):
        encode_dataset(FILES, tmp_path, segment=until_the_fifth, shard_size=2, progress=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "00000-of-00004.json", "00001-of-00004.json", "files.json",
    ]  # fmt: skip
    before = (tmp_path / "00000-of-00004.json").stat().st_mtime_ns
    again = []
    shards = encode_dataset(
        FILES, tmp_path, segment=lambda path: again.append(path) or squares(path), shard_size=2, progress=False
    )
    assert again == FILES[4:]
    assert shards[0].stat().st_mtime_ns == before
    whole = encode_dataset(FILES, tmp_path / "whole", segment=squares, shard_size=2, progress=False)
    assert read(shards) == read(whole)
    again.clear()
    encode_dataset(FILES, tmp_path, segment=lambda path: again.append(path), shard_size=2, progress=False)
    assert again == []


def test_shards_of_other_files_are_not_mixed_in(tmp_path):
    encode_dataset(FILES, tmp_path, segment=squares, shard_size=3, progress=False)
    with refuses(ValueError, f"encode_dataset: out holds shards with another files: '{tmp_path}'"):
        encode_dataset(FILES[1:], tmp_path, segment=squares, shard_size=3, progress=False)
    with refuses(ValueError, f"encode_dataset: out holds shards with another shard_size: '{tmp_path}'"):
        encode_dataset(FILES, tmp_path, segment=squares, shard_size=4, progress=False)


def of_side(side, path):
    return np.eye(side, dtype=np.int32)


def test_shards_made_otherwise_are_not_mixed_in(tmp_path):
    encode_dataset(FILES, tmp_path, segment=functools.partial(of_side, 3), progress=False)
    with refuses(ValueError, f"encode_dataset: out holds shards with another options: '{tmp_path}'"):
        encode_dataset(FILES, tmp_path, segment=functools.partial(of_side, 4), progress=False)
    with refuses(ValueError, f"encode_dataset: out holds shards with another categories: '{tmp_path}'"):
        encode_dataset(
            FILES, tmp_path, segment=functools.partial(of_side, 3), categories=[{"id": 9, "name": "x"}], progress=False
        )
    (tmp_path / "files.json").write_text("[")
    with refuses(ValueError, f"encode_dataset: out holds another files.json: '{tmp_path}'"):
        encode_dataset(FILES, tmp_path, segment=squares, progress=False)


@pytest.mark.parametrize("format", ["coco", "parquet"])
def test_scores_that_are_no_numbers_are_a_file_s_error(tmp_path, format):
    if format == "parquet":
        pytest.importorskip("pyarrow")

    def scored(path):
        return {"masks": np.ones((1, 2, 2), bool), "scores": [float("nan") if path == FILES[1] else 0.5]}

    options = {"segment": scored, "shard_size": 1, "format": format, "progress": False}
    with refuses(ValueError, "encode_dataset: scores must be finite"):
        encode_dataset(FILES, tmp_path, **options)
    assert len(list(tmp_path.glob("0*"))) == len(FILES) - 1
    assert len(encode_dataset(FILES, tmp_path, errors="skip", **options)) == len(FILES)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="names are of bytes there")
def test_names_that_are_no_text(tmp_path):
    names = [b"caf\xe9.png", os.fsdecode(b"\xff.png"), Path("a.png")]
    shards = encode_dataset(names, tmp_path, segment=functools.partial(of_side, 2), progress=False)
    assert [image["file_name"] for image in read(shards)[0]["images"]] == [os.fsdecode(name) for name in names]


def test_a_picture_has_at_most_a_million_masks(tmp_path):
    labels = np.arange(1, 1_000_003, dtype=np.int32).reshape(2, -1)
    with refuses(ValueError, "encode_dataset: a file must have at most 1000000 masks, got 1000002"):
        encode_dataset(["a"], tmp_path, segment=lambda path: labels, progress=False)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"shard_size": "2"}, TypeError, "shard_size must be an integer, got '2'"),
        ({"workers": 1.5}, TypeError, "workers must be an integer, got 1.5"),
        ({"segment": None}, TypeError, "segment must be callable, got None"),
        ({"categories": None}, TypeError, "categories must be a sequence of mappings, got None"),
        ({"categories": {"id": 1}}, TypeError, "categories must be a sequence of mappings, got {'id': 1}"),
        ({"categories": [{"id": 1}, 2]}, TypeError, "categories[1] must be a mapping, got 2"),
        ({"files": 3}, TypeError, "files must be a sequence of paths, got 3"),
    ],
)
def test_arguments_of_wrong_types_are_refused_before_anything_is_written(tmp_path, arguments, error, message):
    given = {"files": FILES, "out": tmp_path / "out", "segment": squares, "progress": False, **arguments}
    with refuses(error, f"encode_dataset: {message}"):
        encode_dataset(**given)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("found", "error", "message"),
    [
        ({"mask": 1, "scores": 2}, TypeError, "segment must give masks, got a mapping with ['mask', 'scores']"),
        (
            {"masks": np.ones((2, 3, 3), bool), "scores": [0.5]},
            ValueError,
            "scores must be one for each mask, got shape (1,)",
        ),
        (
            {"masks": np.ones((1, 3, 3), bool), "scores": 0.5},
            ValueError,
            "scores must be one for each mask, got shape ()",
        ),
    ],
)
def test_what_segment_gives_is_checked(tmp_path, found, error, message):
    with refuses(error, f"encode_dataset: {message}"):
        encode_dataset(["a"], tmp_path, segment=lambda path: found, progress=False)


class OddError(Exception):
    """One that cannot be pickled."""

    def __init__(self, code, text):
        super().__init__(f"{code}: {text}")


def test_errors_that_cannot_be_sent():
    from rapidmask.dask import datasets

    arguments = {"format": "coco", "errors": "raise", "categories": []}

    def fails(path):
        raise OddError(3, path)

    error = datasets._encode_on_worker(["x"], 1, "nowhere", segment=fails, **arguments)
    assert (type(error), str(error)) == (RuntimeError, "OddError: 3: x")


def test_a_file_that_fails(tmp_path):
    def fails(path):
        if path == FILES[3]:
            raise OSError("no picture")
        return squares(path)

    with pytest.raises(OSError, match="no picture"):
        encode_dataset(FILES, tmp_path, segment=fails, shard_size=2, progress=False)
    assert sorted(path.name for path in tmp_path.glob("0*")) == [f"0000{i}-of-00004.json" for i in (0, 2, 3)]
    shards = encode_dataset(FILES, tmp_path, segment=fails, shard_size=2, errors="skip", progress=False)
    data = read(shards)[1]
    assert data["info"] == {"skipped": [{"file_name": FILES[3], "error": "OSError: no picture"}]}
    assert [image["id"] for image in data["images"]] == [3]


def test_no_files(tmp_path):
    assert encode_dataset([], tmp_path, segment=squares) == []


def test_errors(tmp_path):
    with refuses(ValueError, "encode_dataset: format must be 'coco' or 'parquet', got 'csv'"):
        encode_dataset(FILES, tmp_path, segment=squares, format="csv")
    with refuses(ValueError, "encode_dataset: errors must be 'raise' or 'skip', got 'ignore'"):
        encode_dataset(FILES, tmp_path, segment=squares, errors="ignore")
    with refuses(ValueError, "encode_dataset: shard_size must be at least 1, got 0"):
        encode_dataset(FILES, tmp_path, segment=squares, shard_size=0)
    with refuses(ValueError, "encode_dataset: workers must be at least 1, got 0"):
        encode_dataset(FILES, tmp_path, segment=squares, workers=0)
    with refuses(TypeError, "encode_dataset: files must be a sequence of paths, got 'pictures'"):
        encode_dataset("pictures", tmp_path, segment=squares)
    with pytest.raises(TypeError, match="masks must be labels"):
        encode_dataset(FILES, tmp_path, segment=lambda path: np.zeros((2, 2)), progress=False)


def test_progress_is_shown(tmp_path, capsys):
    pytest.importorskip("tqdm")
    encode_dataset(FILES, tmp_path, segment=squares, shard_size=3)
    assert "3/3" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore")
def test_a_worker_that_dies_loses_nothing(tmp_path):
    marker = str(tmp_path / "died")

    def dies_once(path):
        labels = np.zeros((4, int(path)), np.int32)
        if path == "7":
            try:
                os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                return labels + 1
            os.kill(os.getpid(), signal.SIGKILL)
        return labels + 1

    files = [str(side) for side in range(3, 11)]
    shards = encode_dataset(files, tmp_path / "out", segment=dies_once, shard_size=2, workers=2, progress=False)
    assert os.path.exists(marker)
    found = [annotation["area"] for data in read(shards) for annotation in data["annotations"]]
    assert found == [4 * side for side in range(3, 11)]
    assert not list((tmp_path / "out").glob(".*"))


@pytest.mark.filterwarnings("ignore")
def test_a_relative_folder_is_the_caller_s(tmp_path, monkeypatch):
    distributed = importlib.import_module("distributed")
    options = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster):
        monkeypatch.chdir(tmp_path)
        shards = encode_dataset(["3"], "out", segment=lambda path: np.eye(int(path), dtype=np.int32), progress=False)
    assert shards == [tmp_path / "out/00000-of-00001.json"]
    assert [annotation["area"] for annotation in read(shards)[0]["annotations"]] == [3]


# The command


def test_the_command_writes_shards_and_goes_on(tmp_path, capsys, monkeypatch):
    image = pytest.importorskip("PIL.Image")
    pytest.importorskip("click")
    from rapidmask import cli

    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(4):
        picture = np.full((20, 30), 10, np.uint8)
        picture[2 : 6 + i, 3:9] = 200
        image.fromarray(picture).save(folder / f"{i}.png")
    (folder / "4.png").write_bytes(b"no picture")
    command = ["segment", "photos", "--shards", "2", "--out", "shards", "--workers", "1"]
    assert cli.main(command) == 1
    said = capsys.readouterr()
    assert said.out == "4 pictures in 3 files -> shards\n"
    assert said.err == "rapidmask: photos/4.png: cannot be read as a picture (no format that Pillow knows)\n"
    shards = sorted((tmp_path / "shards").glob("*-of-*.json"))
    found = [json.loads(shard.read_text()) for shard in shards]
    assert [annotation["area"] for data in found for annotation in data["annotations"]] == [24, 30, 36, 42]
    assert [entry["file_name"] for entry in found[0]["images"]] == ["photos/0.png", "photos/1.png"]
    for next_step in (["convert", "shards", "--to", "coco", "--out", "whole.json"], ["review", "shards"]):
        assert cli.main([*next_step, "--quiet"]) == 0, capsys.readouterr().err
    assert [one["area"] for one in json.loads(Path("whole.json").read_text())["annotations"]] == [24, 30, 36, 42]
    times = [shard.stat().st_mtime_ns for shard in shards]
    shards[1].unlink()
    assert cli.main([*command, "--quiet"]) == 1
    after = [shard.stat().st_mtime_ns for shard in shards]
    assert (after[0], after[2]) == (times[0], times[2])
    assert after[1] != times[1]
    assert cli.main(["segment", "--shards", "2"]) == 2


@pytest.mark.parametrize("format", ["coco", "parquet"])
def test_the_command_with_two_processes(format, tmp_path, capsys):
    image = pytest.importorskip("PIL.Image")
    if format == "parquet":
        pytest.importorskip("pyarrow")
    from rapidmask import cli

    for i in range(3):
        image.fromarray(np.eye(8 + i, dtype=np.uint8) * 255).save(tmp_path / f"{i}.png")
    out = tmp_path / "shards"
    arguments = ["segment", str(tmp_path), "--shards", "2", "--format", format, "--out", str(out), "--workers", "2"]
    assert cli.main(arguments) == 0
    assert capsys.readouterr().out == f"3 pictures in 2 files -> {out}\n"
    assert len(list(out.glob("0000?-of-00002.*"))) == 2
