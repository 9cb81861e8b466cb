"""What a reader of a format hands on: text, where it stood, what could not be read."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from sequela.core.finding import Finding


@dataclass(frozen=True, slots=True, eq=False)
class Raw:
    """The wanted columns of one file.

    Attributes:
        frame: every column as text, null where a cell is empty, and `_line`: the line, sheet row or row number.
        findings: cells that the reader could not hand on as they stand.
        left_out: rows of the file that belong to something else, by reason.
        sha256: of the file and of those read beside it (a data dictionary, a concept table).
    """

    frame: pl.DataFrame
    findings: tuple[Finding, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict[str, int])
    sha256: Mapping[Path, str] = field(default_factory=dict[Path, str])
