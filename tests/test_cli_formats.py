"""The commands about masks that are there: convert, overlay, evaluate, label; and the examples of every help text."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import PurePosixPath

import click
import numpy as np
import pytest
from PIL import Image

import rapidmask
from rapidmask import _files, _formats, cli, io
from rapidmask._review import REVIEW

LOSSLESS = ["coco", "labels", "masks", "panoptic", "pipeline"]


def run(capsys, *arguments):
    """Return exit status, stdout and stderr of the command."""
    status = cli.main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def maps():
    """Two maps of labels, of different sizes: the first has a hole and touching objects."""
    first = np.zeros((20, 30), np.uint8)
    first[2:10, 2:10] = 1
    first[4:6, 4:6] = 0
    first[2:10, 10:15] = 2
    first[15:18, 20:29] = 3
    second = np.zeros((9, 70), np.uint8)
    second[:, 63:66] = 1
    return {"a": first, "b": second}


@pytest.fixture
def folder(tmp_path):
    """A folder of pictures and one COCO JSON about them, with classes, scores and a crowd."""
    images, annotations = [], []
    (tmp_path / "photos").mkdir()
    for i, (name, labels) in enumerate(maps().items(), 1):
        Image.fromarray(labels * 60).save(tmp_path / "photos" / f"{name}.png")
        images.append({"id": i, "file_name": f"{name}.png", "height": labels.shape[0], "width": labels.shape[1]})
        count = int(labels.max())
        annotations += io.coco_annotations(
            labels, image_id=i, category_id=[7, 9, 7][:count], first_id=len(annotations) + 1
        )
    categories = [{"id": 7, "name": "cat & dog"}, {"id": 9, "name": "../tree"}]
    io.write_coco(tmp_path / "annotations.json", images, annotations, categories)
    return tmp_path


def masks_of(path):
    """What a COCO JSON holds: by picture, the class and pixels of each mask."""
    content = json.loads(path.read_text())
    names = {category["id"]: category["name"] for category in content["categories"]}
    found = {}
    for image in content["images"]:
        listed = [one for one in content["annotations"] if one["image_id"] == image["id"]]
        masks = io.masks_from_coco(listed, (image["height"], image["width"])).to_dense()
        found[image["file_name"].rpartition(".")[0]] = [
            (names[one["category_id"]], mask.tobytes()) for one, mask in zip(listed, masks, strict=True)
        ]
    return found


# convert


@pytest.mark.parametrize("kind", ["coco", "masks", "panoptic", "pipeline", "polygons", "labelme"])
def test_there_and_back(folder, capsys, kind):
    between = folder / "between"
    status, text, errors = run(capsys, "convert", folder / "annotations.json", "--to", kind, "--out", between)
    assert (status, errors) == (0, "")
    assert text.startswith("4 masks of 2 pictures -> ")
    given = between / "panoptic.json" if kind == "panoptic" else between
    options = ("--from", "masks") if kind == "masks" else ()
    back = folder / "back.json"
    assert run(capsys, "convert", given, *options, "--to", "coco", "--out", back, "--quiet") == (0, "", "")
    expected, found = masks_of(folder / "annotations.json"), masks_of(back)
    if kind in LOSSLESS:
        assert found == expected
    else:  # outlines fill the hole
        assert [name for name, _ in found["a"]] == [name for name, _ in expected["a"]]
        assert found["b"] == expected["b"]
        assert np.frombuffer(found["a"][0][1], bool).sum() == 64


def test_labels_are_objects_or_classes(folder, capsys):
    out = folder / "out"
    assert run(capsys, "convert", folder / "annotations.json", "--to", "labels", "--out", out)[0] == 0
    np.testing.assert_array_equal(io.read_labels(out / "a.png"), maps()["a"])
    assert (
        run(capsys, "convert", folder / "annotations.json", "--to", "labels", "--values", "classes", "-o", out)[0] == 0
    )
    np.testing.assert_array_equal(io.read_labels(out / "a.png"), np.array([0, 7, 9, 7])[maps()["a"]])
    (folder / "names.txt").write_text("nothing\n" * 7 + "cat\n\ntree\n")
    arguments = ("--values", "classes", "--names", folder / "names.txt", "--to", "coco", "--out", folder / "c.json")
    assert run(capsys, "convert", out / "a.png", *arguments)[0] == 0
    assert [name for name, _ in masks_of(folder / "c.json")["a"]] == ["cat", "tree"]


def test_overlaps_go_to_the_higher_score_else_to_the_smaller(tmp_path, capsys):
    masks = np.zeros((2, 4, 4), bool)
    masks[0, :3], masks[1, 2:, :2] = True, True
    for scores, owner in (([0.9, 0.3], 1), ([0.3, 0.9], 2), ([None, None], 2)):
        io.write_json(tmp_path / "p.json", io.pipeline_records(masks, "x", scores))
        assert run(capsys, "convert", tmp_path / "p.json", "--to", "labels", "--out", tmp_path)[0] == 0
        assert io.read_labels(tmp_path / "p.png")[2, 0] == owner


def test_a_palette_is_not_looked_up_for_labels(tmp_path, capsys):
    picture = Image.fromarray(np.array([[0, 1], [3, 1]], np.uint8), mode="P")
    picture.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0])
    picture.save(tmp_path / "voc.png")
    out = tmp_path / "c.json"
    assert run(capsys, "convert", tmp_path / "voc.png", "--values", "classes", "--to", "coco", "--out", out)[0] == 0
    assert [name for name, _ in masks_of(out)["voc"]] == ["1", "3"]


def test_classes_of_two_files_that_number_them_alike(tmp_path, capsys):
    for name, category in (("a", "cat"), ("b", "dog")):
        images = [{"id": 1, "file_name": f"{name}.png", "height": 2, "width": 3}]
        annotations = io.coco_annotations(np.ones((1, 2, 3), bool))
        io.write_coco(tmp_path / f"{name}.json", images, annotations, [{"id": 1, "name": category}])
    assert run(capsys, "convert", tmp_path, "--to", "coco", "--out", tmp_path / "all.json")[0] == 0
    content = json.loads((tmp_path / "all.json").read_text())
    assert content["categories"] == [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
    assert [one["category_id"] for one in content["annotations"]] == [1, 2]
    assert len({one["id"] for one in content["annotations"]}) == 2


def test_ids_are_kept_where_they_differ(folder, capsys):
    content = json.loads((folder / "annotations.json").read_text())
    for image in content["images"]:
        image["id"] += 1000
    for annotation in content["annotations"]:
        annotation["image_id"] += 1000
        annotation["id"] *= 7
    io.write_json(folder / "annotations.json", content)
    assert run(capsys, "convert", folder / "annotations.json", "--to", "polygons", "-o", folder / "p.json")[0] == 0
    found = json.loads((folder / "p.json").read_text())
    assert found["images"] == content["images"]
    for annotation, other in zip(found["annotations"], content["annotations"], strict=True):
        assert [annotation[key] for key in ("id", "image_id")] == [other[key] for key in ("id", "image_id")]


@pytest.mark.parametrize("name", ["../../outside.png", "/outside.png", "..\\..\\outside.png", "a/../../../outside.png"])
def test_names_lead_nowhere_else(tmp_path, capsys, name):
    images = [{"id": 1, "file_name": name, "height": 2, "width": 3}]
    (tmp_path / "x/y").mkdir(parents=True)
    path = tmp_path / "x/y/c.json"
    io.write_coco(path, images, io.coco_annotations(np.ones((1, 2, 3), bool)), [{"id": 1, "name": "../../../up"}])
    for kind in ("labels", "masks", "panoptic", "labelme"):
        assert run(capsys, "convert", path, "--to", kind, "--out", tmp_path / "x/y/out")[0] == 0
    assert sorted(os.listdir(tmp_path)) == ["x"]
    assert sorted(os.listdir(tmp_path / "x")) == ["y"]
    assert sorted(os.listdir(tmp_path / "x/y")) == ["c.json", "out"]


def test_files_that_hold_no_masks(folder, capsys):
    bad = {
        "broken.json": "{",
        "other.json": "{}",
        "null.json": "null",
        "error.json": '{"error": "Model is loading"}',
        "size.json": '{"images": [{"id": 1, "file_name": "a", "height": "9", "width": 1}], "annotations": []}',
        "lost.json": '{"images": [], "annotations": [{"image_id": 5}]}',
        "runs.json": '{"images": [{"id": 1, "file_name": "a", "height": 2, "width": 2}], "annotations": '
        '[{"image_id": 1, "segmentation": {"size": [2, 2], "counts": [3, 9]}}]}',
        "deep.json": "[" * 100_000,
    }
    (folder / "bad").mkdir()
    for name, text in bad.items():
        (folder / "bad" / name).write_text(text)
    shutil.copy(folder / "annotations.json", folder / "bad/good.json")
    status, text, errors = run(capsys, "convert", folder / "bad", "--to", "coco", "--out", folder / "all.json")
    assert status == 1
    lines = errors.splitlines()
    assert sorted(line.split(": ")[1].rpartition("/")[2] for line in lines) == sorted(bad)
    assert all(len(line) < 400 for line in lines)
    assert "Model is loading" in errors
    assert text.startswith("4 masks of 2 pictures")


def test_damaged_files_of_masks_raise_what_can_be_told(folder, rng):
    """Values of JSON replaced at random: what is wrong is a ValueError or TypeError, or nothing is."""
    label = io.labelme_record(maps()["a"].astype(np.int32), "x")
    pipeline = io.pipeline_records(maps()["a"].astype(np.int32), "x")
    contents = [json.loads((folder / "annotations.json").read_text()), label, pipeline]
    values = [None, -1, 0, 2**63, 1e308, "", "a", "\0/..", [], [[]], {}, [None], {"size": [2, 2], "counts": "?"}, True]

    def places(value, path=()):
        yield path
        entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, inner in entries:
            yield from places(inner, (*path, key))

    path = folder / "damaged.json"
    found = set()
    for _ in range(400):
        content = json.loads(json.dumps(contents[rng.integers(3)]))
        options = [place for place in places(content) if place]
        *way, last = options[rng.integers(len(options))]
        inner = content
        for key in way:
            inner = inner[key]
        inner[last] = values[rng.integers(len(values))]
        path.write_text(json.dumps(content))
        try:
            _formats.read([_files.Found(path, PurePosixPath(path.name))])
            found.add(None)
        except (ValueError, TypeError, OverflowError, MemoryError) as error:
            found.add(type(error))
    assert {None, ValueError} <= found


# overlay


def test_overlay_finds_pictures(folder, capsys):
    out = folder / "out"
    status, text, errors = run(
        capsys, "overlay", folder / "annotations.json", "--images", folder / "photos", "--out", out
    )
    assert (status, errors) == (0, "")
    assert text == f"a.png: 3 masks -> {out / 'a_overlay.png'}\nb.png: 1 mask -> {out / 'b_overlay.png'}\n"
    expected = rapidmask.overlay(
        maps()["a"] * np.uint8(60), np.where(maps()["a"] == 0, 0, maps()["a"]).astype(np.int32)
    )
    np.testing.assert_array_equal(io.read_image(out / "a_overlay.png"), expected)
    os.remove(folder / "photos/a.png")
    status, text, errors = run(
        capsys, "overlay", folder / "annotations.json", "--images", folder / "photos", "--out", out
    )
    assert (status, text.count("\n")) == (1, 1)
    assert errors.count("\n") == 1
    assert "no picture a.png in " in errors


def test_overlay_of_what_segment_wrote(folder, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    assert run(capsys, "segment", "photos", "--quiet")[0] == 0
    status, text, _ = run(capsys, "overlay", "rapidmask-out", "--out", "painted")
    assert (status, text.count("\n")) == (0, 2)
    assert run(capsys, "convert", "rapidmask-out", "--to", "coco", "--out", "all.json")[0] == 0
    assert run(capsys, "overlay", "all.json", "--out", "again")[0] == 0


# evaluate


def test_measures_by_eye(tmp_path, capsys):
    wanted, predicted = np.zeros((4, 8), np.uint8), np.zeros((4, 8), np.uint8)
    wanted[:, :4], predicted[:, :3] = 1, 1  # 12 of 16
    wanted[3, 7] = 255
    Image.fromarray(wanted).save(tmp_path / "w.png")
    Image.fromarray(predicted).save(tmp_path / "p.png")
    report = tmp_path / "r.json"
    arguments = (tmp_path / "p.png", tmp_path / "w.png", "--ignore", "255", "--json", report)
    status, text, errors = run(capsys, "evaluate", *arguments)
    assert (status, errors) == (0, "")
    lines = [line.split() for line in text.splitlines()]
    assert lines[2] == ["1", "0.7500", "0.8571", "0.5714", "0.7500", "0.7500", "1.0000"]
    assert lines[-1] == ["1", "picture,", "87.10%", "of", "pixels", "right"]
    table = json.loads(report.read_text())
    assert table["classes"]["background"]["iou"] == pytest.approx(15 / 19)
    assert table["mean"]["iou"] == pytest.approx((0.75 + 15 / 19) / 2)
    assert table["classes"]["background"]["pq"] is None
    assert run(capsys, "evaluate", tmp_path / "w.png", tmp_path / "w.png", "--json", "-")[1].startswith("{\n")


def data_set(path, names, masks):
    annotations = [io.coco_annotations(mask, image_id=i, first_id=i * 10)[0] for i, mask in enumerate(masks, 1)]
    images = [{"id": i, "file_name": name, "width": 12, "height": 10} for i, name in enumerate(names, 1)]
    io.write_coco(path, images, annotations, [{"id": 1, "name": "a"}])
    return path


@pytest.mark.parametrize(
    ("predicted", "wanted"),
    [
        (("photos/x/a.png", "photos/y/a.png"), ("x/a.png", "y/a.png")),
        (("a.png", "a.jpg"), ("a.png", "a.jpg")),
        (("scan.0001", "scan.0002"), ("scan.0001", "scan.0002")),
        (("b.png", "a.png"), ("x/b.jpg", "y/a.jpg")),
        (("b.json", "a.json"), ("b.png", "a.png")),
    ],
)
def test_pictures_are_compared_with_their_own(tmp_path, capsys, predicted, wanted):
    masks = np.zeros((2, 10, 12), bool)
    masks[0, 1:4, 1:4] = masks[1, 5:9, 2:11] = True
    first = data_set(tmp_path / "p.json", predicted, masks)
    second = data_set(tmp_path / "w.json", wanted, masks)
    table = json.loads(run(capsys, "evaluate", first, second, "--json", "-")[1])
    assert table["mean"]["iou"] == 1
    ambiguous = data_set(tmp_path / "q.json", ("x/s.png", "y/s.png"), masks)
    third = data_set(tmp_path / "v.json", ("s.png", "t.png"), masks)
    status, _, errors = run(capsys, "evaluate", ambiguous, third)
    assert status == 1
    assert "by which they are told apart" in errors


def test_classes_that_a_map_cannot_hold_are_refused(tmp_path, capsys):
    masks = np.zeros((2, 10, 12), bool)
    masks[0, 1:4, 1:4] = masks[1, 5:9, 2:11] = True
    for number in (0, 2**32 + 1, 2**70, -1):
        annotations = io.coco_annotations(masks, category_id=[number, 1])
        path = tmp_path / "c.json"
        categories = [{"id": number, "name": "cat"}, {"id": 1, "name": "dog"}]
        io.write_coco(path, [{"id": 1, "file_name": "a.png", "width": 12, "height": 10}], annotations, categories)
        arguments = ("convert", path, "--to", "labels", "--values", "classes", "--out", tmp_path / "maps")
        status, _, errors = run(capsys, *arguments)
        assert status == 1
        assert f"must have numbers from 1 to 2147483647, since 0 is background, got {number} for 'cat'" in errors


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_scores_that_are_no_numbers_name_the_file(tmp_path, capsys, number):
    annotations = io.coco_annotations(np.ones((2, 3, 4), bool))
    annotations[1]["score"] = "X"
    path = tmp_path / "c.json"
    io.write_coco(path, [{"id": 1, "file_name": "a.png", "width": 4, "height": 3}], annotations, [])
    path.write_text(path.read_text().replace('"X"', number))
    pipeline = tmp_path / "p.json"
    io.write_json(pipeline, io.pipeline_records(np.ones((1, 3, 4), bool), ["cat"], [0.5]))
    pipeline.write_text(pipeline.read_text().replace("0.5", number))
    for given, place in ((path, "annotations[1]"), (pipeline, "masks_from_pipeline: results[0]")):
        status, _, errors = run(capsys, "convert", given, "--to", "coco", "--out", tmp_path / "out.json")
        assert status == 1
        value = "nan" if number == "NaN" else "inf"
        assert f"{given}: {place} must have a score that is a finite number, got {value}" in errors
        assert not (tmp_path / "out.json").exists()


def test_converting_twice_into_the_folder_doubles_nothing(folder, capsys):
    counts = [
        run(capsys, "convert", folder, "--to", "coco", "--out", folder)[1].split(" masks")[0].split()[-1]
        for _ in range(3)
    ]
    assert len(set(counts)) == 1


def test_masks_that_a_folder_has_twice_are_read_once(tmp_path, capsys):
    """As `segment` and then `convert` wrote them into it."""
    folder = tmp_path / "out"
    for name in ("a", "b", "z"):
        mask = np.zeros((1, 5, 6), bool)
        mask[0, 1:3, 2:4] = True
        (tmp_path / "in").mkdir(exist_ok=True)
        Image.fromarray(mask[0].astype(np.uint8)).save(tmp_path / "in" / f"{name}.png")
        image = {"id": 1, "file_name": f"{name}.png", "height": 5, "width": 6}
        folder.mkdir(exist_ok=True)
        io.write_coco(folder / f"{name}.json", [image], io.coco_annotations(mask), [], info={"pictures": "../in"})
    assert run(capsys, "convert", folder, "--to", "coco", "--out", folder)[0] == 0
    status, text, errors = run(capsys, "review", folder)
    assert (status, text.split(" of ")[0]) == (1, "3 masks")
    wanted = f"{folder}/annotations.json: left out 3 pictures whose masks are in other files here, too"
    assert errors.splitlines() == [f"rapidmask: {wanted}"]
    named = run(
        capsys, "convert", folder / "annotations.json", folder / "a.json", "--to", "coco", "--out", tmp_path / "c.json"
    )
    assert (named[0], named[1].split(" of ")[0]) == (0, "4 masks")


def test_sides_without_a_class_in_common_are_told_of(tmp_path, capsys):
    labels = np.zeros((6, 8), np.uint8)
    labels[1:4, 2:6] = 7
    Image.fromarray(labels).save(tmp_path / "a.png")
    image = {"id": 1, "file_name": "a.png", "height": 6, "width": 8}
    io.write_coco(tmp_path / "a.json", [image], io.coco_annotations(labels), [{"id": 1, "name": "cat"}])
    status, _, errors = run(capsys, "evaluate", tmp_path / "a.png", tmp_path / "a.json")
    assert status == 1
    assert errors == (
        "rapidmask: no class is in both: 7 are predicted, cat wanted; --values and --names tell what maps hold\n"
    )


def test_folders_are_not_named_as_files(tmp_path, capsys):
    Image.fromarray(np.ones((3, 4), np.uint8)).save(tmp_path / "a.png")
    status, _, errors = run(capsys, "convert", tmp_path / "a.png", "--to", "pipeline", "--out", tmp_path / "x.json")
    assert status == 2
    assert f"--out must be a folder with --to pipeline, got {tmp_path}/x.json" in errors
    assert not (tmp_path / "x.json").exists()


def test_measures_are_the_library_s(tmp_path, capsys, rng):
    for side in ("p", "w"):
        (tmp_path / side).mkdir()
    matrix = rapidmask.ConfusionMatrix(4)
    quality = rapidmask.PanopticQuality(range(1, 4))
    for i in range(5):
        coarse = rng.integers(0, 4, (2, 6, 9), dtype=np.uint8)
        coarse[1] = np.where(rng.random((6, 9)) < 0.7, coarse[0], coarse[1])
        predicted, wanted = coarse.repeat(8, axis=1).repeat(8, axis=2)
        Image.fromarray(predicted).save(tmp_path / "p" / f"{i}_labels.png")
        Image.fromarray(wanted).save(tmp_path / "w" / f"{i}.png")
        matrix.update(predicted, wanted)
        segments = [{int(v): int(v) for v in np.unique(one) if v} for one in (predicted, wanted)]
        quality.update(predicted, segments[0], wanted, segments[1])
    status, text, _ = run(capsys, "evaluate", tmp_path / "p", tmp_path / "w", "--json", "-", "-j", 2)
    assert status == 0
    table = json.loads(text)
    assert table["pictures"] == 5
    assert table["mean"]["iou"] == pytest.approx(matrix.mean_iou())
    assert table["mean"]["dice"] == pytest.approx(matrix.mean_dice())
    assert table["mean"]["pq"] == pytest.approx(quality.compute().pq)
    assert [table["classes"][name]["iou"] for name in ("background", "1", "2", "3")] == pytest.approx(matrix.iou())


def test_instances_of_files_of_any_format(folder, capsys):
    between = folder / "p"
    assert run(capsys, "convert", folder / "annotations.json", "--to", "panoptic", "--out", between)[0] == 0
    arguments = (between / "panoptic.json", folder / "annotations.json", "--json", "-")
    table = json.loads(run(capsys, "evaluate", *arguments)[1])
    assert set(table["classes"]) == {"background", "cat & dog", "../tree"}
    assert all(value == 1 for value in table["mean"].values())


def test_pictures_without_a_prediction(tmp_path, capsys):
    for name in ("p/a", "w/a", "w/b"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(maps()["a"]).save(tmp_path / f"{name}.png")
    status, text, errors = run(capsys, "evaluate", tmp_path / "p", tmp_path / "w")
    assert (status, errors) == (1, f"rapidmask: {tmp_path / 'w/b.png'}: no prediction for b.png\n")
    assert text.splitlines()[-1].startswith("1 picture, 100.00%")
    Image.fromarray(maps()["b"]).save(tmp_path / "p/a.png")
    status, text, errors = run(capsys, "evaluate", tmp_path / "p", tmp_path / "w")
    assert status == 1
    assert "masks must be of one size, got (9, 70) and (20, 30)" in errors


# label


def test_label(tmp_path, capsys):
    mask = np.zeros((10, 12), np.uint8)
    mask[1:4, 1:4] = 200
    mask[2, 2] = 0
    mask[6:8, 6:9] = 90
    mask[9, 11] = 1
    Image.fromarray(mask).save(tmp_path / "m.png")
    status, text, _ = run(capsys, "label", tmp_path / "m.png", "--out", tmp_path)
    assert status == 0
    assert text.startswith("m.png: 3 components, areas 1 to 8, median 6 -> ")
    np.testing.assert_array_equal(io.read_labels(tmp_path / "m_labels.png"), rapidmask.label(mask > 0))
    arguments = ("--above", 80, "--fill-holes", "--min-area", 7, "--out", tmp_path)
    assert run(capsys, "label", tmp_path / "m.png", *arguments)[1].startswith("m.png: 1 component, areas 9 to 9, ")


# completion, bench and help


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell, capsys):
    status, text, _ = run(capsys, "completion", shell)
    assert status == 0
    assert f"_RAPIDMASK_COMPLETE={shell}_complete" in text


def test_commands_and_options_are_completed():
    def completed(words, count):
        found = subprocess.run(
            [sys.executable, "-m", "rapidmask"],
            env={**os.environ, "_RAPIDMASK_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(count)},
            capture_output=True, text=True, check=False,
        ).stdout  # fmt: skip
        return {line.partition(",")[2] for line in found.splitlines()}

    assert completed("rapidmask con", 1) == {"convert"}
    assert "panoptic" in completed("rapidmask convert --to pan", 3)


def test_bench_needs_a_checkout(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("rapidmask.cli.bench.__file__", str(tmp_path / "a/b/c/d.py"))
    monkeypatch.chdir(tmp_path)
    status, _, errors = run(capsys, "bench")
    assert (status, errors.count("\n")) == (1, 1)
    assert "run `rapidmask bench` in a checkout" in errors
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "benchmarks/report.py").write_text("import sys; sys.exit(len(sys.argv))")
    found = run(capsys, "bench", "--help", "-x")
    assert found == (3, "", "")


def examples():
    """Every line of the examples that help texts print."""
    from rapidmask.cli._app import command

    context = click.Context(command)
    for name in command.list_commands(context):
        text = command.get_command(context, name).make_context(name, [], resilient_parsing=True).get_help()
        found = re.findall(r"^ +(?:eval \"\$\()?(rapidmask [^)>\n]*)", text.partition("Example")[2], re.MULTILINE)
        assert found, f"{name} has no example"
        yield from (line.strip() for line in found if not line.startswith("rapidmask bench"))


@pytest.fixture
def workplace(folder, monkeypatch):
    """A folder with all that the examples name."""
    monkeypatch.chdir(folder)
    for name in ("scan.png", "mask.png", "street.jpg", "photo.jpg", "found_labels.png", "true_labels.png"):
        Image.fromarray(maps()["a"]).save(name)
    for name in ("masks", "class-maps", "predicted-maps", "true-maps"):
        os.mkdir(name)
        Image.fromarray(maps()["a"]).save(f"{name}/a.png")
    shutil.copy("annotations.json", "predicted.json")
    (folder / "names.txt").write_text("none\ncat\ndog\n")
    assert cli.main(["segment", "photos", "--quiet"]) == 0
    decision = {"file": "a.json", "name": "a.png", "id": 1, "decision": "accept", "label": "cell"}
    io.write_json("decisions.json", {"kind": REVIEW, "decisions": [decision]})

    class Pipeline:
        model = type("Model", (), {"config": type("Config", (), {"id2label": {0: "road"}})})

        def __call__(self, picture, **options):
            mask = np.ones((picture.height, picture.width), bool)
            if options:
                return {"masks": [mask], "scores": [0.9]}
            return [{"label": "road", "score": None, "mask": mask}]

    import contextlib

    monkeypatch.setattr("rapidmask.cli._model._pipeline", lambda *_: contextlib.nullcontext(Pipeline()))
    return folder


@pytest.mark.parametrize("line", list(examples()))
def test_examples_of_help_run(workplace, capsys, line):
    status, _, errors = run(capsys, *shlex.split(line)[1:])
    assert (status, errors) == (0, "")


def test_without_click():
    code = "import sys; sys.modules['click'] = None; from rapidmask.cli import main; sys.exit(main(['info']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == 'rapidmask: the command needs click: install rapidmask with its extra "cli"\n'
