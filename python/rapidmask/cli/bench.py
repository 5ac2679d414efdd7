"""``rapidmask bench``: the benchmarks of a checkout."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click

_REPORT = Path("benchmarks", "report.py")


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": ["-h"]})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[ARGUMENT]...")
def command(arguments: tuple[str, ...]) -> int:
    """Measure the kernels against other libraries.

    Those that are installed are measured. The benchmarks stand in the repository, not in the package: run this in a
    checkout, or with the package installed from one in editable mode. Arguments go to benchmarks/report.py, --help
    included.

    \b
    Example:
      rapidmask bench --help
    """
    for folder in (Path(__file__).parents[3], Path.cwd()):
        if (folder / _REPORT).is_file() and (folder / "pyproject.toml").is_file():
            return subprocess.run([sys.executable, str(_REPORT), *arguments], cwd=folder, check=False).returncode
    raise click.ClickException("the benchmarks stand in the repository: run `rapidmask bench` in a checkout of it")
