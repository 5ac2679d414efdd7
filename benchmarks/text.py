"""What both reports are written with; imports nothing that must be built first."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", re.sub(r"\((r|tm)\)", "", name.lower())).strip("-")


def git(*arguments: str) -> str:
    try:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def duration(ms: float) -> str:
    return f"{ms:#.3g} ms" if ms >= 0.1 else f"{ms * 1e3:#.3g} µs"


def ratio(value: float) -> str:
    return f"{value:.2f}×" if value < 9.95 else f"{value:.0f}×"


def table(header: list[str], lines: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [header, ["---"] * len(header), *lines]) + "\n"
