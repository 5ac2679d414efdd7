"""The commands that run models: small ones of random weights, saved to a folder and loaded as a user's are."""

import json
import socket
import sys

import numpy as np
import pytest
import skimage.data

import rapidmask
from rapidmask import cli, io

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
Image = pytest.importorskip("PIL.Image")

from compat.test_transformers_pipelines import mask2former, sam, segformer  # noqa: E402
from compat.transformers_models import module_of, one_thread  # noqa: E402, F401

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
    pytest.mark.usefixtures("one_thread"),
]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A folder with a folder for each model."""
    folder = tmp_path_factory.mktemp("models")
    for make in (sam, segformer, mask2former):
        torch.manual_seed(7)  # of these weights SAM's masks differ
        model, owner, options = make()
        module, _, name = owner.partition(":")
        with torch.no_grad():
            for path, weights in model.named_parameters():
                if weights.ndim > 1:
                    weights.normal_(std=1 if "embed" in path else 1.5 / weights[0].numel() ** 0.5)
                elif "hypernetworks" in path or "upscale" in path:
                    weights.normal_(std=3)
        model.eval().save_pretrained(folder / make.__name__)
        getattr(module_of(module), name)(**options).save_pretrained(folder / make.__name__)
    return folder


@pytest.fixture
def picture(tmp_path):
    Image.fromarray(skimage.data.coins()[:120, :200]).save(tmp_path / "coins.png")
    return tmp_path / "coins.png"


def run(capsys, *arguments):
    status = cli.main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def found_in(folder):
    """The annotations, their masks, the names of classes, and the map of labels."""
    content = json.loads((folder / "coins.json").read_text())
    masks = io.masks_from_coco(content["annotations"], (120, 200)).to_dense()
    names = {category["id"]: category["name"] for category in content["categories"]}
    return content["annotations"], masks, names, io.read_labels(folder / "coins_labels.png")


@pytest.mark.parametrize(
    ("make", "task"), [("segformer", "semantic"), ("mask2former", "instance"), ("mask2former", None)]
)
def test_segment(models, picture, tmp_path, capsys, make, task):
    options = () if task is None else ("--task", task)
    status, text, errors = run(
        capsys, "segment", picture, "--model", models / make, "--out", tmp_path / "out", *options
    )
    assert (status, errors) == (0, "")
    assert text.startswith("coins.png: ")
    annotations, masks, names, labels = found_in(tmp_path / "out")
    pipeline = transformers.pipeline("image-segmentation", model=str(models / make), device="cpu")
    image = Image.open(picture).convert("RGB")
    with rapidmask.patch("transformers"):
        expected = pipeline(image, **({} if task is None else {"subtask": task}))
    expected = [one for one in expected if np.asarray(one["mask"]).any()]
    assert len(annotations) == len(expected)
    assert expected or make == "mask2former"
    for annotation, mask, one in zip(annotations, masks, expected, strict=True):
        assert names[annotation["category_id"]] == one["label"]
        assert annotation.get("score") == one["score"]
        np.testing.assert_array_equal(mask, np.asarray(one["mask"]) > 0)
        assert (labels == annotation["id"]).any()
    assert not rapidmask._patch._patched


def test_generate(models, picture, tmp_path, capsys):
    options = ("--points", 4, "--min-iou", -10, "--min-stability", 0, "--max-iou", 1, "--out", tmp_path / "out")
    status, text, errors = run(capsys, "generate", picture, "--model", models / "sam", *options)
    assert (status, errors) == (0, "")
    annotations, masks, _, labels = found_in(tmp_path / "out")
    assert text.startswith(f"coins.png: {len(masks)} masks, ")
    assert len(masks) > 1
    assert all(isinstance(annotation["score"], float) for annotation in annotations)
    # A mask within another lies on it.
    order = np.argsort([-annotation["area"] for annotation in annotations], kind="stable")
    painted = np.zeros((120, 200), int)
    for i in order:
        painted[masks[i]] = i + 1
    assert ((painted > 0) == (labels > 0)).all()
    areas = np.array([0, *(annotation["area"] for annotation in annotations)])
    np.testing.assert_array_equal(areas[painted], areas[labels])
    least = sorted(annotation["area"] for annotation in annotations)[1]
    assert run(capsys, "generate", picture, "--model", models / "sam", *options, "--min-area", least, "-q")[0] == 0
    assert len(found_in(tmp_path / "out")[0]) == sum(annotation["area"] >= least for annotation in annotations)


def test_models_that_cannot_be_loaded(models, picture, tmp_path, capsys):
    def complaint(*arguments):
        status, text, errors = run(capsys, *arguments, picture, "--out", tmp_path / "out")
        assert (status, text, errors.count("\n")) == (1, "", 1)
        assert not (tmp_path / "out").exists()
        return errors

    assert "cannot be loaded: there is no such folder" in complaint("generate", "--model", tmp_path / "none")
    (tmp_path / "empty").mkdir()
    assert "cannot be loaded for mask-generation: " in complaint("generate", "--model", tmp_path / "empty")
    (tmp_path / "empty/config.json").write_text("{")
    assert "cannot be loaded for image-segmentation: " in complaint("segment", "--model", tmp_path / "empty")
    errors = complaint("generate", "--model", models / "segformer")
    assert "is a SegformerForSemanticSegmentation, which is none for mask-generation" in errors
    assert "is a SamModel, which is none for image-seg" in complaint("segment", "--model", models / "sam")


@pytest.mark.parametrize("how", ["switched off", "no such name"])
def test_no_network(picture, tmp_path, capsys, monkeypatch, how):
    constants = pytest.importorskip("huggingface_hub.constants")

    def refuse(*_, **__):
        raise socket.gaierror(-2, "Name or service not known")

    if how == "switched off":
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    else:
        monkeypatch.setattr(socket, "getaddrinfo", refuse)
        monkeypatch.setattr("time.sleep", lambda seconds: None)  # between one try and the next
    name = "rapidmask/there-is-no-such-model"
    status, text, errors = run(capsys, "generate", picture, "--model", name, "--out", tmp_path / "out")
    assert (status, text) == (1, "")
    assert errors == (
        f"rapidmask: model {name} is not on this machine and the Hugging Face hub cannot be reached; --model takes the "
        "folder of a downloaded model too\n"
    )


def test_without_transformers(picture, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    status, text, errors = run(capsys, "generate", picture, "--out", tmp_path / "out")
    assert (status, text) == (1, "")
    assert errors == 'rapidmask: models need transformers and torch: install rapidmask with its extra "transformers"\n'
