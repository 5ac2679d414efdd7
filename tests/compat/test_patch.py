"""`rapidmask.patch`, whatever the library."""

import importlib.metadata
import subprocess
import sys

import numpy as np
import pytest
import scipy.ndimage

import rapidmask
from inputs import refuses
from rapidmask import _patch
from rapidmask.compat import scipy_ndimage


@pytest.fixture(autouse=True)
def unpatched():
    """No patch outlives a test."""
    yield
    rapidmask.unpatch()


def test_names_that_are_not_known():
    known = ", ".join(_patch._COMPAT)
    with refuses(ValueError, f"patch: libraries must be of {known}, got 'cv2'"):
        rapidmask.patch("cv2")
    with refuses(ValueError, f"patch: name at least one library of {known}"):
        rapidmask.patch()
    with refuses(ValueError, f"unpatch: libraries must be of {known}, got 'cv2'"):
        rapidmask.unpatch("cv2")


def test_says_what_it_replaced():
    patched = rapidmask.patch("scipy")
    assert patched.replaced == tuple(sorted(f"scipy.ndimage:{name}" for name in scipy_ndimage.__all__))
    assert repr(patched) == "<rapidmask.Patch of scipy: 10 functions>"
    patched.undo()
    assert repr(patched) == "<rapidmask.Patch: undone>"


def test_nests_and_restores_exactly():
    names = {name: getattr(scipy.ndimage, name) for name in dir(scipy.ndimage)}
    with rapidmask.patch("scipy") as outer:
        replaced = scipy.ndimage.label
        assert replaced is not names["label"]
        assert replaced.__name__ == "label"
        assert replaced.__doc__ == names["label"].__doc__
        with rapidmask.patch("scipy", "pycocotools"):
            assert scipy.ndimage.label is replaced
        outer.undo()
        outer.undo()
        assert scipy.ndimage.label is names["label"]
    rapidmask.patch("scipy")
    rapidmask.patch("scipy")
    rapidmask.unpatch()
    assert {name: getattr(scipy.ndimage, name) for name in dir(scipy.ndimage)} == names


def test_an_error_leaves_upstream_as_it_was():
    label = scipy.ndimage.label
    with rapidmask.patch("scipy"), pytest.raises(RuntimeError, match="structure"):
        scipy.ndimage.binary_erosion(np.ones((4, 4)), np.ones((3, 3, 3)))
    assert scipy.ndimage.label is label


def test_a_version_that_is_not_known_is_refused_unless_forced(monkeypatch):
    label = scipy.ndimage.label
    version = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "99.1" if name == "scipy" else version(name))
    versions = "1.13, 1.14, 1.15, 1.16, 1.17, 1.18"
    message = f"patch: version of scipy must be of {versions}, got 99.1; force=True patches it all the same"
    with refuses(ImportError, message):
        rapidmask.patch("pycocotools", "scipy")
    assert scipy.ndimage.label is label
    assert not _patch._patched
    with rapidmask.patch("scipy", force=True):
        assert scipy.ndimage.label is not label


def test_a_library_that_lacks_a_function_is_refused_unless_forced(monkeypatch):
    erosion = scipy.ndimage.binary_erosion
    monkeypatch.delattr(scipy.ndimage, "label")
    with refuses(ImportError, "patch: scipy must have scipy.ndimage:label, which this installation lacks"):
        rapidmask.patch("scipy")
    assert scipy.ndimage.binary_erosion is erosion
    with rapidmask.patch("scipy", force=True) as patched:
        assert "scipy.ndimage:label" not in patched.replaced
        assert scipy.ndimage.binary_erosion is not erosion


def test_importing_and_patching_in_either_order():
    program = """
import sys, numpy, rapidmask
assert "scipy" not in sys.modules and "rapidmask.compat" not in sys.modules
rapidmask.patch("scipy")
import scipy.ndimage
from scipy.ndimage import label
assert label(numpy.ones((2, 2)))[1] == 1
assert label.__code__.co_filename.endswith("_patch.py")
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_a_patch_is_entered_once():
    patch = rapidmask.patch("scipy")
    with patch:
        pass
    with pytest.raises(RuntimeError, match="patch: this one is undone"), patch:
        pass
