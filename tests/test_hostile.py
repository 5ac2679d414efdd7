"""Every public function on arguments that Hypothesis draws, of which one or two are often replaced by nonsense.

A call gives the right result, or is refused by one sentence that begins with the function's name. Whatever comes, what
was given stays as it was, no warning is issued, and the process lives. `RAPIDMASK_TEST_HOSTILE=3000` tries as many
calls of each function, in other orders than those of every day, and adds what was tried to `records/hostile.json`.
"""

import contextlib
import dataclasses
import inspect
import json
import os
import platform
import subprocess
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, note, settings

import answers
import answers_files
import rapidmask
import rapidmask.compat.pycocotools
import rapidmask.io
import strategies
import strategies_files
from answers import host, pixels
from inputs import guarded
from strategies import OwnError, torch

CALLS = strategies.CALLS | strategies_files.CALLS
ANSWERS = answers.ANSWERS | answers_files.ANSWERS
RECORD = Path(__file__).parent / "records" / "hostile.json"
LONG = int(os.environ.get("RAPIDMASK_TEST_HOSTILE", "0"))
HOSTILE = settings(
    max_examples=LONG or 20,
    derandomize=not LONG,
    database=None,
    deadline=None,
    print_blob=False,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate, *([Phase.shrink] if LONG else [])],
)
REFUSALS = (TypeError, ValueError, NotImplementedError, MemoryError, OverflowError)


class Promise(NamedTuple):
    """How the functions of a module refuse."""

    errors: tuple[type[Exception], ...] = REFUSALS
    begins: tuple[str, ...] = ("{}: ",)  # with the function's name; none means that upstream's sentences are kept


# The operating system's errors are handed on.
PROMISES = {
    "io": Promise((*REFUSALS, OSError)),
    "compat.pycocotools": Promise((Exception,), ()),
}

# What is no function of arguments: results, errors, and what tells or sets the state of the process by itself.
WITHOUT_ARGUMENTS = {"__version__", "CudaError", "cuda_status", "get_num_threads", "isa", "isa_levels"}
WITHOUT_ARGUMENTS |= {"use_stream"}  # which takes streams of a device alone
RESULTS = {
    "BorderTree",
    "Components",
    "InstanceSegment",
    "MaskStatistics",
    "PanopticScores",
    "PanopticSegment",
    "PasteStatistics",
}

# Calls of valid arguments that are refused, or answered otherwise than by a number, for what the pixels hold.
MAY_REFUSE = {
    "adaptive_threshold",
    "threshold_isodata",
    "threshold_li",
    "threshold_mean",
    "threshold_minimum",
    "threshold_multiotsu",
    "threshold_otsu",
    "threshold_triangle",
    "threshold_yen",
    "threshold_local",
    "threshold_niblack",
    "threshold_sauvola",
    "apply_mask",
    "overlay",
    "patch",
    "upsample_masks",
    "decode_prototypes",
    "paste_masks",
    "semantic_argmax",
    "panoptic_merge",
    "watershed",
    "hysteresis_threshold",
    "confusion_matrix",
    "mean_iou",
    "dice",
    "matrix_nms",
    "instance_merge",
    "panoptic_quality",
    "remove_small_objects",
    "io.masks_from_labelme",
    "io.pipeline_records",
    "io.write_labels",
    "io.write_panoptic",
}

# Functions that take arrays in one layout alone.
OF_ONE_LAYOUT = {"compat.pycocotools.encode"}


def called(name):
    """The function of a name of `CALLS`."""
    function = rapidmask
    for part in name.split("."):
        function = getattr(function, part)
    return function


@pytest.fixture(autouse=True)
def restored(tmp_path, monkeypatch):
    """Settings that calls changed are put back; files of names that were drawn are in a folder of their own."""
    monkeypatch.chdir(tmp_path)
    count, level = rapidmask.get_num_threads(), rapidmask.isa()
    yield
    rapidmask.set_num_threads(count)
    rapidmask.set_isa(level)
    rapidmask.unpatch()


def frozen(value):
    """What must be the same before and after a call, as something that can be compared."""
    if isinstance(value, np.ndarray):
        content = value.tobytes() if not value.dtype.hasobject else repr(value.tolist())
        return value.shape, value.strides, str(value.dtype), value.flags.writeable, content
    if torch is not None and isinstance(value, torch.Tensor):
        if value.is_meta or value.is_sparse:
            return tuple(value.shape), str(value.dtype)
        content = value.detach().resolve_conj().resolve_neg().reshape(-1)
        content = content.clone().view(torch.uint8).numpy().tobytes() if content.numel() else b""
        return tuple(value.shape), value.stride(), str(value.dtype), value.requires_grad, content
    if isinstance(value, rapidmask.PackedMasks):
        return value.size, frozen(value.data)
    if isinstance(value, rapidmask.RLEMasks):
        return value.size, frozen(value.counts), frozen(value.offsets)
    if isinstance(value, dict):
        return [(key, frozen(one)) for key, one in value.items()]
    if isinstance(value, (list, tuple)) and type(value) in (list, tuple):
        return [frozen(one) for one in value]
    return id(value)


def plain(value):
    """The same argument as a contiguous array of NumPy, or a container of such."""
    if isinstance(value, rapidmask.PackedMasks):
        return rapidmask.PackedMasks(host(value.data), value.size)
    if isinstance(value, rapidmask.RLEMasks):
        return rapidmask.RLEMasks(host(value.counts), host(value.offsets), value.size)
    if isinstance(value, np.ndarray) or (torch is not None and isinstance(value, torch.Tensor)):
        return value if str(value.dtype) == "torch.bfloat16" else host(value)
    return value


def parts(result):
    """A result as nested lists of plain values."""
    if isinstance(result, (rapidmask.PackedMasks, rapidmask.RLEMasks)):
        return pixels(result).tolist()
    if isinstance(result, np.ndarray) or (torch is not None and isinstance(result, torch.Tensor)):
        return host(result).tolist()
    if dataclasses.is_dataclass(result) and not isinstance(result, type):
        return [parts(getattr(result, field.name)) for field in dataclasses.fields(result)]
    if isinstance(result, dict):
        return [(key, parts(one)) for key, one in result.items()]
    if isinstance(result, (list, tuple)):
        return [parts(one) for one in result]
    if isinstance(result, (rapidmask.ConfusionMatrix, rapidmask.PanopticQuality)):
        return parts(vars(result))
    return result


def same(one, other):
    if isinstance(one, (list, tuple)):
        return type(one) is type(other) and len(one) == len(other) and all(map(same, one, other))
    return one == other or (one != one and other != other)


def attempt(name, call):
    """Make a call, and check what came of it: whether there is a result, and the result."""
    function, (module, _, last) = called(name), name.rpartition(".")
    promise = PROMISES.get(module, Promise())
    before = frozen((call.arguments, call.options))
    result, refusal = None, None
    try:
        result = function(*call.arguments, **call.options)
    except (*promise.errors, OwnError, ImportError) as error:
        refusal = error
    assert not isinstance(refusal, Warning), repr(refusal)
    if isinstance(refusal, OSError):
        assert refusal.errno, repr(refusal)
    elif isinstance(refusal, promise.errors):
        text = str(refusal)
        begins = tuple(begin.format(last) for begin in promise.begins)
        assert not begins or text.startswith(begins), f"{type(refusal).__name__}: {text}"
        assert "\n" not in text, text
        assert len(text) < 500, text
    assert refusal is None or not call.valid or name in MAY_REFUSE, repr(refusal)
    assert not isinstance(refusal, ImportError) or name == "patch"
    assert frozen((call.arguments, call.options)) == before, "an argument was changed"
    return refusal is None, result


def check_again(name, call, result):
    """The same call of contiguous arrays gives the same, and with an `out` it is written there and nowhere else."""
    function = called(name)
    again = function(*map(plain, call.arguments), **{key: plain(value) for key, value in call.options.items()})
    assert same(parts(again), parts(result)), "another layout or library gives another result"
    written = again[0] if isinstance(again, tuple) else again
    if "out" in inspect.signature(function).parameters and type(written) is np.ndarray:
        out, untouched = guarded(written.shape, written.dtype)
        given = {key: plain(value) for key, value in call.options.items()} | {"out": out}
        with contextlib.suppress(ValueError):  # of packed masks, which are written elsewhere
            function(*map(plain, call.arguments), **given)
            assert same(out.tolist(), parts(written)), "out holds another result"
        assert untouched(), "memory beside out was written to"


def record(name, tried):
    """Add to the record how many calls of a function were tried, on which commit."""
    RECORD.parent.mkdir(exist_ok=True)
    kept = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    commit = subprocess.run(
        ["git", "rev-parse", "--short=12", "HEAD"], cwd=RECORD.parent, capture_output=True, text=True, check=False
    ).stdout.strip()
    kept[name] = {
        **tried,
        "commit": commit,
        "machine": f"{platform.system()} {platform.machine()}",
        "isa": rapidmask.isa(),
    }
    RECORD.write_text(json.dumps(dict(sorted(kept.items())), indent=1) + "\n")


def test_every_public_function_has_calls():
    functions = set(rapidmask.__all__) - WITHOUT_ARGUMENTS - RESULTS
    functions |= strategies_files.NAMES - strategies_files.NO_DATA
    assert functions <= set(CALLS), f"tests/strategies*.py must have calls of {sorted(functions - set(CALLS))}"
    assert all(name in functions or name.rpartition(".")[0] in functions for name in CALLS)
    assert set(ANSWERS) <= set(CALLS)


@pytest.mark.parametrize("name", sorted(CALLS))
def test_a_call_is_answered_rightly_or_refused(name):
    tried = {"examples": 0, "results": 0, "refused": 0, "checked by definition": 0, "failures": 0}

    @HOSTILE
    @given(CALLS[name])
    def run(call):
        tried["examples"] += 1
        note(f"{name} of {call}")
        answered, result = attempt(name, call)
        tried["results" if answered else "refused"] += 1
        if not answered:
            return
        if hasattr(result, "undo"):
            result.undo()
        elif call.valid or name in ANSWERS:
            if name in ANSWERS:
                tried["checked by definition"] += 1
                ANSWERS[name](result, *call.arguments, **call.options)
            if call.valid and name not in OF_ONE_LAYOUT:
                check_again(name, call, result)

    try:
        run()
    except BaseException:
        tried["failures"] += 1
        raise
    finally:
        if LONG:
            record(name, tried)
