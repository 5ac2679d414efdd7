"""Memory of large results, which the next ones of such a size take over."""

import ctypes
import os
import platform
import subprocess
import sys
import threading

import numpy as np
import pytest

import rapidmask

try:
    from numpy._core.multiarray import get_handler_name
except ImportError:  # before NumPy 2
    from numpy.core.multiarray import get_handler_name

pytestmark = pytest.mark.skipif("RAPIDMASK_TEST_CPU" in os.environ, reason="sanitizers are to see memory that is left")
SIDE = 1536  # whose labels are 9 MiB


def labels_of(side=SIDE):
    return rapidmask.label(np.ones((side, side), bool))


def keep_nothing_else():
    """Leave one block of 64 MiB, which goes when another one is left."""
    rapidmask.unpack(rapidmask.pack(np.zeros((1, 8192, 8190), bool)))


def address(array):
    return array.__array_interface__["data"][0]


def test_the_next_result_takes_the_memory_of_one_that_is_gone():
    keep_nothing_else()
    first = labels_of()
    assert get_handler_name(first) == "rapidmask"
    assert get_handler_name() != "rapidmask"  # for arrays of others
    assert first.flags.owndata
    assert first.flags.writeable
    before = address(first)
    second = labels_of()  # while the first one is there
    assert address(second) != before
    view = first[::2, 1:]
    del first
    third = labels_of()
    assert address(third) != before
    assert (view == 1).all()
    del view
    assert address(labels_of()) == before


LIMITS = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TOP_PAD_", "MALLOC_MMAP_MAX_")


@pytest.mark.skipif(any(limit in os.environ for limit in LIMITS), reason="small results are kept too")
def test_small_results_and_the_largest_are_numpy_s():
    assert get_handler_name(labels_of(1024)) == get_handler_name()
    assert get_handler_name(rapidmask.unpack(rapidmask.pack(np.zeros((1, 9000, 9000), bool)))) == get_handler_name()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
@pytest.mark.parametrize("limit", LIMITS)
def test_small_results_are_kept_where_the_c_library_gives_all_memory_back(limit):
    """As in workers of Dask, for which one of glibc's limits is set, which ends its adapting."""
    program = """if True:
        import numpy as np, rapidmask
        try:
            from numpy._core.multiarray import get_handler_name
        except ImportError:
            from numpy.core.multiarray import get_handler_name
        small, large = (rapidmask.label(np.ones((side, side), bool)) for side in (128, 256))
        print(get_handler_name(small) == get_handler_name(), get_handler_name(large))
        before = large.ctypes.data
        del large
        print(rapidmask.label(np.ones((256, 256), bool)).ctypes.data == before)
    """
    environment = os.environ | {limit: "65536"}
    ran = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.stdout.splitlines() == ["True rapidmask", "True"], ran.stderr


def test_results_that_are_smaller_or_larger():
    # Not more than a quarter is wasted, and what is there is enough.
    keep_nothing_else()
    first = labels_of()
    before = address(first)
    del first
    assert address(labels_of(SIDE + 8)) != before
    assert address(labels_of(1200)) != before
    smaller = labels_of(1500)
    assert address(smaller) == before
    assert smaller.shape == (1500, 1500)
    assert (smaller == 1).all()


def test_results_can_be_resized():
    found = labels_of()
    found.resize((100, 7), refcheck=False)
    assert (found == 1).all()
    found.resize((3 * SIDE, SIDE), refcheck=False)
    assert found.ravel()[:700].tolist() == [1] * 700
    assert not found.ravel()[700:].any()
    found += 5
    assert (labels_of() == 1).all()


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="the C library does not say what it gave out")
def test_no_more_than_64_mebibytes_are_kept():
    from test_memory import allocated

    rapidmask.label(np.zeros((4096, 4096), bool))  # after which no workspace is kept
    keep_nothing_else()
    before = allocated()
    for megapixels in (2, 3, 5, 7, 9, 11, 13, 15, 16):
        rapidmask.label(np.zeros((1024, 1024 * megapixels), bool))
    assert allocated() < before + (1 << 20)


def test_what_is_kept_is_there_when_memory_runs_out():
    resource = pytest.importorskip("resource")
    program = """if True:
        import re, resource
        import numpy as np, rapidmask
        def labels(megapixels):
            return rapidmask.label(masks[:1024 * megapixels])
        masks = np.zeros((1024 * 14, 1024), bool)
        rapidmask.set_num_threads(1)
        labels(14)
        kept = [labels(4) for _ in range(3)]
        del kept
        used = 1024 * int(re.search(r"VmSize:\\s+(\\d+)", open("/proc/self/status").read())[1])
        resource.setrlimit(resource.RLIMIT_AS, (used + (24 << 20), -1))
        print(labels(14).shape)
        try:
            np.empty(50 << 20, np.uint8)
        except MemoryError:
            print("short of memory")
    """
    if not sys.platform.startswith("linux") or resource.getrlimit(resource.RLIMIT_AS)[1] != resource.RLIM_INFINITY:
        pytest.skip("address space cannot be limited here")
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert ran.stdout.splitlines() == ["(14336, 1024)", "short of memory"], ran.stderr


def test_threads_do_not_share_results():
    wrong = []

    def work(seed):
        rng = np.random.default_rng(seed)
        held = []
        for _ in range(40):
            side = int(rng.choice([1450, 1500, SIDE]))
            held.append((labels_of(side), side))
            held[-1][0][:] = seed
            if len(held) > 3:
                del held[int(rng.integers(4))]
            wrong.extend(side for labels, side in held if labels.shape != (side, side) or (labels != seed).any())

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(1, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no processes are forked here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of threads beside a fork
def test_a_forked_process_has_its_own():
    found = labels_of()
    child = os.fork()
    if child == 0:
        os._exit(0 if (found == 1).all() and (labels_of() == 1).all() else 1)
    del found
    other = labels_of() * 2
    assert os.waitpid(child, 0)[1] == 0
    assert (other == 2).all()
