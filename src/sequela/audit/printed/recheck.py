"""The whole check of a printed document: read it, check every part, findings in the order of the print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import narwhals as nw

from sequela.audit.printed.across import check_across
from sequela.audit.printed.counts import check_counts
from sequela.audit.printed.grids import document as of_grids
from sequela.audit.printed.joint import check_joint
from sequela.audit.printed.percentages import check_percentages
from sequela.audit.printed.pvalues import check_p_values
from sequela.audit.printed.ratios import check_medians, check_ratios
from sequela.audit.printed.typed import read_typed, typed_document
from sequela.core.errors import UsageError
from sequela.core.finding import Finding, Where
from sequela.records.documents import Grid, read_grids

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sequela.audit.printed.content import Document


def recheck(document_or_table: str | Path | Grid | Mapping[str, Any] | Any) -> list[Finding]:
    """Check the printed numbers of a document or of one table against each other.

    Args:
        document_or_table: the path of a TOML, HTML, DOCX or CSV file; a parsed TOML file (floats as `Decimal`
            keep their zeros); a `Grid`; or a frame of texts (polars, pandas, ...) whose column names are headings.

    Returns:
        Findings P2xx (counts), P3xx (p-values from counts), P4xx (ratios) and P5xx (medians), empty if none.
        Nothing is reported that rounding can explain.

    Raises:
        UsageError: P101, it cannot be read; P102, nothing in it can be checked.
    """
    return list(check_document(read_document(document_or_table)))


def check_document(document: Document) -> tuple[Finding, ...]:
    """Every finding on a document that has been read."""
    found: list[Finding] = []
    for table in document.tables:
        found += [*check_counts(table), *check_percentages(table)]
        found += [*check_joint(table), *check_p_values(table)]
    found += [*check_across(document), *check_ratios(document.ratios), *check_medians(document)]
    return tuple(dict.fromkeys(found))


def read_document(source: str | Path | Grid | Mapping[str, Any] | Any) -> Document:
    """What a document prints, as far as it can be checked; arguments and errors as for `recheck`."""
    read = _read(source)
    if not (read.grids or read.ratios or read.medians):
        raise UsageError(
            Finding(
                "P102",
                "error",
                "there is no table here",
                Where(file=read.name),
                allowed="tables of counts headed (n = 194) or N (%), ratios such as 1.79 (1.23–2.61), medians",
                remedy="see docs/recheck.md for what is recognised",
            )
        )
    return read


def checked(document: Document) -> str:
    """In a few words, how much of the document could be checked."""
    variables = [v for table in document.tables for v in table.variables if not v.summary]
    p_values = sum(v.p is not None for v in variables)
    return (
        f"{len(document.tables)} of {document.grids} tables with counts: {len(variables)} characteristics, "
        f"{p_values} with a p-value; {len(document.ratios)} ratios; {len(document.medians)} medians"
    )


def _read(source: Any) -> Document:
    if isinstance(source, Grid):
        return of_grids(source.caption or "table", [source])
    if isinstance(source, dict):
        return typed_document(source)
    if isinstance(source, (str, Path)):
        path = Path(source)
        if path.suffix.lower() == ".toml":
            return read_typed(path)
        return of_grids(str(path), read_grids(path), str(path))
    frame = nw.from_native(source, eager_only=True)
    rows = (tuple("" if value is None else str(value) for value in row) for row in frame.iter_rows())
    grid = Grid("", (tuple(frame.columns), *rows), 1, tuple(range(1, len(frame) + 2)))
    return of_grids("table", [grid])
