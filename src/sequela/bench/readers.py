"""Files of plate readers: which plates and reads a file holds, and what its layout does not explain."""

from __future__ import annotations

from dataclasses import replace
from difflib import get_close_matches
from itertools import takewhile
from typing import TYPE_CHECKING

import polars as pl

from sequela.core.errors import DataError
from sequela.core.finding import Finding, Where
from sequela.records.grids import SHAPES, Grid, find_grids, read_rows, well_name
from sequela.records.kinetics import find_reads

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sequela.records.source import Source
    from sequela.study.bench import Assay


def plates_of(source: Source, path: Path, wells: int, read: str | None) -> dict[str, Grid]:
    """Every plate of a file by its name: the file's, then `/` and the sheet or the place in the file.

    Reads of one plate over time are told apart by their hours, behind an `@` of the key.

    Raises:
        DataError: B102, there is no plate; B105, no grid has the text that `read` asks for.
    """
    stem = path.name.split(".")[0]
    found: dict[str, Grid] = {}
    for suffix, rows in _pages(source, path):
        grids = find_reads(rows) or find_grids(rows, wells)
        wanted = grids if read is None else [grid for grid in grids if _says(grid, read)]
        if grids and not wanted:
            raise DataError(_unread(path, grids, read or ""))
        plain = [grid for grid in wanted if grid.hours is None]
        for place, grid in enumerate(wanted, 1):
            several = f"/{place}" if len(plain) > 1 else ""
            time = "" if grid.hours is None else f"@{grid.hours:g}"
            found[f"{stem}{suffix}{several}{time}"] = grid
    if not found:
        raise DataError(_no_grid(path, wells))
    return found


def _pages(source: Source, path: Path) -> list[tuple[str, list[list[str]]]]:
    if source.sheet != "*" or source.format_of(path) != "xlsx":
        return [("", read_rows(source, path))]
    from sequela.records.workbooks import sheets_of

    return [(f"/{sheet}", read_rows(replace(source, sheet=sheet), path)) for sheet in sheets_of(path)]


def _says(grid: Grid, text: str) -> bool:
    lines = (grid.title, *grid.above[-3:])
    return any(text.casefold() in line.casefold() for line in lines)


def _told(grid: Grid) -> str:
    return grid.title or (grid.above[-1] if grid.above else "no title")


def _unread(path: Path, grids: list[Grid], read: str) -> Finding:
    titles = "; ".join(dict.fromkeys(map(_told, grids)))
    return Finding(
        "B105", "error", "no grid of the file is the read that is asked for", Where(str(path), field="read"), read,
        titles, "give a text that stands left of the 1, or in the three lines above the grid",
    )  # fmt: skip


def _no_grid(path: Path, wells: int) -> Finding:
    allowed = f"a row that counts 1 to {SHAPES[wells][1]}, and rows that start with A, B, C, … below it"
    remedy = "look at the file, or say the size of the plates: [plates] wells = 384"
    return Finding(
        "B102", "error", f"the file holds no plate of {wells} wells", Where(str(path)), None, allowed, remedy
    )


def table_below(
    source: Source, path: Path, line: int, headings: Mapping[str, str], needed: set[str]
) -> pl.DataFrame:
    """Rows of text below the line that names the columns, up to an empty one: our fields, `_file` and `_line`.

    Raises:
        DataError: B108, the line does not name every column that is needed.
    """
    rows = read_rows(source, path)
    head = rows[line - 1] if line <= len(rows) else []
    places = {field: head.index(heading) for field, heading in headings.items() if heading in head}
    lacking = sorted(headings[field] for field in needed - places.keys())
    if lacking:
        remedy = "count the lines of the file, or map the columns: `columns`"
        message = f"line {line} does not name the columns {', '.join(lacking)}"
        found = ", ".join(filter(None, head)) or "an empty line"
        raise DataError(
            Finding("B108", "error", message, Where(str(path), line), found, "their names", remedy)
        )
    body = list(takewhile(any, rows[line:]))
    columns = {
        field: [row[at] if at < len(row) and row[at] else None for row in body]
        for field, at in places.items()
    }
    text = pl.DataFrame(columns, schema=dict.fromkeys(places, pl.String))
    lines = pl.int_range(line + 1, line + 1 + len(body), dtype=pl.Int64, eager=True)
    return text.with_columns(pl.lit(str(path)).alias("_file"), lines.alias("_line"))


def untold(path: Path, grids: Mapping[str, Grid], assay: Assay) -> tuple[Finding, ...]:
    """B104: several grids in one file that nothing tells apart; two wavelengths are no two plates."""
    names = [name for name, grid in grids.items() if grid.hours is None]
    named = {*assay.experiments, *assay.plate_hours}
    if len(names) < 2 or "{plate}" in (assay.layout or "") or named >= set(names):
        return ()
    found = "; ".join(f"{name}: {_told(grids[name])}" for name in names)
    remedy = "name each under `experiments` or `plate_hours`, or choose one read: `read`"
    message = f"the file holds {len(names)} grids, taken for plates of their own"
    return (Finding("B104", "warning", message, Where(str(path)), found, "plates that are named", remedy),)


def unmatched(
    path: Path, plate: str, grid: Grid, held: Mapping[tuple[int, int], Mapping[str, str]]
) -> tuple[Finding, ...]:
    """B106: wells with a signal that the layout does not name, and wells of the layout without one."""
    findings: list[Finding] = []
    for places, message in (
        (
            [at for at in grid.cells if not held.get(at)],
            "wells hold a signal, and the layout does not name them",
        ),
        ([at for at in held if at not in grid.cells], "wells of the layout have no signal"),
    ):
        if places:
            names = [well_name(*at) for at in sorted(places)]
            shown = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
            findings.append(
                Finding("B106", "note", f"{len(names)} {message}", Where(str(path), field=plate), shown,
                        "a layout of this plate", "look whether the layout belongs to this plate")
            )  # fmt: skip
    return tuple(findings)


def strange_plates(frame: pl.DataFrame, assay: Assay, name: str) -> tuple[Finding, ...]:
    """B107: `experiments` names plates that no row is of."""
    known = frame["plate"].drop_nulls().unique(maintain_order=True).to_list()
    findings: list[Finding] = []
    for plate in (plate for plate in assay.experiments if plate not in known):
        near = get_close_matches(plate, known, 1)
        hint = f": did you mean `{near[0]}`?" if near else ""
        shown = ", ".join(known[:8]) + (", …" if len(known) > 8 else "")
        findings.append(
            Finding("B107", "warning", f"there is no plate `{plate}`{hint}", Where(field=f"assays.{name}.experiments"),
                    plate, shown or "no plate is named", "name the plates as the files do")
        )  # fmt: skip
    return tuple(findings)
