"""From a source to its files, and from a file to columns of text: finding, and choosing the reader of a format."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from difflib import get_close_matches
from os.path import normpath
from pathlib import Path
from typing import TYPE_CHECKING

from sequela.core.errors import DataError
from sequela.core.finding import Finding, Where
from sequela.records.encoding import text_of
from sequela.records.raw import Raw
from sequela.records.splitting import split

if TYPE_CHECKING:
    from sequela.records.source import Source


def find(source: Source, base: Path) -> list[Path]:
    """The files of a source, in the order declared; those of a pattern in the order of their names.

    Raises:
        DataError: R101, a file or pattern finds nothing.
    """
    found: list[Path] = []
    for name in source.files:
        pattern = any(sign in name for sign in "*?[")
        paths = sorted(base.glob(name)) if pattern else [_tidy(base / name)]
        if not paths or not all(path.is_file() for path in paths):
            raise DataError(_missing(source, base / name))
        found.extend(paths)
    return found


def _tidy(path: Path) -> Path:
    """`study/../drugs.csv` as `drugs.csv`, where that is the same file."""
    short = Path(normpath(path))
    return short if path.exists() and short.exists() and short.samefile(path) else path


def _missing(source: Source, path: Path) -> Finding:
    folder = path.parent
    beside = sorted(other.name for other in folder.iterdir() if other.is_file()) if folder.is_dir() else []
    near = get_close_matches(path.name, beside, 3, 0.5)
    found = f"{len(beside)} other files in {folder}" if beside else f"no files in {folder}"
    return Finding(
        "R101", "error", f"the file of source `{source.name}` is missing", Where(str(path)),
        found=f"near it: {', '.join(near)}" if near else found, allowed="a file beside the study file",
        remedy=f"mend `file` under [sources.{source.name}], or put the file in place",
    )  # fmt: skip


def read_raw(source: Source, path: Path, wanted: tuple[str, ...], base: Path) -> Raw:
    """The wanted columns of a file as text, by the reader of its format.

    Args:
        source: the layout.
        path: the file.
        wanted: names of columns in the file, each once.
        base: the directory that the name of a dictionary starts from.

    Raises:
        DataError: R102 empty; R103 cut short or damaged; R104 another encoding; R105 another delimiter;
            R106 rows of different length; R107 no such column; R108 a column name twice; R114 no such sheet,
            form or table; R115 several sheets; R116 no data dictionary.
        UsageError: R113, the format needs a library that is not installed.
    """
    raw = _read(source, path, wanted, base)
    return replace(raw, sha256={path: digest(path), **{beside: digest(beside) for beside in raw.sha256}})


def digest(path: Path) -> str:
    """The SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(source: Source, path: Path, wanted: tuple[str, ...], base: Path) -> Raw:
    # A format's reader is imported when a file of that format is read: most studies use one or two.
    kind = source.format_of(path)
    if kind in ("csv", "tsv"):
        return Raw(split(source, path, text_of(source, path), wanted))
    if kind == "xlsx":
        from sequela.records.workbooks import read_workbook

        return read_workbook(source, path, wanted)
    if kind == "redcap":
        from sequela.records.redcap import read_redcap

        return read_redcap(source, path, wanted, base)
    if kind == "cbioportal":
        from sequela.records.cbioportal import read_cbioportal

        return read_cbioportal(source, path, wanted)
    if kind == "omop":
        from sequela.records.omop import read_omop

        return read_omop(source, path, wanted, base)
    from sequela.records.frames import read_columns

    return read_columns(source, path, wanted, base)
