"""What importing the package does, and what an installation holds: nothing that is not needed."""

import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path

import pytest

import rapidmask

# Prints, as JSON, what the interpreter saw while the package was imported and a call was made.
WATCHED = '''
import json, os, sys, threading
import numpy
sys.dont_write_bytecode = True
seen = []
KINDS = """
    ftplib http mmap shutil smtplib socket ssl subprocess tempfile urllib webbrowser winreg
""".split()
EVENTS = """
    _thread.start_new_thread code.__new__ ctypes.dlopen os.chmod os.chown os.exec os.fork os.forkpty os.kill os.link
    os.mkdir os.posix_spawn os.putenv os.remove os.rename os.rmdir os.spawn os.symlink os.system os.truncate os.unsetenv
    pickle.find_class signal.pthread_kill sys.addaudithook sys.setprofile sys.settrace
""".split()

def watch(event, arguments):
    kind = event.partition(".")[0]
    if event == "open":
        path, mode, flags = arguments
        if isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND):
            seen.append([event, str(path), str(mode)])
    elif kind in KINDS:
        seen.append([event, repr(arguments)[:200]])
    elif event in EVENTS:
        seen.append([event, repr(arguments)[:200]])
    elif event == "exec":
        code = arguments[0]
        name = getattr(code, "co_filename", "?")
        allowed = name.startswith((PACKAGE, *LIBRARY)) or name.startswith("<frozen ")
        if not allowed and not name.startswith("<string>"):
            seen.append([event, name])

import importlib.util, sysconfig
PACKAGE = os.path.dirname(importlib.util.find_spec("rapidmask").origin)
paths = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
LIBRARY = tuple(path for path in paths | set(map(os.path.realpath, sys.path)) if path)
before = set(sys.modules)
tasks = len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else threading.active_count()
sys.addaudithook(watch)
import rapidmask
'''
REPORT = """
after = len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else threading.active_count()
sys.stdout.write(json.dumps({"seen": seen, "modules": sorted(set(sys.modules) - before), "threads": after - tasks}))
"""
CALLS = """
from rapidmask.compat import pycocotools
import rapidmask.io
masks = numpy.eye(64, dtype=bool)[None]
rapidmask.set_num_threads(1)
rapidmask.label(rapidmask.dilate(masks, rapidmask.disk(2)))
rapidmask.upsample_masks(numpy.ones((2, 8, 8), numpy.float32), (40, 40), output="rle").to_coco()
rapidmask.masks_to_polygons(masks)
pycocotools.decode(pycocotools.encode(numpy.asfortranarray(masks[0].view(numpy.uint8))))
"""

# Of the package's files: its code, compiled code and types, and the page of `rapidmask review`.
SUFFIXES = {".html", ".py", ".pyd", ".pyi", ".so", ".typed"}


def watched(program):
    """What was seen during a program, in a process of its own."""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_importing_opens_writes_starts_and_runs_nothing():
    found = watched(WATCHED + REPORT)
    assert found["seen"] == []
    assert found["threads"] == 0


def test_calls_open_write_and_start_nothing():
    found = watched(WATCHED + CALLS + REPORT)
    assert found["seen"] == []
    assert found["threads"] == 0


def test_what_is_imported():
    modules = {name.partition(".")[0] for name in watched(WATCHED + REPORT)["modules"]}
    others = {name for name in modules if name not in sys.stdlib_module_names and not name.startswith(("_", "numpy"))}
    assert others <= {"rapidmask"}  # neither torch nor OpenCV, and no editable install's loader
    costly = {"asyncio", "multiprocessing", "socket", "ssl", "http", "urllib", "email", "sqlite3", "unittest", "xml"}
    assert not modules & costly


def test_the_watch_sees_what_it_is_for():
    for statement in (
        "open('/dev/null', 'w')",
        "import subprocess; subprocess.run(['true'])",
        "import socket; socket.socket()",
    ):
        assert watched(WATCHED + statement + REPORT)["seen"], statement
    waiting = "threading.Thread(target=threading.Event().wait, args=(5,), daemon=True).start()"
    assert watched(WATCHED + waiting + REPORT)["threads"] == 1


# The installation


def installed():
    """The paths of the installed distribution, relative to its folder; skips where it is the checkout itself."""
    files = importlib.metadata.files("rapidmask") or []
    if not any(path.name == "__init__.py" and path.parent.name == "rapidmask" for path in files):
        pytest.skip("installed in place: the files are those of the checkout")
    return files


def test_the_installation_holds_the_package_alone():
    for path in installed():
        top = path.parts[0]
        if path.parts[:2] == ("..", ".."):
            assert path.name.startswith("rapidmask"), path  # the command
            continue
        assert top == "rapidmask" or top.startswith("rapidmask-"), path
        if top == "rapidmask" and "__pycache__" not in path.parts:
            assert path.suffix in SUFFIXES, path
            assert not {"tests", "benchmarks", "cpp", "cuda"} & set(path.parts), path


def test_the_package_s_folder_has_no_build_files():
    folder = Path(rapidmask.__file__).parent
    for path in folder.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            assert path.suffix in SUFFIXES, path


def test_free_threaded_interpreters_stay_free():
    program = "import sys, rapidmask; print(getattr(sys, '_is_gil_enabled', lambda: False)())"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    expected = getattr(sys, "_is_gil_enabled", lambda: False)()
    assert ran.stdout.strip() == str(expected)
