"""cBioPortal's clinical files (patients, samples) and timelines: tab-separated, with comment rows above the header.

A clinical file starts with four rows of comments (names, descriptions, datatypes, priorities) and the row of
attribute names; a timeline starts with its attribute names. Statuses such as `1:DECEASED` lose their code.
The format: https://docs.cbioportal.org/file-formats/.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import polars as pl

from sequela.core.errors import DataError
from sequela.core.finding import Finding, Where
from sequela.records.encoding import text_of
from sequela.records.raw import Raw
from sequela.records.splitting import split

if TYPE_CHECKING:
    from pathlib import Path

    from sequela.records.source import Source

MISSING: Final = ("NA", "N/A", "NaN", "[Not Applicable]", "[Not Available]", "[Pending]", "[Discrepancy]",
                  "[Completed]", "[Unknown]", "[Not Evaluated]", "Not Available", "Not Applicable")  # fmt: skip
DATATYPES: Final = ("STRING", "NUMBER", "BOOLEAN")


def read_cbioportal(source: Source, path: Path, wanted: tuple[str, ...]) -> Raw:
    """The wanted columns of a clinical or timeline file; cBioPortal's words for missing are empty cells.

    Raises:
        DataError: as of a TSV file; R106 where the comment rows do not fit the header.
    """
    text = text_of(source, path)
    _check_head(path, text)
    rows = text.replace("\r\n", "\n").split("\n", 5)
    if len(rows) > 5 and all(row.startswith("#") for row in rows[:5]):
        # Some portals write the sign before the attribute names too: the fifth row is the header all the same.
        text = "\n".join([*rows[:4], rows[4].lstrip("#"), rows[5]])
    layout = replace(source, delimiter=source.delimiter or "\t", comment=source.comment or "#")
    frame = split(layout, path, text, wanted)
    statuses = [name for name in wanted if name.upper().endswith("_STATUS")]
    return Raw(frame.with_columns(_known(name, status=name in statuses) for name in wanted))


def _known(name: str, *, status: bool) -> pl.Expr:
    value = pl.col(name).str.replace(r"^\s*[01]\s*:\s*", "") if status else pl.col(name)
    return pl.when(~value.str.strip_chars().is_in(MISSING)).then(value).alias(name)


def head_of(text: str) -> dict[str, list[str]]:
    """The comment rows above a clinical file's header: names, descriptions, datatypes, priorities, attributes.

    Empty where the text starts without comments, as a timeline does.
    """
    rows = text.replace("\r\n", "\n").split("\n", 6)[:6]
    above = [row for row in rows if row.startswith("#")]
    if len(above) < 4:
        return {}
    keys = ("names", "descriptions", "datatypes", "priorities", "attributes")
    header = above[4] if len(above) > 4 else rows[len(above)]
    parts = [row.lstrip("#").split("\t") for row in [*above[:4], header]]
    return dict(zip(keys, parts, strict=True))


def _check_head(path: Path, text: str) -> None:
    """Refuse comment rows of another width than the header, or with datatypes that do not exist."""
    head = head_of(text)
    if not head:
        return
    width = len(head["attributes"])
    for line, (key, cells) in enumerate(head.items(), 1):
        if len(cells) != width:
            found = f"{len(cells)} {key}, and {width} columns"
            _refuse(path, line, None, found, f"{width} fields in every row above the header")
    for name, kind in zip(head["attributes"], head["datatypes"], strict=True):
        if kind.strip().upper() not in DATATYPES:
            _refuse(path, 3, name, kind, ", ".join(DATATYPES))


def _refuse(path: Path, line: int, name: str | None, found: str, allowed: str) -> None:
    message = "the rows above the header do not fit the columns"
    remedy = "mend the rows that start with #, or take all four out"
    raise DataError(Finding("R106", "error", message, Where(str(path), line, name), found, allowed, remedy))
