"""The command: which files it writes, what they hold, and what it says."""

import importlib.util
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import rapidmask
from rapidmask import cli, io
from rapidmask._sample import sample_picture

METHODS = [
    "otsu", "li", "yen", "isodata", "triangle", "mean", "minimum", "multiotsu", "hysteresis", "local", "adaptive",
    "niblack", "sauvola",
]  # fmt: skip


def squares():
    """Three bright squares on dark ground: of 36 pixels with a hole of 4, of 16, and of 1."""
    image = np.full((24, 32), 20, np.uint8)
    image[2:8, 2:8] = 200
    image[4:6, 4:6] = 20
    image[12:16, 20:24] = 220
    image[20, 5] = 210
    return image


def write(path, image):
    Image.fromarray(image).save(path)
    return str(path)


@pytest.fixture
def picture(tmp_path):
    return write(tmp_path / "squares.png", squares())


def run(capsys, *arguments):
    """Return exit status, stdout and stderr of the command."""
    status = cli.main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def segment(tmp_path, capsys, picture, *arguments, stem="squares"):
    """Segment a picture and return its labels and annotations."""
    out = tmp_path / "out"
    assert run(capsys, "segment", picture, "--out", out, *arguments)[0] == 0
    return io.read_image(out / f"{stem}_labels.png"), json.loads((out / f"{stem}.json").read_text())


# segment


def test_the_files_of_a_picture(tmp_path, capsys, picture):
    out = tmp_path / "new" / "out"
    status, text, errors = run(capsys, "segment", picture, "--out", out)
    assert (status, errors) == (0, "")
    assert sorted(p.name for p in out.iterdir()) == ["squares.json", "squares_labels.png", "squares_overlay.png"]
    assert text.count("\n") == 1
    assert text.startswith("squares.png: otsu, value ")
    assert "3 components, 0.000768 megapixels in " in text
    assert str(out / "squares.json") in text
    overlay = np.asarray(Image.open(out / "squares_overlay.png"))
    assert overlay.shape == (24, 32, 3)
    np.testing.assert_array_equal(overlay[0, 0], [20, 20, 20])  # far from every object


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools with NumPy 2
def test_annotations_are_the_labels(tmp_path, capsys, picture):
    mask = pytest.importorskip("pycocotools.mask")
    labels, coco = segment(tmp_path, capsys, picture)
    assert coco["images"] == [{"id": 1, "file_name": "squares.png", "width": 32, "height": 24}]
    assert coco["categories"] == [{"id": 1, "name": "object"}]
    assert [a["area"] for a in coco["annotations"]] == [32, 16, 1]
    assert [a["bbox"] for a in coco["annotations"]] == [[2, 2, 6, 6], [20, 12, 4, 4], [5, 20, 1, 1]]
    assert [a["id"] for a in coco["annotations"]] == [1, 2, 3]
    for annotation in coco["annotations"]:
        assert isinstance(annotation["segmentation"]["counts"], str)
        np.testing.assert_array_equal(mask.decode(annotation["segmentation"]), labels == annotation["id"])
        assert mask.area(annotation["segmentation"]) == annotation["area"]
        assert mask.toBbox(annotation["segmentation"]).tolist() == annotation["bbox"]


def test_cleaning(tmp_path, capsys, picture):
    _, coco = segment(tmp_path, capsys, picture, "--fill-holes")
    assert [a["area"] for a in coco["annotations"]] == [36, 16, 1]
    _, coco = segment(tmp_path, capsys, picture, "--min-area", 2)
    assert [a["area"] for a in coco["annotations"]] == [32, 16]
    _, coco = segment(tmp_path, capsys, picture, "--fill-holes", "--min-area", 33)
    assert [a["area"] for a in coco["annotations"]] == [36]


def test_invert_swaps_foreground_and_background(tmp_path, capsys, picture):
    bright, _ = segment(tmp_path, capsys, picture)
    dark, coco = segment(tmp_path, capsys, picture, "--invert")
    np.testing.assert_array_equal(dark > 0, bright == 0)
    assert [a["area"] for a in coco["annotations"]] == [24 * 32 - 36 - 16 - 1, 4]


def test_connectivity(tmp_path, capsys):
    image = np.zeros((4, 4), np.uint8)
    image[1, 1] = image[2, 2] = 255
    picture = write(tmp_path / "p.png", image)
    for connectivity, count in ((8, 1), (4, 2)):
        _, coco = segment(tmp_path, capsys, picture, "--connectivity", connectivity, stem="p")
        assert len(coco["annotations"]) == count


@pytest.mark.parametrize("method", METHODS)
def test_every_method(tmp_path, capsys, method):
    picture = write(tmp_path / "cells.png", sample_picture()[:256, :256])
    labels, coco = segment(tmp_path, capsys, picture, "--method", method, "--min-area", 20, stem="cells")
    assert 0 < len(coco["annotations"]) == labels.max()
    assert f"method {method}, " in coco["info"]["description"]


def test_otsu_is_the_library(tmp_path, capsys):
    image = sample_picture()
    picture = write(tmp_path / "cells.png", image)
    labels, _ = segment(tmp_path, capsys, picture, stem="cells")
    expected = rapidmask.label(rapidmask.threshold(image, rapidmask.threshold_otsu(image)))
    np.testing.assert_array_equal(labels, expected)


def test_block_size_and_offset(tmp_path, capsys):
    image = np.random.default_rng(0).integers(0, 256, (40, 40), dtype=np.uint8)
    picture = write(tmp_path / "p.png", image)
    arguments = ("--method", "adaptive", "--block-size", 7, "--offset", -20)
    labels, _ = segment(tmp_path, capsys, picture, *arguments, stem="p")
    np.testing.assert_array_equal(labels > 0, rapidmask.adaptive_threshold(image, 7, offset=-20.0))


def test_shrunk_pictures_give_masks_of_full_size(tmp_path, capsys):
    image = np.zeros((60, 90), np.uint8)
    image[12:24, 12:36] = image[36:48, 60:72] = 200
    for dtype in (np.uint8, np.uint16):
        picture = write(tmp_path / "p.png", image.astype(dtype))
        labels, coco = segment(tmp_path, capsys, picture, "--resize", 30, stem="p")
        assert labels.shape == (60, 90)
        assert [a["area"] for a in coco["annotations"]] == pytest.approx([288, 144], rel=0.25)
        assert ((labels > 0) & (image > 0)).sum() > 0.95 * (image > 0).sum()
        full, _ = segment(tmp_path, capsys, picture, "--resize", 90, stem="p")  # never enlarged
        np.testing.assert_array_equal(full > 0, image > 0)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_denoising(tmp_path, capsys, dtype):
    ndimage = pytest.importorskip("scipy.ndimage")
    rng = np.random.default_rng(0)
    image = np.full((64, 64), 40, np.uint8)
    image[16:48, 16:48] = 160
    image[rng.random(image.shape) < 0.03] = 255
    image[rng.random(image.shape) < 0.03] = 0
    picture = write(tmp_path / "p.png", image.astype(dtype))
    counts = {}
    for options in ((), ("--denoise", "median"), ("--denoise", "gaussian")):
        labels, _ = segment(tmp_path, capsys, picture, *options, stem="p")
        counts[options] = labels.max()
    assert counts["--denoise", "median"] == 1 < counts["--denoise", "gaussian"] < counts[()]
    expected = ndimage.median_filter(image, 3)[1:-1, 1:-1]
    labels, _ = segment(tmp_path, capsys, picture, "--denoise", "median", stem="p")
    np.testing.assert_array_equal(labels[1:-1, 1:-1] > 0, expected > 100)


def test_denoising_deep_pictures_without_scipy(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.ndimage", None)
    picture = write(tmp_path / "p.png", squares().astype(np.uint16))
    status, text, errors = run(capsys, "segment", picture, "--denoise", "median", "--out", tmp_path / "out")
    assert (status, text) == (1, "")
    assert errors == f"rapidmask: {picture}: filtering pictures of uint16 needs SciPy: pip install scipy\n"


def test_colour_is_made_grey(tmp_path, capsys):
    image = np.zeros((8, 8, 3), np.uint8)
    image[1:3, 1:3, 2] = 255  # luma 29
    image[5:7, 5:7, 1] = 255  # luma 150
    labels, _ = segment(tmp_path, capsys, write(tmp_path / "p.png", image), stem="p")
    assert labels[1, 1] == 0
    assert (labels[5:7, 5:7] == 1).all()


def test_sixteen_bits(tmp_path, capsys):
    picture = write(tmp_path / "p.png", squares().astype(np.uint16) * 200)
    labels, _ = segment(tmp_path, capsys, picture, stem="p")
    assert labels.max() == 3


def test_no_component(tmp_path, capsys):
    picture = write(tmp_path / "p.png", np.full((5, 6), 9, np.uint8))
    labels, coco = segment(tmp_path, capsys, picture, "--method", "mean", stem="p")
    assert not labels.any()
    assert coco["annotations"] == []


def test_more_components_than_a_png_holds(tmp_path, capsys):
    image = np.zeros((520, 520), np.uint8)
    image[::2, ::2] = 255
    out = tmp_path / "out"
    picture = write(tmp_path / "p.png", image)
    assert run(capsys, "segment", picture, "--out", out, "--quiet", "--min-area", 2) == (0, "", "")
    assert (out / "p_labels.png").exists()
    assert run(capsys, "segment", picture, "--out", out, "--quiet") == (0, "", "")
    labels = io.read_image(out / "p_labels.tif")
    assert labels.max() == 260 * 260
    assert not (out / "p_labels.png").exists()
    assert len(json.loads((out / "p.json").read_text())["annotations"]) == 260 * 260


def test_all_methods_on_one_sheet(tmp_path, capsys, picture):
    out = tmp_path / "out"
    status, text, errors = run(capsys, "segment", picture, "--method", "all", "--out", out)
    assert (status, errors) == (0, "")
    assert [p.name for p in out.iterdir()] == ["squares_methods.png"]
    assert [line.split(": ")[1].split(",")[0] for line in text.splitlines()[:-1]] == METHODS
    sheet = np.asarray(Image.open(out / "squares_methods.png"))
    assert sheet.shape[1] > 5 * 300
    assert len(np.unique(sheet.reshape(-1, 3), axis=0)) > 50


def test_a_method_that_finds_nothing(tmp_path, capsys):
    picture = write(tmp_path / "flat.png", np.full((16, 16), 100, np.uint8))
    out = tmp_path / "out"
    status, text, errors = run(capsys, "segment", picture, "--method", "all", "--out", out)
    assert (status, errors) == (0, "")
    assert "flat.png: minimum, no threshold: " in text
    assert (out / "flat_methods.png").exists()
    status, text, errors = run(capsys, "segment", picture, "--method", "minimum", "--out", out)
    assert (status, text) == (1, "")
    assert errors.startswith(f"rapidmask: {picture}: threshold_minimum: ")
    assert errors.count("\n") == 1


def test_the_sample(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, text, errors = run(capsys, "segment")
    assert (status, errors) == (0, "")
    out = tmp_path / "rapidmask-out"
    names = ["sample.json", "sample.png", "sample_labels.png", "sample_overlay.png"]
    assert sorted(p.name for p in out.iterdir()) == names
    first, second = text.splitlines()
    assert first == f"No picture was given, so a sample was drawn: {os.path.join('rapidmask-out', 'sample.png')}"
    assert second.startswith("sample.png: otsu, ")
    np.testing.assert_array_equal(io.read_image(out / "sample.png"), sample_picture())
    assert 30 < len(json.loads((out / "sample.json").read_text())["annotations"]) < 200


def test_directories(tmp_path, capsys):
    folder = tmp_path / "in"
    (folder / "below").mkdir(parents=True)
    for name in ("b.PNG", "a.jpg", ".hidden.png", "below/c.png"):
        write(folder / name, squares())
    (folder / "notes.txt").write_text("none")
    status, text, _ = run(capsys, "segment", folder, "--out", tmp_path / "out")
    assert status == 0
    assert [line.split(":")[0] for line in text.splitlines()] == ["a.jpg", "b.PNG"]
    (tmp_path / "empty").mkdir()
    status, text, errors = run(capsys, "segment", tmp_path / "empty", "--out", tmp_path / "out")
    assert (status, text, errors) == (1, "", f"rapidmask: {tmp_path / 'empty'}: no pictures in this folder\n")


def test_into_the_same_folder_twice(tmp_path, capsys, picture):
    for _ in range(2):
        status, text, errors = run(capsys, "segment", tmp_path, "--out", tmp_path)
        assert (status, errors, text.count("\n")) == (0, "", 1)
    names = ["squares.json", "squares.png", "squares_labels.png", "squares_overlay.png"]
    assert sorted(p.name for p in tmp_path.iterdir()) == names
    assert run(capsys, "segment", tmp_path / "squares_labels.png", "--out", tmp_path)[0] == 0  # as it is named


def test_same_stems(tmp_path, capsys):
    pictures = []
    for name, shift in (("a/p.png", 0), ("b/p.png", 1), ("b/p_2.png", 2), ("b/P.jpg", 3)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        pictures.append(write(tmp_path / name, np.roll(squares(), shift, axis=1)))
    out = tmp_path / "out"
    assert run(capsys, "segment", *pictures, "--out", out)[0] == 0
    stems = {p.stem: json.loads(p.read_text())["images"][0]["file_name"] for p in out.glob("*.json")}
    assert stems == {"p": "p.png", "p_2": "p.png", "p_2_2": "p_2.png", "P_3": "P.jpg"}
    assert len(list(out.iterdir())) == 12


def test_a_picture_is_never_overwritten(tmp_path, capsys):
    pictures = [write(tmp_path / name, squares()) for name in ("p.png", "p_labels.png")]
    before = (tmp_path / "p_labels.png").read_bytes()
    assert run(capsys, "segment", *pictures, "--out", tmp_path)[0] == 0
    assert (tmp_path / "p_labels.png").read_bytes() == before
    assert (tmp_path / "p_2_labels.png").exists()


def test_files_that_are_no_pictures(tmp_path, capsys, picture):
    bad = tmp_path / "notes.png"
    bad.write_text("no picture")
    out = tmp_path / "out"
    status, text, errors = run(capsys, "segment", bad, tmp_path / "missing.png", picture, "--out", out)
    assert status == 1
    assert text.startswith("squares.png: otsu")
    assert errors.splitlines() == [
        f"rapidmask: {bad}: cannot be read as a picture (no format that Pillow knows)",
        f"rapidmask: {tmp_path / 'missing.png'}: {os.strerror(2)}",
    ]
    assert (out / "squares.json").exists()
    assert not (out / "notes.json").exists()


def test_an_output_directory_that_cannot_be(tmp_path, capsys, picture):
    status, text, errors = run(capsys, "segment", picture, "--out", picture)
    assert (status, text) == (1, "")
    assert errors == f"rapidmask: {picture}: {os.strerror(17)}\n"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_output_directory(tmp_path, capsys, picture):
    out = tmp_path / "out"
    out.mkdir(mode=0o500)
    status, text, errors = run(capsys, "segment", picture, "--out", out)
    assert (status, text) == (1, "")
    assert errors.count("\n") == 1
    assert os.strerror(13) in errors


def test_quiet(tmp_path, capsys, picture):
    assert run(capsys, "segment", picture, "--out", tmp_path / "out", "--quiet") == (0, "", "")
    assert (tmp_path / "out" / "squares.json").exists()


def test_a_bar_over_many_pictures_where_someone_looks(tmp_path, capsys, monkeypatch, picture):
    pytest.importorskip("tqdm")
    other = write(tmp_path / "other.png", squares())
    out = tmp_path / "out"
    assert run(capsys, "segment", picture, other, "--out", out)[2] == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert run(capsys, "segment", picture, "--out", out)[2] == ""
    status, text, errors = run(capsys, "segment", picture, other, "--out", out)
    assert status == 0
    assert text.count("\n") == 2
    assert "2/2" in errors or "1/2" in errors


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["segment", "--method", "guess"], "Invalid value for '--method' / '-m': 'guess' is not one of 'otsu', "),
        (["segment", "--connectivity", "6"], "Invalid value for '--connectivity': '6' is not one of '4', '8'"),
        (["segment", "--block-size", "4"], "Invalid value for '--block-size': must be odd, got 4"),
        (["segment", "--min-area", "-1"], "Invalid value for '--min-area': -1 is not in the range x>=0"),
        (["segment", "--min-area", "many"], "Invalid value for '--min-area': 'many' is not a valid integer"),
        (["label"], "Missing argument 'PICTURE...'"),
        (["convert", "a.json", "--to", "coco", "--accepted-only"], "--accepted-only needs --decisions"),
        (["paint"], "No such command 'paint'"),
    ],
)
def test_wrong_arguments(capsys, arguments, text):
    status, out, errors = run(capsys, *arguments)
    assert (status, out) == (2, "")
    assert text in errors


def test_missing_pillow(tmp_path, capsys, monkeypatch, picture):
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.delitem(sys.modules, "PIL.Image")
    status, text, errors = run(capsys, "segment", picture, "--out", tmp_path / "out")
    assert (status, text) == (1, "")
    assert errors == 'rapidmask: reading and writing pictures needs Pillow: install rapidmask with its extra "cli"\n'
    assert not (tmp_path / "out").exists()
    assert run(capsys, "info")[0] == 0


# info


def test_info(capsys):
    status, text, errors = run(capsys, "info")
    assert (status, errors) == (0, "")
    shown = {line.split("  ")[0]: line.split("  ")[-1].strip() for line in text.splitlines()}
    assert shown["rapidmask"] == rapidmask.__version__
    assert shown["NumPy"] == np.__version__
    assert shown["instruction level"] == f"{rapidmask.isa()} (of {', '.join(rapidmask.isa_levels())})"
    assert shown["threads"] == str(rapidmask.get_num_threads())


@pytest.mark.parametrize(
    ("status", "text"),
    [
        ({"built": False, "devices": [], "error": None}, "not built"),
        ({"built": True, "devices": [], "error": "no driver"}, "built, no device (no driver)"),
        ({"built": True, "devices": ["A", "B"], "error": None}, "A, B"),
    ],
)
def test_info_about_cuda(capsys, monkeypatch, status, text):
    monkeypatch.setattr("rapidmask.cli.info.cuda_status", lambda: status)
    assert run(capsys, "info")[1].splitlines()[-1].split("  ")[-1].strip() == text


def test_as_a_module_and_from_its_version():
    def command(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "rapidmask", *arguments], capture_output=True, text=True, check=False
        )

    assert command("--version").stdout == f"rapidmask {rapidmask.__version__}\n"
    assert command("info").returncode == 0
    wrong = command("segment", "no-such-picture.png", "--out", os.devnull)
    assert wrong.returncode == 1
    assert "Traceback" not in wrong.stderr
    assert importlib.util.find_spec("rapidmask.__main__") is not None


def test_info_imports_neither_pillow_nor_tqdm():
    code = "import sys; sys.modules['PIL'] = sys.modules['tqdm'] = None; from rapidmask.cli import main; main(['info'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
