"""What holds for the whole package: imports, docstrings, the families' files and the modules' functions."""

import ast
import doctest
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import rapidmask

ROOT = Path(__file__).resolve().parent.parent
HEADERS = ROOT / "cpp/include/rapidmask"
HEAVY = ("torch", "cupy", "PIL", "cv2", "scipy", "skimage", "pycocotools", "matplotlib", "dask")

# Families without kernels, and the functions of one kind of module that have no twin in the other.
WITHOUT_KERNELS = {"draw", "footprints"}
ONLY_WITH_KERNELS = {
    "activity",
    "devices",
    "record_activity",
    "rle_encode_within",
    "rle_strings",
    "set_failing",
    "set_seed",
    "set_workers",
    "set_shared_maximum",
    "launched_kernels",
    "sanitizer",
}
# Operations of a family that have a Python file and a test of their own.
PARTS = {"clean_scores": "components"}
SETTINGS = {"version", "get_num_threads", "set_num_threads", "isa", "isa_levels", "set_isa"}


def interpreter(code):
    """Standard output of a fresh interpreter."""
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    ).stdout.strip()


# Import


def test_import_loads_no_other_library():
    code = f"import sys, rapidmask; print(sorted(set({HEAVY}) & set(sys.modules)))"
    assert interpreter(code) == "[]"


def test_import_loads_no_cuda():
    code = "import sys, rapidmask; print(sorted(m for m in sys.modules if m in ('rapidmask._cuda', 'rapidmask._emu')))"
    assert interpreter(code) == "[]"


def test_import_is_quick():
    # Of a processor, beside NumPy's own in the same process: some 25 ms beside 90, on a busy machine both take longer.
    code = (
        "import time; a = time.process_time(); import numpy; b = time.process_time(); import rapidmask; "
        "print((time.process_time() - b) / (b - a))"
    )
    assert min(float(interpreter(code)) for _ in range(5)) < 0.6


def test_import_needs_no_environment():
    code = "import rapidmask; print(rapidmask.__version__)"
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], env={}, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, rapidmask.__version__, "")


# The public names


def test_all_names_exist_and_are_sorted():
    assert sorted(rapidmask.__all__) == rapidmask.__all__
    assert len(set(rapidmask.__all__)) == len(rapidmask.__all__)
    for name in rapidmask.__all__:
        assert hasattr(rapidmask, name)
    public = {
        name for name, value in vars(rapidmask).items() if not name.startswith("_") and not inspect.ismodule(value)
    }
    assert public | {"__version__"} == set(rapidmask.__all__)


def test_every_operation_is_in_the_flat_namespace():
    for path in (ROOT / "python/rapidmask/ops").glob("[a-z]*.py"):
        module = importlib.import_module(f"rapidmask.ops.{path.stem}")
        for name, value in vars(module).items():
            if inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_"):
                assert getattr(rapidmask, name) is value


def sections(text):
    """The sections of a NumPy-style docstring, by name."""
    found = re.split(r"^([A-Z][\w ]+)\n-{3,}\n", inspect.cleandoc(text), flags=re.MULTILINE)
    return dict(zip(found[1::2], found[2::2], strict=True))


FUNCTIONS = [name for name in rapidmask.__all__ if inspect.isfunction(getattr(rapidmask, name))]
CLASSES = [name for name in rapidmask.__all__ if inspect.isclass(getattr(rapidmask, name))]
METHODS = [
    (name, method)
    for name in CLASSES
    for method, value in vars(getattr(rapidmask, name)).items()
    if not method.startswith("_") and (inspect.isfunction(value) or isinstance(value, (classmethod, staticmethod)))
]


def assert_documented(function, name):
    """A summary in one sentence, every parameter and what is returned."""
    text = function.__doc__
    assert text, f"{name} has no docstring"
    assert text.strip().splitlines()[0].endswith("."), name
    found = sections(text)
    parameters = [p for p in inspect.signature(function).parameters if p not in ("self", "cls")]
    documented = found.get("Parameters", "")
    lines = re.findall(r"^([\w*][\w, *]*?)(?: ?:.*)?$", documented, re.MULTILINE)
    listed = [name.strip(" *") for line in lines for name in line.split(",")]
    return found, parameters, listed


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_documented(name):
    function = getattr(rapidmask, name)
    found, parameters, listed = assert_documented(function, name)
    assert listed == parameters
    if inspect.signature(function).return_annotation not in (None, "None"):
        summary = function.__doc__.strip().splitlines()[0]
        assert "Returns" in found or summary.startswith("Return ")


@pytest.mark.parametrize(("owner", "name"), METHODS)
def test_methods_are_documented(owner, name):
    method = getattr(getattr(rapidmask, owner), name)
    found, parameters, listed = assert_documented(method, f"{owner}.{name}")
    assert listed == parameters
    if inspect.isfunction(method) and inspect.signature(method).return_annotation in (None, "None"):
        return
    summary = method.__doc__.strip().splitlines()[0]
    assert "Returns" in found or summary.startswith("Return ")


@pytest.mark.parametrize("name", CLASSES)
def test_classes_are_documented(name):
    thing = getattr(rapidmask, name)
    assert thing.__doc__
    if issubclass(thing, Exception):
        return
    found = sections(thing.__doc__)
    assert {"Parameters", "Attributes"} & set(found)


def modules():
    """Every module of the package that is written in Python, without those that run."""
    for info in pkgutil.walk_packages(rapidmask.__path__, "rapidmask."):
        if not info.name.rpartition(".")[2].startswith(("_cpu", "_cuda", "_emu", "__main__")):
            yield info.name
    yield "rapidmask"


@pytest.mark.parametrize("name", sorted(modules()))
def test_examples_run(name):
    module = importlib.import_module(name)
    runner = doctest.DocTestRunner(optionflags=doctest.IGNORE_EXCEPTION_DETAIL)
    report = []
    with np.printoptions(precision=8, threshold=1000, edgeitems=3, linewidth=75, suppress=False, floatmode="maxprec"):
        for test in doctest.DocTestFinder(exclude_empty=True).find(module, name):
            runner.run(test, out=report.append)
    assert not runner.failures, "".join(report)


# The families: one stem in every folder


def families():
    """Stems of the contracts that declare functions for the CPU."""
    return sorted(path.stem for path in HEADERS.glob("*.hpp") if declared(path, "cpu"))


def declared(header, namespace):
    """Names and parameters of the functions that a contract declares in a namespace."""
    found = set()
    block = rf"^namespace {namespace} {{$(.*?)^}}  // namespace {namespace}$"
    function = r"^\w[\w:<>, ]* (\w+)\(const Context&(.*?)\);"
    for body in re.findall(block, header.read_text(), re.MULTILINE | re.DOTALL):
        code = re.sub(r"//[^\n]*", "", body)
        for name, parameters in re.findall(function, code, re.MULTILINE | re.DOTALL):
            found.add((name, " ".join(parameters.split())))
    return found


def test_families_are_found():
    assert {"pack", "threshold", "components", "measure", "rle"} <= set(families())
    assert ("pack", ", const View<const std::uint8_t>& masks, const PackedMasks& packed") in declared(
        HEADERS / "pack.hpp", "cuda"
    )
    stems = {path.stem for path in (ROOT / "python/rapidmask/ops").glob("[a-z]*.py")}
    assert set(families()) == stems - WITHOUT_KERNELS - set(PARTS)
    assert set(PARTS.values()) <= set(families())


@pytest.mark.parametrize("family", families())
def test_a_family_has_one_stem_everywhere(family):
    header = HEADERS / f"{family}.hpp"
    for path in (
        f"cpp/src/{family}.cpp", f"cpp/bindings/{family}.cpp", f"python/rapidmask/ops/{family}.py",
        f"tests/test_{family}.py",
    ):  # fmt: skip
        assert (ROOT / path).is_file(), path
    assert declared(header, "cuda") <= declared(header, "cpu")
    assert (ROOT / f"cuda/src/{family}.cu").is_file() == bool(declared(header, "cuda"))


@pytest.mark.parametrize("path", sorted((ROOT / "tests/reference").glob("*.py")), ids=lambda path: path.stem)
def test_references_import_nothing_of_the_package(path):
    tree = ast.parse(path.read_text())
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            imported.add(node.module or "")
    assert not any(name.partition(".")[0] == "rapidmask" for name in imported)


# The modules: the same functions


def functions_of(name):
    """The functions of a compiled module, with the signature that it tells."""
    module = importlib.import_module(f"rapidmask.{name}")
    public = {key: value for key, value in vars(module).items() if not key.startswith("_")}
    return {key: str(value.__doc__) for key, value in public.items() if callable(value)}


def twins():
    """Names of the functions that contracts declare for both the CPU and CUDA."""
    return {name for path in HEADERS.glob("*.hpp") for name, _ in declared(path, "cuda")}


@pytest.mark.parametrize("other", ["_emu", "_cuda"])
def test_modules_have_the_same_functions(other):
    if other == "_cuda" and not rapidmask.cuda_status()["built"]:
        pytest.skip("built without CUDA")
    cpu, device = functions_of("_cpu"), functions_of(other)
    assert twins() <= set(device)
    for name in set(cpu) & set(device):
        assert cpu[name] == device[name]
    for name in set(cpu) - set(device) - SETTINGS:
        assert name not in twins(), f"{other} lacks {name}"
    for name in set(device) - set(cpu):
        assert name in ONLY_WITH_KERNELS, f"only {other} has {name}"


def test_every_function_of_a_module_is_used():
    text = "\n".join(path.read_text() for path in (ROOT / "python/rapidmask").rglob("*.py"))
    unused = [name for name in functions_of("_cpu") if not re.search(rf"\.{name}\b", text)]
    assert unused == []


# The sources


def sources():
    """Every source file of the repository."""
    kinds = {".py", ".cpp", ".hpp", ".cu", ".cuh", ".txt", ".cmake", ".toml", ".md", ".typed", ".yml", ".yaml"}
    for folder in ("cpp", "cuda", "python", "tests", "benchmarks", "docs"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in kinds and "__pycache__" not in path.parts:
                yield path
    yield from sorted(path for path in ROOT.glob("*") if path.suffix in kinds)


@pytest.mark.parametrize("path", list(sources()), ids=lambda path: str(path.relative_to(ROOT)))
def test_sources_are_clean(path):
    text = path.read_bytes().decode("utf-8")
    assert "\t" not in text
    assert "\r" not in text
    assert not re.search(r" +$", text, re.MULTILINE)
    assert not text or (text.endswith("\n") and not text.endswith("\n\n"))
    # Folders of one machine have no place here.
    folders = "|".join(["work", "home", "root", "tmp", "opt/venv", "Users"])
    assert not re.search(rf"(?<![\w.)])/({folders})/\w", text)
