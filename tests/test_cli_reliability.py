"""What commands do when disks are full, files are broken, names are no text, folders loop and people lose patience."""

import errno
import io as streams
import json
import os
import re
import resource
import signal
import struct
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import rapidmask
from rapidmask import _files, cli, io

OUTPUTS = {".json", "_labels.png", "_overlay.png"}


def run(capsys, *arguments):
    """Return exit status, stdout and stderr of the command."""
    status = cli.main(
        [os.fspath(argument) if isinstance(argument, os.PathLike) else argument for argument in arguments]
    )
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def write(path, seed=0, side=24):
    """Write a picture of noise."""
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, side), dtype=np.uint8)).save(path)
    return path


def assert_whole(folder):
    """Every file of a folder can be read to its end, and nothing else is there."""
    for path in Path(folder).rglob("*"):
        if path.is_dir():
            continue
        assert not path.name.startswith("."), path
        if path.suffix == ".json":
            json.loads(path.read_text())
        else:
            with Image.open(path) as picture:
                picture.load()


# Folders with many files


@pytest.mark.parametrize("workers", ["1", "2", "7"])
def test_many_pictures(tmp_path, capsys, workers):
    (tmp_path / "in").mkdir()
    for i in range(40):
        write(tmp_path / "in" / f"{i:02}.png", seed=i)
    before = rapidmask.get_num_threads()
    status, text, errors = run(capsys, "segment", tmp_path / "in", "--out", tmp_path / "out", "--workers", workers)
    assert (status, errors) == (0, "")
    assert [line[:6] for line in text.splitlines()] == [f"{i:02}.png" for i in range(40)]  # in order
    assert len(os.listdir(tmp_path / "out")) == 120
    assert rapidmask.get_num_threads() == before
    for i in range(40):
        image = io.read_image(tmp_path / "in" / f"{i:02}.png")
        expected = rapidmask.label(image > rapidmask.threshold_otsu(image))
        np.testing.assert_array_equal(io.read_labels(tmp_path / "out" / f"{i:02}_labels.png"), expected)


def test_the_others_get_done(tmp_path, capsys):
    """Every kind of file that cannot be read, between good ones: a sentence each."""
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.png", "m.png", "z.png"):
        write(folder / name)
    data = (folder / "a.png").read_bytes()
    (folder / "cut.png").write_bytes(data[:200])
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.png").write_text("text")
    os.symlink("loop.png", folder / "loop.png")
    os.symlink("nowhere", folder / "lost.png")
    (folder / "folder.png").mkdir()
    os.mkfifo(folder / "pipe.png")  # opening it would wait forever
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    packed = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    (folder / "bomb.png").write_bytes(packed + data[33:])
    for workers in ("1", "3"):
        out = tmp_path / f"out{workers}"
        status, text, errors = run(capsys, "segment", folder, "--out", out, "-j", workers)
        assert status == 1
        assert [line.partition(":")[0] for line in text.splitlines()] == ["a.png", "m.png", "z.png"]
        failed = {re.match(r"rapidmask: .*/(\w+)\.png: .+", line).group(1) for line in errors.splitlines()}
        assert failed == {"bomb", "cut", "empty", "loop", "lost", "text"}
        assert "decompression bomb" in errors
        assert len(os.listdir(out)) == 9
        assert_whole(out)


def test_folders_within_folders_that_loop(tmp_path, capsys):
    (tmp_path / "in/b/c").mkdir(parents=True)
    for name in ("in/p.png", "in/b/p.png", "in/b/c/p.png", "in/b/c/.hidden.png"):
        write(tmp_path / name)
    os.symlink("..", tmp_path / "in/b/up")
    os.symlink(tmp_path / "in", tmp_path / "in/b/c/top")
    os.symlink("self", tmp_path / "in/self")
    status, text, errors = run(capsys, "segment", tmp_path / "in", "-r", "--out", tmp_path / "out")
    assert (status, errors) == (0, "")
    assert [line.partition(":")[0] for line in text.splitlines()] == ["b/c/p.png", "b/p.png", "p.png"]
    found = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.json")}
    assert found == {"p.json", "b/p.json", "b/c/p.json"}
    assert run(capsys, "segment", tmp_path / "in/self", "--out", tmp_path / "out")[2].endswith(
        f": {os.strerror(errno.ELOOP)}\n"
    )


def test_an_empty_folder(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    for command in (
        ["segment"], ["label"], ["overlay"], ["review"], ["convert", "--to", "coco"], ["evaluate", tmp_path / "in"],
    ):  # fmt: skip
        out = [] if command[0] in ("evaluate", "review") else ["--out", tmp_path / "out"]
        status, _, errors = run(capsys, *command, tmp_path / "in", *out)
        assert status == 1
        assert errors.startswith(f"rapidmask: {tmp_path / 'in'}: no ")


def test_names_that_are_no_text(tmp_path, capsys):
    folder = tmp_path / "in"
    folder.mkdir()
    names = [b"caf\xe9.png", b"new\nline\x1b[31m.png", "große Ähre 🌾.png".encode(), b"-x.png", b"%41.png"]
    picture = write(tmp_path / "p.png").read_bytes()
    for name in names:
        with open(os.path.join(os.fsencode(folder), name), "wb") as file:
            file.write(picture)
    out = tmp_path / "out"
    status, text, errors = run(capsys, "segment", folder, "--out", out)
    assert (status, errors) == (0, "")
    assert len(text.splitlines()) == 5
    assert "\x1b" not in text
    assert {name[:-5] for name in os.listdir(os.fsencode(out)) if name.endswith(b".json")} == {n[:-4] for n in names}
    # And on: whoever reads the JSON finds the pictures.
    status, text, errors = run(capsys, "overlay", out, "--out", tmp_path / "painted")
    assert (status, errors) == (0, "")
    assert len(os.listdir(tmp_path / "painted")) == 5
    assert run(capsys, "review", out)[0] == 0
    for kind in ("coco", "panoptic", "labelme", "masks", "labels"):
        assert run(capsys, "convert", out, "--to", kind, "--out", tmp_path / kind)[0] == 0
    assert len(os.listdir(tmp_path / "masks")) == 5
    status, _, errors = run(capsys, "segment", folder / os.fsdecode(b"gone\xff.png"), "--out", out)
    assert (status, errors.count("\n")) == (1, 1)


# Disks


def test_a_limit_of_file_size(tmp_path, capsys):
    """A disk that takes no more: of each picture small files are there, large ones are not, not even in part."""
    (tmp_path / "in").mkdir()
    write(tmp_path / "in/large.png", side=300)
    write(tmp_path / "in/small.png", side=20)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
        status, text, errors = run(capsys, "segment", tmp_path / "in", "--out", tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert status == 1
    assert text.startswith("small.png: ")
    assert errors == f"rapidmask: {tmp_path / 'out/large.json'}: {os.strerror(errno.EFBIG)}\n"
    assert sorted(os.listdir(tmp_path / "out")) == ["small.json", "small_labels.png", "small_overlay.png"]
    assert_whole(tmp_path / "out")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_full_disk(tmp_path, capsys, monkeypatch, workers):
    """Space ends in the middle of a file, wherever that is."""
    for name in ("a.png", "b.png", "c.png"):
        write(tmp_path / name)
    opened = _files.open if hasattr(_files, "open") else open
    left = [6000]
    lock = threading.Lock()

    class Full(streams.FileIO):
        def write(self, data):
            with lock:
                left[0] -= len(data)
                if left[0] < 0:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return super().write(data)

    def opener(path, mode="r", *arguments, **options):
        return Full(path, mode) if "x" in mode else opened(path, mode, *arguments, **options)

    monkeypatch.setattr(_files, "open", opener, raising=False)
    out = tmp_path / "out"
    pictures = [tmp_path / name for name in ("a.png", "b.png", "c.png")]
    status, text, errors = run(capsys, "segment", *pictures, "--out", out, "-j", workers)
    assert status == 1
    assert 1 <= len(errors.splitlines()) <= 3
    assert all(line.endswith(f": {os.strerror(errno.ENOSPC)}") for line in errors.splitlines())
    assert all(line.startswith(f"rapidmask: {out}") for line in errors.splitlines())
    assert len(text.splitlines()) + len(errors.splitlines()) == 3
    assert 0 < len(os.listdir(out)) < 9
    assert_whole(out)


def test_a_folder_where_a_file_should_go(tmp_path, capsys):
    (tmp_path / "out/p.json").mkdir(parents=True)
    write(tmp_path / "p.png")
    status, text, errors = run(capsys, "segment", tmp_path / "p.png", "--out", tmp_path / "out")
    assert (status, text) == (1, "")
    assert errors == f"rapidmask: {tmp_path / 'out/p.json'}: {os.strerror(errno.EISDIR)}\n"
    assert os.listdir(tmp_path / "out") == ["p.json"]


@pytest.mark.parametrize("out", ["p.png", "p.png/below"])
def test_a_file_where_a_folder_should_be(tmp_path, capsys, out):
    write(tmp_path / "p.png")
    for command in (["segment"], ["label"], ["convert", "--to", "masks"]):
        status, text, errors = run(capsys, *command, tmp_path / "p.png", "--out", tmp_path / out)
        assert (status, text, errors.count("\n")) == (1, "", 1)
        assert errors.startswith(f"rapidmask: {tmp_path / 'p.png'}")


def test_pages_and_reports_that_cannot_be_written(tmp_path, capsys):
    write(tmp_path / "p.png", side=4)
    assert run(capsys, "label", tmp_path / "p.png", "--out", tmp_path)[0] == 0
    (tmp_path / "x.html").mkdir()
    for arguments in (
        ["review", tmp_path / "p.json", "--out", tmp_path / "x.html"],
        ["evaluate", tmp_path / "p.png", tmp_path / "p.png", "--json", tmp_path / "x.html"],
        ["evaluate", tmp_path / "p.png", tmp_path / "p.png", "--names", tmp_path / "x.html"],
        ["convert", tmp_path / "p.json", "--to", "coco", "--out", tmp_path / "p.png/c.json"],
    ):
        status, _, errors = run(capsys, *arguments)
        assert (status, errors.count("\n")) == (1, 1)
        assert errors.startswith(f"rapidmask: {tmp_path}")
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]


# Programs that end early


START = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a job in the background inherits as ignored
runpy.run_module("rapidmask", run_name="__main__", alter_sys=True)
"""


def start(*arguments):
    """Start the command as a process."""
    return subprocess.Popen(
        [sys.executable, "-c", START, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    ("workers", "number", "status"),
    [(1, signal.SIGINT, 130), (3, signal.SIGINT, 130), (2, signal.SIGTERM, 143), (2, signal.SIGHUP, 129)],
)
def test_interrupted(tmp_path, workers, number, status):
    (tmp_path / "in").mkdir()
    first = write(tmp_path / "in/0.png", side=200)
    for i in range(1, 400):
        os.link(first, tmp_path / "in" / f"{i}.png")
    out = tmp_path / "out"
    process = start("segment", tmp_path / "in", "--out", out, "--workers", workers)
    process.stdout.readline()
    time.sleep(0.1)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == status
    assert "Traceback" not in errors
    assert 3 <= len(os.listdir(out)) < 1200
    assert_whole(out)


def test_the_terminal_s_end_is_ignored_where_the_shell_says_so(tmp_path):
    """As nohup does."""
    (tmp_path / "in").mkdir()
    for i in range(20):
        write(tmp_path / "in" / f"{i}.png", side=200)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # which the process inherits
    try:
        process = start("segment", tmp_path / "in", "--out", tmp_path / "out", "--workers", 2)
    finally:
        signal.signal(signal.SIGHUP, before)
    process.stdout.readline()
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert len(os.listdir(tmp_path / "out")) == 60


def test_nobody_reads_what_is_printed(tmp_path):
    (tmp_path / "in").mkdir()
    for i in range(30):
        write(tmp_path / "in" / f"{i}.png")
    process = start("segment", tmp_path / "in", "--out", tmp_path / "out", "-j", 2)
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert process.wait(60) == 1
    assert "Traceback" not in errors
    assert_whole(tmp_path / "out")


def test_a_terminal_of_ascii(tmp_path):
    write(tmp_path / "große.png")
    done = subprocess.run(
        [sys.executable, "-m", "rapidmask", "segment", str(tmp_path / "große.png"), "--out", str(tmp_path / "ö")],
        env={**os.environ, "PYTHONIOENCODING": "ascii"}, capture_output=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"gro\\xdfe.png: ")
