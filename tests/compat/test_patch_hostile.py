"""`rapidmask.patch` where upstream is not what it was, where others patch too, and in threads."""

import sys
import threading
import types

import numpy as np
import pytest
import scipy.ndimage

import rapidmask
from rapidmask import _patch
from rapidmask._upstream import Around, Upstream

NAMES = [name for name in dir(scipy.ndimage) if not name.startswith("_")]


def functions():
    return {name: getattr(scipy.ndimage, name) for name in NAMES}


@pytest.fixture(autouse=True)
def untouched():
    """Every test leaves upstream exactly as it was."""
    before = functions()
    yield
    rapidmask.unpatch()
    assert functions() == before
    assert not _patch._patched


def one_library(monkeypatch, replacements, **options):
    """A made-up library with functions `first` and `second`, as the only one that can be patched."""
    module = types.ModuleType("upstream_of_tests")
    exec("def first(x, *, y=1):\n    return 'first', x, y\ndef second(x):\n    return 'second', x", vars(module))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    compat = types.ModuleType("rapidmask.compat.upstream_of_tests")
    compat.UPSTREAMS = {"upstream_of_tests": Upstream("scipy", (scipy.__version__,), lambda: replacements, **options)}
    monkeypatch.setitem(sys.modules, compat.__name__, compat)
    monkeypatch.setitem(_patch._COMPAT, "upstream_of_tests", "upstream_of_tests")
    return module


def test_nothing_is_replaced_unless_everything_can_be(monkeypatch):
    replacements = {"upstream_of_tests:first": lambda x: x, "upstream_of_tests:renamed": lambda x: x}
    module = one_library(monkeypatch, replacements)
    first = module.first
    label = scipy.ndimage.label
    for libraries in (("upstream_of_tests",), ("scipy", "upstream_of_tests")):
        with pytest.raises(ImportError, match=r"^patch: upstream_of_tests must have upstream_of_tests:renamed"):
            rapidmask.patch(*libraries)
        assert module.first is first
        assert scipy.ndimage.label is label


def test_a_replacement_that_cannot_be_set_undoes_the_others(monkeypatch):
    module = one_library(
        monkeypatch, {"upstream_of_tests:first": lambda x: x, "upstream_of_tests:Sealed.method": lambda x: x}
    )

    class Guard(type):
        def __setattr__(cls, name, value):
            if cls.sealed:
                raise AttributeError("sealed")
            super().__setattr__(name, value)

    class Sealed(metaclass=Guard):
        sealed = True

        def method(self):
            return "upstream's"

    module.Sealed = Sealed
    first, method = module.first, vars(Sealed)["method"]
    with pytest.raises(AttributeError, match="sealed"):
        rapidmask.patch("upstream_of_tests")
    assert module.first is first
    assert vars(Sealed)["method"] is method


def test_a_changed_signature_goes_to_upstream_or_raises_and_is_never_guessed(monkeypatch):
    def first(x, *, y=1):
        if y != 1:
            raise NotImplementedError
        return "ours", x, y

    module = one_library(monkeypatch, {"upstream_of_tests:first": first})
    with rapidmask.patch("upstream_of_tests"):
        assert module.first(3) == ("ours", 3, 1)
        assert module.first(3, y=2) == ("first", 3, 2)  # what the drop-in does not serve
        with pytest.raises(TypeError, match="unexpected keyword argument"):
            module.first(3, z=2)
    assert module.first(3) == ("first", 3, 1)


def test_an_error_inside_a_replaced_function_is_handed_on(monkeypatch):
    def first(original, x):
        original(x)
        raise RuntimeError("inside")

    module = one_library(monkeypatch, {"upstream_of_tests:first": Around(first)})
    original = module.first
    patched = rapidmask.patch("upstream_of_tests")
    with pytest.raises(RuntimeError, match="inside"):
        module.first(1)
    assert module.first is not original
    patched.undo()
    assert module.first is original


def test_an_error_in_a_with_statement_restores():
    label = scipy.ndimage.label
    with pytest.raises(KeyError), rapidmask.patch("scipy"):
        raise KeyError
    assert scipy.ndimage.label is label


def test_what_someone_else_put_there_since_stays():
    label, erosion = scipy.ndimage.label, scipy.ndimage.binary_erosion
    patched = rapidmask.patch("scipy")
    scipy.ndimage.label = other = lambda *args: "someone else's"
    with pytest.warns(RuntimeWarning, match=r"^unpatch: scipy\.ndimage:label was replaced by someone else since"):
        patched.undo()
    assert scipy.ndimage.label is other
    assert scipy.ndimage.binary_erosion is erosion
    scipy.ndimage.label = label


def test_what_someone_else_took_away_since_stays_away():
    label = scipy.ndimage.label
    patched = rapidmask.patch("scipy")
    del scipy.ndimage.label
    with pytest.warns(RuntimeWarning, match=r"^unpatch: scipy\.ndimage:label was replaced by someone else since"):
        patched.undo()
    assert not hasattr(scipy.ndimage, "label")
    scipy.ndimage.label = label


def test_patching_from_many_threads_at_once():
    label = scipy.ndimage.label
    start = threading.Barrier(8)
    errors = []

    def work():
        try:
            start.wait(60)
            for _ in range(100):
                with rapidmask.patch("scipy"):
                    assert scipy.ndimage.label is not label
                    assert scipy.ndimage.label(np.eye(3), np.ones((3, 3)))[1] == 1
        except BaseException as error:
            errors.append(error)

    workers = [threading.Thread(target=work, daemon=True) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert not worker.is_alive()
    assert not errors
    assert scipy.ndimage.label is label


def test_patches_that_end_in_another_order_than_they_began():
    label = scipy.ndimage.label
    first = rapidmask.patch("scipy")
    second = rapidmask.patch("scipy", "scipy")
    first.undo()
    assert scipy.ndimage.label is not label
    second.undo()
    assert scipy.ndimage.label is label
    second.undo()
    rapidmask.unpatch("scipy")
    rapidmask.unpatch()
    assert scipy.ndimage.label is label


def test_undoing_after_unpatch_takes_no_later_patch_away():
    label = scipy.ndimage.label
    first = rapidmask.patch("scipy")
    rapidmask.unpatch()
    with rapidmask.patch("scipy"):
        first.undo()
        assert scipy.ndimage.label is not label
    assert scipy.ndimage.label is label
