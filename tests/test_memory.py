"""What operations need beyond their results, where others need gigabytes."""

import ctypes
import gc
import pathlib
import subprocess
import sys

import pytest

from test_kernels import CALLS

STATUS = pathlib.Path("/proc/self/status")
pytestmark = pytest.mark.skipif(not STATUS.exists(), reason="peaks are read from /proc")

# Prints the bytes by which the memory of the process rose at most while it ran, less those of the result.
PROGRAM = """
import numpy as np, rapidmask

def resident(field):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(field))

rng = np.random.default_rng(0)
rapidmask.set_num_threads(2)
{setup}
{job}  # once before, so that code and threads are there
with open("/proc/self/clear_refs", "w") as references:
    references.write("5")  # the peak begins again
before = resident("VmRSS")
{job}
print(resident("VmHWM") - before - sum(part.nbytes for part in parts))
"""

DETECTIONS = """
prototypes = np.kron(rng.standard_normal((32, 20, 20), np.float32), np.ones((8, 8), np.float32))
coefficients = rng.standard_normal((300, 32), np.float32)
corners = rng.uniform(0, 2500, (300, 2))
boxes = np.hstack([corners, corners + rng.uniform(50, 1500, (300, 2))]).astype(np.float32)
"""
DECODE = """
masks = rapidmask.decode_prototypes(prototypes, coefficients, boxes, (3000, 4000), letterbox=(640, 640), output="rle")
parts = [masks.counts, masks.offsets]
"""
LOGITS = "logits = np.kron(rng.standard_normal((64, 16, 16), np.float32), np.ones((16, 16), np.float32))"
UPSAMPLE = """
masks = rapidmask.upsample_masks(logits, (2048, 2048), output="rle")
parts = [masks.counts, masks.offsets]
"""
MASKS = """
data = np.zeros((1000, 1080, 240), np.uint8)
for mask in data:
    y, x = rng.integers(0, 700), rng.integers(0, 150)
    mask[y : y + 300, x : x + 60] = rng.integers(0, 256, (300, 60))
masks = rapidmask.PackedMasks(data, (1080, 1920))
"""
COMPARE = "parts = [rapidmask.mask_iou(masks)]"


@pytest.mark.parametrize(
    ("setup", "job", "most"),
    [(DETECTIONS, DECODE, 64), (LOGITS, UPSAMPLE, 64), (MASKS, COMPARE, 16)],
    ids=["detections of a 12 MP picture", "SAM's masks of 4 MP", "overlaps of 1000 masks"],
)
def test_memory_beyond_the_result(setup, job, most):
    program = PROGRAM.format(setup=setup, job=job.strip())
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout) < most << 20


class Mallinfo(ctypes.Structure):
    names = ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")
    _fields_ = [(name, ctypes.c_size_t) for name in names]


def allocated():
    """Bytes that the C library has given out and not taken back, in all threads."""
    function = ctypes.CDLL(None).mallinfo2
    function.restype = Mallinfo
    found = function()
    return found.uordblks + found.hblkhd


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="the C library does not say what it gave out")
@pytest.mark.parametrize("name", [name for name in CALLS if not name.endswith("in tiles")])
def test_calls_leave_no_memory_behind(name):
    call = CALLS[name]
    for _ in range(3):
        call()
    growths = []
    gc.collect()
    while len(growths) < 4 and (not growths or growths[-1] >= 320):  # a leak grows each time, a cache once
        before = allocated()
        for _ in range(10):
            call()
        gc.collect()
        growths.append(allocated() - before)
    assert growths[-1] < 320
