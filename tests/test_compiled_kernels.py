"""What nvcc made of the kernels: registers, stack, shared memory and instructions, read by ``cuobjdump``.

Where neither `_cuda` nor the tool is installed, only the reading of a sample of its output is tested. To say what is
expected of a kernel, add a line to `INSTRUCTIONS`.
"""

import functools
import importlib.util
import os
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

SOURCES = Path(__file__).resolve().parent.parent / "cuda/src"

# Bytes of stack at most, with why the compiler cannot hold them in registers: arrays whose index is known only at run
# time. Any other stack is a spill or an oversight.
STACK = {
    "filter_rows_kernel": 192,  # window_sum's 24 partial sums, of which bits of the window's size choose
    "write_surface_kernel": 192,  # the same over the rows
    "decide_mask_kernel": 192,  # the same over the rows
    "read_integers_kernel": 960,  # pairwise_sum's 40 halves, by how deep it is (threshold_rules.hpp)
    "read_floats_kernel": 960,  # the same
}

# Threads of a block by what a launch calls them, where that is no plain constant: the most that they can be.
BLOCKS = {"threads": 256, "kSumThreads": 64}

REGISTERS = 1 << 16  # of a multiprocessor, and at most of a block, on every architecture
SHARED = 48 << 10  # what a block has without asking for more
STATIC_BESIDE_DYNAMIC = 2 << 10  # kStaticShared of port.cuh
SYSTEM_SHARED = 1 << 10  # of every block, among what cuobjdump tells for sm_80 and later

VOTE, POPC, REDUX = r"VOTEU?\.", r"U?POPC", r"REDUX"
WIDE_LOAD, WIDE_STORE = r"LDG\.E\.128", r"STG\.E\.128"

# Kernel: what must be among its instructions, as regular expressions.
INSTRUCTIONS = {
    "pack_masks_kernel": [WIDE_LOAD],
    "unpack_masks_kernel": [WIDE_STORE],
    "threshold_dense_kernel": [VOTE, WIDE_STORE],
    "threshold_packed_kernel": [VOTE],
    "dilate_tiles_kernel": [WIDE_LOAD, WIDE_STORE],
    "paste_masks_kernel": [VOTE, WIDE_STORE],
    "upsample_masks_kernel": [VOTE, POPC, WIDE_STORE],
    "decode_prototypes_kernel": [VOTE, POPC, WIDE_STORE],
    "join_tiles_kernel": [VOTE, WIDE_LOAD, r"ATOMS\.MIN"],
    "add_areas_kernel": [POPC, REDUX],
    "mask_areas_kernel": [POPC],
    "count_blocks_kernel": [POPC, REDUX, r"LDG\.E\.64"],
    "share_pixels_kernel": [POPC, r"LDG\.E\.64"],
    "count_transitions_kernel": [POPC, REDUX],
    "count_unpainted_kernel": [r"MATCH\.ANY"],
}
WITH_INSTRUCTIONS = ("sm_80", "sm_90", "sm_120")  # whose names of instructions the table above holds


class Usage(NamedTuple):
    """What a compiled kernel takes, in registers of a thread and bytes."""

    architecture: str
    symbol: str
    registers: int
    stack: int
    shared: int
    local: int

    @property
    def name(self):
        return re.search(r"\d([a-z][a-z_]*_kernel)[IE]", self.symbol)[1]

    @property
    def source(self):
        """Stem of the .cu file it was compiled from; none where the kernel is not in an anonymous namespace."""
        found = re.search(r"_GLOBAL__N__[0-9a-f]{8}_\d+_(\w+?)_cu_[0-9a-f]{8}", self.symbol)
        return found[1] if found else ""


def read_usage(text):
    """The rows of what ``cuobjdump --dump-resource-usage`` printed."""
    pattern = (
        r"^arch = (?P<arch>sm_\w+)|^ Function (?P<symbol>\S+):\n"
        r"  REG:(?P<reg>\d+) STACK:(?P<stack>\d+) SHARED:(?P<shared>\d+) LOCAL:(?P<local>\d+)"
    )
    rows, arch = [], ""
    for found in re.finditer(pattern, text, re.MULTILINE):
        if found["arch"]:
            arch = found["arch"]
        else:
            numbers = (int(found[key]) for key in ("reg", "stack", "shared", "local"))
            rows.append(Usage(arch, found["symbol"], *numbers))
    return rows


def read_instructions(text):
    """How often each instruction is in what ``cuobjdump -sass`` printed."""
    return Counter(re.findall(r"^\s+/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+\s+)?([A-Z][\w.]*)", text, re.MULTILINE))


# The tool and the binary


def find_tool():
    """Path of cuobjdump, or none."""
    folders = [os.environ.get("PATH", "")]
    if home := os.environ.get("CUDA_HOME"):
        folders.append(f"{home}/bin")
    packages = importlib.util.find_spec("nvidia")
    folders += [f"{path}/cu13/bin" for path in (packages.submodule_search_locations or [] if packages else [])]
    return shutil.which("cuobjdump", path=os.pathsep.join(folders))


def find_binary():
    """Path of `rapidmask._cuda`, or none."""
    found = importlib.util.find_spec("rapidmask._cuda")
    return found.origin if found else None


BINARY, TOOL = find_binary(), find_tool()
compiled = pytest.mark.skipif(not (BINARY and TOOL), reason="needs rapidmask._cuda and cuobjdump")


def dump(*arguments, folder=None):
    """What cuobjdump prints, with its nvdisasm on the path."""
    environment = {**os.environ, "PATH": os.pathsep.join([str(Path(TOOL).parent), os.environ.get("PATH", "")])}
    return subprocess.run(
        [TOOL, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=True
    ).stdout


@functools.cache
def usage():
    return read_usage(dump("--dump-resource-usage", BINARY))


@pytest.fixture(scope="session")
def cubins(tmp_path_factory):
    """The binary's parts by architecture: to disassemble one of them takes a hundredth of the whole."""

    @functools.cache
    def of(architecture):
        folder = tmp_path_factory.mktemp(architecture)
        dump("-xelf", f"{architecture}.cubin", BINARY, folder=folder)
        return {path: path.read_bytes() for path in folder.iterdir()}

    return of


def disassembled(symbol, parts):
    (path,) = (path for path, content in parts.items() if b"\0" + symbol.encode() + b"\0" in content)
    return read_instructions(dump("-sass", "-fun", symbol, str(path)))


# The sources: what a kernel is launched with


def places(stem):
    """Where the kernels of a .cu file and their launches may be: there, in headers, and for a header's in any file."""
    return sorted(SOURCES.glob("*.cu*"), key=lambda path: (path.name != f"{stem}.cu", path.suffix != ".cuh", path.name))


@functools.cache
def constants(stem):
    """The integers that a source file and the headers name."""
    named = {}
    for path in reversed(places(stem)):
        for name, value in re.findall(r"constexpr int (k\w+) = (\w+);", path.read_text()):
            if value.isdigit() or value in named:
                named[name] = int(value) if value.isdigit() else named[value]
    return named


@functools.cache
def block_of(name, stem):
    """Threads of a kernel's block, and the blocks that a multiprocessor must hold."""
    named = constants(stem)
    for path in places(stem):
        text = path.read_text()
        bounds = re.search(rf"__launch_bounds__\((\w+)(?:, (\d+))?\)\s+(?:\w+::)?{name}\(", text)
        if bounds:
            return named[bounds[1]], int(bounds[2] or 1)
        launch = re.search(rf"RM_LAUNCH\(\(?{name}\b(?:<[^()]*?>)?\)?,", text)
        if launch:
            block = arguments(text[launch.end() :])[1]
            return (BLOCKS.get(block) or named[block]), 1
    raise AssertionError(f"{name} of {stem or 'a header'} is launched nowhere")


def arguments(text):
    """The first two of the comma-separated expressions at the beginning of a text."""
    found, depth, start = [], 0, 0
    for i, letter in enumerate(text):
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and depth == 0:
            found.append(text[start:i].strip())
            start = i + 1
            if len(found) == 2:
                return found
    raise AssertionError("unbalanced parentheses")


# Without the tool

SAMPLE = """
Fatbin elf code:
================
arch = sm_90
code version = [1,8]

Resource usage:
 Common:
  GLOBAL:0
 Function _ZN9rapidmask4cuda39_GLOBAL__N__8c1a8092_7_pack_cu_c633d3c917pack_masks_kernelEPKhllPj:
  REG:32 STACK:0 SHARED:0 LOCAL:0 CONSTANT[0]:376 TEXTURE:0 SURFACE:0 SAMPLER:0
 Function _ZN9rapidmask4cuda48_GLOBAL__N__38245c97_15_clean_scores_cu_16090ea618clean_small_kernelIdEEvPKT_l:
  REG:114 STACK:8 SHARED:1280 LOCAL:16 CONSTANT[0]:536 TEXTURE:0 SURFACE:0 SAMPLER:0

Fatbin ptx code:
================
arch = sm_120
"""
DISASSEMBLED = """
        /*0000*/                   LDC R1, c[0x0][0x28] ;                   /* 0x00000a00ff017b82 */
                                                                            /* 0x000fe20000000800 */
        /*0010*/              @!P0 LDG.E.U8 R8, desc[UR6][R8.64] ;          /* 0x0000000608088981 */
        /*0020*/                   VOTE.ANY R9, PT, P1 ;                    /* 0x0000000000097806 */
        /*0030*/              @UP1 UIADD3 UR4, UR4, 0x1, URZ ;              /* 0x0000000104041890 */
        /*0040*/                   VOTE.ANY R9, PT, P1 ;                    /* 0x0000000000097806 */
"""


def test_usage_is_read():
    pack, clean = read_usage(SAMPLE)
    assert (pack.architecture, pack.name, pack.source) == ("sm_90", "pack_masks_kernel", "pack")
    assert (pack.registers, pack.stack, pack.shared, pack.local) == (32, 0, 0, 0)
    assert (clean.name, clean.source) == ("clean_small_kernel", "clean_scores")
    assert (clean.registers, clean.stack, clean.shared, clean.local) == (114, 8, 1280, 16)


def test_instructions_are_read():
    expected = {"LDC": 1, "LDG.E.U8": 1, "VOTE.ANY": 2, "UIADD3": 1}
    assert read_instructions(DISASSEMBLED) == expected


def test_blocks_are_read_from_the_sources():
    assert block_of("pack_masks_kernel", "pack") == (256, 1)
    assert block_of("join_tiles_kernel", "component_batch") == (256, 4)
    assert block_of("clean_small_kernel", "clean_scores") == (512, 1)


def test_every_kernel_has_a_block():
    for path in SOURCES.glob("*.cu*"):
        for name in re.findall(r"__global__\s+void\s+(?:__launch_bounds__\([^)]*\)\s*)?(\w+)\(", path.read_text()):
            threads, blocks = block_of(name, path.stem)
            assert threads % 32 == 0
            assert 32 <= threads <= 1024
            assert blocks >= 1


def test_tables_name_kernels():
    text = "".join(path.read_text() for path in SOURCES.glob("*.cu*"))
    for name in {*STACK, *INSTRUCTIONS}:
        assert re.search(rf"\b{name}\(", text), name


# With it


@compiled
def test_no_kernel_spills():
    assert len(usage()) > 100
    wrong = [row for row in usage() if row.local or row.stack > STACK.get(row.name, 0)]
    assert wrong == []


@compiled
def test_listed_stacks_are_needed():
    assert set(STACK) == {row.name for row in usage() if row.stack}


@compiled
def test_every_block_gets_its_registers():
    wrong = []
    for row in usage():
        threads, blocks = block_of(row.name, row.source)
        given = -(-row.registers // 8) * 8 * threads  # eight at a time
        if given * blocks > REGISTERS:
            wrong.append((row, threads, blocks))
    assert wrong == []


def kernels_with_dynamic_shared_memory():
    """Names of the kernels that take dynamic shared memory."""
    text = "".join(path.read_text() for path in sorted(SOURCES.glob("*.cu*")))
    kernels = re.split(r"__global__\s+void\s+(?:__launch_bounds__\([^)]*\)\s*)?(?=\w+_kernel)", text)[1:]
    return {re.match(r"\w+", kernel)[0] for kernel in kernels if "RM_DYNAMIC_SHARED" in kernel.split("\n}\n")[0]}


def test_kernels_with_dynamic_shared_memory_are_found():
    assert {"filter_small_kernel", "write_small_kernel", "count_pairs_kernel"} <= kernels_with_dynamic_shared_memory()
    assert "join_tiles_kernel" not in kernels_with_dynamic_shared_memory()


@compiled
def test_static_shared_memory_is_what_every_block_has():
    assert [row for row in usage() if row.shared > SHARED] == []


@compiled
def test_static_shared_memory_leaves_what_launches_count_on():
    dynamic = kernels_with_dynamic_shared_memory()
    rows = [row for row in usage() if row.name in dynamic]
    assert {row.name for row in rows} == dynamic
    assert [row for row in rows if row.shared > STATIC_BESIDE_DYNAMIC + SYSTEM_SHARED] == []


@compiled
@pytest.mark.parametrize("name", INSTRUCTIONS)
@pytest.mark.parametrize("architecture", WITH_INSTRUCTIONS)
def test_kernels_have_the_expected_instructions(name, architecture, cubins):
    symbols = [row.symbol for row in usage() if (row.name, row.architecture) == (name, architecture)]
    if architecture not in {row.architecture for row in usage()}:
        pytest.skip(f"the binary has no code for {architecture}")
    found = disassembled(max(symbols), cubins(architecture))
    assert len(found) > 5
    for pattern in INSTRUCTIONS[name]:
        assert any(re.match(pattern, one) for one in found), f"no {pattern} among {sorted(found)}"
    if name not in STACK:
        assert [one for one in found if one.startswith(("LDL", "STL"))] == []
