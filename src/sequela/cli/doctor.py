"""Is this machine fit? Looked at without importing what might not start on it."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

NEEDED = (
    "numpy",
    "scipy",
    "polars",
    "narwhals",
    "pydantic",
    "rich-click",
    "jinja2",
    "matplotlib",
    "pyreadstat",
)
OPTIONAL = ("formulaic", "openpyxl", "duckdb")


def examine(directory: Path) -> list[dict[str, Any]]:
    """Each check with `what`, `found`, `ok` and, where it is not, `remedy`."""
    return [
        _python(),
        _processor(),
        *map(_library, NEEDED),
        *map(_optional, OPTIONAL),
        _fonts(),
        _writable(directory),
    ]


def _item(what: str, found: str, ok: bool, remedy: str = "") -> dict[str, Any]:
    return {"what": what, "found": found, "ok": ok, "remedy": remedy}


def _python() -> dict[str, Any]:
    return _item(
        "Python", platform.python_version(), sys.version_info >= (3, 11), "install Python 3.11 or newer"
    )


def _processor() -> dict[str, Any]:
    """The standard build of polars needs AVX2; an older processor ends with “illegal instruction”."""
    info = Path("/proc/cpuinfo")
    if platform.machine() not in ("x86_64", "AMD64") or not info.is_file():
        return _item("processor", platform.machine() or "unknown", ok=True)
    fit = " avx2" in info.read_text(encoding="ascii", errors="replace")
    return _item("processor", "AVX2" if fit else "no AVX2", fit, 'pip install "polars[rtcompat]"')


def _library(name: str) -> dict[str, Any]:
    try:
        return _item(name, version(name), ok=True)
    except PackageNotFoundError:
        return _item(name, "not installed", ok=False, remedy=f"pip install {name}")


def _optional(name: str) -> dict[str, Any]:
    item = _library(name)
    return item if item["ok"] else _item(name, "not installed (optional)", ok=True)


def _fonts() -> dict[str, Any]:
    from sequela.report.figures.page import families

    return _item("font of the figures", families()[0], ok=True)


def _writable(directory: Path) -> dict[str, Any]:
    try:
        with tempfile.NamedTemporaryFile(dir=directory):
            pass
    except OSError as fault:
        return _item(
            "this directory",
            fault.strerror or "cannot be written",
            ok=False,
            remedy="change to a directory you may write to",
        )
    free = (
        os.statvfs(directory).f_bavail * os.statvfs(directory).f_frsize if hasattr(os, "statvfs") else 1 << 40
    )
    return _item(
        "this directory", f"can be written, {free / 1e9:.1f} GB free", free > 100e6, "make room on this disk"
    )
