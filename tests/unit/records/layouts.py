"""Small files and their sources, for the tests of reading."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from sequela.core.errors import DataError
from sequela.records.reading import Table, read
from sequela.records.source import Column, Source

if TYPE_CHECKING:
    from pathlib import Path

    from sequela.core.finding import Finding

PEOPLE = Source(
    "people",
    ("people.csv",),
    (
        Column("patient", "id", required=True),
        Column("age", type="integer", minimum=18, maximum=110, unit="years"),
        Column("seen", "seen_on", type="date"),
        Column("stage", type="category", levels={"III": "late", "iv": "late", "I": "early"}),
    ),
)
GOOD = "id,age,seen_on,stage\nA,50,2019-01-02,III\nB,61,2019-02-03,IV\nC,70,2019-03-04,i\n"


def table(folder: Path, text: str | bytes, source: Source = PEOPLE, **changes: Any) -> Table:
    """The table of `text`, written to the source's only file."""
    source = replace(source, **changes)
    path = folder / source.files[0]
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read(source, folder)


def column(folder: Path, values: list[str], **declared: Any) -> Table:
    """A table of patients P1, P2, … and one field `x`."""
    rows = "".join(f"P{i}\t{value}\n" for i, value in enumerate(values, 1))
    source = Source("x", ("x.tsv",), (Column("patient"), Column("x", **declared)))
    return table(folder, f"patient\tx\n{rows}", source)


def refusal(folder: Path, text: str | bytes, source: Source = PEOPLE, **changes: Any) -> Finding:
    """The one finding by which a file is refused: complete, and pointing to the file."""
    with pytest.raises(DataError) as caught:
        table(folder, text, source, **changes)
    (finding,) = caught.value.findings
    assert finding.severity == "error"
    assert finding.where.file == str(folder / source.files[0])
    assert finding.found
    assert finding.allowed
    assert finding.remedy
    return finding
